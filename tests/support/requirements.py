"""Which tests carry which safety requirement, read from their source without running it, and what does not fit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from safety.hazards import RiskFile, Status

Carried = dict[str, list[str]]
"""Requirement id: the tests that carry it, as file::name."""


def carried(root: Path) -> tuple[Carried, list[str]]:
    """What the tests under ``root``/tests carry, and the place of each marker that is on nothing ``make test`` runs."""
    found: Carried = {}
    misplaced = []
    for path in sorted((root / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = str(path.relative_to(root))
        good = set()
        if path.name.startswith("test_") and not path.is_relative_to(root / "tests" / "bench"):
            for test, marker, ids in _on_tests(tree):
                good.add(marker)
                for ident in ids:
                    found.setdefault(ident, []).append(f"{name}::{test}")
        misplaced += [f"{name}:{node.lineno}" for node in ast.walk(tree) if _is_marker(node) and node not in good]
    return found, misplaced


def _on_tests(tree: ast.Module) -> Iterator[tuple[str, ast.expr, list[str]]]:
    """Each marker on a test of a module that names its requirements as texts: test, marker, ids."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and _is_marker(decorator.func) and not decorator.keywords:
                    ids = [one.value for one in decorator.args if isinstance(one, ast.Constant)]
                    texts = [one for one in ids if isinstance(one, str)]
                    if texts and len(texts) == len(decorator.args):
                        yield node.name, decorator.func, texts


def _is_marker(node: ast.AST) -> bool:
    """Whether it is ``pytest.mark.req`` or ``mark.req``."""
    return isinstance(node, ast.Attribute) and node.attr == "req" and ast.unparse(node.value) in ("pytest.mark", "mark")


def orphans(risk: RiskFile, root: Path) -> list[str]:
    """Everything in ``risk`` that the tree under ``root`` does not bear out, and every marker that does not fit it."""
    found, misplaced = carried(root)
    said = [f"{place}: the marker is on no test, or does not name requirements as texts" for place in misplaced]
    for ident, tests in found.items():
        if ident not in risk.requirements:
            said += [f"{test}: no requirement {ident}" for test in tests]
    named = {ident for hazard in risk.hazards for ident in hazard.requirements}
    for ident, requirement in risk.requirements.items():
        if requirement.status is Status.MET and ident not in found:
            said.append(f"{ident} is met, and no test carries it")
        if requirement.status is Status.PLANNED and ident in found:
            said.append(
                f"{ident} is planned, and {found[ident][0]} carries it: then it is met, or the test shows another"
            )
        if ident not in named:
            said.append(f"{ident}: no hazard names it")
    for hazard in risk.hazards:
        if not hazard.controls or not hazard.requirements:
            said.append(f"{hazard.id}: without a control, or without a requirement")
        for control in hazard.controls:
            if control.function is not None and not _is_defined(root, *control.function):
                said.append(f"{hazard.id}: {control.where} does not exist")
    return said


def _is_defined(root: Path, path: str, name: str) -> bool:
    """Whether a file of the product has that function or class; a method as Class.method."""
    if path.startswith("tests/") or not (root / path).is_file():
        return False
    body = ast.parse((root / path).read_text(encoding="utf-8")).body
    for part in name.split("."):
        kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        match = [node for node in body if isinstance(node, kinds) and node.name == part]
        if not match:
            return False
        body = match[0].body
    return True
