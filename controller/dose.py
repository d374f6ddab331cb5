"""The dose: what each contraction was planned to bring, what was sent, and what came. uA, us, pC.

What came is the guard's word: pulses of which all four edges were notified in their places, and the highest current it
sensed. Charge is that of the first phases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from controller.outcome import View
from controller.timeline import Train

TOLD_AFTER_US: Final = 50_000
"""So long after the last pulse its edges have been notified: the guard calls one missing that is 40 ms late."""
Came = Mapping[str, Mapping[str, int]]


@dataclass
class Dose:
    """One contraction (or continuous phase) on one channel. Times are session time.

    ``planned_*``: of the whole contraction by the programme, at the set-points in force (the last one for what was
    never sent); ``sent_*``: in the chunks that began to play, so less when it faded; ``pulses`` and ``charge_pc``: what
    came.
    ``set_point_ua`` and ``measured_ua``: the highest while it played; ``sent_ua``: of the strongest pulse sent, so by
    the programme's percentage and where its ramp came to; ``load_ohm``: the last one reckoned.
    """

    contraction: int
    continuous: bool
    channel: str
    start_us: int
    end_us: int
    planned_pulses: int
    planned_charge_pc: int = 0
    sent_pulses: int = 0
    sent_charge_pc: int = 0
    pulses: int = 0
    charge_pc: int = 0
    set_point_ua: int = 0
    sent_ua: int = 0
    measured_ua: int = 0
    load_ohm: int | None = None


@dataclass
class _Open:
    """A dose that is not told yet; sums as code x us."""

    dose: Dose
    train: Train
    ends_us: int
    planned: int = 0
    sent: int = 0
    last_ua: int = 0


class Doses:
    """Adds up views as they come; a contraction is told with the first chunk that begins well after its end."""

    def __init__(self, full_scale_ua: int) -> None:
        self._full_scale_ua = full_scale_ua
        self._open: dict[str, _Open] = {}
        self._before: dict[str, Mapping[str, int]] = {}
        """What had come when a channel's last dose was told: all that comes after is of the next one."""

    def add(self, view: View) -> list[dict[str, object]]:
        """Takes a chunk that began; gives the doses that are over."""
        over = []
        for channel, known in list(self._open.items()):
            dose = known.dose
            dose.measured_ua = max(dose.measured_ua, view.measured_ua.get(channel, 0))
            dose.load_ohm = view.load_ohm.get(channel) or dose.load_ohm
            if known.ends_us + TOLD_AFTER_US <= view.playing.start_us:
                over.append(self._told(channel, view.came))
        for pulse, code in zip(view.playing.pulses, view.codes, strict=True):
            channel, train = pulse.channel, pulse.train
            if channel in self._open and self._open[channel].train.number != train.number:
                over.append(self._told(channel, view.came))
            if channel not in self._open:
                dose = Dose(train.number, train.phase.continuous, channel, pulse.start_us, 0, train.pulses)
                ends_us = train.active_end_us + train.shift_us(channel)
                self._open[channel] = _Open(dose, train, ends_us)
            known = self._open[channel]
            known.last_ua = view.set_point_ua[channel]
            known.planned += pulse.code(known.last_ua, self._full_scale_ua) * pulse.width_us
            known.sent += code * pulse.width_us
            known.dose.end_us = pulse.end_us
            known.dose.sent_pulses += 1
            known.dose.set_point_ua = max(known.dose.set_point_ua, known.last_ua)
            known.dose.sent_ua = max(known.dose.sent_ua, self._scaled(code))
        return over

    def rest(self, came: Came) -> list[dict[str, object]]:
        """The doses under way when the session ended. ``came``: as the guard told it last."""
        return [self._told(channel, came) for channel in list(self._open)]

    def _told(self, channel: str, came: Came) -> dict[str, object]:
        known = self._open.pop(channel)
        dose, train, now = known.dose, known.train, came[channel]
        left = train.codes(channel, dose.sent_pulses, known.last_ua, self._full_scale_ua)
        dose.planned_charge_pc = self._scaled(known.planned + left * train.phase.phase_width_us)
        dose.sent_charge_pc = self._scaled(known.sent)
        before = self._before.get(channel, {"pulses": 0, "code_us": 0})
        dose.pulses = now["pulses"] - before["pulses"]
        dose.charge_pc = self._scaled(now["code_us"] - before["code_us"])
        self._before[channel] = now
        return asdict(dose)

    def _scaled(self, code: int) -> int:
        """uA of a code, pC of a code x us."""
        return code * self._full_scale_ua // 4096
