"""What a clinician signed for a session, read for the proof from the very bytes, and whether the session kept to it.

A treatment is signed in the journal's row of its prescription; a procedure to look for the caps in a row of its own.
That the key was enrolled then is the guard's word: its seal has the hash of these bytes, and the key's fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from controller.chain import Finding
from controller.prescribed import prescription_of_row
from controller.prescription import THRESHOLD, link_fields
from controller.proof_plan import Asked
from controller.proof_replay import CHANNELS, FADE_MAX_US, Replay
from controller.recording import Recording
from safety.enrolled import once_enrolled, signed_by
from safety.signer import fingerprint, public_key

MINUTE_US: Final = 60_000_000


@dataclass(frozen=True)
class Signed:
    """The bytes that were signed, the key's fingerprint and the signature in hexadecimal."""

    text: bytes
    key: str
    signature: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text).hexdigest()

    def caps_ua(self, full_scale_ua: int) -> dict[str, int]:
        """Per channel; one that is not set gives nothing, but to whoever looks for it as much as the board gives."""
        told = json.loads(self.text)
        return {name: told["caps_ua"].get(name, full_scale_ua * (told["kind"] == THRESHOLD)) for name in CHANNELS}


def signed_of(told: Mapping[str, Any] | None, prescribed: Mapping[str, Any]) -> Signed:
    """``told``: the row in which a procedure to look for the caps was signed; ``prescribed``: of the prescription.
    Raises ValueError when it has no signature.
    """
    if told is None:
        one = prescription_of_row(dict(prescribed))
        if one.signature is None:
            raise ValueError(f"revision {one.revision} is not signed")
        told = link_fields(one, None)
    return Signed(str(told["prescription"]).encode("ascii"), str(told["key"]), str(told["signature"]))


def kept_to(
    signed: Signed, guard_state: Path, day: str, recorded: Recording, replayed: Replay, asked: Asked
) -> Iterator[Finding]:
    """What was not as it was signed. ``day``: on which the session was opened, as an ISO date."""
    told = json.loads(signed.text)
    known = [key for key in once_enrolled(guard_state) if key.fingerprint == signed.key]
    if not any(signed_by(key, signed.text, signed.signature) for key in known):
        yield Finding("signature_other", "no key that is or was enrolled signed this prescription")
    if told["device"] != fingerprint(public_key(guard_state)):
        yield Finding("prescription_foreign", "it was signed for another device")
    ends = min(
        date.fromisoformat(told["valid_until"]), date.fromisoformat(told["issued"]) + timedelta(weeks=told["weeks"])
    )
    if day > ends.isoformat():
        yield Finding("prescription_expired", f"opened on {day}; it was valid until {ends}")
    if signed.caps_ua(recorded.full_scale_ua) != dict(recorded.caps_ua):
        yield Finding("caps_other", f"caps signed: {told['caps_ua']}; recorded {recorded.caps_ua}")
    if told["programme_sha256"] != hashlib.sha256(recorded.programme.encode()).hexdigest():
        yield Finding("programme_other", "the programme that was played is not the one that was signed")
    last_us = asked.dues[0].at_us + told["minutes"] * MINUTE_US + FADE_MAX_US
    if replayed.pulses and replayed.last_us >= last_us:
        yield Finding("minutes_over", f"a pulse at {replayed.last_us} us; signed are {told['minutes']} minutes")
