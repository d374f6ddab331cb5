"""Malformed, cut and hostile traffic never crashes or wedges the simulated daemon."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator

import pigpio
import pytest

from tests.support.sim import Sim, disconnect

TICK = struct.pack("<4I", 16, 0, 0, 0)
HARDWARE = struct.pack("<4I", 17, 0, 0, 0)
REVISION = 0xA02082
DELAYS = (46, 47)
"""MICS and MILS really wait."""
WITH_BYTES = (45, 73, 75)


@pytest.fixture(name="sim")
def _sim() -> Iterator[Sim]:
    with Sim.start(realtime=True) as sim:
        yield sim


def connect(sim: Sim) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", sim.port))
    sock.settimeout(60)
    return sock


def take(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        assert part, "the daemon closed the connection"
        data += part
    return data


def alive(sim: Sim) -> bool:
    with connect(sim) as sock:
        sock.sendall(HARDWARE)
        return bool(struct.unpack("<4I", take(sock, 16))[3] == REVISION)


def test_a_request_in_single_bytes(sim: Sim) -> None:
    with connect(sim) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pulses = struct.pack("<3I", 1 << 24, 0, 5) * 2
        for byte in struct.pack("<4I", 28, 0, 0, len(pulses)) + pulses + HARDWARE:
            sock.send(bytes([byte]))
        assert struct.unpack("<4I", take(sock, 16)) == (28, 0, 0, 2)
        assert struct.unpack("<4I", take(sock, 16))[3] == REVISION


def test_many_requests_at_once(sim: Sim) -> None:
    with connect(sim) as sock:
        sock.sendall(HARDWARE * 10_000)
        answers = take(sock, 160_000)
    assert answers == struct.pack("<4I", 17, 0, 0, REVISION) * 10_000


def test_a_client_that_never_reads(sim: Sim) -> None:
    """Its answers pile up; nobody else waits."""
    with connect(sim) as sock:
        sock.setblocking(False)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += sock.send(HARDWARE * 4_096)
        except BlockingIOError:
            pass
        assert sent > 0
        assert alive(sim)


@pytest.mark.parametrize("cut", [1, 15, 16, 17, 27])
def test_a_connection_that_ends_in_a_request(sim: Sim, cut: int) -> None:
    request = struct.pack("<4I", 28, 0, 0, 12) + bytes(12)
    for _ in range(20):
        with connect(sim) as sock:
            sock.sendall(request[:cut])
    assert alive(sim)
    assert sim.control("levels")["ok"]


def test_a_thousand_connections_opened_and_dropped(sim: Sim) -> None:
    reset = struct.pack("ii", 1, 0)
    for number in range(1_000):
        with connect(sim) as sock:
            if number % 3:
                sock.sendall(struct.pack("<4I", 99, 0, 0, 0))
            if number % 5 == 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    assert alive(sim)
    pi = pigpio.pi("127.0.0.1", sim.port)
    assert pi.connected, "their handles were given back"
    disconnect(pi)


@pytest.mark.parametrize("length", [65_536, 65_537, 1 << 31, (1 << 32) - 1])
def test_an_extension_that_is_too_long_ends_the_connection(sim: Sim, length: int) -> None:
    with connect(sim) as sock:
        sock.sendall(struct.pack("<4I", 28, 0, 0, length))
        assert sock.recv(16) == b""
    assert alive(sim)


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes(sim: Sim, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        with connect(sim) as sock:
            try:
                for _ in range(20):
                    sock.sendall(chance.randbytes(chance.choice((1, 7, 16, 40, 3_000))))
            except OSError:
                continue
    assert alive(sim)


@pytest.mark.parametrize("seed", range(8))
def test_random_requests_are_each_answered(sim: Sim, seed: int) -> None:
    """Well-formed frames with any command, parameters and extension: each gets one answer that repeats its words."""
    chance = random.Random(seed)
    numbers = [number for number in range(130) if number not in DELAYS]
    with connect(sim) as sock:
        for _ in range(2_000):
            command = chance.choice(numbers)
            p1, p2 = (
                chance.choice((0, 1, 2, 16, 17, 24, 30, 53, 54, 250, 1 << 31, chance.getrandbits(32))) for _ in "12"
            )
            ext = chance.randbytes(chance.choice((0, 0, 0, 1, 4, 12, 24, 120, 1_000)))
            sock.sendall(struct.pack("<4I", command, p1, p2, len(ext)) + ext)
            head = take(sock, 16)
            while struct.unpack("<4I", head)[:3] != (command, p1, p2):
                # A notification, because the connection opened a handle: 12 bytes that are not an answer.
                head = head[12:] + take(sock, 12)
            if command == 99:
                sock.sendall(struct.pack("<4I", 21, struct.unpack("<4I", head)[3], 0, 0))
                take(sock, 16)
            result = struct.unpack("<4i", head)[3]
            if command in WITH_BYTES and result > 0:
                take(sock, result)
    assert alive(sim)
