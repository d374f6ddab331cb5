"""What a record says of a session: from rows alone."""

from __future__ import annotations

from typing import Any

from controller.chain import Kind, Row, canonical
from controller.history import Record, records

DOSE = {
    "channel": "A",
    "continuous": False,
    "start_us": 0,
    "end_us": 6_000_000,
    "planned_pulses": 300,
    "planned_charge_pc": 900,
    "sent_pulses": 300,
    "sent_charge_pc": 900,
    "pulses": 300,
    "charge_pc": 900,
    "measured_ua": 10_100,
    "set_point_ua": 10_000,
    "load_ohm": 500,
}


def record(*said: tuple[Kind, str, dict[str, Any]]) -> Record:
    rows = [(Kind.SESSION, "10:00:00.000", {"event": "opened", "programme": "sprint", "simulated": True}), *said]
    made = [
        Row(number, f"2027-01-31T{at}+00:00", kind, canonical({"session": "ab", **told}), "")
        for number, (kind, at, told) in enumerate(rows, 1)
    ]
    (one,) = records(made)
    return one


def dose(number: int, **changes: Any) -> tuple[Kind, str, dict[str, Any]]:
    return Kind.DOSE, "10:00:01.000", {**DOSE, "contraction": number, **changes}


def test_how_long_it_was_under_the_comfortable_setting() -> None:
    weak = {"set_point_ua": 4_000, "measured_ua": 4_000}
    one = record(dose(1, **weak), dose(2, **weak, end_us=5_000_000), dose(3), dose(4), dose(5))
    assert one.comfortable_ua == {"A": 10_000}
    assert one.below_comfortable_us == {"A": 11_000_000}
    assert record().below_comfortable_us == {}


def test_pauses_and_how_long_they_were() -> None:
    one = record(
        (Kind.STATE, "10:00:10.000", {"mode": "running"}),
        (Kind.STATE, "10:01:00.250", {"mode": "paused"}),
        (Kind.STATE, "10:01:31.000", {"mode": "running"}),
        (Kind.STATE, "10:02:00.000", {"mode": "paused", "paused_by": "lease_lost"}),
        (Kind.STATE, "10:02:09.000", {"mode": "stopped"}),
    )
    at = "2027-01-31T10:0"
    assert one.pauses == [
        {"at": f"{at}1:00.250+00:00", "ms": 30_750, "cause": None},
        {"at": f"{at}2:00.000+00:00", "ms": None, "cause": "lease_lost"},
    ]


def test_what_came_and_was_not_planned_is_a_deviation() -> None:
    one = record(dose(1), dose(2, pulses=299, charge_pc=897), dose(3, measured_ua=8_899), dose(4, measured_ua=8_900))
    assert one.deviations == [
        {"contraction": 2, "channel": "A", "what": "pulses", "planned": 300, "came": 299},
        {"contraction": 2, "channel": "A", "what": "charge_pc", "planned": 900, "came": 897},
        {"contraction": 3, "channel": "A", "what": "current_ua", "planned": 10_000, "came": 8_899},
    ]


def test_a_phase_that_gives_a_part_of_the_set_point_does_not_deviate() -> None:
    """7 of 10 mA by the programme's percentage: what was given is told and compared, and it is not set lower."""
    weak = {"sent_ua": 7_000, "measured_ua": 6_950}
    one = record(dose(1, sent_ua=10_000), dose(2, **weak), dose(3, **weak), dose(4, sent_ua=7_000, measured_ua=6_199))
    assert one.deviations == [{"contraction": 4, "channel": "A", "what": "current_ua", "planned": 7_000, "came": 6_199}]
    assert one.comfortable_ua == {"A": 7_000}
    assert one.below_comfortable_us == {"A": 0}


def test_a_dose_that_does_not_tell_of_a_plan_deviates_from_none() -> None:
    old = {"contraction": 1, "channel": "A", "pulses": 3, "charge_pc": 9, "set_point_ua": 10_000}
    assert record((Kind.DOSE, "10:00:01.000", old)).deviations == []
