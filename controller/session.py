"""One session from the app's side: chunks go to the guard as it plays them, and the set-point rises as a person would.

The guard decides; this only asks. A chunk is handed over when the one before it began to play, so that never more than
two are ahead; the next is made while the guard works. Everything is a function of session time, never of when a message
came, so that a session is the same at every speed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from controller.timeline import Slice, Timeline, Train
from controller.waveform import Amplitude, Encoder
from safety.errors import PelviStimError
from safety.limits import RAISE_INTERVAL_MIN_US, RAISE_STEP_MAX_UA
from safety.link import GuardLink, Message

NAMED_AHEAD: Final = 4
"""A step of the set-point is named for the start of the slice this many after the one that plays: 300 ms or more."""


class SessionRefused(PelviStimError):
    """The guard did not let the session start, or did not keep to the plan; ``code`` says why."""

    code = "session_refused"


@dataclass
class Outcome:
    """What a session came to. Currents in uA, charge as code x us and pC, times in us of session time."""

    mode: str = "idle"
    cause: str | None = None
    confirmed: bool | None = None
    contractions: int = 0
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


class Session:
    """Runs one timeline through the guard. ``target_ua``: what the person wants, per channel; ``end_us``: end early.

    ``show`` is called with a View whenever a chunk began to play.
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
    ) -> None:
        self._link, self._timeline, self._encoder = link, timeline, encoder
        self._full_scale_ua, self._target_ua, self._show = full_scale_ua, target_ua, show
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
        self.outcome = Outcome(
            charge_per_phase_pc=dict.fromkeys(target_ua, 0),
            peak_measured_ua=dict.fromkeys(target_ua, 0),
            reached_us={channel: None if wanted else 0 for channel, wanted in target_ua.items()},
        )

    def run(self, day: str | None) -> Outcome:
        """Loads, starts and plays the session to its end, whatever that is. Raises SessionRefused, LinkError.

        A rest that is still due after an earlier session is waited for. ``day``: today as an ISO date, or None.
        """
        caps = dict.fromkeys(self._target_ua, self._full_scale_ua)
        self._ask("load", programme=self._timeline.programme.text.decode(), caps_ua=caps)
        while True:
            started = self._link.request("start", day=day)
            if started["ok"]:
                break
            if started["code"] != "rest_pending":
                raise SessionRefused(f"start: {started['detail']} [{started['code']}]", code=started["code"])
            self.outcome.notes.append(
                f"waited {started['wait_us'] / 1e6:.1f} s for the rest after the last contraction"
            )
            self._link.sleep(started["wait_us"])
        self._link.forget()  # what came before the start is not of this session
        self._revision = started["revision"]
        self._supply()
        while True:
            message = self._link.receive()
            if message is not None and self._take(message):
                return self.outcome

    def _ask(self, type_: str, **fields: object) -> Message:
        answer = self._link.request(type_, **fields)
        if not answer["ok"]:
            raise SessionRefused(f"{type_}: {answer['detail']} [{answer['code']}]", code=answer["code"])
        return answer

    def _take(self, message: Message) -> bool:
        """Handles one message; True when the session is over."""
        match message["type"]:
            case "started":
                self._began(message)
            case "refused" if message["code"] != "stale_set_point":
                self.outcome.notes.append(f"the gate refused a chunk: {message['detail']} [{message['code']}]")
            case "log":
                self.outcome.notes.append(message["text"])
        if "mode" not in message:
            return False
        self._account(message)
        stopped = message["cause"] is not None
        return (stopped and message["confirmed"] is not None) or (not stopped and message["mode"] == "idle")

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
        outcome = self.outcome
        if outcome.first_tick is None:
            outcome.first_tick = message["began_us"]
        outcome.session_us = made.slice.end_us
        for pulse, code in zip(made.slice.pulses, made.codes, strict=True):
            if pulse.train.number > self._train:
                self._train = pulse.train.number
                outcome.contractions += 1
            charge = code * pulse.width_us * self._full_scale_ua // 4096
            outcome.charge_per_phase_pc[pulse.channel] = max(outcome.charge_per_phase_pc[pulse.channel], charge)
        for channel, wanted in self._target_ua.items():
            if made.set_point_ua[channel] == wanted and outcome.reached_us[channel] is None:
                outcome.reached_us[channel] = made.slice.start_us
        self._supply()
        measured = {channel: message["measured_ua"][channel] for channel in self._target_ua}
        self._show(View(made.slice, made.set_point_ua, measured, message["underruns"]))

    def _supply(self) -> None:
        """Hands over the next chunk, thinks ahead about the set-point, and makes the chunk after it."""
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
        self._link.send_chunk(self._number, made.slice.start_us, self._revision, made.data)
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
            self._step = None
        amplitude = Amplitude(self._set_point, self._full_scale_ua, self._end_us)
        codes = amplitude.codes(slice_.pulses, self._codes)
        return _Made(slice_, codes, self._encoder.encode(slice_, codes), dict(self._set_point))

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
        if self._step is not None or not missing or self._ended:
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
        "pulses_sent": outcome.pulses,
        "charge_per_phase_uc": {one: pc / 1e6 for one, pc in outcome.charge_per_phase_pc.items()},
        "net_charge_code_us": outcome.net_code_us,
        "peak_measured_ma": {one: ua / 1000 for one, ua in outcome.peak_measured_ua.items()},
        "time_to_set_point_s": {one: None if us is None else us / 1e6 for one, us in outcome.reached_us.items()},
        "session_s": max(0, outcome.session_us) / 1e6,
        "underruns": outcome.underruns,
        "notes": outcome.notes,
    }
