"""The inference of the set-point against trying out every staircase there is, on small worlds."""

from __future__ import annotations

import random
from itertools import accumulate, combinations, pairwise, product

from tests.decoder.rise import Rise

STEP_UA = 3
SPACING_US = 4
FINAL_UA = 7
LAST_US = 14

Staircase = tuple[tuple[int, int], ...]


def every_staircase(windows: list[tuple[int, int]]) -> list[Staircase]:
    """All lists of (time, set-point from then on) within the rules of this small world."""
    times = [t for t in range(LAST_US + 1) if any(start <= t < end for start, end in windows)]
    found: list[Staircase] = []
    for count in range(5):
        for chosen in combinations(times, count):
            if any(b - a < SPACING_US for a, b in pairwise(chosen)):
                continue
            for rises in product(range(1, STEP_UA + 1), repeat=count):
                if sum(rises) <= FINAL_UA:
                    found += [tuple(zip(chosen, accumulate(rises), strict=True))]
    return found


def test_rise_agrees_with_trying_every_staircase() -> None:
    chance = random.Random(20)
    possible = impossible = 0
    for _ in range(150):
        edges = sorted(chance.sample(range(LAST_US + 2), 4))
        windows = [(edges[0], edges[1]), (edges[2], edges[3])]
        staircases = every_staircase(windows)
        for _ in range(20):
            times = sorted(chance.sample(range(LAST_US + 1), chance.randint(1, 6)))
            basis = chance.choice(staircases)
            pulses = []
            for t in times:
                true = max([0] + [ua for at, ua in basis if at <= t])
                low = max(0, true - chance.randint(0, 1) + chance.choice((0, 0, 0, 0, 1, -2)))
                pulses.append((t, low, low + chance.randint(0, 2)))
            rise = Rise(windows, FINAL_UA, largest_step_ua=STEP_UA, step_spacing_us=SPACING_US)
            accepted = all(rise.pulse(t, low, high) is None for t, low, high in pulses)
            fitting = {
                max([0] + [ua for at, ua in staircase if at <= times[-1]])
                for staircase in staircases
                if all(low <= max([0] + [ua for at, ua in staircase if at <= t]) <= high for t, low, high in pulses)
            }
            assert accepted == bool(fitting), (windows, pulses)
            if accepted:
                assert rise.possible == (min(fitting), max(fitting)), (windows, pulses)
            possible += accepted
            impossible += not accepted
    assert possible > 500
    assert impossible > 500


def test_a_finding_leaves_what_was_possible_and_a_restart_goes_on() -> None:
    rise = Rise([(0, 10_000_000)], 20_000)
    assert rise.pulse(10_000, 1990, 2001) is None
    assert rise.possible == (1990, 2000)
    assert rise.pulse(500_000, 3000, 3011) == "steps under 1 s apart"
    assert rise.possible == (1990, 2000)
    assert rise.pulse(600_000, 1000, 1011) == "set-point falls"
    assert rise.pulse(1_500_000, 5000, 5011) == "step over 2000 uA"
    rise.restart(1_500_000, 5000, 5011)
    assert rise.possible == (5000, 5011)
    assert rise.pulse(1_600_000, 6000, 6011) is None  # the unseen step may have come at 10 001 us
