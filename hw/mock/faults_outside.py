"""Faults of what is around the board's power: button, electrodes, and the converter that measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hw.mock.adc import NOISE_STEPS
from hw.mock.bench import Bench
from hw.mock.fault import CHANNEL, Do, Fault, number
from hw.mock.fault_args import Arg, Values
from hw.mock.load import OPEN, Load

# Button

_ALL: Final = frozenset((1, 2, 3))


def _contact(values: Values) -> int:
    return int(str(values["CONTACT"]))


_BUTTON: Final = (
    Fault(
        "estop-press",
        "button",
        (),
        "The emergency-stop button is pressed and stays in.",
        "ESTOP_A high, ESTOP_B low, the rail falls under 5 V within 10 ms",
        lambda bench, _: bench.board.press(_ALL, bench.now),
        lambda bench: bench.board.press(frozenset(), bench.now),
    ),
    Fault(
        "estop-release",
        "button",
        (),
        "The button is turned and comes out.",
        "ESTOP_A low, ESTOP_B high; the switch may close again",
        lambda bench, _: bench.board.press(frozenset(), bench.now),
    ),
    Fault(
        "estop-bounce",
        "button",
        (Arg("TIME", low=1, high=1000, unit="ms"),),
        "The button is pressed and its contacts bounce, each by itself, before they stay open.",
        "ESTOP_A and ESTOP_B change several times and disagree meanwhile, then both say pressed",
        lambda bench, values: bench.bounce(int(number(values, "TIME") * 1000)),
        lambda bench: bench.board.press(frozenset(), bench.now),
    ),
    Fault(
        "estop-stuck",
        "button",
        (Arg("CONTACT", ("2", "3")),),
        "A contact that is read (2 is ESTOP_A, 3 ESTOP_B) stays closed when the button is pressed.",
        "after estop-press that line still says released, the two lines disagree",
        lambda bench, values: bench.change(lambda board: board.button.welded.add(_contact(values))),
        lambda bench: bench.change(lambda board: board.button.welded.difference_update((2, 3))),
    ),
    Fault(
        "estop-welded",
        "button",
        (),
        "Contact 1, in the way of the output switch, is welded.",
        "after estop-press both lines say pressed and the rail stays up",
        lambda bench, _: bench.change(lambda board: board.button.welded.add(1)),
        lambda bench: bench.change(lambda board: board.button.welded.discard(1)),
    ),
    Fault(
        "estop-cut",
        "button",
        (Arg("CONTACT", ("1", "2", "3")),),
        "The wire of a contact is cut.",
        "1: the rail falls; 2: ESTOP_A high; 3: ESTOP_B low, without a press",
        lambda bench, values: bench.change(lambda board: board.button.cut.add(_contact(values))),
        lambda bench: bench.change(lambda board: board.button.cut.clear()),
    ),
)

# Electrodes


def _mend_electrodes(bench: Bench) -> None:
    bench.mend_electrodes()


_ELECTRODES: Final = (
    Fault(
        "electrode-open",
        "electrode",
        (CHANNEL,),
        "A lead breaks or the electrode falls off.",
        "no current; the electrode's peak voltage is at compliance, about 60 V",
        lambda bench, values: bench.electrodes(values["CHANNEL"], lambda one: replace(one, instead=Load(OPEN))),
        _mend_electrodes,
    ),
    Fault(
        "electrode-short",
        "electrode",
        (CHANNEL, Arg("OHM", low=1, high=100, unit="ohm", optional=True)),
        "The electrode's contacts touch, or gel joins them (10 ohm if not said).",
        "the asked current at a voltage that is under 50 ohm",
        lambda bench, values: bench.electrodes(
            values["CHANNEL"], lambda one: replace(one, instead=Load(number(values, "OHM", 10.0) / 1000))
        ),
        _mend_electrodes,
    ),
    Fault(
        "electrode-peeled",
        "electrode",
        (CHANNEL,),
        "Half of the electrode has no contact any more: the same current through half the area.",
        "twice the voltage at the same current",
        lambda bench, values: bench.electrodes(values["CHANNEL"], lambda one: replace(one, worse=2.0)),
        _mend_electrodes,
    ),
    Fault(
        "electrode-drying",
        "electrode",
        (CHANNEL, Arg("RATE", low=1, high=100_000, unit="ohm a minute")),
        "The contact dries: its resistance rises steadily.",
        "the voltage rises from pulse to pulse, in the end the current falls",
        lambda bench, values: bench.electrodes(
            values["CHANNEL"],
            lambda one: replace(one, drying=number(values, "RATE") / 60_000, since=bench.now),
        ),
        _mend_electrodes,
    ),
)

# ADC


def _mend_adc(bench: Bench) -> None:
    bench.board.converter.mend()


def _adc(field: str, value: Callable[[Values], object]) -> Do:
    return lambda bench, values: setattr(bench.board.converter, field, value(values))


_CONVERTER: Final = (
    Fault(
        "adc-dead",
        "ADC",
        (),
        "The converter has no supply or does not answer.",
        "all eight channels read 0, the reference too",
        _adc("dead", lambda _: True),
        _mend_adc,
    ),
    Fault(
        "adc-stuck",
        "ADC",
        (Arg("CODE", low=0, high=4095, whole=True),),
        "The converter answers one code whatever is there.",
        "all eight channels read that code, the reference too",
        _adc("stuck", lambda values: int(number(values, "CODE"))),
        _mend_adc,
    ),
    Fault(
        "adc-input",
        "ADC",
        (Arg("INPUT", low=0, high=7, whole=True), Arg("CODE", low=0, high=4095, whole=True)),
        "One input of the converter is stuck.",
        "that channel reads that code, all others are right",
        lambda bench, values: bench.board.converter.stuck_inputs.update(
            {int(number(values, "INPUT")): int(number(values, "CODE"))}
        ),
        _mend_adc,
    ),
    Fault(
        "adc-noisy",
        "ADC",
        (Arg("STEPS", low=NOISE_STEPS, high=500, unit="steps of the converter, standard deviation"),),
        "The converter's inputs or its supply are noisy.",
        "readings scatter by that much, the reference's too",
        _adc("noise_steps", lambda values: number(values, "STEPS")),
        _mend_adc,
    ),
    Fault(
        "adc-factor",
        "ADC",
        (Arg("FACTOR", low=0.01, high=10),),
        "The converter's VREF is wrong, so that every reading is wrong by a factor.",
        "all readings are multiplied, the 1.250 V reference tells",
        _adc("factor", lambda values: number(values, "FACTOR")),
        _mend_adc,
    ),
    Fault(
        "adc-slow",
        "ADC",
        (Arg("TIME", low=1, high=60_000, unit="ms"),),
        "The converter takes a new sample of a channel only so long after the one before.",
        "readings are as old as that: a pulse, or the rail's fall, is seen late",
        _adc("stale_us", lambda values: int(number(values, "TIME") * 1000)),
        _mend_adc,
    ),
    Fault(
        "adc-reference",
        "ADC",
        (Arg("VOLT", low=0, high=3.3, unit="V"),),
        "The 1.250 V reference on channel 7 is off; the converter is well.",
        "channel 7 reads that voltage, all others are right",
        lambda bench, values: setattr(bench.board, "reference_volt", number(values, "VOLT")),
        lambda bench: setattr(bench.board, "reference_volt", bench.board.board.adc.reference_mv / 1000),
    ),
)

OUTSIDE: Final = (*_BUTTON, *_ELECTRODES, *_CONVERTER)
