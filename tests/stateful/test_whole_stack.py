"""Random people, faults and time, 10 000 steps and an hour of sessions: no rule about the current is ever broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from safety.interlock import Mode
from tests.stateful.days import GROWS_KB
from tests.stateful.machine import GROWTH_US, IN_ORDER_US

PARTS = (1_000, 2_000)
"""By the seeds of their first worlds. Each is a chain of processes that take turns: one for a processor."""
STEPS, SESSION_S = 5_000, 1_800
"""Of each. What the steps leave of the session time is played in order."""
MOST_S = 3_000
"""Of the wall's time, on the busiest machine: some 140 s on one that has nothing else to do."""


@pytest.mark.long
@pytest.mark.req("SR-030", "SR-041", "SR-043", "SR-048", "SR-149", "SR-152")
@pytest.mark.parametrize("part", PARTS)
def test_no_rule_is_broken_whatever_people_and_faults_do(part: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.stateful.machine", "--seed", str(part)]
    command += ["--steps", str(STEPS), "--session-s", str(SESSION_S)]
    log = tmp_path / "log.txt"
    with log.open("w") as out:
        code = subprocess.run(command, stdout=out, stderr=out, timeout=MOST_S, check=False).returncode
    said = log.read_text(encoding="utf-8")
    assert code == 0, f"{' '.join(command)}\n{said[-20_000:]}"
    told = json.loads(said.splitlines()[-1])
    print(told)
    assert told["steps"] >= STEPS
    assert told["session_us"] >= SESSION_S * 1_000_000
    assert told["looks"] * GROWTH_US >= IN_ORDER_US, "enough was played in order to tell growth"
    assert told["grown_kb"] <= GROWS_KB, "the guard, in what was played in order"
    assert told["sessions"] >= 150
    assert told["contractions"] >= 250
    assert set(told["modes"]) >= set(Mode) - {"boot"}, "every mode was reached"
    assert len(told["causes"]) >= 12, "and many causes"
