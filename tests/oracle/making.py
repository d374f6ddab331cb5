"""What the sessions of the comparison are made of: programmes, pieces of their timeline, and chunks of those.

Programmes are drawn so that their bounds come within reach of a session: long contractions, small electrodes, strong
and wide pulses, phases that follow each other as closely as the format lets them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from controller.programme import Programme, parse_programme
from controller.timeline import LEAD_US, TAIL_US, PlannedPulse, Slice, Timeline
from controller.waveform import Encoder
from hw.board import load_board
from safety.errors import InputRefused
from tests.support.chunks import Script
from tests.support.programmes import CONTINUOUS, CONTRACTION, PAUSE, changed, programme_toml

ENCODER = Encoder(load_board())
SHORTEST_US = 140
"""Four frames and what stands around them."""


class Mark(NamedTuple):
    """A pulse to be encoded, in session time, with its code. The product's encoder takes it for one of the timeline."""

    start_us: int
    channel: str
    width_us: int
    gap_us: int
    code: int

    @property
    def end_us(self) -> int:
        return self.start_us + 2 * self.width_us + self.gap_us


def marks(pulses: tuple[PlannedPulse, ...], codes: list[int]) -> list[Mark]:
    """Planned pulses with their codes."""
    return [
        Mark(pulse.start_us, pulse.channel, pulse.width_us, pulse.gap_us, code)
        for pulse, code in zip(pulses, codes, strict=True)
    ]


def fits(start_us: int, end_us: int, pulses: list[Mark]) -> bool:
    """Whether the product's encoder can put these pulses, and the frames they may need, between two times."""
    free = start_us + LEAD_US
    for pulse in pulses:
        if pulse.start_us < free:
            return False
        free = pulse.end_us + LEAD_US
    return end_us >= (pulses[-1].end_us + TAIL_US if pulses else start_us + SHORTEST_US)


def encode(start_us: int, end_us: int, pulses: list[Mark]) -> bytes:
    """One chunk by the product's encoder."""
    return ENCODER.encode(Slice(start_us, end_us, tuple(pulses)), [pulse.code for pulse in pulses])  # type: ignore[arg-type]


def strong_programme() -> Programme:
    """One that lets the set-point rise to 100 mA, with pulses wide enough for the ceiling of charge to be met."""
    values = {"frequency_hz": "4", "phase_width_us": "800", "ramp_up_ms": "300", "intensity_percent": "100"}
    phase = changed(CONTINUOUS, continuous_s="75", **values)
    return parse_programme(programme_toml(phase, electrode='{ kind = "surface", area_cm2 = 400 }'), "made up")


def long_programme(rng: random.Random) -> Programme:
    """One contraction of 30 s: as long as there may be."""
    values = {"frequency_hz": f"{rng.uniform(2, 20):.3f}", "ramp_up_ms": "300", "hold_ms": "29700", "ramp_down_ms": "0"}
    phase = changed(CONTRACTION, rest_ms="30000", repeats="1", channel=rng.choice(('"A"', '"AB"')), **values)
    return parse_programme(programme_toml(phase), "made up")


def programme(rng: random.Random) -> Programme:
    """A valid programme of up to a few minutes, now and then of the longest that there may be."""
    while True:
        phases = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            phases += _phases(rng)
        if rng.random() < 0.06:
            phases.insert(rng.randrange(len(phases) + 1), changed(PAUSE, pause_s=str(rng.choice((2_600, 2_690)))))
        area = rng.choice((rng.uniform(0.1, 2), rng.uniform(1, 20), rng.uniform(10, 500)))
        text = programme_toml(
            *phases,
            electrode=f'{{ kind = "surface", area_cm2 = {area:.2f} }}',
            cycles=str(rng.choice((1, 1, 2))),
        )
        try:
            return parse_programme(text, "made up")
        except InputRefused:  # too long, or the rests do not fit: another one
            continue


def _phases(rng: random.Random) -> list[dict[str, str]]:
    kind = rng.choice(("short", "short", "medium", "long", "continuous", "continuous", "pause"))
    if kind == "pause":
        return [changed(PAUSE, pause_s=f"{rng.uniform(0.1, 4):.6f}")]
    top_hz = {"short": 150, "medium": 150, "long": 20, "continuous": 20}[kind]
    values = {
        "channel": rng.choice(('"A"', '"B"', '"AB"')),
        "frequency_hz": rng.choice((str(top_hz), "1", f"{rng.uniform(1, top_hz):.3f}", str(rng.randint(1, top_hz)))),
        "phase_width_us": str(rng.choice((20, 800, rng.randint(20, 800)))),
        "interphase_us": str(rng.choice((10, 1000, rng.randint(10, 1000)))),
        "intensity_percent": rng.choice(("100", f"{rng.uniform(1, 100):.2f}")),
    }
    up, down = rng.choice((300, rng.randint(300, 1500))), rng.choice((0, 0, rng.randint(1, 1500)))
    if kind == "continuous":
        seconds = f"{rng.choice((rng.uniform(1, 6), rng.uniform(10, 70))):.3f}"
        phase = changed(CONTINUOUS, ramp_up_ms=str(up), ramp_down_ms=str(down), continuous_s=seconds, **values)
        return [phase, changed(PAUSE, pause_s=rng.choice(("2", "2.5")))]
    whole = {"short": rng.randint(600, 4_000), "medium": rng.randint(4_000, 12_000), "long": 30_000}[kind]
    hold = max(1, whole - up - down)
    rest = max(1_000, up + hold + down) + rng.choice((0, 0, 1, rng.randint(0, 1_000)))
    return [
        changed(
            CONTRACTION,
            ramp_up_ms=str(up),
            hold_ms=str(hold),
            ramp_down_ms=str(down),
            rest_ms=str(rest),
            repeats=str(1 if kind == "long" else rng.randint(1, 3)),
            **values,
        )
    ]


def pieces(rng: random.Random, timeline: Timeline, begin_us: int, split: float) -> Iterator[Slice]:
    """The timeline's own slices from a time on, some of them cut in two where no pulse is.

    A time that leaves no room before the next pulse costs that pulse.
    """
    begun_us = begin_us
    for slice_ in timeline.slices(begin_us):
        end_us = slice_.end_us
        if end_us - begun_us < SHORTEST_US:
            end_us = begun_us + SHORTEST_US
        pulses = tuple(pulse for pulse in slice_.pulses if pulse.start_us - LEAD_US >= begun_us)
        cut = rng.randint(begun_us, end_us)
        left = tuple(pulse for pulse in pulses if pulse.end_us + TAIL_US <= cut)
        right = tuple(pulse for pulse in pulses if pulse.start_us - LEAD_US >= cut)
        room = min(cut - begun_us, end_us - cut) >= SHORTEST_US
        if room and rng.random() < split and left + right == pulses:
            yield Slice(begun_us, cut, left)
            yield Slice(cut, end_us, right)
        else:
            yield Slice(begun_us, end_us, pulses)
        begun_us = end_us


# --- chunks that the product's encoder would not make ------------------------------------------------------------

FLAWS = (
    "none",
    "longer second phase",
    "shorter second phase",
    "negative first",
    "positive twice",
    "no second phase",
    "other channel in the gap",
    "other channel at its end",
    "other channel right after",
    "both lines",
    "no dead time",
    "settled 20",
    "settled 19",
    "frame in the gap",
    "frame at the rise",
    "frame at the fall",
    "frame after the fall",
    "data in the pulse",
    "data at the rise",
    "data beside",
    "gain 2",
    "shut down",
    "unbuffered",
    "15 clocks",
    "17 clocks",
    "clock beside",
    "clock high at the select",
    "select with the clock's fall",
    "deselect with the clock's rise",
    "deselect with the clock high",
    "data with the clock",
    "no first A",
    "no first B",
    "no last A",
    "no last B",
    "last A not 0",
    "last B not 0",
    "last A twice, B never",
    "frame not ended",
    "line high at the end",
    "width 19",
    "width 20",
    "width 800",
    "width 801",
    "gap 9",
    "gap 10",
    "gap 1000",
    "gap 1001",
    "pulse at the end",
)


def by_hand(rng: random.Random, start_us: int, end_us: int, pulses: list[Mark], flaw: str) -> bytes | None:
    """The chunk made without the product's encoder, with one flaw or none; None when this chunk has no room for it."""
    script = Script(end_us - start_us)
    last = script.length_us - 66
    spot = [mark._replace(start_us=mark.start_us - start_us) for mark in pulses]
    if flaw not in _WITHOUT_PULSES:
        if not spot:
            return None
        at = rng.randrange(len(spot))
        if flaw.startswith(("width", "gap")):
            word, figure = flaw.split()
            spot[at] = spot[at]._replace(**{f"{word}_us": int(figure)})
            free = min([mark.start_us for mark in spot[at + 1 :]], default=last) - 60
            if spot[at].end_us > free:
                return None
    codes: dict[str, int] = {}
    for name in "AB":
        codes[name] = next((mark.code for mark in spot if mark.channel == name), 0)
    settle = {"settled 20": 20, "settled 19": 19}.get(flaw, rng.choice((20, 21)))
    moved = 0
    if flaw.startswith("settled") and spot[0].start_us - settle - 65 >= 1:
        moved = spot[0].start_us - settle - 65 - 1
    for number, name in enumerate("AB"):
        if flaw != f"no first {name}":
            script.frame(1 + 33 * number + moved, name, codes[name])
    for mark in spot:
        if codes[mark.channel] != mark.code:
            codes[mark.channel] = mark.code
            script.frame(mark.start_us - settle - 32, mark.channel, mark.code)
    for number, mark in enumerate(spot):
        _pulse(script, mark, flaw if flaw not in _WITHOUT_PULSES and number == at else "none")
    free_us = spot[-1].end_us + 20 if spot else 80
    if flaw in _BESIDE:
        if last - free_us < 120:
            return None
        _beside(script, rng.randint(free_us, last - 80), flaw)
    for number, name in enumerate("AB"):
        if flaw not in (f"no last {name}", "last A twice, B never", "pulse at the end"):
            script.frame(last + 33 * number, name, int(flaw == f"last {name} not 0"))
    if flaw == "last A twice, B never":
        script.frame(last, "A", 0)
        script.frame(last + 33, "A", 0)
    if flaw == "frame not ended":
        script.line(script.length_us - 1, "cs_n", 0)
    if flaw == "line high at the end":
        script.line(script.length_us - 1, rng.choice(("a_pos", "a_neg", "b_pos", "b_neg", "sdi", "sck")), 1)
    if flaw == "pulse at the end":
        low = rng.choice("ab")
        if last - free_us < 400:
            return None
        script.frame(last - 300, "A", 0)
        script.frame(last - 267, "B", 0)
        script.line(last - 200, f"{low}_pos", 1)
        script.line(last - 100, f"{low}_pos", 0)
    return script.data()


_BESIDE = frozenset(
    (
        "data beside",
        "gain 2",
        "shut down",
        "unbuffered",
        "15 clocks",
        "17 clocks",
        "clock beside",
        "clock high at the select",
        "select with the clock's fall",
        "deselect with the clock's rise",
        "deselect with the clock high",
        "data with the clock",
    )
)
_WITHOUT_PULSES = _BESIDE | {
    "none",
    "no first A",
    "no first B",
    "no last A",
    "no last B",
    "last A not 0",
    "last B not 0",
    "last A twice, B never",
    "frame not ended",
    "line high at the end",
    "pulse at the end",
}


def _pulse(script: Script, mark: Mark, flaw: str) -> None:
    begin, width, gap, end = mark.start_us, mark.width_us, mark.gap_us, mark.end_us
    own, other = mark.channel.lower(), "b" if mark.channel == "A" else "a"
    second = width + {"longer second phase": 1, "shorter second phase": -1}.get(flaw, 0)
    first_line, second_line = f"{own}_pos", f"{own}_neg"
    if flaw == "negative first":
        first_line, second_line = second_line, first_line
    if flaw == "positive twice":
        second_line = first_line
    script.line(begin, first_line, 1)
    script.line(begin + width, first_line, 0)
    if flaw == "no dead time":
        gap = 0
    if flaw != "no second phase":
        script.line(begin + width + gap, second_line, 1)
        script.line(begin + width + gap + second, second_line, 0)
    middle = begin + width + gap // 2
    if flaw == "other channel in the gap":
        script.line(middle, f"{other}_pos", 1)
        script.line(middle + 1, f"{other}_pos", 0)
    if flaw in ("other channel at its end", "other channel right after"):
        after = end + (flaw == "other channel right after")
        script.line(after, f"{other}_pos", 1)
        script.line(after + 20, f"{other}_pos", 0)
        script.line(after + 30, f"{other}_neg", 1)
        script.line(after + 50, f"{other}_neg", 0)
    if flaw == "both lines":
        script.line(begin + 1, second_line, 1)
    if flaw == "frame in the gap" and gap > 40:
        script.frame(begin + width + 2, mark.channel, 0)
    if flaw == "frame at the rise":
        script.frame(begin, mark.channel, mark.code)
    if flaw in ("frame at the fall", "frame after the fall"):
        script.frame(end + (flaw == "frame after the fall"), mark.channel, mark.code)
    if flaw in ("data in the pulse", "data at the rise"):
        script.line(begin + (flaw == "data in the pulse"), "sdi", 1)
        script.line(end + 2, "sdi", 0)


def _beside(script: Script, at_us: int, flaw: str) -> None:
    """Something on the amplitude lines where no pulse is."""
    match flaw:
        case "data beside":
            script.line(at_us, "sdi", 1)
            script.line(at_us + 3, "sdi", 0)
        case "gain 2" | "shut down" | "unbuffered":
            control = {"gain 2": 0b101, "shut down": 0b110, "unbuffered": 0b011}[flaw]
            script.frame(at_us, "A", 7, control=control)
        case "15 clocks" | "17 clocks":
            script.frame(at_us, "B", 7, clocks=int(flaw[:2]))
        case "clock beside":
            script.line(at_us, "sck", 1)
            script.line(at_us + 1, "sck", 0)
        case "clock high at the select" | "select with the clock's fall":
            script.frame(at_us, "A", 7)
            script.frame(at_us + 40, "A", 7)
            script.changes.remove((at_us + 32, "sck", 0))  # the clock stays high until the second frame
            if flaw == "clock high at the select":
                script.changes.remove((at_us + 40, "cs_n", 0))
                script.line(at_us + 39, "cs_n", 0)
        case "deselect with the clock's rise":
            _end_moved(script, at_us, "cs_n", 1, 1)
            script.line(at_us + 33, "sck", 1)
            script.line(at_us + 34, "sck", 0)
        case "deselect with the clock high":
            _end_moved(script, at_us, "sck", 0, 3)
        case "data with the clock":
            script.frame(at_us, "A", 7)
            script.changes = [
                (time + (name == "sdi" and level == 1), name, level) for time, name, level in script.changes
            ]


def _end_moved(script: Script, at_us: int, name: str, level: int, by_us: int) -> None:
    """A frame with one of the changes at its end moved."""
    script.frame(at_us, "A", 7)
    script.changes.remove((at_us + 32, name, level))
    script.line(at_us + 32 + by_us, name, level)
