"""Resident memory of app (engine and journal) and guard over hours of session time, on the virtual clock.

python -m tests.bench.growth [SESSIONS [MINUTES]] [--write]      24 sessions of 20 minutes are 8 hours
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from controller.port import Action
from tests.bench.bench_api import PAGE, machine, rss_mib
from tests.bench.results import keep
from tests.support.sections import put, table
from tests.support.treatment import TODAY, treatment

SESSIONS = 24
MINUTES = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sessions", type=int, nargs="?", default=SESSIONS)
    parser.add_argument("minutes", type=int, nargs="?", default=MINUTES)
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE}")
    args = parser.parse_args()
    figures, began = {"machine": machine()}, time.monotonic()
    with tempfile.TemporaryDirectory() as name, treatment(Path(name)) as person:
        person.prescribe(minutes=args.minutes)
        guard = Path(f"/proc/{person.rig.sim.processes[-1].pid}")
        for number in range(args.sessions):
            person.today = (date.fromisoformat(TODAY).replace(year=2020) + timedelta(days=number)).isoformat()
            person.arm()
            person.act(Action.START)
            person.raise_to(12_000)
            person.until(lambda state: state.session is None, (args.minutes + 1) * 60_000_000)
            person.wait(60_000_000)
            gc.collect()
            app = rss_mib(Path(f"/proc/{os.getpid()}"))
            told = f"app {app:.1f} MiB, guard {rss_mib(guard):.1f} MiB, journal {person.journal.head.number} rows"
            played = (number + 1) * args.minutes
            print(f"{played} min: {told}, {person.state.mode}", flush=True)
            if number in (0, 1) or (number + 1) % 6 == 0 or number + 1 == args.sessions:
                figures[f"after {played / 60:.1f} h of session time"] = told
    figures["took"] = f"{(time.monotonic() - began) / 60:.0f} min"
    if args.write:
        keep("tests.bench.growth", figures)
        put(PAGE, "tests.bench.growth", table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
