"""Whether the red button was tried: read from the journal's rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from controller.chain import Kind, Row


def tried(rows: Iterable[Row], today: str) -> bool:
    """Whether somebody pressed it ``today`` (as ``at`` begins), both contacts followed, and it was let out again.

    ``rows``: STATE and CAUSE, in their order. Contacts that do not agree within 50 ms are a cause of their own, worse
    than the press, and stay the cause when it is let out. A guard that starts with yesterday's press still latched
    stands at the release; so one is only taken after a press of the same day.
    """
    held = let_out = False
    for row in rows:
        if not row.at.startswith(today):
            continue
        if row.kind == Kind.STATE:
            mode = row.fields["mode"]
            let_out = held and mode == "estop_released"
            held = mode == "estop_held"
        elif let_out and row.fields["code"] == "emergency_stop":
            return True
    return False
