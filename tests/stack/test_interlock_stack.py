"""The whole interlock through the stack: pause and resume, the lease, self-test, electrode check, button, lockout."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.session import SessionRefused
from safety.limits import CHECK_INTERVAL_US
from tests.decoder import Pulse
from tests.support.hand import Hand
from tests.support.stack import PHASE_GPIOS, Stack, short_programme, stack

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
        hand.held(4_000 // 2)
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


@pytest.mark.req("SR-030")
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


@pytest.mark.req("SR-056")
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


@pytest.mark.req("SR-056")
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


@pytest.mark.req("SR-056")
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


@pytest.mark.req("SR-030")
@pytest.mark.parametrize(
    ("fault", "cause"), [(("adc-dead",), "self_test_reference"), (("adc-stuck", 1551), "self_test_adc")]
)
def test_a_failed_self_test_keeps_from_everything(fault: tuple[object, ...], cause: str) -> None:
    with stack() as rig:
        rig.fault(*fault)  # type: ignore[arg-type]
        link = rig.link()
        for _ in range(2):
            assert (link.latest["mode"], link.latest["cause"]) == ("stopped", cause)
            assert link.request("load", programme=PROGRAMME.decode(), caps_ua={"A": 1})["code"] == "not_now"
            assert not link.request("check_electrodes")["ok"]
            assert link.request("start")["code"] == "not_now"
            assert link.acknowledge()["mode"] == "stopped", "it fails again"
        rig.fault("clear")
        assert link.acknowledge()["mode"] == "idle"
        assert rig.live_edges() == []
        link.arm(PROGRAMME)


@pytest.mark.req("SR-030")
def test_a_start_without_an_electrode_check_is_refused() -> None:
    with stack() as rig:
        link = rig.link()
        link.echoes = True
        load = {"programme": PROGRAMME.decode(), "caps_ua": {"A": 50_000}}
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
fsync = os.fsync
def slow(fd):
    fsync(fd)
    if os.path.exists({path!r}):
        open({path!r}, "rb").read()
os.fsync = slow
"""


class SlowDisk:
    """The guard's disk: while ``busy`` each sync lasts until it is let go."""

    def __init__(self, rig: Stack, path: Path) -> None:
        self.rig, self.path = rig, path

    @contextmanager
    def busy(self, us: int) -> Iterator[Callable[[], None]]:
        """Gives what lets the two syncs of one record last so long in all."""
        os.mkfifo(self.path)

        def pass_() -> None:
            for _ in range(2):
                with self.path.open("wb"):  # opens when the guard has come to it
                    self.rig.sim.control.ask("frozen", name="guard", value=True)
                    self.rig.clock.wait(self.rig.clock.now() + us // 2)
                    self.rig.sim.control.ask("frozen", name="guard", value=False)

        yield pass_
        self.path.unlink()


@contextmanager
def slow_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stack, SlowDisk]]:
    path = folder / "busy"
    (folder / "sitecustomize.py").write_text(SLOW.format(path=str(path)), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with stack() as rig:
        yield rig, SlowDisk(rig, path)


@pytest.mark.req("SR-030")
def test_a_slow_disk_fires_the_dead_man_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start of a session and at its end the record is written, while nothing can come out."""
    once = short_programme(repeats=1, hold_ms=500, rest_ms=2_000)
    with slow_disk(tmp_path, monkeypatch) as (rig, disk):
        link = rig.link()
        link.arm(once)
        with disk.busy(400_000) as pass_:
            number = link.send("start")
            pass_()
        while (answer := link.receive()) is None or answer.get("re") != number:
            pass
        assert (answer["ok"], answer["mode"]) == (True, "running")
        link.stop()
        link.past("running")
        link.acknowledge()
        outcome = rig.play(once, 2_000, link=link)
        assert outcome.cause is None
