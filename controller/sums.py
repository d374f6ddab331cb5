"""What a list tells of a session's doses, and no more of them: of fifty sessions there are some thousands."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median_low
from typing import Final

from controller.journal import named, reading

COMMAND: Final = """SELECT {named}, json_group_array(json_extract(
  body, '$.channel', '$.contraction', '$.pulses', '$.charge_pc', '$.sent_ua', '$.set_point_ua'))
FROM row WHERE {named} IN (SELECT value FROM json_each(?)) AND +kind = 'dose' GROUP BY 1"""


@dataclass(frozen=True)
class Sums:
    """The properties of ``history.Record`` of the same names."""

    contractions: int = 0
    pulses: int = 0
    charge_pc: int = 0
    comfortable_ua: dict[str, int] = field(default_factory=dict)


def sums(path: Path, sessions: Iterable[str]) -> dict[str, Sums]:
    """Of each of these sessions of which a dose is told. Raises JournalError."""
    with reading(path) as connection:
        found = connection.execute(COMMAND.format(named=named(connection)), (json.dumps([*sessions]),))
        return {name: _of(json.loads(told)) for name, told in found}


def _of(doses: list[tuple[str, int | None, int | None, int | None, int | None, int]]) -> Sums:
    given_ua: dict[str, list[int]] = {}
    for channel, _, _, _, sent_ua, set_point_ua in doses:
        given_ua.setdefault(channel, []).append(set_point_ua if sent_ua is None else sent_ua)
    return Sums(
        contractions=len({dose[1] for dose in doses}),
        pulses=sum(dose[2] or 0 for dose in doses),
        charge_pc=sum(dose[3] or 0 for dose in doses),
        comfortable_ua={channel: median_low(told) for channel, told in sorted(given_ua.items())},
    )
