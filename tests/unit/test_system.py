"""The guard and its operating system: real time where permitted, and systemd's notify socket."""

from __future__ import annotations

import itertools
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from safety.system import Systemd

TIMEOUT_US = 9_000_000


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A notify socket, and its address as systemd gives it."""
    name = f"@pelvistim test {tmp_path}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listening:
        listening.bind("\0" + name[1:] if name[0] == "@" else name)
        yield listening, name


def heard(listening: socket.socket) -> list[str]:
    words = []
    while True:
        try:
            words.append(listening.recv(4096).decode())
        except BlockingIOError:
            return words


class Wall:
    now_us = 50

    def __call__(self) -> int:
        return self.now_us


def test_ready_and_the_status_are_told(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    systemd = Systemd({"NOTIFY_SOCKET": address}, Wall())
    systemd.ready("all well")
    for status in ("idle", "idle", "person"):
        systemd.checked(status)
    assert heard(listening) == ["READY=1\nSTATUS=all well", "STATUS=idle", "STATUS=person"], "no watchdog: no feeding"


@pytest.mark.req("SR-148")
def test_the_watchdog_is_fed_by_checks_alone_and_at_most_three_times_a_timeout(
    manager: tuple[socket.socket, str],
) -> None:
    listening, address = manager
    wall = Wall()
    systemd = Systemd({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(TIMEOUT_US)}, wall)
    systemd.ready("all well")
    assert heard(listening) == ["READY=1\nSTATUS=all well"]
    fed = []
    for _ in range(1000):
        systemd.checked("")
        fed += [(wall.now_us, words) for words in heard(listening)]
        wall.now_us += 20_000
    times = [at for at, _ in fed]
    assert {words for _, words in fed} == {"WATCHDOG=1"}
    assert times[0] == 50
    assert {after - before for before, after in itertools.pairwise(times)} == {TIMEOUT_US // 3}
    wall.now_us += 10 * TIMEOUT_US
    assert heard(listening) == [], "time alone feeds nothing"


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "1"}], ids=str
)
def test_a_watchdog_that_is_not_for_this_process_is_not_fed(
    manager: tuple[socket.socket, str], more: dict[str, str]
) -> None:
    listening, address = manager
    Systemd({"NOTIFY_SOCKET": address, **more}, Wall()).checked("")
    assert heard(listening) == []


def test_without_a_manager_and_with_one_that_does_not_listen_nothing_happens(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody")}):
        systemd = Systemd({**environment, "WATCHDOG_USEC": "3"}, Wall())
        systemd.ready("all well")
        systemd.checked("idle")


def test_a_manager_that_does_not_read_is_not_waited_for(manager: tuple[socket.socket, str]) -> None:
    wall = Wall()
    systemd = Systemd({"NOTIFY_SOCKET": manager[1], "WATCHDOG_USEC": "3"}, wall)
    for _ in range(10_000):
        wall.now_us += 1
        systemd.checked("idle")
    assert 0 < len(heard(manager[0])) < 10_000


SAYS = """
import os, re, resource
{limit}
from safety.system import real_time
said = real_time()
locked = int(re.search(r"VmLck:\\s*(\\d+)", open("/proc/self/status").read()).group(1))
print(os.sched_getscheduler(0) == os.SCHED_FIFO, locked > 0, said)
"""


def real_time(limit: str = "") -> tuple[str, str, str]:
    """Whether it stands first in turn, whether it has locked memory, and what it said: in a process of its own."""
    command = [sys.executable, "-c", SAYS.format(limit=limit)]
    first, locked, said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(" ", 2)
    return first, locked, said.strip()


@pytest.mark.req("SR-148")
def test_what_is_said_of_real_time_is_so() -> None:
    first, locked, said = real_time()
    assert re.fullmatch(
        r"real-time priority (50|not permitted: [^,]+), memory (locked|not locked: not permitted.+)", said
    )
    assert first == str("real-time priority 50" in said)
    assert locked == str(said.endswith("memory locked"))


@pytest.mark.req("SR-148")
def test_without_permission_it_says_so_and_goes_on() -> None:
    nobody = "os.setgid(65534); os.setuid(65534)"
    limit = f"resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20)); import safety.system; {nobody}"
    if real_time("")[0] != "True":  # not root: there is nothing to give up
        limit = ""
    first, locked, said = real_time(limit)
    assert (first, locked) == ("False", "False")
    assert said.startswith("real-time priority not permitted: ")
    assert "memory not locked: not permitted" in said
