"""The guard's seals: what is hashed, who signed it, and what cannot be passed off as one."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from safety import seal, signer
from safety.seal import ChunkHash, JournalHead, SealError
from safety.signer import Signer, check, public_key, read_seals

PLAN = "e" * 64
START, LATER = JournalHead(3, "a" * 64), JournalHead(9, "b" * 64)


def session(one: Signer, name: str = "s1", *chunks: bytes) -> dict[str, str]:
    one.begin(name, START, PLAN)
    for chunk in chunks:
        one.add(chunk)
    return one.close(LATER, 0)


def test_the_hash_is_of_every_chunk_with_its_length() -> None:
    one, other = ChunkHash(), ChunkHash()
    for chunk in (b"ab", b"c"):
        one.add(chunk)
    for chunk in (b"a", b"bc"):
        other.add(chunk)
    assert one.sha256 == hashlib.sha256(b"\2\0\0\0ab\1\0\0\0c").hexdigest() != other.sha256
    assert (one.chunks, one.bytes) == (2, 3)


def test_how_a_seal_and_a_plan_are_written() -> None:
    """What is signed and hashed must be the same in years."""
    made = seal.make(None, "s1", START, LATER, ChunkHash(), PLAN, 4)
    fields = json.loads(made.text())
    assert list(fields) == sorted(fields)
    assert made.text() == json.dumps(fields, separators=(",", ":")).encode()
    text = b'{"caps_ua":{"A":5,"B":7},"key":"k","prescription":"p","programme":"x\\u00f8"}'
    assert seal.plan_hash("x\u00f8", {"B": 7, "A": 5}, "p", "k") == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(("length", "taken"), [(0, False), (1, True), (64, True), (65, False)])
def test_how_long_a_sessions_name_may_be(length: int, taken: bool) -> None:
    assert seal.SESSION_ID_MAX == 64
    if taken:
        assert seal.make(None, "s" * length, START, LATER, ChunkHash(), PLAN, 0).session == "s" * length
        return
    with pytest.raises(SealError):
        seal.make(None, "s" * length, START, LATER, ChunkHash(), PLAN, 0)


def test_a_session_is_sealed_and_everybody_can_check_it(tmp_path: Path) -> None:
    one = Signer(tmp_path)
    made = check(session(one, "s1", b"abc", b"de"), public_key(tmp_path))
    assert (made.number, made.session, made.chunks, made.chunk_bytes) == (1, "s1", 2, 5)
    assert (made.opened_row, made.closed_row, made.closed_hash) == (3, 9, "b" * 64)
    assert read_seals(tmp_path) == [made]
    assert one.device == signer.fingerprint(public_key(tmp_path))


def test_the_key_is_the_guards_alone(tmp_path: Path) -> None:
    Signer(tmp_path)
    assert (tmp_path / "seal.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "seal.key").read_bytes().hex() not in (tmp_path / "seal.pub").read_text()


def test_the_count_goes_on_after_a_restart_and_seals_are_chained(tmp_path: Path) -> None:
    session(Signer(tmp_path))
    again = Signer(tmp_path)
    again.begin("s2", LATER, PLAN)  # the guard dies here
    last = Signer(tmp_path)
    last.anchor(LATER)
    session(last, "s3")
    seals = read_seals(tmp_path)
    assert [(one.number, one.session) for one in seals] == [(1, "s1"), (2, None), (3, "s3")]
    assert [one.before for one in seals] == [seal.NO_SEAL, seals[0].hash, seals[1].hash]


def test_an_app_that_is_gone_leaves_a_seal_over_where_it_stood(tmp_path: Path) -> None:
    one = Signer(tmp_path)
    one.begin("s1", START, PLAN)
    made = check(one.close(None, 0), public_key(tmp_path))
    assert (made.opened_row, made.closed_row, made.closed_hash) == (3, 3, "a" * 64)


def test_nothing_is_added_or_closed_outside_a_session(tmp_path: Path) -> None:
    one = Signer(tmp_path)
    for ask in (lambda: one.add(b"x"), lambda: one.close(None, 0)):
        with pytest.raises(SealError) as refused:
            ask()
        assert refused.value.code == "seal_no_session"


def test_a_journal_that_went_back_is_not_sealed(tmp_path: Path) -> None:
    one = Signer(tmp_path)
    one.begin("s1", LATER, PLAN)
    with pytest.raises(SealError, match="went back"):
        one.close(START, 0)


@pytest.mark.parametrize(
    "field", ["number", "session", "closed_hash", "chunks", "chunks_sha256", "plan_sha256", "pulses_seen"]
)
def test_a_changed_seal_is_forged(tmp_path: Path, field: str) -> None:
    record = session(Signer(tmp_path))
    values = {"number": 2, "session": "s9", "closed_hash": "c" * 64, "chunks": 7, "chunks_sha256": "d" * 64}
    value = {**values, "plan_sha256": "d" * 64, "pulses_seen": 1}[field]
    changed = replace(seal.from_text(record["seal"].encode()), **{field: value})
    with pytest.raises(SealError) as refused:
        check({**record, "seal": changed.text().decode()}, public_key(tmp_path))
    assert refused.value.code == "seal_forged"


def test_another_guards_seal_is_forged(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    record = session(Signer(tmp_path / "a"))
    Signer(tmp_path / "b")
    with pytest.raises(SealError) as refused:
        check(record, public_key(tmp_path / "b"))
    assert refused.value.code == "seal_forged"


@pytest.mark.parametrize("record", [None, {}, [], {"seal": 1, "signature": 2}, {"seal": "å", "signature": "00"}])
def test_what_is_no_record_is_refused(tmp_path: Path, record: object) -> None:
    Signer(tmp_path)
    with pytest.raises(SealError):
        check(record, public_key(tmp_path))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"[" * 100_000, b'{"number":1}'])
def test_what_is_no_seal_is_refused(text: bytes) -> None:
    with pytest.raises(SealError):
        seal.from_text(text)


def test_a_seal_has_one_spelling(tmp_path: Path) -> None:
    text = session(Signer(tmp_path))["seal"].encode()
    assert seal.from_text(text).text() == text
    for other in (text.replace(b":", b": ", 1), text.replace(b'"chunks":0', b'"chunks":false')):
        assert other != text
        with pytest.raises(SealError):
            seal.from_text(other)


@pytest.mark.parametrize(("row", "hash_"), [(-1, "a" * 64), (True, "a" * 64), (1, "A" * 64), (1, "a" * 63)])
def test_a_head_is_a_number_and_a_hash(row: int, hash_: str) -> None:
    with pytest.raises(SealError):
        JournalHead(row, hash_)


@pytest.mark.parametrize("name", ["", "x" * 65, "ø", "a\nb"])
def test_a_session_has_a_plain_name(tmp_path: Path, name: str) -> None:
    one = Signer(tmp_path)
    one.begin(name, START, PLAN)
    with pytest.raises(SealError):
        one.close(LATER, 0)


@pytest.mark.parametrize("damage", ["first gone", "renamed", "no json", "swapped"])
def test_a_missing_or_moved_seal_is_found(tmp_path: Path, damage: str) -> None:
    one = Signer(tmp_path)
    for name in ("s1", "s2", "s3"):
        session(one, name)
    first, second, third = sorted((tmp_path / "seals").iterdir())
    if damage == "first gone":
        first.unlink()
    elif damage == "renamed":
        third.rename(third.with_name("00000004.json"))
    elif damage == "no json":
        second.write_text("{")
    else:
        first.write_bytes(second.read_bytes())
    with pytest.raises(SealError):
        read_seals(tmp_path)


def test_a_seal_of_another_story_by_the_same_key_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    session(Signer(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")  # a guard's folder that was put back, and went on differently
    for name in ("a", "b"):
        session(Signer(tmp_path / name), f"s2 {name}")
    session(Signer(tmp_path / "a"), "s3")
    shutil.copy(tmp_path / "b/seals/00000002.json", tmp_path / "a/seals/00000002.json")
    with pytest.raises(SealError) as refused:
        read_seals(tmp_path / "a")
    assert refused.value.code == "seal_gap"


@pytest.mark.parametrize("lost", ["key", "key and seals", "public key of another"])
def test_a_key_that_is_gone_is_not_replaced_silently(tmp_path: Path, lost: str) -> None:
    session(Signer(tmp_path))
    if lost == "public key of another":
        (tmp_path / "seal.pub").write_text(json.dumps("00" * 32).strip('"'))
    else:
        (tmp_path / "seal.key").unlink()
    if lost == "key and seals":
        for path in (tmp_path / "seals").iterdir():
            path.unlink()
    with pytest.raises(SealError) as refused:
        Signer(tmp_path)
    assert refused.value.code == "seal_key_lost"


def test_a_key_whose_public_half_was_not_written_yet_is_completed(tmp_path: Path) -> None:
    device = Signer(tmp_path).device
    (tmp_path / "seal.pub").unlink()
    assert Signer(tmp_path).device == device
    assert signer.fingerprint(public_key(tmp_path)) == device


@pytest.mark.parametrize("row", [0, 2**63 - 1])
def test_a_head_may_be_at_either_end(row: int) -> None:
    assert JournalHead(row, "0" * 64).row == row


@pytest.mark.parametrize(
    ("row", "hash_"), [("1", "a" * 64), (1.0, "a" * 64), (2**63, "a" * 64), (1, "a" * 65), (1, None), (1, "g" * 64)]
)
def test_a_head_of_another_kind_is_refused(row: object, hash_: object) -> None:
    with pytest.raises(SealError):
        JournalHead(row, hash_)  # type: ignore[arg-type]
