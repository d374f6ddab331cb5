"""The pulse list under construction: one for the whole daemon, whoever adds to it.

Each add starts at 0 and is merged with what is already there.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

from hw.mock.protocol import Err

MAX_PULSES: Final = 12_000
MAX_MICROS: Final = 1_800_000_000
MAX_CBS: Final = 25_016

_NEVER: Final = 0xFFFF_FFFF
WORD_MASK: Final = 0xFFFF_FFFF


@dataclass
class Stats:
    """What WVSM, WVSP and WVSC report: the length now, the highest so far."""

    now: int = 0
    high: int = 0

    def put(self, value: int) -> None:
        self.now = value
        self.high = max(self.high, value)


class Pending:
    """Pulses added and not yet created, as packed words (on, off, delay)."""

    def __init__(self) -> None:
        self.raw = b""
        self.micros = Stats()
        self.pulses = Stats()
        self.cbs = Stats()

    def clear(self) -> None:
        """Forgets pulses and figures, not the highest figures."""
        self.raw = b""
        self.micros.now = self.pulses.now = self.cbs.now = 0

    def take(self) -> bytes:
        """The pulses, consumed by a create. The figures stay until the next add, as in the daemon."""
        raw, self.raw = self.raw, b""
        return raw

    def add(self, raw: bytes) -> int:
        """Merges pulses in. Returns how many are pending now, or TOO_MANY_PULSES and leaves the list as it was."""
        words = array("I", raw)
        total = sum(words[2::3])
        if not self.raw and total < _NEVER:
            merged, micros, cbs = raw, total, _control_blocks(words)
        else:
            mine = array("I", self.raw)
            merged, micros, cbs = _merge(words, mine)
        count = len(merged) // 12
        if count >= MAX_PULSES:
            return Err.TOO_MANY_PULSES
        self.raw = merged
        self.micros.put(micros)
        self.pulses.put(count)
        self.cbs.put(cbs)
        return count


def strip(raw: bytes, mask: int) -> tuple[bytes, bool]:
    """Takes the lines outside ``mask`` out of packed pulses. Returns the pulses and whether there were any."""
    words = array("I", raw)
    ons, offs = words[0::3], words[1::3]
    if not (reduce(or_, ons, 0) | reduce(or_, offs, 0)) & ~mask:
        return raw, False
    words[0::3] = array("I", [on & mask for on in ons])
    words[1::3] = array("I", [off & mask for off in offs])
    return words.tobytes(), True


def _control_blocks(words: array[int]) -> int:
    ons, offs, delays = words[0::3], words[1::3], words[2::3]
    silent = sum(1 for on, off in zip(ons, offs, strict=True) if not on and not off)
    return 2 * len(ons) - silent - delays.count(0)


def _merge(added: array[int], old: array[int]) -> tuple[bytes, int, int]:
    """Merges two lists by time, in the daemon's 32-bit arithmetic. Returns the list, its length in us and its blocks."""
    out = array("I")
    count_1, count_2 = len(added), len(old)
    at_1 = at_2 = 0
    next_1 = 0 if count_1 else _NEVER
    next_2 = 0 if count_2 else _NEVER
    now = longest = blocks = 0
    while (at_1 < count_1 or at_2 < count_2) and len(out) < 3 * MAX_PULSES:
        due = min(next_1, next_2)
        if now < due:
            out[-1] = (out[-1] + due - now) & WORD_MASK
            now = due
        takes_1, takes_2 = next_1 <= next_2, next_2 <= next_1
        on = off = 0
        if takes_1:
            on, off = added[at_1], added[at_1 + 1]
            next_1 = (now + added[at_1 + 2]) & WORD_MASK
            longest = max(longest, next_1)
            at_1 += 3
        if takes_2:
            on, off = on | old[at_2], off | old[at_2 + 1]
            next_2 = (now + old[at_2 + 2]) & WORD_MASK
            longest = max(longest, next_2)
            at_2 += 3
        following = min(next_1, next_2)
        delay = (following - now) & WORD_MASK
        now = following
        out.extend((on, off, delay))
        blocks += (delay > 0) + (on > 0 or off > 0)
        if at_1 >= count_1:
            next_1 = _NEVER
        if at_2 >= count_2:
            next_2 = _NEVER
    if now < longest:
        out[-1] = (out[-1] + longest - now) & WORD_MASK
        now = longest
    return out.tobytes(), now, blocks
