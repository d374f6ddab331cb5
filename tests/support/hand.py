"""A session in a person's hand: played as the app does, raised, lowered, paused and resumed as the test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller.outcome import View
from safety.link import Message
from tests.decoder import Pulse, decode
from tests.support.stack import AppLink, Stack, short_programme


class Hand:
    """Loads, has the electrodes checked and starts. Nonces are echoed while ``link.echoes``."""

    def __init__(self, rig: Stack, programme: bytes | None = None, link: AppLink | None = None, **load: Any) -> None:
        self.rig, self.link = rig, link or rig.link()
        self.link.echoes = True
        self.views: list[View] = []
        programme = short_programme() if programme is None else programme
        self.session = rig.session(programme, 50_000, link=self.link, show=self.views.append, rises=False, **load)
        assert self.session.load()
        self.link.heard()
        assert self.session.check_electrodes()
        assert self.session.start(None)

    @property
    def state(self) -> Message:
        """Where the guard stands, as it told last."""
        return self.link.latest

    def until(self, good: Callable[[Message], bool]) -> Message:
        """Plays on until the guard stands so; also once the session is over."""
        while not good(self.state):
            self.session.step()
        return self.state

    def play_to(self, us: int) -> None:
        """Plays on until what plays ends at this session time or later."""
        while self.session.outcome.session_us < us:
            assert not self.session.step(), self.session.outcome

    def play_for(self, us: int) -> None:
        """Plays on for so long."""
        end = self.link.now() + us
        while self.link.now() < end:
            assert not self.session.step(end), self.session.outcome

    def raised(self, ua: int = 2_000) -> None:
        """Plays until a step of channel A is felt, named as early as it may be."""
        self.play_to(self.session.raise_({"A": ua}) + 100_000)
        self.play_for(100_000)
        assert self.state["set_point_ua"]["A"] == ua

    def held(self, ua: int = 2_000) -> None:
        """Plays into the hold of the first contraction, at this set-point."""
        self.play_to(700_000)
        self.raised(ua)

    def pulses(self) -> list[tuple[int, Pulse]]:
        """Every pulse since the session began, with the tick at which it began."""
        first = self.session.outcome.first_tick
        assert first is not None
        decoded = decode(self.rig.edges(since=first))
        assert not decoded.problems
        return [(first + pulse.start_us, pulse) for pulse in decoded.pulses]
