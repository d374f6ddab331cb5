"""How often "more than chance" is said to those who change and to those who do not, in any measure, in twelve weeks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.training.effect import WEEKS, Verdict
from controller.training.measures import MEASURES, judge_all
from tests.effect.people import Days, Scatter, person


@dataclass
class Seen:
    """Of ``people``: how many ever saw it, in which measures, and the week in which each of them saw the first."""

    people: int = 0
    ever: int = 0
    measures: Counter[str] = field(default_factory=Counter)
    weeks: list[int] = field(default_factory=list)

    @property
    def share(self) -> float:
        return self.ever / self.people


def weeks_of(days: Days, over: int) -> list[list[tuple[int, float]]]:
    """The first ``over`` weeks."""
    weeks: list[list[tuple[int, float]]] = [[] for _ in range(over)]
    for day, value in days:
        if day // 7 < over:
            weeks[day // 7].append((day, value))
    return weeks


def first_seen(days: dict[str, Days]) -> dict[str, int]:
    """For each measure the week at whose end it was first said: she looks at the end of every week."""
    seen: dict[str, int] = {}
    for over in range(1, WEEKS + 1):
        told = judge_all({one.code: weeks_of(days[one.code], over) for one in MEASURES})
        for code, found in told.items():
            if found.verdict is Verdict.MORE_THAN_CHANCE:
                seen.setdefault(code, over)
    return seen


def experiment(seeds: Iterable[int], effect: dict[str, float], scatter: Scatter) -> Seen:
    """A person for each seed."""
    found = Seen()
    for seed in seeds:
        seen = first_seen(person(seed, effect, scatter))
        found.people += 1
        found.measures.update(seen.keys())
        if seen:
            found.ever += 1
            found.weeks.append(min(seen.values()))
    found.weeks.sort()
    return found
