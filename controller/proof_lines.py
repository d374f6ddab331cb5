"""What a recorded pulse list puts out, read once more for the proof: on its own, sharing no code with gate or encoder.

It follows the seven lines as the board does: the MCP4922 takes a word of 16 bits with the clock's rise while its select
line is low; a phase flows while one line of a bridge is high, at the code its channel had when the line rose. Pins and
word are stated here anew.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

A_POS, A_NEG, B_POS, B_NEG = 1 << 24, 1 << 27, 1 << 22, 1 << 26
DATA, CLOCK, SELECT_N = 1 << 20, 1 << 17, 1 << 16
BRIDGE: Final = {A_POS: ("A", 1), A_NEG: ("A", -1), B_POS: ("B", 1), B_NEG: ("B", -1)}
SEVEN: Final = A_POS | A_NEG | B_POS | B_NEG | DATA | CLOCK | SELECT_N
CURRENT: Final = A_POS | A_NEG | B_POS | B_NEG
WORD_BITS: Final = 16
ACTIVE: Final = 0b111
"""Bits 14 to 12 of a word: buffered, gain 1, on."""
GAP_MAX_US: Final = 1_000
ENTRY: Final = struct.Struct("<III")


class NotReadable(ValueError):
    """A pulse list that is not pulses and whole words; says where and why."""


class Shot(NamedTuple):
    """One pulse: start from the list's start, channel, both widths and the gap between them (us), and its code."""

    at_us: int
    channel: str
    width_us: int
    gap_us: int
    code: int


@dataclass(frozen=True)
class Played:
    """What one pulse list puts out, and how long it takes (us)."""

    length_us: int
    shots: tuple[Shot, ...]


class _Phase(NamedTuple):
    from_us: int
    to_us: int
    line: int
    code: int


@lru_cache(maxsize=4_096)
def play(data: bytes) -> Played:
    """Reads a pulse list. Raises NotReadable."""
    if not data or len(data) % ENTRY.size:
        raise NotReadable(f"{len(data)} bytes are not whole entries")
    phases: list[_Phase] = []
    codes: dict[str, int] = {}
    high, since, word, bits = 0, 0, 0, 0
    level, now = SELECT_N, 0
    for on, off, us in ENTRY.iter_unpack(data):
        if (on | off) & ~SEVEN or on & off or not us:
            raise NotReadable(f"at {now} us: lines {on | off:#x} for {us} us")
        before, level = level, (level | on) & ~off
        rose, fell = level & ~before, before & ~level
        if rose & SELECT_N:
            if bits != WORD_BITS or word >> 12 & 0b111 != ACTIVE:
                raise NotReadable(f"at {now} us: a word of {bits} bits, {word:#06x}")
            codes["B" if word & 0x8000 else "A"] = word & 0x0FFF
        elif fell & SELECT_N:
            word = bits = 0
        elif rose & CLOCK:
            if level & SELECT_N:
                raise NotReadable(f"at {now} us: a clock and nobody selected")
            word, bits = word << 1 & 0xFFFF | bool(level & DATA), bits + 1
        if (rose | fell) & (DATA | CLOCK | SELECT_N) and level & CURRENT:
            raise NotReadable(f"at {now} us: a word while current flows")
        if fell & CURRENT:
            phases.append(_Phase(since, now, high, codes[BRIDGE[high][0]]))
        if (line := level & CURRENT) and rose & CURRENT:
            if line not in BRIDGE:
                raise NotReadable(f"at {now} us: two lines high")
            if BRIDGE[line][0] not in codes:
                raise NotReadable(f"at {now} us: current at a code that nobody set")
            high, since = line, now
        now += us
    if level != SELECT_N or codes != {"A": 0, "B": 0}:
        raise NotReadable(f"ends with lines {level:#x} and codes {codes}")
    return Played(now, tuple(_paired(phases)))


def _paired(phases: list[_Phase]) -> list[Shot]:
    """Two phases each, the positive one first, alike in width and code: no charge is left."""
    if len(phases) % 2:
        raise NotReadable(f"{len(phases)} phases do not come in pairs")
    shots = []
    for first, second in zip(phases[::2], phases[1::2], strict=True):
        (channel, sign), other = BRIDGE[first.line], BRIDGE[second.line]
        width, gap = first.to_us - first.from_us, second.from_us - first.to_us
        if (channel, sign) != (other[0], 1) or other[1] != -1 or not 0 < gap <= GAP_MAX_US:
            raise NotReadable(f"at {first.from_us} us: no pair of phases")
        if (width, first.code) != (second.to_us - second.from_us, second.code):
            raise NotReadable(f"at {first.from_us} us: the phases leave charge behind")
        shots.append(Shot(first.from_us, channel, width, gap, first.code))
    return shots
