"""The verdicts: limits that are exact, evidence that is counted right, and nobody told too much too often."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from math import factorial

import pytest

from controller.training.effect import WEEKS, Verdict, judge, limits, middle_of, smallest_change
from controller.training.measures import ALPHA, GATE, MEASURES, judge_all, overall
from tests.effect.experiment import experiment
from tests.effect.people import IMPROVES, NO_CHANGE, Scatter

FIVE_PERCENT = Fraction(1, 20)
DAYS = 3


def weeks(values: list[float], scatter: float = 1.0) -> list[list[tuple[int, float]]]:
    """Three days a week around each value."""
    return [[(7 * n + d, value + scatter * (d - 1)) for d in range(DAYS)] for n, value in enumerate(values)]


def walk(order: tuple[int, ...]) -> list[int]:
    s, found = 0, []
    for n, value in enumerate(order):
        s += sum(1 if value > before else -1 for before in order[:n])
        found.append(s)
    return found


@pytest.mark.parametrize("chance", [Fraction(1, 2), Fraction(1, 5), FIVE_PERCENT])
def test_of_all_orders_of_the_weeks_no_more_cross_than_may(chance: Fraction) -> None:
    measured = (True, False, *[True] * 6)  # seven weeks of eight: the whole of what may be spent by week 8
    bounds = limits((*measured, *[False] * (WEEKS - len(measured))), chance)
    of_week = [bound for bound, was in zip(bounds, measured, strict=False) if was]
    crossed = sum(
        any(limit is not None and s >= limit for s, limit in zip(walk(order), of_week, strict=True))
        for order in permutations(range(7))
    )
    spent = chance * Fraction(8, WEEKS) ** 3
    assert crossed / factorial(7) <= spent
    assert crossed > 0


def test_a_limit_is_as_low_as_it_may_be() -> None:
    (*_, last) = limits((True,) * WEEKS, FIVE_PERCENT)
    assert last is not None
    assert last < WEEKS * (WEEKS - 1) // 2


def test_a_clear_change_is_seen_and_a_fall_is_not() -> None:
    rising = weeks([100 + 10 * n for n in range(WEEKS)])
    told = judge(rising, FIVE_PERCENT, more_is_better=True)
    assert (told.verdict, told.s, told.weeks) == (Verdict.MORE_THAN_CHANCE, 66, 12)
    assert told.change == pytest.approx(90)
    assert told.since_week is not None
    assert judge(rising, FIVE_PERCENT, more_is_better=False).verdict is Verdict.NO_CHANGE


def test_nothing_is_said_too_early_and_missed_weeks_make_it_later() -> None:
    rising = weeks([100 + 10 * n for n in range(WEEKS)])
    early = [judge(rising[:over], FIVE_PERCENT, more_is_better=True).verdict for over in range(4)]
    assert set(early) == {Verdict.TOO_EARLY}
    full = judge(rising, FIVE_PERCENT, more_is_better=True).since_week
    missed = [[] if n in (1, 2, 4) else week for n, week in enumerate(rising)]
    later = judge(missed, FIVE_PERCENT, more_is_better=True).since_week
    assert full is not None
    assert later is not None
    assert full < later


def test_a_tie_is_no_improvement() -> None:
    same = judge(weeks([5.0] * WEEKS, scatter=0.0), FIVE_PERCENT, more_is_better=True)
    assert (same.verdict, same.s) == (Verdict.NO_CHANGE, -66)


def test_a_change_within_ones_own_noise_is_none() -> None:
    small = [100 + n for n in range(WEEKS)]
    assert judge(weeks(small, scatter=1.0), FIVE_PERCENT, more_is_better=True).verdict is Verdict.MORE_THAN_CHANCE
    noisy = judge(weeks(small, scatter=40.0), FIVE_PERCENT, more_is_better=True)
    assert noisy.s == 66
    assert noisy.verdict is Verdict.NO_CHANGE
    assert noisy.smallest_change is not None
    assert noisy.change is not None
    assert noisy.change < noisy.smallest_change


def test_what_was_seen_stays_until_it_has_gone() -> None:
    plateau = judge(weeks([100 + 10 * min(n, 8) for n in range(WEEKS)]), FIVE_PERCENT, more_is_better=True)
    assert plateau.verdict is Verdict.MORE_THAN_CHANCE
    fallen = weeks([100, 110, 120, 130, 140, 150, 160, 90, 80, 70, 60, 50])
    assert judge(fallen[:7], Fraction(1, 2), more_is_better=True).verdict is Verdict.MORE_THAN_CHANCE
    assert judge(fallen, Fraction(1, 2), more_is_better=True).verdict is Verdict.NO_CHANGE


def test_a_course_has_an_end() -> None:
    with pytest.raises(ValueError, match="12"):
        judge(weeks([1.0] * 13), FIVE_PERCENT, more_is_better=True)


def test_noise_is_of_days_near_each_other() -> None:
    assert smallest_change(weeks([1.0] * 5)) is None
    far = [[(21 * n, float(n))] for n in range(WEEKS)]
    assert smallest_change(far) is None
    assert middle_of([1, 2, 3, 90]) == 2.5


def test_the_shares_come_to_what_is_promised() -> None:
    open_ = sum(one.chance for one in MEASURES if not one.behind_gate)
    assert open_ <= ALPHA < FIVE_PERCENT
    gate = next(one for one in MEASURES if one.code == GATE)
    assert sum(one.chance for one in MEASURES if one.behind_gate) <= gate.chance


def test_behind_the_gate_nothing_is_said_before_it_opens() -> None:
    rising, level = weeks([100 + 10 * n for n in range(WEEKS)]), weeks([100.0] * WEEKS)
    shut = judge_all(
        {one.code: level if one.code == GATE else rising for one in MEASURES if one.more_is_better} | falling(rising)
    )
    assert shut["strength_nv"].verdict is Verdict.NO_CHANGE
    assert shut["goal"].verdict is Verdict.MORE_THAN_CHANCE
    open_ = judge_all({one.code: rising for one in MEASURES if one.more_is_better} | falling(rising))
    assert open_["strength_nv"].verdict is Verdict.MORE_THAN_CHANCE
    gate = open_[GATE].since_week
    assert gate is not None
    assert (open_["strength_nv"].since_week or 0) >= gate


def falling(rising: list[list[tuple[int, float]]]) -> dict[str, list[list[tuple[int, float]]]]:
    return {one.code: [[(d, -v) for d, v in week] for week in rising] for one in MEASURES if not one.more_is_better}


def test_overall_is_of_four_figures_and_of_all_of_them() -> None:
    assert overall(60_000, 10_000, 5_000, 500) == 5481
    assert overall(0, 10_000, 5_000, 500) is None


def test_few_who_do_not_improve_and_most_who_do_are_ever_told_so() -> None:
    """At a size that costs little; ``python -m tests.effect`` counts 1 000 of each."""
    people = 200
    assert experiment(range(people), NO_CHANGE, Scatter()).ever <= people * 0.05
    assert experiment(range(people), IMPROVES, Scatter()).ever >= people * 0.8
