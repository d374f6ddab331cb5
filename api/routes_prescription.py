"""What is prescribed: put in force, read back, taken along; and the clinician's key that signs it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from fastapi import APIRouter, Response

from api import models, problems
from api.auth import AClinician, APatient, TheService
from api.problems import ApiRefused, documented
from api.roles import Role
from api.routes_session import GUARD, PATIENT
from api.service import Service
from api.views import prescription_of, prescription_out
from controller.catalogue import library
from controller.chain import Kind
from controller.figure_table import problem_json
from controller.own_programmes import own_programmes
from controller.prescription_form import as_toml, parse_form
from controller.prescription_words import in_words
from safety.errors import InputRefused

router = APIRouter(tags=["prescription"])


def key_out(service: Service) -> models.KeyOut:
    """How the device's key stands, and who is enrolled."""
    state, enrolled = service.keys.state(), service.enrolled()
    listed = [{"name": key.name, "fingerprint": key.fingerprint} for key in enrolled]
    known = any(key.fingerprint == state.fingerprint for key in enrolled)
    told = {**asdict(state), "known": known, "enrolled": listed, "device": service.journal.device}
    return models.KeyOut.model_validate(told)


@router.get(
    "/prescription",
    summary="What is prescribed",
    responses=documented(*PATIENT, "no_prescription"),
)
async def prescription(service: TheService, device: APatient) -> models.PrescriptionIn:
    """The revision in force."""
    del device
    found = service.engine.prescription()
    if found is None:
        raise ApiRefused("nothing is prescribed yet", code="no_prescription")
    return prescription_out(found)


@router.put(
    "/prescription",
    summary="Prescribe",
    responses=documented(
        *(*PATIENT, *GUARD, "prescription_revision", "programme_unknown", "not_now", "journal_not_written"),
        *("prescription_cap", "prescription_channel", "prescription_programme", "programme_changed"),
        *("programme_shipped", "key_missing", "key_locked"),
        *("prescription_changed", "prescription_foreign", "prescription_downgraded", "prescription_replayed"),
        *("prescription_replaced", "prescription_expired", "prescription_not_yet", "prescription_malformed"),
    ),
)
async def prescribe(service: TheService, device: APatient, told: models.PrescriptionIn) -> models.PrescriptionIn:
    """Puts a newer revision in force.

    A clinician may send one without a signature, one above the present revision (1 for the first): it is completed and
    signed with the clinician's key on the device. One that is signed is taken as it is, from a patient's phone too, if
    an enrolled key signed it for this device, and it is newer than what was ever in force. A programme of one's own
    that is kept here need not come along.
    """
    if told.signature is None and not device.role.includes(Role.CLINICIAN):
        raise ApiRefused("a patient may only bring what a clinician signed", code="role_too_low")
    if told.programme_text is None and told.programme not in library():
        kept = await asyncio.to_thread(own_programmes, service.journal)
        if told.programme not in kept:
            raise ApiRefused(f"there is no programme {told.programme}", code="programme_unknown")
        told = told.model_copy(update={"programme_text": kept[told.programme].text.decode()})
    put = await service.command(
        device,
        "prescribe",
        lambda: service.engine.prescribe(prescription_of(told)),
        towards_output=True,
        revision=told.revision,
    )
    return prescription_out(put)


@router.get(
    "/prescription/file",
    summary="What is prescribed, as a signed file",
    response_class=Response,
    responses={200: {"content": {"application/toml": {}}}, **documented(*PATIENT, "no_prescription")},
)
async def file(service: TheService, device: APatient) -> Response:
    """The revision in force with its signature, as TOML: what `pelvistim prescription` reads."""
    del device
    found = service.engine.prescription()
    if found is None:
        raise ApiRefused("nothing is prescribed yet", code="no_prescription")
    kept = {"Content-Disposition": f'attachment; filename="plan-{found.revision}.toml"', "Cache-Control": "no-store"}
    return Response(as_toml(found), headers=kept, media_type="application/toml")


@router.post(
    "/prescription/read",
    summary="How the device understands a file",
    response_model=models.PrescriptionRead,
    responses=documented(*PATIENT, "prescription_malformed"),
)
def read(service: TheService, device: APatient, told: models.PrescriptionText) -> models.PrescriptionRead | Response:
    """Reads the text of a prescription file, TOML or JSON: its form, and every field in the page's own words. Nothing
    is put in force. A refusal tells everything that is wrong in `problems`.
    """
    del device
    try:
        one = parse_form(told.text.encode("utf-8", "replace"), "file")
    except InputRefused as refused:
        listed = [problem_json(problem) for problem in refused.problems]
        return problems.response("prescription_malformed", str(refused)[:500], problems=listed)
    words = [models.Labelled(label=label, text=text) for label, text in in_words(one, told.language)]
    known = {key.fingerprint: key.name for key in service.enrolled()}
    signer = known.get(one.signature.key) if one.signature is not None else None
    return models.PrescriptionRead(form=prescription_out(one), words=words, signed_by=signer)


@router.get("/key", summary="The clinician's key", responses=documented(*PATIENT))
async def key(service: TheService, device: AClinician) -> models.KeyOut:
    """Whether a key of the clinician is kept on this device, and open; and whose signatures the guard takes."""
    del device
    return key_out(service)


@router.post(
    "/key/unlock",
    summary="Unlock the clinician's key",
    responses=documented(*PATIENT, "key_missing", "key_wrong", "key_tries", "key_malformed", "journal_not_written"),
)
async def unlock(service: TheService, device: AClinician, told: models.UnlockIn) -> models.KeyOut:
    """Opens it for five minutes at most. Five wrong passphrases shut it for as long."""
    await asyncio.to_thread(service.keys.unlock, told.passphrase)
    await service.settle(service.note(Kind.COMMAND, who=device.id, role=str(device.role), what="unlock", result="done"))
    return key_out(service)


@router.delete("/key/unlock", status_code=204, summary="Lock it again", responses=documented(*PATIENT))
async def lock(service: TheService, device: AClinician) -> None:
    """Forgets the opened key."""
    del device
    service.keys.lock()
