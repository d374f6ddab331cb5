"""Whose process holds the other end of a connection on this machine: Linux tells, no client has to."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")


def peer_process(sock: socket.socket) -> int:
    """The process that connected to a Unix socket."""
    pid: int = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[0]
    return pid


def owner(client_port: int, server_port: int, processes: Iterable[int]) -> int | None:
    """Which of some processes has the client's end of a TCP connection; None if none of them has."""
    link = f"socket:[{_inode(client_port, server_port)}]"
    for process in processes:
        with suppress(OSError):  # it has ended, or is another user's
            for entry in os.scandir(f"/proc/{process}/fd"):
                with suppress(OSError):
                    if os.readlink(entry.path) == link:
                        return process
    return None


def _inode(local_port: int, remote_port: int) -> str:
    """The number of a connected TCP socket, by the ports of its two ends."""
    ends = (f":{local_port:04X}", f":{remote_port:04X}")
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for row in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = row.split()
                if fields[1].endswith(ends[0]) and fields[2].endswith(ends[1]):
                    return fields[9]
    return ""
