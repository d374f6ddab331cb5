"""Training, live muscle activity, palpation and effect over the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.emg_live import WAITING_MAX, as_sse
from controller.chain import Kind
from controller.prescription import CONTRAINDICATIONS
from controller.training.course import plan
from controller.training.shapes import Exercise
from tests.support.apart import apart
from tests.support.api import PRESCRIPTION, Api
from tests.support.emg import follows

FINE = dict.fromkeys(CONTRAINDICATIONS, False)
SHORT = {"kind": "hold", "squeeze_ms": 1000, "pause_ms": 1000, "repeats": 1, "level_percent": 60}
OWN = plan("biofeedback", "own", [Exercise("hold", 1_000, 1_000, 1, 60)])
WAIT_S = 20.0


def begin(phone: Any, kind: str = "biofeedback", name: str = "own", sensor: str | None = "surface", **more: Any) -> Any:
    exercises = [SHORT] if name == "own" else []
    return phone.post("training", json={"kind": kind, "name": name, "sensor": sensor, "exercises": exercises, **more})


def code(answer: Any) -> str:
    assert answer.status_code >= 400, answer.text
    return str(answer.json()["code"])


def closed(api: Api, number: int = 1) -> None:
    """Waits until the journal has this many trainings that are over."""
    import threading

    seen = threading.Event()
    end = api.room.watch(lambda message: seen.set() if message[1].get("event") == "closed" else None)
    rows = api.journal.rows(Kind.TRAINING)
    if sum(row.fields["event"] == "closed" for row in rows) < number:
        assert seen.wait(WAIT_S)
    end()


def test_the_plans_are_told_part_by_part(api: Api) -> None:
    plans = api.phone("viewer").get("training/plans").json()
    assert {(one["kind"], one["name"]) for one in plans} >= {("guided", "sprint"), ("assessment", "glazer")}
    for one in plans:
        assert one["parts"][-1]["start_ms"] + one["parts"][-1]["length_ms"] == one["length_ms"]
        assert (one["check_ms"] > 0) == (one["kind"] in ("technique", "biofeedback"))


def test_a_guided_training_needs_no_sensor_no_answers_and_no_guard(api: Api) -> None:
    api.engine._set(mode="stopped", cause="person")
    phone = api.phone("patient")
    assert code(phone.get("training/current")) == "no_training"
    opened = begin(phone, "guided", "sprint", None)
    assert opened.status_code == 201
    assert phone.get("training/current").json() == opened.json()
    assert code(begin(phone, "guided", "marathon", None)) == "training_open"
    done = phone.post("training/current/end", json={"repeats_done": 30}).json()
    assert (done["repeats_done"], done["ended_by"], done["score"]) == (30, "person", None)
    assert phone.get(f"training/{done['id']}").json() == done
    assert phone.get("training").json() == [done]
    assert code(phone.get("training/none")) == "not_found"
    assert code(phone.post("training/current/end", json={})) == "no_training"


def test_what_grows_is_told_page_by_page(api: Api) -> None:
    patient, clinician = api.phone("patient"), api.phone("clinician")
    guided = {"what": "guided", "name": "sprint", "sensor": None, "who": "p", "simulated": True}
    for number in (1, 2, 3):
        api.journal.append(Kind.TRAINING, event="opened", training=f"t{number}", **guided).result()
        day = f"2027-01-{number:02}"
        assert patient.put("diary", json={"day": day, "leaks": number}).status_code == 200
        palpated = {"day": day, "power": 3, "endurance_s": 6, "repetitions": 4, "fast": 7}
        assert clinician.put("perfect", json=palpated).status_code == 200
    for path, key, pages in (
        ("training", "id", [["t3", "t2"], ["t1"]]),
        ("diary", "day", [["2027-01-02", "2027-01-03"], ["2027-01-01"]]),
        ("perfect", "day", [["2027-01-02", "2027-01-03"], ["2027-01-01"]]),
    ):
        found, asked = [], f"{path}?limit=2"
        while asked:
            answer = patient.get(asked)
            told = answer.json()["days"] if path == "diary" else answer.json()
            found.append([one[key] for one in told])
            asked = answer.links.get("next", {}).get("url", "").removeprefix("/api/v1/")
        assert found == pages
        assert code(patient.get(f"{path}?limit=201")) == "request_invalid"
    assert code(patient.get("training?before=t9")) == "not_found"


def test_a_training_with_a_sensor_ends_by_itself_with_score_and_measures(api: Api) -> None:
    api.sensor.model.will = follows(OWN.parts)
    phone = api.phone("patient")
    assert begin(phone).status_code == 201
    api.sensor.let(OWN.parts[-1].end_ms / 1000 + 1)
    closed(api)
    (done,) = phone.get("training").json()
    assert (done["ended_by"], done["whole"], done["sensor"], done["warnings"]) == ("over", True, "surface", [])
    assert done["score"]["total"] > 80
    assert set(done["measures"]) == {"strength_nv", "rest_nv", "let_go_ms", "hold_ms"}
    told = phone.get("effect").json()
    assert (told["course"], told["weeks_over"], told["sensor"], told["simulated"]) == (1, 0, "surface", True)
    assert {one["verdict"] for one in told["measures"]} == {"too_early_to_say"}
    assert code(phone.get("effect?course=2")) == "not_found"


def test_an_assessment_comes_with_norms_and_the_warning_about_them(api: Api) -> None:
    stage = {"mean_nv": 40_000, "peak_nv": 60_000, "spread_permille": 90, "parts": 5}
    opened = {"what": "assessment", "name": "glazer", "sensor": "vaginal", "who": "p", "simulated": True}
    api.journal.append(Kind.TRAINING, event="opened", training="a", **opened)
    closed = {"ended_by": "over", "protocol": {"hold": stage}, "warnings": []}
    api.journal.append(Kind.TRAINING, event="closed", training="a", **closed).result()
    told = api.phone("patient").get("training/a").json()
    assert told["protocol"] == {"hold": stage}
    assert told["norms"]["hold"] == {"mean_nv": 37_100, "sd_nv": 26_000}
    assert told["warnings"] == ["norms_wide"]


@pytest.mark.req("SR-173")
@pytest.mark.parametrize("mode", ["running", "armed", "electrode_check", "self_test"])
def test_nothing_is_read_while_output_may_be_on(api: Api, mode: str) -> None:
    api.engine._set(mode=mode)
    assert code(begin(api.phone("patient"))) == "output_enabled"
    assert api.sensor.opened == 0
    assert api.phone("patient").get("training").json() == []


def test_without_a_sensor_there_is_no_training_with_one(api: Api) -> None:
    api.sensor.broken = "emg_absent"
    answer = begin(api.phone("patient"))
    assert (answer.status_code, code(answer)) == (503, "emg_absent")


@pytest.mark.req("SR-163")
def test_a_sensor_inside_is_closed_by_what_closes_stimulation_and_guided_training_is_not(api: Api) -> None:
    phone = api.phone("patient")
    assert code(begin(phone, sensor="vaginal")) == "answers_missing"
    assert code(begin(phone, sensor="vaginal", answers={"pregnant": False})) == "answers_missing"
    assert code(begin(phone, sensor="vaginal", answers=FINE | {"pregnant": True})) == "contraindicated"
    (block,) = phone.get("blocks").json()
    assert (block["why"], block["what"]) == ("contraindicated", ["pregnant"])
    assert code(begin(phone, sensor="anal", answers=FINE)) == "blocked"
    assert begin(phone, "guided", "sprint", None).status_code == 201
    phone.post("training/current/end", json={})
    assert begin(phone).status_code == 201  # on the skin
    phone.post("training/current/end", json={})
    clinician = api.phone("clinician")
    assert clinician.post(f"blocks/{block['id']}/release", json={"reason": "looked"}).status_code == 204
    assert begin(phone, sensor="vaginal", answers=FINE).status_code == 201


def test_what_the_clinician_released_does_not_close_it(api: Api) -> None:
    released = {"contraindication": "pregnant", "reason": "agreed"}
    assert api.phone("clinician").put("prescription", json=PRESCRIPTION | {"released": [released]}).status_code == 200
    assert begin(api.phone("patient"), sensor="vaginal", answers=FINE | {"pregnant": True}).status_code == 201


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"pause_ms": 999}, "pause_too_short"),
        ({"squeeze_ms": 60_000, "pause_ms": 60_000, "repeats": 30}, "exercise_range"),
        ({"repeats": 31}, "request_invalid"),
    ],
)
def test_a_plan_that_may_not_be_is_refused(api: Api, change: dict[str, int], expected: str) -> None:
    own = {"kind": "guided", "name": "own", "exercises": [SHORT | change]}
    assert code(api.phone("patient").post("training", json=own)) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "guided", "name": "own"},
        {"kind": "guided", "name": "sprint", "exercises": [SHORT]},
        {"kind": "guided", "name": "glazer"},
        {"kind": "assessment", "name": "sprint", "sensor": "surface"},
        {"kind": "technique", "name": "sprint", "sensor": "surface"},
    ],
)
def test_a_training_that_does_not_exist_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    assert code(api.phone("patient").post("training", json=wrong)) == "training_unknown"


@pytest.mark.parametrize(("kind", "sensor"), [("guided", "surface"), ("biofeedback", None)])
def test_a_sensor_is_named_by_who_has_one(api: Api, kind: str, sensor: str | None) -> None:
    assert code(begin(api.phone("patient"), kind, "sprint", sensor)) == "sensor_needed"


def test_a_palpation_is_the_clinicians_and_the_newest_of_a_day_counts(api: Api) -> None:
    clinician, patient = api.phone("clinician"), api.phone("patient")
    one = {"day": "2027-01-31", "power": 2, "endurance_s": 3, "repetitions": 3, "fast": 5, "note": ""}
    assert clinician.put("perfect", json=one).json() == one | {"advice": ["pause_twice"]}
    assert clinician.put("perfect", json=one | {"power": 4}).status_code == 200
    assert [found["power"] for found in patient.get("perfect").json()] == [4]
    assert code(clinician.put("perfect", json=one | {"power": 0})) == "perfect_range"
    assert code(clinician.put("perfect", json=one | {"power": 6})) == "request_invalid"


def test_before_anything_was_done_there_is_no_effect(api: Api) -> None:
    assert code(api.phone("patient").get("effect")) == "not_found"


def test_the_stream_tells_blocks_and_trainings_and_a_slow_reader_misses_blocks_alone(api: Api) -> None:
    device = api.device(api.phone("viewer"))

    async def read() -> tuple[list[tuple[str, Any]], int]:
        stream = as_sse(api.service, device)

        async def one() -> tuple[str, Any]:
            name, data = (await anext(stream)).split("\n")[:2]
            return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))

        api.sensor.let(0.1)
        found = [await one()]
        while not found[-1][1].get("envelope_nv"):
            found.append(await one())
        watchers = api.room._watchers
        for number in range(3 * WAITING_MAX):
            told: Any = ("emg", {"n": number}) if number else ("training", {"n": number})
            watchers[0](told)
        late = [await one() for _ in range(WAITING_MAX)]
        api.service.devices.revoke(device.id, by="test")
        watchers[0](("emg", {}))
        rest = [item async for item in stream]
        assert len(rest) <= 2
        assert api.room._watchers == []
        return found, sum(1 for name, _ in late if name == "training")

    found, kept = apart(read())
    name, block = found[-1]
    assert name == "emg"
    assert set(block) == {
        *("samples", "training_ms", "step_ms", "envelope_nv", "percent", "signal", "hum_nv", "refused"),
    }
    assert (block["training_ms"], block["percent"], block["refused"]) == (None, None, None)
    assert kept == 1
