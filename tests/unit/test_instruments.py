"""What the guard knows of its own lines: since when they are as they were asked to be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from safety.edges import Edges
from safety.instruments import Instruments
from tests.support.chunks import LINES

ENABLE = 1 << 25


@pytest.mark.parametrize("on", [True, False])
def test_the_rail_has_its_time_from_when_the_switch_was_written_for_certain(on: bool) -> None:
    """A daemon that is held up does it late: a rail that still falls then is not stuck, nor one that rises lost."""
    now = [1_000]

    def write(name: str, level: int) -> None:
        assert (name, level) == ("OUTPUT_ENABLE", on)
        now[0] += 15_000

    tools: Any = object.__new__(Instruments)
    tools._clock, tools.pulses = SimpleNamespace(now=lambda: now[0]), SimpleNamespace(write=write)
    tools.edges, tools.enabled, tools.enabled_us = Edges(LINES, ENABLE), not on, 0
    tools.enable(on)
    assert (tools.enabled, tools.enabled_us) == (on, 16_000)
    tools.enable(on)
    assert tools.enabled_us == 16_000, "since then it is"
