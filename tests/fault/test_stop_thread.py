"""The stop thread when others misbehave: a daemon that answers late or not at all, an asker who never reads."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pigpio
import pytest

from controller.launch import SimulatedBoard
from hw.board import load_board
from hw.pulses import StopLines
from hw.wire import connect
from safety.link import STOP_SOCKET, stop_guard
from tests.support.sim import Sim, disconnect
from tests.support.stack import AppLink, Stack, short_programme, stack

BOARD = load_board()
OUTPUT_ENABLE = 25


class Late:
    """A way to a daemon on which answers can be held back, and come later."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = port
        self.where = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._held = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = [self._listener]

    def hold(self) -> None:
        self._held.clear()
        self._flows.clear()

    def let_go(self) -> None:
        """Lets the answers through that were held back; there must be some."""
        assert self._held.wait(30)
        self._flows.set()

    def close(self) -> None:
        self._flows.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [near, far]
                for source, target, held in ((near, far, False), (far, near, True)):
                    self._threads.append(threading.Thread(target=self._pass, args=(source, target, held)))
                    self._threads[-1].start()

    def _pass(self, source: socket.socket, target: socket.socket, held: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if held and not self._flows.is_set():
                    self._held.set()
                    self._flows.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture(name="late")
def _late() -> Iterator[tuple[Sim, Late]]:
    with Sim.start() as sim:
        late = Late(sim.port)
        yield sim, late
        late.close()


@pytest.mark.req("SR-049")
def test_answers_that_come_late_confirm_nothing(late: tuple[Sim, Late]) -> None:
    """The answers of a first stop, read by a later one, would say "low" of lines that have gone high since."""
    sim, way = late
    client, other = connect("127.0.0.1", way.where, 0.2), pigpio.pi("127.0.0.1", sim.port)
    lines = StopLines(client, BOARD)
    assert lines.stop()
    way.hold()
    assert not lines.stop()
    assert lines.broken
    way.let_go()
    other.write(OUTPUT_ENABLE, 1)
    confirmed = [lines.stop() for _ in range(3)]
    assert confirmed == [False, False, False]
    assert other.read(OUTPUT_ENABLE) == 0, "asked low it was, all the same"
    disconnect(client)
    disconnect(other)


@pytest.mark.req("SR-049")
@pytest.mark.parametrize("line", ["OUTPUT_ENABLE", "A_POS", "B_NEG"])
def test_a_line_that_stays_high_is_not_confirmed(line: str) -> None:
    """Another client holds it up again between the order and the reading: here by a mask that forbids the order."""
    with Sim.start("--mask", hex(0xFFFF_FFFF & ~BOARD[line].mask)) as sim:
        client = connect("127.0.0.1", sim.port, 1.0)
        assert not StopLines(client, BOARD).stop()
        disconnect(client)


@pytest.mark.req("SR-049", "SR-054")
def test_a_frozen_daemon_is_told_as_not_confirmed_and_ends_the_guard() -> None:
    with tempfile.TemporaryDirectory(prefix="ps") as name:
        board = SimulatedBoard(Path(name), Path(name, "state"), new_state=True, speed=1)
        daemon, guard = board.processes
        try:
            os.kill(daemon.pid, signal.SIGSTOP)
            assert stop_guard(board.runtime, 10)["confirmed"] is False
            assert guard.wait(10) == 3
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
            board.close()


@pytest.mark.req("SR-150")
def test_a_guard_in_real_time_records_that_the_daemon_was_lost(tmp_path: Path) -> None:
    """There its clock asks the daemon for the time, and is the first that gets no answer."""
    board = SimulatedBoard(tmp_path, tmp_path / "state", new_state=True, speed=1)
    daemon, guard = board.processes
    try:
        link = AppLink(board.runtime, board.clock)
        link.past("boot", "self_test")
        link.close()
        os.kill(daemon.pid, signal.SIGSTOP)
        assert guard.wait(10) == 3
        assert json.loads((tmp_path / "state" / "ledger.json").read_text(encoding="utf-8"))["cause"] == "daemon_lost"
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
        board.close()


def asker(rig: Stack) -> socket.socket:
    """A socket to ask for a stop with, and to be answered at."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.bind("")
    one.sendto(b"stop", str(rig.folder / STOP_SOCKET))
    return one


def answered(rig: Stack, one: socket.socket) -> bool:
    """Whether an answer came while 100 ms passed. The guard's own process does it, so time is let pass in steps."""
    for _ in range(100):
        rig.sleep_until(rig.clock.now() + 1_000)
        if select.select([one], [], [], 0)[0]:
            return True
    return bool(select.select([one], [], [], 5)[0])


@pytest.mark.req("SR-050")
def test_one_who_asks_and_never_reads_keeps_nobody_waiting() -> None:
    with stack() as rig, contextlib.ExitStack() as after:
        link = rig.link()
        deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        after.callback(deaf.close)
        deaf.bind("")
        filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        after.callback(filler.close)
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in itertools.count():
                filler.sendto(b"junk", deaf.getsockname())
        deaf.sendto(b"stop", str(rig.folder / STOP_SOCKET))
        rig.sleep_until(rig.clock.now() + 100_000)
        one = asker(rig)
        after.callback(one.close)
        assert answered(rig, one), "the thread still waits to answer the first"
        assert link.request("status")["confirmed"] is True


@pytest.mark.req("SR-050")
def test_who_asks_often_is_answered_once_for_each_stop() -> None:
    with stack() as rig:
        one = asker(rig)
        for _ in range(4):
            one.sendto(b"again", str(rig.folder / STOP_SOCKET))
        assert answered(rig, one)
        one.recv(1000)
        other = asker(rig)
        assert answered(rig, other)
        assert not select.select([one], [], [], 0)[0], "the second stop is not the first one's"
        one.close()
        other.close()


@pytest.mark.req("SR-061")
def test_stops_leave_nothing_behind_in_the_guard() -> None:
    with stack() as rig:
        link = rig.link()
        guard = Path(f"/proc/{rig.sim.processes[1].pid}")

        def held() -> tuple[int, int]:
            return len(list((guard / "fd").iterdir())), len(list((guard / "task").iterdir()))

        seen = []
        for _ in range(6):
            link.stop()
            rig.sleep_until(rig.clock.now() + 100_000)
            link.acknowledge()
            rig.sleep_until(rig.clock.now() + 100_000)
            seen.append(held())
        assert seen[-1] == seen[0], seen


@pytest.mark.req("SR-058")
def test_a_guard_whose_starter_has_gone_stops_first_and_then_ends(tmp_path: Path) -> None:
    with stack(tmp_path) as rig:
        guard = rig.sim.processes[1]
        moment: list[int] = []

        def leave() -> None:
            moment.append(rig.clock.now())
            assert guard.stdin is not None
            guard.stdin.close()
            while rig.levels() >> OUTPUT_ENABLE & 1:  # time stands still until the guard has noticed
                time.sleep(0.001)

        count = iter(range(1000))
        session = rig.session(short_programme(), 10_000, show=lambda _: leave() if next(count) == 20 else None)
        outcome = session.run(None)
        assert (outcome.cause, outcome.confirmed) == ("person", True)
        assert guard.wait(10) == 0
        rig.links.pop().close()
        rig.sleep_until(moment[0] + 500_000)
        assert rig.phase_edges()[-1][0] <= moment[0] + 25_000
        assert [level for at, _, level in rig.edges(gpios=(OUTPUT_ENABLE,)) if at >= moment[0]] == [0]
    with stack(tmp_path, new_state=False) as again:
        assert again.link().welcome["cause"] is None, "the record was closed in order"
