"""The electrode check against the simulated board: loads, what each fault of the electrode and the board gives, and
that nothing but a few balanced pulses of 2 mA comes out."""

from __future__ import annotations

import pytest

from hw.wire import NotAsApproved
from safety import electrode
from safety.electrode import CURRENT_HIGH, CURRENT_LOW, OPEN, OUT_OF_RANGE, POLARITY, RAIL_LOST, SHORT
from tests.support.chunks import train
from tests.support.jobs import BOARD, bench

PHASES = [BOARD[name].gpio for name in ("A_POS", "A_NEG", "B_POS", "B_NEG")]
Case = tuple[str, tuple[object, ...], str]
FAULTS: tuple[Case, ...] = (
    ("electrode-open", ("A",), OPEN),
    ("electrode-short", ("A",), SHORT),
    ("electrode-short", ("A", 1), SHORT),
    ("electrode-short", ("A", 40), SHORT),
    ("electrode-short", ("A", 70), OUT_OF_RANGE),
    ("electrode-short", ("A", 95), OUT_OF_RANGE),
    ("source-polarity", ("A", "positive", 0), POLARITY),
    ("source-polarity", ("A", "negative", 0), POLARITY),
    ("source-polarity", ("A", "positive", 0.8), POLARITY),
    ("source-polarity", ("A", "negative", 0.8), POLARITY),
    ("source-polarity", ("A", "positive", 1.2), CURRENT_HIGH),
    ("source-polarity", ("A", "negative", 1.2), CURRENT_HIGH),
    ("phase-line", ("A_POS", "low"), POLARITY),
    ("phase-line", ("A_NEG", "low"), POLARITY),
    ("source-gain", ("A", 0), CURRENT_LOW),
    ("source-gain", ("A", 0.7), CURRENT_LOW),
    ("source-gain", ("A", 1.2), CURRENT_HIGH),
    ("source-gain", ("A", 4), CURRENT_HIGH),
    ("dac-stuck", ("A", 0), CURRENT_LOW),
    ("dac-stuck", ("A", 4095), CURRENT_HIGH),
    ("dac-bit", (7, "low"), CURRENT_LOW),
    ("dac-bit", (11, "high"), CURRENT_HIGH),
    ("dac-bit", (13, "low"), CURRENT_HIGH),
    ("dac-bit", (15, "high"), CURRENT_LOW),
    ("dac-line", ("DAC_SDI", "low"), CURRENT_LOW),
    ("rail-sag", (30,), RAIL_LOST),
    ("estop-cut", (1,), RAIL_LOST),
    ("keepalive-stuck", ("low",), RAIL_LOST),
    ("charger", (), RAIL_LOST),
)


def name(case: Case) -> str:
    return " ".join(map(str, case[:2]))


@pytest.mark.parametrize(
    ("load_ohm", "channels"),
    [(110, "AB"), (200, "AB"), (500, "A"), (500, "B"), (1_000, "BA"), (2_000, "AB"), (5_000, "AB"), (9_500, "AB")],
)
def test_the_load_is_found(load_ohm: int, channels: str) -> None:
    with bench("--load-ohm", str(load_ohm)) as healthy:
        found = healthy.electrodes(channels)
        assert list(found) == list(channels)
        for finding in found.values():
            assert finding.code is None
            assert finding.load_ohm == pytest.approx(load_ohm, rel=0.03, abs=8)
        healthy.assert_all_safe()


@pytest.mark.parametrize("seed", range(20))
def test_the_usual_electrodes_pass_again_and_again(seed: int) -> None:
    with bench("--seed", str(seed)) as healthy:
        for minutes in range(3):
            healthy.rest(minutes * 60_000_000)
            assert healthy.self_test() is None
            found = healthy.electrodes()
            assert [finding.code for finding in found.values()] == [None, None]
            assert all(400 < (finding.load_ohm or 0) < 600 for finding in found.values())


@pytest.mark.parametrize(("load_ohm", "code"), [(12_000, OUT_OF_RANGE), (25_000, OUT_OF_RANGE), (35_000, OPEN)])
def test_loads_that_are_too_large(load_ohm: int, code: str) -> None:
    with bench("--load-ohm", str(load_ohm)) as found:
        assert found.electrodes("B")["B"].code == code


@pytest.mark.req("SR-138")
@pytest.mark.parametrize("case", FAULTS, ids=name)
def test_each_fault_has_its_finding(case: Case) -> None:
    fault, args, code = case
    with bench() as broken:
        broken.sim.fault(fault, *args)
        found = broken.electrodes("AB")
        assert found["A"].code == code
        # A fault of the board ends the check; one of the electrode is told beside what the other channel shows.
        assert ("B" in found) is (code in electrode.FINDINGS)
        if code in (OPEN, SHORT, OUT_OF_RANGE):
            assert found["B"].code is None
        broken.assert_all_safe()


@pytest.mark.parametrize("fault", ["electrode-open", "electrode-short"])
def test_the_second_channel(fault: str) -> None:
    with bench() as broken:
        broken.sim.fault(fault, "B")
        found = broken.electrodes("AB")
        assert (found["A"].code, found["B"].code) == (None, fault.replace("-", "_"))


@pytest.mark.parametrize("late_us", [100, 400, 700, 950])
def test_waits_that_end_late_still_meet_the_gap(late_us: int) -> None:
    """As on a real machine, where a wait ends up to a ms after its time, the same each time."""
    with bench("--load-ohm", "500") as busy:
        busy.sim.fault("source-polarity", "A", "positive", 0.8)
        busy.late_us = late_us
        found = busy.electrodes("AB")
        assert (found["A"].code, found["B"].code) == (POLARITY, None)


def test_a_machine_too_busy_is_told_and_no_pulse_is_judged() -> None:
    with bench("--load-ohm", "500") as busy:
        busy.late_us = 3_000
        assert busy.electrodes("A")["A"] == electrode.Finding(None, electrode.UNREAD)


@pytest.mark.req("SR-138")
def test_what_comes_out() -> None:
    """Four pulses a channel, balanced, of 2 mA at most; no more than 0.2 s for both."""
    with bench("--load-ohm", "500") as healthy:
        healthy.sim.control("current", record=True, path=None)
        start = healthy.clock.now
        healthy.electrodes("AB")
        assert healthy.clock.now - start <= 200_000
        for channel in "AB":
            figures = healthy.sim.figures(channel)
            assert 1.9 < figures["peak_ma"] <= 2.0
            assert figures["forward_uc"] == pytest.approx(4 * 1.99 * 0.25, rel=0.01)
            assert abs(figures["net_uc"]) < 0.02, "what the bleeder takes back in the gaps"
        rises = [gpio for _, gpio, level in sorted(healthy.sim.edges(gpios=PHASES)) if level]
        assert rises == [PHASES[0], PHASES[1]] * 4 + [PHASES[2], PHASES[3]] * 4


def test_the_other_channels_lines_stay_low() -> None:
    with bench() as healthy:
        healthy.electrodes("B")
        assert not healthy.sim.edges(gpios=PHASES[:2])


def test_only_its_own_pulses_may_be_played() -> None:
    with bench() as healthy:
        for data in (b"", b"123", train([1_000], 164), train([1_000], 100, width=260)):
            with pytest.raises(NotAsApproved):
                healthy.port.play(data, 100_000)
        assert not healthy.sim.edges(gpios=PHASES)
