"""What may have played, and what must have, in a stretch of time: from the approved chunks that were sent.

Where a wave stands is known to ``WAVE_SLACK_US`` either way. So everything that is said here comes as two answers: the
most that may have come out (what is measured must not be above it) and what came out for certain (what is measured must
not be below it). Pure: times are the guard's microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from safety import limits
from safety.decode import Chunk

WAVE_SLACK_US: Final = 2_000
"""Where a wave is may be wrong by so much, either way: it begins 60-200 us after the send, the guard notes the send to
its own wake-up, and what the daemon notifies came 2.2 ms late at most (docs/pigpiod.md). ours."""
READING_US: Final = 2_000
"""So long a reading may take, from its begin to the emptying of the peak holds at its end, for a pulse after it to
count: some 30 commands on one way, of which one takes 0.25 ms at p99 with its way. ours."""
WOKEN_US: Final = 2_000
"""So much later than planned the machine may wake the guard, and a check still meets no pulse. At 20 Hz a pulse that is
met is one of three in which a lead off or a short must be seen twice. ours."""
SOONER_US: Final = 8_000
SHIFT_US: Final = 5_000
"""By how much a check may come sooner, or later, than every 20 ms, so that it meets no pulse. ours."""
UNSURE_US: Final = 200_000
"""So long the peak holds are kept for the sake of a pulse that may have been lost when they were emptied: the next one
decides, from 5 Hz on. ours."""


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


def may_empty(seen: Seen, since_us: int, at_us: int) -> bool:
    """Whether the peak holds, emptied last at ``since_us``, may be emptied by the reading at ``at_us`` again.

    A pulse between the reading of the holds and the end of their emptying is lost, and one near that counts for
    nothing. So they are emptied once each channel that may have had a pulse has shown a whole one: the same place
    between two pulses would else be met again and again, and nothing ever be judged. What was unsure is given up when
    nothing followed.
    """
    shown = all(one.must or not one.may for one in seen.asked)
    return shown or (not seen.in_flight and at_us - since_us >= UNSURE_US)


def silent(played: Sequence[Played], from_us: int, until_us: int, slack_us: int = WAVE_SLACK_US) -> bool:
    """Whether no current may have flowed between two times: no pulse of any channel, but such of code 0."""
    return not any(one.may for one in look(played, from_us, until_us, slack_us).asked)


def quiet_us(
    played: Sequence[Played], from_us: int, soonest_us: int, latest_us: int, slack_us: int = WAVE_SLACK_US
) -> int:
    """The moment nearest to ``from_us`` in which a reading, with all that it takes, meets no pulse; ``from_us`` when
    there is none within ``soonest_us`` and ``latest_us``.

    ``played`` in order of time. Pulses at 50 Hz and checks at 50 Hz would else meet at one place for a contraction.
    """
    busy: list[tuple[int, int]] = []
    for one in played:
        for start, end, *_ in one.spans:
            begins, ends = start - slack_us - READING_US - WOKEN_US, end + slack_us
            if one.cut_us is not None and start - slack_us > one.cut_us:
                break
            if busy and begins <= busy[-1][1] + 1:
                begins, ends = busy[-1][0], max(ends, busy.pop()[1])
            busy.append((begins, ends))
    for begins, ends in busy:
        if begins <= from_us <= ends:
            near = [at for at in (begins - 1, ends + 1) if soonest_us <= at <= latest_us]
            return min(near, key=lambda at: abs(at - from_us), default=from_us)
    return from_us


def next_check_us(played: Sequence[Played], due_us: int, now_us: int) -> tuple[int, int]:
    """When the check after one at ``now_us``, which was due at ``due_us``, is due, and when it is made: where no pulse
    is under way, 25 ms after the one before at most."""
    due_us = max(due_us + limits.CHECK_INTERVAL_US, now_us)
    latest_us = min(due_us, now_us + limits.CHECK_INTERVAL_US) + SHIFT_US
    return due_us, quiet_us(played, min(due_us, latest_us), max(due_us - SOONER_US, now_us), latest_us)


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
