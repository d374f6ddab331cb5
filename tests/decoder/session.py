"""The one small session that the decoder's tests spoil in many ways."""

from __future__ import annotations

from typing import Any

from tests.decoder import decode, verify
from tests.decoder.making import MadePulse, Pause, Row, Train, programme, pulses_of

# 18 s of contractions on A, a pause, one contraction on both channels at a rate whose period is not whole, and a
# continuous stretch on B. Both set-points rise to 6 mA.
PARTS: list[Train | Pause] = [
    Train("A", "50.0", 250, 100, up=1000, hold=3000, down=500, rest=4500, repeats=2, percent=100),
    Pause(2),
    Train("AB", "13.3", 300, 50, up=300, hold=2500, down=0, rest=3000, repeats=1, percent=80),
    Train("B", "10", 200, 100, up=500, hold=3000, down=500, rest=0, repeats=1, percent=60),
]
STEPS = {
    "A": [(1_200_000, 2000), (2_300_000, 4000), (3_400_000, 6000)],
    "B": [(20_400_000, 1500), (21_500_000, 3000), (22_600_000, 5000), (26_400_000, 6000)],
}
FINAL_UA = 6000
FIRST_PLATEAU = 190  # at 3.8 s: the first contraction of A, at 6 mA: code floor(491.52) = 491
SECOND_BEGINS = 225  # pulse 0 of the second contraction of A, at 9 s
BOTH_BEGIN = 450  # A and B in turn from here, at 20 s
CONTINUOUS_BEGINS = 526  # B alone, at 25.8 s


def made_pulses() -> list[MadePulse]:
    """The pulses of the session, correct, to be spoiled."""
    return pulses_of(PARTS, STEPS)


def violations_of(rows: list[Row], **options: Any) -> list[str]:
    """What the decoder finds wrong in rows that should be the session's."""
    return verify(decode(rows), programme(PARTS), FINAL_UA, **options)


def kinds(violations: list[str]) -> set[str]:
    """The kinds of the violations, without their words."""
    return {violation.split(":")[0] for violation in violations}
