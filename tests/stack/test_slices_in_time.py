"""The guard's own loop and desk with a decoder that takes time: between two slices a check that is due is done."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hw.clock import Tally, _PollingClock
from safety import limits, link
from safety.decode import Refusal, decode, decode_in_slices
from safety.desk import Desk
from safety.guard import Guard
from safety.interlock import Mode
from safety.job import Job
from tests.support.chunks import LINES, longest, pack

SLICE_US = 4_900
"""Just under a quarter of the time between two checks: twenty times what a slice takes on the machine of
docs/benchmarks.md, so that the largest chunk takes longer than from one check to the next."""


class Clock(_PollingClock):
    """Time passes where the test says so: in a wait, and in a slice."""

    us = 0

    def now(self) -> int:
        return self.us

    def tally(self, channel: str) -> Tally:
        return Tally()

    def wait(self, until_us: int | None) -> list[int]:
        ready = [fd for fd, _ in self._poll.poll(0)]
        if not ready:
            assert until_us is not None
            self.us = max(self.us, until_us)
        return ready


class Slow:
    """A session whose gate reads a chunk in slices, or at once, and then refuses it as one that is to be made anew."""

    def __init__(self, clock: Clock, *, at_once: bool) -> None:
        self._clock, self._at_once = clock, at_once
        self.judged_us: list[int] = []

    def read_ahead(self, pulses: bytes) -> Iterator[None]:
        slices = decode_in_slices(pulses, LINES)
        for _ in slices:
            self._clock.us += SLICE_US
            if not self._at_once:
                yield
        self._clock.us += SLICE_US

    def judge(self, start_us: int, revision: int, pulses: bytes, now_us: int) -> Refusal:
        assert not isinstance(decode(pulses, LINES), Refusal)
        self.judged_us.append(self._clock.us)
        return Refusal("stale_set_point", "")


class Loop(Guard):
    """The loop alone: a check takes down when it came, and nothing plays."""

    def __init__(self, folder: Path, *, at_once: bool) -> None:
        self._clock: Any = Clock()
        self.slow = Slow(self._clock, at_once=at_once)
        self._supply: Any = SimpleNamespace(full=False, played=(), due=lambda now: False, wake_us=lambda: None)
        self._stop: Any = SimpleNamespace(wake=-1, asked=0)
        self._tools: Any = SimpleNamespace(notices=SimpleNamespace(fd=-1))
        self.state: Any = SimpleNamespace(output=False, mode=Mode.RUNNING, stopped=False)
        self._desk = Desk(folder, self._clock, self.slow, self._supply, self, date.today, 50_000, None)  # type: ignore[arg-type]
        self._leaving, self._stops_seen, self._job = threading.Event(), 0, Job(0)
        self._due = self._next_check = 0
        self._untidy = False
        self.checks: list[int] = []

    def check(self, now: int, *args: object, **more: object) -> bool:
        self.checks.append(now)
        if len(self.checks) == 20:
            self.state.stopped = True
            self._leaving.set()
        return True

    def status(self) -> dict[str, Any]:
        return {}


@pytest.mark.req("SR-179")
@pytest.mark.parametrize("at_once", [False, True])
def test_a_check_that_is_due_comes_between_two_slices_of_the_longest_chunk(tmp_path: Path, at_once: bool) -> None:
    loop = Loop(tmp_path, at_once=at_once)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as app:
        app.connect(str(tmp_path / link.GUARD_SOCKET))
        loop._desk._accept()
        assert loop._desk._app is not None
        loop._desk._app.greeted = True
        for number in range(3):
            app.send(link.CHUNK_HEADER.pack(link.CHUNK_MARK, 0, number, 0) + pack(longest()))
        loop._loop()
        assert len(loop.slow.judged_us) == 3, "and each was read to its end"
        loop._desk._lose_app()
    loop._desk._listener.close()
    late = max(now - limits.CHECK_INTERVAL_US * number for number, now in enumerate(loop.checks))
    assert (late <= SLICE_US) is not at_once, loop.checks
