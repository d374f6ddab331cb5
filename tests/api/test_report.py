"""Reports, exports and the diary over the api: what they say validates against what is published."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from api import models, report_models
from controller.chain import Kind
from controller.kept import person_code
from tests.support.api import Api

DOCS = Path(__file__).parent.parent.parent / "docs"
PERIOD = "from=2027-01-01&to=2027-01-31"
PUBLISHED: dict[str, Any] = {
    "report.schema.json": report_models.schema(),
    "session.schema.json": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **models.SessionRecord.model_json_schema(mode="serialization"),
    },
}


def validator(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator(json.loads((DOCS / name).read_text(encoding="utf-8")))


@pytest.fixture
def told(api: Api) -> Api:
    """Two sessions in January, one of them stopped and complained of."""
    now = iter(f"2027-01-{day:02}T10:00:00.000+00:00" for day in range(1, 31))
    api.journal._now = lambda: next(now)
    note = api.service.note
    note(Kind.PRESCRIPTION, revision=1, programme="sprint", minutes=5, sessions_per_day=1, sessions_per_week=3, weeks=6)
    for name, cause in (("s1", None), ("s2", "lead_off")):
        note(Kind.SESSION, event="opened", session=name, programme="sprint", prescription_revision=1, simulated=True)
        note(Kind.STATE, session=name, mode="paused")
        dose = {"contraction": 1, "channel": "A", "start_us": 0, "end_us": 9, "set_point_ua": 9_000, "measured_ua": 100}
        note(Kind.DOSE, session=name, pulses=3, charge_pc=7, planned_pulses=4, **dose)
        if cause:
            note(Kind.CAUSE, session=name, code=cause)
        note(Kind.SESSION, event="closed", session=name, mode="idle", cause=cause, session_us=300_000_000)
    note(Kind.THRESHOLD, event="mark", channel="A", mark="motor", amplitude_ua=9_000, how="seen", session="s3")
    rating = {"comfort": 4, "strength": 3, "pain_before": 0, "pain_after": 2, "note": "", "adverse": ["burning"]}
    note(Kind.BLOCK, event="closed", why="adverse", what=["burning"], note="", of="s2", who="x")
    note(Kind.RATING, session="s2", felt_from_ua={"A": 4_000}, **rating).result()
    return api


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_is_what_is_given(name: str) -> None:
    assert json.loads((DOCS / name).read_text(encoding="utf-8")) == PUBLISHED[name], f"write docs/{name} anew"


@pytest.mark.parametrize("role", ["patient", "clinician"])
def test_a_report_validates_against_its_schema(told: Api, role: str) -> None:
    phone = told.phone(role)
    made = phone.get(f"report?{PERIOD}").json()
    validator("report.schema.json").validate(made)
    assert made["audience"] == role
    assert made["code"] == person_code(told.journal.rows(Kind.DEVICE)[0].hash)
    assert (made["adherence"]["sessions"], made["adherence"]["completed"]) == (2, 1)
    assert (made["simulated"], made["adverse"]["n"], made["causes"]) == (True, 1, {"lead_off": 1})
    assert phone.get("report/schema").json() == PUBLISHED["report.schema.json"]
    spoiled = {**made, "adherence": {**made["adherence"], "sessions": -1}}
    assert not validator("report.schema.json").is_valid(spoiled)


def test_an_empty_report_validates_too(api: Api) -> None:
    made = api.phone("patient").get(f"report?{PERIOD}").json()
    validator("report.schema.json").validate(made)
    assert (made["prescription"], made["sessions"]) == (None, [])


@pytest.mark.req("SR-177")
def test_a_sessions_export_validates_against_its_schema(told: Api) -> None:
    phone = told.phone("patient")
    for name in ("s1", "s2"):
        made = phone.get(f"sessions/{name}/export").json()
        validator("session.schema.json").validate(made)
        assert made["simulated"] is True
        assert [one["what"] for one in made["deviations"]] == ["pulses", "current_ua"]
        assert len(made["pauses"]) == 1
    assert not validator("session.schema.json").is_valid({**made, "doses": 1})


def test_a_report_as_csv(told: Api) -> None:
    answer = told.phone("patient").get(f"report?{PERIOD}&format=csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="report.csv"'
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert [row["value"] for row in rows if row["measure"] == "cause" and row["section"] == "events"] == ["lead_off"]


@pytest.mark.parametrize("period", ["", "from=2027-01-01", "from=x&to=y", "from=2027-13-01&to=2027-01-31"])
def test_a_period_must_be_told(api: Api, period: str) -> None:
    assert api.phone("patient").get(f"report?{period}").json()["code"] == "request_invalid"


def test_the_last_day_of_a_short_month(api: Api) -> None:
    made = api.phone("patient").get("report?from=2027-02-01&to=2027-02-31").json()
    assert made["period"] == {"from": "2027-02-01", "to": "2027-02-28", "days": 28}


def test_the_diary_is_written_read_and_reported(api: Api) -> None:
    patient = api.phone("patient")
    assert patient.put("diary/goal", json={"text": "hoppe på trampoline"}).status_code == 200
    assert patient.put("diary", json={"day": "2027-01-05", "leaks": 3, "pads": 2}).status_code == 200
    assert patient.put("diary", json={"day": "2027-01-05", "leaks": 1, "goal": 4, "note": "kaffe"}).status_code == 200
    assert patient.put("diary", json={"day": "2027-01-04", "pads": 0}).status_code == 200
    assert patient.get("diary").json() == {
        "goal": "hoppe på trampoline",
        "days": [
            {"day": "2027-01-04", "leaks": None, "pads": 0, "goal": None, "note": ""},
            {"day": "2027-01-05", "leaks": 1, "pads": None, "goal": 4, "note": "kaffe"},
        ],
    }
    made = patient.get(f"report?{PERIOD}").json()["diary"]
    assert [(point["at"], point["value"]) for point in made["leaks"]["points"]] == [("2027-01-05", 1)]
    assert (made["pads"]["n"], made["goal"]["n"], made["goal_text"]) == (1, 1, "hoppe på trampoline")


@pytest.mark.parametrize("wrong", [{"leaks": -1}, {"leaks": 101}, {"goal": 11}, {"day": "yesterday"}, {"name": "x"}])
def test_what_the_diary_does_not_take(api: Api, wrong: dict[str, object]) -> None:
    answer = api.phone("patient").put("diary", json={"day": "2027-01-05", **wrong})
    assert answer.json()["code"] == "request_invalid"
