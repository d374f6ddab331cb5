"""The SPI commands: handles, the lines they take, and the MCP3208 on CE0 of the main bus.

The daemon's permission mask does not cover these lines: opening a bus takes them whatever ``-x`` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from hw.mock.lines import OUTPUT, Lines
from hw.mock.protocol import SPI_SLOTS, Err

MIN_BAUD: Final = 32_000
MAX_BAUD: Final = 125_000_000
MAX_FLAGS: Final = 1 << 22
AUXILIARY: Final = 1 << 8
_ALT0: Final = 4
_ALT4: Final = 3
_MAIN_SELECTS: Final = (8, 7)
_MAIN_BUS: Final = (11, 9, 10)
_AUXILIARY_SELECTS: Final = (18, 17, 16)
_AUXILIARY_BUS: Final = (21, 19, 20)

Convert = Callable[[int, bool, int], int]
"""The converter's code for an input, single-ended or differential, at a tick."""


@dataclass(frozen=True)
class Handle:
    channel: int
    flags: int

    @property
    def auxiliary(self) -> bool:
        return bool(self.flags & AUXILIARY)


class Spi:
    """All SPI handles. ``convert`` is the ADC on CE0 of the main bus; None if nothing is wired there."""

    def __init__(self, lines: Lines, convert: Convert | None) -> None:
        self.lines = lines
        self.convert = convert
        self.handles: list[Handle | None] = [None] * SPI_SLOTS
        self._old_modes: dict[bool, dict[int, int]] = {False: {}, True: {}}

    def open(self, channel: int, baud: int, flags: int, now: int) -> int:
        """Opens a channel; the first of a bus takes the bus's lines."""
        auxiliary = bool(flags & AUXILIARY)
        if channel >= (3 if auxiliary else 2):
            return Err.BAD_SPI_CHANNEL
        if not MIN_BAUD <= baud <= MAX_BAUD:
            return Err.BAD_SPI_SPEED
        if flags > MAX_FLAGS:
            return Err.BAD_FLAGS
        if not self._any_open(auxiliary):
            self._take(auxiliary, flags, now)
        for number, handle in enumerate(self.handles):
            if handle is None:
                self.handles[number] = Handle(channel, flags)
                return number
        return Err.NO_HANDLE

    def close(self, number: int, now: int) -> int:
        """Closes a handle; the last of a bus gives the lines back."""
        handle = self.find(number)
        if handle is None:
            return Err.BAD_HANDLE
        self.handles[number] = None
        if not self._any_open(handle.auxiliary):
            for gpio, mode in self._old_modes[handle.auxiliary].items():
                self.lines.set_mode(gpio, mode, now)
        return 0

    def find(self, number: int) -> Handle | None:
        return self.handles[number] if number < SPI_SLOTS else None

    def transfer(self, number: int, data: bytes, now: int) -> bytes | Err:
        """Clocks bytes out and in."""
        handle = self.find(number)
        if handle is None:
            return Err.BAD_HANDLE
        if self.convert is None or handle.auxiliary or handle.channel != 0:
            return bytes(len(data))
        return mcp3208(data, self.convert, now)

    def _any_open(self, auxiliary: bool) -> bool:
        return any(handle is not None and handle.auxiliary == auxiliary for handle in self.handles)

    def _take(self, auxiliary: bool, flags: int, now: int) -> None:
        """Reserved chip selects (bits 5-7) are left alone; the auxiliary ones are plain outputs at their idle level."""
        selects, bus = (_AUXILIARY_SELECTS, _AUXILIARY_BUS) if auxiliary else (_MAIN_SELECTS, _MAIN_BUS)
        taken = [(index, gpio) for index, gpio in enumerate(selects) if not flags >> (5 + index) & 1]
        self._old_modes[auxiliary] = {gpio: self.lines.modes[gpio] for _, gpio in taken}
        self._old_modes[auxiliary].update({gpio: self.lines.modes[gpio] for gpio in bus})
        for index, gpio in taken:
            if auxiliary:
                self.lines.set_mode(gpio, OUTPUT, now)
                high = not flags >> (2 + index) & 1
                self.lines.write(high << gpio, (not high) << gpio, now)
            else:
                self.lines.set_mode(gpio, _ALT0, now)
        for gpio in bus:
            self.lines.set_mode(gpio, _ALT4 if auxiliary else _ALT0, now)


def mcp3208(data: bytes, convert: Convert, now: int) -> bytes:
    """What an MCP3208 answers: after the start bit come single/differential and three channel bits, then one clock of
    sampling, a null bit and the code, most significant bit first, and then the other way round."""
    start, number, single = _request(data)
    return _answer(convert(number, single, now), start - 7, len(data)) if start >= 7 else bytes(len(data))


@lru_cache(maxsize=64)
def _request(data: bytes) -> tuple[int, int, bool]:
    """How many bits there are from the start bit on, and the input and mode asked for."""
    sent = int.from_bytes(data, "big")
    start = sent.bit_length()
    return (start, sent >> (start - 5) & 7, bool(sent >> (start - 2) & 1)) if start >= 7 else (start, 0, True)


@lru_cache(maxsize=1 << 14)
def _answer(code: int, room: int, length: int) -> bytes:
    """What is clocked out for a code: the first of the 23 bits that it becomes, as many as there is room for."""
    answer = code
    for bit in range(1, 12):
        answer = answer << 1 | code >> bit & 1
    answer = answer >> (23 - room) if room < 23 else answer << (room - 23)
    return (answer & (1 << 8 * length) - 1).to_bytes(length, "big")
