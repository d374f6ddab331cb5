"""The stop: taken from anybody, in any form, whatever else the app is doing."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api import boundary
from api.rates import Rates
from api.roles import Role
from api.stop import GuardStopper, Stopped
from controller.chain import Kind
from safety.link import STOP_SOCKET
from tests.support.apart import apart
from tests.support.api import LAN, LOOPBACK, Api
from tests.support.served import client, serving


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Callable[[bytes | None], Path]]:
    """A stop socket in a folder, at which every stop is answered with the same bytes, or not at all."""
    opened: list[tuple[socket.socket, threading.Thread]] = []

    def start(answer: bytes | None) -> Path:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listening.bind(str(tmp_path / STOP_SOCKET))

        def serve() -> None:
            while True:
                data, asker = listening.recvfrom(64)
                if data == b"end":
                    return
                if answer is not None:
                    listening.sendto(answer, asker)

        thread = threading.Thread(target=serve)
        thread.start()
        opened.append((listening, thread))
        return tmp_path

    yield start
    for listening, thread in opened:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ender:
            ender.sendto(b"end", str(tmp_path / STOP_SOCKET))
        thread.join()
        listening.close()


def told(confirmed: object) -> bytes:
    return json.dumps({"type": "stopped", "confirmed": confirmed, "elapsed_us": 25_000}).encode()


@pytest.mark.parametrize(
    ("answer", "confirmed"),
    [
        (told(True), True),
        (told(False), False),
        (told(1), False),
        (b"junk", False),
        (b'{"type":"x"}', False),
        (None, False),
    ],
)
def test_a_stop_is_confirmed_by_the_guard_alone(guard: Any, answer: bytes | None, confirmed: bool) -> None:
    stopped = apart(GuardStopper(guard(answer)).stop())
    assert (stopped.taken, stopped.confirmed) == (True, confirmed)


def test_a_guard_that_is_not_there_takes_no_stop(tmp_path: Path) -> None:
    stopped = apart(GuardStopper(tmp_path).stop())
    assert (stopped.taken, stopped.confirmed) == (False, False)


def test_many_stops_at_once_are_all_answered(guard: Any) -> None:
    stopper = GuardStopper(guard(told(True)))

    async def flood() -> list[Stopped]:
        return await asyncio.gather(*(stopper.stop() for _ in range(100)))

    assert all(one.confirmed for one in apart(flood()))


# --- over the api -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("peer", [LAN, LOOPBACK])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example", "host": "evil.example", "sec-fetch-site": "cross-site"},
        {"content-type": "application/x-www-form-urlencoded", "cookie": "__Host-device=junk"},
        {"accept": "image/png", "host": ""},
    ],
)
@pytest.mark.parametrize("path", ["stop", "stop/", "stop?x=1"])
def test_it_takes_whatever_comes(
    api: Api, tls: bool, peer: tuple[str, int], headers: dict[str, str], path: str
) -> None:
    answer = api.stranger(tls=tls, peer=peer).post(path, content=b"\xff" * 100_000, headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {"state": "stopped", "cause": "person", "confirmed": True, "elapsed_ms": 25.0}
    assert api.stopper.asked == 1


def test_it_is_never_too_often(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "Rates", lambda: Rates(per_second=0, burst=3))
    viewer = api.phone("viewer")
    answers = [viewer.get("state") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert (answers[3].json()["code"], answers[3].headers["retry-after"]) == ("too_many_requests", "1")
    assert [viewer.post("stop").status_code for _ in range(10)] == [200] * 10


def test_a_stop_that_was_not_confirmed_says_so(api: Api) -> None:
    api.stopper.answer = Stopped(True, False, 90.0)
    assert api.stranger().post("stop").json()["confirmed"] is False
    api.stopper.answer = Stopped(False, False, 90.0)
    api.engine._set(mode="idle", cause=None)
    told = api.stranger().post("stop").json()
    assert (told["state"], told["cause"], told["confirmed"]) == ("unknown", None, False)


def test_a_worse_cause_stays_named(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.engine._set(mode="estop_held", cause="emergency_stop")
    monkeypatch.setattr(api.engine, "_set", lambda **_: None)
    told = api.stranger().post("stop").json()
    assert (told["state"], told["cause"]) == ("estop_held", "emergency_stop")


@pytest.mark.req("SR-165")
def test_the_page_has_one_button_and_needs_no_script(api: Api) -> None:
    browser = api.stranger()
    page = browser.get("stop")
    assert page.text.count("<button>") == 1
    assert "script" not in page.text
    assert "unsafe" not in page.headers["content-security-policy"]
    assert api.stopper.asked == 0
    html = {"accept": "text/html,*/*"}
    assert "Output is off" in browser.post("stop", headers=html).text
    api.stopper.answer = Stopped(True, False, 90.0)
    not_confirmed = browser.post("stop", headers=html).text
    order = ["red button", "lead out of the box", "take the probe out"]
    assert [not_confirmed.index(words) for words in order] == sorted(not_confirmed.index(words) for words in order)
    assert browser.head("stop").status_code == 200
    assert browser.put("stop").status_code == 405


@pytest.mark.parametrize(("tls", "peer", "warned"), [(False, LAN, True), (True, LAN, False), (False, LOOPBACK, False)])
def test_the_page_warns_where_it_is_not_encrypted(api: Api, tls: bool, peer: tuple[str, int], warned: bool) -> None:
    browser = api.stranger(tls=tls, peer=peer)
    pages = [browser.get("stop"), browser.post("stop", headers={"accept": "text/html"})]
    assert ["not encrypted" in page.text for page in pages] == [warned, warned]


def test_stops_are_journalled_afterwards(api: Api) -> None:
    api.stranger().post("stop")
    api.service.note(Kind.STATE, mode="stopped").result()
    fields = api.journal.rows(Kind.COMMAND)[-1].fields
    assert fields == {"who": LAN[0], "role": "anyone", "what": "stop", "result": "confirmed"}


def test_a_handler_that_hangs_keeps_no_stop_from_being_taken(api: Api, tmp_path: Path) -> None:
    hangs, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def hang() -> bool:
        hangs.set()
        go_on.wait(10)
        over.set()
        return True

    api.engine.healthy = hang  # type: ignore[method-assign]
    with serving(api, tmp_path) as port, client(port) as other, client(port) as phone:
        asking = threading.Thread(target=lambda: other.get("health"))
        asking.start()
        assert hangs.wait(20)
        try:  # the whole work loop hangs now, in the engine
            assert phone.post("stop").json()["confirmed"] is True
            assert not over.is_set()
        finally:
            go_on.set()
            asking.join()


def test_a_journal_that_hangs_keeps_no_stop_from_being_answered(api: Api, tmp_path: Path) -> None:
    go_on = threading.Event()
    write = api.journal._write
    api.journal._write = lambda *them: (go_on.wait(20), write(*them))[1]  # type: ignore[method-assign]
    try:
        with serving(api, tmp_path) as port, client(port) as phone:
            for _ in range(3):
                assert phone.post("stop").json()["confirmed"] is True
    finally:
        go_on.set()


def test_slow_and_stalled_clients_keep_no_stop_from_being_taken(api: Api, tmp_path: Path) -> None:
    device, secret, row = api.service.devices.pair("viewer", Role.VIEWER)
    row.result()
    api.service.devices.enter(device)
    with serving(api, tmp_path) as port, client(port) as phone:
        stalled = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
        for one in stalled[:10]:
            one.sendall(b"POST /api/v1/pair HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n")
        for one in stalled[10:]:
            cookie = f"Cookie: device_plain={secret}\r\n"
            one.sendall(f"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n".encode())
            assert one.recv(15) == b"HTTP/1.1 200 OK"
        for _ in range(20):
            assert phone.post("stop").json()["confirmed"] is True
        for one in stalled:
            one.close()
