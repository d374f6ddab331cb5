"""The electronics behind the pins, seen through the real clients: switch, DAC, load, ADC, button, reset levels."""

from __future__ import annotations

from collections.abc import Iterator

import pigpio
import pytest
from gpiozero import LED, MCP3208, Button

from tests.support.rig import BOARD, MASK, PINS, REFERENCE, STEP_V, Rig
from tests.support.sim import Sim, disconnect

TWO_STEPS_MA = 2.2 * STEP_V / 2 * 50
TWO_STEPS_V = 2.2 * STEP_V * 20
"""Rounding down and the converter's noise."""


@pytest.fixture(name="rig")
def _rig() -> Iterator[Rig]:
    with Sim.start("--load-ohm", "500") as sim:
        rig = Rig(sim)
        yield rig
        rig.close()


def word(code: int, channel: str = "A", control: int = 0b111) -> int:
    return (channel == "B") << 15 | control << 12 | code


def milliampere(code: int) -> float:
    return code / 4096 * BOARD.full_scale_ua / 1000


def test_levels_at_reset() -> None:
    with Sim.start() as sim:
        pi = pigpio.pi("127.0.0.1", sim.port)
        levels = {name: pi.read(gpio) for name, gpio in PINS.items()}
        modes = {name: pi.get_mode(gpio) for name, gpio in PINS.items()}
        disconnect(pi)
    high = {"DAC_CS_N", "FAULT_N", "ESTOP_B", "POWER_OK", "LED_READY", "LED_OUTPUT", "LED_FAULT"}
    assert {name for name, level in levels.items() if level} == high
    assert set(modes.values()) == {pigpio.INPUT}


def test_resistors_are_stronger_than_pulls(rig: Rig) -> None:
    for gpio, level in ((PINS["DAC_CS_N"], 1), (PINS["PEAK_RESET"], 0)):
        rig.pi.set_mode(gpio, pigpio.INPUT)
        for pull in (pigpio.PUD_UP, pigpio.PUD_DOWN, pigpio.PUD_OFF):
            rig.pi.set_pull_up_down(gpio, pull)
            assert rig.pi.read(gpio) == level
    free = PINS["BUZZER"]
    rig.pi.set_mode(free, pigpio.INPUT)
    rig.pi.set_pull_up_down(free, pigpio.PUD_UP)
    assert rig.pi.read(free) == 1
    rig.pi.set_pull_up_down(free, pigpio.PUD_DOWN)
    assert rig.pi.read(free) == 0


def test_quiet_converter_values(rig: Rig) -> None:
    assert rig.volt(REFERENCE) == pytest.approx(1.25, abs=STEP_V)
    assert rig.volt(BOARD.adc.average_a) == pytest.approx(1.65, abs=STEP_V)
    assert rig.volt(BOARD.adc.average_b) == pytest.approx(1.65, abs=STEP_V)
    assert rig.rail_volt == 0
    assert rig.milliampere("A") == rig.milliampere("B") == 0


def test_the_switch_needs_enable_and_a_toggling_keepalive(rig: Rig) -> None:
    rig.pi.write(PINS["OUTPUT_ENABLE"], 1)
    assert rig.rail_volt == 0, "nothing has toggled"
    rig.keep_alive()
    assert rig.rail_volt == pytest.approx(63, abs=0.1)
    rig.keep_alive(500_000)
    assert rig.rail_volt == pytest.approx(63, abs=0.1)
    rig.pi.write(PINS["OUTPUT_ENABLE"], 0)
    rig.clock.sleep(10_000)
    assert rig.rail_volt < 5
    rig.keep_alive(100_000)
    assert rig.rail_volt < 0.1, "toggling alone closes nothing"


@pytest.mark.parametrize("level", [0, 1])
def test_the_switch_drops_out_whatever_level_keepalive_stops_at(rig: Rig, level: int) -> None:
    rig.enable()
    rig.keep_alive(20_000 if level else 40_000)
    rig.keep_alive()
    assert rig.pi.read(PINS["KEEPALIVE"]) == rig.alive == level ^ 1
    rig.clock.sleep(99_999)
    assert rig.sim.control("rail")["closed"] is True
    rig.clock.sleep(1)
    assert rig.sim.control("rail")["closed"] is False
    assert rig.rail_volt == pytest.approx(63, abs=0.1), "the capacitor holds it for a moment"
    rig.clock.sleep(10_000)
    assert rig.rail_volt < 5


def test_writing_the_same_level_is_no_toggle(rig: Rig) -> None:
    rig.enable()
    for _ in range(6):
        rig.clock.sleep(20_000)
        rig.pi.write(PINS["KEEPALIVE"], rig.alive)
    assert rig.sim.control("rail")["closed"] is False


def test_the_button_opens_the_switch_by_itself(rig: Rig) -> None:
    rig.enable()
    assert (rig.pi.read(PINS["ESTOP_A"]), rig.pi.read(PINS["ESTOP_B"])) == (0, 1)
    rig.sim.control("estop", pressed=True)
    assert (rig.pi.read(PINS["ESTOP_A"]), rig.pi.read(PINS["ESTOP_B"])) == (1, 0)
    rig.keep_alive(20_000)
    assert rig.rail_volt < 1
    rig.sim.control("estop", pressed=False)
    assert (rig.pi.read(PINS["ESTOP_A"]), rig.pi.read(PINS["ESTOP_B"])) == (0, 1)
    assert rig.rail_volt == pytest.approx(63, abs=0.1)


@pytest.mark.parametrize(
    ("contacts", "closed", "a", "b"), [([1], False, 0, 1), ([2], True, 1, 1), ([3], True, 0, 0), ([2, 3], True, 1, 0)]
)
def test_single_contacts(rig: Rig, contacts: list[int], closed: bool, a: int, b: int) -> None:
    rig.enable()
    rig.sim.control("estop", pressed=True, contacts=contacts)
    assert rig.sim.control("rail")["closed"] is closed
    assert (rig.pi.read(PINS["ESTOP_A"]), rig.pi.read(PINS["ESTOP_B"])) == (a, b)


def test_a_forced_input_and_its_release(rig: Rig) -> None:
    rig.sim.control("input", gpio=PINS["POWER_OK"], level=0)
    rig.sim.control("input", gpio=PINS["FAULT_N"], level=0)
    assert (rig.pi.read(PINS["POWER_OK"]), rig.pi.read(PINS["FAULT_N"])) == (0, 0)
    rig.sim.control("input", gpio=PINS["POWER_OK"], level=None)
    rig.sim.control("input", gpio=PINS["FAULT_N"], level=None)
    assert (rig.pi.read(PINS["POWER_OK"]), rig.pi.read(PINS["FAULT_N"])) == (1, 1)


@pytest.mark.parametrize("code", [1, 410, 2048, 4095])
@pytest.mark.parametrize("channel", ["A", "B"])
def test_current_follows_the_code(rig: Rig, channel: str, code: int) -> None:
    rig.enable()
    rig.pulse(word(code, channel), f"{channel}_POS", f"{channel}_NEG")
    step_ma = STEP_V / 2 * 50 * 1.001
    other = "B" if channel == "A" else "A"
    assert rig.milliampere(channel) == pytest.approx(milliampere(code), abs=step_ma)
    assert rig.electrode_volt(channel) == pytest.approx(milliampere(code) * 0.5, abs=1.5 * STEP_V * 20)
    assert rig.milliampere(other) == rig.electrode_volt(other) == 0


def test_no_current_with_the_switch_open(rig: Rig) -> None:
    rig.pulse(word(2048), "A_POS", "A_NEG")
    assert rig.milliampere("A") == 0


def test_no_current_through_a_shut_down_dac(rig: Rig) -> None:
    rig.enable()
    rig.pulse(word(2048, control=0b110), "A_POS", "A_NEG")
    assert rig.milliampere("A") == 0


def test_gain_two_doubles(rig: Rig) -> None:
    rig.enable()
    rig.pulse(word(1000, control=0b101), "A_POS", "A_NEG")
    assert rig.milliampere("A") == pytest.approx(2 * milliampere(1000), abs=TWO_STEPS_MA)


def test_a_short_frame_changes_nothing_and_more_clocks_are_ignored(rig: Rig) -> None:
    rig.enable()
    rig.pulse(word(1000), "A_POS", "A_NEG")
    rig.play(rig.frame(word(3000), clocks=15))
    rig.reset_peaks()
    rig.pulse(word(0, "B"), "A_POS", "A_NEG")
    assert rig.milliampere("A") == pytest.approx(milliampere(1000), abs=TWO_STEPS_MA)
    rig.play(rig.frame(word(3000), clocks=18))
    rig.reset_peaks()
    rig.pulse(word(0, "B"), "A_POS", "A_NEG")
    assert rig.milliampere("A") == pytest.approx(milliampere(3000), abs=TWO_STEPS_MA)


def test_the_dac_by_hand(rig: Rig) -> None:
    """The lines written one by one, without a waveform."""
    rig.enable()
    text = word(1234)
    rig.pi.write(PINS["DAC_CS_N"], 0)
    for bit in range(15, -1, -1):
        rig.pi.write(PINS["DAC_SDI"], text >> bit & 1)
        rig.pi.write(PINS["DAC_SCK"], 1)
        rig.pi.write(PINS["DAC_SCK"], 0)
    rig.pi.write(PINS["DAC_CS_N"], 1)
    rig.pi.write(PINS["A_NEG"], 1)
    rig.clock.sleep(100)
    rig.pi.write(PINS["A_NEG"], 0)
    assert rig.milliampere("A") == pytest.approx(milliampere(1234), abs=TWO_STEPS_MA)


def test_a_wave_stopped_in_a_frame_leaves_the_rest_to_the_next(rig: Rig) -> None:
    """Eight clocks of a wave that is stopped, eight more by hand: the DAC cannot tell."""
    rig.enable()
    text = word(0xABC)
    rig.pi.wave_add_generic(rig.frame(text))
    rig.pi.wave_send_once(rig.pi.wave_create())
    rig.clock.sleep(16)
    rig.pi.wave_tx_stop()
    for bit in range(7, -1, -1):
        rig.pi.write(PINS["DAC_SCK"], 0)
        rig.pi.write(PINS["DAC_SDI"], text >> bit & 1)
        rig.pi.write(PINS["DAC_SCK"], 1)
    rig.pi.write(PINS["DAC_CS_N"], 1)
    rig.pi.write(PINS["A_POS"], 1)
    rig.clock.sleep(100)
    assert rig.milliampere("A") == pytest.approx(milliampere(0xABC), abs=TWO_STEPS_MA)


def test_compliance_limits_the_current(rig: Rig) -> None:
    rig.enable()
    rig.sim.control("load", channel="A", ohm=10_000)
    rig.pulse(word(4095), "A_POS", "A_NEG")
    assert rig.milliampere("A") == pytest.approx(6.0, abs=TWO_STEPS_MA)
    assert rig.electrode_volt("A") == pytest.approx(60, abs=0.2), "and what the series capacitor adds"


def test_an_open_lead_shows_compliance_and_no_current(rig: Rig) -> None:
    rig.enable()
    rig.sim.control("load", channel="A", ohm=None)
    rig.pulse(word(1000), "A_POS", "A_NEG")
    assert rig.milliampere("A") == 0
    assert rig.electrode_volt("A") == pytest.approx(60, abs=0.1)


def test_a_short_shows_current_and_no_voltage(rig: Rig) -> None:
    rig.enable()
    rig.sim.control("load", channel="B", ohm=10)
    rig.pulse(word(1000, "B"), "B_POS", "B_NEG")
    assert rig.milliampere("B") == pytest.approx(milliampere(1000), abs=TWO_STEPS_MA)
    assert rig.electrode_volt("B") == pytest.approx(0.122, abs=TWO_STEPS_V)


def test_a_load_changes_at_its_tick(rig: Rig) -> None:
    rig.enable()
    rig.sim.control("load", channel="A", ohm=1_000, at=rig.clock.now + 5_000)
    rig.pulse(word(1000), "A_POS", "A_NEG")
    assert rig.electrode_volt("A") == pytest.approx(milliampere(1000) * 0.5, abs=TWO_STEPS_V)
    rig.keep_alive(20_000)
    rig.pulse(word(1000), "A_POS", "A_NEG")
    assert rig.electrode_volt("A") == pytest.approx(milliampere(1000), abs=TWO_STEPS_V)


def test_peak_hold_and_its_reset(rig: Rig) -> None:
    rig.enable()
    rig.pulse(word(2000), "A_POS", "A_NEG")
    rig.pulse(word(1000), "A_POS", "A_NEG")
    assert rig.milliampere("A") == pytest.approx(milliampere(2000), abs=TWO_STEPS_MA)
    rig.pi.write(PINS["PEAK_RESET"], 1)
    rig.pulse(word(3000), "A_POS", "A_NEG")
    assert rig.milliampere("A") == 0, "held empty"
    rig.pi.write(PINS["PEAK_RESET"], 0)
    rig.keep_alive(20_000)
    rig.pulse(word(1000), "A_POS", "A_NEG")
    assert rig.milliampere("A") == pytest.approx(milliampere(1000), abs=TWO_STEPS_MA)


def test_the_converter_looks_in_the_middle_of_a_wave(rig: Rig) -> None:
    rig.enable()
    lead = pigpio.pulse(0, 0, 10_000)
    on, off = pigpio.pulse(MASK["A_POS"], 0, 250), pigpio.pulse(0, MASK["A_POS"], 20_000)
    rig.pi.wave_add_generic([*rig.frame(word(1000)), lead, on, off, *rig.frame(word(2000)), on, off])
    rig.pi.wave_send_once(rig.pi.wave_create())
    rig.clock.sleep(9_000)
    assert rig.milliampere("A") == 0
    rig.clock.sleep(2_000)
    assert rig.milliampere("A") == pytest.approx(milliampere(1000), abs=TWO_STEPS_MA)
    rig.clock.sleep(30_000)
    assert rig.milliampere("A") == pytest.approx(milliampere(2000), abs=TWO_STEPS_MA)


def test_a_repeating_wave_for_an_hour(rig: Rig) -> None:
    """Many rounds cost nothing; the switch has long dropped out."""
    rig.enable()
    rig.pi.wave_add_generic(
        [*rig.frame(word(700)), pigpio.pulse(MASK["A_POS"], 0, 100), pigpio.pulse(0, MASK["A_POS"], 900)]
    )
    rig.pi.wave_send_repeat(rig.pi.wave_create())
    rig.clock.sleep(3_600_000_000)
    assert rig.milliampere("A") == pytest.approx(milliampere(700), abs=TWO_STEPS_MA)
    assert rig.rail_volt == 0


def test_differential_inputs(rig: Rig) -> None:
    with MCP3208(6, differential=True, pin_factory=rig.factory) as pair:
        assert pair.value == pytest.approx((1.65 - 1.25) / 3.3, abs=0.001)


def test_gpiozero_led_and_button(rig: Rig) -> None:
    with LED(PINS["LED_READY"], pin_factory=rig.factory) as led:
        led.on()
        assert rig.pi.read(PINS["LED_READY"]) == 1
        led.off()
        assert rig.pi.read(PINS["LED_READY"]) == 0
        led.toggle()
        assert led.value == 1
    with Button(PINS["ESTOP_A"], pull_up=None, active_state=True, pin_factory=rig.factory) as button:
        assert button.value == 0
        rig.sim.control("estop", pressed=True)
        assert button.value == 1


def test_opening_the_auxiliary_spi_takes_its_lines_whatever_the_mask(rig: Rig) -> None:
    for gpio in (16, 17, 18):
        rig.pi.write(gpio, 0)
    rig.pi.spi_close(rig.pi.spi_open(2, 500_000, 1 << 8))
    assert [rig.pi.read(gpio) for gpio in (16, 17, 18)] == [1, 1, 1], "the latches stay as the bus left them"


def test_edges_since_a_tick_begin_with_the_first_phase_or_dac_edge(rig: Rig) -> None:
    rig.enable()
    rig.pi.write(PINS["DAC_CS_N"], 0)
    start = rig.clock.sleep(1_000)
    rig.pi.write(PINS["LED_FAULT"], 1)
    rig.clock.sleep(1_000)
    rig.pi.write(PINS["A_POS"], 1)
    rig.clock.sleep(300)
    rig.pi.write(PINS["A_POS"], 0)
    rig.pi.write(PINS["KEEPALIVE"], 0)
    edges = rig.sim.edges(since=start)
    before = [(0, PINS[name], level) for name, level in (("DAC_CS_N", 0), ("KEEPALIVE", 1), ("OUTPUT_ENABLE", 1))]
    assert sorted(edges[:4]) == sorted([*before, (0, PINS["LED_FAULT"], 1)])
    assert edges[4:] == [(0, PINS["A_POS"], 1), (300, PINS["A_POS"], 0), (300, PINS["KEEPALIVE"], 0)]
    assert rig.sim.edges(since=start, gpios=[24]) == [(0, 24, 1), (300, 24, 0)]
    assert rig.sim.edges(since=start + 10**9) == []
    reply = rig.sim.control("edges", path=None, since=start, gpios=[24])
    assert reply["edges"] == [[0, 24, 1], [300, 24, 0]]
