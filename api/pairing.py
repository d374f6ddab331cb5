"""A pairing window: five minutes in which one phone may be paired, by a token in a link or a code typed by hand.

Only hashes are kept. Token and code are for one use together. Wrong codes lock the code out, not the link, so that
nobody on the network can keep the household from pairing.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from api.devices import hash_of
from api.roles import Role
from safety.errors import PelviStimError

WINDOW_S: Final = 300
CODE_CHARACTERS: Final = 8
ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0, O, 1, I and L, which are mistaken for each other: 31 signs, so 8 of them are 39 bits."""
CODE_TRIES: Final = 5
TOKEN_BYTES: Final = 16


class PairingRefused(PelviStimError):
    """``code``: ``pairing_closed`` (no window is open, or it was used), ``pairing_wrong`` or ``pairing_locked``."""


@dataclass(frozen=True)
class Invitation:
    """What is shown to the person at the device, once. ``expires_s``: seconds since 1970."""

    role: Role
    token: str
    code: str
    expires_s: int


@dataclass
class _Window:
    role: Role
    token_sha256: str
    code_sha256: str
    expires_s: int
    tries_left: int = CODE_TRIES


class Pairing:
    """At most one window at a time; a new one closes the one before."""

    def __init__(self, now_s: Callable[[], int]) -> None:
        self._now_s = now_s
        self._window: _Window | None = None
        self._lock = threading.Lock()

    @property
    def open_role(self) -> Role | None:
        """For which role a window is open now."""
        with self._lock:
            window = self._present()
            return None if window is None else window.role

    def open(self, role: Role) -> Invitation:
        """Opens a window."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARACTERS))
        expires = self._now_s() + WINDOW_S
        with self._lock:
            self._window = _Window(role, hash_of(token), hash_of(code), expires)
        return Invitation(role, token, code, expires)

    def close(self) -> None:
        """Closes the window, if one is open."""
        with self._lock:
            self._window = None

    def use(self, *, token: str | None = None, code: str | None = None) -> Role:
        """Spends the window and gives its role. Raises PairingRefused."""
        with self._lock:
            window = self._present()
            if window is None:
                raise PairingRefused("no pairing is open at the device", code="pairing_closed")
            if token is not None:
                good = hmac.compare_digest(hash_of(token), window.token_sha256)
            elif window.tries_left == 0:
                raise PairingRefused("too many wrong codes: open a new pairing at the device", code="pairing_locked")
            else:
                good = hmac.compare_digest(hash_of((code or "").upper().replace("-", "")), window.code_sha256)
                window.tries_left -= not good
            if not good:
                raise PairingRefused("not the link or code that the device shows", code="pairing_wrong")
            self._window = None
        return window.role

    def _present(self) -> _Window | None:
        if self._window is not None and self._now_s() >= self._window.expires_s:
            self._window = None
        return self._window
