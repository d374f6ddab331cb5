"""The guard process with a fault of its own: once it has said what it does not know, every look at the board fails."""

from __future__ import annotations

import os
import sys
from typing import Any

from safety import __main__ as program
from safety.guard import Guard
from safety.interlock import Mode

LOOKS = 40
"""Of a running session, before the first that fails."""


class Failing(Guard):
    looks = 0

    def _look(self, now: int) -> Any:
        self.looks += self.state.mode is Mode.RUNNING
        if self.looks > LOOKS:
            raise ZeroDivisionError
        return super()._look(now)


if __name__ == "__main__":
    program.Guard = Failing  # type: ignore[misc]
    code = program.main()
    sys.stdout.flush()
    os._exit(code)
