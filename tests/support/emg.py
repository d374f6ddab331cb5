"""A sensor in a test's hand: what a simulated person's muscle does, without waiting; and whole trainings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from random import Random

from controller.emg.reader import Reader
from controller.emg.sensor import will_percent
from controller.emg.stream import STEP_MS, Step, Stream
from controller.training.course import Course, Plan
from controller.training.shapes import Part
from hw.emg import BLOCK, NV_PER_CODE, RATE_HZ, Block, EmgError
from hw.mock.emg import EmgModel, Person
from hw.mock.muscle import Muscle

Will = Callable[[float], float]
Steps = Callable[[Person, int, Will, float], list[Step]]


def steps_of(person: Person, seed: int, will: Will, seconds: float) -> list[Step]:
    """What the app makes of so many seconds of her muscle."""
    return Stream(RATE_HZ, NV_PER_CODE).feed(EmgModel(person, seed, will).samples(round(seconds * RATE_HZ)))


def follows(parts: Sequence[Part], *, reaction_s: float = 0.25, lets_go: bool = True) -> Will:
    """The will of somebody who does what the page asks, or who never lets go once she has begun to squeeze a target."""

    def will(at_s: float) -> float:
        at_ms = (at_s - reaction_s) * 1000
        part = next((one for one in parts if one.start_ms <= at_ms < one.end_ms), None)
        if part is not None and not lets_go and part.low_percent is not None:
            return 0.6
        return will_percent(part) / 100

    return will


def told_steps(person: Person, seed: int, will: Will, seconds: float) -> list[Step]:
    """The same without samples and filters, which take most of the time: the muscle's envelope, and chance."""
    random, muscle, steps = Random(seed), Muscle(person.build), []
    for number in range(1, round(seconds * 1000 / STEP_MS)):
        muscle.step(will(number * STEP_MS / 1000), STEP_MS / 1000)
        nv = 1000 * (person.rest_uv + (person.mvc_uv - person.rest_uv) * muscle.activation)
        steps.append(Step(number * STEP_MS, round(nv * random.gauss(1, 0.05)), round(nv * random.gauss(1, 0.08))))
    return steps


def trained(
    plan: Plan, person: Person, will: Will, *, usual_rest_nv: int | None = None, make: Steps = told_steps
) -> Course:
    """A whole training."""
    course = Course(plan, usual_rest_nv)
    for step in make(person, 1, will, plan.parts[-1].end_ms / 1000 + 0.1):
        course.feed(step)
    return course


class HandSource:
    """Gives a block for each ``let``; a test decides when time goes on."""

    rate_hz: float = RATE_HZ
    nv_per_code = NV_PER_CODE

    def __init__(self, will: Will = lambda at_s: 0.0, person: Person | None = None) -> None:
        self.model = EmgModel(person or Person(), 1, will)
        self.reads = self.opened = self.closed = 0
        self.broken: str | None = None
        self._may = threading.Semaphore(0)
        self._count = 0
        self._size = BLOCK

    def open(self) -> HandSource:
        if self.broken:
            raise EmgError("broken by a test", code=self.broken)
        self.opened += 1
        return self

    def let(self, seconds: float) -> None:
        """So much of the signal may be read, in one block."""
        self._size = round(seconds * RATE_HZ)
        self._may.release()

    def read(self) -> Block:
        if not self._may.acquire(timeout=0.02):
            return Block(self._count, ())
        if self.broken:
            raise EmgError("broken by a test", code=self.broken)
        self.reads += 1
        first, codes = self._count, tuple(self.model.samples(self._size))
        self._count += len(codes)
        return Block(first, codes)

    def close(self) -> None:
        self.closed += 1


def reader_of(source: HandSource, mode: Callable[[], str]) -> Reader:
    return Reader(source.open, mode)
