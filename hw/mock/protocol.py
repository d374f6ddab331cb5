"""pigpiod's socket protocol: frame layout, command numbers and error codes of version 79.

A request is four little-endian 32-bit words (command, p1, p2, length of the extension) and the extension; the answer
repeats the first three and carries the result in the fourth, followed by result bytes for a few commands.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final

FRAME: Final = Struct("<4I")
WORD: Final = Struct("<I")
REPORT: Final = Struct("<HHII")
"""A notification: sequence number, flags, tick, levels of GPIO 0-31."""

MAX_EXTENSION: Final = 65536
"""The daemon closes the connection on a request with this many extension bytes or more."""

VERSION: Final = 79
HARDWARE_REVISION: Final = 0xA02082
"""Raspberry Pi 3 Model B."""

PI_3B_MASK: Final = 0x0FFFFFFC
"""GPIO that a Pi 3B's daemon lets clients write when no ``-x`` is given: 2-27."""

MAX_GPIO: Final = 53
MAX_USER_GPIO: Final = 31
NOTIFY_SLOTS: Final = 32
SPI_SLOTS: Final = 32
MAX_SCRIPTS: Final = 32
SCRIPT_PARAMS: Final = 10

NO_TX_WAVE: Final = 9999
WAVE_NOT_FOUND: Final = 9998


class Cmd(IntEnum):
    """Command numbers that the simulated daemon answers; any other gets UNKNOWN_COMMAND."""

    MODES = 0
    MODEG = 1
    PUD = 2
    READ = 3
    WRITE = 4
    BR1 = 10
    BR2 = 11
    BC1 = 12
    BC2 = 13
    BS1 = 14
    BS2 = 15
    TICK = 16
    HWVER = 17
    NO = 18
    NB = 19
    NP = 20
    NC = 21
    HELP = 25
    PIGPV = 26
    WVCLR = 27
    WVAG = 28
    WVGO = 30
    WVGOR = 31
    WVBSY = 32
    WVHLT = 33
    WVSM = 34
    WVSP = 35
    WVSC = 36
    TRIG = 37
    PROC = 38
    PROCD = 39
    PROCR = 40
    PROCS = 41
    PROCP = 45
    MICS = 46
    MILS = 47
    WVCRE = 49
    WVDEL = 50
    WVTX = 51
    WVTXR = 52
    WVNEW = 53
    SPIO = 71
    SPIC = 72
    SPIR = 73
    SPIW = 74
    SPIX = 75
    WVCHA = 93
    FG = 97
    NOIB = 99
    WVTXM = 100
    WVTAT = 101
    EVM = 115
    EVT = 116
    PROCU = 117
    WVCAP = 118


class Err(IntEnum):
    """Error codes of the daemon (a result below 0)."""

    BAD_USER_GPIO = -2
    BAD_GPIO = -3
    BAD_MODE = -4
    BAD_LEVEL = -5
    BAD_PUD = -6
    BAD_PATHNAME = -23
    NO_HANDLE = -24
    BAD_HANDLE = -25
    BAD_WAVE_MODE = -33
    TOO_MANY_PULSES = -36
    NOT_PERMITTED = -41
    SOME_PERMITTED = -42
    BAD_WVSC_COMMND = -43
    BAD_WVSM_COMMND = -44
    BAD_WVSP_COMMND = -45
    BAD_PULSELEN = -46
    BAD_SCRIPT = -47
    BAD_SCRIPT_ID = -48
    NO_SCRIPT_ROOM = -57
    TOO_MANY_PARAM = -61
    BAD_MICS_DELAY = -64
    BAD_MILS_DELAY = -65
    BAD_WAVE_ID = -66
    TOO_MANY_CBS = -67
    TOO_MANY_OOL = -68
    EMPTY_WAVEFORM = -69
    BAD_SPI_CHANNEL = -76
    BAD_FLAGS = -77
    BAD_SPI_SPEED = -78
    BAD_PARAM = -81
    UNKNOWN_COMMAND = -88
    BAD_CHAIN_LOOP_COUNT = -113
    BAD_CHAIN_LOOP = -114
    CHAIN_COUNTER = -115
    BAD_CHAIN_CMD = -116
    BAD_CHAIN_DELAY = -117
    CHAIN_NESTING = -118
    CHAIN_TOO_BIG = -119
    DEPRECATED = -120
    BAD_FOREVER = -124
    BAD_FILTER = -125
    BAD_EVENT_ID = -143


WITH_BYTES: Final = frozenset({Cmd.PROCP, Cmd.SPIR, Cmd.SPIX})
"""Commands whose positive result is the number of bytes that follow the answer."""


def signed(word: int) -> int:
    """A 32-bit word read as two's complement."""
    return word - 0x1_0000_0000 if word & 0x8000_0000 else word
