"""What was measured last, in docs/benchmarks.json: the page, its plots and README are made from it, and a test says so.

A part has ``machine``, ``figures`` (words by what they are of) and, for a plot, ``series`` (numbers by a name, as 101
quantiles each) on an axis ``unit``.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "docs" / "benchmarks.json"


def machine() -> str:
    """What it is measured on, and how busy that is."""
    kernel = platform.release().partition("-")[0]
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), Linux {kernel}, Python {platform.python_version()}, "
        f"load average {os.getloadavg()[0]:.1f} before"
    )


def load() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def keep(part: str, figures: Mapping[str, str], **more: Any) -> None:
    """Puts one part in the place of what was measured before."""
    whole = {**load(), part: {"figures": dict(figures), **more}}
    text = json.dumps(dict(sorted(whole.items())), indent=1, ensure_ascii=False)
    text = re.sub(r"\[[-\d.e+,\s]+\]", lambda numbers: " ".join(numbers[0].split()), text)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def quantiles(values: Sequence[float]) -> list[float]:
    """The smallest, every hundredth part, the largest; five digits of each."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return [float(f"{ordered[round(last * part / 100)]:.5g}") for part in range(101)]


def spread(values: Sequence[float], unit: str) -> str:
    """A distribution in words: median, 99th percentile, the largest, how many."""
    ordered = sorted(values)
    p99 = ordered[max(0, math.ceil(len(ordered) * 0.99) - 1)]
    p50, worst = ordered[len(ordered) // 2], ordered[-1]
    return f"p50 {short(p50)}, p99 {short(p99)}, worst {short(worst)} {unit} (n {len(ordered)})"


def short(figure: float) -> str:
    """Three digits, without an exponent."""
    return f"{figure:.3g}" if figure < 1000 else "never" if math.isinf(figure) else f"{figure:.0f}"
