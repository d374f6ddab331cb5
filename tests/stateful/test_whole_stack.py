"""Random people, faults and time, 10 000 steps and an hour of sessions: no rule about the current is ever broken."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from safety.interlock import Mode
from tests.stateful.days import GROWS_KB

STEPS, SESSION_S = 10_000, 3_600
"""In all. What the steps leave of the hour is played in order."""
PARTS = 2
"""Side by side: each is a chain of processes that take turns. More of them would be other courses of events."""
MOST_S = 3_000
"""Of the wall's time, on the busiest machine: some 140 s on two processors."""


@pytest.mark.req("SR-030", "SR-041", "SR-043", "SR-048", "SR-149")
def test_no_rule_is_broken_whatever_people_and_faults_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.stateful.machine", "--as-found"]
    command += ["--steps", str(STEPS // PARTS), "--session-s", str(SESSION_S // PARTS)]
    logs = [tmp_path / f"{number}.txt" for number in range(1, PARTS + 1)]
    with contextlib.ExitStack() as open_:
        parts = [
            subprocess.Popen([*command, "--seed", log.stem], stdout=out, stderr=out)
            for log, out in ((log, open_.enter_context(log.open("w"))) for log in logs)
        ]
        for part in parts:
            open_.callback(part.kill)
        codes = [part.wait(MOST_S) for part in parts]
    said = [log.read_text(encoding="utf-8") for log in logs]
    for log, code, text in zip(logs, codes, said, strict=True):
        assert code == 0, f"{' '.join(command)} --seed {log.stem}\n{text[-20_000:]}"
    totals = [json.loads(text.splitlines()[-1]) for text in said]
    causes, modes = (sum((Counter(one[name]) for one in totals), Counter()) for name in ("causes", "modes"))
    figures = {name: sum(one[name] for one in totals) for name, value in totals[0].items() if type(value) is int}
    print(figures, dict(causes.most_common()), dict(modes.most_common()))
    assert figures["steps"] >= STEPS
    assert figures["session_us"] >= SESSION_S * 1_000_000
    assert max(one["grown_kb"] for one in totals) <= GROWS_KB, "the guard, in what was played in order"
    assert figures["sessions"] >= 300
    assert figures["contractions"] >= 500
    assert set(modes) >= set(Mode) - {"boot"}, "every mode was reached"
    assert len(causes) >= 20, "and many causes"
