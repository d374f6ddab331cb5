"""A session from the app's side when things go otherwise: a stop, a refusal, a set-point that somebody changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller import cli
from controller.outcome import Outcome, View
from controller.programme import parse_programme
from controller.timeline import Timeline
from safety.link import GuardLink, Message
from tests.support.records import leave_unclean
from tests.support.stack import PHASE_GPIOS, AppLink, Stack, short_programme, stack

OUTPUT = 1 << 25 | sum(1 << gpio for gpio in PHASE_GPIOS)
ONCE = short_programme(repeats=1)


# --- the rest before a start ----------------------------------------------------------------------------------


def resting(rig: Stack, act: Callable[[GuardLink], None]) -> tuple[Outcome, list[int], bool]:
    """A session that must wait for a rest that ends 30 s after the guard began; ``act`` once 20 s or less are left.

    Gives what was shown of the rest, and whether anything came out after the electrode check.
    """
    link = rig.link()
    link.acknowledge()
    seen: list[int] = []
    checked: list[tuple[int, int, int]] = []

    def show_rest(left_us: int) -> None:
        if not seen:
            checked.extend(rig.phase_edges())
        seen.append(left_us)
        if left_us <= 20_000_000 < seen[-2]:
            act(link)

    outcome = rig.play(ONCE, 5_000, link=link, show_rest=show_rest)
    assert checked
    return outcome, seen, rig.phase_edges() != checked


@pytest.mark.req("SR-085")
def test_the_rest_is_counted_down(tmp_path: Path) -> None:
    leave_unclean(tmp_path)
    with stack(tmp_path, new_state=False) as rig:
        outcome, seen, came = resting(rig, lambda _: None)
        assert (outcome.cause, came) == (None, True)
        assert 28_000_000 < seen[0] < 30_000_000, "self-test and electrode check took the rest of the 30 s"
        assert seen == list(range(seen[0], 0, -1_000_000))


@pytest.mark.req("SR-057")
def test_a_stop_during_the_rest_is_obeyed(tmp_path: Path) -> None:
    leave_unclean(tmp_path)
    with stack(tmp_path, new_state=False) as rig:
        outcome, seen, came = resting(rig, GuardLink.stop)
        assert (outcome.mode, outcome.cause, outcome.confirmed) == ("stopped", "person", True)
        assert 19_000_000 < seen[-1] <= 20_000_000
        assert not came


@pytest.mark.req("SR-057")
def test_the_red_button_during_the_rest_is_obeyed(tmp_path: Path) -> None:
    leave_unclean(tmp_path)
    with stack(tmp_path, new_state=False) as rig:
        outcome, _, came = resting(rig, lambda _: rig.sim.control.ask("estop", pressed=True) and None)
        assert (outcome.mode, outcome.cause, outcome.confirmed) == ("estop_held", "emergency_stop", True)
        assert not came


@pytest.mark.req("SR-057")
def test_a_stop_before_the_start_is_a_persons_stop() -> None:
    with stack() as rig:
        link = rig.link()
        tested_at = rig.clock.now()
        link.stop()
        outcome = rig.play(ONCE, 5_000, link=link)
        assert (outcome.cause, outcome.confirmed) == ("person", True)
        assert rig.phase_edges(tested_at) == []


# --- a refused request ----------------------------------------------------------------------------------------


class Altered(AppLink):
    """Asks for something else than it was told to."""

    type_, change = "", staticmethod(lambda fields: fields)

    def request(self, type_: str, **fields: Any) -> Message:
        return super().request(type_, **(self.change(fields) if type_ == self.type_ else fields))


ALTERED: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "a step that is too large": ("raise", lambda asked: {**asked, "to_ua": {"A": 2_001}}, "raise_step"),
    "an end in the past": ("end", lambda asked: {**asked, "at_us": 0}, "end_too_early"),
}


@pytest.mark.req("SR-036")
@pytest.mark.parametrize("name", ALTERED)
def test_a_refused_request_stops_the_session(name: str) -> None:
    type_, change, code = ALTERED[name]
    with stack() as rig:
        link = rig.link(Altered)
        link.type_, link.change = type_, change
        outcome = rig.play(ONCE, 5_000, link=link, end_us=2_000_000)
        assert (outcome.mode, outcome.cause, outcome.confirmed) == ("stopped", "request_refused", True)
        assert any(f"[{code}]" in note for note in outcome.notes)
        assert rig.levels() & OUTPUT == 0
        assert rig.session_edges(), "it was playing"


@pytest.mark.req("SR-036")
def test_a_refused_request_is_told_and_exits_as_a_stop_of_the_interlock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "once.toml"
    file.write_bytes(ONCE)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("controller.session.RAISE_STEP_MAX_UA", 3_000)
    code = cli.main(["run", str(file), "--board", "sim", "--intensity", "10", "--speed", "max"])
    said = capsys.readouterr().out
    assert code == 3
    assert "the step upward is too large" in said
    assert "[request_refused]; output confirmed off" in said
    assert "pulses sent: " in said, "the report comes all the same"


@pytest.mark.req("SR-032")
@pytest.mark.parametrize("frequency", ["1", "1.1"])
def test_the_set_point_rises_with_one_pulse_a_second(frequency: str) -> None:
    """The pulses of the slowest programme are as far apart as those that make a silence of one us more."""
    slow = short_programme(channel='"AB"', frequency_hz=frequency, ramp_up_ms=300, hold_ms=14_000, rest_ms=15_000)
    with stack() as rig:
        outcome = rig.play(slow, 10_000)
        assert (outcome.cause, outcome.notes, outcome.underruns) == (None, [], 0)
        assert None not in outcome.reached_us.values()


# --- a set-point that somebody changed ------------------------------------------------------------------------


class Lowering(AppLink):
    """Halves the set-point of channel A at chunk ``at``: before it is sent, or once the chunk before it began."""

    at, way = 0, ""

    def halve(self) -> None:
        to = {"A": self.latest["set_point_ua"]["A"] // 2}
        if self.way == "reply comes later":
            self.send("lower", to_ua=to)
        else:
            assert self.request("lower", to_ua=to)["ok"]

    def send_chunk(self, number: int, start_us: int, revision: int, pulses: bytes) -> None:
        if self.way == "before it is sent" and number == self.at:
            self.halve()
        super().send_chunk(number, start_us, revision, pulses)

    def show(self, view: View) -> None:
        if self.way != "before it is sent":
            self.at -= 1
            if self.at == 0:
                self.halve()


@pytest.mark.req("SR-035")
@pytest.mark.parametrize("at", [6, 13, 20, 26, 30])
@pytest.mark.parametrize("way", ["before it is sent", "while it waits", "reply comes later"])
def test_chunks_for_an_older_set_point_are_made_again(way: str, at: int) -> None:
    with stack() as rig:
        link = rig.link(Lowering)
        link.at, link.way = at, way
        outcome = rig.play(ONCE, 10_000, link=link, show=link.show)
        assert (outcome.cause, outcome.underruns) == (None, 0), outcome
        timeline = Timeline(parse_programme(ONCE, "test"))
        assert outcome.pulses == timeline.pulse_count
        rises = [time for time, gpio, level in rig.session_edges() if level and gpio == 24]
        assert [time - rises[0] for time in rises] == [pulse.start_us for pulse in timeline.pulses()], (
            "no gap, none lost"
        )
        assert any("changed by somebody else" in note for note in outcome.notes)
        assert outcome.reached_us == {"A": None}, "it does not rise again by itself"
