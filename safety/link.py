"""The link by which others reach the guard: two Unix sockets in its runtime folder.

``guard.sock`` (SOCK_SEQPACKET): one app at a time; each message is a JSON object, or a chunk (binary, below).
``stop.sock`` (SOCK_DGRAM): a stop. Any datagram stops, whoever sent it; the answer tells what was confirmed.

Chunk: ``CHUNK_HEADER`` (mark, set-point revision, number, session time in us) and then the pulse list, entries of three
little-endian 32-bit words (set, clear, delay in us), exactly as pigpio will get it.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import tempfile
from collections import deque
from functools import cache
from pathlib import Path
from typing import Any, Final

from hw.clock import Clock
from safety.errors import LinkError

GUARD_SOCKET: Final = "guard.sock"
STOP_SOCKET: Final = "stop.sock"
STOP_COUNTED: Final = b"stop, counted"
"""A stop from a process that keeps a tally of what it sends (virtual clock); any other content stops just the same."""
RUNTIME_ROOT_MAX_BYTES: Final = 83
"""The address of a Unix socket has 107 bytes, and a run's own folder and the socket's name must fit behind this."""
MESSAGE_MAX_BYTES: Final = 1 << 17
CHUNK_HEADER: Final = struct.Struct("<cxxxIIq")
CHUNK_MARK: Final = b"C"

Message = dict[str, Any]
_encode = json.JSONEncoder(separators=(",", ":")).encode


def encode(message: Message) -> bytes:
    """A message as it goes over the link."""
    return _encode(message).encode()


def decode(data: bytes) -> Message:
    """A message as it came. Raises LinkError for anything but a JSON object with a ``type``."""
    try:
        message = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise LinkError(f"not a message: {error}", code="link_malformed") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise LinkError("not a message with a type", code="link_malformed")
    return message


@cache
def build_id() -> str:
    """Hash over the guard's own source files: app and guard must come from one build."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def runtime_root() -> Path:
    """The folder in which this user's guards have their runtime folders (``pelvistim stop`` looks through it)."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    private = [Path(base) / "pelvistim"] if base and os.access(base, os.W_OK) else []
    user = f"pelvistim-{os.getuid()}"
    for folder in (*private, Path(tempfile.gettempdir()) / user):
        if len(os.fsencode(folder)) <= RUNTIME_ROOT_MAX_BYTES:
            return folder
    return Path("/tmp") / user


class GuardLink:
    """The app's end. ``folder`` is the guard's runtime folder; ``clock`` the app's clock.

    Raises LinkError when the guard is not there, is of another build, or goes away.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.connect(str(folder / GUARD_SOCKET))
        except OSError as error:
            self._socket.close()
            raise LinkError(f"no guard in {folder}: {error}", code="guard_absent") from None
        self._stop_path = str(folder / STOP_SOCKET)
        self._waiting: deque[Message] = deque()
        self._numbers = 0
        channel = f"link:{os.getpid()}-{self._socket.fileno()}"
        self._channel = channel
        self._tally = clock.tally(channel)
        self._stop_tally = clock.tally(f"dgram:{self._stop_path}")
        clock.watch(self._socket.fileno())
        try:
            self.welcome = self.request("hello", build=build_id(), channel=channel)
        except LinkError:
            self.close()
            raise

    def send(self, type_: str, **fields: object) -> int:
        """Sends a message and gives its number."""
        self._numbers += 1
        self._out(encode({"type": type_, "id": self._numbers, **fields}))
        return self._numbers

    def send_chunk(self, number: int, start_us: int, revision: int, pulses: bytes) -> None:
        """Sends one chunk for the gate to judge."""
        self._out(CHUNK_HEADER.pack(CHUNK_MARK, revision, number, start_us) + pulses)

    def request(self, type_: str, **fields: object) -> Message:
        """Sends a message and waits for its answer; what else arrives meanwhile is kept for ``receive``."""
        number = self.send(type_, **fields)
        while True:
            for message in self._arrived(None):
                if message.get("re") == number:
                    return message
                self._waiting.append(message)

    def receive(self, until_us: int | None = None) -> Message | None:
        """The next message; None when ``until_us`` passed or something else woke the wait."""
        if not self._waiting:
            self._waiting.extend(self._arrived(until_us))
        return self._waiting.popleft() if self._waiting else None

    def forget(self) -> None:
        """Drops the messages that came while an answer was waited for."""
        self._waiting.clear()

    def sleep(self, duration_us: int) -> None:
        """Lets time pass; what arrives meanwhile is kept for ``receive``."""
        until_us = self._clock.now() + duration_us
        while self._clock.now() < until_us:
            self._waiting.extend(self._arrived(until_us))

    def stop(self) -> None:
        """Asks for an immediate stop; never waits. The guard's next messages tell what came of it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(STOP_COUNTED, self._stop_path)
            except OSError as error:
                raise LinkError(f"the stop was not taken: {error}", code="stop_not_taken") from None
        self._stop_tally.sent += 1

    def close(self) -> None:
        """Leaves. A guard whose app leaves during a session stops at once."""
        self._clock.unwatch(self._socket.fileno())
        self._clock.drop(self._channel)
        self._socket.close()

    def _out(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError as error:
            raise LinkError(f"the guard has gone: {error}", code="guard_lost") from None
        self._tally.sent += 1

    def _arrived(self, until_us: int | None) -> list[Message]:
        if self._socket.fileno() not in self._clock.wait(until_us):
            return []
        try:
            data = self._socket.recv(MESSAGE_MAX_BYTES)
        except OSError as error:
            raise LinkError(f"the guard has gone: {error}", code="guard_lost") from None
        if not data:
            raise LinkError("the guard has gone", code="guard_lost")
        self._tally.received += 1
        return [decode(data)]


def stop_guard(folder: Path, timeout_s: float) -> Message:
    """Asks the guard in ``folder`` to stop and waits for what it confirmed: ``{"confirmed": bool, "elapsed_us": int}``.

    Needs no role and no app. Raises LinkError when nobody answers in time.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.bind("")  # an abstract address of its own, to be answered at
        sender.settimeout(timeout_s)
        try:
            sender.sendto(b"stop", str(folder / STOP_SOCKET))
            return decode(sender.recv(MESSAGE_MAX_BYTES))
        except OSError as error:
            raise LinkError(f"no answer to the stop from {folder}: {error}", code="stop_not_confirmed") from None
