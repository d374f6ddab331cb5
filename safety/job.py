"""The job under way, self-test or electrode check: a step at a time, as the guard's loop comes to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from safety import electrode
from safety.electrode import Finding
from safety.errors import BoardError
from safety.steps import Steps, Wait


@dataclass(frozen=True)
class Over:
    """A job came to its end: what it gave, a self-test the cause that it found (None: it passed), an electrode check
    the finding of each channel."""

    result: Any


class Job:
    """At most one. ``wait``: what its step under way wishes of the checks; ``is_new``: it has not made its first step;
    ``electrodes``: the findings of the last electrode check."""

    def __init__(self, now: int) -> None:
        self._steps: Steps[Any] | None = None
        self.wait = Wait(now)
        self.is_new = False
        self.electrodes: dict[str, Finding] = {}

    def begin(self, steps: Steps[Any], now: int) -> None:
        """Takes the place of one that is under way."""
        self._steps, self.wait, self.is_new = steps, Wait(now), True
        self.electrodes = {}

    def drop(self) -> None:
        """It makes no further step. What its last one wished stays so."""
        self._steps = None

    @property
    def wake_us(self) -> int | None:
        """When its next step is due, None when there is no job."""
        return None if self._steps is None else self.wait.until_us

    def go_on(self, now: int) -> Over | None:
        """One step. Raises BoardError; then it is dropped."""
        steps, new = self._steps, self.is_new
        assert steps is not None
        self.is_new = False
        try:
            self.wait = next(steps) if new else steps.send(now)
        except StopIteration as over:
            self._steps, self.wait = None, Wait(now)
            return Over(over.value)
        except BoardError:
            self.drop()
            raise
        return None

    def found(self, findings: dict[str, Finding]) -> tuple[bool, tuple[str, ...]]:
        """Keeps what an electrode check found: whether all is well, and the causes to stop for."""
        self.electrodes = dict(findings)
        codes = [finding.code for finding in self.electrodes.values()]
        return not any(codes), tuple(code for code in codes if code is not None and code not in electrode.FINDINGS)
