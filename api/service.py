"""All that the endpoints share: engine, journal, who is paired, who controls, and how a command is journalled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date
from typing import Final, TypeVar

from api.announce import Announcer
from api.boundary import Place
from api.control import Control, Standing
from api.devices import Device, Devices
from api.models import Looked, StateOut
from api.pairing import Pairing
from api.passphrase import Passphrase
from api.proofs import Proofs
from api.roles import Role
from api.stop import Stopped, Stopper, Stopping
from api.threshold import Threshold
from api.views import looked, state_out
from controller.button import tried
from controller.chain import Kind, Row
from controller.journal import Journal, utc_now
from controller.keys import Signs
from controller.port import Engine, State
from controller.prescription import Prescription
from controller.training.alternating import Alternating
from controller.training.room import Room
from safety.enrolled import PublicKey
from safety.errors import PelviStimError

JOURNAL_WITHIN_S: Final = 1.0
"""How long an answer that is due waits for the disk; the row is written all the same."""

Known = tuple[State, Standing, bool, Prescription | None, Looked, Alternating | None]
"""What the told state is made of; each is another object when it is another."""
T = TypeVar("T")


@dataclass
class Figures:
    """What ``/metrics`` tells, beside the state. Counted since the app started."""

    stops: int = 0
    stops_not_confirmed: int = 0
    commands: int = 0
    streams: int = 0


@dataclass
class Service:
    """One app's parts. ``bases``: the addresses of the page, as ``https://192.0.2.7:8443``; ``fingerprint``: of the
    certificate, None without TLS. ``enrolled``: whose signatures the guard takes.
    """

    engine: Engine
    journal: Journal
    devices: Devices
    pairing: Pairing
    passphrase: Passphrase
    stopper: Stopper
    place: Place
    keys: Signs
    room: Room
    proofs: Proofs
    enrolled: Callable[[], tuple[PublicKey, ...]]
    bases: tuple[str, ...]
    fingerprint: str | None = None
    announcer: Announcer | None = None
    control: Control = field(default_factory=Control)
    threshold: Threshold = field(default_factory=Threshold)
    looking: asyncio.Task[None] | None = None  # ends the procedure in time
    alternating: Alternating | None = None
    turns: asyncio.Task[None] | None = None  # pauses a session that goes in turns
    clock_s: Callable[[], float] = time.monotonic
    figures: Figures = field(default_factory=Figures)
    journal_ok: bool = True
    ending: Callable[[], bool] = lambda: False  # whether the server is about to end, and with it every stream
    _told_state: tuple[Known, str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.stopping = Stopping(self.stopper, self.engine.state, self._stop_told)

    def note(self, kind: Kind, **fields: object) -> Future[Row]:
        """Appends to the journal and keeps in mind whether it was taken."""
        row = self.journal.append(kind, **fields)
        row.add_done_callback(self._noted)
        return row

    def state_json(self) -> str:
        """The present state as JSON, made once for all streams as long as nothing changes."""
        known = self._known()
        if self._told_state is None or any(a is not b for a, b in zip(known, self._told_state[0], strict=True)):
            self._told_state = (known, state_out(*known).model_dump_json())
        return self._told_state[1]

    def state_out(self) -> StateOut:
        """The present state."""
        return state_out(*self._known())

    def _known(self) -> Known:
        state = self.engine.state()
        threshold = looked(self.threshold.now, self.clock_s(), state.session)
        told = (state, self.control.standing, self.journal_ok, self.engine.prescription())
        return *told, threshold, self.alternating

    async def button_tried(self) -> bool:
        """Whether the red button was tried today, by the date of this machine's clock (``controller/button.py``)."""
        today = utc_now()[: len("2027-03-15")]
        days = date.fromisoformat(today), date.fromisoformat(today)
        return tried(await asyncio.to_thread(self.journal.rows, Kind.STATE, Kind.CAUSE, days=days), today)

    def unpair(self, id_: str, by: str) -> Future[Row] | None:
        """Ends a phone's pairing; None when there is no such phone. A clinician's leaves no key of hers open."""
        row, phone = self.devices.revoke(id_, by), self.devices.get(id_)
        if phone is not None and phone.role is Role.CLINICIAN:
            self.keys.lock()
        return row

    async def settle(self, row: Future[Row]) -> None:
        """Waits until a row is durable. Raises JournalError when it is not."""
        await asyncio.wrap_future(row)

    def note_control(self, device: Device, what: str, result: str = "done") -> None:
        """Journals a change of control, or the code of its refusal; nobody waits for it."""
        standing = self.control.standing
        told = {"what": f"control_{what}", "holder": standing.holder, "asking": standing.asking, "result": result}
        self.note(Kind.COMMAND, who=device.id, role=str(device.role), **told)

    async def command(
        self,
        device: Device,
        what: str,
        ask: Callable[[], Future[T]],
        *,
        may: Callable[[], None] = lambda: None,
        towards_output: bool = False,
        **fields: object,
    ) -> T:
        """Has the guard do something, and journals who asked for it and what came of it. ``may`` refuses by raising.

        What leads towards output is journalled before; a journal that cannot be written refuses it. Whatever leads
        away from output is done first, and is done also when the disk is full.
        """
        told = {"who": device.id, "role": str(device.role), "what": what, **fields}
        try:
            may()
            if towards_output:
                await self.settle(self.note(Kind.COMMAND, **told, result="asked"))
            self.figures.commands += 1
            answer = await asyncio.shield(asyncio.wrap_future(ask()))
        except PelviStimError as refused:
            await self._told(**told, result=refused.code)
            raise
        await self._told(**told, result="done")
        return answer

    async def _told(self, **fields: object) -> None:
        """Journals what came of a command, and waits for that a while; a disk that does not take it changes nothing."""
        row = asyncio.wrap_future(self.note(Kind.COMMAND, **fields))
        await asyncio.wait([row], timeout=JOURNAL_WITHIN_S)
        if row.done():
            row.exception()

    def _noted(self, row: Future[Row]) -> None:
        self.journal_ok = row.exception() is None

    def _stop_told(self, peer: str, stopped: Stopped) -> None:
        """After the answer to a stop is on its way."""
        self.figures.stops += 1
        self.figures.stops_not_confirmed += not stopped.confirmed
        result = "confirmed" if stopped.confirmed else "not_confirmed" if stopped.taken else "not_taken"
        self.note(Kind.COMMAND, who=peer, role="anyone", what="stop", result=result)
