"""Characters as pulses on a line: WVAS."""

from __future__ import annotations

from struct import pack
from typing import Final

from hw.mock.protocol import MAX_USER_GPIO, Err

MIN_BAUD: Final = 50
MAX_BAUD: Final = 1_000_000
MAX_DATA_BITS: Final = 32
HALF_STOP_BITS: Final = range(2, 9)
MAX_CHARS: Final = 1_200
MAX_OFFSET_US: Final = 1_800_000_000


def serial_pulses(gpio: int, baud: int, bits: int, half_stops: int, offset_us: int, text: bytes) -> bytes | int:
    """Packed pulses (on, off, delay) that send a text, or an error code for what is out of range."""
    if gpio > MAX_USER_GPIO:
        return Err.BAD_USER_GPIO
    if not MIN_BAUD <= baud <= MAX_BAUD:
        return Err.BAD_WAVE_BAUD
    if not 1 <= bits <= MAX_DATA_BITS:
        return Err.BAD_DATABITS
    if half_stops not in HALF_STOP_BITS:
        return Err.BAD_STOPBITS
    if len(text) > MAX_CHARS:
        return Err.TOO_MANY_CHARS
    if offset_us > MAX_OFFSET_US:
        return Err.BAD_SER_OFFSET
    size = 1 if bits < 9 else 2 if bits < 17 else 4
    characters = [int.from_bytes(text[at : at + size], "little") for at in range(0, len(text) - size + 1, size)]
    if not characters:
        return b""
    delays = _bit_delays(baud, bits, half_stops)
    levels = [(1, max(offset_us, delays[0]))]
    for character in characters:
        levels.append((0, delays[0]))
        levels += [(character >> bit & 1, delays[bit + 1]) for bit in range(bits)]
        levels.append((1, delays[bits + 1]))
    line = 1 << gpio
    pulses = [pack("<3I", line if level else 0, 0 if level else line, delay) for level, delay in _joined(levels)]
    return b"".join(pulses)


def _joined(levels: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Bits of one level in a row as one pulse."""
    joined: list[tuple[int, int]] = []
    for level, delay in levels:
        if joined and joined[-1][0] == level:
            joined[-1] = (level, joined[-1][1] + delay)
        else:
            joined.append((level, delay))
    return joined


def _bit_delays(baud: int, bits: int, half_stops: int) -> list[int]:
    """How long each bit takes in whole us, such that all edges are where they should be, rounded."""
    bit_ns = 1_000_000_000 // baud
    ends = [((bit + 1) * bit_ns + 500) // 1_000 for bit in range(bits + 1)]
    ends.append(((bits + 1) * bit_ns + half_stops * bit_ns // 2 + 500) // 1_000)
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
