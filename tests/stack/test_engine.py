"""The engine with the real guard on the simulated board: what a person may, what is written down, what is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from controller.blocks import blocks
from controller.chain import FIRST, Kind, link
from controller.journal_check import verify
from controller.port import Action, EngineRefused
from controller.waveform import Encoder
from hw.clock import VirtualClock
from safety.errors import LinkError
from safety.link import STOP_COUNTED, STOP_SOCKET
from tests.decoder import decode
from tests.support.changes import to_the_electrode_us
from tests.support.stack import PHASE_GPIOS
from tests.support.treatment import NONE_APPLIES, TODAY, Person, after, treatment


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    with treatment(tmp_path) as one:
        yield one


def refused(ask: object, *args: object, **options: object) -> EngineRefused:
    with pytest.raises(EngineRefused) as raised:
        ask(*args, **options)  # type: ignore[operator]
    return raised.value


def test_a_whole_session_its_dose_and_its_seal(person: Person) -> None:
    state = person.start()
    assert (state.mode, state.epoch, state.channels["A"].set_point_ua) == ("running", 1, 0)
    person.raise_to(12_000)
    assert person.set(11_000).channels["A"].set_point_ua == 11_000
    person.wait(3_000_000)
    assert person.state.channels["A"].measured_ua == pytest.approx(11_000, rel=0.02)
    record = person.finish()
    assert (record.closed or {})["mode"] == "idle"
    assert (record.closed or {})["cause"] is None
    edges = person.rig.edges(gpios=None)
    closed = [at for at, gpio, level in edges if gpio == 25 and level]
    came = decode(edge for edge in edges if edge[0] >= closed[-1]).by_channel["A"]
    groups = [[came[0]]]
    for one, other in pairwise(came):
        if other.start_us - one.start_us > 1_000_000:
            groups.append([])
        groups[-1].append(other)
    told = [(dose["pulses"], dose["charge_pc"]) for dose in record.doses]
    assert told == [(len(g), sum(p.code * p.pos_us for p in g) * 50_000 // 4096) for g in groups]
    for dose in record.doses[:-1]:  # the last one faded: the session ended in it
        assert dose["pulses"] == dose["sent_pulses"] == dose["planned_pulses"] == 325
        assert dose["charge_pc"] == dose["sent_charge_pc"] == dose["planned_charge_pc"]
        assert 400 <= dose["load_ohm"] <= 600
    assert [dose["end_us"] - dose["start_us"] for dose in record.doses] == [
        g[-1].end_us - g[0].start_us for g in groups
    ]
    assert max(dose["measured_ua"] for dose in record.doses) == pytest.approx(12_000, rel=0.02)
    assert person.rows(Kind.SELF_TEST)[-1].fields["passed"] is True
    verdict = person.verify()
    assert (verdict.findings, verdict.good, verdict.seals) == ((), True, 2)
    last = person.rows(Kind.SESSION)[-1]
    assert verdict.sealed_rows >= last.number, "the session's last row could be cut off unseen"
    assert len(person.rows(Kind.SEAL)) == 2


def test_the_dose_of_a_contraction_is_written_before_the_next_begins(person: Person) -> None:
    person.start()
    person.raise_to(2_000)
    person.until(lambda state: state.session is not None and state.session.part == "rest")
    person.wait(500_000)
    assert [dose["contraction"] for dose in person.record().doses] == [1]


def test_what_the_state_allows_is_granted_and_what_it_does_not_is_refused_with_the_figure(person: Person) -> None:
    person.start()
    for _ in range(6):
        person.until(lambda state: state.channels["A"].allowed_ua > state.channels["A"].set_point_ua)
        present = person.state.channels["A"].set_point_ua
        too_much = refused(person.set, present + 2_100)
        assert (too_much.code, too_much.allowed_ua, too_much.after_us) == ("step_too_large", present + 2_000, 0)
        person.set(present + 1_000)
        soon = refused(person.set, present + 2_000)
        assert soon.code == "too_soon"
        assert soon.allowed_ua in (present, present + 1_000)  # the step may be in force already
        assert soon.after_us is not None
        assert soon.after_us > 0
    person.until(lambda state: state.session is not None and state.session.part == "rest")
    present = person.state.channels["A"].set_point_ua
    wait = refused(person.set, present + 1_000)
    assert (wait.code, wait.allowed_ua) == ("wait_for_contraction", present)
    assert wait.after_us is not None
    person.wait(wait.after_us + 200_000)
    person.set(present + 1_000)
    over = refused(person.set, 20_500)
    assert (over.code, over.allowed_ua) == ("above_cap", 20_000)


def test_who_does_not_control_may_lower_and_not_raise(person: Person) -> None:
    person.start()
    person.raise_to(4_000)
    assert refused(person.set, 5_000, controls=False).code == "not_controlling"
    assert refused(person.set, 5_000, rev=person.state.rev - 1).code == "rev_changed"
    assert (
        refused(lambda: person.has(person.engine.set_intensity("A", 5_000, None, controls=True))).code == "rev_missing"
    )
    assert refused(person.set, 1_000, "B").code == "raise_channel"
    assert person.set(1_000, controls=False, rev=-1).channels["A"].set_point_ua == 1_000


def test_a_raise_that_is_still_ahead_is_taken_back_by_asking_for_the_present_value(person: Person) -> None:
    person.start()
    person.raise_to(4_000)
    person.until(lambda state: state.channels["A"].allowed_ua > 4_000)
    person.set(6_000)
    person.set(4_000, controls=False)
    person.wait(800_000)
    assert person.state.channels["A"].set_point_ua == 4_000


def test_without_heartbeats_nothing_rises_and_then_the_session_pauses(person: Person) -> None:
    person.start()
    person.raise_to(4_000)
    person.echoes = False
    person.wait(1_200_000)
    stale = refused(person.set, 5_000)
    assert (stale.code, stale.allowed_ua, stale.after_us) == ("lease_stale", 4_000, None)
    person.until(lambda state: state.mode == "paused", 3_000_000)
    assert (person.state.paused_by, person.state.clears) == ("lease_lost", "resume")
    assert refused(person.act, Action.RESUME, 1).code == "lease_stale"
    person.echoes = True
    person.wait(500_000)
    assert person.act(Action.RESUME, 1).channels["A"].set_point_ua == 0
    person.rig.fault("estop-press")
    person.until(lambda state: state.mode == "estop_held")
    person.rig.fault("estop-release")
    person.until(lambda state: state.mode == "estop_released")
    states = [row.fields for row in person.rows(Kind.STATE)]
    assert [one.get("paused_by") for one in states if one["mode"] == "paused"] == ["lease_lost"]
    pressed = [row.fields.get("again", False) for row in person.rows(Kind.CAUSE)]
    assert pressed == [False, True], "let out, it is no second press"


@pytest.mark.req("SR-176")
def test_pause_resume_end_and_the_next_session(person: Person) -> None:
    person.start()
    person.raise_to(2_000)
    person.until(lambda state: (state.channels["A"].measured_ua or 0) > 1_500)
    person.act(Action.PAUSE)
    paused = person.until(lambda state: state.mode == "paused")
    assert paused.channels["A"].measured_ua is None, "what was measured before is not what comes now"
    person.wait(1_000_000)
    person.act(Action.RESUME, 1)
    person.raise_to(2_000)
    person.act(Action.END)
    first = person.finish()
    assert first.ended_early is True
    assert [event["mode"] for event in first.events if event["kind"] == "state"] == [
        *("running", "paused", "running", "idle")
    ]
    person.wait(12_000_000)  # the rest that the muscle is due
    made = Encoder._frame.cache_info().misses
    state = person.start()
    assert (state.epoch, state.mode) == (2, "running")
    assert refused(person.act, Action.PAUSE, 1).code == "old_epoch"
    person.act(Action.END)
    person.finish()
    assert Encoder._frame.cache_info().misses == made, "frames kept for an encoder of each session pile up"
    assert person.verify().findings == ()


def test_what_is_prescribed_is_held(person: Person) -> None:
    def ask(revision: int, **answers: bool) -> str:
        return refused(
            lambda: person.has(person.engine.open_session(revision, {**NONE_APPLIES, **answers}, TODAY))
        ).code

    person.until(lambda state: state.mode == "idle")
    assert ask(2) == "prescription_revision"
    assert ask(1, epilepsy=True) == "contraindicated"
    assert refused(person.prescribe, revision=7).code == "prescription_revision"
    assert refused(person.prescribe, caps_ua={"A": 60_000}).code == "prescription_cap"
    assert refused(person.prescribe, programme="none").code == "prescription_programme"
    assert refused(person.prescribe, valid_until=after(TODAY, -1)).code == "prescription_expired"
    person.prescribe(released={"epilepsy": "seen by the neurologist"}, valid_until=TODAY)
    assert ask(2, epilepsy=True) == "blocked", "the clinician released it in general; this yes waits to be looked at"
    closed = blocks(person.rows(Kind.BLOCK))[0].id
    person.journal.append(Kind.BLOCK, event="released", block=closed, who="c", reason="seen").result()
    person.today = after(TODAY, 1)
    assert ask(2, epilepsy=True) == "prescription_expired"
    person.wait(1_000_000)
    person.today = TODAY
    assert ask(2, epilepsy=True) == "prescription_expired", "the guard knows the day that came, and a clock went back"
    person.prescribe(sessions_per_day=1)
    person.start()
    assert refused(person.prescribe).code == "not_now"
    assert ask(3) == "not_now"
    person.act(Action.END)
    person.finish()
    assert ask(3) == "day_spent"
    person.prescribe(sessions_per_week=1)
    assert ask(4) == "week_spent"


@pytest.mark.req("SR-167")
def test_no_day_is_known_that_the_phone_did_not_confirm(person: Person) -> None:
    """A machine whose date was set forward, or that came up with any, opens no budget by itself."""
    person.until(lambda state: state.mode == "idle")
    person.prescribe(sessions_per_day=1)

    def begun(day: str, phone: str | None) -> str | None:
        person.today, person.confirms = day, lambda _: phone
        person.wait(12_000_000)  # the rest that the muscle is due
        code = None
        try:
            person.start()
        except EngineRefused as refused:
            code = refused.code
        if person.state.session is not None:
            person.act(Action.END)
            person.finish()
        return code

    assert begun("2026-02-01", "2026-02-01") is None
    assert begun("2026-02-02", None) == "day_unknown"
    assert begun("2026-02-02", "2026-02-01") is None, "a time zone"


def test_a_cap_that_is_missing_gives_nothing(person: Person) -> None:
    person.prescribe(caps_ua={})
    person.until(lambda state: state.mode == "idle")
    assert refused(person.open).code == "cap_missing"


def test_a_start_that_the_guard_refuses_is_no_session(person: Person) -> None:
    person.prescribe(sessions_per_day=1)
    person.arm()
    person.echoes = False
    person.wait(1_500_000)
    assert refused(person.act, Action.START, 1).code == "lease_stale"
    assert [row.fields["event"] for row in person.rows(Kind.SESSION)] == ["opened", "not_started"]
    person.echoes = True
    person.wait(500_000)
    assert person.act(Action.START, 1).mode == "running"
    assert refused(person.act, Action.START, 1).code == "not_now"
    person.act(Action.END)
    person.finish()
    assert person.verify().findings == ()


def test_a_finding_of_the_electrode_check_is_an_answer(person: Person) -> None:
    person.rig.fault("electrode-open", "A")
    state = person.arm()
    assert (state.mode, state.channels["A"].finding) == ("idle", "electrode_open")
    assert refused(person.act, Action.START, 1).code == "not_now"
    person.rig.fault("clear")
    soon = refused(person.act, Action.CHECK_ELECTRODES, 1)
    assert soon.code == "check_too_soon"
    assert soon.after_us is not None
    person.wait(soon.after_us)
    assert person.act(Action.CHECK_ELECTRODES, 1).mode == "armed"


def test_a_stop_is_told_written_down_and_acknowledged(person: Person) -> None:
    person.start()
    person.raise_to(4_000)
    person.engine._link.stop()
    state = person.until(lambda state: state.cause is not None and state.confirmed is not None)
    assert (state.mode, state.cause, state.confirmed, state.clears) == ("stopped", "person", True, "acknowledge")
    person.until(lambda state: state.session is None)
    assert (person.record().closed or {})["cause"] == "person"
    assert refused(person.open).code == "not_now"
    person.has(person.engine.acknowledge("patient"))
    person.until(lambda state: state.mode == "idle")
    assert refused(lambda: person.has(person.engine.acknowledge("patient"))).code == "nothing_latched"
    assert person.verify().findings == ()


@pytest.mark.req("SR-176")
def test_a_guard_that_died_is_told_and_found_again(person: Person) -> None:
    person.start()
    person.raise_to(2_000)
    person.until(lambda state: (state.channels["A"].measured_ua or 0) > 1_500)
    guard = person.rig.sim.processes[-1]
    os.kill(guard.pid, signal.SIGKILL)
    guard.wait()
    lost = person.until(lambda state: state.cause == "guard_lost")
    assert lost.channels["A"].measured_ua is None
    assert (lost.mode, lost.confirmed, lost.session, lost.clears) == ("stopped", False, None, None)
    assert not person.engine.healthy()
    with pytest.raises((LinkError, EngineRefused)):  # it may be back already, and knows of no session
        person.has(person.engine.act(Action.END, None))
    back = person.until(lambda state: state.cause == "guard_restarted", 5_000_000)
    assert person.engine.healthy()
    assert back.mode == "stopped"
    assert person.rig.live_edges(person.now - 1_000_000) == []
    closed = person.record().closed or {}
    assert (closed["event"], closed["cause"]) == ("lost", "guard_lost")
    person.has(person.engine.acknowledge("patient"))
    person.until(lambda state: state.mode == "idle")
    assert [event.code for event in person.events if event.code.startswith("guard")] == [
        *("guard_lost", "guard_back", "guard_restarted")
    ]
    assert person.verify().findings == ()


def test_a_session_whose_app_died_says_so(person: Person) -> None:
    person.start()
    person.raise_to(2_000)
    person.end()
    person.rig.clock.close()
    person.clock.wait(person.now + 500_000)
    clock = VirtualClock(str(person.rig.folder / "sim.sock"), "next app")
    person.begin(clock)
    person.until(lambda state: state.cause is not None)
    assert person.state.cause == "app_lost"
    closed = person.record().closed or {}
    assert (closed["event"], closed["cause"], closed["guard_cause"]) == ("lost", "app_lost", "app_lost")
    assert person.verify().findings == ()


def test_a_fault_of_the_engine_itself_ends_the_output_and_not_the_app(
    person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    person.start()
    person.raise_to(2_000)
    monkeypatch.setattr(person.engine._standing, "allowed", lambda *_: 1 // 0)
    person.until(lambda state: state.cause == "guard_lost")
    monkeypatch.undo()
    assert "ZeroDivisionError" in capsys.readouterr().err
    person.until(lambda state: state.cause == "app_lost", 5_000_000)
    assert TODAY in person.record().began


def test_a_change_of_the_current_shows_at_the_electrode_within_250_ms(person: Person) -> None:
    """Raised while a contraction is held, lowered at any time in it: from request to pulse."""
    took = to_the_electrode_us(person)
    assert max(took) <= 250_000, took


def test_what_is_changed_in_the_journal_of_a_real_session_is_found(person: Person, tmp_path: Path) -> None:
    old = copy_of(person, tmp_path / "old")
    person.start()
    person.raise_to(4_000)
    person.act(Action.END)
    person.finish()
    good = copy_of(person, tmp_path / "good")

    def found(name: str, *changes: str, anew: bool = False) -> set[str]:
        path = tmp_path / name
        shutil.copy(good, path)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for change in changes:
                assert connection.execute(change).rowcount > 0
            before = FIRST
            for row in connection.execute("SELECT number, at, kind, body FROM row ORDER BY number").fetchall():
                before = link(before, *row)
                if anew:
                    connection.execute("UPDATE row SET hash = ? WHERE number = ?", (before, row[0]))
        return {finding.code for finding in verify(path, person.rig.state).findings}

    less = """UPDATE row SET body = replace(body, '"pulses":', '"pulses":1') WHERE kind = 'dose'"""
    chunks = """UPDATE row SET body = replace(body, '"chunks":', '"chunks":1') WHERE body LIKE '%"closed"%'"""
    tail = "DELETE FROM row WHERE number >= (SELECT number FROM row WHERE body LIKE '%\"closed\"%')"
    assert found("as it is") == set()
    assert found("changed", less) == {"changed"}
    assert found("hashed anew", less, anew=True) == {"rewritten"}
    assert found("other chunks", chunks, anew=True) == {"rewritten", "other_chunks"}
    assert found("cut", tail) == {"cut"}
    assert {one.code for one in verify(old, person.rig.state).findings} == {"cut", "session_missing"}
    with treatment(tmp_path / "other") as other:
        assert "other_device" in {one.code for one in verify(other.journal.path, person.rig.state).findings}


def copy_of(person: Person, path: Path) -> Path:
    """The journal as it is now, in one file."""
    person.rows()
    with (
        contextlib.closing(sqlite3.connect(person.journal.path)) as source,
        contextlib.closing(sqlite3.connect(path)) as copy,
    ):
        source.backup(copy)
    return path


@pytest.mark.req("SR-174")
def test_a_phase_that_a_stop_has_cut_goes_to_the_journal(person: Person) -> None:
    person.start()
    person.raise_to(2_000)
    starts = [at for at, gpio, level in person.rig.phase_edges() if level and gpio == PHASE_GPIOS[0]]
    person.wait(starts[-1] + 60_000 + 100 - person.now)
    path = str(person.rig.folder / STOP_SOCKET)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(STOP_COUNTED, path)
    person.clock.tally(f"dgram:{path}").sent += 1
    person.until(lambda state: state.session is None)
    person.wait(200_000)
    *_, (rose, _, _), (fell, _, _) = person.rig.phase_edges()
    (cut,) = person.rows(Kind.CUT)
    told = cut.fields
    assert (told["line"], told["session"]) == ("A_POS", person.record().id)
    assert abs(told["us"] - (fell - rose)) <= 10
    assert [event["us"] for event in person.record().events if event["kind"] == Kind.CUT] == [told["us"]]
    assert person.verify().findings == ()
