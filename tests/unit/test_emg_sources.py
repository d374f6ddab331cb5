"""The sources of EMG behind their port: the converter, the simulated board, recorded files."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from controller.cli import main
from controller.emg.sensor import replay
from controller.launch import LaunchError
from hw.emg import (
    ADDRESS,
    BLOCK,
    FAILURES_MAX,
    RATE_HZ,
    Ads1115,
    EmgError,
    Recorded,
    Simulated,
    open_ads1115,
    read_csv,
    read_edf,
)

RECORDED = Path(__file__).parent.parent / "data" / "emg" / "emg_bursts.edf"


class Clock:
    def __init__(self) -> None:
        self.s = 100.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.s += seconds


class Chip:
    """Counts its conversions; ``config`` is what the register reads back; ``fails`` readings are refused."""

    def __init__(self, config: Sequence[int] | None = None) -> None:
        self.config = config
        self.written: list[tuple[int, int, list[int]]] = []
        self.read = 0
        self.fails = 0

    def write_i2c_block_data(self, address: int, register: int, data: Sequence[int]) -> None:
        self.written.append((address, register, list(data)))

    def read_i2c_block_data(self, address: int, register: int, length: int) -> list[int]:
        assert (address, length) == (ADDRESS, 2)
        if register == 1:
            high, low = self.config or self.written[0][2]
            return [high | 0x80, low]
        if self.fails:
            self.fails -= 1
            raise OSError(5, "Input/output error")
        self.read += 1
        return list((-self.read).to_bytes(2, "big", signed=True))

    def close(self) -> None:
        self.read = -1


def test_the_converter_is_set_up_and_read_at_its_pace() -> None:
    chip, clock = Chip(), Clock()
    source = Ads1115(chip, clock.now, clock.sleep)
    assert chip.written == [(0x48, 1, [0b0000_0100, 0b1110_0011])]  # AIN0-AIN1, 2.048 V, continuous, 860 a second
    first, second = source.read(), source.read()
    assert (first.first, second.first) == (0, BLOCK)
    assert first.codes == tuple(-n for n in range(1, BLOCK + 1))
    assert clock.s - 100 == pytest.approx((2 * BLOCK - 1) / RATE_HZ)
    source.close()
    assert chip.read == -1


def test_a_device_that_is_not_there_or_another_is_no_sensor() -> None:
    class Gone(Chip):
        def write_i2c_block_data(self, address: int, register: int, data: Sequence[int]) -> None:
            raise OSError(121, "Remote I/O error")

    for bus in (Gone(), Chip(config=[0, 0])):
        with pytest.raises(EmgError) as refused:
            Ads1115(bus)
        assert refused.value.code == "emg_absent"


def test_who_comes_late_has_lost_what_was_converted_meanwhile() -> None:
    chip, clock = Chip(), Clock()
    source = Ads1115(chip, clock.now, clock.sleep)
    clock.s += 10 / RATE_HZ
    block = source.read()
    assert block.codes[:10] == (None,) * 10
    assert None not in block.codes[10:]
    assert source.read().first == len(block.codes)
    clock.s += 2
    with pytest.raises(EmgError, match="2 s") as still:
        source.read()
    assert still.value.code == "emg_lost"


def test_a_laptop_without_the_library_or_the_bus_has_no_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(code: str) -> None:
        with pytest.raises(EmgError) as refused:
            open_ads1115()
        assert refused.value.code == code

    monkeypatch.setitem(sys.modules, "smbus2", None)
    absent("emg_absent")
    opened: list[Chip] = []

    class Library:
        @staticmethod
        def SMBus(number: int) -> Chip:
            assert number == 1
            if not opened:
                opened.append(Chip(config=[0, 0]))
                return opened[0]
            raise FileNotFoundError(2, "no such bus")

    monkeypatch.setitem(sys.modules, "smbus2", Library)
    absent("emg_absent")
    assert opened[0].read == -1  # given back
    absent("emg_absent")


def test_single_refusals_are_lost_samples_and_many_are_the_end() -> None:
    chip, clock = Chip(), Clock()
    source = Ads1115(chip, clock.now, clock.sleep)
    chip.fails = 3
    assert source.read().codes[:4] == (None, None, None, -1)
    chip.fails = FAILURES_MAX
    with pytest.raises(EmgError) as lost:
        source.read()
    assert lost.value.code == "emg_lost"


def test_the_simulated_board_is_asked_for_what_is_new() -> None:
    asked: list[int | None] = []
    answers: list[dict[str, Any]] = [
        {"next": 7},
        {"first": 7, "codes": [1, 2], "next": 9},
        {"first": 11, "codes": [5], "next": 12},
    ]

    def ask(wanted: int | None) -> dict[str, Any]:
        asked.append(wanted)
        if not answers:
            raise LaunchError("gone", code="sim_silent")
        return answers.pop(0)

    source = Simulated(ask, lambda: asked.append(None), lambda _: None)
    assert [source.read(), source.read()] == [source_block(7, (1, 2)), source_block(9, (None, None, 5))]
    assert asked == [None, 7, 9]
    with pytest.raises(EmgError) as lost:
        source.read()
    assert lost.value.code == "emg_lost"
    source.close()
    with pytest.raises(EmgError) as absent:
        Simulated(ask, lambda: None)
    assert absent.value.code == "emg_absent"


def source_block(first: int, codes: tuple[int | None, ...]) -> Any:
    from hw.emg import Block

    return Block(first, codes)


def test_a_recorded_file_is_replayed_at_its_pace_and_ends() -> None:
    recording, clock = read_edf(RECORDED), Clock()
    assert (recording.rate_hz, len(recording.codes)) == (1000.0, 28_000)
    assert recording.nv_per_code == pytest.approx(3e6 / 2**16)
    source = Recorded(recording, clock.now, clock.sleep)
    blocks = [source.read() for _ in range(28_000 // BLOCK)]
    assert tuple(code for block in blocks for code in block.codes) == recording.codes
    assert clock.s == pytest.approx(128.0)
    with pytest.raises(EmgError, match="over"):
        source.read()


def test_serve_replays_a_file_from_its_beginning_and_on_the_simulated_board_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        source = replay(RECORDED)()
        assert source.read().codes == read_edf(RECORDED).codes[:BLOCK]
    state = ["--state", str(tmp_path), "--port", "0"]
    for wrong, words in ((["--board", "pigpio", "--emg", str(RECORDED)], "--emg"), (["--emg", "x.csv"], "x.csv")):
        assert main(["serve", *state, *wrong]) == 2
        assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_csv_file_says_its_rate_by_its_times(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time_us,emg_nv\n" + "".join(f"{500 + n * 500},{n - 3}\n" for n in range(9)))
    recording = read_csv(path)
    assert (recording.rate_hz, recording.nv_per_code) == (2000.0, 1.0)
    assert recording.codes == tuple(range(-3, 6))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time_us,emg_uv\n0,1\n", "columns"),
        ("time_us,emg_nv\n0,1\n", "fewer"),
        ("time_us,emg_nv\n0,1\n1000,x\n", "x"),
        ("time_us,emg_nv\n0,1\n1000,2\n5000,3\n", "evenly"),
        ("time_us,emg_nv\n0,1\n1000\n", "None|int"),
    ],
)
def test_a_csv_file_of_another_form_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(EmgError) as refused:
        read_csv(path)
    assert refused.value.code == "emg_file"
    assert re.search(words, str(refused.value))


def test_a_file_that_is_not_there_or_no_edf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.edf").write_bytes(b"no EDF")
    for read, path in ((read_csv, tmp_path / "a.csv"), (read_edf, tmp_path / "a.edf"), (read_edf, tmp_path / "b.edf")):
        with pytest.raises(EmgError) as refused:
            read(path)
        assert refused.value.code == "emg_file"
