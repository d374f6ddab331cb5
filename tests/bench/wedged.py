"""A guard whose main connection can be wedged: on SIGUSR1 its loop waits for an answer on it that never comes, as long
as a call may take. All else is the guard's own. Run like ``python -m safety``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import Any

from safety import __main__ as program
from safety.guard import Guard


class Wedged(Guard):
    def run(self) -> None:
        def wedge(number: int, frame: FrameType | None) -> None:
            sender: Any = self._stop.sender  # the connection that a stop breaks
            with contextlib.suppress(OSError):
                sender._pi.sl.s.recv(1)

        signal.signal(signal.SIGUSR1, wedge)
        super().run()


if __name__ == "__main__":
    program.Guard = Wedged  # type: ignore[misc]
    code = program.main()
    sys.stdout.flush()
    os._exit(code)
