"""The self-test against the simulated board: what it takes for well, which fault it finds, and its own safety."""

from __future__ import annotations

import pytest

from hw.mock.faults import FAULTS
from safety import selftest
from tests.support.jobs import BOARD, Bench, bench

PHASES = [BOARD[name].gpio for name in selftest.PHASES]
ENABLE, KEEPALIVE = BOARD["OUTPUT_ENABLE"].gpio, BOARD["KEEPALIVE"].gpio
FELL_US = 10_000
"""The rail is gone so long after the switch opened (hardware.md)."""

Case = tuple[str, tuple[object, ...], str | None]
SEEN: tuple[Case, ...] = (
    ("estop-press", (), "self_test_estop"),
    ("estop-cut", (1,), "self_test_rail_low"),
    ("estop-cut", (2,), "self_test_estop"),
    ("estop-cut", (3,), "self_test_estop"),
    ("adc-dead", (), "self_test_adc"),
    ("adc-stuck", (0,), "self_test_adc"),
    ("adc-stuck", (1551,), "self_test_adc"),
    ("adc-stuck", (4095,), "self_test_adc"),
    ("adc-noisy", (5,), "self_test_reference"),
    ("adc-noisy", (500,), "self_test_reference"),
    ("adc-factor", (0.5,), "self_test_reference"),
    ("adc-factor", (1.05,), "self_test_reference"),
    ("adc-factor", (0.98,), "self_test_reference"),
    ("adc-slow", (60_000,), "self_test_rail_low"),
    ("adc-slow", (100,), "self_test_drop_out"),
    ("adc-input", (0, 99), "self_test_current"),
    ("adc-input", (4, 0), "self_test_rail_low"),
    ("adc-input", (7, 0), "self_test_reference"),
    ("adc-reference", (0,), "self_test_reference"),
    ("adc-reference", (1.27,), "self_test_reference"),
    ("phase-line", ("A_POS", "low"), "self_test_one_shot"),
    ("phase-line", ("A_NEG", "low"), "self_test_one_shot"),
    ("phase-line", ("B_POS", "low"), "self_test_one_shot"),
    ("phase-line", ("B_NEG", "low"), "self_test_one_shot"),
    ("phase-line", ("A_POS", "high"), "self_test_fault_line"),
    ("rail-sag", (50,), "self_test_rail_low"),
    ("rail-stuck", (), "self_test_rail_stuck"),
    ("current-trip", (), "self_test_fault_line"),
    ("one-shot-defeated", (), "self_test_one_shot"),
    ("keepalive-stuck", ("low",), "self_test_rail_low"),
    ("keepalive-stuck", ("high",), "self_test_rail_low"),
    ("drop-out-defeated", (), "self_test_drop_out"),
    ("battery-low", (), "self_test_power"),
    ("charger", (), "self_test_power"),
)
NOT_SEEN: tuple[Case, ...] = (
    # Without a current through somebody these show nothing; the electrode check or the checks while running find them.
    ("electrode-open", ("A",), None),
    ("electrode-short", ("A",), None),
    ("electrode-peeled", ("A",), None),
    ("electrode-drying", ("A", 1000), None),
    ("dac-stuck", ("A", 4095), None),
    ("dac-bit", (13, "low"), None),
    ("dac-bit", (15, "high"), None),
    ("dac-line", ("DAC_SDI", "high"), None),
    ("dac-line", ("DAC_CS_N", "low"), None),
    ("source-gain", ("A", 4), None),
    ("source-polarity", ("A", "positive", 0), None),
    ("trip-defeated", (), None),
    # Contacts show what they are only when the button is pressed.
    ("estop-stuck", (2,), None),
    ("estop-welded", (), None),
)
WITH_ANOTHER = {"adc-slow", "adc-stuck", "phase-line", "one-shot-defeated", "keepalive-stuck", "drop-out-defeated"}
OTHERS = {"estop-release", "estop-bounce", "clock-step", "late-scheduling", "disk-full"} | {
    name for name in FAULTS if name.startswith(("daemon-", "client-"))
}


def name(case: Case) -> str:
    return " ".join(map(str, (case[0], *case[1])))


def assert_no_phase_line_with_the_switch_closed(found: Bench) -> None:
    """From the edges alone: whenever a phase line is high, OUTPUT_ENABLE is low and has been since the rail fell."""
    high: set[int] = set()
    low_since: int | None = 0
    for at_us, gpio, level in sorted(found.sim.edges(gpios=[*PHASES, ENABLE])):
        if gpio == ENABLE:
            low_since = None if level else at_us
            assert not (level and high), f"OUTPUT_ENABLE rises at {at_us} with {high} high"
        elif level:
            high.add(gpio)
            assert low_since is not None, f"GPIO {gpio} rises at {at_us} with OUTPUT_ENABLE high"
            assert low_since == 0 or at_us - low_since >= FELL_US
        else:
            high.discard(gpio)
    assert not high


def assert_nothing_came_out(found: Bench) -> None:
    for channel in "AB":
        figures = found.sim.figures(channel)
        assert (figures["peak_ma"], figures["forward_uc"], figures["back_uc"]) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(8))
def test_a_healthy_board_passes_again_and_again(seed: int) -> None:
    with bench("--seed", str(seed)) as healthy:
        for _ in range(3):
            start = healthy.clock.now
            assert healthy.self_test() is None
            assert healthy.clock.now - start <= 600_000
            healthy.assert_all_safe()
        assert_no_phase_line_with_the_switch_closed(healthy)


@pytest.mark.parametrize("load_ohm", [200, 1_000, 5_000])
def test_it_passes_with_every_load(load_ohm: int) -> None:
    with bench("--load-ohm", str(load_ohm)) as healthy:
        assert healthy.self_test() is None


@pytest.mark.req("SR-044", "SR-131")
def test_nothing_comes_out_and_each_line_was_tried() -> None:
    with bench() as healthy:
        healthy.sim.control("current", record=True, path=None)
        assert healthy.self_test() is None
        assert_nothing_came_out(healthy)
        edges = sorted(healthy.sim.edges(gpios=PHASES))
        assert [gpio for _, gpio, level in edges if level] == PHASES
        rises, falls = edges[::2], edges[1::2]
        assert [fall[0] - rise[0] for rise, fall in zip(rises, falls, strict=True)] == [selftest.HOLD_US] * 4


@pytest.mark.req("SR-130", "SR-131", "SR-132")
@pytest.mark.parametrize("case", [*SEEN, *NOT_SEEN], ids=name)
def test_each_fault_ends_the_step_that_is_there_for_it(case: Case) -> None:
    fault, args, code = case
    with bench() as broken:
        broken.sim.control("current", record=True, path=None)
        broken.sim.fault(fault, *args)
        assert broken.self_test() == code
        broken.assert_all_safe()
        assert_no_phase_line_with_the_switch_closed(broken)
        assert_nothing_came_out(broken)


def test_no_fault_is_left_out() -> None:
    tried = {case[0] for case in (*SEEN, *NOT_SEEN)}
    assert tried | OTHERS == set(FAULTS)
    assert not tried & OTHERS


@pytest.mark.req("SR-130")
@pytest.mark.parametrize("second", [case for case in SEEN if case[0] in WITH_ANOTHER], ids=name)
@pytest.mark.parametrize("first", [("rail-stuck", ()), ("dac-stuck", ("A", 4095))], ids=lambda fault: fault[0])
def test_a_second_fault_leaves_the_self_test_harmless(first: tuple[str, tuple[object, ...]], second: Case) -> None:
    """With the switch welded no phase line rises at all; with the DAC at full scale nothing flows either way."""
    with bench() as broken:
        broken.sim.control("current", record=True, path=None)
        broken.sim.fault(first[0], *first[1])
        broken.sim.fault(second[0], *second[1])
        assert broken.self_test() is not None
        assert_no_phase_line_with_the_switch_closed(broken)
        assert_nothing_came_out(broken)
        if first[0] == "rail-stuck":
            assert not broken.sim.edges(gpios=PHASES)


@pytest.mark.parametrize("step", range(0, 16, 2))
@pytest.mark.parametrize("fault", ["rail-stuck", "drop-out-defeated"])
def test_a_fault_in_the_midst_leaves_it_harmless(fault: str, step: int) -> None:
    """The switch welds, or KEEPALIVE's one-shot drops out no more, right before one of its steps."""
    left = step
    with bench() as broken:

        def maybe_break() -> None:
            nonlocal left
            if left == 0:
                broken.sim.fault(fault)
            left -= 1

        broken.before_step = maybe_break
        code = broken.self_test()
        assert code is not None or fault == "drop-out-defeated"
        assert_no_phase_line_with_the_switch_closed(broken)


def test_the_rail_is_asked_right_before_each_phase_line() -> None:
    """The switch welds after any of the four: the next does not rise."""
    for tried in range(1, 4):
        with bench() as broken:

            def weld(broken: Bench = broken, tried: int = tried) -> None:
                if len(broken.sim.edges(gpios=PHASES)) == 2 * tried:
                    broken.sim.fault("rail-stuck")

            broken.before_step = weld
            assert broken.self_test() == "self_test_rail_stuck"
            assert len(broken.sim.edges(gpios=PHASES)) == 2 * tried


@pytest.mark.req("SR-133")
def test_a_trip_is_re_armed_only_when_asked() -> None:
    with bench() as tripped:
        tripped.sim.fault("current-trip")
        assert tripped.self_test() == "self_test_fault_line"
        assert tripped.self_test(rearm=True) is None


def test_a_line_that_trips_again_at_once_is_not_re_armed() -> None:
    with bench() as tripped:
        tripped.sim.fault("phase-line", "B_NEG", "high")
        tripped.clock.sleep(5_000)
        assert tripped.self_test(rearm=True) == "self_test_fault_line"


def test_dead_man_gone_or_deaf() -> None:
    with bench() as broken:
        broken.port.client.stop_script(broken.port.dead_man.script_id)
        broken.clock.sleep(6_000)
        assert broken.self_test() == "self_test_dead_man"


def test_a_script_of_somebody_else() -> None:
    with bench() as shared:
        shared.port.client.store_script(b"TAG 1 MILS 5 JMP 1")
        assert shared.self_test() == "self_test_left_over"


@pytest.mark.req("SR-144")
def test_a_daemon_without_the_mask() -> None:
    with bench("--mask", "0xfffffff") as open_:
        assert open_.self_test() == "self_test_permission"


def test_a_phase_line_that_somebody_made_an_input() -> None:
    with bench() as shared:
        shared.sim.fault("client-mode", PHASES[2], 0)
        assert shared.self_test() == "self_test_one_shot"


def test_somebody_else_enables_the_output() -> None:
    with bench() as shared:
        shared.before_step = lambda: shared.port.client.write(ENABLE, 1)
        assert shared.self_test() == "self_test_lines"
        shared.assert_all_safe()
