"""The stop thread: its own datagram socket, its own daemon connection, no lock, no file.

Stop first, explain later. On any datagram: raise the count, break the main sender's connection (a send that hangs there
must not come through afterwards), make the lines safe, again after 5 and 20 ms, read back, then tell. Each step runs
even if the one before it failed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hw.clock import Clock
from hw.pulses import PulseOutput, StopLines
from safety.link import STOP_COUNTED, STOP_SOCKET, encode

AGAIN_US: Final = (5_000, 20_000)
"""The lines are made safe again this long after a stop: a send that was already under way may land in between."""
WAKE_CHANNEL: Final = "guard:wake"


class StopThread(threading.Thread):
    """Waits for stops and carries them out.

    Read by the guard: ``asked`` counts the stops asked for, ``done`` how many of them are carried through, and then
    ``confirmed`` says whether the daemon read back low lines. ``wake`` becomes readable when any of these changed.
    ``sender`` is the connection to break. ``make_clock`` is called inside the thread (clocks are not shared).
    """

    def __init__(self, folder: Path, lines: StopLines, make_clock: Callable[[], Clock]) -> None:
        super().__init__(name="stop", daemon=True)
        self._lines = lines
        self._make_clock = make_clock
        self._address = str(folder / STOP_SOCKET)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._address)
        self.wake, self._waker = os.pipe()
        self.sender: PulseOutput | None = None
        self.asked = 0
        self.done = 0
        self.confirmed = False
        self.ready = threading.Event()

    def run(self) -> None:
        """Never ends by itself: a guard without its stop thread must not go on, and KEEPALIVE ends with it."""
        try:
            self._serve()
        finally:
            os._exit(3)

    def _serve(self) -> None:
        clock = self._make_clock()
        stops, self._wakes = clock.tally(f"dgram:{self._address}"), clock.tally(WAKE_CHANNEL)
        clock.watch(self._socket.fileno())
        self.ready.set()
        askers: list[str] = []
        again: list[int] = []
        began = 0
        while True:
            if self._socket.fileno() in clock.wait(again[0] if again else None):
                data, asker = self._socket.recvfrom(64)
                self.asked += 1
                if self.sender is not None:
                    self.sender.shut()
                self._lines.stop()
                self._tell()
                stops.received += data == STOP_COUNTED
                if asker:
                    askers.append(asker)
                began = clock.now()
                again = [began + wait for wait in AGAIN_US]
            elif again and clock.now() >= again[0]:
                again.pop(0)
                self._lines.stop()
                if not again:
                    self.confirmed = self._lines.confirmed()
                    self.done = self.asked
                    self._tell()
                    self._answer(askers, clock.now() - began)
                    askers.clear()

    def _tell(self) -> None:
        os.write(self._waker, b"s")
        self._wakes.sent += 1

    def _answer(self, askers: list[str], elapsed_us: int) -> None:
        answer = encode({"type": "stopped", "confirmed": self.confirmed, "elapsed_us": elapsed_us})
        for asker in askers:
            with contextlib.suppress(OSError):
                self._socket.sendto(answer, asker)
