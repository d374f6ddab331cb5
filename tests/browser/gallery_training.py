"""The views of training, as ``gallery`` hands them to a visitor."""

from __future__ import annotations

from collections.abc import Iterator

from controller.training.course import plan
from hw.mock.emg import EmgModel
from hw.mock.emg import Person as Woman
from tests.browser.steps import Person, later, sensed, to
from tests.support.api import Api
from tests.support.emg import follows


def training(api: Api, patient: Person) -> Iterator[tuple[str, Person]]:
    """Technique, guided, with a sensor, and what came of it."""
    page = patient.page
    to(patient, "guided")
    page.locator("summary").first.wait_for()
    yield "guided", patient
    page.locator("summary").last.click()
    page.locator("[name='pause_ms 0']").fill("2")
    patient.sees("refusal.pause_too_short")
    yield "guided-own", patient
    patient.presses("guided.begin", name=patient.words["guided.marathon"])
    patient.part("hold")
    yield "guided-squeeze", patient
    for view in later(patient, "effect", "technique"):
        yield view, patient
    for name in ("release", "others", "breathe", "fingers"):
        patient.presses("next")
        patient.sees(f"teach.{name}_text")
        yield f"technique-{name}", patient
    for view in later(patient, "muscle"):
        yield view, patient
    page.locator("[name=where][value=surface]").check()
    patient.presses("guided.begin", name=patient.words["guided.technique"])
    patient.sees("muscle.check_first")
    yield "muscle-ready", patient
    made = plan("technique", "technique")
    api.sensor.model = EmgModel(Woman(), 1, follows(made.parts))  # somebody who does what the page asks
    patient.presses("prepare.ready")
    sensed(page)
    api.sensor.let(made.check_ms / 1000 + 1.8)  # the check, and half of the first squeeze
    patient.sees("muscle.good")
    yield "muscle-live", patient
    patient.presses("end")
    patient.sees("result.ended")
    yield "result", patient
