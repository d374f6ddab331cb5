"""``pelvistim check``: what a programme does at a maximum, each figure with its ceiling beside it."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console

from controller import output_table
from controller.contrast import contrasts
from controller.figure_table import NOT_CERTIFIED, as_json, print_table, problem_json
from controller.figures import Figures, ceilings, figures, highest_ua
from controller.options import number
from controller.programme import Programme, load_programme, programme_path
from controller.strict_toml import plain, printable, shown
from hw.board import REFERENCE_BOARD, Board, load_board
from safety.errors import InputRefused, Problem

EXIT_OK: Final = 0
EXIT_REFUSED: Final = 2
EXIT_USAGE: Final = 64
PLOT_MISSING: Final = "--plot needs matplotlib, which is not installed; set-up for the tests brings it: make check"

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``check`` to its parser."""
    parser.add_argument("file", metavar="FILE", help="a programme file, or the id of a shipped programme")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--max-ma", metavar="A", help="maximum of the set-point in mA (default: the board's full scale)"
    )
    parser.add_argument(
        "--output-table",
        choices=("table", "csv", "json"),
        nargs="?",
        const="table",
        help="instead of the figures: the output into 500, 2 000 and 10 000 ohm",
    )
    parser.add_argument("--plot", metavar="OUT.svg", type=Path, help="draw one pulse and the session's envelope")
    parser.add_argument("--board", metavar="FILE", type=Path, default=REFERENCE_BOARD, help="the board file")


def main(args: argparse.Namespace) -> int:
    """Runs ``check``. Returns 0, 2 (refused, every reason on stderr) or 64 (usage)."""
    if args.plot is not None and importlib.util.find_spec("matplotlib") is None:
        print(PLOT_MISSING, file=sys.stderr)
        return EXIT_USAGE
    refusals: list[InputRefused] = []
    programme = _attempt(lambda: load_programme(programme_path(args.file)), refusals)
    board = _attempt(lambda: load_board(args.board), refusals)
    max_ua = None if board is None else _attempt(lambda: parse_max_ma(args.max_ma, board.full_scale_ua), refusals)
    if programme is None or board is None or max_ua is None:
        if args.json:
            problems = [problem_json(problem) for refused in refusals for problem in refused.problems]
            _print_json({"accepted": False, "problems": problems, "notice": NOT_CERTIFIED})
        print(*refusals, NOT_CERTIFIED, sep="\n", file=sys.stderr)
        return EXIT_REFUSED
    found = figures(programme, board, max_ua)
    over = ceilings(programme, found)
    warnings = contrasts(programme)
    full_scale = args.max_ma is None
    if args.output_table is not None:
        _print_output(args.output_table, programme, board, found)
    elif args.json:
        _print_json(as_json(programme, board, found, over, full_scale, warnings))
    else:
        print_table(Console(), programme, board, found, full_scale)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if over:
        print(InputRefused(printable(args.file), over), _would_pass(programme, board), sep="\n", file=sys.stderr)
        return EXIT_REFUSED
    return EXIT_OK if args.plot is None else _plot(programme, found, args.plot)


def _print_output(form: str, programme: Programme, board: Board, found: Figures) -> None:
    listed = output_table.lines(programme, board, found)
    if form == "csv":
        print(output_table.as_csv(listed), end="")
    elif form == "json":
        _print_json(output_table.as_json(programme, found, listed))
    else:
        output_table.print_lines(Console(), programme, found, listed)


def _attempt(read: Callable[[], T], refusals: list[InputRefused]) -> T | None:
    """What ``read`` gives, or None with its refusal noted, so that all reasons are told at once."""
    try:
        return read()
    except InputRefused as refused:
        refusals.append(refused)
        return None


def parse_max_ma(text: str | None, full_scale_ua: int) -> int:
    """A maximum in mA, above 0 up to the full scale, of at most 3 decimals, as whole uA; none is the full scale.

    Raises InputRefused.
    """
    if text is None:
        return full_scale_ua
    allowed = f"a number above 0 and at most {plain(Fraction(full_scale_ua, 1_000))} mA, of at most 3 decimals"
    milliamps = number(text)
    if milliamps is None:
        code, advice = "option_type", "Write a plain number with a point, as in 12.5."
    else:
        max_ua = milliamps * 1_000
        if not 0 < max_ua <= full_scale_ua:
            code, advice = "option_range", "Choose a maximum that the board can give."
        elif max_ua != int(max_ua):
            code, advice = "option_decimals", "Write fewer decimals."
        else:
            return int(max_ua)
    raise InputRefused("command line", (Problem(code, "", "--max-ma", shown(text), allowed, advice),))


def _would_pass(programme: Programme, board: Board) -> str:
    highest = highest_ua(programme, board)
    if not highest:
        return "No maximum passes: the programme itself must change."
    return f"The highest maximum that passes is {plain(Fraction(highest, 1_000))} mA (--max-ma)."


def _plot(programme: Programme, found: Figures, out: Path) -> int:
    from controller.plot import draw  # matplotlib is an optional extra and slow to load

    try:
        out.write_bytes(draw(programme, found))
    except OSError as error:
        print(f"{printable(str(out))}: cannot be written: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_OK


def _print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, indent=2, allow_nan=False))
