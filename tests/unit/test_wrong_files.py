"""Wrong files given to ``pelvistim run``: each is refused in words, and no board is so much as started.

Phases that exceed the period are in ``test_programme.py``: other ceilings are always reached first.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from controller import cli
from tests.support.programmes import CONTINUOUS, CONTRACTION, PAUSE, changed, programme_toml

FINE = programme_toml()


def phase(**fields: str | None) -> bytes:
    return programme_toml(changed(CONTRACTION, **fields))


def electrode(area: str) -> bytes:
    return programme_toml(electrode=f'{{ kind = "surface", area_cm2 = {area} }}')


WRONG: dict[str, tuple[bytes, str]] = {
    "NaN": (phase(frequency_hz="nan"), "frequency_hz"),
    "infinity": (phase(frequency_hz="inf"), "frequency_hz"),
    "a bool": (phase(phase_width_us="true"), "phase_width_us"),
    "a huge integer": (phase(repeats="0x" + "f" * 1900), "repeats"),
    "a frequency beyond its ceiling": (phase(frequency_hz="150.000000001"), "frequency_hz"),
    "a width beyond its ceiling": (phase(phase_width_us="801"), "phase_width_us"),
    "a gap beyond its ceiling": (phase(interphase_us="1001"), "interphase_us"),
    "a contraction beyond its ceiling": (phase(hold_ms="28501", rest_ms="30001"), "hold_ms"),
    "a session beyond its ceiling": (phase(repeats="201"), "session"),
    "a rest 1 ms short": (phase(rest_ms="6499"), "rest_ms"),
    "an area of 0": (electrode("0"), "area_cm2"),
    "an unknown key": (phase(amplitude_ma="20"), "amplitude_ma"),
    "a missing key": (phase(frequency_hz=None), "frequency_hz"),
    "empty": (b"", "empty"),
    "UTF-16": (FINE.decode().encode("utf-16"), "UTF-8"),
    # ours
    "a programme in UTF-8 with a byte order mark": (b"\xef\xbb\xbf" + FINE, "UTF-8"),
    "a program for a computer": (b"\x7fELF\x02\x01\x01" + b"\x00" * 100, "UTF-8"),
    "JSON": (b'{"schema": 1}', "TOML"),
    "cut off in the middle": (FINE[: len(FINE) * 2 // 3], ""),
    "a number in quotes": (phase(phase_width_us='"250"'), "phase_width_us"),
    "a format of the future": (programme_toml(schema="2"), "schema"),
    "a continuous phase at 21 Hz": (programme_toml(changed(CONTINUOUS, frequency_hz="21")), "frequency_hz"),
    "no pause after a continuous phase": (programme_toml(CONTINUOUS, CONTRACTION), "continuous_s"),
    "a steep ramp": (phase(ramp_up_ms="299"), "ramp_up_ms"),
    "only pauses": (programme_toml(PAUSE), "phase"),
    "thousands of brackets": (b"x = " + b"\n[" * 20_000, "TOML"),
    "a negative hold": (phase(hold_ms="-1"), "hold_ms"),
}


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def start(*_: object, **__: object) -> None:
        raise AssertionError("a board was started")

    monkeypatch.setattr("controller.run.SimulatedBoard", start)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    edges = path.parent / "edges.csv"
    code = cli.main(["run", str(path), "--board", "sim", "--intensity", "5", "--speed", "max", "--edges", str(edges)])
    said = capsys.readouterr().err
    assert code == 2, said
    assert not edges.exists()
    for line in said.splitlines():
        assert ": allowed: " in line
        assert len(line.rpartition(": allowed: ")[2].split(". ")) >= 2, "what to do comes after what is allowed"
    return said


@pytest.mark.req("SR-020")
@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_in_words(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, words = WRONG[name]
    path = tmp_path / "wrong.toml"
    path.write_bytes(data)
    assert words in refused(path, capsys)


@pytest.mark.req("SR-020")
@pytest.mark.usefixtures("nothing_starts")
def test_a_folder_and_a_file_of_50_mb_are_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, large = tmp_path / "folder.toml", tmp_path / "large.toml"
    folder.mkdir()
    with large.open("wb") as file:
        file.truncate(50 * 2**20)
    assert "folder.toml" in refused(folder, capsys)
    assert "52428800 bytes" in refused(large, capsys)
