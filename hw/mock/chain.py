"""Wave chains: the daemon compiles one into control blocks of its own, in memory below the waves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hw.mock.protocol import Err
from hw.mock.waves import WaveTable

BLOCKS: Final = 600
BLOCKS_PER_PAGE: Final = 60
PAGE_CBS: Final = 118
COUNTER_CBS: Final = 26
COUNTERS: Final = 20
LEVELS: Final = 10


@dataclass
class Node:
    """One block; this plain kind does nothing."""

    following: int


@dataclass
class Delay(Node):
    us: int


@dataclass
class Link(Node):
    """Makes the last block of a wave lead back into the chain; goes on with the wave."""

    cell: int
    target: int


@dataclass
class Count(Node):
    """Goes to ``repeat`` as many times as ``rounds`` says, then on, and starts anew."""

    repeat: int
    rounds: int
    left: int


@dataclass
class Chain:
    """A compiled chain. ``end_cell`` is the block whose link a joined wave changes."""

    first: int
    nodes: dict[int, Node] = field(default_factory=dict)
    links: dict[int, int] = field(default_factory=dict)
    end_cell: int = 0


class _Refused(Exception):
    def __init__(self, code: Err) -> None:
        self.code = code


def address_of(number: int) -> int:
    """Memory address of a chain's block. Raises when the chain is too long."""
    if number >= BLOCKS:
        raise _Refused(Err.CHAIN_TOO_BIG)
    return number // BLOCKS_PER_PAGE * PAGE_CBS + COUNTER_CBS + number % BLOCKS_PER_PAGE


def compile_chain(text: bytes, table: WaveTable) -> Chain | Err:
    """Compiles a chain: wave ids, and 255 with 0 (loop begin), 1 x y (loop end), 2 x y (delay us), 3 (for ever)."""
    try:
        return _Compiler(text, table).run()
    except _Refused as refused:
        return refused.code


class _Compiler:
    def __init__(self, text: bytes, table: WaveTable) -> None:
        self.text = text
        self.table = table
        self.chain = Chain(address_of(0))
        self.next = 1
        self.loops: list[int] = []
        self.level = 0
        self.counters = 0

    def run(self) -> Chain:
        chain = self.chain
        chain.nodes[chain.first] = Node(address_of(1))
        at = 0
        while at < len(self.text):
            wave_id = self.text[at]
            at = self.command(at) if wave_id == 255 else self.wave(at, wave_id)
        last = self.place()
        chain.nodes[last] = Node(0)
        chain.links[last] = 0
        if not chain.end_cell:
            chain.end_cell = last
        return chain

    def place(self) -> int:
        self.next += 1
        return address_of(self.next - 1)

    def wave(self, at: int, wave_id: int) -> int:
        slot = self.table.live(wave_id)
        if slot is None:
            raise _Refused(Err.BAD_WAVE_ID)
        here = self.place()
        self.chain.nodes[here] = Link(slot.bottom + 1, slot.top, address_of(self.next))
        return at + 1

    def command(self, at: int) -> int:
        if at + 2 > len(self.text):
            raise _Refused(Err.BAD_CHAIN_CMD)
        kind = self.text[at + 1]
        if kind == 0:
            if self.level >= LEVELS:
                raise _Refused(Err.CHAIN_NESTING)
            self.loops[self.level :] = [self.next]
            self.level += 1
            return at + 2
        if kind == 1:
            return self.loop_end(at)
        if kind == 2:
            delay = self.argument(at)
            if delay:
                here = self.place()
                self.chain.nodes[here] = Delay(_loose(self.next), delay)
            return at + 4
        if kind == 3:
            return self.forever(at)
        raise _Refused(Err.BAD_CHAIN_CMD)

    def argument(self, at: int) -> int:
        if at + 4 > len(self.text):
            raise _Refused(Err.BAD_CHAIN_CMD)
        return self.text[at + 2] + 256 * self.text[at + 3]

    def pop_loop(self) -> int:
        self.level -= 1
        start = self.loops[self.level] if self.level >= 0 else 0
        if start < 1 or start == self.next:
            raise _Refused(Err.BAD_CHAIN_LOOP)
        return start

    def loop_end(self, at: int) -> int:
        if self.counters >= COUNTERS:
            raise _Refused(Err.CHAIN_COUNTER)
        rounds = self.argument(at)
        start = self.pop_loop()
        if rounds == 0:
            # The first block of the loop still runs, then it leads past the loop.
            self.chain.nodes[address_of(start)].following = _loose(self.next)
        elif rounds > 1:
            here = self.place()
            self.chain.nodes[here] = Count(address_of(self.next), address_of(start), rounds - 1, rounds - 1)
            self.counters += 1
        return at + 4

    def forever(self, at: int) -> int:
        start = self.pop_loop()
        here = self.place()
        if at + 2 < len(self.text):
            raise _Refused(Err.BAD_FOREVER)
        self.chain.nodes[here] = Node(0)
        self.chain.links[here] = address_of(start)
        self.chain.end_cell = here
        return at + 2


def _loose(number: int) -> int:
    return address_of(min(number, BLOCKS - 1))
