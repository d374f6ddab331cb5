"""A disk that is full, or may not be written: the output is safe, the person is told, nothing is half-written."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from controller import journal
from controller.chain import Kind
from controller.journal_check import verify
from controller.port import Action
from tests.stack.test_serve import session, until
from tests.support.api import PRESCRIPTION
from tests.support.cli import command, environment
from tests.support.serve import serve
from tests.support.treatment import NONE_APPLIES, treatment

ALONE: Final = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount"]
"""A view of the file systems of its own, so that one can be mounted that nobody else sees."""
SMALL_DISK: Final = 'mkdir -p "$0" && mount -t tmpfs -o size=4m none "$0" && exec "$@"'
READ_ONLY: Final = 'mkdir -p "$0" && mount -t tmpfs none "$0" && mount -o remount,ro "$0" && exec "$@"'


def can_mount() -> bool:
    tried = [*ALONE, "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(tried, capture_output=True).returncode == 0


needs_a_disk = pytest.mark.needs(
    "a file system of its own", available=can_mount, how="run the tests as root, or allow user namespaces"
)


@needs_a_disk
@pytest.mark.alone
def test_a_disk_that_is_full_in_a_session(tmp_path: Path) -> None:
    """Nothing begins or rises any more; lowering, stop, acknowledgement work; with room again all goes on."""
    folder = tmp_path / "state"
    with serve(tmp_path, within=[*ALONE, "sh", "-c", SMALL_DISK, str(folder)]) as server:
        patient = session(server)
        root = Path(f"/proc/{server.process.pid}/root{folder}")
        fill(root / "full")
        assert patient.post("sessions/current/actions", json={"action": "check_electrodes", "epoch": 1}).is_error
        state = until(patient, lambda state: state["journal"] == "not_written")
        assert state["cause"] is None, "what was begun may go on, and may be ended"
        refused = patient.put(
            "sessions/current/intensity", json={"channel": "A", "amplitude_ma": 1.0}, headers={"If-Match": state["rev"]}
        )
        assert refused.json()["code"] == "journal_not_written"
        lowered = patient.put("sessions/current/intensity", json={"channel": "A", "amplitude_ma": 0.0})
        assert lowered.status_code == 200
        stopped = patient.post("stop").json()
        assert (stopped["cause"], stopped["confirmed"]) == ("person", True)
        assert patient.post("acknowledge").status_code == 200
        until(patient, lambda state: state["mode"] == "idle")
        assert opened(patient).json()["code"] == "journal_not_written"

        (root / "full").unlink()
        assert opened(patient).json()["code"] == "day_spent", "it was one a day, and it was begun"
        assert patient.get("state").json()["journal"] == "ok"
        copy = Path(shutil.copytree(root, tmp_path / "copy"))
        assert server.end() == 0
    found = verify(copy / "app" / journal.NAME, copy / "guard")
    assert {one.code for one in found.findings} <= {"session_unsealed"}, found.findings
    assert found.rows > 0


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def opened(patient: httpx2.Client) -> httpx2.Response:
    told = {"prescription_revision": PRESCRIPTION["revision"], "answers": NONE_APPLIES}
    return patient.post("sessions", json=told)


@needs_a_disk
def test_nothing_starts_on_a_disk_that_may_not_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    told = subprocess.run(
        [*ALONE, "sh", "-c", READ_ONLY, str(folder), *command("serve", "--port", 0, "--state", folder)],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        timeout=60,
    )
    assert told.returncode == 2
    assert "Read-only file system" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_disk_that_may_no_longer_be_written_in_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a disk is after an error: the session ends in order, whoever asks is told, and no row is half there."""
    with treatment(tmp_path) as person:
        person.start()
        person.raise_to(2_000)
        rows = person.rows()
        monkeypatch.setattr(person.journal, "_write", read_only(person.journal._write))
        person.wait(20_000_000)
        assert person.state.mode == "running"
        ended = person.act(Action.END)
        assert ended.cause is None
        person.until(lambda state: state.session is None)
        refused = person.journal.append(Kind.STATE, mode="idle").exception(timeout=10)
        assert isinstance(refused, journal.JournalError)
        assert person.rows() == rows
        found = person.verify()
    assert found.rows == len(rows)
    assert {one.code for one in found.findings} <= {"session_unsealed"}, found.findings


def read_only(write: Callable[[sqlite3.Connection, Any], None]) -> Callable[[sqlite3.Connection, Any], None]:
    """The writer's own step, on a connection that may only read."""

    def step(connection: sqlite3.Connection, group: Any) -> None:
        connection.execute("PRAGMA query_only=ON")
        write(connection, group)

    return step
