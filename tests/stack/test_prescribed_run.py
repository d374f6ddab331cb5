"""``pelvistim run`` with a signed prescription, and what it signs by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.prescription import Prescription, completed
from controller.prescription_form import as_toml
from controller.programme import load_programme, programme_path
from safety.enrolled import KEYS, enrol, enrolled
from safety.signer import fingerprint, public_key
from tests.support.cli import pelvistim
from tests.support.signed import KEY
from tests.support.treatment import PRESCRIBED


def run(folder: Path, *more: object) -> Any:
    options = ("--board", "sim", "--speed", "max", "--json", "--state", folder / "guard", *more)
    return pelvistim(folder, "run", "stress-50hz", "--minutes", 0.2, *options)


@pytest.fixture
def made(tmp_path: Path) -> Prescription:
    """A prescription for the guard of this folder, which has run once."""
    assert run(tmp_path, "--new-state").returncode == 0
    state = tmp_path / "guard"
    assert not list((state / KEYS).iterdir()), "the throw-away key is gone with its run"
    enrol(state, KEY.public)
    text = load_programme(programme_path("stress-50hz")).text
    today = datetime.now(UTC).date().isoformat()
    return completed(replace(PRESCRIBED, revision=2), fingerprint(public_key(state)), today, text)


@pytest.mark.req("SR-160")
def test_a_signed_prescription_bounds_the_run(tmp_path: Path, made: Prescription) -> None:
    file = tmp_path / "plan"
    file.write_text(as_toml(KEY.sign(made)), encoding="utf-8")
    done = run(tmp_path, "--prescription", file, "--intensity", 20)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["peak_measured_ma"]["A"] > 5
    more = run(tmp_path, "--prescription", file, "--intensity", "20.1")
    assert (more.returncode, "at most the cap of 20 mA" in more.stderr) == (2, True)


@pytest.mark.req("SR-160")
@pytest.mark.parametrize(
    ("change", "code"),
    [("A = 20.0|A = 50.0", "prescription_changed"), ("revision = 2|revision = 3", "prescription_changed")],
)
def test_a_changed_one_runs_nothing(tmp_path: Path, made: Prescription, change: str, code: str) -> None:
    file = tmp_path / "plan"
    file.write_text(as_toml(KEY.sign(made)).replace(*change.split("|")), encoding="utf-8")
    done = run(tmp_path, "--prescription", file, "--intensity", 20)
    assert (done.returncode, f"[{code}]" in done.stderr) == (2, True), done.stderr
    assert enrolled(tmp_path / "guard") == (KEY.public,)


def test_what_cannot_be_asked(tmp_path: Path, made: Prescription) -> None:
    file = tmp_path / "plan"
    file.write_text(as_toml(made), encoding="utf-8")
    done = run(tmp_path, "--prescription", file)
    assert (done.returncode, "without a signature" in done.stderr) == (2, True)
    options = ("--board", "sim", "--prescription", file)
    done = pelvistim(tmp_path, "run", "stress-50hz", *options)
    assert (done.returncode, "without --state" in done.stderr) == (2, True)
