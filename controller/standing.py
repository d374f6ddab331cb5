"""Where the guard and the session stand, put together for the port: pure bookkeeping, no link and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Final

from controller.moment import moment
from controller.outcome import View
from controller.port import Channel, Lease, Playing, State
from controller.prescription import THRESHOLD, Prescription
from controller.session import Session
from controller.timeline import Timeline
from safety.causes import CAUSES
from safety.limits import RAISE_INTERVAL_MIN_US, RAISE_STEP_MAX_UA
from safety.link import Message

CHANNELS: Final = ("A", "B")


class Standing:
    """``epoch`` counts the sessions since the app started; ``view`` is the chunk that plays."""

    def __init__(self, simulated: bool) -> None:
        self._simulated = simulated
        self.epoch = 0
        self.session_id: str | None = None
        self.programme = ""
        self.view: View | None = None
        self.nonce: str | None = None
        self._revision = 0
        self._lease_us = 2_000_000
        self._timeline: Timeline | None = None
        self._duration_us = 0
        self._looking = False

    def begin(self, name: str, wanted: Prescription, timeline: Timeline) -> None:
        """A session was opened."""
        self.epoch += 1
        self._looking = wanted.kind == THRESHOLD
        self.session_id, self.programme, self._revision = name, wanted.programme, wanted.revision
        self._timeline, self._lease_us, self.view = timeline, wanted.lease_us, None
        end_us = timeline.first_pulse_us + wanted.minutes * 60_000_000
        self._duration_us = min(end_us, timeline.duration_us)

    def end(self) -> None:
        """The session is no more."""
        self.session_id = self.nonce = self.view = self._timeline = None

    def lost(self, known: State) -> State:
        """What is told once the guard does not answer: the worst, for nothing is known any more."""
        channels = {
            name: replace(one, measured_ua=None, allowed_ua=one.set_point_ua, after_us=None)
            for name, one in known.channels.items()
        }
        return replace(
            known,
            mode="stopped",
            cause="guard_lost",
            clears=None,
            paused_by=None,
            ending=None,
            confirmed=False,
            session=None,
            channels=channels,
            lease=Lease(),
        )

    def state(self, status: Message, session: Session | None, caps: Mapping[str, int]) -> State:
        """What the port shows, from the guard's last status. ``caps``: uA per channel; one that is missing has 0."""
        allowed, after = self.allowed(status, session)
        cause = status["cause"]
        channels = {}
        for name in CHANNELS:
            found = status["electrodes"].get(name, {})
            ceiling, present = caps.get(name, 0), status["set_point_ua"][name]
            used = session is not None and name in session.outcome.reached_us
            more = RAISE_STEP_MAX_UA if used and allowed else 0
            channels[name] = Channel(
                present,
                status["measured_ua"][name] if status["mode"] == "running" else None,
                ceiling,
                max(present, min(ceiling, present + more)),
                after if used and present < ceiling else None,
                status["load_ohm"].get(name) or found.get("load_ohm"),
                found.get("finding"),
                self._timeline.share_at(name, self._at_us) if used and self._timeline else Fraction(1),
            )
        age = status["lease_age_us"]
        return State(
            mode=status["mode"],
            epoch=self.epoch,
            rev=status["revision"],
            channels=channels,
            cause=cause,
            clears=_clears(status),
            paused_by=status["paused_by"],
            ending=status["ending"],
            confirmed=status["confirmed"],
            self_test_step=cause if cause is not None and cause.startswith("self_test_") else None,
            session=self._playing(),
            lease=Lease(self.nonce, age, self._lease_us, status["increase_allowed"]),
            simulated=self._simulated,
        )

    def allowed(self, status: Message, session: Session | None) -> tuple[bool, int | None]:
        """Whether the set-point may rise by a step now, and in how many us it may (None: not known)."""
        if session is None or status["mode"] != "running" or status["ending"] is not None:
            return False, None
        at_us = session.next_step_us()
        if at_us is None or self._timeline is None or not status["increase_allowed"]:
            return False, None
        now_us = self.view.playing.start_us if self.view is not None else 0
        soonest = at_us if session.last_step_us is None else max(at_us, session.last_step_us + RAISE_INTERVAL_MIN_US)
        if session.holds(soonest):
            return (True, 0) if soonest == at_us and not session.has_step else (False, soonest - at_us)
        coming = next((one.hold_start_us for one in self._timeline.trains if one.hold_start_us >= soonest), None)
        return False, None if coming is None else coming - now_us

    @property
    def _at_us(self) -> int:
        """Session time that plays."""
        return max(0, self.view.playing.start_us) if self.view is not None else 0

    def _playing(self) -> Playing | None:
        timeline = self._timeline
        if self.session_id is None or timeline is None:
            return None
        at = self._at_us
        now = moment(timeline, at)
        waiting = self.view is None
        return Playing(
            self.session_id,
            self.programme,
            self._revision,
            None if waiting else now.number,
            {} if waiting else dict(now.phase.name),
            "waiting" if waiting else now.part,
            0 if waiting else now.left_us,
            0 if waiting else now.contraction,
            now.contractions,
            at,
            self._duration_us,
            self._looking,
        )


def _clears(status: Message) -> str | None:
    """How the cause is cleared, or the pause that began by itself."""
    if status["cause"] is None:
        return "resume" if status["paused_by"] is not None else None
    if status["locked_by"] is not None:
        return "clinician"
    clears = CAUSES[status["cause"]].clears if status["cause"] in CAUSES else None
    return {"reset": "acknowledge"}.get(clears or "", clears)
