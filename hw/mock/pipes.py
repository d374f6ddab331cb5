"""Pipes for notifications (NO): files ``pigpioN`` on the daemon's machine, in ``/dev`` on a Pi.

A client elsewhere has no use for them. What does not fit into one is lost, as on the real daemon.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path


class Pipe:
    """One pipe, open for reading too, so that there need not be a reader."""

    def __init__(self, path: Path) -> None:
        """Makes it; raises OSError. One that a killed daemon left is taken away, one that somebody uses is not."""
        if path.is_fifo() and not _is_used(path):
            path.unlink()
        os.mkfifo(path, 0o664)
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def send(self, data: bytes) -> None:
        with suppress(BlockingIOError):
            os.write(self._fd, data)

    def close(self) -> None:
        """Removes it."""
        os.close(self._fd)
        self._path.unlink(missing_ok=True)


def _is_used(path: Path) -> bool:
    """Whether anybody has a pipe open for reading, as its daemon has."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.errno != errno.ENXIO
    return True
