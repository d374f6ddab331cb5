"""The guard's key and its seals on disk, in its own state folder.

The private key (``seal.key``, mode 0600, the guard's own user) is made once and never leaves; the public key
(``seal.pub``) and the seals (``seals/00000001.json`` and so on) are for everybody to read. Each seal is written whole,
synced, and put in place by a rename. Ed25519 comes from ``cryptography``.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from safety import seal
from safety.seal import ChunkHash, JournalHead, Seal, SealError

KEY: Final = "seal.key"
PUBLIC: Final = "seal.pub"
SEALS: Final = "seals"


class Signer:
    """Signs what one guard approved. ``folder`` is its state folder.

    One session at a time: ``begin``, ``add`` for each approved chunk, ``close``. A guard that died in a session left
    no seal for it; the next seal shows that by its journal heads. Raises SealError ``seal_key_lost`` when there are
    seals or a public key but no private key to go with them, OSError when the disk fails.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = _load_or_make(folder)
        self.device = fingerprint(_raw(self._key.public_key()))
        """The fingerprint of the public key, by which journal and seals say whose they are."""
        self._seals = folder / SEALS
        self._seals.mkdir(exist_ok=True, mode=0o755)
        found = read_seals(folder)
        self._last = found[-1] if found else None
        self._session: tuple[str, JournalHead, str, ChunkHash] | None = None

    def begin(self, session: str, opened: JournalHead, plan_sha256: str) -> None:
        """A session begins, judged by this plan (``seal.plan_hash``); the app's journal stands at ``opened``. One that
        was not closed is forgotten.
        """
        self._session = (session, opened, plan_sha256, ChunkHash())

    def add(self, chunk: bytes) -> None:
        """One more chunk was approved. Without a session there is nothing to add it to: raises SealError."""
        if self._session is None:
            raise SealError("a chunk outside a session", code="seal_no_session")
        self._session[3].add(chunk)

    def close(self, closed: JournalHead | None, pulses_seen: int) -> dict[str, str]:
        """Signs and keeps the session's seal. ``closed``: where the journal stands now; None when the app is gone."""
        if self._session is None:
            raise SealError("no session is open", code="seal_no_session")
        session, opened, plan, chunks = self._session
        made = self._keep(seal.make(self._last, session, opened, closed or opened, chunks, plan, pulses_seen))
        self._session = None
        return made

    def anchor(self, head: JournalHead) -> dict[str, str]:
        """Signs and keeps where the journal stands outside a session, so that its tail cannot be cut unseen."""
        return self._keep(seal.make(self._last, None, head, head, ChunkHash(), seal.NO_PLAN, 0))

    def _keep(self, made: Seal) -> dict[str, str]:
        text = made.text()
        record = {"seal": text.decode(), "signature": self._key.sign(text).hex()}
        write_synced(self._seals / f"{made.number:08}.json", json.dumps(record).encode() + b"\n", 0o644)
        self._last = made
        return record


def public_key(folder: Path) -> bytes:
    """The 32 bytes of the guard's public key. Raises SealError ``seal_key_lost`` when there is none."""
    try:
        raw = bytes.fromhex((folder / PUBLIC).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        raw = b""
    if len(raw) != 32:
        raise SealError(f"{folder / PUBLIC}: there is no public key", code="seal_key_lost")
    return raw


def fingerprint(public: bytes) -> str:
    """SHA-256 of a public key, in hexadecimal."""
    return hashlib.sha256(public).hexdigest()


def check(record: object, public: bytes) -> Seal:
    """The seal in a signed record. Raises SealError ``seal_forged`` unless this very key signed it."""
    if not isinstance(record, dict) or set(record) != {"seal", "signature"}:
        raise SealError("not a signed seal")
    try:
        text = record["seal"].encode("ascii")
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(record["signature"]), text)
    except InvalidSignature:
        raise SealError("not signed by this guard", code="seal_forged") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise SealError(f"not a signed seal: {error}") from None
    return seal.from_text(text)


def read_seals(folder: Path) -> list[Seal]:
    """Every seal of the guard in its state folder, in order. Raises SealError for one that is forged, missing
    (``seal_gap``) or does not follow the one before it, OSError when they cannot be read.
    """
    public = public_key(folder)
    found: list[Seal] = []
    for path in sorted((folder / SEALS).glob("*.json")):
        try:
            record = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise SealError(f"{path.name}: not a signed seal: {error}") from None
        one = check(record, public)
        before = found[-1].hash if found else seal.NO_SEAL
        if one.number != len(found) + 1 or path.stem != f"{one.number:08}" or one.before != before:
            raise SealError(f"{path.name}: does not follow the seal before it", code="seal_gap")
        found.append(one)
    return found


def _load_or_make(folder: Path) -> Ed25519PrivateKey:
    path = folder / KEY
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if (folder / PUBLIC).exists() or any((folder / SEALS).glob("*.json")):
            raise SealError(f"{path}: the key that signed the seals here is gone", code="seal_key_lost") from None
        made = Ed25519PrivateKey.generate()
        write_synced(path, made.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()), 0o600)
        write_synced(folder / PUBLIC, _raw(made.public_key()).hex().encode() + b"\n", 0o644)
        return made
    if len(raw) != 32:
        raise SealError(f"{path}: not a key", code="seal_key_lost")
    key = Ed25519PrivateKey.from_private_bytes(raw)
    if not (folder / PUBLIC).exists():  # it ended between the two writes
        write_synced(folder / PUBLIC, _raw(key.public_key()).hex().encode() + b"\n", 0o644)
    if public_key(folder) != _raw(key.public_key()):
        raise SealError(f"{path}: not the key of {PUBLIC}", code="seal_key_lost")
    return key


def _raw(public: Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def write_synced(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, and synced; never readable for more than ``mode`` says."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
