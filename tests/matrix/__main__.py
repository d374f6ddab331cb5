"""``python -m tests.matrix``: runs the whole matrix and makes ``docs/fault-matrix.md`` with the times it took."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tests.matrix import page, run
from tests.matrix.table import ROWS, wrong

PAGE: Final = Path(__file__).parents[2] / "docs" / "fault-matrix.md"


def main() -> int:
    """Exit 1 when a cell is not as it is expected; then the page stays as it was."""
    cells = run.run(run.everything())
    bad = [
        f"{ROWS[n].name}, {state}: {said}" for (n, state), cell in cells.items() for said in wrong(ROWS[n], state, cell)
    ]
    if bad:
        print("\n".join(bad), file=sys.stderr)
        return 1
    PAGE.write_text(page.document(page.measured(cells)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
