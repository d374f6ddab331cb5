"""The seal over what the gate approved: pure hashing, and the text that ``safety/signer.py`` signs and keeps.

The guard hashes every chunk it approved, so that the app, which writes the journal, cannot tell another story later.
Each seal names the one before it and the heads of the app's journal (last row and hash), by which a journal that was
cut, changed and hashed anew, or put back to an older state is found out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final

from safety.errors import PelviStimError

NO_SEAL: Final = "0" * 64
"""What stands for the hash of the seal before the first."""
NO_PLAN: Final = "0" * 64
"""What stands for the hash of a plan where nothing was loaded: a seal over the journal's head alone."""
SESSION_ID_MAX: Final = 64
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class SealError(PelviStimError, ValueError):
    """A seal cannot be made from this, or is none."""

    code = "seal_malformed"


@dataclass(frozen=True)
class JournalHead:
    """Where the app's journal stands: number and hash of its last row, as the app tells it."""

    row: int
    hash: str

    def __post_init__(self) -> None:
        if type(self.row) is not int or not 0 <= self.row < 2**63 or not _is_hash(self.hash):
            raise SealError("a journal's head is a row number and 64 hexadecimal digits")


@dataclass(frozen=True)
class Seal:
    """One seal. ``number`` counts from 1 and never goes back; ``before`` is the hash of the seal before it.

    ``session`` is None for a seal over the journal's head alone; then there are no chunks and both heads are alike.
    ``chunks_sha256``: over every approved chunk in order, each preceded by its length in 4 bytes, little endian.
    ``plan_sha256``: what they were judged by (``plan_hash``; in schema 2 by programme and caps alone). ``pulses_seen``:
    how many came whole in the notified edges, on both channels.
    """

    number: int
    before: str
    session: str | None
    opened_row: int
    opened_hash: str
    closed_row: int
    closed_hash: str
    chunks: int
    chunk_bytes: int
    chunks_sha256: str
    plan_sha256: str
    pulses_seen: int
    schema: int = 3

    def text(self) -> bytes:
        """What is signed: every field, in the one way it can be written."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    @property
    def hash(self) -> str:
        """What the next seal calls ``before``."""
        return hashlib.sha256(self.text()).hexdigest()


def from_text(text: bytes) -> Seal:
    """A seal from the text that was signed. Raises SealError unless it is exactly what ``Seal.text`` gives."""
    try:
        raw = json.loads(text)
        if not isinstance(raw, dict) or set(raw) != {field.name for field in fields(Seal)}:
            raise SealError("not the fields of a seal")
        seal = Seal(**raw)
        rows = (seal.opened_row, seal.closed_row)
        whole = (seal.number, *rows, seal.chunks, seal.chunk_bytes, seal.pulses_seen, seal.schema)
        hashes = (seal.before, seal.opened_hash, seal.closed_hash, seal.chunks_sha256, seal.plan_sha256)
        good = (
            all(type(number) is int and number >= 0 for number in whole)
            and all(_is_hash(one) for one in hashes)
            and (seal.session is None or _is_session(seal.session))
            and seal.text() == text
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise SealError(f"not a seal: {error}") from None
    if not good:
        raise SealError("not a seal as this program writes it")
    return seal


class ChunkHash:
    """The running hash over the chunks of one session."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.chunks = self.bytes = 0

    def add(self, chunk: bytes) -> None:
        """Takes one more chunk: the pulse list exactly as it is transmitted."""
        self._digest.update(len(chunk).to_bytes(4, "little") + chunk)
        self.chunks += 1
        self.bytes += len(chunk)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def plan_hash(programme: str, caps_ua: Mapping[str, int], prescription: str, key: str) -> str:
    """SHA-256 over what a session is judged by, as JSON with sorted keys: the programme's text, the caps in uA, the
    SHA-256 of the bytes that were signed, and the fingerprint of the key, enrolled at that time, that signed them.
    """
    plan = {"programme": programme, "caps_ua": dict(caps_ua), "prescription": prescription, "key": key}
    return hashlib.sha256(json.dumps(plan, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def make(
    before: Seal | None,
    session: str | None,
    opened: JournalHead,
    closed: JournalHead,
    chunks: ChunkHash,
    plan_sha256: str,
    pulses_seen: int,
) -> Seal:
    """The seal that follows ``before``. Raises SealError when the journal went backwards or the session has no name."""
    if session is not None and not _is_session(session):
        raise SealError(f"a session is named by 1 to {SESSION_ID_MAX} printable ASCII characters")
    if closed.row < opened.row:
        raise SealError(f"the journal's head went back from row {opened.row} to row {closed.row}")
    return Seal(
        number=1 if before is None else before.number + 1,
        before=NO_SEAL if before is None else before.hash,
        session=session,
        opened_row=opened.row,
        opened_hash=opened.hash,
        closed_row=closed.row,
        closed_hash=closed.hash,
        chunks=chunks.chunks,
        chunk_bytes=chunks.bytes,
        chunks_sha256=chunks.sha256,
        plan_sha256=plan_sha256,
        pulses_seen=pulses_seen,
    )


def _is_hash(text: object) -> bool:
    return isinstance(text, str) and _HASH.fullmatch(text) is not None


def _is_session(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= SESSION_ID_MAX and text.isascii() and text.isprintable()
