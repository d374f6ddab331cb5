"""What can befall the daemon: it dies, hangs, is slow, answers garbage, and others use it meanwhile."""

from __future__ import annotations

import contextlib
import socket
import struct
from random import Random

from hw.mock.protocol import WORD, Cmd
from hw.mock.server import Server
from hw.mock.work import Handler, Work

_PULSE = struct.Struct("<3I")


class FaultImpossible(Exception):
    """A fault that cannot be had here; the text says why and what to do."""


class Troubles:
    """Troubles of one server's daemon. ``seed`` is of the garbage."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server = server
        self._chance = Random(seed)
        self._plain: dict[int, Handler] = {}
        self._stranger = _Stranger()

    @property
    def alive(self) -> bool:
        """Whether there is a daemon that listens."""
        return self.server.listening

    # Life and death

    def kill(self, stops: bool) -> None:
        """The daemon's process ends. Its DMA plays on, unless it ended by itself (SIGTERM: ``stops``)."""
        now = self.server.timeline.now
        if stops:
            self.server.daemon.player.stop(now)
        self.thaw()
        self.server.crash_daemon()

    def restart(self) -> None:
        """A new daemon listens where the old one did: no waves, no handles, but the DMA does what it did."""
        if self.alive:
            self.kill(stops=False)
        daemon, now = self.server.daemon, self.server.timeline.now
        self.mend_answers()
        daemon.player.clear(now)
        daemon.table.slots.clear()
        daemon.notifier.restart(now)
        daemon.spi.handles = [None] * len(daemon.spi.handles)
        address = self.server.address
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.server.listen(socket.create_server(address[:2], family=family, backlog=128))

    def close_sockets(self) -> None:
        """The daemon closes every connection that there is, and goes on listening."""
        for connection in list(self.server.connections.values()):
            self.server.drop(connection)

    def hang(self, until: int | None) -> None:
        """The daemon takes what it is sent and does nothing about it, until a tick or until it is mended."""
        self.server.hung = True
        self.server.daemon.scripts.hang()
        if until is not None:
            self.server.timeline.schedule(until, self.thaw)

    def thaw(self) -> None:
        """It goes on where it was."""
        if self.server.hung:
            self.server.hung = False
            self.server.daemon.scripts.thaw()
            for connection in list(self.server.connections.values()):
                connection.thaw()

    # Answers

    def slow(self, us: int) -> None:
        """Every answer comes so much later, by the simulation's clock."""
        self.server.delay_us = us

    def report_late(self, us: int) -> None:
        """Changes of lines are reported so much later, all of that time in one piece."""
        self.server.daemon.notifier.late(us, self.server.timeline.now)

    def garble(self) -> None:
        """Every answer is as long as it should be, and nonsense."""
        self.server.spoil = lambda data: self._chance.randbytes(len(data))

    def step_clock(self, us: int) -> None:
        """The daemon's tick jumps by so much, from now on and in its notifications too."""
        daemon = self.server.daemon
        daemon.notifier.tick_offset += us
        self._plain.setdefault(Cmd.TICK, daemon.handlers[Cmd.TICK])
        daemon.handlers[Cmd.TICK] = lambda client, p1, p2, ext: self.server.timeline.now + daemon.notifier.tick_offset

    def mend_answers(self) -> None:
        """Quick and right again."""
        self.server.spoil, self.server.delay_us = None, 0
        self.server.daemon.handlers.update(self._plain)
        self._plain.clear()
        self.server.daemon.notifier.tick_offset = 0
        self.report_late(0)

    # Somebody else

    def interfere(self, command: Cmd, p1: int = 0, p2: int = 0, ext: bytes = b"") -> None:
        """Another client sends one command, whose answer nobody is told."""
        if not self.alive or self.server.hung:
            raise FaultImpossible("The daemon does nothing for anybody now: mend or restart it first.")
        result = self.server.daemon.handlers[command](self._stranger, p1, p2, ext)
        if not isinstance(result, int | bytes):
            self._carry_on(result)

    def _carry_on(self, work: Work) -> None:
        """A command that takes time goes on by itself."""
        with contextlib.suppress(StopIteration):
            self.server.timeline.schedule(next(work), lambda: self._carry_on(work))

    def add(self, gpio: int, us: int) -> None:
        """Another client adds a pulse of its own to the list under construction."""
        bit = 1 << gpio
        self.interfere(Cmd.WVAG, ext=_PULSE.pack(bit, 0, us) + _PULSE.pack(0, bit, us))

    def open_spi(self, channel: int, auxiliary: bool) -> None:
        """Another client opens a channel of the main or the auxiliary bus, at 500 kHz."""
        self.interfere(Cmd.SPIO, channel, 500_000, WORD.pack(auxiliary << 8))


class _Stranger:
    """A client that listens to nothing."""

    def send(self, data: bytes) -> None:
        """Nobody reads it."""

    report = send
