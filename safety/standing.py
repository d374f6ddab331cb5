"""What the guard tells of where it stands (docs/decisions/0009-the-link.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from safety.edges import Seen
from safety.electrode import Finding
from safety.interlock import State
from safety.ledger import known_day
from safety.lookout import Lookout
from safety.schedule import CHANNELS
from safety.session import Session
from safety.supply import Supply


def standing(
    state: State,
    session: Session,
    lookout: Lookout,
    supply: Supply,
    came: Mapping[str, Seen],
    electrodes: Mapping[str, Finding],
    confirmed: bool | None,
    device: str,
    now: int,
) -> dict[str, Any]:
    """The fields of every message that tells it. ``came``: the pulses whose edges were seen; ``electrodes``: the
    findings of the last electrode check; ``confirmed``: whether the lines were read back low after the last stop.
    """
    set_point, held = session.progress.set_point, session.lease
    zero_us = session.progress.zero_us
    return {
        "mode": state.mode,
        "cause": state.cause,
        "locked_by": state.locked_by,
        "ending": state.ending,
        "ending_cause": state.ending_cause,
        "paused_by": state.paused_by,
        "confirmed": confirmed,
        "now_us": now,
        "next_us": session.progress.session_us,
        "zero_us": zero_us,
        "rest_us": session.muscle_rest_us(now),
        "revision": set_point.revision,
        "set_point_ua": dict(zip(CHANNELS, set_point.values_ua, strict=True)),
        "measured_ua": lookout.measured_ua,
        "load_ohm": lookout.load_ohm,
        "rail_mv": lookout.rail_mv,
        "electrodes": {
            channel: {"load_ohm": finding.load_ohm, "finding": finding.code} for channel, finding in electrodes.items()
        },
        "lease_age_us": None if held is None else held.age_us(now),
        "increase_allowed": held is not None and held.increase_allowed(now),
        "came": {one: asdict(seen) for one, seen in came.items()},
        "pulses": supply.sent_pulses,
        "net_code_us": supply.net_code_us,
        "underruns": supply.underruns,
        "dead_man_fired": lookout.dead_man_fired,
        "last_cause": session.record.cause,
        "device": device,
        "prescription_revision": session.record.revision,
        "day": known_day(session.record),
        "last_cut": {"line": session.record.cut_line, "us": session.record.cut_us},
    }
