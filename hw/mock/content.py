"""The content of a wave: its pulse list, and what can be worked out from it once and kept.

Many waves of a session are byte for byte the same, so contents are shared (``intern_content``) and their expansions
cached. Times inside a content are microseconds from its start.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate, compress
from operator import or_
from typing import Final

DELAY_MASK: Final = 0x0FFF_FFFF
"""A DMA transfer counts 4 bytes a microsecond in a 30-bit register: longer delays wrap round silently."""

_KEPT_EXPANSIONS: Final = 256


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

    ``load_last_us`` is when the DMA fetches its last control block: after that moment a changed link is not seen.
    """

    __slots__ = (
        "_ops",
        "_subsets",
        "extra",
        "final_clear",
        "final_set",
        "load_last_us",
        "n_bool",
        "n_cb",
        "n_pulses",
        "raw",
        "total_us",
        "touched",
    )

    def __init__(self, raw: bytes) -> None:
        words = array("I", raw)
        ons, offs, delays = words[0::3], words[1::3], words[2::3]
        self.raw = raw
        self.n_pulses = len(ons)
        n_on, n_off = self.n_pulses - ons.count(0), self.n_pulses - offs.count(0)
        n_write = sum(map(bool, map(or_, ons, offs)))
        n_delay = self.n_pulses - delays.count(0)
        self.n_cb = 1 + n_write + n_delay
        self.n_bool = n_on + n_off
        self.total_us = sum(delays)
        if max(delays, default=0) > DELAY_MASK:
            self.total_us = sum(delay & DELAY_MASK for delay in delays)
        last_is_delay = self.n_pulses > 0 and delays[-1] > 0
        self.load_last_us = self.total_us - (delays[-1] & DELAY_MASK) if last_is_delay else self.total_us
        level = touched = 0
        for on, off in zip(ons, offs, strict=True):
            level = (level | on) & ~off
            touched |= on | off
        self.touched = touched
        self.final_set = level
        self.final_clear = touched & ~level
        self._ops: Ops | None = None
        self._subsets: dict[int, Ops] = {}
        self.extra: dict[object, object] = {}

    def ops(self) -> Ops:
        """All writes of the content."""
        if self._ops is None:
            words = array("I", self.raw)
            ons, offs = words[0::3], words[1::3]
            delays: Sequence[int] = words[2::3]
            if max(delays, default=0) > DELAY_MASK:
                delays = [delay & DELAY_MASK for delay in delays]
            keep = list(map(or_, ons, offs))
            times = list(compress(accumulate(delays, initial=0), keep))
            self._ops = Ops(times, list(compress(ons, keep)), list(compress(offs, keep)))
        _touch(self)
        return self._ops

    def ops_of(self, mask: int) -> Ops:
        """The writes that concern the lines of ``mask``."""
        found = self._subsets.get(mask)
        if found is None:
            found = self._subsets[mask] = self.ops().only(mask)
        return found

    def operands(self) -> list[int]:
        """The words that its write blocks refer to, in memory order."""
        words = array("I", self.raw)
        return [word for pair in zip(words[0::3], words[1::3], strict=True) for word in pair if word]

    def blocks(self) -> list[tuple[int, int, int, int]]:
        """Its control blocks after the first, which is the start delay.

        A write is (on, off, index of its first operand, -1), a delay (0, 0, 0, us).
        """
        words = array("I", self.raw)
        blocks: list[tuple[int, int, int, int]] = []
        operand = 0
        for on, off, delay in zip(words[0::3], words[1::3], words[2::3], strict=True):
            if on or off:
                blocks.append((on, off, operand, -1))
                operand += (on > 0) + (off > 0)
            if delay:
                blocks.append((0, 0, 0, delay & DELAY_MASK))
        return blocks

    def drop_expansions(self) -> None:
        self._ops = None
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


def _touch(content: Content) -> None:
    """Keeps the expansions of the contents used last, drops those of older ones."""
    key = id(content)
    if key in _expanded:
        _expanded.move_to_end(key)
        return
    _expanded[key] = content
    if len(_expanded) > _KEPT_EXPANSIONS:
        _expanded.popitem(last=False)[1].drop_expansions()
