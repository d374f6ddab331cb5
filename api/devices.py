"""The phones that were paired: told by the journal, kept in memory, and known by the hash of a secret alone."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final

from api.roles import Role
from controller.chain import Kind, Row
from controller.journal import Journal

DAY_S: Final = 86_400
LIFETIME_S: Final = {Role.VIEWER: 30 * DAY_S, Role.PATIENT: 180 * DAY_S, Role.CLINICIAN: 90 * DAY_S}
"""From a pairing to its end; ours."""
PASSPHRASE_LIFETIME_S: Final = 12 * 3_600
"""A clinician who came in by passphrase stays for a working day; ours."""


@dataclass(frozen=True)
class Device:
    """One paired phone. Times are seconds since 1970 by this machine's clock."""

    id: str
    name: str
    role: Role
    secret_sha256: str
    paired_s: int
    expires_s: int
    revoked: bool = False


class Devices:
    """All phones ever paired. ``now_s`` is this machine's clock; a clock that goes back extends nothing."""

    def __init__(self, journal: Journal, now_s: Callable[[], int]) -> None:
        self._journal, self._clock = journal, now_s
        self._lock = threading.Lock()
        self._latest_s = 0
        self._by_id = _told(journal.rows(Kind.PAIRING))
        self._by_secret = {device.secret_sha256: device.id for device in self._by_id.values()}
        for device in self._by_id.values():
            self._latest_s = max(self._latest_s, device.paired_s)

    def now_s(self) -> int:
        """The latest time the clock has shown."""
        with self._lock:
            self._latest_s = max(self._latest_s, self._clock())
            return self._latest_s

    def listed(self) -> list[Device]:
        """Those that are neither revoked nor expired, in the order they were paired."""
        now = self.now_s()
        return [device for device in self._by_id.values() if not device.revoked and now < device.expires_s]

    def find(self, secret: str) -> Device | None:
        """The device that holds this secret, even a revoked or expired one."""
        id_ = self._by_secret.get(hash_of(secret))
        return None if id_ is None else self._by_id[id_]

    def get(self, id_: str) -> Device | None:
        return self._by_id.get(id_)

    def usable(self, device: Device) -> bool:
        """Whether it is neither revoked nor expired now."""
        return not self._by_id[device.id].revoked and self.now_s() < device.expires_s

    def pair(self, name: str, role: Role, lifetime_s: int | None = None) -> tuple[Device, str, Future[Row]]:
        """A new device and its secret, told once. It counts when the Future is done and ``enter`` was called."""
        now = self.now_s()
        secret = secrets.token_urlsafe(32)
        expires = now + (LIFETIME_S[role] if lifetime_s is None else lifetime_s)
        device = Device(secrets.token_hex(8), name, role, hash_of(secret), now, expires)
        row = self._journal.append(
            Kind.PAIRING,
            event="paired",
            device=device.id,
            name=name,
            role=str(role),
            secret_sha256=device.secret_sha256,
            paired_s=now,
            expires_s=expires,
        )
        return device, secret, row

    def enter(self, device: Device) -> None:
        """Lets a device in whose pairing is durable."""
        with self._lock:
            self._by_id[device.id] = device
            self._by_secret[device.secret_sha256] = device.id

    def revoke(self, id_: str, by: str) -> Future[Row] | None:
        """Ends a device at once, whether or not the journal takes the row; None when there is no such device."""
        with self._lock:
            device = self._by_id.get(id_)
            if device is None or device.revoked:
                return None
            self._by_id[id_] = replace(device, revoked=True)
        return self._journal.append(Kind.PAIRING, event="revoked", device=id_, by=by)


def hash_of(secret: str) -> str:
    """What is kept of a secret. The secret is random and long, so a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _told(rows: Iterable[Row]) -> dict[str, Device]:
    found: dict[str, Device] = {}
    for row in rows:
        told = row.fields
        if told["event"] == "paired":
            found[told["device"]] = Device(
                told["device"],
                told["name"],
                Role(told["role"]),
                told["secret_sha256"],
                told["paired_s"],
                told["expires_s"],
            )
        elif told["event"] == "revoked":
            found[told["device"]] = replace(found[told["device"]], revoked=True)
    return found
