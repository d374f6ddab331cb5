"""What was found: a code of the one table (``texts.toml``), how bad it is, and the figures. Words come last.

The table has a check's name for each thing that is looked at, and for each problem what it means and the cure, in
Bokmål and English.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

LANGUAGES: Final = ("nb", "en")
TABLE: Final = Path(__file__).with_name("texts.toml")


class State(StrEnum):
    """GOOD, or BAD: nothing may come out before it is mended; NOTE: worth knowing; SKIPPED: could not be looked at."""

    GOOD = "good"
    BAD = "bad"
    NOTE = "note"
    SKIPPED = "skipped"


WORDS: Final = {
    "nb": {State.GOOD: "ok", State.BAD: "FEIL", State.NOTE: "obs", State.SKIPPED: "-"},
    "en": {State.GOOD: "ok", State.BAD: "BAD", State.NOTE: "note", State.SKIPPED: "-"},
}


@dataclass(frozen=True)
class Finding:
    """``check`` was looked at. ``code``: the problem, None if all is well. ``detail``: figures or names as found."""

    check: str
    state: State = State.GOOD
    code: str | None = None
    detail: str = ""


def good(check: str, detail: object = "") -> Finding:
    """All is well there."""
    return Finding(check, detail=str(detail))


def problem(code: str, detail: object = "") -> Finding:
    """A problem of the table; the table says how bad it is and which check it belongs to."""
    entry = table()["problem"][code]
    return Finding(entry["check"], State(entry["state"]), code, str(detail))


@cache
def table() -> dict[str, Any]:
    """The table of texts."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def line(finding: Finding, language: str) -> str:
    """A finding as one line, with its cure."""
    word, name = WORDS[language][finding.state], table()["check"][finding.check][language]
    said = f"{word:<5} {name}" + (f": {finding.detail}" if finding.detail else "")
    if finding.code is None:
        return said
    entry = table()["problem"][finding.code]
    return f"{said}{'.' if finding.detail else ':'} {entry[language]} {entry['cure_' + language]} [{finding.code}]"


def as_dict(finding: Finding, language: str) -> dict[str, str | None]:
    """For ``--json``."""
    entry = table()["problem"].get(finding.code, {})
    return {
        "check": finding.check,
        "state": finding.state,
        "code": finding.code,
        "detail": finding.detail,
        "text": entry.get(language),
        "cure": entry.get("cure_" + language),
    }


def is_bad(findings: Iterable[Finding]) -> bool:
    """Whether anything of it must be mended before something may come out."""
    return any(finding.state is State.BAD for finding in findings)
