"""The guard's own reading of a programme file: when which channel may deliver, and how much of the set-point.

The app has its own reader (``controller/programme.py``); this one is separate on purpose and knows only what the guard
needs. It is fit for decisions, not for explaining a bad file: it refuses at the first thing it does not understand.

Session time is in whole microseconds from the start of the first phase. Pure: no clock, no input or output.
"""

from __future__ import annotations

import itertools
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
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
    """One contraction or continuous phase of one channel. Times in us of session time; a ramp down may last 0 us.

    ``width_us`` is that of each phase of its pulses, ``gap_us`` the interphase gap.
    """

    start_us: int
    ramp_up_us: int
    plateau_us: int
    ramp_down_us: int
    percent: Fraction
    continuous: bool
    frequency_hz: Fraction
    width_us: int
    gap_us: int

    @property
    def active_us(self) -> int:
        return self.ramp_up_us + self.plateau_us + self.ramp_down_us

    def holds(self, at_us: int) -> bool:
        """Whether the plateau plays at ``at_us``."""
        return 0 <= at_us - self.start_us - self.ramp_up_us < self.plateau_us

    def has_pulse_at(self, at_us: int) -> bool:
        """Whether one of its pulses starts at ``at_us``: pulse n at floor(n x 10^6 / f) after its start."""
        t = at_us - self.start_us
        if not 0 <= t < self.active_us:
            return False
        hertz, seconds = self.frequency_hz.numerator, self.frequency_hz.denominator * 1_000_000
        number = -(-t * hertz // seconds)  # the first that may start at t or later
        return number * seconds // hertz == t

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
        return self._code(part, whole, set_point_ua, full_scale_ua)

    def rising_code(self, risen_us: int, set_point_ua: int, full_scale_ua: int) -> int:
        """The largest code ``risen_us`` after the first pulse since a silence: that of the steepest ramp there is."""
        whole = limits.RAMP_UP_MIN_MS * 1000
        return self._code(min(risen_us, whole), whole, set_point_ua, full_scale_ua)

    def _code(self, part: int, whole: int, set_point_ua: int, full_scale_ua: int) -> int:
        top = set_point_ua * 4096 * part * self.percent.numerator
        return min(4095, top // (whole * 100 * self.percent.denominator * full_scale_ua))


class Schedule:
    """All trains of a programme, per channel in time order, with the end of the session and the electrode's area."""

    def __init__(self, trains: dict[str, list[Train]], duration_us: int, area_cm2: Fraction) -> None:
        self._trains = trains
        self._starts = {channel: [train.start_us for train in trains[channel]] for channel in CHANNELS}
        self.duration_us = duration_us
        self.area_cm2 = area_cm2

    def cut(self, at_us: int, area_cm2: Fraction) -> Schedule:
        """The same for another electrode, and over at ``at_us`` at the latest: no train is there after it."""
        return Schedule(self._trains, min(self.duration_us, at_us), area_cm2)

    def train(self, channel: str, at_us: int) -> Train | None:
        """The last train of ``channel`` that began at or before ``at_us``; None once the session is over."""
        if at_us >= self.duration_us:
            return None
        index = bisect_right(self._starts[channel], at_us) - 1
        return self._trains[channel][index] if index >= 0 else None

    def first_us(self, channel: str) -> int:
        """Where the first train of ``channel`` begins; 0 when it has none."""
        return self._starts[channel][0] if self._starts[channel] else 0

    def channels(self) -> tuple[str, ...]:
        """The channels that deliver at any time."""
        return tuple(channel for channel in CHANNELS if self._trains[channel])


@dataclass(frozen=True)
class _Part:
    """One phase as it was read; a pause has no channels. ``tail_us``: by how much its last pulse ends after it."""

    duration_us: int
    shifts_us: dict[str, int]
    repeats: int = 1
    train: Train | None = None
    tail_us: int = 0

    @property
    def is_pause_after_continuous(self) -> bool:
        """Whether it is a pause that is long enough to follow a continuous phase."""
        return self.train is None and self.duration_us >= limits.PAUSE_AFTER_CONTINUOUS_MIN_S * 1_000_000


def read_schedule(text: bytes) -> Schedule:
    """Reads programme format version 1. Raises ScheduleRefused. The work is bounded before any of it is done."""
    if len(text) > limits.PROGRAMME_MAX_BYTES:
        raise ScheduleRefused(f"programme: {len(text)} bytes: allowed: at most {limits.PROGRAMME_MAX_BYTES}")
    try:
        decoded = text.decode("utf-8")
        if max(map(len, decoded.split("\n"))) > limits.LINE_MAX_CHARACTERS:
            raise ScheduleRefused(f"programme: a line of more than {limits.LINE_MAX_CHARACTERS} characters")
        raw = tomllib.loads(decoded, parse_float=_exact)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ScheduleRefused):
            raise
        raise ScheduleRefused(f"not a TOML text: {error}") from None
    _whole(raw, "schema", 1, 1)
    least, most = Fraction(limits.AREA_MIN_MM2, 100), Fraction(limits.AREA_MAX_MM2, 100)
    area = _number(_table(raw, "electrode"), "area_cm2", least, most)
    cycles = _whole(raw, "cycles", 1, limits.CYCLES_MAX) if "cycles" in raw else 1
    phases = raw.get("phase")
    if not isinstance(phases, list) or not all(isinstance(phase, dict) for phase in phases):
        raise ScheduleRefused("phase: missing: allowed: a list of phases")
    if not 1 <= len(phases) <= limits.PHASES_MAX:
        raise ScheduleRefused(f"phase: {len(phases)} of them: allowed: 1 to {limits.PHASES_MAX}")
    if cycles * len(phases) > limits.PLAYED_PHASES_MAX:
        raise ScheduleRefused(f"cycles: {cycles} of {len(phases)}: allowed: {limits.PLAYED_PHASES_MAX} in all")
    parts = [_read(phase) for phase in phases]
    if not any(part.train for part in parts):
        raise ScheduleRefused("phase: only pauses: allowed: at least one with pulses")
    if cycles * sum(part.duration_us for part in parts) + parts[-1].tail_us > limits.SESSION_MAX_US:
        raise ScheduleRefused(f"session: longer than {limits.SESSION_MAX_US} us")
    played = parts * cycles
    for part, after in itertools.pairwise(played):
        if part.train is not None and part.train.continuous and not after.is_pause_after_continuous:
            seconds = limits.PAUSE_AFTER_CONTINUOUS_MIN_S
            raise ScheduleRefused(f"continuous_s: no pause follows: allowed: pause_s of at least {seconds} next")
    return _schedule(played, area)


def _schedule(parts: list[_Part], area: Fraction) -> Schedule:
    trains: dict[str, list[Train]] = {channel: [] for channel in CHANNELS}
    now = 0
    for part in parts:
        if part.train is not None:
            for repeat in range(part.repeats):
                start = now + repeat * (part.duration_us // part.repeats)
                for channel, shift_us in part.shifts_us.items():
                    trains[channel].append(replace(part.train, start_us=start + shift_us))
        now += part.duration_us
    # The last train may outlast the last phase: B of "AB" plays half a period later.
    ends = [train.start_us + train.active_us for one in trains.values() for train in one]
    return Schedule(trains, max([now, *ends]), area)


def _read(phase: dict[str, Any]) -> _Part:
    if "pause_s" in phase:
        return _Part(_microseconds(phase, "pause_s"), {})
    channel = phase.get("channel")
    if channel not in ("A", "B", "AB"):
        raise ScheduleRefused(f'channel: {channel!r}: allowed: "A", "B" or "AB"')
    continuous = "continuous_s" in phase
    top_hz = limits.CONTINUOUS_FREQUENCY_MAX_HZ if continuous else limits.FREQUENCY_MAX_HZ
    frequency = _number(phase, "frequency_hz", Fraction(limits.FREQUENCY_MIN_HZ), Fraction(top_hz))
    width = _whole(phase, "phase_width_us", limits.PHASE_WIDTH_MIN_US, limits.PHASE_WIDTH_MAX_US)
    gap = _whole(phase, "interphase_us", limits.INTERPHASE_MIN_US, limits.INTERPHASE_MAX_US)
    pulse = 2 * width + gap
    if (pulse + limits.PERIOD_MARGIN_US) * frequency * len(channel) > 1_000_000:
        raise ScheduleRefused(f"frequency_hz: {frequency}: a pulse of {pulse} us does not fit")
    shifts = dict.fromkeys(channel, 0) if channel != "AB" else {"A": 0, "B": int(500_000 / frequency)}
    percent = _number(phase, "intensity_percent", Fraction(1, 10**limits.DECIMALS_MAX), Fraction(100))
    longest = (limits.SESSION_MAX_US if continuous else limits.CONTRACTION_MAX_US) // 1000
    up = _whole(phase, "ramp_up_ms", limits.RAMP_UP_MIN_MS, longest) * 1000
    down = _whole(phase, "ramp_down_ms", 0, longest) * 1000
    if continuous:
        plateau = _microseconds(phase, "continuous_s")
        active = up + plateau + down
        last = (-(-active * frequency // 1_000_000) - 1) * 1_000_000 // frequency
        tail = max(0, last + max(shifts.values()) + pulse - active)
        return _Part(active, shifts, 1, Train(0, up, plateau, down, percent, True, frequency, width, gap), tail)
    plateau = _whole(phase, "hold_ms", 1, longest) * 1000
    active = up + plateau + down
    if active > limits.CONTRACTION_MAX_US:
        raise ScheduleRefused(f"hold_ms: a contraction of {active} us: allowed: {limits.CONTRACTION_MAX_US}")
    rest = _whole(phase, "rest_ms", limits.REST_MIN_MS, limits.SESSION_MAX_US // 1000) * 1000
    if rest < active:
        raise ScheduleRefused(f"rest_ms: {rest // 1000}: allowed: at least {active // 1000}")
    repeats = _whole(phase, "repeats", 1, limits.REPEATS_MAX)
    if repeats * (active + rest) > limits.SESSION_MAX_US:
        raise ScheduleRefused(f"repeats: {repeats}: longer than a session")
    train = Train(0, up, plateau, down, percent, False, frequency, width, gap)
    return _Part(repeats * (active + rest), shifts, repeats, train)


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
    if type(value) is int or (isinstance(value, Decimal) and _is_short(value)):
        exact = Fraction(value)
        if least <= exact <= most:
            return exact
    raise ScheduleRefused(f"{key}: not a number from {least} to {most} of at most {limits.DECIMALS_MAX} decimals")


def _is_short(value: Decimal) -> bool:
    """Whether it has few enough decimals to be worth making a fraction of; infinity and NaN have none to count."""
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and -limits.DECIMALS_MAX <= exponent <= limits.DECIMALS_MAX


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent that no Decimal can hold
        return Decimal("NaN")


def _microseconds(table: dict[str, Any], key: str) -> int:
    """A time above 0 s, up to a whole session, that comes to whole microseconds."""
    most = Fraction(limits.SESSION_MAX_US, 1_000_000)
    exact = _number(table, key, Fraction(1, 10**limits.DECIMALS_MAX), most) * 1_000_000
    if exact.denominator != 1:
        raise ScheduleRefused(f"{key}: not a whole number of microseconds")
    return int(exact)
