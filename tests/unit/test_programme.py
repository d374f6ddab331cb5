"""The programme file: what is read is exact, and every wrong file is refused with place, field, value and advice."""

from __future__ import annotations

import os
import pickle
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings

from controller.programme import (
    Pause,
    Programme,
    Stimulation,
    load_programme,
    parse_programme,
    programme_path,
    shipped_programmes,
)
from controller.strict_toml import printable
from safety.errors import InputRefused, PelviStimError
from tests.support.programmes import (
    CONTINUOUS,
    CONTRACTION,
    PAUSE,
    changed,
    programme_toml,
    valid_programmes,
)

SHORT = changed(CONTRACTION, ramp_up_ms="300", hold_ms="500", ramp_down_ms="200", rest_ms="1000", repeats="1")
"""Active 1 000 ms and rest 1 000 ms: 2 s."""
LIFTED_WIDTH_US = 10_000


def refused(data: bytes) -> InputRefused:
    with pytest.raises(InputRefused) as caught:
        parse_programme(data, "file.toml")
    return caught.value


def reasons(data: bytes) -> set[tuple[str, str, str]]:
    """(code, place without its line, field) of every problem."""
    return {(problem.code, problem.place.rpartition(", ")[2], problem.field) for problem in refused(data).problems}


def accepted(data: bytes) -> Programme:
    return parse_programme(data, "file.toml")


def one_phase(data: bytes) -> Stimulation:
    (phase,) = accepted(data).phases
    assert isinstance(phase, Stimulation)
    return phase


# --- what is read ---------------------------------------------------------------------------------------------


def test_the_model_holds_the_file_exactly() -> None:
    data = programme_toml(
        changed(CONTRACTION, frequency_hz="33.333333333", channel='"AB"'), PAUSE, CONTINUOUS, cycles=None
    )
    programme = accepted(data)
    first, pause, calm = programme.phases
    assert (programme.id, programme.source, programme.cycles) == ("test", "made for a test", 1)
    assert programme.title == {"nb": "Prøve", "en": "Test"}
    assert (programme.electrode.kind, programme.electrode.area_cm2) == ("vaginal probe", 10)
    assert programme.text == data
    assert first == Stimulation(
        name={"nb": "Styrke", "en": "Strength"},
        channels=("A", "B"),
        frequency_hz=Fraction(33_333_333_333, 10**9),
        phase_width_us=250,
        interphase_us=100,
        ramp_up_us=1_000_000,
        plateau_us=5_000_000,
        ramp_down_us=500_000,
        rest_us=7_000_000,
        repeats=3,
        intensity_percent=Fraction(100),
        continuous=False,
    )
    assert pause == Pause({"nb": "Pause", "en": "Break"}, 60_000_000)
    assert isinstance(calm, Stimulation)
    assert (calm.continuous, calm.plateau_us, calm.rest_us, calm.repeats) == (True, 600_000_000, 0, 1)
    # 3 x (1 + 5 + 0.5 + 7) s, 60 s, 2 + 600 + 2 s
    assert [phase.duration_us for phase in programme.phases] == [40_500_000, 60_000_000, 604_000_000]
    assert programme.duration_us == 704_500_000


def test_pulses_starts_and_shift_are_exact() -> None:
    phase = one_phase(programme_toml(changed(SHORT, frequency_hz="3", channel='"AB"')))
    # active 1 s at 3 Hz: pulses at 0, 333 333 and 666 666 us; the one at 1 000 000 is not before the end
    assert (phase.pulses, [phase.start_us(n) for n in range(4)]) == (3, [0, 333_333, 666_666, 1_000_000])
    assert phase.last_start_us == 666_666
    assert (phase.shift_us("A"), phase.shift_us("B")) == (0, 166_666)  # floor(500 000 / 3)
    assert one_phase(programme_toml(changed(SHORT, channel='"B"'))).shift_us("B") == 0
    # 3.000003 Hz: pulse 3 starts at floor(3 000 000 / 3.000003) = 999 999 us, and plays
    assert one_phase(programme_toml(changed(SHORT, frequency_hz="3.000003"))).pulses == 4


def test_cycles_play_the_list_again() -> None:
    programme = accepted(programme_toml(SHORT, PAUSE, cycles="3"))
    assert list(programme.played()) == list(programme.phases) * 3
    assert programme.duration_us == 3 * 62_000_000


def test_a_programme_can_be_hashed_and_pickled() -> None:
    programme = accepted(programme_toml())
    assert pickle.loads(pickle.dumps(programme)) == programme
    assert hash(programme) == hash(accepted(programme_toml()))


@given(valid_programmes(max_seconds=60))
@settings(max_examples=200, deadline=None)
def test_every_generated_programme_parses_and_keeps_the_rules_of_the_gate(data: bytes) -> None:
    programme = accepted(data)
    assert programme.text == data
    assert 0 < programme.duration_us <= 60_000_000
    starts: dict[str, list[tuple[int, int, bool]]] = {"A": [], "B": []}
    now = 0
    for phase in programme.played():
        if isinstance(phase, Stimulation):
            length = 2 * phase.phase_width_us + phase.interphase_us
            for repeat in range(phase.repeats):
                first = now + repeat * (phase.active_us + phase.rest_us)
                n = 0
                while (offset := int(n * 1_000_000 / phase.frequency_hz)) < phase.active_us:
                    for channel in phase.channels:
                        late = int(500_000 / phase.frequency_hz) if channel == "B" and len(phase.channels) == 2 else 0
                        starts[channel].append((first + offset + late, length, phase.continuous))
                    n += 1
        now += phase.duration_us
    for played in starts.values():
        _assert_gate_accepts(played)
    every = sorted(pulse for played in starts.values() for pulse in played)
    assert all(one[0] + one[1] < other[0] for one, other in pairwise(every))


def _assert_gate_accepts(played: list[tuple[int, int, bool]]) -> None:
    """The gate's rule of contraction and rest on one channel, written down a second time."""
    if not played:
        return
    begin = played[0][0]
    for (start, _, continuous), (after, _, after_continuous) in pairwise(played):
        gap = after - start
        assert gap >= (50_000 if continuous and after_continuous and gap <= 1_000_000 else 6_666)
        if gap > 1_000_000:
            assert continuous or start - begin <= 30_000_000
            assert continuous or gap >= start - begin
            begin = after
        else:
            assert continuous == after_continuous


# --- bounds: one unit inside, one unit beyond -----------------------------------------------------------------

NANO = Fraction(1, 10**9)
LOOSE = changed(SHORT, rest_ms="2000")
BOUNDS = [
    (SHORT, "phase_width_us", 20, 800, 1),
    (SHORT, "interphase_us", 10, 1000, 1),
    (SHORT, "frequency_hz", 1, 150, NANO),
    (LOOSE, "ramp_up_ms", 300, None, 1),
    (LOOSE, "hold_ms", 1, None, 1),
    (LOOSE, "ramp_down_ms", 0, None, 1),
    (SHORT, "rest_ms", 1000, None, 1),
    (SHORT, "repeats", 1, None, 1),
    (SHORT, "intensity_percent", NANO, 100, NANO),
    (CONTINUOUS, "frequency_hz", 1, 20, NANO),
    (CONTINUOUS, "ramp_up_ms", 300, None, 1),
    (CONTINUOUS, "ramp_down_ms", 0, None, 1),
    (CONTINUOUS, "continuous_s", Fraction(1, 10**6), None, Fraction(1, 10**6)),
    (PAUSE, "pause_s", Fraction(1, 10**6), None, Fraction(1, 10**6)),
]


def written(number: Fraction | int) -> str:
    return str(number) if isinstance(number, int) or number.denominator == 1 else f"{float(number):.9f}"


@pytest.mark.req("SR-020", "SR-022")
@pytest.mark.parametrize(("phase", "field", "low", "high", "step"), BOUNDS)
def test_bounds_of_a_phase(
    phase: dict[str, str], field: str, low: Fraction | int, high: Fraction | int | None, step: Fraction | int
) -> None:
    def data(number: Fraction | int) -> bytes:
        return programme_toml(SHORT, changed(phase, **{field: written(number)}))

    inside = [low, low + step] + ([high, high - step] if high is not None else [])
    for number in inside:
        read = accepted(data(number)).phases[1]
        value = getattr(read, field, None) if isinstance(read, Stimulation) else read.duration_us * NANO * 1_000
        assert value in (number, None)  # None: times are held in us under other names
    for number in [low - step] + ([high + step] if high is not None else []):
        assert ("field_range", "phase[2]", field) in reasons(data(number))


@pytest.mark.req("SR-020")
@pytest.mark.parametrize(("area", "fine"), [("0.1", 1), ("500", 1), ("0.099999999", 0), ("500.000000001", 0), ("0", 0)])
def test_bounds_of_the_area(area: str, fine: int) -> None:
    data = programme_toml(electrode=f'{{ kind = "surface", area_cm2 = {area} }}')
    if fine:
        assert accepted(data).electrode.area_cm2 == Fraction(area)
    else:
        assert reasons(data) == {("field_range", "programme.electrode", "area_cm2")}


def test_a_contraction_lasts_at_most_30_s() -> None:
    longest = changed(CONTRACTION, ramp_up_ms="1000", hold_ms="28500", ramp_down_ms="500", rest_ms="40000")
    assert one_phase(programme_toml(longest)).active_us == 30_000_000
    assert reasons(programme_toml(changed(longest, hold_ms="28501"))) == {("contraction_long", "phase[1]", "hold_ms")}


@pytest.mark.req("SR-022")
def test_a_rest_is_at_least_the_contraction() -> None:
    assert one_phase(programme_toml(changed(CONTRACTION, rest_ms="6500"))).rest_us == 6_500_000
    (problem,) = refused(programme_toml(changed(CONTRACTION, rest_ms="6499"))).problems
    assert (problem.code, problem.field, problem.value) == ("rest_short", "rest_ms", "6499")
    assert "6500 ms" in problem.allowed
    assert "letting go" in problem.advice


def test_the_whole_session_lasts_at_most_45_minutes() -> None:
    assert accepted(programme_toml(SHORT, changed(PAUSE, pause_s="2698"))).duration_us == 2_700_000_000
    too_long = programme_toml(SHORT, changed(PAUSE, pause_s="2698.000001"))
    assert reasons(too_long) == {("session_long", "programme", "phase")}
    assert "2700.000001 s" in refused(too_long).problems[0].value
    assert accepted(programme_toml(SHORT, changed(PAUSE, pause_s="1348"), cycles="2")).duration_us == 2_700_000_000
    assert reasons(programme_toml(SHORT, changed(PAUSE, pause_s="898"), cycles="4")) == {
        ("session_long", "programme", "phase")
    }


def test_the_last_pulse_of_a_session_ends_within_it() -> None:
    # 10.000001 Hz for 2 700 s: pulse 27 000 starts 270 us before the end and lasts 2 x 300 + 100 us
    late = changed(CONTINUOUS, frequency_hz="10.000001", ramp_up_ms="1000", ramp_down_ms="0", continuous_s="2699")
    assert reasons(programme_toml(late)) == {("session_long", "programme", "phase")}
    assert accepted(programme_toml(changed(late, continuous_s="2698.999"))).duration_us == 2_699_999_000


@pytest.mark.parametrize(("channel", "longest_us"), [("A", 6666), ("AB", 3333)])
def test_a_pulse_fits_its_period(monkeypatch: pytest.MonkeyPatch, channel: str, longest_us: int) -> None:
    """At 150 Hz a period is 6 666.67 us. No width in range reaches it, so that the range of the width is lifted."""
    monkeypatch.setattr("safety.limits.PHASE_WIDTH_MAX_US", LIFTED_WIDTH_US)
    width = (longest_us - 200 - 101) // 2  # 2 x width + 101 + 200 is the longest whole number that fits
    gap = longest_us - 200 - 2 * width
    fits = changed(SHORT, frequency_hz="150", channel=f'"{channel}"', phase_width_us=str(width), interphase_us=str(gap))
    assert one_phase(programme_toml(fits)).phase_width_us == width
    beyond = programme_toml(changed(fits, interphase_us=str(gap + 1)))
    assert reasons(beyond) == {("period_exceeded", "phase[1]", "frequency_hz")}
    slower = written(Fraction(1_000_000, (longest_us + 1) * (2 if channel == "AB" else 1)) - NANO)
    assert accepted(programme_toml(changed(fits, interphase_us=str(gap + 1), frequency_hz=slower)))


def test_a_pulse_may_fill_its_period_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safety.limits.PHASE_WIDTH_MAX_US", LIFTED_WIDTH_US)
    full = changed(SHORT, frequency_hz="100", phase_width_us="4850")  # 2 x 4 850 + 100 + 200 = 10 000 us
    assert one_phase(programme_toml(full)).phase_width_us == 4850
    faster = programme_toml(changed(full, frequency_hz="100.000000001"))
    assert reasons(faster) == {("period_exceeded", "phase[1]", "frequency_hz")}


# --- phases beside each other ---------------------------------------------------------------------------------


def pause(seconds: str) -> dict[str, str]:
    return changed(PAUSE, pause_s=seconds)


CALM = changed(CONTINUOUS, continuous_s="10")


@pytest.mark.parametrize(
    ("phases", "cycles", "place"),
    [
        ((CALM,), "1", None),
        ((SHORT, CALM), "1", None),
        ((CALM, pause("2"), SHORT), "1", None),
        ((CALM, pause("2")), "2", None),
        ((pause("2"), CALM), "2", None),
        ((CALM, SHORT), "1", "phase[1]"),
        ((CALM, CALM), "1", "phase[1]"),
        ((CALM, pause("1.999999"), SHORT), "1", "phase[1]"),
        ((CALM, pause("1"), pause("1"), SHORT), "1", "phase[1]"),
        ((SHORT, CALM), "2", "phase[2]"),
        ((CALM,), "2", "phase[1]"),
        ((pause("1.999999"), CALM), "2", "phase[2]"),
        ((CALM, changed(SHORT, channel='"B"')), "1", "phase[1]"),
    ],
)
def test_a_continuous_phase_ends_in_a_pause(phases: tuple[dict[str, str], ...], cycles: str, place: str | None) -> None:
    data = programme_toml(*phases, cycles=cycles)
    if place is None:
        assert accepted(data).cycles == int(cycles)
    else:
        assert reasons(data) == {("continuous_pause", place, "continuous_s")}


SLOW_BOTH = changed(
    CONTRACTION, channel='"AB"', frequency_hz="1", ramp_up_ms="300", hold_ms="1", ramp_down_ms="0", repeats="1"
)
"""One pulse on each channel, that of B 500 ms late and so 199 ms after the end of its contraction."""
ON_B = changed(SHORT, channel='"B"')


@pytest.mark.parametrize(
    ("phases", "cycles", "gap_us"),
    [
        # B's pulse starts at 500 000 us, the next on B at 301 000 + rest: the gap must be more than 1 000 000 us
        ((changed(SLOW_BOTH, rest_ms="1199"), ON_B), "1", 1_000_000),
        ((changed(SLOW_BOTH, rest_ms="1200"), ON_B), "1", None),
        ((changed(SLOW_BOTH, rest_ms="1000"), ON_B), "1", 801_000),
        ((changed(SLOW_BOTH, rest_ms="1000"), pause("0.2"), ON_B), "1", None),
        ((changed(SLOW_BOTH, rest_ms="1000"), pause("0.198999"), ON_B), "1", 999_999),
        ((changed(SLOW_BOTH, rest_ms="1000"), SHORT, ON_B), "1", None),
        ((changed(SLOW_BOTH, rest_ms="1000"), SHORT), "1", None),
        ((changed(SLOW_BOTH, rest_ms="1000"),), "3", None),
        ((ON_B, changed(SLOW_BOTH, rest_ms="1000")), "1", None),
        ((ON_B, changed(SLOW_BOTH, rest_ms="1000")), "2", 801_000),
    ],
)
def test_the_later_channel_of_two_keeps_its_gap(
    phases: tuple[dict[str, str], ...], cycles: str, gap_us: int | None
) -> None:
    data = programme_toml(*phases, cycles=cycles)
    if gap_us is None:
        assert accepted(data).phases
    else:
        (problem,) = refused(data).problems
        assert (problem.code, problem.field) == ("gap_short", "rest_ms")
        assert problem.value.startswith(f"{gap_us} us")


def test_the_gap_is_also_as_long_as_the_contraction() -> None:
    # AB at 1 Hz for 10.001 s: B from 500 000 to 10 500 000 us; then B at 10 001 000 + rest: 10 000 000 us are needed
    long = changed(SLOW_BOTH, hold_ms="9701", rest_ms="10498")
    (problem,) = refused(programme_toml(long, ON_B)).problems
    assert problem.value.startswith("9999000 us")
    assert (problem.code, problem.allowed) == ("gap_short", "at least 10000000 us")
    assert accepted(programme_toml(changed(long, rest_ms="10499"), ON_B)).phases


# --- fields that are wrong ------------------------------------------------------------------------------------

HUGE = "9" * 4000
WRONG_FIELDS = [
    ("frequency_hz", "nan", "field_not_finite"),
    ("frequency_hz", "-nan", "field_not_finite"),
    ("frequency_hz", "inf", "field_not_finite"),
    ("frequency_hz", "-inf", "field_not_finite"),
    ("frequency_hz", "1e99999999999999999999", "field_not_finite"),
    ("frequency_hz", "1e999999999", "field_range"),
    ("frequency_hz", "1e-999999999", "field_decimals"),
    ("frequency_hz", "50.0000000001", "field_decimals"),
    ("frequency_hz", "5." + "0" * 1500, "field_decimals"),
    ("frequency_hz", "-50", "field_range"),
    ("frequency_hz", "9" * 1500 + ".5", "field_range"),
    ("frequency_hz", "-0.0", "field_range"),
    ("frequency_hz", "true", "field_type"),
    ("frequency_hz", '"50"', "field_type"),
    ("frequency_hz", "[50]", "field_type"),
    ("frequency_hz", "{ hz = 50 }", "field_type"),
    ("frequency_hz", "2024-01-01", "field_type"),
    ("frequency_hz", "0x" + "f" * 1500, "field_range"),
    ("phase_width_us", "nan", "field_type"),
    ("phase_width_us", "inf", "field_type"),
    ("phase_width_us", "true", "field_type"),
    ("phase_width_us", "250.0", "field_type"),
    ("phase_width_us", '"250"', "field_type"),
    ("phase_width_us", "0x" + "f" * 1900, "field_range"),
    ("phase_width_us", "-9" + "0" * 1000, "field_range"),
    ("repeats", "false", "field_type"),
    ("repeats", "3.0", "field_type"),
    ("repeats", "10000", "field_range"),
    ("intensity_percent", "0", "field_range"),
    ("intensity_percent", "true", "field_type"),
    ("channel", '"C"', "field_range"),
    ("channel", '"ab"', "field_range"),
    ("channel", '"BA"', "field_range"),
    ("channel", "1", "field_type"),
    ("name", '"Styrke"', "field_type"),
]


@pytest.mark.req("SR-020")
@pytest.mark.parametrize(("field", "value", "code"), WRONG_FIELDS)
def test_a_wrong_value_is_refused(field: str, value: str, code: str) -> None:
    error = refused(programme_toml(changed(CONTRACTION, **{field: value})))
    assert [(problem.code, problem.field) for problem in error.problems] == [(code, field)]
    assert len(str(error)) < 500


@pytest.mark.req("SR-020")
@pytest.mark.parametrize("field", [*CONTRACTION])
def test_a_missing_field_of_a_contraction_is_refused(field: str) -> None:
    assert reasons(programme_toml(changed(CONTRACTION, **{field: None}))) == {("field_missing", "phase[1]", field)}


@pytest.mark.req("SR-020")
@pytest.mark.parametrize("field", [field for field in CONTINUOUS if field != "continuous_s"])
def test_a_missing_field_of_a_continuous_phase_is_refused(field: str) -> None:
    assert reasons(programme_toml(changed(CONTINUOUS, **{field: None}))) == {("field_missing", "phase[1]", field)}


@pytest.mark.req("SR-020")
@pytest.mark.parametrize("field", ["schema", "id", "title", "source", "electrode"])
def test_a_missing_field_of_the_programme_is_refused(field: str) -> None:
    assert reasons(programme_toml(**{field: None})) == {("field_missing", "programme", field)}


@pytest.mark.req("SR-020")
@pytest.mark.parametrize(
    ("phase", "field"),
    [
        (changed(CONTRACTION, hold_us="1"), "hold_us"),
        (changed(CONTRACTION, amplitude_ma="20"), "amplitude_ma"),
        (changed(CONTINUOUS, rest_ms="7000"), "rest_ms"),
        (changed(CONTINUOUS, repeats="2"), "repeats"),
        (changed(CONTINUOUS, hold_ms="2"), "hold_ms"),
        (changed(PAUSE, channel='"A"'), "channel"),
        (changed(PAUSE, continuous_s="2"), "continuous_s"),
    ],
)
def test_an_unknown_field_of_a_phase_is_refused(phase: dict[str, str], field: str) -> None:
    assert reasons(programme_toml(SHORT, phase)) == {("field_unknown", "phase[2]", field)}


def test_an_unknown_field_comes_with_a_suggestion() -> None:
    (unknown, missing) = refused(programme_toml(changed(CONTRACTION, frequency_hz=None, frequenzy_hz="50"))).problems
    assert (unknown.code, unknown.advice) == ("field_unknown", "Did you mean frequency_hz?")
    assert (missing.code, missing.field) == ("field_missing", "frequency_hz")


@pytest.mark.parametrize(
    ("top", "reason"),
    [
        ({"schema": "2"}, ("field_range", "programme", "schema")),
        ({"schema": "true"}, ("field_type", "programme", "schema")),
        ({"schema": "1.0"}, ("field_type", "programme", "schema")),
        ({"colour": '"red"'}, ("field_unknown", "programme", "colour")),
        ({"id": '""'}, ("field_text", "programme", "id")),
        ({"id": '"Stress"'}, ("field_text", "programme", "id")),
        ({"id": '"../x"'}, ("field_text", "programme", "id")),
        ({"id": '"a b"'}, ("field_text", "programme", "id")),
        ({"id": f'"{"a" * 65}"'}, ("field_text", "programme", "id")),
        ({"id": "7"}, ("field_type", "programme", "id")),
        ({"title": '{ nb = "x" }'}, ("field_missing", "programme.title", "en")),
        ({"title": '{ nb = "x", en = "y", sv = "z" }'}, ("field_unknown", "programme.title", "sv")),
        ({"title": '{ nb = "x", en = " " }'}, ("field_text", "programme.title", "en")),
        ({"title": '{ nb = "x", en = "a\\u001b[2Jb" }'}, ("field_text", "programme.title", "en")),
        ({"title": '{ nb = "x", en = "a\\u202eb" }'}, ("field_text", "programme.title", "en")),
        ({"title": f'{{ nb = "x", en = "{"y" * 101}" }}'}, ("field_text", "programme.title", "en")),
        ({"title": "{ nb = 1, en = 'y' }"}, ("field_type", "programme.title", "nb")),
        ({"source": '""'}, ("field_text", "programme", "source")),
        ({"source": '"a\\nb"'}, ("field_text", "programme", "source")),
        ({"electrode": "10"}, ("field_type", "programme", "electrode")),
        ({"electrode": '{ kind = "ear", area_cm2 = 1 }'}, ("field_range", "programme.electrode", "kind")),
        ({"electrode": '{ kind = "surface" }'}, ("field_missing", "programme.electrode", "area_cm2")),
        (
            {"electrode": '{ kind = "surface", area_cm2 = nan }'},
            ("field_not_finite", "programme.electrode", "area_cm2"),
        ),
        ({"electrode": '{ kind = "surface", area_cm2 = -10 }'}, ("field_range", "programme.electrode", "area_cm2")),
        ({"electrode": '{ kind = "surface", area_cm2 = 1, mm = 2 }'}, ("field_unknown", "programme.electrode", "mm")),
        ({"cycles": "0"}, ("field_range", "programme", "cycles")),
        ({"cycles": "true"}, ("field_type", "programme", "cycles")),
        ({"cycles": "2.0"}, ("field_type", "programme", "cycles")),
        ({"cycles": "10000"}, ("field_range", "programme", "cycles")),
    ],
)
def test_a_wrong_field_of_the_programme_is_refused(top: dict[str, str], reason: tuple[str, str, str]) -> None:
    assert reasons(programme_toml(SHORT, **top)) == {reason}


def test_phases_are_counted() -> None:
    assert len(accepted(programme_toml(*[SHORT] * 200)).phases) == 200
    assert reasons(programme_toml(*[SHORT] * 201)) == {("phases_count", "programme", "phase")}
    head = programme_toml(PAUSE).split(b"[[phase]]")[0]
    assert reasons(head) == {("field_missing", "programme", "phase")}
    assert reasons(head + b"phase = []") == {("phases_count", "programme", "phase")}
    assert reasons(head + b"phase = 3") == {("field_type", "programme", "phase")}
    assert reasons(head + b"[phase]\npause_s = 1") == {("field_type", "programme", "phase")}
    assert reasons(head + b"phase = [1]") == {("field_type", "phase[1]", "")}


def test_only_pauses_are_no_programme() -> None:
    assert reasons(programme_toml(PAUSE, PAUSE)) == {("nothing_to_play", "programme", "phase")}


def test_times_in_seconds_are_whole_microseconds() -> None:
    assert accepted(programme_toml(SHORT, pause("0.000001"))).phases[1].duration_us == 1
    assert reasons(programme_toml(SHORT, pause("1.0000005"))) == {("field_decimals", "phase[2]", "pause_s")}
    assert accepted(programme_toml(SHORT, pause("1.000000000"))).phases[1].duration_us == 1_000_000
    nano = changed(CONTINUOUS, continuous_s="10.000000001")
    assert reasons(programme_toml(nano)) == {("field_decimals", "phase[1]", "continuous_s")}


@pytest.mark.req("SR-020")
def test_all_reasons_come_at_once_each_with_its_line() -> None:
    bad = changed(CONTRACTION, frequency_hz="151", rest_ms="6499", intensity_percent="nan", colour="1")
    data = programme_toml(SHORT, bad, changed(CALM, ramp_up_ms="299"), CALM, SHORT, id='"No"')
    error = refused(data)
    text = data.decode().splitlines()

    def line(content: str, nth: int = 1) -> int:
        return [number for number, written in enumerate(text, start=1) if written == content][nth - 1]

    assert isinstance(error, PelviStimError)
    assert {(problem.code, problem.place, problem.field) for problem in error.problems} == {
        ("field_text", "line 2, programme", "id"),
        ("field_unknown", f"line {line('colour = 1')}, phase[2]", "colour"),
        ("field_range", f"line {line('frequency_hz = 151')}, phase[2]", "frequency_hz"),
        ("field_not_finite", f"line {line('intensity_percent = nan')}, phase[2]", "intensity_percent"),
        ("rest_short", f"line {line('rest_ms = 6499')}, phase[2]", "rest_ms"),
        ("field_range", f"line {line('ramp_up_ms = 299')}, phase[3]", "ramp_up_ms"),
        ("continuous_pause", f"line {line('continuous_s = 10', nth=2)}, phase[4]", "continuous_s"),
    }
    for shown in str(error).splitlines():
        assert shown.startswith("file.toml: line ")
        assert ": allowed: " in shown


def test_a_header_inside_a_text_costs_only_the_line_numbers() -> None:
    data = programme_toml(changed(CONTRACTION, rest_ms="1"), source='"""a\\\n[[phase]]\\\n"""')
    problem = refused(data).problems[0]
    assert (problem.place, problem.field) == ("phase[1]", "rest_ms")


# --- files that are wrong -------------------------------------------------------------------------------------

FINE = programme_toml()
WRONG_BYTES = [
    (b"", "file_empty"),
    (b" \r\n\t\n", "file_empty"),
    (FINE.decode().encode("utf-16"), "file_not_utf8"),
    (FINE.decode().encode("utf-16-le"), "file_not_utf8"),
    (FINE.decode().encode("utf-32"), "file_not_utf8"),
    (b"\xef\xbb\xbf" + FINE, "file_not_utf8"),
    (FINE.decode().encode("latin-1"), "file_not_utf8"),
    (FINE + b"\x00", "file_not_utf8"),
    (b"\x7fELF\x02\x01\x01" + b"\x00" * 100, "file_not_utf8"),
    (FINE + b"[[phase", "file_not_toml"),
    (FINE + b"repeats = 3\n", "file_not_toml"),
    (FINE + b"x = " + HUGE.encode() + b"9" * 400, "file_not_toml"),
    (b"x = " + b"\n[" * 20_000, "file_not_toml"),
    (b"x = " + b"[\n" * 20_000, "file_not_toml"),
    (b".".join([b"a"] * 2_000) + b" = 1", "file_not_toml"),
    (FINE + b"#" * 2_001, "file_not_toml"),
    (FINE + b"#\n" * 32_768, "file_too_large"),
    (b'{"schema": 1}', "file_not_toml"),
    (b"day = 2024-13-41", "file_not_toml"),
]


@pytest.mark.parametrize(("data", "code"), WRONG_BYTES, ids=range(len(WRONG_BYTES)))
def test_wrong_bytes_are_refused(data: bytes, code: str) -> None:
    error = refused(data)
    assert [problem.code for problem in error.problems] == [code]
    assert len(str(error)) < 500
    assert str(error).isprintable()


@pytest.mark.parametrize("comment", ["# a programme with nothing in it\n", "x = 1\n"])
def test_a_file_without_fields_is_refused_for_each(comment: str) -> None:
    missing = {problem.field for problem in refused(comment.encode()).problems if problem.code == "field_missing"}
    assert missing == {"schema", "id", "title", "source", "electrode", "phase"}


def test_thousands_of_unknown_fields_are_told_briefly() -> None:
    error = refused(FINE.replace(b"schema", b"".join(b"k%d = 1\n" % n for n in range(5_000)) + b"schema"))
    assert len(error.problems) == 21
    assert error.problems[-1].value == "and 4980 more unknown fields"


def test_a_deep_table_is_shown_as_a_table() -> None:
    (problem,) = refused(b".".join([b"a"] * 900) + b" = 1\n" + FINE).problems
    assert (problem.code, problem.value) == ("field_unknown", "a table")


@pytest.mark.req("SR-106")
def test_what_stood_there_is_shown_short_and_harmless() -> None:
    (problem,) = refused(programme_toml(**{'"\\u001b[31m"': '"\\u001b[2J' + "x" * 900 + '"'})).problems
    assert problem.field == "\\x1b[31m"
    assert problem.value.isprintable()
    assert len(problem.value) < 60


def test_load_gives_what_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "programme.toml"
    path.write_bytes(FINE)
    assert load_programme(path) == accepted(FINE)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    assert load_programme(link).text == FINE


def load_refused(path: Path) -> str:
    with pytest.raises(InputRefused) as caught:
        load_programme(path)
    (problem,) = caught.value.problems
    assert caught.value.source == printable(str(path))
    return problem.code


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)  # opening it would wait for a writer
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    file = tmp_path / "file"
    file.write_bytes(FINE)
    assert load_refused(tmp_path) == "file_not_regular"
    assert load_refused(fifo) == "file_not_regular"
    assert load_refused(Path("/dev/zero")) == "file_not_regular"
    assert load_refused(tmp_path / "none.toml") == "file_missing"
    assert load_refused(loop) == "file_unreadable"
    assert load_refused(file / "x") == "file_unreadable"
    assert load_refused(tmp_path / ("x" * 300)) == "file_unreadable"


def test_a_path_that_no_system_takes_is_refused() -> None:
    with pytest.raises(InputRefused) as caught:
        load_programme(Path("a\x00\x1bb"))
    assert caught.value.source == "a\\x00\\x1bb"


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "programme.toml"
    path.write_bytes(FINE)

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("controller.strict_toml.os.open", denied)  # root may read everything, so it is played
    assert load_refused(path) == "file_unreadable"


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    with path.open("wb") as file:
        file.truncate(50 * 2**20)
    with pytest.raises(InputRefused) as caught:
        load_programme(path)
    assert [(problem.code, problem.value) for problem in caught.value.problems] == [
        ("file_too_large", "52428800 bytes")
    ]
    path.write_bytes(FINE.ljust(64 * 1024, b"\n"))
    assert load_programme(path).id == "test"
    path.write_bytes(FINE.ljust(64 * 1024 + 1, b"\n"))
    assert load_refused(path) == "file_too_large"


def test_a_file_that_hides_its_size_is_read_only_so_far(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Some file systems give the size 0; the reader takes one byte more than it allows and sees that it is too much."""
    path = tmp_path / "large.toml"
    path.write_bytes(FINE.ljust(2**20, b"\n"))
    real = os.fstat

    def no_size(descriptor: int) -> os.stat_result:
        return os.stat_result((real(descriptor).st_mode, *[0] * 9))

    monkeypatch.setattr("controller.strict_toml.os.fstat", no_size)
    assert load_refused(path) == "file_too_large"


# --- the shipped ones -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ident", sorted(shipped_programmes()))
def test_a_shipped_programme_says_its_source_and_what_is_known(ident: str) -> None:
    """What the source carries, what is ours, and honestly how good the evidence is, in both languages."""
    programme = load_programme(shipped_programmes()[ident])
    assert programme.id == ident
    assert "ours" in programme.source
    sourced = any(word in programme.source for word in ("(read", "abstract read)", "(quoted)"))
    assert sourced or programme.source.startswith("no source")
    assert programme.evidence is not None
    assert programme.evidence.keys() == {"nb", "en"}
    if programme.source.startswith("no source"):
        assert "no " in programme.evidence["en"].lower() or "not " in programme.evidence["en"]


def test_the_library() -> None:
    without = {
        "very-weak",
        "postpartum-start",
        "technique",
    }
    shipped = {ident: load_programme(path) for ident, path in shipped_programmes().items()}
    assert len(shipped) >= 12
    assert {ident for ident, one in shipped.items() if one.source.startswith("no source")} == without


def test_what_is_known_of_a_programme_may_be_left_out_but_not_be_in_one_language() -> None:
    assert parse_programme(programme_toml(), "test").evidence is None
    told = parse_programme(programme_toml(evidence='{ nb = "Lite.", en = "Little." }'), "test")
    assert told.evidence == {"nb": "Lite.", "en": "Little."}
    with pytest.raises(InputRefused) as refused:
        parse_programme(programme_toml(evidence='{ en = "Little." }'), "test")
    assert [(one.code, one.field) for one in refused.value.problems] == [("field_missing", "nb")]


def test_the_shipped_programmes_are_what_their_sources_say() -> None:
    minutes = {ident: load_programme(path).duration_us / 60e6 for ident, path in shipped_programmes().items()}
    assert minutes["stress-50hz"] == pytest.approx(20, abs=0.1)
    assert minutes["urge-10hz"] == 20
    assert minutes["mixed-13-50hz"] == 12
    warm_up, *rest = load_programme(shipped_programmes()["sprint"]).phases
    assert isinstance(warm_up, Stimulation)
    assert (warm_up.repeats, warm_up.plateau_us) == (4, 5_000_000)
    assert [phase.repeats for phase in rest if isinstance(phase, Stimulation)] == [10, 10, 10]
    assert [isinstance(phase, Pause) for phase in rest] == [False, True, False, True, False]
    (marathon,) = load_programme(shipped_programmes()["marathon"]).phases
    assert isinstance(marathon, Stimulation)
    assert (marathon.repeats, marathon.plateau_us) == (5, 10_000_000)
    mixed = load_programme(shipped_programmes()["mixed-13-50hz"])
    assert [phase.frequency_hz for phase in mixed.phases if isinstance(phase, Stimulation)] == [13, 50]
    assert mixed.cycles == 30
    assert minutes["stress-long-pulse"] == minutes["tibial-nerve-20hz"] == 30
    assert minutes["urge-4hz"] == minutes["relaxation"] == 20
    assert minutes["anal-35hz"] == pytest.approx(20, abs=0.1)
    for ident in ("very-weak", "postpartum-start"):
        (weak,) = load_programme(shipped_programmes()[ident]).phases
        assert isinstance(weak, Stimulation)
        assert weak.rest_us >= 2 * weak.active_us, "a muscle graded Oxford 0 to 2 rests twice as long"


def test_a_programme_is_named_by_path_or_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert programme_path("sprint") == shipped_programmes()["sprint"]
    assert programme_path("no-such") == Path("no-such")
    (tmp_path / "sprint").write_bytes(FINE)
    assert programme_path("sprint") == Path("sprint")
