"""Notifications of the phase lines and OUTPUT_ENABLE as the guard takes them: on the virtual clock, counted."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing

import pigpio
import pytest

from hw.board import PHASE_LINES
from hw.clock import VirtualClock, WallClock
from hw.notices import Notices
from hw.wire import DaemonLost, NotAsApproved
from tests.support.rig import BOARD, MASK, PINS
from tests.support.sim import Sim, disconnect

HOST = "127.0.0.1"
WATCHED = BOARD.mask(*PHASE_LINES, "OUTPUT_ENABLE")
SAMPLE_US = 5
ROUNDS = 3


class Listening:
    """A clock's participant with notices, and another client that makes the edges."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.pi = pigpio.pi(HOST, sim.port, show_errors=False)
        for line in BOARD.outputs:
            self.pi.write(line.gpio, line.safe or 0)
        self.clock = VirtualClock(sim.control_path, "test")
        self.notices = Notices(HOST, sim.port, WATCHED, 60, self.clock)
        self.clock.watch(self.notices.fd)
        self.found: list[tuple[int, int]] = []

    def sleep(self, us: int) -> None:
        until = self.clock.now() + us
        while self.clock.now() < until:
            if self.notices.fd in self.clock.wait(until):
                self.found += self.notices.read()

    def play(self, pulses: list[pigpio.pulse]) -> int:
        """Plays a wave once and waits for it; gives the tick at which it began."""
        self.pi.wave_clear()
        self.pi.wave_add_generic(pulses)
        began = self.clock.now()
        length = self.pi.wave_get_micros()
        self.pi.wave_send_once(self.pi.wave_create())
        self.sleep(length + 5_000)
        return began

    def close(self) -> None:
        self.notices.close()
        self.clock.close()
        disconnect(self.pi)


@pytest.fixture(name="listening")
def _listening() -> Iterator[Listening]:
    with Sim.start("--tick", str((1 << 32) - 5_000_000)) as sim:
        listening = Listening(sim)
        yield listening
        listening.close()


def pulse(positive: str, negative: str, width_us: int) -> list[pigpio.pulse]:
    a, b = MASK[positive], MASK[negative]
    times = ((a, 0, width_us), (0, a, 100), (b, 0, width_us), (0, b, 20_000 - 2 * width_us - 100))
    return [pigpio.pulse(*one) for one in times]


def test_every_edge_of_a_wave_is_told_with_its_tick(listening: Listening) -> None:
    """Across a wrap of the tick."""
    a_pos, a_neg, b_pos, b_neg = (MASK[name] for name in PHASE_LINES)
    wave = pulse("A_POS", "A_NEG", 250) * 100 + pulse("B_POS", "B_NEG", 400) * 100
    for _ in range(ROUNDS):
        listening.found.clear()
        began = listening.play(wave)
        levels = [level for _, level in listening.found]
        assert levels == [a_pos, 0, a_neg, 0] * 100 + [b_pos, 0, b_neg, 0] * 100
        for index, width in ((0, 250), (100, 400)):
            ticks = [tick for tick, _ in listening.found[4 * index : 4 * index + 4]]
            start = began + 20_000 * index
            times = [start + offset for offset in (0, width, width + 100, 2 * width + 100)]
            assert all(0 <= (tick - time) % (1 << 32) < SAMPLE_US for tick, time in zip(ticks, times, strict=True))
    assert listening.notices._sequence == ROUNDS * 800
    assert listening.clock.now() > 1 << 32


def test_other_lines_are_not_told(listening: Listening) -> None:
    for name in ("KEEPALIVE", "PEAK_RESET", "DAC_CS_N", "LED_READY", "OUTPUT_ENABLE", "KEEPALIVE"):
        listening.pi.write(PINS[name], 1 - listening.pi.read(PINS[name]))
        listening.sleep(5_000)
    assert [level for _, level in listening.found] == [MASK["OUTPUT_ENABLE"]]


def test_the_minutes_sign_of_life_is_no_edge_but_counted(listening: Listening) -> None:
    listening.sleep(200_000_000)
    assert listening.found == []
    assert listening.notices._sequence == 3
    listening.pi.write(PINS["OUTPUT_ENABLE"], 1)
    listening.sleep(5_000)
    assert len(listening.found) == 1


def test_a_watchdog_that_another_client_set_is_no_edge(listening: Listening) -> None:
    listening.pi.set_watchdog(PINS["A_POS"], 10)
    listening.sleep(100_000)
    assert listening.found == []
    assert listening.notices._sequence > 5


def test_nothing_new_is_no_wait(listening: Listening) -> None:
    assert listening.notices.read() == []


def test_virtual_time_waits_until_it_was_read(listening: Listening) -> None:
    listening.pi.write(PINS["OUTPUT_ENABLE"], 1)
    until = listening.clock.now() + 1_000_000
    assert listening.clock.wait(until) == [listening.notices.fd]
    now = listening.clock.now()
    assert listening.clock.wait(until) == [listening.notices.fd], "unread, it is still there"
    assert listening.clock.now() == now
    assert len(listening.notices.read()) == 1
    assert listening.clock.wait(until) == []


def test_a_handle_that_another_client_closed_is_silent(listening: Listening) -> None:
    """The daemon does not tell: it shows as edges that are missing, not here."""
    assert listening.pi.notify_close(1 - listening.pi._notify.handle) == 0
    listening.play(pulse("A_POS", "A_NEG", 250))
    assert listening.found == []


def test_a_dead_daemon_is_lost(listening: Listening) -> None:
    listening.sim.process.kill()
    listening.sim.process.wait()
    with pytest.raises(DaemonLost):
        listening.notices.read()


class Reports:
    """A daemon that answers the two requests and then sends what it is told to."""

    def __init__(self, *answers: int) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._answers = answers
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        self.far, _ = self._listener.accept()
        for result in self._answers:
            command, p1, p2, _ = struct.unpack("<4I", self.far.recv(16, socket.MSG_WAITALL))
            self.far.sendall(struct.pack("<3Ii", command, p1, p2, result))

    def notices(self) -> Notices:
        try:
            return Notices(HOST, self.port, 0b110, 5, WallClock())
        finally:
            self._thread.join()

    def send(self, *reports: tuple[int, int, int, int], cut: int = 0) -> None:
        data = b"".join(struct.pack("<HHII", *report) for report in reports)
        self.far.sendall(data[: len(data) - cut])

    def close(self) -> None:
        self.far.close()
        self._listener.close()


def test_a_missing_report_is_a_fault_and_told_once() -> None:
    with closing(Reports(0, 0)) as daemon, closing(daemon.notices()) as notices:
        daemon.send((0, 0, 10, 0b11), (1, 0, 20, 0b100))
        assert notices.read() == [(10, 0b10), (20, 0b100)]
        daemon.send((2, 0, 30, 0), (4, 0, 50, 0))
        with pytest.raises(NotAsApproved) as caught:
            notices.read()
        assert caught.value.code == "edges_differ"
        daemon.send((5, 0, 60, 0b10))
        assert notices.read() == [(60, 0b10)]


def test_sequence_numbers_wrap() -> None:
    with closing(Reports(0, 0)) as daemon, closing(daemon.notices()) as notices:
        taken = 0
        for first in range(0, (1 << 16) + 6, 2):
            daemon.send(*[(number & 0xFFFF, 0, number, number) for number in (first, first + 1)])
            taken += len(notices.read())
        assert taken == (1 << 16) + 6


def test_a_gap_among_signs_of_life_counts() -> None:
    with closing(Reports(0, 0)) as daemon, closing(daemon.notices()) as notices:
        daemon.send((0, 64, 10, 0), (2, 64, 20, 0))
        with pytest.raises(NotAsApproved):
            notices.read()


def test_a_report_may_come_in_two_pieces() -> None:
    with closing(Reports(0, 0)) as daemon, closing(daemon.notices()) as notices:
        daemon.send((0, 0, 10, 0b10), (1, 0, 20, 0), cut=5)
        assert notices.read() == [(10, 0b10)]
        daemon.far.sendall(struct.pack("<HHII", 1, 0, 20, 0)[-5:])
        assert notices.read() == [(20, 0)]


@pytest.mark.parametrize("answers", [(-24, 0), (0, -25)])
def test_no_notifications_no_notices(answers: tuple[int, int]) -> None:
    daemon = Reports(*answers[: 1 if answers[0] else 2])
    with closing(daemon), pytest.raises(NotAsApproved):
        daemon.notices()
