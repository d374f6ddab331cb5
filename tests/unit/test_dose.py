"""The dose of a programme whose phases give a part of the set-point: what is told is what was given."""

from __future__ import annotations

from fractions import Fraction

from controller.dose import Doses
from controller.history import given_ua
from controller.outcome import View
from controller.programme import parse_programme
from controller.timeline import LEAD_IN_US, Timeline
from tests.support.programmes import CONTRACTION, PAUSE, changed, programme_toml

FULL_UA, SET_UA = 50_000, 20_000
WEAK = changed(CONTRACTION, intensity_percent="70", repeats="1")
ONLY_B = changed(CONTRACTION, channel='"B"', intensity_percent="12.5", repeats="1")
TIMELINE = Timeline(
    parse_programme(programme_toml(changed(CONTRACTION, repeats="1"), WEAK, PAUSE, ONLY_B, WEAK), "test")
)


def test_a_dose_tells_what_was_given_of_the_set_point() -> None:
    doses, told = Doses(FULL_UA), []
    set_ua = dict.fromkeys("AB", SET_UA)
    came = {name: {"pulses": 0, "code_us": 0} for name in "AB"}
    for one in TIMELINE.slices(-LEAD_IN_US):
        codes = [pulse.code(SET_UA, FULL_UA) for pulse in one.pulses]
        told += doses.add(View(one, codes, set_ua, set_ua, 0, came, dict.fromkeys("AB")))
    told += doses.rest(came)
    step_ua = FULL_UA // 4096 + 1
    for dose, given in zip(told, (20_000, 14_000, 2_500, 14_000), strict=True):
        assert dose["set_point_ua"] == SET_UA
        assert 0 <= given - given_ua(dose) <= step_ua


def test_what_part_of_the_set_point_is_given_at_a_time() -> None:
    first, weak, only_b, last = (train.start_us for train in TIMELINE.trains)
    seen = [TIMELINE.share_at("A", at) for at in (0, first, weak - 1, weak, only_b, last, 10**12)]
    assert seen == [1, 1, 1, *[Fraction(7, 10)] * 4]
    assert {TIMELINE.share_at("B", at) for at in (0, weak, only_b, last)} == {Fraction(1, 8)}
