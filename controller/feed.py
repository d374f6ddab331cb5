"""The feed: slices of the timeline made into chunks at the set-point that will be in force, and what of them is where.

What was made for a set-point that somebody has changed meanwhile, or for a time that a ramp has overtaken, is taken
back and made again. No link and no clock here: everything is a function of session time and of what the guard said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from controller.timeline import LEAD_IN_US, Slice, Timeline, Train
from controller.waveform import Amplitude, Encoder
from safety.limits import LEAD_IN_MAX_US, RAMPED_STOP_MAX_US
from safety.link import Message

NAMED_AHEAD: Final = 4
"""A step of the set-point is named for the start of the slice this many after the one that plays: 300 ms or more."""


@dataclass(frozen=True)
class Made:
    """A slice with its codes, compiled at a set-point."""

    slice: Slice
    codes: list[int]
    data: bytes
    set_point_ua: dict[str, int]
    revision: int
    codes_before: dict[str, int]


class Feed:
    """``end_us``: the session time at which it ends early. ``sent``: what the guard has or had, by number."""

    def __init__(
        self, timeline: Timeline, encoder: Encoder, full_scale_ua: int, channels: list[str], end_us: int | None
    ) -> None:
        self._timeline, self._encoder, self._full_scale_ua = timeline, encoder, full_scale_ua
        self._end_us = None if end_us is None or end_us >= timeline.duration_us else end_us
        self.fade_us: int | None
        self._slices: Iterator[Slice]
        self._from(-LEAD_IN_US)
        self._ahead: deque[Slice] = deque()
        self._ready: Made | None = None
        self._codes: dict[str, int] = {}
        self._step: tuple[int, dict[str, int]] | None = None
        self.last_step_us: int | None = None
        self.set_point = dict.fromkeys(channels, 0)
        self.sent: dict[int, Made] = {}
        self._past: dict[int, Made] = {}
        self._number = 0
        self._revision = 0
        self._planned: dict[int, dict[str, int]] = {}
        """The set-point by its revision, as far as this session knows; any other was made by somebody else."""

    def _from(self, begin_us: int) -> None:
        """The slices from here to the end of the session, be it an early one."""
        self.fade_us, self._fade_length_us = self._end_us, RAMPED_STOP_MAX_US
        if self._end_us is None:
            self._slices = self._timeline.slices(begin_us)
        elif begin_us >= self._end_us:
            self._slices = iter(())
        else:
            before, fading = self._timeline.ended_slices(self._end_us, begin_us=begin_us)
            self._slices = chain(before, fading)

    # --- what goes out --------------------------------------------------------------------------------------------

    def next(self) -> Made | None:
        """The next chunk, None when there is none any more."""
        made = self._ready or self._make()
        self._ready = None
        return made

    def prepare(self) -> None:
        """Makes the next chunk ahead of time."""
        self._ready = self._ready or self._make()

    def number(self, made: Made) -> int:
        """The number under which it is sent."""
        self._number += 1
        self.sent[self._number] = made
        return self._number

    def sent_until_us(self) -> int | None:
        """Where the chunk sent last ends, if it has not begun yet."""
        last = self.sent.get(self._number)
        return last.slice.end_us if last else None

    def unsent_us(self) -> int | None:
        """Where the next chunk begins that the guard does not have yet; a step may come there at the earliest."""
        self._look_ahead()
        if self._ready is not None:
            return self._ready.slice.start_us
        return self._ahead[0].start_us if self._ahead else None

    def step_at(self, ahead: int = NAMED_AHEAD) -> int | None:
        """Where the slice begins that comes so many after the one that plays, if there are so many."""
        self._look_ahead()
        return self._ahead[ahead - 1].start_us if len(self._ahead) >= ahead else None

    @property
    def has_step(self) -> bool:
        """Whether a granted step of the set-point is still ahead."""
        return self._step is not None

    @property
    def step_us(self) -> int | None:
        """Where a granted step of the set-point lies ahead, if one does."""
        return None if self._step is None else self._step[0]

    def step(self, at_us: int, to_ua: dict[str, int]) -> None:
        """The guard granted this step."""
        self._step = (at_us, dict(to_ua))
        if self._ready is not None and self._ready.slice.start_us >= at_us:
            self._unmake([self._ready])
            self._ready = None

    def holding(self, at_us: int) -> Train | None:
        """The contraction that is held at ``at_us`` on all of its channels."""
        train = self._timeline.train_at(at_us)
        if train is None:
            return None
        shift = max(train.shift_us(channel) for channel in train.phase.channels)
        return train if train.hold_start_us + shift <= at_us < train.hold_end_us else None

    def _make(self) -> Made | None:
        """The next slice with the set-point that will be in force, compiled."""
        self._look_ahead()
        if not self._ahead:
            return None
        slice_ = self._ahead.popleft()
        if self._step is not None and slice_.start_us >= self._step[0]:
            self.last_step_us, values = self._step
            self.set_point.update(values)
            self._revision += 1
            self._planned[self._revision] = dict(self.set_point)
            self._step = None
        amplitude = Amplitude(self.set_point, self._full_scale_ua, self.fade_us, self._fade_length_us)
        before = dict(self._codes)
        codes = amplitude.codes(slice_.pulses, self._codes)
        data = self._encoder.encode(slice_, codes)
        return Made(slice_, codes, data, dict(self.set_point), self._revision, before)

    def _look_ahead(self) -> None:
        while len(self._ahead) < NAMED_AHEAD and (slice_ := next(self._slices, None)) is not None:
            self._ahead.append(slice_)

    # --- what the guard says --------------------------------------------------------------------------------------

    def begins(self, revision: int) -> None:
        """A start or a resume: the set-point is zero, under this revision."""
        self.set_point = dict.fromkeys(self.set_point, 0)
        self._step, self.last_step_us, self._codes = None, None, {}
        self._revision = revision
        self._planned = {revision: dict(self.set_point)}

    def is_planned(self, status: Message) -> bool:
        """Whether the guard's set-point is the one that the chunks were made for."""
        values = {channel: status["set_point_ua"][channel] for channel in self.set_point}
        return values == self._planned.get(status["revision"])

    def adopt(self, status: Message) -> bool:
        """Takes the guard's set-point, and takes back what the guard does not hold of the chunks sent. Whether any."""
        self._step = None
        self._revision = status["revision"]
        self.set_point = {channel: status["set_point_ua"][channel] for channel in self.set_point}
        self._planned = {self._revision: dict(self.set_point)}
        from_us = status["next_us"]
        return self._take_back(-LEAD_IN_MAX_US if from_us is None else from_us)

    def fade(self, from_us: int, length_us: int) -> None:
        """A ramp begins at ``from_us``: what there is of the session after it falls to zero in ``length_us``."""
        self._take_back(from_us)
        self.fade_us, self._fade_length_us = from_us, length_us
        self._ahead.clear()
        self._slices = self._timeline.ended_slices(from_us, length_us)[1]

    def began(self, number: int) -> tuple[Made, bool]:
        """What the guard says has begun to play; and whether it was sent since the last resume. (A busy app may hear of
        the end of a ramp when somebody has asked it to go on already.)"""
        anew = number in self.sent
        return (self.sent if anew else self._past).pop(number), anew

    def resume(self, from_us: int) -> None:
        """After a pause: the session goes on at ``from_us``."""
        self._past, self.sent = self.sent, {}
        self._ahead.clear()
        self._ready = None
        self._from(from_us)

    def _take_back(self, from_us: int) -> bool:
        lost = [number for number, made in sorted(self.sent.items()) if made.slice.start_us >= from_us]
        waste = [self.sent.pop(number) for number in lost] + ([self._ready] if self._ready else [])
        self._ready = None
        self._unmake(waste)
        return bool(lost)

    def _unmake(self, waste: list[Made]) -> None:
        if waste:
            self._codes = dict(waste[0].codes_before)
        self._ahead.extendleft(made.slice for made in reversed(waste))
