"""``make soak``: gate and oracle over a million chunks, with a report. Exit code 1 when they do not agree.

python -m tests.oracle [--chunks N] [--seed N]
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence

from tests.oracle.compare import Case, Report
from tests.oracle.lifting import missed, rules
from tests.oracle.playing import play

BLOCK = 50_000
VALID_LEAST_PERCENT = 30
SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description="Holds the gate against the oracle.")
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1, help=f"of the first {BLOCK} chunks; each block takes the next")
    options = parser.parse_args(arguments)
    report, began = Report(), time.monotonic()
    blocks = -(-options.chunks // BLOCK)
    for seed in range(options.seed, options.seed + blocks):
        play(seed, min(BLOCK, options.chunks - report.chunks), report)
    seconds = time.monotonic() - began
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} processors")
    print(
        f"seeds {options.seed} to {options.seed + blocks - 1}, {report.sessions} sessions, {report.requests} requests"
    )
    print(f"{report.chunks} chunks in {seconds:.0f} s ({report.chunks / seconds:.0f} chunks/s, oracle included)")
    good = _agreement(report)
    good = _rules(report) and good
    _times(report)
    _counts("chunks refused by the gate, by its first word", report.refusals)
    _counts("chunks unsafe by the oracle, by each of its words", report.broken)
    print("what was proposed: safe and unsafe by the oracle")
    for how in sorted({how for how, _ in report.hows}):
        print(f"  {how:40} {report.hows[how, True]:8} {report.hows[how, False]:8}")
    return 0 if good else 1


def _agreement(report: Report) -> bool:
    percent = 100 * report.valid / report.chunks
    unsafe = [case for case in report.disagreements if case.broken]
    safe = [case for case in report.disagreements if not case.broken]
    print(f"safe by the oracle: {report.valid} ({percent:.1f} %; at least {VALID_LEAST_PERCENT} wanted)")
    print(f"approved by the gate though unsafe by the oracle: {len(unsafe)}")
    print(f"refused by the gate though safe by the oracle: {len(safe)}")
    print(f"requests of which only one side takes: {len(report.request_disagreements)}")
    for case in [*unsafe[:SHOWN], *safe[:SHOWN]]:
        _show(case)
    for request in report.request_disagreements[:SHOWN]:
        print(f"  {request}")
    return not report.disagreements and not report.request_disagreements and percent >= VALID_LEAST_PERCENT


def _show(case: Case) -> None:
    print(f"  {case.how}: oracle {case.broken or 'safe'}, gate {case.refused or 'approved'}")
    print(f"    start {case.start_us}, revision {case.revision}, now {case.now_us}, {case.progress}")
    print(f"    {case.data.hex()}")


def _rules(report: Report) -> bool:
    """What the deletion of each rule of the gate lets through."""
    found = missed(report)
    print("the rules of the gate, and what passes without each")
    for rule in rules():
        one = found.get(rule)
        if one is None:
            print(f"  {rule}: NOTHING WAS FOUND")
            continue
        print(f"  {rule}: {one.error or ', '.join(sorted(set(one.broken)))}")
        for other in sorted(one.others):
            print(f"    with {other} lifted")
    return set(found) == set(rules())


def _times(report: Report) -> None:
    print("time for a chunk, us")
    print(f"  {'':44} {'chunks':>8} {'p50':>7} {'p90':>7} {'p99':>7} {'p99.9':>7} {'max':>7}")
    for name, times in (
        ("the longest slice of decoding", report.slice_ns),
        ("decoding", report.decode_ns),
        ("decoding and judging", report.whole_ns),
        ("judging as the guard does, equal ones kept", report.judged_ns),
    ):
        print(f"  {name:44} {len(times):8} {' '.join(f'{figure:7.0f}' for figure in _spread(times))}")


def _spread(times: array[int]) -> list[float]:
    """Median, 90, 99 and 99.9 of 100, and the largest, in us."""
    ordered = sorted(times)
    return [ordered[min(len(ordered) - 1, len(ordered) * part // 1000)] / 1000 for part in (500, 900, 990, 999, 1000)]


def _counts(title: str, counts: Counter[str] | Counter[str | None]) -> None:
    print(title)
    for name, number in sorted(counts.items(), key=lambda pair: -pair[1]):
        if name is not None:
            print(f"  {name:60} {number:8}")


if __name__ == "__main__":
    sys.exit(main())
