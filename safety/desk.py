"""The desk: what the app asks comes in here, and the answer goes out.

One app at a time. Whether the moment allows a request is the interlock's business, what is asked is the session's;
here a message is read, put to both, and answered with its reason and where the guard stands.
"""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final, Protocol

from hw.clock import Clock
from safety import lease, limits, link
from safety.decode import Refusal
from safety.errors import LinkError
from safety.interlock import Mode, Request, State
from safety.peer import Peer, allowed, turn_away
from safety.prescribed import THRESHOLD, Prescribed, read_prescribed
from safety.seal import JournalHead, SealError
from safety.session import Session
from safety.signer import Signer
from safety.supply import Approved, Supply

_READ: Final = object()


class Port(Protocol):
    """The guard, as the desk needs it."""

    @property
    def state(self) -> State: ...
    def check(
        self,
        now: int,
        request: Request | None = None,
        faults: tuple[str, ...] = (),
        *,
        clinician: bool = False,
        ramp_us: int = limits.RAMPED_STOP_MAX_US,
    ) -> bool: ...
    def status(self) -> dict[str, Any]: ...
    def write(self) -> bool: ...
    def zero_us(self, now: int) -> int: ...
    @property
    def signer(self) -> Signer: ...
    def verify(self, text: bytes, key: object, signature: object) -> Refusal | None: ...
    def enrolled(self) -> list[str]: ...
    def uncalibrated(self) -> str | None: ...


class Desk:
    """``folder``: where the app finds the socket; ``today``: this machine's own date; ``app_uid``: the app's user, if
    that is another than the guard's."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        session: Session,
        supply: Supply,
        guard: Port,
        today: Callable[[], date],
        full_scale_ua: int,
        app_uid: int | None,
    ) -> None:
        self._full_scale_ua, self._app_uid = full_scale_ua, app_uid
        self._clock, self._session, self._supply, self._guard, self._today = clock, session, supply, guard, today
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(folder / link.GUARD_SOCKET))
        self._listener.listen(1)
        self._clock.watch(self._listener.fileno())
        self._app: Peer | None = None
        self._left = False
        self._head: JournalHead | None = None
        self._sealing = self._anchors = False
        self._challenge: tuple[str, int] | None = None
        """The nonce for a threshold procedure, and when it was issued; good for one."""
        self._reading: tuple[bytes, Iterator[None]] | None = None

    @property
    def busy(self) -> bool:
        """Whether ``serve`` is to be called again as soon as can be: a long chunk is read a slice at a time, so that a
        check that is due comes between, and nothing that came after it is looked at before."""
        return self._reading is not None

    def misses_app(self) -> bool:
        """Whether no app is there, or one went since this was asked last: another may have come in its place."""
        left, self._left = self._left, False
        return left or self._app is None

    def lease_holds(self, now: int) -> bool:
        """Whether the person's page was heard of within the lease, as far as there is one. Issues what it must echo."""
        held = self._session.lease
        if held is None:
            return True
        if now >= held.due_us(now):
            self._session.lease, nonce = lease.issue(held, secrets.token_bytes(lease.NONCE_BYTES), now)
            self.tell("nonce", nonce=nonce)
        return not held.over(now)

    def serve(self, ready: list[int], now: int) -> None:
        """Takes what has come in. Who said nothing in time has lost the place."""
        if self._app is not None and self._app.is_silent(now):
            self._lose_app()
        if self._listener.fileno() in ready:
            self._accept()
        if self._reading is not None:
            self._read_on(self._reading, now)
        elif self._app is not None and self._app.fd in ready:
            self._listen(self._app, now)

    def tell(self, type_: str, **fields: object) -> None:
        """A message to the app, if there is one."""
        if self._app is not None and not self._app.send({"type": type_, **fields}):
            self._lose_app()

    def played(self, chunk: bytes) -> None:
        """A chunk began to play: it goes into the seal of the session that has a name."""
        if self._sealing:
            self._guard.signer.add(chunk)

    def seal(self, pulses_seen: int) -> dict[str, str] | None:
        """The seal of the session that is over; None when it had no name. Raises SealError, OSError."""
        sealing, self._sealing = self._sealing, False
        self._anchors = sealing
        return self._guard.signer.close(self._head, pulses_seen) if sealing else None

    def _lose_app(self) -> None:
        """The next check finds it missing and stops an open session."""
        if self._app is not None:
            self._app.close()
            self._app = self._reading = None
            self._left = True

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if not allowed(connection, self._app_uid):
            connection.close()
        elif self._app is not None:
            turn_away(connection)
        else:
            self._app = Peer(connection, self._clock)

    def _listen(self, app: Peer, now: int) -> None:
        try:
            data = app.receive()
        except LinkError:
            self._lose_app()
            self._guard.check(now)
            return
        if data[:1] == link.CHUNK_MARK and app.greeted:
            self._read_on((data, self._session.read_ahead(data[link.CHUNK_HEADER.size :])), now)
            return
        try:
            message = link.decode(data)
        except LinkError as error:
            self.tell("log", text=str(error))
            return
        if message["type"] == "journal" and app.greeted:
            self._told_head(_head(message), last=message.get("last") is True)
            return
        if message["type"] == "lease" and app.greeted:  # four a second, and no answer to each
            if self._session.lease is not None:
                self._session.lease, _ = lease.echo(self._session.lease, message.get("nonce"), now)
            return
        refusal = self._hello(app, message) if message["type"] == "hello" else self._asked(app, message, now)
        reason: dict[str, Any] = {} if refusal is None else {"code": refusal.code, "detail": refusal.detail}
        if refusal is not None and refusal.code == "rest_pending":
            reason["wait_us"] = self._session.rest_us(now)
        elif refusal is not None and refusal.code == "check_too_soon":
            reason["wait_us"] = self._session.check_wait_us(now)
        if message["type"] == "challenge" and refusal is None and self._challenge is not None:
            reason["challenge"] = self._challenge[0]
        if message["type"] == "hello" and refusal is None:
            reason["enrolled"] = self._guard.enrolled()
        self.tell("reply", re=message.get("id"), ok=refusal is None, **reason, **self._guard.status())

    def _hello(self, app: Peer, message: link.Message) -> Refusal | None:
        app.joins(message.get("channel"))
        if message.get("build") != link.build_id():
            return Refusal("other_build", f"app {message.get('build')}; guard {link.build_id()}")
        app.greeted = True
        return None

    def _asked(self, app: Peer, message: link.Message, now: int) -> Refusal | None:
        if not app.greeted:
            return Refusal("not_greeted", "say hello first")
        mode = self._guard.state.mode
        running = mode is Mode.RUNNING and self._guard.state.ending is None
        match message["type"]:
            case "status":
                if mode in (Mode.IDLE, Mode.STOPPED, Mode.LOCKOUT):
                    self._see_day(message.get("day"))
                return None
            case "acknowledge":
                return self._acknowledge(message, now)
            case "load" if mode in (Mode.IDLE, Mode.ARMED):
                return self._load(message, now)
            case "prescribe" if mode not in (Mode.SELF_TEST, Mode.ELECTRODE_CHECK, Mode.RUNNING, Mode.PAUSED):
                taken = self._take(message)
                return taken if isinstance(taken, Refusal) else None
            case "challenge" if mode in (Mode.IDLE, Mode.ARMED):
                self._challenge = (secrets.token_hex(lease.NONCE_BYTES), now)
                return None
            case "self_test":
                return self._request(Request.SELF_TEST, now)
            case "check_electrodes":
                return self._check_electrodes(now)
            case "start" if mode is Mode.ARMED:
                return self._start(message, now)
            case "resume" if mode is Mode.PAUSED:
                return self._resume(now)
            case "end" if mode in (Mode.PAUSED, Mode.ARMED):
                return self._request(Request.END, now)
            case "pause" | "end" as wish if running:
                return self._ramp(Request(wish), message, now)
            case "raise" if running:
                return self._session.not_heard(now) or self._session.raise_(message)
            case "lower" if mode is Mode.RUNNING:
                return self._lower(message)
            case "load" | "prescribe" | "challenge" | "start" | "resume" | "pause" | "end" | "raise" | "lower":
                return self._not_now()
        return Refusal("link_unknown", f"no message of type {message['type']!r}")

    def _request(self, request: Request, now: int, faults: tuple[str, ...] = ()) -> Refusal | None:
        return None if self._guard.check(now, request, faults) else self._not_now()

    def _check_electrodes(self, now: int) -> Refusal | None:
        """A calibration that has run out since the self-test stops it."""
        refusal = self._session.not_checkable(now)
        if refusal is None:
            over = self._guard.uncalibrated()
            refusal = self._request(Request.CHECK, now, () if over is None else (over,))
        if refusal is None:
            self._session.checked_us = now
        return refusal

    def _not_now(self) -> Refusal:
        state = self._guard.state
        return Refusal("not_now", f"the guard is {state.mode}, cause {state.cause}")

    def _take(self, message: link.Message) -> Prescribed | Refusal:
        """A signed prescription: verified, read, and noted on disk when it is newer than the one in force."""
        text = message.get("prescription")
        if not isinstance(text, str):
            return Refusal("link_malformed", "prescription: allowed: its canonical text")
        data = text.encode("ascii", "replace")  # what is not ASCII was never signed
        refusal = self._guard.verify(data, message.get("key"), message.get("signature"))
        asked = refusal or read_prescribed(data, self._full_scale_ua)
        if isinstance(asked, Refusal):
            return asked
        asked = replace(asked, key=message["key"])
        session, before = self._session, self._session.record
        changed = session.open_day(message.get("day"), self._today())
        refusal = session.take(asked, self._guard.signer.device, self._today())
        if (changed or session.record != before) and not self._guard.write():
            session.record = before
            return Refusal("ledger_not_written", "the record could not be written")
        return refusal or asked

    def _see_day(self, day: object) -> None:
        """Each day that comes is known from then on, whatever a clock says later: nothing that ran out holds again."""
        if self._session.see_day(day, self._today()):
            self._guard.write()  # a card that takes nothing refuses each start; until then what is known is kept here

    def _load(self, message: link.Message, now: int) -> Refusal | None:
        """A programme and the prescription it is of; what was armed before was armed for another."""
        asked = self._take(message)
        if isinstance(asked, Refusal):
            return asked
        until_us = None
        if asked.kind == THRESHOLD:
            known, self._challenge = self._challenge, None
            if known is None or asked.nonce != known[0] or now - known[1] >= limits.THRESHOLD_MAX_US:
                return Refusal("challenge_wrong", "a threshold procedure is signed anew each time, within 15 minutes")
            until_us = known[1] + limits.THRESHOLD_MAX_US
        refusal = self._session.load(message.get("programme"), asked, now, until_us)
        if refusal is None and self._guard.state.mode is Mode.ARMED:
            return self._request(Request.END, now)
        return refusal

    def _start(self, message: link.Message, now: int) -> Refusal | None:
        """The debit is on disk before anything can come out, and is taken back when nothing may."""
        session, guard = self._session, self._guard
        stale = self._session.not_heard(now)
        if stale is not None:
            return stale
        if session.open_day(message.get("day"), self._today()) and not guard.write():
            return Refusal("ledger_not_written", "the record could not be written")
        before = session.record
        debited = session.debit(now, self._today())
        if isinstance(debited, Refusal):
            return debited
        session.record = debited
        if not guard.write():
            session.record = before
            return Refusal("ledger_not_written", "the record could not be written")
        now = self._clock.now()  # a slow disk took its time
        refusal = session.not_heard(now)
        if refusal is None:
            session.begin(now)
            if guard.check(now, Request.START) and guard.state.output:
                self._begin_seal(message)
                return None
            refusal = self._not_now()
        session.not_started(before, guard.state.cause, guard.state.locked_by)
        guard.write()
        return refusal

    def _told_head(self, head: JournalHead | None, *, last: bool) -> None:
        """Where the journal stands. With the last word on a session that was sealed this is sealed too, once."""
        if head is None:
            return
        self._head = head
        if last and self._anchors and not self._guard.state.output:
            self._anchors = False
            try:
                self.tell("sealed", **self._guard.signer.anchor(head))
            except OSError as error:
                self.tell("log", text=f"the journal's head was not sealed: {error}")

    def _begin_seal(self, message: link.Message) -> None:
        """A session that has a name and a journal behind it is sealed at its end."""
        name, self._head = message.get("session"), _head(message)
        self._sealing = isinstance(name, str) and self._head is not None
        if isinstance(name, str) and self._head is not None:
            self._guard.signer.begin(name, self._head, self._session.plan_sha256)

    def _resume(self, now: int) -> Refusal | None:
        stale = self._session.not_heard(now)
        if stale is not None:
            return stale
        self._session.resume(now)
        return self._request(Request.RESUME, now)

    def _lower(self, message: link.Message) -> Refusal | None:
        """A lower set-point, at once: what waits was compiled for the old one and is taken back."""
        refusal = self._session.lower(message)
        if refusal is None:
            self._session.withdraw(self._supply.withdraw())
        return refusal

    def _ramp(self, request: Request, message: link.Message, now: int) -> Refusal | None:
        """Pause or end from session time ``at_us`` on, or (without it) from where nothing was sent yet."""
        at_us, zero_us = message.get("at_us"), None
        if at_us is None:
            self._session.withdraw(self._supply.withdraw())
            at_us, zero_us = self._session.next_us, self._guard.zero_us(now)
        refusal = self._session.ends(at_us, zero_us)
        if refusal is not None:
            return refusal
        ramp_us = (self._session.progress.zero_us or 0) - self._guard.zero_us(now) + limits.RAMPED_STOP_MAX_US
        return None if self._guard.check(now, request, ramp_us=ramp_us) else self._not_now()

    def _acknowledge(self, message: link.Message, now: int) -> Refusal | None:
        """A person has read the cause. While anything dangerous holds nothing changes."""
        state = self._guard.state
        if not state.stopped:
            return Refusal("nothing_latched", f"the guard is {state.mode}")
        clinician = message.get("role") == "clinician"
        if state.locked_by is not None and not clinician:
            return Refusal("clinician_needed", f"locked by {state.locked_by}")
        self._guard.check(now, Request.ACKNOWLEDGE, clinician=clinician)
        if self._guard.state.stopped:
            return Refusal("still_present", f"{self._guard.state.cause}")
        self._session.acknowledged()
        self._guard.write()
        self.tell("log", text=f"acknowledged: {state.cause}")
        return None

    def _read_on(self, reading: tuple[bytes, Iterator[None]], now: int) -> None:
        """Reads one slice of a chunk; judges it when that was the last."""
        self._reading = reading
        data, slices = reading
        if next(slices, _READ) is _READ:
            self._reading = None
            self._chunk(data, now)

    def _chunk(self, data: bytes, now: int) -> None:
        """Has one chunk judged. One for an older set-point is compiled again; any other refusal ends the session."""
        number = 0
        running = self._guard.state.mode is Mode.RUNNING
        try:
            _, revision, number, start_us = link.CHUNK_HEADER.unpack_from(data)
        except struct.error:
            verdict: Any = Refusal("malformed", f"a chunk of {len(data)} bytes")
        else:
            pulses = data[link.CHUNK_HEADER.size :]
            if not running:
                verdict = self._not_now()
            elif self._supply.full:
                verdict = Refusal("too_many", "one chunk waits already")
            else:
                verdict = self._session.judge(start_us, revision, pulses, now)
        if isinstance(verdict, Refusal):
            self.tell("refused", number=number, code=verdict.code, detail=verdict.detail, **self._guard.status())
            if verdict.code != "stale_set_point" and running:
                self._guard.check(now, faults=("gate_refused",))
            return
        self._supply.offer(Approved(number, start_us, pulses, verdict.chunk, self._session.progress))
        self._session.progress = verdict.progress


def _head(message: link.Message) -> JournalHead | None:
    """Where the app's journal stands, as a message tells it; None when it does not."""
    row, digest = message.get("journal_row"), message.get("journal_hash")
    if type(row) is not int or not isinstance(digest, str):
        return None
    try:
        return JournalHead(row, digest)
    except SealError:
        return None
