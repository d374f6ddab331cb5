"""The interlock: a pure function of state, inputs and time. ``step`` says what state comes next and what must be done.

Causes are one table: what is done, and how it clears. The worst wins, a latched cause is never masked by a lesser one,
and clearing never resumes: every way back to output goes through a person's new start. Absent evidence counts as the
dangerous value. No clock, no input or output; times are the guard's microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from safety import limits


class Mode(StrEnum):
    """Where the guard stands. Output is possible in RUNNING alone."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ESTOP_HELD = "estop_held"
    ESTOP_RELEASED = "estop_released"


class Clears(StrEnum):
    """How a latched cause is cleared."""

    ACKNOWLEDGE = "acknowledge"
    RELEASE_AND_ACKNOWLEDGE = "release_and_acknowledge"


@dataclass(frozen=True)
class Cause:
    """One reason to stop. ``priority``: smaller is worse. Every cause here stops at once and latches."""

    code: str
    priority: int
    clears: Clears = Clears.ACKNOWLEDGE


_CAUSES: Final = (
    Cause("emergency_stop", 0, Clears.RELEASE_AND_ACKNOWLEDGE),
    Cause("estop_contacts_disagree", 1, Clears.RELEASE_AND_ACKNOWLEDGE),
    Cause("daemon_lost", 10),
    Cause("not_what_was_approved", 11),
    Cause("internal_error", 13),
    Cause("gate_refused", 20),
    Cause("app_lost", 30),
    Cause("app_late", 32),
    Cause("session_timeout", 31),
    Cause("person", 40),
    Cause("guard_restarted", 50),
)
CAUSES: Final = {cause.code: cause for cause in _CAUSES}
"""Every cause by its code."""


class Request(StrEnum):
    """What a person (through the app) may ask. Stop is not here: it needs no permission and is an input of its own."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"
    ACKNOWLEDGE = "acknowledge"


class Action(StrEnum):
    """What the guard must do after a step, in this order."""

    STOP_NOW = "stop_now"
    ENABLE = "enable"
    BEGIN_RAMP = "begin_ramp"
    DISABLE = "disable"
    CLOSE_SESSION = "close_session"
    REFUSE = "refuse"


@dataclass(frozen=True)
class State:
    """``cause`` is set in STOPPED and the ESTOP modes. ``deadline_us``: the session's time-out, while one is open.

    ``ending``: a ramped pause or end has begun, and what it leads to.
    """

    mode: Mode = Mode.IDLE
    cause: str | None = None
    deadline_us: int | None = None
    ending: Mode | None = None
    disagree_since_us: int | None = None

    @property
    def output(self) -> bool:
        """Whether the output switch may be closed."""
        return self.mode is Mode.RUNNING

    @property
    def stopped(self) -> bool:
        """Whether a cause is latched."""
        return self.cause is not None


@dataclass(frozen=True)
class Inputs:
    """What was seen in one check. A contact is True when pressed (or its wire broken), None when it could not be read.

    ``faults``: codes of causes that hold now (``CAUSES``). ``stop``: somebody asked for a stop. ``drained``: nothing is
    playing and nothing is queued.
    """

    estop_a: bool | None
    estop_b: bool | None
    faults: tuple[str, ...] = ()
    stop: bool = False
    drained: bool = True
    request: Request | None = None


SESSION_TIMEOUT_US: Final = limits.SESSION_MAX_US + limits.SESSION_TAIL_MAX_US + 500_000
"""From a start to its time-out: the longest session, its tail, and the time before its first chunk."""
CONTACTS_AGREE_WITHIN_US: Final = 50_000
"""Both emergency-stop contacts must tell the same within this; else it is a fault of its own (hardware.md)."""


def step(state: State, inputs: Inputs, now_us: int) -> tuple[State, tuple[Action, ...]]:
    """The next state and what to do. Any stop-class input leads to STOP_NOW in this one step, from every state."""
    state = _contacts(state, inputs, now_us)
    pressed = inputs.estop_a is True or inputs.estop_b is True
    present = list(inputs.faults)
    if pressed:
        present.append("emergency_stop")
    if inputs.estop_a is None or inputs.estop_b is None:
        present.append("daemon_lost")
    if state.disagree_since_us is not None and now_us - state.disagree_since_us > CONTACTS_AGREE_WITHIN_US:
        present.append("estop_contacts_disagree")
    if inputs.stop:
        present.append("person")
    if state.deadline_us is not None and now_us >= state.deadline_us:
        present.append("session_timeout")
    if present:
        return _stop(state, min(present, key=lambda code: CAUSES[code].priority), pressed)
    if state.stopped:
        return _clear(state, inputs)
    return _work(state, inputs, now_us)


def _contacts(state: State, inputs: Inputs, now_us: int) -> State:
    if inputs.estop_a is inputs.estop_b and inputs.estop_a is not None:
        return state if state.disagree_since_us is None else replace(state, disagree_since_us=None)
    return state if state.disagree_since_us is not None else replace(state, disagree_since_us=now_us)


def _stop(state: State, code: str, pressed: bool) -> tuple[State, tuple[Action, ...]]:
    """Latches the worst of the causes so far; asks for the stop itself whenever that changes."""
    known = state.cause
    worst = code if known is None or CAUSES[code].priority < CAUSES[known].priority else known
    if CAUSES[worst].clears is Clears.RELEASE_AND_ACKNOWLEDGE:
        mode = Mode.ESTOP_HELD if pressed else Mode.ESTOP_RELEASED
    else:
        mode = Mode.STOPPED
    after = State(mode=mode, cause=worst, disagree_since_us=state.disagree_since_us)
    if worst == known:
        return after, ()
    if state.deadline_us is not None:
        return after, (Action.STOP_NOW, Action.CLOSE_SESSION)
    return after, (Action.STOP_NOW,)


def _clear(state: State, inputs: Inputs) -> tuple[State, tuple[Action, ...]]:
    """Nothing dangerous holds any more; only a person's acknowledgement leads on, and to IDLE, never to output."""
    if state.mode is Mode.ESTOP_HELD:
        state = replace(state, mode=Mode.ESTOP_RELEASED)
    if inputs.request is Request.ACKNOWLEDGE:
        return State(disagree_since_us=state.disagree_since_us), ()
    return state, (Action.REFUSE,) if inputs.request else ()


def _work(state: State, inputs: Inputs, now_us: int) -> tuple[State, tuple[Action, ...]]:
    match state.mode, inputs.request:
        case Mode.IDLE, Request.START:
            return replace(state, mode=Mode.RUNNING, deadline_us=now_us + SESSION_TIMEOUT_US), (Action.ENABLE,)
        case Mode.PAUSED, Request.RESUME:
            return replace(state, mode=Mode.RUNNING), (Action.ENABLE,)
        case Mode.PAUSED, Request.END:
            return State(disagree_since_us=state.disagree_since_us), (Action.CLOSE_SESSION,)
        case Mode.RUNNING, Request.PAUSE if state.ending is None:
            return replace(state, ending=Mode.PAUSED), (Action.BEGIN_RAMP,)
        case Mode.RUNNING, Request.END if state.ending is None:
            return replace(state, ending=Mode.IDLE), (Action.BEGIN_RAMP,)
        case _, None:
            pass
        case _:
            return state, (Action.REFUSE,)
    if state.ending is not None and inputs.drained:
        if state.ending is Mode.PAUSED:
            return replace(state, mode=Mode.PAUSED, ending=None), (Action.DISABLE,)
        return State(disagree_since_us=state.disagree_since_us), (Action.DISABLE, Action.CLOSE_SESSION)
    return state, ()
