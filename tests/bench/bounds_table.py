"""The table of bounds in docs/interlock.md, from what ``make bench-interlock`` measured last."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.board import Try
from tests.bench.bounds import CURRENT, LOW, NAMED, PULSE, RAIL, RAMPED, ROWS, Row

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "interlock.md"
THIS: Final = "tests.bench.bounds_table"
RESULTS: Final = ROOT / "build" / "bench-interlock.json"
"""Each try, for who measures further."""
LEAST_TRIES: Final = 200
TRIES_FOR_P999: Final = 3_000
NOT_MEASURED: Final = "0 | - | - | - | - | not measured"
HOW: Final = {
    CURRENT: "the board's record of the current: the last of 0.2 mA or more",
    PULSE: "the board's record of edges (no current flows)",
    RAIL: "the rail, looked at each ms, between two looks as a charge falls",
    LOW: "the guard's message, by the daemon's tick",
    NAMED: "the guard's message, by the daemon's tick",
}


def figures_us(row: Row, tries: Sequence[Try]) -> list[float]:
    """The figure of each try, in order of size. Output that had ended before is 0; what never came is endless."""
    ends = row.what in (CURRENT, PULSE)
    found = [row.figure(one) for one in tries]
    return sorted(max(0, one) if one is not None else 0 if ends else math.inf for one in found)


def percentile(sorted_us: Sequence[float], percent: float) -> float:
    """The least figure that so many percent do not exceed."""
    return sorted_us[max(0, math.ceil(len(sorted_us) * percent / 100) - 1)]


def wrong(row: Row, tries: Sequence[Try]) -> list[str]:
    """What was named in these tries and should not have been, with how often; stops that were not taken; and ramps that
    rose. A guard that ended before its word was read has it in its record.
    """
    names = Counter(one.cause or (f"nothing, {one.disk} on record" if one.disk else "nothing") for one in tries)
    others = [f"{count} named `{name}`" for name, count in names.items() if name not in (row.event.causes or names)]
    refused = Counter(one.refused for one in tries if one.refused)
    others += [f"{count} not taken ({why})" for why, count in refused.items()]
    rose = sum(one.rises for one in tries) if row.event in RAMPED else 0
    return others + ([f"{rose} grew stronger"] if rose else [])


def told(results: Mapping[str, Any]) -> dict[str, Any]:
    """What docs/benchmarks.json keeps of the tries: what they were made on, and the cells of each row."""
    figures = {}
    events: dict[str, list[str]] = {}
    for event in results["events"]:
        on = results["events"][event]["machine"]
        made = f"{on['what']}, {on['processors']} processors, {on['boards']} boards at once, load before it "
        events.setdefault(f"{made}{on['load_before']}, commit {on['commit']}; ms", []).append(event)
    for row in ROWS:
        one = results["events"].get(row.event.name)
        if one and one["tries"]:
            figures[name(row)] = cells(row, [Try(**fields) for fields in one["tries"]], one["spoilt"])
    machine = [f"{made}: {', '.join(named) if len(events) > 1 else 'all'}." for made, named in events.items()]
    return {"machine": "\n".join(machine), "figures": figures}


def name(row: Row) -> str:
    return f"{row.event.text}: {row.what}"


def document(kept: Mapping[str, Any]) -> str:
    """The table, and what it was measured on."""
    lines = [
        kept["machine"],
        "",
        "| event | figure | since | bound | tries | p50 | p95 | p99.9 | max | met | how measured |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        head = f"| {row.event.text} | {row.what} | {row.since or 'it'} | {_ms(row.bound_us)}"
        lines.append(f"{head} | {kept['figures'].get(name(row), NOT_MEASURED)} | {HOW[row.what]} |")
    return "\n".join((*lines, ""))


def cells(row: Row, tries: Sequence[Try], spoilt: Sequence[str]) -> str:
    """The cells of it that were measured: how many tries, the distribution, and whether the bound is met."""
    found, others = figures_us(row, tries), wrong(row, tries)
    p999 = _ms(percentile(found, 99.9)) if len(found) >= TRIES_FOR_P999 else "-"
    met = sum(one <= row.bound_us for one in found)
    said = "yes" if met == len(found) else f"no: {len(found) - met} of {len(found)} are later{_kept(row, tries)}"
    nothing = [f"{count} more came to nothing ({why})" for why, count in Counter(spoilt).items()]
    said = "; ".join((said, *others, *nothing))
    p50, p95 = (_ms(percentile(found, percent)) for percent in (50, 95))
    return f"{len(tries)} | {p50} | {p95} | {p999} | {_ms(found[-1])} | {said}"


def _kept(row: Row, tries: Sequence[Try]) -> str:
    """Of those that are later, how many are so by less than the machine let the guard wait for a check that was due."""
    late = [one for one in tries if figures_us(row, [one])[0] > row.bound_us]
    kept = [one.late_us for one in late if figures_us(row, [one])[0] <= row.bound_us + one.late_us]
    if not kept:
        return ""
    return f", {len(kept)} of them by less than the machine let the guard wait (at most {_ms(max(kept))})"


def _ms(us: float) -> str:
    return "never" if math.isinf(us) else f"{us / 1000:.1f}".removesuffix(".0")
