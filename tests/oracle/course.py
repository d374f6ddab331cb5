"""The course of a session by its programme file: when which channel may deliver which share of the set-point.

It judges no programme (a wrong one is refused elsewhere); it reads a valid one exactly.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple


class Hill(NamedTuple):
    """One contraction or continuous phase of one channel, in us of session time; ``share`` of the set-point."""

    begin_us: int
    full_us: int
    fall_us: int
    end_us: int
    share: Fraction
    continuous: bool
    hertz: Fraction
    width_us: int
    gap_us: int

    def next_beat(self, at_us: int) -> int:
        """When the next pulse begins, at a time under way or later: whole periods from the begin, rounded down."""
        above, below = self.hertz.as_integer_ratio()
        passed = (at_us - self.begin_us) * above // (1_000_000 * below)
        beats = [self.begin_us + number * 1_000_000 * below // above for number in (passed, passed + 1)]
        return min(beat for beat in beats if beat >= at_us)

    def height(self, at_us: int) -> tuple[int, int]:
        """How much of the set-point may flow at a time under way, as (above, below): up, level, straight down."""
        above, below = self.share.numerator, self.share.denominator
        if at_us < self.full_us:
            return above * (at_us - self.begin_us), below * (self.full_us - self.begin_us)
        if at_us < self.fall_us:
            return above, below
        return above * (self.end_us - at_us), below * (self.end_us - self.fall_us)


@dataclass(frozen=True)
class Course:
    """Every hill of each channel in order, where the session ends (us), and the smallest contact's area (cm2)."""

    hills: dict[str, list[Hill]]
    end_us: int
    area_cm2: Fraction

    def hill(self, channel: str, at_us: int) -> Hill | None:
        """The hill under way on a channel at a time."""
        index = bisect_right(self.hills[channel], at_us, key=lambda hill: hill.begin_us)
        hill = self.hills[channel][index - 1] if index else None
        return hill if hill and at_us < hill.end_us else None


def read_course(programme: bytes) -> Course:
    """Reads a programme file of version 1."""
    table = tomllib.loads(programme.decode(), parse_float=Fraction)
    hills: dict[str, list[Hill]] = {"A": [], "B": []}
    now = 0
    for phase in table["phase"] * table.get("cycles", 1):
        if "pause_s" in phase:
            now += _us(phase["pause_s"], 1_000_000)
            continue
        hertz = Fraction(phase["frequency_hz"])
        widths = phase["phase_width_us"], phase["interphase_us"]
        continuous = "continuous_s" in phase
        plateau = _us(phase["continuous_s"], 1_000_000) if continuous else phase["hold_ms"] * 1000
        full = phase["ramp_up_ms"] * 1000
        active = full + plateau + phase["ramp_down_ms"] * 1000
        for _ in range(phase.get("repeats", 1)):
            for channel in phase["channel"]:
                late = 500_000 // hertz if channel == "B" and phase["channel"] == "AB" else 0
                begin = now + late
                share = Fraction(phase["intensity_percent"]) / 100
                hills[channel].append(
                    Hill(begin, begin + full, begin + full + plateau, begin + active, share, continuous, hertz, *widths)
                )
            now += active + phase.get("rest_ms", 0) * 1000
    # B of "AB" comes half a period late, and may be the last of all.
    end_us = max([now, *(hill.end_us for channel in hills.values() for hill in channel)])
    return Course(hills, end_us, Fraction(table["electrode"]["area_cm2"]))


def _us(value: Any, factor: int) -> int:
    exact = Fraction(value) * factor
    assert exact.denominator == 1
    return exact.numerator
