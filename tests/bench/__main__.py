"""``make bench``: figures about time, from real runs on this machine: distributions, ratios, numbers of tries.

python -m tests.bench [speed] [kill] [joins] [check]     (all without an argument)
"""

from __future__ import annotations

import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from controller.launch import SimulatedBoard
from tests.bench.check import check
from tests.support.stack import DAC_GPIOS, PHASE_GPIOS, short_programme

KILLS = 50
KILL_BOUND_MS = 250
SPEED_RUNS = 3


def main() -> int:
    wanted = sys.argv[1:] or ["speed", "kill", "joins", "check"]
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} processors")
    good = True
    for name in wanted:
        good = {"speed": speed, "kill": kill, "joins": joins, "check": check}[name]() and good
    return 0 if good else 1


def pelvistim(*arguments: object) -> tuple[float, float, dict[str, object]]:
    """Wall seconds, processor seconds of all processes, and the summary of one run."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "controller.cli", "run", *map(str, arguments), "--board", "sim", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    told: dict[str, object] = json.loads(result.stdout)
    return time.monotonic() - began, busy, told


def speed() -> bool:
    """The whole of stress-50hz at --speed max."""
    print(f"\nstress-50hz whole, --speed max, {SPEED_RUNS} tries")
    walls = []
    for _ in range(SPEED_RUNS):
        wall, busy, told = pelvistim("stress-50hz", "--intensity", 20, "--speed", "max")
        session_s = float(str(told["session_s"]))
        walls.append(wall)
        print(f"  {wall:5.1f} s wall, {busy:5.1f} s processor, {session_s / wall:5.1f} times real time")
    print(f"  min {min(walls):.1f}, median {statistics.median(walls):.1f}, max {max(walls):.1f} s")
    return True


def joins() -> bool:
    """Underruns of five minutes in real time."""
    print("\nfive minutes of stress-50hz in real time, 1 try")
    _, busy, told = pelvistim("stress-50hz", "--intensity", 20, "--minutes", 5)
    print(
        f"  {told['underruns']} underruns in {float(str(told['session_s'])) / 0.1:.0f} chunks, {busy:.1f} s processor"
    )
    return True


def kill() -> bool:
    """kill -9 of the app while it plays, in real time: when the last phase or DAC edge came."""
    print(f"\nkill -9 of the app in real time, {KILLS} tries; bound {KILL_BOUND_MS} ms")
    programme = short_programme(hold_ms=20_000, rest_ms=21_000)
    last_ms: list[float] = []
    for index in range(KILLS):
        with tempfile.TemporaryDirectory(prefix="ps") as name:
            last_ms.append(one_kill(Path(name), programme, 0.8 + index * 0.0137))
    last_ms.sort()
    median, p95 = statistics.median(last_ms), last_ms[int(len(last_ms) * 0.95)]
    print(f"  last edge, ms after the kill (negative: before it): min {last_ms[0]:.1f}, median {median:.1f},")
    print(f"  p95 {p95:.1f}, max {last_ms[-1]:.1f}")
    return last_ms[-1] <= KILL_BOUND_MS


def one_kill(folder: Path, programme: bytes, after_s: float) -> float:
    """Milliseconds from the kill to the last edge (negative: it was already resting)."""
    (folder / "p.toml").write_bytes(programme)
    board = SimulatedBoard(folder, folder / "state", new_state=True, speed=1)
    try:
        app = subprocess.Popen(
            [sys.executable, "-m", "tests.support.app", folder, folder / "p.toml", "20000", "--real-time"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert app.stdout is not None
        app.stdout.readline()
        time.sleep(after_s)
        killed = int(board.control.ask("levels")["now"])
        os.kill(app.pid, signal.SIGKILL)
        app.wait()
        app.stdout.close()
        time.sleep(0.5)
        out = folder / "edges.csv"
        board.control.ask("edges", path=str(out), since=None, gpios=[*PHASE_GPIOS, *DAC_GPIOS])
        last = int(out.read_text(encoding="utf-8").splitlines()[-1].split(",")[0])
        return (last - killed) / 1000
    finally:
        board.close()


if __name__ == "__main__":
    sys.exit(main())
