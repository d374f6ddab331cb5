"""Simulated surface EMG as the ADS1115 would see it: codes of 62.5 nV at the electrode, 860 a second. From a seed.

The signal is Gaussian noise whose size follows activation (Hogan and Mann 1980, IEEE Transactions on Biomedical
Engineering 27:382-395), with the spectrum of Shwedyk, Balasubramanian and Scott (1977, same journal, 24:417-424):
power ~ f^2 / ((f^2 + l^2) (f^2 + h^2)^2), l = 60 Hz and h = 120 Hz. Sizes at rest and effort are of the order of
Oleksy's table (docs/limits.md: rest 6 uV, flicks 50 uV); everything else here is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from hw.mock.muscle import Build, Muscle

RATE_HZ: Final = 860
NV_PER_CODE: Final = 62.5
"""2.048 V over 2^15 codes, behind a gain of 1 000."""
CODE_MIN, CODE_MAX = -32_768, 32_767
LOW_HZ, TOP_HZ = 60.0, 120.0
_STRIDE: Final = 4
"""Samples a step of the muscle alone: 4.7 ms, a tenth of its shortest time."""
_ANSWER: Final = 200
"""Samples after which the filter's answer to an impulse is over."""


@dataclass(frozen=True)
class Sensor:
    """What the sensor adds, r.m.s. in uV. ``lead_off``: no contact, so that the inputs only pick up the mains.

    ``mains_hz``, ``harmonics``: sizes of the 2nd, 3rd, ... relative to the first. ``motion_uv``: slow wandering.
    """

    noise_uv: float = 1.0
    hum_uv: float = 2.0
    mains_hz: float = 50.0
    harmonics: tuple[float, ...] = (0.1, 0.3, 0.05, 0.15)
    motion_uv: float = 5.0
    offset_uv: float = 40.0
    lead_off: bool = False
    open_uv: float = 700.0


AVERAGE: Final = Build()
GOOD: Final = Sensor()


@dataclass(frozen=True)
class Person:
    """r.m.s. in uV at rest and at the strongest effort, and her muscle."""

    rest_uv: float = 4.0
    mvc_uv: float = 60.0
    build: Build = AVERAGE
    sensor: Sensor = GOOD


class Shaped:
    """White noise made into the spectrum of EMG, r.m.s. 1: a zero at 0 Hz, a pole at LOW_HZ, two at TOP_HZ."""

    def __init__(self, random: Random, rate_hz: float) -> None:
        self._gauss = random.gauss
        self._a = math.exp(-2 * math.pi * LOW_HZ / rate_hz)
        self._b = math.exp(-2 * math.pi * TOP_HZ / rate_hz)
        self._before = self._one = self._two = self._three = 0.0
        answer = [self._filter(1.0), *(self._filter(0.0) for _ in range(_ANSWER))]
        self._size = 1 / math.sqrt(sum(one * one for one in answer))

    def next(self) -> float:
        """The next sample."""
        return self._filter(self._gauss(0.0, 1.0)) * self._size

    def _filter(self, white: float) -> float:
        step, self._before = white - self._before, white
        self._one += step - self._one * (1 - self._a)
        self._two += (self._one - self._two) * (1 - self._b)
        self._three += (self._two - self._three) * (1 - self._b)
        return self._three


class EmgModel:
    """A person with a sensor in. ``will``: 0 to 1 at a time in s. Not ``connected``: the board took the inputs away."""

    def __init__(self, person: Person, seed: int, will: Callable[[float], float]) -> None:
        self.person = person
        self.will = will
        self.connected = True
        self.count = 0
        self.muscle = Muscle(person.build)
        self._random = Random(seed)
        self._emg = Shaped(self._random, RATE_HZ)
        self._motion = 0.0
        self._artefact_uv = 0.0
        self._phase = self._random.uniform(0, 2 * math.pi)

    def sense(self, **changes: object) -> None:
        """Changes the sensor."""
        self.person = replace(self.person, sensor=replace(self.person.sensor, **changes))  # type: ignore[arg-type]

    def stimulate(self, current_ma: float, width_us: int) -> None:
        """One pulse: the muscle answers it, and inputs that are connected see an artefact of a thousand times EMG."""
        self.muscle.pulse(current_ma, width_us)
        self._artefact_uv += 2_000.0 * current_ma

    @property
    def envelope_uv(self) -> float:
        """The true r.m.s. of the muscle's activity now, without the sensor's own."""
        person = self.person
        return person.rest_uv + (person.mvc_uv - person.rest_uv) * self.muscle.activation

    def samples(self, number: int) -> list[int]:
        """The next codes."""
        return [self._sample() for _ in range(number)]

    def pass_by(self, number: int) -> None:
        """So many samples that nobody wants: only the muscle goes on."""
        for left in range(number, 0, -_STRIDE):
            some = min(left, _STRIDE)
            self.muscle.step(self.will(self.count / RATE_HZ), some / RATE_HZ)
            self.count += some

    def _sample(self) -> int:
        at_s = self.count / RATE_HZ
        self.count += 1
        sensor = self.person.sensor
        self.muscle.step(self.will(at_s), 1 / RATE_HZ)
        uv = self._emg.next() * self.envelope_uv
        noise = self._random.gauss(0.0, 1.0)
        self._motion += 0.01 * (self._random.gauss(0.0, 1.0) * sensor.motion_uv * 14 - self._motion)
        self._artefact_uv *= 0.7
        if not self.connected:
            return round(noise * 0.3)
        turn = self._phase + 2 * math.pi * sensor.mains_hz * at_s
        hum = math.sin(turn) + sum(size * math.sin(k * turn) for k, size in enumerate(sensor.harmonics, 2))
        if sensor.lead_off:
            uv, hum_uv = noise * 20, sensor.open_uv
        else:
            uv += noise * sensor.noise_uv + self._motion + self._artefact_uv + sensor.offset_uv
            hum_uv = sensor.hum_uv
        code = round((uv + math.sqrt(2) * hum_uv * hum) * 1000 / NV_PER_CODE)
        return min(CODE_MAX, max(CODE_MIN, code))
