"""Training on the page: technique, guided, with a sensor, assessment, and effect; over a made-up engine, with a
simulated person's muscle in the test's hand. The page's clock stands while the muscle is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.roles import Role
from controller.chain import Kind
from controller.training.course import plan
from controller.training.records import trainings
from hw.mock.emg import EmgModel
from hw.mock.emg import Person as Woman
from hw.mock.muscle import Build
from tests.browser.conftest import Phone
from tests.browser.steps import LANG, Person, pair, sensed, to
from tests.support.api import Api
from tests.support.emg import follows
from tests.support.served import serving

WATCHED = """window.blocks = 0; window.balls = [];
const Source = window.EventSource;
window.EventSource = class extends Source { constructor(url) { super(url);
  this.addEventListener("emg", (one) => { if (JSON.parse(one.data).envelope_nv.length) window.blocks += 1; }); } };
const arc = CanvasRenderingContext2D.prototype.arc;
CanvasRenderingContext2D.prototype.arc = function (x, y, ...more) {
  window.balls.push(y); return arc.call(this, x, y, ...more); };"""
BALL_PERCENT = """() => { const h = document.querySelector("canvas").clientHeight;
  return 125 * (1 - (window.balls.at(-1) - 16) / (h - 32)); }"""
"""Where the ball is, by the scale of the picture: 125 % at the top, 16 px above and below."""
FRAME_MS = 100
"""So much of the page's time shows what has come: a few frames, and what lies between coming and being drawn."""
Started = Callable[..., tuple[Api, Person]]


@pytest.fixture
def started(tmp_path: Path, phone: Phone) -> Iterator[Started]:
    """A paired phone on a device of its own: ``started(language, role)``."""
    api = Api(tmp_path)
    with serving(api, tmp_path) as port:
        base = f"http://127.0.0.1:{port}"

        def start(language: str, role: Role = Role.PATIENT) -> tuple[Api, Person]:
            return api, pair(api, base, lambda url: phone(url, language, script=WATCHED), role, language)

        yield start
    api.close()


END = "**/training/current/end"


def told(api: Api) -> list[dict[str, Any]]:
    return trainings(api.journal.rows(Kind.TRAINING))


def feed(api: Api, page: Any, seconds: float) -> None:
    """So much of the muscle's signal, until the page has it and has drawn it."""
    before = page.evaluate("window.blocks")
    api.sensor.let(seconds)
    page.wait_for_function("(before) => window.blocks > before", arg=before)
    page.clock.run_for(FRAME_MS)


@pytest.mark.parametrize("language", LANG)
def test_technique_then_sprint_marathon_and_an_own_mix_without_a_sensor(started: Started, language: str) -> None:
    api, patient = started(language)
    page = patient.page
    to(patient, "guided")
    patient.presses("teach.begin")
    for name in ("lift", "release", "others", "breathe"):
        patient.sees(f"teach.{name}_text")
        patient.presses("next")
    patient.sees("teach.fingers_text")
    page.go_back()
    page.clock.install()
    for name, hold_ms, rest_ms, squeezes in (("sprint", 1_000, 2_000, 30), ("marathon", 10_000, 10_000, 5)):
        patient.presses("guided.begin", name=patient.words[f"guided.{name}"])
        patient.sees("guided.ready")
        for ms, part in ((5_100, "hold"), (hold_ms, "rest"), (rest_ms, "hold")):
            page.clock.fast_forward(ms)
            patient.part(part)
        with page.expect_response(END):
            page.clock.fast_forward(150_000)
        patient.sees("guided.done_text")
        patient.presses("guided.back")
        page.locator("summary", has_text=patient.words["guided.own"]).wait_for()
        done = told(api)[-1]
        assert (done["name"], done["repeats_done"], done["ended_by"]) == (name, squeezes, "person")

    own = patient.words["guided.own"]
    page.locator("summary", has_text=own).click()
    page.locator("[name='pause_ms 0']").fill("2")
    patient.sees("refusal.pause_too_short")
    patient.presses("guided.begin", name=own)
    page.locator(".toast").wait_for()  # the device refuses it as well
    assert len(told(api)) == 2
    page.locator("[name='pause_ms 0']").fill("6")
    patient.presses("guided.begin", name=own)
    patient.sees("guided.ready")
    with page.expect_response(END):
        to(patient, "history")  # who walks away has ended it
    patient.sees("history.none")
    to(patient, "guided")
    page.locator("summary", has_text=own).wait_for()
    assert [one["ended_by"] for one in told(api)] == 3 * ["person"]


@pytest.mark.parametrize("language", LANG)
def test_the_ball_follows_the_muscle_and_letting_go_is_half(started: Started, language: str) -> None:
    api, patient = started(language)
    page, made = patient.page, plan("technique", "technique")
    api.sensor.model.will = follows(made.parts)
    page.clock.install()
    patient.presses("nav.patient.guided")
    patient.presses("muscle.title")
    page.locator("[name=where][value=surface]").check()
    patient.presses("guided.begin", name=patient.words["guided.technique"])
    patient.presses("prepare.ready")
    sensed(page)
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    feed(api, page, made.check_ms / 1000 + 1.8)  # the check, and the first squeeze half way
    patient.sees("muscle.good")
    assert 40 <= page.evaluate(BALL_PERCENT) <= 80
    frames = page.evaluate("window.balls.length")
    page.clock.run_for(500)
    assert page.evaluate("window.balls.length") - frames >= 30  # 60 a second
    feed(api, page, 4.0)
    patient.sees("muscle.gone")
    assert page.evaluate(BALL_PERCENT) <= 12
    api.sensor.model.sense(lead_off=True)
    feed(api, page, 1.5)
    patient.sees("signal.lead_off")
    api.sensor.model.sense(lead_off=False)
    feed(api, page, made.parts[-1].end_ms / 1000)
    patient.sees("result.can_let_go")
    (done,) = told(api)
    shown = page.locator("progress").evaluate_all("all => all.map((one) => one.value)")
    assert shown == [done["score"]["effort"], done["score"]["release"]]
    assert max(shown) <= 50


def test_who_never_lets_go_is_told_so_and_has_at_most_half(started: Started) -> None:
    api, patient = started("nb")
    page, made = patient.page, plan("technique", "technique")
    api.sensor.model = EmgModel(Woman(build=Build(tonic=0.6)), 1, follows(made.parts))
    to(patient, "guided")
    patient.presses("muscle.title")
    page.locator("[name=where][value=surface]").check()
    patient.presses("guided.begin", name=patient.words["guided.technique"])
    patient.presses("prepare.ready")
    sensed(page)
    api.sensor.let(made.check_ms / 1000 + 1.8)
    patient.sees("muscle.unsure")
    patient.sees("task.hold")  # no praise, and no percent, of what cannot be told apart
    api.sensor.let(made.parts[-1].end_ms / 1000)
    patient.sees("warn.rest_high")
    (done,) = told(api)
    assert done["score"]["total"] <= 50
    assert page.locator("progress").last.evaluate("one => one.value") == done["score"]["release"] == 0


@pytest.mark.parametrize("language", LANG)
def test_the_glazer_protocol_ends_in_a_table_with_the_word_about_norms(started: Started, language: str) -> None:
    api, patient = started(language)
    page, made = patient.page, plan("assessment", "glazer")
    api.sensor.model.will = follows(made.parts)
    patient.presses("nav.patient.guided")
    patient.presses("muscle.title")
    page.locator("[name=where][value=surface]").check()
    patient.presses("guided.begin", name=patient.words["guided.glazer"])
    patient.presses("prepare.ready")
    sensed(page)
    api.sensor.let(made.parts[-1].end_ms / 1000 + 1)
    patient.sees("warn.norms_wide")
    stages = ("rest_before", "flick", "hold", "endurance", "rest_after")
    assert page.locator("tbody th").all_inner_texts() == [patient.words[f"stage.{one}"] for one in stages]


@pytest.mark.req("SR-163")
def test_a_yes_closes_the_sensor_inside_and_not_the_guided_training(started: Started) -> None:
    api, patient = started("nb")
    page = patient.page
    patient.presses("nav.patient.guided")
    patient.presses("muscle.title")
    page.locator("[name=where][value=vaginal]").check()
    patient.presses("guided.begin", name=patient.words["guided.technique"])
    page.locator(".question").first.wait_for()
    for name in [key.removeprefix("question.") for key in patient.words if key.startswith("question.")]:
        page.locator(f'input[name="{name}"][value="{"yes" if name == "pregnant" else "no"}"]').check()
    patient.presses("next")
    patient.presses("prepare.ready")
    patient.sees("refusal.contraindicated")
    patient.sees("muscle.closed")
    assert told(api) == []
    patient.presses("nav.patient.guided")
    patient.presses("guided.begin", name="Sprint")
    patient.sees("guided.ready")


@pytest.mark.parametrize("language", LANG)
def test_effect_says_one_of_three_words_and_the_clinician_enters_a_palpation(started: Started, language: str) -> None:
    api, patient = started(language)
    clock, page = api.journal._now, patient.page
    for day in range(12 * 7):
        if day % 7 in (0, 2, 4):
            at = (datetime.now(UTC) - timedelta(days=12 * 7 - day)).isoformat()
            api.journal._now = lambda at=at: at
            one = {"training": f"t{day}", "simulated": True, "who": "p"}
            api.journal.append(Kind.TRAINING, event="opened", what="biofeedback", name="sprint", sensor="anal", **one)
            better = 40_000 + 4_000 * (day // 7) + 300 * (day % 7)
            measures = {"strength_nv": better, "hold_ms": 6_000, "rest_nv": 5_000, "let_go_ms": 800}
            found = {"measures": measures, "whole": True, "warnings": []}
            api.journal.append(Kind.TRAINING, event="closed", training=f"t{day}", ended_by="over", **found).result()
    api.journal._now = clock
    to(patient, "history")
    patient.presses("effect.title")
    patient.sees("effect.streak", n=13)  # of seven days each, back from today
    weeks = "async (days) => (await import('/web/aim.js')).streak(days, '2027-03-15').weeks"
    for days, in_a_row in (
        (["2027-03-03", "2027-02-28"], 2),
        (["2027-02-20"], 0),
    ):  # one week off is forgiven, two are not
        assert page.evaluate(weeks, days) == in_a_row
    verdicts = page.locator("[data-verdict]")
    shown = verdicts.evaluate_all("all => all.map((one) => one.dataset.verdict)")
    answer = page.evaluate("async () => await (await fetch('/api/v1/effect')).json()")
    measured = [one for one in answer["measures"] if one["points"]]
    assert shown == [one["verdict"] for one in measured]
    assert {"more_than_chance", "no_change_yet"} <= set(shown)
    for place, verdict in enumerate(shown):
        assert verdicts.nth(place).inner_text().endswith(patient.words[f"effect.{verdict}"])
    points = page.locator("article").evaluate_all("all => all.map((one) => one.querySelectorAll('.dots').length)")
    assert points == [len(one["points"]) for one in measured]
    zeros = page.locator("article svg text:first-of-type").all_text_contents()
    assert {zero.strip() for zero in zeros} == {"0"}, "an axis that does not begin at 0"

    _, clinician = started(language, Role.CLINICIAN)
    to(clinician, "history")
    form = clinician.page
    form.get_by_role("link", name="P.E.R.F.E.C.T.").click()
    form.locator("[name=power]").select_option("0")
    assert form.locator("[name=fast]").count() == 0  # nothing is held or repeated at power 0
    form.locator("[name=power]").select_option("2")
    for name, value in (("endurance_s", "4"), ("repetitions", "3"), ("fast", "6")):
        form.locator(f"[name={name}]").fill(value)
    clinician.presses("after.send")
    clinician.sees("perfect.pause_twice")
    assert form.locator("article strong").all_inner_texts() == ["P 2 · E 4 s · R 3 · F 6"]
