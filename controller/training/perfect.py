"""The P.E.R.F.E.C.T. record, entered by the clinician from palpation. EMG never fills any of it. Pure.

Power, endurance, repetitions, fast contractions, every contraction timed (Laycock and Jerwood 2001, Physiotherapy
87:631-642; quoted). Power is the modified Oxford scale; endurance in s, repetitions and fast ones are up to 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from controller.chain import Kind, Row

POWER_MAX: Final = 5
ENDURANCE_MAX_S: Final = 10
REPETITIONS_MAX: Final = 10
FAST_MAX: Final = 10
VERY_WEAK: Final = 2
"""Up to this power a pause is at least twice as long as its squeeze (docs/limits.md)."""


@dataclass(frozen=True)
class Perfect:
    """One palpation. ``day``: ISO date. ``note``: the clinician's words."""

    day: str
    power: int
    endurance_s: int
    repetitions: int
    fast: int
    note: str = ""

    def __post_init__(self) -> None:
        for name, most in (
            ("power", POWER_MAX),
            ("endurance_s", ENDURANCE_MAX_S),
            ("repetitions", REPETITIONS_MAX),
            ("fast", FAST_MAX),
        ):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is from 0 to {most}")
        if self.power == 0 and (self.endurance_s or self.repetitions or self.fast):
            raise ValueError("nothing is held or repeated at power 0")

    @property
    def advice(self) -> tuple[str, ...]:
        """Codes: ``pause_twice`` for a very weak muscle; ``no_contraction`` for one that does nothing."""
        return ("no_contraction",) if self.power == 0 else ("pause_twice",) if self.power <= VERY_WEAK else ()


def perfects(rows: Iterable[Row]) -> list[Perfect]:
    """The records in the order of their days; the newest entry of a day counts."""
    found: dict[str, Perfect] = {}
    for row in rows:
        if row.kind == Kind.PERFECT:
            fields: dict[str, Any] = row.fields
            fields.pop("who", None)
            found[fields["day"]] = Perfect(**fields)
    return [found[day] for day in sorted(found)]
