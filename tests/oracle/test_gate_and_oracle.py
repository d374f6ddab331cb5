"""The gate against the oracle, 50 000 chunks; ``make soak`` takes a million."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from hw.board import load_board
from safety import limits
from tests.oracle import oracle, shape
from tests.oracle.compare import Report
from tests.oracle.lifting import Missed, Rule, missed, rules
from tests.oracle.playing import play

pytestmark = pytest.mark.long("oracle")  # together, so that no second worker plays the chunks too
CHUNKS = 50_000
VALID_LEAST = 15_000
ENDS_IN_AN_ERROR = {"frame (a clock outside a frame at * us)", "raise_channel (*; allowed: A or B)"}
"""Without these rules the gate ends in a TypeError or ValueError of its own instead, which approves nothing."""


@pytest.fixture(scope="module")
def report() -> Report:
    return play(1, CHUNKS)


@pytest.fixture(scope="module")
def found(report: Report) -> dict[Rule, Missed]:
    return missed(report)


def test_enough_chunks_are_valid(report: Report) -> None:
    assert report.chunks >= CHUNKS
    assert report.valid >= VALID_LEAST


@pytest.mark.req("SR-153")
def test_the_gate_approves_nothing_that_the_oracle_calls_unsafe(report: Report) -> None:
    assert [(case.how, case.broken) for case in report.disagreements if case.broken] == []


@pytest.mark.req("SR-153")
def test_the_gate_approves_all_that_the_oracle_calls_safe(report: Report) -> None:
    assert [(case.how, case.refused) for case in report.disagreements if not case.broken] == []


def test_requests_are_granted_where_the_oracle_would(report: Report) -> None:
    assert report.request_disagreements == []
    assert report.granted > 0


def test_the_oracle_saw_each_of_its_own_rules_broken(report: Report) -> None:
    texts = [ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")) for module in (oracle, shape)]
    words = {
        call.args[0].value
        for text in texts
        for call in ast.walk(text)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "append"
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in ("broken", "faults")
        and isinstance(call.args[0], ast.Constant)
    }
    requests = {"another ahead", "too late", "too far", "step", "step over cap", "not held", "steps apart"}
    assert len(words) > 30
    assert words - requests - set(report.broken) == set()


@pytest.mark.parametrize("rule", rules(), ids=str)
def test_a_rule_that_is_deleted_lets_something_unsafe_through(rule: Rule, found: dict[Rule, Missed]) -> None:
    """Alone, or, where other rules imply it, with those lifted."""
    assert rule in found, "no chunk was found that this rule alone refuses"
    words = f"{rule.code} ({rule.words})"
    assert (found[rule].error is not None) == (words in ENDS_IN_AN_ERROR)
    assert found[rule].broken or words in ENDS_IN_AN_ERROR


def test_the_oracle_shares_no_code_with_the_product() -> None:
    for name in ("shape", "course", "oracle"):
        text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {module.split(".")[0] for module in modules} & {"safety", "controller", "hw", "api"}, name


def test_the_figures_are_those_of_the_limits() -> None:
    assert range(limits.PHASE_WIDTH_MIN_US, limits.PHASE_WIDTH_MAX_US + 1) == shape.WIDTH_US
    assert range(limits.INTERPHASE_MIN_US, limits.INTERPHASE_MAX_US + 1) == shape.GAP_US
    assert shape.CHUNK_MAX_US == limits.CHUNK_MAX_US
    assert shape.ENTRIES_MAX == limits.CHUNK_MAX_ENTRIES
    assert oracle.SPACING_US == limits.START_TO_START_MIN_US
    assert oracle.CONTINUOUS_SPACING_US == limits.CONTINUOUS_START_TO_START_MIN_US
    assert oracle.CHARGE_MAX_PC == limits.CHARGE_PER_PHASE_MAX_PC
    assert oracle.RMS_MAX_UA == limits.RMS_MAX_UA
    assert oracle.DENSITY_MAX_UA_CM2 == limits.RMS_DENSITY_MAX_UA_PER_CM2
    assert oracle.POWER_MAX_MW_CM2 == limits.POWER_DENSITY_MAX_MW_PER_CM2
    assert oracle.LOAD_OHM == limits.STANDARD_LOAD_OHM
    assert oracle.WINDOW_US == limits.RMS_WINDOW_US
    assert oracle.CONTRACTION_MAX_US == limits.CONTRACTION_MAX_US
    assert oracle.SILENCE_US == limits.CONTRACTION_GAP_US
    assert oracle.LEAD_IN_US == limits.LEAD_IN_MAX_US
    assert oracle.SESSION_MAX_US == limits.SESSION_MAX_US
    assert oracle.SESSION_TAIL_US == limits.SESSION_TAIL_MAX_US
    assert oracle.FADE_MAX_US == limits.RAMPED_STOP_MAX_US
    assert oracle.RISE_US == limits.RAMP_UP_MIN_MS * 1000
    assert oracle.STEP_MAX_UA == limits.RAISE_STEP_MAX_UA
    assert oracle.STEP_APART_US == limits.RAISE_INTERVAL_MIN_US
    board = load_board()
    assert board.mask("A_POS", "A_NEG", "B_POS", "B_NEG", "DAC_SDI", "DAC_SCK", "DAC_CS_N") == shape.SEVEN
    assert (board["A_POS"].mask, board["A_NEG"].mask) == (shape.A_POS, shape.A_NEG)
    assert (board["B_POS"].mask, board["B_NEG"].mask) == (shape.B_POS, shape.B_NEG)
    assert (
        board["DAC_SDI"].mask,
        board["DAC_SCK"].mask,
        board["DAC_CS_N"].mask,
    ) == (shape.SDI, shape.SCK, shape.CS_N)
