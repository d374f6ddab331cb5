"""A session over the api: opened, controlled, raised, lowered, ended, and read afterwards."""

from __future__ import annotations

import asyncio
import csv
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.live import EVENTS_MAX, messages
from controller.chain import Kind
from controller.dose import Dose
from controller.journal import utc_now
from controller.port import Event
from controller.prescription import CONTRAINDICATIONS, contraindicated
from tests.support.apart import apart
from tests.support.api import PRESCRIPTION, WSS, Api

NONE_APPLIES = dict.fromkeys(CONTRAINDICATIONS, False)
OPEN = {"prescription_revision": 1, "answers": NONE_APPLIES}


@pytest.fixture
def patient(api: Api) -> TestClient:
    """A patient's phone that controls a running session with a set-point of 0."""
    assert api.phone("clinician").put("prescription", json=PRESCRIPTION).status_code == 200
    phone = api.phone("patient")
    assert phone.post("sessions", json=OPEN).status_code == 201
    for action in ("check_electrodes", "start"):
        assert phone.post("sessions/current/actions", json={"action": action, "epoch": 1}).status_code == 200
    return phone


def raise_to(phone: TestClient, ma: object, rev: str | None = None) -> tuple[int, dict[str, Any]]:
    if rev is None:
        rev = phone.get("state").headers["etag"]
    answer = phone.put(
        "sessions/current/intensity",
        json={"channel": "A", "amplitude_ma": ma},
        headers={"if-match": rev} if rev else {},
    )
    return answer.status_code, answer.json()


def commands(api: Api) -> list[tuple[str, str]]:
    """All that are asked to be written; some nobody waits for."""
    api.service.note(Kind.STATE, mode="idle").result()
    return [(row.fields["what"], row.fields["result"]) for row in api.journal.rows(Kind.COMMAND)]


def test_a_whole_session(api: Api, patient: TestClient) -> None:
    state = patient.get("state").json()
    assert (state["mode"], state["epoch"], state["session"]["programme"]) == ("running", 1, "stress-50hz")
    assert state["control"]["holder"] == api.device(patient).id
    assert raise_to(patient, 2.0) == (200, patient.get("state").json())
    assert raise_to(patient, 4)[1]["channels"]["A"]["set_point_ma"] == 4.0
    assert raise_to(patient, 1.5, "")[0] == 200
    for action, mode in (("pause", "paused"), ("resume", "running"), ("end", "idle")):
        told = patient.post("sessions/current/actions", json={"action": action, "epoch": 1}).json()
        assert told["mode"] == mode
    assert commands(api)[-7:] == [
        *[("intensity", "done")] * 3,
        *[("pause", "done"), ("resume", "asked"), ("resume", "done"), ("end", "done")],
    ]


def test_who_asked_is_journalled(api: Api, patient: TestClient) -> None:
    raise_to(patient, 2.0)
    last = api.journal.rows(Kind.COMMAND)[-1].fields
    told = {"who": api.device(patient).id, "role": "patient", "what": "intensity", "result": "done"}
    assert last == {**told, "channel": "A", "amplitude_ua": 2000}


@pytest.mark.parametrize(
    ("change", "ma", "rev", "status", "code", "more"),
    [
        ({}, 2.0, "", 428, "rev_missing", {}),
        ({}, 2.0, '"1.7"', 412, "rev_changed", {}),
        ({}, 2.0, '"0.0"', 412, "rev_changed", {}),
        ({}, 2.0, "junk", 412, "rev_changed", {}),
        ({}, 2.5, None, 409, "step_too_large", {"allowed_ma": 2.0, "after_ms": 0}),
        ({}, 20.5, None, 409, "above_cap", {"allowed_ma": 2.0}),
        ({"holding": False}, 1.0, None, 409, "wait_for_contraction", {"allowed_ma": 0.0, "after_ms": 2501}),
        ({"stale": True}, 1.0, None, 409, "lease_stale", {"allowed_ma": 0.0}),
    ],
)
def test_a_raise_that_may_not_be_says_why_and_what_may(
    api: Api,
    patient: TestClient,
    change: dict[str, bool],
    ma: float,
    rev: str | None,
    status: int,
    code: str,
    more: Any,
) -> None:
    api.engine.holding = change.get("holding", True)
    if change.get("stale"):
        api.engine.now = replace(api.engine.now, lease=replace(api.engine.now.lease, increase_allowed=False))
    got, told = raise_to(patient, ma, rev)
    assert (got, told["status"], told["code"], told["type"]) == (status, status, code, f"urn:problem:{code}")
    assert {key: told.get(key) for key in more} == more
    assert commands(api)[-1] == ("intensity", code)
    assert api.engine.now.channels["A"].set_point_ua == 0


def test_only_the_controlling_phone_raises_and_every_patients_phone_lowers(api: Api, patient: TestClient) -> None:
    raise_to(patient, 2.0)
    other = api.phone("patient")
    assert raise_to(other, 3.0)[1]["code"] == "not_controlling"
    assert raise_to(other, 1.0, "")[0] == 200
    assert api.phone("viewer").put("sessions/current/intensity").json()["code"] == "role_too_low"


@pytest.mark.parametrize("ma", ["2", True, None, -0.1, 100.1, 1.23, 1e300, [2.0]])
def test_an_amplitude_of_another_kind_is_refused(api: Api, patient: TestClient, ma: object) -> None:
    before = len(api.engine.asked)
    assert raise_to(patient, ma)[1]["code"] == "request_invalid"
    assert len(api.engine.asked) == before


def test_an_action_of_an_older_session_is_refused(api: Api, patient: TestClient) -> None:
    def ask(**body: object) -> str | None:
        code = patient.post("sessions/current/actions", json=body).json().get("code")
        return None if code is None else str(code)

    assert ask(action="pause") is None
    assert ask(action="resume") == "epoch_missing"
    assert ask(action="resume", epoch=0) == "old_epoch"
    assert ask(action="resume", epoch=1) is None
    assert ask(action="pause", epoch=2) == "old_epoch"
    other = api.phone("patient")
    assert other.post("sessions/current/actions", json={"action": "end"}).json()["code"] == "not_controlling"
    refused = [("resume", "epoch_missing"), ("resume", "old_epoch"), ("pause", "old_epoch"), ("end", "not_controlling")]
    assert [one for one in commands(api) if one in refused] == refused, "what was refused was asked too"


@pytest.mark.req("SR-193")
def test_a_patient_may_what_the_prescription_leaves_to_her_and_always_what_is_safe(api: Api) -> None:
    """Pause and early end are the clinician's to leave; stop, lowering, and the end of what does not run are not."""

    def begun(revision: int, may: list[str], *actions: str) -> TestClient:
        plan = {**PRESCRIPTION, "revision": revision, "patient_may": may}
        assert api.phone("clinician").put("prescription", json=plan).status_code == 200
        phone = api.phone("patient")
        assert phone.post("sessions", json={**OPEN, "prescription_revision": revision}).status_code == 201
        for action in ("check_electrodes", *actions):
            assert ask(phone, action) is None
        return phone

    def ask(phone: TestClient, action: str) -> str | None:
        body = {"action": action, "epoch": api.engine.now.epoch}
        code = phone.post("sessions/current/actions", json=body).json().get("code")
        return None if code is None else str(code)

    assert ask(begun(1, []), "end") is None, "before it runs"
    patient = begun(2, [], "start")
    assert (ask(patient, "pause"), ask(patient, "end")) == ("not_left_to_patient", "not_left_to_patient")
    assert not [one for one in api.engine.asked if one[:2] == ("act", "pause")]
    assert api.engine.now.mode == "running"
    raise_to(patient, 2.0)
    assert raise_to(patient, 0, "")[0] == 200
    api.engine._set(mode="paused", paused_by="lease_lost")
    assert ask(patient, "end") is None, "the device paused it: nobody is held to it"
    api.engine._set(paused_by=None)
    patient = begun(3, ["pause"], "start", "pause")
    assert ask(patient, "end") == "not_left_to_patient"
    clinician = api.phone("clinician")
    clinician.post("sessions/current/control", json={"action": "claim"})
    patient.post("sessions/current/control", json={"action": "allow"})
    assert ask(clinician, "end") is None
    patient = begun(4, ["end_early"], "start")
    assert (ask(patient, "pause"), ask(patient, "end")) == ("not_left_to_patient", None)
    begun(5, [], "start")
    assert api.stranger().post("stop").json()["confirmed"] is True


def test_a_clinician_gets_control_when_the_patient_allows_it(api: Api, patient: TestClient) -> None:
    clinician = api.phone("clinician")

    def control(phone: TestClient, action: str) -> Any:
        return phone.post("sessions/current/control", json={"action": action}).json()

    assert control(clinician, "claim")["asking"] == api.device(clinician).id
    assert control(clinician, "allow")["code"] == "patient_needed"
    assert commands(api)[-1] == ("control_allow", "patient_needed")
    assert raise_to(clinician, 1.0)[1]["code"] == "not_controlling"
    assert control(patient, "allow")["holder"] == api.device(clinician).id
    assert raise_to(clinician, 1.0)[0] == 200
    assert raise_to(patient, 2.0)[1]["code"] == "not_controlling"
    assert control(patient, "release")["code"] == "not_controlling"
    assert control(patient, "claim")["holder"] == api.device(patient).id
    assert ("control_allow", "done") in commands(api)


def test_a_clinician_who_opens_a_session_only_asks_for_control(api: Api) -> None:
    clinician = api.phone("clinician")
    clinician.put("prescription", json=PRESCRIPTION)
    told = clinician.post("sessions", json=OPEN).json()
    assert told["control"] == {"holder": None, "asking": api.device(clinician).id}


def test_heartbeats_reach_the_engine_from_the_controlling_phone_alone(api: Api, patient: TestClient) -> None:
    beat = {"sequence": 1, "nonce": "5f3c"}
    assert patient.post("sessions/current/heartbeat", json=beat).json()["nonce"] == "5f3c"
    assert patient.post("sessions/current/heartbeat", json=beat).json()["code"] == "sequence_old"
    other = api.phone("patient")
    assert other.post("sessions/current/heartbeat", json=beat).json()["code"] == "not_controlling"
    assert api.engine.asked.count(("heartbeat", "5f3c")) == 1


# --- before and after -------------------------------------------------------------------------------------------------


def test_prescriptions_count_up_and_come_back_as_they_were_told(api: Api) -> None:
    clinician, patient = api.phone("clinician"), api.phone("patient")
    assert patient.get("prescription").json()["code"] == "no_prescription"
    assert clinician.put("prescription", json={**PRESCRIPTION, "revision": 2}).json()["code"] == "prescription_revision"
    assert clinician.put("prescription", json={**PRESCRIPTION, "programme": "x"}).json()["code"] == "programme_unknown"
    full = {
        **PRESCRIPTION,
        "caps_ma": {"A": 20.5, "B": None},
        "electrode": {**PRESCRIPTION["electrode"], "placement": {"depth_mm": 40, "turn_degrees": -90}},
        "lease_ms": 3000,
        "patient_may": ["pause"],
        "released": [{"contraindication": "pregnant", "reason": "seen by the midwife"}],
        "valid_until": "2027-01-31",
        "signature": {"key": "a" * 64, "value": "b" * 128},
    }
    full |= dict.fromkeys(("issued", "device", "programme_sha256", "programme_text"))
    assert clinician.put("prescription", json=full).json() == full
    assert patient.get("prescription").json() == full
    assert api.engine.prescribed is not None
    assert (api.engine.prescribed.caps_ua, api.engine.prescribed.lease_us) == ({"A": 20_500}, 3_000_000)


@pytest.mark.req("SR-163")
def test_a_contraindication_closes_stimulation_unless_it_was_released(api: Api) -> None:
    patient, clinician = api.phone("patient"), api.phone("clinician")
    assert patient.post("sessions", json=OPEN).json()["code"] == "no_prescription"
    clinician.put("prescription", json=PRESCRIPTION)
    against = {**OPEN, "answers": {**NONE_APPLIES, "pregnant": True}}
    told = patient.post("sessions", json=against).json()
    assert (told["code"], told["detail"]) == ("contraindicated", "pregnant")
    assert patient.post("sessions", json={**OPEN, "answers": {}}).json()["code"] == "request_invalid"
    released = [{"contraindication": "pregnant", "reason": "seen by the midwife"}]
    clinician.put("prescription", json={**PRESCRIPTION, "revision": 2, "released": released})
    assert patient.post("sessions", json=against).json()["code"] == "prescription_revision"
    assert patient.post("sessions", json={**against, "prescription_revision": 2}).status_code == 201


def pressed(api: Api, day: str, *shown: tuple[str, str | None]) -> None:
    """What the engine writes of modes and causes as it sees them, on a day."""
    api.journal._now = lambda: day
    for mode, cause in shown:
        api.journal.append(Kind.STATE, mode=mode)
        if cause is not None:
            api.journal.append(Kind.CAUSE, code=cause).result()


@pytest.mark.req("SR-151")
def test_the_red_button_is_tried_before_the_first_session_of_a_day(api: Api) -> None:
    """Pressed and turned out again today, both contacts following."""
    api.phone("clinician").put("prescription", json=PRESCRIPTION)
    phone = api.phone("patient")
    api.engine.now = replace(api.engine.now, simulated=False)
    today, yesterday = utc_now(), (datetime.now(UTC) - timedelta(days=1)).isoformat()
    held, out = ("estop_held", "emergency_stop"), ("estop_released", "emergency_stop")
    disagree = (("estop_held", "estop_contacts_disagree"), ("estop_released", "estop_contacts_disagree"))
    for day, *shown in (
        (yesterday, held, out),
        (today, out),  # pressed yesterday, and found so at a start
        (today, held, ("idle", None)),
        (today, ("estop_released", None), ("stopped", "emergency_stop")),
        (today, held, *disagree, ("self_test", None), ("idle", None)),
    ):
        pressed(api, day, *shown)
        assert phone.post("sessions", json=OPEN).json()["code"] == "button_not_tried", shown
        assert commands(api)[-1] == ("open_session", "button_not_tried")
    assert not [one for one in api.engine.asked if one[0] == "open_session"]
    pressed(api, today, held, out)
    assert phone.post("sessions", json=OPEN).status_code == 201


def test_the_state_names_the_prescription_in_force(api: Api, patient: TestClient) -> None:
    assert api.stranger().get("state").status_code == 401
    for revision in (2, 3):
        assert patient.get("state").json()["prescription_revision"] == revision - 1
        assert f'"prescription_revision":{revision - 1}' in api.service.state_json()
        api.phone("clinician").put("prescription", json={**PRESCRIPTION, "revision": revision})


def test_an_answer_tells_the_state_as_it_leaves(api: Api, patient: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal's disk took its time, and meanwhile somebody stopped it."""
    told = api.service._told

    async def slow(**fields: object) -> None:
        await told(**fields)
        api.engine._set(mode="stopped", cause="person", clears="acknowledge")

    monkeypatch.setattr(api.service, "_told", slow)
    answer = patient.post("sessions/current/actions", json={"action": "pause"}).json()
    assert (answer["mode"], answer["cause"]) == ("stopped", "person")


def test_a_question_without_an_answer_counts_as_yes() -> None:
    assert contraindicated({}, {}) == CONTRAINDICATIONS
    assert contraindicated({"pregnant": False}, dict.fromkeys(CONTRAINDICATIONS[2:], "")) == CONTRAINDICATIONS[1:2]


def test_a_stop_is_acknowledged_by_whom_the_cause_allows(api: Api) -> None:
    patient, clinician = api.phone("patient"), api.phone("clinician")
    assert patient.post("acknowledge").json()["code"] == "nothing_latched"
    api.engine._set(mode="lockout", cause="current_high", clears="clinician")
    assert patient.post("acknowledge").json()["code"] == "clinician_needed"
    assert clinician.post("acknowledge").json()["mode"] == "idle"


def test_without_a_journal_nothing_begins_or_rises_and_everything_ends(api: Api, patient: TestClient) -> None:
    raise_to(patient, 2.0)
    api.journal.close()
    assert raise_to(patient, 3.0)[0] == 200  # nobody knew yet
    assert patient.get("state").json()["journal"] == "not_written"
    assert raise_to(patient, 4.0)[1]["code"] == "journal_not_written"
    assert raise_to(patient, 1.0)[0] == 200
    for action, code in (("pause", None), ("resume", "journal_not_written"), ("end", None)):
        told = patient.post("sessions/current/actions", json={"action": action, "epoch": 1}).json()
        assert told.get("code") == code
    assert patient.post("stop").json()["confirmed"] is True


DOSE = {"channel": "A", "start_us": 0, "end_us": 5_000_000, "set_point_ua": 12_000, "measured_ua": 11_900}


def test_what_was_delivered_is_read_from_the_journal(api: Api) -> None:
    note = api.service.note
    note(Kind.SESSION, event="opened", session="s1", programme="stress-50hz")
    for n in (1, 2):
        note(Kind.DOSE, session="s1", contraction=n, pulses=250, charge_pc=750_000_000, **DOSE)
    note(Kind.CAUSE, session="s1", code="person")
    note(Kind.SESSION, event="closed", session="s1", mode="stopped", cause="person")
    note(Kind.SESSION, event="opened", session="s2", programme="sprint").result()
    patient = api.phone("patient")
    newest, first = patient.get("sessions").json()
    assert (newest["id"], newest["ended"], newest["pulses"]) == ("s2", None, 0)
    page = patient.get("sessions?limit=1")
    assert page.json() == [newest]
    assert page.links["next"]["url"] == "/api/v1/sessions?limit=1&before=s2"
    last = patient.get("sessions?limit=1&before=s2")
    assert (last.json(), last.links) == ([first], {})
    assert patient.get("sessions?before=s9").json()["code"] == "not_found"
    assert patient.get("sessions?limit=201").json()["code"] == "request_invalid"
    assert (first["contractions"], first["pulses"], first["charge_uc"], first["cause"]) == (2, 500, 1500.0, "person")
    whole = patient.get("sessions/s1").json()
    assert [dose["contraction"] for dose in whole["doses"]] == [1, 2]
    assert [(event["kind"], event["code"]) for event in whole["events"]] == [("cause", "person")]
    assert patient.get("sessions/s1/export").json() == whole
    lines = patient.get("sessions/s1/export?format=csv").text.splitlines()
    first_dose = next(csv.DictReader(lines))
    assert list(first_dose) == ["simulated", *(field.name for field in fields(Dose))]
    told = {"contraction": 1, "pulses": 250, "charge_pc": 750_000_000, **DOSE}
    assert {name: first_dose[name] for name in told} == {name: str(value) for name, value in told.items()}
    assert patient.get("sessions/s9").json()["code"] == "not_found"


def test_programmes_have_their_figures(api: Api) -> None:
    viewer = api.phone("viewer")
    listed = viewer.get("programmes").json()
    assert "stress-50hz" in [one["id"] for one in listed]
    assert all(one["figures"]["accepted"] for one in listed)
    assert viewer.get("programmes/stress-50hz").json() in listed
    assert viewer.get("programmes/none").json()["code"] == "not_found"


def test_the_output_of_a_programme(api: Api) -> None:
    viewer = api.phone("viewer")
    told = viewer.get("programmes/stress-50hz/output-table?max_ma=25&area_mm2=1250").json()
    assert (told["max_ma"], told["electrode"]["area_cm2"]) == (25, 12.5)
    assert [(row["load_ohm"], row["peak_current_ma"]) for row in told["lines"]] == [(500, 25), (2000, 25), (10000, 6)]
    lines = viewer.get("programmes/stress-50hz/output-table?max_ma=25&area_mm2=1250&format=csv").text.splitlines()
    assert [float(row["rms_density_ma_per_cm2"]) for row in csv.DictReader(lines)] == [
        row["rms_density_ma_per_cm2"] for row in told["lines"]
    ]
    assert viewer.get("programmes/none/output-table").json()["code"] == "not_found"


def test_health_and_figures(api: Api, patient: TestClient) -> None:
    patient.post("stop")
    clinician = api.phone("clinician")
    assert clinician.get("health").json() == {"ready": True, "guard": True, "journal": True, "mode": "stopped"}
    lines = clinician.get("metrics").text.splitlines()
    assert {"pelvistim_stops_total 1", "pelvistim_guard_up 1", "pelvistim_paired_devices 3"} <= set(lines)
    api.engine.well = False
    assert clinician.get("health").json()["ready"] is False


# --- the live stream --------------------------------------------------------------------------------------------------


def test_the_socket_tells_states_and_events_and_takes_heartbeats(api: Api, patient: TestClient) -> None:
    with patient.websocket_connect(WSS) as socket:
        assert socket.receive_json()["data"]["mode"] == "running"
        api.engine.tell(Event("load_drift", "the load rises", "s1"))
        told = socket.receive_json()
        while told["type"] != "event":
            told = socket.receive_json()
        assert told["data"] == {"code": "load_drift", "detail": "the load rises", "session": "s1"}

        def refusal(text: str) -> str:
            socket.send_text(text)
            told = socket.receive_json()
            while told["type"] != "refused":
                told = socket.receive_json()
            return str(told["data"]["code"])

        socket.send_text('{"type": "heartbeat", "sequence": 4, "nonce": "ab12"}')
        assert refusal('{"type": "heartbeat", "sequence": 4, "nonce": "ab12"}') == "sequence_old"
        assert api.engine.asked.count(("heartbeat", "ab12")) == 1
        for bad in ("", "[]", '{"type": "stop"}', '{"type": "heartbeat", "sequence": "5", "nonce": "ab"}'):
            assert refusal(bad) == "request_invalid"


def test_a_viewers_socket_holds_no_lease(api: Api) -> None:
    with api.phone("viewer").websocket_connect(WSS) as socket:
        socket.send_text('{"type": "heartbeat", "sequence": 4, "nonce": "ab12"}')
        told = socket.receive_json()
        while told["type"] != "refused":
            told = socket.receive_json()
        assert told["data"]["code"] == "role_too_low"


def test_a_reader_that_is_too_slow_is_let_go_and_takes_no_memory_meanwhile(api: Api) -> None:
    async def read() -> list[tuple[str, str]]:
        stream = messages(api.service, api.device(api.phone("viewer")))
        assert (await anext(stream))[0] == "state"
        for number in range(3 * EVENTS_MAX):
            api.engine.tell(Event("log", str(number), None))
        await asyncio.sleep(0)  # they are handed over by the loop
        assert len(stream.ag_frame.f_locals["events"]) == EVENTS_MAX + 1  # type: ignore[attr-defined]
        return [one async for one in stream]

    assert apart(read()) == []
    assert api.engine.listeners == []


def test_a_stream_ends_with_its_pairing(api: Api) -> None:
    viewer = api.phone("viewer")
    with viewer.websocket_connect(WSS) as socket:
        assert socket.receive_json()["type"] == "state"
        api.service.devices.revoke(api.device(viewer).id, by="test")
        message = socket.receive()
        while message["type"] == "websocket.send":
            message = socket.receive()
        assert (message["code"], message["reason"]) == (1008, "not_paired")
    assert api.service.figures.streams == 0
    assert api.engine.listeners == []
