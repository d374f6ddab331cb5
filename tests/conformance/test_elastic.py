"""The elastic clock: the wall's pace, waiting for whoever joined it, not for ever, and for nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hw.clock import VirtualClock
from tests.support.sim import Sim


@pytest.fixture
def sim() -> Iterator[Sim]:
    with Sim.start("--elastic") as started:
        yield started


def tick(sim: Sim) -> int:
    return int(sim.control("levels")["now"])


def test_it_goes_on_with_nobody_there(sim: Sim) -> None:
    before = tick(sim)
    while tick(sim) < before + 50_000:
        pass


def test_it_waits_for_who_is_at_work_and_then_gives_them_up(sim: Sim) -> None:
    """A second of the wall's is one that nobody ends earlier, however slow the machine is."""
    busy, other = sim.participant("busy"), sim.participant("other")
    stood = busy.now
    other.wait(stood + 1_000)
    assert other.silent(), "it waits for the busy one"
    assert tick(sim) == other.now
    assert other.granted() == stood + 1_000, "and has given it up"
    other.wait(stood + 2_000)
    assert other.granted() == stood + 2_000
    busy.wait(stood + 1_500)
    assert busy.granted() == stood + 2_000, "it is late, as on a wall's clock"
    other.wait(stood + 3_000)
    assert other.silent(), "heard of again, it is waited for"
    busy.wait(stood + 200_000)
    assert other.granted() == stood + 3_000


def test_it_comes_to_a_time_that_is_far_away(sim: Sim) -> None:
    """Further than what it makes up for, with nothing in between."""
    one = sim.participant("one")
    far = one.now + 300_000
    one.wait(far)
    assert one.granted() == far


def test_who_was_given_up_knows_what_the_time_is(sim: Sim) -> None:
    """By the time it had before, a guard that stood still would be in time, and find faults of the board instead."""
    clock = VirtualClock(sim.control_path, "busy")
    other = sim.participant("other")
    stood = clock.now()
    other.wait(stood + 200_000)
    assert other.granted() == stood + 200_000, "it was given up"
    assert clock.now() >= stood + 200_000
    later = clock.now()
    other.wait(later + 1_000)
    assert other.silent(), "heard of again, it is waited for"
    assert clock.now() == later
    clock.close()


def test_far_ends_that_declare_nothing_keep_it_from_nothing(sim: Sim) -> None:
    """A message and a stop of an app that lives by the wall's clock were taken by somebody who counts them."""
    one = sim.participant("guard")
    one.wait(one.now + 10_000, {"link:app": [3, 5], "dgram:stop": [0, 2]})
    one.granted()


def test_nor_on_any_other_clock() -> None:
    with Sim.start() as sim:
        one = sim.participant("guard")
        one.wait(one.now + 10_000, {"link:app": [3, 5]})
        assert one.silent()
