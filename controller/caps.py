"""Which caps a board may be given, and what to do where one may not be. Pure; currents in uA.

A single fault in the DAC or its wires can put out full scale until it is seen (two pulses), so a cap is at least a
quarter of it while a smaller full-scale resistor could be fitted (docs/hardware.md), and never under what the electrode
check gives. A cap is a bound: the set-point begins at zero and stays where the person has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from controller.prescription import CAP_STEP_UA
from controller.strict_toml import plain
from safety.electrode import CHECK_UA
from safety.limits import FULL_SCALES_UA


@dataclass(frozen=True)
class Caps:
    """What is possible on one board with one programme and electrode: from ``least_ua`` to ``most_ua``; nothing where
    that is less. ``smaller``: full scales that could be fitted instead, each with the least cap it would allow.
    """

    full_scale_ua: int
    least_ua: int
    most_ua: int
    smaller: tuple[tuple[int, int], ...]

    def refusal(self, channel: str, cap_ua: int) -> str | None:
        """Why this cap may not be, and what to do; None for one that may be. 0 is no cap."""
        if cap_ua == 0 or self.least_ua <= cap_ua <= self.most_ua:
            return None
        least, most = _ma(self.least_ua), _ma(self.most_ua)
        words = f"caps_ma.{channel}: {_ma(cap_ua)}; allowed: {least.split()[0]} to {most}."
        if self.most_ua < self.least_ua:
            words = f"caps_ma.{channel}: this board takes none under {least}; the programme passes up to {most}."
        elif cap_ua > self.most_ua:
            return f"{words} More is beyond the board, or what this programme may give through this electrode."
        if not self.smaller:
            return f"{words} The electrode check gives {least}."
        fits = " or ".join(f"for {_ma(full)} (caps from {_ma(low)})" for full, low in self.smaller)
        return (
            f"{words} A fault in the board may give all of {_ma(self.full_scale_ua)} for two pulses, so a cap is at "
            f"least a quarter. Fit the full-scale resistor {fits}, or prescribe {least} and raise the strength no "
            f"further than is comfortable."
        )


def caps(full_scale_ua: int, highest_ua: int) -> Caps:
    """``highest_ua``: the highest maximum at which programme and electrode pass."""
    smaller = tuple((one, least_ua(one)) for one in FULL_SCALES_UA if one < full_scale_ua)
    most_ua = min(full_scale_ua, highest_ua) // CAP_STEP_UA * CAP_STEP_UA
    return Caps(full_scale_ua, least_ua(full_scale_ua), most_ua, smaller)


def least_ua(full_scale_ua: int) -> int:
    """The least cap above 0."""
    return max(CHECK_UA, full_scale_ua // 4 if full_scale_ua > FULL_SCALES_UA[0] else 0)


def _ma(ua: int) -> str:
    return f"{plain(Fraction(ua, 1000))} mA"
