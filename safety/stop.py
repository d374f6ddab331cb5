"""The stop thread: its own datagram socket, its own daemon connection, no lock, no file.

Stop first, explain later. On any datagram: raise the count, break the main sender's connection (a send that hangs there
must not come through afterwards), make the lines safe, again after 5 and 20 ms, each time read back, then tell. Each
step runs even if the one before it failed. Nothing here waits for whoever asked, or for the loop.

When the daemon's answers failed to come, nothing it says later on this connection is believed: the stop is told as not
confirmed, and the process ends, and KEEPALIVE with it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from hw.clock import Clock
from hw.pulses import PulseEngine, StopLines
from safety.link import STOP_COUNTED, STOP_SOCKET, encode

AGAIN_US: Final = (5_000, 20_000)
"""The lines are made safe again this long after a stop: a send that was already under way may land in between."""
LAST_WORDS_US: Final = 200_000
"""After a stop that was not confirmed because the daemon is lost, the loop has this long to tell it."""
WAKE_CHANNEL: Final = "guard:wake"


class StopThread(threading.Thread):
    """Waits for stops and carries them out.

    Read by the guard: ``asked`` counts the stops asked for, ``done`` how many of them are carried through, and then
    ``confirmed`` says whether the daemon read back low lines, and ``lost`` whether it did not answer as it must.
    ``wake`` becomes readable when any of these changed. ``sender`` is the connection to break. ``make_clock`` is called
    inside the thread (clocks are not shared).
    """

    def __init__(self, folder: Path, lines: StopLines, make_clock: Callable[[], Clock]) -> None:
        super().__init__(name="stop", daemon=True)
        self._lines = lines
        self._make_clock = make_clock
        self._address = str(folder / STOP_SOCKET)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._address)
        self.wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.sender: PulseEngine | None = None
        self.asked = 0
        self.done = 0
        self.confirmed = False
        self.lost = False
        self.ready = threading.Event()

    def breaks(self, sender: PulseEngine) -> None:
        """From now on a stop breaks this connection."""
        self.sender = sender

    def run(self) -> None:
        """Ends only with the process: a guard without its stop thread must not go on."""
        try:
            self._serve()
        finally:
            os._exit(3)

    def _serve(self) -> None:
        clock = self._make_clock()
        stops, self._wakes = clock.tally(f"dgram:{self._address}"), clock.tally(WAKE_CHANNEL)
        clock.watch(self._socket.fileno())
        self.ready.set()
        askers: dict[str, None] = {}
        again: list[int] = []
        began = 0
        while not self.lost:
            if self._socket.fileno() in clock.wait(again[0] if again else None):
                data, asker = self._socket.recvfrom(64)
                self.asked += 1
                if self.sender is not None:
                    self.sender.shut()
                self._lines.stop()
                self._tell()
                stops.received += data == STOP_COUNTED
                if asker:
                    askers[asker] = None
                if not again:  # a flood of stops is carried out one by one, and answered together
                    began = clock.now()
                    again = [began + wait for wait in AGAIN_US]
            elif again and clock.now() >= again[0]:
                again.pop(0)
                confirmed = self._lines.stop()
                if not again:
                    self.confirmed, self.lost = confirmed, self._lines.broken
                    self.done = self.asked
                    self._tell()
                    self._answer(askers, clock.now() - began)
                    askers.clear()
        last = clock.now() + LAST_WORDS_US
        clock.unwatch(self._socket.fileno())
        while clock.now() < last:
            clock.wait(last)

    def _tell(self) -> None:
        """Wakes the loop. A pipe that is full has woken it already."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"s")
            self._wakes.sent += 1

    def _answer(self, askers: Iterable[str], elapsed_us: int) -> None:
        answer = encode({"type": "stopped", "confirmed": self.confirmed, "elapsed_us": elapsed_us})
        for asker in askers:
            with contextlib.suppress(OSError):
                self._socket.sendto(answer, socket.MSG_DONTWAIT, asker)
