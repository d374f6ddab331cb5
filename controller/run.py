"""``pelvistim run``: a programme file through guard, pigpio client and simulated board, with progress and summary."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from controller.causes import in_words
from controller.fault import load_scenario
from controller.figures import ceilings, figures
from controller.launch import SimulatedBoard
from controller.programme import Programme, load_programme, programme_path
from controller.progress import Progress, summary
from controller.session import Outcome, Session, SessionRefused, outcome_figures
from controller.timeline import Timeline
from controller.waveform import Encoder
from hw.board import Board, load_board
from hw.clock import VirtualClock, WallClock
from safety.errors import InputRefused, LinkError, PelviStimError, Problem
from safety.link import GuardLink, runtime_root

FINISHED, REFUSED, INTERLOCK, PERSON = 0, 2, 3, 4
NOT_CERTIFIED: Final = "PelviStim is not a certified medical device."
NOT_CONFIRMED: Final = (
    "The output is NOT confirmed off: 1. press the red button; 2. pull the lead out of the box; "
    "3. then take the probe out."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``run``."""
    parser.add_argument("file", metavar="FILE", help="programme file, or the id of a shipped one")
    parser.add_argument("--board", choices=("sim", "pigpio"), required=True, help="sim: the simulated board")
    parser.add_argument("--intensity", metavar="MA", help="what the person asks for, in mA; without it 0")
    parser.add_argument("--speed", default="1", metavar="1|N|max", help="times real time; max: as fast as it goes")
    parser.add_argument("--edges", type=Path, metavar="OUT.csv", help="write every level change of the output lines")
    parser.add_argument("--current", type=Path, metavar="OUT.csv", help="write current and voltage of the electrodes")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="scenario: what breaks when (docs/faults.md)")
    parser.add_argument("--minutes", metavar="N", help="end, ramped, after N minutes of session time")
    parser.add_argument("--json", action="store_true", help="the summary as JSON, and nothing else on stdout")
    parser.add_argument("--state", type=Path, metavar="DIR", help="the guard's record; without it a new one each time")
    parser.add_argument("--new-state", action="store_true", help="a new installation: make the first record in DIR")
    parser.add_argument("--acknowledge", action="store_true", help="clear a stop that is still latched, and go on")


def main(args: argparse.Namespace) -> int:
    """Runs a session. Exit codes: 0 finished, 2 refused, 3 stopped by the interlock, 4 stopped by a person."""
    console = Console(stderr=args.json)
    try:
        plan = _Plan(args)
    except InputRefused as error:
        print(error, file=sys.stderr)
        return REFUSED
    if args.board != "sim":
        print(
            "--board pigpio: a real board needs the self-test, the electrode check and the dead-man script of the full "
            "interlock, which are not built yet. Use --board sim.",
            file=sys.stderr,
        )
        return REFUSED
    console.print(NOT_CERTIFIED, highlight=False)
    if not args.intensity:
        console.print("No --intensity was given: the set-point stays at 0 mA.", highlight=False)
    try:
        return _run(plan, args, console)
    except SessionRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED


class _Plan:
    """All that was asked for, checked before anything starts. Raises InputRefused with every reason."""

    def __init__(self, args: argparse.Namespace) -> None:
        problems: list[Problem] = []
        self.board: Board = load_board()
        self.programme: Programme = load_programme(programme_path(args.file))
        full = Decimal(self.board.full_scale_ua) / 1000
        milliamps = _decimal("--intensity", args.intensity or "0", Decimal(0), full, "mA", problems)
        self.intensity_ua = int(milliamps * 1000)
        if milliamps * 1000 != self.intensity_ua:
            problems.append(_problem("--intensity", args.intensity, "whole microamperes: at most 3 decimals"))
        self.speed: float | None = None
        if args.speed != "max":
            speed = _decimal("--speed", args.speed, Decimal("0.01"), Decimal(1000), 'or "max"', problems)
            self.speed = float(speed) or 1.0
        self.timeline = Timeline(self.programme)
        self.end_us: int | None = None
        if args.minutes is not None:
            minutes = _decimal("--minutes", args.minutes, Decimal("0.001"), Decimal(45), "min", problems)
            self.end_us = self.timeline.first_pulse_us + int(minutes * 60_000_000)
        if args.edges is not None:
            _writable("--edges", args.edges, problems)
        if args.current is not None:
            _writable("--current", args.current, problems)
        if self.intensity_ua and not problems:
            problems.extend(ceilings(self.programme, figures(self.programme, self.board, self.intensity_ua)))
        if problems:
            raise InputRefused(args.file, tuple(problems))


def _run(plan: _Plan, args: argparse.Namespace, console: Console) -> int:
    root = runtime_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sim-", dir=root) as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        state = args.state or folder / "state"
        board = SimulatedBoard(folder, state, new_state=args.new_state or args.state is None, speed=plan.speed)
        stack.callback(board.close)
        if args.current is not None:
            board.control.ask("current", record=True)
        if args.faults is not None:
            load_scenario(board.control, args.faults)
        clock = VirtualClock(board.clock, "app") if board.clock else WallClock()
        link = GuardLink(folder, clock)
        if link.welcome["cause"] is not None:
            _acknowledge(link, link.welcome["cause"], args.acknowledge)
        stop = stack.enter_context(_stop_on_signal(link))
        encoder = Encoder(plan.board)
        target = dict.fromkeys(_channels(plan.programme), plan.intensity_ua)
        shown_end = plan.timeline.duration_us if plan.end_us is None else min(plan.end_us, plan.timeline.duration_us)
        outcome: Outcome
        with Progress(plan.timeline, console, shown_end) as progress:
            session = Session(
                link, plan.timeline, encoder, plan.board.full_scale_ua, target, plan.end_us, progress.show
            )
            try:
                outcome = session.run(datetime.datetime.now(datetime.UTC).date().isoformat())
            except LinkError as error:
                outcome = session.outcome
                outcome.cause = outcome.cause or "guard_lost"
                outcome.confirmed = False
                outcome.notes.append(str(error))
        if args.edges is not None and outcome.first_tick is not None:
            board.control.ask("edges", path=str(args.edges.absolute()), since=outcome.first_tick)
        elif args.edges is not None:
            args.edges.write_text("time_us,gpio,level\n", encoding="utf-8")
        if args.current is not None:
            board.control.ask("current", path=str(args.current.absolute()), since=outcome.first_tick)
    return _report(outcome, stop, args, console)


def _acknowledge(link: GuardLink, cause: str, wanted: bool) -> None:
    """A stop that was latched when the guard started. Raises SessionRefused unless it is to be cleared, and can be."""
    if not wanted:
        raise SessionRefused(f"{in_words(cause)} [{cause}]; read this, and add --acknowledge to go on", code=cause)
    answer = link.request("acknowledge")
    if not answer["ok"]:
        raise SessionRefused(f"the stop could not be cleared: {answer['detail']}", code=answer["code"])


def _report(outcome: Outcome, stop: list[int], args: argparse.Namespace, console: Console) -> int:
    code = FINISHED if outcome.cause is None else PERSON if outcome.cause == "person" else INTERLOCK
    if args.json:
        print(json.dumps({"exit": code, **outcome_figures(outcome)}))
    for note in outcome.notes:
        console.print(f"note: {note}", highlight=False)
    if outcome.cause is not None:
        what = "output confirmed off" if outcome.confirmed else NOT_CONFIRMED
        console.print(f"stopped: {in_words(outcome.cause)} [{outcome.cause}]; {what}", highlight=False)
    if not args.json:
        for line in summary(outcome):
            console.print(line, highlight=False)
    return code


@contextlib.contextmanager
def _stop_on_signal(link: GuardLink) -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM stop at once. Gives the list of signals that came."""
    came: list[int] = []

    def stop(number: int, _: Any) -> None:
        came.append(number)
        with contextlib.suppress(PelviStimError):
            link.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _channels(programme: Programme) -> list[str]:
    return sorted({channel for phase in programme.phases for channel in getattr(phase, "channels", ())})


def _decimal(field: str, text: str, least: Decimal, most: Decimal, unit: str, problems: list[Problem]) -> Decimal:
    """A decimal within bounds; else a problem, and 0."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not least <= value <= most:
        problems.append(_problem(field, text, f"a number from {least} to {most} {unit}"))
        return Decimal(0)
    return value


def _problem(field: str, value: str, allowed: str) -> Problem:
    return Problem("option", "", field, value, allowed, "Give another value; nothing was started.")


def _writable(option: str, path: Path, problems: list[Problem]) -> None:
    """Whether an output file can be written; nothing is touched yet."""
    good = os.access(path, os.W_OK) and path.is_file() if path.exists() else os.access(path.parent, os.W_OK)
    if not good:
        problems.append(_problem(option, str(path), "a file that can be written, in a folder that exists"))
