"""The watch: every rule by itself, at its bound, and with what it may not be mistaken for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from safety.watch import Check, Memory, judge
from safety.window import Asked
from tests.support.readings import A_NEG, A_POS, B_NEG, B_POS, FACTS, FAULT_N, GOOD_BANK, NOW_US, POWER_OK, check

BOTH = frozenset("AB")


def causes(one: Check, memory: Memory | None = None) -> set[str]:
    return set(judge(FACTS, memory or Memory(), one)[1])


def follow(checks: Sequence[Check], memory: Memory | None = None) -> tuple[Memory, list[set[str]]]:
    """Judges one check after another."""
    memory, found = memory or Memory(), []
    for one in checks:
        memory, codes = judge(FACTS, memory, one)
        assert len(set(codes)) == len(codes)
        found.append(set(codes))
    return memory, found


def each_20_ms(count: int, **changes: Any) -> list[Check]:
    """Checks that follow each other, each with a window of its own."""
    return [check(NOW_US + n * 20_000, **changes) for n in range(count)]


def pulsed(code: int = 1638, width_us: int = 250) -> tuple[Asked, Asked]:
    """A asked for so much (1638: 20 mA, rounded up 19 996), B for nothing."""
    return Asked(code, code, width_us), Asked()


def test_nothing_is_wrong_when_nothing_is() -> None:
    assert follow(each_20_ms(40))[1] == [set()] * 40
    good = each_20_ms(40, asked=pulsed(), peak_ua=(19_980, 0), electrode_mv=(10_000, 0))
    assert follow(good)[1] == [set()] * 40


# --- lines ------------------------------------------------------------------------------------------------------------


def test_the_latch_of_the_trips() -> None:
    assert causes(check(bank=POWER_OK)) == {"tripped"}


@pytest.mark.parametrize("line", [A_POS, A_NEG, B_POS, B_NEG])
def test_a_phase_line_that_no_pulse_explains(line: int) -> None:
    mine, other = ("A", "B") if line in (A_POS, A_NEG) else ("B", "A")
    high = check(bank=GOOD_BANK | line)
    assert causes(high) == {"phase_stuck"}
    assert causes(high._replace(in_flight=frozenset(other))) == {"phase_stuck"}
    assert causes(high._replace(in_flight=frozenset(mine))) == set()


def test_two_phase_lines_are_never_high_at_once() -> None:
    assert causes(check(bank=GOOD_BANK | A_POS | B_NEG, in_flight=BOTH)) == {"phase_stuck"}


def test_a_trip_with_a_line_stuck_has_both_names() -> None:
    assert causes(check(bank=POWER_OK | A_POS)) == {"tripped", "phase_stuck"}


# --- power and rail ---------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-141")
def test_a_charger_is_named_at_once() -> None:
    assert causes(check(bank=FAULT_N, rail_mv=0)) == {"charger"}
    assert causes(check(bank=FAULT_N, rail_mv=57_999)) == {"charger"}


@pytest.mark.req("SR-141")
def test_a_low_battery_is_named_when_the_rail_had_time_to_fall() -> None:
    low = [check(NOW_US + after, bank=FAULT_N, rail_mv=58_000) for after in (0, 9_999, 10_000)]
    assert follow(low)[1] == [set(), set(), {"battery_low"}]


@pytest.mark.req("SR-141")
def test_a_charger_caught_in_the_first_moment_is_no_battery() -> None:
    first, then = check(bank=FAULT_N, rail_mv=62_000), check(NOW_US + 20_000, bank=FAULT_N, rail_mv=300)
    assert follow([first, then])[1] == [set(), {"charger"}]


def test_a_low_battery_stays_one_when_the_switch_was_opened() -> None:
    checks = each_20_ms(2, bank=FAULT_N)
    off = {"bank": FAULT_N, "rail_mv": 300, "enabled": False}
    checks += [check(NOW_US + 60_000, enabled_us=NOW_US + 40_000, **off)]
    memory, found = follow(checks)
    assert found == [set(), {"battery_low"}, {"battery_low"}]
    # It is over with the line; then the same reading is a charger's.
    memory, found = follow([check(NOW_US + 80_000, rail_mv=300, enabled=False)], memory)
    assert found == [set()]
    assert causes(check(NOW_US + 100_000, **off), memory) == {"charger"}


def test_a_charger_on_a_low_battery_is_found_while_the_switch_is_closed() -> None:
    _, found = follow([*each_20_ms(2, bank=FAULT_N), check(NOW_US + 40_000, bank=FAULT_N, rail_mv=0)])
    assert found[-1] == {"charger"}


def test_a_line_that_was_never_low_tells_of_no_battery() -> None:
    assert follow(each_20_ms(2))[0].battery_low is False


def test_a_low_battery_is_judged_anew_after_the_line_came_back() -> None:
    low = each_20_ms(2, bank=FAULT_N)
    well, again = check(NOW_US + 40_000), check(NOW_US + 60_000, bank=FAULT_N)
    assert follow([*low, well, again])[1][2:] == [set(), set()]


@pytest.mark.req("SR-137")
@pytest.mark.parametrize(
    ("rail_mv", "enabled_for", "toggled", "found"),
    [
        (58_000, 10_000, 80_000, set()),
        (57_999, 10_000, 80_000, {"rail_lost"}),
        (0, 9_999, 80_000, set()),  # still rising
        (0, 10_000, 80_001, set()),  # KEEPALIVE may have dropped out
        (0, 10_000, None, set()),
    ],
)
def test_a_rail_that_should_be_there(rail_mv: int, enabled_for: int, toggled: int | None, found: set[str]) -> None:
    kept = None if toggled is None else NOW_US - toggled
    assert causes(check(rail_mv=rail_mv, enabled_us=NOW_US - enabled_for, keepalive_us=kept)) == found


@pytest.mark.req("SR-137")
@pytest.mark.parametrize(
    ("rail_mv", "enabled", "since", "toggled", "found"),
    [
        (4_999, False, 20_000, 0, set()),
        (5_000, False, 20_000, 0, {"rail_stuck"}),
        (63_000, False, 19_999, 0, set()),  # still falling
        (63_000, True, 1_000_000, 129_999, set()),
        (63_000, True, 1_000_000, 130_000, {"rail_stuck"}),
        (4_999, True, 1_000_000, 130_000, set()),
        (63_000, True, 1_000_000, None, {"rail_stuck"}),
    ],
)
def test_a_rail_that_should_be_gone(
    rail_mv: int, enabled: bool, since: int, toggled: int | None, found: set[str]
) -> None:
    kept = None if toggled is None else NOW_US - toggled
    one = check(rail_mv=rail_mv, enabled=enabled, enabled_us=NOW_US - since, keepalive_us=kept)
    assert causes(one) == found


# --- current ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-134")
@pytest.mark.parametrize(
    ("code", "peak_ua", "found"),
    [
        (0, 100, set()),
        (0, 101, {"current_high"}),
        (164, 2_302, set()),  # 2 002 uA
        (164, 2_303, {"current_high"}),
        (1638, 22_095, set()),  # 19 996 uA
        (1638, 22_096, {"current_high"}),
    ],
)
@pytest.mark.parametrize("channel", [0, 1])
def test_too_much_current(code: int, peak_ua: int, found: set[str], channel: int) -> None:
    asked, peaks, mv = [Asked(), Asked()], [0, 0], [0, 0]
    asked[channel], peaks[channel], mv[channel] = Asked(code, 0, 250), peak_ua, peak_ua // 2
    mv[channel] = mv[channel] if code else 0
    one = check(asked=tuple(asked), peak_ua=tuple(peaks), electrode_mv=tuple(mv))
    assert causes(one) == found


def test_the_largest_that_may_have_played_counts_for_too_much_and_the_least_for_too_little() -> None:
    ramp = (Asked(1638, 819, 250), Asked())
    for peak_ua in (9_998, 19_996):
        assert follow(each_20_ms(3, asked=ramp, peak_ua=(peak_ua, 0), electrode_mv=(peak_ua // 2, 0)))[1] == [set()] * 3


@pytest.mark.req("SR-139")
@pytest.mark.parametrize(
    ("peak_ua", "mv", "found"),
    [
        (17_896, 9_000, set()),  # 90 % of 19 995 less 100
        (17_895, 9_000, {"current_low"}),
        (17_895, 53_999, {"current_low"}),
        (17_895, 54_000, {"load_drift"}),
        (9_998, 54_000, {"load_drift"}),
        (9_997, 54_000, {"lead_off"}),
        (0, 60_000, {"lead_off"}),
        (0, 0, {"current_low"}),
        (19_980, 53_999, set()),
        (19_980, 54_000, {"load_drift"}),
        (19_980, 1_000, set()),
        (19_980, 998, {"short"}),  # 49.9 ohm
        (19_980, 200, {"short"}),
    ],
)
def test_too_little_current_and_load_are_named_in_the_second_window(peak_ua: int, mv: int, found: set[str]) -> None:
    checks = each_20_ms(3, asked=pulsed(), peak_ua=(peak_ua, 0), electrode_mv=(mv, 0))
    assert follow(checks)[1] == [set(), found, found]


@pytest.mark.parametrize(
    ("peak_ua", "mv", "found"),
    [
        (9_458, 9_000, set()),  # 90 % of 10 620 less 100: of 10 620.1, of which a part of a uA is not counted
        (9_457, 9_000, {"current_low"}),
        (5_310, 54_000, {"load_drift"}),
        (5_309, 54_000, {"lead_off"}),
    ],
)
def test_what_must_have_flowed_is_in_whole_ua(peak_ua: int, mv: int, found: set[str]) -> None:
    checks = each_20_ms(2, asked=pulsed(870), peak_ua=(peak_ua, 0), electrode_mv=(mv, 0))
    assert follow(checks)[1] == [set(), found]


@pytest.mark.req("SR-134")
def test_what_was_asked_of_b_is_compared_with_b() -> None:
    crossed = check(asked=(Asked(), Asked(1638, 1638, 250)), peak_ua=(20_000, 0), electrode_mv=(10_000, 0))
    later = check(NOW_US + 20_000, asked=crossed.asked, peak_ua=(20_000, 0), electrode_mv=(10_000, 0))
    assert follow([crossed, later])[1] == [{"current_high"}, {"current_high", "current_low"}]


def test_one_window_that_was_read_twice_is_one() -> None:
    low = {"asked": pulsed(), "peak_ua": (0, 0), "electrode_mv": (60_000, 0)}
    twice = [check(NOW_US + n * 10_000, since_us=NOW_US - 20_000, **low) for n in range(2)]
    memory, found = follow(twice)
    assert found == [set(), set()]
    assert causes(check(NOW_US + 30_000, **low), memory) == {"lead_off"}


def test_a_window_that_was_bad_good_and_bad_again_is_a_finding_anew() -> None:
    bad = {"asked": pulsed(), "peak_ua": (0, 0), "electrode_mv": (60_000, 0)}
    good = {"asked": pulsed(), "peak_ua": (20_000, 0), "electrode_mv": (10_000, 0)}
    one = [check(NOW_US + n * 5_000, since_us=NOW_US - 20_000, **each) for n, each in enumerate((bad, good, bad))]
    assert follow([*one, check(NOW_US + 30_000, **bad)])[1] == [set(), set(), set(), {"lead_off"}]


def test_a_good_window_between_two_bad_ones_and_one_without_a_pulse() -> None:
    bad = {"asked": pulsed(), "peak_ua": (0, 0), "electrode_mv": (60_000, 0)}
    good = {"asked": pulsed(), "peak_ua": (20_000, 0), "electrode_mv": (10_000, 0)}
    at = [NOW_US + n * 20_000 for n in range(3)]
    assert follow([check(at[0], **bad), check(at[1], **good), check(at[2], **bad)])[1] == [set()] * 3
    assert follow([check(at[0], **bad), check(at[1]), check(at[2], **bad)])[1][2] == {"lead_off"}


@pytest.mark.parametrize(("code", "judged"), [(40, False), (41, True)])  # 488 and 500 uA
def test_below_the_floor_nothing_is_judged_and_that_is_said(code: int, judged: bool) -> None:
    memory, found = follow(each_20_ms(3, asked=pulsed(code)))
    assert memory.tracks[0].judged is judged
    assert found[2] == ({"current_low"} if judged else set())


def test_with_the_switch_open_no_current_is_missed() -> None:
    off = {"enabled": False, "rail_mv": 0, "asked": pulsed()}
    assert (
        follow([check(NOW_US + n * 20_000, enabled_us=NOW_US - 1_000_000, **off) for n in range(3)])[1] == [set()] * 3
    )


def test_what_was_last_judged_is_not_said_to_be_now() -> None:
    good = {"asked": pulsed(), "peak_ua": (20_000, 0), "electrode_mv": (10_000, 0)}
    memory, _ = follow([check(**good), check(NOW_US + 20_000)])
    assert not memory.tracks[0].judged
    assert memory.load_ohm == (500, None)


# --- load -------------------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-140")
@pytest.mark.parametrize(
    ("mv", "found"), [(15_999, set()), (16_000, {"load_drift"}), (5_000, set()), (4_990, {"load_drift"})]
)
def test_a_load_that_is_another_than_at_first(mv: int, found: set[str]) -> None:
    begin = each_20_ms(3, asked=pulsed(), peak_ua=(20_000, 0), electrode_mv=(10_000, 0))
    then = [check(one.now_us + 60_000, asked=pulsed(), peak_ua=(20_000, 0), electrode_mv=(mv, 0)) for one in begin]
    memory, codes = follow([*begin, *then])
    assert codes == [set(), set(), set(), set(), found, found]
    assert memory.load_ohm == (mv // 20, None)
    assert memory.tracks[0].loads == ((250, 500),)


def test_loads_are_compared_in_whole_ohm() -> None:
    """1.6 times 501 are 801.6, and 801.8 counts as 801."""
    mv = (10_020, 10_020, 16_036, 16_036)
    one = {"asked": pulsed(), "peak_ua": (20_000, 0)}
    checks = [check(NOW_US + n * 20_000, electrode_mv=(each, 0), **one) for n, each in enumerate(mv)]
    assert follow(checks)[1] == [set()] * 4


def test_each_width_has_a_load_of_its_own() -> None:
    narrow = each_20_ms(2, asked=pulsed(width_us=20), peak_ua=(20_000, 0), electrode_mv=(4_700, 0))
    wide = each_20_ms(2, asked=pulsed(width_us=800), peak_ua=(20_000, 0), electrode_mv=(10_000, 0))
    memory, found = follow([*narrow, *wide, *narrow])
    assert found == [set()] * 6
    assert memory.tracks[0].loads == ((20, 235), (800, 500))


def test_a_new_session_learns_its_loads_anew() -> None:
    """While what is known of the battery and the converter stays."""
    low = {"asked": pulsed(), "peak_ua": (20_000, 0), "bank": FAULT_N}
    memory, _ = follow(each_20_ms(2, electrode_mv=(4_000, 0), **low))
    assert memory.load_ohm == (200, None)
    memory = memory.begun()
    assert memory.load_ohm == (None, None)
    later = [check(NOW_US + n * 20_000, electrode_mv=(10_000, 0), **low) for n in range(2, 5)]
    memory, found = follow(later, memory)
    assert found == [{"battery_low"}] * 3
    assert memory.load_ohm == (500, None)


def test_widths_that_differ_in_one_window_are_no_measure() -> None:
    mixed = each_20_ms(2, asked=pulsed(width_us=0), peak_ua=(20_000, 0), electrode_mv=(10_000, 0))
    worse = each_20_ms(2, asked=pulsed(width_us=0), peak_ua=(20_000, 0), electrode_mv=(30_000, 0))
    memory, found = follow([*mixed, *worse])
    assert found == [set()] * 4
    assert memory.tracks[0].loads == ()


def test_a_bad_load_is_no_measure_of_later_ones() -> None:
    short = check(asked=pulsed(), peak_ua=(20_000, 0), electrode_mv=(200, 0))
    assert judge(FACTS, Memory(), short)[0].tracks[0].loads == ()


@pytest.mark.parametrize(("peak_ua", "load"), [(499, None), (500, 500)])
def test_a_load_is_told_from_enough_current_on(peak_ua: int, load: int | None) -> None:
    memory, _ = judge(FACTS, Memory(), check(asked=pulsed(41), peak_ua=(peak_ua, 0), electrode_mv=(250, 0)))
    assert memory.load_ohm == (load, None)


# --- average ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-135")
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("channel", [0, 1])
def test_direct_current(sign: int, channel: int) -> None:
    def at(after_us: int, ua: int) -> Check:
        average = [0, 0]
        average[channel] = sign * ua
        return check(NOW_US + after_us, average_ua=tuple(average))

    assert follow([at(0, 101), at(39_999, 101), at(40_000, 101)])[1] == [set(), set(), {"direct_current"}]
    assert follow([at(0, 101), at(20_000, 100), at(40_000, 101)])[1] == [set()] * 3
    assert follow([at(n * 20_000, 100) for n in range(10)])[1] == [set()] * 10


# --- converter --------------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-136")
@pytest.mark.parametrize("code", [0, 1551, 4095])
def test_all_codes_alike(code: int) -> None:
    same = check(raw=(code,) * 8, reference_mv=code * 3300 // 4096, rail_mv=0, peak_ua=(30_000, 30_000))
    assert causes(same) == {"adc_stuck"}


@pytest.mark.req("SR-136")
def test_readings_that_never_move() -> None:
    raw = (1, 2, 3, 4, 3127, 2048, 2047, 1551)
    checks = each_20_ms(51, raw=raw)
    assert follow(checks)[1] == [set()] * 50 + [{"adc_stuck"}]
    checks[30] = check(checks[30].now_us, raw=(2, *raw[1:]))
    assert follow(checks)[1] == [set()] * 51


def test_one_instant_read_often_is_not_frozen() -> None:
    assert follow([check()] * 80)[1] == [set()] * 80


@pytest.mark.req("SR-136")
@pytest.mark.parametrize(
    ("mv", "found"),
    [(1246, {"adc_reference"}), (1247, set()), (1253, set()), (1254, {"adc_reference"}), (0, {"adc_reference"})],
)
def test_the_reference(mv: int, found: set[str]) -> None:
    assert causes(check(reference_mv=mv)) == found


@pytest.mark.req("SR-136")
@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize(("ua", "found"), [(0, set()), (100, set()), (101, {"adc_offset"}), (9_998, {"adc_offset"})])
def test_peak_holds_that_were_emptied_are_empty(channel: int, ua: int, found: set[str]) -> None:
    """Though what they held before is just what was asked for."""
    held, emptied = [0, 0], [0, 0]
    held[channel], emptied[channel] = 9_998, ua
    asked = [Asked(819, 819, 250) if n == channel else Asked() for n in (0, 1)]
    mv = [9_998 if n == channel else 0 for n in (0, 1)]
    read = check(
        peak_ua=tuple(held),
        electrode_mv=tuple(mv),
        emptied_ua=tuple(emptied),
        asked=tuple(asked),
        in_flight=frozenset("AB"),
    )
    assert causes(read) == found


@pytest.mark.req("SR-136")
def test_a_converter_that_was_wrong_is_believed_again_after_a_second() -> None:
    wrong = check(reference_mv=1_254)
    later = [check(NOW_US + after) for after in (20_000, 999_999, 1_000_000)]
    memory, found = follow([wrong, *later])
    assert found == [{"adc_reference"}, {"adc_reference"}, {"adc_reference"}, set()]
    _, found = follow([check(NOW_US + 1_020_000, raw=(7,) * 8), check(NOW_US + 1_040_000)], memory)
    assert found == [{"adc_stuck"}, {"adc_stuck"}], "the doubt of before is over"


@pytest.mark.req("SR-136")
@pytest.mark.parametrize(("place", "code"), [(n, 4095) for n in (2, 3, 4, 5, 6)] + [(5, 0), (6, 0)])
def test_codes_that_cannot_be(place: int, code: int) -> None:
    raw = [0, 0, 0, 0, 3127, 2048, 2047, 1551]
    raw[place] = code
    assert causes(check(raw=tuple(raw))) == {"adc_range"}
    raw[place] = abs(code - 1)
    assert causes(check(raw=tuple(raw))) == set()


@pytest.mark.parametrize("place", [0, 1])
def test_a_peak_at_the_end_of_the_range_is_a_current(place: int) -> None:
    raw, peaks = [0, 0, 0, 0, 3127, 2048, 2047, 1551], [0, 0]
    raw[place], peaks[place] = 4095, 82_480
    assert causes(check(raw=tuple(raw), peak_ua=tuple(peaks))) == {"current_high"}


def test_from_a_converter_that_is_wrong_nothing_else_is_concluded() -> None:
    wrong = {"reference_mv": 1500, "peak_ua": (30_000, 0), "rail_mv": 0, "average_ua": (500, 500)}
    memory, found = follow(each_20_ms(4, **wrong))
    assert found == [{"adc_reference"}] * 4
    assert memory.tracks == Memory().tracks
    lines = check(bank=0, **wrong)
    assert causes(lines) == {"adc_reference", "tripped", "charger"}


@pytest.mark.req("SR-136")
def test_zero_is_zero_without_pulses() -> None:
    assert causes(check(electrode_mv=(1_000, 0))) == set()
    assert causes(check(electrode_mv=(1_001, 0))) == {"adc_offset"}
    assert causes(check(electrode_mv=(0, 1_001))) == {"adc_offset"}
    # While the other channel plays its voltage may be felt here.
    assert causes(check(electrode_mv=(0, 1_001), asked=(Asked(41, 0, 250), Asked()))) == set()


@pytest.mark.req("SR-136")
@pytest.mark.parametrize(
    ("since", "asked", "found"),
    [
        (20_000, Asked(), {"adc_offset"}),
        (19_999, Asked(), {"current_high"}),  # it may have flowed before the rail was gone
        (20_000, Asked(1, 0, 250), {"current_high"}),
    ],
)
def test_a_peak_with_the_rail_gone_is_an_offset(since: int, asked: Asked, found: set[str]) -> None:
    dark = check(peak_ua=(5_000, 0), asked=(asked, Asked()), enabled=False, rail_mv=0)
    assert causes(dark._replace(enabled_us=dark.since_us - since)) == found


# --- daemon and rhythm ------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-154")
@pytest.mark.parametrize(
    ("playing", "allowed", "found"),
    [
        (2, {1, 2}, set()),
        (0, {1, 2}, {"not_what_was_approved"}),
        (9998, {1, None}, {"not_what_was_approved"}),
        (None, {1}, {"not_what_was_approved"}),
        (None, {1, None}, set()),
        (1, {None}, {"not_what_was_approved"}),
    ],
)
def test_what_plays(playing: int | None, allowed: set[int | None], found: set[str]) -> None:
    assert causes(check(playing=playing, allowed=frozenset(allowed))) == found


def test_the_dead_man_runs() -> None:
    assert causes(check(dead_man_running=False)) == {"dead_man_fired"}


@pytest.mark.req("SR-143")
def test_a_mode_that_another_client_changed() -> None:
    assert causes(check(strayed=("ESTOP_A",))) == {"not_what_was_approved"}


@pytest.mark.req("SR-155")
def test_waves_that_another_client_changed() -> None:
    assert causes(check(holds=False)) == {"not_what_was_approved"}


@pytest.mark.req("SR-147")
@pytest.mark.parametrize(
    ("us", "slow", "found"), [(10_000, 0, set()), (10_001, 1, set()), (50_000, 1, set()), (50_001, 1, {"daemon_slow"})]
)
def test_answers_that_are_slow(us: int, slow: int, found: set[str]) -> None:
    memory, codes = judge(FACTS, Memory(), check(round_trip_us=us))
    assert (memory.slow, set(codes)) == (slow, found)
    assert judge(FACTS, memory, check(round_trip_us=us))[0].slow == 2 * slow


@pytest.mark.req("SR-147")
@pytest.mark.parametrize(("late", "found"), [(60_000, set()), (60_001, {"check_late"})])
def test_a_check_that_is_late(late: int, found: set[str]) -> None:
    assert causes(check(due_us=NOW_US - late)) == found


def test_everything_that_holds_is_told() -> None:
    one = check(bank=A_POS, rail_mv=0, peak_ua=(9_000, 9_000), playing=7, dead_man_running=False, round_trip_us=60_000)
    told = {"tripped", "phase_stuck", "charger", "current_high", "not_what_was_approved", "dead_man_fired"}
    assert causes(one) == told | {"daemon_slow"}


@pytest.mark.req("SR-147")
@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"keepalive_us": NOW_US - 150_000, "round_trip_us": 150_000}, {"daemon_slow"}),
        ({"keepalive_us": NOW_US - 280_000, "round_trip_us": 150_000}, {"daemon_slow", "rail_stuck"}),
        ({"keepalive_us": NOW_US - 130_000, "round_trip_us": 10_000}, {"rail_stuck"}),
    ],
    ids=["toggled with the reading", "long before it", "a daemon that is not slow"],
)
def test_a_rail_that_a_slow_daemon_read_long_ago_is_not_taken_for_one_that_stays(
    changes: dict[str, int], found: set[str]
) -> None:
    assert causes(check(**changes)) == found
