"""What is read of a long journal: the same that all of its rows would tell, and no more of them than that."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.models import SessionSummary
from api.views import summary
from controller import journal, past, report
from controller.chain import Head, Kind, canonical, of
from controller.history import KINDS, Record, records
from controller.journal import MIGRATIONS, NAME, Journal, read
from controller.journal_check import verify
from controller.training.follow_up import follow_up
from controller.training.records import effect, trainings
from tests.bench.quick import fill

DEVICE = "d" * 64
FIRST = date(2027, 1, 4)
FILLED = date(2026, 1, 2)
SESSIONS = 130
EVERY = 3
"""Days from one session to the next: more than four courses in all."""


def write(path: Path, told: list[tuple[int, Kind, dict[str, object]]], steps: tuple[str, ...] = MIGRATIONS) -> None:
    """A journal of the version that these steps make; ``told``: days since FIRST, kind, fields."""
    connection = sqlite3.connect(path, isolation_level=None)
    journal.migrate(connection, path, steps)
    head = Head()
    put = journal.PUT if steps == MIGRATIONS else "INSERT INTO row VALUES (?, ?, ?, ?, ?)"
    connection.execute("BEGIN")
    for day, kind, fields in [(0, Kind.DEVICE, {"event": "begun", "device": DEVICE}), *told]:
        row = head.then(f"{(FIRST + timedelta(days=day)).isoformat()}T10:00:00.000+00:00", kind, canonical(fields))
        connection.execute(put, (row.number, row.at, row.kind, row.body, row.hash))
        head = of(row)
    connection.execute("COMMIT")
    connection.close()


def years() -> list[tuple[int, Kind, dict[str, object]]]:
    """Sessions, some of them refused, open, rated on a later day or stopped; and all else that a report tells of."""
    told: list[tuple[int, Kind, dict[str, object]]] = []

    def say(on: int, kind: Kind, /, **fields: object) -> None:
        told.append((on, kind, fields))

    for number in range(SESSIONS):
        name, day = f"s{number}", number * EVERY
        if number % 20 == 0:
            plan = {"programme": "sprint", "sessions_per_week": 2, "sessions_per_day": 1, "weeks": 12, "minutes": 20}
            say(day, Kind.PRESCRIPTION, revision=number // 20 + 1, valid_until=None, **plan)
            say(day, Kind.THRESHOLD, session=name, channel="A", mark="sensory", amplitude_ua=3_000 + number, how=None)
        if number % 7 == 5:  # it could be told on any day, and of any
            say(day, Kind.DIARY, event="day", day=(FIRST + timedelta(days=day - 40)).isoformat(), leaks=number % 4,
                pads=1, goal=3, note="")  # fmt: skip
            say(day, Kind.BLOCK, event="closed", why="adverse", what=["burning"], note="", of=f"s{number - 1}")
            say(day, Kind.IMPRESSION, who="p", step=1 + number // 20 % 7)
            say(day + 30, Kind.BLOCK, event="released", block=len(told) + 1, who="c", reason="")
        if number % 9 == 4:
            at = {"training": f"t{number}", "sensor": "vaginal"}
            say(day, Kind.TRAINING, event="opened", what="biofeedback", name="sprint", who="p", simulated=False, **at)
            measures = {"strength_nv": 40_000 + number, "hold_ms": 6_000, "rest_nv": 5_000, "let_go_ms": 800}
            say(day, Kind.TRAINING, event="closed", training=f"t{number}", ended_by="over", measures=measures)
        looking = number % 17 == 0  # the first one too
        say(day, Kind.SESSION, event="opened", session=name, programme="sprint", simulated=number < 3, looking=looking)
        if number % 11 == 3:
            say(day, Kind.SESSION, event="not_started", session=name)
            continue
        for contraction in range(3):
            dose = {"start_us": 0, "end_us": 6_000_000, "set_point_ua": 9_000 + 10 * number, "pulses": 325}
            say(day, Kind.DOSE, session=name, contraction=contraction, channel="A", charge_pc=10**6, **dose)
            if number % 4:  # on both channels at once, as told since there is a sent_ua
                dose |= {"sent_ua": 4_000 + 100 * contraction}
                say(day, Kind.DOSE, session=name, contraction=contraction, channel="B", charge_pc=10**7, **dose)
        if number % 13 == 6:
            say(day, Kind.CAUSE, session=name, code="person")
            say(day + 1, Kind.CAUSE, code="guard_restarted")
        if number != SESSIONS - 1:
            say(day, Kind.SESSION, event="closed", session=name, mode="idle", cause=None, session_us=10**9)
            say(day + 2, Kind.RATING, session=name, felt_from_ua={"A": 3_000}, comfort=4, strength=3, pain_before=1,
                pain_after=0, adverse=[], note="")  # fmt: skip
    return told


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / NAME
    write(path, years())
    return path


def listed(record: Record) -> SessionSummary:
    """What a list tells of a record that has its doses."""
    return summary(record, record)


@pytest.mark.parametrize("many", [1, 7, 50, 200])
def test_pages_one_after_another_are_the_whole_list(long: Path, many: int) -> None:
    whole = [listed(one) for one in reversed(records(read(long, *KINDS)))]
    found, before, more = [], None, True
    while more:
        some, more = past.page(long, many, before)
        assert len(some) == many or not more
        found += [summary(*one) for one in some]
        before = found[-1].id
    assert found == whole
    assert len(whole) == SESSIONS - 12


def test_a_page_before_no_session_is_told_from_an_empty_one(long: Path) -> None:
    assert past.page(long, 5, "s0") == ([], False)
    with pytest.raises(KeyError):
        past.page(long, 5, "none")


def test_one_session_is_the_record_among_all(long: Path) -> None:
    for one in records(read(long, *KINDS)):
        assert past.session(long, one.id) == one
    assert past.session(long, "s3") is None, "the guard refused it"
    assert past.session(long, "none") is None


@pytest.mark.parametrize("many", [1, 7, 200])
def test_pages_of_trainings_are_all_of_them_and_one_is_found(long: Path, many: int) -> None:
    whole = list(reversed(trainings(read(long))))
    found: list[dict[str, Any]] = []
    more = True
    while more:
        some, more = past.trainings_page(long, many, found[-1]["id"] if found else None)
        assert len(some) == many or not more
        found += some
    assert found == whole
    assert past.training(long, "t4") == whole[-1]
    assert past.training(long, "none") is None
    with pytest.raises(KeyError):
        past.trainings_page(long, many, "none")


@pytest.mark.parametrize("rows", [0, 1, 30, 10**6])
def test_a_follow_up_says_the_same_as_of_all_rows(tmp_path: Path, rows: int) -> None:
    write(tmp_path / NAME, years()[:rows])
    day = FIRST + timedelta(days=400)
    assert follow_up(past.for_follow_up(tmp_path / NAME), day) == follow_up(read(tmp_path / NAME), day)


@pytest.mark.parametrize(("first", "last"), [(-9, 0), (0, 6), (10, 100), (250, 999), (-9, 999), (50, 49)])
def test_a_report_says_the_same_as_of_all_rows(long: Path, first: int, last: int) -> None:
    days = FIRST + timedelta(days=first), FIRST + timedelta(days=last)
    rows = past.for_report(long, days)
    whole = list(read(long))
    for clinician in (False, True):
        assert report.report(rows, *days, "X", clinician=clinician) == report.report(
            whole, *days, "X", clinician=clinician
        )
    assert len(rows) < len(whole)


@pytest.mark.parametrize("number", [None, 1, 2, 4, 5, 99])
@pytest.mark.parametrize("today", [-1, 0, 30, 90, 389])
def test_an_effect_says_the_same_as_of_all_rows(long: Path, today: int, number: int | None) -> None:
    day = FIRST + timedelta(days=today)
    assert effect(past.for_effect(long, day, number), day, number) == effect(read(long), day, number)


def test_a_course_begins_with_the_first_session_of_training(tmp_path: Path) -> None:
    told: list[tuple[int, Kind, dict[str, object]]] = []
    for day, looking in ((0, True), (9, False), (20, False)):
        dose = {"contraction": 1, "channel": "A", "start_us": 0, "end_us": 1, "set_point_ua": 9_000}
        told.append((day, Kind.SESSION, {"event": "opened", "session": f"s{day}", "looking": looking}))
        told.append((day, Kind.DOSE, {"session": f"s{day}", **dose}))
    write(tmp_path / NAME, told)
    today = FIRST + timedelta(days=30)
    found = effect(past.for_effect(tmp_path / NAME, today, None), today)
    assert found == effect(read(tmp_path / NAME), today)
    assert found is not None
    assert found["first_day"] == (FIRST + timedelta(days=9)).isoformat()


def steps(path: Path, ask: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """How much SQLite has to do for it, in hundreds of its steps."""
    taken = 0
    plain = journal.connect_to_read

    def counting(path: Path) -> sqlite3.Connection:
        def one() -> None:
            nonlocal taken
            taken += 1

        connection = plain(path)
        connection.set_progress_handler(one, 100)
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(journal, "connect_to_read", counting)
        ask(path)
    return taken


def test_what_is_asked_of_a_long_journal_costs_no_more_than_of_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: tuple[Callable[[Path], object], ...] = (
        past.page,
        lambda path: past.page(path, 20, "s90"),
        lambda path: past.session(path, "s7"),
        lambda path: list(read(path, Kind.PAIRING)),
        lambda path: list(read(path, Kind.STATE, days=(FILLED, FILLED))),
        lambda path: past.for_report(path, (FILLED, FILLED)),
        past.for_follow_up,
    )
    taken = []
    for sessions in (100, 2_000):
        folder = tmp_path / str(sessions)
        folder.mkdir()
        fill(folder, sessions)
        taken.append([steps(folder / NAME, one, monkeypatch) for one in asked])
    for short, long in zip(*taken, strict=True):
        assert long <= short + 5


# --- the file of an older version -------------------------------------------------------------------------------------


def test_a_journal_of_the_first_version_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / NAME
    write(path, years(), MIGRATIONS[:1])
    before = list(read(path))
    assert past.session(path, "s7") is not None, "also before it was brought to this version"
    assert verify(path, None).findings == ()
    one = Journal(tmp_path, DEVICE)
    row = one.append(Kind.CAUSE, session="s7", code="person").result()
    one.close()
    assert list(read(path)) == [*before, row]
    assert verify(path, None).findings == ()
    found = past.session(path, "s7")
    assert found is not None
    assert found.events[-1]["code"] == "person"
    assert [summary(*one) for one in past.page(path, 200)[0]] == [
        listed(one) for one in reversed(records(read(path, *KINDS)))
    ]
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    connection.close()


@pytest.mark.parametrize("command", ["UPDATE row SET session = 's8' WHERE number = 9", "UPDATE row SET session = NULL"])
def test_rows_that_are_filed_wrongly_are_found_and_filed_anew(tmp_path: Path, command: str) -> None:
    path = tmp_path / NAME
    write(path, years())
    right = past.page(path)
    for change, codes in ((command, ["misfiled"]), (journal.FILED, [])):
        with sqlite3.connect(path) as connection:
            connection.execute(change)
        connection.close()
        assert [finding.code for finding in verify(path, None).findings] == codes
    assert past.page(path) == right


def test_a_body_that_is_no_json_is_the_chains_finding(tmp_path: Path) -> None:
    path = tmp_path / NAME
    write(path, years()[:9], MIGRATIONS[:1])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE row SET body = 'x' WHERE number = 3")
    connection.close()
    Journal(tmp_path, DEVICE).close()
    assert {finding.code for finding in verify(path, None).findings} == {"changed"}
