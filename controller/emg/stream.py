"""From the converter's codes to an r.m.s. envelope in nV, step by step, with what is wrong with the signal. No clock.

Time is counted in samples. A step is some 12 ms; each has the envelope over 150 ms (SENIAM and ISEK name 100-250 ms;
quoted), without the mains, and a quick one over 58 ms with them, from which onset and release are taken: a notch goes
on ringing for a quarter of a second after a muscle that lets go at once, and then tells of a release that is late.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controller.emg.filters import MAINS_HZ, Cascade, band, notches

STEP_MS: Final = 11.63
"""10 samples at 860 a second."""
ENVELOPE_STEPS: Final = 13
QUICK_STEPS: Final = 5
SETTLING_S: Final = 1.0
"""After a beginning or a gap: the notches ring for 1 / (pi x 2 Hz) = 0.16 s, six times that."""
GAP_S: Final = 0.1
"""After so much lost in one go everything begins anew; less is bridged, and told."""
CODE_MAX: Final = 32_000
"""Beyond this the 16-bit converter, or the amplifier before it, is at its end. ours"""
FLAT_CODES: Final = 4
"""Half a second within so few codes is no amplifier: inputs disconnected, or dead. ours"""
CLIPPED_SHARE: Final = 0.05
LEAD_OFF_NV: Final = 300_000
"""r.m.s. of the mains that only an open input picks up. ours; a builder measures it with the lead in the hand."""
HUM_NV: Final = 10_000
"""From here on the mains are worth telling, when they are most of the signal. ours"""
BAD: Final = frozenset({"disconnected", "lead_off", "saturated", "lost", "blanked", "settling"})
"""What makes a step no measurement. ``hum`` does not: it is filtered out, and told."""


@dataclass(frozen=True)
class Step:
    """``at_ms``: its end, counted from the stream's first sample. Envelopes in nV. ``signal``: None when good."""

    at_ms: float
    envelope_nv: int
    quick_nv: int
    signal: str | None = None

    @property
    def good(self) -> bool:
        """Whether it is a measurement."""
        return self.signal not in BAD


class Stream:
    """One unbroken reading. ``rate_hz``: samples a second; ``nv_per_code``: at the electrode, before the amplifier."""

    def __init__(self, rate_hz: float, nv_per_code: float) -> None:
        self.rate_hz = rate_hz
        self._nv = nv_per_code
        self._length = max(1, round(rate_hz * STEP_MS / 1000))
        self._band, self._notches = Cascade(band(rate_hz)), Cascade(notches(rate_hz))
        self._half = round(rate_hz / 2)
        """Half a second holds 25 whole turns of the mains."""
        self._turn = 2 * math.cos(2 * math.pi * MAINS_HZ / rate_hz)
        self._count = 0
        self.hum_nv = 0
        """r.m.s. of the mains in the last half second."""
        self._restart()

    def feed(self, codes: Sequence[int | None], *, blanked: bool = False) -> list[Step]:
        """The next samples; None for one that was lost. ``blanked``: none of them is to be believed."""
        missing = "blanked" if blanked else "lost"
        return [step for code in codes if (step := self._take(None if blanked else code, missing))]

    def _restart(self) -> None:
        self._band.reset()
        self._notches.reset()
        self._settled_at = math.inf
        self._offset: int | None = None
        self._last = 0
        self._gap = 0
        self._pending: list[float] = []
        self._powers: deque[float] = deque(maxlen=ENVELOPE_STEPS)
        self._quick: deque[float] = deque(maxlen=QUICK_STEPS)
        self._troubles: deque[str | None] = deque(maxlen=ENVELOPE_STEPS)
        self._trouble: str | None = None
        self._signal: str | None = None
        self._begin_half()

    def _begin_half(self) -> None:
        self._seen, self._clipped, self._sum, self._squares = 0, 0, 0.0, 0.0
        self._least, self._most = math.inf, -math.inf
        self._s1 = self._s2 = 0.0

    def _take(self, code: int | None, missing: str) -> Step | None:
        self._count += 1
        if code is None:
            self._gap += 1
            self._trouble = missing
            if self._gap == round(GAP_S * self.rate_hz):
                self._restart()
                self._gap = round(GAP_S * self.rate_hz)
                self._trouble = missing
        else:
            self._gap = 0
            if self._offset is None:
                self._offset = code  # a constant that jumps in would ring in the filters
                self._settled_at = self._count + SETTLING_S * self.rate_hz
            if abs(code) > CODE_MAX:
                self._clipped += 1
                self._trouble = "saturated"
            self._last = code - self._offset
        self._look(self._last)
        self._pending.append(self._last)
        return self._step() if len(self._pending) == self._length else None

    def _look(self, x: float) -> None:
        """Half a second: the mains by Goertzel's sum, and the span."""
        self._s1, self._s2 = x + self._turn * self._s1 - self._s2, self._s1
        self._sum, self._squares = self._sum + x, self._squares + x * x
        self._least, self._most = min(self._least, x), max(self._most, x)
        self._seen += 1
        if self._seen == self._half:
            self._signal = self._judge()
            self._begin_half()

    def _judge(self) -> str | None:
        n = self._half
        power = self._s1**2 + self._s2**2 - self._turn * self._s1 * self._s2
        self.hum_nv = round(math.sqrt(2 * max(0.0, power)) / n * self._nv)
        total_nv = math.sqrt(max(0.0, self._squares / n - (self._sum / n) ** 2)) * self._nv
        if self.hum_nv >= LEAD_OFF_NV or self._clipped >= CLIPPED_SHARE * n:
            return "lead_off"
        if self._most - self._least <= FLAT_CODES:
            return "disconnected"
        return "hum" if self.hum_nv >= HUM_NV and 2 * self.hum_nv**2 > total_nv**2 else None

    def _step(self) -> Step:
        with_mains = self._band.feed(self._pending)
        self._pending = []
        self._quick.append(sum(y * y for y in with_mains) / self._length)
        self._powers.append(sum(y * y for y in self._notches.feed(with_mains)) / self._length)
        self._troubles.append(self._trouble)
        self._trouble = None
        envelope = math.sqrt(sum(self._powers) / len(self._powers)) * self._nv
        quick = math.sqrt(sum(self._quick) / len(self._quick)) * self._nv
        signal = self._signal
        if signal in (None, "hum"):
            signal = next((one for one in reversed(self._troubles) if one), signal)
        if signal in (None, "hum") and self._count < self._settled_at:
            signal = "settling"
        return Step(self._count * 1000 / self.rate_hz, round(envelope), round(quick), signal)
