"""The set-point: the current in uA that the person has asked for, per channel, owned by the guard.

It starts at zero, rises in small steps while a contraction is held, and falls at once. The app may ask, not set. Pure:
every function gives a new ``SetPoint`` or a ``Refusal``; times are session time in us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from safety import limits
from safety.decode import Refusal
from safety.schedule import CHANNELS, Schedule

BEYOND_A_STEP: Final = 2
"""By how much a change raises the revision: one on is what a granted step would have brought, and a chunk that the app
has compiled for that step already must be stale."""


@dataclass(frozen=True)
class Raise:
    """A step upward that was granted: from session time ``at_us`` on, the channels named have these values in uA."""

    at_us: int
    to_ua: dict[str, int]


@dataclass(frozen=True)
class SetPoint:
    """The values in force, their revision, and at most one granted step that lies ahead."""

    revision: int = 0
    values_ua: tuple[int, ...] = (0, 0)
    ahead: Raise | None = None
    last_raise_us: tuple[int | None, ...] = (None, None)

    def of(self, channel: str) -> int:
        """The value in force on a channel, uA."""
        return self.values_ua[CHANNELS.index(channel)]

    def at(self, session_us: int) -> SetPoint:
        """The set-point as it is for a chunk that begins at ``session_us``: a step that was ahead may have come."""
        if self.ahead is None or session_us < self.ahead.at_us:
            return self
        values, raised = list(self.values_ua), list(self.last_raise_us)
        for channel, value in self.ahead.to_ua.items():
            values[CHANNELS.index(channel)] = value
            raised[CHANNELS.index(channel)] = self.ahead.at_us
        return SetPoint(self.revision + 1, tuple(values), None, tuple(raised))

    def renewed(self) -> SetPoint:
        """The values in force under a new revision; a step that was ahead is forgotten."""
        return replace(self, revision=self.revision + BEYOND_A_STEP, ahead=None)

    def restarted(self) -> SetPoint:
        """Zero on both channels: what every start, resume and clearing begins with."""
        return SetPoint(self.revision + BEYOND_A_STEP)

    def lowered(self, to_ua: Mapping[str, int]) -> SetPoint | Refusal:
        """Lowers channels at once; a step that was ahead is forgotten. Refuses a value above the present or below 0."""
        values = list(self.values_ua)
        for channel, value in to_ua.items():
            if channel not in CHANNELS or not 0 <= value <= self.of(channel):
                return Refusal("not_lower", f"{channel}: {value} uA; allowed: 0 to the present value")
            values[CHANNELS.index(channel)] = value
        return replace(self, revision=self.revision + BEYOND_A_STEP, values_ua=tuple(values), ahead=None)


def grant_raise(
    now: SetPoint,
    to_ua: Mapping[str, int],
    at_us: int,
    approved_us: int,
    schedule: Schedule,
    caps_ua: Mapping[str, int],
) -> SetPoint | Refusal:
    """Judges a step upward at session time ``at_us``, by the schedule's own word on where a contraction is held.

    ``approved_us`` is where approved chunks end: the step must lie at or soon after it, since whoever asks for it is
    there now. ``caps_ua`` are the channels' caps; a channel without one has 0.
    """
    if now.ahead is not None:
        return Refusal("raise_pending", f"a step at {now.ahead.at_us} us is still ahead")
    if at_us < approved_us:
        return Refusal("raise_too_late", f"at {at_us} us; chunks are approved up to {approved_us} us")
    if at_us - approved_us > limits.NAMED_AHEAD_MAX_US:
        return Refusal("raise_too_far", f"at {at_us} us; chunks are approved up to {approved_us} us")
    if not to_ua:
        return Refusal("raise_empty", "no channel named")
    for channel, value in to_ua.items():
        refusal = _judge(now, channel, value, at_us, schedule, caps_ua)
        if refusal is not None:
            return refusal
    return replace(now, ahead=Raise(at_us, dict(to_ua)))


def _judge(
    now: SetPoint, channel: str, value: int, at_us: int, schedule: Schedule, caps_ua: Mapping[str, int]
) -> Refusal | None:
    if channel not in CHANNELS:
        return Refusal("raise_channel", f"{channel!r}; allowed: A or B")
    step = value - now.of(channel)
    if not 0 < step <= limits.RAISE_STEP_MAX_UA:
        return Refusal("raise_step", f"{channel}: {step} uA; allowed: 1 to {limits.RAISE_STEP_MAX_UA}")
    if value > caps_ua.get(channel, 0):
        return Refusal("over_cap", f"{channel}: {value} uA; cap {caps_ua.get(channel, 0)} uA")
    last = now.last_raise_us[CHANNELS.index(channel)]
    if last is not None and at_us - last < limits.RAISE_INTERVAL_MIN_US:
        return Refusal("raise_too_soon", f"{channel}: {at_us - last} us after the step before")
    train = schedule.train(channel, at_us)
    if train is None or not train.holds(at_us):
        return Refusal("raise_not_held", f"{channel}: no contraction is held at {at_us} us")
    return None
