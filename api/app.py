"""The application: the page, and every endpoint under ``/api/v1``, behind the boundary, with problems for refusals."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api import (
    models,
    page,
    problems,
    routes_alternating,
    routes_follow_up,
    routes_people,
    routes_prescription,
    routes_programmes,
    routes_records,
    routes_report,
    routes_session,
    routes_threshold,
    routes_training,
)
from api.auth import COOKIE_PLAIN, COOKIE_TLS
from api.boundary import Boundary
from api.links import add_links
from api.service import Service
from api.words import PARAMETERS
from safety.errors import PelviStimError

PREFIX: Final = "/api/v1"
DESCRIPTION: Final = """
The local API of one device: run what is prescribed, adjust it, stop. **Not a certified medical device.**

`POST /api/v1/stop` needs no pairing and takes any request. All else needs a phone that was paired at the device
(`POST /api/v1/pair`), in one of three roles, each including the one before: viewer, patient, clinician.

Refusals are problems (RFC 9457) with a stable `code`. Currents are in mA, times as their names say. A command is
answered when the guard has answered.
"""
OPEN: Final = frozenset({"/stop", "/pair"})
"""Endpoints that need no pairing."""
HERE: Final = frozenset({"/health", "/metrics"})
"""Endpoints that need none from the device itself."""


def make_app(service: Service) -> FastAPI:
    """The application over a service. Stops are in it too, but belong before it: see ``api.stop.StopFirst``."""
    app = FastAPI(
        title="PelviStim",
        version=version("pelvistim"),
        description=DESCRIPTION,
        openapi_url=None,  # given to who is paired: routes_people
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    for routes in (
        *(routes_session, routes_people, routes_programmes, routes_prescription),
        *(routes_records, routes_report, routes_threshold, routes_training, routes_alternating),
        routes_follow_up,
    ):
        app.include_router(routes.router, prefix=PREFIX)
    app.router.routes.extend(page.routes())
    app.add_middleware(Boundary, place=service.place)
    app.add_exception_handler(PelviStimError, _of_ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _unexpected)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _of_ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, PelviStimError)
    return problems.of_error(error)


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [{"place": ".".join(str(part) for part in one["loc"]), "what": one["msg"]} for one in error.errors()]
    return problems.response("request_invalid", errors=found)


def _of_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "request_invalid")
    return problems.response(code, headers=error.headers)


def _unexpected(_: Request, error: Exception) -> Response:
    del error  # told to the log by the server
    return problems.response("internal_error")


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the cookies as what lets a phone in."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            openapi_version="3.1.0",
        )
        schemas = made["components"]["schemas"]
        schemas["Problem"] = models.Problem.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        made["components"]["securitySchemes"] = {
            "tls": {"type": "apiKey", "in": "cookie", "name": COOKIE_TLS, "description": "Over TLS."},
            "plain": {"type": "apiKey", "in": "cookie", "name": COOKIE_PLAIN, "description": "Over plain HTTP."},
        }
        for path, methods in made["paths"].items():
            for operation in methods.values():
                for one in operation.get("parameters", ()):
                    if one["name"] in PARAMETERS:
                        one.setdefault("description", PARAMETERS[one["name"]])
            if path.removeprefix(PREFIX) not in OPEN:
                for operation in methods.values():
                    here: list[dict[str, list[str]]] = [{}] if path.removeprefix(PREFIX) in HERE else []
                    operation["security"] = [*here, {"tls": []}, {"plain": []}]
        add_links(made["paths"], PREFIX)
        app.openapi_schema = made
    return app.openapi_schema
