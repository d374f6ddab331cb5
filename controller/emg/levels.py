"""Resting level, maximal voluntary contraction (MVC), percent, onset and release. Envelopes in nV, times in ms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from controller.emg.stream import QUICK_STEPS, STEP_MS, Step

MAD_TO_SD: Final = 1.4826
"""Of a normal distribution: its standard deviation over its median absolute deviation."""
MVC_MS: Final = 500
"""The peak is a mean over half a second, so that one spike is no contraction. ours; 0.5 and 1 s are both in use."""
TOLD_APART: Final = 2.0
"""An MVC of under twice the rest tells nothing: no sensor, another muscle, or one that does not let go. ours"""
ON_SD, ON_SHARE, ON_STEPS = 4.0, 0.10, 3
"""Onset: the quick envelope is above its rest by four standard deviations and a tenth of the way to the MVC, for three
steps (35 ms) on end. Hodges and Bui (1996; quoted) compare one to three deviations: too few for a minute of rest."""
OFF_SD, OFF_SHARE, OFF_STEPS = 2.5, 0.07, 9
"""Release: below, for 105 ms on end: a muscle that flickers has not let go. ours"""


@dataclass(frozen=True)
class Levels:
    """Of one person on one day, all in nV; ``quick``: of the quick envelope."""

    rest_nv: int
    rest_sd_nv: int
    quick_rest_nv: int
    quick_rest_sd_nv: int
    mvc_nv: int

    @property
    def usable(self) -> bool:
        """Whether rest and effort can be told apart."""
        return self.mvc_nv >= TOLD_APART * max(1, self.rest_nv)

    @property
    def strength_nv(self) -> int:
        """What an effort adds to rest."""
        return self.mvc_nv - self.rest_nv

    def percent(self, envelope_nv: float) -> float:
        """0 at rest, 100 at the MVC; below rest it is 0."""
        return 100 * max(0.0, envelope_nv - self.rest_nv) / max(1, self.strength_nv)


def rest_of(steps: Sequence[Step]) -> tuple[int, int, int, int]:
    """The first four of ``Levels``: medians, and the median deviations from them, so that a cough counts little.

    Raises ValueError for less than half a second.
    """
    if len(steps) * STEP_MS < MVC_MS:
        raise ValueError("less than half a second of rest")
    return (*_middle([step.envelope_nv for step in steps]), *_middle([step.quick_nv for step in steps]))


def _middle(values: Sequence[int]) -> tuple[int, int]:
    middle = median(values)
    return round(middle), round(MAD_TO_SD * median(abs(one - middle) for one in values))


def peak_of(envelopes_nv: Sequence[int]) -> int:
    """The highest mean over half a second. Raises ValueError for less."""
    length = round(MVC_MS / STEP_MS)
    if len(envelopes_nv) < length:
        raise ValueError("less than half a second of effort")
    total = highest = sum(envelopes_nv[:length])
    for new, old in zip(envelopes_nv[length:], envelopes_nv, strict=False):
        total += new - old
        highest = max(highest, total)
    return round(highest / length)


@dataclass(frozen=True)
class Burst:
    """One contraction. ``release_ms`` is None for one that had not ended when the signal did."""

    onset_ms: float
    release_ms: float | None


class Detector:
    """Finds onset and release as the steps come. ``bursts`` has what was found so far, the last perhaps open.

    ``on_nv`` and ``off_nv``: the levels of the quick envelope at which a contraction begins and ends.
    """

    def __init__(self, levels: Levels) -> None:
        rest_nv, sd_nv = levels.quick_rest_nv, levels.quick_rest_sd_nv
        rise_nv = max(0, levels.mvc_nv - rest_nv)
        self.on_nv = rest_nv + max(ON_SD * sd_nv, ON_SHARE * rise_nv)
        self.off_nv = rest_nv + max(OFF_SD * sd_nv, OFF_SHARE * rise_nv)
        self.bursts: list[Burst] = []
        self._run = 0
        self._since = 0.0

    @property
    def active(self) -> bool:
        """Whether the muscle works now."""
        return bool(self.bursts) and self.bursts[-1].release_ms is None

    def feed(self, step: Step) -> None:
        """One step. A bad one breaks a run and changes nothing else."""
        beyond = step.good and (step.quick_nv < self.off_nv if self.active else step.quick_nv > self.on_nv)
        if not beyond:
            self._run = 0
            return
        self._run += 1
        if self._run == 1:
            # One step of effort is enough to lift the quick envelope, and it falls when the last such step has left it.
            self._since = step.at_ms - STEP_MS * (QUICK_STEPS - 0.5 if self.active else 0.5)
        if self.active and self._run == OFF_STEPS:
            self.bursts[-1] = Burst(self.bursts[-1].onset_ms, self._since)
            self._run = 0
        elif not self.active and self._run == ON_STEPS:
            self.bursts.append(Burst(self._since, None))
            self._run = 0


def bursts_of(steps: Iterable[Step], levels: Levels) -> list[Burst]:
    """All contractions of a recording."""
    detector = Detector(levels)
    for step in steps:
        detector.feed(step)
    return detector.bursts
