"""What may have played in a window and what must have; when peaks may be emptied; what the daemon may say it plays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.decode import Chunk, Pulse
from safety.window import (
    READING_US,
    SOONER_US,
    UNSURE_US,
    WAVE_SLACK_US,
    WOKEN_US,
    Asked,
    Played,
    allowed,
    between,
    look,
    may_empty,
    next_check_us,
    plan,
    quiet_us,
    recent,
    silent,
)

BEGINS = 1_000_000


def pulse(start: int, code: int = 1000, channel: str = "A", width: int = 250, gap: int = 100) -> Pulse:
    return Pulse(start, channel, width, gap, width, code)


def chunk(*pulses: Pulse, begins: int = BEGINS, cut: int | None = None, wave: int = 1) -> Played:
    return plan(wave, begins, Chunk(100_000, 700, pulses))._replace(cut_us=cut)


def asked(played: tuple[Played, ...], channel: str, since: int, until: int) -> Asked:
    return look(played, since, until).asked["AB".index(channel)]


def in_flight(played: tuple[Played, ...], at: int) -> frozenset[str]:
    found = look(played, at, at).in_flight
    assert found == look(played, at - 20_000, at).in_flight
    return found


def may_reset(played: tuple[Played, ...], since: int, at: int) -> bool:
    return may_empty(look(played, since, at), since, at)


ONE = (chunk(pulse(50_000)),)  # from 1 050 000 to 1 050 600
START, END = 1_050_000, 1_050_600


@pytest.mark.parametrize(
    ("since", "until", "may", "must"),
    [
        (START - 2_000, END + 2_000, 1000, 1000),
        (START - 1_999, END + 2_000, 1000, 0),
        (START - 2_000, END + 1_999, 1000, 0),
        (0, START - 2_000, 1000, 0),
        (0, START - 2_001, 0, 0),
        (END + 2_000, END + 9_000, 1000, 0),
        (END + 2_001, END + 9_000, 0, 0),
        (START, END, 1000, 0),
    ],
)
def test_one_pulse_and_the_ends_of_the_window(since: int, until: int, may: int, must: int) -> None:
    assert asked(ONE, "A", since, until) == Asked(may, must, 250 if may else 0)
    assert asked(ONE, "B", since, until) == Asked()


def test_the_largest_of_each() -> None:
    ramp = (chunk(pulse(10_000, 300), pulse(30_000, 500), pulse(50_000, 400), pulse(70_000, 700, "B")),)
    assert asked(ramp, "A", BEGINS, BEGINS + 100_000) == Asked(500, 500, 250)
    assert asked(ramp, "A", BEGINS, BEGINS + 30_000) == Asked(500, 300, 250)
    assert asked(ramp, "A", BEGINS + 50_000, BEGINS + 100_000) == Asked(400, 0, 250)
    assert asked(ramp, "B", BEGINS, BEGINS + 100_000) == Asked(700, 700, 250)


def test_over_two_chunks() -> None:
    two = (chunk(pulse(90_000, 300)), chunk(pulse(10_000, 500), begins=BEGINS + 100_000))
    assert asked(two, "A", BEGINS + 80_000, BEGINS + 120_000) == Asked(500, 500, 250)


def test_widths_that_differ_and_pulses_of_nothing() -> None:
    mixed = (chunk(pulse(10_000), pulse(30_000, width=300), pulse(50_000, 0, width=20)),)
    assert asked(mixed, "A", BEGINS, BEGINS + 100_000) == Asked(1000, 1000, 0)
    assert asked(mixed, "A", BEGINS + 20_000, BEGINS + 100_000) == Asked(1000, 1000, 300)
    assert asked(mixed, "A", BEGINS + 40_000, BEGINS + 100_000) == Asked()


@pytest.mark.parametrize(
    ("cut", "may", "must"),
    [(START - 2_001, 0, 0), (START - 2_000, 1000, 0), (END + 1_999, 1000, 0), (END + 2_000, 1000, 1000)],
)
def test_what_a_stop_cut(cut: int, may: int, must: int) -> None:
    one = (chunk(pulse(50_000), cut=cut),)
    assert asked(one, "A", BEGINS, BEGINS + 100_000)[:2] == (may, must)
    assert in_flight(one, START - 2_000) == (frozenset("A") if may else frozenset())


def test_a_pulse_under_way() -> None:
    both = (chunk(pulse(50_000), pulse(60_000, 0, "B")),)
    assert in_flight(both, START - 2_001) == frozenset()
    assert in_flight(both, START - 2_000) == in_flight(both, END + 2_000) == frozenset("A")
    assert in_flight(both, END + 2_001) == frozenset()
    assert in_flight(both, START + 10_000) == frozenset("B")  # of no amplitude, but its line is high
    assert in_flight((chunk(pulse(10_000), pulse(10_700, channel="B")),), BEGINS + 10_600) == frozenset("AB")


def test_peaks_may_be_emptied_where_there_was_no_pulse_or_a_whole_one() -> None:
    assert may_reset(ONE, START - 50_000, START - 2_001)
    assert may_reset(ONE, START - 2_000, END + 2_000)
    assert not may_reset(ONE, START - 20_000, END)


def test_peaks_are_kept_for_a_pulse_after_one_that_may_have_been_lost_but_not_for_ever() -> None:
    assert not may_reset(ONE, START - 1_999, END + 2_001)
    assert not may_reset(ONE, START, START + UNSURE_US - 1)
    assert may_reset(ONE, START, START + UNSURE_US)
    last = (*ONE, chunk(pulse(UNSURE_US + 50_000)))
    assert not may_reset(last, START, START + UNSURE_US), "the one that is under way will be a whole one"


def test_peaks_may_be_emptied_within_dense_pulses_once_each_channel_was_seen() -> None:
    dense = (chunk(pulse(10_000), pulse(20_000), pulse(24_000, channel="B"), pulse(30_000)),)
    assert not may_reset(dense, BEGINS + 15_000, BEGINS + 24_000)  # of B nothing was seen for certain
    assert may_reset(dense, BEGINS + 15_000, BEGINS + 30_000)
    assert may_reset(dense[:1], BEGINS + 5_000, BEGINS + 20_000)  # B had nothing to show


def test_the_nearest_quiet_moment() -> None:
    two = (chunk(pulse(50_000), pulse(54_000, channel="B")),)  # A's slack reaches into B's
    soonest, latest = START - 6_001, END + 4_000 + 2_001
    for from_us, found in (
        (soonest, soonest),
        (soonest + 1, soonest),
        (START, soonest),
        (START + 300, soonest),
        (START + 301, latest),
        (END + 6_000, latest),
        (latest, latest),
    ):
        assert quiet_us(two, from_us, from_us - 9_000, from_us + 9_000) == found, from_us
    assert quiet_us(two, START, soonest + 1, START + 9_000) == latest
    assert quiet_us(two, START, soonest + 1, latest - 1) == START
    assert quiet_us(two, END + 4_000, START, latest) == latest
    for cut, found in ((START - 2_001, START), (START - 2_000, END + 2_001)):
        assert quiet_us((chunk(pulse(50_000), cut=cut),), START, START, START + 9_000) == found


def test_checks_are_20_ms_apart_and_25_at_most() -> None:
    due = START - 20_000
    assert next_check_us(ONE, due - 20_000, due - 20_000) == (due, due), "no pulse is met"
    assert next_check_us(ONE, due - 3_000, due - 3_000) == (START - 3_000, START - 6_001)
    assert next_check_us(ONE, due + 1_000, due + 1_000) == (START + 1_000, END + 2_001)
    assert next_check_us(ONE, due, due) == (START, END + 2_001)
    assert next_check_us(ONE, due, due - 3_000) == (START, START - 6_001), "else 25.6 ms after the one before"
    assert next_check_us(ONE, due + 2_000, due + 15_000) == (START + 2_000, START + 2_601), "never before now"
    late = (chunk(pulse(50_000, width=3_000)),)  # nothing is quiet from START - 6 000 to START + 8 100
    assert next_check_us(late, due + 2_000, due) == (START + 2_000, START + 2_000), "10 ms sooner is too soon"
    assert next_check_us(late, due + 1_999, due)[1] == START - 6_001
    assert next_check_us(ONE, due - 50_000, due) == (due, due), "one that was late counts from there"


@pytest.mark.req("SR-154")
def test_what_may_play() -> None:
    two = (chunk(wave=1), chunk(begins=BEGINS + 100_000, wave=2))
    for at, ids in (
        (BEGINS - 2_001, {None}),
        (BEGINS - 2_000, {1, None}),
        (BEGINS + 2_000, {1, None}),
        (BEGINS + 2_001, {1}),
        (BEGINS + 97_999, {1}),
        (BEGINS + 98_000, {1, 2, None}),
        (BEGINS + 102_000, {1, 2, None}),
        (BEGINS + 102_001, {2}),
        (BEGINS + 202_000, {2, None}),
        (BEGINS + 202_001, {None}),
    ):
        assert allowed(two, at) == ids, at
    cut = (chunk(cut=BEGINS + 50_000),)
    assert allowed(cut, BEGINS + 47_999) == {1}
    assert allowed(cut, BEGINS + 48_000) == allowed(cut, BEGINS + 52_000) == {1, None}
    assert allowed(cut, BEGINS + 52_001) == {None}
    assert allowed((chunk(cut=BEGINS + 900_000),), BEGINS + 102_001) == {None}


def test_what_is_over_is_forgotten() -> None:
    two = (chunk(), chunk(begins=BEGINS + 100_000))
    assert recent(two, BEGINS + 102_000) == two
    assert recent(two, BEGINS + 102_001) == two[1:]


# --- whatever the pulses and wherever the wave really is --------------------------------------------------------------


@st.composite
def trains(draw: st.DrawFn) -> tuple[Played, ...]:
    """Chunks of 100 ms that follow each other, with pulses on both channels, never two at once."""
    period = draw(st.integers(6_700, 60_000))
    width = draw(st.integers(20, 800))
    second = draw(st.sampled_from([None, period // 2]))
    places = range(draw(st.integers(100, 2_000)), 300_000 - period, period)
    chunks = []
    for n in range(3):
        inside = []
        for place in places:
            if n * 100_000 <= place < n * 100_000 + 96_000:
                inside.append(pulse(place - n * 100_000, draw(st.integers(0, 4095)), "A", width, 10))
                if second and place + second < n * 100_000 + 96_000:
                    inside.append(pulse(place + second - n * 100_000, draw(st.integers(0, 4095)), "B", width, 10))
        chunks.append(chunk(*inside, begins=BEGINS + n * 100_000))
    return tuple(chunks)


@given(trains(), st.integers(0, 300_000), st.integers(0, 60_000), st.integers(-WAVE_SLACK_US, WAVE_SLACK_US))
def test_the_true_peak_is_between_the_two(train: tuple[Played, ...], since: int, length: int, off: int) -> None:
    since += BEGINS
    until = since + length
    for channel in "AB":
        touched = whole = 0
        for one in train:
            for span in one.spans:
                start, end = span.start_us + off, span.end_us + off
                if span.channel == channel and start <= until and end >= since:
                    touched = max(touched, span.code)
                    whole = max(whole, span.code if since <= start and end <= until else 0)
        found = asked(train, channel, since, until)
        assert found.must <= whole <= touched <= found.may


@given(trains(), st.integers(0, 300_000), st.integers(-WAVE_SLACK_US, WAVE_SLACK_US))
def test_at_a_quiet_moment_no_line_is_high(train: tuple[Played, ...], from_us: int, off: int) -> None:
    at = quiet_us(train, BEGINS + from_us, BEGINS + from_us - 10_000, BEGINS + from_us + 10_000)
    if in_flight(train, at):
        assert at == BEGINS + from_us
        return
    assert not any(span.start_us + off <= at <= span.end_us + off for one in train for span in one.spans)


@given(trains(), st.integers(0, 19_999), st.integers(0, READING_US))
def test_no_channel_goes_unseen(train: tuple[Played, ...], phase: int, takes: int) -> None:
    """Checks as the guard makes them, each of which takes a while: of three in a row with a pulse, one can judge."""
    due = at = BEGINS + phase
    since = BEGINS - 30_000
    unseen = dict.fromkeys("AB", 0)
    while at < BEGINS + 400_000:
        for channel in "AB":
            if asked(train, channel, since, at).must:
                unseen[channel] = 0
            elif asked(train, channel, at - 20_000, at).may:  # one more that could not be judged
                unseen[channel] += 1
            assert unseen[channel] <= 2, (channel, at)
        since = at + takes if may_reset(train, since, at) else since
        due, following = next_check_us(train, due, at)
        assert max(due - SOONER_US, at) <= following <= at + 25_000
        at = following


@pytest.mark.parametrize("late_us", [0, 1_000, 1_001, 3_000])
def test_a_reading_that_took_long_may_have_seen_what_came_meanwhile(late_us: int) -> None:
    """Asked for right before anything can be under way; half the slack is no matter."""
    asked_us = START - WAVE_SLACK_US - 1
    seen = look(ONE, 0, asked_us)
    assert seen.asked[0] == Asked()
    assert not seen.in_flight
    found = between(ONE, seen, 0, asked_us, asked_us + late_us)
    if late_us > WAVE_SLACK_US // 2:
        assert found.asked[0] == Asked(1000, 0, 250)
        assert found.in_flight == {"A"}
    else:
        assert found is seen


def test_what_must_have_played_is_what_had_when_the_reading_was_asked_for() -> None:
    two = (chunk(pulse(10_000, 300), pulse(50_000)),)
    asked_us = START - 5_000
    found = between(two, look(two, 0, asked_us), 0, asked_us, END + 5_000)
    assert found.asked[0] == Asked(1000, 300, 250)
    assert found.in_flight == {"A"}, "the lines may have been read in the midst of the second"


def test_a_reading_that_took_long_is_judged_with_the_slack_that_is_asked_for() -> None:
    seen = look(ONE, 0, START - 12, 10)
    assert between(ONE, seen, 0, START - 12, START - 12 + 5, 10) is seen
    assert between(ONE, seen, 0, START - 12, START - 12 + 6, 10).asked[0] == Asked(1000, 0, 250)
    assert not between(ONE, look(ONE, 0, START - 30, 10), 0, START - 30, START - 20, 10).asked[0].must
    assert between(ONE, look(ONE, 0, START - 30, 10), 0, START - 30, START - 11, 10).asked[0] == Asked()


@pytest.mark.parametrize("channel", ["A", "B"])
@pytest.mark.parametrize(
    ("since", "until", "slack", "found"),
    [
        (12_601, 90_000, None, True),  # 2 ms after the last edge, at 10 600
        (12_600, 90_000, None, False),
        (0, 7_999, None, True),
        (0, 8_000, None, False),
        (10_601, 90_000, 0, True),
        (0, 9_999, 0, True),
        (10_600, 90_000, 0, False),
    ],
)
def test_when_no_current_may_have_flowed(since: int, until: int, slack: int | None, found: bool, channel: str) -> None:
    slacks = () if slack is None else (slack,)
    for code, quiet in ((1000, found), (0, True)):
        played = [chunk(pulse(10_000, code, channel))]
        assert silent(played, BEGINS + since, BEGINS + until, *slacks) is quiet


def test_the_last_moment_at_which_a_pulse_may_be_under_way_is_not_quiet() -> None:
    over = BEGINS + 10_600 + WAVE_SLACK_US
    assert quiet_us([chunk(pulse(10_000))], over, over, over + 5_000) == over + 1
    assert quiet_us([chunk(pulse(10_000))], over + 1, over, over + 5_000) == over + 1


def test_two_moments_that_leave_none_between_them_are_one() -> None:
    over = BEGINS + 10_600 + WAVE_SLACK_US
    before = BEGINS + 10_000 - WAVE_SLACK_US - READING_US - WOKEN_US - 1
    for gap, found in ((1, before), (2, over + 1)):
        second = over - BEGINS + gap + WAVE_SLACK_US + READING_US + WOKEN_US
        assert quiet_us([chunk(pulse(10_000), pulse(second))], over, over - 9_000, over + 9_000) == found


def test_the_soonest_moment_that_is_allowed_is_taken() -> None:
    before = BEGINS + 10_000 - WAVE_SLACK_US - READING_US - WOKEN_US - 1
    assert quiet_us([chunk(pulse(10_000))], before + 1, before, before + 1) == before


def test_what_is_over_hides_nothing_that_comes_after_it() -> None:
    two = (chunk(pulse(10_000)), chunk(pulse(10_000, 500), begins=BEGINS + 100_000))
    assert asked(two, "A", BEGINS + 105_000, BEGINS + 120_000) == Asked(500, 500, 250)
    assert asked((chunk(pulse(10_000), pulse(50_000, 500)),), "A", BEGINS + 30_000, BEGINS + 90_000).must == 500


@pytest.mark.parametrize(
    ("asked_us", "answered_us", "found"),
    [
        (END + 2_000, END + 4_000, True),  # it ends as long before as a wave may be late
        (END + 2_001, END + 4_000, False),
        (START - 4_000, START - 2_000, True),
        (START - 4_000, START - 2_001, False),
    ],
)
def test_how_near_a_pulse_must_come_to_a_reading_to_be_under_way_in_it(
    asked_us: int, answered_us: int, found: bool
) -> None:
    seen = look((), 0, asked_us)
    assert between(ONE, seen, 0, asked_us, answered_us).in_flight == ({"A"} if found else set())


def test_what_was_under_way_when_a_reading_was_asked_for_stays_so() -> None:
    seen = look(ONE, 0, START)
    assert seen.in_flight == {"A"}
    other = (chunk(pulse(52_000, channel="B")),)
    assert between(other, seen, 0, START, START + 1_500).in_flight == {"A", "B"}
