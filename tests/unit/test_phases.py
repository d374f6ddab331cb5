"""Checks of the guard against a train of pulses, from every place between two of them: none is met in which something
that is wrong with the output is named late, or never. The lookout, its window and its rhythm are the guard's own; the
board is a few lines here, whose readings take a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from hw.board import load_board
from hw.senses import Sample
from safety import window
from safety.decode import Chunk, Pulse
from safety.interlock import Mode, State
from safety.lookout import Lookout
from safety.steps import Wait
from safety.window import Played
from tests.support.readings import GOOD_BANK

BEGINS_US = 50_000_000
BROKEN_US = BEGINS_US + 200_000
"""From this pulse on A is broken."""
CHUNK_US = 100_000
CODE, ASKED_UA = 163, 1_989
"""2 mA of 50."""
GAP_US = 100
FINE_US = 700
"""How finely the places between two pulses are tried."""


@dataclass(frozen=True)
class Broken:
    """What the holds show of A's pulses, per mille of the current and of the load as they were."""

    current: int = 1000
    load: int = 1000


class Output:
    """The board: holds that keep the largest since they were emptied; its readings take ``takes_us``, and the waves
    begin ``off_us`` later than planned.
    """

    def __init__(self, pulses: list[tuple[int, int, str]], broken: Broken, from_us: int, takes_us: int, off_us: int):
        self.pulses = [(start + off_us, end + off_us, channel) for start, end, channel in pulses]
        self.broken, self.from_us, self.takes_us = broken, from_us, takes_us
        self.now_us = 0
        self.peaks_since_us = self.enabled_us = self.kept_us = 0
        self.enabled = self.was_toggled = True
        self._raw = 0

    @property
    def toggled_us(self) -> int:
        return self.now_us

    def now(self) -> int:
        return self.now_us

    def _held(self, channel: str) -> tuple[int, int]:
        """Peak current in uA and voltage in mV."""
        held = (0, 0)
        for start, end, one in self.pulses:
            if one == channel and end > self.peaks_since_us and start < self.now_us:
                bad = self.broken if channel == "A" and start >= self.from_us - 3_000 else Broken()
                ua = ASKED_UA * bad.current // 1000
                held = max(held[0], ua), max(held[1], min(60_000, ua * bad.load // 2000))
        return held

    def check(self, *, toggle: bool, kick: bool, reset_peaks: bool, look_again: bool) -> Sample:
        self.now_us += self.takes_us // 2
        (a_ua, a_mv), (b_ua, b_mv) = self._held("A"), self._held("B")
        self.now_us += self.takes_us - self.takes_us // 2
        if reset_peaks:
            self.peaks_since_us = self.now_us
        self._raw += 1
        emptied = (0, 0) if reset_peaks and look_again else None
        raw = (self._raw, 0, 0, 0, 0, 2048, 2048, 1551)
        return Sample(
            GOOD_BANK, raw, (a_ua, b_ua), (a_mv, b_mv), 63_000, (0, 0), 1250, 1, True, (), 0, emptied_ua=emptied
        )


def train(channel: str, hz: int, width_us: int, first_us: int = 0) -> list[tuple[int, str, int]]:
    """Begin, channel and width of the pulses of 0.7 s."""
    return [(first_us + n * 1_000_000 // hz, channel, width_us) for n in range(7 * hz // 10)]


def chunks(pulses: list[tuple[int, str, int]]) -> tuple[Played, ...]:
    """The approved chunks that they are in."""
    of: dict[int, list[Pulse]] = {}
    for start, channel, width in sorted(pulses):
        of.setdefault(start // CHUNK_US, []).append(Pulse(start % CHUNK_US, channel, width, GAP_US, width, CODE))
    return tuple(
        window.plan(1, BEGINS_US + n * CHUNK_US, Chunk(CHUNK_US, 1, tuple(in_it))) for n, in_it in sorted(of.items())
    )


def named(
    pulses: list[tuple[int, str, int]], broken: Broken, phase_us: int, takes_us: int, off_us: int = 0, late_us: int = 0
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Of each check, the first at a place between two pulses: when it was answered, and what it named."""
    played = chunks(pulses)
    spans = [(one.start_us, one.end_us, one.channel) for part in played for one in part.spans]
    board = Output(spans, broken, BROKEN_US, takes_us, off_us)
    supply: Any = SimpleNamespace(played=played)
    lookout = Lookout(load_board(), supply, board)  # type: ignore[arg-type]
    due = at = BROKEN_US - 60_000 + phase_us
    board.peaks_since_us = due - 20_000
    for number in range(25):
        at += number * 7_919 % (late_us + 1)  # as a machine wakes it that has others to run
        board.now_us = max(at, board.now_us)
        at = board.now_us
        _, found = lookout.look(
            board,
            State(Mode.RUNNING),
            Wait(0),
            at,
            due,
            good=True,
            begins=False,
            stopping=lambda: False,  # type: ignore[arg-type]
        )
        yield board.now_us, found
        due, at = window.next_check_us(played, due, at)


TRAINS = {
    "50 Hz": train("A", 50, 250),
    "50 Hz, long pulses": train("A", 50, 800),
    "35 Hz": train("A", 35, 250),
    "34 Hz": train("A", 34, 250),
    "25 Hz": train("A", 25, 250),
    "20 Hz": train("A", 20, 250),
    "13 Hz": train("A", 13, 250),
    "10 Hz": train("A", 10, 250),
    "100 Hz": train("A", 100, 250),
    "150 Hz": train("A", 150, 250),
    "50 Hz on both": [*train("A", 50, 250), *train("B", 50, 250, 9_000)],
}


FAULTS = {"short": Broken(load=2), "lead_off": Broken(current=10, load=6_000_000), "current_high": Broken(current=1200)}


@pytest.mark.parametrize(
    ("takes_us", "off_us", "late_us", "more_us"),
    [
        (0, 0, 0, 0),
        (600, 0, 0, 0),
        (1_900, 2_000, 0, 0),
        (600, -1_000, 2_000, 0),
        (5_000, 0, 8_000, 200_000),  # a daemon and a machine that are too slow: named all the same
    ],
)
@pytest.mark.parametrize("pulses", TRAINS.values(), ids=TRAINS)
def test_what_is_wrong_is_named_in_time_from_every_place(
    pulses: list[tuple[int, str, int]], takes_us: int, off_us: int, late_us: int, more_us: int
) -> None:
    """A short or a lead off: 3 pulses or 100 ms. Too much current: 60 ms."""
    starts = [BEGINS_US + off_us + start for start, channel, _ in pulses if channel == "A"]
    starts = [start for start in starts if start - off_us >= BROKEN_US]
    third_us = starts[2] - starts[0]
    for phase_us in range(0, 20_000, FINE_US):
        for code, broken in FAULTS.items():
            checks = named(pulses, broken, phase_us, takes_us, off_us, late_us)
            answered, found = next(((after, found) for after, found in checks if found), (0, ()))
            last_us = max((start for start in starts if start < answered), default=0) - starts[0]
            bound = more_us + (60_000 if code == "current_high" else max(100_000, third_us))
            where = f"{code} from phase {phase_us}: {found} after {answered - starts[0]} us"
            assert found == (code,), where
            assert 0 <= last_us <= bound, where
