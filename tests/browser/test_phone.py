"""What the page does with the phone it is on: pairing, the next hand, its own files, sound; over a made-up engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api import page as files
from api.models import PrescriptionIn
from api.roles import Role
from api.views import prescription_of
from tests.browser.conftest import PLAN, Phone
from tests.browser.gallery import furnish
from tests.browser.steps import LANG, Person, hide, pair
from tests.support.api import Api
from tests.support.served import serving

WEIGHED = """() => Object.fromEntries(performance.getEntriesByType("resource").map((one) =>
  [new URL(one.name).pathname, one.encodedBodySize]).filter(([path]) => path.startsWith("/web/")))"""
KEPT = """async () => ({ local: Object.keys(localStorage), session: Object.keys(sessionStorage),
  cookies: document.cookie, caches: await caches.keys(),
  workers: (await navigator.serviceWorker.getRegistrations()).length })"""
SOUND = """window.buzzes = []; navigator.vibrate = (ms) => window.buzzes.push(ms);
window.tones = []; window.AudioContext = class {
  state = "running"; currentTime = 0; destination = {};
  createOscillator() {
    const tone = [], note = (hz) => { tone.push(hz); };
    return { frequency: { setValueAtTime: note, linearRampToValueAtTime: note }, connect: (next) => next,
      start: () => { window.tones.push(tone); }, stop: () => {} }; }
  createGain() {
    return { gain: { setValueAtTime() {}, linearRampToValueAtTime() {} }, connect: (next) => next }; } };"""


class Device:
    """A server over the made-up engine that a test can take away."""

    def __init__(self, folder: Path) -> None:
        self.api = Api(folder)
        furnish(self.api)
        self._serving = contextlib.ExitStack()
        self.base = f"http://127.0.0.1:{self._serving.enter_context(serving(self.api, folder))}"

    def goes(self) -> None:
        self._serving.close()


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    made = Device(tmp_path)
    yield made
    made.goes()
    made.api.close()


@pytest.mark.parametrize("language", LANG)
def test_a_phone_is_paired_by_code_and_a_clinicians_by_passphrase(device: Device, phone: Phone, language: str) -> None:
    person = Person(phone(device.base, language), language)
    code = device.api.service.pairing.open(Role.PATIENT).code
    for told, then in (("AAAA-AAAA", "refusal.pairing_wrong"), (f"{code[:4].lower()}-{code[4:]}", "today.title")):
        person.page.locator("[name=code]").fill(told)
        person.page.locator("form", has=person.page.locator("[name=code]")).get_by_role("button").click()
        person.sees(then)
    another = Person(phone(device.base, language), language)
    another.page.locator("[name=code]").fill(code)
    another.page.keyboard.press("Enter")
    another.sees("refusal.pairing_closed")  # it was good for one phone
    device.api.service.passphrase.set("a long enough one")
    another.page.get_by_text(another.words["pair.clinician"]).click()
    another.page.locator("[name=passphrase]").fill("a long enough one")
    another.page.keyboard.press("Enter")
    another.page.locator(f"nav a:has-text('{another.words['nav.clinician.plan']}')").wait_for()


def test_a_browser_has_the_files_as_they_are_weighed(device: Device, phone: Phone) -> None:
    person = Person(phone(device.base))
    person.sees("pair.title")
    came = person.page.evaluate(WEIGHED)
    assert "/web/app.js" in came
    assert came == {path: len(files.smallest(files.files()[path].plain)) for path in came}


def test_the_next_hand_finds_nothing_on_the_phone(device: Device, phone: Phone) -> None:
    """Unpaired by who had it, revoked by the clinician, or simply paired anew: nothing of before is left."""
    patient = pair(device.api, device.base, lambda url: phone(url, service_workers="allow"), Role.PATIENT, "nb")
    page = patient.page
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    patient.answers()
    kept = page.evaluate(KEPT)
    assert "answers" in kept["local"]
    assert "pain" in kept["session"]
    assert kept["workers"] == len(kept["caches"]) == 1
    assert kept["cookies"] == ""  # the pairing's own cookie is not for scripts
    page.goto(f"{device.base}/#/more")
    patient.presses("leave")
    patient.sees("pair.title")
    left = page.evaluate(KEPT)
    assert set(left["local"]) <= {"language", "theme"}
    assert left["session"] == left["caches"] == []
    assert left["workers"] == 0
    assert page.context.cookies() == []

    page.evaluate("() => { localStorage.setItem('answers', '{}'); sessionStorage.setItem('rate', '\"s-1\"'); }")
    page.goto(f"{device.base}/#pair={device.api.service.pairing.open(Role.PATIENT).token}")
    patient.sees("today.title")
    assert "answers" not in page.evaluate(KEPT)["local"]
    assert "rate" not in page.evaluate(KEPT)["session"]

    page.evaluate("() => { localStorage.setItem('answers', '{}'); }")
    for one in device.api.service.devices.listed():
        device.api.service.devices.revoke(one.id, by="test")
    page.reload()
    patient.sees("pair.title")
    assert "answers" not in page.evaluate(KEPT)["local"]


@pytest.mark.req("SR-166")
def test_the_page_opens_without_the_device_and_shows_nothing_that_was(device: Device, phone: Phone) -> None:
    """Its own files are kept, and nothing else: no answer of the API comes from anywhere but the device."""
    patient = pair(device.api, device.base, lambda url: phone(url, service_workers="allow"), Role.PATIENT, "nb")
    page = patient.page
    page.locator(".plan strong:not(:empty)").wait_for()
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    page.reload()  # from here on the worker stands between
    page.locator(".plan strong:not(:empty)").wait_for()
    kept = page.evaluate("""async () => { const found = [];
      for (const name of await caches.keys())
        for (const one of await (await caches.open(name)).keys()) found.push(new URL(one.url).pathname);
      return found; }""")
    assert sorted(kept) == sorted(path for path in files.files() if path != f"/{files.WORKER}")
    asked = "async (path) => { try { return (await fetch(path)).status; } catch { return 'nobody'; } }"
    assert page.evaluate(asked, "/api/v1/state") == 200
    device.goes()
    page.reload()
    assert page.locator("#stop").inner_text() == "STOPP"
    patient.sees("unreachable")
    assert page.locator(".plan, .ring, [data-figure], nav").count() == 0
    for path in ("/api/v1/state", "/api/v1/me", "/api/v1/prescription", "/api/v1/stop"):
        assert page.evaluate(asked, path) == "nobody", path
    patient.stops()
    page.locator('[data-when="not_confirmed"]').wait_for()


def test_what_came_not_at_first_is_fetched_again(device: Device, phone: Phone) -> None:
    """A view's module, the words, the first module, and what is planned: none of them lost for one failed request."""
    patient = pair(device.api, device.base, phone, Role.PATIENT, "nb")
    page = patient.page
    page.route("**/web/history.js", lambda route: route.abort())
    page.goto(f"{device.base}/#/history")
    patient.sees("not_loaded")
    patient.sees("reload")
    page.unroute("**/web/history.js")
    patient.sees("history.list")
    for path in (
        "**/web/lang/nb.json",
        "**/api/v1/prescription",
        "**/api/v1/prescription/programme",
        "**/api/v1/sessions*",
    ):
        page.route(path, lambda route: route.abort())
        page.goto(f"{device.base}/?{len(path)}")
        for _ in range(2):
            page.wait_for_event("requestfailed")
        assert page.get_by_text(patient.words["no_plan.title"]).count() == 0
        page.unroute(path)
        patient.sees("today.plan", minutes=20, day=3, week=5)
        patient.presses("nav.patient.history")
        patient.sees("history.list")
    page.route("**/web/app.js", lambda route: route.abort())
    page.reload()
    page.locator("#not-loaded").filter(visible=True).wait_for()


def test_the_button_that_begins_comes_with_the_name_of_the_programme(device: Device, phone: Phone) -> None:
    """A name that came later would move it away from under a thumb."""
    patient = pair(device.api, device.base, phone, Role.PATIENT, "nb")
    page, begin = patient.page, patient.page.get_by_role("button", name=patient.words["today.begin"])
    begin.wait_for()
    late: list[Any] = []
    for what in ("prescription/programme", "programmes"):
        page.route(f"**/api/v1/{what}", lambda route: late.append(route))
        with page.expect_request(f"**/api/v1/{what}"):
            page.reload()
        if what == "prescription/programme":
            page.evaluate("async () => { await fetch('/api/v1/prescription'); await fetch('/api/v1/blocks'); }")
            assert begin.count() == 0
            late[0].continue_()
        begin.wait_for()
        assert page.locator(".plan").inner_text()
        page.unroute(f"**/api/v1/{what}")


@pytest.mark.parametrize("why", ["nobody touches it", "the page is left"])
def test_a_pin_hides_the_page_by_itself_and_never_stopp(device: Device, phone: Phone, why: str) -> None:
    patient = pair(device.api, device.base, phone, Role.PATIENT, "nb")
    page = patient.page
    page.clock.install()
    page.goto(f"{device.base}/#/more")
    page.locator("[name=pin]").fill("2468")
    patient.presses("pin.switch_on")
    patient.sees("pin.on")
    if why == "nobody touches it":
        page.clock.fast_forward(175_000)
        assert page.get_by_text(patient.words["pin.stop_works"]).count() == 0, "not before three minutes"
        page.clock.fast_forward(10_000)
    else:
        hide(page, True)
        hide(page, False)
    patient.sees("pin.stop_works")
    assert page.locator("nav").count() == 0
    page.locator("[name=pin]").fill("1357")
    patient.presses("next")
    patient.sees("pin.wrong")
    page.locator("[name=pin]").fill("2468")
    patient.presses("next")
    page.locator("nav").wait_for()
    page.context.set_offline(True)
    hide(page, True)
    hide(page, False)
    patient.sees("no_network")
    page.context.set_offline(False)
    page.reload()
    patient.sees("pin.stop_works")
    patient.stops()
    page.locator('[data-when="confirmed"], [data-when="not_confirmed"]').filter(visible=True).wait_for()


def test_sound_is_for_who_asked_for_it(device: Device, phone: Phone) -> None:
    """Off until it is switched on; then up with the squeeze and down with the release, beside the words."""
    patient = pair(device.api, device.base, lambda url: phone(url, script=SOUND), Role.PATIENT, "nb")
    page = patient.page
    page.clock.install()
    heard: list[Any] = []
    for wanted in (False, True):
        page.goto(f"{device.base}/#/more")
        page.locator("[name=sound]").set_checked(wanted)
        page.goto(f"{device.base}/#/guided")
        patient.presses("guided.begin", name="Sprint")
        patient.sees("guided.ready")
        before = len(page.evaluate("window.tones"))
        for seconds, words in ((5.1, "guided.squeeze"), (1, "guided.release")):
            page.clock.fast_forward(int(seconds * 1000))
            patient.sees(words)
        heard.append(page.evaluate("window.tones")[before:])
        patient.presses("end")
    assert heard[0] == []
    assert [up < down for up, down in heard[1]] == [True, False]
    squeeze_ms, release_ms = page.evaluate("window.buzzes")[-2:]  # told apart in a pocket, with sound or without
    assert squeeze_ms > release_ms > 0


def test_a_new_plan_is_shown_where_a_phone_lies_open(device: Device, phone: Phone) -> None:
    patient = pair(device.api, device.base, phone, Role.PATIENT, "nb")
    patient.sees("today.plan", minutes=20, day=3, week=5)
    device.api.engine.prescribed = prescription_of(
        PrescriptionIn.model_validate({**PLAN, "revision": 2, "minutes": 25})
    )
    patient.sees("today.plan", minutes=25, day=3, week=5)


def test_no_pin_hides_an_output_that_may_be_on(device: Device, phone: Phone) -> None:
    patient = pair(device.api, device.base, phone, Role.PATIENT, "nb")
    patient.sees("today.title")
    patient.page.evaluate("localStorage.setItem('pin', JSON.stringify({ salt: '', hash: '' }))")
    patient.page.reload()
    patient.sees("pin.stop_works")
    engine = device.api.engine
    engine.now = replace(engine.now, mode="stopped", cause="person", clears="acknowledge", confirmed=False)
    patient.sees("off_not_confirmed")
    patient.sees("pull_lead")
    patient.sees("pin.stop_works")
    assert patient.page.get_by_role("button", name=patient.words["acknowledge"]).count() == 0, "that is behind the PIN"
    engine.now = replace(engine.now, confirmed=True)
    patient.page.locator(".latched").wait_for(state="detached")
