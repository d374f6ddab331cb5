"""The port through which the api reaches a session: everything it may know and ask, and nothing of guard or pins.

Currents are whole uA, times whole us. ``state`` and ``heartbeat`` never wait and may be called from any thread;
whatever the guard must answer comes as a Future that is done when it has answered, and fails with EngineRefused when
the answer was no, with LinkError when there was none. Stop is not here: it has a way of its own (``safety.link``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

from controller.prescription import Prescription
from safety.errors import PelviStimError


class EngineRefused(PelviStimError):
    """The guard, or the engine before it, said no; ``code`` says why.

    ``allowed_ua``: the highest set-point (or cap) that would be granted; ``after_us``: how long until it would be, as
    far as known; ``least_ua``: the lowest cap; ``field``: what is wrong. Each is None where there is nothing to say.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        allowed_ua: int | None = None,
        after_us: int | None = None,
        *,
        least_ua: int | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.allowed_ua, self.after_us, self.least_ua, self.field = allowed_ua, after_us, least_ua, field


class Action(StrEnum):
    """What the controlling phone may ask of a session."""

    CHECK_ELECTRODES = "check_electrodes"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"


TOWARDS_OUTPUT = frozenset({Action.CHECK_ELECTRODES, Action.START, Action.RESUME})
"""These name the session's epoch, so that one that was delayed cannot start another session."""


@dataclass(frozen=True)
class Channel:
    """One channel. ``ceiling_ua``: the prescription's cap. ``allowed_ua``: the highest set-point granted now; a higher
    one, if any, ``after_us`` from now (None: not known). ``measured_ua``: None while nothing plays, so that nothing
    measured is compared with what was asked. ``load_ohm`` and ``finding`` are of the last electrode check.
    ``share``: the part of the set-point that the phase gives, above 0 and at most 1.
    """

    set_point_ua: int
    measured_ua: int | None
    ceiling_ua: int
    allowed_ua: int
    after_us: int | None = None
    load_ohm: int | None = None
    finding: str | None = None
    share: Fraction = Fraction(1)

    @property
    def given_ua(self) -> int:
        """The current of a full pulse: what is felt, and measured."""
        return int(self.set_point_ua * self.share)


@dataclass(frozen=True)
class Playing:
    """The session that is open. ``part``: ramp_up, hold, ramp_down, rest, continuous, pause or waiting, of which
    ``part_left_us`` are left; ``phase`` counts from 1 over the programme, ``contraction`` over the session.
    ``looking``: a clinician looks for the caps in it.
    """

    id: str
    programme: str
    prescription_revision: int
    phase: int | None = None
    phase_name: Mapping[str, str] = field(default_factory=dict)
    part: str = "waiting"
    part_left_us: int = 0
    contraction: int = 0
    contractions: int = 0
    session_us: int = 0
    duration_us: int = 0
    looking: bool = False


@dataclass(frozen=True)
class Lease:
    """The controlling phone's lease: the nonce to echo, the age of the last echo, and whether a raise is possible."""

    nonce: str | None = None
    age_us: int | None = None
    length_us: int = 2_000_000
    increase_allowed: bool = False


@dataclass(frozen=True)
class State:
    """All that is known at one moment. ``rev`` counts the changes of the set-point, ``epoch`` the sessions.

    ``confirmed``: after a stop, whether the lines were read back low; None while that is not known. ``clears`` says how
    the cause is cleared (``acknowledge``, ``release_and_acknowledge``, ``clinician``, ``resume``).
    """

    mode: str
    epoch: int
    rev: int
    channels: Mapping[str, Channel]
    cause: str | None = None
    clears: str | None = None
    paused_by: str | None = None
    ending: str | None = None
    confirmed: bool | None = None
    self_test_step: str | None = None
    session: Playing | None = None
    lease: Lease = Lease()
    simulated: bool = False


@dataclass(frozen=True)
class Event:
    """Something that happened, as it is told on the live stream."""

    code: str
    detail: str
    session: str | None = None


class Engine(Protocol):
    """One guard and what runs on it."""

    def state(self) -> State:
        """The newest state; the same object as long as nothing changed."""

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Calls ``listener`` from the engine's thread for each event; it must not wait. Gives what ends that."""

    def healthy(self) -> bool:
        """Whether the guard answers."""

    def prescription(self) -> Prescription | None:
        """The prescription in force."""

    def prescribe(self, prescription: Prescription) -> Future[Prescription]:
        """Puts one in force, durable. Refused: ``prescription_revision`` unless it is one above that in force."""

    def open_session(self, revision: int, answers: Mapping[str, bool], day: str | None) -> Future[State]:
        """Self-test and load of what is prescribed. ``day``: the ISO date by the phone that opens it, without which no
        new day begins for the budgets; when they are used up the start is then refused as ``day_unknown``. Refused
        among others: ``prescription_revision``, ``contraindicated``, ``not_now``, ``day_spent``.
        """

    def open_threshold(self, answers: Mapping[str, bool], day: str | None) -> Future[State]:
        """The same, for a clinician who looks for the caps: signed anew, and with the ceilings where no cap is set.
        Refused as well: ``key_locked``, ``key_missing``.
        """

    def act(self, action: Action, epoch: int | None) -> Future[State]:
        """Carries out an action. Refused among others: ``old_epoch`` (another session than meant), ``not_now``."""

    def set_intensity(self, channel: str, amplitude_ua: int, rev: int | None, *, controls: bool) -> Future[State]:
        """Sets the set-point. Lowering is done at once, whatever ``rev`` and ``controls`` are.

        Raising needs ``controls``, a live lease and the present ``rev``. Refused: ``raise_channel``,
        ``not_controlling``, ``rev_missing``, ``rev_changed``, ``lease_stale``, ``wait_for_contraction``,
        ``step_too_large``, ``too_soon``, ``above_cap``, ``not_now``.
        """

    def acknowledge(self, role: str) -> Future[State]:
        """Acknowledges the latched cause as ``patient`` or ``clinician``. Refused: ``nothing_latched``,
        ``still_present``, ``clinician_needed``.
        """

    def heartbeat(self, nonce: str) -> None:
        """Hands an echoed nonce to the guard, which judges it."""
