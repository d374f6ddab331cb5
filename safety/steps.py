"""What self-test and electrode check share: how they are driven, what they may ask of the board, and their pulse lists.

Both are generators. Each yields a ``Wait``: until when it has nothing to do, and what the guard's check, every 20 ms,
does meanwhile. It is sent the guard's time when it goes on. Between two of its steps the guard looks at its lines and
answers a stop as ever, and drops the generator if there is one. A board that fails raises out of it. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from safety.decode import FRAME_CLOCKS, Lines

_Result = TypeVar("_Result")

GONE_MV: Final = 5_000
"""A rail under this is gone: hardware.md, 10 ms after the output switch opened."""
NEAR_ZERO_MV: Final = 1_000
"""A rail under this moves no current: the sources need 3 V of it (hardware.md: 63 V for a compliance of 60 V). ours."""
DROP_OUT_US: Final = 130_000
"""From KEEPALIVE's last change until the rail is gone: drop-out 80-120 ms, and 10 ms to fall (hardware.md)."""
RAIL_RISES_US: Final = 100_000
"""Five changes of KEEPALIVE: what the charge pump may need to be taken for alive. ours."""
BEGINS_US: Final = 5_000
"""A wave's begin after it was sent: 2.6 ms measured for the first one, and room for a busy machine."""


@dataclass(frozen=True)
class Wait:
    """Nothing to do before ``until_us``, the guard's time. Until then each check toggles KEEPALIVE if ``toggle``, kicks
    the dead-man if ``kick``, and does not take FAULT_N low for a trip if ``trips``."""

    until_us: int
    toggle: bool = False
    kick: bool = True
    trips: bool = False


Steps = Generator[Wait, int, _Result]
"""A job in steps: yields what to wait for, is sent the time (us), returns its result."""


class Line(Protocol):
    """One line of the board: its bit in the bank, and its safe level."""

    @property
    def mask(self) -> int: ...
    @property
    def safe(self) -> int | None: ...


class Sample(Protocol):
    """One reading of everything: levels of GPIO 0-31, codes of the converter, and what they amount to (A, B); and the
    daemon's tick (32 bits of us) when all that was read."""

    @property
    def bank(self) -> int: ...
    @property
    def raw(self) -> tuple[int, ...]: ...
    @property
    def peak_ua(self) -> tuple[int, int]: ...
    @property
    def electrode_mv(self) -> tuple[int, int]: ...
    @property
    def rail_mv(self) -> int: ...
    @property
    def average_ua(self) -> tuple[int, int]: ...
    @property
    def reference_mv(self) -> int: ...
    @property
    def playing(self) -> int | None: ...
    @property
    def dead_man_running(self) -> bool: ...
    @property
    def tick(self) -> int: ...


class Facts(Protocol):
    """What the daemon is: its version, the addresses it listens on, its permission mask (GPIO 0-31), and the ids of
    stored scripts other than the dead-man's."""

    @property
    def version(self) -> int: ...
    @property
    def listeners(self) -> tuple[str, ...]: ...
    @property
    def permitted(self) -> int: ...
    @property
    def scripts(self) -> tuple[int, ...]: ...


class Port(Protocol):
    """The board, for one job in steps. Every call may raise BoardError.

    ``toggled_us`` and ``kicked_us``: when KEEPALIVE was last changed and the dead-man last kicked, by whomever.
    """

    @property
    def toggled_us(self) -> int: ...
    @property
    def kicked_us(self) -> int: ...
    def sense(self) -> Sample:
        """Reads everything; neither toggles, kicks nor empties the peak holds."""
        ...

    def reset_peaks(self) -> None:
        """Empties the peak holds."""
        ...

    def second_opinion(self, channel: int) -> int:
        """The converter's code of a channel (0-7), read in another way than ``sense`` does."""
        ...

    def write(self, line: str, level: int) -> None:
        """Sets one output line."""
        ...

    def forget(self) -> None:
        """Halts, makes the lines safe and deletes all waves."""
        ...

    def play(self, data: bytes, duration_us: int) -> tuple[int, int]:
        """Plays a pulse list once, from now on; nothing else may be playing. Gives the wave's id and the time then."""
        ...

    def start_dead_man(self) -> None:
        """Starts the dead-man's script again after it fired."""
        ...

    def facts(self) -> Facts:
        """What the daemon is."""
        ...


@dataclass(frozen=True)
class Figures:
    """The board's figures. ``peak_step_ua`` and ``electrode_step_mv``: one step of the converter, rounded up."""

    lines: Mapping[str, Line]
    full_scale_ua: int
    compliance_mv: int
    reference_mv: int
    peak_step_ua: int
    electrode_step_mv: int

    def mask(self, *names: str) -> int:
        """Bank mask of the named lines."""
        return sum(self.lines[name].mask for name in names)

    @property
    def seven(self) -> Lines:
        """Masks of the seven lines of a chunk."""
        names = ("A_POS", "A_NEG", "B_POS", "B_NEG", "DAC_SDI", "DAC_SCK", "DAC_CS_N")
        return Lines(*(self.lines[name].mask for name in names))


Change = tuple[int, int, int]
"""At a time in us: lines to set, lines to clear."""


def pulse_list(changes: Iterable[Change], length_us: int) -> bytes:
    """Changes, the first at 0, as pigpio's pulse list: lines to set, lines to clear, us until the next."""
    merged: dict[int, tuple[int, int]] = {}
    for at_us, on, off in changes:
        before = merged.get(at_us, (0, 0))
        merged[at_us] = (before[0] | on, before[1] | off)
    times = sorted(merged)
    ends = [*times[1:], length_us]
    return b"".join(struct.pack("<3I", *merged[at], end - at) for at, end in zip(times, ends, strict=True))


FRAME_US: Final = 2 * FRAME_CLOCKS + 1
"""An amplitude frame, and 1 us before the next may begin."""


def frames(lines: Lines, at_us: int, code_a: int, code_b: int) -> list[Change]:
    """An amplitude frame for each channel, A first, from ``at_us`` to ``at_us + 2 x FRAME_US`` (hardware.md)."""
    return words(lines, at_us, 0x7000 | code_a, 0xF000 | code_b)


def words(lines: Lines, at_us: int, *put: int) -> list[Change]:
    """Words of 16 bits for the DAC, one after another."""
    found: list[Change] = []
    for start, word in enumerate(put):
        start = at_us + start * FRAME_US
        found.append((start, 0, lines.cs_n))
        for place in range(FRAME_CLOCKS):
            sdi = (lines.sdi, 0) if word >> (FRAME_CLOCKS - 1 - place) & 1 else (0, lines.sdi)
            found.append((start + 2 * place, sdi[0], sdi[1] | lines.sck))
            found.append((start + 2 * place + 1, lines.sck, 0))
        found.append((start + 2 * FRAME_CLOCKS, lines.cs_n, lines.sck | lines.sdi))
    return found


def first_entry(lines: Lines) -> Change:
    """Every line of a chunk in its safe state."""
    return 0, lines.cs_n, lines.all ^ lines.cs_n
