"""The decoder's own reading of a programme file: which pulse is due when, and with which share of the set-point.

It judges no programme (a wrong one is refused elsewhere); it reads a valid one exactly, in whole microseconds and
fractions, and raises ValueError where it cannot.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from tests.decoder.edges import CODES, FULL_SCALE_UA


@dataclass(frozen=True)
class Shape:
    """One contraction (or continuous stretch) of a phase, seen from the start of its pulse 0.

    Pulse n of channel A (or B alone) is at ``offsets_us[n]`` and asks for code
    ``min(4095, set_point_ua * numerators[n] // denominators[n])``; in "AB", pulse n of B comes ``shift_us`` later.
    ``held[n]`` says that the envelope is full; the set-point may rise in ``hold_us`` = [from, to).
    """

    label: str
    channels: str
    width_us: int
    gap_us: int
    continuous: bool
    active_us: int
    hold_us: tuple[int, int]
    shift_us: int
    offsets_us: tuple[int, ...]
    numerators: tuple[int, ...]
    denominators: tuple[int, ...]
    held: tuple[bool, ...]

    def codes(self, set_point_ua: int) -> list[int]:
        """The code of each pulse at one set-point."""
        pairs = zip(self.numerators, self.denominators, strict=True)
        return [min(CODES - 1, set_point_ua * above // below) for above, below in pairs]


class Contraction(NamedTuple):
    """A shape at its place in the session, in us from the session's first pulse."""

    start_us: int
    shape: Shape


class Due(NamedTuple):
    """One pulse that is due: its start in us from the session's first pulse, and which pulse of which contraction."""

    start_us: int
    n: int
    contraction: Contraction


@dataclass(frozen=True)
class Plan:
    """The whole session: every contraction, in order, in us from the session's first pulse."""

    contractions: tuple[Contraction, ...]

    def due(self, channel: str) -> list[Due]:
        """Every pulse of a channel, in order."""
        pulses: list[Due] = []
        for contraction in self.contractions:
            shape = contraction.shape
            if channel in shape.channels:
                first = contraction.start_us + (shape.shift_us if channel == "B" and shape.channels == "AB" else 0)
                pulses += [Due(first + offset, n, contraction) for n, offset in enumerate(shape.offsets_us)]
        return pulses

    def hold_windows(self, channel: str) -> list[tuple[int, int]]:
        """The stretches [from, to) in which the channel's set-point may rise."""
        return [
            (start + shape.hold_us[0], start + shape.hold_us[1])
            for start, shape in self.contractions
            if channel in shape.channels
        ]


def read_plan(toml: bytes) -> Plan:
    """Reads a programme file, format version 1. Raises ValueError for what it cannot read exactly."""
    document = tomllib.loads(toml.decode("utf-8"), parse_float=Decimal)
    if document.get("schema") != 1:
        raise ValueError("not a programme file of schema 1")
    cycles = document.get("cycles", 1)
    if type(cycles) is not int or cycles < 1:
        raise ValueError(f"cycles = {cycles!r}")
    parts: list[tuple[Shape | None, int, int]] = []  # the shape, how long until the next begins, how many times
    phases = document.get("phase")
    if not phases:
        raise ValueError("no phases")
    for number, phase in enumerate(phases, 1):
        label = f"phase {number}"
        if "channel" not in phase:
            parts.append((None, _micros(phase, "pause_s", 1_000_000), 1))
        elif "continuous_s" in phase:
            stretch = _shape(phase, label, _micros(phase, "continuous_s", 1_000_000), continuous=True)
            parts.append((stretch, stretch.active_us, 1))
        else:
            once = _shape(phase, label, _micros(phase, "hold_ms", 1000), continuous=False)
            parts.append((once, once.active_us + _micros(phase, "rest_ms", 1000), _whole(phase, "repeats", 1)))
    at_us = 0
    contractions: list[Contraction] = []
    for shape, length_us, repeats in parts * cycles:
        for _ in range(repeats):
            if shape is not None:
                contractions.append(Contraction(at_us, shape))
            at_us += length_us
    first_us = contractions[0].start_us if contractions else 0
    return Plan(tuple(Contraction(start - first_us, shape) for start, shape in contractions))


def _shape(phase: Mapping[str, Any], label: str, hold: int, *, continuous: bool) -> Shape:
    channels = phase.get("channel")
    if channels not in ("A", "B", "AB"):
        raise ValueError(f"{label}: channel = {channels!r}")
    frequency = _fraction(phase, "frequency_hz")
    if frequency <= 0:
        raise ValueError(f"{label}: frequency_hz = {phase['frequency_hz']!r}")
    percent = _fraction(phase, "intensity_percent")
    up, down = _micros(phase, "ramp_up_ms", 1000), _micros(phase, "ramp_down_ms", 1000)
    end = up + hold + down
    offsets: list[int] = []
    while (offset := len(offsets) * 1_000_000 * frequency.denominator // frequency.numerator) < end:
        offsets.append(offset)
    full = percent * CODES / (100 * FULL_SCALE_UA)  # codes for each uA of the set-point at full envelope
    shares = [full * _envelope(offset, up, hold, down) for offset in offsets]
    return Shape(
        label=label,
        channels=channels,
        width_us=_whole(phase, "phase_width_us", 1),
        gap_us=_whole(phase, "interphase_us", 1),
        continuous=continuous,
        active_us=end,
        hold_us=(up, up + hold),
        shift_us=500_000 * frequency.denominator // frequency.numerator,
        offsets_us=tuple(offsets),
        numerators=tuple(share.numerator for share in shares),
        denominators=tuple(share.denominator for share in shares),
        held=tuple(up <= offset <= up + hold for offset in offsets),
    )


def _envelope(offset: int, up: int, hold: int, down: int) -> Fraction:
    if offset < up:
        return Fraction(offset, up)
    if offset < up + hold:
        return Fraction(1)
    return Fraction(up + hold + down - offset, down)


def _fraction(phase: Mapping[str, Any], key: str) -> Fraction:
    value = phase.get(key)
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise ValueError(f"{key} = {value!r}")
    return Fraction(value)


def _whole(phase: Mapping[str, Any], key: str, factor: int) -> int:
    value = _fraction(phase, key) * factor
    if value.denominator != 1:
        raise ValueError(f"{key} = {phase[key]!r} is no whole number of us or times")
    return value.numerator


def _micros(phase: Mapping[str, Any], key: str, factor: int) -> int:
    value = _whole(phase, key, factor)
    if value < 0:
        raise ValueError(f"{key} = {phase[key]!r} is below 0")
    return value
