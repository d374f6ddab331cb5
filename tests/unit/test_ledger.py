"""The ledger: which day spends which budget, what is known of the contraction that came last."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from safety import ledger, limits
from safety.decode import Refusal
from safety.gate import History
from safety.lease import Lease
from safety.ledger import UNKNOWN, Record
from safety.session import Session
from tests.support.chunks import LINES, train
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
    return Session(LINES, 50_000, record, 0)


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
        (Record(), ()),
        (Record(cause="tripped"), ()),
        (Record(clean=False), ("guard_restarted",)),
        (Record(clean=False, cause="tripped"), ("tripped",)),
        (Record(clean=False, cause="of another build"), ("guard_restarted",)),
        (Record(locked_by="current_high"), ("current_high",)),
        (Record(clean=False, cause="tripped", locked_by="current_high"), ("tripped", "current_high")),
    ],
)
def test_with_what_a_guard_starts_stopped(record: Record, found: tuple[str, ...]) -> None:
    assert ledger.load(ledger.dump(record)).found() == found


@pytest.mark.req("SR-041", "SR-150")
def test_a_stop_is_on_record_until_it_is_acknowledged() -> None:
    stopped = session(Record(contraction_us=(4_000_000, 0)))
    stopped.close("lead_off", 0)
    assert stopped.record.found() == ("lead_off",), "also if the guard ends between the two writes"
    stopped.latched("lead_off", None)
    kept = ledger.load(ledger.dump(stopped.record))
    assert (kept.found(), kept.contraction_us) == (("lead_off",), stopped.record.contraction_us)
    stopped.acknowledged()
    assert (stopped.record.found(), stopped.record.cause) == ((), "lead_off")
    open_one = replace(stopped.record, clean=False, cause=None)
    assert ledger.load(ledger.dump(open_one)).contraction_us == UNKNOWN.contraction_us


@pytest.mark.req("SR-041", "SR-150")
def test_a_start_that_is_refused_takes_back_its_debit_and_no_lockout() -> None:
    before = Record(day="2020-03-01", sessions=1, cause="person")
    for latched in ((None, None), ("rail_stuck", "rail_stuck"), ("emergency_stop", "current_high")):
        starting = session(replace(before, sessions=2, clean=False, cause=None))
        starting.not_started(before, *latched)
        kept = starting.record
        assert kept.sessions == 1
        assert (kept.clean, kept.cause, kept.locked_by) == (
            (True, "person", None) if latched[0] is None else (False, *latched)
        )


@pytest.mark.req("SR-056")
@pytest.mark.parametrize(
    ("ahead", "code"), [(-1, "end_too_early"), (0, None), (1_000_000, None), (1_000_001, "end_too_far")]
)
@pytest.mark.parametrize("next_us", [None, 7_000_000])
def test_an_end_is_named_soon(next_us: int | None, ahead: int, code: str | None) -> None:
    """One that is far ahead would keep what else ends a session from doing so."""
    running = session(Record())
    running.progress = replace(running.progress, session_us=next_us)
    refusal = running.ends((next_us or 0) + ahead)
    assert (refusal.code if refusal else None) == code
    assert (running.progress.end_us is None) == (code is not None)


@pytest.mark.req("SR-138", "SR-146")
def test_an_electrode_check_needs_a_page_and_a_pause_after_the_last() -> None:
    used = session(Record())
    programme = short_programme(channel='"AB"')

    def code(now_us: int) -> str | None:
        refusal = used.not_checkable(now_us)
        return refusal.code if refusal else None

    assert code(0) == "nothing_loaded"
    assert used.load(programme.decode(), prescribed(programme, {"A": 2_000, "B": 1_999}), 0) is None
    assert code(0) == "over_cap"
    assert used.load(programme.decode(), prescribed(programme, {"A": 2_000, "B": 2_000}), 0) is None
    assert code(0) == "lease_stale", "nobody was heard of yet"
    used.lease = Lease(5_000_000, 9_000_000, echoed=True)
    assert code(10_000_000) is None
    assert code(10_000_001) == "lease_stale"
    used.checked_us = 6_500_001
    assert (code(9_500_000), used.check_wait_us(9_500_000)) == ("check_too_soon", 1)
    assert (code(9_500_001), used.check_wait_us(9_500_001)) == (None, 0)


@pytest.mark.req("SR-146")
@pytest.mark.parametrize(("silent_us", "code"), [(1_000_000, None), (1_000_001, "stale_set_point")])
def test_a_granted_step_is_forgotten_when_the_page_falls_silent_before(silent_us: int, code: str | None) -> None:
    running = session(Record())
    running.lease = Lease(5_000_000, 0, echoed=True)
    assert running.load(short_programme().decode(), prescribed(short_programme(), {"A": 9_000}), 0) is None
    running.begin(0)
    assert running.not_heard(0) is not None, "what was heard before the load was of another"
    running.lease = Lease(5_000_000, 0, echoed=True)
    felt = History(0, 600_000, continuous=False)
    running.progress = replace(
        running.progress, session_us=600_000, played_us=600_000, channels={"A": felt, "B": History()}
    )
    assert running.raise_({"at_us": 600_000, "to_ua": {"A": 2_000}}) is None
    asked = running.progress.set_point.revision
    judged = running.judge(600_000, asked + 1, train([], 0), silent_us)
    assert (judged.code if isinstance(judged, Refusal) else None) == code
    assert (running.progress.set_point.ahead is None) == (code is not None)


def test_a_lockout_is_on_record_until_it_is_acknowledged() -> None:
    locked = session(Record())
    locked.latched("tripped", "current_high")
    assert ledger.load(ledger.dump(locked.record)).locked_by == "current_high"
    locked.acknowledged()
    assert (locked.record.locked_by, locked.record.cause) == (None, "tripped")
    assert ledger.load(ledger.dump(replace(locked.record, locked_by="no_such_cause"))) == ledger.UNKNOWN


@pytest.mark.req("SR-174")
def test_a_phase_that_was_cut_is_kept_until_the_next_session() -> None:
    cut = replace(Record(), cut_line="A_NEG", cut_us=90)
    assert ledger.load(ledger.dump(cut)) == cut
    new = replace(cut, clean=False, sessions=1, delivered_us=1, cut_line=None, cut_us=0)
    assert ledger.debit(cut, 1, 21, 21) == new
    for wrong in ({"cut_us": -1}, {"cut_us": 0.5}, {"cut_line": 5}):
        assert ledger.load(ledger.dump(replace(cut, **wrong))) == ledger.UNKNOWN  # type: ignore[arg-type]


@pytest.mark.req("SR-082")
@pytest.mark.parametrize(
    "change",
    [
        {"schema": 4},
        {"day": 20_200_301},
        {"sessions": -1},
        {"sessions": True},
        {"sessions": "0"},
        {"delivered_us": -1},
        {"delivered_us": 0.5},
        {"clean": 1},
        {"contraction_us": [0]},
        {"contraction_us": [0, -1]},
        {"contraction_us": 3},
        {"cause": 3},
        {"cut_line": 3},
        {"cut_us": -1},
        {"cut_us": None},
        {"seen": "tomorrow"},
        {"seen": 20_200_301},
        {"more": 0},
    ],
    ids=str,
)
def test_a_record_that_is_not_as_it_must_be_is_unknown(change: dict[str, object]) -> None:
    good = json.loads(ledger.dump(Record(day="2020-03-01")))
    assert ledger.load(json.dumps(good)) == Record(day="2020-03-01")
    assert ledger.load(json.dumps({**good, **change})) == UNKNOWN
    for key in good:
        assert ledger.load(json.dumps({one: value for one, value in good.items() if one != key})) == UNKNOWN


@pytest.mark.req("SR-082")
@pytest.mark.parametrize("text", [None, "", "{", "[]", "3", "null", "[" * 100_000])
def test_what_is_no_record_is_unknown(text: str | None) -> None:
    assert ledger.load(text) == UNKNOWN


@pytest.mark.req("SR-082")
def test_an_unclean_record_keeps_its_day_and_takes_the_longest_contraction() -> None:
    record = Record(False, "2020-03-01", 2, 5 * MINUTE, (4, 5), None, "current_high")
    found = ledger.load(ledger.dump(record))
    assert found == replace(record, contraction_us=UNKNOWN.contraction_us)
    assert found.clean is False
    assert UNKNOWN.contraction_us == (limits.CONTRACTION_MAX_US, limits.CONTRACTION_MAX_US)


@pytest.mark.req("SR-081")
def test_a_new_day_begins_with_nothing_spent() -> None:
    opened = ledger.open_day(Record(True, "2020-03-01", 3, 5 * MINUTE, cause="tripped"), "2020-03-02")
    assert opened == Record(True, "2020-03-02", 0, 0, cause="tripped", week=(("2020-03-01", 3),))


@pytest.mark.req("SR-080")
@pytest.mark.parametrize(
    ("unused_us", "delivered_us"),
    [(0, 30 * MINUTE), (1, 30 * MINUTE - 1), (30 * MINUTE, 0), (31 * MINUTE, 0), (-1, 30 * MINUTE)],
)
def test_what_was_not_delivered_goes_back(unused_us: int, delivered_us: int) -> None:
    cut = Record(True, "2020-03-01", 1, 10 * MINUTE, cause="tripped", cut_line="A_POS", cut_us=30)
    opened = ledger.debit(cut, 20 * MINUTE, 21, 21)
    assert opened == Record(False, "2020-03-01", 2, 30 * MINUTE)
    assert isinstance(opened, Record)
    channels = {"A": History(1_000, 4_000), "B": History()}
    closed = ledger.credit(opened, unused_us, channels)
    assert closed == Record(True, "2020-03-01", 2, delivered_us, (3_000, 0))
    assert closed.clean is True


@pytest.mark.req("SR-082")
def test_a_start_knows_the_contraction_that_came_last() -> None:
    now = 60 * MINUTE
    assert ledger.begin(Record(contraction_us=(0, 3_000)), now) == {"A": History(), "B": History(now - 3_000, now)}
