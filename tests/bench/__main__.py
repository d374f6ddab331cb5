"""``make bench``: everything about time and size that can be measured here in a quarter of an hour, and the page of it.

python -m tests.bench [PART ...]      all without an argument; the page is made anew from what there is

Longer ones (``make bench-api``, ``bench-growth``, ``bench-page``, ``bench-interlock``) are read where they were run.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Final

from tests.bench import naive, page, quick, whole
from tests.bench.board import Try
from tests.bench.bounds import CURRENT, NAMED
from tests.bench.bounds_table import RESULTS, figures_us, told
from tests.bench.bounds_table import ROWS as BOUNDS
from tests.bench.check import check
from tests.bench.results import keep, quantiles, spread


def ends() -> None:
    """How soon output ends and is named, after what; from ``make bench-interlock``, if it was run."""
    if not RESULTS.exists():
        print("  not there: make bench-interlock")
        return
    measured: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    figures, series = {}, {}
    for row in BOUNDS:
        one = measured["events"].get(row.event.name)
        if one is None or not one["tries"] or row.what not in (CURRENT, NAMED):
            continue
        found = [us / 1000 for us in figures_us(row, [Try(**fields) for fields in one["tries"]])]
        name = f"{row.event.text}: {row.what}"
        figures[name] = spread(found, "ms")
        if row.what == CURRENT and row.event.name in PLOTTED:
            series[row.event.text] = quantiles(found)
    keep(
        "ends",
        figures,
        machine=told(measured)["machine"],
        unit="ms",
        title="From the event to the last current",
        series=series,
    )


PLOTTED: Final = ("stop", "app-kill", "app-stop", "guard-kill", "guard-stop", "lease")
PARTS: Final = {
    **quick.PARTS,
    **whole.PARTS,
    "naive": naive.measure,
    "check": check,
    "ends": ends,
}


def main() -> int:
    for name in sys.argv[1:] or PARTS:
        began = time.monotonic()
        PARTS[name]()
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    page.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
