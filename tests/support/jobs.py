"""Drives a self-test or electrode check on a simulated board as the guard's loop does: a check every 20 ms, and the
job's next step when its time has come."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from hw.board import load_board
from hw.deadman import DeadMan, clear_scripts
from hw.panel import Panel
from hw.pulses import PulseOutput
from hw.senses import Sample, Senses, clear_handles
from hw.wire import connect
from safety import electrode, selftest
from safety.limits import CHECK_INTERVAL_US
from safety.port import BoardPort, daemon_is, figures
from safety.steps import Steps
from tests.support.sim import Sim, disconnect

_Result = TypeVar("_Result")
BOARD = load_board()
HOST, TIMEOUT_S = "127.0.0.1", 30.0


class Bench:
    """A simulated board taken over as the guard takes it, and the checks that go on meanwhile."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.clock = sim.participant("bench")
        self.client = connect(HOST, sim.port, TIMEOUT_S)
        pulses = PulseOutput(self.client, BOARD)
        pulses.take_over()
        clear_scripts(self.client)
        clear_handles(self.client)
        dead_man = DeadMan(self.client, BOARD, HOST, sim.port, TIMEOUT_S)
        dead_man.start()
        senses = Senses(self.client, BOARD, dead_man.script_id)
        self.panel = Panel(HOST, sim.port, BOARD, TIMEOUT_S)
        self.port = BoardPort(
            pulses,
            senses,
            self.panel,
            dead_man,
            figures(BOARD),
            lambda: daemon_is(self.client, sim.port, dead_man.script_id),
            lambda: self.clock.now,
            toggled_us=self.clock.now,
            kicked_us=self.clock.now,
        )
        self.keepalive = 0
        self.looks: list[Sample] = []
        self.before_step: Callable[[], None] = lambda: None
        self.late_us = 0
        """So much later than asked each wait for a job ends."""
        self._next_check = self.clock.now

    def drive(self, job: Steps[_Result]) -> _Result:
        """Runs a job to its end."""
        wait = next(job)
        while True:
            resume = wait.until_us + self.late_us
            until = min(self._next_check, resume)
            if until > self.clock.now:
                self.clock.sleep(until - self.clock.now)
            if self.clock.now >= self._next_check:
                self._check(wait.toggle, wait.kick)
            if self.clock.now >= resume:
                self.before_step()
                try:
                    wait = job.send(self.clock.now)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]

    def rest(self, us: int) -> None:
        """Lets time pass without a check, and the dead-man without a kick."""
        self.clock.sleep(us)
        self._next_check = self.clock.now
        self.port.start_dead_man()

    def _check(self, toggle: bool, kick: bool) -> None:
        self._next_check += CHECK_INTERVAL_US
        if toggle:
            self.keepalive ^= 1
            self.port.toggled_us = self.clock.now
        if kick:
            self.port.kicked_us = self.clock.now
        level = self.keepalive if toggle else None
        self.looks.append(
            self.port.senses.check(level, self.port.dead_man.next_kick() if kick else None, reset_peaks=False)
        )

    def self_test(self, *, rearm: bool = False) -> str | None:
        return self.drive(selftest.run(self.port, self.port.figures, self.clock.now, rearm=rearm))

    def electrodes(self, channels: str = "AB") -> dict[str, electrode.Finding]:
        return self.drive(electrode.run(self.port, self.port.figures, channels, self.clock.now))

    def assert_all_safe(self) -> None:
        """Nothing is left high that could put something out, or keep the board from seeing it."""
        bank = self.port.sense().bank
        assert not bank & BOARD.mask(*selftest.PHASES, "OUTPUT_ENABLE", "FAULT_RESET", "PEAK_RESET")
        assert bank & BOARD.mask("DAC_CS_N")

    def close(self) -> None:
        # gpiozero keeps shared buses by host, not port; one that is collected later strikes out the next test's.
        thread = self.panel._factory.connection._notify
        self.panel._adc.clear()
        gc.collect()
        self.panel.close()
        thread.join()
        self.port.dead_man.cut()
        disconnect(self.client)


@contextmanager
def bench(*options: str) -> Iterator[Bench]:
    """A simulation with these options, and a bench on it."""
    with Sim.start(*options) as sim:
        made = Bench(sim)
        try:
            yield made
        finally:
            made.close()
