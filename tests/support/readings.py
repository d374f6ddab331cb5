"""What a check of the guard reads: a sample for the watch, as it ought to be or through the simulated converter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hw.mock.adc import Converter
from safety.watch import Check, Facts
from safety.window import Asked

FAULT_N, POWER_OK = 1 << 12, 1 << 15
A_POS, A_NEG, B_POS, B_NEG = 1 << 24, 1 << 27, 1 << 22, 1 << 26
GOOD_BANK = FAULT_N | POWER_OK
NOW_US = 50_000_000
FACTS = Facts(
    full_scale_ua=50_000,
    compliance_mv=60_000,
    reference_mv=1250,
    fault_n=FAULT_N,
    power_ok=POWER_OK,
    phases=(A_POS | A_NEG, B_POS | B_NEG),
    averages=(5, 6),
    never_full=(2, 3, 4, 5, 6),
)


@dataclass(frozen=True)
class Reading:
    """A sample; everything quiet with the switch closed, unless said otherwise."""

    bank: int = GOOD_BANK
    raw: tuple[int, ...] = (0, 0, 0, 0, 3127, 2048, 2047, 1551)
    peak_ua: tuple[int, int] = (0, 0)
    electrode_mv: tuple[int, int] = (0, 0)
    rail_mv: int = 63_000
    average_ua: tuple[int, int] = (0, 0)
    reference_mv: int = 1250
    playing: int | None = 1
    dead_man_running: bool = True
    strayed: tuple[str, ...] = ()
    holds: bool = True
    emptied_ua: tuple[int, int] | None = None
    tick: int = 0


def check(now_us: int = NOW_US, **changes: Any) -> Check:
    """A check in which all is well, but for ``changes`` of the check or of its reading."""
    reading = {key: changes.pop(key) for key in tuple(changes) if key in Reading.__dataclass_fields__}
    whole = Check(
        sample=Reading(**reading),
        now_us=now_us,
        due_us=now_us,
        round_trip_us=300,
        since_us=now_us - 20_000,
        asked=(Asked(), Asked()),
        in_flight=frozenset(),
        enabled=True,
        enabled_us=now_us - 1_000_000,
        keepalive_us=now_us - 20_000,
        allowed=frozenset({1}),
    )
    return whole._replace(**changes)


def converted(
    converter: Converter,
    tick: int,
    full_scale_ua: int = 50_000,
    peak_ua: tuple[float, float] = (0, 0),
    electrode_mv: tuple[float, float] = (0, 0),
    rail_mv: float = 63_000,
    average_ua: tuple[float, float] = (0, 0),
) -> Reading:
    """What a healthy or broken converter of the simulated board makes of the true values (docs/hardware.md)."""
    mv = [
        *(ua * 2000 / full_scale_ua for ua in peak_ua),
        *(volt / 20 for volt in electrode_mv),
        rail_mv / 25,
        *(1650 + ua / 10 for ua in average_ua),
        1250.0,
    ]
    raw = tuple(converter.convert(n, True, tick, mv[n] / 1000) for n in range(8))
    read = [round(code * 3300 / 4096, 6) for code in raw]
    return Reading(
        raw=raw,
        peak_ua=(round(read[0] * full_scale_ua / 2000), round(read[1] * full_scale_ua / 2000)),
        electrode_mv=(round(read[2] * 20), round(read[3] * 20)),
        rail_mv=round(read[4] * 25),
        average_ua=(round((read[5] - 1650) * 10), round((read[6] - 1650) * 10)),
        reference_mv=round(read[7]),
    )
