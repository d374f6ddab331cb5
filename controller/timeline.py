"""The session timeline: from a programme to pulse starts, and to the slices in which they are sent.

Session time is in whole microseconds from the start of the first phase. The start of pulse n of a contraction is
``floor(n x 10^6 / f)`` after that of pulse 0, with f as the exact decimal of the file, so that no error adds up. Slices
are at most 100 ms, a pulse with its amplitude frames never crosses their edge, and they depend on the programme (and a
chosen end) alone, never on the set-point: that makes a session the same every time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final

from controller.programme import Pause, Programme, Stimulation
from safety.limits import CHUNK_MAX_US, RAMPED_STOP_MAX_US

LEAD_US: Final = 90
"""What a slice must hold before its first pulse: two amplitude frames and their settling (``waveform``)."""
TAIL_US: Final = 70
"""What it must hold after its last pulse: two amplitude frames with code 0."""
LEAD_IN_US: Final = 100
"""The first slice begins this long before session time 0."""


@dataclass(frozen=True)
class Train:
    """One contraction (or continuous phase) on the session's time axis; what is drawn as one hill."""

    start_us: int
    phase: Stimulation
    phase_index: int
    number: int
    """Counts the trains of the session from 1."""
    contraction: int
    """How many contractions began up to here, this one included; a continuous phase is none."""

    @property
    def hold_start_us(self) -> int:
        return self.start_us + self.phase.ramp_up_us

    @property
    def hold_end_us(self) -> int:
        return self.hold_start_us + self.phase.plateau_us

    @property
    def active_end_us(self) -> int:
        return self.start_us + self.phase.active_us

    @property
    def pulses(self) -> int:
        """How many pulses one channel plays: all whose start floor(n x 10^6 / f) is before the end of the ramp down."""
        return -int(-self.phase.active_us * self.phase.frequency_hz // 1_000_000)

    def codes(self, channel: str, first: int, set_point_ua: int, full_scale_ua: int) -> int:
        """The sum of the codes of its pulses from number ``first`` (from 0) on, on one channel, at a set-point."""
        own = [pulse for pulse in _train_pulses(self) if pulse.channel == channel]
        return sum(pulse.code(set_point_ua, full_scale_ua) for pulse in own[first:])

    def shift_us(self, channel: str) -> int:
        """By how much the channel's pulses come later than the contraction: B of "AB" by half a period, floored."""
        if channel == "B" and len(self.phase.channels) == 2:
            return int(500_000 / self.phase.frequency_hz)
        return 0


@dataclass(frozen=True)
class PlannedPulse:
    """One pulse to come: its start in session time, and its place in the envelope of its train."""

    start_us: int
    channel: str
    train: Train
    in_train_us: int

    @property
    def width_us(self) -> int:
        return self.train.phase.phase_width_us

    @property
    def gap_us(self) -> int:
        return self.train.phase.interphase_us

    @property
    def end_us(self) -> int:
        return self.start_us + 2 * self.width_us + self.gap_us

    def code(self, set_point_ua: int, full_scale_ua: int) -> int:
        """The DAC code: ``min(4095, floor(S x 4096 x E x percent / (100 x F)))``, exactly."""
        phase, t = self.train.phase, self.in_train_us
        if t < phase.ramp_up_us:
            envelope = (t, phase.ramp_up_us)
        elif t < phase.ramp_up_us + phase.plateau_us:
            envelope = (1, 1)
        else:
            envelope = (phase.active_us - t, phase.ramp_down_us)
        percent = phase.intensity_percent
        top = set_point_ua * 4096 * envelope[0] * percent.numerator
        return min(4095, top // (full_scale_ua * 100 * envelope[1] * percent.denominator))


@dataclass(frozen=True)
class Slice:
    """A stretch of session time that becomes one chunk."""

    start_us: int
    end_us: int
    pulses: tuple[PlannedPulse, ...]


class Timeline:
    """All of one programme in session time."""

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        trains: list[Train] = []
        self._phases: list[tuple[int, Stimulation | Pause]] = []
        now = contractions = 0
        for index, phase in _played(programme):
            self._phases.append((now, phase))
            if isinstance(phase, Stimulation):
                for repeat in range(phase.repeats):
                    start = now + repeat * (phase.active_us + phase.rest_us)
                    contractions += not phase.continuous
                    trains.append(Train(start, phase, index, len(trains) + 1, contractions))
            now += phase.duration_us
        self.trains = tuple(trains)
        self.contractions = contractions
        self.duration_us = now

    def train_at(self, at_us: int) -> Train | None:
        """The train that began last at or before ``at_us``, if any."""
        index = bisect_right(self._starts, at_us) - 1
        return self.trains[index] if index >= 0 else None

    def share_at(self, channel: str, at_us: int) -> Fraction:
        """What part of its set-point a channel is given: by the last train with that channel which began at or before
        ``at_us``, or before any the first one. 1 for a channel that never plays.
        """
        index = bisect_right(self._starts, at_us)
        near = (self.trains[n].phase for n in (*range(index - 1, -1, -1), *range(index, len(self.trains))))
        return next((phase.intensity_percent / 100 for phase in near if channel in phase.channels), Fraction(1))

    def phase_at(self, at_us: int) -> tuple[Stimulation | Pause, int, int]:
        """The phase that plays at a session time, its start and its end."""
        index = max(0, bisect_right(self._phases, at_us, key=lambda entry: entry[0]) - 1)
        start_us, phase = self._phases[index]
        return phase, start_us, start_us + phase.duration_us

    def phase_number_at(self, at_us: int) -> int:
        """Counts the phases as they are played, from 1."""
        return max(1, bisect_right(self._phases, at_us, key=lambda entry: entry[0]))

    @cached_property
    def _starts(self) -> list[int]:
        return [train.start_us for train in self.trains]

    @cached_property
    def pulse_count(self) -> int:
        """Pulses of the whole programme, both channels."""
        return sum(train.pulses * len(train.phase.channels) for train in self.trains)

    @property
    def first_pulse_us(self) -> int:
        """Session time of the first pulse."""
        return self.trains[0].start_us

    def pulses(self, begin_us: int = 0) -> Iterator[PlannedPulse]:
        """Every pulse from session time ``begin_us`` on, in time order."""
        for train in self.trains:
            if train.active_end_us + 1_000_000 > begin_us:
                yield from (pulse for pulse in _train_pulses(train) if pulse.start_us >= begin_us)

    def slices(self, begin_us: int = -LEAD_IN_US) -> Iterator[Slice]:
        """The slices from ``begin_us`` to the end of the programme."""
        last = max(pulse.end_us for pulse in _train_pulses(self.trains[-1]))
        return _cut(self.pulses(max(0, begin_us)), begin_us, max(self.duration_us, last + TAIL_US))

    def ended_slices(
        self, end_us: int, fade_us: int = RAMPED_STOP_MAX_US, begin_us: int = -LEAD_IN_US
    ) -> tuple[Iterator[Slice], Iterator[Slice]]:
        """The slices of a session that is ended at ``end_us``: those from ``begin_us`` on, and those in which it fades.

        Only the contraction under way fades, in ``fade_us``; in a rest there is nothing to fade.
        """
        edge = end_us
        for pulse in self.pulses(end_us - 10_000):
            if pulse.start_us - LEAD_US >= end_us:
                break
            if pulse.end_us + TAIL_US > end_us:
                edge = min(edge, pulse.start_us - LEAD_US)
        fading = [pulse for pulse in self._under_way(end_us, fade_us) if pulse.start_us >= edge]
        tail = _cut(iter(fading), edge, fading[-1].end_us + TAIL_US) if fading else iter(())
        return _cut(self.pulses(max(0, begin_us)), begin_us, edge), tail

    def resume_us(self, paused_us: int, rest_us: int) -> int:
        """Where a session that was paused at ``paused_us`` goes on, when the muscle still needs ``rest_us`` of rest.

        Inside a continuous phase right there; else before the next contraction, as late as the rest allows. After the
        last one there is only the rest of the programme.
        """
        train = self.train_at(paused_us)
        if train is not None and train.phase.continuous and paused_us < train.active_end_us:
            return paused_us
        coming = next((one.start_us for one in self.trains if one.start_us >= paused_us), self.duration_us)
        return max(paused_us, coming - max(rest_us, LEAD_IN_US))

    def _under_way(self, end_us: int, fade_us: int) -> Iterator[PlannedPulse]:
        for train in self.trains:
            if train.start_us < end_us < train.active_end_us:
                for pulse in _train_pulses(train):
                    if pulse.start_us < end_us + fade_us:
                        yield pulse


def _cut(pulses: Iterator[PlannedPulse], begin_us: int, edge_us: int) -> Iterator[Slice]:
    """Slices from ``begin_us`` to ``edge_us``; no pulse, with its frames, crosses a slice's edge."""
    upcoming = next(pulses, None)
    now = begin_us
    while now < edge_us:
        end = _ceiling(now, edge_us)
        taken = []
        while upcoming is not None and upcoming.end_us + TAIL_US <= end:
            taken.append(upcoming)
            upcoming = next(pulses, None)
        if upcoming is not None:
            end = min(end, upcoming.start_us - LEAD_US)
        yield Slice(now, end, tuple(taken))
        now = end


def _ceiling(now: int, edge: int) -> int:
    """Where a slice may end at the latest; what is left is never a splinter too short to join on to."""
    left = edge - now
    if left <= CHUNK_MAX_US:
        return edge
    return now + (CHUNK_MAX_US if left >= 2 * CHUNK_MAX_US else left // 2)


def _played(programme: Programme) -> Iterator[tuple[int, Stimulation | Pause]]:
    for _ in range(programme.cycles):
        yield from enumerate(programme.phases)


def _train_pulses(train: Train) -> Iterator[PlannedPulse]:
    """A train's pulses in time order; with two channels they alternate, B half a period after A."""
    period = 1_000_000 / train.phase.frequency_hz
    shifts = [(channel, train.shift_us(channel)) for channel in train.phase.channels]
    for n in range(train.pulses):
        t = int(n * period)
        for channel, shift in shifts:
            yield PlannedPulse(train.start_us + t + shift, channel, train, t)
