"""What a session leaves: dose record, proof, report and diary in both languages, and all of it on paper.

On the real server, guard and board; a proof is shown good, and broken once somebody has been at the journal.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from api.roles import Role
from controller.journal import NAME
from tests.browser.conftest import Phone, Served
from tests.browser.gallery import STOPPED, furnish
from tests.browser.steps import LANG, Person, later, pair
from tests.support.api import Api
from tests.support.served import serving

SHEET = {"width": 680, "height": 1000}
"""What an A4 page leaves between its margins, in px."""
ON_PAPER = """() => {
  const all = [...document.querySelectorAll("body *")];
  const shown = all.filter((one) => one.checkVisibility() && one.getClientRects().length);
  const dark = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number); return r + g + b < 160; };
  const clear = (colour) => colour === "rgba(0, 0, 0, 0)" || colour === "rgb(255, 255, 255)";
  const words = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const told = (one) => one.outerHTML.slice(0, 90);
  return {
    left: shown.filter((one) => one.matches("#stop, nav, header, button, input, select")).map(told),
    pale: shown.filter((one) => words(one) && !dark(getComputedStyle(one).color)).map(told),
    shaded: shown.filter((one) => !clear(getComputedStyle(one).backgroundColor)).map(told),
    clipped: shown.filter((one) => !one.closest("svg") && one.getBoundingClientRect().right > innerWidth + 1
      || one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== "visible").map(told) }; }"""


def on_paper(page: Any, sheets: range) -> str:
    """Black on white, whole, without what is for fingers, on so many sheets; gives what it says."""
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size(SHEET)
    wrong = {what: found for what, found in page.evaluate(ON_PAPER).items() if found}
    shut = page.evaluate(
        "() => [...document.querySelectorAll('details.whole li')].filter((one) => !one.checkVisibility()).length"
    )
    said = str(page.inner_text("body"))
    printed = page.pdf(format="A4", prefer_css_page_size=True)
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 360, "height": 740})
    assert not wrong
    assert shut == 0, "paper cannot be opened"
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) in sheets
    return said


@pytest.mark.parametrize("language", LANG)
def test_every_view_on_paper(tmp_path: Path, phone: Phone, language: str) -> None:
    """With four weeks behind it, from a page that is dark."""
    api = Api(tmp_path)
    furnish(api)
    with serving(api, tmp_path) as port:
        for role, views in (("patient", ("report", f"dose/{STOPPED}", "output")), ("clinician", ("report",))):
            person = pair(api, f"http://127.0.0.1:{port}", lambda at: phone(at, language), Role(role), language)
            person.page.evaluate("document.documentElement.dataset.theme = 'dark'")
            for name in later(person, *views):
                person.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = false; })")
                said = on_paper(person.page, {"report": range(2, 7), "dose": range(1, 3), "output": range(1, 4)}[name])
                assert LANG[language]["report.notice"] in said or name != "report"
                assert LANG[language]["disclaimer"] in said
                assert {"nb": "0,056", "en": "0.056"}[language] in said or name != "output", "mJ in a pulse"
    api.close()


def test_what_a_session_leaves(planned: Served, phone: Phone, tmp_path: Path) -> None:
    planned.proves = False  # it is tampered with in the end
    patient = Person(phone(planned.link("patient")))
    page = patient.page
    patient.starts()
    patient.part("hold")
    patient.raises_to("1,0")
    patient.part("rest")
    patient.presses("end")
    for name in ("comfort", "strength", "pain_after"):
        page.locator(f"[name={name}]").fill("4")
    patient.presses("after.send")
    patient.presses("diary.title")
    for day, leaks, pads, near in (("diary.today", "2", "1", "4"), ("diary.yesterday", "0", "", "")):
        page.locator(".days button", has_text=patient.words[day]).click()
        page.locator("[name=leaks]").fill(leaks)
        page.locator("[name=pads]").fill(pads)
        page.locator("[name=goal]").select_option(near)
        patient.presses("after.send")
        patient.sees("diary.saved")
    page.get_by_text(patient.words["diary.set"]).click()
    page.locator("[name=text]").fill("en tur i skogen")
    page.locator("[name=text]").press("Enter")
    patient.sees("diary.goal_saved")
    told = planned.ask("clinician", "GET", "/diary")
    assert told["goal"] == "en tur i skogen"
    assert [(one["leaks"], one["pads"], one["goal"]) for one in told["days"]] == [(0, None, None), (2, 1, 4)]

    (session,) = planned.ask("clinician", "GET", "/sessions")
    for language, ma in (("nb", "1,0"), ("en", "1.0")):
        patient = Person(page, language)
        page.locator(f".languages [lang={language}]").click()
        page.evaluate("location.hash = '#/report'")
        patient.sees("proof.count", n=1, of=1)
        assert page.locator(".code").first.inner_text() == planned.ask("clinician", "GET", report())["code"]
        assert "en tur i skogen" in on_paper(page, range(1, 4))
        page.locator(".rows a").click()
        patient.sees("proof.good")
        first = page.locator(".rows tbody tr").first.inner_text()
        assert ma in first
        assert LANG[language]["dose.of"].partition("{")[0] in first

    recording = next((tmp_path / "app" / "recordings").iterdir())
    kept = recording.rename(tmp_path / "elsewhere")
    patient.presses("proof.again")  # a recording may be removed: that speaks against nothing
    patient.sees("proof.absent")
    assert patient.words["proof.not_possible"] in page.inner_text(".verdict")
    assert "✗" not in page.inner_text(".verdict")
    kept.rename(recording)
    with sqlite3.connect(tmp_path / "app" / NAME) as journal:
        journal.execute("UPDATE row SET body = replace(body, '\"pulses\":', '\"pulses\":1') WHERE kind = 'dose'")
    journal.close()
    for role, in_detail in (("patient", False), ("clinician", True)):
        person = patient if role == "patient" else Person(phone(planned.link(role), "en"), "en")
        person.page.locator(
            "nav a"
        ).first.wait_for()  # it is paired: a reload in the midst of that would use up the link
        person.page.goto(f"{planned.base}/#/dose/{session['id']}")
        person.page.reload()
        person.sees("proof.not_proved")
        person.sees("proof.journal")
        person.sees("proof.dose")
        assert (person.page.get_by_text(person.words["proof.details"]).count() == 1) is in_detail


def report() -> str:
    return "/report?from=2020-01-01&to=2099-12-31"
