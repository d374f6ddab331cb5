"""Whether a journal is what was written: its file, its chain, and the guard's seals over both."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller import journal
from controller.chain import FIRST, Finding, Kind, Row, broken
from controller.journal import APPLICATION_ID, MIGRATIONS, NAMED, JournalError
from safety.seal import Seal, SealError
from safety.signer import fingerprint, public_key, read_seals

MISFILED: Final = f"SELECT number FROM row WHERE session IS NOT {NAMED} LIMIT 1"


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
    seals: list[Seal] | None = None
    unread: list[Finding] = []
    if guard_state is not None:
        try:
            seals = read_seals(guard_state)
        except (SealError, OSError) as error:
            unread.append(_unreadable(error))
    rows = _Rows(seals or [])
    try:
        findings += broken(rows.passing(journal.read(path)))
    except JournalError as error:
        if not findings:
            findings.append(Finding(error.code, str(error)))
    if rows.count and rows.device is None:
        findings.append(Finding("no_device", "the first row does not say whose journal this is", 1))
    if guard_state is not None:
        try:
            if rows.device is not None and fingerprint(public_key(guard_state)) != rows.device:
                findings.append(Finding("other_device", "this is the journal of another device", 1))
        except (SealError, OSError) as error:
            unread = unread or [_unreadable(error)]
    findings += [*unread, *_against(rows, seals or [])]
    return Verdict(
        rows=rows.count,
        head=rows.head,
        device=rows.device,
        seals=None if seals is None else len(seals),
        sealed_rows=max((seal.closed_row for seal in seals or ()), default=0),
        findings=tuple(findings),
    )


def _unreadable(error: SealError | OSError) -> Finding:
    return Finding(getattr(error, "code", "seal_unreadable"), str(error))


class _Rows:
    """What is kept of the rows as they pass, for a journal may be larger than memory."""

    def __init__(self, seals: list[Seal]) -> None:
        self.count, self.head = 0, FIRST
        self.device: str | None = None
        self.hashes = {0: FIRST}
        """Of the rows that a seal names."""
        self.told: dict[tuple[str, str], dict[str, object]] = {}
        """(event, session) -> fields, of the rows about sessions."""
        self._sealed = {number for seal in seals for number in (seal.opened_row, seal.closed_row)}

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            if self.count == 0 and row.kind == Kind.DEVICE:
                device = _fields(row).get("device")
                self.device = device if isinstance(device, str) else None
            self.count, self.head = self.count + 1, row.hash
            if row.number in self._sealed:
                self.hashes[row.number] = row.hash
            if row.kind == Kind.SESSION:
                fields = _fields(row)
                self.told[str(fields.get("event")), str(fields.get("session"))] = fields
            yield row


def _fields(row: Row) -> dict[str, object]:
    """Empty for a row that cannot be read, which is the chain's finding already."""
    try:
        fields = row.fields
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _file(path: Path) -> Iterator[Finding]:
    """What is wrong with the file as SQLite sees it: damage, and anything that is not of our making."""
    try:
        with contextlib.closing(journal.connect_to_read(path)) as connection:
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if mark != APPLICATION_ID:
                yield Finding("file_foreign", "the file is not marked as a journal")
            if not 0 < version <= len(MIGRATIONS):
                yield Finding("file_version", f"the file is of version {version}, not 1 to {len(MIGRATIONS)}")
            if _schema(connection) != _made(MIGRATIONS[:version]):
                yield Finding("file_schema", "the file holds other tables, or others, than a journal's")
            elif (found := connection.execute(MISFILED).fetchone() if version == len(MIGRATIONS) else None) is not None:
                words = "the column `session`, by which rows are found, says otherwise than the row"
                yield Finding("misfiled", words, found[0])
            for (words,) in connection.execute("PRAGMA integrity_check(10)"):
                if words != "ok":
                    yield Finding("journal_damaged", str(words))
    except (sqlite3.Error, OSError, JournalError) as error:
        yield Finding(getattr(error, "code", "journal_damaged"), str(error))


def _schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def _made(steps: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The schema that these steps make."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        for step in steps:
            connection.execute(step)
        return _schema(connection)


def _against(rows: _Rows, seals: list[Seal]) -> Iterator[Finding]:
    """What the guard's seals say otherwise than the rows."""
    hashes = rows.hashes
    for seal in seals:
        for number, hash_ in {seal.opened_row: seal.opened_hash, seal.closed_row: seal.closed_hash}.items():
            if number not in hashes:
                words = f"seal {seal.number} was made when the journal had row {number}, which is not here"
                yield Finding("cut", words, number)
            elif hashes[number] != hash_:
                yield Finding("rewritten", f"row {number} is not the one that seal {seal.number} was made over", number)
        if seal.session is None:
            continue
        if ("opened", seal.session) not in rows.told:
            yield Finding("session_missing", f"the guard sealed session {seal.session}, of which nothing is told here")
        closed = rows.told.get(("closed", seal.session))
        if closed and (closed.get("chunks"), closed.get("chunks_sha256")) != (seal.chunks, seal.chunks_sha256):
            yield Finding("other_chunks", f"session {seal.session}: the guard approved other chunks than told here")
