"""A clinician's key: made off the device, or kept on it; always wrapped by a passphrase, never written in the open.

The file is JSON: name, public key, and the private key under ChaCha20-Poly1305 with a key of Argon2id from the
passphrase. The public half is one line (``safety/enrolled.py``), enrolled at the guard by the device's owner. All of it
is ``cryptography``.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from controller.prescription import Prescription, Signature, signed_text
from safety.enrolled import PublicKey
from safety.errors import PelviStimError

LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 200
MEMORY_KIB: Final = 65_536
ITERATIONS: Final = 3
"""The second of the settings that RFC 9106 recommends for Argon2id (quoted); one lane, for a Pi."""
UNLOCKED_S: Final = 300.0
TRIES: Final = 5
FORMAT: Final = "pelvistim-key"


class KeyProblem(PelviStimError):
    """``code``: ``key_malformed``, ``key_missing``, ``key_locked``, ``key_wrong``, ``key_tries`` or ``key_short``."""


@dataclass(frozen=True)
class ClinicianKey:
    """An opened key, and whose it is."""

    private: Ed25519PrivateKey
    name: str

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), self.name)

    def sign(self, one: Prescription) -> Prescription:
        """The prescription, signed over its exact bytes."""
        signature = Signature(self.public.fingerprint, self.private.sign(signed_text(one)).hex())
        return replace(one, signature=signature)


def make_key(name: str) -> ClinicianKey:
    """A new key. Raises KeyRefused for a name that is none."""
    key = ClinicianKey(Ed25519PrivateKey.generate(), name)
    _ = key.public
    return key


def wrap(key: ClinicianKey, passphrase: str) -> str:
    """The text of a key file. Raises KeyProblem ``key_short``."""
    if not LENGTH_MIN <= len(passphrase) <= LENGTH_MAX:
        raise KeyProblem(f"a passphrase has {LENGTH_MIN} to {LENGTH_MAX} characters", code="key_short")
    salt, nonce = os.urandom(16), os.urandom(12)
    raw = key.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    sealed = ChaCha20Poly1305(_derived(passphrase, salt)).encrypt(nonce, raw, key.public.line().encode())
    told = {"format": FORMAT, "version": 1, "name": key.name, "public": key.public.raw.hex()}
    return json.dumps({**told, "salt": salt.hex(), "nonce": nonce.hex(), "sealed": sealed.hex()}, indent=1) + "\n"


def public_of(text: str) -> PublicKey:
    """The public half of a key file. Raises KeyProblem ``key_malformed``."""
    return _parts(text)[0]


def unwrap(text: str, passphrase: str) -> ClinicianKey:
    """Opens a key file. Raises KeyProblem ``key_malformed`` or ``key_wrong``."""
    public, salt, nonce, sealed = _parts(text)
    derived = _derived(passphrase, salt)
    try:
        raw = ChaCha20Poly1305(derived).decrypt(nonce, sealed, public.line().encode())
    except InvalidTag:
        raise KeyProblem("not the passphrase of this key", code="key_wrong") from None
    key = ClinicianKey(Ed25519PrivateKey.from_private_bytes(raw), public.name)
    if key.public != public:
        raise KeyProblem("the two halves of the key do not belong together", code="key_malformed")
    return key


def _parts(text: str) -> tuple[PublicKey, bytes, bytes, bytes]:
    try:
        raw = json.loads(text)
        if raw["format"] != FORMAT or raw["version"] != 1:
            raise ValueError("another format")
        salt, nonce, sealed = (bytes.fromhex(raw[key]) for key in ("salt", "nonce", "sealed"))
        if (len(salt), len(nonce), len(sealed)) != (16, 12, 48):
            raise ValueError("another length")
        return PublicKey(bytes.fromhex(raw["public"]), raw["name"]), salt, nonce, sealed
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise KeyProblem(f"not a key file: {error}", code="key_malformed") from None


def _derived(passphrase: str, salt: bytes) -> bytes:
    argon = Argon2id(salt=salt, length=32, iterations=ITERATIONS, lanes=1, memory_cost=MEMORY_KIB)
    return argon.derive(passphrase.encode("utf-8", "surrogatepass"))


# --- on the device ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeyState:
    """How the device's key stands. ``state``: none, locked, unlocked, or simulated (always open). Time in s."""

    state: str
    name: str | None = None
    fingerprint: str | None = None
    left_s: float | None = None


class Signs(Protocol):
    """What signs for the clinician on this device."""

    def state(self) -> KeyState: ...
    def sign(self, one: Prescription) -> Prescription:
        """Raises KeyProblem when there is no key, or it is locked."""

    def unlock(self, passphrase: str) -> KeyState:
        """Opens the key for at most 5 minutes. Raises KeyProblem."""

    def lock(self) -> None:
        """Forgets the opened key."""


class OpenKey:
    """The key of a simulated board: made there, in the open, worth nothing anywhere else."""

    def __init__(self, key: ClinicianKey) -> None:
        self._key = key

    def state(self) -> KeyState:
        return KeyState("simulated", self._key.name, self._key.public.fingerprint)

    def sign(self, one: Prescription) -> Prescription:
        return self._key.sign(one)

    def unlock(self, passphrase: str) -> KeyState:
        del passphrase
        return self.state()

    def lock(self) -> None:
        """It stays open."""


class KeptKey:
    """The clinician's key in a file on the device. ``clock_s`` never goes back (``time.monotonic``)."""

    def __init__(self, path: Path, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock_s = path, clock_s
        self._lock = threading.Lock()
        self._opened: tuple[ClinicianKey, float] | None = None
        self._wrong, self._shut_until_s = 0, float("-inf")

    def state(self) -> KeyState:
        try:
            public = public_of(self._text())
        except KeyProblem:
            return KeyState("none")
        opened = self._open()
        if opened is None:
            return KeyState("locked", public.name, public.fingerprint)
        return KeyState("unlocked", public.name, public.fingerprint, max(0.0, opened[1] - self._clock_s()))

    def sign(self, one: Prescription) -> Prescription:
        opened = self._open()
        if opened is None:
            self._text()
            raise KeyProblem("the clinician's key is locked", code="key_locked")
        return opened[0].sign(one)

    def unlock(self, passphrase: str) -> KeyState:
        """One try at a time: it takes 64 MB and a good part of a second."""
        with self._lock:
            if self._clock_s() < self._shut_until_s:
                raise KeyProblem("too many wrong passphrases: wait five minutes", code="key_tries")
            try:
                key = unwrap(self._text(), passphrase)
            except KeyProblem as error:
                self._wrong += error.code == "key_wrong"
                if self._wrong >= TRIES:
                    self._wrong, self._shut_until_s = 0, self._clock_s() + UNLOCKED_S
                raise
            self._wrong, self._opened = 0, (key, self._clock_s() + UNLOCKED_S)
        return self.state()

    def lock(self) -> None:
        self._opened = None

    def _open(self) -> tuple[ClinicianKey, float] | None:
        opened = self._opened
        if opened is not None and self._clock_s() >= opened[1]:
            self._opened = opened = None
        return opened

    def _text(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            raise KeyProblem("no key of a clinician is kept on this device", code="key_missing") from None


def simulated_key(path: Path) -> ClinicianKey:
    """The simulated board's own key, kept in the open in ``path`` and made there when it is missing. Raises OSError."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raw = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(raw)
    return ClinicianKey(Ed25519PrivateKey.from_private_bytes(raw), "Simulated clinician")
