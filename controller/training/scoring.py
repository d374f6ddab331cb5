"""How an effort and a release went: half and half. Pure; times in ms, envelopes in nV.

What is scored is read from the envelope over 150 ms. A person needs a moment to follow a cue, and the muscle to
follow her: the beginning of each part is not scored.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import median
from typing import Final

from controller.emg.levels import Detector, Levels
from controller.emg.stream import Step
from controller.training.shapes import Part

GRACE_MS: Final = 800
"""ours: a reaction to a cue (some 300 ms), the muscle's rise or fall, and half the envelope."""
GRACE_SHARE: Final = 0.4
"""Of a short part not more than this is let off."""
SHORT_MS: Final = 2_000
"""A squeeze up to this long counts when its target was reached at any time, also just after its end."""
FADED: Final = 0.5
"""A hold is over when it is under half of its own first two seconds for half a second. ours"""
FADED_MS: Final = 500
SETTLED_MS: Final = 2_000
STEADY_SHARE: Final = 0.8
"""Share of good steps that a figure needs."""


@dataclass(frozen=True)
class Score:
    """0 to 50 each; None when there was nothing to judge. ``total`` is None when either is."""

    effort: int | None
    release: int | None

    @property
    def total(self) -> int | None:
        return None if self.effort is None or self.release is None else self.effort + self.release


@dataclass(frozen=True)
class Technique:
    """``told_apart_permille``: in how many of 1 000 pairs of a moment of effort and one of rest the effort is
    larger (500: not told apart, 1 000: always).
    """

    can_contract: bool
    can_let_go: bool
    told_apart_permille: int


class Recording:
    """The steps of a training, to be cut by parts. Times count from its beginning."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self._times = [step.at_ms for step in steps]

    def between(self, start_ms: float, end_ms: float) -> Sequence[Step]:
        """Those that end after the first and not after the second."""
        return self.steps[bisect_right(self._times, start_ms) : bisect_right(self._times, end_ms)]

    def good_steps(self, start_ms: float, end_ms: float) -> list[Step]:
        """The good ones between two times, none when too few are good."""
        steps = self.between(start_ms, end_ms)
        good = [step for step in steps if step.good]
        return good if len(good) >= STEADY_SHARE * max(1, len(steps)) else []

    def good(self, start_ms: float, end_ms: float) -> list[int]:
        """Their envelopes."""
        return [step.envelope_nv for step in self.good_steps(start_ms, end_ms)]

    def scored(self, part: Part) -> list[int]:
        """The good envelopes of a part after its grace."""
        return self.good(part.start_ms + grace_ms(part), part.end_ms)


def grace_ms(part: Part) -> float:
    """How much of a part's beginning is not scored."""
    return min(GRACE_MS, GRACE_SHARE * part.length_ms)


def score(recording: Recording, parts: Sequence[Part], levels: Levels, rest_nv: int | None = None) -> Score:
    """Effort and release over the parts that have a target.

    ``rest_nv``: the person's own resting level of earlier days; a rest of today that is higher is not taken for rest. A
    person whose rest and effort cannot be told apart has not shown that she lets go: her release counts nothing.
    """
    reference = levels if rest_nv is None else replace(levels, rest_nv=min(rest_nv, levels.rest_nv))
    efforts = [
        _effort(recording, part, levels) for part in parts if part.what == "squeeze" and part.low_percent is not None
    ]
    releases = [
        _share([reference.percent(nv) for nv in values], part)
        for part in parts
        if part.what == "rest" and part.high_percent is not None and (values := recording.scored(part))
    ]
    effort = _half([one for one in efforts if one is not None])
    release = _half(releases)
    return Score(effort, release if release is None or levels.usable else 0)


def _effort(recording: Recording, part: Part, levels: Levels) -> float | None:
    """The share of a squeeze in its band; of a short one, whether it was reached."""
    if part.length_ms <= SHORT_MS:
        values = recording.good(part.start_ms, part.end_ms + 0.5 * GRACE_MS)
        return None if not values else float(levels.percent(max(values)) >= (part.low_percent or 0))
    values = recording.scored(part)
    return _share([levels.percent(nv) for nv in values], part) if values else None


def _share(percents: Sequence[float], part: Part) -> float:
    """How much of it is in the part's band."""
    low, high = part.low_percent or 0, math.inf if part.high_percent is None else part.high_percent
    return sum(low <= one <= high for one in percents) / len(percents)


def _half(shares: Sequence[float]) -> int | None:
    return round(50 * sum(shares) / len(shares)) if shares else None


def technique(recording: Recording, parts: Sequence[Part], levels: Levels) -> Technique | None:
    """Whether she can contract, can let go, and how well the two are told apart; None when the signal was too bad."""
    efforts = [values for part in parts if part.what == "squeeze" and (values := recording.scored(part))]
    rests = [values for part in parts if part.what == "rest" and (values := recording.scored(part))]
    if not efforts or not rests:
        return None
    reached = [levels.percent(median(values)) >= 30 for values in efforts]
    let_go = [levels.percent(median(values)) <= 10 for values in rests]
    return Technique(
        can_contract=levels.usable and 2 * sum(reached) > len(reached),
        can_let_go=levels.usable and 2 * sum(let_go) > len(let_go),
        told_apart_permille=told_apart(list(chain(*efforts)), list(chain(*rests))),
    )


def told_apart(efforts: Sequence[int], rests: Sequence[int]) -> int:
    """The area under the curve of effort against rest (Mann and Whitney), in permille; ties count half."""
    ordered = sorted(rests)
    wins = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in efforts)
    return round(1000 * wins / (2 * len(efforts) * len(rests)))


def let_go_ms(recording: Recording, squeeze: Part, pause: Part, levels: Levels) -> int | None:
    """From the cue to let go to the release; the whole pause when there was none, None when it cannot be told.

    A muscle that had let go before the cue tells nothing: None.
    """
    if not recording.good(pause.start_ms, pause.end_ms):
        return None
    detector = Detector(levels)
    for step in recording.between(squeeze.start_ms, pause.end_ms):
        detector.feed(step)
        burst = detector.bursts[-1] if detector.bursts else None
        if burst and burst.release_ms is not None and burst.release_ms > squeeze.end_ms:
            return max(1, round(burst.release_ms - squeeze.end_ms))
    return pause.length_ms if detector.active else None


def hold_ms(recording: Recording, part: Part, levels: Levels) -> int | None:
    """From onset until the hold has faded to half of its first two seconds, or its end; None if it cannot be told."""
    if not recording.good(part.start_ms, part.end_ms):
        return None
    detector = Detector(levels)
    for step in recording.between(part.start_ms, part.end_ms):
        detector.feed(step)
    if not detector.bursts:
        return 0
    onset = detector.bursts[0].onset_ms
    first = recording.good(onset + GRACE_MS / 2, onset + SETTLED_MS)
    if not first:
        return 0
    limit = levels.rest_nv + FADED * (median(first) - levels.rest_nv)
    below_since = None
    for step in recording.between(onset + SETTLED_MS, part.end_ms):
        if not step.good or step.envelope_nv >= limit:
            below_since = None
        elif below_since is None:
            below_since = step.at_ms
        elif step.at_ms - below_since >= FADED_MS:
            return round(below_since - onset)
    return round(part.end_ms - onset)
