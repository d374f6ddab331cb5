"""The pages as a site: it builds without a warning, every page has its place, and its drawing is that of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support import rooms

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"


def test_the_site_builds_and_no_link_leads_nowhere(tmp_path: Path) -> None:
    """``make docs``, as it stands in the Makefile: a warning (a dead link, a page without a place) is an error."""
    rule = re.search(r"^docs: .*\n\t(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert rule
    here = {".venv/bin/python": sys.executable, "build/docs": str(tmp_path / "site")}
    words = [here.get(word, word) for word in rule[1].split()]
    assert "-W" in words
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    made = {path.relative_to(tmp_path / "site").with_suffix("").as_posix() for path in tmp_path.rglob("*.html")}
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    assert pages <= made


def test_the_drawing_of_the_rooms_is_that_of_the_code() -> None:
    assert rooms.PICTURE.read_text(encoding="utf-8") == rooms.svg(), "python -m tests.support.rooms"
    assert set(rooms.modules().values()) == set(rooms.PLACES)


def test_the_glossary_has_every_word_in_both_languages() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    head, *rows = rows
    assert head[:2] == ["English", "norsk"]
    assert all(len(row) == 4 and all(row) for row in rows)
    words = {word for row in rows for word in re.split(", ", row[0])}
    assert len(words) >= len(rows) > 40
    assert {"phase width", "interphase gap", "charge per phase", "ramp", "duty cycle", "lead-off"} <= words
    assert {"compliance voltage", "stop category", "latched", "acknowledge"} <= words
    assert not {row[1] for row in rows} & {"resept"}, "a training plan is no resept"


def test_both_pages_for_home_say_the_same_things() -> None:
    nb, en = ((DOCS / f"at-home.{language}.md").read_text(encoding="utf-8") for language in ("nb", "en"))
    for mark in (r"^## ", r"^\d\. ", r"^- ", r"\*\*"):
        assert len(re.findall(mark, nb, re.MULTILINE)) == len(re.findall(mark, en, re.MULTILINE)), mark
    assert "ikke et sertifisert medisinsk utstyr" in nb
    assert "not a certified medical device" in en


def test_no_reader_is_without_a_way_in() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in ("quick-start", "at-home.nb", "at-home.en", "clinician", "hardware", "contributing", "architecture"):
        assert f"({page}.md)" in index, page
