"""``pelvistim sim``: the simulated board by itself, for any pigpio client.

It runs as a process of its own, which ends with this one, and on SIGTERM or Ctrl-C in good order.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from safety.link import runtime_root

ENDED, REFUSED = 0, 2
PORT: Final = 8888
HOST: Final = "127.0.0.1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``sim``."""
    parser.add_argument(
        "--port", type=_port, default=PORT, help=f"port of the pigpio protocol, {PORT}; 0: any free one"
    )
    parser.add_argument("--host", default=HOST, help=f"address to listen on, {HOST}; the port has no password")
    parser.add_argument(
        "--realtime", action="store_true", help="time is always the wall's; without it only until somebody joins"
    )
    parser.add_argument("--bare", action="store_true", help="a Pi 3B with nothing wired to it")
    parser.add_argument(
        "--edges", type=Path, metavar="OUT.csv", help="write every level change of GPIO 0-31 at the end"
    )


def main(args: argparse.Namespace) -> int:
    """Runs until SIGTERM or Ctrl-C. Exit codes: 0 ended, 2 it could not start."""
    if args.edges is not None and not _writable(args.edges):
        print(f"--edges {args.edges}: give a file that can be written, in a folder that exists", file=sys.stderr)
        return REFUSED
    root = runtime_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sim-", dir=root) as name, _stop_signals() as stopped:
        control = Path(name) / "sim.sock"
        process = subprocess.Popen(
            [sys.executable, "-m", "hw.mock", *_options(args, control)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C at the terminal is for this process alone, which passes it on
        )
        with process:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                return ENDED if stopped else REFUSED
            print(_how_to_connect(args, int(json.loads(line)["port"]), control), flush=True)
            while not stopped and process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
            process.terminate()
            code = process.wait()
        return ENDED if code == 0 else REFUSED


def _options(args: argparse.Namespace, control: Path) -> list[str]:
    options = ["--port", str(args.port), "--host", args.host, "--control", str(control), "--until-stdin-closes"]
    options.append("--realtime" if args.realtime else "--alone")
    options += ["--bare"] if args.bare else []
    return options + (["--edges", str(args.edges.absolute())] if args.edges is not None else [])


def _how_to_connect(args: argparse.Namespace, port: int, control: Path) -> str:
    wired = "a Pi 3B with nothing wired to it" if args.bare else "the PelviStim board on a Pi 3B"
    time = (
        "the wall's, always" if args.realtime else "the wall's, until somebody joins the virtual clock (control socket)"
    )
    here = f"PIGPIO_ADDR={args.host} PIGPIO_PORT={port}"
    lines = [
        f"Simulated: {wired}. No current flows anywhere.",
        f"Listening on {args.host}, port {port}.",
        f"  pigs:      {here} pigs hwver",
        f'  Python:    pigpio.pi("{args.host}", {port})',
        f"  gpiozero:  {here} GPIOZERO_PIN_FACTORY=pigpio python your_program.py",
        f"Time: {time}.",
        f"Control socket: {control}",
    ]
    if not _is_loopback(args.host):
        lines.append("Anybody who reaches that address can use it: the port has no password.")
    return "\n".join([*lines, "Ctrl-C ends it."])


@contextlib.contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """SIGTERM and Ctrl-C are taken note of. Gives the list of those that came."""
    came: list[int] = []

    def note(number: int, _: Any) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text} is not a port from 0 to 65535")
    return int(text)


def _writable(path: Path) -> bool:
    if path.exists():
        return path.is_file() and os.access(path, os.W_OK)
    return path.parent.is_dir() and os.access(path.parent, os.W_OK)
