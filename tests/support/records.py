"""Records of the guard as tests find or leave them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from safety import ledger
from safety.store import RECORD


def leave_unclean(state: Path) -> None:
    """A record as a guard leaves it that was killed in its first session: 30 s of contraction may just have ended."""
    state.mkdir(exist_ok=True)
    (state / RECORD).write_text(ledger.dump(replace(ledger.Record(), clean=False)), encoding="utf-8")
