"""The set-point: zero at first, slow up and only while a contraction is held, down at once."""

from __future__ import annotations

import pytest

from safety import limits
from safety.decode import Refusal
from safety.schedule import read_schedule
from safety.setpoint import SetPoint, grant_raise
from tests.support.stack import short_programme

SCHEDULE = read_schedule(short_programme(channel='"AB"'))
CAPS = {"A": 50_000, "B": 50_000}
HOLD_US = 500_000  # the hold of the first contraction lasts from here for 2.5 s; B's 10 ms later


def code(result: SetPoint | Refusal) -> str | None:
    return result.code if isinstance(result, Refusal) else None


@pytest.mark.req("SR-030")
def test_it_begins_at_zero() -> None:
    assert SetPoint().values_ua == (0, 0)
    assert SetPoint(5, (9000, 8000)).restarted() == SetPoint(7, (0, 0))


@pytest.mark.req("SR-031")
@pytest.mark.parametrize(
    ("step", "verdict"), [(1, None), (2000, None), (2001, "raise_step"), (0, "raise_step"), (-1, "raise_step")]
)
def test_the_size_of_a_step(step: int, verdict: str | None) -> None:
    now = SetPoint(0, (10_000, 0))
    assert code(grant_raise(now, {"A": 10_000 + step}, 600_000, 0, SCHEDULE, CAPS)) == verdict


@pytest.mark.req("SR-032")
@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        (0, "raise_not_held"),
        (HOLD_US - 1, "raise_not_held"),  # still the ramp
        (HOLD_US, None),
        (HOLD_US + 2_499_999, None),
        (HOLD_US + 2_500_000, "raise_not_held"),  # ramp down
        (5_000_000, "raise_not_held"),  # rest
        (8_000_000, None),  # the next one
        (-1, "raise_not_held"),
    ],
)
def test_only_while_a_contraction_is_held(at: int, verdict: str | None) -> None:
    assert code(grant_raise(SetPoint(), {"A": 2000}, at, at, SCHEDULE, CAPS)) == verdict


@pytest.mark.req("SR-032")
def test_each_channel_has_its_own_hold() -> None:
    assert code(grant_raise(SetPoint(), {"B": 2000}, HOLD_US + 9_999, 0, SCHEDULE, CAPS)) == "raise_not_held"
    assert code(grant_raise(SetPoint(), {"B": 2000}, HOLD_US + 10_000, 0, SCHEDULE, CAPS)) is None
    assert code(grant_raise(SetPoint(), {"A": 1, "B": 1}, HOLD_US, 0, SCHEDULE, CAPS)) == "raise_not_held"


@pytest.mark.req("SR-031")
@pytest.mark.parametrize(("apart", "verdict"), [(limits.RAISE_INTERVAL_MIN_US, None), (999_999, "raise_too_soon")])
def test_steps_are_a_second_apart(apart: int, verdict: str | None) -> None:
    first = grant_raise(SetPoint(), {"A": 2000}, HOLD_US, 0, SCHEDULE, CAPS)
    assert isinstance(first, SetPoint)
    now = first.at(HOLD_US)
    assert now.of("A") == 2000
    assert code(grant_raise(now, {"A": 4000}, HOLD_US + apart, HOLD_US, SCHEDULE, CAPS)) == verdict


def test_a_step_comes_into_force_with_its_time_and_a_new_revision() -> None:
    granted = grant_raise(SetPoint(3), {"A": 2000}, HOLD_US, 0, SCHEDULE, CAPS)
    assert isinstance(granted, SetPoint)
    assert (granted.revision, granted.of("A")) == (3, 0)
    assert granted.at(HOLD_US - 1) == granted
    assert (granted.at(HOLD_US).revision, granted.at(HOLD_US).values_ua) == (4, (2000, 0))


@pytest.mark.req("SR-031")
def test_one_step_at_a_time() -> None:
    granted = grant_raise(SetPoint(), {"A": 2000}, HOLD_US, 0, SCHEDULE, CAPS)
    assert isinstance(granted, SetPoint)
    assert code(grant_raise(granted, {"B": 2000}, HOLD_US + 500_000, 0, SCHEDULE, CAPS)) == "raise_pending"


@pytest.mark.req("SR-031")
def test_not_for_what_is_approved_already() -> None:
    assert code(grant_raise(SetPoint(), {"A": 1}, HOLD_US, HOLD_US, SCHEDULE, CAPS)) is None
    assert code(grant_raise(SetPoint(), {"A": 1}, HOLD_US, HOLD_US + 1, SCHEDULE, CAPS)) == "raise_too_late"


@pytest.mark.req("SR-031", "SR-146")
@pytest.mark.parametrize(("ahead", "verdict"), [(1_000_000, None), (1_000_001, "raise_too_far")])
def test_not_far_ahead(ahead: int, verdict: str | None) -> None:
    """Whoever asks is there now; forty contractions later nobody may be."""
    at = 8_000_000
    assert code(grant_raise(SetPoint(), {"A": 1}, at, at - ahead, SCHEDULE, CAPS)) == verdict
    assert code(grant_raise(SetPoint(), {"A": 1}, 8_000_000 + 7_500_000, 0, SCHEDULE, CAPS)) == "raise_too_far"


@pytest.mark.req("SR-010", "SR-031")
@pytest.mark.parametrize(("cap", "verdict"), [(2000, None), (1999, "over_cap")])
def test_not_over_the_cap(cap: int, verdict: str | None) -> None:
    assert code(grant_raise(SetPoint(), {"A": 2000}, HOLD_US, 0, SCHEDULE, {"A": cap})) == verdict


@pytest.mark.req("SR-010")
def test_a_missing_cap_is_zero() -> None:
    assert code(grant_raise(SetPoint(), {"A": 1}, HOLD_US, 0, SCHEDULE, {})) == "over_cap"


def test_a_step_names_channels_that_exist() -> None:
    assert code(grant_raise(SetPoint(), {}, HOLD_US, 0, SCHEDULE, CAPS)) == "raise_empty"
    assert code(grant_raise(SetPoint(), {"C": 1}, HOLD_US, 0, SCHEDULE, CAPS)) == "raise_channel"


@pytest.mark.req("SR-033")
def test_lowering_is_at_once_and_forgets_what_was_ahead() -> None:
    granted = grant_raise(SetPoint(1, (10_000, 5000)), {"A": 12_000}, HOLD_US, 0, SCHEDULE, CAPS)
    assert isinstance(granted, SetPoint)
    lowered = granted.lowered({"A": 3000})
    assert isinstance(lowered, SetPoint)
    assert (lowered.revision, lowered.values_ua, lowered.ahead) == (3, (3000, 5000), None)
    assert lowered.at(HOLD_US) == lowered


@pytest.mark.req("SR-033")
@pytest.mark.parametrize("to", [{"A": 10_001}, {"A": -1}, {"C": 0}])
def test_lowering_only_lowers(to: dict[str, int]) -> None:
    assert code(SetPoint(1, (10_000, 5000)).lowered(to)) == "not_lower"


@pytest.mark.req("SR-031")
def test_a_step_that_is_withdrawn_is_forgotten_under_a_new_revision() -> None:
    ahead = grant_raise(SetPoint(3, (10_000, 0)), {"A": 12_000}, 600_000, 0, SCHEDULE, CAPS)
    assert isinstance(ahead, SetPoint)
    assert ahead.ahead is not None
    assert ahead.renewed() == SetPoint(5, (10_000, 0), None, ahead.last_raise_us)


@pytest.mark.req("SR-033")
@pytest.mark.parametrize("to", [0, 1, 9_999, 10_000])
def test_lowering_may_stay_or_go_to_zero(to: int) -> None:
    assert SetPoint(1, (10_000, 5_000)).lowered({"A": to}) == SetPoint(3, (to, 5_000))
