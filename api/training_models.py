"""Training and effect over the API. Envelopes in nV at the electrode, times in ms, levels in percent of the way from
rest to the maximal voluntary contraction (MVC).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from api.models import PRINTABLE, WHOLE, Answers, In, IsoDay, Note, Out
from controller.prescription import CONTRAINDICATIONS
from controller.training import perfect, shapes
from controller.training.course import Kind
from controller.training.shapes import Task, What

SensorKind = Literal["vaginal", "anal", "surface"]
Asked = Literal["guided", "technique", "biofeedback", "assessment"]
AskedName = Literal["sprint", "marathon", "endurance", "relaxation", "own", "technique", "glazer"]
Name = AskedName | Literal["alternating"]
"""The own squeezes of a session in turn are not begun as a training, but told as one."""


class ExerciseIn(In):
    """Squeezes of one kind. The pause is at least as long as the squeeze."""

    kind: Literal["flick", "hold", "endurance", "gentle"] = Field(description="What the page calls it.")
    squeeze_ms: Annotated[int, Field(ge=shapes.SQUEEZE_MIN_MS, le=shapes.SQUEEZE_MAX_MS, description="ms"), WHOLE]
    pause_ms: Annotated[
        int,
        Field(ge=shapes.SQUEEZE_MIN_MS, le=shapes.PAUSE_MAX_MS, description="ms; not shorter than the squeeze"),
        WHOLE,
    ]
    repeats: Annotated[int, Field(ge=1, le=shapes.REPEATS_MAX, description="Squeezes in a set."), WHOLE]
    level_percent: Annotated[int, Field(ge=10, le=100, description="How strong, in percent of the MVC."), WHOLE]
    sets: Annotated[int, Field(ge=1, le=shapes.SETS_MAX, description="How many sets."), WHOLE] = 1
    set_pause_ms: Annotated[int, Field(ge=0, le=shapes.PAUSE_MAX_MS, description="Between sets, in ms."), WHOLE] = 0


class TrainingIn(In):
    """A training to begin. With a sensor inside the body every question is answered, as before stimulation."""

    kind: Asked = Field(description="`guided` needs no sensor; the others do.")
    name: AskedName = Field(description="Which exercises; `technique` and `glazer` are those kinds' own.")
    exercises: Annotated[list[ExerciseIn], Field(max_length=shapes.EXERCISES_MAX)] = Field(
        [], description="One's own mix, for the name `own`."
    )
    sensor: SensorKind | None = Field(None, description="Where the sensor is; null: there is none.")
    answers: Answers | None = Field(None, description="For a sensor inside the body: every question answered.")


class EndIn(In):
    """How a training ended."""

    repeats_done: Annotated[int, Field(ge=0, le=10_000), WHOLE] | None = Field(
        None, description="How many squeezes were paced, of a guided one; null: not told."
    )


class PartOut(Out):
    """One stretch of a training: what is to be done, and the band of the target."""

    what: What = Field(description="To squeeze, or to let go.")
    task: Task = Field(description="What it is for: `check`, `most` and `steady` are the day's check.")
    start_ms: int = Field(description="From the training's beginning, in ms.")
    length_ms: int = Field(description="ms")
    low_percent: int | None = Field(description="The band's lower edge; null: no target.")
    high_percent: int | None = Field(description="The band's upper edge; null: no target, or none above.")


class PlanOut(Out):
    """What a training is made of."""

    kind: Kind = Field(description="What kind of training.")
    name: Name = Field(description="Which exercises.")
    check_ms: int = Field(description="How long the check at its beginning lasts, in ms; 0: none.")
    length_ms: int = Field(description="The whole, in ms.")
    parts: list[PartOut] = Field(description="One after another.")


class TrainingNow(PlanOut):
    """The training that goes on."""

    id: str
    sensor: SensorKind | None = Field(description="Where the sensor is; null: there is none.")


class LevelsOut(Out):
    """Of one person on one day, in nV."""

    rest_nv: int = Field(description="Resting level.")
    rest_sd_nv: int = Field(description="Its standard deviation.")
    mvc_nv: int = Field(description="The highest half second of a maximal contraction.")


class ScoreOut(Out):
    """Effort and release, half and half."""

    effort: int | None = Field(description="0 to 50; null: nothing to judge.")
    release: int | None = Field(description="0 to 50; null: nothing to judge.")
    total: int | None = Field(description="0 to 100; null: a half is missing.")


class TechniqueOut(Out):
    """Whether the muscle is told what to do."""

    can_contract: bool = Field(description="Most squeezes rose above 30 %.")
    can_let_go: bool = Field(description="Most pauses fell under 10 %.")
    told_apart_permille: int = Field(description="1000: effort always above rest; 500: no difference.")


class StageOut(Out):
    """One stage of the Glazer protocol."""

    mean_nv: int = Field(description="Mean envelope over its parts.")
    peak_nv: int = Field(description="The highest envelope.")
    spread_permille: int = Field(description="Standard deviation over mean; between parts, or within the only one.")
    parts: int = Field(description="How many parts were good enough.")


class NormOut(Out):
    """A group's mean and standard deviation, in nV: 96 healthy young women who had not given birth (Oleksy 2020)."""

    mean_nv: int = Field(description="Mean.")
    sd_nv: int = Field(description="Standard deviation between women.")


class TrainingOut(Out):
    """One training and what it came to. Without a sensor most of it is null."""

    id: str
    kind: Kind = Field(description="What kind of training.")
    name: Name = Field(description="Which exercises.")
    sensor: SensorKind | None = Field(description="Where the sensor was; null: there was none.")
    simulated: bool
    began: str = Field(description="When, ISO 8601 in UTC.")
    ended: str | None = Field(description="When; null: not heard, or it goes on.")
    ended_by: str | None = Field(None, description="`over`, `person`, or why it could not go on, as a code.")
    repeats_done: int | None = Field(None, description="Of a guided one.")
    whole: bool | None = Field(None, description="Whether all parts were measured.")
    ms: int | None = Field(None, description="How long it lasted, in ms.")
    good_permille: int | None = Field(None, description="How much of the signal could be used.")
    levels: LevelsOut | None = Field(None, description="Null: they could not be found.")
    score: ScoreOut | None = Field(None, description="Null: there was no target, or no levels.")
    technique: TechniqueOut | None = Field(None, description="Of a technique check.")
    measures: dict[str, int] = Field({}, description="What days are compared by; units in the names.")
    protocol: dict[str, StageOut] | None = Field(None, description="Of an assessment, by stage.")
    norms: dict[str, NormOut] | None = Field(None, description="Of an assessment, by stage: only with `norms_wide`.")
    warnings: list[str] = Field([], description="Codes; `norms_wide`: groups differ so much that only she compares.")


class PerfectIn(In):
    """What the clinician palpated (P.E.R.F.E.C.T.). At power 0 all else is 0."""

    day: IsoDay = Field(description="The day of the palpation.")
    power: Annotated[int, Field(ge=0, le=perfect.POWER_MAX, description="Modified Oxford scale."), WHOLE]
    endurance_s: Annotated[int, Field(ge=0, le=perfect.ENDURANCE_MAX_S, description="Hold, in s."), WHOLE]
    repetitions: Annotated[int, Field(ge=0, le=perfect.REPETITIONS_MAX, description="Of that hold."), WHOLE]
    fast: Annotated[int, Field(ge=0, le=perfect.FAST_MAX, description="Fast contractions of a second."), WHOLE]
    note: Annotated[Note, Field(pattern=rf"^$|{PRINTABLE}")] = Field("", description="The clinician's words.")


class PerfectOut(PerfectIn):
    """A record, and what follows from it for the plan."""

    advice: list[str] = Field(description="Codes: `pause_twice` or `no_contraction`.")


class PointOut(Out):
    """One week of one measure."""

    week: int = Field(description="Of the course, from 1.")
    value: int = Field(description="The middle of its days.")
    days: int = Field(description="How many days it rests on.")


class MeasureOut(Out):
    """One measure over the weeks. `change` and `smallest_change` are in its own unit; positive is better."""

    code: str = Field(description="Which; its unit is in the name. `overall` is 1000 x ln of four together.")
    more_is_better: bool = Field(description="False: less is better.")
    verdict: Literal["more_than_chance", "too_early_to_say", "no_change_yet"] = Field(description="All that is said.")
    weeks: int = Field(description="Weeks measured.")
    s: int = Field(description="Pairs of weeks whose later one is better, less the others.")
    limit: int | None = Field(description="From which `s` on chance is not enough; null: not yet possible.")
    change: float | None = Field(description="Last three measured weeks against the first three.")
    smallest_change: float | None = Field(description="The smallest that is more than this person's own noise.")
    since_week: int | None = Field(description="At the end of which week it was first more than chance.")
    points: list[PointOut] = Field(description="Week by week.")


class EffectOut(Out):
    """One course of twelve weeks, judged at the end of each week."""

    course: int = Field(description="Number of the course, from 1.")
    first_day: str = Field(description="ISO date.")
    weeks_over: int = Field(description="Whole weeks so far, 0 to 12.")
    sensor: SensorKind | None = Field(description="With which kind of sensor; a change begins a new course.")
    simulated: bool
    measures: list[MeasureOut] = Field(description="`overall` first.")


INSERTED: Final = frozenset({"vaginal", "anal"})
QUESTIONS: Final = frozenset(CONTRAINDICATIONS)
