"""A board for the jobs in steps, without pins: it does what a healthy one does, and a test changes single things."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from hw.board import load_board
from safety.instruments import DaemonFacts, figures
from safety.limits import CHECK_INTERVAL_US
from safety.steps import Steps, Wait

_Result = TypeVar("_Result")
BOARD = load_board()
FIGURES = figures(BOARD)
MASK = {name: line.mask for name, line in BOARD.lines.items()}
PHASES = BOARD.mask("A_POS", "A_NEG", "B_POS", "B_NEG")
FACTS = DaemonFacts(79, ("127.0.0.1",), BOARD.mask(*BOARD.lines), ())


@dataclass(frozen=True)
class Seen:
    """One reading; as ``hw.senses.Sample``, made by hand."""

    bank: int
    raw: tuple[int, ...] = (0, 0, 0, 0, 0, 2048, 2048, 1551)
    peak_ua: tuple[int, int] = (0, 0)
    electrode_mv: tuple[int, int] = (0, 0)
    rail_mv: int = 0
    average_ua: tuple[int, int] = (0, 0)
    reference_mv: int = 1250
    playing: int | None = None
    dead_man_running: bool = True
    tick: int = 0


@dataclass
class ScriptedPort:
    """``mend`` changes each reading before it is given; ``calls`` are writes, waves and starts, with their time."""

    now_us: int = 1_000_000
    levels: int = MASK["ESTOP_B"] | MASK["FAULT_N"] | MASK["POWER_OK"] | MASK["DAC_CS_N"]
    toggled_us: int = 900_000
    kicked_us: int = 900_000
    dead_man: bool = True
    facts_: DaemonFacts = FACTS
    panel: Callable[[int], int] = lambda channel: (0, 0, 0, 0, 0, 2048, 2048, 1551)[channel]
    mend: Callable[[Seen], Seen] = lambda seen: seen
    drop_out_us: int = 100_000
    rises_after: int = 1
    dead_man_us: int = 120_000
    trips: bool = True
    rearms: bool = True
    first_wave: int = 0
    peaks: tuple[tuple[int, int], tuple[int, int]] = ((1_990, 995), (1_990, 995))
    """(uA, mV) of the positive and of the negative phase."""
    later: tuple[int, tuple[tuple[int, int], tuple[int, int]]] | None = None
    """Other peaks from a time on."""
    calls: list[tuple[int, str]] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    toggles: int = 0
    waves: int = 0
    wave: tuple[int, int, list[tuple[int, int, int]]] | None = None

    @property
    def rail_mv(self) -> int:
        alive = self.toggles >= self.rises_after and self.now_us < self.toggled_us + self.drop_out_us
        return 63_000 if self.levels & MASK["OUTPUT_ENABLE"] and alive else 0

    def sense(self) -> Seen:
        bank, playing, peaks = self.levels, None, (0, 0)
        if self.dead_man and self.now_us >= self.kicked_us + self.dead_man_us:
            self.dead_man = False
            self.levels &= ~MASK["OUTPUT_ENABLE"]
            bank = self.levels
        if self.wave is not None:
            number, began, entries = self.wave
            at = began
            for on, off, us in entries:
                if at <= self.now_us:
                    bank = (bank | on) & ~off
                    if bank & MASK["PEAK_RESET"]:
                        peaks = (0, 0)
                    elif bank & PHASES and self.rail_mv:
                        both = self.later[1] if self.later is not None and at >= self.later[0] else self.peaks
                        ua, mv = both[0 if bank & (MASK["A_POS"] | MASK["B_POS"]) else 1]
                        peaks = max(peaks[0], ua), max(peaks[1], mv)
                at += us
            playing = number if self.now_us < at else None
        ua, mv = peaks
        return self.mend(
            Seen(
                bank,
                peak_ua=(ua, ua),
                electrode_mv=(mv, mv),
                rail_mv=self.rail_mv,
                playing=playing,
                dead_man_running=self.dead_man,
                tick=self.now_us % (1 << 32),
            )
        )

    def reset_peaks(self) -> None:
        self.calls.append((self.now_us, "reset_peaks"))

    def second_opinion(self, channel: int) -> int:
        return self.panel(channel)

    def write(self, line: str, level: int) -> None:
        self.calls.append((self.now_us, f"{line} {level}"))
        self.levels = self.levels | MASK[line] if level else self.levels & ~MASK[line]

    def forget(self) -> None:
        self.calls.append((self.now_us, "forget"))
        self.waves = self.first_wave

    def play(self, data: bytes, duration_us: int) -> tuple[int, int]:
        entries = list(struct.iter_unpack("<3I", data))
        assert sum(us for _, _, us in entries) == duration_us
        self.calls.append((self.now_us, f"play {entries[0][0]:#x}"))
        self.wave = (self.waves, self.now_us, entries)
        if len(entries) == 2 and entries[0][0] & PHASES and self.trips:
            self.levels &= ~MASK["FAULT_N"]
        if len(entries) == 2 and entries[0][0] == MASK["FAULT_RESET"] and self.rearms:
            self.levels |= MASK["FAULT_N"]
        self.waves += 1
        return self.waves - 1, self.now_us

    def start_dead_man(self) -> None:
        self.calls.append((self.now_us, "start_dead_man"))
        self.dead_man, self.kicked_us = True, self.now_us

    def facts(self) -> DaemonFacts:
        return self.facts_

    def drive(self, job: Steps[_Result]) -> _Result:
        """To its end, with a check every 20 ms."""
        wait = next(job)
        while True:
            self.waits.append(wait)
            for at in range(-(-self.now_us // CHECK_INTERVAL_US) * CHECK_INTERVAL_US, wait.until_us, CHECK_INTERVAL_US):
                self.now_us = at
                if wait.toggle:
                    self.toggled_us, self.toggles = at, self.toggles + 1
                if wait.kick:
                    self.kicked_us = at
            self.now_us = max(self.now_us + 1, wait.until_us)
            try:
                wait = job.send(self.now_us)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]


def mended(**changes: object) -> Callable[[Seen], Seen]:
    """A ``mend`` that puts fixed figures in each reading."""
    return lambda seen: replace(seen, **changes)  # type: ignore[arg-type]


def levels(on: int = 0, off: int = 0) -> Callable[[Seen], Seen]:
    """A ``mend`` that sets and clears lines in each reading."""
    return lambda seen: replace(seen, bank=(seen.bank | on) & ~off)
