"""Stored scripts: how their text is read, what each word does, their timing, and the dead-man that stops output."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing

import pigpio
import pytest

from tests.support.bare import Bare, Raw
from tests.support.sim import Sim, disconnect

LINE, OTHER = 24, 27
INITIALISING, HALTED, RUNNING, WAITING = 0, 1, 2, 3
SCRIPT_NOT_READY = -62
BAD_SCRIPT_CMD, DUP_TAG, TOO_MANY_TAGS, BAD_TAG = -55, -53, -54, -63


@pytest.fixture(name="bare")
def _bare() -> Iterator[Bare]:
    with Bare(LINE, OTHER) as bare:
        yield bare


@pytest.fixture(name="shared", scope="module")
def _shared() -> Iterator[Bare]:
    with Bare(LINE, OTHER) as bare:
        yield bare


def status(bare: Bare, script: int) -> tuple[int, list[int]]:
    """A script's state, and its parameters as far as the last that is not 0."""
    state, params = bare.pi.script_status(script)
    params = list(params)
    while params and not params[-1]:
        params.pop()
    return state, params


def outcome(bare: Bare, text: str, params: tuple[int, ...] = ()) -> list[int]:
    """The parameters after a script has run to its end."""
    script = bare.pi.store_script(text.encode())
    bare.pi.run_script(script, list(params))
    bare.sleep(1_000)
    state, after = status(bare, script)
    assert state == HALTED
    bare.pi.delete_script(script)
    return after + [0] * (10 - len(after))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("lda 7 add 5 sta p0", 12),
        ("lda 7 sub 9 sta p0", -2),
        ("lda -7 mlt 3 sta p0", -21),
        ("lda -7 div 2 sta p0", -3),
        ("lda -7 mod 2 sta p0", -1),
        ("lda 7 div 0 sta p0", 0),
        ("lda 7 mod 0 sta p0", 7),
        ("lda 0xF0 and 0x3C sta p0", 0x30),
        ("lda 0xF0 or 017 sta p0", 0xFF),
        ("lda 0xF0 xor 0xFF sta p0", 0x0F),
        ("lda 3 rla 4 sta p0", 48),
        ("lda -16 rra 2 sta p0", -4),
        ("ld v3 5 rl v3 2 lda v3 sta p0", 20),
        ("ld v3 -5 rr v3 1 lda v3 sta p0", -3),
        ("lda 0x7FFFFFFF inra sta p0", -(1 << 31)),
        ("lda 0x80000000 dcra sta p0", (1 << 31) - 1),
        ("lda 0x40000000 mlt 4 sta p0", 0),
        ("lda 0x sta p0", 0),
        ("ld p9 7 lda v-1 sta p0", 7),
        ("lda p-1 sta p0", 0),
        ("ld p0 4 inr p0 inr p0 dcr p0", 5),
        ("ld v0 1 ld v1 2 x v0 v1 lda v0 rla 4 or v1 sta p0", 0x21),
        ("lda 9 ld v149 4 xa v149 sta p0", 4),
        ("ld v7 11 push v7 ld v7 0 pop p0", 11),
        ("lda 5 pusha lda 6 popa sta p0", 5),
        ("lda 300 stab 10 lda 0 ldab 10 sta p0", 300 & 0xFF),
        ("lda 3 ldab 65536 sta p0", 3),
        ("sta 4 lda 8 sta 4 lda v4 sta p0", 8),
        ("lda 2 call 1 add 100 sta p0 halt tag 1 mlt 10 ret", 120),
        ("ld v0 3 tag 5 inr p0 dcr v0 jnz 5", 3),
        ("ld v0 3 tag 5 inr p0 dcr v0 jp 5", 4),
        ("lda 1 cmp 1 jz 1 halt tag 1 ld p0 1", 1),
        ("lda 1 cmp 2 jm 1 halt tag 1 ld p0 2", 2),
        ("lda 1 ld p0 3 jmp 9 ld p0 4 tag 9", 3),
        ("lda 5 sub 5 lda 8 jz 1 halt tag 1 ld p0 6", 6),
        ("LD p0 1", 1),
        ("hwver sta p0", 0xA02082),
        ("br1 and 0xff sta p0", 0xFF),
        ("w 24 1 r 24 sta p0", 1),
        ("w 2 1 w 60 1 sta p0", -3),
        ("bs1 1 sta p0", -42),
        ("sys nothing sta p0", 127 << 8),
        ("sys no/thing sta p0", -140),
        ("m 24 r mg 24 sta p0", 0),
        ("m 24 5 mg 24 sta p0", 2),
        ("pud 24 u m 24 0 mg 24 sta p0", 4),
        ("nb 31 0 sta p0", -25),
    ],
)
def test_what_words_do(shared: Bare, text: str, first: int) -> None:
    assert outcome(shared, text)[0] == first


def test_operands_from_parameters_and_variables(bare: Bare) -> None:
    text = "ld v1 p1 w p0 v1 mics p2 w v2 p3 trig p0 p4 p1"
    outcome(bare, text, (LINE, 1, 30, 0, 40))
    assert bare.edges(LINE) == [(0, LINE, 1), (70, LINE, 0)]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nonsense", BAD_SCRIPT_CMD),
        ("lda", BAD_SCRIPT_CMD),
        ("lda x", BAD_SCRIPT_CMD),
        ("lda v150", BAD_SCRIPT_CMD),
        ("lda p10", BAD_SCRIPT_CMD),
        ("lda P1", BAD_SCRIPT_CMD),
        ("sta 150", BAD_SCRIPT_CMD),
        ("inr 4294967296", BAD_SCRIPT_CMD),
        ("inr v-1", BAD_SCRIPT_CMD),
        ("mils v-1", BAD_SCRIPT_CMD),
        ("mils -1", BAD_SCRIPT_CMD),
        ("m 4 x", BAD_SCRIPT_CMD),
        ("jmp v0", BAD_SCRIPT_CMD),
        ("wvag 1 2 3", BAD_SCRIPT_CMD),
        ("wvcha 1", BAD_SCRIPT_CMD),
        ("proc lda 1", BAD_SCRIPT_CMD),
        ("noib", BAD_SCRIPT_CMD),
        ("tag 1 tag 1", DUP_TAG),
        ("jmp 3", BAD_TAG),
        ("call 4 tag 3", BAD_TAG),
        (" ".join(f"tag {number}" for number in range(51)), TOO_MANY_TAGS),
        ("jmp 3 nonsense", BAD_SCRIPT_CMD),
    ],
)
def test_texts_that_are_refused(shared: Bare, text: str, error: int) -> None:
    with closing(shared.raw()) as raw:
        assert raw.result(38, ext=text.encode()) == error
        assert raw.result(38, ext=b"halt") == 0, "a refused script takes no place"
        assert raw.result(39, 0) == 0


def test_a_script_is_not_ready_at_once_where_time_follows_the_wall() -> None:
    """Whoever stores and runs a script in one piece is refused, as by a daemon whose thread has yet to start."""
    with Sim.start("--bare", realtime=True) as sim, closing(Raw(sim.port)) as raw:
        requests = ((38, 0, b"halt"), (40, 0, b""), (41, 0, b""))
        raw.sock.sendall(b"".join(struct.pack("<4I", command, p1, 0, len(ext)) + ext for command, p1, ext in requests))
        assert [struct.unpack("<3Ii", raw.take(16))[3] for _ in requests] == [0, SCRIPT_NOT_READY, 0]
        while (state := struct.unpack("<i40x", raw.data(45))[0]) == INITIALISING:
            pass
        assert state == HALTED
        assert raw.result(40) == 0


def test_there_is_room_for_32(bare: Bare) -> None:
    with closing(bare.raw()) as raw:
        assert [raw.result(38, ext=b"lda 1") for _ in range(33)] == [*range(32), -57]
        assert raw.result(39, 7) == 0
        assert raw.result(38, ext=b"lda 1") == 7
        assert [raw.result(command, 32) for command in (39, 40, 41, 45, 117)] == [-48] * 5
        assert raw.result(40, 3, ext=bytes(44)) == -61
        assert raw.result(40, 40, ext=bytes(44)) == -48


def test_50_tags_and_10_parameters(bare: Bare) -> None:
    text = " ".join(f"tag {number} inr p0" for number in range(50))
    assert outcome(bare, text, tuple(range(10))) == [50, *range(1, 10)]


def test_a_loop_runs_at_exact_times(bare: Bare) -> None:
    """The loop of upstream's own test: 100 rounds a second, one more than asked for."""
    script = bare.pi.store_script(b"ld p9 p0 tag 0 w p1 1 mils 5 w p1 0 mils 5 dcr p9 jp 0")
    bare.pi.run_script(script, [99, LINE])
    assert bare.pi.script_status(script)[0] == RUNNING
    bare.sleep(2_000_000)
    assert status(bare, script) == (HALTED, [99, LINE, 0, 0, 0, 0, 0, 0, 0, -1])
    edges = [(10_000 * turn + 5_000 * half, LINE, 1 - half) for turn in range(100) for half in (0, 1)]
    assert bare.edges(LINE) == edges


def test_stop_lets_a_delay_end_and_delete_waits_for_it(bare: Bare) -> None:
    script = bare.pi.store_script(b"tag 0 w 24 1 mils 20 w 24 0 mils 20 jmp 0")
    bare.pi.run_script(script)
    bare.sleep(5_000)
    assert bare.pi.stop_script(script) == 0
    assert bare.pi.script_status(script)[0] == RUNNING
    bare.sleep(20_000)
    assert bare.pi.script_status(script)[0] == HALTED
    bare.pi.run_script(script)
    before = bare.pi.get_current_tick()
    assert bare.pi.delete_script(script) == 0
    assert bare.pi.get_current_tick() - before == 20_000, "it looks every 5 ms whether the script has ended"
    assert bare.pi.read(LINE) == 1
    with pytest.raises(pigpio.error, match="script id"):
        bare.pi.run_script(script)


def test_a_script_outlives_its_client(bare: Bare) -> None:
    other = bare.client()
    other.run_script(other.store_script(b"tag 0 w 24 1 mils 1 w 24 0 mils 1 jmp 0"))
    disconnect(other)
    bare.sleep(1_000_000)
    assert len(bare.edges(LINE)) == 1_001


def test_parameters_change_while_it_runs(bare: Bare) -> None:
    script = bare.pi.store_script(b"tag 0 lda p1 sta p0 mils 1 jmp 0")
    bare.pi.run_script(script, [0, 5])
    assert bare.pi.script_status(script)[1][0] == 5
    assert bare.pi.update_script(script, [7, 9]) == 0
    assert status(bare, script)[1] == [7, 9]
    bare.sleep(2_000)
    assert status(bare, script)[1] == [9, 9]


def test_waiting_for_a_line(bare: Bare) -> None:
    script = bare.pi.store_script(b"wait 0x9000000 sta p0 w 27 1")
    bare.pi.run_script(script)
    assert bare.pi.script_status(script)[0] == WAITING
    bare.sleep(1_000_000)
    bare.pi.write(LINE, 1)
    bare.sleep(999)
    assert bare.pi.script_status(script)[0] == WAITING, "the alert thread looks once a millisecond"
    bare.sleep(10)
    assert status(bare, script) == (HALTED, [1 << LINE])
    assert bare.edges(OTHER) == [(1_001_000, OTHER, 1)]


def test_a_wait_has_no_end_but_a_stop(bare: Bare) -> None:
    script = bare.pi.store_script(b"wait 0x1000000 w 27 1")
    bare.pi.run_script(script)
    bare.sleep(100_000_000)
    assert bare.pi.script_status(script)[0] == WAITING
    bare.pi.stop_script(script)
    assert bare.pi.script_status(script)[0] == HALTED
    assert bare.edges(OTHER) == []


def test_waiting_for_a_line_that_is_high_already_ends_at_once(bare: Bare) -> None:
    bare.pi.write(LINE, 1)
    bare.sleep(10_000)
    script = bare.pi.store_script(b"wait 0x1000000 sta p0")
    bare.pi.run_script(script)
    bare.sleep(2_000)
    assert bare.pi.script_status(script)[0] == HALTED


def test_waiting_for_an_event(bare: Bare) -> None:
    script = bare.pi.store_script(b"evtwt 0x6 sta p0 evtwt 0x6 sta p1")
    bare.pi.run_script(script)
    bare.pi.event_trigger(3)
    assert bare.pi.script_status(script)[0] == WAITING
    bare.pi.event_trigger(2)
    bare.pi.event_trigger(1)
    assert status(bare, script) == (HALTED, [4, 2])


def test_a_script_that_never_ends_leaves_the_daemon_alive(bare: Bare) -> None:
    spins = [bare.pi.store_script(text) for text in (b"tag 0 jmp 0", b"nop", b"cmdr 1", b"tag 0 call 0", b"ret")]
    for script in spins:
        bare.pi.run_script(script)
    bare.sleep(2_000)
    assert [bare.pi.script_status(script)[0] for script in spins] == [RUNNING] * 3 + [HALTED] * 2
    assert [bare.pi.delete_script(script) for script in spins] == [0] * 5


DEAD_MAN = b"""
ld v0 p0 t sta v1
tag 1
    mils 5
    nb p3 0 jm 9
    lda p0 cmp v0 jz 2
    sta v0 t sta v1 jmp 1
tag 2
    t sub v1 sub p1 jm 1
tag 9
    wvhlt bc1 p2 inr p9
"""
"""p0: the client's kicks, p1: the longest time between them in us, p2: lines to clear, p3: its handle."""


class DeadMan:
    """A client with a dead-man script, a connection of its own for the handle, and a wave that never ends."""

    def __init__(self, bare: Bare, timeout_us: int) -> None:
        self.bare = bare
        self.life = bare.raw()
        self.handle = self.life.result(99)
        self.client = Raw(bare.sim.port)
        self.script = self.client.result(38, ext=DEAD_MAN)
        pi = bare.pi
        pi.wave_add_generic([pigpio.pulse(1 << LINE, 0, 100), pigpio.pulse(0, 1 << LINE, 100)])
        pi.wave_send_repeat(pi.wave_create())
        params = struct.pack("<4i", 0, timeout_us, 1 << LINE, self.handle)
        assert self.client.result(40, self.script, ext=params) == 0

    def kick(self, count: int) -> None:
        assert self.client.result(117, self.script, ext=struct.pack("<i", count)) == 0

    def last_edge(self) -> int:
        return self.bare.edges(LINE)[-1][0]


def test_a_dead_man_stops_output_when_the_connection_ends(bare: Bare) -> None:
    man = DeadMan(bare, 500_000)
    bare.sleep(103_003)
    assert bare.pi.wave_tx_busy()
    man.life.close()
    man.client.close()
    bare.sleep(1_000_000)
    assert not bare.pi.wave_tx_busy()
    assert man.last_edge() == 105_000, "at its next look"
    assert bare.pi.script_status(man.script)[1][9] == 1


def test_a_dead_man_stops_output_when_the_kicks_end(bare: Bare) -> None:
    man = DeadMan(bare, 50_000)
    for count in range(1, 21):
        bare.sleep(20_000)
        man.kick(count)
    assert bare.pi.wave_tx_busy()
    bare.sleep(1_000_000)
    assert not bare.pi.wave_tx_busy()
    assert 400_000 + 50_000 <= man.last_edge() <= 400_000 + 50_000 + 5_000 + 5_000
    assert bare.pi.read(LINE) == 0
    man.life.close()
    man.client.close()


def test_a_handle_that_was_given_to_another_keeps_the_dead_man_quiet(bare: Bare) -> None:
    """Why the kicks stay as the backstop: the number of a closed handle is given out again."""
    man = DeadMan(bare, 200_000)
    bare.sleep(101_001)
    man.life.close()
    with closing(bare.raw()) as other:
        assert other.result(99) == man.handle
        bare.sleep(90_000)
        assert bare.pi.wave_tx_busy(), "the script took the other's handle for its own"
        bare.sleep(50_000)
        assert not bare.pi.wave_tx_busy()
    man.client.close()


def test_scripts_end_with_the_daemon(bare: Bare) -> None:
    script = bare.pi.store_script(b"tag 0 w 24 1 mils 1 w 24 0 mils 1 jmp 0")
    bare.pi.run_script(script)
    bare.sleep(10_000)
    pulse = [pigpio.pulse(1 << OTHER, 0, 1)]
    for number in range(250):
        bare.pi.wave_add_generic(pulse)
        assert bare.pi.wave_create() == number
    with closing(bare.raw()) as raw:
        raw.send(28, ext=struct.pack("<3I", 1 << OTHER, 0, 1))
        raw.take(16)
        raw.send(49)
        assert raw.sock.recv(16) == b"", "the 251st wave"
    bare.clock.now = bare.sim.control("levels")["now"]
    bare.clock.sleep(100_000)
    assert max(time for time, _, _ in bare.edges(LINE)) <= 10_000
