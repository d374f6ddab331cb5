"""The guard and what is prescribed: whose signature it takes, what it holds a session to, and the time it believes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.keys import make_key
from controller.prescription import THRESHOLD, Prescription, link_fields
from controller.programme import parse_programme
from controller.throw_away import unlimited
from safety.enrolled import enrol, revoke
from safety.link import Message
from tests.support.hand import Hand
from tests.support.signed import KEY, signed
from tests.support.stack import AppLink, Stack, short_programme, stack

PROGRAMME = short_programme()
TODAY = datetime.now(UTC).date()
SHORT_US = 14_000_000


@pytest.fixture(scope="module")
def rig() -> Iterator[Stack]:
    with stack() as made:
        yield made


@pytest.fixture(scope="module")
def link(rig: Stack) -> AppLink:
    return rig.link()


def wanted(link: AppLink, **changes: Any) -> Prescription:
    """The next revision, unsigned."""
    status = link.latest
    one = unlimited(
        parse_programme(PROGRAMME, "test"),
        {"A": 20_000},
        status["prescription_revision"] + 1,
        status["device"],
        TODAY.isoformat(),
    )
    return replace(one, **changes)


def load(link: AppLink, fields: dict[str, object]) -> Message:
    return link.request("load", programme=PROGRAMME.decode(), **fields)


@pytest.mark.req("SR-190")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"device": "e" * 64}, "prescription_foreign"),
        ({"issued": (TODAY + timedelta(days=3)).isoformat()}, "prescription_not_yet"),
        ({"valid_until": "2020-01-01"}, "prescription_expired"),
        ({"caps_ua": {"A": 50_001}}, "prescription_malformed"),
        ({"minutes": 46}, "prescription_malformed"),
        ({"revision": 0}, "prescription_malformed"),
        ({"programme_sha256": "0" * 64}, "programme_changed"),
    ],
)
def test_what_is_signed_and_not_taken(link: AppLink, changes: dict[str, Any], code: str) -> None:
    told = link_fields(KEY.sign(wanted(link, **changes)), TODAY.isoformat())
    before = link.latest["prescription_revision"]
    answer = load(link, told)
    assert (answer["ok"], answer["code"]) == (False, code)
    if code != "programme_changed":
        assert link.request("prescribe", **told)["code"] == code
        assert link.latest["prescription_revision"] == before


@pytest.mark.req("SR-160")
def test_what_was_changed_after_it_was_signed(link: AppLink) -> None:
    told = signed(PROGRAMME, link.latest, {"A": 20_000})
    text = str(told["prescription"])
    for other in (
        text.replace('"A":20000', '"A":40000'),
        text.replace('"minutes":45', '"minutes":44'),
        text + " ",
        text.replace("short", "sh\u00f8rt"),
    ):
        assert other != text
        assert load(link, {**told, "prescription": other})["code"] == "prescription_changed"
    for signature in ("", "00", "0" * 128, None, 5, "å"):
        assert load(link, {**told, "signature": signature})["code"] == "prescription_changed"
    assert load(link, {**told, "prescription": None})["code"] == "link_malformed"
    assert load(link, told)["ok"]


@pytest.mark.req("SR-160")
def test_whose_key_is_not_enrolled_signs_nothing_here(rig: Stack, link: AppLink) -> None:
    assert link.welcome["enrolled"] == [KEY.public.line()]
    stranger = make_key("A stranger")
    told = link_fields(stranger.sign(wanted(link)), None)
    assert load(link, told)["code"] == "prescription_foreign"
    assert load(link, {**told, "key": KEY.public.fingerprint})["code"] == "prescription_changed"
    path = rig.state / "keys" / f"{'0' * 64}.pub"
    path.write_text(stranger.public.line(), encoding="utf-8")
    for key in ("0" * 64, stranger.public.fingerprint):
        assert load(link, {**told, "key": key})["code"] == "prescription_foreign", "a file under another's name"
    path.unlink()
    enrol(rig.state, stranger.public)
    assert load(link, told)["ok"]
    revoke(rig.state, stranger.public.fingerprint)
    assert load(link, told)["code"] == "prescription_foreign", "revoked at once"


@pytest.mark.req("SR-190")
def test_an_older_one_never_comes_back(tmp_path: Path) -> None:
    with stack(tmp_path) as rig:
        link = rig.link()
        first = signed(PROGRAMME, link.latest, {"A": 30_000})
        assert link.request("prescribe", **first)["ok"]
        other = signed(PROGRAMME, {**link.latest, "prescription_revision": 0}, {"A": 31_000})
        assert link.request("prescribe", **other)["code"] == "prescription_replaced"
        second = signed(PROGRAMME, link.latest, {"A": 20_000})
        assert link.request("prescribe", **second)["prescription_revision"] == 2
        for one in (first, other):
            assert load(link, one)["code"] == link.request("prescribe", **one)["code"] == "prescription_downgraded"
    with stack(tmp_path, new_state=False) as rig:
        link = rig.link()
        assert link.latest["prescription_revision"] == 2
        assert load(link, first)["code"] == "prescription_downgraded", "also after a restart"
        assert load(link, second)["ok"]


@pytest.mark.req("SR-190")
def test_what_was_loaded_before_a_newer_one_does_not_start() -> None:
    with stack() as rig:
        link = rig.link()
        link.arm(PROGRAMME)
        assert link.request("prescribe", **signed(PROGRAMME, link.latest, {"A": 5_000}))["ok"]
        assert link.request("start")["code"] == "prescription_replaced"


@pytest.mark.req("SR-191")
def test_the_guard_itself_counts_days_and_weeks_and_ends_a_validity() -> None:
    """The day is told by the app, and believed only forward and not beyond this machine's own."""
    last = datetime.now(UTC).date()  # of this moment: a run may go on past midnight
    day = last - timedelta(days=8)
    with stack() as rig:
        link = rig.link()
        told = signed(
            PROGRAMME,
            link.latest,
            sessions_per_day=1,
            sessions_per_week=2,
            issued=day.isoformat(),
            valid_until=last.isoformat(),
        )

        def start(on: date | None) -> str | None:
            """Why it did not start, if so; else it is ended at once."""
            assert load(link, told)["ok"]
            link.echoes = True
            link.check_electrodes()
            today = None if on is None else on.isoformat()
            while (answer := link.request("start", day=today)).get("code") == "rest_pending":
                rig.sleep_until(rig.clock.now() + int(answer["wait_us"]))
            if answer["ok"]:
                link.request("end")
                link.past("running")
                rig.sleep_until(rig.clock.now() + 1_000_000)
                return None
            return str(answer["code"])

        assert start(day) is None
        for other in (day, None, day - timedelta(days=400), last + timedelta(days=3)):
            assert start(other) == "day_spent"
        assert start(day + timedelta(days=1)) is None
        assert start(day + timedelta(days=6)) == "week_spent"
        assert start(day) == "week_spent", "a clock that goes back opens nothing"
        assert start(day + timedelta(days=8)) is None
        over = (last + timedelta(days=1)).isoformat()
        assert start(last + timedelta(days=1)) == "prescription_expired"
        assert load(link, {**told, "day": over})["code"] == "prescription_expired"
        assert load(link, {**told, "day": day.isoformat()})["code"] == "prescription_expired", "and it stays so"


@pytest.mark.req("SR-167", "SR-191")
def test_the_day_that_the_clock_shows_is_on_record_and_opens_no_budget() -> None:
    yesterday = TODAY - timedelta(days=1)
    with stack() as rig:
        link = rig.link()
        told = signed(PROGRAMME, link.latest, issued=yesterday.isoformat(), valid_until=yesterday.isoformat())
        assert link.request("status", day=TODAY.isoformat())["day"] == TODAY.isoformat()
        record = json.loads((rig.state / "ledger.json").read_bytes())
        assert (record["day"], record["seen"]) == (None, TODAY.isoformat())
        assert load(link, {**told, "day": yesterday.isoformat()})["code"] == "prescription_expired"


@pytest.mark.req("SR-160")
def test_caps_electrode_minutes_and_lease_are_the_signed_ones() -> None:
    with stack() as rig:
        link = rig.link()
        assert load(link, signed(PROGRAMME, link.latest, {"A": 1_999}))["ok"]
        assert link.request("check_electrodes")["code"] == "over_cap"
        assert load(link, signed(PROGRAMME, link.latest, {}))["ok"]
        assert link.request("check_electrodes")["code"] == "over_cap", "without a cap nothing comes out"
        hand = Hand(rig, link=link, lease_us=5_000_000)
        hand.held()
        hand.link.echoes = False
        hand.play_for(4_000_000)
        assert hand.state["paused_by"] is None, "2 s would be over"


# --- looking for the caps ---------------------------------------------------------------------------------------------


def procedure(link: AppLink, programme: bytes = PROGRAMME) -> dict[str, object]:
    asked = link.request("challenge")
    assert asked["ok"]
    sha256 = hashlib.sha256(programme).hexdigest()
    one = wanted(link, kind=THRESHOLD, nonce=asked["challenge"], caps_ua={}, programme_sha256=sha256)
    return link_fields(KEY.sign(one), None)


@pytest.mark.req("SR-192")
def test_a_procedure_is_good_once_and_for_the_guards_own_nonce(link: AppLink) -> None:
    told = procedure(link)
    assert load(link, told)["ok"]
    assert load(link, told)["code"] == "challenge_wrong", "a second time"
    old = procedure(link)
    link.request("challenge")
    assert load(link, old)["code"] == "challenge_wrong", "another was issued since"
    before = link.latest["prescription_revision"]
    assert load(link, procedure(link))["ok"]
    assert link.latest["prescription_revision"] == before, "it puts nothing in force"


@pytest.fixture
def shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The guard's 15 minutes as so many us, so that the virtual clock need not run through them."""
    (tmp_path / "sitecustomize.py").write_text(f"from safety import limits\nlimits.THRESHOLD_MAX_US = {SHORT_US}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return SHORT_US


@pytest.mark.req("SR-192")
def test_a_procedure_goes_beyond_caps_that_are_not_set_and_ends_by_itself(shorter: int) -> None:
    with stack() as rig:
        link = rig.link()
        programme = short_programme(repeats=9)
        issued, told = rig.clock.now(), procedure(link, programme)
        hand = Hand(rig, programme, link, signed=told)
        hand.held(2_000)
        hand.play_for(1_000_000)
        hand.raised(4_000)
        hand.until(lambda state: state["mode"] != "running")
        assert (hand.state["mode"], hand.state["paused_by"]) == ("paused", "threshold_over")
        assert 0 <= hand.link.now() - issued - shorter < 700_000
        assert max(pulse.code for _, pulse in hand.pulses()) * 50_000 // 4096 > 3_900
        assert hand.link.request("resume")["code"] == "not_now"
        assert hand.link.request("end")["mode"] == "idle"
        assert load(link, told)["code"] == "challenge_wrong"


@pytest.mark.req("SR-192")
def test_a_procedure_that_was_signed_for_too_long_ago_is_not_loaded(shorter: int) -> None:
    with stack() as rig:
        link = rig.link()
        told = procedure(link)
        rig.sleep_until(rig.clock.now() + shorter)
        assert load(link, told)["code"] == "challenge_wrong"
