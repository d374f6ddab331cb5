"""What a programme's text asks for, read once more for the proof: on its own, with a reader of its own.

It judges no text (a wrong one is refused elsewhere); it reads a valid one exactly, or raises ValueError, KeyError or
TypeError. Times are session time in us.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, Final, NamedTuple

CODES: Final = 4096


class Due(NamedTuple):
    """One pulse that is due. ``share``: of the set-point, by the envelope and the programme's percentage."""

    at_us: int
    channel: str
    width_us: int
    gap_us: int
    share: Fraction
    train: int

    def code(self, set_point_ua: int, full_scale_ua: int) -> int:
        """The code it must have at a set-point."""
        return min(CODES - 1, int(self.share * set_point_ua * CODES / full_scale_ua))


@dataclass(frozen=True)
class Stretch:
    """One contraction or continuous phase; ``train`` counts them from 1. ``hold_us``: where a set-point may rise."""

    train: int
    begins_us: int
    ends_us: int
    hold_us: tuple[int, int]
    continuous: bool
    dues: tuple[Due, ...]


@dataclass(frozen=True)
class Asked:
    """A programme, whole: its stretches in order and its length (us)."""

    stretches: tuple[Stretch, ...]
    length_us: int

    @cached_property
    def dues(self) -> tuple[Due, ...]:
        """Every pulse, in order of time."""
        return tuple(sorted(due for stretch in self.stretches for due in stretch.dues))


def ask(text: str) -> Asked:
    """Reads a programme's text."""
    told = tomllib.loads(text, parse_float=Decimal)
    if told["schema"] != 1:
        raise ValueError("not a programme of schema 1")
    now = 0
    stretches: list[Stretch] = []
    for _ in range(told.get("cycles", 1)):
        for phase in told["phase"]:
            if "pause_s" in phase:
                now += _us(phase["pause_s"], 1_000_000)
                continue
            for _ in range(phase.get("repeats", 1)):
                stretches.append(_stretch(phase, len(stretches) + 1, now))
                now = stretches[-1].ends_us + _us(phase.get("rest_ms", 0), 1_000)
    return Asked(tuple(stretches), now)


def _stretch(phase: dict[str, Any], train: int, begins: int) -> Stretch:
    up, down = _us(phase["ramp_up_ms"], 1_000), _us(phase["ramp_down_ms"], 1_000)
    continuous = "continuous_s" in phase
    held = _us(phase["continuous_s"], 1_000_000) if continuous else _us(phase["hold_ms"], 1_000)
    dues = tuple(
        Due(begins + at, channel, phase["phase_width_us"], phase["interphase_us"], share, train)
        for at, channel, share in _pulses(phase, up, held, down)
    )
    return Stretch(train, begins, begins + up + held + down, (begins + up, begins + up + held), continuous, dues)


def _pulses(phase: dict[str, Any], up: int, held: int, down: int) -> Iterator[tuple[int, str, Fraction]]:
    """Start, channel and share of each: number n at floor(n x 10^6 / f), the second channel half a period later."""
    hertz, percent = Fraction(phase["frequency_hz"]), Fraction(phase["intensity_percent"]) / 100
    half = int(500_000 / hertz)
    n = 0
    while (at := n * 1_000_000 * hertz.denominator // hertz.numerator) < up + held + down:
        if at < up:
            envelope = Fraction(at, up)
        elif at < up + held:
            envelope = Fraction(1)
        else:
            envelope = Fraction(up + held + down - at, down)
        for late, channel in enumerate(phase["channel"]):
            yield at + late * half, channel, percent * envelope
        n += 1


def _us(value: Any, unit_us: int) -> int:
    exact = Fraction(value) * unit_us
    if exact.denominator != 1:
        raise ValueError(f"{value} x {unit_us} us are not whole microseconds")
    return exact.numerator
