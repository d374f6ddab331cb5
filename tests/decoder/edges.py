"""Reads an edge file and says what it would have put out: amplitude frames, phases and pulses.

Written by hand from the description of the reference board, and sharing no code with the program that made the
edges: pins, word format and times are stated here a second time on purpose.

An edge file is CSV with the header ``time_us,gpio,level``; time 0 is the first edge of the session's first chunk, and
a line that was not at its safe level then has a row at time 0. Blank lines and lines that begin with ``#`` are
comments. Lines of the board other than the four phase and three DAC lines may appear and are passed over.
"""

from __future__ import annotations

import csv
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.decoder.findings import Findings

# The reference board, BCM numbers.
A_POS, A_NEG = 24, 27
B_POS, B_NEG = 22, 26
SDI, SCK, CS_N = 20, 17, 16
SAFE_LEVELS = {A_POS: 0, A_NEG: 0, B_POS: 0, B_NEG: 0, SDI: 0, SCK: 0, CS_N: 1}
NAMES = {
    A_POS: "A_POS",
    A_NEG: "A_NEG",
    B_POS: "B_POS",
    B_NEG: "B_NEG",
    SDI: "DAC_SDI",
    SCK: "DAC_SCK",
    CS_N: "DAC_CS_N",
}
PHASE_LINES = {"A": (A_POS, A_NEG), "B": (B_POS, B_NEG)}
FULL_SCALE_UA = 50_000
CODES = 4096

FRAME_CLOCKS = 16
CONTROL_BITS = 0b111  # bits 14-12: buffered reference, gain 1, active
SETTLE_US = 20  # from CS_N high to a phase line high
DEAD_TIME_US = 10  # between the two lines of a channel
LONGEST_GAP_US = 1000  # phases further apart than this do not make one pulse
CONTRACTION_GAP_US = 1_000_000  # a longer gap between two starts of a channel ends a contraction


class Frame(NamedTuple):
    """One complete amplitude frame: CS_N falls, 16 clocks, CS_N rises and the code takes effect."""

    fall_us: int
    rise_us: int
    channel: str
    code: int


class Phase(NamedTuple):
    """One stretch of a phase line being high, with the code of its channel when it began."""

    start_us: int
    end_us: int
    sign: int
    code: int


class Pulse(NamedTuple):
    """One pulse: POS high for ``pos_us``, ``gap_us`` of nothing, NEG high for ``neg_us``."""

    channel: str
    start_us: int
    pos_us: int
    gap_us: int
    neg_us: int
    code: int
    code_neg: int

    @property
    def end_us(self) -> int:
        return self.start_us + self.pos_us + self.gap_us + self.neg_us


@dataclass(frozen=True)
class Decoded:
    """What an edge file holds.

    ``pulses`` (of both channels), ``by_channel`` and ``frames`` are in time order. ``net_charge`` is the sum of
    code x us over all phases of a channel, negative phases counted negative. ``problems`` are the findings that need
    no programme.
    """

    rows: int
    pulses: tuple[Pulse, ...]
    frames: tuple[Frame, ...]
    net_charge: dict[str, int]
    problems: tuple[str, ...]
    by_channel: dict[str, tuple[Pulse, ...]]


def read_rows(path: str | os.PathLike[str]) -> Iterator[tuple[int, int, int]]:
    """Yields (time_us, gpio, level) for each row of an edge file. Raises ValueError for anything else in it."""
    gpios = {str(gpio): gpio for gpio in range(54)}
    levels = {"0": 0, "1": 1}
    with open(path, encoding="ascii", newline="") as file:
        rows = csv.reader(line for line in file if line[0] not in "#\r\n")
        header = next(rows, None)
        if header != ["time_us", "gpio", "level"]:
            raise ValueError(f"{path}: the header is {header}, not time_us,gpio,level")
        for row in rows:
            try:
                time_us, gpio, level = row
                yield int(time_us), gpios[gpio], levels[level]
            except (ValueError, KeyError):
                raise ValueError(f"{path}: {','.join(row)!r} is no row of time, gpio and level") from None


def decode(source: str | os.PathLike[str] | Iterable[tuple[int, int, int]]) -> Decoded:
    """Decodes an edge file, given by its path or as rows of (time_us, gpio, level).

    Raises ValueError for a file that is no edge file; whatever is wrong with the edges is in ``problems``.
    """
    rows = read_rows(source) if isinstance(source, str | os.PathLike) else source
    findings = Findings()
    count, last_us, phase_edges, frames = _follow_lines(rows, findings)
    codes_at_end = {frame.channel: frame.code for frame in frames}
    for channel in "AB":
        if codes_at_end.get(channel) != 0:
            findings.add("code at the end", f"the last frame of {channel} has code {codes_at_end.get(channel)}, not 0")

    pulses: list[Pulse] = []
    spans: list[tuple[int, int, str]] = []
    by_channel: dict[str, tuple[Pulse, ...]] = {}
    net_charge: dict[str, int] = {}
    for channel, (pos, neg) in PHASE_LINES.items():
        own_frames = [frame for frame in frames if frame.channel == channel]
        phases = _phases(phase_edges[pos], phase_edges[neg], last_us, own_frames, channel, findings)
        _check_dead_time(phases, channel, findings)
        own_pulses, own_spans = _pair_phases(phases, channel, findings)
        net_charge[channel] = sum(p.sign * p.code * (p.end_us - p.start_us) for p in phases)
        by_channel[channel] = tuple(own_pulses)
        pulses += own_pulses
        spans += own_spans
    pulses.sort(key=lambda pulse: pulse.start_us)
    spans.sort()
    _check_spans(spans, frames, findings)
    return Decoded(count, tuple(pulses), tuple(frames), net_charge, tuple(findings.texts()), by_channel)


def _follow_lines(
    rows: Iterable[tuple[int, int, int]], findings: Findings
) -> tuple[int, int, dict[int, list[int]], list[Frame]]:
    """Goes through the rows once: (rows read, last time, edge times of each phase line, complete frames)."""
    levels = dict(SAFE_LEVELS)
    last_edge = dict.fromkeys(SAFE_LEVELS, -1)
    phase_edges: dict[int, list[int]] = {line: [] for lines in PHASE_LINES.values() for line in lines}
    frames: list[Frame] = []
    now = count = word = clocks = fall_us = 0
    sdi, sck, cs_n = SDI, SCK, CS_N  # local names: this loop sees millions of rows
    for time_us, gpio, level in rows:
        count += 1
        if time_us < now:
            findings.add("time", f"row {count} is at {time_us} us, after a row at {now} us")
        now = time_us
        before = levels.get(gpio)
        if before is None:
            continue
        if before == level:
            findings.add("stray edge", f"{NAMES[gpio]} at {time_us} us: an edge to {level} that changes nothing")
            continue
        if last_edge[gpio] == time_us:
            findings.add("stray edge", f"{NAMES[gpio]} at {time_us} us: two edges of one line at one instant")
        levels[gpio] = level
        last_edge[gpio] = time_us
        if gpio == sck:
            if level:
                if levels[cs_n]:
                    findings.add("frame", f"a clock at {time_us} us while DAC_CS_N is high")
                elif last_edge[sdi] == time_us:
                    findings.add("frame", f"DAC_SDI changes at {time_us} us, at the instant of the clock")
                word = word << 1 | levels[sdi]
                clocks += 1
        elif gpio == sdi:
            if levels[sck] and last_edge[sck] == time_us:
                findings.add("frame", f"DAC_SDI changes at {time_us} us, at the instant of the clock")
        elif gpio == cs_n:
            if level:
                _end_frame(frames, fall_us, time_us, word, clocks, findings)
            else:
                word = clocks = 0
                fall_us = time_us
        else:
            phase_edges[gpio].append(time_us)
    for gpio, level in levels.items():
        if level != SAFE_LEVELS[gpio]:
            findings.add("line at the end", f"{NAMES[gpio]} is left {'high' if level else 'low'} at the end")
    return count, now, phase_edges, frames


def _end_frame(frames: list[Frame], fall_us: int, rise_us: int, word: int, clocks: int, findings: Findings) -> None:
    if clocks != FRAME_CLOCKS:
        findings.add("frame", f"the frame of {fall_us}-{rise_us} us has {clocks} clocks, not {FRAME_CLOCKS}")
        return
    if word >> 12 & 0b111 != CONTROL_BITS:
        findings.add("frame", f"the frame of {fall_us}-{rise_us} us has control bits {word >> 12 & 0b111:03b}, not 111")
    frames.append(Frame(fall_us, rise_us, "B" if word >> 15 else "A", word & 0xFFF))


def _phases(
    pos: list[int], neg: list[int], last_us: int, frames: list[Frame], channel: str, findings: Findings
) -> list[Phase]:
    """The high stretches of both lines of a channel in time order, each with the code in force when it began."""
    stretches: list[tuple[int, int, int]] = []
    for edges, sign in ((pos, 1), (neg, -1)):
        ends = edges[1::2]
        if len(edges) % 2:
            ends = [*ends, last_us]  # left high, which the end of the file reports
        stretches += [(start, end, sign) for start, end in zip(edges[0::2], ends, strict=True)]
    stretches.sort()
    phases: list[Phase] = []
    code: int | None = None
    following = 0
    for start, end, sign in stretches:
        while following < len(frames) and frames[following].rise_us <= start:
            code = frames[following].code
            following += 1
        if code is None:
            findings.add("frame", f"channel {channel} begins a phase at {start} us before any frame of its own")
        phases.append(Phase(start, end, sign, code or 0))
    return phases


def _check_dead_time(phases: list[Phase], channel: str, findings: Findings) -> None:
    ends: dict[int, int] = {}
    for phase in phases:
        other_end = ends.get(-phase.sign)
        if other_end is not None and phase.start_us < other_end:
            findings.add("both lines", f"both lines of channel {channel} are high at {phase.start_us} us")
        elif other_end is not None and phase.start_us - other_end < DEAD_TIME_US:
            pause = phase.start_us - other_end
            findings.add("dead time", f"channel {channel} at {phase.start_us} us: {pause} us, under {DEAD_TIME_US}")
        ends[phase.sign] = phase.end_us


def _pair_phases(
    phases: list[Phase], channel: str, findings: Findings
) -> tuple[list[Pulse], list[tuple[int, int, str]]]:
    """Pairs POS with the NEG after it: (pulses, the spans of time in which the channel is busy)."""
    pulses: list[Pulse] = []
    spans: list[tuple[int, int, str]] = []
    i = 0
    while i < len(phases):
        first = phases[i]
        second = phases[i + 1] if i + 1 < len(phases) else None
        i += 1
        if first.sign < 0:
            findings.add("order", f"channel {channel} at {first.start_us} us: a negative phase with no positive before")
        elif second is None or second.sign > 0 or second.start_us - first.end_us > LONGEST_GAP_US:
            findings.add("order", f"channel {channel} at {first.start_us} us: a positive phase with no negative after")
        else:
            i += 1
            start, pos_us, neg_us = first.start_us, first.end_us - first.start_us, second.end_us - second.start_us
            gap_us = second.start_us - first.end_us
            pulses.append(Pulse(channel, start, pos_us, gap_us, neg_us, first.code, second.code))
            spans.append((start, max(first.end_us, second.end_us), channel))
            if pos_us != neg_us:
                findings.add("unequal phases", f"channel {channel} at {start} us: {pos_us} us and {neg_us} us")
            if first.code != second.code:
                findings.add("two codes", f"channel {channel} at {start} us: {first.code} and then {second.code}")
            continue
        spans.append((first.start_us, first.end_us, channel))
    return pulses, spans


def _check_spans(spans: list[tuple[int, int, str]], frames: list[Frame], findings: Findings) -> None:
    """No two channels at once, no frame inside a pulse, and time to settle before one. ``spans`` in time order."""
    falls = [frame.fall_us for frame in frames]
    rises = [frame.rise_us for frame in frames]
    busy_until: dict[str, int] = {}
    for start, end, channel in spans:
        other = "B" if channel == "A" else "A"
        if start <= busy_until.get(other, -1):
            findings.add("channels overlap", f"{channel} begins at {start} us, {other} ends at {busy_until[other]} us")
        busy_until[channel] = max(end, busy_until.get(channel, -1))
        last_begun = bisect_left(falls, end) - 1
        if last_begun >= 0 and rises[last_begun] > start:
            span = f"{start}-{end} us"
            findings.add("frame inside a pulse", f"channel {channel} at {span}, frame from {falls[last_begun]} us")
        last_done = bisect_right(rises, start) - 1
        if last_done >= 0 and start - rises[last_done] < SETTLE_US:
            settled = start - rises[last_done]
            findings.add("settle", f"channel {channel} at {start} us: {settled} us after a frame, under {SETTLE_US}")


def contractions(starts: list[int]) -> list[tuple[int, int]]:
    """Splits rising start times of one channel where a gap is over 1 000 000 us: (first, one past the last) each."""
    cuts = [i for i in range(1, len(starts)) if starts[i] - starts[i - 1] > CONTRACTION_GAP_US]
    return list(zip([0, *cuts], [*cuts, len(starts)], strict=True)) if starts else []


def summary(decoded: Decoded) -> dict[str, dict[str, int | float]]:
    """For each channel: pulses, trains, peak code and mA, net charge in code x us, largest charge per phase.

    A train is a contraction or a continuous phase: edges alone do not tell which.
    """
    told: dict[str, dict[str, int | float]] = {}
    for channel, pulses in decoded.by_channel.items():
        peak = max((pulse.code for pulse in pulses), default=0)
        largest = max((pulse.code * max(pulse.pos_us, pulse.neg_us) for pulse in pulses), default=0)
        told[channel] = {
            "pulses": len(pulses),
            "trains": len(contractions([pulse.start_us for pulse in pulses])),
            "peak_code": peak,
            "peak_ma": peak * FULL_SCALE_UA / CODES / 1000,
            "net_charge_code_us": decoded.net_charge[channel],
            "charge_per_phase_code_us": largest,
            "charge_per_phase_uc": largest * FULL_SCALE_UA / CODES / 1_000_000,
        }
    return told
