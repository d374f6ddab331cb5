"""Who may prescribe over the API, and what a patient cannot reach; the clinician's key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.local import answer
from api.models import PrescriptionIn
from api.problems import of_error
from api.views import prescription_of, prescription_out
from controller import keys
from controller.keys import KeptKey, make_key, wrap
from controller.port import EngineRefused
from controller.prescription import completed
from tests.support.api import PRESCRIPTION, Api
from tests.support.signed import KEY

PASSPHRASE = "correct horse battery"


def signed(**changes: Any) -> dict[str, Any]:
    """The body of a prescription that the clinician of the tests signed."""

    plan = prescription_of(PrescriptionIn.model_validate({**PRESCRIPTION, **changes}))
    return prescription_out(KEY.sign(completed(plan, "d" * 64, "2026-03-01", b"text"))).model_dump()


@pytest.fixture
def patient(api: Api) -> TestClient:
    assert api.phone("clinician").put("prescription", json=PRESCRIPTION).status_code == 200
    return api.phone("patient")


@pytest.mark.req("SR-193")
def test_a_patient_prescribes_nothing(api: Api, patient: TestClient) -> None:
    """With everything that may stand in a prescription changed; the whole API: test_patient_changes_nothing.py."""
    before = api.engine.prescribed
    for changes in (
        {"revision": 2},
        {"revision": 2, "caps_ma": {"A": 40.0, "B": 40.0}},
        {"revision": 2, "minutes": 45, "sessions_per_day": 3, "sessions_per_week": 21, "weeks": 52},
        {"revision": 2, "programme": "urge-10hz"},
        {"revision": 2, "signature": None, "device": "d" * 64, "issued": "2026-03-01"},
    ):
        answer = patient.put("prescription", json={**PRESCRIPTION, **changes})
        assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low")
        assert api.engine.prescribed is before
    assert not [one for one in api.engine.asked if one[0] == "prescribe" and one[1] != 1]


@pytest.mark.req("SR-193")
def test_a_patient_brings_what_a_clinician_signed(api: Api, patient: TestClient) -> None:
    answer = patient.put("prescription", json=signed(revision=2))
    assert (answer.status_code, answer.json()) == (200, signed(revision=2))
    assert api.engine.prescribed is not None
    assert api.engine.prescribed.signature is not None
    viewer = api.phone("viewer").put("prescription", json=signed(revision=3))
    assert viewer.json()["code"] == "role_too_low"


def test_the_clinicians_key_over_the_api(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MEMORY_KIB", 64)
    clinician = api.phone("clinician")
    assert clinician.get("key").json()["state"] == "simulated"
    path = api.folder / "clinician.key"
    api.service.keys = KeptKey(path)
    none = clinician.get("key").json()
    assert [none[field] for field in ("state", "name", "fingerprint", "left_s", "known")] == [
        "none",
        *[None] * 3,
        False,
    ]
    assert clinician.post("key/unlock", json={"passphrase": PASSPHRASE}).json()["code"] == "key_missing"
    key = make_key("Bjørg Ås")
    path.write_text(wrap(key, PASSPHRASE), encoding="utf-8")
    assert clinician.get("key").json()["state"] == "locked"
    assert clinician.post("key/unlock", json={"passphrase": "wrong"}).json()["code"] == "key_wrong"
    opened = clinician.post("key/unlock", json={"passphrase": PASSPHRASE}).json()
    assert (opened["state"], opened["fingerprint"]) == ("unlocked", key.public.fingerprint)
    assert 0 < opened["left_s"] <= 300
    assert clinician.delete("key/unlock").status_code == 204
    assert clinician.get("key").json()["state"] == "locked"


@pytest.mark.parametrize("end", ["leaves", "revoked", "at the device"])
def test_the_clinicians_key_is_locked_when_her_phone_is_unpaired(
    api: Api, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(keys, "MEMORY_KIB", 64)
    path = api.folder / "clinician.key"
    path.write_text(wrap(make_key("Bjørg Ås"), PASSPHRASE), encoding="utf-8")
    api.service.keys = KeptKey(path)
    phone, other, patient = api.phone("clinician"), api.phone("clinician"), api.phone("patient")
    assert phone.post("key/unlock", json={"passphrase": PASSPHRASE}).json()["state"] == "unlocked"
    assert patient.delete("me").status_code == 204
    assert other.get("key").json()["state"] == "unlocked", "a patient's phone has no part in it"
    match end:
        case "leaves":
            phone.delete("me")
        case "revoked":
            other.delete(f"devices/{api.device(phone).id}")
        case _:
            answer(api.service, {"op": "revoke", "id": api.device(phone).id})
    assert other.get("key").json()["state"] == "locked"
    assert phone.get("key").status_code == 401


def test_a_name_of_the_north_may_prescribe(api: Api) -> None:
    clinician = api.phone("clinician")
    told = clinician.put("prescription", json={**PRESCRIPTION, "prescriber": "Bjørg Ås-Łukasz"})
    assert told.json()["prescriber"] == "Bjørg Ås-Łukasz"


def test_which_caps_are_possible_is_told_early_and_in_the_refusal(api: Api) -> None:
    clinician = api.phone("clinician")
    caps = {
        "full_scale_ma": 50.0,
        "least_ma": 12.5,
        "most_ma": 50.0,
        "smaller": [{"full_scale_ma": 25.0, "least_ma": 2.0}],
    }
    assert clinician.get("programmes/stress-50hz").json()["caps"] == caps
    assert clinician.get("programmes/stress-50hz?area_mm2=50").json()["caps"]["most_ma"] < 12.5
    refused = EngineRefused("prescription_cap", "why", 50_000, least_ua=12_500, field="caps_ma.A")
    told = json.loads(bytes(of_error(refused).body))
    assert (told["field"], told["least_ma"], told["allowed_ma"]) == ("caps_ma.A", 12.5, 50.0)
