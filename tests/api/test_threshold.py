"""Looking for the caps over the API: who asks, who allows, how long, and what is taken down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.threshold import LASTS_S
from controller.chain import Kind
from controller.port import Action
from controller.prescription import CONTRAINDICATIONS
from tests.support.api import PRESCRIPTION, Api

ANSWERS = {"answers": dict.fromkeys(CONTRAINDICATIONS, False)}


class Two:
    """A clinician and a patient with a phone each, a prescription without caps, and a clock."""

    def __init__(self, api: Api) -> None:
        self.api, self.now_s = api, 1_000.0
        api.service.clock_s = lambda: self.now_s
        self.clinician, self.patient = api.phone("clinician"), api.phone("patient")
        assert (
            self.clinician.put(
                "prescription", json={**PRESCRIPTION, "caps_ma": {"B": 15.0}, "patient_may": []}
            ).status_code
            == 200
        )

    def run(self) -> None:
        """To a session that runs."""
        assert self.clinician.post("threshold").status_code == 201
        assert self.patient.post("threshold/allow").status_code == 200
        opened = self.clinician.post("threshold/session", json=ANSWERS)
        assert opened.status_code == 201, opened.text
        epoch = opened.json()["epoch"]
        for action in ("check_electrodes", "start"):
            done = self.clinician.post("sessions/current/actions", json={"action": action, "epoch": epoch})
            assert done.status_code == 200, done.text

    def raised(self, phone: TestClient, ma: float, channel: str = "A") -> Any:
        rev = self.api.engine.now
        match = {"If-Match": f'"{rev.epoch}.{rev.rev}"'}
        body = {"channel": channel, "amplitude_ma": ma}
        return phone.put("sessions/current/intensity", json=body, headers=match)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    api = Api(tmp_path)
    yield Two(api)
    api.close()


def code(answer: Any) -> str:
    return str(answer.json()["code"])


@pytest.mark.req("SR-192")
def test_the_clinician_asks_and_the_patient_allows_it_on_her_phone(two: Two) -> None:
    clinician, patient = two.clinician, two.patient
    assert clinician.get("threshold").json()["state"] == "none"
    assert code(patient.post("threshold")) == "role_too_low"
    assert code(patient.post("threshold/allow")) == "threshold_not_asked"
    assert code(clinician.post("threshold/session", json=ANSWERS)) == "threshold_not_asked"
    assert clinician.post("threshold").json()["state"] == "asked"
    assert code(clinician.post("threshold/allow")) == "patient_needed", "not on the clinician's own"
    assert code(clinician.post("threshold/session", json=ANSWERS)) == "threshold_not_allowed"
    assert patient.post("threshold/allow").json()["state"] == "allowed"
    other = two.api.phone("clinician")
    assert code(other.post("threshold/session", json=ANSWERS)) == "threshold_not_asked"
    state = clinician.post("threshold/session", json=ANSWERS).json()
    assert state["session"]["looking"]
    assert {name: one["ceiling_ma"] for name, one in state["channels"].items()} == {"A": 50.0, "B": 15.0}
    assert patient.get("threshold").json()["state"] == "open"
    events = [row.fields["event"] for row in two.api.journal.rows(Kind.THRESHOLD)]
    assert events == ["asked", "allowed"]


@pytest.mark.req("SR-192")
@pytest.mark.parametrize("allowed", [False, True])
def test_it_expires_after_fifteen_minutes(two: Two, allowed: bool) -> None:
    two.clinician.post("threshold")
    if allowed:
        two.patient.post("threshold/allow")
    two.now_s += LASTS_S
    assert two.clinician.get("threshold").json() == {
        "state": "none", "left_s": 0.0, "marks": [], "spread": [], "proposed_ma": {}
    }  # fmt: skip
    assert code(two.patient.post("threshold/allow")) == "threshold_expired"
    assert code(two.clinician.post("threshold/session", json=ANSWERS)) == "threshold_expired"


@pytest.mark.req("SR-192")
def test_one_yes_is_for_one_session_and_lasts_no_longer_when_it_is_said_twice(two: Two) -> None:
    two.clinician.post("threshold")
    two.patient.post("threshold/allow")
    two.now_s += 600
    assert two.patient.post("threshold/allow").json()["left_s"] == LASTS_S - 600
    assert two.clinician.post("threshold/session", json=ANSWERS).status_code == 201
    assert code(two.patient.post("threshold/allow")) == "threshold_not_asked"
    two.api.engine.act(Action.END, None).result()
    assert two.api.engine.now.mode == "idle"
    assert code(two.clinician.post("threshold/session", json=ANSWERS)) == "threshold_not_asked"
    assert two.api.engine.now.session is None
    two.run()  # with a new yes


@pytest.mark.req("SR-151")
def test_the_red_button_is_tried_before_a_procedure_too(two: Two) -> None:
    """It may be the day's first session. What was refused for want of it used nothing up: her yes still stands."""
    two.api.engine.now = replace(two.api.engine.now, simulated=False)
    two.clinician.post("threshold")
    two.patient.post("threshold/allow")
    assert code(two.clinician.post("threshold/session", json=ANSWERS)) == "button_not_tried"
    assert not [one for one in two.api.engine.asked if one[0] == "open_threshold"]
    for mode in ("estop_held", "estop_released"):
        two.api.journal.append(Kind.STATE, mode=mode)
        two.api.journal.append(Kind.CAUSE, code="emergency_stop").result()
    assert two.clinician.post("threshold/session", json=ANSWERS).status_code == 201


@pytest.mark.req("SR-192")
@pytest.mark.parametrize("taken_back", [False, True])
def test_it_ends_fifteen_minutes_after_the_yes_however_late_it_was_opened(two: Two, taken_back: bool) -> None:
    """Also when she takes it back while the session is being opened."""
    ended, act = threading.Event(), two.api.engine.act

    def told(action: Action, epoch: int | None) -> Any:
        answer = act(action, epoch)
        ended.set()
        return answer

    two.clinician.post("threshold")
    two.patient.post("threshold/allow")
    two.api.engine.act = told  # type: ignore[method-assign]
    if taken_back:
        may_open = two.api.service.threshold.may_open
        two.api.service.threshold.may_open = (  # type: ignore[method-assign]
            lambda *asked: (may_open(*asked), two.api.service.threshold.end())[0]
        )
    else:
        two.now_s += LASTS_S - 0.001
    assert two.clinician.post("threshold/session", json=ANSWERS).status_code == 201
    assert ended.wait(10)
    assert two.api.engine.now.session is None
    two.api.journal.append(Kind.COMMAND).result()  # what was noted before is on disk too
    assert two.api.journal.rows(Kind.THRESHOLD)[-1].fields == {"event": "expired", "session": "t1"}


@pytest.mark.req("SR-192")
def test_nothing_is_taken_down_once_it_is_over(two: Two) -> None:
    two.run()
    assert two.raised(two.clinician, 2.0).status_code == 200
    two.now_s += LASTS_S
    assert code(two.clinician.post("threshold/marks", json={"channel": "A", "mark": "sensory"})) == "threshold_expired"


@pytest.mark.req("SR-192")
def test_only_the_clinician_leads_towards_output(two: Two) -> None:
    two.run()
    two.patient.post("sessions/current/control", json={"action": "claim"})
    assert code(two.raised(two.patient, 2.0)) == "role_too_low"
    epoch = two.api.engine.now.epoch
    for action in ("check_electrodes", "start", "resume"):
        asked = two.patient.post("sessions/current/actions", json={"action": action, "epoch": epoch})
        assert code(asked) == "role_too_low"
    two.clinician.post("sessions/current/control", json={"action": "claim"})
    two.patient.post("sessions/current/control", json={"action": "allow"})
    assert two.raised(two.clinician, 2.0).status_code == 200
    assert two.raised(two.patient, 1.0).status_code == 200, "lowering is anybody's"
    two.patient.post("sessions/current/control", json={"action": "claim"})
    pause = two.patient.post("sessions/current/actions", json={"action": "pause", "epoch": epoch})
    assert pause.status_code == 200, "here she may, whatever the prescription leaves to her in her own sessions"
    assert two.patient.delete("threshold").status_code == 200
    assert two.api.engine.now.session is None, "the patient takes her word back, and it ends"
    assert code(two.clinician.post("threshold/session", json=ANSWERS)) == "threshold_not_asked"


@pytest.mark.req("SR-192")
def test_a_mark_is_of_what_was_given_and_not_of_the_set_point(two: Two) -> None:
    """A phase of 70 %: at a set-point of 10 mA she feels 7, and that is what a cap may follow from."""
    two.run()
    engine = two.api.engine
    weak = replace(engine.now.channels["A"], set_point_ua=10_000, share=Fraction(7, 10))
    engine.now = replace(engine.now, channels={**engine.now.channels, "A": weak})
    shown = two.clinician.get("state").json()["channels"]["A"]
    assert (shown["set_point_ma"], shown["given_ma"]) == (10.0, 7.0)
    assert two.clinician.post("threshold/marks", json={"channel": "A", "mark": "comfortable"}).status_code == 201
    found = two.clinician.get("threshold").json()
    assert [one["amplitude_ma"] for one in found["marks"]] == [7.0]
    assert found["proposed_ma"] == {"A": 7.0}


@pytest.mark.req("SR-192")
def test_what_is_found_is_taken_down_and_a_cap_follows_from_it(two: Two) -> None:
    mark = {"channel": "A", "mark": "sensory"}
    assert code(two.clinician.post("threshold/marks", json=mark)) == "threshold_not_running"
    two.run()
    assert code(two.clinician.post("threshold/marks", json=mark)) == "threshold_zero"
    before = two.api.engine.prescribed
    for sensory, motor, most in ((2.0, 4.0, 6.1), (2.5, 4.5, 5.6)):
        for name, ma, how in (("sensory", sensory, None), ("motor", motor, "palpated"), ("comfortable", most, None)):
            while (now := two.api.engine.now.channels["A"].set_point_ua / 1000) < ma:
                assert two.raised(two.clinician, round(min(ma, now + 2.0), 1)).status_code == 200
            taken = two.clinician.post("threshold/marks", json={"channel": "A", "mark": name, "how": how})
            assert taken.status_code == 201, taken.text
        two.raised(two.clinician, 0.5)
    two.clinician.post("threshold/marks", json={"channel": "A", "mark": "motor"})
    found = two.clinician.get("threshold").json()
    assert found["spread"] == [
        {"channel": "A", "mark": "comfortable", "count": 2, "lowest_ma": 5.6, "highest_ma": 6.1},
        {"channel": "A", "mark": "motor", "count": 2, "lowest_ma": 4.0, "highest_ma": 4.5},
        {"channel": "A", "mark": "sensory", "count": 2, "lowest_ma": 2.0, "highest_ma": 2.5},
    ]
    assert found["marks"][-1] == {"channel": "A", "mark": "motor", "amplitude_ma": 0.5, "how": "not observed"}
    assert found["marks"][1]["how"] == "palpated"
    assert found["proposed_ma"] == {"A": 5.6}
    assert two.api.engine.prescribed is before, "nothing is set by itself"
    rows = two.api.journal.rows(Kind.THRESHOLD)
    assert [row.fields["event"] for row in rows] == ["asked", "allowed", *["mark"] * 7]
    two.clinician.delete("threshold")
    assert two.clinician.get("threshold").json()["proposed_ma"] == {"A": 5.6}, "it stays to be looked at"
