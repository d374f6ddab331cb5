"""What an open session is, on the guard's side: plan, progress, record; and what the app may ask of them.

Each request gives None (taken) or a ``Refusal``. Nothing here touches a pin or a clock; whether the moment allows a
request is the interlock's business, whether a chunk may play is the gate's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from safety import gate, ledger, limits
from safety.decode import Lines, Refusal
from safety.electrode import CHECK_UA
from safety.lease import Lease
from safety.link import Message
from safety.prescribed import TREATMENT, Prescribed, accept
from safety.schedule import CHANNELS, ScheduleRefused, read_schedule
from safety.seal import NO_PLAN, plan_hash
from safety.setpoint import grant_raise
from safety.supply import Approved


class Session:
    """``record`` is what is on disk. ``until_us``: when a threshold procedure that is loaded is over, else None."""

    def __init__(self, lines: Lines, full_scale_ua: int, record: ledger.Record, now_us: int) -> None:
        self._lines, self._full_scale_ua = lines, full_scale_ua
        self.record = record
        self.plan: gate.Plan | None = None
        self.prescribed: Prescribed | None = None
        self.until_us: int | None = None
        self.plan_sha256 = NO_PLAN
        self.lease: Lease | None = None
        self.checked_us: int | None = None
        """When the last electrode check began."""
        self.progress = gate.Progress(channels=ledger.begin(record, now_us))

    @property
    def next_us(self) -> int:
        """Session time at which the next chunk must begin."""
        return self.progress.session_us or 0

    def take(self, asked: Prescribed, device: str, today: date) -> Refusal | None:
        """Notes a signed prescription for this device as the one in force. The record may have changed."""
        taken = accept(self.record, asked, device, today)
        if isinstance(taken, Refusal):
            return taken
        self.record = taken
        return None

    def load(self, text: object, asked: Prescribed, now_us: int, until_us: int | None = None) -> Refusal | None:
        """Takes the text of the prescribed programme; caps, minutes, electrode and lease are the signed ones."""
        if not isinstance(text, str):
            return Refusal("link_malformed", "load needs programme (text)")
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            return Refusal("link_malformed", f"programme: {error}")
        if hashlib.sha256(data).hexdigest() != asked.programme_sha256:
            return Refusal("programme_changed", "not the programme that was signed")
        try:
            schedule = read_schedule(data)
        except ScheduleRefused as error:
            return Refusal(error.code, str(error))
        first_us = min(schedule.first_us(channel) for channel in schedule.channels())
        ends_us = first_us + asked.minutes * 60_000_000 + limits.RAMPED_STOP_MAX_US
        caps = dict(asked.caps_ua)
        self.plan = gate.Plan(self._lines, self._full_scale_ua, schedule.cut(ends_us, asked.area_cm2), caps)
        self.plan_sha256 = plan_hash(text, caps, asked.sha256, asked.key)
        self.prescribed, self.until_us = asked, until_us
        self.lease = Lease(asked.lease_us, now_us)
        return None

    def open_day(self, day: object, today: date) -> bool:
        """Takes note of the day, if it can be believed; gives whether the record changed and must be written.

        ``day`` is the app's word, ``today`` this machine's own date. A day more than one after that (a time zone) is
        taken for unknown: it opens no new budget.
        """
        told, before = _believed(day, today), self.record
        self.record = ledger.open_day(before, None if told is None else told.isoformat())
        return self.record != before

    def see_day(self, day: object, today: date) -> bool:
        """Takes note of what the app's clock shows, which is this machine's, under the same doubt: for validity alone.
        Gives whether the record changed.
        """
        told, before = _believed(day, today), self.record
        self.record = before if told is None else ledger.see_day(before, told.isoformat())
        return self.record != before

    def debit(self, now_us: int, today: date) -> ledger.Record | Refusal:
        """The record to be written before a start: the whole session taken from the day's budget. ``today``: this
        machine's own date.
        """
        asked = self.prescribed
        if self.plan is None or asked is None:
            return Refusal("nothing_loaded", "load a programme first")
        wait_us = self.rest_us(now_us)
        if wait_us > 0:
            return Refusal("rest_pending", f"{wait_us} us of rest are still to go")
        day = ledger.latest(self.record, today)
        if day > asked.ends:
            return Refusal("prescription_expired", f"valid until {asked.ends}; {day} has come")
        if asked.kind == TREATMENT and asked.sha256 != self.record.prescription:
            return Refusal("prescription_replaced", "another one was put in force since it was loaded")
        duration_us = self.plan.schedule.duration_us
        return ledger.debit(self.record, duration_us, asked.sessions_per_day, asked.sessions_per_week)

    def rest_us(self, now_us: int) -> int:
        """How long a start must still wait, so that its first pulses come after a whole rest, and after a silence."""
        wait_us = 0
        if self.plan is not None:
            for channel in self.plan.schedule.channels():
                history = self.progress.channels[channel]
                if history.last is not None:
                    over = history.last + max(history.length_us, limits.CONTRACTION_GAP_US + 1)
                    wait_us = max(wait_us, over - now_us - self.plan.schedule.first_us(channel))
        return wait_us

    def muscle_rest_us(self, now_us: int) -> int:
        """How much of its rest the muscle still needs before another contraction: the most of both channels."""
        silence = limits.CONTRACTION_GAP_US + 1
        histories = self.progress.channels.values()
        over = [one.last + max(one.length_us, silence) for one in histories if one.last is not None]
        return max(0, max(over, default=now_us) - now_us)

    def begin(self, now_us: int) -> None:
        """A session starts, at set-point zero."""
        set_point = self.progress.set_point.restarted()
        self.progress = gate.Progress(set_point, played_us=now_us, channels=self.progress.channels)

    def resume(self, now_us: int) -> None:
        """A paused session goes on, at set-point zero."""
        set_point = self.progress.set_point.restarted()
        self.progress = replace(
            self.progress, set_point=set_point, end_us=None, zero_us=None, resumed=True, played_us=now_us
        )

    def began(self, duration_us: int, began_us: int) -> None:
        """The chunk that was approved last, of this length, was sent and begins by itself at ``began_us``."""
        self.progress = self.progress.begun(duration_us, began_us)

    def withdraw(self, waiting: Approved | None) -> None:
        """What was approved but not sent (``waiting``, if any) will not be played, and no step lies ahead any more.

        The session stands where it stood before it, at the set-point now in force under a new revision, so that a chunk
        which the app sent before it heard of this is stale.
        """
        set_point = self.progress.set_point.renewed()
        progress = self.progress if waiting is None else waiting.before
        now = self.progress
        self.progress = replace(progress, set_point=set_point, end_us=now.end_us, zero_us=now.zero_us)

    def ends(self, at_us: object, zero_us: int | None = None) -> Refusal | None:
        """From ``at_us`` on codes may only fall, and from ``zero_us`` on (500 ms later) none may come.

        Soon, since while a ramp is under way nobody looks whether the app is still there.
        """
        if type(at_us) is not int or at_us < self.next_us:
            return Refusal("end_too_early", f"at_us {at_us}; chunks are approved up to {self.next_us} us")
        if at_us - self.next_us > limits.NAMED_AHEAD_MAX_US:
            return Refusal("end_too_far", f"at_us {at_us}; chunks are approved up to {self.next_us} us")
        zero = at_us + limits.RAMPED_STOP_MAX_US if zero_us is None else zero_us
        self.progress = replace(self.progress, end_us=at_us, zero_us=zero)
        return None

    def close(self, cause: str | None, now_us: int) -> ledger.Record:
        """The session is over, in order or not; gives the record to be kept. What was not delivered is credited."""
        channels = {channel: _until(history, now_us) for channel, history in self.progress.channels.items()}
        duration = self.plan.schedule.duration_us if self.plan else 0
        record = ledger.credit(self.record, duration - max(0, self.next_us), channels)
        self.record = replace(record, cause=cause, clean=cause is None)
        self.lease = None
        self.progress = gate.Progress(self.progress.set_point.restarted(), channels=channels)
        return self.record

    def latched(self, cause: str | None, locked_by: str | None) -> None:
        """A stop: what is to be on disk of it, until a person has read it."""
        self.record = replace(self.record, clean=False, cause=cause, locked_by=locked_by)

    def not_started(self, before: ledger.Record, cause: str | None, locked_by: str | None) -> None:
        """A start came to nothing: its debit is taken back, and not what latched in the very check that refused it."""
        self.record = before
        if cause is not None:
            self.latched(cause, locked_by)

    def cut(self, line: str | None, lasted_us: int) -> None:
        """The phase that a stop has cut; None when output begins."""
        self.record = replace(self.record, cut_line=line, cut_us=lasted_us)

    def acknowledged(self) -> None:
        """A person has read the cause; ``cause`` stays, as the last one there was."""
        self.record = replace(self.record, clean=True, locked_by=None)

    def raise_(self, message: Message) -> Refusal | None:
        """A step upward at a session time that lies ahead."""
        at, to = message.get("at_us"), _currents(message)
        if self.plan is None or type(at) is not int or to is None:
            return Refusal("link_malformed", "raise needs at_us (whole number) and to_ua (channel: whole uA)")
        granted = grant_raise(self.progress.set_point, to, at, self.next_us, self.plan.schedule, self.plan.caps_ua)
        if isinstance(granted, Refusal):
            return granted
        self.progress = replace(self.progress, set_point=granted)
        return None

    def lower(self, message: Message) -> Refusal | None:
        """A lower value, at once."""
        to = _currents(message)
        if not to:
            return Refusal("link_malformed", "lower needs to_ua (channel: whole uA)")
        lowered = self.progress.set_point.lowered(to)
        if isinstance(lowered, Refusal):
            return lowered
        self.progress = replace(self.progress, set_point=lowered)
        return None

    def not_checkable(self, now_us: int) -> Refusal | None:
        """The check gives 2 mA: only to channels that are to be used and may have as much, not again and again, and
        only for a page that was heard of."""
        if self.plan is None:
            return Refusal("nothing_loaded", "load a programme first")
        for channel in self.plan.schedule.channels():
            if self.plan.caps_ua[channel] < CHECK_UA:
                words = f"{channel}: cap {self.plan.caps_ua[channel]} uA; the electrode check needs {CHECK_UA}"
                return Refusal("over_cap", words)
        if self.check_wait_us(now_us) > 0:
            return Refusal("check_too_soon", f"another one in {self.check_wait_us(now_us)} us")
        return self.not_heard(now_us)

    def check_wait_us(self, now_us: int) -> int:
        """How long another electrode check must still wait."""
        return 0 if self.checked_us is None else max(0, self.checked_us + limits.CHECKS_APART_US - now_us)

    def not_heard(self, now_us: int) -> Refusal | None:
        """Nothing becomes stronger unless the person's page was heard of within a second."""
        held = self.lease
        if held is None or not held.increase_allowed(now_us):
            age = None if held is None else held.age_us(now_us)
            return Refusal("lease_stale", f"the page was last heard of {age} us ago")
        return None

    def read_ahead(self, pulses: bytes) -> Iterator[None]:
        """Decodes a chunk in slices, before it is judged."""
        return gate.read_ahead(pulses, self._lines)

    def judge(self, start_us: int, revision: int, pulses: bytes, now_us: int) -> gate.Approval | Refusal:
        """The gate's word on a chunk."""
        if self.plan is None:
            return Refusal("nothing_loaded", "load a programme first")
        ahead = self.progress.set_point.ahead
        if ahead is not None and start_us >= ahead.at_us and self.not_heard(now_us) is not None:
            self.withdraw(None)  # whoever asked for the step is gone: a chunk made for it is stale
        return gate.judge(self.plan, self.progress, start_us, revision, pulses, now_us)


def _until(history: gate.History, now_us: int) -> gate.History:
    """A channel's history with what was approved but not played before ``now_us`` left out.

    What its last pulses were is forgotten: whatever comes next, comes after a silence.
    """
    if history.first is None or history.last is None:
        return history
    if history.first > now_us:  # the contraction under way never began: the one before it came last
        return gate.History(now_us - history.before_us, now_us)
    last = min(history.last, now_us)
    return gate.History(last - replace(history, last=last).length_us, last)


def _believed(day: object, today: date) -> date | None:
    """An ISO date, at most a day after this machine's; None for anything that is none: an unknown day."""
    try:
        told = date.fromisoformat(day) if isinstance(day, str) else None
    except ValueError:
        return None
    return None if told is None or told > today + timedelta(days=1) else told


def _currents(message: Message) -> dict[str, int] | None:
    """``to_ua`` of a message when it is a table of channels and whole uA."""
    to = message.get("to_ua")
    if isinstance(to, dict) and all(
        key in CHANNELS and type(value) is int and abs(value) <= limits.FULL_SCALES_UA[-1] for key, value in to.items()
    ):
        return to
    return None
