"""Ctrl-C and SIGTERM at every moment: while the command loads, starts, waits, plays; whatever hangs meanwhile."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.decoder import decode
from tests.support.cli import Running, command, environment, left_behind, pelvistim
from tests.support.records import leave_unclean
from tests.support.stack import short_programme

SIGNALS = [signal.SIGINT, signal.SIGTERM]


def freeze(pid: int) -> None:
    """Stops a process; returns when the kernel says that it stands still."""
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "T":
        time.sleep(0.001)


@pytest.mark.req("SR-051")
@pytest.mark.parametrize(
    ("frozen", "speed"), [("board", "max"), ("guard", "max"), ("board and guard", "max"), ("guard", "1")]
)
def test_a_frozen_guard_or_board_does_not_hold_a_stop_up(frozen: str, speed: str, tmp_path: Path) -> None:
    running = Running(tmp_path, until="00:10" if speed == "max" else "00:00", speed=speed)
    children = dict(zip(("board", "guard"), running.children(), strict=True))
    for name in frozen.split(" and "):
        freeze(children[name])
    running.process.send_signal(signal.SIGINT)
    code, told, said = running.end()
    assert code == told["exit"] == 4
    assert (told["cause"], told["output_confirmed_off"]) == ("person", False)
    assert "The output is NOT confirmed off: 1. press the red button" in said
    assert "within 1 s" in said
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())
    assert left_behind(tmp_path) == []


def test_the_second_signal_leaves_at_once() -> None:
    """Whatever the first one began, here something that would go on for ever."""
    code = (
        "import os, signal\n"
        "from controller.interrupts import INTERRUPTS\n"
        "def hangs():\n"
        "    print('first', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    while True:\n"
        "        signal.pause()\n"
        "INTERRUPTS.begin()\n"
        "INTERRUPTS.does(hangs, 'NOT confirmed')\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "print('went on', flush=True)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (4, "first\n", "NOT confirmed\n")


@pytest.mark.req("SR-051")
def test_two_signals_while_the_guard_is_frozen(tmp_path: Path) -> None:
    running = Running(tmp_path)
    guard = running.children()[1]
    freeze(guard)
    running.process.send_signal(signal.SIGINT)
    running.wait_for("stopping; Ctrl-C again leaves at once")
    running.process.send_signal(signal.SIGINT)
    running.process.wait(60)
    assert running.process.returncode == 4
    os.kill(guard, signal.SIGCONT)
    _, said = running.process.communicate(timeout=60)  # board and guard end by themselves
    assert "NOT confirmed off" in said
    assert "Traceback" not in said


@pytest.mark.req("SR-051")
def test_a_stop_that_cannot_be_delivered_ends_the_link(tmp_path: Path) -> None:
    """The guard stops when its app leaves; that is all the app can do then, and it says so."""
    running = Running(tmp_path)
    next((tmp_path / "pelvistim").glob("*/stop.sock")).unlink()
    running.process.send_signal(signal.SIGINT)
    code, told, said = running.end()
    assert code == 4
    assert (told["cause"], told["output_confirmed_off"]) == ("person", False)
    assert "the stop was not taken" in said
    assert "NOT confirmed off" in said
    assert 0 < len(decode(running.edges).pulses) < 28_925
    assert left_behind(tmp_path) == []


@pytest.mark.req("SR-057")
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("name", ["rich", "gpiozero"])
def test_a_signal_while_it_starts(name: str, number: signal.Signals, tmp_path: Path) -> None:
    """``rich`` is loaded by the command itself, ``gpiozero`` by the guard that it starts: either hangs here."""
    package = tmp_path / "hangs" / name
    package.mkdir(parents=True)
    words = "import sys, time\nprint('loading', file=sys.stderr, flush=True)\ntime.sleep(600)\n"
    (package / "__init__.py").write_text(words, encoding="utf-8")
    process = subprocess.Popen(
        command("run", "stress-50hz", "--board", "sim"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path, PYTHONPATH=str(tmp_path / "hangs")),
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "loading\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (4, "stopped by a person before anything played\n")
    assert left_behind(tmp_path) == []


@pytest.mark.req("SR-057")
def test_a_signal_while_a_rest_is_waited_for(tmp_path: Path) -> None:
    """Without a clean record 30 s must pass first: in real time, counted down."""
    file, state = tmp_path / "short.toml", tmp_path / "state"
    file.write_bytes(short_programme(repeats=1))
    leave_unclean(state)
    options = (file, "--intensity", 5, "--state", state, "--acknowledge")
    running = Running(tmp_path, *options, until="rest before the session: ", speed="1")
    running.process.send_signal(signal.SIGINT)
    code, told, said = running.end()
    assert code == 4
    assert (told["cause"], told["output_confirmed_off"], told["pulses_sent"]) == ("person", True, 0)
    assert "stopped by a person" in said


def test_the_rest_is_shown_until_it_is_over(tmp_path: Path) -> None:
    file = tmp_path / "short.toml"
    file.write_bytes(short_programme(repeats=1))
    leave_unclean(tmp_path / "state")
    common = ("run", file, "--board", "sim", "--speed", "max", "--state", tmp_path / "state", "--acknowledge")
    result = pelvistim(tmp_path, *common)
    assert result.returncode == 0
    shown = [int(seconds) for seconds in re.findall(r"rest before the session: (\d+) s to go", result.stdout)]
    assert 25 < shown[0] <= 30
    assert shown == [shown[0], shown[0] - 10, shown[0] - 20]
