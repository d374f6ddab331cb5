"""What takes a minute or less to measure: a chunk's way, edges and joins, start, page, journal."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeVar

from api import page
from api.views import summary
from controller import journal, journal_check, past
from controller.chain import Head, Kind, canonical, of
from controller.dose import Dose
from controller.feed import Feed
from controller.programme import parse_programme, programme_path
from controller.report import report
from controller.timeline import Timeline
from controller.training.records import effect
from controller.waveform import Encoder
from hw.board import load_board
from hw.pulses import PulseOutput
from hw.wire import connect
from safety import gate
from safety.decode import ENTRY_BYTES, decode_in_slices
from safety.schedule import read_schedule
from safety.setpoint import SetPoint
from tests.bench.naive import widths
from tests.bench.results import keep, machine, quantiles, short, spread
from tests.support.chunks import LINES, longest, pack
from tests.support.sim import Sim, disconnect
from tests.support.stack import short_programme

BOARD = load_board()
T = TypeVar("T")
BUDGET_US: Final = 100_000
CHUNKS: Final = 600
SENDS: Final = 150
ZERO_MIPS: Final = 3030 / 4
"""7-Zip's measure of a core of a Zero 2 W at 1000 MHz (ThomasKaiser/sbc-bench, Results.md, read: 3030 for four)."""
MARGIN: Final = 2
"""Its caches are smaller than those that 7-Zip wants, and much smaller than those that Python wants. Ours."""

DENSE: Final = short_programme(
    channel='"AB"', frequency_hz="150.0", phase_width_us=300, ramp_up_ms=9000, hold_ms=10_000, ramp_down_ms=9000,
    rest_ms=30_000, repeats=1,
)  # fmt: skip
"""The most that a programme may ask of a chunk: 150 Hz on both channels, while each pulse has its own amplitude."""


def slower() -> float | None:
    """How many times slower a core of a Zero 2 W is taken to be, by 7-Zip; None where that is not installed."""
    with contextlib.suppress(OSError):
        command = ["7zz", "b", "1", "-mmt1", "-md22"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        mips = next(line for line in said.splitlines() if line.startswith("Tot:")).split()[2]  # for a whole core
        return MARGIN * float(mips) / ZERO_MIPS
    return None


def chunk() -> None:
    """Compiling, judging and sending a chunk; what share of its 100 ms that is, here and by estimate on a Zero 2 W.

    The share: the 99th percentile of compiling and judging, and the median of sending, in which the daemon takes part.
    """
    on, factor = machine(), slower()
    stress = programme_path("stress-50hz").read_bytes()
    figures: dict[str, str] = {}
    series: dict[str, Any] = {}
    for name, text, ua in (("stress-50hz", stress, 20_000), ("the densest", DENSE, 20_000)):
        compiled, judged, chunks = compile_and_judge(text, ua)
        sent = send(chunks)
        most = max(len(data) // ENTRY_BYTES for data in chunks)
        figures[f"{name}: entries of the largest chunk"] = str(most)
        for what, took in (("compiled", compiled), ("judged", judged), ("sent", sent)):
            figures[f"{name}: {what}"] = spread(took, "us")
            series[f"{name}: {what}"] = quantiles(took)
        whole = sorted(a + b for a, b in zip(compiled, judged, strict=True))
        busy = whole[len(whole) * 99 // 100] + median(sent)
        figures[f"{name}: share of 100 ms"] = f"{busy / BUDGET_US * 100:.2g} %"
        if factor is not None:
            figures[f"{name}: the same on a Zero 2 W, estimated"] = f"{busy * factor / BUDGET_US * 100:.2g} %"
    figures["the longest chunk that fits, decoded in slices: each"] = spread(slices(), "us")
    told = "not estimated: 7zz is not installed" if factor is None else f"{factor:.2g} times slower, margin included"
    figures["a Zero 2 W is taken to be"] = told
    title = "A chunk: compiled and judged (processor), sent (wall)"
    keep("chunk", figures, machine=on, unit="us", title=title, series=series)


def compile_and_judge(text: bytes, ua: int) -> tuple[list[float], list[float], list[bytes]]:
    """Processor time of each, in us, for the first chunks of a session whose set-point is there from its start."""
    programme = parse_programme(text, "bench")
    channels = sorted({one for phase in programme.phases for one in getattr(phase, "channels", ())})
    feed = Feed(Timeline(programme), Encoder(BOARD), BOARD.full_scale_ua, channels, None)
    feed.begins(3)
    feed.set_point = dict.fromkeys(channels, ua)
    caps = dict.fromkeys(channels, BOARD.full_scale_ua)
    plan = gate.Plan(LINES, BOARD.full_scale_ua, read_schedule(text), caps)
    progress = gate.Progress(SetPoint(3, (ua, ua)))
    compiled, judged, chunks = [], [], []
    for _ in range(CHUNKS):
        began = time.thread_time()
        made = feed.next()
        compiled.append((time.thread_time() - began) * 1e6)
        if made is None:
            break
        gate._kept.clear()  # as if no chunk was like one before
        began = time.thread_time()
        verdict = gate.judge(plan, progress, made.slice.start_us, 3, made.data, 0)
        judged.append((time.thread_time() - began) * 1e6)
        if not isinstance(verdict, gate.Approval):
            raise AssertionError(f"{verdict} at {made.slice.start_us}")
        progress = verdict.progress
        chunks.append(made.data)
    return compiled[: len(judged)], judged, chunks


def slices() -> list[float]:
    """Microseconds of processor for each of the slices in which the longest chunk is decoded; between them a check that
    is due is made."""
    took, data = [], pack(longest())
    for _ in range(SENDS):
        work = decode_in_slices(data, LINES)
        while True:
            began = time.thread_time()
            ended = next(work, work) is work
            took.append((time.thread_time() - began) * 1e6)
            if ended:
                break
    return took


def send(chunks: list[bytes]) -> list[float]:
    """Microseconds to load and send each, joined to the one that plays, on the simulated board in real time."""
    wanted = sorted(chunks, key=len)[-SENDS:]
    took = []
    with Sim.start(realtime=True) as sim:
        client = connect("127.0.0.1", sim.port, 5)
        pulses = PulseOutput(client, BOARD)
        pulses.take_over()
        due = time.monotonic()
        for number, data in enumerate(wanted):
            began = time.perf_counter()
            wave, _ = pulses.load(data, len(data) // ENTRY_BYTES, BUDGET_US)
            pulses.send(wave, join=bool(number))
            took.append((time.perf_counter() - began) * 1e6)
            due += BUDGET_US / 1e6
            time.sleep(max(0.0, due - time.monotonic() - 0.05))
        pulses.halt()
        disconnect(client)
    return took


def edges() -> None:
    """A minute in real time: how far edges and intervals are from the programme, joins of chunks included."""
    on = machine()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "edges.csv"
        command = [sys.executable, "-m", "controller.cli", "run", "stress-50hz", "--board", "sim", "--speed", "1"]
        command += ["--intensity", "20", "--minutes", "1", "--edges", str(out), "--json"]
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        rows = [tuple(map(int, row.split(","))) for row in out.read_text().splitlines()[1:]]
    found: list[tuple[int, int, int]] = rows  # type: ignore[assignment]
    first, second = (widths(found, BOARD[name].gpio) for name in ("A_POS", "A_NEG"))
    intervals = [after[0] - before[0] for before, after in pairwise(first) if after[0] - before[0] < 1_000_000]
    joins = len({at // BUDGET_US for at, _ in first})
    keep(
        "edges",
        {
            "pulses, and chunks they lie in": f"{len(first)}, {joins}",
            "phase width off by, at most": f"{max(abs(us - 250) for _, us in (*first, *second))} us",
            "start to start off by, joins included, at most": f"{max(abs(us - 20_000) for us in intervals)} us",
            "underruns": str(told["underruns"]),
        },
        machine=on,
    )


def weight() -> None:
    """What the page weighs as it goes over the air."""
    files = page.files().values()
    keep(
        "page",
        {
            "all files, by brotli": f"{sum(len(page.smallest(file.plain)) for file in files) / 1000:.1f} kB",
            "the same by gzip": f"{sum(len(file.packed) for file in files) / 1000:.1f} kB",
            "files": str(len(files)),
        },
    )


ROWS_ALONE, ROWS_TOGETHER = 300, 5_000


def rows() -> None:
    """Rows a second of the journal with FULL sync: one after another, and as many as share a commit."""
    on = machine()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        book = journal.Journal(Path(folder), "bench")
        alone = []
        for number in range(ROWS_ALONE):
            began = time.perf_counter()
            book.append(Kind.DIARY, number=number).result()
            alone.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        waiting = [book.append(Kind.DIARY, number=number) for number in range(ROWS_TOGETHER)]
        for one in waiting:
            one.result()
        together = ROWS_TOGETHER / (time.perf_counter() - began)
        book.close()
    keep(
        "journal",
        {
            "one row, until it is durable": spread(alone, "ms"),
            "rows a second, each waited for": f"{1000 / median(alone):.0f}",
            f"rows a second, {journal.GROUP_MAX} at most in one commit": f"{together:.0f}",
        },
        machine=on,
        unit="ms",
        title="One row of the journal, until it is durable",
        series={"one row": quantiles(alone)},
    )


SIZES: Final = (100, 1_000, 10_000, 100_000)
DOSES, DOSES_NEWEST = 4, 60
"""Contractions that are told of a session, and of each of the newest ones: as many as 20 minutes have."""
DOSE: Final = Dose(
    1, False, "A", 1_000_000, 6_000_000, *(250, 750_000_000) * 3, set_point_ua=12_000, sent_ua=12_000,
    measured_ua=11_980, load_ohm=512,
)  # fmt: skip
A_DAY: Final = 3
BEGAN: Final = date(2026, 1, 1)
COURSE: Final = timedelta(days=83)
READINGS: Final = 25


def growth() -> None:
    """What costs more as the journal grows: its file, its opening, one more row, and what is read of it."""
    on, found = machine(), {}
    for sessions in SIZES:
        with tempfile.TemporaryDirectory(dir=".") as name:
            folder = Path(name)
            fill(folder, sessions)
            for what, figure in _sized(folder, BEGAN + timedelta(days=sessions // A_DAY)).items():
                found.setdefault(what, []).append(figure)
    sizes = ", ".join(map(str, SIZES))
    keep("growth_of_the_journal", {f"of {sizes} sessions: {w}": ", ".join(f) for w, f in found.items()}, machine=on)


def _sized(folder: Path, last: date) -> dict[str, str]:
    """Each figure of one journal, whose newest session is of the day ``last``."""
    path, period = folder / journal.NAME, (last - COURSE, last)

    def start() -> None:
        list(journal.read(path, Kind.PAIRING))
        list(journal.read(path, Kind.PRESCRIPTION))
        list(journal.read(path, Kind.SESSION, sessions=past.newest(path, past.PAGE)))

    def listed() -> None:
        assert len([summary(*one) for one in past.page(path)[0]]) == past.PAGE

    def verified() -> None:
        assert journal_check.verify(path, None).findings == ()

    asked: dict[str, tuple[int, Callable[[], object]]] = {
        "what a start reads": (READINGS, start),
        f"the first page of the list, {past.PAGE} sessions": (READINGS, listed),
        "one session": (READINGS, lambda: past.session(path, "s0")),
        "report of twelve weeks": (1, lambda: report(past.for_report(path, period), *period, "", clinician=False)),
        "effect of the newest course": (1, lambda: effect(past.for_effect(path, last, None), last)),
        "all verified": (1, verified),
    }
    size = path.stat().st_size
    opened, book = _ms(lambda: journal.Journal(folder, "bench"))
    row, _ = _ms(lambda: book.append(Kind.DEVICE, number=1).result())
    told = {"file": f"{short(size / 1e6)} MB", "opened": f"{short(opened)} ms", "one more row": f"{short(row)} ms"}
    told |= {what: f"{short(median(_ms(ask)[0] for _ in range(n)))} ms" for what, (n, ask) in asked.items()}
    book.close()
    return told


def _ms(ask: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    found = ask()
    return (time.perf_counter() - began) * 1e3, found


def fill(folder: Path, sessions: int) -> None:
    """A journal of so many sessions, its chain whole; written at once, or it would take a day."""
    journal.Journal(folder, "bench").close()
    with contextlib.closing(sqlite3.connect(folder / journal.NAME)) as connection:
        last = connection.execute("SELECT number, hash FROM row ORDER BY number DESC LIMIT 1").fetchone()
        connection.executemany(journal.PUT, _rows(Head(*last), sessions))
        connection.commit()


def _rows(head: Head, sessions: int) -> Iterator[tuple[int, str, str, str, str]]:
    for number in range(sessions):
        name, at = f"s{number}", f"{BEGAN + timedelta(days=number // A_DAY)}T00:00:00.{number % 1000:03}+00:00"
        told: list[tuple[Kind, dict[str, object]]] = [
            (Kind.SESSION, {"event": "opened", "session": name, "minutes": 20})
        ]
        doses = DOSES_NEWEST if sessions - number <= past.PAGE else DOSES
        told += [(Kind.DOSE, {"session": name, **asdict(replace(DOSE, contraction=one))}) for one in range(doses)]
        told += [(Kind.SESSION, {"event": "closed", "session": name, "cause": None, "session_us": 1_200_000_000})]
        rating = {"comfort": 4, "strength": 3, "pain_before": 0, "pain_after": 0, "note": ""}
        told += [(Kind.RATING, {"session": name, **rating, "adverse": [], "felt_from_ua": {"A": 4_000}})]
        for kind, fields in told:
            row = head.then(at, kind, canonical(fields))
            head = of(row)
            yield row.number, row.at, row.kind, row.body, row.hash


PARTS: Final = {"chunk": chunk, "edges": edges, "page": weight, "journal": rows, "growth": growth}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
        print(part, flush=True)
