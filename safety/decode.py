"""Reading a chunk: from the very pulse list that pigpio will play to the pulses and amplitudes it amounts to.

The decoder simulates the seven lines entry by entry, as the bridges and the MCP4922 would see them, and refuses at the
first thing that is not exactly a charge-balanced pulse or a whole amplitude frame. It shares nothing with the encoder
(``controller/waveform.py``). Pure: bytes in, ``Chunk`` or ``Refusal`` out; nothing is assumed of what played before.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, NamedTuple

from safety import limits

ENTRY_BYTES: Final = 12
"""One entry of a pulse list: lines to set, lines to clear, delay in us; three little-endian 32-bit words."""
SLICE_ENTRIES: Final = 400
"""A fifth of the largest chunk: 0.2 ms here, and on a Pi Zero 2 W, which is some ten times slower, a tenth of the time
between two checks. ours."""
_SLICE_BYTES: Final = SLICE_ENTRIES * ENTRY_BYTES
SETTLE_MIN_US: Final = 20
"""From the end of an amplitude frame to the next phase (hardware.md, MCP4922 and current source)."""
FRAME_CLOCKS: Final = 16
CONTROL_BITS: Final = 0b111
"""Bits 14-12 of the DAC's word: buffered reference, gain 1, active. Anything else asks for another current."""


class Refusal(NamedTuple):
    """Why a chunk may not be played. ``code`` is stable; ``detail`` is for the log."""

    code: str
    detail: str


class Pulse(NamedTuple):
    """One biphasic pulse as decoded: start in us from the chunk's start, channel "A" or "B", widths in us, DAC code."""

    start_us: int
    channel: str
    width_us: int
    gap_us: int
    second_us: int
    code: int

    @property
    def net_code_us(self) -> int:
        """What the two phases leave behind, as code x us."""
        return self.code * (self.width_us - self.second_us)


class Chunk(NamedTuple):
    """What a pulse list amounts to."""

    duration_us: int
    entries: int
    pulses: tuple[Pulse, ...]


@dataclass(frozen=True)
class Lines:
    """Bank masks of the seven lines a chunk may drive."""

    a_pos: int
    a_neg: int
    b_pos: int
    b_neg: int
    sdi: int
    sck: int
    cs_n: int

    @property
    def phases(self) -> int:
        return self.a_pos | self.a_neg | self.b_pos | self.b_neg

    @property
    def all(self) -> int:
        return self.phases | self.sdi | self.sck | self.cs_n


class _Refused(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.refusal = Refusal(code, detail)


def decode(data: bytes, lines: Lines) -> Chunk | Refusal:
    """Decodes a pulse list. The rules of one chunk by itself are here, those over time in ``safety/gate.py``."""
    slices = decode_in_slices(data, lines)
    while True:
        try:
            next(slices)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


def decode_in_slices(data: bytes, lines: Lines) -> Generator[None, None, Chunk | Refusal]:
    """The same, but after each ``SLICE_ENTRIES`` entries it lets something else be done."""
    try:
        return (yield from _Decoder(lines).run(data))
    except _Refused as refused:
        return refused.refusal


class _Decoder:
    """The lines, the DAC and the bridge while one chunk is read."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.now = 0
        # The DAC: code per channel once framed in this chunk, the frame being clocked in, when the last one ended.
        self.codes: dict[str, int] = {}
        self.frames = {"A": 0, "B": 0}
        self.closed: set[str] = set()
        self.clocks: int | None = None
        self.word = 0
        self.framed_at = 0
        # The bridge: the pulse under way.
        self.stage = 0
        self.channel = ""
        self.rose_at = 0
        self.fell_at = 0
        self.start = 0
        self.width = 0
        self.gap = 0
        self.last_start: dict[str, int] = {}
        self.pulses: list[Pulse] = []

    def run(self, data: bytes) -> Generator[None, None, Chunk]:
        lines = self.lines
        entries, rest = divmod(len(data), ENTRY_BYTES)
        if rest or not 1 <= entries <= limits.CHUNK_MAX_ENTRIES:
            raise _Refused("malformed", f"{len(data)} bytes are not 1 to {limits.CHUNK_MAX_ENTRIES} entries")
        allowed, phases, clocked = lines.all, lines.phases, lines.sdi | lines.sck | lines.cs_n
        level = -1
        for begin in range(0, len(data), _SLICE_BYTES):
            if begin:
                yield
            for on, off, delay in struct.iter_unpack("<3I", data[begin : begin + _SLICE_BYTES]):
                if (on | off) & ~allowed:
                    raise _Refused("foreign_line", f"mask {on | off:#x} at {self.now} us")
                if on & off:
                    raise _Refused("on_and_off", f"mask {on & off:#x} at {self.now} us")
                if delay < 1:
                    raise _Refused("no_delay", f"an entry of 0 us at {self.now} us")
                if level < 0:
                    if on | off != allowed:
                        raise _Refused("unknown_state", "the first entry must set or clear all seven lines")
                    if on & (phases | lines.sck):
                        raise _Refused("unsafe_start", "a phase or clock line is high in the first entry")
                    level = on
                else:
                    before = level
                    level = (level | on) & ~off
                    changed = before ^ level
                    if changed & clocked:
                        self._dac(level, changed)
                    if changed & phases:
                        if changed & clocked:
                            raise _Refused("frame_in_pulse", f"a DAC line moves with a phase line at {self.now} us")
                        self._bridge(level, changed)
                self.now += delay
                if self.now > limits.CHUNK_MAX_US:
                    raise _Refused("too_long", f"more than {limits.CHUNK_MAX_US} us")
        if level != lines.cs_n:
            raise _Refused("not_safe_at_end", f"levels {level:#x}")
        self._end()
        return Chunk(self.now, entries, tuple(self.pulses))

    def _dac(self, level: int, changed: int) -> None:
        lines = self.lines
        if self.stage:
            raise _Refused("frame_in_pulse", f"a DAC line moves inside a pulse at {self.now} us")
        if changed & lines.cs_n:
            # At both ends of a frame the clock must rest, else what is clocked in depends on nanoseconds.
            if changed & level & lines.sck:
                raise _Refused("frame", f"clock and chip select move together at {self.now} us")
            if not level & lines.cs_n:
                if level & lines.sck or changed & lines.sck:
                    raise _Refused("frame", f"a frame begins with the clock high at {self.now} us")
                self.clocks = self.word = 0
                return
            self._framed()
        elif changed & level & lines.sck:
            if self.clocks is None:
                raise _Refused("frame", f"a clock outside a frame at {self.now} us")
            if changed & lines.sdi:
                raise _Refused("frame", f"data and clock move together at {self.now} us")
            self.clocks += 1
            self.word = (self.word << 1 | bool(level & lines.sdi)) & 0xFFFF

    def _framed(self) -> None:
        if self.clocks != FRAME_CLOCKS:
            raise _Refused("frame", f"{self.clocks} clocks in the frame that ends at {self.now} us")
        if self.word >> 12 & 7 != CONTROL_BITS:
            raise _Refused("control_bits", f"word {self.word:#06x} at {self.now} us")
        channel = "B" if self.word >> 15 else "A"
        self.codes[channel] = self.word & 0xFFF
        self.frames[channel] += 1
        self.closed.add(channel)
        self.clocks = None
        self.framed_at = self.now

    def _bridge(self, level: int, changed: int) -> None:
        lines = self.lines
        high = level & lines.phases
        moved = changed & lines.phases
        if moved & (moved - 1) or high & (high - 1):
            raise _Refused("two_lines", f"two phase lines at {self.now} us")
        if high:
            self._rise(high)
        else:
            self._fall()

    def _rise(self, line: int) -> None:
        lines = self.lines
        channel = "A" if line & (lines.a_pos | lines.a_neg) else "B"
        positive = bool(line & (lines.a_pos | lines.b_pos))
        if self.stage == 0:
            if not positive:
                raise _Refused("order", f"{channel} begins with the negative phase at {self.now} us")
            if self.clocks is not None or len(self.codes) < 2:
                raise _Refused("not_framed", f"a pulse at {self.now} us before both channels were framed")
            if self.now - self.framed_at < SETTLE_MIN_US:
                raise _Refused("settle", f"{self.now - self.framed_at} us after a frame at {self.now} us")
            last = self.last_start.get(channel)
            if last is not None and self.now - last < limits.START_TO_START_MIN_US:
                raise _Refused("too_fast", f"{self.now - last} us after the pulse before on {channel}")
            self.channel, self.start, self.last_start[channel] = channel, self.now, self.now
            self.closed.clear()
        elif channel != self.channel:
            raise _Refused("two_channels", f"{channel} rises inside a pulse of {self.channel} at {self.now} us")
        elif positive:
            raise _Refused("order", f"{channel} repeats its positive phase at {self.now} us")
        else:
            self.gap = self.now - self.fell_at
            if not limits.INTERPHASE_MIN_US <= self.gap <= limits.INTERPHASE_MAX_US:
                raise _Refused("gap", f"{self.gap} us at {self.now} us")
        self.stage += 1
        self.rose_at = self.now

    def _fall(self) -> None:
        width = self.now - self.rose_at
        if not limits.PHASE_WIDTH_MIN_US <= width <= limits.PHASE_WIDTH_MAX_US:
            raise _Refused("width", f"{width} us at {self.rose_at} us")
        self.fell_at = self.now
        if self.stage == 1:
            self.width = width
            self.stage = 2
            return
        if width != self.width:
            raise _Refused("unbalanced", f"phases of {self.width} and {width} us at {self.start} us")
        self.pulses.append(Pulse(self.start, self.channel, self.width, self.gap, width, self.codes[self.channel]))
        self.stage = 0

    def _end(self) -> None:
        if self.stage:
            raise _Refused("unfinished", f"the pulse at {self.start} us has no second phase")
        if self.closed != {"A", "B"} or any(self.codes.values()):
            raise _Refused("not_zeroed", "both channels must be framed with code 0 after the last pulse")
        if not self.pulses and min(self.frames.values()) < 2:
            raise _Refused("not_framed", "both channels must be framed at both ends")
