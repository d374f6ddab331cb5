"""The ledger: what is kept across restarts of the guard, and the budgets of a day.

The record is written before a session starts (its whole length debited, not clean) and after it ended (credited back,
clean). A guard that finds a missing record, or one of a session that was not closed, does not know what the body just
received: it takes a 30 s contraction to have just ended, and starts stopped. So it does with a cause that nobody has
acknowledged: ending the guard clears nothing. Pure: text and numbers in, text and numbers out; ``safety/guard.py``
reads and writes the file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, timedelta
from typing import Final

from safety import limits
from safety.causes import CAUSES
from safety.decode import Refusal
from safety.gate import History
from safety.schedule import CHANNELS

WEEK_DAYS: Final = 7


@dataclass(frozen=True)
class Record:
    """What is on disk.

    ``clean``: the last session was closed in order, and what stopped since was acknowledged. ``day``: the last day
    known (ISO date; None before the first). ``sessions``: sessions debited since that day began. ``delivered_us``:
    session time since then. ``contraction_us``: length of the contraction that came last, per channel. ``cause``: what
    latched last; not clean without one is a session that was never closed. ``cut_line`` and ``cut_us``: the phase that
    this stop has cut, if any, and how long it lasted. A guard that lost its daemon does not know. ``locked_by``: a
    cause that only a clinician clears, and nobody has. ``week``: (day, sessions) of the days before ``day`` that lie
    within the same seven. ``revision`` and ``prescription`` (SHA-256): the highest one that was taken. ``seen``: the
    latest date that the machine's clock has shown: validity goes by it, and no budget, which a person's phone opens.
    """

    clean: bool = True
    day: str | None = None
    sessions: int = 0
    delivered_us: int = 0
    contraction_us: tuple[int, ...] = (0, 0)
    cause: str | None = None
    cut_line: str | None = None
    cut_us: int = 0
    locked_by: str | None = None
    week: tuple[tuple[str, int], ...] = ()
    revision: int = 0
    prescription: str | None = None
    seen: str | None = None
    schema: int = 3

    def found(self) -> tuple[str, ...]:
        """The causes with which a guard that finds this record starts stopped: those that nobody has acknowledged."""
        latched = () if self.clean else (self.cause if self.cause in CAUSES else "guard_restarted",)
        return latched if self.locked_by is None else (*latched, self.locked_by)


UNKNOWN = Record(
    clean=False,
    sessions=limits.SESSIONS_PER_DAY_MAX,
    contraction_us=(limits.CONTRACTION_MAX_US, limits.CONTRACTION_MAX_US),
)
"""What must be assumed when there is no record, or none that can be read: the day it is read on is spent."""


def dump(record: Record) -> str:
    """The record as text."""
    return json.dumps(asdict(record)) + "\n"


def load(text: str | None) -> Record:
    """The record from its text; anything missing, unknown or out of range makes it ``UNKNOWN``, never a guess."""
    try:
        raw = json.loads(text or "")
        if raw.get("schema") == 1:  # before there were prescriptions
            raw = {"cut_line": None, "cut_us": 0, **raw, "week": [], "revision": 0, "prescription": None, "schema": 2}
        if raw.get("schema") == 2:  # before the clock was noted
            raw = {**raw, "seen": raw["day"], "schema": 3}
        if set(raw) != {field.name for field in fields(Record)}:
            return UNKNOWN
        week = tuple((day, sessions) for day, sessions in raw["week"])
        record = Record(**{**raw, "contraction_us": tuple(raw["contraction_us"]), "week": week})
        days = [day for day in (record.day, record.seen, *(day for day, _ in week)) if day is not None]
        counts = (record.sessions, record.delivered_us, record.revision, record.cut_us)
        whole = (*counts, *record.contraction_us, *dict(week).values())
        good = (
            record.schema == 3
            and all(date.fromisoformat(day).isoformat() == day for day in days)
            and type(record.clean) is bool
            and all(type(number) is int and number >= 0 for number in whole)
            and len(record.contraction_us) == len(CHANNELS)
            and all(isinstance(text, str | None) for text in (record.cause, record.cut_line, record.prescription))
            and (record.locked_by is None or record.locked_by in CAUSES)
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return UNKNOWN
    if not good:
        return UNKNOWN
    if not record.clean and record.cause is None:  # what came last was not written down
        return replace(record, contraction_us=UNKNOWN.contraction_us)
    return record


def open_day(record: Record, day: str | None) -> Record:
    """Takes note of the present day: an ISO date that is trusted, or None.

    Only a later day than the last one known opens a new budget. An unknown or earlier day spends the same one, and so
    does the first day that is ever known.
    """
    if day is None or (record.day is not None and day <= record.day):
        return record
    if record.day is None:
        return replace(record, day=day)
    first = (date.fromisoformat(day) - timedelta(days=WEEK_DAYS - 1)).isoformat()
    week = tuple(one for one in (*record.week, (record.day, record.sessions)) if one[0] >= first and one[1])
    return replace(record, day=day, sessions=0, delivered_us=0, week=week)


def see_day(record: Record, day: str) -> Record:
    """Takes note of what the machine's clock shows, an ISO date: a clock that goes back makes nothing valid again."""
    return record if record.seen is not None and day <= record.seen else replace(record, seen=day)


def known_day(record: Record) -> str | None:
    """The latest day that has come, by a person's phone or by the machine's clock; None before the first."""
    return max((day for day in (record.day, record.seen) if day is not None), default=None)


def latest(record: Record, today: date) -> date:
    """By which day a validity is judged: this machine's own date, or the last day known where the clock went back."""
    known = known_day(record)
    return today if known is None else max(today, date.fromisoformat(known))


def debit(record: Record, duration_us: int, per_day: int, per_week: int) -> Record | Refusal:
    """Takes a whole session from the budgets of day and week before it starts."""
    per_day = min(per_day, limits.SESSIONS_PER_DAY_MAX)
    if record.sessions >= per_day:
        return Refusal("day_spent", f"{record.sessions} sessions today; allowed: {per_day}")
    in_week = record.sessions + sum(sessions for _, sessions in record.week)
    if in_week >= per_week:
        return Refusal("week_spent", f"{in_week} sessions in {WEEK_DAYS} days; prescribed: {per_week}")
    return replace(
        record,
        clean=False,
        cause=None,
        cut_line=None,
        cut_us=0,
        sessions=record.sessions + 1,
        delivered_us=record.delivered_us + duration_us,
    )


def credit(record: Record, unused_us: int, channels: dict[str, History]) -> Record:
    """Closes a session in order: what was not delivered goes back."""
    lengths = tuple(channels[channel].length_us for channel in CHANNELS)
    return replace(
        record, clean=True, delivered_us=max(0, record.delivered_us - max(0, unused_us)), contraction_us=lengths
    )


def begin(record: Record, now_us: int) -> dict[str, History]:
    """The channels' histories at a start: the last contraction is taken to have ended just now."""
    lengths = dict(zip(CHANNELS, record.contraction_us, strict=True))
    return {channel: History(now_us - length, now_us) if length else History() for channel, length in lengths.items()}
