"""One output channel behind the DAC: current source, bridge, series capacitor, electrode, peak holds and average.

Nothing is stepped: between two events every voltage is an exponential or a straight line, and what was not asked for is
not computed. Units: mA, V, kohm, nF, us, nC (``load.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from hw.mock.load import OPEN, Electrode, Load, Loop

SETTLE_US: Final = 5
"""The DAC's output is within half a step of a new code (MCP4922: 4.5 us typical)."""
_SETTLE_TIME_US: Final = 0.5
BLEEDER_KOHM: Final = 22.0
"""Closes the way from the series capacitor through the electrode while no phase is on: 220 ms with 10 uF."""
AVERAGE_US: Final = 1_000_000.0
_OPEN_STEP_US: Final = 10
"""The rail of an open switch falls as the channel draws on it: followed in steps this long."""
_CROSSING_ROUNDS: Final = 30
_NOTHING_VOLT: Final = 1e-9
_COARSE: Final = (0.2, 0.4, 0.6, 0.85, 1.1, 1.4, 1.7, 2.1, 2.6, 3.2, 4.0, 5.0, 7.0)
_FINE: Final = (0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.2, 1.45, 1.7, 2.0, 2.3, 2.7, 3.1, 3.6, 4.2, 5.0, 6.0, 8.0)
"""Where exponentials are cut for the record, in time constants: those of voltage, and those that are charge as well."""
_SEEN_VOLT: Final = 1e-4

Point = tuple[float, float, float]
"""Tick, electrode current in mA, electrode voltage in V; between two points both change evenly."""


@dataclass
class Supply:
    """The switched rail as the channels see it: ``volt`` at ``tick``, falling with a time constant while open."""

    compliance: float
    headroom: float
    capacitor_nf: float
    time_constant_us: float
    closed: bool = False
    volt: float = 0.0
    tick: float = 0.0

    def at(self, tick: float) -> float:
        """The rail's voltage at a tick."""
        return self.volt if self.closed else self.volt * math.exp((self.tick - tick) / self.time_constant_us)

    def limit(self, tick: float) -> float:
        """What the sources can put across capacitor and electrode."""
        return max(0.0, min(self.compliance, self.at(tick) - self.headroom))

    def draw(self, charge_nc: float, tick: float) -> None:
        """A channel took charge from what an open switch left."""
        self.volt, self.tick = max(0.0, self.at(tick) - charge_nc / self.capacitor_nf), tick


class Channel:
    """State of one channel at ``tick``. ``step`` brings it to another; do so before changing anything."""

    def __init__(self, supply: Supply, series_nf: float, electrode: Electrode, tick: int) -> None:
        self.supply = supply
        self.series_nf = series_nf
        self.tick: float = tick
        self.polarity = 0
        self.phase_since = tick
        self.crossed = False
        self.holding = True
        self.gains = {1: 1.0, -1: 1.0, 0: 1.0}
        self.most_gain = 1.0
        self.peak_ma = 0.0
        self.peak_volt = 0.0
        self.points: list[Point] | None = None
        self._average = 0.0
        self.asked_ma = 0.0
        self._from = 0.0
        self._settles_at: float = tick
        self._tissue = 0.0
        self._series = 0.0
        self.connect(electrode)

    # What changes

    def connect(self, electrode: Electrode) -> None:
        """Puts it on another electrode, or the same one changed."""
        self.electrode = electrode
        self._use(electrode.at(int(self.tick)))

    def _use(self, load: Load) -> None:
        self.load = load
        self._forced = Loop(load.contact_kohm, load, self.series_nf)
        self._bleeding = Loop(load.contact_kohm + BLEEDER_KOHM, load, self.series_nf)
        self._until = self.electrode.lasts_until(int(self.tick))
        if not self._forced.tissue_us:
            self._tissue = 0.0

    def ask(self, ma: float) -> None:
        """The DAC's output goes to a new current."""
        self._from = self._level(self.tick)
        self.asked_ma = ma
        self._settles_at = self.tick + SETTLE_US

    def reset_peaks(self, held: bool) -> None:
        """PEAK_RESET goes high (the peaks are held empty) or low."""
        self.holding = not held
        self.peak_ma = self.peak_volt = 0.0

    # What is seen

    @property
    def average_ma(self) -> float:
        """The filtered average of the source's signed current."""
        return self._average

    def source_ma(self) -> float:
        """What the source delivers now, through the electrode or across the bridge; never negative."""
        return self._delivers(self._level(self.tick))

    def settled_ma(self) -> float:
        """The same as it would be if the DAC had settled."""
        return self._delivers(self.asked_ma)

    def _delivers(self, level: float) -> float:
        asked = level * self.gains[self.polarity]
        if self.crossed:
            return asked if self.supply.at(self.tick) > self.supply.headroom else 0.0
        if not self.polarity or self.load.contact_kohm == OPEN:
            return 0.0
        most = (self.supply.limit(self.tick) - self.polarity * (self._series + self._tissue)) / self.load.contact_kohm
        return max(0.0, min(asked, most))

    def electrode_volt(self) -> float:
        """The signed voltage across the electrode now."""
        return self._volt(self.electrode_ma())

    def _volt(self, ma: float) -> float:
        """The same with the current through it."""
        if self.load.contact_kohm == OPEN:
            driven = self.polarity and self._level(self.tick) > 0
            return self.polarity * self.supply.limit(self.tick) if driven else 0.0
        return ma * self.load.contact_kohm + self._tissue

    def electrode_ma(self) -> float:
        """The signed current through the electrode now, the bleeder's included."""
        return self._through(self.source_ma() if self.polarity else 0.0)

    def _through(self, source_ma: float) -> float:
        """The same with what the source delivers."""
        if self.polarity:
            return self.polarity * source_ma
        return 0.0 if self.crossed else self._bleeding.current(self._tissue, self._series, 0.0)

    def gain(self, polarity: int, factor: float) -> None:
        """The source is wrong by a factor while the phase of a polarity (1 or -1) is on."""
        self.gains[polarity] = factor
        self.gains[0] = self.most_gain = max(self.gains[1], self.gains[-1])

    def _level(self, tick: float) -> float:
        left = self._settles_at - tick
        if left <= 0:
            return self.asked_ma
        return self.asked_ma + (self._from - self.asked_ma) * math.exp((left - SETTLE_US) / _SETTLE_TIME_US)

    # Time

    def step(self, tick: int) -> None:
        """Goes on to a tick with everything as it is."""
        while tick > self.tick:
            stop: float = tick
            if not self.electrode.steady and (self.polarity or self.points is not None):
                if self.tick >= self._until:
                    self._use(self.electrode.at(int(self.tick)))
                stop = min(stop, self._until)
            if self.polarity or self.crossed:
                if self.tick < self._settles_at:
                    stop = min(stop, self._settles_at)
                if not self.supply.closed:
                    stop = min(stop, self.tick + _OPEN_STEP_US)
            if self.points is None:
                self._go(stop)
            else:
                self._go_recorded(stop, self.points)

    def _go(self, stop: float) -> None:
        """To a tick before which nothing but exponentials and straight lines happens."""
        us = stop - self.tick
        if not (self.polarity or self.crossed):
            if self.holding and abs(self._tissue) > self.peak_volt:
                self.peak_volt = abs(self._tissue)
            if self._tissue or self._series:
                self._tissue, self._series = self._bleeding.step(self._tissue, self._series, 0.0, us)
                if abs(self._tissue) + abs(self._series) < _NOTHING_VOLT:
                    self._tissue = self._series = 0.0
            self._average *= math.exp(-us / AVERAGE_US)
            self.tick = stop
            return
        self._hold()
        before = self._series
        if self.crossed or self.load.contact_kohm == OPEN:
            self._tissue, self._series = self._idle(us)
        else:
            self._drive(us)
        charge = (self._series - before) * self.series_nf
        mean = charge / us
        self._average = mean + (self._average - mean) * math.exp(-us / AVERAGE_US)
        self.tick = stop
        if not self.supply.closed:
            self.supply.draw(abs(charge), stop)
        self._hold()

    def _idle(self, us: float) -> tuple[float, float]:
        """Tissue and series voltage after a time in which nothing flows."""
        return self._pushed(0.0, us)

    def _drive(self, us: float) -> None:
        """A phase is on: the asked current until the voltage it needs is not there, and then what the voltage gives."""
        sign, limit = self.polarity, self.supply.limit(self.tick)
        asked = self._mean(us) * self.gains[sign]
        current = sign * asked
        room = limit - asked * self.load.contact_kohm
        tissue, series = self._pushed(current, us)
        if sign * (tissue + series) <= room and sign * (self._tissue + self._series) <= room:
            self._tissue, self._series = tissue, series
            return
        free = 0.0
        if sign * (self._tissue + self._series) < room:
            free = self._crossing(current, us, room)
            self._tissue, self._series = self._pushed(current, free)
        applied = sign * limit
        if sign * (self._series + self._tissue) < limit:
            self._tissue, self._series = self._forced.step(self._tissue, self._series, applied, us - free)
        else:  # nothing to push with: what is charged stays, but in the tissue
            self._tissue, self._series = self._idle(us - free)

    def _mean(self, us: float) -> float:
        """The mean of what is asked from now on, the DAC's settling included."""
        if self.tick >= self._settles_at:
            return self.asked_ma
        gone = self.tick - (self._settles_at - SETTLE_US)
        tail = math.exp(-gone / _SETTLE_TIME_US) - math.exp(-(gone + us) / _SETTLE_TIME_US)
        return self.asked_ma + (self._from - self.asked_ma) * _SETTLE_TIME_US / us * tail

    def _pushed(self, current: float, us: float) -> tuple[float, float]:
        """Tissue and series voltage after a constant current."""
        series = self._series + current * us / self.series_nf
        tissue_us = self._forced.tissue_us
        if not tissue_us:
            return 0.0, series
        end = current * self.load.tissue_kohm
        return end + (self._tissue - end) * math.exp(-us / tissue_us), series

    def _crossing(self, current: float, us: float, room: float) -> float:
        """How long the asked current lasts."""
        low, high = 0.0, us
        for _ in range(_CROSSING_ROUNDS):
            middle = (low + high) / 2
            if self.polarity * sum(self._pushed(current, middle)) <= room:
                low = middle
            else:
                high = middle
        return low

    def _hold(self) -> None:
        if self.holding:
            source_ma = self.source_ma()
            self.peak_ma = max(self.peak_ma, source_ma)
            self.peak_volt = max(self.peak_volt, abs(self._volt(self._through(source_ma))))

    # The record

    def record(self) -> None:
        """Keeps every point of current and voltage from now on, and none from before."""
        self.points = [self._point(self.tick)]

    def _point(self, tick: float) -> Point:
        ma = self.electrode_ma()
        return tick, ma, self._volt(ma)

    def _go_recorded(self, stop: float, points: list[Point]) -> None:
        """The same in pieces so short that straight lines do."""
        if points[-1] != (found := self._point(self.tick)):
            points.append(found)
        for tick in self._cuts(self.tick, stop):
            self._go(tick)
            found = self._point(tick)
            if len(points) > 1 and points[-1][1:] == points[-2][1:] == found[1:]:
                points[-1] = found
            else:
                points.append(found)

    def _cuts(self, start: float, stop: float) -> list[float]:
        """Ticks from after ``start`` to ``stop``, dense enough for the exponentials that matter."""
        marks = {stop}
        tissue, contact = self._forced.tissue_us, self.load.contact_kohm
        if tissue and (self.polarity or abs(self._tissue) > _SEEN_VOLT):
            marks.update(tick for share in _COARSE if (tick := start + share * tissue) < stop)
        if self.polarity and start < self._settles_at:
            marks.update(tick for share in _FINE if (tick := start + share * _SETTLE_TIME_US) < stop)
        if contact != OPEN and (self.polarity or abs(self._series) > _SEEN_VOLT):
            slow = self.series_nf * (contact + (0.0 if self.polarity else BLEEDER_KOHM))
            marks.update(tick for share in _FINE if (tick := start + share * slow) < stop)
        return sorted(marks)
