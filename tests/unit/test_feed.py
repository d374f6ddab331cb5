"""What the feed makes of a timeline when a session is paused, resumed and ended early."""

from __future__ import annotations

import pytest

from controller.feed import Feed
from controller.programme import parse_programme
from controller.timeline import Timeline
from controller.waveform import Encoder
from hw.board import load_board
from tests.support.stack import short_programme

BOARD = load_board()
END_US = 9_000_000
"""In the hold of the second contraction, which begins at 7.5 s."""


def feed() -> Feed:
    timeline = Timeline(parse_programme(short_programme(), "test"))
    made = Feed(timeline, Encoder(BOARD), BOARD.full_scale_ua, ["A"], END_US)
    made.begins(0)
    return made


def ends_us(one: Feed) -> int:
    last = 0
    while (made := one.next()) is not None:
        last = made.slice.end_us
    return last


@pytest.mark.parametrize("paused_us", [None, 5_000_000, 7_400_000])
def test_an_early_end_holds_after_a_pause(paused_us: int | None) -> None:
    """A session that was paused and resumed went on to the end of the programme."""
    one = feed()
    if paused_us is not None:
        one.fade(paused_us, 500_000)
        one.begins(2)
        one.resume(paused_us)
    assert END_US < ends_us(one) <= END_US + 500_000
    assert one.fade_us == END_US


def test_nothing_is_left_after_an_early_end() -> None:
    one = feed()
    one.begins(2)
    one.resume(END_US + 1)
    assert one.next() is None
