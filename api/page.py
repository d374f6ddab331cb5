"""The phone page: static files out of ``api/web``, read once, each with its ETag and compressed copies.

Nothing here asks who is there: the page shows nothing by itself, all it shows comes through the API.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import brotli
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

WEB: Final = Path(__file__).with_name("web")
WORKER: Final = "worker.js"
VENDORED: Final = "vendor.json"
KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
"""What is served of the folder; anything else in it (licences, the list of what is vendored) is not."""
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # the QR code of a pairing is an SVG out of the API
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",  # STOPP is a form until its script is there
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


@dataclass(frozen=True)
class File:
    """One file as it is sent."""

    kind: str
    etag: str
    plain: bytes
    packed: bytes


@functools.cache
def smallest(plain: bytes) -> bytes:
    """By brotli, an eighth less than by gzip. At its best that takes up to 70 ms a file here (docs/page.md), so each is
    packed when it is first asked for.
    """
    return bytes(brotli.compress(plain, quality=11))


@functools.cache
def zipped(plain: bytes) -> bytes:
    """By gzip: 16 ms for all of them, so at the start."""
    return gzip.compress(plain, 9, mtime=0)


def files() -> dict[str, File]:
    """Path on the server -> file. The page itself is at ``/``, its worker (which may speak for no more than lies below
    it) at ``/worker.js``, all else under ``/web/``.
    """
    found = {}
    for path in sorted(WEB.rglob("*")):
        if path.suffix in KINDS and path.name not in (WORKER, VENDORED):
            name = path.relative_to(WEB).as_posix()
            found["/" if name == "index.html" else f"/web/{name}"] = _file(KINDS[path.suffix], path.read_bytes())
    return found | {f"/{WORKER}": _file(KINDS[".js"], _worker(found))}


def _file(kind: str, plain: bytes) -> File:
    etag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
    return File(kind, etag, plain, zipped(plain))


def _worker(shell: dict[str, File]) -> bytes:
    """The worker, told which files it keeps; with another name for them as soon as one of them is another."""
    version = hashlib.sha256("".join(file.etag for file in shell.values()).encode()).hexdigest()[:16]
    text = (WEB / WORKER).read_text("utf-8")
    told = text.replace("FILES = []", f"FILES = {json.dumps(list(shell))}").replace("shell-0", f"shell-{version}")
    return told.encode()


def routes() -> list[Route]:
    """A route for each file."""
    return [Route(path, _serves(file), methods=["GET"], include_in_schema=False) for path, file in files().items()]


def _serves(file: File) -> Callable[[Request], Awaitable[Response]]:
    headers = {
        "Content-Type": file.kind,
        "ETag": file.etag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": POLICY,
    }

    async def serve(request: Request) -> Response:
        if file.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        accepted = {one.partition(";")[0].strip() for one in request.headers.get("accept-encoding", "").split(",")}
        if "br" in accepted:  # over TLS and from localhost; elsewhere browsers do not offer it
            small = await asyncio.to_thread(smallest, file.plain)
            return Response(small, headers={**headers, "Content-Encoding": "br"})
        if "gzip" in accepted:
            return Response(file.packed, headers={**headers, "Content-Encoding": "gzip"})
        return Response(file.plain, headers=headers)

    return serve
