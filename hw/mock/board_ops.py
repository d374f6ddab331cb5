"""Ops of the control socket that concern the electrodes and what is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

from hw.mock import current
from hw.mock.bench import Bench
from hw.mock.board import BoardModel
from hw.mock.channel import Point
from hw.mock.scenario import arm, break_now, read_request, read_scenario
from hw.mock.troubles import FaultImpossible
from safety.errors import Problem

Message = dict[str, Any]


class BadOp(Exception):
    """A control message that cannot be obeyed; the text goes back to the sender."""


class FaultOps:
    """``fault``: ``name`` and ``args`` (a list or a table) break something now. ``scenario``: ``text`` of such a file.

    The answer's ``problems`` are those of a refusal, each [code, place, field, value, allowed, advice].
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def fault(self, message: Message) -> Message:
        problems: list[Problem] = []
        request = read_request(message.get("name"), message.get("args", []), "", problems)
        return self._done(problems, lambda: None if request is None else break_now(self.bench, request))

    def scenario(self, message: Message) -> Message:
        text = message.get("text")
        if not isinstance(text, str):
            raise BadOp("scenario needs text, that of a scenario file")
        requests, problems = read_scenario(text)
        return self._done(problems, lambda: arm(self.bench, requests))

    def _done(self, problems: list[Problem], act: Callable[[], None]) -> Message:
        if not problems:
            try:
                act()
            except FaultImpossible as error:
                problems.append(
                    Problem("fault_impossible", "", "name", "not here", "what this simulation has", str(error))
                )
        return {"problems": [list(astuple(problem)) for problem in problems]}


class CurrentOp:
    """``current``: ``record`` true keeps the output from now on; ``path`` writes what was kept (``current.py``), null
    measures it.

    ``since`` is a tick, null for the beginning; ``zero`` in the answer is the tick that times count from.
    """

    def __init__(self, board: Callable[[], BoardModel], zero: Callable[[int], int], now: Callable[[], int]) -> None:
        self._board = board
        self._zero = zero
        self._now = now

    def __call__(self, message: Message) -> Message:
        record, path, since = message.get("record", False), message.get("path"), message.get("since")
        if not isinstance(record, bool) or not (path is None or isinstance(path, str)):
            raise BadOp("current needs record, true or false, or a path or null")
        if not (since is None or type(since) is int):
            raise BadOp("current needs since, a tick or null")
        if record:
            self._board().record_current(self._now())
            return {}
        zero, channels = self.points(since)
        if path is None:
            figures = {name: current.measure(points).as_dict() for name, points in channels.items()}
            return {"zero": zero, "figures": figures}
        try:
            return {"zero": zero, "rows": current.write(channels, Path(path))}
        except OSError as error:
            raise BadOp(str(error)) from error

    def points(self, since: int | None) -> tuple[int, dict[str, list[Point]]]:
        """The tick that times count from, and the points of each channel."""
        recorded = self._board().recorded(self._now())
        if recorded is None:
            raise BadOp("no current is recorded; ask for record first")
        zero = 0 if since is None else self._zero(since)
        return zero, {name: current.since(points, zero) for name, points in recorded.items()}
