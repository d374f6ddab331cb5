"""Strict reading of a small TOML file: bytes first, then fields, and every problem collected before any is told.

What a person hands in may be anything: a folder, a pipe, 50 MB, UTF-16, an integer of ten thousand digits. Nothing
here guesses, clamps or rounds; a field that is missing, unknown, of the wrong type or out of range is a Problem.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NoReturn

from safety.errors import InputRefused, Problem
from safety.limits import DECIMALS_MAX, LINE_MAX_CHARACTERS, PROGRAMME_MAX_BYTES

FILE_MAX_BYTES: Final = PROGRAMME_MAX_BYTES
"""A larger file is refused by its size, before it is read."""
UNKNOWN_MAX: Final = 20
_DIGITS_MAX: Final = 18
_SHOWN_MAX: Final = 40

LANGUAGES: Final = ("nb", "en")


def printable(text: str, limit: int = 200) -> str:
    """The text safe for a terminal or a log: control and other unprintable characters escaped, the middle cut out."""
    if len(text) > limit:
        text = f"{text[: limit // 2]}...{text[-limit // 2 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def shown(value: object) -> str:
    """The value as a message shows it: short, and never the digits of a huge number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**_DIGITS_MAX else "a number of more than 18 digits"
    if isinstance(value, Decimal):
        text = str(value)
        return text if len(text) <= _SHOWN_MAX else f"{text[:20]}... (a number of {len(text)} characters)"
    if isinstance(value, str):
        return f'"{printable(value, _SHOWN_MAX)}"'
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"a {type(value).__name__}"


def refuse(source: str, code: str, value: str, allowed: str, advice: str, *, place: str = "") -> NoReturn:
    """Raises InputRefused with one problem of the whole file; ``place`` is ``line 12`` where that is known."""
    raise InputRefused(source, (Problem(code, place, "" if place else "file", value, allowed, advice),))


def read_small_file(path: Path) -> bytes:
    """The bytes of a regular file of at most FILE_MAX_BYTES. Raises InputRefused; never waits for a pipe or device."""
    source = printable(str(path))
    size_allowed = f"at most {FILE_MAX_BYTES} bytes"
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            kind = "a folder" if path.is_dir() else "not a regular file"
            refuse(source, "file_not_regular", kind, "a text file", "Give the path of the file itself.")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                refuse(source, "file_not_regular", "not a regular file", "a text file", "Give the path of a file.")
            if about.st_size > FILE_MAX_BYTES:
                advice = "Check that this is the right file; it was not read."
                refuse(source, "file_too_large", f"{about.st_size} bytes", size_allowed, advice)
            data = file.read(FILE_MAX_BYTES + 1)
    except InputRefused:
        raise
    except FileNotFoundError:
        refuse(source, "file_missing", "no such file", "a file that exists", "Check the path and the spelling.")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "cannot be read"
        refuse(source, "file_unreadable", reason, "a file you may read", "Check the path and the file's permissions.")
    return data


def parse_toml(data: bytes, source: str) -> tuple[dict[str, Any], str]:
    """Bytes to the TOML table and the text it was read from. Raises InputRefused.

    Numbers with a point or exponent come as Decimal, exactly as written (``nan`` and ``inf`` as the Decimals of that
    name); integers come as int, however long.
    """
    if len(data) > FILE_MAX_BYTES:
        allowed = f"at most {FILE_MAX_BYTES} bytes"
        refuse(source, "file_too_large", f"over {FILE_MAX_BYTES} bytes", allowed, "Check that this is the right file.")
    if not data.strip():
        refuse(source, "file_empty", "empty", "a programme", "The file holds nothing; fetch or save it again.")
    text = _decode(data, source)
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > LINE_MAX_CHARACTERS:
            allowed = f"lines of at most {LINE_MAX_CHARACTERS} characters"
            value = f"{len(line)} characters"
            refuse(source, "file_not_toml", value, allowed, "Break the line.", place=f"line {number}")
    try:
        raw = tomllib.loads(text, parse_float=_exact)
    except RecursionError:
        refuse(source, "file_not_toml", "nested too deeply", "plain tables and lists", "Remove the nesting.")
    except ValueError as error:
        is_syntax = isinstance(error, tomllib.TOMLDecodeError)
        value = printable(str(error), 120) if is_syntax else "a number or date that cannot be read"
        refuse(source, "file_not_toml", value, "TOML 1.0", "Correct the text there; a shipped programme shows how.")
    return raw, text


def _decode(data: bytes, source: str) -> str:
    advice = "Save the file again as UTF-8 without a byte order mark."
    allowed = "UTF-8 text"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        refuse(source, "file_not_utf8", "a UTF-16 or UTF-32 byte order mark", allowed, advice)
    if data.startswith(b"\xef\xbb\xbf"):
        refuse(source, "file_not_utf8", "a UTF-8 byte order mark", allowed, advice)
    if b"\x00" in data:
        refuse(source, "file_not_utf8", "zero bytes, as in UTF-16 or a binary file", allowed, advice)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        value = f"byte 0x{data[error.start]:02x} is not UTF-8"
        refuse(source, "file_not_utf8", value, allowed, advice, place=f"line {line}")


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond what the type can hold; refused later as not finite
        return Decimal("NaN")


class Lines:
    """Where things stand in the file, found by a cheap look at the text: a help in messages and never more."""

    def __init__(self, text: str, array: str) -> None:
        self._lines = text.splitlines()
        header = re.compile(rf"^\s*\[\[\s*{re.escape(array)}\s*\]\]")
        self._headers = [index for index, line in enumerate(self._lines) if header.match(line)]

    def place(self, position: int | None, count: int, field: str) -> str:
        """``line 12`` of a field in the array entry ``position`` (from 0) of ``count``, or at the top; or ``""``."""
        if position is None:
            start, end = 0, self._headers[0] if self._headers else len(self._lines)
            found = self._find(start, end, field)
            return f"line {found + 1}" if found is not None else ""
        if len(self._headers) != count:  # written another way, or the header stands inside a text
            return ""
        start = self._headers[position]
        end = self._headers[position + 1] if position + 1 < count else len(self._lines)
        found = self._find(start + 1, end, field)
        return f"line {(start if found is None else found) + 1}"

    def _find(self, start: int, end: int, field: str) -> int | None:
        key = re.compile(rf"""^\s*["']?{re.escape(field)}["']?\s*[=.]""")
        return next((index for index in range(start, end) if key.match(self._lines[index])), None)


@dataclass(frozen=True)
class Range:
    """What a number may be: from ``low`` (or above it) to ``high``, whole or not."""

    low: Fraction
    high: Fraction
    unit: str
    whole: bool
    above: bool = False


class Fields:
    """One table of the file, read field by field. Each read gives the value, or None after noting a problem.
    ``ranges``: what each number that was read may be.
    """

    def __init__(
        self, table: Mapping[str, Any], place: str, problems: list[Problem], lines: Callable[[str], str]
    ) -> None:
        self.table = table
        self.place = place
        self.problems = problems
        self.ranges: dict[str, Range] = {}
        self._lines = lines

    def add(self, code: str, field: str, value: object, allowed: str, advice: str) -> None:
        """Notes a problem. ``value`` is shown shortened; a str subclass Words is shown as it is."""
        text = str(value) if isinstance(value, Words) else shown(value)
        place = ", ".join(part for part in (self._lines(field), self.place) if part)
        self.problems.append(Problem(code, place, printable(field, _SHOWN_MAX), text, allowed, advice))

    def only(self, known: Sequence[str], what: str) -> None:
        """Notes every key that is not known, the first UNKNOWN_MAX by name. ``what`` names the table in the message."""
        unknown = [key for key in self.table if key not in known]
        allowed = f"a field of {what}: {', '.join(known)}"
        for key in unknown[:UNKNOWN_MAX]:
            close = difflib.get_close_matches(key[:_SHOWN_MAX], known, n=1)
            advice = f"Did you mean {close[0]}?" if close else "Remove it, or check the spelling."
            self.add("field_unknown", key, self.table[key], allowed, advice)
        if len(unknown) > UNKNOWN_MAX:
            more = Words(f"and {len(unknown) - UNKNOWN_MAX} more unknown fields")
            self.add("field_unknown", "", more, allowed, "Check that this is the right file.")

    def has(self, field: str, allowed: str) -> bool:
        if field in self.table:
            return True
        self.add("field_missing", field, Words("missing"), allowed, "Write it; what is missing is never assumed.")
        return False

    def integer(self, field: str, low: int, high: int, unit: str = "") -> int | None:
        """A whole number from ``low`` to ``high``; true and false are none."""
        numbers = f"a whole number {low} to {high}" if low < high else f"the whole number {low}"
        allowed = f"{numbers} {unit}".rstrip()
        self.ranges[field] = Range(Fraction(low), Fraction(high), unit, whole=True)
        if not self.has(field, allowed):
            return None
        value = self.table[field]
        if type(value) is not int:
            self.add("field_type", field, value, allowed, "Write a whole number, without point, quotes or unit.")
            return None
        if not low <= value <= high:
            self.add("field_range", field, value, allowed, "Choose a value in the range.")
            return None
        return value

    def decimal(self, field: str, low: Fraction, high: Fraction, unit: str, *, above: bool = False) -> Fraction | None:
        """An exact number from ``low`` (or above it) to ``high``, of at most DECIMALS_MAX decimals, as a Fraction."""
        start = f"above {plain(low)} and at most {plain(high)}" if above else f"{plain(low)} to {plain(high)}"
        allowed = f"a number {start} {unit}"
        self.ranges[field] = Range(low, high, unit, whole=False, above=above)
        if not self.has(field, allowed):
            return None
        value = self.table[field]
        if type(value) is not int and not isinstance(value, Decimal):
            self.add("field_type", field, value, allowed, "Write a number, without quotes or unit.")
            return None
        if isinstance(value, Decimal):
            if not value.is_finite():
                self.add("field_not_finite", field, value, allowed, "Write a number.")
                return None
            exponent = value.as_tuple().exponent
            if not isinstance(exponent, int) or exponent < -DECIMALS_MAX:
                self.add("field_decimals", field, value, f"at most {DECIMALS_MAX} decimals", "Write fewer decimals.")
                return None
            if exponent > DECIMALS_MAX:
                self.add("field_range", field, value, allowed, "Choose a value in the range.")
                return None
        exact = Fraction(value)
        if exact > high or exact < low or (above and exact == low):
            self.add("field_range", field, value, allowed, "Choose a value in the range.")
            return None
        return exact

    def text(self, field: str, longest: int) -> str | None:
        """A text of 1 to ``longest`` printable characters, not only spaces."""
        allowed = f"a text of 1 to {longest} characters"
        if not self.has(field, allowed):
            return None
        value = self.table[field]
        if not isinstance(value, str):
            self.add("field_type", field, value, allowed, "Write a text in quotes.")
            return None
        if not value.strip() or len(value) > longest or not value.isprintable():
            advice = "Write plain text without control characters or line breaks."
            self.add("field_text", field, value, allowed, advice)
            return None
        return value

    def choice(self, field: str, among: Sequence[str]) -> str | None:
        """One of the texts in ``among``."""
        allowed = " or ".join(f'"{choice}"' for choice in among)
        if not self.has(field, allowed):
            return None
        value = self.table[field]
        if not isinstance(value, str):
            self.add("field_type", field, value, allowed, "Write one of these in quotes.")
            return None
        if value not in among:
            self.add("field_range", field, value, allowed, "Write one of these.")
            return None
        return value

    def inner(self, field: str, known: Sequence[str]) -> Fields | None:
        """The table of that name, its keys checked against ``known``."""
        allowed = f"a table of {', '.join(known)}"
        if not self.has(field, allowed):
            return None
        value = self.table[field]
        if not isinstance(value, dict):
            self.add("field_type", field, value, allowed, f"Write {field} = {{ {known[0]} = ..., ... }}.")
            return None
        place = f"{self.place}.{field}" if self.place else field
        fields = Fields(value, place, self.problems, lambda _: self._lines(field))
        fields.only(known, field)
        return fields

    def languages(self, field: str, longest: int) -> dict[str, str] | None:
        """A text in each of LANGUAGES, no other."""
        inner = self.inner(field, LANGUAGES)
        if inner is None:
            return None
        texts = {language: inner.text(language, longest) for language in LANGUAGES}
        found = {language: text for language, text in texts.items() if text is not None}
        return found if len(found) == len(LANGUAGES) else None


class Words(str):
    """A value that stands in a message as it is, without quotes."""

    __slots__ = ()


def plain(number: Fraction) -> str:
    """A decimal fraction in plain digits: ``0.1``, ``150``; one that does not end is cut after nine decimals."""
    if number.denominator == 1:
        return str(number.numerator)
    return f"{Decimal(number.numerator) / Decimal(number.denominator):.9f}".rstrip("0").rstrip(".")
