"""``pelvistim fault``, ``run --faults`` and ``run --current`` from the outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import controller.run
from controller.cli import main
from controller.launch import SimulatedBoard
from hw.mock.current import Point, measure, read, since
from tests.support.sim import Sim
from tests.support.stack import short_programme

SCENARIO = """
[[fault]]
at_start = true
name = "source-gain"
args = ["B", 0.5]

[[fault]]
at_s = 2.2
name = "source-gain"
args = { CHANNEL = "A", FACTOR = 0.92 }

[[fault]]
at_s = 2.4
name = "clear"

[[fault]]
at_s = 4.5
name = "electrode-open"
args = { CHANNEL = "A" }
"""


def pelvistim(*arguments: object, runtime: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "controller.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )


def run(folder: Path, *options: object, **changes: int) -> subprocess.CompletedProcess[str]:
    programme = folder / "short.toml"
    programme.write_bytes(short_programme(repeats=1, **changes))
    return pelvistim("run", programme, "--board", "sim", "--intensity", 10, "--speed", "max", *options, runtime=folder)


def largest_ma(points: list[Point], start_s: float, stop_s: float) -> float:
    return max((abs(ma) for at, ma, _ in points if start_s * 1e6 <= at < stop_s * 1e6), default=0.0)


@pytest.mark.alone
def test_in_real_time_the_guard_has_ended_before_files_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The board answers nobody meanwhile; a guard that still asked would take it for lost, and say so."""
    ended: list[bool] = []

    def written(op: str, path: Path, header: str, outcome: object, board: SimulatedBoard) -> bool:
        ended.append(board.processes[1].poll() is not None)
        return True

    monkeypatch.setattr(controller.run, "_written", written)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    programme, out = tmp_path / "short.toml", tmp_path / "out.csv"
    programme.write_bytes(short_programme(repeats=1))
    options = ["--board", "sim", "--minutes", "0.001", "--edges", str(out), "--current", f"{out}.2"]
    assert main(["run", str(programme), *options]) == 0
    assert ended == [True, True]


def test_a_scenario_breaks_and_mends_at_its_times(tmp_path: Path) -> None:
    scenario, out, edges = tmp_path / "scenario.toml", tmp_path / "current.csv", tmp_path / "edges.csv"
    scenario.write_text(SCENARIO, encoding="utf-8")
    done = run(tmp_path, "--faults", scenario, "--current", out, "--edges", edges, hold_ms=6000, rest_ms=7000)
    assert done.returncode == 3, done.stderr
    assert "[lead_off]" in done.stdout, "an open electrode stops a session, a source 8 % weak does not"
    points = read(out)["A"]
    before, broken, mended = (largest_ma(points, *times) for times in ((2.0, 2.199), (2.201, 2.399), (2.401, 2.499)))
    assert before > 1
    assert broken == pytest.approx(0.92 * before, rel=0.001)
    assert mended == pytest.approx(before, rel=0.001)
    assert largest_ma(points, 4.0, 4.499) > 1
    assert largest_ma(points, 4.501, 6.5) < 0.1
    assert points[0][0] == 0
    rises = {int(row.split(",")[0]) for row in edges.read_text().splitlines() if row.endswith(",24,1")}
    assert next(at for at, ma, _ in points if ma > 0.001) in rises, "both files count from the same moment"
    whole = measure(points)
    assert whole.forward_uc == pytest.approx(whole.back_uc, rel=0.01)
    assert measure(since(points, 10_000_000)).forward_uc < 1e-3, "nothing flows in the rest"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "TOML"),
        ('[[fault]]\nname = "estop-press"\n', "at_s: missing"),
        ('[[fault]]\nat_s = -1\nname = "estop-press"\n', "allowed: a number 0 to"),
        ('[[fault]]\nat_s = 1\nat_start = true\nname = "estop-press"\n', "either at_s"),
        ('[[fault]]\nat_s = 1\nname = "estop-pres"\n', "estop-press"),
        ('[[fault]]\nat_s = 1\nname = "adc-noisy"\nargs = [1000]\n', "STEPS: 1000"),
        ('[[fault]]\nat_s = 1\nname = "adc-dead"\nwhen = 3\n', "when: 3"),
        ("[other]\n", "one or more tables"),
        ('[[fault]]\nat_start = true\nname = "disk-full"\nargs = ["test"]\n', "No process 'test'"),
    ],
)
def test_a_scenario_that_is_refused_starts_nothing(tmp_path: Path, text: str, words: str) -> None:
    scenario, edges = tmp_path / "scenario.toml", tmp_path / "edges.csv"
    scenario.write_text(text, encoding="utf-8")
    done = run(tmp_path, "--faults", scenario, "--edges", edges)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not edges.exists()


def test_a_scenario_that_cannot_be_read(tmp_path: Path) -> None:
    done = run(tmp_path, "--faults", tmp_path / "none.toml")
    assert (done.returncode, "scenario_unreadable" in done.stderr) == (2, True)


def test_a_file_for_the_current_must_be_writable(tmp_path: Path) -> None:
    done = run(tmp_path, "--current", tmp_path / "no" / "such.csv")
    assert (done.returncode, "--current" in done.stderr) == (2, True)


def test_the_fault_command(tmp_path: Path) -> None:
    none = pelvistim("fault", "estop-press", runtime=tmp_path)
    assert (none.returncode, "no_simulation" in none.stderr) == (2, True)
    with Sim.start() as sim:
        path = sim.control_path
        bad = pelvistim("fault", "dac-bit", 16, "high", "--sim", path, runtime=tmp_path)
        assert bad.returncode == 2
        assert "BIT: 16: allowed: a whole number 0 to 15" in bad.stderr
        assert pelvistim("fault", "estop-press", "--sim", path, runtime=tmp_path).returncode == 0
        assert sim.control("levels")["bank"] >> 13 & 1 == 1
        assert pelvistim("fault", "clear", "--sim", path, runtime=tmp_path).returncode == 0
        assert sim.control("levels")["bank"] >> 13 & 1 == 0


def test_current_of_a_simulation_alone(tmp_path: Path) -> None:
    out = tmp_path / "current.csv"
    with Sim.start("--current", str(out)) as sim:
        sim.participant("test").sleep(1_000)
        sim.control("quit")
        assert sim.process.wait(60) == 0
    assert read(out) == {name: [(0, 0, 0), (1_000, 0, 0)] for name in "AB"}
