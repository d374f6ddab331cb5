"""The clock port: "now", and "sleep until then or until something arrives".

Three clocks serve it. ``DaemonClock``: now is the pigpio daemon's tick, unwrapped. ``WallClock``: for the app beside a
real-time board, which plans but never decides by time. ``VirtualClock``: the simulator owns time; it moves on only when
every process has said that it is idle and nothing is under way between them (docs/decisions/0005-the-clock.md).

Times are whole microseconds. None of these clocks is safe to share between threads: one each.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from typing import Protocol

from safety.errors import LinkError

TICK_WRAP = 1 << 32
"""The daemon's tick is 32 bits of microseconds: it wraps every 71.6 minutes."""

_MOST = 1 << 12
"""Bytes of one message of the simulator, at most."""


_encode = json.JSONEncoder(separators=(",", ":")).encode


class Tally:
    """What one end of a channel has sent and received so far (messages, or bytes for a pigpio connection).

    ``told`` is the clock's own: the sum when it last declared them.
    """

    __slots__ = ("received", "sent", "told")

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.told = -1


class _ToldTally(Tally):
    """One that lets its clock know of everything that was sent."""

    __slots__ = ("_sent", "_tell")

    def __init__(self, tell: Callable[[], None]) -> None:
        self._sent = 0
        self._tell: Callable[[], None] = lambda: None
        super().__init__()
        self._tell = tell

    @property
    def sent(self) -> int:
        return self._sent

    @sent.setter
    def sent(self, count: int) -> None:
        if count != self._sent:
            self._sent = count
            self._tell()


class Clock(Protocol):
    """Time and waiting. ``watch`` adds a file descriptor that may interrupt ``wait``."""

    def now(self) -> int:
        """The present time in microseconds."""

    def watch(self, fd: int) -> None:
        """Lets input on ``fd`` end a wait."""

    def unwatch(self, fd: int) -> None:
        """Stops watching ``fd``."""

    def tally(self, channel: str) -> Tally:
        """The counts of ``channel``, to be raised by whoever sends or receives on it."""

    def drop(self, channel: str) -> None:
        """Forgets a channel that was closed."""

    def wait(self, until_us: int | None) -> list[int]:
        """Sleeps until ``until_us`` (None: for ever) or until watched input; gives the descriptors that have some."""

    def close(self) -> None:
        """Lets go of the clock."""


class _PollingClock:
    """What the clocks share: the watched descriptors, and counts that nobody compares."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._tallies: dict[str, Tally] = {}

    def watch(self, fd: int) -> None:
        self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        self._poll.unregister(fd)

    def tally(self, channel: str) -> Tally:
        return self._tallies.setdefault(channel, Tally())

    def drop(self, channel: str) -> None:
        self._tallies.pop(channel, None)

    def close(self) -> None:
        """Nothing to let go of."""


class WallClock(_PollingClock):
    """Monotonic wall time."""

    def now(self) -> int:
        return time.monotonic_ns() // 1000

    def wait(self, until_us: int | None) -> list[int]:
        timeout = None if until_us is None else max(0, -(-(until_us - self.now()) // 1000))
        return [fd for fd, _ in self._poll.poll(timeout)]


class DaemonClock(_PollingClock):
    """The daemon's tick, unwrapped. Read anew after each wait; between two readings monotonic time fills in.

    ``read_tick`` asks the daemon (32 bits). A wait must not last longer than half a wrap (35 minutes).
    """

    def __init__(self, read_tick: Callable[[], int]) -> None:
        super().__init__()
        self._read_tick = read_tick
        self._unwrapped = read_tick()
        self._wall_ns = time.monotonic_ns()

    def now(self) -> int:
        return self._unwrapped + (time.monotonic_ns() - self._wall_ns) // 1000

    def refresh(self) -> int:
        """Asks the daemon for its tick. Raises what ``read_tick`` raises."""
        step = (self._read_tick() - self._unwrapped) % TICK_WRAP
        if step >= TICK_WRAP // 2:
            raise LinkError("the daemon's tick went backward", code="tick_backward")
        self._unwrapped += step
        self._wall_ns = time.monotonic_ns()
        return self._unwrapped

    def wait(self, until_us: int | None) -> list[int]:
        timeout = None if until_us is None else max(0, -(-(until_us - self.now()) // 1000))
        ready = [fd for fd, _ in self._poll.poll(timeout)]
        self.refresh()
        return ready


class VirtualClock(_PollingClock):
    """Time that the simulator owns. ``path`` is its control socket, ``name`` this participant's name.

    From joining until the first ``wait``, and between a ``wait`` that returned and the next, time stands still.
    """

    def __init__(self, path: str, name: str) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.connect(path)
        self._declared: set[str] = set()
        self._dropped: list[str] = []
        self._now = 0
        self._stale = False
        self._slow = False
        self._waits = 0
        self._fd = self._socket.fileno()
        self.watch(self._fd)
        self._own = select.poll()
        self._own.register(self._fd, select.POLLIN)
        self._send(_encode({"op": "join", "name": name, "told": True}).encode())
        answer = self._receive()
        if not answer.get("ok"):
            self._socket.close()
            raise LinkError(f"the simulator refused {name}: {answer}", code="clock_refused")
        self._now = answer["now"]

    def now(self) -> int:
        self._look()
        if self._stale:
            self._send(b'{"op":"now"}')
            while not (answer := self._receive()).get("asked"):
                pass
            self._now = answer["now"]
            self._stale = False
        return self._now

    def tally(self, channel: str) -> Tally:
        tally = self._tallies.get(channel)
        if tally is None:
            tally = self._tallies[channel] = _ToldTally(self._sent)
        return tally

    def _sent(self) -> None:
        """Where time goes on while the daemon keeps this one waiting for an answer, what it sent before must be known
        before; elsewhere the next wait is soon enough."""
        if self._slow:
            self._send(_encode({"op": "counts", "counts": self._changed()}).encode())

    def _look(self) -> None:
        """Time went on while the daemon kept this one waiting for an answer: it is told so, before the answer. And with
        what the daemon sends of itself comes the tick, so that it need not be asked for. An elastic clock that waits no
        longer says so: the tick is asked for."""
        while self._own.poll(0):
            answer = self._receive()
            if answer.get("came") == self._waits:
                self._now, self._stale = answer["now"], False
            elif "moved" in answer:
                self._now, self._slow = answer["now"], True
            elif "late" in answer:
                self._stale = True

    def drop(self, channel: str) -> None:
        super().drop(channel)
        if channel in self._declared:
            self._declared.remove(channel)
            self._dropped.append(channel)

    def wait(self, until_us: int | None) -> list[int]:
        changed = self._changed()
        self._waits += 1
        self._stale = True
        if changed or until_us is None:
            self._send(_encode({"op": "wait", "until": until_us, "counts": changed}).encode())
        else:
            self._send(b'{"op":"wait","until":%d}' % until_us)
        while True:
            ready = [fd for fd, _ in self._poll.poll()]
            granted = False
            if self._fd in ready:
                ready.remove(self._fd)
                answer = self._receive()
                # What is older than this wait (something came between) is not for it; nor is what is no grant.
                granted = len(answer) == 1 and until_us is not None and answer.get("now", -1) >= until_us
                if granted or answer.get("came") == self._waits:
                    self._now, self._stale = max(self._now, answer["now"]), False
            if granted or ready:
                return ready

    def close(self) -> None:
        self._socket.close()

    def _changed(self) -> dict[str, tuple[int, int] | None]:
        counts: dict[str, tuple[int, int] | None] = dict.fromkeys(self._dropped)
        self._dropped.clear()
        for channel, tally in self._tallies.items():
            if tally.told != tally.sent + tally.received:  # both only grow
                tally.told = tally.sent + tally.received
                self._declared.add(channel)
                counts[channel] = (tally.sent, tally.received)
        return counts

    def _send(self, message: bytes) -> None:
        try:
            self._socket.send(message)
        except OSError:
            raise LinkError("the simulator has gone", code="clock_lost") from None

    def _receive(self) -> dict[str, int]:
        try:
            data = self._socket.recv(_MOST)
        except OSError:
            data = b""
        if not data:
            raise LinkError("the simulator has gone", code="clock_lost")
        answer: dict[str, int] = json.loads(data.decode())
        return answer
