"""The OpenAPI document over the real engine, guard and simulated board, briefly: as nobody and in each role."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from api import boundary
from api.rates import Rates
from api.stop import GuardStopper
from controller.engine import GuardEngine
from controller.journal import Journal
from controller.keys import OpenKey
from hw.clock import WallClock
from safety.link import GuardLink
from tests.api import test_document
from tests.api.test_document import CONFIG, WHO, Tried
from tests.support.api import Api
from tests.support.served import serving
from tests.support.signed import KEY
from tests.support.stack import stack
from tests.support.treatment import PRESCRIBED, TODAY

EXAMPLES = 3


@pytest.fixture
def tried(tmp_path: Path) -> Iterator[Tried]:
    with stack(speed=1) as rig, pytest.MonkeyPatch.context() as patch:
        rig.clock.close()
        api, clock = Api(tmp_path), WallClock()
        link = GuardLink(rig.folder, clock)
        journal = Journal(tmp_path / "engine", link.welcome["device"])
        keys = OpenKey(KEY)
        engine = GuardEngine(
            link, lambda: GuardLink(rig.folder, clock), clock, journal, lambda: TODAY, keys, simulated=True
        )
        engine.prescribe(PRESCRIBED).result()
        api.service.engine, api.service.stopper = engine, cast(Any, GuardStopper(rig.folder))
        api.service.__post_init__()
        schema = schemathesis.openapi.from_dict(api.app.openapi(), config=SchemathesisConfig.from_dict(CONFIG))
        patch.setattr(boundary, "Rates", lambda: Rates(1e9, 1e9))
        patch.setattr(test_document, "EXAMPLES", EXAMPLES)
        with serving(api, tmp_path) as port:
            yield Tried(api, port, schema, {})
        engine.close()
        journal.close()
        api.close()


@pytest.mark.parametrize("who", WHO)
def test_what_is_documented_is_so_of_the_real_engine_too(tried: Tried, who: str) -> None:
    asked = 0
    for mode in GenerationMode:
        for operation in test_document.operations(tried, mode):
            asked += test_document.try_one(tried, operation, who, mode)
    assert asked > 50
