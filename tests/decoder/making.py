"""A tiny generator of correct edge files, for the decoder's own tests: it shares nothing with the decoder.

It is slow and plain: a session is a list of pulses, each with its own figures that a test may spoil, and rows are
made from them. Pins and words are written down here once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

Row = tuple[int, int, int]
LEAD_US = 200  # file time of the session's first pulse
LINES = {"A": (24, 27), "B": (22, 26)}
FRAME_LEAD_US = 60  # a frame begins this long before its pulse and takes 33 us


@dataclass(frozen=True)
class Train:
    """One phase of a programme that plays; times in ms, ``rest`` 0 makes it a continuous phase."""

    channel: str
    hz: str
    width: int
    gap: int
    up: int
    hold: int
    down: int
    rest: int
    repeats: int
    percent: int

    def toml(self) -> str:
        name = 'name = { nb = "Del", en = "Part" }'
        shape = (
            f'channel = "{self.channel}"\nfrequency_hz = {self.hz}\nphase_width_us = {self.width}\n'
            f"interphase_us = {self.gap}\nramp_up_ms = {self.up}\nramp_down_ms = {self.down}\n"
            f"intensity_percent = {self.percent}\n"
        )
        if self.rest:
            played = f"hold_ms = {self.hold}\nrest_ms = {self.rest}\nrepeats = {self.repeats}\n"
        else:
            played = f"continuous_s = {self.hold / 1000}\n"
        return f"[[phase]]\n{name}\n{shape}{played}"


@dataclass(frozen=True)
class Pause:
    """A pause in whole seconds."""

    seconds: int

    def toml(self) -> str:
        return f'[[phase]]\nname = {{ nb = "Pause", en = "Break" }}\npause_s = {self.seconds}\n'


@dataclass
class MadePulse:
    """One pulse to be drawn; tests change its figures. ``start`` in us of file time."""

    channel: str
    start: int
    pos: int
    gap: int
    neg: int
    code: int


def programme(parts: Sequence[Train | Pause], cycles: int = 1) -> bytes:
    """The programme file of these parts."""
    head = f'schema = 1\nid = "made"\ntitle = {{ nb = "Prøve", en = "Trial" }}\nsource = "a test"\ncycles = {cycles}\n'
    electrode = 'electrode = { kind = "surface", area_cm2 = 10.0 }\n'
    return "\n".join([head + electrode, *(part.toml() for part in parts)]).encode()


def pulses_of(
    parts: Sequence[Train | Pause], steps: Mapping[str, Sequence[tuple[int, int]]], cycles: int = 1
) -> list[MadePulse]:
    """Every pulse of a session, in time order; steps as (us from the first pulse, set-point from then on in uA)."""
    made: list[MadePulse] = []
    at = 0
    for part in list(parts) * cycles:
        if isinstance(part, Pause):
            at += part.seconds * 1_000_000
            continue
        for _ in range(part.repeats):
            made += _contraction(part, at, steps)
            at += (part.up + part.hold + part.down + part.rest) * 1000
    return sorted(made, key=lambda pulse: pulse.start)


def _contraction(train: Train, at: int, steps: Mapping[str, Sequence[tuple[int, int]]]) -> list[MadePulse]:
    hz = Fraction(train.hz)
    up, hold, down = train.up * 1000, train.hold * 1000, train.down * 1000
    made: list[MadePulse] = []
    n = 0
    while True:
        t = int(n * 10**6 / hz)
        if t >= up + hold + down:
            return made
        if t < up:
            height = Fraction(t, up)
        elif t <= up + hold:
            height = Fraction(1)
        else:
            height = Fraction(up + hold + down - t, down)
        for channel in train.channel:
            start = at + t + (int(500_000 / hz) if (train.channel, channel) == ("AB", "B") else 0)
            set_point = max([0] + [ua for time, ua in steps[channel] if time <= start])
            code = min(4095, int(height * set_point * 4096 * train.percent / 100 / 50_000))
            made.append(MadePulse(channel, LEAD_US + start, train.width, train.gap, train.width, code))
        n += 1


def frame(at: int, channel: str, code: int, *, control: int = 7, clocks: int = 16) -> list[Row]:
    """The rows of one amplitude frame that begins at ``at`` and ends 33 us later (with 16 clocks)."""
    word = (channel == "B") << 15 | control << 12 | code
    rows: list[Row] = [(at, 16, 0)]
    data = 0
    for i in range(clocks):
        bit = word >> 15 - i & 1 if i < 16 else 0
        if bit != data:
            rows.append((at + 2 * i, 20, bit))
            data = bit
        rows += [(at + 2 * i + 1, 17, 1), (at + 2 * i + 2, 17, 0)]
    if data:
        rows.append((at + 2 * clocks, 20, 0))
    return [*rows, (at + 2 * clocks + 1, 16, 1)]


def pulse_rows(pulse: MadePulse) -> list[Row]:
    """The four edges of one pulse."""
    pos, neg = LINES[pulse.channel]
    second = pulse.start + pulse.pos + pulse.gap
    return [
        (pulse.start, pos, 1),
        (pulse.start + pulse.pos, pos, 0),
        (second, neg, 1),
        (second + pulse.neg, neg, 0),
    ]


def rows_of(pulses: Sequence[MadePulse]) -> list[Row]:
    """The edge file of a session: a frame before each pulse whose code is new, code 0 for both at both ends."""
    rows = frame(0, "A", 0) + frame(40, "B", 0)
    codes = {"A": 0, "B": 0}
    for pulse in pulses:
        if pulse.code != codes[pulse.channel]:
            rows += frame(pulse.start - FRAME_LEAD_US, pulse.channel, pulse.code)
            codes[pulse.channel] = pulse.code
        rows += pulse_rows(pulse)
    end = max(row[0] for row in rows) + 100
    return sorted(rows + frame(end, "A", 0) + frame(end + 40, "B", 0), key=lambda row: row[0])
