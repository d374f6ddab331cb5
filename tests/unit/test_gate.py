"""The gate's rules over time: each at its bound, one unit beyond it, and alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from safety import limits
from safety.decode import Refusal, decode
from safety.gate import Approval, History, Plan, Progress, judge
from safety.schedule import Schedule, Train, read_schedule
from safety.setpoint import Raise, SetPoint
from tests.support.chunks import LINES, Script, train

SECOND = 1_000_000
PROGRAMME = b"""
schema = 1
id = "t"
title = { nb = "t", en = "t" }
source = "t"
electrode = { kind = "surface", area_cm2 = 100 }
[[phase]]
name = { nb = "a", en = "a" }
channel = "A"
frequency_hz = 50.0
phase_width_us = 250
interphase_us = 100
ramp_up_ms = 1000
hold_ms = 5000
ramp_down_ms = 500
rest_ms = 7000
repeats = 10
intensity_percent = 100
"""
FULL_SCALE_UA = 50_000


OFTEN_HZ = Fraction(SECOND)
"""A pulse may start at any us: for what other rules refuse, or let through."""


def plan(**changes: object) -> Plan:
    exact = read_schedule(PROGRAMME)
    trains = [replace(one, frequency_hz=OFTEN_HZ) for at in range(0, 140, 14) if (one := exact.train("A", at * SECOND))]
    schedule = Schedule({"A": trains, "B": []}, exact.duration_us, exact.area_cm2)
    return replace(Plan(LINES, FULL_SCALE_UA, schedule, {"A": FULL_SCALE_UA}), **changes)


def always_on(
    area_cm2: int = 10_000, continuous: bool = False, length_us: int = 3000 * SECOND, width_us: int = 250
) -> Schedule:
    """A schedule that never limits by its envelope: what other rules refuse, they refuse alone."""
    whole = Train(-10 * SECOND, 0, length_us, 0, Fraction(100), continuous, OFTEN_HZ, width_us, 100)
    return Schedule({"A": [whole], "B": [whole]}, length_us, Fraction(area_cm2))


def under_way(played_us: int, **changes: object) -> dict[str, History]:
    """A contraction on channel A, risen long ago, whose last pulse was whole."""
    contraction = History(played_us - SECOND, played_us - 20_000, continuous=False, felt_ua=50_000)
    return {"A": replace(contraction, **changes), "B": History()}


def progress(session_us: int | None = 2 * SECOND, set_point_ua: int = 10_000, **changes: object) -> Progress:
    played = max(0, session_us or 0)
    before = Progress(SetPoint(3, (set_point_ua, set_point_ua)), session_us, played, channels=under_way(played))
    return replace(before, **changes)


def code_of(verdict: Approval | Refusal) -> str | None:
    return verdict.code if isinstance(verdict, Refusal) else None


def test_a_chunk_that_may_play_moves_the_session_on() -> None:
    verdict = judge(plan(), progress(), 2 * SECOND, 3, train([100, 20_100], 819), 0)
    assert isinstance(verdict, Approval)
    assert verdict.progress.session_us == 2 * SECOND + 100_000
    assert verdict.progress.played_us == 2 * SECOND + 100_000
    assert verdict.progress.channels["A"].last == 2 * SECOND + 20_100
    assert verdict.progress.channels["B"] == History()


@pytest.mark.req("SR-016")
@pytest.mark.parametrize(("start", "verdict"), [(0, None), (-1000, None), (-1001, "not_next"), (1, "not_next")])
def test_where_a_session_begins(start: int, verdict: str | None) -> None:
    assert code_of(judge(plan(), progress(None), start, 3, train([], 0), 0)) == verdict


@pytest.mark.req("SR-016")
@pytest.mark.parametrize(
    ("start", "resumed", "verdict"),
    [
        (2 * SECOND, False, None),
        (2 * SECOND + 1, False, "not_next"),
        (2 * SECOND - 1, False, "not_next"),
        (20 * SECOND, True, None),
        (2 * SECOND - 1, True, "not_next"),
    ],
)
def test_chunks_follow_each_other(start: int, resumed: bool, verdict: str | None) -> None:
    assert code_of(judge(plan(), progress(resumed=resumed), start, 3, train([], 0), 0)) == verdict


@pytest.mark.req("SR-034")
@pytest.mark.parametrize("revision", [0, 2, 4])
def test_a_chunk_for_another_set_point_is_stale(revision: int) -> None:
    assert code_of(judge(plan(), progress(), 2 * SECOND, revision, train([], 0), 0)) == "stale_set_point"


def test_a_step_that_was_granted_comes_with_its_session_time() -> None:
    ahead = SetPoint(3, (10_000, 0), Raise(2 * SECOND, {"A": 12_000}))
    before = progress(2 * SECOND - 100_000, set_point=ahead)
    verdict = judge(plan(), before, 2 * SECOND - 100_000, 3, train([100], 819), 0)
    assert isinstance(verdict, Approval)
    assert verdict.progress.set_point == ahead
    assert code_of(judge(plan(), verdict.progress, 2 * SECOND, 3, train([100], 819), 0)) == "stale_set_point"
    raised = judge(plan(), verdict.progress, 2 * SECOND, 4, train([100], 983), 0)
    assert isinstance(raised, Approval)
    assert raised.progress.set_point.of("A") == 12_000


@pytest.mark.req("SR-009")
@pytest.mark.parametrize(
    ("at", "most"),
    [
        (0, 0),  # the ramp begins at zero
        (500_000, 409),  # floor(10 mA x 4096 / 50 mA / 2)
        (999_999, 819),
        (1_000_000, 819),  # the hold: floor(819.2)
        (5_999_999, 819),
        (6_000_000, 819),  # the ramp down begins at the whole
        (6_250_000, 409),
        (6_499_999, 0),
        (6_500_000, 0),  # rest
        (13_400_000, 0),
        (14_000_000, 409),  # the next ramp up
    ],
)
def test_codes_stay_under_the_envelope(at: int, most: int) -> None:
    start = at - 100
    before = progress(start)
    rests = 6_500_000 <= at < 14_000_000
    assert code_of(judge(plan(), before, start, 3, train([100], most), 0)) == ("not_in_programme" if rests else None)
    assert code_of(judge(plan(), before, start, 3, train([100], most + 1), 0)) == "over_envelope"


@pytest.mark.req("SR-015")
def test_a_channel_the_programme_does_not_use_gets_nothing() -> None:
    rich = plan(caps_ua={"A": FULL_SCALE_UA, "B": FULL_SCALE_UA})
    assert code_of(judge(rich, progress(), 2 * SECOND, 3, train([100], 0, "B"), 0)) == "not_in_programme"
    assert code_of(judge(rich, progress(), 2 * SECOND, 3, train([100], 1, "B"), 0)) == "over_envelope"


@pytest.mark.req("SR-010")
@pytest.mark.parametrize(("cap_ua", "verdict"), [(9_998, None), (9_997, "over_cap")])
def test_codes_stay_under_the_cap(cap_ua: int, verdict: str | None) -> None:
    # code 819 is 9997.56 uA
    capped = plan(caps_ua={"A": cap_ua})
    assert code_of(judge(capped, progress(), 2 * SECOND, 3, train([100], 819), 0)) == verdict


@pytest.mark.req("SR-027")
@pytest.mark.parametrize(
    ("at", "width", "gap", "verdict"),
    [
        (2_000_000, 250, 100, None),
        (2_020_000, 250, 100, None),
        (1_999_999, 250, 100, "not_in_programme"),
        (2_000_001, 250, 100, "not_in_programme"),
        (2_010_000, 250, 100, "not_in_programme"),
        (6_480_000, 250, 100, None),
        (6_500_000, 250, 100, "not_in_programme"),  # the 50 Hz go on, the contraction does not
        (14_000_000, 250, 100, None),
        (2_000_000, 249, 100, "other_pulse"),
        (2_000_000, 251, 100, "other_pulse"),
        (2_000_000, 250, 99, "other_pulse"),
        (2_000_000, 250, 101, "other_pulse"),
    ],
)
def test_a_pulse_is_one_of_the_programmes(at: int, width: int, gap: int, verdict: str | None) -> None:
    exact = plan(schedule=read_schedule(PROGRAMME))
    script = Script()
    script.opening()
    script.pulse(100, "A", width=width, gap=gap)
    script.closing()
    assert code_of(judge(exact, progress(at - 100), at - 100, 3, script.data(), 0)) == verdict


@pytest.mark.req("SR-010")
def test_a_missing_cap_is_zero() -> None:
    assert code_of(judge(plan(caps_ua={}), progress(), 2 * SECOND, 3, train([100], 1), 0)) == "over_cap"


@pytest.mark.req("SR-007")
@pytest.mark.parametrize(("code", "verdict"), [(2048, None), (2049, "charge")])
def test_charge_per_phase(code: int, verdict: str | None) -> None:
    # 100 mA full scale: code 2048 for 800 us is exactly 40 uC
    wide = plan(full_scale_ua=100_000, schedule=always_on(width_us=800), caps_ua={"A": 100_000})
    before = progress(set_point_ua=100_000)
    assert code_of(judge(wide, before, 2 * SECOND, 3, train([100], code, width=800), 0)) == verdict


@pytest.mark.req("SR-008")
@pytest.mark.parametrize(
    ("area", "limit_ua"),
    [(10_000, 50_000), (10, 20_000)],  # 50 mA r.m.s.; 2 mA/cm2 on 10 cm2
)
def test_rms_over_any_second(area: int, limit_ua: int) -> None:
    """The window is filled up to the ceiling by hand; the pulse that goes over it is refused, one code less is not."""
    dense = plan(full_scale_ua=100_000, schedule=always_on(area), caps_ua={"A": 100_000})
    most = limit_ua**2 * SECOND * 4096**2 // 100_000**2
    code, width = 1000, 250
    own = code * code * 2 * width
    for extra, verdict in ((0, None), (1, "rms")):
        rest = most - own + extra
        filled = under_way(2 * SECOND + 20_000, squares=((2 * SECOND, rest),), total=rest)
        before = progress(2 * SECOND + 900_000, 100_000, channels=filled)
        assert code_of(judge(dense, before, 2 * SECOND + 900_000, 3, train([20_000], code, width=width), 0)) == verdict


@pytest.mark.req("SR-008")
def test_rms_forgets_after_a_second() -> None:
    dense = plan(full_scale_ua=100_000, schedule=always_on(), caps_ua={"A": 100_000})
    most = 50_000**2 * SECOND * 4096**2 // 100_000**2
    for start, verdict in ((999_999, "rms"), (1_000_000, None)):
        filled = under_way(start - 100, squares=((0, most),), total=most)
        before = progress(start - 100, 100_000, channels=filled)
        assert code_of(judge(dense, before, start - 100, 3, train([100], 1), 0)) == verdict


@pytest.mark.req("SR-008")
def test_power_density_is_a_ceiling_of_its_own() -> None:
    """The density of current is always reached first; with that lifted, 0.25 W/cm2 into 500 ohm on 4 cm2 is 44.7 mA."""
    small = plan(full_scale_ua=100_000, schedule=always_on(4), caps_ua={"A": 100_000})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "RMS_DENSITY_MAX_UA_PER_CM2", 1_000_000)
        # I^2 = 0.25 W/cm2 x 4 cm2 / 500 ohm = 2e-3 A^2 = 2e9 uA^2; as codes: x 1e6 x 4096^2 / (1e5)^2
        assert small.squares_max == 2 * 10**9 * SECOND * 4096**2 // 100_000**2
    assert plan(full_scale_ua=100_000, schedule=always_on(4)).squares_max == 8_000**2 * SECOND * 4096**2 // 100_000**2


@pytest.mark.req("SR-011")
@pytest.mark.parametrize(("gap", "verdict"), [(6_666, None), (6_665, "too_fast")])
def test_starts_across_chunks(gap: int, verdict: str | None) -> None:
    before = progress(channels=under_way(2 * SECOND, last=2 * SECOND - 6_566))
    assert code_of(judge(plan(), before, 2 * SECOND, 3, train([gap - 6_566], 1), 0)) == verdict


@pytest.mark.req("SR-012")
@pytest.mark.parametrize(("length", "verdict"), [(30 * SECOND, None), (30 * SECOND + 1, "contraction_too_long")])
def test_a_contraction_is_at_most_30_s(length: int, verdict: str | None) -> None:
    long = plan(schedule=always_on())
    start = 40 * SECOND
    before = progress(start, channels=under_way(start, first=start + 100 - length))
    assert code_of(judge(long, before, start, 3, train([100], 1), 0)) == verdict


@pytest.mark.req("SR-013")
@pytest.mark.parametrize(
    ("gap", "length", "verdict"),
    [
        (5 * SECOND, 5 * SECOND, None),
        (5 * SECOND - 1, 5 * SECOND, "rest_too_short"),
        (1_000_001, 1_000_001, None),
        (1_000_001, 1_000_002, "rest_too_short"),
        (1_000_000, 29 * SECOND, None),  # not a rest: the contraction goes on
        (1_000_000, 29 * SECOND + 1, "contraction_too_long"),
    ],
)
def test_rest_is_as_long_as_the_contraction(gap: int, length: int, verdict: str | None) -> None:
    long = plan(schedule=always_on())
    start = 100 * SECOND
    last = start + 100 - gap
    before = progress(start, channels=under_way(start, first=last - length, last=last))
    assert code_of(judge(long, before, start, 3, train([100], 0), 0)) == verdict


@pytest.mark.req("SR-011", "SR-012")
@pytest.mark.parametrize(("gap", "verdict"), [(50_000, None), (49_999, "too_fast")])
@pytest.mark.parametrize("length_us", [0, 31 * SECOND])
def test_a_continuous_phase_is_exempt_from_length_but_must_be_slow(
    gap: int, verdict: str | None, length_us: int
) -> None:
    slow = plan(schedule=always_on(continuous=True))
    start = 100 * SECOND
    last = start + 100 - gap
    before = progress(start, channels=under_way(start, first=last - length_us, last=last, continuous=True))
    assert code_of(judge(slow, before, start, 3, train([100], 0), 0)) == verdict


@pytest.mark.parametrize(
    ("at", "start", "verdict"),
    [
        (2 * SECOND + 100_000, 2 * SECOND, None),
        (2 * SECOND + 99_999, 2 * SECOND, "step_crossed"),
        (2 * SECOND + 1, 2 * SECOND, "step_crossed"),
        (2 * SECOND, 2 * SECOND, None),
        (2 * SECOND, 2 * SECOND + 1, "step_crossed"),
        (2 * SECOND, 20 * SECOND, "step_crossed"),
    ],
)
def test_a_step_comes_exactly_with_the_start_of_a_chunk(at: int, start: int, verdict: str | None) -> None:
    ahead = SetPoint(3, (10_000, 0), Raise(at, {"A": 12_000}))
    before = progress(set_point=ahead, resumed=start != 2 * SECOND)
    assert code_of(judge(plan(), before, start, 4 if start >= at else 3, train([], 0), 0)) == verdict


@pytest.mark.req("SR-016")
def test_session_time_may_be_skipped_once_after_a_pause() -> None:
    first = judge(plan(), progress(resumed=True), 3 * SECOND, 3, train([], 0), 0)
    assert isinstance(first, Approval)
    assert code_of(judge(plan(), first.progress, 4 * SECOND, 3, train([], 0), 0)) == "not_next"


@pytest.mark.req("SR-056")
def test_only_falling_codes_after_an_end_was_asked_for() -> None:
    ending = progress(end_us=2 * SECOND + 10_000, channels=under_way(2 * SECOND, last_code=500))
    script = Script()
    script.opening(a=600)
    script.pulse(100, "A")
    script.frame(15_000, "A", 600)
    script.pulse(20_100, "A")
    script.closing()
    assert code_of(judge(plan(), ending, 2 * SECOND, 3, script.data(), 0)) is None
    rising = Script()
    rising.opening(a=600)
    rising.pulse(100, "A")
    rising.frame(15_000, "A", 601)
    rising.pulse(20_100, "A")
    rising.closing()
    assert code_of(judge(plan(), ending, 2 * SECOND, 3, rising.data(), 0)) == "not_falling"


@pytest.mark.req("SR-056")
@pytest.mark.parametrize(("after", "verdict"), [(499_999, None), (500_000, "after_end")])
def test_a_ramped_stop_ends_within_half_a_second(after: int, verdict: str | None) -> None:
    start = 3 * SECOND
    ending = progress(start, end_us=start + 100 - after, channels=under_way(start, last_code=9))
    assert code_of(judge(plan(), ending, start, 3, train([100], 1), 0)) == verdict


@pytest.mark.req("SR-014")
def test_nothing_begins_after_the_session() -> None:
    end = read_schedule(PROGRAMME).duration_us
    assert code_of(judge(plan(), progress(end - 1), end - 1, 3, train([], 0), 0)) is None
    assert code_of(judge(plan(), progress(end), end, 3, train([], 0), 0)) == "session_over"


@pytest.mark.req("SR-014")
def test_nothing_begins_after_45_minutes() -> None:
    endless = plan(schedule=always_on(length_us=4000 * SECOND))
    end = limits.SESSION_MAX_US + limits.SESSION_TAIL_MAX_US
    assert code_of(judge(endless, progress(end - 1), end - 1, 3, train([], 0), 0)) is None
    assert code_of(judge(endless, progress(end), end, 3, train([], 0), 0)) == "session_over"


@pytest.mark.req("SR-011")
def test_silence_that_was_not_planned_counts_as_rest_only() -> None:
    """After an underrun the axis of played time goes on from the present, so rates are judged as they are played."""
    before = progress(2 * SECOND)
    verdict = judge(plan(), before, 2 * SECOND, 3, train([100], 0), 5 * SECOND)
    assert isinstance(verdict, Approval)
    assert verdict.progress.channels["A"].last == 5 * SECOND + 100
    assert verdict.progress.session_us == 2 * SECOND + 100_000


@pytest.mark.req("SR-019")
@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize(
    ("risen", "most", "verdict"),  # 10 mA of 50: 819.2
    [
        (0, 0, "rise_too_fast"),
        (60_000, 163, "rise_too_fast"),
        (150_000, 409, "rise_too_fast"),
        (299_000, 816, "rise_too_fast"),
        (300_000, 819, "over_envelope"),
    ],
)
def test_codes_rise_from_zero_after_a_silence(risen: int, most: int, verdict: str, continuous: bool) -> None:
    """In the middle of a hold too, where the envelope would let the whole set-point through."""
    start = 100 * SECOND
    first = start + 100 - risen
    last = start - 49_900 if risen else first - 1_000_001
    rising = under_way(start, first=first, last=last, continuous=continuous)
    before = progress(start, channels=rising)
    held = plan(schedule=always_on(continuous=continuous))
    assert code_of(judge(held, before, start, 3, train([100], most), 0)) is None
    assert code_of(judge(held, before, start, 3, train([100], most + 1), 0)) == verdict


@pytest.mark.req("SR-019")
@pytest.mark.parametrize(("gap", "verdict"), [(1_000_000, None), (1_000_001, "rise_too_fast")])
def test_what_a_silence_is(gap: int, verdict: str | None) -> None:
    start = 100 * SECOND
    before = progress(start, channels=under_way(start, first=start - SECOND - 1_000, last=start + 100 - gap))
    assert code_of(judge(plan(schedule=always_on()), before, start, 3, train([100], 819), 0)) == verdict


@pytest.mark.req("SR-019")
def test_the_first_pulse_of_all_is_zero() -> None:
    before = progress(channels={"A": History(), "B": History()})
    assert code_of(judge(plan(), before, 2 * SECOND, 3, train([100], 0), 0)) is None
    assert code_of(judge(plan(), before, 2 * SECOND, 3, train([100], 1), 0)) == "rise_too_fast"


@pytest.mark.req("SR-012")
@pytest.mark.parametrize("was", [False, True, None])
@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("gap", [1_000_000, 1_000_001])
def test_a_silence_lies_between_contraction_and_continuous_phase(was: bool | None, continuous: bool, gap: int) -> None:
    """Else the 30 s would begin anew with each change; what is not known may be either."""
    start = 100 * SECOND
    last = start + 100 - gap
    before = progress(start, channels=under_way(start, first=last - 500_000, last=last, continuous=was))
    verdict = code_of(judge(plan(schedule=always_on(continuous=continuous)), before, start, 3, train([100], 0), 0))
    assert verdict == (None if was is continuous or gap > 1_000_000 else "no_silence")


@pytest.mark.req("SR-032")
@pytest.mark.parametrize(
    ("history", "verdict"),
    [
        ({}, None),
        ({"last": SECOND}, None),
        ({"last": SECOND - 1, "first": 0}, "raise_not_felt"),  # nothing came for more than a second
        ({"first": 2 * SECOND - 300_000}, None),
        ({"first": 2 * SECOND - 299_999}, "raise_not_felt"),  # risen for less than 0.3 s
        ({"felt_ua": 10_000}, None),
        ({"felt_ua": 9_999}, "raise_not_felt"),  # what came was less than the set-point
        ({"first": None, "last": None}, "raise_not_felt"),
    ],
)
def test_the_set_point_rises_only_from_what_is_felt(history: dict[str, int | None], verdict: str | None) -> None:
    ahead = SetPoint(3, (10_000, 0), Raise(2 * SECOND, {"A": 12_000}))
    before = progress(set_point=ahead, channels=under_way(2 * SECOND, **history))
    assert code_of(judge(plan(), before, 2 * SECOND, 4, train([], 0), 0)) == verdict


@pytest.mark.req("SR-032")
@pytest.mark.parametrize(("code", "felt"), [(819, 10_000), (818, 0)])
def test_only_a_whole_pulse_is_felt_as_the_set_point(code: int, felt: int) -> None:
    verdict = judge(plan(), progress(), 2 * SECOND, 3, train([100], code), 0)
    assert isinstance(verdict, Approval)
    assert verdict.progress.channels["A"].felt_ua == felt


@pytest.mark.req("SR-010")
def test_a_chunk_that_cannot_be_read_is_refused_as_that() -> None:
    assert code_of(judge(plan(), progress(), 2 * SECOND, 3, b"", 0)) == "malformed"


def paused_before(**changes: object) -> Progress:
    """3 s of pauses lie before session time 2 s: that much later is it on the axis of played time."""
    return replace(progress(), played_us=5 * SECOND, channels=under_way(5 * SECOND), **changes)


def test_an_approval_carries_on_all_but_where_it_stands() -> None:
    before = paused_before(end_us=2_900_000, zero_us=3_200_000, resumed=True)
    data = train([100, 20_100], 819)
    verdict = judge(plan(), before, 2 * SECOND, 3, data, 0)
    assert isinstance(verdict, Approval)
    assert verdict.chunk == decode(data, LINES)
    after = replace(
        before, session_us=2_100_000, played_us=5_100_000, resumed=False, channels=verdict.progress.channels
    )
    assert verdict.progress == after
    assert verdict.progress.resumed is False
    assert verdict.progress.channels["A"].last == 5_020_100


@pytest.mark.req("SR-032")
@pytest.mark.parametrize(("since_us", "verdict"), [(300_000, None), (299_999, "raise_not_felt")])
def test_what_is_felt_counts_in_played_time(since_us: int, verdict: str | None) -> None:
    risen = {"A": History(5 * SECOND - since_us, 5 * SECOND - 20_000, continuous=False, felt_ua=50_000), "B": History()}
    before = replace(paused_before(), channels=risen)
    rises = replace(before, set_point=replace(before.set_point, ahead=Raise(2 * SECOND, {"A": 12_000})))
    assert code_of(judge(plan(), rises, 2 * SECOND, 4, train([100], 100), 0)) == verdict


@pytest.mark.req("SR-010")
@pytest.mark.parametrize(("cap_ua", "verdict"), [(25_000, None), (24_999, "over_cap")])
def test_a_code_may_be_just_the_cap(cap_ua: int, verdict: str | None) -> None:
    capped = plan(caps_ua={"A": cap_ua})  # code 2048 is 25 mA
    assert code_of(judge(capped, progress(set_point_ua=50_000), 2 * SECOND, 3, train([100], 2048), 0)) == verdict


@pytest.mark.req("SR-008")
@pytest.mark.parametrize("old", [0, 1, 2, 3])
def test_what_is_a_second_old_counts_no_more(old: int) -> None:
    at = 2 * SECOND + 100
    times = [*range(at - SECOND - 2, at - SECOND + 1)][:old]
    times += [at - SECOND + 1, at - 20_000]
    squares = tuple((time, 10**number) for number, time in enumerate(times))
    filled = under_way(2 * SECOND, squares=squares, total=sum(square for _, square in squares))
    verdict = judge(plan(), replace(progress(), channels=filled), 2 * SECOND, 3, train([100], 100), 0)
    assert isinstance(verdict, Approval)
    history = verdict.progress.channels["A"]
    assert history.squares == (*squares[old:], (at, 100 * 100 * 2 * 250))
    assert history.total == sum(square for _, square in history.squares)


@pytest.mark.parametrize(("end_us", "verdict"), [(2_000_101, None), (2_000_100, "not_falling")])
def test_codes_fall_from_the_very_moment_that_was_named(end_us: int, verdict: str | None) -> None:
    ending = replace(progress(), end_us=end_us)
    assert code_of(judge(plan(), ending, 2 * SECOND, 3, train([100], 819), 0)) == verdict


@pytest.mark.parametrize(("end_us", "verdict"), [(2_000_101, None), (2_000_100, "no_silence")])
def test_a_continuous_phase_is_over_at_its_end(end_us: int, verdict: str | None) -> None:
    schedule = always_on(continuous=True, length_us=10 * SECOND + end_us)
    calm = {"A": History(SECOND, 2 * SECOND - 60_000, continuous=True, felt_ua=50_000, before_us=77), "B": History()}
    judged = judge(plan(schedule=schedule), replace(progress(), channels=calm), 2 * SECOND, 3, train([100], 0), 0)
    assert code_of(judged) == verdict
    if isinstance(judged, Approval):
        assert judged.progress.channels["A"].before_us == 77


@pytest.mark.req("SR-007")
@pytest.mark.parametrize(("code", "verdict"), [(2050, None), (2051, "charge")])
def test_the_charge_of_a_phase_to_a_tenth_of_a_percent(code: int, verdict: str | None) -> None:
    """At 100 mA full scale and 799 us, 2051 is 40.009 uC."""
    rich = plan(full_scale_ua=100_000, caps_ua={"A": 100_000}, schedule=always_on(width_us=799))
    before = progress(set_point_ua=100_000)
    assert code_of(judge(rich, before, 2 * SECOND, 3, train([100], code, width=799), 0)) == verdict


def test_what_a_history_remembers_comes_later_from_a_time_on() -> None:
    history = History(100, 500, squares=((100, 1), (300, 2), (400, 3)))
    for since_us, first, last, squares in (
        (100, 107, 507, ((107, 1), (307, 2), (407, 3))),
        (101, 100, 507, ((100, 1), (307, 2), (407, 3))),
        (300, 100, 507, ((100, 1), (307, 2), (407, 3))),
        (500, 100, 507, history.squares),
        (501, 100, 500, history.squares),
    ):
        assert history.later(since_us, 7) == History(first, last, squares=squares)
    assert History().later(0, 7) == History()


@pytest.mark.req("SR-011")
@pytest.mark.parametrize(("late_us", "verdict"), [(0, None), (3_434, None), (3_435, "too_fast"), (20_000, "too_fast")])
def test_what_begins_later_than_it_might_is_counted_from_when_it_began(late_us: int, verdict: str | None) -> None:
    """The switch takes 20 ms. A chunk that is judged just before the one before it ends must not gain them."""
    fast = plan(schedule=always_on())
    first = judge(fast, progress(), 2 * SECOND, 3, train([100, 98_000], 100), 0)
    assert isinstance(first, Approval)
    began = first.progress.begun(100_000, 2 * SECOND + late_us)
    assert began.played_us == 2_100_000 + late_us
    assert began.channels["A"].last == 2_098_000 + late_us
    assert began.channels["A"].first == 1 * SECOND, "what came before it stays"
    assert [start for start, _ in began.channels["A"].squares] == [2_000_100 + late_us, 2_098_000 + late_us]
    assert began.channels["B"] == History()
    # Its first pulse comes at 2.1081 s or, where the first chunk ends later, 100 us after that.
    second = judge(fast, began, 2_100_000, 3, train([100], 100), 2_108_000)
    assert code_of(second) == verdict


def test_what_begins_earlier_than_it_was_judged_for_is_not_believed() -> None:
    first = judge(plan(schedule=always_on()), progress(), 2 * SECOND, 3, train([100], 100), 0)
    assert isinstance(first, Approval)
    assert first.progress.begun(100_000, 0) == first.progress
