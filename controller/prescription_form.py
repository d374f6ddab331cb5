"""A prescription as a form in the clinician's units (mA, mm2, ms), as JSON or TOML: two views of one model.

Both are read strictly, with every reason to refuse at once; and both lead to the same signed bytes
(``controller.prescription.signed_text``). The JSON view is what the API takes and gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from controller.prescription import (
    CAP_STEP_UA,
    CONTRAINDICATIONS,
    ELECTRODE_KINDS,
    PATIENT_MAY,
    Placement,
    Prescription,
    Signature,
)
from controller.strict_toml import Fields, Words, parse_toml, printable, read_small_file
from safety import limits
from safety.errors import InputRefused, Problem

T = TypeVar("T")
TEXT_MAX: Final = 500
NAME_MAX: Final = 64
_NEEDED: Final = (
    *("revision", "programme", "caps_ma", "electrode", "minutes", "sessions_per_day", "sessions_per_week", "weeks"),
    "prescriber",
)
_MORE: Final = (
    *("lease_ms", "patient_may", "released", "issued", "valid_until", "device", "programme_sha256", "programme_text"),
    "signature",
)
_HEX_64: Final = re.compile(r"[0-9a-f]{64}")
_HEX_128: Final = re.compile(r"[0-9a-f]{128}")


def as_form(one: Prescription) -> dict[str, Any]:
    """The form of a prescription, in the API's names and units."""
    place, signature = one.placement, one.signature
    return {
        "revision": one.revision,
        "programme": one.programme,
        "caps_ma": {name: ua / 1000 for name, ua in one.caps_ua.items()},
        "electrode": {
            "kind": one.electrode_kind,
            "area_mm2": one.electrode_area_mm2,
            "placement": place and {"depth_mm": place.depth_mm, "turn_degrees": place.turn_degrees},
        },
        "minutes": one.minutes,
        "sessions_per_day": one.sessions_per_day,
        "sessions_per_week": one.sessions_per_week,
        "weeks": one.weeks,
        "lease_ms": one.lease_us // 1000,
        "patient_may": list(one.patient_may),
        "released": [{"contraindication": what, "reason": why} for what, why in one.released.items()],
        "prescriber": one.prescriber,
        "issued": one.issued or None,
        "valid_until": one.valid_until,
        "device": one.device or None,
        "programme_sha256": one.programme_sha256 or None,
        "programme_text": one.programme_text,
        "signature": signature and {"key": signature.key, "value": signature.value},
    }


def load_form(path: Path) -> Prescription:
    """Reads a file, TOML or (if it begins with a brace) JSON. Raises InputRefused with every problem found."""
    data = read_small_file(path)
    return parse_form(data, str(path))


def parse_form(data: bytes, source: str) -> Prescription:
    """A prescription from the bytes of a form; ``source`` names it in messages. Raises InputRefused."""
    source = printable(source)
    if data.lstrip()[:1] == b"{":
        try:
            raw = json.loads(data, parse_float=Decimal, parse_constant=Decimal)
        except (ValueError, RecursionError) as error:
            _refuse(source, "file_not_json", str(error)[:80])
        raw = {key: value for key, value in raw.items() if value is not None}
    else:
        raw, _ = parse_toml(data, source)
    problems: list[Problem] = []
    found = _read(Fields(raw, "", problems, lambda _: ""))
    if problems or found is None:
        raise InputRefused(source, tuple(problems))
    return found


def _refuse(source: str, code: str, value: str) -> NoReturn:
    raise InputRefused(source, (Problem(code, "", "file", value, "a prescription", "Export it again."),))


def _read(form: Fields) -> Prescription | None:
    form.only((*_NEEDED, *_MORE), "a prescription")
    table = form.table
    programme = form.text("programme", NAME_MAX)
    prescriber = form.text("prescriber", NAME_MAX)
    electrode = form.inner("electrode", ("kind", "area_mm2", "placement"))
    kind = area = place = None
    if electrode is not None:
        kind = electrode.choice("kind", ELECTRODE_KINDS)
        area = electrode.integer("area_mm2", limits.AREA_MIN_MM2, limits.AREA_MAX_MM2, "mm2")
        place = _placement(electrode)
    numbers = {
        "revision": form.integer("revision", 1, limits.REVISION_MAX),
        "minutes": form.integer("minutes", 1, limits.SESSION_MAX_US // 60_000_000, "min"),
        "sessions_per_day": form.integer("sessions_per_day", 1, limits.SESSIONS_PER_DAY_MAX),
        "sessions_per_week": form.integer("sessions_per_week", 1, 7 * limits.SESSIONS_PER_DAY_MAX),
        "weeks": form.integer("weeks", 1, limits.PRESCRIPTION_WEEKS_MAX),
    }
    lease_ms: int | None = limits.LEASE_DEFAULT_US // 1000
    if "lease_ms" in table:
        lease_ms = form.integer("lease_ms", limits.LEASE_MIN_US // 1000, limits.LEASE_MAX_US // 1000, "ms")
    caps, may, released = _caps(form), _may(form), _released(form)
    dates = {key: _date(form, key) for key in ("issued", "valid_until") if key in table}
    hashes = {key: _digits(form, key, _HEX_64) for key in ("device", "programme_sha256") if key in table}
    text = table.get("programme_text")
    if text is not None and (not isinstance(text, str) or len(text.encode(errors="replace")) > 64 * 1024):
        form.add("field_text", "programme_text", Words("not a programme"), "the text of a programme file", "Export it.")
    signature = _signature(form) if "signature" in table else None
    if form.problems:
        return None
    return Prescription(
        revision=_got(numbers["revision"]),
        programme=_got(programme),
        caps_ua=_got(caps),
        electrode_kind=_got(kind),
        electrode_area_mm2=_got(area),
        placement=place,
        minutes=_got(numbers["minutes"]),
        sessions_per_day=_got(numbers["sessions_per_day"]),
        sessions_per_week=_got(numbers["sessions_per_week"]),
        weeks=_got(numbers["weeks"]),
        lease_us=_got(lease_ms) * 1000,
        patient_may=_got(may),
        released=_got(released),
        prescriber=_got(prescriber),
        issued=dates.get("issued") or "",
        valid_until=dates.get("valid_until"),
        device=hashes.get("device") or "",
        programme_sha256=hashes.get("programme_sha256") or "",
        programme_text=text,
        signature=signature,
    )


def _got(value: T | None) -> T:
    """What was read; it is there when no problem was noted."""
    assert value is not None
    return value


def _placement(electrode: Fields) -> Placement | None:
    if electrode.table.get("placement") is None:
        return None
    inner = electrode.inner("placement", ("depth_mm", "turn_degrees"))
    if inner is None:
        return None
    depth, turn = inner.integer("depth_mm", 0, 200, "mm"), inner.integer("turn_degrees", -180, 180, "degrees")
    return None if depth is None or turn is None else Placement(depth, turn)


def _caps(form: Fields) -> dict[str, int] | None:
    inner = form.inner("caps_ma", ("A", "B"))
    if inner is None:
        return None
    caps = {}
    for name, told in inner.table.items():
        if told is None or name not in ("A", "B"):
            continue
        ma = inner.decimal(name, Fraction(0), Fraction(limits.FULL_SCALES_UA[-1], 1000), "mA")
        if ma is not None and (ma * 1000) % CAP_STEP_UA:
            inner.add("field_decimals", name, told, "tenths of a mA", "Write one decimal.")
        if ma is not None:
            caps[name] = int(ma * 1000)
    return caps


def _may(form: Fields) -> tuple[str, ...] | None:
    listed = form.table.get("patient_may", [])
    if not isinstance(listed, list) or any(one not in PATIENT_MAY for one in listed) or len(listed) > len(PATIENT_MAY):
        form.add("field_range", "patient_may", listed, f"a list of {', '.join(PATIENT_MAY)}", "Write some of these.")
        return None
    return tuple(listed)


def _released(form: Fields) -> dict[str, str] | None:
    listed, released = form.table.get("released", []), {}
    allowed = "a list of contraindication and reason"
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        form.add("field_type", "released", listed, allowed, "Write each as a table.")
        return None
    for number, one in enumerate(listed):
        entry = Fields(one, f"released[{number}]", form.problems, lambda _: "")
        entry.only(("contraindication", "reason"), "released")
        what, why = entry.choice("contraindication", CONTRAINDICATIONS), entry.text("reason", TEXT_MAX)
        if what is not None and why is not None:
            released[what] = why
    return released


def _date(form: Fields, key: str) -> str | None:
    value = form.table[key]
    try:
        if isinstance(value, str) and date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    form.add("field_text", key, value, "a date as 2027-01-31, in quotes", "Write year, month and day.")
    return None


def _digits(form: Fields, key: str, shape: re.Pattern[str]) -> str | None:
    value = form.table.get(key)
    if isinstance(value, str) and shape.fullmatch(value):
        return value
    form.add("field_text", key, value, "hexadecimal digits", "Take it over unchanged.")
    return None


def _signature(form: Fields) -> Signature | None:
    inner = form.inner("signature", ("key", "value"))
    if inner is None:
        return None
    key, value = _digits(inner, "key", _HEX_64), _digits(inner, "value", _HEX_128)
    return None if key is None or value is None else Signature(key, value)


# --- writing ----------------------------------------------------------------------------------------------------------


def as_json(one: Prescription) -> str:
    """The form as JSON."""
    return json.dumps(as_form(one), indent=2, ensure_ascii=False) + "\n"


def as_toml(one: Prescription) -> str:
    """The form as TOML; what is not set is left out."""
    return "".join(f"{key} = {toml_value(value)}\n" for key, value in as_form(one).items() if value is not None)


def toml_value(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Mapping):
        parts = (f"{key} = {toml_value(part)}" for key, part in value.items() if part is not None)
        return "{ " + ", ".join(parts) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, str) and "\n" in value:  # a programme: no line may be longer than its own
        return '"""\n' + "\n".join(_quoted(line)[1:-1] for line in value.split("\n")) + '"""'
    return _quoted(value)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
