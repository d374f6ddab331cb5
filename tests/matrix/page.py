"""``docs/fault-matrix.md``: the table of expectations, with the times that were measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hw.mock.faults import FAULTS
from tests.matrix.bench import STATES, At, Cell
from tests.matrix.table import NEVER, RAMP_MS, ROWS, SELF_TEST, START, USUAL, Row, times_ms

Times = dict[str, list[list[float | None]]]
"""Of each row and each of its states: ms until it was named and until the last current, None where there is none."""

_HEAD: Final = f"""# The fault matrix

Each fault of the simulated board ([faults.md](faults.md)) comes in each state of a session, through the whole stack on
the virtual clock: simulated board, pigpio's own client, guard, app. Made by `python -m tests.matrix`, which runs all of
it; `tests/matrix/table.py` holds what is expected, and `tests/matrix/test_matrix.py` tries it, this page included.

In every cell that ends in a stop: the cause is latched and on disk; a start, a resume, an electrode check and a
self-test are refused; an acknowledgement while the fault is there either changes nothing or leads through the
self-test; there is no current and no high line after the stop (where the guard has ended itself, no high voltage); and
when the fault is mended the guard passes its self-test again.

How to read a cell: what is named, and how many ms after "since" it is told / the last current comes at an electrode.
"electrode check:" and the like: nothing happens in that state, and this is where it is found when the session goes on;
its time counts from the output switch's closing or the pulse that shows it. "nothing": the session and the self-test
after it end in order.

A ramp is over after at most {RAMP_MS} ms. Where the guard has ended itself the output switch opens 80 to 120 ms after
the last KEEPALIVE. Current is 2 mA, the pulses are 250 us at 50 Hz where the remarks say no other, in an electrode
check four in 47 ms. A cell with a "within" of its own has that bound, and not its row's.
"""


def document(times: Times) -> str:
    """The page."""
    lines = [
        _HEAD,
        "| fault | since | within ms | "
        + " | ".join(STATES)
        + " | while it is not mended, an acknowledgement leads to |",
        "|---|---|---|" + "---|" * len(STATES) + "---|",
    ]
    for row in ROWS:
        cells = [_cell(row, state, *times[row.name][place]) for place, state in enumerate(STATES)]
        broken = ", ".join("nothing" if code == "refused" else f"`{code}`" for code in row.broken) or "-"
        within = str(row.within_ms) if row.within_ms else "-"
        lines.append(f"| `{row.name}` | {row.since} | {within} | {' | '.join(cells)} | {broken} |")
    lines += ["", "Remarks:", ""]
    lines += [f"- `{row.name}`: {row.why}." for row in ROWS if row.why]
    lines += [
        f"- `{row.name}`: played at {row.course.frequency_hz} Hz with pulses of {row.course.width_us} us."
        for row in ROWS
        if (row.course.frequency_hz, row.course.width_us) != (USUAL.frequency_hz, USUAL.width_us)
    ]
    lines += ["", f"{len(FAULTS)} faults, {len(ROWS)} rows, {len(ROWS) * len(STATES)} cells.", ""]
    return "\n".join(lines)


def _cell(row: Row, state: At, named: float | None, last: float | None) -> str:
    found = row.cells[state]
    if found.at in (NEVER, START, SELF_TEST) or named is None:
        return str(found)
    within = "" if found.within_ms is None else f"within {found.within_ms}: "
    return f"{found} {within}{named:g} / {'-' if last is None else f'{last:g}'}"


def measured(cells: Mapping[tuple[int, At], Cell]) -> Times:
    """The times of a run of everything."""
    found: Times = {}
    for number, row in enumerate(ROWS):
        found[row.name] = []
        for state in STATES:
            named, last = times_ms(row, cells[number, state])
            found[row.name].append([round(named, 1), None if last is None else round(last, 1)])
    return found


_TIME: Final = re.compile(r"([\d.]+) / ([\d.]+|-)$")


def read(page: str) -> Times:
    """The times that stand on a page; None where none does."""
    found: Times = {}
    rows = {f"`{row.name}`": row for row in ROWS}
    for line in page.splitlines():
        parts = [part.strip() for part in line.strip().strip("|").split(" | ")]
        if parts[0] not in rows:
            continue
        matches = [_TIME.search(part) for part in parts[3:-1]]
        found[rows[parts[0]].name] = [
            [None, None] if one is None else [float(one[1]), None if one[2] == "-" else float(one[2])]
            for one in matches
        ]
    return found
