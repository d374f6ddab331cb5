"""Faults of the way from the lines to the current: DAC, bridges, sources, rail, trips and supply."""

from __future__ import annotations

from typing import Final

from hw.board import PHASE_LINES
from hw.mock.bench import Bench
from hw.mock.board import BoardModel
from hw.mock.dac import CODES
from hw.mock.fault import CHANNEL, LEVEL, Fault, Mend, high, number, setting
from hw.mock.fault_args import Arg, Values
from hw.mock.switch import HV_VOLT

_WORD_1: Final = 0x3000
"""Gain 1, active."""

# DAC and its lines


def _stick_dac(bench: Bench, values: Values) -> None:
    board, channel = bench.board, str(values["CHANNEL"])
    board.bring(bench.now)
    board.latches.stuck.add(channel)
    if values["CODE"] is not None:
        board.ask(channel, _WORD_1 | int(number(values, "CODE")), bench.now)


def _stick_bit(bench: Bench, values: Values) -> None:
    def stick(board: BoardModel) -> None:
        bit = 1 << int(number(values, "BIT"))
        one = bit if high(values) else 0
        board.latches.ones = board.latches.ones & ~bit | one
        board.latches.zeros = board.latches.zeros & ~bit | bit ^ one

    bench.change(stick)


def _mend_dac(bench: Bench) -> None:
    def mend(board: BoardModel) -> None:
        board.latches.stuck.clear()
        board.latches.ones = board.latches.zeros = 0

    bench.change(mend)


def _stick_line(bench: Bench, values: Values) -> None:
    bench.board.stick(bench.board.board[str(values["LINE"])].mask, high(values), bench.now)


def _mend_lines(*names: str) -> Mend:
    return lambda bench: bench.board.stick(bench.board.board.mask(*names), None, bench.now)


_DAC: Final = (
    Fault(
        "dac-stuck",
        "DAC",
        (CHANNEL, Arg("CODE", low=0, high=CODES - 1, whole=True, optional=True)),
        "A channel of the DAC does not change any more: it stays where it is, or at a code.",
        "every pulse of that channel has that amplitude, whatever its frame says",
        _stick_dac,
        _mend_dac,
    ),
    Fault(
        "dac-bit",
        "DAC",
        (Arg("BIT", low=0, high=15, whole=True), LEVEL),
        "One bit of the DAC's input register is stuck (15 channel, 13 gain, 12 shutdown, 11-0 code).",
        "currents that lack the bit or always have it; bit 13 low doubles them, bit 15 swaps channels",
        _stick_bit,
        _mend_dac,
    ),
    Fault(
        "dac-line",
        "DAC",
        (Arg("LINE", ("DAC_SDI", "DAC_SCK", "DAC_CS_N")), LEVEL),
        "A line of the DAC is stuck behind the pin, which still shows what is written.",
        "SDI high asks full scale of B, SDI low shuts A down; SCK or CS_N: the amplitude never changes again",
        _stick_line,
        _mend_lines("DAC_SDI", "DAC_SCK", "DAC_CS_N"),
    ),
)

# Bridges, sources, rail, trips


def _gain(bench: Bench, values: Values, signs: tuple[int, ...]) -> None:
    def change(board: BoardModel) -> None:
        for sign in signs:
            board.channels[str(values["CHANNEL"])].gain(sign, number(values, "FACTOR"))

    bench.change(change)


def _mend_gains(bench: Bench) -> None:
    def mend(board: BoardModel) -> None:
        for channel in board.channels.values():
            for sign in (1, -1):
                channel.gain(sign, 1.0)

    bench.change(mend)


_POWER: Final = (
    Fault(
        "phase-line",
        "bridge and source",
        (Arg("LINE", PHASE_LINES), LEVEL),
        "A phase line is stuck behind the pin, which still shows what is written.",
        "low: that phase is missing, the average leaves 0; high: the one-shot trips after 1.25 ms",
        _stick_line,
        _mend_lines(*PHASE_LINES),
    ),
    Fault(
        "source-gain",
        "bridge and source",
        (CHANNEL, Arg("FACTOR", low=0, high=4)),
        "The current source is wrong by a factor, in both polarities.",
        "peak current differs from the code's; above 1.1 of full scale the current trip opens",
        lambda bench, values: _gain(bench, values, (1, -1)),
        _mend_gains,
    ),
    Fault(
        "source-polarity",
        "bridge and source",
        (CHANNEL, Arg("POLARITY", ("positive", "negative")), Arg("FACTOR", low=0, high=4)),
        "The current source is wrong by a factor in one polarity.",
        "pulses are not balanced: the average leaves 0, the series capacitor charges",
        lambda bench, values: _gain(bench, values, (1,) if values["POLARITY"] == "positive" else (-1,)),
        _mend_gains,
    ),
    Fault(
        "rail-sag",
        "bridge and source",
        (Arg("VOLT", low=0, high=HV_VOLT, unit="V"),),
        "The high voltage sags to so much.",
        "the rail reads that; pulses that need more than 3 V less are cut to what there is",
        lambda bench, values: bench.change(lambda board: setattr(board.switch, "hv_volt", number(values, "VOLT"))),
        setting(lambda board: board.switch, "hv_volt", HV_VOLT, HV_VOLT)[1],
    ),
    Fault(
        "rail-stuck",
        "bridge and source",
        (),
        "The output switch is welded.",
        "the rail stays up with OUTPUT_ENABLE low, KEEPALIVE still and the button pressed",
        *setting(lambda board: board.switch, "welded", True, False),
    ),
    Fault(
        "current-trip",
        "trips",
        (),
        "The over-current comparator trips.",
        "FAULT_N low, no current, until FAULT_RESET is given for 1 ms",
        lambda bench, _: bench.board.trip(bench.now),
    ),
    Fault(
        "trip-defeated",
        "trips",
        (),
        "The over-current comparator does not work.",
        "a current above 110 % of full scale flows on, FAULT_N stays high",
        *setting(lambda board: board.trips, "comparator_works", False, True),
    ),
    Fault(
        "one-shot-defeated",
        "trips",
        (),
        "The phase-length one-shot does not work.",
        "a phase line that stays high puts current out, FAULT_N stays high",
        *setting(lambda board: board.trips, "one_shot_works", False, True),
    ),
    Fault(
        "keepalive-stuck",
        "trips",
        (LEVEL,),
        "KEEPALIVE is stuck behind the pin, which still shows what is written.",
        "the rail falls 100 ms after the last toggle that got through",
        lambda bench, values: bench.board.stick(bench.board.board["KEEPALIVE"].mask, high(values), bench.now),
        _mend_lines("KEEPALIVE"),
    ),
    Fault(
        "drop-out-defeated",
        "trips",
        (),
        "The KEEPALIVE one-shot does not drop out once it was toggled.",
        "the rail stays up when the toggling stops",
        *setting(lambda board: board.switch, "kept", True, False),
    ),
    Fault(
        "battery-low",
        "supply",
        (),
        "The battery is low.",
        "POWER_OK low, the rail stays",
        *setting(lambda board: board, "battery_low", True, False),
    ),
    Fault(
        "charger",
        "supply",
        (),
        "A charger is connected.",
        "POWER_OK low and the rail falls",
        *setting(lambda board: board.switch, "charger", True, False),
    ),
)

POWER: Final = (*_DAC, *_POWER)
