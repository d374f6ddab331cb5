"""The table of causes of ``docs/interlock.md``: ``python -m tests.support.cause_table`` prints it."""

from __future__ import annotations

import sys
from typing import Final

from controller.causes import in_words
from safety.causes import CAUSES, Act, Clears

DONE: Final = {
    (Act.STOP, False): "stop",
    (Act.LOCKOUT, False): "stop, locked",
    (Act.RAMP, False): "ramp, then stop",
    (Act.RAMP, True): "ramp, then pause",
}
"""By what is done, and whether a person resumes it."""
CLEARED: Final = {
    Clears.RESUME: "a person resumes",
    Clears.ACKNOWLEDGE: "a person acknowledges",
    Clears.RESET: "a person acknowledges, and the trip is re-armed",
    Clears.RELEASE_AND_ACKNOWLEDGE: "the button is released, then a person acknowledges",
    Clears.CLINICIAN: "a clinician acknowledges",
}


def table() -> str:
    """Every cause, worst first."""
    rows = ["| priority | code | meaning | what is done | how it clears |", "|---|---|---|---|---|"]
    for cause in sorted(CAUSES.values(), key=lambda one: one.priority):
        done = DONE[cause.act, cause.clears is Clears.RESUME]
        words = (str(cause.priority), f"`{cause.code}`", in_words(cause.code), done, CLEARED[cause.clears])
        rows.append(f"| {' | '.join(words)} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
