"""PWM, servo pulses, hardware PWM and clocks, triggers and delays: what they answer and what comes out of the lines."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing

import pigpio
import pytest

from tests.support.bare import Bare, Edge

LINE, OTHER = 24, 27
CLOCK_LINE, PWM_LINE = 4, 18
PWM, PRS, PFS, SERVO, PRG, PFG, PRRG, GDC, GPW, HC, HP = 5, 6, 7, 8, 22, 23, 24, 83, 84, 85, 86


@pytest.fixture(name="bare")
def _bare() -> Iterator[Bare]:
    with Bare(LINE, OTHER) as bare:
        yield bare


def square(start: int, high: int, period: int, until: int, gpio: int = LINE) -> list[Edge]:
    """Edges of pulses from a start, those up to a time."""
    edges = [(start + turn * period + half * high, gpio, 1 - half) for turn in range(until) for half in (0, 1)]
    return [edge for edge in edges if edge[0] <= until]


def test_pwm_at_first_is_800_hz_and_255_steps(bare: Bare) -> None:
    """Periods are counted from the daemon's start, so the first one begins 250 us after a request at tick 1 000."""
    assert bare.pi.set_PWM_dutycycle(LINE, 128) == 0
    bare.sleep(10_000)
    assert bare.edges(LINE) == square(250, 128 * 250 // 255 * 5, 1_250, 10_000)
    assert bare.pi.get_PWM_dutycycle(LINE) == 128
    assert bare.pi.get_mode(LINE) == pigpio.OUTPUT


def test_the_frequencies_that_there_are(bare: Bare) -> None:
    asked = [100_000, 8_000, 5_000, 3_000, 900, 899, 75, 11, 0]
    assert [bare.pi.set_PWM_frequency(LINE, hz) for hz in asked] == [8_000, 8_000, 4_000, 4_000, 1_000, 800, 80, 10, 10]
    assert bare.pi.get_PWM_frequency(LINE) == 10
    assert bare.pi.get_PWM_real_range(LINE) == 20_000
    assert bare.pi.set_PWM_range(LINE, 1_000) == 20_000
    assert bare.pi.get_PWM_range(LINE) == 1_000
    assert bare.pi.get_PWM_range(OTHER) == 255


def test_a_change_takes_effect_in_the_period_that_runs(bare: Bare) -> None:
    bare.pi.set_PWM_range(LINE, 250)
    bare.pi.set_PWM_dutycycle(LINE, 50)
    bare.sleep(300)  # 50 us into the first pulse of 250 us
    bare.pi.set_PWM_dutycycle(LINE, 100)
    bare.sleep(1_250 + 250)  # 300 us into the second, which ends after 500
    bare.pi.set_PWM_dutycycle(LINE, 20)
    bare.sleep(1_250)
    pulses = [(time, level) for time, _, level in bare.edges(LINE)]
    assert pulses == [(250, 1), (750, 0), (1_500, 1), (2_000, 0), (2_750, 1), (2_850, 0)]


def test_full_duty_stays_high_and_none_is_low_at_once(bare: Bare) -> None:
    bare.pi.set_PWM_dutycycle(LINE, 255)
    bare.sleep(20_000)
    bare.pi.clear_bank_1(1 << LINE)
    bare.sleep(1_250)
    bare.pi.set_PWM_dutycycle(LINE, 0)
    bare.sleep(20_000)
    assert bare.edges(LINE) == [(250, LINE, 1), (20_000, LINE, 0), (20_250, LINE, 1), (21_250, LINE, 0)]


def test_range_and_frequency_keep_the_share(bare: Bare) -> None:
    bare.pi.set_PWM_dutycycle(LINE, 51)
    bare.sleep(5_000)
    assert bare.pi.set_PWM_range(LINE, 1_000) == 250
    assert bare.pi.get_PWM_dutycycle(LINE) == 200
    assert bare.pi.set_PWM_frequency(LINE, 100) == 100
    bare.sleep(40_000)
    late = [(time, level) for time, _, level in bare.edges(LINE) if time > 10_000]
    assert late[:4] == [(11_000, 0), (19_000, 1), (21_000, 0), (29_000, 1)]


@pytest.mark.parametrize("end", ["write", "mode", "servo", "level"])
def test_other_uses_of_a_line_end_its_pulses(bare: Bare, end: str) -> None:
    bare.pi.set_PWM_dutycycle(LINE, 128)
    bare.sleep(5_000)
    if end == "write":
        bare.pi.write(LINE, 1)
    elif end == "mode":
        bare.pi.set_mode(LINE, pigpio.INPUT)
    elif end == "servo":
        bare.pi.set_servo_pulsewidth(LINE, 1_500)
        assert bare.pi.get_servo_pulsewidth(LINE) == 1_500
    else:
        bare.pi.write(LINE, 0)
    with pytest.raises(pigpio.error, match="PWM"):
        bare.pi.get_PWM_dutycycle(LINE)
    bare.sleep(15_000)
    late = [edge for edge in bare.edges(LINE) if edge[0] > 5_000]
    assert late == ([(19_000, LINE, 1)] if end == "servo" else [])
    assert bare.pi.read(LINE) == (1 if end in ("write", "servo") else 0)


def test_servo_pulses(bare: Bare) -> None:
    assert bare.pi.set_servo_pulsewidth(LINE, 1_504) == 0
    bare.sleep(60_000)
    assert bare.edges(LINE) == square(19_000, 1_500, 20_000, 60_000)
    assert bare.pi.get_servo_pulsewidth(LINE) == 1_504


def test_the_last_servo_pulse_is_whole_and_waited_for(bare: Bare) -> None:
    bare.pi.set_servo_pulsewidth(LINE, 2_000)
    bare.sleep(19_500)
    before = bare.pi.get_current_tick()
    bare.pi.set_servo_pulsewidth(LINE, 0)
    assert bare.pi.get_current_tick() - before == 2_500
    bare.sleep(100_000)
    assert bare.edges(LINE) == [(19_000, LINE, 1), (21_000, LINE, 0)]
    assert bare.pi.get_servo_pulsewidth(LINE) == 0


def test_pulses_outlive_their_client_and_stand_beside_waves(bare: Bare) -> None:
    other = bare.raw()
    assert other.result(PFS, OTHER, 1_000) == 1_000
    assert other.result(PWM, OTHER, 51) == 0
    other.close()
    bare.pi.wave_add_generic([pigpio.pulse(1 << LINE, 0, 100), pigpio.pulse(0, 1 << LINE, 300)])
    bare.pi.wave_send_repeat(bare.pi.wave_create())
    bare.sleep(10_000)
    assert bare.edges(LINE) == square(0, 100, 400, 10_000)
    assert [edge for edge in bare.edges(OTHER) if edge[0]] == square(1_000, 200, 1_000, 10_000, OTHER)


def test_what_is_refused(bare: Bare) -> None:
    with closing(bare.raw()) as raw:
        zero = bytes(4)
        assert [raw.result(command, 32) for command in (PRS, PFS, PRG, PFG, PRRG, GDC, GPW)] == [-41, -41, *[-2] * 5]
        assert [raw.result(PWM, 28, 1), raw.result(SERVO, 0, 1_500), raw.result(HP, 40, 1, zero)] == [-41] * 3
        assert [raw.result(PWM, LINE, 256), raw.result(PRS, LINE, 24), raw.result(PRS, LINE, 40_001)] == [-8, -21, -21]
        assert [raw.result(SERVO, LINE, 499), raw.result(SERVO, LINE, 2_501)] == [-7, -7]
        assert [raw.result(GDC, LINE), raw.result(GPW, LINE)] == [-92, -93]
        assert [raw.result(HP, LINE, 100, zero), raw.result(HC, LINE, 5_000)] == [-95, -94]
        assert raw.result(HP, PWM_LINE, 100, struct.pack("<I", 1_000_001)) == -97
        assert raw.result(HP, PWM_LINE, 125_000_001, zero) == -96
        assert [raw.result(HC, CLOCK_LINE, hz) for hz in (4_688, 250_000_001)] == [-98, -98]
        assert [raw.result(HC, 5, 5_000), raw.result(HC, 60, 5_000)] == [-99, -3]


def test_hardware_pwm(bare: Bare) -> None:
    assert bare.pi.hardware_PWM(PWM_LINE, 1_000, 300_000) == 0
    assert bare.pi.get_mode(PWM_LINE) == pigpio.ALT5
    assert bare.pi.get_PWM_dutycycle(PWM_LINE) == 300_000
    assert bare.pi.get_PWM_range(PWM_LINE) == 1_000_000
    assert bare.pi.get_PWM_real_range(PWM_LINE) == 250_000
    assert bare.pi.get_PWM_frequency(PWM_LINE) == 1_000
    bare.sleep(5_000)
    assert bare.edges(PWM_LINE) == square(0, 300, 1_000, 5_000, PWM_LINE)
    bare.pi.hardware_PWM(PWM_LINE, 1_000, 1_000_000)
    bare.sleep(5_000)
    assert bare.pi.read(PWM_LINE) == 1
    bare.pi.hardware_PWM(PWM_LINE, 0, 0)
    bare.sleep(5_000)
    assert bare.pi.read(PWM_LINE) == 0


def test_hardware_pwm_stops_a_wave_and_leaves_its_lines(bare: Bare) -> None:
    bare.pi.wave_add_generic([pigpio.pulse(1 << LINE, 0, 100), pigpio.pulse(0, 1 << LINE, 100)])
    bare.pi.wave_send_repeat(bare.pi.wave_create())
    bare.sleep(1_050)
    bare.pi.hardware_PWM(PWM_LINE, 100, 500_000)
    assert not bare.pi.wave_tx_busy()
    assert bare.pi.read(LINE) == 1


def test_a_hardware_clock(bare: Bare) -> None:
    assert bare.pi.hardware_clock(CLOCK_LINE, 10_000) == 0
    assert bare.pi.get_mode(CLOCK_LINE) == pigpio.ALT0
    assert bare.pi.get_PWM_frequency(CLOCK_LINE) == 10_000
    bare.sleep(1_000)
    assert len(bare.edges(CLOCK_LINE)) == 20
    bare.pi.set_mode(CLOCK_LINE, pigpio.INPUT)
    bare.sleep(1_000)
    assert len(bare.edges(CLOCK_LINE)) == 20
    assert bare.pi.read(CLOCK_LINE) == 1, "its pull"


def test_pads(bare: Bare) -> None:
    assert bare.pi.get_pad_strength(0) == 8
    assert [bare.pi.set_pad_strength(1, milliamps) for milliamps in (1, 15, 16)] == [0, 0, 0]
    assert [bare.pi.get_pad_strength(pad) for pad in range(3)] == [8, 16, 8]
    with closing(bare.raw()) as raw:
        assert [raw.result(102, 3, 4), raw.result(102, 0, 0), raw.result(102, 0, 17)] == [-126, -127, -127]
        assert raw.result(103, 3) == -126


def test_the_answer_to_a_delay_comes_after_it(bare: Bare) -> None:
    """The one participant of the clock is the client that waits: time goes on for it."""
    with closing(bare.raw()) as raw:
        assert raw.result(46, 1_500) == 0
        assert bare.pi.get_current_tick() == 2_500
        assert raw.result(47, 60_000) == 0
        assert bare.pi.get_current_tick() == 60_002_500
        assert [raw.result(46, 1_000_001), raw.result(47, 60_001)] == [-64, -65]


def test_requests_behind_a_delay_wait_and_those_of_others_do_not(bare: Bare) -> None:
    with closing(bare.raw()) as raw:
        raw.send(47, 100)
        raw.send(4, LINE, 1)
        raw.send(47, 100)
        raw.send(4, LINE, 0)
        bare.pi.write(OTHER, 1)
        assert raw.take(64)
    assert bare.edges(LINE) == [(100_000, LINE, 1), (200_000, LINE, 0)]
    assert bare.edges(OTHER)[0][0] < 100_000


def test_what_a_client_asked_for_is_done_though_it_is_gone(bare: Bare) -> None:
    raw = bare.raw()
    raw.send(47, 100)
    raw.send(4, LINE, 1)
    raw.close()
    bare.sleep(1_000_000)
    assert bare.edges(LINE) == [(100_000, LINE, 1)]
