"""Each fault of the board, by what it does to pins, electrodes and sensors, through the real clients."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pigpio
import pytest

from tests.support.rig import BOARD, MASK, PINS, REFERENCE, STEP_V, Rig
from tests.support.sim import Sim, SimFailed

FULL_MA = BOARD.full_scale_ua / 1000
CODE = 1_000
MA = CODE / 4096 * FULL_MA
STEPS_MA = 2.2 * STEP_V / 2 * FULL_MA
STEPS_V = 2.2 * STEP_V * 20
"""Rounding down and the converter's noise."""
ESTOP = {"released": (0, 1), "pressed": (1, 0)}


@pytest.fixture(name="rig")
def _rig() -> Iterator[Rig]:
    with Sim.start("--load-ohm", "500") as sim:
        rig = Rig(sim)
        rig.enable()
        yield rig
        rig.close()


def word(code: int, channel: str = "A", control: int = 0b111) -> int:
    return (channel == "B") << 15 | control << 12 | code


def pulse(rig: Rig, code: int = CODE, channel: str = "A") -> None:
    """Empty peak holds, one frame, one pulse, KEEPALIVE toggled after it."""
    rig.reset_peaks()
    rig.pulse(word(code, channel), f"{channel}_POS", f"{channel}_NEG")
    rig.keep_alive()


def measured(rig: Rig, code: int = CODE, channel: str = "A") -> float:
    """The peak current of one pulse, in mA."""
    pulse(rig, code, channel)
    return rig.milliampere(channel)


def asked(code: int = CODE) -> object:
    return pytest.approx(code / 4096 * FULL_MA, abs=STEPS_MA)


def contacts(rig: Rig) -> tuple[int, int]:
    return rig.pi.read(PINS["ESTOP_A"]), rig.pi.read(PINS["ESTOP_B"])


def tripped(rig: Rig) -> bool:
    return bool(rig.pi.read(PINS["FAULT_N"]) == 0)


def re_arm(rig: Rig, us: int = 1_000) -> None:
    rig.pi.write(PINS["FAULT_RESET"], 1)
    rig.clock.sleep(us)
    rig.pi.write(PINS["FAULT_RESET"], 0)


def raise_line(rig: Rig, name: str, us: int) -> None:
    """A line by a wave: high for so long."""
    rig.play([pigpio.pulse(MASK[name], 0, us), pigpio.pulse(0, MASK[name], 100)])


# The button


def test_press_and_release(rig: Rig) -> None:
    rig.sim.fault("estop-press")
    assert contacts(rig) == ESTOP["pressed"]
    rig.keep_alive(10_000)
    assert rig.rail_volt < 5
    rig.sim.fault("estop-release")
    assert contacts(rig) == ESTOP["released"]
    assert rig.rail_volt == pytest.approx(63, abs=0.1)


def test_bouncing_contacts_disagree_and_then_stay_open(rig: Rig) -> None:
    start = rig.clock.now
    rig.sim.fault("estop-bounce", 20)
    rig.keep_alive(40_000)
    edges = rig.sim.edges(gpios=[PINS["ESTOP_A"], PINS["ESTOP_B"]])
    bounces = [edge for edge in edges if start < edge[0] <= start + 20_000]
    assert len(bounces) > 6
    assert contacts(rig) == ESTOP["pressed"]
    states = dict(zip((13, 19), ESTOP["released"], strict=True))
    disagreed = False
    for _, gpio, level in bounces:
        states[gpio] = level
        disagreed = disagreed or states[13] == states[19]
    assert disagreed
    assert rig.rail_volt < 1


@pytest.mark.parametrize(("contact", "lines"), [(2, (0, 0)), (3, (1, 1))])
def test_a_contact_that_sticks_says_released(rig: Rig, contact: int, lines: tuple[int, int]) -> None:
    rig.sim.fault("estop-stuck", contact)
    assert contacts(rig) == ESTOP["released"]
    rig.sim.fault("estop-press")
    assert contacts(rig) == lines
    rig.keep_alive(10_000)
    assert rig.rail_volt < 5
    rig.sim.fault("clear", "estop-stuck")
    assert contacts(rig) == ESTOP["pressed"]


def test_a_welded_contact_leaves_the_rail_up(rig: Rig) -> None:
    rig.sim.fault("estop-welded")
    rig.sim.fault("estop-press")
    rig.keep_alive(20_000)
    assert contacts(rig) == ESTOP["pressed"]
    assert rig.rail_volt == pytest.approx(63, abs=0.1)


@pytest.mark.parametrize(("contact", "lines", "up"), [(1, (0, 1), False), (2, (1, 1), True), (3, (0, 0), True)])
def test_a_cut_wire_is_an_open_contact(rig: Rig, contact: int, lines: tuple[int, int], up: bool) -> None:
    rig.sim.fault("estop-cut", contact)
    rig.keep_alive(20_000)
    assert contacts(rig) == lines
    assert (rig.rail_volt > 60) is up


# Electrodes


def test_an_open_electrode(rig: Rig) -> None:
    rig.sim.fault("electrode-open", "A")
    assert measured(rig) == 0
    assert rig.electrode_volt("A") == pytest.approx(60, abs=0.2)
    assert measured(rig, channel="B") == asked()
    rig.sim.fault("clear", "electrode-open")
    assert measured(rig) == asked()


@pytest.mark.parametrize(("args", "ohm"), [(("A",), 10), (("A", 40), 40)])
def test_a_shorted_electrode(rig: Rig, args: tuple[object, ...], ohm: float) -> None:
    rig.sim.fault("electrode-short", *args)
    assert measured(rig) == asked()
    assert rig.electrode_volt("A") == pytest.approx(MA * ohm / 1000, abs=STEPS_V)
    assert rig.electrode_volt("A") / rig.milliampere("A") * 1000 < 50


def test_a_half_peeled_electrode_takes_twice_the_voltage(rig: Rig) -> None:
    pulse(rig)
    before = rig.electrode_volt("A")
    rig.sim.fault("electrode-peeled", "A")
    assert measured(rig) == asked()
    assert rig.electrode_volt("A") == pytest.approx(2 * before, abs=2 * STEPS_V)


def test_a_drying_electrode(rig: Rig) -> None:
    rig.sim.fault("electrode-drying", "A", 6_000)
    volts = []
    for _ in range(3):
        assert measured(rig) == asked()
        volts.append(rig.electrode_volt("A"))
        rig.keep_alive(10_000_000)
    expected = [(0.5 + second * 0.1) * MA for second in (0, 10, 20)]
    assert volts == pytest.approx(expected, abs=0.15 * MA)
    rig.keep_alive(60_000_000)
    assert measured(rig) < 0.7 * MA, "60 V no longer drive it"


# The converter


def readings(rig: Rig) -> list[int]:
    rig.clock.sleep(1_000)
    return [rig.inputs[channel].raw_value for channel in range(8)]


def test_a_dead_converter(rig: Rig) -> None:
    rig.sim.fault("adc-dead")
    assert readings(rig) == [0] * 8
    rig.sim.fault("clear")
    assert rig.volt(REFERENCE) == pytest.approx(1.25, abs=2 * STEP_V)


def test_a_stuck_converter(rig: Rig) -> None:
    rig.sim.fault("adc-stuck", 1234)
    pulse(rig)
    assert readings(rig) == [1234] * 8


def test_a_stuck_input_of_the_converter(rig: Rig) -> None:
    rig.sim.fault("adc-input", 3, 1234)
    found = readings(rig)
    assert found[3] == 1234
    assert 1234 not in found[:3] + found[4:]
    rig.sim.fault("clear")
    assert readings(rig)[3] < 10


def test_a_noisy_converter(rig: Rig) -> None:
    def spread() -> int:
        values = []
        for _ in range(40):
            rig.clock.sleep(500)
            values.append(rig.inputs[REFERENCE].raw_value)
        return max(values) - min(values)

    assert spread() <= 2
    rig.sim.fault("adc-noisy", 20)
    assert 40 < spread() < 200


def test_a_converter_wrong_by_a_factor(rig: Rig) -> None:
    rig.sim.fault("adc-factor", 0.5)
    assert measured(rig) == pytest.approx(MA / 2, abs=STEPS_MA)
    assert rig.volt(REFERENCE) == pytest.approx(0.625, abs=2 * STEP_V)
    assert rig.rail_volt == pytest.approx(31.5, abs=0.1)


def test_a_slow_converter_sees_late(rig: Rig) -> None:
    rig.sim.fault("adc-slow", 50)
    assert rig.milliampere("A") == 0
    assert measured(rig) == 0, "the sample from before"
    rig.keep_alive(60_000)
    assert rig.milliampere("A") == asked()


def test_a_reference_that_is_off(rig: Rig) -> None:
    rig.sim.fault("adc-reference", 0.9)
    assert rig.volt(REFERENCE) == pytest.approx(0.9, abs=2 * STEP_V)
    assert measured(rig) == asked()


# The DAC


def test_a_stuck_dac_channel(rig: Rig) -> None:
    assert measured(rig, 2_000) == asked(2_000)
    rig.sim.fault("dac-stuck", "A")
    assert measured(rig, 500) == asked(2_000)
    assert measured(rig, 500, "B") == asked(500)
    rig.sim.fault("dac-stuck", "A", 4_000)
    assert measured(rig, 500) == asked(4_000)
    rig.sim.fault("clear", "dac-stuck")
    assert measured(rig, 500) == asked(500)


@pytest.mark.parametrize(
    ("bit", "level", "code", "channel", "becomes"),
    [
        (9, "high", 100, "A", 612),
        (10, "low", 0x5A0, "A", 0x1A0),
        (13, "low", 1_000, "A", 2_000),
        (15, "low", 900, "B", 0),
    ],
)
def test_a_stuck_bit(rig: Rig, bit: int, level: str, code: int, channel: str, becomes: int) -> None:
    rig.sim.fault("dac-bit", bit, level)
    assert measured(rig, code, channel) == asked(becomes)


@pytest.mark.parametrize(
    ("line", "level", "a", "b"),
    [
        ("DAC_SDI", "high", 0, 4_095),  # every word is for B, at full scale
        ("DAC_SDI", "low", 0, 800),  # every word shuts A down
        ("DAC_SCK", "high", 800, 800),
        ("DAC_SCK", "low", 800, 800),
        ("DAC_CS_N", "high", 800, 800),
        ("DAC_CS_N", "low", 800, 800),
    ],
)
def test_a_stuck_line_of_the_dac(rig: Rig, line: str, level: str, a: int, b: int) -> None:
    for channel in "AB":
        assert measured(rig, 800, channel) == asked(800)
    if (line, level) == ("DAC_SDI", "high"):
        measured(rig, 0)
    rig.sim.fault("dac-line", line, level)
    assert (measured(rig, 300), measured(rig, 300, "B")) == (asked(a), asked(b))
    rig.pi.write(PINS[line], level == "low")
    assert rig.pi.read(PINS[line]) == (level == "low"), "the pin does not tell"


# Bridges, sources, rail


@pytest.mark.parametrize(("line", "sign"), [("A_POS", -1), ("A_NEG", 1), ("B_POS", -1), ("B_NEG", 1)])
def test_a_phase_line_stuck_low_makes_direct_current(rig: Rig, line: str, sign: int) -> None:
    channel = line[0]
    rig.sim.fault("phase-line", line, "low")
    rig.sim.control("current", record=True)
    pulse(rig, 4_000, channel)
    figures = rig.sim.figures(channel)
    one, other = ("forward_uc", "back_uc") if sign > 0 else ("back_uc", "forward_uc")
    assert figures[one] == pytest.approx(4_000 / 4096 * FULL_MA * 0.25, rel=0.01)
    assert figures[other] < 0.1 * figures[one], "only what the bleeder returns"
    for _ in range(49):
        pulse(rig, 4_000, channel)
    zero = BOARD.adc.average_zero_mv / 1000
    moved = rig.volt(BOARD.adc.average_a if channel == "A" else BOARD.adc.average_b) - zero
    assert sign * moved > 10 * STEP_V


@pytest.mark.parametrize("line", ["A_POS", "A_NEG", "B_POS", "B_NEG"])
def test_a_phase_line_stuck_high_trips_the_one_shot(rig: Rig, line: str) -> None:
    rig.sim.fault("phase-line", line, "high")
    start = rig.clock.now
    rig.clock.sleep(5_000)
    assert rig.pi.read(PINS[line]) == 0, "the pin does not tell"
    assert rig.sim.edges(gpios=[PINS["FAULT_N"]])[-1] == (start + 1_250, PINS["FAULT_N"], 0)


def test_a_source_wrong_by_a_factor(rig: Rig) -> None:
    rig.sim.fault("source-gain", "A", 0.5)
    assert measured(rig) == asked(CODE // 2)
    assert measured(rig, channel="B") == asked()
    rig.sim.fault("source-gain", "A", 2)
    assert measured(rig, 4_000) > 1.1 * FULL_MA
    assert tripped(rig)


@pytest.mark.parametrize(("polarity", "sign"), [("positive", 1), ("negative", -1)])
def test_a_source_wrong_in_one_polarity_unbalances(rig: Rig, polarity: str, sign: int) -> None:
    rig.sim.fault("source-polarity", "A", polarity, 1.5)
    rig.sim.control("current", record=True)
    pulse(rig, 2_000)
    figures = rig.sim.figures()
    charge = 2_000 / 4096 * FULL_MA * 0.25
    strong, weak = ("forward_uc", "back_uc") if sign > 0 else ("back_uc", "forward_uc")
    assert figures[strong] == pytest.approx(1.5 * charge, rel=0.03)
    assert figures[weak] == pytest.approx(charge, rel=0.03)


def test_a_sagging_rail_limits_sooner(rig: Rig) -> None:
    rig.sim.fault("rail-sag", 13)
    assert rig.rail_volt == pytest.approx(13, abs=0.1)
    assert measured(rig, 4_000) == pytest.approx(21, abs=0.1), "10 V and the capacitor's 0.5 V into 500 ohm"


def test_a_welded_switch(rig: Rig) -> None:
    rig.sim.fault("rail-stuck")
    rig.pi.write(PINS["OUTPUT_ENABLE"], 0)
    rig.sim.fault("estop-press")
    rig.clock.sleep(500_000)
    assert rig.rail_volt == pytest.approx(63, abs=0.1)
    rig.sim.fault("clear", "rail-stuck")
    rig.clock.sleep(10_000)
    assert rig.rail_volt < 5


# Trips


def test_the_current_trip_opens_the_bridges_until_it_is_re_armed(rig: Rig) -> None:
    assert measured(rig) == asked()
    rig.sim.fault("current-trip")
    assert tripped(rig)
    assert measured(rig) == 0
    assert rig.rail_volt == pytest.approx(63, abs=0.1), "the switch is another thing"
    re_arm(rig, 100)
    assert tripped(rig), "too short a pulse"
    re_arm(rig)
    assert not tripped(rig)
    assert measured(rig) == asked()


def test_too_much_current_trips_after_20_us(rig: Rig) -> None:
    """Code 2300 at gain 2 is 112 % of full scale; code 2240, 109 %, may stay."""
    rig.sim.control("current", record=True)
    rig.reset_peaks()
    rig.pulse(word(2_240, control=0b101), "A_POS", "A_NEG")
    assert not tripped(rig)
    start = rig.clock.now
    rig.pulse(word(2_300, control=0b101), "A_POS", "A_NEG")
    assert tripped(rig)
    edges = rig.sim.edges(gpios=[PINS["A_POS"], PINS["FAULT_N"]])
    rise = next(time for time, gpio, level in edges if gpio == PINS["A_POS"] and level and time > start)
    assert edges[-2] == (rise + 20, PINS["FAULT_N"], 0)
    assert rig.milliampere("A") == pytest.approx(2 * 2_300 / 4096 * FULL_MA, abs=STEPS_MA)
    figures = rig.sim.figures(since=start)
    assert figures["forward_uc"] == pytest.approx(2 * 2_300 / 4096 * FULL_MA * 0.020, rel=0.01), "20 us of it"


def test_too_much_current_that_does_not_last_trips_nothing() -> None:
    """A sagging rail gives 60 mA for some microseconds, until the tissue's capacitance is charged."""
    with Sim.start() as sim:
        rig = Rig(sim)
        rig.enable()
        sim.fault("source-gain", "A", 1.2)
        assert measured(rig, 4_095) > 1.1 * FULL_MA
        assert tripped(rig)
        re_arm(rig)
        sim.fault("rail-sag", 13)
        assert measured(rig, 4_095) > 1.1 * FULL_MA
        assert not tripped(rig)
        rig.close()


def test_a_defeated_trip_lets_it_flow(rig: Rig) -> None:
    rig.sim.fault("trip-defeated")
    rig.sim.control("current", record=True)
    rig.pulse(word(3_000, control=0b101), "A_POS", "A_NEG")
    assert not tripped(rig)
    assert rig.sim.figures()["forward_uc"] == pytest.approx(2 * 3_000 / 4096 * FULL_MA * 0.25, rel=0.01)


@pytest.mark.parametrize("line", ["A_POS", "A_NEG", "B_POS", "B_NEG"])
def test_the_one_shot_trips_and_its_defeat_does_not(rig: Rig, line: str) -> None:
    raise_line(rig, line, 1_240)
    assert not tripped(rig)
    start = rig.clock.now
    raise_line(rig, line, 1_400)
    assert tripped(rig)
    edges = rig.sim.edges(gpios=[PINS[line], PINS["FAULT_N"]])
    rise = next(time for time, gpio, level in edges if gpio == PINS[line] and level and time >= start)
    assert (rise + 1_250, PINS["FAULT_N"], 0) in edges
    re_arm(rig)
    rig.sim.fault("one-shot-defeated")
    raise_line(rig, line, 5_000)
    assert not tripped(rig)


def test_a_phase_line_left_high_by_hand_trips_again_after_re_arming(rig: Rig) -> None:
    rig.pi.write(PINS["A_POS"], 1)
    rig.clock.sleep(1_249)
    assert not tripped(rig)
    rig.clock.sleep(1)
    assert tripped(rig)
    re_arm(rig)
    assert not tripped(rig)
    rig.clock.sleep(1_250)
    assert tripped(rig)


def fault_edges(rig: Rig, line: str) -> tuple[list[int], list[int]]:
    """When a line rose, and when FAULT_N fell."""
    edges = rig.sim.edges(gpios=[PINS[line], PINS["FAULT_N"]])
    return [time for time, gpio, level in edges if gpio == PINS[line] and level], [
        time for time, gpio, level in edges if gpio == PINS["FAULT_N"] and not level
    ]


def test_a_trip_in_a_joined_wave_comes_at_its_tick_though_nobody_looks(rig: Rig) -> None:
    quiet = [pigpio.pulse(0, MASK["A_POS"], 5_000), pigpio.pulse(0, MASK["A_NEG"], 5_000)]
    long = [pigpio.pulse(MASK["A_POS"], 0, 3_000), pigpio.pulse(0, MASK["A_POS"], 5_000)]
    waves = []
    for pulses in (quiet, long):
        rig.pi.wave_add_generic(pulses)
        waves.append(rig.pi.wave_create())
    rig.pi.wave_send_once(waves[0])
    rig.pi.wave_send_using_mode(waves[1], pigpio.WAVE_MODE_ONE_SHOT_SYNC)
    rig.clock.sleep(50_000)
    rises, falls = fault_edges(rig, "A_POS")
    assert falls == [rises[-1] + 1_250]


def test_a_wave_stopped_in_a_phase_trips(rig: Rig) -> None:
    """The stop leaves the line high: the danger that the one-shot is there for."""
    rig.pi.wave_add_generic([pigpio.pulse(MASK["B_NEG"], 0, 500), pigpio.pulse(0, MASK["B_NEG"], 500)])
    rig.pi.wave_send_repeat(rig.pi.wave_create())
    rig.clock.sleep(10_300)
    rig.pi.wave_tx_stop()
    assert rig.pi.read(PINS["B_NEG"]) == 1
    rig.clock.sleep(5_000)
    rises, falls = fault_edges(rig, "B_NEG")
    assert falls == [rises[-1] + 1_250]


def test_a_rearming_pulse_within_a_wave(rig: Rig) -> None:
    rig.sim.fault("current-trip")
    rig.play([pigpio.pulse(MASK["FAULT_RESET"], 0, 1_000), pigpio.pulse(0, MASK["FAULT_RESET"], 100)])
    assert not tripped(rig)


@pytest.mark.parametrize("level", ["high", "low"])
def test_a_stuck_keepalive_opens_the_switch(rig: Rig, level: str) -> None:
    rig.keep_alive(40_000)
    rig.sim.fault("keepalive-stuck", level)
    rig.keep_alive(120_000)
    assert rig.sim.control("rail")["closed"] is False
    assert rig.pi.read(PINS["KEEPALIVE"]) == rig.alive, "the pin does not tell"


def test_a_defeated_drop_out_keeps_the_switch_closed(rig: Rig) -> None:
    rig.sim.fault("drop-out-defeated")
    rig.clock.sleep(10_000_000)
    assert rig.rail_volt == pytest.approx(63, abs=0.1)
    rig.sim.fault("clear", "drop-out-defeated")
    assert rig.sim.control("rail")["closed"] is False


# Supply


def test_a_low_battery_and_a_charger(rig: Rig) -> None:
    rig.sim.fault("battery-low")
    rig.keep_alive(20_000)
    assert (rig.pi.read(PINS["POWER_OK"]), rig.rail_volt > 60) == (0, True)
    rig.sim.fault("clear", "battery-low")
    assert rig.pi.read(PINS["POWER_OK"]) == 1
    rig.sim.fault("charger")
    rig.keep_alive(20_000)
    assert (rig.pi.read(PINS["POWER_OK"]), rig.rail_volt < 5) == (0, True)


# What the electronics do when nothing is broken


def test_a_cut_pulse_is_returned_by_the_bleeder(rig: Rig) -> None:
    rig.sim.control("current", record=True)
    rig.play([*rig.frame(word(4_000)), pigpio.pulse(MASK["A_POS"], 0, 250), pigpio.pulse(0, MASK["A_POS"], 10)])
    assert rig.sim.figures()["net_uc"] > 10
    rig.keep_alive(3_000_000)
    figures = rig.sim.figures()
    assert abs(figures["net_uc"]) < 0.01 * figures["forward_uc"]


@pytest.mark.parametrize(("wait_us", "lost_us"), [(0, 0.5), (1, 0.068), (20, 0.0)])
def test_the_dac_settles_within_5_us(rig: Rig, wait_us: int, lost_us: float) -> None:
    """A phase of 20 us so long after the frame: an exponential of 0.5 us is what it lacks."""
    phase = [pigpio.pulse(MASK["A_POS"], 0, 20), pigpio.pulse(0, MASK["A_POS"], 20)]
    frame = rig.frame(word(4_000))
    frame[-1] = pigpio.pulse(frame[-1].gpio_on, frame[-1].gpio_off, max(1, wait_us))
    if not wait_us:
        frame[-1] = pigpio.pulse(frame[-1].gpio_on | MASK["A_POS"], frame[-1].gpio_off, 1)
        phase[0] = pigpio.pulse(0, 0, 19)
    rig.sim.control("current", record=True)
    rig.play([*frame, *phase])
    expected = 4_000 / 4096 * FULL_MA * (20 - lost_us) / 1_000
    assert rig.sim.figures()["forward_uc"] == pytest.approx(expected, rel=0.004)


def test_an_open_switch_leaves_only_what_its_capacitor_holds(rig: Rig) -> None:
    """0.1 uF at 63 V is 6.3 uC at most, and the sources need 3 V."""
    rig.sim.control("current", record=True)
    rig.pi.write(PINS["OUTPUT_ENABLE"], 0)
    for _ in range(3):
        rig.pulse(word(4_000), "A_POS", "A_NEG")
    figures = rig.sim.figures()
    assert 3 < figures["forward_uc"] + figures["back_uc"] < 2 * 6.3


def test_electrodes_drift_slowly_each_by_itself_and_by_the_seed() -> None:
    def voltages(seed: int) -> list[float]:
        with Sim.start("--seed", str(seed)) as sim:
            rig = Rig(sim)
            rig.enable()
            found = []
            for channel in "ABABAB":
                assert measured(rig, 3_000, channel) == asked(3_000)
                found.append(rig.electrode_volt(channel))
                rig.keep_alive(20_000_000)
            rig.close()
        return found

    first = voltages(1)
    assert first == voltages(1)
    assert first != voltages(2)
    for channel in (first[0::2], first[1::2]):
        assert len(set(channel)) > 1
        assert all(abs(a - b) < 0.1 * a for a, b in itertools.pairwise(channel))


@pytest.mark.parametrize(
    ("name", "args", "field"),
    [
        ("estop-pres", [], "name"),
        ("estop-press", ["now"], "arguments"),
        ("electrode-open", [], "CHANNEL"),
        ("electrode-open", ["C"], "CHANNEL"),
        ("adc-stuck", ["4096"], "CODE"),
        ("adc-stuck", ["7.5"], "CODE"),
        ("adc-noisy", ["nan"], "STEPS"),
        ("dac-bit", [3, "up"], "LEVEL"),
        ("dac-bit", [True, "high"], "BIT"),
        ("electrode-short", {"CHANNEL": "A", "OHMS": 5}, "OHMS"),
        ("clear", ["nothing"], "NAME"),
        ("disk-full", ["guard"], "name"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(rig: Rig, name: str, args: object, field: str) -> None:
    (problem,) = rig.sim.control("fault", name=name, args=args)["problems"]
    code, _, named, value, allowed, advice = problem
    assert (code.startswith("fault_"), named) == (True, field)
    assert value
    assert allowed
    assert advice
    assert measured(rig) == asked()


def test_a_bare_pi_has_no_board_to_break() -> None:
    with Sim.start("--bare") as sim:
        with pytest.raises(SimFailed, match="Nothing is wired"):
            sim.fault("estop-press")
        sim.fault("clear")
