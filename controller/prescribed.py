"""The prescriptions of one device, kept as rows of the journal: the newest one is in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from controller.blocks import blocks
from controller.chain import Kind
from controller.figures import ceilings, figures
from controller.history import records
from controller.journal import Journal
from controller.port import EngineRefused
from controller.prescription import Placement, Prescription, Signature
from controller.programme import load_programme, shipped_programmes
from hw.board import Board


class Prescriptions:
    """``present`` is the one in force, None when nothing was prescribed."""

    def __init__(self, journal: Journal, board: Board) -> None:
        self._journal, self._board = journal, board
        rows = journal.rows(Kind.PRESCRIPTION)
        self.present = _told(rows[-1].fields) if rows else None

    def put(self, wanted: Prescription) -> Prescription:
        """Puts one in force, durable. Raises EngineRefused with the field that is wrong, JournalError."""
        now = 0 if self.present is None else self.present.revision
        if wanted.revision != now + 1:
            raise EngineRefused("prescription_revision", f"revision {wanted.revision}; the next is {now + 1}")
        path = shipped_programmes().get(wanted.programme)
        if path is None:
            raise EngineRefused("prescription_programme", f"programme {wanted.programme!r} is not in the library")
        full = self._board.full_scale_ua
        highest = max(wanted.caps_ua.values(), default=0)
        for channel, cap_ua in wanted.caps_ua.items():
            if not 0 <= cap_ua <= full:
                raise EngineRefused("prescription_cap", f"caps {channel}: {cap_ua} uA; allowed: 0 to {full}", full)
            if 0 < cap_ua * 4 < full and full > 25_000:
                words = f"caps {channel}: {cap_ua} uA is under a quarter of the full scale of {full}"
                raise EngineRefused("prescription_cap", f"{words}: fit the smaller full-scale resistor")
        programme = load_programme(path)
        over = ceilings(programme, figures(programme, self._board, highest))
        if over:
            raise EngineRefused("prescription_cap", "; ".join(map(str, over)))
        self._journal.append(Kind.PRESCRIPTION, **_fields(wanted)).result()
        self.present = wanted
        return wanted

    def close(self, against: Sequence[str]) -> None:
        """Closes stimulation for these contraindications until a clinician releases it; durable.

        Raises JournalError.
        """
        self._journal.append(Kind.BLOCK, event="closed", why="contraindicated", what=list(against)).result()

    def may_open(self, today: str) -> None:
        """Raises EngineRefused when something waits for the clinician, the one in force is no longer valid, or its
        sessions are used up.
        """
        if blocks(self._journal.rows(Kind.BLOCK)):
            raise EngineRefused("blocked", "a clinician must look at what was told, and release it")
        wanted = self.present
        if wanted is None:
            raise EngineRefused("no_prescription", "nothing is prescribed")
        if wanted.valid_until is not None and today > wanted.valid_until:
            raise EngineRefused("prescription_expired", f"valid until {wanted.valid_until}; today is {today}")
        opened = [record.began[:10] for record in records(self._journal.rows(Kind.SESSION))]
        week = (date.fromisoformat(today) - timedelta(days=6)).isoformat()
        if opened.count(today) >= wanted.sessions_per_day:
            raise EngineRefused("day_spent", f"{wanted.sessions_per_day} sessions a day are prescribed")
        if sum(day >= week for day in opened) >= wanted.sessions_per_week:
            raise EngineRefused("week_spent", f"{wanted.sessions_per_week} sessions in 7 days are prescribed")


def _fields(one: Prescription) -> dict[str, Any]:
    fields = asdict(one)
    fields["caps_ua"], fields["released"] = dict(one.caps_ua), dict(one.released)
    fields["patient_may"] = list(one.patient_may)
    return fields


def _told(fields: dict[str, Any]) -> Prescription:
    place, signature = fields["placement"], fields["signature"]
    return Prescription(
        **{
            **fields,
            "placement": None if place is None else Placement(**place),
            "signature": None if signature is None else Signature(**signature),
            "patient_may": tuple(fields["patient_may"]),
        }
    )
