"""What is prescribed, what was delivered, and how the device does."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import PlainTextResponse

from api import models
from api.auth import AClinician, APatient, AtHomeOrClinician, AViewer, TheService
from api.problems import ApiRefused, documented
from api.routes_session import GUARD, PATIENT, VIEWER
from api.views import prescription_of, prescription_out, summary, whole
from controller.catalogue import programme_figures, programme_ids
from controller.history import KINDS, Record, records

router = APIRouter()
ProgrammeId = Annotated[str, Path(max_length=64, examples=["stress-50hz"])]
SessionId = Annotated[str, Path(max_length=64)]


@router.get("/programmes", summary="The programmes", tags=["prescription"], responses=documented(*VIEWER))
def programmes(device: AViewer) -> list[models.ProgrammeOut]:
    """Every programme with its derived figures."""
    del device
    return [_programme(name) for name in programme_ids()]


@router.get(
    "/programmes/{id}", summary="One programme", tags=["prescription"], responses=documented(*VIEWER, "not_found")
)
def programme(device: AViewer, id: ProgrammeId) -> models.ProgrammeOut:
    """One programme with its derived figures."""
    del device
    return _programme(id)


def _programme(name: str) -> models.ProgrammeOut:
    found = programme_figures(name)
    if found is None:
        raise ApiRefused(f"there is no programme {name}", code="not_found")
    return models.ProgrammeOut(id=name, figures=found)


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
        *PATIENT, *GUARD, "prescription_revision", "programme_unknown", "not_now", "journal_not_written"
    ),
)
async def prescribe(service: TheService, device: AClinician, told: models.PrescriptionIn) -> models.PrescriptionIn:
    """Puts a new revision in force, one above the present one (1 for the first)."""
    if told.programme not in programme_ids():
        raise ApiRefused(f"there is no programme {told.programme}", code="programme_unknown")
    put = await service.command(
        device,
        "prescribe",
        lambda: service.engine.prescribe(prescription_of(told)),
        towards_output=True,
        revision=told.revision,
    )
    return prescription_out(put)


def _records(service: TheService) -> list[Record]:
    return records(service.journal.rows(*KINDS))


def _record(service: TheService, id: str) -> Record:
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
    return whole(_record(service, id))


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
    record = _record(service, id)
    kept = {"Content-Disposition": f'attachment; filename="session.{format}"', "Cache-Control": "no-store"}
    if format == "json":
        return Response(whole(record).model_dump_json(), headers=kept, media_type="application/json")
    out = io.StringIO()
    columns = ("contraction", "channel", "start_us", "end_us", "pulses", "charge_pc", "set_point_ua", "measured_ua")
    writer = csv.DictWriter(out, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(record.doses)
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
