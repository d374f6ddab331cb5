"""One training from its beginning to its result: which parts it has, what comes in, and what it came to. Pure.

Kinds: ``guided`` (no sensor: the page paces, nothing is measured), ``technique``, ``biofeedback``, ``alternating`` (the
own squeezes of a session in turn) and ``assessment`` (the Glazer protocol). With a sensor each but the last begins with
the day's check, unless its levels are known. Figures are whole: nV, ms, percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median, pstdev
from typing import Any, Final, Literal

from controller.emg.levels import Levels, peak_of, rest_of
from controller.emg.stream import Step
from controller.training.scoring import Recording, Score, hold_ms, let_go_ms, score, technique
from controller.training.shapes import (
    READY,
    TECHNIQUE,
    Exercise,
    Part,
    check_exercises,
    check_parts,
    glazer_parts,
    length_ms,
    parts_of,
)

Kind = Literal["guided", "technique", "biofeedback", "alternating", "assessment"]
WITH_SENSOR: Final = frozenset({"technique", "biofeedback", "alternating", "assessment"})
CHOOSES: Final = frozenset({"own", "alternating"})
"""Names whose exercises are given, not READY."""
RAISED: Final = 1.5
"""A resting level so many times the person's own earlier ones is told. ours"""
RISING_PERCENT: Final = 15
"""Pauses that end up this far above rest are told. ours"""
NEVER_LETS_GO: Final = 10
"""Points of 50 for release, under which it is told."""
REST_SKIPPED_MS: Final = 2_000
"""Of a rest that levels are taken from: filters settle, and so does the person."""


@dataclass(frozen=True)
class Plan:
    """What is to be done. ``check_ms``: how long the check at its beginning lasts, 0 without one."""

    kind: Kind
    name: str
    parts: tuple[Part, ...]
    check_ms: int = 0


def plan(kind: Kind, name: str, exercises: Sequence[Exercise] = (), *, checks: bool = True) -> Plan:
    """A training of a kind. ``name``: one of READY, one of CHOOSES with ``exercises``, or that of a kind that has no
    choice. ``checks``: with the day's check, if it is of those that have one.

    Raises TrainingRefused (``shapes.check_exercises``), KeyError for another name.
    """
    if kind == "assessment":
        return Plan(kind, "glazer", tuple(glazer_parts()))
    chosen = TECHNIQUE if kind == "technique" else tuple(exercises) if name in CHOOSES else READY[name]
    check_exercises(chosen)
    before = check_parts() if checks and kind in WITH_SENSOR else []
    after = length_ms(before)
    return Plan(kind, "technique" if kind == "technique" else name, (*before, *parts_of(chosen, after)), after)


@dataclass
class Course:
    """A training with a sensor while it goes on. ``usual_rest_nv``: the person's own resting level of earlier days.

    ``checked``: the check is over; ``levels`` are then what it found, None if the signal was too bad. Both are given to
    a course without a check, which goes by the levels of the one before.
    """

    plan: Plan
    usual_rest_nv: int | None = None
    steps: list[Step] = field(default_factory=list)
    levels: Levels | None = None
    checked: bool = False
    _began_ms: float | None = None

    @property
    def at_ms(self) -> float:
        """How far it is."""
        return self.steps[-1].at_ms if self.steps else 0.0

    @property
    def over(self) -> bool:
        return self.at_ms >= self.plan.parts[-1].end_ms

    def feed(self, step: Step) -> None:
        """The next step of the stream; time counts from the first one."""
        if self._began_ms is None:
            self._began_ms = step.at_ms
        self.steps.append(replace(step, at_ms=step.at_ms - self._began_ms))
        if not self.checked and self.plan.check_ms and self.at_ms >= self.plan.check_ms:
            self.checked, self.levels = True, levels_of(Recording(self.steps), self.plan.parts)

    def percent(self, envelope_nv: int) -> int:
        """What the page shows, 0 to 200; the check must be over (``levels``)."""
        assert self.levels is not None
        return min(200, round(self.levels.percent(envelope_nv)))

    def result(self) -> dict[str, Any]:
        """What it came to, as plain whole figures.

        Only a training that was not cut short has ``measures``, and only if rest and effort could be told apart: a
        sensor that does not sit must not become a bad day.
        """
        recording = Recording(self.steps)
        good = sum(step.good for step in self.steps)
        told: dict[str, Any] = {
            "whole": self.over,
            "ms": round(self.at_ms),
            "good_permille": round(1000 * good / len(self.steps)) if self.steps else 0,
            "levels": None,
            "score": None,
            "technique": None,
            "measures": {},
            "protocol": None,
            "warnings": [],
        }
        levels = self.levels if self.checked else levels_of(recording, self.plan.parts)
        if levels is None:
            return told | {"warnings": ["sensor"]}
        told["levels"] = levels_told(levels)
        parts = [part for part in self.plan.parts if part.end_ms <= self.at_ms]
        scored = score(recording, parts, levels, self.usual_rest_nv)
        if scored.effort is not None or scored.release is not None:
            told["score"] = {"effort": scored.effort, "release": scored.release, "total": scored.total}
        if self.plan.kind == "technique" and (found := technique(recording, parts[len(check_parts()) :], levels)):
            told["technique"] = vars(found)
        if self.over and levels.usable:
            told["measures"] = measures(recording, parts, levels)
        if self.plan.kind == "assessment":
            told["protocol"] = protocol(recording, parts)
        told["warnings"] = warnings(recording, parts, levels, scored, self.usual_rest_nv)
        return told


def levels_told(levels: Levels) -> dict[str, int]:
    """What of the levels is told and kept."""
    return {"rest_nv": levels.rest_nv, "rest_sd_nv": levels.rest_sd_nv, "mvc_nv": levels.mvc_nv}


def levels_of(recording: Recording, parts: Sequence[Part]) -> Levels | None:
    """Rest from the first rest, MVC from the strongest of the efforts that were to be (the flicks, in an assessment).

    None while one of them is missing, or the signal was too bad.
    """
    rest = next(part for part in parts if part.what == "rest")
    task = "most" if any(part.task == "most" for part in parts) else "flick"
    quiet = recording.good_steps(rest.start_ms + REST_SKIPPED_MS, rest.end_ms)
    peaks = [peak for part in parts if part.what == "squeeze" and part.task == task if (peak := _peak(recording, part))]
    try:
        return Levels(*rest_of(quiet), max(peaks)) if peaks else None
    except ValueError:
        return None


def _peak(recording: Recording, part: Part) -> int | None:
    try:
        return peak_of(recording.good(part.start_ms, part.end_ms))
    except ValueError:
        return None


def measures(recording: Recording, parts: Sequence[Part], levels: Levels) -> dict[str, int]:
    """The figures by which days are compared; what could not be measured is left out.

    Strength, rest, hold and letting go are of the check, endurance of the first endurance hold.
    """
    found: dict[str, int] = {}
    if any(part.task == "most" for part in parts):
        found |= {"strength_nv": levels.strength_nv, "rest_nv": levels.rest_nv}
        gone = [
            ms
            for squeeze, pause in pairwise(parts)
            if squeeze.what == "squeeze" and squeeze.task in ("most", "steady")
            if (ms := let_go_ms(recording, squeeze, pause, levels)) is not None
        ]
        if gone:
            found["let_go_ms"] = round(median(gone))
        steady = next(part for part in parts if part.task == "steady" and part.what == "squeeze")
        if (held := hold_ms(recording, steady, levels)) is not None:
            found["hold_ms"] = held
    long = next((part for part in parts if part.task == "endurance" and part.what == "squeeze"), None)
    if long is not None and (held := hold_ms(recording, long, levels)) is not None:
        found["endurance_ms"] = held
    return found


def protocol(recording: Recording, parts: Sequence[Part]) -> dict[str, dict[str, int]]:
    """The Glazer protocol: per stage the mean over its parts in nV, their spread, and how many there were.

    ``spread_permille``: standard deviation over mean of the parts' own means; of a stage with one part, of its steps.
    """
    stages: dict[str, list[list[int]]] = {}
    told: dict[str, dict[str, int]] = {}
    for part in parts:
        counts = part.what == "squeeze" or part.task in ("rest_before", "rest_after")
        if counts and (values := recording.scored(part)):
            stages.setdefault(part.task, []).append(values)
    for stage, found in stages.items():
        points = [sum(values) / len(values) for values in found] if len(found) > 1 else found[0]
        middle = sum(points) / len(points)
        told[stage] = {
            "mean_nv": round(middle),
            "peak_nv": max(max(values) for values in found),
            "spread_permille": round(1000 * pstdev(points) / middle) if middle else 0,
            "parts": len(found),
        }
    return told


def warnings(
    recording: Recording, parts: Sequence[Part], levels: Levels, scored: Score, usual_rest_nv: int | None
) -> list[str]:
    """Codes: ``rest_high`` (rest and effort cannot be told apart), ``rest_raised`` (above one's own earlier days),
    ``rest_rising`` (the pauses end higher than they began), ``does_not_let_go``.
    """
    found = []
    if not levels.usable:
        found.append("rest_high")
    if usual_rest_nv is not None and levels.rest_nv > RAISED * usual_rest_nv:
        found.append("rest_raised")
    pauses = [
        median(v) for part in parts if part.what == "rest" and part.high_percent and (v := recording.scored(part))
    ]
    last = pauses[-max(1, len(pauses) // 3) :]
    if last and levels.percent(median(last)) >= RISING_PERCENT:
        found.append("rest_rising")
    if scored.release is not None and scored.release < NEVER_LETS_GO:
        found.append("does_not_let_go")
    return found
