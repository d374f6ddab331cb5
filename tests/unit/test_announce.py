"""The device's name on the LAN: told while it is wanted, under a name that gives nothing away."""

from __future__ import annotations

from typing import Any

import pytest

from api.announce import Announcer


class Recorder:
    """Stands where zeroconf does."""

    def __init__(self, *, fails: bool = False) -> None:
        self.told: list[str] = []
        self.info: Any = None
        self.fails = fails

    def register_service(self, info: Any) -> None:
        self.told.append("register")
        self.info = info
        if self.fails:
            raise OSError("no network")

    def unregister_service(self, info: Any) -> None:
        assert info is self.info
        self.told.append("unregister")

    def close(self) -> None:
        self.told.append("close")


def test_it_is_told_while_it_is_wanted() -> None:
    made: list[Recorder] = []

    def make() -> Any:
        made.append(Recorder())
        return made[-1]

    announcer = Announcer("device.local", ["192.0.2.7"], 8443, make)
    announcer.show(False)
    assert made == []
    for wanted in (True, True, False, False, True):
        announcer.show(wanted)
    assert [one.told for one in made] == [["register", "unregister", "close"], ["register"]]
    info = made[0].info
    assert (info.name, info.server, info.port) == ("device._https._tcp.local.", "device.local.", 8443)
    assert info.parsed_addresses() == ["192.0.2.7"]
    assert info.properties == {}


def test_a_network_that_is_not_there_leaves_nothing_open() -> None:
    recorder: Any = Recorder(fails=True)
    announcer = Announcer("device.local", ["192.0.2.7"], 8443, lambda: recorder)
    with pytest.raises(OSError, match="no network"):
        announcer.show(True)
    assert recorder.told == ["register", "close"]
