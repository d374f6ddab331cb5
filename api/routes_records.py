"""What is prescribed, what was delivered, and how the device does."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import asdict, fields
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import PlainTextResponse

from api import models
from api.auth import AClinician, APatient, AtHomeOrClinician, AViewer, TheService
from api.problems import ApiRefused, documented
from api.roles import Role
from api.routes_session import GUARD, PATIENT, VIEWER
from api.views import prescription_of, prescription_out, summary, whole
from controller.blocks import blocks
from controller.catalogue import (
    programme_figures,
    programme_ids,
    programme_output,
    programme_output_csv,
    programme_phases,
)
from controller.chain import Kind
from controller.dose import Dose
from controller.history import KINDS, Record, records

router = APIRouter()
ProgrammeId = Annotated[str, Path(max_length=64, examples=["stress-50hz"])]
SessionId = Annotated[str, Path(max_length=64)]
BlockId = Annotated[int, Path(ge=1, le=2**53)]


@router.get("/programmes", summary="The programmes", tags=["prescription"], responses=documented(*VIEWER))
def programmes(device: AViewer) -> list[models.ProgrammeOut]:
    """Every programme with its derived figures."""
    del device
    return [_programme(name) for name in programme_ids()]


@router.get(
    "/programmes/{id}", summary="One programme", tags=["prescription"], responses=documented(*VIEWER, "not_found")
)
def programme(
    device: AViewer,
    id: ProgrammeId,
    max_ma: Annotated[models.Milliamps | None, Query(description="mA; missing: the highest that passes.")] = None,
    area_mm2: Annotated[models.AreaMm2 | None, Query(description="Smallest contact; missing: the programme's.")] = None,
) -> models.ProgrammeOut:
    """One programme with its derived figures at a maximum."""
    del device
    return _programme(id, max_ma, area_mm2)


@router.get(
    "/programmes/{id}/output-table",
    summary="The output of a programme",
    tags=["prescription"],
    response_model=models.OutputTable,
    responses={200: {"content": {"text/csv": {}}}, **documented(*VIEWER, "not_found")},
)
def output_table(
    device: AViewer,
    id: ProgrammeId,
    max_ma: Annotated[models.Milliamps | None, Query(description="mA; missing: the highest that passes.")] = None,
    area_mm2: Annotated[models.AreaMm2 | None, Query(description="Smallest contact; missing: the programme's.")] = None,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> Response:
    """Into 500, 2 000 and 10 000 ohm, phase by phase: the table that 21 CFR 876.5330 asks a maker to publish."""
    del device
    max_ua = None if max_ma is None else round(max_ma * 1000)
    told = programme_output(id, max_ua, area_mm2)
    if told is None:
        raise ApiRefused(f"there is no programme {id}", code="not_found")
    if format == "json":
        return Response(models.OutputTable(**told).model_dump_json(), media_type="application/json")
    kept = {"Content-Disposition": f'attachment; filename="output-{id}.csv"'}
    return Response(programme_output_csv(id, max_ua, area_mm2), headers=kept, media_type="text/csv; charset=utf-8")


def _programme(name: str, max_ma: float | None = None, area_mm2: int | None = None) -> models.ProgrammeOut:
    found = programme_figures(name, None if max_ma is None else round(max_ma * 1000), area_mm2)
    if found is None:
        raise ApiRefused(f"there is no programme {name}", code="not_found")
    phases = [models.PhaseOut(**phase) for phase in programme_phases(name)]
    return models.ProgrammeOut(id=name, figures=found, phases=phases)


@router.get(
    "/prescription",
    summary="What is prescribed",
    tags=["prescription"],
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
    tags=["prescription"],
    responses=documented(
        *(*PATIENT, *GUARD, "prescription_revision", "programme_unknown", "not_now", "journal_not_written"),
        *("prescription_cap", "prescription_programme", "programme_changed", "key_missing", "key_locked"),
        *("prescription_changed", "prescription_foreign", "prescription_downgraded", "prescription_replayed"),
        *("prescription_replaced", "prescription_expired", "prescription_not_yet", "prescription_malformed"),
    ),
)
async def prescribe(service: TheService, device: APatient, told: models.PrescriptionIn) -> models.PrescriptionIn:
    """Puts a newer revision in force.

    A clinician may send one without a signature, one above the present revision (1 for the first): it is completed and
    signed with the clinician's key on the device. One that is signed is taken as it is, from a patient's phone too, if
    an enrolled key signed it for this device, and it is newer than what was ever in force.
    """
    if told.signature is None and not device.role.includes(Role.CLINICIAN):
        raise ApiRefused("a patient may only bring what a clinician signed", code="role_too_low")
    if told.programme_text is None and told.programme not in programme_ids():
        raise ApiRefused(f"there is no programme {told.programme}", code="programme_unknown")
    put = await service.command(
        device,
        "prescribe",
        lambda: service.engine.prescribe(prescription_of(told)),
        towards_output=True,
        revision=told.revision,
    )
    return prescription_out(put)


@router.get("/key", summary="The clinician's key", tags=["prescription"], responses=documented(*PATIENT))
async def key(service: TheService, device: AClinician) -> models.KeyOut:
    """Whether a key of the clinician is kept on this device, and open."""
    del device
    return models.KeyOut.model_validate(asdict(service.keys.state()))


@router.post(
    "/key/unlock",
    summary="Unlock the clinician's key",
    tags=["prescription"],
    responses=documented(*PATIENT, "key_missing", "key_wrong", "key_tries", "key_malformed", "journal_not_written"),
)
async def unlock(service: TheService, device: AClinician, told: models.UnlockIn) -> models.KeyOut:
    """Opens it for five minutes at most. Five wrong passphrases shut it for as long."""
    state = await asyncio.to_thread(service.keys.unlock, told.passphrase)
    await service.settle(service.note(Kind.COMMAND, who=device.id, role=str(device.role), what="unlock", result="done"))
    return models.KeyOut.model_validate(asdict(state))


@router.delete(
    "/key/unlock", status_code=204, summary="Lock it again", tags=["prescription"], responses=documented(*PATIENT)
)
async def lock(service: TheService, device: AClinician) -> None:
    """Forgets the opened key."""
    del device
    service.keys.lock()


def _records(service: TheService) -> list[Record]:
    return records(service.journal.rows(*KINDS))


def record_of(service: TheService, id: str) -> Record:
    """One session of the journal. Raises ApiRefused ``not_found``."""
    found = next((record for record in _records(service) if record.id == id), None)
    if found is None:
        raise ApiRefused("there is no such session", code="not_found")
    return found


@router.get("/sessions", summary="The sessions so far", tags=["history"], responses=documented(*PATIENT))
def sessions(service: TheService, device: APatient) -> list[models.SessionSummary]:
    """Every session, the newest first."""
    del device
    return [summary(record) for record in reversed(_records(service))]


@router.get("/sessions/{id}", summary="One session", tags=["history"], responses=documented(*PATIENT, "not_found"))
def session(service: TheService, device: APatient, id: SessionId) -> models.SessionRecord:
    """What was delivered, contraction by contraction; pauses, stops and causes."""
    del device
    return whole(record_of(service, id))


@router.post(
    "/sessions/{id}/rating",
    status_code=201,
    summary="How a session was",
    tags=["history"],
    responses=documented(*PATIENT, "not_found", "session_open", "journal_not_written"),
)
async def rate(service: TheService, device: APatient, id: SessionId, told: models.RatingIn) -> models.RatingIn:
    """Journals comfort, strength, pain and complaints. A complaint closes stimulation until a clinician releases it.

    May be told again; the newest one counts.
    """
    session = service.engine.state().session
    if session is not None and session.id == id:
        raise ApiRefused("rate it when it is over", code="session_open")
    await asyncio.to_thread(record_of, service, id)
    fields = told.model_dump(exclude={"felt_from_ma"})
    felt = {name: round(ma * 1000) for name, ma in told.felt_from_ma.items()}
    if told.adverse:
        what = sorted(set(told.adverse))
        await service.settle(
            service.note(Kind.BLOCK, event="closed", why="adverse", what=what, note=told.note, of=id, who=device.id)
        )
    await service.settle(service.note(Kind.RATING, session=id, **fields, felt_from_ua=felt))
    return told


@router.get("/blocks", summary="What keeps stimulation closed", tags=["history"], responses=documented(*PATIENT))
def open_blocks(service: TheService, device: APatient) -> list[models.BlockOut]:
    """Contraindications and complaints that no clinician has released yet. While there is one, no session opens."""
    del device
    return [
        models.BlockOut.model_validate(asdict(one) | {"what": list(one.what)})
        for one in blocks(service.journal.rows(Kind.BLOCK))
    ]


@router.post(
    "/blocks/{id}/release",
    status_code=204,
    summary="Release stimulation",
    tags=["history"],
    responses=documented(*PATIENT, "not_found", "journal_not_written"),
)
async def release(service: TheService, device: AClinician, id: BlockId, told: models.ReleaseIn) -> None:
    """A clinician has looked, and says why it may go on."""
    listed = await asyncio.to_thread(lambda: blocks(service.journal.rows(Kind.BLOCK)))
    if all(one.id != id for one in listed):
        raise ApiRefused("there is nothing to release", code="not_found")
    await service.settle(service.note(Kind.BLOCK, event="released", block=id, who=device.id, reason=told.reason))


@router.get(
    "/sessions/{id}/export",
    summary="One session as a file",
    tags=["history"],
    response_model=models.SessionRecord,
    responses={200: {"content": {"text/csv": {}}}, **documented(*PATIENT, "not_found")},
)
def export(
    service: TheService, device: APatient, id: SessionId, format: Annotated[Literal["json", "csv"], Query()] = "json"
) -> Response:
    """The record as JSON, or its contractions as CSV (uA, us, pC)."""
    del device
    record = record_of(service, id)
    kept = {"Content-Disposition": f'attachment; filename="session.{format}"', "Cache-Control": "no-store"}
    if format == "json":
        return Response(whole(record).model_dump_json(), headers=kept, media_type="application/json")
    out = io.StringIO()
    columns = ["simulated", *(field.name for field in fields(Dose))]
    writer = csv.DictWriter(out, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**dose, "simulated": record.opened.get("simulated") is True} for dose in record.doses)
    return Response(out.getvalue(), headers=kept, media_type="text/csv; charset=utf-8")


@router.get("/health", summary="Readiness", tags=["operation"], responses=documented(*PATIENT))
async def health(service: TheService, here: AtHomeOrClinician) -> models.HealthOut:
    """For the device itself without pairing, else for a clinician."""
    del here
    guard, journal = service.engine.healthy(), service.journal_ok
    return models.HealthOut(ready=guard and journal, guard=guard, journal=journal, mode=service.engine.state().mode)


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    tags=["operation"],
    response_class=PlainTextResponse,
    responses=documented(*PATIENT),
)
async def metrics(service: TheService, here: AtHomeOrClinician) -> PlainTextResponse:
    """The same, in Prometheus' text format."""
    del here
    figures = service.figures
    told = {
        "guard_up": int(service.engine.healthy()),
        "journal_up": int(service.journal_ok),
        "journal_rows": service.journal.head.number,
        "stops_total": figures.stops,
        "stops_not_confirmed_total": figures.stops_not_confirmed,
        "commands_total": figures.commands,
        "live_streams": figures.streams,
        "paired_devices": len(service.devices.listed()),
    }
    lines = [
        f"# TYPE pelvistim_{n} {'counter' if n.endswith('_total') else 'gauge'}\npelvistim_{n} {v}"
        for n, v in told.items()
    ]
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4; charset=utf-8")
