"""Ops of the control socket that concern the simulated person and her sensor.

``emg``: ``from`` (a sample's number, null for now) gives ``first``, ``codes`` and ``next``: the ADS1115's codes up to
now, at most a second of them. ``person``: ``will_percent`` is what she wants from now on, ``sensor`` changes what the
sensor adds (``hw.mock.emg.Sensor``), ``rest_uv`` and ``mvc_uv`` her muscle. She reacts after ``REACTION_S``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Final

from hw.mock.board import BoardModel
from hw.mock.board_ops import BadOp, Message
from hw.mock.emg import RATE_HZ, EmgModel, Person, Sensor

REACTION_S: Final = 0.25
KEPT: Final = RATE_HZ
"""Codes that are kept for who comes late: a second."""
_SENSOR: Final = {field.name for field in fields(Sensor)} - {"harmonics"}


class PersonOps:
    """One person at one board. Nothing is computed before somebody asks; then only the last second."""

    def __init__(self, board: Callable[[], BoardModel], now: Callable[[], int], seed: int) -> None:
        self._board, self._now = board, now
        self._seed = seed
        self._made: EmgModel | None = None
        self._wills: deque[tuple[float, float]] = deque([(0.0, 0.0)])
        self._codes: deque[int] = deque(maxlen=KEPT)

    @property
    def _model(self) -> EmgModel:
        if self._made is None:
            self._made = EmgModel(Person(), self._seed, self._will)
        return self._made

    def emg(self, message: Message) -> Message:
        wanted = message.get("from")
        if not (wanted is None or type(wanted) is int):
            raise BadOp("emg needs from, a sample's number or null")
        board, now = self._board(), self._now()
        board.bring(now)
        until = now * RATE_HZ // 1_000_000
        model = self._model
        model.connected = not board.switch.enable
        if until - model.count > KEPT:
            model.count = until - KEPT
            self._codes.clear()
        self._codes.extend(model.samples(max(0, until - model.count)))
        first = model.count - len(self._codes)
        start = model.count if wanted is None else min(model.count, max(first, wanted))
        return {"first": start, "codes": list(self._codes)[start - first :], "next": model.count}

    def person(self, message: Message) -> Message:
        will, sensor = message.get("will_percent"), message.get("sensor", {})
        sizes = {name: message[name] for name in ("rest_uv", "mvc_uv") if name in message}
        if not isinstance(sensor, dict) or not set(sensor) <= _SENSOR:
            raise BadOp(f"sensor may change {', '.join(sorted(_SENSOR))}")
        for value in (will, *sensor.values(), *sizes.values()):
            if not (value is None or isinstance(value, (int, float))) or (value is not None and not value >= 0):
                raise BadOp("figures of person are numbers from 0")
        if will is not None:
            self._wills.append((self._now() / 1e6 + REACTION_S, min(100.0, will) / 100))
        self._model.sense(**sensor)
        self._model.person = replace(self._model.person, **sizes)
        return {}

    def _will(self, at_s: float) -> float:
        while len(self._wills) > 1 and self._wills[1][0] <= at_s:
            self._wills.popleft()
        return self._wills[0][1]
