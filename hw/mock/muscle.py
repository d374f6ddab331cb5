"""A simulated pelvic-floor muscle that answers will and stimulation. In s, mA, us; force is from 0 to 1.

Simple models, each with where it comes from; the parameters are ours unless it says otherwise, and stand for no person.

- Activation follows the will with one time constant for rising and another for falling: the first-order activation
  dynamics of muscle models (Zajac 1989, Critical Reviews in Biomedical Engineering 17:359-411).
- A twitch is P t/T exp(1 - t/T) (Milner-Brown, Stein and Yemm 1973; taken up by Fuglevand, Winter and Patla 1993,
  Journal of Neurophysiology 70:2470-2488). Twitches add up, and the sum saturates: that is fusion.
- Recruitment by stimulation: a sigmoid of the charge of one phase over the threshold, as current- and width-modulated
  recruitment curves are commonly fitted.
- Fatigue: fibres move between rested, active and fatigued compartments (Xia and Frey-Law 2008, Journal of Biomechanics
  41:3046-3052), here with active and fatigued only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

E = math.e


@dataclass(frozen=True)
class Build:
    """What one person's muscle is like. ``tonic``: the share of activation that never lets go (0 to 1)."""

    rise_s: float = 0.06
    fall_s: float = 0.09
    tonic: float = 0.0
    twitch_s: float = 0.05
    twitch_force: float = 0.09
    threshold_uc: float = 1.5
    """Charge of a phase at which half the fibres near the electrode answer."""
    slope_uc: float = 0.4
    fatigue_per_s: float = 0.012
    recovery_per_s: float = 0.004


class Muscle:
    """Its state, moved on by ``step``. Deterministic."""

    def __init__(self, build: Build | None = None) -> None:
        self.build = build or Build()
        self.activation = self.build.tonic
        """Voluntary, 0 to 1: the share of the motor units that work."""
        self.fatigued = 0.0
        """Share of the fibres that give no force at present."""
        self._impulse = self._twitch = 0.0

    def pulse(self, current_ma: float, width_us: int) -> float:
        """One stimulation pulse; gives the share of fibres that answered it."""
        recruited = recruitment(self.build, current_ma, width_us)
        self._impulse += recruited * self.build.twitch_force * E / self.build.twitch_s
        return recruited

    def step(self, will: float, seconds: float) -> None:
        """Moves on. ``will``: 0 to 1; ``seconds``: at most a tenth of the shortest time constant for fair accuracy."""
        build = self.build
        aim = max(build.tonic, min(1.0, will))
        time = build.rise_s if aim > self.activation else build.fall_s
        self.activation += (aim - self.activation) * (1 - math.exp(-seconds / time))
        decay = math.exp(-seconds / build.twitch_s)  # two equal first-order stages make t/T exp(-t/T)
        self._twitch = (self._twitch + self._impulse * seconds) * decay
        self._impulse *= decay
        working = self.force
        self.fatigued += (build.fatigue_per_s * working - build.recovery_per_s * self.fatigued) * seconds
        self.fatigued = min(1.0, max(0.0, self.fatigued))

    @property
    def force(self) -> float:
        """Share of the strongest force of the rested muscle: voluntary and stimulated fibres together, saturating."""
        stimulated = 1 - math.exp(-self._twitch)
        return (1 - (1 - self.activation) * (1 - stimulated)) * (1 - self.fatigued)


def recruitment(build: Build, current_ma: float, width_us: int) -> float:
    """Share of the fibres that answer a pulse, 0 to 1."""
    charge_uc = current_ma * width_us / 1000
    return 0.0 if charge_uc <= 0 else 1 / (1 + math.exp((build.threshold_uc - charge_uc) / build.slope_uc))
