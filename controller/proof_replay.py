"""A session's recorded chunks, replayed against what the programme and the caps allow, to the pulse.

Pure. It shares no code with gate and encoder and has limits of its own, so that a mistake of theirs is not its own.
Currents in uA, times in us of session time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from controller.chain import Finding
from controller.proof_lines import NotReadable, Played, Shot, play
from controller.proof_plan import CODES, Asked, Due, Stretch
from controller.recording import Recorded, Recording

LEAD_IN_MAX_US: Final = 1_000
STEP_MAX_UA: Final = 2_000
STEP_APART_US: Final = 1_000_000
FADE_MAX_US: Final = 500_000
CHARGE_MAX_PC: Final = 40_000_000
SLACK_US: Final = 5_000
"""By so much a chunk may have begun before the one before it was believed to end."""
FINDINGS_MAX: Final = 20
CHANNELS: Final = ("A", "B")


@dataclass
class Tally:
    """What was sent in one contraction on one channel; ``code_us``: code x width of the first phases; ``code`` and
    ``set_point_ua``: the highest.
    """

    pulses: int = 0
    code_us: int = 0
    code: int = 0
    set_point_ua: int = 0


@dataclass
class Replay:
    """What the chunks amount to. ``last_us``: session time at which the last pulse starts; ``ends_us``: at the end of
    the last chunk; ``silences``: times at which nothing was ready to be joined, or a pause; ``faded``: it ends in a
    ramp to zero; ``cut``: in the midst of a contraction, and in none.
    """

    findings: list[Finding] = field(default_factory=list)
    tallies: dict[tuple[int, str], Tally] = field(default_factory=dict)
    pulses: int = 0
    last_us: int = 0
    ends_us: int = 0
    silences: int = 0
    faded: bool = False
    cut: bool = False


class _TooMany(Exception):
    """So much is wrong that more says nothing."""


def replay(recording: Recording, asked: Asked) -> Replay:
    """Replays a session. Whatever is not as it may be is a finding."""
    walk = _Walk(recording, asked)
    try:
        for number, chunk in enumerate(recording.chunks, 1):
            walk.take(number, chunk)
        walk.end()
    except NotReadable as error:
        walk.find("not_readable", str(error))
    except _TooMany:
        pass
    return walk.told


class _Walk:
    def __init__(self, recording: Recording, asked: Asked) -> None:
        self.told = Replay()
        self._asked, self._caps = asked, recording.caps_ua
        self._full = recording.full_scale_ua
        self._times = [due.at_us for due in asked.dues]
        self._number = 0
        self._before: tuple[Recorded, Played] | None = None
        self._points = dict.fromkeys(CHANNELS, 0)
        self._raised: dict[str, int | None] = dict.fromkeys(CHANNELS)
        self._codes = dict.fromkeys(CHANNELS, 0)
        self._fades_us: int | None = None

    def find(self, code: str, words: str) -> None:
        self.told.findings.append(Finding(code, f"chunk {self._number}: {words}"))
        if len(self.told.findings) >= FINDINGS_MAX:
            raise _TooMany

    def take(self, number: int, chunk: Recorded) -> None:
        self._number = number
        played = play(chunk.data)
        self._follows(chunk)
        self._points_of(chunk)
        ends_us = chunk.start_us + played.length_us
        if self._fades_us is not None and chunk.start_us > self._fades_us + FADE_MAX_US:
            self.find("after_fade", f"at {chunk.start_us} us; the ramp began at {self._fades_us} us")
        dues = self._dues(chunk.start_us, ends_us)
        shots = [shot._replace(at_us=chunk.start_us + shot.at_us) for shot in played.shots]
        for due in self._matched(dues, shots):
            self._judge(*due, chunk)
        self._before = (chunk, played)
        self.told.ends_us = ends_us

    def _follows(self, chunk: Recorded) -> None:
        """It joins on, or nothing played meanwhile, or it goes on after a pause."""
        if self._before is None:
            if not -LEAD_IN_MAX_US <= chunk.start_us <= 0:
                self.find("beginning", f"the session begins at {chunk.start_us} us")
            self._begin()
            return
        before, played = self._before
        should_us = before.start_us + played.length_us
        silent_us = chunk.began_us - before.began_us - played.length_us
        if silent_us < -SLACK_US:
            self.find("time", f"begins {-silent_us} us before the one before it ends")
        silent = silent_us > SLACK_US
        self.told.silences += silent
        if not (silent and chunk.revision > before.revision and not any(chunk.set_point_ua.values())):
            if chunk.start_us != should_us:
                self.find("gap", f"begins at {chunk.start_us} us; the one before it ends at {should_us} us")
            return
        if chunk.start_us < should_us:
            self.find("gap", f"goes on at {chunk.start_us} us; it was paused at {should_us} us")
        left_out = {due.train for due in self._dues(should_us, chunk.start_us)} - {self._under_way(should_us)}
        if left_out:
            self.find("contraction_missing", f"contractions {sorted(left_out)} were left out by a pause")
        self._begin()

    def _begin(self) -> None:
        """A start or a resume: everything from zero."""
        self._points, self._raised = dict.fromkeys(CHANNELS, 0), dict.fromkeys(CHANNELS)
        self._codes, self._fades_us = dict.fromkeys(CHANNELS, 0), None

    def _points_of(self, chunk: Recorded) -> None:
        """The set-points it was made for: within the caps, and risen as they may."""
        for channel in CHANNELS:
            now, before = chunk.set_point_ua[channel], self._points[channel]
            if now > self._caps.get(channel, 0):
                self.find("over_cap", f"{channel}: set-point {now} uA; cap {self._caps.get(channel, 0)} uA")
            if now > before:
                last = self._raised[channel]
                soon = last is not None and chunk.start_us - last < STEP_APART_US
                held = any(self._holds(one, channel, chunk.start_us) for one in self._near(chunk.start_us))
                if now - before > STEP_MAX_UA or soon or not held:
                    self.find("rise", f"{channel}: from {before} to {now} uA at {chunk.start_us} us")
                self._raised[channel] = chunk.start_us
            self._points[channel] = now

    @staticmethod
    def _holds(one: Stretch, channel: str, at_us: int) -> bool:
        first = next((due.at_us for due in one.dues if due.channel == channel), None)
        late_us = 0 if first is None else first - one.begins_us
        return first is not None and one.hold_us[0] + late_us <= at_us < one.hold_us[1] + late_us

    def _dues(self, from_us: int, to_us: int) -> tuple[Due, ...]:
        return self._asked.dues[bisect_left(self._times, from_us) : bisect_left(self._times, to_us)]

    def _near(self, at_us: int) -> tuple[Stretch, ...]:
        """The last stretch that began before."""
        began = [one for one in self._asked.stretches if one.begins_us < at_us]
        return tuple(began[-1:])

    def _under_way(self, at_us: int) -> int:
        return max((one.train for one in self._near(at_us)), default=0)

    def _matched(self, dues: tuple[Due, ...], shots: list[Shot]) -> Iterator[tuple[Due, Shot]]:
        """The pulses that are due here and come, one by one."""
        wanted = {(due.at_us, due.channel): due for due in dues}
        for shot in shots:
            due = wanted.pop((shot.at_us, shot.channel), None)
            if due is None:
                self.find("pulse_extra", f"a pulse on {shot.channel} at {shot.at_us} us that is not due")
            else:
                yield due, shot
        for at_us, channel in wanted:
            self.find("pulse_missing", f"no pulse on {channel} at {at_us} us")

    def _judge(self, due: Due, shot: Shot, chunk: Recorded) -> None:
        """One pulse: its shape, and its code."""
        channel, at_us, code = shot.channel, shot.at_us, shot.code
        where = f"{channel} at {at_us} us"
        if (shot.width_us, shot.gap_us) != (due.width_us, due.gap_us):
            self.find("pulse_other", f"{where}: {shot.width_us} us and a gap of {shot.gap_us} us")
        if code * self._full > self._caps.get(channel, 0) * CODES:
            self.find("over_cap", f"{where}: code {code}")
        if code * shot.width_us * self._full > CHARGE_MAX_PC * CODES:
            self.find("charge", f"{where}: code {code} for {shot.width_us} us")
        wanted = due.code(chunk.set_point_ua[channel], self._full)
        most = wanted if self._fades_us is None else min(wanted, self._codes[channel])  # a ramp to zero only falls
        if code > most:
            self.find("over_set_point", f"{where}: code {code}; it may be {most}")
        elif code < wanted:
            self._fades_us = at_us if self._fades_us is None else self._fades_us
            if at_us >= self._fades_us + FADE_MAX_US:
                self.find("under_set_point", f"{where}: code {code}, not {wanted}, and no ramp to zero")
        self._codes[channel] = code
        tally = self.told.tallies.setdefault((due.train, channel), Tally())
        tally.pulses += 1
        tally.code_us += code * shot.width_us
        tally.code = max(tally.code, code)
        tally.set_point_ua = max(tally.set_point_ua, chunk.set_point_ua[channel])
        self.told.pulses += 1
        self.told.last_us = max(self.told.last_us, at_us)

    def end(self) -> None:
        """Where the last chunk leaves it."""
        self.told.faded = self._fades_us is not None
        left = {due.train for due in self._dues(self.told.ends_us, self._asked.length_us)}
        near = {one.train for one in self._near(self.told.ends_us) if self.told.ends_us < one.ends_us}
        self.told.cut = bool(left & near) and not self.told.faded and any(self._points.values())
