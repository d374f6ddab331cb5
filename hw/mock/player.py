"""The DMA that plays waves: it follows links from block to block through memory that clients may rewrite meanwhile.

Everything dangerous about the real daemon comes from this: stopping freezes the lines, a link back to itself repeats
for ever, a link changed after the last block was fetched is not seen, clearing and deleting stop nothing.

A whole image that nobody touched is played in one piece; anything else goes block by block.
"""

from __future__ import annotations

from typing import Final

from hw.mock.chain import Chain, Count, Delay, Link, Node, compile_chain
from hw.mock.content import intern_content
from hw.mock.lines import Block, Lines
from hw.mock.protocol import NO_TX_WAVE, WAVE_NOT_FOUND, Err
from hw.mock.waves import FIRST_CB, Image, WaveTable

START_DELAY_US: Final = 20
"""The first block of a wave waits this long; a send is taken to begin after it, a join leaves it out."""

_STEPS_PER_US: Final = 5_000
"""Blocks that take no time are played at this rate when they come in an endless row."""

_END: Final = -1
"""Comes after the last block: until that has taken its time, something plays."""


class Player:
    """What the DMA does now. Ticks given must never go back."""

    def __init__(self, table: WaveTable, lines: Lines) -> None:
        self.table = table
        self.lines = lines
        self.links = table.links
        self.end_cell: int | None = None
        self.chain: Chain | None = None
        self._image: Image | None = None
        self._block = Block(0, intern_content(b""))
        self._start = 0
        self._round = 0
        self._next: int | None = None
        self._pc = 0
        self._due = 0
        self._leads_away = False
        self._current = 0
        self._idle_steps = 0

    # Commands

    def send(self, wave_id: int, mode: int, now: int) -> int:
        """Sends a wave: 0 once, 1 repeating, 2 and 3 the same but joined to what plays. Returns its size in blocks."""
        slot = self.table.live(wave_id)
        if slot is None:
            return Err.BAD_WAVE_ID
        if mode > 3:
            return Err.BAD_WAVE_MODE
        self.run_to(now)
        joins = mode > 1 and self.end_cell is not None
        if not joins:
            self._kill(now)
        self._write_link(slot.top, slot.bottom + 1 if mode & 1 else 0, now)
        if joins and self.end_cell is not None:
            self._write_link(self.end_cell, slot.bottom + 1, now)
        if self.idle:
            self._enter(slot.bottom + 1 if slot.n_cb > 1 else slot.bottom, now)
            self.run_to(now)
        self.end_cell = slot.top
        return slot.top - slot.bottom + 1

    def send_chain(self, text: bytes, now: int) -> int:
        """Plays a chain. What plays is stopped first, also when the chain is then refused."""
        self.run_to(now)
        self._kill(now)
        self.end_cell = None
        chain = compile_chain(text, self.table)
        if isinstance(chain, int):
            return chain
        self.chain = chain
        for cell in [cell for cell in self.links if cell < FIRST_CB]:
            del self.links[cell]
        self.links.update(chain.links)
        self.end_cell = chain.end_cell
        self._enter(chain.first, now)
        self.run_to(now)
        return 0

    def stop(self, now: int) -> None:
        """Stops what plays. The lines keep their levels."""
        self.run_to(now)
        self._kill(now)
        self.end_cell = None

    def clear(self, now: int) -> None:
        """Forgets all waves; stops nothing."""
        self.run_to(now)
        self.table.clear()
        self.end_cell = None

    def create(self, pad: tuple[int, int, int] | None, now: int) -> int:
        """Makes a wave of the pending pulses; if it overwrites what plays, that comes out."""
        self.run_to(now)
        wave_id, image = self.table.create(pad)
        playing = self._image
        if image is not None and playing is not None and not self.table.intact(playing):
            self._leave_image(now)
        return wave_id

    @property
    def idle(self) -> bool:
        return self._image is None and self._pc == 0

    def at(self, now: int) -> int:
        """The id that plays, 9999 for none, 9998 for something that is no wave (any more)."""
        self.run_to(now)
        if self.idle:
            return NO_TX_WAVE
        image = self._image
        address = self._current if image is None else self._address(image, now)
        found = self.table.id_at(address)
        return WAVE_NOT_FOUND if found is None else found

    def next_end(self) -> int | None:
        """When what plays goes on to something else, as far as can be said now."""
        image = self._image
        if image is None:
            return self._due if self._pc else None
        if self.links.get(image.top, 0) == image.bottom + 1 and self._next in (None, image.bottom + 1):
            return None
        return self._start + image.content.total_us

    # The machine

    def run_to(self, now: int) -> None:
        """Plays everything due up to and at a tick."""
        while True:
            image = self._image
            if image is not None:
                if now < self._start + image.load_top_us:
                    return
                if self._next is None:
                    self._next = self.links.get(image.top, 0)
                total = image.content.total_us
                if now < self._start + total:
                    return
                if self._next == image.bottom + 1 and self.table.intact(image):
                    if total == 0:
                        self._next = None
                        if self.links.get(image.top, 0) == image.bottom + 1:
                            return
                        continue
                    still = self.links.get(image.top, 0) == image.bottom + 1
                    rounds = (now - self._start) // total if still else 1
                    self._round += rounds
                    self._start += rounds * total
                    self._next = None
                    self.lines.rounds_done(self._round)
                    continue
                self._finish_image()
                self._enter(self._next, self._start + total)
            elif self._pc and self._due <= now:
                if self._pc == _END:
                    self._pc = 0
                elif self._leads_away:
                    self._enter(self._pc, self._due)
                else:
                    self._step()
            else:
                return

    def _enter(self, address: int, tick: int) -> None:
        image = self.table.image_at(address)
        self._next = None
        if image is not None and address == image.bottom + 1 and image.content.n_cb > 1 and self.table.intact(image):
            repeats = self.links.get(image.top, 0) == image.bottom + 1
            self._image, self._start, self._round, self._pc = image, tick, 0, 0
            self._block = Block(tick, image.content, None if repeats else 1)
            self.lines.begin(self._block)
        else:
            self._image, self._pc, self._due, self._leads_away = None, address, tick, False

    def _finish_image(self) -> None:
        self._block.rounds = self._round + 1
        self.lines.finish()
        self._image = None

    def _kill(self, now: int) -> None:
        if self._image is not None:
            self._block.rounds = None
            self.lines.cut(now)
        self._image, self._pc, self._next = None, 0, None

    def _write_link(self, cell: int, target: int, now: int) -> None:
        self.links[cell] = target
        image = self._image
        if image is not None:
            if cell != image.top and image.covers(cell):
                self._leave_image(now)
            elif cell == image.top and target == image.bottom + 1 and self._next is None:
                self._block.rounds = None

    def _leave_image(self, now: int) -> None:
        """From here on block by block: what plays was changed under the DMA."""
        image = self._image
        if image is None:
            return
        passed, elapsed, address = 0, now - self._start, image.bottom
        for *_, delay in image.content.blocks():
            address += 1
            passed += max(delay, 0)
            if passed > elapsed:
                break
        last = image.bottom + image.content.n_cb - 1
        following = address + 1 if address < last else image.top
        if not image.padded and address == last:
            following = self._next or 0
        self._kill(now)
        self._pc, self._due, self._current = following or _END, self._start + passed, address
        self._leads_away = True

    def _address(self, image: Image, now: int) -> int:
        """The block that the DMA is at; any of the wave serves unless the table was cleared under it."""
        if not self.table.cleared:
            return image.bottom + 1
        passed, elapsed, address = 0, now - self._start, image.bottom
        for *_, delay in image.content.blocks():
            address += 1
            passed += max(delay, 0)
            if passed > elapsed:
                break
        return address

    # Block by block

    def _step(self) -> None:
        address, due = self._pc, self._due
        self._current = address
        node = self.chain.nodes.get(address) if self.chain is not None else None
        following = self._step_node(node, address) if node is not None else self._step_memory(address)
        self._idle_steps = self._idle_steps + 1 if self._due == due else 0
        if self._idle_steps >= _STEPS_PER_US:
            self._idle_steps = 0
            self._due += 1
        self._pc = following or _END
        self._leads_away = following != address + 1 or node is not None

    def _step_node(self, node: Node, address: int) -> int:
        if isinstance(node, Delay):
            self._due += node.us
        elif isinstance(node, Link):
            self.links[node.cell] = node.target
        elif isinstance(node, Count):
            if node.left > 0:
                node.left -= 1
                return node.repeat
            node.left = node.rounds
        return self.links.get(address, node.following)

    def _step_memory(self, address: int) -> int:
        image = self.table.image_at(address)
        if image is None:
            return 0
        offset = address - image.bottom - 1
        default = address + 1
        if offset < 0:
            self._due += START_DELAY_US
        elif address != image.top or not image.padded:
            on, off, operand, delay = image.content.blocks()[offset]
            if delay >= 0:
                self._due += delay
            else:
                first = image.bottom_operand + operand
                on_word = self.table.operand(first) if on else 0
                off_word = self.table.operand(first + (on > 0)) if off else 0
                for set_, cleared in ((on_word, 0), (0, off_word)) if on_word & off_word else ((on_word, off_word),):
                    self.lines.dma_write(set_, cleared, self._due)
            if image.padded and offset == image.content.n_cb - 2:
                default = image.top
        return self.links.get(address, default)
