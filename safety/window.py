"""What may have played, and what must have, in a stretch of time: from the approved chunks that were sent.

Where a wave stands is known to ``WAVE_SLACK_US`` either way. So everything that is said here comes as two answers: the
most that may have come out (what is measured must not be above it) and what came out for certain (what is measured must
not be below it). Pure: times are the guard's microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from safety.decode import Chunk

WAVE_SLACK_US: Final = 2_000
"""Where a wave is may be wrong by so much, either way: it begins 60-200 us after the send, the guard notes the send to
its own wake-up, and what the daemon notifies came 2.2 ms late at most (docs/pigpiod.md). ours."""


class Span(NamedTuple):
    """One pulse where it was planned: from its first edge to its last, in the guard's us."""

    start_us: int
    end_us: int
    channel: str
    code: int
    width_us: int


class Played(NamedTuple):
    """One chunk that was sent, as wave ``wave``: when it begins and ends by plan, and its pulses in order (``plan``).

    ``cut_us``: when a stop ended it, None if it plays to its end.
    """

    wave: int
    begins_us: int
    ends_us: int
    spans: tuple[Span, ...]
    cut_us: int | None = None


class Asked(NamedTuple):
    """Of one channel in a window: the largest code that may have played (0: none) and the largest that must have.

    ``width_us``: the width of a phase of all that may have played, 0 when they differ or there were none.
    """

    may: int = 0
    must: int = 0
    width_us: int = 0


class Seen(NamedTuple):
    """Of a window and the reading at its end: what was asked of A and B, and of which channels a pulse, of whatever
    amplitude, may be under way at that reading."""

    asked: tuple[Asked, Asked]
    in_flight: frozenset[str]

    @property
    def may_reset(self) -> bool:
        """Whether the peak holds may be emptied right after the reading without losing what nobody has seen.

        A pulse between the reading of the holds and their reset is lost. So they are emptied while none may be under
        way; or, where pulses are too dense for that, once each channel has shown a whole pulse: the next one counts.
        """
        return not self.in_flight or all(one.must or not one.may for one in self.asked)


def plan(wave: int, begins_us: int, chunk: Chunk) -> Played:
    """An approved chunk as it is to play from ``begins_us`` on."""
    spans = [
        Span(
            begins_us + one.start_us,
            begins_us + one.start_us + one.width_us + one.gap_us + one.second_us,
            one.channel,
            one.code,
            one.width_us,
        )
        for one in chunk.pulses
    ]
    return Played(wave, begins_us, begins_us + chunk.duration_us, tuple(spans))


def look(played: Sequence[Played], since_us: int, at_us: int, slack_us: int = WAVE_SLACK_US) -> Seen:
    """What peak holds that were emptied at ``since_us`` can hold at ``at_us``.

    A pulse must have played only when all of it lies within, slack included: one at either end may have been missed.
    """
    may, must, flying = {"A": 0, "B": 0}, {"A": 0, "B": 0}, set()
    widths: dict[str, set[int]] = {"A": set(), "B": set()}
    low, high = since_us - slack_us, at_us + slack_us
    for one in played:
        if one.ends_us < low:
            continue
        cut_us = high if one.cut_us is None else one.cut_us
        last = min(high, cut_us + slack_us)
        for start, end, channel, code, width in one.spans:
            if start > last:
                break
            if end < low:
                continue
            if end >= at_us - slack_us:
                flying.add(channel)
            if code:
                may[channel] = max(may[channel], code)
                widths[channel].add(width)
                if start >= since_us + slack_us and end <= min(at_us, cut_us) - slack_us:
                    must[channel] = max(must[channel], code)
    both = [Asked(may[name], must[name], widths[name].pop() if len(widths[name]) == 1 else 0) for name in "AB"]
    return Seen((both[0], both[1]), frozenset(flying))


def between(
    played: Sequence[Played], seen: Seen, since_us: int, asked_us: int, answered_us: int, slack_us: int = WAVE_SLACK_US
) -> Seen:
    """The same for a reading that came at a time that is known less well: ``seen`` is how it was when it was asked for.

    What must have played is what had when it was asked for, what may have is all until it was answered; and any pulse
    in between may be the one that was under way at the reading.
    """
    if answered_us - asked_us <= slack_us // 2:
        return seen
    late = look(played, since_us, answered_us, slack_us)
    a, b = [may._replace(must=must.must) for may, must in zip(late.asked, seen.asked, strict=True)]
    meanwhile = {
        span.channel
        for one in played
        for span in one.spans
        if span.end_us >= asked_us - slack_us and span.start_us <= answered_us + slack_us
    }
    return Seen((a, b), frozenset(seen.in_flight | late.in_flight | meanwhile))


def silent(played: Sequence[Played], from_us: int, until_us: int, slack_us: int = WAVE_SLACK_US) -> bool:
    """Whether no current may have flowed between two times: no pulse of any channel, but such of code 0."""
    return not any(one.may for one in look(played, from_us, until_us, slack_us).asked)


def quiet_us(played: Sequence[Played], from_us: int, within_us: int, slack_us: int = WAVE_SLACK_US) -> int:
    """The first moment from ``from_us`` on at which no pulse may be under way; ``from_us`` when ``within_us`` has none.

    ``played`` in order of time. Pulses at 50 Hz and checks at 50 Hz would else meet at one place for a contraction.
    """
    at_us = from_us
    for one in played:
        for start, end, *_ in one.spans:
            if start - slack_us > at_us:
                break
            if end + slack_us >= at_us and (one.cut_us is None or start - slack_us <= one.cut_us):
                at_us = end + slack_us + 1
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
