"""``pelvistim check``: the table, the JSON, the picture, and what each refusal says and returns."""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from controller.check import add_arguments, main, parse_max_ma
from controller.figure_table import NOT_CERTIFIED
from controller.programme import shipped_programmes
from hw.board import REFERENCE_BOARD
from safety.errors import InputRefused
from tests.support.programmes import CONTINUOUS, CONTRACTION, PAUSE, changed, programme_toml

SVG = "{http://www.w3.org/2000/svg}svg"
HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None
needs_matplotlib = pytest.mark.needs("matplotlib", available=lambda: HAS_MATPLOTLIB, how="make check sets it up")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Runs ``check`` with the words of a command line; gives exit code, standard output and error output."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str | Path) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        code = main(parser.parse_args([str(word) for word in words]))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def write(tmp_path: Path):
    """Writes a programme file of the phases and fields given; gives its path."""

    def write(*phases: dict[str, str], **top: str) -> Path:
        path = tmp_path / "programme.toml"
        path.write_bytes(programme_toml(*phases, **top))
        return path

    return write


def line_of(out: str, words: str) -> list[str]:
    (line,) = [line for line in out.splitlines() if line.startswith(words)]
    return line.removeprefix(words).split()


def test_each_figure_stands_beside_its_ceiling(run, write) -> None:
    code, out, err = run(write(), "--max-ma", "20")
    assert (code, err) == (0, "")
    # by hand in test_figures: 20 mA at 50 Hz and 250 us on 10 cm2
    assert line_of(out, "peak current") == ["19.995", "mA", "20"]
    assert line_of(out, "its DAC code") == ["1638", "4095"]
    assert line_of(out, "charge per phase") == ["4.999", "uC", "40"]
    assert line_of(out, "net charge per pulse") == ["0", "code", "x", "us", "0"]
    assert line_of(out, "r.m.s. current *") == ["3.162", "mA", "20"]
    assert line_of(out, "r.m.s. density *") == ["0.3162", "mA/cm2", "2"]
    assert line_of(out, "power density, 500 ohm *") == ["0.00050", "W/cm2", "0.25"]
    assert line_of(out, "duty: time with current *") == ["2.500", "%"]
    assert line_of(out, "average absolute current *") == ["0.4999", "mA"]
    assert line_of(out, "energy per pulse, 500 ohm") == ["0.1000", "mJ", "300"]
    assert line_of(out, "energy per pulse, 10000 ohm") == ["0.1800", "mJ"]
    assert line_of(out, "maximum voltage, 500 ohm") == ["10.00", "V"]
    assert line_of(out, "maximum voltage, 10000 ohm") == ["60.00", "V"]
    assert line_of(out, "Shannon k (informational)") == ["0.40", "harm", "seen", "at", "1.85"]
    assert line_of(out, "pulses") == ["975"]
    assert line_of(out, "contractions") == ["3"]
    assert line_of(out, "longest contraction") == ["6.500", "s", "30"]
    assert line_of(out, "longest continuous phase") == ["-", "s"]
    assert line_of(out, "shortest rest") == ["7.000", "s", ">=", "its", "contraction"]
    assert "session: 0.68 minutes (at most 45), 975 pulses, 3 contractions" in out
    assert "maximum: 20 mA of the board's full scale of 50 mA" in out


def test_the_table_is_readable_at_80_columns(run, write) -> None:
    both = changed(CONTRACTION, channel='"AB"')
    code, out, _ = run(write(both, PAUSE, changed(CONTINUOUS, channel='"B"'), source='"' + "long words " * 40 + '"'))
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert line_of(out, "pulses") == ["975", "7015"]
    assert line_of(out, "continuous phases") == ["0", "1"]
    assert "3 contractions, and continuous phases: 1 (no contractions)" in " ".join(out.split())


def test_without_a_maximum_caps_are_full_scale_and_it_says_so(run, write) -> None:
    _, out, _ = run(write())
    words = " ".join(out.split())
    assert "maximum: 50 mA, the board's full scale: caps are full scale until there is a prescription" in words
    assert NOT_CERTIFIED in words
    _, out, _ = run(write(), "--json")
    assert json.loads(out)["max_note"] == "the board's full scale: caps are full scale until there is a prescription"
    assert json.loads(out)["notice"] == NOT_CERTIFIED


def test_json_holds_the_numbers_of_the_table(run, write) -> None:
    path = write(changed(CONTRACTION, channel='"AB"'), changed(PAUSE, pause_s="19.5"), cycles="2")
    code, out, err = run(path, "--json", "--max-ma", "20")
    found: dict[str, Any] = json.loads(out)
    assert (code, err, found["accepted"], found["problems"]) == (0, "", True, [])
    assert found["max_ma"] == 20
    assert found["session"] == {
        "pulses": 3_900,
        "contractions": 6,
        "continuous_phases": 0,
        "minutes": 2,
        "minutes_ceiling": 45,
    }
    assert found["channels"]["A"] == found["channels"]["B"]
    assert found["channels"]["A"] == {
        "peak_current_ma": 19.995,
        "dac_code": 1638,
        "charge_per_phase_uc": 4.999,
        "net_charge_per_pulse_code_us": 0,
        "rms_current_ma": 3.162,
        "rms_density_ma_per_cm2": 0.3162,
        "power_density_500_ohm_w_per_cm2": 0.0005,
        "duty_percent": 2.5,
        "average_absolute_current_ma": 0.4999,
        "energy_per_pulse_500_ohm_mj": 0.1,
        "max_voltage_500_ohm_v": 10.0,
        "energy_per_pulse_2000_ohm_mj": 0.3998,
        "max_voltage_2000_ohm_v": 39.99,
        "energy_per_pulse_10000_ohm_mj": 0.18,
        "max_voltage_10000_ohm_v": 60.0,
        "shannon_k": 0.4,
        "pulses": 1_950,
        "contractions": 6,
        "continuous_phases": 0,
        "longest_contraction_s": 6.5,
        "longest_continuous_s": None,
        "shortest_rest_s": 7.0,
    }
    assert found["ceilings"] == {
        "peak_current_ma": 20,
        "dac_code": 4095,
        "charge_per_phase_uc": 40,
        "net_charge_per_pulse_code_us": 0,
        "rms_current_ma": 20,
        "rms_density_ma_per_cm2": 2,
        "power_density_500_ohm_w_per_cm2": 0.25,
        "energy_per_pulse_500_ohm_mj": 300,
        "longest_contraction_s": 30,
    }
    assert found["programme"]["title"] == {"nb": "Prøve", "en": "Test"}
    assert found["board"] == {"name": "reference", "full_scale_ma": 50}


@pytest.mark.parametrize("ident", sorted(shipped_programmes()))
def test_shipped_programmes_are_named_by_id(run, ident: str) -> None:
    code, out, err = run(ident)
    assert (code, err) == (0, "")
    assert out.startswith(f"programme: {ident}: ")


@pytest.mark.req("SR-106")
def test_text_of_a_file_is_not_taken_for_markup(run, write) -> None:
    _, out, _ = run(write(title='{ nb = "[red]x[/red]", en = "[/bold] [link=http://x]y" }'))
    assert "[/bold] [link=http://x]y / [red]x[/red]" in " ".join(out.split())


WEAK = changed(CONTRACTION, intensity_percent="50", phase_width_us="200", channel='"A"')
STRONG = changed(WEAK, intensity_percent="100")


@pytest.mark.parametrize(
    ("phases", "cycles", "told"),
    [
        ((WEAK, STRONG), "1", []),  # exactly twice
        (
            (changed(WEAK, intensity_percent="49.9"), STRONG),
            "1",
            ["phase[2].intensity_percent: 2.01 times the current"],
        ),
        ((WEAK, changed(STRONG, phase_width_us="201")), "1", ["phase[2].phase_width_us: 2.01 times the charge"]),
        (
            (changed(WEAK, intensity_percent="1"), PAUSE, STRONG),
            "1",
            ["phase[3].intensity_percent: 100 times the current"],
        ),
        ((changed(WEAK, intensity_percent="1"), changed(STRONG, channel='"B"')), "1", []),  # another channel
        ((STRONG, changed(WEAK, intensity_percent="1")), "1", []),
        ((STRONG, changed(WEAK, intensity_percent="1")), "2", ["phase[1].intensity_percent: 100 times the current"]),
    ],
)
def test_a_phase_that_is_felt_much_more_than_the_one_before_is_told(run, write, phases, cycles, told) -> None:
    path = write(*phases, cycles=cycles)
    code, out, err = run(path, "--max-ma", "20", "--json")
    assert code == 0
    lines = err.splitlines()
    assert len(lines) == len(told)
    for line, words in zip(lines, told, strict=True):
        assert line.startswith(f"warning: {words} of ")
    assert [one["code"] for one in json.loads(out)["warnings"]] == ["phase_contrast"] * len(told)


# --- refusals -------------------------------------------------------------------------------------------------


def test_a_wrong_programme_is_refused_with_every_reason(run, write) -> None:
    path = write(changed(CONTRACTION, rest_ms="6499", frequency_hz="inf"))
    code, out, err = run(path)
    assert (code, out) == (2, "")
    first, second, notice = err.splitlines()
    assert first.startswith(f"{path}: line 10, phase[1].frequency_hz: Infinity: allowed: a number 1 to 150 Hz. ")
    assert second.startswith(f"{path}: line 16, phase[1].rest_ms: 6499: allowed: at least ramp_up_ms + hold_ms")
    assert notice == NOT_CERTIFIED


def test_a_refusal_comes_as_json_too(run, write) -> None:
    code, out, err = run(write(changed(CONTRACTION, rest_ms="6499")), "--json")
    found = json.loads(out)
    assert (code, found["accepted"], found["notice"]) == (2, False, NOT_CERTIFIED)
    (problem,) = found["problems"]
    assert problem["code"] == "rest_short"
    assert set(problem) == {"code", "place", "field", "value", "allowed", "advice"}
    assert problem["advice"] in err


def test_file_and_maximum_are_refused_together(run, tmp_path: Path) -> None:
    code, _, err = run(tmp_path / "none.toml", "--max-ma", "51")
    assert code == 2
    assert "none.toml: file: no such file" in err
    assert "command line: --max-ma" in err


def test_a_folder_is_refused(run, tmp_path: Path) -> None:
    code, out, err = run(tmp_path)
    assert (code, out) == (2, "")
    assert "a folder" in err


def test_a_wrong_board_is_refused(run, write, tmp_path: Path) -> None:
    board = tmp_path / "board.toml"
    board.write_text(REFERENCE_BOARD.read_text().replace("full_scale_ua = 50000", "full_scale_ua = 60000"))
    code, _, err = run(write(), "--board", board, "--max-ma", "20")
    assert code == 2
    assert "full_scale_ua" in err


def test_a_programme_over_a_ceiling_is_shown_and_refused(run, write) -> None:
    path = write(electrode='{ kind = "surface", area_cm2 = 3 }')
    code, out, err = run(path)
    assert code == 2
    assert line_of(out, "r.m.s. density *") == ["2.6346", "mA/cm2", "2"]
    assert "rms_density_high" in err
    assert "The highest maximum that passes is 37.951 mA" in err
    assert run(path, "--max-ma", "37.951")[0] == 0
    assert run(path, "--max-ma", "37.952")[0] == 2
    code, out, _ = run(path, "--json")
    found = json.loads(out)
    assert (code, found["accepted"], [one["code"] for one in found["problems"]]) == (2, False, ["rms_density_high"])


def test_a_larger_board_is_judged_by_its_own_full_scale(run, write, tmp_path: Path) -> None:
    board = tmp_path / "board.toml"
    board.write_text(REFERENCE_BOARD.read_text().replace("full_scale_ua = 50000", "full_scale_ua = 100000"))
    path = write(changed(CONTRACTION, phase_width_us="401"))
    assert run(path, "--board", board, "--max-ma", "50.001")[0] == 0
    code, _, err = run(path, "--board", board)
    assert code == 2
    assert "charge_high" in err
    assert run(path, "--max-ma", "50.001")[0] == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nan", "option_type"),
        ("NaN", "option_type"),
        ("inf", "option_type"),
        ("-inf", "option_type"),
        ("", "option_type"),
        ("twenty", "option_type"),
        ("12,5", "option_type"),
        ("1e1", "option_type"),
        ("1_0", "option_type"),
        ("0x10", "option_type"),
        ("٢٠", "option_type"),
        (" 20", "option_type"),
        ("20\n", "option_type"),
        ("9" * 5_000, "option_type"),
        ("0", "option_range"),
        ("-0", "option_range"),
        ("0.000", "option_range"),
        ("-20", "option_range"),
        ("50.001", "option_range"),
        ("100", "option_range"),
        ("999999999", "option_range"),
        ("20.0001", "option_decimals"),
        ("0.0001", "option_decimals"),
    ],
)
def test_a_wrong_maximum_is_refused_with_its_range(text: str, code: str) -> None:
    with pytest.raises(InputRefused) as caught:
        parse_max_ma(text, 50_000)
    (problem,) = caught.value.problems
    assert (problem.code, problem.field) == (code, "--max-ma")
    assert "above 0 and at most 50 mA" in problem.allowed
    assert len(problem.value) < 60


@pytest.mark.parametrize(
    ("text", "max_ua"), [("50", 50_000), ("50.000", 50_000), ("0.001", 1), ("12.5", 12_500), ("20.1230", 20_123)]
)
def test_a_maximum_is_read_exactly(text: str, max_ua: int) -> None:
    assert parse_max_ma(text, 50_000) == max_ua


# --- the picture ----------------------------------------------------------------------------------------------


@needs_matplotlib
def test_the_picture_is_drawn_and_the_same_each_time(run, write, tmp_path: Path) -> None:
    path = write(
        changed(CONTRACTION, channel='"AB"'),
        PAUSE,
        changed(CONTINUOUS, channel='"B"'),
        title='{ nb = "a", en = "$x_{" }',
    )
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    code, out, err = run(path, "--plot", first)
    assert (code, err) == (0, "")
    assert "charge per phase" in out
    assert ElementTree.parse(first).getroot().tag == SVG
    assert run(path, "--json", "--plot", second)[0] == 0
    assert first.read_bytes() == second.read_bytes()


@needs_matplotlib
def test_the_drawn_envelope_is_that_of_the_programme() -> None:
    from controller.figures import figures
    from controller.plot import _envelope
    from controller.programme import parse_programme
    from hw.board import load_board

    programme = parse_programme(programme_toml(changed(CONTRACTION, repeats="1"), cycles="2"), "test")
    minutes, currents = _envelope(programme, figures(programme, load_board(), 25_000), "A")
    seconds = [minute * 60 for minute in minutes]
    # 1 s up, 5 s hold, 0.5 s down, 7 s rest, twice; code 2048 of 4096 is 25 mA
    assert seconds == pytest.approx([0, 0, 1, 6, 6.5, 13.5, 14.5, 19.5, 20, 27])
    assert currents == [0, 0, 25, 25, 0, 0, 25, 25, 0, 0]


@needs_matplotlib
def test_nothing_is_drawn_of_a_refused_programme(run, write, tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    assert run(write(electrode='{ kind = "surface", area_cm2 = 3 }'), "--plot", out)[0] == 2
    assert not out.exists()


@needs_matplotlib
def test_a_picture_that_cannot_be_written_is_an_error_of_usage(run, write, tmp_path: Path) -> None:
    code, _, err = run(write(), "--plot", tmp_path / "no" / "such" / "folder.svg")
    assert code == 64
    assert "cannot be written" in err


def test_without_matplotlib_nothing_is_written(run, write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.check.importlib.util.find_spec", lambda name: None)
    out = tmp_path / "out.svg"
    code, printed, err = run(write(), "--plot", out)
    assert (code, printed) == (64, "")
    assert "make check" in err
    assert not out.exists()
