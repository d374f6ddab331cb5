"""The guard's own reading of a programme: each figure at its bounds and one unit beyond, and what comes of them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

import pytest

from safety import limits
from safety.schedule import ScheduleRefused, Train, read_schedule
from tests.support.programmes import CONTINUOUS, CONTRACTION, PAUSE, changed, programme_toml

BOTH = changed(CONTRACTION, channel='"AB"', frequency_hz="40.0")
SHORT = changed(CONTRACTION, ramp_up_ms="300", hold_ms="500", ramp_down_ms="200", rest_ms="1000", repeats="1")
CALM = changed(CONTINUOUS, continuous_s="10")
SECOND = 1_000_000
PULSES: Final[dict[str, Any]] = {"frequency_hz": Fraction(40), "width_us": 250, "gap_us": 100}
"""Of BOTH."""


def refusal(text: bytes) -> str | None:
    """What it is refused for; None when it is taken."""
    try:
        read_schedule(text)
    except ScheduleRefused as refused:
        return str(refused).partition(":")[0]
    return None


@pytest.mark.req("SR-021")
@pytest.mark.parametrize(
    ("phase", "field", "values"),
    [
        (CONTRACTION, "frequency_hz", "0.999999999 !1 !1.000000001 !149.999999999 !150 150.000000001"),
        (CALM, "frequency_hz", "0.999999999 !1 !20 20.000000001 nan inf 1e-99999999999999999999 0x1p1"),
        (CONTRACTION, "phase_width_us", "19 !20 !800 801 250.0 true"),
        (CONTRACTION, "interphase_us", "9 !10 !1000 1001 100.0 false"),
        (CONTRACTION, "intensity_percent", "0 0.0000000001 !0.000000001 !100 100.000000001 true"),
        (CALM, "intensity_percent", "0 !0.000000001 !100 101"),
        (changed(CONTRACTION, rest_ms="30000"), "ramp_up_ms", "299 !300 !24500 30001 1000.0"),
        (changed(CONTRACTION, rest_ms="30000"), "ramp_down_ms", "-1 !0 !24000 30001 500.0"),
        (changed(CONTRACTION, rest_ms="30000"), "hold_ms", "0 !1 !28500 28501 true"),
        (changed(CONTRACTION, ramp_up_ms="300", hold_ms="1", ramp_down_ms="0"), "rest_ms", "999 !1000 1000.0"),
        (CONTRACTION, "rest_ms", "6499 !6500 !200000 2700001"),
        (SHORT, "repeats", "0 !1 !1350 1351 9999 10000 1.0"),
        (CALM, "continuous_s", "0 !0.000001 0.0000001 !2696 2701 true"),
        (SHORT, "rest_ms", "!2699000 2699001"),
        (changed(SHORT, ramp_up_ms="29999", hold_ms="1", rest_ms="30000"), "ramp_down_ms", "!0 1"),
        (CALM, "ramp_up_ms", "299 !300 !40000"),
        (CALM, "ramp_down_ms", "-1 !0 !2000"),
    ],
)
def test_a_figure_at_its_bounds_and_beyond(phase: Mapping[str, str], field: str, values: str) -> None:
    """``!``: taken."""
    for value in values.split():
        taken = value.startswith("!")
        text = programme_toml(changed(phase, **{field: value.lstrip("!")}))
        assert (refusal(text) is None) == taken, value


@pytest.mark.req("SR-021")
@pytest.mark.parametrize("field", sorted(set(CONTRACTION) - {"name"}))
def test_a_figure_that_is_missing_is_refused(field: str) -> None:
    assert refusal(programme_toml(changed(CONTRACTION, **{field: None}))) is not None


@pytest.mark.req("SR-021")
@pytest.mark.parametrize(
    ("text", "field"),
    [
        (programme_toml(schema="0"), "schema"),
        (programme_toml(schema="2"), "schema"),
        (programme_toml(schema=None), "schema"),
        (programme_toml(electrode=None), "electrode"),
        (programme_toml(electrode="3"), "electrode"),
        (programme_toml(electrode='{ kind = "x" }'), "area_cm2"),
        (programme_toml(electrode="{ area_cm2 = 0.099999999 }"), "area_cm2"),
        (programme_toml(electrode="{ area_cm2 = 0.1 }"), None),
        (programme_toml(electrode="{ area_cm2 = 500 }"), None),
        (programme_toml(electrode="{ area_cm2 = 500.000000001 }"), "area_cm2"),
        (programme_toml(SHORT, cycles="0"), "cycles"),
        (programme_toml(SHORT, cycles="1"), None),
        (programme_toml(SHORT, cycles="10000"), "cycles"),
        (programme_toml(SHORT, cycles="1350"), None),
        (programme_toml(SHORT, cycles="1351"), "session"),
        (programme_toml(PAUSE), "phase"),
        (programme_toml(changed(SHORT, ramp_up_ms="30001")), "ramp_up_ms"),
        (programme_toml(changed(SHORT, repeats="1351")), "repeats"),
        (programme_toml(changed(PAUSE, pause_s="2700"), SHORT), "session"),
        (programme_toml(changed(PAUSE, pause_s="2700.000001"), SHORT), "pause_s"),
        (programme_toml(PAUSE, SHORT), None),
        (programme_toml(changed(SHORT, channel='"BA"')), "channel"),
        (programme_toml(changed(SHORT, channel="3")), "channel"),
        (programme_toml(*[SHORT] * 200), None),
        (programme_toml(*[SHORT] * 201), "phase"),
        (programme_toml(changed(PAUSE, pause_s="0.0001"), *[SHORT] * 101, cycles="99"), "cycles"),
        (programme_toml(*[changed(PAUSE, pause_s="0.0001")] * 99, SHORT, cycles="100"), None),
        (programme_toml(SHORT) + b"#" + b"x" * 1999 + b"\n", None),
        (programme_toml(SHORT) + b"#" + b"x" * 2000 + b"\n", "programme"),
        (programme_toml(SHORT) + b"#" + b"x " * 1000 + b"\n", "programme"),
        (programme_toml(SHORT).ljust(64 * 1024, b"\n"), None),
        (programme_toml(SHORT).ljust(64 * 1024 + 1, b"\n"), "programme"),
        (b'schema = 1\nphase = 3\nelectrode = { area_cm2 = 1 }', "phase"),
        (b'schema = 1\nphase = [3]\nelectrode = { area_cm2 = 1 }', "phase"),
        (b'schema = 1\nphase = []\nelectrode = { area_cm2 = 1 }', "phase"),
        (b"schema = ", "not a TOML text"),
        (b"\xff", "not a TOML text"),
        (b"x = " + b"[" * 1_500, "not a TOML text"),
    ],
)  # fmt: skip
def test_what_is_refused_and_for_what(text: bytes, field: str | None) -> None:
    assert refusal(text) == field


@pytest.mark.req("SR-021")
@pytest.mark.parametrize("after", ["1", "1.999999", "!2", "!60"])
def test_a_continuous_phase_is_followed_by_a_pause(after: str) -> None:
    pause = changed(PAUSE, pause_s=after.lstrip("!"))
    assert (refusal(programme_toml(CALM, pause, SHORT)) is None) == after.startswith("!")
    assert refusal(programme_toml(CALM, SHORT)) == "continuous_s"
    assert refusal(programme_toml(SHORT, CALM)) is None
    assert refusal(programme_toml(SHORT, CALM, cycles="2")) == "continuous_s"


@pytest.mark.req("SR-021")
@pytest.mark.parametrize(
    ("width", "frequency", "taken"), [(148, "1000", True), (149, "1000", False), (148, "1000.000000001", False)]
)
def test_a_pulse_fits_its_period(width: int, frequency: str, taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it for each of two channels. Other ceilings are reached first: they are lifted here."""
    monkeypatch.setattr(limits, "FREQUENCY_MAX_HZ", 1001)
    text = programme_toml(changed(BOTH, frequency_hz=frequency, phase_width_us=str(width), interphase_us="4"))
    monkeypatch.setattr(limits, "INTERPHASE_MIN_US", 1)
    assert (refusal(text) is None) == taken


def test_each_channel_has_its_trains() -> None:
    schedule = read_schedule(programme_toml(PAUSE, BOTH, changed(SHORT, channel='"B"'), cycles="2"))
    end = schedule.duration_us
    a = [schedule.train("A", at) for at in (59_999_999, 60_000_000, 73_499_999, 73_500_000, end - 1, end)]
    starts = [None if train is None else train.start_us for train in a]
    assert starts == [None, 60 * SECOND, 60 * SECOND, 73_500_000, (60 + 40 + 2 + 60 + 27) * SECOND + 500_000, None]
    assert (schedule.first_us("A"), schedule.first_us("B")) == (60 * SECOND, 60 * SECOND + 12_500)
    assert schedule.channels() == ("A", "B")
    assert schedule.area_cm2 == 10
    assert read_schedule(programme_toml(SHORT)).channels() == ("A",)
    assert read_schedule(programme_toml(SHORT)).first_us("B") == 0
    first = schedule.train("A", 60 * SECOND)
    assert first is not None
    assert type(first.start_us) is int
    assert first == Train(60 * SECOND, SECOND, 5 * SECOND, 500_000, Fraction(100), False, **PULSES)


def test_a_schedule_is_cut_for_another_electrode() -> None:
    whole = read_schedule(programme_toml(SHORT, cycles="3"))
    cut = whole.cut(3 * SECOND, Fraction(7, 2))
    assert (cut.duration_us, cut.area_cm2) == (3 * SECOND, Fraction(7, 2))
    assert cut.train("A", 3 * SECOND - 1) == whole.train("A", 3 * SECOND - 1) is not None
    assert cut.train("A", 3 * SECOND) is None
    assert whole.cut(7 * SECOND, Fraction(1)).duration_us == 6 * SECOND


def test_a_session_ends_with_its_last_train() -> None:
    assert read_schedule(programme_toml(SHORT)).duration_us == 2 * SECOND
    assert read_schedule(programme_toml(SHORT, cycles="3")).duration_us == 6 * SECOND
    calm = read_schedule(programme_toml(CALM))
    assert calm.duration_us == 14 * SECOND
    assert calm.train("A", SECOND) == Train(
        0, 2 * SECOND, 10 * SECOND, 2 * SECOND, Fraction(80), True, Fraction(10), 300, 100
    )
    later = changed(CALM, channel='"AB"', frequency_hz="1")
    assert read_schedule(programme_toml(later)).duration_us == 14_500_000, "B's train is half a period later"


@pytest.mark.req("SR-021")
@pytest.mark.parametrize("frequency", ["!1", "1.0001"])
def test_what_a_last_pulse_needs_beyond_the_end_counts(frequency: str) -> None:
    """A phase of a whole session: its last pulse on A begins at 2699 s, or at 2699.73 s; that of B 0.5 s later."""
    calm = changed(CALM, channel='"AB"', frequency_hz=frequency.lstrip("!"), continuous_s="2696")
    assert (refusal(programme_toml(calm)) is None) == frequency.startswith("!")


@pytest.mark.req("SR-021")
@pytest.mark.parametrize(("interphase", "taken"), [(100, True), (101, False)])
def test_a_last_pulse_may_end_with_the_session(interphase: int, taken: bool) -> None:
    """The 2 701st pulse begins at 2 699 999 400.6 us, of which the part is left out, and takes 600 us."""
    calm = changed(CALM, frequency_hz="1.000000222", ramp_up_ms="300", continuous_s="2699.6995", ramp_down_ms="0")
    text = programme_toml(changed(calm, phase_width_us="250", interphase_us=str(interphase)))
    assert (refusal(text) is None) is taken


def test_the_code_of_an_envelope() -> None:
    train = Train(0, SECOND, SECOND, SECOND, Fraction(50), False, **PULSES)
    at = [-1, 0, 500_000, SECOND - 1, SECOND, 2 * SECOND - 1, 2 * SECOND, 2_500_000, 3 * SECOND - 1, 3 * SECOND]
    codes = [0, 0, 409, 819, 819, 819, 819, 409, 0, 0]
    assert [train.largest_code(us, 20_000, 50_000) for us in at] == codes
    assert [train.rising_code(us, 20_000, 50_000) for us in (0, 150_000, 300_000, 400_000)] == [0, 409, 819, 819]
    assert Train(0, 1, 1, 1, Fraction(100), False, **PULSES).rising_code(300_000, 50_000, 50_000) == 4095
    assert Train(0, 1, 1, 1, Fraction(100), False, **PULSES).rising_code(300_000, 40_000, 50_000) == 3_276  # of 3 276.8
    assert Train(0, 1, 1, 1, Fraction(25, 2), False, **PULSES).rising_code(300_000, 50_000, 50_000) == 512
    steep = Train(0, SECOND, SECOND, 0, Fraction(50), False, **PULSES)
    assert [steep.largest_code(us, 20_000, 50_000) for us in (2 * SECOND - 1, 2 * SECOND)] == [819, 0]


def test_when_a_train_holds() -> None:
    train = Train(SECOND, SECOND, SECOND, SECOND, Fraction(50), False, **PULSES)
    held = [SECOND, 2 * SECOND - 1, 2 * SECOND, 3 * SECOND - 1, 3 * SECOND]
    assert [train.holds(us) for us in held] == [False, False, True, True, False]


def test_when_a_train_has_a_pulse() -> None:
    text = programme_toml(changed(SHORT, channel='"AB"', frequency_hz="13.3"))
    for channel, later in (("A", 0), ("B", int(500_000 / Fraction("13.3")))):
        train = read_schedule(text).train(channel, later)
        assert train is not None
        starts = {later + int(number * 1_000_000 / Fraction("13.3")) for number in range(14)}
        assert max(starts) < later + SECOND <= later + int(14 * 1_000_000 / Fraction("13.3"))
        assert {at for at in range(-1, later + SECOND + 100_000) if train.has_pulse_at(at)} == starts
    assert (train.width_us, train.gap_us) == (250, 100)
