"""The control socket refuses nonsense without breaking, and ends the simulation cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pigpio
import pytest

from tests.support.sim import Control, Sim, disconnect, read_edges


@pytest.fixture(name="sim")
def _sim() -> Iterator[Sim]:
    with Sim.start() as sim:
        yield sim


def tick(sim: Sim) -> int:
    return int(sim.control("levels")["now"])


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"op":7}',
        b'{"op":["join"]}',
        b'{"op":"join"}',
        b'{"op":"wait","until":5}',
        b'{"op":"estop"}',
        b'{"op":"estop","pressed":true,"contacts":[[1]]}',
        b'{"op":"load","channel":"C","ohm":5}',
        b'{"op":"load","channel":"A","ohm":NaN}',
        b'{"op":"input","gpio":99,"level":1}',
        b'{"op":"at","tick":"x","do":[]}',
        b'{"op":"at","tick":5,"do":[{"op":"no"}]}',
        b'{"op":"edges","since":1.5}',
        b'{"op":"edges","path":"/no/such/folder/edges.csv"}',
        b'{"op":"frozen","name":5,"value":true}',
    ],
)
def test_nonsense_is_refused_and_nothing_breaks(sim: Sim, message: bytes) -> None:
    client = sim.client()
    if message:
        client.sock.send(message)
        assert client.receive()["ok"] is False
    client.close()
    assert tick(sim) == 0


@pytest.mark.parametrize(
    "counts", [{"tcp:x": [1, 1]}, {"link:1": [1]}, {"link:1": "1"}, {"link:1": [1, 1.5]}, {"link:1": [1, None]}]
)
def test_nonsense_in_counts_is_refused(sim: Sim, counts: dict[str, object]) -> None:
    clock = sim.participant("a")
    reply = clock.ask({"op": "wait", "until": 5, "counts": counts})
    assert reply["ok"] is False
    assert clock.sleep(3) == 3


def test_joining_twice_is_refused(sim: Sim) -> None:
    clock = sim.participant("a")
    assert clock.ask({"op": "join", "name": "b"})["ok"] is False


def test_quit_and_sigterm_end_it_cleanly(sim: Sim) -> None:
    sim.control("quit")
    assert sim.process.wait(60) == 0
    with Sim.start() as other:
        other.process.send_signal(signal.SIGTERM)
        assert other.process.wait(60) == 0


def test_ends_with_its_parents_stdin() -> None:
    sim = Sim.start()
    control = Control(sim.control_path)
    assert sim.process.stdin is not None
    sim.process.stdin.close()
    assert sim.process.wait(60) == 0
    assert control.sock.recv(1) == b""
    control.close()
    assert not os.path.exists(sim.control_path)
    sim.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_edges_file_is_whole_when_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "edges.csv"
    with Sim.start("--edges", str(path)) as sim:
        pi = pigpio.pi("127.0.0.1", sim.port)
        pi.set_mode(24, pigpio.OUTPUT)
        pi.wave_add_generic([pigpio.pulse(1 << 24, 0, 100), pigpio.pulse(0, 1 << 24, 100)] * 2_000)
        pi.wave_send_once(pi.wave_create())
        sim.participant("a").sleep(1_000_000)
        disconnect(pi)
        sim.process.send_signal(number)
        assert sim.process.wait(60) == 0
        edges = [(time, level) for time, gpio, level in read_edges(path) if gpio == 24]
    assert edges == [(start + 100 * (1 - level), level) for start in range(0, 400_000, 200) for level in (1, 0)]


def test_a_board_file_that_is_refused_ends_it_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text("schema = 1\n")
    command = [sys.executable, "-m", "hw.mock", "--board", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 64
    assert "board_field" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
