"""Each rule of the gate, taken out: some test of the gate must then fail.

Every ``if`` whose body refuses is a rule: in ``safety/decode.py``, ``safety/gate.py`` and ``safety/setpoint.py``, in
``safety/prescribed.py`` and ``safety/ledger.py``. For each, a copy of the guard's pure part without it is put beside
copies of its own tests, which are then run.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GATE = ("tests/unit/test_decode.py", "tests/unit/test_gate.py", "tests/unit/test_setpoint.py")
PRESCRIBED = ("tests/unit/test_prescribed.py",)
TESTS = {**dict.fromkeys(("decode", "gate", "setpoint"), GATE), **dict.fromkeys(("prescribed", "ledger"), PRESCRIBED)}
NEEDED = ("safety", "hw", "tests/__init__.py", "tests/support", *GATE, *PRESCRIBED)


def refuses(statement: ast.stmt) -> bool:
    """Whether a statement is ``raise _Refused(...)``, ``raise _Bad(...)`` or ``return Refusal(...)``."""
    made = statement.exc if isinstance(statement, ast.Raise) else getattr(statement, "value", None)
    return (
        isinstance(made, ast.Call)
        and isinstance(made.func, ast.Name)
        and made.func.id in ("_Refused", "_Bad", "Refusal")
    )


def rules() -> list[tuple[str, int, str]]:
    """(file, line, code) of every rule."""
    found = []
    for name in TESTS:
        path = f"safety/{name}.py"
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.If) and refuses(node.body[0]):
                call = node.body[0].exc if isinstance(node.body[0], ast.Raise) else node.body[0].value  # type: ignore[attr-defined]
                found.append((path, node.lineno, ast.unparse(call.args[0])))
    return found


def without(text: str, line: int) -> str:
    """The source without the rule at a line: its condition never holds."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and node.lineno == line:
            node.test = ast.Constant(False)
    return ast.unparse(tree)


def write(path: Path, text: str) -> None:
    """Another source in place of one; what was compiled of it goes, since its time may be of the same second."""
    path.write_text(text, encoding="utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    for name in NEEDED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def run(folder: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # most of a run was the loading of plugins
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_tests_pass_with_every_rule(copy: Path) -> None:
    result = run(copy, GATE + PRESCRIBED)
    assert result.returncode == 0, result.stdout


@pytest.mark.req("SR-017")
@pytest.mark.parametrize(("path", "line", "code"), rules(), ids=lambda value: str(value))
def test_a_rule_that_is_taken_out_is_missed(copy: Path, path: str, line: int, code: str) -> None:
    whole = (copy / path).read_text(encoding="utf-8")
    write(copy / path, without(whole, line))
    try:
        tests = sorted(TESTS[Path(path).stem], key=lambda test: Path(path).stem not in test)
        result = run(copy, tests[:1])  # its own tests mostly do
        if result.returncode == 0 and tests[1:]:
            result = run(copy, tests[1:])
    finally:
        write(copy / path, whole)
    assert result.returncode == 1, f"no test fails without rule {code} ({path}:{line})\n{result.stdout}"
