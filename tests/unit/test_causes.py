"""Whatever the guard may say has words for a person."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import safety
from controller.causes import CAUSES, FINDINGS, REFUSALS, in_words
from safety import causes, electrode
from safety.schedule import ScheduleRefused

APP_OWN = {"guard_lost", "request_refused"}


def refusal_codes() -> set[str]:
    """The first argument of every Refusal that is made anywhere in the safety package."""
    codes = {ScheduleRefused.code}
    for path in Path(safety.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
                "Refusal",
                "_Refused",
            ):
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    assert isinstance(first.value, str)
                    codes.add(first.value)
                else:  # a code that was made elsewhere: passed on
                    assert ast.unparse(first) in ("code", "error.code"), (path.name, ast.unparse(first))
    return codes


@pytest.mark.req("SR-104")
def test_every_cause_has_words() -> None:
    assert set(causes.CAUSES) | APP_OWN == set(CAUSES)


@pytest.mark.req("SR-104")
def test_every_finding_has_words() -> None:
    assert set(electrode.FINDINGS) == set(FINDINGS)


@pytest.mark.req("SR-104")
def test_every_refusal_has_words() -> None:
    assert refusal_codes() == set(REFUSALS)


def test_no_code_means_two_things() -> None:
    assert len({*CAUSES, *FINDINGS, *REFUSALS}) == len(CAUSES) + len(FINDINGS) + len(REFUSALS)


def test_words_are_words() -> None:
    for words in (*CAUSES.values(), *FINDINGS.values(), *REFUSALS.values()):
        assert " " in words
        assert words[0].islower()
    assert in_words("internal_error") == CAUSES["internal_error"]
    assert in_words("electrode_open") == FINDINGS["electrode_open"]
    assert in_words("rms") == REFUSALS["rms"]
    assert in_words("no_such_thing") == "cause no_such_thing"
