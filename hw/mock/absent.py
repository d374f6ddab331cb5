"""Commands for things that this Pi does not have: I2C buses, serial ports, shared files and shell scripts.

The daemon checks what it is asked first, so that these answer with its error codes, in its order.
"""

from __future__ import annotations

import re
from typing import Final

from hw.mock.protocol import Err

MAX_I2C_ADDRESS: Final = 0x7F
SPEEDS: Final = frozenset(
    (50, 75, 110, 134, 150, 200, 300, 600, 1_200, 1_800, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400)
)
FILE_MODES: Final = range(1, 32)
READ_WRITE: Final = 3
SHELL_NOT_FOUND: Final = 127 << 8
"""Status of a shell that did not find its program."""
_TTY: Final = (b"/dev/tty", b"/dev/serial")
_NAME: Final = re.compile(rb"[A-Za-z0-9_-]*")


def i2c_open(address: int, flags: int) -> int:
    """No bus has a device file."""
    if address > MAX_I2C_ADDRESS:
        return Err.BAD_I2C_ADDR
    return Err.BAD_FLAGS if flags else Err.BAD_I2C_BUS


def serial_open(name: bytes, baud: int, flags: int) -> int:
    """No port can be opened."""
    if not name.startswith(_TTY):
        return Err.BAD_SER_DEVICE
    if baud not in SPEEDS:
        return Err.BAD_SER_SPEED
    return Err.BAD_FLAGS if flags else Err.SER_OPEN_FAILED


def file_open(mode: int) -> int:
    """No file may be accessed: there is no list of those that may."""
    if mode not in FILE_MODES or not mode & READ_WRITE:
        return Err.BAD_FILE_MODE
    return Err.NO_FILE_ACCESS


def shell(name: bytes) -> int:
    """No script is installed, so the shell finds none."""
    return SHELL_NOT_FOUND if _NAME.fullmatch(name) else Err.BAD_SCRIPT_NAME


def custom_1(first: int, second: int, data: bytes) -> int:
    """The function that is there unless somebody put in their own: the highest of its arguments."""
    return max(first, second, *data) if data else max(first, second)


def custom_2(data: bytes, most: int) -> bytes:
    """The same for the other: its bytes the other way round, as many as the client has room for."""
    return data[:most][::-1]
