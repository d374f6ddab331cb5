"""The audit by loop-back: what comes back through jumper wires of the simulated board, and what is said of it."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from typing import Any

import pytest

from controller.cli import main
from hw.board import load_board
from safety.edges import TOLERANCE_US
from workshop import compare
from workshop.audit import compiled, steps
from workshop.compare import Edge
from workshop.rig import Rig, simulated

SHORT = ["audit", "--board", "sim", "--seconds", "1", "--json"]


def audit(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[dict[str, Any]]]:
    code = main([*SHORT, *options])
    return code, json.loads(capsys.readouterr().out)["findings"]


def test_a_board_that_does_what_it_is_told_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    """Over joined chunks; the printed histogram has one row."""
    code, found = audit(capsys)
    assert (code, [one["code"] for one in found]) == (0, [None, None])
    assert found[1]["detail"].endswith("; 0 us")
    assert main([*SHORT[:-1]]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["+0", "us"]


def test_jitter_and_stretched_waves_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(capsys, "--jitter-us", "4")[0] == 0
    code, found = audit(capsys, "--jitter-us", "30")
    assert (code, found[-1]["code"]) == (2, "audit_jitter")
    code, found = audit(capsys, "--stretch", "2")
    assert (code, found[0]["code"], found[0]["detail"]) == (2, "audit_stretched", "x 2.000")


def test_a_coarse_daemon_a_missing_wire_and_a_foreign_edge_are_told() -> None:
    board = load_board()
    chunks = compiled(argparse.Namespace(file="urge-10hz", seconds=1), board)
    with (
        simulated(None, ["--jumper=24:0"]) as (clock, where, _),
        closing(Rig(board, where, clock, None)) as rig,
    ):
        coarse = [one.code for one, _ in steps(rig, {"A_POS": 0}, chunks)]
        silent = [one.code for one, _ in steps(rig, {"A_POS": 0, "A_NEG": 1}, chunks)]
        swapped = [one.code for one, _ in steps(rig, {"A_POS": 0, "B_NEG": 0}, chunks)]
    assert coarse == ["audit_coarse", None]
    assert silent == ["audit_silent"]
    assert swapped == ["audit_coarse", "audit_silent"]


@pytest.mark.parametrize("wire", ["A_POS:24", "A_POS:8", "A_POS:28", "OUTPUT_ENABLE:0", "A_POS", "A_POS:x"])
def test_a_wire_that_cannot_be_is_refused(wire: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--jumper", wire]) == 2
    assert "[jumper]" in capsys.readouterr().err


PLAN: dict[str, list[Edge]] = {"A_POS": [(100, 1), (350, 0), (20_100, 1), (20_350, 0)]}


def moved(*late: int) -> dict[str, list[Edge]]:
    """What came, half a second later, and each edge by so much more."""
    return {"A_POS": [(at + 500_000 + more, level) for (at, level), more in zip(PLAN["A_POS"], late, strict=True)]}


def test_edges_are_compared_where_they_have_to_be() -> None:
    assert compare.compare(PLAN, moved(0, 0, 0, 0)) == compare.Verdict((), (0, 0, 0, 0), (0, 0))
    edge = compare.compare(PLAN, moved(0, TOLERANCE_US, 0, 0))
    assert (edge.good, edge.widths_us) == (True, (TOLERANCE_US, 0))
    assert not compare.compare(PLAN, moved(0, TOLERANCE_US + 1, 0, 0)).good
    assert not compare.compare(PLAN, moved(0, 0, 11, 11)).good  # a pulse as a whole
    lost = {"A_POS": moved(0, 0, 0, 0)["A_POS"][:-1]}
    assert compare.compare(PLAN, lost).missing == (("A_POS", 4, 3),)
    swapped = {"A_POS": [(at, 1 - level) for at, level in moved(0, 0, 0, 0)["A_POS"]]}
    assert not compare.compare(PLAN, swapped).good
    assert compare.stretch_ppm(PLAN, lost) is None
    assert compare.stretch_ppm(PLAN, {"A_POS": [(2 * at, level) for at, level in PLAN["A_POS"]]}) == 2_000_000
    assert compare.grid_us({"A_POS": [(3, 1), (508, 0), (13, 1)]}) == 5
    assert compare.grid_us({"A_POS": [(3, 1), (506, 0)]}) == 1
    assert compare.histogram([0, 0, 1]) == ["  +0 us       2 " + "#" * 50, "  +1 us       1 " + "#" * 25]
