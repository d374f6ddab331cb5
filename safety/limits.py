"""Every hard ceiling of PelviStim, with its source beside it. One truth: no other module states these numbers.

A board file or a prescription may lower a ceiling; nothing may raise one. A missing figure means zero output.

How the source was seen: ``read`` = read in the text named; ``quoted`` = read in a secondary text that quotes it;
``ours`` = this project's own choice. Nobody here has the text of the current IEC
standards: these numbers claim no conformity to any.

Units are in the names. Currents are whole microamperes and times whole microseconds, so that every decision is
made in integers.
"""

from __future__ import annotations

from typing import Final

# --- one pulse ------------------------------------------------------------------------------------------------

PHASE_WIDTH_MIN_US: Final = 20
"""ours."""
PHASE_WIDTH_MAX_US: Final = 800
"""ours; the board's own one-shot opens at 1.15-1.4 ms."""

INTERPHASE_MIN_US: Final = 10
"""ours; also the dead time the bridge needs between its two directions."""
INTERPHASE_MAX_US: Final = 1000
"""ours."""

CHARGE_PER_PHASE_MAX_PC: Final = 40_000_000
"""40 uC. ours."""

ENERGY_PER_PULSE_MAX_NJ: Final = 300_000_000
"""300 mJ into 500 ohm. GOST 30324.10-95, identical to IEC 601-2-10:1987, 51.104 (read in part); a note (quoted)."""

STANDARD_LOAD_OHM: Final = 500
"""The load into which r.m.s., energy and power ceilings are stated. Same clause (read)."""

# --- many pulses ----------------------------------------------------------------------------------------------

FREQUENCY_MIN_HZ: Final = 1
"""ours."""
FREQUENCY_MAX_HZ: Final = 150
"""ours."""
CONTINUOUS_FREQUENCY_MAX_HZ: Final = 20
"""ours: a phase without rests must be slow enough not to hold the muscle in a lasting contraction."""

START_TO_START_MIN_US: Final = 6_666
"""One channel's pulse starts are at least this far apart: floor(10^6 / 150). ours, from FREQUENCY_MAX_HZ."""
CONTINUOUS_START_TO_START_MIN_US: Final = 50_000
"""ours, from CONTINUOUS_FREQUENCY_MAX_HZ."""

PERIOD_MARGIN_US: Final = 200
"""What a period must hold beside ``2 x width + interphase``: the amplitude frames and their settling. ours."""

RMS_WINDOW_US: Final = 1_000_000
"""r.m.s. counts the pulses that start in any [t, t + 1 s). ours."""
RMS_MAX_UA: Final = 50_000
"""50 mA r.m.s. into 500 ohm, up to 400 Hz. GOST 30324.10-95, identical to IEC 601-2-10:1987, 51.104 table 1 (read)."""
RMS_DENSITY_MAX_UA_PER_CM2: Final = 2_000
"""2 mA/cm2 r.m.s. AS 60601.2.10:2018 names it as needing the operator's attention (read); here it is a ceiling."""
POWER_DENSITY_MAX_MW_PER_CM2: Final = 250
"""0.25 W/cm2 into 500 ohm. FDA guidance on powered muscle stimulators, 1999 (quoted)."""
DIRECT_CURRENT_MAX_UA: Final = 100
"""0 by construction; a measured average above this is a fault. ours."""

# --- contraction and rest -------------------------------------------------------------------------------------

CONTRACTION_MAX_US: Final = 30_000_000
"""First to last pulse start; continuous phases are exempt. ours."""
CONTRACTION_GAP_US: Final = 1_000_000
"""Silence longer than this, start to start on one channel, ends a contraction (or a continuous phase). ours."""
REST_MIN_MS: Final = 1_000
"""ours. A rest is also at least as long as its contraction: the training article asks that of every squeeze."""
PAUSE_AFTER_CONTINUOUS_MIN_S: Final = 2
"""ours."""
RAMP_UP_MIN_MS: Final = 300
"""ours; INNOVO uses 0.5 s (quoted)."""

# --- the set-point --------------------------------------------------------------------------------------------

FULL_SCALES_UA: Final = (25_000, 50_000, 100_000)
"""The full scales a board may have: the resistors of the reference design. The MyoTrac Infiniti manual says at most
100 mA into 500 ohm (read). The peak current is never above the board's full scale. ours."""
RAISE_STEP_MAX_UA: Final = 2_000
"""The set-point rises by at most 2 mA a step. ours; home devices raise only in the work phase."""
RAISE_INTERVAL_MIN_US: Final = 1_000_000
"""Steps upward are at least this far apart. ours."""
RAMPED_STOP_MAX_US: Final = 500_000
"""A ramped stop (pause, end, lease lost) reaches zero within this. ours."""
NAMED_AHEAD_MAX_US: Final = 1_000_000
"""A step upward, a pause and an end are named at most this far ahead of what is approved. ours; the app names 0.4 s."""
CHECKS_APART_US: Final = 3_000_000
"""From one electrode check to the next at least, so that an app that asks for nothing else gives next to nothing: up to
four waves of four pulses a channel. ours; a person who mends an electrode takes longer."""

# --- chunks and sessions --------------------------------------------------------------------------------------

CHUNK_MAX_US: Final = 100_000
"""A chunk of approved pulses lasts at most this long: output that nobody renews ends within two. ours."""
CHUNK_MAX_ENTRIES: Final = 2_000
"""Entries in the pulse list of one chunk. ours; a padded slot of 30 % holds 2 393 that both set and clear lines."""
LEAD_IN_MAX_US: Final = 1_000
"""The first chunk may begin this long before session time 0: room for its amplitude frames. ours."""
SESSION_MAX_US: Final = 45 * 60 * 1_000_000
"""ours."""
SESSION_TAIL_MAX_US: Final = 500_000
"""By how much the last pulses may come later than that: half a period at 1 Hz, for the second channel of "AB". ours."""
SESSIONS_PER_DAY_MAX: Final = 3
"""ours."""

# --- prescriptions --------------------------------------------------------------------------------------------

PRESCRIPTION_MAX_BYTES: Final = 16 * 1024
"""Of the signed text; every reason for a release at full length has about 9 KiB. ours."""
PRESCRIPTION_WEEKS_MAX: Final = 52
"""ours."""
REVISION_MAX: Final = 2**31
"""ours."""
THRESHOLD_MAX_US: Final = 15 * 60 * 1_000_000
"""How long a threshold procedure may last, from when the guard issued its nonce. ours."""

# --- programme files ------------------------------------------------------------------------------------------
# Bounds of the format, so that no file can ask for unbounded work. Both readers keep them: the app's, which explains
# (controller/programme.py), and the guard's own (safety/schedule.py).

PROGRAMME_MAX_BYTES: Final = 64 * 1024
"""ours; the longest shipped programme has under 4 KiB."""
LINE_MAX_CHARACTERS: Final = 2_000
"""In a programme file: a bound on the work that keys of thousands of parts can make for a parser. ours."""
DECIMALS_MAX: Final = 9
"""Decimals a number may carry, and zeros its exponent may add: a nanohertz, and every later fraction is small. ours."""
PHASES_MAX: Final = 200
"""Phases in the list. ours."""
REPEATS_MAX: Final = 9_999
"""ours; the shortest contraction with its rest lasts 1.3 s, so that a session holds about 2 000."""
CYCLES_MAX: Final = 9_999
"""ours."""
PLAYED_PHASES_MAX: Final = 10_000
"""Phases that are played, cycles included: only pauses of under 0.3 s could ask for more in a session. ours."""
AREA_MIN_MM2: Final = 10
"""0.1 cm2. ours."""
AREA_MAX_MM2: Final = 50_000
"""500 cm2, for the smallest contact of the electrode; what counts is the current density over it. ours."""

# --- the guard's own rhythm -----------------------------------------------------------------------------------

CHECK_INTERVAL_US: Final = 20_000
"""The guard looks at its lines this often and toggles KEEPALIVE only when all was well. ours."""
JOIN_MIN_REMAINING_US: Final = 20_000
"""A chunk is joined to the one playing only while at least this much of it remains. Measured: a one-shot-sync sent
during the last pulse reports success and may never play."""
LEASE_DEFAULT_US: Final = 2_000_000
"""ours; ScienceMode stops 2 s after its host went silent, FOC-Stim after 4 s."""
LEASE_MIN_US: Final = 1_000_000
"""ours."""
LEASE_MAX_US: Final = 5_000_000
"""ours."""

SHANNON_HARM_K: Final = 1.85
"""Informational only: the Shannon k at which harm has been reported for neural tissue (k = log10(charge per phase in
uC) + log10(charge density in uC/cm2)). Never used in a decision."""
