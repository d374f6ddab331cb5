"""Our figures against known truth, and against scipy's, on simulated EMG from hardly to plainly told apart."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np

from controller.emg.levels import Detector, Levels, bursts_of, peak_of, rest_of
from controller.emg.stream import ENVELOPE_STEPS, STEP_MS, Step, Stream
from hw.emg import Recording
from hw.mock.emg import NV_PER_CODE, RATE_HZ, EmgModel, Person, Sensor
from hw.mock.muscle import Build
from tests.emg import reference

SNR_DB = (8, 10, 14, 20, 26)
"""r.m.s. of the contraction over r.m.s. at rest, sensor noise included in both."""
REST_UV, NOISE_UV, HUM_UV = 5.0, 1.5, 10.0
PERIOD_S, BURST_S, FIRST_S, BURSTS = 8.0, 3.0, 8.0, 8
AT_ONCE = Build(rise_s=0.001, fall_s=0.001)
"""A muscle without delay, so that the truth is the will."""


@dataclass(frozen=True)
class Errors:
    """At one signal to noise. Times in ms, shares in percent; ``found``: bursts of BURSTS, and ``false`` ones."""

    snr_db: float
    found: int
    false: int
    onset_ms: float
    onset_worst_ms: float
    release_ms: float
    release_worst_ms: float
    reference_onset_ms: float
    reference_release_ms: float
    envelope_percent: float
    mvc_percent: float
    rest_percent: float


def spans() -> list[tuple[float, float]]:
    """When the muscle works, in s."""
    return [(FIRST_S + n * PERIOD_S, FIRST_S + n * PERIOD_S + BURST_S) for n in range(BURSTS)]


def codes(snr_db: float, seed: int) -> list[int]:
    """The recording."""
    rest = np.hypot(REST_UV, NOISE_UV)
    mvc_uv = float(np.sqrt((rest * 10 ** (snr_db / 20)) ** 2 - NOISE_UV**2))
    person = Person(REST_UV, mvc_uv, AT_ONCE, Sensor(noise_uv=NOISE_UV, hum_uv=HUM_UV))
    model = EmgModel(person, seed, lambda at: float(any(a <= at < b for a, b in spans())))
    return model.samples(round((FIRST_S + BURSTS * PERIOD_S) * RATE_HZ))


def within(steps: list[Step], start_s: float, end_s: float) -> list[int]:
    return [step.envelope_nv for step in steps if start_s * 1000 < step.at_ms <= end_s * 1000]


def errors(snr_db: float, seed: int) -> Errors:
    """One recording, both ways."""
    recorded = codes(snr_db, seed)
    steps = Stream(RATE_HZ, NV_PER_CODE).feed(recorded)
    clean = reference.filtered(recorded, RATE_HZ, NV_PER_CODE)
    quiet_steps = [step for step in steps if 2000 < step.at_ms <= 1000 * FIRST_S]
    levels = Levels(*rest_of(quiet_steps), max(peak_of(within(steps, a, b)) for a, b in spans()))
    theirs = reference.bursts(clean, RATE_HZ, (2, FIRST_S - 0.5))
    ours = [
        (burst.onset_ms / 1000, (burst.release_ms or np.inf) / 1000)
        for burst in bursts_of([step for step in steps if step.at_ms > 2000], levels)
    ]
    matched, false = _match(ours)
    their_matched, _ = _match(theirs)
    centred = reference.envelope(clean, RATE_HZ)
    delay_ms = ENVELOPE_STEPS * STEP_MS / 2
    apart = [
        step.envelope_nv / centred[round((step.at_ms - delay_ms) * RATE_HZ / 1000)] - 1
        for step in steps
        if any(a + 0.3 < step.at_ms / 1000 < b for a, b in spans())
    ]
    quiet = float(np.median(centred[2 * RATE_HZ : round((FIRST_S - 0.2) * RATE_HZ)]))
    return Errors(
        snr_db=snr_db,
        found=len(matched),
        false=false,
        onset_ms=_middle([on for on, _ in matched]),
        onset_worst_ms=max((abs(on) for on, _ in matched), default=float("inf")),
        release_ms=_middle([off for _, off in matched]),
        release_worst_ms=max((abs(off) for _, off in matched), default=float("inf")),
        reference_onset_ms=_middle([on for on, _ in their_matched]),
        reference_release_ms=_middle([off for _, off in their_matched]),
        envelope_percent=100 * float(np.sqrt(np.mean(np.square(apart)))),
        mvc_percent=100 * (levels.mvc_nv / reference.mvc(clean, RATE_HZ, spans()) - 1),
        rest_percent=100 * (levels.rest_nv / quiet - 1),
    )


def _match(found: list[tuple[float, float]]) -> tuple[list[tuple[float, float]], int]:
    """Errors of onset and release in ms of those that belong to a true burst, and how many belong to none."""
    matched = []
    for a, b in spans():
        near = [one for one in found if one[0] < b and one[1] > a]
        if len(near) == 1:
            matched.append(((near[0][0] - a) * 1000, (near[0][1] - b) * 1000))
    return matched, sum(not any(one[0] < b and one[1] > a for a, b in spans()) for one in found)


def _middle(values: list[float]) -> float:
    return float(median(values)) if values else float("inf")


@dataclass(frozen=True)
class OnRecord:
    """Ours against scipy's on a recording whose truth nobody knows. Times in ms, shares in percent."""

    bursts: int
    theirs: int
    onset_ms: float
    onset_worst_ms: float
    release_ms: float
    release_worst_ms: float
    envelope_percent: float
    mvc_percent: float


def on_record(recording: Recording, rest_s: tuple[float, float]) -> OnRecord:
    """A recorded signal, and where in it the muscle was at rest."""
    rate = recording.rate_hz
    steps = Stream(rate, recording.nv_per_code).feed(recording.codes)
    clean = reference.filtered(recording.codes, rate, recording.nv_per_code)
    quiet = [step for step in steps if rest_s[0] * 1000 < step.at_ms <= rest_s[1] * 1000]
    whole = (1.5, len(clean) / rate - 0.5)
    levels = Levels(*rest_of(quiet), peak_of(within(steps, *whole)))
    ours = [(one.onset_ms / 1000, (one.release_ms or np.inf) / 1000) for one in bursts_of(steps, levels)]
    detector = Detector(levels)
    theirs = reference.bursts_at(clean, rate, detector.on_nv, detector.off_nv)
    pairs = [
        ((a - c) * 1000, (b - d) * 1000)
        for c, d in theirs
        if len(near := [one for one in ours if one[0] < d and one[1] > c]) == 1
        for a, b in near
    ]
    centred = reference.envelope(clean, rate)
    step_s = steps[0].at_ms / 1000
    delay_s = ENVELOPE_STEPS * step_s / 2
    apart = [
        step.envelope_nv / centred[round((step.at_ms / 1000 - delay_s) * rate)] - 1
        for step in steps
        if step.good and step.envelope_nv > levels.rest_nv + 0.2 * levels.strength_nv
    ]
    return OnRecord(
        bursts=len(ours),
        theirs=len(theirs),
        onset_ms=_middle([on for on, _ in pairs]),
        onset_worst_ms=max(abs(on) for on, _ in pairs),
        release_ms=_middle([off for _, off in pairs]),
        release_worst_ms=max(abs(off) for _, off in pairs if np.isfinite(off)),
        envelope_percent=100 * float(np.sqrt(np.mean(np.square(apart)))),
        mvc_percent=100 * (levels.mvc_nv / reference.mvc(clean, rate, [whole]) - 1),
    )
