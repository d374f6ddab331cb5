"""Made-up sessions, played to gate and oracle at once.

The product's timeline and encoder lead; at each step a few other chunks are proposed from the same state: spoiled ones,
and ones that lie exactly at a bound, or one unit beyond it, as the oracle sees the bound. A chunk that both approve may
be what is played, so that sessions also go on from where the product would never have brought them.
"""

from __future__ import annotations

import random
import struct
from collections import deque
from collections.abc import Callable, Iterator
from itertools import accumulate, count

from controller.timeline import Slice, Timeline
from controller.waveform import Amplitude
from tests.oracle.compare import Pair, Report
from tests.oracle.making import (
    FLAWS,
    Mark,
    by_hand,
    encode,
    fits,
    long_programme,
    marks,
    pieces,
    programme,
    strong_programme,
)
from tests.oracle.shape import ENTRIES_MAX, SEVEN, Pulse

AHEAD = 4
SECOND = 1_000_000
Entry = tuple[int, int, int]


def play(seed: int, chunks: int, report: Report | None = None) -> Report:
    """Plays sessions until ``chunks`` chunks were judged. The same seed gives the same chunks."""
    report = report or Report()
    rng = random.Random(seed)
    goal = report.chunks + chunks
    for number in count():
        if report.chunks >= goal:
            break
        Body(rng, report, goal, strong=number % 25 == 3, long=number % 12 == 5).live()
    return report


class Body:
    """One person's few sessions: made up, or with the set-point rising to the top, or with the longest contraction."""

    def __init__(self, rng: random.Random, report: Report, goal: int, *, strong: bool, long: bool) -> None:
        self.rng, self.report, self.goal = rng, report, goal
        self.strong, self.long = strong, long
        self.full_scale_ua = 100_000 if self.strong else rng.choice((25_000, 50_000, 100_000))
        self.now = rng.choice((0, 10**9))
        self.clean = rng.random() < 0.8
        self.pair = Pair(self.full_scale_ua, self.now, report, clean=self.clean)
        self.oracle = self.pair.oracle

    # --- sessions -------------------------------------------------------------------------------------------------

    def live(self) -> None:
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            self.session()
            if self.report.chunks >= self.goal:
                return

    def session(self) -> None:
        rng, pair = self.rng, self.pair
        made = strong_programme() if self.strong else long_programme(rng) if self.long else programme(rng)
        self.timeline = Timeline(made)
        full = self.full_scale_ua
        caps = {name: rng.choice((full, full, rng.randint(0, full), rng.randint(0, 8_000))) for name in "AB"}
        if self.strong:
            caps = {"A": full, "B": 0}
        pair.load(made.text, caps)
        self.caps = caps
        self.wanted = {
            name: rng.choice((caps[name], rng.randint(self.strong * caps[name], caps[name]))) for name in "AB"
        }
        self.calm = 100 if self.strong or self.long else rng.choice((1, 1, 20))
        self.others: tuple[int, ...] = rng.choice(((0, 1, 1, 2, 2, 4), (0, 1, 2, 4, 4, 5), (0, 0, 0, 0, 0, 1)))
        if rng.random() < 0.9:
            self.now += max(0, pair.session.rest_us(self.now)) + rng.choice((0, 0, 1, rng.randint(0, 3 * SECOND)))
        pair.begin(self.now)
        self.report.sessions += 1
        self.codes: dict[str, int] = {}
        self.fade_us: int | None = None
        self.last: tuple[int, int, bytes] | None = None
        lead = rng.choice((100, 100, 1_000, rng.randint(90, 1_000)))
        self._from(-lead)
        most = rng.choice((1_000,) if self.strong or self.long else (100, 400, 1_500, 3_000))
        budget = min(self.goal, self.report.chunks + most)
        while self.report.chunks < budget and self.step():
            pass
        played = self.oracle.standing.played_us
        self.now = max(self.now, played - rng.choice((0, 0, rng.randint(0, 200_000))))
        pair.stop(self.now)

    def _from(self, begin_us: int) -> None:
        """The timeline goes on from a session time."""
        self.source: Iterator[Slice] = pieces(self.rng, self.timeline, begin_us, self.rng.choice((0, 0.3)))
        self.ahead: deque[Slice] = deque()

    def step(self) -> bool:
        """One piece of the timeline; False when the session is over."""
        rng = self.rng
        while len(self.ahead) < AHEAD and (piece := next(self.source, None)) is not None:
            self.ahead.append(piece)
        if not self.ahead:
            if self.fade_us is None and rng.random() < 0.5:
                self._beyond()
            return False
        piece = self.ahead[0]
        self._time(piece)
        if rng.random() < 0.5:
            self._ask(piece)
            if not self.ahead:  # what waited was taken back
                return True
        planned = self._planned(piece)
        revision = self.oracle.wish.at(piece.start_us).revision
        if rng.random() < 0.15:
            raw = marks(piece.pulses, self._amplitude().codes(piece.pulses, dict(self.codes)))
            self._propose("the timeline's", piece.start_us, revision, encode(piece.start_us, piece.end_us, raw))
        for _ in range(3 if self._rare(piece) else 0):
            if self._at_a_bound(piece, planned, revision):
                return True
        if self.strong:
            self.others = (1, 2, 4) if self.oracle.wish.values_ua["A"] > 48_000 else (0, 0, 0, 1)
        elif self.long:
            self.others = (0, 0, 0, 1)
        for _ in range(rng.choice(self.others)):
            if self._other(piece, planned, revision):
                return True  # that is what was played: the timeline goes on behind it
        data = encode(piece.start_us, piece.end_us, planned)
        if self._propose("what fits", piece.start_us, revision, data, play=True):
            self.ahead.popleft()
            for mark in planned:
                self.codes[mark.channel] = mark.code
            self._turn(piece)
            return True
        return self._recover(piece)

    def _time(self, piece: Slice) -> None:
        """The present: most often before the chunk is due, now and then after it."""
        rng, due = self.rng, self.oracle.standing.played_us
        wait = rng.choice((-60_000, -60_000, -1, 0))
        if rng.random() * self.calm < 0.01:
            wait = rng.choice((1, 999_999, rng.randint(1, 40 * SECOND)))
        self.now = max(self.now, due + wait)

    def _amplitude(self) -> Amplitude:
        return Amplitude(dict(self.oracle.wish.at(self.ahead[0].start_us).values_ua), self.full_scale_ua, self.fade_us)

    def _planned(self, piece: Slice) -> list[Mark]:
        """The timeline's pulses as far as the oracle lets them through, with no more than the codes it allows."""
        codes = self._amplitude().codes(piece.pulses, dict(self.codes))
        planned, _ = self._fitting(piece.start_us, marks(piece.pulses, codes))
        return planned

    def _fitting(self, start_us: int, wanted: list[Mark], *, most: bool = False) -> tuple[list[Mark], list[bool]]:
        """The pulses of ``wanted`` that may come, with codes that they may have: up to what is wanted, or the ``most``.

        Also whether each has the largest code that it may have.
        """
        oracle, full = self.oracle, self.full_scale_ua
        wish = oracle.wish.at(start_us)
        played = max(oracle.standing.played_us, self.now)
        counts = {name: len(received.starts) for name, received in oracle.received.items()}
        fitting, topmost = [], []
        for mark in wanted:
            at_us, received = mark.start_us - start_us, oracle.received[mark.channel]
            pulse = Pulse(at_us, mark.channel, mark.width_us, mark.gap_us, 0)
            timing = oracle.broken_timing(wish, played, start_us, pulse)
            if timing or oracle.broken_amplitude(wish, mark.start_us, pulse):
                continue
            hill = oracle.course.hill(mark.channel, mark.start_us)
            above, below = hill.height(mark.start_us) if hill else (0, 1)
            room = oracle.squares_max - received.second_before(played + at_us)
            bounds = [
                4095,
                wish.values_ua[mark.channel] * 4096 * above // (below * full),
                oracle.caps_ua[mark.channel] * 4096 // full,
                40_000_000 * 4096 // (full * mark.width_us),
                oracle.risen_code(wish, played + at_us, start_us, pulse),
                int((room // (2 * mark.width_us)) ** 0.5),
            ]
            while bounds[-1] ** 2 * 2 * mark.width_us > room:
                bounds[-1] -= 1
            if oracle.end_us is not None and mark.start_us >= oracle.end_us:
                bounds.append(received.codes[-1] if received.codes else 0)
            largest = min(bounds)
            code = largest if most else min(mark.code, largest)
            fitting.append(mark._replace(code=code))
            topmost.append(code == largest < 4095)
            oracle.add(wish, played, start_us, pulse._replace(code=code))
        for name, known in counts.items():
            oracle.received[name].cut(known)
        return fitting, topmost

    # --- what is asked of both ------------------------------------------------------------------------------------

    def _propose(
        self, how: str, start_us: int, revision: int, data: bytes, now: int | None = None, *, play: bool = False
    ) -> bool:
        now = self.now if now is None else now
        approval = self.pair.verdict(how, start_us, revision, data, now)
        if approval is None or not play:
            return False
        self.now = now
        self.last = (start_us, revision, data)
        self.pair.play(approval, start_us, data, now)
        return True

    def _ask(self, piece: Slice) -> None:
        """A request about the set-point, at its bounds or beyond them."""
        rng, oracle, pair = self.rng, self.oracle, self.pair
        values = oracle.wish.values_ua
        chance = rng.random()
        if chance < 0.05:
            name = rng.choice("AB")
            value = values[name]
            to = rng.choice(
                ({name: value + 1}, {name: value + 1_000}, {name: -1}, {"C": 0}, {"A": values["A"], "B": values["B"]})
            )
            if rng.random() < 0.15:
                to = {name: rng.randint(0, value)}
            if pair.lower(to):
                if rng.random() < 0.5:
                    self._withdraw()
                if rng.random() < 0.5:  # what was made for the old one
                    revision = oracle.wish.revision - 2
                    self._propose("stale", piece.start_us, revision, self._silent(piece))
            return
        places = [ahead.start_us for ahead in self.ahead]
        at = rng.choice(places)
        lacking = {name: min(self.wanted[name], value + 2_000) for name, value in values.items()}
        to = {name: value for name, value in lacking.items() if value > values[name]}
        held = [hill for name in "AB" if (hill := oracle.course.hill(name, at)) is not None]
        if len(to) == 2 and len(held) < 2:
            to = {name: value for name, value in to.items() if oracle.course.hill(name, at) is not None}
        if chance < 0.3:
            name = rng.choice("AB")
            bounds = [edge for hill in held for edge in (hill.full_us, hill.fall_us)]
            last = oracle.wish.last_step_us.get(name)
            bounds += [last + SECOND] if last is not None else []
            next_us = oracle.standing.next_us or 0
            bounds += [next_us, next_us + SECOND, next_us + SECOND + 1, at, at]
            at = rng.choice(bounds) - rng.choice((0, 1))
            value = rng.choice((values[name] + 2_000, values[name] + 2_001, values[name], self.caps[name] + 1))
            to = rng.choice((to, to, {name: value}, {name: self.caps[name]}, {}, {"C": 1}))
        elif oracle.wish.ahead is not None or not to or oracle.raise_(to, at):
            return
        pair.raise_(to, at)

    def _withdraw(self) -> None:
        """What waits is taken back; the timeline goes on from there."""
        waiting = self.pair.waiting
        if waiting is not None and self.now <= self.oracle.before.played_us:
            self.pair.withdraw()
            self._again()
        else:
            self.pair.waiting = None
            self.pair.withdraw()

    def _again(self) -> None:
        """The timeline anew from where the session stands."""
        next_us = self.oracle.standing.next_us
        self._from(-100 if next_us is None else next_us)

    def _turn(self, piece: Slice) -> None:
        """Now and then something happens after a chunk."""
        rng, oracle = self.rng, self.oracle
        chance = rng.random() * self.calm
        next_us = oracle.standing.next_us or 0
        if chance < 0.006:
            self._withdraw()
        elif chance < 0.014 and self.fade_us is None:
            at = next_us + rng.choice((0, 0, -1, 1, rng.randint(0, 100_000), rng.choice((SECOND, SECOND + 1))))
            if self.pair.end(at):
                self.fade_us = at if rng.random() < 0.9 else None
        elif (chance < 0.03 and self.fade_us is None) or (
            self.fade_us is not None and next_us > self.fade_us + 600_000
        ):
            self._resume()

    def _resume(self) -> None:
        """After a pause: session time may be skipped."""
        rng, oracle = self.rng, self.oracle
        self.now = max(self.now, oracle.standing.played_us) + rng.choice((0, 1, 500_000, rng.randint(0, 40 * SECOND)))
        self.pair.resume(self.now)
        self.fade_us = None
        next_us, end_us = oracle.standing.next_us or 0, self.oracle.course.end_us
        hills = [hill for name in "AB" for hill in oracle.course.hills[name] if hill.begin_us > next_us]
        to = rng.choice((next_us, next_us, rng.randint(next_us, max(next_us, end_us))))
        if hills and rng.random() < 0.5:
            hill = rng.choice(hills)
            to = max(
                next_us, rng.choice((hill.begin_us - 100_000, hill.full_us, hill.begin_us + rng.randint(0, SECOND)))
            )
        if rng.random() < 0.1:
            to = max(next_us, end_us - rng.choice((1, 100_000, 500_000)))
        self._from(to)

    def _beyond(self) -> None:
        """Chunks at the end of the session and after it."""
        self.now = max(self.now, self.oracle.standing.played_us)
        self.pair.resume(self.now)
        end_us = self.oracle.course.end_us
        next_us = self.oracle.standing.next_us or 0
        for start in (end_us - 1, end_us, end_us + 1, next_us - 1, next_us):
            self._propose("at the session's end", start, self.oracle.wish.revision, encode(start, start + 140, []))

    def _recover(self, piece: Slice) -> bool:
        """The piece that should fit does not: a step lies in it, or the session is over."""
        if self.oracle.wish.ahead is not None:
            self.pair.waiting = None
            self.pair.withdraw()
            return True
        if self.oracle.standing.next_us is not None and piece.start_us != self.oracle.standing.next_us:
            self._again()
            return bool(self.ahead) or next(self.source, None) is not None
        return False

    # --- other chunks from the same state -------------------------------------------------------------------------

    def _other(self, piece: Slice, planned: list[Mark], revision: int) -> bool:
        """Proposes another chunk; True when it was played."""
        others: tuple[Callable[[Slice, list[Mark], int], bool], ...] = (
            self._at_a_bound,
            self._at_a_bound,
            self._strongest,
            self._strongest,
            self._late,
            self._pulse_changed,
            self._made_by_hand,
            self._made_by_hand,
            self._bytes_changed,
            self._bytes_changed,
            self._elsewhere,
        )
        return self.rng.choice(others)(piece, planned, revision)

    def _silent(self, piece: Slice) -> bytes:
        return encode(piece.start_us, piece.end_us, [])

    def _strongest(self, piece: Slice, planned: list[Mark], revision: int) -> bool:
        """Every pulse as strong as it may be, and one of them stronger by one."""
        if not planned:
            return False
        strong, topmost = self._fitting(piece.start_us, planned, most=True)
        if not fits(piece.start_us, piece.end_us, strong):
            return False
        rng = self.rng
        if rng.random() < 0.4:
            data = encode(piece.start_us, piece.end_us, strong)
            return self._propose("as strong as may be", piece.start_us, revision, data, play=rng.random() < 0.2) and (
                self._played(piece)
            )
        at = rng.choice([number for number, top in enumerate(topmost) if top] or [0])
        if strong[at].code < 4095:
            strong[at] = strong[at]._replace(code=strong[at].code + 1)
            self._propose("one code stronger", piece.start_us, revision, encode(piece.start_us, piece.end_us, strong))
        return False

    def _played(self, piece: Slice) -> bool:
        """The piece was played in another form."""
        self.ahead.popleft()
        self.codes = {name: received.codes[-1] for name, received in self.oracle.received.items() if received.codes}
        return True

    def _bounds(self, name: str) -> list[int]:
        """Played times at which a rule about one channel changes its mind: spacing, then silence, rest, length."""
        received = self.oracle.received[name]
        bounds = []
        if received.starts:
            last, run = received.starts[-1], received.runs[-1]
            bounds += [last + 6_666, last + 50_000, last + SECOND + 1, last + run.length_us]
            bounds.append(run.first + 30 * SECOND + 1)
        return bounds

    def _rare(self, piece: Slice) -> bool:
        """Whether a bound that is not met at every pulse lies in the piece."""
        shift = max(self.oracle.standing.played_us, self.now) - piece.start_us
        begin, end = piece.start_us + shift, piece.end_us + shift
        return any(begin < bound <= end for name in "AB" for bound in self._bounds(name)[2:]) or (
            self.oracle.end_us is not None and piece.start_us <= self.oracle.end_us + 500_000 < piece.end_us
        )

    def _at_a_bound(self, piece: Slice, planned: list[Mark], revision: int) -> bool:
        """A pulse of no current put in where a rule of time, or of the end, changes its mind, or one us beside it."""
        rng, oracle = self.rng, self.oracle
        shift = max(oracle.standing.played_us, self.now) - piece.start_us
        width, gap = rng.choice((20, 100)), rng.choice((10, 50))
        low, high = piece.start_us + 90, piece.end_us - 70 - 2 * width - gap
        places = []
        rare = self._rare(piece)
        for name in "AB":
            times = [bound - shift for bound in self._bounds(name)[2 * rare :]]
            times += [mark.start_us + 6_666 for mark in planned if mark.channel == name and not rare]
            if oracle.end_us is not None:
                times.append(oracle.end_us + 500_000)
            places += [(name, time - one) for time in times for one in (0, 1) if low <= time - one <= high]
        if not places:
            if rng.random() < 0.9 or high < low:
                return False
            places = [(rng.choice("AB"), rng.randint(low, high))]
        name, at = rng.choice(places)
        added = Mark(at, name, width, gap, 0)
        others = [mark for mark in planned if mark.end_us + 90 <= at or mark.start_us >= added.end_us + 90]
        if rng.random() < 0.5:
            others = [mark for mark in others if mark.channel != name or mark.start_us < at]
        whole = sorted([*others, added])
        if not fits(piece.start_us, piece.end_us, whole):
            return False
        data = encode(piece.start_us, piece.end_us, whole)
        play = rng.random() < 0.1
        return self._propose("a pulse at a bound", piece.start_us, revision, data, play=play) and self._played(piece)

    def _late(self, piece: Slice, planned: list[Mark], revision: int) -> bool:
        """The chunk comes after a silence, so that its first pulse on a channel meets a bound, or one us beside it."""
        rng = self.rng
        pulses = marks(piece.pulses, [0] * len(piece.pulses))
        if not pulses:
            return False
        first = pulses[0]
        due = self.oracle.standing.played_us
        times = [
            bound - one - (first.start_us - piece.start_us) for bound in self._bounds(first.channel) for one in (0, 1)
        ]
        times = [time for time in times if time >= max(due, self.now)]
        if not times:
            return False
        data = encode(piece.start_us, piece.end_us, pulses)
        play = rng.random() < 0.1
        return self._propose("late", piece.start_us, revision, data, rng.choice(times), play=play) and self._played(
            piece
        )

    def _pulse_changed(self, piece: Slice, planned: list[Mark], revision: int) -> bool:
        """One pulse with another width, gap, place or channel."""
        if not planned:
            return False
        rng = self.rng
        at = rng.randrange(len(planned))
        mark = planned[at]
        changes = (
            {"width_us": rng.choice((19, 20, 800, 801))},
            {"gap_us": rng.choice((9, 10, 1000, 1001))},
            {"start_us": mark.start_us + rng.choice((-1, 1, rng.randint(-2_000, 2_000)))},
            {"channel": "B" if mark.channel == "A" else "A"},
        )
        changed = sorted([*planned[:at], mark._replace(**rng.choice(changes)), *planned[at + 1 :]])
        if not fits(piece.start_us, piece.end_us, changed):
            return False
        self._propose("a pulse changed", piece.start_us, revision, encode(piece.start_us, piece.end_us, changed))
        return False

    def _made_by_hand(self, piece: Slice, planned: list[Mark], revision: int) -> bool:
        rng = self.rng
        flaw = rng.choice(FLAWS) if rng.random() < 0.7 else "none"
        pulses = planned[:3] if len(planned) > 3 and rng.random() < 0.8 else planned
        data = by_hand(rng, piece.start_us, piece.end_us, pulses, flaw)
        if data is None:
            return False
        play = rng.random() < 0.1 and pulses is planned
        return self._propose(f"by hand: {flaw}", piece.start_us, revision, data, play=play) and self._played(piece)

    def _bytes_changed(self, piece: Slice, planned: list[Mark], revision: int) -> bool:
        """The encoder's list with something done to its entries or bytes."""
        rng = self.rng
        data = encode(piece.start_us, piece.end_us, planned)
        entries: list[Entry] = list(struct.iter_unpack("<3I", data))
        way = rng.choice(_WAYS)
        spoiled = way(rng, entries)
        if spoiled is not None:
            data = b"".join(struct.pack("<3I", *entry) for entry in spoiled)
            if rng.random() < 0.02:
                data = data[: -rng.choice((1, 4, 12, 24))]
            self._propose(f"entries: {way.__name__.strip('_')}", piece.start_us, revision, data)
        return False

    def _elsewhere(self, piece: Slice, planned: list[Mark], revision: int) -> bool:
        """A good chunk at another time, under another revision, or out of order."""
        rng = self.rng
        start = piece.start_us
        data = encode(start, piece.end_us, planned)
        silent = self._silent(piece)
        ways: list[tuple[str, int, int, bytes]] = [
            ("another start", start + rng.choice((-1, 1)), revision, rng.choice((data, silent))),
            ("another start", rng.choice((0, -1_000, -1_001, 1)), revision, rng.choice((data, silent))),
            ("another revision", start, revision + rng.choice((-2, -1, 1, 2)), data),
        ]
        if len(self.ahead) > 1:
            after = self.ahead[1]
            ways.append(("one left out", after.start_us, revision, self._silent(after)))
            ways.append(("the one after it here", start, revision, encode(after.start_us, after.end_us, [])))
        if self.last is not None:
            ways.append(("the last one again", *self.last))
            ways.append(("the last one here", start, revision, self.last[2]))
        ahead = self.oracle.wish.ahead
        if ahead is not None:
            step_us = ahead[0] - start
            for length in (step_us, step_us + 1):
                if 140 <= length <= 100_000:
                    ways += [("to the step", start, revision, encode(start, start + length, []))] * 2
        self._propose(*rng.choice(ways))
        return False


# --- ways to spoil a list of entries -------------------------------------------------------------------------------


def _delay(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    """One entry a microsecond longer or shorter; the one after it may make up for that."""
    at, by = rng.randrange(len(entries) - 1), rng.choice((-1, 1))
    if rng.random() < 0.5:  # where something other than a clock happens
        at = rng.choice([number for number, entry in enumerate(entries[:-1]) if entry[2] > 1] or [at])
    on, off, delay = entries[at]
    entries[at] = (on, off, max(0, delay + by))
    if rng.random() < 0.6:
        on, off, delay = entries[at + 1]
        entries[at + 1] = (on, off, max(0, delay - by))
    return entries


def _bit(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    """A line of one entry added, taken away or turned round."""
    at = rng.randrange(len(entries)) if rng.random() < 0.9 else 0
    line = rng.choice([1 << gpio for gpio in range(32) if SEVEN >> gpio & 1])
    on, off, delay = entries[at]
    if (on | off) & line and rng.random() < 0.7:
        entries[at] = (on ^ line, off ^ line, delay)
    else:
        entries[at] = rng.choice(((on ^ line, off, delay), (on, off ^ line, delay)))
    return entries


def _data_bit(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    """One bit of one frame turned round: its code, its control bits or its channel."""
    sdi = 1 << 20
    at = rng.choice([number for number, entry in enumerate(entries) if (entry[0] | entry[1]) & sdi])
    on, off, delay = entries[at]
    entries[at] = (on ^ sdi, off ^ sdi, delay)
    return entries


def _entry(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    """An entry left out, given twice, or out of its order."""
    at = rng.randrange(len(entries) - 1)
    chance = rng.random()
    if chance < 0.4:
        del entries[at]
    elif chance < 0.7:
        entries.insert(at, entries[at])
    else:
        entries[at], entries[at + 1] = entries[at + 1], entries[at]
    return entries


def _foreign(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    """A line that is none of the seven."""
    at = rng.randrange(len(entries))
    line = rng.choice([1 << gpio for gpio in range(32) if not SEVEN >> gpio & 1])
    on, off, delay = entries[at]
    entries[at] = rng.choice(((on | line, off, delay), (on, off | line, delay)))
    return entries


def _both(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    """A line that is set and cleared at once."""
    at = rng.randrange(len(entries))
    on, off, delay = entries[at]
    line = rng.choice([1 << gpio for gpio in range(32) if (on | off) >> gpio & 1] or [1 << 17])
    entries[at] = (on | line, off | line, delay)
    return entries


def _no_time(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    at = rng.randrange(len(entries))
    on, off, _ = entries[at]
    return [*entries[:at], (on, off, 0), *entries[at + 1 :]]


def _filled(rng: random.Random, entries: list[Entry]) -> list[Entry] | None:
    """Up to as many entries as there may be, or one more; they do nothing but last."""
    on, off, delay = entries[-1]
    count = ENTRIES_MAX - len(entries) + rng.choice((0, 1))
    room = 100_000 - sum(entry[2] for entry in entries)
    if count > room:
        return None
    return [*entries[:-1], (on, off, delay), *[(0, 0, 1)] * count]


def _length(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    """As long as a chunk may be, or longer by one."""
    on, off, delay = entries[-1]
    delay += 100_000 - sum(entry[2] for entry in entries) + rng.choice((0, 1))
    return [*entries[:-1], (on, off, delay)]


def _split(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    """The same edges in more entries."""
    at = rng.choice([number for number, entry in enumerate(entries) if entry[2] > 1])
    on, off, delay = entries[at]
    first = rng.randrange(1, delay)
    return [*entries[:at], (on, off, first), (0, 0, delay - first), *entries[at + 1 :]]


def _tail(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    """Cut off at the end, at the beginning or within."""
    at = rng.choice((33, 66, rng.randrange(1, len(entries))))
    chance = rng.random()
    if chance < 0.4:
        return entries[:-at] or entries[:1]
    return entries[at:] if chance < 0.6 else entries[:at]


def _stretched(rng: random.Random, entries: list[Entry]) -> list[Entry]:
    """One entry made so long or short that a bound of a pulse is met, if it is one of a pulse's."""
    times = list(accumulate((entry[2] for entry in entries), initial=0))
    phases = [number for number, entry in enumerate(entries) if (entry[0] | entry[1]) >> 22 & 0b110101][1:]
    at = rng.choice(phases or [len(times) - 2])
    on, off, _ = entries[at]
    entries[at] = (on, off, rng.choice((9, 10, 19, 20, 800, 801, 1000, 1001)))
    return entries


_WAYS: tuple[Callable[[random.Random, list[Entry]], list[Entry] | None], ...] = (
    _delay,
    _delay,
    _bit,
    _data_bit,
    _entry,
    _foreign,
    _both,
    _no_time,
    _filled,
    _length,
    _split,
    _split,
    _tail,
    _stretched,
)
