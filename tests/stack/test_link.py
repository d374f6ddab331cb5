"""What the link carries and what it refuses: always an answer or a clear error, never a wait without end."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from safety import link
from safety.errors import LinkError
from tests.support.stack import short_programme, stack

SHORT = short_programme(repeats=1, hold_ms=500, rest_ms=2000)
ROOM = 65_536 - len(SHORT)
PADDING = {
    "two bytes a letter": ("# " + "ø" * 900 + "\n").encode(),
    "four bytes a letter": ("# " + "𝄞" * 400 + "\n").encode(),
    "quotes": b"# " + b'"' * 900 + b"\n",
    "empty lines": b"\n",
}


@pytest.mark.parametrize("name", PADDING)
def test_a_programme_as_large_as_a_file_may_be_is_loaded(name: str) -> None:
    programme = SHORT + PADDING[name] * (ROOM // len(PADDING[name]))
    assert len(programme) > 63_000
    with stack() as rig:
        answer = rig.link().request("load", programme=programme.decode(), caps_ua={"A": 0})
        assert answer["ok"], answer


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with stack() as rig:
        guard = rig.link()
        with pytest.raises(LinkError, match="allowed: 196608") as caught:
            guard.request("load", programme="x" * 200_000, caps_ua={})
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
