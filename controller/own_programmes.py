"""A clinic's own programmes, kept as rows of the journal: the newest row of each id counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from controller.chain import Kind
from controller.journal import Journal
from controller.programme import Programme, parse_programme, shipped_programmes
from safety.errors import InputRefused, PelviStimError

OWN_MAX: Final = 50
"""Programmes of one's own on one device. ours."""


class ProgrammeKept(PelviStimError):
    """``code``: ``programme_shipped``, ``programme_kept``, ``programme_unknown``, ``programme_full`` or
    ``programme_invalid``.
    """


@dataclass(frozen=True)
class Own:
    """One of them: the exact bytes of its file, and their SHA-256."""

    text: bytes
    sha256: str


def own_programmes(journal: Journal) -> dict[str, Own]:
    """id -> what is kept."""
    found: dict[str, Own] = {}
    for row in journal.rows(Kind.PROGRAMME):
        fields = row.fields
        if fields["event"] == "kept":
            found[fields["programme"]] = Own(fields["text"].encode(), fields["sha256"])
        else:
            found.pop(fields["programme"], None)
    return found


def keep(journal: Journal, ident: str, text: bytes, replaces: str | None, who: str) -> Own:
    """Keeps a programme, durable. ``replaces``: the SHA-256 of the one that is kept under this id, None if none is.

    Raises ProgrammeKept, JournalError.
    """
    programme = _read(text)
    if programme.id != ident:
        raise ProgrammeKept(f"the programme calls itself {programme.id!r}", code="programme_invalid")
    if ident in shipped_programmes():
        raise ProgrammeKept(f"{ident} is a programme of the library: choose another id", code="programme_shipped")
    kept = own_programmes(journal)
    present = kept[ident].sha256 if ident in kept else None
    if present != replaces:
        raise ProgrammeKept(f"{ident} is kept as {present}", code="programme_kept")
    if present is None and len(kept) >= OWN_MAX:
        raise ProgrammeKept(f"{OWN_MAX} programmes are kept: remove one first", code="programme_full")
    own = Own(text, hashlib.sha256(text).hexdigest())
    row = {"event": "kept", "programme": ident, "sha256": own.sha256, "text": text.decode(), "who": who}
    journal.append(Kind.PROGRAMME, **row).result()
    return own


def remove(journal: Journal, ident: str, who: str) -> None:
    """Keeps it no longer; what was prescribed with it has its own copy. Raises ProgrammeKept, JournalError."""
    if ident not in own_programmes(journal):
        raise ProgrammeKept(f"no programme {ident} of one's own is kept", code="programme_unknown")
    journal.append(Kind.PROGRAMME, event="removed", programme=ident, who=who).result()


def _read(text: bytes) -> Programme:
    try:
        return parse_programme(text, "a programme")
    except InputRefused as refused:
        raise ProgrammeKept(str(refused), code="programme_invalid") from None
