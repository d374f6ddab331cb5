"""GPIO lines: modes, pulls, output latches, what drives them from outside, and the record of everything that happened.

A level is what the pin shows: the latch of a line in output mode, else what the board, an external resistor or the
pull makes of it. The record (``Lines.record``) is in order of time; levels and edges are derived from it when asked.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from hw.mock.content import Content, Ops

INPUT: Final = 0
OUTPUT: Final = 1
PULL_OFF: Final = 0
PULL_DOWN: Final = 1
PULL_UP: Final = 2

BANK: Final = 0xFFFF_FFFF
RESET_PULLED_UP: Final = 0x1FF
"""GPIO 0-8 are pulled up at reset, 9-27 down."""
RESET_PULLED_UP_2: Final = 0x3F_C01C
"""GPIO 34-36 and 46-53 too (bit 0 is GPIO 32; BCM2835 peripherals, table of alternative functions)."""


@dataclass(eq=False, slots=True)
class Block:
    """A wave that was played from ``tick``, ``rounds`` times (None: until it is stopped), up to and with ``cut``."""

    tick: int
    content: Content
    rounds: int | None = 1
    cut: int | None = None


class Write(NamedTuple):
    """Latches set and then cleared at one tick."""

    tick: int
    on: int
    off: int


class Drive(NamedTuple):
    """From this tick on the lines of ``outputs`` show their latch, all others the level in ``inputs``."""

    tick: int
    outputs: int
    inputs: int


Entry = Block | Write | Drive


class Runner(Protocol):
    """What plays waves; it must have recorded everything up to a tick before anything else is recorded at it."""

    def run_to(self, now: int) -> None: ...


class Lines:
    """All 54 lines. Ticks given must never go back."""

    def __init__(self, tick: int) -> None:
        self.record: list[Entry] = []
        self.latch = 0
        self.latch_2 = 0
        self.modes = [INPUT] * 54
        self.outputs = 0
        self.pulls_up = RESET_PULLED_UP
        self.pulls_up_2 = RESET_PULLED_UP_2
        self.resistors_up = 0
        self.resistors_down = 0
        self.driven = 0
        self.driven_high = 0
        self.inputs = 0
        self.at_reset = 0
        self.short_high = self.short_low = 0
        """Pins that show a level whatever is written to them."""
        self.jumpers: tuple[tuple[int, int], ...] = ()
        """Wires from a pin to another that is an input: masks of both."""
        self.runner: Runner | None = None
        self._block: Block | None = None
        self._ops: Ops | None = None
        self._done = 0
        self._round = 0
        self.start = tick

    def power_on(self) -> None:
        """The lines as reset and what is wired to them leave them: where the record begins."""
        self.record.clear()
        self._drive(self.start)
        self.at_reset = self.inputs

    # What plays

    def begin(self, block: Block) -> None:
        """A wave begins; any earlier one has ended."""
        self.record.append(block)
        self._block = block
        self._ops = None
        self._done = 0
        self._round = 0

    def finish(self) -> None:
        """The wave that plays has ended by itself."""
        block = self._block
        if block is None:
            return
        content = block.content
        if self._ops is None or self._done == 0:
            self.latch = content.after(self.latch)
        else:
            self._apply(content.total_us)
        self._block = None

    def rounds_done(self, rounds: int) -> None:
        """The repeating wave that plays has gone round this many times in all."""
        block = self._block
        if block is None or rounds == self._round:
            return
        content = block.content
        if self._done:
            self._apply(content.total_us)
        self.latch = content.after(self.latch)
        self._round = rounds
        self._done = 0

    def cut(self, now: int) -> None:
        """The wave that plays is stopped: the lines keep the levels they have."""
        self.materialise(now)
        if self._block is not None:
            self._block.cut = now
            self._block = None

    def materialise(self, now: int) -> None:
        """Brings the latch up to date with the wave that plays."""
        block = self._block
        if block is not None:
            if self._ops is None:
                self._ops = block.content.ops()
            self._apply(now - block.tick - self._round * block.content.total_us)

    def _apply(self, until_us: int) -> None:
        ops, start = self._ops, self._done
        if ops is None or start == ops.count or ops.times[start] > until_us:
            return
        stop = bisect_right(ops.times, until_us, start)
        latch = self.latch
        for on, off in zip(ops.ons[start:stop], ops.offs[start:stop], strict=True):
            latch = (latch | on) & ~off
        self._done, self.latch = stop, latch

    # What clients do

    def levels(self, now: int) -> int:
        """Levels of GPIO 0-31."""
        self.settle(now)
        level = (self.latch & self.outputs | self.inputs & ~self.outputs) & ~self.short_low | self.short_high
        return self.joined(level)

    def joined(self, level: int) -> int:
        """A word of levels with the inputs that jumper wires join to other pins."""
        for source, end in self.jumpers:
            level = level | end if level & source else level & ~end
        return level

    def level(self, gpio: int, now: int) -> int:
        """Level of one line, 0-53."""
        if gpio < 32:
            return self.levels(now) >> gpio & 1
        word = self.latch_2 if self.modes[gpio] == OUTPUT else self.pulls_up_2
        return word >> (gpio - 32) & 1

    def write(self, on: int, off: int, now: int) -> None:
        """Sets, then clears latches of GPIO 0-31, whatever their mode."""
        self.settle(now)
        self.dma_write(on, off, now)

    def dma_write(self, on: int, off: int, tick: int) -> None:
        """A write by the player itself, which is up to date."""
        self.latch = (self.latch | on) & ~off
        self.record.append(Write(tick, on, off))

    def write_2(self, on: int, off: int) -> None:
        """The same for GPIO 32-53 (bit 0 is GPIO 32); nothing is wired there and nothing recorded."""
        self.latch_2 = (self.latch_2 | on) & ~off

    def set_mode(self, gpio: int, mode: int, now: int) -> None:
        """Sets a line's mode (0 input, 1 output, 2-7 alternative functions)."""
        if self.modes[gpio] != mode:
            self.modes[gpio] = mode
            if gpio < 32:
                bit = 1 << gpio
                self.outputs = self.outputs | bit if mode == OUTPUT else self.outputs & ~bit
                self._drive(now)

    def set_pull(self, gpio: int, pull: int, now: int) -> None:
        """Sets a line's internal pull (0 off, 1 down, 2 up). A line that nothing pulls reads low."""
        if gpio < 32:
            bit = 1 << gpio
            self.pulls_up = self.pulls_up | bit if pull == PULL_UP else self.pulls_up & ~bit
            self._drive(now)
        else:
            bit = 1 << gpio - 32
            self.pulls_up_2 = self.pulls_up_2 | bit if pull == PULL_UP else self.pulls_up_2 & ~bit

    # What the board does

    def resistors(self, up: int, down: int, now: int) -> None:
        """External resistors, stronger than the internal pulls."""
        self.resistors_up, self.resistors_down = up, down
        self._drive(now)

    def drive(self, gpio: int, level: int | None, now: int) -> None:
        """Something outside drives a line, or lets it go (None)."""
        bit = 1 << gpio
        self.driven = self.driven & ~bit if level is None else self.driven | bit
        self.driven_high = self.driven_high | bit if level else self.driven_high & ~bit
        self._drive(now)

    def _drive(self, now: int) -> None:
        self.settle(now)
        pulled = self.pulls_up & ~self.resistors_down | self.resistors_up
        self.inputs = pulled & ~self.driven | self.driven_high
        self.record.append(Drive(now, self.outputs, self.inputs))

    def run_to(self, now: int) -> None:
        """Has everything recorded that was played up to and at a tick."""
        if self.runner is not None:
            self.runner.run_to(now)

    def settle(self, now: int) -> None:
        """The same, and brings the latches up to date."""
        self.run_to(now)
        self.materialise(now)
