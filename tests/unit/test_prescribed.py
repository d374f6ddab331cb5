"""The guard's own reading of a prescription, and which one it takes: text, dates and a record in, a verdict out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety import ledger, limits
from safety.decode import Refusal
from safety.ledger import Record
from safety.prescribed import Prescribed, accept, canonical, read_prescribed, why_not
from safety.session import Session
from tests.support.chunks import LINES
from tests.support.programmes import programme_toml

FULL = 50_000
DEVICE = "d" * 64
TODAY = date(2026, 3, 2)
PROGRAMME = programme_toml()
PROGRAMME_SHA256 = hashlib.sha256(PROGRAMME).hexdigest()
GOOD: dict[str, Any] = {
    "schema": 1,
    "kind": "treatment",
    "revision": 3,
    "device": DEVICE,
    "programme": "stress-50hz",
    "programme_sha256": "a" * 64,
    "caps_ua": {"A": 20_000},
    "electrode": {"kind": "vaginal probe", "area_mm2": 1_250, "placement": None},
    "minutes": 20,
    "sessions_per_day": 2,
    "sessions_per_week": 5,
    "weeks": 12,
    "lease_us": 2_000_000,
    "patient_may": ["pause"],
    "released": {"epilepsy": "seen"},
    "prescriber": "K. Larsen",
    "issued": "2026-03-01",
    "valid_until": "2026-06-30",
    "nonce": None,
}


def read(text: bytes) -> Prescribed:
    found = read_prescribed(text, FULL)
    assert isinstance(found, Prescribed), found
    return found


def code(found: object) -> str:
    assert isinstance(found, Refusal), found
    return found.code


ASKED = read(canonical(GOOD))


@pytest.mark.req("SR-160")
def test_what_was_signed_is_what_is_read() -> None:
    assert Prescribed(
        kind="treatment",
        revision=3,
        device=DEVICE,
        programme_sha256="a" * 64,
        caps_ua={"A": 20_000, "B": 0},
        area_cm2=Fraction(25, 2),
        minutes=20,
        sessions_per_day=2,
        sessions_per_week=5,
        lease_us=2_000_000,
        issued=date(2026, 3, 1),
        ends=date(2026, 5, 24),
        sha256=hashlib.sha256(canonical(GOOD)).hexdigest(),
        nonce=None,
    ) == read(canonical(GOOD))
    assert read(canonical({**GOOD, "valid_until": "2026-04-01"})).ends == date(2026, 4, 1), "the earlier end counts"


@pytest.mark.req("SR-160")
@pytest.mark.parametrize(
    "changes",
    [
        {"revision": 1, "minutes": 1, "sessions_per_day": 1, "sessions_per_week": 1, "weeks": 1},
        {"minutes": 45, "sessions_per_day": 3, "sessions_per_week": 21},
        {"caps_ua": {"A": FULL, "B": 0}},
        {"prescriber": "K. Larsen" + "." * (limits.PRESCRIPTION_MAX_BYTES - len(canonical(GOOD)))},
    ],
)
def test_at_the_ends_of_what_is_allowed(changes: dict[str, Any]) -> None:
    read(canonical({**GOOD, **changes}))


@pytest.mark.parametrize("number", [1.5, float("nan"), float("inf")])
def test_no_number_but_a_whole_one_stands_anywhere(number: float) -> None:
    """Also where nobody looks."""
    text = canonical({**GOOD, "released": {"epilepsy": number}})
    assert code(read_prescribed(text, FULL)) == "prescription_malformed"


def test_the_one_way_to_write() -> None:
    assert canonical({"b": "\u00f8", "a": [1, None]}) == b'{"a":[1,null],"b":"\\u00f8"}'


@pytest.mark.req("SR-160")
def test_a_channel_without_a_cap_gives_nothing_but_to_whoever_looks_for_it() -> None:
    assert read(canonical({**GOOD, "caps_ua": {}})).caps_ua == {"A": 0, "B": 0}
    looking = {**GOOD, "kind": "threshold", "nonce": "0" * 32}
    assert read(canonical(looking)).caps_ua == {"A": 20_000, "B": FULL}, "a cap that is set holds"
    assert read(canonical(looking)).nonce == "0" * 32


@pytest.mark.req("SR-160")
@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"kind": "other"},
        {"kind": "threshold"},
        {"kind": "threshold", "nonce": "0" * 31},
        {"nonce": "0" * 32},
        {"revision": 0},
        {"revision": True},
        {"device": "D" * 64},
        {"device": "d" * 63},
        {"programme_sha256": None},
        {"programme": ""},
        {"prescriber": 5},
        {"caps_ua": []},
        {"caps_ua": {"C": 1}},
        {"caps_ua": {"A": FULL + 1}},
        {"caps_ua": {"A": -1}},
        {"caps_ua": {"A": "1"}},
        {"caps_ua": {"A": None}},
        {"electrode": "probe"},
        {"electrode": {"area_mm2": limits.AREA_MIN_MM2 - 1}},
        {"electrode": {"area_mm2": limits.AREA_MAX_MM2 + 1}},
        {"minutes": 46},
        {"minutes": 0},
        {"sessions_per_day": 4},
        {"sessions_per_week": 22},
        {"weeks": 53},
        {"lease_us": 5_000_001},
        {"patient_may": {}},
        {"released": []},
        {"issued": "2026-3-1"},
        {"issued": 20260301},
        {"issued": "2026-02-30"},
        {"issued": "20260301"},
        {"issued": "9999-12-31"},
        {"valid_until": None},
        {"more": 1},
    ],
)
def test_what_it_may_not_say(changes: dict[str, Any]) -> None:
    assert code(read_prescribed(canonical({**GOOD, **changes}), FULL)) == "prescription_malformed"


@pytest.mark.req("SR-160")
@pytest.mark.parametrize("missing", sorted(GOOD))
def test_nothing_is_assumed_for_what_is_missing(missing: str) -> None:
    fields = {key: value for key, value in GOOD.items() if key != missing}
    assert code(read_prescribed(canonical(fields), FULL)) == "prescription_malformed"


@pytest.mark.req("SR-160")
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"5",
        b"{" * 9_000,
        json.dumps(GOOD).encode(),
        canonical(GOOD) + b"\n",
        b" " + canonical(GOOD),
        canonical(GOOD).replace(b'"minutes":20', b'"minutes":2e1'),
        canonical(GOOD).replace(b'"minutes":20', b'"minutes":20,"minutes":20'),
        canonical(GOOD).replace(b'"minutes":20', b'"minutes":NaN'),
        canonical(GOOD).replace(b"K. Larsen", b"K. L\xc3\xa5rsen"),
        canonical(GOOD).replace(b"K. Larsen", b"K.\\u0020Larsen"),
        canonical({**GOOD, "released": {"epilepsy": "x" * limits.PRESCRIPTION_MAX_BYTES}}),
    ],
)
def test_there_is_one_way_to_write_it(text: bytes) -> None:
    assert code(read_prescribed(text, FULL)) == "prescription_malformed"


# --- which one is taken -----------------------------------------------------------------------------------------------

NOW = Record(day="2026-03-02", revision=2, prescription="b" * 64)


@pytest.mark.req("SR-190")
def test_a_newer_one_is_taken_and_noted() -> None:
    assert accept(NOW, ASKED, DEVICE, TODAY) == replace(NOW, revision=3, prescription=ASKED.sha256)
    again = replace(NOW, revision=3, prescription=ASKED.sha256)
    assert accept(again, ASKED, DEVICE, TODAY) == again, "unchanged, as often as may be"


@pytest.mark.req("SR-190")
@pytest.mark.parametrize(
    ("record", "changes", "expected"),
    [
        ({}, {"device": "e" * 64}, "prescription_foreign"),
        ({"revision": 4}, {}, "prescription_downgraded"),
        ({"revision": 3}, {}, "prescription_replaced"),
        ({"revision": 3, "prescription": None}, {}, "prescription_replaced"),
        ({"day": "2026-05-25"}, {}, "prescription_expired"),
        ({"day": "2026-02-20"}, {"ends": date(2026, 3, 1)}, "prescription_expired"),  # this machine knows it
        ({"day": None}, {"ends": date(2026, 3, 1)}, "prescription_expired"),
        ({}, {"issued": date(2026, 3, 4)}, "prescription_not_yet"),
    ],
)
def test_which_are_not_taken(record: dict[str, Any], changes: dict[str, Any], expected: str) -> None:
    asked = (replace(NOW, **record), replace(ASKED, **changes), DEVICE, TODAY)
    refusal = accept(*asked)
    assert code(refusal) == expected
    assert why_not(*asked) == refusal


@pytest.mark.req("SR-190")
@pytest.mark.parametrize(
    ("record", "changes"),
    [
        ({"day": "2026-05-24"}, {}),
        ({"day": None}, {}),
        ({}, {"issued": date(2026, 3, 3)}),  # a time zone to the east
        ({"day": "2026-04-01"}, {"issued": date(2026, 4, 1)}),  # the clock went back
    ],
)
def test_until_when_they_are_taken(record: dict[str, Any], changes: dict[str, Any]) -> None:
    found = accept(replace(NOW, **record), replace(ASKED, **changes), DEVICE, TODAY)
    assert isinstance(found, Record)
    assert found.revision == 3
    assert why_not(replace(NOW, **record), replace(ASKED, **changes), DEVICE, TODAY) is None


@pytest.mark.req("SR-190")
def test_looking_for_the_caps_puts_nothing_in_force() -> None:
    looking = replace(ASKED, kind="threshold", nonce="0" * 32, revision=1)
    assert accept(NOW, looking, DEVICE, TODAY) == NOW
    assert code(accept(NOW, replace(looking, device="e" * 64), DEVICE, TODAY)) == "prescription_foreign"


# --- how often --------------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-191")
def test_the_week_is_the_last_seven_days_that_are_known() -> None:
    record = Record(day="2026-03-01", sessions=2)
    for day, week in (
        ("2026-03-02", (("2026-03-01", 2),)),
        ("2026-03-07", (("2026-03-01", 2),)),
        ("2026-03-08", ()),
        ("2026-02-28", ()),
    ):
        assert ledger.open_day(record, day).week == week
    assert ledger.open_day(record, "2026-02-28") == record
    empty = replace(record, sessions=0)
    assert ledger.open_day(empty, "2026-03-02").week == ()


@pytest.mark.req("SR-191")
def test_no_more_than_is_prescribed() -> None:
    record = Record(day="2026-03-02", sessions=1, week=(("2026-02-28", 2),))
    assert isinstance(ledger.debit(record, 1, 2, 4), Record)
    assert code(ledger.debit(record, 1, 1, 4)) == "day_spent"
    assert code(ledger.debit(record, 1, 2, 3)) == "week_spent"
    assert code(ledger.debit(replace(record, sessions=3, week=()), 1, 9, 9)) == "day_spent", "the ceiling holds too"


@pytest.mark.req("SR-191")
def test_the_week_and_the_revision_are_on_disk() -> None:
    record = Record(day="2026-03-02", week=(("2026-03-01", 2),), revision=7, prescription="b" * 64)
    assert ledger.load(ledger.dump(record)) == record
    old = json.loads(ledger.dump(Record(day="2026-03-02", sessions=1)))
    for key in ("week", "revision", "prescription"):
        del old[key]
    assert ledger.load(json.dumps({**old, "schema": 1})) == Record(day="2026-03-02", seen="2026-03-02", sessions=1)
    del old["cut_line"], old["cut_us"]
    assert ledger.load(json.dumps({**old, "schema": 1})) == Record(day="2026-03-02", seen="2026-03-02", sessions=1)
    for bad in ({"week": [["2026-13-01", 2]]}, {"week": [["2026-03-01", -1]]}, {"revision": -1}, {"day": "tomorrow"}):
        assert ledger.load(json.dumps({**json.loads(ledger.dump(record)), **bad})) == ledger.UNKNOWN


clocks = st.tuples(st.integers(-40, 40), st.none() | st.integers(-40, 45), st.integers(0, 4), st.booleans())


@pytest.mark.req("SR-190", "SR-191")
@given(per_day=st.integers(1, 3), per_week=st.integers(1, 21), moved=st.lists(clocks, max_size=40))
def test_a_clock_moved_in_any_way_spends_no_budget_twice_and_extends_no_validity(
    per_day: int, per_week: int, moved: list[tuple[int, int | None, int, bool]]
) -> None:
    """``moved``: which day this machine shows, which one a phone confirms (None: none), how many sessions are then
    asked for, and whether the clock was looked at meanwhile. Forwards, back and again, with a restart of the guard each
    time.
    """
    ends = date(2026, 3, 20)
    asked = replace(ASKED, ends=ends, sessions_per_day=per_day, sessions_per_week=per_week)
    session = Session(LINES, FULL, Record(), 0)
    assert session.load(PROGRAMME.decode(), replace(asked, programme_sha256=PROGRAMME_SHA256), 0) is None
    given_on: list[date] = []
    known: list[date] = []
    seen: list[date] = []
    for days, told, sessions, watched in moved:
        today = TODAY + timedelta(days=days)
        day = None if told is None else TODAY + timedelta(days=told)
        session.open_day(None if day is None else day.isoformat(), today)
        if watched:
            session.see_day(today.isoformat(), today)
            seen.append(today)
        known += [day] if day is not None and day <= today + timedelta(days=1) else []
        over = max([today, *known, *seen]) > ends
        refused = session.take(asked, DEVICE, today)
        if over:
            assert code(refused) == "prescription_expired"
        elif refused is not None:
            assert code(refused) == "prescription_not_yet"
            assert max([today, *known, *seen]) < asked.issued - timedelta(days=1)
        session.record = ledger.load(ledger.dump(session.record))
        for _ in range(sessions):
            assert session.prescribed is not None
            session.prescribed = replace(session.prescribed, sha256=session.record.prescription or "")
            debited = session.debit(0, today)
            if isinstance(debited, Record):
                assert not over, "no validity is extended by a clock that goes back"
                session.record = replace(debited, clean=True)
                given_on.append(date.min if debited.day is None else date.fromisoformat(debited.day))
            else:
                assert (debited.code == "prescription_expired") is over
    assert all(given_on.count(day) <= per_day for day in given_on)
    for day in given_on:
        assert sum(0 <= day.toordinal() - one.toordinal() < 7 for one in given_on) <= per_week
    assert set(given_on) <= {date.min, *known}, "each day that was spent was once told and believed"


@pytest.mark.req("SR-167", "SR-191")
def test_what_a_clock_shows_ends_a_validity_and_opens_no_budget() -> None:
    """Of version 2 of the record, before the clock was noted, the day known stands for what it has shown."""
    old = {**json.loads(ledger.dump(Record(day="2026-03-02", sessions=1))), "schema": 2}
    del old["seen"]
    session = Session(LINES, FULL, ledger.load(json.dumps(old)), 0)
    assert session.record == Record(day="2026-03-02", seen="2026-03-02", sessions=1)
    assert session.see_day("2026-04-01", date(2026, 4, 1))
    assert not session.see_day("2026-03-31", date(2026, 4, 1))
    assert not session.see_day("2026-06-01", date(2026, 4, 1)), "beyond this machine's own date it is not believed"
    assert (session.record.day, session.record.sessions, session.record.seen) == ("2026-03-02", 1, "2026-04-01")
    assert ledger.latest(session.record, date(2026, 3, 1)) == date(2026, 4, 1)
    assert ledger.known_day(Record()) is None
