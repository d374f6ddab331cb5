"""What a clinician prescribes, and the questions that come before each session. Currents in uA, times in us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

CONTRAINDICATIONS: Final = (
    "pregnant",
    "recent_birth_or_surgery",
    "pacemaker_or_implant",
    "epilepsy",
    "bleeding",
    "bladder_does_not_empty",
    "cannot_let_go",
    "abnormal_smear",
    "denervated",
    "cancer_in_the_pelvis",
    "no_feeling_in_the_area",
    "infection_or_unusual_discharge",
    "wound_or_pain_in_the_area",
    "large_prolapse",
    "metal_in_the_field",
    "under_age",
    "cannot_stop_it",
)
"""Each is answered yes or no before a session; a yes that the prescription does not release closes stimulation. What
each asks, and where the list comes from: docs/limits.md."""


@dataclass(frozen=True)
class Placement:
    """Where the electrode sits, as the clinician recorded it: depth in mm, turn in degrees."""

    depth_mm: int
    turn_degrees: int


@dataclass(frozen=True)
class Signature:
    """An Ed25519 signature in hexadecimal over the prescription without it, and the fingerprint of the key."""

    key: str
    value: str


@dataclass(frozen=True)
class Prescription:
    """One revision. ``caps_ua``: per channel; a channel that is missing gives nothing. ``patient_may``: what the
    patient may change (``end_early``, ``shorten_holds`` and so on). ``released``: contraindication -> reason.
    ``valid_until``: an ISO date.
    """

    revision: int
    programme: str
    caps_ua: Mapping[str, int]
    electrode_kind: str
    electrode_area_mm2: int
    placement: Placement | None
    minutes: int
    sessions_per_day: int
    sessions_per_week: int
    weeks: int
    lease_us: int
    patient_may: tuple[str, ...]
    released: Mapping[str, str] = field(default_factory=dict)
    prescriber: str = ""
    valid_until: str | None = None
    signature: Signature | None = None


def contraindicated(answers: Mapping[str, bool], released: Mapping[str, str]) -> tuple[str, ...]:
    """What closes stimulation: each yes that is not released, and each question that was not answered."""
    return tuple(one for one in CONTRAINDICATIONS if answers.get(one, True) and one not in released)
