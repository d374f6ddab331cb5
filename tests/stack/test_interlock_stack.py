"""The whole interlock through the stack: pause and resume, the lease, self-test, electrode check, button, lockout."""

from __future__ import annotations

import itertools
import json
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.session import SessionRefused
from safety.limits import CHECK_INTERVAL_US, CHECKS_APART_US
from tests.decoder import Pulse
from tests.support.hand import Hand
from tests.support.signed import signed
from tests.support.stack import PHASE_GPIOS, AppLink, Stack, short_programme, stack

RAMP_US = 500_000
OUTPUT = 1 << 25 | sum(1 << gpio for gpio in PHASE_GPIOS)
PROGRAMME = short_programme()
Timed = tuple[int, Pulse]


def falls(pulses: list[Timed]) -> bool:
    """Whether codes only fall, from more than nothing."""
    codes = [pulse.code for _, pulse in pulses]
    return codes[0] > 0 and all(after <= before for before, after in itertools.pairwise(codes))


def between(pulses: list[Timed], begin: int, end: int | None = None) -> list[Timed]:
    return [one for one in pulses if begin <= one[0] and (end is None or one[0] < end)]


# --- a person's pause, resume, end, more and less ----------------------------------------------------------------


@pytest.mark.req("SR-030", "SR-056", "SR-060")
def test_a_pause_ramps_down_and_a_resume_begins_the_next_contraction_at_zero() -> None:
    with stack() as rig:
        hand = Hand(rig)
        hand.held()
        hand.play_for(500_000)
        paused_at = rig.clock.now()
        hand.session.pause()
        hand.until(lambda state: state["mode"] == "paused")
        assert (hand.state["cause"], hand.state["paused_by"]) == (None, None)
        assert rig.levels() & OUTPUT == 0
        before = hand.pulses()
        ramp = between(before, paused_at)
        assert falls(ramp)
        assert max(at for at, pulse in ramp if pulse.code) <= paused_at + RAMP_US

        hand.play_for(300_000)
        resumed_at = rig.clock.now()
        hand.session.resume()
        assert hand.state["set_point_ua"] == {"A": 0, "B": 0}
        hand.until(lambda _: bool(hand.views[-1].playing.pulses) and rig.clock.now() > resumed_at + 100_000)
        assert hand.views[-1].playing.pulses[0].train.number == 2, "the next contraction, not the rest of the first"
        hand.play_for(1_000_000)
        after = between(hand.pulses(), resumed_at)
        assert after
        assert {pulse.code for _, pulse in after} == {0}, "it does not rise until a person raises it"
        first, last = before[0][0], before[-1][0]
        assert after[0][0] - last >= last - first, "the rest is kept, pause or not"

        hand.raised()
        assert between(hand.pulses(), resumed_at)[-1][1].code == 2_000 * 4096 // 50_000
        ended_at = rig.clock.now()
        hand.session.end()
        hand.until(lambda state: state["mode"] == "idle")
        assert hand.state["cause"] is None
        ramp = between(hand.pulses(), ended_at)
        assert falls(ramp)
        assert max(at for at, pulse in ramp if pulse.code) <= ended_at + RAMP_US
        assert hand.link.request("start")["code"] == "not_now", "another start needs another electrode check"


@pytest.mark.req("SR-060")
def test_a_paused_session_can_be_ended() -> None:
    with stack() as rig:
        hand = Hand(rig)
        hand.held()
        hand.session.pause()
        hand.until(lambda state: state["mode"] == "paused")
        hand.session.end()
        assert (hand.state["mode"], hand.state["cause"]) == ("idle", None)


@pytest.mark.req("SR-031", "SR-032", "SR-033")
def test_more_and_less_while_it_plays() -> None:
    with stack() as rig:
        hand = Hand(rig, short_programme(hold_ms=4_000, rest_ms=5_500))
        hand.held(2_000)
        with pytest.raises(SessionRefused) as refused:
            hand.session.raise_({"A": 4_001})
        assert refused.value.code == "raise_step"
        hand.play_for(1_000_000)
        hand.raised(4_000)
        assert hand.pulses()[-1][1].code == 4_000 * 4096 // 50_000
        lowered_at = rig.clock.now()
        hand.session.lower({"A": 1_000})
        hand.play_for(500_000)
        assert hand.state["set_point_ua"]["A"] == 1_000
        later = between(hand.pulses(), lowered_at + 200_000)
        assert later
        assert {pulse.code for _, pulse in later} == {1_000 * 4096 // 50_000}, "felt after two chunks at most"


# --- the lease -------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-146", "SR-056")
@pytest.mark.parametrize("lease_us", [None, 1_000_000, 3_000_000])
def test_a_page_that_is_gone_ramps_the_session_down(lease_us: int | None) -> None:
    with stack() as rig:
        hand = Hand(rig, short_programme(hold_ms=8_000, rest_ms=9_500), **({"lease_us": lease_us} if lease_us else {}))
        hand.held()
        lease_us = lease_us or 2_000_000
        hand.link.echoes = False
        silent_at = rig.clock.now()
        hand.until(lambda state: state["ending"] is not None)
        lost_at = rig.clock.now()
        assert (hand.state["ending"], hand.state["ending_cause"]) == ("paused", "lease_lost")
        assert silent_at + lease_us - 300_000 <= lost_at <= silent_at + lease_us + 2 * CHECK_INTERVAL_US
        hand.until(lambda state: state["mode"] == "paused")
        assert (hand.state["cause"], hand.state["paused_by"]) == (None, "lease_lost")
        assert rig.levels() & OUTPUT == 0
        ramp = between(hand.pulses(), lost_at)
        assert falls(ramp)
        assert max(at for at, pulse in ramp if pulse.code) <= lost_at + RAMP_US
        assert hand.pulses()[-1][0] <= silent_at + lease_us + 2 * CHECK_INTERVAL_US + RAMP_US

        with pytest.raises(SessionRefused) as refused:
            hand.session.resume()
        assert refused.value.code == "lease_stale"
        hand.link.echoes = True
        hand.play_for(300_000)  # a nonce comes each 250 ms
        hand.session.resume()
        assert (hand.state["mode"], hand.state["paused_by"]) == ("running", None)
        assert hand.state["set_point_ua"]["A"] == 0


@pytest.mark.req("SR-146")
def test_nothing_rises_for_a_page_that_was_not_heard_of_for_a_second() -> None:
    with stack() as rig:
        hand = Hand(rig, short_programme(hold_ms=8_000, rest_ms=9_500), lease_us=3_000_000)
        hand.held()
        hand.link.echoes = False
        hand.play_for(1_300_000)
        with pytest.raises(SessionRefused) as refused:
            hand.session.raise_({"A": 4_000})
        assert refused.value.code == "lease_stale"
        hand.session.lower({"A": 1_000})
        hand.link.echoes = True
        hand.play_for(500_000)
        assert (hand.state["mode"], hand.state["ending"], hand.state["set_point_ua"]["A"]) == ("running", None, 1_000)


@pytest.mark.req("SR-146")
def test_a_start_needs_an_echo() -> None:
    with stack() as rig:
        link = rig.link()
        link.arm(PROGRAMME)
        link.echoes = False
        rig.sleep_until(rig.clock.now() + 1_300_000)
        assert link.request("start")["code"] == "lease_stale"
        link.echoes = True
        rig.sleep_until(rig.clock.now() + 300_000)
        assert link.request("start")["ok"]


# --- before a start --------------------------------------------------------------------------------------------


@pytest.mark.req("SR-130")
@pytest.mark.parametrize(
    ("fault", "cause"),
    [(("one-shot-defeated",), "self_test_one_shot"), (("rail-sag", 40), "self_test_rail_low")],
)
def test_a_failed_self_test_keeps_from_everything(fault: tuple[Any, ...], cause: str) -> None:
    with stack() as rig:
        rig.fault(*fault)
        link = rig.link()
        for _ in range(2):
            assert (link.latest["mode"], link.latest["cause"]) == ("stopped", cause)
            rig.sleep_until(rig.clock.now() + 100_000)
            assert (
                link.request("load", programme=PROGRAMME.decode(), **signed(PROGRAMME, link.latest))["code"]
                == "not_now"
            )
            assert not link.request("check_electrodes")["ok"]
            assert link.request("start")["code"] == "not_now"
            assert link.acknowledge()["mode"] == "stopped", "it fails again"
        rig.fault("clear")
        assert link.acknowledge()["mode"] == "idle"
        assert rig.live_edges() == []
        link.arm(PROGRAMME)


@pytest.mark.req("SR-138")
def test_a_start_without_an_electrode_check_is_refused() -> None:
    with stack() as rig:
        link = rig.link()
        link.echoes = True
        load = {"programme": PROGRAMME.decode(), **signed(PROGRAMME, link.latest)}
        assert link.request("load", **load)["ok"]
        rig.sleep_until(rig.clock.now() + 300_000)

        def refused() -> bool:
            answer = link.request("start")
            return (answer["ok"], answer["code"], answer["mode"]) == (False, "not_now", "idle")

        assert refused()
        rig.fault("electrode-open", "A")
        assert link.request("check_electrodes")["ok"]
        link.past("electrode_check")
        assert (link.latest["mode"], link.latest["cause"]) == ("idle", None), "a finding, and nothing latched"
        assert link.latest["electrodes"]["A"]["finding"] == "electrode_open"
        assert refused()
        rig.fault("clear")
        link.check_electrodes()
        assert link.request("load", **load)["ok"]
        assert refused(), "what was armed was armed for another programme"
        link.check_electrodes()
        assert link.request("end")["ok"]
        assert refused(), "disarmed"
        link.check_electrodes()
        assert link.request("start")["ok"]


# --- a slow disk -----------------------------------------------------------------------------------------------

SLOW = """
import os
from pathlib import Path
from typing import Any
from hw.clock import VirtualClock
from tests.support.sim import Control
guards, begin, fsync, told = {{}}, VirtualClock.__init__, os.fsync, Path({path!r})
def named(self, path, name):
    begin(self, path, name)
    guards[name] = self, path
def slow(fd):
    fsync(fd)
    if "guard" in guards and told.exists():
        guard, path = guards["guard"]
        control, disk = Control(path), VirtualClock(path, "disk")
        control.ask({{"op": "frozen", "name": "guard", "value": True}})
        disk.wait(disk.now() + int(told.read_text()))
        control.ask({{"op": "frozen", "name": "guard", "value": False}})
        disk.close()
        control.close()
        guard._stale = True
VirtualClock.__init__, os.fsync = named, slow
"""
"""Read by the guard's interpreter: its disk takes as long (us of the virtual clock) for each sync as a file says."""


@pytest.mark.req("SR-147")
@pytest.mark.parametrize("sync_us", [50_000, 200_000])
def test_a_slow_disk_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync_us: int) -> None:
    """A session's start and end and an acknowledgement are written, with two syncs each, when nothing can come out.

    Meanwhile no check is made, so that the dead-man fires; it is started again, or no session would get far.
    """
    (tmp_path / "sitecustomize.py").write_text(SLOW.format(path=str(tmp_path / "sync")), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    once = short_programme(repeats=1, hold_ms=1_500, rest_ms=2_500)
    with stack() as rig:
        link = rig.link()
        (tmp_path / "sync").write_text(str(sync_us), encoding="utf-8")
        before = rig.clock.now()
        outcome = rig.play(once, 2_000, link=link)
        assert (outcome.cause, outcome.notes, outcome.underruns) == (None, [], 0)
        rig.sleep_until(rig.clock.now() + 1_000_000)
        assert (link.latest["mode"], link.latest["cause"]) == ("idle", None)
        assert outcome.first_tick is not None
        assert outcome.first_tick >= before + 2 * sync_us, "the disk was slow"
        link.stop()
        link.past("idle")
        rig.sleep_until(rig.clock.now() + 1_000_000)
        cleared = link.acknowledge()
        assert (cleared["mode"], cleared["cause"]) == ("idle", None)
        assert rig.play(once, 2_000, link=link).cause is None


# --- who is frozen, or gone ------------------------------------------------------------------------------------


def child(rig: Stack, programme: Path) -> subprocess.Popen[str]:
    """An app process that plays at up to 20 mA; returns when its session has begun."""
    command = [sys.executable, "-m", "tests.support.app", str(rig.folder), str(programme), "20000"]
    app = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert app.stdout is not None
    while not select.select([app.stdout], [], [], 0)[0]:
        rig.sleep_until(rig.clock.now() + 20_000)  # time stands still between these steps
    app.stdout.readline()
    return app


@pytest.mark.req("SR-138", "SR-146")
def test_an_electrode_check_is_for_somebody_who_is_there() -> None:
    """Not before the page was heard of, not one after the other, and no longer than the app is there."""
    with stack() as rig:
        link = rig.link()
        programme = short_programme(channel='"AB"')
        assert link.request("load", programme=programme.decode(), **signed(programme, link.latest))["ok"]
        assert link.request("check_electrodes")["code"] == "lease_stale"
        link.echoes = True
        link.check_electrodes()
        again = link.request("check_electrodes")
        assert again["code"] == "check_too_soon"
        assert 0 < again["wait_us"] < CHECKS_APART_US
        rig.sleep_until(rig.clock.now() + again["wait_us"])
        assert link.request("check_electrodes")["ok"]
        rig.sleep_until(rig.clock.now() + 50_000)
        assert link.latest["mode"] == "electrode_check"
        rig.links.remove(link)
        link.close()
        gone_at = rig.clock.now()
        rig.clock.wait(gone_at + 200_000)
        assert rig.live_edges(gone_at + 1_000) == []
        assert rig.levels() & OUTPUT == 0
        link = rig.link()
        assert (link.welcome["mode"], link.welcome["cause"]) == ("stopped", "app_lost")


@pytest.mark.req("SR-124")
@pytest.mark.parametrize("moment_us", [1_000_000, 1_037_000, 1_081_000])
def test_a_frozen_app_ends_output(tmp_path: Path, moment_us: int) -> None:
    """SIGSTOP: the last edge comes 300 ms later at most, and the guard says that the app is late."""
    programme = tmp_path / "p.toml"
    programme.write_bytes(short_programme(hold_ms=20_000, rest_ms=21_000))
    with stack() as rig:
        app = child(rig, programme)
        rig.sleep_until(rig.clock.now() + moment_us)
        with rig.frozen(app.pid, "child"):
            frozen_at = rig.clock.now()
            rig.sleep_until(frozen_at + 1_000_000)
        app.kill()
        app.communicate()
        rig.sleep_until(rig.clock.now() + 100_000)
        assert frozen_at - 100_000 <= rig.live_edges()[-1][0] <= frozen_at + 300_000
        assert rig.levels() & OUTPUT == 0
        assert rig.link().welcome["cause"] == "app_late"


# --- the red button --------------------------------------------------------------------------------------------


def _idle(rig: Stack) -> AppLink:
    return rig.link()


def _self_test(rig: Stack) -> AppLink:
    link = rig.link()
    assert link.request("self_test")["ok"]
    rig.sleep_until(rig.clock.now() + 250_000)
    return link


def _checking(rig: Stack) -> AppLink:
    link = rig.link()
    link.echoes = True
    assert link.request("load", programme=PROGRAMME.decode(), **signed(PROGRAMME, link.latest))["ok"]
    link.heard()
    assert link.request("check_electrodes")["ok"]
    rig.sleep_until(rig.clock.now() + 40_000)
    return link


def _armed(rig: Stack) -> AppLink:
    link = rig.link()
    link.arm(PROGRAMME)
    return link


def _running(rig: Stack) -> AppLink:
    hand = Hand(rig)
    hand.held()
    return hand.link


def _pausing(rig: Stack) -> AppLink:
    hand = Hand(rig)
    hand.held()
    hand.session.pause()
    hand.play_for(100_000)
    return hand.link


def _paused(rig: Stack) -> AppLink:
    hand = Hand(rig)
    hand.held()
    hand.session.pause()
    hand.until(lambda state: state["mode"] == "paused")
    return hand.link


def _stopped(rig: Stack) -> AppLink:
    link = rig.link()
    link.stop()
    link.past("idle")
    rig.sleep_until(rig.clock.now() + 100_000)
    return link


def _locked(rig: Stack) -> AppLink:
    hand = Hand(rig)
    hand.held()
    rig.fault("source-gain", "A", 1.5)
    hand.until(lambda state: state["mode"] == "lockout" and state["confirmed"])
    rig.fault("clear")
    return hand.link


MODES: dict[str, tuple[Callable[[Stack], AppLink], str]] = {
    "idle": (_idle, "idle"),
    "self-test": (_self_test, "self_test"),
    "electrode check": (_checking, "electrode_check"),
    "armed": (_armed, "armed"),
    "running": (_running, "running"),
    "ramp down": (_pausing, "running"),
    "paused": (_paused, "paused"),
    "stopped": (_stopped, "stopped"),
    "lockout": (_locked, "lockout"),
}


@pytest.mark.req("SR-041", "SR-043")
@pytest.mark.parametrize("name", MODES)
def test_the_red_button_in_each_mode(name: str) -> None:
    reach, mode = MODES[name]
    with stack() as rig:
        link = reach(rig)
        assert link.latest["mode"] == mode
        pressed_at = rig.clock.now()
        rig.sim.control.ask("estop", pressed=True)
        rig.sleep_until(pressed_at + 30_000)
        told = link.request("status")
        assert (told["mode"], told["cause"], told["confirmed"]) == ("estop_held", "emergency_stop", True)
        assert rig.levels() & OUTPUT == 0
        assert rig.live_edges(pressed_at + CHECK_INTERVAL_US + 5_000) == []
        assert link.request("acknowledge", role="clinician")["code"] == "still_present"
        rig.sim.control.ask("estop", pressed=False)
        rig.sleep_until(rig.clock.now() + 100_000)
        assert link.request("status")["mode"] == "estop_released"
        if name == "lockout":
            assert link.request("acknowledge")["code"] == "clinician_needed", "the button hides no lockout"
        cleared = link.acknowledge(role="clinician")
        assert (cleared["mode"], cleared["cause"]) == ("idle", None)
        rig.sleep_until(rig.clock.now() + 1_000_000)
        assert rig.live_edges(pressed_at + CHECK_INTERVAL_US + 5_000) == [], "clearing never resumes"


@pytest.mark.req("SR-040", "SR-041")
def test_a_line_that_another_client_raises_after_a_stop_is_lowered_again() -> None:
    """Also after a worse cause than any that it is itself."""
    with stack() as rig, rig.client() as other:
        link = rig.link()
        rig.sim.control.ask("estop", pressed=True)
        rig.sleep_until(rig.clock.now() + 30_000)
        rig.sim.control.ask("estop", pressed=False)
        for _ in range(3):
            rig.sleep_until(rig.clock.now() + 100_000)
            other.write(25, 1)
            assert rig.levels() & OUTPUT
            rig.sleep_until(rig.clock.now() + CHECK_INTERVAL_US + 5_000)
            assert rig.levels() & OUTPUT == 0
            told = link.request("status")
            assert (told["cause"], told["confirmed"]) == ("emergency_stop", True)


# --- what is on disk -------------------------------------------------------------------------------------------


def recorded(state: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads((state / "ledger.json").read_bytes())
    return record


def by_person(rig: Stack, hand: Hand) -> None:
    hand.link.stop()


def by_button(rig: Stack, hand: Hand) -> None:
    rig.sim.control.ask("estop", pressed=True)


def by_open_lead(rig: Stack, hand: Hand) -> None:
    rig.fault("electrode-open", "A")


def by_wrong_chunk(rig: Stack, hand: Hand) -> None:
    hand.link.send_chunk(9_999, hand.state["next_us"], hand.state["revision"], b"\0" * 12)


def by_silence(rig: Stack, hand: Hand) -> None:
    rig.sleep_until(rig.clock.now() + 1_000_000)


STOPS = {
    "person": by_person,
    "emergency_stop": by_button,
    "lead_off": by_open_lead,
    "gate_refused": by_wrong_chunk,
    "app_late": by_silence,
}


@pytest.mark.req("SR-150")
@pytest.mark.parametrize("cause", STOPS)
def test_the_cause_of_a_stop_is_on_disk_and_known_to_the_next_guard(cause: str, tmp_path: Path) -> None:
    with stack(tmp_path) as rig:
        hand = Hand(rig)
        hand.held()
        assert recorded(tmp_path)["clean"] is False
        STOPS[cause](rig, hand)
        hand.until(lambda state: state["cause"] is not None)
        told = hand.link.request("status")
        assert (told["cause"], told["last_cause"]) == (cause, cause)
        assert (recorded(tmp_path)["cause"], recorded(tmp_path)["clean"]) == (cause, False)
    for last in (False, True):
        with stack(tmp_path, new_state=False) as rig:
            link = rig.link()
            assert (link.latest["cause"], link.latest["last_cause"]) == (cause, cause), "a restart clears nothing"
            assert link.request("self_test")["code"] == "not_now"
            if last:
                assert link.acknowledge()["mode"] == "idle"
    with stack(tmp_path, new_state=False) as rig:
        link = rig.link()
        assert (link.latest["mode"], link.latest["cause"], link.latest["last_cause"]) == ("idle", None, cause)


@pytest.mark.req("SR-041", "SR-150")
@pytest.mark.parametrize("killed", [False, True])
def test_a_lockout_survives_and_only_a_clinician_clears_it(tmp_path: Path, killed: bool) -> None:
    with stack(tmp_path) as rig:
        link = _locked(rig)
        assert (link.latest["cause"], link.latest["locked_by"]) == ("current_high", "current_high")
        for fields in ({}, {"role": "patient"}, {"role": "Clinician"}, {"role": None}):
            answer = link.request("acknowledge", **fields)
            assert (answer["ok"], answer["code"], answer["mode"]) == (False, "clinician_needed", "lockout")
        assert recorded(tmp_path)["locked_by"] == "current_high"
        if killed:
            rig.sim.processes[1].kill()
            rig.sim.processes[1].wait()
    for _ in range(2):
        with stack(tmp_path, new_state=False) as rig:
            link = rig.link()
            assert (link.latest["mode"], link.latest["cause"]) == ("lockout", "current_high")
            assert link.request("acknowledge")["code"] == "clinician_needed"
            assert not link.request("load", programme=PROGRAMME.decode(), **signed(PROGRAMME, link.latest))["ok"]
    with stack(tmp_path, new_state=False) as rig:
        link = rig.link()
        cleared = link.acknowledge(role="clinician")
        assert (cleared["mode"], cleared["cause"], cleared["locked_by"]) == ("idle", None, None)
        assert recorded(tmp_path)["locked_by"] is None
        link.arm(PROGRAMME)
    with stack(tmp_path, new_state=False) as rig:
        link = rig.link()
        assert (link.latest["mode"], link.latest["last_cause"]) == ("idle", "current_high")


# --- what a stop cuts --------------------------------------------------------------------------------------------


@pytest.mark.req("SR-174")
@pytest.mark.parametrize(
    ("into_us", "line"),
    [(-500, None), (100, "A_POS"), (450, "A_POS"), (600, "A_NEG"), (1_500, None)],
    ids=["before", "positive", "between", "negative", "after"],
)
def test_the_phase_that_a_stop_has_cut_is_recorded(into_us: int, line: str | None, tmp_path: Path) -> None:
    with stack(tmp_path) as rig:
        hand = Hand(rig, short_programme(phase_width_us=400, interphase_us=100))
        hand.held()
        starts = [at for at, gpio, level in rig.phase_edges() if level and gpio == PHASE_GPIOS[0]]
        tick = starts[-1] + 40_000 + into_us
        rig.sleep_until(tick)
        hand.link.stop()
        rig.sleep_until(tick + 100_000)
        told = hand.link.latest
        assert told["cause"] == "person"
        *_, (rose, high, _), (fell, same, _) = rig.phase_edges()
        gpios = dict(zip(("A_POS", "A_NEG"), PHASE_GPIOS, strict=False))
        if line is None:
            assert told["last_cut"] == {"line": None, "us": 0}
        else:
            assert (high, same) == (gpios[line], gpios[line])
            assert told["last_cut"]["line"] == line
            assert abs(told["last_cut"]["us"] - (fell - rose)) <= 10
            assert abs(fell - rose - min(400, into_us if line == "A_POS" else into_us - 500)) <= 10
    with stack(tmp_path, new_state=False) as rig:
        assert rig.link().welcome["last_cut"] == told["last_cut"], "on disk"
