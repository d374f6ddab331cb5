"""Pairing, phones, the passphrase, control: who becomes what, and for how long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.control import Control, ControlRefused, Standing
from api.devices import Devices
from api.pairing import ALPHABET, CODE_TRIES, WINDOW_S, Pairing, PairingRefused
from api.passphrase import LOCKED_S, TRIES, Passphrase, PassphraseRefused
from api.qr import pairing_links, qr_svg, qr_terminal
from api.roles import Role
from controller.chain import Kind
from controller.journal import Journal
from tests.support.api import LOOPBACK, Api

GOOD = "a horse, a battery, a staple"


def test_each_role_includes_the_ones_before() -> None:
    table = [[one.includes(other) for other in Role] for one in Role]
    assert table == [[True, False, False], [True, True, False], [True, True, True]]


# --- the window -------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.s = 1_000

    def __call__(self) -> int:
        return self.s


def refusal(pairing: Pairing, **by: str) -> str:
    with pytest.raises(PairingRefused) as refused:
        pairing.use(**by)
    return refused.value.code


@pytest.mark.parametrize("by", ["token", "code"])
def test_a_window_is_for_one_phone(by: str) -> None:
    pairing = Pairing(Clock())
    assert refusal(pairing, token="x") == "pairing_closed"
    invitation = pairing.open(Role.PATIENT)
    assert len(invitation.token) == 22  # 128 bits
    assert len(invitation.code) == 8
    assert set(invitation.code) <= set(ALPHABET)
    assert pairing.is_open
    assert pairing.use(**{by: getattr(invitation, by)}) is Role.PATIENT
    assert not pairing.is_open
    for other in ("token", "code"):
        assert refusal(pairing, **{other: getattr(invitation, other)}) == "pairing_closed"


def test_a_window_closes_after_five_minutes() -> None:
    clock = Clock()
    pairing = Pairing(clock)
    invitation = pairing.open(Role.PATIENT)
    clock.s += WINDOW_S - 1
    assert pairing.is_open
    clock.s += 1
    assert refusal(pairing, token=invitation.token) == "pairing_closed"


def test_a_new_window_closes_the_one_before() -> None:
    pairing = Pairing(Clock())
    first, second = pairing.open(Role.VIEWER), pairing.open(Role.VIEWER)
    assert refusal(pairing, token=first.token) == "pairing_wrong"
    assert pairing.use(token=second.token) is Role.VIEWER


def test_each_role_has_a_window_of_its_own() -> None:
    pairing = Pairing(Clock())
    for_a, for_b = pairing.open(Role.CLINICIAN), pairing.open(Role.VIEWER)
    assert pairing.use(code=for_a.code) is Role.CLINICIAN
    assert pairing.is_open
    assert pairing.use(token=for_b.token) is Role.VIEWER
    assert refusal(pairing, token=for_a.token) == "pairing_closed"


def test_wrong_codes_lock_the_code_but_not_the_link() -> None:
    pairing = Pairing(Clock())
    invitation = pairing.open(Role.PATIENT)
    for _ in range(CODE_TRIES):
        assert refusal(pairing, code="22222222") == "pairing_wrong"
    assert refusal(pairing, code=invitation.code) == "pairing_locked"
    assert pairing.use(token=invitation.token) is Role.PATIENT


def test_wrong_tokens_lock_nothing() -> None:
    pairing = Pairing(Clock())
    invitation = pairing.open(Role.PATIENT)
    for _ in range(CODE_TRIES + 1):
        assert refusal(pairing, token="x") == "pairing_wrong"
    assert pairing.use(code=f"{invitation.code[:4].lower()}-{invitation.code[4:]}") is Role.PATIENT


def test_neither_token_nor_code_is_kept() -> None:
    pairing = Pairing(Clock())
    invitation = pairing.open(Role.PATIENT)
    kept = repr(vars(pairing))
    assert invitation.token not in kept
    assert invitation.code not in kept


def test_the_link_holds_the_token_in_its_fragment() -> None:
    links = pairing_links(["https://device.local:8443", "https://192.0.2.7:8443"], "tok")
    assert links == ["https://device.local:8443/#pair=tok", "https://192.0.2.7:8443/#pair=tok"]
    assert qr_terminal(links[0]).count("\n") > 10
    svg = qr_svg(links[0])
    assert svg.startswith("<svg")
    assert svg.count("http") == 1  # its own name space


# --- over the api -----------------------------------------------------------------------------------------------------


def pair(api: Api, role: str, client: TestClient, **by: str) -> str:
    """Pairs over the api and gives the Set-Cookie line."""
    invitation = api.service.pairing.open(Role(role))
    answer = client.post("pair", json=by or {"token": invitation.token, "name": "mine"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["role"] == role
    return answer.headers["set-cookie"]


def test_the_cookie_is_out_of_reach_of_scripts_and_sites(api: Api) -> None:
    over_tls = api.stranger()
    cookie = pair(api, "patient", over_tls)
    assert cookie.startswith("__Host-device=")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()
    assert over_tls.get("me").json()["this"] is True
    plain = pair(api, "patient", api.stranger(tls=False, peer=LOOPBACK))
    assert plain.startswith("device_plain=")
    assert {"HttpOnly", "SameSite=strict"} <= set(plain.split("; "))
    assert "Secure" not in plain


def test_a_pairing_survives_a_restart_and_only_its_hash_is_kept(api: Api, tmp_path: Path) -> None:
    secret = pair(api, "patient", api.stranger()).partition("=")[2].partition(";")[0]
    api.journal.close()
    assert secret.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "app").iterdir())
    journal = Journal(tmp_path / "app", "d" * 64)
    again = Devices(journal, lambda: api.now_s)
    device = again.find(secret)
    assert device is not None
    assert (device.role, device.name) == (Role.PATIENT, "mine")
    row = again.revoke(device.id, by="test")
    assert row is not None
    row.result()
    third = Devices(journal, lambda: api.now_s)
    assert third.listed() == []
    found = third.find(secret)
    assert found is not None
    assert not third.usable(found)
    assert again.revoke(device.id, by="test") is None
    journal.close()


def test_a_phone_counts_only_when_the_journal_has_it(api: Api) -> None:
    api.journal.close()
    client = api.stranger()
    invitation = api.service.pairing.open(Role.PATIENT)
    answer = client.post("pair", json={"token": invitation.token})
    assert (answer.status_code, answer.json()["code"]) == (503, "journal_not_written")
    assert "set-cookie" not in answer.headers
    assert api.service.devices.listed() == []


def test_a_clinician_opens_pairings_and_revokes_phones(api: Api) -> None:
    clinician, phone = api.phone("clinician"), api.stranger()
    told = clinician.post("pairing", json={"role": "viewer"}).json()
    assert told["links"][1].startswith("https://192.0.2.7:8443/#pair=")
    assert told["fingerprint"] == "AA:BB"
    assert phone.post("pair", json={"code": told["code"]}).json()["role"] == "viewer"
    listed = clinician.get("devices").json()
    assert [(one["role"], one["this"]) for one in listed] == [("clinician", True), ("viewer", False)]
    assert clinician.delete(f"devices/{listed[1]['id']}").status_code == 204
    assert phone.get("state").json()["code"] == "device_revoked"
    assert clinician.delete(f"devices/{listed[1]['id']}").status_code == 404
    clinician.post("pairing", json={"role": "clinician"})
    assert clinician.delete("pairing").status_code == 204
    assert phone.post("pair", json={"token": "x"}).json()["code"] == "pairing_closed"


def test_a_phone_may_leave(api: Api) -> None:
    phone = api.phone("patient")
    assert phone.delete("me").status_code == 204
    assert api.service.devices.listed() == []


def test_a_clinician_comes_in_by_passphrase_for_a_day_of_work(api: Api) -> None:
    client = api.stranger()
    assert client.post("pair", json={"passphrase": GOOD}).json()["code"] == "passphrase_unset"
    api.service.passphrase.set(GOOD)
    assert client.post("pair", json={"passphrase": GOOD}).json()["role"] == "clinician"
    api.now_s += 12 * 3600 - 1
    assert client.get("devices").status_code == 200
    api.now_s += 1
    assert client.get("devices").json()["code"] == "device_expired"


def test_pairings_are_journalled_without_a_secret(api: Api) -> None:
    secret = pair(api, "patient", api.stranger()).partition("=")[2].partition(";")[0]
    (row,) = api.journal.rows(Kind.PAIRING)
    assert (row.fields["event"], row.fields["role"], row.fields["name"]) == ("paired", "patient", "mine")
    assert secret not in json.dumps(row.fields)


# --- the passphrase ---------------------------------------------------------------------------------------------------


def passphrase_refusal(one: Passphrase, words: str) -> str:
    with pytest.raises(PassphraseRefused) as refused:
        one.check(words)
    return refused.value.code


def test_the_passphrase_is_hashed_and_private(tmp_path: Path) -> None:
    one = Passphrase(tmp_path, Clock())
    one.set(GOOD)
    path = tmp_path / "clinician.argon2"
    assert path.read_text().startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert path.stat().st_mode & 0o777 == 0o600
    one.check(GOOD)
    assert passphrase_refusal(one, GOOD + " ") == "passphrase_wrong"
    one.set(GOOD + "!")
    assert passphrase_refusal(one, GOOD) == "passphrase_wrong"


@pytest.mark.parametrize("words", ["short", "x" * 201])
def test_a_passphrase_has_a_length(tmp_path: Path, words: str) -> None:
    with pytest.raises(PassphraseRefused) as refused:
        Passphrase(tmp_path, Clock()).set(words)
    assert refused.value.code == "passphrase_short"


def test_wrong_passphrases_lock_for_five_minutes(tmp_path: Path) -> None:
    clock = Clock()
    one = Passphrase(tmp_path, clock)
    one.set(GOOD)
    for _ in range(TRIES):
        assert passphrase_refusal(one, "wrong wrong wrong") == "passphrase_wrong"
    assert passphrase_refusal(one, GOOD) == "passphrase_locked"
    clock.s += LOCKED_S
    one.check(GOOD)


# --- control ----------------------------------------------------------------------------------------------------------


def control_refusal(ask: object, *arguments: object) -> str:
    with pytest.raises(ControlRefused) as refused:
        ask(*arguments)  # type: ignore[operator]
    return refused.value.code


def test_a_patients_phone_takes_control_and_another_of_hers_takes_it_over() -> None:
    control = Control()
    assert control.claim("p1", Role.PATIENT) == Standing("p1")
    assert control.claim("p2", Role.PATIENT) == Standing("p2")
    assert not control.holds("p1")


@pytest.mark.parametrize("holder", [None, "p1"])
@pytest.mark.parametrize("by", [Role.PATIENT, None])
def test_a_clinicians_phone_gets_control_only_when_it_is_allowed(holder: str | None, by: Role | None) -> None:
    control = Control()
    if holder:
        control.claim(holder, Role.PATIENT)
    assert control.claim("c1", Role.CLINICIAN) == Standing(holder, "c1")
    assert not control.holds("c1")
    assert control_refusal(control.allow, Role.CLINICIAN) == "patient_needed"
    assert control.allow(by) == Standing("c1")
    assert control_refusal(control.allow, by) == "nobody_asks"


def test_a_viewer_never_controls() -> None:
    assert control_refusal(Control().claim, "v", Role.VIEWER) == "patient_needed"


def test_control_is_given_up() -> None:
    control = Control()
    control.claim("p1", Role.PATIENT)
    control.claim("c1", Role.CLINICIAN)
    assert control_refusal(control.release, "p2") == "not_controlling"
    assert control.release("c1") == Standing("p1")
    assert control.release("p1") == Standing()


def test_heartbeats_are_of_the_holder_and_in_order() -> None:
    control = Control()
    control.claim("p1", Role.PATIENT)
    control.heartbeat("p1", 5)
    assert control_refusal(control.heartbeat, "p2", 6) == "not_controlling"
    for old in (5, 4):
        assert control_refusal(control.heartbeat, "p1", old) == "sequence_old"
    control.claim("p1", Role.PATIENT)  # no way around the order
    assert control_refusal(control.heartbeat, "p1", 5) == "sequence_old"
    control.claim("p2", Role.PATIENT)
    control.heartbeat("p2", 0)
