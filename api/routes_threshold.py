"""Looking for the caps: a clinician asks, the patient allows it on her phone, and what is found is taken down."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict
from typing import Final

from fastapi import APIRouter, Response

from api import models
from api.auth import AClinician, APatient, TheService
from api.control import ControlRefused
from api.problems import ApiRefused, documented
from api.roles import Role
from api.routes_session import GUARD, PATIENT, button_must_be_tried, told
from api.threshold import Looking, Mark
from api.views import threshold_out
from controller.chain import Kind
from controller.port import Action
from controller.prescription import CONTRAINDICATIONS
from safety.errors import PelviStimError

router = APIRouter(tags=["threshold"])
GOING: Final = ("threshold_not_asked", "threshold_expired")


def _out(service: TheService, now: Looking) -> models.ThresholdOut:
    return threshold_out(now, service.clock_s(), service.engine.state().session)


async def _end_in_time(service: TheService, session: str) -> None:
    """Ends the session, ramped, when the time the patient gave is over: the guard's own began later, at the opening."""
    await asyncio.sleep(service.threshold.now.left_s(service.clock_s()))
    playing = service.engine.state().session
    if playing is None or playing.id != session:
        return
    service.note(Kind.THRESHOLD, event="expired", session=session)
    with contextlib.suppress(PelviStimError):  # it has ended, or the guard is gone and has stopped
        await asyncio.wrap_future(service.engine.act(Action.END, None))


@router.get("/threshold", summary="Where it stands", responses=documented(*PATIENT))
async def threshold(service: TheService, device: APatient) -> models.ThresholdOut:
    """Marks, their spread, and the caps that would follow. The marks of the last procedure stay until the next."""
    del device
    return _out(service, service.threshold.now)


@router.post(
    "/threshold",
    status_code=201,
    summary="Ask to look for the caps",
    responses=documented(*PATIENT, "not_now", "no_prescription", "journal_not_written"),
)
async def ask(service: TheService, device: AClinician) -> models.ThresholdOut:
    """Asks the patient, whose phone must allow it within 15 minutes. Asks for control as well."""
    if service.engine.state().session is not None:
        raise ApiRefused("a session is open", code="not_now")
    if service.engine.prescription() is None:
        raise ApiRefused("prescribe a programme first, without caps", code="no_prescription")
    await service.settle(service.note(Kind.THRESHOLD, event="asked", who=device.id))
    now = service.threshold.ask(device.id, service.clock_s())
    service.control.claim(device.id, device.role)
    return _out(service, now)


@router.post(
    "/threshold/allow",
    summary="Allow it",
    responses=documented(*PATIENT, *GOING, "patient_needed", "journal_not_written"),
)
async def allow(service: TheService, device: APatient) -> models.ThresholdOut:
    """The patient allows it for 15 minutes, on a phone that is paired as hers; the clinician's phone gets control."""
    now = service.threshold.allow(device.role, service.clock_s())
    await service.settle(service.note(Kind.THRESHOLD, event="allowed", who=device.id))
    if now.by is not None and not service.control.holds(now.by):
        service.control.claim(now.by, Role.CLINICIAN)
        service.control.allow(device.role)
    return _out(service, now)


@router.post(
    "/threshold/session",
    status_code=201,
    summary="Open its session",
    responses=documented(
        *(*PATIENT, *GUARD, *GOING, "threshold_not_allowed", "no_prescription", "contraindicated", "blocked"),
        *("not_now", "key_missing", "key_locked", "prescription_expired", "journal_not_written", "not_controlling"),
        "button_not_tried",
    ),
)
async def open_session(
    response: Response, service: TheService, device: AClinician, wanted: models.ThresholdSession
) -> models.StateOut:
    """Signs for the guard's nonce, and opens the prescribed programme with no cap where none is set.

    From here on it is a session as any other: check, start, raise and lower, at most 2 mA a step, never above a
    ceiling. It is ended when the 15 minutes since the patient's yes are over. As before any first session of a day the
    red button is tried first.
    """
    if set(wanted.answers) != set(CONTRAINDICATIONS):
        raise ApiRefused(f"answer each of: {', '.join(CONTRAINDICATIONS)}", code="request_invalid")
    tried = await button_must_be_tried(service)

    def may() -> None:
        service.threshold.may_open(device.id, service.clock_s())
        if not service.control.holds(device.id):
            raise ControlRefused("claim control first", code="not_controlling")
        tried()

    state = await service.command(
        device,
        "open_threshold",
        lambda: service.engine.open_threshold(wanted.answers, wanted.day),
        may=may,
        towards_output=True,
        answers=wanted.answers,
    )
    if state.session is not None:
        service.threshold.opened(state.session.id)
        service.looking = asyncio.create_task(_end_in_time(service, state.session.id))
    return told(service, response)


@router.post(
    "/threshold/marks",
    status_code=201,
    summary="Take a mark down",
    responses=documented(
        *(*PATIENT, "threshold_not_running", "threshold_zero", "threshold_expired", "journal_not_written")
    ),
)
async def mark(service: TheService, device: AClinician, wanted: models.MarkIn) -> models.ThresholdOut:
    """Takes down what a channel is given now, which is less than its set-point where the phase gives only a part of it:
    again for as many times as wanted, to show the spread.
    """
    state = service.engine.state()
    session = state.session.id if state.session is not None and state.mode == "running" else None
    how = wanted.how if wanted.mark == "motor" else None
    found = Mark(wanted.channel, wanted.mark, state.channels[wanted.channel].given_ua, how)
    now = service.threshold.mark(session, found, service.clock_s())
    row = service.note(Kind.THRESHOLD, event="mark", who=device.id, session=session, **asdict(found))
    await service.settle(row)
    return _out(service, now)


@router.delete("/threshold", summary="End it", responses=documented(*PATIENT, *GUARD, "no_session"))
async def end(service: TheService, device: APatient) -> models.ThresholdOut:
    """Ends it, ramped: either of the two may, at any time. What was found stays to be looked at."""
    state = service.engine.state()
    now = service.threshold.end()
    service.note(Kind.THRESHOLD, event="ended", who=device.id)
    if state.session is not None and state.session.looking:
        await service.command(device, Action.END.value, lambda: service.engine.act(Action.END, None))
    return _out(service, now)
