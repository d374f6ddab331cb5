"""Bit-banged serial, I2C and SPI, and the commands for what this Pi does not have."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from contextlib import closing

import pigpio
import pytest

from tests.support.bare import Bare

LINE, OTHER, CLOCK, SELECT = 24, 27, 22, 23


@pytest.fixture(name="bare")
def _bare() -> Iterator[Bare]:
    with Bare(LINE) as bare:
        yield bare


@pytest.mark.parametrize(
    ("baud", "bits", "text"), [(4_800, 8, b"my name"), (50_000, 7, b"abc"), (9_600, 12, b"a\1b\2")]
)
def test_serial_from_a_wave_to_the_receiver(bare: Bare, baud: int, bits: int, text: bytes) -> None:
    assert bare.pi.bb_serial_read_open(LINE, baud, bits) == 0
    bare.pi.wave_add_serial(LINE, baud, text, bb_bits=bits, bb_stop=2, offset=1_000)
    bare.pi.wave_send_once(bare.pi.wave_create())
    bare.sleep(1_000_000)
    assert bare.pi.bb_serial_read(LINE) == (len(text), bytearray(text))
    assert bare.pi.bb_serial_read(LINE)[0] == 0
    assert bare.pi.bb_serial_read_close(LINE) == 0


def test_serial_pulses_are_those_of_the_daemon(bare: Bare) -> None:
    """0x55 at 9 600 baud: bits of 104 us, rounded so that the edges never drift."""
    assert bare.pi.wave_add_serial(LINE, 9_600, b"\x55") == 11
    assert bare.pi.wave_add_serial(LINE, 9_600, b"") == 0, "nothing to add, whatever is pending"
    assert bare.pi.wave_add_serial(LINE, 9_600, b"\x55", bb_bits=9) == 0, "half a character is none"
    assert bare.pi.wave_get_micros() == 104 + 1_042
    bare.pi.wave_send_once(bare.pi.wave_create())
    bare.sleep(10_000)
    times = [time for time, _, _ in bare.edges(LINE)]
    assert times == [0, *[104 + (bit * 104_166 + 500) // 1_000 for bit in range(10)]]


def test_an_inverted_line(bare: Bare) -> None:
    assert bare.pi.bb_serial_read_open(LINE, 1_000) == 0
    assert bare.pi.bb_serial_invert(LINE, 1) == 0
    bits = [1, *[0x41 >> bit & 1 ^ 1 for bit in range(8)], 0]
    bare.pi.wave_add_generic([pigpio.pulse(bit << LINE, (1 - bit) << LINE, 1_000) for bit in bits])
    bare.pi.wave_send_once(bare.pi.wave_create())
    bare.sleep(100_000)
    bare.pi.write(LINE, 1)
    bare.sleep(100_000)
    assert bare.pi.bb_serial_read(LINE)[1][:1] == b"A"


def test_what_serial_refuses(bare: Bare) -> None:
    with closing(bare.raw()) as raw:
        eight, zero = struct.pack("<I", 8), bytes(4)
        assert [
            raw.result(42, 32, 9_600, eight),
            raw.result(42, LINE, 49, eight),
            raw.result(42, LINE, 250_001, eight),
        ] == [
            -2,
            -35,
            -35,
        ]
        assert [raw.result(42, LINE, 9_600, zero), raw.result(42, LINE, 9_600, struct.pack("<I", 33))] == [-101, -101]
        assert [raw.result(43, LINE, 10), raw.result(43, LINE, 0), raw.result(44, LINE), raw.result(94, LINE)] == [
            -38,
            -51,
            -38,
            -38,
        ]
        assert raw.result(42, LINE, 9_600, eight) == 0
        assert [raw.result(42, LINE, 9_600, eight), raw.result(94, LINE, 2)] == [-50, -121]
        words = struct.pack("<3I", 8, 2, 0)
        assert [raw.result(29, LINE, baud, words + b"a") for baud in (49, 1_000_001)] == [-35, -35]
        assert raw.result(29, LINE, 9_600, struct.pack("<3I", 0, 2, 0) + b"a") == -101
        assert raw.result(29, LINE, 9_600, struct.pack("<3I", 8, 9, 0) + b"a") == -102
        assert raw.result(29, LINE, 9_600, struct.pack("<3I", 8, 2, 1_800_000_001) + b"a") == -49
        assert [raw.result(29, LINE, 9_600, words + bytes(1_201)), raw.result(29, LINE, 9_600, words)] == [-37, 0]
        assert raw.result(29, 28, 9_600, words + b"a") == -41


def test_spi_with_its_lines_joined(bare: Bare) -> None:
    """MISO is driven from outside: what it shows is what comes back."""
    bare.sim.control("input", gpio=OTHER, level=1)
    assert bare.pi.bb_spi_open(SELECT, OTHER, LINE, CLOCK, 10_000, 0) == 0
    assert [bare.pi.get_mode(gpio) for gpio in (SELECT, OTHER, LINE, CLOCK)] == [1, 0, 1, 1]
    assert bare.pi.read(SELECT) == 1
    assert bare.pi.bb_spi_xfer(SELECT, [0xA5, 0x0F]) == (2, bytearray(b"\xff\xff"))
    rises = [time for time, _, level in bare.edges(CLOCK) if level]
    assert len(rises) == 16
    assert {b - a for a, b in itertools.pairwise(rises)} == {98}
    data = bare.edges(LINE)
    sent = [
        max((time, level) for time, _, level in data if time <= rise)[1] if data[0][0] <= rise else 0 for rise in rises
    ]
    assert sent == [0xA50F >> bit & 1 for bit in range(15, -1, -1)]
    assert bare.pi.bb_spi_close(SELECT) == 0
    assert [bare.pi.get_mode(gpio) for gpio in (SELECT, OTHER, LINE, CLOCK)] == [0, 0, 1, 0]


def test_what_spi_refuses(bare: Bare) -> None:
    with closing(bare.raw()) as raw:

        def opened(select: int, *figures: int) -> int:
            return raw.result(112, select, 0, struct.pack("<5I", *figures))

        assert opened(SELECT, OTHER, LINE, 30, 10_000, 0) == -41, "the one that asks for permission"
        assert opened(32, OTHER, LINE, CLOCK, 10_000, 0) == -41
        assert opened(SELECT, OTHER, LINE, CLOCK, 49, 0) == -141
        assert opened(SELECT, OTHER, OTHER, CLOCK, 10_000, 0) == -50
        assert [raw.result(113, SELECT, 0, b"a"), raw.result(111, SELECT)] == [-142, -142]
        assert opened(SELECT, OTHER, LINE, CLOCK, 10_000, 0) == 0
        assert opened(SELECT, OTHER, LINE, CLOCK, 10_000, 0) == -50
        assert opened(20, OTHER, LINE, CLOCK, 10_000, 0) == 0, "another select on the same lines"
        assert raw.result(113, SELECT) == -90


@pytest.mark.parametrize("pull", [pigpio.PUD_UP, pigpio.PUD_DOWN])
def test_i2c_with_nobody_there(bare: Bare, pull: int) -> None:
    """Nobody pulls the data line low to take the address, unless its own pull does."""
    bare.pi.set_pull_up_down(LINE, pull)
    bare.pi.set_pull_up_down(CLOCK, pigpio.PUD_UP)
    with closing(bare.raw()) as raw:
        assert raw.result(90, LINE, CLOCK, struct.pack("<I", 100_000)) == 0
        assert [bare.pi.get_mode(gpio) for gpio in (LINE, CLOCK)] == [0, 0]
        text = bytes((4, 0x53, 2, 7, 1, 0x32, 2, 6, 2, 3, 0))
        if pull == pigpio.PUD_UP:
            assert raw.result(91, LINE, 0, text) == -82
            assert len([edge for edge in bare.edges(CLOCK) if edge[2] == 0]) == 1 + 9
            assert raw.result(91, LINE, 0, bytes((4, 0x53, 3, 2, 6, 2, 3, 0))) == -83
        else:
            assert raw.data(91, LINE, 0, text) == bytes(2)
        assert [raw.result(91, LINE), raw.result(91, LINE, 0, b"\x09"), raw.result(91, OTHER, 0, text)] == [
            -90,
            -111,
            -108,
        ]
        assert [raw.result(89, LINE), raw.result(89, LINE)] == [0, -108]
        assert raw.result(90, LINE, LINE, struct.pack("<I", 100_000)) == -50
        assert raw.result(90, LINE, CLOCK, struct.pack("<I", 500_001)) == -112


def test_a_clock_that_is_held_low_is_waited_for(bare: Bare) -> None:
    bare.sim.control("input", gpio=CLOCK, level=0)
    bare.pi.set_pull_up_down(LINE, pigpio.PUD_UP)
    with closing(bare.raw()) as raw:
        assert raw.result(90, LINE, CLOCK, struct.pack("<I", 100_000)) == 0
        assert raw.result(91, LINE, 0, bytes((2, 3, 0))) == 0
        assert 100_000 < bare.pi.get_current_tick() < 200_000


def test_the_slave_takes_its_lines_whatever_the_mask_says() -> None:
    with Bare(options=("--mask", "0x4")) as bare:
        assert bare.pi.bsc_i2c(0x13) == (0b10010, 0, bytearray())
        assert [bare.pi.get_mode(gpio) for gpio in (18, 19, 20, 21)] == [pigpio.ALT3] * 2 + [0, 0]
        assert bare.pi.bsc_i2c(0x13, b"abc")[0] == 3 << 16 | 3 << 6 | 2
        assert bare.pi.bsc_i2c(0) == (0, 0, bytearray())
        assert [bare.pi.get_mode(gpio) for gpio in (18, 19)] == [0, 0]


def test_what_is_not_there(bare: Bare) -> None:
    with closing(bare.raw()) as raw:
        zero, one = bytes(4), struct.pack("<I", 1)
        assert [raw.result(54, 1, 0x53, zero), raw.result(54, 1, 0x80, zero), raw.result(54, 1, 0x53, one)] == [
            -74,
            -75,
            -77,
        ]
        handles = [*range(55, 71), *range(77, 83), 92, 105, 106, 107, 108]
        assert {raw.result(command, 0, 0, zero) for command in handles} == {-25}
        assert [raw.result(76, 9_600, 0, name) for name in (b"/dev/ttyAMA0", b"/etc/passwd")] == [-72, -79]
        assert [raw.result(76, 9_601, 0, b"/dev/tty"), raw.result(76, 9_600, 1, b"/dev/serial0")] == [-80, -77]
        assert [raw.result(104, mode, 0, b"/tmp/file") for mode in (0, 1, 4, 32)] == [-129, -137, -129, -129]
        assert raw.result(109, 100, 0, b"/tmp/*") == -137
        assert [raw.result(110, 4, 0, b"name\0x"), raw.result(110, 4, 0, b"na/e\0x")] == [127 << 8, -140]
        assert raw.result(87, 3, 9, b"\x05\x20") == 0x20
        assert raw.data(88, 0, 3, b"abcd") == b"cba"
        assert [raw.result(96, 0x123), raw.result(95)] == [0, 0x123]


def test_half_an_extension_is_completed_with_zeros(bare: Bare) -> None:
    with closing(bare.raw()) as raw:
        assert raw.result(71, 0, 50_000) == 0
        assert raw.result(29, LINE, 9_600, b"abc") == -37
