"""The edges, levels and DAC words of random sessions against a plain model that knows nothing of blocks or caches.

The model keeps every single write with its tick and looks at them one by one; the simulation plays whole waves, cuts
them, joins them, is looked at in between and has its lines meddled with while they play.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field

import pytest

from hw.board import load_board
from hw.mock.board import BoardModel
from hw.mock.daemon import Daemon
from hw.mock.edges import EdgeRecord
from hw.mock.lines import Lines
from hw.mock.server import Timeline

LINES = (16, 17, 20, 22, 24, 25, 26, 27)
MASK = sum(1 << gpio for gpio in LINES)
SDI, SCK, CS_N = 1 << 20, 1 << 17, 1 << 16
BEFORE_COMMANDS = -1
Pulse = tuple[int, int, int]
Edge = tuple[int, int, int]


class NoClient:
    """The commands used here send nothing of themselves."""

    def send(self, data: bytes) -> None:
        raise AssertionError("no notification was asked for")

    def hold_until(self, tick: int) -> None:
        raise AssertionError("no command waits")


@dataclass
class Playing:
    """A wave in the model; ``order`` is the number of the command that sent it, BEFORE_COMMANDS for a join."""

    start: int
    order: int
    pulses: list[Pulse]

    @property
    def end(self) -> int:
        return self.start + sum(us for *_, us in self.pulses)

    @property
    def joinable_until(self) -> int:
        """When the DMA fetches its last block; from then on a join comes too late."""
        return self.end - self.pulses[-1][2]


@dataclass
class Event:
    tick: int
    order: int
    kind: str
    first: int
    second: int


@dataclass
class Model:
    """All writes so far; what plays, and what is joined to it."""

    waves: dict[int, list[Pulse]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    playing: Playing | None = None
    queue: list[int] = field(default_factory=list)
    ever_sent: bool = False

    def run_to(self, now: int) -> None:
        while self.playing is not None and self.playing.end <= now:
            ended = self.playing
            self._write(ended, ended.end)
            following = self.queue.pop(0) if self.queue else None
            self.playing = None if following is None else Playing(ended.end, BEFORE_COMMANDS, self.waves[following])

    def _write(self, playing: Playing, until: int) -> None:
        tick = playing.start
        for on, off, us in playing.pulses:
            if tick <= until:
                order = playing.order if tick == playing.start else BEFORE_COMMANDS
                self.events.append(Event(tick, order, "write", on, off))
            tick += us

    def stop(self, now: int) -> None:
        self.run_to(now)
        if self.playing is not None:
            self._write(self.playing, now)
        self.playing = None
        self.queue.clear()

    def send(self, wave: int, now: int, order: int) -> None:
        self.stop(now)
        self.playing = Playing(now, order, self.waves[wave])
        self.ever_sent = True

    def join(self, wave: int, now: int, order: int) -> None:
        self.run_to(now)
        if self.playing is None or not self.ever_sent:
            self.send(wave, now, order)
        elif self.queue or now < self.playing.joinable_until:
            self.queue.append(wave)

    def result(self, now: int) -> tuple[list[Edge], int, dict[int, int]]:
        """Level changes, levels at the end, and the last word that each DAC channel was given."""
        self.run_to(now)
        if self.playing is not None:
            self._write(self.playing, now)
        latch, outputs = 0, 0
        levels, edges, dac = CS_N, [], Dac()
        for event in sorted(self.events, key=lambda event: (event.tick, event.order)):
            if event.kind == "mode":
                outputs = outputs | event.first if event.second else outputs & ~event.first
                latches = [latch]
            else:
                latches = [latch | event.first, (latch | event.first) & ~event.second]
            for after in latches:
                latch = after
                shown = latch & outputs | CS_N & ~outputs
                change = (shown ^ levels) & MASK
                for wanted in (1, 0):
                    same = [gpio for gpio in LINES if change >> gpio & 1 and shown >> gpio & 1 == wanted]
                    edges += [(event.tick, gpio, wanted) for gpio in same]
                dac.see(shown)
                levels = shown
        return edges, levels & MASK, dac.words


@dataclass
class Dac:
    """An MCP4922 that is shown all levels one after the other."""

    before: int = CS_N
    bits: list[int] = field(default_factory=list)
    words: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})

    def see(self, levels: int) -> None:
        rises = levels & ~self.before
        if rises & CS_N and len(self.bits) >= 16:
            word = int("".join(map(str, self.bits[:16])), 2)
            self.words[word >> 15] = word
        if levels & CS_N or self.before & CS_N:
            self.bits.clear()
        elif rises & SCK:
            self.bits.append(1 if levels & SDI else 0)
        self.before = levels


def frame(word: int) -> list[Pulse]:
    pulses = [(0, CS_N | SCK, 1)]
    for bit in range(15, -1, -1):
        pulses += [(SDI, SCK, 1) if word >> bit & 1 else (0, SDI | SCK, 1), (SCK, 0, 1)]
    return [*pulses, (CS_N, SCK | SDI, 20)]


def random_wave(chance: random.Random) -> list[Pulse]:
    pulses: list[Pulse] = []
    for _ in range(chance.randint(1, 12)):
        if chance.random() < 0.3:
            pulses += frame(chance.getrandbits(16))
        on = sum(1 << gpio for gpio in LINES if chance.random() < 0.15)
        off = sum(1 << gpio for gpio in LINES if chance.random() < 0.25)
        pulses.append((on, off, chance.choice((0, 1, 2, 7, 50, 300))))
    return [*pulses, (0, 1 << chance.choice(LINES), chance.choice((0, 5, 100)) + 1)]


@pytest.mark.parametrize("seed", range(150))
def test_a_random_session(seed: int) -> None:
    """A wave that plays or is joined is never joined again: what that does is shown in test_dangers.py."""
    chance = random.Random(seed)
    timeline, model, client = Timeline(0), Model(), NoClient()
    lines = Lines(0)
    board = BoardModel(load_board(), lines, 500.0)
    daemon = Daemon(timeline, lines, board, (1 << 28) - 1, 5)
    for wave in range(6):
        model.waves[wave] = random_wave(chance)
        packed = b"".join(struct.pack("<3I", *pulse) for pulse in model.waves[wave])
        assert daemon.cmd_wvag(client, 0, 0, packed) == len(model.waves[wave])
        assert daemon.cmd_wvcre(client, 0, 0, b"") == wave
    sent: list[int] = []
    record = EdgeRecord(lines)
    for order in range(60):
        timeline.now += chance.choice((0, 0, 1, 3, 10, 40, 100, 500))
        now = timeline.now
        match chance.choice(("send", "join", "join", "join", "write", "bank", "mode", "stop", "look", "look")):
            case "send":
                sent = [chance.randrange(6)]
                daemon.cmd_wvtxm(client, sent[0], 0, b"")
                model.send(sent[0], now, order)
            case "join":
                fresh = [wave for wave in range(6) if wave not in sent[-5:]]
                model.run_to(now)
                if fresh and len(model.queue) < 4:
                    sent.append(chance.choice(fresh))
                    daemon.cmd_wvtxm(client, sent[-1], 2, b"")
                    model.join(sent[-1], now, order)
            case "write":
                gpio, level = chance.choice(LINES), chance.randrange(2)
                daemon.cmd_write(client, gpio, level, b"")
                model.events.append(Event(now, order, "write", level << gpio, (1 - level) << gpio))
                model.events.append(Event(now, order, "mode", 1 << gpio, 1))
            case "bank":
                bits = sum(1 << gpio for gpio in LINES if chance.random() < 0.5)
                daemon.cmd_bs1(client, bits, 0, b"")
                daemon.cmd_bc1(client, bits ^ MASK, 0, b"")
                model.events.append(Event(now, order, "write", bits, 0))
                model.events.append(Event(now, order, "write", 0, bits ^ MASK))
            case "mode":
                gpio, mode = chance.choice(LINES), int(chance.random() < 0.8)
                daemon.cmd_modes(client, gpio, mode, b"")
                model.events.append(Event(now, order, "mode", 1 << gpio, mode))
            case "stop":
                daemon.cmd_wvhlt(client, 0, 0, b"")
                model.stop(now)
                sent, model.ever_sent = [], False
            case "look":
                board.convert(chance.randrange(8), True, now)
                daemon.cmd_br1(client, 0, 0, b"")
                since = max(0, now + chance.choice((-2_000, -300, -40, -1, 0, 1, 50, 700)))
                wanted = now, chance.choice((MASK, SDI | CS_N)), CS_N, since, MASK
                assert record.read(*wanted) == EdgeRecord(lines).read(*wanted)  # it went on; this one begins
    timeline.now += chance.choice((0, 20, 10_000))
    edges, levels, words = model.result(timeline.now)
    found = EdgeRecord(lines).read(timeline.now, MASK, CS_N, None, 0).rows()
    assert found == edges
    assert daemon.cmd_br1(client, 0, 0, b"") & MASK == levels
    board.update(timeline.now)
    assert {0: board.latches.words["A"], 1: board.latches.words["B"]} == words
