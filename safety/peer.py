"""The guard's end of the link to its one app."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Final

from hw.clock import Clock
from safety import link
from safety.errors import LinkError

GREET_WITHIN_US: Final = 2_000_000
"""Who connects and says nothing for so long leaves the place to another."""


class Peer:
    """The one connection of an app. Never blocks: an app that does not read loses the link."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._socket, self._clock = connection, clock
        self._greet_by_us = clock.now() + GREET_WITHIN_US
        self._socket.setblocking(False)
        self.fd = connection.fileno()
        self.greeted = False
        self._channel: str | None = None
        self._sent = self._received = 0
        clock.watch(self.fd)

    def is_silent(self, now_us: int) -> bool:
        """Whether it had time to say which build it is, and did not."""
        return not self.greeted and now_us >= self._greet_by_us

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


def turn_away(connection: socket.socket) -> None:
    """Tells a second app why, and closes its connection; it may have gone already."""
    with connection, contextlib.suppress(OSError):
        connection.setblocking(False)
        connection.send(link.encode({"type": "reply", "ok": False, "code": link.TAKEN, "detail": "one app at a time"}))


def allowed(connection: socket.socket, app_uid: int | None) -> bool:
    """Whether the kernel says that the other end is root, this guard's own user, or the one that the app has."""
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return uid in (0, os.getuid(), app_uid)
