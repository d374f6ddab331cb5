"""``pelvistim verify`` on a real session, and on the same session after somebody has been at it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from api.proofs import Proofs
from controller import journal, proof, proof_replay, recording
from controller.chain import FIRST, canonical, link
from controller.cli import main
from controller.keys import ClinicianKey, make_key
from controller.port import Action
from controller.prescribed import prescription_of_row
from controller.proof import prove, sessions
from controller.proof_lines import play
from controller.proof_plan import ask
from controller.proof_replay import replay
from controller.recording import Recorded, Recorder, Recording
from safety import seal
from safety.enrolled import enrol, revoke
from safety.seal import ChunkHash, JournalHead
from safety.signer import Signer
from tests.support.apart import apart
from tests.support.signed import KEY
from tests.support.treatment import Person, treatment


class Work:
    """A copy of everything that is kept, and the hands of somebody who can write the app's part of it."""

    def __init__(self, folder: Path, session: str) -> None:
        self.app, self.guard, self.session = folder / "app", folder / "guard", session
        self.path = recording.path_of(self.app, session)

    def codes(self) -> set[str]:
        proof = prove(self.app, self.guard, self.session)
        assert proof.good == (not proof.findings)
        return {finding.code for finding in proof.findings}

    def sql(self, *commands: str) -> None:
        with sqlite3.connect(self.app / journal.NAME) as connection:
            for command in commands:
                connection.execute(command)
        connection.close()

    def body(
        self, kind: str, where: Callable[[dict[str, Any]], bool], change: Callable[[dict[str, Any]], None]
    ) -> None:
        """Changes what a row says, in all that match; there is at least one."""
        found = [row for row in journal.read(self.app / journal.NAME) if row.kind == kind and where(row.fields)]
        assert found
        with sqlite3.connect(self.app / journal.NAME) as connection:
            for row in found:
                fields = row.fields
                change(fields)
                connection.execute("UPDATE row SET body = ? WHERE number = ?", (canonical(fields), row.number))
        connection.close()

    def rehash(self) -> None:
        """What an app would do that wants to hide a change: every hash anew."""
        with sqlite3.connect(self.app / journal.NAME) as connection:
            before = FIRST
            rows = connection.execute("SELECT number, at, kind, body FROM row ORDER BY number").fetchall()
            for number, (_, *said) in enumerate(rows, 1):
                connection.execute("UPDATE row SET number = ? WHERE number = ?", (number, rows[number - 1][0]))
                before = link(before, number, *said)
                connection.execute("UPDATE row SET hash = ? WHERE number = ?", (before, number))
        connection.close()

    def recorded(self) -> Recording:
        return recording.read(self.path)

    def record(self, chunks: list[Recorded], *, consistent: bool = True, **header: Any) -> None:
        """Writes another recording; ``consistent``: and has the journal tell of it, hashed anew."""
        now = self.recorded()
        told = {"programme": now.programme, "caps_ua": now.caps_ua, "full_scale_ua": now.full_scale_ua, **header}
        recorder = Recorder(told.pop("session", self.session), **told)
        hashed = ChunkHash()
        for chunk in chunks:
            recorder.add(chunk)
            hashed.add(chunk.data)
        recording.write(self.path, recorder.done())
        if consistent:
            news = {"recording_sha256": self.recorded().sha256, "chunks": hashed.chunks, "chunks_sha256": hashed.sha256}
            self.body("session", is_closed, lambda told: told.update(news))
            self.rehash()

    def seal_file(self, number: int) -> Path:
        return self.guard / "seals" / f"{number:08}.json"


def is_closed(told: dict[str, Any]) -> bool:
    return told.get("event") == "closed"


def is_opened(told: dict[str, Any]) -> bool:
    return told.get("event") == "opened"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Two sessions: one that is raised, lowered, paused, resumed and ended by its minutes; one that is stopped."""
    folder = tmp_path_factory.mktemp("proof")
    with treatment(folder) as person:
        person.start()
        person.raise_to(6_000)
        person.set(5_000)
        person.until(lambda state: state.session is not None and state.session.contraction == 2)
        person.wait(2_000_000)
        person.act(Action.PAUSE)
        person.until(lambda state: state.mode == "paused")
        person.wait(2_000_000)
        person.act(Action.RESUME)
        person.raise_to(4_000)
        record = person.finish()
        assert (record.contractions, record.ended_early) == (5, False)
        assert {one["contraction"] for one in record.deviations} == {2, 5}, "paused, and over; lowering is none"
        person.wait(6_000_000)  # the muscle's rest
        stopped_session(person)
        person.end()
        shutil.copytree(person.rig.state, folder / "guard", ignore=shutil.ignore_patterns("*.lock"))
    return folder, record.id


def stopped_session(person: Person) -> None:
    person.start()
    person.raise_to(2_000)
    person.wait(500_000)
    person.rig.fault("estop-press")
    person.until(lambda state: state.mode != "running")
    person.wait(1_000_000)


@pytest.fixture
def work(kept: tuple[Path, str], tmp_path: Path) -> Work:
    for name in ("app", "guard"):
        shutil.copytree(kept[0] / name, tmp_path / name)
    return Work(tmp_path, kept[1])


def test_every_session_is_proved(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    assert work.codes() == set()
    assert main(["verify", "all", "--state", str(work.app.parent)]) == 0
    said = capsys.readouterr().out
    assert said.count("proved: what was sent is what was prescribed, to the pulse") == 2
    assert len(sessions(work.app)) == 2
    told = [row.fields for row in journal.read(work.app / journal.NAME) if row.fields.get("event") == "closed"]
    assert [one["cause"] for one in told] == [None, "emergency_stop"]


def test_the_api_tells_the_same(work: Work) -> None:
    """Which runs the command in a process of its own."""
    told = apart(Proofs(work.app.parent).prove(work.session))
    assert (told["proved"], told["findings"]) == (True, [])
    work.sql("UPDATE row SET body = replace(body, '\"pulses\":', '\"pulses\":1') WHERE kind = 'dose'")
    told = apart(Proofs(work.app.parent).prove(work.session))
    assert told["proved"] is False
    assert {one["about"] for one in told["findings"]} >= {"journal", "dose"}


def test_every_finding_is_of_an_account() -> None:
    """What the replay and the accounts say of a session; all else is of the journal."""
    named = re.findall(r'find\("(\w+)"', Path(proof_replay.__file__).read_text("utf-8"))
    named += re.findall(r'Finding\(\s*"(\w+)"', Path(proof.__file__).read_text("utf-8"))
    assert len(set(named)) > 20
    assert set(named) | {"not_sealed", "recording_absent", "recording_damaged"} <= set(proof.ABOUT)


def test_a_restored_backup_is_proved_as_before(work: Work, tmp_path: Path) -> None:
    packed, other = tmp_path / "all.zip", tmp_path / "other"
    assert main(["backup", str(packed), "--state", str(work.app.parent)]) == 0
    assert main(["restore", str(packed), "--state", str(other)]) == 0
    assert main(["verify", "all", "--state", str(other)]) == 0


def test_what_is_kept_of_a_minute_is_small(work: Work) -> None:
    """20 minutes come to less than 300 KB."""
    assert work.path.stat().st_size < 15_000
    assert sum(len(chunk.data) for chunk in work.recorded().chunks) > 50 * work.path.stat().st_size


# --- what somebody may do who writes the app's files ------------------------------------------------------------------

Tamper = Callable[[Work], None]
TAMPERINGS: dict[str, tuple[Tamper, str]] = {}
"""Name -> what is done, and a code that must be among those found."""


def finds(code: str) -> Callable[[Tamper], Tamper]:
    def note(tamper: Tamper) -> Tamper:
        TAMPERINGS[tamper.__name__] = (tamper, code)
        return tamper

    return note


def edited(work: Work, number: int, **changes: object) -> list[Recorded]:
    chunks = list(work.recorded().chunks)
    chunks[number] = replace(chunks[number], **changes)  # type: ignore[arg-type]
    return chunks


def middle(work: Work) -> int:
    """A chunk in the hold of the first contraction, with pulses."""
    chunks = work.recorded().chunks
    return next(n for n, one in enumerate(chunks) if one.start_us > 3_000_000)


def swapped_code(data: bytes, *, higher: bool) -> bytes:
    """One bit of the first word is the other way round: another current, a list as good as before."""
    code = play(data).shots[0].code
    bit = next(bit for bit in range(12) if bool(code >> bit & 1) is not higher)
    entries = [list(one) for one in struct.iter_unpack("<3I", data)]
    clock = [n for n, (on, _, _) in enumerate(entries) if on & 1 << 17][15 - bit]
    on, off, us = entries[clock - 1]
    entries[clock - 1] = [on ^ 1 << 20, off ^ 1 << 20, us]
    made = b"".join(struct.pack("<3I", *one) for one in entries)
    assert play(made).shots[0].code == code ^ 1 << bit
    return made


def longer_first_phase(data: bytes, us: int = 5) -> bytes:
    entries = [list(one) for one in struct.iter_unpack("<3I", data)]
    at = next(n for n, (on, _, _) in enumerate(entries) if on & 1 << 24)
    entries[at][2] += us
    entries[at + 3][2] -= us
    return b"".join(struct.pack("<3I", *one) for one in entries)


# bytes of the recording


@finds("recording_damaged")
def recording_cut(work: Work) -> None:
    work.path.write_bytes(work.path.read_bytes()[:-20])


@finds("recording_damaged")
def recording_with_more_behind(work: Work) -> None:
    work.path.write_bytes(work.path.read_bytes() + b"x")


@finds("recording_damaged")
def recording_byte_in_front(work: Work) -> None:
    work.path.write_bytes(b"P" + work.path.read_bytes())


@finds("recording_damaged")
def recording_byte_changed(work: Work) -> None:
    data = bytearray(work.path.read_bytes())
    data[len(data) // 2] ^= 0x10
    work.path.write_bytes(data)


@finds("recording_damaged")
def recording_checksum_changed(work: Work) -> None:
    data = bytearray(work.path.read_bytes())
    data[-1] ^= 1
    work.path.write_bytes(data)


@finds("recording_damaged")
def recording_emptied(work: Work) -> None:
    work.path.write_bytes(b"")


@finds("recording_absent")
def recording_removed(work: Work) -> None:
    work.path.unlink()


@finds("recording_other")
def recording_of_the_other_session(work: Work) -> None:
    other = next(path for path in work.path.parent.iterdir() if path != work.path)
    shutil.copyfile(other, work.path)


@finds("recording_other")
def recording_packed_anew_with_other_times(work: Work) -> None:
    work.record(edited(work, 40, began_us=work.recorded().chunks[40].began_us + 1), consistent=False)


# single chunks, the journal made to fit and hashed anew


@finds("chunks_other")
def one_chunk_left_out(work: Work) -> None:
    chunks = list(work.recorded().chunks)
    del chunks[middle(work)]
    work.record(chunks)


@finds("gap")
def one_chunk_left_out_shows_in_time(work: Work) -> None:
    one_chunk_left_out(work)


@finds("chunks_other")
def one_chunk_twice(work: Work) -> None:
    chunks = list(work.recorded().chunks)
    chunks.insert(middle(work), chunks[middle(work)])
    work.record(chunks)


@finds("gap")
def two_chunks_in_the_other_order(work: Work) -> None:
    chunks, n = list(work.recorded().chunks), middle(work)
    chunks[n], chunks[n + 1] = chunks[n + 1], chunks[n]
    work.record(chunks)


@finds("chunks_other")
def two_pulse_lists_in_the_other_order(work: Work) -> None:
    """Their times stay: a ramp's chunk where another stood."""
    chunks = list(work.recorded().chunks)
    n = next(n for n, one in enumerate(chunks) if one.start_us > 40_700_000)
    one, other = chunks[n].data, chunks[n + 1].data
    assert one != other
    chunks[n], chunks[n + 1] = replace(chunks[n], data=other), replace(chunks[n + 1], data=one)
    work.record(chunks)


@finds("contraction_missing")
def a_contraction_left_out_as_if_paused(work: Work) -> None:
    chunks = list(work.recorded().chunks)
    before = [one for one in chunks if one.start_us < 40_000_000]
    after = [one for one in chunks if one.start_us > 53_900_000]
    step = after[0].revision + 50
    zero = {"A": 0, "B": 0}
    work.record([*before, replace(after[0], revision=step, set_point_ua=zero), *after[1:]])


@finds("gap")
def a_contraction_left_out(work: Work) -> None:
    work.record([one for one in work.recorded().chunks if not 26_000_000 < one.start_us < 39_000_000])


@finds("dose_missing")
def a_contraction_left_out_everywhere_but_in_the_dose(work: Work) -> None:
    work.record([one for one in work.recorded().chunks if not 26_000_000 < one.start_us < 39_000_000])


@finds("end_other")
def the_tail_of_the_recording_cut(work: Work) -> None:
    work.record(list(work.recorded().chunks)[:-30])


@finds("chunks_other")
def the_tail_cut_and_the_end_told_so(work: Work) -> None:
    chunks = list(work.recorded().chunks)[:-30]
    work.body("session", is_closed, lambda told: told.update(session_us=chunks[-1].start_us))
    work.record(chunks)


@finds("beginning")
def the_beginning_left_out(work: Work) -> None:
    work.record(list(work.recorded().chunks)[2:])


@finds("over_set_point")
def a_higher_code(work: Work) -> None:
    n = middle(work)
    work.record(edited(work, n, data=swapped_code(work.recorded().chunks[n].data, higher=True)))


@finds("after_fade")
def a_lower_code(work: Work) -> None:
    n = middle(work)
    work.record(edited(work, n, data=swapped_code(work.recorded().chunks[n].data, higher=False)))


@finds("not_readable")
def a_longer_first_phase(work: Work) -> None:
    n = middle(work)
    work.record(edited(work, n, data=longer_first_phase(work.recorded().chunks[n].data)))


@finds("not_readable")
def a_clock_left_out(work: Work) -> None:
    n = middle(work)
    data = work.recorded().chunks[n].data
    work.record(edited(work, n, data=data[:48] + data[72:]))


@finds("pulse_missing")
def a_microsecond_left_out(work: Work) -> None:
    n = middle(work)
    work.record(edited(work, n, data=work.recorded().chunks[n].data[12:]))


@finds("not_readable")
def half_an_entry(work: Work) -> None:
    n = middle(work)
    work.record(edited(work, n, data=work.recorded().chunks[n].data[:-5]))


@finds("not_readable")
def an_empty_pulse_list(work: Work) -> None:
    work.record(edited(work, middle(work), data=b""))


@finds("pulse_missing")
def a_silent_chunk_in_place_of_pulses(work: Work) -> None:
    silent = next(one for one in work.recorded().chunks if one.start_us > 8_000_000)
    work.record(edited(work, middle(work), data=silent.data))


@finds("pulse_extra")
def pulses_in_a_rest(work: Work) -> None:
    chunks = list(work.recorded().chunks)
    rest = next(n for n, one in enumerate(chunks) if one.start_us > 8_000_000)
    work.record(edited(work, rest, data=chunks[middle(work)].data))


@finds("rise")
def another_set_point(work: Work) -> None:
    n = middle(work)
    work.record(edited(work, n, set_point_ua={"A": 20_000, "B": 0}))


@finds("over_cap")
def a_set_point_on_a_channel_without_a_cap(work: Work) -> None:
    work.record(edited(work, middle(work), set_point_ua={"A": 4_000, "B": 1}))


@finds("time")
def a_chunk_that_began_too_early(work: Work) -> None:
    n = middle(work)
    work.record(edited(work, n, began_us=work.recorded().chunks[n].began_us - 50_000))


@finds("rewritten")
def every_time_of_the_recording_moved(work: Work) -> None:
    """By itself it could be: only the seal over the journal finds it."""
    work.record([replace(one, began_us=one.began_us + 3_600_000_000) for one in work.recorded().chunks])


# another prescription, other caps, another programme


@finds("caps_other")
def other_caps_recorded(work: Work) -> None:
    work.record(list(work.recorded().chunks), caps_ua={"A": 30_000, "B": 0})


@finds("plan_other")
def other_caps_everywhere(work: Work) -> None:
    caps = {"A": 30_000}
    work.body("prescription", bool, lambda told: told.update(caps_ua=caps))
    work.body("session", is_opened, lambda told: told.update(caps_ua=caps))
    work.record(list(work.recorded().chunks), caps_ua={"A": 30_000, "B": 0})


@finds("over_cap")
def a_lower_cap_everywhere(work: Work) -> None:
    caps = {"A": 3_000}
    work.body("prescription", bool, lambda told: told.update(caps_ua=caps))
    work.body("session", is_opened, lambda told: told.update(caps_ua=caps))
    work.record(list(work.recorded().chunks), caps_ua={"A": 3_000, "B": 0})


@finds("caps_other")
def other_caps_prescribed(work: Work) -> None:
    work.body("prescription", bool, lambda told: told.update(caps_ua={"A": 6_000}))
    work.rehash()


@finds("programme_other")
def another_programme_prescribed(work: Work) -> None:
    work.body("prescription", bool, lambda told: told.update(programme="urge-10hz"))
    work.rehash()


@finds("plan_other")
def another_programme_recorded(work: Work) -> None:
    text = work.recorded().programme.replace("hold_ms = 5000", "hold_ms = 5500")
    work.record(list(work.recorded().chunks), programme=text)


@finds("pulse_missing")
def another_programme_asks_for_other_pulses(work: Work) -> None:
    text = work.recorded().programme.replace("frequency_hz = 50.0", "frequency_hz = 60.0")
    work.record(list(work.recorded().chunks), programme=text)


@finds("plan_other")
def a_comment_more_in_the_programme(work: Work) -> None:
    work.record(list(work.recorded().chunks), programme=work.recorded().programme + "# nothing\n")


@finds("not_told")
def no_programme_recorded(work: Work) -> None:
    work.record(list(work.recorded().chunks), programme="nothing")


@finds("not_told")
def a_prescription_that_was_not_in_force(work: Work) -> None:
    work.body("session", is_opened, lambda told: told.update(prescription_revision=7))
    work.rehash()


@finds("rewritten")
def the_prescription_left_out(work: Work) -> None:
    work.sql("DELETE FROM row WHERE kind = 'prescription'")
    work.rehash()


# what was signed


def signed_anew(work: Work, key: ClinicianKey = KEY, **changes: object) -> None:
    """Another prescription in the journal, validly signed: by whoever has a clinician's key."""

    def change(told: dict[str, Any]) -> None:
        made = key.sign(replace(prescription_of_row(dict(told)), **changes))  # type: ignore[arg-type]
        assert made.signature is not None
        told.update(changes, signature=asdict(made.signature))

    work.body("prescription", bool, change)
    work.rehash()


@finds("signature_other")
def fewer_minutes_prescribed(work: Work) -> None:
    work.body("prescription", bool, lambda told: told.update(minutes=0))
    work.rehash()


@finds("minutes_over")
def fewer_minutes_prescribed_and_signed_anew(work: Work) -> None:
    signed_anew(work, minutes=0)


@finds("plan_other")
def more_minutes_prescribed_and_signed_anew(work: Work) -> None:
    signed_anew(work, minutes=45)


@finds("signature_other")
def a_digit_of_the_signature_changed(work: Work) -> None:
    def change(told: dict[str, Any]) -> None:
        value = told["signature"]["value"]
        told["signature"]["value"] = f"{int(value[0], 16) ^ 1:x}{value[1:]}"

    work.body("prescription", bool, change)
    work.rehash()


@finds("signature_other")
def signed_by_a_stranger(work: Work) -> None:
    signed_anew(work, make_key("A stranger"))


@finds("plan_other")
def signed_by_a_key_that_was_enrolled_later(work: Work) -> None:
    stranger = make_key("A stranger")
    enrol(work.guard, stranger.public)
    signed_anew(work, stranger)


@finds("signature_other")
def the_clinicians_key_removed(work: Work) -> None:
    shutil.rmtree(work.guard / "keys")


@finds("not_told")
def no_signature(work: Work) -> None:
    work.body("prescription", bool, lambda told: told.update(signature=None))
    work.rehash()


@finds("programme_other")
def the_hash_of_another_programme_signed(work: Work) -> None:
    signed_anew(work, programme_sha256="0" * 64)


@finds("plan_other")
def another_programme_recorded_and_signed_anew(work: Work) -> None:
    text = work.recorded().programme + "# nothing\n"
    signed_anew(work, programme_sha256=sha256(text.encode()).hexdigest())
    work.record(list(work.recorded().chunks), programme=text)


@finds("prescription_foreign")
def signed_for_another_device(work: Work) -> None:
    signed_anew(work, device="0" * 64)


@finds("prescription_expired")
def signed_for_a_time_that_was_over(work: Work) -> None:
    signed_anew(work, issued="2020-01-01", valid_until="2020-01-02")


# the journal


@finds("changed")
def a_dose_made_smaller(work: Work) -> None:
    work.body("dose", lambda told: told["contraction"] == 1, lambda told: told.update(pulses=300))


@finds("dose_other")
def a_dose_made_smaller_and_all_hashed_anew(work: Work) -> None:
    work.body("dose", lambda told: told["contraction"] == 1, lambda told: told.update(pulses=300, sent_pulses=300))
    work.rehash()


@finds("dose_other")
def a_charge_made_smaller_and_all_hashed_anew(work: Work) -> None:
    work.body("dose", lambda told: told["contraction"] == 2, lambda told: told.update(charge_pc=told["charge_pc"] - 1))
    work.rehash()


@finds("dose_other")
def a_weaker_pulse_told_and_all_hashed_anew(work: Work) -> None:
    work.body("dose", lambda told: told["contraction"] == 1, lambda told: told.update(sent_ua=told["sent_ua"] - 12))
    work.rehash()


@finds("dose_other")
def a_lower_set_point_told_and_all_hashed_anew(work: Work) -> None:
    work.body("dose", lambda told: told["contraction"] == 1, lambda told: told.update(set_point_ua=5_000))
    work.rehash()


@finds("dose_missing")
def a_dose_left_out_and_all_hashed_anew(work: Work) -> None:
    work.sql("DELETE FROM row WHERE kind = 'dose' AND body LIKE '%\"contraction\":3,%'")
    work.rehash()


@finds("rewritten")
def the_sensed_current_made_smaller_and_all_hashed_anew(work: Work) -> None:
    work.body("dose", lambda told: told["contraction"] == 1, lambda told: told.update(measured_ua=1))
    work.rehash()


@finds("rewritten")
def a_pause_left_out_and_all_hashed_anew(work: Work) -> None:
    work.sql("DELETE FROM row WHERE kind = 'state' AND body LIKE '%paused%'")
    work.rehash()


@finds("changed")
def the_clock_moved_in_one_row(work: Work) -> None:
    work.sql("UPDATE row SET at = '2027-02-01T12:00:00.000+00:00' WHERE kind = 'dose'")


@finds("rewritten")
def the_clock_moved_in_every_row_and_all_hashed_anew(work: Work) -> None:
    work.sql("UPDATE row SET at = '2027-02-01T12:00:00.000+00:00'")
    work.rehash()


@finds("not_told")
def the_session_told_as_never_closed(work: Work) -> None:
    work.sql(f"DELETE FROM row WHERE kind = 'session' AND body LIKE '%closed%' AND body LIKE '%{work.session}%'")
    work.rehash()


@finds("cut")
def the_tail_of_the_journal_cut(work: Work) -> None:
    number = max(row.number for row in journal.read(work.app / journal.NAME)) - 3
    work.sql(f"DELETE FROM row WHERE number > {number}")


@finds("rewritten")
def an_orderly_end_told_as_a_stop(work: Work) -> None:
    mine = work.session
    work.body(
        "session", lambda told: is_closed(told) and told["session"] == mine, lambda told: told.update(cause="person")
    )
    work.rehash()


@finds("session_missing")
def the_session_under_another_name(work: Work) -> None:
    other = "ab" * 8
    work.body("session", lambda told: told["session"] == work.session, lambda told: told.update(session=other))
    work.body("dose", lambda told: told["session"] == work.session, lambda told: told.update(session=other))
    work.rehash()


@finds("not_sealed")
def a_session_that_never_was(work: Work) -> None:
    """A copy of an honest session under a new name, put behind the others."""
    rows = [row for row in journal.read(work.app / journal.NAME) if row.fields.get("session") == work.session]
    made = [row.body.replace(work.session, "cd" * 8) for row in rows]
    last = max(row.number for row in journal.read(work.app / journal.NAME))
    with sqlite3.connect(work.app / journal.NAME) as connection:
        for number, (row, body) in enumerate(zip(rows, made, strict=True), last + 1):
            connection.execute(journal.PUT, (number, row.at, row.kind, body, "x"))
    connection.close()
    work.rehash()
    shutil.copyfile(work.path, recording.path_of(work.app, "cd" * 8))
    work.session = "cd" * 8


@finds("cut")
def the_journal_of_before_put_back(work: Work) -> None:
    """All of the app's folder as it was when the first session had just ended: an honest journal, but an old one."""
    rows = list(journal.read(work.app / journal.NAME))
    first_closed = next(row.number for row in rows if is_closed(row.fields))
    work.sql(f"DELETE FROM row WHERE number > {first_closed}")


@finds("other_device")
def another_devices_database(work: Work) -> None:
    device = "0" * 64
    work.body("device", bool, lambda told: told.update(device=device))
    work.rehash()


@finds("journal_absent")
def no_database(work: Work) -> None:
    (work.app / journal.NAME).unlink()


@finds("file_schema")
def a_table_more_in_the_database(work: Work) -> None:
    work.sql("CREATE TABLE more (x)")


# the guard's folder


@finds("seal_forged")
def a_seal_over_other_chunks_with_the_old_signature(work: Work) -> None:
    record = json.loads(work.seal_file(1).read_text())
    made = replace(seal.from_text(record["seal"].encode()), chunks=7)
    work.seal_file(1).write_text(json.dumps({**record, "seal": made.text().decode()}))


@finds("seal_gap")
def a_seal_removed(work: Work) -> None:
    work.seal_file(1).unlink()


@finds("not_sealed")
def every_seal_removed(work: Work) -> None:
    shutil.rmtree(work.guard / "seals")


@finds("seal_key_lost")
def the_public_key_removed(work: Work) -> None:
    (work.guard / "seal.pub").unlink()


@finds("other_device")
def everything_sealed_by_another_guard(work: Work) -> None:
    """The whole folder of a guard that the liar owns: its signature is good, and it is not this device's."""
    chunks = work.recorded().chunks
    shutil.rmtree(work.guard)
    work.guard.mkdir()
    forger = Signer(work.guard)
    rows = list(journal.read(work.app / journal.NAME))
    head = JournalHead(rows[-1].number, rows[-1].hash)
    recorded = work.recorded()
    forger.begin(work.session, head, seal.plan_hash(recorded.programme, recorded.caps_ua, "p", "k"))
    for chunk in chunks:
        forger.add(chunk.data)
    forger.close(head, replay(recorded, ask(recorded.programme)).pulses)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_is_found(work: Work, name: str) -> None:
    tamper, code = TAMPERINGS[name]
    tamper(work)
    assert code in work.codes()


def test_there_are_as_many_tamperings_as_the_decision_says() -> None:
    assert len(TAMPERINGS) > 70


def test_a_key_that_was_revoked_since_proves_what_it_signed_before(work: Work) -> None:
    revoke(work.guard, KEY.public.fingerprint)
    assert work.codes() == set()


def test_what_is_not_proved_has_an_exit_code(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    a_dose_made_smaller(work)
    arguments = [work.session, "--state", str(work.app.parent)]
    assert main(["verify", *arguments]) == 2
    assert "NOT proved" in capsys.readouterr().out
    assert main(["verify", *arguments, "--json"]) == 2
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["proved"], told["sealed"]) == (False, True)
    assert main(["verify", "none", *arguments[1:]]) == 2
