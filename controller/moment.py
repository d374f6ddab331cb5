"""Where a session is at one point of session time: which phase, which part of it, and how long that still takes."""

from __future__ import annotations

from dataclasses import dataclass

from controller.programme import Pause, Stimulation
from controller.timeline import Timeline, Train


@dataclass(frozen=True)
class Moment:
    """``number`` counts the phases as they are played. ``part``: ramp_up, hold, continuous, ramp_down, rest or pause.

    A continuous phase is not counted as a contraction.
    """

    phase: Stimulation | Pause
    number: int
    part: str
    left_us: int
    contraction: int
    contractions: int


def moment(timeline: Timeline, at_us: int) -> Moment:
    """The moment at a session time."""
    train = timeline.train_at(at_us)
    phase, start_us, end_us = timeline.phase_at(at_us)
    part, until = "pause", end_us
    if train is not None and not isinstance(phase, Pause) and train.start_us >= start_us:
        part, until = _within(train, at_us)
    contraction = train.contraction if train else 0
    number = timeline.phase_number_at(at_us)
    return Moment(phase, number, part, max(0, until - at_us), contraction, timeline.contractions)


def _within(train: Train, at_us: int) -> tuple[str, int]:
    for part, until in (
        ("ramp_up", train.hold_start_us),
        ("continuous" if train.phase.continuous else "hold", train.hold_end_us),
        ("ramp_down", train.active_end_us),
    ):
        if at_us < until:
            return part, until
    return "rest", train.active_end_us + train.phase.rest_us
