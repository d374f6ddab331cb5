"""The supply counts every chunk that did not join the one before, and no end that was one."""

from __future__ import annotations

from typing import Any

import pytest

from safety.decode import Chunk
from safety.edges import Edges
from safety.gate import Progress
from safety.supply import SETTLE_SWITCH_US, Approved, Supply
from tests.support.chunks import LINES

LONG_US = 100_000


class Pulses:
    """A daemon that has played what was sent to it when it is asked."""

    def __init__(self) -> None:
        self.waves = 0

    def load(self, *_: object) -> tuple[int, int | None]:
        self.waves += 1
        return self.waves % 3, None

    def send(self, wave: int, *, join: bool) -> None:
        assert not join

    def playing(self) -> int | None:
        return None


def begins(supply: Supply, pulses: Any, now: int, *, expects_more: bool) -> None:
    supply.offer(Approved(0, 0, b"", Chunk(LONG_US, 1, ()), Progress()))
    assert len(supply.run(pulses, now, expects_more=expects_more)) == 1


@pytest.mark.req("SR-149")
@pytest.mark.parametrize(
    ("ramp", "opened", "counted"),
    [(False, False, 1), (True, False, 1), (True, True, 0)],
    ids=["in the midst", "in a ramp", "after a pause"],
)
def test_a_chunk_that_comes_after_a_silence_is_counted_once(ramp: bool, opened: bool, counted: int) -> None:
    now = 0
    supply, pulses = Supply(Edges(LINES, 1 << 25), lambda: now), Pulses()
    supply.open(-SETTLE_SWITCH_US)
    begins(supply, pulses, now, expects_more=True)
    now = LONG_US
    assert supply.run(pulses, now, expects_more=not ramp) == []  # type: ignore[arg-type]
    assert (supply.drained, supply.underruns) == (True, 0 if ramp else 1)
    if opened:
        supply.open(now - SETTLE_SWITCH_US)
    now += 200
    begins(supply, pulses, now, expects_more=False)
    assert supply.underruns == counted
    now += LONG_US
    assert supply.run(pulses, now, expects_more=False) == []  # type: ignore[arg-type]
    assert supply.underruns == counted, "and an end is none"
