"""``pelvistim calibrate``: measures a board with a dummy load and a scope, and keeps what the guard asks for.

In this order: the guard's self-test, for each channel a straight line of delivered against asked and of read against
delivered current, the compliance at an open output, the current trip; then the drop-out of KEEPALIVE and the red
button. A board that is out of tolerance gets no record.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from hw.board import Board, load_board
from safety import calibration, selftest
from safety.calibration import VALID_DAYS, Line, Measured, Record
from safety.errors import BoardError, InputRefused, PelviStimError, Problem
from safety.limits import FULL_SCALES_UA
from safety.schedule import CHANNELS
from safety.signer import write_synced
from workshop import fit, host, measure
from workshop.findings import Finding, as_dict, good, is_bad, line, problem
from workshop.hands import Hand, Person, Simulated, Written
from workshop.rig import Rig, simulated, take_the_guards_place

BAD: Final = 2
LOAD_MIN_OHM: Final = 100
OPEN_PERCENT: Final = 10
"""Enough to drive an open output to compliance."""


def main(args: argparse.Namespace) -> int:
    """Exit 0 when the board is well (and its record was kept), 2 when it was refused. Raises InputRefused."""
    board = load_board()
    ohm = checked_load(args.load, board)
    found: list[Finding] = []
    record = None
    with bench(args, board) as (rig, hand):
        for one in steps(rig, hand, ohm, args):
            if isinstance(one, Record):
                record = one
                continue
            found.append(one)
            if not args.json:
                print(line(one, args.lang), flush=True)
    if record is not None:
        _keep(record, args)
    if args.json:
        told = [as_dict(one, args.lang) for one in found]
        text = None if record is None else json.loads(calibration.dump(record))
        json.dump({"bad": is_bad(found), "findings": told, "record": text}, sys.stdout, indent=1, ensure_ascii=False)
        print()
    return BAD if record is None else 0


def checked_load(ohm: int, board: Board) -> int:
    """A dummy load that full scale can be driven through. Raises InputRefused."""
    most = int(board.compliance_v * 900_000) // board.full_scale_ua
    if not LOAD_MIN_OHM <= ohm <= most:
        words = f"{LOAD_MIN_OHM} to {most} ohm on this board"
        raise InputRefused("--load", (Problem("load", "", "--load", str(ohm), words, "Use 500 ohm, 5 W."),))
    return ohm


@contextlib.contextmanager
def bench(args: argparse.Namespace, board: Board) -> Iterator[tuple[Rig, Hand]]:
    """The board and the hand that the arguments name. Raises InputRefused when the daemon cannot be had."""
    with contextlib.ExitStack() as after:
        hand: Hand = Person(args.lang)
        clock, address, state = None, args.pigpio, args.state or host.STATE
        if args.board == "sim":
            clock, address, control = after.enter_context(simulated(args.faults, getattr(args, "options", ())))
            hand, state = Simulated(control), None
        else:
            take_the_guards_place()
        if getattr(args, "readings", None) is not None:
            hand = Written(args.readings, hand)
        try:
            rig = Rig(board, address, clock, None if state is None else state / "guard")
        except PelviStimError as error:
            advice = "Stop the guard first: sudo systemctl stop pelvistim-guard. pelvistim doctor tells more."
            raise InputRefused(
                "the board", (Problem(error.code, "", "daemon", str(error), "a daemon that is free", advice),)
            ) from error
        after.callback(rig.close)
        yield rig, hand


def steps(rig: Rig, hand: Hand, ohm: int, args: argparse.Namespace) -> Iterator[Finding | Record]:
    """All findings in turn, and at the end the record of a board that is well."""
    try:
        hand.does("nobody", ohm=ohm)
        code = rig.drive(selftest.run(rig.tools, rig.figures, rig.clock.now(), rearm=False, uncalibrated=None))
        if code is not None:
            yield problem("self_test_failed", f"{code}: {selftest.CODES[code]}")
            return
        yield good("self_test")
        channels = {}
        for channel in CHANNELS:
            points = [_reading(rig, hand, channel, percent, ohm) for percent in measure.PERCENTS]
            scale = _full_scale(points, rig.board.full_scale_ua)
            yield scale
            if scale.code is not None:
                return
            dac = fit.line([(asked, truly) for asked, truly, _ in points], args.meter_ppm)
            adc = fit.line([(truly, read) for _, truly, read in points], args.meter_ppm)
            compliance_mv = _open(rig, hand, channel)
            channels[channel] = Measured(dac, adc, compliance_mv, measure.trips(rig, channel))
        drop_out = measure.drop_out_us(rig)
        estop = measure.estop_us(rig, hand)
        record = Record(
            rig.board.name,
            rig.board.full_scale_ua,
            datetime.now().astimezone().date().isoformat(),
            VALID_DAYS,
            ohm,
            args.meter,
            channels,
            measure.NEVER_US if drop_out is None else drop_out,
            measure.NEVER_US if estop is None else estop,
        )
        yield from judged(record, rig.board)
        if not calibration.faults(record, rig.board):
            yield record
    except BoardError as error:
        yield problem("daemon_refuses", error)


def judged(record: Record, board: Board) -> Iterator[Finding]:
    """Each figure of a record, and whether it is within its tolerance."""
    faults = set(calibration.faults(record, board))

    def one(check: str, fault: str, detail: str) -> Finding:
        return problem(f"{check}_off", detail) if fault in faults else good(check, detail)

    for channel, found in record.channels.items():
        yield one("dac", f"{channel}.dac", f"{channel}: {words(found.dac)}")
        yield one("adc", f"{channel}.adc", f"{channel}: {words(found.adc)}")
        yield one("compliance", f"{channel}.compliance", f"{channel}: {found.compliance_mv / 1000:.1f} V")
        yield one("current_trip", f"{channel}.trip", channel)
    yield one("drop_out", "drop_out", _ms(record.drop_out_us))
    yield one("button", "estop", _ms(record.estop_us))


def words(one: Line) -> str:
    """A line as a builder reads it: gain in per cent, offset in uA, each with its uncertainty."""
    gain, doubt = (one.gain_ppm - 1_000_000) / 10_000, one.gain_uncertainty_ppm / 10_000
    return f"{gain:+.2f} ± {doubt:.2f} %, {one.offset_ua:+d} ± {one.offset_uncertainty_ua} µA"


def _ms(us: int) -> str:
    return "-" if us == measure.NEVER_US else f"{us / 1000:.1f} ms"


def _reading(rig: Rig, hand: Hand, channel: str, percent: int, ohm: int) -> tuple[float, float, float]:
    """One point: asked, delivered as the meter says, read by the board; uA."""
    hand.sees()
    with rig.output() as up:
        seen = measure.plays(rig, channel, percent) if up else measure.Seen(0, 0)
    volt = hand.reads("volt", channel, percent)
    asked = measure.code_for(percent) * rig.board.full_scale_ua / measure.CODES
    return asked, measure.current_ua(volt, ohm), float(seen.current_ua)


def _full_scale(points: list[tuple[float, float, float]], full_scale_ua: int) -> Finding:
    """Which of the three full-scale resistors is fitted, by the largest current."""
    asked, truly, _ = points[-1]
    fitted = min(FULL_SCALES_UA, key=lambda one: abs(one - truly / asked * full_scale_ua))
    shown = f"{fitted / 1000:g} mA"
    return good("full_scale", shown) if fitted == full_scale_ua else problem("full_scale_other", shown)


def _open(rig: Rig, hand: Hand, channel: str) -> int:
    """The voltage at an open output, mV."""
    hand.does("open", channel)
    hand.sees()
    with rig.output() as up:
        if up:
            measure.plays(rig, channel, OPEN_PERCENT)
    volt = hand.reads("open_volt", channel)
    hand.does("load", channel)
    return round(volt * 1000)


def _keep(record: Record, args: argparse.Namespace) -> None:
    """Into the guard's folder, for it alone. A simulated board's is kept nowhere: it says nothing of another board."""
    if args.board == "sim":
        return
    folder: Path = (args.state or host.STATE) / "guard"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_synced(folder / calibration.NAME, calibration.dump(record).encode(), 0o600)
