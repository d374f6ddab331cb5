"""``pelvistim audit``: does what was compiled come out at the pins? Jumper wires from phase lines to spare inputs tell.

The output switch stays open: nobody and nothing is connected, and phases move without any voltage. First one wave by
itself, as a ruler: on a machine on which something else sets the wave clock anew all waves last twice as long, without
any error. Then the first seconds of a programme, in chunks that are joined as the guard joins them. What comes back is
notified by the daemon on another connection; at ``-s 1`` to the microsecond.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Final

from controller.programme import load_programme, programme_path
from controller.timeline import Timeline
from controller.waveform import Encoder
from hw.board import PHASE_LINES, Board, load_board
from hw.notices import Notices
from safety import limits
from safety.decode import Chunk, decode
from safety.errors import BoardError, InputRefused, Problem
from safety.gate import Progress
from safety.instruments import unwrapped
from safety.supply import Approved
from workshop import compare, measure
from workshop.calibrate import BAD, bench
from workshop.findings import Finding, State, as_dict, good, is_bad, line, problem
from workshop.rig import Rig

TAKEN: Final = (2, 3, 7, 8, 9, 10, 11)
"""I2C and SPI (hardware.md)."""
SPARE: Final = {"A_POS": 0, "A_NEG": 1}
CODE: Final = 100
"""Any: no current flows. The frames move their lines all the same."""
AFTER_US: Final = 50_000
"""So long after the last edge all notifications have come."""
RULER_WIDTH_US: Final = 503
"""On no grid of samples but that of 1 us."""
RULER_TIMES: Final = 5
"""The ruler may last so many times as long as it should before it is given up."""
_NO_PROGRESS: Final = Progress(channels={})


def main(args: argparse.Namespace) -> int:
    """Exit 0 when every edge came where it had to, 2 when not. Raises InputRefused."""
    board = load_board()
    jumpers = read_jumpers(args.jumper, board)
    chunks = compiled(args, board)
    wires = [f"--jumper={board[name].gpio}:{gpio}" for name, gpio in jumpers.items()]
    args.options = [*wires, "--sample-us=1", f"--edge-jitter-us={args.jitter_us}", f"--wave-stretch={args.stretch}"]
    with bench(args, board) as (rig, _):
        found = []
        for one, rows in steps(rig, jumpers, chunks):
            found.append(one)
            if not args.json:
                print(line(one, args.lang), *rows, sep="\n", flush=True)
    if args.json:
        told = [as_dict(one, args.lang) for one in found]
        json.dump({"bad": is_bad(found), "findings": told}, sys.stdout, indent=1, ensure_ascii=False)
        print()
    return BAD if is_bad(found) else 0


def read_jumpers(texts: Sequence[str], board: Board) -> dict[str, int]:
    """Which line is wired to which spare input. Raises InputRefused for a pin that is not spare."""
    if not texts:
        return SPARE
    found: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition(":")
        taken = {one.gpio for one in board.lines.values()} | set(TAKEN) | set(found.values())
        spare = sorted(set(range(28)) - taken)
        if name not in PHASE_LINES or not number.isdecimal() or int(number) not in spare:
            allowed = f"a phase line and a spare GPIO ({', '.join(map(str, spare))}), as A_POS:0"
            raise InputRefused("--jumper", (Problem("jumper", "", "--jumper", text, allowed, "Wire it so."),))
        found[name] = int(number)
    return found


def compiled(args: argparse.Namespace, board: Board) -> list[bytes]:
    """The chunks of the first seconds of a programme."""
    timeline, encoder = Timeline(load_programme(programme_path(args.file))), Encoder(board)
    first = timeline.first_pulse_us
    slices = takewhile(lambda one: one.start_us < first + args.seconds * 1_000_000, timeline.slices())
    return [encoder.encode(one, [CODE] * len(one.pulses)) for one in slices]


def steps(rig: Rig, jumpers: dict[str, int], chunks: list[bytes]) -> Iterator[tuple[Finding, list[str]]]:
    """Findings in turn, each with the rows that go below it."""
    try:
        for channel in sorted({name[0] for name in jumpers}):
            one = _ruled(rig, jumpers, channel)
            yield one, []
            if one.state is State.BAD:
                return
        yield from _judged(*_played(rig, jumpers, chunks))
    except BoardError as error:
        yield problem("daemon_refuses", error), []


def _ruled(rig: Rig, jumpers: dict[str, int], channel: str) -> Finding:
    """One wave of a channel by itself, against its plan."""
    only = {name: gpio for name, gpio in jumpers.items() if name[0] == channel}
    data = measure.wave(rig.figures, channel, CODE, width_us=RULER_WIDTH_US)
    with _Ears(rig, only) as ears:
        rig.play(data, measure.LENGTH_US)
        most = rig.clock.now() + RULER_TIMES * measure.LENGTH_US
        while rig.tools.pulses.playing() is not None and rig.clock.now() < most:
            ears.wait(rig.clock.now() + measure.PERIOD_US)
        seen = ears.heard()
    plan = compare.planned([data], {name: rig.board[name].mask for name in only})
    silent = [f"{name} - GPIO {only[name]}" for name, edges in seen.items() if not edges]
    if silent:
        return problem("audit_silent", ", ".join(silent))
    ppm = compare.stretch_ppm(plan, seen)
    if ppm is None or abs(ppm - 1_000_000) > compare.STRETCH_PPM:
        return problem("audit_stretched", "?" if ppm is None else f"x {ppm / 1e6:.3f}")
    grid = compare.grid_us(seen)
    if grid > 1:
        return problem("audit_coarse", f"{grid} us")
    return good("ruler", f"{', '.join(only)}: {ppm - 1_000_000:+d} ppm")


def _played(rig: Rig, jumpers: dict[str, int], chunks: list[bytes]) -> tuple[dict[str, list[compare.Edge]], ...]:
    """Plan and what came of joined chunks."""
    with _Ears(rig, jumpers) as ears:
        rig.tools.start_dead_man()
        try:
            _join(rig, chunks, ears)
        finally:
            rig.asleep()
        seen = ears.heard()
    return compare.planned(chunks, {name: rig.board[name].mask for name in jumpers}), seen


def _join(rig: Rig, chunks: list[bytes], ears: _Ears) -> None:
    """Hands chunk after chunk to the supply, as the guard's loop does, with its checks between."""
    supply, waiting = rig.supply, [(number, data) for number, data in enumerate(chunks)][::-1]
    supply.open(rig.clock.now())
    due = rig.clock.now()
    while waiting or not supply.drained:
        now = rig.clock.now()
        if now >= due:
            rig.tools.check(toggle=False, kick=True, reset_peaks=False)
            due += limits.CHECK_INTERVAL_US
        if waiting and not supply.full:
            number, data = waiting.pop()
            chunk = decode(data, rig.figures.seven)
            assert isinstance(chunk, Chunk), chunk
            supply.offer(Approved(number, 0, data, chunk, _NO_PROGRESS))
        if supply.due(now):
            supply.run(rig.tools.pulses, now, expects_more=bool(waiting))
        wake = supply.wake_us()
        ears.wait(max(min(due, due if wake is None else wake), rig.clock.now() + 500))
    ears.wait(rig.clock.now() + AFTER_US)


def _judged(
    plan: dict[str, list[compare.Edge]], seen: dict[str, list[compare.Edge]]
) -> Iterator[tuple[Finding, list[str]]]:
    verdict = compare.compare(plan, seen)
    for name, wanted, came in verdict.missing:
        yield problem("audit_edges", f"{name}: {came}; {wanted}"), []
    if not verdict.late_us:
        return
    shown = f"{len(verdict.late_us)}; {verdict.worst_us} us"
    one = good("edges", shown) if verdict.good or verdict.missing else problem("audit_jitter", shown)
    yield one, compare.histogram(verdict.late_us)


class _Ears:
    """Notifications of the spare inputs, on a connection of their own."""

    def __init__(self, rig: Rig, jumpers: dict[str, int]) -> None:
        self._rig = rig
        self._masks = {name: 1 << gpio for name, gpio in jumpers.items()}
        self._reports: list[tuple[int, int]] = []

    def __enter__(self) -> _Ears:
        rig = self._rig
        self._before = rig.tools.pulses.bank()
        self._notices = Notices(*rig.where, sum(self._masks.values()), rig.timeout_s, rig.clock)
        rig.listens(self._notices.fd, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        self._rig.deaf(self._notices.fd)
        self._notices.close()

    def _take(self) -> None:
        now = self._rig.clock.now()
        self._reports += [(unwrapped(tick, now), level) for tick, level in self._notices.read()]

    def wait(self, until_us: int) -> None:
        """Lets time pass."""
        self._rig.wait(until_us)

    def heard(self) -> dict[str, list[compare.Edge]]:
        """All edges so far, by line."""
        self.wait(self._rig.clock.now() + AFTER_US)
        return compare.came(self._reports, self._masks, self._before)
