"""Starts what a simulated run needs: the simulated board and the guard, each a process of its own.

The guard ends with the process that started it: it holds the reading end of a pipe whose writing end dies with it. The
board ends when both are gone: the guard, too, holds the writing end of the board's pipe. So an app that dies leaves a
guard that can still stop the output of a board that is still there.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hw.clock import Clock, VirtualClock, WallClock
from safety.errors import PelviStimError
from safety.system import PRIORITY

START_TIMEOUT_S: Final = 30
GUARD_REFUSED: Final = 2
"""Exit code of a guard that refused to start."""
BOARD_PRIORITY: Final = PRIORITY + 1
"""In real time the board stands for electronics and DMA, which are never late: it comes before the guard."""
BUSY_MACHINE: Final = (
    "note: real-time priority is not permitted here. On a busy machine a simulated session may be stopped, because a "
    "check is late or for what that looks like; run --speed max does not depend on it."
)
START_FAILED_PATIENCE_S: Final = 1.0
"""Nothing plays yet: a process that hangs while it starts may be killed soon."""


class LaunchError(PelviStimError, RuntimeError):
    """A process that is needed did not start; the sentence has its own words."""

    code = "not_started"


class GuardRefused(LaunchError):
    """The guard did not start, and said why on its standard error: another guard, its folder, its record."""

    code = "guard_refused"


class Control:
    """A control connection to the simulated board."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def ask(self, op: str, *, patience_s: float | None = None, **fields: object) -> dict[str, Any]:
        """One operation. Raises LaunchError when the board refuses it, does not answer in time or has gone."""
        try:
            self._socket.settimeout(patience_s)
            self._socket.send(json.dumps({"op": op, **fields}).encode())
            data = self._socket.recv(1 << 16)
        except OSError as error:
            raise LaunchError(f"the simulated board does not answer {op}: {error}", code="sim_silent") from None
        if not data:
            raise LaunchError(f"the simulated board went away before it answered {op}", code="sim_silent")
        answer: dict[str, Any] = json.loads(data)
        if not answer.get("ok"):
            raise LaunchError(f"the simulated board refused {op}: {answer.get('error')}", code="sim_refused")
        return answer

    def close(self) -> None:
        """Lets go of the connection."""
        self._socket.close()


class SimulatedBoard:
    """The simulated board with a guard beside it. ``speed``: None = virtual time without a brake, 1 = real time.

    ``elastic``, at speed 1: when the machine keeps the guard from a processor, the board's time waits for it (1 s at
    most); the app lives by the wall's clock, as beside a real board.

    ``clock`` is the app's. A virtual one joins before the guard does, so that time begins with the app's first wait.
    ``state`` None: the board alone, for whoever drives it instead of a guard. ``options`` are more of ``hw.mock``.
    """

    def __init__(
        self,
        folder: Path,
        state: Path | None,
        *,
        new_state: bool,
        speed: float | None,
        elastic: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        self.runtime = folder
        self.patience_s = float(START_TIMEOUT_S)
        """How long each process gets to end by itself before it is killed."""
        control = folder / "sim.sock"
        pace = (
            ["--elastic"]
            if elastic
            else ["--realtime"]
            if speed == 1
            else []
            if speed is None
            else ["--pace", repr(speed)]
        )
        self._processor = random.choice(list(os.sched_getaffinity(0))) if speed is None else None
        """Board and guard take turns all the time: as fast as it goes is a quarter faster where neither wakes another
        processor, nor (a batch job) interrupts whom it was woken by."""
        self._wall, self._elastic = speed == 1, elastic
        self.late_when_busy = False
        """Whether board and guard take their turn like any process, in real time: the system permits no more."""
        self.processes: list[subprocess.Popen[str]] = []
        self._control: Control | None = None
        self.clock: Clock = WallClock()
        try:
            said = self._start("hw.mock", "--port", "0", "--control", str(control), *pace, *options)
            self.port = int(json.loads(said)["port"])
            self._control = Control(control)
            self._guard = ["--runtime", str(folder), "--state", str(state), "--pigpio", f"127.0.0.1:{self.port}"]
            self._guard.append("--simulated")
            if not self._wall or elastic:
                self._guard += ["--clock", str(control)]
            if not self._wall:
                self.clock = VirtualClock(str(control), "app")
            if state is not None:
                self._start("safety", *self._guard, *(["--new-state"] if new_state else []))
        except BaseException:
            self.patience_s = START_FAILED_PATIENCE_S
            self.close()
            raise

    @property
    def control(self) -> Control:
        """The board's control connection."""
        assert self._control is not None
        return self._control

    def _start(self, module: str, *options: str) -> str:
        """Starts one process and waits for its first line. It holds the pipes of those before it open."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C at the terminal is for the app alone, which turns it into a stop
            pass_fds=[before.stdin.fileno() for before in self.processes if before.stdin is not None],
        )
        self.processes.append(process)
        if self._processor is not None:
            os.sched_setaffinity(process.pid, {self._processor})
            os.sched_setscheduler(process.pid, os.SCHED_BATCH, os.sched_param(0))
        if self._wall and (module == "hw.mock" or self._elastic):  # a guard in real time sees to itself
            priority = BOARD_PRIORITY if module == "hw.mock" else PRIORITY
            try:
                os.sched_setscheduler(process.pid, os.SCHED_FIFO, os.sched_param(priority))
            except OSError:
                self.late_when_busy = not self._elastic
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            code = process.wait(START_TIMEOUT_S)
            kind = GuardRefused if (module, code) == ("safety", GUARD_REFUSED) else LaunchError
            raise kind(f"{module} did not start (exit {code}); its words are above")
        return line

    def revive_guard(self) -> None:
        """Starts the guard again if it has ended, as a service manager does. Raises LaunchError."""
        if self.processes[-1].poll() is not None:
            _end(self.processes.pop(), self.patience_s)
            self._start("safety", *self._guard)

    def end_guard(self) -> None:
        """Tells the guard that its app is gone, which makes it stop and end; kills it only if it does not.

        Time must not wait for the app any more.
        """
        self.clock.close()
        for process in self.processes[1:]:
            _end(process, self.patience_s)

    def close(self) -> None:
        """Ends the guard, and only when it is gone the board."""
        self.end_guard()
        if self._control is not None:
            self._control.close()
        for process in self.processes[:1]:
            _end(process, self.patience_s)


def _end(process: subprocess.Popen[str], patience_s: float) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
