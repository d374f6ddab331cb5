"""The interlock as a function of time: what stops, what latches, what clears, and that nothing resumes by itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from safety import limits
from safety.interlock import CAUSES, Action, Clears, Inputs, Mode, Request, State, step

QUIET = Inputs(False, False)
OPEN_SESSION = State(Mode.RUNNING, deadline_us=10_000_000)
STATES = [
    State(),
    OPEN_SESSION,
    replace(OPEN_SESSION, ending=Mode.PAUSED),
    replace(OPEN_SESSION, ending=Mode.IDLE),
    State(Mode.PAUSED, deadline_us=10_000_000),
    State(Mode.STOPPED, "person"),
    State(Mode.ESTOP_HELD, "emergency_stop"),
    State(Mode.ESTOP_RELEASED, "emergency_stop"),
]
REQUESTS = [None, *Request]


def test_the_way_of_a_session() -> None:
    state, actions = step(State(), replace(QUIET, request=Request.START), 5)
    assert (state.mode, actions) == (Mode.RUNNING, (Action.ENABLE,))
    assert state.deadline_us == 5 + limits.SESSION_MAX_US + 1_000_000
    state, actions = step(state, replace(QUIET, drained=False, request=Request.PAUSE), 10)
    assert (state.mode, state.ending, actions) == (Mode.RUNNING, Mode.PAUSED, (Action.BEGIN_RAMP,))
    state, actions = step(state, replace(QUIET, drained=False), 15)
    assert (state.mode, actions) == (Mode.RUNNING, ())
    state, actions = step(state, QUIET, 20)
    assert (state.mode, actions) == (Mode.PAUSED, (Action.DISABLE,))
    state, actions = step(state, replace(QUIET, request=Request.RESUME), 25)
    assert (state.mode, actions) == (Mode.RUNNING, (Action.ENABLE,))
    state, actions = step(state, replace(QUIET, drained=False, request=Request.END), 30)
    assert actions == (Action.BEGIN_RAMP,)
    state, actions = step(state, QUIET, 35)
    assert (state, actions) == (State(), (Action.DISABLE, Action.CLOSE_SESSION))


STOPS = {
    "contact A": (replace(QUIET, estop_a=True), "emergency_stop"),
    "contact B": (replace(QUIET, estop_b=True), "emergency_stop"),
    "both": (Inputs(True, True), "emergency_stop"),
    "A unread": (replace(QUIET, estop_a=None), "daemon_lost"),
    "B unread": (replace(QUIET, estop_b=None), "daemon_lost"),
    "stop": (replace(QUIET, stop=True), "person"),
    **{code: (replace(QUIET, faults=(code,)), code) for code in CAUSES},
}


@pytest.mark.req("SR-040", "SR-047")
@pytest.mark.parametrize("name", STOPS)
@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state.mode}-{state.ending}")
@pytest.mark.parametrize("request_", REQUESTS)
def test_any_stop_from_any_state_ends_output_in_one_step(name: str, state: State, request_: Request | None) -> None:
    inputs, code = STOPS[name]
    after, actions = step(state, replace(inputs, request=request_), 100)
    assert after.stopped
    assert not after.output
    assert Action.ENABLE not in actions
    known = 1 << 20 if state.cause is None else CAUSES[state.cause].priority
    assert CAUSES[after.cause or ""].priority == min(known, CAUSES[code].priority)
    if state.cause is None:
        assert actions[0] is Action.STOP_NOW
        assert (Action.CLOSE_SESSION in actions) == (state.deadline_us is not None)


@pytest.mark.req("SR-042")
@pytest.mark.parametrize(("first", "second"), list(product(CAUSES, CAUSES)))
def test_a_worse_cause_is_never_masked(first: str, second: str) -> None:
    state, _ = step(OPEN_SESSION, replace(QUIET, faults=(first,)), 1)
    state, _ = step(state, replace(QUIET, faults=(second,)), 2)
    worst = min((first, second), key=lambda code: CAUSES[code].priority)
    assert state.cause == worst
    together, _ = step(OPEN_SESSION, replace(QUIET, faults=(first, second)), 1)
    assert together.cause == worst


@pytest.mark.req("SR-041")
@pytest.mark.parametrize("code", CAUSES)
def test_a_cause_latches_until_a_person_acknowledges(code: str) -> None:
    state, _ = step(OPEN_SESSION, replace(QUIET, faults=(code,)), 1)
    for request in REQUESTS:
        if request is not Request.ACKNOWLEDGE:
            later, actions = step(state, replace(QUIET, request=request), 2)
            assert later.cause == code
            assert actions == ((Action.REFUSE,) if request else ())
    cleared, actions = step(state, replace(QUIET, request=Request.ACKNOWLEDGE), 3)
    assert (cleared, actions) == (State(), ())


@pytest.mark.req("SR-043")
@pytest.mark.parametrize("name", [name for name in STOPS if name not in CAUSES])
def test_acknowledging_while_a_cause_is_present_changes_nothing(name: str) -> None:
    inputs, _ = STOPS[name]
    state, _ = step(OPEN_SESSION, inputs, 1)
    again, actions = step(state, replace(inputs, request=Request.ACKNOWLEDGE), 2)
    assert again == state
    assert actions == ()


@pytest.mark.req("SR-041")
def test_the_red_button_is_held_and_then_released() -> None:
    held, _ = step(OPEN_SESSION, Inputs(True, True), 1)
    assert held.mode is Mode.ESTOP_HELD
    released, _ = step(held, QUIET, 2)
    assert (released.mode, released.cause) == (Mode.ESTOP_RELEASED, "emergency_stop")
    again, _ = step(released, Inputs(True, True), 3)
    assert again.mode is Mode.ESTOP_HELD
    assert CAUSES["emergency_stop"].clears is Clears.RELEASE_AND_ACKNOWLEDGE


@pytest.mark.req("SR-046")
@pytest.mark.parametrize(("apart", "present"), [(50_000, False), (50_001, True)])
def test_contacts_that_disagree_are_a_fault_of_their_own(apart: int, present: bool) -> None:
    state, _ = step(State(), Inputs(False, True), 1_000)
    assert state.disagree_since_us == 1_000
    state, _ = step(replace(state, mode=Mode.STOPPED, cause="person"), Inputs(False, True), 1_000 + apart)
    assert state.cause == "emergency_stop"  # the worse of the two stays in front
    seen = step(State(disagree_since_us=1_000), Inputs(False, None, ("daemon_lost",)), 1_000 + apart)[0]
    assert (seen.cause == "estop_contacts_disagree") is present
    agreed, _ = step(state, QUIET, 200_000)
    assert agreed.disagree_since_us is None


@pytest.mark.req("SR-055")
@pytest.mark.parametrize(("now", "stopped"), [(9_999_999, False), (10_000_000, True)])
@pytest.mark.parametrize("mode", [Mode.RUNNING, Mode.PAUSED])
def test_a_session_has_a_time_out(mode: Mode, now: int, stopped: bool) -> None:
    state, actions = step(State(mode, deadline_us=10_000_000), QUIET, now)
    assert (state.cause == "session_timeout") is stopped
    assert (Action.STOP_NOW in actions) is stopped


@pytest.mark.req("SR-044")
def test_output_only_while_running_and_only_by_a_persons_request() -> None:
    """From every state and every input: the switch is closed by START in IDLE and RESUME in PAUSED alone."""
    for state, request, drained in product(STATES, REQUESTS, (True, False)):
        after, actions = step(state, replace(QUIET, request=request, drained=drained), 100)
        enabled = Action.ENABLE in actions
        asked = (state.mode, request) in ((Mode.IDLE, Request.START), (Mode.PAUSED, Request.RESUME))
        assert enabled is asked
        assert not (after.output and not state.output and not asked)
