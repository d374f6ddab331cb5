"""Trainings and effect, read from the journal's rows. Days in UTC. Pure.

Rows ``training`` name their ``training`` and have ``event``: ``opened`` (``what``: the kind, ``name``, ``sensor``,
``who``, ``simulated``) or ``closed`` (``ended_by``: ``over``, ``person`` or what made it impossible; and what
``course.Course.result`` tells, or of a guided one ``repeats_done``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from statistics import median
from typing import Any, Final

from controller.chain import Kind, Row
from controller.diary import diary
from controller.history import records
from controller.training.effect import WEEKS, middle_of
from controller.training.measures import CHECKED, GATE, MEASURES, judge_all, overall

COURSE_DAYS: Final = 7 * WEEKS


def trainings(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Every training that was opened, the oldest first; ``ended`` is None for one whose end was not heard."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.kind != Kind.TRAINING:
            continue
        told = row.fields
        name, event = told.pop("training"), told.pop("event")
        if event == "opened":
            found[name] = {"id": name, "kind": told.pop("what"), "began": row.at, "ended": None, **told}
        elif name in found:
            found[name] |= {"ended": row.at, **told}
    return list(found.values())


def which_course(rows: Iterable[Row], today: date, number: int | None = None) -> tuple[int, date] | None:
    """Number (from 0) and first day of the course of a number (from 1), of the newest if none is named; None before
    anything was done, or without such one.

    In the first week of a new course the one before is the newest: of the new one nothing can be said yet.
    """
    kept = list(rows)
    done = [one for one in trainings(kept) if one["ended"]]
    began = _began(*_days(kept, done), done)
    if began is None or today < began:
        return None
    newest, into = divmod((today - began).days, COURSE_DAYS)
    if into < 7 and newest:
        newest -= 1
    chosen = newest if number is None else number - 1
    if not 0 <= chosen <= (today - began).days // COURSE_DAYS:
        return None
    return chosen, began + timedelta(days=chosen * COURSE_DAYS)


def effect(rows: Iterable[Row], today: date, number: int | None = None) -> dict[str, Any] | None:
    """The verdicts of a course (``which_course``); None where there is none."""
    kept = list(rows)
    found = which_course(kept, today, number)
    if found is None:
        return None
    chosen, first = found
    done = [one for one in trainings(kept) if one["ended"]]
    days, sensor = _days(kept, done)
    over = min(WEEKS, (today - first).days // 7)
    weeks = {code: _weeks(values, first, over) for code, values in days.items()}
    told = judge_all(weeks)
    return {
        "course": chosen + 1,
        "first_day": first.isoformat(),
        "weeks_over": over,
        "sensor": sensor,
        "simulated": any(one.get("simulated") for one in done),
        "measures": [
            {
                "code": one.code,
                "more_is_better": one.more_is_better,
                "points": [
                    {"week": week, "value": round(middle_of([v for _, v in values])), "days": len(values)}
                    for week, values in enumerate(weeks[one.code], 1)
                    if values
                ],
                **asdict(told[one.code]),
                "verdict": told[one.code].verdict.value,
            }
            for one in MEASURES
        ],
    }


def usual_rest(done: Sequence[Mapping[str, Any]], sensor: str) -> int | None:
    """The person's own resting level with this kind of sensor: the median of her trainings so far, from three on."""
    found = [one["levels"]["rest_nv"] for one in done if one.get("levels") and one["sensor"] == sensor]
    return round(median(found)) if len(found) >= 3 else None


def _days(rows: Sequence[Row], done: Sequence[Mapping[str, Any]]) -> tuple[dict[str, dict[date, float]], str | None]:
    """For each measure its value of each day, the median where there are several; and the sensor that was used last."""
    found: dict[str, dict[date, list[float]]] = {one.code: {} for one in MEASURES}

    def put(code: str, day: date, value: float) -> None:
        found[code].setdefault(day, []).append(value)

    sensor = next((one["sensor"] for one in reversed(done) if one.get("measures")), None)
    for one in done:
        measures = one.get("measures") or {}
        if one["sensor"] != sensor:
            continue
        day = date.fromisoformat(one["began"][:10])
        for code, value in measures.items():
            put(code, day, value)
        together = overall(*(measures[code] for code in CHECKED)) if all(code in measures for code in CHECKED) else None
        if together is not None:
            put(GATE, day, together)
    for session in records(rows):
        if session.comfortable_ua and not session.looking:
            put("comfortable_ua", date.fromisoformat(session.began[:10]), max(session.comfortable_ua.values()))
    for entry in diary(rows).days:
        for code, value in (("leaks", entry.leaks), ("goal", entry.goal)):
            if value is not None and (told := _written(entry.day)) is not None:
                put(code, told, value)
    return {code: {day: median(values) for day, values in of.items()} for code, of in found.items()}, sensor


def _written(text: str) -> date | None:
    """A day as a person wrote it, None for the 31st of a shorter month."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _began(
    days: Mapping[str, Mapping[date, float]], sensor: str | None, done: Sequence[Mapping[str, Any]]
) -> date | None:
    """The first day; after a change to another kind of sensor, the first day with that."""
    changed = None
    for one in done:
        if one.get("measures") and one["sensor"] != sensor:
            changed = None
        elif one.get("measures") and changed is None:
            changed = date.fromisoformat(one["began"][:10])
    if changed is not None and any(one.get("measures") and one["sensor"] != sensor for one in done):
        return changed
    all_days = [day for of in days.values() for day in of] + [date.fromisoformat(one["began"][:10]) for one in done]
    return min(all_days, default=None)


def _weeks(values: Mapping[date, float], first: date, over: int) -> list[list[tuple[int, float]]]:
    weeks: list[list[tuple[int, float]]] = [[] for _ in range(over)]
    for day in sorted(values):
        since = (day - first).days
        if 0 <= since < 7 * over:
            weeks[since // 7].append((since, values[day]))
    return weeks
