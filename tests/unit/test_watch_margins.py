"""The watch's bounds against the simulated converter: what is right never alarms, what is wrong always does.

Right readings are taken with three times the noise of a healthy converter: what does not alarm in 1 000 checks then is
more than ten of its sigma away.
"""

from __future__ import annotations

import math

import pytest

from hw.mock.adc import NOISE_STEPS, Converter
from hw.mock.channel import Channel, Supply
from hw.mock.load import ELECTRODE, Electrode, Load, drifting
from safety.watch import Facts, Memory, judge
from safety.window import Asked
from tests.support.readings import FACTS, NOW_US, check, converted

CHECKS = 1_000
FULL_SCALES = (25_000, 50_000, 100_000)


def facts(full_scale_ua: int) -> Facts:
    return Facts(**{**vars(FACTS), "full_scale_ua": full_scale_ua})


def code_of(ua: int, full_scale_ua: int) -> int:
    """The smallest code for at least so much."""
    return -(-ua * 4096 // full_scale_ua)


def all_found(
    full_scale_ua: int, code: int, factor: float, ohm: list[float], noise: float = NOISE_STEPS, **other: float
) -> list[set[str]]:
    """What is found in checks of one session: so many times the asked current of A, through these loads in turn."""
    converter, memory, found = Converter(3.3, 12, full_scale_ua + code, noise_steps=noise), Memory(), []
    asked = (Asked(code, code, 250), Asked())
    ua = code * full_scale_ua / 4096 * factor
    for n in range(CHECKS):
        volt = min(60_000.0, ua * ohm[n % len(ohm)] / 1000)
        peak = min(ua, 60_000 / ohm[n % len(ohm)] * 1000)
        one = check(NOW_US + n * 20_000, asked=asked)
        reading = converted(converter, one.now_us, full_scale_ua, (peak, 0), (volt, 0), **other)  # type: ignore[arg-type]
        memory, codes = judge(facts(full_scale_ua), memory, check(one.now_us, asked=asked, **vars(reading)))
        found.append(set(codes))
    return found


HEALTHY = [490 + 12 * math.sin(n / 100) for n in range(628)]
"""Ohm: the model's moist probe at 250 us, its contact drifting by 8 %."""


@pytest.mark.parametrize("full_scale_ua", FULL_SCALES)
@pytest.mark.parametrize("ua", [0, 120, 500, 1_000, 2_000, 10_000, 24_900])
def test_what_is_right_does_not_alarm(full_scale_ua: int, ua: int) -> None:
    found = all_found(full_scale_ua, code_of(ua, full_scale_ua), 1.0, HEALTHY, 3 * NOISE_STEPS)
    assert set().union(*found) == set()


@pytest.mark.req("SR-134")
@pytest.mark.parametrize("full_scale_ua", FULL_SCALES)
@pytest.mark.parametrize("ua", [2_000, 5_000, 20_000])
def test_a_fifth_too_much_is_found_in_every_check(full_scale_ua: int, ua: int) -> None:
    assert all_found(full_scale_ua, code_of(ua, full_scale_ua), 1.2, HEALTHY) == [{"current_high"}] * CHECKS


@pytest.mark.parametrize("full_scale_ua", FULL_SCALES)
@pytest.mark.parametrize("ua", [2_000, 5_000, 20_000])
def test_a_fifth_too_little_is_found_in_every_second_window(full_scale_ua: int, ua: int) -> None:
    found = all_found(full_scale_ua, code_of(ua, full_scale_ua), 0.8, HEALTHY)
    assert found == [set()] + [{"current_low"}] * (CHECKS - 1)


@pytest.mark.req("SR-139")
@pytest.mark.parametrize("full_scale_ua", FULL_SCALES)
@pytest.mark.parametrize(
    ("ua", "ohm", "cause"),
    [
        *((ua, ohm, cause) for ua in (500, 2_000, 20_000) for ohm, cause in ((10, "short"), (1e9, "lead_off"))),
        *((ua, 40, "short") for ua in (2_000, 20_000)),  # at 0.5 mA that is 20 mV, and a step is 16
    ],
)
def test_shorts_and_open_leads(full_scale_ua: int, ua: int, ohm: float, cause: str) -> None:
    found = all_found(full_scale_ua, code_of(ua, full_scale_ua), 1.0, [ohm])
    assert found == [set()] + [{cause}] * (CHECKS - 1)


@pytest.mark.req("SR-140")
@pytest.mark.parametrize("full_scale_ua", FULL_SCALES)
@pytest.mark.parametrize("ua", [500, 2_000, 20_000])
def test_half_an_electrode_is_found_from_the_floor_on(full_scale_ua: int, ua: int) -> None:
    load = [490.0, 490.0] + [980.0] * (CHECKS - 2)
    assert all_found(full_scale_ua, code_of(ua, full_scale_ua), 1.0, load)[3:] == [{"load_drift"}] * (CHECKS - 3)


@pytest.mark.parametrize(("rail_mv", "found"), [(61_000, set()), (57_900, {"rail_lost"})])
def test_the_rail(rail_mv: float, found: set[str]) -> None:
    assert all_found(50_000, 0, 1.0, HEALTHY, rail_mv=rail_mv) == [found] * CHECKS


@pytest.mark.req("SR-136")
@pytest.mark.parametrize(("factor", "found"), [(1.0, False), (1.004, True), (0.996, True)])
def test_a_converter_with_another_reference(factor: float, found: bool) -> None:
    converter, memory = Converter(3.3, 12, 1, factor=factor), Memory()
    codes = set()
    for n in range(200):
        memory, said = judge(FACTS, memory, check(now := NOW_US + n * 20_000, **vars(converted(converter, now))))
        codes |= set(said)
    assert codes == ({"adc_reference"} if found else set())


@pytest.mark.parametrize("steps", [2.0, 20.0, 500.0])
def test_a_converter_that_is_noisy_is_found_within_seconds(steps: float) -> None:
    converter, memory = Converter(3.3, 12, 1, noise_steps=steps), Memory()
    for n in range(150):
        memory, said = judge(FACTS, memory, check(now := NOW_US + n * 20_000, **vars(converted(converter, now))))
        if "adc_reference" in said:
            return
    pytest.fail("not found in 3 s")


# --- the true channel: peak, load and average of whole pulse trains ---------------------------------------------------


def play(
    electrode: Electrode, ua: float, width: int, period: int, gains: tuple[float, float] = (1, 1), seconds: int = 3
) -> tuple[list[tuple[float, float, float]], float]:
    """Peak (uA), electrode (mV) and average (uA) of each period, and the largest average at any phase's end."""
    supply = Supply(60.0, 3.0, 100.0, 3_900.0, closed=True, volt=63.0)
    channel = Channel(supply, 10_000.0, electrode, 0)
    channel.gain(1, gains[0])
    channel.gain(-1, gains[1])
    channel.ask(ua / 1000)
    found, largest, now = [], 0.0, 1_000
    for _ in range(seconds * 1_000_000 // period):
        for polarity, length in ((1, width), (0, 100), (-1, width), (0, period - 2 * width - 100)):
            channel.step(now)
            channel.polarity = polarity
            now += length
            channel.step(now)
            largest = max(largest, abs(channel.average_ma) * 1000)
        found.append((channel.peak_ma * 1000, channel.peak_volt * 1000, channel.average_ma * 1000))
        channel.reset_peaks(held=True)
        channel.reset_peaks(held=False)
    return found, largest


@pytest.mark.parametrize(("ua", "width"), [(50_000, 800), (2_000, 20), (20_000, 250)])
def test_a_balanced_train_leaves_no_average_from_its_start_on(ua: int, width: int) -> None:
    found, largest = play(drifting(3, "A"), ua, width, 20_000)
    assert largest <= ua * width / 1e6 * 1.001 <= 40.1
    assert max(abs(average) for _, _, average in found) < 2  # what the filter forgets between two phases


@pytest.mark.req("SR-135")
def test_a_phase_that_is_missing_is_found_by_the_average() -> None:
    found, _ = play(Electrode(ELECTRODE), 20_000, 250, 20_000, gains=(1.0, 0.0))
    assert abs(found[-1][2]) > 200
    assert [abs(average) > 100 for _, _, average in found].index(True) < 40  # 0.8 s


@pytest.mark.parametrize("width", [20, 250, 800])
def test_the_load_of_the_model_at_each_width(width: int) -> None:
    for seed in range(5):
        found, _ = play(drifting(seed, "A"), 10_000, width, 20_000)
        loads = [volt / peak * 1000 for peak, volt, _ in found]
        assert min(loads) > 138
        assert max(loads) < 1.1 * min(loads)


def test_a_resistor_near_compliance_still_gives_what_was_asked() -> None:
    found, _ = play(Electrode(Load.resistor(1_000)), 50_000, 250, 20_000)
    assert {round(peak) for peak, _, _ in found} == {50_000}
