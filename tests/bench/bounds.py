"""The bounds of the guard's page: what happens, and how soon the output must have ended. One row for each figure."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from safety.errors import LinkError
from safety.link import stop_guard
from tests.bench.board import LEASE_US, Try, Trying
from tests.support.stack import DAC_GPIOS, PHASE_GPIOS

CURRENT = "last current"
PULSE = "last change of a phase line"
RAIL = "rail under 5 V"
LOW = "lines confirmed low"
NAMED = "named"
STOP_TIMEOUT_S: Final = 5.0
OUTPUT_ENABLE: Final = 25


@dataclass(frozen=True)
class Event:
    """Something that happens to a session that is held. ``act`` brings it about, and may go on with what comes next.

    ``look_us``: how long is looked at what becomes of it; ``rail``: whether at the rail, too; ``causes``: what may be
    named then, none if the guard itself is ended; ``own``: the app is a process of its own; ``spent``: the guard cannot
    be used again.
    """

    name: str
    text: str
    act: Callable[[Trying], None]
    causes: tuple[str, ...]
    look_us: int = 120_000
    rail: bool = False
    own: bool = False
    spent: bool = False


@dataclass(frozen=True)
class Row:
    """One figure of an event: at most ``bound_us`` after ``since`` (the event itself, if not said)."""

    event: Event
    what: str
    bound_us: int
    figure: Callable[[Try], int | None]
    since: str = ""

    @property
    def name(self) -> str:
        """What it is called in the results."""
        return f"{self.event.name}: {self.what}"


def _fault(*named: object) -> Callable[[Trying], None]:
    return lambda board: board.fault(*named)


def _stop(board: Trying) -> None:
    board.happens()
    try:
        stop_guard(board.rig.folder, STOP_TIMEOUT_S)
    except LinkError as error:  # a try like any other: what came out is judged all the same
        board.refused = str(error)


def _wedged_stop(board: Trying) -> None:
    os.kill(board.guard, signal.SIGUSR1)
    time.sleep(board.chance.uniform(0.002, 0.010))
    _stop(board)


def _kill_app(board: Trying) -> None:
    assert board.child is not None
    board.signal(board.child, signal.SIGKILL)


def _freeze_app(board: Trying) -> None:
    assert board.child is not None
    board.signal(board.child, signal.SIGSTOP)


def _lose_lease(board: Trying) -> None:
    assert board.link is not None
    board.link.echoes = False
    board.tick = board.link.echoed_us


def _current(one: Try) -> int | None:
    return one.last_us


def _rail(one: Try) -> int | None:
    return one.rail_us


def _named(one: Try) -> int | None:
    return one.named_us


def _low(one: Try) -> int | None:
    return one.confirmed_us


def _wrong(one: Try) -> int | None:
    """The last current, from the first wrong pulse."""
    return None if one.last_us is None or one.first_us is None else one.last_us - one.first_us


def _pulse(one: Try) -> int | None:
    """The last change of a phase line, from the first wrong pulse."""
    return None if one.pulse_us is None or one.first_us is None else one.pulse_us - one.first_us


def _ramp(one: Try) -> int | None:
    """The last current, from the naming."""
    return None if one.last_us is None or one.named_us is None else one.last_us - one.named_us


ESTOP = Event("estop", "emergency-stop contact opens", _fault("estop-press"), ("emergency_stop",), rail=True)
STOP = Event("stop", "`stop` on the link", _stop, ("person",))
WEDGED = Event(
    "stop-wedged",
    "`stop` on the link, the main connection to the daemon wedged",
    _wedged_stop,
    ("person",),
)
APP_KILL = Event("app-kill", "app process SIGKILL", _kill_app, ("app_lost",), own=True)
APP_STOP = Event("app-stop", "app process SIGSTOP", _freeze_app, ("app_late", "lease_lost"), 700_000, own=True)
GUARD_KILL = Event(
    "guard-kill", "guard SIGKILL", lambda board: board.signal(board.guard, signal.SIGKILL), (), spent=True
)
GUARD_STOP = Event(
    "guard-stop",
    "guard SIGSTOP",
    lambda board: board.signal(board.guard, signal.SIGSTOP),
    (),
    200_000,
    rail=True,
    spent=True,
)
DAEMON_KILL = Event(
    "daemon-kill", "pigpiod SIGKILL", _fault("daemon-kill", "KILL"), ("daemon_lost",), 180_000, rail=True, spent=True
)
DAEMON_STOP = Event(
    "daemon-stop", "pigpiod SIGSTOP", _fault("daemon-hang"), ("daemon_lost",), 250_000, rail=True, spent=True
)
HIGH = Event("current-high", "current 20 % above the asked", _fault("source-gain", "A", 1.2), ("current_high",))
DAC = Event("dac", "DAC fault: stuck at full scale", _fault("dac-stuck", "A", 4095), ("current_high", "tripped"))
SOURCE = Event(
    "source",
    "source fault: 1.3 times the current in one polarity",
    _fault("source-polarity", "A", "positive", 1.3),
    ("current_high",),
)
OPEN = Event("lead-off", "lead off", _fault("electrode-open", "A"), ("lead_off",), 200_000)
SHORT = Event("short", "short", _fault("electrode-short", "A"), ("short",), 200_000)
STUCK = Event("phase-stuck", "phase line stuck high", _fault("phase-line", "A_POS", "high"), ("tripped", "phase_stuck"))
_OTHER = ("not_what_was_approved", "edges_differ", "current_high")
ADDS = Event("client-add", "second client adds a pulse", _fault("client-add", 24, 100), _OTHER, 250_000)
SENDS = Event("client-send", "second client sends a wave", _fault("client-send", 0, "once"), _OTHER, 250_000)
CLEARS = Event("client-clear", "second client clears the waves", _fault("client-clear"), _OTHER, 250_000)
DELETES = Event("client-delete", "second client deletes a wave", _fault("client-delete", 0), _OTHER, 350_000)
MODE = Event(
    "client-mode",
    "second client makes a line an input (any of the output's)",
    lambda board: board.fault("client-mode", board.chance.choice((*PHASE_GPIOS, *DAC_GPIOS, OUTPUT_ENABLE)), 0),
    (*_OTHER, "current_low", "rail_lost", "direct_current"),
    200_000,
)
SPI = Event(
    "client-spi",
    "second client opens the auxiliary SPI",
    _fault("client-spi", "auxiliary", 0),
    _OTHER,
    200_000,
    spent=True,
)
LEASE = Event("lease", "lease lost (1 s)", _lose_lease, ("lease_lost",), LEASE_US + 700_000)
CHARGER = Event("charger", "charger connected", _fault("charger"), ("charger",), rail=True)
BATTERY = Event("battery", "battery low", _fault("battery-low"), ("battery_low",), 700_000)

RAIL_FALLS_US: Final = 10_000
"""Of an output switch that has opened (hardware.md)."""
LOOK_US: Final = 60_000
"""Three looks of 20 ms."""
WRONG_PULSE = "the first wrong pulse"

ROWS: Final = (
    Row(ESTOP, RAIL, RAIL_FALLS_US, _rail),
    Row(ESTOP, LOW, 30_000, _low),
    Row(STOP, CURRENT, 30_000, _current),
    Row(WEDGED, CURRENT, 30_000, _current),
    Row(APP_KILL, CURRENT, 50_000, _current),
    Row(APP_STOP, CURRENT, 300_000, _current),
    Row(GUARD_KILL, CURRENT, 20_000, _current),
    Row(GUARD_STOP, CURRENT, 150_000, _current),
    Row(GUARD_STOP, RAIL, 130_000, _rail),
    Row(DAEMON_KILL, RAIL, 130_000, _rail),
    Row(DAEMON_STOP, RAIL, 130_000, _rail),
    Row(HIGH, CURRENT, LOOK_US, _wrong, WRONG_PULSE),
    Row(DAC, CURRENT, LOOK_US, _wrong, WRONG_PULSE),
    Row(SOURCE, CURRENT, LOOK_US, _wrong, WRONG_PULSE),
    Row(OPEN, PULSE, 100_000, _pulse, WRONG_PULSE),
    Row(SHORT, CURRENT, 100_000, _wrong, WRONG_PULSE),
    Row(STUCK, CURRENT, 1_400, _current),
    Row(STUCK, NAMED, LOOK_US, _named),
    *(Row(event, CURRENT, LOOK_US, _current) for event in (ADDS, SENDS, CLEARS, DELETES, MODE, SPI)),
    Row(LEASE, CURRENT, LEASE_US + 500_000, _current, "the last echo"),
    Row(CHARGER, RAIL, RAIL_FALLS_US, _rail),
    Row(CHARGER, NAMED, LOOK_US, _named),
    Row(BATTERY, NAMED, LOOK_US, _named),
    Row(BATTERY, CURRENT, 500_000, _ramp, "the naming"),
)
RAMPED: Final = (LEASE, BATTERY)
"""Here the pulses may only get weaker once it is named."""
EVENTS: Final = tuple(dict.fromkeys(row.event for row in ROWS))


def one_try(board: Trying, event: Event) -> Try:
    """Brings it about and gives what became of it. Raises TryFailed."""
    if event.own:
        board.fork()
    else:
        board.hold()
    board.refused = None
    event.act(board)
    rail_us = board.wait(event.look_us, board.link, rail=event.rail)
    found = board.read(rail_us)
    if event.own:
        board.bury()
    if event.spent:
        board.replace_guard()
    else:
        board.mend()
    return dataclasses.replace(found, cause=board.found) if event.own else found
