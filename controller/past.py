"""What of the past is asked for, read from a journal that may hold many years: only the rows that tell of it.

What they tell is for ``history``, ``report`` and ``training.records`` to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

from controller import report
from controller.chain import Kind, Row
from controller.history import KINDS, Record, records
from controller.journal import Days, read
from controller.sums import Sums, sums
from controller.training.records import COURSE_DAYS, trainings, which_course

PAGE: Final = 50
"""Sessions, trainings or days that are listed at once, if not said. ours"""
PAGE_MAX: Final = 200
OF_ITSELF: Final = (Kind.PRESCRIPTION, Kind.BLOCK, Kind.DIARY, Kind.IMPRESSION)
"""Kinds of which a report reads all: they are few, and most tell of another day than that they were written on."""


def newest(path: Path, many: int, before: str | None = None) -> list[str]:
    """The sessions that were opened last, or last before the session ``before``; newest first.

    Raises KeyError when there is no session ``before``, JournalError.
    """
    names: list[str] = []
    refused: set[str] = set()
    number = None if before is None else _opened(path, before)
    for row in read(path, Kind.SESSION, before=number, backwards=True):
        told = row.fields
        if told["event"] == "not_started":
            refused.add(told["session"])
        elif told["event"] == "opened" and told["session"] not in refused:
            names.append(told["session"])
        if len(names) == many:
            break
    return names


def page(path: Path, many: int = PAGE, before: str | None = None) -> tuple[list[tuple[Record, Sums]], bool]:
    """The records of ``newest``, with their doses' sums for their doses and events; whether there are more.

    Raises as that.
    """
    names = newest(path, many + 1, before)
    told = records(read(path, Kind.SESSION, Kind.RATING, sessions=names[:many]))
    added = sums(path, names[:many])
    return [(one, added.get(one.id, Sums())) for one in reversed(told)], len(names) > many


def session(path: Path, name: str) -> Record | None:
    """One session; None if there is none of that name. Raises JournalError."""
    return next(iter(records(read(path, *KINDS, sessions=[name]))), None)


def for_report(path: Path, days: Days) -> list[Row]:
    """What ``report.report`` says the same of as of all rows, for a period. Raises JournalError."""
    told = list(read(path, Kind.SESSION, Kind.CAUSE, Kind.THRESHOLD, days=days))
    return _in_order(told, _of_sessions(path, told, *report.KINDS), read(path, *OF_ITSELF))


def for_effect(path: Path, today: date, number: int | None) -> list[Row]:
    """What ``training.records.effect`` says the same of as of all rows: the day on which all began, and one course.

    Raises JournalError.
    """
    base = _in_order(read(path, Kind.TRAINING, Kind.DIARY), _first_delivered(path))
    course = which_course(base, today, number)
    if course is None:
        return base
    opened = read(path, Kind.SESSION, days=(course[1], course[1] + timedelta(days=COURSE_DAYS)))
    return _in_order(base, _of_sessions(path, opened, Kind.SESSION, Kind.DOSE))


def for_follow_up(path: Path) -> list[Row]:
    """What ``training.follow_up.follow_up`` says the same of as of all rows: of sessions and trainings the two ends.

    Raises JournalError.
    """
    ends = [
        row
        for kind in (Kind.SESSION, Kind.TRAINING)
        for backwards in (False, True)
        for row in islice((one for one in read(path, kind, backwards=backwards) if one.fields["event"] == "opened"), 1)
    ]
    return _in_order(read(path, Kind.MESSAGE, Kind.REMINDER, Kind.IMPRESSION), ends)


def trainings_page(path: Path, many: int = PAGE, before: str | None = None) -> tuple[list[dict[str, Any]], bool]:
    """The trainings that were opened last, or last before the training ``before``, the newest first; whether there are
    more. Raises KeyError when there is no training ``before``, JournalError.
    """
    newest = _newest_trainings(path)
    if before is not None and not any(one["id"] == before for one in newest):
        raise KeyError(before)
    found = list(islice(newest, many + 1))
    return found[:many], len(found) > many


def training(path: Path, name: str) -> dict[str, Any] | None:
    """One training; None if there is none of that name. Raises JournalError."""
    return next((one for one in _newest_trainings(path) if one["id"] == name), None)


def _newest_trainings(path: Path) -> Iterator[dict[str, Any]]:
    after: dict[str, list[Row]] = defaultdict(list)
    for row in read(path, Kind.TRAINING, backwards=True):
        told = row.fields
        after[told["training"]].insert(0, row)
        if told["event"] == "opened":
            yield from trainings(after.pop(told["training"]))


def _opened(path: Path, name: str) -> int:
    """The number of its first row."""
    for row in read(path, Kind.SESSION, sessions=[name]):
        return row.number
    raise KeyError(name)


def _of_sessions(path: Path, rows: Iterable[Row], *kinds: Kind) -> Iterable[Row]:
    """Every row of the sessions that were opened in these rows."""
    told = (row.fields for row in rows if row.kind == Kind.SESSION)
    return read(path, *kinds, sessions=[one["session"] for one in told if one["event"] == "opened"])


def _first_delivered(path: Path) -> list[Row]:
    """The rows of the first session of training of which a dose is told."""
    passed: set[str] = set()
    for row in read(path, Kind.DOSE):
        name = row.fields["session"]
        if name in passed:
            continue
        passed.add(name)
        own = list(read(path, Kind.SESSION, Kind.DOSE, sessions=[name]))
        if any(not one.looking for one in records(own)):
            return own
    return []


def _in_order(*some: Iterable[Row]) -> list[Row]:
    return sorted({row.number: row for rows in some for row in rows}.values(), key=lambda row: row.number)
