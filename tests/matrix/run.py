"""Runs cells of the matrix on several boards at once: a worker for each processor, and others for who only wait."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.util import Finalize
from typing import Any, Final

from tests.matrix.bench import STATES, At, Bench, Cell, bench
from tests.matrix.table import ROWS

Wanted = list[tuple[int, At]]
"""Cells by the number of their row."""
WAITERS: Final = ("daemon-hang",)
"""Seconds of the wall's time go by until a call of the guard is over."""
_own = contextlib.ExitStack()
_bench: Bench | None = None


def run(wanted: Wanted) -> dict[tuple[int, At], Cell]:
    """The cells that are wanted."""
    rows = [[cell for cell in wanted if cell[0] == number] for number in range(len(ROWS))]
    waiting = [[cell] for row in rows for cell in row if waits(cell)]
    working = [row for row in rows if row and not waits(row[0])]
    with _pool(len(os.sched_getaffinity(0)), len(working)) as pool, _pool(2, len(waiting)) as beside:
        done = [beside.submit(_cells, one) for one in waiting] + [pool.submit(_cells, one) for one in working]
        return dict(itertools.chain.from_iterable(one.result() for one in done))


def _pool(workers: int, tasks: int) -> ProcessPoolExecutor:
    """Workers, each on a processor of its own as far as there are some."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    for _, processor in zip(range(workers), itertools.cycle(sorted(os.sched_getaffinity(0))), strict=False):
        queue.put(processor)
    return ProcessPoolExecutor(max(1, min(workers, tasks)), context, _begin, (queue,))


def waits(cell: tuple[int, At]) -> bool:
    """Whether a cell takes time, and hardly any of the processor's."""
    return ROWS[cell[0]].breaks[0].name in WAITERS


def everything() -> Wanted:
    """All cells."""
    return [(number, state) for number in range(len(ROWS)) for state in STATES]


def _begin(queue: Any) -> None:
    os.sched_setaffinity(0, {queue.get()})
    Finalize(None, _own.close, exitpriority=10)  # a worker runs no atexit


def _cells(wanted: Wanted) -> list[tuple[tuple[int, At], Cell]]:
    """Cells one after the other, on this worker's own board."""
    return [((number, state), cell(number, state)) for number, state in wanted]


def cell(number: int, state: At) -> Cell:
    """One cell, on the board of this process: the same for all of them, until one wears it. ``end`` ends it."""
    global _bench
    row = ROWS[number]
    if _bench is None:
        _bench = _own.enter_context(bench())
    try:
        tried = _bench.run(row.breaks, state, row.course)
    except Exception as error:  # of this one cell: the others shall be told as well
        tried = Cell(problems=[f"{error!r} at {error.__traceback__ and traceback.extract_tb(error.__traceback__)[-1]}"])
        _bench.worn = True
    if _bench.worn or row.wears:
        end()
    return tried


def end() -> None:
    """Ends the board of this process, if there is one."""
    global _bench
    _own.close()
    _bench = None
