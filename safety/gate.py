"""The gate: judges every chunk before it may be played. It refuses; it never clamps, rounds or repairs.

``decode`` says what a chunk is; the rules here say whether it may follow what was approved before it: order, set-point
and envelope, charge, r.m.s., contraction and rest, session length, only falling codes once an end was asked for, and no
pulse but those of the programme.
Pure: ``judge`` gives an ``Approval`` that holds the history to go on with, or a ``Refusal``; nothing changes in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Final

from safety import limits
from safety.decode import Chunk, Lines, Pulse, Refusal, decode_in_slices
from safety.schedule import CHANNELS, Schedule
from safety.setpoint import SetPoint


@dataclass(frozen=True)
class Plan:
    """What stays the same for a session: lines, full scale in uA, the guard's own schedule, caps in uA."""

    lines: Lines
    full_scale_ua: int
    schedule: Schedule
    caps_ua: dict[str, int]

    @cached_property
    def squares_max(self) -> int:
        """The most that the sum of ``code^2 x us`` over 1 s may be: r.m.s. ceiling and ceiling per area, in codes."""
        dense = limits.RMS_DENSITY_MAX_UA_PER_CM2 * self.schedule.area_cm2
        powerful = limits.POWER_DENSITY_MAX_MW_PER_CM2 * self.schedule.area_cm2 * 10**9 / limits.STANDARD_LOAD_OHM
        rms_squared = min(Fraction(limits.RMS_MAX_UA**2), dense * dense, powerful)
        return int(rms_squared * limits.RMS_WINDOW_US * 4096**2 / self.full_scale_ua**2)


@dataclass(frozen=True)
class History:
    """What one channel delivered, on the axis of played time (us). ``first`` to ``last``: the pulses since a silence.

    ``continuous``: what these pulses are, a contraction or a continuous phase; None when that is not known.
    """

    first: int | None = None
    last: int | None = None
    last_code: int = 0
    squares: tuple[tuple[int, int], ...] = ()
    """(start, code^2 x us) of the pulses in the last second."""
    total: int = 0
    """Their sum."""
    before_us: int = 0
    """Length of the contraction before this one."""
    continuous: bool | None = None
    felt_ua: int = 0
    """The set-point that the last pulse brought whole (as much as the envelope allows); 0 when it brought less."""

    @property
    def length_us(self) -> int:
        """First to last pulse start of the contraction under way or just ended: the rest to come."""
        return 0 if self.first is None or self.last is None or self.continuous else self.last - self.first

    def later(self, since_us: int, by_us: int) -> History:
        """The same, had the pulses from ``since_us`` on come ``by_us`` later."""
        if self.first is None or self.last is None or self.last < since_us:
            return self
        first = self.first if self.first < since_us else self.first + by_us
        squares = tuple((start if start < since_us else start + by_us, one) for start, one in self.squares)
        return replace(self, first=first, last=self.last + by_us, squares=squares)


@dataclass(frozen=True)
class Progress:
    """Where a session stands after the chunks approved so far.

    ``session_us``: where the next chunk must begin (None before the first); ``played_us``: where that is on the axis of
    played time; ``end_us``: session time from which codes may only fall, ``zero_us``: from which none may come (None:
    500 ms later); ``resumed``: a pause lies before the next chunk, which may then skip session time, but not go back.
    """

    set_point: SetPoint = field(default_factory=SetPoint)
    session_us: int | None = None
    played_us: int = 0
    end_us: int | None = None
    zero_us: int | None = None
    resumed: bool = False
    channels: dict[str, History] = field(default_factory=lambda: {channel: History() for channel in CHANNELS})

    def begun(self, duration_us: int, began_us: int) -> Progress:
        """The last chunk, which lasts ``duration_us``, began at ``began_us``: never before the time it was judged for,
        but later by what switch and daemon took.
        """
        judged_us = self.played_us - duration_us
        by_us = max(0, began_us - judged_us)
        channels = {channel: history.later(judged_us, by_us) for channel, history in self.channels.items()}
        return replace(self, played_us=self.played_us + by_us, channels=channels)


@dataclass(frozen=True)
class Approval:
    """A chunk that may be played, and the progress after it."""

    chunk: Chunk
    progress: Progress


_kept: dict[tuple[bytes, Lines], Chunk | Refusal] = {}
"""Chunks that were decoded of late: while a contraction is held one is like another."""
_KEPT_MAX: Final = 256


def read_ahead(data: bytes, lines: Lines) -> Iterator[None]:
    """Decodes a chunk in slices and keeps what it amounts to for ``judge``: that a check may come between them."""
    if (data, lines) not in _kept:
        if len(_kept) >= _KEPT_MAX:
            del _kept[next(iter(_kept))]
        _kept[data, lines] = yield from decode_in_slices(data, lines)


def _decoded(data: bytes, lines: Lines) -> Chunk | Refusal:
    for _ in read_ahead(data, lines):
        pass
    return _kept[data, lines]


def judge(plan: Plan, progress: Progress, start_us: int, revision: int, data: bytes, now_us: int) -> Approval | Refusal:
    """Judges one chunk. ``start_us``: session time of its start; ``now_us``: it cannot be played before this."""
    set_point = progress.set_point.at(start_us)
    if revision != set_point.revision:
        return Refusal("stale_set_point", f"compiled for revision {revision}; in force is {set_point.revision}")
    if progress.session_us is None:
        if not -limits.LEAD_IN_MAX_US <= start_us <= 0:
            return Refusal("not_next", f"the first chunk begins at {start_us} us")
    elif start_us < progress.session_us or (start_us > progress.session_us and not progress.resumed):
        return Refusal("not_next", f"begins at {start_us} us; next is {progress.session_us} us")
    chunk = _decoded(data, plan.lines)
    if isinstance(chunk, Refusal):
        return chunk
    end_us = start_us + chunk.duration_us
    ahead = progress.set_point.ahead
    if ahead is not None and start_us != ahead.at_us < end_us:
        return Refusal("step_crossed", f"from {start_us} to {end_us} us; a step comes at {ahead.at_us} us")
    if start_us >= min(limits.SESSION_MAX_US + limits.SESSION_TAIL_MAX_US, plan.schedule.duration_us):
        return Refusal("session_over", f"begins at {start_us} us; the session ends at {plan.schedule.duration_us} us")
    offset = max(progress.played_us, now_us) - start_us
    for channel in ahead.to_ua if ahead is not None and ahead.at_us == start_us else ():
        if not _is_felt(progress.channels[channel], progress.set_point.of(channel), start_us + offset):
            return Refusal("raise_not_felt", f"{channel}: the set-point rises at {start_us} us, and nothing was felt")
    channels = dict(progress.channels)
    for pulse in chunk.pulses:
        refusal = _amplitude(plan, set_point, progress, channels[pulse.channel], start_us, pulse)
        if refusal is not None:
            return refusal
        value = set_point.of(pulse.channel)
        history = _over_time(plan, value, channels[pulse.channel], start_us, offset, pulse)
        if isinstance(history, Refusal):
            return history
        refusal = _as_prescribed(plan, start_us, pulse)
        if refusal is not None:
            return refusal
        channels[pulse.channel] = history
    played_us = end_us + offset
    after = Progress(set_point, end_us, played_us, progress.end_us, progress.zero_us, resumed=False, channels=channels)
    return Approval(chunk, after)


def _is_felt(history: History, set_point_ua: int, played_us: int) -> bool:
    """Whether, by a played time, a contraction has risen and brings the set-point in force: more is no surprise."""
    if history.first is None or history.last is None or played_us - history.last > limits.CONTRACTION_GAP_US:
        return False
    return played_us - history.first >= limits.RAMP_UP_MIN_MS * 1000 and history.felt_ua >= set_point_ua


def _amplitude(
    plan: Plan, set_point: SetPoint, progress: Progress, history: History, start_us: int, pulse: Pulse
) -> Refusal | None:
    """What one pulse may carry: envelope, cap, charge, and once an end was asked for only less than before."""
    at_us = start_us + pulse.start_us
    train = plan.schedule.train(pulse.channel, at_us)
    value = set_point.of(pulse.channel)
    most = 0 if train is None else train.largest_code(at_us, value, plan.full_scale_ua)
    if pulse.code > most:
        return Refusal("over_envelope", f"{pulse.channel}: code {pulse.code} at {at_us} us; allowed: {most}")
    if pulse.code * plan.full_scale_ua > plan.caps_ua.get(pulse.channel, 0) * 4096:
        return Refusal("over_cap", f"{pulse.channel}: code {pulse.code} at {at_us} us")
    if pulse.code * pulse.width_us * plan.full_scale_ua > limits.CHARGE_PER_PHASE_MAX_PC * 4096:
        return Refusal("charge", f"{pulse.channel}: code {pulse.code} for {pulse.width_us} us at {at_us} us")
    end_us, zero_us = progress.end_us, progress.zero_us
    if zero_us is None and end_us is not None:
        zero_us = end_us + limits.RAMPED_STOP_MAX_US
    if zero_us is not None and at_us >= zero_us:
        return Refusal("after_end", f"{pulse.channel}: a pulse at {at_us} us; from {zero_us} us on none may come")
    if end_us is not None and at_us >= end_us and pulse.code > history.last_code:
        return Refusal("not_falling", f"{pulse.channel}: code {pulse.code} after {history.last_code} at {at_us} us")
    return None


def _as_prescribed(plan: Plan, start_us: int, pulse: Pulse) -> Refusal | None:
    """Whether the programme has this very pulse: at its time, with its widths. Fewer may come than it has."""
    at_us = start_us + pulse.start_us
    train = plan.schedule.train(pulse.channel, at_us)
    if train is not None and (pulse.width_us, pulse.gap_us) != (train.width_us, train.gap_us):
        return Refusal(
            "other_pulse", f"{pulse.channel}: {pulse.width_us} us, gap {pulse.gap_us} us; not the programme's"
        )
    if train is None or not train.has_pulse_at(at_us):
        return Refusal("not_in_programme", f"{pulse.channel}: the programme has no pulse at {at_us} us")
    return None


def _over_time(
    plan: Plan, set_point_ua: int, history: History, start_us: int, offset: int, pulse: Pulse
) -> History | Refusal:
    """The channel's history with this pulse added, or why it may not come now."""
    at_us = start_us + pulse.start_us
    played = at_us + offset
    train = plan.schedule.train(pulse.channel, at_us)
    continuous = train is not None and train.continuous and at_us < train.start_us + train.active_us
    first, before = history.first, history.before_us
    if history.last is not None and first is not None:
        gap = played - history.last
        least = limits.CONTINUOUS_START_TO_START_MIN_US if continuous else limits.START_TO_START_MIN_US
        if gap < least:
            return Refusal(
                "too_fast", f"{pulse.channel}: {gap} us after the pulse before, at {at_us} us: least {least}"
            )
        if gap > limits.CONTRACTION_GAP_US:
            if gap < history.length_us:
                return Refusal("rest_too_short", f"{pulse.channel}: {gap} us after {history.length_us} us")
            before, first = history.length_us, played
        elif continuous is not history.continuous:
            return Refusal(
                "no_silence", f"{pulse.channel}: {gap} us between contraction and continuous phase, {at_us} us"
            )
        elif not continuous and played - first > limits.CONTRACTION_MAX_US:
            return Refusal("contraction_too_long", f"{pulse.channel}: {played - first} us at {at_us} us")
    else:
        first = played
    risen = played - first
    if train is not None and pulse.code > train.rising_code(risen, set_point_ua, plan.full_scale_ua):
        return Refusal("rise_too_fast", f"{pulse.channel}: code {pulse.code} {risen} us after a silence, at {at_us} us")
    square = pulse.code * pulse.code * 2 * pulse.width_us
    total, old = history.total + square, 0
    for start, one in history.squares:
        if start > played - limits.RMS_WINDOW_US:
            break
        total, old = total - one, old + 1
    if total > plan.squares_max:
        return Refusal("rms", f"{pulse.channel}: over the r.m.s. ceiling at {at_us} us")
    whole = train is not None and pulse.code == train.largest_code(at_us, set_point_ua, plan.full_scale_ua)
    squares = (*history.squares[old:], (played, square))
    return History(first, played, pulse.code, squares, total, before, continuous, set_point_ua if whole else 0)
