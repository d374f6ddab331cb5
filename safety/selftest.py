"""The self-test: what must be shown to work before anything may come out. A generator of steps (``steps.py``).

That this is the only guard is settled before: the locks are taken before the daemon is touched (``alone.py``). A trip
that was there at the start is latched before as a cause; only when a person acknowledged it is it re-armed here
(``rearm``).

No phase line rises with the output switch closed: those steps come last, when the rail has been seen to rise and to
fall, so that the converter's word on it is worth something, and each asks once more right before. The amplitude of both
channels is 0 by then.
"""

from __future__ import annotations

from typing import Final

from safety import limits
from safety.steps import (
    BEGINS_US,
    DROP_OUT_US,
    FRAME_US,
    GONE_MV,
    NEAR_ZERO_MV,
    RAIL_RISES_US,
    Figures,
    Port,
    Sample,
    Steps,
    Wait,
    first_entry,
    frames,
    pulse_list,
)

CODES: Final = {
    "self_test_daemon_version": "the pigpio daemon is older than version 79",
    "self_test_listeners": "the pigpio daemon does not listen on loopback alone",
    "self_test_permission": "the pigpio daemon would write pins that are not the board's",
    "self_test_left_over": "scripts or waves of somebody else are in the pigpio daemon",
    "self_test_adc": "the converter does not live, or two ways of reading it disagree",
    "self_test_reference": "the 1.250 V reference is not read as that",
    "self_test_current": "a current is measured though none was asked for",
    "self_test_voltage": "a voltage is measured at an electrode though none was asked for",
    "self_test_average": "the average current is not zero",
    "self_test_fault_line": "FAULT_N is low: a trip",
    "self_test_estop": "the emergency-stop contacts disagree or the loop is open",
    "self_test_power": "POWER_OK is low: battery low, or a charger is connected",
    "self_test_lines": "an output line does not read as it was written",
    "self_test_rail_stuck": "the switched rail is up though the output switch is open",
    "self_test_rail_without_keepalive": "the switched rail rose without KEEPALIVE",
    "self_test_rail_without_enable": "the switched rail rose without OUTPUT_ENABLE",
    "self_test_rail_low": "the switched rail did not rise",
    "self_test_drop_out": "the switched rail did not fall when KEEPALIVE stopped",
    "self_test_dead_man": "the dead-man script did not run, or did not fire when it was not kicked",
    "self_test_one_shot": "a phase line held for 2 ms did not trip the one-shot",
    "self_test_rearm": "FAULT_RESET did not re-arm the trips",
    "self_test_calibration": "the board was not calibrated, or was found out of tolerance",
    "self_test_calibration_expired": "the calibration of the board is too old, or the clock is wrong",
}
"""Every way to fail, each a cause of its own, and its reason for the log."""

VERSION_MIN: Final = 79
"""pigpiod whose ways are known (docs/pigpiod.md)."""
REFERENCE_MV: Final = 3
"""By which the reference may be off: four steps of the converter, for rounding and noise. ours."""
AGREE_CODES: Final = 3
"""Two readings of a quiet input, one step of rounding apart and four times the noise of 0.2 steps each. ours."""
QUIET_UA: Final = 250
"""A peak under this is none: six steps of the converter at the largest full scale, and too little to feel. ours."""
QUIET_MV: Final = 500
"""Likewise at an electrode, where the bleeder returns the charge of a cut pulse: 4 V at most by 50 mA for 800 us into
10 uF, of which 22 kohm leave an electrode of 2 kohm a tenth. ours."""
SETTLE_US: Final = 20_000
"""A check; also twice the 10 ms in which a rail must have fallen."""
ALIVE_US: Final = 60_000
"""Three changes of KEEPALIVE. ours."""
DEAD_MAN_US: Final = 130_000
"""The script fires 115 to 125 ms after the last kick (``hw/deadman.py``)."""
HOLD_US: Final = 2_000
"""The one-shot opens at 1.15-1.4 ms (hardware.md)."""
RESET_US: Final = 1_000
"""FAULT_RESET (hardware.md)."""
PHASES: Final = ("A_POS", "A_NEG", "B_POS", "B_NEG")


class _Failed(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(CODES[code])
        self.code = code


def _require(holds: bool, code: str) -> None:
    if not holds:
        raise _Failed(code)


def run(port: Port, figures: Figures, now_us: int, *, rearm: bool, uncalibrated: str | None) -> Steps[str | None]:
    """The self-test from ``now_us`` on. Gives None, or the code (``CODES``) of the first step that failed.

    After a failure the guard must stop as for any cause. The dead-man must have been started and kicked before.
    ``uncalibrated``: what is wrong with the calibration record (``calibration.problem``). It comes last: a board that
    fails is to be mended before it is measured.
    """
    try:
        yield from _SelfTest(port, figures).run(now_us, rearm)
        if uncalibrated is not None:
            raise _Failed(uncalibrated)
    except _Failed as failed:
        port.write("OUTPUT_ENABLE", 0)
        return failed.code
    return None


class _SelfTest:
    def __init__(self, port: Port, figures: Figures) -> None:
        self.port, self.figures = port, figures
        self.phases = figures.mask(*PHASES)
        self.enable = figures.mask("OUTPUT_ENABLE")

    def run(self, now: int, rearm: bool) -> Steps[None]:
        now = yield Wait(now, trips=rearm)
        self.port.forget()
        self._daemon()
        # All waves were deleted: the next has id 0.
        _require(self.port.play(*zero_codes(self.figures))[0] == 0, "self_test_left_over")
        now = yield Wait(now + SETTLE_US, trips=rearm)
        if rearm:
            now = yield from self._play("FAULT_RESET", RESET_US)
        self._converter()
        self.port.reset_peaks()
        self._look(enabled=False)
        now = yield Wait(max(now, self.port.toggled_us + DROP_OUT_US))
        yield from self._switch(now)
        yield from self._dead_man()
        for line in PHASES:
            yield from self._one_shot(line)
        self._off("self_test_rail_stuck")

    # --- the daemon and the converter -----------------------------------------------------------------------------

    def _daemon(self) -> None:
        facts = self.port.facts()
        _require(facts.version >= VERSION_MIN, "self_test_daemon_version")
        loopback = [address == "::1" or address.startswith("127.") for address in facts.listeners]
        _require(bool(loopback) and all(loopback), "self_test_listeners")
        _require(not facts.permitted & ~self.figures.mask(*self.figures.lines), "self_test_permission")
        _require(not facts.scripts, "self_test_left_over")

    def _converter(self) -> None:
        raw = self.port.sense().raw
        _require(len(set(raw)) > 1, "self_test_adc")
        for channel, code in enumerate(raw):
            _require(abs(self.port.second_opinion(channel) - code) <= AGREE_CODES, "self_test_adc")

    # --- looks ----------------------------------------------------------------------------------------------------

    def _look(self, *, enabled: bool, dead_man: bool = True, tripped: bool = False) -> Sample:
        """Everything that must hold all the time; ``enabled``: the level that OUTPUT_ENABLE must have."""
        sample, figures = self.port.sense(), self.figures
        _require(abs(sample.reference_mv - figures.reference_mv) <= REFERENCE_MV, "self_test_reference")
        _require(max(sample.peak_ua) <= QUIET_UA, "self_test_current")
        _require(max(sample.electrode_mv) <= QUIET_MV, "self_test_voltage")
        average = max(abs(value) for value in sample.average_ua)
        _require(average <= limits.DIRECT_CURRENT_MAX_UA, "self_test_average")
        for contact in ("ESTOP_A", "ESTOP_B"):
            line = figures.lines[contact]
            _require(bool(sample.bank & line.mask) is bool(line.safe), "self_test_estop")
        _require(bool(sample.bank & figures.mask("POWER_OK")), "self_test_power")
        if not tripped:
            _require(bool(sample.bank & figures.mask("FAULT_N")), "self_test_fault_line")
        _require(sample.dead_man_running is dead_man, "self_test_dead_man")
        written = self.enable if enabled else 0
        _require(sample.bank & (self.phases | self.enable) == written, "self_test_lines")
        return sample

    def _off(self, code: str, *, enabled: bool = False) -> None:
        """The rail must be so low that nothing can flow."""
        _require(self._look(enabled=enabled).rail_mv < NEAR_ZERO_MV, code)

    # --- the output switch ----------------------------------------------------------------------------------------

    def _switch(self, now: int) -> Steps[None]:
        """The rail rises with OUTPUT_ENABLE and KEEPALIVE, with neither alone, and falls when KEEPALIVE stops."""
        self._off("self_test_rail_stuck")
        self.port.write("OUTPUT_ENABLE", 1)
        now = yield Wait(now + SETTLE_US)
        self._off("self_test_rail_without_keepalive", enabled=True)
        self.port.write("OUTPUT_ENABLE", 0)
        now = yield Wait(now + ALIVE_US, toggle=True)
        self._off("self_test_rail_without_enable")
        self.port.write("OUTPUT_ENABLE", 1)
        most = now + RAIL_RISES_US
        while True:
            now = yield Wait(now + SETTLE_US, toggle=True)
            if self._look(enabled=True).rail_mv >= self.figures.compliance_mv:
                break
            _require(now < most, "self_test_rail_low")
        yield Wait(self.port.toggled_us + DROP_OUT_US)
        _require(self._look(enabled=True).rail_mv < GONE_MV, "self_test_drop_out")

    def _dead_man(self) -> Steps[None]:
        """Not kicked, it takes OUTPUT_ENABLE away, which is still high, and ends."""
        now = yield Wait(self.port.kicked_us + DEAD_MAN_US, kick=False)
        _require(not self.port.sense().bank & self.enable, "self_test_dead_man")
        now = yield Wait(now + SETTLE_US, kick=False)
        self._look(enabled=False, dead_man=False)
        self.port.start_dead_man()
        yield Wait(now + SETTLE_US)

    # --- the trips ------------------------------------------------------------------------------------------------

    def _one_shot(self, line: str) -> Steps[None]:
        """A phase line held too long trips, FAULT_RESET re-arms. The wave ends by itself whatever happens here."""
        self._off("self_test_rail_stuck")
        yield from self._play(line, HOLD_US)
        sample = self._look(enabled=False, tripped=True)
        _require(not sample.bank & self.figures.mask("FAULT_N"), "self_test_one_shot")
        yield from self._play("FAULT_RESET", RESET_US)
        sample = self._look(enabled=False, tripped=True)
        _require(bool(sample.bank & self.figures.mask("FAULT_N")), "self_test_rearm")

    def _play(self, line: str, us: int) -> Steps[int]:
        """One line high for so long, by a wave that lowers it again."""
        _, began = self.port.play(held(self.figures, line, us), us + 1)
        return (yield Wait(began + us + BEGINS_US, trips=True))


def held(figures: Figures, line: str, us: int) -> bytes:
    """The pulse list of one line high for ``us``."""
    mask = figures.mask(line)
    return pulse_list([(0, mask, 0), (us, 0, mask)], us + 1)


def zero_codes(figures: Figures) -> tuple[bytes, int]:
    """Amplitude 0 on both channels, framed twice as a chunk has it: the pulse list and its length in us."""
    lines = figures.seven
    length_us = 4 * FRAME_US + 4
    changes = [first_entry(lines), *frames(lines, 1, 0, 0), *frames(lines, 2 * FRAME_US + 2, 0, 0)]
    return pulse_list(changes, length_us), length_us


def admits(figures: Figures, data: bytes) -> bool:
    """Whether a pulse list is one of the six that the self-test plays. Whoever plays for it asks this first."""
    known = {zero_codes(figures)[0], held(figures, "FAULT_RESET", RESET_US)}
    return data in known | {held(figures, line, HOLD_US) for line in PHASES}
