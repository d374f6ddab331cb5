"""Streaming filters as second-order sections, made by the bilinear transform. Frequencies in Hz.

Butterworth sections have the Q of the analogue pole pairs, 1 / (2 sin((2k + 1) pi / 2n)), and are warped so that the
corner falls where it is named (Oppenheim and Schafer, Discrete-Time Signal Processing, chapter 7). A notch is as wide
at -3 dB as it says. ``tests/unit/test_emg_filters.py`` holds them against scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

Section = tuple[float, float, float, float, float]
"""b0, b1, b2, a1, a2 with a0 = 1."""

LOW_HZ: Final = 20
HIGH_HZ: Final = 400
"""Band of surface EMG here: SENIAM and ISEK name 20-500 Hz (quoted); the preamplifier passes 20-400 Hz."""
LOW_ORDER: Final = 4
HIGH_ORDER: Final = 2
MAINS_HZ: Final = 50
NOTCH_WIDTH_HZ: Final = 2
"""ours: the mains keep within 0.2 Hz, and eight notches take 4 % of the band."""


def high_pass(corner_hz: float, order: int, rate_hz: float) -> list[Section]:
    """Butterworth of an even order. Raises ValueError for a corner outside 0 to half the rate."""
    return [_section(corner_hz, rate_hz, q, high=True) for q in _qs(order)]


def low_pass(corner_hz: float, order: int, rate_hz: float) -> list[Section]:
    """Butterworth of an even order. Raises ValueError for a corner outside 0 to half the rate."""
    return [_section(corner_hz, rate_hz, q, high=False) for q in _qs(order)]


def notch(centre_hz: float, width_hz: float, rate_hz: float) -> Section:
    """Takes out one frequency; ``width_hz`` at -3 dB."""
    _check(centre_hz, rate_hz)
    gain = 1 / (1 + math.tan(math.pi * width_hz / rate_hz))
    turn = -2 * gain * math.cos(2 * math.pi * centre_hz / rate_hz)
    return gain, turn, gain, turn, 2 * gain - 1


def band(rate_hz: float) -> list[Section]:
    """The band of surface EMG, as far as the rate allows."""
    return [*high_pass(LOW_HZ, LOW_ORDER, rate_hz), *low_pass(_highest(rate_hz), HIGH_ORDER, rate_hz)]


def notches(rate_hz: float) -> list[Section]:
    """The mains and its harmonics, within the band."""
    return [notch(hz, NOTCH_WIDTH_HZ, rate_hz) for hz in range(MAINS_HZ, int(_highest(rate_hz)) + 1, MAINS_HZ)]


class Cascade:
    """Sections one after another, with what they remember between blocks."""

    def __init__(self, sections: Iterable[Section]) -> None:
        self._sections = list(sections)
        self.reset()

    def reset(self) -> None:
        """Forgets all that came before."""
        self._memory = [(0.0, 0.0)] * len(self._sections)

    def feed(self, samples: Sequence[float]) -> list[float]:
        """The next samples, filtered (direct form II, transposed)."""
        for number, (b0, b1, b2, a1, a2) in enumerate(self._sections):
            z1, z2 = self._memory[number]
            out: list[float] = []
            put = out.append
            for x in samples:
                y = b0 * x + z1
                z1 = b1 * x - a1 * y + z2
                z2 = b2 * x - a2 * y
                put(y)
            self._memory[number] = z1, z2
            samples = out
        return list(samples)


def _highest(rate_hz: float) -> float:
    return min(HIGH_HZ, 0.47 * rate_hz)


def _qs(order: int) -> list[float]:
    if order < 2 or order % 2:
        raise ValueError(f"an even order of 2 or more, not {order}")
    return [1 / (2 * math.sin((2 * k + 1) * math.pi / (2 * order))) for k in range(order // 2)]


def _section(corner_hz: float, rate_hz: float, q: float, *, high: bool) -> Section:
    _check(corner_hz, rate_hz)
    turn = 2 * math.pi * corner_hz / rate_hz
    alpha, cosine = math.sin(turn) / (2 * q), math.cos(turn)
    a0 = 1 + alpha
    edge = (1 + cosine if high else 1 - cosine) / 2 / a0
    return edge, (-2 if high else 2) * edge, edge, -2 * cosine / a0, (1 - alpha) / a0


def _check(hz: float, rate_hz: float) -> None:
    if not 0 < hz < rate_hz / 2:
        raise ValueError(f"{hz} Hz is not between 0 and half of {rate_hz} Hz")
