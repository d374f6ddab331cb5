"""What a channel is connected to: contact resistance in series with tissue (resistance beside capacitance).

Units that go together without factors: mA, V, kohm, nF, us; mA x us = nC, V x nC = nJ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import Final

OPEN: Final = math.inf
_LEAST_KOHM: Final = 0.001
"""No contact is better than 1 ohm."""
_DRIFT_STEP_US: Final = 1_000_000
_DRIFT_MOST: Final = 0.08
_DRIFT_PERIODS_S: Final = (120.0, 600.0)


@dataclass(frozen=True)
class Load:
    """``contact_kohm`` OPEN is an open lead. ``tissue_kohm`` 0: a plain resistor, the contact alone."""

    contact_kohm: float
    tissue_kohm: float = 0.0
    tissue_nf: float = 0.0

    @staticmethod
    def resistor(ohm: float | None) -> Load:
        """A plain resistor that does not drift; None is an open lead."""
        return Load(OPEN if ohm is None else max(ohm / 1000, _LEAST_KOHM))


ELECTRODE: Final = Load(0.15, 0.35, 200.0)
"""A moist probe in place: 500 ohm when the tissue's capacitance (time constant 70 us) is charged. A choice of this
project in the range of the loads for which programmes are computed (docs/limits.md), not a measurement."""


@dataclass(frozen=True)
class Electrode:
    """An electrode as it is now: what it is when nothing happened to it, and what did.

    ``drift`` are amplitude, period in s and phase of the slow change of its contact. ``worse`` multiplies both
    resistances and divides the capacitance. ``drying`` is kohm of contact a second, from tick ``since``.
    """

    plain: Load
    drift: tuple[float, float, float] = (0.0, 1.0, 0.0)
    worse: float = 1.0
    instead: Load | None = None
    drying: float = 0.0
    since: int = 0

    @property
    def steady(self) -> bool:
        """Whether it does not change by itself."""
        return self.instead is not None or not (self.drift[0] or self.drying)

    def at(self, tick: int) -> Load:
        """The load during the second that a tick is in."""
        if self.instead is not None:
            return self.instead
        second = tick // _DRIFT_STEP_US
        most, period, phase = self.drift
        contact = self.plain.contact_kohm * (1 + most * math.sin(math.tau * second / period + phase))
        contact += self.drying * max(0, second - self.since // _DRIFT_STEP_US)
        return Load(contact * self.worse, self.plain.tissue_kohm * self.worse, self.plain.tissue_nf / self.worse)

    def lasts_until(self, tick: int) -> int:
        """When the load at a tick changes by itself next."""
        return (tick // _DRIFT_STEP_US + 1) * _DRIFT_STEP_US

    def mended(self) -> Electrode:
        """As it was before anything happened to it."""
        return replace(self, worse=1.0, instead=None, drying=0.0)


def drifting(seed: int, channel: str) -> Electrode:
    """The usual electrode of a channel, with the slow drift that a seed gives it."""
    chance = Random(f"{seed} {channel}")
    drift = (chance.uniform(0.02, _DRIFT_MOST), chance.uniform(*_DRIFT_PERIODS_S), chance.uniform(0, math.tau))
    return Electrode(ELECTRODE, drift)


class Loop:
    """A voltage across resistance, series capacitor and tissue, solved exactly.

    x is the tissue's voltage, y the series capacitor's less the one applied: x' = -a x - b y, y' = -c (x + y).
    """

    __slots__ = ("_a", "_b", "_c", "_fast", "_slow", "_spread", "kohm", "tissue_us")

    def __init__(self, kohm: float, load: Load, series_nf: float) -> None:
        self.kohm = kohm
        self.tissue_us = load.tissue_kohm * load.tissue_nf
        self._c = 0.0 if kohm == OPEN else 1 / (kohm * series_nf)
        self._a = self._b = self._fast = self._slow = self._spread = 0.0
        if self.tissue_us:
            self._b = 0.0 if kohm == OPEN else 1 / (kohm * load.tissue_nf)
            self._a = self._b + 1 / self.tissue_us
            root = math.sqrt((self._a - self._c) ** 2 + 4 * self._b * self._c)
            self._fast, self._slow = (self._a + self._c + root) / 2, (self._a + self._c - root) / 2
            self._spread = root

    def step(self, tissue: float, series: float, applied: float, us: float) -> tuple[float, float]:
        """Both voltages after a time."""
        x, y = tissue, series - applied
        if not self.tissue_us:
            return 0.0, applied + y * math.exp(-self._c * us)
        fast, slow = math.exp(-self._fast * us), math.exp(-self._slow * us)
        even, odd = (self._fast * slow - self._slow * fast) / self._spread, (fast - slow) / self._spread
        return (
            even * x + odd * (self._a * x + self._b * y),
            applied + even * y + odd * self._c * (x + y),
        )

    def current(self, tissue: float, series: float, applied: float) -> float:
        """What flows, in mA."""
        return 0.0 if self.kohm == OPEN else (applied - series - tissue) / self.kohm
