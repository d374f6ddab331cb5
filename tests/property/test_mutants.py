"""Approved chunks, changed: whatever then breaks a rule, by the word of the independent decoder, is refused."""

from __future__ import annotations

import itertools
import random
import struct
from collections import Counter
from collections.abc import Callable

import pytest

from controller.programme import parse_programme
from controller.timeline import Slice, Timeline
from controller.waveform import Amplitude, Encoder
from hw.board import load_board
from safety import gate
from safety.schedule import read_schedule
from safety.setpoint import SetPoint
from tests.decoder import decode
from tests.support.chunks import LINES, pack
from tests.support.edge_rows import rows
from tests.support.stack import short_programme

FULL_SCALE_UA = 50_000
SET_POINT_UA = 20_000
PROGRAMME = short_programme(channel='"AB"', frequency_hz="80", phase_width_us=200, repeats=1)
TIMELINE = Timeline(parse_programme(PROGRAMME, "test"))
ENCODER = Encoder(load_board())
PLAN = gate.Plan(LINES, FULL_SCALE_UA, read_schedule(PROGRAMME), {"A": FULL_SCALE_UA, "B": FULL_SCALE_UA})
BITS = [1 << gpio for gpio in (24, 27, 22, 26, 20, 17, 16)]

Entry = tuple[int, int, int]


def chunk(slice_: Slice) -> list[Entry]:
    values = {"A": SET_POINT_UA, "B": SET_POINT_UA}
    data = ENCODER.encode(slice_, Amplitude(values, FULL_SCALE_UA).codes(slice_.pulses, {}))
    return list(struct.iter_unpack("<3I", data))


def begun() -> list[tuple[Slice, list[Entry], gate.Progress]]:
    """The first chunks of the programme, all approved, each with the progress before it."""
    progress = gate.Progress(SetPoint(0, (SET_POINT_UA, SET_POINT_UA)))
    chunks = []
    for slice_ in TIMELINE.slices():
        if slice_.start_us >= 4_000_000:
            break
        chunks.append((slice_, chunk(slice_), progress))
        verdict = gate.judge(PLAN, progress, slice_.start_us, 0, pack(chunks[-1][1]), 0)
        assert isinstance(verdict, gate.Approval)
        progress = verdict.progress
    return chunks


def approved(slice_: Slice, entries: list[Entry], progress: gate.Progress) -> bool:
    return isinstance(gate.judge(PLAN, progress, slice_.start_us, 0, pack(entries), 0), gate.Approval)


def breaks_a_rule(slice_: Slice, entries: list[Entry]) -> bool:
    """By the decoder's word on the edges, and by the rules of a pulse list that leave no edge."""
    if any((on | off) & ~sum(BITS) or on & off or delay < 1 for on, off, delay in entries):
        return True
    if not entries or entries[0][0] | entries[0][1] != sum(BITS) or sum(entry[2] for entry in entries) > 100_000:
        return True
    decoded = decode(rows([pack(entries)]))
    if decoded.problems:
        return True
    for channel, pulses in decoded.by_channel.items():
        starts = [pulse.start_us for pulse in pulses]
        if any(b - a < 6_666 for a, b in itertools.pairwise(starts)):
            return True
        if any(over(slice_, channel, pulse.start_us, pulse.code) for pulse in pulses):
            return True
        if any(not (20 <= p.pos_us <= 800 and 10 <= p.gap_us <= 1000) for p in pulses):
            return True
    last = max((pulse.end_us for pulse in decoded.pulses), default=0)
    first = min((pulse.start_us for pulse in decoded.pulses), default=1 << 30)
    for channel in "AB":
        own = [frame for frame in decoded.frames if frame.channel == channel]
        if not any(frame.rise_us <= first for frame in own) or not any(frame.fall_us >= last for frame in own):
            return True
    return False


def over(slice_: Slice, channel: str, at_us: int, code: int) -> bool:
    """Whether a code is over set-point x envelope, in exact integers: the ramps and the hold of ``PROGRAMME``."""
    t = slice_.start_us + at_us - (6_250 if channel == "B" else 0)
    up, end, down = 500_000, 3_500_000, 500_000
    if not 0 <= t < end:
        return code > 0
    part, whole = (t, up) if t < up else (1, 1) if t < end - down else (end - t, down)
    return code * FULL_SCALE_UA * whole > SET_POINT_UA * 4096 * part


def width(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = phase(entries, rng)
    on, off, delay = entries[at]
    return [*entries[:at], (on, off, max(1, delay + rng.choice((-1, 1)))), *entries[at + 1 :]]


def gap(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = phase(entries, rng) + 1
    on, off, _ = entries[at]
    return [*entries[:at], (on, off, rng.choice((1, 9, 1001, 5000))), *entries[at + 1 :]]


def order(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at, other = rng.randrange(len(entries)), rng.randrange(len(entries))
    changed = list(entries)
    changed[at], changed[other] = changed[other], changed[at]
    return changed


def code(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.choice([i for i, (on, off, _) in enumerate(entries) if (on | off) & 1 << 20])
    on, off, delay = entries[at]
    return [*entries[:at], (on ^ 1 << 20, off ^ 1 << 20, delay), *entries[at + 1 :]]


def line(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(len(entries))
    on, off, delay = entries[at]
    bit = rng.choice([*BITS, 1 << 25, 1 << 5])
    changed = rng.choice([(on ^ bit, off, delay), (on, off ^ bit, delay), (on | bit, off & ~bit, delay)])
    return [*entries[:at], changed, *entries[at + 1 :]]


def delay(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(len(entries))
    on, off, before = entries[at]
    changed = rng.choice((0, 1, before + 1, max(0, before - 1), before * 2, 100_001, 0xFFFF_FFFF))
    return [*entries[:at], (on, off, changed), *entries[at + 1 :]]


def frame(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(len(entries))
    length = rng.choice((1, 1, 2, 33))
    return entries[:at] + entries[at + length :] if rng.random() < 0.7 else entries[: at + length] + entries[at:]


def phase(entries: list[Entry], rng: random.Random) -> int:
    """The place of an entry in which a phase line rises; some entry, when there is none."""
    rises = [i for i, (on, _, _) in enumerate(entries) if on & sum(BITS[:4])]
    return rng.choice(rises or range(len(entries) - 1))


MUTATIONS: list[Callable[[list[Entry], random.Random], list[Entry]]] = [width, gap, order, code, line, delay, frame]
TRIES = 600
"""Of each kind."""


@pytest.mark.req("SR-017")
def test_every_mutant_that_breaks_a_rule_is_refused() -> None:
    rng = random.Random(20_11)
    chunks = begun()
    assert not any(breaks_a_rule(slice_, entries) for slice_, entries, _ in chunks)
    bad: Counter[str] = Counter()
    good: Counter[str] = Counter()
    for mutation in MUTATIONS:
        for _ in range(TRIES):
            slice_, entries, progress = rng.choice(chunks)
            mutant = mutation(entries, rng)
            if breaks_a_rule(slice_, mutant):
                bad[mutation.__name__] += 1
                assert not approved(slice_, mutant, progress), (mutation.__name__, slice_.start_us, mutant)
            else:
                good[mutation.__name__] += 1
    assert min(bad[mutation.__name__] for mutation in MUTATIONS) >= TRIES // 10, (bad, good)
