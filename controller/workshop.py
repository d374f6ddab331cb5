"""``pelvistim doctor``, ``selftest``, ``calibrate`` and ``audit``: their arguments. What they do is in ``workshop/``,
which is loaded only for them."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

DAEMON: Final = "127.0.0.1:8888"
_DIGITS: Final = re.compile(r"[0-9]{1,7}")


def _count(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at most seven digits")
    return int(text)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not _DIGITS.fullmatch(port) or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no HOST:PORT")
    return host, int(port)


def _where(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--board", choices=("sim", "pigpio"), default=None if required else "pigpio", required=required)
    parser.add_argument(
        "--pigpio", type=_address, metavar="HOST:PORT", default=DAEMON, help="the daemon, for --board pigpio"
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="where guard and app keep everything")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="scenario for --board sim (docs/faults.md)")
    parser.add_argument("--json", action="store_true", help="as JSON, and nothing else on stdout")
    norwegian = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    preset = "nb" if norwegian.startswith(("nb", "nn", "no")) else "en"
    parser.add_argument("--lang", choices=("nb", "en"), default=preset, help="language; that of the shell if not said")


def add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``doctor``."""
    _where(parser, required=False)


def add_selftest_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``selftest``."""
    _where(parser, required=True)
    _load(parser)


def add_calibrate_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``calibrate``."""
    _where(parser, required=True)
    _load(parser)
    parser.add_argument("--meter", metavar="TEXT", required=True, help="which scope, for the record")
    parser.add_argument(
        "--meter-ppm",
        type=_count,
        metavar="N",
        default=20_000,
        help="how exact meter and load are, in millionths: 20000",
    )


def add_audit_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``audit``."""
    parser.add_argument("file", metavar="FILE", nargs="?", default="stress-50hz", help="programme file, or shipped id")
    _where(parser, required=True)
    parser.add_argument(
        "--seconds", type=_count, default=10, metavar="N", help="of the programme, from its first pulse: 10"
    )
    parser.add_argument(
        "--jumper", action="append", default=[], metavar="LINE:GPIO", help="a wire; A_POS:0 and A_NEG:1 if none is said"
    )
    parser.add_argument(
        "--jitter-us", type=_count, default=0, metavar="N", help="of the simulated board: edges come late"
    )
    parser.add_argument(
        "--stretch", type=_count, default=1, metavar="N", help="of the simulated board: waves last longer"
    )


def _load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--load", type=_count, metavar="OHMS", required=True, help="the dummy load on both outputs")
    parser.add_argument("--readings", type=Path, metavar="FILE", help="readings of the meter (docs/calibration.md)")


def _main(module: str) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        code: int = import_module(f"workshop.{module}").main(args)
        return code

    return run


doctor, selftest, calibrate, audit = (_main(module) for module in ("doctor", "loaded", "calibrate", "audit"))
