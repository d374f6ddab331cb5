"""Distributions as SVG: how many of a hundred tries were no worse than so much. Equal numbers give equal files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 320, 52, 240, 34, 44
DASHES: Final = ("", "7 4", "2 3", "10 3 2 3", "1 5", "5 2", "12 4", "3 6")
"""A line is known by its dashes and its name, not by a colour alone."""
COLOURS: Final = ("#0b5fa5", "#a5380b", "#2c7a2c", "#6b2c91", "#7a6a00", "#00727a", "#444444", "#a50b6e")


def ecdf(title: str, unit: str, series: Mapping[str, Sequence[float]]) -> str:
    """Quantiles of each series over a logarithmic axis; what is 0 or less stands at its left end."""
    positive = [value for values in series.values() for value in values if value > 0 and math.isfinite(value)]
    low = 10.0 ** math.floor(math.log10(min(positive))) if positive else 0.1
    high = 10.0 ** math.ceil(math.log10(max(positive))) if positive else 1.0
    high = max(high, low * 10)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(value: float) -> float:
        share = math.log10(min(max(value, low), high) / low) / math.log10(high / low)
        return LEFT + (right - LEFT) * share

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"',
        f' font-family="sans-serif" font-size="12" role="img" aria-label="{title}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{title}</text>',
    ]
    for percent in (0, 25, 50, 75, 100):
        y = bottom - (bottom - TOP) * percent / 100
        drawn.append(f'<path d="M{LEFT} {y:.1f} H{right}" stroke="#ddd"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>')
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        at = x(10.0**power)
        drawn.append(f'<path d="M{at:.1f} {TOP} V{bottom}" stroke="#ddd"/>')
        drawn.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{10.0**power:g}</text>')
    drawn.append(f'<text x="{(LEFT + right) // 2}" y="{HEIGHT - 8}" text-anchor="middle">{unit}</text>')
    for number, (name, values) in enumerate(series.items()):
        colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        last = len(values) - 1
        points = " ".join(
            f"{x(value):.1f},{bottom - (bottom - TOP) * place / last:.1f}" for place, value in enumerate(values)
        )
        style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        drawn.append(f'<polyline points="{points}" {style}/>')
        y = TOP + 10 + 20 * number
        drawn.append(f'<path d="M{right + 14} {y} H{right + 44}" {style}/>')
        drawn.append(f'<text x="{right + 50}" y="{y + 4}">{name}</text>')
    return "\n".join([*drawn, "</svg>"]) + "\n"
