"""The socket of a pigpio client: connecting with time-outs, and several commands sent in one piece.

The pigpio client has no time-outs of its own, and asks for one thing at a time. Here a time-out is put on its socket,
and a burst of commands costs one round trip. Whatever goes wrong becomes one of two errors.
"""

from __future__ import annotations

import atexit
import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import pigpio

from safety.errors import BoardError

WORDS: Final = struct.Struct("<4I")
_ANSWER: Final = struct.Struct("<I8xi")
"""A command is four words (number, p1, p2, length of what follows), and so is an answer: it repeats the number, and
its last word is the result."""
_MOST: Final = 1 << 12
"""Bytes taken at once: a burst is answered in less, and room for more costs time whether it is used or not."""

_Result = TypeVar("_Result")
Commands = Sequence[tuple[int, int, int, bytes]]
"""Commands: (number, p1, p2, what follows)."""


class Command:
    """Numbers in pigpio's socket protocol of the commands that are sent as they stand."""

    SET_MODE = 0
    MODE = 1
    WRITE = 4
    BANK = 10
    CLEAR_BANK = 12
    SET_BANK = 14
    TICK = 16
    NOTIFY = 19
    ADD = 28
    HALT = 33
    MICROS = 34
    PULSES = 35
    SCRIPT_DELETE = 39
    SCRIPT_RUN = 40
    SCRIPT_STATUS = 45
    DELETE = 50
    NEW = 53
    SPI_CLOSE = 72
    SPI_XFER = 75
    NOTIFY_HERE = 99
    SEND_IN_MODE = 100
    PLAYING = 101
    SCRIPT_UPDATE = 117
    CREATE_AND_PAD = 118


_WITH_DATA: Final = frozenset((Command.SCRIPT_STATUS, Command.SPI_XFER))
"""Their result, where it is above 0, is the number of bytes that follow the answer."""


SCRIPT_RUNNING: Final = 2
"""The first word of a script's status while it runs."""


class DaemonLost(BoardError):
    """The daemon did not answer in time, or not in a way that makes sense. Its replies can no longer be trusted."""

    code = "daemon_lost"


class NotAsApproved(BoardError):
    """The daemon holds, or plays, something else than what was handed to it: another client, or a fault."""

    code = "not_what_was_approved"


def connect(host: str, port: int, timeout_s: float) -> Any:
    """A pigpio client connection with a time-out on each call. Raises DaemonLost.

    The client waits for ever while it connects, so the daemon is asked for its tick first, with a time-out.
    """
    with dial(host, port, timeout_s) as probe:
        ask(probe, Command.TICK)
    client = pigpio.pi(host, port, show_errors=False)
    if not client.connected:
        raise DaemonLost(f"no pigpio daemon at {host}:{port}; start it, or use --board sim")
    end_callbacks(client, timeout_s)
    limit_calls(client, timeout_s)
    atexit.unregister(client.stop)  # else each client that a stop broke would be kept for as long as this process lives
    return client


def end_callbacks(client: Any, timeout_s: float) -> None:
    """Ends the thread and the connection on which a pigpio client waits for callbacks. Raises DaemonLost.

    Nothing here has callbacks, and once its daemon has died this thread would spin for as long as the process lives.
    What the client's own ``stop`` does later is right all the same: it asks a thread that has not ended to end.
    """
    thread = client._notify
    thread.go = False
    with contextlib.suppress(OSError):
        thread.sl.s.shutdown(socket.SHUT_RDWR)
    thread.join(timeout_s)
    if thread.is_alive():
        raise DaemonLost("the client's callback thread does not end")


def dial(host: str, port: int, timeout_s: float) -> socket.socket:
    """A bare connection to the daemon, for those who need one without a client. Raises DaemonLost."""
    try:
        return socket.create_connection((host, port), timeout_s)
    except OSError as error:
        raise DaemonLost(f"no pigpio daemon at {host}:{port}: {error}") from error


def ask(connection: socket.socket, command: int, p1: int = 0, p2: int = 0) -> int:
    """One command on a bare connection; gives its result, signed. Raises DaemonLost."""
    try:
        connection.sendall(WORDS.pack(command, p1, p2, 0))
        answer = connection.recv(WORDS.size, socket.MSG_WAITALL)
    except OSError as error:
        raise DaemonLost(f"the pigpio daemon does not answer: {error}") from error
    if len(answer) != WORDS.size or _ANSWER.unpack(answer)[0] != command:
        raise DaemonLost(f"the pigpio daemon answers {answer!r}")
    return int(_ANSWER.unpack(answer)[1])


def open_handle(host: str, port: int, timeout_s: float) -> tuple[socket.socket, int]:
    """A bare connection with a notification handle, which ends with it. Raises DaemonLost; NotAsApproved when all
    handles are taken."""
    connection = dial(host, port, timeout_s)
    try:
        handle = ask(connection, Command.NOTIFY_HERE)
        if handle < 0:
            raise NotAsApproved(f"the daemon gives no notification handle: {handle}")
    except BoardError:
        connection.close()
        raise
    return connection, handle


def limit_calls(client: Any, timeout_s: float) -> None:
    """Puts a time-out on every call of a pigpio client, in the kernel: one system call fewer than Python's own."""
    limit = struct.pack("@ll", int(timeout_s), int(timeout_s % 1 * 1_000_000))
    client.sl.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    client.sl.s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def asked(call: Callable[..., _Result], *args: object) -> _Result:
    """One call to the daemon; whatever the client raises for a lost daemon becomes DaemonLost."""
    try:
        return call(*args)
    except pigpio.error as error:
        raise NotAsApproved(f"{getattr(call, '__name__', call)}{args}: {error}") from error
    except (OSError, struct.error, AttributeError, TypeError) as error:
        raise DaemonLost(f"{getattr(call, '__name__', call)}: {error!r}") from error


def burst(client: Any, commands: Commands) -> list[int]:
    """Sends commands in one piece over a client's own socket, under its lock; gives their results, signed."""
    return exchange(client, commands)[0]


def exchange(client: Any, commands: Commands) -> tuple[list[int], list[bytes]]:
    """``burst``, and the data of those answers that have some, in order. Raises OSError; see ``asked``.

    The daemon takes commands from a stream, one after another, and answers each in order. An answer to another command,
    or more than was asked for, means that a late one was left in the stream: nothing on it can be believed any more.
    """
    sent = b"".join([WORDS.pack(command, p1, p2, len(ext)) + ext for command, p1, p2, ext in commands])
    results, found, at = [], [], 0
    with client.sl.l:
        receive = client.sl.s.recv
        client.sl.s.sendall(sent)
        answers = receive(_MOST)
        for command, _, _, _ in commands:
            while len(answers) < at + 16:
                answers += _some(receive(_MOST))
            answered, result = _ANSWER.unpack_from(answers, at)
            if answered != command:
                raise ConnectionError(f"command {command} was answered as {answered}")
            at += 16
            results.append(result)
            if result > 0 and command in _WITH_DATA:
                while len(answers) < at + result:
                    answers += _some(receive(_MOST))
                found.append(answers[at : at + result])
                at += result
    if at != len(answers):
        raise ConnectionError(f"{len(answers) - at} bytes more than were asked for")
    return results, found


def _some(data: bytes) -> bytes:
    if not data:
        raise ConnectionError("the daemon closed the connection")
    return data
