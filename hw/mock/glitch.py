"""Glitch filters: a filtered line's change is reported once its level has lasted, at the sample where it has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class _Filter:
    steady_us: int
    reported: int
    seen: int
    since: int


class GlitchFilters:
    """The filters of all lines. Levels are words of GPIO 0-31, ticks those of samples."""

    def __init__(self, sample_us: int) -> None:
        self.sample_us = sample_us
        self._filters: dict[int, _Filter] = {}

    def put(self, gpio: int, steady_us: int, level: int, tick: int) -> None:
        """Filters a line from now on; 0 ends it."""
        if steady_us:
            bit = level >> gpio & 1
            self._filters[gpio] = _Filter(steady_us, bit, bit, tick)
        else:
            self._filters.pop(gpio, None)

    def shown(self, level: int) -> int:
        """A word of levels with the filtered lines as they are reported."""
        for gpio, line in self._filters.items():
            level = level & ~(1 << gpio) | line.reported << gpio
        return level

    def take(self, tick: int, level: int) -> list[tuple[int, int]]:
        """The lines change. Returns what there is to report: ticks and levels."""
        if not self._filters:
            return [(tick, level)]
        for gpio, line in self._filters.items():
            bit = level >> gpio & 1
            if bit != line.seen:
                line.seen, line.since = bit, tick
        return [(tick, self.shown(level))]

    def ripen(self, tick: int, level: int) -> list[tuple[int, int]]:
        """What there is to report up to a tick without any further change: levels that have lasted."""
        found: list[tuple[int, int]] = []
        if not self._filters:
            return found
        for line in sorted(self._filters.values(), key=self._ripe_at):
            ripe = self._ripe_at(line)
            if line.reported != line.seen and ripe <= tick:
                line.reported = line.seen
                found.append((ripe, self.shown(level)))
        return found

    @property
    def next_tick(self) -> int | None:
        """When the next level will have lasted."""
        if not self._filters:
            return None
        return min((self._ripe_at(line) for line in self._filters.values() if line.reported != line.seen), default=None)

    def _ripe_at(self, line: _Filter) -> int:
        return -(-(line.since + line.steady_us) // self.sample_us) * self.sample_us
