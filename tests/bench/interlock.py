"""``make bench-interlock``: how soon output ends, in real time on the simulated board, against the bounds of the page.

python -m tests.bench.interlock [--tries N] [--only NAME ...] [--boards N]

Results go to build/bench-interlock.json, those of other events there stay; with 200 tries or more the table in
docs/interlock.md is made anew. Several boards at once: most of a try is waiting. With 200 tries it
takes about 20 minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from typing import Any, Final

from safety.errors import PelviStimError
from tests.bench.board import Try, TryFailed, trying
from tests.bench.bounds import EVENTS, Event, one_try
from tests.bench.bounds_table import LEAST_TRIES, PAGE, RESULTS, THIS, document, told
from tests.bench.results import keep
from tests.support.sections import put

BATCH: Final = 40
"""Tries on one board; then another is started, whose record is empty."""
BOARDS: Final = 8
SPOILT_MOST: Final = 5
"""So many tries of a batch may come to nothing before it is given up."""


def batch(name: str, tries: int, seed: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Tries of one event, and why others said nothing."""
    event = next(one for one in EVENTS if one.name == name)
    done: list[Try] = []
    spoilt: list[str] = []
    while len(done) < tries and len(spoilt) < SPOILT_MOST:
        try:
            with trying(seed + 1000 * len(spoilt)) as board:
                while len(done) < tries:
                    done.append(one_try(board, event))
        except (TryFailed, PelviStimError, OSError) as error:
            spoilt.append(str(error).partition("\n")[0])
    return [dataclasses.asdict(one) for one in done], spoilt


def run(events: list[Event], tries: int, boards: int) -> dict[str, Any]:
    """The results of each event, by its name."""
    found: dict[str, Any] = {event.name: {"tries": [], "spoilt": []} for event in events}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(boards, context) as pool:
        tasks: dict[Future[Any], str] = {}
        for first in range(0, tries, BATCH):
            for number, event in enumerate(events):
                seed = 1_000_000 * number + first
                tasks[pool.submit(batch, event.name, min(BATCH, tries - first), seed)] = event.name
        for count, task in enumerate(as_completed(tasks), 1):
            done, spoilt = task.result()
            found[tasks[task]]["tries"] += done
            found[tasks[task]]["spoilt"] += spoilt
            print(f"{count}/{len(tasks)} {tasks[task]}: {len(done)} tries {spoilt or ''}", flush=True)
    return found


def commit() -> str:
    """What is measured; with a + where the tree is another."""
    asked = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    """Exit 1 when an event could not be tried as often as was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.interlock", description=__doc__)
    parser.add_argument("--tries", type=int, default=LEAST_TRIES)
    parser.add_argument("--only", nargs="+", choices=[event.name for event in EVENTS], metavar="NAME")
    parser.add_argument("--boards", type=int, default=BOARDS)
    options = parser.parse_args()
    events = [event for event in EVENTS if not options.only or event.name in options.only]
    began, load = time.monotonic(), os.getloadavg()[0]
    found = run(events, options.tries, options.boards)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"events": {}}
    machine = {
        "what": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "processors": os.cpu_count(),
        "boards": options.boards,
        "load_before": round(load, 1),
        "took_s": round(time.monotonic() - began),
        "commit": commit(),
    }
    results["events"].update({name: {**one, "machine": machine} for name, one in found.items()})
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results), encoding="utf-8")
    kept = told(results)
    print(document(kept))
    if all(len(one["tries"]) >= LEAST_TRIES for one in results["events"].values()):
        keep(THIS, kept["figures"], machine=kept["machine"])
        put(PAGE, THIS, document(kept))
    return int(any(len(one["tries"]) < options.tries for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
