"""What comes out at the electrodes, and the rules that hold for it whatever anybody does. Pure; mA, us, uC."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Point = tuple[float, float, float]
"""Tick, mA, V (``hw/mock/current.py``)."""
DRIVEN_MA: Final = 0.2
"""Less than this is what a bleeder returns: a phase of 28 uC that a trip cut leaves 2.8 V behind 22 kohm."""
WITHIN_PULSE_US: Final = 1_100
"""Between two phases (at most 1 ms)."""
SETTLES_US: Final = 10
CHECK_MA: Final = 2.0
GRACE_US: Final = 210_000
"""After the set-point was lowered: a chunk that plays, and one that was joined to it in its last 60 ms."""
EXACT: Final = (1.02, 0.05)
"""What a current may be above the asked: of it, and in mA."""
BAND: Final = (1.12, 0.15)
"""The same while something of the output is broken on purpose: the guard's own band (10 % + 100 uA) and a step."""
WRONG_US: Final = 60_000
"""From the first pulse that is too strong to the last."""
SILENCE_US: Final = 1_000_000
CONTRACTION_MAX_US: Final = 30_000_000
TOLERANCE_US: Final = 2_000
NET_PART: Final = 0.005
NET_UC: Final = 0.02


class Broken(AssertionError):
    """A rule did not hold."""


@dataclass(frozen=True)
class Pulse:
    """One pulse as it came out. ``net`` and ``forward``: its charge, and the part of it in one direction."""

    channel: str
    start_us: float
    end_us: float
    peak_ma: float
    net_uc: float
    forward_uc: float


def pulses(channel: str, points: Sequence[Point]) -> list[Pulse]:
    """The pulses of points that follow each other; current below ``DRIVEN_MA`` is none."""
    found: list[Pulse] = []
    start = end = peak = net = forward = 0.0
    under_way = False
    before = points[0] if points else (0.0, 0.0, 0.0)
    for now in points[1:]:
        most = max(abs(before[1]), abs(now[1]))
        if under_way and before[0] - end > WITHIN_PULSE_US:
            found.append(Pulse(channel, start, end, peak, net, forward))
            under_way = False
        if most >= DRIVEN_MA and now[0] > before[0]:
            if not under_way:
                under_way, start, peak, net, forward = True, before[0], 0.0, 0.0, 0.0
            end, peak = now[0], max(peak, most)
            charge = (before[1] + now[1]) / 2 * (now[0] - before[0]) / 1000
            net, forward = net + charge, forward + max(0.0, charge)
        before = now
    if under_way:
        found.append(Pulse(channel, start, end, peak, net, forward))
    return found


@dataclass
class Span:
    """A stretch of time in which current may flow: ``kind`` is the guard's mode; ``end_us`` None while it lasts."""

    kind: str
    begin_us: int
    end_us: int | None = None
    continuous: bool = False


@dataclass
class Contraction:
    """The pulses of one channel since its last silence."""

    first_us: float
    last_us: float
    net_uc: float = 0.0
    forward_uc: float = 0.0
    largest_uc: float = 0.0
    pulse_uc: float = 0.0
    ends_us: float = 0.0
    """Of the last pulse, of which a look may have seen the begin alone: its charge in one direction, and its end."""
    free: bool = False
    """A continuous phase: no rule of length or rest."""
    broken: bool = False
    """Something was broken, or stopped, in it."""
    crooked: bool = False
    """What was broken changes amplitudes or charges, be it mended by now."""


@dataclass
class Rules:
    """Told what the guard said and what was done to it; ``judge`` holds the current against that. Raises Broken."""

    spans: list[Span] = field(default_factory=list)
    limits: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: {"A": [(0, 0.0)], "B": [(0, 0.0)]})
    """Set-point in mA, from a tick on."""
    crooked: bool = False
    """Something is broken that changes amplitudes or charges."""
    wrong_since_us: float | None = None
    contractions: dict[str, Contraction] = field(default_factory=dict)
    pulses: int = 0
    judged_contractions: int = 0
    strongest_ma: float = 0.0

    # --- what is told ---------------------------------------------------------------------------------------------

    def begins(self, kind: str, at_us: int, *, continuous: bool = False) -> None:
        """The guard says that output is on."""
        self.wrong_since_us = None
        self.spans.append(Span(kind, at_us, continuous=continuous))

    def ends_by(self, at_us: int) -> None:
        """From then on there must be no current, until output begins again."""
        if self.spans:
            last = self.spans[-1]
            last.end_us = at_us if last.end_us is None else min(last.end_us, at_us)

    @property
    def on(self) -> bool:
        """Whether current may flow for as long as nothing else happens."""
        return bool(self.spans) and self.spans[-1].end_us is None

    def set_point(self, to_ma: Mapping[str, float], at_us: int) -> None:
        """The set-point may be at this from ``at_us`` on."""
        for channel, value in to_ma.items():
            self.limits[channel].append((at_us, value))

    def disturbed(self) -> None:
        """Contractions under way are not whole: a stop or a fault came into them."""
        for one in self.contractions.values():
            one.broken = True

    # --- judgement ------------------------------------------------------------------------------------------------

    def judge(self, found: Iterable[Pulse], now_us: int) -> None:
        """Every pulse of the time up to ``now_us``, in any order of channels, in order of time on each."""
        for pulse in found:
            self.pulses += 1
            self._judge(pulse)
        for channel, one in list(self.contractions.items()):
            if now_us - one.last_us > SILENCE_US and one.forward_uc:
                self._over(channel, one)
        self.spans = [one for one in self.spans if one.end_us is None or one.end_us > now_us - SILENCE_US]
        for channel, steps in self.limits.items():
            keep = max(0, bisect_right(steps, (now_us - 2 * GRACE_US, float("inf"))) - 1)
            self.limits[channel] = steps[keep:]

    def _judge(self, pulse: Pulse) -> None:
        inside = [
            one
            for one in self.spans
            if one.begin_us <= pulse.start_us and (one.end_us is None or pulse.end_us <= one.end_us + SETTLES_US)
        ]
        if not inside:
            raise Broken(f"{pulse}: no current may flow then ({self.spans})")
        span = inside[-1]
        limit = CHECK_MA if span.kind == "electrode_check" else self._limit(pulse)
        factor, extra = BAND if self.crooked else EXACT
        if pulse.peak_ma > limit * factor + extra:
            self._too_strong(pulse, span, limit)
        self.strongest_ma = max(self.strongest_ma, pulse.peak_ma)
        if span.kind != "electrode_check":
            self._contraction(pulse, span)

    def _limit(self, pulse: Pulse) -> float:
        steps = self.limits[pulse.channel]
        first = max(0, bisect_right(steps, (int(pulse.start_us) - GRACE_US, float("inf"))) - 1)
        return max(value for at, value in steps[first:] if at <= pulse.start_us or at == steps[first][0])

    def _too_strong(self, pulse: Pulse, span: Span, limit: float) -> None:
        if not self.crooked:
            raise Broken(f"{pulse}: above {limit} mA in {span}")
        self.wrong_since_us = pulse.start_us if self.wrong_since_us is None else self.wrong_since_us
        if pulse.start_us - self.wrong_since_us > WRONG_US:
            raise Broken(f"{pulse}: above {limit} mA since {self.wrong_since_us} in {span}")

    def _contraction(self, pulse: Pulse, span: Span) -> None:
        one = self.contractions.get(pulse.channel)
        if one is None or (pulse.start_us - one.last_us > SILENCE_US and not self._goes_on(one, pulse)):
            if one is not None:
                rest = pulse.start_us - one.last_us
                if not one.free and rest < one.last_us - one.first_us - TOLERANCE_US:
                    raise Broken(f"{pulse}: {rest} us after a contraction of {one.last_us - one.first_us} us")
                self._over(pulse.channel, one)
            one = self.contractions[pulse.channel] = Contraction(pulse.start_us, pulse.start_us)
        goes_on = pulse.start_us - one.ends_us <= WITHIN_PULSE_US
        one.pulse_uc = pulse.forward_uc + (one.pulse_uc if goes_on else 0.0)
        one.last_us = one.last_us if goes_on else pulse.start_us
        one.ends_us = pulse.end_us
        one.free = one.free or span.continuous
        one.crooked = one.crooked or self.crooked
        one.net_uc += pulse.net_uc
        one.forward_uc += pulse.forward_uc
        one.largest_uc = max(one.largest_uc, one.pulse_uc)
        if not one.free and one.last_us - one.first_us > CONTRACTION_MAX_US:
            raise Broken(f"{pulse}: a contraction since {one.first_us}")

    def _goes_on(self, one: Contraction, pulse: Pulse) -> bool:
        """Whether a silence is no rest, and not long enough for one: somebody had lowered to nothing in the midst of a
        contraction, and raised again."""
        if one.free or any(one.last_us < span.begin_us <= pulse.start_us for span in self.spans):
            return False
        steps = self.limits[pulse.channel]
        ends = [at for at, _ in steps[1:]] + [pulse.start_us]
        zero = any(value == 0 and end > one.last_us for (_, value), end in zip(steps, ends, strict=True))
        return zero and pulse.start_us - one.last_us < one.last_us - one.first_us - TOLERANCE_US

    def _over(self, channel: str, one: Contraction) -> None:
        """A contraction is over: nothing but an alternating current came out. One cut pulse may be missing a phase."""
        most = one.forward_uc * NET_PART + NET_UC + (one.largest_uc if one.broken else 0.0)
        if abs(one.net_uc) > most and not one.crooked and not (one.broken and one.largest_uc == 0):
            raise Broken(f"{channel}: {one} leaves {one.net_uc} uC behind")
        self.judged_contractions += 1
        one.net_uc = one.forward_uc = one.largest_uc = 0.0
