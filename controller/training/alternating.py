"""Stimulated contractions and one's own, in turn, within one session: when it pauses for the person's own. Pure.

A turn is several contractions, not one: after a pause the set-point begins at zero and takes one or two contractions
to come back (decision 16). Nothing here raises, resumes or starts anything; it only says when a pause is due.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from controller.port import State
from controller.programme import Programme, Stimulation
from controller.training.shapes import SQUEEZE_MIN_MS, Exercise, length_ms, parts_of
from safety.limits import SESSION_MAX_US

STIMULATED_MIN: Final = 3
STIMULATED_MAX: Final = 20
OWN_MIN: Final = 1
OWN_MAX: Final = 10
AT_MOST_TIMES: Final = 2
"""A turn ends after so many times its contractions in any case, also of a person who raises in each. ours"""
SQUEEZE_MAX_MS: Final = 10_000
PAUSE_MAX_MS: Final = 20_000
FLICK_MAX_MS: Final = 2_000
"""A contraction that is held no longer is trained fast and strong. ours"""
LEFT_MIN_US: Final = 20_000_000
"""Of the session, for another turn to be worth a pause. ours"""
SLACK_US: Final = 60_000_000
"""Of the 45 minutes after which the guard ends a session, pauses included: kept for who takes her time. ours"""
CONTRACTS: Final = frozenset({"ramp_up", "hold", "ramp_down"})


@dataclass(frozen=True)
class Alternating:
    """``stimulated`` contractions, then ``own`` (whose repeats are the person's own), read by ``sensor``, and so on.

    ``counted``: of this turn, those that began with a set-point above zero and in which nothing was raised; ``came``:
    all of them.
    """

    session: str
    sensor: str
    stimulated: int
    own: Exercise
    counted: int = 0
    came: int = 0
    _before_ua: tuple[int, ...] | None = None
    _began_us: int | None = None

    def seen(self, state: State, now_us: int) -> Alternating | None:
        """After a look at the state, some ten times a second; the same object if nothing changed, None once the
        session is over. A pause ends the turn, whoever asked for it. ``now_us``: of any clock that goes on in a pause.
        """
        playing = state.session
        if playing is None or playing.id != self.session:
            return None
        now = self if self._began_us is not None or state.mode != "running" else replace(self, _began_us=now_us)
        if state.mode != "running":
            return now._anew() if self.came or self._before_ua is not None else now
        points = tuple(one.set_point_ua for one in state.channels.values())
        if playing.part in CONTRACTS:
            return now if self._before_ua is not None else replace(now, _before_ua=points)
        if self._before_ua is None:
            return now
        steady = any(self._before_ua) and all(map(int.__le__, points, self._before_ua))
        return replace(now, counted=self.counted + steady, came=self.came + 1, _before_ua=None)

    def due(self, state: State, now_us: int) -> bool:
        """Whether it is time to pause: in a rest, where nothing has to fade, and only if there is time for it."""
        playing = state.session
        done = self.counted >= self.stimulated or self.came >= AT_MOST_TIMES * self.stimulated
        if not done or playing is None or state.mode != "running" or state.ending or playing.part != "rest":
            return False
        left_us = playing.duration_us - playing.session_us
        if playing.contraction >= playing.contractions or left_us < LEFT_MIN_US or self._began_us is None:
            return False
        return now_us - self._began_us + own_us(self.own) + left_us <= SESSION_MAX_US - SLACK_US

    def _anew(self) -> Alternating:
        return replace(self, counted=0, came=0, _before_ua=None)


def own_exercise(programme: Programme, repeats: int) -> Exercise | None:
    """One's own squeezes, held and rested as the contraction is that the programme has most of; None if it has none.

    At most 10 s long with 20 s rest; never a rest that is shorter than its squeeze.
    """
    contractions = [one for one in programme.phases if isinstance(one, Stimulation) and not one.continuous]
    if not contractions:
        return None
    one = max(contractions, key=lambda phase: phase.repeats)
    squeeze_ms = min(SQUEEZE_MAX_MS, max(SQUEEZE_MIN_MS, one.plateau_us // 1000))
    pause_ms = max(squeeze_ms, min(PAUSE_MAX_MS, one.rest_us // 1000))
    fast = squeeze_ms <= FLICK_MAX_MS
    return Exercise("flick" if fast else "hold", squeeze_ms, pause_ms, repeats, 80 if fast else 60)


def own_us(own: Exercise) -> int:
    """How long one's own squeezes of a turn take."""
    return 1000 * length_ms(parts_of([own]))
