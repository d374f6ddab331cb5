"""Target shapes, scores, the technique check, and a training from its beginning to its result, on simulated people."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from controller.emg.levels import Levels
from controller.emg.stream import STEP_MS, Step
from controller.training.course import Course, plan
from controller.training.perfect import Perfect
from controller.training.scoring import Recording, told_apart
from controller.training.shapes import (
    READY,
    Exercise,
    TrainingRefused,
    check_exercises,
    check_parts,
    glazer_parts,
    length_ms,
    parts_of,
)
from hw.mock.emg import Person
from hw.mock.muscle import Build
from tests.support.emg import follows, steps_of, told_steps, trained

MARATHON = plan("biofeedback", "marathon")
SHORT = plan("biofeedback", "own", [Exercise("hold", 5_000, 5_000, 3, 60)])
TWITCHY = Exercise("hold", 5_000, 5_000, 3, 60)


@cache
def done(what: str, name: str = "", *, lets_go: bool = True) -> Course:
    """A whole training of somebody who follows it."""
    chosen = SHORT if what == "short" else plan(what, name)  # type: ignore[arg-type]
    make = steps_of if what == "short" and lets_go else told_steps
    return trained(chosen, Person(), follows(chosen.parts, lets_go=lets_go), make=make)


# --- shapes -----------------------------------------------------------------------------------------------------------


def test_sprint_and_marathon_are_those_of_the_article() -> None:
    sprint, marathon = parts_of(READY["sprint"]), parts_of(READY["marathon"])
    assert sum(part.what == "squeeze" for part in sprint) == 30
    assert sum(part.task == "between" for part in sprint) == 2
    assert [part.length_ms for part in marathon if part.what == "squeeze"] == [10_000] * 5
    for exercises in READY.values():
        check_exercises(exercises)
        for squeeze, pause in zip(parts_of(exercises), parts_of(exercises)[1:], strict=False):
            if squeeze.what == "squeeze":
                assert pause.length_ms >= squeeze.length_ms


def test_parts_follow_each_other_without_a_gap() -> None:
    for parts in (MARATHON.parts, glazer_parts(), check_parts(), parts_of(READY["sprint"], 500)):
        assert [part.end_ms for part in parts[:-1]] == [part.start_ms for part in parts[1:]]
    assert length_ms(parts_of(READY["sprint"], 500)) == length_ms(parts_of(READY["sprint"]))
    assert length_ms([]) == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"pause_ms": 4_999}, "pause_too_short"),
        ({"squeeze_ms": 400}, "exercise_range"),
        ({"squeeze_ms": 60_001, "pause_ms": 60_001}, "exercise_range"),
        ({"pause_ms": 120_001}, "exercise_range"),
        ({"repeats": 0}, "exercise_range"),
        ({"repeats": 31}, "exercise_range"),
        ({"sets": 6}, "exercise_range"),
        ({"set_pause_ms": -1}, "exercise_range"),
        ({"level_percent": 5}, "exercise_range"),
        ({"squeeze_ms": 60_000, "pause_ms": 60_000, "repeats": 23}, "exercise_range"),
    ],
)
def test_an_exercise_that_may_not_be_is_refused(change: dict[str, int], code: str) -> None:
    check_exercises([TWITCHY])
    with pytest.raises(TrainingRefused) as refused:
        check_exercises([replace(TWITCHY, **change)])
    assert refused.value.code == code


def test_no_exercise_or_too_many_are_refused_and_so_is_one_for_a_plan() -> None:
    for wrong in ([], [TWITCHY] * 7):
        with pytest.raises(TrainingRefused):
            check_exercises(wrong)
    with pytest.raises(TrainingRefused, match="let go"):
        plan("guided", "own", [replace(TWITCHY, pause_ms=4_000)])


def test_the_glazer_protocol_is_as_published() -> None:
    told = [(part.what, part.task, part.length_ms // 1000) for part in glazer_parts()]
    assert told[0] == ("rest", "rest_before", 60)
    assert told[1:11] == [("squeeze", "flick", 2), ("rest", "flick", 10)] * 5
    assert told[11:21] == [("squeeze", "hold", 10), ("rest", "hold", 10)] * 5
    assert told[21:] == [("squeeze", "endurance", 60), ("rest", "rest_after", 60)]


# --- scores -----------------------------------------------------------------------------------------------------------


def test_who_follows_the_shape_has_nearly_all() -> None:
    result = done("short").result()
    assert result["score"]["effort"] >= 45
    assert result["score"]["release"] >= 45
    assert result["warnings"] == []
    assert result["whole"]


def test_who_never_lets_go_scores_at_most_half_and_is_told() -> None:
    result = done("short", lets_go=False).result()
    assert result["score"]["effort"] >= 45
    assert result["score"]["total"] <= 50
    assert {"rest_rising", "does_not_let_go"} <= set(result["warnings"])


@pytest.mark.parametrize("mvc_uv", [60.0, 600.0])
def test_who_is_tense_from_the_beginning_scores_at_most_half_however_strong(mvc_uv: float) -> None:
    person = Person(rest_uv=4.0, mvc_uv=mvc_uv, build=Build(tonic=0.6))
    result = trained(SHORT, person, follows(SHORT.parts)).result()
    assert result["score"]["total"] <= 50
    assert result["score"]["release"] == 0
    assert "rest_high" in result["warnings"]


def test_a_rest_above_ones_own_earlier_days_is_told_and_is_no_release() -> None:
    person = Person(rest_uv=14.0, mvc_uv=60.0)
    tense = trained(SHORT, person, follows(SHORT.parts), usual_rest_nv=4_200).result()
    usual = trained(SHORT, person, follows(SHORT.parts), usual_rest_nv=14_000).result()
    assert "rest_raised" in tense["warnings"]
    assert "rest_raised" not in usual["warnings"]
    assert tense["score"]["total"] <= 50 < usual["score"]["total"]


def test_who_does_nothing_has_the_half_for_rest_alone() -> None:
    parts = SHORT.parts
    only_check = follows([part for part in parts if part.end_ms <= SHORT.check_ms])
    result = trained(SHORT, Person(), only_check).result()
    assert result["score"] == {"effort": 0, "release": 50, "total": 50}


def test_flicks_count_when_they_were_reached() -> None:
    result = done("biofeedback", "sprint").result()
    assert result["score"]["total"] >= 90


def test_the_technique_check_tells_apart_who_can_and_who_cannot() -> None:
    able = done("technique").result()["technique"]
    assert able == {"can_contract": True, "can_let_go": True, "told_apart_permille": 1000}
    chosen = plan("technique", "technique")
    unable = trained(chosen, Person(), lambda _: 0.0).result()["technique"]
    assert not unable["can_contract"]
    assert 300 < unable["told_apart_permille"] < 700


def test_told_apart_is_the_share_of_pairs() -> None:
    assert told_apart([3, 4], [1, 2]) == 1000
    assert told_apart([1, 2], [3, 4]) == 0
    assert told_apart([2], [2]) == 500


# --- the check and its measures ---------------------------------------------------------------------------------------


def test_the_check_finds_levels_and_measures() -> None:
    course = done("short")
    levels, found = course.levels, course.result()["measures"]
    assert levels is not None
    assert levels.rest_nv == pytest.approx(4_100, rel=0.15)
    assert levels.mvc_nv == pytest.approx(60_000, rel=0.15)
    assert found["strength_nv"] == levels.strength_nv
    assert found["rest_nv"] == levels.rest_nv
    assert 300 < found["let_go_ms"] < 800
    assert found["hold_ms"] > 9_000
    assert course.percent(levels.mvc_nv) == 100
    assert course.percent(levels.mvc_nv * 5) == 200


def test_a_hold_that_fades_and_a_release_that_is_slow_are_measured() -> None:
    steady = next(part for part in SHORT.parts if part.task == "steady")
    follow = follows(SHORT.parts)

    def tires(at_s: float) -> float:
        return 0.2 if steady.start_ms + 4_000 < at_s * 1000 < steady.end_ms else follow(at_s)

    assert trained(SHORT, Person(), tires).result()["measures"]["hold_ms"] == pytest.approx(4_000, abs=300)
    slow = trained(SHORT, Person(build=Build(fall_s=0.6)), follow).result()["measures"]
    assert slow["let_go_ms"] > 1_500


def test_a_training_that_was_cut_short_has_no_measures() -> None:
    course = Course(SHORT)
    for step in done("short").steps[:4_000]:
        course.feed(step)
    result = course.result()
    assert not result["whole"]
    assert result["measures"] == {}
    assert Course(SHORT).result()["warnings"] == ["sensor"]


def test_a_bad_sensor_has_no_levels_and_no_score() -> None:
    course = Course(SHORT)
    for step in done("short").steps:
        course.feed(replace(step, signal="lead_off"))
    result = course.result()
    assert (result["levels"], result["score"], result["measures"], result["warnings"]) == (None, None, {}, ["sensor"])
    assert result["good_permille"] == 0
    assert course.checked


def test_rest_and_effort_that_cannot_be_told_apart_are_no_measures() -> None:
    result = trained(SHORT, Person(build=Build(tonic=0.6)), follows(SHORT.parts)).result()
    assert (result["whole"], result["measures"]) == (True, {})


def test_an_assessment_tells_each_stage_with_its_spread() -> None:
    chosen = plan("assessment", "glazer")
    long = next(part for part in chosen.parts if part.task == "endurance")
    follow = follows(chosen.parts)
    result = trained(
        chosen, Person(), lambda at_s: 0.1 if long.start_ms + 25_000 < at_s * 1000 < long.end_ms else follow(at_s)
    ).result()
    stages = result["protocol"]
    assert list(stages) == ["rest_before", "flick", "hold", "endurance", "rest_after"]
    assert {stage: found["parts"] for stage, found in stages.items()} == {
        "rest_before": 1, "flick": 5, "hold": 5, "endurance": 1, "rest_after": 1
    }  # fmt: skip
    assert stages["hold"]["mean_nv"] > 10 * stages["rest_before"]["mean_nv"]
    assert all(found["spread_permille"] < 200 for stage, found in stages.items() if stage != "endurance")
    assert result["measures"] == {"endurance_ms": pytest.approx(25_000, abs=400)}
    assert result["score"] is None


def test_a_recording_gives_nothing_where_too_little_is_good() -> None:
    steps = [Step(n * STEP_MS, 5_000, 5_000, "lost" if n % 2 else None) for n in range(200)]
    assert Recording(steps).good(0, 2_000) == []
    assert Recording([replace(step, signal=None) for step in steps]).good(0, 2_000)


def test_levels_that_cannot_be_told_apart_are_of_no_use() -> None:
    assert not Levels(10_000, 1, 10_000, 1, 19_999).usable
    assert Levels(10_000, 1, 10_000, 1, 20_000).usable


# --- P.E.R.F.E.C.T. ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("power", "advice"), [(0, ("no_contraction",)), (1, ("pause_twice",)), (2, ("pause_twice",)), (3, ()), (5, ())]
)
def test_a_very_weak_muscle_rests_twice_as_long(power: int, advice: tuple[str, ...]) -> None:
    some = 0 if power == 0 else 3
    assert Perfect("2027-01-31", power, some, some, some).advice == advice


@pytest.mark.parametrize(
    "figures", [(6, 1, 1, 1), (-1, 0, 0, 0), (3, 11, 1, 1), (3, 1, 11, 1), (3, 1, 1, 11), (0, 1, 0, 0)]
)
def test_a_palpation_out_of_range_is_refused(figures: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"is from|power 0"):
        Perfect("2027-01-31", *figures)
