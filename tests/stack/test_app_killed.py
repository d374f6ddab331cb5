"""The app killed at any moment, with a journal that is busy: nothing that was told is lost, and the output ends."""

from __future__ import annotations

from tests.support.killed import rounds

KILLS = 50


def test_an_app_that_is_killed_at_any_moment_loses_nothing_and_leaves_no_output() -> None:
    assert rounds(KILLS) > KILLS // 4
