"""The OpenAPI document holds: whatever it allows is taken, whatever it does not is refused as it says.

schemathesis makes the requests and judges the answers of a real server, as nobody and in each role.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig

from api import boundary, models, report_models, routes_follow_up, training_models, words
from api.auth import COOKIE_PLAIN, COOKIE_TLS
from api.devices import Device
from api.rates import Rates
from api.roles import Role
from tests.support.api import PRESCRIPTION, V1, Api
from tests.support.served import WAIT_S, serving

EXAMPLES = 6
ENDLESS = (f"{V1}/live", f"{V1}/emg/live")
REFUSALS = ["2xx", "401", "403", "404", "409", "412", "428", "429"]
REJECTIONS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
"""What schemathesis takes for a refusal, and 413: a text over its length may make a body over that."""
CONFIG = {
    "checks": {
        "positive_data_acceptance": {"expected-statuses": REFUSALS},
        "negative_data_rejection": {"expected-statuses": REJECTIONS},
    }
}
WHO = ("nobody", *(str(role) for role in Role))


@dataclass
class Tried:
    """A server that is tried, and a cookie for each role that is paired anew when a request ended its pairing."""

    api: Api
    port: int
    schema: Any
    devices: dict[str, tuple[Device, str]]

    def cookies(self, who: str) -> dict[str, str]:
        if who == "nobody":
            return {}
        device, secret = self.devices.get(who, (None, ""))
        if device is None or not self.api.service.devices.usable(device):
            device, secret, row = self.api.service.devices.pair(who, Role(who))
            row.result()
            self.api.service.devices.enter(device)
            self.devices[who] = (device, secret)
        return {COOKIE_PLAIN: secret, COOKIE_TLS: "of no use here"}  # both told, so that neither is made up


@pytest.fixture
def tried(tmp_path: Path) -> Iterator[Tried]:
    api = Api(tmp_path)
    assert api.phone("clinician").put("prescription", json=PRESCRIPTION).status_code == 200
    api.service.passphrase.set("a horse, a battery, a staple")
    schema = schemathesis.openapi.from_dict(api.app.openapi(), config=SchemathesisConfig.from_dict(CONFIG))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boundary, "Rates", lambda: Rates(1e9, 1e9))
        with serving(api, tmp_path) as port:
            yield Tried(api, port, schema, {})
    api.close()


HAVE_MODELS = (models, report_models, training_models, routes_follow_up)


def test_each_field_and_parameter_is_described_and_each_body_has_a_good_example(api: Api) -> None:
    document = api.app.openapi()
    shapes = document["components"]["schemas"]
    operations = [(path, one) for path, methods in document["paths"].items() for one in methods.values()]
    bare = [
        f"{model}.{name}"
        for model, shape in shapes.items()
        for name, field in shape.get("properties", {}).items()
        if not field.get("description")
    ]
    bare += [
        f"{path} {one['name']}"
        for path, operation in operations
        for one in operation.get("parameters", ())
        if not one.get("description")
    ]
    bare += [path for path, operation in operations if not operation.get("description")]
    assert bare == [], "say what they mean in api/words.py"
    asked = {
        body["schema"]["$ref"].rpartition("/")[2]
        for _, operation in operations
        for body in operation.get("requestBody", {"content": {}})["content"].values()
        if "$ref" in body["schema"]
    }
    assert {name for name in asked if not shapes[name].get("examples")} == set(), "give an example in api/words.py"
    for name, example in words.EXAMPLES.items():
        model = next(getattr(one, name) for one in HAVE_MODELS if hasattr(one, name))
        model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("who", WHO)
def test_what_is_documented_is_so(tried: Tried, who: str, mode: GenerationMode) -> None:
    asked = sum(try_one(tried, operation, who, mode) for operation in operations(tried, mode))
    assert asked > (100 if mode is GenerationMode.POSITIVE else 50)


def operations(tried: Tried, mode: GenerationMode) -> Iterator[Any]:
    """Those that end, and that can be asked in this way: what takes nothing cannot be asked wrongly."""
    for found in tried.schema.get_all_operations():
        operation = found.ok()
        takes = operation.body or operation.path_parameters or operation.query or operation.headers
        if operation.path not in ENDLESS and (takes or mode is GenerationMode.POSITIVE):
            yield operation


def try_one(tried: Tried, operation: Any, who: str, mode: GenerationMode) -> int:
    """Tries one operation; gives how often it was asked."""
    asked = 0

    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def one(case: Case) -> None:
        nonlocal asked
        asked += 1
        answer = case.call(f"http://127.0.0.1:{tried.port}", cookies=tried.cookies(who), timeout=WAIT_S)
        case.validate_response(answer)
        assert answer.status_code < 500

    one()
    return asked


def test_every_endpoint_is_described(tried: Tried) -> None:
    for path, methods in tried.schema.raw_schema["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert len(operation["description"]) > 15, (method, path)
    for name, schema in tried.schema.raw_schema["components"]["schemas"].items():
        assert schema.get("description"), name


def test_every_link_names_what_the_next_request_takes(tried: Tried) -> None:
    document = tried.schema.raw_schema
    operations = {one["operationId"]: one for methods in document["paths"].values() for one in methods.values()}
    links = [link for one in operations.values() for answer in one["responses"].values() for link in linked(answer)]
    assert len(links) > 10
    for link in links:
        there = operations[link["operationId"]]
        assert set(link.get("parameters", {})) <= {one["name"] for one in there.get("parameters", [])}, link
        if "requestBody" in link:
            schema = there["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert set(link["requestBody"]) <= set(document["components"]["schemas"][schema]["properties"]), link


def test_what_a_link_takes_is_in_the_answer(tried: Tried) -> None:
    document = tried.schema.raw_schema
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for link in linked(answer):
                    for taken in (*link.get("parameters", {}).values(), *link.get("requestBody", {}).values()):
                        schema = answer["content"]["application/json"]["schema"]
                        for part in taken.removeprefix("$response.body#/").split("/"):
                            found = document["components"]["schemas"].get(
                                schema.get("$ref", "").rpartition("/")[2], schema
                            )
                            schema = found["items"] if part == "0" else found["properties"][part]


def linked(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return list(answer.get("links", {}).values())
