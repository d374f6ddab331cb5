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
    """At most one window a role at a time; a new one closes the one before."""

    def __init__(self, now_s: Callable[[], int]) -> None:
        self._now_s = now_s
        self._windows: dict[Role, _Window] = {}
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether a window is open now."""
        with self._lock:
            return bool(self._present())

    def open(self, role: Role) -> Invitation:
        """Opens a window."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARACTERS))
        expires = self._now_s() + WINDOW_S
        with self._lock:
            self._windows[role] = _Window(role, hash_of(token), hash_of(code), expires)
        return Invitation(role, token, code, expires)

    def close(self) -> None:
        """Closes every window that is open."""
        with self._lock:
            self._windows.clear()

    def use(self, *, token: str | None = None, code: str | None = None) -> Role:
        """Spends the window that a token or code belongs to, and gives its role. Raises PairingRefused.

        A wrong code counts against every window that is open.
        """
        with self._lock:
            windows = self._present()
            if not windows:
                raise PairingRefused("no pairing is open at the device", code="pairing_closed")
            if token is not None:
                given = hash_of(token)
                good = [one for one in windows if hmac.compare_digest(given, one.token_sha256)]
            else:
                windows = [one for one in windows if one.tries_left > 0]
                if not windows:
                    words = "too many wrong codes: open a new pairing at the device"
                    raise PairingRefused(words, code="pairing_locked")
                given = hash_of((code or "").upper().replace("-", ""))
                good = [one for one in windows if hmac.compare_digest(given, one.code_sha256)]
                if not good:
                    for one in windows:
                        one.tries_left -= 1
            if not good:
                raise PairingRefused("not the link or code that the device shows", code="pairing_wrong")
            del self._windows[good[0].role]
        return good[0].role

    def _present(self) -> list[_Window]:
        now_s = self._now_s()
        self._windows = {role: one for role, one in self._windows.items() if now_s < one.expires_s}
        return list(self._windows.values())
