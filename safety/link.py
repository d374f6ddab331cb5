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
import threading
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from hw.clock import Clock
from safety.errors import LinkError

GUARD_SOCKET: Final = "guard.sock"
STOP_SOCKET: Final = "stop.sock"
GUARD_LOCK: Final = "guard.lock"
"""Held for life by the guard that runs in the folder."""
TAKEN: Final = "guard_taken"
"""The code of the one message that a second app gets, before its connection is closed."""
STOP_COUNTED: Final = b"stop, counted"
"""A stop from a process that keeps a tally of what it sends (virtual clock); any other content stops just the same."""
SYSTEM_ROOT: Final = Path("/run/pelvistim")
"""Where the runtime folders of an installed guard and app are (deploy/); the folder itself is root's."""
RUNTIME_ROOT_MAX_BYTES: Final = 83
"""The address of a Unix socket has 107 bytes, and a run's own folder and the socket's name must fit behind this."""
MESSAGE_MAX_BYTES: Final = 192 * 1024
"""The largest is a programme of 64 KiB, which quoting may double; a socket's ordinary buffer of 208 KiB holds it."""
REQUEST_TIMEOUT_S: Final = 10.0
"""Wall time for one answer. The guard answers at once; only a start waits for a disk."""
CHUNK_HEADER: Final = struct.Struct("<cxxxIIq")
CHUNK_MARK: Final = b"C"

Message = dict[str, Any]
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def encode(message: Message) -> bytes:
    """A message as it goes over the link. What UTF-8 cannot hold (half a surrogate pair) goes as JSON's own escape."""
    return _encode(message).encode("utf-8", "backslashreplace")


def decode(data: bytes) -> Message:
    """A message as it came. Raises LinkError for anything but a JSON object with a ``type``."""
    try:
        message = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise LinkError(f"not a message: {error}", code="link_malformed") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise LinkError("not a message with a type", code="link_malformed")
    return message


def receive_whole(connection: socket.socket) -> bytes:
    """One message of a link, empty when the other end has gone. Raises LinkError when it was too long and was cut, so
    that nobody takes a part for the whole; OSError as ``recv`` does.
    """
    data, _, flags, _ = connection.recvmsg(MESSAGE_MAX_BYTES)
    if flags & socket.MSG_TRUNC:
        raise LinkError(f"a message of more than {MESSAGE_MAX_BYTES} bytes was cut", code="link_truncated")
    return data


@cache
def build_id() -> str:
    """Hash over the guard's own source files: app and guard must come from one build."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def runtime_root() -> Path:
    """The folder in which this user's guards get their runtime folders when they are started from here."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    private = [Path(base) / "pelvistim"] if base and os.access(base, os.W_OK) else []
    for folder in (*private, Path(tempfile.gettempdir()) / _user()):
        if len(os.fsencode(folder)) <= RUNTIME_ROOT_MAX_BYTES:
            return folder
    return Path("/tmp") / _user()


def runtime_roots() -> list[Path]:
    """Every folder in which guards of this user may be, also those started from another shell, and the installed one: a
    stop looks in all that are this user's or root's."""
    bases = (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}")
    private = [Path(base) / "pelvistim" for base in bases if base]
    shared = [Path(tempfile.gettempdir()) / _user(), Path("/tmp") / _user(), SYSTEM_ROOT]
    return list(dict.fromkeys([*private, *shared]))


def _user() -> str:
    return f"pelvistim-{os.getuid()}"


class TimeLimit:
    """Ends a clock's wait after so much wall time, whoever owns the clock's own."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.passed = False
        self._clock = clock
        self._reader, self._writer = os.pipe()
        self._timer = threading.Timer(seconds, self._pass)

    def _pass(self) -> None:
        self.passed = True
        os.write(self._writer, b"t")

    def __enter__(self) -> TimeLimit:
        self._clock.watch(self._reader)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        self._clock.unwatch(self._reader)
        os.close(self._reader)
        os.close(self._writer)


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
        self.latest: Message = {}
        """The last message that told where the guard stands, whoever waited for it."""
        self.woken: Callable[[], None] = lambda: None
        """Called when something else than the guard or the time ended a wait, so that it does not end the next too."""
        self._sending = threading.Lock()
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
        """Sends a message and gives its number; may be called by any thread, all else here by one."""
        with self._sending:
            self._numbers += 1
            number = self._numbers
            self._out(encode({"type": type_, "id": number, **fields}))
        return number

    def send_chunk(self, number: int, start_us: int, revision: int, pulses: bytes) -> None:
        """Sends one chunk for the gate to judge."""
        with self._sending:
            self._out(CHUNK_HEADER.pack(CHUNK_MARK, revision, number, start_us) + pulses)

    def request(self, type_: str, **fields: object) -> Message:
        """Sends a message and waits for its answer; what else arrives meanwhile is kept for ``receive``.

        Raises LinkError when none comes within REQUEST_TIMEOUT_S of wall time: then the guard hangs.
        """
        number = self.send(type_, **fields)
        with self.limit(REQUEST_TIMEOUT_S) as limit:
            while not limit.passed:
                for message in self._arrived(None):
                    if message.get("re") == number:
                        return message
                    self._waiting.append(message)
        raise LinkError(f"the guard gave no answer to {type_} within {REQUEST_TIMEOUT_S:g} s", code="guard_silent")

    def receive(self, until_us: int | None = None) -> Message | None:
        """The next message; None when ``until_us`` passed or something else woke the wait."""
        if not self._waiting:
            self._waiting.extend(self._arrived(until_us))
        return self._waiting.popleft() if self._waiting else None

    def forget(self) -> None:
        """Drops the messages that came while an answer was waited for."""
        self._waiting.clear()

    def now(self) -> int:
        """The present time in us on the app's clock."""
        return self._clock.now()

    def limit(self, seconds: float) -> TimeLimit:
        """Ends waits, and says that it ``passed``, after so much wall time; to be used in a ``with``."""
        return TimeLimit(self._clock, seconds)

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
        if self._socket.fileno() >= 0:
            self._clock.unwatch(self._socket.fileno())
            self._clock.drop(self._channel)
            self._socket.close()

    def _out(self, data: bytes) -> None:
        if len(data) > MESSAGE_MAX_BYTES:
            words = f"a message of {len(data)} bytes; allowed: {MESSAGE_MAX_BYTES}"
            raise LinkError(words, code="link_too_long")
        try:
            self._socket.send(data)
        except (BrokenPipeError, ConnectionResetError):
            return  # it has gone, and whoever reads on hears first what it told last, then that
        except OSError as error:
            raise LinkError(f"the guard has gone: {error}", code="guard_lost") from None
        self._tally.sent += 1

    def _arrived(self, until_us: int | None) -> list[Message]:
        ready = self._clock.wait(until_us)
        if self._socket.fileno() not in ready:
            if ready:
                self.woken()
            return []
        try:
            try:
                data = receive_whole(self._socket)
            except ConnectionResetError:  # it closed before it read all; what it sent before that is still there
                data = receive_whole(self._socket)
        except LinkError:
            raise
        except OSError as error:
            raise LinkError(f"the guard has gone: {error}", code="guard_lost") from None
        if not data:
            raise LinkError("the guard has gone", code="guard_lost")
        self._tally.received += 1
        message = decode(data)
        if message.get("code") == TAKEN:
            raise LinkError("another app has the guard: one at a time", code=TAKEN)
        if "revision" in message:
            self.latest = message
        return [message]


class StopAsked:
    """A stop on its way to the guard in ``folder``: sent when this is made, so that many can be asked before any is
    waited for. Needs no role and no app. Raises LinkError when it cannot be delivered.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.bind("")  # an abstract address of its own, to be answered at
            self._socket.setblocking(False)
            self._socket.sendto(b"stop", str(folder / STOP_SOCKET))
        except OSError as error:
            self._socket.close()
            raise LinkError(f"the stop was not taken in {folder}: {error}", code="stop_not_taken") from None

    def fileno(self) -> int:
        """What becomes readable when the answer is there."""
        return self._socket.fileno()

    def answer(self, timeout_s: float) -> Message:
        """What the guard confirmed: ``{"confirmed": bool, "elapsed_us": int}``. Raises LinkError without an answer."""
        with self._socket as asked:
            asked.settimeout(timeout_s)
            try:
                return decode(receive_whole(asked))
            except OSError as error:
                raise LinkError(f"no answer from {self._folder}: {error}", code="stop_not_confirmed") from None


def stop_guard(folder: Path, timeout_s: float) -> Message:
    """Asks the guard in ``folder`` to stop and waits for what it confirmed, as ``StopAsked`` does."""
    return StopAsked(folder).answer(timeout_s)
