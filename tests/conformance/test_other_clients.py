"""Debian's command ``pigs`` and its C client library do the same as the Python client, with the same answers."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pigpio
import pytest

from tests.support.sim import Sim, disconnect

LINE, OTHER = 24, 27
LIBRARY = "libpigpiod_if2.so.1"


def has_library() -> bool:
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


@pytest.fixture(name="sim")
def _sim() -> Iterator[Sim]:
    with Sim.start("--bare", realtime=True) as sim:
        yield sim


@pytest.fixture(name="pi")
def _pi(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> Iterator[pigpio.pi]:
    monkeypatch.setattr(pigpio, "exceptions", False)
    pi = pigpio.pi("127.0.0.1", sim.port)
    yield pi
    disconnect(pi)


def python_answers(pi: pigpio.pi) -> list[int]:
    """What client.c does, through the Python client."""
    answers = [
        pi.get_pigpio_version(),
        pi.get_hardware_revision(),
        pi.set_mode(LINE, 1),
        pi.get_mode(LINE),
        pi.write(LINE, 1),
        pi.read(LINE),
        pi.write(LINE, 0),
        pi.write(28, 1),
        pi.write(54, 1),
        pi.write(LINE, 2),
        pi.set_mode(LINE, 8),
        pi.set_pull_up_down(25, 2),
        pi.read(25),
        pi.set_PWM_frequency(LINE, 1_000),
        pi.set_PWM_dutycycle(LINE, 51),
        pi.get_PWM_dutycycle(LINE),
        pi.get_PWM_real_range(LINE),
        pi.set_PWM_dutycycle(LINE, 0),
        pi.set_servo_pulsewidth(LINE, 1_500),
        pi.get_servo_pulsewidth(LINE),
        pi.write(LINE, 0),
        pi.get_PWM_dutycycle(LINE),
        pi.gpio_trigger(LINE, 50, 1),
        pi.set_watchdog(LINE, 60_001),
        pi.set_glitch_filter(LINE, 100),
        pi.set_glitch_filter(LINE, 0),
        pi.set_noise_filter(LINE, 300_001, 5),
        pi.wave_clear(),
        pi.wave_add_generic([pigpio.pulse(1 << LINE, 0, 1_000), pigpio.pulse(0, 1 << LINE, 2_000)]),
        pi.wave_get_micros(),
        pi.wave_create(),
        pi.wave_send_once(7),
        pi.wave_tx_at(),
        pi.wave_chain([255, 0, 0, 255, 1, 3, 0]),
    ]
    until(lambda: not pi.wave_tx_busy())
    answers += [pi.wave_delete(0), pi.wave_delete(0)]
    script = pi.store_script(b"lda p0 mlt 2 sta p1 w 27 1 mils 5 w 27 0")
    until(lambda: pi.script_status(script)[0] != pigpio.PI_SCRIPT_INITING)
    answers += [script, pi.run_script(script, [21])]
    until(lambda: pi.script_status(script)[0] == 1)
    answers += [pi.script_status(script)[1][1], pi.delete_script(script), pi.store_script(b"nonsense")]
    spi = pi.spi_open(0, 50_000)
    answers += [spi, pi.spi_xfer(spi, [1, 0x80, 0])[0], pi.spi_close(spi), pi.spi_close(spi)]
    answers += [pi.i2c_open(1, 0x53), pi.serial_open("/dev/ttyAMA0", 9_600)]
    callback = pi.callback(OTHER, pigpio.EITHER_EDGE)
    for level in (1, 0) * 5:
        pi.write(OTHER, level)
        time.sleep(0.01)
    until(lambda: callback.tally() == 10)
    callback.cancel()
    return [*answers, 10]


def built(folder: Path) -> Path:
    """client.c as a program, linked with Debian's library."""
    program, source = folder / "client", Path(__file__).with_name("client.c")
    options = ["-Wall", "-Wextra", "-Werror", "-o", str(program), str(source), f"-l:{LIBRARY}"]
    subprocess.run(["gcc", *options], check=True, timeout=60)
    return program


def until(done: Callable[[], bool]) -> None:
    """Waits for something that comes by itself."""
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.001)


CHAIN = [0, 1_000, 3_000, 4_000, 6_000, 7_000]
"""Edges of the chain: three times 1 ms high and 2 ms low."""


def chains(edges: list[tuple[int, int, int]]) -> int:
    """How often the chain was played, to the microsecond."""
    times = [at for at, gpio, _ in edges if gpio == LINE]
    windows = [times[first : first + len(CHAIN)] for first in range(len(times))]
    return sum([at - window[0] for at in window] == CHAIN for window in windows)


def script_pulses(edges: list[tuple[int, int, int]]) -> int:
    """How often the script held its line high for exactly 5 ms; all other pulses there are longer."""
    times = [at for at, gpio, _ in edges if gpio == OTHER]
    return sum(fall - rise == 5_000 for rise, fall in zip(times[::2], times[1::2], strict=True))


@pytest.mark.needs("gcc", apt="gcc libc6-dev")
@pytest.mark.needs("libpigpiod_if2", apt="libpigpiod-if2-1", available=has_library)
def test_the_c_client_does_the_same_with_the_same_answers(sim: Sim, pi: pigpio.pi, tmp_path: Path) -> None:
    program = built(tmp_path)
    expected = python_answers(pi)
    ran = subprocess.run([program, "127.0.0.1", str(sim.port)], capture_output=True, text=True, timeout=60, check=True)
    assert [int(line) for line in ran.stdout.split()] == expected
    assert -88 not in expected, "all of it is there"
    edges = sim.edges(gpios=[LINE, OTHER])
    assert (chains(edges), script_pulses(edges)) == (2, 2), "once by each client"


PIGS = [
    ("pigpv", "79"),
    ("hwver", str(0xA02082)),
    ("br1", "000001FF"),
    ("br2", "003FC01C"),
    ("m 24 w", ""),
    ("mg 24", "1"),
    ("w 24 1", ""),
    ("r 24", "1"),
    ("bc1 0x1000000", ""),
    ("r 24", "0"),
    ("bs1 0x40000000", "-42"),
    ("w 28 1", "-41"),
    ("pud 25 u", ""),
    ("r 25", "1"),
    ("pfs 24 800", "800"),
    ("prs 24 1000", "250"),
    ("p 24 500", ""),
    ("gdc 24", "500"),
    ("p 24 0", ""),
    ("s 24 1500", ""),
    ("gpw 24", "1500"),
    ("s 24 0", ""),
    ("hp 18 1000 250000", ""),
    ("gdc 18", "250000"),
    ("hp 24 1000 250000", "-95"),
    ("m 18 r", ""),
    ("mics 1000", ""),
    ("mils 10", ""),
    ("wvclr", ""),
    ("wvag 0x1000000 0 1000 0 0x1000000 2000", "2"),
    ("wvcre", "0"),
    ("wvtx 0", "5"),
    ("wvtx 1", "-66"),
    ("wvhlt", ""),
    ("wvbsy", "0"),
    ("wvsm 0", "3000"),
    ("wvsp 2", "12000"),
    ("wvsc 2", "25016"),
    ("wvdel 0", ""),
    ("wvas 24 4800 8 2 0 0x6d 0x79", "15"),
    ("slro 24 4800 8", ""),
    ("slr 24 10", "0"),
    ("slrc 24", ""),
    ("proc ld p1 p0 ld p0 1234 tag 999 mils 1000 jmp 999", "0"),
    ("mils 5", ""),  # it takes 1 ms until a script that was stored may be run
    ("procr 0 9876", ""),
    ("procp 0", "2 1234 9876 0 0 0 0 0 0 0 0"),
    ("procu 0 1 2 3", ""),
    ("procp 0", "2 1 2 3 0 0 0 0 0 0 0"),
    ("procs 0", ""),
    ("procd 0", ""),
    ("procp 0", "-48"),
    ("proc jmp 5", "-63"),
    ("parse tag 1 jmp 1", ""),
    ("fg 24 100", ""),
    ("fn 24 100 1000001", "-125"),
    ("wdog 24 0", ""),
    ("trig 24 101 1", "-46"),
    ("evt 3", ""),
    ("evt 32", "-143"),
    ("no", "0"),
    ("nb 0 0x1000000", ""),
    ("np 0", ""),
    ("nc 0", ""),
    ("nc 0", "-25"),
    ("spio 0 50000 0", "0"),
    ("spix 0 1 2 3", "3 0 0 0"),
    ("spic 0", ""),
    ("i2co 1 0x53 0", "-74"),
    ("i2cc 0", "-25"),
    ("sero /dev/ttyAMA0 9600 0", "-72"),
    ("fo /tmp/x 1", "-137"),
    ("cf1 3 9", "9"),
    ("cf2 0 4 1 2 3", "3 3 2 1"),
    ("pads 0 16", ""),
    ("padg 0", "16"),
    ("csi 0", ""),
    ("cgi", "0"),
    ("shell nothing", str(127 << 8)),
]


@pytest.mark.needs("pigs", apt="pigpio-tools")
def test_pigs(sim: Sim) -> None:
    """Each command is a connection of its own, as typed by a person; what one made is there for the next."""
    environment = {**os.environ, "PIGPIO_ADDR": "127.0.0.1", "PIGPIO_PORT": str(sim.port)}
    answers = []
    for words, _ in PIGS:
        ran = subprocess.run(["pigs", *words.split()], env=environment, capture_output=True, text=True, timeout=60)
        answers.append((words, ran.stdout.strip()))
    assert answers == PIGS


@pytest.mark.needs("pigs", apt="pigpio-tools")
def test_pigs_in_one_line(sim: Sim) -> None:
    """A delay between two writes, all from the command line: 10 ms at least by the simulated clock."""
    environment = {**os.environ, "PIGPIO_ADDR": "127.0.0.1", "PIGPIO_PORT": str(sim.port)}
    line = "m 24 w w 24 1 mils 10 w 24 0 trig 24 40 1"
    subprocess.run(["pigs", *line.split()], env=environment, check=True, timeout=60)
    (rise, *_), (fall, *_), (on, *_), (off, *_) = [edge for edge in sim.edges(gpios=[24]) if edge[0]]
    assert fall - rise >= 10_000
    assert off - on == 40
