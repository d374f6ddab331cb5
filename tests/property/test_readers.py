"""Two readers of one format, on purpose, and one set of bounds: what one refuses for a bound, the other does."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.programme import parse_programme
from controller.timeline import Timeline
from safety.errors import InputRefused
from safety.schedule import CHANNELS, ScheduleRefused, read_schedule
from tests.support.programmes import CONTINUOUS, CONTRACTION, PAUSE, changed, programme_toml, valid_programmes

MANY = settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
SHORT = changed(CONTRACTION, ramp_up_ms="300", hold_ms="500", ramp_down_ms="200", rest_ms="1000", repeats="1")


def app_accepts(text: bytes) -> bool:
    try:
        parse_programme(text, "test")
    except InputRefused:
        return False
    return True


def guard_accepts(text: bytes) -> bool:
    try:
        read_schedule(text)
    except ScheduleRefused:
        return False
    return True


@pytest.mark.req("SR-021")
@MANY
@given(st.one_of(valid_programmes(max_seconds=60), valid_programmes(max_seconds=2700)))
def test_the_guard_reads_what_the_app_reads(text: bytes) -> None:
    schedule, timeline = read_schedule(text), Timeline(parse_programme(text, "test"))
    ends = [timeline.duration_us]
    for channel in CHANNELS:
        mine = [train for train in timeline.trains if channel in train.phase.channels]
        starts = [train.start_us + train.shift_us(channel) for train in mine]
        assert schedule.first_us(channel) == (starts[0] if starts else 0)
        for train, start in zip(mine, starts, strict=True):
            read = schedule.train(channel, start)
            assert read is not None
            phase = train.phase
            assert (read.start_us, read.ramp_up_us, read.plateau_us, read.ramp_down_us, read.percent) == (
                start,
                phase.ramp_up_us,
                phase.plateau_us,
                phase.ramp_down_us,
                phase.intensity_percent,
            )
            assert read.continuous == phase.continuous
            if start > 0:
                before = schedule.train(channel, start - 1)
                assert before is None or before.start_us in starts, "no train that the app does not know"
            ends.append(start + phase.active_us)
    assert schedule.duration_us == max(ends)
    assert schedule.area_cm2 == timeline.programme.electrode.area_cm2
    assert schedule.channels() == tuple(
        one for one in CHANNELS if any(one in train.phase.channels for train in timeline.trains)
    )


NEAR = {
    "frequency_hz": ("0", "0.999999999", "1", "20", "20.000000001", "20.0000000001", "150", "150.000000001", "1e1"),
    "phase_width_us": ("19", "20", "800", "801", "800.0", "true"),
    "interphase_us": ("9", "10", "1000", "1001"),
    "ramp_up_ms": ("299", "300", "29999", "30000", "60001", "2699000", "2700001"),
    "hold_ms": ("0", "1", "28500", "28501", "30000", "30001", "-1"),
    "ramp_down_ms": ("-1", "0", "30000", "30001", "60001", "2700001"),
    "rest_ms": ("999", "1000", "6499", "6500", "2699000", "2700000", "2700001"),
    "repeats": ("0", "1", "200", "201", "9999", "10000", "99999999999999999999"),
    "intensity_percent": ("0", "0.000000001", "0.0000000009", "100", "100.000000001", "1e-9", "1e-10", "inf", "nan"),
    "continuous_s": ("0", "0.000001", "0.0000001", "2696", "2696.000001", "2700", "2700.000001", "1e3", "1e999999999"),
    "pause_s": ("0", "0.000001", "0.0000001", "2600", "2700", "2700.000001", "-1"),
    "channel": ('"A"', '"B"', '"AB"', '"C"', '""'),
}
BASES = {"contraction": CONTRACTION, "short": SHORT, "continuous": CONTINUOUS, "pause": PAUSE}


@pytest.mark.req("SR-021", "SR-022")
@MANY
@given(st.data())
def test_both_readers_keep_the_same_bounds(data: st.DataObject) -> None:
    """One or two fields at or beside a bound; a phase of pulses leads, so that a pause is not alone."""
    kind = data.draw(st.sampled_from(sorted(BASES)))
    base = dict(BASES[kind])
    for field in data.draw(st.lists(st.sampled_from([one for one in base if one in NEAR]), min_size=1, max_size=2)):
        base[field] = data.draw(st.sampled_from(NEAR[field]))
    area = data.draw(st.sampled_from(("10.0", "0.1", "0.099", "0.099999999", "500", "500.000000001", "10000")))
    top = {"electrode": f'{{ kind = "surface", area_cm2 = {area} }}'}
    text = programme_toml(*((SHORT, base) if kind == "pause" else (base,)), **top)
    assert guard_accepts(text) == app_accepts(text), text.decode()


PAUSES = b"".join(b'[[phase]]\nname = { nb = "p", en = "p" }\npause_s = 0.000001\n' for _ in range(5000))
# Pulse 27 000 starts 270 us before the end of the session and lasts 700 us.
LATE = changed(CONTINUOUS, frequency_hz="10.000001", ramp_up_ms="1000", ramp_down_ms="0", continuous_s="2699")
SMALL = changed(PAUSE, pause_s="0.000001")
COUNTS = {
    "no phase": (programme_toml().split(b"[[phase]]")[0], False),
    "200 phases": (programme_toml(SHORT, *[SMALL] * 199), True),
    "201 phases": (programme_toml(SHORT, *[SMALL] * 200), False),
    "only pauses": (programme_toml(PAUSE), False),
    "no cycles": (programme_toml(SHORT, cycles="0"), False),
    "as many cycles as a session holds": (programme_toml(SHORT, cycles="1350"), True),
    "one more": (programme_toml(SHORT, cycles="1351"), False),
    "10 000 cycles of 5 000 pauses": (programme_toml(SHORT, cycles="10000") + PAUSES, False),
    "9 999 cycles of 200 pauses": (programme_toml(*[SMALL] * 200, cycles="9999"), False),
    "10 000 phases played": (programme_toml(SHORT, *[SMALL] * 49, cycles="200"), True),
    "one more phase in each": (programme_toml(SHORT, *[SMALL] * 50, cycles="200"), False),
    "the last pulse ends within 45 min": (programme_toml(changed(LATE, continuous_s="2698.999")), True),
    "the last pulse ends after 45 min": (programme_toml(LATE), False),
    "64 KiB": (programme_toml() + b"#\n" * ((65_536 - len(programme_toml())) // 2), True),
    "over 64 KiB": (programme_toml() + b"#\n" * 32_768, False),
    "a long line": (programme_toml() + b"#" * 2_001, False),
    "schema 2": (programme_toml(schema="2"), False),
    "schema true": (programme_toml(schema="true"), False),
    "a continuous phase at the end": (programme_toml(SHORT, CONTINUOUS), True),
    "a contraction after a continuous phase": (programme_toml(CONTINUOUS, SHORT), False),
    "another continuous phase after it": (programme_toml(CONTINUOUS, CONTINUOUS), False),
    "2 s after it": (programme_toml(CONTINUOUS, changed(PAUSE, pause_s="2"), SHORT), True),
    "less than 2 s": (programme_toml(CONTINUOUS, changed(PAUSE, pause_s="1.999999"), SHORT), False),
    "2 s in two pauses": (programme_toml(CONTINUOUS, *[changed(PAUSE, pause_s="1")] * 2, SHORT), False),
    "a continuous phase again and again": (programme_toml(CONTINUOUS, cycles="2"), False),
    "with a pause at its end": (programme_toml(CONTINUOUS, changed(PAUSE, pause_s="2"), cycles="2"), True),
    "with the pause of the next cycle": (programme_toml(changed(PAUSE, pause_s="2"), CONTINUOUS, cycles="2"), True),
}


@pytest.mark.req("SR-021")
@pytest.mark.parametrize("name", COUNTS)
def test_both_readers_count_alike(name: str) -> None:
    text, fine = COUNTS[name]
    began = time.process_time()
    assert (app_accepts(text), guard_accepts(text)) == (fine, fine)
    assert time.process_time() - began < 5, "bounded before it is expanded: less than 0.1 s of work, not minutes"
