"""What may be played next, judged by looking back over everything that was.

All pulses of a session are kept, on the axis of played time (us); each question is answered from that list: how many
there were in the last second, how long a contraction has lasted, how long the last one was and when it ended. Every
rule that is broken is named. The set-point is kept from what was asked for, and judged by the same course.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final, NamedTuple

from tests.oracle.course import Course, read_course
from tests.oracle.shape import Pulse, read

SECOND: Final = 1_000_000
SPACING_US: Final = 6_666
CONTINUOUS_SPACING_US: Final = 50_000
CHARGE_MAX_PC: Final = 40_000_000
RMS_MAX_UA: Final = 50_000
DENSITY_MAX_UA_CM2: Final = 2_000
POWER_MAX_MW_CM2: Final = 250
LOAD_OHM: Final = 500
WINDOW_US: Final = SECOND
CONTRACTION_MAX_US: Final = 30 * SECOND
SILENCE_US: Final = SECOND
LEAD_IN_US: Final = 1_000
SESSION_MAX_US: Final = 45 * 60 * SECOND
SESSION_TAIL_US: Final = 500_000
FADE_MAX_US: Final = 500_000
RISE_US: Final = 300_000
STEP_MAX_UA: Final = 2_000
STEP_APART_US: Final = SECOND
AHEAD_MAX_US: Final = SECOND
"""docs/limits.md."""
CODES: Final = 4096
"""docs/hardware.md: current = code / 4096 x full scale."""


class Run(NamedTuple):
    """The pulses since a silence on one channel: first and last start, and which they are; "" where that is unknown."""

    first: int
    last: int
    sort: str = ""

    @property
    def length_us(self) -> int:
        """Length as a contraction."""
        return 0 if self.sort == "continuous" else self.last - self.first


class Received:
    """What one channel was given, pulse by pulse.

    ``sums``: ``code^2 x us`` summed up to each pulse; ``runs``: the run as it was with each pulse; ``whole_ua``: the
    set-point that each pulse brought in full, None where it was less.
    """

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.sums: list[int] = [0]
        self.codes: list[int] = []
        self.runs: list[Run] = []
        self.whole_ua: list[int | None] = []

    def add(self, at_us: int, pulse: Pulse, sort: str, whole_ua: int | None) -> None:
        self.sums.append(self.sums[-1] + pulse.code**2 * 2 * pulse.width_us)
        self.runs.append(Run(self.rising_since(at_us), at_us, sort))
        self.starts.append(at_us)
        self.codes.append(pulse.code)
        self.whole_ua.append(whole_ua)

    def rising_since(self, at_us: int) -> int:
        """The first start since the last silence, for a pulse at ``at_us``; itself when it comes after one."""
        goes_on = bool(self.starts) and at_us - self.starts[-1] <= SILENCE_US
        return self.runs[-1].first if goes_on else at_us

    def suppose(self, at_us: int, run: Run) -> None:
        """A contraction that is taken to have ended at ``at_us``, without knowledge of its pulses."""
        self.starts.append(at_us)
        self.sums.append(self.sums[-1])
        self.codes.append(self.codes[-1] if self.codes else 0)
        self.runs.append(run)
        self.whole_ua.append(None)

    def cut(self, count: int) -> None:
        """Forgets all but the first ``count`` pulses."""
        del self.starts[count:], self.sums[count + 1 :], self.codes[count:], self.runs[count:], self.whole_ua[count:]

    def second_before(self, at_us: int) -> int:
        """The sum over the pulses that share a window of one second with a pulse at ``at_us``, which comes last."""
        return self.sums[-1] - self.sums[bisect_right(self.starts, at_us - WINDOW_US)]

    def stopped(self, at_us: int) -> None:
        """What lies after ``at_us`` was not played. When output ended is not known: a pulse may have come until then.

        A contraction that was under way is taken to have lasted until then; if the one that was approved had not begun,
        the one before it is taken to have ended just then. Either way something else comes next, after a silence.
        """
        if not self.starts:
            return
        approved = self.runs[-1]
        kept = bisect_right(self.starts, at_us)
        end_us = self.starts[-1] if kept == len(self.starts) else at_us
        self.cut(kept)
        run = self.runs[-1] if kept else Run(end_us, end_us)
        if run.first == approved.first:
            run = run._replace(last=end_us)
        self.suppose(end_us, Run(end_us - run.length_us, end_us))


@dataclass(frozen=True)
class Wish:
    """The set-point: values in uA with their revision, and the step upward that was granted for later."""

    revision: int = 0
    values_ua: Mapping[str, int] = field(default_factory=lambda: {"A": 0, "B": 0})
    ahead: tuple[int, Mapping[str, int]] | None = None
    last_step_us: Mapping[str, int] = field(default_factory=dict)

    def arrived(self) -> Wish:
        """With the step that was ahead."""
        assert self.ahead is not None
        at_us, to_ua = self.ahead
        return Wish(
            self.revision + 1, {**self.values_ua, **to_ua}, None, {**self.last_step_us, **dict.fromkeys(to_ua, at_us)}
        )

    def at(self, start_us: int) -> Wish:
        """As it is for a chunk that begins at ``start_us``."""
        return self.arrived() if self.ahead is not None and self.ahead[0] <= start_us else self


@dataclass(frozen=True)
class Standing:
    """Where a session stands: session time of the next chunk (None before the first), and the same as played time."""

    next_us: int | None = None
    played_us: int = 0
    may_skip: bool = False
    counts: Mapping[str, int] = field(default_factory=lambda: {"A": 0, "B": 0})


class Oracle:
    """One body, one programme at a time. Nothing is refused here: every question gives the rules that would break."""

    def __init__(self, full_scale_ua: int) -> None:
        self.full_scale_ua = full_scale_ua
        self.received = {"A": Received(), "B": Received()}
        self.wish = Wish()
        self.standing = Standing()
        self.before = self.standing
        self.end_us: int | None = None
        self.caps_ua: Mapping[str, int] = {}
        self.course = Course({"A": [], "B": []}, 0, Fraction(0))
        self.squares_max = 0

    # --- what happens ---------------------------------------------------------------------------------------------

    def load(self, programme: bytes, caps_ua: Mapping[str, int]) -> None:
        self.course, self.caps_ua = read_course(programme), caps_ua
        area = self.course.area_cm2
        # uA^2: the plain ceiling, the density of current, and the density of power (mW/cm2 x cm2 / ohm = 10^9 uA^2)
        squared = min(
            Fraction(RMS_MAX_UA**2),
            (DENSITY_MAX_UA_CM2 * area) ** 2,
            POWER_MAX_MW_CM2 * area * 10**9 / LOAD_OHM,
        )
        self.squares_max = int(squared * WINDOW_US * CODES**2 / self.full_scale_ua**2)

    def unclean(self, now_us: int) -> None:
        """Nothing is known of what the body received: a contraction of 30 s is taken to have just ended."""
        for channel in self.received.values():
            channel.suppose(now_us, Run(now_us - CONTRACTION_MAX_US, now_us))

    def begin(self, now_us: int, revision: int) -> None:
        """A session starts; the guard tells the set-point's new revision, as for every later change."""
        self.wish = Wish(self._new(revision))
        self._stand(Standing(None, now_us, False, self._counts()))
        self.end_us = None

    def resume(self, now_us: int, revision: int) -> None:
        self.wish = Wish(self._new(revision))
        self._stand(replace(self.standing, played_us=now_us, may_skip=True))
        self.end_us = None

    def stop(self, now_us: int) -> None:
        """The session is over, in order or not."""
        for channel in self.received.values():
            channel.stopped(now_us)

    def withdraw(self, revision: int, *, waiting: bool) -> None:
        """A step ahead is forgotten; with ``waiting``, the chunk that was approved last will not be played."""
        if waiting:
            self._stand(self.before)
            for name, count in self.standing.counts.items():
                self.received[name].cut(count)
        self.wish = replace(self.wish, revision=self._new(revision), ahead=None)

    def step(self, to_ua: Mapping[str, int], at_us: int) -> None:
        self.wish = replace(self.wish, ahead=(at_us, dict(to_ua)))

    def lower(self, to_ua: Mapping[str, int], revision: int) -> None:
        values = {**self.wish.values_ua, **to_ua}
        self.wish = replace(self.wish, revision=self._new(revision), values_ua=values, ahead=None)

    def _new(self, revision: int) -> int:
        """A revision that no chunk can have been compiled for yet, that of a step which was still ahead included."""
        assert revision > self.wish.revision + 1, "a chunk for another set-point could pass for one of this"
        return revision

    def end(self, at_us: int) -> None:
        self.end_us = at_us

    def approve(self, start_us: int, data: bytes, now_us: int) -> None:
        """The chunk is played after the ones before it."""
        shape = read(data)
        self.wish = self.wish.at(start_us)
        played = max(self.standing.played_us, now_us)
        for pulse in shape.pulses:
            self.add(self.wish, played, start_us, pulse)
        self.before = self.standing
        self.standing = Standing(start_us + shape.length_us, played + shape.length_us, False, self._counts())

    def add(self, wish: Wish, played: int, start_us: int, pulse: Pulse) -> None:
        at_us, value = start_us + pulse.at_us, wish.values_ua[pulse.channel]
        hill = self.course.hill(pulse.channel, at_us)
        whole_ua = None
        if hill is not None:
            above, below = hill.height(at_us)
            whole = min(CODES - 1, value * CODES * above // (below * self.full_scale_ua))
            whole_ua = value if pulse.code == whole else None
        self.received[pulse.channel].add(played + pulse.at_us, pulse, self.sort(pulse.channel, at_us), whole_ua)

    def sort(self, channel: str, at_us: int) -> str:
        """Which sort of run a pulse at a session time belongs to."""
        hill = self.course.hill(channel, at_us)
        return "continuous" if hill is not None and hill.continuous else "contraction"

    def _counts(self) -> dict[str, int]:
        return {name: len(channel.starts) for name, channel in self.received.items()}

    def _stand(self, standing: Standing) -> None:
        self.standing = self.before = standing

    # --- what would break -----------------------------------------------------------------------------------------

    def chunk(self, start_us: int, revision: int, data: bytes, now_us: int) -> list[str]:
        """The rules that a chunk would break; none when it may be played."""
        broken = self._place(start_us)
        shape = read(data)
        broken += shape.faults
        if self.wish.ahead is not None and self._crossed(self.wish.ahead[0], start_us, shape.length_us):
            broken.append("step not at the start")
        wish = self.wish.at(start_us)
        if revision != wish.revision:
            broken.append("revision")
        played = max(self.standing.played_us, now_us)
        if wish is not self.wish and self.wish.ahead is not None:
            broken += self._unfelt(self.wish.ahead[1], played)
        if shape.faults:
            return broken
        counts = self._counts()
        for pulse in shape.pulses:
            broken += self.broken_amplitude(wish, start_us + pulse.at_us, pulse)
            broken += self.broken_timing(wish, played, start_us, pulse)
            self.add(wish, played, start_us, pulse)
            if self.received[pulse.channel].second_before(played + pulse.at_us) > self.squares_max:
                broken.append("r.m.s.")
        for name, count in counts.items():
            self.received[name].cut(count)
        return broken

    def _unfelt(self, to_ua: Mapping[str, int], played: int) -> list[str]:
        """A step may come only on top of a contraction that was going on, risen, at the set-point that is exceeded."""
        broken = []
        for name in to_ua:
            received = self.received[name]
            if not received.starts or received.starts[-1] < played - SILENCE_US:
                broken.append("step in a silence")
            elif received.runs[-1].first > played - RISE_US:
                broken.append("step in a rise")
            elif self.wish.values_ua[name] > (received.whole_ua[-1] or 0):
                broken.append("step over less")
        return broken

    @staticmethod
    def _crossed(at_us: int, start_us: int, length_us: int) -> bool:
        return at_us < start_us or start_us < at_us < start_us + length_us

    def _place(self, start_us: int) -> list[str]:
        broken = []
        standing = self.standing
        if standing.next_us is None:
            follows = -LEAD_IN_US <= start_us <= 0
        elif standing.may_skip:
            follows = start_us >= standing.next_us
        else:
            follows = start_us == standing.next_us
        if not follows:
            broken.append("place")
        if start_us >= min(self.course.end_us, SESSION_MAX_US + SESSION_TAIL_US):
            broken.append("session over")
        return broken

    def broken_amplitude(self, wish: Wish, at_us: int, pulse: Pulse) -> list[str]:
        broken = []
        current = pulse.code * self.full_scale_ua  # in 1/4096 uA
        hill = self.course.hill(pulse.channel, at_us)
        above, below = hill.height(at_us) if hill else (0, 1)
        if current * below > wish.values_ua[pulse.channel] * CODES * above:
            broken.append("envelope")
        if current > self.caps_ua.get(pulse.channel, 0) * CODES:
            broken.append("cap")
        if current * pulse.width_us > CHARGE_MAX_PC * CODES:
            broken.append("charge")
        if hill is None or hill.next_beat(at_us) != at_us:
            broken.append("no such pulse")
        elif (pulse.width_us, pulse.gap_us) != (hill.width_us, hill.gap_us):
            broken.append("another pulse")
        if self.end_us is not None and at_us >= self.end_us:
            if at_us >= self.end_us + FADE_MAX_US:
                broken.append("after the end")
            codes = self.received[pulse.channel].codes
            if pulse.code > (codes[-1] if codes else 0):
                broken.append("rising after the end")
        return broken

    def broken_timing(self, wish: Wish, played: int, start_us: int, pulse: Pulse) -> list[str]:
        received = self.received[pulse.channel]
        broken = []
        at_us = played + pulse.at_us
        if pulse.code > self.risen_code(wish, at_us, start_us, pulse):
            broken.append("rise")
        if not received.starts:
            return broken
        gap, run = at_us - received.starts[-1], received.runs[-1]
        sort = self.sort(pulse.channel, start_us + pulse.at_us)
        if gap < SPACING_US:
            broken.append("spacing")
        elif sort == "continuous" and gap < CONTINUOUS_SPACING_US:
            broken.append("continuous spacing")
        if gap > SILENCE_US:
            if gap < run.length_us:
                broken.append("rest")
        elif sort != run.sort:
            broken.append("joint")
        elif sort == "contraction" and at_us - run.first > CONTRACTION_MAX_US:
            broken.append("contraction")
        return broken

    def risen_code(self, wish: Wish, at_us: int, start_us: int, pulse: Pulse) -> int:
        """The largest code of a pulse at played time ``at_us`` by the rise since the last silence alone."""
        since_us = at_us - self.received[pulse.channel].rising_since(at_us)
        hill = self.course.hill(pulse.channel, start_us + pulse.at_us)
        share = hill.share if hill is not None else Fraction(0)
        risen = Fraction(min(since_us, RISE_US), RISE_US)
        return min(CODES - 1, int(wish.values_ua[pulse.channel] * share * risen * CODES / self.full_scale_ua))

    def raise_(self, to_ua: Mapping[str, int], at_us: int) -> list[str]:
        """The rules that a step upward would break."""
        broken = []
        if not to_ua or not set(to_ua) <= {"A", "B"}:
            return ["channels"]
        if self.wish.ahead is not None:
            broken.append("another ahead")
        if at_us < (self.standing.next_us or 0):
            broken.append("too late")
        if at_us > (self.standing.next_us or 0) + AHEAD_MAX_US:
            broken.append("too far")
        for channel, value in to_ua.items():
            if not 0 < value - self.wish.values_ua[channel] <= STEP_MAX_UA:
                broken.append("step")
            if value > self.caps_ua.get(channel, 0):
                broken.append("step over cap")
            hill = self.course.hill(channel, at_us)
            if hill is None or not hill.full_us <= at_us < hill.fall_us:
                broken.append("not held")
            last = self.wish.last_step_us.get(channel)
            if last is not None and at_us - last < STEP_APART_US:
                broken.append("steps apart")
        return broken

    def lower_(self, to_ua: Mapping[str, int]) -> list[str]:
        """The rules that lowering would break."""
        if not set(to_ua) <= {"A", "B"}:
            return ["channels"]
        return [] if all(0 <= value <= self.wish.values_ua[name] for name, value in to_ua.items()) else ["not lower"]

    def ends(self, at_us: int) -> list[str]:
        """The rules that an end asked for at ``at_us`` would break."""
        ahead_us = at_us - (self.standing.next_us or 0)
        return ["too early"] if ahead_us < 0 else ["too far"] if ahead_us > AHEAD_MAX_US else []
