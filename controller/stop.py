"""``pelvistim stop``: asks every guard of this user to stop at once, and says what each of them confirmed."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
import time
from pathlib import Path

from controller.causes import NOT_CONFIRMED
from controller.interrupts import INTERRUPTS
from safety.errors import LinkError
from safety.link import GUARD_LOCK, GUARD_SOCKET, STOP_SOCKET, StopAsked, runtime_roots

TIMEOUT_S = 1.0
"""Wall time within which all that were asked must have confirmed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``stop`` needs nothing."""
    del parser


def main(_: argparse.Namespace) -> int:
    """Exit 0 when every guard that was found confirmed its output off, 3 when one did not; says so of each."""
    INTERRUPTS.does(None, NOT_CONFIRMED)
    asked: dict[Path, StopAsked | LinkError] = {}
    for folder in _folders():
        try:
            asked[folder] = StopAsked(folder)
        except LinkError as error:
            asked[folder] = error
    until = time.monotonic() + TIMEOUT_S
    told = [_tell(folder, stop, until) for folder, stop in asked.items()]  # all were asked before any is waited for
    if True not in told and False not in told:
        print("No session is running here.")
    if False in told:
        print(NOT_CONFIRMED, file=sys.stderr)
        return 3
    return 0


def _folders() -> list[Path]:
    """Where a guard of this user runs, or ran: in every place that a guard may have chosen."""
    found: set[Path] = set()
    for root in runtime_roots():
        with contextlib.suppress(OSError):
            if root.stat().st_uid in (0, os.getuid()):
                found.update(path.parent for name in (STOP_SOCKET, GUARD_LOCK) for path in root.glob(f"*/{name}"))
    return sorted(found)


def _tell(folder: Path, stop: StopAsked | LinkError, until: float) -> bool | None:
    """Whether the guard in ``folder`` confirmed its output off; None when no guard runs there any more."""
    try:
        if isinstance(stop, LinkError):
            raise stop
        answer = stop.answer(max(0.05, until - time.monotonic()))
    except LinkError as error:
        if _cleared(folder):
            return None
        print(f"{folder.name}: output NOT confirmed off: {error}", file=sys.stderr)
        return False
    word = "output confirmed off" if answer["confirmed"] else "output NOT confirmed off"
    print(f"{folder.name}: {word} after {answer['elapsed_us'] / 1000:.1f} ms")
    return bool(answer["confirmed"])


def _cleared(folder: Path) -> bool:
    """Whether no guard runs there: its lock, which it holds for life, is free. Sockets it left are cleared away."""
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context((folder / GUARD_LOCK).open())
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held while clearing, so that no new guard comes between
        except FileNotFoundError:
            pass  # without its lock no guard begins to make sockets
        except OSError:
            return False
        left = [path for path in (folder / GUARD_SOCKET, folder / STOP_SOCKET) if path.is_socket()]
        for path in left:
            path.unlink(missing_ok=True)
    if left:
        print(f"{folder}: no guard runs there any more; its sockets were cleared away")
    return True
