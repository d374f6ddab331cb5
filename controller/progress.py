"""What a person sees at the terminal while a session runs, and the summary after it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from controller.outcome import Outcome, View
from controller.programme import Pause
from controller.timeline import Timeline, Train

REDRAW_S: Final = 0.1
LINE_EVERY_US: Final = 10_000_000
"""Without a terminal: one line at every change and each 10 s of session time."""


@dataclass(frozen=True)
class Moment:
    """Where the session is at one point of session time. A continuous phase is not counted as a contraction."""

    phase: str
    what: str
    left_s: float
    contraction: int
    contractions: int


def moment(timeline: Timeline, at_us: int) -> Moment:
    """Phase, what happens in it (ramp up, hold, ramp down, rest, pause), and how long that still takes."""
    train = timeline.train_at(at_us)
    phase, start_us, end_us = timeline.phase_at(at_us)
    name = phase.name["en"]
    number, of = train.contraction if train else 0, timeline.contractions
    if train is None or isinstance(phase, Pause) or train.start_us < start_us:
        return Moment(name, "pause", (end_us - at_us) / 1e6, number, of)
    what, until = _within(train, at_us)
    return Moment(name, what, (until - at_us) / 1e6, number, of)


def _within(train: Train, at_us: int) -> tuple[str, int]:
    for what, until in (
        ("ramp up", train.hold_start_us),
        ("continuous" if train.phase.continuous else "hold", train.hold_end_us),
        ("ramp down", train.active_end_us),
    ):
        if at_us < until:
            return what, until
    return "rest", train.active_end_us + train.phase.rest_us


class Progress:
    """Shows a session as it runs: a live table at a terminal, lines elsewhere."""

    def __init__(self, timeline: Timeline, console: Console, end_us: int) -> None:
        self._timeline, self._console, self._end_us = timeline, console, end_us
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._drawn = 0.0
        self._line_us = -LINE_EVERY_US
        self._rest_us: int | None = None

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, view: View) -> None:
        """Draws one view, at most ten times a second."""
        at = max(0, view.playing.start_us)
        now = moment(self._timeline, at)
        if self._live:
            if time.monotonic() - self._drawn >= REDRAW_S:
                self._drawn = time.monotonic()
                self._live.update(self._table(view, now, at), refresh=True)
        elif at - self._line_us >= LINE_EVERY_US:
            self._line_us = at
            self._console.print(
                f"{_clock(at)} {now.phase}: {now.what} {now.contraction}/{now.contractions}, "
                f"asked {_milliamps(view.set_point_ua)}, measured {_milliamps(view.measured_ua)}",
                highlight=False,
                markup=False,
            )

    def show_rest(self, left_us: int) -> None:
        """Counts down a rest that is due before the session."""
        words = f"rest before the session: {max(0, left_us) / 1e6:.0f} s to go (Ctrl-C stops)"
        if self._live:
            self._live.update(words, refresh=True)
        elif self._rest_us is None or self._rest_us - left_us >= LINE_EVERY_US:
            self._rest_us = left_us
            self._console.print(words, highlight=False)

    def _table(self, view: View, now: Moment, at_us: int) -> Table:
        table = Table(show_header=False, title="PelviStim, simulated board (not a certified medical device)")
        table.add_row("phase", now.phase)
        table.add_row("now", f"{now.what}, {max(0.0, now.left_s):.1f} s to go")
        table.add_row("contraction", f"{now.contraction} of {now.contractions}")
        table.add_row("set-point", _milliamps(view.set_point_ua))
        table.add_row("measured peak", _milliamps(view.measured_ua))
        table.add_row("elapsed / left", f"{_clock(at_us)} / {_clock(max(0, self._end_us - at_us))}")
        table.add_row("underruns", str(view.underruns))
        return table


def summary(outcome: Outcome) -> list[str]:
    """The last lines of a run."""
    reached = ", ".join(
        f"{channel} {'not reached' if us is None else f'{us / 1e6:.1f} s'}"
        for channel, us in outcome.reached_us.items()
    )
    loads = ", ".join(f"{channel} {load} ohm" for channel, load in outcome.checked_load_ohm.items())
    charge = ", ".join(f"{channel} {pc / 1e6:.3f} uC" for channel, pc in outcome.charge_per_phase_pc.items())
    return [
        *([f"load in the electrode check: {loads}"] if loads else []),
        f"contractions: {outcome.contractions}{_continuous(outcome.continuous_phases)}",
        f"pulses sent: {outcome.pulses}",
        f"charge per phase, largest: {charge}",
        f"net charge of all pulses, as the gate decoded them: {outcome.net_code_us} code x us",
        f"peak measured: {_milliamps(outcome.peak_measured_ua)}",
        f"time to the set-point: {reached}",
        f"underruns: {outcome.underruns}",
    ]


def _continuous(phases: int) -> str:
    return f", and continuous phases: {phases}" if phases else ""


def _milliamps(values_ua: dict[str, int]) -> str:
    return ", ".join(f"{channel} {ua / 1000:.1f} mA" for channel, ua in values_ua.items())


def _clock(us: int) -> str:
    minutes, seconds = divmod(us // 1_000_000, 60)
    return f"{minutes:02d}:{seconds:02d}"
