"""The journal: what happened, in one SQLite file, written by one thread through one connection.

``append`` gives a Future that is done when the row is durable (WAL, ``synchronous=FULL``). Whoever must not wait does
not: nothing on the way of a stop asks the journal anything. A disk that does not take a row makes the Future fail with
JournalError ``journal_not_written``; the rows before it stand, and nothing of it does.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Final

from controller.chain import Head, Kind, Row, canonical, of
from safety.errors import PelviStimError

NAME: Final = "journal.sqlite"
LOCK: Final = "journal.lock"
APPLICATION_ID: Final = 0x50535631
"""Marks the file as ours (``PSV1``)."""
WAITING_MAX: Final = 10_000
"""Rows that may wait for a disk that hangs; more are refused, for memory is not endless."""
Days = tuple[date, date]
"""The first day and the last, both included, in UTC."""
GROUP_MAX: Final = 200
"""Rows that share one commit when they come faster than the disk."""
NAMED: Final = "CASE WHEN json_valid(body) THEN json_extract(body, '$.session') END"
"""The session that a row's body names. The column ``session`` repeats it, only to find rows by: no hash covers it,
``journal_check`` holds it to the bodies, and FILED makes it anew.
"""
PUT: Final = f"INSERT INTO row VALUES (?1, ?2, ?3, ?4, ?5, {NAMED.replace('body', '?4')})"
FILED: Final = f"UPDATE row SET session = {NAMED}"
MIGRATIONS: Final = (
    """CREATE TABLE row (
  number INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL
) STRICT""",
    "ALTER TABLE row ADD COLUMN session TEXT",
    FILED,
    "CREATE INDEX row_kind ON row (kind)",
    "CREATE INDEX row_at ON row (kind, at)",
    "CREATE INDEX row_session ON row (session)",
)
"""The step from each ``user_version`` to the next. A step that a version was released with is never changed."""


class JournalError(PelviStimError, RuntimeError):
    """The journal cannot be opened, read or written; ``code`` says which."""

    code = "journal_not_written"


@dataclass(frozen=True)
class _Entry:
    at: str
    kind: Kind
    body: str
    done: Future[Row]


def utc_now() -> str:
    """What the clock of this machine says, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Journal:
    """The one writer of the journal in ``folder``, which is made if it is not there.

    ``device``: whose journal it is (the fingerprint of the guard's key); it stands in the first row. ``now``: the text
    put in ``at``. Raises JournalError ``journal_in_use`` (another process has it), ``journal_foreign`` (another
    device's), ``journal_newer`` (made by a later version), ``journal_damaged`` or ``journal_not_written``.
    """

    def __init__(self, folder: Path, device: str, now: Callable[[], str] = utc_now) -> None:
        self.path = folder / NAME
        self.device, self._now = device, now
        self._entries: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._waiting = 0
        self._state = threading.Lock()
        self._closed = False
        self._head = Head()
        self._opened: Future[None] = Future()
        self._lock = self._take(folder)
        self._thread = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self._thread.start()
        try:
            self._opened.result()
            if self._head.number == 0:
                self.append(Kind.DEVICE, event="begun", device=device).result()
        except BaseException:
            self.close()
            raise

    @property
    def head(self) -> Head:
        """Where the chain stands on disk."""
        return self._head

    def append(self, kind: Kind, **fields: object) -> Future[Row]:
        """Has a row written; the Future gives it once it is durable, or fails with JournalError.

        Raises TypeError or ValueError for fields that the journal cannot hold (``chain.canonical``).
        """
        entry = _Entry(self._now(), kind, canonical(fields), Future())
        with self._state:
            if self._closed or self._waiting >= WAITING_MAX:
                words = "it is closed" if self._closed else f"{self._waiting} rows wait for the disk"
                entry.done.set_exception(JournalError(f"{self.path}: not written: {words}"))
                return entry.done
            self._waiting += 1
            self._entries.put(entry)
        return entry.done

    def rows(self, *kinds: Kind, days: Days | None = None, sessions: Iterable[str] | None = None) -> list[Row]:
        """The rows on disk, as ``read`` gives them."""
        return list(read(self.path, *kinds, days=days, sessions=sessions))

    def close(self) -> None:
        """Writes what waits, and lets go of the file."""
        with self._state:
            closed, self._closed = self._closed, True
        if not closed:
            self._entries.put(None)
        self._thread.join()
        self._lock.close()

    def _take(self, folder: Path) -> IO[str]:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (folder / LOCK).open("a")
        except OSError as error:
            raise JournalError(f"{folder}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise JournalError(f"{self.path}: another process has it", code="journal_in_use") from None
        return lock

    # --- in the writer thread -----------------------------------------------------------------------------------------

    def _write_all(self) -> None:
        try:
            connection = _open(self.path)
        except BaseException as error:
            self._opened.set_exception(_as_ours(self.path, error))
            return
        with contextlib.closing(connection):
            try:
                self._prepare(connection)
            except BaseException as error:
                self._opened.set_exception(_as_ours(self.path, error))
                return
            self._opened.set_result(None)
            while (group := self._next()) is not None:
                self._write(connection, group)

    def _next(self) -> list[_Entry] | None:
        """What waits, at least one entry; None when it is time to end."""
        first = self._entries.get()
        if first is None:
            return None
        group = [first]
        while len(group) < GROUP_MAX:
            try:
                entry = self._entries.get_nowait()
            except queue.Empty:
                break
            if entry is None:
                self._entries.put(None)
                break
            group.append(entry)
        return group

    def _prepare(self, connection: sqlite3.Connection) -> None:
        migrate(connection, self.path)
        self._head = _last(connection)
        first = connection.execute("SELECT kind, body FROM row WHERE number = 1").fetchone()
        if first is not None and first != (Kind.DEVICE, canonical({"event": "begun", "device": self.device})):
            raise JournalError(f"{self.path}: the journal of another device", code="journal_foreign")

    def _write(self, connection: sqlite3.Connection, group: list[_Entry]) -> None:
        """All of the group in one transaction, or none of it."""
        rows: list[Row] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            head = _last(connection)  # read again: after a commit that failed, only the disk knows
            for entry in group:
                rows.append(head.then(entry.at, entry.kind, entry.body))
                head = of(rows[-1])
            connection.executemany(PUT, [(r.number, r.at, r.kind, r.body, r.hash) for r in rows])
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            self._count(group)
            for entry in group:
                entry.done.set_exception(_as_ours(self.path, error))
            return
        self._head = head
        self._count(group)
        for entry, row in zip(group, rows, strict=True):
            entry.done.set_result(row)

    def _count(self, group: list[_Entry]) -> None:
        with self._state:
            self._waiting -= len(group)


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, timeout=1.0)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def migrate(connection: sqlite3.Connection, path: Path, steps: tuple[str, ...] = MIGRATIONS) -> None:
    """Brings the file to the version this program writes, in one transaction; refuses one that is newer."""
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(steps):
        connection.execute("ROLLBACK")
        raise JournalError(f"{path}: written by a later version of PelviStim", code="journal_newer")
    for step in steps[version:]:
        connection.execute(step)
    if version < len(steps):
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("COMMIT")


def _last(connection: sqlite3.Connection) -> Head:
    found = connection.execute("SELECT number, hash FROM row ORDER BY number DESC LIMIT 1").fetchone()
    return Head(*found) if found else Head()


def read(
    path: Path,
    *kinds: Kind,
    days: Days | None = None,
    sessions: Iterable[str] | None = None,
    before: int | None = None,
    backwards: bool = False,
) -> Iterator[Row]:
    """The rows of a journal in their order, also of one that is being written; those that are named: of these kinds
    (none: all), of the days from the first to the last (by ``at``), of these sessions, with a number under ``before``.

    Costs what it gives, however long the journal is. Raises JournalError.
    """
    with reading(path) as connection:
        asked: list[tuple[str, tuple[object, ...]]] = [("TRUE", ())]
        if sessions is not None:
            names = json.dumps(list(sessions))
            asked.append((f"{named(connection)} IN (SELECT value FROM json_each(?))", (names,)))
        if kinds:  # the plus: no index of kinds where there is that of sessions
            column = "kind" if sessions is None else "+kind"
            asked.append((f"{column} IN ({', '.join('?' * len(kinds))})", kinds))
        if days is not None:  # U comes after T
            asked.append(("at >= ? AND at < ?", (days[0].isoformat(), f"{days[1].isoformat()}U")))
        if before is not None:
            asked.append(("number < ?", (before,)))
        where, values = " AND ".join(words for words, _ in asked), [one for _, some in asked for one in some]
        command = f"SELECT number, at, kind, body, hash FROM row WHERE {where} ORDER BY number"
        for found in connection.execute(command + " DESC" * backwards, values):
            yield Row(*found)


def named(connection: sqlite3.Connection) -> str:
    """What tells a row's session: the column, or the body in a file of an older version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return "session" if version == len(MIGRATIONS) else NAMED


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """``connect_to_read``, with what goes wrong as a JournalError ``journal_damaged``."""
    try:
        with contextlib.closing(connect_to_read(path)) as connection:
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise _as_ours(path, error, code="journal_damaged") from None


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises JournalError ``journal_absent``."""
    if not path.is_file():
        raise JournalError(f"{path}: there is no journal", code="journal_absent")
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=1.0)


def _as_ours(path: Path, error: BaseException, code: str = "journal_not_written") -> JournalError:
    """What went wrong with the file, as a JournalError."""
    if isinstance(error, JournalError):
        return error
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return JournalError(f"{path}: not a whole journal: {error}", code="journal_damaged")
    words = "cannot be read" if code == "journal_damaged" else "not written"
    return JournalError(f"{path}: {words}: {error}", code=code)
