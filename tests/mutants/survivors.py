"""Mutants that no test tells from the original: what each changes, and why that is no fault. ``survivors.toml`` has
the reasons; docs/mutants.md is made of it.
"""

from __future__ import annotations

import ast
import difflib
import itertools
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.mutants.pure import ROOT, TABLES, TESTS

REASONS: Final = Path(__file__).with_name("survivors.toml")
PAGE: Final = ROOT / "docs" / "mutants.md"
_CODED: Final = {"Refusal", "_Refused"}
"""These are made of a code and a sentence. The code is what counts."""
_SAID: Final = {"ScheduleRefused", "SealError", "ValueError", "_Bad"}
"""These are made of a sentence alone; their kind is what counts."""


class Mutant(NamedTuple):
    """``where``: module and function; ``before`` and ``after``: the lines that differ, as ``ast.unparse`` has them."""

    where: str
    before: str
    after: str


class Count(NamedTuple):
    """Of one module."""

    made: int
    survived: int


def functions(source: str) -> dict[str, ast.FunctionDef]:
    """Every function of a module's text, methods as ``Class.name``, what is inside of a function not by itself."""
    found: dict[str, ast.FunctionDef] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{one.name}": one for one in node.body if isinstance(one, ast.FunctionDef)}
    return found


def lines(function: ast.FunctionDef) -> list[str]:
    """Its lines without documentation, under a name that does not matter, however it was broken into lines."""
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    arguments = f"def _({ast.unparse(function.args)}):"
    return [arguments, *itertools.chain.from_iterable(ast.unparse(one).splitlines() for one in body)]


def difference(where: str, original: ast.FunctionDef, mutant: ast.FunctionDef) -> Mutant:
    """What a mutant changes."""
    diff = list(difflib.ndiff(lines(original), lines(mutant)))
    before, after = ("\n".join(one[2:].strip() for one in diff if one.startswith(sign)) for sign in "-+")
    return Mutant(where, before, after)


def is_there(mutant: Mutant) -> bool:
    """Whether the code still has what it changes."""
    module, _, name = mutant.where.partition(".")
    found = functions((ROOT / "safety" / f"{module}.py").read_text(encoding="utf-8")).get(name)
    if found is None:
        return False
    present = {line.strip() for line in lines(found)}
    return all(line in present for line in mutant.before.splitlines())


def only_words(mutant: Mutant) -> bool:
    """Whether it changes nothing but the sentence that goes with a refusal's code."""
    try:
        before, after = (_without_words(ast.parse(text)) for text in (mutant.before, mutant.after))
    except SyntaxError:
        return False
    return before == after


def _without_words(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CODED | _SAID:
            node.args = node.args[:1] if node.func.id in _CODED else []
    return ast.dump(tree)


def explained() -> dict[Mutant, str]:
    """The survivors of ``survivors.toml`` with the reason of each."""
    raw = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    return {Mutant(one["where"], one["before"], one["after"]): one["reason"] for one in raw["survivor"]}


def document(counts: Mapping[str, Count], survivors: Mapping[Mutant, str]) -> str:
    """The page."""
    made, survived = (sum(column) for column in zip(*counts.values(), strict=True))
    rows = [f"| `{name}` | {one.made} | {one.made - one.survived} | {one.survived} |" for name, one in counts.items()]
    missing = [f"`{name}`" for name in TESTS if name not in (*TABLES, *counts)]
    listed = [f"Not tried yet: {', '.join(missing)}.\n"] if missing else []
    listed += [
        f"## {where}\n\n{_listed(group)}"
        for where, group in itertools.groupby(survivors.items(), lambda item: item[0].where.partition(".")[0])
    ]
    return "\n".join([_HEAD, *rows, f"| all | {made} | {made - survived} | {survived} |", "", *listed])


_HEAD: Final = """# Mutants

How good are the tests of what the guard decides with? `make mutants` changes one small thing at a time in the
modules of the import contract `pure-safety` (a sign, a bound, a name, an `and` to an `or`) and runs the fast tests
that reach it: one of them must fail. The tool is mutmut; what it changes are the bodies of functions. `limits` and
`causes` are tables, and are held by tests against the pages that show them. Each mutant that survives stands below
with the reason why it is no fault; `tests/mutants/survivors.toml` holds the reasons, and `make mutants` fails for
one that has none. A mutant that does not end (it took five times the processor time of its tests) counts as killed.

Made by `python -m tests.mutants`.

| module | mutants | killed | survived |
|---|---|---|---|"""


def _listed(group: Iterable[tuple[Mutant, str]]) -> str:
    out = []
    for mutant, reason in group:
        diff = [f"- {line}" for line in mutant.before.splitlines()] + [
            f"+ {line}" for line in mutant.after.splitlines()
        ]
        body = "\n".join(diff)
        out.append(f"`{mutant.where}`: {reason}\n\n```diff\n{body}\n```\n")
    return "\n".join(out)


def counts_of(page: str) -> dict[str, Count]:
    """The counts that stand on a page."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| \d+ \| (\d+) \|$", page, re.MULTILINE)
    return {name: Count(int(made), int(survived)) for name, made, survived in rows}
