"""The measures of effect, and how much of the chance to be wrong each may spend. Pure.

Four figures of each day's check together make ``overall``. It is judged first, and the single figures of EMG only once
it has changed by more than chance: who tests behind a gate needs no second allowance (serial gatekeeping, as in
Dmitrienko, Tamhane and Bretz 2009, Multiple Testing Problems in Pharmaceutical Statistics). What is not of EMG has a
small allowance of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from controller.training.effect import Judgement, Verdict, Weeks, judge

ALPHA: Final = Fraction(35, 1000)
"""Chance that a person who does not change is ever told otherwise, in any measure, in a course. ours: promised are 5 %;
the rest is for days that hang together, of which the limits do not know (docs/training.md tells how much that is)."""
GATE: Final = "overall"
_OVERALL: Final = ALPHA * Fraction(5, 7)
_OTHERS: Final = (ALPHA - _OVERALL) / 3


@dataclass(frozen=True)
class Measure:
    """``chance``: see ``effect.limits``. ``behind_gate``: judged only once ``overall`` has changed."""

    code: str
    more_is_better: bool
    chance: Fraction
    behind_gate: bool = False


MEASURES: Final = (
    Measure(GATE, True, _OVERALL),
    Measure("strength_nv", True, _OVERALL / 5, True),
    Measure("hold_ms", True, _OVERALL / 5, True),
    Measure("endurance_ms", True, _OVERALL / 5, True),
    Measure("rest_nv", False, _OVERALL / 5, True),
    Measure("let_go_ms", False, _OVERALL / 5, True),
    Measure("comfortable_ua", True, _OTHERS),
    Measure("leaks", False, _OTHERS),
    Measure("goal", True, _OTHERS),
)
CHECKED: Final = ("strength_nv", "hold_ms", "rest_nv", "let_go_ms")
"""What each day's check measures, and ``overall`` is made of."""


def overall(strength_nv: int, hold_ms: int, rest_nv: int, let_go_ms: int) -> int | None:
    """One figure of one day's check: 1000 x ln(strength x hold / (rest x time to let go)), None if one of them is 0.

    A fixed function of the day's own figures, so that days keep being comparable in any order.
    """
    if min(strength_nv, hold_ms, rest_nv, let_go_ms) <= 0:
        return None
    return round(1000 * math.log(strength_nv * hold_ms / (rest_nv * let_go_ms)))


def judge_all(weeks: Mapping[str, Weeks]) -> dict[str, Judgement]:
    """Every measure of a course. A measure behind the gate is never more than chance while the gate is not."""
    told = {one.code: judge(weeks[one.code], one.chance, more_is_better=one.more_is_better) for one in MEASURES}
    gate = told[GATE]
    for one in MEASURES:
        found = told[one.code]
        if one.behind_gate and found.since_week is not None:
            if gate.since_week is None:
                told[one.code] = replace(found, verdict=Verdict.NO_CHANGE, since_week=None)
            else:
                told[one.code] = replace(found, since_week=max(found.since_week, gate.since_week))
    return told
