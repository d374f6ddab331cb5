"""Which phone controls the session: one at most. Pure; the phones are named by their device id.

A patient's phone takes control as it likes. A clinician's only asks for it, and gets it when a patient's phone, or
somebody at the device, allows that.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from api.roles import Role
from safety.errors import PelviStimError


class ControlRefused(PelviStimError):
    """``code``: ``not_controlling``, ``nobody_asks``, ``patient_needed`` or ``sequence_old``."""


@dataclass(frozen=True)
class Standing:
    """Who controls, and who asks to; device ids."""

    holder: str | None = None
    asking: str | None = None


class Control:
    """The one control of a session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standing = Standing()
        self._sequence = -1

    @property
    def standing(self) -> Standing:
        return self._standing

    def holds(self, device: str) -> bool:
        """Whether this phone controls."""
        return self._standing.holder == device

    def claim(self, device: str, role: Role) -> Standing:
        """Takes control, or asks for it (a clinician's phone)."""
        with self._lock:
            if self._standing.holder == device:
                return self._standing
            if role is Role.PATIENT:
                return self._give(device)
            if role is not Role.CLINICIAN:
                raise ControlRefused("a viewer cannot control", code="patient_needed")
            self._standing = Standing(self._standing.holder, device)
            return self._standing

    def allow(self, role: Role | None) -> Standing:
        """Lets the phone that asks take control. ``role``: of the phone that allows it; None: at the device."""
        with self._lock:
            if role not in (None, Role.PATIENT):
                raise ControlRefused("only the patient, or somebody at the device, can allow it", code="patient_needed")
            if self._standing.asking is None:
                raise ControlRefused("nobody asks for control", code="nobody_asks")
            return self._give(self._standing.asking)

    def release(self, device: str) -> Standing:
        """Gives control up, or stops asking for it."""
        with self._lock:
            holder, asking = self._standing.holder, self._standing.asking
            if device not in (holder, asking):
                raise ControlRefused("this phone does not control the session", code="not_controlling")
            self._standing = Standing(None if holder == device else holder, None if asking == device else asking)
            return self._standing

    def heartbeat(self, device: str, sequence: int) -> None:
        """Takes note of a heartbeat. Raises ControlRefused from another phone, or when it is not newer."""
        with self._lock:
            if self._standing.holder != device:
                raise ControlRefused("this phone does not control the session", code="not_controlling")
            if sequence <= self._sequence:
                raise ControlRefused(f"heartbeat {sequence} came after {self._sequence}", code="sequence_old")
            self._sequence = sequence

    def _give(self, device: str) -> Standing:
        self._standing, self._sequence = Standing(device), -1
        return self._standing
