"""The board behind the pins: it follows the record of the lines, and drives the lines that are its own.

It is computed as far as somebody looks at it, but where it could trip: then it is there at the tick (``due``).
Currents in mA, voltages in V, ticks in us.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hw.board import PHASE_LINES, Board
from hw.mock.adc import Converter
from hw.mock.channel import Channel, Point, Supply
from hw.mock.content import Content, Ops
from hw.mock.dac import FOR_EVER, DacPins, Latches, Program, Serial, decode, share, surveyed
from hw.mock.follow import Follower, between
from hw.mock.lines import Block, Lines
from hw.mock.load import Electrode, Load, drifting
from hw.mock.switch import DROP_OUT_US, HEADROOM_VOLT, RAIL_NF, RAIL_TIME_CONSTANT_US, Switch
from hw.mock.trips import OVER, PHASE_US, Trips

PULLED_UP: Final = ("DAC_CS_N", "FAULT_N", "ESTOP_A")
PULLED_DOWN: Final = ("PEAK_RESET", "ESTOP_B", "POWER_OK")
"""External 10 kohm resistors."""
CHANNELS: Final = ("A", "B")

_SETTLED_US: Final = 10_000_000
"""Rounds of a repeating wave after this time leave every filter as it was (the slowest has 1 s)."""
_SETTLED_ROUNDS: Final = 20_000


@dataclass
class Inputs:
    """What the board itself puts on its input lines (None: lets go), and what a test forces over it."""

    own: dict[int, int | None] = field(default_factory=dict)
    forced: dict[int, int] = field(default_factory=dict)


@dataclass
class Button:
    """The emergency-stop button: contacts (1-3) that its head opens now, that are welded, and whose wire is cut."""

    pressed: frozenset[int] = frozenset()
    welded: set[int] = field(default_factory=set)
    cut: set[int] = field(default_factory=set)

    @property
    def open(self) -> frozenset[int]:
        return self.pressed - self.welded | self.cut


class BoardModel(Follower[Program]):
    """The board at the place in the record where it is. ``load_ohm``: a plain resistor instead of electrodes."""

    periodic = True

    def __init__(self, board: Board, lines: Lines, load_ohm: float | None = None, seed: int = 0) -> None:
        super().__init__(lines)
        self.board = board
        self.lines = lines
        self.due: int | None = None
        self.on_wave: Callable[[int], None] | None = None
        """Is told once when the next wave begins to play."""
        self.on_pulse: Callable[[int, float, int], None] | None = None
        """Is told of each X_POS phase that has ended: when it began, mA at its end, us."""
        self.switch = Switch(Supply(board.compliance_v, HEADROOM_VOLT, RAIL_NF, RAIL_TIME_CONSTANT_US))
        series_nf = board.series_capacitor_uf * 1000
        self.channels: dict[str, Channel] = {}
        for name in CHANNELS:
            electrode = drifting(seed, name) if load_ohm is None else Electrode(Load.resistor(load_ohm))
            self.channels[name] = Channel(self.switch.supply, series_nf, electrode, lines.start)
        self._all = tuple(self.channels.values())
        self.trips = Trips()
        self.latches = Latches()
        self.button = Button()
        self.converter = Converter(board.adc.vref_mv / 1000, board.adc.bits, seed)
        self.reference_volt = board.adc.reference_mv / 1000
        self._inputs = self._wire_inputs()
        self.battery_low = False
        self.put = Inputs()
        self._full_ma = board.full_scale_ua / 1000
        self._dac = DacPins(*(board[name].mask for name in ("DAC_SDI", "DAC_SCK", "DAC_CS_N")))
        self._enable, self._keepalive = board["OUTPUT_ENABLE"].mask, board["KEEPALIVE"].mask
        self._peak_reset, self._fault_reset = board["PEAK_RESET"].mask, board["FAULT_RESET"].mask
        self._bridges = tuple(
            (name, channel, board[f"{name}_POS"].mask, board[f"{name}_NEG"].mask)
            for name, channel in self.channels.items()
        )
        self._phases = board.mask(*PHASE_LINES)
        self._others = self._phases | self._enable | self._keepalive | self._peak_reset | self._fault_reset
        self._pins = 0
        self._stuck = self._stuck_high = 0
        self._deadline = FOR_EVER
        self._seen = 0
        self._converted = (-1, 0)
        self._serial = Serial(self._dac.cs_n)
        lines.resistors_up = board.mask(*PULLED_UP)
        lines.resistors_down = board.mask(*PULLED_DOWN)
        for name, level in (("POWER_OK", 1), ("ESTOP_A", 0), ("ESTOP_B", 1)):
            self._own(name, level, lines.start)
        lines.power_on()

    # What happens to it from outside

    def press(self, contacts: frozenset[int], now: int) -> None:
        """The mushroom button: which of its contacts (1-3) its head opens now; none when it is released."""
        self.button.pressed = contacts
        self.rewired(now)

    def force(self, gpio: int, level: int | None, now: int) -> None:
        """Puts an input line at a level whatever the board says; None gives it back to the board."""
        if level is None:
            self.put.forced.pop(gpio, None)
        else:
            self.put.forced[gpio] = level
        self.lines.drive(gpio, self.put.forced.get(gpio, self.put.own.get(gpio)), now)

    def load(self, channel: str, ohm: float | None, now: int) -> None:
        """Puts a plain resistor on a channel; None is an open lead."""
        self.connect(channel, Electrode(Load.resistor(ohm)), now)

    def connect(self, channel: str, electrode: Electrode, now: int) -> None:
        """Changes what a channel is connected to."""
        self.bring(now)
        self.channels[channel].connect(electrode)
        self.rewired(now)

    def stick(self, mask: int, level: int | None, now: int) -> None:
        """The board sees lines at a level whatever the pins show (None: it sees the pins again)."""
        self.update(now)
        before = self.shown
        if self.block is not None:
            self._fresh_next = now - self._base
            self._end_track(self._fresh_next)
        self._stuck = self._stuck & ~mask if level is None else self._stuck | mask
        self._stuck_high = self._stuck_high & ~mask | (mask if level else 0)
        self.changed(now, before)
        self._resume()
        self._plan(now)

    def short(self, name: str, high: bool, now: int) -> None:
        """A pin is joined to 3.3 V or ground: it shows that level, and the board sees it, whatever is written."""
        mask, lines = self.board[name].mask, self.lines
        lines.short_high, lines.short_low = (mask, 0) if high else (0, mask)
        self.stick(mask, int(high), now)

    def trip(self, now: int) -> None:
        """The current trip latches, whatever flows."""
        self.bring(now)
        self._latch(now)
        self._plan(now)

    def bring(self, now: int) -> None:
        """Follows everything up to and with a tick, so that something can be changed."""
        self.update(now)
        for channel in self._all:
            channel.step(now)

    def rewired(self, now: int) -> None:
        """Something was changed: button, charger, switch, source or trips. Puts the consequences in place."""
        self.bring(now)
        self.switch.stopped = 1 in self.button.open
        self.switch.update(now)
        for name, contact, closed in (("ESTOP_A", 2, 0), ("ESTOP_B", 3, 1)):
            self._own(name, None if contact in self.button.open else closed, now)
        self._own("POWER_OK", None if self.battery_low or self.switch.charger else 1, now)
        self._watch_currents(now)
        self._plan_deadline()
        self._plan(now)

    def ask(self, channel: str, word: int, now: int) -> None:
        """The DAC puts out a word of its own accord."""
        self.bring(now)
        self._set_source(channel, share(word), now)
        self._plan(now)

    def update(self, now: int) -> None:
        """Follows everything up to and with a tick."""
        self.lines.run_to(now)
        self.advance(now)
        self._expire_all(now)

    def _own(self, name: str, level: int | None, now: int) -> None:
        gpio = self.board[name].gpio
        if gpio not in self.put.own or self.put.own[gpio] != level:
            self.put.own[gpio] = level
            self.lines.drive(gpio, self.put.forced.get(gpio, level), now)

    # When to look

    def news(self, now: int) -> None:
        """Something may have been recorded since the last call."""
        if self._seen != len(self.record):
            if self.on_wave is not None:
                self._look_for_a_wave(self.on_wave, now)
            self.update(now)
            self._plan(now)

    def _look_for_a_wave(self, found: Callable[[int], None], now: int) -> None:
        """Finds the first wave of a session: a self-test's play with OUTPUT_ENABLE low, an electrode check's empty the
        peak holds."""
        check = self.board["PEAK_RESET"].mask
        for entry in self.record[self._seen :]:
            if not isinstance(entry, Block) or entry.content.touched & check:
                continue
            if self.lines.levels(now) & self._enable:
                self.on_wave = None
                found(entry.tick)
                return

    def fire(self, now: int) -> None:
        """``due`` has come."""
        self.update(now)
        self._plan(now)

    def _plan(self, now: int) -> None:
        self._seen = len(self.record)
        due = self.trips.due()
        if self._risky():
            following = self.next_event()
            if following is not None and (due is None or following < due):
                due = following
        self.due = None if due is None else max(due, now)

    def _risky(self) -> bool:
        """Whether the wave that plays could trip something, or re-arm it."""
        track = self._track
        if track is None:
            return False
        if self.trips.latched:
            return bool(track.touched & self._fault_reset)
        if track.longest_us >= PHASE_US and self.trips.one_shot_works:
            return True
        if not self.trips.comparator_works or self.switch.supply.at(self._reached) < HEADROOM_VOLT:
            return False
        asked = self.latches.loudest(track) * self._full_ma
        most = OVER * self._full_ma
        return any(max(channel.asked_ma, asked) * channel.most_gain > most for channel in self._all)

    # What can be measured

    def _wire_inputs(self) -> dict[int, Callable[[int], float]]:
        """What each input of the converter (0-7) is wired to: its voltage at the tick that the board was brought to."""
        adc, supply, full_scale_ua = self.board.adc, self.switch.supply, self.board.full_scale_ua
        a, b = self.channels["A"], self.channels["B"]

        def average(output: Channel) -> float:
            return (adc.average_zero_mv + output.average_ma * adc.average_mv_per_ma) / 1000

        return dict.fromkeys(range(8), lambda now: 0.0) | {
            adc.rail: lambda now: supply.at(now) / adc.rail_divider,
            adc.reference: lambda now: self.reference_volt,
            adc.peak_a: lambda now: a.peak_ma * adc.peak_full_scale_mv / full_scale_ua,
            adc.peak_b: lambda now: b.peak_ma * adc.peak_full_scale_mv / full_scale_ua,
            adc.electrode_a: lambda now: a.peak_volt / adc.electrode_divider,
            adc.electrode_b: lambda now: b.peak_volt / adc.electrode_divider,
            adc.average_a: lambda now: average(a),
            adc.average_b: lambda now: average(b),
        }

    def convert(self, channel: int, single: bool, now: int) -> int:
        """What the converter makes of an input (12 bits, VREF of the board file), or of a pair of them."""
        if self._converted != (now, len(self.record)):  # else nothing has happened since the last input was looked at
            self.bring(now)
            self._converted = now, len(self.record)

        volt = self._inputs[channel](now)
        return self.converter.convert(channel, single, now, volt if single else volt - self._inputs[channel ^ 1](now))

    def record_current(self, now: int) -> None:
        """Keeps current and voltage of the electrodes from now on."""
        self.bring(now)
        for channel in self._all:
            channel.record()

    def recorded(self, now: int) -> dict[str, list[Point]] | None:
        """What was kept, up to now; None if nothing is."""
        self.bring(now)
        kept = {name: channel.points for name, channel in self.channels.items() if channel.points is not None}
        return kept or None

    # Following the record

    def make_track(self, content: Content, after_us: int) -> Program:
        seen = self.outputs & ~self._stuck
        live, others = self._dac.mask & seen, self._others & seen
        if not content.touched & (live | others):
            return Program((), (), self._serial)
        key = ("board", self._serial, live, others)
        found = content.extra.get(key) if after_us < 0 else None
        if isinstance(found, Program):
            return found
        ops = content.ops() if after_us < 0 else between(content.ops(), after_us, content.total_us)
        program = surveyed(decode(ops, self._serial, self._dac, live, others), self._phases)
        if after_us < 0:
            content.extra[key] = program
        return program

    def entangled(self, lines: int) -> int:
        """What the DAC's lines mean depends on each other."""
        return lines | self._dac.mask if lines & self._dac.mask else lines

    def leave_track(self, track: Program, content: Content, after_us: int, until_us: int | None) -> None:
        if until_us is None:
            self._serial = track.exit
        else:
            part = between(content.ops(), after_us, until_us)
            live = self._dac.mask & self.outputs & ~self._stuck
            self._serial = decode(part, self._serial, self._dac, live, 0).exit

    def play(self, track: Program, base: int, start: int, stop: int) -> None:
        events, times = track.events, track.times
        for index in range(start, stop):
            on, off, word = events[index]
            tick = base + times[index]
            if tick >= self._deadline:
                self._expire_all(tick)
            if word is not None:
                self._put_out(word, tick)
            if on and off:
                self._become(self._pins | on, tick)
            if on or off:
                self._become((self._pins | on) & ~off, tick)

    def changed(self, tick: int, before: int) -> None:
        # While a wave plays, the latch of the lines it touches is behind; those the wave itself keeps up to date.
        if tick >= self._deadline:
            self._expire_all(tick)
        block = self.block
        playing = block.content.touched & self.outputs if block is not None and self._track is not None else 0
        playing &= ~self._stuck
        shown = self.shown & ~self._stuck | self._stuck_high
        dac = self._dac.mask & ~playing
        serial = self._serial.pins & ~dac | shown & dac
        if serial != self._serial.pins:
            ops = Ops((0,), (serial & ~self._serial.pins,), (self._serial.pins & ~serial,))
            program = decode(ops, self._serial, self._dac, self._dac.mask, 0)
            self._serial = program.exit
            for _, _, word in program.events:
                if word is not None:
                    self._put_out(word, tick)
        others = self._others & ~playing
        self._become(self._pins & ~others | shown & others, tick)

    def _skipped(self, elapsed_us: int, total_us: int) -> int:
        """Rounds are left out only once every filter has settled, and not past something that happens by itself."""
        if any(channel.points is not None for channel in self._all):
            return 1
        kept = min(_SETTLED_ROUNDS, _SETTLED_US // total_us)
        if self._round < kept:
            return 1
        rounds = super()._skipped(elapsed_us, total_us) - kept
        rounds = min(rounds, (self._deadline - self._base) // total_us - 1)
        if rounds <= 1:
            return 1
        for channel in self._all:
            if channel.tick >= self._base - total_us:
                channel.tick += rounds * total_us
        return rounds

    def _become(self, pins: int, tick: int) -> None:
        """The lines other than the DAC's show this from a tick on."""
        change = pins ^ self._pins
        self._pins = pins
        if not change:
            return
        if change & self._phases:
            self._bridge(change, tick)
        if change & (self._keepalive | self._enable):
            switch = self.switch
            if change & self._keepalive:
                switch.kept_until = tick + DROP_OUT_US
            switch.enable = bool(pins & self._enable)
            if switch.closes(tick) != switch.closed:
                for channel in self._all:
                    channel.step(tick)
                switch.update(tick)
                self._watch_currents(tick)
            self._plan_deadline()
        if change & self._peak_reset:
            for channel in self._all:
                channel.step(tick)
                channel.reset_peaks(held=bool(pins & self._peak_reset))
        if change & self._fault_reset and self.trips.reset(pins & self._fault_reset, tick):
            self._own("FAULT_N", None, self._reached)
            self._bridge(self._phases, tick)

    def _bridge(self, change: int, tick: int) -> None:
        """Phase lines changed, or the latch that opens the bridges did."""
        trips, pins = self.trips, self._pins
        trips.phases(change & self._phases, pins, tick)
        for name, channel, positive, negative in self._bridges:
            if change & (positive | negative):
                channel.step(tick)
                if self.on_pulse is not None and channel.polarity > 0:
                    self.on_pulse(channel.phase_since, channel.source_ma(), tick - channel.phase_since)
                channel.phase_since = tick
                up, down = bool(pins & positive), bool(pins & negative)
                if trips.latched:
                    up = down = False
                channel.polarity = up - down
                channel.crossed = up and down
                self._watch_current(name, channel, tick)
        self._plan_deadline()

    def _put_out(self, word: int, tick: int) -> None:
        found = self.latches.take(word)
        if found is not None:
            self._set_source(*found, tick)

    def _set_source(self, name: str, part: float, tick: int) -> None:
        channel = self.channels[name]
        channel.step(tick)
        channel.ask(part * self._full_ma)
        if channel.polarity or channel.crossed:
            self._watch_current(name, channel, tick)
            self._plan_deadline()

    # Trips

    def _watch_currents(self, tick: int) -> None:
        for name, channel in self.channels.items():
            self._watch_current(name, channel, tick)

    def _watch_current(self, name: str, channel: Channel, tick: int) -> None:
        """The comparator sees a change; while the DAC settles, what it settles to counts."""
        most = OVER * self._full_ma
        over = channel.asked_ma * channel.most_gain > most and channel.settled_ma() > most
        if over or self.trips.over_since:
            self.trips.current(name, over, tick)

    def _plan_deadline(self) -> None:
        tick = self.trips.due()
        drop = self.switch.drops_at()
        if tick is None or (drop is not None and drop < tick):
            tick = drop
        self._deadline = FOR_EVER if tick is None else tick

    def _expire_all(self, tick: int) -> None:
        while self._deadline <= tick:
            self._expire(self._deadline)

    def _expire(self, tick: int) -> None:
        """What happens by itself at a tick: the switch drops out, or something trips."""
        for channel in self._all:
            channel.step(tick)
        if self.switch.drops_at() == tick:
            self.switch.update(tick)
        if self.trips.due() == tick:
            self._watch_currents(tick)  # a capacitor may have taken the current away meanwhile
            if self.trips.due() == tick:
                self._latch(tick)
        self._plan_deadline()

    def _latch(self, tick: int) -> None:
        self.trips.latched = True
        self._own("FAULT_N", 0, max(tick, self._reached))
        self._bridge(self._phases, tick)
