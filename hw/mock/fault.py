"""What a fault is: its name and arguments, what it models, how it shows, what it does and how it is mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hw.mock.bench import Bench
from hw.mock.board import BoardModel
from hw.mock.fault_args import Arg, Values

Do = Callable[[Bench, Values], None]
Mend = Callable[[Bench], None]


@dataclass(frozen=True)
class Fault:
    """One fault. ``mend`` None: it happens once, and nothing is left to mend."""

    name: str
    group: str
    args: tuple[Arg, ...]
    models: str
    shows: str
    do: Do
    mend: Mend | None = None

    @property
    def usage(self) -> str:
        """The command's words."""
        return " ".join((self.name, *(arg.usage for arg in self.args)))


CHANNEL: Final = Arg("CHANNEL", ("A", "B"))
LEVEL: Final = Arg("LEVEL", ("high", "low"))


def high(values: Values) -> int:
    """The level that is named."""
    return int(values["LEVEL"] == "high")


def number(values: Values, name: str, missing: float = 0.0) -> float:
    """A number that was given, or another in its place."""
    value = values.get(name)
    return missing if value is None else float(value)


def setting(part: Callable[[BoardModel], object], field: str, value: object, mended: object) -> tuple[Do, Mend]:
    """Sets a field of a part of the board, and puts it back."""
    return (
        lambda bench, _: bench.change(lambda board: setattr(part(board), field, value)),
        lambda bench: bench.change(lambda board: setattr(part(board), field, mended)),
    )
