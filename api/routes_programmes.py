"""The programmes: those that come with it, those of one's own, and a form to make one."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from api import models
from api.auth import AClinician, APatient, AViewer, TheService
from api.problems import ApiRefused, documented
from api.routes_session import PATIENT, VIEWER
from api.service import Service
from api.views import checked_out, programme_out
from controller.catalogue import library, programme_output, programme_output_csv
from controller.own_programmes import keep, own_programmes, remove
from controller.prescribed import programme_of
from controller.programme_form import check, form_toml

router = APIRouter(tags=["prescription"])
ProgrammeId = Annotated[str, Path(max_length=64, pattern=r"^[a-z0-9-]+$", examples=["stress-50hz"])]
MaxMa = Annotated[models.Milliamps | None, Query(description="mA; missing: the highest that passes.")]
AreaMm2 = Annotated[models.AreaMm2 | None, Query(description="Smallest contact; missing: the programme's.")]


def programme_text(service: Service, id: str) -> bytes:
    """The file of a programme, of the library or one's own. Raises ApiRefused."""
    if id in library():
        return library()[id]
    own = own_programmes(service.journal).get(id)
    if own is None:
        raise ApiRefused(f"there is no programme {id}", code="not_found")
    return own.text


@router.get("/programmes", summary="The programmes", responses=documented(*VIEWER))
def programmes(service: TheService, device: AViewer) -> list[models.ProgrammeOut]:
    """Every programme with its derived figures: the library's, then one's own."""
    del device
    own = [one.text for _, one in sorted(own_programmes(service.journal).items())]
    return [programme_out(text) for text in (*library().values(), *own)]


@router.get("/programmes/{id}", summary="One programme", responses=documented(*VIEWER, "not_found"))
def programme(
    service: TheService, device: AViewer, id: ProgrammeId, max_ma: MaxMa = None, area_mm2: AreaMm2 = None
) -> models.ProgrammeOut:
    """One programme with its derived figures at a maximum."""
    del device
    return programme_out(programme_text(service, id), max_ma, area_mm2)


@router.get(
    "/programmes/{id}/file",
    summary="A programme's file",
    response_class=Response,
    responses={200: {"content": {"application/toml": {}}}, **documented(*VIEWER, "not_found")},
)
def file(service: TheService, device: AViewer, id: ProgrammeId) -> Response:
    """The exact bytes, as TOML: what `pelvistim check` reads, and what a prescription's `programme_sha256` is of."""
    del device
    kept = {"Content-Disposition": f'attachment; filename="{id}.toml"'}
    return Response(programme_text(service, id), headers=kept, media_type="application/toml")


@router.get(
    "/programmes/{id}/output-table",
    summary="The output of a programme",
    response_model=models.OutputTable,
    responses={200: {"content": {"text/csv": {}}}, **documented(*VIEWER, "not_found")},
)
def output_table(
    service: TheService,
    device: AViewer,
    id: ProgrammeId,
    max_ma: MaxMa = None,
    area_mm2: AreaMm2 = None,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> Response:
    """Into 500, 2 000 and 10 000 ohm, phase by phase: the table that 21 CFR 876.5330 asks a maker to publish."""
    del device
    text, max_ua = programme_text(service, id), None if max_ma is None else round(max_ma * 1000)
    if format == "json":
        told = models.OutputTable(**programme_output(text, max_ua, area_mm2))
        return Response(told.model_dump_json(), media_type="application/json")
    kept = {"Content-Disposition": f'attachment; filename="output-{id}.csv"'}
    return Response(programme_output_csv(text, max_ua, area_mm2), headers=kept, media_type="text/csv; charset=utf-8")


@router.get(
    "/prescription/programme",
    summary="The programme that is prescribed",
    responses=documented(
        *(*PATIENT, "no_prescription", "prescription_programme", "programme_changed", "programme_shipped")
    ),
)
def prescribed(service: TheService, device: APatient) -> models.ProgrammeOut:
    """As it was signed, at its highest cap: another one may be kept under its id by now."""
    del device
    found = service.engine.prescription()
    if found is None:
        raise ApiRefused("nothing is prescribed yet", code="no_prescription")
    highest = max(found.caps_ua.values(), default=0) / 1000 or None
    return programme_out(programme_of(found).text, highest, found.electrode_area_mm2)


@router.post("/programmes/check", summary="Whether a programme could be played", responses=documented(*PATIENT))
def checked(device: AClinician, told: models.ProgrammeCheckIn) -> models.ProgrammeCheckOut:
    """Reads a form, or a file's text, by the rules of `pelvistim check`: every problem at once with its code, what each
    number may be as the others stand, the file it comes to, and its figures. Nothing is kept.
    """
    del device
    text = form_toml(told.form.model_dump(by_alias=True)) if told.form is not None else (told.text or "").encode()
    return checked_out(check(text), told.max_ma, told.area_mm2)


@router.put(
    "/programmes/{id}",
    summary="Keep a programme of one's own",
    responses=documented(
        *(*PATIENT, "programme_invalid", "programme_shipped", "programme_kept", "programme_full"),
        "journal_not_written",
    ),
)
async def put(
    service: TheService, device: AClinician, id: ProgrammeId, told: models.ProgrammeIn
) -> models.ProgrammeOut:
    """Keeps the file under its id, which is none of the library's. `replaces` names the one that is kept, by its hash.

    What is prescribed already is not changed by it: a prescription has its own copy of the programme, and its hash.
    """
    text = told.text.encode()
    own = await asyncio.to_thread(keep, service.journal, id, text, told.replaces, device.id)
    return await asyncio.to_thread(programme_out, own.text)


@router.delete(
    "/programmes/{id}",
    status_code=204,
    summary="Keep it no longer",
    responses=documented(*PATIENT, "programme_unknown", "journal_not_written"),
)
async def delete(service: TheService, device: AClinician, id: ProgrammeId) -> None:
    """Takes one of one's own away. What was prescribed with it stays as it is."""
    await asyncio.to_thread(remove, service.journal, id, device.id)
