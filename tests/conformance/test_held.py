"""Commands that take time on the virtual clock: whose time goes on for them, and whose work it waits for."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.bare import Raw
from tests.support.sim import Participant, Sim

MILS, TICK, WRITE = 47, 16, 4
LINE = 24


@pytest.fixture(name="sim")
def _sim() -> Iterator[Sim]:
    with Sim.start("--bare") as sim:
        yield sim


def declared(raw: Raw, sent: int, received: int) -> dict[str, list[int] | None]:
    """A participant's word for a connection as its own, with what it sent and received."""
    return {f"tcp:{raw.sock.getsockname()[1]}": [sent, received]}


def own(clock: Participant, raw: Raw) -> None:
    """Declares a connection, on which nothing was sent yet."""
    clock.wait(clock.now, declared(raw, 0, 0))
    clock.granted()


def test_time_goes_on_for_a_participant_that_waits_for_its_answer(sim: Sim) -> None:
    with closing(Raw(sim.port)) as raw:
        clock = sim.participant("a")
        own(clock, raw)
        other = sim.participant("b")
        other.wait(40_000)
        raw.send(MILS, 100)
        assert other.granted() == 40_000, "the other's time comes first"
        assert sim.control("levels")["now"] == 40_000, "and while it works, the one that waits for its answer must"
        other.wait(None)
        raw.take(16)
        assert sim.control("levels")["now"] == 100_000
        assert raw.result(TICK) == 100_000
        clock.now = 100_000
        clock.wait(150_000, declared(raw, 32, 32))
        assert clock.granted() == 150_000


def test_time_stands_still_for_a_stranger_while_a_participant_works(sim: Sim) -> None:
    """A client of a process without participants waits for its answer as long as those work who take part."""
    with closing(Raw(sim.port)) as raw:
        clock = sim.participant("a")
        own(clock, raw)
        code = (
            "import socket, struct, sys\n"
            "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
            "s.sendall(struct.pack('<8I', 16, 0, 0, 0, 47, 100, 0, 0))\n"
            "s.recv(16, socket.MSG_WAITALL)\n"
            "print(flush=True)\n"
            "s.recv(16, socket.MSG_WAITALL)\n"
        )
        with subprocess.Popen([sys.executable, "-c", code, str(sim.port)], stdout=subprocess.PIPE) as stranger:
            assert stranger.stdout is not None
            assert stranger.stdout.readline()
            assert clock.silent()
            assert raw.result(TICK) == 0
            clock.wait(250_000, declared(raw, 16, 16))
            assert clock.granted() == 250_000
            assert stranger.wait(60) == 0
            assert raw.result(TICK) == 250_000


def test_each_that_works_in_a_process_holds_time_but_one_for_each_answer(sim: Sim) -> None:
    """Two participants of one process, of which nobody can tell which one waits; both, when two answers are due."""
    with closing(Raw(sim.port)) as raw, closing(Raw(sim.port)) as second:
        clock, other = sim.participant("a"), sim.participant("b")
        raw.send(MILS, 100)
        assert other.silent()
        assert sim.control("levels")["now"] == 0
        second.send(MILS, 50)
        second.take(16)
        assert sim.control("levels")["now"] == 50_000
        clock.wait(None)
        raw.take(16)
        assert sim.control("levels")["now"] == 100_000


def test_a_client_alone_gets_its_answer(sim: Sim) -> None:
    """With nobody on the clock, time goes on to the answers that clients wait for, and no further."""
    with closing(Raw(sim.port)) as raw, closing(Raw(sim.port)) as other:
        assert raw.result(TICK) == 0
        assert raw.result(MILS, 100) == 0
        assert [other.result(TICK) for _ in range(50)] == [100_000] * 50
        assert raw.result(MILS, 60_000) == 0
        assert other.result(TICK) == 60_100_000


def test_what_happens_meanwhile_happens_at_its_time(sim: Sim) -> None:
    with closing(Raw(sim.port)) as raw:
        assert raw.result(WRITE, LINE, 0) == 0
        pulses = struct.pack("<6I", 1 << LINE, 0, 1_000, 0, 1 << LINE, 1_000)
        assert raw.result(28, ext=pulses) == 2
        assert raw.result(49) == 0
        assert raw.result(51, 0) == 5
        assert raw.result(MILS, 10) == 0
        assert [edge for edge in sim.edges(gpios=[LINE]) if edge[0]] == [(1_000, LINE, 0)]


def test_a_frozen_participant_is_not_waited_for(sim: Sim) -> None:
    with closing(Raw(sim.port)) as raw:
        clock = sim.participant("a")
        own(clock, raw)
        raw.send(MILS, 100)
        sim.participant("b").wait(None)
        raw.take(16)
        sim.control("frozen", name="a", value=True)
        with closing(Raw(sim.port)) as stranger:
            assert stranger.result(MILS, 100) == 0
            assert stranger.result(TICK) == 200_000
