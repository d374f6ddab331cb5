"""What the guard asks of the operating system, and what it tells systemd.

A turn of its own on the processor and memory that is never paged out, where that is permitted; and the words for
"ready" and "still well", so that a guard that hangs is ended by somebody else's clock. (Its output has ended long
before that: by the dead-man and by KEEPALIVE.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import socket
from collections.abc import Callable, Mapping
from typing import Final

PRIORITY: Final = 50
"""Of SCHED_FIFO, 1 to 99: before every ordinary process, not before the kernel's own work (interrupt threads have 50
too, and are served in turn). ours."""
_CURRENT_AND_FUTURE: Final = 1 | 2
"""MCL_CURRENT and MCL_FUTURE of Linux's mman.h."""
FEEDS_A_TIMEOUT: Final = 3
"""systemd advises half of its time-out (sd_watchdog_enabled(3)); a third leaves room for one check that is late."""

_UNHEARD: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
"""A manager that does not read is not waited for."""


def real_time() -> str:
    """First in turn, all memory locked, as far as that is permitted. Threads that start later have the same.

    Gives the line that says what was had. Not for a guard on a simulator's clock: no check of it is due at any moment
    of the wall's time, it runs as fast as it can, and would take a processor away from all else on somebody's machine.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
        turn = f"real-time priority {PRIORITY}"
    except OSError as error:
        turn = f"real-time priority not permitted: {error.strerror}"
    return f"{turn}, {_lock_memory()}"


def _lock_memory() -> str:
    """Not under a limit, even one that would do now: the first page beyond it would end the guard later."""
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limit != resource.RLIM_INFINITY and os.geteuid() != 0:
        return f"memory not locked: not permitted beyond {limit} bytes"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_CURRENT_AND_FUTURE):
        return f"memory not locked: not permitted: {os.strerror(ctypes.get_errno())}"
    return "memory locked"


class Systemd:
    """The service manager that started this process, if one did (``environment``). Never waits, never raises.

    ``now_us``: the wall's time, by any clock that only goes forward.
    """

    def __init__(self, environment: Mapping[str, str], now_us: Callable[[], int]) -> None:
        address, self._now_us = environment.get("NOTIFY_SOCKET", ""), now_us
        self._address = "\0" + address[1:] if address.startswith("@") else address
        timeout = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        self._every_us = int(timeout) // FEEDS_A_TIMEOUT if timeout.isdecimal() and mine else None
        self._next_us = now_us()
        self._status = ""

    def ready(self, status: str) -> None:
        """The guard serves. ``status``: a line for people, as ``systemctl status`` shows it."""
        self._tell(f"READY=1\nSTATUS={status}")

    def checked(self, status: str) -> None:
        """A check was completed: feeds the watchdog when that is due, and tells a status that is another than last."""
        now, words = self._now_us(), []
        if self._every_us is not None and now >= self._next_us:
            self._next_us = now + self._every_us
            words.append("WATCHDOG=1")
        if status != self._status:
            self._status = status
            words.append(f"STATUS={status}")
        if words:
            self._tell("\n".join(words))

    def _tell(self, words: str) -> None:
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, _UNHEARD) as sender:
                sender.sendto(words.encode(), self._address)
