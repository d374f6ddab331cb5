"""What is measured of whole processes: starting, memory, speed of a simulated session, live viewers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.bench_api import COOKIE, Load, busy_s, processes, rss_mib
from tests.bench.results import keep, machine, quantiles, spread
from tests.support.changes import to_the_electrode_us
from tests.support.serve import serve
from tests.support.treatment import treatment

SPEED_RUNS, SPEED_MINUTES, STARTS, RAISES = 3, 5, 5, 10
WHO: Final = {"hw.mock": "board", "safety": "guard", "controller.cli": "app"}
VIEWERS: Final = (0, 10, 20, 50)
VIEWED_S: Final = 8


def pelvistim(*arguments: object) -> tuple[float, float, dict[str, object]]:
    """Wall seconds, processor seconds of all processes, and the summary of one run."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "controller.cli", "run", *map(str, arguments), "--board", "sim", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    told: dict[str, object] = json.loads(result.stdout)
    return time.monotonic() - began, busy, told


def shares(*arguments: object) -> tuple[float, dict[str, float]]:
    """Wall seconds of one run, and processor seconds of each of its processes, as last seen before they ended."""
    began, spent = time.monotonic(), {}
    command = [sys.executable, "-m", "controller.cli", "run", *map(str, arguments), "--board", "sim", "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None:
            for pid in (run.pid, *children(run.pid)):
                with contextlib.suppress(OSError):
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                    who = next((name for module, name in WHO.items() if module in words), None)
                    if who is not None:
                        spent[who] = busy_s(Path(f"/proc/{pid}"))
            time.sleep(0.2)
    return time.monotonic() - began, spent


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return []


def of_few(seconds: list[float]) -> str:
    least, most = min(seconds), max(seconds)
    return f"{least:.1f}, {median(seconds):.1f}, {most:.1f} s (least, median, most of {len(seconds)})"


def speed() -> None:
    """Some minutes of stress-50hz at --speed max, and all of it."""
    on, walls, cpu, times = machine(), [], [], []
    for _ in range(SPEED_RUNS):
        wall, busy, told = pelvistim("stress-50hz", "--intensity", 20, "--minutes", SPEED_MINUTES, "--speed", "max")
        walls.append(wall)
        cpu.append(busy)
        times.append(float(str(told["session_s"])) / wall)
    wall, spent = shares("stress-50hz", "--intensity", 20, "--speed", "max")
    figures = {
        f"{SPEED_MINUTES} minutes of stress-50hz, wall": of_few(walls),
        "times real time": f"{median(times):.0f}",
        "processor time, all processes": f"{median(cpu):.1f} s",
        "stress-50hz whole, 20 minutes, once: wall": f"{wall:.1f} s",
        "of it processor time": ", ".join(f"{who} {seconds:.1f} s" for who, seconds in sorted(spent.items())),
    }
    keep("speed", figures, machine=on)


def start() -> None:
    """From nothing to the printed links, and what is resident then."""
    on, took, memory = machine(), [], {}
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as name:
            began = time.monotonic()
            with serve(Path(name)) as server:
                took.append(time.monotonic() - began)
                server.phone("viewer").get("state").raise_for_status()
                memory = {who: rss_mib(folder) for who, folder in processes(server).items()}
    figures = {
        "`pelvistim serve` to the printed links": of_few(took),
        "resident then": ", ".join(f"{who} {mib:.0f} MiB" for who, mib in sorted(memory.items())),
    }
    keep("start", figures, machine=on)


def viewers() -> None:
    """What live viewers cost: the app's share of a processor, and how long a request takes beside them."""
    on, figures, series = machine(), {}, {}
    for count in VIEWERS:
        with tempfile.TemporaryDirectory() as name, serve(Path(name), "--real-time") as server:
            viewer = server.phone("viewer")
            load = Load(int(server.base.rpartition(":")[2]), viewer.cookies[COOKIE])
            share, took = asyncio.run(_watched(load, count, processes(server)["app"]))
        figures[f"{count} viewers: app's share of a processor"] = f"{share * 100:.1f} %"
        figures[f"{count} viewers: a request for the state"] = spread(took, "ms")
        series[f"{count} viewers"] = quantiles(took)
    keep("viewers", figures, machine=on, unit="ms", title="A request beside live viewers", series=series)


async def _watched(load: Load, count: int, app: Path) -> tuple[float, list[float]]:
    held = [await asyncio.open_connection("127.0.0.1", load.port) for _ in range(count)]
    for reader, writer in held:
        writer.write(load.head("GET", "live").encode())
        load.begin(load.read(reader))
    await asyncio.sleep(1)
    before, began, took = busy_s(app), time.monotonic(), []
    while time.monotonic() - began < VIEWED_S:
        status, ms, _ = await load.ask("GET", "state")
        assert status == 200
        took.append(ms)
        await asyncio.sleep(0.05)
    share = (busy_s(app) - before) / (time.monotonic() - began)
    for task in list(load.running):
        task.cancel()
    for _, writer in held:
        writer.close()
    return share, took


def intensity() -> None:
    """From a change of the strength to the electrode, on the virtual clock."""
    with tempfile.TemporaryDirectory() as name, treatment(Path(name)) as person:
        up = [number * 500 for number in range(1, RAISES + 1)]
        down = list(reversed(up[:-1]))
        ms = [us / 1000 for us in to_the_electrode_us(person, up, down)]
    figures = {"from the request to the first pulse with it": spread(ms, "ms")}
    told = "On the virtual clock: the machine does not matter. Raises and falls at different moments of a chunk, 50 Hz."
    series = {"raises": quantiles(ms[:RAISES]), "falls": quantiles(ms[RAISES:])}
    keep("intensity", figures, machine=told, unit="ms", title="From a change to the electrode", series=series)


PARTS: Final = {"intensity": intensity, "start": start, "viewers": viewers, "speed": speed}
