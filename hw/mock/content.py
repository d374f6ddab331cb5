"""The content of a wave: its pulse list, and what can be worked out from it once and kept.

Many waves of a session are byte for byte the same, so contents are shared (``intern_content``) and their expansions
cached. Times inside a content are microseconds from its start.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from functools import reduce
from itertools import accumulate, compress
from operator import or_
from struct import unpack
from typing import Final

DELAY_MASK: Final = 0x0FFF_FFFF
"""A DMA transfer counts 4 bytes a microsecond in a 30-bit register: longer delays wrap round silently."""

_KEPT_EXPANSIONS: Final = 512

Words = tuple[int, ...]


class Ops:
    """Writes of a content in order: at ``times[i]`` us the lines ``ons[i]`` are set, then ``offs[i]`` cleared."""

    __slots__ = ("count", "offs", "ons", "times")

    def __init__(self, times: Sequence[int], ons: Sequence[int], offs: Sequence[int]) -> None:
        self.times = times
        self.ons = ons
        self.offs = offs
        self.count = len(times)

    def only(self, mask: int) -> Ops:
        """The same writes restricted to some lines."""
        ons = [on & mask for on in self.ons]
        offs = [off & mask for off in self.offs]
        keep = list(map(or_, ons, offs))
        return Ops(list(compress(self.times, keep)), list(compress(ons, keep)), list(compress(offs, keep)))


class Content:
    """A merged pulse list as words (on, off, delay), with its size in control blocks and its length in us.

    ``micros`` is the sum of the delays as the daemon counts it, ``total_us`` how long the DMA takes (see DELAY_MASK).
    ``load_last_us`` is when the DMA fetches its last control block: after that moment a changed link is not seen.
    """

    __slots__ = (
        "_final",
        "_ops",
        "_split",
        "_subsets",
        "extra",
        "load_last_us",
        "micros",
        "n_bool",
        "n_cb",
        "n_pulses",
        "raw",
        "total_us",
        "touched",
    )

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._split: tuple[Words, Words, Words] | None = None
        ons, offs, delays = self._words()
        self.n_pulses = len(ons)
        n_write = self.n_pulses - list(map(or_, ons, offs)).count(0)
        n_delay = self.n_pulses - delays.count(0)
        self.n_cb = 1 + n_write + n_delay
        self.n_bool = 2 * self.n_pulses - ons.count(0) - offs.count(0)
        self.micros = self.total_us = sum(delays)
        if self.micros > DELAY_MASK:
            self.total_us = sum(delay & DELAY_MASK for delay in delays)
        last_is_delay = self.n_pulses > 0 and delays[-1] > 0
        self.load_last_us = self.total_us - (delays[-1] & DELAY_MASK) if last_is_delay else self.total_us
        self.touched = reduce(or_, ons, 0) | reduce(or_, offs, 0)
        self._final: tuple[int, int] | None = None
        self._ops: Ops | None = None
        self._subsets: dict[int, Ops] = {}
        self.extra: dict[object, object] = {}

    def _words(self) -> tuple[Words, Words, Words]:
        """What is set, what is cleared and the delays, one of each for a pulse."""
        if self._split is None:
            words = unpack(f"<{len(self.raw) // 4}I", self.raw)
            self._split = words[0::3], words[1::3], words[2::3]
            _touch(self)
        return self._split

    def after(self, latch: int) -> int:
        """Latches after the whole content, from what they were before."""
        if self._final is None:
            level = 0
            ons, offs, _ = self._words()
            for on, off in zip(ons, offs, strict=True):
                level = (level | on) & ~off
            self._final = self.touched & ~level, level
        clear, set_ = self._final
        return latch & ~clear | set_

    def ops(self) -> Ops:
        """All writes of the content."""
        if self._ops is None:
            ons, offs, delays = self._words()
            if self.micros > DELAY_MASK:
                delays = tuple(delay & DELAY_MASK for delay in delays)
            times = accumulate(delays, initial=0)
            keep = list(map(or_, ons, offs))
            if 0 in keep:
                ons, offs = tuple(compress(ons, keep)), tuple(compress(offs, keep))
            self._ops = Ops(list(compress(times, keep)), ons, offs)
        return self._ops

    def ops_of(self, mask: int) -> Ops:
        """The writes that concern the lines of ``mask``."""
        found = self._subsets.get(mask)
        if found is None:
            found = self._subsets[mask] = self.ops().only(mask)
        return found

    def operands(self) -> list[int]:
        """The words that its write blocks refer to, in memory order."""
        ons, offs, _ = self._words()
        return [word for pair in zip(ons, offs, strict=True) for word in pair if word]

    def blocks(self) -> list[tuple[int, int, int, int]]:
        """Its control blocks after the first, which is the start delay.

        A write is (on, off, index of its first operand, -1), a delay (0, 0, 0, us).
        """
        blocks: list[tuple[int, int, int, int]] = []
        operand = 0
        for on, off, delay in zip(*self._words(), strict=True):
            if on or off:
                blocks.append((on, off, operand, -1))
                operand += (on > 0) + (off > 0)
            if delay:
                blocks.append((0, 0, 0, delay & DELAY_MASK))
        return blocks

    def drop_expansions(self) -> None:
        """Gives memory back; everything is worked out again when it is needed."""
        self._split = self._ops = None
        self._subsets.clear()
        self.extra.clear()


_interned: dict[bytes, Content] = {}
_expanded: OrderedDict[int, Content] = OrderedDict()


def intern_content(raw: bytes) -> Content:
    """The one content with these bytes."""
    found = _interned.get(raw)
    if found is None:
        found = _interned[raw] = Content(raw)
    return found


def stretched(content: Content, times: int) -> Content:
    """The same pulses, each so many times as long."""
    words = array("I", content.raw)
    words[2::3] = array("I", [delay * times for delay in words[2::3]])
    return intern_content(words.tobytes())


def _touch(content: Content) -> None:
    """Drops the expansions of the content that got them longest ago, so that few are kept."""
    _expanded[id(content)] = content
    if len(_expanded) > _KEPT_EXPANSIONS:
        _expanded.popitem(last=False)[1].drop_expansions()
