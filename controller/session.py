"""One session from the app's side: electrode check, start, chunks as the guard plays them, pause, resume, end.

The guard decides; this only asks. A chunk is handed over when the one before it began to play, so that never more than
two are ahead; the next is made while the guard works. What is played is a function of session time, never of when a
message came, so that a session without a person's hand in it is the same at every speed.

Whatever goes wrong while something may play leads to one place: stop, wait for what the guard confirms, report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from controller.causes import in_words
from controller.feed import Feed, Made
from controller.outcome import Outcome, View
from controller.timeline import LEAD_IN_US, Timeline
from controller.waveform import Encoder
from safety.errors import LinkError, PelviStimError
from safety.limits import NAMED_AHEAD_MAX_US, RAISE_INTERVAL_MIN_US, RAISE_STEP_MAX_UA
from safety.link import GuardLink, Message

STOP_WITHIN_S: Final = 1.0
"""Wall time for the guard to confirm a stop, which takes it 25 ms; after that the output counts as not confirmed."""
LOOK_US: Final = 20_000
SHOW_REST_US: Final = 1_000_000
RISES_AFTER_US: Final = 400_000
"""After a resume inside a continuous phase the set-point rises no sooner: the present one must have been felt first."""
REST_MARGIN_US: Final = 100_000
"""After a pause the next contraction comes so much later than the rest it needs, at least."""


class SessionRefused(PelviStimError):
    """The guard refused a request; ``code`` says why, ``status`` where it stands."""

    def __init__(self, message: str, code: str, status: Message) -> None:
        super().__init__(message, code=code)
        self.status = status


class Session:
    """Runs one timeline through the guard. ``target_ua``: what the person wants, per channel; ``end_us``: end early.

    ``rises``: the set-point goes to the target by itself, as a person would raise it; and the guard's lease is echoed
    here, since whoever runs this sits in front of it. Else both are somebody else's: ``raise_`` and ``echo``.
    ``signed``: the prescription as the guard is told of it (``controller.prescription.link_fields``).
    ``show`` is called with a View whenever a chunk began to play, ``show_rest`` with the us that are left of a rest
    that is still due before the start, ``told`` with every message of the guard, ``played`` with each chunk that began
    to play and when (guard's us).
    """

    def __init__(
        self,
        link: GuardLink,
        timeline: Timeline,
        encoder: Encoder,
        full_scale_ua: int,
        target_ua: dict[str, int],
        end_us: int | None = None,
        show: Callable[[View], None] = lambda _: None,
        show_rest: Callable[[int], None] = lambda _: None,
        *,
        rises: bool = True,
        told: Callable[[Message], None] = lambda _: None,
        played: Callable[[Made, int], None] = lambda *_: None,
        signed: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self._link, self._timeline = link, timeline
        self._full_scale_ua, self._target_ua, self._show = full_scale_ua, target_ua, show
        self._show_rest, self._told = show_rest, told
        self._played, self._signed = played, signed
        self._resumed_us: int | None = None
        self._feed = Feed(timeline, encoder, full_scale_ua, list(target_ua), end_us)
        self._ended = False
        self._train = 0
        self._alone = self._rises = rises
        self._loaded = self._started = self._halting = False
        self.outcome = Outcome(
            charge_per_phase_pc=dict.fromkeys(target_ua, 0),
            peak_measured_ua=dict.fromkeys(target_ua, 0),
            reached_us={channel: None if wanted else 0 for channel, wanted in target_ua.items()},
        )

    def run(self, day: str | None) -> Outcome:
        """Loads, checks the electrodes, starts and plays the session to its end, whatever that is.

        A rest that is still due after an earlier session is waited for. ``day``: today as an ISO date, or None. Raises
        SessionRefused when it did not start, LinkError when the guard went away or did not confirm a stop.
        """
        try:
            if self.load() and self.check_electrodes() and self.start(day):
                self.play()
        except SessionRefused as refused:
            self._refused(refused)
        return self.outcome

    # --- before it plays ------------------------------------------------------------------------------------------

    def load(self) -> bool:
        """Waits for the self-test and hands programme and prescription over. False when it was stopped meanwhile."""
        self._link.forget()  # what was told before is no news: a stop that is acknowledged by now, say
        if not self._await_while("boot", "self_test"):
            return False
        self._ask("load", programme=self._timeline.programme.text.decode(), **self._signed)
        self._loaded = True
        while self._alone and not self._ask("status")["increase_allowed"]:  # nothing comes out for who was not heard of
            if not self._wait(LOOK_US):
                return False
        return True

    def check_electrodes(self) -> bool:
        """Has the electrodes checked. False when it was stopped meanwhile. Raises SessionRefused with the finding."""
        while True:
            try:
                self._ask("check_electrodes")
                break
            except SessionRefused as refused:
                if refused.code != "check_too_soon" or not self._alone:
                    raise
                if not self._wait(refused.status["wait_us"]):
                    return False
        if not self._await_while("electrode_check"):
            return False
        status = self._link.latest
        found = status["electrodes"]
        self.outcome.checked_load_ohm = {channel: one["load_ohm"] for channel, one in found.items()}
        if status["mode"] != "armed":
            channel, finding = next((channel, one["finding"]) for channel, one in found.items() if one["finding"])
            load_ohm = found[channel]["load_ohm"]
            seen = "no current" if load_ohm is None else f"{load_ohm} ohm"
            words = f"channel {channel}: {in_words(finding)}: {seen} [{finding}]"
            raise SessionRefused(words, finding, status)
        return True

    def start(self, day: str | None, *, waits: bool = True, **more: object) -> bool:
        """Whether it started; False when it was stopped while a rest was waited for, which it is if it ``waits``."""
        while True:
            try:
                answer = self._ask("start", day=day, **more)
                break
            except SessionRefused as refused:
                if refused.code != "rest_pending" or not waits:
                    raise
                if not self._rest(refused.status["wait_us"]):
                    return False
        self._started = True
        self._link.forget()  # what came before the start is not of this session
        self._feed.begins(answer["revision"])
        self._supply()
        return True

    def _rest(self, wait_us: int) -> bool:
        """Waits for a rest; False when somebody stopped meanwhile, and the stop is carried through."""
        self._link.forget()  # what was told before is older than the answer that no stop is latched
        until = self._link.now() + wait_us
        show_at = until - wait_us
        while (now := self._link.now()) < until:
            if now >= show_at:
                self._show_rest(until - now)
                show_at = now + SHOW_REST_US
            message = self._link.receive(min(until, show_at))
            if message is not None and self._is_stop(message):
                self.outcome.notes.append("stopped while the rest after the last contraction was waited for")
                return False
        self.outcome.notes.append(f"waited {wait_us / 1e6:.1f} s for the rest after the last contraction")
        return True

    def _wait(self, us: int) -> bool:
        """Waits; False when somebody stopped meanwhile, and the stop is carried through."""
        until = self._link.now() + us
        while self._link.now() < until:
            message = self._link.receive(until)
            if message is not None and self._is_stop(message):
                return False
        return True

    def _await_while(self, *modes: str) -> bool:
        """Waits while the guard is in these modes. False when it was stopped, and the stop is carried through."""
        while self._link.latest["mode"] in modes:
            message = self._link.receive()
            if message is not None and self._is_stop(message):
                return False
        if self._loaded and self._link.latest["cause"] is not None:  # it was told while an answer was waited for
            self._await_stop(self._link.latest)
            return False
        return True

    def _is_stop(self, message: Message) -> bool:
        """Whether a message before the start tells of a stop, which is then carried through."""
        self._echo(message)
        if message["type"] == "log":
            self.outcome.notes.append(message["text"])
        if message.get("cause") is None:
            return False
        self._await_stop(message)
        return True

    @property
    def started(self) -> bool:
        """Whether it was started: something may play, or is paused."""
        return self._started

    # --- while it plays -------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Plays to the end."""
        while not self.step():
            pass

    def step(self, until_us: int | None = None) -> bool:
        """Takes the next message of the guard, or none if something else comes first. Whether the session is over."""
        message = self._link.receive(until_us)
        if message is not None and self._take(message):
            return True
        self._look()
        return False

    def pause(self) -> None:
        """Ramps down from where nothing is approved yet; a person resumes. Raises SessionRefused."""
        self._fade(self._ask("pause"))

    def end(self) -> None:
        """Ramps down from where nothing is approved yet, and ends the session. Raises SessionRefused."""
        status = self._ask("end")
        if status["mode"] == "running":
            self._fade(status)

    def resume(self) -> None:
        """Goes on after a pause, at set-point zero, with the next contraction, or where a continuous phase was left.

        Raises SessionRefused.
        """
        answer = self._ask("resume")
        self._feed.begins(answer["revision"])
        next_us = answer["next_us"]  # None: it was paused before anything was played
        rest_us = answer["rest_us"] + REST_MARGIN_US
        self._resumed_us = -LEAD_IN_US if next_us is None else self._timeline.resume_us(next_us, rest_us)
        self._feed.resume(self._resumed_us)
        self._ended = False
        self._supply()

    def next_step_us(self) -> int | None:
        """Session time of the earliest step upward that could be named now; None when nothing comes any more."""
        return None if self._ended else self._feed.unsent_us()

    @property
    def has_step(self) -> bool:
        """Whether a granted step upward still lies ahead, be it that its chunk is made already."""
        present = self._link.latest["set_point_ua"]
        return self._feed.has_step or any(present[one] != value for one, value in self._feed.set_point.items())

    @property
    def last_step_us(self) -> int | None:
        """Session time of the last step upward since start or resume, be it one that still lies ahead."""
        return self._feed.last_step_us if self._feed.step_us is None else self._feed.step_us

    def holds(self, at_us: int) -> bool:
        """Whether a contraction is held, or a continuous phase plays, at a session time."""
        return self._feed.holding(at_us) is not None

    def give_up(self, refused: SessionRefused) -> bool:
        """A chunk or step was refused that the session cannot go on without: stops it. True: it is over."""
        self.outcome.notes.append(str(refused))
        self._give_up()
        return True

    def raise_(self, to_ua: dict[str, int]) -> int:
        """A person's step upward, at the earliest chunk it can have. Gives its session time. Raises SessionRefused."""
        at_us = self._feed.unsent_us()
        if at_us is None:
            raise SessionRefused("the session is about to end", "session_over", self._link.latest)
        if self._resumed_us is not None and at_us < self._resumed_us + RISES_AFTER_US:
            raise SessionRefused("the session was just resumed", "raise_too_soon", self._link.latest)
        self._ask("raise", at_us=at_us, to_ua=to_ua)
        self._feed.step(at_us, to_ua)
        self._feed.prepare()
        return at_us

    def lower(self, to_ua: dict[str, int]) -> None:
        """A person's lower value, at once. Raises SessionRefused."""
        self._ask("lower", to_ua=to_ua)
        self._look()

    def _ask(self, type_: str, **fields: object) -> Message:
        answer = self._link.request(type_, **fields)
        if not answer["ok"]:
            code, detail = answer["code"], answer["detail"]
            raise SessionRefused(f"{type_}: {in_words(code)}: {detail} [{code}]", code, answer)
        return answer

    def _refused(self, refused: SessionRefused) -> None:
        """A request was refused: because of a stop, before anything could play, or while it plays."""
        cause = refused.status["cause"]
        if cause is None and self._started:
            self.outcome.notes.append(str(refused))
            self._give_up()
        elif cause == "person" or (cause is not None and self._loaded):  # a stop that came since
            self._await_stop(refused.status)
        else:
            raise refused

    def _give_up(self) -> None:
        """The session cannot go on: stops at once. Raises LinkError when that could not be asked for or confirmed."""
        self._link.stop()
        self._await_stop({})
        if self.outcome.cause == "person":  # the guard knows only that it was asked
            self.outcome.cause = "request_refused"

    def _await_stop(self, status: Message) -> None:
        """Waits for what the guard confirms; ``status`` is what it told last. Raises LinkError when that takes long."""
        self._halting = True
        with self._link.limit(STOP_WITHIN_S) as limit:
            message: Message | None = status
            while not limit.passed:
                if message and self._take(message):
                    return
                message = self._link.receive()
        raise LinkError(f"the guard did not confirm the stop within {STOP_WITHIN_S:g} s", code="stop_not_confirmed")

    # --- what the guard says --------------------------------------------------------------------------------------

    def _take(self, message: Message) -> bool:
        """Handles one message; True when the session is over."""
        match message.get("type"):
            case "started":
                self._began(message)
            case "ramp":
                self.outcome.notes.append(f"ramped down: {in_words(message['ramp_cause'])} [{message['ramp_cause']}]")
                self._fade(message)
            case "refused" if message["code"] == "stale_set_point":
                self._stale(message)
            case "refused":
                words = f"{in_words(message['code'])}: {message['detail']} [{message['code']}]"
                self.outcome.notes.append(f"the gate refused a chunk: {words}")
            case "log":
                self.outcome.notes.append(message["text"])
        self._echo(message)
        if "mode" not in message:
            return False
        self._account(message)
        stopped = message["cause"] is not None
        finished = not stopped and not self._halting and message["mode"] == "idle"
        return (stopped and message["confirmed"] is not None) or finished

    def _echo(self, message: Message) -> None:
        self._told(message)
        if message.get("type") == "nonce" and self._alone:
            self.echo(message["nonce"])

    def echo(self, nonce: str) -> None:
        """Forwards what the controlling phone's page echoed."""
        self._link.send("lease", nonce=nonce)

    def _account(self, message: Message) -> None:
        """Keeps what the guard says of itself."""
        outcome = self.outcome
        outcome.mode, outcome.cause, outcome.confirmed = message["mode"], message["cause"], message["confirmed"]
        outcome.underruns, outcome.pulses = message["underruns"], message["pulses"]
        outcome.net_code_us = message["net_code_us"]
        for channel in outcome.peak_measured_ua:
            outcome.peak_measured_ua[channel] = max(outcome.peak_measured_ua[channel], message["measured_ua"][channel])

    def _began(self, message: Message) -> None:
        """A chunk began to play: what it brings counts from here on, and the next one is handed over."""
        made, anew = self._feed.began(message["number"])
        self._played(made, message["began_us"])
        self._count(made, message["began_us"])
        if anew and message["cause"] is None:
            self._supply()
        measured = {channel: message["measured_ua"][channel] for channel in self._target_ua}
        came, load = message["came"], message["load_ohm"]
        self._show(View(made.slice, made.codes, made.set_point_ua, measured, message["underruns"], came, load))

    def _count(self, made: Made, began_us: int) -> None:
        outcome = self.outcome
        if outcome.first_tick is None:
            outcome.first_tick = began_us
        outcome.session_us = made.slice.end_us
        for pulse, code in zip(made.slice.pulses, made.codes, strict=True):
            if pulse.train.number > self._train:
                self._train = pulse.train.number
                outcome.contractions += not pulse.train.phase.continuous
                outcome.continuous_phases += pulse.train.phase.continuous
            charge = code * pulse.width_us * self._full_scale_ua // 4096
            outcome.charge_per_phase_pc[pulse.channel] = max(outcome.charge_per_phase_pc[pulse.channel], charge)
        for channel, wanted in self._target_ua.items():
            if made.set_point_ua[channel] == wanted and outcome.reached_us[channel] is None:
                outcome.reached_us[channel] = made.slice.start_us

    def _fade(self, status: Message) -> None:
        """A ramp began that nobody planned ahead: from ``next_us`` on it only falls, to zero at ``zero_us``."""
        lost = self._feed.adopt(status)
        from_us = status["next_us"] or 0
        self._feed.fade(from_us, status["zero_us"] - from_us)
        self._ended = True
        if lost:
            self._supply()

    def _look(self) -> bool:
        """Has chunks made again when the guard's set-point is not the one planned; whether one was sent by that."""
        status = self._link.latest
        return status["mode"] == "running" and not self._feed.is_planned(status) and self._again(status)

    def _stale(self, message: Message) -> None:
        """A chunk was refused as made for another set-point than the one in force: no fault, `_look` makes it again.

        Unless it was made for just that one; then the two sides do not understand each other.
        """
        if message["number"] in self._feed.sent and self._feed.is_planned(message):
            words = f"chunk {message['number']}: {in_words(message['code'])}: {message['detail']} [{message['code']}]"
            raise SessionRefused(words, message["code"], message)

    def _again(self, status: Message) -> bool:
        """Takes the guard's set-point, and makes and sends again what the guard does not hold of the chunks sent.

        Somebody changed it, so that it does not rise any more by itself.
        """
        if self._rises:
            self.outcome.notes.append(
                "the set-point was changed by somebody else, and does not rise any more by itself"
            )
        self._rises = False
        lost = self._feed.adopt(status)
        if lost:
            self._supply()
        return lost

    def _supply(self) -> None:
        """Hands over the next chunk, thinks ahead about the set-point, and makes the chunk after it."""
        if self._halting or self._look():
            return
        made = self._feed.next()
        if made is None:
            if not self._ended:
                self._ended = True
                next_us = self._feed.sent_until_us()
                self._ask("end", at_us=self.outcome.session_us if next_us is None else next_us)
            return
        fade_us = self._feed.fade_us
        if fade_us is not None and not self._ended and made.slice.end_us > fade_us:
            next_us = self._link.latest["next_us"]
            if next_us is not None and fade_us - next_us > NAMED_AHEAD_MAX_US:
                self.end()  # the pause skipped all that was left: nothing of it was felt
                return
            self._ended = True
            self._ask("end", at_us=fade_us)
        self._link.send_chunk(self._feed.number(made), made.slice.start_us, made.revision, made.data)
        if self._look():
            return
        self._rise()
        self._feed.prepare()

    def _rise(self) -> None:
        """Names the next step of the set-point for a slice a little ahead, if a contraction is held there."""
        feed = self._feed
        missing = {
            channel: min(wanted, feed.set_point[channel] + RAISE_STEP_MAX_UA)
            for channel, wanted in self._target_ua.items()
            if feed.set_point[channel] < wanted
        }
        if feed.has_step or not missing or self._ended or not self._rises:
            return
        at = feed.step_at()
        if at is None or (feed.last_step_us is not None and at - feed.last_step_us < RAISE_INTERVAL_MIN_US):
            return
        train = feed.holding(at)
        if train is None or (feed.fade_us is not None and at >= feed.fade_us):
            return
        to = {channel: value for channel, value in missing.items() if channel in train.phase.channels}
        if to:
            self._ask("raise", at_us=at, to_ua=to)
            feed.step(at, to)
