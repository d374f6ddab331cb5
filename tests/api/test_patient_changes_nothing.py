"""The whole API, tried as patient in every state: caps, programme and schedule stay as a clinician set them.

Each operation of the OpenAPI document, with a body that it takes and an id that exists.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from api import routes_session, routes_training
from controller.chain import Kind
from controller.own_programmes import own_programmes
from controller.port import Action
from controller.prescribed import programme_of
from tests.api.test_authorisation import FINE, TABLE
from tests.api.test_programmes import MINE
from tests.support.api import PRESCRIPTION, V1, Api

BODIES: dict[tuple[str, str], list[Any]] = {
    ("PUT", "/prescription"): [
        {**PRESCRIPTION, "revision": 2, "caps_ma": {"A": 50.0, "B": 50.0}},
        {**PRESCRIPTION, "revision": 2, "minutes": 45, "sessions_per_day": 3, "sessions_per_week": 21, "weeks": 52},
        {**PRESCRIPTION, "revision": 2, "programme": "mine"},
        {**PRESCRIPTION, "revision": 1, "patient_may": ["pause", "end_early"], "lease_ms": 5000},
    ],
    ("PUT", "/programmes/{id}"): [{"text": MINE.replace("repeats = ", "repeats = 1")}],
    ("PUT", "/sessions/current/intensity"): [
        {"channel": one, "amplitude_ma": ma} for one in "AB" for ma in (50.0, 0.5)
    ],
    ("POST", "/sessions/current/control"): [{"action": one} for one in ("claim", "allow", "release")],
    ("POST", "/sessions/current/actions"): [
        {"action": one, "epoch": 1} for one in ("check_electrodes", "start", "pause", "resume", "end")
    ],
    ("POST", "/threshold/marks"): [{"channel": "A", "mark": one} for one in ("sensory", "motor", "comfortable")],
    ("POST", "/pairing"): [{"role": one} for one in ("viewer", "patient", "clinician")],
}
"""Where one body is not enough to try; else that of the table of roles."""
QUERIES = {"report": "?from=2027-01-01&to=2027-01-31"}
REFUSED = ("prescription_malformed",)
"""What is refused for what the text says, not for its form."""


def idle(api: Api) -> None:
    """Nothing goes on."""
    del api


def running(api: Api) -> None:
    api.engine.open_session(1, FINE["answers"], None).result()
    for action in (Action.CHECK_ELECTRODES, Action.START):
        api.engine.act(action, None).result()


def looking(api: Api) -> None:
    """The clinician asked to look for the caps: it is the patient's to allow."""
    assert api.phone("clinician").post("threshold").status_code == 201


def stopped(api: Api) -> None:
    running(api)
    api.engine.now = replace(api.engine.now, mode="stopped", cause="person", clears="acknowledge", confirmed=True)


@pytest.fixture(autouse=True)
def _finite(monkeypatch: pytest.MonkeyPatch) -> None:
    async def one(*_: object) -> AsyncIterator[str]:
        yield "event: state\ndata: {}\n\n"

    monkeypatch.setattr(routes_session, "as_sse", one)
    monkeypatch.setattr(routes_training, "as_sse", one)


def prescribed(api: Api) -> dict[str, Any]:
    """Everything that the patient may not change, wherever it is kept."""
    now = api.engine.prescribed
    assert now is not None
    return {
        "prescription": now,
        "programme": programme_of(now).text,
        "own": {name: one.text for name, one in own_programmes(api.journal).items()},
        "rows": [row.hash for row in api.journal.rows(Kind.PRESCRIPTION, Kind.PROGRAMME)],
        "asked": [one for one in api.engine.asked if one[0] == "prescribe"],
    }


def caps_in_force(api: Api) -> dict[str, int] | None:
    """Of the session that is open, if any."""
    now = api.engine.now
    return None if now.session is None else {name: one.ceiling_ua for name, one in now.channels.items()}


@pytest.mark.req("SR-193")
@pytest.mark.parametrize("state", [idle, running, looking, stopped])
def test_no_patient_action_changes_caps_programme_or_schedule(api: Api, state: Callable[[Api], None]) -> None:
    clinician, patient = api.phone("clinician"), api.phone("patient")
    assert clinician.put("programmes/mine", json={"text": MINE, "replaces": None}).status_code == 200
    assert clinician.put("prescription", json=PRESCRIPTION).status_code == 200
    state(api)
    before, caps = prescribed(api), {"A": 20_000, "B": 0}
    etag = patient.get("state").headers["etag"]
    for path, methods in api.app.openapi()["paths"].items():
        for method in methods:
            key = (method.upper(), path.removeprefix(V1))
            asked = key[1].replace("{id}", "mine" if "programmes" in path else "1").lstrip("/")
            for body in BODIES.get(key, [TABLE[key][1]]):
                answer = patient.request(method, asked + QUERIES.get(asked, ""), json=body, headers={"if-match": etag})
                assert answer.status_code != 422 or answer.json()["code"] in REFUSED, (key, answer.text)
                assert prescribed(api) == before, (key, body, answer.text)
                assert caps_in_force(api) in (None, caps), (key, body, answer.text)
                if answer.status_code == 401 or key == ("DELETE", "/me"):
                    patient = api.phone("patient")


def test_a_clinician_does_change_them(api: Api) -> None:
    """So that the test above would see it."""
    clinician = api.phone("clinician")
    clinician.put("prescription", json=PRESCRIPTION)
    before = prescribed(api)
    assert clinician.put("programmes/mine", json={"text": MINE, "replaces": None}).status_code == 200
    kept = prescribed(api)
    assert kept["own"] != before["own"]
    assert kept["rows"] != before["rows"]
    assert clinician.put("prescription", json={**PRESCRIPTION, "revision": 2, "minutes": 10}).status_code == 200
    assert prescribed(api)["prescription"] != before["prescription"]
