"""``pelvistim fault``: breaks something in a running simulation on purpose; and the scenario files of ``run --faults``.

What there is to break, and which arguments are allowed, the simulation itself says (docs/faults.md lists it).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from controller.launch import Control
from safety.errors import InputRefused, Problem
from safety.link import runtime_root

REFUSED: Final = 2
SOCKET: Final = "sim.sock"
"""The simulation's control socket, in a folder of its own below the runtime root (``controller/launch.py``)."""
_ADVICE: Final = "Start one (pelvistim run ... --board sim), or name its control socket with --sim PATH."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``fault``."""
    parser.add_argument("name", metavar="NAME", help='a fault of docs/faults.md, or "clear"')
    parser.add_argument("args", metavar="ARG", nargs="*", help="its arguments; before a negative number put --")
    parser.add_argument("--sim", type=Path, metavar="PATH", help="control socket of the simulation, if there are more")


def main(args: argparse.Namespace) -> int:
    """Exit 0 when it was done, 2 when it was refused."""
    try:
        control = _connect(args.sim)
        try:
            _refused(f"fault {args.name}", control.ask("fault", name=args.name, args=args.args))
        finally:
            control.close()
    except InputRefused as error:
        print(error, file=sys.stderr)
        return REFUSED
    print(" ".join(["done:", args.name, *args.args]))
    return 0


def load_scenario(control: Control, path: Path) -> None:
    """Has a simulation do what a scenario file says. Raises InputRefused; nothing is broken then."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem("scenario_unreadable", "", "file", str(error), "a TOML file in UTF-8", "Check path and text.")
        raise InputRefused(str(path), (problem,)) from error
    _refused(str(path), control.ask("scenario", text=text))


def _refused(source: str, answer: dict[str, Any]) -> None:
    problems = tuple(Problem(*map(str, problem)) for problem in answer["problems"])
    if problems:
        raise InputRefused(source, problems)


def _connect(path: Path | None) -> Control:
    """The one simulation of this user, or the one named. Raises InputRefused."""
    found = sorted(runtime_root().glob(f"*/{SOCKET}")) if path is None else [path]
    alive: list[tuple[Path, Control]] = []
    for one in found:
        try:
            alive.append((one, Control(one)))
        except OSError:
            continue  # its process is gone, the socket's file is not
    if len(alive) == 1:
        return alive[0][1]
    for _, control in alive:
        control.close()
    value = ", ".join(str(one) for one, _ in alive) or ("none" if path is None else str(path))
    advice = "Name one of them with --sim PATH." if alive else _ADVICE
    problem = Problem("no_simulation", "", "simulation", value, "exactly one that runs", advice)
    raise InputRefused("fault", (problem,))
