"""A programme file of format version 1: the exact model, and the strict reader that makes one.

Times are whole microseconds and every other figure an exact Fraction, taken from the decimals as the file writes
them. Whatever is read here could pass the gate's rules of time at some set-point; whether it may at a given maximum
is the question of ``controller.figures``. Refusals come as InputRefused with all reasons at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from controller.strict_toml import Fields, Lines, Words, parse_toml, plain, printable, read_small_file
from safety import limits
from safety.errors import InputRefused, Problem

SCHEMA: Final = 1
ID_MAX_CHARACTERS: Final = 64
TITLE_MAX_CHARACTERS: Final = 100
SOURCE_MAX_CHARACTERS: Final = 1_000
EVIDENCE_MAX_CHARACTERS: Final = 800
ELECTRODE_KINDS: Final = ("vaginal probe", "anal probe", "surface")
AREA_MIN_CM2: Final = Fraction(limits.AREA_MIN_MM2, 100)
AREA_MAX_CM2: Final = Fraction(limits.AREA_MAX_MM2, 100)
CHANNELS: Final[Mapping[str, tuple[str, ...]]] = {"A": ("A",), "B": ("B",), "AB": ("A", "B")}
SHIPPED: Final = Path(__file__).with_name("programmes")

_TOP: Final = ("schema", "id", "title", "source", "evidence", "electrode", "cycles", "phase")
_PULSE: Final = ("name", "channel", "frequency_hz", "phase_width_us", "interphase_us", "ramp_up_ms")
_CONTRACTION: Final = (*_PULSE, "hold_ms", "ramp_down_ms", "rest_ms", "repeats", "intensity_percent")
_CONTINUOUS: Final = (*_PULSE, "continuous_s", "ramp_down_ms", "intensity_percent")
_PAUSE: Final = ("name", "pause_s")
_SESSION_S: Final = Fraction(limits.SESSION_MAX_US, 1_000_000)
_SESSION_MS: Final = limits.SESSION_MAX_US // 1_000
_CONTRACTION_MS: Final = limits.CONTRACTION_MAX_US // 1_000


@dataclass(frozen=True)
class Electrode:
    """The electrode the figures are made for: its kind and the area of its smallest contact in cm2."""

    kind: str
    area_cm2: Fraction


@dataclass(frozen=True)
class Stimulation:
    """A phase with pulses: ``repeats`` contractions with their rests, or one continuous stretch.

    ``plateau_us`` is the hold of a contraction, or what a continuous phase plays between its two ramps.
    """

    name: Mapping[str, str] = field(hash=False)
    channels: tuple[str, ...]
    frequency_hz: Fraction
    phase_width_us: int
    interphase_us: int
    ramp_up_us: int
    plateau_us: int
    ramp_down_us: int
    rest_us: int
    repeats: int
    intensity_percent: Fraction
    continuous: bool

    @property
    def active_us(self) -> int:
        """One contraction, or the continuous stretch, from its first pulse to the end of its ramp down."""
        return self.ramp_up_us + self.plateau_us + self.ramp_down_us

    @property
    def duration_us(self) -> int:
        return self.repeats * (self.active_us + self.rest_us)

    @property
    def pulses(self) -> int:
        """Pulses of one contraction on one channel: every n with floor(n x 10^6 / f) before ``active_us``."""
        return -(-self.active_us * self.frequency_hz // 1_000_000)

    def start_us(self, n: int) -> int:
        """Start of pulse ``n`` (from 0) after that of pulse 0: floor(n x 10^6 / f)."""
        return n * 1_000_000 * self.frequency_hz.denominator // self.frequency_hz.numerator

    @property
    def last_start_us(self) -> int:
        """Start of the last pulse after the first of the same contraction: the contraction's length for the gate."""
        return self.start_us(self.pulses - 1)

    def shift_us(self, channel: str) -> int:
        """How much later than the phase's grid the channel's pulses start: floor(500000 / f) for B of AB, else 0."""
        return int(500_000 / self.frequency_hz) if len(self.channels) > 1 and channel != self.channels[0] else 0


@dataclass(frozen=True)
class Pause:
    """A phase without pulses."""

    name: Mapping[str, str] = field(hash=False)
    duration_us: int


Phase = Stimulation | Pause
_Entry = tuple[Fields, Phase | None]


@dataclass(frozen=True)
class Programme:
    """A programme as its file says it. ``evidence``: what is known of its effect, None when the file does not say.
    ``text`` is the exact bytes of the file.
    """

    id: str
    title: Mapping[str, str] = field(hash=False)
    source: str
    evidence: Mapping[str, str] | None = field(hash=False)
    electrode: Electrode
    cycles: int
    phases: tuple[Phase, ...]
    text: bytes = field(repr=False)

    @cached_property
    def duration_us(self) -> int:
        """The whole session, all cycles and the last rest included."""
        return self.cycles * sum(phase.duration_us for phase in self.phases)

    def played(self) -> Iterator[Phase]:
        """The phases in the order played, the list ``cycles`` times."""
        for _ in range(self.cycles):
            yield from self.phases


def shipped_programmes() -> dict[str, Path]:
    """The programmes that come with PelviStim: id -> file."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def programme_path(name: str) -> Path:
    """The file a person named: the path itself, or that of the shipped programme of this id if no such path exists."""
    return Path(name) if os.path.lexists(name) else shipped_programmes().get(name, Path(name))


def load_programme(path: Path) -> Programme:
    """Reads a programme file of at most 64 KiB. Raises InputRefused with every problem found."""
    return parse_programme(read_small_file(path), str(path))


def parse_programme(data: bytes, source: str) -> Programme:
    """Makes a programme of the bytes of a file; ``source`` names it in messages. Raises InputRefused."""
    source = printable(source)
    raw, text = parse_toml(data, source)
    problems: list[Problem] = []
    lines = Lines(text, "phase")
    top = Fields(raw, "programme", problems, lambda name: lines.place(None, 0, name))
    top.only(_TOP, "a programme")
    top.integer("schema", SCHEMA, SCHEMA)
    ident = _identity(top)
    title = top.languages("title", TITLE_MAX_CHARACTERS)
    basis = top.text("source", SOURCE_MAX_CHARACTERS)
    evidence = top.languages("evidence", EVIDENCE_MAX_CHARACTERS) if "evidence" in raw else None
    electrode = _electrode(top)
    cycles = top.integer("cycles", 1, limits.CYCLES_MAX) if "cycles" in raw else 1
    entries = [(fields, read_phase(fields)) for fields in _entries(top, problems, lines)]
    phases = tuple(phase for _, phase in entries if phase is not None)
    if entries:
        _check_whole(top, entries, cycles or 1)
    if problems or ident is None or title is None or basis is None or electrode is None or cycles is None:
        raise InputRefused(source, tuple(problems))
    return Programme(ident, title, basis, evidence, electrode, cycles, phases, data)


def _identity(top: Fields) -> str | None:
    ident = top.text("id", ID_MAX_CHARACTERS)
    if ident is not None and not re.fullmatch(r"[a-z0-9-]+", ident):
        allowed = f"1 to {ID_MAX_CHARACTERS} of the characters a-z, 0-9 and -"
        top.add("field_text", "id", ident, allowed, "Write it in lower case without spaces.")
    return ident


def _electrode(top: Fields) -> Electrode | None:
    inner = top.inner("electrode", ("kind", "area_cm2"))
    if inner is None:
        return None
    kind = inner.choice("kind", ELECTRODE_KINDS)
    area = inner.decimal("area_cm2", AREA_MIN_CM2, AREA_MAX_CM2, "cm2")
    return None if kind is None or area is None else Electrode(kind, area)


def _entries(top: Fields, problems: list[Problem], lines: Lines) -> Iterator[Fields]:
    """The phases as fields to read, with their place."""
    allowed = f"1 to {limits.PHASES_MAX} phases, each under [[phase]]"
    if not top.has("phase", allowed):
        return
    raw = top.table["phase"]
    if not isinstance(raw, list):
        top.add("field_type", "phase", raw, allowed, "Write [[phase]] with two brackets over each phase.")
        return
    if not 1 <= len(raw) <= limits.PHASES_MAX:
        top.add("phases_count", "phase", raw, allowed, "Join like phases with repeats, or repeat the list with cycles.")
        return
    for position, entry in enumerate(raw):
        sound = isinstance(entry, dict)
        place = partial(lines.place, position, len(raw))
        fields = Fields(entry if sound else {}, f"phase[{position + 1}]", problems, place)
        if sound:
            yield fields
        else:
            fields.add("field_type", "", entry, "a table of fields", "Write [[phase]] with its fields below.")


def read_phase(fields: Fields) -> Phase | None:
    """One phase; None after noting what is wrong with it."""
    name = fields.languages("name", TITLE_MAX_CHARACTERS)
    if "pause_s" in fields.table:
        fields.only(_PAUSE, "a pause")
        pause_us = _seconds_us(fields, "pause_s")
        return None if name is None or pause_us is None else Pause(name, pause_us)
    continuous = "continuous_s" in fields.table
    if continuous:
        fields.only(_CONTINUOUS, "a continuous phase")
    else:
        fields.only(_CONTRACTION, "a phase of contractions (a pause has pause_s, a continuous phase continuous_s)")
    channel = fields.choice("channel", tuple(CHANNELS))
    top_hz = limits.CONTINUOUS_FREQUENCY_MAX_HZ if continuous else limits.FREQUENCY_MAX_HZ
    frequency = fields.decimal("frequency_hz", Fraction(limits.FREQUENCY_MIN_HZ), Fraction(top_hz), "Hz")
    width = fields.integer("phase_width_us", limits.PHASE_WIDTH_MIN_US, limits.PHASE_WIDTH_MAX_US, "us")
    gap = fields.integer("interphase_us", limits.INTERPHASE_MIN_US, limits.INTERPHASE_MAX_US, "us")
    longest_ms = _SESSION_MS if continuous else _CONTRACTION_MS
    up = fields.integer("ramp_up_ms", limits.RAMP_UP_MIN_MS, longest_ms, "ms")
    plateau: int | None
    if continuous:
        plateau = _seconds_us(fields, "continuous_s")
    else:
        hold = fields.integer("hold_ms", 1, longest_ms, "ms")
        plateau = None if hold is None else hold * 1_000
    down = fields.integer("ramp_down_ms", 0, longest_ms, "ms")
    rest: int | None = 0
    repeats: int | None = 1
    if not continuous:
        rest = fields.integer("rest_ms", limits.REST_MIN_MS, _SESSION_MS, "ms")
        repeats = fields.integer("repeats", 1, limits.REPEATS_MAX)
    percent = fields.decimal("intensity_percent", Fraction(0), Fraction(100), "percent", above=True)
    if channel is not None and frequency is not None and width is not None and gap is not None:
        _check_period(fields, channel, frequency, 2 * width + gap)
    if not continuous and up is not None and plateau is not None and down is not None:
        _check_contraction(fields, up + plateau // 1_000 + down, rest)
    if (
        name is None
        or channel is None
        or frequency is None
        or width is None
        or gap is None
        or up is None
        or plateau is None
        or down is None
        or rest is None
        or repeats is None
        or percent is None
    ):
        return None
    return Stimulation(
        name=name,
        channels=CHANNELS[channel],
        frequency_hz=frequency,
        phase_width_us=width,
        interphase_us=gap,
        ramp_up_us=up * 1_000,
        plateau_us=plateau,
        ramp_down_us=down * 1_000,
        rest_us=rest * 1_000,
        repeats=repeats,
        intensity_percent=percent,
        continuous=continuous,
    )


def _seconds_us(fields: Fields, name: str) -> int | None:
    """A time above 0 s, up to a whole session, that comes to whole microseconds."""
    seconds = fields.decimal(name, Fraction(0), _SESSION_S, "s", above=True)
    if seconds is None:
        return None
    exact = seconds * 1_000_000
    if exact.denominator != 1:
        fields.add("field_decimals", name, Words(plain(seconds)), "whole microseconds", "Write at most 6 decimals.")
        return None
    return exact.numerator


def _check_period(fields: Fields, channel: str, frequency: Fraction, pulse_us: int) -> None:
    """A pulse and the margin for its frames must fit the period, or half of it when two channels take turns."""
    share, words = (2, "half the period, as A and B take turns") if channel == "AB" else (1, "the period")
    room = 1_000_000 / (share * frequency)
    needed = pulse_us + limits.PERIOD_MARGIN_US
    if needed > room:
        value = Words(f"2 x phase_width_us + interphase_us + {limits.PERIOD_MARGIN_US} = {needed} us")
        allowed = f"at most {words}, {plain(room)} us at {plain(frequency)} Hz"
        fields.add("period_exceeded", "frequency_hz", value, allowed, "Lower the frequency or shorten the pulse.")


def _check_contraction(fields: Fields, active_ms: int, rest_ms: int | None) -> None:
    parts = "ramp_up_ms + hold_ms + ramp_down_ms"
    if active_ms > _CONTRACTION_MS:
        value = Words(f"{parts} = {active_ms} ms")
        fields.add("contraction_long", "hold_ms", value, f"at most {_CONTRACTION_MS} ms", "Shorten the hold or a ramp.")
    if rest_ms is not None and rest_ms < active_ms:
        allowed = f"at least {parts} = {active_ms} ms"
        advice = "Lengthen the rest or shorten the hold: letting go takes at least as long as the squeeze."
        fields.add("rest_short", "rest_ms", rest_ms, allowed, advice)


def _check_whole(top: Fields, entries: list[_Entry], cycles: int) -> None:
    """The rules that look at more than one phase. An entry that could not be read is None; what is known is judged."""
    if all(isinstance(phase, Pause) for _, phase in entries):
        advice = "Add a phase with pulses; a programme of pauses only is not played."
        top.add("nothing_to_play", "phase", Words("only pauses"), "at least one phase with pulses", advice)
        return
    if cycles * len(entries) > limits.PLAYED_PHASES_MAX:
        value = Words(f"{cycles} cycles of {len(entries)} phases")
        allowed = f"at most {limits.PLAYED_PHASES_MAX} phases to be played, cycles included"
        top.add("phases_count", "cycles", value, allowed, "Lower cycles, or join the shortest pauses.")
    total_us = cycles * sum(phase.duration_us for _, phase in entries if phase is not None)
    last = entries[-1][1]
    if isinstance(last, Stimulation) and last.continuous:  # its last pulse is played whole, also past its end
        shift = max(last.shift_us(channel) for channel in last.channels)
        pulse_end = last.last_start_us + shift + 2 * last.phase_width_us + last.interphase_us
        total_us += max(0, pulse_end - last.active_us)
    if total_us > limits.SESSION_MAX_US:
        value = Words(f"the whole session lasts {plain(Fraction(total_us, 1_000_000))} s")
        allowed = f"at most {plain(_SESSION_S)} s ({plain(_SESSION_S / 60)} minutes), cycles and rests included"
        top.add("session_long", "phase", value, allowed, "Lower repeats or cycles, or shorten a phase.")
    for position, (fields, phase) in enumerate(entries):
        if isinstance(phase, Stimulation):
            later = entries[position + 1 :] + (entries[: position + 1] if cycles > 1 else [])
            _check_follower(fields, phase, [other for _, other in later])


def _check_follower(fields: Fields, phase: Stimulation, following: list[Phase | None]) -> None:
    """What comes after a phase: a pause after a continuous one, and for each channel the gap that the gate asks."""
    if phase.continuous and following:
        after = following[0]
        least = limits.PAUSE_AFTER_CONTINUOUS_MIN_S * 1_000_000
        if after is not None and not (isinstance(after, Pause) and after.duration_us >= least):
            allowed = (
                f"a phase of pause_s at least {limits.PAUSE_AFTER_CONTINUOUS_MIN_S} next, or the end of the session"
            )
            advice = "Put a pause after this phase; with cycles the first phase follows the last."
            fields.add("continuous_pause", "continuous_s", Words("no such pause follows"), allowed, advice)
            return
    for channel in phase.channels:
        gap_us = phase.active_us - phase.last_start_us + phase.rest_us - phase.shift_us(channel)
        for other in following:
            if other is None:
                break
            if isinstance(other, Stimulation) and channel in other.channels:
                gap_us += other.shift_us(channel)
                least = max(limits.CONTRACTION_GAP_US + 1, 0 if phase.continuous else phase.last_start_us)
                if gap_us < least:
                    value = Words(f"{gap_us} us from its last pulse on channel {channel} to the next there")
                    advice = "B of AB plays half a period later: lengthen rest_ms, or put a pause after this phase."
                    fields.add("gap_short", "rest_ms", value, f"at least {least} us", advice)
                break
            gap_us += other.duration_us
