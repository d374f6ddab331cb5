"""The dose: what each contraction brought, counted from the chunks that began to play. uA, us, pC."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from controller.outcome import View


@dataclass
class Dose:
    """One contraction (or continuous phase) on one channel. ``charge_pc``: of the first phases of all its pulses.

    ``set_point_ua`` and ``measured_ua``: the highest while it played. Times are session time.
    """

    contraction: int
    continuous: bool
    channel: str
    start_us: int
    end_us: int
    pulses: int = 0
    charge_pc: int = 0
    set_point_ua: int = 0
    measured_ua: int = 0


class Doses:
    """Adds up views as they come; a contraction is told with the first chunk that begins after its end."""

    def __init__(self, full_scale_ua: int) -> None:
        self._full_scale_ua = full_scale_ua
        self._open: dict[str, Dose] = {}
        self._ends_us: dict[str, int] = {}

    def add(self, view: View) -> list[dict[str, object]]:
        """Takes a chunk that began; gives the doses that are over."""
        for channel, known in self._open.items():
            known.measured_ua = max(known.measured_ua, view.measured_ua.get(channel, 0))
        ended = [channel for channel in self._open if self._ends_us[channel] <= view.playing.start_us]
        over = [asdict(self._open.pop(channel)) for channel in ended]
        for pulse, code in zip(view.playing.pulses, view.codes, strict=True):
            train = pulse.train
            dose = self._open.get(pulse.channel)
            if dose is None or dose.contraction != train.number:
                if dose is not None:
                    over.append(asdict(dose))
                dose = Dose(train.number, train.phase.continuous, pulse.channel, pulse.start_us, pulse.end_us)
                self._open[pulse.channel] = dose
                self._ends_us[pulse.channel] = train.active_end_us + train.shift_us(pulse.channel)
            dose.end_us = pulse.end_us
            dose.pulses += 1
            dose.charge_pc += code * pulse.width_us * self._full_scale_ua // 4096
            dose.set_point_ua = max(dose.set_point_ua, view.set_point_ua[pulse.channel])
        return over

    def rest(self) -> list[dict[str, object]]:
        """The doses under way when the session ended."""
        left, self._open = [asdict(dose) for dose in self._open.values()], {}
        return left
