"""The programmes that can be prescribed, with their phases and derived figures."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from controller import output_table
from controller.contrast import contrasts
from controller.figure_table import as_json
from controller.figures import Figures, ceilings, figures, highest_ua
from controller.programme import Pause, Phase, Programme, load_programme, shipped_programmes
from hw.board import REFERENCE_BOARD, Board, load_board


@lru_cache(maxsize=200)
def programme_figures(name: str, max_ua: int | None = None, area_mm2: int | None = None) -> dict[str, Any] | None:
    """A shipped programme at a maximum, as ``pelvistim check --json`` gives it; None if there is no such programme.

    Without ``max_ua`` at the highest one that passes; ``area_mm2``: another electrode's smallest contact.
    """
    derived = _derived(name, max_ua, area_mm2)
    if derived is None:
        return None
    programme, board, found = derived
    return as_json(programme, board, found, ceilings(programme, found), False, contrasts(programme))


def programme_output(name: str, max_ua: int | None = None, area_mm2: int | None = None) -> dict[str, Any] | None:
    """Its output into the three loads, as ``pelvistim check --output-table json`` gives it; None if there is none."""
    derived = _derived(name, max_ua, area_mm2)
    if derived is None:
        return None
    programme, board, found = derived
    return output_table.as_json(programme, found, output_table.lines(programme, board, found))


def programme_output_csv(name: str, max_ua: int | None = None, area_mm2: int | None = None) -> str | None:
    """The same as CSV."""
    derived = _derived(name, max_ua, area_mm2)
    return None if derived is None else output_table.as_csv(output_table.lines(*derived))


def _derived(name: str, max_ua: int | None, area_mm2: int | None) -> tuple[Programme, Board, Figures] | None:
    path = shipped_programmes().get(name)
    if path is None:
        return None
    programme, board = load_programme(path), load_board(REFERENCE_BOARD)
    if area_mm2 is not None:
        programme = replace(programme, electrode=replace(programme.electrode, area_cm2=Fraction(area_mm2, 100)))
    return programme, board, figures(programme, board, highest_ua(programme, board) if max_ua is None else max_ua)


def programme_phases(name: str) -> list[dict[str, Any]]:
    """The phases of a shipped programme in one cycle, in ms and s, as they are drawn."""
    return [_phase(phase) for phase in load_programme(shipped_programmes()[name]).phases]


def _phase(phase: Phase) -> dict[str, Any]:
    named = {"name": dict(phase.name), "duration_s": phase.duration_us / 1e6}
    if isinstance(phase, Pause):
        return {**named, "channels": []}
    return {
        **named,
        "channels": list(phase.channels),
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


def programme_ids() -> tuple[str, ...]:
    """The ids of the programmes, sorted."""
    return tuple(shipped_programmes())
