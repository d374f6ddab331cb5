"""Whether a journal is what was written: its file, its chain, and the guard's seals over both."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controller import journal
from controller.chain import FIRST, Finding, Kind, Row, broken
from controller.journal import APPLICATION_ID, MIGRATIONS, JournalError
from safety.seal import Seal, SealError
from safety.signer import fingerprint, public_key, read_seals


@dataclass(frozen=True)
class Verdict:
    """What was found. ``sealed_rows``: up to which row the guard's seals vouch; the rows after it are only chained.

    ``seals`` is None when there was no guard's folder to read: then nothing vouches for the chain as a whole.
    """

    rows: int
    head: str
    device: str | None
    seals: int | None
    sealed_rows: int
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether nothing was found and a guard vouches for it."""
        return not self.findings and self.seals is not None


def verify(path: Path, guard_state: Path | None) -> Verdict:
    """Checks the journal file against itself and, with the guard's state folder, against its seals."""
    findings = list(_file(path))
    rows: list[Row] = []
    try:
        rows.extend(journal.read(path))
    except JournalError as error:
        if not findings:
            findings.append(Finding(error.code, str(error)))
    findings += broken(rows)
    device = _device(rows)
    if rows and device is None:
        findings.append(Finding("no_device", "the first row does not say whose journal this is", 1))
    seals: list[Seal] | None = None
    if guard_state is not None:
        try:
            if device is not None and fingerprint(public_key(guard_state)) != device:
                findings.append(Finding("other_device", "this is the journal of another device", 1))
            seals = read_seals(guard_state)
            findings += _against(rows, seals)
        except (SealError, OSError) as error:
            findings.append(Finding(getattr(error, "code", "seal_unreadable"), str(error)))
    return Verdict(
        rows=len(rows),
        head=rows[-1].hash if rows else FIRST,
        device=device,
        seals=None if seals is None else len(seals),
        sealed_rows=max((seal.closed_row for seal in seals or ()), default=0),
        findings=tuple(findings),
    )


def _file(path: Path) -> Iterator[Finding]:
    """What is wrong with the file as SQLite sees it: damage, and anything that is not of our making."""
    try:
        with contextlib.closing(journal.connect_to_read(path)) as connection:
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if mark != APPLICATION_ID:
                yield Finding("file_foreign", "the file is not marked as a journal")
            if version != len(MIGRATIONS):
                yield Finding("file_version", f"the file is of version {version}, not {len(MIGRATIONS)}")
            tables = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY rowid").fetchall()
            if tables != [("table", "row", MIGRATIONS[0])]:
                yield Finding("file_schema", "the file holds other tables, or others, than a journal's")
            for (words,) in connection.execute("PRAGMA integrity_check(10)"):
                if words != "ok":
                    yield Finding("journal_damaged", str(words))
    except (sqlite3.Error, OSError, JournalError) as error:
        yield Finding(getattr(error, "code", "journal_damaged"), str(error))


def _device(rows: list[Row]) -> str | None:
    if not rows or rows[0].kind != Kind.DEVICE:
        return None
    try:
        device = rows[0].fields.get("device")
    except (ValueError, AttributeError):
        return None
    return device if isinstance(device, str) else None


def _against(rows: list[Row], seals: list[Seal]) -> Iterator[Finding]:
    """What the guard's seals say otherwise than the rows."""
    hashes = {0: FIRST, **{row.number: row.hash for row in rows}}
    told = {(row.kind, fields.get("event"), fields.get("session")): fields for row, fields in _readable(rows)}
    for seal in seals:
        for number, hash_ in {seal.opened_row: seal.opened_hash, seal.closed_row: seal.closed_hash}.items():
            if number not in hashes:
                words = f"seal {seal.number} was made when the journal had row {number}, which is not here"
                yield Finding("cut", words, number)
            elif hashes[number] != hash_:
                yield Finding("rewritten", f"row {number} is not the one that seal {seal.number} was made over", number)
        if seal.session is None:
            continue
        if (Kind.SESSION, "opened", seal.session) not in told:
            yield Finding("session_missing", f"the guard sealed session {seal.session}, of which nothing is told here")
        closed = told.get((Kind.SESSION, "closed", seal.session))
        if closed and (closed.get("chunks"), closed.get("chunks_sha256")) != (seal.chunks, seal.chunks_sha256):
            yield Finding("other_chunks", f"session {seal.session}: the guard approved other chunks than told here")


def _readable(rows: list[Row]) -> Iterator[tuple[Row, dict[str, object]]]:
    """The rows about sessions with their fields; one that cannot be read is the chain's finding already."""
    for row in rows:
        if row.kind == Kind.SESSION:
            with contextlib.suppress(ValueError, AttributeError):
                fields = row.fields
                fields.get("")
                yield row, fields
