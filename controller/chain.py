"""The journal's rows and their chain: pure, text in and text out.

Each row's hash is SHA-256 over the hash before it and the row as canonical JSON, so that no row can be changed, left
out, put in or moved without every hash after it changing. Numbers are whole: their units are in the names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

FIRST: Final = "0" * 64
"""What stands for the hash before the first row."""
INTEGER_MAX: Final = 2**63 - 1


class Kind(StrEnum):
    """What a row tells."""

    DEVICE = "device"
    SESSION = "session"
    COMMAND = "command"
    STATE = "state"
    CAUSE = "cause"
    DOSE = "dose"
    CUT = "cut"
    SELF_TEST = "self_test"
    PAIRING = "pairing"
    PRESCRIPTION = "prescription"
    PROGRAMME = "programme"
    THRESHOLD = "threshold"
    SEAL = "seal"
    RATING = "rating"
    BLOCK = "block"
    DIARY = "diary"
    TRAINING = "training"
    PERFECT = "perfect"
    MESSAGE = "message"
    REMINDER = "reminder"
    IMPRESSION = "impression"


@dataclass(frozen=True)
class Row:
    """One row. ``number`` counts from 1 without a gap; ``at`` is what the clock said, ISO 8601 in UTC: shown, never
    trusted; ``body`` is canonical JSON; ``hash`` covers all of these and the hash before.
    """

    number: int
    at: str
    kind: str
    body: str
    hash: str

    @property
    def fields(self) -> dict[str, Any]:
        """The body as it was appended."""
        fields: dict[str, Any] = json.loads(self.body)
        return fields


def canonical(value: Mapping[str, object]) -> str:
    """JSON in the one way it can be written: sorted keys, no space, ASCII, whole numbers only.

    Raises TypeError for a float or anything JSON does not have, ValueError for an integer beyond 64 bits.
    """
    _whole(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _whole(value: object) -> None:
    if isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key of the journal is text, not {key!r}")
            _whole(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _whole(part)
    elif isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > INTEGER_MAX:
            raise ValueError(f"too large for the journal: {value}")
    elif value is not None and not isinstance(value, str | bool):
        raise TypeError(f"the journal takes whole numbers, text, true, false and null, not {value!r}")


def link(before: str, number: int, at: str, kind: str, body: str) -> str:
    """The hash of a row that follows the one with the hash ``before``."""
    row = canonical({"number": number, "at": at, "kind": kind, "body": body})
    return hashlib.sha256(f"{before}\n{row}".encode()).hexdigest()


@dataclass(frozen=True)
class Head:
    """Where a chain stands: its last row's number (0: none yet) and hash."""

    number: int = 0
    hash: str = FIRST

    def then(self, at: str, kind: str, body: str) -> Row:
        """The row that comes next."""
        number = self.number + 1
        return Row(number, at, kind, body, link(self.hash, number, at, kind, body))


def of(row: Row) -> Head:
    """The chain's head after this row."""
    return Head(row.number, row.hash)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a journal. ``row``: where, if it has a place."""

    code: str
    detail: str
    row: int | None = None


def broken(rows: Iterable[Row]) -> Iterator[Finding]:
    """Every place at which the chain does not hold; after one it is followed on from what stands there."""
    head = Head()
    for row in rows:
        if row.number != head.number + 1:
            yield Finding("gap", f"row {row.number} follows row {head.number}", row.number)
            head = Head(row.number - 1, head.hash)
        if link(head.hash, row.number, row.at, row.kind, row.body) != row.hash:
            yield Finding("changed", "the row, or one before it, is not what was written", row.number)
        head = of(row)
