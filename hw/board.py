"""The board file: pins, levels and transfer functions of one board, read strictly from TOML.

A figure that is missing, unknown or out of range is refused with its place; nothing is guessed.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safety.errors import InputRefused, Problem
from safety.limits import FULL_SCALES_UA

REFERENCE_BOARD: Final = Path(__file__).with_name("board.toml")
DAC_CODES: Final = 4096
"""Codes of the 12-bit MCP4922: I = code / 4096 x full scale."""

PHASE_LINES: Final = ("A_POS", "A_NEG", "B_POS", "B_NEG")
DAC_LINES: Final = ("DAC_SDI", "DAC_SCK", "DAC_CS_N")
_LINES: Final = {
    **dict.fromkeys(
        (*PHASE_LINES, "OUTPUT_ENABLE", "KEEPALIVE", *DAC_LINES, "FAULT_RESET", "PEAK_RESET"),
        "out",
    ),
    **dict.fromkeys(("LED_READY", "LED_OUTPUT", "LED_FAULT", "BUZZER"), "out"),
    **dict.fromkeys(("FAULT_N", "ESTOP_A", "ESTOP_B", "POWER_OK"), "in"),
}
_ADC: Final = {
    "device": (0, 1),
    "bits": (12, 12),
    "vref_mv": (1000, 5000),
    **dict.fromkeys(
        ("peak_a", "peak_b", "electrode_a", "electrode_b", "rail", "average_a", "average_b", "reference"), (0, 7)
    ),
    "peak_full_scale_mv": (100, 5000),
    "electrode_divider": (1, 1000),
    "rail_divider": (1, 1000),
    "average_zero_mv": (0, 5000),
    "average_mv_per_ma": (1, 10_000),
    "reference_mv": (100, 5000),
}


@dataclass(frozen=True)
class Line:
    """One line: its BCM number (0-27), direction ("in" or "out") and safe level (0, 1, or None where it has none)."""

    name: str
    gpio: int
    output: bool
    safe: int | None

    @property
    def mask(self) -> int:
        return 1 << self.gpio


@dataclass(frozen=True)
class Adc:
    """The MCP3208: channel numbers 0-7 of each quantity, and how volts become quantities (docs/hardware.md)."""

    device: int
    bits: int
    vref_mv: int
    peak_a: int
    peak_b: int
    electrode_a: int
    electrode_b: int
    rail: int
    average_a: int
    average_b: int
    reference: int
    peak_full_scale_mv: int
    electrode_divider: int
    rail_divider: int
    average_zero_mv: int
    average_mv_per_ma: int
    reference_mv: int


@dataclass(frozen=True)
class Board:
    """A board as its file describes it. Currents in uA, voltages in V or mV as named, capacitance in uF."""

    name: str
    full_scale_ua: int
    compliance_v: float
    series_capacitor_uf: float
    lines: dict[str, Line]
    adc: Adc
    sample_us: int

    def __getitem__(self, name: str) -> Line:
        return self.lines[name]

    def mask(self, *names: str) -> int:
        """Bank mask (bit n = GPIO n) of the named lines."""
        return sum(self.lines[name].mask for name in names)

    @property
    def outputs(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines.values() if line.output)


def load_board(path: Path = REFERENCE_BOARD) -> Board:
    """Reads and checks a board file. Raises InputRefused with every problem found."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = Problem(
            "board_unreadable", "", "file", str(error), "a TOML file in UTF-8", "Check the path and text."
        )
        raise InputRefused(str(path), (problem,)) from error
    reader = _Reader()
    reader.only(raw, "", ("schema", "name", "channel", "lines", "adc", "pigpiod"))
    reader.integer(raw, "", "schema", (1, 1))
    name = reader.text(raw, "", "name")
    channel = reader.table(raw, "channel", ("full_scale_ua", "compliance_v", "series_capacitor_uf"))
    full_scale = reader.integer(channel, "channel", "full_scale_ua", (min(FULL_SCALES_UA), max(FULL_SCALES_UA)))
    if full_scale and full_scale not in FULL_SCALES_UA:
        reader.add("channel", "full_scale_ua", full_scale, " or ".join(map(str, FULL_SCALES_UA)))
    compliance = reader.number(channel, "channel", "compliance_v", (1.0, 100.0))
    capacitor = reader.number(channel, "channel", "series_capacitor_uf", (0.1, 100.0))
    lines = _lines(reader, reader.table(raw, "lines", tuple(_LINES)))
    adc_table = reader.table(raw, "adc", tuple(_ADC))
    adc = Adc(**{key: reader.integer(adc_table, "adc", key, allowed) for key, allowed in _ADC.items()})
    daemon = reader.table(raw, "pigpiod", ("sample_us",))
    sample = reader.integer(daemon, "pigpiod", "sample_us", (1, 10))
    if reader.problems:
        raise InputRefused(str(path), tuple(reader.problems))
    return Board(name, full_scale, compliance, capacitor, lines, adc, sample)


def _lines(reader: _Reader, table: dict[str, Any]) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    seen: dict[int, str] = {}
    for name, direction in _LINES.items():
        entry = reader.table(table, name, ("gpio", "direction", "safe"), parent="lines")
        place = f"lines.{name}"
        gpio = reader.integer(entry, place, "gpio", (0, 27))
        if entry.get("direction") != direction:
            reader.add(place, "direction", entry.get("direction"), f'"{direction}"')
        safe = entry.get("safe")
        if not (safe == "any" or (type(safe) is int and safe in (0, 1))):
            reader.add(place, "safe", safe, '0, 1 or "any"')
        if gpio in seen and entry:
            reader.add(place, "gpio", gpio, f"a pin of its own; {seen[gpio]} has this one")
        seen[gpio] = name
        lines[name] = Line(name, gpio, direction == "out", safe if type(safe) is int else None)
    return lines


class _Reader:
    """Collects every problem of a board file instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, place: str, field: str, value: object, allowed: str) -> None:
        advice = "Correct the board file; the output stays off until it is whole."
        shown = "missing" if value is None else repr(value)
        self.problems.append(Problem("board_field", place, field, shown, allowed, advice))

    def only(self, table: dict[str, Any], place: str, known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                self.add(place, key, table[key], "no such field")

    def table(self, raw: dict[str, Any], key: str, known: tuple[str, ...], parent: str = "") -> dict[str, Any]:
        value = raw.get(key)
        if not isinstance(value, dict):
            self.add(parent, key, value, "a table")
            return {}
        self.only(value, f"{parent}.{key}" if parent else key, known)
        return value

    def text(self, table: dict[str, Any], place: str, key: str) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value:
            self.add(place, key, value, "a text")
            return ""
        return value

    def integer(self, table: dict[str, Any], place: str, key: str, allowed: tuple[int, int]) -> int:
        value = table.get(key)
        if type(value) is not int or not allowed[0] <= value <= allowed[1]:
            self.add(place, key, value, f"a whole number {allowed[0]} to {allowed[1]}")
            return 0
        return value

    def number(self, table: dict[str, Any], place: str, key: str, allowed: tuple[float, float]) -> float:
        value = table.get(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not allowed[0] <= value <= allowed[1]:
            self.add(place, key, value, f"a number {allowed[0]} to {allowed[1]}")
            return 0.0
        return float(value)
