"""The part of the guard that decides, and the fast tests that try each module of it.

Which modules those are is said once, in the import contract ``pure-safety`` of pyproject.toml.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TESTS: Final[dict[str, tuple[str, ...]]] = {
    "gate": ("gate", "slices", "setpoint"),
    "decode": ("decode", "slices", "gate"),
    "setpoint": ("setpoint", "gate"),
    "ledger": ("ledger",),
    "interlock": ("interlock",),
    "watch": ("watch", "watch_margins"),
    "edges": ("edges",),
    "lease": ("lease",),
    "window": ("window", "watch"),
    "electrode": ("electrode",),
    "selftest": ("selftest",),
    "steps": ("selftest", "electrode"),
    "prescribed": ("prescribed",),
    "schedule": ("schedule",),
    "seal": ("seal",),
    "causes": ("interlock",),
    "errors": ("errors", "schedule"),
    "limits": ("schedule", "gate"),
}
"""Of each module, the files in tests/unit that try it; the worst first, as far as somebody could be hurt."""
TABLES: Final = ("limits", "causes")
"""Modules that only hold figures and texts, which tests hold against the pages that show them: no mutants of them."""


def modules() -> list[str]:
    """The modules of the contract, without ``safety.``"""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    (contract,) = (one for one in tool["importlinter"]["contracts"] if one["id"] == "pure-safety")
    return [name.removeprefix("safety.") for name in contract["source_modules"]]


def files(module: str) -> list[str]:
    """The test files of a module, as paths from the root."""
    return [f"tests/unit/test_{name}.py" for name in TESTS[module]]


def every_file() -> list[str]:
    """All of them, once."""
    return list(dict.fromkeys(file for module in modules() for file in files(module)))
