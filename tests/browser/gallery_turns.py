"""The views of a session in turns, as ``gallery`` hands them to a visitor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from controller.emg.levels import Levels
from controller.port import Channel, Playing
from controller.training.alternating import Alternating
from controller.training.shapes import Exercise, parts_of
from hw.mock.emg import EmgModel
from hw.mock.emg import Person as Woman
from tests.browser.steps import Person, sensed
from tests.support.api import Api
from tests.support.emg import follows


def in_turns(api: Api, patient: Person, hold: Playing, idle: Mapping[str, Channel]) -> Iterator[tuple[str, Person]]:
    """A session that goes in turns with one's own squeezes; it ends paused, as it began."""
    engine, page, before = api.engine, patient.page, api.engine.now
    engine.now = replace(before, mode="idle", paused_by=None, session=replace(hold, part="waiting"), channels=idle)
    page.locator("summary", has_text=patient.words["turns.title"]).click()
    page.locator("[name=own]").wait_for()
    yield "turns", patient
    api.room.levels = Levels(4_000, 600, 4_000, 900, 60_000)  # of the simulated person
    own = Exercise("hold", 5_000, 7_000, 1, 60)
    turns = Alternating(hold.id, "vaginal", 6, own, counted=2)
    api.service.alternating, engine.now = turns, replace(before, mode="running", paused_by=None)
    patient.sees("turns.counted", n=2, of=6)
    yield "turns-current", patient
    engine.now = replace(before, paused_by=None)
    page.get_by_role("heading", name=patient.words["turns.yours"]).wait_for()
    yield "turns-yours", patient
    api.sensor.model = EmgModel(Woman(), 1, follows(parts_of([own])))
    patient.presses("turns.squeeze", n=1)
    sensed(page)
    api.sensor.let(3.0)
    patient.sees("muscle.good")
    yield "turns-live", patient
    api.sensor.let(10.0)
    patient.sees("turns.resume")
    yield "turns-done", patient
    api.service.alternating, engine.now = None, before
