"""Commands that take time on the virtual clock: whose time goes on for them, and whose work it waits for."""

from __future__ import annotations

import struct
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
        clock, other = sim.participant("a"), sim.participant("b")
        own(clock, raw)
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
    """A client that belongs to nobody waits for its answer as long as those work who have connections of their own."""
    with closing(Raw(sim.port)) as raw, closing(Raw(sim.port)) as stranger:
        clock = sim.participant("a")
        own(clock, raw)
        stranger.send(MILS, 100)
        assert clock.silent()
        assert raw.result(TICK) == 0
        clock.wait(250_000, declared(raw, 16, 16))
        assert clock.granted() == 250_000
        stranger.take(16)
        assert raw.result(TICK) == 250_000


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
