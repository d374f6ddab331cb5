"""``pelvistim serve`` as a process: its document's own session, what it keeps, and what its end ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from controller.chain import Kind
from controller.history import KINDS, records
from controller.journal import NAME, read
from tests.support.api import PRESCRIPTION
from tests.support.cli import children, pelvistim
from tests.support.serve import Serving, serve
from tests.support.treatment import NONE_APPLIES

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "api.md"
pytestmark = pytest.mark.alone
PATIENCE_S = 120
STATES_MAX = 300


@pytest.mark.needs("curl", apt="curl")
def test_the_documents_session_runs_as_it_stands(tmp_path: Path) -> None:
    """Pairs, prescribes, checks, starts, raises to 12 mA, lowers, pauses, resumes, ends, exports, stops unpaired."""
    script = "set -eu -o pipefail\n" + "\n".join(
        re.findall(r"^```bash\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
    with serve(tmp_path) as server:
        tokens = {f"{role}_token": token for role, token in server.tokens.items()}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={**os.environ, **tokens, "api": f"{server.base}/api/v1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert server.end() == 0
    assert '{"state":"stopped","cause":"person","confirmed":true,' in done.stdout
    assert "simulated,contraction,continuous,channel,start_us,end_us,planned_pulses" in done.stdout
    journal = tmp_path / "state" / "app" / NAME
    assert pelvistim(tmp_path, "verify", "all", "--state", tmp_path / "state").returncode == 0
    (record,) = records(read(journal, *KINDS))
    assert max(dose["set_point_ua"] for dose in record.doses) == 12_000
    assert (record.closed or {})["cause"] is None
    told = [(row.fields["what"], row.fields["result"]) for row in read(journal, Kind.COMMAND)]
    for action in ("open_session", "check_electrodes", "start", "pause", "resume", "end", "acknowledge"):
        assert (action, "done") in told
    assert ("stop", "confirmed") in told
    verdict = pelvistim(
        tmp_path, "journal", "verify", journal.parent, "--guard-state", tmp_path / "state" / "guard", "--json"
    )
    assert verdict.returncode == 0, verdict.stdout
    assert json.loads(verdict.stdout)["seals"] == 2


def test_a_second_app_in_the_same_place_is_refused(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        second = pelvistim(tmp_path, "serve", "--port", 0, "--state", tmp_path / "state")
        assert server.end() == 0
    assert second.returncode == 2
    assert "another guard runs in" in second.stderr
    assert "internal error" not in second.stderr


def test_an_app_that_is_killed_takes_the_output_with_it_and_the_next_one_says_what_was(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        session(server)
        server.kill()
    with serve(tmp_path) as server:
        phone = server.phone("clinician")
        (last,) = phone.get("sessions").json()
        assert last["cause"] == "app_lost"
        assert phone.get(f"sessions/{last['id']}").json()["closed"]["guard_cause"] is not None
        state = phone.get("state").json()
        assert state["session"] is None
        assert state["mode"] != "running"


@pytest.mark.cold
def test_a_guard_that_is_killed_is_started_again(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        patient = session(server)
        _, guard = children(server.process.pid)
        os.kill(guard, signal.SIGKILL)
        state = until(patient, lambda state: state["cause"] == "guard_restarted")
        assert state["session"] is None
        assert patient.post("acknowledge").status_code == 200
        until(patient, lambda state: state["mode"] == "idle")
        assert patient.post("stop").json()["confirmed"] is True


def test_an_end_with_streams_open_is_in_order(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Server-sent events and a WebSocket: both are ended, nothing is cut off, and nothing is complained of."""
    with serve(tmp_path) as server:
        phone = server.phone("viewer")
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in phone.cookies.items())}
        address = f"{server.base.replace('http', 'ws')}/api/v1/live"
        with connect(address, additional_headers=cookie) as socket, phone.stream("GET", "live") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: state"
            server.process.send_signal(signal.SIGTERM)
            assert len(list(lines)) < 100
            with pytest.raises(ConnectionClosed) as closed:
                list(socket)
            assert closed.value.rcvd is not None, "it was closed, not cut off"
        assert server.end() == 0
    assert capfd.readouterr().err == ""


def session(server: Serving) -> httpx2.Client:
    """A patient's phone with a session that runs."""
    clinician = server.phone("clinician")
    assert clinician.put("prescription", json=PRESCRIPTION).status_code == 200
    patient = server.phone("patient")
    assert patient.post("sessions", json={"prescription_revision": 1, "answers": NONE_APPLIES}).status_code == 201
    nonce = None
    for number, (action, mode) in enumerate((("check_electrodes", "armed"), ("start", "running")), 1):
        told = until(patient, lambda state, before=nonce: state["lease"]["nonce"] not in (None, before))  # type: ignore[misc]
        nonce = told["lease"]["nonce"]
        beat = {"sequence": number, "nonce": nonce}
        assert patient.post("sessions/current/heartbeat", json=beat).status_code == 200
        done = patient.post("sessions/current/actions", json={"action": action, "epoch": 1})
        assert done.json()["mode"] == mode
    return patient


def until(phone: httpx2.Client, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first state of the live stream that is as wanted, among those of half a minute."""
    states = 0
    with phone.stream("GET", "live") as stream:
        for line in stream.iter_lines():
            if line.startswith('data: {"mode"'):
                state: dict[str, Any] = json.loads(line.removeprefix("data: "))
                if good(state):
                    return state
                states += 1
                assert states < STATES_MAX, state
    raise AssertionError("the stream ended")
