"""The edges, levels and DAC words of random sessions against a plain model that knows nothing of blocks or caches.

The model keeps every single write with its tick and looks at them one by one; the simulation plays whole waves, cuts
them, joins them and meddles with their lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LINES = (16, 17, 20, 22, 24, 25, 26, 27)
MASK = sum(1 << gpio for gpio in LINES)
DAC = {"sdi": 20, "sck": 17, "cs_n": 16}
Pulse = tuple[int, int, int]
Edge = tuple[int, int, int]


class NoClient:
    """Commands here send nothing of themselves."""

    def send(self, data: bytes) -> None:
        raise AssertionError("no notification was asked for")

    def hold_until(self, tick: int) -> None:
        raise AssertionError("no command waits")


@dataclass
class Playing:
    """A wave in the model: when it began, what it is, and what follows it."""

    start: int
    wave: int
    pulses: list[Pulse]

    @property
    def end(self) -> int:
        return self.start + sum(us for *_, us in self.pulses)

    @property
    def joinable_until(self) -> int:
        """When the DMA fetches its last block; from then on a join comes too late."""
        return self.end - self.pulses[-1][2]


@dataclass
class Model:
    """All writes so far, by tick and in order; modes; and what plays."""

    waves: dict[int, list[Pulse]] = field(default_factory=dict)
    events: list[tuple[int, str, int, int]] = field(default_factory=list)
    playing: Playing | None = None
    joined: int | None = None
    can_join: bool = False

    def run_to(self, now: int) -> None:
        while self.playing is not None and self.playing.end <= now:
            playing, self.playing = self.playing, None
            self.play_writes(playing, playing.end)
            if self.joined is not None:
                wave, self.joined = self.joined, None
                self.playing = Playing(playing.end, wave, self.waves[wave])

    def play_writes(self, playing: Playing, until: int) -> None:
        tick = playing.start
        for on, off, us in playing.pulses:
            if tick <= until:
                self.events.append((tick, "write", on, off))
            tick += us

    def stop(self, now: int) -> None:
        self.run_to(now)
        if self.playing is not None:
            self.play_writes(self.playing, now)
        self.playing = self.joined = None

    def send(self, wave: int, now: int) -> None:
        self.stop(now)
        self.playing, self.can_join = Playing(now, wave, self.waves[wave]), True

    def join(self, wave: int, now: int) -> None:
        self.run_to(now)
        if self.playing is None:
            self.send(wave, now)
        elif now < self.playing.joinable_until:
            self.joined = wave

    def edges(self, now: int) -> tuple[list[Edge], int, list[int]]:
        """Level changes, the levels at the end, and the words that the DAC was given."""
        self.run_to(now)
        events = list(self.events)
        if self.playing is not None:
            tick = self.playing.start
            for on, off, us in self.playing.pulses:
                if tick <= now:
                    events.append((tick, "write", on, off))
                tick += us
        events.sort(key=lambda event: event[0])
        latch, outputs, inputs = 0, 0, 1 << DAC["cs_n"]
        shown, found = inputs, []
        dac = Dac()
        for tick, kind, on, off in events:
            steps = []
            if kind == "mode":
                outputs = outputs | on if off else outputs & ~on
                steps.append(latch)
            else:
                steps += [latch | on, (latch | on) & ~off]
            for latch in steps:
                level = latch & outputs | inputs & ~outputs
                for high in (1, 0):
                    found += [(tick, g, high) for g in LINES if (level ^ shown) >> g & 1 and level >> g & 1 == high]
                dac.see(level)
                shown = level
        return found, shown & MASK, dac.words
