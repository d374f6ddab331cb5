"""What tests/conftest.py promises: a test that cannot run is named, with its remedy, and never passes for run in CI."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import spread

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parent.parent / "conftest.py"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Runs the given test file beside a copy of our conftest, as a person does or as CI does."""
    pytester.makeconftest(CONFTEST.read_text())

    def run(body: str, *options: str, ci: bool) -> pytest.RunResult:
        monkeypatch.setenv("CI", "true" if ci else "")
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # only our conftest is meant, and it starts faster
        pytester.makepyfile(test_it="import pytest\n" + body)
        return pytester.runpytest_inprocess("-ra", "--strict-markers", "-p", "no:cacheprovider", *options)

    return run


MISSING = """
@pytest.mark.needs("no-such-tool-1", apt="beta-tool")
def test_one(): pass

@pytest.mark.needs("no-such-tool-1", apt="beta-tool")
@pytest.mark.needs("no-such-tool-2", apt="alpha-tool")
def test_two(): pass

def test_three(): pass
"""


def test_a_person_sees_what_was_not_run_and_the_line_that_installs_it(run) -> None:
    result = run(MISSING, ci=False)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "*= not run =*",
            "test_it.py::test_one: needs no-such-tool-1",
            "test_it.py::test_two: needs no-such-tool-2, no-such-tool-1",
            "To run them too:",
            "  sudo apt-get install -y alpha-tool beta-tool",
            "*= 1 passed, 2 skipped in *",
        ],
        consecutive=True,
    )
    assert re.search(r"1 passed, 2 skipped", result.outlines[-1]), "pytest's closing line must stay the last"


def test_what_was_not_run_in_other_processes_is_listed_too(run) -> None:
    result = run(MISSING, "-p", "xdist", "-n", "1", ci=False)
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*= not run =*", "test_it.py::test_one: needs no-such-tool-1", "To run them too:"])


def test_in_ci_a_missing_tool_is_a_failure_that_says_so(run) -> None:
    result = run(MISSING, ci=True)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["not run: needs no-such-tool-1", "sudo apt-get install -y beta-tool"])


@pytest.mark.parametrize("ci", [False, True])
def test_a_tool_that_is_there_changes_nothing(run, ci: bool) -> None:
    result = run('@pytest.mark.needs("sh", apt="dash")\ndef test_it(): pass\n', ci=ci)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*not run*")


CAPABILITY = """
@pytest.mark.needs("a unicorn", available=lambda: {there}, how="ask a knight")
def test_it(): pass
"""


def test_a_capability_that_is_missing_is_listed_with_its_advice(run) -> None:
    result = run(CAPABILITY.format(there=False), ci=False)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["test_it.py::test_it: needs a unicorn", "To run them too:", "  a unicorn: ask a knight"]
    )


@pytest.mark.parametrize(("there", "outcome"), [(False, {"errors": 1}), (True, {"passed": 1})])
def test_in_ci_a_capability_counts_like_a_tool(run, there: bool, outcome: dict[str, int]) -> None:
    run(CAPABILITY.format(there=there), ci=True).assert_outcomes(**outcome)


SKIPS = {
    "in the test": "def test_it(): pytest.skip('no mood')\n",
    "by a mark": "@pytest.mark.skip(reason='no mood')\ndef test_it(): pass\n",
    "by a condition": "@pytest.mark.skipif(True, reason='no mood')\ndef test_it(): pass\n",
    "in a fixture": "@pytest.fixture\ndef f(): pytest.skip('no mood')\ndef test_it(f): pass\n",
    "of a whole file": "pytest.skip('no mood', allow_module_level=True)\n",
}


@pytest.mark.parametrize("body", SKIPS.values(), ids=SKIPS.keys())
def test_in_ci_every_other_skip_is_a_failure(run, body: str) -> None:
    assert run(body, ci=False).ret in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    result = run(body, ci=True)
    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines(["*skipped, which CI does not accept:*no mood*"])


def test_in_ci_an_expected_failure_is_no_skip(run) -> None:
    result = run("@pytest.mark.xfail(reason='known')\ndef test_it(): assert False\n", ci=True)
    result.assert_outcomes(xfailed=1)
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("marker", ['"tool"', '"tool", apt="a", how="b"', ""])
def test_a_marker_that_does_not_say_how_the_thing_is_had_is_an_error(run, marker: str) -> None:
    result = run(f"@pytest.mark.needs({marker})\ndef test_it(): pass\n", ci=False)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TypeError: needs(*"])


def test_what_takes_long_begins_the_lists_of_different_workers() -> None:
    """pytest-xdist hands out the tests in as many pieces as there are workers, the larger ones last."""
    assert spread([["a"], ["b"], ["c", "d"]], [*"123456"], 4) == [*"a1", *"b2", *"cd3", *"456"]
    assert spread([["a"], ["b"]], [*"12"], 1) == [*"ab12"]
    assert spread([["a"], ["b", "c", "d"]], [*"1"], 2) == [*"a1bcd"]
    assert spread([], [*"123"], 2) == [*"123"]
