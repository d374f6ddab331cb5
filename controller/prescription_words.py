"""A prescription as the device understood it, in the clinician's words and units: the page's own texts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

from controller.port import EngineRefused
from controller.prescribed import programme_of
from controller.prescription import Prescription
from controller.programme import shipped_programmes
from controller.strict_toml import LANGUAGES

_WORDS: Final = Path(__file__).parent.parent / "api" / "web" / "lang"
_PRINT: Final = 16
"""How much of a fingerprint is shown."""


@cache
def _texts(language: str) -> dict[str, str]:
    if language not in LANGUAGES:
        raise ValueError(f"{language}: allowed: {', '.join(LANGUAGES)}")
    texts: dict[str, str] = json.loads((_WORDS / f"{language}.json").read_text(encoding="utf-8"))
    return texts


def in_words(one: Prescription, language: str) -> list[tuple[str, str]]:
    """Every field as label and text, in ``nb`` or ``en``."""
    texts = _texts(language)
    may = ", ".join(texts[f"plan.may_{what}"] for what in one.patient_may) or texts["plan.may_nothing"]
    own = "" if one.programme in shipped_programmes() else f" ({texts['plan.own_programme']})"
    print_ = f" [{one.programme_sha256[:_PRINT]}]" if one.programme_sha256 else ""
    rows = [
        (texts["plan.revision"], str(one.revision)),
        (texts["plan.programme"], f"{_title(one, language)}{own}{print_}"),
        *(
            (texts[f"plan.cap_{name}"], f"{_number(one.caps_ua.get(name, 0), 1000, language)} mA")
            for name in ("A", "B")
        ),
        (texts["plan.kind"], texts[f"kind.{one.electrode_kind}"]),
        (texts["plan.area"], f"{_number(one.electrode_area_mm2, 100, language)} cm²"),
    ]
    if one.placement is not None:
        rows += [
            (texts["plan.depth"], f"{one.placement.depth_mm} mm"),
            (texts["plan.turn"], f"{one.placement.turn_degrees}°"),
        ]
    rows += [
        (texts["plan.minutes"], str(one.minutes)),
        (texts["plan.day"], str(one.sessions_per_day)),
        (texts["plan.week"], str(one.sessions_per_week)),
        (texts["plan.weeks"], str(one.weeks)),
        (texts["plan.lease"], f"{_number(one.lease_us, 1_000_000, language)} s"),
        (texts["plan.may"], may),
        (texts["plan.prescriber"], one.prescriber),
        (texts["plan.issued"], one.issued or "-"),
        (texts["plan.until"], one.valid_until or "-"),
        (texts["plan.device"], one.device[:_PRINT] or "-"),
    ]
    rows += [
        (texts["plan.released"], f"{texts[f'question.{what}']} {texts['plan.reason']}: {why}")
        for what, why in one.released.items()
    ]
    if one.signature is None:
        return [*rows, ("", texts["plan.unsigned"])]
    return [*rows, (texts["plan.signed"], one.signature.key[:_PRINT])]


def _title(one: Prescription, language: str) -> str:
    """The programme's title and id; its id alone when it is not the one that was signed, or cannot be read."""
    try:
        return f"{programme_of(one).title[language]}, {one.programme}"
    except EngineRefused:
        return one.programme


def _number(value: int, of: int, language: str) -> str:
    """``value / of`` in the language's own way: 20,5 and 20.5."""
    text = f"{value / of:g}"
    return text.replace(".", ",") if language == "nb" else text
