"""Between trainings: the clinician's message, the reminders a person chose, and her monthly impression. Pure.

Rows ``message`` have ``text`` (empty: taken away), ``reminder`` ``days`` (0 Monday to 6 Sunday; none: no reminder) and
``time`` (HH:MM, on the person's own clock), ``impression`` ``step``; all have ``who``. The newest message and reminder
count. Of impressions each stands: what was felt is not felt otherwise afterwards; but the newest of a day counts.

The patient global impression of improvement (PGI-I) is one question with seven steps, from 1, very much better, to 7,
very much worse (Yalcin and Bump 2003, Am J Obstet Gynecol 189:98-101; quoted).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from controller.chain import Kind, Row

STEP_MAX: Final = 7
EVERY: Final = timedelta(days=28)
"""Asked for so long after the first training, and after each answer: a month that is the same length each time. ours"""


@dataclass(frozen=True)
class Message:
    """``at``: when it was written, ISO 8601 in UTC."""

    text: str
    at: str


@dataclass(frozen=True)
class Reminder:
    """On these days (0: Monday), at this time of the person's own clock."""

    days: tuple[int, ...]
    time: str


@dataclass
class FollowUp:
    """How it stands. ``impressions``: ISO day -> step, in order. ``due``: the impression is to be asked for today.
    ``trained``: the ISO day of the last session or training.
    """

    message: Message | None = None
    reminder: Reminder | None = None
    impressions: Mapping[str, int] = field(default_factory=dict)
    due: bool = False
    trained: str | None = None


def follow_up(rows: Iterable[Row], today: date) -> FollowUp:
    """As of ``today`` (UTC). Before 28 days of training there is nothing an impression could be of."""
    told, steps = FollowUp(), dict[str, int]()
    since: str | None = None
    for row in rows:
        match row.kind:
            case Kind.MESSAGE:
                text = row.fields["text"]
                told.message = Message(text, row.at) if text else None
            case Kind.REMINDER:
                days = tuple(row.fields["days"])
                told.reminder = Reminder(days, row.fields["time"]) if days else None
            case Kind.IMPRESSION:
                steps[row.at[:10]] = row.fields["step"]
                since = row.at[:10]
            case Kind.SESSION | Kind.TRAINING if row.fields["event"] == "opened":
                told.trained = row.at[:10]
                since = since or told.trained
    told.impressions = steps
    told.due = since is not None and today - date.fromisoformat(since) >= EVERY
    return told
