"""A session's proof over the api: in a process of its own, bounded, and with no more detail than the role may see."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from api import proofs
from controller.chain import Kind
from tests.browser.gallery import HOLD
from tests.support.api import Api


@pytest.fixture
def told(api: Api) -> Api:
    api.service.note(Kind.SESSION, event="opened", session="ab", programme="sprint", prescription_revision=1)
    api.service.note(Kind.SESSION, event="closed", session="ab", mode="idle", cause=None, session_us=1).result()
    return api


def test_what_speaks_against_a_session_is_told_to_both_and_how_to_the_clinician(told: Api) -> None:
    """No guard has signed anything in this folder. What is proved is shown in ``tests/stack/test_proof.py``."""
    for role, in_detail in (("patient", False), ("clinician", True)):
        made = told.phone(role).get("sessions/ab/proof").json()
        assert (made["session"], made["proved"], made["sealed"]) == ("ab", False, False)
        assert {"seal", "unread"} <= {one["about"] for one in made["findings"]}
        assert all(bool(one["detail"]) is in_detail for one in made["findings"])


def test_none_is_made_of_nothing_and_none_while_something_plays(told: Api) -> None:
    phone = told.phone("patient")
    assert phone.get("sessions/none/proof").json()["code"] == "not_found"
    told.engine.now = replace(told.engine.now, mode="running", session=HOLD)
    assert phone.get("sessions/ab/proof").json()["code"] == "session_open"


def test_one_that_takes_too_long_is_ended(told: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    make = asyncio.create_subprocess_exec

    async def seen(*command: str, **more: int) -> asyncio.subprocess.Process:
        started.append(await make(*command, **more))
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", seen)
    monkeypatch.setattr(proofs, "PROOF_WITHIN_S", 0.0)
    answer = told.phone("patient").get("sessions/ab/proof")
    assert (answer.status_code, answer.json()["code"]) == (503, "proof_not_made")
    assert started[0].returncode is not None


def test_no_more_wait_than_may(told: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "WAITING_MAX", 0)
    assert told.phone("patient").get("sessions/ab/proof").json()["code"] == "proof_not_made"


def test_it_goes_last() -> None:
    """Whatever the app was started as."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        proofs._goes_last(process.pid)
        assert os.sched_getscheduler(process.pid) == os.SCHED_BATCH
        assert os.getpriority(os.PRIO_PROCESS, process.pid) >= proofs.NICENESS
        process.kill()
