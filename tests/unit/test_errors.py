"""How a refusal reads, and the code that each kind of error carries."""

from __future__ import annotations

import pytest

from safety import errors
from safety.errors import InputRefused, PelviStimError, Problem


def test_a_refusal_names_all_that_is_wrong() -> None:
    one = Problem("range", "phase 1", "hold_ms", "0", "1 to 30000", "Make it longer.")
    other = Problem("missing", "", "schema", "nothing", "1", "Write it down.")
    refused = InputRefused("a.toml", (one, other))
    assert str(refused).splitlines() == [
        "a.toml: phase 1.hold_ms: 0: allowed: 1 to 30000. Make it longer. [range]",
        "a.toml: schema: nothing: allowed: 1. Write it down. [missing]",
    ]
    assert (refused.source, refused.problems, refused.code) == ("a.toml", (one, other), "input_refused")


@pytest.mark.parametrize("kind", [errors.BoardError, errors.LinkError])
def test_an_error_has_a_code_of_its_kind_or_its_own(kind: type[PelviStimError]) -> None:
    assert (kind("words").code, str(kind("words"))) == (kind.code, "words")
    assert kind("words", code="its_own").code == "its_own"
    assert kind.code != "its_own"
