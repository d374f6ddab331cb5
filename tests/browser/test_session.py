"""A session from pairing to rating, and what may come between, in a browser on the real server, guard and board."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import PLAN, Phone, Served
from tests.browser.steps import Person, hide

MA = {"nb": "1,0", "en": "1.0"}
AWAKE = """window.awake = []; Object.defineProperty(navigator, "wakeLock", { value: { request: async (what) => {
  window.awake.push(what); return { release: async () => { window.awake.push("released"); } }; } } });"""


@pytest.mark.req("SR-170")
@pytest.mark.parametrize("language", ["nb", "en"])
def test_a_whole_session(served: Served, phone: Phone, language: str) -> None:
    patient = Person(phone(served.link("patient"), language, script=AWAKE), language)
    patient.sees("no_plan.title")

    clinician = Person(phone(served.link("clinician"), language), language)
    clinician.presses("nav.clinician.plan")
    page = clinician.page
    page.locator("[name=programme]").select_option("stress-50hz")
    page.fill("[name=cap_A]", "12.5")
    page.fill("[name=prescriber]", "K. Larsen")
    clinician.sees("figures.caption", ma={"nb": "12,5", "en": "12.5"}[language])
    clinician.presses("plan.save", n=1)
    clinician.sees("plan.saved", n=1)

    page = patient.page
    assert page.locator("html").get_attribute("lang") == language
    page.locator(".plan").wait_for()
    patient.sees("today.done", done=0, of=5)
    patient.answers()
    patient.sees("button.waiting")
    served.board("estop", pressed=True)
    patient.sees("button.pressed")
    served.board("estop", pressed=False)
    patient.sees("button.released")
    patient.presses("button.works")
    kind = {"kind": patient.words["kind.vaginal probe"], "area": 10}
    for one in ("own", "whole", "off", "reach", "never", "electrode"):
        patient.sees(f"prepare.{one}", **(kind if one == "electrode" else {}))
    patient.presses("prepare.ready")
    patient.presses("check.do")
    patient.sees("check.good")
    patient.presses("start")
    patient.part("hold")
    assert page.evaluate("window.awake") == ["screen"], "a phone that goes dark would end the lease"
    patient.raises_to(MA[language])
    patient.shows("measured-A", MA[language])

    patient.part("rest")
    page.get_by_role("button", name=patient.words["plus"]).click(force=True)
    patient.sees("refusal.wait_for_contraction")
    assert patient.figure("set-A") == MA[language]

    patient.presses("pause")
    patient.sees("part.paused")
    patient.shows("set-A", MA[language].replace("1", "0"))
    patient.presses("resume")
    back = page.locator(".back")
    back.wait_for()
    patient.part("hold")
    assert patient.figure("set-A") == MA[language].replace("1", "0")  # nothing rises by itself
    box = back.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 20)
    page.mouse.down()
    patient.shows("set-A", MA[language])
    back.wait_for(state="detached")
    page.mouse.up()  # over whatever stands there now

    patient.presses("pause")
    patient.sees("part.paused")
    patient.presses("resume")
    back.wait_for()
    patient.part("hold")
    patient.part("ramp_down", "rest")
    assert patient.figure("set-A") == MA[language].replace("1", "0")  # nobody holds it any more
    patient.presses("end")
    patient.sees("after.title")
    assert page.evaluate("window.awake") == ["screen", "released"]
    page.locator("[name=comfort]").fill("4")
    page.locator("[name=pain_after]").fill("1")
    patient.presses("after.send")
    assert page.locator("[name=strength]:invalid").count() == 1, "what nobody chose is not told"
    page.locator("[name=strength]").click()
    page.locator("[name=note]").fill("fint")
    patient.presses("after.send")
    patient.sees("today.done", done=1, of=5)
    patient.presses("nav.patient.history")
    page.locator(".points svg").first.wait_for()
    rated = served.ask("clinician", "GET", "/sessions")[0]
    assert (rated["rating"]["comfort"], rated["rating"]["strength"], rated["rating"]["pain_before"]) == (4, 3, None)
    assert rated["rating"]["note"] == "fint"
    assert rated["comfortable_ma"]["A"] > 0


def test_the_strength_ends_at_the_cap(planned: Served, phone: Phone) -> None:
    planned.ask("clinician", "PUT", "/prescription", {**PLAN, "revision": 2, "caps_ma": {"A": 12.5}})
    patient = Person(phone(planned.link("patient")))
    patient.page.locator(".plan").wait_for()
    patient.page.evaluate("sessionStorage.setItem('back', '{\"A\": 12.0}')")
    patient.page.reload()
    patient.starts()
    patient.part("hold")
    back = patient.page.locator(".back")
    back.focus()
    patient.page.keyboard.down("Enter")  # 2 mA a second, as the guard lets it, through two squeezes
    patient.shows("set-A", "12,0")
    patient.page.keyboard.up("Enter")
    patient.raises_to("12,5")
    patient.page.get_by_role("button", name=patient.words["plus"]).click(force=True)
    patient.page.locator(".toast", has_text=patient.words["at_ceiling"].partition(":")[0]).wait_for()
    state = planned.ask("viewer", "GET", "/state")
    assert state["channels"]["A"]["set_point_ma"] == 12.5


def test_an_electrode_that_is_open_is_told_in_words(planned: Served, phone: Phone) -> None:
    patient = Person(phone(planned.link("patient")))
    patient.gets_ready()
    planned.board("fault", name="electrode-open", args=["A"])
    patient.presses("check.do")
    patient.sees("finding.electrode_open")
    planned.board("fault", name="clear", args=["electrode-open"])
    patient.presses("check.again")
    patient.sees("check.good")


def test_the_red_button_in_a_session(planned: Served, phone: Phone) -> None:
    patient = Person(phone(planned.link("patient")))
    patient.starts()
    planned.board("estop", pressed=True)
    patient.sees("cause.emergency_stop")
    patient.sees("off_confirmed")
    patient.sees("release_first")
    planned.board("estop", pressed=False)
    patient.presses("acknowledge")
    patient.sees("after.title")


def test_an_answer_that_comes_late_hides_no_stop(planned: Served, phone: Phone) -> None:
    """The answer to "start" waits (for a slow disk, a busy phone) until the session it tells of has been stopped."""
    patient = Person(phone(planned.link("patient")))
    patient.gets_ready()
    patient.presses("check.do")
    patient.sees("check.good")
    late: list[Any] = []
    patient.page.route("**/sessions/current/actions", lambda route: late.append((route, route.fetch())))
    patient.presses("start")
    patient.part("ramp_up", "hold")
    planned.board("estop", pressed=True)
    patient.sees("cause.emergency_stop")
    route, answer = late[0]
    assert answer.json()["mode"] == "running"
    with patient.page.expect_event("requestfinished", lambda request: request.url.endswith("/actions")):
        route.fulfill(response=answer)
    with patient.page.expect_response("**/journal-of-nothing*"):  # a whole round trip later it has been taken in
        patient.page.evaluate("async () => { await fetch('/journal-of-nothing'); }")
    patient.sees("cause.emergency_stop")
    assert patient.page.locator(".ring").count() == 0


def test_a_contraindication_closes_stimulation_until_the_clinician_releases_it(planned: Served, phone: Phone) -> None:
    patient = Person(phone(planned.link("patient")))
    patient.answers("pregnant")
    patient.sees("closed.title")
    patient.sees("closed.ask", name="K. Larsen")
    patient.presses("guided.open")
    patient.sees("technique.up")
    patient.presses("guided.begin", name="Sprint")
    patient.sees("guided.ready")

    clinician = Person(phone(planned.link("clinician")))
    clinician.presses("nav.clinician.journal")
    clinician.page.locator("[name=reason]").fill("Snakket med henne.")
    clinician.presses("block.release")
    clinician.sees("history.none")
    patient.page.goto(planned.base)
    patient.sees("today.begin")


def test_a_complaint_closes_stimulation_too(planned: Served, phone: Phone) -> None:
    patient = Person(phone(planned.link("patient")))
    patient.starts()
    patient.presses("end")
    for name in ("comfort", "strength", "pain_after"):
        patient.page.locator(f"[name={name}]").click()
    patient.page.locator("[name=burning]").check()
    patient.presses("after.send")
    patient.sees("closed.title")
    blocks = planned.ask("clinician", "GET", "/blocks")
    assert [(one["why"], one["what"]) for one in blocks] == [("adverse", ["burning"])]


def test_reload_second_phone_and_hidden_page(planned: Served, phone: Phone) -> None:
    patient = Person(phone(planned.link("patient")))
    patient.starts()
    patient.part("hold")
    patient.raises_to("1,0")
    patient.page.reload()
    patient.shows("set-A", "1,0")
    assert planned.mode() == "running"

    other = Person(phone(planned.link("patient")))
    other.sees("other_controls")
    assert other.page.get_by_role("button", name=other.words["plus"]).count() == 0
    other.presses("take_control")
    other.page.get_by_role("button", name=other.words["plus"]).wait_for()
    patient.sees("other_controls")
    patient.presses("take_control")
    other.sees("other_controls")

    hide(patient.page, True)
    other.sees("cause.lease_lost")
    hide(patient.page, False)
    patient.sees("cause.lease_lost")
    patient.shows("set-A", "0,0")
    other.stops()
    other.page.locator('[data-when="confirmed"]').wait_for()
    patient.sees("cause.person")


def test_a_frozen_browser_loses_its_lease(planned: Served, launch: Any) -> None:
    browser = launch()
    page = browser.new_page(locale="nb-NO", viewport={"width": 360, "height": 740})
    page.goto(planned.link("patient"))
    patient = Person(page)
    patient.starts()
    patient.part("hold")
    patient.raises_to("0,5")
    frozen = [pid for pid in descendants(os.getpid()) if "chrom" in name_of(pid)]
    assert planned.mode() == "running"
    try:
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        for state in planned.states():  # the lease, 2 s, and a ramp of half a second at most
            assert (state["lease"]["age_ms"] or 0) < 4000, state
            if state["mode"] == "paused":
                break
        assert state["paused_by"] == "lease_lost"
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    patient.sees("cause.lease_lost")
    browser.close()


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for path in children for child in path.read_text().split()]
    return found + [deeper for child in found for deeper in descendants(child)]


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
