"""Every endpoint x every role x no role x foreign page or host x revoked and expired phone x loopback and LAN."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from api import routes_session, routes_training
from api.roles import Role
from controller.prescription import CONTRAINDICATIONS
from tests.support.api import HOST, LAN, LOOPBACK, PRESCRIPTION, V1, WSS, Api

ANYONE, HERE = "anyone", "clinician or the device itself"
FINE: Final = {"answers": dict.fromkeys(CONTRAINDICATIONS, False), "prescription_revision": 1}
TABLE: Final[dict[tuple[str, str], tuple[str, Any]]] = {
    ("POST", "/stop"): (ANYONE, None),
    ("GET", "/stop"): (ANYONE, None),
    ("POST", "/pair"): (ANYONE, {"token": "x"}),
    ("GET", "/state"): ("viewer", None),
    ("GET", "/live"): ("viewer", None),
    ("GET", "/me"): ("viewer", None),
    ("GET", "/openapi.json"): ("viewer", None),
    ("DELETE", "/me"): ("viewer", None),
    ("GET", "/programmes"): ("viewer", None),
    ("GET", "/programmes/{id}"): ("viewer", None),
    ("GET", "/programmes/{id}/output-table"): ("viewer", None),
    ("GET", "/programmes/{id}/file"): ("viewer", None),
    ("POST", "/programmes/check"): ("clinician", {"text": "schema = 1"}),
    ("PUT", "/programmes/{id}"): ("clinician", {"text": "schema = 1"}),
    ("DELETE", "/programmes/{id}"): ("clinician", None),
    ("GET", "/report"): ("patient", None),
    ("GET", "/report/schema"): ("viewer", None),
    ("GET", "/diary"): ("patient", None),
    ("PUT", "/diary"): ("patient", {"day": "2027-01-31", "leaks": 1}),
    ("PUT", "/diary/goal"): ("patient", {"text": "jump"}),
    ("GET", "/training/plans"): ("viewer", None),
    ("GET", "/training"): ("patient", None),
    ("POST", "/training"): ("patient", {"kind": "guided", "name": "sprint"}),
    ("GET", "/training/current"): ("patient", None),
    ("POST", "/training/current/end"): ("patient", {}),
    ("GET", "/training/{id}"): ("patient", None),
    ("GET", "/emg/live"): ("viewer", None),
    ("PUT", "/sessions/current/alternating"): ("patient", {}),
    ("DELETE", "/sessions/current/alternating"): ("patient", None),
    ("POST", "/sessions/current/alternating/own"): ("patient", None),
    ("GET", "/follow-up"): ("patient", None),
    ("PUT", "/follow-up/message"): ("clinician", {"text": "well done"}),
    ("PUT", "/follow-up/reminder"): ("patient", {"days": [0], "time": "19:30"}),
    ("POST", "/follow-up/impressions"): ("patient", {"step": 2}),
    ("GET", "/perfect"): ("patient", None),
    ("PUT", "/perfect"): (
        "clinician",
        {"day": "2027-01-31", "power": 3, "endurance_s": 6, "repetitions": 4, "fast": 7},
    ),
    ("GET", "/effect"): ("patient", None),
    ("GET", "/prescription"): ("patient", None),
    ("PUT", "/prescription"): ("clinician", PRESCRIPTION),  # without a signature; with one: test_prescriptions.py
    ("GET", "/prescription/file"): ("patient", None),
    ("GET", "/prescription/programme"): ("patient", None),
    ("POST", "/prescription/read"): ("patient", {"text": "revision = 1"}),
    ("GET", "/threshold"): ("patient", None),
    ("POST", "/threshold"): ("clinician", None),
    ("DELETE", "/threshold"): ("patient", None),
    ("POST", "/threshold/allow"): ("patient", None),
    ("POST", "/threshold/session"): ("clinician", {"answers": FINE["answers"]}),
    ("POST", "/threshold/marks"): ("clinician", {"channel": "A", "mark": "motor", "how": "seen"}),
    ("GET", "/key"): ("clinician", None),
    ("POST", "/key/unlock"): ("clinician", {"passphrase": "correct horse battery"}),
    ("DELETE", "/key/unlock"): ("clinician", None),
    ("POST", "/sessions"): ("patient", FINE),
    ("POST", "/sessions/current/heartbeat"): ("patient", {"sequence": 1, "nonce": "ab"}),
    ("POST", "/sessions/current/control"): ("patient", {"action": "claim"}),
    ("POST", "/sessions/current/actions"): ("patient", {"action": "start", "epoch": 1}),
    ("PUT", "/sessions/current/intensity"): ("patient", {"channel": "A", "amplitude_ma": 1.0}),
    ("POST", "/acknowledge"): ("patient", None),
    ("GET", "/sessions"): ("patient", None),
    ("GET", "/sessions/{id}"): ("patient", None),
    ("GET", "/sessions/{id}/export"): ("patient", None),
    ("GET", "/sessions/{id}/proof"): ("patient", None),
    ("POST", "/sessions/{id}/rating"): ("patient", {"comfort": 3, "strength": 3, "pain_before": 0, "pain_after": 0}),
    ("GET", "/blocks"): ("patient", None),
    ("POST", "/blocks/{id}/release"): ("clinician", {"reason": "looked at"}),
    ("POST", "/pairing"): ("clinician", {"role": "viewer"}),
    ("DELETE", "/pairing"): ("clinician", None),
    ("GET", "/devices"): ("clinician", None),
    ("DELETE", "/devices/{id}"): ("clinician", None),
    ("GET", "/health"): (HERE, None),
    ("GET", "/metrics"): (HERE, None),
}
NOT_LET_IN: Final = {
    *("not_paired", "device_revoked", "device_expired", "role_too_low"),
    *("origin_foreign", "host_foreign", "plain_http_refused"),
}


def test_the_table_names_every_endpoint(api: Api) -> None:
    document = api.app.openapi()
    told = {(m.upper(), path.removeprefix(V1)) for path, ms in document["paths"].items() for m in ms}
    assert told == set(TABLE)
    for (method, path), (who, _) in TABLE.items():
        open_ = "security" not in document["paths"][V1 + path][method.lower()]
        assert open_ == (who == ANYONE), path


@pytest.fixture(autouse=True)
def _finite(monkeypatch: pytest.MonkeyPatch) -> None:
    async def one(*_: object) -> AsyncIterator[str]:
        yield "event: state\ndata: {}\n\n"

    monkeypatch.setattr(routes_session, "as_sse", one)
    monkeypatch.setattr(routes_training, "as_sse", one)


def code_of(client: TestClient, method: str, path: str, body: Any, **headers: str) -> str | None:
    """Why the request was not let in; None when it was, whatever became of it then."""
    answer = client.request(method, path.replace("{id}", "77").lstrip("/"), json=body, headers=headers)
    assert answer.status_code < 500, answer.text
    if answer.headers.get("content-type") != "application/problem+json":
        return None
    code = str(answer.json()["code"])
    return code if code in NOT_LET_IN else None


def expected(who: str, role: Role | None, *, here: bool) -> str | None:
    if who == ANYONE or (who == HERE and here):
        return None
    if role is None:
        return "not_paired"
    return None if role.includes(Role.CLINICIAN if who == HERE else Role(who)) else "role_too_low"


@pytest.mark.parametrize(("method", "path"), TABLE)
def test_who_may_ask(api: Api, method: str, path: str) -> None:
    who, body = TABLE[method, path]
    for role in (None, *Role):
        for tls, peer in ((True, LAN), (True, LOOPBACK), (False, LOOPBACK)):
            found = code_of(api.phone(role, tls=tls, peer=peer), method, path, body)
            assert found == expected(who, role, here=peer == LOOPBACK), (role, tls, peer)


@pytest.mark.req("SR-164")
@pytest.mark.parametrize(("method", "path"), TABLE)
def test_who_may_not(api: Api, method: str, path: str) -> None:
    who, body = TABLE[method, path]
    stops = path == "/stop"
    open_ = who == ANYONE

    revoked = api.phone("clinician")
    api.service.devices.revoke(api.device(revoked).id, by="test")
    assert code_of(revoked, method, path, body) == (None if open_ else "device_revoked")

    wrong_cookie = api.phone("clinician", tls=True)
    value = next(iter(wrong_cookie.cookies.values()))
    plain = api.stranger(tls=False, peer=LOOPBACK)
    plain.cookies.set("__Host-device", value)
    assert code_of(plain, method, path, body) == (None if open_ or who == HERE else "not_paired")

    for header in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        found = code_of(api.phone("clinician"), method, path, body, **header)
        assert found == (None if stops else "origin_foreign"), header
    own = {"origin": f"https://{HOST}", "sec-fetch-site": "same-origin"}
    assert code_of(api.phone("clinician"), method, path, body, **own) is None
    rebound = code_of(api.phone("clinician"), method, path, body, host="evil.example")
    assert rebound == (None if stops else "host_foreign")
    plain_lan = api.phone("clinician", tls=False, peer=LAN)
    assert code_of(plain_lan, method, path, body) == (None if stops else "plain_http_refused")

    late = api.phone("clinician")
    api.now_s += 91 * 86_400
    assert code_of(late, method, path, body) == (None if open_ else "device_expired")
    api.now_s -= 91 * 86_400  # a clock that goes back lets nobody in again
    assert code_of(late, method, path, body) == (None if open_ else "device_expired")


@pytest.mark.parametrize(("role", "code"), [(None, 1008), ("viewer", None), ("patient", None), ("clinician", None)])
def test_who_may_open_the_socket(api: Api, role: str | None, code: int | None) -> None:
    client = api.phone(role)
    if code is None:
        with client.websocket_connect(WSS) as socket:
            assert socket.receive_json()["type"] == "state"
        return
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(WSS):
        pass
    assert (refused.value.code, refused.value.reason) == (code, "not_paired")


def test_a_phone_that_is_paired_no_more_opens_no_socket(api: Api) -> None:
    revoked, late = api.phone("clinician"), api.phone("clinician")
    api.service.devices.revoke(api.device(revoked).id, by="test")
    api.now_s += 91 * 86_400
    for phone, code in ((revoked, "device_revoked"), (late, "device_expired")):
        with pytest.raises(WebSocketDisconnect) as refused, phone.websocket_connect(WSS):
            pass
        assert refused.value.reason == code


@pytest.mark.req("SR-164")
@pytest.mark.parametrize(
    ("headers", "code"),
    [({"origin": "https://evil.example"}, "origin_foreign"), ({"host": "evil.example"}, "host_foreign")],
)
def test_a_foreign_page_opens_no_socket(api: Api, headers: dict[str, str], code: str) -> None:
    client = api.phone("clinician")
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(WSS, headers=headers):
        pass
    assert refused.value.reason == code


def test_plain_http_on_the_lan_is_there_when_asked_for(tmp_path: Any) -> None:
    api = Api(tmp_path / "plain", plain_everywhere=True)
    assert api.phone("viewer", tls=False, peer=LAN).get("state").status_code == 200
    api.close()
