"""The daemon's commands: each takes p1, p2 and the extension and gives a result, or result bytes.

All clients share one pulse list, one wave table and one set of lines; nothing belongs to the client that made it, but
notification handles.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from hw.mock import absent, pending, protocol
from hw.mock.bitbang import BitBang
from hw.mock.board import BoardModel
from hw.mock.lines import INPUT, OUTPUT, Lines
from hw.mock.notify import Notifier
from hw.mock.pipes import Pipe
from hw.mock.player import Player
from hw.mock.protocol import WORD, Cmd, Err, signed
from hw.mock.pwm import Functions
from hw.mock.script import Scripts
from hw.mock.serial import serial_pulses
from hw.mock.spi import Spi
from hw.mock.waves import WaveTable
from hw.mock.work import Client, Handler, Result, Time, Work

_MAX_MODE: Final = 7
_MAX_TRIGGER_US: Final = 100
_MAX_STEADY_US: Final = 300_000
_MAX_ACTIVE_US: Final = 1_000_000
_MAX_MICS: Final = 1_000_000
_MAX_MILS: Final = 60_000
_BANK: Final = 0xFFFF_FFFF
_MAX_WATCHDOG_MS: Final = 60_000
_MAX_PAD: Final = 2
_PAD_STRENGTHS: Final = range(1, 17)
_PAD_AT_RESET: Final = 8
"""mA, as the lines have it after a reset (BCM2837: drive 3)."""
_BSC_LINES: Final = {1: (19, 18), 2: (19, 20, 18, 21)}
"""The lines that the slave peripheral takes: for I2C, and for SPI."""
_BSC_FIFO: Final = 16
_ALT3: Final = 7
_BSC_NOTHING_CAME, _BSC_TX_FULL, _BSC_TX_EMPTY = 2, 4, 16


class Daemon:
    """State of the daemon and its commands. ``mask`` are the GPIO that clients may write (``-x``).

    ``pipes`` is the folder for pipes of notifications (NO), which a real daemon makes in ``/dev``; None: it cannot.
    """

    def __init__(
        self,
        time: Time,
        lines: Lines,
        board: BoardModel | None,
        mask: int,
        sample_us: int,
        pipes: Path | None = None,
    ) -> None:
        self.time = time
        self.lines = lines
        self.board = board
        self.mask = mask
        self.table = WaveTable()
        self.player = Player(self.table, lines)
        lines.runner = self.player
        self.notifier = Notifier(lines, sample_us)
        self.spi = Spi(lines, None if board is None else board.convert)
        self.functions = Functions(time, lines, sample_us, self.player.stop)
        self.bits = BitBang(time, lines, self.notifier)
        self._pipes = pipes
        self._internals = 0
        self._pads = [_PAD_AT_RESET] * (_MAX_PAD + 1)
        self._bsc_mode = 0
        self._bsc_sent = 0
        self.handlers: dict[int, Handler] = {
            Cmd[name[4:].upper()]: getattr(self, name) for name in dir(self) if name.startswith("cmd_")
        }
        self.scripts = Scripts(time, self.handlers, self._scripts_wait)
        self.notifier.on_change = self.scripts.changed

    def permits(self, gpio: int) -> bool:
        """Whether clients may write a GPIO; a number out of range passes, its own check refuses it."""
        return gpio > protocol.MAX_GPIO or bool(self.mask >> gpio & 1)

    def gone(self, client: Client) -> None:
        """A connection ended: its notification handles close, all else goes on."""
        self.notifier.close_all(client, self.time.now)

    def close(self) -> None:
        """Removes what the daemon left in the file system."""
        for number, handle in enumerate(self.notifier.handles):
            if handle is not None and isinstance(handle.owner, Pipe):
                self.notifier.close(number, self.time.now)

    def _scripts_wait(self) -> None:
        self.notifier.wait_for(self.scripts.wait_bits, self.time.now)

    # Lines

    def cmd_modes(self, client: Client, gpio: int, mode: int, ext: bytes) -> int | Work:
        if not self.permits(gpio):
            return Err.NOT_PERMITTED
        if gpio > protocol.MAX_GPIO:
            return Err.BAD_GPIO
        if mode > _MAX_MODE:
            return Err.BAD_MODE
        work = self.functions.mode(gpio, mode)
        return 0 if work is None else work

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

    def cmd_write(self, client: Client, gpio: int, level: int, ext: bytes) -> int | Work:
        if not self.permits(gpio):
            return Err.NOT_PERMITTED
        if gpio > protocol.MAX_GPIO:
            return Err.BAD_GPIO
        if level > 1:
            return Err.BAD_LEVEL
        work = self.functions.write(gpio)
        if work is None:
            self._write(gpio, level)
            return 0
        return self._write_after(work, gpio, level)

    def _write_after(self, work: Work, gpio: int, level: int) -> Work:
        """Writes a line before and after its pulses are ended."""
        self._write(gpio, level)
        yield from work
        self._write(gpio, level)
        return 0

    def _write(self, gpio: int, level: int) -> None:
        now = self.time.now
        if gpio < 32:
            self.lines.write(level << gpio, (1 - level) << gpio, now)
        else:
            self.lines.write_2(level << (gpio - 32), (1 - level) << (gpio - 32))
        self.lines.set_mode(gpio, OUTPUT, now)

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

    def cmd_trig(self, client: Client, gpio: int, length_us: int, ext: bytes) -> int | Work:
        if not self.permits(gpio):
            return Err.NOT_PERMITTED
        level = _word(ext)
        if gpio > protocol.MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if level > 1:
            return Err.BAD_LEVEL
        if not 0 < length_us <= _MAX_TRIGGER_US:
            return Err.BAD_PULSELEN
        return self._trigger(gpio, length_us, level)

    def _trigger(self, gpio: int, length_us: int, level: int) -> Work:
        self.lines.write(level << gpio, (1 - level) << gpio, self.time.now)
        yield self.time.now + length_us
        self.lines.write((1 - level) << gpio, level << gpio, self.time.now)
        return 0

    def cmd_wdog(self, client: Client, gpio: int, timeout_ms: int, ext: bytes) -> int:
        if gpio > protocol.MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if timeout_ms > _MAX_WATCHDOG_MS:
            return Err.BAD_WDOG_TIMEOUT
        self.notifier.watch(gpio, 1_000 * timeout_ms, self.time.now)
        return 0

    # PWM, servo pulses, clocks

    def _pulses(self, gpio: int, start: Callable[[], int | Work]) -> int | Work:
        return start() if self.permits(gpio) else Err.NOT_PERMITTED

    def cmd_pwm(self, client: Client, gpio: int, duty: int, ext: bytes) -> int | Work:
        return self._pulses(gpio, lambda: self.functions.pwm(gpio, duty))

    def cmd_prs(self, client: Client, gpio: int, range_: int, ext: bytes) -> int | Work:
        return self._pulses(gpio, lambda: self.functions.set_range(gpio, range_))

    def cmd_pfs(self, client: Client, gpio: int, hz: int, ext: bytes) -> int | Work:
        return self._pulses(gpio, lambda: self.functions.set_frequency(gpio, hz))

    def cmd_servo(self, client: Client, gpio: int, width_us: int, ext: bytes) -> int | Work:
        return self._pulses(gpio, lambda: self.functions.servo(gpio, width_us))

    def cmd_hp(self, client: Client, gpio: int, hz: int, ext: bytes) -> int | Work:
        return self._pulses(gpio, lambda: self.functions.hardware_pwm(gpio, hz, _word(ext)))

    def cmd_hc(self, client: Client, gpio: int, hz: int, ext: bytes) -> int | Work:
        return self._pulses(gpio & 0xFFFFFF, lambda: self.functions.hardware_clock(gpio, hz))

    def cmd_gdc(self, client: Client, gpio: int, p2: int, ext: bytes) -> int:
        return self.functions.duty(gpio)

    def cmd_prg(self, client: Client, gpio: int, p2: int, ext: bytes) -> int:
        return self.functions.get_range(gpio)

    def cmd_prrg(self, client: Client, gpio: int, p2: int, ext: bytes) -> int:
        return self.functions.real_range(gpio)

    def cmd_pfg(self, client: Client, gpio: int, p2: int, ext: bytes) -> int:
        return self.functions.get_frequency(gpio)

    def cmd_gpw(self, client: Client, gpio: int, p2: int, ext: bytes) -> int:
        return self.functions.servo_width(gpio)

    # Pads

    def cmd_pads(self, client: Client, pad: int, milliamps: int, ext: bytes) -> int:
        if pad > _MAX_PAD:
            return Err.BAD_PAD
        if milliamps not in _PAD_STRENGTHS:
            return Err.BAD_STRENGTH
        self._pads[pad] = (milliamps + 1) // 2 * 2
        return 0

    def cmd_padg(self, client: Client, pad: int, p2: int, ext: bytes) -> int:
        return Err.BAD_PAD if pad > _MAX_PAD else self._pads[pad]

    # The daemon itself

    def cmd_tick(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self.time.now

    def cmd_hwver(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return protocol.HARDWARE_REVISION

    def cmd_pigpv(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return protocol.VERSION

    def cmd_help(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return 0

    def cmd_cgi(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self._internals

    def cmd_csi(self, client: Client, value: int, p2: int, ext: bytes) -> int:
        """Kept and given back; what they set in the daemon (debug level, stats, alert rate) has no part in this one."""
        self._internals = value
        return 0

    def cmd_mics(self, client: Client, delay: int, p2: int, ext: bytes) -> int | Work:
        return self._delay(delay) if delay <= _MAX_MICS else Err.BAD_MICS_DELAY

    def cmd_mils(self, client: Client, delay: int, p2: int, ext: bytes) -> int | Work:
        return self._delay(1_000 * delay) if delay <= _MAX_MILS else Err.BAD_MILS_DELAY

    def _delay(self, us: int) -> Work:
        yield self.time.now + us
        return 0

    # Notifications

    def cmd_noib(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self.notifier.open(client, client.report, self.time.now)

    def cmd_no(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        """Notifications through a pipe on this machine."""
        number = self.notifier.free
        if number is None:
            return Err.NO_HANDLE
        if self._pipes is None:
            return Err.BAD_PATHNAME
        try:
            pipe = Pipe(self._pipes / f"pigpio{number}")
        except OSError:
            return Err.BAD_PATHNAME
        return self.notifier.open(pipe, pipe.send, self.time.now)

    def cmd_nb(self, client: Client, handle: int, bits: int, ext: bytes) -> int:
        return self.notifier.begin(handle, bits, self.time.now)

    def cmd_np(self, client: Client, handle: int, p2: int, ext: bytes) -> int:
        return self.notifier.pause(handle, self.time.now)

    def cmd_nc(self, client: Client, handle: int, p2: int, ext: bytes) -> int:
        return self.notifier.close(handle, self.time.now)

    def cmd_evm(self, client: Client, handle: int, bits: int, ext: bytes) -> int:
        return self.notifier.events(handle, bits)

    def cmd_evt(self, client: Client, event: int, p2: int, ext: bytes) -> int:
        result = self.notifier.trigger(event, self.time.now)
        if not result:
            self.scripts.happened(event)
        return result

    def cmd_fg(self, client: Client, gpio: int, steady_us: int, ext: bytes) -> int:
        if gpio > protocol.MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if steady_us > _MAX_STEADY_US:
            return Err.BAD_FILTER
        self.notifier.filter(gpio, steady_us, self.time.now)
        return 0

    def cmd_fn(self, client: Client, gpio: int, steady_us: int, ext: bytes) -> int:
        active_us = _word(ext)
        if gpio > protocol.MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if steady_us > _MAX_STEADY_US or active_us > _MAX_ACTIVE_US:
            return Err.BAD_FILTER
        self.notifier.noise_filter(gpio, steady_us, active_us, self.time.now)
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

    def cmd_wvas(self, client: Client, gpio: int, baud: int, ext: bytes) -> int:
        """Pulses that send characters on a line: bits, half stop bits and offset (us), then the characters."""
        if not self.permits(gpio):
            return Err.NOT_PERMITTED
        figures = [_word(ext[at:]) for at in (0, 4, 8)]
        if len(ext) < 12:
            return Err.TOO_MANY_CHARS  # the daemon takes the number of characters, which is below 0, for a huge one
        pulses = serial_pulses(gpio, baud, figures[0], figures[1], figures[2], ext[12:])
        if isinstance(pulses, int):
            return pulses
        return self.table.pending.add(pulses, _BANK) if pulses else 0

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

    # Scripts

    def cmd_proc(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return self.scripts.store(ext)

    def cmd_procr(self, client: Client, script: int, p2: int, ext: bytes) -> int:
        return self.scripts.params(script, ext, run=True)

    def cmd_procu(self, client: Client, script: int, p2: int, ext: bytes) -> int:
        return self.scripts.params(script, ext, run=False)

    def cmd_procp(self, client: Client, script: int, p2: int, ext: bytes) -> Result:
        """A script's state and its parameters."""
        found = self.scripts.find(script)
        if found is None:
            return Err.BAD_SCRIPT_ID
        words = (found.state, *found.memory[: protocol.SCRIPT_PARAMS])
        return b"".join(WORD.pack(word & _BANK) for word in words)

    def cmd_procs(self, client: Client, script: int, p2: int, ext: bytes) -> int:
        found = self.scripts.find(script)
        if found is None:
            return Err.BAD_SCRIPT_ID
        found.halt()
        return 0

    def cmd_procd(self, client: Client, script: int, p2: int, ext: bytes) -> int | Work:
        found = self.scripts.find(script)
        return Err.BAD_SCRIPT_ID if found is None else self.scripts.delete(found)

    # Bit-banged serial, I2C and SPI

    def cmd_slro(self, client: Client, gpio: int, baud: int, ext: bytes) -> int:
        return self.bits.serial_open(gpio, baud, _word(ext))

    def cmd_slr(self, client: Client, gpio: int, count: int, ext: bytes) -> Result:
        return self.bits.serial_read(gpio, min(count, protocol.MAX_EXTENSION - 1))

    def cmd_slri(self, client: Client, gpio: int, invert: int, ext: bytes) -> int:
        return self.bits.serial_invert(gpio, invert)

    def cmd_slrc(self, client: Client, gpio: int, p2: int, ext: bytes) -> int:
        return self.bits.serial_close(gpio)

    def cmd_bi2co(self, client: Client, data: int, clock: int, ext: bytes) -> int:
        return self.bits.i2c_open(data, clock, _word(ext))

    def cmd_bi2cc(self, client: Client, data: int, p2: int, ext: bytes) -> int:
        return self.bits.i2c_close(data)

    def cmd_bi2cz(self, client: Client, data: int, p2: int, ext: bytes) -> Result | Work:
        return self.bits.i2c_zip(data, ext)

    def cmd_bspio(self, client: Client, select: int, p2: int, ext: bytes) -> int:
        miso, mosi, clock, baud, flags = (_word(ext[at:]) for at in (0, 4, 8, 12, 16))
        if not all(self.permits(gpio) for gpio in (select, miso, mosi, clock)):
            return Err.NOT_PERMITTED
        return self.bits.spi_open(select, miso, mosi, clock, baud, flags)

    def cmd_bspic(self, client: Client, select: int, p2: int, ext: bytes) -> int:
        return self.bits.spi_close(select)

    def cmd_bspix(self, client: Client, select: int, p2: int, ext: bytes) -> Result | Work:
        return self.bits.spi_transfer(select, ext)

    def cmd_bscx(self, client: Client, control: int, p2: int, ext: bytes) -> Result | Work:
        """The I2C and SPI slave: it takes its lines, whatever ``-x`` says, and nobody ever talks to it."""
        wanted = 2 if control & 2 else 1 if control else 0
        lines, mode = _BSC_LINES.get(self._bsc_mode, ()), INPUT
        if wanted > self._bsc_mode:
            lines, mode, self._bsc_sent = _BSC_LINES[wanted], _ALT3, 0
        elif control:
            lines = ()
        return self._bsc(lines, mode, wanted, ext)

    def _bsc(self, lines: tuple[int, ...], mode: int, wanted: int, data: bytes) -> Work:
        for gpio in lines:
            work = self.functions.mode(gpio, mode)
            if work is not None:
                yield from work
        self._bsc_mode = max(wanted, self._bsc_mode) if wanted else 0
        if not wanted:
            return WORD.pack(0)
        taken = min(len(data), _BSC_FIFO - self._bsc_sent)
        self._bsc_sent += taken
        flags = _BSC_NOTHING_CAME | self._bsc_sent << 6
        flags |= _BSC_TX_FULL if self._bsc_sent == _BSC_FIFO else 0 if self._bsc_sent else _BSC_TX_EMPTY
        return WORD.pack(taken << 16 | flags)

    # Things that are not there

    def cmd_i2co(self, client: Client, bus: int, address: int, ext: bytes) -> int:
        return absent.i2c_open(address, _word(ext))

    def cmd_sero(self, client: Client, baud: int, flags: int, ext: bytes) -> int:
        return absent.serial_open(ext, baud, flags)

    def cmd_fo(self, client: Client, mode: int, p2: int, ext: bytes) -> int:
        return absent.file_open(mode)

    def cmd_fl(self, client: Client, p1: int, p2: int, ext: bytes) -> int:
        return Err.NO_FILE_ACCESS

    def cmd_shell(self, client: Client, length: int, p2: int, ext: bytes) -> int:
        return absent.shell(ext.partition(b"\0")[0])

    def cmd_cf1(self, client: Client, first: int, second: int, ext: bytes) -> int:
        return absent.custom_1(signed(first), signed(second), ext)

    def cmd_cf2(self, client: Client, first: int, most: int, ext: bytes) -> Result:
        return absent.custom_2(ext, most)

    def _never_opened(self, client: Client, handle: int, p2: int, ext: bytes) -> int:
        return Err.BAD_HANDLE

    cmd_i2cc = cmd_i2crd = cmd_i2cwd = cmd_i2cwq = cmd_i2crs = cmd_i2cws = cmd_i2crb = cmd_i2cwb = _never_opened
    cmd_i2crw = cmd_i2cww = cmd_i2crk = cmd_i2cwk = cmd_i2cri = cmd_i2cwi = cmd_i2cpc = cmd_i2cpk = _never_opened
    cmd_i2cz = cmd_serc = cmd_serrb = cmd_serwb = cmd_serr = cmd_serw = cmd_serda = _never_opened
    cmd_fc = cmd_fr = cmd_fw = cmd_fs = _never_opened


def _word(ext: bytes) -> int:
    """The first word of an extension; a short one is completed with zeros."""
    return int(WORD.unpack(ext[:4].ljust(4, b"\0"))[0])


def _stat(which: int, figures: tuple[int, int, int], error: Err) -> int:
    return figures[which] if which < 3 else error
