"""What was delivered, what closes stimulation, and how the device does."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Annotated, Literal, Protocol, TypeVar

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import PlainTextResponse

from api import models
from api.auth import AClinician, APatient, AtHomeOrClinician, TheService
from api.models import IsoDay
from api.problems import ApiRefused, documented
from api.routes_session import PATIENT
from api.views import summary, whole
from controller import past
from controller.blocks import blocks
from controller.chain import Kind
from controller.dose import Dose
from controller.history import Record

router = APIRouter()
SessionId = Annotated[str, Path(max_length=64)]
Limit = Annotated[int, Query(ge=1, le=past.PAGE_MAX, description="How many at most.")]
Before = Annotated[str | None, Query(max_length=64, description="Only those opened before the one with this id.")]
BeforeDay = Annotated[IsoDay | None, Query(description="Only those of days before this one.")]
MORE = {"Link": {"description": '`rel="next"`, where there are more.', "schema": {"type": "string"}}}
BlockId = Annotated[int, Path(ge=1, le=2**53)]


class _OfADay(Protocol):
    @property
    def day(self) -> str: ...


D = TypeVar("D", bound=_OfADay)


def newest_days(response: Response, path: str, days: Sequence[D], limit: int, before: str | None) -> list[D]:
    """Of entries in the order of their days the last ones, with the address of those before them if there are any."""
    found = [one for one in days if before is None or one.day < before]
    if len(found) > limit:
        tell_more(response, path, limit, found[-limit].day)
    return found[-limit:]


def tell_more(response: Response, path: str, limit: int, before: str) -> None:
    """Tells the address of the next page."""
    response.headers["Link"] = f'</api/v1{path}?limit={limit}&before={before}>; rel="next"'


def record_of(service: TheService, id: str) -> Record:
    """One session of the journal. Raises ApiRefused ``not_found``."""
    found = past.session(service.journal.path, id)
    if found is None:
        raise ApiRefused("there is no such session", code="not_found")
    return found


@router.get(
    "/sessions",
    summary="The sessions so far",
    tags=["history"],
    responses={200: {"headers": MORE}, **documented(*PATIENT, "not_found")},
)
def sessions(
    service: TheService, device: APatient, response: Response, limit: Limit = past.PAGE, before: Before = None
) -> list[models.SessionSummary]:
    """The newest first, so many at once; the header `Link` has the address of those before them."""
    del device
    try:
        found, more = past.page(service.journal.path, limit, before)
    except KeyError:
        raise ApiRefused("there is no such session", code="not_found") from None
    if more:
        tell_more(response, "/sessions", limit, found[-1][0].id)
    return [summary(record, sums) for record, sums in found]


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
