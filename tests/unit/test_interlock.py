"""The interlock as a function of time: what stops, what latches, what clears, and that nothing resumes by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from safety import limits
from safety.causes import CAUSES, SELF_TEST_STEPS, Act, Clears, worst
from safety.interlock import (
    ARMED_MAX_US,
    CHECK_MAX_US,
    RAMP_OVER_US,
    SELF_TEST_MAX_US,
    SESSION_TIMEOUT_US,
    Action,
    Inputs,
    Mode,
    Request,
    State,
    found,
    step,
)

QUIET = Inputs(False, False)
ARMED = State(Mode.ARMED, tested=True, until_us=10_000_000)
RUNNING = State(Mode.RUNNING, tested=True, deadline_us=10_000_000)
PAUSED = State(Mode.PAUSED, tested=True, deadline_us=10_000_000)
LATCHED = (Mode.STOPPED, Mode.ESTOP_HELD, Mode.ESTOP_RELEASED, Mode.LOCKOUT)


def ask(request: Request, **more: object) -> Inputs:
    return replace(QUIET, request=request, **more)  # type: ignore[arg-type]


@pytest.mark.req("SR-040", "SR-041")
@pytest.mark.parametrize("state", [
    State(Mode.STOPPED, "person"),
    State(Mode.LOCKOUT, "rail_stuck", locked_by="rail_stuck"),
    State(Mode.ESTOP_RELEASED, "emergency_stop"),
])  # fmt: skip
def test_lines_that_are_not_low_are_lowered_again_for_as_long_as_it_takes(state: State) -> None:
    live = replace(QUIET, live=True)
    for inputs in (live, replace(live, faults=("guard_restarted",)), replace(live, request=Request.START)):
        after, actions = step(state, inputs, 1)
        assert after == state
        assert actions[0] is Action.STOP_AGAIN
    assert step(state, QUIET, 1)[1] == ()
    assert step(RUNNING, replace(live, drained=False), 1) == (RUNNING, ()), "a pulse plays"


# --- every state that can be reached ----------------------------------------------------------------------------------

KINDS = (
    (),
    ("tripped",),
    ("battery_low",),
    ("current_high",),
    ("gate_refused",),
    ("lease_lost",),
    ("tripped", "current_high"),
)
"""One cause of each way to act and to clear, and a lockout that a worse cause hides."""
assert {(CAUSES[code].act, CAUSES[code].clears) for codes in KINDS for code in codes} | {
    (Act.STOP, Clears.RELEASE_AND_ACKNOWLEDGE)
} == {(cause.act, cause.clears) for cause in CAUSES.values()}
CONTACTS = ((False, False), (True, False), (True, True), (None, False))
NOW, DUE, LATER = 100_000, 100_000, 100_001
RAMPED_US = limits.RAMPED_STOP_MAX_US + RAMP_OVER_US
FAR = NOW + RAMPED_US + 1


def inputs() -> Iterator[Inputs]:
    """Every combination of what a check can bring."""
    asked = [(None, False), *((request, False) for request in Request), (Request.ACKNOWLEDGE, True)]
    yield replace(QUIET, live=True)
    for (a, b), faults, stop, drained, passed, (request, clinician) in product(
        CONTACTS, KINDS, (False, True), (False, True), (None, False, True), asked
    ):
        yield Inputs(a, b, faults, stop, drained, passed, request, clinician)


def moments(state: State) -> Iterator[State]:
    """The same state with each of its times due, not yet, and for a ramp not as soon as one that begins now."""
    untils = (DUE, LATER) if state.ending is None else (DUE, LATER, FAR)
    for deadline, until, apart in product((DUE, LATER), untils, (49_999, 50_001)):
        yield replace(
            state,
            deadline_us=None if state.deadline_us is None else deadline,
            until_us=None if state.until_us is None else until,
            disagree_since_us=None if state.disagree_since_us is None else NOW - apart,
        )


def shape(state: State) -> State:
    """The state without its figures: two that differ in nothing else behave alike."""
    return next(moments(state))


@cache
def reached() -> dict[State, None]:
    """Every shape that can be reached from the start, with the rules of ``check`` held at each step on the way."""
    begin = State()
    seen = {begin: None, shape(replace(begin, cause="guard_restarted", mode=Mode.STOPPED)): None}
    waiting = list(seen)
    all_inputs = list(inputs())
    while waiting:
        for state in set(moments(waiting.pop())):
            for one in all_inputs:
                after, actions = step(state, one, NOW)
                check(state, one, after, actions)
                if (key := shape(after)) not in seen:
                    seen[key] = None
                    waiting.append(key)
    return seen


def check(state: State, one: Inputs, after: State, actions: tuple[Action, ...]) -> None:
    """What must hold of every single step, whatever the state and whatever came in."""
    told = (state, one, after, actions)
    stops = bool(one.stop or one.estop_a is not False or one.estop_b is not False)
    stops = stops or any(CAUSES[code].act is not Act.RAMP for code in one.faults if code not in RESET_CODES)
    stops = stops or bool(state.mode is Mode.ELECTRODE_CHECK and one.faults)
    if stops:
        assert (after.stopped, after.output) == (True, False), told
        assert Action.ENABLE not in actions, told
        assert state.stopped or actions[0] is Action.STOP_NOW, told
    if after.output:
        assert after.tested, told  # no output without a passed self-test
    if Action.ENABLE in actions:  # and only by a person's word, from a place behind the electrode check
        assert (state.mode, one.request) in ENABLING, told
    if after.mode is Mode.ARMED and state.mode is not Mode.ARMED:
        assert (state.mode, one.passed) == (Mode.ELECTRODE_CHECK, True), told
    if after.mode is Mode.RUNNING and state.mode is not Mode.RUNNING:
        assert (state.mode, one.request) in ((Mode.ARMED, Request.START), (Mode.PAUSED, Request.RESUME)), told
    if state.stopped:
        assert after.stopped or (one.request is Request.ACKNOWLEDGE and after.mode is Mode.SELF_TEST), told
        if after.stopped:
            assert worst([after.cause or "", state.cause or ""]) == after.cause, told
            assert after.locked_by or not state.locked_by, told
        else:
            assert not stops, told  # acknowledging while a cause is present changes nothing
            assert one.clinician or state.locked_by is None, told
    if after.stopped:
        assert after.mode in LATCHED, told
        assert after.deadline_us is None, told
        assert after.locked_by is None or after.mode in (Mode.LOCKOUT, Mode.ESTOP_HELD, Mode.ESTOP_RELEASED), told
    else:
        assert after.mode not in LATCHED, told
    assert (after.deadline_us is not None) == (after.mode in (Mode.RUNNING, Mode.PAUSED)), told
    if state.deadline_us is not None and after.deadline_us is None:
        assert Action.CLOSE_SESSION in actions, told
    if state.output and not after.output:
        assert Action.STOP_NOW in actions or Action.DISABLE in actions, told
    if after.stopped and after.cause != state.cause:
        assert (actions[0], actions[-1]) == (Action.STOP_NOW, Action.RECORD), told
    if after.mode is Mode.RUNNING and any(CAUSES[code].act is Act.RAMP for code in one.faults):
        assert (after.until_us or FAR) <= NOW + RAMPED_US, told
    if Action.BEGIN_RAMP in actions and one.request is None:
        assert after.ending_cause, told
    assert list(actions) == sorted(actions, key=list(Action).index), told


RESET_CODES = {code for code, cause in CAUSES.items() if cause.clears is Clears.RESET}
ENABLING = (
    (Mode.IDLE, Request.CHECK),
    (Mode.ARMED, Request.CHECK),
    (Mode.ARMED, Request.START),
    (Mode.PAUSED, Request.RESUME),
)


@pytest.mark.req("SR-040", "SR-041", "SR-042", "SR-043", "SR-044", "SR-130", "SR-138", "SR-152")
def test_every_state_that_can_be_reached_keeps_the_rules() -> None:
    counted = Counter(state.mode for state in reached())
    assert set(counted) == set(Mode), counted
    assert sum(counted.values()) > 40, counted


@pytest.mark.req("SR-040", "SR-042")
@pytest.mark.parametrize("code", CAUSES)
def test_each_cause_from_each_state(code: str) -> None:
    """Whatever the state: the output ends in one step, or (a ramp) begins to end, and the worst is named."""
    cause = CAUSES[code]
    for state, until in product(reached(), (LATER, FAR)):
        later = replace(state, deadline_us=state.deadline_us and LATER, until_us=state.until_us and until)
        later = replace(later, disagree_since_us=None)
        after, actions = step(later, replace(QUIET, faults=(code,), drained=False), NOW)
        if state.mode is not Mode.ELECTRODE_CHECK and (
            cause.act is Act.RAMP and (state.mode is Mode.RUNNING or cause.clears is Clears.RESUME)
        ):
            assert after.stopped == state.stopped
            if state.mode is Mode.RUNNING:
                assert after.ending is not None
                assert (Action.BEGIN_RAMP in actions) == (state.ending is None or until == FAR)
                assert after.until_us is not None
                assert after.until_us <= NOW + RAMPED_US, "also where a person had asked for one that is over later"
            continue
        assert after.cause == (code if state.cause is None else worst([code, state.cause]))
        assert not after.output
        assert (Action.STOP_NOW in actions) == (after.cause != state.cause or after.locked_by != state.locked_by)


@pytest.mark.req("SR-042")
@pytest.mark.parametrize("first", CAUSES)
def test_a_worse_cause_is_never_masked(first: str) -> None:
    for second in CAUSES:
        state, _ = step(State(), replace(QUIET, faults=(first,)), 1)
        state, _ = step(state, replace(QUIET, faults=(second,)), 2)
        stopping = [code for code in (first, second) if CAUSES[code].clears is not Clears.RESUME]
        assert state.cause == (worst(stopping) if stopping else None)
        together, _ = step(State(), replace(QUIET, faults=(first, second)), 1)
        assert together.cause == state.cause
        assert bool(together.locked_by) == any(CAUSES[code].act is Act.LOCKOUT for code in (first, second))


# --- the way of a session ---------------------------------------------------------------------------------------------


@pytest.mark.req("SR-130", "SR-138")
def test_the_way_of_a_session() -> None:
    state, actions = step(State(), QUIET, 1)
    assert (state.mode, actions) == (Mode.SELF_TEST, (Action.BEGIN_SELF_TEST,))
    assert step(state, QUIET, 2) == (state, ())
    state, actions = step(state, replace(QUIET, passed=True), 3)
    assert (state, actions) == (State(Mode.IDLE, tested=True), ())
    assert step(state, ask(Request.START), 4)[1] == (Action.REFUSE,)
    state, actions = step(state, ask(Request.CHECK), 4)
    assert (state.mode, actions) == (Mode.ELECTRODE_CHECK, (Action.ENABLE, Action.BEGIN_CHECK))
    failed, actions = step(state, replace(QUIET, passed=False), 5)
    assert (failed, actions) == (State(Mode.IDLE, tested=True), (Action.DISABLE,))
    state, actions = step(state, replace(QUIET, passed=True), 5)
    assert (state.mode, actions) == (Mode.ARMED, (Action.DISABLE,))
    state, actions = step(state, ask(Request.START), 6)
    assert (state.mode, actions) == (Mode.RUNNING, (Action.ENABLE,))
    assert (state.deadline_us, state.until_us) == (6 + limits.SESSION_MAX_US + 1_000_000, None)
    state, actions = step(state, ask(Request.PAUSE, drained=False, ramp_us=700_000), 10)
    assert (state.mode, state.ending, actions) == (Mode.RUNNING, Mode.PAUSED, (Action.BEGIN_RAMP,))
    assert state.until_us == 10 + 700_000 + RAMP_OVER_US
    assert step(state, ask(Request.END, drained=False), 11) == (state, (Action.REFUSE,))
    assert step(state, replace(QUIET, drained=False), 15) == (state, ())
    state, actions = step(state, QUIET, 20)
    assert (state, actions) == (replace(PAUSED, deadline_us=state.deadline_us), (Action.DISABLE,))
    state, actions = step(state, ask(Request.RESUME), 25)
    assert (state.mode, actions) == (Mode.RUNNING, (Action.ENABLE,))
    ended, actions = step(state, ask(Request.END, drained=False), 30)
    assert actions == (Action.BEGIN_RAMP,)
    ended, actions = step(ended, QUIET, 35)
    assert (ended, actions) == (State(Mode.IDLE, tested=True), (Action.DISABLE, Action.CLOSE_SESSION))


@pytest.mark.req("SR-138")
def test_a_paused_session_ends_and_needs_a_new_electrode_check() -> None:
    state, actions = step(PAUSED, ask(Request.END), 1)
    assert (state, actions) == (State(Mode.IDLE, tested=True), (Action.CLOSE_SESSION,))
    assert step(state, ask(Request.START), 2) == (state, (Action.REFUSE,))


@pytest.mark.req("SR-138")
@pytest.mark.parametrize(("now", "armed"), [(9_999_999, True), (10_000_000, False)])
def test_the_electrode_check_lapses(now: int, armed: bool) -> None:
    assert (step(ARMED, QUIET, now)[0].mode is Mode.ARMED) is armed
    assert (step(ARMED, ask(Request.START), now)[0].mode is Mode.RUNNING) is armed
    checking = State(Mode.ELECTRODE_CHECK, tested=True, until_us=9)
    assert step(checking, replace(QUIET, passed=True), 5)[0].until_us == 5 + ARMED_MAX_US


def test_what_a_person_may_ask_of_an_armed_guard() -> None:
    assert step(ARMED, ask(Request.END), 1) == (State(Mode.IDLE, tested=True), ())
    assert step(ARMED, ask(Request.CHECK), 1)[0].mode is Mode.ELECTRODE_CHECK
    assert step(ARMED, ask(Request.CHECK), 1)[0].until_us == 1 + CHECK_MAX_US
    tested, actions = step(ARMED, ask(Request.SELF_TEST), 1)
    assert (tested, actions) == (State(Mode.SELF_TEST, until_us=1 + SELF_TEST_MAX_US), (Action.BEGIN_SELF_TEST,))


@pytest.mark.req("SR-055")
@pytest.mark.parametrize(("now", "stopped"), [(9_999_999, False), (10_000_000, True)])
@pytest.mark.parametrize("state", [RUNNING, PAUSED])
def test_a_session_has_a_time_out(state: State, now: int, stopped: bool) -> None:
    state, actions = step(state, QUIET, now)
    assert (state.cause == "session_timeout") is stopped
    assert (Action.STOP_NOW in actions) is stopped
    assert limits.SESSION_MAX_US < SESSION_TIMEOUT_US < limits.SESSION_MAX_US + 2_000_000


# --- what takes too long ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "late"), [(99, False), (100, True)])
def test_a_self_test_or_check_that_takes_too_long_stops(now: int, late: bool) -> None:
    testing, _ = step(State(Mode.SELF_TEST, until_us=100), QUIET, now)
    assert (testing.cause == "self_test_late") is late
    checking, actions = step(State(Mode.ELECTRODE_CHECK, tested=True, until_us=100), QUIET, now)
    assert (checking.cause == "internal_error") is late
    assert (Action.STOP_NOW in actions) is late


@pytest.mark.parametrize("code", SELF_TEST_STEPS)
def test_a_failed_step_of_the_self_test_has_a_cause_of_its_own(code: str) -> None:
    state, actions = step(State(Mode.SELF_TEST, until_us=100), replace(QUIET, faults=(code,)), 1)
    assert (state.mode, state.cause) == (Mode.STOPPED, code)
    assert actions == (Action.STOP_NOW, Action.RECORD)


@pytest.mark.req("SR-056", "SR-146")
@pytest.mark.parametrize(
    ("cause", "named"), [(None, "app_late"), ("lease_lost", "lease_lost"), ("battery_low", "battery_low")]
)
def test_a_ramp_that_takes_too_long_is_a_stop(cause: str | None, named: str) -> None:
    ramping = replace(RUNNING, ending=Mode.PAUSED, ending_cause=cause, until_us=1_000)
    assert not step(ramping, replace(QUIET, drained=False), 999)[0].stopped
    state, actions = step(ramping, replace(QUIET, drained=False), 1_000)
    assert (state.mode, state.cause) == (Mode.STOPPED, named)
    assert actions == (Action.STOP_NOW, Action.CLOSE_SESSION, Action.RECORD)
    assert step(ramping, QUIET, 1_000)[0].mode is Mode.PAUSED  # it is over: nothing is late


# --- ramps that begin by themselves -----------------------------------------------------------------------------------


@pytest.mark.req("SR-146")
def test_a_lost_lease_pauses_and_a_person_resumes() -> None:
    lost = replace(QUIET, faults=("lease_lost",), drained=False)
    state, actions = step(RUNNING, replace(lost, request=Request.PAUSE), 1)
    assert actions == (Action.BEGIN_RAMP, Action.REFUSE)
    assert (state.ending, state.ending_cause) == (Mode.PAUSED, "lease_lost")
    assert state.until_us == 1 + limits.RAMPED_STOP_MAX_US + RAMP_OVER_US
    assert step(state, lost, 2) == (state, ())
    state, actions = step(state, replace(lost, drained=True), 3)
    assert (state, actions) == (replace(PAUSED, paused_by="lease_lost"), (Action.DISABLE,))
    assert step(state, replace(lost, request=Request.RESUME), 4) == (state, (Action.REFUSE,))
    state, actions = step(state, ask(Request.RESUME), 5)
    assert (state.mode, state.paused_by, actions) == (Mode.RUNNING, None, (Action.ENABLE,))


@pytest.mark.req("SR-146")
def test_a_lost_lease_matters_only_where_something_plays() -> None:
    lost = replace(QUIET, faults=("lease_lost",))
    for state in (State(Mode.IDLE, tested=True), ARMED, PAUSED):
        assert step(state, lost, 1) == (state, ())
    assert step(RUNNING, lost, 1)[1] == (Action.BEGIN_RAMP,)
    for request in (Request.START, Request.CHECK):
        assert step(ARMED, replace(lost, request=request), 1) == (ARMED, (Action.REFUSE,))
    ending = replace(RUNNING, ending=Mode.IDLE, until_us=50)
    assert step(ending, replace(lost, drained=False), 1) == (ending, ())


@pytest.mark.req("SR-138", "SR-146")
@pytest.mark.parametrize("code", ["lease_lost", "threshold_over"])
def test_an_electrode_check_is_stopped_by_what_ramps_a_session_down(code: str) -> None:
    checking = State(Mode.ELECTRODE_CHECK, tested=True, until_us=50)
    state, actions = step(checking, replace(QUIET, faults=(code,), drained=False), 1)
    assert (state, actions) == (State(Mode.STOPPED, code), (Action.STOP_NOW, Action.RECORD))
    assert step(state, replace(QUIET, faults=(code,), request=Request.ACKNOWLEDGE), 2)[0].mode is Mode.SELF_TEST


@pytest.mark.req("SR-056", "SR-141", "SR-146")
@pytest.mark.parametrize(("until", "anew"), [(1 + RAMPED_US, False), (2 + RAMPED_US, True), (600_000_000, True)])
@pytest.mark.parametrize("ending", [Mode.PAUSED, Mode.IDLE])
def test_an_end_that_was_asked_for_later_does_not_keep_what_is_lost_from_its_ramp(
    ending: Mode, until: int, anew: bool
) -> None:
    asked = replace(RUNNING, ending=ending, until_us=until)
    for code, then in (("lease_lost", ending), ("threshold_over", ending), ("battery_low", Mode.STOPPED)):
        held = replace(QUIET, faults=(code,), drained=False)
        state, actions = step(asked, held, 1)
        assert (state.ending, state.until_us) == (then, 1 + RAMPED_US)
        assert (Action.BEGIN_RAMP in actions) == anew
        assert step(state, held, 20_001)[1] == (), "once"
        late, actions = step(state, held, 1 + RAMPED_US)
        assert (late.cause or "", actions[0]) == (code if anew or then is Mode.STOPPED else "app_late", Action.STOP_NOW)


@pytest.mark.req("SR-141")
def test_a_low_battery_ramps_down_and_then_stops() -> None:
    low = replace(QUIET, faults=("battery_low",), drained=False)
    for before in (RUNNING, replace(RUNNING, ending=Mode.PAUSED, until_us=50)):
        state, actions = step(before, low, 1)
        assert (state.mode, state.ending, state.ending_cause) == (Mode.RUNNING, Mode.STOPPED, "battery_low")
        assert (Action.BEGIN_RAMP in actions) == (before.ending is None)
        state, actions = step(state, replace(low, drained=True), 3)
        assert (state.mode, state.cause) == (Mode.STOPPED, "battery_low")
        assert actions == (Action.STOP_NOW, Action.CLOSE_SESSION, Action.RECORD)
    state, actions = step(ARMED, low, 1)
    assert (state.mode, state.cause, actions[0]) == (Mode.STOPPED, "battery_low", Action.STOP_NOW)


# --- clearing ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-041", "SR-043")
@pytest.mark.parametrize("code", [code for code in CAUSES if CAUSES[code].clears is not Clears.RESUME])
def test_a_cause_latches_until_it_is_acknowledged(code: str) -> None:
    held = replace(QUIET, faults=(code,))
    state, _ = step(State(Mode.IDLE, tested=True), held, 1)
    for request in Request:
        if request is not Request.ACKNOWLEDGE:
            assert step(state, ask(request), 2) == (
                replace(state, mode=Mode.ESTOP_RELEASED) if state.mode is Mode.ESTOP_HELD else state,
                (Action.REFUSE,),
            )
    cause = CAUSES[code]
    if cause.clears is not Clears.RESET:
        assert step(state, replace(held, request=Request.ACKNOWLEDGE, clinician=True), 2)[0] == state
    by_patient, actions = step(state, ask(Request.ACKNOWLEDGE), 3)
    if cause.clears is Clears.CLINICIAN:
        assert (by_patient, actions) == (state, (Action.REFUSE,))
        by_patient, actions = step(state, ask(Request.ACKNOWLEDGE, clinician=True), 3)
    assert (by_patient.mode, by_patient.tested, by_patient.cause) == (Mode.SELF_TEST, False, None)
    assert actions == (Action.BEGIN_SELF_TEST,)


@pytest.mark.req("SR-133")
@pytest.mark.parametrize("code", sorted(RESET_CODES))
def test_a_latch_of_the_board_is_shown_and_then_re_armed(code: str) -> None:
    held = replace(QUIET, faults=(code,))
    state, _ = step(State(), held, 1)  # low when the guard starts
    assert (state.mode, state.cause) == (Mode.STOPPED, code)
    assert step(state, held, 2) == (state, ())
    cleared, actions = step(state, replace(held, request=Request.ACKNOWLEDGE), 3)
    assert cleared.mode is Mode.SELF_TEST
    assert actions == (Action.RESET_TRIP, Action.BEGIN_SELF_TEST)


@pytest.mark.req("SR-133")
def test_a_latch_that_nobody_has_seen_is_not_re_armed() -> None:
    """It comes with the acknowledgement of something lesser; seen behind something worse it is re-armed with that."""
    ack = replace(QUIET, faults=("tripped",), request=Request.ACKNOWLEDGE)
    state, actions = step(State(Mode.STOPPED, "person"), ack, 1)
    assert (state.cause, actions) == ("tripped", (Action.STOP_NOW, Action.RECORD))
    state, actions = step(State(Mode.ESTOP_RELEASED, "emergency_stop"), ack, 1)
    assert (state.mode, actions) == (Mode.SELF_TEST, (Action.RESET_TRIP, Action.BEGIN_SELF_TEST))
    assert step(State(Mode.IDLE, tested=True), ack, 1)[0].cause == "tripped"


def test_a_lockout_behind_a_worse_cause_still_needs_the_clinician() -> None:
    state, _ = step(RUNNING, replace(QUIET, faults=("current_high",)), 1)
    assert (state.mode, state.locked_by) == (Mode.LOCKOUT, "current_high")
    state, actions = step(state, Inputs(True, True), 2)
    assert (state.mode, state.cause, state.locked_by) == (Mode.ESTOP_HELD, "emergency_stop", "current_high")
    assert actions[0] is Action.STOP_NOW
    state, actions = step(state, ask(Request.ACKNOWLEDGE), 3)
    assert (state.mode, actions) == (Mode.ESTOP_RELEASED, (Action.REFUSE,))
    assert step(state, ask(Request.ACKNOWLEDGE, clinician=True), 4)[0].mode is Mode.SELF_TEST
    behind, _ = step(State(Mode.STOPPED, "tripped"), replace(QUIET, faults=("tripped", "direct_current")), 1)
    assert (behind.mode, behind.cause, behind.locked_by) == (Mode.LOCKOUT, "tripped", "direct_current")


@pytest.mark.req("SR-041", "SR-150")
def test_what_was_latched_when_a_guard_ended_is_latched_when_the_next_one_begins() -> None:
    assert found(()) == State()
    for code, cause in CAUSES.items():
        begun = found((code,))
        assert (begun.cause, begun.locked_by) == (code, code if cause.act is Act.LOCKOUT else None)
        assert begun.mode in LATCHED
        assert begun.mode is not Mode.ESTOP_HELD
        assert step(begun, QUIET, 1)[0] == begun
    both = found(("emergency_stop", "current_high"))
    assert both == State(Mode.ESTOP_RELEASED, "emergency_stop", locked_by="current_high")
    assert step(both, Inputs(True, True), 1)[0].mode is Mode.ESTOP_HELD


# --- the red button ---------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-041", "SR-045")
def test_the_red_button_is_held_and_then_released() -> None:
    held, actions = step(RUNNING, Inputs(True, True), 1)
    assert (held.mode, held.cause) == (Mode.ESTOP_HELD, "emergency_stop")
    assert actions == (Action.STOP_NOW, Action.CLOSE_SESSION, Action.RECORD)
    assert step(held, Inputs(True, True, request=Request.ACKNOWLEDGE), 2) == (held, ())
    released, _ = step(held, QUIET, 2)
    assert (released.mode, released.cause) == (Mode.ESTOP_RELEASED, "emergency_stop")
    assert step(released, QUIET, 3) == (released, ())
    assert step(released, replace(QUIET, faults=("charger",)), 3) == (released, ()), "out is out, whatever else comes"
    again, _ = step(released, Inputs(True, True), 3)
    assert again.mode is Mode.ESTOP_HELD


@pytest.mark.req("SR-040")
@pytest.mark.parametrize("state", [State(), State(Mode.IDLE, tested=True), ARMED, RUNNING, PAUSED])
def test_a_stop_that_somebody_asked_for_is_a_persons(state: State) -> None:
    after, actions = step(state, replace(QUIET, stop=True), 1)
    assert (after, actions[0]) == (State(Mode.STOPPED, "person"), Action.STOP_NOW)


@pytest.mark.req("SR-045", "SR-047")
@pytest.mark.parametrize(("a", "b", "code"), [
    (True, False, "emergency_stop"),
    (False, True, "emergency_stop"),
    (None, False, "daemon_lost"),
    (False, None, "daemon_lost"),
])  # fmt: skip
def test_either_contact_stops_by_itself_and_so_does_one_that_cannot_be_read(
    a: bool | None, b: bool | None, code: str
) -> None:
    assert step(RUNNING, Inputs(a, b), 1)[0].cause == code


def test_a_daemon_that_answers_and_not_as_it_was_left_is_not_lost() -> None:
    """Somebody closed the guard's handle, say: the contacts could not be read, and why is known."""
    state, actions = step(RUNNING, Inputs(None, None, ("not_what_was_approved",)), 1)
    assert (state.mode, state.cause, actions[0]) == (Mode.STOPPED, "not_what_was_approved", Action.STOP_NOW)
    assert step(RUNNING, Inputs(None, None, ("app_lost",)), 1)[0].cause == "daemon_lost"


@pytest.mark.req("SR-046")
@pytest.mark.parametrize(("apart", "present"), [(50_000, False), (50_001, True)])
def test_contacts_that_disagree_are_a_fault_of_their_own(apart: int, present: bool) -> None:
    state, _ = step(State(), Inputs(False, True), 1_000)
    assert state.disagree_since_us == 1_000
    assert state.cause == "emergency_stop"
    held, actions = step(state, Inputs(False, True), 1_000 + apart)
    assert (held.mode, held.cause) == (
        Mode.ESTOP_HELD,
        "estop_contacts_disagree" if present else "emergency_stop",
    ), "a press does not hide a contact that does not follow"
    assert (Action.RECORD in actions) is present
    released, _ = step(held, QUIET, 2_000_000)
    assert (released.mode, released.cause) == (Mode.ESTOP_RELEASED, held.cause), "nor does the release"
    assert step(released, ask(Request.ACKNOWLEDGE), 2_000_001)[0].mode is Mode.SELF_TEST
    seen = step(State(disagree_since_us=1_000), Inputs(False, None, ("daemon_lost",)), 1_000 + apart)[0]
    assert (seen.cause == "estop_contacts_disagree") is present
    agreed, _ = step(state, QUIET, 200_000)
    assert agreed.disagree_since_us is None


def test_no_two_causes_are_equally_bad() -> None:
    assert len({cause.priority for cause in CAUSES.values()}) == len(CAUSES)
