"""The event loop: sockets, timed events and the clock, in one thread.

On the virtual clock a last look at all sockets comes before every step of time; in real time the tick is the wall's.
"""

from __future__ import annotations

import heapq
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Final

from hw.mock.clock import Coordinator, Participant
from hw.mock.connection import Connection
from hw.mock.daemon import Daemon
from hw.mock.owner import owner
from hw.mock.waves import DaemonCrash

Action = Callable[[], None]
_MOST_SPINS: Final = 40
"""Looks without waiting before the loop blocks: to be woken costs more than a quick client takes for its next request.

While looking finds nothing it is done less and less, so that slow clients do not share their processor with it. On a
single processor nobody could send meanwhile.
"""
_MOST_STEPS: Final = 32
"""Steps of virtual time between two looks at the sockets, while nobody's tick comes and nothing is sent."""
_LONGEST_WAIT_US: Final = 600_000_000
_CATCH_UP_US: Final = 100_000
"""A paced clock that fell behind its wall by more than this does not make up for the rest."""
PATIENCE_US: Final = 1_000_000
"""So long an elastic clock waits for whoever is at work: a busy machine lets nobody wait as long, a hung process does.
"""


class Timeline:
    """The present tick (unwrapped us) and what is due later."""

    def __init__(self, tick: int) -> None:
        self.now = tick
        self.follows_wall = False
        self.wall: Callable[[], int] = lambda: self.now
        self._events: list[tuple[int, int, Action]] = []
        self._number = 0

    def schedule(self, tick: int, action: Action) -> None:
        """Has something happen at a tick (at once, if that is past), after what was scheduled for it before."""
        self._number += 1
        heapq.heappush(self._events, (max(tick, self.now), self._number, action))

    def soon(self, us: int) -> int:
        """A tick so far ahead; where time follows the wall, never one that the wall has passed already."""
        return max(self.now + us, self.wall())

    def next_tick(self) -> int | None:
        return self._events[0][0] if self._events else None

    def pop(self) -> Action:
        return heapq.heappop(self._events)[2]


class Server:
    """Runs the daemon for its clients. ``pace`` limits virtual time to so many times the wall's; None does not.

    ``alone``: virtual time follows the wall's as long as nobody has joined it. ``elastic``: then, too, it goes at the
    wall's pace, waits for its participants no longer than ``PATIENCE_US``, and does not ask the others to join.
    """

    def __init__(
        self,
        timeline: Timeline,
        daemon: Daemon,
        realtime: bool,
        pace: float | None,
        alone: bool = False,
        elastic: bool = False,
    ) -> None:
        self.timeline = timeline
        self.daemon = daemon
        self.realtime = timeline.follows_wall = realtime or alone or elastic
        self.pace = 1.0 if elastic else pace
        self._elastic = elastic
        self._stood_since: int | None = None
        self._alone = alone or elastic
        self._board = daemon.board
        self.on_grant: Callable[[Participant, int], None] = lambda participant, now: None
        self.on_moved: Callable[[Participant, int], None] = lambda participant, now: None
        self.on_came: Callable[[Participant, int], None] = lambda participant, now: None
        self.on_given_up: Callable[[Participant], None] = lambda participant: None
        self.stopping = False
        self.hung = False
        self.delay_us = 0
        self.spoil: Callable[[bytes], bytes] | None = None
        self.address: tuple[str, int] = ("", 0)
        self.connections: dict[int, Connection] = {}
        self.coordinator = Coordinator(self.connections, outsiders=elastic)
        self._epoll = select.epoll()
        self._readers: dict[int, tuple[Action, Action]] = {}
        self._listener: socket.socket | None = None
        self._wall_zero = _wall_us() - timeline.now
        self._allowed_at = 0
        self._braked = False
        timeline.wall = self._wall_tick

    # File descriptors

    def add(self, fd: int, on_read: Action, on_write: Action = lambda: None) -> None:
        """Calls ``on_read`` whenever there is something to read."""
        self._readers[fd] = (on_read, on_write)
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def watch(self, fd: int, events: int) -> None:
        if fd in self._readers:
            self._epoll.modify(fd, events)

    # pigpio clients

    def listen(self, listener: socket.socket) -> None:
        """Accepts clients of the daemon from a listening socket."""
        listener.setblocking(False)
        self._listener = listener
        self.address = listener.getsockname()[:2]
        self.add(listener.fileno(), self._accept)

    @property
    def listening(self) -> bool:
        """Whether there is a daemon."""
        return self._listener is not None

    def drop(self, connection: Connection) -> None:
        """Closes a connection; what its client started goes on."""
        if connection.closed:
            return
        connection.closed = True
        self.remove(connection.sock.fileno())
        connection.sock.close()
        if self.connections.get(connection.port) is connection:
            del self.connections[connection.port]
        self.stir()
        self.daemon.gone(connection)

    def stir(self) -> None:
        """What goes over the connections has changed: time may have to wait."""
        self.coordinator.stirred = True

    def reported(self, connection: Connection) -> None:
        """Whoever waits for what a connection brings learns the tick with it."""
        woken = None if self.realtime else self.coordinator.woken(connection.port)
        if woken is not None:
            self.on_came(woken, self.timeline.now)

    def ignore(self, fd: int) -> None:
        """Looks at a client's descriptor no more."""
        self.remove(fd)

    def release_at(self, connection: Connection, tick: int) -> None:
        """Has a connection's command go on at a tick; until then its client waits for the answer."""

        since = self.timeline.now

        def release() -> None:
            moved, now = self.coordinator.let_go(connection.port), self.timeline.now
            if now > since and not self.realtime:
                for participant in moved:
                    self.on_moved(participant, now)
            connection.release()

        if connection.process is None and not self.realtime:
            running = {one.process for one in self.coordinator.participants}
            connection.process = owner(connection.port, self.address[1], running) if running else None
        self.coordinator.hold(connection.port, connection.process)
        self.timeline.schedule(tick, release)

    def crash_daemon(self) -> None:
        """The daemon is gone: no connection, no listener, no script. The DMA plays on."""
        self.daemon.scripts.die()
        if self._listener is not None:
            self.remove(self._listener.fileno())
            self._listener.close()
            self._listener = None
        for connection in list(self.connections.values()):
            self.drop(connection)

    def _accept(self) -> None:
        while self._listener is not None:
            try:
                sock, address = self._listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, self.daemon.handlers, sock, address[1])
            self.connections[connection.port] = connection
            self.stir()
            self.add(sock.fileno(), connection.readable, connection.writable)

    # The loop

    def run(self) -> None:
        """Serves until ``stopping``."""
        poll, most = self._epoll.poll, _MOST_SPINS if len(os.sched_getaffinity(0)) > 1 else 0
        budget = most
        while not self.stopping:
            if self._alone:
                self._choose_clock()
            self._braked = False
            if self.realtime:
                self._follow_wall()
            if self.realtime or self._moves():
                events = poll(0)
                if events:
                    self._handle(events)
                    continue
                if not self.realtime and self._advance():
                    continue
            # Without news nothing changes what was just found, but for a brake that wall time lets go.
            for _ in range(budget):
                events = poll(0)
                if events:
                    budget = min(most, budget + 4)
                    break
            else:
                budget = max(min(most, 1), budget // 2)
                events = poll(self._patience())
            self._handle(events)

    def _moves(self) -> bool:
        """Whether time may go on. An elastic clock gives up whoever it has waited for too long."""
        quiet = self.coordinator.quiet
        if quiet or not self._elastic:
            self._stood_since = None
            return quiet
        if self._stood_since is None:
            self._stood_since = _wall_us()
        elif _wall_us() - self._stood_since >= PATIENCE_US:
            for participant in self.coordinator.give_up():
                self.on_given_up(participant)
            self._stood_since = None
        return self.coordinator.quiet

    def _handle(self, events: list[tuple[int, int]]) -> None:
        for fd, event in events:
            actions = self._readers.get(fd)
            if actions is None:
                continue
            if self.realtime:
                self._follow_wall()
            try:
                if event & select.EPOLLOUT:
                    actions[1]()
                if event & ~select.EPOLLOUT:
                    actions[0]()
            except DaemonCrash:
                self.crash_daemon()
        self._news()

    def _news(self) -> None:
        """Something may have been recorded: the board may trip over it, and callbacks may want to know."""
        if self._board is not None:
            self._board.news(self.timeline.now)
        if not self.hung:
            self.daemon.notifier.news(self.timeline.now)

    def _own_tick(self) -> int | None:
        """When something of the simulation itself is due."""
        notifier = self.daemon.notifier
        due = self.timeline.next_tick()
        if notifier.due is not None and not self.hung and (due is None or notifier.due < due):
            due = notifier.due
        board = self._board
        if board is not None and board.due is not None and (due is None or board.due < due):
            due = board.due
        if notifier.monitor or board is not None:
            end = self.daemon.player.next_end()
            if end is not None and (due is None or end < due):
                due = end
        return due

    def _run_due(self, until: int, due: int | None) -> int | None:
        """Everything due up to and at a tick, each at its own, the first at ``due``. Gives what is due after it."""
        notifier, timeline = self.daemon.notifier, self.timeline
        while due is not None and due <= until:
            timeline.now = max(timeline.now, due)
            if timeline.next_tick() == due:
                try:
                    timeline.pop()()
                except DaemonCrash:
                    self.crash_daemon()
            elif self._board is not None and self._board.due == due:
                self._board.fire(timeline.now)
            elif notifier.due == due:
                notifier.fire(timeline.now)
            else:
                self.daemon.player.run_to(timeline.now)
            self._news()
            due = self._own_tick()
        timeline.now = max(timeline.now, until)
        return due

    def _advance(self) -> bool:
        """Virtual time goes on, everybody being idle, to somebody's tick at most and not past anything that is sent.

        Returns whether it did.
        """
        coordinator, moved = self.coordinator, False
        wake, due = coordinator.next_wake(), self._own_tick()
        for _ in range(_MOST_STEPS):
            target = wake if due is None else due if wake is None else min(due, wake)
            self._braked = target is not None and not self._allows(target)
            if target is None or self._braked:
                return moved
            due, moved = self._run_due(target, due), True
            if target == wake or wake is None or not coordinator.quiet:
                break
        self._grant()
        return True

    def _grant(self) -> None:
        now = self.timeline.now
        for participant in self.coordinator.grant(now):
            self.on_grant(participant, now)

    # Wall time

    def _choose_clock(self) -> None:
        """The wall's as long as nobody has joined; the tick goes on from where it is whenever that changes."""
        follows = not self.coordinator.participants
        if follows != self.realtime:
            self.realtime = self.timeline.follows_wall = follows
            self._wall_zero = _wall_us() - self.timeline.now

    def _wall_tick(self) -> int:
        """The tick of this moment: the wall's if time follows it."""
        return _wall_us() - self._wall_zero if self.realtime else self.timeline.now

    def _follow_wall(self) -> None:
        self._run_due(_wall_us() - self._wall_zero, self._own_tick())
        if self.coordinator.participants:
            self._grant()

    def _allows(self, target: int) -> bool:
        """Whether the pace lets virtual time reach a tick yet."""
        if self.pace is None:
            return True
        wall = _wall_us()
        self._allowed_at = self._wall_zero + int(target / self.pace)
        behind = wall - self._allowed_at - _CATCH_UP_US  # by the target: to wait for a distant one is no falling behind
        if behind > 0:
            self._wall_zero += behind
            self._allowed_at += behind
        return wall >= self._allowed_at

    def _patience(self) -> float:
        """How long to block, in seconds; something that arrives ends it anyhow."""
        wait_us = _LONGEST_WAIT_US
        if self.realtime:
            ticks = [tick for tick in (self._own_tick(), self.coordinator.next_wake()) if tick is not None]
            wait_us = min([wait_us, *(tick - self.timeline.now for tick in ticks)])
        elif self._braked:  # the moment may have come since: then there is nothing to wait for
            wait_us = min(wait_us, self._allowed_at - _wall_us())
        elif self._stood_since is not None:
            wait_us = min(wait_us, self._stood_since + PATIENCE_US - _wall_us())
        return max(0, wait_us) / 1e6


def _wall_us() -> int:
    return time.monotonic_ns() // 1000
