"""The whole stack for tests: simulated board and guard as processes, with the test as app, on the virtual clock."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pigpio

from controller.launch import SimulatedBoard
from controller.outcome import Outcome, View
from controller.programme import Programme, parse_programme
from controller.session import Session
from controller.timeline import Timeline
from controller.waveform import Encoder
from hw.board import Board, load_board
from hw.clock import VirtualClock
from safety.enrolled import enrol
from safety.link import GuardLink, Message
from tests.support.signed import KEY, signed
from tests.support.sim import disconnect

PHASE_GPIOS = (24, 27, 22, 26)
DAC_GPIOS = (20, 17, 16)


def short_programme(**changes: object) -> bytes:
    """A programme of three contractions of 3.5 s on channel A; ``changes`` replace single values of the phase."""
    values: dict[str, object] = {
        "channel": '"A"',
        "frequency_hz": "50.0",
        "phase_width_us": 250,
        "interphase_us": 100,
        "ramp_up_ms": 500,
        "hold_ms": 2500,
        "ramp_down_ms": 500,
        "rest_ms": 4000,
        "repeats": 3,
        "intensity_percent": 100,
        **changes,
    }
    phase = "\n".join(f"{key} = {value}" for key, value in values.items())
    return (
        'schema = 1\nid = "short"\ntitle = { nb = "Kort", en = "Short" }\nsource = "a test"\n'
        'electrode = { kind = "vaginal probe", area_cm2 = 10.0 }\n'
        f'[[phase]]\nname = {{ nb = "En", en = "One" }}\n{phase}\n'
    ).encode()


class AppLink(GuardLink):
    """The app's end in a test's hand. With ``echoes`` it answers the guard's nonces, whoever waits, and for what."""

    echoes = False

    def _arrived(self, until_us: int | None) -> list[Message]:
        arrived = super()._arrived(until_us)
        if not self.echoes:
            return arrived
        for message in arrived:
            if message["type"] == "nonce":
                self.send("lease", nonce=message["nonce"])
        return [message for message in arrived if message["type"] != "nonce"]

    def past(self, *modes: str) -> None:
        """Waits until the guard is in none of these modes."""
        while self.latest["mode"] in modes:
            self.receive()

    def heard(self) -> None:
        """Waits until the guard has heard of this page."""
        while not self.request("status")["increase_allowed"]:
            self.receive(self.now() + 20_000)

    def arm(self, programme: bytes, caps_ua: dict[str, int] | None = None, **more: object) -> Message:
        """Loads a programme and has the electrodes checked; from then on nonces are echoed. The state that is told."""
        self.echoes = True
        loaded = self.request("load", programme=programme.decode(), **signed(programme, self.latest, caps_ua, **more))
        assert loaded["ok"], loaded
        return self.check_electrodes()

    def check_electrodes(self) -> Message:
        """A check that must find all well, as soon as there may be one."""
        self.heard()
        while (asked := self.request("check_electrodes")).get("code") == "check_too_soon":
            self.receive(self.now() + asked["wait_us"])
        assert asked["ok"], asked
        self.past("electrode_check")
        assert self.latest["mode"] == "armed", self.latest
        return self.latest

    def acknowledge(self, **fields: object) -> Message:
        """Clears a stop, which must be possible, and waits for the self-test after it."""
        answer = self.request("acknowledge", **fields)
        assert (answer["ok"], answer["mode"]) == (True, "self_test"), answer
        self.past("self_test")
        return self.latest


_Link = TypeVar("_Link", bound=AppLink)


@dataclass
class Stack:
    """A running board and guard. ``folder`` is the guard's runtime folder, ``clock`` the test's own participant."""

    sim: SimulatedBoard
    folder: Path
    state: Path
    clock: VirtualClock
    board: Board
    links: list[AppLink] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.sim.port

    def link(self, kind: type[_Link] = AppLink) -> _Link:  # type: ignore[assignment]
        """The app's end, once the self-test is over, if there is one."""
        made = kind(self.folder, self.clock)
        self.links.append(made)
        made.past("boot", "self_test")
        return made

    def session(
        self,
        programme: bytes | Programme,
        intensity_ua: int,
        link: GuardLink | None = None,
        end_us: int | None = None,
        show: Callable[[View], None] = lambda _: None,
        kind: type[Session] = Session,
        show_rest: Callable[[int], None] = lambda _: None,
        lease_us: int | None = None,
        **more: Any,
    ) -> Session:
        if isinstance(programme, bytes):
            programme = parse_programme(programme, "test")
        channels = sorted({one for phase in programme.phases for one in getattr(phase, "channels", ())})
        target = dict.fromkeys(channels, intensity_ua)
        encoder = Encoder(self.board)
        full = self.board.full_scale_ua
        link = link or self.link()
        lease = {} if lease_us is None else {"lease_us": lease_us}
        more = {"signed": signed(programme, link.latest, **lease), **more}
        return kind(link, Timeline(programme), encoder, full, target, end_us, show, show_rest, **more)

    def play(self, programme: bytes | Programme, intensity_ua: int, **options: Any) -> Outcome:
        return self.session(programme, intensity_ua, **options).run(None)

    def sleep_until(self, tick: int) -> None:
        """Lets time pass; messages of the guard are taken, since time stands still while one is under way."""
        while self.clock.now() < tick:
            if self.links:
                self.links[-1].receive(tick)
            else:
                self.clock.wait(tick)

    def edges(self, since: int | None = None, gpios: tuple[int, ...] | None = None) -> list[tuple[int, int, int]]:
        """(us, gpio, level) of every change so far; from the first phase or DAC edge at or after ``since``."""
        out = self.folder / "edges.csv"
        self.sim.control.ask("edges", path=str(out), since=since, gpios=None if gpios is None else list(gpios))
        rows = out.read_text(encoding="utf-8").splitlines()[1:]
        return [(int(a), int(b), int(c)) for a, b, c in (row.split(",") for row in rows)]

    def phase_edges(self, after: int = 0) -> list[tuple[int, int, int]]:
        """Every change of a phase line from tick ``after`` on. The electrode check has some before a session begins."""
        return [edge for edge in self.edges(gpios=PHASE_GPIOS) if edge[0] >= after]

    def session_edges(self) -> list[tuple[int, int, int]]:
        """Those since the output switch was last closed: of a session that was started and not paused."""
        closed = [at for at, _, level in self.edges(gpios=(25,)) if level]
        return self.phase_edges(closed[-1])

    def live_edges(self, after: int = 0) -> list[tuple[int, int, int]]:
        """Every rise of a phase line from tick ``after`` on while OUTPUT_ENABLE was high."""
        found, enabled = [], 0
        for at, gpio, level in self.edges(gpios=(25, *PHASE_GPIOS)):
            if gpio == 25:
                enabled = level
            elif level and enabled and at >= after:
                found.append((at, gpio, level))
        return found

    def levels(self) -> int:
        return int(self.sim.control.ask("levels")["bank"])

    def fault(self, name: str, *args: object, **more: object) -> None:
        """Breaks something (docs/faults.md), or mends it ("clear"). ``at``: at a tick."""
        answer = self.sim.control.ask("fault", name=name, args=list(args), **more)
        assert not answer.get("problems"), answer

    @contextlib.contextmanager
    def frozen(self, pid: int, *names: str) -> Iterator[None]:
        """A process stands still (SIGSTOP) while time goes on; ``names``: its participants of the clock."""
        os.kill(pid, signal.SIGSTOP)
        while Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)
        for name in names:
            self.sim.control.ask("frozen", name=name, value=True)
        try:
            yield
        finally:
            for name in names:
                self.sim.control.ask("frozen", name=name, value=False)
            os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        """Another pigpio client, as anybody on the machine could open one."""
        other = pigpio.pi("127.0.0.1", self.port)
        try:
            yield other
        finally:
            disconnect(other)


@contextlib.contextmanager
def stack(state: Path | None = None, *, new_state: bool = True, speed: float | None = None) -> Iterator[Stack]:
    """Starts a board and a guard; ends both."""
    with tempfile.TemporaryDirectory(prefix="ps") as name, contextlib.ExitStack() as after:
        folder = Path(name)
        kept = state or folder / "state"
        sim = SimulatedBoard(folder, kept, new_state=new_state, speed=speed)
        after.callback(sim.close)
        enrol(kept, KEY.public)
        clock = sim.clock if isinstance(sim.clock, VirtualClock) else VirtualClock(str(folder / "sim.sock"), "test")
        after.callback(clock.close)
        rig = Stack(sim, folder, kept, clock, load_board())
        after.callback(lambda: [link.close() for link in rig.links])
        yield rig
