"""STOPP: from every view, by whichever way, and what the page says when nobody answers."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.browser.conftest import Phone, Served
from tests.browser.steps import LANG, Person, hide

NO_STREAM = "delete window.EventSource; window.EventSource = class { constructor() { throw new Error() } };"
NO_SOCKET = "window.WebSocket = class { constructor() { throw new Error('blocked') } };"
VIEWS = {
    "viewer": ("", "more", "output"),
    "patient": (
        "",
        "guided",
        "technique",
        "muscle",
        "effect",
        "history",
        "more",
        "diary",
        "report",
        "dose/none",
        "kept",
    ),
    "clinician": ("", "plan", "journal", "history", "devices", "more", "report", "effect", "perfect"),
}


def stopped(person: Person, outcome: str = "confirmed") -> None:
    person.page.locator(f'[data-when="{outcome}"]').wait_for()


def goes_on(page: Any) -> None:
    page.locator("#stopped-go-on").click()
    page.locator("#stopped").wait_for(state="hidden")


def uncovered(page: Any) -> bool:
    """Whether a finger anywhere on the bar meets STOPP, and the bar is high and within the window."""
    return bool(
        page.evaluate("""() => { const stop = document.getElementById("stop"), at = stop.getBoundingClientRect();
        const hit = (x, y) => stop.contains(document.elementFromPoint(x, y));
        return at.height >= 96 && at.left === 0 && at.right === innerWidth && at.bottom <= innerHeight + 0.5
          && [2, innerWidth / 2, innerWidth - 3].every((x) => hit(x, at.top + 2) && hit(x, at.bottom - 3)); }""")
    )


@pytest.mark.req("SR-165")
def test_from_every_view_of_every_role_and_logged_out(planned: Served, phone: Phone) -> None:
    page = phone(planned.base)
    Person(page).sees("pair.title")
    assert uncovered(page)
    assert page.evaluate("document.querySelector('button, a, input').id") == "stop", "first for keyboard and reader"
    Person(page).stops()
    stopped(Person(page))
    assert uncovered(page)
    for role, views in VIEWS.items():
        person = Person(phone(planned.link(role)))
        person.page.locator("nav").wait_for()
        for view in views:
            person.page.goto(f"{planned.base}/#/{view}")
            person.page.locator("#view h1").first.wait_for()
            assert uncovered(person.page), (role, view)
            before = stops(planned)
            person.page.mouse.move(180, 700)
            person.page.mouse.down()
            stopped(person)
            assert stops(planned) > before
            person.page.mouse.up()
            goes_on(person.page)
        hide(person.page, True)
        before = stops(planned)
        person.stops()
        stopped(person)
        assert stops(planned) > before
        person.page.close()


def stops(served: Served) -> int:
    text = served._request("GET", "/metrics", None, None).read().decode()
    return int(text.partition("\npelvistim_stops_total ")[2].split()[0])


@pytest.mark.parametrize(
    ("script", "way"),
    [(NO_SOCKET, "sse"), (NO_STREAM, "socket"), (NO_STREAM + NO_SOCKET, "poll")],
    ids=lambda x: x[-9:],
)
def test_a_session_runs_and_stops_by_whichever_way_is_left(
    planned: Served, phone: Phone, script: str, way: str
) -> None:
    patient = Person(phone(planned.link("patient"), script=script))
    patient.starts()
    patient.part("hold")
    patient.raises_to("0,5")
    patient.stops()
    stopped(patient)
    assert planned.ask("viewer", "GET", "/state")["cause"] == "person"
    goes_on(patient.page)
    patient.sees("off_confirmed")


def test_while_the_page_still_loads_and_without_its_scripts(planned: Served, phone: Phone) -> None:
    page = phone("about:blank")
    page.route("**/web/app.js", lambda route: route.abort())
    page.goto(planned.base)
    assert page.locator("#stop").inner_text() == "STOPP"
    page.locator("#stop").press("Enter")
    stopped(Person(page))
    bare = phone("about:blank", java_script_enabled=False)
    bare.goto(planned.base)
    bare.locator("#stop").click()
    bare.get_by_text("Stoppet").wait_for()


@pytest.mark.parametrize("language", ["nb", "en"])
def test_an_app_that_does_not_answer_is_told_as_not_confirmed(planned: Served, phone: Phone, language: str) -> None:
    patient = Person(phone(planned.link("patient"), language), language)
    plan = patient.page.locator("#view:not(.is-stale) .plan")
    plan.wait_for()
    stood = plan.bounding_box()
    planned.process.send_signal(signal.SIGSTOP)
    patient.sees("stale")
    assert patient.page.locator(".plan").bounding_box() == stood, "nothing moves away under a thumb"
    assert patient.page.locator("#view").get_attribute("class") == "is-stale"
    patient.stops()
    stopped(patient, "not_confirmed")
    steps = patient.page.locator("#stopped ol li").all_inner_texts()
    assert steps == [LANG[language][key] for key in ("red_button", "pull_lead", "probe_out")]
    goes_on(patient.page)
    planned.process.send_signal(signal.SIGCONT)
    stopped(patient)  # it was asked again until it answered
