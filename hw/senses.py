"""What one check sees of the board, in one burst: lines, the ADC's inputs, what plays, the dead-man, the tick.

docs/decisions/0006-one-burst-a-check.md says why these readings do not go through gpiozero. Quantities are whole uA
and mV, each rounded to the nearest (a half upward) from the converter's code, by the figures of the board file.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Any, Final, NamedTuple

from hw.board import Adc, Board
from hw.pulses import IDLE
from hw.wire import SCRIPT_RUNNING, Command, Commands, NotAsApproved, asked, burst, exchange

SPI_BAUD: Final = 500_000
"""What the board's wires and the MCP3208 are good for, and what gpiozero uses."""
SPI_HANDLES: Final = 32
_ADC_INPUTS: Final = 8
_MODES_AT_ONCE: Final = 8
"""Lines whose mode one check asks for: with two checks all that matter were asked for, within 40 ms."""
_INDICATORS: Final = ("LED_READY", "LED_OUTPUT", "LED_FAULT", "BUZZER")
"""Nothing hangs on their mode."""
_WORD: Final = 0xFFFF_FFFF
_OUTPUT: Final = 1


class Sample(NamedTuple):
    """One look at the board. Pairs are channels A and B.

    ``bank``: levels of GPIO 0-31. ``raw``: codes (0-4095) of ADC inputs 0-7. ``peak_ua``: rectified peak of the source
    current since the last PEAK_RESET, ``electrode_mv``: that of the electrode voltage, ``average_ua``: signed average
    of the source current. ``playing``: the id of the wave that plays, None if none does. ``strayed``: lines whose mode
    is not what it should be, of those looked at this time. ``tick``: the daemon's, 32 bits of us, read last.
    ``holds``: whether the daemon holds the waves that were handed to it and no other pulses, if that was asked.
    ``emptied_ua``: the peak holds right after they were emptied, if that was asked.
    """

    bank: int
    raw: tuple[int, ...]
    peak_ua: tuple[int, int]
    electrode_mv: tuple[int, int]
    rail_mv: int
    average_ua: tuple[int, int]
    reference_mv: int
    playing: int | None
    dead_man_running: bool
    strayed: tuple[str, ...]
    tick: int
    holds: bool = True
    emptied_ua: tuple[int, int] | None = None


class Senses:
    """Reads the board through the loop's connection. ``client`` is set anew when a stop broke that connection.

    ``script``: the dead-man's id. Opens one SPI handle for the guard's life: it belongs to the daemon and outlives the
    connection. Raises DaemonLost, NotAsApproved.
    """

    def __init__(self, client: Any, board: Board, script: int) -> None:
        self.client = client
        self._script = script
        self._scale = Scale(board.adc, board.full_scale_ua)
        self._handle = int(asked(client.spi_open, board.adc.device, SPI_BAUD, 0))
        self._keepalive, self._peak_reset = board["KEEPALIVE"].gpio, board["PEAK_RESET"].gpio
        lines = [line for line in board.lines.values() if line.name not in _INDICATORS]
        self._modes = deque(lines[at : at + _MODES_AT_ONCE] for at in range(0, len(lines), _MODES_AT_ONCE))
        self._looks: Commands = (
            (Command.BANK, 0, 0, b""),
            *((Command.SPI_XFER, self._handle, 0, question(number)) for number in range(_ADC_INPUTS)),
            (Command.SCRIPT_STATUS, script, 0, b""),
            (Command.PLAYING, 0, 0, b""),
            (Command.TICK, 0, 0, b""),
        )
        self._reset: Commands = tuple((Command.WRITE, self._peak_reset, level, b"") for level in (1, 0))
        peaks = (board.adc.peak_a, board.adc.peak_b)
        self._peaks: Commands = tuple((Command.SPI_XFER, self._handle, 0, question(number)) for number in peaks)

    def check(
        self,
        keepalive: int | None,
        kick: int | None,
        reset_peaks: bool,
        held: tuple[Commands, tuple[int, ...]] = ((), ()),
        *,
        look_again: bool = False,
        modes: bool = True,
    ) -> Sample:
        """One burst: KEEPALIVE to a level and a kick for the dead-man where given, the readings, and then the peak
        holds emptied if wished, and read once more with ``look_again``. ``held``: questions about waves and the answers
        to them (``PulseOutput.holds``); ``modes``: whether the modes of some lines are asked for, others each time. A
        script that is not there counts as not running.

        Raises DaemonLost, NotAsApproved.
        """
        before: list[tuple[int, int, int, bytes]] = []
        if keepalive is not None:
            before.append((Command.WRITE, self._keepalive, keepalive, b""))
        if kick is not None:
            before.append((Command.SCRIPT_UPDATE, self._script, 0, struct.pack("<I", kick & _WORD)))
        self._modes.rotate(modes)
        lines = self._modes[0] if modes else []
        asked_modes = [(Command.MODE, line.gpio, 0, b"") for line in lines]
        after = (*(self._reset if reset_peaks else ()), *(self._peaks if reset_peaks and look_again else ()))
        commands = (*before, *self._looks, *asked_modes, *held[0], *after)
        results, data = asked(exchange, self.client, commands)
        at = len(before)
        bank, *converted = results[at : at + 1 + _ADC_INPUTS]
        status, playing, tick, *found = results[at + 1 + _ADC_INPUTS :]
        strayed = tuple(
            line.name for line, mode in zip(lines, found, strict=False) if mode != (_OUTPUT if line.output else 0)
        )
        holds = found[len(lines) : len(lines) + len(held[1])]
        reset = found[len(lines) + len(holds) :]
        again, reset = reset[2:], reset[:2]
        if (keepalive is not None and results[0]) or any(reset) or any(count != 3 for count in (*converted, *again)):
            raise NotAsApproved(f"KEEPALIVE, SPI or PEAK_RESET refused: {results}")
        raw = tuple([code(answer) for answer in data[:_ADC_INPUTS]])
        running = status > 0 and int.from_bytes(data[_ADC_INPUTS][:4], "little") == SCRIPT_RUNNING
        at_us, wave = tick & _WORD, None if playing == IDLE else playing
        sample = self._scale.sample(bank & _WORD, raw, wave, running, strayed, at_us, holds == list(held[1]))
        emptied = [self._scale.peak_ua(code(answer)) for answer in data[_ADC_INPUTS + 1 :]]
        return sample._replace(emptied_ua=(emptied[0], emptied[1])) if emptied else sample

    def close(self) -> None:
        """Gives the SPI handle back."""
        asked(self.client.spi_close, self._handle)


class Scale:
    """From the converter's codes to quantities."""

    def __init__(self, adc: Adc, full_scale_ua: int) -> None:
        codes = 1 << adc.bits
        self._adc = adc
        self._peak = (0, full_scale_ua * adc.vref_mv, codes * adc.peak_full_scale_mv)
        self._electrode = (0, adc.vref_mv * adc.electrode_divider, codes)
        self._rail = (0, adc.vref_mv * adc.rail_divider, codes)
        self._average = (-1000 * codes * adc.average_zero_mv, 1000 * adc.vref_mv, codes * adc.average_mv_per_ma)
        self._reference = (0, adc.vref_mv, codes)

    def peak_ua(self, raw: int) -> int:
        """A current by the code of its peak hold."""
        return scaled(raw, *self._peak)

    def sample(
        self,
        bank: int,
        raw: tuple[int, ...],
        playing: int | None,
        running: bool,
        strayed: tuple[str, ...],
        tick: int,
        holds: bool = True,
    ) -> Sample:
        """All quantities of one reading."""
        adc = self._adc
        return Sample(
            bank,
            raw,
            (self.peak_ua(raw[adc.peak_a]), self.peak_ua(raw[adc.peak_b])),
            (scaled(raw[adc.electrode_a], *self._electrode), scaled(raw[adc.electrode_b], *self._electrode)),
            scaled(raw[adc.rail], *self._rail),
            (scaled(raw[adc.average_a], *self._average), scaled(raw[adc.average_b], *self._average)),
            scaled(raw[adc.reference], *self._reference),
            playing,
            running,
            strayed,
            tick,
            holds,
        )


def scaled(raw: int, offset: int, factor: int, divisor: int) -> int:
    """(offset + raw x factor) / divisor, to the nearest; a half goes up."""
    return (2 * (offset + raw * factor) + divisor) // (2 * divisor)


def question(number: int) -> bytes:
    """What asks an MCP3208 for one input, single-ended: start bit, single-ended, three bits of the input's number."""
    return bytes((0x06 | number >> 2, (number & 3) << 6, 0))


def code(answer: bytes) -> int:
    """The 12 bits of what it answers."""
    return (answer[1] & 0x0F) << 8 | answer[2]


def clear_handles(client: Any) -> None:
    """Closes every SPI handle that anybody left open: they outlive their clients, and there are 32. For the take-over,
    before anything opens one. Raises DaemonLost."""
    asked(burst, client, [(Command.SPI_CLOSE, number, 0, b"") for number in range(SPI_HANDLES)])
