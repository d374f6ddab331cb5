"""What ``pelvistim run`` prescribes to itself on the simulated board: as much as the board and the limits allow."""

from __future__ import annotations

from collections.abc import Mapping

from controller.prescription import Prescription, completed
from controller.programme import Programme
from safety import limits

NAME = "throw-away"
"""Of the key that signs it, which exists as long as the run."""


def unlimited(programme: Programme, caps_ua: Mapping[str, int], revision: int, device: str, today: str) -> Prescription:
    """A prescription of a whole programme with its own electrode, as often as may be; not signed yet."""
    wanted = Prescription(
        revision=revision,
        programme=programme.id,
        caps_ua=caps_ua,
        electrode_kind=programme.electrode.kind,
        electrode_area_mm2=max(limits.AREA_MIN_MM2, int(programme.electrode.area_cm2 * 100)),
        placement=None,
        minutes=limits.SESSION_MAX_US // 60_000_000,
        sessions_per_day=limits.SESSIONS_PER_DAY_MAX,
        sessions_per_week=7 * limits.SESSIONS_PER_DAY_MAX,
        weeks=limits.PRESCRIPTION_WEEKS_MAX,
        lease_us=limits.LEASE_DEFAULT_US,
        patient_may=(),
        prescriber=NAME,
    )
    return completed(wanted, device, today, programme.text)
