"""The figures as people and programs read them: one list of rows feeds the table and the JSON, so that both agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from controller.figures import CODE_MAX, ChannelFigures, Figures
from controller.programme import Programme
from controller.strict_toml import plain
from hw.board import Board
from safety import limits
from safety.errors import Problem

NOT_CERTIFIED: Final = "PelviStim is not a certified medical device; these figures claim no conformity to any standard."
FULL_SCALE_CAP: Final = "the board's full scale: caps are full scale until there is a prescription"
_MILLI: Final = Fraction(1, 1_000)
_MICRO: Final = Fraction(1, 10**6)

Number = Fraction | float | int | None


@dataclass(frozen=True)
class Row:
    """One figure of a channel. ``key`` names it in the JSON, unit included; ``note`` stands in for a ceiling."""

    key: str
    words: str
    unit: str
    decimals: int
    value: Callable[[ChannelFigures], Number]
    ceiling: Number = None
    note: str = ""

    def number(self, value: Number) -> float | int | None:
        """The value rounded as it is shown."""
        if value is None:
            return None
        return round(float(value), self.decimals) if self.decimals else int(value)

    def shown(self, value: Number) -> str:
        number = self.number(value)
        return "-" if number is None else f"{number:.{self.decimals}f}"

    def ceiling_words(self) -> str:
        return self.note if self.ceiling is None else f"{self.note} {plain(Fraction(self.ceiling))}".strip()


def rows(programme: Programme, found: Figures) -> list[Row]:
    """The figures of docs and standards in the order shown, each with its ceiling."""
    rms_ma = min(Fraction(limits.RMS_MAX_UA), limits.RMS_DENSITY_MAX_UA_PER_CM2 * programme.electrode.area_cm2) * _MILLI
    charge_uc = limits.CHARGE_PER_PHASE_MAX_PC * _MICRO
    density = limits.RMS_DENSITY_MAX_UA_PER_CM2 * _MILLI
    power = limits.POWER_DENSITY_MAX_MW_PER_CM2 * _MILLI
    longest = limits.CONTRACTION_MAX_US * _MICRO
    harm = f"harm seen at {limits.SHANNON_HARM_K}"
    return [
        Row("peak_current_ma", "peak current", "mA", 3, lambda c: c.peak_ua * _MILLI, found.max_ua * _MILLI),
        Row("dac_code", "its DAC code", "", 0, lambda c: c.code, CODE_MAX),
        Row("charge_per_phase_uc", "charge per phase", "uC", 3, lambda c: c.charge_pc * _MICRO, charge_uc),
        Row("net_charge_per_pulse_code_us", "net charge per pulse", "code x us", 0, lambda c: c.net_charge_code_us, 0),
        Row("rms_current_ma", "r.m.s. current *", "mA", 3, lambda c: c.rms_ua / 1_000, rms_ma),
        Row(
            "rms_density_ma_per_cm2",
            "r.m.s. density *",
            "mA/cm2",
            4,
            lambda c: c.rms_density_ua_per_cm2 / 1_000,
            density,
        ),
        Row(
            "power_density_500_ohm_w_per_cm2",
            "power density, 500 ohm *",
            "W/cm2",
            5,
            lambda c: c.power_density_mw_per_cm2 * _MILLI,
            power,
        ),
        Row("duty_percent", "duty: time with current *", "%", 3, lambda c: c.duty * 100),
        Row(
            "average_absolute_current_ma",
            "average absolute current *",
            "mA",
            4,
            lambda c: c.average_absolute_ua * _MILLI,
        ),
        *(row for index, load in enumerate(found.channels[0].loads) for row in _load_rows(index, load.load_ohm)),
        Row("shannon_k", "Shannon k (informational)", "", 2, lambda c: c.shannon_k, None, harm),
        Row("pulses", "pulses", "", 0, lambda c: c.pulses),
        Row("contractions", "contractions", "", 0, lambda c: c.contractions),
        Row("continuous_phases", "continuous phases", "", 0, lambda c: c.continuous_phases),
        Row(
            "longest_contraction_s",
            "longest contraction",
            "s",
            3,
            lambda c: _seconds(c.longest_contraction_us),
            longest,
        ),
        Row("longest_continuous_s", "longest continuous phase", "s", 3, lambda c: _seconds(c.longest_continuous_us)),
        Row(
            "shortest_rest_s",
            "shortest rest",
            "s",
            3,
            lambda c: _seconds(c.shortest_rest_us),
            None,
            ">= its contraction",
        ),
    ]


def _load_rows(index: int, load_ohm: int) -> tuple[Row, Row]:
    energy_mj = limits.ENERGY_PER_PULSE_MAX_NJ * _MICRO if load_ohm == limits.STANDARD_LOAD_OHM else None
    return (
        Row(
            f"energy_per_pulse_{load_ohm}_ohm_mj",
            f"energy per pulse, {load_ohm} ohm",
            "mJ",
            4,
            lambda c: c.loads[index].energy_nj * _MICRO,
            energy_mj,
        ),
        Row(
            f"max_voltage_{load_ohm}_ohm_v",
            f"maximum voltage, {load_ohm} ohm",
            "V",
            2,
            lambda c: c.loads[index].voltage_uv * _MICRO,
        ),
    )


def _seconds(time_us: int | None) -> Fraction | None:
    return None if time_us is None else time_us * _MICRO


def print_table(console: Console, programme: Programme, board: Board, found: Figures, full_scale: bool) -> None:
    """Prints programme, maximum, session and figures, readable at 80 columns."""
    maximum = f"{plain(found.max_ua * _MILLI)} mA"
    electrode = programme.electrode
    minutes = Fraction(found.duration_us, 60_000_000)
    session = f"{float(minutes):.2f} minutes (at most {limits.SESSION_MAX_US // 60_000_000}), {found.pulses} pulses, "
    session += f"{found.contractions} contractions"
    if found.continuous_phases:
        session += f", and continuous phases: {found.continuous_phases} (no contractions)"
    for label, words in (
        ("programme", f"{programme.id}: {programme.title['en']} / {programme.title['nb']}"),
        ("source", programme.source),
        ("evidence", "none told" if programme.evidence is None else programme.evidence["en"]),
        ("electrode", f"{electrode.kind}, smallest contact {plain(electrode.area_cm2)} cm2"),
        ("maximum", f"{maximum}, {FULL_SCALE_CAP}" if full_scale else f"{maximum} of {_full_scale(board)}"),
        ("session", session),
    ):
        console.print(Text(f"{label}: ", style="bold") + Text(words), highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("figure at the maximum")
    for channel in found.channels:
        table.add_column(channel.channel, justify="right")
    table.add_column("unit")
    table.add_column("ceiling", justify="right")
    for row in rows(programme, found):
        values = (row.shown(row.value(channel)) for channel in found.channels)
        table.add_row(*(Text(cell) for cell in (row.words, *values, row.unit, row.ceiling_words())))
    console.print(table)
    console.print("* in the fullest second: the pulses that start in any [t, t + 1 s)", highlight=False)
    console.print(NOT_CERTIFIED, highlight=False)


def _full_scale(board: Board) -> str:
    return f"the board's full scale of {plain(board.full_scale_ua * _MILLI)} mA"


def as_json(
    programme: Programme,
    board: Board,
    found: Figures,
    problems: tuple[Problem, ...],
    full_scale: bool,
    warnings: tuple[Problem, ...],
) -> dict[str, Any]:
    """The same numbers as the table, with their units in the keys."""
    listed = rows(programme, found)
    return {
        "accepted": not problems,
        "programme": {
            "id": programme.id,
            "title": dict(programme.title),
            "source": programme.source,
            "evidence": None if programme.evidence is None else dict(programme.evidence),
            "electrode": {"kind": programme.electrode.kind, "area_cm2": float(programme.electrode.area_cm2)},
            "cycles": programme.cycles,
        },
        "board": {"name": board.name, "full_scale_ma": float(board.full_scale_ua * _MILLI)},
        "max_ma": float(found.max_ua * _MILLI),
        "max_note": FULL_SCALE_CAP if full_scale else "",
        "session": {
            "pulses": found.pulses,
            "contractions": found.contractions,
            "continuous_phases": found.continuous_phases,
            "minutes": round(found.duration_us / 60_000_000, 6),
            "minutes_ceiling": limits.SESSION_MAX_US // 60_000_000,
        },
        "channels": {
            channel.channel: {row.key: row.number(row.value(channel)) for row in listed} for channel in found.channels
        },
        "ceilings": {row.key: row.number(row.ceiling) for row in listed if row.ceiling is not None},
        "shannon_k_harm_reported": limits.SHANNON_HARM_K,
        "problems": [problem_json(problem) for problem in problems],
        "warnings": [problem_json(warning) for warning in warnings],
        "notice": NOT_CERTIFIED,
    }


def problem_json(problem: Problem) -> dict[str, str]:
    return {
        "code": problem.code,
        "place": problem.place,
        "field": problem.field,
        "value": problem.value,
        "allowed": problem.allowed,
        "advice": problem.advice,
    }
