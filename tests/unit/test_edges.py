"""The notified edges against the approved chunks: what is right passes, and everything else is told."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.decode import Pulse
from safety.edges import Cut, Edges
from tests.support.chunks import LINES, PINS

ENABLE = 1 << 25
BEGINS = 1_000_000
POS, NEG = LINES.a_pos, LINES.a_neg
OTHER = 1 << 5
Edge = tuple[int, int, int]
"""Time, line, level."""


def pulse(start: int, channel: str = "A", width: int = 250, gap: int = 100) -> Pulse:
    return Pulse(start, channel, width, gap, width, 1000)


PULSES = (pulse(10_000), pulse(30_000), pulse(40_000, "B"), pulse(50_000))


def edges_of(pulses: Iterable[Pulse], begins: int = BEGINS) -> list[Edge]:
    """What such pulses look like when they come out."""
    found = []
    for one in pulses:
        low = one.channel.lower()
        start, second = begins + one.start_us, begins + one.start_us + one.width_us + one.gap_us
        for at, name, level in (
            (start, "pos", 1),
            (start + one.width_us, "pos", 0),
            (second, "neg", 1),
            (second + one.second_us, "neg", 0),
        ):
            found.append((at, 1 << PINS[f"{low}_{name}"], level))
    return found


def give(edges: Edges, moves: Sequence[Edge], levels: int = 0) -> list[str | None]:
    """Shows the edges one by one; what is said of each."""
    said = []
    for at, line, level in moves:
        levels = levels | line if level else levels & ~line
        said.append(edges.seen(at, levels))
    return said


def watching(*chunks: Sequence[Pulse], length: int = 100_000, joined: bool = True) -> Edges:
    edges = Edges(LINES, ENABLE)
    for n, pulses in enumerate(chunks):
        edges.sent(pulses, BEGINS + n * length, joined=bool(n) and joined)
    return edges


def test_the_first_chunk_has_nothing_to_be_joined_to() -> None:
    edges = Edges(LINES, ENABLE)
    edges.sent(PULSES, BEGINS, joined=True)
    assert give(edges, edges_of(PULSES, BEGINS + 1_000)) == [None] * 16


def test_a_width_is_measured_from_its_own_rise() -> None:
    """Which may be late itself."""
    moves = edges_of([pulse(10_000)])
    late = [(at + off, line, level) for (at, line, level), off in zip(moves, (0, 0, 8, 16), strict=True)]
    assert give(watching([pulse(10_000)]), late) == [None] * 4


@pytest.mark.parametrize(
    ("after", "off", "passes"), [(999_999, 11, False), (1_000_000, 11, True), (1_000_000, 12, False)]
)
def test_clocks_may_drift_apart_in_a_silence_by_one_us_a_second(after: int, off: int, passes: bool) -> None:
    edges = watching([pulse(0)])
    edges.sent([pulse(0)], BEGINS + after, joined=True)
    moves = [*edges_of([pulse(0)]), *edges_of([pulse(0)], BEGINS + after + off)]
    assert (give(edges, moves) == [None] * 8) is passes


@pytest.mark.req("SR-142")
def test_what_was_approved_passes() -> None:
    edges = watching(PULSES)
    moves = edges_of(PULSES)
    assert edges.waiting == len(moves) == 16
    assert give(edges, moves) == [None] * 16
    assert edges.waiting == 0
    assert edges.missing(BEGINS + 900_000) is None


def test_only_what_came_whole_is_counted() -> None:
    """The dose record rests on this: a pulse counts with its last edge, never with the intention."""
    edges = watching(PULSES)
    for n, (at, line, level) in enumerate(edges_of(PULSES), 1):
        assert give(edges, [(at, line, level)], 0 if level else line) == [None]
        assert sum(one.pulses for one in edges.came.values()) == n // 4
    for channel, came in edges.came.items():
        of = [one for one in PULSES if one.channel == channel]
        assert (came.pulses, came.code_us) == (len(of), sum(one.code * one.width_us for one in of))
    edges.count_anew()
    assert {(one.pulses, one.code_us) for one in edges.came.values()} == {(0, 0)}


def test_edges_are_expected_until_the_last_one_or_a_stop() -> None:
    edges = watching(PULSES)
    moves = edges_of(PULSES)
    give(edges, moves[:-1])
    assert edges.expects
    give(edges, moves[-1:], moves[-1][1])
    assert not edges.expects
    edges.sent(PULSES, BEGINS + 1_000_000, joined=False)
    assert edges.expects
    edges.stopped(BEGINS + 1_000_000)
    assert not edges.expects


def test_what_a_stop_cut_is_not_counted_nor_taken_for_what_comes_after() -> None:
    edges = watching(PULSES)
    give(edges, edges_of(PULSES)[:6])  # one pulse whole, one between its phases
    edges.stopped(BEGINS + 50_000)
    edges.sent(PULSES, BEGINS + 1_000_000, joined=False)
    assert give(edges, edges_of(PULSES, BEGINS + 1_000_000)) == [None] * 16
    assert sum(one.pulses for one in edges.came.values()) == 1 + 4


@pytest.mark.req("SR-142")
@pytest.mark.parametrize("index", range(16))
@pytest.mark.parametrize("off", [-11, -10, 10, 11])
def test_an_edge_that_is_off(index: int, off: int) -> None:
    moves = edges_of(PULSES)
    first = index == 0  # nothing comes before it to be measured from: all later ones are off instead
    at, line, level = moves[index]
    moves[index] = (at + off, line, level)
    said = give(watching(PULSES), moves)
    wrong = 1 if first else index
    assert (said[wrong] is not None) == (abs(off) > 10)
    assert said[:wrong] == [None] * wrong


@pytest.mark.parametrize("late", [-2_000, 0, 3_000, 40_000])
def test_where_a_chunk_begins_matters_less_than_what_is_in_it(late: int) -> None:
    assert give(watching(PULSES), edges_of(PULSES, BEGINS + late)) == [None] * 16


@pytest.mark.parametrize("late", [-2_001, 40_001])
def test_a_chunk_that_begins_at_another_time(late: int) -> None:
    assert give(watching(PULSES), edges_of(PULSES, BEGINS + late))[0] is not None


def test_errors_do_not_add_up_over_pulses() -> None:
    """A start counts from the start before, and a fall from its own rise."""
    starts = [pulse(10_000 + n * 20_010) for n in range(4)]
    assert give(watching([pulse(10_000 + n * 20_000) for n in range(4)]), edges_of(starts)) == [None] * 16


def test_a_start_counts_from_the_start_before_and_not_from_the_phase_between() -> None:
    moves = edges_of(PULSES)
    shifted = [
        (at + {2: 10, 3: 10}.get(n, 0) - 10 * (n in (4, 5, 6, 7)), line, level)
        for n, (at, line, level) in enumerate(moves)
    ]
    assert give(watching(PULSES), shifted)[:8] == [None] * 8


@pytest.mark.parametrize(("late", "passes"), [(0, True), (10, True), (-10, True), (11, False), (-11, False)])
def test_a_joined_chunk_begins_when_the_one_before_ends(late: int, passes: bool) -> None:
    edges = watching(PULSES, PULSES)
    moves = edges_of(PULSES, BEGINS + 900)  # the first may be late
    said = give(edges, [*moves, *edges_of(PULSES, BEGINS + 100_900 + late)])
    assert (said[16] is None) is passes


def test_a_chunk_that_was_not_joined_begins_anew() -> None:
    edges = watching(PULSES, PULSES, joined=False)
    assert give(edges, [*edges_of(PULSES), *edges_of(PULSES, BEGINS + 103_000)]) == [None] * 32


def test_a_silent_chunk_between_keeps_what_it_was_joined_to() -> None:
    for joined, passes in ((True, False), (False, True)):
        edges = watching(PULSES)
        edges.sent((), BEGINS + 100_000, joined=joined)
        edges.sent(PULSES, BEGINS + 200_000, joined=True)
        said = give(edges, [*edges_of(PULSES), *edges_of(PULSES, BEGINS + 200_100)])
        assert (said[16] is None) is passes


def test_over_a_long_silence_a_little_more_is_allowed() -> None:
    for silence, late, passes in ((101, 20, True), (101, 21, False), (9, 11, False)):
        edges = watching(PULSES)
        for n in range(1, silence):
            edges.sent((), BEGINS + n * 100_000, joined=True)
        edges.sent(PULSES, BEGINS + silence * 100_000, joined=True)
        said = give(edges, [*edges_of(PULSES), *edges_of(PULSES, BEGINS + silence * 100_000 + late)])
        assert (said[16] is None) is passes, (silence, late)


@pytest.mark.req("SR-142")
@pytest.mark.parametrize("index", range(16))
def test_an_edge_that_is_left_out(index: int) -> None:
    moves = edges_of(PULSES)
    del moves[index]
    edges = watching(PULSES)
    said = give(edges, moves)
    if index < 14:
        assert any(said[index:])
    else:  # without the last rise there is no last fall either
        assert said == [None] * 15
        due = BEGINS + (50_600 if index == 15 else 50_350)
        assert edges.missing(due + 40_000) is None
        assert f"did not become {int(index == 14)}" in str(edges.missing(due + 40_001))


def test_a_wave_that_never_begins() -> None:
    edges = watching(PULSES)
    assert edges.missing(BEGINS + 50_000) is None
    assert edges.missing(BEGINS + 50_001) is not None


@pytest.mark.parametrize(("start", "named"), [(0, "line"), (1, "OUTPUT_ENABLE"), (30_000, "OUTPUT_ENABLE")])
def test_of_two_that_are_missing_the_one_that_is_due_is_named(start: int, named: str) -> None:
    edges = Edges(LINES, ENABLE)
    edges.asked(1, BEGINS)
    edges.sent([pulse(start)], BEGINS, joined=False)
    assert edges.missing(BEGINS + 40_000) is None
    assert str(edges.missing(BEGINS + 40_001)).startswith(named)


def test_what_is_missing_counts_from_where_the_wave_is() -> None:
    edges = watching(PULSES)
    give(edges, edges_of(PULSES, BEGINS + 5_000)[:4])
    assert edges.missing(BEGINS + 75_000) is None
    assert edges.missing(BEGINS + 75_001) is not None


def test_a_chunk_that_was_not_joined_is_missing_by_its_own_time() -> None:
    edges = watching(PULSES, PULSES, joined=False)
    give(edges, edges_of(PULSES, BEGINS + 5_000))
    assert edges.missing(BEGINS + 150_000) is None
    assert edges.missing(BEGINS + 150_001) is not None


@pytest.mark.req("SR-142")
def test_a_pulse_too_many() -> None:
    assert give(watching(PULSES), edges_of([*PULSES, pulse(70_000)]))[16] is not None
    assert give(watching(), edges_of(PULSES))[0] is not None


def test_the_other_line_or_channel() -> None:
    moves = edges_of(PULSES)
    swapped = [(at, {POS: NEG, NEG: POS}.get(line, line), level) for at, line, level in moves]
    assert give(watching(PULSES), swapped)[0] is not None
    other = edges_of([pulse(one.start_us, "B") for one in PULSES])
    assert give(watching(PULSES), other)[0] is not None


def test_two_edges_on_one_sample() -> None:
    """A line falls and another rises 4 us later: on a grid of 5 us that may be one notification."""
    close = (pulse(10_000), pulse(10_604, "B"))
    edges = watching(close)
    moves = edges_of(close)
    assert give(edges, moves[:3]) == [None] * 3
    assert edges.seen(BEGINS + 10_600, LINES.b_pos) is None
    assert edges.waiting == 3


def test_foreign_lines_and_words_without_a_change_say_nothing() -> None:
    edges = watching(PULSES)
    assert edges.seen(BEGINS, OTHER) is None
    assert edges.seen(BEGINS + 10_000, OTHER | POS) is None
    assert edges.seen(BEGINS + 10_100, POS) is None
    assert edges.seen(BEGINS + 10_100, POS) is None
    assert edges.waiting == 15
    assert edges.cut is None  # a phase under way is none that was cut


# --- OUTPUT_ENABLE ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("late", "passes"), [(-2_001, False), (-2_000, True), (300, True), (40_000, True), (40_001, False)]
)
@pytest.mark.parametrize("level", [0, 1])
def test_the_switch_moves_when_it_was_asked(late: int, passes: bool, level: int) -> None:
    edges = Edges(LINES, ENABLE)
    edges.asked(1, BEGINS - 50_000)
    at = BEGINS - 50_000
    if not level:
        edges.seen(at, ENABLE)
        at = BEGINS
        edges.asked(0, at)
    assert (edges.seen(at + late, ENABLE * level) is None) is passes
    assert edges.waiting == 0


@pytest.mark.req("SR-142")
def test_the_switch_moves_unasked_or_the_other_way_or_not() -> None:
    edges = Edges(LINES, ENABLE)
    assert "unasked" in str(edges.seen(BEGINS, ENABLE))
    assert "unasked" in str(edges.seen(BEGINS + 10, 0))
    edges.asked(0, BEGINS)
    assert "unasked" in str(edges.seen(BEGINS, ENABLE))
    edges = Edges(LINES, ENABLE)
    edges.asked(1, BEGINS)
    assert edges.missing(BEGINS + 40_000) is None
    assert edges.missing(BEGINS + 40_001) == "OUTPUT_ENABLE did not become 1 at 1000000 us"


def test_from_the_first_microsecond_on() -> None:
    edges = Edges(LINES, ENABLE)
    edges.asked(1, 0)
    edges.seen(0, ENABLE)
    assert edges.waiting == 0


def test_two_lines_that_change_in_one_sample() -> None:
    edges = watching(PULSES)
    edges.asked(1, BEGINS + 10_000)
    assert edges.seen(BEGINS + 10_000, ENABLE | POS) is None
    assert edges.waiting == 15


@pytest.mark.parametrize(("at", "seen"), [(BEGINS - 4, False), (BEGINS, False), (BEGINS + 1, True)])
def test_the_switch_written_back_within_one_sample_is_not_seen(at: int, seen: bool) -> None:
    """The daemon samples at BEGINS and 5 us later."""
    edges = Edges(LINES, ENABLE)
    edges.asked(1, BEGINS - 50_000)
    edges.seen(BEGINS - 50_000, ENABLE)
    edges.asked(0, BEGINS - 4)
    edges.asked(1, at)
    if seen:
        assert give(edges, [(BEGINS, ENABLE, 0), (BEGINS + 5, ENABLE, 1)], ENABLE) == [None] * 2
    assert edges.waiting == 0
    edges.asked(0, BEGINS + 1_000)
    assert edges.seen(BEGINS + 1_000, 0) is None


def test_the_switch_is_not_looked_for_among_the_pulses() -> None:
    edges = watching(PULSES)
    edges.asked(1, BEGINS)
    assert edges.seen(BEGINS, ENABLE) is None
    assert give(edges, edges_of(PULSES), ENABLE) == [None] * 16


# --- stops ------------------------------------------------------------------------------------------------------------


def stopped(at: int) -> tuple[Edges, int]:
    """A session whose switch is closed, stopped at a time; edges until then were not read yet."""
    edges = Edges(LINES, ENABLE)
    edges.asked(1, BEGINS - 20_000)
    edges.seen(BEGINS - 20_000, ENABLE)
    edges.sent(PULSES, BEGINS, joined=False)
    edges.sent(PULSES, BEGINS + 100_000, joined=True)
    edges.stopped(at)
    return edges, ENABLE


def test_a_stop_in_silence_leaves_nothing_expected() -> None:
    edges, levels = stopped(BEGINS + 20_000)
    assert give(edges, [*edges_of(PULSES)[:4], (BEGINS + 20_100, ENABLE, 0)], levels) == [None] * 5
    assert edges.missing(BEGINS + 900_000) is None
    assert edges.cut is None


def test_a_stop_may_cut_one_phase_and_that_is_recorded() -> None:
    at = BEGINS + 10_100
    edges, levels = stopped(at)
    moves = [(BEGINS + 10_000, POS, 1), (at + 50, ENABLE, 0), (at + 90, POS, 0)]
    assert give(edges, moves, levels) == [None] * 3
    assert edges.cut == Cut(POS, BEGINS + 10_000, at + 90)
    assert edges.waiting == 0


def test_a_line_left_high_by_the_halt_falls_late() -> None:
    edges, levels = stopped(BEGINS + 10_240)
    assert give(edges, [(BEGINS + 10_000, POS, 1), (BEGINS + 10_300, POS, 0)], levels) == [None] * 2
    assert edges.cut == Cut(POS, BEGINS + 10_000, BEGINS + 10_300)


def test_a_phase_that_was_not_seen_to_fall_is_no_cut_one() -> None:
    """Nor the whole one before it."""
    edges, levels = stopped(BEGINS + 10_400)
    for at, line, level in edges_of(PULSES)[:3]:
        give(edges, [(at, line, level)], levels | (0 if level else line))
        assert (edges.cut is None) is bool(level)
    assert give(edges, [(BEGINS + 10_410, NEG, 0)], levels | NEG) == [None]
    assert edges.cut == Cut(NEG, BEGINS + 10_350, BEGINS + 10_410)


@pytest.mark.parametrize("second", [POS, NEG])
def test_a_stop_cuts_no_second_phase(second: int) -> None:
    at = BEGINS + 10_100
    edges, levels = stopped(at)
    moves = [(BEGINS + 10_000, POS, 1), (at, POS, 0), (at + 100, second, 1), (at + 150, second, 0)]
    assert [said is None for said in give(edges, moves, levels)] == [True, True, False, False]


def test_a_pulse_that_a_stop_halved_is_recorded() -> None:
    edges, levels = stopped(BEGINS + 10_300)
    assert give(edges, edges_of(PULSES)[:2], levels) == [None] * 2
    assert edges.cut == Cut(POS, BEGINS + 10_000, BEGINS + 10_250)


def test_a_whole_pulse_was_not_cut() -> None:
    edges, levels = stopped(BEGINS + 10_595)
    assert give(edges, edges_of(PULSES)[:4], levels) == [None] * 4
    assert edges.cut is None


@pytest.mark.parametrize(("after", "passes"), [(30_000, True), (30_001, False)])
def test_what_a_stop_does_is_over_soon(after: int, passes: bool) -> None:
    at = BEGINS + 10_100
    edges, levels = stopped(at)
    moves = [(BEGINS + 10_000, POS, 1), (at + after, POS, 0)]
    assert [said is None for said in give(edges, moves, levels)] == [True, passes]
    edges, levels = stopped(at)
    assert (edges.seen(at + after, 0) is None) is passes  # the switch


def test_a_wave_that_plays_on_after_a_stop_is_told() -> None:
    edges, levels = stopped(BEGINS + 5_000)
    said = give(edges, edges_of(PULSES), levels)
    assert said[:8] == [None] * 8  # until 30 ms after the stop the notifications may be of before it
    assert said[8] is not None


def test_the_switch_does_not_close_after_a_stop() -> None:
    edges, _ = stopped(BEGINS + 5_000)
    assert edges.seen(BEGINS + 5_100, 0) is None
    assert edges.seen(BEGINS + 5_200, ENABLE) is not None


def test_what_was_before_a_stop_may_be_heard_of_when_something_is_asked_again() -> None:
    """Notifications of the self-test's last edges, on a machine that is busy."""
    edges = Edges(LINES, ENABLE)
    edges.stopped(BEGINS)
    edges.asked(1, BEGINS)
    assert give(edges, [(BEGINS - 6_000, NEG, 1), (BEGINS - 1, NEG, 0), (BEGINS, ENABLE, 1)]) == [None] * 3
    assert edges.waiting == 0
    assert "unasked" in str(edges.seen(BEGINS, ENABLE | NEG)), "not what came after it"


@pytest.mark.parametrize("first", ["asked", "sent"])
def test_a_new_start_after_a_stop(first: str) -> None:
    edges, levels = stopped(BEGINS + 10_100)
    give(edges, [(BEGINS + 10_000, POS, 1), (BEGINS + 10_200, POS, 0), (BEGINS + 10_200, ENABLE, 0)], levels)
    if first == "asked":
        edges.asked(1, BEGINS + 500_000)
        assert edges.waiting == 1
        assert edges.seen(BEGINS + 500_000, ENABLE) is None
    edges.sent(PULSES, BEGINS + 600_000, joined=True)  # whatever the caller says, there is nothing to join to
    assert edges.cut is None
    assert edges.waiting == 16
    level = ENABLE if first == "asked" else 0
    assert give(edges, edges_of(PULSES, BEGINS + 601_000), level) == [None] * 16
    assert edges.missing(BEGINS + 900_000) is None


# --- whatever the pulses ----------------------------------------------------------------------------------------------


SPACED = st.tuples(st.sampled_from("AB"), st.integers(20, 800), st.integers(10, 1000), st.integers(21, 20_000))


@st.composite
def chunks(draw: st.DrawFn) -> list[list[Pulse]]:
    """Chunks of 100 ms that the gate might approve."""
    made = []
    for spaced in draw(st.lists(st.lists(SPACED, min_size=1, max_size=8), min_size=1, max_size=3)):
        pulses: list[Pulse] = []
        at = 100
        for channel, width, gap, after in spaced:
            if at < 96_000:
                pulses.append(pulse(at, channel, width, gap))
            at += 2 * width + gap + after
        made.append(pulses)
    return made


@given(chunks(), st.integers(0, 3_000), st.sampled_from([1, 2, 4, 5]))
def test_on_any_grid_what_was_approved_passes(made: list[list[Pulse]], late: int, grid: int) -> None:
    edges = watching(*made)
    for n, pulses in enumerate(made):
        moves = edges_of(pulses, BEGINS + n * 100_000 + late)
        assert give(edges, [(-(-at // grid) * grid, line, level) for at, line, level in moves]) == [None] * len(moves)
    assert edges.waiting == 0


@pytest.mark.req("SR-142")
@given(chunks(), st.randoms(use_true_random=False))
def test_one_edge_more_less_or_elsewhere_is_told(made: list[list[Pulse]], chance: random.Random) -> None:
    moves = [edge for n, pulses in enumerate(made) for edge in edges_of(pulses, BEGINS + n * 100_000)]
    index = chance.randrange(len(moves))
    at, line, level = moves[index]
    match chance.randrange(3):
        case 0:
            del moves[index : index + 2]  # a whole phase, or what is between two
        case 1:
            moves[index] = (at, LINES.b_neg if line != LINES.b_neg else LINES.a_pos, level)
        case _:
            off = chance.choice([-1, 1]) * chance.randrange(21, 5_000)
            moves[index:] = [(at + off, line, level) for at, line, level in moves[index:]]
            if index == 0:
                moves[0] = (at, line, level)
    edges = watching(*made)
    assert any(give(edges, moves)) or edges.missing(BEGINS + 900_000) is not None
