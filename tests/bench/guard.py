"""The guard on which ends of output are tried: it takes down when the machine let it wait, and can be wedged.

A line of ``LATE`` in its runtime folder for each check that came late: the time, and by how much (us). On SIGUSR1 its
loop waits for an answer on its main connection that never comes, as long as a call may take. Electrode checks may
follow each other at once. All else is the guard's own. Run like ``python -m safety``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any, Final

from safety import __main__ as program
from safety import limits
from safety.guard import Guard

LATE: Final = "late.txt"
NOTED_US: Final = 2_000


class Noting(Guard):
    def __init__(self, *given: Any) -> None:
        self._late = (given[3] / LATE).open("a", encoding="ascii", buffering=1)
        self._wedge = False
        super().__init__(*given)

    def run(self) -> None:
        def wedge(number: int, frame: FrameType | None) -> None:
            sender: Any = self._stop.sender  # the connection that a stop breaks
            self._wedge = sender._pi.sl.l.locked()  # its answer is another's: once that is there
            if not self._wedge:
                self._hang()

        signal.signal(signal.SIGUSR1, wedge)
        super().run()

    def _hang(self) -> None:
        sender: Any = self._stop.sender
        self._wedge = False
        with contextlib.suppress(OSError):
            sender._pi.sl.s.recv(1)

    def _wake_us(self) -> int:
        if self._wedge:
            self._hang()
        return super()._wake_us()

    def check(self, now: int, *given: Any, **named: Any) -> bool:
        if now - self._next_check > NOTED_US:
            self._late.write(f"{now} {now - self._next_check}\n")
        return super().check(now, *given, **named)


if __name__ == "__main__":
    program.Guard = Noting  # type: ignore[misc]
    limits.CHECKS_APART_US = 0  # type: ignore[misc]
    code = program.main()
    sys.stdout.flush()
    os._exit(code)
