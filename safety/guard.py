"""The guard process: owns the pins, has every chunk judged, looks at its lines every 20 ms, and stops.

One loop in one thread, beside the stop thread. What it decides is decided by the pure modules (``interlock``, ``gate``,
``setpoint``, ``ledger``); here is only what they need done: reading lines, sending waves, answering the app, keeping
the record. KEEPALIVE toggles once for each check in which all was well, with the next reading of the lines.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from hw.board import Board
from hw.clock import Clock
from hw.panel import Panel
from hw.pulses import DaemonLost, PulseOutput, StopLines, connect
from safety import interlock, limits, link
from safety.alone import alone
from safety.decode import Lines, Refusal
from safety.errors import BoardError, LinkError
from safety.interlock import Action, Inputs, Mode, Request
from safety.peer import Peer, allowed, turn_away
from safety.schedule import CHANNELS
from safety.session import Session
from safety.stop import WAKE_CHANNEL, StopThread
from safety.store import Store
from safety.supply import Approved, Supply

CALL_TIMEOUT_S: Final = 0.1
STOP_CALL_TIMEOUT_S: Final = 0.01
STARVED_US: Final = 300_000
"""An app that hands over nothing for so long is taken to be frozen: output would come back out of a silence."""
LOOK_AGAIN_US: Final = 500
"""A chunk may end a little later than believed; look again this soon, but never spin."""


@dataclass(frozen=True)
class Timeouts:
    """How long a call to the daemon may take, in s of wall time; a later answer is a lost daemon."""

    call_s: float = CALL_TIMEOUT_S
    stop_s: float = STOP_CALL_TIMEOUT_S


class Guard:
    """The loop and all it holds. ``make_clock`` gives a clock for a participant's name; each thread has its own.

    ``runtime``: folder of its sockets; ``state``: folder of its record; ``today``: this machine's own date. Raises
    LinkError when another guard uses one of the folders or the daemon, BoardError when the daemon is not there or not
    as it must be.
    """

    def __init__(
        self,
        board: Board,
        host: str,
        port: int,
        runtime: Path,
        state: Path,
        make_clock: Callable[[str], Clock],
        today: Callable[[], date],
        timeouts: Timeouts,
    ) -> None:
        self._locks = alone(runtime, state, host, port)  # before the daemon is touched, and for life
        self._board, self._where, self._timeouts, self._today = board, (host, port), timeouts, today
        self._estop = tuple((board[name].mask, bool(board[name].safe)) for name in ("ESTOP_A", "ESTOP_B"))
        self._pulses: PulseOutput | None = None
        lines = StopLines(connect(host, port, timeouts.stop_s), board)
        self._stop = StopThread(runtime, lines, lambda: make_clock("guard.stop"))
        self._stop.start()
        self._stop.ready.wait()
        self._stops_seen = 0
        self._lost = False
        self._leaving = threading.Event()
        self.left = threading.Event()
        """Set when ``run`` has ended."""
        self._take_daemon()
        self._supply = Supply()
        self._panel = Panel(host, port, board, timeouts.call_s)
        self._clock = make_clock("guard")
        self._clock.watch(self._stop.wake)
        self._wakes = self._clock.tally(WAKE_CHANNEL)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(runtime / link.GUARD_SOCKET))
        self._listener.listen(1)
        self._clock.watch(self._listener.fileno())
        self._app: Peer | None = None
        self._store = Store(state)
        now = self._clock.now()
        names = ("A_POS", "A_NEG", "B_POS", "B_NEG", "DAC_SDI", "DAC_SCK", "DAC_CS_N")
        self._session = Session(
            Lines(*(board[name].mask for name in names)), board.full_scale_ua, self._store.read(), now
        )
        self._state = interlock.State()
        if not self._session.record.clean:
            self._state, _ = interlock.step(self._state, Inputs(False, False, ("guard_restarted",)), now)
        self._keepalive = 0
        self._good = False
        self._measured = dict.fromkeys(CHANNELS, 0)
        self._confirmed: bool | None = None
        self._told: tuple[object, ...] = ()
        self._fed_us = now
        self._next_check = now

    # --- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Runs until killed or until ``leave``. What it raises, after a stop, must end the process, and KEEPALIVE."""
        try:
            self._loop()
        except DaemonLost:
            raise
        except Exception:
            self._check(self._clock.now(), faults=("internal_error",))
            raise
        finally:
            self.left.set()

    def leave(self) -> None:
        """Ends ``run`` after the check that carries out the next stop (called by another thread, which then stops)."""
        self._leaving.set()

    def _loop(self) -> None:
        while not (self._leaving.is_set() and self._state.stopped and not self._stopping()):
            ready = self._clock.wait(self._wake_us())
            now = self._clock.now()
            if self._stop.wake in ready:
                self._wakes.received += len(os.read(self._stop.wake, 64))
                self._check(now, faults=("daemon_lost",) if self._stop.lost else ())
            if self._listener.fileno() in ready:
                self._accept()
            if self._app is not None and self._app.fd in ready:
                self._listen(self._app, now)
            if now >= self._next_check:
                self._next_check = max(self._next_check + limits.CHECK_INTERVAL_US, now)
                self._check(now)
            if self._state.mode is Mode.RUNNING and self._supply.due(now):
                self._play(now)

    def _wake_us(self) -> int:
        wake = self._supply.wake_us() if self._state.mode is Mode.RUNNING else None
        return self._next_check if wake is None else min(self._next_check, max(wake, self._clock.now() + LOOK_AGAIN_US))

    def _check(self, now: int, request: Request | None = None, faults: tuple[str, ...] = ()) -> bool:
        """One check: read the lines, step, act. Gives whether ``request`` was taken. ``faults`` are causes found since
        the last check. KEEPALIVE is toggled for a check before, if all was well in it, together with the reading."""
        contacts: list[bool | None] = [None, None]
        self._lost = self._lost or self._stop.lost
        try:
            bank = self._read_lines()
            contacts = [bool(bank & mask) is not safe for mask, safe in self._estop]
        except BoardError as error:
            if self._broken_by_stop():
                contacts = [False, False]  # not absent evidence: the next check reads again on a new connection
            else:
                faults = (*faults, self._note(error))
        if self._app is not None and self._app.is_silent(now):
            self._lose_app()
        if self._app is None and self._state.deadline_us is not None:
            faults = (*faults, "app_lost")
        if self._is_starved(now):
            faults = (*faults, "app_late")
        inputs = Inputs(contacts[0], contacts[1], faults, self._stopping(), self._supply.drained, request)
        self._state, actions = interlock.step(self._state, inputs, now)
        if inputs.stop and self._stop.done == self._stop.asked:
            self._stops_seen, self._confirmed = self._stop.done, self._stop.confirmed
        try:
            for action in actions:
                self._act(action, now)
        except BoardError as error:
            self._fault(now, error)
        self._good = not self._state.stopped
        self._show()
        if self._lost:
            raise DaemonLost("the daemon was lost: its answers can no longer be trusted")
        return Action.REFUSE not in actions

    def _read_lines(self) -> int:
        """The bank; with it KEEPALIVE is toggled, once for each check in which all was well."""
        if not self._good:
            return self._daemon().bank()
        self._good = False
        self._keepalive ^= 1
        return self._daemon().toggle_and_bank("KEEPALIVE", self._keepalive)

    def _is_starved(self, now: int) -> bool:
        """Whether the app has handed over nothing to play for too long, though the session runs."""
        if self._state.mode is not Mode.RUNNING or self._state.ending is not None or not self._supply.drained:
            self._fed_us = now
        return now - self._fed_us > STARVED_US

    def _stopping(self) -> bool:
        """Whether a stop was asked for that is not carried through, or not yet seen by the interlock."""
        return self._stop.asked != self._stops_seen

    def _act(self, action: Action, now: int) -> None:
        match action:
            case Action.STOP_NOW:
                self._halt()
            case Action.ENABLE:
                self._confirmed = None
                self._daemon().write("OUTPUT_ENABLE", 1)
                self._supply.open(now)
            case Action.DISABLE:
                self._daemon().write("OUTPUT_ENABLE", 0)
            case Action.CLOSE_SESSION:
                self._session.close(self._state.cause, now)
                self._write()
            case Action.BEGIN_RAMP | Action.REFUSE:
                pass

    def _halt(self) -> None:
        """Everything safe on the loop's own connection, and read back. What fails here, KEEPALIVE's end makes good."""
        self._session.withdraw(self._supply.withdraw())
        self._supply.abandon()
        self._confirmed = None
        if self._broken_by_stop():
            return  # the stop thread is at it
        try:
            pulses = self._daemon()
            pulses.halt()
            pulses.forget()
            self._confirmed = pulses.safe()
        except BoardError as error:
            self._confirmed = False
            self._note(error)

    def _fault(self, now: int, error: BoardError) -> None:
        """A board fault outside the reading of lines."""
        if not self._broken_by_stop():
            self._check(now, faults=(self._note(error),))

    def _note(self, error: BoardError) -> str:
        """Takes down a board fault and gives its cause. A lost daemon ends the guard after this check."""
        self._lost = self._lost or isinstance(error, DaemonLost)
        self._tell("log", text=str(error))
        return error.code

    def _broken_by_stop(self) -> bool:
        """Whether a stop is under way: it breaks the loop's connection, and a new one is made after it."""
        if self._stopping():
            self._pulses = None
            return True
        return False

    def _daemon(self) -> PulseOutput:
        """The loop's own output; a new one after a stop broke it, none any more once the daemon was lost."""
        if self._lost:
            raise DaemonLost("the daemon was lost")
        if self._pulses is None:
            self._take_daemon()
        assert self._pulses is not None
        return self._pulses

    def _take_daemon(self) -> None:
        if self._stop.sender is not None:
            self._stop.sender.close()
        pulses = PulseOutput(connect(*self._where, self._timeouts.call_s), self._board)
        self._stop.sender = pulses
        pulses.take_over()
        self._pulses = pulses

    def _play(self, now: int) -> None:
        """Sends what is due, and tells the app which chunks began."""
        try:
            began = self._supply.run(self._daemon(), now, expects_more=self._state.ending is None)
            if began:
                self._measure()
        except BoardError as error:
            self._fault(now, error)
            return
        for sent in began:
            self._tell("started", number=sent.approved.number, began_us=sent.began_us, **self._status())

    def _measure(self) -> None:
        """Reads and empties the peak holds as a chunk begins: what they hold came from the chunks before it."""
        if self._session.plan is not None:
            for channel in self._session.plan.schedule.channels():
                self._measured[channel] = self._panel.peak_ua(channel)
            self._daemon().blip("PEAK_RESET")

    def _show(self) -> None:
        """Lights, and a message to the app, when the state is another than last told."""
        now = (self._state.mode, self._state.cause, self._confirmed)
        if now == self._told:
            return
        self._told = now
        mode = self._state.mode
        try:
            self._panel.show(ready=mode is Mode.IDLE, output=self._state.output, fault=self._state.stopped)
        except BoardError as error:
            self._note(error)
        self._tell("state", **self._status())

    def _write(self) -> bool:
        """Writes the record; whether it is on disk."""
        try:
            self._store.write(self._session.record)
        except OSError as error:
            self._tell("log", text=f"the ledger was not written: {error}")
            return False
        return True

    # --- what the app asks ----------------------------------------------------------------------------------------

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if not allowed(connection):
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
            self._check(now)
            return
        if data[:1] == link.CHUNK_MARK and app.greeted:
            self._chunk(data, now)
            return
        try:
            message = link.decode(data)
        except LinkError as error:
            self._tell("log", text=str(error))
            return
        refusal = self._hello(app, message) if message["type"] == "hello" else self._asked(app, message, now)
        reason: dict[str, Any] = {} if refusal is None else {"code": refusal.code, "detail": refusal.detail}
        if refusal is not None and refusal.code == "rest_pending":
            reason["wait_us"] = self._session.rest_us(now)
        self._tell("reply", re=message.get("id"), ok=refusal is None, **reason, **self._status())

    def _hello(self, app: Peer, message: link.Message) -> Refusal | None:
        app.joins(message.get("channel"))
        if message.get("build") != link.build_id():
            return Refusal("other_build", f"app {message.get('build')}; guard {link.build_id()}")
        app.greeted = True
        return None

    def _asked(self, app: Peer, message: link.Message, now: int) -> Refusal | None:
        if not app.greeted:
            return Refusal("not_greeted", "say hello first")
        mode = self._state.mode
        match message["type"]:
            case "status":
                return None
            case "acknowledge":
                return self._acknowledge(now)
            case "load" | "start" if mode is not Mode.IDLE:
                return self._not_now()
            case "load":
                return self._session.load(message)
            case "start":
                return self._start(message, now)
            case "end" if mode is Mode.PAUSED:
                return None if self._check(now, Request.END) else self._not_now()
            case "pause" | "end" as wish if mode is Mode.RUNNING and self._state.ending is None:
                return self._ramp(Request(wish), message, now)
            case "resume" if mode is Mode.PAUSED:
                self._session.resume(now)
                return None if self._check(now, Request.RESUME) else self._not_now()
            case "raise" if mode is Mode.RUNNING and self._state.ending is None:
                return self._session.raise_(message)
            case "lower" if mode is Mode.RUNNING:
                return self._lower(message)
            case "pause" | "end" | "resume" | "raise" | "lower":
                return self._not_now()
        return Refusal("link_unknown", f"no message of type {message['type']!r}")

    def _not_now(self) -> Refusal:
        return Refusal("not_now", f"the guard is {self._state.mode}, cause {self._state.cause}")

    def _start(self, message: link.Message, now: int) -> Refusal | None:
        """The debit is on disk before anything can come out, and is taken back when nothing may."""
        session = self._session
        if session.open_day(message.get("day"), self._today()) and not self._write():
            return Refusal("ledger_not_written", "the record could not be written")
        before = session.record
        debited = session.debit(now)
        if isinstance(debited, Refusal):
            return debited
        session.record = debited
        if not self._write():
            session.record = before
            return Refusal("ledger_not_written", "the record could not be written")
        session.begin(now)
        if self._check(now, Request.START) and self._state.output:
            return None
        session.record = replace(before, cause=self._state.cause)
        self._write()
        return self._not_now()

    def _lower(self, message: link.Message) -> Refusal | None:
        """A lower set-point, at once: what waits was compiled for the old one and is taken back."""
        refusal = self._session.lower(message)
        if refusal is None:
            self._session.withdraw(self._supply.withdraw())
        return refusal

    def _ramp(self, request: Request, message: link.Message, now: int) -> Refusal | None:
        """Pause or end from session time ``at_us`` on, or (without it) from where nothing was sent yet."""
        at_us = message.get("at_us")
        if at_us is None:
            self._session.withdraw(self._supply.withdraw())
            at_us = self._session.next_us
        refusal = self._session.ends(at_us)
        if refusal is None and not self._check(now, request):
            refusal = self._not_now()
        return refusal

    def _acknowledge(self, now: int) -> Refusal | None:
        """A person has read the cause. While anything dangerous holds nothing changes."""
        cause = self._state.cause
        if not self._state.stopped:
            return Refusal("nothing_latched", f"the guard is {self._state.mode}")
        self._check(now, Request.ACKNOWLEDGE)
        if self._state.stopped:
            return Refusal("still_present", f"{self._state.cause}")
        self._session.record = replace(self._session.record, clean=True, cause=None)
        self._write()
        self._tell("log", text=f"acknowledged: {cause}")
        return None

    def _chunk(self, data: bytes, now: int) -> None:
        """Has one chunk judged. One for an older set-point is compiled again; any other refusal ends the session."""
        number = 0
        try:
            _, revision, number, start_us = link.CHUNK_HEADER.unpack_from(data)
        except struct.error:
            verdict: Any = Refusal("malformed", f"a chunk of {len(data)} bytes")
        else:
            pulses = data[link.CHUNK_HEADER.size :]
            if self._state.mode is not Mode.RUNNING:
                verdict = self._not_now()
            elif self._supply.full:
                verdict = Refusal("too_many", "one chunk waits already")
            else:
                verdict = self._session.judge(start_us, revision, pulses, now)
        if isinstance(verdict, Refusal):
            self._tell("refused", number=number, code=verdict.code, detail=verdict.detail, **self._status())
            if verdict.code != "stale_set_point" and self._state.mode is Mode.RUNNING:
                self._check(now, faults=("gate_refused",))
            return
        self._supply.offer(Approved(number, start_us, pulses, verdict.chunk, self._session.progress))
        self._session.progress = verdict.progress

    # --- what the app is told -------------------------------------------------------------------------------------

    def _status(self) -> dict[str, Any]:
        set_point = self._session.progress.set_point
        return {
            "mode": self._state.mode,
            "cause": self._state.cause,
            "ending": self._state.ending,
            "confirmed": self._confirmed,
            "now_us": self._clock.now(),
            "next_us": self._session.progress.session_us,
            "revision": set_point.revision,
            "set_point_ua": dict(zip(CHANNELS, set_point.values_ua, strict=True)),
            "measured_ua": self._measured,
            "pulses": self._supply.sent_pulses,
            "net_code_us": self._supply.net_code_us,
            "underruns": self._supply.underruns,
        }

    def _tell(self, type_: str, **fields: object) -> None:
        if self._app is not None and not self._app.send({"type": type_, **fields}):
            self._lose_app()

    def _lose_app(self) -> None:
        """The next check finds it missing and stops an open session."""
        if self._app is not None:
            self._app.close()
            self._app = None
