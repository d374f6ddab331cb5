"""The output table: closed-form figures, and the compliance."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from controller.cli import main
from controller.figures import figures
from controller.output_table import as_csv, lines
from controller.programme import load_programme, parse_programme, shipped_programmes
from hw.board import load_board
from tests.support.programmes import CONTINUOUS, CONTRACTION, changed, programme_toml

BOARD = load_board()


def table(max_ua: int, *phases: dict[str, str], **top: str) -> list[dict[str, object]]:
    programme = parse_programme(programme_toml(*phases, **top), "test")
    return [one.row() for one in lines(programme, BOARD, figures(programme, BOARD, max_ua))]


def test_a_phase_into_each_load() -> None:
    """25 mA is code 2048; 50 Hz, 250 us on 10 cm2; the compliance of 60 V gives 6 mA into 10 000 ohm."""
    found = {row["load_ohm"]: row for row in table(25_000)}
    assert list(found) == [500, 2_000, 10_000]
    for load, ma in ((500, 25.0), (2_000, 25.0), (10_000, 6.0)):
        row = found[load]
        rms = ma * math.sqrt(2 * 250e-6 * 50)
        assert row["peak_current_ma"] == ma
        assert row["peak_voltage_v"] == pytest.approx(ma * load / 1_000)
        assert row["limited_by_compliance"] is (load == 10_000)
        assert row["charge_per_phase_uc"] == pytest.approx(ma * 0.25)
        assert row["net_charge_per_pulse_uc"] == 0
        assert row["rms_current_ma"] == pytest.approx(rms, abs=1e-6)
        assert row["average_absolute_current_ma"] == pytest.approx(ma * 0.025)
        assert row["energy_per_pulse_mj"] == pytest.approx(ma**2 * load * 500e-6 / 1_000)
        assert row["average_power_mw"] == pytest.approx(ma**2 * load * 0.025 / 1_000)
        assert row["rms_density_ma_per_cm2"] == pytest.approx(rms / 10, abs=1e-6)
        assert row["power_density_mw_per_cm2"] == pytest.approx(ma**2 * load * 0.025 / 10_000)


def test_a_line_for_each_other_shape_and_channel() -> None:
    twin, wide = dict(CONTRACTION), changed(CONTRACTION, phase_width_us="300", channel='"AB"')
    found = table(20_000, CONTRACTION, twin, wide)
    assert [(row["phase"], row["channel"]) for row in found[::3]] == [(1, "A"), (3, "A"), (3, "B")]
    assert {row["phase_width_us"] for row in table(20_000, CONTINUOUS)} == {300}


@pytest.mark.parametrize("name", sorted(shipped_programmes()))
def test_every_programme_has_its_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    programme = load_programme(shipped_programmes()[name])
    listed = lines(programme, BOARD, figures(programme, BOARD, 20_000))
    assert {one.load_ohm for one in listed} == {500, 2_000, 10_000}
    assert main(["check", name, "--max-ma", "20", "--output-table", "csv"]) == 0
    said = capsys.readouterr().out
    assert said == as_csv(listed)
    read = list(csv.DictReader(io.StringIO(said)))
    assert [float(row["peak_current_ma"]) for row in read] == [one.row()["peak_current_ma"] for one in listed]
    assert main(["check", name, "--max-ma", "20", "--output-table", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["lines"] == [one.row() for one in listed]


def test_it_is_readable_at_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["check", "sprint", "--max-ma", "20", "--output-table"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert "limited_by_compliance" in said
    assert "…" not in said
