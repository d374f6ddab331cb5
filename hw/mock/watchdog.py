"""Watchdogs: a line that has not changed for so long is reported, again and again, as the alert thread sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class _Watchdog:
    timeout_us: int
    since: int


class Watchdogs:
    """The watchdogs of all lines. ``look_us`` is how long the alert thread takes to see that one is due."""

    def __init__(self, look_us: int) -> None:
        self._look_us = look_us
        self._watched: dict[int, _Watchdog] = {}
        self._level = 0

    def put(self, gpio: int, timeout_us: int, now: int) -> None:
        """Watches a line from now on; 0 ends it."""
        if timeout_us:
            self._watched[gpio] = _Watchdog(timeout_us, now)
        else:
            self._watched.pop(gpio, None)

    def changed(self, tick: int, level: int, monitor: int) -> None:
        """Monitored lines changed to these levels; a line that nobody monitors is not seen to change.

        Like the daemon's, a watchdog takes its line for low until it has seen it, whatever was reported before.
        """
        if not self._watched:
            return
        seen = monitor & sum(1 << gpio for gpio in self._watched)
        change = (level ^ self._level) & seen
        self._level = self._level & ~seen | level & seen
        for gpio, watchdog in self._watched.items():
            if change >> gpio & 1:
                watchdog.since = tick

    def due(self, now: int) -> list[int]:
        """The lines to report now; the time of each begins anew."""
        found = sorted(gpio for gpio, watchdog in self._watched.items() if self._due_at(watchdog) <= now)
        for gpio in found:
            self._watched[gpio].since = now
        return found

    @property
    def next_tick(self) -> int | None:
        """When the next line is to be reported, if none changes before."""
        return min(map(self._due_at, self._watched.values())) if self._watched else None

    def _due_at(self, watchdog: _Watchdog) -> int:
        return watchdog.since + watchdog.timeout_us + self._look_us
