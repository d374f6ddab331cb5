"""The guard process and its operating system: systemd, imports, threads."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import threading
from pathlib import Path

import pigpio
import pytest

from controller.launch import SimulatedBoard
from controller.outcome import View
from hw.board import load_board
from hw.clock import WallClock
from hw.panel import Panel
from hw.pulses import PulseOutput
from hw.wire import DaemonLost, connect
from safety.errors import LinkError
from safety.guard import Guard
from safety.link import GuardLink
from tests.stateful.days import resident_kb
from tests.support.chunks import longest, pack
from tests.support.hand import Hand
from tests.support.sim import Sim
from tests.support.stack import Stack, short_programme, stack

pytestmark = pytest.mark.cold
HOST = "127.0.0.1"


def guard_is(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """The guard of the stacks that follow is this module instead of ``safety``."""
    start = SimulatedBoard._start

    def started(board: SimulatedBoard, module: str, *options: str) -> str:
        return start(board, program if module == "safety" else module, *options)

    monkeypatch.setattr(SimulatedBoard, "_start", started)


def _hear_all(link: GuardLink) -> None:
    while link.receive():
        pass


HEARD_US = 60_000
"""Time in which a guard of which each check is told says no more than the queue of a service manager holds."""


class Manager:
    """A service manager that takes down every line. Its queue holds ten messages: time passes only while it listens."""

    def __init__(self, address: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(address))
        self.lines: list[str] = []

    def listens(self, rig: Stack, us: int) -> None:
        """Lets time pass."""
        for _ in range(us // HEARD_US):
            rig.sleep_until(rig.clock.now() + HEARD_US)
            self.takes()

    def takes(self) -> None:
        """What has come."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.lines += self._socket.recv(4096).decode().split("\n")

    def close(self) -> None:
        self._socket.close()


@pytest.mark.req("SR-148")
def test_systemd_hears_of_every_state_and_is_fed_also_while_a_cause_is_latched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(address))
    monkeypatch.setenv("WATCHDOG_USEC", "3")  # each check is told
    with contextlib.closing(Manager(address)) as manager, stack() as rig:
        manager.listens(rig, 2_400_000)
        link = rig.link()
        manager.listens(rig, 120_000)
        link.stop()
        manager.listens(rig, 1_020_000)
        rig.fault("daemon-kill", "KILL")
        rig.sim.processes[1].wait(30)
        manager.takes()
    told = [line for line in manager.lines if line != "WATCHDOG=1"]
    assert told == [
        "READY=1",
        "STATUS=on a simulator's clock",
        "STATUS=self_test",
        "STATUS=idle",
        "STATUS=person",
    ], "and not of the daemon's end: that check read nothing"
    latched = manager.lines[manager.lines.index("STATUS=person") :].count("WATCHDOG=1")
    assert 40 <= latched <= 60, "one a check"


def test_nothing_is_imported_after_the_guard_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import in the midst of a session would read files for as long as a slow card takes."""
    guard_is(monkeypatch, "tests.support.watched_guard")
    monkeypatch.setenv("MODULES", str(tmp_path / "modules"))
    with stack() as rig:
        link = rig.link()
        assert rig.play(short_programme(repeats=1), 4_000, link=link).cause is None
        link.send("nonsense")
        link.send_chunk(1, 0, 0, b"nonsense")
        link.stop()
        rig.sleep_until(rig.clock.now() + 100_000)
        link.acknowledge()
        rig.fault("estop-press")
        rig.sleep_until(rig.clock.now() + 100_000)
        rig.fault("estop-release")
        rig.fault("adc-dead")
        rig.sleep_until(rig.clock.now() + 100_000)
        assert link.latest["cause"] == "emergency_stop"
    assert (tmp_path / "modules").read_text() == ""


@pytest.mark.req("SR-149")
def test_what_refers_to_itself_is_freed_after_each_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else would free it: there is no collection of garbage while the guard may be needed."""
    guard_is(monkeypatch, "tests.support.hoarding_guard")
    with stack() as rig:
        link = rig.link()
        pid = rig.sim.processes[1].pid
        held, most = [], 0

        def look(_: View) -> None:
            nonlocal most
            most = max(most, resident_kb(pid))

        for _ in range(2):
            assert rig.play(short_programme(repeats=1), 4_000, link=link, show=look).cause is None
            rig.sleep_until(rig.clock.now() + 100_000)  # that it is over is told first
            held.append(resident_kb(pid))
        assert most > held[0] + 10_000, "there was something to free"
        assert held[1] < held[0] + 2_000


@pytest.mark.req("SR-203")
def test_a_guard_that_can_look_at_nothing_any_more_still_halts_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look fails by a fault of its own, that of the check which is to stop everything as well."""
    guard_is(monkeypatch, "tests.support.failing_guard")
    with stack() as rig:
        link = rig.link()
        assert rig.play(short_programme(), 4_000, link=link).cause == "internal_error"
        assert rig.sim.processes[1].wait(30) == 3
        assert (link.latest["cause"], link.latest["confirmed"]) == ("internal_error", True)
        assert json.loads((rig.state / "ledger.json").read_text())["cause"] == "internal_error"


def test_no_client_of_the_product_has_a_thread_that_could_spin_when_its_daemon_dies() -> None:
    before = set(threading.enumerate())
    with Sim.start() as sim:
        client = connect(HOST, sim.port, 30)
        panel = Panel(HOST, sim.port, load_board(), 30)
        assert set(threading.enumerate()) == before
        plain = pigpio.pi(HOST, sim.port)
        assert set(threading.enumerate()) == {*before, plain._notify}, "this one has, if it is not ended"
        # gpiozero keeps shared buses by host, not port; one that is collected later strikes out the next test's.
        panel._adc.clear()
        gc.collect()
        panel.close()
        sim.process.kill()
        sim.process.wait()
        with pytest.raises(DaemonLost):
            PulseOutput(client, load_board()).tick()
        assert set(threading.enumerate()) == {*before, plain._notify}
        plain._notify.go = False
        plain._notify.join(30)
        for one in (client, plain):
            one.stop()


def test_a_client_that_was_left_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stop breaks one connection, and a new one is made: the old one must not stay for life."""
    kept: list[object] = []
    monkeypatch.setattr("atexit.register", lambda call: kept.append(call))
    monkeypatch.setattr("atexit.unregister", lambda call: kept.remove(call))
    with Sim.start() as sim:
        client = connect(HOST, sim.port, 30)
        assert kept == []
        client.stop()


def test_a_daemon_that_dies_while_a_stop_is_under_way_is_lost_at_once() -> None:
    """The loop, which a broken main connection does not worry then, must not spin until the stop is over."""
    with stack() as rig:
        link = rig.link()
        link.stop()
        while link.request("status")["cause"] != "person":
            pass
        rig.fault("daemon-kill", "KILL")
        assert rig.sim.processes[1].wait(30) == 3, "no time has passed for anybody"
        with pytest.raises(LinkError, match="gone"):
            _hear_all(link)
        assert link.latest["cause"] == "daemon_lost"


def test_what_comes_after_a_long_chunk_is_looked_at_after_it() -> None:
    """It is read a slice at a time; a request that came behind it must not be answered before it is judged."""
    with stack() as rig:
        hand = Hand(rig)
        hand.play_for(50_000)
        hand.link.send_chunk(99, 0, 0, pack(longest()))
        number = hand.link.send("status")
        order = []
        while number not in order:
            message = hand.link.receive()
            if message is not None and message["type"] in ("refused", "reply"):
                order.append(message.get("re", "refused"))
        assert order == ["refused", number]


@pytest.mark.parametrize("known", [False, True])
def test_a_daemon_that_the_guards_clock_misses_first_is_told_and_recorded_too(known: bool) -> None:
    """In real time the tick is asked for after each wait, before anything else is: nothing was checked then."""

    class Unasked(Guard):
        def __init__(self) -> None:
            self._lost, self._why = known, ""
            self._clock = WallClock()
            self.left = threading.Event()
            self.checked: list[tuple[str, ...]] = []

        def _loop(self) -> None:
            raise DaemonLost("no tick")

        def check(self, now: int, *args: object, faults: tuple[str, ...] = (), **more: object) -> bool:
            self.checked.append(faults)
            return False

        def tell(self, type_: str, **fields: object) -> None:
            assert (type_, fields) == ("log", {"text": "no tick"})

    guard = Unasked()
    with pytest.raises(DaemonLost):
        guard.run()
    assert guard.checked == ([] if known else [("daemon_lost",)])
    assert guard._lost
    assert guard.left.is_set()
