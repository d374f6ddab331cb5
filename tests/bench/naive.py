"""The same pulse train through what a builder would write first, and through waves: edges as the board saw them.

All four talk to a simulated daemon in real time, which notes at which microsecond a line changed. The waves are played
by the daemon's own (modelled) DMA; the other three write a line when their program gets to it. On a Raspberry Pi a
library that writes registers directly would save the way to the daemon (some 0.1 ms here), not the program's lateness,
which is most of what is seen. What the daemon's clock itself does is modelled, not measured.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pigpio
from gpiozero import DigitalOutputDevice
from gpiozero.pins.pigpio import PiGPIOFactory

from tests.bench.results import keep, machine, quantiles, spread
from tests.support.sim import Sim, disconnect

POS, NEG = 24, 27
WIDTH_US, GAP_US, PERIOD_US = 250, 100, 20_000
SECONDS: Final = 10
CHUNK_PULSES: Final = 5
AMPLITUDE_MA: Final = 20

Edges = list[tuple[int, int, int]]


def gpiozero_blink(sim: Sim) -> None:
    """Two devices that blink in the background, the second so much later."""
    factory = PiGPIOFactory("127.0.0.1", sim.port)
    thread = factory.connection._notify
    one, two = DigitalOutputDevice(POS, pin_factory=factory), DigitalOutputDevice(NEG, pin_factory=factory)
    on_s, off_s = WIDTH_US / 1e6, (PERIOD_US - WIDTH_US) / 1e6
    one.blink(on_s, off_s)
    time.sleep((WIDTH_US + GAP_US) / 1e6)
    two.blink(on_s, off_s)
    time.sleep(SECONDS)
    one.close()
    two.close()
    factory.close()
    thread.join()


def sleep_loop(sim: Sim) -> None:
    """A loop that writes and sleeps."""
    pi = pigpio.pi("127.0.0.1", sim.port)
    for _ in range(SECONDS * 1_000_000 // PERIOD_US):
        for gpio, rest_us in ((POS, GAP_US), (NEG, PERIOD_US - GAP_US - 2 * WIDTH_US)):
            pi.write(gpio, 1)
            time.sleep(WIDTH_US / 1e6)
            pi.write(gpio, 0)
            time.sleep(rest_us / 1e6)
    disconnect(pi)


def asyncio_timers(sim: Sim) -> None:
    """Each edge a timer of an event loop, at its own absolute time."""
    pi = pigpio.pi("127.0.0.1", sim.port)

    async def play() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time() + 0.05
        for number in range(SECONDS * 1_000_000 // PERIOD_US):
            at = number * PERIOD_US
            for gpio, level, us in (
                (POS, 1, at),
                (POS, 0, at + WIDTH_US),
                (NEG, 1, at + WIDTH_US + GAP_US),
                (NEG, 0, at + 2 * WIDTH_US + GAP_US),
            ):
                loop.call_at(start + us / 1e6, pi.write, gpio, level)
        await asyncio.sleep(SECONDS + 0.2)

    asyncio.run(play())
    disconnect(pi)


def waves(sim: Sim) -> None:
    """Chunks of 100 ms, each joined to the one that plays."""
    pi = pigpio.pi("127.0.0.1", sim.port)
    rest_us = PERIOD_US - GAP_US - 2 * WIDTH_US
    pulse = [
        pigpio.pulse(1 << POS, 0, WIDTH_US),
        pigpio.pulse(0, 1 << POS, GAP_US),
        pigpio.pulse(1 << NEG, 0, WIDTH_US),
        pigpio.pulse(0, 1 << NEG, rest_us),
    ]
    live: list[int] = []
    due = time.monotonic()
    for number in range(SECONDS * 1_000_000 // (PERIOD_US * CHUNK_PULSES)):
        if len(live) == 3:
            pi.wave_delete(live.pop(0))
        pi.wave_clear() if not live else pi.wave_add_new()
        pi.wave_add_generic(pulse * CHUNK_PULSES)
        wave = pi.wave_create_and_pad(30)
        pi.wave_send_using_mode(wave, pigpio.WAVE_MODE_ONE_SHOT_SYNC if number else pigpio.WAVE_MODE_ONE_SHOT)
        live.append(wave)
        due += PERIOD_US * CHUNK_PULSES / 1e6
        time.sleep(max(0.0, due - time.monotonic() - 0.05))
    time.sleep(0.2)
    pi.wave_tx_stop()
    disconnect(pi)


WAYS: Final[dict[str, Callable[[Sim], None]]] = {
    "gpiozero blink": gpiozero_blink,
    "time.sleep loop": sleep_loop,
    "asyncio timers": asyncio_timers,
    "waves (ours)": waves,
}


def edges(sim: Sim, folder: Path) -> Edges:
    out = folder / "edges.csv"
    sim.control("edges", path=str(out), since=None, gpios=[POS, NEG])
    return [tuple(map(int, row.split(","))) for row in out.read_text().splitlines()[1:]]  # type: ignore[misc]


def widths(found: Edges, gpio: int) -> list[tuple[int, int]]:
    """Start and length of every time a line was high."""
    pulses, since = [], None
    for at, line, level in found:
        if line != gpio:
            continue
        if level:
            since = at
        elif since is not None:
            pulses.append((since, at - since))
            since = None
    return pulses


def errors(found: Edges) -> dict[str, list[float]]:
    """Of the train as it came: errors of phase widths and intervals in us, and what each pulse leaves, in nC."""
    first, second = widths(found, POS), widths(found, NEG)
    intervals = [after[0] - before[0] for before, after in pairwise(first)]
    pairs = zip(first, second, strict=False)
    return {
        "width": [abs(us - WIDTH_US) for _, us in (*first, *second)],
        "interval": [abs(us - PERIOD_US) for us in intervals],
        "left": [abs(one[1] - two[1]) * AMPLITUDE_MA for one, two in pairs],
        "overlaps": [float(one[0] + one[1] > two[0]) for one, two in zip(first, second, strict=False)],
    }


def measure() -> None:
    """All four, one after another, against one simulated board."""
    on = machine()
    figures: dict[str, str] = {}
    series: dict[str, Any] = {}
    for name, play in WAYS.items():
        with Sim.start("--bare", realtime=True) as sim, tempfile.TemporaryDirectory() as folder:
            pi = pigpio.pi("127.0.0.1", sim.port)
            for gpio in (POS, NEG):
                pi.set_mode(gpio, pigpio.OUTPUT)
            disconnect(pi)
            play(sim)
            told = errors(edges(sim, Path(folder)))
        figures[f"{name}: phase width off by"] = spread(told["width"], "us")
        figures[f"{name}: start to start off by"] = spread(told["interval"], "us")
        figures[f"{name}: charge left by a pulse at {AMPLITUDE_MA} mA"] = spread(told["left"], "nC")
        figures[f"{name}: both directions at once"] = f"{sum(told['overlaps']):.0f} of {len(told['overlaps'])} pulses"
        series[name] = quantiles(told["width"])
    keep("naive", figures, machine=on, unit="phase width off by, us", title="Phase width against 250 us", series=series)


if __name__ == "__main__":
    measure()
