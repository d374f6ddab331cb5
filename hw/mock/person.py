"""Ops of the control socket that concern the simulated person and her sensor.

``emg``: ``from`` (a sample's number, null for now) gives ``first``, ``codes`` and ``next``: the ADS1115's codes up to
now, at most a second of them. ``person``: ``will_percent`` is what she wants from now on, ``sensor`` changes what the
sensor adds (``hw.mock.emg.Sensor``), ``rest_uv`` and ``mvc_uv`` her muscle. She reacts after ``REACTION_S``. It answers
``force_permille`` and ``fatigued_permille``: what her muscle does now, by her will and by the board's pulses.
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
FELT: Final = 5 * RATE_HZ
"""So far back her muscle is followed when nobody asked meanwhile (in 5 ms, for which the daemon waits): what was before
has passed, but for its fatigue, which is not counted."""
PULSES: Final = 2 * 150 * 5
"""Of so long, of both channels at the highest frequency."""
_SENSOR: Final = {field.name for field in fields(Sensor)} - {"harmonics"}


class PersonOps:
    """One person at one board. Nothing is computed before somebody asks; then of her EMG only the last second, and of
    what her muscle did the last five."""

    def __init__(self, board: Callable[[], BoardModel], now: Callable[[], int], seed: int) -> None:
        self._board, self._now = board, now
        self._seed = seed
        self._made: EmgModel | None = None
        self._wills: deque[tuple[float, float]] = deque([(0.0, 0.0)])
        self._codes: deque[int] = deque(maxlen=KEPT)
        self._pulses: deque[tuple[int, float, int]] = deque(maxlen=PULSES)

    @property
    def _model(self) -> EmgModel:
        if self._made is None:
            self._made = EmgModel(Person(), self._seed, self._will)
        return self._made

    def emg(self, message: Message) -> Message:
        wanted = message.get("from")
        if not (wanted is None or type(wanted) is int):
            raise BadOp("emg needs from, a sample's number or null")
        model = self._bring()
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
        muscle = self._bring().muscle
        told = {"force": muscle.force, "fatigued": muscle.fatigued}
        return {f"{name}_permille": round(1000 * share) for name, share in told.items()}

    def _bring(self) -> EmgModel:
        """Her, up to now, with the pulses that came meanwhile."""
        board, now, model = self._board(), self._now(), self._model
        board.on_pulse = lambda *pulse: self._pulses.append(pulse)
        board.bring(now)
        until = now * RATE_HZ // 1_000_000
        model.count = max(model.count, until - FELT)
        while self._pulses:
            tick, current_ma, width_us = self._pulses.popleft()
            if current_ma > 0 and (at := tick * RATE_HZ // 1_000_000) >= model.count:
                model.connected = False  # where current flows, OUTPUT_ENABLE is high
                self._go(at, until - KEPT)
                model.stimulate(current_ma, width_us)
        model.connected = not board.switch.enable
        self._go(until, until - KEPT)
        return model

    def _go(self, until: int, kept_from: int) -> None:
        """To a sample. Those before ``kept_from`` nobody will have: only her muscle goes on."""
        model = self._model
        if model.count < min(until, kept_from):
            self._codes.clear()
            model.pass_by(min(until, kept_from) - model.count)
        self._codes.extend(model.samples(max(0, until - model.count)))

    def _will(self, at_s: float) -> float:
        while len(self._wills) > 1 and self._wills[1][0] <= at_s:
            self._wills.popleft()
        return self._wills[0][1]
