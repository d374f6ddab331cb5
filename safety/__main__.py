"""Starts the guard process: ``python -m safety --runtime DIR --state DIR [--pigpio HOST:PORT] [...]``."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import signal
import sys
import threading
import traceback
from datetime import date
from pathlib import Path
from pwd import getpwnam
from typing import Final

from hw.board import REFERENCE_BOARD, load_board
from hw.clock import Clock, DaemonClock, VirtualClock, WallClock
from hw.pulses import PulseOutput
from hw.wire import connect
from safety import calibration
from safety.errors import LinkError, PelviStimError
from safety.guard import Guard, Timeouts
from safety.link import GUARD_SOCKET, STOP_SOCKET, stop_guard
from safety.store import Store
from safety.system import Systemd, real_time

VIRTUAL_TIMEOUT_S: Final = 5.0
"""Where a simulator owns time, only a daemon that hangs for good is late: the machine may be busy with other things."""
LEAVE_WITHIN_S: Final = 2.0
REAL_PORT: Final = 8888
"""pigpiod's own: never a simulated board's, so that no slip makes a real one pass for it."""


def main() -> int:
    """Runs the guard until it is ended. Exit 0: left in order; 2: refused to start; 3: ended itself; these say why."""
    parser = argparse.ArgumentParser(prog="python -m safety", description="The guard process of PelviStim.")
    parser.add_argument("--runtime", type=Path, required=True, help="folder for its sockets and lock")
    parser.add_argument("--state", type=Path, required=True, help="folder of its record")
    parser.add_argument("--new-state", action="store_true", help="make the first record, if there is none")
    parser.add_argument("--pigpio", default="127.0.0.1:8888", help="the pigpio daemon, host:port")
    parser.add_argument("--board", type=Path, default=REFERENCE_BOARD, help="board file")
    parser.add_argument("--clock", help="control socket of a simulator that owns time")
    parser.add_argument("--simulated", action="store_true", help="a simulated board, which carries its calibration")
    parser.add_argument("--app-user", metavar="NAME", help="the app has a user of its own, in this process's group")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end together with the process that started it"
    )
    options = parser.parse_args()
    host, _, port = options.pigpio.rpartition(":")
    try:
        board = load_board(options.board)
        if (options.simulated or options.clock) and int(port) == REAL_PORT:
            raise LinkError(f"port {REAL_PORT} is a real daemon's; a simulated board listens elsewhere")
        options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if options.new_state:
            Store(options.state).begin()
        timeouts = Timeouts(VIRTUAL_TIMEOUT_S, VIRTUAL_TIMEOUT_S) if options.clock else Timeouts()
        had = "on a simulator's clock" if options.clock else real_time()
        systemd = Systemd(os.environ, WallClock().now)

        def checked() -> None:
            systemd.checked(guard.state.cause or guard.state.mode)

        def make_clock(name: str) -> Clock:
            if options.clock:
                return VirtualClock(options.clock, name)
            if name == "guard":
                return DaemonClock(PulseOutput(connect(host, int(port), timeouts.call_s), board).tick)
            return WallClock()

        def calibrated(day: date) -> str | None:
            carried = options.state / calibration.NAME
            record = calibration.nominal(board, day) if options.simulated else calibration.read(carried)
            return calibration.problem(record, board, day)

        guard = Guard(
            board,
            host,
            int(port),
            options.runtime,
            options.state,
            make_clock,
            date.today,
            timeouts,
            calibrated,
            checked,
            None if options.app_user is None else getpwnam(options.app_user).pw_uid,
        )
        if options.app_user is not None:
            (options.runtime / GUARD_SOCKET).chmod(0o660)
            (options.runtime / STOP_SOCKET).chmod(0o666)  # a stop needs no permission
    except (PelviStimError, OSError, ValueError, KeyError) as error:
        print(f"guard: {error}", file=sys.stderr, flush=True)
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the app's to turn into a stop
    if options.until_stdin_closes:
        threading.Thread(target=_end_with_stdin, args=(guard, options.runtime), daemon=True).start()
    gc.disable()  # reference counts free what the loop makes; the rest waits for a session's end (guard.py)
    gc.freeze()
    print(f"ready: {had}", flush=True)
    systemd.ready(had)
    try:
        guard.run()
        for name in (GUARD_SOCKET, STOP_SOCKET):
            (options.runtime / name).unlink(missing_ok=True)
        return 0
    except PelviStimError as error:
        print(f"guard: {error}", file=sys.stderr, flush=True)
    except Exception:
        traceback.print_exc()
    return 3


def _end_with_stdin(guard: Guard, runtime: Path) -> None:
    """Whoever started the guard has gone: stop, as for anybody, and end when it is carried out and on record."""
    sys.stdin.buffer.read()
    guard.leave()
    with contextlib.suppress(LinkError):
        stop_guard(runtime, LEAVE_WITHIN_S)
    if not guard.left.wait(LEAVE_WITHIN_S):
        os._exit(3)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # pigpio's client threads would hold an ordinary exit up
