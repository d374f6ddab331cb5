"""What the page of mutants says: each survivor is still in the code and has a reason; and which modules are tried."""

from __future__ import annotations

import ast
import tomllib

import pytest

from tests.mutants import pure
from tests.mutants.survivors import PAGE, Mutant, counts_of, difference, document, explained, is_there, only_words

TOOL = tomllib.loads((pure.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]


def test_every_module_that_decides_has_tests_and_mutants() -> None:
    assert set(pure.TESTS) == set(pure.modules())
    assert all((pure.ROOT / file).is_file() for file in pure.every_file())
    assert TOOL["only_mutate"] == [f"safety/{name}.py" for name in pure.TESTS if name not in pure.TABLES]
    assert sorted(TOOL["pytest_add_cli_args_test_selection"]) == sorted(pure.every_file())


def test_every_survivor_is_still_in_the_code_and_has_a_reason() -> None:
    survivors = explained()
    assert [mutant for mutant in survivors if not is_there(mutant)] == []
    assert all(len(reason) > 10 for reason in survivors.values())


def test_the_page_is_that_of_the_survivors() -> None:
    page = PAGE.read_text(encoding="utf-8")
    counts, survivors = counts_of(page), explained()
    assert document(counts, survivors) == page, "make mutants"
    assert set(counts) <= set(pure.TESTS) - set(pure.TABLES)
    assert {mutant.where.partition(".")[0] for mutant in survivors} <= set(counts)
    for name, count in counts.items():  # one text may come of two mutants
        assert count.made > count.survived >= sum(mutant.where.partition(".")[0] == name for mutant in survivors), name


def function(text: str) -> ast.FunctionDef:
    (found,) = ast.parse(text).body
    assert isinstance(found, ast.FunctionDef)
    return found


def test_what_a_mutant_changes_is_told_by_its_lines() -> None:
    one = function('def f(a, b):\n    """Text."""\n    if (a <\n        b):\n        return 1\n    return 2')
    other = function("def f_1(a, b):\n    if a <= b:\n        return 1\n    return 2")
    assert difference("m.f", one, other) == Mutant("m.f", "if a < b:", "if a <= b:")
    other = function("def f_1(a, b=1):\n    if a < b:\n        return 1\n    return 2")
    assert difference("m.f", one, other) == Mutant("m.f", "def _(a, b):", "def _(a, b=1):")


def test_what_is_not_in_the_code_any_more_is_found() -> None:
    there = "return self.granted_us + self.lease_us"
    assert not is_there(Mutant("lease.Lease.no_such", there, "pass"))
    assert not is_there(Mutant("lease.issue", "return 'no such line'", "pass"))


@pytest.mark.parametrize(
    ("before", "after", "only"),
    [
        ("return Refusal('code', f'{a}')", "return Refusal('code', None)", True),
        ("return Refusal('code', f'{a}')", "return Refusal('code')", True),
        ("return Refusal('code', f'{a}')", "return Refusal(None, f'{a}')", False),
        ("return Refusal('code', f'{a}')", "return Refusal('XXcodeXX', f'{a}')", False),
        ("raise ScheduleRefused(f'{a}')", "raise ScheduleRefused(None)", True),
        ("raise ScheduleRefused(f'{a}')", "raise ValueError(f'{a}')", False),
        ("if a < 1:", "if a < 2:", False),
    ],
)
def test_only_words(before: str, after: str, only: bool) -> None:
    assert only_words(Mutant("m.f", before, after)) is only
