"""The stop: asked of the guard's stop socket itself, by anybody, before anything else looks at the request.

``StopFirst`` is the outermost application. It runs in the server's own event loop, in which nothing else of ours runs:
every other request is handed to a second loop in a thread of its own, so that a handler which hangs there keeps no stop
from being taken. Nothing here waits for a lock, a file, the engine or the body of the request.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.boundary import SECURE, is_loopback
from controller.port import State
from safety.errors import LinkError
from safety.link import StopAsked

PATH: Final = "/api/v1/stop"
ANSWER_WITHIN_S: Final = 0.09
"""The guard confirms within 25 ms. Whoever asks is answered within 100 ms, if need be with "not confirmed"."""
ASK_AGAIN_S: Final = 0.005
"""A datagram that the guard's full queue did not take is sent again after this."""

CANCEL_WITHIN_S: Final = 1.0


@dataclass(frozen=True)
class Stopped:
    """What came of a stop. ``taken``: whether the guard's socket took it at all."""

    taken: bool
    confirmed: bool
    elapsed_ms: float


class Stopper(Protocol):
    """Asks for a stop and waits for what is confirmed, ``ANSWER_WITHIN_S`` at most; never raises."""

    async def stop(self) -> Stopped: ...


class GuardStopper:
    """Stops the guard whose runtime folder this is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def stop(self) -> Stopped:
        began = time.monotonic()
        asked: StopAsked | None = None
        while asked is None:
            try:
                asked = StopAsked(self._folder)
            except LinkError:
                if time.monotonic() - began > ANSWER_WITHIN_S - ASK_AGAIN_S:
                    return Stopped(False, False, _since_ms(began))
                await asyncio.sleep(ASK_AGAIN_S)
        left = began + ANSWER_WITHIN_S - time.monotonic()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_readable(asked.fileno()), left)
        try:
            confirmed = asked.answer(0.001)["confirmed"] is True
        except (LinkError, KeyError):
            confirmed = False
        return Stopped(True, confirmed, _since_ms(began))


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[None] = loop.create_future()

    def see() -> None:
        if not seen.done():
            seen.set_result(None)

    loop.add_reader(descriptor, see)
    try:
        await seen
    finally:
        loop.remove_reader(descriptor)


def _since_ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 3)


class Stopping:
    """Answers requests to stop. ``state``: what the engine knows; ``told``: called with the outcome afterwards."""

    def __init__(self, stopper: Stopper, state: Callable[[], State], told: Callable[[str, Stopped], None]) -> None:
        self._stopper, self._state, self._told = stopper, state, told

    async def respond(self, method: str, scope: Scope) -> Response:
        """The answer to one request, whatever else it holds."""
        plain = PLAIN if scope["scheme"] not in SECURE and not is_loopback(scope) else ""
        if method in ("GET", "HEAD"):
            return HTMLResponse(PAGE + plain, headers=_PAGE_HEADERS)
        if method != "POST":
            return problems.response("method_not_allowed", headers={"Allow": "GET, HEAD, POST"})
        stopped = await self._stopper.stop()
        peer = scope["client"][0] if scope.get("client") else ""
        asyncio.get_running_loop().call_soon(self._told, peer, stopped)
        if "text/html" in Headers(scope=scope).get("accept", ""):
            page = CONFIRMED if stopped.confirmed else NOT_CONFIRMED
            return HTMLResponse(page + plain, headers=_PAGE_HEADERS)
        return JSONResponse(self.body(stopped), headers={"Cache-Control": "no-store"})

    def body(self, stopped: Stopped) -> dict[str, Any]:
        """What is told of a stop. A worse cause that is latched already stays named."""
        state, cause = ("stopped", "person") if stopped.taken else ("unknown", None)
        known = self._state()
        if stopped.taken and known.cause is not None:
            state, cause = known.mode, known.cause
        return {"state": state, "cause": cause, "confirmed": stopped.confirmed, "elapsed_ms": stopped.elapsed_ms}


class WorkLoop:
    """An event loop in a thread of its own, for all that is not a stop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="work", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends what still runs in the loop, and the loop."""
        asyncio.run_coroutine_threadsafe(_end_others(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _end_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()


class _Across:
    """One call in another thread's loop. Nothing of it is made before that loop comes to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], Awaitable[Any]]) -> None:
        self._loop = loop
        self._task: asyncio.Future[Any] | None = None
        self._ended: Future[Any] = Future()
        loop.call_soon_threadsafe(self._start, call)

    async def wait(self) -> Any:
        """Its result, in the loop that asked. Cancelling this cancels the call, and waits until it has ended."""
        ended = asyncio.wrap_future(self._ended)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            with contextlib.suppress(RuntimeError):  # the other loop is closed
                self._loop.call_soon_threadsafe(self._cancel)
                await asyncio.wait([ended], timeout=CANCEL_WITHIN_S)
            raise

    def _start(self, call: Callable[[], Awaitable[Any]]) -> None:
        self._task = asyncio.ensure_future(call())
        self._task.add_done_callback(self._end)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Future[Any]) -> None:
        if task.cancelled():
            self._ended.cancel()
        elif (error := task.exception()) is not None:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(task.result())


class StopFirst:
    """The whole application: stops here, all else in the work loop."""

    def __init__(self, app: ASGIApp, stopping: Stopping, work: WorkLoop) -> None:
        self._app, self._stopping, self._work = app, stopping, work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].rstrip("/") == PATH:
            answer = await self._stopping.respond(scope["method"], scope)
            await answer(scope, receive, send)
            return
        here = asyncio.get_running_loop()

        async def receive_there() -> Message:
            message: Message = await _Across(here, receive).wait()
            return message

        async def send_there(message: Message) -> None:
            await _Across(here, lambda: send(message)).wait()

        await _Across(self._work.loop, lambda: self._app(scope, receive_there, send_there)).wait()


_PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_HEAD: Final = '<!doctype html><html lang="nb"><meta name="viewport" content="width=device-width"><title>Stopp</title>'
_BUTTON: Final = f'<form method="post" action="{PATH}"><h1><button>STOPP / STOP</button></h1></form>'
PAGE: Final = _HEAD + _BUTTON
CONFIRMED: Final = (
    _HEAD + '<h1>Stoppet</h1><p>Ingen strøm.</p><h1 lang="en">Stopped</h1><p lang="en">Output is off.</p>'
)
NOT_CONFIRMED: Final = (
    _HEAD + _BUTTON + "<h1>IKKE bekreftet</h1><ol><li>Trykk den røde knappen.<li>Trekk ledningen ut av boksen."
    '<li>Ta så ut sonden.</ol><h1 lang="en">NOT confirmed</h1><ol lang="en"><li>Press the red button.'
    "<li>Pull the lead out of the box.<li>Then take the probe out.</ol>"
)
PLAIN: Final = (
    "<p>Forbindelsen er ikke kryptert. Bruk den bare på et nett du stoler på.</p>"
    '<p lang="en">The connection is not encrypted. Use it on a network you trust only.</p>'
)
