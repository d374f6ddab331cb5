"""The live session: seen, opened, controlled, stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from api import models
from api.auth import APatient, AViewer, TheService, require, service_of
from api.control import ControlRefused
from api.devices import Device
from api.live import as_sse, messages
from api.problems import ApiRefused, documented
from api.roles import Role
from api.service import Service
from api.views import rev_of
from controller.port import TOWARDS_OUTPUT, Action
from controller.prescription import CONTRAINDICATIONS
from safety.errors import PelviStimError

router = APIRouter()
VIEWER = ("not_paired", "device_revoked", "device_expired")
PATIENT = (*VIEWER, "role_too_low")
GUARD = ("guard_lost", "guard_silent")
MAY = {Action.PAUSE: "pause", Action.END: "end_early"}
"""What a prescription may leave to the patient (``controller.prescription.PATIENT_MAY``)."""


def told(service: Service, response: Response) -> models.StateOut:
    """The state as the answer leaves, not as the command left it: its journal entry may have waited for the disk."""
    state = service.state_out()
    response.headers["ETag"] = state.rev
    response.headers["Cache-Control"] = "no-store"
    return state


async def button_must_be_tried(service: Service) -> Callable[[], None]:
    """Before a day's first session, whoever opens it: what refuses that (ApiRefused), if it was not. A simulated board
    has no button to fail.
    """
    tried = service.engine.state().simulated or await service.button_tried()

    def may() -> None:
        if not tried:
            raise ApiRefused(
                "press the red button, see that it is told, and turn it out again", code="button_not_tried"
            )

    return may


def _must_control(service: Service, device: Device, *, towards_output: bool) -> None:
    """While a clinician looks for the caps, only a clinician's phone leads towards output."""
    session = service.engine.state().session
    if towards_output and session is not None and session.looking and device.role is not Role.CLINICIAN:
        raise ApiRefused("only a clinician looks for the caps", code="role_too_low")
    if not service.control.holds(device.id):
        raise ControlRefused("claim control first", code="not_controlling")


def _must_be_left(service: Service, device: Device, action: Action) -> None:
    """What the prescription does not leave to the patient is refused to her phone while her session plays.

    Never the end of one that does not run, that the device paused by itself, or in which the caps are looked for. Stop
    and lowering ask nobody.
    """
    state, plan = service.engine.state(), service.engine.prescription()
    plays = state.mode == "running" or (state.mode == "paused" and state.paused_by is None)
    hers = state.session is not None and not state.session.looking and not device.role.includes(Role.CLINICIAN)
    if plays and hers and action in MAY and plan is not None and MAY[action] not in plan.patient_may:
        raise ApiRefused(f"the prescription does not leave {action} to the patient", code="not_left_to_patient")


@router.post("/stop", response_model=models.StopOut, summary="Stop at once", tags=["stop"])
async def stop(request: Request) -> Response:
    """Stops the output at once. Needs no pairing, no login and no body, and takes whatever comes; may be repeated.

    Answered within 100 ms. `confirmed` false means that the lines were not read back low: press the red button, pull
    the lead out of the box, then take the probe out, in this order. A request that accepts `text/html` gets a page.
    """
    return await service_of(request).stopping.respond("POST", request.scope)


@router.get(
    "/stop",
    summary="A page with one button",
    tags=["stop"],
    response_class=Response,
    responses={200: {"content": {"text/html": {}}}},
)
async def stop_page(request: Request) -> Response:
    """A page with nothing but the button, for a browser without anything else."""
    return await service_of(request).stopping.respond("GET", request.scope)


@router.get("/state", summary="The present state", tags=["live"], responses=documented(*VIEWER))
async def state(response: Response, service: TheService, device: AViewer) -> models.StateOut:
    """Mode and cause, session, phase, countdowns, set-point and measured current, load, lease. The `ETag` is `rev`."""
    del device
    return told(service, response)


@router.get(
    "/live",
    summary="The state as a stream",
    tags=["live"],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **documented(*VIEWER)},
)
async def live(service: TheService, device: AViewer) -> StreamingResponse:
    """Server-sent events: `state` (as `GET /state`) at least ten times a second, and `event` as they come.

    The same address takes a WebSocket, on which each message is `{"type": "state" | "event", "data": ...}`, and on
    which the controlling phone may send heartbeats as `{"type": "heartbeat", "sequence": 1, "nonce": "5f3c"}`.
    """
    return StreamingResponse(
        as_sse(service, device), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


@router.post(
    "/sessions/current/heartbeat",
    summary="Keep the lease",
    tags=["session"],
    responses=documented(*PATIENT, "not_controlling", "sequence_old"),
)
async def heartbeat(service: TheService, device: APatient, beat: models.Heartbeat) -> models.LeaseOut:
    """Echoes the guard's latest nonce, every 250 ms. A second without: no raise. The lease over: a ramp down."""
    service.control.heartbeat(device.id, beat.sequence)
    service.engine.heartbeat(beat.nonce)
    return service.state_out().lease


@router.post(
    "/sessions",
    status_code=201,
    summary="Open a session",
    tags=["session"],
    responses=documented(
        *(*PATIENT, *GUARD, "no_prescription", "prescription_revision", "contraindicated", "blocked", "not_now"),
        *("day_spent", "week_spent", "cap_missing", "prescription_expired", "journal_not_written", "button_not_tried"),
    ),
)
async def open_session(
    response: Response, service: TheService, device: APatient, wanted: models.OpenSession
) -> models.StateOut:
    """Self-test, then waits for the electrode check. Names the prescription's revision and answers every question.

    Before the first session of a day the red button is tried: pressed, and turned out again. (A simulated board has
    none that could fail.)

    A patient's phone has control afterwards; a clinician's asks for it.
    """
    if set(wanted.answers) != set(CONTRAINDICATIONS):
        raise ApiRefused(f"answer each of: {', '.join(CONTRAINDICATIONS)}", code="request_invalid")
    await service.command(
        device,
        "open_session",
        lambda: service.engine.open_session(wanted.prescription_revision, wanted.answers, wanted.day),
        may=await button_must_be_tried(service),
        towards_output=True,
        prescription_revision=wanted.prescription_revision,
        answers=wanted.answers,
    )
    service.control.claim(device.id, device.role)
    return told(service, response)


@router.post(
    "/sessions/current/control",
    summary="Take, hand over or give up control",
    tags=["session"],
    responses=documented(*PATIENT, "patient_needed", "nobody_asks", "not_controlling"),
)
async def control(service: TheService, device: APatient, wanted: models.ControlIn) -> models.ControlOut:
    """One phone controls. A patient's takes control as it likes; a clinician's asks, and a patient's allows it."""
    try:
        match wanted.action:
            case "claim":
                standing = service.control.claim(device.id, device.role)
            case "allow":
                standing = service.control.allow(device.role)
            case "release":
                standing = service.control.release(device.id)
    except ControlRefused as refused:
        service.note_control(device, wanted.action, refused.code)
        raise
    service.note_control(device, wanted.action)
    return models.ControlOut(holder=standing.holder, asking=standing.asking)


@router.post(
    "/sessions/current/actions",
    summary="Check, start, pause, resume, end",
    tags=["session"],
    responses=documented(
        *(*PATIENT, *GUARD, "not_controlling", "epoch_missing", "old_epoch", "not_now", "no_session"),
        *("lease_stale", "check_too_soon", "over_cap", "journal_not_written", "not_left_to_patient"),
        "day_unknown",
    ),
)
async def act(response: Response, service: TheService, device: APatient, wanted: models.ActionIn) -> models.StateOut:
    """Asks the guard and answers when it has. `start` is possible after an electrode check that found nothing wrong.

    A patient's phone pauses a session, or ends one that was begun, if the prescription leaves that to her.
    """
    action = Action(wanted.action)

    def may() -> None:
        _must_control(service, device, towards_output=action in TOWARDS_OUTPUT)
        _must_be_left(service, device, action)
        if action in TOWARDS_OUTPUT and wanted.epoch is None:
            raise ApiRefused(f"{action} names the epoch of its session", code="epoch_missing")

    await service.command(
        device,
        action.value,
        lambda: service.engine.act(action, wanted.epoch),
        may=may,
        towards_output=action in TOWARDS_OUTPUT,
        epoch=wanted.epoch,
    )
    return told(service, response)


@router.put(
    "/sessions/current/intensity",
    summary="Set the current",
    tags=["session"],
    responses=documented(
        *(*PATIENT, *GUARD, "not_controlling", "rev_missing", "rev_changed", "lease_stale", "wait_for_contraction"),
        *("step_too_large", "too_soon", "above_cap", "not_now", "no_session", "raise_channel", "journal_not_written"),
    ),
)
async def intensity(
    response: Response,
    service: TheService,
    device: APatient,
    wanted: models.IntensityIn,
    if_match: Annotated[str | None, Header(max_length=64, description="`rev` of the state, for a raise.")] = None,
) -> models.StateOut:
    """Sets one channel's set-point, absolute. Lowering is done at once, from any patient's phone.

    Raising needs control, a live lease, `If-Match` and a journal that can be written; at most 2 mA a step, a second
    apart, while a contraction is held. A refusal gives the figure allowed, and when.
    """
    amplitude_ua = round(wanted.amplitude_ma * 1000)
    now = service.engine.state()
    present = now.channels.get(wanted.channel)
    raises = present is not None and amplitude_ua > present.set_point_ua

    def may() -> None:
        if raises and now.session is not None and now.session.looking and device.role is not Role.CLINICIAN:
            raise ApiRefused("only a clinician looks for the caps", code="role_too_low")

    await service.command(
        device,
        "intensity",
        lambda: service.engine.set_intensity(
            wanted.channel,
            amplitude_ua,
            rev_of(if_match, now),
            controls=service.control.holds(device.id),
        ),
        may=may,
        towards_output=raises and not service.journal_ok,
        channel=wanted.channel,
        amplitude_ua=amplitude_ua,
    )
    return told(service, response)


@router.post(
    "/acknowledge",
    summary="Acknowledge a stop",
    tags=["session"],
    responses=documented(*PATIENT, *GUARD, "nothing_latched", "still_present", "clinician_needed"),
)
async def acknowledge(response: Response, service: TheService, device: APatient) -> models.StateOut:
    """When the cause is gone: clears it and leads to the self-test, never to output. Some need a clinician."""
    await service.command(device, "acknowledge", lambda: service.engine.acknowledge(device.role.value))
    return told(service, response)


async def live_socket(socket: WebSocket) -> None:
    """The live stream on a WebSocket, both ways."""
    try:
        device = require(socket, Role.VIEWER)
    except PelviStimError as refused:
        await socket.close(1008, refused.code)
        return
    await socket.accept()
    service = service_of(socket)
    reading = asyncio.create_task(_read(socket, service, device))
    try:
        async for name, data in messages(service, device):
            if reading.done():
                break
            await socket.send_text(f'{{"type":"{name}","data":{data}}}')
        else:
            await socket.close(1008, "not_paired")
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        reading.cancel()


async def _read(socket: WebSocket, service: Service, device: Device) -> None:
    """Takes heartbeats; anything else is answered with its code and ignored."""
    try:
        while True:
            text = await socket.receive_text()
            try:
                beat = models.SocketBeat.model_validate_json(text)
                if not device.role.includes(Role.PATIENT):
                    raise ApiRefused("a viewer holds no lease", code="role_too_low")
                service.control.heartbeat(device.id, beat.sequence)
                service.engine.heartbeat(beat.nonce)
            except ValidationError:
                await socket.send_text('{"type":"refused","data":{"code":"request_invalid"}}')
            except PelviStimError as refused:
                await socket.send_text(f'{{"type":"refused","data":{{"code":"{refused.code}"}}}}')
    except (WebSocketDisconnect, RuntimeError, KeyError):
        return


router.add_api_websocket_route("/live", live_socket)
