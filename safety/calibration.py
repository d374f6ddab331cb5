"""The calibration record: what somebody measured of this board with a dummy load and a meter, and until when it holds.

The guard asks for it in its self-test: a board that was not measured, not found good or measured too long ago gives
nobody any current. The figures are not used to correct anything: a board outside its tolerance is mended, not
believed. ``workshop/`` makes the record; here it is read strictly, and judged. But for ``read`` and ``write`` pure.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from safety.schedule import CHANNELS

NAME: Final = "calibration.json"
MISSING: Final = "self_test_calibration"
EXPIRED: Final = "self_test_calibration_expired"
VALID_DAYS: Final = 365
"""A year, as makers of measuring instruments advise. ours."""
GAIN_MIN_PPM, GAIN_MAX_PPM = 950_000, 1_050_000
"""A source or a reading that is off by more than 5 % is mended: half of the 10 % at which the guard stops. ours."""
OFFSET_MAX_UA: Final = 250
"""As much as the self-test takes for no current (``selftest.QUIET_UA``)."""
UNCERTAINTY_MAX_PPM: Final = 50_000
"""A figure that is known less well than the tolerance says nothing. ours."""
DROP_OUT_MIN_US, DROP_OUT_MAX_US = 80_000, 130_000
"""80-120 ms, and 10 ms in which the rail falls (hardware.md)."""
ESTOP_MAX_US: Final = 15_000
"""The rail under 5 V within 10 ms (hardware.md), and what a look takes."""


class Board(Protocol):
    """What a record is compared with: the board file's name and full scale."""

    @property
    def name(self) -> str: ...
    @property
    def full_scale_ua(self) -> int: ...
    @property
    def compliance_v(self) -> float: ...


@dataclass(frozen=True)
class Line:
    """A straight line through what was measured: gain in millionths, offset in uA, how well each is known (k = 2)."""

    gain_ppm: int
    gain_uncertainty_ppm: int
    offset_ua: int
    offset_uncertainty_ua: int


@dataclass(frozen=True)
class Measured:
    """One channel: delivered against asked (``dac``), read against delivered (``adc``), voltage at an open output."""

    dac: Line
    adc: Line
    compliance_mv: int
    trips: bool


@dataclass(frozen=True)
class Record:
    """``board`` and ``full_scale_ua``: of the board file it was measured against. ``day``: ISO date. Times in us: from
    KEEPALIVE's last change, and from the emergency-stop contacts, until the rail is gone."""

    board: str
    full_scale_ua: int
    day: str
    valid_days: int
    load_ohm: int
    meter: str
    channels: dict[str, Measured]
    drop_out_us: int
    estop_us: int
    schema: int = 1


def checksum(record: Record) -> str:
    """SHA-256 over the record's canonical text: against a damaged or half-edited file, not against its owner."""
    return hashlib.sha256(json.dumps(asdict(record), sort_keys=True).encode()).hexdigest()


def dump(record: Record) -> str:
    """The record as text, with its checksum."""
    return json.dumps({**asdict(record), "checksum": checksum(record)}, indent=1) + "\n"


def load(text: str) -> Record | None:
    """The record from its text; anything missing, unknown, of another type or changed makes it None, never a guess."""
    try:
        raw = json.loads(text)
        told = raw.pop("checksum")
        channels = {name: _measured(one) for name, one in raw.pop("channels").items()}
        record = Record(**raw, channels=channels)
        numbers = [value for name, value in raw.items() if name not in ("board", "day", "meter")]
        good = (
            set(raw) | {"channels"} == {field.name for field in fields(Record)}
            and record.schema == 1
            and set(channels) == set(CHANNELS)
            and all(type(value) is int for value in numbers)
            and date.fromisoformat(record.day).isoformat() == record.day
            and 0 < record.valid_days <= VALID_DAYS
            and told == checksum(record)
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return record if good else None


def _measured(raw: dict[str, Any]) -> Measured:
    measured = Measured(**{**raw, "dac": Line(**raw["dac"]), "adc": Line(**raw["adc"])})
    numbers = (*asdict(measured.dac).values(), *asdict(measured.adc).values(), measured.compliance_mv)
    if any(type(number) is not int for number in numbers) or type(measured.trips) is not bool:
        raise TypeError("whole numbers")
    return measured


def faults(record: Record, board: Board) -> tuple[str, ...]:
    """Which figures are out of tolerance, by name; none for a good board."""
    least, most = int(board.compliance_v * 950), int(board.compliance_v * 1100)
    found = [
        name
        for name, holds in (
            ("board", record.board == board.name and record.full_scale_ua == board.full_scale_ua),
            ("drop_out", DROP_OUT_MIN_US <= record.drop_out_us <= DROP_OUT_MAX_US),
            ("estop", 0 <= record.estop_us <= ESTOP_MAX_US),
        )
        if not holds
    ]
    for name, one in record.channels.items():
        found += [f"{name}.{part}" for part, line in (("dac", one.dac), ("adc", one.adc)) if not _within(line)]
        found += [f"{name}.compliance"] if not least <= one.compliance_mv <= most else []
        found += [] if one.trips else [f"{name}.trip"]
    return tuple(found)


def _within(line: Line) -> bool:
    known = 0 <= line.gain_uncertainty_ppm <= UNCERTAINTY_MAX_PPM
    return known and GAIN_MIN_PPM <= line.gain_ppm <= GAIN_MAX_PPM and abs(line.offset_ua) <= OFFSET_MAX_UA


def problem(record: Record | None, board: Board, today: date) -> str | None:
    """Why nobody may get current from this board, None if somebody may. ``today`` before the day of the record: the
    clock is wrong, and how old the record is nobody knows."""
    if record is None or faults(record, board):
        return MISSING
    made = date.fromisoformat(record.day)
    return None if made <= today <= made + timedelta(days=record.valid_days) else EXPIRED


def nominal(board: Board, today: date) -> Record:
    """What the simulated board carries: exact by construction."""
    line = Line(1_000_000, 0, 0, 0)
    channel = Measured(line, line, int(board.compliance_v * 1000), trips=True)
    channels = dict.fromkeys(CHANNELS, channel)
    day = today.isoformat()
    return Record(board.name, board.full_scale_ua, day, VALID_DAYS, 500, "none", channels, 100_000, 10_000)


def read(path: Path) -> Record | None:
    """The record in a file; None when there is none that can be believed."""
    try:
        return load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
