"""Random people, faults and time, 10 000 steps and an hour of sessions: no rule about the current is ever broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from safety.interlock import Mode

STEPS, EXAMPLES, SESSION_S = 10_000, 40, 3_600
"""In all; in parts that run side by side, one for each processor: each is a chain of processes that take turns."""
PARTS = min(4, os.cpu_count() or 1)
MOST_S = 1_500


@pytest.mark.req("SR-030", "SR-041", "SR-043", "SR-048")
def test_no_rule_is_broken_whatever_people_and_faults_do(capfd: pytest.CaptureFixture[str]) -> None:
    steps = STEPS // EXAMPLES
    command = [sys.executable, "-m", "tests.stateful.machine", "--steps", str(steps)]
    command += ["--examples", str(-(-EXAMPLES // PARTS)), "--session-s", str(-(-SESSION_S // PARTS))]
    parts = [
        subprocess.Popen([*command, "--seed", str(number)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for number in range(1, PARTS + 1)
    ]
    try:
        said = [part.communicate(timeout=MOST_S) for part in parts]
    finally:
        for part in parts:
            part.kill()
    for part, (_, errors) in zip(parts, said, strict=True):
        assert part.returncode == 0, errors[-20_000:]
    totals = [json.loads(out) for out, _ in said]
    causes, modes = (sum((Counter(one[name]) for one in totals), Counter()) for name in ("causes", "modes"))
    figures = {name: sum(one[name] for one in totals) for name, value in totals[0].items() if type(value) is int}
    with capfd.disabled():
        print(f"\n{figures}\n{dict(causes.most_common())}\n{dict(modes.most_common())}")
    assert figures["steps"] >= STEPS
    assert figures["session_us"] >= SESSION_S * 1_000_000
    assert figures["sessions"] >= 100
    assert figures["contractions"] >= 300
    assert set(modes) >= set(Mode) - {"boot"}, "every mode was reached"
    assert len(causes) >= 20, "and many causes"
