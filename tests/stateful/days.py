"""Sessions over days, in order, as people have them: three a day, raised to a strength, paused now and then."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext

from tests.stateful.electrode import Broken
from tests.stateful.world import World, world

LOOK_US = 5_000_000
NAMES = ("strong", "both", "other", "continuous")


def days(
    session_us: int, number: int, hour: Callable[[World], None] = lambda _: None, inside: World | None = None
) -> World:
    """Plays until so much session time is over. ``hour`` is called after each hour of it; ``number`` seeds it."""
    chance = random.Random(number)
    with world() if inside is None else nullcontext(inside) as one:
        one.advance(2_000_000)
        told = 0
        while one.session_us < session_us:
            name = chance.choice(NAMES)
            if not one.begin(name):
                raise Broken(f"{name} does not start: {one.mode}, {one.cause}, {one.link and one.link.latest}")
            _play(one, chance, session_us)
            one.advance(500_000)
            one.look()
            if one.cause is not None:
                raise Broken(f"{name} ended in {one.cause}")
            while told < one.session_us // 3_600_000_000:
                told += 1
                hour(one)
    return one


def _play(one: World, chance: random.Random, session_us: int) -> None:
    strength = chance.randrange(2_000, 20_000, 500)
    while one.session is not None:
        one.train(LOOK_US, strength)
        one.look()
        event = chance.random()
        if one.session_us >= session_us and one.act("end"):
            one.advance(2_000_000)
        elif event < 0.02 and one.act("pause"):
            one.advance(chance.randrange(600_000, 20_000_000))
            one.act("resume")
        elif event < 0.04:
            one.lower(chance.choice("AB"), chance.randrange(100))
        elif event < 0.045 and one.act("end"):
            one.advance(2_000_000)
