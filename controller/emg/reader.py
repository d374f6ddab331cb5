"""The thread that reads muscle activity while somebody listens, and only while the guard's output is off.

Output can be on in other modes than these; while it is, or may be, no source is asked, whatever it is. (The board takes
the inputs away by itself: docs/hardware.md.) A block that was read while the mode changed is thrown away.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from controller.emg.stream import Step, Stream
from hw.emg import EmgError, Source

MAY_READ: Final = frozenset({"idle", "paused"})
"""Modes of the guard in which OUTPUT_ENABLE is low and nobody is about to raise it (docs/interlock.md)."""
OUTPUT_ENABLED: Final = "output_enabled"
AGAIN_S: Final = 0.1
ABSENT_S: Final = 1.0
"""How long until a source that is not there is looked for again."""


@dataclass(frozen=True)
class Reading:
    """What one block came to. ``refused``: why there is none (``output_enabled`` or a code of EmgError); then no steps.

    ``samples``: how many the source has given since it was opened; ``hum_nv``: r.m.s. of the mains.
    """

    steps: tuple[Step, ...] = ()
    samples: int = 0
    hum_nv: int = 0
    refused: str | None = None


class Reader:
    """One source, opened for the first listener and closed after the last. ``mode``: the guard's, as last told."""

    def __init__(self, open_source: Callable[[], Source], mode: Callable[[], str]) -> None:
        self._open, self._mode = open_source, mode
        self._lock = threading.Lock()
        self._listeners: list[Callable[[Reading], None]] = []
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None
        self._last: Reading | None = None

    def refusal(self) -> str | None:
        """Why nothing can be read now; None when it can. Opens the source for it, if it is not open."""
        if not self.may_read():
            return OUTPUT_ENABLED
        last = self._last
        if last is not None:
            return None if last.refused == OUTPUT_ENABLED else last.refused
        try:
            self._open().close()
        except EmgError as error:
            return error.code
        return None

    def may_read(self) -> bool:
        """Whether the guard's state allows it now."""
        return self._mode() in MAY_READ

    def listen(self, listener: Callable[[Reading], None]) -> Callable[[], None]:
        """Calls ``listener`` from the reading thread for each reading; it must not wait. Gives what ends that."""
        with self._lock:
            self._listeners = [*self._listeners, listener]
            if self._thread is None:
                self._changed.clear()
                self._thread = threading.Thread(target=self._run, name="emg", daemon=True)
                self._thread.start()

        def end() -> None:
            with self._lock, contextlib.suppress(ValueError):
                left = list(self._listeners)
                left.remove(listener)
                self._listeners = left
                self._changed.set()

        return end

    def _run(self) -> None:
        source: Source | None = None
        stream: Stream | None = None
        while self._wanted():
            reading, pause_s = Reading(refused=OUTPUT_ENABLED), AGAIN_S
            try:
                if self.may_read():
                    if source is None or stream is None:
                        source = self._open()
                        stream = Stream(source.rate_hz, source.nv_per_code)
                    block = source.read()
                    if self.may_read():
                        steps = tuple(stream.feed(block.codes))
                        reading, pause_s = Reading(steps, block.first + len(block.codes), stream.hum_nv), 0.0
            except EmgError as error:
                reading, pause_s = Reading(refused=error.code), ABSENT_S
            if reading.refused is not None and source is not None:
                source.close()
                source = stream = None
            self._last = reading
            for listener in self._listeners:
                listener(reading)
            if pause_s:
                self._changed.wait(pause_s)
                self._changed.clear()
        if source is not None:
            source.close()

    def _wanted(self) -> bool:
        with self._lock:
            if not self._listeners:
                self._thread = self._last = None
            return bool(self._listeners)
