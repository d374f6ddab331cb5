"""The electronics behind the pins: output switch, DAC, current sources, load, peak holds, and the lines it drives.

It follows the record of the lines as far as somebody looks at it. Currents in mA, voltages in V, ticks in us.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from hw.board import Board
from hw.mock.content import Content, Ops
from hw.mock.dac import DacPins, Program, Serial, decode
from hw.mock.follow import Follower, between
from hw.mock.lines import Lines

HV_VOLT: Final = 63.0
DROP_OUT_US: Final = 100_000
"""KEEPALIVE one-shot, 80-120 ms on the board (docs/hardware.md)."""
RAIL_TIME_CONSTANT_US: Final = 3_900.0
"""Under 5 V within 10 ms of opening: 63 V x exp(-10 / 3.9) = 4.85 V."""
PULLED_UP: Final = ("DAC_CS_N", "FAULT_N", "ESTOP_A")
PULLED_DOWN: Final = ("PEAK_RESET", "ESTOP_B", "POWER_OK")
"""External 10 kohm resistors."""

_WORD_B: Final = 0x8000
_WORD_GAIN_1: Final = 0x2000
_WORD_ACTIVE: Final = 0x1000
_CODE: Final = 0xFFF


@dataclass
class Channel:
    """One output channel. ``load_ohm`` None is an open lead; peaks are rectified, since PEAK_RESET."""

    positive: int
    negative: int
    load_ohm: float | None
    word: int = 0
    asked_ma: float = 0.0
    peak_ma: float = 0.0
    peak_volt: float = 0.0


@dataclass
class Switch:
    """The output switch: closed while enabled, kept alive, no button pressed and no charger in."""

    enable: bool = False
    kept_until: int | None = None
    stopped: bool = False
    charger: bool = False
    closed: bool = False
    opened_at: int | None = None

    def update(self, tick: int) -> None:
        """Brings the switch to a tick; a drop-out before it is seen at its own time."""
        if self.closed and self.kept_until is not None and tick >= self.kept_until:
            self.closed, self.opened_at = False, self.kept_until
        kept = self.kept_until is not None and tick < self.kept_until
        closes = self.enable and kept and not self.stopped and not self.charger
        if self.closed and not closes:
            self.opened_at = tick
        self.closed = closes

    def rail_volt(self, tick: int) -> float:
        """The switched rail, after ``update``."""
        if self.closed:
            return HV_VOLT
        if self.opened_at is None:
            return 0.0
        return HV_VOLT * math.exp((self.opened_at - tick) / RAIL_TIME_CONSTANT_US)


@dataclass
class Inputs:
    """What the board itself puts on its input lines (None: lets go), and what a test forces over it."""

    own: dict[int, int | None] = field(default_factory=dict)
    forced: dict[int, int] = field(default_factory=dict)


class BoardModel(Follower[Program]):
    """The board at the place in the record where it is."""

    periodic = True

    def __init__(self, board: Board, lines: Lines, load_ohm: float | None) -> None:
        super().__init__(lines)
        self.board = board
        self.lines = lines
        self.switch = Switch()
        self.channels = {
            name: Channel(board[f"{name}_POS"].mask, board[f"{name}_NEG"].mask, load_ohm) for name in ("A", "B")
        }
        self._channels = tuple(self.channels.values())
        self.put = Inputs()
        self.pressed: frozenset[int] = frozenset()
        self._dac = DacPins(*(board[name].mask for name in ("DAC_SDI", "DAC_SCK", "DAC_CS_N")))
        self._enable, self._keepalive = board["OUTPUT_ENABLE"].mask, board["KEEPALIVE"].mask
        self._peak_reset = board["PEAK_RESET"].mask
        self._phases = board.mask("A_POS", "A_NEG", "B_POS", "B_NEG")
        self._others = self._phases | self._enable | self._keepalive | self._peak_reset
        self._pins = 0
        self._serial = Serial(self._dac.cs_n)
        lines.resistors_up = board.mask(*PULLED_UP)
        lines.resistors_down = board.mask(*PULLED_DOWN)
        for name, level in (("POWER_OK", 1), ("ESTOP_A", 0), ("ESTOP_B", 1)):
            self._own(name, level, lines.start)
        lines.power_on()

    # What happens to it from outside

    def press(self, contacts: frozenset[int], now: int) -> None:
        """The mushroom button: which of its contacts (1-3) are open now; none when it is released."""
        self.update(now)
        self.pressed = contacts
        self.switch.stopped = 1 in contacts
        self._own("ESTOP_A", None if 2 in contacts else 0, now)
        self._own("ESTOP_B", None if 3 in contacts else 1, now)
        self.switch.update(now)

    def force(self, gpio: int, level: int | None, now: int) -> None:
        """Puts an input line at a level whatever the board says; None gives it back to the board."""
        if level is None:
            self.put.forced.pop(gpio, None)
        else:
            self.put.forced[gpio] = level
        self.lines.drive(gpio, self.put.forced.get(gpio, self.put.own.get(gpio)), now)

    def load(self, channel: str, ohm: float | None, now: int) -> None:
        """Changes what a channel is connected to."""
        self.update(now)
        self.channels[channel].load_ohm = ohm
        self._measure()

    def update(self, now: int) -> None:
        """Follows everything up to and with a tick."""
        self.lines.run_to(now)
        self.advance(now)
        self.switch.update(now)

    def _own(self, name: str, level: int | None, now: int) -> None:
        gpio = self.board[name].gpio
        self.put.own[gpio] = level
        self.lines.drive(gpio, self.put.forced.get(gpio, level), now)

    # What can be measured

    def adc_volt(self, channel: int, now: int) -> float:
        """Voltage at an ADC input (0-7). The board must be up to date."""
        adc = self.board.adc
        for name, output in self.channels.items():
            if channel == (adc.peak_a if name == "A" else adc.peak_b):
                return output.peak_ma * adc.peak_full_scale_mv / self.board.full_scale_ua
            if channel == (adc.electrode_a if name == "A" else adc.electrode_b):
                return output.peak_volt / adc.electrode_divider
        if channel == adc.rail:
            return self.switch.rail_volt(now) / adc.rail_divider
        if channel == adc.reference:
            return adc.reference_mv / 1000
        # The phases of a pulse cancel, so the averages of the signed currents stay at their middle.
        return adc.average_zero_mv / 1000

    def convert(self, channel: int, single: bool, now: int) -> int:
        """What the converter makes of an input (12 bits, VREF of the board file), or of a pair of them."""
        self.update(now)
        volt = self.adc_volt(channel, now)
        if not single:
            volt -= self.adc_volt(channel ^ 1, now)
        codes = 1 << self.board.adc.bits
        return max(0, min(codes - 1, int(volt * 1000 / self.board.adc.vref_mv * codes)))

    # Following the record

    def make_track(self, content: Content, after_us: int) -> Program:
        live, others = self._dac.mask & self.outputs, self._others & self.outputs
        if not content.touched & (live | others):
            return Program((), (), self._serial)
        key = ("board", self._serial, live, others)
        found = content.extra.get(key) if after_us < 0 else None
        if isinstance(found, Program):
            return found
        ops = content.ops() if after_us < 0 else between(content.ops(), after_us, content.total_us)
        program = decode(ops, self._serial, self._dac, live, others)
        if after_us < 0:
            content.extra[key] = program
        return program

    def entangled(self, lines: int) -> int:
        """What the DAC's lines mean depends on each other."""
        return lines | self._dac.mask if lines & self._dac.mask else lines

    def leave_track(self, track: Program, content: Content, after_us: int, until_us: int | None) -> None:
        if until_us is None:
            self._serial = track.exit
        else:
            part = between(content.ops(), after_us, until_us)
            self._serial = decode(part, self._serial, self._dac, self._dac.mask & self.outputs, 0).exit

    def play(self, track: Program, base: int, start: int, stop: int) -> None:
        events, times = track.events, track.times
        for index in range(start, stop):
            on, off, word = events[index]
            if word is not None:
                self._put_out(word)
            if on and off:
                self._become((self._pins | on), base + times[index])
            self._become((self._pins | on) & ~off, base + times[index])

    def changed(self, tick: int, before: int) -> None:
        # While a wave plays, the latch of the lines it touches is behind; those the wave itself keeps up to date.
        block = self.block
        playing = block.content.touched & self.outputs if block is not None and self._track is not None else 0
        shown = self.shown
        dac = self._dac.mask & ~playing
        serial = self._serial.pins & ~dac | shown & dac
        if serial != self._serial.pins:
            ops = Ops((0,), (serial & ~self._serial.pins,), (self._serial.pins & ~serial,))
            program = decode(ops, self._serial, self._dac, self._dac.mask, 0)
            self._serial = program.exit
            for _, _, word in program.events:
                if word is not None:
                    self._put_out(word)
        others = self._others & ~playing
        self._become(self._pins & ~others | shown & others, tick)

    def _become(self, pins: int, tick: int) -> None:
        """The lines other than the DAC's show this from a tick on."""
        change = pins ^ self._pins
        self._pins = pins
        if change & (self._keepalive | self._enable):
            switch = self.switch
            switch.update(tick)
            if change & self._keepalive:
                switch.kept_until = tick + DROP_OUT_US
            switch.enable = bool(pins & self._enable)
            switch.update(tick)
        if pins & self._peak_reset:
            for channel in self._channels:
                channel.peak_ma = channel.peak_volt = 0.0
        elif pins & self._phases and change:
            self.switch.update(tick)
            self._measure()

    def _put_out(self, word: int) -> None:
        channel = self.channels["B" if word & _WORD_B else "A"]
        channel.word = word
        gain = 1 if word & _WORD_GAIN_1 else 2
        active = bool(word & _WORD_ACTIVE)
        channel.asked_ma = active * gain * (word & _CODE) / 4096 * self.board.full_scale_ua / 1000
        if self._pins & self._phases:
            self._measure()

    def _measure(self) -> None:
        """The peak holds see what flows now."""
        if not self.switch.closed or self._pins & self._peak_reset:
            return
        for channel in self._channels:
            if bool(self._pins & channel.positive) != bool(self._pins & channel.negative):
                current, volt = self.output(channel)
                channel.peak_ma = max(channel.peak_ma, current)
                channel.peak_volt = max(channel.peak_volt, volt)

    def output(self, channel: Channel) -> tuple[float, float]:
        """Current through and voltage across the electrode while a phase is on, limited by the compliance."""
        asked = channel.asked_ma
        if channel.load_ohm is None:
            return 0.0, self.board.compliance_v if asked else 0.0
        current = min(asked, self.board.compliance_v / channel.load_ohm * 1000) if channel.load_ohm else asked
        return current, current * channel.load_ohm / 1000
