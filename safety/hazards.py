"""The risk file: the hazards of this device, what is done about each, and what is left. ``hazards.toml`` holds it.

``python -m safety.hazards`` prints it as the page ``docs/risk.md``. The reader is strict: a key it does not know, a
field that is missing and an id that is not there are refused with their place. That a file or a function named there
exists, and that tests carry each requirement that is met, is for ``tests/unit/test_hazards.py``.

The guard does not import this module. It claims no conformity to any standard.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from safety.errors import InputRefused, Problem

HAZARDS: Final = Path(__file__).with_name("hazards.toml")
HARDWARE: Final = "hardware"
"""Where a control lives that no program has a part in."""
_HAZARD_ID: Final = re.compile(r"HZ-\d{3}")
_REQUIREMENT_ID: Final = re.compile(r"SR-\d{3}")
_END_ID: Final = re.compile(r"END-\d")
_HAZARD_FIELDS: Final = (
    "id",
    "group",
    "hazard",
    "cause",
    "harm",
    "severity",
    "controls",
    "residual",
    "requirements",
)
_FUNCTION: Final = re.compile(r"(?:\w+/)+\w+\.py::\w+(?:\.\w+)?")
_WHERE: Final = f'"{HARDWARE}", a function ("folder/file.py::function") or the id of a requirement'


class Status(StrEnum):
    """Whether a requirement is kept by what is in the tree, and shown by a test; or nothing of it is claimed yet."""

    MET = "met"
    PLANNED = "planned"


@dataclass(frozen=True)
class Severity:
    """One step of the scale: how bad the harm can be at its worst. ``level`` from 1 (least) up."""

    level: int
    name: str
    meaning: str


@dataclass(frozen=True)
class Requirement:
    """Something about this device that can be verified."""

    id: str
    text: str
    status: Status


@dataclass(frozen=True)
class End:
    """One way in which output ends. ``defeated_by``: what makes it fail. ``state``: whether it is built, in words."""

    id: str
    name: str
    how: str
    defeated_by: str
    state: str


@dataclass(frozen=True)
class Shared:
    """A part that several ends need, so that its failure takes all of them."""

    part: str
    ends: tuple[str, ...]
    meaning: str


@dataclass(frozen=True)
class Control:
    """What is done about a hazard. ``where``: ``HARDWARE``, a function of the tree, or the id of a requirement."""

    what: str
    where: str

    @property
    def function(self) -> tuple[str, str] | None:
        """(path, name) of the function that it lives in; None when it lives elsewhere."""
        path, separator, name = self.where.partition("::")
        return (path, name) if separator else None


@dataclass(frozen=True)
class Hazard:
    """One hazard. ``residual`` says in words what remains after all controls."""

    id: str
    group: str
    hazard: str
    cause: str
    harm: str
    severity: int
    controls: tuple[Control, ...]
    residual: str
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class RiskFile:
    """The whole file, in its own order; requirements by id."""

    severities: tuple[Severity, ...]
    ends: tuple[End, ...]
    shared: tuple[Shared, ...]
    hazards: tuple[Hazard, ...]
    requirements: dict[str, Requirement]


# --- reading ----------------------------------------------------------------------------------------------------------


def load(path: Path = HAZARDS) -> RiskFile:
    """Reads and checks a risk file. Raises InputRefused with every problem found."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = Problem("risk_unreadable", "", "file", str(error), "a TOML file in UTF-8", "Check the path and text.")
        raise InputRefused(str(path), (problem,)) from error
    reader = _Reader()
    risk = _read(reader, raw)
    if reader.problems:
        raise InputRefused(str(path), tuple(reader.problems))
    return risk


def _read(reader: _Reader, raw: dict[str, Any]) -> RiskFile:
    reader.fields(raw, "", ("schema", "severity", "end", "shared", "hazard", "requirement"))
    if raw.get("schema") != 1:
        reader.add("", "schema", raw.get("schema"), "1")
    severities = []
    for place, one in reader.tables(raw, "", "severity", ("level", "name", "meaning")):
        name, meaning = reader.texts(one, place, "name", "meaning")
        severities.append(Severity(reader.whole(one, place, "level"), name, meaning))
    levels = [one.level for one in severities]
    if levels != list(range(1, len(levels) + 1)):
        reader.add("severity", "level", levels, "1 and up, in order")
    requirements = {}
    for place, one in reader.tables(raw, "", "requirement", ("id", "text", "status"), _REQUIREMENT_ID):
        ident, text = reader.texts(one, place, "id", "text")
        requirements[ident] = Requirement(ident, text, reader.status(one, place))
    ends = {}
    for place, one in reader.tables(raw, "", "end", ("id", "name", "how", "defeated_by", "state"), _END_ID):
        ident, name, how, defeated_by, state = reader.texts(one, place, "id", "name", "how", "defeated_by", "state")
        ends[ident] = End(ident, name, how, defeated_by, state)
    shared = []
    for place, one in reader.tables(raw, "", "shared", ("part", "ends", "meaning")):
        part, meaning = reader.texts(one, place, "part", "meaning")
        shared.append(Shared(part, reader.ids(one, place, "ends", ends), meaning))
    hazards = tuple(
        _hazard(reader, place, one, levels, requirements)
        for place, one in reader.tables(raw, "", "hazard", _HAZARD_FIELDS, _HAZARD_ID)
    )
    return RiskFile(tuple(severities), tuple(ends.values()), tuple(shared), hazards, requirements)


def _hazard(
    reader: _Reader, place: str, table: dict[str, Any], levels: list[int], known: Mapping[str, object]
) -> Hazard:
    ident, group, hazard, cause, harm, residual = reader.texts(
        table, place, "id", "group", "hazard", "cause", "harm", "residual"
    )
    severity = reader.whole(table, place, "severity")
    if severity not in levels:
        reader.add(place, "severity", severity, f"one of {levels}")
    named = reader.ids(table, place, "requirements", known)
    controls = []
    for where, one in reader.tables(table, place, "controls", ("what", "where")):
        control = Control(*reader.texts(one, where, "what", "where"))
        if _REQUIREMENT_ID.fullmatch(control.where):
            if control.where not in named:
                reader.add(where, "where", control.where, "one of the hazard's own requirements")
        elif control.where != HARDWARE and not _FUNCTION.fullmatch(control.where):
            reader.add(where, "where", control.where, _WHERE)
        controls.append(control)
    return Hazard(ident, group, hazard, cause, harm, severity, tuple(controls), residual, named)


class _Reader:
    """Collects every problem of a risk file instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, place: str, field: str, value: object, allowed: str) -> None:
        shown = "missing" if value is None else repr(value)
        self.problems.append(Problem("risk_field", place, field, shown, allowed, "Correct the risk file."))

    def fields(self, table: dict[str, Any], place: str, known: tuple[str, ...]) -> None:
        for key in table.keys() - set(known):
            self.add(place, key, table[key], "no such field")
        for key in known:
            if key not in table:
                self.add(place, key, None, "this field")

    def tables(
        self, parent: dict[str, Any], above: str, key: str, known: tuple[str, ...], ids: re.Pattern[str] | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each table of a list, with its place, counted from 1. An empty list is a problem.

        ``ids``: each has an id of this form and of its own, which the place then says too.
        """
        found = parent.get(key)
        if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
            if key in parent:
                self.add(above, key, found, "a list of at least one table")
            return
        seen: set[str] = set()
        for number, one in enumerate(found, 1):
            place = f"{above}.{key}[{number}]" if above else f"{key}[{number}]"
            ident = one.get("id")
            if ids and isinstance(ident, str) and ids.fullmatch(ident):
                place += f" {ident}"
                if ident in seen:
                    self.add(place, "id", ident, "an id of its own")
                seen.add(ident)
            elif ids and "id" in one:
                self.add(place, "id", ident, f"an id of the form {ids.pattern}")
            self.fields(one, place, known)
            yield place, one

    def texts(self, table: dict[str, Any], place: str, *fields: str) -> tuple[str, ...]:
        """Texts of one line, fit for the cell of a table."""
        found = []
        for field in fields:
            value = table.get(field)
            if isinstance(value, str) and value and " ".join(value.split()) == value and "|" not in value:
                found.append(value)
                continue
            if field in table:
                self.add(place, field, value, "a text of one line, without | and without spare spaces")
            found.append("")
        return tuple(found)

    def whole(self, table: dict[str, Any], place: str, field: str) -> int:
        value = table.get(field)
        if type(value) is int:
            return value
        if field in table:
            self.add(place, field, value, "a whole number")
        return 0

    def status(self, table: dict[str, Any], place: str) -> Status:
        value = table.get("status")
        if value in list(Status):
            return Status(value)
        if "status" in table:
            self.add(place, "status", value, " or ".join(Status))
        return Status.PLANNED

    def ids(self, table: dict[str, Any], place: str, field: str, known: Mapping[str, object]) -> tuple[str, ...]:
        value = table.get(field)
        if not isinstance(value, list) or not value or len({*map(str, value)}) != len(value):
            if field in table:
                self.add(place, field, value, "a list of at least one id, each once")
            return ()
        for ident in value:
            if ident not in known:
                self.add(place, field, ident, "an id that this file has")
        return tuple(map(str, value))


# --- the page ---------------------------------------------------------------------------------------------------------


def document(risk: RiskFile) -> str:
    """The whole of docs/risk.md."""
    return "\n".join([*_head(risk), *_ends(risk), *_hazards(risk), *_requirements(risk)])


_HEAD: Final = """\
# Risks

What can go wrong with this device, what is done about it, and what is left. This page is made by
`python -m safety.hazards` from `safety/hazards.toml`.

**PelviStim is not a certified medical device.** It claims no conformity to any standard; this page and the file behind
it are no claim of conformity to ISO 14971. They were written by those who wrote the program; no review by anybody else
is on record, and nothing was tried on a person. No figure here says how often a harm happens: nobody knows.

{hazards} hazards; {requirements} requirements, of which {met} are met and {planned} are planned.

- **met**: it is built, and at least one test shows it, on the simulated board. Nothing was shown on a real one. Tests
  name what they show: `grep -rn "mark.req" tests` finds them.
- **planned**: not claimed. A part of it may be there already.
- **hardware**: the board does it without any program. The board is a paper design ([hardware.md](hardware.md)): nobody
  has built it, and no such control was measured.
- A control that names a function is built as far as its words go.

`tests/unit/test_hazards.py` fails when a requirement that is met has no test, when a test names one that is not here or
only planned, when no hazard names a requirement, and when a control names a function that does not exist.

## Severity

How bad the harm can be at its worst, whatever the controls.

| level | name | meaning |
|---|---|---|
"""


def _head(risk: RiskFile) -> list[str]:
    met = sum(one.status is Status.MET for one in risk.requirements.values())
    counted = {"hazards": len(risk.hazards), "requirements": len(risk.requirements), "met": met}
    text = _HEAD.format(**counted, planned=len(risk.requirements) - met)
    return [*text.splitlines(), *(f"| {one.level} | {one.name} | {one.meaning} |" for one in risk.severities), ""]


def _ends(risk: RiskFile) -> list[str]:
    return [
        "## The ends of output, and what they share",
        "",
        "Output should end even when the parts that ought to end it have failed. These are the ends beside an ordinary",
        "stop. They are not independent of each other: the second table says what several of them need.",
        "",
        "| end | state | how it ends output | what defeats it |",
        "|---|---|---|---|",
        *(f"| {end.id} {end.name} | {end.state} | {end.how} | {end.defeated_by} |" for end in risk.ends),
        "",
        "| shared part | by | what that means |",
        "|---|---|---|",
        *(f"| {one.part} | {', '.join(one.ends)} | {one.meaning} |" for one in risk.shared),
        "",
    ]


def _hazards(risk: RiskFile) -> list[str]:
    lines = ["## Hazards", ""]
    for group in dict.fromkeys(hazard.group for hazard in risk.hazards):
        lines += [
            f"### {group}",
            "",
            "| id | hazard | how it comes about | harm | severity | controls | what is left | requirements |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for one in risk.hazards:
            if one.group == group:
                controls = " ".join(f"{control.what} ({_where(risk, control)})." for control in one.controls)
                cells = (one.id, one.hazard, one.cause, one.harm, str(one.severity), controls, one.residual)
                lines.append(f"| {' | '.join(cells)} | {', '.join(one.requirements)} |")
        lines.append("")
    return lines


def _where(risk: RiskFile, control: Control) -> str:
    if control.function is not None:
        return f"`{control.where}`"
    if control.where == HARDWARE:
        return HARDWARE
    return f"{control.where}, {risk.requirements[control.where].status}"


def _requirements(risk: RiskFile) -> list[str]:
    lines = ["## Safety requirements", "", "| id | status | requirement | hazards |", "|---|---|---|---|"]
    for one in risk.requirements.values():
        hazards = ", ".join(hazard.id for hazard in risk.hazards if one.id in hazard.requirements)
        lines.append(f"| {one.id} | {one.status} | {one.text} | {hazards} |")
    return [*lines, ""]


def main() -> int:
    """Prints the page. Exit 0; 2 when the file is refused."""
    try:
        risk = load()
    except InputRefused as error:
        print(error, file=sys.stderr)
        return 2
    print(document(risk), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
