"""The simulated daemon is as dangerous as the real one: what was measured on that and can hurt somebody."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import pigpio
import pytest

from tests.support.bare import Raw
from tests.support.sim import Participant, Sim, disconnect

LINE, OTHER = 24, 27
WVAG, WVDEL, WVNEW, WVCAP = 28, 50, 53, 118
TOO_MANY_OOL = -68
Edge = tuple[int, int, int]


class Bench:
    """A bare Pi with two outputs, a client and a clock."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.clock: Participant = sim.participant("bench")
        self.pi = self.client()
        for gpio in (LINE, OTHER):
            self.pi.set_mode(gpio, pigpio.OUTPUT)
            self.pi.write(gpio, 0)
        self.start = self.clock.sleep(1_000)

    def client(self) -> pigpio.pi:
        pi = pigpio.pi("127.0.0.1", self.sim.port)
        assert pi.connected
        return pi

    def add(self, *pulses: tuple[int, int, int]) -> int:
        return int(self.pi.wave_add_generic([pigpio.pulse(*pulse) for pulse in pulses]))

    def add_many(self, count: int) -> None:
        """Adds single-edge pulses of 1 us, in portions that the protocol takes."""
        for start in range(0, count, 4_000):
            lead = [(0, 0, start)] if start else []
            lines = [(LINE, OTHER)[number % 2] for number in range(min(4_000, count - start))]
            self.add(*lead, *[(1 << line, 0, 1) for line in lines])

    def blink(self, gpio: int = LINE, on_us: int = 100, off_us: int = 100, times: int = 1) -> int:
        """Creates a wave of pulses on one line."""
        self.add(*[(1 << gpio, 0, on_us), (0, 1 << gpio, off_us)] * times)
        return int(self.pi.wave_create())

    def edges(self) -> list[Edge]:
        """Edges since the beginning, from there."""
        found = self.sim.edges(gpios=[LINE, OTHER])
        return [(time - self.start, gpio, level) for time, gpio, level in found if time >= self.start]

    def rises(self, gpio: int = LINE) -> list[int]:
        return [time for time, line, level in self.edges() if line == gpio and level]


@pytest.fixture(name="bench")
def _bench() -> Iterator[Bench]:
    with Sim.start("--bare") as sim:
        bench = Bench(sim)
        yield bench
        disconnect(bench.pi)


def test_a_wave_outlives_its_client(bench: Bench) -> None:
    other = bench.client()
    other.wave_send_repeat(bench.blink())
    disconnect(other)
    bench.clock.sleep(15_000_000)
    assert len(bench.rises()) == 75_001
    assert bench.pi.wave_tx_busy() == 1


def test_stop_freezes_the_lines(bench: Bench) -> None:
    bench.pi.wave_send_repeat(bench.blink())
    bench.clock.sleep(1_050)
    bench.pi.wave_tx_stop()
    bench.clock.sleep(1_000_000)
    assert bench.pi.read(LINE) == 1
    assert bench.edges()[-1] == (1_000, LINE, 1)


def test_a_plain_send_leaves_the_line_as_it_is(bench: Bench) -> None:
    long, other = bench.blink(on_us=10_000), bench.blink(OTHER)
    bench.pi.wave_send_once(long)
    bench.clock.sleep(5_000)
    bench.pi.wave_send_once(other)
    bench.clock.sleep(100_000)
    assert bench.edges() == [(0, LINE, 1), (5_000, OTHER, 1), (5_100, OTHER, 0)]


def test_sync_of_the_playing_id_repeats_for_ever(bench: Bench) -> None:
    wave = bench.blink()
    bench.pi.wave_send_once(wave)
    bench.clock.sleep(50)
    bench.pi.wave_send_using_mode(wave, pigpio.WAVE_MODE_ONE_SHOT_SYNC)
    bench.clock.sleep(6_000_000)
    assert len(bench.rises()) == 30_001
    assert bench.pi.wave_tx_at() == wave


def test_sync_into_the_slot_sent_last_repeats_for_ever(bench: Bench) -> None:
    wave = bench.blink()
    bench.pi.wave_send_once(wave)
    bench.clock.sleep(1_000)
    bench.pi.wave_delete(wave)
    assert bench.blink(OTHER) == wave
    bench.pi.wave_send_using_mode(wave, pigpio.WAVE_MODE_ONE_SHOT_SYNC)
    bench.clock.sleep(1_000_000)
    assert bench.rises(OTHER) == list(range(1_000, 1_001_001, 200))


def test_sync_in_time_joins_without_a_gap(bench: Bench) -> None:
    first, second = bench.blink(off_us=900), bench.blink(OTHER)
    bench.pi.wave_send_once(first)
    bench.clock.sleep(99)
    assert bench.pi.wave_send_using_mode(second, pigpio.WAVE_MODE_ONE_SHOT_SYNC) == 5
    bench.clock.sleep(10_000)
    assert bench.edges() == [(0, LINE, 1), (100, LINE, 0), (1_000, OTHER, 1), (1_100, OTHER, 0)]


def test_sync_in_the_last_pulse_is_lost(bench: Bench) -> None:
    first, second = bench.blink(off_us=900), bench.blink(OTHER)
    bench.pi.wave_send_once(first)
    bench.clock.sleep(100)
    assert bench.pi.wave_send_using_mode(second, pigpio.WAVE_MODE_ONE_SHOT_SYNC) == 5
    bench.clock.sleep(10_000)
    assert bench.edges() == [(0, LINE, 1), (100, LINE, 0)]
    assert bench.pi.wave_tx_at() == 9999


def test_a_pad_saves_a_sync_in_the_last_pulse(bench: Bench) -> None:
    bench.add((1 << LINE, 0, 100), (0, 1 << LINE, 900))
    first = bench.pi.wave_create_and_pad(30)
    bench.add((1 << OTHER, 0, 100), (0, 1 << OTHER, 0))
    second = bench.pi.wave_create_and_pad(30)
    bench.pi.wave_send_once(first)
    bench.clock.sleep(999)
    assert bench.pi.wave_send_using_mode(second, pigpio.WAVE_MODE_ONE_SHOT_SYNC) == 7_150
    bench.clock.sleep(10_000)
    assert bench.edges() == [(0, LINE, 1), (100, LINE, 0), (1_000, OTHER, 1), (1_100, OTHER, 0)]


def test_sync_joins_a_repeating_wave_at_its_end(bench: Bench) -> None:
    first, second = bench.blink(), bench.blink(OTHER)
    bench.pi.wave_send_repeat(first)
    bench.clock.sleep(1_050)
    bench.pi.wave_send_using_mode(second, pigpio.WAVE_MODE_ONE_SHOT_SYNC)
    bench.clock.sleep(10_000)
    assert bench.rises() == [0, 200, 400, 600, 800, 1_000]
    assert bench.edges()[-2:] == [(1_200, OTHER, 1), (1_300, OTHER, 0)]


def test_clear_and_delete_stop_nothing(bench: Bench) -> None:
    wave = bench.blink()
    bench.pi.wave_send_repeat(wave)
    bench.clock.sleep(1_000)
    bench.pi.wave_delete(wave)
    assert bench.pi.wave_tx_at() == 9998
    bench.clock.sleep(1_000)
    bench.pi.wave_clear()
    bench.clock.sleep(998_000)
    assert bench.rises() == list(range(0, 1_000_001, 200))


def test_a_wave_created_over_the_playing_one_comes_out_unsent(bench: Bench) -> None:
    wave = bench.blink()
    bench.pi.wave_send_repeat(wave)
    bench.clock.sleep(1_050)
    bench.pi.wave_delete(wave)
    assert bench.blink(OTHER, on_us=70, off_us=30) == wave
    bench.clock.sleep(10_000)
    assert bench.rises() == [0, 200, 400, 600, 800, 1_000]
    assert bench.edges()[-1] == (1_000, LINE, 1), (
        "its first block was already behind; it goes on in the new one's second"
    )
    bench.pi.write(OTHER, 1)
    bench.pi.wave_clear()
    wave = bench.blink(on_us=1_000, off_us=1_000, times=3)
    bench.pi.wave_send_once(wave)
    bench.clock.sleep(500)
    bench.pi.wave_clear()
    assert bench.blink(OTHER, on_us=250, off_us=250, times=3) == 0
    bench.clock.sleep(10_000)
    sent = 1_050 + 10_000
    assert [edge for edge in bench.edges() if edge[0] > sent] == [
        (sent + 1_000, OTHER, 0),
        (sent + 1_250, OTHER, 1),
        (sent + 1_500, OTHER, 0),
        (sent + 1_750, OTHER, 1),
        (sent + 2_000, OTHER, 0),
    ]


def test_a_shorter_wave_in_a_padded_slot_leaves_the_rest_of_the_old_one(bench: Bench) -> None:
    bench.add(*[(1 << LINE, 0, 1_000), (0, 1 << LINE, 1_000)] * 3)
    wave = bench.pi.wave_create_and_pad(2)
    bench.pi.wave_send_once(wave)
    bench.clock.sleep(500)
    bench.pi.wave_delete(wave)
    bench.add((1 << OTHER, 0, 10))
    assert bench.pi.wave_create_and_pad(2) == wave
    bench.clock.sleep(10_000)
    assert bench.edges() == [(1_000 * number, LINE, 1 - number % 2) for number in range(6)]


def test_a_wave_that_was_written_over_plays_until_its_last_pulse_is_over(bench: Bench) -> None:
    bench.add((1 << LINE, 0, 1_000), (1 << LINE, 1 << LINE, 1_000))
    wave = bench.pi.wave_create()
    bench.pi.wave_send_once(wave)
    bench.clock.sleep(500)
    bench.pi.wave_clear()
    bench.add((1 << LINE, 0, 250), (1 << OTHER, 1 << OTHER, 250))
    assert bench.pi.wave_create() == wave
    bench.clock.sleep(600)
    assert (bench.pi.wave_tx_busy(), bench.pi.wave_tx_at()) == (1, wave)
    bench.clock.sleep(200)
    assert (bench.pi.wave_tx_busy(), bench.pi.wave_tx_at()) == (0, 9999)
    assert bench.edges() == [(0, LINE, 1), (1_000, OTHER, 1), (1_000, OTHER, 0)]


def test_an_invalid_chain_stops_what_plays(bench: Bench) -> None:
    bench.pi.wave_send_repeat(bench.blink())
    bench.clock.sleep(1_050)
    with pytest.raises(pigpio.error):
        bench.pi.wave_chain([77])
    assert bench.pi.wave_tx_busy() == 0
    assert bench.pi.read(LINE) == 1


def test_an_endless_chain_can_be_joined_out_of(bench: Bench) -> None:
    first, second = bench.blink(), bench.blink(OTHER)
    bench.pi.wave_chain([255, 0, first, 255, 2, 44, 1, 255, 3])
    bench.clock.sleep(1_400)
    assert bench.pi.wave_tx_at() == 9998, "in the delay"
    bench.clock.sleep(100)
    assert bench.pi.wave_tx_at() == first
    bench.pi.wave_send_using_mode(second, pigpio.WAVE_MODE_ONE_SHOT_SYNC)
    bench.clock.sleep(10_000)
    assert bench.rises() == [0, 500, 1_000, 1_500]
    assert bench.edges()[-2:] == [(2_000, OTHER, 1), (2_100, OTHER, 0)]


def test_ids_leak_with_changing_sizes(bench: Bench) -> None:
    ids = []
    for times in range(1, 13):
        ids.append(bench.blink(times=times))
        if len(ids) > 1:
            bench.pi.wave_delete(ids[-2])
    assert ids == list(range(12))


def test_padded_waves_keep_to_three_ids(bench: Bench) -> None:
    ids = []
    for times in range(1, 13):
        bench.add(*[(1 << LINE, 0, 100), (0, 1 << LINE, 100)] * times)
        ids.append(bench.pi.wave_create_and_pad(30))
        if len(ids) > 2:
            bench.pi.wave_delete(ids[-3])
    assert ids == [0, 1, 2] * 4


def test_deleting_the_top_frees_all_deleted_below(bench: Bench) -> None:
    waves = [bench.blink(times=times) for times in (1, 2, 3, 4)]
    for wave in waves[1:]:
        bench.pi.wave_delete(wave)
    assert bench.blink(times=9) == 1


def test_the_251st_wave_crashes_the_daemon_and_the_output_goes_on(bench: Bench) -> None:
    waves = [bench.blink() for _ in range(250)]
    assert waves == list(range(250))
    bench.pi.wave_send_repeat(0)
    with pytest.raises((struct.error, OSError, AttributeError)):
        bench.blink()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", bench.sim.port))
    bench.clock.sleep(1_000_000)
    assert len(bench.rises()) == 5_001
    bench.pi._notify.go = False
    bench.pi._notify.join()


def test_5462_pulses_at_once_close_the_connection(bench: Bench) -> None:
    assert bench.add(*[(1 << LINE, 0, 1)] * 5_461) == 5_461
    other = bench.client()
    with pytest.raises((struct.error, OSError)):
        other.wave_add_generic([pigpio.pulse(1 << LINE, 0, 1)] * 5_462)
    assert bench.pi.wave_get_pulses() == 5_461
    disconnect(other)


def test_one_long_delay_wraps_round(bench: Bench) -> None:
    bench.add((1 << LINE, 0, 268_435_455), (0, 1 << LINE, 268_435_456 + 7), (1 << LINE, 0, 1))
    assert bench.pi.wave_get_micros() == 2 * 268_435_455 + 9
    bench.pi.wave_send_once(bench.pi.wave_create())
    bench.clock.sleep(1_000_000_000)
    assert bench.edges() == [(0, LINE, 1), (268_435_455, LINE, 0), (268_435_462, LINE, 1)]


def test_the_pulse_list_is_everybodys(bench: Bench) -> None:
    other = bench.client()
    other.wave_add_generic([pigpio.pulse(1 << OTHER, 0, 30), pigpio.pulse(0, 1 << OTHER, 30)])
    assert bench.add((1 << LINE, 0, 100), (0, 1 << LINE, 100)) == 3
    other.wave_add_new()
    with pytest.raises(pigpio.error, match="empty waveform"):
        bench.pi.wave_create()
    disconnect(other)


def test_the_biggest_wave(bench: Bench) -> None:
    bench.add_many(11_917)
    assert bench.pi.wave_get_pulses() == 11_917
    assert bench.pi.wave_create() == 0
    bench.pi.wave_clear()
    bench.add_many(11_918)
    with pytest.raises(pigpio.error, match="No more CBs"):
        bench.pi.wave_create()


@pytest.mark.parametrize(("entries", "fits"), [(598, True), (599, False)])
def test_the_longest_chain(bench: Bench, entries: int, fits: bool) -> None:
    wave = bench.blink(on_us=1, off_us=1)
    if fits:
        assert bench.pi.wave_chain([wave] * entries) == 0
        bench.clock.sleep(10_000)
        assert len(bench.rises()) == entries
    else:
        with pytest.raises(pigpio.error, match="chain is too long"):
            bench.pi.wave_chain([wave] * entries)


def test_chain_counters_and_levels(bench: Bench) -> None:
    wave = bench.blink(on_us=1, off_us=1)
    loop = [255, 0, wave, 255, 1, 2, 0]
    assert bench.pi.wave_chain(loop * 20) == 0
    bench.clock.sleep(10_000)
    assert len(bench.rises()) == 40
    with pytest.raises(pigpio.error, match="counters"):
        bench.pi.wave_chain(loop * 21)
    nest = [255, 0] * 10 + [wave] + [255, 1, 2, 0] * 10
    assert bench.pi.wave_chain(nest) == 0
    bench.clock.sleep(10_000)
    assert len(bench.rises()) == 40 + 2**10
    with pytest.raises(pigpio.error, match="nested"):
        bench.pi.wave_chain([255, 0, *nest, 255, 1, 2, 0])


def test_a_loop_of_no_rounds_still_runs_its_first_entry(bench: Bench) -> None:
    """The daemon links past the loop from its first block: a delay there still passes, a wave does not play."""
    wave = bench.blink()
    delay = [255, 2, 232, 3]
    bench.pi.wave_chain([wave, 255, 0, *delay, wave, 255, 1, 0, 0, wave])
    bench.clock.sleep(10_000)
    assert bench.rises() == [0, 1_200]


def test_a_chain_loop_of_65535(bench: Bench) -> None:
    wave = bench.blink(on_us=1, off_us=1)
    bench.pi.wave_chain([255, 0, wave, 255, 1, 255, 255])
    bench.clock.sleep(1_000_000)
    assert len(bench.rises()) == 65_535


def test_notification_handles(bench: Bench) -> None:
    """Each client has one; it is gone with its connection, and its number is given to the next."""
    other = bench.client()
    handle = other._notify.handle
    assert bench.pi.notify_begin(handle, 1 << LINE) == 0
    disconnect(other)
    bench.clock.sleep(1_000)
    with pytest.raises(pigpio.error, match="unknown handle"):
        bench.pi.notify_begin(handle, 1 << LINE)
    again = bench.client()
    assert again._notify.handle == handle
    disconnect(again)


def test_there_are_32_handles(bench: Bench) -> None:
    clients = [bench.client() for _ in range(31)]
    assert sorted(client._notify.handle for client in [bench.pi, *clients]) == list(range(32))
    with socket.create_connection(("127.0.0.1", bench.sim.port)) as sock:
        sock.sendall(struct.pack("<4I", 99, 0, 0, 0))
        assert struct.unpack("<4i", sock.recv(16))[3] == -24
    for client in clients:
        disconnect(client)


def test_what_is_not_there_is_refused_by_the_daemons_errors(bench: Bench) -> None:
    """No silence, and no success that is none."""
    with socket.create_connection(("127.0.0.1", bench.sim.port)) as sock:
        sock.settimeout(60)

        def result(command: int, p1: int = 0, p2: int = 0, ext: bytes = b"") -> int:
            sock.sendall(struct.pack("<4I", command, p1, p2, len(ext)) + ext)
            answer = struct.unpack("<4i", sock.recv(16))
            assert answer[:3] == (command, p1, p2)
            return int(answer[3])

        assert {result(command) for command in (48, 119, 800, 842, 5000)} == {-88}
        assert [result(command, 3) for command in (39, 40, 41, 45, 117)] == [-48] * 5
        assert result(40, 3, ext=bytes(44)) == -61
        assert [result(30), result(31)] == [-120, -120]
        assert [result(34, 3), result(35, 3), result(36, 3)] == [-44, -45, -43]
        assert [result(71, 5, 500_000, bytes(4)), result(71, 0, 1, bytes(4))] == [-76, -78]
        assert result(71, 0, 500_000, struct.pack("<I", 1 << 23)) == -77
        assert [result(72, 0), result(75, 0, ext=b"abc"), result(73, 40, 3)] == [-25, -25, -25]
        assert [result(37, 24, 0, bytes(4)), result(37, 24, 200, bytes(4))] == [-46, -46]
        assert [result(118, 101), result(118, 30, 0, bytes(8))] == [-81, -66]
        assert [result(12, 1 << 30), result(14, 1 << 30), result(13, 1), result(15, 1)] == [-42] * 4


def test_trigger_pulses_are_exact(bench: Bench) -> None:
    assert bench.pi.gpio_trigger(LINE, 37, 1) == 0
    assert bench.pi.read(LINE) == 0
    assert bench.pi.get_current_tick() == bench.start + 37, "the answer comes after the pulse"
    assert bench.edges() == [(0, LINE, 1), (37, LINE, 0)]


def test_a_line_in_input_mode_keeps_its_latch(bench: Bench) -> None:
    bench.pi.set_mode(LINE, pigpio.INPUT)
    bench.pi.set_bank_1(1 << LINE)
    assert bench.pi.read(LINE) == 0
    bench.pi.set_mode(LINE, pigpio.OUTPUT)
    assert bench.pi.read(LINE) == 1


def test_pads_for_operands_that_waves_read_are_kept_free(bench: Bench) -> None:
    """WVCAP with three figures: the third takes memory from the other end, and makes slots of another size."""
    request = struct.pack("<6I", 1 << LINE, 0, 10, 0, 1 << LINE, 10)
    with closing(Raw(bench.sim.port)) as raw:

        def create(blocks: int, operands: int, read: int) -> int:
            assert raw.result(WVAG, ext=request) == 2
            created = raw.result(WVCAP, blocks, operands, struct.pack("<I", read))
            raw.result(WVNEW)
            return created

        assert [create(10, 40, 30), create(10, 40, 31), create(10, 40, 30)] == [0, TOO_MANY_OOL, TOO_MANY_OOL]
        assert [create(10, 10, 10), create(10, 10, 0)] == [1, 2]
        assert raw.result(WVDEL, 1) == 0
        assert create(10, 10, 9) == TOO_MANY_OOL
        assert create(10, 10, 10) == 1
        assert [raw.result(WVDEL, wave) for wave in (2, 1)] == [0, 0]
        assert [create(10, 10, 21), create(10, 10, 20)] == [TOO_MANY_OOL, 1], "what the two had is free again"
