"""One's own programmes over the API, a prescription file read back, and what the page is told of key and procedure."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from api.models import PrescriptionIn
from api.views import prescription_of
from controller.catalogue import library
from controller.chain import Kind
from controller.keys import make_key
from controller.prescription import completed
from controller.prescription_form import as_toml, parse_form
from controller.programme_form import check
from tests.support.api import PRESCRIPTION, Api
from tests.support.signed import KEY

STRESS = library()["stress-50hz"].decode()
MINE = STRESS.replace('id = "stress-50hz"', 'id = "mine"')


def code(answer: Any) -> str:
    return str(answer.json()["code"])


def checked(phone: TestClient, **body: Any) -> Any:
    answer = phone.post("programmes/check", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_form_is_checked_as_a_file_is(api: Api) -> None:
    clinician = api.phone("clinician")
    opened = checked(clinician, text=STRESS)
    assert opened["accepted"]
    assert (opened["sha256"], opened["highest_ma"]) == (check(STRESS.encode()).sha256, 50.0)
    form = opened["form"]
    assert checked(clinician, form=form)["programme"]["phases"] == opened["programme"]["phases"]
    short = checked(clinician, form={**form, "phase": [{**form["phase"][0], "rest_ms": 6499}]})
    assert [(one["code"], one["phase"], one["field"]) for one in short["problems"]] == [("rest_short", 1, "rest_ms")]
    assert (short["accepted"], short["programme"], short["highest_ma"]) == (False, None, None)
    assert short["limits"][0]["rest_ms"]["low"] == 6500
    strong = checked(clinician, form={**form, "electrode": {"kind": "surface", "area_cm2": 0.5}}, max_ma=40.0)
    assert [(one["code"], one["phase"]) for one in strong["problems"]] == [("rms_density_high", 1)]
    assert 0 < strong["highest_ma"] < 40
    none = checked(clinician, text="a = [")
    assert (none["form"], none["problems"][0]["code"]) == (None, "file_not_toml")


def test_a_programme_of_ones_own_is_kept_replaced_prescribed_and_removed(api: Api) -> None:
    clinician, patient = api.phone("clinician"), api.phone("patient")
    assert code(clinician.put("programmes/other", json={"text": MINE})) == "programme_invalid"
    assert code(clinician.put("programmes/stress-50hz", json={"text": STRESS})) == "programme_shipped"
    bad = MINE.replace("rest_ms = 7000", "rest_ms = 1300")
    assert code(clinician.put("programmes/mine", json={"text": bad})) == "programme_invalid"
    kept = clinician.put("programmes/mine", json={"text": MINE}).json()
    assert kept["own"]
    assert code(clinician.put("programmes/mine", json={"text": MINE})) == "programme_kept", "never unseen over another"
    other = MINE.replace("hold_ms = 5000", "hold_ms = 4000")
    replaced = clinician.put("programmes/mine", json={"text": other, "replaces": kept["sha256"]}).json()
    assert replaced["phases"][0]["hold_ms"] == 4000
    assert patient.get("programmes/mine/file").text == other
    listed = patient.get("programmes").json()
    assert [(one["id"], one["own"]) for one in listed] == [*((name, False) for name in library()), ("mine", True)]
    assert patient.get("programmes/mine/output-table").json()["programme"] == "mine"

    plan = {**PRESCRIPTION, "programme": "mine"}
    assert clinician.put("prescription", json=plan).json()["programme_text"] == other, "it comes along"
    clinician.put("programmes/mine", json={"text": MINE, "replaces": replaced["sha256"]})
    assert patient.get("prescription/programme").json()["phases"][0]["hold_ms"] == 4000, "what was prescribed stays"
    assert clinician.delete("programmes/mine").status_code == 204
    assert code(clinician.delete("programmes/mine")) == "programme_unknown"
    assert code(clinician.delete("programmes/stress-50hz")) == "programme_unknown"
    assert code(clinician.get("programmes/mine")) == "not_found"
    assert code(clinician.put("prescription", json={**plan, "revision": 2})) == "programme_unknown"
    events = [row.fields["event"] for row in api.journal.rows(Kind.PROGRAMME)]
    assert events == ["kept", "kept", "kept", "removed"]


def test_there_is_an_end_to_how_many_are_kept(api: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr("controller.own_programmes.OWN_MAX", 1)
    clinician = api.phone("clinician")
    assert clinician.put("programmes/mine", json={"text": MINE}).status_code == 200
    second = MINE.replace('id = "mine"', 'id = "second"')
    assert code(clinician.put("programmes/second", json={"text": second})) == "programme_full"


def test_a_file_is_read_back_in_words_and_taken_along_whole(api: Api) -> None:
    """With a programme of its own, far longer than a line of a TOML file may be."""
    patient = api.phone("patient")
    assert code(patient.get("prescription/file")) == code(patient.get("prescription/programme")) == "no_prescription"
    text = MINE + "# " + 'a "long" \\ line\n# ' * 200 + "\n"
    plan = prescription_of(PrescriptionIn.model_validate({**PRESCRIPTION, "programme": "mine", "programme_text": text}))
    signed = KEY.sign(completed(plan, "d" * 64, "2026-03-01", text.encode()))
    told = patient.post("prescription/read", json={"text": as_toml(signed), "language": "en"}).json()
    assert told["signed_by"] == KEY.name
    assert ("Highest, channel A", "20 mA") in [(one["label"], one["text"]) for one in told["words"]]
    assert api.engine.prescribed is None, "reading puts nothing in force"
    assert patient.put("prescription", json=told["form"]).status_code == 200
    file = patient.get("prescription/file")
    assert "plan-1.toml" in file.headers["content-disposition"]
    assert parse_form(file.content, "file") == signed == api.engine.prescribed

    stranger = make_key("A stranger").sign(plan)
    assert patient.post("prescription/read", json={"text": as_toml(stranger)}).json()["signed_by"] is None
    bad = as_toml(signed).replace("minutes = 20", "minutes = 460")
    refused = patient.post("prescription/read", json={"text": bad}).json()
    assert (refused["code"], [one["field"] for one in refused["problems"]]) == ("prescription_malformed", ["minutes"])


def test_the_page_is_told_who_may_sign_and_where_the_procedure_stands(api: Api) -> None:
    clinician, patient = api.phone("clinician"), api.phone("patient")
    told = clinician.get("key").json()
    assert told["known"]
    assert told["enrolled"] == [{"name": KEY.name, "fingerprint": KEY.public.fingerprint}]
    assert told["device"] == "d" * 64
    api.service.enrolled = lambda: ()
    assert not clinician.get("key").json()["known"]

    now_s = 1_000.0
    api.service.clock_s = lambda: now_s
    clinician.put("prescription", json={**PRESCRIPTION, "caps_ma": {}})
    standing = [patient.get("state").json()["threshold"]]
    for phone, path in ((clinician, "threshold"), (patient, "threshold/allow")):
        phone.post(path)
        standing.append(patient.get("state").json()["threshold"])
    now_s += 15 * 60
    assert [*standing, patient.get("state").json()["threshold"]] == ["none", "asked", "allowed", "none"]
