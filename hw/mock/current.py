"""The physical output: current through and voltage across each electrode over time, as a file and as figures.

The file has a row for each point, in order of time: ``time_us,channel,current_ua,voltage_mv``. Between two rows of a
channel both figures change evenly; two rows at one time are a step. Times may have decimals. Positive current is that
of the phase X_POS. Exponentials are cut so finely that a straight line between two points is within 1 % of them.

A file whose name ends in ``.f64`` is for a program that reads it at once on the same machine: a line of JSON (how many
points each channel has), and then the points themselves (``Point``), channel after channel, as doubles.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from hw.mock.channel import Point

HEADER: Final = "time_us,channel,current_ua,voltage_mv\n"
DOUBLES: Final = ".f64"
"""Suffix of a file of doubles."""


@dataclass(frozen=True)
class Figures:
    """What a stretch of time came to at one electrode.

    Charge in uC, forward (X_POS) and back, both from 0, and net; r.m.s. and largest current in mA; largest voltage in
    V; energy in mJ; duration in us.
    """

    forward_uc: float
    back_uc: float
    net_uc: float
    rms_ma: float
    peak_ma: float
    peak_v: float
    energy_mj: float
    duration_us: float

    def as_dict(self) -> dict[str, float]:
        """By name, for a message."""
        return asdict(self)


def measure(points: Sequence[Point]) -> Figures:
    """The figures of points that follow each other."""
    forward = back = square = energy = 0.0
    for (start, ma, volt), (stop, next_ma, next_volt) in itertools.pairwise(points):
        us = stop - start
        if us <= 0 or not (ma or next_ma):
            continue
        charge = (ma + next_ma) / 2 * us
        forward, back = forward + max(charge, 0.0), back - min(charge, 0.0)
        square += (ma * ma + ma * next_ma + next_ma * next_ma) / 3 * us
        energy += (2 * ma * volt + ma * next_volt + next_ma * volt + 2 * next_ma * next_volt) / 6 * us
    us = points[-1][0] - points[0][0] if points else 0.0
    return Figures(
        forward / 1000,
        back / 1000,
        (forward - back) / 1000,
        math.sqrt(square / us) if us else 0.0,
        max((abs(ma) for _, ma, _ in points), default=0.0),
        max((abs(volt) for _, _, volt in points), default=0.0),
        energy / 1e6,
        us,
    )


def since(points: Sequence[Point], tick: float) -> list[Point]:
    """The points from a tick on, with one at the tick itself; ticks become times from it."""
    first = bisect_left(points, (tick,))
    kept = [(at - tick, ma, volt) for at, ma, volt in points[first:]]
    if 0 < first < len(points) and points[first][0] > tick:
        (start, ma, volt), (stop, next_ma, next_volt) = points[first - 1], points[first]
        part = (tick - start) / (stop - start)
        kept.insert(0, (0, ma + part * (next_ma - ma), volt + part * (next_volt - volt)))
    return kept


def write(channels: Mapping[str, Sequence[Point]], path: Path) -> int:
    """Writes the file whole or not at all. Returns the number of rows; raises OSError."""
    rows = sum(map(len, channels.values()))
    partial = path.with_name(path.name + ".partial")
    if path.suffix == DOUBLES:
        with partial.open("wb") as doubles:
            doubles.write(json.dumps({name: len(points) for name, points in channels.items()}).encode() + b"\n")
            for points in channels.values():
                array("d", itertools.chain.from_iterable(points)).tofile(doubles)
    else:
        with partial.open("w", encoding="ascii") as file:
            file.write(HEADER)
            file.writelines(_rows(channels))
    partial.replace(path)
    return rows


def _rows(channels: Mapping[str, Sequence[Point]]) -> Iterator[str]:
    named = [[(at, name, ma, volt) for at, ma, volt in points] for name, points in sorted(channels.items())]
    for at, name, ma, volt in heapq.merge(*named, key=lambda row: row[:2]):
        time = int(at) if at == int(at) else round(at, 3)
        yield f"{time},{name},{_plain(ma * 1000)},{_plain(volt * 1000)}\n"


def _plain(figure: float) -> str:
    """With three decimals at most, and no minus before a zero."""
    return f"{round(figure, 3) + 0.0:.10g}"


def read(path: Path) -> dict[str, list[Point]]:
    """The points of a file, by channel, in the units of ``Point``."""
    if path.suffix == DOUBLES:
        counts, _, data = path.read_bytes().partition(b"\n")
        figures = iter(array("d", data))
        triples = zip(figures, figures, figures, strict=True)
        return {name: list(itertools.islice(triples, count)) for name, count in json.loads(counts).items()}
    header, *rows = path.read_text(encoding="ascii").splitlines(keepends=True)
    if header != HEADER:
        raise ValueError(f"{path} does not begin with {HEADER!r}")
    channels: dict[str, list[Point]] = {}
    for row in rows:
        at, name, ua, mv = row.split(",")
        channels.setdefault(name, []).append((float(at), float(ua) / 1000, float(mv) / 1000))
    return channels
