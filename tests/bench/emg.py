"""Muscle activity in time: processor a second of signal, in plain Python and with numpy; and from the last sample of a
block to a client of the stream, on the real server.

python -m tests.bench.emg [--write]      with --write into docs/training.md
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from api.roles import Role
from controller.emg.filters import Cascade, Section, band, notches
from controller.emg.reader import Reader
from controller.emg.stream import ENVELOPE_STEPS, STEP_MS, Stream
from hw.emg import BLOCK, NV_PER_CODE, RATE_HZ, Block, Recorded, Recording
from hw.mock.emg import EmgModel, Person
from tests.bench.nbody import PUBLISHED_STEPS, published_s
from tests.support.api import Api
from tests.support.sections import put, table
from tests.support.served import client, serving

PAGE = Path(__file__).parent.parent.parent / "docs" / "training.md"
SIGNAL_S = 20
LISTEN_S = 10
BOUND_MS = 150.0
PI_4_S = 158.3
"""n-body in Python on a Pi 4 at 1.5 GHz, by chaitanyamehta.github.io, Performance Analysis of Languages on Raspberry Pi
(read; one measurement, and its program is not shown)."""
ZERO_AFTER_PI_4 = 1.5 * 2
"""The clock of a Zero 2 W is 1.0 GHz; what its Cortex-A53 does in a clock is taken to be half of a Cortex-A72's."""


class Matrices:
    """The same sections by numpy: for a block, the outputs are one matrix times inputs and memory (state space)."""

    def __init__(self, sections: Sequence[Section], length: int) -> None:
        self._parts = [self._of(section, length) for section in sections]
        self._memory = [np.zeros(2) for _ in sections]

    @staticmethod
    def _of(section: Section, length: int) -> tuple[np.ndarray, np.ndarray]:
        b0, b1, b2, a1, a2 = section
        columns = []
        for unit in range(length + 2):
            z1, z2 = (unit == length) * 1.0, (unit == length + 1) * 1.0
            out = []
            for n in range(length):
                x = float(n == unit)
                y = b0 * x + z1
                z1, z2 = b1 * x - a1 * y + z2, b2 * x - a2 * y
                out.append(y)
            columns.append([*out, z1, z2])
        whole = np.array(columns).T
        return whole[:length], whole[length:]

    def feed(self, samples: Sequence[float]) -> np.ndarray:
        out = np.asarray(samples, float)
        for number, (outputs, memory) in enumerate(self._parts):
            both = np.concatenate([out, self._memory[number]])
            out, self._memory[number] = outputs @ both, memory @ both
        return out


def milliseconds(work: Callable[[Sequence[int]], object], codes: Sequence[int], length: int) -> float:
    """Processor time a second of signal, the least of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        for at in range(0, len(codes), length):
            work(codes[at : at + length])
        best = min(best, time.process_time() - began)
    return best * 1000 / (len(codes) / RATE_HZ)


def processor() -> dict[str, str]:
    codes = EmgModel(Person(), 1, lambda at_s: float(at_s % 4 < 2)).samples(SIGNAL_S * RATE_HZ)
    sections = [*band(RATE_HZ), *notches(RATE_HZ)]
    blocks, whole = Matrices(sections, BLOCK), Stream(RATE_HZ, NV_PER_CODE)
    even = codes[: len(codes) // BLOCK * BLOCK]
    unit = "ms a second of signal"
    plain_ms, numpy_ms, whole_ms = (
        milliseconds(work, even, BLOCK) for work in (Cascade(sections).feed, blocks.feed, whole.feed)
    )
    here_s = published_s()
    slower = PI_4_S / here_s * ZERO_AFTER_PI_4
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        f"{len(sections)} sections, plain Python": f"{plain_ms:.2f} {unit}",
        f"the same with numpy, blocks of {BLOCK}": f"{numpy_ms:.2f} {unit}",
        "the whole path: filters, envelopes, what is wrong with the signal": f"{whole_ms:.2f} {unit}",
        f"n-body, {PUBLISHED_STEPS // 10**6} million steps, in Python": f"{here_s:.1f} s (a Pi 4: {PI_4_S} s)",
        "the whole path on a Zero 2 W, estimated": f"{whole_ms * slower:.0f} {unit} ({slower:.0f} times slower)",
    }


class Timed(Recorded):
    """Notes when each block's last sample was taken."""

    taken: dict[int, float]

    def read(self) -> Block:
        block = super().read()
        self.taken[block.first + len(block.codes)] = time.monotonic()
        return block


def latency() -> dict[str, str]:
    codes = EmgModel(Person(), 1, lambda _: 0.5).samples((LISTEN_S + 5) * RATE_HZ)
    taken: dict[int, float] = {}

    def open_source() -> Timed:
        source = Timed(Recording(RATE_HZ, NV_PER_CODE, tuple(codes)))
        source.taken = taken
        return source

    with tempfile.TemporaryDirectory() as folder:
        api = Api(Path(folder))
        api.room.reader = Reader(open_source, lambda: "idle")
        device, secret, row = api.service.devices.pair("bench", Role.VIEWER)
        row.result()
        api.service.devices.enter(device)
        late: list[float] = []
        with (
            serving(api, Path(folder)) as port,
            client(port, secret) as phone,
            phone.stream("GET", "emg/live") as stream,
        ):
            began = time.monotonic()
            for line in stream.iter_lines():
                now = time.monotonic()
                if line.startswith('data: {"samples"'):
                    late.append((now - taken[json.loads(line[6:])["samples"]]) * 1000)
                if now - began > LISTEN_S:
                    break
        api.close()
    late.sort()
    middle, p99 = late[len(late) // 2], late[round(0.99 * (len(late) - 1))]
    worst = BLOCK / RATE_HZ * 1000 + late[-1]
    bound = f"{'under' if worst < BOUND_MS else 'NOT under'} {BOUND_MS:.0f} ms"
    return {
        "blocks a second": f"{len(late) / LISTEN_S:.1f}",
        "from a block's last sample to a client": f"median {middle:.1f}, p99 {p99:.1f}, worst {late[-1]:.1f} ms",
        "from any sample, with the wait for its block, at worst": f"{worst:.0f} ms ({bound})",
        "beside it, the middle of the envelope is behind by": f"{ENVELOPE_STEPS * STEP_MS / 2:.0f} ms",
    }


def main() -> None:
    said = table(processor() | latency())
    print(said)
    if "--write" in sys.argv:
        put(PAGE, "tests.bench.emg", said)


if __name__ == "__main__":
    main()
