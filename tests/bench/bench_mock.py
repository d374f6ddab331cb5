"""Measures the simulated board: ``python -m tests.bench.bench_mock``.

Prints a command's round trip, add + create + send of chunks (of few and of many different contents), clock steps, and
how long an edges file takes, each with the processor time that the simulation itself spent.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pigpio

from tests.support.sim import Sim, disconnect

A_POS, A_NEG, SDI, SCK, CS_N = (1 << gpio for gpio in (24, 27, 20, 17, 16))
CHUNKS = 3_000
CHUNK_US = 100_000


def frame(word: int) -> list[tuple[int, int, int]]:
    """A DAC frame as pulses: 33 us and 20 to settle."""
    pulses = [(0, CS_N, 1)]
    for bit in range(15, -1, -1):
        data = (SDI, 0) if word >> bit & 1 else (0, SDI)
        pulses += [(data[0], data[1] | SCK, 1), (SCK, 0, 1)]
    return [*pulses, (CS_N, SCK | SDI, 20)]


def chunk(code: int) -> bytes:
    """100 ms at 50 Hz: five pulses, a frame before each and two at both ends, packed as the client does."""
    pulses = [(CS_N, A_POS | A_NEG | SDI | SCK, 20), *frame(0x7000), *frame(0xF000)]
    for number in range(5):
        pulses += [*frame(0x7000 | (code + number) & 0xFFF), (A_POS, 0, 250), (0, A_POS, 100), (A_NEG, 0, 250)]
        pulses += [(0, A_NEG, 19_000)]
    pulses += [*frame(0x7000), *frame(0xF000)]
    rest = CHUNK_US - sum(delay for _, _, delay in pulses)
    pulses.append((0, 0, rest))
    return b"".join(
        on.to_bytes(4, "little") + off.to_bytes(4, "little") + us.to_bytes(4, "little") for on, off, us in pulses
    )


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def measured(title: str, sim: Sim, count: int) -> Iterator[None]:
    """Prints wall and processor time for each of ``count`` things."""
    wall, cpu = time.perf_counter(), cpu_s(sim.process.pid)
    yield
    wall, cpu = time.perf_counter() - wall, cpu_s(sim.process.pid) - cpu
    print(f"{title}: {wall:.2f} s wall, {cpu:.2f} s of the simulation's processor time")
    print(f"    each {wall / count * 1e6:.1f} us wall, {cpu / count * 1e6:.1f} us of the simulation's")


def round_trips(pi: pigpio.pi, sim: Sim, name: str, call: Callable[[], object], count: int = 20_000) -> None:
    times = []
    with measured(name, sim, count):
        for _ in range(count):
            start = time.perf_counter_ns()
            call()
            times.append(time.perf_counter_ns() - start)
    times.sort()
    print(f"    median {statistics.median(times) / 1000:.1f} us, p99 {times[int(0.99 * len(times))] / 1000:.1f} us")


def session(pi: pigpio.pi, sim: Sim, contents: list[bytes]) -> None:
    """Plays chunks as the guard does: add, check, create, join, delete the last but one; and looks every 20 ms."""
    clock = sim.participant("bench")
    sent: list[int] = []
    for content in contents:
        pi_add(pi, content)
        pi.wave_get_pulses()
        pi.wave_get_micros()
        wave = pi.wave_create_and_pad(30)
        pi.wave_send_using_mode(wave, pigpio.WAVE_MODE_ONE_SHOT_SYNC if sent else pigpio.WAVE_MODE_ONE_SHOT)
        sent.append(wave)
        for step in range(5):
            clock.sleep(20_000)
            pi.read_bank_1()
            pi.wave_tx_at()
            pi.write(23, step & 1)
            if step % 2:
                pi.spi_xfer(0, bytes((6, 0, 0)))
        if len(sent) > 1:
            pi.wave_delete(sent.pop(0))
    pi.wave_delete(sent.pop())
    clock.close()


def pi_add(pi: pigpio.pi, content: bytes) -> None:
    """wave_add_generic without building pulse objects first."""
    pigpio._u2i(pigpio._pigpio_command_ext(pi.sl, pigpio._PI_CMD_WVAG, 0, 0, len(content), [content]))


def main() -> None:
    with Sim.start() as sim:
        pi = pigpio.pi("127.0.0.1", sim.port)
        for gpio in (14, 16, 17, 20, 22, 23, 24, 25, 26, 27):
            pi.set_mode(gpio, pigpio.OUTPUT)
        pi.write(16, 1)
        pi.write(25, 1)
        pi.spi_open(0, 500_000, 0)
        round_trips(pi, sim, "tick", pi.get_current_tick)
        round_trips(pi, sim, "bank", pi.read_bank_1)
        with measured(f"{CHUNKS} chunks, 10 contents", sim, CHUNKS):
            session(pi, sim, [chunk(7 * (number % 10)) for number in range(CHUNKS)])
        with measured(f"{CHUNKS} chunks, all different", sim, CHUNKS):
            session(pi, sim, [chunk(number) for number in range(CHUNKS)])
        with measured("the same with callbacks on the phase lines", sim, CHUNKS):
            watch = [pi.callback(gpio, pigpio.EITHER_EDGE) for gpio in (22, 24, 26, 27)]
            session(pi, sim, [chunk(number) for number in range(CHUNKS)])
            print("    edges seen:", sum(callback.tally() for callback in watch))
        wall = time.perf_counter()
        path = sim.folder / "edges.csv"
        rows = sim.control("edges", path=str(path))["rows"]
        print(f"edges file: {rows} rows in {time.perf_counter() - wall:.2f} s")
        disconnect(pi)


if __name__ == "__main__":
    main()
