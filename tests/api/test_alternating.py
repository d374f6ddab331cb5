"""A session in turns over the API, on an engine without a guard."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from controller.chain import Kind
from controller.prescription import CONTRAINDICATIONS
from controller.training.course import plan
from controller.training.shapes import Exercise
from tests.api.test_training import closed, code
from tests.support.api import PRESCRIPTION, Api
from tests.support.emg import follows

PATH = "sessions/current/alternating"
OWN = Exercise("hold", 5_000, 7_000, 1, 60)
WAIT_S = 20.0


def opened(api: Api, **changes: Any) -> Any:
    """A patient's phone whose session is open."""
    wanted = {**PRESCRIPTION, "patient_may": ["pause"], **changes}
    assert api.phone("clinician").put("prescription", json=wanted).status_code == 200
    phone = api.phone("patient")
    answers = dict.fromkeys(CONTRAINDICATIONS, False)
    assert phone.post("sessions", json={"prescription_revision": 1, "answers": answers}).status_code == 201
    return phone


def playing(api: Api, ua: int, **changes: Any) -> None:
    session = api.engine.now.session
    assert session is not None
    one = replace(api.engine.now.channels["A"], set_point_ua=ua)
    whole = replace(session, contractions=50, duration_us=1_200_000_000, **changes)
    api.engine._set(channels={**api.engine.now.channels, "A": one}, session=whole)


def test_it_pauses_after_a_turn_and_the_own_squeezes_go_by_the_check_before(api: Api) -> None:
    phone = opened(api)
    assert code(phone.post(f"{PATH}/own")) == "turns_not_possible"
    told = phone.put(PATH, json={"stimulated": 3, "own": 1}).json()
    assert told["session"]["alternating"] == {"stimulated": 3, "own": 1, "counted": 0}
    api.engine._set(mode="paused")
    assert code(phone.post(f"{PATH}/own")) == "levels_missing"
    api.engine._set(mode="idle")
    first = phone.post(f"{PATH}/own").json()
    assert (first["kind"], first["sensor"], first["check_ms"]) == ("alternating", "vaginal", 60_000)
    parts = plan("alternating", "alternating", [OWN]).parts
    api.sensor.model.will = follows(parts)
    api.sensor.let(parts[-1].end_ms / 1000 + 1)
    closed(api)

    # the rest of it with a served loop: the task that pauses lives in it
    api.engine._set(mode="running")
    with phone:
        assert phone.put(PATH, json={"stimulated": 3, "own": 1}).status_code == 200
        paused = threading.Event()
        act = api.engine.act
        api.engine.act = lambda *asked: (act(*asked), paused.set())[0]  # type: ignore[method-assign]
        for number in (1, 2, 3):
            playing(api, 9_000, part="hold", contraction=number)
            see(api, phone, "came", number - 1)
            playing(api, 9_000, part="rest")
            if number < 3:
                see(api, phone, "came", number)
        assert paused.wait(WAIT_S)
        assert api.engine.now.mode == "paused"
        assert api.engine.asked[-1] == ("act", "pause", 1)
        again = phone.post(f"{PATH}/own").json()
        assert (again["check_ms"], again["parts"][0]["what"]) == (0, "squeeze")
        assert code(phone.post(f"{PATH}/own")) == "training_open"
        phone.post("training/current/end", json={})
        assert phone.delete(PATH).json()["session"]["alternating"] is None
    trainings = phone.get("training").json()
    assert [one["name"] for one in trainings] == ["alternating", "alternating"]
    assert trainings[1]["measures"]["strength_nv"] > 0, "the check before is the day's"
    assert trainings[0]["measures"] == {}, "and a muscle that was stimulated is compared with nothing"
    asked = [row.fields for row in api.journal.rows(Kind.COMMAND)]
    assert {"who": "app", "role": "app", "what": "pause", "result": "done"} in asked


def see(api: Api, phone: Any, what: str, value: int) -> None:
    """Waits until the task has looked so far."""
    for _ in range(200):
        turns = api.service.alternating
        begun = turns is not None and (turns._before_ua is not None) == (api.engine.now.session.part == "hold")  # type: ignore[union-attr]
        if begun and getattr(turns, what) == value:
            return
        phone.get("state")
        threading.Event().wait(0.02)
    raise AssertionError((what, value, api.service.alternating))


def test_who_may_not_pause_or_has_no_contractions_goes_in_no_turns(api: Api) -> None:
    phone = api.phone("patient")
    assert code(phone.put(PATH, json={})) == "no_session"
    phone = opened(api, patient_may=["end_early"])
    assert code(phone.put(PATH, json={})) == "turns_not_possible"
    assert code(phone.put(PATH, json={"stimulated": 2})) == "request_invalid"
    assert code(api.phone("patient").put(PATH, json={})) == "not_controlling"


def test_a_continuous_programme_goes_in_no_turns(api: Api) -> None:
    assert code(opened(api, programme="urge-10hz").put(PATH, json={})) == "turns_not_possible"


def test_what_closes_stimulation_closes_the_own_squeezes_with_a_sensor(api: Api) -> None:
    phone = opened(api)
    assert phone.put(PATH, json={}).status_code == 200
    api.journal.append(Kind.BLOCK, event="closed", why="adverse", what=["burning"]).result()
    assert code(phone.post(f"{PATH}/own")) == "blocked"
