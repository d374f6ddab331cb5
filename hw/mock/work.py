"""Commands that take time. Each is a generator: it yields the tick at which it goes on, and ends with its result.

A connection keeps its answer, and all later requests, until then; a script stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol

Result = int | bytes
Work = Generator[int, None, Result]


class Time(Protocol):
    """The present tick (unwrapped us), whether it follows the wall, and things to happen later."""

    now: int
    follows_wall: bool

    def schedule(self, tick: int, action: Callable[[], None]) -> None:
        """Has something happen at a tick, or at once if that is past."""

    def soon(self, us: int) -> int:
        """A tick so far ahead; where time follows the wall, never one that the wall has passed already."""


class Client(Protocol):
    """A connection, as commands see it."""

    def send(self, data: bytes) -> None:
        """Sends bytes after whatever was sent before."""

    def report(self, data: bytes) -> None:
        """The same with what the client did not ask for."""


Handler = Callable[[Client, int, int, bytes], Result | Work]
