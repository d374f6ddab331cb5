"""``pelvistim stop``: asks every guard of this user to stop at once, and says what each of them confirmed."""

from __future__ import annotations

import argparse
import sys

from safety.errors import LinkError
from safety.link import STOP_SOCKET, runtime_root, stop_guard

TIMEOUT_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``stop`` needs nothing."""
    del parser


def main(_: argparse.Namespace) -> int:
    """Exit 0 when every guard that was found confirmed its output off, 3 when one did not; says so of each."""
    found = sorted(runtime_root().glob(f"*/{STOP_SOCKET}"))
    if not found:
        print("No session is running here.")
        return 0
    confirmed = True
    for path in found:
        try:
            answer = stop_guard(path.parent, TIMEOUT_S)
        except LinkError as error:
            print(f"{path.parent.name}: NOT confirmed: {error}", file=sys.stderr)
            confirmed = False
            continue
        word = "output confirmed off" if answer["confirmed"] else "output NOT confirmed off"
        print(f"{path.parent.name}: {word} after {answer['elapsed_us'] / 1000:.1f} ms")
        confirmed = confirmed and bool(answer["confirmed"])
    return 0 if confirmed else 3
