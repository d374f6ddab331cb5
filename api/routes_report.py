"""Reports over a period, the diary they rest on, and proofs."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from api import report_models as models
from api.auth import APatient, AViewer, TheService
from api.devices import Device
from api.models import IsoDay
from api.problems import ApiRefused, documented
from api.roles import Role
from api.routes_records import MORE, BeforeDay, Limit, SessionId, newest_days, record_of
from api.routes_session import PATIENT, VIEWER
from api.service import Service
from controller import past
from controller.chain import Kind
from controller.diary import diary
from controller.kept import person_code
from controller.report import as_csv, report

router = APIRouter()
First = Annotated[IsoDay, Query(alias="from", description="The first day, in UTC.")]
Last = Annotated[IsoDay, Query(alias="to", description="The last day, in UTC.")]


@router.get(
    "/report",
    summary="A report over a period",
    tags=["report"],
    response_model=models.ReportOut,
    responses={200: {"content": {"text/csv": {}}}, **documented(*PATIENT)},
)
def make(
    service: TheService,
    device: APatient,
    first: First,
    last: Last,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> Response:
    """Adherence, dose, comfortable strength, thresholds, ratings, pain, complaints, diary, and what stopped it."""
    told = _report(service, device, first, last)
    kept = {"Content-Disposition": f'attachment; filename="report.{format}"', "Cache-Control": "no-store"}
    if format == "csv":
        return Response(as_csv(told), headers=kept, media_type="text/csv; charset=utf-8")
    body = models.ReportOut.model_validate(told).model_dump_json(by_alias=True)
    return Response(body, headers=kept, media_type="application/json")


def _report(service: Service, device: Device, first: str, last: str) -> dict[str, Any]:
    head = service.journal.rows(Kind.DEVICE)[0]
    days = _day(first), _day(last)
    rows = past.for_report(service.journal.path, days)
    return report(rows, *days, person_code(head.hash), clinician=device.role is Role.CLINICIAN)


@router.get("/report/schema", summary="The report's JSON Schema", tags=["report"], responses=documented(*VIEWER))
def schema(device: AViewer) -> dict[str, Any]:
    """As it is published."""
    del device
    return models.schema()


@router.get(
    "/sessions/{id}/proof",
    summary="The proof of one session",
    tags=["history"],
    responses=documented(*PATIENT, "not_found", "session_open", "proof_not_made"),
)
async def proof(service: TheService, device: APatient, id: SessionId) -> models.ProofOut:
    """Replays what was recorded of it, and holds it against prescription, dose record, journal and the guard's seal.

    While a session is open none is made: what plays has the machine.
    """
    if service.engine.state().session is not None:
        raise ApiRefused("a session is open", code="session_open")
    await asyncio.to_thread(record_of, service, id)
    made = models.ProofOut.model_validate(await service.proofs.prove(id))
    if not device.role.includes(Role.CLINICIAN):
        for finding in made.findings:
            finding.detail = None
    return made


@router.get("/diary", summary="The diary", tags=["report"], responses={200: {"headers": MORE}, **documented(*PATIENT)})
def read(
    service: TheService, device: APatient, response: Response, limit: Limit = past.PAGE, before: BeforeDay = None
) -> models.DiaryOut:
    """The newest days that were told, and the goal; the header `Link` has the address of the days before them."""
    del device
    told = diary(service.journal.rows(Kind.DIARY))
    days = [
        models.DiaryDayIn(day=one.day, leaks=one.leaks, pads=one.pads, goal=one.goal, note=one.note)
        for one in newest_days(response, "/diary", told.days, limit, before)
    ]
    return models.DiaryOut(goal=told.goal, days=days)


@router.put("/diary", summary="Write a day", tags=["report"], responses=documented(*PATIENT, "journal_not_written"))
async def write(service: TheService, device: APatient, told: models.DiaryDayIn) -> models.DiaryDayIn:
    """May be told again; the newest word on a day counts."""
    await service.settle(service.note(Kind.DIARY, event="day", who=device.id, **told.model_dump()))
    return told


@router.put(
    "/diary/goal", summary="Write the own goal", tags=["report"], responses=documented(*PATIENT, "journal_not_written")
)
async def write_goal(service: TheService, device: APatient, told: models.GoalIn) -> models.GoalIn:
    """In the person's own words; the newest one counts."""
    await service.settle(service.note(Kind.DIARY, event="goal", who=device.id, text=told.text))
    return told


def _day(text: str) -> date:
    """A day as it is written; the 31st of a shorter month is its last."""
    year, month, day = map(int, text.split("-"))
    for last in range(day, 27, -1):
        try:
            return date(year, month, last)
        except ValueError:
            continue
    return date(year, month, day)
