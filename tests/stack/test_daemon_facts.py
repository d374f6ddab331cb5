"""What is found out about the running daemon, and that finding it out changes nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pigpio
import pytest

from hw import daemon_facts
from hw.wire import NotAsApproved
from tests.support.rig import BOARD
from tests.support.sim import Sim, disconnect

ALL_LINES = BOARD.mask(*BOARD.lines)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture(name="sim")
def _sim() -> Iterator[Sim]:
    with Sim.start() as sim:
        yield sim


@pytest.fixture(name="pi")
def _pi(sim: Sim) -> Iterator[Any]:
    pi = pigpio.pi("127.0.0.1", sim.port, show_errors=False)
    yield pi
    disconnect(pi)


def test_version_and_revision(pi: Any) -> None:
    assert (daemon_facts.version(pi), daemon_facts.revision(pi)) == (79, 0xA02082)


def test_the_mask_of_the_board(pi: Any) -> None:
    assert daemon_facts.permitted(pi) == ALL_LINES


@pytest.mark.parametrize("mask", [0, 1 << 31, 0x0FFF_FFFC, 0xFFFF_FFFF])
def test_any_mask(mask: int) -> None:
    with Sim.start("--bare", "--mask", hex(mask)) as sim:
        pi = pigpio.pi("127.0.0.1", sim.port, show_errors=False)
        assert daemon_facts.permitted(pi) == mask
        disconnect(pi)


def test_asking_for_the_mask_changes_no_line_and_no_mode(sim: Sim, pi: Any) -> None:
    sim.participant("test").sleep(1_000)
    modes = [pi.get_mode(gpio) for gpio in range(32)]
    bank = pi.read_bank_1()
    for gpio in (24, 25):  # latches that would show if a line became an output
        pi.set_bank_1(1 << gpio)
    before = sim.edges()
    daemon_facts.permitted(pi)
    assert sim.edges() == before
    assert ([pi.get_mode(gpio) for gpio in range(32)], pi.read_bank_1()) == (modes, bank)


def test_a_daemon_that_takes_such_a_level_is_not_ours(pi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_facts, "burst", lambda client, commands: [-41] * 31 + [0])
    with pytest.raises(NotAsApproved):
        daemon_facts.permitted(pi)


def test_where_it_listens(sim: Sim) -> None:
    assert daemon_facts.listeners(sim.port) == ("127.0.0.1",)


@pytest.mark.needs("IPv6", available=has_ipv6, how="switch IPv6 on in the kernel")
def test_every_listener_at_a_port_is_found() -> None:
    with ExitStack() as stack:
        first = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = first.getsockname()[1]
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        stack.enter_context(socket.create_server(("127.0.0.2", port)))
        stack.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6))
        assert sorted(daemon_facts.listeners(port)) == ["127.0.0.1", "127.0.0.2", "::1"]
    with socket.create_server(("0.0.0.0", port)), socket.create_server(("::", port), family=socket.AF_INET6):
        assert daemon_facts.listeners(port) == ("0.0.0.0", "::")
    assert daemon_facts.listeners(port) == ()


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:22B8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 27 1 0 100 0 0 10 0
   1: 0100007F:22B8 0100007F:B2AC 01 00000000:00000000 00:00000000 00000000  1000        0 29 1 0 20 4 0 10 -1
   2: 0F02000A:22B8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31 1 0 100 0 0 10 0
   3: 00000000:22B9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33 1 0 100 0 0 10 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st
   0: 0000000000000000FFFF00000F02000A:22B8 00000000000000000000000000000000:0000 0A 0 0 0
   1: 00000000000000000000000001000000:22B8 00000000000000000000000000000000:0000 0A 0 0 0
   2: 000080FE00000000FF005450B3A6A2FE:22B8 00000000000000000000000000000000:0000 0A 0 0 0
"""
"""As Linux prints them on a little-endian machine: the daemon's port is 0x22B8 = 8888."""


def test_the_kernels_tables(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(TCP, encoding="ascii")
    assert daemon_facts.listeners(8888, tmp_path) == ("127.0.0.1", "10.0.2.15"), "a kernel without IPv6"
    (tmp_path / "tcp6").write_text(TCP6, encoding="ascii")
    found = daemon_facts.listeners(8888, tmp_path)
    assert found == ("127.0.0.1", "10.0.2.15", "10.0.2.15", "::1", "fe80::5054:ff:fea2:a6b3")
    assert [daemon_facts.is_loopback(one) for one in found] == [True, False, False, True, False]


def test_a_table_that_cannot_be_read_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="tcp"):
        daemon_facts.listeners(8888, tmp_path)
    (tmp_path / "tcp").write_text("header\nnonsense\n", encoding="ascii")
    with pytest.raises(ValueError, match="not enough"):
        daemon_facts.listeners(8888, tmp_path)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False)],
)
def test_what_no_other_machine_reaches(address: str, expected: bool) -> None:
    assert daemon_facts.is_loopback(address) is expected
