"""The long programmes of the library, whole, through the whole stack: part of ``make soak`` (``python -m
tests.support.library``). Every test run has them compiled and read back (``tests/unit/test_library.py``).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from controller.programme import shipped_programmes
from tests.decoder import decode, verify

LONG_MA = {
    "stress-long-pulse": 20,
    "urge-10hz": 18.5,
    "mixed-13-50hz": 24,
    "urge-4hz": 16,
    "relaxation": 10,
    "tibial-nerve-20hz": 18,
    "anal-35hz": 14,
    "very-weak": 24,
    "postpartum-start": 15,
    "technique": 12,
}
"""What the person asks for, in mA."""
FIRST = 5
"""Of real-time priorities: after guard and board, before all that has none."""


def pelvistim(*arguments: object, first: bool = False) -> subprocess.CompletedProcess[str]:
    """``first``: goes before others, where the system permits that: it keeps to real time."""
    command = [sys.executable, "-m", "controller.cli", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        if first:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(FIRST))
        out, err = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


LATE: Final = frozenset(("check_late", "dead_man_fired", "daemon_slow", "rail_lost"))
"""Why a guard that got no processor for a while ends its output, or does not begin."""


class MachineLate(AssertionError):
    """A run in real time was stopped since the machine gave the guard no processor in time."""


def run_json(*arguments: object, first: bool = False) -> dict[str, Any]:
    """What ``pelvistim run`` tells. Raises MachineLate where that is why it stopped, in real time (``first``) only."""
    result = pelvistim("run", *arguments, "--board", "sim", "--json", first=first)
    if first and result.returncode and any(f"[{cause}]" in result.stderr for cause in LATE):
        raise MachineLate(result.stderr)
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def whole(name: str, intensity_ma: float, folder: Path) -> None:
    """A whole session; counts, times and codes are those of the file, read back from the edges alone."""
    edges = folder / "edges.csv"
    told = run_json(name, "--intensity", intensity_ma, "--speed", "max", "--edges", edges)
    checked = json.loads(pelvistim("check", name, "--json").stdout)
    decoded = decode(edges)
    text = shipped_programmes()[name].read_bytes()
    assert verify(decoded, text, round(intensity_ma * 1000)) == []
    assert len(decoded.pulses) == checked["session"]["pulses"] == told["pulses_sent"]
    for counted in ("contractions", "continuous_phases"):
        assert told[counted] == checked["session"][counted]
    assert set(decoded.net_charge.values()) == {told["net_charge_code_us"]} == {0}
    assert told["underruns"] == 0
    assert set(told["time_to_set_point_s"].values()).isdisjoint({None})
    for peak in told["peak_measured_ma"].values():
        assert abs(peak - intensity_ma) <= 0.02 * intensity_ma


def main() -> int:
    for name, intensity_ma in LONG_MA.items():
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            whole(name, intensity_ma, Path(folder))
        print(f"{name}: whole, as written ({time.monotonic() - begun:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
