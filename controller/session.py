"""One session from the app's side: chunks go to the guard as it plays them, and the set-point rises as a person would.

The guard decides; this only asks. A chunk is handed over when the one before it began to play, so that never more than
two are ahead; the next is made while the guard works. Everything is a function of session time, never of when a message
came, so that a session is the same at every speed.

Whatever goes wrong while something may play leads to one place: stop, wait for what the guard confirms, report.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from controller.causes import in_words
from controller.timeline import Slice, Timeline, Train
from controller.waveform import Amplitude, Encoder
from safety.errors import LinkError, PelviStimError
from safety.limits import LEAD_IN_MAX_US, RAISE_INTERVAL_MIN_US, RAISE_STEP_MAX_UA
from safety.link import GuardLink, Message

NAMED_AHEAD: Final = 4
"""A step of the set-point is named for the start of the slice this many after the one that plays: 300 ms or more."""
STOP_WITHIN_S: Final = 1.0
"""Wall time for the guard to confirm a stop, which takes it 25 ms; after that the output counts as not confirmed."""
SHOW_REST_US: Final = 1_000_000


class SessionRefused(PelviStimError):
    """The guard refused a request; ``code`` says why, ``status`` where it stands."""

    def __init__(self, message: str, code: str, status: Message) -> None:
        super().__init__(message, code=code)
        self.status = status


@dataclass
class Outcome:
    """What a session came to. Currents in uA, charge as code x us and pC, times in us of session time.

    ``contractions`` and ``continuous_phases`` count what began; a continuous phase is no contraction, as in ``check``.
    """

    mode: str = "idle"
    cause: str | None = None
    confirmed: bool | None = None
    contractions: int = 0
    continuous_phases: int = 0
    pulses: int = 0
    net_code_us: int = 0
    charge_per_phase_pc: dict[str, int] = field(default_factory=dict)
    peak_measured_ua: dict[str, int] = field(default_factory=dict)
    reached_us: dict[str, int | None] = field(default_factory=dict)
    session_us: int = 0
    underruns: int = 0
    first_tick: int | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class View:
    """What a person is shown while a session runs."""

    playing: Slice
    set_point_ua: dict[str, int]
    measured_ua: dict[str, int]
    underruns: int


@dataclass(frozen=True)
class _Made:
    """A slice with its codes, compiled at a set-point."""

    slice: Slice
    codes: list[int]
    data: bytes
    set_point_ua: dict[str, int]
    revision: int
    codes_before: dict[str, int]


class Session:
    """Runs one timeline through the guard. ``target_ua``: what the person wants, per channel; ``end_us``: end early.

    ``show`` is called with a View whenever a chunk began to play, ``show_rest`` with the us that are left of a rest
    that is still due before the start.
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
    ) -> None:
        self._link, self._timeline, self._encoder = link, timeline, encoder
        self._full_scale_ua, self._target_ua, self._show = full_scale_ua, target_ua, show
        self._show_rest = show_rest
        self._end_us = None if end_us is None or end_us >= timeline.duration_us else end_us
        self._slices: Iterator[Slice]
        if self._end_us is None:
            self._slices = timeline.slices()
        else:
            before, fading = timeline.ended_slices(self._end_us)
            self._slices = chain(before, fading)
        self._ahead: deque[Slice] = deque()
        self._sent: dict[int, _Made] = {}
        self._number = 0
        self._set_point = dict.fromkeys(target_ua, 0)
        self._revision = 0
        self._step: tuple[int, dict[str, int]] | None = None
        self._last_step_us: int | None = None
        self._codes: dict[str, int] = {}
        self._ready: _Made | None = None
        self._ended = False
        self._train = 0
        self._rises = True
        self._planned: dict[int, dict[str, int]] = {}
        """The set-point by its revision, as far as this session knows; any other was made by somebody else."""
        self._loaded = self._started = self._halting = False
        self.outcome = Outcome(
            charge_per_phase_pc=dict.fromkeys(target_ua, 0),
            peak_measured_ua=dict.fromkeys(target_ua, 0),
            reached_us={channel: None if wanted else 0 for channel, wanted in target_ua.items()},
        )

    def run(self, day: str | None) -> Outcome:
        """Loads, starts and plays the session to its end, whatever that is.

        A rest that is still due after an earlier session is waited for. ``day``: today as an ISO date, or None. Raises
        SessionRefused when it did not start, LinkError when the guard went away or did not confirm a stop.
        """
        try:
            if self._start(day):
                self._supply()
                self._play()
        except SessionRefused as refused:
            self._refused(refused)
        return self.outcome

    def _start(self, day: str | None) -> bool:
        """Whether it started; False when it was stopped while a rest was waited for."""
        caps = dict.fromkeys(self._target_ua, self._full_scale_ua)
        self._ask("load", programme=self._timeline.programme.text.decode(), caps_ua=caps)
        self._loaded = True
        while True:
            try:
                answer = self._ask("start", day=day)
                break
            except SessionRefused as refused:
                if refused.code != "rest_pending":
                    raise
                if not self._rest(refused.status["wait_us"]):
                    return False
        self._started = True
        self._link.forget()  # what came before the start is not of this session
        self._revision = answer["revision"]
        self._planned[self._revision] = dict(self._set_point)
        return True

    def _rest(self, wait_us: int) -> bool:
        """Waits for a rest; False when somebody stopped meanwhile, and the stop is carried through."""
        self._link.forget()  # what was told before is older than the answer that no stop is latched
        until = self._link.now() + wait_us
        while (now := self._link.now()) < until:
            self._show_rest(until - now)
            message = self._link.receive(min(until, now + SHOW_REST_US))
            if message is not None and message.get("cause") is not None:
                self.outcome.notes.append("stopped while the rest after the last contraction was waited for")
                self._await_stop(message)
                return False
        self.outcome.notes.append(f"waited {wait_us / 1e6:.1f} s for the rest after the last contraction")
        return True

    def _play(self) -> None:
        while True:
            message = self._link.receive()
            if message is not None and self._take(message):
                return
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

    def _take(self, message: Message) -> bool:
        """Handles one message; True when the session is over."""
        match message["type"]:
            case "started":
                self._began(message)
            case "refused" if message["code"] == "stale_set_point":
                self._stale(message)
            case "refused":
                words = f"{in_words(message['code'])}: {message['detail']} [{message['code']}]"
                self.outcome.notes.append(f"the gate refused a chunk: {words}")
            case "log":
                self.outcome.notes.append(message["text"])
        if "mode" not in message:
            return False
        self._account(message)
        stopped = message["cause"] is not None
        finished = not stopped and not self._halting and message["mode"] == "idle"
        return (stopped and message["confirmed"] is not None) or finished

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
        made = self._sent.pop(message["number"])
        self._count(made, message["began_us"])
        self._supply()
        measured = {channel: message["measured_ua"][channel] for channel in self._target_ua}
        self._show(View(made.slice, made.set_point_ua, measured, message["underruns"]))

    def _count(self, made: _Made, began_us: int) -> None:
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

    def _is_planned(self, status: Message) -> bool:
        """Whether the guard's set-point is the one that this session made its chunks for."""
        values = {channel: status["set_point_ua"][channel] for channel in self._target_ua}
        return values == self._planned.get(status["revision"])

    def _look(self) -> bool:
        """Has chunks made again when the guard's set-point is not the one planned; whether one was sent by that."""
        status = self._link.latest
        return status["mode"] == "running" and not self._is_planned(status) and self._again(status)

    def _stale(self, message: Message) -> None:
        """A chunk was refused as made for another set-point than the one in force: no fault, `_look` makes it again.

        Unless it was made for just that one; then the two sides do not understand each other.
        """
        if message["number"] in self._sent and self._is_planned(message):
            words = f"chunk {message['number']}: {in_words(message['code'])}: {message['detail']} [{message['code']}]"
            raise SessionRefused(words, message["code"], message)

    def _again(self, status: Message) -> bool:
        """Takes the guard's set-point, and makes and sends again what the guard does not hold of the chunks sent.

        Somebody else changed it, so that it does not rise any more by itself.
        """
        if self._rises:
            self.outcome.notes.append(
                "the set-point was changed by somebody else, and does not rise any more by itself"
            )
        self._rises, self._step = False, None
        self._revision = status["revision"]
        self._set_point = {channel: status["set_point_ua"][channel] for channel in self._target_ua}
        self._planned = {self._revision: dict(self._set_point)}
        from_us = status["next_us"] or -LEAD_IN_MAX_US  # 0: it holds nothing at all
        lost = [number for number, made in sorted(self._sent.items()) if made.slice.start_us >= from_us]
        waste = [self._sent.pop(number) for number in lost] + ([self._ready] if self._ready else [])
        self._ready = None
        if waste:
            self._codes = dict(waste[0].codes_before)
        for made in reversed(waste):
            self._ahead.appendleft(made.slice)
        if lost:
            self._supply()
        return bool(lost)

    def _supply(self) -> None:
        """Hands over the next chunk, thinks ahead about the set-point, and makes the chunk after it."""
        if self._halting or self._look():
            return
        made = self._ready or self._make()
        self._ready = None
        if made is None:
            if not self._ended:
                self._ended = True
                self._ask("end", at_us=self._next_us())
            return
        if self._end_us is not None and not self._ended and made.slice.end_us > self._end_us:
            self._ended = True
            self._ask("end", at_us=self._end_us)
        self._number += 1
        self._sent[self._number] = made
        self._link.send_chunk(self._number, made.slice.start_us, made.revision, made.data)
        if self._look():
            return
        self._rise()
        self._ready = self._make()

    def _next_us(self) -> int:
        last = self._sent.get(self._number)
        return last.slice.end_us if last else self.outcome.session_us

    def _make(self) -> _Made | None:
        """The next slice with the set-point that will be in force, compiled."""
        self._look_ahead()
        if not self._ahead:
            return None
        slice_ = self._ahead.popleft()
        if self._step is not None and slice_.start_us >= self._step[0]:
            self._last_step_us, values = self._step
            self._set_point.update(values)
            self._revision += 1
            self._planned[self._revision] = dict(self._set_point)
            self._step = None
        amplitude = Amplitude(self._set_point, self._full_scale_ua, self._end_us)
        before = dict(self._codes)
        codes = amplitude.codes(slice_.pulses, self._codes)
        data = self._encoder.encode(slice_, codes)
        return _Made(slice_, codes, data, dict(self._set_point), self._revision, before)

    def _look_ahead(self) -> None:
        while len(self._ahead) < NAMED_AHEAD and (slice_ := next(self._slices, None)) is not None:
            self._ahead.append(slice_)

    def _rise(self) -> None:
        """Names the next step of the set-point for a slice a little ahead, if a contraction is held there."""
        missing = {
            channel: min(wanted, self._set_point[channel] + RAISE_STEP_MAX_UA)
            for channel, wanted in self._target_ua.items()
            if self._set_point[channel] < wanted
        }
        if self._step is not None or not missing or self._ended or not self._rises:
            return
        self._look_ahead()
        if len(self._ahead) < NAMED_AHEAD:
            return
        at = self._ahead[NAMED_AHEAD - 1].start_us
        if self._last_step_us is not None and at - self._last_step_us < RAISE_INTERVAL_MIN_US:
            return
        train = self._holding(at)
        if train is None or (self._end_us is not None and at >= self._end_us):
            return
        to = {channel: value for channel, value in missing.items() if channel in train.phase.channels}
        if not to:
            return
        self._ask("raise", at_us=at, to_ua=to)
        self._step = (at, to)

    def _holding(self, at_us: int) -> Train | None:
        """The contraction that is held at ``at_us`` on all of its channels."""
        train = self._timeline.train_at(at_us)
        if train is None:
            return None
        shift = max(train.shift_us(channel) for channel in train.phase.channels)
        return train if train.hold_start_us + shift <= at_us < train.hold_end_us else None


def outcome_figures(outcome: Outcome) -> dict[str, Any]:
    """The summary as plain figures, units in the names."""
    return {
        "mode": outcome.mode,
        "cause": outcome.cause,
        "output_confirmed_off": outcome.confirmed,
        "contractions": outcome.contractions,
        "continuous_phases": outcome.continuous_phases,
        "pulses_sent": outcome.pulses,
        "charge_per_phase_uc": {one: pc / 1e6 for one, pc in outcome.charge_per_phase_pc.items()},
        "net_charge_code_us": outcome.net_code_us,
        "peak_measured_ma": {one: ua / 1000 for one, ua in outcome.peak_measured_ua.items()},
        "time_to_set_point_s": {one: None if us is None else us / 1e6 for one, us in outcome.reached_us.items()},
        "session_s": max(0, outcome.session_us) / 1e6,
        "underruns": outcome.underruns,
        "notes": outcome.notes,
    }
