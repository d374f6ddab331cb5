"""The real server: TLS, the streams, and what only somebody at the device may ask."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx2
import pytest
from cryptography import x509

from api import certificate, serve
from api.certificate import EARLIEST, LEAF_DAYS, RENEW_DAYS, prepare
from api.listener import Listener
from api.live import EVERY_S
from api.local import answer
from api.roles import Role
from api.serve import Server, listen
from controller import local, people_command
from controller.cli import main
from controller.local import LocalError, LocalServer, ask
from tests.support.apart import apart
from tests.support.api import Api
from tests.support.served import WAIT_S, client, serving

NAMES = ("device.local", "localhost", "127.0.0.1")
NOW = EARLIEST + timedelta(days=100)


# --- the certificate --------------------------------------------------------------------------------------------------


def test_a_certificate_is_made_once_and_kept(tmp_path: Path) -> None:
    first = prepare(tmp_path, NAMES, NOW)
    assert prepare(tmp_path, NAMES, NOW + timedelta(days=LEAF_DAYS - RENEW_DAYS - 1)) == first
    assert len(first.fingerprint) == 95
    for key in ("device.key", "authority.key"):
        assert (tmp_path / key).stat().st_mode & 0o777 == 0o600
    leaf = x509.load_pem_x509_certificate(first.certificate.read_bytes())
    assert leaf.subject.rfc4514_string() == "CN=device"
    assert b"elvi" not in first.certificate.read_bytes() + first.authority.read_bytes()


@pytest.mark.parametrize("why", ["names", "age", "damaged", "no key", "clock went back"])
def test_it_is_made_anew_when_it_does_not_fit_any_more(tmp_path: Path, why: str) -> None:
    first = prepare(tmp_path, NAMES, NOW)
    names, now = NAMES, NOW
    if why == "names":
        names = (*NAMES, "192.168.0.8")
    elif why == "age":
        now += timedelta(days=LEAF_DAYS - RENEW_DAYS + 1)
    elif why == "damaged":
        first.certificate.write_text("junk")
    elif why == "no key":
        first.key.unlink()
    else:
        now = EARLIEST
    authority = first.authority.read_bytes()
    second = prepare(tmp_path, names, now)
    assert second.fingerprint != first.fingerprint
    assert second.authority.read_bytes() == authority  # what was put on the phone stays


def test_a_clock_that_was_never_set_makes_one_that_begins_in_our_days(tmp_path: Path) -> None:
    served = prepare(tmp_path, NAMES, datetime.fromisoformat("1970-01-01T00:00:00+00:00"))
    leaf = x509.load_pem_x509_certificate(served.certificate.read_bytes())
    assert leaf.not_valid_before_utc >= EARLIEST - timedelta(days=1)


def test_the_authority_can_vouch_for_nothing_else(tmp_path: Path) -> None:
    served = prepare(tmp_path, NAMES, NOW)
    authority = x509.load_pem_x509_certificate(served.authority.read_bytes())
    allowed = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert allowed.critical
    names = {one.value for one in allowed.value.permitted_subtrees or [] if isinstance(one, x509.DNSName)}
    assert names == {"device.local", "localhost"}
    assert certificate.PRIVATE[0] in {str(one.value) for one in allowed.value.permitted_subtrees or []}


@pytest.mark.parametrize("address", ["192.168.0.8", "192.0.2.8", "2001:db8::8"])
def test_who_trusts_the_authority_trusts_the_device_at_any_address(tmp_path: Path, address: str) -> None:
    now = datetime.now(UTC)  # who trusts it looks at the clock of this machine
    served = prepare(tmp_path, (address, *NAMES), now)
    here, there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=served.authority)
    here.load_cert_chain(served.certificate, served.key)
    for name in (address, "device.local"):
        to_device, to_phone = ssl.MemoryBIO(), ssl.MemoryBIO()
        phone = there.wrap_bio(to_phone, to_device, server_hostname=name)
        device = here.wrap_bio(to_device, to_phone, server_side=True)
        for side in (phone, device, phone):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
        assert phone.getpeercert()
    authority = served.authority.read_bytes()
    assert prepare(tmp_path, NAMES, now).authority.read_bytes() == authority  # the phone need not be told anew


# --- the server -------------------------------------------------------------------------------------------------------


def test_a_phone_pairs_and_stops_over_tls(api: Api, tmp_path: Path) -> None:
    tls = prepare(tmp_path / "tls", NAMES, datetime.now(UTC))
    trust = ssl.create_default_context(cafile=tls.authority)
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with serving(api, tmp_path, tls) as port:
        base = f"https://localhost:{port}/api/v1"
        with httpx2.Client(base_url=base, verify=trust, timeout=WAIT_S, trust_env=False) as phone:
            assert phone.get("stop").status_code == 200
            invitation = api.service.pairing.open(Role.PATIENT)
            assert phone.post("pair", json={"token": invitation.token}).status_code == 200
            assert phone.get("me").json()["role"] == "patient"
            assert phone.post("stop").json()["confirmed"] is True
        with (
            socket.create_connection(("127.0.0.1", port)) as raw,
            trust.wrap_socket(raw, server_hostname="localhost") as s,
        ):
            served = s.getpeercert(binary_form=True)
    assert served is not None
    assert x509.load_der_x509_certificate(served).subject.rfc4514_string() == "CN=device"


def secret_of(api: Api, role: Role) -> str:
    device, secret, row = api.service.devices.pair("phone", role)
    row.result()
    api.service.devices.enter(device)
    return secret


def test_ten_states_a_second_leave_time_to_make_and_send_them() -> None:
    assert EVERY_S <= 0.09


def test_server_sent_events_tell_the_state_again_and_again(api: Api, tmp_path: Path) -> None:
    secret = secret_of(api, Role.VIEWER)
    with serving(api, tmp_path) as port, client(port, secret) as viewer, viewer.stream("GET", "live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        told = [next(lines) for _ in range(9)]
        assert told[0::3] == ["event: state"] * 3
        assert json.loads(told[1].removeprefix("data: "))["mode"] == "idle"
        api.service.devices.revoke(api.service.devices.listed()[0].id, by="test")
        for line in lines:  # it ends
            assert line == "" or line.startswith(("event: state", "data: "))


# --- at the device ----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(api: Api, tmp_path: Path) -> Iterator[Path]:
    runtime = tmp_path / "run" / "one"
    runtime.mkdir(parents=True)
    server = LocalServer(runtime, lambda request: answer(api.service, request))
    yield runtime
    server.close()


def test_connections_that_are_only_held_open_take_nobodys_place(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A neighbour who opens more than there may be loses the oldest of them; a page and its stop lose nothing."""
    monkeypatch.setattr(serve, "Listener", partial(Listener, most=8))
    secret = secret_of(api, Role.VIEWER)
    with serving(api, tmp_path) as port, client(port, secret) as viewer, viewer.stream("GET", "live") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: state"
        with contextlib.ExitStack() as ends:
            held = [
                ends.enter_context(
                    socket.create_connection(("127.0.0.1", port), WAIT_S, source_address=("127.0.0.2", 0))
                )
                for _ in range(40)
            ]
            for number, one in enumerate(held[:-8]):
                one.sendall(b"POST /api/v1/pair HTTP/1.1\r\n" * (number % 2))
                with contextlib.suppress(ConnectionResetError):
                    assert one.recv(1) == b"", "it was let go"
            with client(port) as phone:
                assert phone.post("stop").json()["confirmed"] is True
            assert [next(lines) for _ in range(60)].count("event: state") >= 19
            held[-1].setblocking(False)
            with pytest.raises(BlockingIOError):
                held[-1].recv(1)


def test_somebody_at_the_device_pairs_and_revokes(
    api: Api, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    at = ["--runtime", str(folder)]
    assert main(["pair", "patient", "--svg", str(tmp_path / "qr.svg"), *at]) == 0
    said = capsys.readouterr().out
    token = said.partition("#pair=")[2].splitlines()[0]
    assert "within five minutes, as patient" in said
    assert "AA:BB" in said
    assert (tmp_path / "qr.svg").read_text().startswith("<svg")
    phone = api.stranger()
    id_ = phone.post("pair", json={"token": token, "name": "hers"}).json()["id"]
    assert main(["people", *at]) == 0
    assert f"{id_}  patient" in capsys.readouterr().out
    assert main(["people", "--revoke", id_, *at]) == 0
    assert capsys.readouterr().out == ""
    assert phone.get("me").json()["code"] == "device_revoked"
    assert main(["people", "--revoke", id_, *at]) == 2
    assert "not_found" in capsys.readouterr().err
    assert main(["pair", "patient", "--svg", str(tmp_path / "none" / "qr.svg"), *at]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_control_is_allowed_at_the_device(api: Api, folder: Path) -> None:
    clinician = api.phone("clinician")
    clinician.post("sessions/current/control", json={"action": "claim"})
    assert main(["people", "--allow-control", "--runtime", str(folder)]) == 0
    assert api.service.control.holds(api.device(clinician).id)
    assert main(["people", "--allow-control", "--runtime", str(folder)]) == 2


def test_the_passphrase_is_set_at_the_device(api: Api, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_command.getpass, "getpass", lambda _: "a horse, a battery, a staple")
    assert main(["people", "--passphrase", "--runtime", str(folder)]) == 0
    api.service.passphrase.check("a horse, a battery, a staple")
    monkeypatch.setattr(people_command.getpass, "getpass", lambda _: "short")
    assert main(["people", "--passphrase", "--runtime", str(folder)]) == 2
    monkeypatch.setattr(people_command.getpass, "getpass", lambda _: (_ for _ in ()).throw(EOFError))
    assert main(["people", "--passphrase", "--runtime", str(folder)]) == 2
    api.service.passphrase.check("a horse, a battery, a staple")


def test_only_the_devices_own_user_reaches_the_socket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (folder / "app.sock").stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(local, "_is_ours", lambda _: False)
    with pytest.raises(LocalError) as refused:
        ask(folder, op="devices")
    assert refused.value.code == "app_silent"


@pytest.mark.parametrize("request_", [b"", b"[]", b"junk", b'{"op":"nothing"}', b"{}", b'{"op":"pair","role":"king"}'])
def test_what_is_no_request_is_refused_and_the_next_one_is_answered(folder: Path, request_: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.connect(str(folder / "app.sock"))
        if request_:
            asking.send(request_)
            assert json.loads(asking.recv(1000))["code"] == "request_invalid"
    assert ask(folder, op="devices") == {"devices": []}


def test_the_running_app_is_found(api: Api, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "runtime_roots", lambda: [folder.parent])
    left = folder.parent / "left by one that was killed"
    left.mkdir()
    (left / "app.sock").touch()
    assert local.running_app() == folder
    other = folder.parent / "other"
    other.mkdir()
    second = LocalServer(other, lambda request: answer(api.service, request))
    with pytest.raises(LocalError) as refused:
        local.running_app()
    second.close()
    assert refused.value.code == "app_several"
    monkeypatch.setattr(local, "runtime_roots", lambda: [tmp_path / "nothing"])
    assert main(["pair", "patient"]) == 2


def test_who_ends_it_before_it_serves_has_it_end(api: Api, tmp_path: Path) -> None:
    """SIGTERM between the printed links and the first request, as from a service that is stopped while it starts."""
    interval = sys.getswitchinterval()
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        server = Server(api.service, listener, tmp_path)
        server.end()
        apart(asyncio.wait_for(server.run(), WAIT_S))
    sys.setswitchinterval(interval)
