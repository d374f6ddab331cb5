"""A programme as it is told: its phases, its derived figures, its output table. Its text stands for it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from controller import output_table
from controller.caps import Caps, caps
from controller.contrast import contrasts
from controller.figure_table import as_json
from controller.figures import Figures, ceilings, figures, highest_ua
from controller.programme import Pause, Phase, Programme, parse_programme, shipped_programmes
from hw.board import REFERENCE_BOARD, Board, load_board


@lru_cache(maxsize=200)
def programme_figures(text: bytes, max_ua: int | None = None, area_mm2: int | None = None) -> dict[str, Any]:
    """A programme at a maximum, as ``pelvistim check --json`` gives it.

    Without ``max_ua`` at the highest one that passes; ``area_mm2``: another electrode's smallest contact.
    Raises InputRefused.
    """
    programme, board, found = _derived(text, max_ua, area_mm2)
    return as_json(programme, board, found, ceilings(programme, found), False, contrasts(programme))


@lru_cache(maxsize=200)
def highest_maximum_ua(text: bytes, area_mm2: int | None = None) -> int:
    """The highest maximum at which no ceiling is exceeded, 0 if there is none. Raises InputRefused."""
    return highest_ua(*_placed(text, area_mm2))


def programme_caps(text: bytes, area_mm2: int | None = None) -> Caps:
    """Which caps may be prescribed with it. Raises InputRefused."""
    return caps(load_board(REFERENCE_BOARD).full_scale_ua, highest_maximum_ua(text, area_mm2))


def programme_output(text: bytes, max_ua: int | None = None, area_mm2: int | None = None) -> dict[str, Any]:
    """Its output into the three loads, as ``pelvistim check --output-table json`` gives it. Raises InputRefused."""
    programme, board, found = _derived(text, max_ua, area_mm2)
    return output_table.as_json(programme, found, output_table.lines(programme, board, found))


def programme_output_csv(text: bytes, max_ua: int | None = None, area_mm2: int | None = None) -> str:
    """The same as CSV."""
    return output_table.as_csv(output_table.lines(*_derived(text, max_ua, area_mm2)))


def _placed(text: bytes, area_mm2: int | None) -> tuple[Programme, Board]:
    programme = parse_programme(text, "programme")
    if area_mm2 is not None:
        programme = replace(programme, electrode=replace(programme.electrode, area_cm2=Fraction(area_mm2, 100)))
    return programme, load_board(REFERENCE_BOARD)


def _derived(text: bytes, max_ua: int | None, area_mm2: int | None) -> tuple[Programme, Board, Figures]:
    programme, board = _placed(text, area_mm2)
    at_ua = highest_maximum_ua(text, area_mm2) if max_ua is None else max_ua
    return programme, board, figures(programme, board, at_ua)


def programme_phases(text: bytes) -> list[dict[str, Any]]:
    """The phases of a programme in one cycle, in ms and s, as they are drawn. Raises InputRefused."""
    return [_phase(phase) for phase in parse_programme(text, "programme").phases]


def _phase(phase: Phase) -> dict[str, Any]:
    named = {"name": dict(phase.name), "duration_s": phase.duration_us / 1e6}
    if isinstance(phase, Pause):
        return {**named, "channels": []}
    return {
        **named,
        "channels": list(phase.channels),
        "intensity_percent": float(phase.intensity_percent),
        "frequency_hz": float(phase.frequency_hz),
        "phase_width_us": phase.phase_width_us,
        "interphase_us": phase.interphase_us,
        "ramp_up_ms": phase.ramp_up_us / 1000,
        "hold_ms": phase.plateau_us / 1000,
        "ramp_down_ms": phase.ramp_down_us / 1000,
        "rest_ms": phase.rest_us / 1000,
        "repeats": phase.repeats,
        "continuous": phase.continuous,
    }


@lru_cache(maxsize=1)
def library() -> dict[str, bytes]:
    """The programmes that come with it, sorted by id: id -> the exact bytes of its file."""
    return {name: path.read_bytes() for name, path in shipped_programmes().items()}
