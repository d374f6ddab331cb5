"""Who may do what: three roles, each including the one before."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """``viewer`` looks at the live session; ``patient`` runs what is prescribed; ``clinician`` prescribes."""

    VIEWER = "viewer"
    PATIENT = "patient"
    CLINICIAN = "clinician"

    def includes(self, other: Role) -> bool:
        """Whether this role may do all that the other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)
