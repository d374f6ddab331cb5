"""Every session of a test must be proved, as ``pelvistim verify`` does it."""

from __future__ import annotations

from pathlib import Path

from controller import journal, journal_check
from controller.chain import Kind
from controller.proof import Proof, prove


def unproved(app: Path, guard: Path) -> list[Proof]:
    """Of all sessions that were told whole: those that are not. App and guard must have ended.

    What the app or the guard did not survive has no whole recording or no seal, and is told as lost.
    """
    path = app / journal.NAME
    if not path.is_file():
        return []
    told = [row.fields for row in journal.read(path, Kind.SESSION)]
    closed = [one["session"] for one in told if one["event"] == "closed"]
    verdict = journal_check.verify(path, guard)
    return [proof for name in closed if not (proof := prove(app, guard, name, verdict)).good]
