"""The simulated daemon gives the results and edges that the real one was recorded to give.

A sleep of a recording is wall time on the real daemon, so the parts between sleeps are each compared from their own
first edge; where nothing new begins after a sleep, the whole is.

The same recordings run in real time over the socket, and with PIGPIO_ADDR (and PIGPIO_PORT) set against the daemon
there, whose edges are then seen through notifications alone (docs/simulator.md).
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pigpio
import pytest

from tests.support.bare import Raw
from tests.support.sim import Sim, disconnect

RECORDINGS = sorted(Path(__file__).with_name("recordings").glob("*.json"))
LINES = [17, 22, 23, 24, 25, 26, 27]
"""Every line that a recording was made of; those not in its ``outputs`` are inputs."""
FRESH_STARTS = {"wave_send_once", "wave_chain", "set_mode", "write", "wave_tx_stop"}
PLAYS = {"wave_send_once", "wave_send_repeat", "wave_send_using_mode", "wave_chain"}
SAMPLE_US = 5
SLACK_S = 0.010
"""How much longer than its sleeps a recording may take once something plays; a run that took longer tells nothing."""
MOST_RUNS = 20
PRIORITY = 5

Edge = tuple[float, int, int]


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
        results, woken = play(pi, recording["calls"], lambda seconds: clock.sleep(round(seconds * 1_000_000)))
        clock.sleep(1_000_000)
        levels = {str(gpio): pi.read(gpio) for gpio in LINES}
        edges = [edge for edge in sim.edges(gpios=LINES) if edge[0] >= start]
        disconnect(pi)

    assert results == [entry.get("result") for entry in recording["calls"]]
    assert levels == recording["final_levels"]
    expected = [(time, gpio, level) for time, gpio, level in recording["edges"]]
    assert [edge[1:] for edge in edges] == [edge[1:] for edge in expected]
    part = parts(recording, edges, woken)
    assert from_first_edges(edges, part) == from_first_edges(expected, part)


@pytest.mark.alone
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recording_in_real_time(path: Path) -> None:
    recording = json.loads(path.read_text())
    for _ in range(MOST_RUNS):
        with daemon() as there, first(there):
            run = run_in_real_time(there, recording)
        if run.late_s <= SLACK_S:
            break
    else:
        pytest.fail(f"this machine never kept the times of the recording within {SLACK_S} s")
    assert run.results == [entry.get("result") for entry in recording["calls"]]
    assert run.levels == recording["final_levels"]
    expected = [(time, gpio, level) for time, gpio, level in recording["edges"]]
    if run.edges is not None:
        assert [edge[1:] for edge in run.edges] == [edge[1:] for edge in expected]
        part = parts(recording, run.edges, run.woken)
        assert from_first_edges(run.edges, part) == from_first_edges(expected, part)
    check_notified(recording, expected, run.notified, run.woken, SAMPLE_US if run.edges is not None else 2 * SAMPLE_US)


@dataclass(frozen=True)
class There:
    """A daemon in real time; ``sim`` is None if it is somebody else's."""

    host: str
    port: int
    sim: Sim | None


@dataclass(frozen=True)
class Run:
    """What came of a recording: ``edges`` are all there were, if somebody can tell, ``notified`` those reported."""

    results: list[int | None]
    woken: list[int]
    levels: dict[str, int]
    edges: list[Edge] | None
    notified: list[Edge]
    late_s: float


@contextlib.contextmanager
def daemon() -> Iterator[There]:
    """The daemon that PIGPIO_ADDR and PIGPIO_PORT name, else a simulated one."""
    host = os.environ.get("PIGPIO_ADDR")
    if host:
        yield There(host, int(os.environ.get("PIGPIO_PORT", "8888")), None)
        return
    with Sim.start("--bare", realtime=True) as sim:
        yield There("127.0.0.1", sim.port, sim)


@contextlib.contextmanager
def first(there: There) -> Iterator[None]:
    """Where it may be, this thread and the board go before what else is at work: a run that was late tells nothing."""
    board = [] if there.sim is None else [there.sim.process.pid]
    with contextlib.suppress(PermissionError):
        for pid in (0, *board):
            os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(PRIORITY))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def run_in_real_time(there: There, recording: dict[str, Any]) -> Run:
    pi = pigpio.pi(there.host, there.port, show_errors=False)
    assert pi.connected, "no daemon"
    listener = Raw(there.port, there.host)
    try:
        pi.wave_tx_stop()
        pi.wave_clear()
        for gpio in LINES:
            pi.set_mode(gpio, pigpio.OUTPUT if gpio in recording["outputs"] else pigpio.INPUT)
            pi.clear_bank_1(1 << gpio)
        handle = listener.result(99)
        assert listener.result(19, handle, sum(1 << gpio for gpio in LINES)) == 0
        time.sleep(0.01)
        start = pi.get_current_tick()
        level = pi.read_bank_1()
        late_s = 0.0
        began = None if not any(entry["fn"] in PLAYS for entry in recording["calls"]) else time.monotonic()

        def sleep(seconds: float) -> int:
            time.sleep(seconds)
            return int(pi.get_current_tick())

        results, woken = play(pi, recording["calls"], sleep)
        if began is not None:
            late_s = (
                time.monotonic()
                - began
                - sum(entry["args"][0] for entry in recording["calls"] if entry["fn"] == "sleep")
            )
        time.sleep(0.1)
        levels = {str(gpio): pi.read(gpio) for gpio in LINES}
        notified = list(reports(listener, level, start))
        edges = None
        if there.sim is not None:
            edges = [(time - start, gpio, level) for time, gpio, level in there.sim.edges(gpios=LINES) if time >= start]
        return Run(results, [tick - start for tick in woken], levels, edges, notified, late_s)
    finally:
        listener.close()
        disconnect(pi)


def reports(listener: Raw, level: int, start: int) -> Iterator[Edge]:
    """The edges notified so far, counted from a tick: an unknown command is answered after them."""
    listener.send(999)
    data = b""
    while not data.endswith(struct.pack("<3Ii", 999, 0, 0, -88)):
        data += listener.sock.recv(65_536)
    for _, flags, tick, levels in struct.iter_unpack("<HHII", data[:-16]):
        assert not flags
        for gpio in LINES:
            if (levels ^ level) >> gpio & 1:
                yield (tick - start) & 0xFFFFFFFF, gpio, levels >> gpio & 1
        level = levels


def check_notified(
    recording: dict[str, Any], expected: list[Edge], notified: list[Edge], woken: list[int], tolerance_us: float
) -> None:
    """Notified edges against a recording's, from the first edge of each part.

    Lines are sampled, so a pulse may be missing that is shorter than two samples, and with it both its edges.
    """
    parted = parts(recording, notified, woken)
    ended = [edge[0] for edge in expected]
    sleeps = [entry["args"][0] * 1e6 for entry in recording["calls"] if entry["fn"] == "sleep"]
    split = begins_anew(recording["calls"])
    limits = [sum(sleeps[: number + 1]) for number in range(len(sleeps))] if split else []
    groups = [[edge for edge, part in zip(notified, parted, strict=True) if part == number] for number in range(9)]
    wanted: list[list[Edge]] = [[] for _ in range(9)]
    for edge in expected:
        wanted[sum(limit <= edge[0] for limit in limits)].append(edge)
    assert ended == sorted(ended)
    for want, got in zip(wanted, groups, strict=True):
        if want:
            zeros = [want[0][0], *(edge[0] for edge in want[1:4])]
            assert any(matches(want, got, zero, tolerance_us) for zero in zeros), (want, got)
        else:
            assert not got


def matches(want: list[Edge], got: list[Edge], zero: float, tolerance_us: float) -> bool:
    """Whether notified edges are those wanted, if the first of them is the one wanted at a time."""
    if not got:
        return all(not sure(want, gpio) for gpio in LINES)
    shift = zero - got[0][0]
    for gpio in LINES:
        ours = [edge for edge in want if edge[1] == gpio]
        theirs = [(edge[0] + shift, edge[2]) for edge in got if edge[1] == gpio]
        at = 0
        while at < len(ours):
            time, _, level = ours[at]
            if theirs and theirs[0][1] == level and abs(theirs[0][0] - time) <= tolerance_us:
                theirs.pop(0)
                at += 1
            elif at + 1 < len(ours) and ours[at + 1][0] - time < 2 * SAMPLE_US:
                at += 2
            else:
                return False
        if theirs:
            return False
    return True


def sure(want: list[Edge], gpio: int) -> bool:
    """Whether a line has a change among these that lasts long enough to be seen."""
    times = [edge[0] for edge in want if edge[1] == gpio]
    return len(times) % 2 == 1 or any(b - a >= 2 * SAMPLE_US for a, b in zip(times[::2], times[1::2], strict=True))


def test_the_comparison_of_notified_edges_finds_what_is_wrong() -> None:
    recording = json.loads((Path(__file__).with_name("recordings") / "integer-microseconds.json").read_text())
    expected = [(time, gpio, level) for time, gpio, level in recording["edges"]]
    seen = [(time + 1_000, gpio, level) for time, gpio, level in expected]
    check_notified(recording, expected, seen, [30_000], SAMPLE_US)
    wrong: list[Callable[[list[Edge]], list[Edge]]] = [
        lambda edges: edges[:-1],
        lambda edges: [*edges[:-1], (edges[-1][0] + 20, *edges[-1][1:])],
        lambda edges: [*edges, (edges[-1][0] + 50, edges[-1][1], 1 - edges[-1][2])],
        lambda edges: [(at, 27 if gpio != 27 else 26, level) for at, gpio, level in edges],
        lambda edges: [],
    ]
    for change in wrong:
        with pytest.raises(AssertionError):
            check_notified(recording, expected, change(seen), [30_000], SAMPLE_US)


def play(
    pi: pigpio.pi, calls: list[dict[str, Any]], sleep: Callable[[float], int]
) -> tuple[list[int | None], list[int]]:
    """Makes the calls. Returns their results (errors as numbers) and the ticks at which sleeps ended."""
    results: list[int | None] = []
    woken: list[int] = []
    pigpio.exceptions = False
    try:
        for entry in calls:
            fn, args = entry["fn"], entry["args"]
            if fn == "sleep":
                woken.append(sleep(args[0]))
                results.append(None)
                continue
            if fn == "wave_add_generic":
                args = [[pigpio.pulse(*pulse) for pulse in args[0]]]
            results.append(getattr(pi, fn)(*args))
    finally:
        pigpio.exceptions = True
    return results, woken


def parts(recording: dict[str, Any], edges: list[Edge], woken: list[int]) -> list[int]:
    """The part between sleeps of each edge; 0 for all where nothing begins anew."""
    if not begins_anew(recording["calls"]):
        return [0] * len(edges)
    return [sum(tick <= edge[0] for tick in woken) for edge in edges]


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
