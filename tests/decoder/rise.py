"""Could a set-point that rises by the rules have given these codes?

The set-point of a channel starts at 0 and only rises: by at most 2 000 uA a step, steps at least 1 s apart, each at a
time when a contraction is held. The codes show it only pulse by pulse and only to the width of one code, so ``Rise``
follows every set-point that is still possible, and for each the earliest time at which its last step can have been.
Earlier is never worse, so nothing else need be remembered; and later steps only reach higher, so the possible
set-points are one unbroken stretch in which that time never falls from low to high.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

LARGEST_STEP_UA = 2000
STEP_SPACING_US = 1_000_000
_NEVER = -(10**15)


class Rise:
    """The set-points a channel can have, followed from pulse to pulse. ``windows``: rising stretches [from, to)."""

    def __init__(
        self,
        windows: Sequence[tuple[int, int]],
        final_ua: int,
        *,
        largest_step_ua: int = LARGEST_STEP_UA,
        step_spacing_us: int = STEP_SPACING_US,
    ) -> None:
        self._window_starts = [start for start, end in windows if end > start]
        self._window_ends = [end for start, end in windows if end > start]
        self._final_ua = final_ua
        self._step_ua = largest_step_ua
        self._spacing_us = step_spacing_us
        self._before_us = _NEVER
        self._lowest = 0
        # [highest set-point of the piece, earliest time of the last step]; a piece begins above the one before it
        self._pieces: list[tuple[int, int]] = [(0, _NEVER)]

    @property
    def possible(self) -> tuple[int, int]:
        """The lowest and the highest set-point possible at the last pulse."""
        return self._lowest, self._pieces[-1][0]

    def pulse(self, at_us: int, low_ua: int, high_ua: int) -> str | None:
        """Takes in a pulse that shows a set-point of low_ua to high_ua; says what is wrong, if anything, as a kind.

        After a finding the set-points possible stay as they were before that pulse.
        """
        high_ua = min(high_ua, self._final_ua)
        pieces = self._pieces
        kept, kept_before_us = pieces[:], self._before_us
        if pieces[-1][0] < high_ua:
            self._climb(at_us, high_ua)
        highest = pieces[-1][0]
        self._before_us = at_us
        if low_ua > highest:
            self._pieces, self._before_us = kept, kept_before_us
            return self._reason(at_us, low_ua)
        if high_ua < self._lowest:
            self._pieces, self._before_us = kept, kept_before_us
            return "set-point falls"
        if low_ua > self._lowest:
            self._lowest = low_ua
            while pieces[0][0] < low_ua:
                del pieces[0]
        if highest > high_ua:
            while len(pieces) > 1 and pieces[-2][0] >= high_ua:
                pieces.pop()
            pieces[-1] = (high_ua, pieces[-1][1])
        return None

    def restart(self, at_us: int, low_ua: int, high_ua: int) -> None:
        """Goes on from a set-point of low_ua to high_ua, after findings; its step came as early as can be."""
        self._lowest = low_ua
        self._pieces = [(min(high_ua, self._final_ua), self._before_us + 1)]
        self._before_us = at_us

    def _climb(self, at_us: int, high_ua: int) -> None:
        """Adds the set-points up to high_ua that a step after the last pulse, at at_us at the latest, can reach."""
        pieces = self._pieces
        i = 0
        while i < len(pieces) and pieces[-1][0] < high_ua:
            top, last_step_us = pieces[i]
            step_us = self._in_window(max(last_step_us + self._spacing_us, self._before_us + 1))
            if step_us is None or step_us > at_us:
                return
            reached = min(top + self._step_ua, high_ua)
            if reached > pieces[-1][0]:
                pieces.append((reached, step_us))
            i += 1

    def _in_window(self, from_us: int) -> int | None:
        """The first time at or after from_us at which a step is allowed."""
        i = bisect_right(self._window_ends, from_us)
        return max(from_us, self._window_starts[i]) if i < len(self._window_ends) else None

    def _reason(self, at_us: int, low_ua: int) -> str:
        """Which one rule, lifted for the time since the last pulse, would let the set-point reach low_ua."""
        earliest = [max(last + self._spacing_us, self._before_us + 1) for _, last in self._pieces]
        reached = [top + self._step_ua for top, _ in self._pieces]
        now_us = self._in_window(self._before_us + 1)
        if any(step <= at_us and top >= low_ua for step, top in zip(earliest, reached, strict=True)):
            return "raised outside a hold"
        if now_us is not None and now_us <= at_us and reached[-1] >= low_ua:
            return "steps under 1 s apart"
        windowed = [self._in_window(step) for step in earliest]
        if any(step is not None and step <= at_us for step in windowed):
            return "step over 2000 uA"
        return "rise against several rules"


def check_steps(
    steps: Sequence[tuple[int, int]], windows: Sequence[tuple[int, int]], final_ua: int
) -> list[tuple[str, str]]:
    """Holds an explicit list of (time_us, set-point from then on in uA) against the rules: (kind, words) each."""
    found: list[tuple[str, str]] = []
    set_point = 0
    last_us: int | None = None
    for at_us, new in steps:
        here = f"the step to {new} uA at {at_us} us"
        if new < set_point:
            found.append(("set-point falls", f"{here} comes down from {set_point} uA"))
        if new - set_point > LARGEST_STEP_UA:
            found.append(("step over 2000 uA", f"{here} is one of {new - set_point} uA"))
        if last_us is not None and at_us - last_us < STEP_SPACING_US:
            found.append(("steps under 1 s apart", f"{here} comes {at_us - last_us} us after the one before"))
        if not any(start <= at_us < end for start, end in windows):
            found.append(("raised outside a hold", f"{here} falls in no hold"))
        set_point, last_us = new, at_us
    if set_point != final_ua:
        found.append(("not reached", f"the steps end at {set_point} uA, not at {final_ua} uA"))
    return found
