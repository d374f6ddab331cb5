"""The supply: from approved chunks to waves that follow each other without a gap.

At most one chunk waits behind the one that plays, so that output ends within two chunks when nobody renews it. The
next one is joined while the present one still has 20 to 60 ms to go; when that was missed, the present one runs out, an
underrun is counted, and the next starts afresh: a gap of silence, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hw.pulses import PulseEngine
from hw.wire import NotAsApproved
from safety import limits, window
from safety.decode import Chunk
from safety.edges import Edges
from safety.gate import Progress

JOIN_LEAD_US: Final = 60_000
"""A chunk is joined when this much or less of the present one remains: late, so that a lower set-point is felt soon."""
REMEMBERED_US: Final = 500_000
"""What ended so long ago is in no reading any more: peak holds are emptied at most 100 ms apart while pulses play."""
OVERDUE_US: Final = limits.CHUNK_MAX_US
"""A wave that still plays so long after its end is no longer the one that was sent (begun late, or by another)."""
SETTLE_SWITCH_US: Final = limits.CHECK_INTERVAL_US
"""From closing the output switch to the first chunk: one check lies between."""


@dataclass(frozen=True)
class Approved:
    """A chunk that the gate approved; ``before`` is the session's progress without it, should it be dropped."""

    number: int
    start_us: int
    data: bytes
    chunk: Chunk
    before: Progress


@dataclass(frozen=True)
class Sent:
    """A chunk that was handed to the daemon, and when it begins and ends to play (guard's us); ``joined``: seamlessly
    to the one before.
    """

    approved: Approved
    wave: int
    began_us: int
    joined: bool

    @property
    def ends_us(self) -> int:
        return self.began_us + self.approved.chunk.duration_us

    @property
    def joins_us(self) -> int:
        """From when on another is joined: once this one has begun for certain."""
        return max(self.ends_us - JOIN_LEAD_US, self.began_us + window.WAVE_SLACK_US)


class Supply:
    """What waits, what is joined, what plays. ``edges`` are told what to expect; ``now`` is the guard's clock: a wave
    counts from its send, not from before it was loaded, which a slow daemon takes its time for.
    """

    def __init__(self, edges: Edges, now: Callable[[], int]) -> None:
        self._edges, self._now = edges, now
        self._waiting: Approved | None = None
        self._playing: Sent | None = None
        self._joined: Sent | None = None
        self._not_before_us = 0
        self._ended = False
        self.underruns = 0
        self.sent_pulses = 0
        self.net_code_us = 0
        self.played: tuple[window.Played, ...] = ()
        """What was sent of late, by whomever, for what was measured meanwhile."""

    @property
    def drained(self) -> bool:
        """Nothing plays and nothing waits."""
        return self._playing is None and self._waiting is None

    @property
    def full(self) -> bool:
        """Another chunk would be one too many."""
        return self._waiting is not None

    def open(self, now_us: int) -> None:
        """The output switch was just closed: nothing plays before it had its time."""
        self._not_before_us, self._ended = now_us + SETTLE_SWITCH_US, False

    def offer(self, approved: Approved) -> None:
        """Takes one approved chunk; ask ``full`` first."""
        self._waiting = approved

    def withdraw(self) -> Approved | None:
        """Takes back the chunk that waits, if it was not sent yet."""
        waiting, self._waiting = self._waiting, None
        return waiting

    def abandon(self, now_us: int) -> Sent | None:
        """Everything was stopped from outside: nothing plays, nothing waits. Gives the chunk that began meanwhile, if
        one did: a stop may be heard of before ``run`` is called for it, and its pulses came. Where a slow daemon makes
        it doubtful it counts as begun: a chunk too many in the record is none that was seen, one too few is a lie.
        """
        began = self._joined if self._playing is not None and now_us >= self._playing.ends_us else None
        self._waiting = self._playing = self._joined = None
        self.played = tuple(one if one.cut_us is not None else one._replace(cut_us=now_us) for one in self.played)
        return began

    def note(self, wave: int, begins_us: int, chunk: Chunk, *, joined: bool = False) -> None:
        """A wave was sent, and when it begins; ``joined``: seamlessly to the one before."""
        self._edges.sent(chunk.pulses, begins_us, joined=joined)
        since = begins_us - REMEMBERED_US
        recent = [one for one in self.played if one.ends_us >= since]
        self.played = (*recent, window.plan(wave, begins_us, chunk))

    @property
    def next_begins_us(self) -> int | None:
        """When a chunk that is joined to what was sent begins; None when nothing plays."""
        last = self._joined or self._playing
        return None if last is None else last.ends_us

    def wake_us(self) -> int | None:
        """When ``run`` should be called at the latest, None when there is nothing to do."""
        playing = self._playing
        if playing is None:
            return self._not_before_us if self._waiting else None
        if self._joined is not None or self._waiting is None:
            return playing.ends_us
        return playing.joins_us

    def due(self, now_us: int) -> bool:
        """Whether ``run`` has something to do."""
        wake = self.wake_us()
        return wake is not None and now_us >= wake

    def run(self, pulses: PulseEngine, now_us: int, *, expects_more: bool) -> list[Sent]:
        """Moves on: gives the chunks that began to play. ``expects_more``: running out now is an underrun.

        Raises DaemonLost, NotAsApproved.
        """
        began = []
        if self._playing is not None and now_us >= self._playing.ends_us:
            if self._joined is not None:
                self._playing, self._joined = self._joined, None
                began.append(self._playing)
            else:
                self._look(pulses, self._playing, now_us, expects_more)
        if self._playing is not None:
            remaining = self._playing.ends_us - now_us
            in_time = now_us >= self._playing.joins_us and remaining >= limits.JOIN_MIN_REMAINING_US
            if self._waiting and not self._joined and in_time:
                began += self._join(pulses, self._playing)
        if self._playing is None and self._waiting is not None and now_us >= self._not_before_us:
            began.append(self._start(pulses))
        return began

    def _look(self, pulses: PulseEngine, playing: Sent, now_us: int, expects_more: bool) -> None:
        """The last chunk should have ended by now: it has, or it will soon, or something else is being played."""
        at = pulses.playing()
        if at is None:
            self._ran_out(expects_more)
        elif at != playing.wave or now_us >= playing.ends_us + OVERDUE_US:
            late_us = now_us - playing.ends_us
            raise NotAsApproved(f"the daemon plays wave {at}; sent was {playing.wave}, which ended {late_us} us ago")

    def _ran_out(self, expects_more: bool) -> None:
        self._playing, self._ended = None, not expects_more
        self.underruns += expects_more

    def _start(self, pulses: PulseEngine) -> Sent:
        approved, wave, at = self._load(pulses)
        if at is not None:
            raise NotAsApproved(f"the daemon plays wave {at}; nothing was sent")
        self.underruns += self._ended  # what was taken for the end of a ramp was none: its next chunk came too late
        self._ended = False
        self._playing = self._send(pulses, approved, wave)
        return self._playing

    def _join(self, pulses: PulseEngine, playing: Sent) -> list[Sent]:
        """Joins what waits to what plays. Gives what began by that: nothing, unless the joining came too late."""
        approved, wave, at = self._load(pulses)
        if at is not None and at != playing.wave:
            raise NotAsApproved(f"the daemon plays wave {at}; sent was {playing.wave}")
        if at is None:  # it ended earlier than believed
            self._ran_out(expects_more=True)
            self._playing = self._send(pulses, approved, wave)
            return [self._playing]
        self._joined = self._send(pulses, approved, wave, after=playing)
        return []

    def _load(self, pulses: PulseEngine) -> tuple[Approved, int, int | None]:
        approved = self._waiting
        assert approved is not None
        wave, at = pulses.load(approved.data, approved.chunk.entries, approved.chunk.duration_us)
        return approved, wave, at

    def _send(self, pulses: PulseEngine, approved: Approved, wave: int, after: Sent | None = None) -> Sent:
        """Sends a loaded wave: at once, or joined to the one that plays (``after``)."""
        starts_us = self._now() if after is None else after.ends_us
        pulses.send(wave, join=after is not None)
        self._waiting = None
        self.note(wave, starts_us, approved.chunk, joined=after is not None)
        self.sent_pulses += len(approved.chunk.pulses)
        self.net_code_us += sum(pulse.net_code_us for pulse in approved.chunk.pulses)
        return Sent(approved, wave, starts_us, joined=after is not None)
