"""After a session: the rating, and what closes stimulation until a clinician has looked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from controller.blocks import blocks
from controller.chain import Kind
from controller.journal import Journal
from controller.port import EngineRefused, Playing
from controller.prescribed import Prescriptions
from controller.prescription import Prescription, Signature
from controller.programme import load_programme, programme_path
from hw.board import load_board
from tests.support.api import Api

RATING: dict[str, Any] = {"comfort": 4, "strength": 2, "pain_before": 0, "pain_after": 3}


@pytest.fixture
def patient(api: Api) -> TestClient:
    """A patient's phone, and a session ``s1`` of two contractions that is over."""
    api.journal.append(Kind.SESSION, event="opened", session="s1", programme="stress-50hz")
    for ua in (9_000, 12_000, 12_500):
        dose = {"contraction": 1, "channel": "A", "pulses": 1, "charge_pc": 1, "set_point_ua": ua}
        api.journal.append(Kind.DOSE, session="s1", **dose)
    api.journal.append(Kind.SESSION, event="closed", session="s1", mode="idle", cause=None).result()
    return api.phone("patient")


def test_a_session_is_rated_and_the_newest_rating_counts(patient: TestClient) -> None:
    assert patient.get("sessions").json()[0]["rating"] is None
    assert patient.post("sessions/s1/rating", json=RATING).status_code == 201
    told = RATING | {"comfort": 5, "felt_from_ma": {"A": 4.5}, "note": "fint på sofaen"}
    assert patient.post("sessions/s1/rating", json=told).json() == told | {"adverse": []}
    one = patient.get("sessions").json()[0]
    assert one["rating"] == told | {"adverse": []}
    assert one["comfortable_ma"] == {"A": 12.0}
    assert patient.get("blocks").json() == []


@pytest.mark.parametrize(
    "wrong",
    [{"comfort": 0}, {"comfort": 6}, {"pain_after": 11}, {"pain_after": None}, {"pain_before": "3"},
     {"adverse": ["dizzy"]}, {"more": 1}, {"note": "x" * 501}, {"felt_from_ma": {"C": 1.0}}],
)  # fmt: skip
def test_a_rating_of_another_form_is_refused(patient: TestClient, wrong: dict[str, Any]) -> None:
    assert patient.post("sessions/s1/rating", json=RATING | wrong).json()["code"] == "request_invalid"


def test_only_a_session_that_is_over_is_rated(api: Api, patient: TestClient) -> None:
    assert patient.post("sessions/none/rating", json=RATING).json()["code"] == "not_found"
    api.engine.now = replace(api.engine.now, session=Playing("s1", "stress-50hz", 1))
    assert patient.post("sessions/s1/rating", json=RATING).json()["code"] == "session_open"


def test_a_complaint_closes_stimulation_until_a_clinician_releases_it(api: Api, patient: TestClient) -> None:
    told = RATING | {"adverse": ["bleeding", "burning"], "note": "litt"}
    assert patient.post("sessions/s1/rating", json=told).status_code == 201
    (block,) = patient.get("blocks").json()
    assert (block["why"], block["what"], block["note"]) == ("adverse", ["bleeding", "burning"], "litt")
    release = f"blocks/{block['id']}/release"
    assert patient.post(release, json={"reason": "me"}).json()["code"] == "role_too_low"
    clinician = api.phone("clinician")
    assert clinician.post(release, json={"reason": ""}).status_code == 422
    assert clinician.post(release, json={"reason": "examined, healed"}).status_code == 204
    assert clinician.post(release, json={"reason": "again"}).json()["code"] == "not_found"
    assert patient.get("blocks").json() == []
    row = api.journal.rows(Kind.BLOCK)[-1].fields
    assert (row["who"], row["reason"]) == (api.device(clinician).id, "examined, healed")


# --- what the engine asks before a session ----------------------------------------------------------------------------

SIGNATURE = Signature("a" * 64, "b" * 128)
PLAN = Prescription(1, "stress-50hz", {"A": 15_000}, "vaginal probe", 1_000, None, 20, 3, 21, 12, 2_000_000, ())
PLAN = replace(PLAN, signature=SIGNATURE)


BOTH = load_programme(programme_path("stress-50hz")).text.decode()
BOTH = BOTH.replace('id = "stress-50hz"', 'id = "both"').replace('channel = "A"', 'channel = "AB"')


@pytest.mark.parametrize(
    ("caps_ua", "refused"),
    [({}, True), ({"A": 15_000}, True), ({"A": 15_000, "B": 0}, True), ({"A": 1, "B": 1}, False)],
)
def test_no_session_opens_before_each_channel_has_a_cap(tmp_path: Path, caps_ua: dict[str, int], refused: bool) -> None:
    """The caps may still be looked for."""
    journal = Journal(tmp_path, "d" * 64)
    prescriptions = Prescriptions(journal, load_board())
    prescriptions.put(replace(PLAN, programme="both", programme_text=BOTH, caps_ua=caps_ua))
    prescriptions.may_open("2027-01-01")
    if refused:
        with pytest.raises(EngineRefused) as told:
            prescriptions.may_come("2027-01-01")
        assert told.value.code == "cap_missing"
    else:
        prescriptions.may_come("2027-01-01")
    journal.close()


@pytest.mark.req("SR-163")
def test_nothing_opens_while_something_waits_for_the_clinician(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "d" * 64)
    prescriptions = Prescriptions(journal, load_board())
    prescriptions.put(PLAN)
    prescriptions.may_open("2027-01-01")
    prescriptions.close(["pregnant"])
    prescriptions.close(["pregnant"])  # told again: still one
    (block,) = blocks(journal.rows(Kind.BLOCK))
    assert (block.why, block.what) == ("contraindicated", ("pregnant",))
    with pytest.raises(EngineRefused) as refused:
        prescriptions.may_open("2027-01-01")
    assert refused.value.code == "blocked"
    again = Prescriptions(journal, load_board())
    with pytest.raises(EngineRefused):
        again.may_open("2027-01-01")  # a restart forgets nothing
    journal.append(Kind.BLOCK, event="released", block=block.id, who="c", reason="seen").result()
    prescriptions.may_open("2027-01-01")
    journal.close()
