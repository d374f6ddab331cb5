"""Pulse lists for tests of the gate, made by hand rules that share nothing with the product's encoder."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass, field

from safety.decode import Lines

PINS = {"a_pos": 24, "a_neg": 27, "b_pos": 22, "b_neg": 26, "sdi": 20, "sck": 17, "cs_n": 16}
LINES = Lines(**{name: 1 << gpio for name, gpio in PINS.items()})


@dataclass
class Script:
    """Level changes at absolute times (us), turned into a pulse list; the first entry sets all seven lines."""

    length_us: int = 100_000
    changes: list[tuple[int, str, int]] = field(default_factory=list)

    def line(self, at_us: int, name: str, level: int) -> None:
        self.changes.append((at_us, name, level))

    def frame(self, at_us: int, channel: str, code: int, *, control: int = 0b111, clocks: int = 16) -> None:
        """CS_N falls at ``at_us``, 16 clocks of 1 us low and 1 us high, CS_N rises 32 us later."""
        word = (channel == "B") << 15 | control << 12 | code
        self.line(at_us, "cs_n", 0)
        for bit in range(clocks):
            self.line(at_us + 2 * bit, "sdi", word >> (15 - bit) & 1 if bit < 16 else 0)
            self.line(at_us + 2 * bit, "sck", 0)
            self.line(at_us + 2 * bit + 1, "sck", 1)
        for name, level in (("cs_n", 1), ("sck", 0), ("sdi", 0)):
            self.line(at_us + 2 * clocks, name, level)

    def pulse(self, at_us: int, channel: str, width: int = 250, gap: int = 100, second: int | None = None) -> None:
        second = width if second is None else second
        low = channel.lower()
        self.line(at_us, f"{low}_pos", 1)
        self.line(at_us + width, f"{low}_pos", 0)
        self.line(at_us + width + gap, f"{low}_neg", 1)
        self.line(at_us + width + gap + second, f"{low}_neg", 0)

    def opening(self, a: int = 0, b: int = 0) -> None:
        self.frame(1, "A", a)
        self.frame(34, "B", b)

    def closing(self, at_us: int | None = None) -> None:
        at_us = self.length_us - 66 if at_us is None else at_us
        self.frame(at_us, "A", 0)
        self.frame(at_us + 33, "B", 0)

    def entries(self) -> list[tuple[int, int, int]]:
        """(set, clear, delay) entries; a level that is not another is no change."""
        levels = dict.fromkeys(PINS, 0) | {"cs_n": 1}
        marks: dict[int, dict[str, int]] = {0: dict(levels)}
        for at_us, name, level in sorted(self.changes, key=lambda change: change[0]):
            if levels[name] != level:
                levels[name] = level
                marks.setdefault(at_us, {})[name] = level
        times = [*sorted(marks), self.length_us]
        return [
            (_mask(marks[time], 1), _mask(marks[time], 0), after - time) for time, after in itertools.pairwise(times)
        ]

    def data(self) -> bytes:
        return pack(self.entries())


def _mask(levels: dict[str, int], level: int) -> int:
    return sum(1 << PINS[name] for name, value in levels.items() if value == level)


def pack(entries: list[tuple[int, int, int]]) -> bytes:
    return b"".join(struct.pack("<3I", *entry) for entry in entries)


def longest() -> list[tuple[int, int, int]]:
    """Entries of a chunk with frames and pulses until hardly another fits into it; the gate's decoder takes it."""
    script = Script()
    script.opening(100, 200)
    for number in range(14):
        script.pulse(400 + number * 6_667, "AB"[number % 2])
        for more in range(4 if number < 13 else 2):
            script.frame(1_200 + number * 6_667 + more * 40, "AB"[more % 2], 0xAAA)
    script.closing()
    return script.entries()


def train(starts: list[int], code: int, channel: str = "A", length_us: int = 100_000, width: int = 250) -> bytes:
    """A chunk of equal pulses on one channel."""
    script = Script(length_us)
    script.opening(**{channel.lower(): code})
    for start in starts:
        script.pulse(start, channel, width)
    script.closing()
    return script.data()


def words(data: bytes, lines: Lines) -> list[tuple[int, int]]:
    """What the DAC is told, as a clock that rises takes it in: when each frame ends (us), and its word."""
    level = at_us = word = 0
    found = []
    for on, off, us in struct.iter_unpack("<3I", data):
        rises, level = on & ~level, (level | on) & ~off
        if rises & lines.sck:
            word = word << 1 | bool(level & lines.sdi)
        if at_us and rises & lines.cs_n:
            found.append((at_us, word))
            word = 0
        at_us += us
    return found
