"""Whole programmes through ``pelvistim``: guard, socket, pigpio client, board; read back from the edges alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.programme import shipped_programmes
from tests.decoder import decode, verify
from tests.support.library import LONG_MA, MachineLate, run_json, whole

INTENSITY_MA = {
    "stress-50hz": 30,
    "sprint": 20,
    "marathon": 20,
}
"""What the person asks for: within what each programme can reach. The others are in ``tests.support.library``."""


def test_every_shipped_programme_is_here() -> None:
    assert INTENSITY_MA.keys() | LONG_MA.keys() == shipped_programmes().keys()
    assert INTENSITY_MA.keys().isdisjoint(LONG_MA)


@pytest.mark.long
@pytest.mark.req("SR-002", "SR-025")
@pytest.mark.parametrize("name", INTENSITY_MA)
def test_a_whole_programme_is_delivered_as_written(name: str, tmp_path: Path) -> None:
    whole(name, INTENSITY_MA[name], tmp_path)


@pytest.mark.long
@pytest.mark.alone
def test_the_same_edges_at_every_speed(tmp_path: Path) -> None:
    """60 s at speed max, at 20 times real time, and in real time.

    In real time a late scheduler may cost an underrun, which is counted, said, and shifts what follows, or the guard
    stops; such a run proves nothing about the edges and is made again, at most three times.
    """
    files = {speed: tmp_path / f"{speed}.csv" for speed in ("max", "20", "1")}
    common = ("stress-50hz", "--intensity", 20, "--minutes", 1)
    for speed, edges in files.items():
        for attempt in range(3):
            try:
                underruns = run_json(*common, "--speed", speed, "--edges", edges, first=speed == "1")["underruns"]
            except MachineLate as late:
                underruns = f"no count, for {late}"
            if underruns == 0:
                break
            print(f"speed {speed}, try {attempt + 1}: {underruns} underruns")
        assert underruns == 0
    seven = {speed: waveform_rows(edges) for speed, edges in files.items()}
    assert len(seven["max"]) > 50_000
    assert seven["20"] == seven["max"]
    assert seven["1"] == seven["max"]
    text = shipped_programmes()["stress-50hz"].read_bytes()
    assert verify(decode(files["1"]), text, 20_000, until_us=60_000_000) == []


def waveform_rows(path: Path) -> list[str]:
    """The rows of the four phase and three DAC lines."""
    lines = {"24", "27", "22", "26", "20", "17", "16"}
    rows = path.read_text(encoding="utf-8").splitlines()
    assert rows[0] == "time_us,gpio,level"
    return [row for row in rows[1:] if row.split(",")[1] in lines]


@pytest.mark.cold
def test_a_session_that_ends_early_fades(tmp_path: Path) -> None:
    """After 0.05 min the first contraction is in its hold: it fades within half a second, and the run is finished."""
    edges = tmp_path / "edges.csv"
    told = run_json("stress-50hz", "--intensity", 4, "--minutes", "0.05", "--speed", "max", "--edges", edges)
    assert (told["mode"], told["cause"], told["contractions"]) == ("idle", None, 1)
    decoded = decode(edges)
    text = shipped_programmes()["stress-50hz"].read_bytes()
    assert verify(decoded, text, 4_000, until_us=3_000_000) == []
    last = [pulse for pulse in decoded.pulses if pulse.start_us >= decoded.pulses[0].start_us + 3_000_000]
    assert 10 <= len(last) <= 25
    assert last[-1].code < last[0].code // 2


@pytest.mark.req("SR-026")
def test_without_an_intensity_nothing_but_pulses_of_code_zero(tmp_path: Path) -> None:
    edges = tmp_path / "edges.csv"
    told = run_json("stress-50hz", "--minutes", "0.1", "--speed", "max", "--edges", edges)
    decoded = decode(edges)
    assert len(decoded.pulses) == told["pulses_sent"] > 200
    assert {pulse.code for pulse in decoded.pulses} == {0}
    assert told["peak_measured_ma"] == {"A": 0.0}
