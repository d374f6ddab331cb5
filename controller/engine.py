"""The engine: one guard, what is prescribed, and the session on it, behind the port that the api knows.

One thread owns the link and the session; whatever is asked goes to it and is answered by a Future. The newest state is
published after each message of the guard. Everything that happened goes to the journal; nothing waits for it. A guard
that was lost is looked for again each second; what it was doing is over, and a person begins anew.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final, TypeVar

from controller import past
from controller.chain import Kind, Row
from controller.dose import Doses
from controller.feed import Made
from controller.history import records
from controller.journal import Journal
from controller.keys import Signs
from controller.port import Action, EngineRefused, Event, State
from controller.prescribed import Prescriptions, confirmed, programme_of
from controller.prescription import THRESHOLD, Prescription, completed, contraindicated, link_fields
from controller.programme import Programme
from controller.recording import Recorded, Recorder, Recordings
from controller.session import Session, SessionRefused
from controller.standing import CHANNELS, Standing
from controller.timeline import Timeline
from controller.waveform import Encoder
from hw.board import load_board
from hw.clock import Clock
from safety.errors import LinkError, PelviStimError
from safety.limits import SESSIONS_PER_DAY_MAX, THRESHOLD_MAX_US
from safety.link import GuardLink, Message
from safety.seal import ChunkHash

RECONNECT_US: Final = 1_000_000
"""A guard that was lost is looked for this often: its service manager starts it again."""
IDLE_LOOK_US: Final = 250_000
"""Without a session the guard's status is asked for this often: lines, rail and latches change by themselves."""
AS_THE_API_SAYS: Final = {
    "raise_not_held": "wait_for_contraction",
    "raise_not_felt": "wait_for_contraction",
    "raise_step": "step_too_large",
    "raise_too_soon": "too_soon",
    "raise_pending": "too_soon",
    "raise_too_far": "too_soon",
    "raise_too_late": "too_soon",
    "over_cap": "above_cap",
}
"""The guard's words for a refused raise, and the api's."""
T = TypeVar("T")


class GuardEngine:
    """Serves the guard at the other end of ``link``, whose clock is ``clock``; both belong to the engine's thread from
    here on. ``connect`` gives a new link after the guard was lost. ``today``: this machine's own date as ISO text.
    ``keys`` signs what a clinician prescribes here.
    Raises LinkError when the guard is of another build.
    """

    def __init__(
        self,
        link: GuardLink,
        connect: Callable[[], GuardLink],
        clock: Clock,
        journal: Journal,
        today: Callable[[], str],
        keys: Signs,
        *,
        simulated: bool,
    ) -> None:
        self._link, self._connect, self._clock, self._journal = link, connect, clock, journal
        self._clocks_day, self._board, self._keys = today, load_board(), keys
        self._encoder = Encoder(self._board)
        self._device = link.welcome.get("device")
        self._prescriptions = Prescriptions(journal, self._board)
        self._standing = Standing(simulated)
        self._session: Session | None = None
        self._opened: Prescription | None = None
        self._day: str | None = None
        self._doses: Doses | None = None
        self._closed_id: str | None = None
        self._ended_early = False
        self._chunks = ChunkHash()
        self._recordings = Recordings(journal.path.parent)
        self._recorder: Recorder | None = None
        self._lost: LinkError | None = None
        self._told_mode: tuple[str, str | None] = ("", None)
        self._listeners: list[Callable[[Event], None]] = []
        self._waiting: deque[Callable[[], None]] = deque()
        self._waker, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)[::-1]
        clock.watch(self._wake)
        self._closing = False
        self._look_us = clock.now()
        self._greet(link)
        self._recover(link.welcome)
        self._state = self._standing.state(link.welcome, None, self._caps())
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    # --- the port -------------------------------------------------------------------------------------------------

    def state(self) -> State:
        return self._state

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def healthy(self) -> bool:
        return self._lost is None

    def prescription(self) -> Prescription | None:
        return self._prescriptions.present

    def prescribe(self, prescription: Prescription) -> Future[Prescription]:
        return self._do(lambda: self._prescribe(prescription))

    def open_session(self, revision: int, answers: Mapping[str, bool], day: str | None) -> Future[State]:
        return self._do(lambda: self._open(revision, answers, day))

    def open_threshold(self, answers: Mapping[str, bool], day: str | None) -> Future[State]:
        return self._do(lambda: self._look_for_caps(answers, day))

    def act(self, action: Action, epoch: int | None) -> Future[State]:
        return self._do(lambda: self._act(action, epoch))

    def set_intensity(self, channel: str, amplitude_ua: int, rev: int | None, *, controls: bool) -> Future[State]:
        return self._do(lambda: self._set(channel, amplitude_ua, rev, controls))

    def acknowledge(self, role: str) -> Future[State]:
        return self._do(lambda: self._acknowledge(role))

    def heartbeat(self, nonce: str) -> None:
        """Goes out at once, past whatever the engine's thread waits for."""
        with contextlib.suppress(LinkError):  # the thread finds it out
            self._link.send("lease", nonce=nonce)
            self._nudge()  # a clock that counts messages must learn of it

    def close(self) -> None:
        """Ends the thread. A session that is open is stopped by the guard when the link closes."""
        self._closing = True
        self._nudge()
        self._thread.join()
        self._recordings.close()

    # --- the thread -----------------------------------------------------------------------------------------------

    def _do(self, ask: Callable[[], T]) -> Future[T]:
        done: Future[T] = Future()

        def run() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                if self._lost is not None:
                    raise self._lost
                done.set_result(ask())
            except BaseException as error:
                done.set_exception(error)
                if isinstance(error, LinkError) or not isinstance(error, PelviStimError):
                    raise

        self._waiting.append(run)
        self._nudge()
        return done

    def _nudge(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is awake already
            os.write(self._waker, b"n")

    def _woken(self) -> None:
        """Empties the pipe; what waits is done when the thread comes to it."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)

    def _run(self) -> None:
        while not self._closing:
            self._survive(self._turn)
            self._woken()
            while self._waiting:
                self._survive(self._waiting.popleft())
        self._link.close()

    def _survive(self, do: Callable[[], None]) -> None:
        """Whatever goes wrong ends the link, so that the guard stops what runs; then it is begun anew."""
        try:
            do()
        except LinkError as lost:
            self._lose(lost)
            self._closing = self._closing or lost.code == "clock_lost"
        except Exception:
            traceback.print_exc()
            self._lose(LinkError("the app failed; its log says how", code="guard_lost"))

    def _turn(self) -> None:
        """Takes the next message, or looks how the guard is."""
        if self._lost is not None:
            self._clock.wait(self._look_us)
            if self._clock.now() >= self._look_us:
                self._reconnect()
            return
        session = self._session
        if session is not None and session.started:
            try:
                over = session.step(self._look_us)
            except SessionRefused as refused:
                over = session.give_up(refused)
            if over:
                self._over(session)
        else:
            message = self._link.receive(self._look_us)
            if message is not None:
                self._heard(message)
        if self._clock.now() >= self._look_us:
            self._heard(self._link.request("status", day=self._clocks_day()))

    def _lose(self, lost: LinkError) -> None:
        """The guard is gone, and nothing that was told is known to be true any more."""
        if self._lost is not None:
            return
        self._lost, self._look_us = lost, self._clock.now() + RECONNECT_US
        self._link.close()  # a guard that is there after all stops when its app leaves
        if self._session is not None:
            self._close_session(self._session, "guard_lost")
        self._state = self._standing.lost(self._state)
        self._journal.append(Kind.CAUSE, code="guard_lost", confirmed=False)
        self._tell(Event("guard_lost", str(lost)))

    def _reconnect(self) -> None:
        self._look_us = self._clock.now() + RECONNECT_US
        try:
            link = self._connect()
        except PelviStimError:
            return
        try:
            self._greet(link)
        except LinkError:
            link.close()
            return
        self._link, self._lost = link, None
        self._tell(Event("guard_back", ""))
        self._heard(link.welcome)

    def _greet(self, link: GuardLink) -> None:
        """Only the guard that this journal belongs to, and of this build. Raises LinkError."""
        welcome = link.welcome
        if not welcome["ok"]:
            raise LinkError(f"the guard refused: {welcome['detail']}", code=welcome["code"])
        if welcome["device"] != self._device:
            raise LinkError("another device's guard", code="guard_lost")
        link.woken = self._woken

    def _recover(self, welcome: Message) -> None:
        """Sessions that an app before this one opened and did not close: it died in them, and the guard stopped."""
        newest = past.newest(self._journal.path, past.PAGE)  # those before them were seen to when these were opened
        for record in records(self._journal.rows(Kind.SESSION, sessions=newest)):
            if record.closed is None:
                guard = welcome["cause"] or welcome["last_cause"]
                self._journal.append(Kind.SESSION, event="lost", session=record.id, cause="app_lost", guard_cause=guard)

    def _heard(self, message: Message) -> None:
        """Every message of the guard comes by here: the state is published, and what is new goes to the journal."""
        kind = message.get("type")
        if "revision" in message:
            self._look_us = self._clock.now() + IDLE_LOOK_US
        if kind == "nonce":
            self._standing.nonce = message["nonce"]
        elif kind == "log":
            self._tell(Event("log", message["text"]))
        elif kind == "sealed":
            self._journal.append(Kind.SEAL, seal=message["seal"], signature=message["signature"])
        elif kind == "cut":
            named = {"session": self._closed_id} if self._closed_id else {}
            self._journal.append(Kind.CUT, **message["last_cut"], **named)
        self._publish()
        now = (self._state.mode, self._state.cause)
        if now != self._told_mode:
            known, self._told_mode = self._told_mode[1], now
            self._note_mode(known)

    def _note_mode(self, known: str | None) -> None:
        """``known``: the cause that was told before; the red button that is let out is no second press."""
        state = self._state
        named = {"session": self._standing.session_id} if self._standing.session_id else {}
        why = {} if state.paused_by is None else {"paused_by": state.paused_by}
        self._journal.append(Kind.STATE, mode=state.mode, **why, **named)
        if state.cause is not None:
            again = {"again": True} if state.cause == known else {}
            self._journal.append(Kind.CAUSE, code=state.cause, **again, **named)
            if state.cause.startswith("self_test_"):
                self._journal.append(Kind.SELF_TEST, passed=False, code=state.cause)
        self._tell(Event(state.cause or state.mode, ""))

    def _publish(self) -> None:
        self._state = self._standing.state(self._link.latest, self._session, self._caps())

    def _tell(self, event: Event) -> None:
        for listener in list(self._listeners):
            listener(replace(event, session=self._standing.session_id))

    # --- what is asked --------------------------------------------------------------------------------------------

    def _today(self) -> str:
        """This machine's date, or the last day that the guard knows: a clock that goes back makes nothing valid."""
        return max(self._clocks_day(), self._link.latest["day"] or "")

    def _prescribe(self, wanted: Prescription) -> Prescription:
        """The caps of a session that runs are those it was begun with; one that was only opened is opened anew, once
        the guard has taken the prescription: what is refused changes nothing."""
        if self._session is not None and self._session.started:
            raise EngineRefused("not_now", "a session runs")
        today, is_new = self._today(), wanted.signature is None
        if is_new:
            text = programme_of(wanted).text
            wanted = completed(wanted, self._link.welcome["device"], today, text)
        self._prescriptions.check(wanted, today)
        if is_new:  # a journal that did not take the last one must not stand in the way of the next
            revision = max(wanted.revision, self._link.latest["prescription_revision"] + 1)
            wanted = self._keys.sign(replace(wanted, revision=revision))
        self._settle()
        self._ask(lambda: self._request("prescribe", **link_fields(wanted, None)))
        if self._session is not None:
            self._close_session(self._session, None)
        put = self._prescriptions.put(wanted)
        self._publish()
        return put

    def _settle(self) -> None:
        """Waits for the self-test after a start or an acknowledgement."""
        while self._link.latest["mode"] in ("boot", "self_test"):
            message = self._link.receive()
            if message is not None:
                self._heard(message)

    def _open(self, revision: int, answers: Mapping[str, bool], day: str | None) -> State:
        wanted = self._prescriptions.present
        if wanted is None:
            raise EngineRefused("no_prescription", "nothing is prescribed")
        if revision != wanted.revision:
            raise EngineRefused("prescription_revision", f"revision {wanted.revision} is in force")
        self._may_open(wanted, answers)
        self._prescriptions.may_open(self._today())
        self._prescriptions.may_come(self._today())
        return self._load(wanted, day)

    def _look_for_caps(self, answers: Mapping[str, bool], day: str | None) -> State:
        """The programme that is prescribed, with the ceilings where no cap is set, as the guard's nonce allows once."""
        wanted = self._prescriptions.present
        if wanted is None:
            raise EngineRefused("no_prescription", "nothing is prescribed")
        self._may_open(wanted, answers)
        self._prescriptions.may_open(self._today())
        text, device = programme_of(wanted).text, self._link.welcome["device"]
        made = replace(
            completed(wanted, device, self._today(), text),
            kind=THRESHOLD,
            minutes=min(wanted.minutes, THRESHOLD_MAX_US // 60_000_000),
            sessions_per_day=SESSIONS_PER_DAY_MAX,
            sessions_per_week=7 * SESSIONS_PER_DAY_MAX,
            nonce=str(self._ask(lambda: self._request("challenge"))["challenge"]),
        )
        return self._load(self._keys.sign(made), day)

    def _may_open(self, wanted: Prescription, answers: Mapping[str, bool]) -> None:
        """Raises EngineRefused when an answer speaks against it, or the guard cannot begin one."""
        against = contraindicated(answers, wanted.released)
        if against:
            self._prescriptions.close(against)
            raise EngineRefused("contraindicated", ", ".join(against))
        if self._session is not None and self._session.started:
            raise EngineRefused("not_now", "a session runs")
        self._settle()
        self._need("idle", "armed")

    def _load(self, wanted: Prescription, day: str | None) -> State:
        """``day``: the date by the phone that opens it."""
        self._day = confirmed(self._today(), day)
        self._ask(lambda: self._request("self_test"))
        session = self._make(wanted)
        try:
            self._ask(session.load)
            self._need("idle")
        except PelviStimError:
            self._close_session(session, None)
            raise
        self._journal.append(Kind.SELF_TEST, passed=True, session=self._standing.session_id)
        self._session, self._opened = session, wanted
        self._publish()
        return self._state

    def _caps(self) -> Mapping[str, int]:
        """Those of the session that is open, on the channels that its programme uses, or of what is in force."""
        session = self._session
        wanted = self._prescriptions.present if session is None else self._opened
        caps = {} if wanted is None else _caps(wanted, self._board.full_scale_ua)
        return {name: ua for name, ua in caps.items() if session is None or name in session.outcome.reached_us}

    def _make(self, wanted: Prescription) -> Session:
        programme = programme_of(wanted)
        timeline = Timeline(programme)
        channels = sorted({channel for phase in programme.phases for channel in getattr(phase, "channels", ())})
        self._standing.begin(secrets.token_hex(8), wanted, timeline)
        self._chunks, self._ended_early = ChunkHash(), False
        self._doses = Doses(self._board.full_scale_ua)
        self._recorder = self._recording(programme, wanted)
        return Session(
            self._link,
            timeline,
            self._encoder,
            self._board.full_scale_ua,
            dict.fromkeys(channels, 0),
            timeline.first_pulse_us + wanted.minutes * 60_000_000,
            show=self._shown,
            rises=False,
            told=self._heard,
            played=self._record,
            signed=link_fields(wanted, self._day),
        )

    def _recording(self, programme: Programme, wanted: Prescription) -> Recorder:
        assert self._standing.session_id is not None
        return Recorder(
            self._standing.session_id,
            programme.text.decode(),
            _caps(wanted, self._board.full_scale_ua),
            self._board.full_scale_ua,
        )

    def _record(self, made: Made, began_us: int) -> None:
        """A chunk began: it counts, as it does in the guard's seal."""
        self._chunks.add(made.data)
        assert self._recorder is not None
        self._recorder.add(Recorded(made.slice.start_us, began_us, made.revision, made.set_point_ua, made.data))

    def _shown(self, view: Any) -> None:
        self._standing.view = view
        assert self._doses is not None
        for dose in self._doses.add(view):
            self._journal.append(Kind.DOSE, session=self._standing.session_id, **dose)
            self._head()

    def _head(self, *, last: bool = False) -> None:
        """Tells the guard where the journal stands, for its seal. ``last``: with the last word on a session."""
        head = self._journal.head
        self._link.send("journal", journal_row=head.number, journal_hash=head.hash, last=last)

    def _anchor(self, closed: Future[Row]) -> None:
        """The last word on a session is on disk (told by the journal's thread): the guard seals that too."""
        if closed.exception() is None:
            self._waiting.append(lambda: None if self._lost is not None else self._head(last=True))
            self._nudge()

    def _act(self, action: Action, epoch: int | None) -> State:
        session = self._session
        if session is None:
            raise EngineRefused("no_session", "open a session first")
        if epoch is not None and epoch != self._standing.epoch:
            raise EngineRefused("old_epoch", f"session {self._standing.epoch} is the present one")
        match action:
            case Action.CHECK_ELECTRODES:
                self._check(session)
            case Action.START:
                self._start(session)
            case Action.PAUSE:
                self._ask(session.pause)
            case Action.RESUME:
                self._ask(session.resume)
            case Action.END if session.started:
                self._ask(session.end)
                self._ended_early = True
            case Action.END:
                if self._link.latest["mode"] == "armed":
                    self._ask(lambda: self._request("end"))
                self._close_session(session, None)
        self._publish()
        return self._state

    def _check(self, session: Session) -> None:
        """A finding is an answer, not a refusal: it is in the state."""
        try:
            session.check_electrodes()
        except SessionRefused as refused:
            if not refused.code.startswith("electrode_"):
                raise self._refused(refused) from None

    def _start(self, session: Session) -> None:
        if session.started:
            raise EngineRefused("not_now", "the session runs")
        self._need("armed")
        wanted, name = self._opened, self._standing.session_id
        assert wanted is not None
        opened = self._journal.append(
            Kind.SESSION,
            event="opened",
            session=name,
            programme=wanted.programme,
            prescription_revision=wanted.revision,
            caps_ua=_caps(wanted, self._board.full_scale_ua),
            day=self._today(),
            looking=wanted.kind == THRESHOLD,
            simulated=self._state.simulated,
        )
        if wanted.kind == THRESHOLD:  # which is never in force, and else told nowhere
            signed = {key: value for key, value in link_fields(wanted, None).items() if key != "day"}
            self._journal.append(Kind.THRESHOLD, event="signed", session=name, **signed)
        row = opened.result()  # on disk before anything comes out
        seal = {"session": name, "journal_row": row.number, "journal_hash": row.hash}
        try:
            self._ask(lambda: session.start(self._day, waits=False, **seal))
        except EngineRefused as refused:
            self._journal.append(Kind.SESSION, event="not_started", session=name, code=refused.code)
            if self._day is None and refused.code in ("day_spent", "week_spent"):
                raise EngineRefused("day_unknown", f"{refused}; no phone confirmed that it is another day") from None
            raise

    def _set(self, channel: str, amplitude_ua: int, rev: int | None, controls: bool) -> State:
        session, state = self._session, self._state
        one = state.channels.get(channel)
        if session is None or not session.started:
            raise EngineRefused("no_session", "no session is running")
        if one is None or channel not in session.outcome.reached_us:
            raise EngineRefused("raise_channel", f"the programme does not use channel {channel}")
        if amplitude_ua < one.set_point_ua or (amplitude_ua == one.set_point_ua and session.has_step):
            self._ask(lambda: session.lower({channel: amplitude_ua}))
        elif amplitude_ua > one.set_point_ua:
            if not controls:
                raise EngineRefused("not_controlling", "claim control first")
            if rev is None:
                raise EngineRefused("rev_missing", "name the set-point in If-Match")
            if rev != state.rev:
                raise EngineRefused("rev_changed", "the set-point is another one by now")
            if amplitude_ua > one.ceiling_ua:
                raise EngineRefused("above_cap", f"{one.ceiling_ua} uA is prescribed", one.ceiling_ua)
            try:
                session.raise_({channel: amplitude_ua})
            except SessionRefused as refused:
                self._publish()
                one = self._state.channels[channel]
                code = AS_THE_API_SAYS.get(refused.code, refused.code)
                raise EngineRefused(code, str(refused), one.allowed_ua, one.after_us) from None
        self._publish()
        return self._state

    def _acknowledge(self, role: str) -> State:
        self._ask(lambda: self._request("acknowledge", role=role))
        if self._session is not None:
            self._close_session(self._session, self._state.cause)
        self._publish()
        return self._state

    # --- helpers --------------------------------------------------------------------------------------------------

    def _request(self, type_: str, **fields: object) -> Message:
        answer = self._link.request(type_, **fields)
        if not answer["ok"]:
            raise SessionRefused(answer["detail"], answer["code"], answer)
        self._heard(answer)
        return answer

    def _ask(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except SessionRefused as refused:
            raise self._refused(refused) from None

    def _refused(self, refused: SessionRefused) -> EngineRefused:
        """In the api's words, and with how long to wait, if the guard said so."""
        wait = refused.status.get("wait_us")
        return EngineRefused(refused.code, str(refused), None, None if wait is None else int(wait))

    def _need(self, *modes: str) -> None:
        now = self._link.latest["mode"]
        if now not in modes:
            raise EngineRefused("not_now", f"the guard is {now}, cause {self._link.latest['cause']}")

    def _over(self, session: Session) -> None:
        self._close_session(session, session.outcome.cause)
        self._publish()

    def _close_session(self, session: Session, cause: str | None) -> None:
        """The session is no more; what it came to goes to the journal."""
        outcome, self._session = session.outcome, None
        if session.started and self._doses is not None:
            for dose in self._doses.rest(self._link.latest["came"]):
                self._journal.append(Kind.DOSE, session=self._standing.session_id, **dose)
            heard = cause != "guard_lost"  # else what the guard approved in the end is not known here
            chunks = {"chunks": self._chunks.chunks, "chunks_sha256": self._chunks.sha256} if heard else {}
            recording = self._keep_recording()
            self._journal.append(
                Kind.SESSION,
                event="closed" if heard else "lost",
                session=self._standing.session_id,
                mode=outcome.mode,
                cause=cause,
                confirmed=outcome.confirmed,
                session_us=max(0, outcome.session_us),
                ended_early=self._ended_early,
                pulses=outcome.pulses,
                underruns=outcome.underruns,
                recording_sha256=recording,
                **chunks,
            ).add_done_callback(self._anchor)
        self._closed_id = self._standing.session_id
        self._standing.end()

    def _keep_recording(self) -> str:
        """Has the session's recording written; gives the hash of its file."""
        session = self._standing.session_id
        assert self._recorder is not None
        assert session is not None
        packed = self._recorder.done()

        def written(done: Future[None]) -> None:
            if done.exception() is not None:
                lost = Event("recording_not_written", f"{session}: {done.exception()}")
                self._waiting.append(lambda: self._tell(lost))
                self._nudge()

        self._recordings.keep(session, packed).add_done_callback(written)
        return sha256(packed).hexdigest()


def _caps(wanted: Prescription, full_scale_ua: int) -> dict[str, int]:
    """As the guard reads them: where none is set nothing, but to whoever looks for it as much as the board gives."""
    missing_ua = full_scale_ua if wanted.kind == THRESHOLD else 0
    return {channel: wanted.caps_ua.get(channel, missing_ua) for channel in CHANNELS}
