"""The MCP3208 as a converter: quantisation, noise, and what can be wrong with it. What it is told is volts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

NOISE_STEPS: Final = 0.2
"""Standard deviation at the input of a healthy converter, in its steps."""
_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF


@dataclass
class Converter:
    """``vref_volt`` gives the code after the last. Noise is a function of seed, channel and tick alone.

    Broken: ``dead`` answers nothing, ``stuck`` one code for ever, ``factor`` multiplies every reading, with
    ``stale_us`` a reading is taken again only when the one before is that old; an input of ``stuck_inputs`` has its
    code for ever.
    """

    vref_volt: float
    bits: int
    seed: int
    noise_steps: float = NOISE_STEPS
    dead: bool = False
    stuck: int | None = None
    factor: float = 1.0
    stale_us: int = 0
    stuck_inputs: dict[int, int] = field(default_factory=dict)
    _kept: dict[tuple[int, bool], tuple[int, int]] = field(default_factory=dict)

    def convert(self, channel: int, single: bool, tick: int, volt: float) -> int:
        """The code for an input, or for a pair of them, at which there is ``volt``."""
        if self.dead:
            return 0
        if self.stuck is not None:
            return self.stuck
        if single and channel in self.stuck_inputs:
            return self.stuck_inputs[channel]
        if self.stale_us:
            kept = self._kept.get((channel, single))
            if kept is not None and tick - kept[0] < self.stale_us:
                return kept[1]
        codes = 1 << self.bits
        steps = volt * self.factor / self.vref_volt * codes + self._noise(channel, tick)
        code = max(0, min(codes - 1, int(steps)))
        if self.stale_us:
            self._kept[channel, single] = tick, code
        return code

    def mend(self) -> None:
        """All is well again."""
        self.noise_steps, self.dead, self.stuck, self.factor, self.stale_us = NOISE_STEPS, False, None, 1.0, 0
        self.stuck_inputs.clear()
        self._kept.clear()

    def _noise(self, channel: int, tick: int) -> float:
        """Of 64 scattered bits (SplitMix64, Steele and others 2014) 32 are set, with a standard deviation of 4."""
        mixed = (self.seed * 0x9E37_79B9_7F4A_7C15 + tick * 8 + channel) & _MASK
        mixed = (mixed ^ mixed >> 30) * 0xBF58_476D_1CE4_E5B9 & _MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB & _MASK
        mixed ^= mixed >> 31
        return (mixed.bit_count() - 32) / 4 * self.noise_steps
