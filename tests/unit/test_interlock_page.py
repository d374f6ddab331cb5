"""The page that explains the guard, against the guard: its size, states, causes, steps of the self-test, findings."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from safety import electrode, selftest
from safety.causes import CAUSES, SELF_TEST_STEPS
from safety.interlock import Mode
from tests.support import cause_table, guard_lines
from tests.support.sections import main, section

PAGE = Path(__file__).parents[2] / "docs" / "interlock.md"
TEXT = PAGE.read_text(encoding="utf-8")
REMAKE = "python -m tests.support.sections docs/interlock.md {}"
PINS = {"pigpio", "gpiozero"}
SEAL = {"cryptography"}


def chapter(head: str) -> str:
    """The text below a heading, to the next one."""
    return TEXT.split(f"\n## {head}\n")[1].split("\n## ")[0]


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def test_the_guard_is_as_large_as_told() -> None:
    told = cells(section(TEXT, "tests.support.guard_lines"))
    found = guard_lines.parts()
    assert [row[0] for row in told] == [part.name for part in found]
    for row, part in zip(told, found, strict=True):
        for said, counted in zip(row[1:4], part[1:4], strict=True):
            assert abs(int(said) - counted) * 20 <= counted, REMAKE.format("tests.support.guard_lines")


def test_the_guard_imports_what_is_told_and_little_else() -> None:
    told = cells(section(TEXT, "tests.support.guard_lines"))
    found = guard_lines.parts()
    assert [row[4] for row in told] == [", ".join(part.imports) for part in found]
    assert {name for part in found for name in part.imports} - set(sys.stdlib_module_names) == PINS | SEAL
    assert not PINS & {name for part in found[:2] for name in part.imports}, "only hw touches pins"
    assert not SEAL & set(found[0].imports), "what decides needs none of it"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", 0),
        ("# a comment\n\n", 0),
        ('"""A text\nof two lines."""\n\nA = 1  # a comment\n', 1),
        ('A = 1\n"""What it is."""\n', 1),
        ('A = (\n    1,\n\n    # two\n    2,\n)\n', 4),
        ('def f():\n    """Text."""\n    return """a\nb"""\n', 3),
    ],
)  # fmt: skip
def test_lines_of_code_are_counted(text: str, lines: int, tmp_path: Path) -> None:
    (file := tmp_path / "it.py").write_text(text)
    assert guard_lines.code_lines(file) == lines


def test_every_module_of_the_guard_is_counted() -> None:
    modules = set(guard_lines.reached("safety.__main__"))
    files = {f"safety.{path.stem}" for path in (PAGE.parents[1] / "safety").glob("*.py")}
    assert {one for one in modules if one.startswith("safety.")} == files - {"safety.__init__", "safety.hazards"}
    assert {"hw.senses", "hw.deadman", "hw.notices", "hw.pulses", "hw.daemon_facts"} <= modules
    assert not [one for one in modules if one.startswith(("hw.mock", "controller", "api", "tests"))]


@pytest.mark.req("SR-104")
def test_the_table_of_causes_is_that_of_the_guard() -> None:
    told = section(TEXT, "tests.support.cause_table")
    assert told == cause_table.table(), REMAKE.format("tests.support.cause_table")
    rows = cells(told)
    assert [row[1].strip("`") for row in rows] == sorted(CAUSES, key=lambda code: CAUSES[code].priority)


def test_the_drawing_has_every_state() -> None:
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", TEXT, re.DOTALL)
    drawn = set(re.findall(r"\b[A-Z][A-Z_]+\b", drawing))
    assert drawn == {mode.name for mode in Mode}


def test_every_step_of_the_self_test_is_told() -> None:
    assert set(re.findall(r"`(self_test_\w+)`", chapter("The self-test"))) == set(SELF_TEST_STEPS)
    assert set(selftest.CODES) < set(SELF_TEST_STEPS)


def test_every_finding_of_the_electrode_check_is_told() -> None:
    assert set(re.findall(r"`(electrode_\w+)`", chapter("The electrode check"))) == set(electrode.FINDINGS)


def test_what_is_looked_at_has_a_cause() -> None:
    told = set(re.findall(r"`([a-z_]+)`", chapter("What is looked at every 20 ms")))
    elsewhere = {"guard_restarted", "person", "app_lost", "internal_error", "gate_refused"}
    assert told == set(CAUSES) - set(SELF_TEST_STEPS) - elsewhere


def test_a_part_that_is_made_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    (page := tmp_path / "page.md").write_text("a\n<!-- python -m this -->\n\nold\n\n<!-- end -->\nb\n")
    main(page, ["this"])
    text = page.read_text()
    assert section(text, "this").startswith("The Zen of Python")
    assert text.startswith("a\n<!-- python -m this -->\n\n")
    assert text.endswith("\n\n<!-- end -->\nb\n")
    assert "old" not in text
    with pytest.raises(ValueError, match="0 parts"):
        section(text, "that")
