"""The guard process: owns the pins, looks at everything every 20 ms, has every chunk judged, and stops.

One loop in one thread, beside the stop thread. What it decides is decided by the pure modules (``interlock``,
``watch``, ``edges``, ``gate``, ``setpoint``, ``lease``, ``ledger``); here is only what they need done. KEEPALIVE
toggles once for each check in which all was well, with the next reading. What the app asks comes in by ``desk``.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from hw.board import Board
from hw.clock import Clock
from hw.pulses import StopLines
from hw.wire import DaemonLost, connect
from safety import electrode, interlock, limits, selftest, window
from safety.alone import alone
from safety.decode import Refusal
from safety.desk import Desk
from safety.edges import STOP_US, Edges
from safety.enrolled import enrolled, verify
from safety.errors import BoardError
from safety.instruments import Instruments, figures
from safety.interlock import Action, Inputs, Mode, Request
from safety.job import Job
from safety.ledger import latest
from safety.lookout import Lookout
from safety.seal import SealError
from safety.session import Session
from safety.signer import Signer
from safety.standing import standing
from safety.stop import WAKE_CHANNEL, StopThread
from safety.store import Store
from safety.supply import Sent, Supply

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

    ``runtime``: folder of its sockets; ``state``: folder of its record; ``today``: this machine's own date;
    ``calibrated``: what is wrong with the board's calibration on a day (``safety/calibration.py``), None if nothing;
    ``checked``: is called after each check in which everything could be read, also while a cause is latched (a guard
    that shows why it has stopped does its work: to end it would only begin the next one, with the same latch);
    ``app_uid``: the app's user, where that is another. Raises LinkError when another guard uses one of the folders or
    the daemon, BoardError when the daemon is not there or not as it must be.
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
        calibrated: Callable[[date], str | None],
        checked: Callable[[], None] = lambda: None,
        app_uid: int | None = None,
    ) -> None:
        self._locks = alone(runtime, state, host, port)  # before the daemon is touched, and for life
        self._board, self._checked, self._calibrated, self._today = board, checked, calibrated, today
        self._estop = tuple((board[name].mask, bool(board[name].safe)) for name in ("ESTOP_A", "ESTOP_B"))
        self._output = board.mask("OUTPUT_ENABLE", "A_POS", "A_NEG", "B_POS", "B_NEG")
        self._stop = StopThread(
            runtime, StopLines(connect(host, port, timeouts.stop_s), board), lambda: make_clock("guard.stop")
        )
        self._stop.start()
        self._stop.ready.wait()
        self._stops_seen = 0
        self._lost = self._broken = False
        self._why = ""
        self._leaving = threading.Event()
        self.left = threading.Event()
        """Set when ``run`` has ended."""
        edges = Edges(figures(board).seven, board["OUTPUT_ENABLE"].mask)
        self._clock = make_clock("guard")
        self._supply = Supply(edges, self._clock.now)
        self._clock.watch(self._stop.wake)
        self._wakes = self._clock.tally(WAKE_CHANNEL)
        self._tools = Instruments(
            board, (host, port), timeouts.call_s, self._clock, self._supply, edges, self._stop.breaks
        )
        self._clock.watch(self._tools.notices.fd)
        self._lookout = Lookout(board, self._supply, self._clock)
        now = self._clock.now()
        self._store, self._folder = Store(state), state
        self.signer = Signer(state)
        self._session = Session(self._tools.figures.seven, board.full_scale_ua, self._store.read(), now)
        self._desk = Desk(runtime, self._clock, self._session, self._supply, self, today, board.full_scale_ua, app_uid)
        self.state = interlock.found(self._session.record.found())
        self._job = Job(now)
        self._cut_known_us: int | None = None
        self._good = self._rearm = self._untidy = False
        self._passed: bool | None = None
        self._confirmed: bool | None = None
        self._told: tuple[object, ...] = ()
        self._fed_us = now
        self._next_check = self._due = now

    # --- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Runs until killed or until ``leave``. What it raises, after a stop, must end the process, and KEEPALIVE."""
        try:
            self._loop()
        except DaemonLost as error:
            if not self._lost:  # its clock, which asks the daemon for the time, found it first
                self.check(self._clock.now(), faults=(self._note(error),))
            raise
        except Exception:
            self.check(self._clock.now(), faults=("internal_error",))
            raise
        finally:
            self.left.set()

    def leave(self) -> None:
        """Ends ``run`` after the check that carries out the next stop (called by another thread, which then stops)."""
        self._leaving.set()

    def _loop(self) -> None:
        while not (self._leaving.is_set() and self.state.stopped and not self._stopping()):
            try:
                ready = self._clock.wait(self._wake_us())
            except BoardError as error:  # it asks the daemon for its tick: a daemon lost there is named as elsewhere
                self.check(self._clock.now(), faults=(self._note(error),))
                raise
            now = self._clock.now()
            if self._stop.wake in ready:
                self._wakes.received += len(os.read(self._stop.wake, 64))
                self.check(now, faults=("daemon_lost",) if self._stop.lost else ())
            overdue = self._overdue_us()
            if self._tools.notices.fd in ready or (overdue is not None and now >= overdue):
                self._notified(now)
            self._desk.serve(ready, now)
            now = self._clock.now()  # a slow disk may have taken its time
            if now >= self._next_check:
                self.check(now)
                self._due, self._next_check = window.next_check_us(self._supply.played, self._due, now)
            if self._job.wake_us is not None and now >= self._job.wake_us:
                self._go_on(now)
            if self.state.mode is Mode.RUNNING and self._supply.due(now):
                self._play(now)
            if self._untidy:
                self._tidy()

    def _wake_us(self) -> int:
        if self._desk.busy:
            return self._clock.now()
        until = self._next_check if self._job.wake_us is None else min(self._next_check, self._job.wake_us)
        overdue = self._overdue_us()
        until = until if overdue is None else min(until, overdue)
        wake = self._supply.wake_us() if self.state.mode is Mode.RUNNING else None
        if wake is None or wake >= until:
            return until
        return min(until, max(wake, self._clock.now() + LOOK_AGAIN_US))

    def _overdue_us(self) -> int | None:
        """From when on an edge is missing, if none comes before: it is looked for then, not in the next check."""
        return self._tools.edges.overdue_us if self.state.output else None

    def check(
        self,
        now: int,
        request: Request | None = None,
        faults: tuple[str, ...] = (),
        *,
        clinician: bool = False,
        ramp_us: int = limits.RAMPED_STOP_MAX_US,
    ) -> bool:
        """One check: read everything, judge it, step, act. Gives whether ``request`` was taken.

        ``faults`` are causes found since the last check. KEEPALIVE is toggled for a check before, if all was well in
        it, together with the reading.
        """
        contacts: list[bool | None] = [None, None]
        self._lost = self._lost or self._stop.lost
        whole, live = False, self._confirmed is False
        try:
            bank, found = self._look(now)
            whole = True
            contacts = [bool(bank & mask) is not safe for mask, safe in self._estop]
            live = live or bool(bank & self._output)
            faults = (*faults, *found)
        except BoardError as error:
            if self._broken_by_stop():
                contacts = [False, False]  # not absent evidence: the next check reads again on a new connection
            else:
                faults = (*faults, self._note(error))
        except Exception:
            if "internal_error" not in faults:
                raise
            contacts = [False, False]  # it may be the looking itself that fails: that must keep nobody from the halt
        faults = (*faults, *self._app_faults(now))
        # a session is over when its last edges were seen too, else a pulse of it would count for nothing
        drained, passed = self._supply.drained and not self._tools.edges.expects, self._passed
        self._passed = None
        inputs = Inputs(
            contacts[0], contacts[1], faults, self._stopping(), drained, passed, request, clinician, ramp_us, live
        )
        self.state, actions = interlock.step(self.state, inputs, now)
        if inputs.stop and self._stop.done == self._stop.asked:
            self._stops_seen, self._confirmed = self._stop.done, self._stop.confirmed
        carry_out(actions, lambda action: self._act(action, now), lambda error: self._fault(now, error))
        self._good = not self.state.stopped
        self._record_cut(now)
        self._show()
        if self._lost and not self.state.stopped:  # the lights found it: the cause is told and recorded all the same
            self.check(now, faults=("daemon_lost",))
        if self._lost:
            raise DaemonLost(f"the daemon was lost, its answers can no longer be trusted: {self._why}")
        if whole:
            self._checked()
        return Action.REFUSE not in actions and not self.state.stopped

    def _look(self, now: int) -> tuple[int, tuple[str, ...]]:
        """Reads everything: the bank, and the causes that hold now."""
        good, self._good = self._good, False
        bank, found = self._lookout.look(
            self._instruments(),
            self.state,
            self._job.wait,
            now,
            self._due,
            good=good,
            begins=self._job.is_new,
            stopping=self._stopping,
        )
        return bank, (*found, "edges_differ") if self._edges_differ(now) else found

    def _app_faults(self, now: int) -> tuple[str, ...]:
        """What is wrong with the app, and with the person's end of the lease."""
        faults = []
        if self._desk.misses_app() and (self.state.deadline_us is not None or self.state.output):
            faults.append("app_lost")
        if self._is_starved(now):
            faults.append("app_late")
        if not self._desk.lease_holds(now):
            faults.append("lease_lost")
        if self._session.until_us is not None and now >= self._session.until_us:
            faults.append("threshold_over")
        return tuple(faults)

    def _is_starved(self, now: int) -> bool:
        """Whether the app has handed over nothing to play for too long, though the session runs."""
        if self.state.mode is not Mode.RUNNING or self.state.ending is not None or not self._supply.drained:
            self._fed_us = now
        return now - self._fed_us > STARVED_US

    def _stopping(self) -> bool:
        """Whether a stop was asked for that is not carried through, or not yet seen by the interlock."""
        return self._stop.asked != self._stops_seen

    # --- what a step asks for -------------------------------------------------------------------------------------

    def _act(self, action: Action, now: int) -> None:
        match action:
            case Action.STOP_NOW:
                self._halt()
                self._show()  # before anything is written: a disk may take its time
            case Action.STOP_AGAIN:
                self._lower()
            case Action.RESET_TRIP:
                self._rearm = True
            case Action.BEGIN_SELF_TEST:
                uncalibrated = self.uncalibrated()
                job = selftest.run(self._tools, self._tools.figures, now, rearm=self._rearm, uncalibrated=uncalibrated)
                self._job.begin(job, now)
                self._rearm = False
            case Action.BEGIN_CHECK:
                channels = self._session.plan.schedule.channels() if self._session.plan is not None else ()
                self._job.begin(electrode.run(self._tools, self._tools.figures, channels, now), now)
            case Action.ENABLE:
                self._confirmed = None
                self._session.cut(None, 0)
                self._lookout.begins(resumed=self._session.progress.resumed)
                if not self._session.progress.resumed:
                    self._tools.edges.count_anew()
                self._instruments().enable(True)
                self._supply.open(now)
            case Action.BEGIN_RAMP if self.state.ending_cause is not None:
                self._session.withdraw(self._supply.withdraw())
                self._session.ends(self._session.next_us, self.zero_us(now))
                self.tell("ramp", from_us=self._session.next_us, ramp_cause=self.state.ending_cause, **self.status())
            case Action.DISABLE:
                self._instruments().enable(False)
            case Action.CLOSE_SESSION:
                self._session.close(self.state.cause, now)
                if self._leaves:
                    self._session.acknowledged()
                self.write()
                self._seal()
                self._untidy = True
            case Action.RECORD if not self._leaves:
                self._session.latched(self.state.cause, self.state.locked_by)
                self.write()

    def _tidy(self) -> None:
        """Once after each session, and here only (``__main__.py``): frees what refers to itself, and what Python keeps
        to use again. Not while current may come out or a stop is under way or unconfirmed; makes no check late."""
        if self.state.output or self._stopping() or self._confirmed is False:
            return
        gc.collect()
        self._untidy = False
        self._due = max(self._due, self._clock.now())

    def uncalibrated(self) -> str | None:
        """What is wrong with the calibration now: a clock that was set back makes no record young again."""
        return self._calibrated(latest(self._session.record, self._today()))

    @property
    def _leaves(self) -> bool:
        """Whether it has stopped only because it was told to leave: nobody need acknowledge that."""
        return self._leaving.is_set() and self.state.cause == "person"

    def _seal(self) -> None:
        """Signs what was played, once the session is over. A disk that does not take it is told, and nothing else."""
        try:
            sealed = self._desk.seal(sum(one.pulses for one in self._tools.edges.came.values()))
        except (OSError, SealError) as error:
            self.tell("log", text=f"the session was not sealed: {error}")
            return
        if sealed is not None:
            self.tell("sealed", **sealed)

    def zero_us(self, now: int) -> int:
        """The session time that comes 500 ms from now: a ramp that is asked for now is at zero by then."""
        begins = self._supply.next_begins_us
        return self._session.next_us + limits.RAMPED_STOP_MAX_US - max(0, (begins or now) - now)

    def _halt(self) -> None:
        """Everything safe, and read back. What fails here the next check tries again; KEEPALIVE's end makes good."""
        self._job.drop()
        self._session.withdraw(self._supply.withdraw())
        self._confirmed = None
        self._lower()
        self._tools.stopped()
        halted_us = self._clock.now()  # a slow daemon takes its time until it is told
        self._cut_known_us = halted_us + STOP_US
        began = self._supply.abandon(halted_us)
        if began is not None:
            self._began(began)

    def _lower(self) -> None:
        """The halt itself."""
        if self._broken_by_stop():
            return  # the stop thread is at it
        try:
            self._confirmed = self._instruments().halt()
        except BoardError as error:
            if not self._broken_by_stop():  # else no daemon is lost, and the stop thread has the word on what is low
                self._confirmed = False
                self._note(error)

    def _record_cut(self, now: int) -> None:
        """The phase that a stop has cut, once its edges have come: into the record, and told."""
        if self._cut_known_us is None or now < self._cut_known_us or self._stopping():
            return
        self._cut_known_us, cut = None, self._tools.edges.cut
        if cut is not None:
            line = next(name for name, line in self._board.lines.items() if line.mask == cut.line)
            self._session.cut(line, cut.fell_us - cut.rose_us)
            self.write()
            self.tell("cut", **self.status())

    def _fault(self, now: int, error: BoardError) -> None:
        """A board fault outside a check."""
        if not self._broken_by_stop():
            self.check(now, faults=(self._note(error),))

    def _note(self, error: BoardError) -> str:
        """Takes down a board fault and gives its cause. A lost daemon ends the guard after this check."""
        self._lost = self._lost or isinstance(error, DaemonLost)
        self._why = self._why or str(error)
        self.tell("log", text=str(error))
        return error.code

    def _broken_by_stop(self) -> bool:
        """Whether a stop is under way: it breaks the loop's connection, and a new one is made after it."""
        if self._stopping():
            self._broken = True
            self._tools.stopped()
            return True
        return False

    def _instruments(self) -> Instruments:
        """The instruments, renewed after a stop broke the connection; none any more once the daemon was lost."""
        if self._lost:
            raise DaemonLost("the daemon was lost")
        if self._broken:
            self._tools.renew()
            self._broken = False
        return self._tools

    # --- self-test and electrode check ----------------------------------------------------------------------------

    def _go_on(self, now: int) -> None:
        """One step of the job under way; how it ended goes into a check of its own."""
        try:
            over = self._job.go_on(now)
        except BoardError as error:
            self._fault(now, error)
            return
        if over is not None:
            self.check(now, faults=self._over(over.result))

    def _over(self, result: Any) -> tuple[str, ...]:
        """Takes the result of a job: whether it passed, or the causes it found."""
        if self.state.mode is not Mode.SELF_TEST:
            self._passed, causes = self._job.found(result)
            return causes
        self._tools.stopped()  # what it did to the lines was asked by nobody else
        self._lookout.forget()
        self._passed = result is None
        return () if result is None else (result,)

    # --- what plays, and what is told -----------------------------------------------------------------------------

    def _play(self, now: int) -> None:
        """Sends what is due, and tells the app which chunks began."""
        try:
            began = self._supply.run(self._instruments().pulses, now, expects_more=self.state.ending is None)
        except BoardError as error:
            self._fault(now, error)
            return
        for sent in began:
            self._began(sent)

    def _began(self, sent: Sent) -> None:
        """A chunk has begun to play."""
        if not sent.joined:
            self._session.began(sent.approved.chunk.duration_us, sent.began_us)
        self._desk.played(sent.approved.data)
        self._lookout.chunk_began()
        self.tell("started", number=sent.approved.number, began_us=sent.began_us, **self.status())

    def _notified(self, now: int) -> None:
        """Takes notifications as they come; what is wrong with them stops at once. A stop that is under way does not
        break their connection: a daemon that closed it is lost, and would be heard of again and again until then."""
        try:
            differ = self._edges_differ(now)
        except BoardError as error:
            self.check(now, faults=(self._note(error),))
            return
        if differ:
            self.check(now, faults=("edges_differ",))

    def _edges_differ(self, now: int) -> bool:
        """Takes the notifications that have come. What a stop cuts is no difference, though it be seen before the loop
        hears of the stop."""
        if self._stopping():
            self._tools.stopped()
        wrong = self._tools.seen() or self._tools.edges.missing(now)
        if not wrong or self._stopping() or self.state.mode is Mode.SELF_TEST:
            return False
        self.tell("log", text=f"edges: {wrong}")
        return True

    def _show(self) -> None:
        """A message to the app, and lights, when the state is another than last told."""
        state = self.state
        now = (state.mode, state.cause, self._confirmed, state.ending, state.paused_by)
        if now == self._told:
            return
        self._told = now
        self.tell("state", **self.status())
        try:
            ready = state.mode in (Mode.IDLE, Mode.ARMED)
            self._tools.panel.show(ready=ready, output=state.output, fault=state.stopped)
        except BoardError as error:
            self._note(error)

    def tell(self, type_: str, **fields: object) -> None:
        """A message to the app, if there is one."""
        self._desk.tell(type_, **fields)

    def write(self) -> bool:
        """Writes the record; whether it is on disk. Never while current may come out: what a slow disk takes is no
        lateness of the next check."""
        try:
            self._store.write(self._session.record)
        except OSError as error:
            self.tell("log", text=f"the ledger was not written: {error}")
            return False
        finally:
            self._due = max(self._due, self._clock.now())
        return True

    def verify(self, text: bytes, key: object, signature: object) -> Refusal | None:
        """Whether a clinician who is enrolled here signed this."""
        return verify(self._folder, text, key, signature)

    def enrolled(self) -> list[str]:
        """The public keys of the clinicians who are, each a line as in its file."""
        return [key.line() for key in enrolled(self._folder)]

    def status(self) -> dict[str, Any]:
        """Where the guard stands (docs/decisions/0009-the-link.md)."""
        return standing(
            self.state,
            self._session,
            self._lookout,
            self._supply,
            self._tools.edges.came,
            self._job.electrodes,
            self._confirmed,
            self.signer.device,
            self._clock.now(),
        )


def carry_out(actions: tuple[Action, ...], act: Callable[[Action], None], failed: Callable[[BoardError], None]) -> None:
    """Does the actions in their order. When the board fails in one, only the session is still closed: that is a disk's
    business, and its debit would else never be settled."""
    broken = False
    for action in actions:
        if broken and action is not Action.CLOSE_SESSION:
            continue
        try:
            act(action)
        except BoardError as error:
            broken = True
            failed(error)
