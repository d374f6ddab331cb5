"""A report over a period, from the journal's rows alone: pure. Currents in mA, charge in uC, times in s; days in UTC.

Each series says how many points it rests on. It is told how it began and how it is now (the median of the first and the
last three points) only when there are at least ``POINTS_MIN``, and never that training was the cause.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from statistics import median
from typing import Any, Final

from controller.chain import Kind, Row
from controller.diary import diary
from controller.history import Record, records
from controller.training.follow_up import follow_up

KINDS: Final = (
    *(Kind.SESSION, Kind.DOSE, Kind.STATE, Kind.CAUSE, Kind.RATING),
    *(Kind.PRESCRIPTION, Kind.THRESHOLD, Kind.BLOCK, Kind.DIARY, Kind.IMPRESSION),
)
FORMAT: Final = "pelvistim-report"
VERSION: Final = 1
POINTS_MIN: Final = 6
"""ours: twice three points, so that beginning and end share none."""
ENDS: Final = 3
NOTICE: Final = (
    "PelviStim is not a certified medical device. The figures tell what was delivered and what was told; they do not "
    "show that one caused the other."
)
PLANNED: Final = ("planned_pulses", "planned_charge_uc")
MARKS: Final = ("sensory", "motor", "comfortable")
"""First felt; a contraction that was seen or palpated; the most that is comfortable."""
Points = Sequence[tuple[str, float]]


def report(rows: Iterable[Row], first: date, last: date, code: str, *, clinician: bool) -> dict[str, Any]:
    """The report of a period, both days included. ``code`` stands for the person; a clinician's has every deviation.

    A session in which a clinician looked for the caps is no training: no sum counts it; its marks are told, and pain.
    """
    kept = list(rows)
    everything = [one for one in records(kept) if _within(one.began, first, last)]
    found = [one for one in everything if not one.looking]
    days = [one for one in diary(kept).days if first.isoformat() <= one.day <= last.isoformat()]
    prescribed = [row for row in kept if row.kind == Kind.PRESCRIPTION and row.at[:10] <= last.isoformat()]
    events = _events(kept, everything, first, last)
    return {
        "format": FORMAT,
        "version": VERSION,
        "code": code,
        "audience": "clinician" if clinician else "patient",
        "simulated": any(one.opened.get("simulated") is True for one in everything),
        "period": {"from": first.isoformat(), "to": last.isoformat(), "days": max(0, (last - first).days + 1)},
        "prescription": _prescription(prescribed[-1].fields) if prescribed else None,
        "adherence": _adherence(found, prescribed, first, last),
        "dose": _dose(found),
        "sessions": [_session(one, clinician=clinician) for one in found],
        "comfortable_ma": _by_channel((one.began, one.comfortable_ua) for one in found),
        "felt_from_ma": _by_channel((one.began, (one.rating or {}).get("felt_from_ua", {})) for one in found),
        "thresholds_ma": _thresholds(kept, first, last),
        "ratings": {name: _series(_rated(found, name)) for name in ("comfort", "strength")},
        "pain": {name: _series(_rated(everything, name)) for name in ("pain_before", "pain_after")},
        "adverse": _adverse(kept, first, last),
        "diary": {
            "goal_text": diary(kept).goal,
            **{name: _series(_told(days, name)) for name in ("leaks", "pads", "goal")},
        },
        "impression": _series(_impressions(kept, first, last)),
        "events": events,
        "causes": dict(sorted(Counter(one["code"] for one in events).items())),
        "notice": NOTICE,
    }


def as_csv(told: Mapping[str, Any]) -> str:
    """Every point and figure of a report as a line: section, when, channel, measure, value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("section", "at", "session", "channel", "measure", "value"))
    for name, value in (("code", told["code"]), ("simulated", told["simulated"]), *told["period"].items()):
        writer.writerow(("report", "", "", "", name, value))
    for name in ("sessions", "completed", "ended_early", "prescribed", "within_prescribed"):
        writer.writerow(("adherence", "", "", "", name, told["adherence"][name]))
    for week in told["adherence"]["weeks"]:
        for name in ("sessions", "prescribed"):
            writer.writerow(("adherence", week["from"], "", "", name, week[name]))
    for name, value in told["dose"].items():
        writer.writerow(("dose", "", "", "", name, value))
    for one in told["sessions"]:
        figures = ("minutes", "contractions", "pulses", "charge_uc", "pauses", "deviations", "ended_early", "cause")
        for name in (*PLANNED, *figures):
            writer.writerow(("sessions", one["began"], one["id"], "", name, one[name]))
        for name in ("comfortable_ma", "below_comfortable_s"):
            for channel, value in one[name].items():
                writer.writerow(("sessions", one["began"], one["id"], channel, name, value))
    for section in ("comfortable_ma", "felt_from_ma"):
        for channel, series in told[section].items():
            _lines(writer, section, channel, section, series)
    for channel, marks in told["thresholds_ma"].items():
        for name in MARKS:
            _lines(writer, "thresholds_ma", channel, name, marks[name])
        writer.writerow(("thresholds_ma", "", "", channel, "motor_not_observed", marks["motor_not_observed"]))
    for section, names in (("ratings", None), ("pain", None), ("diary", ("leaks", "pads", "goal"))):
        for name in names or told[section]:
            _lines(writer, section, "", name, told[section][name])
    _lines(writer, "impression", "", "step", told["impression"])
    for one in told["adverse"]["events"]:
        writer.writerow(("adverse", one["at"], one["session"], "", "+".join(one["what"]), one["released"]))
    for one in told["events"]:
        writer.writerow(("events", one["at"], one["session"], "", "cause", one["code"]))
    return out.getvalue()


def _lines(writer: Any, section: str, channel: str, name: str, series: Mapping[str, Any]) -> None:
    writer.writerow((section, "", "", channel, f"{name}_n", series["n"]))
    for point in series["points"]:
        writer.writerow((section, point["at"], "", channel, name, point["value"]))


def _within(at: str, first: date, last: date) -> bool:
    return first.isoformat() <= at[:10] <= last.isoformat()


def _series(points: Points) -> dict[str, Any]:
    """The points in order, how many they are, and beginning and end where there are enough."""
    values = [value for _, value in points]
    enough = len(values) >= POINTS_MIN
    return {
        "n": len(values),
        "points": [{"at": at, "value": value} for at, value in points],
        "first_median": float(median(values[:ENDS])) if enough else None,
        "last_median": float(median(values[-ENDS:])) if enough else None,
    }


def _by_channel(told: Iterable[tuple[str, Mapping[str, int]]]) -> dict[str, Any]:
    points: dict[str, list[tuple[str, float]]] = {}
    for at, values in told:
        for channel, ua in values.items():
            points.setdefault(channel, []).append((at, ua / 1_000))
    return {channel: _series(found) for channel, found in sorted(points.items())}


def _thresholds(rows: list[Row], first: date, last: date) -> dict[str, Any]:
    """What a clinician took down while she looked for the caps. A motor threshold that was not observed is no point."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.kind != Kind.THRESHOLD or not _within(row.at, first, last):
            continue
        told = row.fields
        if told.get("event") != "mark" or told["mark"] not in MARKS:
            continue
        marks = found.setdefault(told["channel"], {**{name: [] for name in MARKS}, "motor_not_observed": 0})
        if told["mark"] == "motor" and told["how"] is None:
            marks["motor_not_observed"] += 1
        else:
            marks[told["mark"]].append((row.at, told["amplitude_ua"] / 1_000))
    return {
        channel: {**marks, **{name: _series(marks[name]) for name in MARKS}} for channel, marks in sorted(found.items())
    }


def _impressions(rows: list[Row], first: date, last: date) -> Points:
    """PGI-I, 1 (very much better) to 7 (very much worse)."""
    told = follow_up(rows, last).impressions
    return [(day, float(step)) for day, step in told.items() if _within(day, first, last)]


def _rated(found: Iterable[Record], name: str) -> Points:
    told = ((one.began, (one.rating or {}).get(name)) for one in found)
    return [(at, float(value)) for at, value in told if value is not None]


def _told(days: Iterable[Any], name: str) -> Points:
    return [(one.day, float(value)) for one in days if (value := getattr(one, name)) is not None]


def _prescription(told: Mapping[str, Any]) -> dict[str, Any]:
    names = ("revision", "programme", "minutes", "sessions_per_day", "sessions_per_week", "weeks", "valid_until")
    more = ("prescriber", "electrode_kind", "electrode_area_mm2", "placement")
    caps = {channel: ua / 1_000 for channel, ua in sorted(told.get("caps_ua", {}).items())}
    return {**{name: told.get(name) for name in (*names, *more)}, "caps_ma": caps}


def _completed(one: Record) -> bool:
    return one.closed is not None and one.closed.get("event") == "closed" and one.closed.get("cause") is None


def _adherence(found: list[Record], prescribed: list[Row], first: date, last: date) -> dict[str, Any]:
    """Sessions that ended in order against what was prescribed, in weeks from the first day on; one that is not whole,
    or goes beyond the last day the prescription is valid, is not judged.

    ``ended_early``: how many of those a person ended before their time. ``within_prescribed``: sessions of judged
    weeks, each week's at most as many as were prescribed for it.
    """
    weeks: list[dict[str, Any]] = []
    begins = first
    while begins <= last:
        ends = begins + timedelta(days=6)
        count = sum(_completed(one) and _within(one.began, begins, min(ends, last)) for one in found)
        before = [row.fields for row in prescribed if row.at[:10] <= begins.isoformat()]
        valid = before and ends.isoformat() <= (before[-1].get("valid_until") or date.max.isoformat())
        wanted = before[-1].get("sessions_per_week") if valid and ends <= last else None
        weeks.append({"from": begins.isoformat(), "sessions": count, "prescribed": wanted})
        begins = ends + timedelta(days=1)
    judged = [week for week in weeks if week["prescribed"] is not None]
    return {
        "sessions": len(found),
        "completed": sum(map(_completed, found)),
        "ended_early": sum(_completed(one) and one.ended_early is True for one in found),
        "prescribed": sum(week["prescribed"] for week in judged),
        "within_prescribed": sum(min(week["sessions"], week["prescribed"]) for week in judged),
        "weeks": weeks,
    }


def _dose(found: list[Record]) -> dict[str, Any]:
    return {
        "contractions": sum(one.contractions for one in found),
        "pulses": sum(one.pulses for one in found),
        "charge_uc": sum(one.charge_pc for one in found) / 10**6,
        **_planned(found),
        "minutes": round(sum(map(_minutes, found)), 2),
    }


def _planned(found: list[Record]) -> dict[str, Any]:
    """As planned in all contractions that began; None where a session does not tell of it."""
    pulses, charge_pc = _sum(found, "pulses"), _sum(found, "charge_pc")
    return {"planned_pulses": pulses, "planned_charge_uc": None if charge_pc is None else charge_pc / 10**6}


def _sum(found: list[Record], what: str) -> int | None:
    told = [planned for one in found if (planned := one.planned(what)) is not None]
    return sum(told) if len(told) == len(found) else None


def _minutes(one: Record) -> float:
    return int((one.closed or {}).get("session_us", 0)) / 60_000_000


def _session(one: Record, *, clinician: bool) -> dict[str, Any]:
    closed = one.closed or {}
    told = {
        "id": one.id,
        "began": one.began,
        "programme": one.opened.get("programme"),
        "prescription_revision": one.opened.get("prescription_revision"),
        "simulated": one.opened.get("simulated") is True,
        "completed": _completed(one),
        "ended_early": one.ended_early,
        "cause": closed.get("cause"),
        "minutes": round(_minutes(one), 2),
        "contractions": one.contractions,
        "pulses": one.pulses,
        "charge_uc": one.charge_pc / 10**6,
        **_planned([one]),
        "comfortable_ma": {channel: ua / 1_000 for channel, ua in one.comfortable_ua.items()},
        "below_comfortable_s": {channel: us / 10**6 for channel, us in one.below_comfortable_us.items()},
        "pauses": len(one.pauses),
        "deviations": len(one.deviations),
    }
    return {**told, "deviation_list": one.deviations} if clinician else {**told, "deviation_list": None}


def _adverse(rows: list[Row], first: date, last: date) -> dict[str, Any]:
    """Complaints after sessions, and whether a clinician has released them (to this day)."""
    released = {row.fields["block"] for row in rows if row.kind == Kind.BLOCK and row.fields["event"] == "released"}
    events = [
        {"at": row.at, "session": row.fields.get("of"), "what": row.fields["what"], "released": row.number in released}
        for row in rows
        if row.kind == Kind.BLOCK and row.fields.get("why") == "adverse" and _within(row.at, first, last)
    ]
    return {"n": len(events), "events": events}


def _events(rows: list[Row], found: list[Record], first: date, last: date) -> list[dict[str, Any]]:
    """What stopped, and what paused that no person paused, with its cause; in order."""
    causes = [(row.at, row.fields) for row in rows if row.kind == Kind.CAUSE and _within(row.at, first, last)]
    stops = [
        {"at": at, "session": told.get("session"), "code": told["code"]} for at, told in causes if not told.get("again")
    ]
    pauses = [
        {"at": pause["at"], "session": one.id, "code": pause["cause"]}
        for one in found
        for pause in one.pauses
        if pause["cause"] is not None
    ]
    return sorted(stops + pauses, key=lambda one: str(one["at"]))
