"""The edges that the daemon notified against the approved chunks: number, order, line, and times.

Widths, starts within a chunk and starts across chunks that were joined without a gap must be right to 10 us; where a
chunk that was not joined begins is known less well, and there only the order and a coarse time count. An edge that was
not expected is told at once, one that is missing when it is ``MISSING_US`` late. Ticks are those of the daemon,
unwrapped to the guard's microseconds by the caller, and lie on its grid of samples (5 us). No clock, no input or
output.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from safety.decode import Lines, Pulse

CODE: Final = "edges_differ"
TOLERANCE_US: Final = 10
"""Two edges on a grid of 5 us are right to 5 us; twice that. ours."""
PER_MILLION: Final = 1
"""How far waves and ticks may drift apart, in us a second: they share one crystal. Matters for silence only. ours."""
MISSING_US: Final = 40_000
"""So long after its time an edge is missing; notifications came 2.2 ms late at most. ours."""
SAMPLE_US: Final = 5
"""The daemon's grid of samples (``-s 5``): what is over within one is not notified."""
EARLY_US: Final = 2_000
"""So much before its time a chunk that was not joined may begin, the guard's own time being coarse. ours."""
STOP_US: Final = 30_000
"""What a stop does to the lines is over by then: at once, and again after 5 and 20 ms. ours."""


class _Edge(NamedTuple):
    """``start``: the first of a pulse. ``loose``: the first of what follows without a seamless join."""

    at_us: int
    line: int
    level: int
    start: bool
    loose: bool


class Cut(NamedTuple):
    """The last phase of a pulse that a stop has cut: bank mask of its line, when it rose and when it fell."""

    line: int
    rose_us: int
    fell_us: int


@dataclass
class Seen:
    """What came whole on one channel: pulses of which all four edges were notified where they had to be, and the sum of
    their code x width (us) of the first phase.
    """

    pulses: int = 0
    code_us: int = 0


class Edges:
    """What is expected and what came. All lines low at first. ``came``: per channel, since ``count_anew``."""

    def __init__(self, lines: Lines, output_enable: int) -> None:
        self._enable = output_enable
        self._watched = lines.phases | output_enable
        self._of = {"A": (lines.a_pos, lines.a_neg), "B": (lines.b_pos, lines.b_neg)}
        self._expected: deque[_Edge] = deque()
        self._switch: deque[tuple[int, int]] = deque()
        self._levels = 0
        self._loose = True
        self._start = self._rise = (0, 0)
        self._phase: Cut | None = None
        self._was_cut = False
        self._stopped_us: int | None = None
        self._over_us = 0
        self._pulses: deque[Pulse] = deque()
        self.came = {channel: Seen() for channel in self._of}

    def count_anew(self) -> None:
        """A session begins."""
        self.came = {channel: Seen() for channel in self._of}

    @property
    def waiting(self) -> int:
        """How many edges are expected and did not come yet."""
        return len(self._expected) + len(self._switch)

    @property
    def expects(self) -> bool:
        """Whether edges of pulses are still to come; after a stop none are."""
        return self._stopped_us is None and bool(self._expected)

    @property
    def cut(self) -> Cut | None:
        """What the stop has cut, if anything; final ``STOP_US`` after it, and until something is asked again."""
        halved = self._stopped_us is not None and bool(self._expected) and not self._expected[0].start
        return self._phase if self._was_cut or halved else None

    def sent(self, pulses: Sequence[Pulse], begins_us: int, *, joined: bool) -> None:
        """A chunk was handed to the daemon; ``joined``: seamlessly to the one before."""
        self._go_on()
        self._loose = self._loose or not joined
        self._pulses.extend(pulses)
        for pulse in pulses:
            at_us = begins_us + pulse.start_us
            positive, negative = self._of[pulse.channel]
            second_us = at_us + pulse.width_us + pulse.gap_us
            self._expected += (
                _Edge(at_us, positive, 1, True, self._loose),
                _Edge(at_us + pulse.width_us, positive, 0, False, False),
                _Edge(second_us, negative, 1, False, False),
                _Edge(second_us + pulse.second_us, negative, 0, False, False),
            )
            self._loose = False

    def asked(self, level: int, at_us: int) -> None:
        """OUTPUT_ENABLE was written, to another level than before."""
        self._go_on()
        if self._switch and -(-at_us // SAMPLE_US) == -(-self._switch[-1][0] // SAMPLE_US):
            self._switch.pop()  # written back within one sample: neither is seen
        else:
            self._switch.append((at_us, level))

    def stopped(self, at_us: int) -> None:
        """Everything was stopped, or is about to be. Call it before edges of that time are given to ``seen``.

        What comes until ``STOP_US`` later is taken as far as it was expected, then as one phase that was cut.
        """
        self._stopped_us, self._loose = at_us, True

    def seen(self, tick_us: int, levels: int) -> str | None:
        """One notification: the levels (bank) from a tick on. Gives what is wrong with it, in words for the log."""
        changed = (self._levels ^ levels) & self._watched
        self._levels = levels
        wrong = None
        if tick_us < self._over_us:  # heard of late: a stop was after it, and something is asked again by now
            return None
        for level in (0, 1):  # on one sample of the grid a line may fall before another rises, never the other way
            lines = changed & levels if level else changed & ~levels
            while lines:
                line = lines & -lines
                lines ^= line
                found = self._switched(tick_us, level) if line == self._enable else self._moved(tick_us, line, level)
                wrong = wrong or found
        return wrong

    def missing(self, now_us: int) -> str | None:
        """Whether something expected is overdue."""
        overdue_us = self.overdue_us
        if overdue_us is None or now_us < overdue_us:
            return None
        edge = next(iter(self._expected), None)
        if edge is not None and now_us > self._due_us(edge) + MISSING_US:
            return f"line {edge.line:#x} did not become {edge.level} at {self._due_us(edge)} us"
        at_us, level = self._switch[0]
        return f"OUTPUT_ENABLE did not become {level} at {at_us} us"

    @property
    def overdue_us(self) -> int | None:
        """From when on something is missing, if nothing comes until then; None when nothing is expected."""
        if self._stopped_us is not None:
            return None
        due = [self._due_us(self._expected[0])] if self._expected else []
        due += [self._switch[0][0]] if self._switch else []
        return min(due) + MISSING_US + 1 if due else None

    def _due_us(self, edge: _Edge) -> int:
        """When the next edge should come, by what came before it."""
        return edge.at_us if edge.loose else edge.at_us + self._start[1] - self._start[0]

    def _go_on(self) -> None:
        """After a stop nothing of before is expected any more."""
        if self._stopped_us is not None:
            self._over_us, self._stopped_us, self._was_cut = self._stopped_us, None, False
            self._expected.clear()
            self._pulses.clear()
            self._switch.clear()

    def _switched(self, tick_us: int, level: int) -> str | None:
        if self._switch and self._switch[0][1] == level:
            at_us, _ = self._switch.popleft()
            if -EARLY_US <= tick_us - at_us <= MISSING_US:
                return None
            return f"OUTPUT_ENABLE became {level} at {tick_us} us, asked at {at_us}"
        if not level and self._stopping(tick_us):
            return None
        return f"OUTPUT_ENABLE became {level} at {tick_us} us unasked"

    def _stopping(self, tick_us: int) -> bool:
        return self._stopped_us is not None and tick_us <= self._stopped_us + STOP_US

    def _moved(self, tick_us: int, line: int, level: int) -> str | None:
        """One edge of a phase line."""
        stopping = self._stopping(tick_us)
        expected = self._expected[0] if self._expected and (stopping or self._stopped_us is None) else None
        wrong = f"line {line:#x} became {level} at {tick_us} us unasked"
        if expected is not None and (expected.line, expected.level) == (line, level):
            off_us = self._off_us(expected, tick_us)
            if not off_us:
                self._expected.popleft()
                self._note(expected, tick_us)
                return None
            wrong = f"line {line:#x} became {level} at {tick_us} us, {off_us} us off"
        if stopping and not level and not self._was_cut:
            self._was_cut, self._phase = True, Cut(line, self._rise[1], tick_us)
            self._expected.clear()
            self._pulses.clear()
            return None
        return wrong

    def _note(self, edge: _Edge, tick_us: int) -> None:
        """What later edges are measured from."""
        if not edge.level:
            self._phase = Cut(edge.line, self._rise[1], tick_us)
            if not self._expected or self._expected[0].start:  # the last edge of a pulse
                pulse = self._pulses.popleft()
                self.came[pulse.channel].pulses += 1
                self.came[pulse.channel].code_us += pulse.code * pulse.width_us
            return
        self._rise, self._phase = (edge.at_us, tick_us), None
        if edge.start:
            self._start = self._rise

    def _off_us(self, edge: _Edge, tick_us: int) -> int:
        """By how much an edge is out of its tolerance's reach; 0 when it is within."""
        if edge.loose:
            off = tick_us - edge.at_us
            return 0 if -EARLY_US <= off <= MISSING_US else off
        planned, real = self._start if edge.level else self._rise
        off = (tick_us - real) - (edge.at_us - planned)
        return 0 if abs(off) <= TOLERANCE_US + (edge.at_us - planned) * PER_MILLION // 1_000_000 else off
