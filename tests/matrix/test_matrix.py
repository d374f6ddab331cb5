"""The fault matrix: each fault of the simulated board in each state of a session ends as the table says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hw.mock.faults import FAULTS
from safety.causes import CAUSES
from safety.electrode import FINDINGS
from tests.matrix import page, run
from tests.matrix.__main__ import PAGE
from tests.matrix.bench import STATES, At, Cell, bench
from tests.matrix.table import NEVER, ROWS, SELF_TEST, START, Found, wrong
from tests.support.stack import stack


@pytest.fixture(name="boards", scope="module")
def _boards() -> Iterator[None]:
    """A board goes from one cell to the next, and ends with the last."""
    yield
    run.end()


@pytest.mark.req("SR-123", "SR-133", "SR-134", "SR-139", "SR-141", "SR-150")
@pytest.mark.usefixtures("boards")
@pytest.mark.parametrize(
    "cell",
    [
        # who only waits does so while others have something to do
        pytest.param(cell, marks=[pytest.mark.long("waits")] if run.waits(cell) else [])
        for cell in run.everything()
    ],
    ids=lambda cell: f"{ROWS[cell[0]].name}, {cell[1]}",
)
def test_a_fault_ends_as_it_should(cell: tuple[int, At]) -> None:
    found = run.cell(*cell)
    assert wrong(ROWS[cell[0]], cell[1], found) == [], found


@pytest.mark.req("SR-150")
@pytest.mark.parametrize("fault", ["daemon-close", "source-gain A 1.3"])
def test_the_next_guard_shows_the_cause_of_the_last_stop(fault: str, tmp_path: Path) -> None:
    row = next(row for row in ROWS if row.name == fault)
    with bench(tmp_path) as tried:
        cell = tried.run(row.breaks, At.HOLD, row.course)
    with stack(tmp_path, new_state=False) as rig:
        assert rig.link().welcome["last_cause"] == cell.final == row.cells[At.HOLD].causes[0]


def test_every_fault_has_a_row_and_every_row_every_state() -> None:
    assert {one.name for row in ROWS for one in row.breaks} == set(FAULTS)
    assert all(set(row.cells) == set(STATES) for row in ROWS)
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_what_is_expected_is_a_cause_or_a_finding() -> None:
    known = {*CAUSES, *FINDINGS, "ledger_not_written"}
    assert {cause for row in ROWS for found in row.cells.values() for cause in found.causes} <= known


def test_a_fault_that_nothing_finds_says_why() -> None:
    assert [row.name for row in ROWS if not row.why and any(found.at == NEVER for found in row.cells.values())] == []


def _within_ms(found: Found, row_ms: int) -> int:
    return row_ms if found.within_ms is None else found.within_ms


def test_the_page_is_that_of_the_table_and_its_times_are_within_bounds() -> None:
    text = PAGE.read_text(encoding="utf-8")
    times = page.read(text)
    assert page.document(times) == text, "make it anew: python -m tests.matrix"
    for row in ROWS:
        for state, (named, _) in zip(STATES, times[row.name], strict=True):
            found = row.cells[state]
            within_ms = _within_ms(found, row.within_ms)
            assert (named is None) == (found.at in (NEVER, START, SELF_TEST)), (row.name, state)
            assert named is None or not within_ms or named <= within_ms, (row.name, state)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"final": "person"}, "expected"),
        ({"entered_us": 1}, "expected"),
        ({"named_us": 31_000}, "named 31.0 ms"),
        ({"last_us": 31_000}, "last current 31.0 ms"),
        ({"disk": None}, "on disk"),
        ({"acknowledged": "idle"}, "acknowledged"),
        ({"problems": ["a line is high"]}, "a line is high"),
    ],
)
def test_a_cell_that_is_not_as_it_should_be_is_told(change: dict[str, object], said: str) -> None:
    row = ROWS[0]
    good = {
        "cause": "emergency_stop",
        "at": At.HOLD,
        "final": "emergency_stop",
        "named_us": 12_000,
        "entered_us": -1,
        "last_us": 9_000,
        "acknowledged": "refused",
        "disk": "emergency_stop",
    }
    assert wrong(row, At.HOLD, Cell(**good)) == []
    assert said in " ".join(wrong(row, At.HOLD, Cell(**{**good, **change})))
