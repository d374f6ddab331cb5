"""The lease: the phone that controls a session proves that it is there by echoing the guard's nonces.

A nonce is issued every ``NONCE_INTERVAL_US``. The age of the lease counts from when the newest echoed one was issued,
not from when its echo came: what was held up on its way renews by as much less. So any nonce that is younger than the
lease may still be echoed, each once; an older one than was echoed already renews nothing. Pure: random bytes and time
are arguments, microseconds of the guard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

NONCE_INTERVAL_US: Final = 250_000
"""Four in the shortest lease. ours."""
NONCE_BYTES: Final = 16
"""More than can be guessed. ours."""
INCREASE_MAX_AGE_US: Final = 1_000_000
"""With an older echo nothing may rise: before the person who is not there is missed, nothing gets stronger. ours."""


@dataclass(frozen=True)
class Lease:
    """``issued``: nonces that may still be echoed, with their times. ``renewed_us``: when the newest echoed one was
    issued.

    Until one was echoed the lease counts from ``renewed_us`` as well, when it was opened, and nothing may rise.
    """

    lease_us: int
    renewed_us: int
    issued: tuple[tuple[str, int], ...] = ()
    last_us: int | None = None
    echoed: bool = False

    def age_us(self, now_us: int) -> int:
        """How long ago the person was there for certain."""
        return now_us - self.renewed_us

    def increase_allowed(self, now_us: int) -> bool:
        """Whether anything may become stronger: start, resume and raise ask this."""
        return self.echoed and self.age_us(now_us) <= INCREASE_MAX_AGE_US

    def over(self, now_us: int) -> bool:
        """Whether it is lost: from now on codes only fall (``lease_lost``)."""
        return self.age_us(now_us) > self.lease_us

    def due_us(self, now_us: int) -> int:
        """When the next nonce is to be issued."""
        return now_us if self.last_us is None else self.last_us + NONCE_INTERVAL_US


def issue(lease: Lease, random: bytes, now_us: int) -> tuple[Lease, str]:
    """A new nonce from ``NONCE_BYTES`` fresh random bytes, in hex. Raises ValueError when they are too few, or
    known."""
    nonce = random.hex()
    kept = tuple((known, at) for known, at in lease.issued if now_us - at <= lease.lease_us)
    if len(random) < NONCE_BYTES or any(known == nonce for known, _ in kept):
        raise ValueError("these are not fresh random bytes")
    return replace(lease, issued=(*kept, (nonce, now_us)), last_us=now_us), nonce


def echo(lease: Lease, nonce: object, now_us: int) -> tuple[Lease, bool]:
    """The page's echo. Gives whether it renewed the lease; a lease that is over is renewed as well, its loss is latched
    elsewhere: what was ramped down needs a person to resume."""
    at_us = next((at for known, at in lease.issued if known == nonce), None)
    if at_us is None or now_us - at_us > lease.lease_us:
        return lease, False
    newer = tuple((known, at) for known, at in lease.issued if at > at_us)
    return replace(lease, issued=newer, renewed_us=at_us, echoed=True), True
