"""What can be known of the running daemon: version, board revision, which GPIO it lets clients write, where it listens.

Plain values; what they should be is judged elsewhere.
"""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Any, Final

from hw.deadman import SCRIPTS
from hw.wire import Command, NotAsApproved, asked, burst, exchange

_NO_LEVEL: Final = 2
_BAD_LEVEL, _NOT_PERMITTED = -5, -41
_LISTENING: Final = "0A"


def version(client: Any) -> int:
    """pigpio's version, 79 for the one that all this was measured with. Raises DaemonLost."""
    return int(asked(client.get_pigpio_version))


def revision(client: Any) -> int:
    """The Pi's hardware revision code, 24 bits. Raises DaemonLost."""
    return int(asked(client.get_hardware_revision))


def permitted(client: Any) -> int:
    """The daemon's permission mask (``-x``) as far as GPIO 0-31: what clients may write directly.

    The protocol has no question for it. But a write is first judged by the mask and then by its level, so a write of
    level 2 is refused either way, as not permitted or as a bad level, and no line and no mode ever changes. Raises
    DaemonLost; NotAsApproved when the daemon gives any other answer.
    """
    answers = asked(burst, client, [(Command.WRITE, gpio, _NO_LEVEL, b"") for gpio in range(32)])
    if set(answers) - {_BAD_LEVEL, _NOT_PERMITTED}:
        raise NotAsApproved(f"the daemon takes a level that is none: {answers}")
    return sum(1 << gpio for gpio, answer in enumerate(answers) if answer == _BAD_LEVEL)


def scripts(client: Any, own: int) -> tuple[int, ...]:
    """The ids of all stored scripts but ``own``. Raises DaemonLost."""
    results, _ = asked(exchange, client, [(Command.SCRIPT_STATUS, number, 0, b"") for number in range(SCRIPTS)])
    return tuple(number for number, status in enumerate(results) if status >= 0 and number != own)


def listeners(port: int, proc: Path = Path("/proc/net")) -> tuple[str, ...]:
    """The addresses of this machine on which somebody listens at a TCP port, IPv4 and IPv6; none at all if nobody does.

    Of the network namespace that we are in. Raises OSError, ValueError: then it is not known.
    """
    found = []
    for name in ("tcp", "tcp6"):
        table = proc / name
        if name == "tcp6" and not table.exists():  # a kernel without IPv6 has no such listeners
            continue
        for row in table.read_text(encoding="utf-8").splitlines()[1:]:
            _, local, _, state, *_ = row.split()
            address, _, number = local.partition(":")
            if state == _LISTENING and int(number, 16) == port:
                found.append(_address(address))
    return tuple(found)


def is_loopback(address: str) -> bool:
    """Whether an address is one that no other machine reaches."""
    return ipaddress.ip_address(address).is_loopback


def _address(text: str) -> str:
    """An address as the kernel prints it: words of 32 bits, each in the processor's own order."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
