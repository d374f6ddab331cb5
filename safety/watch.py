"""The watch: judges what one check has read against what was asked. ``judge`` gives the causes that hold now.

Everything is compared with what may, and what must, have played since the peak holds were emptied (``window.py``). What
is absent or implausible counts as the dangerous value; only, a converter that is itself not to be believed is named
as that, and nothing else is concluded from its readings. Emergency-stop lines are the interlock's own business.

Margins are in sigma of the simulated converter (0.2 steps; ``hw/mock/adc.py``), which also cuts off up to one step. One
step is ``full scale / 2482`` of current, 16 mV at an electrode, 20 mV of the rail, 8 uA of the average, 0.8 mV of the
reference. A day has 4.3 million checks, so that 6 sigma on each side would be enough. Pure: integers, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from safety import limits, steps
from safety.window import Asked

CODES: Final = 4096
"""Of the DAC: I = code / 4096 x full scale (hardware.md)."""

# --- current. All of these: ours.
BAND_PERCENT: Final = 10
BAND_UA: Final = 100
"""A peak is wrong beyond ``10 % + 100 uA`` of what was asked, either way. The worst is 100 mA full scale: 20 % too much
at 2 mA reads at least 2 360 uA (a step cut off), above 2 300 by 7 sigma; at 50 mA it is 20. A right peak reads at most
what was asked, 12 sigma below the band (25 at 50 mA), and at least a step less, 13 sigma above the lower one at 0.5 mA.
Drift of the load does not move the peak of a current source. Shunt, source and reference of a board have the 10 %."""
CURRENT_FLOOR_UA: Final = 500
"""With less asked, nothing is said about too little, load, short or drift: at 0.5 mA and 100 mA full scale a step is 8
% of the current and, into 138 ohm, the least that the model has, 16 of 69 mV."""
SHORT_OHM: Final = 50
"""hardware.md. The least healthy load, 138 ohm at 0.5 mA, reads 48 mV at least: 9 sigma above 25 mV."""
COMPLIANCE_PERCENT: Final = 90
"""From so much of the compliance on a voltage counts as all there is: at the lowest rail allowed the sources have 55 of
60 V, and 54 V is 9 % of the divider and converter below 60."""
LOAD_TIMES_MAX: Final = (8, 5)
"""A load so many times that at the session's first pulses of that width has drifted. What must be found is half an
electrode off, twice the load; at 0.5 mA the first reading may be 9 % high and the later one 8 % low, so 1.6. The
model's healthy drift is 8 % of the contact, 2.4 % of the load: 1.2 in all with the steps, 1.6 is 20 sigma further."""
LOAD_TIMES_MIN: Final = (1, 2)
"""Less than half of it: something else carries the current, a short of more than 50 ohm among others."""
FINDINGS_TO_NAME: Final = 2
"""Windows in a row with something wrong, until it is named: an electrode that was moved for one pulse is nothing, and
two windows with a pulse each are within 3 pulses or 100 ms."""
DIRECT_US: Final = 40_000
"""The average must be beyond its bound for so long, three checks: behind a filter of 1 s nothing real lasts less."""
ZERO_MV: Final = 1_000
"""At an electrode without a pulse. Tissue has a time constant of 70 us, and of a series capacitor that 40 uC brought to
4 V the bleeder lets it see 2 %."""

# The average itself (limits.DIRECT_CURRENT_MAX_UA): a balanced train leaves 0 from its first pulse on, so that there is
# no start-up to wait for; between the two phases of a pulse the filter holds charge / 1 s, at most 40 uA; a reference
# at the end of its tolerance moves the zero by 40 uA, and a step is 8: 88 of 100, without any direct current.

# --- rail. All of these: ours.
RAIL_FLOOR_MV: Final = 58_000
"""While the switch is closed: HV is 63 +- 2 V; 61 V less 5 % for divider, reference and load."""
RAIL_GONE_MV: Final = 5_000
"""hardware.md: under 5 V within 10 ms of opening. The model has 0.4 V after 20 ms."""
RAIL_RISE_US: Final = 10_000
"""0.1 uF to 63 V takes 6.3 ms at 1 mA; the model's switch is immediate."""
RAIL_OFF_US: Final = 20_000
"""From OUTPUT_ENABLE low to a rail that must be gone: the 10 ms of hardware.md, and one check's worth of lateness of
the write and the read. No current needs it: phase lines are low by then."""
KEPT_US: Final = 80_000
"""So long after a toggle KEEPALIVE surely holds (drop-out 80-120 ms, hardware.md)."""
DROPPED_US: Final = 130_000
"""So long after the last toggle the rail must be gone: 120 ms and the 10 of the fall."""
POWER_CONFIRM_US: Final = 10_000
"""POWER_OK low with the rail still there is a low battery only after this: a charger's rail is gone by then."""

# --- converter. All of these: ours.
REFERENCE_TOLERANCE_MV: Final = 3
"""0.24 %, for VREF and the reference together: a right reading is within a step, 13 sigma inside. 6 mV would already
put 80 uA on the average, whose zero is 1.650 V."""
CODE_MAX: Final = 4095
DOUBT_US: Final = 1_000_000
"""A converter that was wrong is believed again after so long without a fault: a noisy one looks right now and then."""
FROZEN_CHECKS: Final = 50
"""Readings in a row with all eight codes the same: 1 s. The averages rest on the edge of a step (1.650 V is half of
VREF), so that each keeps its code with probability 1/2: 4^-50."""

# --- daemon and rhythm. All of these: ours.
ROUND_TRIP_NOTED_US: Final = 10_000
"""p99 is 250 us and the dead-man's own time is 120 ms: longer is counted."""
ROUND_TRIP_MAX_US: Final = 50_000
"""Longer stops: with two of them a stop or a toggle of KEEPALIVE would come too late."""
CHECK_LATE_US: Final = 60_000
"""After its due time. One check more and KEEPALIVE may drop out by itself (80 ms)."""


class Sample(steps.Sample, Protocol):
    """What one burst read (``hw/senses.py``): also the lines whose mode is another than it should be, and whether the
    daemon holds the waves that were handed to it and no other pulses, and the
    peaks read once more, right after the holds were emptied and where no pulse can be (None: not this time).

    Peaks since the last PEAK_RESET; ``average_ua`` is signed; A, then B.
    """

    @property
    def strayed(self) -> tuple[str, ...]: ...
    @property
    def holds(self) -> bool: ...
    @property
    def emptied_ua(self) -> tuple[int, int] | None: ...


@dataclass(frozen=True)
class Facts:
    """Of the board: figures, bank masks (``phases``: of channel A and of B), and places in ``Sample.raw``."""

    full_scale_ua: int
    compliance_mv: int
    reference_mv: int
    fault_n: int
    power_ok: int
    phases: tuple[int, int]
    averages: tuple[int, int]
    never_full: tuple[int, ...]
    """Codes that cannot be 4095: electrodes (66 V), rail (82 V), averages (16 mA)."""


class Check(NamedTuple):
    """One check: what was read, when, and what was asked.

    ``now_us`` is the time of the reading, ``due_us`` that at which it was to be. ``since_us`` is the PEAK_RESET before;
    ``asked`` (A, B), ``in_flight`` and ``allowed`` come from ``window.py``. ``enabled``: the level OUTPUT_ENABLE was
    last asked to have, ``enabled_us`` since when. ``keepalive_us``: the last toggle, None if there was none;
    ``kept_us``: since when no toggle came later than ``KEPT_US`` after the one before.
    """

    sample: Sample
    now_us: int
    due_us: int
    round_trip_us: int
    since_us: int
    asked: tuple[Asked, Asked]
    in_flight: frozenset[str]
    enabled: bool
    enabled_us: int
    keepalive_us: int | None
    allowed: frozenset[int | None]
    kept_us: int = 0


class Track(NamedTuple):
    """What is remembered of a channel: windows in a row with a finding, the last one counted, loads by width at first,
    since when its average is beyond its bound, its load in ohm and whether the last window let it be judged."""

    findings: int = 0
    window_us: int | None = None
    loads: tuple[tuple[int, int], ...] = ()
    direct_us: int | None = None
    load_ohm: int | None = None
    judged: bool = False


class Memory(NamedTuple):
    """What is remembered from check to check. ``slow``: round trips that were noted. ``doubts``: what was last wrong
    with the converter, at ``doubted_us``."""

    tracks: tuple[Track, Track] = (Track(), Track())
    raw: tuple[int, ...] = ()
    frozen: int = 0
    read_us: int = -1
    power_low_us: int | None = None
    battery_low: bool = False
    slow: int = 0
    doubts: tuple[str, ...] = ()
    doubted_us: int = 0

    @property
    def load_ohm(self) -> tuple[int | None, int | None]:
        """Of A and B as last measured at enough current, for display."""
        return self.tracks[0].load_ohm, self.tracks[1].load_ohm

    def begun(self) -> Memory:
        """At the start of a session: what its loads are at first is not known yet."""
        return self._replace(tracks=(Track(), Track()))


def judge(facts: Facts, memory: Memory, check: Check) -> tuple[Memory, tuple[str, ...]]:
    """The causes that hold now, in no order, and what to remember."""
    memory, power = _power(facts, memory, check)
    memory, converter = _converter(facts, memory, check)
    causes = [*_lines(facts, check), *power, *converter, *_daemon(check)]
    if not converter:  # else nothing that was measured is to be believed
        causes += _rail(facts, check)
        both = [_channel(facts, memory.tracks[n], check, n) for n in (0, 1)]
        memory = memory._replace(tracks=(both[0][0], both[1][0]))
        causes += [code for _, codes in both for code in codes]
    if check.round_trip_us > ROUND_TRIP_NOTED_US:
        memory = memory._replace(slow=memory.slow + 1)
    return memory, tuple(dict.fromkeys(causes))


def _lines(facts: Facts, check: Check) -> list[str]:
    """A phase line high that no pulse explains; the trip's latch."""
    explained = sum(mask for name, mask in zip("AB", facts.phases, strict=True) if name in check.in_flight)
    bank = check.sample.bank
    high = bank & sum(facts.phases)
    causes = [] if bank & facts.fault_n else ["tripped"]
    if high & ~explained or high & (high - 1):
        causes.append("phase_stuck")
    return causes


def _kept(check: Check) -> bool:
    """Whether the output switch must be closed by now, if button, charger and latches leave it alone."""
    if not check.enabled or check.keepalive_us is None:
        return False
    since_us = max(check.enabled_us, check.kept_us)
    return check.now_us - since_us >= RAIL_RISE_US and check.now_us - check.keepalive_us <= KEPT_US


def _power(facts: Facts, memory: Memory, check: Check) -> tuple[Memory, list[str]]:
    """POWER_OK low: the rail tells a charger from a low battery while the switch should be closed.

    While it should be open nothing does, and it is called a charger, unless it was seen to be the battery before.
    """
    if check.sample.bank & facts.power_ok:
        return memory._replace(power_low_us=None, battery_low=False), []
    since = check.now_us if memory.power_low_us is None else memory.power_low_us
    there = check.sample.rail_mv >= RAIL_FLOOR_MV
    if there:
        battery = memory.battery_low or check.now_us - since >= POWER_CONFIRM_US
        causes = ["battery_low"] if battery else []
    else:
        battery = memory.battery_low and not _kept(check)
        causes = ["battery_low" if battery else "charger"]
    return memory._replace(power_low_us=since, battery_low=battery), causes


def _read_us(check: Check) -> int:
    """When the rail was read, at the earliest: a slow daemon may have done so long before its last answer."""
    return check.now_us - (check.round_trip_us if check.round_trip_us > ROUND_TRIP_NOTED_US else 0)


def _rail(facts: Facts, check: Check) -> list[str]:
    rail, read = check.sample.rail_mv, _read_us(check)
    if _kept(check) and rail < RAIL_FLOOR_MV and check.sample.bank & facts.power_ok:
        return ["rail_lost"]
    dropped = check.keepalive_us is None or read - check.keepalive_us >= DROPPED_US
    if (_off(check, read) or dropped) and rail >= RAIL_GONE_MV:
        return ["rail_stuck"]
    return []


def _off(check: Check, at_us: int) -> bool:
    """Whether at a time the switch had to be open, and the rail gone."""
    return not check.enabled and at_us - check.enabled_us >= RAIL_OFF_US


def _converter(facts: Facts, memory: Memory, check: Check) -> tuple[Memory, list[str]]:
    """Whether the converter is to be believed."""
    raw = tuple(check.sample.raw)
    frozen = 0
    if raw == memory.raw:
        frozen = memory.frozen + (check.now_us > memory.read_us)  # the same instant read twice says nothing
    memory = memory._replace(raw=raw, read_us=check.now_us, frozen=frozen)
    causes = ["adc_stuck"] if len(set(raw)) == 1 or memory.frozen >= FROZEN_CHECKS else _implausible(facts, check)
    if causes:
        return memory._replace(doubts=tuple(causes), doubted_us=check.now_us), causes
    return memory, list(memory.doubts) if check.now_us - memory.doubted_us < DOUBT_US else []


def _implausible(facts: Facts, check: Check) -> list[str]:
    """What one reading says of the converter by itself."""
    raw, causes = check.sample.raw, []
    if abs(check.sample.reference_mv - facts.reference_mv) > REFERENCE_TOLERANCE_MV:
        causes.append("adc_reference")
    if any(raw[n] >= CODE_MAX for n in facts.never_full) or any(raw[n] <= 0 for n in facts.averages):
        causes.append("adc_range")
    return causes


def _daemon(check: Check) -> list[str]:
    causes = []
    if check.sample.playing not in check.allowed or check.sample.strayed or not check.sample.holds:
        causes.append("not_what_was_approved")
    if not check.sample.dead_man_running:
        causes.append("dead_man_fired")
    if check.round_trip_us > ROUND_TRIP_MAX_US:
        causes.append("daemon_slow")
    if check.now_us - check.due_us > CHECK_LATE_US:
        causes.append("check_late")
    return causes


def _channel(facts: Facts, track: Track, check: Check, n: int) -> tuple[Track, list[str]]:
    """Current, load and average of one channel."""
    asked, peak_ua, mv = check.asked[n], check.sample.peak_ua[n], check.sample.electrode_mv[n]
    causes = []
    may_ua = -(-asked.may * facts.full_scale_ua // CODES)
    dark = _off(check, check.since_us)
    if 100 * (peak_ua - BAND_UA) > (100 + BAND_PERCENT) * may_ua:
        causes.append("adc_offset" if dark and not asked.may else "current_high")
    elif check.sample.emptied_ua is not None and check.sample.emptied_ua[n] > BAND_UA:
        causes.append("adc_offset")  # a hold that does not let go, or an input that is stuck, hides what flows
    elif mv > ZERO_MV and not any(one.may for one in check.asked):  # the other channel's pulses may be felt here
        causes.append("adc_offset")
    track, direct = _average(track, check, n)
    must_ua = asked.must * facts.full_scale_ua // CODES
    judged = check.enabled and must_ua >= CURRENT_FLOOR_UA
    load_ohm = mv * 1000 // peak_ua if peak_ua >= CURRENT_FLOOR_UA else track.load_ohm
    track = track._replace(judged=judged, load_ohm=load_ohm)
    if not judged:
        return track, causes + direct
    finding, load = _finding(facts, track, asked.width_us, must_ua, peak_ua, mv)
    if finding is None:
        if asked.width_us and not any(width == asked.width_us for width, _ in track.loads):
            track = track._replace(loads=(*track.loads, (asked.width_us, load)))
        track = track._replace(findings=0, window_us=None)
    elif track.window_us != check.since_us:  # the same window read again is no second finding
        track = track._replace(findings=track.findings + 1, window_us=check.since_us)
    if finding is not None and track.findings >= FINDINGS_TO_NAME:
        causes.append(finding)
    return track, causes + direct


def _finding(facts: Facts, track: Track, width_us: int, must_ua: int, peak_ua: int, mv: int) -> tuple[str | None, int]:
    """What is wrong with the current that must have flowed, or with its load; and the load in ohm."""
    at_compliance = 100 * mv >= COMPLIANCE_PERCENT * facts.compliance_mv
    if 100 * (peak_ua + BAND_UA) < (100 - BAND_PERCENT) * must_ua:
        if not at_compliance:
            return "current_low", 0
        return ("lead_off" if 2 * peak_ua < must_ua else "load_drift"), 0
    load = mv * 1000 // peak_ua
    if load < SHORT_OHM:
        return "short", load
    first = dict(track.loads).get(width_us, load)
    up, down = LOAD_TIMES_MAX, LOAD_TIMES_MIN
    if at_compliance or load * up[1] >= first * up[0] or load * down[1] < first * down[0]:
        return "load_drift", load
    return None, load


def _average(track: Track, check: Check, n: int) -> tuple[Track, list[str]]:
    if abs(check.sample.average_ua[n]) <= limits.DIRECT_CURRENT_MAX_UA:
        return track._replace(direct_us=None), []
    since = check.now_us if track.direct_us is None else track.direct_us
    return track._replace(direct_us=since), ["direct_current"] if check.now_us - since >= DIRECT_US else []
