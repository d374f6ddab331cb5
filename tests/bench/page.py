"""docs/benchmarks.md, its plots and README's table, from docs/benchmarks.json: ``python -m tests.bench.page``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.bench import bounds_table
from tests.bench.plots import ecdf
from tests.bench.results import ROOT, load
from tests.support.sections import put, table

PAGE: Final = ROOT / "docs" / "benchmarks.md"
README: Final = ROOT / "README.md"
PHONE: Final = ROOT / "docs" / "page.md"
BROWSER: Final = "tests.browser.bench"
PICTURES: Final = ROOT / "docs" / "pictures"
THIS: Final = "tests.bench.page"
PARTS: Final = (
    "edges", "naive", "chunk", "intensity", "ends", "start", "speed", "page", "journal",
    "growth_of_the_journal", "viewers",
)  # fmt: skip
"""What ``make bench`` measures, as it stands on the page."""
TAKEN_ALONE: Final = ("tests.bench.bench_api", "tests.bench.growth")
"""Parts of the page that a longer bench makes; their figures are in the same file."""
FIRST: Final = {
    "edges": {
        "start to start off by, joins included, at most": "a minute in real time: pulses late or early by, at most",
        "underruns": "the same: chunks that came too late",
    },
    "naive": {
        "waves (ours): phase width off by": "phase width off by, as a wave",
        "time.sleep loop: phase width off by": "the same train written by a loop that sleeps",
    },
    "chunk": {
        "stress-50hz: share of 100 ms": "a chunk compiled, judged and sent: share of its 100 ms",
        "stress-50hz: the same on a Zero 2 W, estimated": "the same on a Zero 2 W, estimated",
    },
    "intensity": {
        "from the request to the first pulse with it": "from a change of the strength to the first pulse with it"
    },
    "ends": {
        "app process SIGKILL: last current": "from SIGKILL of the app to the last current",
        "guard SIGSTOP: last current": "from SIGSTOP of the guard to the last current",
    },
    "tests.bench.bench_api": {
        "from the request to lines confirmed low": "STOPP under load: from the request to lines confirmed low"
    },
    "start": {
        "`pelvistim serve` to the printed links": "`pelvistim serve` to the printed links",
        "resident then": "resident memory then",
    },
}
"""What README shows of it, and in which words."""


def part(name: str, told: Mapping[str, Any]) -> str:
    """One part: its machine, its figures, its plot."""
    text = f"{told['machine']}\n\n" if "machine" in told else ""
    text += table(told["figures"])
    if "series" in told:
        text += f"\n![{told['title']}](pictures/bench-{name}.svg)\n"
    return text


def in_the_browser(told: Mapping[str, Any]) -> str:
    """The table of docs/page.md."""
    rows = "".join(f"| {what} | {cells} |\n" for what, cells in told["figures"].items())
    return f"{told['machine']}\n\n| what | median | p95 | worst | n | p95 at most |\n|---|---|---|---|---|---|\n{rows}"


def readme(results: Mapping[str, Any]) -> str:
    return table({
        words: results[name]["figures"][figure] for name, figures in FIRST.items() for figure, words in figures.items()
    })  # fmt: skip


def pictures(results: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for name, told in results.items():
        if "series" in told:
            yield PICTURES / f"bench-{name}.svg", ecdf(told["title"], told["unit"], told["series"])


def texts(results: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """Page, name of its part, and what stands there."""
    for name in PARTS:
        if name in results:
            yield PAGE, f"{THIS} {name}", part(name, results[name])
    for name in TAKEN_ALONE:
        yield PAGE, name, table(results[name]["figures"])
    yield bounds_table.PAGE, bounds_table.THIS, bounds_table.document(results[bounds_table.THIS])
    if BROWSER in results:
        yield PHONE, BROWSER, in_the_browser(results[BROWSER])
    yield README, f"{THIS} readme", readme(results)


def write() -> None:
    """Makes all of it anew from what was measured last."""
    results = load()
    for path, drawn in pictures(results):
        path.write_text(drawn, encoding="utf-8")
    for page, name, said in texts(results):
        put(page, name, said)


if __name__ == "__main__":
    write()
