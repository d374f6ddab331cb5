"""The guard's end of the link to its one app."""

from __future__ import annotations

import os
import socket
import struct

from hw.clock import Clock
from safety import link
from safety.errors import LinkError


class Peer:
    """The one connection of an app. Never blocks: an app that does not read loses the link."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._socket, self._clock = connection, clock
        self._socket.setblocking(False)
        self.fd = connection.fileno()
        self.greeted = False
        self._channel: str | None = None
        self._sent = self._received = 0
        clock.watch(self.fd)

    def joins(self, channel: object) -> None:
        """From now on the messages are counted on the clock, those so far included."""
        if isinstance(channel, str):
            self._channel = channel
            self._count()

    def receive(self) -> bytes:
        """One message. Raises LinkError when the app has gone, or when one was cut: nothing after it is believed."""
        try:
            data = link.receive_whole(self._socket)
        except OSError as error:
            raise LinkError(str(error)) from None
        if not data:
            raise LinkError("the app has gone")
        self._received += 1
        self._count()
        return data

    def send(self, message: link.Message) -> bool:
        """Whether the message went out."""
        try:
            self._socket.send(link.encode(message))
        except OSError:
            return False
        self._sent += 1
        self._count()
        return True

    def close(self) -> None:
        """Lets go of the connection."""
        self._clock.unwatch(self.fd)
        self._socket.close()
        if self._channel is not None:
            self._clock.drop(self._channel)

    def _count(self) -> None:
        if self._channel is not None:
            tally = self._clock.tally(self._channel)
            tally.sent, tally.received = self._sent, self._received


def allowed(connection: socket.socket) -> bool:
    """Whether the kernel says that the other end is this guard's own user (or root)."""
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return uid in (0, os.getuid())
