"""Breaking things by name, at once or at a time: single requests, and scenario files."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from hw.mock.bench import Bench
from hw.mock.fault_args import Arg, Values, read_args
from hw.mock.faults import FAULTS, MENDABLE, clear
from hw.mock.troubles import FaultImpossible
from safety.errors import Problem

CLEAR: Final = "clear"
_CLEAR_ARGS: Final = (Arg("NAME", MENDABLE, optional=True),)
_LONGEST_S: Final = 86_400
_KEYS: Final = ("at_s", "at_start", "name", "args")


@dataclass(frozen=True)
class Request:
    """A fault with its arguments, read and allowed; ``at_us`` from the session's first wave on, None before all."""

    name: str
    values: Values
    at_us: int | None = None


def read_request(name: object, args: object, place: str, problems: list[Problem]) -> Request | None:
    """A fault and its arguments; what is wrong is added to ``problems``."""
    known: tuple[Arg, ...]
    if name == CLEAR:
        known = _CLEAR_ARGS
    elif isinstance(name, str) and name in FAULTS:
        known = FAULTS[name].args
    else:
        allowed = ", ".join((*FAULTS, CLEAR))
        advice = "docs/faults.md says what each does; nothing was broken."
        problems.append(Problem("fault_unknown", place, "name", str(name), allowed, advice))
        return None
    before = len(problems)
    values = read_args(known, args, f"{place}.{name}" if place else name, problems)
    return Request(name, values) if len(problems) == before else None


def read_scenario(text: str) -> tuple[list[Request], list[Problem]]:
    """All requests of a scenario file, in order, or all that is wrong with it."""
    problems: list[Problem] = []
    requests: list[Request] = []
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [], [_problem("", "file", str(error), "a TOML file")]
    unknown = [key for key in raw if key != "fault"]
    problems += [_problem("", key, repr(raw[key]), "nothing but tables [[fault]]") for key in unknown]
    entries = raw.get("fault", [])
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        problems.append(_problem("", "fault", repr(entries), "one or more tables [[fault]]"))
        entries = []
    for number, entry in enumerate(entries):
        place = f"fault[{number + 1}]"
        at_us = _time(entry, place, problems)
        unknown = [key for key in entry if key not in _KEYS]
        problems += [_problem(place, key, repr(entry[key]), "one of " + ", ".join(_KEYS)) for key in unknown]
        request = read_request(entry.get("name"), entry.get("args", []), place, problems)
        if request is not None:
            requests.append(Request(request.name, request.values, at_us))
    return requests, problems


def _time(entry: Mapping[str, Any], place: str, problems: list[Problem]) -> int | None:
    """Microseconds, or None for the start."""
    at, start = entry.get("at_s"), entry.get("at_start", False)
    if start is not True and start is not False:
        problems.append(_problem(place, "at_start", repr(start), "true or false"))
    elif start:
        if at is not None:
            problems.append(_problem(place, "at_s", repr(at), "either at_s, or at_start = true"))
    elif isinstance(at, bool) or not isinstance(at, (int, float)) or not 0 <= at <= _LONGEST_S:
        shown = "missing" if at is None else repr(at)
        problems.append(_problem(place, "at_s", shown, f"a number 0 to {_LONGEST_S} s, or at_start = true"))
    else:
        return round(at * 1_000_000)
    return None


def _problem(place: str, field: str, value: str, allowed: str) -> Problem:
    return Problem("scenario_field", place, field, value, allowed, "Correct the scenario file; nothing was started.")


def break_now(bench: Bench, request: Request) -> None:
    """Does what a request says. Raises FaultImpossible."""
    if request.name == CLEAR:
        name = request.values["NAME"]
        clear(bench, None if name is None else str(name))
    else:
        FAULTS[request.name].do(bench, request.values)


def arm(bench: Bench, requests: list[Request]) -> None:
    """Does at once what is due before anything plays, and has the rest happen in its time. Raises FaultImpossible."""
    for request in requests:
        if request.at_us is None:
            break_now(bench, request)
    later = [request for request in requests if request.at_us is not None]

    def begin(tick: int) -> None:
        for request in later:
            bench.server.timeline.schedule(tick + (request.at_us or 0), partial(_in_time, bench, request))

    if later:
        bench.board.on_wave = begin


def _in_time(bench: Bench, request: Request) -> None:
    try:
        break_now(bench, request)
    except FaultImpossible as error:
        print(f"{request.name}: {error}", file=sys.stderr, flush=True)
