"""Each fault of the daemon, of other clients and of the system, by what a client, the pins or a process see of it."""

from __future__ import annotations

import re
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pigpio
import pytest

from controller.session import SessionRefused
from hw.clock import VirtualClock
from hw.mock.faults import FAULTS, document
from tests.support.sim import Participant, Sim, SimFailed, disconnect
from tests.support.stack import short_programme, stack

TICK, WVAG, WVCRE, WVTXR, WVBSY, NOIB, NB, HWVER, WDOG = 16, 28, 49, 52, 32, 99, 19, 17, 9
REVISION = 0xA02082
LINE = 24
FOREIGN = 27
ESTOP_A = 13
ON_OFF = struct.pack("<3I", 1 << LINE, 0, 100) + struct.pack("<3I", 0, 1 << LINE, 100)


@pytest.fixture(name="sim")
def _sim() -> Iterator[Sim]:
    with Sim.start("--seed", "3") as sim:
        yield sim


@pytest.fixture(name="clock")
def _clock(sim: Sim) -> Participant:
    return sim.participant("test")


class Wire:
    """A pigpio connection without a library: what is asked and answered, byte by byte."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.sock = socket.create_connection(("127.0.0.1", sim.port))
        self.sock.settimeout(60)

    def request(self, command: int, p1: int = 0, p2: int = 0, ext: bytes = b"") -> None:
        self.sock.sendall(struct.pack("<4I", command, p1, p2, len(ext)) + ext)

    def answer(self) -> tuple[int, int, int, int]:
        data = b""
        while len(data) < 16:
            part = self.sock.recv(16 - len(data))
            assert part, "the daemon closed the connection"
            data += part
        command, p1, p2, result = struct.unpack("<3Ii", data)
        return command, p1, p2, result

    def ask(self, command: int, p1: int = 0, p2: int = 0, ext: bytes = b"") -> int:
        self.request(command, p1, p2, ext)
        return self.answer()[3]

    def silent(self) -> bool:
        """Nothing has come although everything sent before was looked at."""
        self.sim.control("levels")
        return not select.select([self.sock], [], [], 0)[0]

    def closed(self) -> bool:
        return self.sock.recv(1) == b""


@pytest.fixture(name="wire")
def _wire(sim: Sim) -> Iterator[Wire]:
    wire = Wire(sim)
    yield wire
    wire.sock.close()


def set_up(sim: Sim) -> None:
    pi = pigpio.pi("127.0.0.1", sim.port)
    for gpio in (LINE, FOREIGN):
        pi.set_mode(gpio, pigpio.OUTPUT)
    disconnect(pi)


def repeat(sim: Sim, wire: Wire) -> None:
    """A wave of 200 us that repeats."""
    set_up(sim)
    assert wire.ask(WVAG, ext=ON_OFF) == 2
    assert wire.ask(WVCRE) == 0
    wire.ask(WVTXR, 0)


def edges_between(sim: Sim, start: int, stop: int, gpio: int = LINE) -> int:
    return sum(start < time <= stop for time, line, _ in sim.edges(gpios=[gpio]) if line == gpio)


@pytest.mark.parametrize(("name", "plays_on"), [("KILL", True), ("TERM", False)])
def test_a_killed_daemon(sim: Sim, clock: Participant, wire: Wire, name: str, plays_on: bool) -> None:
    repeat(sim, wire)
    killed = clock.sleep(1_050)
    sim.fault("daemon-kill", name)
    assert wire.closed()
    with pytest.raises(ConnectionRefusedError):
        Wire(sim)
    now = clock.sleep(1_000)
    assert edges_between(sim, killed, now) == (10 if plays_on else 0)


def test_a_restarted_daemon(sim: Sim, clock: Participant, wire: Wire) -> None:
    repeat(sim, wire)
    restarted = clock.sleep(1_050)
    sim.fault("daemon-restart")
    assert wire.closed()
    new = Wire(sim)
    assert new.ask(HWVER) == REVISION
    assert new.ask(WVTXR, 0) < 0, "it knows no waves"
    now = clock.sleep(1_000)
    assert edges_between(sim, restarted, now) == 10, "the wave plays on"
    assert new.ask(WVAG, ext=ON_OFF) == 2
    assert new.ask(WVCRE) == 0
    new.sock.close()


def test_a_restarted_daemon_watches_nothing(sim: Sim, clock: Participant, wire: Wire) -> None:
    assert wire.ask(WDOG, LINE, 50) == 0
    sim.fault("daemon-restart")
    new = Wire(sim)
    assert new.ask(NB, new.ask(NOIB), 1 << LINE) == 0
    clock.sleep(200_000)
    assert new.silent()
    new.sock.close()


def test_a_daemon_killed_before_is_there_again(sim: Sim, wire: Wire) -> None:
    sim.fault("daemon-kill", "KILL")
    assert wire.closed()
    sim.fault("daemon-restart")
    new = Wire(sim)
    assert new.ask(HWVER) == REVISION
    new.sock.close()


def test_a_hung_daemon_takes_requests_and_does_them_later(sim: Sim, clock: Participant, wire: Wire) -> None:
    repeat(sim, wire)
    sim.fault("daemon-hang")
    wire.request(HWVER)
    wire.request(TICK)
    late = Wire(sim)
    late.request(HWVER)
    assert wire.silent()
    assert late.silent()
    start = clock.now
    now = clock.sleep(1_000)
    assert edges_between(sim, start, now) == 10, "the DMA does not hang"
    sim.fault("clear", "daemon-hang")
    assert (wire.answer()[3], wire.answer()[3]) == (REVISION, now)
    assert late.answer()[3] == REVISION
    late.sock.close()


def test_a_daemon_that_hangs_for_a_time(sim: Sim, clock: Participant, wire: Wire) -> None:
    sim.fault("daemon-hang", 20)
    wire.request(TICK)
    clock.sleep(19_999)
    assert wire.silent()
    clock.sleep(1)
    assert wire.answer()[3] == 20_000


def test_a_hung_daemon_notifies_nobody(sim: Sim, clock: Participant, wire: Wire) -> None:
    handle = wire.ask(NOIB)
    other = Wire(sim)
    assert other.ask(NB, handle, 1 << ESTOP_A) == 0
    sim.fault("estop-press")
    sim.fault("daemon-hang")
    clock.sleep(10_000)
    assert wire.silent()
    sim.fault("clear")
    clock.sleep(10_000)
    assert not wire.silent()
    other.sock.close()


def test_reports_that_come_late_come_in_one_piece(sim: Sim, clock: Participant, wire: Wire) -> None:
    handle = wire.ask(NOIB)
    other = Wire(sim)
    other.ask(NB, handle, 1 << ESTOP_A)
    sim.fault("daemon-late-reports", 30)
    sim.fault("estop-press")
    clock.sleep(10_000)
    sim.fault("estop-release")
    clock.sleep(20_000)
    assert wire.silent()
    clock.sleep(1_000)
    reports = list(struct.iter_unpack("<HHII", wire.sock.recv(4_096)))
    assert [(tick, level >> ESTOP_A & 1) for _, _, tick, level in reports] == [(0, 1), (10_000, 0)]
    sim.fault("clear", "daemon-late-reports")
    sim.fault("estop-press")
    clock.sleep(1_000)
    assert not wire.silent()
    other.sock.close()


def test_a_slow_daemon_in_real_time() -> None:
    """The answer waits for the tick, so that the ticks that two answers carry tell how long they took."""
    with Sim.start(realtime=True) as sim:
        wire = Wire(sim)
        sim.fault("daemon-slow", 40)
        first = wire.ask(TICK)
        assert wire.ask(TICK) - first >= 40_000
        sim.fault("clear", "daemon-slow")
        assert wire.ask(HWVER) == REVISION
        wire.sock.close()


def test_a_slow_daemon_on_the_virtual_clock(sim: Sim, clock: Participant, wire: Wire) -> None:
    """The clock's time passes, to the microsecond; what is asked is done before, one after another."""
    sim.fault("daemon-slow", 7.5)
    for _ in range(3):
        wire.request(TICK)
    assert [wire.answer()[3] for _ in range(3)] == [0, 7_500, 15_000]
    assert sim.control("levels")["now"] == 22_500
    assert clock.sleep(100) == 22_500, "what it waited for is past"
    sim.fault("clear", "daemon-slow")
    assert wire.ask(TICK) == 22_500
    assert sim.control("levels")["now"] == 22_500


def test_whoever_waits_for_a_slow_daemon_sees_it_by_its_clock(sim: Sim, wire: Wire) -> None:
    """While others who work hold time, as they do; a connection need not be declared for that."""
    clock, other = VirtualClock(sim.control_path, "guard"), sim.participant("app")
    other.wait(None)
    sim.fault("daemon-slow", 30)
    for asked in (0, 30_000):
        assert wire.ask(TICK) == asked
        assert clock.now() == asked + 30_000
    sim.fault("clear", "daemon-slow")
    assert wire.ask(TICK) == clock.now() == 60_000
    assert clock.wait(61_000) == []
    assert clock.now() == 61_000
    clock.close()


@pytest.mark.parametrize(("each_ms", "said"), [(0.2, None), (0.3, "electrode_unread"), (12, "daemon_slow")])
def test_a_session_with_a_slow_daemon_is_the_same_each_time(each_ms: float, said: str | None) -> None:
    """What the guard finds in each check, the clock alone decides: one takes 6 ms, or 9 (the electrode check misses the
    gaps that it looks into, and nothing starts), or too long.
    """

    def play() -> tuple[list[tuple[int, int, int]], int, str | None]:
        with stack() as rig:
            rig.fault("daemon-slow", each_ms)  # before time begins: later it would come in the midst of some call
            link = rig.link()
            found = link.latest["cause"]
            if found is None:
                try:
                    rig.play(short_programme(repeats=1), 5_000, link=link, end_us=1_000_000)
                except SessionRefused as refused:
                    found = refused.code
            return rig.phase_edges(), rig.clock.now(), link.latest["cause"] or found

    first = play()
    assert (len(first[0]) > 100, first[2]) == (said is None, said)
    assert first == play()


def test_a_slow_daemon_keeps_no_script_waiting(sim: Sim, clock: Participant, wire: Wire) -> None:
    sim.fault("daemon-slow", 5)
    assert wire.ask(38, ext=b"w 24 1 mils 1 w 24 0") == 0
    assert wire.ask(40, 0) == 0
    clock.wait(12_000)
    clock.granted()
    assert [edge[0] for edge in sim.edges(gpios=[LINE])][-2:] == [5_000, 6_000]


def test_a_daemon_that_answers_garbage(sim: Sim, wire: Wire) -> None:
    sim.fault("daemon-garbage")
    wire.request(HWVER)
    assert wire.answer() != (HWVER, 0, 0, REVISION)
    sim.fault("clear", "daemon-garbage")
    assert wire.ask(HWVER) == REVISION


def test_a_daemon_that_closes_its_sockets(sim: Sim, wire: Wire) -> None:
    sim.fault("daemon-close")
    assert wire.closed()
    new = Wire(sim)
    assert new.ask(HWVER) == REVISION
    new.sock.close()


# Another client


def test_a_foreign_pulse_gets_into_the_next_wave(sim: Sim, clock: Participant, wire: Wire) -> None:
    set_up(sim)
    sim.fault("client-add", FOREIGN, 50)
    assert wire.ask(WVAG, ext=ON_OFF) == 3, "more than were added: two edges at 0 are one pulse"
    assert wire.ask(WVCRE) == 0
    wire.ask(51, 0)
    clock.sleep(1_000)
    assert edges_between(sim, -1, clock.now, FOREIGN) == 2


def test_foreign_clear_and_delete_take_waves_away(sim: Sim, clock: Participant, wire: Wire) -> None:
    for fault, args in (("client-clear", ()), ("client-delete", (0,))):
        repeat(sim, wire)
        start = clock.sleep(1_050)
        sim.fault(fault, *args)
        assert wire.ask(WVTXR, 0) < 0
        assert edges_between(sim, start, clock.sleep(1_000)) == 10
        wire.ask(27)


@pytest.mark.parametrize(("mode", "edges"), [("once", 2), ("repeat", 10)])
def test_a_foreign_send_plays(sim: Sim, clock: Participant, wire: Wire, mode: str, edges: int) -> None:
    set_up(sim)
    wire.ask(WVAG, ext=ON_OFF)
    assert wire.ask(WVCRE) == 0
    start = clock.sleep(1_000)
    sim.fault("client-send", 0, mode)
    assert edges_between(sim, start - 1, clock.sleep(999)) == edges


def test_a_foreign_mode_takes_a_line_away(sim: Sim) -> None:
    pi = pigpio.pi("127.0.0.1", sim.port)
    pi.write(16, 0)
    sim.fault("client-mode", 16, 0)
    assert (pi.get_mode(16), pi.read(16)) == (pigpio.INPUT, 1), "the resistor at DAC_CS_N"
    disconnect(pi)


@pytest.mark.parametrize(("bus", "select_line", "lines"), [("auxiliary", 0, (16, 17, 18)), ("main", 0, ())])
def test_a_foreign_spi_takes_lines(sim: Sim, bus: str, select_line: int, lines: tuple[int, ...]) -> None:
    pi = pigpio.pi("127.0.0.1", sim.port)
    for gpio in (16, 17, 18):
        pi.write(gpio, 0)
    sim.fault("client-spi", bus, select_line)
    assert [gpio for gpio in (16, 17, 18) if pi.read(gpio)] == list(lines)
    assert pi.get_mode(11 if bus == "main" else 21) != pigpio.INPUT
    disconnect(pi)


@pytest.mark.parametrize("befallen", [("daemon-hang",), ("daemon-kill", "KILL")])
def test_a_daemon_that_does_nothing_does_nothing_for_others(sim: Sim, befallen: tuple[str, ...]) -> None:
    sim.fault(*befallen)
    with pytest.raises(SimFailed, match="The daemon"):
        sim.fault("client-clear")


# Time and disk


def test_the_daemons_tick_jumps(sim: Sim, clock: Participant, wire: Wire) -> None:
    clock.sleep(5_000)
    sim.fault("clock-step", 250)
    assert wire.ask(TICK) == 255_000
    sim.fault("clock-step", -300)
    assert wire.ask(TICK) % (1 << 32) == (5_000 - 50_000) % (1 << 32)
    handle = wire.ask(NOIB)
    other = Wire(sim)
    other.ask(NB, handle, 1 << ESTOP_A)
    sim.fault("estop-press")
    clock.sleep(10_000)
    _, _, tick, level = struct.unpack("<HHII", wire.sock.recv(12))
    assert (tick, level >> ESTOP_A & 1) == ((5_000 - 50_000) % (1 << 32), 1)
    sim.fault("clear", "clock-step")
    assert other.ask(TICK) == 15_000
    other.sock.close()


def test_a_process_is_woken_late(sim: Sim, clock: Participant) -> None:
    sim.fault("late-scheduling", "test", 7.5)
    assert clock.sleep(1_000) == 8_500
    sim.fault("clear", "late-scheduling")
    assert clock.sleep(1_000) == 9_500
    with pytest.raises(SimFailed, match="takes part"):
        sim.fault("late-scheduling", "guard", 1)


@pytest.mark.req("SR-083")
def test_a_full_disk_keeps_the_guards_record_from_being_written() -> None:
    with stack() as rig:
        link = rig.link()
        before = (rig.state / "ledger.json").read_bytes()
        rig.fault("disk-full", "guard")
        with pytest.raises(SessionRefused) as refused:
            rig.play(short_programme(), 5_000, link=link)
        assert refused.value.code == "ledger_not_written"
        assert (rig.state / "ledger.json").read_bytes() == before, "the record before it is whole"
        rig.fault("clear", "disk-full")
        assert rig.play(short_programme(repeats=1), 5_000, link=link).pulses > 0


# The table


def test_every_fault_is_shown_by_a_test() -> None:
    here = Path(__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in here.glob("test_faults_*.py"))
    missing = [name for name in FAULTS if not re.search(rf'"{name}"', text)]
    assert missing == []


def test_the_document_says_what_the_table_says() -> None:
    path = Path(__file__).parents[2] / "docs" / "faults.md"
    assert path.read_text(encoding="utf-8") == document(), "python -m hw.mock.faults > docs/faults.md"
