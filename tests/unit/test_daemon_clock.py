"""The clock against a real daemon: its 32-bit tick, unwrapped."""

from __future__ import annotations

import os

import pytest

from hw.clock import TICK_WRAP, DaemonClock
from safety.errors import LinkError


@pytest.mark.req("SR-076")
def test_the_tick_is_unwrapped() -> None:
    ticks = iter([TICK_WRAP - 10, TICK_WRAP - 1, 5, 6, TICK_WRAP // 2 + 5, TICK_WRAP - 1])
    clock = DaemonClock(lambda: next(ticks))
    seen = [clock.refresh() for _ in range(5)]
    assert seen == [
        TICK_WRAP - 1,
        TICK_WRAP + 5,
        TICK_WRAP + 6,
        TICK_WRAP + TICK_WRAP // 2 + 5,
        2 * TICK_WRAP - 1,
    ]


@pytest.mark.req("SR-076")
def test_a_tick_that_goes_backward_is_no_time() -> None:
    ticks = iter([1000, 999])
    clock = DaemonClock(lambda: next(ticks))
    with pytest.raises(LinkError, match="backward"):
        clock.refresh()


def test_input_ends_a_wait() -> None:
    tick = [100]
    clock = DaemonClock(lambda: tick[0])
    reader, writer = os.pipe()
    try:
        clock.watch(reader)
        os.write(writer, b"x")
        tick[0] = 250
        assert clock.wait(None) == [reader]
        assert clock.now() >= 250
        clock.unwatch(reader)
        assert clock.wait(0) == []
    finally:
        os.close(reader)
        os.close(writer)
