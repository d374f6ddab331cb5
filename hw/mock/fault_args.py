"""Arguments of faults: what each may be, and the refusal of what it may not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from safety.errors import Problem

Value = float | int | str | None
Values = Mapping[str, Value]
_ADVICE: Final = "Give another value; nothing was broken."


@dataclass(frozen=True)
class Arg:
    """One argument: a choice, or a number from ``low`` to ``high`` in ``unit``. It may be left out if ``optional``."""

    name: str
    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    unit: str = ""
    whole: bool = False
    optional: bool = False

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if self.choices:
            return ", ".join(self.choices)
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} {_number(self.low)} to {_number(self.high)}{' ' + self.unit if self.unit else ''}"

    @property
    def usage(self) -> str:
        """How it stands in a command."""
        return f"[{self.name}]" if self.optional else self.name

    def read(self, raw: object) -> Value:
        """The value of what was given, as text or from TOML or JSON; raises ValueError."""
        if self.choices:
            if str(raw) not in self.choices:
                raise ValueError(self.allowed)
            return str(raw)
        if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
            raise ValueError(self.allowed)
        number = float(raw)
        if not math.isfinite(number) or not self.low <= number <= self.high or (self.whole and number != int(number)):
            raise ValueError(self.allowed)
        return int(number) if self.whole else number


def read_args(args: Sequence[Arg], given: object, place: str, problems: list[Problem]) -> dict[str, Value]:
    """The values of a list (in order) or a table (by name) of arguments; what is wrong is added to ``problems``."""
    if isinstance(given, Mapping):
        table = dict(given)
    elif isinstance(given, Sequence) and not isinstance(given, str):
        if len(given) > len(args):
            most = "no arguments" if not args else "at most " + " ".join(arg.usage for arg in args)
            problems.append(_problem(place, "arguments", " ".join(map(str, given)), most))
            return {}
        table = {arg.name: value for arg, value in zip(args, given, strict=False)}
    else:
        problems.append(_problem(place, "arguments", repr(given), "a list, or a table by name"))
        return {}
    known = {arg.name for arg in args}
    for name in table:
        if name not in known:
            words = "no arguments" if not args else "no other than " + ", ".join(arg.name for arg in args)
            problems.append(_problem(place, str(name), str(table[name]), words))
    values: dict[str, Value] = {}
    for arg in args:
        values[arg.name] = None
        if arg.name not in table:
            if not arg.optional:
                problems.append(_problem(place, arg.name, "missing", arg.allowed))
            continue
        try:
            values[arg.name] = arg.read(table[arg.name])
        except ValueError:
            problems.append(_problem(place, arg.name, str(table[arg.name]), arg.allowed))
    return values


def _problem(place: str, field: str, value: str, allowed: str) -> Problem:
    return Problem("fault_argument", place, field, value, allowed, _ADVICE)


def _number(figure: float) -> str:
    return f"{figure:,.10g}".replace(",", " ")
