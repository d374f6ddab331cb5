"""The output stage in ngspice: netlists with simple models, their values from the board file and ``hw/parts.toml``.

``python -m hw.spice`` prints the table of docs/hardware/simulation.md. ngspice comes from Debian
(deploy/apt-test.txt); the product never runs it. Nothing here was measured on a board: it shows that the figures of the
paper design fit each other, and what their parts' tolerances make of them.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

from hw.board import DAC_CODES, Board

FOLDER: Final = Path(__file__).parent
PARTS: Final = FOLDER.parent / "parts.toml"
_TIMEOUT_S: Final = 120.0
_HALF_VOLT: Final = 1.65
"""Where the comparators of the timers switch: half of 3.3 V, so that a time is R C ln 2."""
_TIMERS_ALSO: Final = 0.015
"""What a comparator's threshold adds to a corner, as a share of itself."""

Figures = dict[str, float]


def load_parts() -> dict[str, dict[str, Any]]:
    """Every part of ``hw/parts.toml`` by its designator."""
    return tomllib.loads(PARTS.read_text(encoding="utf-8"))


def values(board: Board) -> Figures:
    """The parameters of the netlists: volt, ampere, ohm and farad."""
    found = {name.lower(): float(part["value"]) for name, part in load_parts().items() if "value" in part}
    vref = board.adc.vref_mv / 1000
    return {
        **found,
        "c_series": board.series_capacitor_uf * 1e-6,
        "full_scale_a": board.full_scale_ua * 1e-6,
        "vref": vref,
        "dac_v": vref * (DAC_CODES - 1) / DAC_CODES,
        "r_shunt_nominal": found["r_shunt"],
        "peak_full_scale_v": board.adc.peak_full_scale_mv / 1000,
        "electrode_divider": float(board.adc.electrode_divider),
        "average_zero_v": board.adc.average_zero_mv / 1000,
        "average_v_per_a": float(board.adc.average_mv_per_ma),
        "half": _HALF_VOLT,
        "load": 500.0,
    }


def corner(side: int, *names: str, threshold: int = 0) -> Figures:
    """The values of the named parts at the lower (-1) or upper (+1) end of their tolerances; ``threshold``: which end
    the timers' comparators are at."""
    parts = load_parts()
    found = {name.lower(): parts[name]["value"] * (1 + side * parts[name]["tolerance_percent"] / 100) for name in names}
    return {**found, "half": _HALF_VOLT * (1 + threshold * _TIMERS_ALSO)}


def run(deck: str, board: Board, **changes: float | str) -> Figures:
    """What the ``.meas`` lines of ``deck``.cir come to, with some values changed. A measurement that failed is missing.

    Raises OSError without ngspice, RuntimeError when it could not simulate.
    """
    text = "".join(f".param {name}={value}\n" for name, value in {**values(board), **changes}.items())
    with tempfile.TemporaryDirectory(prefix="spice") as name:
        for file in FOLDER.glob("*.cir"):
            (Path(name) / file.name).write_bytes(file.read_bytes())
        (Path(name) / "values.inc").write_text(text, encoding="ascii")
        said = subprocess.run(
            ["ngspice", "-b", f"{deck}.cir"], cwd=name, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    found = {name: float(value) for name, value in re.findall(r"^(\w+_[asvc]) += +(\S+)", said.stdout, re.MULTILINE)}
    if said.returncode or not found:
        raise RuntimeError(f"ngspice could not simulate {deck}: {said.stdout[-500:]} {said.stderr[-1500:]}")
    return found
