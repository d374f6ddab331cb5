"""Waveforms: a slice of the session and the present set-point become the pulse list that pigpio will play.

The amplitude travels inside the waveform: DAC frames stand between the pulses, so that both phases of a pulse see one
code and the whole output can be read back from its edges (docs/decisions/0003-amplitude-inside-the-waveform.md). This
encoder shares nothing with the gate's decoder.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from controller.timeline import PlannedPulse, Slice
from hw.board import DAC_LINES, PHASE_LINES, Board
from safety.limits import RAMPED_STOP_MAX_US

FRAME_US: Final = 32
"""CS_N low and 16 clocks of 1 us low and 1 us high; CS_N rises at the end of it."""
SETTLED_US: Final = 21
"""From the end of a frame to the phase after it: at least 20 us."""
_ENTRY: Final = struct.Struct("<3I")


@dataclass(frozen=True)
class Amplitude:
    """Which code each pulse gets: the set-point per channel in uA, and from which session time it fades, how long."""

    set_point_ua: dict[str, int]
    full_scale_ua: int
    fade_from_us: int | None = None
    fade_length_us: int = RAMPED_STOP_MAX_US

    def codes(self, pulses: tuple[PlannedPulse, ...], before: dict[str, int]) -> list[int]:
        """The code of each pulse. ``before``: the last code of each channel, kept up to date (fading only falls)."""
        codes = []
        for pulse in pulses:
            code = pulse.code(self.set_point_ua.get(pulse.channel, 0), self.full_scale_ua)
            if self.fade_from_us is not None and pulse.start_us >= self.fade_from_us:
                left = max(0, self.fade_from_us + self.fade_length_us - pulse.start_us)
                code = min(before.get(pulse.channel, 0), code * left // self.fade_length_us)
            before[pulse.channel] = code
            codes.append(code)
        return codes


class Encoder:
    """Makes pulse lists for one board. The same slice shape and codes give the same bytes."""

    def __init__(self, board: Board) -> None:
        mask = {name: board[name].mask for name in (*PHASE_LINES, *DAC_LINES)}
        self._sdi, self._sck, self._cs_n = (mask[name] for name in DAC_LINES)
        self._all = sum(mask.values())
        self._phases = {"A": (mask["A_POS"], mask["A_NEG"]), "B": (mask["B_POS"], mask["B_NEG"])}

    def encode(self, slice_: Slice, codes: list[int]) -> bytes:
        """The pulse list of one slice; ``codes`` has one code (0-4095) for each of its pulses."""
        shape = tuple(
            (pulse.start_us - slice_.start_us, pulse.channel, pulse.width_us, pulse.gap_us, code)
            for pulse, code in zip(slice_.pulses, codes, strict=True)
        )
        return self._encode(slice_.end_us - slice_.start_us, shape)

    @lru_cache(maxsize=64)  # noqa: B019 - one encoder lives as long as its process
    def _encode(self, length_us: int, pulses: tuple[tuple[int, str, int, int, int], ...]) -> bytes:
        register = {channel: next((p[4] for p in pulses if p[1] == channel), 0) for channel in "AB"}
        line = _Line(self._cs_n, self._all & ~self._cs_n)
        line.frame(1, self._frame("A", register["A"]), self._cs_n, self._sck | self._sdi)
        line.frame(2 + FRAME_US, self._frame("B", register["B"]), self._cs_n, self._sck | self._sdi)
        for start, channel, width, gap, code in pulses:
            if register[channel] != code:
                register[channel] = code
                line.frame(start - SETTLED_US - FRAME_US, self._frame(channel, code), self._cs_n, self._sck | self._sdi)
            positive, negative = self._phases[channel]
            line.at(start, positive, 0)
            line.at(start + width, 0, positive)
            line.at(start + width + gap, negative, 0)
            line.at(start + 2 * width + gap, 0, negative)
        for place, channel in ((2, "A"), (1, "B")):
            start = length_us - place * (FRAME_US + 1)
            line.frame(start, self._frame(channel, 0), self._cs_n, self._sck | self._sdi)
        return line.end(length_us)

    @lru_cache(maxsize=16_384)  # noqa: B019 - as above; two channels of 4096 codes fit
    def _frame(self, channel: str, code: int) -> bytes:
        """CS_N low and the 16 clocks of one MCP4922 word; what ends the frame is not in it."""
        word = (channel == "B") << 15 | 0b111 << 12 | code
        entries = []
        for bit in range(15, -1, -1):
            data = (self._sdi, 0) if word >> bit & 1 else (0, self._sdi)
            falls = self._cs_n if bit == 15 else self._sck
            entries.append(_ENTRY.pack(data[0], data[1] | falls, 1))
            entries.append(_ENTRY.pack(self._sck, 0, 1))
        return b"".join(entries)


class _Line:
    """A pulse list under construction: each entry lasts until the next one begins."""

    def __init__(self, on: int, off: int) -> None:
        self._parts: list[bytes] = []
        self._on, self._off, self._since = on, off, 0

    def at(self, time_us: int, on: int, off: int) -> None:
        self._parts.append(_ENTRY.pack(self._on, self._off, time_us - self._since))
        self._on, self._off, self._since = on, off, time_us

    def frame(self, time_us: int, frame: bytes, on: int, off: int) -> None:
        """A whole frame at ``time_us``; the entry that ends it is then open."""
        self._parts.append(_ENTRY.pack(self._on, self._off, time_us - self._since))
        self._parts.append(frame)
        self._on, self._off, self._since = on, off, time_us + FRAME_US

    def end(self, time_us: int) -> bytes:
        self._parts.append(_ENTRY.pack(self._on, self._off, time_us - self._since))
        return b"".join(self._parts)
