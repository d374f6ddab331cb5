"""What the guard grants and refuses over the link: pause, resume, lower, time-out, budgets, records, one guard."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.programme import parse_programme
from controller.session import SessionRefused
from controller.timeline import Slice, Timeline
from controller.waveform import Amplitude, Encoder
from hw.board import load_board
from safety import ledger
from safety.link import GuardLink, Message
from tests.support.signed import signed
from tests.support.stack import PHASE_GPIOS, AppLink, Stack, short_programme, stack

BOARD = load_board()
PROGRAMME = short_programme()
UNCLEAN = ledger.dump(ledger.Record(clean=False))


class Driver:
    """An app by hand: it knows the slices, and sends the next one when the one before began."""

    def __init__(self, rig: Stack, programme: bytes = PROGRAMME) -> None:
        self.rig, self.link = rig, rig.link()
        self.timeline = Timeline(parse_programme(programme, "test"))
        self.encoder = Encoder(BOARD)
        self.number = 0
        self.last: Message = {}
        self.link.arm(programme)
        self.armed_at = self.link.now()

    def start(self) -> Message:
        answer = self.link.request("start")
        self.link.forget()
        self.use(answer)
        self.slices = self.timeline.slices()
        return answer

    def use(self, answer: Message) -> None:
        self.revision = answer["revision"]
        self.set_point = answer["set_point_ua"]

    def send(self, slice_: Slice, code: int | None = None) -> None:
        codes = Amplitude(self.set_point, BOARD.full_scale_ua).codes(slice_.pulses, {})
        if code is not None:
            codes = [code] * len(codes)
        self.number += 1
        self.link.send_chunk(self.number, slice_.start_us, self.revision, self.encoder.encode(slice_, codes))

    def until(self, good: Callable[[Message], bool]) -> Message:
        """Takes messages until one is good."""
        while True:
            message = self.link.receive()
            if message is not None:
                assert message["type"] != "refused", message
                self.last = message
                if good(message):
                    return message

    def started(self) -> None:
        """Waits until the chunk sent last began to play."""
        self.until(lambda message: message["type"] == "started" and message["number"] == self.number)

    def refused(self) -> Message:
        """The refusal of a chunk that comes next."""
        while (message := self.link.receive()) is None or message["type"] != "refused":
            pass
        return message

    def play(self, slices: Iterator[Slice], until_us: int) -> Slice:
        """Plays slices up to a session time; gives the first that was not sent."""
        for slice_ in slices:
            if slice_.start_us >= until_us:
                return slice_
            self.send(slice_)
            self.started()
        raise AssertionError("the programme is over")

    def raise_to(self, ua: int, at_us: int) -> None:
        answer = self.link.request("raise", at_us=at_us, to_ua={"A": ua})
        assert answer["ok"], answer

    def raised_session(self) -> Slice:
        """Starts and plays to 1.5 s; from 0.8 s on at 2 mA."""
        assert self.start()["ok"]
        next_ = self.play(self.slices, 500_000)
        at = next(one.start_us for one in self.timeline.slices() if one.start_us >= 800_000)
        self.raise_to(2_000, at)
        self.send(next_)
        self.play(self.slices_from(self.slices, at), at)
        self.revision += 1
        self.set_point = {"A": 2_000}
        return self.play(self.timeline.slices(at), 1_500_000)

    def slices_from(self, slices: Iterator[Slice], _: int) -> Iterator[Slice]:
        self.started()
        return slices


def wait_for(driver: Driver, mode: str) -> Message:
    return driver.until(lambda message: message.get("mode") == mode)


@pytest.mark.req("SR-030", "SR-060")
def test_pause_is_quiet_and_resume_begins_at_zero() -> None:
    with stack() as rig:
        driver = Driver(rig)
        driver.raised_session()
        answer = driver.link.request("pause")
        assert answer["ok"], answer
        paused = wait_for(driver, "paused")
        assert paused["cause"] is None
        assert rig.levels() & (1 << 25 | sum(1 << gpio for gpio in PHASE_GPIOS)) == 0
        before = rig.phase_edges()
        rig.sleep_until(rig.clock.now() + 5_000_000)
        assert rig.phase_edges() == before
        assert driver.link.request("raise", at_us=9_000_000, to_ua={"A": 2000})["code"] == "not_now"
        resumed = driver.link.request("resume")
        assert (resumed["ok"], resumed["mode"], resumed["set_point_ua"]) == (True, "running", {"A": 0, "B": 0})
        driver.use(resumed)
        driver.link.forget()
        rest_us = driver.timeline.trains[0].active_end_us
        driver.play(driver.timeline.slices(rest_us), 8_500_000)
        assert len(rig.phase_edges()) > len(before), "the next contraction plays, at code 0"
        ended = driver.link.request("end")
        assert ended["ok"]
        assert wait_for(driver, "idle")["cause"] is None


@pytest.mark.req("SR-056")
def test_a_pause_only_falls() -> None:
    with stack() as rig:
        driver = Driver(rig)
        next_ = driver.raised_session()
        assert driver.link.request("pause", at_us=next_.start_us)["ok"]
        driver.send(next_, 100)
        driver.started()
        after = next(driver.timeline.slices(next_.end_us))
        driver.send(after, 101)
        assert driver.refused()["code"] == "not_falling"
        assert wait_for(driver, "stopped")["cause"] == "gate_refused"


@pytest.mark.req("SR-033")
def test_lowering_drops_what_was_not_sent_and_is_compiled_again() -> None:
    with stack() as rig:
        driver = Driver(rig)
        next_ = driver.raised_session()
        driver.send(next_)
        lowered = driver.link.request("lower", to_ua={"A": 1_000})
        assert lowered["ok"], lowered
        assert lowered["next_us"] == next_.start_us, "the chunk that waited is asked for again"
        driver.use(lowered)
        assert driver.set_point["A"] == 1_000
        driver.send(next_)
        driver.started()
        assert driver.link.request("lower", to_ua={"A": 1_001})["code"] == "not_lower"


def test_a_lower_that_is_refused_takes_nothing_back() -> None:
    with stack() as rig:
        driver = Driver(rig)
        driver.send(driver.raised_session())
        assert driver.link.request("lower", to_ua={"A": 2_001})["code"] == "not_lower"
        driver.started()


@pytest.mark.req("SR-034")
@pytest.mark.parametrize("request_", [{"type_": "pause"}, {"type_": "end"}, {"type_": "pause", "at_us": None}])
def test_a_chunk_that_crosses_a_pause_on_its_way_is_stale(request_: dict[str, Any]) -> None:
    """Compiled before the app heard of it, it does not fall: it is no fault, and nothing of it is played."""
    with stack() as rig:
        driver = Driver(rig)
        next_ = driver.raised_session()
        driver.send(next_)
        answer = driver.link.request(**request_)
        assert (answer["ok"], answer["next_us"]) == (True, next_.start_us)
        driver.send(next_)
        assert driver.refused()["code"] == "stale_set_point"
        assert wait_for(driver, "idle" if request_["type_"] == "end" else "paused")["cause"] is None


@pytest.mark.req("SR-034")
def test_a_chunk_for_an_older_set_point_is_refused_and_nothing_stops() -> None:
    with stack() as rig:
        driver = Driver(rig)
        next_ = driver.raised_session()
        old = driver.revision
        driver.use(driver.link.request("lower", to_ua={"A": 0}))
        new, driver.revision = driver.revision, old
        driver.send(next_)
        message = driver.refused()
        assert (message["code"], message["mode"]) == ("stale_set_point", "running")
        driver.revision = new
        driver.send(next_)
        driver.started()


@pytest.mark.req("SR-080", "SR-081")
def test_three_sessions_a_day(tmp_path: Path) -> None:
    short = short_programme(repeats=1, hold_ms=500, rest_ms=2000)
    for count in range(3):
        with stack(tmp_path, new_state=count == 0) as rig:
            assert rig.session(short, 0).run("2020-03-01").cause is None
    with stack(tmp_path, new_state=False) as rig:
        for day in ("2020-03-01", "2020-02-29", None, "2999-01-01", "yesterday", 5):
            with pytest.raises(SessionRefused, match="3 sessions today"):
                rig.session(short, 0, link=rig.links[0] if rig.links else None).run(day)  # type: ignore[arg-type]
        assert rig.session(short, 0, link=rig.links[0]).run("2020-03-02").cause is None


@pytest.mark.req("SR-084", "SR-085")
@pytest.mark.parametrize(
    ("content", "spent"),
    [(None, True), ("", True), ("{", True), ('{"clean": true}', True), ("[" * 5000, True), (UNCLEAN, False)],
)
def test_without_a_clean_record_the_guard_starts_stopped(tmp_path: Path, content: str | None, spent: bool) -> None:
    """What came last is not known: 30 s of contraction; and without any record the day is taken to be spent."""
    if content is not None:
        (tmp_path / "ledger.json").write_text(content, encoding="utf-8")
    with stack(tmp_path, new_state=False) as rig:
        link = rig.link()
        assert (link.welcome["mode"], link.welcome["cause"]) == ("stopped", "guard_restarted")
        with pytest.raises(SessionRefused):
            rig.session(PROGRAMME, 0, link=link).run(None)
        link.acknowledge()
        link.arm(PROGRAMME)
        pending = link.request("start")
        assert pending["code"] == "rest_pending"
        over = pending["now_us"] + pending["wait_us"]
        assert 30_000_000 <= over < 30_100_000, "30 s from when the guard began"
        outcome = rig.session(PROGRAMME, 0, link=link)
        if spent:
            rig.sleep_until(rig.clock.now() + 30_000_000)
            for day in (None, "2020-03-01", "2020-03-01"):
                assert link.request("start", day=day)["code"] == "day_spent"
            assert json.loads((tmp_path / "ledger.json").read_bytes())["day"] == "2020-03-01", "kept if power fails now"
            assert outcome.run("2020-03-02").cause is None
        else:
            assert outcome.run(None).cause is None
            assert [note[:7] for note in outcome.outcome.notes] == ["waited "]
        assert rig.session_edges()[0][0] >= over


@pytest.mark.req("SR-083", "SR-084")
def test_a_killed_guard_is_found_unclean(tmp_path: Path) -> None:
    with stack(tmp_path) as rig:
        Driver(rig).raised_session()
        rig.sim.processes[1].kill()
        rig.sim.processes[1].wait()
    record = json.loads((tmp_path / "ledger.json").read_text(encoding="utf-8"))
    assert record["clean"] is False
    assert record["sessions"] == 1
    with stack(tmp_path, new_state=False) as rig:
        assert rig.link().welcome["cause"] == "guard_restarted"


@pytest.mark.req("SR-086")
def test_a_start_that_is_stopped_at_once_costs_nothing(tmp_path: Path) -> None:
    with stack(tmp_path) as rig:
        driver = Driver(rig)
        before = (tmp_path / "ledger.json").read_bytes()
        rig.sim.control.ask("estop", pressed=True)
        answer = driver.link.request("start", day="2020-03-01")
        assert (answer["code"], answer["cause"]) == ("not_now", "emergency_stop")
        after = json.loads((tmp_path / "ledger.json").read_bytes())
        assert after == {**json.loads(before), "day": "2020-03-01", "clean": False, "cause": "emergency_stop"}
        assert rig.phase_edges(driver.armed_at) == []


@pytest.mark.req("SR-087")
def test_a_new_installation_needs_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    command = [sys.executable, "-m", "safety", "--runtime", str(tmp_path / "r"), "--state", str(tmp_path)]
    refused = subprocess.run([*command, "--new-state"], capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 2
    assert "notes.txt" in refused.stderr
    assert not (tmp_path / "ledger.json").exists()


@pytest.mark.req("SR-090")
@pytest.mark.parametrize("shared", ["runtime", "state", "daemon"])
def test_a_second_guard_is_refused_before_it_touches_the_daemon(shared: str, tmp_path: Path) -> None:
    with stack() as rig:
        runtime = rig.folder if shared == "runtime" else tmp_path / "runtime"
        state = rig.state if shared == "state" else tmp_path / "state"
        port = rig.port if shared == "daemon" else 1
        command = [sys.executable, "-m", "safety", "--runtime", str(runtime), "--state", str(state)]
        second = subprocess.run(
            [*command, "--pigpio", f"localhost:{port}"], capture_output=True, text=True, check=False, timeout=60
        )
        assert second.returncode == 2
        assert "another guard" in second.stderr
        assert rig.link().welcome["ok"]


@pytest.mark.req("SR-092")
def test_an_app_of_another_build_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with stack() as rig:
        monkeypatch.setattr("safety.link.build_id", lambda: "0123456789abcdef")
        link = rig.link()
        assert (link.welcome["ok"], link.welcome["code"]) == (False, "other_build")
        assert link.request("status")["code"] == "not_greeted"


@pytest.fixture(name="idle", scope="module")
def _idle() -> Iterator[AppLink]:
    """An app of a guard with nothing loaded, which no refusal changes."""
    with stack() as rig:
        yield rig.link()


@pytest.mark.req("SR-093")
@pytest.mark.parametrize(
    ("type_", "fields", "code"),
    [
        ("load", {}, "link_malformed"),
        ("check_electrodes", {}, "nothing_loaded"),
        ("start", {}, "not_now"),
        ("pause", {}, "not_now"),
        ("end", {}, "not_now"),
        ("resume", {}, "not_now"),
        ("raise", {"at_us": 0, "to_ua": {"A": 1}}, "not_now"),
        ("lower", {"to_ua": {"A": 0}}, "not_now"),
        ("pause", {"at_us": None}, "not_now"),
        ("acknowledge", {}, "nothing_latched"),
        ("fly", {}, "link_unknown"),
    ],
)
def test_requests_that_are_not_for_now(idle: AppLink, type_: str, fields: dict[str, object], code: str) -> None:
    answer = idle.request(type_, **fields)
    assert (answer["ok"], answer["code"], answer["mode"]) == (False, code, "idle")


@pytest.mark.req("SR-093")
@pytest.mark.parametrize(
    ("programme", "code"),
    [
        (None, "link_malformed"),
        ("\ud800", "link_malformed"),
        ("schema = 1", "programme_refused"),
        ("schema = 1e99999999999999999999", "programme_refused"),
        (PROGRAMME.decode() + " ", "programme_changed"),
    ],
)
def test_a_programme_that_cannot_be_loaded(idle: AppLink, programme: str | None, code: str) -> None:
    meant = PROGRAMME if programme is None or code == "programme_changed" else programme.encode("utf-8", "replace")
    answer = idle.request("load", programme=programme, **signed(meant, idle.latest))
    assert (answer["ok"], answer["code"], answer["mode"]) == (False, code, "idle")


@pytest.mark.req("SR-093")
def test_what_is_not_a_message_is_said_and_harms_nobody() -> None:
    with stack() as rig:
        link: GuardLink = rig.link()
        for data in (b"\xff\xfe", b"[]", b"{}", b'{"type": 5}', b"C", b"C" * 40, b"{" * 9000):
            link._out(data)
        answer = link.request("status")
        assert (answer["ok"], answer["mode"]) == (True, "idle")


def test_an_app_that_hands_over_nothing_for_too_long_stops_the_session() -> None:
    """A frozen app: its output has run out, and must not come back out of the silence at the strength it had."""
    with stack() as rig:
        driver = Driver(rig)
        driver.raised_session()
        silent_from = rig.clock.now()
        assert driver.until(lambda message: message.get("cause") is not None)["cause"] == "app_late"
        assert rig.clock.now() <= silent_from + 100_000 + 300_000 + 40_000, "a chunk to its end, 300 ms, two checks"
        assert rig.levels() & (1 << 25) == 0
