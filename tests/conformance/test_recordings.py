"""The simulated daemon gives the results and edges that the real one was recorded to give.

A sleep of a recording is wall time on the real daemon, so the parts between sleeps are each compared from their own
first edge; where nothing new begins after a sleep, the whole is.
"""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pigpio
import pytest

from tests.support.sim import Participant, Sim, disconnect

RECORDINGS = sorted(Path(__file__).with_name("recordings").glob("*.json"))
LINES = [17, 22, 23, 24, 25, 26, 27]
"""Every line that a recording was made of; those not in its ``outputs`` are inputs."""
FRESH_STARTS = {"wave_send_once", "wave_chain", "set_mode", "write", "wave_tx_stop"}


def test_there_are_31_recordings() -> None:
    assert len(RECORDINGS) == 31


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recording(path: Path) -> None:
    recording = json.loads(path.read_text())
    with Sim.start("--bare") as sim:
        pi = pigpio.pi("127.0.0.1", sim.port, show_errors=False)
        clock = sim.participant("recording")
        for gpio in recording["outputs"]:
            pi.set_mode(gpio, pigpio.OUTPUT)
            pi.write(gpio, 0)
        start = clock.sleep(1000)
        results, woken = play(pi, recording["calls"], clock)
        clock.sleep(1_000_000)
        levels = {str(gpio): pi.read(gpio) for gpio in LINES}
        edges = [edge for edge in sim.edges(gpios=LINES) if edge[0] >= start]
        disconnect(pi)

    assert results == [entry.get("result") for entry in recording["calls"]]
    assert levels == recording["final_levels"]
    expected = [(time, gpio, level) for time, gpio, level in recording["edges"]]
    assert [edge[1:] for edge in edges] == [edge[1:] for edge in expected]
    part = [sum(tick <= time for tick in woken) for time, _, _ in edges]
    if not begins_anew(recording["calls"]):
        part = [0] * len(edges)
    assert from_first_edges(edges, part) == from_first_edges(expected, part)


def play(pi: pigpio.pi, calls: list[dict[str, Any]], clock: Participant) -> tuple[list[int | None], list[int]]:
    """Makes the calls. Returns their results (errors as numbers) and the ticks at which sleeps ended."""
    results: list[int | None] = []
    woken: list[int] = []
    pigpio.exceptions = False
    try:
        for entry in calls:
            fn, args = entry["fn"], entry["args"]
            if fn == "sleep":
                woken.append(clock.sleep(round(args[0] * 1_000_000)))
                results.append(None)
                continue
            if fn == "wave_add_generic":
                args = [[pigpio.pulse(*pulse) for pulse in args[0]]]
            results.append(getattr(pi, fn)(*args))
    finally:
        pigpio.exceptions = True
    return results, woken


def begins_anew(calls: list[dict[str, Any]]) -> bool:
    """Whether a call after a sleep starts edges of its own, at a moment of the wall's."""
    names = [entry["fn"] for entry in calls]
    return "sleep" in names and bool(FRESH_STARTS & set(names[names.index("sleep") :]))


def from_first_edges(edges: list[Any], part: list[int]) -> list[tuple[float, int, int]]:
    """The edges with the times of each part counted from its first."""
    found: list[tuple[float, int, int]] = []
    for _, group in groupby(zip(part, edges, strict=True), key=lambda pair: pair[0]):
        members = [edge for _, edge in group]
        found += [(time - members[0][0], gpio, level) for time, gpio, level in members]
    return found
