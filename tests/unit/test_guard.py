"""What the guard's shell does when the board, or the app, fails it in the midst of something."""

from __future__ import annotations

import gc
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hw.wire import DaemonLost
from safety.desk import Desk
from safety.errors import BoardError
from safety.guard import Guard, carry_out
from safety.interlock import Action, Mode, State
from safety.ledger import Record
from safety.link import GUARD_SOCKET
from safety.session import Session
from tests.support.chunks import LINES


@pytest.mark.req("SR-081")
@pytest.mark.parametrize(
    ("actions", "done"),
    [
        ((Action.DISABLE, Action.CLOSE_SESSION), [Action.DISABLE, Action.CLOSE_SESSION]),
        ((Action.ENABLE, Action.BEGIN_CHECK), [Action.ENABLE]),
    ],
)
def test_a_board_that_fails_keeps_no_session_open_and_begins_nothing(
    actions: tuple[Action, ...], done: list[Action]
) -> None:
    """A stop breaks the connection just when a ramp's end takes OUTPUT_ENABLE away: the debit is settled even so."""
    tried: list[Action] = []
    failed: list[BoardError] = []

    def act(action: Action) -> None:
        tried.append(action)
        if action in (Action.DISABLE, Action.ENABLE):
            raise DaemonLost("shut")

    carry_out(actions, act, failed.append)
    assert tried == done
    assert len(failed) == 1


def test_a_stop_is_told_before_the_disk_is_waited_for() -> None:
    """A disk that takes 20 ms is no 20 ms in which nobody knows whether the lines are low."""
    done: list[str] = []
    guard: Any = SimpleNamespace(
        _halt=lambda: done.append("halt"),
        _show=lambda: done.append("tell"),
        write=lambda: done.append("write"),
        _seal=lambda: done.append("seal"),
        _session=SimpleNamespace(close=lambda cause, now: None, latched=lambda cause, locked_by: None),
        _leaves=False,
        state=State(Mode.STOPPED, "short"),
    )
    for action in (Action.STOP_NOW, Action.CLOSE_SESSION, Action.RECORD):
        Guard._act(guard, action, 0)
    assert done == ["halt", "tell", "write", "seal", "write"]


@pytest.mark.req("SR-147")
@pytest.mark.parametrize(
    ("mode", "stopping", "confirmed", "tidied"),
    [
        (Mode.IDLE, False, None, True),
        (Mode.STOPPED, False, True, True),
        (Mode.STOPPED, False, False, False),
        (Mode.STOPPED, True, None, False),
        (Mode.ELECTRODE_CHECK, False, None, False),
    ],
)
def test_garbage_waits_until_output_has_ended_and_makes_no_check_late(
    mode: Mode, stopping: bool, confirmed: bool | None, tidied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [0]
    monkeypatch.setattr(gc, "collect", lambda: times.append(300_000))
    guard: Any = SimpleNamespace(
        state=State(mode, None),
        _stopping=lambda: stopping,
        _confirmed=confirmed,
        _clock=SimpleNamespace(now=lambda: times[-1]),
        _untidy=True,
        _due=20_000,
    )
    Guard._tidy(guard)
    monkeypatch.undo()
    assert (guard._untidy, guard._due) == ((False, 300_000) if tidied else (True, 20_000))


class Still:
    """A clock that stands still."""

    def now(self) -> int:
        return 0

    def watch(self, fd: int) -> None:
        pass

    unwatch = watch


def test_an_app_that_went_is_missed_though_another_came_before_anybody_looked(tmp_path: Path) -> None:
    none: Any = None
    desk = Desk(tmp_path, cast(Any, Still()), Session(LINES, 50_000, Record(), 0), none, none, none, 50_000, None)

    def comes() -> socket.socket:
        app = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        app.connect(str(tmp_path / GUARD_SOCKET))
        desk.serve([desk._listener.fileno()], 0)
        return app

    assert desk.misses_app()
    with comes() as first:
        assert not desk.misses_app()
        first.close()
        desk.tell("state")  # it cannot be told any more
        with comes():
            assert desk.misses_app()
            assert not desk.misses_app(), "that is known by now"
    desk._lose_app()
    desk._listener.close()
