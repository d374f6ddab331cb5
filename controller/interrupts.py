"""Ctrl-C and SIGTERM, from the first moment of a command to its last.

The first one does what the moment asks for; the second leaves at once, whatever hangs. This module imports next to
nothing, because it is in force before anything else is loaded.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # typing itself would take longer to load than all of this
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, NoReturn

PERSON = 4
"""Exit code: stopped by a person."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NOTHING_BEGAN = "stopped by a person before anything played"
_SHOW_CURSOR = "\x1b[?25h"


def leave(words: str) -> NoReturn:
    """Ends the process with the exit code of a person's stop. Nothing is tidied up: the others see that we are gone."""
    cursor = _SHOW_CURSOR if os.isatty(2) else ""
    os.write(2, f"{cursor}{words}\n".encode())
    os._exit(PERSON)


def raise_it() -> NoReturn:
    """Breaks off what is under way, which tidies up behind itself."""
    raise KeyboardInterrupt


class Interrupts:
    """What the signals do now. ``came`` counts them."""

    def __init__(self) -> None:
        self.came = 0
        self._act: Callable[[], object] | None = None
        self._words = _NOTHING_BEGAN
        self._before: dict[int, Any] = {}

    def begin(self) -> None:
        """From here on a signal leaves at once; there is nothing yet to tidy up."""
        self.came = 0
        self.does(None, _NOTHING_BEGAN)
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}

    def does(self, act: Callable[[], object] | None, words: str = _NOTHING_BEGAN) -> None:
        """The first signal calls ``act`` (None: it leaves); ``words`` are said by one that leaves."""
        self._act, self._words = act, words

    def end(self) -> None:
        """The signals do again what they did before ``begin``."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.came += 1
        if self._act is None or self.came > 1:
            leave(self._words)
        self._act()


INTERRUPTS = Interrupts()
"""Signals belong to the process, and so does this."""
