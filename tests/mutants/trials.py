"""Tries mutants: python -P tests/mutants/trials.py PATTERN ... (what ``python -m tests.mutants`` starts).

mutmut makes the mutants and finds which tests reach each. Left to itself it has pytest collect anew for each of them,
which takes longer than the tests do: here one process collects, and each mutant is tried in a fork of it. And what only
the clock stops is told by the processor's time, so that no mutant counts as killed because the machine was busy.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import IO, Final

import pytest
from mutmut import __main__ as mutmut
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.utils.file_utils import change_cwd
from mutmut.workers.isolation import ForkRunner, MutantResult, MutantRunner

STOPPED: Final = 36
"""mutmut's word for a mutant that only the clock stops."""
_MEMORY_BYTES: Final = 4 << 30


class Trials(ForkRunner):
    """Where mutmut hands over its mutants. All are tried when it has named the last."""

    def __init__(self) -> None:
        self._tests = PytestRunner()
        super().__init__(max_workers=1, test_runner=self._tests)
        self._work: list[tuple[str, list[str]]] = []
        self._answers: IO[str] | None = None
        self._families: dict[str, float] = {}

    def has_capacity(self) -> bool:
        return True

    def submit(self, mutant_name: str, tests: list[str], cpu_time_limit: int, estimated_time: float) -> None:
        self._work.append((mutant_name, sorted(tests, key=self._family_s)))

    def _family_s(self, test: str) -> float:
        """How long the longest of a test's variants took: it may have made what is made once for all of them."""
        if not self._families:
            for name, s in state().duration_by_test.items():
                self._families[_family(name)] = max(s, self._families.get(_family(name), 0))
        return self._families[_family(test)]

    def signal_work_complete(self) -> None:
        if not self._work:
            return
        reader, writer = os.pipe()
        if not os.fork():
            with change_cwd("mutants"), os.fdopen(writer, "w") as answers, open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                every = sorted({test.partition("::")[0] for _, tests in self._work for test in tests})
                os._exit(self._tests.execute_pytest(["-q", *every], plugins=[_Loop(self._work, answers)]))
        os.close(writer)
        self._answers = os.fdopen(reader)

    def pending_count(self) -> int:
        return len(self._work)

    def wait_for_result(self, timeout: float | None = None) -> MutantResult:
        assert self._answers is not None
        if not (line := self._answers.readline()):
            raise RuntimeError(f"the trials ended before {self._work[0][0]}")
        self._work.pop(0)
        name, code = line.split()
        return MutantResult(name, int(code), 0.0)

    def shutdown(self) -> None:
        if self._answers is not None:
            self._answers.close()


def _family(test: str) -> str:
    return test.partition("[")[0]


class _Loop:
    """In the place of pytest's own loop over the tests."""

    def __init__(self, work: list[tuple[str, list[str]]], answers: IO[str]) -> None:
        self._work, self._answers = work, answers

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        first = session.items[0]  # it sets up what lasts for the session: once, not in each fork
        first.config.hook.pytest_runtest_protocol(item=first, nextitem=session.items[-1])
        tests = {item.nodeid: item for item in session.items}
        some = [tests[name] for name in self._work[0][1]]
        assert (_try(session, "", some), _try(session, "fail", some)) == (0, 1)
        for mutant, names in self._work:
            print(mutant, _try(session, mutant, [tests[name] for name in names]), file=self._answers, flush=True)
        return True


def _try(session: pytest.Session, mutant: str, tests: list[pytest.Item]) -> int:
    """One mutant ("": none; "fail": every one fails) in a process of its own: 1 when a test fails, 0 when none does."""
    if not (child := os.fork()):
        code = 2
        try:
            set_mutant_under_test(mutant)
            code = int(_fails(session, tests))
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, 1, -signal.SIGVTALRM):
        raise RuntimeError(f"{mutant}: {code}")
    return STOPPED if code < 0 else code


def _fails(session: pytest.Session, tests: list[pytest.Item]) -> bool:
    usual_s = sum(state().duration_by_test[test.nodeid] for test in tests)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2 + 5 * usual_s)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    spare = next(item for item in session.items if item is not tests[-1])  # what lasts must not end in a fork
    for test, after in zip(tests, [*tests[1:], spare], strict=True):
        test.config.hook.pytest_runtest_protocol(item=test, nextitem=after)
        if session.testsfailed:
            return True
    return False


def _runner(max_workers: int = 1) -> MutantRunner:
    return Trials()


if __name__ == "__main__":
    mutmut.get_mutant_runner = _runner  # type: ignore[attr-defined]
    mutmut._run(sys.argv[1:], 1)
