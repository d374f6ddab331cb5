"""What is held against the board file: each figure as stated, within which bounds, and as ngspice computes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import Final

from hw.board import DAC_CODES, Board
from hw.spice import corner, run, values

CHARGE_MOST_C: Final = 40e-6
"""Ceiling of the charge per phase (docs/limits.md)."""
ONE_SHOT_S: Final = (1.15e-3, 1.4e-3)
DROP_OUT_S: Final = (0.080, 0.120)
RAIL_OFF_S: Final = 10e-3
HV_MOST: Final = 65 / 63
"""These four: docs/hardware.md, Parts."""


@dataclass(frozen=True)
class Row:
    """One figure. ``stated``: where it stands and what it says; ``low`` to ``high`` is allowed, in ``unit``."""

    what: str
    stated: str
    low: float
    high: float
    found: float
    unit: str

    @property
    def agrees(self) -> bool:
        return self.low <= self.found <= self.high


def near(what: str, stated: str, figure: float, percent: float, found: float, unit: str) -> Row:
    """A figure with an allowance of so many percent to both sides."""
    return Row(what, stated, figure * (1 - percent / 100), figure * (1 + percent / 100), found, unit)


def rows(board: Board) -> list[Row]:
    """Every figure, simulated now: about 25 runs of ngspice. Raises OSError or RuntimeError as ``run`` does."""
    return [*_current(board), *_voltage(board), *_trips(board), *_switch(board), *_capacitor(board)]


def _current(board: Board) -> list[Row]:
    adc, full_ma, share = board.adc, board.full_scale_ua / 1000, (DAC_CODES - 1) / DAC_CODES
    pulse = run("pulse", board)
    tenth = run("pulse", board, dac_v=values(board)["vref"] / 10)
    fitted = {25_000: 4_590.0, 100_000: 24_300.0}
    other = {ua: run("pulse", replace(board, full_scale_ua=ua), r_set=ohm) for ua, ohm in fitted.items()}
    top = "`channel.full_scale_ua`"
    average = run("average", board)
    filtered = (average["one_v"] - average["zero_v"]) / (average["end_v"] - average["zero_v"])
    return [
        near("largest code into 500 ohm, first phase", top, full_ma * share, 0.5, pulse["first_a"] * 1e3, "mA"),
        near("the same, second phase", top, full_ma * share, 0.5, -pulse["second_a"] * 1e3, "mA"),
        near("a tenth of it", top, full_ma / 10, 0.5, tenth["first_a"] * 1e3, "mA"),
        near("with 4.59 kohm as R_SET", "25 mA", 25 * share, 0.5, other[25_000]["first_a"] * 1e3, "mA"),
        near("with 24.3 kohm as R_SET", "100 mA", 100 * share, 0.5, other[100_000]["first_a"] * 1e3, "mA"),
        Row("most at the start of a phase", "no spike", 0, full_ma * 1.01, pulse["most_a"] * 1e3, "mA"),
        Row("rise, 10 to 90 %", "settled in 5 us", 0, 5, pulse["rise_s"] * 1e6, "us"),
        Row(
            "net charge of a pulse of 250 us, in thousandths of a phase's",
            "0 as a sum of `code x us`",
            -5,
            5,
            (pulse["forward_c"] + pulse["back_c"]) / pulse["forward_c"] * 1e3,
            "",
        ),
        near(
            "ADC 0, 1 at full scale",
            "`adc.peak_full_scale_mv`",
            adc.peak_full_scale_mv / 1e3,
            0.5,
            pulse["peak_v"],
            "V",
        ),
        near(
            "ADC 5, 6 at 0.1 mA of direct current",
            "`adc.average_mv_per_ma`",
            (adc.average_zero_mv + 0.1 * adc.average_mv_per_ma) / 1e3,
            0.1,
            average["end_v"],
            "V",
        ),
        near("share of it seen after 1 s", "1 s filter", 0.632, 1, filtered, ""),
    ]


def _voltage(board: Board) -> list[Row]:
    adc, hv = board.adc, values(board)["hv"]
    divider, full_a = adc.electrode_divider, board.full_scale_ua / 1e6
    limit = board.compliance_v / full_a
    just, under, over = (run("pulse", board, load=limit * share) for share in (1, 0.8, 1.05))
    two, ten = (run("pulse", board, load=ohm) for ohm in (2_000, 10_000))
    high = run("pulse", board, load=1e7, hv=hv * HV_MOST)
    hundred = run("pulse", replace(board, full_scale_ua=100_000), r_set=24_300.0, load=700)
    named = "`channel.compliance_v`"
    return [
        near("most across capacitor and electrode", named, board.compliance_v, 2, over["across_v"], "V"),
        near(f"current into {limit:.0f} ohm, of 250 us", named, full_a * 1e3, 1, just["first_a"] * 1e3, "mA"),
        near("current into four fifths of that", named, full_a * 1e3, 0.5, under["first_a"] * 1e3, "mA"),
        near("current into 2 000 ohm", named, board.compliance_v / 2, 3, two["first_a"] * 1e3, "mA"),
        near("current into 10 000 ohm", named, board.compliance_v / 10, 5, ten["first_a"] * 1e3, "mA"),
        Row("most across them with 100 mA fitted", "that board file's own", 57, 60, hundred["across_v"], "V"),
        near("ADC 2, 3 at full scale into 500 ohm", "`adc.electrode_divider`", full_a * 500 / divider, 0.5,
             run("pulse", board)["volt_v"], "V"),
        Row("ADC 2, 3, lead open, HV 65 V", "below `adc.vref_mv`", 3, adc.vref_mv / 1e3, high["volt_v"], "V"),
        near("ADC 4", "`adc.rail_divider`", hv / adc.rail_divider, 0.5, just["rail_v"], "V"),
    ]  # fmt: skip


def _trips(board: Board) -> list[Row]:
    vref, full_ma = values(board)["vref"], board.full_scale_ua / 1000
    ramp = run("trip", board, start_v=vref / 2, stop_v=vref * 1.4, ramp=800e-6)
    below = run("trip", board, start_v=vref * 1.09, stop_v=vref * 1.09, ramp=1e-6)
    timer = ("R_TRIP", "C_TRIP")
    doubled, early, late = (
        run("trip", board, start_v=vref * 2, stop_v=vref * 2, ramp=1e-6, **changes)
        for changes in ({}, corner(-1, *timer, threshold=-1), corner(1, *timer, threshold=1))
    )
    length = run("length", board)
    short, long = (run("length", board, **corner(side, "R_LENGTH", "C_LENGTH", threshold=side)) for side in (-1, 1))
    times = [(one["open_s"] - one["over_s"]) * 1e6 for one in (doubled, early, late)]
    line = "1.25 ms (1.15-1.4)"
    return [
        near("current trip: level", "110 % of full scale", full_ma * 1.1, 1, ramp["over_a"] * 1e3, "mA"),
        near("current trip: after", "20 us", 20, 10, times[0], "us"),
        near("the same, all parts low", "20 us", 20, 15, times[1], "us"),
        near("the same, all parts high", "20 us", 20, 15, times[2], "us"),
        Row("109 % for 1.1 ms", "does not trip", 0, 0, float("open_s" in below), "trips"),
        Row("most with gain 2 instead of 1", "twice", 0, full_ma * 2.02, doubled["most_a"] * 1e3, "mA"),
        near("phase-length one-shot", line, 1.25, 2, length["open_s"] * 1e3, "ms"),
        Row("the same, all parts low", line, ONE_SHOT_S[0] * 1e3, ONE_SHOT_S[1] * 1e3, short["open_s"] * 1e3, "ms"),
        Row("the same, all parts high", line, ONE_SHOT_S[0] * 1e3, ONE_SHOT_S[1] * 1e3, long["open_s"] * 1e3, "ms"),
        Row("800 us, gap 10 us", "does not trip", 0, 0.1, length["early_v"], "latched"),
        Row("charge let through until it opens", "full scale for 1.4 ms", 0, full_ma * ONE_SHOT_S[1] * 1e3,
            -length["charge_c"] * 1e6, "uC"),
    ]  # fmt: skip


def _switch(board: Board) -> list[Row]:
    low, high = run("switch", board, last_v=0), run("switch", board, last_v=3.3)
    # This timer empties its capacitor: it is early at a high threshold.
    early, late = (
        run("switch", board, last_v=0, **corner(side, "R_KEEP", "C_KEEP", threshold=-side)) for side in (-1, 1)
    )
    slow = run("switch", board, last_v=0, hv=values(board)["hv"] * HV_MOST, **corner(1, "C_RAIL", "R_RAIL"))
    drop = [(one["open_s"] - one["last_s"]) * 1e3 for one in (low, high, early, late)]
    off = [(one["rail5_s"] - one["open_s"]) * 1e3 for one in (low, slow)]
    bounds = DROP_OUT_S[0] * 1e3, DROP_OUT_S[1] * 1e3
    words = "80-120 ms"
    return [
        Row("KEEPALIVE stays low: opens after", words, *bounds, drop[0], "ms"),
        Row("KEEPALIVE stays high: opens after", words, *bounds, drop[1], "ms"),
        Row("the same, all parts low", words, *bounds, drop[2], "ms"),
        Row("the same, all parts high", words, *bounds, drop[3], "ms"),
        Row("rail under 5 V after", "within 10 ms", 0, RAIL_OFF_S * 1e3, off[0], "ms"),
        Row("the same, 65 V, all parts high", "within 10 ms", 0, RAIL_OFF_S * 1e3, off[1], "ms"),
    ]


def _capacitor(board: Board) -> list[Row]:
    cut, stuck = run("cut", board), run("stuck", board)
    volts = CHARGE_MOST_C / (board.series_capacitor_uf * 1e-6)
    tau_ms = 225 / log(cut["held_v"] / cut["held_later_v"])
    most_uc = board.series_capacitor_uf * values(board)["hv"]
    named = "`channel.series_capacitor_uf`"
    return [
        near("capacitor after one phase of 40 uC", named, volts, 1, cut["held_v"], "V"),
        near("bleeder: time constant", "22 kohm: 220 ms", 220, 5, tau_ms, "ms"),
        Row("most current that gives it back", "4 V into 22 kohm", 0, 0.2, -cut["back_a"] * 1e3, "mA"),
        Row("share given back after 1.2 s", "all in the end", 0.99, 1, -cut["back_c"] / cut["forward_c"], ""),
        Row(
            "all of it fails, one direction for good: charge",
            f"{named} x HV",
            0,
            most_uc,
            stuck["charge_c"] * 1e6,
            "uC",
        ),
        Row("the same, current after 0.1 s", "no direct current", -1, 1, stuck["later_a"] * 1e6, "uA"),
    ]
