"""The four ends of output, each with the other three defeated in the simulation, in the midst of a contraction.

How each is defeated: *finite chunks* by a wave of another client that repeats; the *dead-man script* by its deletion;
*KEEPALIVE* by a one-shot that does not drop out; *the board by itself* by a comparator and a phase-length one-shot that
do not work (and nobody presses the button, or its contact is welded). The guard is frozen first, so that it sees none
of that and does nothing itself. ``test_with_all_four_defeated_it_goes_on`` shows that they are defeated indeed.
"""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pigpio
import pytest

from hw.board import load_board
from hw.mock import current
from safety.electrode import check_code, wave
from safety.instruments import figures
from safety.steps import first_entry, frames, pulse_list
from tests.matrix.bench import INTENSITY_UA, At, Course, Timed
from tests.support.stack import PHASE_GPIOS, Stack, stack

BOARD = load_board()
FIGURES = figures(BOARD)
RAIL_GONE_V = 5
DRIVEN_UA = INTENSITY_UA // 2
"""Less is what the series capacitor gives back of a phase that was cut, through a bridge that still switches."""
HARDWARE = ("trip-defeated",), ("one-shot-defeated",)


class Frozen:
    """A session that is held at 2 mA, and a guard that was frozen at ``tick``."""

    def __init__(self, rig: Stack, other: Any, tick: int) -> None:
        self.rig, self.other, self.tick = rig, other, tick

    def kill_guard(self) -> None:
        self.rig.sim.processes[1].kill()
        self.rig.sim.processes[1].wait()
        self.tick = self.rig.clock.now()

    # --- the ways of defeating an end -----------------------------------------------------------------------------

    def repeat(self, data: bytes) -> None:
        """Another client sends a wave that repeats: no end by finite chunks."""
        self.other.wave_clear()
        self.other.wave_add_generic([pigpio.pulse(*entry) for entry in struct.iter_unpack("<3I", data)])
        self.other.wave_send_repeat(self.other.wave_create())

    def delete_script(self) -> None:
        """No end by the dead-man."""
        assert self.other.delete_script(0) == 0  # the guard has stored one

    def defeat_drop_out(self) -> None:
        """No end by KEEPALIVE."""
        self.rig.fault("drop-out-defeated")

    def defeat_trips(self) -> None:
        """No end by the current trip or the one-shot."""
        for (name,) in HARDWARE:
            self.rig.fault(name)

    # --- what became of it ----------------------------------------------------------------------------------------

    def wait(self, us: int) -> None:
        self.rig.clock.wait(self.tick + us)
        assert self.rig.clock.now() == self.tick + us

    def last_us(self) -> int:
        """The last current since the guard was frozen or killed, in us after that."""
        path = self.rig.folder / f"current{current.DOUBLES}"
        zero = self.rig.sim.control.ask("current", path=str(path), since=self.tick)["zero"]
        points = [at for one in current.read(path).values() for at, ma, _ in one if abs(ma) * 1000 >= DRIVEN_UA]
        return int(max(points, default=-1)) + zero - self.tick

    def rail_volt(self) -> float:
        return float(self.rig.sim.control.ask("rail")["volt"])


@contextmanager
def frozen() -> Iterator[Frozen]:
    """A contraction is held, and the guard is frozen (SIGSTOP)."""
    course = Course()
    with stack() as rig, rig.client() as other:
        session = rig.session(course.text(), INTENSITY_UA, kind=Timed)
        assert isinstance(session, Timed)
        session.asked = []
        rig.sim.control.ask("current", record=True)
        assert session.load()
        assert session.check_electrodes()
        assert session.start(None)
        while session.at_us(rig.clock.now()) < course.break_us(At.HOLD):
            assert not session.step(rig.clock.now() + 5_000)
        guard = rig.sim.processes[1]
        try:
            os.kill(guard.pid, signal.SIGSTOP)
            for name in ("guard", "guard.stop"):
                rig.sim.control.ask("frozen", name=name, value=True)
            rig.links.pop().close()
            yield Frozen(rig, other, rig.clock.now())
        finally:
            guard.kill()
            guard.wait()


def strong() -> bytes:
    """Four pulses of 2 mA; repeated, they have no end."""
    return wave(FIGURES, "A")


def held_phase() -> bytes:
    """2 mA that never changes its direction."""
    code = check_code(BOARD.full_scale_ua)
    lines = FIGURES.seven
    return pulse_list([first_entry(lines), *frames(lines, 1, code, 0), (100, lines.a_pos, 0)], 10_000)


def test_with_all_four_defeated_it_goes_on() -> None:
    """So what ends it below is the one end that was left."""
    with frozen() as it:
        it.defeat_trips()
        it.defeat_drop_out()
        it.delete_script()
        it.repeat(strong())
        it.wait(1_000_000)
        assert it.last_us() > 980_000
        assert it.rail_volt() > 60


@pytest.mark.req("SR-126")
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "frozen"])
def test_finite_chunks_alone(killed: bool) -> None:
    with frozen() as it:
        it.defeat_trips()
        it.defeat_drop_out()
        it.delete_script()
        if killed:
            it.kill_guard()
        it.wait(1_000_000)
        assert 0 < it.last_us() <= 200_000
        assert it.rail_volt() > 60
        assert not it.rig.levels() & sum(1 << gpio for gpio in PHASE_GPIOS)


@pytest.mark.req("SR-126")
@pytest.mark.parametrize(("killed", "within_us"), [(True, 20_000), (False, 150_000)], ids=["killed", "frozen"])
def test_the_dead_man_script_alone(killed: bool, within_us: int) -> None:
    with frozen() as it:
        it.defeat_trips()
        it.defeat_drop_out()
        it.repeat(strong())
        if killed:
            it.kill_guard()
        it.wait(1_000_000)
        assert it.last_us() <= within_us
        assert not it.rig.levels() & sum(1 << gpio for gpio in (*PHASE_GPIOS, BOARD["OUTPUT_ENABLE"].gpio))


@pytest.mark.req("SR-122", "SR-126")
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "frozen"])
def test_keepalive_alone(killed: bool) -> None:
    with frozen() as it:
        it.defeat_trips()
        it.delete_script()
        it.repeat(strong())
        if killed:
            it.kill_guard()
        it.wait(130_000)
        assert it.rail_volt() < RAIL_GONE_V
        it.wait(1_000_000)
        assert it.last_us() <= 130_000
        assert it.rig.levels() >> BOARD["OUTPUT_ENABLE"].gpio & 1, "nothing else opened the switch"


@pytest.mark.req("SR-126")
@pytest.mark.parametrize("what", ["estop-press", "charger"])
def test_the_output_switch_by_itself_alone(what: str) -> None:
    """The red button's contact and the charger's open it, whatever all programs do. The trips do not work."""
    with frozen() as it:
        it.defeat_trips()
        it.defeat_drop_out()
        it.delete_script()
        it.repeat(strong())
        it.rig.fault(what, at=it.tick + 300_000)
        it.wait(310_000)
        assert it.rail_volt() < RAIL_GONE_V
        it.wait(1_000_000)
        assert 280_000 < it.last_us() <= 310_000


@pytest.mark.req("SR-126")
def test_the_current_trip_alone() -> None:
    """The contact of the button is welded and the one-shot does not work; the source gives more than full scale."""
    with frozen() as it:
        it.rig.fault("estop-welded")
        it.rig.fault("one-shot-defeated")
        it.defeat_drop_out()
        it.delete_script()
        it.repeat(strong())
        for fault in (("dac-stuck", "A", 4095), ("source-gain", "A", 1.3)):
            it.rig.fault(*fault, at=it.tick + 300_000)
        it.wait(1_000_000)
        assert 280_000 < it.last_us() <= 321_000, "the first pulse of full scale trips it"
        assert it.rail_volt() > 60
        assert not it.rig.levels() >> BOARD["FAULT_N"].gpio & 1


@pytest.mark.req("SR-126")
def test_the_phase_length_one_shot_alone() -> None:
    """The contact of the button is welded and the comparator does not work; a phase stays high."""
    with frozen() as it:
        it.rig.fault("estop-welded")
        it.rig.fault("trip-defeated")
        it.defeat_drop_out()
        it.delete_script()
        it.repeat(held_phase())
        begun = it.rig.clock.now() - it.tick
        it.wait(1_000_000)
        assert it.last_us() <= begun + 5_000, "1.4 ms after the wave that holds it began"
        assert it.rail_volt() > 60
        assert not it.rig.levels() >> BOARD["FAULT_N"].gpio & 1


def test_a_phase_that_is_held_goes_on_without_the_one_shot() -> None:
    """Until the series capacitor is full."""
    with frozen() as it:
        it.defeat_trips()
        it.defeat_drop_out()
        it.delete_script()
        it.repeat(held_phase())
        it.wait(100_000)
        assert it.last_us() > 90_000
