"""How large the guard is and what it imports: ``python -m tests.support.guard_lines`` prints the table of
``docs/interlock.md``.

Counted is every module that ``safety/__main__.py`` reaches by its imports. A line of code is one with anything on it
but a comment or a documentation string.
"""

from __future__ import annotations

import ast
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
OURS = ("safety", "hw", "controller", "api", "tests")


class Part(NamedTuple):
    """One part of the guard; ``imports``: what it takes from outside, the standard library's modules among it."""

    name: str
    files: int
    lines: int
    code: int
    imports: tuple[str, ...]


def parts() -> list[Part]:
    """The part that decides, the part that acts, and the part that touches pins."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    pure = next(set(one["source_modules"]) for one in contracts if one["id"] == "pure-safety")
    modules = reached("safety.__main__")
    groups = {
        "decides: no clock, no input or output": [one for one in modules if one in pure],
        "acts: the process, its loop and its link": [one for one in modules if one not in pure and one[:2] != "hw"],
        "touches pins, through pigpio": [one for one in modules if one[:2] == "hw"],
    }
    return [part(name, group) for name, group in groups.items()]


def reached(start: str) -> list[str]:
    """Every module of ours that one reaches by imports, itself included."""
    found, waiting = {start}, [start]
    while waiting:
        new = {one for one in imported(waiting.pop()) if one.partition(".")[0] in OURS} - found
        found |= new
        waiting += new
    return sorted(one for one in found if path(one).name != "__init__.py")


def part(name: str, modules: list[str]) -> Part:
    lines = sum(len(path(one).read_text(encoding="utf-8").splitlines()) for one in modules)
    outside = {name.partition(".")[0] for one in modules for name in imported(one)} - {*OURS, "__future__"}
    return Part(name, len(modules), lines, sum(code_lines(path(one)) for one in modules), tuple(sorted(outside)))


def path(module: str) -> Path:
    file = ROOT / Path(*module.split("."))
    return file / "__init__.py" if file.is_dir() else file.with_suffix(".py")


@cache
def imported(module: str) -> frozenset[str]:
    """The modules that a module imports, by their full names."""
    return frozenset(_imports(ast.parse(path(module).read_text(encoding="utf-8"))))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = node.module in OURS and path(whole).is_file()
                yield whole if is_module else node.module


def code_lines(file: Path) -> int:
    """Lines with code on them."""
    with tokenize.open(file) as text:
        tokens = list(tokenize.generate_tokens(text.readline))
    empty = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    texts = {
        line
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = {n for one in tokens if one.type not in empty for n in range(one.start[0], one.end[0] + 1)}
    return len(lines - texts)


def table() -> str:
    """The table as it stands on the page."""
    rows = ["| part | files | lines | lines of code | imports from outside |", "|---|---|---|---|---|"]
    rows += [f"| {one.name} | {one.files} | {one.lines} | {one.code} | {', '.join(one.imports)} |" for one in parts()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
