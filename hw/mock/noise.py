"""Noise filters: a filtered line stays as it was last shown until it changes after a quiet time; then all its changes
are shown for a while, and after that it is shown again as it was before.

The daemon decides sample by sample; between changes only the end of that while matters, so that is what is kept.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class _Filter:
    """``since``: when the line last changed unseen, or was last shown; ``until``: the end of the time it is shown."""

    steady_us: int = 0
    active_us: int = 0
    reported: int = 0
    seen: int = 0
    active: bool = False
    since: int = 0
    until: int = 0


class NoiseFilters:
    """The filters of all lines. Levels are words of GPIO 0-31, ticks those of samples."""

    def __init__(self, sample_us: int) -> None:
        self.sample_us = sample_us
        self._filters: dict[int, _Filter] = {}
        self._kept: dict[int, _Filter] = {}
        self._level = 0

    def put(self, gpio: int, steady_us: int, active_us: int, tick: int, level: int) -> None:
        """Filters a line from now on; a steady time of 0 ends it. What a line was last shown as is never forgotten."""
        self._level = level
        line = self._kept.setdefault(gpio, _Filter())
        line.steady_us, line.active_us = steady_us, active_us
        line.active, line.since, line.until = False, tick, tick
        if steady_us:
            self._filters[gpio] = line
        else:
            self._filters.pop(gpio, None)

    def shown(self, level: int) -> int:
        """A word of levels with the filtered lines as they are reported."""
        for gpio, line in self._filters.items():
            if not line.active:
                level = level & ~(1 << gpio) | line.reported << gpio
        return level

    def take(self, tick: int, level: int) -> list[tuple[int, int]]:
        """The lines change. Returns what there is to report: ticks and levels."""
        if not self._filters:
            self._level = level
            return [(tick, level)]
        found = self.ripen(tick)
        for gpio, line in self._filters.items():
            bit = level >> gpio & 1
            if not line.active and bit != line.seen:
                quiet = tick - line.since
                line.since = tick
                if quiet >= line.steady_us:
                    line.reported, line.active, line.until = line.seen, True, tick + line.active_us
            line.seen = bit
        self._level = level
        return [*found, (tick, self.shown(level))]

    def ripen(self, tick: int) -> list[tuple[int, int]]:
        """What there is to report up to a tick without any further change: lines whose time to be shown is over."""
        found: list[tuple[int, int]] = []
        if not self._filters:
            return found
        for line in sorted(self._filters.values(), key=self._ends_at):
            end = self._ends_at(line)
            if line.active and end <= tick:
                line.active, line.since = False, end
                found.append((end, self.shown(self._level)))
        return found

    @property
    def next_tick(self) -> int | None:
        """When the next line ends to be shown."""
        if not self._filters:
            return None
        return min((self._ends_at(line) for line in self._filters.values() if line.active), default=None)

    def _ends_at(self, line: _Filter) -> int:
        return -(-line.until // self.sample_us) * self.sample_us
