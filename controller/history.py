"""What was delivered, read from the journal: one record a session. Currents in uA, charge in pC, times in us.

Every row it reads names its ``session``. Rows ``session`` have ``event``: opened, not_started (the guard refused, and
nothing came out), closed (with ``mode``, ``cause``, ``session_us``, and whether a person ``ended_early``) or lost (how
it ended was not heard: the app or the guard went away; ``cause`` says which); ``dose``: what ``controller.dose.Dose``
says; ``state``: ``mode``, and of a pause that nobody asked for its cause (``paused_by``); ``cause``: ``code``, and
``again`` where it was told before and only the mode is another; ``cut``: the phase that the stop has cut (``line``) and
how long it lasted (``us``);
``rating``: what the person told afterwards, the newest one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median_low
from typing import Any, Final

from controller.chain import Kind, Row

CURRENT_OFF_PERCENT: Final = 10
CURRENT_OFF_UA: Final = 100
"""ours, the guard's own band; it stops at once for what is dangerous, this is for the reader of a record."""
KINDS: Final = (Kind.SESSION, Kind.DOSE, Kind.CUT, Kind.STATE, Kind.CAUSE, Kind.RATING)


@dataclass
class Record:
    """One session. ``closed`` is how it ended, or that this was not heard; None for one that is open."""

    id: str
    began: str
    opened: dict[str, Any]
    closed: dict[str, Any] | None = None
    ended: str | None = None
    rating: dict[str, Any] | None = None
    doses: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def looking(self) -> bool:
        """A clinician looked for the caps in it: it is no training."""
        return self.opened.get("looking") is True

    @property
    def ended_early(self) -> bool | None:
        """A person ended it before its time; None where that is not told."""
        return None if self.closed is None else self.closed.get("ended_early")

    @property
    def pulses(self) -> int:
        """Pulses delivered in all contractions that are told."""
        return sum(int(dose.get("pulses", 0)) for dose in self.doses)

    @property
    def charge_pc(self) -> int:
        """Charge of the first phases of all these pulses."""
        return sum(int(dose.get("charge_pc", 0)) for dose in self.doses)

    def planned(self, what: str) -> int | None:
        """``pulses`` or ``charge_pc`` as planned in all of them; None where a dose does not tell of it."""
        told = [int(one) for dose in self.doses if (one := dose.get(f"planned_{what}")) is not None]
        return sum(told) if len(told) == len(self.doses) else None

    @property
    def comfortable_ua(self) -> dict[str, int]:
        """Per channel the current that half of the contractions were given at least (the lower median)."""
        return self._middle(given_ua)

    @property
    def below_comfortable_us(self) -> dict[str, int]:
        """Per channel how long contractions lasted that were set lower than half of them were."""
        middle = self._middle(_set_point_ua)  # a phase that gives less by the programme is not set lower
        below = dict.fromkeys(middle, 0)
        for dose in self.doses:
            channel = dose["channel"]
            if _set_point_ua(dose) < middle[channel]:
                below[channel] += int(dose.get("end_us", 0)) - int(dose.get("start_us", 0))
        return below

    def _middle(self, of: Callable[[Mapping[str, Any]], int]) -> dict[str, int]:
        by_channel: dict[str, list[int]] = {}
        for dose in self.doses:
            by_channel.setdefault(dose["channel"], []).append(of(dose))
        return {name: median_low(found) for name, found in sorted(by_channel.items())}

    @property
    def pauses(self) -> list[dict[str, Any]]:
        """When it was paused, for how long by this machine's clock (``ms``; None: it did not go on), and by what
        (``cause``; None: it was asked for).
        """
        found: list[dict[str, Any]] = []
        for event in self.events:
            if event["kind"] != Kind.STATE:
                continue
            if found and found[-1]["ms"] is None and event["mode"] == "running":
                passed = datetime.fromisoformat(event["at"]) - datetime.fromisoformat(found[-1]["at"])
                found[-1]["ms"] = round(passed.total_seconds() * 1000)
            elif event["mode"] == "paused":
                found.append({"at": event["at"], "ms": None, "cause": event.get("paused_by")})
        return found

    @property
    def deviations(self) -> list[dict[str, Any]]:
        """Where what came is not what was planned: other ``pulses`` or ``charge_pc``, or a sensed ``current_ua`` off by
        more than ``CURRENT_OFF_PERCENT`` and ``CURRENT_OFF_UA`` of the strongest pulse that was sent. What a dose does
        not tell of is not compared.
        """
        found = []
        for dose in self.doses:
            where = {"contraction": dose.get("contraction"), "channel": dose["channel"]}
            for what, planned, came in (
                ("pulses", dose.get("planned_pulses"), dose.get("pulses")),
                ("charge_pc", dose.get("planned_charge_pc"), dose.get("charge_pc")),
            ):
                if planned is not None and planned != came:
                    found.append({**where, "what": what, "planned": planned, "came": came})
            asked, sensed = given_ua(dose), dose.get("measured_ua")
            if sensed is not None and (abs(sensed - asked) - CURRENT_OFF_UA) * 100 > CURRENT_OFF_PERCENT * asked:
                found.append({**where, "what": "current_ua", "planned": asked, "came": sensed})
        return found

    @property
    def contractions(self) -> int:
        """How many contractions are told; one on both channels counts once."""
        return len({dose.get("contraction") for dose in self.doses})


def _set_point_ua(dose: Mapping[str, Any]) -> int:
    return int(dose["set_point_ua"])


def given_ua(dose: Mapping[str, Any]) -> int:
    """The current of the strongest pulse sent in a contraction; a dose from before this was told: its set-point."""
    return int(dose.get("sent_ua", dose["set_point_ua"]))


def records(rows: Iterable[Row]) -> list[Record]:
    """The sessions in the order they were opened."""
    found: dict[str, Record] = {}
    for row in rows:
        told = row.fields
        name = told.pop("session", None)
        if row.kind == Kind.SESSION and told.get("event") == "opened":
            found[name] = Record(name, row.at, told)
        elif name in found:
            record = found[name]
            if told.get("event") == "not_started":
                del found[name]
            elif row.kind == Kind.SESSION:
                record.closed, record.ended = told, row.at
            elif row.kind == Kind.RATING:
                record.rating = told
            elif row.kind == Kind.DOSE:
                record.doses.append(told)
            elif not told.get("again"):
                record.events.append({"at": row.at, "kind": row.kind, **told})
    return list(found.values())
