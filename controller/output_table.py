"""The output of a programme at a maximum, phase by phase, into 500, 2 000 and 10 000 ohm, as a maker publishes it.

21 CFR 876.5330 asks for such a table (docs/limits.md). The source gives its current until the compliance ends it: into
a high load the voltage stands at the compliance and the current is less. Everything is for a plain resistor.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from controller.figure_table import NOT_CERTIFIED
from controller.figures import LOADS_OHM, Figures, PhaseFigures
from controller.programme import Programme
from hw.board import Board
from safety import limits

WAVEFORM: Final = "biphasic, symmetric, rectangular, charge-balanced; current-controlled"


@dataclass(frozen=True)
class Line:
    """One phase of a programme on one channel into one load; ``limited``: the compliance ends the current."""

    phase: int
    channel: str
    load_ohm: int
    shape: PhaseFigures
    current_ua: Fraction
    limited: bool
    area_cm2: Fraction

    @property
    def charge_pc(self) -> Fraction:
        """Charge of one phase of a pulse."""
        return self.current_ua * self.shape.phase.phase_width_us

    @property
    def mean_square_ua2(self) -> Fraction:
        """Of the fullest second; where the compliance ends the current, all its pulses are taken to stand there."""
        whole = self.current_ua**2 * self.shape.window_pulses * self.shape.current_us / limits.RMS_WINDOW_US
        return min(self.shape.mean_square_ua2, whole)

    @property
    def average_ua(self) -> Fraction:
        """Average of the current without its sign in the fullest second."""
        whole = self.current_ua * self.shape.window_pulses * self.shape.current_us / limits.RMS_WINDOW_US
        return min(self.shape.average_absolute_ua, whole)

    def row(self) -> dict[str, Any]:
        """The line as it is written; units in the names, rounded to what can be told apart."""
        phase = self.shape.phase
        return {name: value(self, phase) for name, value in _COLUMNS.items()}


_COLUMNS: Final[dict[str, Callable[[Line, Any], Any]]] = {
    "phase": lambda one, _: one.phase,
    "channel": lambda one, _: one.channel,
    "load_ohm": lambda one, _: one.load_ohm,
    "frequency_hz": lambda _, phase: float(phase.frequency_hz),
    "phase_width_us": lambda _, phase: phase.phase_width_us,
    "interphase_us": lambda _, phase: phase.interphase_us,
    "peak_current_ma": lambda one, _: _round(one.current_ua / 1_000),
    "peak_voltage_v": lambda one, _: _round(one.current_ua * one.load_ohm / 10**6),
    "limited_by_compliance": lambda one, _: one.limited,
    "charge_per_phase_uc": lambda one, _: _round(one.charge_pc / 10**6),
    "net_charge_per_pulse_uc": lambda one, _: one.shape.net_charge_code_us,
    "rms_current_ma": lambda one, _: _round(math.sqrt(one.mean_square_ua2) / 1_000),
    "average_absolute_current_ma": lambda one, _: _round(one.average_ua / 1_000),
    "duty_percent": lambda one, _: _round(one.shape.duty * 100),
    "energy_per_pulse_mj": lambda one, _: _round(one.shape.energy_into_nj(one.load_ohm, one.current_ua) / 10**6),
    "average_power_mw": lambda one, _: _round(one.mean_square_ua2 * one.load_ohm / 10**9),
    "rms_density_ma_per_cm2": lambda one, _: _round(math.sqrt(one.mean_square_ua2) / 1_000 / one.area_cm2),
    "power_density_mw_per_cm2": lambda one, _: _round(one.mean_square_ua2 * one.load_ohm / 10**9 / one.area_cm2),
}


def lines(programme: Programme, board: Board, found: Figures) -> list[Line]:
    """A line for each phase with another shape, channel and load, in the order of the programme."""
    told = []
    seen = set()
    for one in found.phases:
        phase = one.phase
        for channel in phase.channels:
            shape = (
                channel,
                phase.frequency_hz,
                phase.phase_width_us,
                phase.interphase_us,
                one.code,
                one.window_pulses,
            )
            if shape in seen:
                continue
            seen.add(shape)
            for load in LOADS_OHM:
                most_ua = Fraction(board.compliance_v) * 1_000_000 / load
                current_ua = min(one.peak_ua, most_ua)
                limited = one.peak_ua > most_ua
                told.append(Line(one.position, channel, load, one, current_ua, limited, programme.electrode.area_cm2))
    return told


def as_csv(listed: Iterable[Line]) -> str:
    """The lines as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(_COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(one.row() for one in listed)
    return out.getvalue()


def as_json(programme: Programme, found: Figures, listed: Iterable[Line]) -> dict[str, Any]:
    """The lines, and what they are of."""
    return {
        "programme": programme.id,
        "max_ma": found.max_ua / 1_000,
        "electrode": {"kind": programme.electrode.kind, "area_cm2": float(programme.electrode.area_cm2)},
        "waveform": WAVEFORM,
        "lines": [one.row() for one in listed],
        "notice": NOT_CERTIFIED,
    }


def print_lines(console: Console, programme: Programme, found: Figures, listed: Iterable[Line]) -> None:
    """One table a phase and channel, readable at 80 columns: a row a figure, a column a load."""
    electrode = programme.electrode
    words = f"{programme.id} at {found.max_ua / 1_000:g} mA on {electrode.kind}, {float(electrode.area_cm2):g} cm2"
    console.print(words, highlight=False, markup=False)
    console.print(f"waveform: {WAVEFORM}", highlight=False, markup=False)
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for one in listed:
        groups.setdefault((one.phase, one.channel), []).append(one.row())
    for (phase, channel), told in groups.items():
        table = Table(box=None, pad_edge=False)
        table.add_column(f"phase {phase}, channel {channel}")
        for row in told:
            table.add_column(f"{row['load_ohm']} ohm", justify="right")
        for name in list(_COLUMNS)[3:]:
            table.add_row(name, *(_shown(row[name]) for row in told))
        console.print(table)
    console.print(NOT_CERTIFIED, highlight=False)


def _round(value: Fraction | float) -> float:
    return round(float(value), 6)


def _shown(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:g}"
