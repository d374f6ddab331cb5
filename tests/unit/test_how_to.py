"""The how-tos, followed word by word in a copy of the tree.

``Write `PATH`:``, ``In `PATH`, below `LINE`:`` (the line that contains it) and blocks of ``sh`` are carried out.
A command must succeed; what a how-to only tells is not tried.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HOW_TO = ROOT / "docs" / "how-to"
STEP = re.compile(
    r"(?:Write `(?P<new>[^`]+)`|In `(?P<file>[^`]+)`, below\s+`(?P<line>[^`\n]+)`):\n\n```\w+\n(?P<text>.*?)^```$|"
    r"^```sh\n(?P<commands>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
FOLDERS = ("api", "controller", "docs", "hw", "safety", "tests")
FILES = ("pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "LICENSE")
TIMEOUT_S = 300


@pytest.fixture(name="copy")
def _copy(tmp_path: Path) -> Path:
    """The tree as it stands, without what was made in it."""
    made = shutil.ignore_patterns("__pycache__", "recordings", "*.png", "build")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=made)
    for file in FILES:
        shutil.copy(ROOT / file, tmp_path)
    return tmp_path


def steps(name: str) -> Iterator[re.Match[str]]:
    yield from STEP.finditer((HOW_TO / name).read_text(encoding="utf-8"))


def follow(name: str, tree: Path) -> list[str]:
    """Carries out a how-to; gives what its commands said."""
    said = []
    for step in steps(name):
        if step["new"]:
            (tree / step["new"]).write_text(step["text"], encoding="utf-8")
        elif step["file"]:
            insert(tree / step["file"], step["line"], step["text"])
        else:
            said.append(command(step["commands"], tree))
    return said


def insert(file: Path, below: str, text: str) -> None:
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    (number,) = (number for number, line in enumerate(lines) if below in line)
    lines.insert(number + 1, text)
    file.write_text("".join(lines), encoding="utf-8")


def command(text: str, tree: Path) -> str:
    """What a person types, with this Python for that of .venv and the copy for what is installed."""
    python = shlex.quote(sys.executable)
    words = {"pelvistim": "-m controller.cli", "python -m pytest": "-m pytest -p no:cacheprovider", "python": ""}
    typed = re.sub(r"\.venv/bin/(pelvistim|python -m pytest|python)", lambda found: f"{python} {words[found[1]]}", text)
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    result = subprocess.run(
        ["bash", "-euc", typed],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.returncode == 0, f"{text}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout


def test_a_new_programme_can_be_checked_played_and_put_into_the_library(copy: Path) -> None:
    check, run, decoded, tests = follow("a-new-programme.md", copy)
    assert "gentle-20hz" in check
    assert "Gentle contractions" in run
    assert "peak measured: A 20.0 mA" in run
    assert decoded
    assert re.search(r"[4-9] passed|\d\d passed", tests), tests


def test_a_new_language_is_whole_when_the_steps_are_done(copy: Path) -> None:
    *_, tests = follow("a-new-language.md", copy)
    assert re.search(r"\d\d passed", tests), tests
    assert (copy / "api/web/index.html").read_text(encoding="utf-8").count('<span lang="sv">') > 5


def test_a_new_cause_is_whole_when_the_steps_are_done(copy: Path) -> None:
    *_, tests = follow("a-new-cause.md", copy)
    assert re.search(r"\d\d passed", tests), tests
    assert "`rail_high`" in (copy / "docs/interlock.md").read_text(encoding="utf-8")
