"""The views of a session in turns, as ``gallery`` hands them to a visitor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from controller.emg.levels import Levels
from controller.port import Channel, Playing
from controller.training.alternating import Alternating
from controller.training.shapes import Exercise
from tests.browser.steps import Person
from tests.support.api import Api


def in_turns(api: Api, patient: Person, hold: Playing, idle: Mapping[str, Channel]) -> Iterator[tuple[str, Person]]:
    """A session that goes in turns with one's own squeezes; it ends paused, as it began."""
    engine, page, before = api.engine, patient.page, api.engine.now
    engine.now = replace(before, mode="idle", paused_by=None, session=replace(hold, part="waiting"), channels=idle)
    page.locator("summary", has_text=patient.words["turns.title"]).click()
    page.locator("[name=own]").wait_for()
    yield "turns", patient
    api.room.levels = Levels(5_000, 600, 5_000, 900, 40_000)
    turns = Alternating(hold.id, "vaginal", 6, Exercise("hold", 5_000, 7_000, 1, 60), counted=2)
    api.service.alternating, engine.now = turns, replace(before, mode="running", paused_by=None)
    patient.sees("turns.counted", n=2, of=6)
    yield "turns-current", patient
    engine.now = replace(before, paused_by=None)
    page.get_by_role("heading", name=patient.words["turns.yours"]).wait_for()
    yield "turns-yours", patient
    patient.presses("turns.squeeze", n=1)
    page.locator("canvas").wait_for()
    api.sensor.let(13.0)
    patient.sees("turns.resume")
    yield "turns-done", patient
    api.service.alternating, engine.now = None, before
