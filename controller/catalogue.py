"""The programmes that can be prescribed, with their derived figures."""

from __future__ import annotations

from functools import cache
from typing import Any

from controller.contrast import contrasts
from controller.figure_table import as_json
from controller.figures import ceilings, figures, highest_ua
from controller.programme import load_programme, shipped_programmes
from hw.board import REFERENCE_BOARD, load_board


@cache
def programme_figures(name: str) -> dict[str, Any] | None:
    """A shipped programme at the highest maximum that passes, as ``pelvistim check --json`` gives it; None if there is
    no such programme.
    """
    path = shipped_programmes().get(name)
    if path is None:
        return None
    programme, board = load_programme(path), load_board(REFERENCE_BOARD)
    found = figures(programme, board, highest_ua(programme, board))
    return as_json(programme, board, found, ceilings(programme, found), False, contrasts(programme))


def programme_ids() -> tuple[str, ...]:
    """The ids of the programmes, sorted."""
    return tuple(shipped_programmes())
