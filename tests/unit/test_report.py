"""The report over a period: from rows alone, honest about how little it rests on."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Any

import pytest

from controller.chain import Kind, Row, canonical
from controller.report import as_csv, report

FIRST, LAST = date(2027, 1, 4), date(2027, 1, 31)
Said = tuple[Kind, str, dict[str, Any]]


def prescribed(day: str, per_week: int, revision: int = 1, until: str | None = None) -> Said:
    told = {"revision": revision, "programme": "stress-50hz", "minutes": 20, "sessions_per_week": per_week}
    return Kind.PRESCRIPTION, day, {**told, "sessions_per_day": 1, "weeks": 12, "valid_until": until}


def session(day: str, ua: int = 10_000, *, cause: str | None = None, **rating: Any) -> list[Said]:
    name = f"s{day}"
    dose = {"contraction": 1, "channel": "A", "start_us": 0, "end_us": 6_000_000, "set_point_ua": ua, "pulses": 325}
    closed = {"event": "closed", "mode": "idle", "cause": cause, "session_us": 600_000_000}
    said: list[Said] = [
        (Kind.SESSION, day, {"session": name, "event": "opened", "programme": "stress-50hz", "simulated": True}),
        (Kind.DOSE, day, {"session": name, **dose, "charge_pc": 2_000_000, "measured_ua": ua}),
        (Kind.SESSION, day, {"session": name, **closed}),
    ]
    if cause is not None:
        said.insert(2, (Kind.CAUSE, day, {"session": name, "code": cause}))
    if rating:
        said.append((Kind.RATING, day, {"session": name, "felt_from_ua": {"A": 3_000}, **rating}))
    return said


def made(*said: Said, first: date = FIRST, last: date = LAST, clinician: bool = False) -> dict[str, Any]:
    rows = [
        Row(number, f"{day}T10:00:00.000+00:00", kind, canonical(told), "")
        for number, (kind, day, told) in enumerate(said, 1)
    ]
    return report(rows, first, last, "ABCD-EFGH", clinician=clinician)


def test_sessions_are_held_against_whole_weeks() -> None:
    days = ["2027-01-04", "2027-01-05", "2027-01-06", "2027-01-12", "2027-01-18", "2027-01-31", "2027-02-01"]
    said = [prescribed("2027-01-03", 2), *(one for day in days for one in session(day))]
    told = made(*said, prescribed("2027-01-20", 5, 2))["adherence"]
    weeks = [(week["from"], week["sessions"], week["prescribed"]) for week in told["weeks"]]
    assert weeks == [("2027-01-04", 3, 2), ("2027-01-11", 1, 2), ("2027-01-18", 1, 2), ("2027-01-25", 1, 5)]
    assert (told["sessions"], told["completed"]) == (6, 6)
    assert (told["prescribed"], told["within_prescribed"]) == (11, 5)  # a week that was overdone makes up for no other


def test_weeks_that_are_not_whole_or_before_a_prescription_are_not_judged() -> None:
    told = made(prescribed("2027-01-05", 3), *session("2027-01-06"), last=date(2027, 1, 13))["adherence"]
    assert [(week["sessions"], week["prescribed"]) for week in told["weeks"]] == [(1, None), (0, None)]
    assert (told["prescribed"], told["within_prescribed"]) == (0, 0)


def test_a_week_that_the_plan_was_not_valid_to_the_end_of_is_not_judged() -> None:
    told = made(prescribed("2027-01-03", 2, until="2027-01-17"), *session("2027-01-18"))["adherence"]
    assert [week["prescribed"] for week in told["weeks"]] == [2, 2, None, None]


def test_a_session_that_stopped_is_none_that_the_plan_asks_for() -> None:
    told = made(prescribed("2027-01-03", 2), *session("2027-01-04"), *session("2027-01-05", cause="lead_off"))
    told = told["adherence"]
    assert (told["sessions"], told["completed"]) == (2, 1)
    assert (told["weeks"][0]["sessions"], told["within_prescribed"]) == (1, 1)


def test_what_a_person_ended_before_its_time_is_told() -> None:
    early, late, stopped = session("2027-01-04"), session("2027-01-05"), session("2027-01-06", cause="person")
    for one, told in ((early, True), (late, False), (stopped, True)):
        one[-1][2]["ended_early"] = told
    told = made(*early, *late, *stopped, *session("2027-01-07"))
    assert (told["adherence"]["completed"], told["adherence"]["ended_early"]) == (3, 1)
    assert [one["ended_early"] for one in told["sessions"]] == [True, False, True, None]
    assert "adherence,,,,ended_early,1" in as_csv(told)


def test_looking_for_the_caps_is_no_training() -> None:
    looked = session("2027-01-05", 30_000)
    looked[0][2]["looking"] = True
    told = made(prescribed("2027-01-03", 2), *session("2027-01-04"), *looked)
    without = made(prescribed("2027-01-03", 2), *session("2027-01-04"))
    assert told == without
    looked = session("2027-01-05", 30_000, comfort=1, strength=1, pain_before=0, pain_after=7)
    looked[0][2]["looking"] = True
    alone = made(*looked)
    assert (alone["simulated"], alone["sessions"], alone["dose"]["pulses"]) == (True, [], 0)
    assert (alone["ratings"]["comfort"]["n"], alone["pain"]["pain_after"]["points"][0]["value"]) == (0, 7.0)


@pytest.mark.parametrize(("count", "ends"), [(1, None), (5, None), (6, (7.0, 10.0))])
def test_how_it_began_and_is_now_is_told_from_six_points_on(count: int, ends: tuple[float, float] | None) -> None:
    days = [(FIRST + timedelta(days=n)).isoformat() for n in range(count)]
    told = made(*(one for n, day in enumerate(days) for one in session(day, 6_000 + 1_000 * n)))
    series = told["comfortable_ma"]["A"]
    assert series["n"] == count == len(series["points"])
    assert (series["first_median"], series["last_median"]) == (ends or (None, None))


def test_ratings_pain_and_thresholds_are_those_that_were_told() -> None:
    rating = {"comfort": 4, "strength": 3, "pain_before": 2, "pain_after": 1}
    told = made(*session("2027-01-04", **rating), *session("2027-01-05"))
    assert told["ratings"]["comfort"]["points"] == [{"at": "2027-01-04T10:00:00.000+00:00", "value": 4.0}]
    assert (told["pain"]["pain_before"]["n"], told["pain"]["pain_after"]["n"]) == (1, 1)
    assert [point["value"] for point in told["felt_from_ma"]["A"]["points"]] == [3.0]
    untold = made(*session("2027-01-04", **rating | {"pain_before": None}))["pain"]
    assert (untold["pain_before"]["n"], untold["pain_after"]["n"]) == (0, 1)


def test_what_a_clinician_found_and_did_not_observe() -> None:
    def mark(day: str, what: str, ua: int, how: str | None = None) -> Said:
        return Kind.THRESHOLD, day, {"event": "mark", "channel": "A", "mark": what, "amplitude_ua": ua, "how": how}

    marks = [
        mark("2027-01-05", "sensory", 3_000),
        mark("2027-01-05", "sensory", 3_400),
        mark("2027-01-05", "motor", 9_000),
    ]
    later = [mark("2027-01-06", "motor", 8_000, "palpated"), mark("2027-02-05", "comfortable", 15_000)]
    told = made((Kind.THRESHOLD, "2027-01-05", {"event": "asked"}), *marks, *later)["thresholds_ma"]["A"]
    assert [point["value"] for point in told["sensory"]["points"]] == [3.0, 3.4]
    assert ([point["value"] for point in told["motor"]["points"]], told["motor_not_observed"]) == ([8.0], 1)
    assert told["comfortable"]["n"] == 0


def test_stops_and_complaints_with_what_became_of_them() -> None:
    adverse = {"event": "closed", "why": "adverse", "what": ["burning"], "note": "x", "of": "s2027-01-05"}
    said = [*session("2027-01-05", cause="lead_off"), (Kind.BLOCK, "2027-01-05", adverse)]
    told = made(*said)
    assert (told["adherence"]["sessions"], told["adherence"]["completed"]) == (1, 0)
    assert told["causes"] == {"lead_off": 1}
    assert [(one["session"], one["code"]) for one in told["events"]] == [("s2027-01-05", "lead_off")]
    assert [(one["what"], one["released"]) for one in told["adverse"]["events"]] == [(["burning"], False)]
    released = made(*said, (Kind.BLOCK, "2027-01-09", {"event": "released", "block": 5, "reason": "healed"}))
    assert released["adverse"]["events"][0]["released"] is True
    assert "x" not in str(told["adverse"]), "free text stays out of a report"


def test_a_press_of_the_red_button_counts_once_and_a_pause_by_the_device_with_its_cause() -> None:
    press = {"code": "emergency_stop"}
    began, *over = session("2027-01-05")
    paused = {"session": "s2027-01-05", "mode": "paused"}
    said = [
        (Kind.CAUSE, "2027-01-05", press),  # the day's trial, before a session
        (Kind.CAUSE, "2027-01-05", {**press, "again": True}),
        began,
        (Kind.STATE, "2027-01-05", paused),
        (Kind.STATE, "2027-01-05", {**paused, "paused_by": "lease_lost"}),
        *over,
    ]
    told = made(*said)
    events = [(one["session"], one["code"]) for one in told["events"]]
    assert events == [(None, "emergency_stop"), ("s2027-01-05", "lease_lost")]
    assert told["causes"] == {"emergency_stop": 1, "lease_lost": 1}
    assert told["sessions"][0]["pauses"] == 2


def test_the_diary_says_what_was_told_and_no_zero_for_what_was_not() -> None:
    def day(on: str, **more: Any) -> Said:
        return (
            Kind.DIARY,
            on,
            {"event": "day", "day": on, "leaks": None, "pads": None, "goal": None, "note": "", **more},
        )

    goal = (Kind.DIARY, "2027-01-02", {"event": "goal", "text": "hoppe"})
    told = made(goal, day("2027-01-04", leaks=3), day("2027-01-05", pads=1), day("2027-01-04", leaks=2, goal=5))[
        "diary"
    ]
    assert told["goal_text"] == "hoppe"
    assert told["leaks"]["points"] == [{"at": "2027-01-04", "value": 2.0}]
    assert (told["pads"]["n"], told["goal"]["n"]) == (1, 1)


@pytest.mark.req("SR-177")
def test_a_report_says_that_it_was_the_simulated_board_and_what_it_cannot_show() -> None:
    told = made(*session("2027-01-04"))
    assert told["simulated"] is True
    assert told["sessions"][0]["simulated"] is True
    assert "they do not show that one caused the other" in told["notice"]
    assert made()["simulated"] is False


def test_deviations_are_listed_for_the_clinician_alone() -> None:
    said = session("2027-01-04")
    said[1][2]["planned_pulses"] = 326
    for clinician in (True, False):
        (one,) = made(*said, clinician=clinician)["sessions"]
        assert one["deviations"] == 1
        assert (one["deviation_list"] is not None) is clinician


def test_what_was_planned_is_told_beside_what_came_or_not_at_all() -> None:
    whole, other = session("2027-01-04"), session("2027-01-05")
    whole[1][2].update(planned_pulses=326, planned_charge_pc=2_500_000)
    told = made(*whole)
    planned = {"planned_pulses": 326, "planned_charge_uc": 2.5}
    assert planned.items() <= told["dose"].items()
    assert planned.items() <= told["sessions"][0].items()
    assert (told["dose"]["pulses"], told["sessions"][0]["comfortable_ma"]) == (325, {"A": 10.0})
    assert made(*whole, *other)["dose"]["planned_pulses"] is None


def test_what_was_prescribed_is_told_with_its_caps_and_electrode() -> None:
    kind, day, fields = prescribed("2027-01-03", 2)
    more = {"caps_ua": {"A": 20_000}, "electrode_kind": "surface", "electrode_area_mm2": 2_500, "prescriber": "K. L."}
    told = made((kind, day, {**fields, **more}))["prescription"]
    assert (told["caps_ma"], told["electrode_kind"], told["prescriber"]) == ({"A": 20.0}, "surface", "K. L.")


def test_a_period_that_ends_before_it_begins_is_empty() -> None:
    told = made(*session("2027-01-04"), first=LAST, last=FIRST)
    assert (told["period"]["days"], told["adherence"]["weeks"], told["sessions"]) == (0, [], [])


def test_every_point_is_in_the_csv() -> None:
    rating = {"comfort": 4, "strength": 3, "pain_before": 2, "pain_after": 1}
    told = made(prescribed("2027-01-03", 2), *session("2027-01-04", **rating), *session("2027-01-05", cause="short"))
    rows = list(csv.DictReader(io.StringIO(as_csv(told))))
    found = {(row["section"], row["at"][:10], row["measure"]): row["value"] for row in rows}
    assert found["comfortable_ma", "2027-01-05", "comfortable_ma"] == "10.0"
    assert found["comfortable_ma", "", "comfortable_ma_n"] == "2"
    assert found["ratings", "2027-01-04", "comfort"] == "4.0"
    assert found["events", "2027-01-05", "cause"] == "short"
    assert found["adherence", "2027-01-04", "prescribed"] == "2"
    assert found["report", "", "simulated"] == "True"
