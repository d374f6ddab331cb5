"""One board and one guard on which faults are tried one after the other: drives a session to a state, breaks something,
goes on as a person would, and tells what became of it.

Times are virtual microseconds.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

from controller.feed import Made
from controller.programme import parse_programme
from controller.session import Session, SessionRefused
from hw.mock import current
from safety.errors import LinkError
from safety.link import GuardLink, Message
from tests.support.stack import PHASE_GPIOS, Stack, short_programme, stack

INTENSITY_UA: Final = 2_000
"""One step of the set-point: what the first contraction reaches."""
UP_US, HOLD_US, DOWN_US, REST_US = 400_000, 1_000_000, 400_000, 1_900_000
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


@dataclass(frozen=True)
class Break:
    """One fault of docs/faults.md with its arguments; ``after_us``: so much later than the first of a cell."""

    name: str
    args: tuple[object, ...] = ()
    after_us: int = 0

    def __str__(self) -> str:
        return " ".join((self.name, *map(str, self.args)))


@dataclass
class Cell:
    """What became of a fault in a state.

    ``cause`` (None: never named) was told ``at``, ``named_us`` after the fault; ``first_us``: the first pulse from the
    fault on, ``last_us`` the last current at an electrode, both after the fault, None if there was none.
    ``acknowledged``: what an acknowledgement led to while the fault was still there. ``problems``: what was not as it
    must be.
    """

    cause: str | None = None
    at: str | None = None
    mode: str | None = None
    ramped: bool = False
    named_us: int | None = None
    first_us: int | None = None
    last_us: int | None = None
    rail_us: int | None = None
    acknowledged: str | None = None
    disk: str | None = None
    guard_died: bool = False
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Listening(GuardLink):
    """A link that takes down when a cause was told first."""

    told: Message | None = None
    before = "boot"
    """The mode until then."""

    def _arrived(self, until_us: int | None) -> list[Message]:
        messages = super()._arrived(until_us)
        for message in messages:
            if self.told is None and "now_us" in message:
                if message.get("cause") or message.get("ramp_cause"):
                    self.told = message
                else:
                    self.before = message["mode"]
        return messages


class Timed(Session):
    """A session that knows where it is."""

    offset_us: int | None = None

    def _count(self, made: Made, began_us: int) -> None:
        super()._count(made, began_us)
        self.offset_us = began_us - made.slice.start_us

    def at_us(self, now_us: int) -> int:
        """Session time, 0 before its first chunk."""
        return 0 if self.offset_us is None else now_us - self.offset_us


class _Found(Exception):
    """Something was named, or the guard died."""


DWELL_US: Final = 300_000
"""How long a state without a time of its own lasts after the fault, before the person goes on."""


class Bench:
    """Tries cells one after the other. ``day`` moves on with each start: a day has three sessions."""

    def __init__(self, rig: Stack) -> None:
        self.rig = rig
        self.link = Listening(rig.folder, rig.clock)
        rig.links.append(self.link)
        self._day = date(2000, 1, 1)
        self.session = self._session(short_programme())
        rig.sim.control.ask("current", record=True)
        while self.mode in ("boot", "self_test"):
            self.link.receive()
        assert self.mode == "idle", self.link.latest

    @property
    def mode(self) -> str:
        return str(self.link.latest["mode"])

    def _session(self, text: bytes) -> Timed:
        made = self.rig.session(text, INTENSITY_UA, link=self.link, kind=Timed)
        assert isinstance(made, Timed)
        return made

    # --- a cell -----------------------------------------------------------------------------------------------

    def run(self, breaks: tuple[Break, ...], state: At, dwell_us: int = DWELL_US, **programme: object) -> Cell:
        cell = Cell()
        text = short_programme(
            ramp_up_ms=UP_US // 1000,
            hold_ms=HOLD_US // 1000,
            ramp_down_ms=DOWN_US // 1000,
            rest_ms=REST_US // 1000,
            repeats=2,
            **programme,
        )
        self.session = self._session(text)
        self.link.told = None
        assert self.session.load(lease_us=5_000_000)
        tick = self._reach(state, breaks)
        began = self.rig.clock.now()
        try:
            self._go_on(state, tick + dwell_us, dwell_us)
        except _Found:
            pass
        except SessionRefused as refused:
            cell.notes.append(f"refused: {refused}")
            if self.link.told is None:
                cell.problems.append(f"refused: {refused}")
        except LinkError as error:
            self._gone(cell, error)
            self._wait(200_000, cell)
        self._judge(cell, tick, began)
        return cell

    def _judge(self, cell: Cell, tick: int, began: int) -> None:
        told, link = self.link.told, self.link
        if told is not None:
            cell.ramped = not told.get("cause")
            cell.cause = told.get("cause") or told.get("ramp_cause")
            cell.named_us = told["now_us"] - tick
            cell.at = self._where(told)
            while not cell.guard_died and (link.latest["confirmed"] is None or not link.latest["cause"]):
                try:
                    self.session.step()
                except LinkError as error:
                    self._gone(cell, error)
            self._wait(100_000, cell)
            cell.mode = self.mode
            if link.latest["cause"] != cell.cause:
                cell.problems.append(f"then {link.latest['cause']}")
            if link.latest["confirmed"] is not True:
                cell.problems.append("not confirmed off")
        elif self._finding():
            cell.cause, cell.at = self._finding(), At.CHECK
            cell.named_us = link.latest["now_us"] - tick
        self._measure(cell, tick)
        cell.disk = json.loads((self.rig.state / "ledger.json").read_text())["cause"]
        if cell.guard_died or self.rig.sim.processes[1].poll() is not None:
            cell.guard_died = True
            return
        if told is not None:
            self._latched(cell)
        self.mend(cell)

    def _measure(self, cell: Cell, tick: int) -> None:
        """First pulse and last current after the fault, and whether lines and current are off by now."""
        rig = self.rig
        path = rig.folder / "current.csv"
        zero = rig.sim.control.ask("current", path=str(path), since=tick)["zero"]
        rises = [at for at, _, level in rig.edges(since=tick, gpios=PHASE_GPIOS) if level]
        if rises and (first := zero + rises[0] - tick) >= 0:
            cell.first_us = first
        points = [(at, ma) for one in current.read(path).values() for at, ma, _ in one if abs(ma) * 1000 >= OFF_UA]
        if points:
            cell.last_us = int(zero + max(points)[0] - tick)

    def _latched(self, cell: Cell) -> None:
        """Nothing but a person leads on, and an acknowledgement with the fault still there changes nothing."""
        link, cause = self.link, self.link.latest["cause"]
        for request in ("start", "resume", "check_electrodes", "self_test"):
            if link.request(request)["ok"]:
                cell.problems.append(f"{request} was taken")
        since = self.rig.clock.now()
        answer = link.request("acknowledge", role="clinician")
        if answer["ok"]:
            cell.acknowledged = self._self_tested()
        else:
            cell.acknowledged = "refused"
            if answer["cause"] != cause:
                cell.problems.append(f"the acknowledgement made it {answer['cause']}")
        self._zero_since(cell, since)

    def _zero_since(self, cell: Cell, since: int) -> None:
        figures = self.rig.sim.control.ask("current", path=None, since=since)["figures"]
        for channel, one in figures.items():
            if one["peak_ma"] * 1000 >= OFF_UA:
                cell.problems.append(f"{channel}: {one['peak_ma']:.3f} mA after the stop")

    def _self_tested(self) -> str:
        """Waits for the end of a self-test."""
        while self.mode in ("self_test", "boot"):
            self.link.receive()
        return str(self.link.latest["cause"] or self.mode)

    def mend(self, cell: Cell) -> None:
        """Mends all, and acknowledges until the guard is idle again; each time through the self-test."""
        self.rig.fault("clear")
        try:
            self._wait(60_000, cell)
            if self.mode == "armed":
                self.link.request("end")
            elif self.mode in ("running", "paused"):
                self.link.stop()
                self._wait(100_000, cell)
            for _ in range(3):
                if self.mode == "idle":
                    return
                self.link.request("acknowledge", role="clinician")
                if self._self_tested() == "idle":
                    return
                self._wait(200_000, cell)
            cell.problems.append(f"not idle again: {self.mode} {self.link.latest['cause']}")
            cell.guard_died = True
        except LinkError as error:
            cell.notes.append(f"while mending: {error}")
            cell.guard_died = True

    def _wait(self, us: int, cell: Cell) -> None:
        clock = self.rig.clock
        until = clock.now() + us
        while clock.now() < until:
            if cell.guard_died:
                clock.wait(until)
                continue
            try:
                self.link.receive(until)
            except LinkError as error:
                self._gone(cell, error)

    def _gone(self, cell: Cell, error: LinkError) -> None:
        cell.guard_died = True
        cell.notes.append(str(error))
        self.link.close()

    # --- to a state, and on from there ------------------------------------------------------------------------

    def _break(self, breaks: tuple[Break, ...], tick: int) -> int:
        for one in breaks:
            self.rig.fault(one.name, *one.args, at=tick + one.after_us)
        return tick

    def _reach(self, state: At, breaks: tuple[Break, ...]) -> int:
        """Gets to the state; gives the tick at which the fault comes, a little later."""
        session, clock = self.session, self.rig.clock
        if state is At.IDLE:
            return self._break(breaks, clock.now() + 33_000)
        if state is At.CHECK:
            assert self.link.request("check_electrodes")["ok"]
            return self._break(breaks, clock.now() + 33_000)
        assert session.check_electrodes()
        if state is At.ARMED:
            return self._break(breaks, clock.now() + 33_000)
        self._start()
        cycle = UP_US + HOLD_US + DOWN_US + REST_US
        hold = UP_US + 307_000
        at_us = {
            At.UP: cycle + 207_000,
            At.HOLD: hold,
            At.DOWN: UP_US + HOLD_US + 27_000,
            At.REST: UP_US + HOLD_US + DOWN_US + 307_000,
            At.PAUSED: hold,
        }[state]
        while session.at_us(clock.now()) < at_us - 60_000:
            assert not session.step(clock.now() + 5_000), self.link.latest
        if state is not At.PAUSED:
            assert session.offset_us is not None
            return self._break(breaks, session.offset_us + at_us)
        session.pause()
        while self.mode == "running":
            assert not session.step(), self.link.latest
        assert self.mode == "paused"
        return self._break(breaks, clock.now() + 33_000)

    def _start(self) -> None:
        self._day += timedelta(days=1)
        assert self.session.start(self._day.isoformat())

    def _go_on(self, state: At, until: int, dwell_us: int) -> None:
        """What a person does next, until something is named or all came to its end in order."""
        if state is At.IDLE:
            self._step_until(until)
            assert self.link.request("check_electrodes")["ok"]
        if state in (At.IDLE, At.CHECK):
            self._while("electrode_check")
            if self._finding():
                raise _Found
        if state in (At.IDLE, At.CHECK, At.ARMED):
            self._step_until(until if state is At.ARMED else self.rig.clock.now() + 40_000)
            self._start()
        if state is At.PAUSED:
            self._step_until(until)
            self.session.resume()
        self._while("running")
        assert self.link.request("self_test")["ok"]
        self._while("self_test")

    def _finding(self) -> str | None:
        found = self.link.latest.get("electrodes") or {}
        return next((one["finding"] for one in found.values() if one["finding"]), None)

    def _while(self, mode: str) -> None:
        while self.mode == mode and self.link.told is None:
            self.session.step()
        if self.link.told is not None:
            raise _Found

    def _step_until(self, tick: int) -> None:
        while self.rig.clock.now() < tick:
            self.session.step(tick)
            if self.link.told is not None:
                raise _Found

    def _where(self, told: Message) -> str:
        """Where the session stood when something was named. The latched modes do not tell, the last one before does."""
        if self.link.before != "running":
            return {"electrode_check": At.CHECK, "self_test": At.SELF_TEST}.get(self.link.before, self.link.before)
        at_us = max(0, self.session.at_us(told["now_us"])) % (UP_US + HOLD_US + DOWN_US + REST_US)
        for name, us in ((At.UP, UP_US), (At.HOLD, HOLD_US), (At.DOWN, DOWN_US)):
            if at_us < us:
                return name
            at_us -= us
        return At.REST
