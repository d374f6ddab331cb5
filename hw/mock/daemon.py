"""The daemon's commands: each takes p1, p2 and the extension and gives a result, or result bytes.

All clients share one pulse list, one wave table and one set of lines; nothing belongs to the client that made it, but
notification handles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from hw.mock import pending, protocol
from hw.mock.board import BoardModel
from hw.mock.lines import OUTPUT, Lines
from hw.mock.notify import Notifier
from hw.mock.player import Player
from hw.mock.protocol import WORD, Cmd, Err
from hw.mock.spi import Spi
from hw.mock.waves import WaveTable

Result = int | bytes
Handler = Callable[["Client", int, int, bytes], Result]

_MAX_MODE: Final = 7
_MAX_TRIGGER_US: Final = 100
_MAX_STEADY_US: Final = 300_000
_MAX_ACTIVE_US: Final = 1_000_000
_MAX_MICS: Final = 1_000_000
_MAX_MILS: Final = 60_000
_ALL_GPIO: Final = (1 << 54) - 1


class Client(Protocol):
    """A connection, as commands see it."""

    def send(self, data: bytes) -> None:
        """Sends bytes after whatever was sent before."""

    def hold_until(self, tick: int) -> None:
        """The answer to the present command, and all later commands, wait for a tick."""


class Time(Protocol):
    """The present tick, and things to happen later."""

    now: int

    def schedule(self, tick: int, action: Callable[[], None]) -> None: ...


class Daemon:
    """State of the daemon and its commands. ``mask`` are the GPIO that clients may write (``-x``)."""

    def __init__(self, time: Time, lines: Lines, board: BoardModel | None, mask: int, sample_us: int) -> None:
        self.time = time
        self.lines = lines
        self.board = board
        self.mask = mask
        self.table = WaveTable()
        self.player = Player(self.table, lines)
        lines.runner = self.player
        self.notifier = Notifier(lines, sample_us)
        self.spi = Spi(lines, None if board is None else board.convert)
        self.handlers: dict[int, Handler] = {
            Cmd[name[4:].upper()]: getattr(self, name) for name in dir(self) if name.startswith("cmd_")
        }

    def permits(self, gpio: int) -> bool:
        """Whether clients may write a GPIO; a number out of range passes, its own check refuses it."""
        return gpio > protocol.MAX_GPIO or bool(self.mask >> gpio & 1)

    def gone(self, client: Client) -> None:
        """A connection ended: its notification handles close, all else goes on."""
        self.notifier.close_all(client, self.time.now)

    # Lines

    def cmd_modes(self, client: Client, gpio: int, mode: int, ext: bytes) -> int:
        if not self.permits(gpio):
            return Err.NOT_PERMITTED
        if gpio > protocol.MAX_GPIO:
            return Err.BAD_GPIO
        if mode > _MAX_MODE:
            return Err.BAD_MODE
        self.lines.set_mode(gpio, mode, self.time.now)
        return 0

    def cmd_modeg(self, client: Client, gpio: int, p2: int, ext: bytes) -> int:
        return Err.BAD_GPIO if gpio > protocol.MAX_GPIO else self.lines.modes[gpio]

    def cmd_pud(self, client: Client, gpio: int, pull: int, ext: bytes) -> int:
        if not self.permits(gpio):
            return Err.NOT_PERMITTED
        if gpio > protocol.MAX_GPIO:
            return Err.BAD_GPIO
        if pull > 2:
            return Err.BAD_PUD
        self.lines.set_pull(gpio, pull, self.time.now)
        return 0

    def cmd_read(self, client: Client, gpio: int, p2: int, ext: bytes) -> int:
        return Err.BAD_GPIO if gpio > protocol.MAX_GPIO else self.lines.level(gpio, self.time.now)

    def cmd_write(self, client: Client, gpio: int, level: int, ext: bytes) -> int:
        if not self.permits(gpio):
            return Err.NOT_PERMITTED
        if gpio > protocol.MAX_GPIO:
            return Err.BAD_GPIO
        if level > 1:
            return Err.BAD_LEVEL
        now = self.time.now
        if gpio < 32:
            self.lines.write(level << gpio, (1 - level) << gpio, now)
        else:
            self.lines.write_2(level << (gpio - 32), (1 - level) << (gpio - 32))
        self.lines.set_mode(gpio, OUTPUT, now)
        return 0

    def cmd_br1(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self.lines.levels(self.time.now)

    def cmd_br2(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return sum(self.lines.level(gpio, self.time.now) << (gpio - 32) for gpio in range(32, protocol.MAX_GPIO + 1))

    def cmd_bs1(self, client: Client, bits: int, p2: int, ext: bytes) -> int:
        self.lines.write(bits & self.mask, 0, self.time.now)
        return Err.SOME_PERMITTED if bits & ~self.mask else 0

    def cmd_bc1(self, client: Client, bits: int, p2: int, ext: bytes) -> int:
        self.lines.write(0, bits & self.mask, self.time.now)
        return Err.SOME_PERMITTED if bits & ~self.mask else 0

    def cmd_bs2(self, client: Client, bits: int, p2: int, ext: bytes) -> int:
        self.lines.write_2(bits & self.mask >> 32, 0)
        return Err.SOME_PERMITTED if bits & ~(self.mask >> 32) else 0

    def cmd_bc2(self, client: Client, bits: int, p2: int, ext: bytes) -> int:
        self.lines.write_2(0, bits & self.mask >> 32)
        return Err.SOME_PERMITTED if bits & ~(self.mask >> 32) else 0

    def cmd_trig(self, client: Client, gpio: int, length_us: int, ext: bytes) -> int:
        if not self.permits(gpio):
            return Err.NOT_PERMITTED
        level = _word(ext)
        if gpio > protocol.MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if level > 1:
            return Err.BAD_LEVEL
        if not 0 < length_us <= _MAX_TRIGGER_US:
            return Err.BAD_PULSELEN
        self.lines.write(level << gpio, (1 - level) << gpio, self.time.now)
        end = self.time.now + length_us
        self.time.schedule(end, lambda: self.lines.write((1 - level) << gpio, level << gpio, end))
        return 0

    # The daemon itself

    def cmd_tick(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self.time.now

    def cmd_hwver(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return protocol.HARDWARE_REVISION

    def cmd_pigpv(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return protocol.VERSION

    def cmd_help(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return 0

    def cmd_mics(self, client: Client, delay: int, p2: int, ext: bytes) -> int:
        if delay > _MAX_MICS:
            return Err.BAD_MICS_DELAY
        client.hold_until(self.time.now + delay)
        return 0

    def cmd_mils(self, client: Client, delay: int, p2: int, ext: bytes) -> int:
        if delay > _MAX_MILS:
            return Err.BAD_MILS_DELAY
        client.hold_until(self.time.now + 1000 * delay)
        return 0

    # Notifications

    def cmd_noib(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self.notifier.open(client, client.send, self.time.now)

    def cmd_no(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        """Notifications through a pipe in /dev: there is none here, as with ``-f``."""
        return Err.BAD_PATHNAME

    def cmd_nb(self, client: Client, handle: int, bits: int, ext: bytes) -> int:
        return self.notifier.begin(handle, bits, self.time.now)

    def cmd_np(self, client: Client, handle: int, p2: int, ext: bytes) -> int:
        return self.notifier.pause(handle, self.time.now)

    def cmd_nc(self, client: Client, handle: int, p2: int, ext: bytes) -> int:
        return self.notifier.close(handle, self.time.now)

    def cmd_evm(self, client: Client, handle: int, bits: int, ext: bytes) -> int:
        return self.notifier.events(handle, bits)

    def cmd_evt(self, client: Client, event: int, p2: int, ext: bytes) -> int:
        return self.notifier.trigger(event, self.time.now)

    def cmd_fg(self, client: Client, gpio: int, steady_us: int, ext: bytes) -> int:
        if gpio > protocol.MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if steady_us > _MAX_STEADY_US:
            return Err.BAD_FILTER
        self.notifier.filter(gpio, steady_us, self.time.now)
        return 0

    # Waves

    def cmd_wvclr(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        self.player.clear(self.time.now)
        return 0

    def cmd_wvnew(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        self.table.pending.clear()
        return 0

    def cmd_wvag(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self.table.pending.add(ext[: len(ext) // 12 * 12], self.mask)

    def cmd_wvcre(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self.player.create(None, self.time.now)

    def cmd_wvcap(self, client: Client, percent: int, percent_2: int, ext: bytes) -> int:
        if len(ext) == 4:
            pad = (percent, percent_2, _word(ext))
        elif ext:
            return Err.BAD_WAVE_ID
        else:
            pad = (percent, percent_2 or percent, 0)
        if max(pad) > 100:
            return Err.BAD_PARAM
        return self.player.create(pad, self.time.now)

    def cmd_wvdel(self, client: Client, wave_id: int, p2: int, ext: bytes) -> int:
        return self.table.delete(wave_id)

    def cmd_wvgo(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return Err.DEPRECATED

    cmd_wvgor = cmd_wvgo

    def cmd_wvtx(self, client: Client, wave_id: int, p2: int, ext: bytes) -> int:
        return self.player.send(wave_id, 0, self.time.now)

    def cmd_wvtxr(self, client: Client, wave_id: int, p2: int, ext: bytes) -> int:
        return self.player.send(wave_id, 1, self.time.now)

    def cmd_wvtxm(self, client: Client, wave_id: int, mode: int, ext: bytes) -> int:
        return self.player.send(wave_id, mode, self.time.now)

    def cmd_wvcha(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self.player.send_chain(ext, self.time.now)

    def cmd_wvbsy(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        self.player.run_to(self.time.now)
        return 0 if self.player.idle else 1

    def cmd_wvtat(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self.player.at(self.time.now)

    def cmd_wvhlt(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        self.player.stop(self.time.now)
        return 0

    def cmd_wvsm(self, client: Client, which: int, p2: int, ext: bytes) -> int:
        stats = self.table.pending.micros
        return _stat(which, (stats.now, stats.high, pending.MAX_MICROS), Err.BAD_WVSM_COMMND)

    def cmd_wvsp(self, client: Client, which: int, p2: int, ext: bytes) -> int:
        stats = self.table.pending.pulses
        return _stat(which, (stats.now, stats.high, pending.MAX_PULSES), Err.BAD_WVSP_COMMND)

    def cmd_wvsc(self, client: Client, which: int, p2: int, ext: bytes) -> int:
        stats = self.table.pending.cbs
        return _stat(which, (stats.now, stats.high, pending.MAX_CBS), Err.BAD_WVSC_COMMND)

    # SPI

    def cmd_spio(self, client: Client, channel: int, baud: int, ext: bytes) -> int:
        return self.spi.open(channel, baud, _word(ext), self.time.now)

    def cmd_spic(self, client: Client, handle: int, p2: int, ext: bytes) -> int:
        return self.spi.close(handle, self.time.now)

    def cmd_spix(self, client: Client, handle: int, p2: int, ext: bytes) -> Result:
        return self.spi.transfer(handle, ext, self.time.now)

    def cmd_spir(self, client: Client, handle: int, count: int, ext: bytes) -> Result:
        return self.spi.transfer(handle, bytes(min(count, protocol.MAX_EXTENSION - 1)), self.time.now)

    def cmd_spiw(self, client: Client, handle: int, p2: int, ext: bytes) -> int:
        answer = self.spi.transfer(handle, ext, self.time.now)
        return answer if isinstance(answer, int) else len(answer)

    # Scripts: there is no room for any, and so none to run

    def cmd_proc(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return Err.NO_SCRIPT_ROOM

    def cmd_procr(self, client: Client, script: int, p2: int, ext: bytes) -> int:
        too_many = script < protocol.MAX_SCRIPTS and len(ext) // 4 > protocol.SCRIPT_PARAMS
        return Err.TOO_MANY_PARAM if too_many else Err.BAD_SCRIPT_ID

    cmd_procu = cmd_procr

    def cmd_procs(self, client: Client, script: int, p2: int, ext: bytes) -> int:
        return Err.BAD_SCRIPT_ID

    cmd_procd = cmd_procs
    cmd_procp = cmd_procs


def _word(ext: bytes) -> int:
    """The first word of an extension; a short one is completed with zeros."""
    return int(WORD.unpack(ext[:4].ljust(4, b"\0"))[0])


def _stat(which: int, figures: tuple[int, int, int], error: Err) -> int:
    return figures[which] if which < 3 else error
