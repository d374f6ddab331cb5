"""What is to be done when: exercises, the target shapes they make, the day's check and the Glazer protocol. Pure.

Times in ms, levels in percent of the way from rest to the maximal voluntary contraction (MVC).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from safety.errors import PelviStimError

SQUEEZE_MIN_MS: Final = 500
SQUEEZE_MAX_MS: Final = 60_000
"""The endurance hold of the Glazer protocol; longer ones are nobody's exercise."""
PAUSE_MAX_MS: Final = 120_000
REPEATS_MAX: Final = 30
SETS_MAX: Final = 5
EXERCISES_MAX: Final = 6
WHOLE_MAX_MS: Final = 45 * 60_000
"""As long as a stimulated session at most."""
BAND_PERCENT: Final = 20
"""So far from its level an effort may be to count. ours: the r.m.s. of a steady contraction alone scatters by 10 %."""
RELEASED_PERCENT: Final = 10
"""Below this the muscle has let go. ours"""
STRONG_PERCENT: Final = 80
"""From this level on there is no "too strong"."""
What = Literal["rest", "squeeze"]
Task = Literal[
    "check", "most", "steady", "flick", "hold", "endurance", "gentle", "rest_before", "rest_after", "between"
]


class TrainingRefused(PelviStimError):
    """``code`` says why an exercise, or a training, cannot be."""


@dataclass(frozen=True)
class Exercise:
    """``repeats`` squeezes, each followed by a pause; ``sets`` of them, with ``set_pause_ms`` between."""

    kind: Literal["flick", "hold", "endurance", "gentle"]
    squeeze_ms: int
    pause_ms: int
    repeats: int
    level_percent: int
    sets: int = 1
    set_pause_ms: int = 0


@dataclass(frozen=True)
class Part:
    """One stretch of a training. The target is from ``low_percent`` to ``high_percent``; None: as much as one can, or
    nothing is asked. ``task`` says what the stretch is for.
    """

    what: What
    task: Task
    start_ms: int
    length_ms: int
    low_percent: int | None = None
    high_percent: int | None = None

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.length_ms


READY: Final[Mapping[str, tuple[Exercise, ...]]] = {
    "sprint": (Exercise("flick", 1_000, 2_000, 10, 80, sets=3, set_pause_ms=30_000),),
    "marathon": (Exercise("hold", 10_000, 10_000, 5, 60),),
    "endurance": (Exercise("endurance", 60_000, 60_000, 2, 40),),
    "relaxation": (Exercise("gentle", 2_000, 20_000, 8, 30),),
}
"""Sprint and marathon are the training article's (docs/limits.md); levels, and the other two, are ours."""
TECHNIQUE: Final = (Exercise("hold", 3_000, 5_000, 5, 60),)

_GLAZER: Final = (
    ("rest", "rest_before", 60_000, 1, 0),
    ("squeeze", "flick", 2_000, 5, 10_000),
    ("squeeze", "hold", 10_000, 5, 10_000),
    ("squeeze", "endurance", 60_000, 1, 0),
    ("rest", "rest_after", 60_000, 1, 0),
)
"""60 s rest, five flicks of 2 s and five holds of 10 s, each with 10 s rest, a hold of 60 s, 60 s rest (limits.md)."""
_CHECK: Final = (
    ("rest", "check", 10_000, 1, 0),
    ("squeeze", "most", 3_000, 3, 7_000),
    ("squeeze", "steady", 10_000, 1, 10_000),
)
"""ours: the same minute at the beginning of every training with EMG, so that days can be compared."""


def check_exercises(exercises: Sequence[Exercise]) -> None:
    """Raises TrainingRefused: ``pause_too_short`` for one shorter than its squeeze, ``exercise_range`` for the rest."""
    if not 1 <= len(exercises) <= EXERCISES_MAX:
        raise TrainingRefused(f"1 to {EXERCISES_MAX} exercises", code="exercise_range")
    for one in exercises:
        if one.pause_ms < one.squeeze_ms:
            raise TrainingRefused(
                f"a pause of {one.pause_ms} ms after a squeeze of {one.squeeze_ms} ms: let go at least as long",
                code="pause_too_short",
            )
        good = (
            SQUEEZE_MIN_MS <= one.squeeze_ms <= SQUEEZE_MAX_MS
            and one.pause_ms <= PAUSE_MAX_MS
            and 1 <= one.repeats <= REPEATS_MAX
            and 1 <= one.sets <= SETS_MAX
            and 0 <= one.set_pause_ms <= PAUSE_MAX_MS
            and 10 <= one.level_percent <= 100
        )
        if not good:
            raise TrainingRefused("a figure of the exercise is out of its range", code="exercise_range")
    if length_ms(parts_of(exercises)) > WHOLE_MAX_MS:
        raise TrainingRefused(f"longer than {WHOLE_MAX_MS // 60_000} minutes in all", code="exercise_range")


def parts_of(exercises: Iterable[Exercise], start_ms: int = 0) -> list[Part]:
    """The exercises one after another."""
    made: list[Part] = []
    at = start_ms
    for one in exercises:
        low = max(RELEASED_PERCENT, one.level_percent - BAND_PERCENT)
        high = None if one.level_percent >= STRONG_PERCENT else one.level_percent + BAND_PERCENT
        for number in range(one.sets):
            for _ in range(one.repeats):
                made.append(Part("squeeze", one.kind, at, one.squeeze_ms, low, high))
                at += one.squeeze_ms
                made.append(Part("rest", one.kind, at, one.pause_ms, 0, RELEASED_PERCENT))
                at += one.pause_ms
            if number < one.sets - 1 and one.set_pause_ms:
                made.append(Part("rest", "between", at, one.set_pause_ms, 0, RELEASED_PERCENT))
                at += one.set_pause_ms
    return made


def check_parts() -> list[Part]:
    """The minute in which rest and MVC are found, and strength, hold and letting go are measured."""
    return _protocol(_CHECK)


def glazer_parts() -> list[Part]:
    """The Glazer protocol."""
    return _protocol(_GLAZER)


def length_ms(parts: Sequence[Part]) -> int:
    """From the first part's beginning to the last one's end."""
    return parts[-1].end_ms - parts[0].start_ms if parts else 0


def _protocol(rows: Iterable[tuple[What, Task, int, int, int]]) -> list[Part]:
    made: list[Part] = []
    at = 0
    for what, task, length, times, pause in rows:
        for _ in range(times):
            made.append(Part(what, task, at, length))
            at += length
            if pause:
                made.append(Part("rest", task, at, pause))
                at += pause
    return made
