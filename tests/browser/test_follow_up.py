"""Between trainings on the page: the clinician's message, reminders, and the monthly impression."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.roles import Role
from controller.chain import Kind
from tests.browser.conftest import Phone
from tests.browser.steps import LANG, pair, to
from tests.support.api import Api
from tests.support.served import serving

TOLD = """window.notified = []; window.Notification = class { static permission = "granted";
  constructor(...told) { window.notified.push(told); } };"""
TRAINS = ("tren", "knip", "strøm", "bekken", "train", "squeeze", "stimul", "pelvi")


@pytest.mark.parametrize("language", LANG)
def test_what_is_told_between_trainings(tmp_path: Path, phone: Phone, language: str) -> None:
    with contextlib.closing(Api(tmp_path)) as api:
        between(api, tmp_path, phone, language)


def between(api: Api, tmp_path: Path, phone: Phone, language: str) -> None:
    clock = api.journal._now
    api.journal._now = lambda: (datetime.now(UTC) - timedelta(days=28)).isoformat()
    told = {"what": "guided", "name": "sprint", "sensor": None, "who": "p", "simulated": True}
    api.journal.append(Kind.TRAINING, event="opened", training="t", **told).result()
    api.journal._now = clock
    with serving(api, tmp_path) as port:
        base = f"http://127.0.0.1:{port}"
        clinician = pair(api, base, lambda url: phone(url, language), Role.CLINICIAN, language)
        to(clinician, "journal")
        clinician.presses("message.title")
        clinician.page.locator("textarea").fill("Godt jobbet!\nHusk pausen.")
        clinician.presses("after.send")
        clinician.sees("remind.kept")

        patient = pair(api, base, lambda url: phone(url, language, script=TOLD), Role.PATIENT, language)
        page = patient.page
        assert page.locator(".words").inner_text() == "Godt jobbet!\nHusk pausen."
        page.locator("summary", has_text=patient.words["pgi.ask"]).click()
        steps = page.locator("[name=step]")
        assert steps.evaluate_all("all => all.map((one) => one.checked)") == [False] * 7, "never preset"
        patient.presses("after.send")  # the browser asks for an answer first
        assert api.journal.rows(Kind.IMPRESSION) == []
        steps.nth(1).check()
        patient.presses("after.send")
        patient.sees("remind.kept")
        page.locator("summary", has_text=patient.words["pgi.ask"]).wait_for(state="detached")
        to(patient, "history")
        patient.presses("effect.title")
        patient.sees("pgi.2")

        to(patient, "more")
        patient.presses("remind.title")
        for day in range(7):
            page.locator(f"[name='day {day}']").check()
        page.locator("[name=time]").fill("00:00")
        page.clock.install()
        patient.presses("after.send")
        patient.sees("remind.kept")
        page.clock.fast_forward(21_000)
        page.wait_for_function("() => window.notified.length === 1")
        ((title, *more),) = page.evaluate("window.notified")
        assert (title, more) == (patient.words["remind.neutral"], [])
        assert not any(word in title.lower() for word in TRAINS), "nothing that tells a household what it is for"
        to(patient, "")
        patient.sees("remind.now")
        page.clock.fast_forward(61_000)
        assert page.evaluate("window.notified.length") == 1, "once a day"
