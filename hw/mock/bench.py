"""Everything that faults are done to: the board, the daemon, and the processes beside them."""

from __future__ import annotations

import resource
import socket
import struct
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from hw.mock.board import BoardModel
from hw.mock.clock import Participant
from hw.mock.load import Electrode
from hw.mock.server import Server
from hw.mock.troubles import FaultImpossible, Troubles

_EVERY_CONTACT = frozenset((1, 2, 3))
_PEER = struct.Struct("3i")


class Bench:
    """``sockets`` gives the control connection of each participant of the virtual clock."""

    def __init__(
        self, server: Server, board: BoardModel | None, seed: int, sockets: dict[Participant, socket.socket]
    ) -> None:
        self.server = server
        self.wired = board
        self.troubles = Troubles(server, seed)
        self.full_disks: set[int] = set()
        self._chance = Random(seed)
        self._sockets = sockets

    @property
    def now(self) -> int:
        return self.server.timeline.now

    @property
    def board(self) -> BoardModel:
        """Raises FaultImpossible for a bare Pi."""
        if self.wired is None:
            raise FaultImpossible("Nothing is wired to this Pi: start the simulation without --bare.")
        return self.wired

    def change(self, what: Callable[[BoardModel], None]) -> None:
        """Changes something of the board, everything before being done, and puts the consequences in place."""
        self.board.bring(self.now)
        what(self.board)
        self.board.rewired(self.now)

    def electrodes(self, channel: object, change: Callable[[Electrode], Electrode]) -> None:
        """Changes the electrode of a channel."""
        name = str(channel)
        self.board.connect(name, change(self.board.channels[name].electrode), self.now)

    def mend_electrodes(self) -> None:
        """All as they were."""
        for name, channel in self.board.channels.items():
            self.board.connect(name, channel.electrode.mended(), self.now)

    def bounce(self, us: int) -> None:
        """The button is pressed, and each contact opens and closes for so long before it stays open."""
        moments = sorted({self._chance.randint(0, us) for _ in range(max(2, us // 700))})
        self.board.press(_EVERY_CONTACT, self.now)
        for moment in moments:
            contacts = frozenset(contact for contact in _EVERY_CONTACT if self._chance.random() < 0.5)
            self.server.timeline.schedule(self.now + moment, partial(self._press, contacts))
        self.server.timeline.schedule(self.now + us, partial(self._press, _EVERY_CONTACT))

    def _press(self, contacts: frozenset[int]) -> None:
        self.board.press(contacts, self.now)

    def participants(self, name: object) -> Iterator[Participant]:
        """The participants of the virtual clock of that name; raises FaultImpossible if there is none."""
        found = [one for one in self.server.coordinator.participants if one.name == name]
        if not found:
            known = ", ".join(sorted({one.name for one in self.server.coordinator.participants})) or "none"
            raise FaultImpossible(f"No process {name!r} takes part in the virtual clock (there are: {known}).")
        yield from found

    def fill_disk(self, name: object) -> None:
        """A process can write no file any more: the limit on file sizes stands for a disk without room."""
        for participant in self.participants(name):
            peer = self._sockets[participant].getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
            pid = _PEER.unpack(peer)[0]
            _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
            self.full_disks.add(pid)

    def empty_disks(self) -> None:
        """There is room again."""
        while self.full_disks:
            pid = self.full_disks.pop()
            try:
                _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
            except ProcessLookupError:
                continue
