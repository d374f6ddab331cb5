"""Backup, restore, hand-over and removal of what is kept."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
import zipfile
from pathlib import Path

import pytest

from controller import journal, recording
from controller.chain import Kind
from controller.cli import main
from controller.journal import Journal
from controller.journal_check import verify
from controller.kept import Kept, person_code
from controller.recording import Recorded, Recorder
from safety.ledger import Record
from safety.seal import ChunkHash, JournalHead
from safety.signer import Signer, read_seals
from safety.store import Store

PLAN = "e" * 64


def session(one: Journal, guard: Signer, app: Path, name: str) -> None:
    """One session as app and guard keep it."""
    row = one.append(Kind.SESSION, event="opened", session=name).result()
    guard.begin(name, JournalHead(row.number, row.hash), PLAN)
    recorder, hashed = Recorder(name, "text", {"A": 9_000}, 50_000), ChunkHash()
    for chunk in (b"abc", b"de", b"abc"):
        guard.add(chunk)
        hashed.add(chunk)
        recorder.add(Recorded(0, 0, 0, {"A": 0, "B": 0}, chunk))
    recording.write(recording.path_of(app, name), recorder.done())
    one.append(Kind.RATING, session=name, note='Vondt å si: «nei» \\ "x"', comfort=4).result()
    one.append(Kind.SESSION, event="closed", session=name, chunks=3, chunks_sha256=hashed.sha256).result()
    guard.close(JournalHead(one.head.number, one.head.hash), 0)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two sessions of one device, a passphrase and a certificate."""
    folder = tmp_path / "state"
    (folder / "guard").mkdir(parents=True)
    Store(folder / "guard").begin()
    guard = Signer(folder / "guard")
    one = Journal(folder / "app", guard.device)
    for name in ("ab01", "ab02"):
        session(one, guard, folder / "app", name)
    one.close()
    (folder / "app" / "tls").mkdir()
    (folder / "app" / "tls" / "device.key").write_text("secret")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """Every file but locks and what SQLite keeps beside the journal."""
    left_out = (".lock", "-wal", "-shm")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(left_out)
    }


def rows(folder: Path) -> list[journal.Row]:
    return list(journal.read(folder / "app" / journal.NAME))


def test_a_round_trip_keeps_every_row_every_file_and_the_chain(state: Path, tmp_path: Path) -> None:
    packed, other = tmp_path / "all.zip", tmp_path / "other"
    assert main(["backup", str(packed), "--state", str(state), "--with-key"]) == 0
    assert packed.stat().st_mode & 0o777 == 0o600
    assert main(["restore", str(packed), "--state", str(other)]) == 0
    assert rows(other) == rows(state)
    assert len(rows(other)) == 7
    before, after = files(state), files(other)
    assert after.keys() == before.keys()
    assert {name for name in before if before[name] != after[name]} <= {f"app/{journal.NAME}"}
    assert verify(other / "app" / journal.NAME, other / "guard").good
    guard = Signer(other / "guard")
    one = Journal(other / "app", guard.device)
    session(one, guard, other / "app", "ab03")  # it goes on where it was
    one.close()
    assert verify(other / "app" / journal.NAME, other / "guard").good
    assert len(read_seals(other / "guard")) == 3


def test_the_rows_of_a_journal_that_is_written_meanwhile(state: Path, tmp_path: Path) -> None:
    guard = Signer(state / "guard")
    one = Journal(state / "app", guard.device)
    one.append(Kind.STATE, mode="idle").result()  # in the write-ahead log
    try:
        assert main(["backup", str(tmp_path / "all.zip"), "--state", str(state)]) == 0
    finally:
        one.close()
    assert main(["restore", str(tmp_path / "all.zip"), "--state", str(tmp_path / "other")]) == 0
    assert rows(tmp_path / "other") == rows(state)


def test_without_the_key_it_can_be_checked_and_not_signed_for(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "all.zip"
    assert main(["backup", str(packed), "--state", str(state)]) == 0
    assert "guard/seal.key" not in zipfile.ZipFile(packed).namelist()
    assert main(["restore", str(packed), "--state", str(tmp_path / "other")]) == 0
    assert "can be checked and not gone on with" in capsys.readouterr().out
    assert verify(tmp_path / "other" / "app" / journal.NAME, tmp_path / "other" / "guard").good
    shutil.rmtree(state / "app")
    assert main(["restore", str(packed), "--state", str(state)]) == 0  # the guard's folder had survived
    assert verify(state / "app" / journal.NAME, state / "guard").good


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(one) for one in arguments]) == 2
    return capsys.readouterr().err


def test_nothing_is_written_over(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "all.zip"
    assert main(["backup", str(packed), "--state", str(state)]) == 0
    assert "[backup_over]" in refused(capsys, "backup", packed, "--state", state)
    assert "[restore_over]" in refused(capsys, "restore", packed, "--state", state)


def test_an_older_backup_is_not_put_back(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "old.zip"
    assert main(["backup", str(packed), "--state", str(state)]) == 0
    guard = Signer(state / "guard")
    one = Journal(state / "app", guard.device)
    session(one, guard, state / "app", "ab03")
    one.close()
    shutil.rmtree(state / "app")
    assert "[restore_old]" in refused(capsys, "restore", packed, "--state", state)
    assert not (state / "app").exists()


def test_another_devices_guard_is_not_given_this_journal(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, other = tmp_path / "all.zip", tmp_path / "other"
    assert main(["backup", str(packed), "--state", str(state)]) == 0
    (other / "guard").mkdir(parents=True)
    Signer(other / "guard")
    assert "[journal_foreign]" in refused(capsys, "restore", packed, "--state", other)


def repacked(packed: Path, out: Path, change: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(packed) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            after.writestr(name, change.get(name, before.read(name)))
        for name in change.keys() - set(before.namelist()):
            after.writestr(name, change[name])
    return out


def test_a_changed_backup_is_not_put_back(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed, other = tmp_path / "all.zip", tmp_path / "other"
    assert main(["backup", str(packed), "--state", str(state)]) == 0
    for number, change in enumerate(({"app/tls/device.key": b"x"}, {"app/more": b"x"}, {"manifest.json": b"{}"})):
        bad = repacked(packed, tmp_path / f"{number}.zip", change)
        assert "[backup_damaged]" in refused(capsys, "restore", bad, "--state", other)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(packed.read_bytes()[:-40])
    assert "[backup_damaged]" in refused(capsys, "restore", cut, "--state", other)
    assert not other.exists()


def test_a_backup_cannot_write_anywhere_else(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "all.zip"
    assert main(["backup", str(packed), "--state", str(state)]) == 0
    manifest = json.loads(zipfile.ZipFile(packed).read("manifest.json"))
    for name in ("app/../../x", "elsewhere/x", "/x"):
        manifest["files"][name] = "0" * 64
        bad = repacked(packed, tmp_path / "bad.zip", {"manifest.json": json.dumps(manifest).encode(), name: b""})
        assert "[backup_damaged]" in refused(capsys, "restore", bad, "--state", tmp_path / "other")
        del manifest["files"][name]
        bad.unlink()
    assert not (tmp_path / "x").exists()


def test_a_journal_that_was_spoiled_is_not_put_back(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(state / "app" / journal.NAME) as connection:
        connection.execute("UPDATE row SET at = 'x' WHERE number = 3")
    connection.close()
    assert main(["backup", str(tmp_path / "all.zip"), "--state", str(state)]) == 0
    assert "[backup_damaged]" in refused(capsys, "restore", tmp_path / "all.zip", "--state", tmp_path / "other")


def test_what_is_handed_over_can_be_read_by_anybody(state: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.zip"
    assert main(["data", "hand-over", str(out), "--state", str(state)]) == 0
    with zipfile.ZipFile(out) as packed:
        told = json.loads(packed.read("journal.json"))["rows"]
        assert [(row["number"], row["hash"]) for row in told] == [(row.number, row.hash) for row in rows(state)]
        assert told[2]["body"]["note"].startswith("Vondt å si")
        assert len(list(csv.DictReader(io.StringIO(packed.read("journal.csv").decode())))) == 7
        assert person_code(rows(state)[0].hash) in packed.read("README.txt").decode()
        assert {"recordings/ab01.chunks", "recordings/ab02.chunks"} <= set(packed.namelist())
        assert not any("key" in name for name in packed.namelist())


def test_the_code_is_of_the_journal_and_no_name() -> None:
    assert person_code("0" * 64) == person_code("0" * 64) != person_code("1" * 64)
    assert len(person_code("ab")) == 9


def test_removal_leaves_nothing_of_the_person_and_keeps_the_days_budget(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(state / "guard").write(Record(day="2027-01-31"))
    assert main(["data", "code", "--state", str(state)]) == 0
    code = capsys.readouterr().out.strip()
    assert "[code_other]" in refused(capsys, "data", "delete", "AAAA-AAAA", "--state", state)
    assert len(rows(state)) == 7
    assert main(["data", "delete", code, "--state", str(state)]) == 0
    assert files(state).keys() == {"guard/ledger.json"}
    assert Store(state / "guard").read().day == "2027-01-31"
    guard = Signer(state / "guard")  # the next person's device
    one = Journal(state / "app", guard.device)
    session(one, guard, state / "app", "cd01")
    one.close()
    assert verify(state / "app" / journal.NAME, state / "guard").good


def test_nothing_is_removed_or_put_back_while_an_app_runs(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = person_code(rows(state)[0].hash)
    one = Journal(state / "app", Signer(state / "guard").device)
    try:
        assert "[kept_in_use]" in refused(capsys, "data", "delete", code, "--state", state)
    finally:
        one.close()
    assert len(rows(state)) == 7


def test_recordings_can_be_thinned_and_doses_stay(state: Path) -> None:
    kept = Kept(state / "app", state / "guard")
    day = rows(state)[1].at[:10]
    assert main(["data", "thin", "--before", day, "--state", str(state)]) == 0
    assert len(list((kept.app / recording.FOLDER).iterdir())) == 2
    assert main(["data", "thin", "--before", "2999-01-01", "--state", str(state)]) == 0
    assert list((kept.app / recording.FOLDER).iterdir()) == []
    assert len(rows(state)) == 7
