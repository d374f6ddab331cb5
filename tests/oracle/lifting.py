"""The gate without some of its rules.

Every ``if`` in ``safety/decode.py``, ``safety/gate.py`` and ``safety/setpoint.py`` whose body refuses is a rule. Copies
of these modules are made in which the conditions of some rules never hold, and in which a refusal names its rule. What
the whole gate refused, and the oracle calls unsafe, is then asked again.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from safety.gate import History, Progress
from tests.oracle.compare import Case, Report, Step
from tests.oracle.oracle import Oracle, Run, Standing
from tests.support.chunks import Script

ROOT = Path(__file__).parents[2]
MODULES = ("decode", "setpoint", "gate")
"""In the order in which they import each other."""
LIFTED_MAX = 8


class Rule(NamedTuple):
    """One rule: its module, its line, the code of its refusal, and the words that its detail has anyway."""

    module: str
    line: int
    code: str
    words: str

    def __str__(self) -> str:
        return f"{self.module} {self.code} ({self.words})"


class Missed(NamedTuple):
    """What a rule's deletion lets through: with the ``others`` lifted, the rule alone stands before it.

    ``broken`` is the oracle's word on the chunk that is then approved; or ``error`` is how the gate ends instead.
    """

    others: frozenset[Rule]
    broken: tuple[str, ...]
    error: str | None = None


def _refusal(node: ast.AST) -> ast.Call | None:
    """The refusal that is the body of an ``if``."""
    if not isinstance(node, ast.If):
        return None
    first = node.body[0]
    made = first.exc if isinstance(first, ast.Raise) else first.value if isinstance(first, ast.Return) else None
    if isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id in ("_Refused", "Refusal"):
        return made
    return None


def _parsed(module: str) -> ast.Module:
    return ast.parse((ROOT / "safety" / f"{module}.py").read_text(encoding="utf-8"))


def _rule(module: str, node: ast.AST) -> Rule | None:
    made = _refusal(node)
    if made is None or not isinstance(node, ast.If):
        return None
    code, detail = made.args
    assert isinstance(code, ast.Constant)
    parts = detail.values if isinstance(detail, ast.JoinedStr) else [detail]
    words = "*".join(str(part.value) if isinstance(part, ast.Constant) else "" for part in parts)
    return Rule(module, node.lineno, str(code.value), re.sub(r"\*+", "*", words))


def rules() -> list[Rule]:
    """Every rule of the gate."""
    found = (_rule(module, node) for module in MODULES for node in ast.walk(_parsed(module)))
    return sorted(rule for rule in found if rule is not None)


@contextmanager
def _put_aside(names: Iterable[str]) -> Iterator[None]:
    kept = {name: sys.modules[name] for name in names}
    try:
        yield
    finally:
        sys.modules.update(kept)


@lru_cache(maxsize=512)
def without(lifted: frozenset[Rule]) -> dict[str, ModuleType]:
    """The three modules without some rules; the code of each refusal is then ``module:line``."""
    made = {}
    with _put_aside(f"safety.{name}" for name in MODULES):
        for name in MODULES:
            tree = _parsed(name)
            for node in ast.walk(tree):
                rule = _rule(name, node)
                if rule is None:
                    continue
                assert isinstance(node, ast.If)
                refusal = _refusal(node)
                assert refusal is not None
                refusal.args[0] = ast.copy_location(ast.Constant(f"{name}:{rule.line}"), refusal.args[0])
                if rule in lifted:
                    node.test = ast.copy_location(ast.Constant(False), node.test)
            module = ModuleType(f"safety.{name}")
            sys.modules[f"safety.{name}"] = made[name] = module
            exec(compile(tree, f"safety/{name}.py", "exec"), module.__dict__)
    return made


def missed(report: Report) -> dict[Rule, Missed]:
    """For each rule what its deletion lets through, with as few others lifted as was found."""
    by_place = {f"{rule.module}:{rule.line}": rule for rule in rules()}
    found: dict[Rule, Missed] = {}
    whats = [one for kept in (*report.kept.values(), *report.kept_steps.values()) for one in kept]
    for what in whats:
        chain: list[Rule] = []
        while len(chain) <= LIFTED_MAX:
            try:
                place, broken = _asked(what, frozenset(chain))
            except Exception as error:  # whatever it is, nothing is approved by it
                ends = Missed(frozenset(chain[:-1]), (), type(error).__name__)
                if chain[-1] not in found or _weight(found[chain[-1]]) > _weight(ends):
                    found[chain[-1]] = ends
                break
            if place is None:
                _take(found, what, chain, broken)
                break
            chain.append(by_place[place])
    return found


def _take(found: dict[Rule, Missed], what: Case | Step, chain: list[Rule], broken: tuple[str, ...]) -> None:
    """Each rule of a chain, all of which had to be lifted, stands alone once the others are."""
    for rule in chain if broken else ():
        others, before = frozenset(chain) - {rule}, found.get(rule)
        if before is not None and _weight(before) <= _weight(Missed(others, broken)):
            continue
        try:
            place, _ = _asked(what, others)
        except Exception:  # as above
            continue
        if place == f"{rule.module}:{rule.line}":
            found[rule] = Missed(others, broken)


def _weight(missed_: Missed) -> tuple[bool, bool, int]:
    """An approval says more than an error; that its revision is wrong is the least to say of a chunk; few others."""
    return missed_.error is not None, missed_.broken == ("revision",), len(missed_.others)


def _asked(what: Case | Step, lifted: frozenset[Rule]) -> tuple[str | None, tuple[str, ...]]:
    """Which rule still refuses; None when it was approved, with what the oracle says of the chunk that was."""
    return _chunk(what, lifted) if isinstance(what, Case) else _step(what, lifted)


def _chunk(case: Case, lifted: frozenset[Rule]) -> tuple[str | None, tuple[str, ...]]:
    verdict = without(lifted)["gate"].judge(
        case.plan, case.progress, case.start_us, case.revision, case.data, case.now_us
    )
    return getattr(verdict, "code", None), case.broken


def _step(step: Step, lifted: frozenset[Rule]) -> tuple[str | None, tuple[str, ...]]:
    """Whether the request is granted, and if so, whether a chunk that makes use of it is approved."""
    modules = without(lifted)
    plan = step.plan
    start_us = max(step.at_us, step.approved_us) if step.raises else step.approved_us
    set_point: Any
    if step.raises:
        set_point = modules["setpoint"].grant_raise(
            step.set_point, step.to_ua, step.at_us, step.approved_us, plan.schedule, plan.caps_ua
        )
    else:
        mine = modules["setpoint"].SetPoint(**vars(step.set_point))
        set_point = mine.lowered(step.to_ua)
    if hasattr(set_point, "code"):
        return set_point.code, ()
    oracle = Oracle(plan.full_scale_ua)
    oracle.load(step.programme, plan.caps_ua)
    oracle.wish, oracle.standing = step.wish, Standing(start_us)
    in_force = set_point.at(start_us)
    script = Script(100_000)
    # the programme's next pulse, as strong as the step would let it be, on the first channel that may deliver there
    for name, value in zip("AB", in_force.values_ua, strict=True):
        hill = oracle.course.hill(name, start_us + 100)
        beat = hill.next_beat(start_us + 100) if hill is not None else 0
        if hill is not None and name in step.to_ua and beat < min(hill.end_us, start_us + 97_000):
            above, below = hill.height(beat)
            code = max(0, min(4095, value * 4096 * above // (below * plan.full_scale_ua)))
            script.opening(**{name.lower(): code})
            script.pulse(beat - start_us, name, width=hill.width_us, gap=hill.gap_us)
            break
    else:
        script.opening()
    script.closing()
    data, revision = script.data(), in_force.revision
    progress = replace(Progress(set_point), session_us=start_us, channels=_under_way(step, oracle, start_us))
    verdict = modules["gate"].judge(plan, progress, start_us, revision, data, 0)
    return getattr(verdict, "code", None), tuple(oracle.chunk(start_us, revision, data, 0))


def _under_way(step: Step, oracle: Oracle, start_us: int) -> dict[str, History]:
    """Both channels felt at the set-point in force until just before played time 0; the oracle is told the same."""
    first, last = -1_000_000, -60_000
    channels = {}
    for name, value in step.wish.values_ua.items():
        sort = oracle.sort(name, start_us + 100)
        received = oracle.received[name]
        received.suppose(last, Run(first, last, sort))
        received.whole_ua[-1] = value
        channels[name] = History(first, last, continuous=sort == "continuous", felt_ua=value)
    return channels
