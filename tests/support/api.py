"""An api over the fake engine, and phones that are paired with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from api.app import make_app
from api.auth import COOKIE_PLAIN, COOKIE_TLS
from api.boundary import Place, hosts
from api.devices import Device, Devices
from api.pairing import Pairing
from api.passphrase import Passphrase
from api.proofs import Proofs
from api.roles import Role
from api.service import Service
from api.stop import StopFirst, WorkLoop
from controller.journal import Journal
from controller.keys import OpenKey
from controller.training.room import Room
from tests.support.emg import HandSource, reader_of
from tests.support.fake_engine import FakeEngine, FakeStopper
from tests.support.signed import KEY

LAN = ("192.0.2.9", 40_000)
LOOPBACK = ("127.0.0.1", 40_000)
HOST = "device.local:8443"
V1 = "/api/v1"
WSS = f"wss://{HOST}{V1}/live"
PRESCRIPTION: dict[str, Any] = {
    "revision": 1,
    "programme": "stress-50hz",
    "caps_ma": {"A": 20.0},
    "electrode": {"kind": "vaginal probe", "area_mm2": 1000},
    "minutes": 20,
    "sessions_per_day": 1,
    "sessions_per_week": 5,
    "weeks": 12,
    "patient_may": ["pause", "end_early"],
    "prescriber": "K. Larsen",
}


@dataclass
class Api:
    """The parts of one app, and a clock that a test moves."""

    folder: Path
    now_s: int = 1_800_000_000
    plain_everywhere: bool = False
    engine: FakeEngine = field(default_factory=FakeEngine)

    def __post_init__(self) -> None:
        self.stopper = FakeStopper(self.engine)
        self.journal = Journal(self.folder / "app", "d" * 64)
        self.sensor = HandSource()
        reader = reader_of(self.sensor, lambda: self.engine.now.mode)
        self.room = Room(reader, self.journal.append)
        devices = Devices(self.journal, lambda: self.now_s)
        self.service = Service(
            engine=self.engine,
            journal=self.journal,
            devices=devices,
            pairing=Pairing(devices.now_s),
            passphrase=Passphrase(self.folder, devices.now_s),
            stopper=self.stopper,
            keys=OpenKey(KEY),
            room=self.room,
            proofs=Proofs(self.folder),
            enrolled=lambda: (KEY.public,),
            place=Place(hosts(["device.local", "192.0.2.7"]), self.plain_everywhere),
            bases=(f"https://{HOST}", "https://192.0.2.7:8443"),
            fingerprint="AA:BB",
        )
        self.app: FastAPI = make_app(self.service)
        self.work = WorkLoop()
        self.whole = StopFirst(self.app, self.service.stopping, self.work)

    def phone(self, role: Role | str | None = None, *, tls: bool = True, peer: tuple[str, int] = LAN) -> TestClient:
        """A phone: paired in this role, or not at all."""
        client = self.stranger(tls=tls, peer=peer)
        if role is not None:
            device, secret, row = self.service.devices.pair(f"a {role}'s", Role(role))
            row.result()
            self.service.devices.enter(device)
            client.cookies.set(COOKIE_TLS if tls else COOKIE_PLAIN, secret)
            client.headers["x-test-device"] = device.id
        return client

    def stranger(self, *, tls: bool = True, peer: tuple[str, int] = LAN) -> TestClient:
        base = f"{'https' if tls else 'http'}://{HOST if peer == LAN else 'localhost:8000'}{V1}"
        return TestClient(self.whole, base_url=base, client=peer, raise_server_exceptions=True)

    def device(self, client: TestClient) -> Device:
        """The device that this phone is paired as."""
        device = self.service.devices.get(client.headers["x-test-device"])
        assert device is not None
        return device

    def close(self) -> None:
        self.room.close()
        self.work.close()
        self.journal.close()
