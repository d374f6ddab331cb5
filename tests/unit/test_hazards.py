"""The risk file against the tree and the tests: no orphan in either direction; and its reader, which is strict."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from safety.errors import InputRefused
from safety.hazards import HAZARDS, RiskFile, document, load
from tests.support.requirements import carried, orphans

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "risk.md"


# --- the real one -----------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-110")
def test_nothing_is_an_orphan() -> None:
    assert orphans(load(), ROOT) == []


def test_the_page_says_what_the_file_says() -> None:
    command = [sys.executable, "-m", "safety.hazards"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said == document(load())
    assert PAGE.read_text(encoding="utf-8") == said, "python -m safety.hazards > docs/risk.md"


@pytest.mark.req("SR-103")
def test_the_page_says_what_it_is_not() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert "not a certified medical device" in text
    assert "claims no conformity to any standard" in text
    assert "no claim of conformity to ISO 14971" in text


def test_every_entry_is_on_the_page_once() -> None:
    risk, page = load(), PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:HZ|SR|END)-\d+)", page, re.MULTILINE)
    assert sorted(rows) == sorted([*(one.id for one in risk.hazards), *risk.requirements, *(e.id for e in risk.ends)])
    for hazard in risk.hazards:
        for text in (hazard.hazard, hazard.cause, hazard.harm, hazard.residual, *(one.what for one in hazard.controls)):
            assert text in page
    for shared in risk.shared:
        assert shared.meaning in page


COLLECT = """
import pytest

class Collected:
    def pytest_collection_modifyitems(self, items):
        for item in items:
            for marker in item.iter_markers("req"):
                for ident in marker.args:
                    print("found", ident, item.originalname)

pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", "tests/unit/test_setpoint.py"], [Collected()])
"""


def test_markers_are_those_that_pytest_collects() -> None:
    said = subprocess.run([sys.executable, "-c", COLLECT], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    found, _ = carried(ROOT)
    mine = {
        (ident, test.removeprefix("tests/unit/test_setpoint.py::"))
        for ident, tests in found.items()
        for test in tests
        if test.startswith("tests/unit/test_setpoint.py::")
    }
    assert mine
    assert set(re.findall(r"^found (\S+) (\S+)$", said, re.MULTILINE)) == mine


# --- a small one ------------------------------------------------------------------------------------------------------

SMALL = """
schema = 1
[[severity]]
level = 1
name = "nuisance"
meaning = "None."
[[severity]]
level = 2
name = "grave"
meaning = "Much."
[[end]]
id = "END-1"
name = "chunks"
how = "They end."
defeated_by = "A loop."
state = "built"
[[shared]]
part = "a part"
ends = ["END-1"]
meaning = "Both fail."
[[hazard]]
id = "HZ-001"
group = "One"
hazard = "A hazard."
cause = "A cause."
harm = "A harm."
severity = 2
controls = [
  { what = "A switch", where = "hardware" },
  { what = "A rule", where = "room/part.py::Class.method" },
  { what = "A wish", where = "SR-002" },
]
residual = "Something."
requirements = ["SR-001", "SR-002"]
[[requirement]]
id = "SR-001"
text = "It is so."
status = "met"
[[requirement]]
id = "SR-002"
text = "It will be so."
status = "planned"
"""
TESTED = '@pytest.mark.parametrize("n", [1])\n@pytest.mark.req("SR-001")\ndef test_it(n): pass\n'


def read(folder: Path, text: str) -> RiskFile:
    path = folder / "hazards.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.fixture(name="small")
def _small(tmp_path: Path) -> RiskFile:
    for name, text in {
        "room/part.py": "class Class:\n    def method(self): pass\n",
        "tests/unit/test_it.py": "import pytest\n" + TESTED,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return read(tmp_path, SMALL)


def test_a_small_one_has_no_orphan(small: RiskFile, tmp_path: Path) -> None:
    assert orphans(small, tmp_path) == []
    (tmp_path / "tests/unit/test_it.py").write_text(f"from pytest import mark\n{TESTED}".replace("pytest.mark", "mark"))
    assert orphans(small, tmp_path) == []


TESTS_THAT_DO_NOT_FIT = {
    "a met requirement without a test": ("import pytest\ndef test_it(): pass\n", "SR-001 is met, and no test"),
    "its marker in a comment": (f'"""{TESTED}"""\n', "SR-001 is met, and no test"),
    "an unknown id": (TESTED + TESTED.replace("SR-001", "SR-009"), "test_it.py::test_it: no requirement SR-009"),
    "an unknown id beside a known one": (TESTED.replace('"SR-001"', '"SR-001", "SR-9"'), "no requirement SR-9"),
    "a planned one with a test": (TESTED.replace('"SR-001"', '"SR-001", "SR-002"'), "SR-002 is planned, and tests/"),
    "on a helper": (TESTED + TESTED.replace("test_it", "it"), "test_it.py:5: the marker is on no test"),
    "on a whole module": (
        TESTED + 'pytestmark = pytest.mark.req("SR-001")\n',
        "test_it.py:4: the marker is on no test",
    ),
    "on a test within a function": (
        TESTED + "def outer():\n    @pytest.mark.req('SR-001')\n    def test_in(): pass\n",
        "test_it.py:5: the marker is on no test",
    ),
    "without an id": (TESTED + "@pytest.mark.req\ndef test_b(): pass\n", "test_it.py:4: the marker is on no test"),
    "with no id": (TESTED + "@pytest.mark.req()\ndef test_b(): pass\n", "test_it.py:4: the marker is on no test"),
    "with a name": (TESTED + "@pytest.mark.req(ONE)\ndef test_b(): pass\n", "test_it.py:4: the marker is on no test"),
}


@pytest.mark.req("SR-110")
@pytest.mark.parametrize("name", TESTS_THAT_DO_NOT_FIT)
def test_a_test_that_does_not_fit_is_found(name: str, small: RiskFile, tmp_path: Path) -> None:
    text, said = TESTS_THAT_DO_NOT_FIT[name]
    (tmp_path / "tests/unit/test_it.py").write_text(text, encoding="utf-8")
    (found,) = orphans(small, tmp_path)
    assert said in found


@pytest.mark.req("SR-110")
@pytest.mark.parametrize("name", ["tests/bench/test_it.py", "tests/unit/it.py"])
def test_a_marker_where_nothing_is_collected_is_found(name: str, small: RiskFile, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(TESTED, encoding="utf-8")
    (found,) = orphans(small, tmp_path)
    assert found.startswith(f"{name}:2: the marker is on no test")


def changed(risk: RiskFile, **fields: object) -> RiskFile:
    """The risk file with fields of its only hazard changed."""
    return replace(risk, hazards=(replace(risk.hazards[0], **fields),))  # type: ignore[arg-type]  # any field


ENTRIES_THAT_DO_NOT_FIT: dict[str, tuple[Callable[[RiskFile], RiskFile], str]] = {
    "a requirement that no hazard names": (
        lambda risk: changed(risk, requirements=("SR-001",)),
        "SR-002: no hazard names it",
    ),
    "a hazard without a control": (lambda risk: changed(risk, controls=()), "HZ-001: without a control"),
    "a hazard without a requirement": (
        lambda risk: replace(changed(risk, requirements=()), requirements={}),
        "HZ-001: without a control, or without a requirement",
    ),
    **{
        f"a control in {where}": (
            lambda risk, where=where: changed(risk, controls=(replace(risk.hazards[0].controls[1], where=where),)),
            f"HZ-001: {where} does not exist",
        )
        for where in (
            "room/gone.py::Class.method",
            "room/part.py::Class.gone",
            "room/part.py::gone",
            "room/part.py::method",
            "tests/unit/test_it.py::test_it",
        )
    },
}


@pytest.mark.req("SR-110")
@pytest.mark.parametrize("name", ENTRIES_THAT_DO_NOT_FIT)
def test_an_entry_that_does_not_fit_is_found(name: str, small: RiskFile, tmp_path: Path) -> None:
    change, said = ENTRIES_THAT_DO_NOT_FIT[name]
    if name == "a hazard without a requirement":
        (tmp_path / "tests/unit/test_it.py").unlink()
    (found,) = orphans(change(small), tmp_path)
    assert said in found


# --- the reader -------------------------------------------------------------------------------------------------------

FIELDS = [line for line in SMALL.splitlines() if re.match(r"\w+ = [^\[]", line)] + ['ends = ["END-1"]']
HAZARD = "hazard[1] HZ-001"


@pytest.mark.parametrize("line", range(len(FIELDS)))
def test_every_field_is_needed(line: int, tmp_path: Path) -> None:
    nth = FIELDS[:line].count(FIELDS[line])
    parts = SMALL.split(FIELDS[line] + "\n")
    text = (FIELDS[line] + "\n").join(parts[: nth + 1]) + (FIELDS[line] + "\n").join(parts[nth + 1 :])
    with pytest.raises(InputRefused) as refused:
        read(tmp_path, text)
    field = FIELDS[line].partition(" ")[0]
    assert any((one.field, one.value) == (field, "missing") for one in refused.value.problems)


WRONG = {
    "an unknown key at the top": ("schema = 1", "schema = 1\nauthor = 1", "", "author"),
    "an unknown key of a hazard": ('residual = "', 'risk = 3\nresidual = "', HAZARD, "risk"),
    "an unknown key of a control": (
        'where = "hardware"',
        'where = "hardware", how = "x"',
        f"{HAZARD}.controls[1]",
        "how",
    ),
    "an unknown key of a requirement": ('status = "met"', 'status = "met"\nby = "x"', "requirement[1] SR-001", "by"),
    "another schema": ("schema = 1", "schema = 2", "", "schema"),
    "an id of another form": ('id = "HZ-001"', 'id = "HZ-1"', "hazard[1]", "id"),
    "an id of another kind": ('id = "SR-002"', 'id = "HZ-002"', "requirement[2]", "id"),
    "an id twice": ('id = "SR-002"', 'id = "SR-001"', "requirement[2]", "id"),
    "an unknown requirement": ('["SR-001", "SR-002"]', '["SR-001", "SR-002", "SR-003"]', HAZARD, "requirements"),
    "a requirement twice": ('["SR-001", "SR-002"]', '["SR-001", "SR-002", "SR-002"]', HAZARD, "requirements"),
    "no requirement": ('["SR-001", "SR-002"]', "[]", HAZARD, "requirements"),
    "a requirement that is no text": ('["SR-001", "SR-002"]', '["SR-001", "SR-002", 3]', HAZARD, "requirements"),
    "an unknown end": ('ends = ["END-1"]', 'ends = ["END-2"]', "shared[1]", "ends"),
    "a control in a requirement of others": ('["SR-001", "SR-002"]', '["SR-001"]', f"{HAZARD}.controls[3]", "where"),
    "a control nowhere": ('where = "hardware"', 'where = "somewhere"', f"{HAZARD}.controls[1]", "where"),
    "a control in a file": ("part.py::Class.method", "part.py", f"{HAZARD}.controls[2]", "where"),
    "a severity beyond the scale": ("severity = 2", "severity = 3", HAZARD, "severity"),
    "a severity in words": ("severity = 2", 'severity = "2"', HAZARD, "severity"),
    "a scale with a hole": ("level = 2", "level = 3", "severity", "level"),
    "a status that is none": ('status = "planned"', 'status = "done"', "requirement[2] SR-002", "status"),
    "an empty text": ('harm = "A harm."', 'harm = ""', HAZARD, "harm"),
    "a text of two lines": ('harm = "A harm."', 'harm = "A\\nharm."', HAZARD, "harm"),
    "a text that would end a cell": ('harm = "A harm."', 'harm = "A | harm."', HAZARD, "harm"),
    "a text that is none": ('harm = "A harm."', "harm = 5", HAZARD, "harm"),
    "a table that is none": ("[[shared]]", "[shared]", "", "shared"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    old, new, place, field = WRONG[name]
    assert SMALL.count(old) == 1
    with pytest.raises(InputRefused) as refused:
        read(tmp_path, SMALL.replace(old, new))
    assert any(one.place.startswith(place) and one.field == field for one in refused.value.problems), refused.value


@pytest.mark.parametrize("text", ["controls = []", "controls = 5", ""])
def test_a_hazard_needs_controls(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputRefused) as refused:
        read(tmp_path, re.sub(r"controls = \[.*?\n\]", text, SMALL, flags=re.DOTALL))
    assert (HAZARD, "controls") in [(one.place, one.field) for one in refused.value.problems]


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputRefused) as refused:
        read(
            tmp_path,
            SMALL.replace("severity = 2", "severity = 9").replace('"met"', '"done"').replace('END-1"]', 'END-3"]'),
        )
    assert len(refused.value.problems) == 3


@pytest.mark.parametrize("text", [None, "[[", HAZARDS.read_text(encoding="utf-8")[:-20]])
def test_what_is_no_risk_file_is_refused(text: str | None, tmp_path: Path) -> None:
    with pytest.raises(InputRefused):
        load(tmp_path / "gone.toml") if text is None else read(tmp_path, text)
