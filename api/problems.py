"""Every refusal of the API: RFC 9457 problems, with a stable code from one table."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import JSONResponse

from controller.causes import REFUSALS
from controller.port import EngineRefused
from safety.errors import PelviStimError

MEDIA_TYPE: Final = "application/problem+json"

_TABLE: Final = {
    400: {"host_missing": "the request names no host"},
    401: {
        "not_paired": "this phone is not paired with the device",
        "device_revoked": "the pairing of this phone was ended",
        "device_expired": "the pairing of this phone is too old",
        "passphrase_wrong": "not the passphrase",
        "passphrase_unset": "no passphrase was set at the device",
        "pairing_wrong": "not the link or code that the device shows",
    },
    403: {
        "role_too_low": "this phone may not do that",
        "origin_foreign": "the request comes from another page than the device's own",
        "plain_http_refused": "without TLS only the device itself is served",
        "not_controlling": "another phone, or none, controls the session",
        "not_left_to_patient": "the prescription leaves this to the clinician; stop and lowering are always possible",
        "patient_needed": "only the patient, or somebody at the device, can allow that",
    },
    404: {
        "not_found": "there is nothing here",
        "no_prescription": "nothing is prescribed yet",
        "no_session": "no session is open",
        "no_training": "no training goes on",
        "training_unknown": "there is no such training",
    },
    405: {"method_not_allowed": "that cannot be asked here"},
    409: {
        "pairing_closed": "no pairing is open at the device",
        "pairing_locked": "too many wrong codes: open a new pairing at the device",
        "nobody_asks": "no phone asks for control",
        "sequence_old": "the heartbeat is not newer than the one before",
        "old_epoch": "meant for an earlier session",
        "lease_stale": "the phone's heartbeat is too old for anything to come out or to rise",
        "check_too_soon": "the electrodes were checked just now",
        "wait_for_contraction": "the current may rise only while a contraction is held",
        "step_too_large": "the step upward is too large",
        "too_soon": "the step upward came too soon after the one before",
        "above_cap": "more than is prescribed",
        "over_cap": "more than the cap of this channel",
        "cap_missing": "a channel of the programme has no cap yet: a clinician must find it first",
        "prescription_revision": "the prescription is another one than named",
        "contraindicated": "an answer speaks against stimulation",
        "clinician_needed": "only a clinician can clear this",
        "programme_unknown": "there is no such programme",
        "raise_channel": "there is no such channel",
        "blocked": "a clinician must release stimulation first",
        "button_not_tried": "the red button is tried before the first session of the day",
        "day_spent": "the sessions of this day are used up",
        "day_unknown": "no phone confirmed that it is another day than the one whose sessions are used up",
        "week_spent": "the sessions of this week are used up",
        "prescription_expired": "what is prescribed is no longer valid",
        "prescription_cap": "a cap is outside what board and programme allow",
        "prescription_channel": "a cap for a channel on which the programme gives nothing",
        "prescription_programme": "the programme cannot be read, or is another one than named",
        "prescription_replayed": "this prescription is in force already",
        "prescription_unsigned": "the prescription is not signed",
        "programme_invalid": "the programme could not be played",
        "programme_shipped": "this id is one of the library's",
        "programme_kept": "another version of this programme is kept than the one to be replaced",
        "programme_full": "no more programmes of one's own can be kept",
        "key_missing": "no key of a clinician is kept on this device",
        "key_locked": "the clinician's key is locked",
        "key_wrong": "not the passphrase of the clinician's key",
        "key_malformed": "the clinician's key file cannot be read",
        "threshold_not_asked": "nobody asked to look for the caps",
        "threshold_not_allowed": "the patient has not allowed it yet",
        "threshold_expired": "the fifteen minutes are over",
        "threshold_not_running": "no session in which the caps are looked for is running",
        "threshold_zero": "there is no current on that channel to take note of",
        "session_open": "the session is not over yet",
        "training_open": "another training goes on",
        "sensor_needed": "this training goes with a sensor, or without one, and was asked otherwise",
        "pause_too_short": "a pause is shorter than its squeeze",
        "exercise_range": "a figure of an exercise is out of its range",
        "perfect_range": "a figure of the palpation is out of its range",
        "levels_missing": "the own squeezes of a session begin with a turn before the electrode check",
        "turns_not_possible": "this session cannot go in turns",
        "output_enabled": "muscle activity is not read while output is, or may be, enabled",
        "not_now": "not possible in the state the device is in",
    },
    412: {"rev_changed": "the set-point has changed meanwhile"},
    413: {"body_too_large": "the request is too large"},
    415: {"content_type": "a request's body is application/json"},
    421: {"host_foreign": "the device is not called that"},
    422: {
        "request_invalid": "the request is not of the form that is documented",
    },
    428: {
        "rev_missing": "a raise names the set-point that it starts from (If-Match)",
        "answers_missing": "before a sensor goes into the body every question is answered",
        "epoch_missing": "an action towards output names its session's epoch",
    },
    429: {
        "too_many_requests": "too many requests from this address",
        "passphrase_locked": "too many wrong passphrases: wait five minutes",
        "key_tries": "too many wrong passphrases of the key: wait five minutes",
    },
    500: {"internal_error": "the app found an error in itself"},
    503: {
        "journal_not_written": "the journal cannot be written, so nothing may begin or rise",
        "guard_lost": "the guard process went away",
        "guard_silent": "the guard gave no answer",
        "emg_absent": "no sensor for muscle activity answers",
        "emg_lost": "the sensor for muscle activity went away",
        "proof_not_made": "the proof was not made in time",
    },
}
CODES: Final[Mapping[str, tuple[int, str]]] = {
    code: (status, title) for status, codes in _TABLE.items() for code, title in codes.items()
}
"""Code -> status and title. A code of the guard that is not here is a 409 with its own words."""


class ApiRefused(PelviStimError):
    """The API itself says no; ``code`` is one of the table."""


def status_of(code: str) -> int:
    return CODES[code][0] if code in CODES else 409


def problem(code: str, detail: str = "", **more: object) -> dict[str, Any]:
    """The body of a refusal. ``more``: members of this code's own, left out when None."""
    title = CODES[code][1] if code in CODES else REFUSALS.get(code, code)
    body: dict[str, Any] = {"type": f"urn:problem:{code}", "title": title, "status": status_of(code), "code": code}
    if detail:
        body["detail"] = detail
    return body | {key: value for key, value in more.items() if value is not None}


def response(code: str, detail: str = "", headers: Mapping[str, str] | None = None, **more: object) -> JSONResponse:
    """A refusal as an answer."""
    body = problem(code, detail, **more)
    return JSONResponse(body, body["status"], {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def of_error(error: PelviStimError) -> JSONResponse:
    """Any error of ours as an answer, with the figure that would be allowed, and when."""
    more: dict[str, object] = {}
    headers: dict[str, str] = {}
    if isinstance(error, EngineRefused):
        more["allowed_ma"] = None if error.allowed_ua is None else error.allowed_ua / 1000
        more["field"] = error.field
        more["least_ma"] = None if error.least_ua is None else error.least_ua / 1000
        more["after_ms"] = None if error.after_us is None else -(-error.after_us // 1000)
    if status_of(error.code) == 429:
        headers["Retry-After"] = "300"
    if status_of(error.code) == 401:
        headers["WWW-Authenticate"] = 'Cookie realm="device"'
    return response(error.code, str(error), headers, **more)


ALWAYS: Final = (
    *("host_missing", "host_foreign", "origin_foreign", "plain_http_refused", "content_type", "body_too_large"),
    *("too_many_requests", "request_invalid"),
)
"""What any endpoint but the stop may answer."""


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of an endpoint, for the OpenAPI document: those named, and those of every endpoint."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *ALWAYS):
        by_status.setdefault(status_of(code), []).append(code)
    return {
        status: {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(dict.fromkeys(listed))}",
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {code: {"value": problem(code)} for code in dict.fromkeys(listed)},
                }
            },
        }
        for status, listed in sorted(by_status.items())
    }
