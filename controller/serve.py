"""``pelvistim serve``: its arguments. The app is put together in ``api.command``, which is loaded only for it."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import Final

from safety.link import SYSTEM_ROOT

PORT_PLAIN: Final = 8080
PORT_TLS: Final = 8443


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``serve``."""
    parser.add_argument("--board", choices=("sim", "pigpio"), default="sim", help="sim: the simulated board")
    parser.add_argument(
        "--real-time",
        action="store_true",
        help="the simulated board waits for nobody, as a real one: a busy machine may then stop a session",
    )
    parser.add_argument(
        "--guard",
        type=Path,
        metavar="DIR",
        default=SYSTEM_ROOT / "guard",
        help="runtime folder of the guard that runs as a service, for --board pigpio",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; another than loopback needs TLS")
    parser.add_argument("--port", type=int, metavar="N", help=f"{PORT_PLAIN}, with TLS {PORT_TLS}, if not said")
    parser.add_argument("--phone", action="store_true", help="listen on the LAN, with TLS, and show QR codes")
    parser.add_argument(
        "--plain", action="store_true", help="plain HTTP also from the LAN: anybody there can listen in"
    )
    parser.add_argument(
        "--emg", type=Path, metavar="FILE", help="with --board sim: replay recorded muscle activity (.csv, .edf)"
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="where everything is kept")


def main(args: argparse.Namespace) -> int:
    """Serves until it is told to end."""
    code: int = import_module("api.command").main(args)
    return code
