"""The pulse list under construction: one for the whole daemon, whoever adds to it.

Each add starts at 0 and is merged with what is already there.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Final

from hw.mock.content import Content, intern_content
from hw.mock.protocol import Err

MAX_PULSES: Final = 12_000
MAX_MICROS: Final = 1_800_000_000
MAX_CBS: Final = 25_016

_NOTHING: Final = Content(b"")
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
    """Pulses added and not yet created."""

    def __init__(self) -> None:
        self.content = _NOTHING
        self.micros = Stats()
        self.pulses = Stats()
        self.cbs = Stats()

    def clear(self) -> None:
        """Forgets pulses and figures, not the highest figures."""
        self.content = _NOTHING
        self.micros.now = self.pulses.now = self.cbs.now = 0

    def take(self) -> Content:
        """The pulses, consumed by a create. The figures stay until the next add, as in the daemon."""
        content, self.content = self.content, _NOTHING
        return content

    def add(self, raw: bytes, mask: int) -> int:
        """Merges packed pulses (on, off, delay) in; lines outside ``mask`` are taken out first.

        Returns how many are pending now, SOME_PERMITTED if lines were taken out, or TOO_MANY_PULSES, which leaves the
        list as it was.
        """
        added = intern_content(raw)
        stripped = bool(added.touched & ~mask)
        if stripped:
            added = intern_content(_strip(raw, mask))
        if self.content is _NOTHING and added.micros < _NEVER:
            merged, micros, cbs = added, added.micros, added.n_cb - 1
        else:
            text, micros, cbs = _merge(array("I", added.raw), array("I", self.content.raw))
            merged = intern_content(text)
        if merged.n_pulses >= MAX_PULSES:
            return Err.TOO_MANY_PULSES
        self.content = merged if merged.n_pulses else _NOTHING
        self.micros.put(micros)
        self.pulses.put(merged.n_pulses)
        self.cbs.put(cbs)
        return Err.SOME_PERMITTED if stripped else merged.n_pulses


def _strip(raw: bytes, mask: int) -> bytes:
    words = array("I", raw)
    words[0::3] = array("I", [on & mask for on in words[0::3]])
    words[1::3] = array("I", [off & mask for off in words[1::3]])
    return words.tobytes()


def _merge(added: array[int], old: array[int]) -> tuple[bytes, int, int]:
    """Merges two lists by time, in the daemon's 32-bit arithmetic. Returns the list, its length in us, its blocks."""
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
