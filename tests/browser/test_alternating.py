"""A session in turns: one's own squeezes, stimulated ones, one's own again, in a browser."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.roles import Role
from controller.training.course import plan
from controller.training.shapes import Exercise
from tests.browser.conftest import PLAN, Phone, Served
from tests.browser.gallery import HOLD
from tests.browser.steps import LANG, Person, pair
from tests.support.api import Api
from tests.support.emg import follows
from tests.support.served import serving

OWN = Exercise("hold", 5_000, 7_000, 1, 60)
"""Of the programme that is prescribed here."""
TURN_MS = 180_000
"""A turn takes over a minute by itself: the check and one squeeze 72 s, four contractions 54 s."""


def begins(patient: Person) -> None:
    """From the electrode check that is to come into the first own turn."""
    page = patient.page
    page.locator("summary", has_text=patient.words["turns.title"]).click()
    page.locator("[name=stimulated]").fill("3")
    page.locator("[name=own]").fill("1")
    patient.presses("turns.begin")
    page.locator("canvas").wait_for()


@pytest.mark.parametrize("language", LANG)
def test_the_page_leads_through_the_turns(tmp_path: Path, phone: Phone, language: str) -> None:
    """Over a made-up engine, with the muscle in the test's hand."""
    with contextlib.closing(Api(tmp_path)) as api:
        leads(api, tmp_path, phone, language)


def leads(api: Api, tmp_path: Path, phone: Phone, language: str) -> None:
    assert api.phone("clinician").put("prescription", json=PLAN).status_code == 200
    parts = plan("alternating", "alternating", [OWN]).parts
    api.sensor.model.will = follows(parts)
    with serving(api, tmp_path) as port:
        patient = pair(api, f"http://127.0.0.1:{port}", lambda url: phone(url, language), Role.PATIENT, language)
        page = patient.page
        patient.gets_ready()

        def plays(part: str, contraction: int, **changes: Any) -> None:
            session = replace(HOLD, part=part, contraction=contraction, part_left_us=5_000_000)
            channels = {**api.engine.now.channels, "A": replace(api.engine.now.channels["A"], set_point_ua=8_000)}
            api.engine._set(session=session, channels=channels, **changes)
            if (part, contraction) != ("rest", 3):  # then the pause may be there first
                page.locator(f'.ring[data-part="{part}"]').wait_for()

        api.engine._set(session=replace(HOLD, part="waiting"))
        begins(patient)
        assert page.locator(".ring, [data-figure]").count() == 0, "one thing at a time"
        page.reload()  # the turn that goes on is found again
        page.locator("canvas").wait_for()
        api.sensor.let(parts[-1].end_ms / 1000 + 1)
        patient.sees("turns.check_next")
        patient.presses("check.do")
        patient.sees("check.good")
        patient.presses("start")
        for number in (1, 2, 3):
            plays("hold", number, mode="running")
            patient.sees("turns.counted", n=number - 1, of=3)
            for _ in range(600):  # the device looks ten times a second
                if api.service.alternating is not None and api.service.alternating._before_ua is not None:
                    break
                page.wait_for_timeout(100)
            plays("rest", number)
            if number < 3:
                patient.sees("turns.counted", n=number, of=3)
        page.get_by_role("heading", name=patient.words["turns.yours"]).wait_for()
        assert api.engine.now.mode == "paused"
        patient.presses("turns.squeeze", n=1)
        page.locator("canvas").wait_for()
        api.sensor.let(OWN.squeeze_ms / 1000 + OWN.pause_ms / 1000 + 1)
        patient.sees("turns.resume")
        patient.presses("resume")
        patient.sees("turns.counted", n=0, of=3)
        patient.presses("pause")
        patient.presses("turns.no")
        page.locator("text=" + patient.words["turns.no"]).wait_for(state="detached")
    assert api.service.alternating is None


def test_a_session_in_turns_on_guard_and_board(planned: Served, phone: Phone) -> None:
    """In real time; the simulated person does what the page asks."""
    patient = Person(phone(planned.link("patient")))
    page = patient.page
    patient.gets_ready()
    page.set_default_timeout(TURN_MS)
    begins(patient)
    patient.sees("turns.check_next")
    patient.presses("check.do")
    patient.sees("check.good")
    patient.presses("start")
    patient.part("ramp_up", "hold")
    patient.raises_to("2,0")
    page.get_by_role(
        "heading", name=patient.words["turns.yours"]
    ).wait_for()  # after three contractions in which nothing was raised
    assert planned.mode() == "paused"
    patient.presses("turns.squeeze", n=1)
    patient.sees("turns.resume")
    patient.presses("resume")
    patient.part("hold")
    patient.shows("set-A", "0,0")
    patient.sees("turns.counted", n=0, of=3)
    assert page.locator(".back").is_visible(), "back up is held, as after any pause"
    patient.stops()
    page.locator('[data-when="confirmed"]').wait_for()
    first, second = reversed(planned.ask("patient", "GET", "/training"))
    assert [one["ended_by"] for one in (first, second)] == ["over", "over"]
    assert set(first["measures"]) >= {"strength_nv", "rest_nv"}
    assert second["measures"] == {}
    assert second["score"]["total"] > 50
