"""Trainings and effect out of the journal's rows."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from controller.chain import Head, Kind, Row, canonical
from controller.training.perfect import Perfect, perfects
from controller.training.records import effect, trainings, usual_rest

START = date(2027, 1, 4)


def row(number: int, on: date, kind: Kind, **fields: object) -> Row:
    return Head(number).then(f"{on.isoformat()}T10:00:00.000+00:00", kind, canonical(fields))


class Rows(list[Row]):
    """Rows of trainings as they come."""

    def train(self, day: int, *, sensor: str = "vaginal", measures: dict[str, int] | None = None) -> None:
        at, name = START + timedelta(days=day), f"t{len(self)}"
        told: dict[str, Any] = {"rest_nv": 5_000, "rest_sd_nv": 100, "mvc_nv": 50_000}
        opened = {"what": "biofeedback", "name": "sprint", "sensor": sensor, "who": "p", "simulated": True}
        self.append(row(len(self), at, Kind.TRAINING, event="opened", training=name, **opened))
        closed = {"ended_by": "over", "levels": told, "measures": measures or {}}
        self.append(row(len(self), at, Kind.TRAINING, event="closed", training=name, **closed))

    def weeks(self, first: int, number: int, step: int = 4_000, **more: Any) -> None:
        """Three days a week, a little stronger from week to week."""
        for week in range(number):
            for day in (0, 2, 4):
                strength = 40_000 + step * week + 300 * day
                measures = {"strength_nv": strength, "hold_ms": 6_000, "rest_nv": 5_000, "let_go_ms": 800}
                self.train(first + 7 * week + day, measures=measures, **more)


def of(told: dict[str, Any] | None, code: str) -> dict[str, Any]:
    assert told is not None
    found: dict[str, Any] = next(one for one in told["measures"] if one["code"] == code)
    return found


def test_a_training_is_what_its_rows_say_and_may_be_open() -> None:
    rows = Rows()
    rows.train(0, measures={"strength_nv": 1})
    rows.append(
        row(
            9,
            START,
            Kind.TRAINING,
            event="opened",
            training="x",
            what="guided",
            name="sprint",
            sensor=None,
            who="p",
            simulated=False,
        )
    )
    first, second = trainings(rows)
    assert (first["kind"], first["ended_by"], first["measures"]) == ("biofeedback", "over", {"strength_nv": 1})
    assert (second["id"], second["ended"]) == ("x", None)


def test_a_rising_course_is_seen_and_only_whole_weeks_count() -> None:
    rows = Rows()
    rows.weeks(0, 12)
    told = effect(rows, START + timedelta(days=7 * 12))
    assert told is not None
    assert (told["course"], told["weeks_over"], told["sensor"], told["simulated"]) == (1, 12, "vaginal", True)
    assert told["measures"][0]["code"] == "overall"
    assert of(told, "strength_nv")["verdict"] == "more_than_chance"
    assert of(told, "strength_nv")["points"][0] == {"week": 1, "value": 40_600, "days": 3}
    assert of(told, "rest_nv")["verdict"] == "no_change_yet"
    midweek = effect(rows, START + timedelta(days=7 * 4 + 5))
    assert midweek is not None
    assert midweek["weeks_over"] == 4
    assert len(of(midweek, "overall")["points"]) == 4
    assert of(midweek, "overall")["verdict"] == "too_early_to_say"


def test_the_finished_course_is_told_for_a_week_more_and_by_its_number() -> None:
    rows = Rows()
    rows.weeks(0, 15)
    last_of_first = effect(rows, START + timedelta(days=90))
    assert last_of_first is not None
    assert (last_of_first["course"], last_of_first["weeks_over"]) == (1, 12)
    second = effect(rows, START + timedelta(days=91))
    assert second is not None
    assert (second["course"], second["weeks_over"]) == (2, 1)
    assert effect(rows, START + timedelta(days=91), 1) == last_of_first
    assert effect(rows, START + timedelta(days=91), 3) is None


def test_another_sensor_begins_another_course() -> None:
    rows = Rows()
    rows.weeks(0, 6)
    rows.weeks(50, 2, sensor="surface")
    told = effect(rows, START + timedelta(days=70))
    assert told is not None
    assert (told["first_day"], told["sensor"]) == ((START + timedelta(days=50)).isoformat(), "surface")
    assert of(told, "strength_nv")["weeks"] == 2


def test_sessions_and_diary_are_measures_too_and_an_impossible_day_is_none() -> None:
    rows = Rows()
    for number, (day, leaks) in enumerate(
        (("2027-01-04", 3), ("2027-01-05", 1), ("2027-02-31", 9), ("2027-01-12", None))
    ):
        rows.append(row(number, START, Kind.DIARY, event="day", day=day, leaks=leaks, pads=None, goal=4, note=""))
    rows.append(row(5, START, Kind.SESSION, session="s", event="opened"))
    for channel, ua in (("A", 9_000), ("B", 12_000)):
        rows.append(row(6, START, Kind.DOSE, session="s", channel=channel, set_point_ua=ua, contraction=1))
    rows.append(row(7, START, Kind.SESSION, session="looked", event="opened", looking=True))
    rows.append(row(8, START, Kind.DOSE, session="looked", channel="A", set_point_ua=30_000, contraction=1))
    told = effect(rows, START + timedelta(days=14))
    assert of(told, "leaks")["points"] == [{"week": 1, "value": 2, "days": 2}]
    assert of(told, "goal")["points"] == [{"week": 1, "value": 4, "days": 2}, {"week": 2, "value": 4, "days": 1}]
    assert of(told, "comfortable_ua")["points"] == [{"week": 1, "value": 12_000, "days": 1}]
    assert told is not None
    assert told["sensor"] is None


def test_nothing_done_is_no_course_and_a_clock_that_went_back_is_none() -> None:
    rows = Rows()
    assert effect(rows, START) is None
    rows.train(5, measures={"strength_nv": 1})
    assert effect(rows, START) is None


def test_the_usual_rest_is_the_median_of_three_or_more_with_that_sensor() -> None:
    rows = Rows()
    rows.train(0)
    rows.train(1)
    assert usual_rest(trainings(rows), "vaginal") is None
    rows.train(2)
    assert usual_rest(trainings(rows), "vaginal") == 5_000
    assert usual_rest(trainings(rows), "anal") is None


def test_the_newest_palpation_of_a_day_counts() -> None:
    told = [Perfect("2027-02-01", 3, 5, 4, 6), Perfect("2027-01-01", 2, 3, 3, 5), Perfect("2027-02-01", 4, 5, 4, 6)]
    rows = [row(n, START, Kind.PERFECT, who="c", **vars(one)) for n, one in enumerate(told)]
    assert perfects(rows) == [told[1], told[2]]
