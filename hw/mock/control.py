"""The control socket: participants of the virtual clock, and whoever presses buttons, changes loads or reads edges.

One UTF-8 JSON object per SOCK_SEQPACKET message.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from hw.board import DAC_LINES, PHASE_LINES
from hw.mock.bench import Bench
from hw.mock.board import BoardModel
from hw.mock.board_ops import BadOp, CurrentOp, FaultOps, Message
from hw.mock.clock import Participant
from hw.mock.edges import EdgeRecord, Edges
from hw.mock.owner import peer_process
from hw.mock.person import PersonOps
from hw.mock.server import Server

_RECEIVE: Final = 1 << 16
_REPLY_LIMIT: Final = 200_000


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_DECODER: Final = json.JSONDecoder()


class Control:
    """Serves the control socket of a simulation. ``board`` is None for a bare Pi."""

    def __init__(self, server: Server, board: BoardModel | None, seed: int) -> None:
        self.server = server
        self.board = board
        self._listener: socket.socket | None = None
        self._path = ""
        self._record = EdgeRecord(server.daemon.lines)
        server.on_grant, server.on_moved, server.on_came = self.grant, self.moved, self.came
        server.on_given_up = self.given_up
        self._clients: dict[Participant, socket.socket] = {}
        self.current = CurrentOp(self._wired, lambda since: self.edges(None, since).zero, lambda: self._now)
        person = PersonOps(self._wired, lambda: self._now, seed)
        faults = FaultOps(Bench(server, board, seed, self._clients))
        self._ops: dict[str, Callable[[Message], Message]] = {
            "estop": self._estop,
            "input": self._input,
            "load": self._load,
            "edges": self._edges,
            "at": self._at,
            "levels": self._levels,
            "rail": self._rail,
            "current": self.current,
            "emg": person.emg,
            "person": person.person,
            "fault": faults.fault,
            "scenario": faults.scenario,
            "frozen": self._frozen,
            "quit": self._quit,
        }

    def listen(self, path: str) -> None:
        """Creates the socket; raises OSError."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        listener.bind(path)
        listener.listen(64)
        self._listener, self._path = listener, path
        self.server.add(listener.fileno(), self._accept)

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            Path(self._path).unlink(missing_ok=True)

    def _accept(self) -> None:
        while self._listener is not None:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * _REPLY_LIMIT)
            session = _Session(self, sock)
            self.server.add(sock.fileno(), session.readable)

    def grant(self, participant: Participant, now: int) -> None:
        """Tells a participant that its tick has come."""
        with suppress(OSError):
            self._clients[participant].send(b'{"now":%d}' % now)

    def moved(self, participant: Participant, now: int) -> None:
        """Tells a participant that time went on while a command of its process kept its answer, before that comes."""
        with suppress(OSError):
            self._clients[participant].send(b'{"now":%d,"moved":true}' % now)

    def came(self, participant: Participant, now: int) -> None:
        """Tells a participant the tick at which something came that ended its wait, after that."""
        with suppress(OSError):
            self._clients[participant].send(b'{"now":%d,"came":%d}' % (now, participant.waits))

    def given_up(self, participant: Participant) -> None:
        """Tells a participant that time goes on without it: the tick that it knows is none any more."""
        if participant.told:
            with suppress(OSError):
                self._clients[participant].send(b'{"late":true}')

    def joined(self, participant: Participant, sock: socket.socket) -> None:
        self._clients[participant] = sock

    def left(self, participant: Participant) -> None:
        self._clients.pop(participant, None)
        self.server.coordinator.leave(participant)

    # Ops

    def obey(self, message: Message) -> Message:
        """Does what a message asks and gives the answer; raises BadOp."""
        op = self._op(message)
        tick = message.get("at")
        if tick is None:
            return {"ok": True, **op(message)}
        later = {key: value for key, value in message.items() if key != "at"}
        return self._at({"tick": tick, "do": [later]}) | {"ok": True}

    def _at(self, message: Message) -> Message:
        tick, ops = message.get("tick"), message.get("do")
        if type(tick) is not int or not isinstance(ops, list) or not all(isinstance(op, dict) for op in ops):
            raise BadOp("at needs a tick and a list of ops")
        for op in ops:
            self._op(op)

        def happen() -> None:
            for op in ops:
                try:
                    self.obey(op)
                except BadOp as error:
                    print(f"scheduled for tick {tick}: {error}", file=sys.stderr, flush=True)

        self.server.timeline.schedule(tick, happen)
        return {"ok": True}

    def _op(self, message: Message) -> Callable[[Message], Message]:
        name = message.get("op")
        op = self._ops.get(name) if isinstance(name, str) else None
        if op is None:
            raise BadOp(f"no such op: {name!r}")
        return op

    @property
    def _now(self) -> int:
        return self.server.timeline.now

    def _wired(self) -> BoardModel:
        if self.board is None:
            raise BadOp("nothing is wired to this Pi")
        return self.board

    def _estop(self, message: Message) -> Message:
        pressed, contacts = message.get("pressed"), message.get("contacts", [1, 2, 3])
        known = isinstance(contacts, list) and all(contact in (1, 2, 3) for contact in contacts)
        if not isinstance(pressed, bool) or not known:
            raise BadOp("estop needs pressed true or false, and contacts of 1, 2, 3")
        self._wired().press(frozenset(contacts if pressed else ()), self._now)
        return {}

    def _input(self, message: Message) -> Message:
        gpio, level = message.get("gpio"), message.get("level")
        if type(gpio) is not int or not 0 <= gpio < 32 or level not in (0, 1, None):
            raise BadOp("input needs a gpio of 0-31 and a level of 0, 1 or null")
        if self.board is not None:
            self.board.force(gpio, level, self._now)
        else:
            self.server.daemon.lines.drive(gpio, level, self._now)
        return {}

    def _load(self, message: Message) -> Message:
        channel, ohm = message.get("channel"), message.get("ohm")
        number = isinstance(ohm, (int, float)) and not isinstance(ohm, bool) and ohm >= 0
        if channel not in ("A", "B") or not (number or ohm is None):
            raise BadOp("load needs channel A or B and ohm, a number from 0 or null")
        self._wired().load(channel, ohm, self._now)
        return {}

    def _edges(self, message: Message) -> Message:
        path, since, gpios = message.get("path"), message.get("since"), message.get("gpios")
        if not (since is None or type(since) is int) or not (path is None or isinstance(path, str)):
            raise BadOp("edges needs a path or null, and since, a tick or null")
        if not (gpios is None or (isinstance(gpios, list) and all(type(g) is int and 0 <= g < 32 for g in gpios))):
            raise BadOp("edges needs gpios of 0-31 or null")
        edges = self.edges(None if gpios is None else sum(1 << gpio for gpio in set(gpios)), since)
        if path is None:
            rows = edges.rows()
            return {"rows": len(rows), "edges": rows}
        try:
            return {"rows": edges.write(Path(path))}
        except OSError as error:
            raise BadOp(str(error)) from error

    def edges(self, mask: int | None, since: int | None) -> Edges:
        """Level changes of the lines in ``mask`` (None: the board's outputs, all of a bare Pi)."""
        everything = 0xFFFF_FFFF
        safe = starts = 0
        if self.board is not None:
            board = self.board.board
            everything = sum(line.mask for line in board.outputs)
            safe = sum(line.mask for line in board.lines.values() if line.safe == 1)
            starts = board.mask(*PHASE_LINES, *DAC_LINES)
        return self._record.read(self._now, everything if mask is None else mask, safe, since, starts or everything)

    def _levels(self, message: Message) -> Message:
        return {"now": self._now, "bank": self.server.daemon.lines.levels(self._now)}

    def _rail(self, message: Message) -> Message:
        board = self._wired()
        board.bring(self._now)
        return {"now": self._now, "volt": board.switch.supply.at(self._now), "closed": board.switch.closed}

    def _frozen(self, message: Message) -> Message:
        name, value = message.get("name"), message.get("value")
        if not isinstance(name, str) or not isinstance(value, bool):
            raise BadOp("frozen needs a name and a value, true or false")
        if not self.server.coordinator.freeze(name, value):
            raise BadOp(f"no participant {name!r}")
        return {}

    def _quit(self, message: Message) -> Message:
        self.server.stopping = True
        return {}


_PLAIN_WAIT: Final = b'{"op":"wait","until":'


class _Session:
    """One client of the control socket."""

    def __init__(self, control: Control, sock: socket.socket) -> None:
        self.control = control
        self.server = control.server
        self.sock = sock
        self.participant: Participant | None = None

    def readable(self) -> None:
        try:
            data = self.sock.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            if self.participant is not None:
                self.server.coordinator.heard(self.participant)
            self.message(data)
        else:
            self.close()

    def message(self, data: bytes) -> None:
        try:
            if data.startswith(_PLAIN_WAIT) and data[len(_PLAIN_WAIT) : -1].isdigit():
                self.wait({"until": int(data[len(_PLAIN_WAIT) : -1])})  # by far the most frequent: read without JSON
                return
            text = data.decode()
            message, end = _DECODER.raw_decode(text)
            if not isinstance(message, dict) or end != len(text):
                raise BadOp("not one JSON object")
            op = message.get("op")
            if op == "wait":
                self.wait(message)
                return
            if op == "counts":
                self.count(message)
                return
            reply = self.now() if op == "now" else self.join(message) if op == "join" else self.control.obey(message)
        except (BadOp, ValueError, RecursionError) as error:
            reply = {"ok": False, "error": str(error)}
        send(self.sock, reply)

    def now(self) -> Message:
        """Whoever asks is at work: something ended its wait."""
        if self.participant is not None:
            self.server.coordinator.resume(self.participant)
        return {"now": self.server.timeline.now, "asked": True}

    def join(self, message: Message) -> Message:
        name = message.get("name")
        if not isinstance(name, str) or self.participant is not None:
            raise BadOp("join needs a name, and may be sent once")
        told = message.get("told", False)
        if not isinstance(told, bool):
            raise BadOp("told must be true or false")
        self.participant = self.server.coordinator.join(name, peer_process(self.sock), told=told)
        self.control.joined(self.participant, self.sock)
        return {"ok": True, "now": self.server.timeline.now}

    def count(self, message: Message) -> None:
        """What a participant has sent so far, before it waits; it gets no answer."""
        if self.participant is None:
            raise BadOp("counts before join")
        self.server.coordinator.resume(self.participant)
        self.server.coordinator.declare(self.participant, _counts(message.get("counts")))

    def wait(self, message: Message) -> None:
        participant, until = self.participant, message.get("until")
        if participant is None:
            raise BadOp("wait before join")
        if not (until is None or type(until) is int):
            raise BadOp("until must be a tick or null")
        if until is not None:
            until += participant.late_us
        self.server.coordinator.wait(participant, until, _counts(message.get("counts") or {}))
        now = self.server.timeline.now
        if self.server.realtime and until is not None and until <= now and not participant.frozen:
            self.server.coordinator.resume(participant)
            self.control.grant(participant, now)

    def close(self) -> None:
        self.server.remove(self.sock.fileno())
        self.sock.close()
        if self.participant is not None:
            self.control.left(self.participant)


def _counts(raw: object) -> dict[str, tuple[int, int] | None]:
    if not isinstance(raw, dict):
        raise BadOp("counts must be an object")
    counts: dict[str, tuple[int, int] | None] = {}
    for channel, figures in raw.items():
        if figures is not None and not (
            isinstance(figures, list) and len(figures) == 2 and all(type(figure) is int for figure in figures)
        ):
            raise BadOp(f"counts of {channel!r} must be [sent, received] or null")
        counts[channel] = None if figures is None else (figures[0], figures[1])
    return counts


def send(sock: socket.socket, reply: Message) -> None:
    """Sends one message; a client that does not take it is left to its own."""
    data = _ENCODER.encode(reply).encode()
    if len(data) > _REPLY_LIMIT:
        data = b'{"ok":false,"error":"too much for one message; give a path"}'
    with suppress(OSError):
        sock.send(data)
