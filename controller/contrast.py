"""Phases of a programme that are felt much more than the one before them, at the same set-point.

A person raises the set-point by what she feels. Where a weak phase is followed by a strong one she would be surprised:
the programme may be played, but whoever wrote it is told.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from controller.programme import Programme, Stimulation
from controller.strict_toml import plain
from safety.errors import Problem

CONTRAST_MAX: Final = 2
"""By how many times current or charge may grow from one phase to the next without a warning. ours."""


def contrasts(programme: Programme) -> tuple[Problem, ...]:
    """A warning for each phase that has more than twice the current, or charge per phase, of the one before it.

    "Before" is on the same channel, pauses left out; with cycles the last phase comes before the first.
    """
    warnings: dict[tuple[int, str], Problem] = {}
    for channel in ("A", "B"):
        mine = [
            (position, phase)
            for position, phase in enumerate(programme.phases, start=1)
            if isinstance(phase, Stimulation) and channel in phase.channels
        ]
        before = mine[-1:] if programme.cycles > 1 else []
        for (weak_at, weak), (position, strong) in zip(before + mine, mine if before else mine[1:], strict=False):
            current = strong.intensity_percent / weak.intensity_percent
            charge = current * strong.phase_width_us / weak.phase_width_us
            for field, words, grown in (
                ("intensity_percent", "current", current),
                ("phase_width_us", "charge of one phase", charge),
            ):
                if grown > CONTRAST_MAX:
                    warnings.setdefault((position, channel), _warning(position, weak_at, field, words, grown))
    return tuple(warnings[key] for key in sorted(warnings))


def _warning(position: int, weak_at: int, field: str, words: str, grown: Fraction) -> Problem:
    return Problem(
        "phase_contrast",
        f"phase[{position}]",
        field,
        f"{plain(Fraction(math.ceil(grown * 100), 100))} times the {words} of phase[{weak_at}]",
        f"up to {CONTRAST_MAX} times without a warning",
        "What was set by feel in the weaker phase may be a fright in this one: make them more alike.",
    )
