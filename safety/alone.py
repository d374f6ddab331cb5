"""One guard: locks that are held for life on its runtime folder, its state folder and the daemon it drives."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path
from typing import Any

from safety import link
from safety.errors import LinkError


def alone(runtime: Path, state: Path, host: str, port: int) -> tuple[Any, ...]:
    """Takes all three, and clears away the sockets of a guard that died. They are free again when the result is gone or
    closed.

    Raises LinkError when another guard holds one of them. The daemon is known by its address in this machine's own
    network: a guard elsewhere that drives the same daemon is not seen by this.
    """
    locks = [_folder(folder) for folder in dict.fromkeys((runtime.resolve(), state.resolve()))]
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        where = f"{socket.gethostbyname(host)}:{port}"
        daemon.bind(f"\0pelvistim guard of {where}")
    except OSError as error:
        daemon.close()
        raise LinkError(f"another guard drives the daemon at {host}:{port}, or {error}", code="guard_present") from None
    for name in (link.GUARD_SOCKET, link.STOP_SOCKET):
        (runtime / name).unlink(missing_ok=True)
    return (*locks, daemon)


def _folder(folder: Path) -> Any:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (folder / link.GUARD_LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise LinkError(f"another guard runs in {folder}; stop it first", code="guard_present") from None
    return lock
