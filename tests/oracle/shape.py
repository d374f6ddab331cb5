"""What a pulse list does on the seven lines, read as text.

Every entry becomes one letter for the amplitude lines and one for the bridges, and a regular expression says what a
good list looks like as a whole. A list in which anything happens that is neither a whole frame nor a whole pulse is
faulty: whatever is not known to be good is not good.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_left
from functools import lru_cache, reduce
from itertools import accumulate
from operator import and_, or_
from typing import Final, NamedTuple

A_POS, A_NEG, B_POS, B_NEG = 1 << 24, 1 << 27, 1 << 22, 1 << 26
SDI, SCK, CS_N = 1 << 20, 1 << 17, 1 << 16
"""docs/hardware.md, "Lines"."""
SEVEN: Final = A_POS | A_NEG | B_POS | B_NEG | SDI | SCK | CS_N

WIDTH_US: Final = range(20, 801)
GAP_US: Final = range(10, 1001)
CHUNK_MAX_US: Final = 100_000
ENTRIES_MAX: Final = 2_000
"""docs/limits.md, "One pulse" and "Chunks and sessions"."""
SETTLE_US: Final = 20
CLOCKS: Final = 16
"""docs/hardware.md, "Amplitude"."""


class Pulse(NamedTuple):
    """One pulse: start in us from the chunk's start, phase width and interphase gap in us, amplitude code."""

    at_us: int
    channel: str
    width_us: int
    gap_us: int
    code: int


class Shape(NamedTuple):
    """What a list amounts to; ``pulses`` mean nothing when there are ``faults``."""

    length_us: int
    pulses: tuple[Pulse, ...]
    faults: tuple[str, ...]


def _letters() -> tuple[dict[int, str], dict[int, str]]:
    """For each level of the seven lines: a letter for the amplitude lines, and one for the bridges.

    Amplitude: i = deselected, l = selected with the clock low, h = with the clock high, x = clock without a select;
    a capital when the data line is high. Bridges: P and N for A, p and n for B, . for none, ! for more than one.
    """
    frames, bridges = {}, {}
    for number in range(1 << 7):
        level = sum(line for bit, line in enumerate((A_POS, A_NEG, B_POS, B_NEG, SDI, SCK, CS_N)) if number >> bit & 1)
        letter = ("ix" if level & CS_N else "lh")[bool(level & SCK)]
        frames[level] = letter.upper() if level & SDI else letter
        phases = [name for line, name in ((A_POS, "P"), (A_NEG, "N"), (B_POS, "p"), (B_NEG, "n")) if level & line]
        bridges[level] = (phases or ["."])[0] if len(phases) < 2 else "!"
    return frames, bridges


_FRAME_LETTER, _BRIDGE_LETTER = _letters()
_SELECTED: Final = re.compile(r"[lLhH]+")
_FRAME: Final = re.compile(rf"(?:[lL]*(?:lh|LH)[hH]*){{{CLOCKS}}}[lL]*")
"""The data line holds still as the clock rises (lh, LH); the deselect may come before the clock's last fall."""
_AMPLITUDE: Final = re.compile(r"[iI]+(?:[lL](?:[lLhH]*[hH][xX]+|[lLhH]*)[iI]+)*")
"""The clock rests at each select and never rises while deselected; x ends only in i."""
_RISES: Final = re.compile("lh|LH")
_BRIDGES: Final = re.compile(r"\.+(?:(?:P+\.+N+|p+\.+n+)\.+)*")
_PULSE: Final = re.compile(r"(P+|p+)(\.+)([Nn]+)")
_CHANNEL: Final = {"P": "A", "p": "B"}


@lru_cache(maxsize=4096)
def _word(frame: str) -> int | None:
    """The 16 bits that a select with these letters shifts in; None when it is no whole frame."""
    if not _FRAME.fullmatch(frame):
        return None
    return int("".join("1" if rise == "LH" else "0" for rise in _RISES.findall(frame)), 2)


@lru_cache(maxsize=128)
def read(data: bytes) -> Shape:
    """Reads a pulse list: 12 bytes an entry, lines set, lines cleared, us until the next."""
    count, rest = divmod(len(data), 12)
    if rest or not 1 <= count <= ENTRIES_MAX:
        return Shape(0, (), ("entries",))
    words = struct.unpack(f"<{3 * count}I", data)
    on, off, delays = words[0::3], words[1::3], words[2::3]
    faults = []
    times = list(accumulate(delays, initial=0))
    if times[-1] > CHUNK_MAX_US:
        faults.append("length")
    if 0 in delays:
        faults.append("no time")
    if any(map(and_, on, off)):
        faults.append("set and cleared")
    if (reduce(or_, on) | reduce(or_, off)) & ~SEVEN:
        faults.append("other line")
    if on[0] | off[0] != SEVEN:
        faults.append("not known at first")
    if faults:
        return Shape(times[-1], (), tuple(faults))
    # One entry sets first and clears after; no line is in both, so that the order does not matter.
    levels = list(accumulate(zip(on, off, strict=True), lambda level, move: (level | move[0]) & ~move[1], initial=0))
    del levels[0]
    return _whole(
        times, "".join(map(_FRAME_LETTER.__getitem__, levels)), "".join(map(_BRIDGE_LETTER.__getitem__, levels))
    )


def _whole(times: list[int], text: str, bridges: str) -> Shape:
    """``text``: a letter of the amplitude lines for each entry; ``bridges``: one of the bridges."""
    faults = []
    if text[0] not in "iI" or text[-1] != "i" or bridges[0] + bridges[-1] != "..":
        faults.append("not safe at the ends")
    if not _AMPLITUDE.fullmatch(text):
        faults.append("clock")
    if not _BRIDGES.fullmatch(bridges):
        faults.append("bridge")
    ends: list[int] = []
    frames: list[tuple[str, int]] = []
    for match in _SELECTED.finditer(text):
        word = _word(match.group())
        if word is None:
            faults.append("frame")
        elif word >> 12 & 0b111 != 0b111:
            faults.append("control bits")
        else:
            ends.append(match.end())
            frames.append(("AB"[word >> 15], word & 0xFFF))
    if faults:
        return Shape(times[-1], (), tuple(faults))
    pulses: list[Pulse] = []
    first = last = 0
    names = [name for name, _ in frames]
    for match in _PULSE.finditer(bridges):
        begin, end = match.span()
        width, gap, second = (times[match.end(part)] - times[match.start(part)] for part in (1, 2, 3))
        if width != second:
            faults.append("balance")
        if width not in WIDTH_US or second not in WIDTH_US:
            faults.append("width")
        if gap not in GAP_US:
            faults.append("gap")
        if len(set(text[begin - 1 : end + 1])) > 1 or text[begin] not in "iIxX":
            faults.append("amplitude lines in a pulse")
        before = bisect_left(ends, begin + 1)
        if before and times[begin] - times[ends[before - 1]] < SETTLE_US:
            faults.append("settle")
        channel = _CHANNEL[bridges[begin]]
        code = next((code for name, code in reversed(frames[:before]) if name == channel), 0)
        first = first if pulses else before
        pulses.append(Pulse(times[begin], channel, width, gap, code))
        last = before
    opening, closing = frames[:first], frames[last:]
    if not pulses:  # a silent chunk is framed at both ends all the same: each channel twice
        opening = closing = [(name, code) for name, code in frames if names.count(name) > 1]
    if {name for name, _ in opening} != {"A", "B"}:
        faults.append("not framed at first")
    if {name for name, _ in closing} != {"A", "B"} or any(dict(closing).values()):
        faults.append("not zeroed at last")
    return Shape(times[-1], tuple(pulses), tuple(faults))
