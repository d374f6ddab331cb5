"""A programme as a form: the same file comes of it, and each number may be what the reader lets it be, and no more."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from controller.catalogue import library
from controller.programme import parse_programme
from controller.programme_form import Checked, check, form_toml, phase_of
from tests.support.programmes import CONTINUOUS, CONTRACTION, PAUSE, changed, programme_toml

MICRO = Fraction(1, 10**6)
"""Numbers with a point are tried in steps of a millionth."""


def form(*phases: Any, **top: Any) -> dict[str, Any]:
    found = check(programme_toml(*phases, **top)).form
    assert found is not None
    return found


def with_(one: dict[str, Any], phase: int, field: str, value: object) -> Checked:
    listed = [dict(each) for each in one["phase"]]
    listed[phase][field] = value
    return check(form_toml({**one, "phase": listed}))


@pytest.mark.parametrize("name", library())
def test_the_file_of_a_form_is_the_same_programme(name: str) -> None:
    found = check(library()[name])
    assert found.form is not None
    again = check(form_toml(found.form))
    assert again.problems == ()
    assert again.programme is not None
    assert found.programme is not None
    for part in ("id", "title", "source", "evidence", "electrode", "cycles", "phases"):
        assert getattr(again.programme, part) == getattr(found.programme, part), part


@pytest.mark.parametrize(
    "phases",
    [
        (CONTRACTION,),
        (changed(CONTRACTION, channel='"AB"', frequency_hz="100", phase_width_us="700"),),
        (CONTINUOUS,),
        (CONTRACTION, PAUSE, CONTINUOUS),
    ],
)
def test_what_is_told_of_a_number_is_what_the_reader_takes(phases: tuple[dict[str, str], ...]) -> None:
    """Both ends are taken, and the next number beyond each is refused."""
    whole = form(*phases)
    for phase, ranges in enumerate(check(form_toml(whole)).phases):
        assert set(ranges) == set(whole["phase"][phase]) - {"name", "channel"}
        for field, one in ranges.items():
            step = Fraction(1) if one.whole else MICRO
            high = one.high // step * step
            last = high
            if "continuous_s" in ranges and one.unit in ("s", "ms"):  # its last pulse may end after it
                last, high = high - 1000 * step, high + 1000 * step
            low = one.low + step if one.above else one.low
            below = one.low if one.above else low - step
            for value, good in ((low, True), (last, True), (below, False), (high + step, False)):
                found = with_(whole, phase, field, int(value) if one.whole else float(value))
                assert (found.problems == ()) is good, (field, value, found.problems)


def test_every_problem_is_told_at_its_phase_and_field() -> None:
    found = check(
        programme_toml(CONTRACTION, changed(CONTRACTION, rest_ms="6499", phase_width_us="5", hold_ms=None), cycles="0")
    )
    assert found.programme is None
    told = {(problem.code, phase_of(problem), problem.field) for problem in found.problems}
    assert told == {
        ("field_range", None, "cycles"),
        ("field_range", 2, "phase_width_us"),
        ("field_missing", 2, "hold_ms"),
    }
    short = check(programme_toml(changed(CONTRACTION, rest_ms="6499")))
    assert [(one.code, phase_of(one), one.field) for one in short.problems] == [("rest_short", 1, "rest_ms")]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"a = [",
        b'phase = "x"',
        b"phase = [1]",
        b"[[phase]]\nhold_ms = {}",
        b"[[phase]]\nchannel = []",
    ],
)
def test_what_is_no_programme_is_refused_and_never_breaks(text: bytes) -> None:
    found = check(text)
    assert found.problems
    assert found.programme is None


@pytest.mark.parametrize(
    "number", ["1e-999999999", "1e999999999", "nan", "-inf", "9" * 4000, "0x7fffffffffffffffff", "1979-05-27"]
)
def test_a_number_beyond_all_bounds_costs_nothing(number: str) -> None:
    """In any field; and what is shown of it is JSON."""
    for phase in (CONTRACTION, CONTINUOUS):
        for field in phase:
            found = check(programme_toml(changed(phase, **{field: number}), cycles=number))
            assert found.problems, field
            json.dumps(found.form, allow_nan=False, default=str)


def test_whatever_is_written_into_a_form_comes_back_as_it_was() -> None:
    source = 'a "quoted" \\ Ø text'
    found = check(form_toml({**form(), "source": source}))
    assert found.programme is not None
    assert found.programme.source == source
    for bad in ("a\nb", "\x00", "\ud800", float("nan"), float("inf"), True, 10**40):
        assert check(form_toml({**form(), "id": bad})).problems, bad
        assert with_(form(), 0, "hold_ms", bad).problems, bad
    assert parse_programme(form_toml(form()), "again").id == "test"
