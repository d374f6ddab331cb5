"""The engine on a real guard and a simulated board, on the virtual clock, and a person who uses it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from controller.chain import Kind, Row
from controller.engine import GuardEngine
from controller.history import KINDS, Record, records
from controller.journal import Journal
from controller.journal_check import Verdict, verify
from controller.keys import OpenKey
from controller.port import Action, EngineRefused, Event, State
from controller.prescription import CONTRAINDICATIONS, Prescription
from hw.clock import VirtualClock
from safety.link import GuardLink
from tests.support.proved import unproved
from tests.support.signed import KEY
from tests.support.stack import Stack, stack

STEP_US = 20_000
TODAY = datetime.now(UTC).date().isoformat()
"""As this machine, by whose date the guard judges too."""
NONE_APPLIES = dict.fromkeys(CONTRAINDICATIONS, False)
PRESCRIBED = Prescription(
    revision=1,
    programme="stress-50hz",
    caps_ua={"A": 20_000},
    electrode_kind="vaginal probe",
    electrode_area_mm2=1_000,
    placement=None,
    minutes=1,
    sessions_per_day=3,
    sessions_per_week=7,
    weeks=12,
    lease_us=2_000_000,
    patient_may=("end_early",),
    prescriber="K. Larsen",
)
T = TypeVar("T")


def after(day: str, days: int) -> str:
    """So many days after an ISO date."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


@dataclass
class Person:
    """Sits in front of the engine: time passes only while this waits. ``echoes``: the page sends heartbeats;
    ``confirms``: which date the phone tells at an opening, where this machine has that one.
    """

    rig: Stack
    folder: Path
    echoes: bool = True
    today: str = TODAY
    confirms: Callable[[str], str | None] = lambda day: day
    engine: GuardEngine = field(init=False)
    journal: Journal = field(init=False)
    events: list[Event] = field(default_factory=list)
    _echoed: str | None = None

    def __post_init__(self) -> None:
        self.clock = VirtualClock(str(self.rig.folder / "sim.sock"), "person")
        self.begin(self.rig.clock)

    def begin(self, clock: VirtualClock) -> None:
        """Starts an app: journal and engine."""
        self.app_clock = clock
        link = GuardLink(self.rig.folder, clock)
        self.journal = Journal(self.folder, link.welcome["device"], lambda: f"{self.today}T12:00:00.000+00:00")

        def connect() -> GuardLink:
            self.rig.sim.revive_guard()
            return GuardLink(self.rig.folder, clock)

        self.engine = GuardEngine(link, connect, clock, self.journal, lambda: self.today, OpenKey(KEY), simulated=True)
        self.engine.subscribe(self.events.append)

    def end(self) -> None:
        """Ends the app, in whatever it is."""
        self.engine.close()
        self.journal.close()

    @property
    def device(self) -> str:
        """The fingerprint of the guard."""
        return str(self.journal.rows(Kind.DEVICE)[0].fields["device"])

    @property
    def state(self) -> State:
        return self.engine.state()

    @property
    def now(self) -> int:
        return self.clock.now()

    def wait(self, us: int) -> None:
        """Lets time pass; the page echoes each nonce."""
        until = self.clock.now() + us
        while self.clock.now() < until:
            self.clock.wait(min(until, self.clock.now() + STEP_US))
            nonce = self.state.lease.nonce
            if self.echoes and nonce is not None and nonce != self._echoed:
                self._echoed = nonce
                self.engine.heartbeat(nonce)

    def until(self, good: Callable[[State], bool], within_us: int = 20_000_000) -> State:
        """Waits for a state."""
        limit = self.clock.now() + within_us
        while not good(self.state):
            assert self.clock.now() < limit, self.state
            self.wait(STEP_US)
        return self.state

    def has(self, answer: Future[T]) -> T:
        """What the engine answers, as long as that takes."""
        limit = self.clock.now() + 20_000_000
        while not answer.done():
            assert self.clock.now() < limit
            self.wait(STEP_US)
        return answer.result()

    def act(self, action: Action, epoch: int | None = None) -> State:
        return self.has(self.engine.act(action, epoch))

    def prescribe(self, **changes: object) -> Prescription:
        now = self.engine.prescription()
        wanted = replace(PRESCRIBED, revision=1 if now is None else now.revision + 1)
        return self.has(self.engine.prescribe(replace(wanted, **changes)))  # type: ignore[arg-type]

    def open(self) -> State:
        wanted = self.engine.prescription()
        return self.has(
            self.engine.open_session(0 if wanted is None else wanted.revision, NONE_APPLIES, self.confirms(self.today))
        )

    def arm(self) -> State:
        """Once the guard is ready: opens a session and has the electrodes checked."""
        self.until(lambda state: state.mode in ("idle", "armed"))
        self.open()
        self.wait(500_000)
        return self.act(Action.CHECK_ELECTRODES)

    def start(self) -> State:
        """A session that runs."""
        self.arm()
        return self.act(Action.START)

    def set(self, ua: int, channel: str = "A", *, controls: bool = True, rev: int | None = None) -> State:
        """As a page asks: with the revision it shows, and once more when a step came into force meanwhile."""
        while True:
            shown, waits = self.state.rev, self.app_clock._waits
            answer = self.engine.set_intensity(channel, ua, shown if rev is None else rev, controls=controls)
            while not answer.done() and self.app_clock._waits == waits and self.engine._thread.is_alive():
                time.sleep(0.001)  # its thread has not woken yet: on a busy machine time would pass meanwhile
            try:
                return self.has(answer)
            except EngineRefused as refused:
                if rev is not None or refused.code != "rev_changed" or self.state.rev == shown:
                    raise

    def raise_to(self, ua: int, channel: str = "A") -> State:
        """By steps, whenever one is possible, as the state says."""
        while self.state.channels[channel].set_point_ua < ua:
            one = self.until(lambda state: state.channels[channel].allowed_ua > state.channels[channel].set_point_ua)
            now = one.channels[channel]
            self.set(min(ua, now.allowed_ua), channel)
            self.until(lambda state, now=now: state.channels[channel].set_point_ua > now.set_point_ua)  # type: ignore[misc]
        return self.state

    def finish(self) -> Record:
        """Waits for the end of the session; what is written down of it, once the guard has sealed it."""
        self.until(lambda state: state.session is None, 80_000_000)
        self.wait(1_000_000)
        return self.record()

    def rows(self, *kinds: Kind) -> list[Row]:
        """The journal, with all that waits for the disk."""
        while self.journal._waiting:
            self.wait(STEP_US)
        return self.journal.rows(*kinds)

    def record(self) -> Record:
        """The last session."""
        return records(self.rows(*KINDS))[-1]

    def verify(self) -> Verdict:
        self.rows()
        return verify(self.journal.path, self.rig.state)


@contextlib.contextmanager
def treatment(folder: Path) -> Iterator[Person]:
    """A guard, a board and an app, with a prescription. Every session is proved when all has ended."""
    with stack() as rig, contextlib.ExitStack() as after:
        person = Person(rig, folder / "app")
        after.callback(person.clock.close)
        after.callback(lambda: person.app_clock.close())
        after.callback(person.end)
        person.prescribe()
        yield person
        person.end()
        assert unproved(person.folder, person.rig.state) == []
