"""Sources of surface EMG behind one port: the ADS1115 on I2C bus 1, the simulated board, a recorded file.

A source gives whole codes; ``nv_per_code`` says what one is at the electrode, before the amplifier's gain of 1 000. The
I2C bus moves no output line, so the app reads it, not the guard; whoever reads asks the guard's state first, and the
board disconnects the inputs by itself while OUTPUT_ENABLE is high (docs/hardware.md).
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from safety.errors import PelviStimError

I2C_BUS: Final = 1
ADDRESS: Final = 0x48
RATE_HZ: Final = 860
GAIN: Final = 1_000
RANGE_MV: Final = 2_048
NV_PER_CODE: Final = RANGE_MV * 1_000_000 / 2**15 / GAIN
"""62.5 nV."""
CONFIG: Final = 0b0_000_010_0_111_00011
"""AIN0 against AIN1, +-2.048 V, continuous, 860 a second, comparator off (ADS1115 data sheet)."""
_CONVERSION, _CONFIGURATION = 0, 1
BLOCK: Final = 40
"""Samples in one reading: 47 ms, so that 21 a second go out."""
LATE: Final = 4
"""Periods behind its time from which on samples were lost: what came meanwhile is gone, the chip keeps only one."""
STOOD_STILL_S: Final = 1.0
"""So late the process, or the machine, stood still: begin anew."""
FAILURES_MAX: Final = 20
"""Readings on end that the bus refused, after which the device has gone; fewer are lost samples."""


class EmgError(PelviStimError, ConnectionError):
    """``code``: ``emg_absent`` (no library, bus or device), ``emg_lost`` (it went away), ``emg_file`` (unreadable)."""


@dataclass(frozen=True)
class Block:
    """Samples one after another; None for one that was lost. ``first``: number of the first since the source began."""

    first: int
    codes: tuple[int | None, ...]


class Source(Protocol):
    """Where EMG comes from."""

    rate_hz: float
    nv_per_code: float

    def read(self) -> Block:
        """The next samples; waits until there are some, 100 ms at most. Raises EmgError."""

    def close(self) -> None:
        """Gives the device back."""


class Bus(Protocol):
    """What of smbus2's SMBus is used."""

    def write_i2c_block_data(self, address: int, register: int, data: Sequence[int]) -> None: ...

    def read_i2c_block_data(self, address: int, register: int, length: int) -> list[int]: ...

    def close(self) -> None: ...


class Ads1115:
    """Reads the converter at its own pace; no ready line is wired, so a conversion may be seen twice or not at all.

    The chip's clock may be off by 10 % (data sheet): the pace, and with it every time, is this machine's. ``now_s`` and
    ``sleep`` are for tests. Raises EmgError ``emg_absent``.
    """

    rate_hz: float = RATE_HZ
    nv_per_code = NV_PER_CODE

    def __init__(
        self, bus: Bus, now_s: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._bus, self._now_s, self._sleep = bus, now_s, sleep
        high, low = CONFIG >> 8, CONFIG & 0xFF
        try:
            bus.write_i2c_block_data(ADDRESS, _CONFIGURATION, [high, low])
            told = bus.read_i2c_block_data(ADDRESS, _CONFIGURATION, 2)
        except OSError as error:
            raise EmgError(f"no ADS1115 answers at {ADDRESS:#x}: {error}", code="emg_absent") from None
        if [told[0] & 0x7F, told[1]] != [high, low]:  # the top bit tells whether it converts
            raise EmgError(f"what answers at {ADDRESS:#x} is no ADS1115: {told}", code="emg_absent")
        self._count = 0
        self._failures = 0
        self._began_s = now_s()

    def read(self) -> Block:
        first = self._count
        codes: list[int | None] = []
        while len(codes) < BLOCK:
            due_s = self._began_s + self._count / RATE_HZ
            late_s = self._now_s() - due_s
            if late_s < 0:
                self._sleep(-late_s)
            if late_s > STOOD_STILL_S:
                raise EmgError(f"nothing was read for {late_s:.0f} s", code="emg_lost")
            missed = round(late_s * RATE_HZ) if late_s * RATE_HZ >= LATE else 0
            codes += [None] * missed
            codes.append(self._code())
            self._count += missed + 1
        return Block(first, tuple(codes))

    def close(self) -> None:
        self._bus.close()

    def _code(self) -> int | None:
        try:
            high, low = self._bus.read_i2c_block_data(ADDRESS, _CONVERSION, 2)
        except (OSError, ValueError) as error:
            self._failures += 1
            if self._failures == FAILURES_MAX:
                raise EmgError(f"the ADS1115 went away: {error}", code="emg_lost") from None
            return None
        self._failures = 0
        return int.from_bytes(bytes((high, low)), "big", signed=True)


def open_ads1115() -> Ads1115:
    """The board's converter. Raises EmgError ``emg_absent``, also without smbus2 (extra ``emg``) or the bus."""
    try:
        from smbus2 import SMBus

        bus = SMBus(I2C_BUS)
    except (ImportError, OSError) as error:
        raise EmgError(f"I2C bus {I2C_BUS} cannot be used: {error}", code="emg_absent") from None
    try:
        return Ads1115(bus)
    except EmgError:
        bus.close()
        raise


class Simulated:
    """The simulated board's converter. ``ask``: gives the codes from a number on, as ``hw.mock`` answers ``emg``;
    ``shut`` ends that. Raises EmgError ``emg_absent``.
    """

    rate_hz: float = RATE_HZ
    nv_per_code = NV_PER_CODE
    EVERY_S: Final = BLOCK / RATE_HZ

    def __init__(
        self,
        ask: Callable[[int | None], Mapping[str, Any]],
        shut: Callable[[], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ask, self._shut, self._sleep = ask, shut, sleep
        try:
            self._next: int = ask(None)["next"]
        except (PelviStimError, OSError, KeyError) as error:
            raise EmgError(f"the simulated board has no EMG: {error}", code="emg_absent") from None

    def read(self) -> Block:
        self._sleep(self.EVERY_S)
        try:
            told = self._ask(self._next)
        except (PelviStimError, OSError) as error:
            raise EmgError(f"the simulated board went away: {error}", code="emg_lost") from None
        lost = told["first"] - self._next
        first, self._next = self._next, told["next"]
        return Block(first, (*(None for _ in range(lost)), *told["codes"]))

    def close(self) -> None:
        self._shut()


@dataclass(frozen=True)
class Recording:
    """A recorded signal."""

    rate_hz: float
    nv_per_code: float
    codes: tuple[int, ...]


class Recorded:
    """Replays a recording at its own pace, and then tells that it is over (``emg_lost``)."""

    def __init__(
        self,
        recording: Recording,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate_hz, self.nv_per_code = recording.rate_hz, recording.nv_per_code
        self._codes, self._now_s, self._sleep = recording.codes, now_s, sleep
        self._count = 0
        self._began_s = now_s()

    def read(self) -> Block:
        first, last = self._count, min(len(self._codes), self._count + BLOCK)
        if first == last:
            raise EmgError("the recording is over", code="emg_lost")
        self._sleep(max(0.0, self._began_s + last / self.rate_hz - self._now_s()))
        self._count = last
        return Block(first, self._codes[first:last])

    def close(self) -> None:
        """Nothing is held."""


def read_csv(path: Path) -> Recording:
    """A file with the columns ``time_us`` (evenly spaced) and ``emg_nv``, whole. Raises EmgError ``emg_file``."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file, strict=True)
            if rows.fieldnames != ["time_us", "emg_nv"]:
                raise ValueError(f"columns {rows.fieldnames}, not time_us and emg_nv")
            found = [(int(row["time_us"]), int(row["emg_nv"])) for row in rows]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise EmgError(f"{path}: {error}", code="emg_file") from None
    times = [at for at, _ in found]
    if len(found) < 2 or times[-1] <= times[0]:
        raise EmgError(f"{path}: fewer than two samples", code="emg_file")
    period_us = (times[-1] - times[0]) / (len(times) - 1)
    if any(abs(at - times[0] - number * period_us) > 2 for number, at in enumerate(times)):
        raise EmgError(f"{path}: the samples are not evenly spaced", code="emg_file")
    return Recording(1e6 / period_us, 1.0, tuple(nv for _, nv in found))


UNITS_NV: Final = {"nV": 1.0, "uV": 1e3, "µV": 1e3, "mV": 1e6, "V": 1e9}


def read_edf(path: Path, signal: int = 0) -> Recording:
    """One signal of an EDF or EDF+C file, through edfio (extra ``replay``). Raises EmgError ``emg_file``."""
    try:
        from edfio import read_edf as read
    except ImportError as error:
        raise EmgError(f"edfio is not installed: {error}", code="emg_file") from None
    try:
        found = read(path).signals[signal]
        span = found.physical_max - found.physical_min
        nv = UNITS_NV[found.physical_dimension] * span / (found.digital_max - found.digital_min)
        return Recording(float(found.sampling_frequency), nv, tuple(int(code) for code in found.digital))
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise EmgError(f"{path}: {error!r}", code="emg_file") from None
