"""Halts whatever the daemon plays and makes the board's lines safe: ``python -m hw.halt``, for the service manager.

The daemon plays on when the guard has died, and what it played when it is started anew (docs/pigpiod.md). So this runs
after each start of the daemon, before it is ended, and after the guard ended, whatever the reason.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

from hw.board import load_board
from hw.pulses import StopLines
from hw.wire import DaemonLost, connect

CALL_TIMEOUT_S: Final = 0.5
AGAIN_S: Final = 0.05
WITHIN_S: Final = 5.0
"""A daemon that was just started listens by then."""


def main() -> int:
    """Exit 0 when the daemon reads OUTPUT_ENABLE and all phase lines low, 1 when not or when there is none."""
    parser = argparse.ArgumentParser(prog="python -m hw.halt", description="Everything safe, whoever plays.")
    parser.add_argument("--pigpio", default="127.0.0.1:8888", help="the pigpio daemon, host:port")
    parser.add_argument("--wait", action="store_true", help="for a daemon that was just started")
    options = parser.parse_args()
    host, _, port = options.pigpio.rpartition(":")
    until = time.monotonic() + (WITHIN_S if options.wait else 0)
    while True:
        try:
            client = connect(host, int(port), CALL_TIMEOUT_S)
            break
        except DaemonLost as error:
            if time.monotonic() >= until:
                print(f"NOT halted: {error}", file=sys.stderr)
                return 1
            time.sleep(AGAIN_S)
    done = StopLines(client, load_board()).stop()
    client.stop()
    print("halted, lines low" if done else "NOT halted: the daemon did not do it all, or reads a line high", flush=True)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
