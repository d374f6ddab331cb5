"""The virtual clock over its control socket: when time advances, by how much, and when it must not."""

from __future__ import annotations

import itertools
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pigpio
import pytest

from hw.clock import VirtualClock
from hw.mock.daemon import Daemon
from hw.mock.lines import Lines
from hw.mock.server import Server, Timeline
from hw.notices import Notices
from tests.support.sim import Participant, Sim, disconnect

TICK = struct.pack("<4I", 16, 0, 0, 0)


@pytest.fixture(name="sim")
def _sim() -> Iterator[Sim]:
    with Sim.start() as sim:
        yield sim


def tick(sim: Sim) -> int:
    return int(sim.control("levels")["now"])


def settled(sim: Sim) -> int:
    """The tick after everything sent before was handled: a control message is answered after them."""
    return tick(sim)


class Wire:
    """A pigpio connection with its own count of bytes."""

    def __init__(self, sim: Sim) -> None:
        self.sock = socket.create_connection(("127.0.0.1", sim.port))
        self.sock.settimeout(60)
        self.channel = f"tcp:{self.sock.getsockname()[1]}"
        self.sent = self.received = 0

    def request(self, data: bytes = TICK) -> None:
        self.sock.sendall(data)
        self.sent += len(data)

    def answer(self, size: int = 16) -> bytes:
        data = b""
        while len(data) < size:
            data += self.sock.recv(size - len(data))
        self.received += size
        return data

    @property
    def counts(self) -> dict[str, list[int] | None]:
        return {self.channel: [self.sent, self.received]}


def test_begins_at_zero_and_stands_still_alone(sim: Sim) -> None:
    assert tick(sim) == 0
    pi = pigpio.pi("127.0.0.1", sim.port)
    assert pi.get_current_tick() == 0
    disconnect(pi)
    assert tick(sim) == 0


def test_begins_where_it_is_told_and_wraps_on_the_wire() -> None:
    with Sim.start("--tick", str(2**32 - 5)) as sim:
        clock = sim.participant("a")
        assert clock.now == 2**32 - 5
        pi = pigpio.pi("127.0.0.1", sim.port)
        assert pi.get_current_tick() == 2**32 - 5
        assert clock.sleep(7) == 2**32 + 2
        assert pi.get_current_tick() == 2
        disconnect(pi)


def test_one_participant_jumps_exactly(sim: Sim) -> None:
    clock = sim.participant("a")
    assert clock.now == 0
    assert clock.sleep(1) == 1
    assert clock.sleep(10**12) == 10**12 + 1
    clock.wait(5)
    assert clock.granted() == 10**12 + 1, "a tick that is past is granted at once, at the present one"


def test_a_participant_that_has_not_waited_holds_time(sim: Sim) -> None:
    first, second = sim.participant("a"), sim.participant("b")
    first.wait(100)
    assert settled(sim) == 0
    assert first.silent()
    second.wait(40)
    assert second.granted() == 40
    assert settled(sim) == 40
    assert first.silent(), "b was granted 40 and is running"
    second.wait(None)
    assert first.granted() == 100


def test_ties_are_granted_together(sim: Sim) -> None:
    clocks = [sim.participant(name) for name in "abc"]
    for clock in clocks:
        clock.wait(70)
    assert [clock.granted() for clock in clocks] == [70, 70, 70]
    for clock, until in zip(clocks, (90, 80, 80), strict=True):
        clock.wait(until)
    assert clocks[1].granted() == 80
    assert clocks[2].granted() == 80
    assert clocks[0].silent()


def test_a_new_wait_replaces_the_older(sim: Sim) -> None:
    first, second = sim.participant("a"), sim.participant("b")
    first.wait(50)
    first.wait(200)
    second.wait(100)
    assert second.granted() == 100
    second.wait(None)
    assert first.granted() == 200
    assert first.silent()


def test_all_waiting_for_ever_stands_still(sim: Sim) -> None:
    clock = sim.participant("a")
    clock.wait(None)
    assert settled(sim) == 0
    clock.wait(30)
    assert clock.granted() == 30


def test_a_tick_that_is_past_comes_when_nobody_works(sim: Sim) -> None:
    """Who is late goes on when those who work at that tick have done so: what they send is there, or not, for both."""
    first, second = sim.participant("a"), sim.participant("b")
    first.wait(0)
    assert first.silent()
    second.wait(None, {"link:1": [1, 0]})
    assert first.silent(), "what b sent is under way"
    first.wait(0, {"link:1": [0, 1]})
    assert first.granted() == 0


def test_asking_for_the_tick(sim: Sim) -> None:
    clock = sim.participant("a")
    clock.sleep(12)
    assert clock.ask({"op": "now"}) == {"now": 12, "asked": True}


def test_a_leaving_participant_holds_nobody(sim: Sim) -> None:
    first, second = sim.participant("a"), sim.participant("b")
    first.wait(100)
    assert first.silent()
    second.close()
    assert first.granted() == 100
    first.close()
    assert settled(sim) == 100


def test_killed_participant_holds_nobody(sim: Sim) -> None:
    clock = sim.participant("a")
    code = (
        "import json, socket, sys, time\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "s.connect(sys.argv[1])\n"
        "s.send(json.dumps({'op': 'join', 'name': 'b'}).encode())\n"
        "s.recv(1000)\n"
        "print(flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, sim.control_path], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        clock.wait(100)
        assert clock.silent()
    finally:
        process.kill()
        process.communicate()
    assert clock.granted() == 100


def test_a_frozen_participant_is_excused(sim: Sim) -> None:
    first, second = sim.participant("a"), sim.participant("b")
    second.wait(10, {"link:1": [5, 0]})
    first.wait(100)
    assert first.silent(), "link:1 has one end only"
    sim.control("frozen", name="b", value=True)
    assert first.granted() == 100
    assert second.silent(), "it cannot be told"
    sim.control("frozen", name="b", value=False)
    first.wait(200)
    assert first.silent(), "its old wait stands, and so does its channel"
    second.wait(10, {"link:1": None})
    assert second.granted() == 100, "what it waited for is long past"
    assert first.silent(), "it is running now"
    second.wait(None)
    assert first.granted() == 200


def test_frozen_while_running_runs_afterwards(sim: Sim) -> None:
    first, second = sim.participant("a"), sim.participant("b")
    first.wait(100)
    assert first.silent()
    sim.control("frozen", name="b", value=True)
    assert first.granted() == 100
    sim.control("frozen", name="b", value=False)
    first.wait(200)
    assert first.silent()
    second.wait(None)
    assert first.granted() == 200


def test_freezing_nobody_is_refused(sim: Sim) -> None:
    assert sim.client().ask({"op": "frozen", "name": "nobody", "value": True})["ok"] is False


def test_bytes_to_the_daemon_hold_time(sim: Sim) -> None:
    clock, wire = sim.participant("a"), Wire(sim)
    wire.request()
    wire.answer()
    clock.wait(10, wire.counts)
    assert clock.granted() == 10
    wire.sent += 4
    clock.wait(20, wire.counts)
    assert clock.silent(), "four bytes are said to be on their way"
    wire.sock.sendall(TICK[:4])
    assert clock.granted() == 20
    wire.sock.close()


def test_bytes_from_the_daemon_hold_time(sim: Sim) -> None:
    clock, wire = sim.participant("a"), Wire(sim)
    wire.request()
    clock.wait(10, wire.counts)
    assert clock.silent(), "the answer was not taken"
    assert wire.answer()[12:] == struct.pack("<I", 0)
    clock.wait(10, wire.counts)
    assert clock.granted() == 10
    wire.sock.close()


def test_a_connection_that_nobody_declares_holds_nothing(sim: Sim) -> None:
    clock, wire = sim.participant("a"), Wire(sim)
    wire.request()
    assert clock.sleep(10) == 10
    wire.sock.close()


def test_a_connection_that_ended_holds_time_until_it_is_dropped(sim: Sim) -> None:
    clock, wire = sim.participant("a"), Wire(sim)
    clock.wait(10, wire.counts)
    assert clock.granted() == 10
    wire.request(struct.pack("<4I", 16, 0, 0, 1 << 16))
    assert wire.sock.recv(1) == b"", "the daemon closes it"
    clock.wait(20, wire.counts)
    assert clock.silent()
    clock.wait(20, {wire.channel: None})
    assert clock.granted() == 20
    wire.sock.close()


def test_a_link_balances_only_when_both_have_all(sim: Sim) -> None:
    first, second = sim.participant("a"), sim.participant("b")
    first.wait(100, {"link:1": [7, 3]})
    second.wait(None, {"link:2": [0, 0]})
    assert first.silent(), "each declares a link of its own"
    second.wait(None, {"link:2": None, "link:1": [3, 6]})
    assert first.silent(), "one byte is in flight"
    second.wait(None, {"link:1": [3, 7]})
    assert first.granted() == 100
    first.wait(200, {"link:1": [7, 4]})
    assert first.silent(), "it has more than was sent"
    second.wait(None, {"link:1": [4, 7]})
    assert first.granted() == 200


def test_the_survivor_of_a_link_has_to_notice(sim: Sim) -> None:
    first, second = sim.participant("a"), sim.participant("b")
    first.wait(10, {"link:1": [7, 3]})
    second.wait(None, {"link:1": [3, 7]})
    assert first.granted() == 10
    second.close()
    first.wait(20)
    assert first.silent(), "the other end has gone, and a has not dropped the link"
    first.wait(20, {"link:1": None})
    assert first.granted() == 20


def test_an_end_that_drops_a_link_leaves_the_other_to_notice(sim: Sim) -> None:
    first, second = sim.participant("a"), sim.participant("b")
    first.wait(10, {"link:1": [0, 0]})
    second.wait(None, {"link:1": [0, 0]})
    assert first.granted() == 10
    first.wait(20, {"link:1": None})
    assert first.silent()
    second.wait(None, {"link:1": None})
    assert first.granted() == 20
    first.wait(30, {"link:1": [0, 0]})
    second.wait(None, {"link:1": [0, 0]})
    assert first.granted() == 30, "a name can be used again"


def test_datagrams_of_many_senders(sim: Sim) -> None:
    receiver, one, two = sim.participant("r"), sim.participant("1"), sim.participant("2")
    receiver.wait(10, {"dgram:stop": [0, 0]})
    one.wait(None, {"dgram:stop": [1, 0]})
    two.wait(None, {"dgram:stop": [2, 0]})
    assert receiver.silent(), "three are in flight"
    receiver.wait(10, {"dgram:stop": [0, 2]})
    assert receiver.silent()
    receiver.wait(10, {"dgram:stop": [0, 3]})
    assert receiver.granted() == 10


def test_datagrams_of_a_sender_that_left_stay_counted(sim: Sim) -> None:
    receiver, sender = sim.participant("r"), sim.participant("s")
    receiver.wait(10, {"dgram:stop": [0, 0]})
    sender.wait(None, {"dgram:stop": [2, 0]})
    assert receiver.silent()
    sender.close()
    assert receiver.silent(), "its two have not arrived"
    receiver.wait(10, {"dgram:stop": [0, 2]})
    assert receiver.granted() == 10
    receiver.wait(20, {"dgram:stop": [0, 3]})
    assert receiver.granted() == 20, "it may have sent one more before it died"


def test_datagrams_to_a_receiver_that_left_are_lost(sim: Sim) -> None:
    receiver, sender = sim.participant("r"), sim.participant("s")
    receiver.wait(None, {"dgram:stop": [0, 1]})
    sender.wait(10, {"dgram:stop": [1, 0]})
    assert sender.granted() == 10
    sender.wait(20, {"dgram:stop": [2, 0]})
    assert sender.silent()
    receiver.close()
    assert sender.granted() == 20


def test_a_wave_plays_in_virtual_time_and_wakes_its_callbacks(sim: Sim) -> None:
    clock, wire = sim.participant("a"), Wire(sim)
    wire.request(struct.pack("<4I", 99, 0, 0, 0))
    handle = struct.unpack("<4I", wire.answer())[3]
    pi = pigpio.pi("127.0.0.1", sim.port)
    pi.set_mode(24, pigpio.OUTPUT)
    pi.write(24, 0)
    wire.request(struct.pack("<4I", 19, handle, 1 << 24, 0))
    wire.answer()
    pi.wave_add_generic([pigpio.pulse(0, 0, 10_000), pigpio.pulse(1 << 24, 0, 250), pigpio.pulse(0, 1 << 24, 0)])
    pi.wave_send_once(pi.wave_create())
    clock.wait(1_000_000, wire.counts)
    reports = wire.answer(24)
    assert 10_250 <= settled(sim) <= 12_000, "time waits for the reports to be taken"
    clock.wait(1_000_000, wire.counts)
    assert clock.granted() == 1_000_000
    (sequence, flags, rise, high), (_, _, fall, low) = struct.iter_unpack("<HHII", reports)
    assert (sequence, flags, rise, fall) == (0, 0, 10_000, 10_250)
    assert (high >> 24 & 1, low >> 24 & 1) == (1, 0)
    disconnect(pi)
    wire.sock.close()


def test_the_tick_comes_with_what_the_daemon_sends_of_itself(sim: Sim) -> None:
    """To whoever wishes it, with the number of the wait that it ends."""
    clock, plain, wire = sim.client(), sim.participant("b"), Wire(sim)
    assert clock.ask({"op": "join", "name": "a", "told": True})["ok"]
    wire.request(struct.pack("<4I", 99, 0, 0, 0))
    wire.request(struct.pack("<4I", 19, struct.unpack("<4I", wire.answer())[3], 1 << 13, 0))
    wire.answer()
    plain.wait(None)
    for number, level in ((1, 1), (2, 0)):
        sim.control("input", gpio=13, level=level, at=number * 10_000)
        clock.send({"op": "wait", "until": 1_000_000, "counts": wire.counts})
        told = clock.receive()
        assert told == {"now": number * 10_000 + 1_000, "came": number}
        wire.answer(12)
    assert plain.silent()
    wire.sock.close()


def test_a_tick_that_came_for_an_older_wait_is_not_believed(sim: Sim) -> None:
    clock, other = VirtualClock(sim.control_path, "a"), sim.participant("b")
    notices = Notices("127.0.0.1", sim.port, 1 << 13, 5.0, clock)
    clock.watch(notices.fd)
    for level, at in ((1, 500), (0, 20_500)):
        sim.control("input", gpio=13, level=level, at=at)
        other.wait(None)
        assert clock.wait(1_000_000) == [notices.fd]
        assert [tick for tick, _ in notices.read()] == [at]
        assert clock.wait(at + 5_000) == [], "what came with the reports, unread, is no grant"
        assert clock.now() == at + 5_000
    sim.participant("who does not wait")  # or else time would go on while this process is not scheduled
    reader, writer = os.pipe()
    clock.watch(reader)
    os.write(writer, b"x")
    assert clock.wait(None) == [reader]
    assert clock.now() == 25_500, "nobody told it: it asks"
    notices.close()
    clock.close()
    os.close(reader)
    os.close(writer)


def test_own_events_come_before_grants(sim: Sim) -> None:
    clock = sim.participant("a")
    sim.control("input", gpio=13, level=1, at=500)
    pi = pigpio.pi("127.0.0.1", sim.port)
    assert pi.read(13) == 0
    assert clock.sleep(499) == 499
    assert pi.read(13) == 0
    assert clock.sleep(1) == 500
    assert pi.read(13) == 1
    disconnect(pi)


def test_scheduled_ops_do_not_wake_anybody(sim: Sim) -> None:
    clock = sim.participant("a")
    sim.control("at", tick=300, do=[{"op": "estop", "pressed": True}, {"op": "load", "channel": "A", "ohm": None}])
    clock.wait(1000)
    assert clock.granted() == 1000
    assert clock.silent()


def test_pace_holds_time_back_and_lets_it_arrive() -> None:
    """Five seconds at ten times the wall's pace take half a second; a tenth of a second may be made up for."""
    with Sim.start(pace=10.0) as sim:
        clock = sim.participant("a")
        begin = time.monotonic()
        for _ in range(100):
            clock.sleep(50_000)
        assert time.monotonic() - begin >= 0.4
        assert clock.now == 5_000_000


def test_a_brake_whose_moment_comes_meanwhile_is_no_reason_to_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall passes the moment between the look that finds it too early and the wait for it: here it moves by 600 us
    with every look, and the moment is at 1 000 us.
    """
    wall = itertools.count(0, 600)
    monkeypatch.setattr("hw.mock.server._wall_us", lambda: next(wall))
    timeline = Timeline(0)
    server = Server(timeline, Daemon(timeline, Lines(0), None, 0, 5), realtime=False, pace=1.0)
    participant = server.coordinator.join("a")
    server.coordinator.wait(participant, 1_000, {})
    ends: list[str] = []

    def end(how: str) -> None:
        ends.append(how)
        server.stopping = True

    server.on_grant = lambda *_: end("granted")
    reader, writer = os.pipe()
    server.add(reader, lambda: end("slept"))
    watchdog = threading.Timer(10, os.write, (writer, b"w"))  # what went wrong would sleep for ten minutes
    watchdog.start()
    try:
        server.run()
    finally:
        watchdog.cancel()
        watchdog.join()
        os.close(reader)
        os.close(writer)
    assert ends == ["granted"]
    assert timeline.now == 1_000


def test_real_time_grants_without_anybody_else() -> None:
    with Sim.start(realtime=True) as sim:
        first, second = sim.participant("a"), sim.participant("b")
        assert second.now >= first.now
        first.wait(first.now + 2_000)
        assert first.granted() >= 2_000


def test_grants_are_plain_json(sim: Sim) -> None:
    clock = sim.participant("a")
    clock.wait(5)
    assert json.loads(clock.sock.recv(1000)) == {"now": 5}


def test_participants_meet_again_after_many_steps(sim: Sim) -> None:
    """A little session: two participants with a link and different rhythms, 2 000 grants, always in step."""
    first, second = sim.participant("a"), sim.participant("b")
    seen: list[tuple[int, str]] = []
    targets: dict[str, tuple[Participant, int]] = {"a": (first, 70), "b": (second, 110)}
    for clock, step in targets.values():
        clock.wait(step, {"link:1": [0, 0]})
    while len(seen) < 2_000:
        due = min(clock.now + step for clock, step in targets.values())
        for name, (clock, step) in targets.items():
            if clock.now + step == due:
                assert clock.granted() == due
                seen.append((due, name))
        for clock, step in targets.values():
            if clock.now == due:
                clock.wait(due + step)
    assert [time for time, _ in seen] == sorted(time for time, _ in seen)
