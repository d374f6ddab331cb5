"""Notifications and callbacks: what is reported of the lines, when, and how it is counted."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import NamedTuple

import pigpio
import pytest

from tests.support.sim import Sim, disconnect

LINE, OTHER = 24, 27


class Report(NamedTuple):
    sequence: int
    flags: int
    tick: int
    level: int


class Listener:
    """A connection with a notification handle, its reports read only when asked for."""

    def __init__(self, sim: Sim) -> None:
        self.sock = socket.create_connection(("127.0.0.1", sim.port))
        self.sock.settimeout(60)
        self.handle = self.request(99)

    def request(self, command: int, p1: int = 0, p2: int = 0) -> int:
        self.sock.sendall(struct.pack("<4I", command, p1, p2, 0))
        return int(struct.unpack("<4i", self.sock.recv(16))[3])

    def close(self) -> None:
        self.sock.close()

    def begin(self, *gpios: int) -> None:
        assert self.request(19, self.handle, sum(1 << gpio for gpio in gpios)) == 0

    def reports(self) -> list[Report]:
        """Everything reported so far: an unknown command is answered after it."""
        self.sock.sendall(struct.pack("<4I", 999, 1, 2, 0))
        data = b""
        while not data.endswith(struct.pack("<3Ii", 999, 1, 2, -88)):
            data += self.sock.recv(65_536)
        return [Report(*fields) for fields in struct.iter_unpack("<HHII", data[:-16])]

    def changes(self, gpio: int = LINE) -> list[tuple[int, int]]:
        return [(report.tick, report.level >> gpio & 1) for report in self.reports() if not report.flags]


@pytest.fixture(name="sim")
def _sim() -> Iterator[Sim]:
    with Sim.start("--bare") as sim:
        yield sim


Listen = Callable[[], Listener]


@pytest.fixture(name="listen")
def _listen(sim: Sim) -> Iterator[Listen]:
    """Opens listeners, and closes them at the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Listener(sim)))


@pytest.fixture(name="pi")
def _pi(sim: Sim) -> Iterator[pigpio.pi]:
    pi = pigpio.pi("127.0.0.1", sim.port)
    for gpio in (LINE, OTHER):
        pi.set_mode(gpio, pigpio.OUTPUT)
        pi.write(gpio, 0)
    yield pi
    disconnect(pi)


def send(pi: pigpio.pi, *pulses: tuple[int, int, int]) -> None:
    pi.wave_add_generic([pigpio.pulse(*pulse) for pulse in pulses])
    pi.wave_send_once(pi.wave_create())


def test_edges_of_a_wave_with_their_ticks(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, listener = sim.participant("a"), listen()
    clock.sleep(100)
    listener.begin(LINE)
    send(pi, (1 << LINE, 0, 250), (1 << OTHER, 1 << LINE, 100), (1 << LINE, 1 << OTHER, 250), (0, 1 << LINE, 50_000))
    clock.sleep(100_000)
    reports = listener.reports()
    assert [(r.tick, r.level >> LINE & 1) for r in reports] == [(100, 1), (350, 0), (450, 1), (700, 0)]
    assert [r.sequence for r in reports] == [0, 1, 2, 3]
    assert [r.level >> OTHER & 1 for r in reports] == [0, 1, 0, 0], "the word holds all lines"


def test_ticks_are_those_of_samples_and_short_pulses_are_not_seen(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, listener = sim.participant("a"), listen()
    clock.sleep(1_001)
    listener.begin(LINE)
    send(pi, (1 << LINE, 0, 1), (0, 1 << LINE, 50), (1 << LINE, 0, 7), (0, 1 << LINE, 50))
    clock.sleep(10_000)
    assert listener.changes() == [(1_055, 1), (1_060, 0)]


def test_only_lines_that_are_listened_to(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, listener, deaf = sim.participant("a"), listen(), listen()
    listener.begin(OTHER)
    deaf.begin()
    send(pi, (1 << LINE, 0, 100), (0, 1 << LINE, 100), (1 << OTHER, 0, 100))
    clock.sleep(10_000)
    assert listener.changes(OTHER) == [(200, 1)]
    assert deaf.reports() == []


def test_each_listener_counts_for_itself(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, one, both = sim.participant("a"), listen(), listen()
    one.begin(LINE)
    both.begin(LINE, OTHER)
    send(pi, (1 << LINE, 0, 100), (1 << OTHER, 0, 100), (0, 1 << LINE, 100))
    clock.sleep(10_000)
    assert [report.sequence for report in one.reports()] == [0, 1]
    assert [report.sequence for report in both.reports()] == [0, 1, 2]


def test_what_changed_before_is_not_reported(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, listener = sim.participant("a"), listen()
    send(pi, (1 << LINE, 0, 1_000), (0, 1 << LINE, 1_000), (1 << LINE, 0, 1_000))
    clock.sleep(500)
    listener.begin(LINE)
    clock.sleep(10_000)
    assert listener.changes() == [(1_000, 0), (2_000, 1)]


def test_writes_modes_and_inputs_are_reported(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, listener = sim.participant("a"), listen()
    listener.begin(LINE, 5)
    clock.sleep(10)
    pi.write(LINE, 1)
    clock.sleep(10)
    pi.set_mode(LINE, pigpio.INPUT)
    clock.sleep(10)
    sim.control("input", gpio=5, level=0)
    clock.sleep(10_000)
    reports = [(r.tick, r.level >> LINE & 1, r.level >> 5 & 1) for r in listener.reports()]
    assert reports == [(10, 1, 1), (20, 0, 1), (30, 0, 0)]


def test_a_stopped_wave_reports_no_more(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, listener = sim.participant("a"), listen()
    listener.begin(LINE)
    send(pi, *[(1 << LINE, 0, 1_000), (0, 1 << LINE, 1_000)] * 5)
    clock.sleep(2_500)
    pi.wave_tx_stop()
    clock.sleep(100_000)
    pi.write(LINE, 0)
    clock.sleep(10_000)
    assert listener.changes() == [(0, 1), (1_000, 0), (2_000, 1), (102_500, 0)]


def test_a_repeating_wave_and_its_join(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, listener = sim.participant("a"), listen()
    listener.begin(LINE, OTHER)
    pi.wave_add_generic([pigpio.pulse(1 << LINE, 0, 400), pigpio.pulse(0, 1 << LINE, 600)])
    first = pi.wave_create()
    pi.wave_add_generic([pigpio.pulse(1 << OTHER, 0, 100), pigpio.pulse(0, 1 << OTHER, 0)])
    second = pi.wave_create()
    pi.wave_send_repeat(first)
    clock.sleep(3_200)
    pi.wave_send_using_mode(second, pigpio.WAVE_MODE_ONE_SHOT_SYNC)
    clock.sleep(10_000)
    reports = [(r.tick, r.level >> LINE & 1, r.level >> OTHER & 1) for r in listener.reports()]
    rounds = [(start + 400 * (1 - high), high, 0) for start in range(0, 4_000, 1_000) for high in (1, 0)]
    assert reports == [*rounds, (4_000, 0, 1), (4_100, 0, 0)]


def test_callbacks_of_the_real_client(sim: Sim, pi: pigpio.pi) -> None:
    clock = sim.participant("a")
    seen: list[tuple[int, int, int]] = []
    complete = threading.Event()

    def edge(gpio: int, level: int, tick: int) -> None:
        seen.append((gpio, level, tick))
        if len(seen) == 100:
            complete.set()

    callback = pi.callback(LINE, pigpio.EITHER_EDGE, edge)
    send(pi, *[(1 << LINE, 0, 250), (0, 1 << LINE, 750)] * 50)
    clock.sleep(100_000)
    assert complete.wait(60)
    callback.cancel()
    assert seen == [(LINE, level, start + 250 * (1 - level)) for start in range(0, 50_000, 1_000) for level in (1, 0)]


def test_the_tick_wraps() -> None:
    with Sim.start("--bare", "--tick", str(2**32 - 100)) as sim:
        other = pigpio.pi("127.0.0.1", sim.port)
        other.set_mode(LINE, pigpio.OUTPUT)
        with closing(Listener(sim)) as listener:
            clock = sim.participant("a")
            listener.begin(LINE)
            send(other, (1 << LINE, 0, 200), (0, 1 << LINE, 200))
            clock.sleep(10_000)
            assert listener.changes() == [(2**32 - 96, 1), (104, 0)]
        disconnect(other)


def test_a_quiet_minute_is_reported_alive(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, listener = sim.participant("a"), listen()
    clock.sleep(60_000_000)
    assert listener.reports() == []
    clock.sleep(130_000_000)
    assert [(r.flags, r.sequence) for r in listener.reports()] == [(64, 0), (64, 1), (64, 2)]


def test_a_glitch_filter_reports_what_lasts(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, listener = sim.participant("a"), listen()
    pi.set_glitch_filter(LINE, 300)
    listener.begin(LINE, OTHER)
    send(
        pi,
        (1 << LINE, 0, 100),
        (0, 1 << LINE, 1_000),
        (1 << LINE, 0, 200),
        (1 << OTHER, 0, 500),
        (0, 1 << LINE | 1 << OTHER, 50),
    )
    clock.sleep(10_000)
    reports = [(r.tick, r.level >> LINE & 1, r.level >> OTHER & 1) for r in listener.reports()]
    assert reports == [(1_300, 0, 1), (1_400, 1, 1), (1_800, 1, 0), (2_100, 0, 0)]
    pi.set_glitch_filter(LINE, 0)
    pi.write(LINE, 1)
    clock.sleep(10_000)
    assert listener.changes() == [(10_000, 1)]
    with pytest.raises(pigpio.error, match="filter"):
        pi.set_glitch_filter(LINE, 300_001)


def test_events_reach_those_who_asked(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    listener = listen()
    assert listener.request(115, listener.handle, 1 << 7) == 0
    pi.event_trigger(7)
    pi.event_trigger(8)
    assert [(r.flags, r.sequence) for r in listener.reports()] == [(128 | 7, 0)]
    with pytest.raises(pigpio.error, match="event"):
        pi.event_trigger(32)


def test_a_handle_brings_the_events_that_its_last_owner_asked_for(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    first = listen()
    assert first.request(115, first.handle, 1 << 7) == 0
    assert first.request(21, first.handle) == 0
    second = listen()
    assert second.handle == first.handle
    pi.event_trigger(7)
    assert [report.flags for report in second.reports()] == [128 | 7]


def test_pause_and_close(sim: Sim, pi: pigpio.pi, listen: Listen) -> None:
    clock, listener = sim.participant("a"), listen()
    listener.begin(LINE)
    assert listener.request(20, listener.handle) == 0
    pi.write(LINE, 1)
    clock.sleep(10_000)
    assert listener.reports() == []
    listener.begin(LINE)
    assert listener.request(21, listener.handle) == 0
    pi.write(LINE, 0)
    clock.sleep(10_000)
    assert listener.reports() == []
    assert listener.request(19, listener.handle, 1 << LINE) == -25
    assert listener.request(21, 99) == -25
