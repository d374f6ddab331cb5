"""A real server over an api, in a thread of the test's process, on a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2

from api.certificate import Served
from api.serve import Server, listen
from tests.support.api import Api

WAIT_S = 20.0


@contextlib.contextmanager
def serving(api: Api, runtime: Path, tls: Served | None = None) -> Iterator[int]:
    """Serves; gives the port."""
    interval = sys.getswitchinterval()
    listener = listen("127.0.0.1", 0)
    port = int(listener.getsockname()[1])
    server = Server(api.service, listener, runtime, tls)
    thread = threading.Thread(target=lambda: asyncio.run(server.run()))
    thread.start()
    try:
        if tls is None:
            with client(port) as first:
                assert first.get("stop").status_code == 200  # it is up, with all its threads
        yield port
    finally:
        server.end()
        thread.join(WAIT_S)
        assert not thread.is_alive()
        sys.setswitchinterval(interval)
        listener.close()


def client(port: int, secret: str | None = None, cookie: str = "device_plain") -> httpx2.Client:
    """A client of a plain server on loopback."""
    cookies = {} if secret is None else {cookie: secret}
    return httpx2.Client(base_url=f"http://127.0.0.1:{port}/api/v1", cookies=cookies, timeout=WAIT_S, trust_env=False)
