"""One simulated board and guard in real time, on which ends of output are tried one after the other.

A try: a person's session is held at 2 mA, 50 Hz; something happens at a random moment of a chunk; what came out after
that is read from the board's own record of edges, current and rail; all is mended, and the guard passes its self-test.
Times are ticks of the board, in us.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import random
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from controller.launch import Control, SimulatedBoard
from controller.session import SessionRefused
from hw.board import load_board
from hw.clock import VirtualClock
from hw.mock import current
from safety.enrolled import enrol
from safety.errors import LinkError
from safety.link import Message
from tests.bench.guard import LATE
from tests.matrix.bench import INTENSITY_UA, OFF_UA, RAIL_GONE_V, Course, Listening, Timed
from tests.support.signed import KEY
from tests.support.stack import Stack

COURSE: Final = Course(up_ms=300, hold_ms=2_000, down_ms=300, rest_ms=2_700)
LEASE_US: Final = 1_000_000
"""The shortest that can be asked for."""
CHUNK_US: Final = 100_000
BEFORE_US: Final = 40_000
"""So much of the record before it happened is looked at, too: a pulse may have been under way."""
AHEAD_US: Final = 20_000
"""A fault is asked for so much before it comes, so that it comes at its tick though the machine be busy."""
LOOK_US: Final = 1_000
"""The rail is looked at this often, or a little less."""


class TryFailed(Exception):
    """A try that says nothing about the bound: it came to an end before anything was done. The text says why."""


@dataclass
class Try:
    """What became of one. Times in us after it happened, None where there was none. ``cause``: what was named first.

    ``last_us``: the last current at an electrode; ``pulse_us``: the last change of a phase line; ``first_us``: the
    first phase that began, or 0 if one was under way; ``rail_us``: the rail was seen under 5 V; ``named_us``,
    ``confirmed_us``: as the guard told it; ``rises``: whether a pulse after the naming was stronger than one before.
    ``late_us``: how much later than it was to be the guard made a check until then, at most: so long the machine let it
    wait. ``disk``: the cause in the guard's record afterwards. ``refused``: why the stop itself was not taken.
    """

    cause: str | None = None
    last_us: int | None = None
    pulse_us: int | None = None
    first_us: int | None = None
    rail_us: int | None = None
    named_us: int | None = None
    confirmed_us: int | None = None
    rises: bool = False
    late_us: int = 0
    disk: str | None = None
    refused: str | None = None


class Told(Listening):
    """A link that echoes the lease while ``echoes``, and takes down when it did last and when lows were confirmed."""

    echoes = True
    confirmed: Message | None = None
    echoed_us = 0

    def _arrived(self, until_us: int | None) -> list[Message]:
        messages = super()._arrived(until_us)
        for message in messages:
            if message["type"] == "nonce" and self.echoes:
                self.echoed_us = self._clock.now()  # of this moment, or a little before it
                self.send("lease", nonce=message["nonce"])
            if self.told is not None and self.confirmed is None and message.get("confirmed"):
                self.confirmed = message
        return [message for message in messages if message["type"] != "nonce"]


class Replaceable(SimulatedBoard):
    """A board whose guard can be replaced by one with a record of its own, which so knows of no contraction before."""

    def __init__(self, folder: Path) -> None:
        self._folders = (folder / f"state{number}" for number in itertools.count())
        state = next(self._folders)
        super().__init__(folder, state, new_state=True, speed=1)
        enrol(state, KEY.public)
        self.clock = VirtualClock(str(folder / "sim.sock"), "test")

    def _start(self, module: str, *options: str) -> str:
        return super()._start("tests.bench.guard" if module == "safety" else module, *options)

    @property
    def state(self) -> Path:
        """The folder of the guard's record."""
        return Path(self._guard[self._guard.index("--state") + 1])

    def new_guard(self) -> None:
        """Kills the guard and starts another."""
        guard = self.processes.pop()
        guard.kill()
        guard.wait()
        for pipe in (guard.stdin, guard.stdout):
            assert pipe is not None
            pipe.close()
        state = next(self._folders)
        self._guard[self._guard.index("--state") + 1] = str(state)
        self._start("safety", *self._guard, "--new-state")
        enrol(state, KEY.public)


@dataclass
class Trying:
    """Tries on one board. ``tick``: when it happened; what was done sets it."""

    rig: Stack
    seed: int
    link: Told | None = None
    tick: int = 0
    child: int | None = None
    found: str | None = None
    refused: str | None = None
    _day: date = field(default=date(2000, 1, 1))

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    @property
    def board(self) -> Replaceable:
        assert isinstance(self.rig.sim, Replaceable)
        return self.rig.sim

    @property
    def guard(self) -> int:
        """Its process."""
        return self.board.processes[1].pid

    def now(self) -> int:
        """The board's tick. (The clock's own goes on only with its waits.)"""
        return int(self.rig.sim.control.ask("levels")["now"])

    # --- to the moment --------------------------------------------------------------------------------------------

    def connect(self) -> Told:
        """The app's end."""
        return self.idle(Told(self.rig.folder, self.rig.clock))

    def idle(self, link: Told) -> Told:
        """The link, once the guard is idle after a passed self-test; ``found`` is what it had latched."""
        self.found = link.latest["cause"]
        for _ in range(5):
            while link.latest["mode"] in ("boot", "self_test"):
                link.receive()
            if link.latest["mode"] in ("armed", "paused"):
                link.request("end")
            if link.latest["mode"] == "idle":
                return link
            if not link.request("acknowledge", role="clinician")["ok"]:
                self.wait(200_000, link)
        raise TryFailed(f"not idle: {link.latest['mode']} {link.latest['cause']}")

    def hold(self) -> None:
        """A session, until 2 mA have flowed for a chunk or two."""
        link = self.link = self.connect() if self.link is None else self.link
        link.told = link.confirmed = None
        link.before, link.echoes = "boot", True
        self.rig.sim.control.ask("current", record=True)
        made = self.rig.session(COURSE.text(), INTENSITY_UA, link=link, kind=Timed, lease_us=LEASE_US)
        assert isinstance(made, Timed)
        self.session = made
        self.session.asked = []
        self._day += timedelta(days=1)
        if not (made.load() and made.check_electrodes() and made.start(self._day.isoformat())):
            raise TryFailed(f"not started: {link.latest['cause']}")
        self.step_until(lambda: made.outcome.reached_us["A"] is not None)
        self.play(self.chance.randrange(CHUNK_US // 4, CHUNK_US * 5 // 4))

    def step_until(self, good: Any) -> None:
        """Plays until it is so."""
        while not good():
            if self.session.step() or (self.link is not None and self.link.told is not None):
                raise TryFailed(f"stopped before anything was done: {self.link and self.link.latest['cause']}")

    def play(self, us: int) -> None:
        """Plays for so long."""
        until = self.now() + us
        while self.now() < until:
            if self.session.step(until) or (self.link is not None and self.link.told is not None):
                raise TryFailed(f"stopped before anything was done: {self.link and self.link.latest['cause']}")

    # --- what happens ---------------------------------------------------------------------------------------------

    def happens(self) -> None:
        """It is done right after this."""
        self.tick = self.now()

    def fault(self, *named: object) -> None:
        """A fault of the board, at a tick close ahead."""
        self.tick = self.now() + AHEAD_US
        self.rig.fault(str(named[0]), *named[1:], at=self.tick)

    def signal(self, process: int, number: signal.Signals) -> None:
        """A signal to a process."""
        self.happens()
        os.kill(process, number)

    # --- what became of it ----------------------------------------------------------------------------------------

    def wait(self, us: int, link: Told | None, *, rail: bool = False) -> int | None:
        """Goes on as the app does; gives when the rail fell under 5 V, in us after it happened.

        Between two looks the rail is taken to fall as a charge does, by the same part in the same time.
        """
        gone, until, before = None, max(self.now(), self.tick) + us, (0, 0.0)
        while (now := self.now()) < until:
            looks = rail and gone is None
            next_us = min(until, now + LOOK_US) if looks else until
            if link is None:
                time.sleep((next_us - now) / 1e6)
            else:
                try:
                    if link is self.link and link.told is None:
                        self.session.step(next_us)
                    else:
                        link.receive(next_us)
                except (LinkError, SessionRefused):
                    link = None
            if looks:
                seen = self.rig.sim.control.ask("rail")
                at, volt = seen["now"] - self.tick, max(seen["volt"], 0.001)
                if at >= 0 and volt < RAIL_GONE_V:
                    if not before[1]:
                        raise TryFailed("the machine let the rail fall before it was looked at")
                    part = math.log(before[1] / RAIL_GONE_V) / math.log(before[1] / volt)
                    gone = int(before[0] + part * (at - before[0]))
                before = (at, volt)
        return gone

    def read(self, rail_us: int | None) -> Try:
        """What the board has recorded since, and the guard has told."""
        path, tick, link = self.rig.folder / f"current{current.DOUBLES}", self.tick, self.link
        disk = json.loads((self.board.state / "ledger.json").read_text(encoding="utf-8"))["cause"]
        found = Try(rail_us=rail_us, disk=disk, refused=self.refused)
        zero = self.rig.sim.control.ask("current", path=str(path), since=tick - BEFORE_US)["zero"] - tick
        flows = [(at + zero, abs(ma) * 1000) for one in current.read(path).values() for at, ma, _ in one]
        found.last_us = max((int(at) for at, ua in flows if ua >= OFF_UA), default=None)
        edges = [(at - tick, level) for at, _, level in self.rig.phase_edges(tick - BEFORE_US)]
        found.pulse_us = max((at for at, _ in edges), default=None)
        if any(level for _, level in [edge for edge in edges if edge[0] < 0][-1:]):
            found.first_us = 0
        else:
            found.first_us = next((at for at, level in edges if level and at >= 0), None)
        told_us = None if link is None or link.told is None else link.told["now_us"]
        lines = (self.rig.folder / LATE).read_text(encoding="ascii").splitlines()
        checks = [(int(at), int(late)) for at, late in (line.split() for line in lines)]
        found.late_us = max((late for at, late in checks if tick <= at <= (told_us or at)), default=0)
        if link is None or link.told is None:
            return found
        found.cause = link.told.get("cause") or link.told["ramp_cause"]
        found.named_us = link.told["now_us"] - tick
        found.confirmed_us = None if link.confirmed is None else link.confirmed["now_us"] - tick
        strengths = [
            max((ua for time, ua in flows if rise < time < fall), default=0.0)
            for (rise, level), (fall, _) in itertools.pairwise(edges)
            if level and rise > found.named_us
        ]
        found.rises = any(after > 1.02 * before + 50 for before, after in itertools.pairwise(strengths))
        return found

    def mend(self) -> None:
        """Mends all, so that the guard can be idle again."""
        self.rig.fault("clear")
        self.wait(60_000, self.link)
        self.link = self.connect() if self.link is None else self.idle(self.link)

    def replace_guard(self) -> None:
        """Mends all, and starts a guard in the place of the one that has ended or is of no use any more."""
        self.rig.fault("clear")
        if self.link is not None:
            self.link.close()
            self.link = None
        if not self.daemon_lives():
            self.rig.fault("daemon-restart")
        self.board.new_guard()

    def daemon_lives(self) -> bool:
        """Whether anybody listens at the daemon's port."""
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.rig.port)) == 0

    # --- an app of its own ----------------------------------------------------------------------------------------

    def fork(self) -> None:
        """A session that is held, as ``hold`` leaves it, in a process of its own that goes on playing."""
        if self.link is not None:
            self.link.close()
            self.link = None
        reads, writes = os.pipe()
        self._day += timedelta(days=1)
        self.child = os.fork()
        if not self.child:
            try:
                self._play_on(writes)
            finally:
                os._exit(1)
        os.close(writes)
        with os.fdopen(reads, "rb") as pipe:
            if not pipe.read(1):
                os.waitpid(self.child, 0)
                raise TryFailed("the app did not get so far")

    def _play_on(self, writes: int) -> None:
        """What the process does."""
        self.rig.sim.control.close()
        self.rig.sim._control = Control(self.rig.folder / "sim.sock")
        self.rig.clock = VirtualClock(str(self.rig.folder / "sim.sock"), "child")
        self.chance = random.Random(os.getpid())
        self.hold()
        os.write(writes, b"+")
        while True:
            self.session.step()

    def bury(self) -> None:
        """Ends that process, if it lives, and hears from the guard what it named."""
        assert self.child is not None
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        self.child = None


@contextlib.contextmanager
def trying(seed: int) -> Iterator[Trying]:
    """A board and a guard in real time."""
    with tempfile.TemporaryDirectory(prefix="ps") as name, contextlib.ExitStack() as after:
        board = Replaceable(Path(name))
        after.callback(board.close)
        assert isinstance(board.clock, VirtualClock)
        rig = Stack(board, Path(name), Path(name), board.clock, load_board())
        yield Trying(rig, seed)
