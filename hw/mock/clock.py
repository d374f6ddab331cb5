"""The virtual clock: time advances only when everybody who counts is idle and nothing is in flight.

Pure bookkeeping; the control socket feeds it (``control.py``) and the server asks it (``server.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

Counts = tuple[int, int]
"""Bytes or messages (sent, received) by one end of a channel."""

_TCP: Final = "tcp:"
_DATAGRAM: Final = "dgram:"


class Traffic(Protocol):
    """A pigpio connection: bytes that the server sent and received on it."""

    sent: int
    received: int


@dataclass(eq=False)
class Participant:
    """Somebody for whom time stands still while they work.

    ``told``: they wish to be told the tick with what the daemon sends of itself, and which of their waits that ended.
    ``process`` is its process, in which there may be others. ``late_us``: it is woken so much after the tick it waits
    for. ``given_up``: it is frozen because it kept time waiting for too long, until it is heard of again.

    ``until`` counts while ``waiting``; None is for ever. ``tcp`` are its pigpio connections by local port,
    ``channels`` all others.
    """

    name: str
    process: int = 0
    told: bool = False
    waits: int = 0
    waiting: bool = False
    until: int | None = None
    frozen: bool = False
    given_up: bool = False
    late_us: int = 0
    tcp: dict[int, Counts] = field(default_factory=dict)
    channels: dict[str, Counts] = field(default_factory=dict)


class Coordinator:
    """All participants, and whether time may advance. ``connections`` are the server's, by the client's port.

    ``outsiders``: others may be at the far end of a channel, who live by the wall's clock and declare nothing.
    """

    def __init__(self, connections: Mapping[int, Traffic], *, outsiders: bool = False) -> None:
        self.participants: list[Participant] = []
        self.running = 0
        self.stirred = True
        """Whether anything that ``quiet`` depends on may have changed since it was last asked."""
        self._was_quiet = False
        self._outsiders = outsiders
        self._connections = connections
        self._links: dict[str, list[Participant]] = {}
        self._datagrams: dict[str, list[Participant]] = {}
        self._left: dict[str, tuple[Counts, ...]] = {}
        self._held: dict[int, int | None] = {}

    def hold(self, port: int, process: int | None) -> None:
        """The client at a port waits for the answer to a command that takes time; ``process`` is its process, None one
        without participants.

        A participant whose client that is cannot go on before the answer, so time need not wait for it. Which one of a
        process it is nobody can tell: time goes on when no more of them are at work than answers are waited for.
        """
        self._held[port] = process
        self.stirred = True

    def let_go(self, port: int) -> list[Participant]:
        """The answer comes. Gives those for whom time may have gone on meanwhile although they are at work."""
        process = self._held.pop(port, None)
        self.stirred = True
        return [one for one in self.participants if one.process == process and self._at_work(one)]

    def join(self, name: str, process: int = 0, *, told: bool = False) -> Participant:
        """A new participant, who counts as running until its first wait."""
        participant = Participant(name, process, told)
        self.participants.append(participant)
        self._recount()
        return participant

    def leave(self, participant: Participant) -> None:
        """The participant is gone; what it declared last is remembered while others share its channels."""
        self.participants.remove(participant)
        for channel in list(participant.channels):
            self._end(participant, channel, gone=True)
        self._recount()

    def wait(self, participant: Participant, until: int | None, counts: Mapping[str, Counts | None]) -> None:
        """Declares a participant idle until a tick or until something arrives; replaces its older wait.

        ``counts`` as ``declare`` takes it.
        """
        self.declare(participant, counts)
        participant.until = until
        participant.waits += 1
        if not participant.waiting:
            participant.waiting = self.stirred = True
            self.running -= not participant.frozen

    def declare(self, participant: Participant, counts: Mapping[str, Counts | None]) -> None:
        """Takes a participant's figures.

        ``counts`` holds the channels whose figures changed; None drops one. Raises ValueError for a port that is none.
        """
        self.stirred = self.stirred or bool(counts)
        for channel, figures in counts.items():
            if channel.startswith(_TCP):
                port = int(channel[len(_TCP) :])
                if figures is None:
                    participant.tcp.pop(port, None)
                else:
                    participant.tcp[port] = figures
            elif figures is not None:
                if channel not in participant.channels:
                    self._shared(channel).setdefault(channel, []).append(participant)
                participant.channels[channel] = figures
            elif channel in participant.channels:
                self._end(participant, channel, gone=False)

    def resume(self, participant: Participant) -> None:
        """A waiting participant counts as running again."""
        if participant.waiting:
            participant.waiting, self.stirred = False, True
            self.running += not participant.frozen

    def woken(self, port: int) -> Participant | None:
        """Something went to a port that nobody had asked for: it ends the wait of whoever wishes to be told so."""
        for participant in self.participants:
            if participant.told and participant.waiting and not participant.frozen and port in participant.tcp:
                self.resume(participant)
                return participant
        return None

    def freeze(self, name: str, frozen: bool) -> bool:
        """A harness stopped or continued the participants of that name. False if there is none."""
        found = [participant for participant in self.participants if participant.name == name]
        for participant in found:
            participant.frozen = frozen
        self._recount()
        return bool(found)

    def give_up(self) -> list[Participant]:
        """Time has waited long enough for whoever is at work: it goes on without them, and gives who that is."""
        late = [participant for participant in self.participants if self._at_work(participant)]
        for participant in late:
            participant.frozen = participant.given_up = True
        self._recount()
        return late

    def heard(self, participant: Participant) -> None:
        """Something came from it: time waits for it again."""
        if participant.given_up:
            participant.frozen = participant.given_up = False
            self._recount()

    @property
    def quiet(self) -> bool:
        """Whether every participant is idle and nothing is in flight between them.

        There must be somebody for whom time goes on: a participant, or a client that waits for an answer.
        """
        if self.stirred:
            if self._held:
                at_work = [one for one in self.participants if self._at_work(one)]
                self._was_quiet = all(map(self._blocked, at_work)) and self.unbalanced() is None
            else:
                self._was_quiet = self.running == 0 and bool(self.participants) and self.unbalanced() is None
            self.stirred = False
        return self._was_quiet

    def _blocked(self, participant: Participant) -> bool:
        """Whether a participant that is at work waits for the answer to a command, with all at work in its process."""
        if not self._held or not self._at_work(participant):
            return False
        process = participant.process
        at_work = sum(one.process == process and self._at_work(one) for one in self.participants)
        return at_work <= sum(holder == process for holder in self._held.values())

    def _at_work(self, participant: Participant) -> bool:
        """Whether it counts as running, or something has come that ended its wait."""
        if participant.frozen or not participant.waiting:
            return not participant.frozen
        for port, (_, received) in participant.tcp.items():
            connection = self._connections.get(port)
            if connection is None or connection.sent > received:
                return True
        for channel, (own, received) in participant.channels.items():
            ends = self._shared(channel)[channel]
            sent = sum(end.channels[channel][0] for end in ends) + sum(one for one, _ in self._left.get(channel, ()))
            if channel.startswith(_DATAGRAM):
                if own == 0 and sent > received:
                    return True
            elif channel in self._left or sent - own > received:
                return True
        return False

    def _silent(self, participant: Participant) -> bool:
        """Whether what a participant declared may be behind the facts."""
        return participant.frozen or self._blocked(participant)

    def next_wake(self) -> int | None:
        """The earliest tick somebody waits for."""
        wake: int | None = None
        for participant in self.participants:
            until = participant.until
            if until is None or not participant.waiting or participant.frozen or (wake is not None and wake <= until):
                continue
            if not (self._held and self._blocked(participant)):
                wake = until
        return wake

    def grant(self, now: int) -> list[Participant]:
        """Those whose tick has come, in the order they joined; they count as running from here on."""
        granted: list[Participant] = []
        for participant in self.participants:
            until = participant.until
            if until is None or until > now or not participant.waiting or participant.frozen:
                continue
            if not (self._held and self._blocked(participant)):
                participant.waiting = False
                granted.append(participant)
        self.running += len(granted)
        self.stirred = self.stirred or bool(granted)
        return granted

    def unbalanced(self) -> str | None:
        """The first channel with something in flight, None if there is none."""
        for participant in self.participants:
            if not self._silent(participant):
                for port, (sent, received) in participant.tcp.items():
                    connection = self._connections.get(port)
                    if connection is None or connection.received != sent or connection.sent != received:
                        return f"{_TCP}{port}"
        for channel, ends in self._links.items():
            if self._outsiders and len(ends) == 1:
                continue
            if not (_link(channel, ends, channel in self._left) or any(map(self._silent, ends)) or self._half(ends)):
                return channel
        for channel, ends in self._datagrams.items():
            left = self._left.get(channel, ())
            if not (_datagrams(channel, ends, left, more=self._outsiders) or any(map(self._silent, ends))):
                return channel
        return None

    def _half(self, ends: list[Participant]) -> bool:
        """Whether the other end of a new link may belong to a process that waits for an answer before it declares."""
        return len(ends) == 1 and any(holder not in (None, ends[0].process) for holder in self._held.values())

    def _shared(self, channel: str) -> dict[str, list[Participant]]:
        return self._datagrams if channel.startswith(_DATAGRAM) else self._links

    def _end(self, participant: Participant, channel: str, gone: bool) -> None:
        """One end of a channel less. Of a link the other end has still to notice; a sender's datagrams stay counted."""
        figures = participant.channels.pop(channel)
        shared = self._shared(channel)
        ends = shared[channel]
        ends.remove(participant)
        if not ends:
            del shared[channel]
            self._left.pop(channel, None)
        elif gone or shared is self._links:
            self._left[channel] = (*self._left.get(channel, ()), figures)

    def _recount(self) -> None:
        self.stirred = True
        self.running = sum(not (participant.waiting or participant.frozen) for participant in self.participants)


def _link(channel: str, ends: list[Participant], left: bool) -> bool:
    """Two ends: each has received what the other sent. One end that is left alone has still to notice."""
    if len(ends) == 2 and not left:
        (sent, received), (other_sent, other_received) = ends[0].channels[channel], ends[1].channels[channel]
        return sent == other_received and received == other_sent
    return False


def _datagrams(channel: str, ends: list[Participant], left: tuple[Counts, ...], *, more: bool) -> bool:
    """Senders and one receiver, who is the one that sent nothing. Datagrams to a receiver that left are lost. ``more``:
    some may be of senders who declare nothing.
    """
    sent = received = 0
    for end in ends:
        one_sent, one_received = end.channels[channel]
        sent += one_sent
        received += one_received
    if not left:
        balanced = sent == received or (more and received > sent)
    elif all(end.channels[channel][0] > 0 for end in ends) and any(one == 0 for one, _ in left):
        balanced = True
    else:
        balanced = received >= sent + sum(one for one, _ in left)
    return balanced
