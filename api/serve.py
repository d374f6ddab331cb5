"""The server: uvicorn with one worker, the stop in its own loop, everything else in another.

The composition root makes the Service; this only serves it until it is told to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvicorn

from api import local
from api.app import make_app
from api.certificate import Served
from api.listener import Listener
from api.service import Service
from api.stop import StopFirst, WorkLoop
from controller.local import LocalServer

SOCKET_MESSAGE_MAX_BYTES: Final = 4_096
KEEP_ALIVE_S: Final = 30
GRACE_S: Final = 2
SWITCH_INTERVAL_S: Final = 0.001
"""Python's threads take turns this often, so that a busy handler delays a stop by little."""
PAIRING_LOOKED_AT_S: Final = 1.0


@dataclass
class Server:
    """What is needed to serve: where, with which certificate, and the folder of the local socket."""

    service: Service
    listener: socket.socket
    runtime: Path
    tls: Served | None = None
    _server: uvicorn.Server | None = field(default=None, init=False)
    _ended: bool = field(default=False, init=False)

    def end(self) -> None:
        """Has ``run`` end soon, also one that has not begun; from any thread."""
        self._ended = True
        if self._server is not None:
            self._server.should_exit = True

    async def run(self) -> None:
        """Serves until the process is told to end (SIGTERM, SIGINT) or ``end`` is called."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        work = WorkLoop()
        people = LocalServer(self.runtime, lambda request: local.answer(self.service, request))
        try:
            app = StopFirst(make_app(self.service), self.service.stopping, work)
            server = self._server = uvicorn.Server(self._config(app))
            server.should_exit = self._ended
            self.service.ending = lambda: server.should_exit
            async with self._announcing():
                await self._server.serve([self.listener])
        finally:
            people.close()
            work.close()

    def _config(self, app: StopFirst) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="websockets-sansio",
            ws_max_size=SOCKET_MESSAGE_MAX_BYTES,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=None if self.tls is None else str(self.tls.certificate),
            ssl_keyfile=None if self.tls is None else str(self.tls.key),
        )

    @contextlib.asynccontextmanager
    async def _announcing(self) -> AsyncIterator[None]:
        """Tells the device's name on the LAN while a pairing is open."""
        announcer = self.service.announcer
        if announcer is None:
            yield
            return

        async def follow() -> None:
            while True:
                with contextlib.suppress(OSError):  # a LAN that is not there is told by nobody finding the name
                    await asyncio.to_thread(announcer.show, self.service.pairing.is_open)
                await asyncio.sleep(PAIRING_LOOKED_AT_S)

        following = asyncio.create_task(follow())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.to_thread(announcer.show, False)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Listener(socket.create_server((host, port), family=family, backlog=1024))
