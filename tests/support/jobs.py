"""Drives a self-test or electrode check on a simulated board as the guard's loop does: a check every 20 ms, and the
job's next step when its time has come."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from hw.board import load_board
from hw.clock import Clock, Tally
from hw.senses import Sample
from safety import electrode, selftest
from safety.edges import Edges
from safety.instruments import Instruments, figures
from safety.limits import CHECK_INTERVAL_US
from safety.steps import Steps
from safety.supply import Supply
from tests.support.sim import Participant, Sim, disconnect

_Result = TypeVar("_Result")
BOARD = load_board()
HOST, TIMEOUT_S = "127.0.0.1", 30.0


class Time:
    """A participant's time as a clock that counts nothing."""

    def __init__(self, participant: Participant) -> None:
        self._participant = participant

    def now(self) -> int:
        return self._participant.now

    def tally(self, channel: str) -> Tally:
        del channel
        return Tally()

    def drop(self, channel: str) -> None:
        """Nothing was counted."""


class Bench:
    """A simulated board taken over as the guard takes it, and the checks that go on meanwhile."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.clock = sim.participant("bench")
        edges = Edges(figures(BOARD).seven, BOARD["OUTPUT_ENABLE"].mask)
        where = (HOST, sim.port)
        time = cast("Clock", Time(self.clock))
        self.port = Instruments(BOARD, where, TIMEOUT_S, time, Supply(edges, time.now), edges, lambda _: None)
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
        self.looks.append(self.port.check(toggle=toggle, kick=kick, reset_peaks=False))

    def self_test(self, *, rearm: bool = False) -> str | None:
        return self.drive(selftest.run(self.port, self.port.figures, self.clock.now, rearm=rearm, uncalibrated=None))

    def electrodes(self, channels: str = "AB") -> dict[str, electrode.Finding]:
        return self.drive(electrode.run(self.port, self.port.figures, channels, self.clock.now))

    def assert_all_safe(self) -> None:
        """Nothing is left high that could put something out, or keep the board from seeing it."""
        bank = self.port.sense().bank
        assert not bank & BOARD.mask(*selftest.PHASES, "OUTPUT_ENABLE", "FAULT_RESET", "PEAK_RESET")
        assert bank & BOARD.mask("DAC_CS_N")

    def close(self) -> None:
        # gpiozero keeps shared buses by host, not port; one that is collected later strikes out the next test's.
        panel = self.port.panel
        thread = panel._factory.connection._notify
        panel._adc.clear()
        gc.collect()
        panel.close()
        thread.join()
        self.port.dead_man.cut()
        self.port.notices.close()
        disconnect(self.port.client)


@contextmanager
def bench(*options: str) -> Iterator[Bench]:
    """A simulation with these options, and a bench on it."""
    with Sim.start(*options) as sim:
        made = Bench(sim)
        try:
            yield made
        finally:
            made.close()
