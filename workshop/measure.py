"""What is measured of a board with a dummy load: pulses of known codes, the trip, the drop-out, the red button.

Every wave is finite, and nothing is played with the output switch closed but balanced pulses. The one exception is the
trip: two pulses that ask for 120 % of full scale by the DAC's gain of 2, which no approved chunk may contain; the
board's own comparator has 20 us to open, into a resistor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from hw.senses import Sample
from safety import limits
from safety.calibration import DROP_OUT_MAX_US, ESTOP_MAX_US
from safety.steps import (
    FRAME_US,
    GONE_MV,
    Change,
    Figures,
    first_entry,
    frames,
    pulse_list,
    words,
)
from workshop.hands import Hand
from workshop.rig import Rig

CODES: Final = 4096
WIDTH_US: Final = 500
"""Long enough for a scope and the peak hold, and 25 uC of 40 at 50 mA. ours."""
GAP_US: Final = 100
FIRST_US: Final = 500
PERIOD_US: Final = 50_000
"""Two pulses a wave: 20 Hz."""
LENGTH_US: Final = limits.CHUNK_MAX_US
WAVES: Final = 10
"""A second of pulses for each reading. ours."""
PERCENTS: Final = (10, 25, 50, 75, 90)
"""Of full scale. ours."""
TRIP_CODE: Final = 60 * CODES // 100
"""At gain 2: 120 % of full scale, above the comparator's 110."""
_HEADS: Final = (0x7000, 0xF000)
"""Buffered reference, gain 1, active; channel A and B (hardware.md)."""
_GAIN_1: Final = 1 << 13
"""Bit 13 of the MCP4922's word: low doubles the output."""
BUTTON_WITHIN_US: Final = 60_000_000
TRIES: Final = 3
"""Of a time that a busy machine makes longer. ours."""
NEVER_US: Final = 1_000_000
"""Stands for a time that did not come; no tolerance reaches so far."""
LOOK_US: Final = 1_000
"""While something is timed, this is how often it is looked at."""


@dataclass(frozen=True)
class Seen:
    """What the board itself read: peak current and electrode voltage of the channel, uA and mV."""

    current_ua: int
    voltage_mv: int

    @classmethod
    def of(cls, sample: Sample, channel: str) -> Seen:
        place = "AB".index(channel)
        return cls(sample.peak_ua[place], sample.electrode_mv[place])


def code_for(percent: int) -> int:
    """The DAC's code for a share of full scale, 0-100."""
    return min(CODES - 1, percent * CODES // 100)


def wave(figures: Figures, channel: str, code: int, *, width_us: int = WIDTH_US, gain_2: bool = False) -> bytes:
    """Two balanced pulses on one channel at a code, ``LENGTH_US`` long."""
    lines = figures.seven
    codes = (code, 0) if channel == "A" else (0, code)
    put = [(head | one) & ~(_GAIN_1 if gain_2 else 0) for head, one in zip(_HEADS, codes, strict=True)]
    changes: list[Change] = [first_entry(lines), *words(lines, 1, *put)]
    pos, neg = figures.mask(f"{channel}_POS"), figures.mask(f"{channel}_NEG")
    for first in range(FIRST_US, LENGTH_US, PERIOD_US):
        for start, line in ((first, pos), (first + width_us + GAP_US, neg)):
            changes += [(start, line, 0), (start + width_us, 0, line)]
    changes += frames(lines, LENGTH_US - 2 * FRAME_US - 1, 0, 0)
    return pulse_list(changes, LENGTH_US)


def plays(rig: Rig, channel: str, percent: int) -> Seen:
    """A second of pulses at a share of full scale, the rail being up; what the board read of them."""
    data = wave(rig.figures, channel, code_for(percent))
    rig.tools.reset_peaks()
    for _ in range(WAVES):
        sample = rig.play(data, LENGTH_US)
    return Seen.of(sample, channel)


def trips(rig: Rig, channel: str) -> bool:
    """Whether full scale does not trip the comparator and 120 % does, in one try of two: on a machine that was busy
    meanwhile KEEPALIVE may have dropped out. The latch is re-armed either way."""
    return any(_trips(rig, channel) for _ in range(2))


def _trips(rig: Rig, channel: str) -> bool:
    with rig.output() as up:
        if not up:
            return False
        rig.play(wave(rig.figures, channel, CODES - 1), LENGTH_US)
        before = tripped(rig)
        rig.play(wave(rig.figures, channel, TRIP_CODE, gain_2=True), LENGTH_US)
        after = tripped(rig)
    rearm(rig)
    return after and not before


def tripped(rig: Rig) -> bool:
    """Whether FAULT_N is low."""
    return not rig.tools.sense().bank & rig.figures.mask("FAULT_N")


def rearm(rig: Rig) -> None:
    """FAULT_RESET for 1 ms, by a wave that lowers it again."""
    mask = rig.figures.mask("FAULT_RESET")
    rig.play(pulse_list([(0, mask, 0), (1_000, 0, mask)], 1_001), 1_001)


def drop_out_us(rig: Rig) -> int | None:
    """From KEEPALIVE's last change until the rail is gone; None when it is not gone after twice the longest.

    The shortest of ``TRIES``: a look that comes late makes it longer, and nothing makes it shorter.
    """
    found = [one for one in (_drop_out_us(rig) for _ in range(TRIES)) if one is not None]
    return min(found, default=None)


def _drop_out_us(rig: Rig) -> int | None:
    with rig.output() as up:
        last = rig.tools.toggled_us
        return _gone(rig, last, last + 2 * DROP_OUT_MAX_US) if up else None


def estop_us(rig: Rig, hand: Hand) -> int | None:
    """From the last look at which a contact was not pressed until the rail is gone: never too short, but longer where a
    look came late, so that of ``TRIES`` presses one within the tolerance will do. None when one does not end it."""
    found: list[int] = []
    for _ in range(TRIES):
        us = _estop_us(rig, lambda: hand.does("press"))
        hand.does("release")
        if us is None or us <= ESTOP_MAX_US:
            return us
        found.append(us)
    return min(found)


def _estop_us(rig: Rig, press: Callable[[], None]) -> int | None:
    wanted = rig.figures.lines
    with rig.output() as up:
        if not up:
            return None
        press()
        before = rig.clock.now()
        most = before + BUTTON_WITHIN_US
        while (now := rig.clock.now()) < most:
            bank = rig.run(LOOK_US).bank
            if all(bool(bank & wanted[one].mask) is not bool(wanted[one].safe) for one in ("ESTOP_A", "ESTOP_B")):
                return _gone(rig, before, before + 10 * ESTOP_MAX_US, toggle=True)
            before = now
    return None


def _gone(rig: Rig, since: int, most: int, *, toggle: bool = False) -> int | None:
    while True:
        low = rig.tools.check(toggle=toggle, kick=True, reset_peaks=False).rail_mv < GONE_MV
        now = rig.clock.now()
        if low or now >= most:
            return now - since if low else None
        rig.wait(now + LOOK_US)


def current_ua(volt: Decimal, load_ohm: int) -> float:
    """What a voltage across the load means."""
    return float(volt * 1_000_000 / load_ohm)
