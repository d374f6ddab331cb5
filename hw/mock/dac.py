"""The MCP4922 at the DAC lines, and how the waves' writes become words for it.

Data is shifted in on the rising clock edge while CS_N is low; the rising edge of CS_N puts the word out (LDAC is tied
low). A frame with fewer than sixteen clocks changes nothing; of one with more the first sixteen count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from hw.mock.content import Ops

CODES: Final = 4096
FOR_EVER: Final = 1 << 62
_WORD_B: Final = 0x8000
_WORD_GAIN_1: Final = 0x2000
_WORD_ACTIVE: Final = 0x1000
_CODE: Final = CODES - 1


@dataclass
class Latches:
    """The output side: which word does what. ``ones`` and ``zeros`` are stuck bits, ``stuck`` stuck channels.

    ``words`` are those that each channel was given last.
    """

    ones: int = 0
    zeros: int = 0
    stuck: set[str] = field(default_factory=set)
    words: dict[str, int] = field(default_factory=lambda: {"A": 0, "B": 0})

    def loudest(self, program: Program) -> float:
        """The largest share of full scale that a wave may ask."""
        return 2.0 if self.ones or self.zeros else program.loudest

    def take(self, word: int) -> tuple[str, float] | None:
        """The channel that a word is for and the share of full scale it asks (0 to almost 2); None if nothing comes."""
        word = (word | self.ones) & ~self.zeros
        channel = "B" if word & _WORD_B else "A"
        if channel in self.stuck:
            return None
        self.words[channel] = word
        return channel, share(word)


def share(word: int) -> float:
    """The share of full scale that a word asks for: code, gain and shutdown bit; the buffer bit changes nothing."""
    gain = 1 if word & _WORD_GAIN_1 else 2
    return gain * (word & _CODE) / CODES if word & _WORD_ACTIVE else 0.0


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
    """A wave as the board sees it. ``exit`` is the serial input after it.

    ``longest_us`` is how long a line of those watched stays high at most (as long as the rest of the wave, if it is
    not cleared any more), ``loudest`` the largest share of full scale that its words ask (were no bit stuck),
    ``touched`` the other lines it writes.
    """

    times: Sequence[int]
    events: Sequence[Event]
    exit: Serial
    longest_us: int = 0
    loudest: float = 0.0
    touched: int = 0


def surveyed(program: Program, watched: int) -> Program:
    """The same with what can be said of it beforehand; a line that is left high counts as long as can be."""
    since: dict[int, int] = {}
    longest = touched = 0
    loudest = 0.0
    for time, (on, off, word) in zip(program.times, program.events, strict=True):
        touched |= on | off
        if word is not None:
            loudest = max(loudest, share(word))
        for line in [line for line in since if off & line]:
            longest = max(longest, time - since.pop(line))
        rises = on & ~off & watched
        while rises:
            line = rises & -rises
            since.setdefault(line, time)
            rises ^= line
    if since:
        longest = FOR_EVER
    return replace(program, longest_us=longest, loudest=loudest, touched=touched)


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
