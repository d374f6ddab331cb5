"""Whether a measure changed by more than chance, week by week: signs of pairs of weeks, against exact limits. Pure.

Kendall's S after n measured weeks is the number of pairs of weeks whose later one is better less the number of those
whose later one is not; a tie counts as not better. If a person's weeks could as well have come in any other order (no
change), the rank of the n-th week among the first n is uniform on 1..n and independent of all earlier ranks (Renyi
1962), and so

    S(n) = S(n - 1) + 2 rank - n - 1

is a walk whose chances are whole numbers over n!. ``limits`` are such that the chance of EVER reaching one in ``WEEKS``
weeks is at most what it is told, whatever the distribution of the figures, and whichever weeks were missed, as long as
they were not missed because of the figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache
from itertools import chain, pairwise
from statistics import median
from typing import Final

WEEKS: Final = 12
"""One course. ours: the published courses of training last 8 to 12 weeks (docs/limits.md)."""
SPENDING: Final = 3
"""By week w (w / WEEKS) to this power of the chance is spent: little early, so that the end keeps its power. ours"""
NOISE_DAYS_MIN: Final = 6
"""Differences between a person's own neighbouring days that her noise is reckoned from, at least. ours"""
NEAR_DAYS: Final = 10
"""Days further apart are no repetition of each other. ours"""
ENDS_WEEKS: Final = 3
"""The first and the last so many measured weeks are compared when the size of a change is told."""
SD_OF_DIFFERENCES: Final = 1 / (0.6745 * math.sqrt(2))
"""Times the median of |a - b| of two normal values: their standard deviation."""
Z95: Final = 1.96
Weeks = Sequence[Sequence[tuple[int, float]]]
"""For each week of the course that is over, its (day, value); days count from any origin."""


class Verdict(StrEnum):
    """All that is ever said."""

    MORE_THAN_CHANCE = "more_than_chance"
    TOO_EARLY = "too_early_to_say"
    NO_CHANGE = "no_change_yet"


@dataclass(frozen=True)
class Judgement:
    """``weeks``: how many were measured. ``s`` and ``limit``: as above; None while no order of the weeks could tell.

    ``change``: the middle of the last weeks' days less that of the first, positive when better; ``smallest_change``:
    the smallest that is more than this person's own noise (95 %). Both in the measure's own unit, None while not known.
    ``since_week``: the week of the course (from 1) at whose end it was first more than chance.
    """

    verdict: Verdict
    weeks: int
    s: int = 0
    limit: int | None = None
    change: float | None = None
    smallest_change: float | None = None
    since_week: int | None = None


@cache
def limits(measured: tuple[bool, ...], chance: Fraction) -> tuple[int | None, ...]:
    """For each week of a course so far, whether it was measured -> the S from which on it is more than chance.

    None while nothing could be. ``chance``: that a limit is ever reached in WEEKS weeks although nothing changed.
    """
    counts = {0: 1}
    """Of all orders of the weeks so far that reached no limit yet: how many have this S."""
    n, orders, crossed = 0, 1, Fraction(0)
    found: list[int | None] = []
    for week, was in enumerate(measured, 1):
        if was:
            n, orders = n + 1, orders * (n + 1)
            walked: dict[int, int] = {}
            for s, count in counts.items():
                for step in range(1 - n, n, 2):
                    walked[s + step] = walked.get(s + step, 0) + count
            counts = walked
        may = chance * Fraction(week, WEEKS) ** SPENDING - crossed
        tail, limit = 0, None
        for s in sorted(counts, reverse=True):
            if Fraction(tail + counts[s], orders) > may:
                break
            tail, limit = tail + counts[s], s
        crossed += Fraction(tail, orders)
        counts = {s: count for s, count in counts.items() if limit is None or s < limit}
        found.append(limit)
    return tuple(found)


def judge(weeks: Weeks, chance: Fraction, *, more_is_better: bool) -> Judgement:
    """One measure over at most WEEKS weeks. ``chance``: see ``limits``.

    A week that is not over must not be given: each look has its price, and is taken once.
    """
    if len(weeks) > WEEKS:
        raise ValueError(f"a course has {WEEKS} weeks")
    sign = 1 if more_is_better else -1
    bounds = limits(tuple(map(bool, weeks)), chance)
    middles: list[float] = []
    s, since = 0, None
    for number, (week, limit) in enumerate(zip(weeks, bounds, strict=True), 1):
        if week:
            middle = sign * middle_of([value for _, value in week])
            s += sum(1 if middle > before else -1 for before in middles)
            middles.append(middle)
        if since is None and limit is not None and s >= limit and _beyond_noise(weeks[:number], sign):
            since = number
        if s <= 0:
            since = None
    change, smallest = _change(weeks, sign), smallest_change(weeks)
    early = smallest is None or all(limit is None for limit in bounds)
    verdict = Verdict.MORE_THAN_CHANCE if since else Verdict.TOO_EARLY if early else Verdict.NO_CHANGE
    return Judgement(verdict, len(middles), s, bounds[-1] if bounds else None, change, smallest, since)


def middle_of(values: Sequence[float]) -> float:
    """The mean of some days, from four days on without the lowest and the highest."""
    kept = sorted(values)[1:-1] if len(values) >= 4 else values
    return sum(kept) / len(kept)


def smallest_change(weeks: Weeks) -> float | None:
    """The smallest difference between the first and the last weeks that is more than this person's own noise (95 %).

    Her noise is the median difference between neighbouring days, so that a slow change and a broken day count little.
    """
    ends = _ends(weeks)
    days = [one for week in weeks for one in week]
    apart = [abs(b - a) for (day, a), (later, b) in pairwise(days) if later - day <= NEAR_DAYS]
    if ends is None or len(apart) < NOISE_DAYS_MIN:
        return None
    sd = SD_OF_DIFFERENCES * median(apart)
    return Z95 * sd * math.sqrt(1 / len(ends[0]) + 1 / len(ends[1]))


def _beyond_noise(weeks: Weeks, sign: int) -> bool:
    change, smallest = _change(weeks, sign), smallest_change(weeks)
    return change is not None and smallest is not None and change >= smallest > 0


def _change(weeks: Weeks, sign: int) -> float | None:
    ends = _ends(weeks)
    return None if ends is None else sign * (middle_of(ends[1]) - middle_of(ends[0]))


def _ends(weeks: Weeks) -> tuple[list[float], list[float]] | None:
    """The values of the first and the last measured weeks; None while they would overlap."""
    measured = [[value for _, value in week] for week in weeks if week]
    if len(measured) < 2 * ENDS_WEEKS:
        return None
    return list(chain(*measured[:ENDS_WEEKS])), list(chain(*measured[-ENDS_WEEKS:]))
