"""From a marked sample of muscle activity to the ball on the canvas, on the real server, in real time on this machine.

``make bench-page``, or python -m tests.browser.bench_muscle [--write]; with --write into docs/training.md.

A mark is one large sample, on top of a simulated person at rest. It came in when the source's clock says so; the page
notes when each frame has drawn the ball, and where. The first ball that has risen by a third shows it.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from api.roles import Role
from controller.emg.reader import Reader
from hw.emg import NV_PER_CODE, RATE_HZ, Recorded, Recording
from hw.mock.emg import EmgModel, Person
from tests.bench.emg import PAGE
from tests.browser.conftest import chromium
from tests.browser.steps import Person as Somebody
from tests.browser.steps import pair, to
from tests.support.api import Api
from tests.support.sections import put, table
from tests.support.served import serving

MARKS, BOUND_MS = 200, 150
MARK_CODE = 16_000
"""1 mV: far above rest, and within the converter."""
APART_S = (0.45, 0.65)
"""The envelope has come down by then; not a whole number of blocks, so that marks fall anywhere in one."""
BEGIN_S = 8
WATCH = """window.drawn = [];
const arc = CanvasRenderingContext2D.prototype.arc;
CanvasRenderingContext2D.prototype.arc = function (x, y, ...more) {
  window.drawn.push([performance.timeOrigin + performance.now(), y]); return arc.call(this, x, y, ...more); };"""
HEIGHT = "document.querySelector('canvas').clientHeight"
CLOCK = "performance.timeOrigin + performance.now()"
FRAME_MS = 1000 / 60


def marked() -> tuple[tuple[int, ...], list[int]]:
    """The signal, and the numbers of its marked samples."""
    chance, at, marks = random.Random(1), BEGIN_S * RATE_HZ, list[int]()
    while len(marks) < MARKS:
        marks.append(at)
        at += round(chance.uniform(*APART_S) * RATE_HZ)
    codes = EmgModel(Person(), 1, lambda _: 0.0).samples(at + 30 * RATE_HZ)
    for one in marks:
        codes[one] += MARK_CODE
    return tuple(codes), marks


def main() -> int:
    codes, marks = marked()
    began: list[float] = []

    def open_source() -> Recorded:
        began.append(time.time())
        return Recorded(Recording(RATE_HZ, NV_PER_CODE, codes))

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        api = Api(Path(folder))
        api.room.reader = Reader(open_source, lambda: "idle")
        with serving(api, Path(folder)) as port:
            page = browser.new_page(locale="nb-NO", viewport={"width": 360, "height": 740})
            page.add_init_script(WATCH)

            def open_(url: str) -> Any:
                page.goto(url)
                return page

            person = pair(api, f"http://127.0.0.1:{port}", open_, Role.PATIENT, "nb")
            glazer(person)
            page.wait_for_timeout((began[-1] + marks[-1] / RATE_HZ + 1 - time.time()) * 1000)
            off_ms, canvas = clock_off_ms(page), page.evaluate(HEIGHT)
            drawn = [(at - off_ms, height(y, canvas)) for at, y in page.evaluate("window.drawn")]
        api.close()
        browser.close()
    came = [(began[-1] + (one + 1) / RATE_HZ) * 1000 for one in marks]
    late = sorted(first(drawn, at) - at for at in came)
    apart = sorted(b[0] - a[0] for a, b in pairwise(drawn) if came[0] < a[0] < came[-1])
    p95 = statistics.quantiles(late, n=20, method="inclusive")[-1]
    bound = f"{'under' if p95 + FRAME_MS < BOUND_MS else 'NOT under'} {BOUND_MS} ms"
    said = table(
        {
            "from a sample to the ball on the canvas": (
                f"median {statistics.median(late):.0f}, p95 {p95:.0f}, worst {late[-1]:.0f} ms, n {len(late)}"
            ),
            "to the screen, with one frame more": f"median {statistics.median(late) + FRAME_MS:.0f}, "
            f"p95 {p95 + FRAME_MS:.0f} ms ({bound})",
            "frames": f"{1000 * len(apart) / (came[-1] - came[0]):.1f} a second; apart median "
            f"{statistics.median(apart):.1f}, p95 {apart[int(0.95 * len(apart))]:.1f} ms, n {len(apart)}",
            "load average": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors",
        }
    )
    print(said)
    if "--write" in sys.argv:
        put(PAGE, "tests.browser.bench_muscle", said)
    return 0 if "NOT" not in bound else 1


def glazer(person: Somebody) -> None:
    """Into the assessment: it has no check before it, and goes on for six minutes."""
    to(person, "guided")
    person.presses("muscle.title")
    person.page.locator("[name=where][value=surface]").check()
    person.presses("guided.begin", name=person.words["guided.glazer"])
    person.presses("prepare.ready")
    person.page.locator("canvas").wait_for()


def clock_off_ms(page: Any) -> float:
    """By how much the page's clock is ahead of this one's, from the quickest of 50 answers."""
    found = []
    for _ in range(50):
        before = time.time()
        there = page.evaluate(CLOCK)
        took = time.time() - before
        found.append((took, there - (before + took / 2) * 1000))
    return float(min(found)[1])


def height(y: float, canvas: float) -> float:
    """In parts of the picture, 0 at its foot."""
    return 1 - (y - 16) / (canvas - 32)


def first(drawn: list[tuple[float, float]], mark_ms: float) -> float:
    """When the ball had risen by a third of the picture over where it was at the mark."""
    at_rest = next(up for at, up in reversed(drawn) if at <= mark_ms)
    return next(at for at, up in drawn if at > mark_ms and up - at_rest > 1 / 3)


if __name__ == "__main__":
    sys.exit(main())
