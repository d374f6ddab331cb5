"""What closes stimulation until a clinician has looked: a contraindication that was answered with yes, or a complaint
after a session. Rows of the journal; pure.

Rows ``block`` have ``event``: ``closed`` (with ``why``: ``contraindicated`` or ``adverse``, ``what``: codes, ``note``)
or ``released`` (with ``block``: the number of the row that closed, ``who``, ``reason``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from controller.chain import Row

ADVERSE: Final = ("burning", "bleeding", "irritation")
"""What a person may complain of after a session."""


@dataclass(frozen=True)
class Block:
    """One thing that keeps stimulation closed. ``id``: its row in the journal; ``at``: ISO 8601 in UTC."""

    id: int
    at: str
    why: str
    what: tuple[str, ...]
    note: str = ""


def blocks(rows: Iterable[Row]) -> list[Block]:
    """Those that nobody has released, the oldest first. A yes that was told again is one block."""
    found: dict[int, Block] = {}
    for row in rows:
        told = row.fields
        if told["event"] == "released":
            found.pop(told["block"], None)
        else:
            new = Block(row.number, row.at, told["why"], tuple(told["what"]), told.get("note", ""))
            if all((one.why, one.what, one.note) != (new.why, new.what, new.note) for one in found.values()):
                found[row.number] = new
    return list(found.values())
