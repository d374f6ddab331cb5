"""``pelvistim sim``: the simulated board by itself, its clock, and the record of its edges."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pigpio
import pytest

from tests.support.sim import Participant, disconnect, read_edges

LINE = 24


class Running:
    """A running ``pelvistim sim``: what it printed, and where it listens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.text = ""
        assert process.stdout is not None
        while "Ctrl-C" not in self.text:
            line = process.stdout.readline()
            assert line, "it ended"
            self.text += line
        port = re.search(r"port (\d+)\.", self.text)
        control = re.search(r"Control socket: (\S+)", self.text)
        assert port is not None
        assert control is not None
        self.port, self.control = int(port[1]), control[1]

    def client(self) -> pigpio.pi:
        pi = pigpio.pi("127.0.0.1", self.port)
        assert pi.connected
        return pi


def command(*options: str) -> list[str]:
    return [str(Path(sys.executable).with_name("pelvistim")), "sim", *options]


@contextmanager
def running(tmp_path: Path, *options: str) -> Iterator[Running]:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    process = subprocess.Popen(
        command("--port", "0", *options), stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    with process:
        try:
            yield Running(process)
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_edges_are_complete_however_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    edges = tmp_path / "edges.csv"
    with running(tmp_path, "--bare", "--edges", str(edges)) as sim:
        pi = sim.client()
        pi.set_mode(LINE, pigpio.OUTPUT)
        pi.wave_add_generic([pigpio.pulse(1 << LINE, 0, 100), pigpio.pulse(0, 1 << LINE, 900)] * 5)
        pi.wave_send_once(pi.wave_create())
        while pi.wave_tx_busy():
            pass
        pi.write(27, 1)
        disconnect(pi)
        sim.process.send_signal(number)
        assert sim.process.wait(30) == 0
    rows = read_edges(edges)
    assert [row for row in rows if row[0] == 0] == [(0, gpio, 1) for gpio in range(9)], "pulled up from the beginning"
    pulses = [(at, level) for at, gpio, level in rows if gpio == LINE]
    first = pulses[0][0]
    assert [(at - first, level) for at, level in pulses] == [
        (1_000 * turn + 100 * half, 1 - half) for turn in range(5) for half in (0, 1)
    ]
    assert rows[-1][1:] == (27, 1)
    assert not list(tmp_path.glob("**/sim.sock")), "nothing is left behind"


def test_the_board_is_there_unless_bare(tmp_path: Path) -> None:
    with running(tmp_path) as sim:
        assert "PelviStim board" in sim.text
        assert f"PIGPIO_ADDR=127.0.0.1 PIGPIO_PORT={sim.port} pigs" in sim.text
        pi = sim.client()
        handle = pi.spi_open(0, 500_000)
        count, data = pi.spi_xfer(handle, [1, 0x80 | 7 << 4, 0])
        assert count == 3
        assert (data[1] & 15) << 8 | data[2], "the converter answers"
        disconnect(pi)
    with running(tmp_path, "--bare") as sim:
        assert "nothing wired" in sim.text


def test_time_passes_until_somebody_joins_and_again_after(tmp_path: Path) -> None:
    with running(tmp_path, "--bare") as sim:
        pi = sim.client()

        def passes() -> bool:
            before, until = pi.get_current_tick(), time.monotonic() + 20
            while pi.get_current_tick() == before and time.monotonic() < until:
                time.sleep(0.001)
            return bool(pi.get_current_tick() != before)

        assert passes()
        clock = Participant(sim.control, "test")
        now = pi.get_current_tick()
        time.sleep(0.02)
        assert pi.get_current_tick() == now == clock.now
        clock.sleep(1_000_000)
        assert pi.get_current_tick() == now + 1_000_000
        clock.close()
        assert passes()
        assert now + 1_000_000 <= pi.get_current_tick() < now + 30_000_000, "it went on from where it was"
        disconnect(pi)


def test_in_real_time_nobody_holds_it_up(tmp_path: Path) -> None:
    with running(tmp_path, "--bare", "--realtime") as sim:
        pi = sim.client()
        clock = Participant(sim.control, "test")
        before = pi.get_current_tick()
        pi.wave_add_generic([pigpio.pulse(0, 0, 5_000)])
        pi.wave_send_once(pi.wave_create())
        while pi.wave_tx_busy():
            pass
        assert pi.get_current_tick() - before >= 5_000
        clock.close()
        disconnect(pi)


def test_a_port_that_is_taken_and_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = subprocess.run(command("--port", port), capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"port {port}: Address already in use" in result.stderr
    result = subprocess.run(command("--edges", "/nowhere/x.csv"), capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "/nowhere/x.csv" in result.stderr
    for port in ("65536", "22x"):
        result = subprocess.run(command("--port", port), capture_output=True, text=True, timeout=60)
        assert result.returncode == 64
        assert f"{port} is not a port from 0 to 65535" in result.stderr
