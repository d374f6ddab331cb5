"""Current and voltage at the electrodes against the closed form for the quantised codes, for each shipped programme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import pytest

from controller.programme import load_programme, programme_path
from controller.timeline import Timeline
from controller.waveform import Amplitude, Encoder
from hw.board import load_board
from hw.mock.board import BoardModel
from hw.mock.content import intern_content
from hw.mock.current import Figures, measure
from hw.mock.lines import OUTPUT, Block, Lines
from hw.mock.person import PersonOps
from safety.decode import Chunk, Pulse, decode
from tests.support.chunks import LINES

BOARD = load_board()
FULL_MA = BOARD.full_scale_ua / 1000
PROGRAMMES = sorted(path.stem for path in programme_path("sprint").parent.glob("*.toml"))
SET_POINT_UA = 20_000
KEEPALIVE_EVERY_US = 50_000
ENDS = 1_500, 1_500
"""Slices: of a longer programme the first and the last two and a half minutes are played, one after the other. Between
them its contractions come again and again."""


@dataclass(frozen=True)
class Compiled:
    """A programme, or its first and last slices, at one set-point: its chunks with where they start, its pulses as the
    gate reads them."""

    chunks: tuple[tuple[int, bytes], ...]
    pulses: tuple[Pulse, ...]


@lru_cache(maxsize=1)  # its tests follow each other
def compiled(name: str, first: int | None = None, last: int = 0) -> Compiled:
    timeline, encoder = Timeline(load_programme(programme_path(name))), Encoder(BOARD)
    chunks, pulses = [], []
    wanted = list(timeline.slices())
    if first is not None and len(wanted) > first + last:
        wanted = wanted[:first] + wanted[len(wanted) - last :]
    now = 0
    for slice_ in wanted:
        codes = Amplitude({"A": SET_POINT_UA, "B": SET_POINT_UA}, BOARD.full_scale_ua).codes(slice_.pulses, {})
        data = encoder.encode(slice_, codes)
        read = decode(data, LINES)
        assert isinstance(read, Chunk)
        pulses += read.pulses
        chunks.append((now, data))
        now += slice_.end_us - slice_.start_us
    return Compiled(tuple(chunks), tuple(pulses))


def played(programme: Compiled, ohm: float) -> dict[str, Figures]:
    """What comes out of the electronics when a programme's pulse lists play into a resistor."""
    board = BoardModel(BOARD, Lines(0), ohm)
    board.record_current(0)
    recorded = board.recorded(plays(board, programme.chunks))
    assert recorded is not None
    return {name: measure(points) for name, points in recorded.items()}


def plays(board: BoardModel, chunks: Sequence[tuple[int, bytes]]) -> int:
    """Plays chunks with the output on, and gives the tick at the end."""
    lines = board.lines
    for line in BOARD.outputs:
        lines.set_mode(line.gpio, OUTPUT, 0)
    lines.write(BOARD.mask("OUTPUT_ENABLE", "DAC_CS_N"), 0, 0)
    alive = BOARD["KEEPALIVE"].mask
    now = 1_000
    for at, data in chunks:
        content = intern_content(data)
        now = 1_000 + at
        lines.write(alive, 0, now)
        lines.begin(Block(now, content))
        for tick in range(now + KEEPALIVE_EVERY_US, now + content.total_us, KEEPALIVE_EVERY_US):
            lines.write(0, alive, tick)
        now += content.total_us
        lines.finish()
        lines.write(0, alive, now)
    return now


def milliampere(code: int) -> float:
    return code / 4096 * FULL_MA


@pytest.mark.parametrize("ohm", [200, 500, 2_000])
@pytest.mark.parametrize("name", PROGRAMMES)
def test_charge_and_energy_are_those_of_the_codes(name: str, ohm: int) -> None:
    programme = compiled(name, *ENDS)
    found = played(programme, ohm)
    for channel, figures in found.items():
        pulses = [pulse for pulse in programme.pulses if pulse.channel == channel]
        forward = sum(milliampere(pulse.code) * pulse.width_us for pulse in pulses) / 1e3
        back = sum(milliampere(pulse.code) * pulse.second_us for pulse in pulses) / 1e3
        square = sum(milliampere(pulse.code) ** 2 * (pulse.width_us + pulse.second_us) for pulse in pulses)
        assert figures.forward_uc == pytest.approx(forward, rel=0.01, abs=1e-6)
        assert figures.back_uc == pytest.approx(back, rel=0.01, abs=1e-6)
        assert figures.energy_mj == pytest.approx(square * ohm / 1e9, rel=0.01, abs=1e-6)
        assert figures.rms_ma == pytest.approx(math.sqrt(square / figures.duration_us), rel=0.01, abs=1e-6)
        assert abs(figures.net_uc) <= 1e-5 * figures.forward_uc, "no direct current"
        assert figures.peak_ma == pytest.approx(max((milliampere(p.code) for p in pulses), default=0), rel=0.001)
    assert sum(figures.forward_uc for figures in found.values()) > 1_000, "something was played"


def test_ten_kilohm_are_limited_by_the_compliance() -> None:
    """20 mA would need 200 V: 6 mA flow, and the series capacitor's charge takes a little of the voltage."""
    programme = compiled("marathon")
    found = played(programme, 10_000)["A"]
    asked = sum(milliampere(pulse.code) * pulse.width_us for pulse in programme.pulses) / 1e3
    capped = sum(min(milliampere(pulse.code), 6.0) * pulse.width_us for pulse in programme.pulses) / 1e3
    assert found.forward_uc < asked / 2
    assert found.forward_uc == pytest.approx(capped, rel=0.01)
    assert found.peak_ma == pytest.approx(6.0, rel=0.01)
    assert found.peak_v == pytest.approx(60.0, rel=0.01)


@pytest.mark.parametrize(("ohm", "answers"), [(500.0, True), (None, False)])
def test_the_simulated_persons_muscle_answers_the_pulses_that_reach_her(ohm: float | None, answers: bool) -> None:
    board, ticks = BoardModel(BOARD, Lines(0)), [0]
    board.load("A", ohm, 0)
    person = PersonOps(lambda: board, lambda: ticks[-1], 1)
    person.emg({"from": None})
    ticks.append(plays(board, compiled("stress-50hz", 30).chunks))
    codes = person.emg({"from": 0})["codes"]
    assert max(map(abs, codes)) < 10, "the board takes the inputs away where current flows"
    assert (person.person({})["force_permille"] > 300) == answers
