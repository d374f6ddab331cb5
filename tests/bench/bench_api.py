"""Stops under load: 50 requests a second, 10 stalled clients, 20 live streams, a slow reader; the rest is stops.

python -m tests.bench.bench_api [STOPS]      real guard and simulated board; the engine behind the api is the tests' own
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from api.roles import Role
from api.serve import Server, listen
from api.stop import GuardStopper
from controller.launch import SimulatedBoard
from tests.support.api import Api

STREAMS, STALLED, PER_SECOND = 20, 10, 50
BOUND_MS = 100.0


def serve(folder: Path, runtime: Path, said: Connection) -> None:
    """The app process."""
    api = Api(folder)
    api.service.stopper = GuardStopper(runtime)
    api.service.stopping._stopper = api.service.stopper
    device, secret, row = api.service.devices.pair("bench", Role.PATIENT)
    row.result()
    api.service.devices.enter(device)
    listener = listen("127.0.0.1", 0)
    server = Server(api.service, listener, folder)
    said.send((listener.getsockname()[1], secret))

    def tell() -> None:
        said.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    async def both() -> None:
        asyncio.get_running_loop().call_later(2, tell)
        await server.run()

    asyncio.run(both())


async def ask(port: int, request: str) -> tuple[float, bytes]:
    """One request on a connection of its own; ms, and the whole answer."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    return (time.monotonic() - began) * 1000, answer


def http(method: str, path: str, secret: str = "", more: str = "") -> str:
    return f"{method} /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nCookie: device_plain={secret}\r\n{more}\r\n"


async def load(port: int, secret: str, stops: int) -> list[tuple[float, bool]]:
    """Puts the load on and gives, for each stop, its ms and whether it was confirmed."""
    held = []
    for _ in range(STALLED):
        held.append(await asyncio.open_connection("127.0.0.1", port))
        held[-1][1].write(b"POST /api/v1/pair HTTP/1.1\r\nHost: localhost\r\nContent-Le")
    for _ in range(STREAMS + 1):
        held.append(await asyncio.open_connection("127.0.0.1", port))
        held[-1][1].write(http("GET", "live", secret).encode())

    async def read(reader: asyncio.StreamReader) -> None:
        while await reader.read(65_536):
            pass

    readers = [asyncio.create_task(read(reader)) for reader, _ in held[STALLED:-1]]  # the last one reads nothing
    asked = 0

    async def paced() -> None:
        while True:
            running.append(asyncio.create_task(one_other()))
            await asyncio.sleep(1 / PER_SECOND)

    async def one_other() -> None:
        nonlocal asked
        asked += 1
        paths = ("state", "programmes/sprint", "sessions", "me")
        await ask(port, http("GET", paths[asked % len(paths)], secret, "Connection: close\r\n"))

    running: list[asyncio.Task[None]] = []
    pacing = asyncio.create_task(paced())
    await asyncio.sleep(1)
    told = []
    began = time.monotonic()
    for _ in range(stops):
        ms, answer = await ask(port, http("POST", "stop", "", "Connection: close\r\n"))
        told.append((ms, json.loads(answer.partition(b"\r\n\r\n")[2])["confirmed"]))
    print(f"{asked / (time.monotonic() - began):.0f} other requests a second meanwhile")
    for task in (pacing, *running, *readers):
        task.cancel()
    return told


def main() -> int:
    stops = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run").mkdir()
        board = SimulatedBoard(folder / "run", folder / "state", new_state=True, speed=1)
        here, there = multiprocessing.Pipe()
        app = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, folder / "run", there))
        app.start()
        try:
            port, secret = here.recv()
            rss_kib = here.recv()
            told = asyncio.run(load(port, secret, stops))
        finally:
            app.terminate()
            app.join()
            board.close()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{(used.ru_utime + used.ru_stime):.1f} s of processor for app, guard and board together")
    missed = sum(not confirmed for _, confirmed in told)
    for words, wanted in (("confirmed", True), ("not confirmed (a guard that is gone, or late)", False)):
        if took := sorted(ms for ms, confirmed in told if confirmed is wanted):
            p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
            print(f"{len(took)} {words}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {took[-1]:.1f} ms")
    print(f"app: {rss_kib / 1024:.0f} MiB resident at its start")
    return 0 if p99 <= BOUND_MS and not missed else 1


if __name__ == "__main__":
    sys.exit(main())
