"""The socket that the server listens on: so many connections and no more, or a neighbour on the network who only holds
them open, which needs no pairing, takes the files that a stop, the guard's link and the journal need.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections import Counter
from typing import Any, Final
from weakref import WeakKeyDictionary

CONNECTIONS_MAX: Final = 256
"""A browser holds six. With what 40 requests have open beside them it is far from the usual 1 024 files. ours"""


class Listener(socket.socket):
    """Over ``most`` connections, the address that holds the most of them loses its oldest for each new one."""

    def __init__(self, plain: socket.socket, most: int = CONNECTIONS_MAX) -> None:
        super().__init__(fileno=plain.detach())
        self._most = most
        self._held: WeakKeyDictionary[socket.socket, str] = WeakKeyDictionary()
        self._ended: WeakKeyDictionary[socket.socket, str] = WeakKeyDictionary()

    def accept(self) -> tuple[socket.socket, Any]:
        """As a socket's. BlockingIOError while too many that were ended are not closed yet: the server's loop does."""
        held, ended = (_open(some) for some in (self._held, self._ended))
        if len(ended) >= self._most:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        connection, address = super().accept()
        if len(held) >= self._most:
            self._end_one(held)
        self._held[connection] = address[0]
        return connection, address

    def _end_one(self, held: dict[socket.socket, str]) -> None:
        most = Counter(held.values()).most_common(1)[0][0]
        oldest = next(one for one, address in held.items() if address == most)
        self._ended[oldest] = self._held.pop(oldest)
        with contextlib.suppress(OSError):  # it has left by itself
            oldest.shutdown(socket.SHUT_RDWR)


def _open(some: WeakKeyDictionary[socket.socket, str]) -> dict[socket.socket, str]:
    return {one: address for one, address in some.items() if one.fileno() >= 0}
