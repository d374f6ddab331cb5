"""The n-body program of the Benchmarks Game, in plain Python: what a Pi's processor is compared with this one by
(docs/training.md)."""

from __future__ import annotations

import time
from itertools import combinations

PUBLISHED_STEPS = 5_000_000
DT = 0.01
MASS = 39.478  # the sun's, in the units of the program: 4 pi^2
# x, y, z (astronomical units); speed (a year); mass: about sun, Jupiter, Saturn, Uranus, Neptune
START = (
    ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), MASS),
    ((4.84, -1.16, -0.10), (0.61, 2.81, -0.03), MASS / 1047),
    ((8.34, 4.12, -0.40), (-1.01, 1.82, 0.01), MASS / 3498),
    ((12.89, -15.11, -0.22), (1.08, 0.87, -0.01), MASS / 22903),
    ((15.38, -25.92, 0.18), (0.98, 0.59, -0.03), MASS / 19412),
)


def advance(steps: int) -> list[tuple[list[float], list[float], float]]:
    """The bodies after so many steps."""
    bodies = [(list(place), list(speed), mass) for place, speed, mass in START]
    pairs = list(combinations(bodies, 2))
    for _ in range(steps):
        for (place, speed, mass), (other_place, other_speed, other_mass) in pairs:
            dx, dy, dz = place[0] - other_place[0], place[1] - other_place[1], place[2] - other_place[2]
            pull = DT * (dx * dx + dy * dy + dz * dz) ** -1.5
            mine, other = other_mass * pull, mass * pull
            speed[0] -= dx * mine
            speed[1] -= dy * mine
            speed[2] -= dz * mine
            other_speed[0] += dx * other
            other_speed[1] += dy * other
            other_speed[2] += dz * other
        for place, speed, _ in bodies:
            place[0] += DT * speed[0]
            place[1] += DT * speed[1]
            place[2] += DT * speed[2]
    return bodies


def published_s(steps: int = 100_000) -> float:
    """Processor time of the published number of steps, from the least of three of ``steps``."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        advance(steps)
        best = min(best, time.process_time() - began)
    return best * PUBLISHED_STEPS / steps
