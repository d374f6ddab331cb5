"""The electrode check: a few pulses of at most 2 mA on each channel, and what their readings say of the electrode.

The peak holds keep the larger of both phases, so PEAK_RESET, raised inside the wave, hides one of them. The negative
phase, the last of a pulse, stays in the holds and is read after it. The positive one is read in the gap behind it,
which is as long as a gap may be: what the holds show then can come from no other phase, so a reading that misses the
gap shows nothing, never the wrong phase. The gap also lets the tissue discharge between both.

A wave has four pulses: two that show the positive phase, as a gap may be missed, one that shows both, and one that
shows the negative phase. The third tells a wrong current, whichever phase has it and whatever was missed, within 37 ms
of the first wrong pulse of its wave, and within 45 ms of one that was the last of the wave before (bound: 60).

What the guard plays of it goes through ``admit`` first, which reads the pulse list by the gate's own decoder. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from safety import limits
from safety.decode import ENTRY_BYTES, Chunk, Refusal, decode
from safety.steps import (
    BEGINS_US,
    FRAME_US,
    RAIL_RISES_US,
    Change,
    Figures,
    Port,
    Sample,
    Steps,
    Wait,
    first_entry,
    frames,
    pulse_list,
)
from safety.watch import BAND_PERCENT, BAND_UA, REFERENCE_TOLERANCE_MV

CHECK_UA: Final = 2_000
"""2 mA, the step by which a set-point may rise at once (``limits.RAISE_STEP_MAX_UA``). ours."""
WIDTH_US: Final = 250
"""As the strength programmes have it. 2 mA for 250 us are 0.5 uC. ours."""
GAP_US: Final = limits.INTERPHASE_MAX_US
PULSE_US: Final = 2 * WIDTH_US + GAP_US
POSITIVE, BOTH, NEGATIVE = "positive", "both", "negative"
SHOWN: Final = (POSITIVE, POSITIVE, BOTH, NEGATIVE)
"""Which phases of each pulse of a wave the peak holds show."""
PERIOD_US: Final = 15_000
"""Long enough for a wave that begins late and the look after a pulse; so short that a wrong current ends in time."""
FIRST_US: Final = 500
LENGTH_US: Final = FIRST_US + 3 * PERIOD_US + PULSE_US + 500
"""The last 500 us: the frames."""
SHOW_US: Final = 20
"""From a phase's begin until PEAK_RESET shows it: so a low PEAK_RESET means that the phase has begun."""
TICK_WRAP: Final = 1 << 32
WAVES: Final = 4
"""Tries to read the positive phase in its gap, twice a wave."""

OPEN: Final = "electrode_open"
SHORT: Final = "electrode_short"
OUT_OF_RANGE: Final = "electrode_out_of_range"
POLARITY: Final = "electrode_polarity"
UNREAD: Final = "electrode_unread"
FINDINGS: Final = (OPEN, SHORT, OUT_OF_RANGE, POLARITY, UNREAD)
"""What may be found of an electrode (and that the machine was too busy to read it): no cause to stop for."""
CURRENT_HIGH, CURRENT_LOW, RAIL_LOST = "current_high", "current_low", "rail_lost"
"""Causes: the board, not the electrode, is at fault."""

SHORT_OHM: Final = 50
"""hardware.md."""
LOAD_MIN_OHM: Final = 100
"""Twice a short. ours."""
LOAD_MAX_OHM: Final = 10_000
"""The largest load for which a programme's output is computed (limits.md). ours."""
AT_COMPLIANCE_PERCENT: Final = 90
"""Of the compliance: no current source is exact at its end. ours."""
STEPS: Final = 3
"""Converter steps that two readings of one thing may differ by: one of rounding, two of noise (0.2 steps, 5 sigma)."""
POLARITY_PERCENT: Final = 10
"""By which the currents may differ, above the steps: one source drives both phases, so only leaks make a difference.
At 2 mA three steps are 1.5, 3 and 6 % on boards of 25, 50 and 100 mA: no less could be told on all. ours."""
VOLTAGE_PERCENT: Final = 50
"""By which the voltages may differ, above the steps: what tissue keeps of the first phase over the gap (time constants
of ms) lowers the second. Wide, as the currents show the balance: it finds contacts that lead one way. ours."""


@dataclass(frozen=True)
class Peaks:
    """What one phase showed: peak current in uA, peak electrode voltage in mV."""

    current_ua: int
    voltage_mv: int


@dataclass(frozen=True)
class Finding:
    """``load_ohm`` None: no current. ``code`` None: all well; else one of ``FINDINGS``, or a cause to stop for."""

    load_ohm: int | None
    code: str | None


def check_code(full_scale_ua: int) -> int:
    """The largest DAC code that asks for at most ``CHECK_UA``."""
    return CHECK_UA * 4096 // full_scale_ua


# --- the pulses -------------------------------------------------------------------------------------------------------


def wave(figures: Figures, channel: str) -> bytes:
    """The pulse list for one channel ("A", "B"), ``LENGTH_US`` long, that shows the peak holds what ``SHOWN`` says.

    PEAK_RESET empties them at first and as each pulse begins, is low from ``SHOW_US`` after the begin of the phase that
    is shown until another is to be hidden, and at the end.
    """
    lines, peak_reset = figures.seven, figures.mask("PEAK_RESET")
    codes = (check_code(figures.full_scale_ua), 0) if channel == "A" else (0, check_code(figures.full_scale_ua))
    changes: list[Change] = [first_entry(lines), (0, peak_reset, 0), *frames(lines, 1, *codes)]
    pos, neg = figures.mask(f"{channel}_POS"), figures.mask(f"{channel}_NEG")
    for number, shown in enumerate(SHOWN):
        first = FIRST_US + number * PERIOD_US
        second = first + WIDTH_US + GAP_US
        for start, line in ((first, pos), (second, neg)):
            changes += [(start, line, 0), (start + WIDTH_US, 0, line)]
        show = (second if shown == NEGATIVE else first) + SHOW_US
        changes += [(first, peak_reset, 0), (show, 0, peak_reset)]
        if shown == POSITIVE:
            changes.append((second, peak_reset, 0))
    changes += frames(lines, LENGTH_US - 2 * FRAME_US - 1, 0, 0)
    return pulse_list(changes, LENGTH_US)


def gap_at_us(look: int) -> int:
    """When, in its wave, a look (0, 1, 2, ...; two a wave) goes for the gap of the first or the second pulse.

    The gap lasts 1 ms, and the guard's waits may end up to 1 ms late, by about the same each time. So four looks are
    spread from a little before a gap's begin to a little after: two of them meet it, those of the first wave on a
    machine that is not busy.
    """
    return FIRST_US + look % 2 * PERIOD_US + WIDTH_US + SHOW_US + (0, 1, -1, -2)[look % 4] * GAP_US // 4


def gap_ends_us(look: int) -> int:
    """When, in its wave, the gap that a look goes for is over at the soonest: the wave may begin later than it was
    sent."""
    return FIRST_US + look % 2 * PERIOD_US + WIDTH_US + GAP_US


def admit(figures: Figures, data: bytes) -> Chunk | Refusal:
    """Judges a pulse list before it is played: but for PEAK_RESET a chunk that decodes, of at most ``CHECK_UA``."""
    if len(data) % ENTRY_BYTES:
        return Refusal("malformed", f"{len(data)} bytes")
    rest = ~figures.mask("PEAK_RESET")
    masked = b"".join(struct.pack("<3I", on & rest, off & rest, us) for on, off, us in struct.iter_unpack("<3I", data))
    chunk = decode(masked, figures.seven)
    if isinstance(chunk, Refusal):
        return chunk
    for pulse in chunk.pulses:
        if pulse.code * figures.full_scale_ua > CHECK_UA * 4096 or pulse.width_us > WIDTH_US:
            return Refusal("over_check", f"code {pulse.code} for {pulse.width_us} us at {pulse.start_us} us")
    return chunk


# --- what the readings say --------------------------------------------------------------------------------------------


def evaluate(figures: Figures, positive: Peaks, negative: Peaks) -> Finding:
    """What both phases say. The worst is told: a fault of the board, then open, unlike polarities, short, range.

    The current is held against the asked as in a session (``watch.BAND_PERCENT``, ``watch.BAND_UA``).
    """
    currents = (positive.current_ua, negative.current_ua)
    voltages = (positive.voltage_mv, negative.voltage_mv)
    asked = check_code(figures.full_scale_ua) * figures.full_scale_ua // 4096
    band_ua, band_mv = STEPS * figures.peak_step_ua, STEPS * figures.electrode_step_mv
    current = sum(currents)
    load = sum(voltages) * 1000 // current if current else None
    if 100 * (max(currents) - BAND_UA) > (100 + BAND_PERCENT) * asked:
        return Finding(load, CURRENT_HIGH)
    at_compliance = max(voltages) * 100 >= figures.compliance_mv * AT_COMPLIANCE_PERCENT
    over = load is not None and load * CHECK_UA > figures.compliance_mv * 1000
    if at_compliance and (over or max(currents) * 2 < asked):
        return Finding(load, OPEN)
    if _unlike(currents, POLARITY_PERCENT, band_ua) or _unlike(voltages, VOLTAGE_PERCENT, band_mv):
        return Finding(load, POLARITY)
    if load is None or 100 * (max(currents) + BAND_UA) < (100 - BAND_PERCENT) * asked:
        return Finding(load, CURRENT_LOW)
    if load < SHORT_OHM:
        return Finding(load, SHORT)
    if not LOAD_MIN_OHM <= load <= LOAD_MAX_OHM:
        return Finding(load, OUT_OF_RANGE)
    return Finding(load, None)


def _unlike(values: tuple[int, int], percent: int, band: int) -> bool:
    return (max(values) - min(values) - band) * 100 > max(values) * percent


# --- the check in steps -----------------------------------------------------------------------------------------------


def run(port: Port, figures: Figures, channels: Sequence[str], now_us: int) -> Steps[dict[str, Finding]]:
    """Closes the output switch, checks the channels ("A", "B") in turn, opens it again. Needs a passed self-test.

    Meanwhile the guard must not empty the peak holds. A cause to stop for (no ``FINDINGS``) is the last thing found,
    and ends it at once, whatever still plays: the guard must stop.
    """
    found: dict[str, Finding] = {}
    now = yield Wait(now_us)
    port.write("OUTPUT_ENABLE", 1)
    most = now + RAIL_RISES_US
    while (up := port.sense().rail_mv >= figures.compliance_mv) is False and now < most:
        now = yield Wait(now + limits.CHECK_INTERVAL_US, toggle=True)
    for channel in channels:
        found[channel] = (yield from _measure(port, figures, channel)) if up else Finding(None, RAIL_LOST)
        if found[channel].code not in (None, *FINDINGS):
            port.write("OUTPUT_ENABLE", 0)
            return found
    port.write("OUTPUT_ENABLE", 0)
    now = yield Wait(now, toggle=True)
    yield Wait(now + limits.CHECK_INTERVAL_US, toggle=True)  # it is seen low before a start raises it again
    return found


def _measure(port: Port, figures: Figures, channel: str) -> Steps[Finding]:
    """One channel, the rail being up."""
    place = "AB".index(channel)
    for attempt in range(WAVES):
        playing, began = port.play(wave(figures, channel), LENGTH_US)
        gaps: list[Peaks] = []
        met = False
        for look in (2 * attempt, 2 * attempt + 1):
            yield Wait(began + gap_at_us(look), toggle=True)
            sample = port.sense()
            late_us = _since(sample, began + gap_ends_us(look))
            if sample.playing == playing and _shows(sample, figures) and late_us < PERIOD_US // 2:
                gaps.append(_peaks(sample, place))
                met = met or late_us <= 0
        third_ends = began + FIRST_US + SHOWN.index(BOTH) * PERIOD_US + PULSE_US
        yield Wait(third_ends + BEGINS_US, toggle=True)
        sample = port.sense()
        both = _peaks(sample, place)
        finding = evaluate(figures, both, both) if _shows(sample, figures) else Finding(None, UNREAD)
        if finding.code in (CURRENT_HIGH, CURRENT_LOW):
            return finding
        yield Wait(began + LENGTH_US + BEGINS_US, toggle=True)
        if finding.code in (OPEN, SHORT):
            return finding
        sample = port.sense()
        if gaps and _shows(sample, figures):
            # A look at the gap that came too late saw empty holds: the largest is the one that met it. And when none
            # met it for certain, that nothing was seen says nothing.
            positive = Peaks(max(peaks.current_ua for peaks in gaps), max(peaks.voltage_mv for peaks in gaps))
            finding = evaluate(figures, positive, _peaks(sample, place))
            if met or finding.code != POLARITY:
                return finding
    return Finding(None, UNREAD)


def _shows(sample: Sample, figures: Figures) -> bool:
    """Whether the peak holds show what they have seen, and the converter what they hold.

    A converter that is wrong at its reference is named by the guard's own check.
    """
    if sample.bank & (figures.seven.phases | figures.mask("PEAK_RESET")):
        return False
    return abs(sample.reference_mv - figures.reference_mv) <= REFERENCE_TOLERANCE_MV


def _since(sample: Sample, at_us: int) -> int:
    """How long after a time of the guard a reading was over, by the daemon's tick, which is read last."""
    return (sample.tick - at_us + TICK_WRAP // 2) % TICK_WRAP - TICK_WRAP // 2


def _peaks(sample: Sample, place: int) -> Peaks:
    return Peaks(sample.peak_ua[place], sample.electrode_mv[place])
