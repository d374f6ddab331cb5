"""One pulse and the session's envelope as SVG. Needs matplotlib (the extra ``plot``); opens no window."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from controller.figures import Figures, PhaseFigures
from controller.programme import Programme, Stimulation
from controller.strict_toml import plain

COLOURS: Final = {"A": "#00629b", "B": "#c4500a"}
PULSES_SHOWN: Final = 4
"""Different shapes of pulse drawn beside each other; a programme rarely has more than one."""


def draw(programme: Programme, found: Figures, file_format: str = "svg") -> bytes:
    """The picture as bytes of ``svg`` (the same for the same programme) or ``png``."""
    shapes = _shapes(found)
    rows = 1 + len(found.channels)
    figure = Figure(figsize=(10, 1 + 3 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{programme.title['en']} ({programme.id})", parse_math=False)
    grid = figure.add_gridspec(rows, len(shapes))
    first = None
    for column, shape in enumerate(shapes):
        first = figure.add_subplot(grid[0, column], sharey=first)
        _pulse(first, shape)
    for row, channel in enumerate(found.channels, start=1):
        _session(figure.add_subplot(grid[row, :]), programme, found, channel.channel)
    figure.text(0.5, -0.03, "Not a certified medical device", ha="center", fontsize="small")
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "pelvistim"}):
        metadata = {"Date": None} if file_format == "svg" else None
        figure.savefig(buffer, format=file_format, metadata=metadata, bbox_inches="tight")
    return buffer.getvalue()


def _shapes(found: Figures) -> list[PhaseFigures]:
    """The first phase of each shape of pulse."""
    shapes: dict[tuple[int, int, int], PhaseFigures] = {}
    for one in found.phases:
        shapes.setdefault((one.phase.phase_width_us, one.phase.interphase_us, one.code), one)
    return list(shapes.values())[:PULSES_SHOWN]


def _pulse(axes: Axes, one: PhaseFigures) -> None:
    width, gap, peak_ma = one.phase.phase_width_us, one.phase.interphase_us, float(one.peak_ua) / 1_000
    end = 2 * width + gap
    margin = end * 0.15
    times = [-margin, 0, 0, width, width, width + gap, width + gap, end, end, end + margin]
    currents = [0, 0, peak_ma, peak_ma, 0, 0, -peak_ma, -peak_ma, 0, 0]
    axes.plot(times, currents, color="#333333")
    axes.fill_between(times, currents, color="#333333", alpha=0.1)
    axes.axhline(0, color="#999999", linewidth=0.5)
    for start, stop, text, level in (
        (0, width, f"{width} us", 1.13),
        (width, width + gap, f"gap {gap} us", 0.1),
        (width + gap, end, f"{width} us", -1.13),
    ):
        axes.text((start + stop) / 2, level * peak_ma, text, ha="center", va="center", fontsize="small")
    axes.set_ylim(-1.3 * peak_ma or -1, 1.3 * peak_ma or 1)
    axes.set_title(f"one pulse, phase[{one.position}]", fontsize="medium")
    axes.set_xlabel("time (us)")
    axes.set_ylabel("current at the maximum (mA)")


def _session(axes: Axes, programme: Programme, found: Figures, channel: str) -> None:
    minutes, currents = _envelope(programme, found, channel)
    axes.plot(minutes, currents, color=COLOURS[channel], linewidth=0.8)
    axes.fill_between(minutes, currents, color=COLOURS[channel], alpha=0.2)
    axes.set_xlim(0, found.duration_us / 60e6)
    axes.set_ylim(bottom=0)
    maximum = plain(Fraction(found.max_ua, 1_000))
    axes.set_title(f"session on channel {channel}: the envelope at a maximum of {maximum} mA", fontsize="medium")
    axes.set_xlabel("time (minutes)")
    axes.set_ylabel("current (mA)")


def _envelope(programme: Programme, found: Figures, channel: str) -> tuple[list[float], list[float]]:
    """Corner points (minutes, mA) of the channel's envelope; B of AB is drawn without its half period."""
    peaks_ma = {one.position: float(one.peak_ua) / 1_000 for one in found.phases}
    minutes, currents = [0.0], [0.0]
    now_us = 0
    for _ in range(programme.cycles):
        for position, phase in enumerate(programme.phases, start=1):
            if isinstance(phase, Stimulation) and channel in phase.channels:
                for repeat in range(phase.repeats):
                    start_us = now_us + repeat * (phase.active_us + phase.rest_us)
                    fall_us = start_us + phase.ramp_up_us + phase.plateau_us
                    corners = (start_us, start_us + phase.ramp_up_us, fall_us, start_us + phase.active_us)
                    minutes += [corner / 60e6 for corner in corners]
                    currents += [0.0, peaks_ma[position], peaks_ma[position], 0.0]
            now_us += phase.duration_us
    minutes.append(now_us / 60e6)
    currents.append(0.0)
    return minutes, currents
