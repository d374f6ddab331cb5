"""The self-test's steps one by one, on a scripted board."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from safety import calibration, selftest
from safety.decode import Chunk, decode
from safety.errors import BoardError
from safety.steps import GONE_MV, NEAR_ZERO_MV, RAIL_RISES_US, Wait
from tests.support.chunks import words
from tests.support.scripted import BOARD, FACTS, FIGURES, MASK, PHASES, ScriptedPort, Seen, levels, mended


def outcome(port: ScriptedPort, *, rearm: bool = False) -> str | None:
    return port.drive(selftest.run(port, FIGURES, port.now_us, rearm=rearm, uncalibrated=None))


def with_enable(**changes: object) -> Callable[[Seen], Seen]:
    """Changes readings only while OUTPUT_ENABLE is high."""
    return lambda seen: mended(**changes)(seen) if seen.bank & MASK["OUTPUT_ENABLE"] else seen


FAILS: dict[str, tuple[str, dict[str, object]]] = {
    "version 78": ("self_test_daemon_version", {"facts_": replace(FACTS, version=78)}),
    "no listener": ("self_test_listeners", {"facts_": replace(FACTS, listeners=())}),
    "everywhere": ("self_test_listeners", {"facts_": replace(FACTS, listeners=("127.0.0.1", "0.0.0.0"))}),
    "outside": ("self_test_listeners", {"facts_": replace(FACTS, listeners=("::",))}),
    "a pin more": ("self_test_permission", {"facts_": replace(FACTS, permitted=FACTS.permitted | 1 << 2)}),
    "a script": ("self_test_left_over", {"facts_": replace(FACTS, scripts=(3,))}),
    "a wave": ("self_test_left_over", {"first_wave": 1}),
    "all alike": ("self_test_adc", {"mend": mended(raw=(9,) * 8), "panel": lambda _: 9}),
    "4 steps apart": ("self_test_adc", {"panel": lambda channel: (0, 0, 0, 0, 0, 2048, 2048, 1555)[channel]}),
    "reference high": ("self_test_reference", {"mend": mended(reference_mv=1254)}),
    "reference low": ("self_test_reference", {"mend": mended(reference_mv=1246)}),
    "current A": ("self_test_current", {"mend": mended(peak_ua=(251, 0))}),
    "current B": ("self_test_current", {"mend": mended(peak_ua=(0, 251))}),
    "current with the rail": ("self_test_current", {"mend": with_enable(peak_ua=(251, 0))}),
    "voltage": ("self_test_voltage", {"mend": mended(electrode_mv=(0, 501))}),
    "average up": ("self_test_average", {"mend": mended(average_ua=(101, 0))}),
    "average down": ("self_test_average", {"mend": mended(average_ua=(0, -101))}),
    "tripped": ("self_test_fault_line", {"mend": levels(off=MASK["FAULT_N"])}),
    "pressed": ("self_test_estop", {"mend": levels(on=MASK["ESTOP_A"], off=MASK["ESTOP_B"])}),
    "contact A": ("self_test_estop", {"mend": levels(on=MASK["ESTOP_A"])}),
    "contact B": ("self_test_estop", {"mend": levels(off=MASK["ESTOP_B"])}),
    "power": ("self_test_power", {"mend": levels(off=MASK["POWER_OK"])}),
    "a phase line high": ("self_test_lines", {"mend": levels(on=MASK["B_NEG"])}),
    "OUTPUT_ENABLE stays high": ("self_test_lines", {"mend": levels(on=MASK["OUTPUT_ENABLE"])}),
    "OUTPUT_ENABLE stays low": ("self_test_lines", {"mend": levels(off=MASK["OUTPUT_ENABLE"])}),
    "rail up": ("self_test_rail_stuck", {"mend": mended(rail_mv=NEAR_ZERO_MV)}),
    "rises alone": ("self_test_rail_without_keepalive", {"mend": with_enable(rail_mv=NEAR_ZERO_MV)}),
    "rail low": ("self_test_rail_low", {"mend": with_enable(rail_mv=NEAR_ZERO_MV - 1)}),
    "six toggles": ("self_test_rail_low", {"rises_after": 10}),
    "drops out late": ("self_test_drop_out", {"drop_out_us": 130_001}),
    "dead-man gone": ("self_test_dead_man", {"dead_man": False}),
    "dead-man late": ("self_test_dead_man", {"dead_man_us": 130_001}),
    "no trip": ("self_test_one_shot", {"trips": False}),
    "no re-arming": ("self_test_rearm", {"rearms": False}),
}


@pytest.mark.req("SR-130", "SR-131", "SR-132", "SR-144")
@pytest.mark.parametrize("fault", FAILS)
def test_each_step_fails_with_its_code(fault: str) -> None:
    code, broken = FAILS[fault]
    port = ScriptedPort(**broken)  # type: ignore[arg-type]
    assert outcome(port) == code
    assert code in selftest.CODES
    assert port.calls[-1][1] == "OUTPUT_ENABLE 0"


@pytest.mark.req("SR-130")
def test_every_code_is_given_by_some_step() -> None:
    once = {"self_test_rail_without_enable", calibration.MISSING, calibration.EXPIRED}
    assert {code for code, _ in FAILS.values()} | once == set(selftest.CODES)


@pytest.mark.req("SR-194")
@pytest.mark.parametrize("code", [calibration.MISSING, calibration.EXPIRED])
def test_without_a_calibration_a_good_board_fails_and_a_bad_one_for_what_is_bad(code: str) -> None:
    for port, expected in ((ScriptedPort(), code), (ScriptedPort(trips=False), "self_test_one_shot")):
        job = selftest.run(port, FIGURES, port.now_us, rearm=False, uncalibrated=code)
        assert port.drive(job) == expected
        assert port.calls[-1][1] == "OUTPUT_ENABLE 0"


def test_a_dead_man_that_does_not_run_is_found_before_the_output_is_enabled() -> None:
    port = ScriptedPort(dead_man=False)
    assert outcome(port) == "self_test_dead_man"
    assert "OUTPUT_ENABLE 1" not in [what for _, what in port.calls]


def test_a_dead_man_that_does_not_end_or_does_not_start_again() -> None:
    fired = ScriptedPort()
    fired.mend = mended(dead_man_running=True)
    assert outcome(fired) == "self_test_dead_man"
    again = ScriptedPort()
    again.mend = lambda seen: replace(
        seen, dead_man_running="start_dead_man" not in str(again.calls) and again.dead_man
    )
    assert outcome(again) == "self_test_dead_man"


@pytest.mark.req("SR-132")
def test_the_rail_without_enable() -> None:
    port = ScriptedPort()
    port.mend = lambda seen: replace(seen, rail_mv=63_000) if port.toggles and port.rail_mv == 0 else seen
    assert outcome(port) == "self_test_rail_without_enable"


@pytest.mark.parametrize(
    "mend",
    [
        mended(reference_mv=1253),
        mended(reference_mv=1247),
        mended(peak_ua=(250, 250), electrode_mv=(500, 500), average_ua=(100, -100)),
        lambda seen: seen if seen.rail_mv else replace(seen, rail_mv=NEAR_ZERO_MV - 1),
        lambda seen: replace(seen, rail_mv=FIGURES.compliance_mv) if seen.rail_mv else seen,
    ],
)
def test_what_is_just_well(mend: Callable[[Seen], Seen]) -> None:
    assert outcome(ScriptedPort(mend=mend)) is None


def test_a_rail_that_rises_late_and_falls_late() -> None:
    assert outcome(ScriptedPort(rises_after=8, drop_out_us=130_000, dead_man_us=130_000)) is None


def test_how_it_goes() -> None:
    port = ScriptedPort()
    start = port.now_us
    assert outcome(port) is None
    assert port.now_us - start < 600_000
    did = [what for _, what in port.calls]
    enable = ["OUTPUT_ENABLE 1", "OUTPUT_ENABLE 0", "OUTPUT_ENABLE 1"]
    trips = [what for line in selftest.PHASES for what in (f"play {MASK[line]:#x}", f"play {MASK['FAULT_RESET']:#x}")]
    assert did == ["forget", f"play {MASK['DAC_CS_N']:#x}", "reset_peaks", *enable, "start_dead_man", *trips]
    assert not port.levels & (PHASES | MASK["OUTPUT_ENABLE"])


@pytest.mark.req("SR-130", "SR-131")
def test_how_long_it_waits_for_what() -> None:
    """And that KEEPALIVE, the dead-man's kicks and the trips are changed, given and expected where that is meant."""
    port = ScriptedPort()
    assert outcome(port) is None
    quiet, alive, unkicked = (False, True, False), (True, True, False), (False, False, False)
    assert [(wait.until_us, (wait.toggle, wait.kick, wait.trips)) for wait in port.waits[:-8]] == [
        (1_000_000, quiet),
        (1_020_001, quiet),
        (1_030_000, quiet),  # the drop-out since 900 000
        (1_050_000, quiet),  # OUTPUT_ENABLE alone
        (1_110_000, alive),  # KEEPALIVE alone
        (1_130_000, alive),
        (1_250_000, quiet),  # the drop-out since 1 120 000
        (1_370_000, unkicked),  # the dead-man since 1 240 000
        (1_390_000, unkicked),
        (1_410_000, quiet),
    ]
    for number, wait in enumerate(port.waits[-8:]):
        trip, reset = divmod(number, 2)
        assert wait == Wait(1_417_000 + 13_000 * trip + 6_000 * reset, trips=True)


def test_a_rail_that_does_not_rise_is_given_up_after_100_ms() -> None:
    port = ScriptedPort(rises_after=100)
    assert outcome(port) == "self_test_rail_low"
    enabled = [at for at, what in port.calls if what == "OUTPUT_ENABLE 1"]
    assert port.now_us - enabled[-1] == RAIL_RISES_US == 100_000


def test_a_wave_of_one_line_moves_no_other() -> None:
    mask = MASK["A_POS"]
    assert selftest.held(FIGURES, "A_POS", 2_000) == struct.pack("<6I", mask, 0, 2_000, 0, mask, 1)


def test_both_channels_are_set_to_zero_twice() -> None:
    data, length_us = selftest.zero_codes(FIGURES)
    assert words(data, FIGURES.seven) == [(33, 0x7000), (66, 0xF000), (100, 0x7000), (133, 0xF000)]
    assert length_us == 136


def test_two_values_are_enough_for_a_converter_that_lives() -> None:
    raw = (0, 0, 0, 0, 0, 1551, 1551, 1551)
    assert outcome(ScriptedPort(mend=mended(raw=raw), panel=lambda channel: raw[channel])) is None


def test_loopback_of_either_kind_will_do() -> None:
    assert outcome(ScriptedPort(facts_=replace(FACTS, listeners=("::1", "127.0.0.1")))) is None


def test_two_readings_three_steps_apart_are_alike() -> None:
    assert outcome(ScriptedPort(panel=lambda channel: (3, 0, 0, 0, 0, 2045, 2048, 1554)[channel])) is None


@pytest.mark.parametrize(("left_mv", "code"), [(GONE_MV - 1, None), (GONE_MV, "self_test_drop_out")])
def test_what_may_be_left_of_the_rail(left_mv: int, code: str | None) -> None:
    port = ScriptedPort()
    port.mend = lambda seen: (
        replace(seen, rail_mv=left_mv)
        if seen.bank & MASK["OUTPUT_ENABLE"] and port.toggles > 3 and not seen.rail_mv
        else seen
    )
    assert outcome(port) == code


def test_a_late_toggle_before_it_is_waited_out() -> None:
    """What a session toggled last must not let the rail rise without KEEPALIVE."""
    port = ScriptedPort(drop_out_us=120_000)
    port.toggled_us, port.toggles = port.now_us - 1, 1
    assert outcome(port) is None


@pytest.mark.parametrize("line", range(5))
@pytest.mark.req("SR-130")
def test_no_phase_line_rises_once_the_rail_is_up(line: int) -> None:
    """The rail comes up by itself after so many of them were tried."""
    port = ScriptedPort()

    def rises(seen: Seen) -> Seen:
        tried = sum(what == f"play {MASK['FAULT_RESET']:#x}" for _, what in port.calls)
        return replace(seen, rail_mv=NEAR_ZERO_MV) if tried == line and port.dead_man and port.toggles > 3 else seen

    port.mend = lambda seen: seen if seen.bank & MASK["OUTPUT_ENABLE"] else rises(seen)
    assert outcome(port) == "self_test_rail_stuck"
    played = [what for _, what in port.calls if what in {f"play {MASK[name]:#x}" for name in selftest.PHASES}]
    assert len(played) == line


def test_re_arming_comes_first_when_a_trip_was_acknowledged() -> None:
    port = ScriptedPort()
    port.levels &= ~MASK["FAULT_N"]
    assert outcome(port) == "self_test_fault_line"
    port.waits.clear()
    start = port.now_us
    assert outcome(port, rearm=True) is None
    assert port.waits[:3] == [
        Wait(start, trips=True),
        Wait(start + 20_001, trips=True),
        Wait(start + 26_001, trips=True),  # FAULT_RESET
    ]
    assert not any(wait.trips for wait in port.waits[3:-8])


def test_a_trip_is_expected_only_where_one_is_made() -> None:
    """What the guard is told to overlook: nothing but the time of the four trips."""
    port = ScriptedPort()
    assert outcome(port) is None
    assert [wait.trips for wait in port.waits] == [False] * (len(port.waits) - 8) + [True] * 8
    assert not any(wait.toggle for wait in port.waits if wait.trips)


def test_what_the_board_raises_goes_through() -> None:
    port = ScriptedPort()

    def fail(seen: Seen) -> Seen:
        raise BoardError("gone")

    port.mend = fail
    with pytest.raises(BoardError, match="gone"):
        outcome(port)


def test_only_its_own_waves_are_admitted() -> None:
    data, length_us = selftest.zero_codes(FIGURES)
    assert decode(data, FIGURES.seven) == Chunk(length_us, len(data) // 12, ())
    own = [data, *(selftest.held(FIGURES, line, 2_000) for line in selftest.PHASES)]
    for known in (*own, selftest.held(FIGURES, "FAULT_RESET", 1_000)):
        assert selftest.admits(FIGURES, known)
    for line, us in (("A_POS", 2_001), ("FAULT_RESET", 2_000), ("OUTPUT_ENABLE", 2_000)):
        assert not selftest.admits(FIGURES, selftest.held(FIGURES, line, us))
    assert not selftest.admits(FIGURES, own[1] + own[2])


def test_the_rails_bounds_stand_in_order() -> None:
    assert NEAR_ZERO_MV < GONE_MV < FIGURES.compliance_mv
    assert BOARD.compliance_v == 60
