"""PWM and servo pulses on any of GPIO 0-31, hardware PWM and hardware clocks on the lines that have them.

The software pulses come from the DMA that samples the lines: their edges lie on its grid, and all their periods begin
at multiples counted from the daemon's start. A change takes effect in the period that runs; where it shortens a pulse,
the old end stays too, so that a pulse that is past the new end still ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from hw.mock.lines import OUTPUT, Lines
from hw.mock.protocol import MAX_GPIO, MAX_USER_GPIO, Err
from hw.mock.work import Time, Work

PULSES_PER_CYCLE: Final = 25
CYCLES: Final = (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 40, 50, 80, 100, 160, 200, 400, 800)
DEFAULT_FREQUENCY: Final = 5
"""Which of CYCLES a line has at first: 800 Hz at 5 us."""
DEFAULT_RANGE: Final = 255
MIN_RANGE: Final = 25
MAX_RANGE: Final = 40_000
MIN_PULSE_US: Final = 500
MAX_PULSE_US: Final = 2_500
SERVO_PERIOD_US: Final = 20_000

PERIPHERAL_RANGE: Final = 1_000_000
PLLD_HZ: Final = 500_000_000
OSCILLATOR_HZ: Final = 19_200_000
MAX_PWM_HZ: Final = 125_000_000
MIN_CLOCK_HZ: Final = 4_689
MAX_CLOCK_HZ: Final = 250_000_000
FASTEST_SHOWN_HZ: Final = 50_000
"""Above this a peripheral's edges are too dense for a record in microseconds: it is refused, as a frequency that the
peripheral cannot make. The real daemon goes on to 125 and 250 MHz."""
CLOCK_PASSWORD: Final = 0x5A

_ALT0, _ALT5 = 4, 2
_PWM_LINES: Final = {12: (0, _ALT0), 13: (1, _ALT0), 18: (0, _ALT5), 19: (1, _ALT5)}
_PWM_LINES_2: Final = {40: (0, _ALT0), 41: (1, _ALT0), 45: (1, _ALT0), 52: (0, 5), 53: (1, 5)}
_CLOCK_LINES: Final = {4: (0, _ALT0), 5: (1, _ALT0), 6: (2, _ALT0), 20: (0, _ALT5), 21: (1, _ALT5)}
_CLOCK_LINES_2: Final = {32: (0, _ALT0), 34: (0, _ALT0), 42: (1, _ALT0), 43: (2, _ALT0), 44: (1, _ALT0)}
"""Which generator a line has and in which mode it shows it."""


class Use(Enum):
    """What the daemon thinks that a line is used for."""

    NONE = 0
    WRITE = 1
    PWM = 2
    SERVO = 3
    CLOCK = 4
    HARDWARE_PWM = 5


@dataclass
class _Pulses:
    """The pulses of a line: from the begin of each period, if ``on``, to the first of ``ends`` (us) that comes."""

    period_us: int = 0
    on: bool = False
    ends: set[int] = field(default_factory=set)
    late_end: int | None = None
    number: int = 0


@dataclass
class _Line:
    use: Use = Use.NONE
    width: int = 0
    range: int = DEFAULT_RANGE
    frequency: int = DEFAULT_FREQUENCY
    pulses: _Pulses = field(default_factory=_Pulses)


@dataclass
class _Generator:
    """A hardware PWM or clock. ``half`` is its period in units of 4 ns, ``high`` the part of it that is high."""

    hz: int = 0
    duty: int = 0
    real_range: int = 0
    high: int = 0
    start: int = 0
    number: int = 0


class Functions:
    """What lines are used for, and the pulses on them. ``waves_off`` stops a wave, as hardware PWM does."""

    def __init__(self, time: Time, lines: Lines, sample_us: int, waves_off: Callable[[int], None]) -> None:
        self.time = time
        self.lines = lines
        self.sample_us = sample_us
        self._waves_off = waves_off
        self._zero = lines.start
        self._lines = [_Line() for _ in range(MAX_GPIO + 1)]
        self._pwm = (_Generator(), _Generator())
        self._clocks = (_Generator(), _Generator(), _Generator())
        self._shown: dict[int, tuple[int, int, int]] = {}
        self.ranges = [cycle * PULSES_PER_CYCLE for cycle in CYCLES]
        self.frequencies = [int(1_000_000 / (range_ * sample_us) + 0.5) for range_ in self.ranges]

    # Plain use

    def mode(self, gpio: int, mode: int) -> Work | None:
        """A client sets a mode: another one than before ends the line's pulses. Work if that takes time."""
        work = None
        if self.lines.modes[gpio] != mode:
            work = self._switch_off(gpio)
            self._lines[gpio].use = Use.NONE
        if work is None:
            self._set_mode(gpio, mode)
            return None
        return self._then(work, lambda: self._set_mode(gpio, mode))

    def write(self, gpio: int) -> Work | None:
        """A client writes a line: its pulses end."""
        if self._lines[gpio].use is Use.WRITE:
            return None
        self._hide(gpio)
        work = self._switch_off(gpio)
        self._lines[gpio].use = Use.WRITE
        return work

    def _then(self, work: Work, action: Callable[[], None]) -> Work:
        yield from work
        action()
        return 0

    def _set_mode(self, gpio: int, mode: int) -> None:
        self._hide(gpio)
        self.lines.set_mode(gpio, mode, self.time.now)

    def _switch_off(self, gpio: int) -> Work | None:
        line = self._lines[gpio]
        if line.use is Use.SERVO:
            width, line.width = line.width, 0
            return self._servo(gpio, width, 0)
        if line.use is Use.PWM:
            self._set_pwm(gpio, line.width, 0)
        line.width = 0
        return None

    # PWM

    def pwm(self, gpio: int, duty: int) -> int | Work:
        """Starts, changes or (0) ends PWM of a line."""
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        line = self._lines[gpio]
        if duty > line.range:
            return Err.BAD_DUTYCYCLE
        work, fresh = None, line.use is not Use.PWM
        if fresh:
            work = self._switch_off(gpio)
            line.use = Use.PWM
        if work is None:
            self._start_pwm(gpio, duty, fresh)
            return 0
        return self._then(work, lambda: self._start_pwm(gpio, duty, fresh))

    def _start_pwm(self, gpio: int, duty: int, fresh: bool) -> None:
        line = self._lines[gpio]
        if fresh and not duty:
            self.lines.write(0, 1 << gpio, self.time.now)
        self._set_mode(gpio, OUTPUT)
        self._set_pwm(gpio, line.width, duty)
        line.width = duty

    def duty(self, gpio: int) -> int:
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        line = self._lines[gpio]
        if line.use is Use.PWM:
            return line.width
        if line.use is Use.HARDWARE_PWM:
            return self._pwm[_PWM_LINES[gpio][0]].duty
        return PERIPHERAL_RANGE // 2 if line.use is Use.CLOCK else Err.NOT_PWM_GPIO

    def set_range(self, gpio: int, range_: int) -> int:
        """Sets which duty is all of the time. Returns how many steps there really are."""
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if not MIN_RANGE <= range_ <= MAX_RANGE:
            return Err.BAD_DUTYRANGE
        line = self._lines[gpio]
        if line.width and line.use is Use.PWM:
            width = range_ * line.width // line.range
            self._set_pwm(gpio, line.width, 0)
            line.range, line.width = range_, width
            self._set_pwm(gpio, 0, width)
        line.range = range_
        return self.ranges[line.frequency]

    def get_range(self, gpio: int) -> int:
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        line = self._lines[gpio]
        return PERIPHERAL_RANGE if line.use in (Use.HARDWARE_PWM, Use.CLOCK) else line.range

    def real_range(self, gpio: int) -> int:
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        line = self._lines[gpio]
        if line.use is Use.HARDWARE_PWM:
            return self._pwm[_PWM_LINES[gpio][0]].real_range
        return PERIPHERAL_RANGE if line.use is Use.CLOCK else self.ranges[line.frequency]

    def set_frequency(self, gpio: int, hz: int) -> int:
        """Sets the possible frequency that is nearest. Returns it."""
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        nearest = min(range(len(CYCLES)), key=lambda index: abs(hz - self.frequencies[index]))
        line = self._lines[gpio]
        if line.width and line.use is Use.PWM:
            self._set_pwm(gpio, line.width, 0)
            line.frequency = nearest
            self._set_pwm(gpio, 0, line.width)
        line.frequency = nearest
        return self.frequencies[nearest]

    def get_frequency(self, gpio: int) -> int:
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        line = self._lines[gpio]
        if line.use is Use.HARDWARE_PWM:
            return self._pwm[_PWM_LINES[gpio][0]].hz
        if line.use is Use.CLOCK:
            return self._clocks[_CLOCK_LINES[gpio][0]].hz
        return self.frequencies[line.frequency]

    def _set_pwm(self, gpio: int, old: int, new: int) -> None:
        line = self._lines[gpio]
        steps = self.ranges[line.frequency]
        was, now = old * steps // line.range, new * steps // line.range
        self._change(gpio, steps, was, now if now < steps else None)
        if was and not now:
            self.lines.write(0, 1 << gpio, self.time.now)

    # Servo pulses

    def servo(self, gpio: int, width_us: int) -> int | Work:
        """Starts, changes or (0) ends servo pulses on a line."""
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if width_us and not MIN_PULSE_US <= width_us <= MAX_PULSE_US:
            return Err.BAD_PULSEWIDTH
        return self._start_servo(gpio, width_us)

    def _start_servo(self, gpio: int, width_us: int) -> Work:
        line = self._lines[gpio]
        if line.use is not Use.SERVO:
            work = self._switch_off(gpio)
            if work is not None:
                yield from work
            line.use = Use.SERVO
            if not width_us:
                self.lines.write(0, 1 << gpio, self.time.now)
        self._set_mode(gpio, OUTPUT)
        width, line.width = line.width, width_us
        return (yield from self._servo(gpio, width, width_us))

    def servo_width(self, gpio: int) -> int:
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        line = self._lines[gpio]
        return line.width if line.use is Use.SERVO else Err.NOT_SERVO_GPIO

    def _servo(self, gpio: int, old_us: int, new_us: int) -> Work:
        """Changes the pulses. To end them the daemon waits for the last, where one is running."""
        steps = SERVO_PERIOD_US // self.sample_us
        was, now = old_us // self.sample_us, new_us // self.sample_us
        if was and not now:
            self._lines[gpio].pulses.on = False
            if self.lines.level(gpio, self.time.now):
                yield self.time.now + MAX_PULSE_US
        self._change(gpio, steps, was, now)
        return 0

    # The pulses

    def _change(self, gpio: int, steps: int, old: int, new: int | None) -> None:
        """Has pulses end after ``new`` steps of a period: 0 for none at all, None for no end."""
        pulses = self._lines[gpio].pulses
        was, ends = old * self.sample_us, None if new is None else new * self.sample_us
        if pulses.late_end is not None:
            pulses.ends.discard(pulses.late_end)
            pulses.late_end = None
        if new == 0:
            pulses.on, pulses.ends = False, set()
        elif ends != was:
            pulses.period_us = steps * self.sample_us
            if old and ends is not None and ends < was:
                pulses.late_end = was if was < pulses.period_us else None
            else:
                pulses.ends.discard(was)
            pulses.on = True
            if ends is not None:
                pulses.ends.add(ends)
        pulses.number += 1
        self._plan(gpio, pulses.number, self.time.now + 1)

    def _plan(self, gpio: int, number: int, after: int) -> None:
        """Schedules the next edge at or after a tick."""
        pulses = self._lines[gpio].pulses
        if not pulses.period_us or not (pulses.on or pulses.ends):
            return
        begin = (after - self._zero) // pulses.period_us * pulses.period_us + self._zero
        offsets = pulses.ends | {0} if pulses.on else pulses.ends
        due = min(
            begin + turn + offset
            for turn in (0, pulses.period_us)
            for offset in offsets
            if begin + turn + offset >= after
        )

        def edge() -> None:
            if pulses.number == number:
                rises = pulses.on and (due - self._zero) % pulses.period_us == 0
                self.lines.settle(due)
                if (self.lines.latch >> gpio & 1) != rises:
                    self.lines.write(rises << gpio, (not rises) << gpio, due)
                self._plan(gpio, number, due + 1)

        self.time.schedule(due, edge)

    # Peripherals

    def hardware_pwm(self, gpio: int, hz: int, duty: int) -> int:
        """Starts, changes or (0 Hz) ends hardware PWM. It stops a wave that plays."""
        if gpio > MAX_GPIO:
            return Err.BAD_GPIO
        if gpio not in _PWM_LINES and gpio not in _PWM_LINES_2:
            return Err.NOT_HPWM_GPIO
        if duty > PERIPHERAL_RANGE:
            return Err.BAD_HPWM_DUTY
        constant = duty in (0, PERIPHERAL_RANGE)
        if hz > MAX_PWM_HZ or (hz > FASTEST_SHOWN_HZ and not constant):
            return Err.BAD_HPWM_FREQ
        index, mode = _PWM_LINES.get(gpio) or _PWM_LINES_2[gpio]
        line, generator = self._lines[gpio], self._pwm[index]
        if not hz:
            if line.use is Use.HARDWARE_PWM:
                self._hide(gpio)
                line.use = Use.NONE
            return 0
        steps = int(PLLD_HZ / (2 * hz) + 0.5)
        generator.hz, generator.duty, generator.real_range = int(PLLD_HZ / (2 * steps) + 0.5), duty, steps
        generator.high = duty * steps // PERIPHERAL_RANGE
        self._waves_off(self.time.now)
        self._use(gpio, Use.HARDWARE_PWM, mode, generator)
        return 0

    def hardware_clock(self, gpio: int, hz: int) -> int:
        """Starts, changes or (0 Hz) ends a hardware clock."""
        password, gpio = gpio >> 24 == CLOCK_PASSWORD, gpio & 0xFFFFFF
        if gpio > MAX_GPIO:
            return Err.BAD_GPIO
        if gpio not in _CLOCK_LINES and gpio not in _CLOCK_LINES_2:
            return Err.NOT_HCLK_GPIO
        if hz and not MIN_CLOCK_HZ <= hz <= MAX_CLOCK_HZ:
            return Err.BAD_HCLK_FREQ
        index, mode = _CLOCK_LINES.get(gpio) or _CLOCK_LINES_2[gpio]
        if index == 1 and not password:
            return Err.BAD_HCLK_PASS
        if hz > FASTEST_SHOWN_HZ:
            return Err.BAD_HCLK_FREQ
        line, generator = self._lines[gpio], self._clocks[index]
        if not hz:
            if line.use is Use.CLOCK:
                self._hide(gpio)
                line.use = Use.NONE
            return 0
        divider = OSCILLATOR_HZ * 4096 // hz
        generator.hz = int(OSCILLATOR_HZ * 4096 / divider + 0.5)
        generator.real_range = int(PLLD_HZ / (2 * generator.hz) + 0.5)
        generator.high = generator.real_range // 2
        self._use(gpio, Use.CLOCK, mode, generator)
        return 0

    def _use(self, gpio: int, use: Use, mode: int, generator: _Generator) -> None:
        generator.start = self.time.now
        generator.number += 1
        line = self._lines[gpio]
        if line.use is not use:
            if line.use is Use.PWM:
                self._set_pwm(gpio, line.width, 0)
            line.pulses.on, line.pulses.ends = False, set()
            line.use, line.width = use, 0
            self.lines.set_mode(gpio, mode, self.time.now)
        if gpio <= MAX_USER_GPIO:
            if gpio not in self._shown:
                bit = 1 << gpio
                self._shown[gpio] = (mode, self.lines.driven & bit, self.lines.driven_high & bit)
            self._turn(gpio, generator, generator.number, 0)

    def _turn(self, gpio: int, generator: _Generator, number: int, edge: int) -> None:
        """Edge ``edge`` of a generator, which turns in steps of 4 ns: the even ones begin a period."""
        shown = self._shown.get(gpio)
        if shown is None or generator.number != number:
            return
        if self.lines.modes[gpio] != shown[0]:
            self._hide(gpio)
            return
        steps, high = generator.real_range, generator.high
        level = high >= steps if edge % 2 else high > 0
        self.lines.drive(gpio, level, self.time.now)
        if 0 < high < steps:
            turned = (edge + 1) // 2 * steps + (high if edge % 2 == 0 else 0)
            due = max(self.time.now + 1, generator.start + turned // (PLLD_HZ // 2_000_000))
            self.time.schedule(due, lambda: self._turn(gpio, generator, number, edge + 1))

    def _hide(self, gpio: int) -> None:
        """A line no longer shows its generator; what else drives it does again."""
        shown = self._shown.pop(gpio, None)
        if shown is not None:
            _, driven, high = shown
            self.lines.drive(gpio, (1 if high else 0) if driven else None, self.time.now)
