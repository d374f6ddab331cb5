"""Training, live muscle activity, the clinician's P.E.R.F.E.C.T. record, and effect."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from api import training_models as models
from api.auth import AClinician, APatient, AViewer, TheService
from api.devices import Device
from api.emg_live import as_sse
from api.problems import ApiRefused, documented
from api.routes_records import MORE, Before, BeforeDay, Limit, newest_days, tell_more
from api.routes_session import PATIENT, VIEWER
from api.service import Service
from controller import past
from controller.blocks import blocks
from controller.chain import Kind
from controller.journal import JournalError, utc_now
from controller.prescription import contraindicated
from controller.training.course import Plan, plan
from controller.training.perfect import Perfect, perfects
from controller.training.records import effect, trainings, usual_rest
from controller.training.room import Open
from controller.training.shapes import READY, Exercise, length_ms

router = APIRouter()
TrainingId = Annotated[str, Path(max_length=64)]
SENSOR = ("emg_absent", "emg_lost", "output_enabled")
NORMS = {
    "rest_before": (6_300, 3_300),
    "flick": (49_800, 26_400),
    "hold": (37_100, 26_000),
    "endurance": (16_100, 6_700),
    "rest_after": (6_900, 4_000),
}
"""Mean and standard deviation in nV (Oleksy 2020, n = 96; docs/limits.md): wide, so never without the warning."""


@router.get("/training/plans", summary="The trainings there are", tags=["training"], responses=documented(*VIEWER))
def plans(device: AViewer) -> list[models.PlanOut]:
    """Each ready training without and with a sensor, the technique check and the Glazer protocol, part by part."""
    del device
    made = [plan("guided", name) for name in READY] + [plan("biofeedback", name) for name in READY]
    return [_plan(one) for one in (*made, plan("technique", "technique"), plan("assessment", "glazer"))]


@router.post(
    "/training",
    status_code=201,
    summary="Begin a training",
    tags=["training"],
    responses=documented(
        *(*PATIENT, *SENSOR, "training_open", "sensor_needed", "pause_too_short", "exercise_range", "blocked"),
        *("contraindicated", "answers_missing", "training_unknown", "journal_not_written"),
    ),
)
async def begin(service: TheService, device: APatient, wanted: models.TrainingIn) -> models.TrainingNow:
    """Guided training without a sensor is open to everybody. A sensor inside the body is like stimulation: every
    question is answered, a yes closes it until a clinician releases it. Nothing is read while output is enabled.
    """
    if wanted.sensor in models.INSERTED:
        await _may_insert(service, wanted)
    exercises = [Exercise(**one.model_dump()) for one in wanted.exercises]
    own = {"assessment": "glazer", "technique": "technique"}.get(wanted.kind)
    if (own or "") != wanted.name and (own or wanted.name in ("technique", "glazer")):
        raise ApiRefused(f"{wanted.kind} has no {wanted.name}", code="training_unknown")
    if bool(exercises) != (wanted.name == "own"):
        raise ApiRefused("exercises are for the name own, which has some", code="training_unknown")
    return await open_training(service, device, plan(wanted.kind, wanted.name, exercises), wanted.sensor)


async def open_training(service: Service, device: Device, chosen: Plan, sensor: str | None) -> models.TrainingNow:
    """Begins it, journalled. Raises TrainingRefused, JournalError."""
    rows = await asyncio.to_thread(service.journal.rows, Kind.TRAINING)
    rest = usual_rest(trainings(rows), sensor) if sensor else None
    simulated = service.engine.state().simulated
    opened, row = await asyncio.to_thread(service.room.open, chosen, sensor, rest, who=device.id, simulated=simulated)
    try:
        await service.settle(row)
    except JournalError:
        await asyncio.to_thread(service.room.end, None)
        raise
    return _now(opened)


@router.get(
    "/training/current",
    summary="The training that goes on",
    tags=["training"],
    responses=documented(*PATIENT, "no_training"),
)
def current(service: TheService, device: APatient) -> models.TrainingNow:
    """Its parts, for a page that was opened anew; where it stands tells the stream."""
    del device
    opened = service.room.now
    if opened is None:
        raise ApiRefused("no training goes on", code="no_training")
    return _now(opened)


@router.post(
    "/training/current/end",
    summary="End a training",
    tags=["training"],
    responses=documented(*PATIENT, "no_training", "journal_not_written"),
)
async def end(service: TheService, device: APatient, told: models.EndIn) -> models.TrainingOut:
    """A guided one, or one with a sensor before it is over by itself: then what was measured so far is told."""
    name, row = await asyncio.to_thread(service.room.end, told.repeats_done)
    await service.settle(row)
    return await asyncio.to_thread(_find, service, name)


@router.get(
    "/training",
    summary="The trainings so far",
    tags=["training"],
    responses={200: {"headers": MORE}, **documented(*PATIENT, "not_found")},
)
def listed(
    service: TheService, device: APatient, response: Response, limit: Limit = past.PAGE, before: Before = None
) -> list[models.TrainingOut]:
    """The newest first, so many at once; the header `Link` has the address of those before them."""
    del device
    try:
        found, more = past.trainings_page(service.journal.path, limit, before)
    except KeyError:
        raise ApiRefused("there is no such training", code="not_found") from None
    if more:
        tell_more(response, "/training", limit, found[-1]["id"])
    return [_told(one) for one in found]


@router.get("/training/{id}", summary="One training", tags=["training"], responses=documented(*PATIENT, "not_found"))
def one(service: TheService, device: APatient, id: TrainingId) -> models.TrainingOut:
    """What it came to."""
    del device
    return _find(service, id)


@router.get(
    "/emg/live",
    summary="Muscle activity as a stream",
    tags=["training"],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **documented(*VIEWER)},
)
async def live(service: TheService, device: AViewer) -> StreamingResponse:
    """Server-sent events: `emg`, 21 times a second, and `training` when one begins, has its levels, or has ended.

    `emg`: `samples` counts what the source gave; `envelope_nv` is the r.m.s. over 150 ms, in steps `step_ms` apart;
    `training_ms` is the training's time at the last of them (null: none with a sensor goes on); `percent` is the same
    in percent of the MVC, 0 to 200 (null before the check is over, and where it could not tell rest from effort);
    `signal` is what is wrong with it (`settling`, `lead_off`, `disconnected`, `saturated`, `lost`, `hum`; null:
    nothing); `hum_nv` is the r.m.s. of the mains; `refused` is why nothing is read (`output_enabled`, `emg_absent`,
    `emg_lost`; null: it is), told without steps.

    `training`: `id`, `event` (`opened`, `levels`, `closed`), `ended_by` of `closed` (its result can then be read), and
    `levels` of `levels`: `rest_nv`, `rest_sd_nv`, `mvc_nv`, and `usable` (null: the signal was too bad).
    """
    return StreamingResponse(
        as_sse(service, device), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


@router.get(
    "/perfect",
    summary="The P.E.R.F.E.C.T. records",
    tags=["training"],
    responses={200: {"headers": MORE}, **documented(*PATIENT)},
)
def palpations(
    service: TheService, device: APatient, response: Response, limit: Limit = past.PAGE, before: BeforeDay = None
) -> list[models.PerfectOut]:
    """What the clinician palpated last, in order; the header `Link` has the address of those before them."""
    del device
    found = perfects(service.journal.rows(Kind.PERFECT))
    return [_perfect(one) for one in newest_days(response, "/perfect", found, limit, before)]


@router.put(
    "/perfect",
    summary="Enter a palpation",
    tags=["training"],
    responses=documented(*PATIENT, "perfect_range", "journal_not_written"),
)
async def palpated(service: TheService, device: AClinician, told: models.PerfectIn) -> models.PerfectOut:
    """By the clinician, from palpation; may be told again, and the newest word on a day counts."""
    try:
        found = Perfect(**told.model_dump())
    except ValueError as error:
        raise ApiRefused(str(error), code="perfect_range") from None
    await service.settle(service.note(Kind.PERFECT, who=device.id, **asdict(found)))
    return _perfect(found)


@router.get(
    "/effect", summary="Whether training has an effect", tags=["training"], responses=documented(*PATIENT, "not_found")
)
def effects(
    service: TheService,
    device: APatient,
    course: Annotated[int | None, Query(ge=1, le=1_000, description="Which course; missing: the newest.")] = None,
) -> models.EffectOut:
    """Week by week, and one of three verdicts for each measure. Of 1 000 people who do not change at most 50 are ever
    told `more_than_chance` in twelve weeks, all measures together (docs/training.md).
    """
    del device
    today = date.fromisoformat(utc_now()[:10])
    found = effect(past.for_effect(service.journal.path, today, course), today, course)
    if found is None:
        raise ApiRefused("there is no such course yet", code="not_found")
    return models.EffectOut.model_validate(found)


async def _may_insert(service: Service, wanted: models.TrainingIn) -> None:
    """Raises ApiRefused ``answers_missing``, ``contraindicated`` or ``blocked``."""
    if wanted.answers is None or set(wanted.answers) != models.QUESTIONS:
        raise ApiRefused("answer each question before a sensor goes in", code="answers_missing")
    prescription = service.engine.prescription()
    against = contraindicated(wanted.answers, {} if prescription is None else prescription.released)
    if against:
        await service.settle(service.note(Kind.BLOCK, event="closed", why="contraindicated", what=list(against)))
        raise ApiRefused(", ".join(against), code="contraindicated")
    if blocks(await asyncio.to_thread(service.journal.rows, Kind.BLOCK)):
        raise ApiRefused("a clinician must look at what was told, and release it", code="blocked")


def _plan(one: Plan) -> models.PlanOut:
    return models.PlanOut.model_validate(_plan_fields(one))


def _plan_fields(one: Plan) -> dict[str, Any]:
    parts = [asdict(part) for part in one.parts]
    return {
        "kind": one.kind,
        "name": one.name,
        "check_ms": one.check_ms,
        "length_ms": length_ms(one.parts),
        "parts": parts,
    }


def _now(opened: Open) -> models.TrainingNow:
    return models.TrainingNow.model_validate({**_plan_fields(opened.plan), "id": opened.id, "sensor": opened.sensor})


def _find(service: Service, id: str) -> models.TrainingOut:
    found = past.training(service.journal.path, id)
    if found is None:
        raise ApiRefused("there is no such training", code="not_found")
    return _told(found)


def _told(one: dict[str, Any]) -> models.TrainingOut:
    told = {key: value for key, value in one.items() if key != "who"}
    if told.get("protocol"):
        norms = {stage: {"mean_nv": mean, "sd_nv": sd} for stage, (mean, sd) in NORMS.items()}
        told |= {"norms": norms, "warnings": [*told["warnings"], "norms_wide"]}
    return models.TrainingOut.model_validate(told)


def _perfect(one: Perfect) -> models.PerfectOut:
    return models.PerfectOut(**asdict(one), advice=list(one.advice))
