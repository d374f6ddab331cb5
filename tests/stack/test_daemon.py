"""What the daemon is left with, and what it is not trusted with: ids, slots, and other clients between our calls."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pigpio
import pytest

import hw.pulses
from controller.programme import parse_programme
from controller.timeline import Timeline
from controller.waveform import Amplitude, Encoder
from hw.board import load_board
from hw.pulses import PulseOutput
from hw.wire import NotAsApproved, connect
from tests.support.sim import Sim, disconnect
from tests.support.stack import short_programme, stack

BOARD = load_board()


@pytest.mark.long
@pytest.mark.req("SR-072")
def test_ten_minutes_of_changing_chunks_leave_three_ids() -> None:
    text = short_programme(
        channel='"AB"', frequency_hz="37.7", ramp_up_ms=3000, ramp_down_ms=3000, hold_ms=2000, rest_ms=16000, repeats=25
    )
    assert Timeline(parse_programme(text, "test")).duration_us >= 600_000_000
    with stack() as rig, rig.client() as other:
        outcome = rig.play(text, 10_000)
        assert (outcome.cause, outcome.underruns) == (None, 0)
        assert other.wave_add_generic([pigpio.pulse(0, 0, 10)]) == 1
        assert other.wave_create() == 3, "ids 0, 1 and 2 are taken, and no more"


def chunks(set_point_ua: int) -> list[tuple[bytes, int]]:
    timeline = Timeline(parse_programme(short_programme(repeats=1), "test"))
    encoder = Encoder(BOARD)
    made = []
    for slice_ in timeline.slices():
        codes = Amplitude({"A": set_point_ua}, BOARD.full_scale_ua).codes(slice_.pulses, {})
        made.append((encoder.encode(slice_, codes), slice_.end_us - slice_.start_us))
    return made


@contextmanager
def output() -> Iterator[tuple[PulseOutput, Sim, Any]]:
    """A pulse output on a simulated board, the board, and another client of its daemon."""
    with Sim.start() as sim:
        client, other = connect("127.0.0.1", sim.port, 1.0), pigpio.pi("127.0.0.1", sim.port)
        try:
            pulses = PulseOutput(client, BOARD)
            pulses.take_over()
            yield pulses, sim, other
        finally:
            disconnect(client)
            disconnect(other)


FOREIGN = {
    "its pulses end later": [pigpio.pulse(1 << 5, 0, 200_000)],
    "at times of its own": [pigpio.pulse(1 << 5, 0, 777), pigpio.pulse(0, 1 << 5, 7)],
    "two of them": [pigpio.pulse(1 << 5, 0, 50), pigpio.pulse(0, 1 << 5, 50), pigpio.pulse(1 << 5, 0, 1)],
}


@pytest.mark.req("SR-073")
@pytest.mark.parametrize("name", FOREIGN)
def test_pulses_added_before_ours_are_noticed(name: str) -> None:
    with output() as (pulses, _, other):
        (first, length), (second, _) = chunks(5000)[:2]
        pulses.load(first, len(first) // 12, length)
        other.wave_add_generic(FOREIGN[name])
        with pytest.raises(NotAsApproved):
            pulses.load(second, len(second) // 12, length)


@pytest.mark.req("SR-073")
def test_a_pulse_that_merges_without_changing_a_count_is_noticed_before_the_add() -> None:
    with output() as (pulses, _, other):
        other.wave_add_generic([pigpio.pulse(1 << 24, 0, 1)])
        data, length = chunks(5000)[0]
        with pytest.raises(NotAsApproved):
            pulses.load(data, len(data) // 12, length)


@pytest.mark.req("SR-074")
def test_a_list_with_the_counts_of_our_last_one_is_not_merged_with_ours() -> None:
    """In a hold all chunks are equal: a copy of the last one with other lines changes no count, before or after."""
    with output() as (pulses, sim, other):
        clock = sim.participant("test")
        data, length = chunks(5000)[5]
        pulses.load(data, len(data) // 12, length)
        words = struct.unpack(f"<{len(data) // 4}I", data)
        foreign = [pigpio.pulse(1 << 22, 0, delay) for delay in words[2::3]]
        assert other.wave_add_generic(foreign) == len(data) // 12
        with contextlib.suppress(NotAsApproved):
            wave, _ = pulses.load(data, len(data) // 12, length)
            pulses.send(wave, join=False)
        clock.sleep(2 * length)
        assert sim.edges(gpios=[24]), "our chunk has pulses on A"
        assert sim.edges(gpios=[22]) == [], "B_POS came from the other list"


@pytest.mark.req("SR-073")
@pytest.mark.parametrize("name", ["its pulses end later", "at times of its own"])
def test_pulses_added_between_our_add_and_our_making_are_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The burst is torn apart here, as a real daemon's threads might, and another client adds in the middle."""
    with output() as (pulses, _, other):
        whole = hw.pulses.burst

        def torn(client: Any, commands: list[Any]) -> list[int]:
            found = whole(client, commands[:-4])
            other.wave_add_generic(FOREIGN[name])
            return found + whole(client, commands[-4:])

        monkeypatch.setattr(hw.pulses, "burst", torn)
        data, length = chunks(5000)[0]
        with pytest.raises(NotAsApproved):
            pulses.load(data, len(data) // 12, length)
        assert pulses.playing() is None


@pytest.mark.req("SR-072")
def test_a_wave_made_by_another_client_takes_no_slot_of_ours() -> None:
    with output() as (pulses, _, other):
        for _ in range(3):
            other.wave_add_generic([pigpio.pulse(0, 0, 10)])
            other.wave_create()
        data, length = chunks(5000)[0]
        with pytest.raises(NotAsApproved):
            pulses.load(data, len(data) // 12, length)


@pytest.mark.req("SR-071")
def test_the_wave_sent_last_is_never_sent_again() -> None:
    with output() as (pulses, _, _other):
        data, length = chunks(5000)[0]
        wave, _ = pulses.load(data, len(data) // 12, length)
        pulses.send(wave, join=False)
        with pytest.raises(NotAsApproved, match="repeat for ever"):
            pulses.send(wave, join=True)


@pytest.mark.req("SR-074")
def test_no_wave_is_made_in_a_slot_that_is_held() -> None:
    """Another client deletes one that may be about to play: the next is made in its place, and would come out there."""
    with output() as (pulses, _, other):
        data, length = chunks(5000)[0]
        waves = [pulses.load(data, len(data) // 12, length)[0] for _ in range(4)]
        assert waves == [0, 1, 2, 0]
        other.wave_delete(0)
        with pytest.raises(NotAsApproved, match="a free id"):
            pulses.load(data, len(data) // 12, length)


@pytest.mark.req("SR-070")
def test_taking_over_makes_a_board_that_was_left_running_safe() -> None:
    with output() as (pulses, _, other):
        other.write(25, 1)
        other.wave_clear()
        other.wave_add_generic([pigpio.pulse(1 << 24, 0, 500), pigpio.pulse(0, 1 << 24, 500)])
        other.wave_send_repeat(other.wave_create())
        assert other.wave_tx_busy()
        pulses.take_over()
        assert not other.wave_tx_busy()
        assert pulses.safe()
        seven = BOARD.mask("A_POS", "A_NEG", "B_POS", "B_NEG", "DAC_SDI", "DAC_SCK", "DAC_CS_N")
        assert pulses.bank() & seven == BOARD.mask("DAC_CS_N")
