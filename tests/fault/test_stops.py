"""Stops: the red button, a stop that anybody may ask for, an app that dies, a chunk that may not play."""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.launch import SimulatedBoard
from controller.outcome import View
from safety.errors import LinkError
from safety.link import STOP_SOCKET, GuardLink
from tests.support.hand import Hand
from tests.support.stack import PHASE_GPIOS, AppLink, Stack, short_programme, stack

OUTPUT_ENABLE = 25
SAFE_BANK = 1 << 16  # DAC_CS_N high, all other DAC and phase lines low
NOT_OURS = ("not_what_was_approved", "edges_differ", "phase_stuck")
"""How a wave of another client shows: it plays, its edges are not ours, or a phase line is high in no pulse of ours."""
ALL_SEVEN = sum(1 << gpio for gpio in (*PHASE_GPIOS, 20, 17, 16)) | 1 << OUTPUT_ENABLE


def at_chunk(number: int, act: object) -> object:
    """A ``show`` that acts once, when chunk ``number`` (from 1) began."""
    seen = [0]

    def show(_: View) -> None:
        seen[0] += 1
        if seen[0] == number:
            act()  # type: ignore[operator]

    return show


def assert_output_is_off(rig: Stack) -> None:
    assert rig.levels() & ALL_SEVEN == SAFE_BANK


@pytest.mark.req("SR-030", "SR-041", "SR-043", "SR-045")
@pytest.mark.parametrize("contacts", [[1, 2, 3], [2], [3]], ids=["button", "contact 2 only", "contact 3 only"])
def test_the_red_button_stops_and_latches(contacts: list[int]) -> None:
    with stack() as rig:
        link = rig.link()
        pressed_at = rig.clock.now() + 2_030_000
        rig.sim.control.ask("estop", pressed=True, at=pressed_at, contacts=contacts)
        outcome = rig.play(short_programme(), 10_000, link=link)
        assert (outcome.mode, outcome.cause, outcome.confirmed) == ("estop_held", "emergency_stop", True)
        edges = rig.phase_edges()
        assert edges, "nothing came out before the button"
        assert edges[-1][0] <= pressed_at + 20_000, "one check is the longest it may take"
        assert_output_is_off(rig)
        held = link.request("acknowledge")
        assert (held["ok"], held["code"], held["mode"]) == (False, "still_present", "estop_held")
        rig.sim.control.ask("estop", pressed=False, contacts=contacts)
        rig.sleep_until(rig.clock.now() + 100_000)
        assert link.request("status")["mode"] == "estop_released"
        assert_output_is_off(rig)
        refused = link.request("start")
        assert not refused["ok"]
        assert rig.phase_edges() == edges
        cleared = link.acknowledge()
        assert (cleared["mode"], cleared["cause"]) == ("idle", None)
        assert cleared["set_point_ua"] == {"A": 0, "B": 0}
        rig.sleep_until(rig.clock.now() + 3_000_000)
        assert rig.live_edges(pressed_at + 20_000) == [], "clearing never resumes; the self-test has the switch open"


@pytest.mark.req("SR-052")
def test_keepalive_toggles_with_each_good_check_and_never_after_a_stop() -> None:
    with stack() as rig:
        link = rig.link()
        tested_at = rig.clock.now()  # the self-test lets KEEPALIVE lapse, to see the rail go
        pressed_at = tested_at + 2_030_000
        rig.sim.control.ask("estop", pressed=True, at=pressed_at)
        assert rig.play(short_programme(), 10_000, link=link).cause == "emergency_stop"
        rig.sleep_until(pressed_at + 3_000_000)
        times = [edge[0] for edge in rig.edges(gpios=(23,)) if edge[0] >= tested_at]
        apart = {after - before for before, after in itertools.pairwise(times)}
        assert max(apart) <= 20_000
        assert len(times) >= 100
        assert times[-1] <= pressed_at + 20_000
        assert not rig.sim.control.ask("rail")["closed"]


@pytest.mark.req("SR-048", "SR-125")
@pytest.mark.parametrize("content", [b"stop", b"", b"\xff" * 60, b"please go on"])
def test_anybody_may_stop(content: bytes) -> None:
    with stack() as rig:
        link = rig.link()

        def stop() -> None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(content, str(rig.folder / STOP_SOCKET))

        began: list[int] = []

        def act() -> None:
            began.append(rig.clock.now())
            stop()

        outcome = rig.play(short_programme(), 10_000, link=link, show=at_chunk(20, act))
        assert (outcome.mode, outcome.cause, outcome.confirmed) == ("stopped", "person", True)
        assert rig.phase_edges()[-1][0] <= began[0] + 1_000
        assert_output_is_off(rig)
        assert not link.request("start")["ok"]
        assert link.acknowledge()["mode"] == "idle"


@pytest.mark.req("SR-050", "SR-125")
def test_a_stop_needs_nothing_of_a_loop_that_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits on its main connection for an answer that never comes, while time goes on."""
    begin = SimulatedBoard._start
    monkeypatch.setattr(
        SimulatedBoard,
        "_start",
        lambda self, module, *rest: begin(self, "tests.bench.guard" if module == "safety" else module, *rest),
    )
    with stack() as rig:
        hand = Hand(rig)
        hand.held()
        rig.sim.control.ask("frozen", name="guard", value=True)
        os.kill(rig.sim.processes[1].pid, signal.SIGUSR1)
        stuck_at = rig.clock.now()
        rig.clock.wait(stuck_at + 7_000)
        hand.link.stop()
        for _ in range(30_000):  # of a guard that is frozen no thread is waited for: it has the wall's time
            if rig.levels() & ALL_SEVEN == SAFE_BANK:
                break
            time.sleep(0.001)
        rig.clock.wait(stuck_at + 80_000)
        assert rig.phase_edges()[-1][0] <= stuck_at + 7_000 + 30_000
        assert_output_is_off(rig)


@pytest.mark.req("SR-030")
def test_a_session_after_a_stop_begins_at_zero() -> None:
    with stack() as rig:
        link = rig.link()
        first = rig.play(short_programme(), 10_000, link=link, show=at_chunk(25, link.stop))
        assert first.cause == "person"
        link.acknowledge()
        rig.sleep_until(rig.clock.now() + 4_000_000)
        seen: list[dict[str, int]] = []
        second = rig.play(short_programme(), 4_000, link=link, show=lambda view: seen.append(view.set_point_ua))
        assert second.cause is None
        assert seen[0] == {"A": 0}
        assert max(one["A"] for one in seen) == 4_000


@pytest.mark.req("SR-053", "SR-124")
def test_a_killed_app_ends_output(tmp_path: Path) -> None:
    """SIGKILL at 12 moments of a session, each on the virtual clock: the last edge comes at most 50 ms later."""
    programme = tmp_path / "p.toml"
    programme.write_bytes(short_programme(hold_ms=20_000, rest_ms=21_000))
    for moment in range(12):
        with stack() as rig:
            app = subprocess.Popen(
                [sys.executable, "-m", "tests.support.app", str(rig.folder), str(programme), "20000"],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert app.stdout is not None
            while not select.select([app.stdout], [], [], 0)[0]:
                rig.sleep_until(rig.clock.now() + 20_000)  # time stands still between these steps
            started = int(json.loads(app.stdout.readline())["first_tick"])
            killed_at = started + 1_000_000 + moment * 137_000
            rig.sleep_until(killed_at)
            os.kill(app.pid, signal.SIGKILL)
            app.wait()
            app.stdout.close()
            rig.sleep_until(killed_at + 1_000_000)
            edges = rig.edges(gpios=(*PHASE_GPIOS, 20, 17, 16))
            assert killed_at - 100_000 <= edges[-1][0] <= killed_at + 50_000
            assert_output_is_off(rig)
            assert rig.link().welcome["cause"] == "app_lost"


class Tampering(AppLink):
    """An app that sends one chunk with another pulse width than the programme's second phase."""

    def send_chunk(self, number: int, start_us: int, revision: int, pulses: bytes) -> None:
        if number == 20:
            entries = [list(pulses[at : at + 12]) for at in range(0, len(pulses), 12)]
            for index, entry in enumerate(entries):
                if int.from_bytes(bytes(entry[:4]), "little") == 1 << 27:  # A_NEG rises
                    longer = int.from_bytes(bytes(entry[8:]), "little") + 1
                    entries[index][8:] = longer.to_bytes(4, "little")
            pulses = bytes(byte for entry in entries for byte in entry)
        super().send_chunk(number, start_us, revision, pulses)


@pytest.mark.req("SR-136")
@pytest.mark.parametrize("frequency_hz", ["50.0", "149.0"])
def test_an_input_that_is_stuck_at_the_very_current_is_named_within_two_chunks(frequency_hz: str) -> None:
    """2 mA reads as code 99: nothing else tells, since a pulse comes between all readings of the check."""
    with stack() as rig:
        link, begun = rig.link(), []

        def stick() -> None:
            begun.append(rig.clock.now())
            rig.fault("adc-input", 0, 99)

        programme = short_programme(hold_ms=3000, frequency_hz=frequency_hz)
        outcome = rig.play(programme, 2_000, link=link, show=at_chunk(25, stick))
        assert outcome.cause == "adc_offset"
        assert rig.phase_edges()[-1][0] - begun[0] < 230_000


@pytest.mark.req("SR-002", "SR-018")
def test_a_chunk_that_breaks_a_rule_is_not_played_and_stops_the_session() -> None:
    with stack() as rig:
        outcome = rig.play(short_programme(), 10_000, link=rig.link(Tampering))
        assert (outcome.mode, outcome.cause, outcome.confirmed) == ("stopped", "gate_refused", True)
        assert any("unbalanced" in note for note in outcome.notes)
        edges = [edge for edge in rig.session_edges() if edge[1] == 27]
        widths = [fall[0] - rise[0] for rise, fall in itertools.pairwise(edges) if rise[2] == 1]
        assert widths
        assert set(widths) == {250}
        assert_output_is_off(rig)


@pytest.mark.req("SR-073")
def test_pulses_of_another_client_are_noticed_before_anything_of_them_is_sent() -> None:
    with stack() as rig, rig.client() as other:
        import pigpio

        began: list[int] = []

        def interfere() -> None:
            began.append(rig.clock.now())
            assert other.wave_add_generic([pigpio.pulse(1 << 5, 0, 100), pigpio.pulse(0, 1 << 5, 100)]) == 2

        outcome = rig.play(short_programme(), 10_000, show=at_chunk(20, interfere))
        assert (outcome.mode, outcome.cause, outcome.confirmed) == ("stopped", "not_what_was_approved", True)
        ready = [edge for edge in rig.edges(gpios=(5,)) if edge[0] >= began[0]]
        assert not ready, "GPIO 5 is LED_READY: it went off before the start, and the foreign pulse never came"
        assert_output_is_off(rig)


@pytest.mark.req("SR-075")
def test_a_wave_of_another_client_is_noticed() -> None:
    with stack() as rig, rig.client() as other:
        import pigpio

        def interfere() -> None:
            other.wave_add_generic([pigpio.pulse(0, 0, 1_000_000)])
            other.wave_send_once(other.wave_create())

        outcome = rig.play(short_programme(), 10_000, show=at_chunk(20, interfere))
        assert outcome.cause == "not_what_was_approved"
        assert_output_is_off(rig)


@pytest.mark.req("SR-075")
def test_a_wave_that_another_client_lets_follow_our_last_one_is_noticed() -> None:
    with stack() as rig, rig.client() as other:
        import pigpio

        session = rig.session(short_programme(repeats=1), 10_000)
        last_begins: list[int] = []

        def show(view: View) -> None:
            if view.playing.end_us >= 7_500_000:
                last_begins.append(rig.clock.now())
                other.wave_add_generic([pigpio.pulse(1 << 24, 0, 300), pigpio.pulse(0, 1 << 24, 300)])
                other.wave_send_using_mode(other.wave_create(), pigpio.WAVE_MODE_REPEAT_SYNC)

        session._show = show
        outcome = session.run(None)
        assert (outcome.cause, outcome.confirmed) in [(cause, True) for cause in NOT_OURS]
        assert rig.phase_edges()[-1][0] <= last_begins[0] + 105_000, "noticed as soon as our last one should end"
        assert_output_is_off(rig)


@pytest.mark.req("SR-075")
def test_our_own_wave_that_another_client_lets_repeat_is_noticed() -> None:
    with stack() as rig, rig.client() as other:
        import pigpio

        session = rig.session(short_programme(repeats=1), 10_000)

        def show(view: View) -> None:
            if view.playing.end_us >= 7_500_000:
                other.wave_send_using_mode(other.wave_tx_at(), pigpio.WAVE_MODE_REPEAT_SYNC)

        session._show = show
        outcome = session.run(None)
        assert (outcome.cause, outcome.confirmed) in [(cause, True) for cause in NOT_OURS]
        assert_output_is_off(rig)


@pytest.mark.req("SR-054")
def test_a_lost_daemon_ends_the_guard() -> None:
    with stack() as rig:
        link = rig.link()
        session = rig.session(short_programme(), 10_000, link=link, show=at_chunk(20, rig.sim.processes[0].kill))
        with pytest.raises(Exception, match="gone"):
            session.run(None)
        assert rig.sim.processes[1].wait(10) == 3


@pytest.mark.req("SR-091")
def test_one_app_at_a_time() -> None:
    with stack() as rig:
        link = rig.link()
        with pytest.raises(LinkError, match="one at a time"):
            GuardLink(rig.folder, rig.clock)
        assert link.request("status")["ok"]
