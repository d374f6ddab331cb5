"""``pelvistim verify`` where the current is not simply the set-point: a phase that gives a part of it, and a procedure
in which a clinician looked for the caps, which is signed in a row of its own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from controller.chain import Kind
from controller.keys import ClinicianKey, make_key
from controller.port import Action
from controller.prescribed import prescription_of_row
from controller.proof_lines import play
from controller.recording import Recorded
from safety.prescribed import canonical
from tests.stack.test_proof import Work, edited, is_opened, swapped_code
from tests.support.programmes import CONTRACTION, changed, programme_toml
from tests.support.signed import KEY
from tests.support.treatment import NONE_APPLIES, TODAY, Person, treatment

STRONG = changed(CONTRACTION, ramp_up_ms="500", hold_ms="3000", rest_ms="4000", repeats="1")
PARTS = programme_toml(STRONG, changed(STRONG, intensity_percent="60"), id='"parts"', cycles="2").decode()
"""Contractions 1 and 3 give all of the set-point, 2 and 4 give 60 %; in all else they are alike."""
PERIOD_US = 8_000_000
WEAKER_US = PERIOD_US + 1_500_000
"""In the hold of contraction 2."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A procedure to look for the cap, and a session with the cap that was found."""
    folder = tmp_path_factory.mktemp("kinds")
    with treatment(folder) as person:
        person.prescribe(programme="parts", programme_text=PARTS, caps_ua={})
        looked = looking(person)
        person.prescribe(programme="parts", programme_text=PARTS, caps_ua={"A": 15_000})
        person.start()
        person.raise_to(5_000)
        delivered = person.finish()
        assert {dose["contraction"]: dose["sent_ua"] for dose in delivered.doses}[4] == 2_990, "60 % of 5 mA"
        person.end()
        shutil.copytree(person.rig.state, folder / "guard", ignore=shutil.ignore_patterns("*.lock"))
    return folder, delivered.id, looked


def looking(person: Person) -> str:
    """With the rows that the api writes of it."""
    for event in ("asked", "allowed"):
        person.journal.append(Kind.THRESHOLD, event=event, who=event)
    person.until(lambda state: state.mode == "idle")
    person.has(person.engine.open_threshold(NONE_APPLIES, TODAY))
    person.wait(500_000)
    person.act(Action.CHECK_ELECTRODES)
    person.act(Action.START)
    person.raise_to(4_000)
    session = person.state.session
    assert session is not None
    mark = {"channel": "A", "mark": "comfortable", "amplitude_ua": 4_000, "how": None}
    person.journal.append(Kind.THRESHOLD, event="mark", who="c", session=session.id, **mark)
    person.act(Action.END)
    assert person.finish().opened["looking"]
    person.wait(4_000_000)  # the muscle's rest
    return session.id


@pytest.fixture
def folder(kept: tuple[Path, str, str], tmp_path: Path) -> Path:
    for name in ("app", "guard"):
        shutil.copytree(kept[0] / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def work(kept: tuple[Path, str, str], folder: Path) -> Work:
    """With the session of the patient."""
    return Work(folder, kept[1])


@pytest.fixture
def looked(kept: tuple[Path, str, str], folder: Path) -> Work:
    """With the procedure."""
    return Work(folder, kept[2])


Tamper = Callable[[Work], None]


def at(work: Work, us: int) -> int:
    """The first chunk that begins so late, with pulses."""
    chunks = work.recorded().chunks
    return next(n for n, one in enumerate(chunks) if one.start_us >= us and play(one.data).shots)


# --- a phase that gives a part of the set-point -----------------------------------------------------------------------


def a_higher_code_in_the_weaker_phase(work: Work) -> None:
    """Of the set-point it would be less than all."""
    n = at(work, WEAKER_US)
    work.record(edited(work, n, data=swapped_code(work.recorded().chunks[n].data, higher=True)))


def all_of_the_set_point_in_the_weaker_phase(work: Work) -> None:
    """The pulse lists of contraction 3, which is alike in all else, at the times of contraction 4."""
    chunks = list(work.recorded().chunks)
    lists = {one.start_us: one.data for one in chunks}
    n = at(work, 3 * PERIOD_US + 1_500_000)
    for number in range(n, n + 5):
        chunks[number] = replace(chunks[number], data=lists[chunks[number].start_us - PERIOD_US])
    work.record(chunks)


def what_was_given_told_as_the_set_point(work: Work) -> None:
    def weaker(one: Recorded) -> Recorded:
        given = {name: ua * 6 // 10 for name, ua in one.set_point_ua.items()}
        return replace(one, set_point_ua=given) if one.start_us >= 3 * PERIOD_US - 500_000 else one

    work.record([weaker(one) for one in work.recorded().chunks])


def another_programme(work: Work, text: str) -> None:
    """In the recording, in the prescription and signed anew by the clinician's key."""

    def change(told: dict[str, Any]) -> None:
        told.update(programme_text=text, programme_sha256=sha256(text.encode()).hexdigest())
        made = KEY.sign(prescription_of_row(dict(told)))
        assert made.signature is not None
        told.update(signature=asdict(made.signature))

    work.body("prescription", lambda told: told["programme"] == "parts", change)
    work.record(list(work.recorded().chunks), programme=text)


def a_weaker_phase_prescribed_than_was_given(work: Work) -> None:
    another_programme(work, PARTS.replace("intensity_percent = 60", "intensity_percent = 50"))


def a_stronger_phase_prescribed_than_was_given(work: Work) -> None:
    """Weaker than is due is a ramp to zero, which may only fall."""
    another_programme(work, PARTS.replace("intensity_percent = 60", "intensity_percent = 100"))


def the_phases_exchanged(work: Work) -> None:
    head, strong, weak = PARTS.partition("cycles = 2\n")[0], *PARTS.split("[[phase]]\n")[1:]
    another_programme(work, f"{head}cycles = 2\n\n[[phase]]\n{weak}\n[[phase]]\n{strong}")


def the_weaker_pulses_told_as_strong(work: Work) -> None:
    work.body("dose", lambda told: told["contraction"] == 4, lambda told: told.update(sent_ua=told["set_point_ua"]))
    work.rehash()


def the_weaker_set_point_told_as_given(work: Work) -> None:
    work.body("dose", lambda told: told["contraction"] == 4, lambda told: told.update(set_point_ua=told["sent_ua"]))
    work.rehash()


def the_planned_charge_of_the_weaker_phase_told_as_whole(work: Work) -> None:
    whole = {"planned_charge_pc": 10**9}
    work.body("dose", lambda told: told["contraction"] == 2, lambda told: told.update(whole))
    work.rehash()


def a_training_told_as_looking_for_the_caps(work: Work) -> None:
    """No sum of a report would count it."""
    work.body(
        "session",
        lambda told: is_opened(told) and told["session"] == work.session,
        lambda told: told.update(looking=True),
    )
    work.rehash()


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (a_higher_code_in_the_weaker_phase, "over_set_point"),
        (all_of_the_set_point_in_the_weaker_phase, "over_set_point"),
        (what_was_given_told_as_the_set_point, "over_set_point"),
        (a_weaker_phase_prescribed_than_was_given, "over_set_point"),
        (a_stronger_phase_prescribed_than_was_given, "over_set_point"),
        (the_phases_exchanged, "over_set_point"),
        (the_phases_exchanged, "plan_other"),
        (the_weaker_pulses_told_as_strong, "dose_other"),
        (the_weaker_set_point_told_as_given, "dose_other"),
        (the_planned_charge_of_the_weaker_phase_told_as_whole, "rewritten"),
        (a_training_told_as_looking_for_the_caps, "rewritten"),
    ],
)
def test_a_tampering_with_a_phase_under_100_percent_is_found(work: Work, tamper: Tamper, code: str) -> None:
    tamper(work)
    assert code in work.codes()


# --- looking for the caps ---------------------------------------------------------------------------------------------


def is_signed(told: dict[str, Any]) -> bool:
    return told["event"] == "signed"


def signed_anew(work: Work, key: ClinicianKey = KEY, **changes: object) -> None:
    """Another procedure in its row, validly signed: by whoever has a clinician's key."""

    def change(told: dict[str, Any]) -> None:
        text = canonical({**json.loads(told["prescription"]), **changes})
        signature = key.private.sign(text).hex()
        told.update(prescription=text.decode(), key=key.public.fingerprint, signature=signature)

    work.body("threshold", is_signed, change)
    work.rehash()


def its_row_removed(looked: Work) -> None:
    looked.sql("DELETE FROM row WHERE kind = 'threshold' AND body LIKE '%\"event\":\"signed\"%'")
    looked.rehash()


def told_as_a_training(looked: Work) -> None:
    looked.body(
        "session",
        lambda told: is_opened(told) and told["session"] == looked.session,
        lambda told: told.update(looking=False),
    )
    looked.rehash()


def a_lower_cap_told_everywhere(looked: Work) -> None:
    caps = {"A": 3_000, "B": 0}
    looked.body(
        "session",
        lambda told: is_opened(told) and told["session"] == looked.session,
        lambda told: told.update(caps_ua=caps),
    )
    looked.record(list(looked.recorded().chunks), caps_ua=caps)


def a_cap_that_was_set_already(looked: Work) -> None:
    """Beyond one that is set it may not go."""
    looked.body("prescription", lambda told: told["caps_ua"] == {}, lambda told: told.update(caps_ua={"A": 13_000}))
    looked.rehash()


def a_digit_of_its_signature_changed(looked: Work) -> None:
    def change(told: dict[str, Any]) -> None:
        told["signature"] = f"{int(told['signature'][0], 16) ^ 1:x}{told['signature'][1:]}"

    looked.body("threshold", is_signed, change)
    looked.rehash()


def a_mark_made_higher(looked: Work) -> None:
    """From which a cap was proposed."""
    looked.body("threshold", lambda told: told["event"] == "mark", lambda told: told.update(amplitude_ua=20_000))
    looked.rehash()


def her_yes_removed(looked: Work) -> None:
    looked.sql("DELETE FROM row WHERE kind = 'threshold' AND body LIKE '%\"event\":\"allowed\"%'")
    looked.rehash()


def the_recording_of_the_training(looked: Work) -> None:
    other = next(path for path in looked.path.parent.iterdir() if path != looked.path)
    shutil.copyfile(other, looked.path)


def a_higher_code(looked: Work) -> None:
    n = at(looked, 1_500_000)
    looked.record(edited(looked, n, data=swapped_code(looked.recorded().chunks[n].data, higher=True)))


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (its_row_removed, "caps_other"),
        (told_as_a_training, "caps_other"),
        (a_lower_cap_told_everywhere, "over_cap"),
        (a_cap_that_was_set_already, "caps_other"),
        (a_digit_of_its_signature_changed, "signature_other"),
        (lambda looked: signed_anew(looked, make_key("A stranger")), "signature_other"),
        (lambda looked: signed_anew(looked, nonce="0" * 32), "plan_other"),
        (lambda looked: signed_anew(looked, minutes=15), "plan_other"),
        (lambda looked: signed_anew(looked, minutes=0), "minutes_over"),
        (lambda looked: signed_anew(looked, caps_ua={"A": 50_000, "B": 50_000}), "plan_other"),
        (lambda looked: signed_anew(looked, kind="treatment", nonce=None), "caps_other"),
        (lambda looked: signed_anew(looked, device="0" * 64), "prescription_foreign"),
        (lambda looked: signed_anew(looked, programme_sha256="0" * 64), "programme_other"),
        (lambda looked: signed_anew(looked, issued="2020-01-01", valid_until="2020-01-02"), "prescription_expired"),
        (a_mark_made_higher, "rewritten"),
        (her_yes_removed, "rewritten"),
        (the_recording_of_the_training, "recording_other"),
        (a_higher_code, "over_set_point"),
    ],
)
def test_a_tampering_with_a_procedure_is_found(looked: Work, tamper: Tamper, code: str) -> None:
    tamper(looked)
    assert code in looked.codes()


def test_both_are_proved(work: Work, looked: Work) -> None:
    assert (work.codes(), looked.codes()) == (set(), set())
