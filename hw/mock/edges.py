"""The edges file: every level change of some lines, read from the record."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hw.mock.content import Content, Ops
from hw.mock.follow import Follower, between
from hw.mock.lines import Lines

HEADER: Final = "time_us,gpio,level\n"
_TAILS: Final = tuple((f"%d,{gpio},0\n", f"%d,{gpio},1\n") for gpio in range(32))
_PARTS: Final = {tail: (gpio, level) for gpio, pair in enumerate(_TAILS) for level, tail in enumerate(pair)}
_rising: Final[dict[int, list[str]]] = {}
_falling: Final[dict[int, list[str]]] = {}


@dataclass(frozen=True)
class Rows:
    """Level changes of a content: when, and the text of each row with a place for its time."""

    times: Sequence[int]
    tails: Sequence[str]


Segment = tuple[int, Sequence[int], Sequence[str]]
"""Rows whose times count from a tick."""


@dataclass(frozen=True)
class Edges:
    """Level changes; times count from tick ``zero``. ``first`` are rows at ``start`` that say what stood before."""

    zero: int
    start: int
    first: Sequence[str]
    segments: Sequence[Segment]

    def portions(self) -> Iterator[tuple[int, str]]:
        """The rows of the file, a portion at a time: how many, and their text."""
        yield len(self.first), "".join(tail % (self.start - self.zero) for tail in self.first)
        for tick, times, tails in self.segments:
            shift = tick - self.zero
            yield len(times), "".join(tails) % tuple([shift + time for time in times])

    def write(self, path: Path) -> int:
        """Writes the file whole or not at all. Returns the number of rows; raises OSError."""
        count = 0
        partial = path.with_name(path.name + ".partial")
        with partial.open("w", encoding="ascii") as file:
            file.write(HEADER)
            for rows, text in self.portions():
                file.write(text)
                count += rows
        partial.replace(path)
        return count

    def rows(self) -> list[tuple[int, int, int]]:
        """The rows as (time in us, gpio, level)."""
        found = [(self.start - self.zero, *_PARTS[tail]) for tail in self.first]
        for tick, times, tails in self.segments:
            found += [(tick - self.zero + time, *_PARTS[tail]) for time, tail in zip(times, tails, strict=True)]
        return found


class EdgeRecord:
    """Reads the record of the lines. Where it read from last it begins the next time, if that is not too late: what
    came before need not be gone through again."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._places: dict[int, _EdgeReader] = {}

    def read(self, now: int, mask: int, safe: int, since: int | None, starts: int) -> Edges:
        """Every level change of the lines in ``mask`` up to now.

        With ``since``: from the first edge of a line in ``starts`` at or after that tick, which is time 0. Without:
        from the beginning, time 0 being tick 0. A line that is not at its level in ``safe`` just before gets a row
        first.
        """
        lines = self._lines
        lines.run_to(now)
        begin = lines.record[0].tick
        if since is None or since <= begin:
            reader, levels = _EdgeReader(lines, mask), lines.at_reset
        else:
            reader = self._just_before(since, now, mask)
            levels = reader.shown_now()
        reader.advance(now)
        return _edges(reader, begin, levels, safe, since, starts)

    def _just_before(self, since: int, now: int, mask: int) -> _EdgeReader:
        place = self._places.get(mask)
        reader = _EdgeReader(self._lines, mask) if place is None or place.reached >= since else place.again()
        reader.advance(since - 1)
        reader.segments.clear()
        if since <= now:  # all that happens before it has been recorded
            self._places[mask] = reader
        return reader.again()


def _edges(reader: _EdgeReader, begin: int, levels: int, safe: int, since: int | None, starts: int) -> Edges:
    mask = reader.mask
    if since is None:
        return Edges(0, begin, _unsafe(levels, safe, mask), reader.segments)
    for index, (tick, times, tails) in enumerate(reader.segments):
        for skip, tail in enumerate(tails):
            gpio, level = _PARTS[tail]
            if starts >> gpio & 1:
                zero = tick + times[skip]
                kept = [(tick, times[skip:], tails[skip:]), *reader.segments[index + 1 :]]
                return Edges(zero, zero, _unsafe(levels, safe, mask), kept)
            levels = levels & ~(1 << gpio) | level << gpio
    return Edges(since, since, (), ())


class _EdgeReader(Follower[Rows]):
    def __init__(self, lines: Lines, mask: int) -> None:
        super().__init__(lines)
        self.mask = mask
        self.segments: list[Segment] = []
        self.latch, self.outputs, self.inputs = 0, 0, lines.at_reset

    @property
    def reached(self) -> int:
        """The tick up to and with which it has read."""
        return self._reached

    def again(self) -> _EdgeReader:
        """Another at the same place, that has found nothing yet."""
        other = copy.copy(self)
        other.segments = []
        return other

    def make_track(self, content: Content, after_us: int) -> Rows:
        live = content.touched & self.mask & self.outputs
        if not live:
            return Rows((), ())
        entry = self.latch & live
        key = ("rows", live, entry)
        found = content.extra.get(key) if after_us < 0 else None
        if isinstance(found, Rows):
            return found
        ops = content.ops_of(live)
        rows = _rows(ops if after_us < 0 else between(ops, after_us, content.total_us), entry)
        if after_us < 0:
            content.extra[key] = rows
        return rows

    def play(self, track: Rows, base: int, start: int, stop: int) -> None:
        self.segments.append((base, track.times[start:stop], track.tails[start:stop]))

    def changed(self, tick: int, before: int) -> None:
        after = self.shown
        change = (after ^ before) & self.mask
        if change:
            tails = [_TAILS[gpio][after >> gpio & 1] for gpio in _bits(change)]
            self.segments.append((tick, [0] * len(tails), tails))


def _rows(ops: Ops, levels: int) -> Rows:
    times: list[int] = []
    tails: list[str] = []
    for time, on, off in zip(ops.times, ops.ons, ops.offs, strict=True):
        rises = on & ~levels
        levels |= on
        falls = off & levels
        levels &= ~off
        if rises:
            found = _rising.get(rises) or _texts(rises, 1, _rising)
            tails += found
            times += [time] * len(found)
        if falls:
            found = _falling.get(falls) or _texts(falls, 0, _falling)
            tails += found
            times += [time] * len(found)
    return Rows(times, tails)


def _texts(word: int, level: int, known: dict[int, list[str]]) -> list[str]:
    known[word] = [_TAILS[gpio][level] for gpio in _bits(word)]
    return known[word]


def _unsafe(levels: int, safe: int, mask: int) -> list[str]:
    return [_TAILS[gpio][levels >> gpio & 1] for gpio in _bits((levels ^ safe) & mask)]


def _bits(word: int) -> list[int]:
    found: list[int] = []
    while word:
        low = word & -word
        found.append(low.bit_length() - 1)
        word ^= low
    return found
