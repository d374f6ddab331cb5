"""A programme as a form: its file's fields as a person fills them in, what is wrong with them, and what each may be.

The form has the names of the file (``programme.toml`` as JSON); it is written as TOML and read by the one strict
reader, so that a form is refused for what a file would be, in the same words.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from controller.prescription_form import toml_value
from controller.programme import AREA_MAX_CM2, AREA_MIN_CM2, CHANNELS, Programme, parse_programme, read_phase
from controller.strict_toml import Fields, Range, parse_toml
from safety import limits
from safety.errors import InputRefused, Problem

_PHASE: Final = re.compile(r"phase\[(\d+)\]")
_NAMED: Final = "a form"
_ACTIVE: Final = ("ramp_up_ms", "hold_ms", "ramp_down_ms")
Lower = Callable[[str, Fraction], None]
"""Lowers the highest that a field may be."""


@dataclass(frozen=True)
class Checked:
    """What came of a form or file. ``form``: its fields, None when it is no TOML; ``programme``: None when something
    is wrong. ``phases``: for each phase, what its numbers may be as the others stand now; ``whole``: cycles and area.
    """

    text: bytes
    form: dict[str, Any] | None
    programme: Programme | None
    problems: tuple[Problem, ...]
    phases: tuple[Mapping[str, Range], ...]
    whole: Mapping[str, Range]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text).hexdigest()


def form_toml(form: Mapping[str, Any]) -> bytes:
    """The file of a form. What is None is left out."""
    lines = [f"{key} = {toml_value(value)}\n" for key, value in form.items() if key != "phase" and value is not None]
    for phase in form.get("phase", ()):
        lines.append("\n[[phase]]\n")
        lines += [f"{key} = {toml_value(value)}\n" for key, value in phase.items() if value is not None]
    return "".join(lines).encode("utf-8", "surrogatepass")


def check(text: bytes) -> Checked:
    """Reads a programme file, and says everything that is wrong with it."""
    programme: Programme | None = None
    problems: tuple[Problem, ...] = ()
    try:
        programme = parse_programme(text, _NAMED)
    except InputRefused as refused:
        problems = refused.problems
    try:
        raw, _ = parse_toml(text, _NAMED)
    except InputRefused:
        return Checked(text, None, None, problems, (), {})
    listed = raw.get("phase")
    phases = listed if isinstance(listed, list) and all(isinstance(one, dict) for one in listed) else []
    form: dict[str, Any] = _plain(raw)
    return Checked(text, form, programme, problems, *_ranges(phases, raw.get("cycles", 1)))


def phase_of(problem: Problem) -> int | None:
    """Which phase a problem is of, from 1; None when it is of the whole."""
    found = _PHASE.search(problem.place)
    return None if found is None else int(found[1])


def _plain(value: Any) -> Any:
    """As JSON has it: the exact decimals of the file as numbers."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, Decimal):
        number = float(value)
        return number if math.isfinite(number) else str(value)
    return value


def _exact(value: object) -> Fraction | None:
    """A number as the reader takes it; None for one that is none, or has more digits than are worth the work."""
    if type(value) is int:
        return Fraction(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(int(value.as_tuple().exponent)) <= limits.DECIMALS_MAX:
        return Fraction(value)
    return None


# --- what each number may be ------------------------------------------------------------------------------------------


def _ranges(
    phases: Sequence[Mapping[str, Any]], cycles: object
) -> tuple[tuple[Mapping[str, Range], ...], Mapping[str, Range]]:
    read = []
    for table in phases[: limits.PHASES_MAX]:
        fields = Fields(table, "", [], lambda _: "")
        read.append((table, fields.ranges, read_phase(fields)))
    durations = [0 if phase is None else phase.duration_us for _, _, phase in read]
    whole = cycles if type(cycles) is int and cycles > 0 else 1
    left_us = Fraction(limits.SESSION_MAX_US, whole) - sum(durations)
    most = min(limits.CYCLES_MAX, limits.SESSION_MAX_US // sum(durations) if sum(durations) else limits.CYCLES_MAX)
    narrowed = tuple(
        _narrowed(table, ranges, left_us + duration)
        for (table, ranges, _), duration in zip(read, durations, strict=True)
    )
    return narrowed, {
        "cycles": Range(Fraction(1), Fraction(max(1, most)), "", whole=True),
        "area_cm2": Range(AREA_MIN_CM2, AREA_MAX_CM2, "cm2", whole=False),
    }


def _narrowed(table: Mapping[str, Any], ranges: Mapping[str, Range], room_us: Fraction) -> Mapping[str, Range]:
    """The reader's own bounds, and those that follow from the other fields; ``room_us``: what the session leaves."""
    found = dict(ranges)

    def lower(name: str, high: Fraction) -> None:
        if name in found:
            kept = found[name]
            bound = Fraction(high.numerator // high.denominator) if kept.whole else high
            if bound >= kept.low:  # one that no value could keep is another field's to mend
                found[name] = replace(kept, high=min(kept.high, bound))

    ms: dict[str, Any] = {name: table[name] for name in (*_ACTIVE, "rest_ms") if type(table.get(name)) is int}
    room_ms = room_us / 1_000
    if "pause_s" in table:
        lower("pause_s", room_ms / 1_000)
    elif "continuous_s" in table:
        plateau = _exact(table["continuous_s"])
        if plateau is not None:
            ms["continuous_ms"] = plateau * 1_000
        parts = ("ramp_up_ms", "ramp_down_ms", "continuous_ms")
        for name in parts:
            if all(part in ms for part in parts if part != name):
                high = room_ms - sum(ms[part] for part in parts if part != name)
                lower(name, high)
                if name == "continuous_ms":
                    lower("continuous_s", high / 1_000)
    else:
        _narrow_contraction(ms, table.get("repeats"), room_ms, found, lower)
    _narrow_pulse(table, lower)
    return found


def _narrow_contraction(
    ms: Mapping[str, int], repeats: object, room_ms: Fraction, found: dict[str, Range], lower: Lower
) -> None:
    """A contraction has its longest, the rest is as long at least, and all of them fit the session."""
    rest, once = ms.get("rest_ms"), room_ms / repeats if type(repeats) is int and repeats > 0 else room_ms
    for name in _ACTIVE:
        if all(part in ms for part in _ACTIVE if part != name):
            others = sum(ms[part] for part in _ACTIVE if part != name)
            lower(name, Fraction(limits.CONTRACTION_MAX_US // 1_000 - others))
            if rest is not None:
                lower(name, Fraction(rest - others))
                lower(name, once - rest - others)
    if all(part in ms for part in _ACTIVE):
        active = sum(ms[part] for part in _ACTIVE)
        lower("rest_ms", once - active)
        if "rest_ms" in found:
            bounds = found["rest_ms"]
            found["rest_ms"] = replace(bounds, low=min(bounds.high, max(bounds.low, Fraction(active))))
        if rest is not None and active + rest > 0:
            lower("repeats", room_ms / (active + rest))


def _narrow_pulse(table: Mapping[str, Any], lower: Lower) -> None:
    """A pulse and its margin fit the period, or half of it for two channels that take turns."""
    channel, frequency = table.get("channel"), _exact(table.get("frequency_hz"))
    width, gap = table.get("phase_width_us"), table.get("interphase_us")
    if not isinstance(channel, str) or channel not in CHANNELS:
        return
    share = len(CHANNELS[channel])
    margin = limits.PERIOD_MARGIN_US
    if frequency is not None and frequency > 0:
        room = Fraction(1_000_000) / (share * frequency) - margin
        if type(gap) is int:
            lower("phase_width_us", (room - gap) / 2)
        if type(width) is int:
            lower("interphase_us", room - 2 * width)
    if type(width) is int and type(gap) is int and 2 * width + gap + margin > 0:
        lower("frequency_hz", Fraction(1_000_000, share * (2 * width + gap + margin)))
