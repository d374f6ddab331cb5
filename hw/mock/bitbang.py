"""Bit-banged serial reception, I2C and SPI: the daemon itself reads and writes the lines, at the pace of its clock.

What is wired to them decides what comes back. The permission mask is asked only where the daemon asks it: to open SPI.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from hw.mock.lines import INPUT, OUTPUT, Lines
from hw.mock.notify import TIMEOUT, Notifier
from hw.mock.protocol import MAX_USER_GPIO, Err
from hw.mock.work import Result, Time, Work

MIN_BAUD: Final = 50
MAX_SERIAL_BAUD: Final = 250_000
MAX_I2C_BAUD: Final = 500_000
MAX_SPI_BAUD: Final = 250_000
MAX_DATA_BITS: Final = 32
BUFFER: Final = 8_192
STRETCH_US: Final = 100_000
"""How long a clock that somebody holds low is waited for."""
_STRETCH_LOOK_US: Final = 10
_ANSWER: Final = 32_768

_END, _ESCAPE, _START, _STOP, _ADDRESS, _FLAGS, _READ, _WRITE = range(8)

_CPHA, _CPOL, _CS_HIGH, _TX_LSB, _RX_LSB = 1, 2, 4, 1 << 14, 1 << 15


Bits = Generator[int, None, int]
"""Work whose result are bits from the line."""


class Job(Enum):
    """What a line is taken for."""

    SERIAL = 1
    I2C_DATA = 2
    I2C_CLOCK = 3
    SPI_SELECT = 4
    SPI_IN = 5
    SPI_OUT = 6
    SPI_CLOCK = 7


@dataclass
class _Serial:
    """A receiver. Times in ns but for ``start`` (us); ``bit`` is -1 between characters."""

    gpio: int
    bits: int
    bit_ns: int
    timeout_us: int
    size: int
    invert: int = 0
    bit: int = -1
    start: int = 0
    due_ns: int = 0
    level: int = 0
    data: int = 0
    received: bytearray = field(default_factory=bytearray)


@dataclass
class _I2c:
    data: int
    clock: int
    half_us: int
    modes: tuple[int, int]
    started: bool = False


@dataclass
class _SpiBus:
    """Lines that several selects may share."""

    miso: int
    mosi: int
    clock: int
    modes: tuple[int, int, int]
    users: int = 1


@dataclass
class _SpiSelect:
    bus: _SpiBus
    delay_us: int
    flags: int
    mode: int


class BitBang:
    """All lines that clients had the daemon bit-bang on."""

    def __init__(self, time: Time, lines: Lines, notifier: Notifier) -> None:
        self.time = time
        self.lines = lines
        self.notifier = notifier
        self._jobs: dict[int, Job] = {}
        self._serial: dict[int, _Serial] = {}
        self._i2c: dict[int, _I2c] = {}
        self._spi: dict[int, _SpiSelect] = {}

    # Serial

    def serial_open(self, gpio: int, baud: int, bits: int) -> int:
        """Receives characters on a line from now on."""
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if not MIN_BAUD <= baud <= MAX_SERIAL_BAUD:
            return Err.BAD_WAVE_BAUD
        if not 1 <= bits <= MAX_DATA_BITS:
            return Err.BAD_DATABITS
        if gpio in self._jobs:
            return Err.GPIO_IN_USE
        bit_ns = 1_000_000_000 // baud
        timeout_ms = max(1, (bits + 2) * bit_ns // 1_000_000)
        size = 1 if bits < 9 else 2 if bits < 17 else 4
        serial = _Serial(gpio, bits, bit_ns, 1_000 * timeout_ms, size)
        self._jobs[gpio], self._serial[gpio] = Job.SERIAL, serial
        self.notifier.listen(gpio, lambda level, tick: self._receive(serial, level, tick), self.time.now)
        return 0

    def serial_invert(self, gpio: int, invert: int) -> int:
        serial = self._serial.get(gpio)
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if serial is None:
            return Err.NOT_SERIAL_GPIO
        if invert > 1:
            return Err.BAD_SER_INVERT
        serial.invert = invert
        return 0

    def serial_read(self, gpio: int, count: int) -> Result:
        """What was received and not read yet, up to so many bytes, in whole characters."""
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if count == 0:
            return Err.BAD_SERIAL_COUNT
        serial = self._serial.get(gpio)
        if serial is None:
            return Err.NOT_SERIAL_GPIO
        taken = min(count, len(serial.received)) // serial.size * serial.size
        data = bytes(serial.received[:taken])
        del serial.received[:taken]
        return data

    def serial_close(self, gpio: int) -> int:
        if gpio > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if self._serial.pop(gpio, None) is None:
            return 0 if gpio in self._jobs else Err.NOT_SERIAL_GPIO
        del self._jobs[gpio]
        self.notifier.watch(gpio, 0, self.time.now)
        self.notifier.listen(gpio, None, self.time.now)
        return 0

    def _receive(self, serial: _Serial, level: int, tick: int) -> None:
        """An edge, or the silence after one: works out the bits since the start bit."""
        level ^= serial.invert
        if serial.bit < 0:
            if level == 0:
                self._start_bit(serial, tick)
            return
        if level != TIMEOUT:
            serial.level = level
            last = not level
        else:
            last = bool(serial.level)
        while serial.bit <= serial.bits and tick - serial.start > serial.due_ns // 1_000:
            if not serial.bit:
                serial.data = 0
            elif last:
                serial.data |= 1 << serial.bit - 1
            serial.bit += 1
            serial.due_ns += serial.bit_ns
        if serial.bit > serial.bits:
            if len(serial.received) + serial.size < BUFFER:
                serial.received += serial.data.to_bytes(4, "little")[: serial.size]
            if level == 0:
                self._start_bit(serial, tick)
            else:
                serial.bit = -1
                self.notifier.watch(serial.gpio, 0, self.time.now)

    def _start_bit(self, serial: _Serial, tick: int) -> None:
        self.notifier.watch(serial.gpio, serial.timeout_us, self.time.now)
        serial.level = serial.bit = 0
        serial.start, serial.due_ns = tick, serial.bit_ns // 2 + 500

    # I2C

    def i2c_open(self, data: int, clock: int, baud: int) -> int:
        if max(data, clock) > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if not MIN_BAUD <= baud <= MAX_I2C_BAUD:
            return Err.BAD_I2C_BAUD
        if data in self._jobs or clock in self._jobs or data == clock:
            return Err.GPIO_IN_USE
        self._jobs[data], self._jobs[clock] = Job.I2C_DATA, Job.I2C_CLOCK
        self._i2c[data] = _I2c(data, clock, 500_000 // baud, (self.lines.modes[data], self.lines.modes[clock]))
        for gpio in (data, clock):
            self._mode(gpio, INPUT)
        return 0

    def i2c_close(self, data: int) -> int:
        if data > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        bus = self._i2c.pop(data, None)
        if bus is None:
            return Err.NOT_I2C_GPIO
        for gpio, mode in zip((bus.data, bus.clock), bus.modes, strict=True):
            self._mode(gpio, mode)
            del self._jobs[gpio]
        return 0

    def i2c_zip(self, data: int, text: bytes) -> Result | Work:
        """Carries out a list of transfers. The bytes read, or an error."""
        if data > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        bus = self._i2c.get(data)
        if bus is None:
            return Err.NOT_I2C_GPIO
        return self._i2c_transfers(bus, text[:_ANSWER]) if text else Err.BAD_POINTER

    def _i2c_transfers(self, bus: _I2c, text: bytes) -> Work:
        at, address, long, answer = 0, 0, False, bytearray()

        def number(wide: bool) -> int:
            nonlocal at
            size = 2 if wide else 1
            if at > len(text) - size:
                return -1
            at += size
            return int.from_bytes(text[at - size : at], "little")

        while at < len(text):
            command = text[at]
            at += 1
            wide, long = long, command == _ESCAPE
            if command == _END:
                break
            if command == _START:
                yield from self._i2c_start(bus)
            elif command == _STOP:
                yield from self._i2c_stop(bus)
            elif command in (_ADDRESS, _FLAGS):
                value = number(wide or command == _FLAGS)
                if value < 0:
                    return Err.BAD_I2C_CMD
                address = value if command == _ADDRESS else address
            elif command in (_READ, _WRITE):
                count = number(wide)
                refused = 1
                if count >= 0:
                    refused = yield from self._i2c_put(bus, address << 1 | (command == _READ))
                if count <= 0:
                    return Err.BAD_I2C_CMD
                if refused:
                    return Err.I2C_READ_FAILED if command == _READ else Err.I2C_WRITE_FAILED
                if command == _READ:
                    if count + len(answer) > _ANSWER:
                        return Err.BAD_I2C_RLEN
                    for left in range(count - 1, -1, -1):
                        answer.append((yield from self._i2c_get(bus, last=not left)))
                elif count + at > len(text):
                    return Err.BAD_I2C_WLEN
                else:
                    failed = False
                    for left in range(count - 1, -1, -1):
                        refused = yield from self._i2c_put(bus, text[at])
                        failed = failed or bool(refused and left)  # nobody looks at how the last was taken
                        at += 1
                    if failed:
                        return Err.I2C_WRITE_FAILED
            elif command != _ESCAPE:
                return Err.BAD_I2C_CMD
        return bytes(answer)

    def _i2c_start(self, bus: _I2c) -> Work:
        if bus.started:
            self._mode(bus.data, INPUT)
            yield self._in(bus.half_us)
            yield from self._i2c_clock_high(bus)
            yield self._in(bus.half_us)
        self._low(bus.data)
        yield self._in(bus.half_us)
        self._low(bus.clock)
        yield self._in(bus.half_us)
        bus.started = True
        return 0

    def _i2c_stop(self, bus: _I2c) -> Work:
        self._low(bus.data)
        yield self._in(bus.half_us)
        yield from self._i2c_clock_high(bus)
        yield self._in(bus.half_us)
        self._mode(bus.data, INPUT)
        yield self._in(bus.half_us)
        bus.started = False
        return 0

    def _i2c_clock_high(self, bus: _I2c) -> Work:
        self._mode(bus.clock, INPUT)
        end = self.time.now + STRETCH_US
        while not self.lines.level(bus.clock, self.time.now) and self.time.now < end:
            yield self._in(_STRETCH_LOOK_US)
        return 0

    def _i2c_bit(self, bus: _I2c, bit: int) -> Bits:
        """Sends a bit; a 1 lets the line go. What the line then shows."""
        if bit:
            self._mode(bus.data, INPUT)
        else:
            self._low(bus.data)
        yield self._in(bus.half_us)
        yield from self._i2c_clock_high(bus)
        shown = self.lines.level(bus.data, self.time.now)
        yield self._in(bus.half_us)
        self._low(bus.clock)
        return shown

    def _i2c_put(self, bus: _I2c, byte: int) -> Bits:
        """Sends a byte: 0 if somebody took it."""
        for bit in range(7, -1, -1):
            yield from self._i2c_bit(bus, byte >> bit & 1)
        return (yield from self._i2c_bit(bus, 1))

    def _i2c_get(self, bus: _I2c, last: bool) -> Bits:
        byte = 0
        for _ in range(8):
            bit = yield from self._i2c_bit(bus, 1)
            byte = byte << 1 | bit
        yield from self._i2c_bit(bus, last)
        return byte

    # SPI

    def spi_open(self, select: int, miso: int, mosi: int, clock: int, baud: int, flags: int) -> int:
        lines = (select, miso, mosi, clock)
        if max(lines) > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        if not MIN_BAUD <= baud <= MAX_SPI_BAUD:
            return Err.BAD_SPI_BAUD
        jobs = [self._jobs.get(gpio) for gpio in (miso, mosi, clock)]
        shared = jobs == [Job.SPI_IN, Job.SPI_OUT, Job.SPI_CLOCK]
        if select in self._jobs or len(set(lines)) < 4 or not (shared or jobs == [None] * 3):
            return Err.GPIO_IN_USE
        self._jobs[select] = Job.SPI_SELECT
        mode = self.lines.modes[select]
        self._put(select, not flags & _CS_HIGH)
        self._mode(select, OUTPUT)
        bus = next((one.bus for one in self._spi.values() if shared and one.bus.clock == clock), None)
        if bus is None:
            modes = (self.lines.modes[miso], self.lines.modes[mosi], self.lines.modes[clock])
            bus = _SpiBus(miso, mosi, clock, modes)
            for gpio, job in ((miso, Job.SPI_IN), (mosi, Job.SPI_OUT), (clock, Job.SPI_CLOCK)):
                self._jobs[gpio] = job
            self._mode(miso, INPUT)
            self._mode(clock, OUTPUT)
            self._put(mosi, 0)
            self._mode(mosi, OUTPUT)
        else:
            bus.users += 1
        self._spi[select] = _SpiSelect(bus, 500_000 // baud - 1, flags, mode)
        return 0

    def spi_close(self, select: int) -> int:
        if select > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        handle = self._spi.pop(select, None)
        if handle is None:
            return Err.NOT_SPI_GPIO
        self._mode(select, handle.mode)
        del self._jobs[select]
        bus = handle.bus
        bus.users -= 1
        if not bus.users:
            for gpio, mode in zip((bus.miso, bus.mosi, bus.clock), bus.modes, strict=True):
                self._mode(gpio, mode)
                del self._jobs[gpio]
        return 0

    def spi_transfer(self, select: int, data: bytes) -> Result | Work:
        """Clocks bytes out and in."""
        if select > MAX_USER_GPIO:
            return Err.BAD_USER_GPIO
        handle = self._spi.get(select)
        if handle is None:
            return Err.NOT_SPI_GPIO
        return self._spi_bytes(select, handle, data) if data else Err.BAD_POINTER

    def _spi_bytes(self, select: int, handle: _SpiSelect, data: bytes) -> Work:
        bus, flags, pause = handle.bus, handle.flags, max(0, handle.delay_us)
        rest, active = bool(flags & _CPOL), bool(flags & _CS_HIGH)
        self._put(bus.clock, rest)
        yield self._in(pause)
        self._put(select, active)
        yield self._in(pause)
        answer = bytearray()
        for byte in data:
            taken = 0
            for bit in range(8):
                out = byte >> (bit if flags & _TX_LSB else 7 - bit) & 1
                if flags & _CPHA:
                    self._put(bus.clock, not rest)
                self._put(bus.mosi, out)
                yield self._in(pause)
                self._put(bus.clock, rest if flags & _CPHA else not rest)
                level = self.lines.level(bus.miso, self.time.now)
                taken |= level << (bit if flags & _RX_LSB else 7 - bit)
                yield self._in(pause)
                if not flags & _CPHA:
                    self._put(bus.clock, rest)
            answer.append(taken)
        yield self._in(pause)
        self._put(select, not active)
        yield self._in(pause)
        self._put(bus.clock, rest)
        return bytes(answer)

    # Lines

    def _in(self, us: int) -> int:
        return self.time.now + us

    def _mode(self, gpio: int, mode: int) -> None:
        self.lines.set_mode(gpio, mode, self.time.now)

    def _put(self, gpio: int, level: int) -> None:
        bit = 1 << gpio
        self.lines.write(bit if level else 0, 0 if level else bit, self.time.now)

    def _low(self, gpio: int) -> None:
        self._mode(gpio, OUTPUT)
        self._put(gpio, 0)
