"""``make soak``: a day of session time, three sessions a day, on the virtual clock, with a report.

Exit code 1 when a rule was broken, the guard has grown or a chunk was missed.

python -m tests.stateful [--hours N] [--seed N]
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence

from tests.stateful.days import GROWS_KB, days, resident_kb
from tests.stateful.electrode import Broken
from tests.stateful.world import FIRST_DAY, World


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stateful", description="Sessions over days, with a report.")
    parser.add_argument("--hours", type=float, default=24.0, help="of session time, 24")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} processors")
    print("hour of sessions   wall, s   guard, kB   board, kB   sessions   pulses   contractions   chunks   missed")
    guard_kb: list[int] = []

    def hour(one: World) -> None:
        board, guard = (resident_kb(process.pid) for process in one.rig.sim.processes)
        guard_kb.append(guard)
        print(
            f"{len(guard_kb):16}{time.monotonic() - began:10.0f}{guard:12}{board:12}{one.sessions:11}"
            f"{one.rules.pulses:9}{one.rules.judged_contractions:15}{one.chunks:9}{one.missed:9}",
            flush=True,
        )

    try:
        one = days(int(options.hours * 3_600_000_000), options.seed, hour)
    except Broken as error:
        print(f"BROKEN: {error}")
        return 1
    seconds = time.monotonic() - began
    grown = guard_kb[-1] - guard_kb[0] if guard_kb else 0
    print(
        f"{one.session_us / 3_600e6:.2f} h of sessions in {seconds:.0f} s: {one.session_us / 1e6 / seconds:.0f} times"
    )
    print(
        f"{one.sessions} sessions on {(one.day - FIRST_DAY).days + 1} days; every electrode pulse was held to the rules"
    )
    print(f"the guard has {grown} kB more than after its first hour (allowed: {GROWS_KB})")
    print(f"of {one.chunks} chunks {one.missed} came late and were counted; the others joined within {one.drift_us} us")
    print(f"strongest pulse {one.rules.strongest_ma:.3f} mA")
    return int(grown > GROWS_KB or one.missed > 0 or one.drift_us > 0)


if __name__ == "__main__":
    sys.exit(main())
