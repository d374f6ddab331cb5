"""``pelvistim run`` and ``stop`` from the outside: exit codes, signals, refusals, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from controller.cli import main
from controller.launch import Control
from tests.decoder import decode
from tests.support.cli import Running, children, command, environment, left_behind, pelvistim, while_running
from tests.support.records import leave_unclean
from tests.support.stack import short_programme


@pytest.mark.cold
@pytest.mark.req("SR-105")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_at_once(number: int, tmp_path: Path) -> None:
    code, told, said = while_running(tmp_path, lambda process: process.send_signal(number))
    assert code == told["exit"] == 4
    assert (told["mode"], told["cause"], told["output_confirmed_off"]) == ("stopped", "person", True)
    assert "stopped by a person" in said
    assert "output confirmed off" in said
    decoded = decode(tmp_path / "edges.csv")
    assert 0 < len(decoded.pulses) < 28_925
    assert left_behind(tmp_path) == []


def test_stop_reaches_a_session_that_somebody_else_started(tmp_path: Path) -> None:
    stopped: list[subprocess.CompletedProcess[str]] = []
    code, told, _ = while_running(tmp_path, lambda _: stopped.append(pelvistim(tmp_path, "stop")))
    assert (code, told["cause"]) == (4, "person")
    assert stopped[0].returncode == 0
    assert "output confirmed off" in stopped[0].stdout


def test_stop_without_a_session_says_so(tmp_path: Path) -> None:
    result = pelvistim(tmp_path, "stop")
    assert result.returncode == 0
    assert "No session is running" in result.stdout


@pytest.mark.req("SR-105")
def test_the_red_button_ends_a_run_with_its_cause_in_words(tmp_path: Path) -> None:
    def press(_: object) -> None:
        control = Control(next((tmp_path / "pelvistim").glob("*/sim.sock")))
        control.ask("estop", pressed=True)
        control.close()

    code, told, said = while_running(tmp_path, press)
    assert code == 3
    assert (told["mode"], told["cause"], told["output_confirmed_off"]) == ("estop_held", "emergency_stop", True)
    assert "the red emergency-stop button was pressed" in said


@pytest.mark.cold
def test_a_killed_run_leaves_no_process(tmp_path: Path) -> None:
    """The board and the guard end with the process that started them."""
    found: list[int] = []

    def kill(process: subprocess.Popen[str]) -> None:
        found.extend(children(process.pid))
        process.kill()

    with pytest.raises(json.JSONDecodeError):
        while_running(tmp_path, kill)  # communicate() returns when the last holder of the pipes is gone
    assert len(found) == 2
    assert pelvistim(tmp_path, "stop").stderr.count("NOT confirmed") <= 1


REFUSED = {
    "intensity over the full scale": ("--intensity", "50.001"),
    "negative intensity": ("--intensity", "-1"),
    "intensity is not a number": ("--intensity", "nan"),
    "intensity is infinite": ("--intensity", "inf"),
    "intensity with a unit": ("--intensity", "20mA"),
    "intensity with an underscore": ("--intensity", "1_0"),
    "intensity with an exponent": ("--intensity", "1e1"),
    "intensity in other digits": ("--intensity", "\u0661"),
    "intensity is empty": ("--intensity", ""),
    "intensity with a space": ("--intensity", " 5"),
    "minutes with an underscore": ("--minutes", "1_0"),
    "speed with an underscore": ("--speed", "1_0"),
    "intensity under a microampere": ("--intensity", "1.0005"),
    "speed zero": ("--speed", "0"),
    "speed word": ("--speed", "fast"),
    "no minutes": ("--minutes", "0"),
    "too many minutes": ("--minutes", "46"),
    "edges into a folder": ("--edges", "."),
    "edges into nowhere": ("--edges", "/nonexistent/edges.csv"),
    "edges where nothing can be written": ("--edges", "/proc/edges.csv"),
    "edges into a device": ("--edges", "/dev/full"),
    "state is a file": ("--state", "/etc/passwd"),
    "state under a file": ("--state", "/etc/passwd/state"),
    "state without a parent": ("--state", "/nonexistent/state"),
    "state where nothing can be written": ("--state", "/proc"),
    "new state where nothing can be written": ("--state", "/proc/state"),
}


@pytest.mark.req("SR-107")
@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_option_is_refused_before_anything_starts(name: str, tmp_path: Path) -> None:
    option, value = REFUSED[name]
    result = pelvistim(tmp_path, "run", "stress-50hz", "--board", "sim", option, value)
    assert result.returncode == 2, result.stderr
    assert option in result.stderr
    assert "allowed" in result.stderr
    assert left_behind(tmp_path) == []


@pytest.mark.req("SR-107")
def test_a_full_disk_under_the_state_is_refused_before_anything_starts(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    words = command("run", "stress-50hz", "--board", "sim", "--speed", "max", "--state", state, "--new-state")
    limited = ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", *words]  # no file may hold a byte
    result = subprocess.run(
        limited, capture_output=True, text=True, check=False, env=environment(tmp_path), timeout=120
    )
    assert result.returncode == 2, result.stderr
    assert "--state" in result.stderr
    assert "File too large" in result.stderr
    assert list(state.iterdir()) == []


@pytest.mark.req("SR-087")
def test_a_new_state_in_a_used_folder_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "notes.txt").write_text("x", encoding="utf-8")
    words = ("run", "stress-50hz", "--board", "sim", "--speed", "max", "--state", state, "--new-state")
    result = pelvistim(tmp_path, *words)
    assert result.returncode == 2, result.stderr
    assert "notes.txt" in result.stderr


def test_trying_the_edges_file_changes_nothing(tmp_path: Path) -> None:
    there, new = tmp_path / "there.csv", tmp_path / "new.csv"
    there.write_text("kept", encoding="utf-8")
    for path in (there, new):
        common = ("run", "stress-50hz", "--board", "sim", "--intensity", "99", "--edges", path)
        assert pelvistim(tmp_path, *common).returncode == 2
    assert there.read_text(encoding="utf-8") == "kept"
    assert not new.exists()


@pytest.mark.parametrize("name", ["a file", "nothing can be written"])
def test_a_runtime_folder_that_cannot_be_used_is_named(name: str, tmp_path: Path) -> None:
    base = tmp_path if name == "a file" else Path("/proc")
    (tmp_path / "pelvistim").write_text("in the way", encoding="utf-8")
    common = ("run", "stress-50hz", "--board", "sim", "--intensity", "5")
    result = pelvistim(base, *common)
    assert result.returncode == 2
    assert f"{base}/pelvistim: runtime folder" in result.stderr
    assert "XDG_RUNTIME_DIR" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.req("SR-105")
@pytest.mark.parametrize(("stopped", "exits"), [(False, 70), (True, 4)])
def test_the_report_comes_even_if_the_edges_cannot_be_written(tmp_path: Path, stopped: bool, exits: int) -> None:
    """The folder of the edges file goes away while the session plays."""
    folder = tmp_path / "gone"
    folder.mkdir()
    options = ("stress-50hz", "--intensity", 20, "--minutes", 3)
    running = Running(tmp_path, *options, until="00:00", edges=folder / "edges.csv")
    folder.rmdir()
    if stopped:
        running.process.send_signal(signal.SIGINT)
    code, told, said = running.end()
    assert code == exits
    assert (told["exit"], told["cause"]) == ((4, "person") if stopped else (0, None))
    assert told["pulses_sent"] > 0
    assert f"{folder / 'edges.csv'} was not written" in said
    assert "Traceback" not in said


@pytest.mark.req("SR-023")
def test_a_programme_over_its_ceiling_at_this_intensity_is_refused(tmp_path: Path) -> None:
    """620 us at 50 Hz on 1 cm2: 2 mA/cm2 r.m.s. allow 8 mA; 5 mA is let begin, 20 mA is not."""
    file = tmp_path / "small.toml"
    small = short_programme(phase_width_us=620, repeats=1).replace(b"area_cm2 = 10.0", b"area_cm2 = 1.0")
    file.write_bytes(small)
    common = ("run", file, "--board", "sim", "--speed", "max")
    refused = pelvistim(tmp_path, *common, "--intensity", 20)
    assert refused.returncode == 2
    assert "cm2" in refused.stderr
    assert pelvistim(tmp_path, *common, "--intensity", 5).returncode == 0


@pytest.mark.req("SR-020")
def test_a_wrong_file_is_refused_and_no_edge_is_written(tmp_path: Path) -> None:
    file, edges = tmp_path / "wrong.toml", tmp_path / "edges.csv"
    file.write_bytes(short_programme(rest_ms=3499))
    result = pelvistim(tmp_path, "run", file, "--board", "sim", "--intensity", 5, "--edges", edges)
    assert result.returncode == 2
    assert "rest_ms" in result.stderr
    assert not edges.exists()
    assert left_behind(tmp_path) == []


@pytest.mark.req("SR-102")
def test_a_real_board_is_refused(tmp_path: Path) -> None:
    result = pelvistim(tmp_path, "run", "stress-50hz", "--board", "pigpio", "--intensity", 5)
    assert result.returncode == 2
    assert "it needs a signed prescription" in result.stderr
    assert "nothing of this was ever tried on a real board" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("fly",), ("run",), ("run", "stress-50hz"), ("check",), ("run", "--x")])
def test_usage(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = pelvistim(tmp_path, *arguments)
    assert result.returncode == 64
    assert "usage" in result.stderr


@pytest.mark.req("SR-109")
def test_a_latched_stop_must_be_acknowledged(tmp_path: Path) -> None:
    file = tmp_path / "short.toml"
    file.write_bytes(short_programme(repeats=1, hold_ms=500, rest_ms=2000))
    common = ("run", file, "--board", "sim", "--speed", "max", "--state", tmp_path / "state")
    leave_unclean(tmp_path / "state")
    missing = pelvistim(tmp_path, *common)
    assert missing.returncode == 2
    assert "--acknowledge" in missing.stderr
    assert pelvistim(tmp_path, *common, "--acknowledge").returncode == 0
    assert pelvistim(tmp_path, *common).returncode == 0


@pytest.mark.parametrize("more", [("check", "sprint"), ("check", "sprint", "--json"), ("run", "sprint", "--board=sim")])
def test_a_reader_that_goes_away_is_no_crash(tmp_path: Path, more: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    kept_back = environment(tmp_path, PYTHONUNBUFFERED=None)  # then the last of it fails, when all has been printed
    with os.fdopen(writing, "w") as nobody:
        ended = subprocess.run(
            command(*more), stdout=nobody, stderr=subprocess.PIPE, text=True, env=kept_back, timeout=60
        )
    assert (ended.returncode, ended.stderr) == (70, "ended: nobody reads what is printed any more\n")


def test_a_user_without_real_time_is_told_what_a_busy_machine_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "sched_setscheduler", refused)
    main(["run", "stress-50hz", "--board", "sim", "--minutes", "0.001"])
    assert "On a busy machine a simulated session may be stopped" in capsys.readouterr().out


def test_a_lockout_is_not_said_to_be_cleared_by_acknowledging_it(tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.toml"
    scenario.write_text('[[fault]]\nat_s = 2\nname = "source-gain"\nargs = ["A", 2]\n')
    common = ("run", "stress-50hz", "--board", "sim", "--speed", "max", "--state", tmp_path / "state")
    first = pelvistim(tmp_path, *common, "--new-state", "--intensity", 10, "--faults", scenario, "--minutes", 0.1)
    assert first.returncode == 3
    for more in ((), ("--acknowledge",)):
        again = pelvistim(tmp_path, *common, *more)
        assert again.returncode == 2
        assert "[current_high]; only a clinician can clear this" in again.stderr


@pytest.mark.req("SR-103")
def test_everybody_is_told_that_it_is_not_certified(tmp_path: Path) -> None:
    file = tmp_path / "short.toml"
    file.write_bytes(short_programme(repeats=1, hold_ms=500, rest_ms=2000))
    result = pelvistim(tmp_path, "run", file, "--board", "sim", "--speed", "max")
    assert result.returncode == 0
    assert "not a certified medical device" in result.stdout
    assert result.stdout.splitlines()[-7].startswith("contractions: 1")
    assert "No --intensity" in result.stdout


@pytest.mark.parametrize(("one", "other"), [("--edges", "FILE"), ("--current", "FILE"), ("--current", "--edges")])
def test_an_output_may_not_overwrite_the_programme_or_another_output(one: str, other: str, tmp_path: Path) -> None:
    file, out = tmp_path / "short.toml", tmp_path / "out.csv"
    file.write_bytes(short_programme(repeats=1))
    same = file if other == "FILE" else out
    more = () if other == "FILE" else (other, same)
    result = pelvistim(tmp_path, "run", file, "--board", "sim", "--speed", "max", one, same, *more)
    assert result.returncode == 2
    assert f"another file than that of {other}" in result.stderr
    assert file.read_bytes() == short_programme(repeats=1)
    assert not out.exists()
