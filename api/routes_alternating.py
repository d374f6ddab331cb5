"""A session in turns: stimulated contractions, then the person's own with what they show, and so on (decision 16)."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Response

from api import models
from api import training_models as training
from api.auth import APatient, TheService
from api.control import ControlRefused
from api.problems import ApiRefused, documented
from api.routes_session import PATIENT, told
from api.routes_training import SENSOR, open_training
from api.service import Service
from controller.blocks import blocks
from controller.chain import Kind, Row
from controller.port import Action, State
from controller.prescribed import programme_of
from controller.training.alternating import Alternating, own_exercise
from controller.training.course import plan
from safety.errors import PelviStimError

router = APIRouter(prefix="/sessions/current/alternating", tags=["session"])
LOOK_S: Final = 0.1
SENSOR_OF: Final = {"vaginal probe": "vaginal", "anal probe": "anal", "surface": "surface"}
"""The electrode that stimulates is the one that is read: the board has it at either, never at both."""


@router.put(
    "",
    summary="Let the session go in turns",
    responses=documented(*PATIENT, "no_session", "not_controlling", "turns_not_possible", "journal_not_written"),
)
async def begin(
    response: Response, service: TheService, device: APatient, wanted: models.AlternatingIn
) -> models.StateOut:
    """After so many stimulated contractions the session pauses in a rest, output off; the person squeezes herself, and
    resumes when she likes: from zero, as after every pause. Only of those count that were not spent on coming back up.

    Possible where the clinician left the pause to the patient and the programme has contractions. No pause comes that
    the 45 minutes of a session have no room for.
    """
    state = _mine(service, device.id)
    playing, prescription = state.session, service.engine.prescription()
    assert playing is not None
    if prescription is None or playing.looking or "pause" not in prescription.patient_may:
        raise ApiRefused("the clinician did not leave the pause to the patient", code="turns_not_possible")
    own = own_exercise(programme_of(prescription), wanted.own)
    if own is None:
        raise ApiRefused("the programme has no contractions", code="turns_not_possible")
    fields = wanted.model_dump()
    await service.settle(_noted(service, device.id, str(device.role), "alternating", "done", **fields))
    if service.alternating is None or service.alternating.session != playing.id:
        service.room.levels = None
    sensor = SENSOR_OF[prescription.electrode_kind]
    service.alternating = Alternating(playing.id, sensor, wanted.stimulated, own)
    if service.turns is None or service.turns.done():
        service.turns = asyncio.create_task(_take_turns(service))
    return told(service, response)


@router.delete("", summary="Go in turns no more", responses=documented(*PATIENT, "no_session", "not_controlling"))
async def end(response: Response, service: TheService, device: APatient) -> models.StateOut:
    """No pause comes by itself any more; one that has come stays until a person resumes."""
    _mine(service, device.id)
    service.alternating = None
    _noted(service, device.id, str(device.role), "alternating", "ended")
    return told(service, response)


@router.post(
    "/own",
    status_code=201,
    summary="Begin one's own squeezes",
    responses=documented(
        *(*PATIENT, *SENSOR, "no_session", "not_controlling", "turns_not_possible", "training_open", "levels_missing"),
        *("blocked", "journal_not_written"),
    ),
)
async def own_turn(service: TheService, device: APatient) -> training.TrainingNow:
    """With what they show, as any training: before the electrode check, where the day's check finds the levels, and in
    each pause. The questions were answered when the session was opened. It ends when output may be enabled.
    """
    state, turns = _mine(service, device.id), service.alternating
    if turns is None or state.session is None or turns.session != state.session.id:
        raise ApiRefused("say first that the session goes in turns", code="turns_not_possible")
    if blocks(await asyncio.to_thread(service.journal.rows, Kind.BLOCK)):
        raise ApiRefused("a clinician must look at what was told, and release it", code="blocked")
    chosen = plan("alternating", "alternating", [turns.own], checks=state.mode != "paused")
    return await open_training(service, device, chosen, turns.sensor)


def _noted(service: Service, who: str, role: str, what: str, result: str, **fields: int) -> Future[Row]:
    return service.note(Kind.COMMAND, who=who, role=role, what=what, result=result, **fields)


def _mine(service: Service, device: str) -> State:
    """The state, for the phone that controls a session. Raises ApiRefused, ControlRefused."""
    state = service.engine.state()
    if state.session is None:
        raise ApiRefused("no session is open", code="no_session")
    if not service.control.holds(device):
        raise ControlRefused("claim control first", code="not_controlling")
    return state


async def _take_turns(service: Service) -> None:
    """Pauses when it is time, as a person would: that leads away from output, and nothing but a person leads back."""
    while (turns := service.alternating) is not None:
        state, now_us = service.engine.state(), round(service.clock_s() * 1_000_000)
        service.alternating = turns = turns.seen(state, now_us)
        if turns is not None and turns.due(state, now_us):
            try:
                await asyncio.wrap_future(service.engine.act(Action.PAUSE, state.epoch))
                result = "done"
            except PelviStimError as refused:  # it ends, or the guard is gone: the turn is counted anew
                result = refused.code
            _noted(service, "app", "app", "pause", result)
            if service.alternating is turns:
                service.alternating = replace(turns, counted=0, came=0)
        await asyncio.sleep(LOOK_S)
