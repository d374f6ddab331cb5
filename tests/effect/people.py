"""Simulated people over a course of twelve weeks: what they measure each day, and what changes or does not.

A day's value is the person's level, times what has changed by then, times chance: her own day-to-day scatter
(log-normal, of a size of its own for each measure), of which a part is shared by all measures of the day (a good or a
bad day), and a part by those in uV (how the sensor sits); a part may carry over to the next day. Days are missed, whole
weeks as well. On a bad-sensor day the figures of EMG are missing when that was noticed, and the uV are anything from a
third to three times the truth when it was not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Final

from controller.training.effect import WEEKS
from controller.training.measures import CHECKED, MEASURES, overall

Days = list[tuple[int, int]]
"""(day, value), the days counted from the first."""
PER_WEEK: Final = 5
"""Days a week on which she means to train."""
TYPICAL: Final = {
    "strength_nv": 50_000,
    "hold_ms": 6_000,
    "endurance_ms": 20_000,
    "rest_nv": 6_000,
    "let_go_ms": 900,
    "comfortable_ua": 12_000,
    "leaks": 20,
    "goal": 50,
}
UV: Final = ("strength_nv", "rest_nv")
BY_EMG: Final = ("strength_nv", "hold_ms", "endurance_ms", "rest_nv", "let_go_ms")
BETTER: Final = {one.code: 1 if one.more_is_better else -1 for one in MEASURES}


@dataclass(frozen=True)
class Scatter:
    """What makes days differ though nothing changes; shares from 0 to 1, sizes as the standard deviation of the log."""

    least: float = 0.15
    most: float = 0.35
    good_day: float = 0.15
    """Share of the variance that all measures of one day have in common, for better or worse."""
    sensor: float = 0.15
    """Share of the variance that the uV of one day have in common."""
    carried: float = 0.0
    """Correlation of neighbouring training days."""
    monthly: float = 0.0
    """Size of a rhythm of 28 days, in standard deviations."""
    missed_day: float = 0.25
    missed_week: float = 0.08
    noticed: float = 0.05
    unnoticed: float = 0.05


NO_CHANGE: Final[dict[str, float]] = {}
IMPROVES: Final = {"strength_nv": 1.6, "hold_ms": 1.6, "endurance_ms": 1.6, "rest_nv": 0.7, "let_go_ms": 0.6}
"""The stated effect: by what the level is multiplied at the end of week 12."""


def person(seed: int, effect: dict[str, float], scatter: Scatter) -> dict[str, Days]:
    """One person's days for each measure. ``effect``: measure -> factor at the end; half of it is there in week 4."""
    random = Random(seed)
    sds = {code: random.uniform(scatter.least, scatter.most) for code in TYPICAL}
    chance = dict.fromkeys(TYPICAL, 0.0)
    phase = random.uniform(0, 2 * math.pi)
    days: dict[str, Days] = {one.code: [] for one in MEASURES}
    for week in range(WEEKS):
        missed = random.random() < scatter.missed_week
        for day in sorted(random.sample(range(7 * week, 7 * week + 7), PER_WEEK)):
            if not missed and random.random() >= scatter.missed_day:
                rhythm = scatter.monthly * math.sin(phase + 2 * math.pi * day / 28)
                _chance(chance, random, scatter)
                values = {
                    code: typical
                    * math.exp(sds[code] * (chance[code] + rhythm) + _done(day) * math.log(effect.get(code, 1)))
                    for code, typical in TYPICAL.items()
                }
                _sensor(values, random, scatter)
                _put(days, day, values)
    return days


def _done(day: int) -> float:
    return (1 - math.exp(-day / 40)) / (1 - math.exp(-WEEKS * 7 / 40))


def _chance(chance: dict[str, float], random: Random, scatter: Scatter) -> None:
    good, sits = random.gauss(0, math.sqrt(scatter.good_day)), random.gauss(0, math.sqrt(scatter.sensor))
    for code, before in chance.items():
        shared = good * BETTER[code] + (sits if code in UV else 0)
        own = 1 - scatter.good_day - (scatter.sensor if code in UV else 0)
        fresh = shared + random.gauss(0, math.sqrt(own))
        chance[code] = scatter.carried * before + math.sqrt(1 - scatter.carried**2) * fresh


def _sensor(values: dict[str, float], random: Random, scatter: Scatter) -> None:
    if random.random() < scatter.noticed:
        for code in BY_EMG:
            del values[code]
    elif random.random() < scatter.unnoticed:
        for code in UV:
            values[code] *= math.exp(random.uniform(math.log(1 / 3), math.log(3)))


def _put(days: dict[str, Days], day: int, values: dict[str, float]) -> None:
    whole = {code: round(value) for code, value in values.items()}
    if all(code in whole for code in CHECKED) and (together := overall(*(whole[code] for code in CHECKED))) is not None:
        whole["overall"] = together
    for code, value in whole.items():
        days[code].append((day, value))
