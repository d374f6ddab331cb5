"""The figures every programme must be able to show, per channel, at a maximum of the set-point; and its ceilings.

Everything that is compared with a ceiling is an exact integer or Fraction. Square roots and logarithms are taken only
for showing. r.m.s. counts the pulses that start in any [t, t + 1 s), exactly as the gate counts them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from controller.programme import Programme, Stimulation
from controller.strict_toml import plain
from hw.board import DAC_CODES, Board
from safety import limits
from safety.errors import InputRefused, Problem

LOADS_OHM: Final = (500, 2_000, 10_000)
"""The loads at which energy and voltage are published: the output table that 21 CFR 876.5330 asks for (read)."""
CODE_MAX: Final = DAC_CODES - 1
_SHORTER: Final = "the intensity_percent or the phase_width_us"
_SPARSER: Final = "the intensity_percent, the frequency_hz or the phase_width_us, or use a larger electrode"


@dataclass(frozen=True)
class PhaseFigures:
    """One phase with pulses at the maximum; ``window_*`` are the largest sums over pulses starting within 1 s."""

    position: int
    phase: Stimulation
    full_scale_ua: int
    contractions: int
    code: int
    window_pulses: int
    window_code: int
    window_code_squared: int

    @property
    def pulses(self) -> int:
        """Pulses on each of its channels in the whole session."""
        return self.contractions * self.phase.pulses

    @property
    def current_us(self) -> int:
        """Time in one pulse with current: both phases."""
        return 2 * self.phase.phase_width_us

    @property
    def peak_ua(self) -> Fraction:
        return Fraction(self.code * self.full_scale_ua, DAC_CODES)

    @property
    def charge_pc(self) -> Fraction:
        """Charge of one phase of a pulse."""
        return self.peak_ua * self.phase.phase_width_us

    @property
    def net_charge_code_us(self) -> int:
        """``code x us`` of the first phase less that of the second: one code and one width, so 0."""
        return self.code * self.phase.phase_width_us - self.code * self.phase.phase_width_us

    @property
    def mean_square_ua2(self) -> Fraction:
        """Square of the r.m.s. current in the fullest second."""
        scale = Fraction(self.full_scale_ua, DAC_CODES) ** 2
        return scale * self.window_code_squared * self.current_us / limits.RMS_WINDOW_US

    @property
    def duty(self) -> Fraction:
        """Share of the fullest second in which current flows."""
        return Fraction(self.window_pulses * self.current_us, limits.RMS_WINDOW_US)

    @property
    def average_absolute_ua(self) -> Fraction:
        """Average of the current without its sign in the fullest second."""
        return Fraction(self.window_code * self.full_scale_ua * self.current_us, DAC_CODES * limits.RMS_WINDOW_US)

    @property
    def energy_nj(self) -> Fraction:
        """Energy of one pulse into the 500 ohm of the standard, were the compliance never to end."""
        return self.energy_into_nj(limits.STANDARD_LOAD_OHM, self.peak_ua)

    def energy_into_nj(self, load_ohm: int, current_ua: Fraction) -> Fraction:
        return current_ua**2 * load_ohm * self.current_us / 10**9  # uA2 x ohm x us = 10^-18 J

    @property
    def power_mw(self) -> Fraction:
        """Average power into 500 ohm in the fullest second."""
        return self.mean_square_ua2 * limits.STANDARD_LOAD_OHM / 10**9


@dataclass(frozen=True)
class LoadFigures:
    """What one pulse does to a plain resistor, the voltage limited by the board's compliance."""

    load_ohm: int
    energy_nj: Fraction
    voltage_uv: Fraction


@dataclass(frozen=True)
class ChannelFigures:
    """The largest of each figure over the phases of one channel. ``None`` where there is nothing to state."""

    channel: str
    code: int
    peak_ua: Fraction
    charge_pc: Fraction
    net_charge_code_us: int
    rms_ua: float
    rms_density_ua_per_cm2: float
    power_density_mw_per_cm2: Fraction
    duty: Fraction
    average_absolute_ua: Fraction
    loads: tuple[LoadFigures, ...]
    shannon_k: float | None
    pulses: int
    contractions: int
    continuous_phases: int
    longest_contraction_us: int | None
    longest_continuous_us: int | None
    shortest_rest_us: int | None


@dataclass(frozen=True)
class Figures:
    """A programme at a maximum, whole. ``contractions`` of AB count once; ``pulses`` are those of both channels."""

    max_ua: int
    full_scale_ua: int
    phases: tuple[PhaseFigures, ...]
    channels: tuple[ChannelFigures, ...]
    pulses: int
    contractions: int
    continuous_phases: int
    duration_us: int


def code_at(phase: Stimulation, max_ua: int, full_scale_ua: int) -> int:
    """The DAC code of the plateau: min(4095, floor(S x 4096 x percent / (100 F))), S and F in whole uA."""
    return min(CODE_MAX, math.floor(max_ua * DAC_CODES * phase.intensity_percent / (100 * full_scale_ua)))


def figures(programme: Programme, board: Board, max_ua: int) -> Figures:
    """Derives every figure at the set-point ``max_ua`` (0 to the board's full scale; above it ``ceilings`` refuses).

    Raises InputRefused for a negative maximum.
    """
    if max_ua < 0:
        raise InputRefused(programme.id, (_over_full_scale(max_ua, board.full_scale_ua),))
    sums: dict[tuple[Fraction, int, int, int, Fraction], tuple[int, int, int]] = {}
    phases = []
    for position, phase in enumerate(programme.phases, start=1):
        if isinstance(phase, Stimulation):
            shape = (
                phase.frequency_hz,
                phase.ramp_up_us,
                phase.plateau_us,
                phase.ramp_down_us,
                phase.intensity_percent,
            )
            if shape not in sums:
                sums[shape] = _fullest_second(phase, max_ua, board.full_scale_ua)
            played = phase.repeats * programme.cycles
            code = code_at(phase, max_ua, board.full_scale_ua)
            phases.append(PhaseFigures(position, phase, board.full_scale_ua, played, code, *sums[shape]))
    area = programme.electrode.area_cm2
    channels = tuple(
        _channel(channel, [one for one in phases if channel in one.phase.channels], board, area)
        for channel in ("A", "B")
        if any(channel in one.phase.channels for one in phases)
    )
    return Figures(
        max_ua=max_ua,
        full_scale_ua=board.full_scale_ua,
        phases=tuple(phases),
        channels=channels,
        pulses=sum(channel.pulses for channel in channels),
        contractions=sum(one.contractions for one in phases if not one.phase.continuous),
        continuous_phases=sum(one.contractions for one in phases if one.phase.continuous),
        duration_us=programme.duration_us,
    )


def _fullest_second(phase: Stimulation, max_ua: int, full_scale_ua: int) -> tuple[int, int, int]:
    """The largest count of pulses, sum of codes and sum of squared codes that start within one second.

    Contractions of one channel are more than 1 s apart, start to start (the reader refuses others), so that no second
    holds pulses of two; and B of AB plays like A, so that its sums are the same.
    """
    starts, codes = _contraction(phase, max_ua, full_scale_ua)
    most_pulses = most_code = most_squared = 0
    code_sum = squared_sum = first = 0
    for last, (start, code) in enumerate(zip(starts, codes, strict=True)):
        code_sum += code
        squared_sum += code * code
        while start - starts[first] >= limits.RMS_WINDOW_US:
            code_sum -= codes[first]
            squared_sum -= codes[first] ** 2
            first += 1
        most_pulses = max(most_pulses, last - first + 1)
        most_code = max(most_code, code_sum)
        most_squared = max(most_squared, squared_sum)
    return most_pulses, most_code, most_squared


def _contraction(phase: Stimulation, max_ua: int, full_scale_ua: int) -> tuple[list[int], list[int]]:
    """Start (us after the first) and code of every pulse of one contraction, ramps included."""
    period, cycles = 1_000_000 * phase.frequency_hz.denominator, phase.frequency_hz.numerator
    starts = [n * period // cycles for n in range(phase.pulses)]
    plateau_code = code_at(phase, max_ua, full_scale_ua)
    top = max_ua * DAC_CODES * phase.intensity_percent.numerator
    bottom = 100 * full_scale_ua * phase.intensity_percent.denominator
    up_us, end_us = phase.ramp_up_us, phase.active_us
    fall_us = end_us - phase.ramp_down_us
    codes = []
    for start in starts:
        if start < up_us:
            codes.append(min(CODE_MAX, top * start // (bottom * up_us)))
        elif start < fall_us:
            codes.append(plateau_code)
        else:
            codes.append(min(CODE_MAX, top * (end_us - start) // (bottom * phase.ramp_down_us)))
    return starts, codes


def _channel(channel: str, phases: list[PhaseFigures], board: Board, area_cm2: Fraction) -> ChannelFigures:
    charge = max(one.charge_pc for one in phases)
    mean_square = max(one.mean_square_ua2 for one in phases)
    rms = math.sqrt(mean_square)
    contractions = [one for one in phases if not one.phase.continuous]
    continuous = [one for one in phases if one.phase.continuous]
    charge_uc = charge / 10**6
    return ChannelFigures(
        channel=channel,
        code=max(one.code for one in phases),
        peak_ua=max(one.peak_ua for one in phases),
        charge_pc=charge,
        net_charge_code_us=max((one.net_charge_code_us for one in phases), key=abs),
        rms_ua=rms,
        rms_density_ua_per_cm2=rms / float(area_cm2),
        power_density_mw_per_cm2=max(one.power_mw for one in phases) / area_cm2,
        duty=max(one.duty for one in phases),
        average_absolute_ua=max(one.average_absolute_ua for one in phases),
        loads=tuple(_load(load, phases, board) for load in LOADS_OHM),
        shannon_k=math.log10(charge_uc) + math.log10(charge_uc / area_cm2) if charge else None,
        pulses=sum(one.pulses for one in phases),
        contractions=sum(one.contractions for one in contractions),
        continuous_phases=sum(one.contractions for one in continuous),
        longest_contraction_us=_most(one.phase.active_us for one in contractions),
        longest_continuous_us=_most(one.phase.active_us for one in continuous),
        shortest_rest_us=min((one.phase.rest_us for one in contractions), default=None),
    )


def _most(values: Iterable[int]) -> int | None:
    return max(values, default=None)


def _load(load_ohm: int, phases: list[PhaseFigures], board: Board) -> LoadFigures:
    """Energy and peak voltage at a load: the source gives its current until the compliance ends it."""
    compliance_ua = Fraction(board.compliance_v) * 1_000_000 / load_ohm
    currents = [min(one.peak_ua, compliance_ua) for one in phases]
    energy = max(one.energy_into_nj(load_ohm, current) for one, current in zip(phases, currents, strict=True))
    return LoadFigures(load_ohm, energy, max(currents) * load_ohm)


def ceilings(programme: Programme, figures: Figures) -> tuple[Problem, ...]:
    """What is over a ceiling of ``safety.limits`` at this maximum; empty when the programme may be played at it."""
    if not 0 <= figures.max_ua <= figures.full_scale_ua:
        return (_over_full_scale(figures.max_ua, figures.full_scale_ua),)
    area = programme.electrode.area_cm2
    maximum = f"at a maximum of {plain(Fraction(figures.max_ua, 1_000))} mA"
    shorter, sparser = f"Lower the maximum, {_SHORTER}.", f"Lower the maximum, {_SPARSER}."
    density_ua = limits.RMS_DENSITY_MAX_UA_PER_CM2 * area
    density = plain(Fraction(limits.RMS_DENSITY_MAX_UA_PER_CM2, 1_000))
    problems = []
    for one in figures.phases:
        rms_ma = _root_up(one.mean_square_ua2) / 10**6
        power_density = one.power_mw / area / 1_000
        for code, over, value, allowed, advice in (
            (
                "charge_high",
                one.charge_pc > limits.CHARGE_PER_PHASE_MAX_PC,
                f"charge per phase {_up(one.charge_pc / 10**6)} uC",
                f"at most {plain(Fraction(limits.CHARGE_PER_PHASE_MAX_PC, 10**6))} uC",
                shorter,
            ),
            (
                "energy_high",
                one.energy_nj > limits.ENERGY_PER_PULSE_MAX_NJ,
                f"energy per pulse {_up(one.energy_nj / 10**6)} mJ into {limits.STANDARD_LOAD_OHM} ohm",
                f"at most {plain(Fraction(limits.ENERGY_PER_PULSE_MAX_NJ, 10**6))} mJ",
                shorter,
            ),
            (
                "rms_high",
                one.mean_square_ua2 > limits.RMS_MAX_UA**2,
                f"r.m.s. current {_up(rms_ma)} mA",
                f"at most {plain(Fraction(limits.RMS_MAX_UA, 1_000))} mA in any second",
                sparser,
            ),
            (
                "rms_density_high",
                one.mean_square_ua2 > density_ua**2,
                f"r.m.s. current {_up(rms_ma)} mA on {plain(area)} cm2",
                f"at most {plain(density_ua / 1_000)} mA on this electrode ({density} mA/cm2)",
                sparser,
            ),
            (
                "power_density_high",
                one.power_mw > limits.POWER_DENSITY_MAX_MW_PER_CM2 * area,
                f"power density {_up(power_density)} W/cm2 into {limits.STANDARD_LOAD_OHM} ohm",
                f"at most {plain(Fraction(limits.POWER_DENSITY_MAX_MW_PER_CM2, 1_000))} W/cm2",
                sparser,
            ),
        ):
            if over:
                problems.append(Problem(code, f"phase[{one.position}]", "", f"{value} {maximum}", allowed, advice))
    return tuple(problems)


def highest_ua(programme: Programme, board: Board) -> int:
    """The highest maximum in whole uA, up to the full scale, at which no ceiling is exceeded; 0 if there is none."""
    low, high = 0, board.full_scale_ua
    while low < high:
        middle = (low + high + 1) // 2
        if ceilings(programme, figures(programme, board, middle)):
            high = middle - 1
        else:
            low = middle
    return low


def _over_full_scale(max_ua: int, full_scale_ua: int) -> Problem:
    return Problem(
        "max_over_full_scale",
        "",
        "maximum",
        f"{plain(Fraction(max_ua, 1_000))} mA",
        f"0 to {plain(Fraction(full_scale_ua, 1_000))} mA, the board's full scale",
        "Lower the maximum.",
    )


def _up(value: Fraction) -> str:
    """At most six decimals, rounded up, so that what is over a ceiling also reads so."""
    return plain(Fraction(math.ceil(value * 10**6), 10**6))


def _root_up(mean_square_ua2: Fraction) -> Fraction:
    """The r.m.s. current in nA, rounded up."""
    return Fraction(math.isqrt(max(0, math.ceil(mean_square_ua2 * 10**6) - 1)) + 1)
