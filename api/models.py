"""What goes over the API: strict on the way in, units in the names. Currents in mA, times in ms, s or us as named."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.passphrase import LENGTH_MAX
from api.words import describe
from controller.blocks import ADVERSE
from controller.prescription import CONTRAINDICATIONS
from controller.training.alternating import OWN_MAX, OWN_MIN, STIMULATED_MAX, STIMULATED_MIN
from safety import limits


def _whole(value: object) -> object:
    """JSON has one kind of number: 3.0 is the integer 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
ChannelName = Literal["A", "B"]
FILE_MAX = limits.PROGRAMME_MAX_BYTES // 2
"""Characters of a file that comes in a request, whose body is bounded."""
Looked = Literal["none", "asked", "allowed", "open"]
RoleName = Literal["viewer", "patient", "clinician"]
Milliamps = Annotated[
    float, Field(ge=0, le=max(limits.FULL_SCALES_UA) / 1000, multiple_of=0.1, description="mA", examples=[12.0])
]
Epoch = Annotated[int, Field(ge=0, le=2**53, description="Which session is meant: `epoch` of the state."), WHOLE]
Short = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[ -~]+$")]
PRINTABLE = r"^[ -~¡-¬®-ɏ]+$"
"""Latin letters and marks, with those of every language of the North."""
Text = Annotated[str, Field(min_length=1, max_length=500)]
IsoDay = Annotated[
    str, Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", examples=["2027-01-31"])
]

PHONES_DAY: Final = "Today by the phone itself, in UTC; without it no new day begins for the budgets."


class In(BaseModel):
    """A request's body: no key too many, no text for a number."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, json_schema_extra=describe)


class Out(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=describe)


class Problem(BaseModel):
    """A refusal (RFC 9457). `code` is stable; `title` and `detail` are for people."""

    model_config = ConfigDict(extra="allow", json_schema_extra=describe)

    type: str = Field(examples=["urn:problem:too_soon"])
    title: str
    status: int
    code: str = Field(examples=["too_soon"])
    detail: str | None = None
    field: str | None = Field(None, description="What is wrong.", examples=["caps_ma.A"])
    allowed_ma: float | None = Field(None, description="The highest set-point or cap that would be granted, in mA.")
    least_ma: float | None = Field(None, description="The lowest cap that would be granted, in mA.")
    after_ms: int | None = Field(None, description="How long until it would be, in ms.")


# --- people and devices -----------------------------------------------------------------------------------------------


class PairByToken(In):
    """The token out of the link's fragment."""

    token: Annotated[str, Field(min_length=1, max_length=64)]
    name: Short = Field("phone", description="How the device's list shows this phone.")


class PairByCode(In):
    """The code typed by hand."""

    code: Annotated[str, Field(min_length=8, max_length=9, examples=["K7MQ-2XHP"])]
    name: Short = "phone"


class PairByPassphrase(In):
    """The clinician's passphrase."""

    passphrase: Annotated[str, Field(min_length=1, max_length=LENGTH_MAX)]
    name: Short = "phone"


class PairedDevice(Out):
    """A paired phone. Times in seconds since 1970."""

    id: str
    name: str
    role: RoleName
    paired_s: int
    expires_s: int
    this: bool = Field(description="Whether it is the phone that asks.")


class OpenPairing(In):
    """For which role a phone may be paired."""

    role: RoleName


class Invitation(Out):
    """What to show to the phone that is to be paired. Told once."""

    role: RoleName
    code: str = Field(examples=["K7MQ-2XHP"])
    links: list[str] = Field(examples=[["https://device.local:8443/#pair=..."]])
    qr_svg: str = Field(description="The first link as an SVG picture.")
    fingerprint: str | None = Field(description="SHA-256 of the certificate; null without TLS.")
    expires_s: int


# --- the live session -------------------------------------------------------------------------------------------------


class ChannelOut(Out):
    """One channel."""

    set_point_ma: float
    given_ma: float = Field(description="What the present phase gives of it in a full pulse, in mA.")
    measured_ma: float | None = Field(
        description="The largest current sensed in the last window, in mA; null while nothing plays."
    )
    ceiling_ma: float = Field(description="The prescription's cap, in mA.")
    allowed_ma: float = Field(description="The highest set-point that would be granted now, in mA.")
    after_ms: int | None = Field(description="When a higher one would be, in ms from now; null: not known.")
    load_ohm: int | None
    finding: str | None = Field(description="What the last electrode check found wrong, as a code.")


class AlternatingOut(Out):
    """Stimulated contractions and one's own, in turn."""

    stimulated: int
    own: int
    counted: int


class SessionOut(Out):
    """The open session. Left-over times in ms."""

    id: str
    programme: str
    prescription_revision: int
    phase: int | None
    phase_name: dict[str, str]
    part: str = Field(examples=["hold", "rest"])
    part_left_ms: int
    contraction: int
    contractions: int
    session_ms: int
    left_ms: int
    looking: bool = Field(description="A clinician looks for the caps in it.")
    alternating: AlternatingOut | None = Field(description="Null: it does not go in turns.")


class LeaseOut(Out):
    """The controlling phone's lease."""

    nonce: str | None
    age_ms: int | None
    length_ms: int
    increase_allowed: bool


class ControlOut(Out):
    """Who controls, and who asks to; device ids."""

    holder: str | None
    asking: str | None


class StateOut(Out):
    """Everything that is known at one moment."""

    mode: str = Field(examples=["idle", "running", "stopped"])
    cause: str | None
    clears: str | None = Field(description="How the cause is cleared.")
    paused_by: str | None
    ending: str | None
    confirmed: bool | None = Field(description="After a stop: whether the lines were read back low.")
    self_test_step: str | None
    epoch: int
    rev: str = Field(description="The set-point's ETag, for If-Match.", examples=['"3.17"'])
    channels: dict[str, ChannelOut]
    session: SessionOut | None
    lease: LeaseOut
    control: ControlOut
    journal: Literal["ok", "not_written"]
    simulated: bool
    prescription_revision: int | None = Field(description="Of what is prescribed now; null: nothing is.")
    threshold: Looked = Field(description="Where the clinician's looking for the caps stands.")


class StopOut(Out):
    """What came of a stop. `confirmed` false: press the red button, pull the lead out of the box, then take the probe
    out, in this order; and ask again.
    """

    state: str = Field(examples=["stopped"])
    cause: str | None = Field(examples=["person"])
    confirmed: bool
    elapsed_ms: float


class Heartbeat(In):
    """The guard's latest nonce, echoed by the controlling phone every 250 ms."""

    sequence: Annotated[
        int,
        Field(ge=0, le=2**53, description="Higher than in the one before; counted anew when control changes hands."),
        WHOLE,
    ]
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$", examples=["5f3c"])]


class SocketBeat(Heartbeat):
    """A heartbeat on the WebSocket."""

    type: Literal["heartbeat"]


Answers = Annotated[
    dict[str, bool],
    Field(
        description="For each question: whether it applies.",
        examples=[dict.fromkeys(CONTRAINDICATIONS, False)],
        json_schema_extra={
            "properties": {one: {"type": "boolean"} for one in CONTRAINDICATIONS},
            "required": list(CONTRAINDICATIONS),
            "additionalProperties": False,
        },
    ),
]


class OpenSession(In):
    """A session of what is prescribed."""

    prescription_revision: Annotated[int, Field(ge=1, le=2**31), WHOLE]
    answers: Answers
    day: IsoDay | None = Field(None, description=PHONES_DAY)


class ControlIn(In):
    """`claim` takes control (a clinician's phone only asks), `allow` lets the one that asks, `release` gives it up."""

    action: Literal["claim", "allow", "release"]


class AlternatingIn(In):
    """How many contractions make a turn."""

    stimulated: Annotated[int, Field(ge=STIMULATED_MIN, le=STIMULATED_MAX), WHOLE] = 6
    own: Annotated[int, Field(ge=OWN_MIN, le=OWN_MAX), WHOLE] = 4


class ActionIn(In):
    """What the session is to do. `check_electrodes`, `start` and `resume` must name the `epoch`."""

    action: Literal["check_electrodes", "start", "pause", "resume", "end"]
    epoch: Epoch | None = None


class IntensityIn(In):
    """The absolute set-point of one channel."""

    channel: ChannelName
    amplitude_ma: Milliamps


# --- what is prescribed -----------------------------------------------------------------------------------------------


class PlacementIn(In):
    """Where the electrode sits."""

    depth_mm: Annotated[int, Field(ge=0, le=200, description="mm"), WHOLE]
    turn_degrees: Annotated[int, Field(ge=-180, le=180, description="degrees"), WHOLE]


AreaMm2 = Annotated[
    int, Field(ge=limits.AREA_MIN_MM2, le=limits.AREA_MAX_MM2, description="Area of the smallest contact, in mm2.")
]


class ElectrodeIn(In):
    """The electrode."""

    kind: Literal["vaginal probe", "anal probe", "surface"]
    area_mm2: Annotated[AreaMm2, WHOLE]
    placement: PlacementIn | None = None


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SignatureIn(In):
    """Ed25519 over the prescription's canonical bytes (docs/prescriptions.md)."""

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the public key.")]
    value: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class CapsIn(In):
    """The highest set-point per channel; one that is missing gives nothing."""

    A: Milliamps | None = None
    B: Milliamps | None = None


class ReleasedIn(In):
    """A contraindication that the clinician released, and why."""

    contraindication: Literal[CONTRAINDICATIONS]  # type: ignore[valid-type]
    reason: Text


class PrescriptionIn(In):
    """One revision of what is prescribed. Without a signature it is completed and signed on the device."""

    revision: Annotated[int, Field(ge=1, le=2**31), WHOLE]
    programme: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$", examples=["stress-50hz"])]
    caps_ma: CapsIn
    electrode: ElectrodeIn
    minutes: Annotated[int, Field(ge=1, le=limits.SESSION_MAX_US // 60_000_000), WHOLE]
    sessions_per_day: Annotated[int, Field(ge=1, le=limits.SESSIONS_PER_DAY_MAX), WHOLE]
    sessions_per_week: Annotated[int, Field(ge=1, le=7 * limits.SESSIONS_PER_DAY_MAX), WHOLE]
    weeks: Annotated[int, Field(ge=1, le=52), WHOLE]
    lease_ms: Annotated[int, Field(ge=limits.LEASE_MIN_US // 1000, le=limits.LEASE_MAX_US // 1000), WHOLE] = (
        limits.LEASE_DEFAULT_US // 1000
    )
    patient_may: Annotated[list[Literal["end_early", "pause"]], Field(max_length=2)] = []
    released: Annotated[list[ReleasedIn], Field(max_length=len(CONTRAINDICATIONS))] = []
    prescriber: Annotated[str, Field(min_length=1, max_length=64, pattern=PRINTABLE)]
    issued: IsoDay | None = Field(None, description="Set when it is signed, as all that follows but the last two.")
    valid_until: IsoDay | None = Field(None, description="At most its weeks after it was issued.")
    device: Sha256 | None = Field(None, description="Fingerprint of the device it is for.")
    programme_sha256: Sha256 | None = None
    programme_text: Annotated[str, Field(max_length=limits.PROGRAMME_MAX_BYTES)] | None = Field(
        None, description="The programme file, if it is not in the library."
    )
    signature: SignatureIn | None = None


class PrescriptionText(In):
    """The text of a prescription file."""

    text: Annotated[str, Field(min_length=1, max_length=FILE_MAX)]
    language: Literal["nb", "en"] = "nb"


class Labelled(Out):
    """One field, in words."""

    label: str
    text: str


class PrescriptionRead(Out):
    """A prescription as the device understood it. `signed_by`: the name of the enrolled key it names, if it is one."""

    form: PrescriptionIn
    words: list[Labelled]
    signed_by: str | None


class EnrolledKey(Out):
    """A clinician's public key."""

    name: str
    fingerprint: str


class KeyOut(Out):
    """The clinician's key on this device. `simulated`: the simulated board's, always open, worth nothing elsewhere."""

    state: Literal["none", "locked", "unlocked", "simulated"]
    name: str | None
    fingerprint: str | None = Field(description="SHA-256 of the public key.")
    left_s: float | None = Field(description="For how long it is still unlocked, s.")
    known: bool = Field(description="Whether the guard takes what it signs: its public half is enrolled.")
    enrolled: list[EnrolledKey] = Field(description="Whose signatures the guard takes.")
    device: str = Field(description="Fingerprint of this device, which a prescription names.")


class UnlockIn(In):
    """The passphrase of the clinician's key."""

    passphrase: Annotated[str, Field(min_length=1, max_length=LENGTH_MAX)]


class ThresholdSession(In):
    """Opens the session in which the caps are looked for: the answers, as for any session."""

    answers: Answers
    day: IsoDay | None = Field(None, description=PHONES_DAY)


class MarkIn(In):
    """Takes down the present set-point of a channel. `how`: of `motor`, what was observed; null: not observed."""

    channel: ChannelName
    mark: Literal["sensory", "motor", "comfortable"]
    how: Literal["seen", "palpated"] | None = None


class MarkOut(Out):
    """One finding."""

    channel: ChannelName
    mark: Literal["sensory", "motor", "comfortable"]
    amplitude_ma: float
    how: Literal["seen", "palpated", "not observed"] | None = Field(description="Of a motor threshold alone.")


class SpreadOut(Out):
    """What was found of one mark on one channel, as often as it was looked for."""

    channel: ChannelName
    mark: Literal["sensory", "motor", "comfortable"]
    count: int
    lowest_ma: float
    highest_ma: float


class ThresholdOut(Out):
    """Where the procedure stands. `proposed_ma`: the lowest of the comfortable maxima; the clinician sets the caps."""

    state: Looked
    left_s: float = Field(description="For how long it may still be allowed, or last, s.")
    marks: list[MarkOut]
    spread: list[SpreadOut]
    proposed_ma: dict[ChannelName, float]


class PhaseOut(Out):
    """One phase of a programme. Without channels it is a pause."""

    name: dict[str, str]
    channels: list[str]
    frequency_hz: float | None = None
    phase_width_us: int | None = None
    interphase_us: int | None = None
    ramp_up_ms: float = 0
    hold_ms: float = Field(0, description="Of a continuous phase: what lies between its ramps.")
    ramp_down_ms: float = 0
    rest_ms: float = 0
    repeats: int = 1
    continuous: bool = False
    intensity_percent: float = 100
    duration_s: float


class FullScale(Out):
    """A full-scale resistor that could be fitted instead, and the lowest cap it would allow, in mA."""

    full_scale_ma: float
    least_ma: float


class CapsOut(Out):
    """Which caps may be prescribed with the programme on this board, in mA: none where `most_ma` is under `least_ma`. A
    fault can give the full scale for two pulses, so a cap is at least a quarter of it while there is a `smaller` one.
    """

    full_scale_ma: float
    least_ma: float
    most_ma: float
    smaller: list[FullScale]


class ProgrammeOut(Out):
    """A programme and its figures, as `pelvistim check --json` gives them."""

    id: str
    own: bool = Field(description="Whether it is one's own, and not of the library.")
    sha256: str = Field(description="Of its file.")
    figures: dict[str, Any]
    phases: list[PhaseOut] = Field(description="As they are played, in one cycle.")
    caps: CapsOut


Scalar = bool | int | float | str
"""As a person wrote it: what may stand there is for the reader to say."""


class Words(In):
    """A text in both languages."""

    nb: str
    en: str


class PhaseForm(In):
    """One phase of a programme file. With `pause_s` a pause, with `continuous_s` a continuous phase."""

    name: Words
    pause_s: Scalar | None = None
    channel: Scalar | None = None
    frequency_hz: Scalar | None = None
    phase_width_us: Scalar | None = None
    interphase_us: Scalar | None = None
    ramp_up_ms: Scalar | None = None
    hold_ms: Scalar | None = None
    continuous_s: Scalar | None = None
    ramp_down_ms: Scalar | None = None
    rest_ms: Scalar | None = None
    repeats: Scalar | None = None
    intensity_percent: Scalar | None = None


class ElectrodeForm(In):
    """The electrode that a programme's own figures are made for."""

    kind: Scalar | None = None
    area_cm2: Scalar | None = None


class ProgrammeForm(In):
    """A programme file as JSON, by the names of the file."""

    schema_: Annotated[Scalar, Field(alias="schema")] = 1
    id: Scalar
    title: Words
    source: str
    evidence: Words | None = None
    electrode: ElectrodeForm
    cycles: Scalar = 1
    phase: Annotated[list[PhaseForm], Field(max_length=limits.PHASES_MAX + 1)]


class ProgrammeCheckIn(In):
    """A form, or the text of a file."""

    form: ProgrammeForm | None = None
    text: Annotated[str, Field(max_length=FILE_MAX)] | None = None
    max_ma: Milliamps | None = Field(None, description="For the figures, mA; missing: the highest that passes.")
    area_mm2: Annotated[AreaMm2, WHOLE] | None = None


class ProgrammeProblem(Out):
    """One thing that is wrong, as `pelvistim check` says it."""

    code: str = Field(examples=["rest_short"])
    phase: int | None = Field(description="Which phase, from 1; null: the whole.")
    field: str
    place: str
    value: str
    allowed: str
    advice: str


class RangeOut(Out):
    """What a number may be, as the other fields stand."""

    low: float
    high: float
    unit: str
    whole: bool
    above: bool = Field(description="Whether it must be above `low`.")


class ProgrammeCheckOut(Out):
    """What came of it. `accepted`: it could be played, at the maximum named."""

    accepted: bool
    text: str = Field(description="The file.")
    sha256: str
    form: ProgrammeForm | None = Field(description="Null: the text is no programme file at all.")
    problems: list[ProgrammeProblem]
    limits: list[dict[str, RangeOut]] = Field(description="For each phase: field to range.")
    whole: dict[str, RangeOut] = Field(description="Of the whole: `cycles` and `area_cm2`.")
    highest_ma: float | None = Field(description="The highest maximum that passes; null: it cannot be read.")
    programme: ProgrammeOut | None


class ProgrammeIn(In):
    """A programme file to be kept. `replaces`: the SHA-256 of the one that is kept under this id; null: none is."""

    text: Annotated[str, Field(min_length=1, max_length=FILE_MAX)]
    replaces: Sha256 | None = None


class OutputLine(Out):
    """One phase on one channel into one load. Where the compliance ends the current, r.m.s. and averages are upper
    bounds.
    """

    phase: int
    channel: str
    load_ohm: int
    frequency_hz: float
    phase_width_us: int
    interphase_us: int
    peak_current_ma: float
    peak_voltage_v: float
    limited_by_compliance: bool
    charge_per_phase_uc: float
    net_charge_per_pulse_uc: float
    rms_current_ma: float
    average_absolute_current_ma: float
    duty_percent: float
    energy_per_pulse_mj: float
    average_power_mw: float
    rms_density_ma_per_cm2: float
    power_density_mw_per_cm2: float


class OutputTable(Out):
    """The output of a programme at a maximum of the set-point."""

    programme: str
    max_ma: float
    electrode: dict[str, Any]
    waveform: str
    lines: list[OutputLine]
    notice: str


# --- what was delivered -----------------------------------------------------------------------------------------------


Adverse = Literal[ADVERSE]  # type: ignore[valid-type]
Of5 = Annotated[int, Field(ge=1, le=5), WHOLE]
Of10 = Annotated[int, Field(ge=0, le=10), WHOLE]
Note = Annotated[str, Field(max_length=500)]


class RatingIn(In):
    """How a session was. Comfort and strength 1 to 5, pain 0 to 10. Any `adverse` closes stimulation until a clinician
    releases it. `felt_from_ma`: where the current was first felt.
    """

    comfort: Of5
    strength: Of5
    pain_before: Of10 | None = None
    pain_after: Of10
    adverse: Annotated[list[Adverse], Field(max_length=len(ADVERSE))] = []
    felt_from_ma: dict[ChannelName, Milliamps] = {}
    note: Note = ""


class BlockOut(Out):
    """What keeps stimulation closed until a clinician releases it."""

    id: int
    at: str = Field(description="When, ISO 8601 in UTC.")
    why: Literal["contraindicated", "adverse"]
    what: list[str] = Field(description="The contraindications, or the complaints.")
    note: str


class ReleaseIn(In):
    """Why it may go on."""

    reason: Text


class SessionSummary(Out):
    """One session in the list. Charge in uC: of the first phase of every pulse. `comfortable_ma`: per channel, the
    current that half of the contractions were given at least.
    """

    id: str
    began: str
    ended: str | None
    programme: str | None
    contractions: int
    pulses: int
    charge_uc: float
    mode: str | None
    cause: str | None
    comfortable_ma: dict[str, float]
    looking: bool = Field(description="A clinician looked for the caps in it: it is no training.")
    simulated: bool = Field(description="It was on the simulated board: nothing reached anybody.")
    rating: RatingIn | None


class SessionRecord(SessionSummary):
    """One session in whole: each contraction's dose (uA, us, pC) as planned, as sent and as it came in edges and sensed
    current, and pauses, stops and causes in their order. `below_comfortable_s`: how long contractions were set lower
    than half of them were. `deviations`: where what came is not what was planned.
    """

    below_comfortable_s: dict[str, float]
    pauses: list[dict[str, Any]]
    deviations: list[dict[str, Any]]
    opened: dict[str, Any]
    closed: dict[str, Any] | None
    doses: list[dict[str, Any]]
    events: list[dict[str, Any]]


class HealthOut(Out):
    """Whether the device can be used."""

    ready: bool
    guard: bool
    journal: bool
    mode: str
