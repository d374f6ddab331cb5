"""What a person writes down between sessions: leaks, pads, and how near her own goal is. Rows of the journal; pure.

Rows ``diary`` have ``event``: ``day`` (``day``: ISO date; ``leaks`` and ``pads``: how many, ``goal``: 0 to 10 how near,
each None when not told; ``note``) or ``goal`` (``text``). The newest row of a day counts, and the newest goal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.chain import Kind, Row


@dataclass(frozen=True)
class Day:
    """One day. What was not told is None, never 0."""

    day: str
    leaks: int | None
    pads: int | None
    goal: int | None
    note: str


@dataclass
class Diary:
    """All that was told: the days in order, and the goal in the person's own words."""

    days: list[Day] = field(default_factory=list)
    goal: str = ""


def diary(rows: Iterable[Row]) -> Diary:
    """The diary as it stands."""
    told: dict[str, Day] = {}
    goal = ""
    for row in rows:
        if row.kind != Kind.DIARY:
            continue
        fields = row.fields
        if fields["event"] == "goal":
            goal = fields["text"]
        else:
            told[fields["day"]] = Day(*(fields[name] for name in ("day", "leaks", "pads", "goal", "note")))
    return Diary([told[day] for day in sorted(told)], goal)
