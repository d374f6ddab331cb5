"""The clinician's message, reminders and the monthly impression over the API."""

from __future__ import annotations

from typing import Any

import pytest

from controller.chain import Kind
from tests.support.api import Api


def test_what_a_person_and_her_clinician_told_is_kept_and_reported(api: Api) -> None:
    now = iter(f"2027-{month:02}-05T10:00:00.000+00:00" for month in range(1, 13))
    api.journal._now = lambda: next(now)
    patient, clinician = api.phone("patient"), api.phone("clinician")
    assert patient.get("follow-up").json() == {
        "message": None,
        "reminder": None,
        "impressions": [],
        "impression_due": False,
        "trained": None,
    }
    told = clinician.put("follow-up/message", json={"text": "Godt jobbet – husk pausen."}).json()
    assert told["message"]["text"] == "Godt jobbet – husk pausen."
    assert patient.put("follow-up/reminder", json={"days": [4, 0, 4], "time": "07:05"}).json()["reminder"] == {
        "days": [0, 4],
        "time": "07:05",
    }
    answer = patient.post("follow-up/impressions", json={"step": 2})
    assert (answer.status_code, answer.json()["impressions"][0]["step"]) == (201, 2)
    (row,) = api.journal.rows(Kind.IMPRESSION)
    day = row.at[:10]
    series = patient.get(f"report?from={day}&to={day}").json()["impression"]
    assert (series["n"], series["points"]) == (1, [{"at": day, "value": 2.0}])
    assert f"impression,{day},,,step,2.0" in patient.get(f"report?from={day}&to={day}&format=csv").text


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("message", {"text": "x" * 501}),
        ("reminder", {"days": [7], "time": "19:30"}),
        ("reminder", {"days": [0], "time": "24:00"}),
        ("impressions", {"step": 0}),
        ("impressions", {"step": 8}),
        ("impressions", {}),
    ],
)
def test_what_has_another_form_is_refused(api: Api, path: str, wrong: dict[str, Any]) -> None:
    phone = api.phone("clinician")
    ask = phone.post if path == "impressions" else phone.put
    assert ask(f"follow-up/{path}", json=wrong).json()["code"] == "request_invalid"
    assert api.journal.rows(Kind.MESSAGE, Kind.REMINDER, Kind.IMPRESSION) == []
