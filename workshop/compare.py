"""Edges that came back through a jumper wire against the plan that was compiled. Pure; times in us."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Final

from safety.edges import TOLERANCE_US

STRETCH_PPM: Final = 1_000
"""By how much a wave may last longer or shorter than asked: waves and ticks share one crystal. ours."""
BAR: Final = 50
"""Characters of the longest bar."""
WORST_SHOWN: Final = 40
"""Rows of a histogram at most; what is further out is told by its largest."""

Edge = tuple[int, int]
"""When, and the level after it."""


def planned(chunks: Iterable[bytes], masks: Mapping[str, int]) -> dict[str, list[Edge]]:
    """The edges of some lines, all low at first, in pulse lists that follow each other; times from the first entry."""
    found: dict[str, list[Edge]] = {name: [] for name in masks}
    now = level = 0
    for data in chunks:
        for on, off, us in struct.iter_unpack("<3I", data):
            after = (level | on) & ~off
            for name, mask in masks.items():
                if (after ^ level) & mask:
                    found[name].append((now, int(bool(after & mask))))
            level, now = after, now + us
    return found


def came(reports: Iterable[tuple[int, int]], masks: Mapping[str, int], before: int) -> dict[str, list[Edge]]:
    """The edges of some lines in reports of (time, levels). ``before``: the levels at first."""
    found: dict[str, list[Edge]] = {name: [] for name in masks}
    for now, level in reports:
        for name, mask in masks.items():
            if (level ^ before) & mask:
                found[name].append((now, int(bool(level & mask))))
        before = level
    return found


@dataclass(frozen=True)
class Verdict:
    """``missing``: lines whose edges are not those of the plan in number or order, with both numbers. ``late_us``: how
    late each edge came, the median of all being 0; ``widths_us``: how much longer each high level lasted than planned.
    """

    missing: tuple[tuple[str, int, int], ...]
    late_us: tuple[int, ...]
    widths_us: tuple[int, ...]

    @property
    def worst_us(self) -> int:
        """The largest of both, whichever way."""
        return max((abs(one) for one in (*self.late_us, *self.widths_us)), default=0)

    @property
    def good(self) -> bool:
        """Whether every edge came, in its order, where it had to be (the guard's own tolerance)."""
        return not self.missing and self.worst_us <= TOLERANCE_US


def compare(plan: Mapping[str, Sequence[Edge]], seen: Mapping[str, Sequence[Edge]]) -> Verdict:
    """What came against what was planned, line by line."""
    missing, late, widths = [], [], []
    for name, edges in plan.items():
        found = seen[name]
        if [level for _, level in edges] != [level for _, level in found]:
            missing.append((name, len(edges), len(found)))
            continue
        offsets = [at - due for (due, _), (at, _) in zip(edges, found, strict=True)]
        late += offsets
        widths += [fall - rise for rise, fall in zip(offsets[::2], offsets[1::2], strict=False)]
    zero = median_low(late) if late else 0
    return Verdict(tuple(missing), tuple(one - zero for one in late), tuple(widths))


def stretch_ppm(plan: Mapping[str, Sequence[Edge]], seen: Mapping[str, Sequence[Edge]]) -> int | None:
    """How long the waves last against what was asked, in millionths; None when too few edges came to tell."""
    for name, edges in plan.items():
        found = seen[name]
        if len(edges) > 1 and len(found) == len(edges):
            return (found[-1][0] - found[0][0]) * 1_000_000 // (edges[-1][0] - edges[0][0])
    return None


def grid_us(seen: Mapping[str, Sequence[Edge]]) -> int:
    """The grid of samples that all times lie on, counted from one of them: the largest of those that pigpiod knows."""
    times = [at for edges in seen.values() for at, _ in edges]
    return next(one for one in (10, 8, 5, 4, 2, 1) if all((at - times[0]) % one == 0 for at in times))


def histogram(values: Sequence[int]) -> list[str]:
    """A row for each us that occurs, with its count and a bar."""
    counts = sorted(Counter(values).items())[:WORST_SHOWN]
    most = max((count for _, count in counts), default=1)
    return [f"{at:+4d} us {count:7d} {'#' * -(-count * BAR // most)}" for at, count in counts]
