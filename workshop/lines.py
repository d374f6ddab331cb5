"""The doctor's look at the daemon and, through it, at the board: listeners, mask, converter, and each line by itself.

No phase line is raised with the output switch closed, and KEEPALIVE is left alone: it has dropped out, so the switch is
open whatever OUTPUT_ENABLE says. A line that is raised is lowered again in the same burst, so that no phase lasts as
long as the one-shot's 1.25 ms.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
from collections.abc import Iterator
from typing import Final

from hw import daemon_facts
from hw.board import Board
from hw.wire import Command, NotAsApproved, asked, burst
from safety import selftest
from safety.steps import NEAR_ZERO_MV
from workshop.findings import Finding, good, problem
from workshop.rig import GUARD_USER, Rig, as_user

NOBODY: Final = 65_534
EMG_BUS, EMG_ADDRESS = 1, 0x48
"""ADS1115 (hardware.md)."""
_LEFT_ALONE: Final = ("KEEPALIVE",)
CONNECT_TIMEOUT_S: Final = 2.0


def listens(port: int) -> Finding:
    """Where somebody listens at the daemon's port, as the kernel says."""
    try:
        found = daemon_facts.listeners(port)
    except (OSError, ValueError) as error:
        return problem("daemon_listeners_unknown", error)
    if not found:
        return problem("daemon_absent", f"port {port}")
    foreign = [one for one in found if not daemon_facts.is_loopback(one)]
    return problem("daemon_open", ", ".join(foreign)) if foreign else good("listeners", ", ".join(found))


def closed_to_others(where: tuple[str, int]) -> Finding:
    """Whether another user than the guard's reaches the daemon's port; only root can try as nobody."""

    def reached() -> bool:
        with socket.socket() as trial:
            trial.settimeout(CONNECT_TIMEOUT_S)
            return trial.connect_ex(where) == 0

    if os.geteuid() == 0:
        return problem("port_open", "nobody") if as_user(NOBODY, reached) else good("port")
    me = pwd.getpwuid(os.geteuid()).pw_name
    if me == GUARD_USER:
        return problem("port_unknown")
    return problem("port_open", me) if reached() else good("port")


def look(rig: Rig) -> Iterator[Finding]:
    """Everything of daemon and board, the guard's own self-test last. Raises BoardError."""
    yield from _daemon(rig)
    yield _spi(rig)
    yield _i2c(rig)
    yield from _inputs(rig)
    yield from _wiring(rig)
    code = rig.drive(selftest.run(rig.tools, rig.figures, rig.clock.now(), rearm=False, uncalibrated=None))
    yield good("self_test") if code is None else problem("self_test_failed", f"{code}: {selftest.CODES[code]}")


def _daemon(rig: Rig) -> Iterator[Finding]:
    facts = rig.tools.facts()
    if facts.version < selftest.VERSION_MIN:
        yield problem("daemon_old", facts.version)
    else:
        yield good("daemon", f"pigpiod v{facts.version}")
    board = sum(line.mask for line in rig.board.lines.values())
    foreign, missing = facts.permitted & ~board, board & ~facts.permitted
    if foreign or missing:
        yield problem("mask_foreign" if foreign else "mask_missing", f"-x 0x{facts.permitted:x}; 0x{board:x}")
    else:
        yield good("mask", f"-x 0x{board:x}")
    yield problem("daemon_left_over", facts.scripts) if facts.scripts else good("left_over")


def _spi(rig: Rig) -> Finding:
    """The 1.250 V reference by two ways."""
    sample, wanted = rig.tools.sense(), rig.figures.reference_mv
    shown = f"{sample.reference_mv} mV; {wanted} mV"
    if len(set(sample.raw)) == 1:
        return problem("spi_dead", f"8 x {sample.raw[0]}")
    if abs(sample.reference_mv - wanted) > selftest.REFERENCE_MV:
        return problem("spi_reference", shown)
    second = rig.tools.second_opinion(rig.board.adc.reference)
    differs = abs(second - sample.raw[rig.board.adc.reference]) > selftest.AGREE_CODES
    return problem("spi_differs", second) if differs else good("spi", shown)


def _i2c(rig: Rig) -> Finding:
    """Whether the converter of the EMG preamplifier answers; it is needed for nothing else."""
    client = rig.tools.client
    try:
        handle = asked(client.i2c_open, EMG_BUS, EMG_ADDRESS)
    except NotAsApproved:
        return problem("i2c_no_bus")
    try:
        asked(client.i2c_read_byte, handle)
    except NotAsApproved:
        return problem("i2c_no_answer", f"0x{EMG_ADDRESS:x}")
    finally:
        with contextlib.suppress(NotAsApproved):
            asked(client.i2c_close, handle)
    return good("i2c", f"0x{EMG_ADDRESS:x}")


def _inputs(rig: Rig) -> Iterator[Finding]:
    bank, lines = rig.tools.sense().bank, rig.board.lines
    safe = {name: bool(bank & line.mask) is bool(line.safe) for name, line in lines.items() if not line.output}
    if safe["ESTOP_A"] is not safe["ESTOP_B"]:
        yield problem("estop_contacts", "ESTOP_A" if safe["ESTOP_B"] else "ESTOP_B")
    else:
        yield good("estop") if safe["ESTOP_A"] else problem("estop_pressed")
    yield good("trip") if safe["FAULT_N"] else problem("trip_latched")
    yield good("power") if safe["POWER_OK"] else problem("power_low")


def _wiring(rig: Rig) -> Iterator[Finding]:
    """Each output line raised and lowered, read back both times, the output switch open and seen to be."""
    rig.drained()
    rail_mv = rig.tools.sense().rail_mv
    if rail_mv >= NEAR_ZERO_MV:
        yield problem("wiring_rail", f"{rail_mv} mV")
        return
    wrong = [line.name for line in rig.board.outputs if line.name not in _LEFT_ALONE and not _follows(rig, line.name)]
    yield problem("wiring_line", ", ".join(wrong)) if wrong else good("wiring", f"{len(rig.board.outputs)}")


def _follows(rig: Rig, name: str) -> bool:
    line, board = rig.board[name], rig.board
    rest = line.safe or 0
    levels = (1 - rest, rest)
    commands = [one for level in levels for one in ((Command.WRITE, line.gpio, level, b""), (Command.BANK, 0, 0, b""))]
    results = asked(burst, rig.tools.client, commands)
    others = _outputs(board) & ~line.mask
    read = [result & 0xFFFF_FFFF for result in results[1::2]]
    return [bool(bank & line.mask) for bank in read] == [bool(level) for level in levels] and not (
        (read[0] ^ read[1]) & others
    )


def _outputs(board: Board) -> int:
    """Lines that only this side moves: one of them that follows another is joined to it."""
    return sum(line.mask for line in board.outputs)
