"""The simulated person: the same from the same seed, and a muscle that behaves as one."""

from __future__ import annotations

from statistics import pstdev

import pytest

from hw.mock.emg import RATE_HZ, EmgModel, Person
from hw.mock.muscle import Build, Muscle, recruitment

STEP_S = 0.002


def stimulated(hz: float, seconds: float, current_ma: float = 20.0) -> list[float]:
    muscle, force, due = Muscle(), [], 0.0
    for n in range(round(seconds / STEP_S)):
        if n * STEP_S >= due:
            muscle.pulse(current_ma, 250)
            due += 1 / hz
        muscle.step(0.0, STEP_S)
        force.append(muscle.force)
    return force


def ripple(force: list[float]) -> float:
    late = force[len(force) // 2 :]
    return (max(late) - min(late)) / max(late)


def test_twitches_fuse_as_they_come_faster_and_give_more() -> None:
    slow, middle, fast = (stimulated(hz, 2.0) for hz in (4, 15, 50))
    assert ripple(slow) > 0.6 > ripple(middle) > 0.1 > ripple(fast)
    assert max(slow) < max(middle) < max(fast) < 1


def test_recruitment_rises_with_charge_and_ends_with_all_fibres() -> None:
    build = Build()
    shares = [recruitment(build, ma, 250) for ma in (0, 2, 6, 10, 50)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[2] == pytest.approx(0.5)
    assert shares[-1] > 0.99
    assert recruitment(build, 6, 500) > recruitment(build, 6, 250)


def test_it_tires_and_recovers() -> None:
    force = stimulated(50, 60.0)
    assert force[-1] < 0.8 * max(force)
    muscle = Muscle()
    for _ in range(5_000):
        muscle.step(1.0, 0.01)
    tired = muscle.fatigued
    for _ in range(60_000):
        muscle.step(0.0, 0.01)
    assert tired > 0.3
    assert muscle.fatigued < 0.2 * tired


def test_a_tonic_muscle_never_lets_go() -> None:
    muscle = Muscle(Build(tonic=0.6))
    for _ in range(500):
        muscle.step(0.0, 0.01)
    assert muscle.activation == pytest.approx(0.6)


def test_a_seed_is_a_person_and_will_is_what_she_shows() -> None:
    def model(seed: int) -> EmgModel:
        return EmgModel(Person(), seed, lambda at_s: float(at_s >= 2))

    codes = model(3).samples(4 * RATE_HZ)
    assert codes == model(3).samples(4 * RATE_HZ)
    assert codes != model(4).samples(4 * RATE_HZ)
    assert pstdev(codes[3 * RATE_HZ :]) > 5 * pstdev(codes[RATE_HZ : 2 * RATE_HZ])


def test_stimulation_moves_the_muscle_and_floods_inputs_that_are_connected() -> None:
    model = EmgModel(Person(), 1, lambda _: 0.0)
    model.stimulate(20.0, 250)
    assert max(map(abs, model.samples(5))) == 32_767
    model.connected = False
    model.stimulate(20.0, 250)
    assert max(map(abs, model.samples(50))) < 5
    assert model.muscle.force > 0
