"""Where the gate was not what the rules ask for, as the oracle found it: each reduced to one small session."""

from __future__ import annotations

from controller.programme import parse_programme
from controller.timeline import Timeline
from tests.oracle.compare import Pair, Report
from tests.oracle.making import encode, marks
from tests.support.programmes import CONTINUOUS, CONTRACTION, PAUSE, changed, programme_toml

SECOND = 1_000_000
AT_10_HZ = {"frequency_hz": "10", "ramp_up_ms": "500", "ramp_down_ms": "500"}
# 10 s of contraction and 10 s of rest, 3 s of a continuous phase and a pause of 2 s, then a contraction from 25 s on
PROGRAMME = programme_toml(
    changed(CONTRACTION, hold_ms="9000", rest_ms="10000", repeats="1", **AT_10_HZ),
    changed(CONTINUOUS, continuous_s="2", **AT_10_HZ),
    changed(PAUSE, pause_s="2"),
    changed(CONTRACTION, hold_ms="1000", rest_ms="2000", repeats="1", **AT_10_HZ),
)
TIMELINE = Timeline(parse_programme(PROGRAMME, "test"))


def started(now_us: int, *, clean: bool) -> Pair:
    pair = Pair(50_000, 0, Report(), clean=clean)
    pair.load(PROGRAMME, {"A": 50_000, "B": 0})
    pair.begin(now_us)
    return pair


def go_on(pair: Pair, begin_us: int, end_us: int) -> None:
    """Plays the timeline between two session times, at the set-point zero; both sides must approve of it."""
    for slice_ in TIMELINE.slices(begin_us):
        if slice_.start_us >= end_us:
            return
        data = encode(slice_.start_us, slice_.end_us, marks(slice_.pulses, [0] * len(slice_.pulses)))
        revision = pair.session.progress.set_point.revision
        approval = pair.verdict("the timeline's", slice_.start_us, revision, data, 0)
        assert approval is not None, pair.report.kept
        pair.play(approval, slice_.start_us, data, 0)


def test_a_continuous_phase_comes_after_a_silence() -> None:
    """Its pulses are exempt from length and rest, the contraction before them is not: from one to the other by a pause
    of half a second, and back, the 30 s would begin anew each time.
    """
    pair = started(0, clean=True)
    go_on(pair, -100, 9_500_000)
    pair.resume(pair.session.progress.played_us + 500_000)
    slice_ = next(TIMELINE.slices(20 * SECOND - 1_000))
    data = encode(slice_.start_us, slice_.end_us, marks(slice_.pulses, [0] * len(slice_.pulses)))
    assert pair.verdict("joined", slice_.start_us, pair.session.progress.set_point.revision, data, 0) is None
    assert pair.report.disagreements == []
    assert pair.report.refusals == {"no_silence": 1}


def test_a_stop_in_a_continuous_phase_asks_for_no_rest() -> None:
    pair = started(0, clean=True)
    go_on(pair, -100, 22 * SECOND)  # a whole contraction with its whole rest, then 2 s of the continuous phase
    stop_us = pair.session.progress.played_us - 150_000  # approved up to 150 ms later
    pair.stop(stop_us)
    assert pair.session.rest_us(stop_us + 2 * SECOND) == 0
