"""The engine, the guard and what is prescribed: a patient brings one, a clinician looks for the caps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.blocks import blocks
from controller.chain import Kind
from controller.keys import KeptKey, KeyProblem, make_key
from controller.port import Action, EngineRefused
from controller.prescription import THRESHOLD, Prescription, completed
from controller.programme import load_programme, programme_path
from tests.support.signed import KEY
from tests.support.treatment import NONE_APPLIES, PRESCRIBED, TODAY, Person, treatment


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    with treatment(tmp_path) as one:
        yield one


def made(person: Person, revision: int, **changes: Any) -> Prescription:
    """As a clinician makes it off the device."""
    text = load_programme(programme_path(PRESCRIBED.programme)).text
    one = completed(replace(PRESCRIBED, revision=revision), person.device, TODAY, text)
    return replace(one, **changes)


def bring(person: Person, one: Prescription) -> str | None:
    """Why it was not taken."""
    try:
        person.has(person.engine.prescribe(one))
    except EngineRefused as refused:
        return refused.code
    return None


@pytest.mark.req("SR-190", "SR-193")
def test_a_patient_brings_a_newer_one_and_can_do_nothing_else_with_a_file(person: Person) -> None:
    first = person.engine.prescription()
    assert first is not None
    second = KEY.sign(made(person, 2, caps_ua={"A": 15_000}))
    assert bring(person, replace(second, caps_ua={"A": 30_000})) == "prescription_changed"
    assert bring(person, replace(second, sessions_per_day=2)) == "prescription_changed"
    assert bring(person, replace(second, minutes=2)) == "prescription_changed"
    assert bring(person, make_key("A stranger").sign(second)) == "prescription_foreign"
    assert bring(person, KEY.sign(made(person, 2, device="e" * 64))) == "prescription_foreign"
    assert bring(person, KEY.sign(made(person, 2, valid_until="2026-01-01"))) == "prescription_expired"
    assert bring(person, replace(second, programme="urge-10hz")) == "programme_changed"
    assert person.engine.prescription() == first
    assert bring(person, second) is None
    for again in (second, replace(second, programme_text=load_programme(programme_path("stress-50hz")).text.decode())):
        assert bring(person, again) == "prescription_replayed"
    assert bring(person, first) == "prescription_downgraded"
    assert bring(person, KEY.sign(made(person, 2, caps_ua={"A": 16_000}))) == "prescription_replaced"
    assert person.engine.prescription() == second
    assert [row.fields["revision"] for row in person.rows(Kind.PRESCRIPTION)] == [1, 2]
    state = person.arm()
    assert state.channels["A"].ceiling_ua == 15_000
    changed = replace(KEY.sign(made(person, 3)), caps_ua={"A": 30_000})
    for one, why in ((first, "downgraded"), (second, "replayed"), (changed, "changed")):
        assert bring(person, one) == f"prescription_{why}"
        assert (person.state.session, person.state.mode) == (state.session, "armed"), "what was refused changed nothing"
    assert person.act(Action.START).mode == "running"


def test_an_own_programme_comes_along_and_is_played(person: Person) -> None:
    text = load_programme(programme_path("stress-50hz")).text.replace(b'id = "stress-50hz"', b'id = "mine"')
    one = completed(replace(PRESCRIBED, revision=2, programme="mine"), person.device, TODAY, text)
    assert bring(person, KEY.sign(replace(one, programme_text=text.decode()))) is None
    state = person.start()
    assert state.session is not None
    assert state.session.programme == "mine"


def test_without_an_open_key_nothing_is_signed_here(person: Person, tmp_path: Path) -> None:
    person.engine._keys = KeptKey(tmp_path / "clinician.key")
    with pytest.raises(KeyProblem) as refused:
        person.prescribe()
    assert refused.value.code == "key_missing"
    present = person.engine.prescription()
    assert present is not None
    assert present.revision == 1


@pytest.mark.req("SR-192")
def test_a_clinician_looks_for_the_caps_and_what_was_sent_is_proved(person: Person) -> None:
    """Beyond a cap that is not set, never beyond one that is; nothing comes into force by it. The fixture proves it."""
    assert bring(person, replace(PRESCRIBED, revision=2, caps_ua={"B": 15_000})) == "prescription_channel"
    text = load_programme(programme_path(PRESCRIBED.programme)).text
    both = text.replace(b'id = "stress-50hz"', b'id = "both"').replace(b'channel = "A"', b'channel = "AB"').decode()
    person.prescribe(programme="both", programme_text=both, caps_ua={"B": 15_000})
    before = person.engine.prescription()
    person.until(lambda state: state.mode == "idle")
    against = {**NONE_APPLIES, "pregnant": True}
    with pytest.raises(EngineRefused) as refused:
        person.has(person.engine.open_threshold(against, TODAY))
    assert refused.value.code == "contraindicated"
    closed = blocks(person.rows(Kind.BLOCK))[0].id
    person.journal.append(Kind.BLOCK, event="released", block=closed, who="c", reason="seen").result()
    state = person.has(person.engine.open_threshold(NONE_APPLIES, TODAY))
    assert state.session is not None
    assert state.session.looking
    assert {name: one.ceiling_ua for name, one in state.channels.items()} == {"A": 50_000, "B": 15_000}
    person.wait(500_000)
    person.act(Action.CHECK_ELECTRODES)
    person.act(Action.START)
    person.raise_to(6_000)
    person.wait(2_000_000)
    assert person.state.channels["A"].measured_ua == pytest.approx(6_000, rel=0.03)
    person.act(Action.END)
    record = person.finish()
    assert record.opened["looking"]
    assert person.engine.prescription() == before
    assert person.verify().findings == ()
    with pytest.raises(EngineRefused) as refused:
        person.open()
    assert refused.value.code == "cap_missing", "a session of the patient's has no more than is prescribed"
    assert THRESHOLD not in {row.fields.get("kind") for row in person.rows(Kind.PRESCRIPTION)}
