"""One pigpio client: takes requests from its socket, in whatever pieces they come, and answers them in order."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from hw.mock.daemon import Handler
from hw.mock.protocol import FRAME, MAX_EXTENSION, Err

_RECEIVE: Final = 16_384
_BACKLOG_LIMIT: Final = 64 << 20
_WORD: Final = 0xFFFF_FFFF


class Host(Protocol):
    """What a connection needs of the server."""

    def drop(self, connection: Connection) -> None:
        """Closes a connection and forgets it."""

    hung: bool
    """Requests are taken, and left lying."""
    spoil: Callable[[bytes], bytes] | None
    """Makes something else of every answer."""

    def watch(self, fd: int, events: int) -> None: ...

    def release_at(self, connection: Connection, tick: int) -> None: ...


class Connection:
    """``sent`` and ``received`` count bytes handed to and taken from the client."""

    def __init__(self, host: Host, handlers: Mapping[int, Handler], sock: socket.socket, port: int) -> None:
        self.host = host
        self.handlers = handlers
        self.sock = sock
        self.port = port
        self.sent = 0
        self.received = 0
        self.closed = False
        self._held = False
        self._kept = b""
        self._in = b""
        self._out = bytearray()

    def readable(self) -> None:
        """Takes what came and answers every complete request in it."""
        try:
            data = self.sock.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.host.drop(self)
            return
        self.received += len(data)
        self._in = self._in + data if self._in else data
        if not (self._held or self.host.hung):
            self._serve()

    def writable(self) -> None:
        """Sends what a slow client left waiting."""
        try:
            del self._out[: self.sock.send(self._out)]
        except BlockingIOError:
            return
        except OSError:
            self.host.drop(self)
            return
        if not self._out:
            self.host.watch(self.sock.fileno(), select.EPOLLIN)

    def send(self, data: bytes) -> None:
        """Sends after whatever was sent before; a client that lets too much pile up is dropped."""
        if self.closed:
            return
        self.sent += len(data)
        if self._out:
            self._out += data
            if len(self._out) > _BACKLOG_LIMIT:
                self.host.drop(self)
            return
        try:
            count = self.sock.send(data)
        except BlockingIOError:
            count = 0
        except OSError:
            return
        if count < len(data):
            self._out += data[count:]
            self.host.watch(self.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def hold_until(self, tick: int) -> None:
        """The answer to the present command, and all later commands, wait for a tick."""
        self._held = True
        self.host.release_at(self, tick)

    def release(self) -> None:
        """The delay is over: gives the answer kept back and goes on."""
        if self.closed:
            return
        self._held = False
        self.thaw()

    def thaw(self) -> None:
        """Gives an answer kept back and goes on, unless a delay is not over or the daemon hangs."""
        if self.closed or self._held or self.host.hung:
            return
        kept, self._kept = self._kept, b""
        self.send(kept)
        self._serve()

    def _serve(self) -> None:
        data, at, size = self._in, 0, len(self._in)
        handlers = self.handlers
        answers = b""
        while size - at >= 16:
            command, p1, p2, length = FRAME.unpack_from(data, at)
            if length >= MAX_EXTENSION:
                self.host.drop(self)
                return
            end = at + 16 + length
            if end > size:
                break
            handler = handlers.get(command)
            result = Err.UNKNOWN_COMMAND if handler is None else handler(self, p1, p2, data[at + 16 : end])
            at = end
            if isinstance(result, bytes):
                answer = FRAME.pack(command, p1, p2, len(result)) + result
            else:
                answer = FRAME.pack(command, p1, p2, result & _WORD)
            if self._held:
                self._kept = answer
                break
            answers = answers + answer if answers else answer
        self._in = data[at:] if at < size else b""
        if answers:
            self.send(answers if self.host.spoil is None else self.host.spoil(answers))
