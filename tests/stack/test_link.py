"""What the link carries and what it refuses: always an answer or a clear error, never a wait without end."""

from __future__ import annotations

import os
import signal
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from hw.clock import Tally
from safety import link
from safety.errors import LinkError
from safety.link import GuardLink
from tests.support.signed import signed
from tests.support.stack import short_programme, stack

SHORT = short_programme(repeats=1, hold_ms=500, rest_ms=2000)
ROOM = 65_536 - len(SHORT)
PADDING = {
    "two bytes a letter": ("# " + "ø" * 900 + "\n").encode(),
    "four bytes a letter": ("# " + "𝄞" * 400 + "\n").encode(),
    "quotes": b"# " + b'"' * 900 + b"\n",
    "empty lines": b"\n",
}


def test_a_programme_as_large_as_a_file_may_be_is_loaded() -> None:
    with stack() as rig:
        app = rig.link()
        for padding in PADDING.values():
            programme = SHORT + padding * (ROOM // len(padding))
            assert len(programme) > 63_000
            answer = app.request("load", programme=programme.decode(), **signed(programme, app.latest))
            assert answer["ok"], answer


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with stack() as rig:
        guard = rig.link()
        with pytest.raises(LinkError, match="allowed: 196608") as caught:
            guard.request("load", programme="x" * 200_000)
        assert caught.value.code == "link_too_long"
        assert guard.request("status")["ok"], "the link is as good as before"


@pytest.mark.req("SR-094")
@pytest.mark.parametrize(("size", "fine"), [(link.MESSAGE_MAX_BYTES, True), (link.MESSAGE_MAX_BYTES + 1, False)])
def test_a_message_that_was_cut_is_not_taken_for_a_whole_one(size: int, fine: bool) -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        near.send(b"x" * size)
        if fine:
            assert len(link.receive_whole(far)) == size
        else:
            with pytest.raises(LinkError, match="was cut"):
                link.receive_whole(far)


def test_what_the_guard_told_last_is_heard_though_it_has_gone_when_something_is_sent() -> None:
    """A guard that lost its daemon tells so and ends; the app may be about to hand over a chunk just then."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    app: Any = SimpleNamespace(_socket=near, _tally=Tally(), _clock=SimpleNamespace(wait=lambda until: [near.fileno()]))
    with near:
        with far:
            far.send(link.encode({"type": "state", "revision": 1, "cause": "daemon_lost"}))
        GuardLink._out(app, b"a chunk")
        assert GuardLink._arrived(app, None)[0]["cause"] == "daemon_lost"
        with pytest.raises(LinkError) as gone:
            GuardLink._arrived(app, None)
        assert gone.value.code == "guard_lost"


def test_text_that_utf8_cannot_hold_comes_through() -> None:
    """The name of a file may hold bytes that are no UTF-8; an error that names it must not end the guard."""
    told = link.decode(link.encode({"type": "log", "text": "/tmp/\udcff: ødelagt"}))
    assert told["text"] == "/tmp/\udcff: ødelagt"


@pytest.mark.req("SR-095")
def test_a_guard_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "REQUEST_TIMEOUT_S", 0.2)
    with stack() as rig:
        guard = rig.link()
        frozen = rig.sim.processes[1]
        os.kill(frozen.pid, signal.SIGSTOP)
        try:
            with pytest.raises(LinkError, match="no answer to status") as caught:
                guard.request("status")
            assert caught.value.code == "guard_silent"
        finally:
            os.kill(frozen.pid, signal.SIGCONT)


def test_a_second_app_is_told_why_it_is_turned_away() -> None:
    with stack() as rig:
        first = rig.link()
        with pytest.raises(LinkError, match="one at a time") as caught:
            GuardLink(rig.folder, rig.clock)
        assert caught.value.code == "guard_taken"
        assert first.request("status")["ok"]


def test_who_connects_and_says_nothing_leaves_the_place_after_2_s() -> None:
    with stack() as rig, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(str(rig.folder / link.GUARD_SOCKET))
        connected = rig.clock.now()
        rig.sleep_until(connected + 1_900_000)
        with pytest.raises(LinkError, match="one at a time"):
            GuardLink(rig.folder, rig.clock)
        rig.sleep_until(connected + 2_100_000)
        silent.settimeout(10)
        assert {link.decode(data)["type"] for data in iter(lambda: silent.recv(4096), b"")} == {"state"}
        assert rig.link().welcome["ok"]


def test_who_has_said_who_it_is_may_be_silent() -> None:
    with stack() as rig:
        app = rig.link()
        rig.sleep_until(rig.clock.now() + 5_000_000)
        assert app.request("status")["ok"]
