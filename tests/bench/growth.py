"""Resident memory of app (engine and journal) and guard over hours of session time, on the virtual clock.

python -m tests.bench.growth [SESSIONS [MINUTES]]      24 sessions of 20 minutes are 8 hours
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from controller.port import Action
from tests.bench.bench_api import rss_mib
from tests.support.treatment import TODAY, treatment

SESSIONS = 24
MINUTES = 20


def main() -> int:
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    minutes = int(sys.argv[2]) if len(sys.argv) > 2 else MINUTES
    with tempfile.TemporaryDirectory() as name, treatment(Path(name)) as person:
        person.prescribe(minutes=minutes)
        guard = Path(f"/proc/{person.rig.sim.processes[-1].pid}")
        for number in range(sessions):
            person.today = (date.fromisoformat(TODAY).replace(year=2020) + timedelta(days=number)).isoformat()
            person.arm()
            person.act(Action.START)
            person.raise_to(12_000)
            person.until(lambda state: state.session is None, (minutes + 1) * 60_000_000)
            person.wait(60_000_000)
            gc.collect()
            rows = person.journal.head.number
            told = f"app {rss_mib(Path(f'/proc/{os.getpid()}')):.1f} MiB, guard {rss_mib(guard):.1f} MiB, {rows} rows"
            print(f"{(number + 1) * minutes} min: {told}, {person.state.mode}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
