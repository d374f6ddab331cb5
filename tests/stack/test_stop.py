"""``pelvistim stop``: it finds every guard of this user from any shell, and says exactly what it knows."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.launch import Control
from tests.support.cli import Running, pelvistim

ELSEWHERE: dict[str, dict[str, str | None]] = {
    "started without a session folder": {"XDG_RUNTIME_DIR": None, "TMPDIR": None},
    "started with a session folder that is not there": {"XDG_RUNTIME_DIR": "/nonexistent", "TMPDIR": None},
}


@pytest.fixture(autouse=True)
def one_at_a_time() -> Iterator[None]:
    """A stop ends every session of this user, also where another worker tries the same: in the system's own folder."""
    with (Path(tempfile.gettempdir()) / f"pelvistim-stops-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.req("SR-059")
@pytest.mark.parametrize("name", ELSEWHERE)
def test_every_guard_is_found_from_any_shell(name: str, tmp_path: Path) -> None:
    """One session runs where another shell put it, one where this shell would: one stop ends both."""
    for folder in ("other", "here", "tmp"):
        (tmp_path / folder).mkdir()
    running = [Running(tmp_path / "other", **ELSEWHERE[name]), Running(tmp_path / "here")]
    stopped = pelvistim(tmp_path / "here", "stop", TMPDIR=str(tmp_path / "tmp"))
    assert stopped.returncode == 0, stopped.stderr
    assert stopped.stdout.count("output confirmed off") >= 2
    for one in running:
        code, told, _ = one.end()
        assert (code, told["cause"], told["output_confirmed_off"]) == (4, "person", True)


def stale(folder: Path) -> Path:
    """What a killed guard leaves behind: a lock that nobody holds, and a socket that nobody listens to."""
    left = folder / "pelvistim" / "sim-left"
    left.mkdir(parents=True)
    (left / "guard.lock").touch()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(left / "stop.sock"))
    return left


def test_what_a_dead_guard_left_is_no_session(tmp_path: Path) -> None:
    left = stale(tmp_path)
    result = pelvistim(tmp_path, "stop")
    assert result.returncode == 0, result.stderr
    assert f"{left}: no guard runs there any more" in result.stdout
    assert "No session is running here." in result.stdout
    assert "NOT" not in result.stdout + result.stderr
    assert not (left / "stop.sock").exists()
    again = pelvistim(tmp_path, "stop")
    assert (again.returncode, again.stdout) == (0, "No session is running here.\n")


@pytest.mark.req("SR-051")
def test_a_guard_that_lives_and_does_not_listen_is_not_cleared_away(tmp_path: Path) -> None:
    left = stale(tmp_path)
    with (left / "guard.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = pelvistim(tmp_path, "stop")
    assert result.returncode == 3
    assert "NOT confirmed" in result.stderr
    assert "press the red button" in result.stderr
    assert (left / "stop.sock").exists()


@pytest.mark.req("SR-051", "SR-059")
def test_a_frozen_guard_keeps_no_other_from_its_stop(tmp_path: Path) -> None:
    """The one that answers is stopped and told as such; the other one is said to be not confirmed."""
    frozen, other = Running(tmp_path), Running(tmp_path)
    guard = frozen.children()[1]
    os.kill(guard, signal.SIGSTOP)
    try:
        result = pelvistim(tmp_path, "stop")
        assert result.returncode == 3
        assert result.stdout.count("output confirmed off") == 1
        assert result.stderr.count("output NOT confirmed off") == 1
        assert "press the red button" in result.stderr
        assert other.end()[0] == 4
    finally:
        os.kill(guard, signal.SIGCONT)
    code, told, _ = frozen.end()
    assert (code, told["cause"]) == (4, "person"), "the stop was waiting for it"


def test_the_board_is_there_until_the_guard_has_stopped_it(tmp_path: Path) -> None:
    """The app is killed while the guard is held up: the board waits for the guard, and then both end."""
    running = Running(tmp_path)
    _, guard = running.children()
    control = Control(next((tmp_path / "pelvistim").glob("*/sim.sock")))
    os.kill(guard, signal.SIGSTOP)
    try:
        running.process.kill()
        running.process.wait()
        for _ in range(3):  # the end of its standard input would have come before the first of these
            assert "bank" in control.ask("levels")
    finally:
        os.kill(guard, signal.SIGCONT)
        control.close()
    running.process.communicate(timeout=60)  # returns when the last holder of the pipes is gone
