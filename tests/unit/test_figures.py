"""The figures against numbers worked out by hand, and every ceiling one unit inside and one beyond."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import controller.figures as module
from controller.figures import Figures, ceilings, code_at, figures, highest_ua
from controller.programme import Electrode, Programme, Stimulation, load_programme, parse_programme, shipped_programmes
from hw.board import Board, load_board
from safety import limits
from safety.errors import InputRefused
from tests.support.programmes import CONTINUOUS, CONTRACTION, PAUSE, changed, programme_toml, valid_programmes

BOARD = load_board()
"""The reference board: 50 mA, 60 V."""
BOARD_100 = replace(BOARD, full_scale_ua=100_000)


def programme(*phases: dict[str, str], area: str = "10", cycles: str = "1") -> Programme:
    electrode = f'{{ kind = "surface", area_cm2 = {area} }}'
    return parse_programme(programme_toml(*phases, electrode=electrode, cycles=cycles), "test")


def beyond_the_format(made: Programme, *, area: Fraction | None = None, width_us: int | None = None) -> Programme:
    """The programme with figures that no file may have, for ceilings that others always reach first."""
    phases = tuple(
        replace(one, phase_width_us=width_us) if isinstance(one, Stimulation) and width_us is not None else one
        for one in made.phases
    )
    electrode = made.electrode if area is None else Electrode("surface", area)
    return replace(made, phases=phases, electrode=electrode)


def codes(made: Programme, max_ua: int, board: Board = BOARD) -> set[str]:
    return {problem.code for problem in ceilings(made, figures(made, board, max_ua))}


# --- by hand --------------------------------------------------------------------------------------------------


def test_strength_at_20_ma_by_hand() -> None:
    """50 Hz, 250 us, at 20 mA of 50: code floor(20 000 x 4096 / 50 000) = floor(1638.4) = 1638."""
    made = programme(changed(CONTRACTION, repeats="89"))
    found = figures(made, BOARD, 20_000)
    (a,) = found.channels
    assert a.code == 1638
    assert a.peak_ua == Fraction(1638 * 50_000, 4096)  # 19 995.117 uA
    assert float(a.peak_ua) == pytest.approx(19_995.117, abs=0.001)
    assert a.charge_pc == a.peak_ua * 250  # 4.998779 uC
    assert float(a.charge_pc) == pytest.approx(4_998_779.3, abs=0.1)
    assert a.net_charge_code_us == 0
    # 50 pulses start in a full second: mean square = I2 x 50 x 500 us / 1 s = I2 x 0.025, I x 0.158114 = 3 161.506 uA
    assert a.rms_ua == pytest.approx(19_995.117 * math.sqrt(0.025), abs=0.001)
    assert a.rms_ua == pytest.approx(3_161.506, abs=0.01)
    assert a.rms_density_ua_per_cm2 == pytest.approx(316.1506, abs=0.001)
    # (3.1615 mA)2 x 500 ohm = 4.997559 mW on 10 cm2
    assert float(a.power_density_mw_per_cm2) == pytest.approx(0.4997559, abs=1e-6)
    assert a.duty == Fraction(25, 1000)
    assert a.average_absolute_ua == a.peak_ua / 40
    # (19.995117 mA)2 x 500 ohm x 500 us = 0.0999512 mJ; 10.00 V. 2 000 ohm: 39.99 V. 10 000 ohm: 60 V, so 6 mA:
    # (6 mA)2 x 10 000 ohm x 500 us = 0.18 mJ
    assert [load.load_ohm for load in a.loads] == [500, 2_000, 10_000]
    assert [float(load.energy_nj) for load in a.loads] == pytest.approx([99_951.2, 399_804.7, 180_000], abs=0.1)
    assert [float(load.voltage_uv) for load in a.loads] == pytest.approx([9_997_559, 39_990_234, 60_000_000], abs=1)
    # log10(4.998779) + log10(4.998779 / 10) = 0.698864 - 0.301136
    assert a.shannon_k == pytest.approx(0.397728, abs=1e-5)
    # 6.5 s at 50 Hz: pulses at 0, 20 ms ... 6.48 s = 325; 89 contractions
    assert (a.pulses, a.contractions, a.continuous_phases) == (28_925, 89, 0)
    assert (a.longest_contraction_us, a.longest_continuous_us, a.shortest_rest_us) == (6_500_000, None, 7_000_000)
    assert (found.pulses, found.contractions, found.duration_us) == (28_925, 89, 1_201_500_000)


def test_both_channels_and_several_phases_by_hand() -> None:
    both = changed(CONTRACTION, channel='"AB"', repeats="2")  # 325 pulses x 2 on each channel
    calm = changed(CONTINUOUS, channel='"B"', continuous_s="96")  # 100 s at 10 Hz: 1 000 pulses
    made = programme(both, changed(PAUSE, pause_s="2"), calm, changed(PAUSE, pause_s="2"), cycles="3")
    found = figures(made, BOARD, 50_000)
    a, b = found.channels
    assert (a.channel, a.pulses, a.contractions, a.continuous_phases) == ("A", 1_950, 6, 0)
    assert (b.channel, b.pulses, b.contractions, b.continuous_phases) == ("B", 4_950, 6, 3)
    assert (found.pulses, found.contractions, found.continuous_phases) == (6_900, 6, 3)
    assert (a.longest_continuous_us, b.longest_continuous_us) == (None, 100_000_000)
    # B's largest charge is that of the calm phase at 80 % if its width makes up for it: 250 us x 1 against 300 x 0.8
    assert b.charge_pc == a.charge_pc == Fraction(4095 * 50_000 * 250, 4096)
    assert b.peak_ua == Fraction(4095 * 50_000, 4096)
    assert found.phases[1].code == math.floor(Fraction(50_000 * 4096 * 80, 100 * 50_000)) == 3276


def test_a_zero_maximum_has_no_shannon_figure() -> None:
    made = programme()
    found = figures(made, BOARD, 0)
    assert (found.channels[0].code, found.channels[0].rms_ua, found.channels[0].shannon_k) == (0, 0, None)
    assert ceilings(made, found) == ()


@pytest.mark.parametrize(
    ("max_ua", "percent", "code"),
    [
        (50_000, "100", 4095),  # 4096 would be full scale: the DAC ends at 4095
        (49_999, "100", 4095),  # floor(4095.918)
        (12, "100", 0),  # floor(0.983)
        (13, "100", 1),  # floor(1.065)
        (50_000, "0.000000001", 0),
        (30_000, "33.333333333", 819),  # floor(819.19999999)
        (25_000, "99.999999999", 2047),  # floor(2047.99999998)
    ],
)
def test_the_code_is_floored(max_ua: int, percent: str, code: int) -> None:
    (phase,) = programme(changed(CONTRACTION, intensity_percent=percent)).phases
    assert isinstance(phase, Stimulation)
    assert code_at(phase, max_ua, 50_000) == code


def test_a_short_contraction_counts_its_ramps_by_hand() -> None:
    """At 10 Hz, ramps of 300 and 200 ms, hold 200 ms: pulses at 0 ... 600 ms with E = 0, 1/3, 2/3, 1, 1, 1, 1/2."""
    short = changed(CONTRACTION, frequency_hz="10", ramp_up_ms="300", hold_ms="200", ramp_down_ms="200", rest_ms="1000")
    found = figures(programme(short), BOARD, 25_000)  # plateau code 2048; floors 682, 1365 and 1024
    (one,) = found.phases
    expected = [0, 682, 1365, 2048, 2048, 2048, 1024]
    assert (one.window_pulses, one.window_code) == (7, sum(expected))
    assert one.window_code_squared == sum(code * code for code in expected)


def test_a_fraction_of_a_pulse_a_second_can_fill_one_second_more() -> None:
    """At 10.5 Hz the seconds from even pulses hold starts 0 ... floor(10 x 95 238.095) = 952 380 us: 11 pulses."""
    steady = changed(CONTINUOUS, frequency_hz="10.5", intensity_percent="50")
    (one,) = figures(programme(steady), BOARD, 50_000).phases
    assert (one.window_pulses, one.code) == (11, 2048)
    assert one.window_code_squared == 11 * 2048**2


def test_the_second_is_half_open() -> None:
    """At 10 Hz pulse 10 starts exactly 1 s after pulse 0 and is not in its second."""
    (one,) = figures(programme(changed(CONTINUOUS, frequency_hz="10")), BOARD, 50_000).phases
    assert one.window_pulses == 10


@given(valid_programmes(max_seconds=20), st.integers(0, 50_000))
@settings(max_examples=60, deadline=None)
def test_the_fullest_second_is_that_of_a_plain_count(data: bytes, max_ua: int) -> None:
    """All pulses of the session laid out one after another; for each the second that starts with it."""
    made = parse_programme(data, "test")
    found = figures(made, BOARD, max_ua)
    for channel in found.channels:
        laid = _laid_out(made, channel.channel, max_ua, 50_000)
        assert channel.pulses == len(laid)
        squares = [
            sum(code * code * 2 * width for start, code, width in laid[n : n + 200] if start < laid[n][0] + 1_000_000)
            for n in range(len(laid))
        ]
        counted = Fraction(max(squares) * 50_000**2, 4096**2 * 10**6)
        assert max(one.mean_square_ua2 for one in found.phases if channel.channel in one.phase.channels) == counted


def _laid_out(made: Programme, channel: str, max_ua: int, full_scale_ua: int) -> list[tuple[int, int, int]]:
    """(start, code, width) of every pulse of a channel, by the formula of the format in Fractions."""
    laid = []
    now = 0
    for phase in made.played():
        if isinstance(phase, Stimulation) and channel in phase.channels:
            late = int(500_000 / phase.frequency_hz) if phase.channels == ("A", "B") and channel == "B" else 0
            for repeat in range(phase.repeats):
                begin = now + repeat * (phase.active_us + phase.rest_us)
                n = 0
                while (t := int(n * 1_000_000 / phase.frequency_hz)) < phase.active_us:
                    envelope = Fraction(1)
                    if t < phase.ramp_up_us:
                        envelope = Fraction(t, phase.ramp_up_us)
                    elif t >= phase.ramp_up_us + phase.plateau_us:
                        envelope = Fraction(phase.active_us - t, phase.ramp_down_us)
                    exact = max_ua * 4096 * envelope * phase.intensity_percent / (100 * full_scale_ua)
                    laid.append((begin + late + t, min(4095, int(exact)), phase.phase_width_us))
                    n += 1
        now += phase.duration_us
    return laid


# --- ceilings -------------------------------------------------------------------------------------------------


def test_the_maximum_is_at_most_the_full_scale() -> None:
    assert codes(programme(), 50_000) == set()
    assert codes(programme(), 50_001) == {"max_over_full_scale"}
    assert codes(programme(), 50_001, BOARD_100) == set()
    with pytest.raises(InputRefused, match="max_over_full_scale"):
        figures(programme(), BOARD, -1)


@pytest.mark.req("SR-023")
def test_charge_per_phase() -> None:
    """40 uC = 40e6 pC. 401 us at full scale 100 mA: code x 401 x 100 000 / 4096 <= 40e6 up to code 4085.78."""
    made = programme(changed(CONTRACTION, phase_width_us="401"), area="25")
    inside, beyond = math.ceil(4085 * 100_000 / 4096), math.ceil(4086 * 100_000 / 4096)  # 99 732 and 99 756 uA
    assert figures(made, BOARD_100, inside).channels[0].code == 4085
    assert codes(made, inside, BOARD_100) == set()
    assert codes(made, beyond - 1, BOARD_100) == set()
    assert codes(made, beyond, BOARD_100) == {"charge_high"}
    assert highest_ua(made, BOARD_100) == beyond - 1 == 99_755
    # exactly 40 uC is allowed: code 2048 is 50 mA of 100; 50 mA x 800 us
    full = programme(changed(CONTRACTION, phase_width_us="800"), area="500")
    assert figures(full, BOARD_100, 50_000).channels[0].charge_pc == 40_000_000
    assert codes(full, 50_000, BOARD_100) == set()
    assert codes(full, 50_025, BOARD_100) == {"charge_high"}  # code 2049


@pytest.mark.req("SR-023")
def test_rms_density() -> None:
    """Code 2048 is 25 mA; 100 Hz x 2 x 200 us: r.m.s. 25 x sqrt(0.04) = 5 mA, exactly the ceiling of 2.5 cm2."""
    dense = changed(CONTRACTION, frequency_hz="100", phase_width_us="200")
    assert figures(programme(dense), BOARD, 25_000).channels[0].rms_ua == 5_000
    assert codes(programme(dense, area="2.5"), 25_000) == set()
    assert codes(programme(dense, area="2.499999999"), 25_000) == {"rms_density_high"}
    assert codes(programme(dense, area="2.5"), 25_013) == {"rms_density_high"}  # code 2049
    assert highest_ua(programme(dense, area="2.5"), BOARD) == 25_012


def test_rms_density_counts_as_the_gate_does() -> None:
    """50 Hz, 250 us, 3 cm2: 50 x code2 x 500 x (50 000)2 <= (6 000)2 x 10^6 x 4096^2 up to code 3108.6."""
    made = programme(area="3")
    limit = 6_000**2 * 10**6 * 4096**2
    assert 50 * 3108**2 * 500 * 50_000**2 <= limit < 50 * 3109**2 * 500 * 50_000**2
    assert highest_ua(made, BOARD) == math.ceil(3109 * 50_000 / 4096) - 1 == 37_951
    (problem,) = ceilings(made, figures(made, BOARD, 37_952))
    assert (problem.code, problem.place) == ("rms_density_high", "phase[1]")
    assert problem.allowed == "at most 6 mA on this electrode (2 mA/cm2)"
    assert "6.000" in problem.value
    assert "37.952 mA" in problem.value


@pytest.mark.req("SR-023")
def test_rms_current(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file reaches 50 mA r.m.s.: with width and charge lifted, 150 Hz at code 4095 of 100 mA (99.976 mA) does.

    833 us: 99.976 x sqrt(150 x 1 666e-6) = 49.978 mA; 834 us: 99.976 x sqrt(150 x 1 668e-6) = 50.008 mA.
    """
    monkeypatch.setattr(limits, "CHARGE_PER_PHASE_MAX_PC", 10**9)
    made = programme(changed(CONTRACTION, frequency_hz="150"), area="500")
    inside, beyond = (beyond_the_format(made, width_us=width) for width in (833, 834))
    assert figures(inside, BOARD_100, 100_000).channels[0].rms_ua == pytest.approx(49_978, abs=1)
    assert codes(inside, 100_000, BOARD_100) == set()
    assert codes(beyond, 100_000, BOARD_100) == {"rms_high"}


@pytest.mark.req("SR-023")
def test_energy_per_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 mJ into 500 ohm at 99.976 mA (4.99756 W) are 60 029.3 us of current: charge and width are lifted."""
    monkeypatch.setattr(limits, "CHARGE_PER_PHASE_MAX_PC", 10**12)
    made = programme(changed(CONTRACTION, frequency_hz="1"), area="500")
    inside, beyond = (beyond_the_format(made, width_us=width) for width in (30_014, 30_015))
    assert float(figures(inside, BOARD_100, 100_000).phases[0].energy_nj) == pytest.approx(299_993_463, abs=1_000)
    assert codes(inside, 100_000, BOARD_100) == set()
    assert codes(beyond, 100_000, BOARD_100) == {"energy_high"}


@pytest.mark.req("SR-023")
def test_power_density(monkeypatch: pytest.MonkeyPatch) -> None:
    """r.m.s. 5 mA into 500 ohm are 12.5 mW: exactly 0.25 W/cm2 on 0.05 cm2. The r.m.s. density is lifted."""
    monkeypatch.setattr(limits, "RMS_DENSITY_MAX_UA_PER_CM2", 10**9)
    made = programme(changed(CONTRACTION, frequency_hz="100", phase_width_us="200"))
    assert codes(beyond_the_format(made, area=Fraction(5, 100)), 25_000) == set()
    assert codes(beyond_the_format(made, area=Fraction(5, 100) - Fraction(1, 10**9)), 25_000) == {"power_density_high"}
    assert codes(beyond_the_format(made, area=Fraction(5, 100)), 25_013) == {"power_density_high"}


def test_every_ceiling_over_is_named_with_its_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHARGE_PER_PHASE_MAX_PC", "ENERGY_PER_PULSE_MAX_NJ", "RMS_MAX_UA", "POWER_DENSITY_MAX_MW_PER_CM2"):
        monkeypatch.setattr(limits, name, 0)
    monkeypatch.setattr(limits, "RMS_DENSITY_MAX_UA_PER_CM2", 0)
    made = programme(CONTRACTION, PAUSE, CONTRACTION)
    problems = ceilings(made, figures(made, BOARD, 50_000))
    assert [problem.place for problem in problems] == ["phase[1]"] * 5 + ["phase[3]"] * 5
    assert {problem.code for problem in problems} == {
        "charge_high",
        "energy_high",
        "rms_high",
        "rms_density_high",
        "power_density_high",
    }
    assert highest_ua(made, BOARD) == 12  # code 0 up to 12 uA: floor(12 x 4096 / 50 000) = 0


@pytest.mark.req("SR-024")
def test_the_shipped_programmes_pass_at_full_scale() -> None:
    pulses = {}
    for ident, path in shipped_programmes().items():
        made = load_programme(path)
        found: Figures = figures(made, BOARD, BOARD.full_scale_ua)
        assert ceilings(made, found) == ()
        pulses[ident] = found.pulses
    assert pulses == {
        "stress-50hz": 89 * 325,  # 6.5 s at 50 Hz
        "urge-10hz": 12_000,  # 1 200 s at 10 Hz
        "mixed-13-50hz": 30 * (78 + 300),  # 6 s at 13 and at 50 Hz
        "sprint": 4 * 325 + 30 * 100,  # 6.5 s and 2 s at 50 Hz
        "marathon": 5 * 575,  # 11.5 s at 50 Hz
        "stress-long-pulse": 150 * 300,  # 6 s at 50 Hz
        "urge-4hz": 4_800,  # 1 200 s at 4 Hz
        "very-weak": 15 * 193,  # 5.5 s at 35 Hz, the last of them begun
        "postpartum-start": 20 * 175,  # 5 s at 35 Hz
        "technique": 8 * 250,  # 5 s at 50 Hz
        "relaxation": 6_000,  # 1 200 s at 5 Hz
        "tibial-nerve-20hz": 36_000,  # 1 800 s at 20 Hz
        "anal-35hz": 89 * 228,  # 6.5 s at 35 Hz, the last of them begun
    }


def test_like_contractions_are_enumerated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work grows with the shapes of contractions and not with how often they are played."""
    enumerated: list[Stimulation] = []
    real = module._fullest_second

    def counting(phase: Stimulation, max_ua: int, full_scale_ua: int) -> tuple[int, int, int]:
        enumerated.append(phase)
        return real(phase, max_ua, full_scale_ua)

    monkeypatch.setattr(module, "_fullest_second", counting)
    twin = changed(CONTRACTION, phase_width_us="100", rest_ms="9000", channel='"B"')
    other = changed(CONTRACTION, hold_ms="4999")
    weaker = changed(CONTRACTION, intensity_percent="50")
    found = figures(programme(*[CONTRACTION, twin] * 6, other, weaker, cycles="3"), BOARD, 50_000)
    assert [phase.plateau_us for phase in enumerated] == [5_000_000, 4_999_000, 5_000_000]
    # 50 pulses of a full second at code 4095, at 2048 in the weaker phase
    assert [one.window_code for one in found.phases] == [50 * 4095] * 13 + [50 * 2048]
