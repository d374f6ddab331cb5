"""The MCP4922 at the DAC lines, and how the waves' writes become words for it.

Data is shifted in on the rising clock edge while CS_N is low; the rising edge of CS_N puts the word out (LDAC is tied
low). A frame with fewer than sixteen clocks changes nothing; of one with more the first sixteen count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hw.mock.content import Ops


@dataclass(frozen=True)
class DacPins:
    """Masks of the three lines."""

    sdi: int
    sck: int
    cs_n: int

    @property
    def mask(self) -> int:
        return self.sdi | self.sck | self.cs_n


@dataclass(frozen=True)
class Serial:
    """The serial input at one moment: what the pins show, the bits since CS_N fell, and how many clocks."""

    pins: int
    bits: int = 0
    clocks: int = 0


Event = tuple[int, int, int | None]
"""Something for the board: lines other than the DAC's set and cleared, and a word that the DAC puts out, if one."""


@dataclass(frozen=True)
class Program:
    """A wave as the board sees it. ``exit`` is the serial input after it."""

    times: Sequence[int]
    events: Sequence[Event]
    exit: Serial


def decode(ops: Ops, serial: Serial, dac: DacPins, live: int, others: int) -> Program:
    """Reads a wave's writes. ``live`` are the DAC lines in output mode, ``others`` the lines to pass on."""
    times: list[int] = []
    events: list[Event] = []
    sdi, sck, cs_n = dac.sdi, dac.sck, dac.cs_n
    strobes = sck | cs_n
    pins, bits, clocks = serial.pins, serial.bits, serial.clocks
    for time, on, off in zip(ops.times, ops.ons, ops.offs, strict=True):
        word = None
        if (on | off) & live:
            on_live, off_live = on & live, off & live
            if not on_live & strobes and not off_live & cs_n:
                pins = (pins | on_live) & ~off_live
            elif not (off_live or on_live & cs_n or pins & strobes):
                # The common clock: it rises alone, and takes one bit.
                pins |= on_live
                if clocks < 16:
                    bits = bits << 1 | (pins & sdi > 0)
                clocks += 1
            else:
                # Lines are set just before others are cleared: data falling with the clock's rise is still high then.
                middle = pins | on_live
                for level in (middle, middle & ~off_live):
                    if level & cs_n:
                        if not pins & cs_n and clocks >= 16:
                            word = bits
                        bits = clocks = 0
                    elif pins & cs_n:
                        bits = clocks = 0
                    elif level & sck and not pins & sck:
                        if clocks < 16:
                            bits = bits << 1 | (level & sdi > 0)
                        clocks += 1
                    pins = level
        if word is not None or (on | off) & others:
            times.append(time)
            events.append((on & others, off & others, word))
    return Program(times, events, Serial(pins, bits, clocks))
