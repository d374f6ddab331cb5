"""The independent decoder must catch, and name rightly, one thing spoiled in a correct edge file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.decoder.making import LEAD_US, MadePulse, Row, frame, pulse_rows, rows_of
from tests.decoder.session import (
    BOTH_BEGIN,
    CONTINUOUS_BEGINS,
    FIRST_PLATEAU,
    SECOND_BEGINS,
    STEPS,
    kinds,
    made_pulses,
    violations_of,
)

# --- one thing spoiled in the pulses --------------------------------------------------------------------------


def widen(pulses: list[MadePulse]) -> None:
    pulses[FIRST_PLATEAU].pos += 1
    pulses[FIRST_PLATEAU].neg += 1


def unequal(pulses: list[MadePulse]) -> None:
    pulses[FIRST_PLATEAU].neg -= 1


def unequal_at_code_0(pulses: list[MadePulse]) -> None:
    pulses[0].pos += 1


def long_gap(pulses: list[MadePulse]) -> None:
    pulses[FIRST_PLATEAU].gap += 1


def gap_9_us(pulses: list[MadePulse]) -> None:
    pulses[FIRST_PLATEAU].gap = 9


def shift_1_us(pulses: list[MadePulse]) -> None:
    pulses[FIRST_PLATEAU].start += 1


def shift_1_us_down_in_b(pulses: list[MadePulse]) -> None:
    pulses[BOTH_BEGIN + 11].start -= 1


def drifting_grid(pulses: list[MadePulse]) -> None:
    """What adding up rounded periods gives: 75 187 us instead of 75 187.97."""
    for pulse in pulses[BOTH_BEGIN:CONTINUOUS_BEGINS:2]:
        n = (pulse.start - LEAD_US - 20_000_000) // 75_000
        pulse.start = LEAD_US + 20_000_000 + n * 75_187


def drop_one(pulses: list[MadePulse]) -> None:
    del pulses[FIRST_PLATEAU]


def drop_last_of_contraction(pulses: list[MadePulse]) -> None:
    del pulses[SECOND_BEGINS - 1]


def drop_first_of_contraction(pulses: list[MadePulse]) -> None:
    del pulses[SECOND_BEGINS]


def drop_contraction(pulses: list[MadePulse]) -> None:
    del pulses[SECOND_BEGINS:BOTH_BEGIN]


def add_between(pulses: list[MadePulse]) -> None:
    near = pulses[FIRST_PLATEAU]
    pulses.insert(FIRST_PLATEAU + 1, MadePulse("A", near.start + 10_000, 250, 100, 250, near.code))


def add_in_rest(pulses: list[MadePulse]) -> None:
    pulses.insert(SECOND_BEGINS, MadePulse("A", LEAD_US + 6_700_000, 250, 100, 250, 0))


def add_on_other_channel(pulses: list[MadePulse]) -> None:
    pulses.insert(FIRST_PLATEAU + 1, MadePulse("B", pulses[FIRST_PLATEAU].start + 10_000, 250, 100, 250, 0))


def add_5_ms_after(pulses: list[MadePulse]) -> None:
    near = pulses[FIRST_PLATEAU]
    pulses.insert(FIRST_PLATEAU + 1, MadePulse("A", near.start + 6_665, 250, 100, 250, near.code))


def add_in_continuous(pulses: list[MadePulse]) -> None:
    near = pulses[CONTINUOUS_BEGINS + 10]
    pulses.insert(CONTINUOUS_BEGINS + 11, MadePulse("B", near.start + 50_000, 200, 100, 200, near.code))
    near.start += 1


def late_contraction(pulses: list[MadePulse]) -> None:
    for pulse in pulses[SECOND_BEGINS:BOTH_BEGIN]:
        pulse.start += 1


def late_rest_of_session(pulses: list[MadePulse]) -> None:
    for pulse in pulses[BOTH_BEGIN:]:
        pulse.start += 100_000


def b_shifted_wrongly(pulses: list[MadePulse]) -> None:
    for pulse in pulses[BOTH_BEGIN:CONTINUOUS_BEGINS]:
        pulse.start += pulse.channel == "B"


def short_rest(pulses: list[MadePulse]) -> None:
    for pulse in pulses[SECOND_BEGINS:BOTH_BEGIN]:
        pulse.start -= 100_000


def b_upon_a(pulses: list[MadePulse]) -> None:
    pulses[BOTH_BEGIN + 11].start = pulses[BOTH_BEGIN + 10].start + 600


def b_as_a_ends(pulses: list[MadePulse]) -> None:
    pulses[BOTH_BEGIN + 1].start = pulses[BOTH_BEGIN].start + 650


def b_in_gap_of_a(pulses: list[MadePulse]) -> None:
    a = pulses[BOTH_BEGIN]
    a.gap = 900
    pulses[BOTH_BEGIN + 1].start = a.start + a.pos + 100


def code_bit_0(pulses: list[MadePulse]) -> None:
    pulses[FIRST_PLATEAU].code ^= 1


def code_bit_2(pulses: list[MadePulse]) -> None:
    pulses[FIRST_PLATEAU].code ^= 4


def code_one_up(pulses: list[MadePulse]) -> None:
    pulses[SECOND_BEGINS + 210].code += 1


def code_at_envelope_0(pulses: list[MadePulse]) -> None:
    pulses[SECOND_BEGINS].code = 1


def codes_of_next_pulse(pulses: list[MadePulse]) -> None:
    """A ramp one pulse early."""
    for i in range(SECOND_BEGINS, SECOND_BEGINS + 50):
        pulses[i].code = pulses[i + 1].code


# name of the corruption -> all kinds of violation that it must give, no fewer and no others
PULSE_CORRUPTIONS: list[tuple[Callable[[list[MadePulse]], None], set[str]]] = [
    (widen, {"phase width"}),
    (unequal, {"unequal phases", "net charge", "phase width"}),
    (unequal_at_code_0, {"unequal phases", "phase width"}),
    (long_gap, {"interphase gap"}),
    (gap_9_us, {"dead time", "interphase gap"}),
    (shift_1_us, {"off the grid"}),
    (shift_1_us_down_in_b, {"off the grid"}),
    (drifting_grid, {"off the grid"}),
    (drop_one, {"pulse count", "missing pulse"}),
    (drop_last_of_contraction, {"pulse count", "missing pulse"}),
    (drop_first_of_contraction, {"pulse count", "missing pulse"}),
    (drop_contraction, {"pulse count", "missing pulse"}),
    (add_between, {"pulse count", "extra pulse"}),
    (add_in_rest, {"pulse count", "extra pulse", "rest"}),
    (add_on_other_channel, {"pulse count", "extra pulse"}),
    (add_5_ms_after, {"pulse count", "extra pulse", "rate"}),
    (add_in_continuous, {"pulse count", "extra pulse", "rate", "off the grid"}),
    (late_contraction, {"contraction start"}),
    (late_rest_of_session, {"contraction start"}),
    (b_shifted_wrongly, {"contraction start"}),
    (short_rest, {"contraction start", "rest"}),
    (b_upon_a, {"channels overlap", "frame inside a pulse", "missing pulse", "extra pulse"}),
    (b_as_a_ends, {"channels overlap", "missing pulse", "extra pulse"}),
    (b_in_gap_of_a, {"channels overlap", "interphase gap", "missing pulse", "extra pulse"}),
    (code_bit_0, {"set-point falls"}),
    (code_bit_2, {"over the set-point"}),
    (code_one_up, {"over the set-point"}),
    (code_at_envelope_0, {"over the set-point"}),
    (codes_of_next_pulse, {"over the set-point"}),
]


@pytest.mark.parametrize(("corrupt", "expected"), PULSE_CORRUPTIONS, ids=[c[0].__name__ for c in PULSE_CORRUPTIONS])
def test_spoiled_pulse_is_named(corrupt: Callable[[list[MadePulse]], None], expected: set[str]) -> None:
    pulses = made_pulses()
    corrupt(pulses)
    assert kinds(violations_of(rows_of(pulses))) == expected


def test_errors_are_given_with_place_and_amount() -> None:
    pulses = made_pulses()
    shift_1_us(pulses)
    assert violations_of(rows_of(pulses)) == ["off the grid: channel A at 3800201 us: error +1 us"]
    pulses = made_pulses()
    late_contraction(pulses)
    told = "contraction start: channel A begins one at 9000201 us, the programme says 9000200 us: error +1 us"
    assert violations_of(rows_of(pulses)) == [told]
    pulses = made_pulses()
    code_bit_0(pulses)
    assert violations_of(rows_of(pulses), steps=STEPS) == ["code: channel A at 3800200 us: code 490, 6000 uA give 491"]
    pulses = made_pulses()
    unequal(pulses)
    assert "net charge: channel A: 491 code x us, not 0" in violations_of(rows_of(pulses))


# --- one thing spoiled in the rows ----------------------------------------------------------------------------


def rows_replaced(rows: list[Row], old: list[Row], new: list[Row]) -> list[Row]:
    kept = list(rows)
    for row in old:
        kept.remove(row)
    return sorted(kept + new, key=lambda row: row[0])


PLATEAU_US = LEAD_US + 3_800_000
FULL = frame(PLATEAU_US - 60, "A", 491)
REACHED_US = LEAD_US + 3_400_000  # the first pulse at 6 mA
REACHES_491 = frame(REACHED_US - 60, "A", 491)


def with_frame(rows: list[Row], new: list[Row]) -> list[Row]:
    return rows_replaced(rows, [], new)


def final_frames(rows: list[Row]) -> tuple[int, list[Row]]:
    """The time of the last frame of A at the end, and its rows with those of the frame of B after it."""
    at_us = rows[-1][0] - 73
    return at_us, frame(at_us, "A", 0) + frame(at_us + 40, "B", 0)


PLATEAU = pulse_rows(MadePulse("A", PLATEAU_US, 250, 100, 250, 491))
SWAPPED = [(time_us, {24: 27, 27: 24}[gpio], level) for time_us, gpio, level in PLATEAU]

ROW_CORRUPTIONS: list[tuple[str, Callable[[list[Row]], list[Row]], set[str]]] = [
    (
        "POS rise missing",
        lambda rows: rows_replaced(rows, PLATEAU[:1], []),
        {"stray edge", "order", "net charge", "pulse count", "missing pulse"},
    ),
    (
        "POS fall missing",
        lambda rows: rows_replaced(rows, PLATEAU[1:2], []),
        {"stray edge", "both lines", "order", "net charge", "pulse count", "missing pulse"}
        | {"unequal phases", "phase width", "interphase gap"},
    ),
    (
        "NEG rise missing",
        lambda rows: rows_replaced(rows, PLATEAU[2:3], []),
        {"stray edge", "order", "net charge", "pulse count", "missing pulse"},
    ),
    (
        "second phase missing",
        lambda rows: rows_replaced(rows, PLATEAU[2:], []),
        {"order", "net charge", "pulse count", "missing pulse"},
    ),
    (
        "first phase missing",
        lambda rows: rows_replaced(rows, PLATEAU[:2], []),
        {"order", "net charge", "pulse count", "missing pulse"},
    ),
    (
        "second phase on the positive line",
        lambda rows: rows_replaced(rows, PLATEAU[2:], [(time_us, 24, level) for time_us, _, level in PLATEAU[2:]]),
        {"order", "net charge", "pulse count", "missing pulse"},
    ),
    (
        "phases in swapped order",
        lambda rows: rows_replaced(rows, PLATEAU, SWAPPED),
        {"order", "pulse count", "missing pulse"},
    ),
    (
        "both lines at once",
        lambda rows: rows_replaced(rows, PLATEAU[1:2], [(PLATEAU_US + 351, 24, 0)]),
        {"both lines", "unequal phases", "net charge", "phase width", "interphase gap"},
    ),
    (
        "frame inside a phase",
        lambda rows: with_frame(rows, frame(PLATEAU_US + 100, "A", 491)),
        {"frame inside a pulse"},
    ),
    (
        "frame of the other channel in the gap",
        lambda rows: with_frame(rows, frame(PLATEAU_US + 260, "B", 0)),
        {"frame inside a pulse"},
    ),
    (
        "code changed between the phases",
        lambda rows: with_frame(rows, frame(PLATEAU_US + 270, "A", 300) + frame(PLATEAU_US + 700, "A", 491)),
        {"frame inside a pulse", "two codes", "net charge"},
    ),
    ("settled 19 us", lambda rows: with_frame(rows, frame(PLATEAU_US - 33 - 19, "A", 491)), {"settle"}),
    ("frame that ends as the pulse begins", lambda rows: with_frame(rows, frame(PLATEAU_US - 33, "B", 0)), {"settle"}),
    (
        "frame that ends inside a pulse",
        lambda rows: with_frame(rows, frame(PLATEAU_US - 10, "B", 0)),
        {"frame inside a pulse"},
    ),
    (
        "frame that begins inside a pulse",
        lambda rows: with_frame(rows, frame(PLATEAU_US + 599, "B", 0)),
        {"frame inside a pulse"},
    ),
    ("gain 2", lambda rows: with_frame(rows, frame(PLATEAU_US - 60, "A", 491, control=0b101)), {"frame"}),
    ("shut down", lambda rows: with_frame(rows, frame(PLATEAU_US - 60, "A", 491, control=0b110)), {"frame"}),
    ("15 clocks", lambda rows: with_frame(rows, frame(PLATEAU_US - 60, "A", 491, clocks=15)), {"frame"}),
    ("17 clocks", lambda rows: with_frame(rows, frame(PLATEAU_US - 60, "A", 491, clocks=17)), {"frame"}),
    (
        "frame to the wrong channel",
        lambda rows: rows_replaced(rows, REACHES_491, frame(REACHED_US - 60, "B", 491)),
        {"raised outside a hold", "over the set-point"},  # A keeps 4 mA to the ramp down, B keeps 491 to its ramp up
    ),
    (
        "clock outside a frame",
        lambda rows: with_frame(rows, [(PLATEAU_US + 5000, 17, 1), (PLATEAU_US + 5001, 17, 0)]),
        {"frame"},
    ),
    ("edge that changes nothing", lambda rows: with_frame(rows, [(PLATEAU_US + 900, 24, 0)]), {"stray edge"}),
    (
        "two edges at one instant",
        lambda rows: with_frame(rows, [(PLATEAU_US + 900, 22, 1), (PLATEAU_US + 900, 22, 0)]),
        {"stray edge", "order"},
    ),
    (
        "NEG left high at the end",
        lambda rows: with_frame(rows, [(rows[-1][0] + 50, 26, 1)]),
        {"line at the end", "order"},
    ),
    ("select left low at the end", lambda rows: rows[:-1], {"line at the end", "code at the end"}),
    (
        "code left at the end",
        lambda rows: with_frame(rows, frame(rows[-1][0] + 50, "B", 1)),
        {"code at the end"},
    ),
    (
        "no frame at the end",
        lambda rows: rows_replaced(rows, final_frames(rows)[1], []),
        {"code at the end"},
    ),
    ("time goes back", lambda rows: [*rows, (rows[-1][0] - 1, 4, 1)], {"time"}),
]


@pytest.mark.parametrize(("corrupt", "expected"), [c[1:] for c in ROW_CORRUPTIONS], ids=[c[0] for c in ROW_CORRUPTIONS])
def test_spoiled_row_is_named(corrupt: Callable[[list[Row]], list[Row]], expected: set[str]) -> None:
    assert kinds(violations_of(corrupt(rows_of(made_pulses())))) == expected


def test_a_line_high_from_the_start_is_found() -> None:
    found = violations_of([(0, 24, 1), *rows_of(made_pulses())])
    assert found[0] == "stray edge: A_POS at 200 us: an edge to 1 that changes nothing"
    assert "frame: channel A begins a phase at 0 us before any frame of its own" in found


def test_floods_are_cut_short() -> None:
    pulses = made_pulses()
    for pulse in pulses:
        pulse.pos += 1
        pulse.neg += 1
    found = violations_of(rows_of(pulses))
    assert kinds(found) == {"phase width"}
    assert len(found) == 9  # eight in words and the count of the others: 566 pulses of two phases
    assert found[-1] == "phase width: and 1124 more of this kind"


def test_data_that_changes_at_the_instant_of_the_clock_is_found_in_either_order() -> None:
    rows = rows_of(made_pulses())
    at_us = PLATEAU_US - 60
    early = frame(at_us, "A", 491)
    data_up, clock_up = (at_us + 2, 20, 1), (at_us + 3, 17, 1)  # bit 14
    told = f"frame: DAC_SDI changes at {at_us + 3} us, at the instant of the clock"
    before = [(at_us + 3, 20, 1) if row == data_up else row for row in early]
    assert violations_of(rows_replaced(rows, [], before)) == [told]
    after = [row for row in early if row != data_up]
    after.insert(after.index(clock_up) + 1, (at_us + 3, 20, 1))
    assert told in violations_of(rows_replaced(rows, [], after))


def test_what_just_keeps_the_limits_is_no_violation() -> None:
    rows = rows_of(made_pulses())
    settled_20_us = frame(PLATEAU_US - 33 - 20, "A", 491)
    as_the_pulse_ends = frame(PLATEAU_US + 600, "A", 491)
    assert violations_of(rows_replaced(rows, [], settled_20_us + as_the_pulse_ends)) == []
