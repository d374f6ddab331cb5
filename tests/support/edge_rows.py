"""From pulse lists to the edges they amount to, for tests."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import cache

from tests.support.chunks import PINS

CS_N = 1 << PINS["cs_n"]
_GPIOS = {1 << gpio: gpio for gpio in PINS.values()}


@cache
def _edges(changed: int, on: int) -> tuple[tuple[int, int], ...]:
    """(gpio, level) of each line that changes; there are few such words."""
    return tuple((gpio, 1 if on & mask else 0) for mask, gpio in _GPIOS.items() if changed & mask)


def rows(chunks: Iterable[bytes]) -> Iterator[tuple[int, int, int]]:
    """The (us, gpio, level) edges of chunks that follow each other, as an edge file would have them."""
    level, now = CS_N, 0
    for data in chunks:
        for on, off, delay in struct.iter_unpack("<3I", data):
            changed = (on & ~level | off & level) if not on & off else (on | off)
            if changed:
                for gpio, to in _edges(changed, on & changed):
                    yield now, gpio, to
                level = (level | on) & ~off
            now += delay
