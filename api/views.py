"""From the controller's figures (uA, us) to the API's (mA, ms), and back."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from api import models
from api.control import Standing
from api.threshold import Looking
from controller.caps import Caps
from controller.catalogue import highest_maximum_ua, library, programme_caps, programme_figures, programme_phases
from controller.figure_table import problem_json
from controller.history import Record
from controller.port import Channel, Playing, State
from controller.prescription import Placement, Prescription, Signature
from controller.prescription_form import as_form
from controller.programme_form import Checked, phase_of
from controller.strict_toml import Range
from controller.sums import Sums
from controller.training.alternating import Alternating


def etag(state: State) -> str:
    """The set-point's ETag: it differs between sessions too."""
    return f'"{state.epoch}.{state.rev}"'


def rev_of(if_match: str | None, state: State) -> int | None:
    """The revision that an If-Match names: None without one, -1 for one of another session or no ETag of ours."""
    if if_match is None:
        return None
    epoch, dot, rev = if_match.strip().strip('"').partition(".")
    good = dot and epoch == str(state.epoch) and rev.isascii() and rev.isdigit() and len(rev) < 16
    return int(rev) if good else -1


def state_out(
    state: State,
    standing: Standing,
    journal_ok: bool,
    prescription: Prescription | None,
    threshold: models.Looked,
    alternating: Alternating | None,
) -> models.StateOut:
    lease = state.lease
    return models.StateOut(
        mode=state.mode,
        cause=state.cause,
        clears=state.clears,
        paused_by=state.paused_by,
        ending=state.ending,
        confirmed=state.confirmed,
        self_test_step=state.self_test_step,
        epoch=state.epoch,
        rev=etag(state),
        channels={name: _channel(channel) for name, channel in state.channels.items()},
        session=None if state.session is None else _session(state.session, alternating),
        lease=models.LeaseOut(
            nonce=lease.nonce,
            age_ms=None if lease.age_us is None else lease.age_us // 1000,
            length_ms=lease.length_us // 1000,
            increase_allowed=lease.increase_allowed,
        ),
        control=models.ControlOut(holder=standing.holder, asking=standing.asking),
        journal="ok" if journal_ok else "not_written",
        simulated=state.simulated,
        prescription_revision=None if prescription is None else prescription.revision,
        threshold=threshold,
    )


def _channel(channel: Channel) -> models.ChannelOut:
    return models.ChannelOut(
        set_point_ma=channel.set_point_ua / 1000,
        given_ma=channel.given_ua / 1000,
        measured_ma=None if channel.measured_ua is None else channel.measured_ua / 1000,
        ceiling_ma=channel.ceiling_ua / 1000,
        allowed_ma=channel.allowed_ua / 1000,
        after_ms=None if channel.after_us is None else -(-channel.after_us // 1000),
        load_ohm=channel.load_ohm,
        finding=channel.finding,
    )


def _session(playing: Playing, turns: Alternating | None) -> models.SessionOut:
    return models.SessionOut(
        id=playing.id,
        programme=playing.programme,
        prescription_revision=playing.prescription_revision,
        phase=playing.phase,
        phase_name=dict(playing.phase_name),
        part=playing.part,
        part_left_ms=playing.part_left_us // 1000,
        contraction=playing.contraction,
        contractions=playing.contractions,
        session_ms=playing.session_us // 1000,
        left_ms=max(0, playing.duration_us - playing.session_us) // 1000,
        looking=playing.looking,
        alternating=None
        if turns is None or turns.session != playing.id
        else models.AlternatingOut(stimulated=turns.stimulated, own=turns.own.repeats, counted=turns.counted),
    )


def looked(now: Looking, now_s: float, playing: Playing | None) -> models.Looked:
    """Where the procedure stands; it is over with its session."""
    if now.by is None or now.left_s(now_s) == 0:
        return "none"
    if now.session is not None:
        return "open" if playing is not None and playing.id == now.session else "none"
    return "asked" if now.allowed_s is None else "allowed"


def threshold_out(now: Looking, now_s: float, playing: Playing | None) -> models.ThresholdOut:
    state = looked(now, now_s, playing)
    found: dict[tuple[str, str], list[int]] = {}
    for one in now.marks:
        if one.mark != "motor" or one.how is not None:
            found.setdefault((one.channel, one.mark), []).append(one.amplitude_ua)
    return models.ThresholdOut.model_validate(
        {
            "state": state,
            "left_s": now.left_s(now_s) if state != "none" else 0.0,
            "marks": [
                {
                    "channel": one.channel,
                    "mark": one.mark,
                    "amplitude_ma": one.amplitude_ua / 1000,
                    "how": (one.how or "not observed") if one.mark == "motor" else None,
                }
                for one in now.marks
            ],
            "spread": [
                {
                    "channel": channel,
                    "mark": mark,
                    "count": len(all_ua),
                    "lowest_ma": min(all_ua) / 1000,
                    "highest_ma": max(all_ua) / 1000,
                }
                for (channel, mark), all_ua in sorted(found.items())
            ],
            "proposed_ma": {name: ua // 100 / 10 for name, ua in now.proposed_ua().items()},
        }
    )


def prescription_of(told: models.PrescriptionIn) -> Prescription:
    caps = {"A": told.caps_ma.A, "B": told.caps_ma.B}
    place = told.electrode.placement
    return Prescription(
        revision=told.revision,
        programme=told.programme,
        caps_ua={name: round(ma * 1000) for name, ma in caps.items() if ma is not None},
        electrode_kind=told.electrode.kind,
        electrode_area_mm2=told.electrode.area_mm2,
        placement=None if place is None else Placement(place.depth_mm, place.turn_degrees),
        minutes=told.minutes,
        sessions_per_day=told.sessions_per_day,
        sessions_per_week=told.sessions_per_week,
        weeks=told.weeks,
        lease_us=told.lease_ms * 1000,
        patient_may=tuple(told.patient_may),
        released={one.contraindication: one.reason for one in told.released},
        prescriber=told.prescriber,
        valid_until=told.valid_until,
        issued=told.issued or "",
        device=told.device or "",
        programme_sha256=told.programme_sha256 or "",
        programme_text=told.programme_text,
        signature=None if told.signature is None else Signature(told.signature.key, told.signature.value),
    )


def prescription_out(one: Prescription) -> models.PrescriptionIn:
    return models.PrescriptionIn.model_validate(as_form(one))


def programme_out(text: bytes, max_ma: float | None = None, area_mm2: int | None = None) -> models.ProgrammeOut:
    """A programme with its figures. Raises InputRefused."""
    found = programme_figures(text, None if max_ma is None else round(max_ma * 1000), area_mm2)
    return models.ProgrammeOut(
        id=found["programme"]["id"],
        own=text not in library().values(),
        sha256=sha256(text).hexdigest(),
        figures=found,
        phases=[models.PhaseOut(**phase) for phase in programme_phases(text)],
        caps=_caps(programme_caps(text, area_mm2)),
    )


def _caps(one: Caps) -> models.CapsOut:
    return models.CapsOut(
        full_scale_ma=one.full_scale_ua / 1000,
        least_ma=one.least_ua / 1000,
        most_ma=one.most_ua / 1000,
        smaller=[models.FullScale(full_scale_ma=full / 1000, least_ma=least / 1000) for full, least in one.smaller],
    )


def checked_out(found: Checked, max_ma: float | None, area_mm2: int | None) -> models.ProgrammeCheckOut:
    """What came of a form: the reader's problems, and the ceilings at the maximum."""
    told = None if found.programme is None else programme_out(found.text, max_ma, area_mm2)
    over = [] if told is None else told.figures["problems"]
    listed = [{**problem_json(one), "phase": phase_of(one)} for one in found.problems]
    listed += [{**one, "phase": int(one["place"][6:-1]) if one["place"] else None} for one in over]
    try:
        form = None if found.form is None else models.ProgrammeForm.model_validate(found.form)
    except ValidationError:
        form = None
    return models.ProgrammeCheckOut(
        accepted=not listed,
        text=found.text.decode("utf-8", "replace"),
        sha256=found.sha256,
        form=form,
        problems=[models.ProgrammeProblem.model_validate(one) for one in listed],
        limits=[{name: _range(one) for name, one in phase.items()} for phase in found.phases],
        whole={name: _range(one) for name, one in found.whole.items()},
        highest_ma=None if told is None else highest_maximum_ua(found.text, area_mm2) / 1000,
        programme=told,
    )


def _range(one: Range) -> models.RangeOut:
    return models.RangeOut(low=float(one.low), high=float(one.high), unit=one.unit, whole=one.whole, above=one.above)


def summary(record: Record, sums: Sums | Record) -> models.SessionSummary:
    """``sums``: the record itself, if it has its doses."""
    closed = record.closed or {}
    return models.SessionSummary(
        id=record.id,
        began=record.began,
        ended=record.ended,
        programme=record.opened.get("programme"),
        contractions=sums.contractions,
        pulses=sums.pulses,
        charge_uc=sums.charge_pc / 1e6,
        mode=closed.get("mode"),
        cause=closed.get("cause"),
        comfortable_ma={name: ua / 1000 for name, ua in sums.comfortable_ua.items()},
        looking=record.looking,
        simulated=record.opened.get("simulated") is True,
        rating=None if record.rating is None else _rating(record.rating),
    )


def _rating(told: dict[str, Any]) -> models.RatingIn:
    felt = {name: ua / 1000 for name, ua in told["felt_from_ua"].items()}
    fields = {name: value for name, value in told.items() if name != "felt_from_ua"}
    return models.RatingIn.model_validate({**fields, "felt_from_ma": felt})


def whole(record: Record) -> models.SessionRecord:
    return models.SessionRecord(
        **summary(record, record).model_dump(),
        below_comfortable_s={name: us / 1e6 for name, us in record.below_comfortable_us.items()},
        pauses=record.pauses,
        deviations=record.deviations,
        opened=record.opened,
        closed=record.closed,
        doses=record.doses,
        events=record.events,
    )
