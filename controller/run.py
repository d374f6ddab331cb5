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
from decimal import Decimal
from pathlib import Path
from typing import Final

from rich.console import Console

from controller.causes import NOT_CONFIRMED, in_words
from controller.fault import load_scenario
from controller.figures import ceilings, figures
from controller.interrupts import INTERRUPTS, PERSON
from controller.keys import make_key
from controller.launch import BUSY_MACHINE, GuardRefused, SimulatedBoard
from controller.options import number
from controller.outcome import Outcome, outcome_figures
from controller.prescription import link_fields
from controller.prescription_form import load_form
from controller.programme import Programme, load_programme, programme_path
from controller.progress import Progress, summary
from controller.session import STOP_WITHIN_S, Session, SessionRefused
from controller.strict_toml import printable
from controller.throw_away import NAME, unlimited
from controller.timeline import Timeline
from controller.waveform import Encoder
from hw.board import Board, load_board
from safety.enrolled import enrol, revoke
from safety.errors import InputRefused, LinkError, PelviStimError, Problem
from safety.link import GuardLink, Message, runtime_root

FINISHED, REFUSED, INTERLOCK, INTERNAL = 0, 2, 3, 70
EDGES_HEADER: Final = "time_us,gpio,level"
CURRENT_HEADER: Final = "time_us,channel,current_ua,voltage_mv"
UNCONFIRMED_PATIENCE_S: Final = 0.5
"""How long a guard or board that did not confirm a stop gets to end by itself, each."""
RECORD_ROOM_BYTES: Final = 4096
"""What must fit on the disk for the guard's record, which is smaller."""
NOT_CERTIFIED: Final = "PelviStim is not a certified medical device."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``run``."""
    parser.add_argument("file", metavar="FILE", help="programme file, or the id of a shipped one")
    parser.add_argument("--board", choices=("sim", "pigpio"), required=True, help="sim: the simulated board")
    parser.add_argument("--prescription", type=Path, metavar="FILE", help="signed by a key enrolled in --state")
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
        need = "" if args.prescription else "it needs a signed prescription (--prescription), and "
        print(
            f"--board pigpio is refused: {need}nothing of this was ever tried on a real board. Use --board sim.",
            file=sys.stderr,
        )
        return REFUSED
    console.print(NOT_CERTIFIED, highlight=False)
    if args.intensity is None:
        console.print("No --intensity was given: the set-point stays at 0 mA.", highlight=False)
    try:
        return _run(plan, args, console)
    except InputRefused as error:
        print(error, file=sys.stderr)
        return REFUSED
    except GuardRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    except SessionRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return PERSON if error.code == "person" else REFUSED


class _Plan:
    """All that was asked for, checked before anything starts. Raises InputRefused with every reason."""

    def __init__(self, args: argparse.Namespace) -> None:
        problems: list[Problem] = []
        self.board: Board = load_board()
        self.programme: Programme = load_programme(programme_path(args.file))
        full = Decimal(self.board.full_scale_ua) / 1000
        milliamps = _decimal(
            "--intensity", "0" if args.intensity is None else args.intensity, Decimal(0), full, "mA", problems
        )
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
        self.prescription = None if args.prescription is None else load_form(args.prescription)
        if self.prescription is not None:
            end_us = self.timeline.first_pulse_us + self.prescription.minutes * 60_000_000
            self.end_us = end_us if self.end_us is None else min(end_us, self.end_us)
            if self.prescription.signature is None:
                problems.append(_problem("--prescription", "without a signature", "one that was signed"))
            if args.state is None:
                problems.append(_problem("--prescription", "without --state", "--state, where its key is enrolled"))
            lowest = min(self.prescription.caps_ua.get(one, 0) for one in _channels(self.programme))
            if self.intensity_ua > lowest:
                problems.append(_problem("--intensity", args.intensity, f"at most the cap of {lowest / 1000:g} mA"))
        if args.edges is not None:
            _writable("--edges", args.edges, problems)
        if args.current is not None:
            _writable("--current", args.current, problems)
        named = [("FILE", programme_path(args.file)), ("--faults", args.faults), ("--edges", args.edges)]
        for option, path in (("--edges", args.edges), ("--current", args.current)):
            for other, there in named:
                if None not in (path, there) and other != option and path.resolve() == Path(there).resolve():
                    problems.append(_problem(option, printable(str(path)), f"another file than that of {other}"))
        if args.state is not None:
            _usable_state(args.state, problems)
        if self.intensity_ua and not problems:
            problems.extend(ceilings(self.programme, figures(self.programme, self.board, self.intensity_ua)))
        if problems:
            raise InputRefused(args.file, tuple(problems))


def _run(plan: _Plan, args: argparse.Namespace, console: Console) -> int:
    with contextlib.ExitStack() as stack:
        folder = _runtime_folder(stack)
        state = args.state or folder / "state"
        board = SimulatedBoard(folder, state, new_state=args.new_state or args.state is None, speed=plan.speed)
        stack.callback(board.close)
        if board.late_when_busy:
            console.print(BUSY_MACHINE, highlight=False, soft_wrap=True)
        leaving = stack.enter_context(contextlib.ExitStack())  # before the board closes, so that the guard can act
        leaving.callback(board.clock.close)
        link = GuardLink(folder, board.clock)
        leaving.callback(link.close)
        if link.welcome["cause"] is not None:
            _acknowledge(link, link.welcome["cause"], args.acknowledge)
        if args.current is not None:
            board.control.ask("current", record=True)
        if args.faults is not None:
            load_scenario(board.control, args.faults)
        signed = _prescribed(plan, link.welcome, state, stack)
        outcome = _play(plan, link, console, signed)
        code = _report(outcome, args, console)
        unconfirmed = outcome.cause is not None and not outcome.confirmed
        if unconfirmed:
            board.patience_s = UNCONFIRMED_PATIENCE_S
        if unconfirmed or plan.speed == 1:
            # In real time the board answers nobody while it writes its files, which a guard takes for a lost daemon.
            leaving.close()
            board.end_guard()
        else:  # the guard tells how it ended before it shows its lights: their edges belong to this tick, too
            board.clock.wait(board.clock.now())
        wanted = [("edges", args.edges, EDGES_HEADER), ("current", args.current, CURRENT_HEADER)]
        written = [_written(op, path, header, outcome, board) for op, path, header in wanted if path is not None]
        if not all(written):
            return code or INTERNAL
    return code


def _runtime_folder(stack: contextlib.ExitStack) -> Path:
    """A new folder for the sockets of this run, removed at its end. Raises InputRefused."""
    root = None
    try:
        root = runtime_root()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sim-", dir=root)))
    except OSError as error:
        advice = (
            f"Make {root.parent if root else 'a folder'} writable, or set XDG_RUNTIME_DIR or TMPDIR to another folder."
        )
        problem = Problem(
            "runtime_folder", "", "runtime folder", _reason(error), "a folder that can be written", advice
        )
        raise InputRefused(str(root or "TMPDIR"), (problem,)) from None


def _prescribed(plan: _Plan, welcome: Message, state: Path, after: contextlib.ExitStack) -> dict[str, object]:
    """The prescription for the guard: that of the file, or one of a key that exists as long as this run."""
    today = _today()
    if plan.prescription is not None:
        return link_fields(plan.prescription, today)
    key = make_key(NAME)
    enrol(state, key.public)
    after.callback(revoke, state, key.public.fingerprint, keep=False)
    caps = dict.fromkeys(_channels(plan.programme), plan.board.full_scale_ua)
    wanted = unlimited(plan.programme, caps, welcome["prescription_revision"] + 1, welcome["device"], today)
    return link_fields(key.sign(wanted), today)


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _play(plan: _Plan, link: GuardLink, console: Console, signed: dict[str, object]) -> Outcome:
    """Runs the session to its end, whatever that is; the output is confirmed off, or said not to be."""
    target = dict.fromkeys(_channels(plan.programme), plan.intensity_ua)
    shown_end = plan.timeline.duration_us if plan.end_us is None else min(plan.end_us, plan.timeline.duration_us)
    with Progress(plan.timeline, console, shown_end) as progress:
        session = Session(
            link,
            plan.timeline,
            Encoder(plan.board),
            plan.board.full_scale_ua,
            target,
            plan.end_us,
            progress.show,
            progress.show_rest,
            signed=signed,
        )
        outcome = session.outcome
        try:
            with _stop_on_signal(link):
                session.run(_today())
        except (LinkError, _NotConfirmed) as error:
            link.close()  # a guard whose app leaves stops
            person = isinstance(error, _NotConfirmed) or INTERRUPTS.came or outcome.cause == "person"
            outcome.cause = "person" if person else outcome.cause or "guard_lost"
            outcome.confirmed = False
            outcome.notes.append(str(error))
    return outcome


class _NotConfirmed(BaseException):
    """A person stopped, and the guard did not confirm it. No Exception: nothing on the way may take it for its own."""


@contextlib.contextmanager
def _stop_on_signal(link: GuardLink) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop at once. Raises _NotConfirmed when the guard does not take it, or not confirm it in time.

    The time is wall time and ends whatever is waited for, also a guard or a board that is frozen.
    """

    def late(*_: object) -> None:
        raise _NotConfirmed(f"the guard did not confirm the stop within {STOP_WITHIN_S:g} s")

    def stop() -> None:
        os.write(2, b"stopping; Ctrl-C again leaves at once\n")
        signal.setitimer(signal.ITIMER_REAL, STOP_WITHIN_S)
        try:
            link.stop()
        except PelviStimError as error:
            raise _NotConfirmed(str(error)) from None

    before = signal.signal(signal.SIGALRM, late)
    INTERRUPTS.does(stop, NOT_CONFIRMED)
    try:
        if INTERRUPTS.came:  # while all this was prepared
            raise KeyboardInterrupt
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        INTERRUPTS.does(None, "stopped by a person after the session; not everything was tidied up")
        signal.signal(signal.SIGALRM, before)


def _acknowledge(link: GuardLink, cause: str, wanted: bool) -> None:
    """A stop that was latched when the guard started. Raises SessionRefused unless it is to be cleared, and can be."""
    if link.welcome["mode"] == "lockout":
        words = f"{in_words(cause)} [{cause}]; only a clinician can clear this, which run does not"
        raise SessionRefused(words, cause, link.welcome)
    if not wanted:
        words = f"{in_words(cause)} [{cause}]; read this, and add --acknowledge to go on"
        raise SessionRefused(words, cause, link.welcome)
    answer = link.request("acknowledge")
    if not answer["ok"]:
        raise SessionRefused(f"the stop could not be cleared: {answer['detail']}", answer["code"], answer)


def _report(outcome: Outcome, args: argparse.Namespace, console: Console) -> int:
    code = FINISHED if outcome.cause is None else PERSON if outcome.cause == "person" else INTERLOCK
    if args.json:
        print(json.dumps({"exit": code, "simulated": args.board == "sim", **outcome_figures(outcome)}), flush=True)
    for note in outcome.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    if outcome.cause is not None:
        what = "output confirmed off" if outcome.confirmed else NOT_CONFIRMED
        words = f"stopped: {in_words(outcome.cause)} [{outcome.cause}]; {what}"
        console.print(words, highlight=False, markup=False, soft_wrap=True)
    if not args.json:
        for line in summary(outcome):
            console.print(line, highlight=False, markup=False)
    return code


def _written(op: str, path: Path, header: str, outcome: Outcome, board: SimulatedBoard) -> bool:
    """Whether what the board recorded (``edges`` or ``current``) is in its file; it is said if not. The report is out
    by then.
    """
    try:
        if outcome.first_tick is None:
            path.write_text(f"{header}\n", encoding="utf-8")
        else:
            if not outcome.confirmed and outcome.cause is not None:
                board.control.ask("levels", patience_s=UNCONFIRMED_PATIENCE_S)  # is it there at all?
            board.control.ask(op, path=str(path.absolute()), since=outcome.first_tick)
    except (OSError, PelviStimError) as error:
        print(f"--{op}: {printable(str(path))} was not written: {error}", file=sys.stderr)
        return False
    return True


def _channels(programme: Programme) -> list[str]:
    return sorted({channel for phase in programme.phases for channel in getattr(phase, "channels", ())})


def _decimal(field: str, text: str, least: Decimal, most: Decimal, unit: str, problems: list[Problem]) -> Decimal:
    """A decimal within bounds; else a problem, and 0."""
    value = number(text)
    if value is None or not least <= value <= most:
        problems.append(_problem(field, text, f"a number from {least} to {most} {unit}"))
        return Decimal(0)
    return value


def _problem(field: str, value: str, allowed: str) -> Problem:
    return Problem("option", "", field, value, allowed, "Give another value; nothing was started.")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _writable(option: str, path: Path, problems: list[Problem]) -> None:
    """Whether an output file can be written: it is tried, and nothing is left behind or changed."""
    reason = ""
    try:
        is_new = not os.path.lexists(path)
        if not is_new and not path.is_file():
            reason = "not an ordinary file"
        else:
            with path.open("ab"):
                pass
            if is_new:
                path.unlink()
    except (OSError, ValueError) as error:
        reason = _reason(error) if isinstance(error, OSError) else str(error)
    if reason:
        allowed = "a file that can be written, in a folder that exists"
        problems.append(_problem(option, f"{printable(str(path))} ({reason})", allowed))


def _usable_state(path: Path, problems: list[Problem]) -> None:
    """Whether the guard's record can be kept there: it is tried, and nothing is left behind."""
    reason = ""
    try:
        there = os.path.lexists(path)
        if there and not path.is_dir():
            reason = "not a folder"
        else:
            with tempfile.TemporaryFile(dir=path if there else path.parent, buffering=0) as file:
                file.write(bytes(RECORD_ROOM_BYTES))
                os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        reason = _reason(error) if isinstance(error, OSError) else str(error)
    if reason:
        allowed = "a folder that can be written, or a new name in one"
        problems.append(_problem("--state", f"{printable(str(path))} ({reason})", allowed))
