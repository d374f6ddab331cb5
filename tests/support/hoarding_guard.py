"""The guard process with a fault of its own: each look at the board leaves something that refers to itself."""

from __future__ import annotations

import os
import sys
from typing import Any

from safety import __main__ as program
from safety.guard import Guard

LEFT_BYTES = 200_000
"""By each look; so much is given back to the system when it is freed."""


class Hoarding(Guard):
    def _look(self, now: int) -> Any:
        left: list[Any] = [b"x" * LEFT_BYTES]
        left.append(left)
        return super()._look(now)


if __name__ == "__main__":
    program.Guard = Hoarding  # type: ignore[misc]
    code = program.main()
    sys.stdout.flush()
    os._exit(code)
