"""One pigpio client: takes requests from its socket, in whatever pieces they come, and answers them in order."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from hw.mock.protocol import FRAME, MAX_EXTENSION, Err
from hw.mock.work import Handler, Result, Time, Work

_RECEIVE: Final = 4_096
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
    delay_us: int
    """Every answer comes so much later."""

    @property
    def timeline(self) -> Time: ...

    def stir(self) -> None:
        """What was sent or received has changed."""

    def reported(self, connection: Connection) -> None:
        """Something was sent that nobody asked for."""

    def watch(self, fd: int, events: int) -> None: ...

    def ignore(self, fd: int) -> None:
        """Looks at a descriptor no more."""

    def release_at(self, connection: Connection, tick: int) -> None:
        """Calls ``release`` at a tick; until then the client waits for its answer."""


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
        self.process: int | None = None
        """The client's process, once it was found."""
        self._work: Work | None = None
        self._head = (0, 0, 0)
        self._ended = False
        self._due = False
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
            self._end()
            return
        self.received += len(data)
        self.host.stir()
        self._in = self._in + data if self._in else data
        if self._work is None and not self.host.hung:
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
        self.host.stir()
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

    def report(self, data: bytes) -> None:
        """Sends what was not asked for."""
        self.send(data)
        self.host.reported(self)

    def release(self) -> None:
        """The command at work goes on; once it has ended, its answer and all later requests follow."""
        if self._work is None:
            return
        if self.host.hung:
            self._due = True
            return
        result = self._go_on(self._work)
        if result is None:
            return
        self._work = None
        self._reply(_answer(*self._head, result))
        if not self.closed:
            self._serve()
            if self._ended:
                self._end()

    def thaw(self) -> None:
        """The daemon hangs no more: what fell due meanwhile goes on, and what came is answered."""
        if self._due:
            self._due = False
            self.release()
        elif self._work is None and not self.closed:
            self._serve()

    def _go_on(self, work: Work) -> Result | None:
        """Has a command go on: its result, or None if it needs more time."""
        try:
            tick = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        self.host.release_at(self, tick)
        return None

    def _end(self) -> None:
        """The client is gone. The daemon finds out when it has answered everything: a command at work is finished."""
        if self._work is None:
            self.host.drop(self)
        else:
            self._ended = True
            self.host.ignore(self.sock.fileno())

    def _serve(self) -> None:
        data, at, size = self._in, 0, len(self._in)
        handlers, host = self.handlers, self.host
        answers: list[bytes] = []
        pack, unpack = FRAME.pack, FRAME.unpack_from
        while size - at >= 16:
            command, p1, p2, length = unpack(data, at)
            if length >= MAX_EXTENSION:
                host.drop(self)
                return
            end = at + 16 + length
            if end > size:
                break
            handler = handlers.get(command)
            result = Err.UNKNOWN_COMMAND if handler is None else handler(self, p1, p2, data[at + 16 : end])
            at = end
            if host.delay_us:
                result = _late(result, host.timeline, host.delay_us)
            if isinstance(result, int):  # nearly all
                answers.append(pack(command, p1, p2, result & _WORD))
                continue
            if not isinstance(result, bytes):
                work, ended = result, self._go_on(result)
                if ended is None:
                    self._work, self._head = work, (command, p1, p2)
                    break
                result = ended
            answers.append(_answer(command, p1, p2, result))
        self._in = data[at:] if at < size else b""
        if answers:
            self._reply(b"".join(answers))

    def _reply(self, answers: bytes) -> None:
        self.send(answers if self.host.spoil is None else self.host.spoil(answers))


def _late(result: Result | Work, time: Time, us: int) -> Work:
    ended = result if isinstance(result, (int, bytes)) else (yield from result)
    yield time.soon(us)
    return ended


def _answer(command: int, p1: int, p2: int, result: Result) -> bytes:
    if isinstance(result, int):
        return FRAME.pack(command, p1, p2, result & _WORD)
    return FRAME.pack(command, p1, p2, len(result)) + result
