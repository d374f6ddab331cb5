"""Pulses out through pigpio: approved chunks become padded waves, joined seamlessly; lines are set, read and made safe.

What the daemon really does shaped every line here (docs/pigpiod.md): waves are made with ``wave_create_and_pad(30)``
only (three fixed slots, ids 0-2), the daemon must hold exactly what was handed over before it is sent, and a chunk is
joined to the one that plays, never to itself and never from the slot sent last. There is no call here that could make
output endless.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from typing import Any, Final, Protocol

import pigpio

from hw.board import PHASE_LINES, Board
from hw.wire import Command, Commands, NotAsApproved, asked, burst
from safety.errors import BoardError

PAD_PERCENT: Final = 30
"""Three slots of 30 % each: ids 0, 1, 2 and no others."""
SLOTS: Final = 3
IDLE: Final = 9999
"""``wave_tx_at`` when nothing plays."""
_NO_MODE: Final = 0xFFFF_FFFE
"""A way of sending that there is none of. Even, so that a daemon which knew it could take it for no repeating one."""
_BAD_MODE: Final = -33
"""What v79 answers to it, having looked first whether the wave is there (else -66), and before it does anything (read:
``gpioWaveTxSend``; for a wave that is not there also measured). The self-test finds a daemon that answers otherwise,
with the output switch open: it is the first to make waves."""


class PulseEngine(Protocol):
    """What plays pulse lists: the port that another engine would stand behind (docs/decisions/0015-*.md).

    Each call raises DaemonLost where the engine does not answer, NotAsApproved where it holds something else.
    """

    def load(self, data: bytes, entries: int, duration_us: int) -> tuple[int, int | None]:
        """Takes one chunk and makes sure that it is just that; gives its number, and the number that plays now."""

    def send(self, wave: int, *, join: bool) -> None:
        """Plays a loaded chunk once, at once or right after the one that plays; there is no way to play it for ever."""

    def playing(self) -> int | None:
        """The number that plays now."""

    def halt(self) -> None:
        """Ends what plays and makes its lines safe."""

    def forget(self) -> None:
        """Drops what was loaded; only while nothing plays."""

    def shut(self) -> None:
        """Breaks the connection under whoever is using it: nothing more goes out. Called from another thread."""


class PulseOutput:
    """A ``PulseEngine``, and the board's output lines, on one pigpio connection. Not safe to share between threads."""

    def __init__(self, client: Any, board: Board) -> None:
        self._pi = client
        self._board = board
        self._live: deque[int] = deque()
        self._phases = board.mask(*PHASE_LINES)
        self._last_sent: int | None = None
        self._held = (0, 0)

    def take_over(self) -> None:
        """Makes whatever was left behind harmless: halt, safe levels, modes, no waves, no pulses pending.

        Raises DaemonLost or NotAsApproved.
        """
        self.halt()
        for line in self._board.outputs:
            # Level first, then mode: the latch decides what appears when the line becomes an output. pigpio's write
            # makes the line an output by itself, so the safe level is the first thing it ever drives.
            asked(self._pi.write, line.gpio, line.safe or 0)
            asked(self._pi.set_mode, line.gpio, pigpio.OUTPUT)
        for line in self._board.lines.values():
            if not line.output:
                asked(self._pi.set_mode, line.gpio, pigpio.INPUT)
                asked(self._pi.set_pull_up_down, line.gpio, pigpio.PUD_OFF)
        self.forget()

    def forget(self) -> None:
        """Deletes all waves and pending pulses; only while nothing plays (clearing does not stop output)."""
        if self.playing() is not None:
            raise NotAsApproved("a wave still plays after the halt")
        asked(self._pi.wave_clear)
        self._live.clear()
        self._last_sent = None
        self._held = (0, 0)

    def halt(self) -> None:
        """Stops the wave, then makes its lines safe: the halt alone freezes them where they are."""
        asked(self._pi.wave_tx_stop)
        asked(self._pi.clear_bank_1, self._phases | self._board.mask("OUTPUT_ENABLE", "DAC_SDI", "DAC_SCK"))
        asked(self._pi.set_bank_1, self._board.mask("DAC_CS_N"))

    def restore_modes(self) -> None:
        """Every line in its mode again, whatever another client made of it; after ``halt``: latches, then modes."""
        lines = self._board.lines.values()
        asked(burst, self._pi, [(Command.SET_MODE, line.gpio, int(line.output), b"") for line in lines])

    def load(self, data: bytes, entries: int, duration_us: int) -> tuple[int, int | None]:
        """Hands one approved chunk to the daemon and makes sure that it holds just that. Gives the wave's id, and the
        id that plays now (``playing``).

        ``data`` is the pulse list as approved, ``entries`` and ``duration_us`` the gate's own count. The daemon's
        counts must be those of our last chunk before the add (or another client was at it), the list is emptied (its
        pulses would merge with ours, at equal times without changing a count), and the counts must be those of this
        chunk after the wave was made. All of it goes out as one burst, so that hardly anything can come in between.
        Raises NotAsApproved when any figure differs.
        """
        made = [(Command.PULSES, 0, 0, b""), (Command.MICROS, 0, 0, b"")]
        expected: list[int | None] = [*self._held]
        if len(self._live) == SLOTS:
            oldest = self._live.popleft()
            if oldest == self._last_sent:
                raise NotAsApproved("the oldest slot is the one sent last")
            made.append((Command.DELETE, oldest, 0, b""))
            expected.append(0)
        made += [(Command.NEW, 0, 0, b""), (Command.ADD, 0, 0, data), (Command.CREATE_AND_PAD, PAD_PERCENT, 0, b"")]
        made += [(Command.PULSES, 0, 0, b""), (Command.MICROS, 0, 0, b""), (Command.PLAYING, 0, 0, b"")]
        expected += [0, entries, None, entries, duration_us, None]
        found = asked(burst, self._pi, made)
        wave, at = found[-4], found[-1]
        # Made in a slot that we hold: somebody has deleted what was there, and it may be about to play.
        free = 0 <= wave < SLOTS and wave not in self._live
        if not free or any(b is not None and a != b for a, b in zip(found, expected, strict=True)):
            raise NotAsApproved(f"answers {found}; expected {expected} and a free id from 0 to {SLOTS - 1}")
        self._live.append(wave)
        self._held = (entries, duration_us)
        return wave, None if at == IDLE else at

    def holds(self) -> tuple[Commands, tuple[int, ...]]:
        """Questions that change nothing, and what the daemon answers while it holds what was handed over and no more:
        its counts, and for each wave that it is there."""
        counts = ((Command.PULSES, 0, 0, b""), (Command.MICROS, 0, 0, b""))
        waves = [(Command.SEND_IN_MODE, wave, _NO_MODE, b"") for wave in self._live]
        return (*counts, *waves), (*self._held, *[_BAD_MODE] * len(waves))

    def send(self, wave: int, *, join: bool) -> None:
        """Plays a loaded wave once: at once when nothing plays, or (``join``) right after the one that plays."""
        if wave == self._last_sent:
            raise NotAsApproved(f"wave {wave} was sent last: joined to itself it would repeat for ever")
        mode = pigpio.WAVE_MODE_ONE_SHOT_SYNC if join else pigpio.WAVE_MODE_ONE_SHOT
        asked(self._pi.wave_send_using_mode, wave, mode)
        self._last_sent = wave

    def playing(self) -> int | None:
        """The id that plays now, None when none does. An id that is not ours is returned as it is."""
        at = asked(self._pi.wave_tx_at)
        return None if at == IDLE else int(at)

    def write(self, line: str, level: int) -> None:
        """Sets one output line."""
        asked(self._pi.write, self._board[line].gpio, level)

    def blip(self, line: str) -> None:
        """Raises one output line and lowers it again: as long as the daemon takes between two commands."""
        gpio = self._board[line].gpio
        up_down = [(Command.WRITE, gpio, level, b"") for level in (1, 0)]
        if any(asked(burst, self._pi, up_down)):
            raise NotAsApproved(f"{line} could not be written")

    def shut(self) -> None:
        """Breaks this connection under whoever is using it (called by the stop thread): nothing more goes out on it."""
        with contextlib.suppress(OSError, AttributeError):
            self._pi.sl.s.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Lets go of the client, also of one that was shut: its sockets, its handle in the daemon, its thread."""
        with contextlib.suppress(OSError):
            self._pi.stop()

    def bank(self) -> int:
        """Levels of GPIO 0-31, bit n = GPIO n, all of one instant."""
        return int(asked(self._pi.read_bank_1))

    def toggle_and_bank(self, line: str, level: int) -> int:
        """Writes one output line and reads the bank, in one burst."""
        commands = ((Command.WRITE, self._board[line].gpio, level, b""), (Command.BANK, 0, 0, b""))
        written, bank = asked(burst, self._pi, commands)
        if written:
            raise NotAsApproved(f"{line} could not be written: {written}")
        return int(bank & 0xFFFF_FFFF)

    def safe(self) -> bool:
        """Whether the daemon reads OUTPUT_ENABLE and all phase lines low."""
        return not self.bank() & (self._phases | self._board["OUTPUT_ENABLE"].mask)

    def tick(self) -> int:
        """The daemon's tick: 32 bits of us."""
        return int(asked(self._pi.get_current_tick))


class StopLines:
    """What the stop thread does, on a connection of its own.

    ``stop`` sends all of it in one piece, so that no step waits for the answer to the one before. Once an answer was
    late or out of order, ``broken`` holds for good: nothing that comes on this connection counts as confirmation.
    """

    def __init__(self, client: Any, board: Board) -> None:
        self._pi = client
        self._off = board.mask(*PHASE_LINES, "OUTPUT_ENABLE")
        self._commands: Commands = (
            (Command.CLEAR_BANK, board.mask("OUTPUT_ENABLE"), 0, b""),
            (Command.HALT, 0, 0, b""),
            (Command.CLEAR_BANK, self._off, 0, b""),
            (Command.SET_BANK, board.mask("DAC_CS_N"), 0, b""),
            (Command.BANK, 0, 0, b""),
        )
        self.broken = False

    def stop(self) -> bool:
        """OUTPUT_ENABLE low, halt, phase lines low, CS_N high; gives whether the daemon did it all and reads them low.

        Sends even when the connection is broken: what the daemon still takes is taken.
        """
        try:
            *done, bank = asked(burst, self._pi, self._commands)
        except BoardError:
            self.broken = True
            return False
        return not self.broken and not any(done) and not bank & self._off
