"""``pelvistim selftest --load OHMS``: the guard's self-test, and then currents through a dummy load on both outputs.

No meter is needed: what the board asks, delivers and reads is held against the load that is said to be there, and the
current trip is tried.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Final

from hw.board import load_board
from safety import selftest
from safety.errors import BoardError
from safety.schedule import CHANNELS
from workshop import measure
from workshop.calibrate import BAD, bench, checked_load
from workshop.findings import Finding, as_dict, good, is_bad, line, problem
from workshop.hands import Hand
from workshop.rig import Rig

PERCENT: Final = 25
WITHIN_PERCENT: Final = 10
"""As the guard's own band while a session runs (``watch.BAND_PERCENT``)."""


def main(args: argparse.Namespace) -> int:
    """Exit 0 when all is well, 2 when something must be mended. Raises InputRefused."""
    board = load_board()
    ohm = checked_load(args.load, board)
    with bench(args, board) as (rig, hand):
        found = []
        for one in steps(rig, hand, ohm):
            found.append(one)
            if not args.json:
                print(line(one, args.lang), flush=True)
    if args.json:
        told = [as_dict(one, args.lang) for one in found]
        json.dump({"bad": is_bad(found), "findings": told}, sys.stdout, indent=1, ensure_ascii=False)
        print()
    return BAD if is_bad(found) else 0


def steps(rig: Rig, hand: Hand, ohm: int) -> Iterator[Finding]:
    """All findings in turn; a board that fails its self-test gets no further."""
    try:
        hand.does("nobody", ohm=ohm)
        code = rig.drive(selftest.run(rig.tools, rig.figures, rig.clock.now(), rearm=False, uncalibrated=None))
        if code is not None:
            yield problem("self_test_failed", f"{code}: {selftest.CODES[code]}")
            return
        yield good("self_test")
        for channel in CHANNELS:
            yield _through(rig, channel, ohm)
            trips = measure.trips(rig, channel)
            yield good("current_trip", channel) if trips else problem("current_trip_off", channel)
    except BoardError as error:
        yield problem("daemon_refuses", error)


def _through(rig: Rig, channel: str, ohm: int) -> Finding:
    with rig.output() as up:
        seen = measure.plays(rig, channel, PERCENT) if up else measure.Seen(0, 0)
    asked = measure.code_for(PERCENT) * rig.board.full_scale_ua // measure.CODES
    if not _near(seen.current_ua, asked):
        return problem("load_current", f"{channel}: {seen.current_ua / 1000:.2f} mA; {asked / 1000:.2f} mA")
    measured = seen.voltage_mv * 1000 // seen.current_ua
    shown = f"{channel}: {measured} ohm"
    return good("load", shown) if _near(measured, ohm) else problem("load_differs", f"{shown}; {ohm} ohm")


def _near(found: int, wanted: int) -> bool:
    return abs(found - wanted) * 100 <= wanted * WITHIN_PERCENT
