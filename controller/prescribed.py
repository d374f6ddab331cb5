"""The prescriptions of one device, kept as rows of the journal: the newest one is in force."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from controller import past
from controller.blocks import blocks
from controller.caps import caps, least_ua
from controller.chain import Kind
from controller.figures import ceilings, figures, highest_ua
from controller.history import records
from controller.journal import Journal
from controller.port import EngineRefused
from controller.prescription import Placement, Prescription, Signature, signed_text
from controller.programme import Programme, load_programme, parse_programme, shipped_programmes
from hw.board import Board
from safety.errors import InputRefused
from safety.limits import PRESCRIPTION_MAX_BYTES


class Prescriptions:
    """``present`` is the one in force, None when nothing was prescribed."""

    def __init__(self, journal: Journal, board: Board) -> None:
        self._journal, self._board = journal, board
        rows = journal.rows(Kind.PRESCRIPTION)
        self.present = prescription_of_row(rows[-1].fields) if rows else None

    def check(self, wanted: Prescription, today: str) -> None:
        """Whether it could be put in force. Raises EngineRefused with the field that is wrong."""
        now = 0 if self.present is None else self.present.revision
        if wanted.signature is None and wanted.revision != now + 1:
            raise EngineRefused("prescription_revision", f"revision {wanted.revision}; the next is {now + 1}")
        if self.present is not None and signed_text(wanted) == signed_text(self.present):
            raise EngineRefused("prescription_replayed", f"revision {now} is in force already")
        refuse_expired(wanted, today)
        refuse_unfit(wanted, self._board)

    def put(self, wanted: Prescription) -> Prescription:
        """Puts one in force that the guard has taken; durable. Raises JournalError."""
        self._journal.append(Kind.PRESCRIPTION, **_fields(wanted)).result()
        self.present = wanted
        return wanted

    def close(self, against: Sequence[str]) -> None:
        """Closes stimulation for these contraindications until a clinician releases it; durable.

        Raises JournalError.
        """
        self._journal.append(Kind.BLOCK, event="closed", why="contraindicated", what=list(against)).result()

    def may_open(self, today: str) -> None:
        """Raises EngineRefused when something waits for the clinician, or the one in force is no longer valid."""
        if blocks(self._journal.rows(Kind.BLOCK)):
            raise EngineRefused("blocked", "a clinician must look at what was told, and release it")
        wanted = self.present
        if wanted is None:
            raise EngineRefused("no_prescription", "nothing is prescribed")
        if wanted.signature is None:
            raise EngineRefused("prescription_unsigned", "it is from before prescriptions were signed: prescribe anew")
        refuse_expired(wanted, today)

    def may_come(self, today: str) -> None:
        """Raises EngineRefused when a cap is still to be found, or its sessions are used up; the guard lets nothing out
        either, this only says it sooner.
        """
        wanted = self.present
        if wanted is None:
            raise EngineRefused("no_prescription", "nothing is prescribed")
        missing = sorted(name for name in _used(programme_of(wanted)) if not wanted.caps_ua.get(name))
        if missing:
            raise EngineRefused("cap_missing", f"no cap is set for {', '.join(missing)}")
        newest = past.newest(self._journal.path, past.PAGE)  # more than any prescription allows in a week
        rows = self._journal.rows(Kind.SESSION, sessions=newest)
        opened = [record.opened.get("day", record.began[:10]) for record in records(rows)]
        week = (date.fromisoformat(today) - timedelta(days=6)).isoformat()
        if opened.count(today) >= wanted.sessions_per_day:
            raise EngineRefused("day_spent", f"{wanted.sessions_per_day} sessions a day are prescribed")
        if sum(day >= week for day in opened) >= wanted.sessions_per_week:
            raise EngineRefused("week_spent", f"{wanted.sessions_per_week} sessions in 7 days are prescribed")


def refuse_expired(wanted: Prescription, today: str) -> None:
    """Raises EngineRefused when its last day is over."""
    if wanted.valid_until is not None and today > wanted.valid_until:
        raise EngineRefused("prescription_expired", f"valid until {wanted.valid_until}; today is {today}")


def confirmed(today: str, phone: str | None) -> str | None:
    """This machine's date when the phone's own is at most a day from it (a time zone); else nobody knows the day."""
    try:
        apart = abs(date.fromisoformat(phone or "") - date.fromisoformat(today))
    except ValueError:
        return None
    return today if apart <= timedelta(days=1) else None


def _fields(one: Prescription) -> dict[str, Any]:
    fields = asdict(one)
    del fields["kind"], fields["nonce"]  # of a threshold procedure, which is never in force
    fields["caps_ua"], fields["released"] = dict(one.caps_ua), dict(one.released)
    fields["patient_may"] = list(one.patient_may)
    return fields


def programme_of(wanted: Prescription) -> Programme:
    """What is to be played: the programme that came with it, or that of the library. Raises EngineRefused."""
    if wanted.programme_text is not None:
        try:
            programme = parse_programme(wanted.programme_text.encode(), "programme_text")
        except (InputRefused, UnicodeEncodeError) as error:
            raise EngineRefused("prescription_programme", str(error)) from None
        if programme.id != wanted.programme:
            raise EngineRefused("prescription_programme", f"the programme calls itself {programme.id!r}")
        shipped = shipped_programmes().get(programme.id)
        if shipped is not None and load_programme(shipped).text != programme.text:
            raise EngineRefused("programme_shipped", f"{programme.id} is the library's, and this would read back as it")
    else:
        path = shipped_programmes().get(wanted.programme)
        if path is None:
            raise EngineRefused("prescription_programme", f"programme {wanted.programme!r} is not in the library")
        programme = load_programme(path)
    if wanted.programme_sha256 not in ("", hashlib.sha256(programme.text).hexdigest()):
        raise EngineRefused("programme_changed", "not the programme that was signed")
    return programme


def _used(programme: Programme) -> set[str]:
    """The channels on which it gives something."""
    return {channel for phase in programme.phases for channel in getattr(phase, "channels", ())}


def refuse_unfit(wanted: Prescription, board: Board) -> None:
    """Raises EngineRefused when board or limits could not give what is prescribed, with the field that is wrong."""
    programme, full = programme_of(wanted), board.full_scale_ua
    used = _used(programme)
    for channel, cap_ua in wanted.caps_ua.items():
        if cap_ua and channel not in used:
            words = f"caps {channel}: {programme.id} gives nothing there; leave it out"
            raise EngineRefused("prescription_channel", words)
    area = replace(programme.electrode, area_cm2=Fraction(wanted.electrode_area_mm2, 100))
    meant = replace(programme, electrode=area)
    low = any(0 < cap_ua < least_ua(full) for cap_ua in wanted.caps_ua.values())
    over = ceilings(meant, figures(meant, board, max(wanted.caps_ua.values(), default=0)))
    if low or over:
        allowed = caps(full, highest_ua(meant, board))
        refused = {name: why for name, ua in wanted.caps_ua.items() if (why := allowed.refusal(name, ua))}
        words = "; ".join((*refused.values(), *map(str, over)))
        field = next((f"caps_ma.{name}" for name in refused), None)
        raise EngineRefused("prescription_cap", words, allowed.most_ua, least_ua=allowed.least_ua, field=field)
    if len(signed_text(wanted)) > PRESCRIPTION_MAX_BYTES:
        raise EngineRefused("prescription_malformed", "the reasons are too long all together")


def prescription_of_row(fields: dict[str, Any]) -> Prescription:
    """What a row of the journal tells."""
    place, signature = fields["placement"], fields["signature"]
    return Prescription(
        **{
            **fields,
            "placement": None if place is None else Placement(**place),
            "signature": None if signature is None else Signature(**signature),
            "patient_may": tuple(fields["patient_may"]),
        }
    )
