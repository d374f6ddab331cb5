"""What the clinician sets, in a browser on the real server, guard and board: key, file, threshold, programme."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.keys import make_key, wrap
from controller.prescription import completed
from controller.prescription_form import as_toml, parse_form
from controller.programme import load_programme, programme_path
from safety.enrolled import enrol
from tests.browser.conftest import PLAN, Phone, Served, serving_in
from tests.browser.steps import LANG, Person

PASSPHRASE = "correct horse battery"
POINT = {"nb": ",", "en": "."}


def goes(person: Person, view: str) -> None:
    person.page.locator("nav").wait_for()  # it is paired
    person.page.evaluate("(view) => { location.hash = `#/${view}`; }", view)


@pytest.mark.req("SR-190", "SR-193")
@pytest.mark.parametrize("language", LANG)
def test_a_key_signs_what_is_prescribed_and_a_file_follows_it(tmp_path: Path, phone: Phone, language: str) -> None:
    """Not before the key is enrolled and open; then by file: what was changed, is old or is in force is refused."""
    key = make_key("K. Larsen")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "clinician.key").write_text(wrap(key, PASSPHRASE), encoding="utf-8")
    with serving_in(tmp_path) as served:
        clinician = Person(phone(served.link("clinician"), language), language)
        goes(clinician, "key")
        clinician.sees("key.not_enrolled", name=key.name)
        enrol(tmp_path / "guard", key.public)
        clinician.page.reload()
        clinician.sees("key.locked", name=key.name)
        for passphrase, then in (("not this one at all", "refusal.key_wrong"), (PASSPHRASE, "key.open")):
            clinician.page.locator("[name=passphrase]").fill(passphrase)
            clinician.presses("key.unlock")
            clinician.sees(then, name=key.name)
        left = clinician.figure("key-left")
        assert left in ("5:00", "4:59", "4:58", "4:57", "4:56", "4:55")
        clinician.page.wait_for_function(
            "(left) => document.querySelector('[data-figure=key-left]').innerText < left", arg=left
        )
        clinician.presses("key.lock")
        clinician.sees("key.locked", name=key.name)

        clinician.presses("nav.clinician.plan")
        page = clinician.page
        page.locator("[name=programme]").select_option("stress-50hz")
        page.fill("[name=cap_A]", "15")
        assert page.locator("[name=cap_B]").count() == 0, "the programme gives nothing there"
        page.fill("[name=prescriber]", "Bjørg Ås")
        page.locator("[form=plan]").click(force=True)
        page.locator(".toast", has_text=clinician.words["key.locked"].partition("{name}")[2]).wait_for()
        assert served.ask("viewer", "GET", "/state")["prescription_revision"] is None
        page.locator("[name=passphrase]").fill(PASSPHRASE)
        clinician.presses("key.unlock")
        clinician.presses("plan.save", n=1)
        clinician.sees("plan.saved", n=1)
        with page.expect_download() as download:
            clinician.presses("plan.export")
        first = parse_form(Path(download.value.path()).read_bytes(), "file")
        assert first.signature is not None
        assert (first.signature.key, first.caps_ua) == (key.public.fingerprint, {"A": 15_000})

        text = load_programme(programme_path(first.programme)).text
        second = key.sign(
            completed(replace(first, revision=2, caps_ua={"A": 13_000}), first.device, first.issued, text)
        )
        patient = Person(phone(served.link("patient"), language), language)
        goes(patient, "more")
        patient.presses("bring.title")
        for one, why in (
            (replace(second, caps_ua={"A": 30_000}), "prescription_changed"),
            (make_key("A stranger").sign(second), "prescription_foreign"),
            (second, None),
            (second, "prescription_replayed"),
            (first, "prescription_downgraded"),
        ):
            patient.page.locator("[name=text]").fill(as_toml(one))
            patient.presses("bring.read")
            patient.page.locator(".understood", has_text=f"{one.caps_ua['A'] // 1000} mA").wait_for()
            patient.presses("bring.confirm", n=one.revision)
            patient.sees(f"refusal.{why}" if why else "plan.saved", n=2)
        file = tmp_path / "plan.toml"
        for content, then in (
            ("minutes = ", "refusal.prescription_malformed"),
            (as_toml(replace(second, signature=None)), "plan.unsigned"),
        ):
            file.write_text(content, encoding="utf-8")
            patient.page.locator("[type=file]").set_input_files(file)
            patient.sees(then)
        assert patient.page.get_by_role("button", name=patient.words["bring.confirm"].replace("{n}", "2")).count() == 0
        assert served.ask("viewer", "GET", "/state")["prescription_revision"] == 2


def test_a_programme_that_came_with_the_plan_is_carried_on(served: Served, phone: Phone) -> None:
    """The device keeps no such programme: the form signs the one in force again, never another by itself."""
    text = load_programme(programme_path("stress-50hz")).text.decode().replace('"stress-50hz"', '"mine"')
    put = served.ask("clinician", "PUT", "/prescription", {**PLAN, "programme": "mine", "programme_text": text})
    clinician = Person(phone(served.link("clinician")))
    clinician.presses("nav.clinician.plan")
    clinician.sees("plan.programme_kept", id="mine")
    clinician.sees("figures.caption", ma=15)
    clinician.page.fill("[name=minutes]", "10")
    for revision, choice, signed in ((2, None, put["programme_sha256"]), (3, "sprint", None)):
        if choice:
            clinician.page.locator("[name=programme]").select_option(choice)
        clinician.presses("plan.save", n=revision)
        clinician.sees("plan.saved", n=revision)
        found = served.ask("clinician", "GET", "/prescription")
        assert (found["programme"], found["minutes"]) == (choice or "mine", 10)
        assert signed in (None, found["programme_sha256"])


@pytest.mark.req("SR-192")
@pytest.mark.parametrize("language", LANG)
def test_the_caps_are_found_together(served: Served, phone: Phone, language: str) -> None:
    served.ask("clinician", "PUT", "/prescription", {**PLAN, "caps_ma": {}})
    clinician = Person(phone(served.link("clinician"), language), language)
    patient = Person(phone(served.link("patient"), language), language)
    goes(clinician, "threshold")
    clinician.presses("look.ask")
    patient.sees("look.request")
    patient.page.get_by_role("button", name=patient.words["look.no"], exact=True).click()
    patient.sees("today.title")
    clinician.presses("look.ask")
    clinician.sees("look.waiting")
    patient.presses("look.yes")
    patient.sees("look.said_yes")
    clinician.sees("look.allowed")
    for name in [key.removeprefix("question.") for key in clinician.words if key.startswith("question.")]:
        clinician.page.locator(f'input[name="{name}"][value="no"]').check()
    clinician.presses("look.open")
    clinician.presses("check.do")
    clinician.presses("start")
    patient.sees("look.leads")
    point = POINT[language]
    for ma, mark in ((f"0{point}5", "look.sensory"), (f"1{point}0", "look.motor_palpated")):
        clinician.raises_to(ma)
        clinician.presses(mark)
    clinician.page.evaluate("sessionStorage.setItem('back', '{\"A\": 13.0}')")
    clinician.page.reload()
    clinician.page.locator(".back").focus()
    clinician.page.keyboard.down("Enter")  # 2 mA a second, as the guard lets it
    clinician.shows("set-A", f"13{point}0")
    clinician.page.keyboard.up("Enter")
    clinician.presses("look.comfortable")
    patient.presses("look.down", name="A")  # lowering is hers too
    clinician.shows("set-A", f"11{point}0")
    clinician.raises_to(f"12{point}5")
    clinician.presses("look.comfortable")
    clinician.page.locator("tbody tr", has_text=f"12{point}5–13{point}0").wait_for()
    patient.presses("look.changed")
    clinician.sees("look.proposed", caps=f"A: 12{point}5 mA")
    patient.presses("after.skip")
    goes(patient, "history")
    patient.page.locator("summary", has_text=patient.words["threshold.title"]).wait_for()
    assert patient.page.get_by_text(patient.words["history.comfortable"]).count() == 0, "it is no training"
    clinician.presses("look.take")
    clinician.sees("plan.caps_proposed")
    assert clinician.page.locator("[name=cap_A]").input_value() == "12.5"
    assert served.ask("clinician", "GET", "/prescription")["caps_ma"]["A"] is None, "nothing is set by itself"
    clinician.presses("plan.save", n=2)
    clinician.sees("plan.saved", n=2)
    assert served.ask("clinician", "GET", "/prescription")["caps_ma"]["A"] == 12.5


@pytest.mark.parametrize("language", LANG)
def test_a_programme_is_made_and_played(served: Served, phone: Phone, language: str) -> None:
    clinician = Person(phone(served.link("clinician"), language), language)
    page = clinician.page
    goes(clinician, "editor")
    clinician.presses("editor.new")
    phase = page.locator(".phase-form")
    page.locator(".wrong", has_text="[field_text]").first.wait_for()
    page.locator("[name=id]").fill("mine")
    for name, text in (("nb", "Mitt eget"), ("en", "My own")):
        page.locator(f".editor > div > div > label input[lang={name}]").first.fill(text)
    phase.locator("[name=rest_ms]").fill("6000")
    phase.locator(".wrong", has_text=clinician.words["problem.rest_short"]).wait_for()
    clinician.sees("editor.refused")
    save = page.get_by_role("button", name=clinician.words["editor.save"])
    assert save.get_attribute("aria-disabled") == "true"
    assert phase.locator("label", has=page.locator("[name=rest_ms]")).locator(".limit").inner_text().startswith("6")
    phase.locator("[name=rest_ms]").fill("7000")
    clinician.presses("editor.copy")
    clinician.presses("editor.pause")
    phase.nth(1).locator("[name=frequency_hz]").fill(f"33{POINT[language]}5")
    phase.nth(2).get_by_role("button", name=f"↑ {clinician.words['editor.up']}").click()
    phase.nth(2).locator("[name=frequency_hz]").wait_for()
    clinician.presses("editor.continuous")
    page.locator('[data-checked="good"]').wait_for()
    phase.nth(3).get_by_role("button", name=clinician.words["editor.delete"]).click()
    clinician.page.locator('[data-checked="good"]').wait_for()
    page.locator(".editor .figures .wave").nth(2).wait_for()
    clinician.presses("editor.save")
    clinician.sees("editor.saved", id="mine")
    with page.expect_download() as download:
        clinician.presses("editor.export")
    exported = Path(download.value.path())
    made = load_programme(exported)
    assert [type(one).__name__ for one in made.phases] == ["Stimulation", "Pause", "Stimulation"]
    assert float(made.phases[2].frequency_hz) == 33.5  # type: ignore[union-attr]

    clinician.presses("editor.prescribe")
    page.fill("[name=cap_A]", "13")
    page.fill("[name=prescriber]", "K. Larsen")
    clinician.presses("plan.save", n=1)
    clinician.sees("plan.saved", n=1)
    patient = Person(phone(served.link("patient"), language), language)
    patient.sees("today.title")
    patient.page.locator(".plan", has_text={"nb": "Mitt eget", "en": "My own"}[language]).wait_for()
    patient.starts()
    state: dict[str, Any] = served.ask("viewer", "GET", "/state")
    assert (state["mode"], state["session"]["programme"]) == ("running", "mine")
    patient.presses("end")

    goes(clinician, "editor")
    page.locator("[type=file]").set_input_files({"name": "x.toml", "mimeType": "text/plain", "buffer": b"a = ["})
    page.locator(".told", has_text=clinician.words["problem.file_not_toml"]).wait_for()
    page.locator("[type=file]").set_input_files(exported)
    page.locator('[data-checked="good"]').wait_for()
    clinician.presses("editor.save")
    clinician.sees("refusal.programme_kept")
