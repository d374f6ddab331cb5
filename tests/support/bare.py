"""A bare Pi on the virtual clock, with one client whose calls may take time."""

from __future__ import annotations

import socket
import struct
from types import TracebackType

import pigpio

from tests.support.sim import Participant, Sim, disconnect

Edge = tuple[int, int, int]
START = 1_000
"""The tick at which a test's own time begins."""


class Bare:
    """Use as a context manager. Some lines are outputs at low; the first participant of the clock is the test."""

    def __init__(self, *outputs: int, options: tuple[str, ...] = ()) -> None:
        self.sim = Sim.start("--bare", *options)
        try:
            self.clock: Participant = self.sim.participant("test")
            self.pi = self.client()
            for gpio in outputs:
                self.pi.set_mode(gpio, pigpio.OUTPUT)
                self.pi.write(gpio, 0)
            self.clock.sleep(START - self.clock.now)
        except BaseException:
            self.sim.stop()
            raise

    def client(self) -> pigpio.pi:
        pi = pigpio.pi("127.0.0.1", self.sim.port, show_errors=False)
        assert pi.connected
        return pi

    def sleep(self, us: int) -> None:
        """Lets time pass from the daemon's present tick, which a call may have moved."""
        self.clock.now = self.sim.control("levels")["now"]
        self.clock.sleep(us)

    def edges(self, *gpios: int) -> list[Edge]:
        """Edges since START, from there."""
        found = self.sim.edges(gpios=list(gpios))
        return [(time - START, gpio, level) for time, gpio, level in found if time >= START]

    def raw(self) -> Raw:
        return Raw(self.sim.port)

    def __enter__(self) -> Bare:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            disconnect(self.pi)
        finally:
            self.sim.stop()


class Raw:
    """A connection on which any command can be sent as it stands."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection((host, port))
        self.sock.settimeout(60)

    def send(self, command: int, p1: int = 0, p2: int = 0, ext: bytes = b"") -> None:
        self.sock.sendall(struct.pack("<4I", command, p1 & 0xFFFFFFFF, p2 & 0xFFFFFFFF, len(ext)) + ext)

    def take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            assert part, "the daemon closed the connection"
            data += part
        return data

    def result(self, command: int, p1: int = 0, p2: int = 0, ext: bytes = b"") -> int:
        """A command's result; it must bring no bytes."""
        self.send(command, p1, p2, ext)
        answer = struct.unpack("<3Ii", self.take(16))
        assert answer[0] == command
        return int(answer[3])

    def data(self, command: int, p1: int = 0, p2: int = 0, ext: bytes = b"") -> bytes:
        """The bytes that a command brings."""
        size = self.result(command, p1, p2, ext)
        assert size >= 0, size
        return self.take(size)

    def close(self) -> None:
        self.sock.close()
