"""Every view of the page over the fake engine, each brought about and then handed to a visitor: axe, or a camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from api.models import PrescriptionIn
from api.roles import Role
from api.threshold import Mark
from api.views import prescription_of
from controller.chain import Kind
from controller.keys import KeptKey, wrap
from controller.port import Channel, Lease, Playing, State
from controller.prescription import completed
from controller.prescription_form import as_toml
from tests.browser.conftest import PLAN
from tests.browser.gallery_training import training
from tests.browser.gallery_turns import in_turns
from tests.browser.steps import Person, later, pair, to
from tests.support.api import Api
from tests.support.signed import KEY

Open = Callable[[str], Any]
NOW = datetime(2027, 3, 15, 18, 30, tzinfo=UTC)
HOLD = Playing("s1", "stress-50hz", 1, 1, {"nb": "Styrke", "en": "Strength"}, "hold", 3_200_000, 12, 89, 150_000_000,
               1_200_000_000)  # fmt: skip
CHANNEL = Channel(11_500, 11_430, 15_000, 13_500, 0, 492)
IDLE = {name: Channel(0, 0, 15_000 if name == "A" else 0, 0) for name in "AB"}


class Proved:
    """Proofs that are made already: each session is proved, but the one that was stopped."""

    async def prove(self, session: str) -> dict[str, Any]:
        detail = "contraction 3 on A: told (210, 1) came of (325, 1) sent; replayed 325 pulses, 1 pC"
        other = {"code": "dose_other", "about": "dose", "row": None, "detail": detail}
        good = session != STOPPED
        return {"session": session, "proved": good, "sealed": True, "chunks": 372, "pulses": 975,
                "findings": [] if good else [other]}  # fmt: skip


STOPPED = "s-10"


def furnish(api: Api) -> None:
    """A plan, three weeks of sessions with their ratings, what was found, and a diary."""
    api.engine.prescribed = prescription_of(PrescriptionIn.model_validate(PLAN))
    api.service.proofs = Proved()  # type: ignore[assignment]
    clock, note = api.journal._now, api.journal.append
    place = {"placement": {"depth_mm": 40, "turn_degrees": 0}, "electrode_kind": "vaginal probe"}
    shown = {name: PLAN[name] for name in ("programme", "minutes", "sessions_per_day", "sessions_per_week", "weeks")}
    for day in range(29):
        at = (datetime.now(UTC) - timedelta(days=28 - day, hours=3)).isoformat()
        api.journal._now = lambda at=at: at
        if day == 0:
            note(Kind.PRESCRIPTION, revision=1, caps_ua={"A": 15_000}, electrode_area_mm2=1_000, valid_until=None,
                 prescriber=PLAN["prescriber"], **shown, **place)  # fmt: skip
            note(Kind.DIARY, event="goal", text="hoppe på trampoline med barna")
            note(Kind.IMPRESSION, step=4, who="p")
            note(Kind.REMINDER, days=list(range(7)), time="00:00", who="p")
        if day == 26:
            note(Kind.MESSAGE, text="Godt jobbet! Husk at pausen er like viktig som knipet.", who="c")
        for mark, ua, how in MARKS if day == 7 else ():
            note(Kind.THRESHOLD, event="mark", channel="A", mark=mark, amplitude_ua=ua, how=how, session="t")
        written = {"leaks": max(0, 5 - day // 5), "pads": 2 - day // 14, "goal": day // 3 if day % 3 == 0 else None}
        if day > 14:
            note(Kind.DIARY, event="day", day=at[:10], note="Hoppet litt." if day == 20 else "", **written)
        if 7 <= day < 28 and day % 7 not in (2, 5):
            a_session(note, day - 7)
        if day in TRAINED:
            a_training(note, day)
    api.journal._now = clock


MARKS = (("sensory", 3_500, None), ("sensory", 4_000, None), ("motor", 7_500, "palpated"), ("motor", 7_000, None),
         ("comfortable", 13_500, None))  # fmt: skip


TRAINED = (8, 10, 15, 17, 22, 24, 27)
STAGE = {"mean_nv": 36_400, "peak_nv": 58_200, "spread_permille": 91, "parts": 5}


def a_training(note: Callable[..., Any], day: int) -> None:
    """Half a score for letting go; the last one is an assessment."""
    last, name = day == TRAINED[-1], f"t-{day}"
    kind = {"what": "assessment", "name": "glazer"} if last else {"what": "biofeedback", "name": "sprint"}
    note(Kind.TRAINING, event="opened", training=name, sensor="surface", who="p", simulated=True, **kind)
    told: dict[str, Any] = {"ended_by": "over", "whole": True, "warnings": []}
    if last:
        told["protocol"] = dict.fromkeys(("rest_before", "flick", "hold", "endurance", "rest_after"), STAGE)
    else:
        measures = {"strength_nv": 30_000 + 400 * day, "hold_ms": 7_200, "rest_nv": 6_100, "let_go_ms": 640}
        score = {"effort": 41, "release": 8, "total": 49}
        told |= {"score": score, "measures": measures, "warnings": ["does_not_let_go"]}
    note(Kind.TRAINING, event="closed", training=name, **told)


def a_session(note: Callable[..., Any], day: int) -> None:
    """Three contractions; one session was stopped in its third."""
    name = f"s-{day}"
    told = {"programme": "stress-50hz", "prescription_revision": 1, "simulated": True}
    note(Kind.SESSION, event="opened", session=name, **told)
    for number in range(1, 4):
        ua, pulses = 500 * (14 + day // 2), 210 if (name, number) == (STOPPED, 3) else 325
        each_pc = ua * 250
        note(Kind.DOSE, session=name, contraction=number, channel="A", start_us=(number - 1) * 13_000_000,
             end_us=number * 13_000_000 - 6_500_000, continuous=False, planned_pulses=325,
             planned_charge_pc=325 * each_pc, pulses=pulses, charge_pc=pulses * each_pc, set_point_ua=ua,
             measured_ua=ua - 40, load_ohm=492)  # fmt: skip
    cause = "person" if name == STOPPED else None
    if cause:
        note(Kind.CAUSE, session=name, code=cause)
    note(Kind.SESSION, event="closed", session=name, mode="idle", cause=cause, session_us=1_200_000_000)
    pain = 2 - day // 10
    note(Kind.RATING, session=name, comfort=3 + day % 3, strength=2 + day // 8, pain_before=pain,
         pain_after=2 - day // 9, adverse=[], felt_from_ua={"A": 4000}, note="")  # fmt: skip


def views(api: Api, base: str, open_: Open, language: str) -> Iterator[tuple[str, Person]]:
    """Each view by its name. ``open_`` opens a page in this language."""
    engine = api.engine
    engine.now = State("idle", 0, 0, IDLE, simulated=True)
    stranger = Person(open_(base), language)
    stranger.sees("pair.title")
    yield "pair", stranger
    stranger.page.close()

    patient = pair(api, base, open_, Role.PATIENT, language)
    page = patient.page
    page.locator(".plan strong:not(:empty)").wait_for()
    patient.sees("message.from")
    yield "today", patient
    patient.presses("today.begin")
    page.locator(".question").first.wait_for()
    yield "questions", patient
    patient.presses("later")
    patient.answers()
    yield "red-button", patient
    patient.presses("button.none")
    yield "prepare", patient
    patient.presses("prepare.ready")
    patient.sees("check.how")
    yield "check", patient
    open_channels = {**engine.now.channels, "A": replace(engine.now.channels["A"], finding="electrode_open")}
    engine.now = replace(engine.now, channels=open_channels)
    patient.sees("finding.electrode_open")
    yield "check-open", patient
    engine.now = replace(engine.now, mode="armed", channels={**IDLE, "A": replace(IDLE["A"], load_ohm=492)})
    patient.sees("check.good")
    yield "ready", patient

    lease = Lease("5f3c", 100_000, 2_000_000, True)
    engine.now = replace(engine.now, mode="running", session=HOLD, lease=lease, channels={**IDLE, "A": CHANNEL})
    patient.part("hold")
    yield "squeeze", patient
    resting = replace(HOLD, part="rest", part_left_us=5_000_000)
    quiet = replace(CHANNEL, measured_ua=0, allowed_ua=CHANNEL.set_point_ua, after_us=6_000_000)
    engine.now = replace(engine.now, session=resting, channels={**IDLE, "A": quiet})
    patient.part("rest")
    yield "rest", patient
    quiet = replace(quiet, measured_ua=None)
    engine.now = replace(engine.now, mode="paused", paused_by="lease_lost", channels={**IDLE, "A": quiet})
    patient.sees("cause.lease_lost")
    yield "paused", patient
    yield from in_turns(api, patient, HOLD, IDLE)
    low = replace(CHANNEL, set_point_ua=0, measured_ua=0, allowed_ua=2_000)
    engine.now = replace(engine.now, mode="running", paused_by=None, session=HOLD, channels={**IDLE, "A": low})
    page.locator(".back").wait_for()
    yield "back", patient
    both = {"A": CHANNEL, "B": replace(CHANNEL, set_point_ua=9_000, share=Fraction(7, 10), measured_ua=6_280)}
    engine.now = replace(engine.now, channels=both)
    page.locator(".channel").nth(1).wait_for()
    yield "two-channels", patient

    patient.stops()
    page.locator('[data-when="confirmed"]').wait_for()
    yield "stop-confirmed", patient
    api.stopper.answer = replace(api.stopper.answer, confirmed=False)
    patient.stops()
    page.locator('[data-when="not_confirmed"]').wait_for()
    yield "stop-not-confirmed", patient
    api.stopper.answer = replace(api.stopper.answer, confirmed=True)
    page.locator('[data-when="confirmed"]').wait_for()  # it asked again
    page.locator("#stopped-go-on").click()
    engine.now = replace(engine.now, confirmed=False)
    patient.sees("off_not_confirmed")
    yield "latched", patient
    engine.now = replace(engine.now, mode="idle", cause=None, clears=None, confirmed=None, session=None, channels=IDLE)
    patient.sees("after.title")
    yield "after", patient
    patient.presses("after.skip")

    yield from training(api, patient)
    to(patient, "history")
    page.locator(".points svg").nth(2).wait_for()
    yield "history", patient
    for view in later(patient, "diary", "output", "kept", "remind"):
        yield view, patient
    to(patient, "more")
    yield "more", patient
    page.locator("[name=pin]").fill("2468")
    patient.presses("pin.switch_on")
    patient.sees("pin.on")
    page.evaluate("sessionStorage.removeItem('unlocked')")
    page.reload()
    patient.sees("pin.stop_works")
    yield "locked", patient
    page.locator("[name=pin]").fill("1357")
    patient.presses("next")
    patient.sees("pin.wrong")
    page.locator("[name=pin]").fill("2468")
    patient.presses("next")
    patient.presses("pin.remove")
    block = api.journal.append(Kind.BLOCK, event="closed", why="contraindicated", what=["pregnant"]).result()
    to(patient, "")
    page.reload()
    patient.sees("closed.title")
    yield "closed", patient

    clinician = pair(api, base, open_, Role.CLINICIAN, language)
    engine.now = replace(engine.now, mode="running", session=HOLD, lease=lease, channels={**IDLE, "A": CHANNEL})
    clinician.part("hold")
    yield "live", clinician
    engine.now = replace(engine.now, mode="idle", session=None, channels=IDLE)
    to(clinician, "plan")
    clinician.page.locator(".wave").first.wait_for()
    yield "plan", clinician
    clinician.page.fill("[name=cap_A]", "8")
    clinician.page.locator("#plan .told").wait_for()
    yield "plan-low-cap", clinician
    yield from setting(api, clinician, base, open_, language)
    to(clinician, "journal")
    clinician.page.locator("article").first.wait_for()
    yield "journal", clinician
    for view in later(clinician, "write"):
        yield view, clinician
    to(clinician, "journal")
    for view in later(clinician, "report", f"dose/{STOPPED}", "perfect"):  # a patient's have less
        yield view, clinician
    to(clinician, "devices")
    clinician.page.locator(".actions button").first.click()
    clinician.page.locator(".invitation").wait_for()
    yield "devices", clinician
    api.journal.append(Kind.BLOCK, event="released", block=block.number, who="x", reason="x").result()
    patient.page.close()
    clinician.page.close()


def setting(api: Api, clinician: Person, base: str, open_: Open, language: str) -> Iterator[tuple[str, Person]]:
    """What lies under the plan: key, file, the way to the caps on both phones, programmes."""
    engine, page = api.engine, clinician.page

    def under(view: str) -> None:
        page.evaluate("(view) => { location.hash = `#/${view}`; }", view)

    keys, api.service.keys = api.service.keys, KeptKey(api.folder / "clinician.key")
    (api.folder / "clinician.key").write_text(wrap(KEY, "correct horse battery"), encoding="utf-8")
    under("key")
    clinician.sees("key.unlock")
    yield "key", clinician
    api.service.keys = keys
    under("bring")
    prescribed = engine.prescribed
    assert prescribed is not None
    signed = KEY.sign(completed(replace(prescribed, revision=2), "d" * 64, "2027-03-15", b"text"))
    page.locator("[name=text]").fill(as_toml(signed))
    clinician.presses("bring.read")
    page.locator(".understood").wait_for()
    yield "file", clinician

    engine.prescribed = replace(prescribed, revision=2, caps_ua={})
    under("threshold")
    clinician.presses("look.ask")
    clinician.sees("look.waiting")
    patient = Person(open_(f"{base}/#pair={api.service.pairing.open(Role.PATIENT).token}"), language)
    patient.sees("look.request")
    yield "asked", patient
    patient.presses("look.yes")
    clinician.sees("look.allowed")
    yield "allowed", clinician
    looking = replace(HOLD, id="t1", looking=True)
    api.service.threshold.opened("t1")
    for mark, ua in (("sensory", 4_000), ("motor", 7_500), ("comfortable", 11_500), ("sensory", 4_500)):
        found = Mark("A", mark, ua, "palpated" if mark == "motor" else None)
        api.service.threshold.mark("t1", found, api.service.clock_s())
    lease = Lease("5f3c", 100_000, 2_000_000, True)
    engine.now = replace(engine.now, mode="running", session=looking, lease=lease, channels={**IDLE, "A": CHANNEL})
    clinician.part("hold")
    yield "looking", clinician
    patient.sees("look.leads")
    patient.part("hold")
    yield "looked-for", patient
    patient.page.close()
    api.service.threshold.end()
    engine.now = replace(engine.now, mode="idle", session=None, channels=IDLE)
    clinician.sees("look.take")
    yield "found", clinician
    engine.prescribed = prescribed

    under("editor")
    clinician.sees("editor.new")
    yield "programmes", clinician
    clinician.presses("editor.open_one", id="mixed-13-50hz")
    page.locator('[data-checked="good"]').wait_for()
    yield "editor", clinician
    page.locator("[name=rest_ms]").first.fill("1300")
    page.locator(".wrong").first.wait_for()
    yield "editor-refused", clinician
