"""Arbitrary valid programmes and set-points, compiled: the gate approves each chunk, the decoder finds them exact."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.figures import ceilings, figures
from controller.programme import parse_programme
from controller.timeline import Timeline
from controller.waveform import Amplitude, Encoder
from hw.board import load_board
from safety import gate
from safety.schedule import read_schedule
from safety.setpoint import SetPoint
from tests.decoder import decode, verify
from tests.support.chunks import LINES
from tests.support.edge_rows import rows
from tests.support.programmes import valid_programmes

FULL_SCALE_UA = 50_000
BOARD = load_board()
ENCODER = Encoder(BOARD)
SEEN: list[int] = []


def compiled(text: bytes, set_point_ua: int) -> list[bytes]:
    """Every chunk of a programme at one set-point, each approved by the gate; none if ``check`` refuses it as well."""
    programme = parse_programme(text, "generated")
    timeline = Timeline(programme)
    over = set_point_ua > 0 and ceilings(programme, figures(programme, BOARD, set_point_ua))
    values = {"A": set_point_ua, "B": set_point_ua}
    plan = gate.Plan(LINES, FULL_SCALE_UA, read_schedule(text), {"A": FULL_SCALE_UA, "B": FULL_SCALE_UA})
    progress = gate.Progress(SetPoint(7, (set_point_ua, set_point_ua)))
    chunks = []
    for slice_ in timeline.slices():
        data = ENCODER.encode(slice_, Amplitude(values, FULL_SCALE_UA).codes(slice_.pulses, {}))
        verdict = gate.judge(plan, progress, slice_.start_us, 7, data, 0)
        if isinstance(verdict, gate.Refusal) and verdict.code == "rms":
            assert over, "the gate refuses what check would have let begin"
            return []
        assert isinstance(verdict, gate.Approval), (verdict, slice_.start_us)
        assert verdict.chunk.duration_us <= 100_000
        progress = verdict.progress
        chunks.append(data)
    assert not over, f"the gate lets pass what check refuses: {over}"
    return chunks


@pytest.mark.long
@pytest.mark.parametrize("longest_s", [15, 60])
def test_any_programme_is_compiled_exactly(longest_s: int) -> None:
    examples = {15: 1800, 60: 200}[longest_s]

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(valid_programmes(max_seconds=longest_s), st.integers(0, FULL_SCALE_UA))
    def check(text: bytes, set_point_ua: int) -> None:
        SEEN.append(set_point_ua)
        chunks = compiled(text, set_point_ua)
        if chunks:
            decoded = decode(rows(chunks))
            assert verify(decoded, text, set_point_ua, steps=[(0, set_point_ua)], rise=False, reached=False) == []

    SEEN.clear()
    check()
    assert len(SEEN) >= examples
