"""What is prescribed, as the guard reads it out of the very bytes that a clinician signed.

The app has its own model (``controller/prescription.py``), which explains; this reader decides, and refuses at the
first thing it does not understand. There is one way to write a prescription: JSON in ASCII, keys sorted, no space,
whole numbers; so whoever reads these bytes reads the same. Who signed them is for ``safety/enrolled.py``.

Pure: text, dates and the ledger's record in; a prescription, a record or a refusal out. Currents in uA, times in us.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Final

from safety import limits
from safety.decode import Refusal
from safety.ledger import Record, latest
from safety.schedule import CHANNELS

SCHEMA: Final = 1
TREATMENT, THRESHOLD = "treatment", "threshold"
"""``threshold``: the clinician looks for the caps; one that is not set yet is the full scale, for 15 minutes."""
_FIELDS: Final = {
    *("schema", "kind", "revision", "device", "programme", "programme_sha256", "caps_ua", "electrode", "minutes"),
    *("sessions_per_day", "sessions_per_week", "weeks", "lease_us", "patient_may", "released", "prescriber"),
    *("issued", "valid_until", "nonce"),
}
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_NONCE: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Prescribed:
    """What the guard holds a session to. ``caps_ua`` has both channels; one that nothing is prescribed for has 0.

    ``device``: the fingerprint of the guard it is meant for; ``ends``: the last day on which it may be used;
    ``sha256``: of the signed bytes; ``nonce``: of a threshold procedure alone, the guard's own; ``key``: fingerprint of
    the key that signed them, once that was verified.
    """

    kind: str
    revision: int
    device: str
    programme_sha256: str
    caps_ua: Mapping[str, int]
    area_cm2: Fraction
    minutes: int
    sessions_per_day: int
    sessions_per_week: int
    lease_us: int
    issued: date
    ends: date
    sha256: str
    nonce: str | None
    key: str = ""


class _Bad(Exception):
    """The text says something it may not."""


def canonical(fields: Mapping[str, Any]) -> bytes:
    """The one way to write a prescription: what is signed."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def read_prescribed(text: bytes, full_scale_ua: int) -> Prescribed | Refusal:
    """Reads the signed bytes. A cap above the full scale is refused, as is all that is not in canonical form."""
    if len(text) > limits.PRESCRIPTION_MAX_BYTES:
        return Refusal("prescription_malformed", f"{len(text)} bytes; allowed: {limits.PRESCRIPTION_MAX_BYTES}")
    try:
        raw = json.loads(text.decode("ascii"), parse_float=_no_number, parse_constant=_no_number)
        if not isinstance(raw, dict) or canonical(raw) != text:
            raise _Bad("not in canonical form")
        if set(raw) != _FIELDS:
            raise _Bad(f"fields {sorted(set(raw) ^ _FIELDS)} are missing or unknown")
        return _prescribed(raw, hashlib.sha256(text).hexdigest(), full_scale_ua)
    except (_Bad, ValueError, OverflowError, RecursionError) as error:
        return Refusal("prescription_malformed", str(error))


def _prescribed(raw: dict[str, Any], sha256: str, full_scale_ua: int) -> Prescribed:
    _whole(raw, "schema", SCHEMA, SCHEMA)
    kind, nonce, electrode = raw["kind"], raw["nonce"], raw["electrode"]
    if kind not in (TREATMENT, THRESHOLD):
        raise _Bad(f"kind: allowed: {TREATMENT} or {THRESHOLD}")
    if (kind == THRESHOLD) is not (isinstance(nonce, str) and bool(_NONCE.fullmatch(nonce))) or (
        kind == TREATMENT and nonce is not None
    ):
        raise _Bad("nonce: the guard's own for a threshold procedure, else null")
    if not isinstance(electrode, dict):
        raise _Bad("electrode: allowed: a table")
    weeks = _whole(raw, "weeks", 1, limits.PRESCRIPTION_WEEKS_MAX)
    issued = _date(raw, "issued")
    if not isinstance(raw["patient_may"], list) or not isinstance(raw["released"], dict):
        raise _Bad("patient_may, released: allowed: a list and a table")
    if not all(isinstance(raw[key], str) and raw[key] for key in ("programme", "prescriber")):
        raise _Bad("programme, prescriber: allowed: a text")
    return Prescribed(
        kind=kind,
        revision=_whole(raw, "revision", 1, limits.REVISION_MAX),
        device=_hash(raw, "device"),
        programme_sha256=_hash(raw, "programme_sha256"),
        caps_ua=_caps(raw["caps_ua"], full_scale_ua, full_scale_ua if kind == THRESHOLD else 0),
        area_cm2=Fraction(_whole(electrode, "area_mm2", limits.AREA_MIN_MM2, limits.AREA_MAX_MM2), 100),
        minutes=_whole(raw, "minutes", 1, limits.SESSION_MAX_US // 60_000_000),
        sessions_per_day=_whole(raw, "sessions_per_day", 1, limits.SESSIONS_PER_DAY_MAX),
        sessions_per_week=_whole(raw, "sessions_per_week", 1, 7 * limits.SESSIONS_PER_DAY_MAX),
        lease_us=_whole(raw, "lease_us", limits.LEASE_MIN_US, limits.LEASE_MAX_US),
        issued=issued,
        ends=min(_date(raw, "valid_until"), issued + timedelta(weeks=weeks)),
        sha256=sha256,
        nonce=nonce,
    )


def _caps(raw: object, full_scale_ua: int, missing_ua: int) -> dict[str, int]:
    if not isinstance(raw, dict) or not set(raw) <= set(CHANNELS):
        raise _Bad("caps_ua: allowed: a table of the channels A and B")
    return {name: _whole(raw, name, 0, full_scale_ua) if name in raw else missing_ua for name in CHANNELS}


def accept(now: Record, asked: Prescribed, device: str, today: date) -> Record | Refusal:
    """The record once this prescription is in force, or why it is not taken.

    ``now``: its ``day`` is the latest day known, which no clock takes back; ``today``: this machine's own date. What
    was taken once is taken again unchanged; a lower revision never, nor another text under the same one.
    """
    day = latest(now, today)
    if asked.device != device:
        return Refusal("prescription_foreign", "it was made for another device")
    if asked.issued > day + timedelta(days=1):
        return Refusal("prescription_not_yet", f"issued on {asked.issued}; today is {day}")
    if day > asked.ends:
        return Refusal("prescription_expired", f"valid until {asked.ends}; {day} has come")
    if asked.kind == THRESHOLD:
        return now  # it changes nothing that is in force; the guard's nonce makes it valid once
    if asked.revision < now.revision:
        return Refusal("prescription_downgraded", f"revision {asked.revision}; {now.revision} was in force already")
    if asked.revision == now.revision and asked.sha256 != now.prescription:
        return Refusal("prescription_replaced", f"revision {now.revision} is in force with another content")
    return replace(now, revision=asked.revision, prescription=asked.sha256)


def why_not(now: Record, asked: Prescribed, device: str, today: date) -> Refusal | None:
    """Why it would not be taken, if so: for whoever asks beforehand."""
    taken = accept(now, asked, device, today)
    return taken if isinstance(taken, Refusal) else None


def _no_number(text: str) -> Any:
    raise _Bad(f"{text[:20]}: allowed: whole numbers")


def _whole(table: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = table.get(key)
    if type(value) is not int or not least <= value <= most:
        raise _Bad(f"{key}: not a whole number from {least} to {most}")
    return value


def _hash(table: Mapping[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise _Bad(f"{key}: not 64 hexadecimal digits")
    return value


def _date(table: Mapping[str, Any], key: str) -> date:
    value = table[key]
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise _Bad(f"{key}: not a date as 2027-01-31")
    return date.fromisoformat(value)
