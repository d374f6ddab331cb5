"""Malformed, cut and hostile traffic never crashes or wedges the simulated daemon."""

from __future__ import annotations

import random
import re
import socket
import struct
from collections.abc import Iterator

import pigpio
import pytest

from tests.support.sim import Sim, disconnect

TICK = struct.pack("<4I", 16, 0, 0, 0)
HARDWARE = struct.pack("<4I", 17, 0, 0, 0)
REVISION = 0xA02082
WITH_BYTES = (43, 45, 56, 65, 67, 70, 73, 75, 80, 88, 91, 92, 106, 109, 113, 114)
COMMANDS = [*range(130), 800, 842, 4_000_000_000]
WORDS = re.findall(
    r"\S+",
    """tag jmp jz jnz jm jp call ret halt wait evtwt lda ld sta stab ldab xa x push pop pusha popa add sub mlt div mod
    and or xor rla rra rl rr inr dcr inra dcra cmp nop sys w r m pud p s trig mics mils t nb np nc no evt evm bs1
    bc1 br1 wvclr wvcre wvtx wvhlt wvtxm wvdel bi2co bspio i2co spio""",
)


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


def test_ten_thousand_connections_opened_and_dropped(sim: Sim) -> None:
    """Some say nothing, some open a handle, some end in a request, some reset the connection."""
    reset = struct.pack("ii", 1, 0)
    handle, half = struct.pack("<4I", 99, 0, 0, 0), struct.pack("<4I", 28, 0, 0, 600) + bytes(100)
    for number in range(10_000):
        with connect(sim) as sock:
            if number % 3:
                sock.sendall((handle, half)[number % 2])
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


def request(chance: random.Random) -> bytes:
    """A well-formed frame with any command, parameters and extension."""
    p1, p2 = (chance.choice((0, 1, 2, 16, 17, 24, 30, 53, 54, 250, 1 << 31, chance.getrandbits(32))) for _ in "12")
    ext = chance.randbytes(chance.choice((0, 0, 0, 1, 4, 4, 12, 20, 24, 120, 1_000)))
    if chance.random() < 0.3:
        ext = struct.pack("<5I", *(chance.choice((0, 1, 8, 17, 22, 24, 27, 100, 9_600, 50_000)) for _ in range(5)))
    return struct.pack("<4I", chance.choice(COMMANDS), p1, p2, len(ext)) + ext


@pytest.mark.parametrize("seed", range(8))
def test_random_requests_are_each_answered(seed: int) -> None:
    """Each gets one answer that repeats its words. Nobody has joined the clock: it goes on to the answers alone."""
    chance = random.Random(seed)
    with Sim.start() as sim, connect(sim) as sock:
        for _ in range(2_000):
            frame = request(chance)
            words = struct.unpack_from("<3I", frame)
            sock.sendall(frame)
            head = take(sock, 16)
            while struct.unpack("<4I", head)[:3] != words:
                # A notification, because the connection opened a handle: 12 bytes that are not an answer.
                head = head[12:] + take(sock, 12)
            if words[0] == 99:
                sock.sendall(struct.pack("<4I", 21, struct.unpack("<4I", head)[3], 0, 0))
                take(sock, 16)
            result = struct.unpack("<4i", head)[3]
            if words[0] in WITH_BYTES and result > 0:
                take(sock, result)
        assert alive(sim)


@pytest.mark.parametrize("seed", range(4))
def test_broken_requests(sim: Sim, seed: int) -> None:
    """Frames with wrong bits, cut in two anywhere, in pieces, a connection ended in the midst."""
    chance = random.Random(seed)
    for _ in range(60):
        stream = bytearray(b"".join(request(chance) for _ in range(20)))
        for _ in range(chance.randrange(4)):
            stream[chance.randrange(len(stream))] ^= 1 << chance.randrange(8)
        del stream[chance.randrange(len(stream)) :]
        with connect(sim) as sock:
            at = 0
            try:
                while at < len(stream):
                    size = chance.choice((1, 3, 15, 16, 17, 500, 5_000))
                    sock.sendall(stream[at : at + size])
                    at += size
            except OSError:
                continue
    assert alive(sim)
    assert sim.control("levels")["ok"]


@pytest.mark.parametrize("seed", range(4))
def test_random_scripts(seed: int) -> None:
    """Stored or refused, run and deleted: whatever they do, the daemon answers."""
    chance = random.Random(seed)
    with Sim.start() as sim, connect(sim) as sock:

        def result(command: int, p1: int = 0, ext: bytes = b"") -> int:
            sock.sendall(struct.pack("<4I", command, p1, 0, len(ext)) + ext)
            return int(struct.unpack("<4i", take(sock, 16))[3])

        stored = 0
        for _ in range(1_500):
            words: list[str] = []
            for _ in range(chance.randrange(1, 6)):
                words.append(chance.choice(WORDS))
                words += [
                    chance.choice(("0", "1", "24", "v1", "p0", "-1", "0x20", "9")) for _ in range(chance.randrange(4))
                ]
            script = result(38, ext=" ".join(words).encode())
            if script >= 0:
                stored += 1
                assert result(40, script, struct.pack("<2i", 24, 1)) == 0
                assert result(39, script) == 0
        assert stored > 50
        assert alive(sim)


def test_scripts_that_never_rest_do_not_starve_clients(sim: Sim) -> None:
    """In real time, with more to do than there is time for."""
    with connect(sim) as sock:
        for number in range(3):
            text = b"tag 0 inr p0 jmp 0"
            sock.sendall(struct.pack("<4I", 38, 0, 0, len(text)) + text)
            assert struct.unpack("<4I", take(sock, 16))[3] == number
            result = -62
            while result == -62:  # its thread has yet to start
                sock.sendall(struct.pack("<4I", 40, number, 0, 0))
                result = struct.unpack("<4i", take(sock, 16))[3]
            assert result == 0
        for _ in range(500):
            sock.sendall(TICK)
            take(sock, 16)
        sock.sendall(struct.pack("<4I", 47, 5, 0, 0))
        assert struct.unpack("<4I", take(sock, 16))[3] == 0
    assert alive(sim)
