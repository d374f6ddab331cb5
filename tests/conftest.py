"""Tests that need something the system may not have, and the rule that nothing is left out in silence.

``@pytest.mark.needs("shellcheck", apt="shellcheck")`` says that a test runs a program and which Debian package brings
it. For anything that is not a program, ``available`` tells whether it is there and ``how`` how it is had:
``@pytest.mark.needs("IPv6", available=has_ipv6, how="switch IPv6 on in the kernel")``. The marker can be repeated.

Where the thing is missing the test is skipped and listed at the end under "not run", with the line that installs it.
With ``CI=true`` a missing thing is a failure, and so is every other skip: CI proves everything or is red.

``@pytest.mark.req("SR-001")`` says which requirements of ``safety/hazards.toml`` a test shows; ``test_hazards.py``
holds the two against each other.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from tests.support.preloaded import cold, preloaded

settings.register_profile("any machine", deadline=None)  # how long an example takes says something of the machine only
settings.load_profile("any machine")


@dataclass(frozen=True)
class Need:
    """One thing a test needs: its name, whether it is there, and the package or the advice that brings it."""

    name: str
    met: bool
    apt: str | None
    how: str | None


Item = TypeVar("Item")
LACKS = "lacks"
"""The property of a report that says what its test lacked: (name, apt, how) each. It may come from another process."""


def needs(
    name: str, *, apt: str | None = None, available: Callable[[], bool] | None = None, how: str | None = None
) -> Need:
    """Reads the arguments of the marker; raises TypeError where it does not say how the thing is had."""
    if (apt is None) == (how is None):
        raise TypeError(f"needs({name!r}): exactly one of apt= and how= must say how it is had")
    met = available() if available is not None else shutil.which(name) is not None
    return Need(name, met, apt, how)


def is_ci() -> bool:
    """Whether a test that does not run is a failure."""
    return os.environ.get("CI", "").lower() in ("true", "1")


def advice(lacks: list[Need]) -> list[str]:
    """The lines that would bring all of it: one for apt, then the others, each once."""
    packages = sorted({package for need in lacks if need.apt for package in need.apt.split()})
    lines = [f"sudo apt-get install -y {' '.join(packages)}"] if packages else []
    return lines + sorted({f"{need.name}: {need.how}" for need in lacks if need.how})


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr != "alone":  # a browser's processes take no turns
        keep_to_one_processor(os.environ.get("PYTEST_XDIST_WORKER", ""))
    config.addinivalue_line("markers", "needs(name, apt=, available=, how=): what the system must have for this test")
    config.addinivalue_line("markers", "alone: in real time: beside it no more than one for each other processor")
    config.addinivalue_line("markers", "cold: about a start itself: programs load what they need as for everybody")
    config.addinivalue_line("markers", "long(*name): takes long: comes first, with others of the name if it has one")
    config.addinivalue_line("markers", "req(*ids): safety requirements of safety/hazards.toml that this test shows")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The run in real time loads what may have tests for it, and no more."""
    if config.option.markexpr != "alone" or collection_path.suffix != ".py" or "browser" in collection_path.parts:
        return None
    return None if "pytest.mark.alone" in collection_path.read_text(encoding="utf-8") else True


@pytest.hookimpl(trylast=True)  # when those that are not to run have been left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long: dict[object, list[pytest.Item]] = {}
    for item in items:
        if marker := item.get_closest_marker("long"):
            long.setdefault(marker.args or item, []).append(item)
    rest = [item for item in items if item.get_closest_marker("long") is None]
    items[:] = spread(list(long.values()), rest, getattr(config, "workerinput", {}).get("workercount", 1))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: no collection of garbage need look at it again, nor come so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def spread(long: list[list[Item]], rest: list[Item], workers: int) -> list[Item]:
    """What takes long begins the lists of different workers, each of which first gets as many tests as the others."""
    heads: list[list[Item]] = [[] for _ in range(workers)]
    for number, items in enumerate(long):
        heads[number % workers] += items
    found: list[Item] = []
    left = len(rest) + sum(map(len, heads))
    for number, head in enumerate(heads):
        share = left // (workers - number)
        more = max(0, share - len(head))
        found += [*head, *rest[:more]]
        rest = rest[more:]
        left -= share
    return found + rest


def keep_to_one_processor(worker: str) -> None:
    """A worker and all that it starts: the processes of a simulation take turns, and those of two workers would else
    meet on one processor half the time, while another has nothing to do."""
    if worker:
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[int(worker.removeprefix("gw")) % len(processors)]})


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    wanted = [needs(*marker.args, **marker.kwargs) for marker in item.iter_markers("needs")]
    lacks = [need for need in wanted if not need.met]
    if not lacks:
        return
    reason = "needs " + ", ".join(sorted(need.name for need in lacks))
    if is_ci():
        pytest.fail("\n".join([f"not run: {reason}", *advice(lacks)]), pytrace=False)
    item.user_properties.append((LACKS, [(need.name, need.apt, need.how) for need in lacks]))
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    fail_skip_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    fail_skip_in_ci(report)
    return report


def fail_skip_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skip into a failure in CI. An expected failure is no skip: it ran."""
    if is_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not accept: {report.longreprtext or report.longrepr}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    yield  # the other summaries first: this one stands right above pytest's closing line
    skipped = terminalreporter.stats.get("skipped", [])
    left_out = {
        report.nodeid: [Need(name, False, apt, how) for name, apt, how in value]
        for report in skipped
        for key, value in getattr(report, "user_properties", ())
        if key == LACKS
    }
    if not left_out:
        return
    terminalreporter.section("not run")
    for test, lacks in left_out.items():
        terminalreporter.write_line(f"{test}: needs {', '.join(need.name for need in lacks)}")
    terminalreporter.write_line("To run them too:")
    for line in advice([need for lacks in left_out.values() for need in lacks]):
        terminalreporter.write_line(f"  {line}")


@pytest.fixture(scope="session", autouse=True)
def runtime_folder_of_its_own() -> Generator[None]:
    """Sessions of the tests are where no ``pelvistim stop`` from elsewhere looks."""
    with tempfile.TemporaryDirectory(prefix="ps") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def programs_that_wait() -> Generator[None]:
    """Boards, guards and commands are forked from processes that have loaded them."""
    with preloaded():
        yield


@pytest.fixture(autouse=True)
def programs_that_do_not(request: pytest.FixtureRequest) -> Generator[None]:
    """A test marked ``cold`` starts them as everybody does."""
    with cold() if request.node.get_closest_marker("cold") else contextlib.nullcontext():
        yield


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Generator[None]:
    """A pigpio client's callback thread that outlives its daemon spins for ever and slows every test after it."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), f"{thread} was left behind"
