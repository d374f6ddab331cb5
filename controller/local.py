"""The socket by which a person at the device speaks to the running app: who can reach it, sits at the device.

``app.sock`` (SOCK_SEQPACKET, mode 0600) in the app's runtime folder; one JSON object each way. The kernel says whose
process is at the other end; only the app's own user and root are answered.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from safety.errors import PelviStimError
from safety.link import MESSAGE_MAX_BYTES, runtime_roots

APP_SOCKET: Final = "app.sock"
PATIENCE_S: Final = 10.0


class LocalError(PelviStimError, ConnectionError):
    """``code``: ``app_absent``, ``app_several``, ``app_silent``, or what the app refused."""


class LocalServer:
    """Answers in a thread of its own. ``answer`` gets the request and gives the answer, or raises PelviStimError."""

    def __init__(self, folder: Path, answer: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self._answer = answer
        self._path = folder / APP_SOCKET
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        before = os.umask(0o177)
        try:
            self._socket.bind(str(self._path))
        finally:
            os.umask(before)
        self._socket.listen(4)
        self._thread = threading.Thread(target=self._serve, name="local", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Takes no more requests."""
        self._path.unlink(missing_ok=True)
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # it was shut
            while True:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(PATIENCE_S)
                    if _is_ours(connection):
                        connection.send(self._reply(connection.recv(MESSAGE_MAX_BYTES)))

    def _reply(self, data: bytes) -> bytes:
        try:
            request = json.loads(data)
            if not isinstance(request, dict):
                raise LocalError("not a request", code="request_invalid")
            told = {"ok": True, **self._answer(request)}
        except PelviStimError as error:
            told = {"ok": False, "code": error.code, "detail": str(error)}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            told = {"ok": False, "code": "request_invalid", "detail": str(error)}
        return json.dumps(told).encode()


def _is_ours(connection: socket.socket) -> bool:
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return uid in (0, os.getuid())


def running_app() -> Path:
    """The runtime folder of the one app of this user. Raises LocalError ``app_absent`` or ``app_several``."""
    found = []
    for root in runtime_roots():
        with contextlib.suppress(OSError):
            if root.stat().st_uid in (0, os.getuid()):
                found += [path.parent for path in sorted(root.glob(f"*/{APP_SOCKET}")) if _answers(path)]
    if len(found) > 1:
        raise LocalError(f"several apps run here: {', '.join(map(str, found))}", code="app_several")
    if not found:
        raise LocalError("no app is running here", code="app_absent")
    return found[0]


def _answers(path: Path) -> bool:
    """Whether an app listens there; one that was killed leaves its socket behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as trial:
        try:
            trial.connect(str(path))
        except OSError:
            return False
        return True


def ask(folder: Path, **request: object) -> dict[str, Any]:
    """One request to the app in this folder. Raises LocalError with the app's code when it says no."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(PATIENCE_S)
        try:
            connection.connect(str(folder / APP_SOCKET))
            connection.send(json.dumps(request).encode())
            told: dict[str, Any] = json.loads(connection.recv(MESSAGE_MAX_BYTES))
        except (OSError, ValueError) as error:
            raise LocalError(f"the app in {folder} does not answer: {error}", code="app_silent") from None
    if not told.pop("ok"):
        raise LocalError(told["detail"], code=told["code"])
    return told
