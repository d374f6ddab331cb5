"""From pulse lists to the edges they amount to, for tests."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import cache

from tests.support.chunks import PINS

CS_N = 1 << PINS["cs_n"]
_GPIOS = {1 << gpio: gpio for gpio in PINS.values()}


@cache
def _step(level: int, on: int, off: int) -> tuple[tuple[tuple[int, int], ...], int]:
    """(gpio, level) of each line that changes, and the level of all after it; there are few such steps."""
    changed = (on & ~level | off & level) if not on & off else (on | off)
    edges = tuple((gpio, 1 if on & mask else 0) for mask, gpio in _GPIOS.items() if changed & mask)
    return edges, (level | on) & ~off


def rows(chunks: Iterable[bytes]) -> Iterator[tuple[int, int, int]]:
    """The (us, gpio, level) edges of chunks that follow each other, as an edge file would have them."""
    level, now = CS_N, 0
    for data in chunks:
        found: list[tuple[int, int, int]] = []
        for on, off, delay in struct.iter_unpack("<3I", data):
            edges, level = _step(level, on, off)
            for gpio, to in edges:
                found.append((now, gpio, to))
            now += delay
        yield from found
