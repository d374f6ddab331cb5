"""``pelvistim doctor``: everything that can be wrong with machine, daemon and board, a line each, with the cure."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from hw.board import load_board
from safety import calibration
from safety.errors import BoardError, LinkError
from workshop import host, lines
from workshop.findings import Finding, as_dict, good, is_bad, line, problem
from workshop.rig import Rig, simulated, take_the_guards_place

BAD: Final = 2


def main(args: argparse.Namespace) -> int:
    """Exit 0 when nothing must be mended, 2 when something must. Raises InputRefused."""
    findings: list[Finding] = []
    for one in _all(args):
        findings.append(one)
        if not args.json:
            print(line(one, args.lang), flush=True)
    if args.json:
        told = [as_dict(one, args.lang) for one in findings]
        json.dump({"bad": is_bad(findings), "findings": told}, sys.stdout, indent=1, ensure_ascii=False)
        print()
    return BAD if is_bad(findings) else 0


def _all(args: argparse.Namespace) -> Iterator[Finding]:
    if args.board == "sim":
        with simulated(args.faults) as (clock, address, _):
            yield from _through(lambda: Rig(load_board(), address, clock, None))
        return
    machine = host.this_host(args.state)
    yield from host.look(machine)
    yield _calibrated(machine.state)
    address = args.pigpio
    found = lines.listens(address[1])
    if found.code == "daemon_absent" and not machine.is_pi:
        found = problem("daemon_elsewhere", found.detail)
    yield found
    if found.code in ("daemon_absent", "daemon_elsewhere", "daemon_listeners_unknown"):
        return
    if machine.is_pi or machine.unit.get("LoadState") == "loaded":
        yield lines.closed_to_others(address)
    take_the_guards_place()
    yield from _through(lambda: Rig(load_board(), address, None, None))


def _through(make: Callable[[], Rig]) -> Iterator[Finding]:
    """What the daemon shows; it is left to a guard that has it."""
    try:
        with contextlib.closing(make()) as rig:
            yield from lines.look(rig)
    except LinkError as error:
        yield problem("daemon_has_guard", error)
    except BoardError as error:
        yield problem("daemon_refuses", error)


def _calibrated(state: Path) -> Finding:
    path = state / "guard" / calibration.NAME
    if not os.access(path.parent, os.X_OK):
        return problem("calibration_unknown")
    record = calibration.read(path)
    code = calibration.problem(record, load_board(), datetime.now().astimezone().date())
    if code is not None:
        return problem("calibration_expired" if code.endswith("expired") else "calibration_missing")
    assert record is not None
    return good("calibration", f"{record.day} + {record.valid_days} d")
