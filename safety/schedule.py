"""The guard's own reading of a programme file: when which channel may deliver, and how much of the set-point.

The app has its own reader (``controller/programme.py``); this one is separate on purpose and knows only what the guard
needs. It is fit for decisions, not for explaining a bad file: it refuses at the first thing it does not understand.

Session time is in whole microseconds from the start of the first phase. Pure: no clock, no input or output.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from safety import limits
from safety.errors import PelviStimError

CHANNELS = ("A", "B")


class ScheduleRefused(PelviStimError, ValueError):
    """The guard does not accept this programme. The sentence names the field, its value and what is allowed."""

    code = "programme_refused"


@dataclass(frozen=True)
class Train:
    """One contraction or continuous phase of one channel. Times in us of session time; a ramp down may last 0 us."""

    start_us: int
    ramp_up_us: int
    plateau_us: int
    ramp_down_us: int
    percent: Fraction
    continuous: bool

    @property
    def active_us(self) -> int:
        return self.ramp_up_us + self.plateau_us + self.ramp_down_us

    def holds(self, at_us: int) -> bool:
        """Whether the plateau plays at ``at_us``."""
        return 0 <= at_us - self.start_us - self.ramp_up_us < self.plateau_us

    def largest_code(self, at_us: int, set_point_ua: int, full_scale_ua: int) -> int:
        """The largest code a pulse that starts at ``at_us`` may have: set-point x envelope x percent, rounded down."""
        t = at_us - self.start_us
        after = t - self.ramp_up_us - self.plateau_us
        if not 0 <= t < self.active_us:
            return 0
        if t < self.ramp_up_us:
            part, whole = t, self.ramp_up_us
        elif after < 0:
            part, whole = 1, 1
        else:
            part, whole = self.ramp_down_us - after, self.ramp_down_us
        top = set_point_ua * 4096 * part * self.percent.numerator
        return min(4095, top // (whole * 100 * self.percent.denominator * full_scale_ua))


class Schedule:
    """All trains of a programme, per channel in time order, with the end of the session and the electrode's area."""

    def __init__(self, trains: dict[str, list[Train]], duration_us: int, area_cm2: Fraction) -> None:
        self._trains = trains
        self._starts = {channel: [train.start_us for train in trains[channel]] for channel in CHANNELS}
        self.duration_us = duration_us
        self.area_cm2 = area_cm2

    def train(self, channel: str, at_us: int) -> Train | None:
        """The last train of ``channel`` that began at or before ``at_us``."""
        index = bisect_right(self._starts[channel], at_us) - 1
        return self._trains[channel][index] if index >= 0 else None

    def first_us(self, channel: str) -> int:
        """Where the first train of ``channel`` begins; 0 when it has none."""
        return self._starts[channel][0] if self._starts[channel] else 0

    def channels(self) -> tuple[str, ...]:
        """The channels that deliver at any time."""
        return tuple(channel for channel in CHANNELS if self._trains[channel])


def read_schedule(text: bytes) -> Schedule:
    """Reads programme format version 1. Raises ScheduleRefused."""
    try:
        raw = tomllib.loads(text.decode("utf-8"), parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ScheduleRefused(f"not a TOML text: {error}") from None
    if raw.get("schema") != 1:
        raise ScheduleRefused(f"schema: {raw.get('schema')!r}: allowed: 1")
    area = _number(_table(raw, "electrode"), "area_cm2", Fraction(1, 1000), Fraction(10_000))
    cycles = _whole(raw, "cycles", 1, 10_000) if "cycles" in raw else 1
    phases = raw.get("phase")
    if not isinstance(phases, list) or not all(isinstance(phase, dict) for phase in phases):
        raise ScheduleRefused("phase: missing: allowed: a list of phases")
    trains: dict[str, list[Train]] = {channel: [] for channel in CHANNELS}
    now = 0
    for _ in range(cycles):
        for phase in phases:
            now = _play(phase, now, trains)
            if now > limits.SESSION_MAX_US:
                raise ScheduleRefused(f"session: longer than {limits.SESSION_MAX_US} us")
    # The last train may outlast the last phase: B of "AB" plays half a period later.
    ends = [train.start_us + train.active_us for one in trains.values() for train in one]
    return Schedule(trains, max([now, *ends]), area)


def _play(phase: dict[str, Any], now: int, trains: dict[str, list[Train]]) -> int:
    if "pause_s" in phase:
        return now + _microseconds(phase, "pause_s")
    channel = phase.get("channel")
    if channel not in ("A", "B", "AB"):
        raise ScheduleRefused(f'channel: {channel!r}: allowed: "A", "B" or "AB"')
    frequency = _number(phase, "frequency_hz", Fraction(limits.FREQUENCY_MIN_HZ), Fraction(limits.FREQUENCY_MAX_HZ))
    shift = {"A": 0, "B": 0 if channel == "B" else int(500_000 / frequency)}
    percent = _number(phase, "intensity_percent", Fraction(1, 1_000_000_000), Fraction(100))
    up = _whole(phase, "ramp_up_ms", limits.RAMP_UP_MIN_MS, 60_000) * 1000
    down = _whole(phase, "ramp_down_ms", 0, 60_000) * 1000
    continuous = "continuous_s" in phase
    if continuous:
        if frequency > limits.CONTINUOUS_FREQUENCY_MAX_HZ:
            raise ScheduleRefused(f"frequency_hz: {frequency}: allowed: at most 20 in a continuous phase")
        plateau, rest, repeats = _microseconds(phase, "continuous_s"), 0, 1
    else:
        plateau = _whole(phase, "hold_ms", 0, 60_000) * 1000
        rest = _whole(phase, "rest_ms", limits.REST_MIN_MS, 3_600_000) * 1000
        repeats = _whole(phase, "repeats", 1, 10_000)
        if rest < up + plateau + down:
            raise ScheduleRefused(f"rest_ms: {rest // 1000}: allowed: at least {(up + plateau + down) // 1000}")
    for _ in range(repeats):
        for one in channel:
            trains[one].append(Train(now + shift[one], up, plateau, down, percent, continuous))
        now += up + plateau + down + rest
    return now


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key)
    if not isinstance(value, dict):
        raise ScheduleRefused(f"{key}: missing: allowed: a table")
    return value


def _whole(table: dict[str, Any], key: str, least: int, most: int) -> int:
    value = table.get(key)
    if type(value) is not int or not least <= value <= most:
        raise ScheduleRefused(f"{key}: not a whole number from {least} to {most}")
    return value


def _number(table: dict[str, Any], key: str, least: Fraction, most: Fraction) -> Fraction:
    value = table.get(key)
    if type(value) is int or (isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 20):
        exact = Fraction(value)
        if least <= exact <= most:
            return exact
    raise ScheduleRefused(f"{key}: not a number from {least} to {most}")


def _microseconds(table: dict[str, Any], key: str) -> int:
    exact = _number(table, key, Fraction(0), Fraction(limits.SESSION_MAX_US, 1_000_000)) * 1_000_000
    if exact.denominator != 1:
        raise ScheduleRefused(f"{key}: not a whole number of microseconds")
    return int(exact)
