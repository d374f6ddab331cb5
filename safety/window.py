"""What may have played, and what must have, in a stretch of time: from the approved chunks that were sent.

Where a wave stands is known to ``WAVE_SLACK_US`` either way. So everything that is said here comes as two answers: the
most that may have come out (what is measured must not be above it) and what came out for certain (what is measured must
not be below it). Pure: times are the guard's microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from safety.decode import Pulse

WAVE_SLACK_US: Final = 2_000
"""Where a wave is may be wrong by so much, either way: it begins 60-200 us after the send, the guard notes the send to
its own wake-up, and what the daemon notifies came 2.2 ms late at most (docs/pigpiod.md). ours."""


class Played(NamedTuple):
    """One chunk that was sent, as wave ``wave``: when it begins, how long it lasts, and its pulses.

    ``cut_us``: when a stop ended it, None if it plays to its end.
    """

    wave: int
    begins_us: int
    duration_us: int
    pulses: tuple[Pulse, ...]
    cut_us: int | None = None

    @property
    def ends_us(self) -> int:
        """When its last line is safe, if nothing cuts it."""
        return self.begins_us + self.duration_us


class Asked(NamedTuple):
    """Of one channel in a window: the largest code that may have played (0: none) and the largest that must have.

    ``width_us``: the width of a phase of all that may have played, 0 when they differ or there were none.
    """

    may: int = 0
    must: int = 0
    width_us: int = 0


def asked(played: Sequence[Played], channel: str, since_us: int, until_us: int, slack_us: int = WAVE_SLACK_US) -> Asked:
    """What the peak hold of a channel, emptied at ``since_us``, can hold at ``until_us``.

    A pulse must have played only when all of it lies within, slack included: one at either end may have been missed.
    """
    may = must = 0
    widths = set()
    for pulse, start, end, cut_us in _pulses(played, slack_us):
        if pulse.channel != channel or not pulse.code:
            continue
        if start <= until_us and end >= since_us:
            may = max(may, pulse.code)
            widths.add(pulse.width_us)
        if start >= since_us and end <= until_us and (cut_us is None or end <= cut_us):
            must = max(must, pulse.code)
    return Asked(may, must, widths.pop() if len(widths) == 1 else 0)


def in_flight(played: Sequence[Played], at_us: int, slack_us: int = WAVE_SLACK_US) -> frozenset[str]:
    """The channels of which a pulse, of whatever amplitude, may be under way at a time. Empty: a pulse-free read."""
    return frozenset(p.channel for p, start, end, _ in _pulses(played, slack_us) if start <= at_us <= end)


def may_reset(played: Sequence[Played], since_us: int, at_us: int, slack_us: int = WAVE_SLACK_US) -> bool:
    """Whether the peak holds, emptied at ``since_us``, may be emptied at ``at_us`` without losing what nobody has seen.

    A pulse between the reading of the holds and their reset is lost. So they are emptied while none may be under way;
    or, where pulses are too dense for that, once each channel has shown at least one whole pulse: the next one counts.
    """
    if not in_flight(played, at_us, slack_us):
        return True
    both = [asked(played, channel, since_us, at_us, slack_us) for channel in ("A", "B")]
    return all(one.must or not one.may for one in both)


def quiet_us(played: Sequence[Played], from_us: int, within_us: int, slack_us: int = WAVE_SLACK_US) -> int:
    """The first moment from ``from_us`` on at which no pulse may be under way; ``from_us`` when ``within_us`` has none.

    Pulses at 50 Hz and checks at 50 Hz would else meet at the same place for a whole contraction.
    """
    at_us = from_us
    for start, end in sorted((start, end) for _, start, end, _ in _pulses(played, slack_us)):
        if start <= at_us <= end:
            at_us = end + 1
    return at_us if at_us <= from_us + within_us else from_us


def allowed(played: Sequence[Played], at_us: int, slack_us: int = WAVE_SLACK_US) -> frozenset[int | None]:
    """What the daemon may say it plays at a time: ids, and None (nothing) unless a wave is in its midst for certain."""
    ids: set[int | None] = set()
    certain = False
    for one in played:
        ends_us = one.ends_us if one.cut_us is None else min(one.ends_us, one.cut_us)
        if one.begins_us - slack_us <= at_us <= ends_us + slack_us:
            ids.add(one.wave)
            certain = certain or one.begins_us + slack_us < at_us < ends_us - slack_us
    return frozenset(ids if certain else ids | {None})


def recent(played: Sequence[Played], since_us: int, slack_us: int = WAVE_SLACK_US) -> tuple[Played, ...]:
    """Those that can still matter to a window that begins at ``since_us``."""
    return tuple(one for one in played if one.ends_us + slack_us >= since_us)


def _pulses(played: Sequence[Played], slack_us: int) -> Iterator[tuple[Pulse, int, int, int | None]]:
    """Each pulse that may have begun: the first and the last moment at which it may be under way, and the cut."""
    for one in played:
        for pulse in one.pulses:
            start = one.begins_us + pulse.start_us - slack_us
            if one.cut_us is None or start <= one.cut_us:
                length = pulse.width_us + pulse.gap_us + pulse.second_us
                yield pulse, start, start + 2 * slack_us + length, one.cut_us
