"""People, faults and time at random: a hypothesis state machine over one ``World``.

``python -m tests.stateful.machine --seed N --steps N --session-s N`` runs one part and prints what it came to as JSON.
What remains of the session time that is asked for, 12 minutes at least, is then played in order (``days``).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, assume, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.stateful.days import days, resident_kb
from tests.stateful.world import PROGRAMMES, World, world
from tests.support.preloaded import preloaded

FAULTS: tuple[tuple[Any, ...], ...] = (
    ("electrode-open", "A"),
    ("electrode-open", "B"),
    ("electrode-short", "A"),
    ("electrode-peeled", "A"),
    ("electrode-drying", "A", 5_000),
    ("adc-dead",),
    ("adc-stuck", 2048),
    ("adc-noisy", 20),
    ("adc-factor", 1.3),
    ("adc-reference", 1.0),
    ("dac-stuck", "A", 3_000),
    ("dac-bit", 13, "low"),
    ("dac-bit", 11, "high"),
    ("phase-line", "A_NEG", "low"),
    ("phase-line", "A_POS", "high"),
    ("source-gain", "A", 1.5),
    ("source-gain", "B", 0.3),
    ("source-polarity", "A", "positive", 1.4),
    ("rail-sag", 40),
    ("rail-stuck",),
    ("current-trip",),
    ("keepalive-stuck", "low"),
    ("drop-out-defeated",),
    ("trip-defeated",),
    ("one-shot-defeated",),
    ("estop-stuck", 2),
    ("estop-cut", 3),
    ("battery-low",),
    ("charger",),
    ("late-scheduling", "guard", 5),
    ("late-scheduling", "guard", 100),
    ("late-scheduling", "app", 80),
    ("disk-full", "guard"),
)
"""Faults that stay until they are mended, or that happen once and change nothing that was asked for."""
OTHERS: tuple[tuple[Any, ...], ...] = (
    ("client-add", 24, 500),
    ("client-clear",),
    ("client-delete", 0),
    ("client-delete", 1),
    ("client-send", 0, "once"),
    ("client-send", 1, "repeat"),
    ("client-mode", 24, 0),
    ("client-mode", 25, 0),
    ("client-spi", "auxiliary", 0),
    ("client-spi", "main", 0),
)
REQUESTS = (
    "status",
    "self_test",
    "load",
    "check_electrodes",
    "start",
    "pause",
    "resume",
    "end",
    "raise",
    "lower",
    "no",
)
GROWTH_US = 180_000_000
"""Of session time, from one look at the guard's memory to the next."""
IN_ORDER_US = 4 * GROWTH_US
"""Of session time in order, at least, where any is asked for: so many looks."""
STEPS_EACH = 300
"""Of one world, at most: more is more than hypothesis chooses in one go."""
MOMENT = st.integers(0, 600_000)
CHANNELS = st.sampled_from("AB")
NAMES = sorted(PROGRAMMES)
IDLE_STEPS = 12
"""So many steps without a session, and one begins: a guard with nothing to do is of less interest."""


class Totals:
    """What all examples came to, so far."""

    def __init__(self) -> None:
        self.steps = self.examples = self.session_us = self.sessions = self.pulses = self.contractions = 0
        self.chunks = self.missed = self.grown_kb = self.looks = 0
        self.causes: Counter[str] = Counter()
        self.modes: Counter[str] = Counter()

    def add(self, one: World) -> None:
        self.examples += 1
        self.session_us += one.session_us
        self.sessions += one.sessions
        self.pulses += one.rules.pulses
        self.contractions += one.rules.judged_contractions
        self.chunks += one.chunks
        self.missed += one.missed
        self.causes.update(one.causes)
        self.modes.update(one.modes)

    def told(self) -> dict[str, Any]:
        return {key: dict(value) if isinstance(value, Counter) else value for key, value in vars(self).items()}


TOTALS = Totals()


def has_app(machine: Whole) -> bool:
    return machine.world.link is not None and machine.world.guard_lives


def has_session(machine: Whole) -> bool:
    return machine.world.session is not None


def has_none(machine: Whole) -> bool:
    return machine.world.session is None and has_app(machine)


def checks(machine: Whole) -> bool:
    return machine.world.mode == "electrode_check" and has_app(machine)


def has_lived(machine: Whole) -> bool:
    """What ends a session at once comes when it has had some steps; what is idle may be hit at any time."""
    return has_app(machine) and (machine.world.session is None or machine.lived >= 4)


def lives(machine: Whole) -> bool:
    return machine.world.guard_lives


def is_sound(machine: Whole) -> bool:
    """One thing at a time breaks: what a second one can do that was made possible by the first is not promised.

    And something is under way: an idle guard is of less interest.
    """
    under_way = machine.world.session is not None or machine.world.mode in ("self_test", "electrode_check", "armed")
    return lives(machine) and under_way and not machine.world.broken - {"estop-press"}


class Whole(RuleBasedStateMachine):
    """Each rule is one act of a person or a fault, or time that passes; after each the current is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.idle_steps = self.lived = self.next_ones = 0
        self._open = contextlib.ExitStack()

    @initialize(chance=st.integers(0, 1 << 32))
    def somebody_is_there(self, chance: int) -> None:
        """Hypothesis begins with the simplest choices of all, in which nothing happens: that takes no world."""
        assume(chance)
        self.world = self._open.enter_context(world())

    def teardown(self) -> None:
        with self._open:
            if hasattr(self, "world"):
                TOTALS.add(self.world)
                if self.world.guard_lives:
                    self.world.advance(200_000)
                self.world.look()

    def check_invariants(self, *args: Any) -> None:
        super().check_invariants(*args)
        if not hasattr(self, "world"):
            return
        TOTALS.steps += 1
        self.world.look()
        self.world.straight()
        self.idle_steps = self.idle_steps + 1 if self.world.session is None else 0
        self.lived = 0 if self.world.session is None else self.lived + 1
        if self.idle_steps > IDLE_STEPS:
            self.idle_steps = 0
            self.next_one()

    def next_one(self) -> None:
        """Nobody has had a session for a while: the next one begins, and is well into its first contraction."""
        self.world.revive()
        self.next_ones += 1
        if self.world.begin(NAMES[self.next_ones % len(NAMES)]):
            self.world.train(1_500_000, 8_000)
        self.world.look()

    # time

    @rule(us=st.integers(20_000, 1_000_000))
    def a_moment(self, us: int) -> None:
        self.world.advance(us)

    @precondition(has_session)
    @rule(us=st.integers(200_000, 2_000_000), to_ua=st.integers(500, 20_000))
    def train(self, us: int, to_ua: int) -> None:
        self.world.train(us, to_ua)

    @precondition(has_session)
    @rule(us=st.integers(500_000, 3_000_000))
    def a_while(self, us: int) -> None:
        self.world.advance(us)

    @precondition(has_none)
    @rule(us=st.integers(100_000, 1_000_000))
    def a_rest(self, us: int) -> None:
        self.world.advance(us)

    @precondition(has_none)
    @rule()
    def midnight(self) -> None:
        self.world.next_day()

    # people: the app

    @precondition(has_none)
    @rule(name=st.sampled_from(NAMES), us=st.integers(0, 3_000_000), to_ua=st.integers(500, 20_000))
    def begin(self, name: str, us: int, to_ua: int) -> None:
        """The whole way to a session, as far as it goes."""
        if self.world.begin(name):
            self.world.train(us, to_ua)

    @precondition(has_none)
    @rule(name=st.sampled_from(NAMES), cap_ua=st.sampled_from((0, 1_000, 5_000, 50_000)))
    def load(self, name: str, cap_ua: int) -> None:
        self.world.load(name, cap_ua)

    @precondition(lambda machine: has_none(machine) and machine.world.mode in ("idle", "armed"))
    @rule(us=st.integers(0, 700_000))
    def check_electrodes(self, us: int) -> None:
        self.world.check()
        self.world.advance(us)

    @precondition(lambda machine: has_none(machine) and machine.world.mode == "armed")
    @rule()
    def start(self) -> None:
        self.world.start()

    @precondition(has_session)
    @rule(wish=st.sampled_from(("pause", "resume", "end")), us=st.integers(0, 1_000_000))
    def act(self, wish: str, us: int) -> None:
        self.world.act(wish)
        self.world.advance(us)

    @precondition(has_session)
    @rule(us=st.integers(0, 600_000))
    def pause_and_resume(self, us: int) -> None:
        if self.world.act("pause"):
            self.world.advance(700_000 + us)
            self.world.act("resume")

    @precondition(has_session)
    @rule(channel=CHANNELS, by_ua=st.sampled_from((-500, 0, 1, 500, 2_000, 2_001, 10_000)), us=MOMENT)
    def raise_(self, channel: str, by_ua: int, us: int) -> None:
        self.world.raise_(channel, by_ua)
        self.world.advance(us)

    @precondition(has_session)
    @rule(channel=CHANNELS, percent=st.integers(0, 100), us=MOMENT)
    def lower(self, channel: str, percent: int, us: int) -> None:
        self.world.lower(channel, percent)
        self.world.advance(us)

    @precondition(has_none)
    @rule(type_=st.sampled_from(REQUESTS))
    def a_request_whatever_the_moment(self, type_: str) -> None:
        if not (type_ == "start" and self.world.mode == "armed"):  # that one is ``start``
            self.world.ask(type_)

    @precondition(lambda machine: has_none(machine) and machine.world.cause is not None)
    @rule(role=st.sampled_from(("patient", "clinician")), us=MOMENT)
    def acknowledge(self, role: str, us: int) -> None:
        self.world.acknowledge(role)
        self.world.advance(us)

    @precondition(lambda machine: has_session(machine) or checks(machine))
    @rule(us=st.integers(200_000, 4_000_000))
    def the_phone_is_gone(self, us: int) -> None:
        self.world.forget_lease(us)

    # people: from outside

    @precondition(has_lived)
    @rule(us=MOMENT)
    def stop(self, us: int) -> None:
        self.world.stop()
        self.world.advance(us)

    @precondition(lambda machine: has_lived(machine) and lives(machine))
    @rule(us=st.integers(25_000, 200_000))
    def press(self, us: int) -> None:
        """It latches, so that nobody can release it before the next check has seen it."""
        self.world.press()
        self.world.advance(us)

    @precondition(lambda machine: machine.world.pressed)
    @rule()
    def release(self) -> None:
        self.world.release()

    # faults

    @precondition(is_sound)
    @rule(fault=st.sampled_from(FAULTS), us=st.integers(0, 500_000))
    def something_breaks(self, fault: tuple[Any, ...], us: int) -> None:
        self.world.break_(*fault)
        self.world.advance(us)

    @precondition(is_sound)
    @rule(fault=st.sampled_from(OTHERS), us=st.integers(0, 200_000))
    def another_client(self, fault: tuple[Any, ...], us: int) -> None:
        self.world.break_(*fault)
        self.world.advance(us)

    @precondition(lambda machine: machine.world.broken and machine.world.guard_lives)
    @rule(us=MOMENT)
    def mend(self, us: int) -> None:
        self.world.mend()
        self.world.advance(us)

    @precondition(is_sound)
    @rule(ms=st.sampled_from((1, 8, 30, 60, 110, 300)), us=st.integers(1, 500_000))
    def the_daemon_is_slow(self, ms: int, us: int) -> None:
        self.world.slow_daemon(ms, us)

    @precondition(lambda machine: machine.world.guard_lives and not machine.world.ends)
    @rule(how=st.sampled_from(("KILL", "TERM", "close", "garbage", "guard")), us=st.integers(0, 500_000))
    def the_guard_must_end(self, how: str, us: int) -> None:
        """Its daemon is lost, or it is killed itself: once in a run, since another start takes a second."""
        if how == "guard":
            self.world.kill_guard()
        else:
            self.world.lose_daemon(how)
        self.world.advance(us)

    @precondition(lambda machine: not machine.world.guard_lives)
    @rule()
    def a_new_guard(self) -> None:
        self.world.revive()

    @precondition(lambda machine: has_lived(machine) and (has_session(machine) or checks(machine)))
    @rule()
    def the_app_is_killed(self) -> None:
        self.world.lose_app()
        self.world.advance(100_000)

    @precondition(has_app)
    @rule(us=st.integers(1_000, 1_500_000))
    def the_app_is_frozen(self, us: int) -> None:
        self.world.freeze_app(us)

    @precondition(lambda machine: machine.world.link is None and machine.world.guard_lives)
    @rule()
    def a_new_app(self) -> None:
        self.world.connect()


def one(number: int, *, shrinks: bool = False) -> None:
    """One world, for as many steps as hypothesis chooses in one go. ``number`` is its seed."""
    wanted = settings(
        max_examples=1,
        stateful_step_count=STEPS_EACH,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
        print_blob=False,
    )
    run_state_machine_as_test(seed(number)(Whole), settings=wanted)


def run(number: int, steps: int, session_us: int) -> Totals:
    """Plays one part: worlds until there were so many steps. ``number``: seed of the first. Raises what was broken."""
    while TOTALS.steps < steps:
        print(f"seed {number}, after {TOTALS.steps} steps and {TOTALS.session_us / 1e6:.0f} s of sessions", flush=True)
        one(number)
        number += 1
    if session_us:
        guard_kb: list[int] = []

        def told(one: World) -> None:
            guard_kb.append(resident_kb(one.rig.sim.processes[1].pid))

        TOTALS.add(days(max(session_us - TOTALS.session_us, IN_ORDER_US), number, told, GROWTH_US))
        TOTALS.looks = len(guard_kb)
        TOTALS.grown_kb = guard_kb[-1] - guard_kb[0] if guard_kb else 0
    return TOTALS


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1, help="of the first world; each takes the next")
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--session-s", type=int, default=0)
    parser.add_argument("--smaller", action="store_true", help="one world: find the fewest steps that break a rule")
    options = parser.parse_args()
    with preloaded():
        if options.smaller:
            one(options.seed, shrinks=True)
        else:
            print(json.dumps(run(options.seed, options.steps, options.session_s * 1_000_000).told()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
