"""``pelvistim doctor``, ``selftest``, ``calibrate`` and ``audit``: their arguments. What they do is in ``workshop/``,
which is loaded only for them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Final

DAEMON: Final = "127.0.0.1:8888"


def _where(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--board", choices=("sim", "pigpio"), default=None if required else "pigpio", required=required)
    parser.add_argument("--pigpio", metavar="HOST:PORT", default=DAEMON, help="the daemon, for --board pigpio")
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
        "--meter-ppm", type=int, metavar="N", default=20_000, help="how exact meter and load are, in millionths: 20000"
    )
    parser.add_argument(
        "--day", type=date.fromisoformat, metavar="DATE", help="the day of the record; today if not said"
    )


def add_audit_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``audit``."""
    parser.add_argument("file", metavar="FILE", nargs="?", default="stress-50hz", help="programme file, or shipped id")
    _where(parser, required=True)
    parser.add_argument(
        "--seconds", type=int, default=10, metavar="N", help="of the programme, from its first pulse: 10"
    )
    parser.add_argument(
        "--jumper", action="append", default=[], metavar="LINE:GPIO", help="a wire; A_POS:0 and A_NEG:1 if none is said"
    )
    parser.add_argument("--jitter-us", type=int, default=0, metavar="N", help="of the simulated board: edges come late")
    parser.add_argument("--stretch", type=int, default=1, metavar="N", help="of the simulated board: waves last longer")


def _load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--load", type=int, metavar="OHMS", required=True, help="the dummy load on both outputs")
    parser.add_argument("--readings", type=Path, metavar="FILE", help="readings of the meter (docs/calibration.md)")


def _main(module: str) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        code: int = import_module(f"workshop.{module}").main(args)
        return code

    return run


doctor, selftest, calibrate, audit = (_main(module) for module in ("doctor", "loaded", "calibrate", "audit"))
