"""How the app gets at its guard: one of its own on a simulated board, or the one that runs as a service."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.launch import BUSY_MACHINE, SimulatedBoard
from hw.clock import Clock, WallClock
from safety.errors import InputRefused, Problem
from safety.link import GuardLink

DAEMON: Final = ("127.0.0.1", 8888)
"""Where a real pigpio daemon listens."""
DAEMON_TIMEOUT_S: Final = 1.0


@dataclass(frozen=True)
class Guarded:
    """The guard's runtime folder, the app's clock beside it, and how a link to it is made."""

    folder: Path
    clock: Clock
    connect: Callable[[], GuardLink]
    simulated: bool


def simulated(runtime: Path, state: Path, after: contextlib.ExitStack, *, real_time: bool) -> Guarded:
    """A simulated board with a guard of its own, which is started again when it has ended. Its time is the wall's, and
    but for ``real_time`` waits for the guard on a busy machine.
    """
    new = not state.exists() or not any(state.iterdir())
    board = SimulatedBoard(runtime, state, new_state=new, speed=1, elastic=not real_time)
    after.callback(board.close)
    if board.late_when_busy:
        print(BUSY_MACHINE, file=sys.stderr)

    def connect() -> GuardLink:
        board.revive_guard()
        return GuardLink(runtime, board.clock)

    return Guarded(runtime, board.clock, connect, simulated=True)


def installed(folder: Path, daemon: tuple[str, int] = DAEMON) -> Guarded:
    """The guard that runs as a service. Raises InputRefused when this process reaches the daemon itself: then it could
    drive the pins past the guard, and so could whatever takes it over."""
    with contextlib.suppress(OSError), socket.create_connection(daemon, DAEMON_TIMEOUT_S):
        words = "the port of the pigpio daemon is open to this user"
        advice = "Start pelvistim-firewall; sudo pelvistim doctor tells more."
        raise InputRefused("serve", (Problem("port_open", "", "daemon", words, "closed to all but the guard", advice),))
    clock = WallClock()
    return Guarded(folder, clock, lambda: GuardLink(folder, clock), simulated=False)
