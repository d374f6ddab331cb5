"""The clinicians whose signature the guard takes: public keys in its own state folder, which the app cannot write.

``keys/FINGERPRINT.pub``, one line: the key in hexadecimal and the clinician's name. ``pelvistim key`` puts them there
and takes them away, as the folder's owner; the guard looks anew at each signature, so that a revoked key is none at
once. It stays as ``FINGERPRINT.revoked``, with which nothing starts, so that what it signed before can be proved.
Ed25519 comes from ``cryptography``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety.decode import Refusal
from safety.errors import PelviStimError
from safety.signer import fingerprint, write_synced

KEYS: Final = "keys"
ENROLLED, REVOKED = ".pub", ".revoked"
NAME_MAX: Final = 64


class KeyRefused(PelviStimError, ValueError):
    """``code``: ``key_malformed``, ``key_unknown`` (there is none to take away) or ``key_not_owner``."""


@dataclass(frozen=True)
class PublicKey:
    """A clinician's public key: its 32 bytes, and whose it is."""

    raw: bytes
    name: str

    def __post_init__(self) -> None:
        good = 0 < len(self.name) <= NAME_MAX and self.name.isprintable()
        if len(self.raw) != 32 or not good or self.name != self.name.strip():
            raise KeyRefused("a key is 32 bytes and a name of 1 to 64 printable characters", code="key_malformed")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key, by which a prescription names it."""
        return fingerprint(self.raw)

    def line(self) -> str:
        """As it stands in its file."""
        return f"{self.raw.hex()} {self.name}\n"


def read_key(text: str) -> PublicKey:
    """A key from the line of its file. Raises KeyRefused."""
    digits, _, name = text.strip().partition(" ")
    try:
        return PublicKey(bytes.fromhex(digits), name)
    except ValueError as error:
        raise KeyRefused(f"not a public key: {error}", code="key_malformed") from None


def enrolled(state: Path) -> tuple[PublicKey, ...]:
    """The keys in a guard's state folder, by name. A file that is none, or bears another's fingerprint, is left out."""
    return _keys(state, ENROLLED)


def once_enrolled(state: Path) -> tuple[PublicKey, ...]:
    """Those, and the ones that were revoked."""
    return (*enrolled(state), *_keys(state, REVOKED))


def _keys(state: Path, suffix: str) -> tuple[PublicKey, ...]:
    found = []
    for path in sorted((state / KEYS).glob(f"*{suffix}")):
        try:
            key = read_key(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if key.fingerprint == path.stem:
            found.append(key)
    return tuple(sorted(found, key=lambda one: one.name))


def enrol(state: Path, key: PublicKey) -> None:
    """Puts a key there, durable. Raises OSError."""
    folder = state / KEYS
    folder.mkdir(mode=0o755, exist_ok=True)
    write_synced(folder / f"{key.fingerprint}{ENROLLED}", key.line().encode(), 0o644)


def revoke(state: Path, print_: str, *, keep: bool = True) -> None:
    """Takes a key away; ``keep``: and has it to prove what it signed. Raises KeyRefused ``key_unknown``, OSError."""
    if all(one.fingerprint != print_ for one in enrolled(state)):
        raise KeyRefused(f"no key {print_} is enrolled", code="key_unknown")
    path = state / KEYS / f"{print_}{ENROLLED}"
    if keep:
        path.replace(path.with_suffix(REVOKED))
    else:
        path.unlink()


def verify(state: Path, text: bytes, key: object, signature: object) -> Refusal | None:
    """Whether an enrolled key signed this very text. ``key``: its fingerprint; ``signature``: hexadecimal."""
    found = next((one for one in enrolled(state) if one.fingerprint == key), None)
    if found is None:
        return Refusal("prescription_foreign", "no enrolled key signed it")
    if not signed_by(found, text, str(signature)):
        return Refusal("prescription_changed", f"not what {found.name} signed")
    return None


def signed_by(key: PublicKey, text: bytes, signature: str) -> bool:
    """Whether this key signed this very text."""
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(bytes.fromhex(signature), text)
    except (InvalidSignature, ValueError):
        return False
    return True
