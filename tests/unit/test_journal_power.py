"""The power goes: what a disk may then hold of the journal's files, and what the next start finds.

A commit is synced before its row counts (``synchronous=FULL``: ``test_journal.py``). What was written after a sync may
be on disk whole, in part, or as anything: the files are made so, byte for byte, at many moments.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.chain import Kind, broken
from controller.journal import NAME, Journal

DEVICE = "d" * 64
PAGE, HEADER, FRAME = 4096, 32, 24 + 4096
"""Of a database, a write-ahead log's head, and one of its frames (sqlite.org/fileformat2.html)."""


@dataclass(frozen=True)
class Disk:
    """What is on it: the database and its write-ahead log. The index beside them is made anew at each start."""

    database: bytes
    log: bytes

    def starts(self, folder: Path) -> tuple[int, bool]:
        """The next start: how many rows there are, and whether the session's last word is; the chain holds."""
        folder.mkdir()
        (folder / NAME).write_bytes(self.database)
        (folder / f"{NAME}-wal").write_bytes(self.log)
        journal = Journal(folder, DEVICE)
        try:
            rows = journal.rows()
            assert list(broken(rows)) == []
            assert journal.append(Kind.STATE, mode="idle").result().number == len(rows) + 1, "it can go on"
        finally:
            journal.close()
        closed = [row for row in rows if row.kind == Kind.SESSION and row.fields["event"] == "closed"]
        return len(rows), len(closed) == 1


def disk(journal: Journal) -> Disk:
    """As it is after the sync of the last commit."""
    return Disk(journal.path.read_bytes(), journal.path.with_name(f"{NAME}-wal").read_bytes())


def write(journal: Journal, rows: int) -> None:
    for contraction in range(rows):
        journal.append(Kind.DOSE, session="s1", contraction=contraction, note="x" * 300).result()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "app", DEVICE)
    made.append(Kind.SESSION, event="opened", session="s1").result()
    write(made, 12)
    made.append(Kind.SESSION, event="closed", session="s1", cause=None).result()
    yield made
    made.close()


def torn(before: bytes, after: bytes) -> Iterator[bytes]:
    """What a disk may hold of a file of which ``before`` was synced and ``after`` was on its way."""
    made, grown = random.Random(1), len(after) - len(before)
    for length in (0, 1, FRAME - 1, FRAME, FRAME + 1, grown - 1, grown, *(made.randrange(grown) for _ in range(12))):
        yield after[: len(before) + length]
        yield after[: len(before) + length] + made.randbytes(2 * FRAME)  # blocks that were never written
    for _ in range(6):  # later blocks came to the disk and earlier ones did not
        hole = len(before) + made.randrange(grown) // 512 * 512
        yield after[:hole] + bytes(512) + after[hole + 512 :]


@pytest.mark.req("SR-168")
def test_a_closed_session_is_there_whatever_was_on_its_way_when_the_power_went(
    tmp_path: Path, journal: Journal
) -> None:
    synced = disk(journal)
    write(journal, 8)
    after = disk(journal)
    assert synced.database == after.database, "all of it is in the log"
    for number, log in enumerate(torn(synced.log, after.log)):
        rows, closed = Disk(synced.database, log).starts(tmp_path / str(number))
        assert closed, number
        assert 15 <= rows <= 23
    lost = Disk(synced.database, synced.log[:-1]).starts(tmp_path / "not synced")
    assert lost == (14, False), "what is tried here would show a row that was told too soon"


@pytest.mark.req("SR-168")
def test_a_closed_session_is_there_when_the_power_goes_as_the_log_is_taken_into_the_database(
    tmp_path: Path, journal: Journal
) -> None:
    """Pages of the database come in any order and in part; the log is whole until they are synced, and is then begun
    anew from its front."""
    write(journal, 20)
    before = disk(journal)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        assert other.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0] == 0
    taken = disk(journal)
    assert taken.database != before.database
    made = random.Random(2)
    for number in range(24):
        pages = bytearray(before.database.ljust(len(taken.database), b"\0"))
        for start in range(0, len(pages), 512):
            if made.random() < number / 23:
                pages[start : start + 512] = taken.database[start : start + 512]
        half = bytes(pages[: made.choice((len(pages), len(before.database)))])
        assert Disk(half, before.log).starts(tmp_path / f"half {number}") == (35, True)
    write(journal, 3)
    anew = disk(journal)
    assert anew.log[:HEADER] != taken.log[:HEADER]
    for length in (1, HEADER - 1, HEADER, HEADER + 1, HEADER + FRAME - 1, HEADER + FRAME, HEADER + 2 * FRAME):
        rows, closed = Disk(taken.database, anew.log[:length] + taken.log[length:]).starts(tmp_path / f"anew {length}")
        assert closed
        assert 35 <= rows <= 38
