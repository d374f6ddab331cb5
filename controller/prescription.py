"""What a clinician prescribes, and the questions that come before each session. Currents in uA, times in us."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

from controller.chain import canonical

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


ELECTRODE_KINDS: Final = ("vaginal probe", "anal probe", "surface")
PATIENT_MAY: Final = ("end_early", "pause")
TREATMENT, THRESHOLD = "treatment", "threshold"
CAP_STEP_UA: Final = 100
"""Caps are prescribed in tenths of a mA."""
SCHEMA: Final = 1


@dataclass(frozen=True)
class Placement:
    """Where the electrode sits, as the clinician recorded it: depth in mm, turn in degrees."""

    depth_mm: int
    turn_degrees: int


@dataclass(frozen=True)
class Signature:
    """An Ed25519 signature in hexadecimal over ``signed_text``, and the fingerprint of the key (SHA-256)."""

    key: str
    value: str


@dataclass(frozen=True)
class Prescription:
    """One revision. ``caps_ua``: per channel; a channel that is missing gives nothing. ``patient_may``: what the
    patient may change (PATIENT_MAY). ``released``: contraindication -> reason. ``issued``, ``valid_until``: ISO dates.
    ``device``: the fingerprint of the guard it is for. ``programme_text``: of a programme that is not in the library.

    ``kind`` THRESHOLD is a procedure in which the clinician looks for the caps: a channel without a cap may be given
    up to the full scale, once, with the guard's own ``nonce``.
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
    issued: str = ""
    device: str = ""
    programme_sha256: str = ""
    programme_text: str | None = None
    kind: str = TREATMENT
    nonce: str | None = None
    signature: Signature | None = None


def signed_text(one: Prescription) -> bytes:
    """The bytes that are signed: every field that decides anything, in the one way it can be written.

    ASCII JSON, keys sorted, no space, whole numbers; the programme's own text goes in by its SHA-256.
    """
    place = one.placement
    return canonical(
        {
            "schema": SCHEMA,
            "kind": one.kind,
            "revision": one.revision,
            "device": one.device,
            "programme": one.programme,
            "programme_sha256": one.programme_sha256,
            "caps_ua": dict(one.caps_ua),
            "electrode": {
                "kind": one.electrode_kind,
                "area_mm2": one.electrode_area_mm2,
                "placement": place and {"depth_mm": place.depth_mm, "turn_degrees": place.turn_degrees},
            },
            "minutes": one.minutes,
            "sessions_per_day": one.sessions_per_day,
            "sessions_per_week": one.sessions_per_week,
            "weeks": one.weeks,
            "lease_us": one.lease_us,
            "patient_may": list(one.patient_may),
            "released": dict(one.released),
            "prescriber": one.prescriber,
            "issued": one.issued,
            "valid_until": one.valid_until,
            "nonce": one.nonce,
        }
    ).encode("ascii")


def completed(one: Prescription, device: str, today: str, programme: bytes) -> Prescription:
    """With what the clinician need not write: the device, the day, the programme's hash, and an end after its weeks."""
    last = (date.fromisoformat(today) + timedelta(weeks=one.weeks)).isoformat()
    return replace(
        one,
        device=device,
        issued=today,
        programme_sha256=hashlib.sha256(programme).hexdigest(),
        valid_until=min(one.valid_until or last, last),
        signature=None,
    )


def link_fields(one: Prescription, day: str | None) -> dict[str, object]:
    """A signed prescription as the guard is told of it, with today's date if it is known. ``one`` must be signed."""
    assert one.signature is not None
    text = signed_text(one).decode()
    return {"prescription": text, "key": one.signature.key, "signature": one.signature.value, "day": day}


def contraindicated(answers: Mapping[str, bool], released: Mapping[str, str]) -> tuple[str, ...]:
    """What closes stimulation: each yes that is not released, and each question that was not answered."""
    return tuple(one for one in CONTRAINDICATIONS if answers.get(one, True) and one not in released)
