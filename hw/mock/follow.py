"""Reads the record of the lines in order of time, as far as somebody asks: the base of the board, edges and callbacks.

Each follower works out from a wave's content what concerns it (a *track*: events with times), keeps that for the
next wave with the same content, and plays it in pieces as time goes on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

from hw.mock.content import Content, Ops
from hw.mock.lines import Block, Drive, Lines, Write


class Track(Protocol):
    """Events of one follower; ``times`` are us from the start of the content."""

    @property
    def times(self) -> Sequence[int]: ...


_ROUNDS_TO_SETTLE: Final = 3

T = TypeVar("T", bound=Track)


class Follower(Generic[T]):
    """Knows latch, outputs and inputs at the place in the record where it is. ``shown`` says what the pins show.

    ``periodic`` says that equal rounds of a repeating wave leave it in the same state, so that few need to be played.
    """

    periodic = False

    def __init__(self, lines: Lines) -> None:
        self.record = lines.record
        self.latch = 0
        self.outputs = 0
        self.inputs = 0
        self.block: Block | None = None
        self._at = 0
        self._reached = 0
        self._base = 0
        self._round = 0
        self._fresh = -1
        self._fresh_next = -1
        self._done = 0
        self._track: T | None = None

    # What a follower defines

    def make_track(self, content: Content, after_us: int) -> T:
        """Its events of a content with times above ``after_us`` (-1: all), from the present state of the lines."""
        raise NotImplementedError

    def play(self, track: T, base: int, start: int, stop: int) -> None:
        """Events ``start`` to ``stop`` of a track happen; times count from tick ``base``."""
        raise NotImplementedError

    def changed(self, tick: int, before: int) -> None:
        """Something other than a wave changed latches, modes or inputs; the pins showed ``before`` until then."""
        raise NotImplementedError

    def leave_track(self, track: T, content: Content, after_us: int, until_us: int | None) -> None:
        """A track ends: after all of it (None), or with the events up to ``until_us``."""

    def entangled(self, lines: int) -> int:
        """The lines whose part in a wave must be worked out anew when these change: themselves, for most."""
        return lines

    # Going on

    def shown_now(self) -> int:
        """What the pins show at the place reached, in the middle of a wave too."""
        latch, block, track = self.latch, self.block, self._track
        if block is not None and track is not None:
            part = between(block.content.ops(), self._fresh, self._reached - self._base)
            for on, off in zip(part.ons, part.offs, strict=True):
                latch = (latch | on) & ~off
        return latch & self.outputs | self.inputs & ~self.outputs

    @property
    def shown(self) -> int:
        return self.latch & self.outputs | self.inputs & ~self.outputs

    def advance(self, upto: int) -> None:
        """Goes on up to and with a tick. The player must have been run to it."""
        record = self.record
        self._reached = upto
        while True:
            entry = record[self._at] if self._at < len(record) else None
            if entry is not None and entry.tick > upto:
                entry = None
            if self.block is not None:
                self._play(upto if entry is None else entry.tick)
            if entry is None:
                return
            self._at += 1
            if isinstance(entry, Write):
                self._disturb(entry.on | entry.off, entry.tick)
                before = self.shown
                self.latch = (self.latch | entry.on) & ~entry.off
                self.changed(entry.tick, before)
                self._resume()
            elif isinstance(entry, Drive):
                self._disturb(entry.outputs ^ self.outputs | entry.inputs ^ self.inputs, entry.tick)
                before = self.shown
                self.outputs, self.inputs = entry.outputs, entry.inputs
                self.changed(entry.tick, before)
                self._resume()
            else:
                self.block = entry
                self._base = entry.tick
                self._round = 0
                self._start_track(-1)
                self._play(entry.tick)

    def next_event(self) -> int | None:
        """Tick of the next event of the wave that plays, after what was played."""
        block, track = self.block, self._track
        if block is None or track is None:
            return None
        if self._done < len(track.times):
            return self._base + track.times[self._done]
        again = block.rounds is None and block.cut is None and block.content.total_us > 0
        if again and len(track.times):
            return self._base + block.content.total_us + track.times[0]
        return None

    def _play(self, limit: int) -> None:
        while self.block is not None:
            block, track = self.block, self._track
            if track is None:
                return
            cut = block.cut is not None and block.cut <= limit
            stop = block.cut if block.cut is not None and cut else limit
            done = bisect_right(track.times, stop - self._base, self._done)
            if done > self._done:
                self.play(track, self._base, self._done, done)
                self._done = done
            total = block.content.total_us
            if cut and stop - self._base < total:
                self._end_track(stop - self._base)
                self.block = None
            elif stop - self._base < total:
                return
            elif total == 0 or (block.rounds is not None and self._round + 1 >= block.rounds):
                self._end_track(None)
                self.block = None
            else:
                self._end_track(None)
                rounds = self._skipped(stop - self._base, total) if self._round >= _ROUNDS_TO_SETTLE else 1
                self._round += rounds
                self._base += rounds * total
                self._start_track(-1)

    def _skipped(self, elapsed_us: int, total_us: int) -> int:
        """How many rounds of a repeating wave to go on by: for a periodic follower all but the last few."""
        if not self.periodic or self.block is None:
            return 1
        left = elapsed_us // total_us
        if self.block.rounds is not None:
            left = min(left, self.block.rounds - 1 - self._round)
        return max(1, left - _ROUNDS_TO_SETTLE)

    def _start_track(self, after_us: int) -> None:
        if self.block is not None:
            self._fresh = after_us
            self._done = 0
            self._track = self.make_track(self.block.content, after_us)

    def _end_track(self, until_us: int | None) -> None:
        block, track = self.block, self._track
        if block is None or track is None:
            return
        content = block.content
        self.leave_track(track, content, self._fresh, until_us)
        if until_us is None and self._fresh < 0:
            self.latch = content.after(self.latch)
        else:
            part = between(content.ops(), self._fresh, content.total_us if until_us is None else until_us)
            for on, off in zip(part.ons, part.offs, strict=True):
                self.latch = (self.latch | on) & ~off
        self._track = None

    def _disturb(self, touched: int, tick: int) -> None:
        """Somebody meddles with the wave that plays: its track holds no longer."""
        if self.block is not None and self.entangled(touched) & self.block.content.touched:
            self._fresh_next = tick - self._base
            self._end_track(self._fresh_next)

    def _resume(self) -> None:
        if self.block is not None and self._track is None:
            self._start_track(self._fresh_next)


def between(ops: Ops, after_us: int, until_us: int) -> Ops:
    """The writes with times above one and up to another."""
    start, stop = bisect_right(ops.times, after_us), bisect_right(ops.times, until_us)
    return Ops(ops.times[start:stop], ops.ons[start:stop], ops.offs[start:stop])
