"""The clinician's passphrase: Argon2id, one file, and a lock-out after wrong ones."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from safety.errors import PelviStimError

NAME: Final = "clinician.argon2"
LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 200
MEMORY_KIB: Final = 19_456
ITERATIONS: Final = 2
"""The second of the settings that OWASP's password storage cheat sheet recommends for Argon2id (quoted)."""
TRIES: Final = 5
LOCKED_S: Final = 300


class PassphraseRefused(PelviStimError):
    """``code``: ``passphrase_unset``, ``passphrase_wrong``, ``passphrase_locked`` or ``passphrase_short``."""


class Passphrase:
    """The one passphrase of this device, kept in ``folder``."""

    def __init__(self, folder: Path, now_s: Callable[[], int]) -> None:
        self._path, self._now_s = folder / NAME, now_s
        self._lock = threading.Lock()
        self._wrong = 0
        self._locked_until_s = 0

    def set(self, words: str) -> None:
        """Sets a new one, durable. Raises PassphraseRefused when it is too short or too long, OSError."""
        if not LENGTH_MIN <= len(words) <= LENGTH_MAX:
            words = f"a passphrase has {LENGTH_MIN} to {LENGTH_MAX} characters"
            raise PassphraseRefused(words, code="passphrase_short")
        hashed = _argon2(os.urandom(16)).derive_phc_encoded(words.encode())
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(hashed + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def check(self, words: str) -> None:
        """Raises PassphraseRefused unless it is the one. One check at a time: it takes 19 MB and some tens of ms."""
        with self._lock:
            if self._now_s() < self._locked_until_s:
                raise PassphraseRefused("too many wrong passphrases: wait five minutes", code="passphrase_locked")
            try:
                hashed = self._path.read_text(encoding="ascii").strip()
            except (OSError, ValueError):
                raise PassphraseRefused("no passphrase was set at the device", code="passphrase_unset") from None
            try:
                Argon2id.verify_phc_encoded(words.encode("utf-8", "surrogatepass"), hashed)
            except InvalidKey:
                self._wrong += 1
                if self._wrong >= TRIES:
                    self._wrong, self._locked_until_s = 0, self._now_s() + LOCKED_S
                raise PassphraseRefused("not the passphrase", code="passphrase_wrong") from None
            self._wrong = 0


def _argon2(salt: bytes) -> Argon2id:
    return Argon2id(salt=salt, length=32, iterations=ITERATIONS, lanes=1, memory_cost=MEMORY_KIB)
