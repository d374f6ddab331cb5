"""Calibration and the self-test with a load, on the simulated board; and the guard that asks for the record."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from controller.cli import main
from controller.launch import Control, SimulatedBoard
from hw.board import load_board
from safety import calibration
from safety.calibration import VALID_DAYS, Record
from safety.enrolled import enrol
from safety.store import Store
from tests.support.signed import KEY
from tests.support.stack import AppLink, short_programme
from workshop import calibrate, fit, loaded, measure
from workshop.findings import Finding
from workshop.hands import SAYS, Person, Simulated, Written
from workshop.rig import Rig, simulated

BOARD = load_board()
ARGS = argparse.Namespace(meter="simulated", meter_ppm=20_000)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wave a reading: what a real meter needs a second for."""
    monkeypatch.setattr(measure, "WAVES", 1)


@contextmanager
def rigged() -> Iterator[tuple[Rig, Control]]:
    with simulated(None) as (clock, where, control), closing(Rig(BOARD, where, clock, None)) as rig:
        yield rig, control


def codes(found: Iterator[Finding | Record]) -> list[str]:
    """The problems, each with the channel it names."""
    return [f"{one.code} {one.detail[:1]}" for one in found if isinstance(one, Finding) and one.code is not None]


def test_what_is_wrong_with_a_board_is_found_and_gives_no_record(tmp_path: Path) -> None:
    readings = tmp_path / "readings.toml"
    with rigged() as (rig, control):

        def breaks(*faults: tuple[str, list[object]]) -> None:
            for name, args in faults:
                assert control.ask("fault", name=name, args=args)["problems"] == []

        hand = Simulated(control)
        breaks(("source-gain", ["A", 1.07]), ("trip-defeated", []), ("estop-welded", []))
        readings.write_text("[open_volt]\nB = 50.0\n", encoding="utf-8")
        found = list(calibrate.steps(rig, Written(readings, hand), 500, ARGS))
        assert codes(iter(found)) == [
            "dac_off A",
            "current_trip_off A",
            "compliance_off B",
            "current_trip_off B",
            "button_off -",
        ]
        assert not any(isinstance(one, Record) for one in found)
        breaks(("clear", []), ("source-gain", ["B", 0.85]))
        assert codes(iter(loaded.steps(rig, hand, 500))) == ["load_current B", "current_trip_off B"]
        breaks(("clear", []))
        readings.write_text("[volt.A]\n90 = 45.0\n", encoding="utf-8")  # half of the resistor: twice the current
        assert codes(calibrate.steps(rig, Written(readings, hand), 500, ARGS)) == ["full_scale_other 1"]
        wrong = Simulated(control)
        wrong.does("nobody", ohm=700)
        wrong.does = lambda *_, **__: None  # type: ignore[method-assign]
        assert codes(loaded.steps(rig, wrong, 500)) == ["load_differs A", "load_differs B"]
        breaks(("estop-press", []))
        assert codes(loaded.steps(rig, hand, 500)) == ["self_test_failed s"]


@pytest.mark.req("SR-194")
def test_the_guard_gives_nobody_current_before_the_board_was_calibrated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No record, the one that calibrate writes, and one that runs out while the guard runs."""
    assert main(["calibrate", "--board", "sim", "--load", "500", "--meter", "simulated", "--json"]) == 0
    record = json.dumps(json.loads(capsys.readouterr().out)["record"])
    assert calibration.problem(calibration.load(record), BOARD, datetime.now().astimezone().date()) is None
    path = tmp_path / "state" / calibration.NAME
    path.parent.mkdir()
    Store(path.parent).begin()
    sim = SimulatedBoard(tmp_path, None, new_state=False, speed=None)
    try:
        options = [
            "--runtime",
            str(tmp_path),
            "--pigpio",
            f"127.0.0.1:{sim.port}",
            "--clock",
            str(tmp_path / "sim.sock"),
        ]
        sim._start("safety", "--state", str(path.parent), *options)
        link = AppLink(tmp_path, sim.clock)
        link.past("boot", "self_test")
        assert link.latest["cause"] == calibration.MISSING
        assert not link.request("check_electrodes")["ok"]
        path.write_text(record, encoding="utf-8")
        assert link.acknowledge()["mode"] == "idle"
        enrol(path.parent, KEY.public)
        link.arm(short_programme())
        old = (datetime.now().astimezone().date() - timedelta(days=VALID_DAYS + 1)).isoformat()
        raw = calibration.load(record)
        assert raw is not None
        path.write_text(calibration.dump(replace(raw, day=old)), encoding="utf-8")
        link.heard()
        while (asked := link.request("check_electrodes"))["code"] == "check_too_soon":
            link.receive(link.now() + asked["wait_us"])
        assert asked["code"] == "not_now"
        assert (link.latest["mode"], link.latest["cause"]) == ("stopped", calibration.EXPIRED)
        link.close()
    finally:
        sim.close()


@pytest.mark.parametrize("option", [["--simulated"], ["--clock", "sim.sock"]], ids=" ".join)
def test_a_real_daemons_port_is_no_simulated_boards(option: list[str], tmp_path: Path) -> None:
    """Neither its calibration nor its time: the guard would wait for a real daemon as for a simulated one."""
    said = subprocess.run(
        [sys.executable, "-m", "safety", "--runtime", str(tmp_path), "--state", str(tmp_path), *option],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, "port 8888" in said.stderr) == (2, True)


def test_a_line_and_how_well_it_is_known() -> None:
    assert fit.line([(0, 100), (10_000, 10_300), (20_000, 20_500)], 0).offset_ua == 100
    exact = fit.line([(1000, 1020), (2000, 2040), (4000, 4080)], 17_320)
    assert (exact.gain_ppm, exact.offset_ua) == (1_020_000, 0)
    assert exact.offset_uncertainty_ua <= 1  # what is rounded up
    assert exact.gain_uncertainty_ppm == pytest.approx(20_400, abs=2)  # 2 x 1.02 x 1.732 % / root of 3
    scattered = fit.line([(0, 0), (1000, 1010), (2000, 2000), (3000, 3010)], 0)  # residuals -2, 6, -6, 2: variance 40
    assert scattered == calibration.Line(1_002_000, 5657, 2, 11)


def test_a_person_is_asked_until_it_is_a_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["\n", "two\n", "-1\n", "2,50\n", ""])
    monkeypatch.setattr(sys, "stdin", type("In", (), {"readline": staticmethod(lambda: next(answers))}))
    person = Person("nb")
    person.does("nobody", ohm=500)
    assert person.reads("volt", "A", 10) == Decimal("2.50")
    assert "500 ohm" in capsys.readouterr().out
    with pytest.raises(KeyboardInterrupt):
        person.does("release")
    assert all(set(words) == {"nb", "en"} for words in SAYS.values())


def test_wrong_words_are_refused_before_anything_is_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--board", "sim", "--meter", "none"]
    with pytest.raises(SystemExit) as usage:
        main(["calibrate", "--load", "-5", *common])
    assert usage.value.code == 64
    for load in ("99", "1081"):
        assert main(["calibrate", "--load", load, *common]) == 2
    assert main(["calibrate", "--load", "500", *common, "--readings", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("[load]") == 2
    assert main(["selftest", "--load", "500", "--board", "sim", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["check"] for one in told["findings"]] == ["self_test", "load", "current_trip", "load", "current_trip"]
