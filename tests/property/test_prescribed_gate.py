"""However a prescription is made, signed or altered: no pulse above its caps or the ceilings leaves the gate."""

from __future__ import annotations

import hashlib
import json
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from controller.keys import make_key
from safety import limits
from safety.decode import Refusal
from safety.enrolled import enrol, verify
from safety.gate import Approval, Progress, judge
from safety.ledger import Record
from safety.prescribed import Prescribed, canonical, read_prescribed
from safety.session import Session
from safety.setpoint import SetPoint
from tests.support.chunks import LINES, train
from tests.support.programmes import CONTRACTION, changed, programme_toml
from tests.support.signed import KEY
from tests.unit.test_gate import under_way
from tests.unit.test_prescribed import DEVICE, GOOD

FULL_UA, SECOND = 50_000, 1_000_000
TODAY = date(2026, 3, 2)
STRANGER = make_key("A stranger")
WIDTH_US = 700
PROGRAMME = programme_toml(changed(CONTRACTION, phase_width_us=str(WIDTH_US), channel='"A"'))
ALTERED = ("caps_ua", "electrode", "minutes", "device", "revision", "kind", "nonce", "valid_until", "programme_sha256")

values = st.one_of(
    st.integers(-1, 2**40),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False),
    st.sampled_from(["", "threshold", "treatment", "0" * 32, "e" * 64, "9999-12-31"]),
    st.dictionaries(st.sampled_from(("A", "B", "C", "area_mm2")), st.integers(-1, 2**20), max_size=2),
)


BEGIN_US = 2 * SECOND - 100
"""The chunks' first pulse, 100 us later, is one of the programme's."""
odd = st.dictionaries(st.sampled_from(ALTERED), values, max_size=2)
plausible = st.fixed_dictionaries(
    {},
    optional={
        "caps_ua": st.dictionaries(st.sampled_from("AB"), st.integers(0, FULL_UA)),
        "electrode": st.integers(limits.AREA_MIN_MM2, 3_000).map(lambda mm2: {**GOOD["electrode"], "area_mm2": mm2}),
        "minutes": st.integers(1, 45),
        "revision": st.integers(1, 9),
        "weeks": st.integers(1, 52),
        "sessions_per_day": st.integers(1, 3),
    },
)


@pytest.fixture(scope="module")
def keys() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ps"))
    enrol(folder, KEY.public)
    return folder


def taken(keys: Path, text: bytes, key: Any, signature: str) -> tuple[Session, Prescribed] | None:
    """What the guard does with it (``safety/desk.py``): a session that is loaded, or nothing."""
    session = Session(LINES, FULL_UA, Record(day=TODAY.isoformat()), 0)
    asked = verify(keys, text, key, signature) or read_prescribed(text, FULL_UA)
    if isinstance(asked, Refusal) or session.take(asked, DEVICE, TODAY) is not None:
        return None
    return None if session.load(PROGRAMME.decode(), asked, 0) is not None else (session, asked)


@pytest.mark.req("SR-160")
@settings(max_examples=300, deadline=None)
@given(
    cap_ua=st.integers(0, FULL_UA),
    area_mm2=st.integers(limits.AREA_MIN_MM2, 3_000),
    before=odd | plausible,
    after=st.just({}) | odd | plausible,
    place=st.none() | st.none() | st.tuples(st.integers(0, 600), st.integers(0, 255)),
    by_stranger=st.booleans(),
    code=st.integers(0, 4095),
)
def test_no_pulse_above_its_caps_or_the_ceilings_leaves_the_gate(
    keys: Path,
    cap_ua: int,
    area_mm2: int,
    before: dict[str, Any],
    after: dict[str, Any],
    place: tuple[int, int] | None,
    by_stranger: bool,
    code: int,
) -> None:
    """``before``: changed and then signed, as any clinician might; ``after`` and ``place``: changed after that."""
    made = {
        **GOOD,
        "caps_ua": {"A": cap_ua},
        "electrode": {**GOOD["electrode"], "area_mm2": area_mm2},
        "programme_sha256": hashlib.sha256(PROGRAMME).hexdigest(),
        **before,
    }
    key = STRANGER if by_stranger else KEY
    signed_text = canonical(made)
    signature = key.private.sign(signed_text).hex()
    text = bytearray(canonical({**made, **after}))
    if place is not None:
        text[place[0] % len(text)] = place[1]
    found = taken(keys, bytes(text), key.public.fingerprint, signature)
    event("taken" if found else "refused")
    if found is None:
        return
    assert bytes(text) == signed_text, "nothing is taken but what was signed"
    assert not by_stranger
    session, _ = found
    assert session.plan is not None
    meant = json.loads(signed_text)
    looking = meant["kind"] == "threshold"
    cap = meant["caps_ua"].get("A", FULL_UA if looking else 0)
    # A set-point and a history that hold nothing up: what is left are caps and ceilings.
    progress = Progress(SetPoint(1, (FULL_UA, FULL_UA)), BEGIN_US, BEGIN_US, channels=under_way(BEGIN_US))
    approved, sent = 0, progress
    for number in range(12):
        start = BEGIN_US + number * 100_000
        verdict = judge(session.plan, sent, start, 1, train([100, 20_100, 40_100], code, width=WIDTH_US), 0)
        if isinstance(verdict, Approval):
            approved, sent = approved + 3, verdict.progress
    if approved:
        event("approved")
        assert code * FULL_UA <= cap * 4096
        assert code * FULL_UA * WIDTH_US <= limits.CHARGE_PER_PHASE_MAX_PC * 4096
        in_a_second = min(approved, 30)
        area_cm2 = meant["electrode"]["area_mm2"] / 100
        rms_ua = (code / 4096 * FULL_UA) * (2 * WIDTH_US * in_a_second / 1e6) ** 0.5
        assert rms_ua <= limits.RMS_DENSITY_MAX_UA_PER_CM2 * area_cm2 * (1 + 1e-9)


@pytest.mark.req("SR-160")
def test_something_does_leave_it(keys: Path) -> None:
    """So that the property above is one of pulses, and not of refusals alone."""
    made = {**GOOD, "programme_sha256": hashlib.sha256(PROGRAMME).hexdigest()}
    text = canonical(made)
    found = taken(keys, text, KEY.public.fingerprint, KEY.private.sign(text).hex())
    assert found is not None
    session, _ = found
    assert session.plan is not None
    progress = Progress(SetPoint(1, (FULL_UA, FULL_UA)), BEGIN_US, BEGIN_US, channels=under_way(BEGIN_US))
    data = train([100, 20_100], 1_638, width=WIDTH_US)
    assert isinstance(judge(session.plan, progress, BEGIN_US, 1, data, 0), Approval), "1638 is 19.995 mA"
    data = train([100, 20_100], 1_639, width=WIDTH_US)
    refusal = judge(session.plan, progress, BEGIN_US, 1, data, 0)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "over_cap"
