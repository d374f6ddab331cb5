"""Pauses at odd moments: before anything was played, and with an app that is too busy to hear how one ends."""

from __future__ import annotations

import pytest

from tests.support.hand import Hand
from tests.support.programmes import CONTRACTION, PAUSE, changed, programme_toml
from tests.support.stack import short_programme, stack

LATER = programme_toml(
    changed(PAUSE, pause_s="3"),
    changed(CONTRACTION, hold_ms="1000", rest_ms="2000", repeats="1", ramp_up_ms="500", ramp_down_ms="500"),
)


@pytest.mark.req("SR-030")
@pytest.mark.parametrize("programme", [short_programme(repeats=1), LATER], ids=["contraction first", "pause first"])
def test_a_session_that_is_paused_at_once_begins_at_its_beginning(programme: bytes) -> None:
    with stack() as rig:
        hand = Hand(rig, programme)
        hand.session.pause()
        hand.until(lambda state: state["mode"] == "paused")
        assert hand.state["next_us"] is None, "nothing was played"
        hand.play_for(2_000_000)
        hand.session.resume()
        hand.until(lambda state: state["mode"] == "idle")
        assert hand.state["cause"] is None
        assert hand.pulses(), "and all of it was"


def test_an_app_that_hears_of_the_ramp_after_it_has_asked_to_go_on() -> None:
    with stack() as rig:
        hand = Hand(rig)
        hand.held()
        hand.session.pause()
        until = rig.clock.now() + 1_200_000
        while rig.clock.now() < until:  # it does nothing else
            hand.link._waiting.extend(hand.link._arrived(until))
        heard = [message["type"] for message in hand.link._waiting]
        assert "started" in heard
        assert hand.link.latest["mode"] == "paused"
        hand.session.resume()
        hand.until(lambda state: state["mode"] == "idle")
        assert (hand.state["cause"], hand.state["underruns"]) == (None, 0)
        numbers = [view.playing.start_us for view in hand.views]
        assert numbers == sorted(numbers), "and all that was played was shown"
