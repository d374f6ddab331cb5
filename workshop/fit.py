"""A straight line through a few measured points, and how well it is known. Pure; currents in uA."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from safety.calibration import Line

COVERAGE: Final = 2
"""Expanded uncertainty with k = 2, about 95 % (GUM, JCGM 100:2008, 6.2)."""


def line(points: Sequence[tuple[float, float]], meter_ppm: int) -> Line:
    """The least-squares line through (asked, found), at least three with different abscissae.

    ``meter_ppm``: half-width within which the maker says that meter and load together are right; taken for evenly
    spread (divided by the root of 3), it adds to the gain's uncertainty, as it shifts all points alike.
    """
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    gain = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    offset = mean_y - gain * mean_x
    variance = sum((y - gain * x - offset) ** 2 for x, y in points) / (count - 2)
    gain_error = math.hypot(math.sqrt(variance / spread), gain * meter_ppm / 1e6 / math.sqrt(3))
    offset_error = math.sqrt(variance * (1 / count + mean_x**2 / spread))
    return Line(
        round(gain * 1e6), math.ceil(COVERAGE * gain_error * 1e6), round(offset), math.ceil(COVERAGE * offset_error)
    )
