"""The dead-man script on the simulated daemon: when it ends output, when it does not, and what it leaves alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pigpio
import pytest

from hw.board import PHASE_LINES
from hw.deadman import KICK_TIMEOUT_US, DeadMan, clear_scripts
from hw.pulses import PulseOutput, StopLines
from hw.senses import Senses
from hw.wire import DaemonLost, NotAsApproved, connect, open_handle
from tests.support.rig import BOARD, MASK, PINS, Rig
from tests.support.sim import Sim, disconnect

LOOK_US = 5_000
HOST = "127.0.0.1"
PHASES = [PINS[name] for name in PHASE_LINES]
HALF_US = 100


class Watched:
    """A rig with a dead-man that runs, the switch closed, and an endless wave that another client sent."""

    def __init__(self, sim: Sim, *, plays: bool = True) -> None:
        self.rig = Rig(sim)
        self.pi = self.rig.pi
        self.man = DeadMan(self.pi, BOARD, HOST, sim.port, 60)
        self.senses = Senses(self.pi, BOARD, self.man.script_id)
        self.man.start()
        self.kicked = self.rig.clock.now
        self.pi.write(PINS["OUTPUT_ENABLE"], 1)
        if plays:
            self.inject()

    def inject(self) -> None:
        self.pi.wave_add_generic([pigpio.pulse(MASK["A_POS"], 0, HALF_US), pigpio.pulse(0, MASK["A_POS"], HALF_US)])
        self.pi.wave_send_repeat(self.pi.wave_create())

    def kick(self, us: int, every: int = 20_000) -> None:
        """Checks with a kick for so long, the last one at its end."""
        for _ in range(us // every):
            self.rig.clock.sleep(every)
            self.senses.check(None, self.man.next_kick(), reset_peaks=False)
        self.kicked = self.rig.clock.now

    @property
    def runs(self) -> bool:
        return self.senses.check(None, None, reset_peaks=False).dead_man_running

    def last_edge(self, *gpios: int) -> int:
        return self.rig.sim.edges(gpios=list(gpios or PHASES))[-1][0]

    def levels(self) -> int:
        return int(self.pi.read_bank_1())

    def close(self) -> None:
        self.man._life.close()
        self.rig.close()


@pytest.fixture(name="sim")
def _sim() -> Iterator[Sim]:
    with Sim.start() as sim:
        yield sim


@pytest.fixture(name="watched")
def _watched(sim: Sim) -> Iterator[Watched]:
    watched = Watched(sim)
    yield watched
    watched.close()


@pytest.mark.req("SR-121")
@pytest.mark.parametrize("after", [20_000, 22_503, 24_999])
def test_without_kicks_an_endless_wave_ends(watched: Watched, after: int) -> None:
    """From the last kick, wherever it falls between two looks."""
    watched.kick(500_000)
    watched.kick(after, every=after)
    watched.rig.clock.sleep(1_000_000)
    waited = watched.last_edge() - watched.kicked
    assert KICK_TIMEOUT_US - LOOK_US <= waited <= KICK_TIMEOUT_US + LOOK_US
    assert watched.last_edge(PINS["OUTPUT_ENABLE"]) == pytest.approx(watched.last_edge(), abs=HALF_US)
    assert not watched.levels() & BOARD.mask(*PHASE_LINES, "OUTPUT_ENABLE")
    assert (watched.runs, watched.man.fired_for()) == (False, "not_kicked")
    assert not watched.pi.wave_tx_busy()


def test_the_first_kick_is_due_as_soon(watched: Watched) -> None:
    watched.rig.clock.sleep(1_000_000)
    assert KICK_TIMEOUT_US - LOOK_US <= watched.last_edge() - watched.kicked <= KICK_TIMEOUT_US + LOOK_US


def test_kicks_keep_it_quiet(watched: Watched) -> None:
    watched.kick(2_000_000)
    assert (watched.runs, watched.man.fired_for()) == (True, None)
    assert watched.pi.wave_tx_busy()
    assert watched.levels() & MASK["OUTPUT_ENABLE"]


def test_the_same_count_again_is_no_kick(watched: Watched) -> None:
    count = watched.man.next_kick()
    for _ in range(10):
        watched.rig.clock.sleep(20_000)
        watched.senses.check(None, count, reset_peaks=False)
    assert watched.man.fired_for() == "not_kicked"


@pytest.mark.req("SR-120")
def test_the_end_of_its_connection_fires_at_once(watched: Watched) -> None:
    watched.kick(501_003, every=501_003 // 30)
    closed = watched.rig.clock.now
    watched.man.cut()
    watched.rig.clock.sleep(1_000_000)
    assert 0 <= watched.last_edge() - closed <= LOOK_US + 1_000
    assert not watched.levels() & BOARD.mask(*PHASE_LINES, "OUTPUT_ENABLE")
    assert (watched.runs, watched.man.fired_for()) == (False, "connection_closed")


KILLED = """
import sys
from hw.board import load_board
from hw.deadman import DeadMan
from hw.wire import connect
man = DeadMan(connect("127.0.0.1", int(sys.argv[1]), 60), load_board(), "127.0.0.1", int(sys.argv[1]), 60)
man.start()
print(man.script_id, flush=True)
sys.stdin.read()
"""


@pytest.mark.req("SR-120", "SR-121")
@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_frozen_process(sim: Sim, signal_: signal.Signals) -> None:
    watched = Watched(sim)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(sim.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert int(process.stdout.readline()) != watched.man.script_id
    watched.kick(80_000)
    began = watched.rig.clock.now
    process.send_signal(signal_)
    if signal_ is signal.SIGKILL:
        process.wait()
    watched.kick(500_000)
    waited = watched.last_edge() - began
    assert waited <= (LOOK_US + 1_000 if signal_ is signal.SIGKILL else KICK_TIMEOUT_US + LOOK_US - 80_000)
    assert watched.runs, "that of this process had its kicks"
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    watched.close()


def test_it_fires_twice_for_what_was_under_way(watched: Watched) -> None:
    watched.rig.clock.sleep(20_000)
    watched.man.cut()
    for _ in range(60):
        watched.rig.clock.sleep(100)
        if not watched.pi.wave_tx_busy():
            break
    watched.pi.write(PINS["OUTPUT_ENABLE"], 1)
    watched.inject()
    assert watched.runs
    watched.rig.clock.sleep(5_200)
    assert not watched.pi.wave_tx_busy()
    assert not watched.levels() & BOARD.mask(*PHASE_LINES, "OUTPUT_ENABLE")
    assert not watched.runs


def test_it_leaves_every_other_line_alone(sim: Sim) -> None:
    watched = Watched(sim)
    others = [line for line in BOARD.outputs if line.name not in (*PHASE_LINES, "OUTPUT_ENABLE")]
    for line in others:
        watched.pi.write(line.gpio, 1)
    watched.rig.clock.sleep(1_000_000)
    assert watched.man.fired_for() == "not_kicked"
    mask = BOARD.mask(*(line.name for line in others))
    assert MASK["DAC_CS_N"] & mask
    assert watched.levels() & mask == mask
    watched.close()


def test_a_normal_stop_does_not_fire_it(watched: Watched) -> None:
    """The stop thread's three bursts, the loop's connection broken, and a new one that takes over and goes on."""
    lines = StopLines(connect(HOST, watched.rig.sim.port, 60), BOARD)
    broken = connect(HOST, watched.rig.sim.port, 60)
    watched.senses.client = watched.man.client = broken
    watched.kick(200_000)
    PulseOutput(broken, BOARD).shut()
    for wait in (0, 5_000, 15_000):
        watched.rig.clock.sleep(wait)
        assert lines.stop()
    watched.rig.clock.sleep(20_000)
    client = connect(HOST, watched.rig.sim.port, 60)
    PulseOutput(client, BOARD).take_over()
    watched.senses.client = watched.man.client = client
    watched.kick(1_000_000)
    assert (watched.runs, watched.man.fired_for()) == (True, None)
    thread = broken._notify
    broken.stop()
    thread.join()
    for one in (lines._pi, client):
        disconnect(one)


def test_it_is_stopped_and_started_again(watched: Watched) -> None:
    watched.kick(200_000)
    watched.man.stop()
    watched.rig.clock.sleep(1_000_000)
    assert (watched.runs, watched.man.fired_for()) == (False, None)
    assert watched.pi.wave_tx_busy(), "stopping it is no firing"
    watched.man.start()
    watched.kick(200_000)
    assert watched.runs
    watched.rig.clock.sleep(200_000)
    assert watched.man.fired_for() == "not_kicked"
    watched.man.start()
    assert (watched.runs, watched.man.fired_for()) == (True, None)
    watched.man.stop()
    watched.man.start()
    watched.kick(200_000)
    assert watched.runs, "started before the stop was carried out"


@pytest.mark.parametrize("before", [1_000, 60_000, 119_000])
def test_the_ticks_wrap(before: int) -> None:
    with Sim.start("--tick", str((1 << 32) - before)) as sim:
        watched = Watched(sim)
        watched.kick(500_000)
        assert (watched.runs, watched.man.fired_for()) == (True, None)
        watched.rig.clock.sleep(1_000_000)
        assert KICK_TIMEOUT_US - LOOK_US <= watched.last_edge() - watched.kicked <= KICK_TIMEOUT_US + LOOK_US
        watched.close()


@pytest.mark.parametrize("before", [1_000, 60_000, 119_000])
@pytest.mark.parametrize("wrap", [1 << 31, 1 << 32])
def test_it_fires_across_a_wrap(before: int, wrap: int) -> None:
    with Sim.start("--tick", str(wrap - before)) as sim:
        watched = Watched(sim)
        watched.rig.clock.sleep(1_000_000)
        assert KICK_TIMEOUT_US - LOOK_US <= watched.last_edge() - watched.kicked <= KICK_TIMEOUT_US + LOOK_US
        watched.close()


def test_counts_wrap(watched: Watched) -> None:
    watched.man._kicks = (1 << 31) - 3
    watched.kick(200_000)
    watched.man._kicks = (1 << 32) - 3
    watched.kick(200_000)
    assert (watched.runs, watched.man._kicks) == (True, 7)


def test_what_the_daemon_says_each_minute_is_taken_away(sim: Sim) -> None:
    """The handle hears once a minute that the daemon lives."""
    watched = Watched(sim, plays=False)
    watched.kick(130_000_000, every=100_000)
    assert watched.man._kicks < 2 * 1024
    while watched.man._kicks % 1024:
        watched.man.next_kick()
    with pytest.raises(BlockingIOError):
        watched.man._life.recv(1)
    watched.close()


def test_a_daemon_that_closed_its_connection_is_lost(watched: Watched) -> None:
    watched.man._life.shutdown(2)
    watched.man._kicks = 1023
    with pytest.raises(DaemonLost):
        watched.man.next_kick()


def test_a_script_that_another_deleted_is_noticed(watched: Watched) -> None:
    watched.man.stop()
    watched.rig.clock.sleep(6_000)
    watched.pi.delete_script(watched.man.script_id)
    assert not watched.runs
    for call in (watched.man.start, watched.man.fired_for):
        with pytest.raises(NotAsApproved):
            call()


def test_no_handle_left(sim: Sim) -> None:
    pi = pigpio.pi(HOST, sim.port, show_errors=False)
    taken = [open_handle(HOST, sim.port, 60)[0] for _ in range(31)]
    with pytest.raises(NotAsApproved, match="handle"):
        DeadMan(pi, BOARD, HOST, sim.port, 60)
    disconnect(pi)
    for one in taken:
        one.close()


def test_left_scripts_are_deleted(sim: Sim) -> None:
    """Also those that run. Numbers without a script are passed over."""
    watched = Watched(sim)
    for _ in range(20):
        watched.pi.run_script(watched.pi.store_script(b"TAG 1 MILS 5 JMP 1"))
    clear_scripts(watched.pi)
    assert watched.pi.wave_tx_busy()
    assert [watched.pi.store_script(b"HALT") for _ in range(32)] == list(range(32))
    watched.close()


def test_close_takes_the_script_away(watched: Watched) -> None:
    watched.man.stop()
    watched.rig.clock.sleep(6_000)
    watched.man.close()
    assert watched.pi.wave_tx_busy(), "ended without firing"
    assert watched.pi.store_script(b"HALT") == watched.man.script_id
