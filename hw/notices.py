"""What the daemon reports of the lines: every change, with its tick, on a connection of its own.

It is a bare connection rather than the client's callbacks: those run in a thread that spins when the daemon has died,
and the clock could not tell what is under way to them.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from hw.clock import Clock
from hw.wire import Command, DaemonLost, NotAsApproved, ask, open_handle

_REPORT: Final = struct.Struct("<HHII")
"""Sequence number, flags, tick, levels of GPIO 0-31."""
_MOST: Final = 1 << 12


class Notices:
    """Changes of the lines of ``mask``. ``fd`` becomes readable when there are some: watch it.

    The clock is told what goes in and out, so that virtual time waits for it. Raises DaemonLost, NotAsApproved.
    """

    def __init__(self, host: str, port: int, mask: int, timeout_s: float, clock: Clock) -> None:
        self._mask = mask
        self._clock = clock
        self._sequence = 0
        self._rest = b""
        self._socket, handle = open_handle(host, port, timeout_s)
        self.fd = self._socket.fileno()
        if ask(self._socket, Command.NOTIFY, handle, mask):
            self._socket.close()
            raise NotAsApproved("the daemon gives no notifications")
        self._socket.setblocking(False)
        # The daemon batches small reports while one is not acknowledged: let the kernel acknowledge at once.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._socket.setblocking(False)
        self._channel = f"tcp:{self._socket.getsockname()[1]}"
        self._tally = clock.tally(self._channel)
        self._tally.sent = self._tally.received = 32

    def read(self) -> list[tuple[int, int]]:
        """What has come: (tick, levels of the masked lines), in order; never waits. The tick has 32 bits, in us.

        Raises DaemonLost, and NotAsApproved (``edges_differ``) when a report is missing: then an edge may be.
        """
        data = self._rest
        while True:
            try:
                part = self._socket.recv(_MOST)
            except BlockingIOError:
                break
            except OSError as error:
                raise DaemonLost(f"notifications: {error}") from error
            if not part:
                raise DaemonLost("the daemon closed the connection of the notifications")
            self._tally.received += len(part)
            data += part
            if len(part) < _MOST:
                break
        whole = len(data) - len(data) % _REPORT.size
        self._rest = data[whole:]
        reports = list(_REPORT.iter_unpack(data[:whole]))
        for following, (sequence, *_) in enumerate(reports, self._sequence):
            if sequence != following & 0xFFFF:
                self._sequence = reports[-1][0] + 1
                raise NotAsApproved(f"report {following & 0xFFFF} is missing, {sequence} came", code="edges_differ")
        self._sequence += len(reports)
        # A report with a flag says that the daemon lives, or tells of a watchdog or an event.
        return [(tick, level & self._mask) for _, flags, tick, level in reports if not flags]

    def close(self) -> None:
        """Lets go of the connection."""
        self._socket.close()
        self._clock.drop(self._channel)
