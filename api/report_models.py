"""The report as it goes over the api and into a file; its JSON Schema is published as docs/report.schema.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.models import WHOLE, In, IsoDay, Note, Of10, Out

Count = Annotated[int, Field(ge=0)]
Times = Annotated[int, Field(ge=0, le=100), WHOLE]


class DiaryDayIn(In):
    """One day: how many leaks and pads, and how near the own goal is, 0 to 10. What is left out was not told."""

    day: IsoDay
    leaks: Times | None = None
    pads: Times | None = None
    goal: Of10 | None = None
    note: Note = ""


class GoalIn(In):
    """The person's own goal, in her own words."""

    text: Annotated[str, Field(min_length=1, max_length=200)]


class FindingOut(Out):
    """What speaks against a session. `about`: the account it was found in; `absent`: the recording was removed."""

    code: str = Field(examples=["dose_other"])
    about: Literal["journal", "absent", "recording", "sent", "dose", "prescription", "seal", "unread"]
    row: int | None = Field(description="Of the journal.")
    detail: str | None = Field(description="With the figures, in English; for a clinician.")


class ProofOut(Out):
    """Whether what was sent in a session is what was prescribed, to the pulse. `sealed`: the guard signed it."""

    session: str
    proved: bool
    sealed: bool
    chunks: Count
    pulses: Count
    findings: list[FindingOut]


class DiaryOut(Out):
    """The diary: the days in order, the newest word on each, and the goal."""

    goal: str
    days: list[DiaryDayIn]


class Point(Out):
    """One point of a series. `at`: ISO 8601 in UTC, or a day."""

    at: str
    value: float


class Series(Out):
    """Points in order, and how many. The medians of the first and the last three are there from six points on."""

    n: Count
    points: list[Point]
    first_median: float | None
    last_median: float | None


class Period(Out):
    """Both days included; days in UTC."""

    from_: str = Field(alias="from")
    to: str
    days: Count


class Prescribed(Out):
    """What was prescribed at the end of the period."""

    revision: int | None
    programme: str | None
    minutes: int | None
    sessions_per_day: int | None
    sessions_per_week: int | None
    weeks: int | None
    valid_until: str | None
    prescriber: str | None
    electrode_kind: str | None
    electrode_area_mm2: int | None
    placement: dict[str, int] | None
    caps_ma: dict[str, float]


class Week(Out):
    """Seven days. `prescribed` is null where nothing was prescribed at their beginning, or not to their end, or they
    are not whole.
    """

    from_: str = Field(alias="from")
    sessions: Count
    prescribed: Count | None


class Adherence(Out):
    """Sessions, those that ended in order, how many of these a person ended before their time, and of the judged weeks
    what was prescribed and what of it was done.
    """

    sessions: Count
    completed: Count
    ended_early: Count
    prescribed: Count
    within_prescribed: Count
    weeks: list[Week]


class DoseTotal(Out):
    """What came, of all sessions of training. Charge of the first phases of all pulses. `planned_`: in the contractions
    that began, at the set-points in force; null where a session does not tell of it.
    """

    contractions: Count
    pulses: Count
    charge_uc: float
    planned_pulses: Count | None
    planned_charge_uc: float | None
    minutes: float


class ReportSession(Out):
    """One session. `ended_early`: by a person, before its time; null where that is not told. `deviation_list` is in the
    clinician's report.
    """

    id: str
    began: str
    programme: str | None
    prescription_revision: int | None
    simulated: bool
    completed: bool
    ended_early: bool | None
    cause: str | None
    minutes: float
    contractions: Count
    pulses: Count
    charge_uc: float
    planned_pulses: Count | None
    planned_charge_uc: float | None
    comfortable_ma: dict[str, float]
    below_comfortable_s: dict[str, float]
    pauses: Count
    deviations: Count
    deviation_list: list[dict[str, Any]] | None


class Thresholds(Out):
    """What a clinician found on one channel. `motor_not_observed`: how often no contraction was seen or palpated."""

    sensory: Series
    motor: Series
    comfortable: Series
    motor_not_observed: Count


class AdverseEvent(Out):
    """A complaint after a session, and whether a clinician has released stimulation since."""

    at: str
    session: str | None
    what: list[str]
    released: bool


class Adverse(Out):
    """All complaints."""

    n: Count
    events: list[AdverseEvent]


class DiaryPart(Out):
    """Leaks and pads a day, how near the goal is (0 to 10), and the goal itself."""

    goal_text: str
    leaks: Series
    pads: Series
    goal: Series


class Cause(Out):
    """Something that stopped or paused."""

    at: str
    session: str | None
    code: str


class ReportOut(Out):
    """A report over a period. A code stands for the person. Each series says how many points it rests on."""

    format: Literal["pelvistim-report"]
    version: Literal[1]
    code: str
    audience: Literal["patient", "clinician"]
    simulated: bool = Field(description="A session of it was on the simulated board: nothing reached anybody.")
    period: Period
    prescription: Prescribed | None
    adherence: Adherence
    dose: DoseTotal
    sessions: list[ReportSession]
    comfortable_ma: dict[str, Series]
    felt_from_ma: dict[str, Series]
    thresholds_ma: dict[str, Thresholds]
    ratings: dict[str, Series]
    pain: dict[str, Series]
    adverse: Adverse
    diary: DiaryPart
    impression: Series = Field(description="PGI-I: 1 (very much better) to 7 (very much worse).")
    events: list[Cause]
    causes: dict[str, Count]
    notice: str


def schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ReportOut.model_json_schema()}
