"""What ``pelvistim journal verify`` must find, and what it must not."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import jsonschema_rs
import pytest

from controller import journal
from controller.chain import FIRST, Kind, link
from controller.cli import main
from controller.journal import Journal
from controller.journal_check import Verdict, verify
from safety.seal import ChunkHash, JournalHead
from safety.signer import Signer

PLAN = "e" * 64
SCHEMA = Path(__file__).parent.parent.parent / "docs" / "journal.schema.json"
Work = tuple[Path, Path]


def head(one: Journal) -> JournalHead:
    return JournalHead(one.head.number, one.head.hash)


def train(one: Journal, guard: Signer, name: str, chunks: tuple[bytes, ...] = (b"abc", b"de")) -> None:
    """One session as app and guard write it."""
    hashed = ChunkHash()
    one.append(Kind.SESSION, event="opened", session=name).result()
    guard.begin(name, head(one), PLAN)
    for chunk in chunks:
        guard.add(chunk)
        hashed.add(chunk)
    one.append(Kind.DOSE, session=name, contraction=1, pulses=400).result()
    one.append(Kind.SESSION, event="closed", session=name, chunks=hashed.chunks, chunks_sha256=hashed.sha256).result()
    guard.close(head(one), 0)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A journal with two sessions, and the guard's state folder."""
    app, state = tmp_path / "app", tmp_path / "guard"
    state.mkdir()
    guard = Signer(state)
    one = Journal(app, guard.device)
    train(one, guard, "s1")
    one.append(Kind.COMMAND, who="phone", what="end").result()
    train(one, guard, "s2")
    one.close()
    return app, state


def judge(work: Work) -> Verdict:
    return verify(work[0] / journal.NAME, work[1])


def codes(work: Work) -> set[str]:
    return {finding.code for finding in judge(work).findings}


def change(work: Work, *commands: str) -> None:
    with sqlite3.connect(work[0] / journal.NAME) as connection:
        for command in commands:
            connection.execute(command)
    connection.close()


def rehash(work: Work) -> None:
    """What an app would do that wants to hide a change: every hash anew."""
    with sqlite3.connect(work[0] / journal.NAME) as connection:
        before = FIRST
        for row in connection.execute("SELECT number, at, kind, body FROM row ORDER BY number").fetchall():
            before = link(before, *row)
            connection.execute("UPDATE row SET hash = ? WHERE number = ?", (before, row[0]))
    connection.close()


def test_an_honest_journal_is_good(work: Work) -> None:
    verdict = judge(work)
    assert verdict.findings == ()
    assert verdict.good
    assert (verdict.rows, verdict.seals, verdict.sealed_rows) == (8, 2, 8)


def test_rows_after_the_last_seal_are_told(work: Work) -> None:
    one = Journal(work[0], str(judge(work).device))
    one.append(Kind.STATE, mode="idle").result()
    one.close()
    verdict = judge(work)
    assert verdict.good
    assert verdict.rows - verdict.sealed_rows == 1


def test_without_seals_nothing_vouches(work: Work) -> None:
    verdict = verify(work[0] / journal.NAME, None)
    assert verdict.findings == ()
    assert not verdict.good


@pytest.mark.parametrize("column", ["number", "at", "kind", "body", "hash"])
@pytest.mark.parametrize("number", range(1, 9))
def test_a_change_in_any_row_is_found(work: Work, column: str, number: int) -> None:
    value = "number + 1000" if column == "number" else f"{column} || ' '"
    change(work, f"UPDATE row SET {column} = {value} WHERE number = {number}")
    assert {"changed", "gap"} & codes(work)


def test_any_changed_byte_of_what_a_row_says_is_found(work: Work) -> None:
    path = work[0] / journal.NAME
    data = path.read_bytes()
    said = {word for row in journal.read(path) for word in (row.at, row.kind, row.body, row.hash)}
    places = {data.index(word.encode()) + n for word in said for n in range(0, len(word), 9)}
    for place in sorted(places):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert not judge(work).good, place


def test_a_hidden_change_is_found_by_the_seals(work: Work) -> None:
    change(work, "UPDATE row SET body = replace(body, '400', '401') WHERE number = 3")
    rehash(work)
    assert codes(work) == {"rewritten"}


def test_a_row_left_out_and_all_renumbered_is_found(work: Work) -> None:
    change(work, "DELETE FROM row WHERE number = 5")
    for number in range(6, 9):
        change(work, f"UPDATE row SET number = {number - 1} WHERE number = {number}")
    rehash(work)
    assert {"rewritten", "cut"} <= codes(work)


def test_a_cut_tail_is_found(work: Work) -> None:
    change(work, "DELETE FROM row WHERE number > 6")
    assert codes(work) == {"cut"}


def test_an_empty_journal_in_place_of_a_full_one_is_found(work: Work) -> None:
    device = str(judge(work).device)
    shutil.rmtree(work[0])
    Journal(work[0], device).close()
    assert {"cut", "session_missing"} <= codes(work)


def test_no_journal_is_found(work: Work) -> None:
    (work[0] / journal.NAME).unlink()
    assert "journal_absent" in codes(work)


def test_an_old_file_put_back_is_found(work: Work, tmp_path: Path) -> None:
    shutil.copytree(work[0], tmp_path / "old")
    guard = Signer(work[1])
    one = Journal(work[0], guard.device)
    train(one, guard, "s3")
    one.close()
    assert judge(work).good
    assert codes((tmp_path / "old", work[1])) == {"cut", "session_missing"}


def test_another_devices_journal_is_found(work: Work, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    guard = Signer(tmp_path / "other")
    assert "other_device" in codes((work[0], tmp_path / "other"))
    one = Journal(tmp_path / "swapped", guard.device)
    train(one, guard, "s1")
    one.close()
    assert {"other_device", "rewritten"} <= codes((tmp_path / "swapped", work[1]))


def test_chunks_that_the_guard_did_not_approve_are_found(tmp_path: Path) -> None:
    (tmp_path / "guard").mkdir()
    guard = Signer(tmp_path / "guard")
    one = Journal(tmp_path / "app", guard.device)
    one.append(Kind.SESSION, event="opened", session="s1").result()
    guard.begin("s1", head(one), PLAN)
    guard.add(b"abc")
    one.append(Kind.SESSION, event="closed", session="s1", chunks=1, chunks_sha256="0" * 64).result()
    guard.close(head(one), 0)
    one.close()
    assert codes((tmp_path / "app", tmp_path / "guard")) == {"other_chunks"}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("CREATE TABLE more (x)", "file_schema"),
        ("CREATE TRIGGER t AFTER INSERT ON row BEGIN SELECT 1; END", "file_schema"),
        ("PRAGMA user_version = 7", "file_version"),
        ("PRAGMA application_id = 7", "file_foreign"),
    ],
)
def test_what_does_not_belong_in_the_file_is_found(work: Work, command: str, code: str) -> None:
    change(work, command)
    assert codes(work) == {code}


@pytest.mark.parametrize("place", [0, 4096])
def test_a_damaged_file_is_found(work: Work, place: int) -> None:
    path = work[0] / journal.NAME
    data = bytearray(path.read_bytes())
    data[place : place + 64] = b"\xff" * 64
    path.write_bytes(data)
    assert not judge(work).good


def test_a_forged_seal_is_found(work: Work) -> None:
    path = work[1] / "seals" / "00000002.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "signature": "00" * 64}))
    assert codes(work) == {"seal_forged"}


def test_no_key_is_found(work: Work) -> None:
    (work[1] / "seal.pub").unlink()
    assert codes(work) == {"seal_key_lost"}


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(one) for one in arguments])
        return code, *capsys.readouterr()

    return run


def test_the_command_says_what_it_found(work: Work, run: Run) -> None:
    code, said, _ = run("journal", "verify", work[0], "--guard-state", work[1])
    assert code == 0
    assert "up to row 8 this is what was written" in said
    change(work, "DELETE FROM row WHERE number > 6")
    code, said, _ = run("journal", "verify", work[0], "--guard-state", work[1], "--json")
    assert code == 2
    found = json.loads(said)
    assert (found["good"], found["findings"][0]["code"]) == (False, "cut")


def test_the_seals_beside_the_journal_are_read_and_without_any_nothing_vouches(work: Work, run: Run) -> None:
    code, said, _ = run("journal", "verify", work[0])
    assert (code, said.splitlines()[1]) == (0, "2 seals, up to row 8; rows after it, not sealed yet: 0")
    work[1].rename(work[1].with_name("elsewhere"))
    code, said, _ = run("journal", "verify", work[0])
    assert code == 2
    assert "no guard's seals were read" in said
    assert "NOT shown to be" in said


def test_what_no_seal_covers_is_not_said_to_be_vouched_for(work: Work, run: Run, tmp_path: Path) -> None:
    app, state = tmp_path / "new" / "app", tmp_path / "new" / "guard"
    state.mkdir(parents=True)
    Journal(app, Signer(state).device).close()
    code, said, _ = run("journal", "verify", app)
    assert code == 0
    assert "what was written" not in said
    assert "it vouches for nothing" in said


def test_the_journal_of_serve_is_meant_if_none_is_named(
    work: Work, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run("journal", "verify")[0] == 2
    for command in (("journal", "export"), ("verify", "all")):
        code, said, told = run(*command)
        assert (code, said) == (2, "")
        assert told.startswith("refused: ")
        assert "there is no journal" in told
    folder = tmp_path / "state" / "pelvistim" / "simulated"
    folder.mkdir(parents=True)
    for one in work:
        one.rename(folder / one.name)
    assert run("journal", "verify")[0] == 0
    assert len(json.loads(run("journal", "export")[1])["rows"]) == 8


def test_exports_hold_every_row(work: Work, run: Run, tmp_path: Path) -> None:
    code, said, _ = run("journal", "export", work[0])
    rows = json.loads(said)["rows"]
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema_rs.Draft202012Validator(published).validate(json.loads(said))
    assert published["properties"]["rows"]["items"]["properties"]["kind"]["enum"] == list(Kind)
    assert (code, len(rows)) == (0, 8)
    assert rows[2]["body"] == {"session": "s1", "contraction": 1, "pulses": 400}
    assert run("journal", "export", work[0], "--format", "csv", "--out", tmp_path / "x.csv")[0] == 0
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert (lines[0], len(lines)) == ("number,at,kind,body,hash", 9)
    assert run("journal", "export", work[0], "--out", tmp_path / "no" / "x")[0] == 64


def test_an_export_of_nothing_is_told(tmp_path: Path, run: Run) -> None:
    code, _, words = run("journal", "export", tmp_path)
    assert code == 2
    assert "journal_absent" in words
