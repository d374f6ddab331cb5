"""The readings of one check against the simulated board: what they say, in one burst, and what they refuse."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pigpio
import pytest

from hw import senses
from hw.panel import Panel
from hw.pulses import PulseOutput
from hw.senses import Sample, Scale, Senses, clear_handles, code, question, scaled
from hw.wire import DaemonLost, NotAsApproved, exchange, limit_calls
from tests.support.chunks import pack
from tests.support.rig import BOARD, MASK, PINS, Rig
from tests.support.sim import Sim, disconnect

SCRIPT = b"TAG 1 MILS 5 JMP 1"


@pytest.fixture(name="sim")
def _sim() -> Iterator[Sim]:
    with Sim.start("--load-ohm", "500") as sim:
        yield sim


@pytest.fixture(name="bare")
def _bare(sim: Sim) -> Iterator[Any]:
    """A client and nothing else: no gpiozero, which keeps handles of its own."""
    pi = pigpio.pi("127.0.0.1", sim.port, show_errors=False)
    yield pi
    disconnect(pi)


@pytest.fixture(name="rig")
def _rig(sim: Sim) -> Iterator[Rig]:
    rig = Rig(sim)
    yield rig
    rig.close()


@pytest.fixture(name="script")
def _script(rig: Rig) -> int:
    script = int(rig.pi.store_script(SCRIPT))
    rig.pi.run_script(script)
    return script


def looked(rig: Rig, script: int, reset_peaks: bool = False) -> Sample:
    return Senses(rig.pi, BOARD, script).check(None, None, reset_peaks)


def test_a_quiet_board(rig: Rig, script: int) -> None:
    rig.clock.sleep(5_000_000)
    sample = looked(rig, script)
    assert sample.bank == rig.pi.read_bank_1()
    assert sample.peak_ua == sample.electrode_mv == (0, 0)
    assert sample.rail_mv <= 21
    assert all(abs(ua) <= 9 for ua in sample.average_ua)
    assert abs(sample.reference_mv - BOARD.adc.reference_mv) <= 2
    assert (sample.playing, sample.dead_man_running, sample.tick) == (None, True, rig.clock.now)


def test_a_pulse_is_measured(rig: Rig, script: int) -> None:
    """20 mA on B through 500 ohm, by both ways of reading."""
    rig.enable()
    code = 20_000 * 4096 // BOARD.full_scale_ua
    rig.pulse(0b1111 << 12 | code, "B_POS", "B_NEG")
    sample = looked(rig, script)
    assert sample.peak_ua[0] == 0
    assert abs(sample.peak_ua[1] - 20_000) <= 25
    assert abs(sample.electrode_mv[1] - 10_000) <= 30
    assert abs(sample.rail_mv - 63_000) <= 40
    assert abs(sample.peak_ua[1] / 1000 - rig.milliampere("B")) < 0.03
    assert abs(sample.electrode_mv[1] / 1000 - rig.electrode_volt("B")) < 0.04


def test_the_average_has_a_sign(rig: Rig, script: int) -> None:
    rig.enable()
    for positive, sign in ((True, 1), (False, -1)):
        phase = MASK["A_POS" if positive else "A_NEG"]
        pulses = [pigpio.pulse(phase, 0, 1_000), pigpio.pulse(0, phase, 9_000)]
        for _ in range(100):
            rig.play([*rig.frame(0b0111 << 12 | 1638), *pulses])
            rig.keep_alive()
        ua = looked(rig, script).average_ua
        assert sign * ua[0] > 500
        assert abs(ua[1]) <= 9
        rig.keep_alive(8_000_000)


def test_reading_and_emptying_the_peaks_is_one_burst(rig: Rig, script: int) -> None:
    rig.enable()
    rig.pulse(0b0111 << 12 | 819, "A_POS", "A_NEG")
    ours = Senses(rig.pi, BOARD, script)
    assert ours.check(None, None, reset_peaks=False).peak_ua[0] > 9_000
    assert ours.check(None, None, reset_peaks=True).peak_ua[0] > 9_000, "read before they are emptied"
    after = ours.check(None, None, reset_peaks=False)
    assert (after.peak_ua[0], after.electrode_mv[0]) == (0, 0)
    assert not after.bank & MASK["PEAK_RESET"]


def test_keepalive_and_kick_go_out_first(rig: Rig, script: int) -> None:
    ours = Senses(rig.pi, BOARD, script)
    for level in (1, 0):
        assert bool(ours.check(level, 70 + level, reset_peaks=False).bank & MASK["KEEPALIVE"]) == bool(level)
        assert rig.pi.script_status(script)[1][0] == 70 + level
    ours.check(None, None, reset_peaks=False)
    assert rig.pi.script_status(script)[1][0] == 70, "no kick unless it was asked for"


def test_what_plays(rig: Rig, script: int) -> None:
    ours = Senses(rig.pi, BOARD, script)
    rig.pi.wave_add_generic([pigpio.pulse(0, 0, 5_000)])
    wave = rig.pi.wave_create()
    rig.pi.wave_send_once(wave)
    assert ours.check(None, None, reset_peaks=False).playing == wave
    rig.clock.sleep(6_000)
    assert ours.check(None, None, reset_peaks=False).playing is None


def test_a_mode_that_was_changed_is_seen_within_two_looks(rig: Rig, script: int) -> None:
    found = Senses(rig.pi, BOARD, script)
    assert [found.check(None, None, False).strayed for _ in range(4)] == [()] * 4
    for name, line in BOARD.lines.items():
        if name in senses._INDICATORS:
            continue
        rig.pi.set_mode(line.gpio, pigpio.INPUT if line.output else pigpio.OUTPUT)
        seen = {found.check(None, None, False, modes=modes).strayed for modes in (True, False, True, False)}
        assert seen == {(name,), ()}, "readings between that ask for no modes take nothing away"
        rig.pi.set_mode(line.gpio, pigpio.OUTPUT if line.output else pigpio.INPUT)


@pytest.mark.req("SR-155")
@pytest.mark.parametrize("what", ["add", "clear", "delete the one sent", "delete another"])
def test_what_another_client_does_to_waves_is_seen_in_the_next_look(rig: Rig, script: int, what: str) -> None:
    ours, pulses = Senses(rig.pi, BOARD, script), PulseOutput(rig.pi, BOARD)

    def holds() -> bool:
        return ours.check(None, None, True, pulses.holds()).holds

    pulses.take_over()
    assert holds()
    waves = []
    for entries in (1, 2):
        waves.append(pulses.load(pack([(0, 1 << 24, 10_000)] * entries), entries, entries * 10_000)[0])
        assert holds()
    pulses.send(waves[0], join=False)
    assert holds()
    rig.clock.sleep(12_000)
    assert (holds(), pulses.playing()) == (True, None), "and the question has sent nothing"
    match what:
        case "add":
            rig.pi.wave_add_generic([pigpio.pulse(0, 0, 1)])
        case "clear":
            rig.pi.wave_clear()
        case "delete the one sent":
            rig.pi.wave_delete(waves[0])
        case "delete another":
            rig.pi.wave_delete(waves[1])
    assert not holds()
    pulses.forget()
    assert holds()


def test_a_script_that_ended_or_is_gone_does_not_run(rig: Rig, script: int) -> None:
    ours = Senses(rig.pi, BOARD, script)
    rig.pi.stop_script(script)
    rig.clock.sleep(6_000)
    assert not ours.check(None, 5, reset_peaks=False).dead_man_running
    rig.pi.delete_script(script)
    assert not ours.check(None, 5, reset_peaks=False).dead_man_running


def test_a_handle_that_somebody_closed_is_a_fault(bare: Any) -> None:
    ours = Senses(bare, BOARD, bare.store_script(SCRIPT))
    clear_handles(bare)
    with pytest.raises(NotAsApproved):
        ours.check(None, None, reset_peaks=False)


@pytest.mark.parametrize("line", ["KEEPALIVE", "PEAK_RESET"])
def test_a_line_that_the_daemon_refuses_is_a_fault(line: str) -> None:
    with Sim.start("--mask", hex(0x0FFF_FFFF & ~MASK[line])) as sim:
        pi = pigpio.pi("127.0.0.1", sim.port, show_errors=False)
        ours = Senses(pi, BOARD, pi.store_script(SCRIPT))
        ours.check(None, None, reset_peaks=False)
        with pytest.raises(NotAsApproved):
            ours.check(1, None, reset_peaks=True)
        disconnect(pi)


def test_left_handles_are_cleared(bare: Any) -> None:
    for _ in range(30):
        bare.spi_open(0, 500_000, 0)
    clear_handles(bare)
    assert [bare.spi_open(0, 500_000, 0) for _ in range(32)] == list(range(32))


def test_the_panel_reads_the_same(sim: Sim, bare: Any) -> None:
    """The second way to the converter, by gpiozero, gives the same codes at the same instant."""
    clock = sim.participant("test")
    panel = Panel("127.0.0.1", sim.port, BOARD, 60)
    ours = Senses(bare, BOARD, bare.store_script(SCRIPT))
    for us in range(50):
        bare.write(PINS["OUTPUT_ENABLE"], 1)
        assert ours.check(us & 1, None, reset_peaks=False).raw == tuple(panel.raw(channel) for channel in range(8))
        clock.sleep(us)
    for level in (1, 0):
        panel.buzz(bool(level))
        assert bare.read(PINS["BUZZER"]) == level
    thread = panel._factory.connection._notify
    panel.close()
    thread.join()


def test_the_loops_own_connection_is_replaced(rig: Rig, script: int) -> None:
    ours = Senses(rig.pi, BOARD, script)
    other = pigpio.pi("127.0.0.1", rig.sim.port)
    ours.client = other
    before = ours.check(None, None, reset_peaks=False)
    other.sl.s.shutdown(socket.SHUT_RDWR)
    with pytest.raises(DaemonLost):
        ours.check(None, None, reset_peaks=False)
    ours.client = rig.pi
    assert ours.check(None, None, reset_peaks=False)._replace(raw=before.raw) == before
    disconnect(other)


def test_an_mcp3208_is_asked_as_its_data_sheet_says() -> None:
    """Start bit, single-ended, D2-D0 so that the null bit and B11-B8 end the second byte (figure 6-1)."""
    asked = [int.from_bytes(question(number), "big") for number in range(8)]
    assert asked == [0b0000_0110_0000_0000_0000_0000 | number << 14 for number in range(8)]
    assert code(b"\xff\xea\xbc") == 0xABC


def test_quantities_are_whole_and_rounded() -> None:
    """The figures of docs/hardware.md: full scale = 2.000 V, 1:20, 1:25, 1.650 V and 100 mV per mA."""
    raw = [0] * 8
    raw[0], raw[1] = 2482, 4095
    raw[2], raw[3] = 3724, 1
    raw[4], raw[5], raw[6], raw[7] = 3128, 2172, 1924, 1552
    sample = Scale(BOARD.adc, 50_000).sample(0, tuple(raw), None, False, (), 0)
    assert sample.peak_ua == (49_991, 82_480)
    assert sample.electrode_mv == (60_006, 16)
    assert (sample.rail_mv, sample.reference_mv) == (63_003, 1_250)
    assert sample.average_ua == (999, -999)
    assert Scale(BOARD.adc, 100_000).sample(0, tuple(raw), None, False, (), 0).peak_ua == (99_983, 164_960)
    assert [scaled(n, 0, 1, 2) for n in (-3, -2, -1, 0, 1, 3)] == [-1, -1, 0, 0, 1, 2], "a half goes up"


class Answers:
    """A daemon that answers whatever it is asked with the same bytes, in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        near, far = socket.socketpair()
        self.client = SimpleNamespace(sl=SimpleNamespace(s=near, l=threading.Lock()))
        limit_calls(self.client, 0.05)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        for piece in pieces:
            far.send(piece)
        self.near, self.far = near, far

    def close(self) -> None:
        self.near.close()
        self.far.close()


def answer(command: int, result: int, data: bytes = b"") -> bytes:
    return struct.pack("<3Ii", command, 0, 0, result) + data


@pytest.mark.parametrize(
    "stream",
    [
        answer(75, 3, b"abc"),
        answer(75, 3, b"abc") + answer(10, 7)[:15],
        answer(75, 3, b"ab"),
        answer(10, 7) + answer(75, 3, b"abc"),
        answer(75, 3, b"abc") + answer(10, 7) + answer(10, 7),
        b"",
    ],
    ids=["no second answer", "cut", "data missing", "in another order", "more than asked", "nothing"],
)
def test_answers_that_do_not_fit_are_not_believed(stream: bytes) -> None:
    """Each of these ends in an error within the time-out, never in a reading."""
    daemon = Answers(stream)
    with pytest.raises(OSError, match=r"answered as|bytes more|temporarily"):
        exchange(daemon.client, [(75, 0, 0, b"xyz"), (10, 0, 0, b"")])
    daemon.close()


def test_answers_may_come_in_pieces_and_errors_have_no_data() -> None:
    whole = answer(75, -25) + answer(75, 3, b"abc") + answer(10, 3)
    daemon = Answers(*[whole[at : at + 5] for at in range(0, len(whole), 5)])
    asked = [(75, 0, 0, b"xyz"), (75, 1, 0, b"xyz"), (10, 0, 0, b"")]
    assert exchange(daemon.client, asked) == ([-25, 3, 3], [b"abc"])
    daemon.close()


def test_baud_is_what_the_board_bears() -> None:
    assert senses.SPI_BAUD == 500_000
