"""Arbitrary valid programmes in a person's hand: the proof's own decoder and reader find nothing wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.feed import Feed
from controller.figures import figures
from controller.programme import Programme, parse_programme
from controller.proof_plan import ask
from controller.proof_replay import Replay, replay
from controller.recording import Recorded, Recording
from controller.session import REST_MARGIN_US
from controller.timeline import LEAD_IN_US, Timeline
from controller.waveform import Encoder
from hw.board import load_board
from safety.limits import RAISE_INTERVAL_MIN_US, RAISE_STEP_MAX_UA
from tests.support.programmes import CONTRACTION, programme_toml, valid_programmes

BOARD = load_board()
ENCODER = Encoder(BOARD)
CAP_UA = 10_000
SEEN: list[int] = []


@dataclass
class Played:
    """A session as the app would make it: raised as fast as may be, perhaps paused once and resumed."""

    programme: Programme
    chunks: list[Recorded] = field(default_factory=list)
    now_us: int = 1_000

    def __post_init__(self) -> None:
        self.timeline = Timeline(self.programme)
        channels = sorted({one for phase in self.programme.phases for one in getattr(phase, "channels", ())})
        self.feed = Feed(self.timeline, ENCODER, BOARD.full_scale_ua, channels, None)
        self.feed.begins(1)

    def play(self, final_ua: int, until_us: int | None = None) -> int | None:
        """Up to a chunk that begins at or after ``until_us``, which is not played: where it would begin."""
        while (made := self.feed.next()) is not None:
            self.chunks.append(
                Recorded(
                    made.slice.start_us, self.now_us, made.revision, {"A": 0, "B": 0, **made.set_point_ua}, made.data
                )
            )
            self.now_us += made.slice.end_us - made.slice.start_us
            if until_us is not None and made.slice.end_us >= until_us:
                return made.slice.end_us
            self._raise(final_ua)
        return None

    def _raise(self, final_ua: int) -> None:
        feed, at = self.feed, self.feed.step_at()
        train = None if at is None or feed.has_step else feed.holding(at)
        if at is None or train is None:
            return
        to = {channel: min(final_ua, feed.set_point[channel] + RAISE_STEP_MAX_UA) for channel in train.phase.channels}
        soon = feed.last_step_us is not None and at - feed.last_step_us < RAISE_INTERVAL_MIN_US
        if not soon and any(to[channel] > feed.set_point[channel] for channel in to):
            feed.step(at, to)

    def pause(self, from_us: int) -> None:
        """A ramp from here on, a silence, and on with the next contraction, or where a continuous phase was left."""
        self.feed.fade(from_us, 500_000)
        revision = self.chunks[-1].revision
        self.play(0)
        ends_us = max(from_us, self.chunks[-1].start_us)
        ends_us = max(ends_us, self.chunks[-1].start_us + sum_us(self.chunks[-1].data))
        self.now_us += 3_000_000
        self.feed.begins(revision + 2)
        self.feed.resume(max(ends_us, self.timeline.resume_us(ends_us, REST_MARGIN_US), -LEAD_IN_US))

    def replayed(self, cap_ua: int = CAP_UA) -> Replay:
        text = self.programme.text.decode()
        caps = {"A": cap_ua, "B": cap_ua}
        return replay(Recording("ab", text, caps, BOARD.full_scale_ua, tuple(self.chunks), ""), ask(text))


def sum_us(data: bytes) -> int:
    return sum(int.from_bytes(data[at : at + 4], "little") for at in range(8, len(data), 12))


def test_a_whole_session_of_any_programme_is_found_right() -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(valid_programmes(max_seconds=30), st.integers(0, CAP_UA))
    def check(text: bytes, final_ua: int) -> None:
        one = Played(parse_programme(text, "generated"))
        one.play(final_ua)
        found = one.replayed()
        assert found.findings == []
        assert found.pulses == figures(one.programme, BOARD, CAP_UA).pulses
        assert (found.silences, found.faded, found.cut) == (0, False, False)
        SEEN.append(found.pulses)

    check()
    assert max(SEEN) > 1_000


def test_a_pause_anywhere_leaves_out_nothing_but_the_contraction_under_way() -> None:
    paused = []

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(valid_programmes(max_seconds=30), st.integers(0, CAP_UA), st.integers(0, 29_000_000))
    def check(text: bytes, final_ua: int, at_us: int) -> None:
        one = Played(parse_programme(text, "generated"))
        left_us = one.play(final_ua, at_us)
        if left_us is not None:
            one.pause(left_us)
            one.play(final_ua)
        found = one.replayed()
        assert found.findings == []
        paused.append(found.silences)

    check()
    assert sum(paused) > 10


def test_a_session_above_a_lower_cap_is_found() -> None:
    one = Played(parse_programme(programme_toml(CONTRACTION), "test"))
    one.play(8_000)
    assert one.replayed(8_000).findings == []
    assert {finding.code for finding in one.replayed(7_999).findings} == {"over_cap"}
