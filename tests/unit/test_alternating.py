"""When a session in turns pauses for the person's own squeezes: pure, look by look."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.port import Channel, Playing, State
from controller.programme import load_programme, shipped_programmes
from controller.training.alternating import SLACK_US, Alternating, own_exercise, own_us
from controller.training.course import plan
from controller.training.shapes import Exercise, check_exercises
from safety.limits import SESSION_MAX_US

OWN = Exercise("hold", 5_000, 7_000, 4, 60)
PLAYING = Playing("s", "p", 1, contractions=50, duration_us=20 * 60_000_000, part="waiting")
STATE = State("running", 1, 0, {}, session=PLAYING)


class Session:
    """A session that is looked at: part by part, with what a person raises in each contraction."""

    def __init__(self, stimulated: int = 3) -> None:
        self.turns: Alternating | None = Alternating("s", "vaginal", stimulated, OWN)
        self.state, self.now_us = STATE, 0
        self.put(0)

    def put(self, ua: int, **changes: object) -> None:
        """The state is another one, and is looked at."""
        self.state = replace(self.state, channels={"A": Channel(ua, ua, 20_000, ua)})
        playing = self.state.session
        assert playing is not None
        self.state = replace(self.state, session=replace(playing, **changes))
        self.look()

    def look(self) -> None:
        if self.turns is not None:
            self.turns = self.turns.seen(self.state, self.now_us)
            self.now_us += 100_000

    @property
    def ua(self) -> int:
        return self.state.channels["A"].set_point_ua

    def contract(self, raised_ua: int = 0) -> bool:
        """One contraction, with what is raised while it is held; whether it is time to pause in the rest after it."""
        playing = self.state.session
        assert playing is not None
        self.put(self.ua, part="ramp_up", contraction=playing.contraction + 1)
        self.put(self.ua + raised_ua, part="hold")
        assert not self.due(), "a contraction is never cut"
        self.put(self.ua, part="ramp_down")
        self.put(self.ua, part="rest")
        return self.due()

    def due(self) -> bool:
        return self.turns is not None and self.turns.due(self.state, self.now_us)

    def paused(self) -> None:
        self.state = replace(self.state, mode="paused")
        self.look()
        self.state = replace(self.state, mode="running")
        self.put(0, part="rest")


def test_a_turn_is_of_contractions_that_came_as_strong_as_they_began() -> None:
    session = Session()
    assert [session.contract(ua) for ua in (8_000, 6_000, 0, 0, 0)] == [False, False, False, False, True]
    session.paused()
    assert session.turns is not None
    assert session.turns.counted == 0, "after a resume it is counted anew"
    assert [session.contract(ua) for ua in (8_000, 6_000, 0, 0)] == [False] * 4
    session.put(13_000, part="rest")  # lowered in the rest: less is as good
    assert session.contract()


def test_nothing_counts_at_zero_and_who_raises_in_each_has_her_turn_as_well() -> None:
    session = Session()
    assert [session.contract() for _ in range(5)] == [False] * 5
    assert session.contract(), "twice the three in any case"
    session.paused()
    assert [session.contract(500) for _ in range(6)] == [False] * 5 + [True]


def test_a_pause_of_the_persons_own_ends_the_turn_also_in_a_contraction() -> None:
    session = Session()
    session.put(9_000, part="hold")
    session.paused()
    assert [session.contract(ua) for ua in (9_000, 0, 0, 0)] == [False, False, False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"contraction": 50},  # the last one: the session ends by itself
        {"session_us": PLAYING.duration_us - 19_999_999},  # what is left is no turn
        {"part": "pause"},
    ],
)
def test_no_pause_comes_where_none_is_worth_it(change: dict[str, int]) -> None:
    session = Session()
    session.put(9_000, part="rest")
    for _ in range(3):
        session.contract()
    assert session.due()
    session.put(9_000, **change)
    assert not session.due()


def test_no_pause_comes_that_the_45_minutes_have_no_room_for_or_while_a_ramp_is_under_way() -> None:
    session = Session()
    session.put(9_000, part="rest")
    for _ in range(3):
        session.contract()
    room_us = SESSION_MAX_US - SLACK_US - PLAYING.duration_us - own_us(OWN)
    assert session.turns is not None
    assert session.turns.due(session.state, room_us)
    assert not session.turns.due(session.state, room_us + 1)
    assert not session.turns.due(replace(session.state, ending="paused"), room_us)
    assert not session.turns.due(replace(session.state, mode="paused"), room_us)


def test_it_is_over_with_its_session() -> None:
    turns = Alternating("s", "vaginal", 3, OWN)
    assert turns.seen(replace(STATE, session=None), 0) is None
    assert turns.seen(replace(STATE, session=replace(PLAYING, id="t")), 0) is None
    armed = replace(STATE, mode="armed")
    assert turns.seen(armed, 0) is turns, "nothing that is told changes while nothing happens"


def test_the_own_squeezes_are_held_as_the_programme_holds_its_own_and_never_rest_less() -> None:
    for path in shipped_programmes().values():
        programme = load_programme(path)
        own = own_exercise(programme, 4)
        if own is None:
            assert all(getattr(phase, "continuous", True) for phase in programme.phases)
            continue
        check_exercises([own])
        whole = plan("alternating", "alternating", [own], checks=False)
        assert (whole.check_ms, whole.parts[-1].what) == (0, "rest"), "it ends with letting go"
    assert own_exercise(load_programme(shipped_programmes()["stress-50hz"]), 4) == OWN
    fast = own_exercise(load_programme(shipped_programmes()["sprint"]), 4)
    assert fast is not None
    assert (fast.kind, fast.level_percent) == ("flick", 80)
