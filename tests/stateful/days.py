"""Sessions over days, in order, as people have them: three a day, raised to a strength, paused now and then."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.stateful.electrode import Broken
from tests.stateful.world import World, world

GROWS_KB = 1_024
"""The guard may have so much more at the end than some time after its start: its allocator's own pages, no leak."""
LOOK_US = 5_000_000
NAMES = ("strong", "both", "other", "continuous")


def resident_kb(pid: int) -> int:
    """Memory of a process that is in use now, kB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def days(
    session_us: int, number: int, told: Callable[[World], None] = lambda _: None, each_us: int = 3_600_000_000
) -> World:
    """Plays until so much session time is over; calls ``told`` after each ``each_us`` of it. ``number`` is the seed."""
    chance = random.Random(number)
    with world() as one:
        one.advance(2_000_000)
        times = 0
        while one.session_us < session_us:
            name = chance.choice(NAMES)
            if not one.begin(name):
                raise Broken(f"{name} does not start: {one.mode}, {one.cause}, {one.link and one.link.latest}")
            _play(one, chance, session_us)
            one.advance(500_000)
            one.look()
            if one.cause is not None:
                raise Broken(f"{name} ended in {one.cause}")
            while times < one.session_us // each_us:
                times += 1
                told(one)
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
