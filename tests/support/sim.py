"""Starts the simulated board as a process of its own, for tests, and talks to its control socket."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

START_TIMEOUT_S = 30.0
"""For a busy machine; nothing is measured against it."""
REPLY_TIMEOUT_S = 120.0


class SimFailed(AssertionError):
    """The simulation did not start, ended by itself, or refused an op."""


class Control:
    """One connection to the control socket: a control client, or a participant of the virtual clock."""

    largest = 1 << 18

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(REPLY_TIMEOUT_S)
        self.sock.connect(path)

    def send(self, message: dict[str, Any]) -> None:
        self.sock.send(json.dumps(message).encode())

    def receive(self) -> dict[str, Any]:
        """The next message; raises SimFailed at the end of the connection, TimeoutError if none comes."""
        data = self.sock.recv(self.largest)
        if not data:
            raise SimFailed("the simulation closed its control socket")
        reply = json.loads(data)
        assert isinstance(reply, dict)
        return reply

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        self.send(message)
        return self.receive()

    def silent(self, seconds: float = 0.05) -> bool:
        """Whether nothing comes for so long (to show that time stands still)."""
        return not select.select([self.sock], [], [], seconds)[0]

    def close(self) -> None:
        self.sock.close()


class Participant(Control):
    """A participant of the virtual clock; ``now`` is the tick it was told last."""

    largest = 1 << 12

    def __init__(self, path: str, name: str) -> None:
        super().__init__(path)
        self.name = name
        reply = self.ask({"op": "join", "name": name})
        if not reply["ok"]:
            raise SimFailed(str(reply))
        self.now = int(reply["now"])

    def wait(self, until: int | None, counts: dict[str, list[int] | None] | None = None) -> None:
        """Declares itself idle; the grant is read by ``granted``."""
        self.send({"op": "wait", "until": until, "counts": counts or {}})

    def granted(self) -> int:
        """Waits for the tick that was waited for."""
        while (message := self.receive()).get("moved"):
            pass
        self.now = int(message["now"])
        return self.now

    def sleep(self, us: int) -> int:
        """Lets so much virtual time pass, everybody else agreeing."""
        self.wait(self.now + us)
        return self.granted()


class Sim:
    """A running simulation. Use as a context manager, or call ``stop``; both clean up whatever happened."""

    def __init__(self, process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str], port: int) -> None:
        self.process = process
        self.port = port
        self._folder = folder
        self._control: Control | None = None
        self._controls: list[Control] = []

    @classmethod
    def start(cls, *options: str, realtime: bool = False, pace: float | None = None) -> Sim:
        """Starts ``python -m hw.mock`` on a free port, with more options as they stand."""
        folder = tempfile.TemporaryDirectory(prefix="sim")
        command = [sys.executable, "-m", "hw.mock", "--port", "0", "--until-stdin-closes"]
        command += ["--control", os.path.join(folder.name, "control"), "--pipes", folder.name, *options]
        command += ["--realtime"] if realtime else []
        command += [] if pace is None else ["--pace", str(pace)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        try:
            assert process.stdout is not None
            ready = select.select([process.stdout], [], [], START_TIMEOUT_S)[0]
            line = process.stdout.readline() if ready else b""
            if not line:
                raise SimFailed(f"the simulation did not start: exit code {process.poll()}")
            return cls(process, folder, json.loads(line)["port"])
        except BaseException:
            _end(process)
            folder.cleanup()
            raise

    @property
    def control_path(self) -> str:
        return os.path.join(self._folder.name, "control")

    @property
    def folder(self) -> Path:
        """A folder of its own, removed at the end."""
        return Path(self._folder.name)

    def control(self, op: str, **fields: Any) -> dict[str, Any]:
        """Sends one op and gives the reply; raises SimFailed if it was refused."""
        if self._control is None:
            self._control = self.client()
        reply = self._control.ask({"op": op, **fields})
        if not reply.get("ok"):
            raise SimFailed(str(reply.get("error")))
        return reply

    def fault(self, name: str, *args: Any, **more: Any) -> None:
        """Breaks something (docs/faults.md), or mends it ("clear"); raises SimFailed if it was refused."""
        problems = self.control("fault", name=name, args=list(args), **more)["problems"]
        if problems:
            raise SimFailed(str(problems))

    def figures(self, channel: str = "A", since: int | None = None) -> dict[str, float]:
        """Charge, current and energy at an electrode since a tick, or since recording was asked for."""
        return dict(self.control("current", path=None, since=since)["figures"][channel])

    def client(self) -> Control:
        """One more connection to the control socket."""
        client = Control(self.control_path)
        self._controls.append(client)
        return client

    def participant(self, name: str) -> Participant:
        """Joins the virtual clock. Time stands still until it waits."""
        participant = Participant(self.control_path, name)
        self._controls.append(participant)
        return participant

    def edges(self, since: int | None = None, gpios: list[int] | None = None) -> list[tuple[int, int, int]]:
        """Level changes so far as (time in us, gpio, level)."""
        path = self.folder / "edges.csv"
        self.control("edges", path=str(path), since=since, gpios=gpios)
        return read_edges(path)

    def stop(self) -> int:
        """Ends the simulation. Returns its exit code."""
        for control in self._controls:
            control.close()
        code = _end(self.process)
        self._folder.cleanup()
        return code

    def __enter__(self) -> Sim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def disconnect(client: Any) -> None:
    """Ends a pigpio client and waits for its callback thread, which must not outlive the daemon it listens to."""
    thread = client._notify  # of a client by ``hw.wire.connect`` it has ended already
    client.stop()
    thread.join(REPLY_TIMEOUT_S)
    assert not thread.is_alive()


def read_edges(path: Path) -> list[tuple[int, int, int]]:
    """The rows of an edges file."""
    header, *rows = path.read_text(encoding="ascii").splitlines()
    assert header == "time_us,gpio,level"
    return [(int(time), int(gpio), int(level)) for time, gpio, level in (row.split(",") for row in rows)]


def _end(process: subprocess.Popen[bytes]) -> int:
    """Closes its standard input, which ends it; kills it only if that does not help."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        return process.wait(START_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
