"""``pelvistim serve``: the app's composition root. Board and guard (simulated, or the one that runs), journal, people.

Everything the app keeps is in ``STATE/app``; the simulated board's guard keeps its own in ``STATE/guard``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from api.announce import Announcer
from api.boundary import Place, hosts
from api.certificate import Served, prepare
from api.devices import Devices
from api.pairing import Pairing
from api.passphrase import Passphrase
from api.proofs import Proofs
from api.qr import pairing_links, qr_terminal
from api.roles import Role
from api.serve import Server, listen
from api.service import Service
from api.stop import GuardStopper
from controller.emg.reader import Reader
from controller.emg.sensor import replay, sensor
from controller.engine import GuardEngine
from controller.fault import SOCKET
from controller.guarded import installed, simulated
from controller.interrupts import INTERRUPTS
from controller.journal import Journal
from controller.kept import state_folder
from controller.keys import KeptKey, OpenKey, Signs, simulated_key
from controller.launch import GuardRefused
from controller.run import NOT_CERTIFIED
from controller.serve import PORT_PLAIN, PORT_TLS
from controller.training.room import Room
from safety.enrolled import PublicKey, enrol, enrolled, read_key
from safety.errors import InputRefused, LinkError, Problem
from safety.link import GuardLink, runtime_root

REFUSED: Final = 2
NAME: Final = "device.local"
"""The device's name on the LAN: it tells a household nothing."""


def main(args: argparse.Namespace) -> int:
    """Serves until it is told to end. Exit 0, or 2 when it did not start."""
    tls = args.phone or (args.host not in ("127.0.0.1", "::1", "localhost") and not args.plain)
    host = "0.0.0.0" if args.phone else args.host
    port = args.port if args.port is not None else PORT_TLS if tls else PORT_PLAIN
    try:
        with _everything(args, host, port, tls) as server:
            _greet(server.service, phone=args.phone, simulated=args.board == "sim")
            INTERRUPTS.end()
            for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn ends the server on it, and then raises it again:
                signal.signal(number, lambda *_: server.end())  # that must not keep the rest from ending in order
            asyncio.run(server.run())
    except (InputRefused, GuardRefused, LinkError, OSError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    return 0


@contextlib.contextmanager
def _everything(args: argparse.Namespace, host: str, port: int, tls: bool) -> Iterator[Server]:
    """All parts, each undone in turn. Raises InputRefused, OSError, PelviStimError."""
    state = args.state or state_folder()
    app, guard = state / "app", state / "guard"
    if args.emg is not None and args.board != "sim":  # what a person trained must not come out of a file
        problem = Problem("emg", "", "--emg", args.board, "the simulated board", "Leave one of the two out.")
        raise InputRefused("serve", (problem,))
    recording = None if args.emg is None else replay(args.emg)
    with contextlib.ExitStack() as after:
        try:
            listener = after.enter_context(listen(host, port))
        except OSError as error:
            words = f"{host}:{port} ({error.strerror})"
            problem = Problem("listen", "", "--port", words, "a free port", "Name another --port, or end what has it.")
            raise InputRefused("serve", (problem,)) from None
        app.mkdir(mode=0o700, parents=True, exist_ok=True)
        runtime = _runtime_folder(after)
        if args.board == "sim":
            guarded = simulated(runtime, guard, after, real_time=args.real_time)
        else:
            guarded = installed(args.guard)
        link = guarded.connect()
        journal = Journal(app, link.welcome["device"])
        after.callback(journal.close)
        kept = app / "clinician.key"
        keys: Signs = KeptKey(kept)
        if guarded.simulated:
            key = simulated_key(app / "simulated.key")
            enrol(guard, key.public)
            keys = keys if kept.exists() else OpenKey(key)
        engine = GuardEngine(link, guarded.connect, guarded.clock, journal, _today, keys, simulated=guarded.simulated)
        after.callback(engine.close)
        open_sensor, sees = sensor(runtime / SOCKET if guarded.simulated else None)
        room = Room(Reader(recording or open_sensor, lambda: engine.state().mode), journal.append, sees)
        after.callback(room.close)
        names = _names(host)
        served = prepare(app / "tls", names, datetime.now(UTC)) if tls else None
        known = partial(enrolled, guard) if guarded.simulated else partial(_told, link)
        service = _service(args, app, guarded.folder, journal, engine, room, keys, known, names, listener, served)
        yield Server(service, listener, runtime, served)


def _told(link: GuardLink) -> tuple[PublicKey, ...]:
    """The clinicians' keys, as a guard whose folder is not ours named them at its greeting."""
    return tuple(read_key(line) for line in link.welcome["enrolled"])


def _runtime_folder(after: contextlib.ExitStack) -> Path:
    """The one that the service manager made for this app, or a new one."""
    made = os.environ.get("RUNTIME_DIRECTORY")
    if made:
        return Path(made)
    root = runtime_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(after.enter_context(tempfile.TemporaryDirectory(prefix="app-", dir=root)))


def _service(
    args: argparse.Namespace,
    app: Path,
    guard: Path,
    journal: Journal,
    engine: GuardEngine,
    room: Room,
    keys: Signs,
    known: Callable[[], tuple[PublicKey, ...]],
    names: list[str],
    listener: socket.socket,
    served: Served | None,
) -> Service:
    devices = Devices(journal, lambda: int(time.time()))
    port = listener.getsockname()[1]
    scheme = "http" if served is None else "https"
    bases = tuple(f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}" for name in names)
    addresses = [name for name in names if name != NAME]
    return Service(
        engine=engine,
        journal=journal,
        devices=devices,
        pairing=Pairing(devices.now_s),
        passphrase=Passphrase(app, devices.now_s),
        stopper=GuardStopper(guard),
        keys=keys,
        room=room,
        proofs=Proofs(app.parent),
        enrolled=known,
        place=Place(hosts(names), args.plain),
        bases=bases,
        fingerprint=None if served is None else served.fingerprint,
        announcer=Announcer(NAME, addresses, port) if served is not None else None,
    )


def _greet(service: Service, *, phone: bool, simulated: bool) -> None:
    """What somebody at the device needs: where it is, and a link for each role; of a service nothing that pairs, since
    what it says is kept in a log."""
    if not simulated:
        print(NOT_CERTIFIED, *service.bases, sep="\n", flush=True)
        return
    print(f"{NOT_CERTIFIED} Simulated board.")
    print("What is prescribed here is signed by a key that lies open on this machine: for trying, and nothing else.")
    if service.place.plain_everywhere:
        print("Plain HTTP on the network: anybody there can read along, and take a phone's place.")
    print(*service.bases, sep="\n")
    for role in Role:
        links = pairing_links(service.bases, service.pairing.open(role).token)
        print(f"\n{role.value}, once, within five minutes:")
        if phone:
            print(qr_terminal(links[0]))
        print(*links, sep="\n", flush=True)
    if service.fingerprint is not None:
        print(f"\ncertificate (SHA-256): {service.fingerprint}", flush=True)


def _names(host: str) -> list[str]:
    """Under which names and addresses the device is reached; the first is in the QR code."""
    if host in ("127.0.0.1", "::1", "localhost"):
        return [host]
    found = [_lan_address()] if host == "0.0.0.0" else [host]
    return [*(one for one in found if one is not None), NAME]


def _lan_address() -> str | None:
    """This machine's own address on its network; nothing is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address: str = probe.getsockname()[0]
        except OSError:
            return None
        return address


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
