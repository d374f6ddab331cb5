"""The electrode check's pulses, what its readings amount to, and its steps on a scripted board."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from safety import electrode, limits
from safety.decode import Chunk, Refusal
from safety.electrode import (
    CURRENT_HIGH,
    CURRENT_LOW,
    FINDINGS,
    OPEN,
    OUT_OF_RANGE,
    POLARITY,
    RAIL_LOST,
    SHORT,
    UNREAD,
    Finding,
    Peaks,
    evaluate,
)
from tests.support.chunks import train
from tests.support.scripted import FIGURES, MASK, ScriptedPort, Seen, mended

ASKED = 1_989
"""163 / 4096 of 50 mA."""


def checked(port: ScriptedPort, channels: str = "A") -> dict[str, Finding]:
    return port.drive(electrode.run(port, FIGURES, channels, port.now_us))


# --- the pulses -------------------------------------------------------------------------------------------------------


@pytest.mark.req("SR-138")
@pytest.mark.parametrize("full_scale_ua", limits.FULL_SCALES_UA)
@pytest.mark.parametrize("channel", ["A", "B"])
def test_each_wave_is_a_chunk_of_balanced_pulses_of_2_ma(channel: str, full_scale_ua: int) -> None:
    figures = replace(FIGURES, full_scale_ua=full_scale_ua)
    chunk = electrode.admit(figures, electrode.wave(figures, channel))
    assert isinstance(chunk, Chunk)
    assert chunk.duration_us == electrode.LENGTH_US <= limits.CHUNK_MAX_US
    assert [pulse.start_us for pulse in chunk.pulses] == [500, 15_500, 30_500, 45_500]
    for pulse in chunk.pulses:
        assert (pulse.channel, pulse.width_us, pulse.second_us, pulse.gap_us) == (channel, 250, 250, 1_000)
        assert 1_950 < pulse.code * full_scale_ua / 4096 <= 2_000
        assert (pulse.code + 1) * full_scale_ua / 4096 > 2_000


def test_what_peak_reset_shows_of_each_pulse() -> None:
    """And that the holds are emptied when a pulse begins, and stay as they are after it where it is read then."""
    level = at = 0
    shown = {"A_POS": [0] * 4, "A_NEG": [0] * 4}
    emptied, kept = [], []
    for on, off, us in struct.iter_unpack("<3I", electrode.wave(FIGURES, "A")):
        level = (level | on) & ~off
        number = max(0, (at - 500) // electrode.PERIOD_US)
        for line, each in shown.items():
            if level & MASK[line] and not level & MASK["PEAK_RESET"]:
                each[number] += us
        if on & MASK["A_POS"] or not at:
            emptied.append(bool(level & MASK["PEAK_RESET"]))
        if off & MASK["A_NEG"] and at:
            kept.append(not level & MASK["PEAK_RESET"])
        at += us
    assert not level & MASK["PEAK_RESET"], "the holds work again at the end"
    assert shown == {"A_POS": [230, 230, 230, 0], "A_NEG": [0, 0, 250, 230]}
    assert emptied == [True] * 5
    assert kept == [False, False, True, True]


def test_what_may_be_played() -> None:
    assert isinstance(electrode.admit(FIGURES, train([1_000], 163)), Chunk)
    for data, code in (
        (train([1_000], 164), "over_check"),
        (train([1_000], 100, width=251), "over_check"),
        (train([1_000], 163)[:-1], "malformed"),
        (b"", "malformed"),
        (struct.pack("<3I", MASK["OUTPUT_ENABLE"], 0, 10), "foreign_line"),
        (train([1_000], 163)[12:], "unknown_state"),
    ):
        refusal = electrode.admit(FIGURES, data)
        assert isinstance(refusal, Refusal)
        assert refusal.code == code


# --- what the readings say --------------------------------------------------------------------------------------------


def both(current_ua: int, voltage_mv: int) -> Finding:
    return evaluate(FIGURES, Peaks(current_ua, voltage_mv), Peaks(current_ua, voltage_mv))


@pytest.mark.parametrize(
    ("current_ua", "voltage_mv", "expected"),
    [
        (ASKED, 995, Finding(500, None)),
        (ASKED, 199, Finding(100, None)),
        (ASKED, 198, Finding(99, OUT_OF_RANGE)),
        (ASKED, 100, Finding(50, OUT_OF_RANGE)),
        (ASKED, 99, Finding(49, SHORT)),
        (ASKED, 0, Finding(0, SHORT)),
        (ASKED, 19_891, Finding(10_000, None)),
        (ASKED, 19_892, Finding(10_001, OUT_OF_RANGE)),
        (ASKED, 59_000, Finding(29_663, OUT_OF_RANGE)),
        (2_000, 60_000, Finding(30_000, OUT_OF_RANGE)),
        (1_999, 59_990, Finding(30_010, OPEN)),
        (994, 54_000, Finding(54_325, OPEN)),
        (994, 53_999, Finding(54_324, CURRENT_LOW)),
        (0, 60_000, Finding(None, OPEN)),
        (0, 0, Finding(None, CURRENT_LOW)),
        (1_691, 760, Finding(449, None)),
        (1_690, 760, Finding(449, CURRENT_LOW)),
        (2_287, 1_000, Finding(437, None)),
        (2_288, 1_000, Finding(437, CURRENT_HIGH)),
        (20_000, 60_000, Finding(3_000, CURRENT_HIGH)),
    ],
)
def test_like_polarities(current_ua: int, voltage_mv: int, expected: Finding) -> None:
    assert FIGURES.peak_step_ua == 21
    assert FIGURES.electrode_step_mv == 17
    assert both(current_ua, voltage_mv) == expected


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        (Peaks(2_000, 1_000), Peaks(1_737, 1_000), None),
        (Peaks(2_000, 1_000), Peaks(1_736, 1_000), POLARITY),
        (Peaks(2_000, 1_000), Peaks(2_000, 449), None),
        (Peaks(2_000, 1_000), Peaks(2_000, 448), POLARITY),
        (Peaks(2_000, 1_000), Peaks(0, 0), POLARITY),
        (Peaks(2_000, 1_000), Peaks(0, 60_000), OPEN),
        (Peaks(2_000, 1_000), Peaks(1_000, 60_000), POLARITY),
        (Peaks(2_000, 1_000), Peaks(2_500, 1_000), CURRENT_HIGH),
        (Peaks(2_000, 60), Peaks(2_000, 10), SHORT),
    ],
)
def test_unlike_polarities(one: Peaks, other: Peaks, code: str | None) -> None:
    assert evaluate(FIGURES, one, other).code == evaluate(FIGURES, other, one).code == code


def test_a_larger_full_scale_widens_the_bands() -> None:
    """Three steps of 41 uA at 100 mA."""
    coarse = replace(FIGURES, full_scale_ua=100_000, peak_step_ua=41)
    assert evaluate(coarse, Peaks(2_000, 1_000), Peaks(1_700, 1_000)).code is None
    assert evaluate(FIGURES, Peaks(2_000, 1_000), Peaks(1_700, 1_000)).code == POLARITY


# --- in steps ---------------------------------------------------------------------------------------------------------


def test_both_channels_in_turn() -> None:
    port = ScriptedPort()
    start = port.now_us
    assert checked(port, "BA") == {"B": Finding(500, None), "A": Finding(500, None)}
    assert port.now_us - start < 160_000
    assert port.calls[0][1] == "OUTPUT_ENABLE 1"
    assert port.calls[-1][1] == "OUTPUT_ENABLE 0"
    assert len(port.calls) == 4
    assert all(wait.kick and not wait.trips for wait in port.waits)
    assert [wait.toggle for wait in port.waits] == [False, *[True] * (len(port.waits) - 1)]


def test_each_polarity_is_read_by_itself() -> None:
    assert checked(ScriptedPort(peaks=((0, 0), (ASKED, 995))))["A"] == Finding(500, POLARITY)
    assert checked(ScriptedPort(peaks=((ASKED, 995), (0, 0))))["A"] == Finding(500, POLARITY)
    assert checked(ScriptedPort(peaks=((ASKED, 1_194), (ASKED, 796))))["A"] == Finding(500, None)


def test_a_finding_of_the_electrode_lets_the_other_be_checked() -> None:
    port = ScriptedPort(peaks=((0, 60_000), (0, 60_000)))
    assert checked(port, "AB") == dict.fromkeys("AB", Finding(None, OPEN))


def test_a_fault_of_the_board_ends_it() -> None:
    port = ScriptedPort(peaks=((4_000, 995), (4_000, 995)))
    assert checked(port, "AB") == {"A": Finding(248, CURRENT_HIGH)}
    assert port.calls[-1][1] == "OUTPUT_ENABLE 0"
    assert port.calls[-1][0] == port.now_us, "the guard is told at once"


GOOD = (ASKED, 995)
TWENTY = (2_388, 1_194)
"""20 % above the asked."""


@pytest.mark.req("SR-134", "SR-138")
@pytest.mark.parametrize(
    ("peaks", "code"),
    [
        ((TWENTY, TWENTY), CURRENT_HIGH),
        ((TWENTY, GOOD), CURRENT_HIGH),
        ((GOOD, TWENTY), CURRENT_HIGH),
        (((0, 0), (0, 0)), CURRENT_LOW),
    ],
)
@pytest.mark.parametrize(
    ("met", "first"), [*((True, first) for first in range(3)), *((False, first) for first in range(15))]
)
def test_wrong_pulses_end_within_60_ms_of_the_first(
    first: int, met: bool, peaks: tuple[tuple[int, int], tuple[int, int]], code: str
) -> None:
    """Whichever pulse is the first, of whichever wave, though no look meet a gap; the guard stops when this ends."""
    wrong_us = 1_020_501 + first // 4 * 52_500 + first % 4 * electrode.PERIOD_US
    port = ScriptedPort(later=(wrong_us, peaks))
    if not met:
        port.mend = mended(playing=7)
    assert checked(port)["A"].code == code
    assert port.calls[-1] == (port.now_us, "OUTPUT_ENABLE 0")
    assert port.now_us - wrong_us <= 45_000


def test_an_open_or_short_electrode_ends_with_its_wave() -> None:
    """Though no look meet a gap: 3 pulses or 100 ms."""
    for peaks, code in (((0, 60_000), OPEN), ((ASKED, 60), SHORT)):
        port = ScriptedPort(peaks=(peaks, peaks))
        port.mend = mended(playing=7)
        assert checked(port)["A"].code == code
        assert sum(what.startswith("play") for _, what in port.calls) == 1


def test_without_a_rail_nothing_is_played() -> None:
    port = ScriptedPort(rises_after=100)
    assert checked(port, "AB") == {"A": Finding(None, RAIL_LOST)}
    assert [what for _, what in port.calls] == ["OUTPUT_ENABLE 1", "OUTPUT_ENABLE 0"]


def test_a_rail_that_rises_late_and_just_so_far() -> None:
    port = ScriptedPort()
    port.mend = lambda seen: replace(seen, rail_mv=FIGURES.compliance_mv) if seen.rail_mv else seen
    assert checked(port)["A"].code is None
    assert checked(ScriptedPort(rises_after=5))["A"].code is None


def test_gaps_that_are_never_met() -> None:
    """Looks that see another wave, a phase line or PEAK_RESET high are not believed, whatever they read."""
    for changes in (
        {"playing": 7},
        {"bank": MASK["A_POS"]},
        {"bank": MASK["B_NEG"]},
        {"bank": MASK["PEAK_RESET"]},
        {"reference_mv": 1_254},
        {"reference_mv": 1_246},
    ):
        port = ScriptedPort()
        port.mend = mended(**changes)
        assert checked(port) == {"A": Finding(None, UNREAD)}
        assert sum(what.startswith("play") for _, what in port.calls) == electrode.WAVES


@pytest.mark.parametrize(("reading", "waves"), [(2, 1), (3, 1), (4, 3)])
def test_a_converter_that_is_wrong_for_one_reading_is_not_believed(reading: int, waves: int) -> None:
    """In a gap (the other one will do), after the third pulse, after the wave (which is played again)."""
    port = ScriptedPort()
    looks = 0

    def once_wrong(seen: Seen) -> Seen:
        nonlocal looks
        looks += port.wave is not None
        return replace(seen, peak_ua=(9_000, 9_000), reference_mv=1_254) if looks == reading else seen

    port.mend = once_wrong
    assert checked(port) == {"A": Finding(500, None)}
    assert sum(what.startswith("play") for _, what in port.calls) == waves


def test_a_look_at_the_third_pulse_that_comes_in_the_midst_of_the_fourth_says_nothing() -> None:
    """There the holds are empty, which is no want of current."""
    port = ScriptedPort()

    def late(seen: Seen) -> Seen:
        if seen.playing is None or port.now_us - port.calls[-1][0] <= 30_000:
            return seen
        return replace(seen, bank=seen.bank | MASK["PEAK_RESET"], peak_ua=(0, 0), electrode_mv=(0, 0))

    port.mend = late
    assert checked(port) == {"A": Finding(500, None)}


def test_one_gap_that_is_met_will_do() -> None:
    port = ScriptedPort()
    looks = 0

    def mostly_busy(seen: Seen) -> Seen:
        nonlocal looks
        looks += seen.playing is not None
        return replace(seen, bank=seen.bank | MASK["PEAK_RESET"]) if looks < 8 and seen.playing is not None else seen

    port.mend = mostly_busy
    assert checked(port) == {"A": Finding(500, None)}
    assert sum(what.startswith("play") for _, what in port.calls) == 3


def test_the_largest_of_the_looks_counts() -> None:
    """One look whose readings came after the gap, when the holds were empty, does no harm."""
    port = ScriptedPort()
    looks = 0

    def once_late(seen: Seen) -> Seen:
        nonlocal looks
        looks += seen.playing is not None
        late = looks == 4 and seen.playing is not None
        return replace(seen, peak_ua=(0, 0), electrode_mv=(0, 0)) if late else seen

    port.mend = once_late
    assert checked(port) == {"A": Finding(500, None)}


@pytest.mark.parametrize("now_us", [1_000_000, (1 << 32) - 5_000])
@pytest.mark.parametrize(
    ("late_us", "peaks", "found"),
    [
        (0, (GOOD, GOOD), Finding(500, None)),
        (1_300, (GOOD, GOOD), Finding(500, None)),  # what they show can come from nothing else
        (0, ((0, 0), GOOD), Finding(500, POLARITY)),
        (1_300, ((0, 0), GOOD), Finding(None, UNREAD)),  # that they show nothing says nothing
        (13_000, (GOOD, GOOD), Finding(None, UNREAD)),  # the next pulse, of which both phases are shown
    ],
)
def test_a_look_that_was_over_after_the_gap_says_nothing_of_a_missing_phase(
    late_us: int, peaks: tuple[tuple[int, int], tuple[int, int]], found: Finding, now_us: int
) -> None:
    port = ScriptedPort(now_us=now_us, kicked_us=now_us - 100_000, peaks=peaks)
    port.mend = lambda seen: replace(seen, tick=(seen.tick + late_us) % (1 << 32))
    assert checked(port) == {"A": found}


def test_findings_are_no_causes() -> None:
    assert not {CURRENT_HIGH, CURRENT_LOW, RAIL_LOST} & set(FINDINGS)
    assert electrode.CHECK_UA <= limits.RAISE_STEP_MAX_UA
