"""What each cause of a stop, each finding and each refusal of the guard means, in words for the terminal."""

from __future__ import annotations

from typing import Final

from safety import selftest

NOT_CONFIRMED: Final = (
    "The output is NOT confirmed off: 1. press the red button; 2. pull the lead out of the box; "
    "3. then take the probe out."
)

CAUSES: Final = {
    # a person's hand
    "estop_contacts_disagree": "the two emergency-stop contacts do not agree",
    "emergency_stop": "the red emergency-stop button was pressed, or its wire is broken",
    # the board's own trips
    "phase_stuck": "a phase line is high though no pulse asks for it",
    "tripped": "the board's own trip opened: too much current, or a phase that lasted too long",
    # power
    "charger": "a charger is connected; take it away before a session",
    "battery_low": "the battery is low",
    # the switched rail
    "rail_stuck": "the high voltage is there though the output switch should be open",
    "rail_lost": "the high voltage is missing though the output switch should be closed",
    # what was measured
    "current_high": "more current was measured than was asked for",
    "direct_current": "the current does not average to zero",
    "short": "the electrode's contacts touch, or gel joins them",
    "lead_off": "an electrode has come off, or its lead is open",
    "current_low": "less current was measured than was asked for",
    "load_drift": "the electrode conducts otherwise than when the session began",
    # the converter that measures it
    "adc_stuck": "the converter that measures the output is stuck",
    "adc_reference": "the converter that measures the output is off at its reference",
    "adc_range": "the converter that measures the output gives what cannot be",
    "adc_offset": "something is measured at the output though nothing was asked for",
    # the daemon, and whoever else talks to it
    "daemon_lost": "the pigpio daemon does not answer any more",
    "not_what_was_approved": "the pigpio daemon holds or plays something else than what was approved",
    "edges_differ": "the pulses that came out are not those that were approved",
    "dead_man_fired": "the dead-man script in the pigpio daemon has ended the output",
    "daemon_slow": "the pigpio daemon answers too slowly",
    # the guard itself
    "internal_error": "the guard found an error in itself",
    "check_late": "a check of the guard came too late",
    **{code: f"the self-test failed: {words}" for code, words in selftest.CODES.items()},
    "self_test_late": "the self-test did not come to an end",
    # the app
    "gate_refused": "the gate refused what the app wanted to play",
    "app_lost": "the app went away while something could come out",
    "session_timeout": "the session took longer than a session may",
    "app_late": "the app handed over nothing to play in time, or what it ramped down did not end",
    "lease_lost": "nothing was heard any more of the page that controls the session",
    "threshold_over": "the fifteen minutes in which a clinician may look for the caps are over",
    # a person's word, and what was found at the start
    "person": "stopped by a person",
    "guard_restarted": "the guard found no clean record of what was delivered before it started",
    # These two are the app's own: the guard cannot tell them.
    "guard_lost": "the guard process went away, or does not answer",
    "request_refused": "the guard refused a step that the session cannot go on without",
}
"""Every cause of the guard, and the app's own. What a self-test may fail at has its words where it is tested."""

FINDINGS: Final = {
    "electrode_open": "the lead is open, or the electrode has no contact",
    "electrode_short": "the electrode's contacts touch, or gel joins them",
    "electrode_out_of_range": "the electrode conducts better or worse than one that is well put on",
    "electrode_polarity": "the electrode conducts otherwise in one direction than in the other",
    "electrode_unread": "the machine was too busy to read the electrode; try again",
}
"""What an electrode check may find of an electrode: nothing is latched by it."""

REFUSALS: Final = {
    # requests
    "check_too_soon": "electrodes are checked at most each three seconds",
    "challenge_wrong": "the procedure was not signed for this time, or not within fifteen minutes",
    "clinician_needed": "only a clinician may clear this, at the device",
    "day_spent": "the sessions of this day are used up",
    "week_spent": "the sessions of this week are used up",
    "prescription_changed": "the prescription is not what its clinician signed",
    "prescription_downgraded": "an older prescription than the one that was in force",
    "prescription_expired": "the prescription is no longer valid",
    "prescription_foreign": "the prescription is signed by nobody who is enrolled here, or for another device",
    "prescription_malformed": "the prescription could not be read",
    "prescription_not_yet": "the prescription is dated later than today",
    "prescription_replaced": "another prescription is in force under this revision",
    "programme_changed": "the programme is not the one that was signed",
    "end_too_early": "the end was asked for at a time that is approved already",
    "end_too_far": "the end was asked for more than a second ahead",
    "ledger_not_written": "the guard could not write its record, so nothing may be delivered",
    "lease_stale": "nothing may become stronger while the page that controls the session is not heard of",
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
    "raise_too_far": "the step upward is named more than a second ahead",
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
    "not_in_programme": "a pulse where the programme has none",
    "not_next": "the chunk does not follow the one before",
    "not_safe_at_end": "the lines are not safe at the end of the chunk",
    "not_zeroed": "the amplitude is not 0 at the end of the chunk",
    "on_and_off": "a line is set and cleared at once",
    "order": "the two phases of a pulse are in the wrong order",
    "other_pulse": "a pulse of other widths than the programme's",
    "over_check": "more than an electrode check may give",
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
    """A cause, finding or refusal as a sentence; one that is in no table is named by its code."""
    known = code or ""
    return CAUSES.get(known) or FINDINGS.get(known) or REFUSALS.get(known) or f"cause {code}"
