"""``python -m hw.spice``: the table of docs/hardware/simulation.md, simulated now. Exit 1 when a figure disagrees."""

from __future__ import annotations

import sys

from hw.board import load_board
from hw.spice.figures import Row, rows


def line(row: Row) -> str:
    """One row of the table."""
    allowed = f"{row.low:.4g} to {row.high:.4g}"
    return f"| {row.what} | {row.stated} | {allowed} | {row.found:.4g} {row.unit}".rstrip() + (
        " |" if row.agrees else " (**no**) |"
    )


def main() -> int:
    found = rows(load_board())
    print("| figure | stated | allowed | ngspice |\n|---|---|---|---|")
    for row in found:
        print(line(row))
    return int(not all(row.agrees for row in found))


if __name__ == "__main__":
    sys.exit(main())
