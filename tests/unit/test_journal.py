"""The journal: chained, durable, and clear about what it could not write."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller import journal
from controller.chain import FIRST, Head, Kind, broken, canonical, link
from controller.journal import Journal, JournalError, migrate

DEVICE = "d" * 64
AT = "2026-01-02T03:04:05.678+00:00"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, DEVICE, lambda: AT)
    yield made
    made.close()


def test_the_canonical_form_is_one_and_takes_no_float() -> None:
    assert canonical({"b": [1, None, True], "a": "å"}) == '{"a":"\\u00e5","b":[1,null,true]}'
    for bad in (1.0, {1, 2}, {1: 2}, [b"x"]):
        with pytest.raises(TypeError):
            canonical({"a": bad})
    with pytest.raises(ValueError, match="too large"):
        canonical({"a": 2**63})


def test_a_hash_depends_on_every_part_of_a_row() -> None:
    row = (FIRST, 1, AT, "state", "{}")
    others = (("1" * 64, 1, AT, "state", "{}"), (FIRST, 2, AT, "state", "{}"), (FIRST, 1, AT + "Z", "state", "{}"))
    others += ((FIRST, 1, AT, "cause", "{}"), (FIRST, 1, AT, "state", "{ }"))
    assert len({link(*one) for one in (row, *others)}) == 6


def test_rows_are_chained_from_the_device_on(opened: Journal) -> None:
    row = opened.append(Kind.COMMAND, who="phone", role="patient", what="pause", result="ok").result()
    rows = opened.rows()
    assert [each.number for each in rows] == [1, 2]
    assert rows[0].fields == {"event": "begun", "device": DEVICE}
    assert (rows[1], rows[1].at) == (row, AT)
    assert opened.head == Head(2, row.hash)
    assert list(broken(rows)) == []
    assert [each.number for each in opened.rows(Kind.DEVICE)] == [1]


def test_a_row_is_on_disk_when_its_future_is_done(opened: Journal, tmp_path: Path) -> None:
    opened.append(Kind.STATE, mode="idle").result()
    with sqlite3.connect(tmp_path / journal.NAME) as other:
        assert other.execute("SELECT count(*) FROM row").fetchone() == (2,)
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


@pytest.mark.req("SR-168")
def test_it_is_synced_at_every_commit(tmp_path: Path) -> None:
    connection = journal._open(tmp_path / journal.NAME)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()
    assert (tmp_path / journal.NAME).stat().st_mode & 0o777 == 0o600


def test_many_writers_make_one_chain(opened: Journal) -> None:
    def write() -> None:
        for _ in range(50):
            opened.append(Kind.STATE, mode="idle").result()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened.rows()) == 401
    assert list(broken(opened.rows())) == []


def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    for n in range(3):
        one = Journal(tmp_path, DEVICE)
        one.append(Kind.STATE, n=n)  # not waited for: closing writes what waits
        one.close()
    rows = list(journal.read(tmp_path / journal.NAME))
    assert [row.fields.get("n") for row in rows] == [None, 0, 1, 2]
    assert list(broken(rows)) == []


def test_after_closing_nothing_is_taken(tmp_path: Path) -> None:
    one = Journal(tmp_path, DEVICE)
    one.close()
    with pytest.raises(JournalError, match="closed") as refused:
        one.append(Kind.STATE).result()
    assert refused.value.code == "journal_not_written"


@pytest.mark.parametrize("code", ["journal_in_use", "journal_foreign", "journal_newer", "journal_damaged"])
def test_a_journal_that_is_not_for_us_is_refused(tmp_path: Path, code: str) -> None:
    first = Journal(tmp_path, DEVICE)
    if code != "journal_in_use":
        first.close()
    if code == "journal_newer":
        with sqlite3.connect(tmp_path / journal.NAME) as other:
            other.execute("PRAGMA user_version = 99")
        other.close()
    if code == "journal_damaged":
        (tmp_path / journal.NAME).write_bytes(b"no database" * 1000)
    with pytest.raises(JournalError) as refused:
        Journal(tmp_path, "e" * 64 if code == "journal_foreign" else DEVICE)
    assert refused.value.code == code
    first.close()
    if code == "journal_foreign":
        assert len(list(journal.read(tmp_path / journal.NAME))) == 1


def test_a_migration_is_whole_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path)
    connection.execute("INSERT INTO row VALUES (1, 'a', 'b', 'c', 'd', NULL)")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, path, (*journal.MIGRATIONS, "ALTER TABLE row ADD more TEXT", "no sql"))
    connection.execute("ROLLBACK")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(journal.MIGRATIONS),)
    migrate(connection, path, (*journal.MIGRATIONS, "ALTER TABLE row ADD more TEXT"))
    assert connection.execute("SELECT number, more FROM row").fetchall() == [(1, None)]
    assert connection.execute("PRAGMA user_version").fetchone() == (len(journal.MIGRATIONS) + 1,)
    connection.close()


@pytest.mark.parametrize("pragma", ["query_only=ON", "max_page_count=1"], ids=["read-only", "full"])
def test_what_the_disk_does_not_take_is_told_and_the_chain_goes_on(
    tmp_path: Path, pragma: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    real = journal._open

    def shared(path: Path) -> sqlite3.Connection:
        real(path).close()
        opened.append(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        return opened[0]

    monkeypatch.setattr(journal, "_open", shared)
    one = Journal(tmp_path, DEVICE)
    one.append(Kind.STATE, n=1).result()
    (pages,) = opened[0].execute("PRAGMA page_count").fetchone()
    opened[0].execute(f"PRAGMA {pragma}".replace("=1", f"={pages}"))
    for _ in range(2):
        with pytest.raises(JournalError) as refused:
            one.append(Kind.STATE, text="x" * 100_000).result()
        assert refused.value.code == "journal_not_written"
    opened[0].execute("PRAGMA query_only=OFF")
    opened[0].execute("PRAGMA max_page_count=1000000")
    one.append(Kind.STATE, n=2).result()
    assert [row.fields.get("n") for row in one.rows()] == [None, 1, 2]
    assert list(broken(one.rows())) == []
    one.close()


class LyingConnection(sqlite3.Connection):
    """Its next COMMIT is durable and says that it failed."""

    lies = False

    def execute(self, command: str, *more: object) -> sqlite3.Cursor:  # type: ignore[override]
        done = super().execute(command, *more)  # type: ignore[arg-type]
        if command == "COMMIT" and LyingConnection.lies:
            LyingConnection.lies = False
            raise sqlite3.OperationalError("disk I/O error")
        return done


def test_a_commit_that_came_through_after_all_breaks_no_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = journal._open

    def lying(path: Path) -> sqlite3.Connection:
        real(path).close()
        return sqlite3.connect(path, isolation_level=None, factory=LyingConnection)

    monkeypatch.setattr(journal, "_open", lying)
    one = Journal(tmp_path, DEVICE)
    LyingConnection.lies = True
    with pytest.raises(JournalError):
        one.append(Kind.STATE, n=1).result()
    one.append(Kind.STATE, n=2).result()
    assert [row.fields.get("n") for row in one.rows()] == [None, 1, 2]
    assert list(broken(one.rows())) == []
    one.close()


FULL = """
    import resource, signal, sys
    from pathlib import Path
    from controller.chain import Kind
    from controller.journal import Journal, JournalError
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    one = Journal(Path(sys.argv[1]), "d" * 64)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    taken = 0
    try:
        for n in range(1000):
            one.append(Kind.STATE, n=n, text="x" * 1000).result()
            taken += 1
    except JournalError as error:
        print(taken, error.code, flush=True)
"""


def child(source: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), *arguments], stdout=subprocess.PIPE, text=True
    )


def test_a_file_that_may_not_grow_loses_nothing_that_was_taken(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    process = child(FULL, str(tmp_path))
    said, _ = process.communicate(timeout=60)
    taken, code = said.split()
    assert code == "journal_not_written"
    rows = list(journal.read(tmp_path / journal.NAME))
    assert [row.fields.get("n") for row in rows] == [None, *range(int(taken))]
    assert list(broken(rows)) == []


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError) as refused:
        Journal(tmp_path / "file", DEVICE)
    assert refused.value.code == "journal_not_written"


WRITER = """
    import sys
    from pathlib import Path
    from controller.chain import Kind
    from controller.journal import Journal
    one = Journal(Path(sys.argv[1]), "d" * 64)
    while True:
        for row in [one.append(Kind.STATE, text="x" * 300) for _ in range(7)]:
            print(row.result().number, flush=True)
"""


@pytest.mark.parametrize("kills", [50])
def test_a_writer_that_is_killed_loses_no_row_it_was_told_of(tmp_path: Path, kills: int) -> None:
    path = tmp_path / journal.NAME
    for kill in range(kills):
        process = child(WRITER, str(tmp_path))
        assert process.stdout is not None
        for _ in range(1 + kill * 7 % 23):
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        told = max([told, *(int(line) for line in process.stdout.read().splitlines(keepends=True) if line[-1] == "\n")])
        process.wait()
        process.stdout.close()
        rows = list(journal.read(path))
        assert rows[-1].number >= told
        assert list(broken(rows)) == []
    assert json.loads(rows[0].body)["device"] == DEVICE
