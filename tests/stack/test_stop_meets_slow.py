"""A reading that takes its time, and a stop that comes of it or meanwhile: what the lines do then is the stop's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.hand import Hand
from tests.support.stack import Stack, stack

OUTPUT_ENABLE = 1 << 25
ANSWER_MS = 1
"""Late by so much, each of some 40 answers of a reading."""
SLOW_US = 30_000
"""For so long: less than what is ``daemon_slow``, more than rail and edges are given after a stop."""


def by_wrong_chunk(rig: Stack, hand: Hand) -> None:
    hand.link.send_chunk(9_999, hand.state["next_us"], hand.state["revision"], b"\0" * 12)


def by_person(rig: Stack, hand: Hand) -> None:
    rig.clock.wait(rig.clock.now() + SLOW_US - 1_000)
    hand.link.stop()


@pytest.mark.parametrize("late_us", [3_000, 7_000, 13_000])
@pytest.mark.parametrize(("stops", "cause"), [(by_wrong_chunk, "gate_refused"), (by_person, "person")])
def test_what_a_slow_reading_hides_is_no_fault_of_the_board(
    stops: Callable[[Stack, Hand], None], cause: str, late_us: int
) -> None:
    """The rail falls, and lines become low, from when the switch was opened, not from when the reading began."""
    with stack() as rig:
        hand = Hand(rig)
        hand.held()
        hand.play_for(100_000 + late_us)
        slow_at = rig.clock.now() + 1
        rig.fault("daemon-slow", ANSWER_MS, at=slow_at)
        rig.fault("clear", at=slow_at + SLOW_US)
        rig.clock.wait(slow_at)
        stops(rig, hand)
        rig.sleep_until(slow_at + 200_000)
        told = hand.link.latest
        assert (told["mode"], told["cause"], told["locked_by"]) == ("stopped", cause, None)
        assert told["confirmed"] is True


@pytest.mark.parametrize("into_us", [0, 1_000, 8_000])
def test_a_stop_that_comes_while_the_guard_halts_by_itself_loses_no_daemon(into_us: int) -> None:
    """It breaks the connection under the halt: the guard lives, and what was stopped before is the cause."""
    with stack() as rig:
        hand = Hand(rig)
        hand.held()
        rig.fault("daemon-slow", 0.5)
        by_wrong_chunk(rig, hand)
        while rig.levels() & OUTPUT_ENABLE:
            rig.sleep_until(rig.clock.now() + 500)
        rig.sleep_until(rig.clock.now() + into_us)
        hand.link.stop()
        rig.fault("clear")
        rig.sleep_until(rig.clock.now() + 100_000)
        told = hand.link.request("status")
        assert (told["mode"], told["cause"], told["confirmed"]) == ("stopped", "gate_refused", True)
        assert hand.link.acknowledge()["mode"] == "idle"
