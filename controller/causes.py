"""What each cause of a stop means, in words for the terminal."""

from __future__ import annotations

from typing import Final

WORDS: Final = {
    "emergency_stop": "the red emergency-stop button was pressed, or its wire is broken",
    "estop_contacts_disagree": "the two emergency-stop contacts do not agree",
    "daemon_lost": "the pigpio daemon does not answer any more",
    "not_what_was_approved": "the pigpio daemon holds or plays something else than what was approved",
    "gate_refused": "the gate refused what the app wanted to play",
    "app_lost": "the app went away during the session",
    "session_timeout": "the session took longer than a session may",
    "person": "stopped by a person",
    "guard_restarted": "the guard found no clean record of what was delivered before it started",
    "guard_lost": "the guard process went away",
}


def in_words(cause: str | None) -> str:
    """The cause as a sentence; a cause without one is named by its code."""
    return WORDS.get(cause or "", f"cause {cause}")
