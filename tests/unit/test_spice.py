"""The output stage in ngspice: its figures agree with the board file, the page and the simulated board."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw.board import load_board
from hw.mock import channel, switch, trips
from hw.spice import run, values
from hw.spice.figures import Row, rows
from tests.support.sections import section

PAGE = Path(__file__).parent.parent.parent / "docs" / "hardware" / "simulation.md"
BOARD = load_board()
ngspice = pytest.mark.needs("ngspice", apt="ngspice")


@pytest.fixture(name="found", scope="module")
def _found() -> dict[str, Row]:
    """Every figure by its name; what is "the same" by the name above and its own."""
    named: dict[str, Row] = {}
    above = ""
    for row in rows(BOARD):
        above = above if row.what.startswith("the same") else row.what
        named[row.what if row.what == above else f"{above}: {row.what}"] = row
    return named


@ngspice
def test_every_figure_is_within_what_is_allowed(found: dict[str, Row]) -> None:
    assert len(found) > 40
    assert [row for row in found.values() if not row.agrees] == []


@ngspice
def test_the_page_says_what_ngspice_says(found: dict[str, Row]) -> None:
    told = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in section(PAGE.read_text(encoding="utf-8"), "hw.spice").splitlines()[2:]
    ]
    assert [cells[0] for cells in told] == [row.what for row in found.values()]
    for (what, stated, allowed, said), row in zip(told, found.values(), strict=True):
        assert (stated, allowed) == (row.stated, f"{row.low:.4g} to {row.high:.4g}"), what
        figure = float(said.split()[0])
        # Another version of ngspice takes other steps.
        assert figure == pytest.approx(row.found, rel=0.01, abs=(row.high - row.low) / 50), what


@ngspice
def test_the_simulated_board_has_the_same_figures(found: dict[str, Row]) -> None:
    timers = {
        "phase-length one-shot": trips.PHASE_US / 1000,
        "KEEPALIVE stays high: opens after": switch.DROP_OUT_US / 1000,
        "current trip: after": trips.OVER_US,
    }
    for what, figure in timers.items():
        low, high = (found[f"{what}: the same, all parts {end}"].found for end in ("low", "high"))
        assert low < figure < high, what
    assert found["current trip: level"].found == pytest.approx(trips.OVER * BOARD.full_scale_ua / 1000, rel=0.01)
    assert found["bleeder: time constant"].found == pytest.approx(channel.BLEEDER_KOHM * 10, rel=0.05)
    # The simulated board's rail falls no sooner than the slowest that ngspice finds.
    slowest = found["rail under 5 V after: the same, 65 V, all parts high"].found
    assert slowest <= switch.RAIL_TIME_CONSTANT_US * 2.56 / 1000 <= 10
    assert values(BOARD)["hv"] == switch.HV_VOLT


@ngspice
def test_without_the_part_the_figure_is_another() -> None:
    """What the table shows comes from the trip, the one-shot and the capacitor, and not from something beside them."""
    vref = values(BOARD)["vref"]
    assert "open_s" not in run("trip", BOARD, start_v=vref * 2, stop_v=vref * 2, ramp=1e-6, r_trip=1e12)
    assert "open_s" not in run("length", BOARD, r_length=1e12)
    assert run("stuck", BOARD, c_series=1)["later_a"] > 0.9 * BOARD.full_scale_ua / 1e6
