"""What each cause of a stop and each refusal of the guard means, in words for the terminal."""

from __future__ import annotations

from typing import Final

NOT_CONFIRMED: Final = (
    "The output is NOT confirmed off: 1. press the red button; 2. pull the lead out of the box; "
    "3. then take the probe out."
)

CAUSES: Final = {
    "emergency_stop": "the red emergency-stop button was pressed, or its wire is broken",
    "estop_contacts_disagree": "the two emergency-stop contacts do not agree",
    "daemon_lost": "the pigpio daemon does not answer any more",
    "not_what_was_approved": "the pigpio daemon holds or plays something else than what was approved",
    "internal_error": "the guard found an error in itself",
    "gate_refused": "the gate refused what the app wanted to play",
    "app_late": "the app handed over nothing to play in time",
    "app_lost": "the app went away during the session",
    "session_timeout": "the session took longer than a session may",
    "person": "stopped by a person",
    "guard_restarted": "the guard found no clean record of what was delivered before it started",
    # These two are the app's own: the guard cannot tell them.
    "guard_lost": "the guard process went away, or does not answer",
    "request_refused": "the guard refused a step that the session cannot go on without",
}
"""Every cause of the interlock, and the app's own."""

REFUSALS: Final = {
    # requests
    "lease_range": "the time after which a silent phone ends the session is out of range",
    "cap_range": "the cap is outside what the board can give",
    "day_spent": "the sessions of this day are used up",
    "end_too_early": "the end was asked for at a time that is approved already",
    "ledger_not_written": "the guard could not write its record, so nothing may be delivered",
    "link_malformed": "the app's message could not be read",
    "link_unknown": "the app asked for something the guard does not know",
    "not_greeted": "the app did not say which build it is",
    "not_lower": "a lower current must lie between 0 and the present one",
    "not_now": "not possible in the state the guard is in",
    "nothing_latched": "there is no stop to clear",
    "nothing_loaded": "no programme is loaded",
    "other_build": "app and guard come from different builds",
    "over_cap": "more than the cap of this channel",
    "programme_refused": "the guard does not accept the programme",
    "raise_channel": "there is no such channel",
    "raise_empty": "the step upward names no channel",
    "raise_not_held": "the current may rise only while a contraction is held",
    "raise_pending": "a step upward is still ahead",
    "raise_step": "the step upward is too large",
    "raise_too_late": "the step upward came too late for the time it names",
    "raise_too_soon": "the step upward came too soon after the one before",
    "rest_pending": "the rest after the last contraction is not over",
    "still_present": "what caused the stop still holds",
    # chunks
    "after_end": "a pulse after the end",
    "charge": "too much charge in one phase",
    "contraction_too_long": "the contraction lasts too long",
    "control_bits": "the amplitude frame asks for another mode of the converter",
    "foreign_line": "a line that pulses may not move",
    "frame": "an amplitude frame is not whole",
    "frame_in_pulse": "the amplitude changes inside a pulse",
    "gap": "the time between the two phases of a pulse is out of range",
    "malformed": "the pulse list could not be read",
    "no_delay": "a step of the pulse list takes no time",
    "no_silence": "no second of silence between a contraction and a continuous phase",
    "not_falling": "the current rises after an end was asked for",
    "not_framed": "a pulse comes before its amplitude",
    "not_next": "the chunk does not follow the one before",
    "not_safe_at_end": "the lines are not safe at the end of the chunk",
    "not_zeroed": "the amplitude is not 0 at the end of the chunk",
    "on_and_off": "a line is set and cleared at once",
    "order": "the two phases of a pulse are in the wrong order",
    "over_envelope": "more current than the set-point and the ramp allow",
    "raise_not_felt": "the current would rise though the present one was not felt in this contraction",
    "rest_too_short": "the rest is shorter than the contraction before it",
    "rise_too_fast": "more current than a rise of 0.3 s after a silence allows",
    "rms": "the effective current is over its ceiling",
    "session_over": "the session is over",
    "settle": "a pulse comes too soon after its amplitude",
    "step_crossed": "the chunk does not begin where a granted step of the current comes",
    "stale_set_point": "the set-point has changed meanwhile",
    "too_fast": "pulses follow each other too fast",
    "too_long": "the chunk is too long",
    "too_many": "a chunk waits already",
    "two_channels": "both channels deliver at once",
    "two_lines": "two phase lines are high at once",
    "unbalanced": "the two phases of a pulse do not cancel",
    "unfinished": "a pulse is cut off",
    "unknown_state": "the chunk does not begin from a known state",
    "unsafe_start": "the chunk does not begin from a safe state",
    "width": "a phase is too short or too long",
}
"""Every refusal of the guard: of a request, of a chunk."""


def in_words(code: str | None) -> str:
    """A cause or refusal as a sentence; one that is in neither table is named by its code."""
    return CAUSES.get(code or "") or REFUSALS.get(code or "") or f"cause {code}"
