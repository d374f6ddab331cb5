"""Filters against scipy, and the stream: what it tells of a good signal and of every bad one."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest

from controller.emg.filters import Cascade, Section, band, high_pass, low_pass, notch, notches
from controller.emg.levels import Levels, peak_of, rest_of
from controller.emg.stream import STEP_MS, Step, Stream
from hw.emg import NV_PER_CODE, RATE_HZ
from hw.mock.emg import EmgModel, Person, Sensor

RATES = (RATE_HZ, 1000, 2000)


def sos(sections: list[Section]) -> np.ndarray:
    return np.array([[b0, b1, b2, 1, a1, a2] for b0, b1, b2, a1, a2 in sections])


@pytest.mark.parametrize("rate", RATES)
def test_the_sections_are_those_of_scipy(rate: int) -> None:
    from scipy import signal  # here: every worker loads this file, one of them runs this

    theirs = np.vstack(
        [signal.butter(4, 20, "high", fs=rate, output="sos"), signal.butter(2, 400, "low", fs=rate, output="sos")]
    )
    for hz in np.linspace(1, rate / 2 - 1, 200):
        ours = signal.sosfreqz(sos(band(rate)), [hz], fs=rate)[1]
        assert abs(ours - signal.sosfreqz(theirs, [hz], fs=rate)[1]) < 1e-9
    for section, hz in zip(notches(rate), range(50, 401, 50), strict=True):
        b, a = signal.iirnotch(hz, hz / 2, fs=rate)
        assert np.allclose([*b, *a], [*section[:3], 1, *section[3:]])


def test_a_cascade_in_blocks_is_one_filter() -> None:
    from scipy import signal

    sections = [*high_pass(20, 4, RATE_HZ), *low_pass(400, 2, RATE_HZ), notch(50, 2, RATE_HZ)]
    random = Random(1)
    samples = [random.gauss(0, 1000) for _ in range(999)]
    cascade = Cascade(sections)
    ours = [y for at in range(0, 999, 37) for y in cascade.feed(samples[at : at + 37])]
    assert np.allclose(ours, signal.sosfilt(sos(sections), samples), atol=1e-6)
    cascade.reset()
    assert cascade.feed(samples[:37]) == ours[:37]


@pytest.mark.parametrize(
    ("make", "words"), [(lambda: high_pass(20, 3, 860), "order"), (lambda: notch(430, 2, 860), "Hz")]
)
def test_a_filter_that_cannot_be_is_refused(make: object, words: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=words):
        make()


# --- the stream -------------------------------------------------------------------------------------------------------


def stream() -> Stream:
    return Stream(RATE_HZ, NV_PER_CODE)


def sensed(seconds: float, *, will: float = 0.0, seed: int = 1, **sensor: float | bool) -> list[int]:
    return EmgModel(Person(sensor=Sensor(**sensor)), seed, lambda _: will).samples(round(seconds * RATE_HZ))  # type: ignore[arg-type]


def test_a_sine_has_the_rms_it_has_and_the_mains_are_gone() -> None:
    def sine(hz: float) -> list[int]:
        return [round(1000 * math.sin(2 * math.pi * hz * n / RATE_HZ)) for n in range(3 * RATE_HZ)]

    expected_nv = 1000 / math.sqrt(2) * NV_PER_CODE
    for hz, factor in ((75, 1.0), (125, 1.0), (50, 0.0), (150, 0.0), (2, 0.0)):
        last = stream().feed(sine(hz))[-1]
        assert last.envelope_nv == pytest.approx(factor * expected_nv, rel=0.03, abs=0.01 * expected_nv), hz
    assert stream().feed(sine(50))[-1].quick_nv == pytest.approx(expected_nv, rel=0.05)


def test_steps_come_at_their_times_and_the_first_second_settles() -> None:
    steps = stream().feed(sensed(2))
    assert [step.at_ms for step in steps[:3]] == pytest.approx([STEP_MS, 2 * STEP_MS, 3 * STEP_MS], abs=0.01)
    assert {step.signal for step in steps if step.at_ms < 1000} == {"settling"}
    assert {step.signal for step in steps if step.at_ms > 1020} == {None}
    assert not steps[0].good
    assert steps[-1].good


@pytest.mark.parametrize(
    ("code", "sensor"),
    [
        ("lead_off", {"lead_off": True}),
        ("lead_off", {"offset_uv": 2_500.0}),
        ("hum", {"hum_uv": 60.0}),
        (None, {"hum_uv": 2.0, "motion_uv": 60.0}),
    ],
)
def test_what_is_wrong_with_the_sensor_is_told_within_a_second(code: str | None, sensor: dict[str, float]) -> None:
    steps = stream().feed([*sensed(3), *sensed(3, **sensor)])
    assert {step.signal for step in steps if 1100 < step.at_ms < 3000} == {None}
    assert {step.signal for step in steps if step.at_ms > 4100} == {code}


def test_hum_is_measured_and_filtered_and_strong_effort_is_no_hum() -> None:
    noisy, quiet = stream(), stream()
    resting = noisy.feed(sensed(4, hum_uv=60.0))[-1].envelope_nv
    assert noisy.hum_nv == pytest.approx(60_000, rel=0.05)
    assert resting == pytest.approx(quiet.feed(sensed(4))[-1].envelope_nv, rel=0.25)
    assert stream().feed(sensed(4, will=1.0, hum_uv=5.0))[-1].signal is None


def test_inputs_that_the_board_took_away_are_no_rest() -> None:
    model = EmgModel(Person(), 1, lambda _: 1.0)
    taken = stream()
    taken.feed(model.samples(2 * RATE_HZ))
    model.connected = False
    assert taken.feed(model.samples(2 * RATE_HZ))[-1].signal == "disconnected"


def test_lost_and_blanked_samples_spoil_their_window_alone_and_a_gap_begins_anew() -> None:
    whole = stream()
    whole.feed(sensed(2))
    assert whole.feed([None] * 10)[-1].signal == "lost"
    assert whole.feed(sensed(0.2))[-1].good
    assert whole.feed(sensed(0.1), blanked=True)[-1].signal == "blanked"
    after = whole.feed(sensed(2))
    assert after[-1].good
    whole.feed([None] * RATE_HZ)
    again = whole.feed(sensed(2))
    assert {step.signal for step in again[15:60]} == {"settling"}
    assert again[-1].good


def test_an_offset_does_not_ring() -> None:
    steps = stream().feed(sensed(3, offset_uv=1_500.0))
    assert steps[-1].envelope_nv < 6_000


# --- levels -----------------------------------------------------------------------------------------------------------


def flat(values: list[int]) -> list[Step]:
    return [Step(number * STEP_MS, value, value) for number, value in enumerate(values)]


def test_levels_are_medians_and_a_cough_counts_little() -> None:
    calm = [5_000 + 100 * (n % 5) for n in range(500)]
    rest, sd, _, _ = rest_of(flat(calm))
    with_cough = rest_of(flat([*calm, *[90_000] * 40]))
    assert (rest, sd) == (5_200, 148)
    assert with_cough[0] == pytest.approx(rest, abs=100)
    with pytest.raises(ValueError, match="half a second"):
        rest_of(flat(calm[:10]))


def test_a_spike_is_no_strongest_contraction() -> None:
    calm, effort = [5_000] * 100, [60_000] * 60
    assert peak_of([*calm, 900_000, *effort]) < 90_000
    assert peak_of([*calm, *effort]) == 60_000
    with pytest.raises(ValueError, match="half a second"):
        peak_of([1] * 10)


def test_percent_is_of_the_way_from_rest() -> None:
    levels = Levels(5_000, 100, 5_000, 100, 55_000)
    assert [levels.percent(nv) for nv in (1_000, 5_000, 30_000, 55_000)] == [0, 0, 50, 100]
    assert levels.usable
    assert not Levels(30_000, 100, 30_000, 100, 55_000).usable
