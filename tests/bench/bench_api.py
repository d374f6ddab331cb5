"""Stops under load, on the whole of ``pelvistim serve``: 50 requests a second, 10 stalled clients, 20 live streams, a
slow reader. A session plays meanwhile for a while, and the first stop ends it; the others come while it is stopped.

python -m tests.bench.bench_api [STOPS [SECONDS]] [--write]      with --write into docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.results import keep
from tests.support.api import PRESCRIPTION
from tests.support.sections import put, table
from tests.support.serve import Serving, serve
from tests.support.treatment import NONE_APPLIES

STREAMS, STALLED, PER_SECOND = 20, 10, 50
BOUND_MS = 100.0
PAGE = Path(__file__).parent.parent.parent / "docs" / "benchmarks.md"
COOKIE = "device_plain"
SHARE = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """The clients of one server, and what they found."""

    port: int
    secret: str
    asked: int = 0
    errors: int = 0
    took_ms: list[float] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask(self, method: str, path: str, body: object = None, more: str = "") -> tuple[int, float, Any]:
        """One request on a connection of its own: status, ms, body."""
        data = b"" if body is None else json.dumps(body).encode()
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        kind = f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n" if data else ""
        writer.write(self.head(method, path, f"Connection: close\r\n{kind}{more}").encode() + data)
        answer = await reader.read()
        ms = (time.monotonic() - began) * 1000
        writer.close()
        head, _, rest = answer.partition(b"\r\n\r\n")
        return (
            int(head.split(b" ", 2)[1]),
            ms,
            json.loads(rest) if b"json" in head.partition(b"content-type")[2][:60] else None,
        )

    def head(self, method: str, path: str, more: str = "") -> str:
        return f"{method} /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nCookie: {COOKIE}={self.secret}\r\n{more}\r\n"

    async def hold(self) -> None:
        """The clients that stall, those that read a stream, and one that opens a stream and never reads."""
        self.held = [await asyncio.open_connection("127.0.0.1", self.port) for _ in range(STALLED + STREAMS + 1)]
        for number, (_, writer) in enumerate(self.held):
            stalls = number < STALLED
            writer.write(b"POST /api/v1/pair HTTP/1.1\r\nHost: localhost\r\nContent-Le" if stalls else b"")
            writer.write(b"" if stalls else self.head("GET", "live").encode())
        for reader, _ in self.held[STALLED:-1]:
            self.begin(self.read(reader))

    async def read(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(65_536):
            pass

    def begin(self, what: Any) -> None:
        task = asyncio.ensure_future(what)
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def pace(self) -> None:
        """PER_SECOND requests a second, whatever becomes of those before."""
        paths = ("state", "programmes/sprint", "sessions", "me")
        due = time.monotonic()
        while True:
            self.begin(self.one(paths[self.asked % len(paths)]))
            self.asked += 1
            due += 1 / PER_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def one(self, path: str) -> None:
        status, ms, _ = await self.ask("GET", path)
        self.errors += status != 200
        self.took_ms.append(ms)

    async def beat(self) -> None:
        for sequence in range(1, 1 << 30):
            _, _, state = await self.ask("GET", "state")
            if (nonce := state["lease"]["nonce"]) is not None:
                await self.ask("POST", "sessions/current/heartbeat", {"sequence": sequence, "nonce": nonce})
            await asyncio.sleep(0.25)

    async def session(self) -> None:
        """Opens a session, and raises it to 4 mA."""
        await self.ask("POST", "sessions", {"prescription_revision": 1, "answers": NONE_APPLIES})
        self.begin(self.beat())
        await asyncio.sleep(1)
        await self.ask("POST", "sessions/current/actions", {"action": "check_electrodes", "epoch": 1})
        status, _, state = await self.ask("POST", "sessions/current/actions", {"action": "start", "epoch": 1})
        assert status == 200, state
        for ma in (2, 4):
            while True:
                _, _, state = await self.ask("GET", "state")
                assert state["mode"] == "running", state
                change = {"channel": "A", "amplitude_ma": ma}
                rev = state["rev"]
                if (await self.ask("PUT", "sessions/current/intensity", change, f"If-Match: {rev}\r\n"))[0] == 200:
                    break
                await asyncio.sleep(0.3)


async def measure(load: Load, stops: int, seconds: int) -> list[tuple[float, bool]]:
    """For each stop its ms and whether it was confirmed."""
    await load.session()
    await load.hold()
    load.begin(load.pace())
    await asyncio.sleep(seconds)
    _, _, state = await load.ask("GET", "state")
    print(f"after {seconds} s under load the session is {state['mode']}, cause {state['cause']}")
    told, began, before = [], time.monotonic(), load.asked
    for _ in range(stops):
        _, ms, answer = await load.ask("POST", "stop")
        told.append((ms, answer["confirmed"]))
    print(f"{(load.asked - before) / (time.monotonic() - began):.0f} other requests a second meanwhile")
    for task in list(load.running):
        task.cancel()
    return told


def processes(server: Serving) -> dict[str, Path]:
    """The folders in /proc of app, board and guard."""
    found = {"app": Path(f"/proc/{server.process.pid}")}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == server.process.pid:
                found["board" if "hw.mock" in (folder / "cmdline").read_text() else "guard"] = folder
        except (OSError, IndexError):
            continue
    return found


def rss_mib(folder: Path) -> float:
    line = next(one for one in (folder / "status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def busy_s(folder: Path) -> float:
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / SHARE


def spread(took: list[float]) -> str:
    took = sorted(took)
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {took[-1]:.1f} ms"


def machine() -> str:
    kernel = platform.release().partition("-")[0]
    return f"{os.cpu_count()} processors, Linux {kernel}, load average {os.getloadavg()[0]:.1f} before"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stops", type=int, nargs="?", default=1_000)
    parser.add_argument("seconds", type=int, nargs="?", default=60)
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE}")
    args = parser.parse_args()
    figures = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name:
        began = time.monotonic()
        with serve(Path(name), "--real-time") as server:
            figures["from the start of `pelvistim serve` to the printed links"] = f"{time.monotonic() - began:.1f} s"
            server.phone("clinician").put("prescription", json=PRESCRIPTION).raise_for_status()
            patient = server.phone("patient")
            at = processes(server)
            figures["resident at the start"] = each(at, lambda folder: f"{rss_mib(folder):.0f} MiB")
            load = Load(int(server.base.rpartition(":")[2]), patient.cookies[COOKIE])
            told = asyncio.run(measure(load, args.stops, args.seconds))
            one = patient.get("sessions").json()[0]
            closed = patient.get(f"sessions/{one['id']}").json()["closed"]
            still = processes(server) == at
            figures["resident after the load"] = each(at, lambda folder: f"{rss_mib(folder):.0f} MiB")
            figures["processor time"] = each(at, lambda folder: f"{busy_s(folder):.1f} s")
    confirmed = [ms for ms, good in told if good]
    figures["the session"] = (
        f"{closed['session_us'] / 1e6:.1f} s, {closed['underruns']} underruns, ended by {closed['cause']}"
    )
    figures["the guard at the end"] = "the same process" if still else "another process"
    figures["the other requests"] = f"{spread(load.took_ms)}; {load.errors} failed"
    figures["stops confirmed"] = f"{len(confirmed)} of {len(told)}"
    figures["from the request to lines confirmed low"] = spread(confirmed)
    print(*(f"{what}: {value}" for what, value in figures.items()), sep="\n")
    if args.write:
        keep("tests.bench.bench_api", figures)
        put(PAGE, "tests.bench.bench_api", table(figures))
    p99 = sorted(confirmed)[int(len(confirmed) * 0.99)]
    return 0 if p99 <= BOUND_MS and len(confirmed) == args.stops and still and not closed["underruns"] else 1


def each(at: dict[str, Path], tell: Callable[[Path], str]) -> str:
    return ", ".join(f"{who} {tell(folder)}" for who, folder in at.items() if folder.exists())


if __name__ == "__main__":
    sys.exit(main())
