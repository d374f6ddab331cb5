"""One board and one guard on which faults are tried one after the other: drives a session to a state, breaks something,
goes on as a person would, and tells what became of it.

Times are virtual microseconds.
"""

from __future__ import annotations

import contextlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from controller.feed import Made
from controller.session import Session, SessionRefused
from hw.mock import current
from safety.errors import LinkError
from safety.limits import CHECKS_APART_US
from safety.link import GuardLink, Message
from tests.support.stack import PHASE_GPIOS, Stack, short_programme, stack

INTENSITY_UA: Final = 2_000
"""One step of the set-point: what the first contraction reaches."""
FELT_UA: Final = 500
"""A pulse that was asked for with less is too weak for anything to be said of it (``watch.CURRENT_FLOOR_UA``)."""
INTERPHASE_US: Final = 100
BAND_PERCENT, BAND_UA = 10, 100
"""What the watch lets pass (``watch.py``): a pulse beyond it is a wrong one."""
OFF_UA: Final = 200
"""Less at an electrode counts as none: what the series capacitor gives back, 4 V at most through 22 kohm."""


class At(StrEnum):
    """A state of a session; also where a fault was found."""

    IDLE = "idle"
    CHECK = "electrode check"
    ARMED = "armed"
    UP = "ramp up"
    HOLD = "hold"
    DOWN = "ramp down"
    REST = "rest"
    PAUSED = "paused"
    SELF_TEST = "self-test"


STATES: Final = tuple(At)[:8]
CONTRACTION: Final = (At.UP, At.HOLD, At.DOWN)
RAIL_GONE_US, RAIL_GONE_V = 130_000, 5
"""Where the guard has ended itself: drop-out of KEEPALIVE, and the fall of the rail (hardware.md)."""
DAC_CS_N: Final = 16
OFF_MASK: Final = sum(1 << gpio for gpio in (*PHASE_GPIOS, 25))
"""The phase lines and OUTPUT_ENABLE."""


@dataclass(frozen=True)
class Course:
    """Two contractions on channel A, each with its rest. Times in ms."""

    up_ms: int = 400
    hold_ms: int = 1_000
    down_ms: int = 400
    rest_ms: int = 1_900
    frequency_hz: str = "50.0"
    width_us: int = 250
    end_ms: int | None = None
    """A person ends the session so long after the fault; None: it plays to its end."""

    def text(self) -> bytes:
        """The programme."""
        return short_programme(
            ramp_up_ms=self.up_ms,
            hold_ms=self.hold_ms,
            ramp_down_ms=self.down_ms,
            rest_ms=self.rest_ms,
            repeats=2,
            frequency_hz=self.frequency_hz,
            phase_width_us=self.width_us,
        )

    def break_us(self, state: At) -> int:
        """Session time of the fault: between two pulses, where current flows if it ever does in that state. The ramp up
        is that of the second contraction, since the set-point is 0 in the first."""
        hold = self.up_ms
        down = hold + self.hold_ms
        rest = down + self.down_ms
        ms = {At.UP: rest + self.rest_ms + 207, At.HOLD: hold + 307, At.DOWN: down + 27, At.REST: rest + 307}
        return 1000 * ms.get(state, hold + 307)

    def at(self, session_us: int) -> At:
        """The state at a session time."""
        ms = max(0, session_us) // 1000 % (self.up_ms + self.hold_ms + self.down_ms + self.rest_ms)
        for name, length in ((At.UP, self.up_ms), (At.HOLD, self.hold_ms), (At.DOWN, self.down_ms)):
            if ms < length:
                return name
            ms -= length
        return At.REST


@dataclass(frozen=True)
class Break:
    """One fault of docs/faults.md with its arguments."""

    name: str
    args: tuple[object, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.name, *map(str, self.args)))


@dataclass
class Cell:
    """What became of a fault in a state.

    ``cause`` (None: never named) was told first ``named_us`` after the fault, at the place ``at``, whose mode had begun
    ``entered_us`` after it (before it, if negative). ``final``: what is latched in the end. ``refused``: the
    code with which a person's request was refused. ``first_us``: the first pulse from the fault on; ``felt_us``, asked
    for with enough to be judged; ``wrong_us``, other than asked; ``last_us``: the last current. All us after the fault.
    ``acknowledged``: what an acknowledgement led to with the fault still there. ``disk``: the cause in the record.
    ``problems``: what was not as it must be in every cell.
    """

    cause: str | None = None
    at: str | None = None
    final: str | None = None
    refused: str | None = None
    finding: bool = False
    guard_ended: bool = False
    named_us: int | None = None
    entered_us: int = 0
    first_us: int | None = None
    felt_us: int | None = None
    wrong_us: int | None = None
    last_us: int | None = None
    acknowledged: str | None = None
    disk: str | None = None
    problems: list[str] = field(default_factory=list)


class Listening(GuardLink):
    """A link that takes down when a cause was told first."""

    told: Message | None = None
    before = "boot"
    """The mode until then, and since when."""
    entered_us = 0
    check_again_us = 0
    """When another electrode check may be asked for."""

    def _arrived(self, until_us: int | None) -> list[Message]:
        messages = super()._arrived(until_us)
        for message in messages:
            if message.get("mode") == "electrode_check":
                self.check_again_us = message["now_us"] + CHECKS_APART_US
            if self.told is None and "now_us" in message:
                if message.get("cause") or message.get("ramp_cause"):
                    self.told = message
                elif self.before != message["mode"]:
                    self.before, self.entered_us = message["mode"], message["now_us"]
        return messages


class Timed(Session):
    """A session that knows where it is, and when it asked for which pulses: (begin, width of a phase, uA)."""

    offset_us: int | None = None
    asked: list[tuple[int, int, int]]

    def _count(self, made: Made, began_us: int) -> None:
        super()._count(made, began_us)
        self.offset_us = began_us - made.slice.start_us
        self.asked += [
            (self.offset_us + pulse.start_us, pulse.width_us, code * self._full_scale_ua // 4096)
            for pulse, code in zip(made.slice.pulses, made.codes, strict=True)
        ]

    def at_us(self, now_us: int) -> int:
        """Session time, 0 before its first chunk."""
        return 0 if self.offset_us is None else now_us - self.offset_us


class _Found(Exception):
    """Something was named."""


DWELL_US: Final = 300_000
"""How long a state without a time of its own lasts after the fault, before the person goes on."""
SOON_US: Final = 33_000
"""So long after getting to such a state the fault comes."""
IN_CHECK_US: Final = 8_000
"""And into an electrode check: between its first two pulses of four."""


class Bench:
    """Tries cells one after the other. ``worn``: the guard or the board cannot be used for another."""

    def __init__(self, rig: Stack) -> None:
        self.rig = rig
        self.worn = False
        self.link = Listening(rig.folder, rig.clock)
        rig.links.append(self.link)
        self._day = date(2000, 1, 1)  # a day has three sessions: it moves on with each start
        self._course = Course()
        self._cell = Cell()
        rig.sim.control.ask("current", record=True)
        while self.mode in ("boot", "self_test"):
            self.link.receive()
        assert self.mode == "idle", self.link.latest

    @property
    def mode(self) -> str:
        return str(self.link.latest["mode"])

    def run(self, breaks: tuple[Break, ...], state: At, course: Course) -> Cell:
        """One cell."""
        cell = self._cell = Cell()
        self._course, self.link.told = course, None
        made = self.rig.session(course.text(), INTENSITY_UA, link=self.link, kind=Timed, lease_us=5_000_000)
        assert isinstance(made, Timed)
        self.session = made
        self.session.asked = []
        assert self.session.load()
        tick = self._reach(state, breaks)
        try:
            self._go_on(state, tick + DWELL_US)
        except _Found:
            pass
        except SessionRefused as refused:
            if self.link.told is None:
                cell.refused = refused.code
        except LinkError:
            self._gone()
        self._named(tick)
        self._wait(tick + RAIL_GONE_US - self.rig.clock.now() if cell.guard_ended else 0)
        if cell.guard_ended and self.rig.sim.control.ask("rail")["volt"] >= RAIL_GONE_V:
            cell.problems.append(f"the rail is up {RAIL_GONE_US} us later")
        self._wait(200_000)
        cell.final = None if cell.finding else self.link.latest["cause"]
        self._measure(tick)
        cell.disk = json.loads((self.rig.state / "ledger.json").read_text())["cause"]
        if not cell.guard_ended:
            if cell.final is not None:
                self._latched()
            self._mend()
        return cell

    # --- what became of it ----------------------------------------------------------------------------------------

    def _named(self, tick: int) -> None:
        """Takes down what was named, and waits until the stop is carried out."""
        cell, link = self._cell, self.link
        cell.entered_us = link.entered_us - tick
        if link.told is None:
            if found := self._finding():
                cell.cause, cell.at, cell.finding = found, At.CHECK, True
                cell.named_us = link.latest["now_us"] - tick
            return
        cell.cause = link.told.get("cause") or link.told["ramp_cause"]
        cell.named_us = link.told["now_us"] - tick
        cell.at = link.before.replace("_", " ").replace("self test", At.SELF_TEST)
        if link.before == "running":
            cell.at = self._course.at(self.session.at_us(link.told["now_us"]))
        try:
            while not cell.guard_ended and (link.latest["confirmed"] is None or not link.latest["cause"]):
                self.session.step()
        except LinkError:
            self._gone()

    def _finding(self) -> str | None:
        found = self.link.latest.get("electrodes") or {}
        return next((one["finding"] for one in found.values() if one["finding"]), None)

    def _measure(self, tick: int) -> None:
        """Pulses and currents since the fault, and whether lines, rail and current are off by now."""
        cell, rig = self._cell, self.rig
        path = rig.folder / f"current{current.DOUBLES}"
        zero = rig.sim.control.ask("current", path=str(path), since=tick)["zero"] - tick
        flows = sorted((at + zero, abs(ma) * 1000) for one in current.read(path).values() for at, ma, _ in one)
        times = [at for at, _ in flows]
        edges = rig.edges(since=tick, gpios=(*PHASE_GPIOS, DAC_CS_N))  # a frame or a phase is what times count from
        rises = [at + zero for at, gpio, level in edges if level and gpio != DAC_CS_N]
        cell.first_us = next((at for at in rises if at >= 0), None)
        cell.last_us = next((int(at) for at, ua in reversed(flows) if ua >= OFF_UA), None)
        asked = [(at - tick, width, ua) for at, width, ua in self.session.asked if at >= tick]
        cell.felt_us = next((at for at, _, ua in asked if ua >= FELT_UA), None)
        until = cell.last_us if cell.named_us is None else cell.named_us
        for at, width, ua in asked:
            least = (100 - BAND_PERCENT) * ua // 100 - BAND_UA if ua >= FELT_UA else 0
            for begin in (at, at + width + INTERPHASE_US):
                during = flows[bisect_right(times, begin) : bisect_left(times, begin + width)]
                flowed = max((one for _, one in during), default=0.0)
                right = least <= flowed <= (100 + BAND_PERCENT) * ua / 100 + BAND_UA
                if cell.wrong_us is None and not right and until is not None and begin + width <= until:
                    cell.wrong_us = begin
        if cell.final is None:
            return
        if not cell.guard_ended and rig.levels() & OFF_MASK:
            cell.problems.append("a phase line or OUTPUT_ENABLE is high")

    def _latched(self) -> None:
        """Nothing but an acknowledgement leads on, and not while the fault holds; never is there any current."""
        cell, link = self._cell, self.link
        since = self.rig.clock.now()
        for request in ("start", "resume", "check_electrodes", "self_test"):
            if link.request(request)["ok"]:
                cell.problems.append(f"{request} was taken")
        if link.request("acknowledge", role="clinician")["ok"]:
            cell.acknowledged = self._self_tested()
        else:
            cell.acknowledged = "refused"
            if link.latest["cause"] != cell.final:
                cell.problems.append(f"the acknowledgement made it {link.latest['cause']}")
        figures = self.rig.sim.control.ask("current", path=None, since=since)["figures"]
        for channel, one in figures.items():
            if one["peak_ma"] * 1000 >= OFF_UA:
                cell.problems.append(f"{one['peak_ma']:.3f} mA on {channel} after the stop")

    def _self_tested(self) -> str:
        """Waits for the end of a self-test."""
        while self.mode in ("self_test", "boot"):
            self.link.receive()
        return str(self.link.latest["cause"] or self.mode)

    def _mend(self) -> None:
        """Mends all; the guard must be idle again after a passed self-test."""
        self.rig.fault("clear")
        self._wait(60_000)
        if self.mode in ("armed", "paused"):
            self.link.request("end")
        for _ in range(3):
            if self.mode != "idle" and not self._cell.guard_ended:
                self.link.request("acknowledge", role="clinician")
                if self._self_tested() != "idle":
                    self._wait(1_500_000)
        if (
            self._cell.acknowledged == "idle" and self.mode == "idle"
        ):  # what was left broken in that self-test is not now
            self.link.request("self_test")
            self._self_tested()
        if self.mode != "idle":
            self._cell.problems.append(f"not idle when it was mended: {self.mode} {self.link.latest['cause']}")
            self.worn = True

    def _wait(self, us: int) -> None:
        clock = self.rig.clock
        until = clock.now() + us
        while clock.now() < until:
            if self._cell.guard_ended:
                clock.wait(until)
                continue
            try:
                self.session.step(until)
            except LinkError:
                self._gone()

    def _gone(self) -> None:
        """The guard has ended itself."""
        self._cell.guard_ended = self.worn = True
        self.link.close()

    # --- to a state, and on from there ----------------------------------------------------------------------------

    def _reach(self, state: At, breaks: tuple[Break, ...]) -> int:
        """Gets to the state; gives the tick at which the fault comes, a little later."""
        session, clock = self.session, self.rig.clock
        tick = None
        if state is not At.IDLE:
            self._wait(self.link.check_again_us - clock.now())
        if state is At.CHECK:
            assert self.link.request("check_electrodes")["ok"]
        elif state is not At.IDLE:
            assert session.check_electrodes()
        if state in (*CONTRACTION, At.REST, At.PAUSED):
            self._start()
            break_us = self._course.break_us(state)
            while session.at_us(clock.now()) < break_us - 60_000:
                assert not session.step(clock.now() + 5_000), self.link.latest
            assert session.offset_us is not None
            tick = session.offset_us + break_us
        if state is At.PAUSED:
            session.pause()
            while self.mode == "running":
                assert not session.step(), self.link.latest
            assert self.mode == "paused"
            tick = None
        if tick is None:
            tick = clock.now() + (IN_CHECK_US if state is At.CHECK else SOON_US)
        for one in breaks:
            self.rig.fault(one.name, *one.args, at=tick)
        return tick

    def _start(self) -> None:
        self._day += timedelta(days=1)
        if not self.session.start(self._day.isoformat()):
            raise _Found

    def _go_on(self, state: At, until: int) -> None:
        """What a person does next, until something is named or all came to its end in order, self-test included."""
        if state in (At.IDLE, At.ARMED, At.PAUSED):
            self._step_until(until)
        if state is At.IDLE:
            self._step_until(self.link.check_again_us)
            self.session._ask("check_electrodes")
        if state in (At.IDLE, At.CHECK):
            self._while("electrode_check")
            if self._finding():
                raise _Found
            self._step_until(self.rig.clock.now() + 40_000)
        if state in (At.IDLE, At.CHECK, At.ARMED):
            self._start()
        if state is At.PAUSED:
            self.session.resume()
        if self._course.end_ms is not None:
            self._step_until(max(until, self.rig.clock.now()) + 1000 * self._course.end_ms)
            self.session.end()
        self._while("running")
        self._step_until(self.rig.clock.now() + 100_000)
        self.session._ask("self_test")
        self._while("self_test")

    def _while(self, mode: str) -> None:
        while self.mode == mode and self.link.told is None:
            self.session.step()
        if self.link.told is not None:
            raise _Found

    def _step_until(self, tick: int) -> None:
        while self.link.told is None and self.rig.clock.now() < tick:
            self.session.step(tick)
        if self.link.told is not None:
            raise _Found


@contextlib.contextmanager
def bench(state: Path | None = None) -> Iterator[Bench]:
    """A board and a guard of its own; ``state``: the folder of its record, if it is to be kept."""
    with stack(state) as rig:
        yield Bench(rig)
