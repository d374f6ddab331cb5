"""Starts what a simulated run needs: the simulated board and the guard, each a process of its own.

Both end with the process that started them: they hold the reading end of a pipe whose writing end dies with it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from safety.errors import PelviStimError

START_TIMEOUT_S: Final = 30


class LaunchError(PelviStimError, RuntimeError):
    """A process that is needed did not start; the sentence has its own words."""

    code = "not_started"


class Control:
    """A control connection to the simulated board."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.connect(str(path))

    def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """One operation. Raises LaunchError when the board refuses it."""
        self._socket.send(json.dumps({"op": op, **fields}).encode())
        answer: dict[str, Any] = json.loads(self._socket.recv(1 << 16))
        if not answer.get("ok"):
            raise LaunchError(f"the simulated board refused {op}: {answer.get('error')}", code="sim_refused")
        return answer

    def close(self) -> None:
        """Lets go of the connection."""
        self._socket.close()


class SimulatedBoard:
    """The simulated board with a guard beside it. ``speed``: None = virtual time without a brake, 1 = real time."""

    def __init__(self, folder: Path, state: Path, *, new_state: bool, speed: float | None) -> None:
        self.runtime = folder
        control = folder / "sim.sock"
        pace = ["--realtime"] if speed == 1 else [] if speed is None else ["--pace", repr(speed)]
        self.processes: list[subprocess.Popen[str]] = []
        self._control: Control | None = None
        self.port = int(json.loads(self._start("hw.mock", "--port", "0", "--control", str(control), *pace))["port"])
        self._control = Control(control)
        self.clock = None if speed == 1 else str(control)
        options = ["--runtime", str(folder), "--state", str(state), "--pigpio", f"127.0.0.1:{self.port}"]
        if new_state:
            options.append("--new-state")
        if self.clock:
            options += ["--clock", self.clock]
        self._start("safety", *options)

    @property
    def control(self) -> Control:
        """The board's control connection."""
        assert self._control is not None
        return self._control

    def _start(self, module: str, *options: str) -> str:
        """Starts one process and waits for its first line."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C at the terminal is for the app alone, which turns it into a stop
        )
        self.processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            self.close()
            raise LaunchError(f"{module} did not start (exit {process.wait(START_TIMEOUT_S)}); its words are above")
        return line

    def close(self) -> None:
        """Ends the guard first, then the board."""
        if self._control is not None:
            self._control.close()
        for process in reversed(self.processes):
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(START_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
