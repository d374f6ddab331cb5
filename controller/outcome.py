"""What a session came to, and what a person is shown while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.timeline import Slice


@dataclass
class Outcome:
    """What a session came to. Currents in uA, charge as code x us and pC, loads in ohm, times in us of session time.

    ``contractions`` and ``continuous_phases`` count what began; a continuous phase is no contraction, as in ``check``.
    """

    mode: str = "idle"
    cause: str | None = None
    confirmed: bool | None = None
    contractions: int = 0
    continuous_phases: int = 0
    pulses: int = 0
    net_code_us: int = 0
    charge_per_phase_pc: dict[str, int] = field(default_factory=dict)
    peak_measured_ua: dict[str, int] = field(default_factory=dict)
    checked_load_ohm: dict[str, int | None] = field(default_factory=dict)
    reached_us: dict[str, int | None] = field(default_factory=dict)
    session_us: int = 0
    underruns: int = 0
    first_tick: int | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class View:
    """A chunk began to play: what of, and what the guard saw up to here. ``came``: per channel, the ``pulses`` of this
    session that came whole in the edges, and the sum of their ``code_us``; ``load_ohm``: as last reckoned from voltage
    and current.
    """

    playing: Slice
    codes: list[int]
    set_point_ua: dict[str, int]
    measured_ua: dict[str, int]
    underruns: int
    came: Mapping[str, Mapping[str, int]]
    load_ohm: Mapping[str, int | None]


def outcome_figures(outcome: Outcome) -> dict[str, Any]:
    """The summary as plain figures, units in the names."""
    return {
        "mode": outcome.mode,
        "cause": outcome.cause,
        "output_confirmed_off": outcome.confirmed,
        "contractions": outcome.contractions,
        "continuous_phases": outcome.continuous_phases,
        "pulses_sent": outcome.pulses,
        "charge_per_phase_uc": {one: pc / 1e6 for one, pc in outcome.charge_per_phase_pc.items()},
        "net_charge_code_us": outcome.net_code_us,
        "peak_measured_ma": {one: ua / 1000 for one, ua in outcome.peak_measured_ua.items()},
        "load_at_check_ohm": outcome.checked_load_ohm,
        "time_to_set_point_s": {one: None if us is None else us / 1e6 for one, us in outcome.reached_us.items()},
        "session_s": max(0, outcome.session_us) / 1e6,
        "underruns": outcome.underruns,
        "notes": outcome.notes,
    }
