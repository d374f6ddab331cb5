"""The interlock: a pure function of state, inputs and time. ``step`` says what state comes next and what must be done.

The worst cause wins, a latched one is never masked by a lesser one, and clearing never resumes: it leads through the
self-test, and every way back to output goes through an electrode check and a person's new start. Absent evidence counts
as the dangerous value. No clock, no input or output; times are the guard's microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from safety import limits
from safety.causes import CAUSES, Act, Clears, worst


class Mode(StrEnum):
    """Where the guard stands. Current can come out in RUNNING and ELECTRODE_CHECK alone."""

    BOOT = "boot"
    SELF_TEST = "self_test"
    IDLE = "idle"
    ELECTRODE_CHECK = "electrode_check"
    ARMED = "armed"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ESTOP_HELD = "estop_held"
    ESTOP_RELEASED = "estop_released"
    LOCKOUT = "lockout"


class Request(StrEnum):
    """What a person (through the app) may ask. Stop is not here: it needs no permission and is an input of its own."""

    SELF_TEST = "self_test"
    CHECK = "check_electrodes"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"
    ACKNOWLEDGE = "acknowledge"


class Action(StrEnum):
    """What the guard must do after a step, in this order. RECORD: the cause, on disk."""

    STOP_NOW = "stop_now"
    STOP_AGAIN = "stop_again"
    RESET_TRIP = "reset_trip"
    BEGIN_SELF_TEST = "begin_self_test"
    ENABLE = "enable"
    BEGIN_CHECK = "begin_check"
    BEGIN_RAMP = "begin_ramp"
    DISABLE = "disable"
    CLOSE_SESSION = "close_session"
    RECORD = "record"
    REFUSE = "refuse"


@dataclass(frozen=True)
class State:
    """``cause`` is set in the latched modes. ``deadline_us``: the session's time-out, while one is open.

    ``until_us``: by when the self-test, the electrode check or a ramp must be over, or ARMED lapses. ``ending``: a ramp
    has begun, and what it leads to; ``ending_cause`` what began it, if no person did. ``paused_by``: the same, in the
    pause that followed. ``tested``: a self-test passed since the last stop. ``locked_by``: a cause among those latched
    that only a clinician clears, also when a worse one is shown.
    """

    mode: Mode = Mode.BOOT
    cause: str | None = None
    tested: bool = False
    deadline_us: int | None = None
    until_us: int | None = None
    ending: Mode | None = None
    ending_cause: str | None = None
    paused_by: str | None = None
    locked_by: str | None = None
    disagree_since_us: int | None = None

    @property
    def output(self) -> bool:
        """Whether current may come out."""
        return self.mode in (Mode.RUNNING, Mode.ELECTRODE_CHECK)

    @property
    def stopped(self) -> bool:
        """Whether a cause is latched."""
        return self.cause is not None


@dataclass(frozen=True)
class Inputs:
    """What was seen in one check. A contact is True when pressed (or its wire broken), None when it could not be read.

    ``faults``: codes of causes that hold now (``CAUSES``). ``stop``: somebody asked for a stop. ``drained``: nothing is
    playing and nothing is queued. ``passed``: how the self-test or the electrode check that was under way ended, None
    while it goes on (a failed self-test is a fault). ``ramp_us``: how long the ramp that is requested may take.
    ``live``: OUTPUT_ENABLE or a phase line is high, or was not read back low after the last stop.
    """

    estop_a: bool | None
    estop_b: bool | None
    faults: tuple[str, ...] = ()
    stop: bool = False
    drained: bool = True
    passed: bool | None = None
    request: Request | None = None
    clinician: bool = False
    ramp_us: int = limits.RAMPED_STOP_MAX_US
    live: bool = False


SESSION_TIMEOUT_US: Final = limits.SESSION_MAX_US + limits.SESSION_TAIL_MAX_US + 500_000
"""From a start to its time-out: the longest session, its tail, and the time before its first chunk."""
CONTACTS_AGREE_WITHIN_US: Final = 50_000
"""Both emergency-stop contacts must tell the same within this; else it is a fault of its own (hardware.md)."""
SELF_TEST_MAX_US: Final = 5_000_000
"""A self-test takes about a second. ours."""
CHECK_MAX_US: Final = 5_000_000
"""An electrode check of both channels takes about a second. ours."""
ARMED_MAX_US: Final = 600_000_000
"""So long after the electrode check a start needs another one: electrodes move. ours."""
RAMP_OVER_US: Final = limits.CHUNK_MAX_US
"""A ramp's last chunk may be silent to its end, so long after its last pulse."""


def step(state: State, inputs: Inputs, now_us: int) -> tuple[State, tuple[Action, ...]]:
    """The next state and what to do. Any stop-class input leads to STOP_NOW in this one step, from every state.

    While a cause is latched, lines that are not low for certain are made so again, whoever raised them.
    """
    after, actions = _step(state, inputs, now_us)
    if after.stopped and inputs.live and Action.STOP_NOW not in actions:
        actions = (Action.STOP_AGAIN, *actions)
    return after, actions


def _step(state: State, inputs: Inputs, now_us: int) -> tuple[State, tuple[Action, ...]]:
    state = _contacts(state, inputs, now_us)
    pressed = inputs.estop_a is True or inputs.estop_b is True
    stops, ramps = _present(state, inputs, pressed, now_us)
    if stops:
        return _stop(state, stops, pressed)
    if state.stopped:
        return _clear(state, inputs, now_us)
    if state.mode is Mode.RUNNING and ramps:
        state, begun = _ramped(state, worst(ramps), now_us)
        if begun:
            return state, (Action.BEGIN_RAMP, *((Action.REFUSE,) if inputs.request else ()))
    return _work(state, inputs, now_us)


def found(causes: tuple[str, ...]) -> State:
    """Where a guard begins that finds these causes latched in its record."""
    return _stop(State(), list(causes), pressed=False)[0] if causes else State()


def _contacts(state: State, inputs: Inputs, now_us: int) -> State:
    if inputs.estop_a is inputs.estop_b and inputs.estop_a is not None:
        return replace(state, disagree_since_us=None)
    return state if state.disagree_since_us is not None else replace(state, disagree_since_us=now_us)


def _present(state: State, inputs: Inputs, pressed: bool, now_us: int) -> tuple[list[str], list[str]]:
    """The causes that hold now: those that stop, and those that ask for a ramp of a session that runs.

    An electrode check is stopped: it lasts no longer than a ramp.
    """
    stops, ramps = [], []
    for code in inputs.faults:
        cause = CAUSES[code]
        falls = state.mode is Mode.RUNNING or (cause.clears is Clears.RESUME and not state.output)
        if cause.act is Act.RAMP and falls:
            ramps.append(code)
        elif not (inputs.request is Request.ACKNOWLEDGE and _shown_latch(state, code)):
            stops.append(code)
    if pressed:
        stops.append("emergency_stop")
    if (inputs.estop_a is None or inputs.estop_b is None) and "not_what_was_approved" not in stops:
        stops.append("daemon_lost")  # else it answers, and not as it was left
    if state.disagree_since_us is not None and now_us - state.disagree_since_us > CONTACTS_AGREE_WITHIN_US:
        stops.append("estop_contacts_disagree")
    if inputs.stop:
        stops.append("person")
    if state.deadline_us is not None and now_us >= state.deadline_us:
        stops.append("session_timeout")
    if state.until_us is not None and now_us >= state.until_us:
        if state.ending is not None and not inputs.drained:
            stops.append(state.ending_cause or "app_late")
        elif state.mode is Mode.SELF_TEST:
            stops.append("self_test_late")
        elif state.mode is Mode.ELECTRODE_CHECK:
            stops.append("internal_error")
    return stops, ramps


def _shown_latch(state: State, code: str) -> bool:
    """Whether a cause is a latch of the board that the person has seen, or something worse: it may be re-armed."""
    return CAUSES[code].clears is Clears.RESET and state.cause is not None and worst([code, state.cause]) == state.cause


def _stop(state: State, codes: list[str], pressed: bool) -> tuple[State, tuple[Action, ...]]:
    """Latches the worst of the causes so far; asks for the stop itself whenever that changes."""
    known = state.cause
    now = worst(codes if known is None else [*codes, known])
    locked = state.locked_by or next((one for one in codes if CAUSES[one].act is Act.LOCKOUT), None)
    if CAUSES[now].clears is Clears.RELEASE_AND_ACKNOWLEDGE:
        mode = Mode.ESTOP_HELD if pressed else Mode.ESTOP_RELEASED
    else:
        mode = Mode.STOPPED if locked is None else Mode.LOCKOUT
    after = State(mode, now, locked_by=locked, disagree_since_us=state.disagree_since_us)
    if now == known and locked == state.locked_by:
        return after, ()
    closing = (Action.CLOSE_SESSION,) if state.deadline_us is not None else ()
    return after, (Action.STOP_NOW, *closing, Action.RECORD)


def _clear(state: State, inputs: Inputs, now_us: int) -> tuple[State, tuple[Action, ...]]:
    """Nothing dangerous holds any more; a person's acknowledgement leads on, and to the self-test, never to output."""
    if state.mode is Mode.ESTOP_HELD:
        state = replace(state, mode=Mode.ESTOP_RELEASED)
    if inputs.request is not Request.ACKNOWLEDGE:
        return state, (Action.REFUSE,) if inputs.request else ()
    if state.locked_by is not None and not inputs.clinician:
        return state, (Action.REFUSE,)
    after, actions = _begin_self_test(now_us)
    latched = any(CAUSES[code].clears is Clears.RESET for code in inputs.faults)
    return after, (Action.RESET_TRIP, *actions) if latched else actions


def _begin_self_test(now_us: int) -> tuple[State, tuple[Action, ...]]:
    return State(Mode.SELF_TEST, until_us=now_us + SELF_TEST_MAX_US), (Action.BEGIN_SELF_TEST,)


def _ramped(state: State, code: str, now_us: int) -> tuple[State, bool]:
    """Something began that asks for a ramp. One under way goes on if it is over as soon; what it leads to may become
    worse.

    Gives the state, and whether a ramp is to begin.
    """
    ending = Mode.PAUSED if CAUSES[code].clears is Clears.RESUME else Mode.STOPPED
    until = now_us + limits.RAMPED_STOP_MAX_US + RAMP_OVER_US
    begins = state.until_us is None or state.until_us > until
    if begins:
        state = replace(state, ending=state.ending or ending, ending_cause=code, until_us=until)
    if ending is Mode.STOPPED:
        state = replace(state, ending=ending, ending_cause=code)
    return state, begins


def _work(state: State, inputs: Inputs, now_us: int) -> tuple[State, tuple[Action, ...]]:
    """No cause holds: what was asked for, and what has come to its end."""
    if inputs.request is not None:
        asked = _asked(state, inputs, now_us)
        return (state, (Action.REFUSE,)) if asked is None else asked
    match state.mode:
        case Mode.BOOT:
            return _begin_self_test(now_us)
        case Mode.SELF_TEST if inputs.passed:
            return State(Mode.IDLE, tested=True), ()
        case Mode.ELECTRODE_CHECK if inputs.passed is not None:
            armed = replace(state, mode=Mode.ARMED, until_us=now_us + ARMED_MAX_US)
            return (armed if inputs.passed else _idle(state)), (Action.DISABLE,)
        case Mode.ARMED if state.until_us is not None and now_us >= state.until_us:
            return _idle(state), ()
        case Mode.RUNNING if state.ending is not None and inputs.drained:
            return _ended(state, state.ending)
    return state, ()


def _asked(state: State, inputs: Inputs, now_us: int) -> tuple[State, tuple[Action, ...]] | None:
    """What a request leads to; None where it is refused. What leads to output is, while something asks for a ramp."""
    held = any(CAUSES[code].act is Act.RAMP for code in inputs.faults)
    match state.mode, inputs.request:
        case Mode.IDLE | Mode.ARMED, Request.SELF_TEST:
            return _begin_self_test(now_us)
        case Mode.IDLE | Mode.ARMED, Request.CHECK if state.tested and not held:
            checking = replace(state, mode=Mode.ELECTRODE_CHECK, until_us=now_us + CHECK_MAX_US)
            return checking, (Action.ENABLE, Action.BEGIN_CHECK)
        case Mode.ARMED, Request.START if not held and state.until_us is not None and now_us < state.until_us:
            deadline = now_us + SESSION_TIMEOUT_US
            return replace(state, mode=Mode.RUNNING, deadline_us=deadline, until_us=None), (Action.ENABLE,)
        case Mode.ARMED, Request.END:
            return _idle(state), ()
        case Mode.PAUSED, Request.RESUME if not held:
            return replace(state, mode=Mode.RUNNING, paused_by=None), (Action.ENABLE,)
        case Mode.PAUSED, Request.END:
            return _idle(state), (Action.CLOSE_SESSION,)
        case Mode.RUNNING, (Request.PAUSE | Request.END) as wish if state.ending is None:
            ending = Mode.PAUSED if wish is Request.PAUSE else Mode.IDLE
            until = now_us + inputs.ramp_us + RAMP_OVER_US
            return replace(state, ending=ending, until_us=until), (Action.BEGIN_RAMP,)
    return None


def _idle(state: State) -> State:
    return State(Mode.IDLE, tested=state.tested)


def _ended(state: State, ending: Mode) -> tuple[State, tuple[Action, ...]]:
    """A ramp is over: nothing plays any more."""
    if ending is Mode.PAUSED:
        paused = replace(
            state, mode=ending, ending=None, ending_cause=None, until_us=None, paused_by=state.ending_cause
        )
        return paused, (Action.DISABLE,)
    if ending is Mode.STOPPED:
        return State(Mode.STOPPED, state.ending_cause), (Action.STOP_NOW, Action.CLOSE_SESSION, Action.RECORD)
    return _idle(state), (Action.DISABLE, Action.CLOSE_SESSION)
