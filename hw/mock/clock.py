"""The virtual clock: time advances only when everybody who counts is idle and nothing is in flight.

Pure bookkeeping; the control socket feeds it (``control.py``) and the server asks it (``server.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Counts = tuple[int, int]
"""Bytes or messages (sent, received) by one end of a channel."""

Connection = Callable[[int], Counts | None]
"""Gives what the server sent and received on the pigpio connection from a local port, None if there is none."""


@dataclass(eq=False)
class Participant:
    """Somebody for whom time stands still while they work. ``until`` counts while ``waiting``; None is for ever."""

    name: str
    waiting: bool = False
    until: int | None = None
    frozen: bool = False
    channels: dict[str, Counts] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return self.waiting or self.frozen


class Coordinator:
    """All participants, and whether time may advance."""

    def __init__(self, connection: Connection) -> None:
        self.participants: list[Participant] = []
        self._connection = connection
        self._running = 0
        self._left: dict[str, list[Counts]] = {}

    def join(self, name: str) -> Participant:
        participant = Participant(name)
        self.participants.append(participant)
        self._recount()
        return participant

    def leave(self, participant: Participant) -> None:
        """The participant is gone; what it declared last is remembered while others share its channels."""
        self.participants.remove(participant)
        for channel, counts in participant.channels.items():
            if not channel.startswith("tcp:"):
                self._left.setdefault(channel, []).append(counts)
        self._forget()
        self._recount()

    def wait(self, participant: Participant, until: int | None, counts: Mapping[str, Counts | None]) -> None:
        """Declares a participant idle until a tick or until something arrives; replaces its older wait."""
        for channel, figures in counts.items():
            if figures is not None:
                participant.channels[channel] = figures
            elif participant.channels.pop(channel, None) is not None:
                if not channel.startswith(("tcp:", "dgram:")):
                    self._left.setdefault(channel, []).append((0, 0))
                self._forget()
        participant.until = until
        if not participant.waiting:
            participant.waiting = True
            self._recount()

    def resume(self, participant: Participant) -> None:
        """A waiting participant counts as running again."""
        if participant.waiting:
            participant.waiting = False
            self._recount()

    def freeze(self, name: str, frozen: bool) -> bool:
        """A harness stopped or continued the participants of that name. False if there is none."""
        found = [participant for participant in self.participants if participant.name == name]
        for participant in found:
            participant.frozen = frozen
        self._recount()
        return bool(found)

    @property
    def quiet(self) -> bool:
        """Whether every participant is idle (there is at least one) and nothing is in flight between them."""
        return self._running == 0 and bool(self.participants) and self.unbalanced() is None

    def next_wake(self) -> int | None:
        """The earliest tick somebody waits for."""
        ticks = [p.until for p in self.participants if p.waiting and not p.frozen and p.until is not None]
        return min(ticks, default=None)

    def grant(self, now: int) -> list[Participant]:
        """Those whose tick has come; they count as running from here on."""
        idle = [p for p in self.participants if p.waiting and not p.frozen]
        granted = [p for p in idle if p.until is not None and p.until <= now]
        for participant in granted:
            participant.waiting = False
        self._running += len(granted)
        return granted

    def unbalanced(self) -> str | None:
        """The first channel with something in flight, None if there is none."""
        shared: dict[str, list[Participant]] = {}
        for participant in self.participants:
            for channel, (sent, received) in participant.channels.items():
                if not channel.startswith("tcp:"):
                    shared.setdefault(channel, []).append(participant)
                elif not participant.frozen and self._connection(int(channel[4:])) != (received, sent):
                    return channel
        for channel, ends in shared.items():
            if any(end.frozen for end in ends):
                continue
            figures = [end.channels[channel] for end in ends]
            left = self._left.get(channel, [])
            balanced = _datagrams(figures, left) if channel.startswith("dgram:") else _link(figures, left)
            if not balanced:
                return channel
        return None

    def _recount(self) -> None:
        self._running = sum(not participant.idle for participant in self.participants)

    def _forget(self) -> None:
        """Drops what is remembered of channels that nobody declares any more."""
        live = {channel for participant in self.participants for channel in participant.channels}
        self._left = {channel: counts for channel, counts in self._left.items() if channel in live}


def _link(figures: list[Counts], left: list[Counts]) -> bool:
    """Two ends: each has received what the other sent. One end that is left alone has still to notice."""
    if left or len(figures) != 2:
        return False
    (sent, received), (other_sent, other_received) = figures
    return sent == other_received and received == other_sent


def _datagrams(figures: list[Counts], left: list[Counts]) -> bool:
    """Senders and one receiver, who is the one with nothing sent. Datagrams to a receiver that left are lost."""
    sent = sum(one for one, _ in figures)
    received = sum(one for _, one in figures)
    gone = sum(one for one, _ in left)
    if any(one == 0 for one, _ in left) and received == 0 and all(one > 0 for one, _ in figures):
        return True
    return received == sent if not left else received >= sent + gone
