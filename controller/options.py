"""Numbers on the command line, read strictly: what a person typed is taken exactly as it stands, or refused."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,40})?")
"""Plain digits with a point, as in 12.5: no underscore, exponent, unit, other alphabet's digits, nan or inf."""


def number(text: str) -> Decimal | None:
    """The exact value of a plain number; None for anything else, which is the caller's to refuse."""
    return Decimal(text) if NUMBER.fullmatch(text) else None
