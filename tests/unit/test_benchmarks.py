"""Every figure in the tables of docs/benchmarks.md and of README's is one that was measured, and so is every plot."""

from __future__ import annotations

import re

import pytest

from tests.bench import bounds_table, page, plots
from tests.bench.page import PAGE, README, pictures, readme, texts
from tests.bench.results import load, quantiles, spread
from tests.support.sections import section

RESULTS = load()


def test_the_pages_say_what_was_measured() -> None:
    for path, name, said in texts(RESULTS):
        assert section(path.read_text(encoding="utf-8"), name) == said, f"{name}: python -m tests.bench.page"


def test_no_table_of_figures_stands_beside_those_that_are_made() -> None:
    """A table with the column "measured" whose figures come from nowhere would be missed by the test above."""
    for path in (PAGE, README):
        text = path.read_text(encoding="utf-8")
        for _, name, _ in (one for one in texts(RESULTS) if one[0] == path):
            text = text.replace(section(text, name), "")
        assert "| measured |" not in text, path.name
        assert not re.search(r"\|[^|\n]*\d (?:ms|us|MiB|kB)\b[^|\n]*\|", text.split("## To measure again")[0]), (
            path.name
        )


def test_every_part_was_measured() -> None:
    assert {*page.PARTS, *page.TAKEN_ALONE, bounds_table.THIS} == set(RESULTS) - {page.BROWSER}
    shown = readme(RESULTS)
    assert all(words in shown for figures in page.FIRST.values() for words in figures.values())


def test_the_plots_are_of_what_was_measured() -> None:
    drawn = dict(pictures(RESULTS))
    assert len(drawn) >= 5
    for path, svg in drawn.items():
        assert path.read_text(encoding="utf-8") == svg, f"{path.name}: python -m tests.bench.page"
        assert path.name in PAGE.read_text(encoding="utf-8")
    assert {path.name for path in page.PICTURES.glob("bench-*.svg")} == {path.name for path in drawn}


def test_a_distribution_in_words_and_as_quantiles() -> None:
    values = [float(number) for number in range(1, 201)]
    assert spread(values, "ms") == "p50 101, p99 198, worst 200 ms (n 200)"
    assert (quantiles(values)[0], quantiles(values)[50], quantiles(values)[-1]) == (1, 101, 200)
    assert len(quantiles([3.0])) == 101


@pytest.mark.parametrize("values", [[0.0, 1.0, 20.0], [5.0], [0.0]])
def test_a_plot_keeps_within_its_frame(values: list[float]) -> None:
    svg = plots.ecdf("t", "us", {"one": quantiles(values)})
    (points,) = re.findall(r'polyline points="([^"]+)"', svg)
    for x, y in (map(float, point.split(",")) for point in points.split()):
        assert plots.LEFT <= x <= plots.WIDTH - plots.RIGHT
        assert plots.TOP <= y <= plots.HEIGHT - plots.BOTTOM
