"""Prescriptions that a guard of the tests takes: signed by a key that lies open here, and enrolled by ``stack``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.keys import ClinicianKey
from controller.prescription import link_fields
from controller.programme import Programme, parse_programme
from controller.throw_away import unlimited
from safety import limits
from safety.errors import InputRefused
from safety.link import Message
from safety.prescribed import Prescribed
from safety.schedule import read_schedule
from tests.support.programmes import programme_toml

KEY = ClinicianKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))), "A clinician of the tests")


def prescribed(programme: bytes, caps_ua: Mapping[str, int] | None = None, **changes: Any) -> Prescribed:
    """As the guard reads it: a programme for as long and as often as may be, with its own electrode's area."""
    one = Prescribed(
        kind="treatment",
        revision=1,
        device="d" * 64,
        programme_sha256=hashlib.sha256(programme).hexdigest(),
        caps_ua={"A": 0, "B": 0, **(caps_ua or {})},
        area_cm2=read_schedule(programme).area_cm2,
        minutes=limits.SESSION_MAX_US // 60_000_000,
        sessions_per_day=limits.SESSIONS_PER_DAY_MAX,
        sessions_per_week=7 * limits.SESSIONS_PER_DAY_MAX,
        lease_us=limits.LEASE_DEFAULT_US,
        issued=date(2020, 1, 1),
        ends=date(2020, 12, 31),
        sha256="e" * 64,
        nonce=None,
    )
    return replace(one, **changes)


def signed(
    programme: bytes | Programme,
    status: Message,
    caps_ua: Mapping[str, int] | None = None,
    day: str | None = None,
    **changes: Any,
) -> dict[str, object]:
    """The link's fields of a new revision over this programme, for the guard that tells ``status``; without
    ``caps_ua`` at full scale, with ``changes`` to what is prescribed. Issued on this machine's own date.
    """
    text = programme if isinstance(programme, bytes) else programme.text
    caps = {"A": 50_000, "B": 50_000} if caps_ua is None else caps_ua
    today = datetime.now(UTC).date().isoformat()
    try:
        read = parse_programme(text, "test")
    except InputRefused:  # what the guard is to refuse by itself
        read = replace(parse_programme(programme_toml(), "test"), text=text)
    one = unlimited(read, caps, status["prescription_revision"] + 1, status["device"], today)
    return link_fields(KEY.sign(replace(one, **changes)), day)
