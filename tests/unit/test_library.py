"""The long programmes of the library, compiled from end to end as for a session, and read back from the edges alone.

The same sessions through guard, client and board are in ``make soak`` (``tests/support/library.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.feed import Feed
from controller.figures import figures
from controller.plot import draw
from controller.programme import load_programme, shipped_programmes
from controller.timeline import Timeline
from controller.waveform import Encoder
from hw.board import load_board
from safety.limits import RAISE_INTERVAL_MIN_US, RAISE_STEP_MAX_UA
from tests.decoder import decode, verify
from tests.support.edge_rows import rows
from tests.support.library import LONG_MA

BOARD = load_board()


def chunks(name: str, final_ua: int) -> Iterator[bytes]:
    """A whole session of a person who raises as fast as is allowed: the pulse list of each chunk."""
    timeline = Timeline(load_programme(shipped_programmes()[name]))
    feed = Feed(timeline, Encoder(BOARD), BOARD.full_scale_ua, ["A"], None)
    feed.begins(0)
    while (made := feed.next()) is not None:
        yield made.data
        at = feed.step_at()
        present = feed.set_point["A"]
        if at is None or feed.has_step or present == final_ua or feed.holding(at) is None:
            continue
        if feed.last_step_us is None or at - feed.last_step_us >= RAISE_INTERVAL_MIN_US:
            feed.step(at, {"A": min(final_ua, present + RAISE_STEP_MAX_UA)})


@pytest.mark.req("SR-002")
@pytest.mark.parametrize("name", LONG_MA)
def test_a_long_programme_is_compiled_as_written(name: str) -> None:
    final_ua = round(LONG_MA[name] * 1000)
    programme = load_programme(shipped_programmes()[name])
    decoded = decode(rows(chunks(name, final_ua)))
    assert verify(decoded, programme.text, final_ua) == []
    assert len(decoded.pulses) == figures(programme, BOARD, final_ua).pulses
    assert set(decoded.net_charge.values()) == {0}


@pytest.mark.parametrize("name", sorted(shipped_programmes()))
def test_every_programme_can_be_drawn(name: str) -> None:
    programme = load_programme(shipped_programmes()[name])
    drawn = draw(programme, figures(programme, BOARD, 20_000))
    assert drawn.startswith(b"<?xml")
