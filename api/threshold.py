"""Looking for the caps: the clinician asks, the patient allows it, marks are taken down. Pure; currents in uA.

Who was asked and who allowed it is known here alone, and the 15 minutes are counted from her yes. The guard bounds the
rest: a nonce of its own, once, 15 minutes from the opening.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Final

from api.roles import Role
from safety.errors import PelviStimError
from safety.limits import THRESHOLD_MAX_US

LASTS_S: Final = THRESHOLD_MAX_US / 1_000_000
MARKS: Final = ("sensory", "motor", "comfortable")
"""First felt; a contraction that was seen or palpated; the most that is comfortable."""
HOWS: Final = ("seen", "palpated")


class ThresholdRefused(PelviStimError):
    """``code``: ``threshold_not_asked``, ``threshold_not_allowed``, ``threshold_expired``, ``threshold_not_running``,
    ``threshold_zero`` or ``patient_needed``.
    """


@dataclass(frozen=True)
class Mark:
    """One finding. ``how``: of a motor threshold, how it was observed; None: not observed up to this current."""

    channel: str
    mark: str
    amplitude_ua: int
    how: str | None = None


@dataclass(frozen=True)
class Looking:
    """Where it stands. ``by``: the clinician's phone; ``allowed_s``: when the patient allowed it; times in s."""

    by: str | None = None
    asked_s: float = 0.0
    allowed_s: float | None = None
    session: str | None = None
    marks: tuple[Mark, ...] = field(default=())

    def left_s(self, now_s: float) -> float:
        """How long it may still last, or the patient may still allow it; 0 once it was taken back."""
        if self.by is None:
            return 0.0
        return max(0.0, (self.asked_s if self.allowed_s is None else self.allowed_s) + LASTS_S - now_s)

    def proposed_ua(self) -> dict[str, int]:
        """Per channel the lowest of the comfortable maxima: what a cap may be, and no more than that."""
        found: dict[str, int] = {}
        for one in self.marks:
            if one.mark == "comfortable":
                found[one.channel] = min(one.amplitude_ua, found.get(one.channel, one.amplitude_ua))
        return found


class Threshold:
    """The one procedure of a device. Each step raises ThresholdRefused when it is not its turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = Looking()

    def ask(self, device: str, now_s: float) -> Looking:
        """A clinician's phone asks; what was before is forgotten (the journal has it)."""
        with self._lock:
            self.now = Looking(device, now_s)
            return self.now

    def allow(self, role: Role, now_s: float) -> Looking:
        """The patient allows it, on a phone of her own role. Said twice it lasts no longer."""
        with self._lock:
            if role is not Role.PATIENT:
                raise ThresholdRefused("only the patient's own phone can allow it", code="patient_needed")
            self._going(now_s)
            if self.now.allowed_s is None:
                self.now = replace(self.now, allowed_s=now_s)
            return self.now

    def may_open(self, device: str, now_s: float) -> None:
        """Whether this phone may open the session of it now."""
        with self._lock:
            self._going(now_s)
            if self.now.by != device:
                raise ThresholdRefused("another phone asked", code="threshold_not_asked")
            if self.now.allowed_s is None:
                raise ThresholdRefused("the patient has not allowed it yet", code="threshold_not_allowed")

    def opened(self, session: str) -> Looking:
        """Its session is open. The patient's word was for this one."""
        with self._lock:
            self.now = replace(self.now, session=session)
            return self.now

    def mark(self, session: str | None, mark: Mark, now_s: float) -> Looking:
        """Takes one down. ``session``: the one that runs now."""
        with self._lock:
            if session is None or session != self.now.session:
                raise ThresholdRefused("no such session runs", code="threshold_not_running")
            if self.now.left_s(now_s) == 0:
                raise ThresholdRefused("the fifteen minutes are over", code="threshold_expired")
            if mark.amplitude_ua == 0:
                raise ThresholdRefused(f"channel {mark.channel} is at zero", code="threshold_zero")
            self.now = replace(self.now, marks=(*self.now.marks, mark))
            return self.now

    def end(self) -> Looking:
        """It is over, or the patient does not allow it any more; the marks stay to be looked at."""
        with self._lock:
            self.now = replace(self.now, by=None, allowed_s=None, session=None)
            return self.now

    def _going(self, now_s: float) -> None:
        if self.now.by is None or self.now.session is not None:  # one yes is for one session
            raise ThresholdRefused("nobody asked, or not anew", code="threshold_not_asked")
        if self.now.left_s(now_s) == 0:
            raise ThresholdRefused("the fifteen minutes are over", code="threshold_expired")
