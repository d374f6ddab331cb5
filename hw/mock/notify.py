"""Notifications: reports of level changes to clients that asked, as the daemon's alert thread sends them.

The daemon samples all lines every few us and reports a change of a monitored line with the sample's tick; shorter
pulses are not seen. Reports are collected and sent at most REPORT_DELAY_US after the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hw.mock.content import Content, Ops
from hw.mock.follow import Follower, between
from hw.mock.glitch import GlitchFilters
from hw.mock.lines import Lines
from hw.mock.noise import NoiseFilters
from hw.mock.pipes import Pipe
from hw.mock.protocol import NOTIFY_SLOTS, REPORT, Err
from hw.mock.watchdog import Watchdogs

REPORT_DELAY_US = 1_000
KEEP_ALIVE_US = 60_000_000
FLAG_EVENT, FLAG_ALIVE, FLAG_WATCHDOG = 128, 64, 32
TIMEOUT = 2
"""What a listener is told in place of a level when a watchdog is due."""
Listener = Callable[[int, int], None]
"""Hears of a line's levels and their ticks, within the daemon."""
_WORD = 0xFFFF_FFFF


@dataclass
class Handle:
    """One notification handle: where its reports go, which lines, which events."""

    owner: object
    send: Callable[[bytes], None]
    last_report: int
    running: bool = False
    bits: int = 0
    event_bits: int = 0
    sequence: int = 0


class Notifier(Follower[Ops]):
    """All handles, and the level changes not yet reported. ``due`` is when it next has something to do.

    ``on_change`` is told which lines changed whenever changes were reported.
    """

    periodic = True

    def __init__(self, lines: Lines, sample_us: int) -> None:
        super().__init__(lines)
        self.lines = lines
        self.sample_us = sample_us
        self.handles: list[Handle | None] = [None] * NOTIFY_SLOTS
        self._open: list[Handle] = []
        self._event_bits = [0] * NOTIFY_SLOTS
        self.monitor = 0
        self.due: int | None = None
        self.on_change: Callable[[int], None] = lambda bits: None
        self._waited_for = 0
        self._listeners: dict[int, Listener] = {}
        self._filters = GlitchFilters(sample_us)
        self._noise = NoiseFilters(sample_us)
        self._dogs = Watchdogs(REPORT_DELAY_US)
        self._woken = 0
        self._false_alarm: int | None = None
        self._level = 0
        self._raw: list[tuple[int, int]] = []
        self._taken = 0
        self._reported = 0
        self._changes: list[tuple[int, int]] = []
        self._seen = 0
        self.tick_offset = 0
        self._delay_us = REPORT_DELAY_US
        self._latch_played = 0
        self.jitter_us = 0
        """By how much an edge may be seen late at most, by chance: of the same seed the same."""
        self._chance = Random(0)

    # Commands

    def open(self, owner: object, send: Callable[[bytes], None], now: int) -> int:
        """A handle for reports over a connection. Any other handle of that connection is closed."""
        for number, handle in enumerate(self.handles):
            if handle is None:
                self.close_all(owner, now)
                self.handles[number] = Handle(owner, send, now, event_bits=self._event_bits[number])
                self._count_open()
                self._plan(now)
                return number
        return Err.NO_HANDLE

    def begin(self, number: int, bits: int, now: int) -> int:
        """Reports changes of the lines in ``bits`` from now on."""
        handle = self._find(number)
        if handle is None:
            return Err.BAD_HANDLE
        if not handle.running or handle.bits != bits:
            handle.bits, handle.running = bits, True
            self._watch(now)
        return 0

    def pause(self, number: int, now: int) -> int:
        handle = self._find(number)
        if handle is None:
            return Err.BAD_HANDLE
        handle.bits, handle.running = 0, False
        self._watch(now)
        return 0

    def close(self, number: int, now: int) -> int:
        handle = self._find(number)
        if handle is None:
            return Err.BAD_HANDLE
        if isinstance(handle.owner, Pipe):
            handle.owner.close()
        self.handles[number] = None
        self._watch(now)
        return 0

    @property
    def free(self) -> int | None:
        """The number that the next handle will have."""
        return self.handles.index(None) if None in self.handles else None

    def close_all(self, owner: object, now: int) -> None:
        """Closes the handles of a connection that ended."""
        mine = [number for number, handle in enumerate(self.handles) if handle is not None and handle.owner is owner]
        for number in mine:
            self.handles[number] = None
        if mine:
            self._watch(now)

    def restart(self, now: int) -> None:
        """As in a new daemon: no handles, and nothing of what clients asked for."""
        for number in range(NOTIFY_SLOTS):
            self.close(number, now)
        self._event_bits = [0] * NOTIFY_SLOTS
        self._filters = GlitchFilters(self.sample_us)
        self._noise = NoiseFilters(self.sample_us)
        self._dogs = Watchdogs(REPORT_DELAY_US)
        self._watch(now)

    def events(self, number: int, bits: int) -> int:
        """Reports events of ``bits`` from now on, also to who gets the handle next: the daemon does not forget them."""
        handle = self._find(number)
        if handle is None:
            return Err.BAD_HANDLE
        handle.event_bits = self._event_bits[number] = bits
        return 0

    def trigger(self, event: int, now: int) -> int:
        """An event happens and is reported at once."""
        if event > 31:
            return Err.BAD_EVENT_ID
        for handle in self.handles:
            if handle is not None and handle.event_bits >> event & 1:
                self._send(handle, [(FLAG_EVENT | event, now, self.lines.levels(now))], now)
        return 0

    def late(self, us: int, now: int) -> None:
        """Has the alert thread look at what was sampled so much later than it does by itself."""
        self._delay_us = REPORT_DELAY_US + us
        self._plan(now)

    def filter(self, gpio: int, steady_us: int, now: int) -> None:
        """Reports a line's changes only once they have lasted so long; 0 reports all.

        Like the daemon's, filters are asked when changes are about to be reported, so a new one sees those too.
        """
        self.lines.run_to(now)
        self.advance(now)
        self._filters.put(gpio, steady_us, self._taken, self._raw[0][0] if self._raw else now)
        self._plan(now)

    def noise_filter(self, gpio: int, steady_us: int, active_us: int, now: int) -> None:
        """Reports a line's changes only for ``active_us`` from one that came after a quiet time; 0 reports all."""
        self.lines.run_to(now)
        self.advance(now)
        self._noise.put(gpio, steady_us, active_us, now, self._filters.shown(self._taken))
        if self.monitor >> gpio & 1:
            self._raw.append((-(-now // self.sample_us) * self.sample_us, self._level))
        self._plan(now)

    def watch(self, gpio: int, timeout_us: int, now: int) -> None:
        """Reports a line whenever it has not changed for so long; 0 ends it."""
        self._dogs.put(gpio, timeout_us, now)
        self._plan(now)

    def listen(self, gpio: int, listener: Listener | None, now: int) -> None:
        """Has a part of the daemon hear of a line, or (None) no longer."""
        if listener is None:
            self._listeners.pop(gpio, None)
        else:
            self._listeners[gpio] = listener
        self._watch(now)

    def wait_for(self, bits: int, now: int) -> None:
        """Which lines scripts wait for."""
        if bits != self._waited_for:
            self._waited_for = bits
            self._watch(now)

    def _count_open(self) -> None:
        self._open = [handle for handle in self.handles if handle is not None]

    def _find(self, number: int) -> Handle | None:
        return self.handles[number] if number < NOTIFY_SLOTS else None

    # Time

    def news(self, now: int) -> None:
        """Something may have been recorded since the last call: looks at it if anybody wants to know."""
        if self.monitor and self._seen != len(self.record):
            self._seen = len(self.record)
            self.advance(now)
            self._plan(now)

    def fire(self, now: int) -> None:
        """Sends the reports that are due."""
        timeout = self._dogs.next_tick
        if self.monitor:
            self.lines.run_to(now)
            self.advance(now)
        due = self._next_report()
        if (due is not None and due <= now) or (timeout is not None and timeout <= now):
            self._filter_to(now)
            self._report(now)
        if timeout is not None and timeout <= now:
            self._time_out(now)
        for handle in self._open:
            if now - handle.last_report > KEEP_ALIVE_US:
                self._send(handle, [(FLAG_ALIVE, now, self.lines.levels(now))], now)
        self._plan(now)
        if self._false_alarm is not None and self._false_alarm <= now:
            self._false_alarm = None
            self._woken |= self._taken & self._waited_for
        if self._woken:
            woken, self._woken = self._woken, 0
            self.on_change(woken)

    def _time_out(self, now: int) -> None:
        for gpio in self._dogs.due(now):
            if gpio in self._listeners:
                self._listeners[gpio](TIMEOUT, now)
            for handle in self.handles:
                if handle is not None and handle.running and handle.bits >> gpio & 1:
                    self._send(handle, [(FLAG_WATCHDOG | gpio, now, self.lines.levels(now))], now)

    def _plan(self, now: int) -> None:
        due: list[int] = [handle.last_report + KEEP_ALIVE_US + 1 for handle in self._open]
        report = self._next_report()
        if report is not None:
            due.append(max(now, report))
        if self.monitor and not self._raw and (event := self.next_event()) is not None:
            due.append(max(now, event + self.sample_us + self._delay_us))
        if self._false_alarm is not None:
            due.append(max(now, self._false_alarm))
        if (timeout := self._dogs.next_tick) is not None:
            due.append(max(now, timeout))
        self.due = min(due, default=None)

    def _next_report(self) -> int | None:
        """When what was sampled is looked at: the alert thread does so about every millisecond."""
        due = self._raw[0][0] if self._raw else None
        for tick in (self._filters.next_tick, self._noise.next_tick):
            if tick is not None and (due is None or tick < due):
                due = tick
        return None if due is None else due + self._delay_us

    def _watch(self, now: int) -> None:
        """The set of monitored lines changed: what was not monitored counts as reported."""
        self._count_open()
        self.lines.run_to(now)
        self.advance(now)
        monitor = self._waited_for
        for gpio in self._listeners:
            monitor |= 1 << gpio
        for handle in self.handles:
            if handle is not None and handle.running:
                monitor |= handle.bits
        self._level = self.lines.joined(self.shown_now())
        new = monitor & ~self.monitor
        if not self._raw:
            self._taken = self._level
        if new & self._level & self._waited_for:
            # A line that nobody looked at before counts as low before, for scripts: one that is high has changed.
            self._false_alarm = now + REPORT_DELAY_US
        self._reported = self._reported & ~new | self._shown(self._level) & new
        self.monitor = monitor
        self.periodic = not monitor
        if self.block is not None and self._track is not None:
            self._fresh_next = now - self._base
            self._end_track(self._fresh_next)
            self._resume()
        self._plan(now)

    def _shown(self, level: int) -> int:
        """A word of levels as the filters have it reported."""
        return self._noise.shown(self._filters.shown(level))

    def _report(self, now: int) -> None:
        changes, self._changes = self._changes, []
        if not changes:
            return
        level_before = self._reported
        for tick, level in changes:
            change = (level ^ level_before) & self.monitor
            self._woken |= change & self._waited_for
            self._dogs.changed(tick, level, self.monitor)
            for gpio in [gpio for gpio in self._listeners if change >> gpio & 1]:
                self._listeners[gpio](level >> gpio & 1, tick)
            level_before = level
        for handle in self._open:
            if not handle.running:
                continue
            bits, before = handle.bits, self._reported & handle.bits
            reports: list[tuple[int, int, int]] = []
            for tick, level in changes:
                if level & bits != before:
                    before = level & bits
                    reports.append((0, tick, level))
            if reports:
                self._send(handle, reports, now)
        self._reported = changes[-1][1]

    def _send(self, handle: Handle, reports: list[tuple[int, int, int]], now: int) -> None:
        parts: list[bytes] = []
        for flags, tick, level in reports:
            parts.append(REPORT.pack(handle.sequence, flags, tick + self.tick_offset & _WORD, level))
            handle.sequence = handle.sequence + 1 & 0xFFFF
        handle.last_report = now
        handle.send(b"".join(parts))

    # Following the record

    def make_track(self, content: Content, after_us: int) -> Ops:
        live = self._followed & content.touched & self.outputs
        if not live:
            return Ops((), (), ())
        key = ("marks", live)
        found = content.extra.get(key) if after_us < 0 else None
        if isinstance(found, Ops):
            return found
        ops = content.ops() if after_us < 0 else between(content.ops(), after_us, content.total_us)
        marks = _condense(ops, live)
        if after_us < 0:
            content.extra[key] = marks
        return marks

    def play(self, track: Ops, base: int, start: int, stop: int) -> None:
        latch = self.latch if start == 0 else self._latch_played
        for index in range(start, stop):
            latch = (latch | track.ons[index]) & ~track.offs[index]
            self._see(base + track.times[index], latch & self.outputs | self.inputs & ~self.outputs)
        self._latch_played = latch

    def changed(self, tick: int, before: int) -> None:
        """See the whole level: the wave's own lines as played so far."""
        block = self.block
        playing = block.content.touched & self.outputs if block is not None and self._track is not None else 0
        if playing:
            self._latch_played = self._latch_played & playing | self.latch & ~playing
        self._see(tick, self._level & playing | self.shown & ~playing)

    @property
    def _followed(self) -> int:
        """The monitored lines, and those that jumper wires join them to."""
        return self.monitor | sum(source for source, end in self.lines.jumpers if end & self.monitor & ~source)

    def _see(self, tick: int, level: int) -> None:
        level = self.lines.joined(level)
        if (level ^ self._level) & self.monitor:
            if self.jitter_us:
                tick = max(tick + self._chance.randint(0, self.jitter_us), self._raw[-1][0] + 1 if self._raw else tick)
            sample = -(-tick // self.sample_us) * self.sample_us
            if self._raw and self._raw[-1][0] == sample:
                self._raw[-1] = (sample, level)
            else:
                self._raw.append((sample, level))
        self._level = level

    def _filter_to(self, now: int) -> None:
        """Has everything that was sampled pass the filters."""
        raw, self._raw = self._raw, []
        for sample, level in raw:
            self._ripen(sample)
            self._note(self._filters.take(sample, level))
            self._taken = level
        self._ripen(now)

    def _ripen(self, tick: int) -> None:
        self._note(self._filters.ripen(tick, self._taken))
        self._append(self._noise.ripen(tick))

    def _note(self, changes: list[tuple[int, int]]) -> None:
        """Changes that passed the glitch filters go through the noise filters."""
        for sample, level in changes:
            self._append(self._noise.take(sample, level))

    def _append(self, changes: list[tuple[int, int]]) -> None:
        for sample, level in changes:
            if self._changes and self._changes[-1][0] == sample:
                self._changes[-1] = (sample, level)
            else:
                self._changes.append((sample, level))


def _condense(ops: Ops, mask: int) -> Ops:
    """Joins the writes between those that touch ``mask`` with them: same levels at these, fewer writes."""
    times: list[int] = []
    ons: list[int] = []
    offs: list[int] = []
    set_, clear = 0, 0
    for time, on, off in zip(ops.times, ops.ons, ops.offs, strict=True):
        set_ = (set_ | on) & ~off
        clear = clear & ~on | off
        if (on | off) & mask:
            times.append(time)
            ons.append(set_)
            offs.append(clear)
            set_ = clear = 0
    return Ops(times, ons, offs)
