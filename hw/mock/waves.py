"""The wave table: ids, slots of control-block memory, their reuse, and what now stands in that memory.

The DMA reads this memory while it plays, so a slot that is written again changes what comes out (``player.py``).
Addresses are control-block numbers, links are the numbers that a block names as its successor (0 = stop).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hw.mock.content import Content, stretched
from hw.mock.pending import Pending
from hw.mock.protocol import Err

FIRST_CB: Final = 1_180
FIRST_OPERAND: Final = 790
ALL_CBS: Final = 25_016
ALL_OPERANDS: Final = 16_748
MAX_WAVES: Final = 250


@dataclass
class Slot:
    """One entry of the wave table. It keeps its figures after the table was cleared, as the daemon's does.

    ``n_read`` operands from ``read_end`` downward are for what a wave reads; only a padded one has any, unused.
    """

    bottom: int
    top: int
    bottom_operand: int
    n_cb: int
    n_operands: int
    read_end: int
    n_read: int
    deleted: bool = False


@dataclass(frozen=True, eq=False)
class Image:
    """A content as written into memory. ``top`` is the block whose link ends or joins it."""

    bottom: int
    top: int
    bottom_operand: int
    content: Content
    padded: bool

    @property
    def load_top_us(self) -> int:
        """When the DMA fetches the block at ``top``: a padded wave has one of its own there, after the last pulse."""
        return self.content.total_us if self.padded else self.content.load_last_us

    def covers(self, address: int) -> bool:
        """Whether this image wrote the block at an address."""
        return self.bottom <= address < self.bottom + self.content.n_cb or (self.padded and address == self.top)


class DaemonCrash(Exception):
    """The request would crash the real daemon."""


class WaveTable:
    """Waves that exist, the memory they stand in, and the links between them."""

    def __init__(self) -> None:
        self.pending = Pending()
        self.slots: list[Slot] = []
        self.count = 0
        self.next_cb = FIRST_CB
        self.next_operand = FIRST_OPERAND
        self.read_end = ALL_OPERANDS
        self.images: list[Image] = []
        self.links: dict[int, int] = {}
        self.cleared = False
        self.stretch = 1
        """How many times as long as asked each wave that is made will last: a wave clock that somebody set anew."""

    def clear(self) -> None:
        """Forgets every wave. The memory keeps its text, and what plays goes on playing."""
        self.pending.clear()
        self.cleared = self.cleared or bool(self.slots)
        self.count = 0
        self.next_cb = FIRST_CB
        self.next_operand = FIRST_OPERAND
        self.read_end = ALL_OPERANDS

    def live(self, wave_id: int) -> Slot | None:
        """The slot of a wave that may be sent, chained or deleted."""
        if wave_id >= self.count or self.slots[wave_id].deleted:
            return None
        return self.slots[wave_id]

    def create(self, pad: tuple[int, int, int] | None = None) -> tuple[int, Image | None]:
        """Makes a wave of the pending pulses. Returns its id and image, or an error code.

        ``pad`` gives per cent of the memory for blocks, bottom and top operands. Raises DaemonCrash at the 251st.
        """
        content = self.pending.content
        if not content.n_pulses:
            return Err.EMPTY_WAVEFORM, None
        n_cb, n_operands, n_read = content.n_cb, content.n_bool, 0
        if pad is not None:
            room_cb = (ALL_CBS - FIRST_CB) * pad[0] // 100
            room_operands = (ALL_OPERANDS - FIRST_OPERAND) * pad[1] // 100
            if n_cb > room_cb:
                return Err.TOO_MANY_CBS, None
            if n_operands > room_operands:
                return Err.TOO_MANY_OOL, None
            n_cb, n_operands = room_cb, room_operands
            n_read = (ALL_OPERANDS - FIRST_OPERAND) * pad[2] // 100
        wave_id = self._fitting(n_cb, n_operands, n_read)
        if wave_id < 0:
            if n_cb + self.next_cb > ALL_CBS:
                return Err.TOO_MANY_CBS, None
            if n_operands + self.next_operand > self.read_end - n_read:
                return Err.TOO_MANY_OOL, None
            wave_id = self.count
            if wave_id >= MAX_WAVES:
                raise DaemonCrash("the 251st wave")
            self.count += 1
            top = self.next_cb + n_cb - 1
            slot = Slot(self.next_cb, top, self.next_operand, n_cb, n_operands, self.read_end, n_read)
            self.slots[wave_id : wave_id + 1] = [slot]
            self.next_cb += n_cb
            self.next_operand += n_operands
            self.read_end -= n_read
        slot = self.slots[wave_id]
        slot.deleted = False
        self.pending.take()
        return wave_id, self._write(slot, content, padded=pad is not None)

    def delete(self, wave_id: int) -> int:
        """Marks a wave deleted; deleting the top one frees the memory of all deleted ones below it."""
        slot = self.live(wave_id)
        if slot is None:
            return Err.BAD_WAVE_ID
        slot.deleted = True
        if wave_id == self.count - 1:
            while wave_id > 0 and self.slots[wave_id - 1].deleted:
                wave_id -= 1
            self.next_cb = self.slots[wave_id].bottom
            self.next_operand = self.slots[wave_id].bottom_operand
            self.read_end = self.slots[wave_id].read_end
            self.count = wave_id
        return 0

    def id_at(self, address: int) -> int | None:
        """The id that WVTAT would give for the block at an address."""
        for wave_id, slot in enumerate(self.slots):
            if slot.bottom <= address <= slot.top and not slot.deleted:
                return wave_id
        return None

    def image_at(self, address: int) -> Image | None:
        """What was written last at an address."""
        for image in reversed(self.images):
            if image.covers(address):
                return image
        return None

    def operand(self, index: int) -> int:
        """The word at an operand address, as it was written last."""
        for image in reversed(self.images):
            offset = index - image.bottom_operand
            if 0 <= offset < image.content.n_bool:
                return image.content.operands()[offset]
        return 0

    def intact(self, image: Image) -> bool:
        """Whether nothing was written over an image since it was made, and no link leads out of its middle."""
        if any(cell != image.top and image.covers(cell) for cell in self.links):
            return False
        for other in reversed(self.images):
            if other is image:
                return True
            if _overlap(other, image):
                return False
        return False

    def _fitting(self, *sizes: int) -> int:
        for wave_id in range(self.count):
            slot = self.slots[wave_id]
            if slot.deleted and (slot.n_cb, slot.n_operands, slot.n_read) == sizes:
                return wave_id
        return -1

    def _write(self, slot: Slot, content: Content, padded: bool) -> Image:
        content = content if self.stretch == 1 else stretched(content, self.stretch)
        image = Image(slot.bottom, slot.top, slot.bottom_operand, content, padded)
        self.images = [old for old in self.images if not _hides(image, old)]
        self.images.append(image)
        for address in [address for address in self.links if image.covers(address)]:
            del self.links[address]
        self.links[image.top] = 0
        return image


def _overlap(new: Image, old: Image) -> bool:
    blocks = new.bottom <= old.top and old.bottom <= new.top
    new_end, old_end = new.bottom_operand + new.content.n_bool, old.bottom_operand + old.content.n_bool
    return blocks or (new.bottom_operand < old_end and old.bottom_operand < new_end)


def _hides(new: Image, old: Image) -> bool:
    """Whether nothing is left of the old image once the new one is written: a padded slot may get a shorter wave."""
    blocks = new.bottom <= old.bottom and old.bottom + old.content.n_cb <= new.bottom + new.content.n_cb
    top = new.covers(old.top)
    end = old.bottom_operand + old.content.n_bool <= new.bottom_operand + new.content.n_bool
    return blocks and top and new.bottom_operand <= old.bottom_operand and end
