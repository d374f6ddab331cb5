"""An app that is killed again and again while it is busy, on one guard: ``python -m tests.support.killed [KILLS]``.

Each round is an app process with engine and journal on the virtual clock. It says which rows it was told are on disk,
and is killed at a moment that nothing in it knows of; a day passes after each third round, as the guard counts them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

from controller.chain import Kind
from controller.history import KINDS, records
from controller.journal import NAME, read
from controller.journal_check import verify
from controller.port import Action
from hw.board import load_board
from hw.clock import VirtualClock
from safety.limits import CHECKS_APART_US
from tests.support.stack import PHASE_GPIOS, Stack, stack
from tests.support.treatment import TODAY, Person, after

A_DAY = 3
"""Sessions. A prescription holds for 364 days, of which the last is this machine's own: enough for 1 092 rounds."""
OUTPUT_ENDS_US = 250_000
BEFORE_US = 500_000


def app(runtime: Path, folder: Path, day: str) -> None:
    """The process that is killed."""
    clock = VirtualClock(str(runtime / "sim.sock"), "app")
    person = Person(Stack(cast(Any, None), runtime, Path(), clock, load_board()), folder, today=day)
    print("ready", flush=True)
    number = 0

    def write() -> None:
        nonlocal number
        number += 1
        row = person.journal.append(Kind.COMMAND, what="busy", number=number).result()
        print(json.dumps([row.number, row.hash]), flush=True)

    if person.engine.prescription() is None:
        person.prescribe(sessions_per_day=A_DAY, sessions_per_week=7 * A_DAY, weeks=52)
    if person.state.cause is not None:
        person.has(person.engine.acknowledge("clinician"))
    person.arm()
    write()
    person.act(Action.START)
    while True:
        one = person.state.channels["A"]
        if one.set_point_ua < one.allowed_ua:
            person.set(one.allowed_ua)
        write()
        person.wait(20_000)


def rounds(kills: int, seed: int = 1) -> int:
    """Kills so many; gives how many of them while something could come out. Raises AssertionError for what was lost."""
    chance, running = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as name, stack() as rig:
        folder = Path(name)
        rig.clock.close()
        watching = VirtualClock(str(rig.folder / "sim.sock"), "watching")
        for kill in range(kills):
            day = after(TODAY, (kill - kills) // A_DAY)
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.killed", str(rig.folder), str(folder), day],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            watching.close()  # from here on the app's own time passes
            told = [process.stdout.readline() for _ in range(1 + chance.randrange(80))]
            assert told[0], f"round {kill}: no session opened"
            os.kill(process.pid, signal.SIGSTOP)  # time now waits for it, but for what it waits for itself
            killed = int(rig.sim.control.ask("levels")["now"])
            os.kill(process.pid, signal.SIGKILL)
            told += process.stdout.readlines()
            assert process.wait() == -signal.SIGKILL, f"round {kill}: it had ended by itself"
            process.stdout.close()
            watching = VirtualClock(str(rig.folder / "sim.sock"), "watching")
            watching.wait(watching.now() + CHECKS_APART_US)
            rises = [at - killed for at, _, level in rig.edges(killed - BEFORE_US, PHASE_GPIOS) if level]
            assert max(rises, default=0) <= OUTPUT_ENDS_US, f"round {kill}: output {max(rises)} us after the kill"
            running += bool(rises)
            kept = {row.number: row.hash for row in read(folder / NAME)}
            for line in told:
                if line.endswith("]\n"):  # the last one may be cut
                    number, digest = json.loads(line)
                    assert kept.get(number) == digest, f"round {kill}: row {number} was told as written"
            verdict = verify(folder / NAME, rig.state)
            assert verdict.findings == (), f"round {kill}: {verdict.findings}"
            if (kill + 1) % 50 == 0:
                print(f"{kill + 1} kills, {running} while something came out, {verdict.rows} rows", flush=True)
        watching.close()
        closed = [record.closed for record in records(read(folder / NAME, *KINDS))]
        assert None not in closed[:-1], "each app said of the one before it that it had died"
    return running


if __name__ == "__main__":
    if len(sys.argv) > 2:
        app(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    else:
        tries = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
        print(f"{tries} kills, {rounds(tries)} of them while something came out: nothing lost, output ended each time")
