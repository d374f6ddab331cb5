"""The calibration record: what the guard takes for one, and for how long."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from hw.board import load_board
from safety import calibration
from safety.calibration import EXPIRED, GAIN_MAX_PPM, MISSING, OFFSET_MAX_UA, VALID_DAYS, Record

BOARD = load_board()
DAY = date(2026, 11, 26)
GOOD = calibration.nominal(BOARD, DAY)


def with_a(part: str, **changes: int) -> Record:
    """The good record with another line of channel A."""
    one = GOOD.channels["A"]
    return replace(GOOD, channels=GOOD.channels | {"A": replace(one, **{part: replace(getattr(one, part), **changes)})})


def problem(record: Record | None, day: date = DAY) -> str | None:
    return calibration.problem(record, BOARD, day)


@pytest.mark.req("SR-194")
def test_a_record_holds_for_a_year_and_not_before_it_was_made() -> None:
    assert [problem(GOOD, DAY + timedelta(days=n)) for n in (-1, 0, VALID_DAYS, VALID_DAYS + 1)] == [
        EXPIRED,
        None,
        None,
        EXPIRED,
    ]
    assert problem(None) == MISSING


@pytest.mark.req("SR-194")
@pytest.mark.parametrize(
    ("record", "name"),
    [
        (replace(GOOD, board="another"), "board"),
        (replace(GOOD, full_scale_ua=25_000), "board"),
        (replace(GOOD, drop_out_us=79_999), "drop_out"),
        (replace(GOOD, drop_out_us=130_001), "drop_out"),
        (replace(GOOD, estop_us=15_001), "estop"),
        (with_a("dac", gain_ppm=GAIN_MAX_PPM + 1), "A.dac"),
        (with_a("dac", offset_ua=-OFFSET_MAX_UA - 1), "A.dac"),
        (with_a("adc", gain_ppm=949_999), "A.adc"),
        (with_a("adc", gain_uncertainty_ppm=50_001), "A.adc"),
        (
            replace(GOOD, channels=GOOD.channels | {"B": replace(GOOD.channels["B"], compliance_mv=56_999)}),
            "B.compliance",
        ),
        (replace(GOOD, channels=GOOD.channels | {"B": replace(GOOD.channels["B"], trips=False)}), "B.trip"),
    ],
)
def test_a_figure_out_of_tolerance_is_named_and_gives_nobody_current(record: Record, name: str) -> None:
    assert calibration.faults(record, BOARD) == (name,)
    assert problem(record) == MISSING


def test_what_is_at_the_edge_of_its_tolerance_holds() -> None:
    edge = with_a("dac", gain_ppm=GAIN_MAX_PPM, offset_ua=OFFSET_MAX_UA, gain_uncertainty_ppm=50_000)
    assert problem(replace(edge, drop_out_us=130_000, estop_us=15_000)) is None


def test_only_the_whole_unchanged_text_is_a_record() -> None:
    text = calibration.dump(GOOD)
    assert calibration.load(text) == GOOD
    raw = json.loads(text)
    for change in (
        {"day": "2027-11-26"},  # the checksum tells
        {"checksum": "0" * 64},
        {"schema": 2},
        {"valid_days": 366},
        {"estop_us": 1.0},
        {"more": 1},
        {"channels": {"A": raw["channels"]["A"]}},
        {"channels": raw["channels"] | {"A": raw["channels"]["A"] | {"trips": 1}}},
    ):
        changed = {**raw, **change}
        if "checksum" not in change and "day" not in change and "more" not in change:
            changed["checksum"] = _sum(changed)
        assert calibration.load(json.dumps(changed)) is None, change
    for broken in ("", "[]", "{}", "7", "[" * 9999, text[:-3]):
        assert calibration.load(broken) is None


def _sum(raw: dict[str, object]) -> str:
    """A right checksum over changed values, so that only they can be what is refused."""
    rest = {name: value for name, value in raw.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
