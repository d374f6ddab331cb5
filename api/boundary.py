"""What a request must be before anything looks at it: peer, host, origin, content type, size, rate.

None of this is asked of a stop, which is answered before (``api/stop.py``).
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import response
from api.rates import Rates

BODY_MAX_BYTES: Final = 64 * 1024
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
SECURE: Final = frozenset({"https", "wss"})
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


@dataclass(frozen=True)
class Place:
    """Under which names the device is reached. ``plain_everywhere``: plain HTTP also from the LAN (a flag)."""

    hosts: frozenset[str]
    plain_everywhere: bool = False


def is_loopback(scope: Scope) -> bool:
    """Whether the request comes from this machine itself."""
    client = scope.get("client")
    try:
        address = ipaddress.ip_address(client[0]) if client else None
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and (mapped or address).is_loopback


class Boundary:
    """Refuses what must not come in, and puts the headers of safety on what goes out."""

    def __init__(self, app: ASGIApp, place: Place, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._app, self._place, self._now_s = app, place, monotonic_s
        self._rates = Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        code = self._refusal(scope, headers)
        if code is not None:
            await _refuse(scope, receive, send, code)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > BODY_MAX_BYTES:
                    return {"type": "http.disconnect"}
            return message

        async def adorned(message: Message) -> None:
            if received > BODY_MAX_BYTES:
                return  # whatever became of a body that was cut is not told
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(one for one in HEADERS if one[0] not in present)]
            await send(message)

        await self._app(scope, bounded, adorned)
        if received > BODY_MAX_BYTES:
            await _refuse(scope, receive, send, "body_too_large")

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        secure, loopback = scope["scheme"] in SECURE, is_loopback(scope)
        if not secure and not loopback and not self._place.plain_everywhere:
            return "plain_http_refused"
        if not self._rates.take(scope["client"][0] if scope.get("client") else "", self._now_s()):
            return "too_many_requests"
        host = headers.get("host", "")
        name = _host_name(host)
        if name is None:
            return "host_missing"
        if name not in self._place.hosts and not (loopback and name in LOOPBACK_NAMES):
            return "host_foreign"
        if any(origin != _own(secure, host) for origin in headers.getlist("origin")):
            return "origin_foreign"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "origin_foreign"
        return _body_refusal(headers)


def _body_refusal(headers: Headers) -> str | None:
    length = headers.get("content-length", "0")
    if "transfer-encoding" not in headers and length == "0":
        return None
    if not length.isascii() or not length.isdigit() or int(length) > BODY_MAX_BYTES:
        return "body_too_large"
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return None if kind == "application/json" else "content_type"


def _host_name(host: str) -> str | None:
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return None
    return name.lower() if name else None


def _own(secure: bool, host: str) -> str:
    return f"{'https' if secure else 'http'}://{host}"


def hosts(names: Iterable[str]) -> frozenset[str]:
    """Names and addresses as they are compared."""
    return frozenset(name.lower() for name in names)


async def _refuse(scope: Scope, receive: Receive, send: Send, code: str) -> None:
    """Answers a request; to a WebSocket that wants to open, the answer is a plain 403."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": code})
        return
    headers = {"Retry-After": "1"} if code == "too_many_requests" else {}
    await response(code, headers=headers)(scope, receive, send)
