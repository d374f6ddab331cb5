"""Arbitrary valid programmes and intensities through the whole stack, read back from the edges alone."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from controller.figures import ceilings, figures
from controller.programme import parse_programme
from hw.board import load_board
from tests.decoder import decode, verify
from tests.support.programmes import valid_programmes
from tests.support.stack import stack

BOARD = load_board()
EXAMPLES = {20: 14, 60: 6}
"""How many, by the seconds that they last at most."""
PLAYED: list[int] = []


@pytest.mark.long
@pytest.mark.req("SR-025")
@pytest.mark.parametrize("longest_s", EXAMPLES)
def test_arbitrary_programmes_are_delivered_as_written(longest_s: int) -> None:
    @settings(
        max_examples=EXAMPLES[longest_s], deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(valid_programmes(max_seconds=longest_s), st.integers(0, BOARD.full_scale_ua))
    def check(text: bytes, intensity_ua: int) -> None:
        programme = parse_programme(text, "generated")
        assume(intensity_ua == 0 or not ceilings(programme, figures(programme, BOARD, intensity_ua)))
        with stack() as rig:
            outcome = rig.play(programme, intensity_ua)
            assert (outcome.mode, outcome.cause, outcome.notes) == ("idle", None, []), outcome
            decoded = decode(rig.edges(since=outcome.first_tick))
        assert verify(decoded, text, intensity_ua, reached=False) == []
        assert len(decoded.pulses) == outcome.pulses
        assert outcome.underruns == 0
        PLAYED.append(outcome.pulses)

    PLAYED.clear()
    check()
    assert len(PLAYED) >= EXAMPLES[longest_s]
