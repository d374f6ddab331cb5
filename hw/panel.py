"""LEDs, buzzer and ADC, through gpiozero with an explicit PiGPIOFactory: never whatever factory happens to be found.

The checks read the ADC by ``hw/senses.py``; this second way to it lets the self-test compare both.
Stop and fault lines are not here: opening or closing a gpiozero pin makes it an input for a moment, and they are read
together by one bank read in every check (``PulseOutput.bank``).
"""

from __future__ import annotations

import contextlib
import struct
from typing import Any, Final

import pigpio
from gpiozero import LED, MCP3208, Buzzer
from gpiozero.pins.pigpio import PiGPIOFactory

from hw.board import Board
from hw.wire import DaemonLost, end_callbacks, limit_calls

_LIGHTS = ("LED_READY", "LED_OUTPUT", "LED_FAULT")
_LOST: Final = (OSError, AttributeError, TypeError, ValueError, LookupError, struct.error, pigpio.error)
"""What gpiozero and the client below it raise when the daemon has gone, or answers nonsense."""


class Panel:
    """The three lights, the buzzer and the ADC of one board, on one gpiozero factory of its own."""

    def __init__(self, host: str, port: int, board: Board, timeout_s: float) -> None:
        try:
            self._factory = PiGPIOFactory(host, port)
        except OSError as error:
            raise DaemonLost(f"gpiozero found no pigpio daemon at {host}:{port}: {error}") from error
        end_callbacks(self._factory.connection, timeout_s)
        limit_calls(self._factory.connection, timeout_s)
        self._lights = {name: LED(board[name].gpio, pin_factory=self._factory) for name in _LIGHTS}
        self._buzzer = Buzzer(board["BUZZER"].gpio, pin_factory=self._factory)
        self._shown: dict[str, bool] = {}
        adc = board.adc
        self._adc: list[Any] = [
            MCP3208(channel=channel, device=adc.device, max_voltage=adc.vref_mv / 1000, pin_factory=self._factory)
            for channel in range(8)
        ]
        self._peak_channel = {"A": adc.peak_a, "B": adc.peak_b}
        self._ua_per_step = board.full_scale_ua * adc.vref_mv / adc.peak_full_scale_mv
        self._levels = 1 << adc.bits

    def show(self, *, ready: bool, output: bool, fault: bool) -> None:
        """Sets the lights; only those that change are written. Raises DaemonLost."""
        for name, on in zip(_LIGHTS, (ready, output, fault), strict=True):
            if self._shown.get(name) != on:
                try:
                    self._lights[name].value = on
                except _LOST as error:
                    raise DaemonLost(f"{name}: {error!r}") from error
                self._shown[name] = on

    def buzz(self, on: bool) -> None:
        """The buzzer on or off. Raises DaemonLost."""
        try:
            self._buzzer.value = on
        except _LOST as error:
            raise DaemonLost(f"BUZZER: {error!r}") from error

    def raw(self, channel: int) -> int:
        """The converter's code (0-4095) for one of its inputs (0-7). Raises DaemonLost."""
        try:
            return int(self._adc[channel].raw_value)
        except _LOST as error:
            raise DaemonLost(f"ADC {channel}: {error!r}") from error

    def peak_ua(self, channel: str) -> int:
        """Rectified peak of the source current since the last PEAK_RESET, uA (0 to 1.65 x full scale)."""
        return round(self.raw(self._peak_channel[channel]) * self._ua_per_step / self._levels)

    def close(self) -> None:
        """Gives the pins back. gpiozero shares buses by host: one left to be collected would close the next panel's."""
        with contextlib.suppress(*_LOST):
            for device in (*self._adc, *self._lights.values(), self._buzzer):
                device.close()
        self._factory.close()
