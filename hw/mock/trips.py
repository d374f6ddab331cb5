"""The two latching trips that open both bridges: over-current comparator and phase-length one-shot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

OVER: Final = 1.1
"""Share of full scale above which the comparator trips."""
OVER_US: Final = 20
"""For so long."""
PHASE_US: Final = 1_250
"""A phase line may be high for so long, 1.15-1.4 ms on the board (docs/hardware.md)."""
REARM_US: Final = 500
"""A shorter FAULT_RESET pulse does nothing; the software gives 1 ms."""


@dataclass
class Trips:
    """``latched``: FAULT_N is low, both bridges are open. ``high_since`` and ``over_since`` are ticks."""

    latched: bool = False
    comparator_works: bool = True
    one_shot_works: bool = True
    high_since: dict[int, int] = field(default_factory=dict)
    over_since: dict[str, int] = field(default_factory=dict)
    reset_since: int | None = None

    def due(self) -> int | None:
        """When the next of them trips if nothing happens."""
        if self.latched or not (self.high_since or self.over_since):
            return None
        ticks = [tick + PHASE_US for tick in self.high_since.values()] if self.one_shot_works else []
        if self.comparator_works:
            ticks += [tick + OVER_US for tick in self.over_since.values()]
        return min(ticks, default=None)

    def phases(self, change: int, high: int, tick: int) -> None:
        """Phase lines change, and are high or not from a tick on."""
        while change:
            line = change & -change
            change ^= line
            if high & line:
                self.high_since.setdefault(line, tick)
            else:
                self.high_since.pop(line, None)

    def current(self, channel: str, over: bool, tick: int) -> None:
        """Whether a source delivers too much from a tick on."""
        if not over:
            self.over_since.pop(channel, None)
        elif channel not in self.over_since:
            self.over_since[channel] = tick

    def reset(self, level: int, tick: int) -> bool:
        """FAULT_RESET changes. Returns whether that re-arms: it does at the end of a pulse that was long enough."""
        if level:
            self.reset_since = tick
            return False
        long_enough = self.reset_since is not None and tick - self.reset_since >= REARM_US
        self.reset_since = None
        if not (long_enough and self.latched):
            return False
        self.latched = False
        self.high_since = dict.fromkeys(self.high_since, tick)
        return True
