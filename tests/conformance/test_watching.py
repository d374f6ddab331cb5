"""Watchdogs, noise and glitch filters, and notifications through a pipe."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pigpio
import pytest

from tests.support.bare import START, Bare, Raw
from tests.support.sim import Sim

LINE, OTHER = 24, 27
WATCHDOG = 32
Report = tuple[int, int, int]


@pytest.fixture(name="bare")
def _bare() -> Iterator[Bare]:
    with Bare(LINE, OTHER) as bare:
        yield bare


class Listener:
    """A connection whose reports are read when asked for, as (flags, time since START, level of a line)."""

    def __init__(self, bare: Bare, *gpios: int) -> None:
        self.raw = bare.raw()
        self.handle = self.raw.result(99)
        assert self.raw.result(19, self.handle, sum(1 << gpio for gpio in gpios)) == 0

    def reports(self, gpio: int = LINE) -> list[Report]:
        """All so far: an unknown command is answered after them."""
        self.raw.send(999)
        data = b""
        while not data.endswith(struct.pack("<3Ii", 999, 0, 0, -88)):
            data += self.raw.sock.recv(65_536)
        found = struct.iter_unpack("<HHII", data[:-16])
        return [(flags, tick - START, level >> gpio & 1) for _, flags, tick, level in found]

    def changes(self, gpio: int = LINE) -> list[tuple[int, int]]:
        return [(time, level) for flags, time, level in self.reports(gpio) if not flags]

    def close(self) -> None:
        self.raw.close()


def play(bare: Bare, *pulses: tuple[int, int, int]) -> None:
    bare.pi.wave_add_generic([pigpio.pulse(*pulse) for pulse in pulses])
    bare.pi.wave_send_once(bare.pi.wave_create())


def test_a_watchdog_reports_a_quiet_line_again_and_again(bare: Bare) -> None:
    """The alert thread sees it a millisecond late, and the time begins anew from there."""
    with closing(Listener(bare, LINE)) as listener, closing(Listener(bare, OTHER)) as other:
        assert bare.pi.set_watchdog(LINE, 50) == 0
        bare.sleep(160_000)
        assert listener.reports() == [(WATCHDOG | LINE, 51_000 * turn, 0) for turn in (1, 2, 3)]
        assert bare.pi.set_watchdog(LINE, 0) == 0
        bare.sleep(160_000)
        assert listener.reports() == []
        assert other.reports() == []


def test_a_change_puts_a_watchdog_off(bare: Bare) -> None:
    with closing(Listener(bare, LINE)) as listener:
        bare.pi.set_watchdog(LINE, 50)
        bare.sleep(40_000)
        bare.pi.write(LINE, 1)
        bare.sleep(60_000)
        assert listener.reports() == [(0, 40_000, 1), (WATCHDOG | LINE, 91_000, 1)]
        play(bare, *[(0, 1 << LINE, 20_000), (1 << LINE, 0, 20_000)] * 5)
        bare.sleep(200_000)
        assert [report for report in listener.reports() if report[0]] == []


def test_a_watchdog_takes_its_line_for_low_until_it_has_seen_it(bare: Bare) -> None:
    """Whatever was reported before it was set: the first fall puts off nothing, the next one does."""
    with closing(Listener(bare, LINE)) as listener:
        bare.pi.write(LINE, 1)
        bare.sleep(10_000)
        bare.pi.set_watchdog(LINE, 50)
        bare.sleep(40_000)
        bare.pi.write(LINE, 0)
        bare.sleep(30_000)
        bare.pi.write(LINE, 1)
        bare.sleep(10_000)
        bare.pi.write(LINE, 0)
        bare.sleep(60_000)
        watchdog = [(time, level) for flags, time, level in listener.reports() if flags]
        assert watchdog == [(61_000, 0), (141_000, 0)]


def test_a_watchdog_counts_by_the_callbacks_of_the_real_client(bare: Bare) -> None:
    seen: list[int] = []
    complete = threading.Event()

    def told(gpio: int, level: int, tick: int) -> None:
        seen.append(level)
        if len(seen) == 39:
            complete.set()

    callback = bare.pi.callback(LINE, pigpio.FALLING_EDGE, told)
    bare.pi.set_watchdog(LINE, 50)
    bare.sleep(2_000_000)
    bare.pi.set_watchdog(LINE, 0)
    assert complete.wait(60), "the client's thread takes its own time"
    callback.cancel()
    assert seen == [pigpio.TIMEOUT] * 39


def test_a_noise_filter_shows_a_line_only_after_quiet(bare: Bare) -> None:
    with closing(Listener(bare, LINE)) as listener:
        bare.pi.set_noise_filter(LINE, 1_000, 500)
        busy = [(1 << LINE, 0, 100), (0, 1 << LINE, 100)]
        play(bare, (0, 0, 600), *busy * 3, (0, 0, 1_500), *busy * 4)
        bare.sleep(100_000)
        # 600 us after the filter was set is too soon; after 1 600 us of quiet it is shown, for 500 us.
        assert listener.changes() == [(2_700, 1), (2_800, 0), (2_900, 1), (3_000, 0), (3_100, 1), (3_200, 0)]


def test_a_noise_filter_ends_a_level_that_is_not_the_old_one(bare: Bare) -> None:
    with closing(Listener(bare, LINE)) as listener:
        bare.pi.set_noise_filter(LINE, 1_000, 500)
        bare.sleep(5_000)
        bare.pi.write(LINE, 1)
        bare.sleep(5_000)
        assert listener.changes() == [(5_000, 1), (5_500, 0)], "still high, and no longer shown so"
        bare.pi.set_noise_filter(LINE, 0, 0)
        bare.sleep(5_000)
        bare.pi.write(LINE, 0)
        bare.sleep(5_000)
        assert [time for time, level in listener.changes() if not level] == [15_000]


def test_a_filter_is_asked_when_changes_are_reported(bare: Bare) -> None:
    """So one that is set just after a change still takes it away."""
    with closing(Listener(bare, LINE)) as listener:
        bare.pi.write(LINE, 1)
        bare.pi.set_glitch_filter(LINE, 300)
        bare.pi.write(LINE, 0)
        bare.sleep(5_000)
        assert listener.changes() == []


@pytest.mark.parametrize(("steady", "edges"), [(0, 12), (80, 8), (120, 4), (140, 0)])
def test_glitch_filters_let_through_what_lasts(bare: Bare, steady: int, edges: int) -> None:
    """Twice the pulses of upstream's own test: 50, 70, 130, 150, 90 and 110 us."""
    bare.pi.set_glitch_filter(LINE, steady)
    with closing(Listener(bare, LINE)) as listener:
        on, off = 1 << LINE, 1 << LINE
        pulses = [(on, 0, 50), (0, off, 70), (on, 0, 130), (0, off, 150), (on, 0, 90), (0, off, 110)]
        play(bare, *pulses * 2, (0, 0, 1_000))
        bare.sleep(100_000)
        assert len(listener.changes()) == edges


def test_what_is_refused(bare: Bare) -> None:
    with closing(bare.raw()) as raw:
        assert [raw.result(9, 32, 10), raw.result(9, LINE, 60_001)] == [-2, -15]
        word = struct.pack("<I", 1_000_001)
        assert [raw.result(98, 32, 0, bytes(4)), raw.result(98, LINE, 300_001, bytes(4))] == [-2, -125]
        assert [raw.result(98, LINE, 5, word), raw.result(97, 32), raw.result(97, LINE, 300_001)] == [-125, -2, -125]


def test_a_pipe_gets_notifications(tmp_path: Path) -> None:
    with Bare(LINE, options=("--pipes", str(tmp_path))) as bare:
        handle = bare.pi.notify_open()
        pipe = tmp_path / f"pigpio{handle}"
        assert pipe.is_fifo()
        bare.pi.notify_begin(handle, 1 << LINE)
        play(bare, (1 << LINE, 0, 100), (0, 1 << LINE, 100))
        bare.sleep(10_000)
        fd = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        reports = list(struct.iter_unpack("<HHII", os.read(fd, 4_096)))
        os.close(fd)
        assert [(tick - START, level >> LINE & 1) for _, _, tick, level in reports] == [(0, 1), (100, 0)]
        assert bare.pi.notify_close(handle) == 0
        assert not pipe.exists()
        again = bare.pi.notify_open()
        assert again == handle
    assert not pipe.exists(), "gone with the daemon"


def test_a_pipe_that_cannot_be_made(tmp_path: Path) -> None:
    with Sim.start("--bare", "--pipes", str(tmp_path / "nowhere")) as sim, closing(Raw(sim.port)) as raw:
        assert raw.result(18) == -23


def test_a_pipe_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    with Bare(LINE, options=("--pipes", str(tmp_path))) as bare:
        bare.pi.notify_begin(bare.pi.notify_open(), 1 << LINE)
        bare.pi.set_PWM_frequency(LINE, 8_000)
        bare.pi.set_PWM_dutycycle(LINE, 128)
        bare.sleep(1_000_000)
        assert bare.pi.get_PWM_dutycycle(LINE) == 128
