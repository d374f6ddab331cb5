"""What does not get in, and what every answer carries."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import api as api_package
from api.boundary import BODY_MAX_BYTES, is_loopback
from api.problems import CODES, problem
from api.rates import ADDRESSES_MAX, Rates
from tests.support.api import Api


def test_an_address_may_ask_so_often_and_no_more() -> None:
    rates = Rates(per_second=10, burst=3)
    assert [rates.take("a", 0) for _ in range(4)] == [True, True, True, False]
    assert rates.take("b", 0)
    assert [rates.take("a", 0.1), rates.take("a", 0.1)] == [True, False]
    assert [rates.take("a", 100) for _ in range(4)] == [True, True, True, False]
    assert not rates.take("a", 50)  # a clock that goes back gives nothing


def test_the_addresses_that_are_remembered_are_bounded() -> None:
    rates = Rates()
    for n in range(2 * ADDRESSES_MAX):
        rates.take(str(n), 0)
    assert len(rates._buckets) == ADDRESSES_MAX


@pytest.mark.parametrize(
    ("client", "loopback"),
    [
        (("127.0.0.1", 1), True),
        (("127.8.0.1", 1), True),
        (("::1", 1), True),
        (("::ffff:127.0.0.1", 1), True),
        (("192.0.2.1", 1), False),
        (("::ffff:192.0.2.1", 1), False),
        (("testclient", 1), False),
        (None, False),
    ],
)
def test_what_counts_as_this_machine(client: Any, loopback: bool) -> None:
    assert is_loopback({"client": client}) is loopback


@pytest.mark.parametrize(
    ("headers", "content", "code"),
    [
        ({"content-type": "text/plain"}, b"{}", "content_type"),
        ({"content-type": "application/x-www-form-urlencoded"}, b"token=x", "content_type"),
        ({}, b"{}", "content_type"),
        ({"content-type": "application/json"}, b"{" * (BODY_MAX_BYTES + 1), "body_too_large"),
        ({"content-type": "application/json", "content-length": "-1"}, b"", "body_too_large"),
        ({"content-type": "application/json"}, b"[" * 50_000, "request_invalid"),
        ({"content-type": "application/json"}, b"\xff", "request_invalid"),
        ({"content-type": "application/json"}, b'{"token": NaN}', "request_invalid"),
        ({"content-type": "application/json; charset=utf-8"}, b'{"token": "x"}', "pairing_closed"),
        ({"host": ""}, b"", "host_missing"),
    ],
)
def test_a_body_is_json_and_small(api: Api, headers: dict[str, str], content: bytes, code: str) -> None:
    answer = api.stranger().post("pair", content=content, headers=headers)
    assert answer.json()["code"] == code
    assert answer.status_code == CODES[code][0]
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_that_grows_while_it_comes_is_bounded_too(api: Api) -> None:
    def pieces() -> Any:
        for _ in range(200):
            yield b" " * 1000

    answer = api.stranger().post("pair", content=pieces(), headers={"content-type": "application/json"})
    assert answer.json()["code"] == "body_too_large"


@pytest.mark.parametrize("path", ["state", "nothing", "programmes", "stop"])
def test_every_answer_carries_the_headers_of_safety(api: Api, path: str) -> None:
    headers = api.phone("clinician").get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("sequence", "taken"), [("3.0", True), ("3", True), ("3.5", False), ("1e300", False), ("true", False)]
)
def test_json_has_one_kind_of_number(api: Api, sequence: str, taken: bool) -> None:
    body = f'{{"sequence": {sequence}, "nonce": "ab"}}'
    phone = api.phone("patient")
    told = phone.post("sessions/current/heartbeat", content=body, headers={"content-type": "application/json"}).json()
    assert told["code"] == ("not_controlling" if taken else "request_invalid")


def test_what_is_not_there_is_a_problem_too(api: Api) -> None:
    phone = api.phone("clinician")
    assert phone.get("nothing").json()["code"] == "not_found"
    assert phone.post("state").json()["code"] == "method_not_allowed"
    assert phone.get("/docs").status_code == 404


def test_an_error_of_ours_tells_nothing_of_the_inside(api: Api) -> None:
    api.engine.healthy = lambda: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    client = api.phone("clinician")
    client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    answer = client.get("health")
    assert (answer.status_code, answer.json()) == (500, problem("internal_error"))


def codes_raised(*packages: Any) -> set[str]:
    """Every code that stands beside a refusal in the source."""
    found: set[str] = set()
    for package in packages:
        for path in Path(package.__file__).parent.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Refused"):
                    words = [one.value for one in node.keywords if one.arg == "code"]
                    found |= {one.value for one in words if isinstance(one, ast.Constant)}
    return found


def test_every_refusal_of_the_api_is_in_the_table() -> None:
    at_the_device = {"passphrase_short"}
    raised = codes_raised(api_package) - at_the_device
    assert len(raised) > 15
    assert raised <= set(CODES)
