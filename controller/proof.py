"""Proof of delivery: whether what was sent in a session is what was prescribed, to the pulse.

Four accounts of one session must agree: the recorded chunks, replayed by a decoder of their own; the journal's rows
with their chain; the guard's signed seal; and what was prescribed, as it was signed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from controller import journal, journal_check, recording
from controller.chain import Finding, Kind, Row
from controller.journal import JournalError
from controller.journal_check import Verdict
from controller.proof_plan import CODES, Asked, ask
from controller.proof_replay import Replay, replay
from controller.proof_signed import Signed, kept_to, signed_of
from controller.recording import Recording, RecordingError
from safety.seal import Seal, SealError
from safety.signer import read_seals

KINDS: Final = (Kind.SESSION, Kind.DOSE, Kind.THRESHOLD)
"""Rows that tell of one session."""
ABOUT: Final[Mapping[str, str]] = {
    code: account
    for account, codes in {
        "absent": "recording_absent",
        "recording": "recording_damaged recording_other",
        "sent": "beginning time gap contraction_missing over_cap rise pulse_extra pulse_missing pulse_other charge "
        "over_set_point under_set_point after_fade not_readable cut_short too_long",
        "dose": "dose_missing dose_other end_other",
        "prescription": "caps_other programme_other plan_other signature_other prescription_foreign "
        "prescription_expired minutes_over",
        "seal": "not_sealed chunks_other pulses_other seal_malformed seal_forged seal_gap seal_key_lost "
        "seal_unreadable",
        "unread": "not_told",
    }.items()
    for code in codes.split()
}
"""Finding -> the account in which it was found, for people; one that is not here is of the journal and its chain."""


@dataclass(frozen=True)
class Proof:
    """What was found of one session. ``sealed``: the guard's own signature stands for its chunks."""

    session: str
    chunks: int
    pulses: int
    sealed: bool
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """What was sent is what the prescription allows, and the guard vouches for it."""
        return self.sealed and not self.findings


def about(finding: Finding) -> str:
    """In which account a finding is: a value of ``ABOUT``, or ``journal``."""
    return "journal" if finding.row is not None else ABOUT.get(finding.code, "journal")


def sessions(folder: Path) -> list[str]:
    """The sessions that began, in order. Raises JournalError."""
    named: dict[str, None] = {}
    for row in journal.read(folder / journal.NAME, Kind.SESSION):
        told = row.fields
        if told.get("event") == "opened":
            named[told["session"]] = None
        elif told.get("event") == "not_started":
            named.pop(told["session"], None)
    return list(named)


def prove(folder: Path, guard_state: Path, session: str, verdict: Verdict | None = None) -> Proof:
    """Proves one session of the journal in ``folder``, whose guard keeps its seals in ``guard_state``. ``verdict``: on
    the journal as a whole, when it was found already.
    """
    path = folder / journal.NAME
    verdict = verdict or journal_check.verify(path, guard_state)
    findings = list(verdict.findings)
    replayed, seal, chunks = Replay(), None, 0
    try:
        rows = _rows(path, session)
        seal = _seal(guard_state, session)
        recorded = recording.read(recording.path_of(folder, session))
        chunks = len(recorded.chunks)
        asked = ask(recorded.programme)
        replayed = replay(recorded, asked)
        findings += [
            *replayed.findings,
            *_told(rows, recorded, replayed, asked),
            *kept_to(rows.signed, guard_state, rows.day, recorded, replayed, asked),
            *_sealed(seal, recorded, replayed, rows),
        ]
    except (RecordingError, JournalError, SealError) as error:
        findings.append(Finding(error.code, str(error)))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        findings.append(Finding("not_told", f"the accounts of session {session} cannot be read: {error!r}"))
    return Proof(session, chunks, replayed.pulses, seal is not None, tuple(dict.fromkeys(findings)))


@dataclass(frozen=True)
class _Rows:
    """What the journal says of the session. ``day``: on which it was opened, by the latest that was known."""

    day: str
    opened: Mapping[str, Any]
    closed: Mapping[str, Any]
    doses: tuple[Mapping[str, Any], ...]
    prescribed: Mapping[str, Any]
    signed: Signed


def _rows(path: Path, session: str) -> _Rows:
    """Raises ValueError when the journal does not tell of a whole session."""
    own = [(row, row.fields) for row in journal.read(path, *KINDS, sessions=[session])]
    events = {told["event"]: (row, told) for row, told in own if row.kind == Kind.SESSION}
    if "opened" not in events or "closed" not in events:
        raise ValueError(f"told are {sorted(events)}, not that it was opened and closed")
    (row, opened), (_, closed) = events["opened"], events["closed"]
    doses = tuple(told for one, told in own if one.kind == Kind.DOSE)
    prescribed = _prescribed(path, row, opened)
    looked = next((told for one, told in own if one.kind == Kind.THRESHOLD and told["event"] == "signed"), None)
    day = max(opened.get("day", ""), row.at[: len("2027-03-15")])
    return _Rows(day, opened, closed, doses, prescribed, signed_of(looked, prescribed))


def _prescribed(path: Path, opened: Row, told: Mapping[str, Any]) -> Mapping[str, Any]:
    """The prescription that was in force when the session was opened."""
    before = [row.fields for row in journal.read(path, Kind.PRESCRIPTION, before=opened.number)]
    if not before or before[-1]["revision"] != told["prescription_revision"]:
        raise ValueError(f"prescription revision {told['prescription_revision']} was not in force")
    return before[-1]


def _seal(guard_state: Path, session: str) -> Seal:
    found = [seal for seal in read_seals(guard_state) if seal.session == session]
    if len(found) != 1:
        raise SealError(f"the guard signed {len(found)} seals of session {session}", code="not_sealed")
    return found[0]


def _told(rows: _Rows, recorded: Recording, replayed: Replay, asked: Asked) -> Iterator[Finding]:
    """What journal and prescription say otherwise than the recording."""
    session = recorded.session
    if session != rows.opened["session"] or recorded.sha256 != rows.closed["recording_sha256"]:
        yield Finding(
            "recording_other", f"the recording is not the one that was made of session {rows.opened['session']}"
        )
    caps = {channel: cap_ua for channel, cap_ua in recorded.caps_ua.items() if cap_ua}
    prescribed = dict(rows.prescribed["caps_ua"])
    if rows.opened.get("looking"):  # for caps that are not set
        prescribed = {**caps, **prescribed}
    for whose, told in (("opened with", rows.opened["caps_ua"]), ("prescribed", prescribed)):
        if {channel: cap_ua for channel, cap_ua in told.items() if cap_ua} != caps:
            yield Finding("caps_other", f"caps {whose}: {told}; recorded {recorded.caps_ua}")
    if rows.opened["programme"] != rows.prescribed["programme"]:
        yield Finding(
            "programme_other", f"{rows.opened['programme']} was played; prescribed is {rows.prescribed['programme']}"
        )
    if rows.closed["session_us"] != max(0, replayed.ends_us):
        yield Finding("end_other", f"ends at {replayed.ends_us} us; told is {rows.closed['session_us']} us")
    if rows.closed["cause"] is None and replayed.cut:
        yield Finding(
            "cut_short", f"ends in a contraction at {replayed.ends_us} us without a ramp, and no cause is told"
        )
    if rows.closed["cause"] is None and replayed.ends_us > asked.length_us + 1_000_000:
        yield Finding("too_long", f"ends at {replayed.ends_us} us; the programme at {asked.length_us} us")
    yield from _doses(rows, recorded, replayed)


def _doses(rows: _Rows, recorded: Recording, replayed: Replay) -> Iterator[Finding]:
    """The dose record, contraction by contraction, against what was replayed."""
    orderly = rows.closed["cause"] is None
    last = max((train for train, _ in replayed.tallies), default=0)
    told = {(dose["contraction"], dose["channel"]): dose for dose in rows.doses}
    if len(told) != len(rows.doses) or told.keys() != replayed.tallies.keys():
        odd = sorted(told.keys() ^ replayed.tallies.keys())
        yield Finding("dose_missing", f"contractions told and replayed differ: {odd or 'one is told twice'}")
    for key in told.keys() & replayed.tallies.keys():
        dose, tally = told[key], replayed.tallies[key]
        charge_pc = tally.code_us * recorded.full_scale_ua // CODES
        sent = (dose["sent_pulses"], dose["sent_charge_pc"])
        came = (dose["pulses"], dose["charge_pc"])
        cut = not orderly and key[0] == last
        if sent != (tally.pulses, charge_pc) or not (
            came == sent or (cut and came[0] <= sent[0] and came[1] <= sent[1])
        ):
            words = f"contraction {key[0]} on {key[1]}: told {came} came of {sent} sent"
            yield Finding("dose_other", f"{words}; replayed {tally.pulses} pulses, {charge_pc} pC")
        replayed_ua = (tally.set_point_ua, tally.code * recorded.full_scale_ua // CODES)
        highest = (dose["set_point_ua"], dose.get("sent_ua", replayed_ua[1]))  # it was not always told
        if highest != replayed_ua:
            words = f"contraction {key[0]} on {key[1]}: told {highest} uA were set and given"
            yield Finding("dose_other", f"{words}; replayed {replayed_ua}")


def _sealed(seal: Seal, recorded: Recording, replayed: Replay, rows: _Rows) -> Iterator[Finding]:
    """What the guard signed otherwise."""
    hashed = hashlib.sha256()
    for chunk in recorded.chunks:
        hashed.update(len(chunk.data).to_bytes(4, "little") + chunk.data)
    if (seal.chunks, seal.chunks_sha256) != (len(recorded.chunks), hashed.hexdigest()):
        yield Finding(
            "chunks_other", f"the guard signed {seal.chunks} other chunks than the {len(recorded.chunks)} here"
        )
    plan: dict[str, Any] = {"programme": recorded.programme, "caps_ua": dict(recorded.caps_ua)}
    if seal.schema > 2:
        plan |= {"prescription": rows.signed.sha256, "key": rows.signed.key}
    text = json.dumps(plan, sort_keys=True, separators=(",", ":")).encode()
    if hashlib.sha256(text).hexdigest() != seal.plan_sha256:
        yield Finding("plan_other", "the guard judged by another programme, other caps or another signature")
    if seal.pulses_seen > replayed.pulses or (rows.closed["cause"] is None and seal.pulses_seen != replayed.pulses):
        yield Finding("pulses_other", f"the guard saw {seal.pulses_seen} pulses; replayed are {replayed.pulses}")
