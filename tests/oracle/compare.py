"""Gate and oracle side by side: every request and every chunk goes to both, and what they disagree about is kept.

The gate is the product's own, as the guard uses it: ``safety.session.Session`` with all that stands behind it.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Final

from safety import gate, ledger
from safety.decode import Refusal, decode_in_slices
from safety.lease import Lease
from safety.session import Session
from safety.setpoint import SetPoint
from safety.supply import Approved
from tests.oracle.oracle import Oracle, Wish
from tests.support.chunks import LINES
from tests.support.signed import prescribed

KEPT_OF_A_KIND = 60
"""How many refused chunks of a kind are kept, to be tried again without rules."""
TIMED_EACH = 20
"""One chunk in so many is decoded and judged once more, to time both without what is kept of equal chunks."""
_OVER = object()


@dataclass(frozen=True)
class Case:
    """A chunk with all that it was judged by; ``broken`` is the oracle's word."""

    how: str
    plan: gate.Plan
    progress: gate.Progress
    start_us: int
    revision: int
    data: bytes
    now_us: int
    broken: tuple[str, ...]
    refused: str | None


@dataclass(frozen=True)
class Step:
    """A request for another set-point, with all that it was judged by."""

    raises: bool
    programme: bytes
    plan: gate.Plan
    set_point: SetPoint
    wish: Wish
    approved_us: int
    to_ua: Mapping[str, int]
    at_us: int


@dataclass
class Report:
    """What came of it. Times in ns."""

    chunks: int = 0
    valid: int = 0
    sessions: int = 0
    requests: int = 0
    granted: int = 0
    hows: Counter[tuple[str, bool]] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    disagreements: list[Case] = field(default_factory=list)
    request_disagreements: list[tuple[str, tuple[str, ...], str | None]] = field(default_factory=list)
    kept: dict[str, list[Case]] = field(default_factory=lambda: defaultdict(list))
    kept_steps: dict[str, list[Step]] = field(default_factory=lambda: defaultdict(list))
    judged_ns: array[int] = field(default_factory=lambda: array("Q"))
    slice_ns: array[int] = field(default_factory=lambda: array("Q"))
    decode_ns: array[int] = field(default_factory=lambda: array("Q"))
    whole_ns: array[int] = field(default_factory=lambda: array("Q"))


HEARD: Final = Lease(0, 1 << 62, echoed=True)
"""Whether anybody is there is no matter of chunks: here somebody always is."""


def kind(refusal: Refusal) -> str:
    """The refusal's code with the words of its detail: what tells apart rules that give the same code."""
    return refusal.code + ": " + re.sub(r"0x[0-9a-f]+|-?\d+|\b[AB]\b", "*", refusal.detail)


class Pair:
    """One body under both; ``verdict`` and the requests give what the gate said."""

    def __init__(self, full_scale_ua: int, now_us: int, report: Report, *, clean: bool) -> None:
        self.report = report
        record = ledger.Record() if clean else ledger.load(None)
        self.session = Session(LINES, full_scale_ua, record, now_us)
        self.oracle = Oracle(full_scale_ua)
        if not clean:
            self.oracle.unclean(now_us)
        self.waiting: Approved | None = None
        self._programme = b""

    # --- chunks ---------------------------------------------------------------------------------------------------

    def verdict(self, how: str, start_us: int, revision: int, data: bytes, now_us: int) -> gate.Approval | None:
        """Has both judge a chunk; gives the gate's approval if both agree on it."""
        report, session = self.report, self.session
        broken = tuple(self.oracle.chunk(start_us, revision, data, now_us))
        began = perf_counter_ns()
        verdict = session.judge(start_us, revision, data, now_us)
        report.judged_ns.append(perf_counter_ns() - began)
        if report.chunks % TIMED_EACH == 0:
            self._time(start_us, revision, data, now_us)
        report.chunks += 1
        report.valid += not broken
        report.hows[how, not broken] += 1
        report.broken.update(set(broken))
        refused = verdict.code if isinstance(verdict, Refusal) else None
        if refused is not None:
            report.refusals[refused] += 1
        if bool(broken) != bool(refused) or broken:
            case = Case(how, self._plan, session.progress, start_us, revision, data, now_us, broken, refused)
            if bool(broken) != bool(refused):
                report.disagreements.append(case)
                return None
            assert isinstance(verdict, Refusal)
            kept = report.kept[kind(verdict)]
            if len(kept) < KEPT_OF_A_KIND:
                kept.append(case)
        return verdict if isinstance(verdict, gate.Approval) else None

    def _time(self, start_us: int, revision: int, data: bytes, now_us: int) -> None:
        """What decoding takes, its longest slice, and the rules over time after it, nothing being kept."""
        slices, longest_ns = decode_in_slices(data, LINES), 0
        began = decoded = perf_counter_ns()
        while True:
            over = next(slices, _OVER)
            before, decoded = decoded, perf_counter_ns()
            longest_ns = max(longest_ns, decoded - before)
            if over is _OVER:
                break
        self.session.judge(start_us, revision, data, now_us)  # was judged just now, so that its decoding is kept
        judged = perf_counter_ns()
        self.report.slice_ns.append(longest_ns)
        self.report.decode_ns.append(decoded - began)
        self.report.whole_ns.append(judged - began)

    def play(self, approval: gate.Approval, start_us: int, data: bytes, now_us: int) -> None:
        """The chunk that both approved is what comes next."""
        self.waiting = Approved(0, start_us, data, approval.chunk, self.session.progress)
        self.session.progress = approval.progress
        self.oracle.approve(start_us, data, now_us)
        self._agree()

    # --- requests -------------------------------------------------------------------------------------------------

    def load(self, programme: bytes, caps_ua: dict[str, int]) -> None:
        refusal = self.session.load(programme.decode(), prescribed(programme, caps_ua), 0)
        assert refusal is None, refusal
        self.oracle.load(programme, caps_ua)
        self._programme = programme

    def begin(self, now_us: int) -> None:
        self.session.lease = HEARD
        self.session.begin(now_us)
        self.oracle.begin(now_us, self.session.progress.set_point.revision)
        self.waiting = None
        self._agree()

    def resume(self, now_us: int) -> None:
        self.session.resume(now_us)
        self.oracle.resume(now_us, self.session.progress.set_point.revision)
        self.waiting = None
        self._agree()

    def withdraw(self) -> None:
        self.session.withdraw(self.waiting)
        self.oracle.withdraw(self.session.progress.set_point.revision, waiting=self.waiting is not None)
        self.waiting = None
        self._agree()

    def stop(self, now_us: int) -> None:
        self.session.close(None, now_us)
        self.oracle.stop(now_us)
        self.waiting = None

    def raise_(self, to_ua: dict[str, int], at_us: int) -> bool:
        broken = tuple(self.oracle.raise_(to_ua, at_us))
        progress, wish = self.session.progress, self.oracle.wish
        next_us = progress.session_us or 0
        refusal = self.session.raise_({"at_us": at_us, "to_ua": to_ua})
        if broken:
            self._keep(
                Step(True, self._programme, self._plan, progress.set_point, wish, next_us, to_ua, at_us), refusal
            )
        else:
            self.oracle.step(to_ua, at_us)
        return self._asked("raise", broken, refusal)

    def lower(self, to_ua: dict[str, int]) -> bool:
        broken = tuple(self.oracle.lower_(to_ua))
        progress, wish = self.session.progress, self.oracle.wish
        next_us = progress.session_us or 0
        refusal = self.session.lower({"to_ua": to_ua})
        if broken:
            self._keep(Step(False, self._programme, self._plan, progress.set_point, wish, next_us, to_ua, 0), refusal)
        else:
            self.oracle.lower(to_ua, self.session.progress.set_point.revision)
        return self._asked("lower", broken, refusal)

    def end(self, at_us: int) -> bool:
        broken = tuple(self.oracle.ends(at_us))
        refusal = self.session.ends(at_us)
        if not broken:
            self.oracle.end(at_us)
        return self._asked("end", broken, refusal)

    @property
    def _plan(self) -> gate.Plan:
        assert self.session.plan is not None
        return self.session.plan

    def _keep(self, step: Step, refusal: Refusal | None) -> None:
        if refusal is not None:
            kept = self.report.kept_steps[kind(refusal)]
            if len(kept) < KEPT_OF_A_KIND:
                kept.append(step)

    def _asked(self, what: str, broken: tuple[str, ...], refusal: Refusal | None) -> bool:
        report = self.report
        report.requests += 1
        report.granted += refusal is None
        if bool(broken) != bool(refusal):
            report.request_disagreements.append((what, broken, refusal.code if refusal else None))
        self._agree()
        return refusal is None

    def _agree(self) -> None:
        """Set-point and place are the same on both sides; the comparison would mean little if they were not."""
        wish, standing, progress = self.oracle.wish, self.oracle.standing, self.session.progress
        mine = (wish.revision, tuple(wish.values_ua.values()), standing.next_us, standing.played_us, self.oracle.end_us)
        gates = (
            progress.set_point.revision,
            progress.set_point.values_ua,
            progress.session_us,
            progress.played_us,
            progress.end_us,
        )
        assert mine == gates, (mine, gates)
