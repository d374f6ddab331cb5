"""The ledger: which day spends which budget, what is known of the contraction that came last."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from safety import ledger, limits
from safety.decode import Lines, Refusal
from safety.gate import History
from safety.ledger import UNKNOWN, Record
from safety.session import Session
from tests.support.signed import prescribed
from tests.support.stack import short_programme

MINUTE = 60_000_000
TODAY = date(2020, 3, 2)


@pytest.mark.req("SR-081")
@pytest.mark.parametrize(
    ("record", "day", "after"),
    [
        (Record(), "2020-03-01", (0, "2020-03-01")),
        (Record(day="2020-03-01", sessions=3), "2020-03-01", (3, "2020-03-01")),
        (Record(day="2020-03-01", sessions=3), "2020-02-29", (3, "2020-03-01")),
        (Record(day="2020-03-01", sessions=3), None, (3, "2020-03-01")),
        (Record(day="2020-03-01", sessions=3), "2020-03-02", (0, "2020-03-02")),
        (UNKNOWN, None, (3, None)),
        (UNKNOWN, "2020-03-01", (3, "2020-03-01")),
        (replace(UNKNOWN, day="2020-03-01"), "2020-03-02", (0, "2020-03-02")),
    ],
)
def test_only_a_later_day_than_one_known_opens_a_budget(
    record: Record, day: str | None, after: tuple[int, str | None]
) -> None:
    opened = ledger.open_day(record, day)
    assert (opened.sessions, opened.day) == after


@pytest.mark.req("SR-080")
def test_the_fourth_session_of_a_day_is_refused() -> None:
    record = Record(day="2020-03-01")
    for count in range(1, limits.SESSIONS_PER_DAY_MAX + 1):
        debited = ledger.debit(record, 20 * MINUTE, 21, 21)
        assert isinstance(debited, Record)
        assert (debited.sessions, debited.delivered_us, debited.clean) == (count, count * 20 * MINUTE, False)
        record = debited
    refusal = ledger.debit(record, 20 * MINUTE, 21, 21)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "day_spent"


def session(record: Record) -> Session:
    return Session(Lines(1, 2, 4, 8, 16, 32, 64), 50_000, record, 0)


@pytest.mark.req("SR-082")
@pytest.mark.parametrize(
    ("told", "believed"),
    [
        ("2020-03-02", "2020-03-02"),
        ("2020-03-03", "2020-03-03"),  # a time zone to the east
        ("2020-03-04", "2020-03-01"),
        ("9999-12-31", "2020-03-01"),
        ("tomorrow", "2020-03-01"),
        (20200303, "2020-03-01"),
        (None, "2020-03-01"),
    ],
)
def test_a_day_beyond_this_machines_own_is_not_believed(told: object, believed: str) -> None:
    used = session(Record(day="2020-03-01", sessions=3))
    assert used.open_day(told, TODAY) == (believed != "2020-03-01")
    assert used.record.day == believed
    assert used.record.sessions == (3 if believed == "2020-03-01" else 0)


@pytest.mark.req("SR-086")
@pytest.mark.parametrize(
    ("history", "now", "length"),
    [
        (History(5_000, 9_000, before_us=7), 20_000, 4_000),
        (History(5_000, 9_000, before_us=7), 8_000, 3_000),
        (History(5_000, 9_000, before_us=7), 5_000, 0),
        (History(5_000, 9_000, before_us=3_000), 4_999, 3_000),
        (History(5_000, 9_000, before_us=7, continuous=True), 20_000, 0),
        (History(5_000, 9_000, before_us=7, continuous=True), 4_999, 7),
        (History(), 4_999, 0),
    ],
)
def test_what_was_approved_and_not_played_is_no_part_of_the_last_contraction(
    history: History, now: int, length: int
) -> None:
    """A chunk is approved up to two chunks before it plays; a stop in between leaves the one before as the last."""
    closed = session(Record())
    closed.progress = replace(closed.progress, channels={"A": history, "B": History()})
    assert closed.close("person", now).contraction_us == (length, 0)
    assert ledger.begin(closed.record, now)["A"].length_us == length


@pytest.mark.req("SR-085")
@pytest.mark.parametrize(("length", "wait"), [(0, 1_000_001), (1_000_001, 1_000_001), (5_000_000, 5_000_000)])
@pytest.mark.parametrize("continuous", [False, True])
def test_a_session_begins_after_the_rest_and_after_a_silence(length: int, wait: int, continuous: bool) -> None:
    """More than a second in any case: what comes next may be of the other kind."""
    now = 60_000_000
    last = session(Record())
    assert last.load(short_programme().decode(), prescribed(short_programme()), now) is None
    history = History(now - length, now, continuous=continuous)
    last.progress = replace(last.progress, channels={"A": history, "B": History()})
    last.close(None, now)
    assert last.rest_us(now) == (1_000_001 if continuous else wait)


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (Record(), None),
        (Record(cause="tripped"), None),
        (Record(clean=False), "guard_restarted"),
        (Record(locked_by="current_high"), "current_high"),
        (Record(clean=False, locked_by="current_high"), "current_high"),
    ],
)
def test_with_what_a_guard_starts_stopped(record: Record, found: str | None) -> None:
    assert ledger.load(ledger.dump(record)).found() == found


def test_a_lockout_is_on_record_until_it_is_acknowledged() -> None:
    locked = session(Record())
    locked.latched("tripped", "current_high")
    assert ledger.load(ledger.dump(locked.record)).locked_by == "current_high"
    locked.acknowledged()
    assert (locked.record.locked_by, locked.record.cause) == (None, "tripped")
    assert ledger.load(ledger.dump(replace(locked.record, locked_by="no_such_cause"))) == ledger.UNKNOWN
