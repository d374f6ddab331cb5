"""The table of bounds: how its figures come about, and that the page has a row for each."""

from __future__ import annotations

import dataclasses
import math

import pytest

from safety.causes import CAUSES
from tests.bench import bounds
from tests.bench.board import Try
from tests.bench.bounds import EVENTS, ROWS, Row
from tests.bench.bounds_table import LEAST_TRIES, PAGE, THIS, cells, document, figures_us, percentile, told, wrong
from tests.support.sections import section

GOOD = Try(cause="emergency_stop", last_us=8_000, pulse_us=9_000, first_us=7_000, rail_us=9_000, confirmed_us=20_000)


def row(event: bounds.Event, what: str) -> Row:
    (found,) = [row for row in ROWS if row.event is event and row.what == what]
    return found


def test_output_that_had_ended_before_counts_as_none_and_what_never_came_as_endless() -> None:
    assert figures_us(row(bounds.STOP, bounds.CURRENT), [GOOD, Try(), Try(last_us=-3)]) == [0, 0, 8_000]
    assert figures_us(row(bounds.ESTOP, bounds.RAIL), [Try(), GOOD]) == [9_000, math.inf]
    assert figures_us(row(bounds.ESTOP, bounds.LOW), [Try(), GOOD]) == [20_000, math.inf]
    assert figures_us(row(bounds.STUCK, bounds.NAMED), [Try()]) == [math.inf]


def test_what_counts_from_the_first_wrong_pulse() -> None:
    assert figures_us(row(bounds.HIGH, bounds.CURRENT), [GOOD, Try(last_us=5)]) == [0, 1_000]
    assert figures_us(row(bounds.OPEN, bounds.PULSE), [GOOD]) == [2_000]
    assert figures_us(row(bounds.BATTERY, bounds.CURRENT), [Try(last_us=300, named_us=100), Try()]) == [0, 200]


@pytest.mark.parametrize(("percent", "figure"), [(50, 2), (51, 3), (95, 4), (100, 4), (0, 1)])
def test_a_percentile_is_a_figure_that_was_measured(percent: float, figure: int) -> None:
    assert percentile([1, 2, 3, 4], percent) == figure


def test_what_is_wrong_is_told() -> None:
    estop, ramp = row(bounds.ESTOP, bounds.LOW), row(bounds.LEASE, bounds.CURRENT)
    assert wrong(estop, [GOOD]) == []
    assert wrong(estop, [GOOD, Try(cause="person"), Try()]) == ["1 named `person`", "1 named `nothing`"]
    rises = Try(cause="lease_lost", rises=True)
    assert wrong(estop, [Try(disk="emergency_stop")]) == ["1 named `nothing, emergency_stop on record`"]
    refused = dataclasses.replace(GOOD, refused="nobody is there")
    assert wrong(estop, [refused, GOOD]) == ["1 not taken (nobody is there)"]
    assert wrong(ramp, [rises]) == ["1 grew stronger"]
    assert wrong(estop, [dataclasses.replace(GOOD, rises=True)]) == []
    assert wrong(row(bounds.GUARD_KILL, bounds.CURRENT), [Try()]) == [], "a guard that was killed names nothing"


def test_a_row_says_whether_the_bound_is_met() -> None:
    estop = row(bounds.ESTOP, bounds.LOW)
    late = dataclasses.replace(GOOD, confirmed_us=30_001)
    assert cells(estop, [GOOD, GOOD], []) == "2 | 20 | 20 | - | 20 | yes"
    assert cells(estop, [GOOD, late], ["x", "y", "x"]).endswith(
        "30 | no: 1 of 2 are later; 2 more came to nothing (x); 1 more came to nothing (y)"
    )
    waited = dataclasses.replace(late, late_us=1_500)
    said = "no: 2 of 3 are later, 1 of them by less than the machine let the guard wait (at most 1.5)"
    assert cells(estop, [GOOD, late, waited], []).endswith(f"| {said}")
    assert cells(estop, [Try()], []).endswith("| never | no: 1 of 1 are later; 1 named `nothing`")
    assert cells(estop, [GOOD] * 3_000, []).endswith("| 20 | 20 | 20 | 20 | yes"), "a 99.9th percentile: 3 000 tries"


def test_what_is_kept_of_the_tries_is_in_the_table() -> None:
    machine = {"what": "X", "processors": 2, "boards": 1, "load_before": 0, "commit": "abc"}
    estop = {"tries": [dataclasses.asdict(GOOD)], "spoilt": [], "machine": machine}
    kept = told({"events": {"estop": estop}})
    lines = document(kept).splitlines()
    assert lines[0] == "X, 2 processors, 1 boards at once, load before it 0, commit abc; ms: all."
    other = {**estop, "machine": {**machine, "commit": "def"}}
    two = told({"events": {"estop": estop, "stop": other}})["machine"].splitlines()
    assert [one.rpartition("commit ")[2] for one in two] == ["abc; ms: estop.", "def; ms: stop."]
    assert lines[5].startswith("| emergency-stop contact opens | lines confirmed low")
    assert "| it | 30 | 1 | 20 | 20 | - | 20 | yes |" in lines[5]
    assert "| 0 | - | - | - | - | not measured |" in lines[6]


def split(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in one.split("|")[1:-1]] for one in table.splitlines() if one.startswith("| ")][1:]


def test_the_page_has_every_row_and_says_truly_which_bound_is_met() -> None:
    shown = split(section(PAGE.read_text(encoding="utf-8"), THIS))
    fixed = split(document({"machine": "", "figures": {}}))
    assert [one[:4] + one[10:] for one in shown] == [one[:4] + one[10:] for one in fixed], "make bench-interlock"
    for one in shown:
        if one[8] != "-":
            late = one[8] == "never" or float(one[8]) > float(one[3])
            assert one[9].startswith("no" if late else "yes"), one


@pytest.mark.req("SR-124", "SR-125")
def test_the_page_tells_what_real_time_adds_to_an_app_that_goes_and_to_a_stop() -> None:
    told = split(section(PAGE.read_text(encoding="utf-8"), "tests.bench.bounds_table"))
    for event, bound_ms in ((bounds.APP_KILL, 50), (bounds.APP_STOP, 300), (bounds.STOP, 30), (bounds.WEDGED, 30)):
        (one,) = [one for one in told if one[:2] == [event.text, bounds.CURRENT]]
        assert float(one[3]) == bound_ms
        assert int(one[4]) >= LEAST_TRIES, "make bench-interlock"


def test_what_may_be_named_is_a_cause() -> None:
    assert {cause for event in EVENTS for cause in event.causes} <= set(CAUSES)
    assert len({event.name for event in EVENTS}) == len(EVENTS)
