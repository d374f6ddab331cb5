"""The output switch between the reservoir and the bridges, with KEEPALIVE's drop-out and all that opens it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hw.mock.channel import Supply

HV_VOLT: Final = 63.0
HEADROOM_VOLT: Final = 3.0
"""What the sources need of the rail: 63 V for a compliance of 60 V."""
DROP_OUT_US: Final = 100_000
"""KEEPALIVE one-shot, 80-120 ms on the board (docs/hardware.md)."""
RAIL_NF: Final = 100.0
"""At most 0.1 uF after the switch."""
RAIL_TIME_CONSTANT_US: Final = 3_900.0
"""Under 5 V within 10 ms of opening: 63 V x exp(-10 / 3.9) = 4.85 V."""


@dataclass
class Switch:
    """Closed while enabled, kept alive, no button pressed and no charger in.

    ``welded``: it does not open. ``kept``: KEEPALIVE's one-shot does not drop out. ``hv_volt`` is the reservoir.
    """

    supply: Supply
    enable: bool = False
    kept_until: int | None = None
    stopped: bool = False
    charger: bool = False
    welded: bool = False
    kept: bool = False
    hv_volt: float = HV_VOLT

    @property
    def closed(self) -> bool:
        return self.supply.closed

    def closes(self, tick: int) -> bool:
        """Whether it ought to be closed at a tick."""
        alive = self.kept_until is not None and (self.kept or tick < self.kept_until)
        return self.welded or (self.enable and alive and not self.stopped and not self.charger)

    def update(self, tick: int) -> None:
        """Opens or closes it at a tick. The channels must have been brought there first."""
        supply = self.supply
        closed = self.closes(tick)
        if supply.closed or closed:
            supply.volt, supply.tick = self.hv_volt, tick
        supply.closed = closed

    def drops_at(self) -> int | None:
        """When it opens by itself if nothing happens."""
        return self.kept_until if self.supply.closed and not (self.welded or self.kept) else None
