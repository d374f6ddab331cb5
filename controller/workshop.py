"""``pelvistim doctor``, ``selftest``, ``calibrate`` and ``audit``: their arguments. What they do is in ``workshop/``,
which is loaded only for them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
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


def _main(module: str) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        code: int = import_module(f"workshop.{module}").main(args)
        return code

    return run


doctor = _main("doctor")
