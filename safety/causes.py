"""Every cause of a stop, as one table: how bad it is, what is done, and how it clears. Pure.

The order is that of danger and of evidence: what a person did or the board's own hardware says comes before what was
measured, and that before what the daemon, the guard or the app did. Where several hold at once the first is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from safety import selftest


class Act(StrEnum):
    """What is done. RAMP: codes only fall, zero within 500 ms, else a stop; outside a running session it is a stop."""

    RAMP = "ramp"
    STOP = "stop"
    LOCKOUT = "lockout"


class Clears(StrEnum):
    """How a cause is cleared; none of them leads back to output.

    RESUME: the session is paused, and a person resumes it. RESET: the acknowledgement re-arms the board's latch, and
    the self-test shows whether that held. CLINICIAN: an acknowledgement in that role.
    """

    RESUME = "resume"
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    RELEASE_AND_ACKNOWLEDGE = "release_and_acknowledge"
    CLINICIAN = "clinician"


@dataclass(frozen=True)
class Cause:
    """One reason to stop. ``priority``: smaller is worse, and no two causes share one."""

    code: str
    priority: int
    act: Act = Act.STOP
    clears: Clears = Clears.ACKNOWLEDGE


def _lockout(code: str, priority: int) -> Cause:
    return Cause(code, priority, Act.LOCKOUT, Clears.CLINICIAN)


SELF_TEST_STEPS: Final = (*selftest.CODES, "self_test_late")
"""What a self-test may fail at (``safety/selftest.py``), and that it did not come to an end."""

_CAUSES: Final = (
    # a person's hand
    Cause("estop_contacts_disagree", 0, clears=Clears.RELEASE_AND_ACKNOWLEDGE),  # first, or a press would hide it
    Cause("emergency_stop", 1, clears=Clears.RELEASE_AND_ACKNOWLEDGE),
    # the board's own trips
    Cause("phase_stuck", 10, clears=Clears.RESET),
    Cause("tripped", 11, clears=Clears.RESET),
    # power
    Cause("charger", 20),
    Cause("battery_low", 21, Act.RAMP),
    # the switched rail
    _lockout("rail_stuck", 30),
    Cause("rail_lost", 31),
    # what was measured
    _lockout("current_high", 40),
    _lockout("direct_current", 41),
    Cause("short", 42),
    Cause("lead_off", 43),
    Cause("current_low", 44),
    Cause("load_drift", 45),
    # the converter that measures it
    Cause("adc_stuck", 50),
    Cause("adc_reference", 51),
    Cause("adc_range", 52),
    Cause("adc_offset", 53),
    # the daemon, and whoever else talks to it
    Cause("daemon_lost", 60),
    Cause("daemon_slow", 61),  # this and the next before what they bring about: edges come late, the wave is halted
    Cause("dead_man_fired", 62),
    Cause("not_what_was_approved", 63),
    Cause("edges_differ", 64),
    # the guard itself
    Cause("internal_error", 70),
    Cause("check_late", 71),
    *(Cause(code, 100 + number) for number, code in enumerate(SELF_TEST_STEPS)),
    # the app
    Cause("gate_refused", 200),
    Cause("app_lost", 201),
    Cause("session_timeout", 202),
    Cause("app_late", 203),
    Cause("lease_lost", 204, Act.RAMP, Clears.RESUME),
    Cause("threshold_over", 205, Act.RAMP, Clears.RESUME),
    # a person's word, and what was found at the start
    Cause("person", 210),
    Cause("guard_restarted", 220),
)
CAUSES: Final = {cause.code: cause for cause in _CAUSES}
"""Every cause by its code."""


def worst(codes: list[str]) -> str:
    """The code that counts where several hold; there must be one at least."""
    return min(codes, key=lambda code: CAUSES[code].priority)
