"""The board under the workshop's hand: the guard's own instruments and locks, driven by one procedure at a time.

While something is measured a check comes every 20 ms, as the guard's does: it kicks the dead-man, and toggles KEEPALIVE
where that is wanted. Between two measurements (a person reads a meter) the output switch is open and nothing is kicked.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from controller.fault import load_scenario
from controller.launch import Control, SimulatedBoard
from hw.board import Board
from hw.clock import Clock, DaemonClock
from hw.deadman import LOOK_US
from hw.pulses import PulseOutput
from hw.senses import Sample
from hw.wire import connect
from safety import limits
from safety.alone import alone
from safety.decode import ENTRY_BYTES
from safety.edges import Edges
from safety.errors import BoardError
from safety.instruments import Instruments, figures
from safety.link import runtime_root
from safety.steps import BEGINS_US, DROP_OUT_US, Steps, Wait
from safety.supply import Supply
from safety.system import PRIORITY, real_time

GUARD_USER: Final = "pelvistim-guard"
"""Of the installed service (deploy/)."""
CALL_TIMEOUT_S: Final = 0.5
"""For one call to a real daemon: nobody is connected, so a little more patience than the guard has. ours."""
SIMULATED_TIMEOUT_S: Final = 5.0
"""On a simulator's clock only a daemon that hangs for good is late."""
RISES_WITHIN_US: Final = 1_000_000
"""The guard gives it a tenth of that; here nobody waits, and the machine may be busy. ours."""
_Result = TypeVar("_Result")


class Rig:
    """One board. Raises BoardError in every call; LinkError at the start when a guard or another rig has the daemon."""

    def __init__(self, board: Board, where: tuple[str, int], clock: Clock | None, state: Path | None) -> None:
        self.timeout_s = timeout_s = CALL_TIMEOUT_S if clock is None else SIMULATED_TIMEOUT_S
        with contextlib.ExitStack() as undo:
            if state is None:
                state = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="pelvistim-bench-")))
            for lock in alone(state, state, *where):
                undo.enter_context(lock)
            if clock is None:
                real_time()
            self.board, self.where = board, where
            self.clock = clock or DaemonClock(PulseOutput(connect(*where, timeout_s), board).tick)
            self.figures = figures(board)
            edges = Edges(self.figures.seven, board["OUTPUT_ENABLE"].mask)
            self.supply = Supply(edges, self.clock.now)
            self.tools = Instruments(board, where, timeout_s, self.clock, self.supply, edges, lambda _: None)
            self._takes: dict[int, Callable[[], object]] = {}
            self.listens(self.tools.notices.fd, self.tools.seen)
            self.asleep()
            self._undo = undo.pop_all()

    def close(self) -> None:
        """Everything safe; the daemon is free for a guard."""
        with self._undo:
            with contextlib.suppress(BoardError):
                self.tools.halt()
            self.deaf(self.tools.notices.fd)
            self.tools.close()

    # --- time -----------------------------------------------------------------------------------------------------

    def wait(self, until_us: int) -> None:
        """Lets time pass, and takes the notifications that come."""
        while self.clock.now() < until_us:
            for fd in self.clock.wait(until_us):
                self._takes[fd]()

    def listens(self, fd: int, take: Callable[[], object]) -> None:
        """Has what comes on a descriptor taken while time passes."""
        self.clock.watch(fd)
        self._takes[fd] = take

    def deaf(self, fd: int) -> None:
        """No longer."""
        self.clock.unwatch(fd)
        del self._takes[fd]

    def run(self, us: int, *, toggle: bool = True) -> Sample:
        """Checks every 20 ms for so long, and once more. ``toggle``: KEEPALIVE with each."""
        return self.until(Wait(self.clock.now() + us, toggle=toggle))

    def until(self, wait: Wait) -> Sample:
        """What the guard does while one of its jobs waits."""
        while True:
            now = self.clock.now()
            sample = self.tools.check(toggle=wait.toggle, kick=wait.kick, reset_peaks=False)
            self.tools.seen()
            if now >= wait.until_us:
                return sample
            self.wait(min(wait.until_us, now + limits.CHECK_INTERVAL_US))

    def drive(self, job: Steps[_Result]) -> _Result:
        """A job of the guard's, to its end."""
        self.tools.start_dead_man()
        try:
            return self._driven(job)
        finally:
            self.asleep()

    def asleep(self) -> None:
        """Everything safe, and nothing to be kicked."""
        self.tools.forget()
        self.tools.dead_man.stop()
        self.wait(self.clock.now() + 2 * LOOK_US)

    def _driven(self, job: Steps[_Result]) -> _Result:
        wait = next(job)
        while True:
            self.until(wait)
            try:
                wait = job.send(self.clock.now())
            except StopIteration as over:
                result: _Result = over.value
                return result

    # --- output ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def output(self) -> Iterator[bool]:
        """Closes the output switch, and opens it again whatever happens; gives whether the rail rose."""
        self.tools.start_dead_man()
        try:
            self.tools.enable(True)
            most = self.clock.now() + RISES_WITHIN_US
            while (up := self.run(0).rail_mv >= self.figures.compliance_mv) is False and self.clock.now() < most:
                self.wait(self.clock.now() + limits.CHECK_INTERVAL_US)
            yield up
        finally:
            self.asleep()

    def play(self, data: bytes, duration_us: int) -> Sample:
        """Plays one pulse list, and gives what was seen when it is over."""
        wave, _ = self.tools.pulses.load(data, len(data) // ENTRY_BYTES, duration_us)
        self.tools.edges.stopped(self.clock.now())  # the guard's own comparison is not asked here
        self.tools.pulses.send(wave, join=False)
        return self.run(duration_us + BEGINS_US)

    def drained(self) -> None:
        """KEEPALIVE has dropped out."""
        self.wait(max(self.clock.now(), self.tools.toggled_us + DROP_OUT_US))


@contextlib.contextmanager
def simulated(faults: Path | None, options: Sequence[str] = ()) -> Iterator[tuple[Clock, tuple[str, int], Control]]:
    """A simulated board of its own, as fast as it goes: its clock, where its daemon listens, and its controls."""
    root = runtime_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sim-", dir=root) as folder:
        board = SimulatedBoard(Path(folder), None, new_state=False, speed=None, options=options)
        try:
            if faults is not None:
                load_scenario(board.control, faults)
            yield board.clock, ("127.0.0.1", board.port), board.control
        finally:
            board.close()


def take_the_guards_place() -> None:
    """Root becomes the guard's user where one is installed: the daemon's port is open to no other, and what is kept is
    that user's. It takes along what the guard's service may have."""
    if os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(GUARD_USER)
    except KeyError:
        return  # nothing is installed here
    for limit, most in ((resource.RLIMIT_RTPRIO, PRIORITY), (resource.RLIMIT_MEMLOCK, resource.RLIM_INFINITY)):
        with contextlib.suppress(ValueError, OSError):  # a container may not raise them
            resource.setrlimit(limit, (most, most))
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def as_user(uid: int, what: Callable[[], bool]) -> bool:
    """Whether something succeeds for another user, tried in a process of its own. Only root may ask."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            code = int(not what())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
