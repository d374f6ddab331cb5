"""What follows from an answer, as links of the OpenAPI document: which part of it the next request takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Paths = Mapping[str, dict[str, Any]]
Taken = Mapping[str, str]
Link = tuple[str, str, str, Taken, Taken]
"""Name, method, path, parameters, members of the body."""

_FIRST: Final = {"id": "$response.body#/0/id"}
_STATE: Final[tuple[Link, ...]] = (
    ("heartbeat", "post", "/sessions/current/heartbeat", {}, {"nonce": "$response.body#/lease/nonce"}),
    ("act", "post", "/sessions/current/actions", {}, {"epoch": "$response.body#/epoch"}),
    ("raise", "put", "/sessions/current/intensity", {"if-match": "$response.body#/rev"}, {}),
)
_LINKS: Final[tuple[tuple[str, str, tuple[Link, ...]], ...]] = (
    ("post", "/pair", (("whoami", "get", "/me", {}, {}),)),
    (
        "get",
        "/prescription",
        (("open", "post", "/sessions", {}, {"prescription_revision": "$response.body#/revision"}),),
    ),
    ("get", "/state", _STATE),
    ("post", "/sessions", _STATE),
    ("post", "/stop", (("acknowledge", "post", "/acknowledge", {}, {}), ("state", "get", "/state", {}, {}))),
    (
        "get",
        "/sessions",
        (
            ("newest", "get", "/sessions/{id}", _FIRST, {}),
            ("export", "get", "/sessions/{id}/export", _FIRST, {}),
            ("proof", "get", "/sessions/{id}/proof", _FIRST, {}),
            ("rate", "post", "/sessions/{id}/rating", _FIRST, {}),
        ),
    ),
    ("get", "/programmes", (("first", "get", "/programmes/{id}", _FIRST, {}),)),
    (
        "get",
        "/programmes/{id}",
        (("output", "get", "/programmes/{id}/output-table", {"id": "$response.body#/id"}, {}),),
    ),
    ("get", "/devices", (("revoke", "delete", "/devices/{id}", _FIRST, {}),)),
    ("get", "/blocks", (("release", "post", "/blocks/{id}/release", _FIRST, {}),)),
)
"""Method, path, and the links of its 2xx answer."""


def add_links(paths: Paths, prefix: str) -> None:
    """Puts the links into the document's paths. Raises KeyError when an endpoint is not there."""
    for method, path, links in _LINKS:
        answers = paths[prefix + path][method]["responses"]
        answer = next(answers[status] for status in answers if status.startswith("2"))
        answer["links"] = {
            name: {
                "operationId": paths[prefix + there][how]["operationId"],
                **({"parameters": parameters} if parameters else {}),
                **({"requestBody": body} if body else {}),
            }
            for name, how, there, parameters, body in links
        }
