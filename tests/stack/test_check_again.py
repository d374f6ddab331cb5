"""The output switch closes again as soon as it may, after a session or a pause, however and whenever that came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from controller.session import Session
from tests.support.stack import AppLink, short_programme, stack

PROGRAMME = short_programme(ramp_up_ms=300, hold_ms=400, ramp_down_ms=300, rest_ms=1_100, repeats=1)
LATE_MS = 30
"""An edge is missing after 40 ms."""
PLACES_US = (540_000, 567_000, 594_000)
"""Session times: of a chunk, and of the 20 ms of a check."""


def _ended(session: Session, link: AppLink) -> None:
    session.end()
    while link.latest["mode"] == "running":
        session.step()


def _paused_resumed_and_ended(session: Session, link: AppLink) -> None:
    for _ in range(2):
        if link.latest["mode"] == "paused":
            session.resume()
        until = link.now() + 60_000
        while link.now() < until:
            assert not session.step(until)
        session.pause()
        while link.latest["mode"] == "running":
            assert not session.step()
    session.end()


def _stopped(session: Session, link: AppLink) -> None:
    del session
    link.stop()
    while not link.latest["cause"]:
        link.receive()
    while not link.request("acknowledge")["ok"]:
        link.receive()
    link.past("self_test")


def _played(session: Session, link: AppLink) -> None:
    while link.latest["mode"] == "running":
        session.step()


@pytest.mark.req("SR-142")
@pytest.mark.parametrize("end", [_ended, _paused_resumed_and_ended, _stopped, _played])
def test_the_next_electrode_check_finds_all_well(end: Callable[[Session, AppLink], None]) -> None:
    """Also where notifications come late; and every pulse has counted by then that was not stopped."""
    with stack() as rig:
        link = rig.link()
        link.echoes = True
        for number, place_us in enumerate(PLACES_US * 2):
            if number == len(PLACES_US):
                rig.fault("daemon-late-reports", LATE_MS)
            session = rig.session(PROGRAMME, 50_000, link=link, rises=False)
            assert session.load()
            link.check_electrodes()
            assert session.start((date(2000, 1, 1) + timedelta(days=number)).isoformat())
            before, until = link.latest["pulses"], link.now() + place_us
            while link.now() < until:
                assert not session.step(until)
            end(session, link)
            assert link.latest["mode"] == "idle"
            assert link.latest["came"]["A"]["pulses"] == link.latest["pulses"] - before or end is _stopped
