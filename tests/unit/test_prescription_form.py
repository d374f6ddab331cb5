"""The clinician's side: form, canonical bytes, keys and words; and that both sides understand the same."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import keys
from controller.cli import main
from controller.figures import ceilings, figures
from controller.keys import KeptKey, KeyProblem, make_key, public_of, unwrap, wrap
from controller.port import EngineRefused
from controller.prescribed import confirmed, refuse_unfit
from controller.prescription import CONTRAINDICATIONS, PATIENT_MAY, Placement, Prescription, completed, signed_text
from controller.prescription_form import as_form, as_json, as_toml, parse_form
from controller.prescription_words import in_words
from controller.programme import load_programme, programme_path, shipped_programmes
from hw.board import Board, load_board
from safety import limits
from safety.enrolled import KeyRefused, PublicKey, enrol, enrolled, once_enrolled, read_key, revoke, verify
from safety.errors import InputRefused
from safety.ledger import Record
from safety.prescribed import Prescribed, read_prescribed
from safety.session import Session
from safety.signer import Signer
from safety.store import Store
from tests.support.chunks import LINES
from tests.support.signed import KEY, prescribed
from tests.support.stack import short_programme

PASSPHRASE = "correct horse battery"
PLAN = Prescription(
    revision=2,
    programme="stress-50hz",
    caps_ua={"A": 20_500, "B": 0},
    electrode_kind="vaginal probe",
    electrode_area_mm2=1_250,
    placement=Placement(40, -15),
    minutes=20,
    sessions_per_day=1,
    sessions_per_week=5,
    weeks=12,
    lease_us=3_000_000,
    patient_may=("pause",),
    released={"epilepsy": 'sett av "nevrolog"\\ Ø'},
    prescriber="Bjørg Ås",
)
SIGNED = KEY.sign(completed(PLAN, "d" * 64, "2026-03-01", b"a programme"))

texts = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_characters="\x7f"), min_size=1, max_size=64
).filter(lambda text: text.isprintable() and text.strip() != "")
plans = st.builds(
    Prescription,
    revision=st.integers(1, limits.REVISION_MAX),
    programme=st.sampled_from(sorted(shipped_programmes())),
    caps_ua=st.dictionaries(st.sampled_from("AB"), st.integers(0, 500).map(lambda n: n * 100)),
    electrode_kind=st.sampled_from(("vaginal probe", "anal probe", "surface")),
    electrode_area_mm2=st.integers(limits.AREA_MIN_MM2, limits.AREA_MAX_MM2),
    placement=st.none() | st.builds(Placement, st.integers(0, 200), st.integers(-180, 180)),
    minutes=st.integers(1, 45),
    sessions_per_day=st.integers(1, 3),
    sessions_per_week=st.integers(1, 21),
    weeks=st.integers(1, 52),
    lease_us=st.integers(1_000, 5_000).map(lambda ms: ms * 1_000),
    patient_may=st.lists(st.sampled_from(PATIENT_MAY), unique=True).map(tuple),
    released=st.dictionaries(st.sampled_from(CONTRAINDICATIONS), texts, max_size=3),
    prescriber=texts,
    valid_until=st.none() | st.dates().map(str),
    issued=st.just("2026-03-01"),
)


@pytest.mark.req("SR-160")
@given(plans)
def test_form_file_and_signed_bytes_are_one_prescription(plan: Prescription) -> None:
    """Made in any way: what the guard reads out of the bytes is what the clinician's form says."""
    one = KEY.sign(completed(plan, "d" * 64, plan.issued, b"a programme"))
    for text in (as_json(one), as_toml(one)):
        again = parse_form(text.encode(), "test")
        assert again == one
        assert signed_text(again) == signed_text(one)
    read = read_prescribed(signed_text(one), 50_000)
    assert isinstance(read, Prescribed), read
    assert read.caps_ua == {"A": 0, "B": 0, **plan.caps_ua}
    assert (read.minutes, read.lease_us, read.revision) == (plan.minutes, plan.lease_us, plan.revision)
    assert read.area_cm2 * 100 == plan.electrode_area_mm2
    assert (read.sessions_per_day, read.sessions_per_week) == (plan.sessions_per_day, plan.sessions_per_week)
    assert str(read.ends) == one.valid_until or read.ends < read.issued


@pytest.mark.req("SR-167")
def test_a_day_is_confirmed_by_a_date_within_a_time_zone() -> None:
    for phone in ("2026-02-28", "2026-03-01", "2026-03-02"):
        assert confirmed("2026-03-01", phone) == "2026-03-01"
    for other in ("2026-02-27", "2026-03-03", "2026-02-30", "", None):
        assert confirmed("2026-03-01", other) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"revision": 0}, "revision"),
        ({"revision": "1"}, "revision"),
        ({"caps_ma": {"A": 20.05}}, "A"),
        ({"caps_ma": {"C": 1}}, "C"),
        ({"caps_ma": {"A": -1}}, "A"),
        ({"electrode": {"kind": "coil", "area_mm2": 1_000}}, "kind"),
        ({"electrode": {"kind": "surface", "area_mm2": 1_000, "placement": {"depth_mm": 10}}}, "turn_degrees"),
        ({"minutes": 46}, "minutes"),
        ({"patient_may": ["raise"]}, "patient_may"),
        ({"released": [{"contraindication": "tired", "reason": "x"}]}, "contraindication"),
        ({"released": [{"contraindication": "epilepsy", "reason": ""}]}, "reason"),
        ({"valid_until": "2026-02-30"}, "valid_until"),
        ({"device": "d"}, "device"),
        ({"signature": {"key": "k", "value": "v"}}, "key"),
        ({"more": 1}, "more"),
    ],
)
def test_a_form_is_read_strictly(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputRefused) as refused:
        parse_form(json.dumps({**as_form(SIGNED), **changes}).encode(), "test")
    assert field in {problem.field for problem in refused.value.problems}


@pytest.mark.parametrize("text", [b"{", b"{}", b"", b"[1]", b'{"revision": NaN}'])
def test_what_is_no_form(text: bytes) -> None:
    with pytest.raises(InputRefused):
        parse_form(text, "test")


# --- what could not be delivered --------------------------------------------------------------------------------------


@pytest.mark.req("SR-162")
@pytest.mark.parametrize(
    ("cap_ua", "full_ua", "least_ua"),
    [
        (0, 50_000, None),
        (8_000, 50_000, 12_500),
        (12_400, 50_000, 12_500),
        (12_500, 50_000, None),
        (50_100, 50_000, 12_500),
        (24_900, 100_000, 25_000),
        (25_000, 100_000, None),
        (8_000, 25_000, None),
        (1_900, 25_000, 2_000),
        (2_000, 25_000, None),
    ],
)
def test_a_cap_that_does_not_fit_the_board_is_refused(cap_ua: int, full_ua: int, least_ua: int | None) -> None:
    """With the field, the range that is possible, why, and what to do. Under 2 mA no electrode could be checked."""
    plan, board = replace(PLAN, caps_ua={"A": cap_ua}), replace(load_board(), full_scale_ua=full_ua)
    if least_ua is None:
        refuse_unfit(plan, board)
        return
    with pytest.raises(EngineRefused) as refused:
        refuse_unfit(plan, board)
    told = refused.value
    assert (told.code, told.field, told.least_ua) == ("prescription_cap", "caps_ma.A", least_ua)
    assert told.allowed_ua is not None
    assert passes(board, told.allowed_ua) > passes(board, told.allowed_ua + 100)
    assert f"allowed: {least_ua / 1000:g} to {told.allowed_ua / 1000:g} mA" in str(told)
    assert ("Fit the full-scale resistor for 25 mA (caps from 2 mA)" in str(told)) is (25_000 < full_ua > cap_ua)


def passes(board: Board, ua: int) -> bool:
    programme = load_programme(programme_path(PLAN.programme))
    return not ceilings(programme, figures(programme, board, ua))


def test_a_programme_for_which_no_cap_is_possible_says_so() -> None:
    """0.5 cm2 carry less than a quarter of the full scale."""
    with pytest.raises(EngineRefused) as refused:
        refuse_unfit(replace(PLAN, electrode_area_mm2=50), load_board())
    assert refused.value.allowed_ua is not None
    assert refused.value.allowed_ua < 12_500
    assert "this board takes none under 12.5 mA; the programme passes up to" in str(refused.value)


def test_a_cap_for_a_channel_that_the_programme_does_not_use_is_refused() -> None:
    """Whoever sets one means another programme. None at all, or 0, is what it gives there anyway."""
    with pytest.raises(EngineRefused) as refused:
        refuse_unfit(replace(PLAN, caps_ua={"A": 20_000, "B": 15_000}), load_board())
    assert refused.value.code == "prescription_channel"
    refuse_unfit(replace(PLAN, caps_ua={"B": 0}), load_board())


def test_another_programme_under_an_id_of_the_librarys_is_refused() -> None:
    """It would read back under the library's title. The library's own bytes may come along."""
    text = load_programme(programme_path(PLAN.programme)).text.decode()
    refuse_unfit(replace(PLAN, programme_text=text), load_board())
    other = text.replace("hold_ms", "hold_ms ", 1)
    assert other != text
    with pytest.raises(EngineRefused) as refused:
        refuse_unfit(replace(PLAN, programme_text=other), load_board())
    assert refused.value.code == "programme_shipped"


@pytest.mark.req("SR-161")
def test_the_density_is_that_of_the_prescribed_electrode() -> None:
    with pytest.raises(EngineRefused) as refused:
        refuse_unfit(replace(PLAN, electrode_area_mm2=50), load_board())
    assert refused.value.code == "prescription_cap"
    refuse_unfit(PLAN, load_board())
    squares = []
    for area in (10, 1):
        session = Session(LINES, 50_000, Record(), 0)
        asked = replace(prescribed(short_programme(), {"A": 20_000}), area_cm2=area)
        assert session.load(short_programme().decode(), asked, 0) is None
        assert session.plan is not None
        squares.append(session.plan.squares_max)
    assert squares[1] < squares[0]


@pytest.mark.req("SR-191")
def test_nothing_is_delivered_after_the_prescribed_minutes() -> None:
    programme = short_programme(repeats=60)
    session = Session(LINES, 50_000, Record(), 0)
    assert session.load(programme.decode(), prescribed(programme, {"A": 20_000}, minutes=2), 0) is None
    assert session.plan is not None
    schedule, last_us = session.plan.schedule, 120_000_000 + limits.RAMPED_STOP_MAX_US
    assert schedule.duration_us == last_us
    assert schedule.train("A", last_us - 1) is not None
    assert schedule.train("A", last_us) is None
    assert schedule.train("A", last_us + 5_000_000) is None


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MEMORY_KIB", 64)
    monkeypatch.setattr(keys, "ITERATIONS", 1)


@pytest.mark.req("SR-160")
def test_a_key_opens_with_its_passphrase_alone() -> None:
    text = wrap(make_key("Bjørg Ås"), PASSPHRASE)
    opened = unwrap(text, PASSPHRASE)
    assert opened.public == public_of(text)
    assert opened.private.private_bytes_raw().hex() not in text
    for bad in (PASSPHRASE + " ", ""):
        with pytest.raises(KeyProblem) as refused:
            unwrap(text, bad)
        assert refused.value.code == "key_wrong"
    with pytest.raises(KeyProblem):
        unwrap(text.replace("Bj", "Bo"), PASSPHRASE)
    with pytest.raises(KeyProblem) as refused:
        wrap(opened, "too short")
    assert refused.value.code == "key_short"
    for junk in (
        "",
        "{}",
        "[]",
        text.replace('"version": 1', '"version": 2'),
        text.replace('"salt": "', '"salt": "00'),
    ):
        with pytest.raises(KeyProblem) as refused:
            unwrap(junk, PASSPHRASE)
        assert refused.value.code == "key_malformed"


@pytest.mark.req("SR-160")
def test_a_kept_key_is_open_for_five_minutes_at_most(tmp_path: Path) -> None:
    now = [100.0]
    kept = KeptKey(tmp_path / "clinician.key", lambda: now[0])
    assert kept.state().state == "none"

    def refused(ask: Any, *args: object) -> str:
        with pytest.raises(KeyProblem) as problem:
            ask(*args)
        return problem.value.code

    assert refused(kept.sign, PLAN) == refused(kept.unlock, PASSPHRASE) == "key_missing"
    key = make_key("K. Larsen")
    (tmp_path / "clinician.key").write_text(wrap(key, PASSPHRASE), encoding="utf-8")
    assert (kept.state().state, kept.state().name) == ("locked", "K. Larsen")
    assert refused(kept.sign, PLAN) == "key_locked"
    assert kept.unlock(PASSPHRASE).left_s == 300
    assert kept.sign(SIGNED).signature == key.sign(SIGNED).signature
    now[0] += 299.9
    assert kept.state().state == "unlocked"
    now[0] += 0.1
    assert kept.state().state == "locked"
    assert refused(kept.sign, PLAN) == "key_locked"
    kept.unlock(PASSPHRASE)
    kept.lock()
    assert refused(kept.sign, PLAN) == "key_locked"
    assert [refused(kept.unlock, "wrong") for _ in range(5)] == ["key_wrong"] * 5
    assert refused(kept.unlock, PASSPHRASE) == "key_tries"
    now[0] += 300
    assert kept.unlock(PASSPHRASE).state == "unlocked"


@pytest.mark.req("SR-160")
def test_the_guard_takes_what_an_enrolled_key_signed(tmp_path: Path) -> None:
    text, signature = signed_text(SIGNED), SIGNED.signature
    assert signature is not None

    def code(*args: Any) -> str | None:
        found = verify(tmp_path, *args)
        return None if found is None else found.code

    assert code(text, signature.key, signature.value) == "prescription_foreign"
    enrol(tmp_path, KEY.public)
    assert enrolled(tmp_path) == (KEY.public,)
    assert code(text, signature.key, signature.value) is None
    assert code(text + b" ", signature.key, signature.value) == "prescription_changed"
    assert code(text, signature.key, signature.value[:-1]) == "prescription_changed"
    assert code(text, None, signature.value) == "prescription_foreign"
    revoke(tmp_path, signature.key)
    assert code(text, signature.key, signature.value) == "prescription_foreign"
    with pytest.raises(KeyRefused):
        revoke(tmp_path, signature.key)
    assert (enrolled(tmp_path), once_enrolled(tmp_path)) == ((), (KEY.public,)), "what it signed can still be proved"
    enrol(tmp_path, KEY.public)
    revoke(tmp_path, signature.key, keep=False)
    assert enrolled(tmp_path) == ()


@pytest.mark.parametrize("line", ["", "00 K", "zz" * 32 + " K", "00" * 32, "00" * 32 + " ", "00" * 32 + " a\x07b"])
def test_what_is_no_public_key(line: str) -> None:
    with pytest.raises(KeyRefused):
        read_key(line)
    assert read_key(KEY.public.line()) == KEY.public
    assert isinstance(KEY.public, PublicKey)


# --- words and commands -----------------------------------------------------------------------------------------------


def test_it_is_read_back_in_the_clinicians_words_and_units() -> None:
    nb, en = dict(in_words(SIGNED, "nb")), dict(in_words(SIGNED, "en"))
    assert nb["Høyest, kanal A"] == "20,5 mA"
    assert en["Highest, channel A"] == "20.5 mA"
    assert nb["Minste kontaktflate"] == "12,5 cm²"
    assert en["Depth"] == "40 mm"
    assert in_words(PLAN, "nb")[1][1] == "Anstrengelseslekkasje: styrke, stress-50hz", "no hash before it is completed"
    assert en["Programme"].startswith("stress-50hz ["), "another than was signed has no title here"
    assert "nevrolog" in nb["Frigitte kontraindikasjoner"]
    assert len(nb) == len(en) == len(in_words(SIGNED, "nb"))
    assert in_words(PLAN, "en")[-1][1].startswith("Not signed")


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A key is made and enrolled, a plan signed with it, read back, and refused once it was changed."""

    def run(*arguments: object, words: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(words))
        code = main([str(one) for one in arguments])
        told = capsys.readouterr()
        return code, told.out + told.err

    plan, key, state, out = (tmp_path / name for name in ("a", "larsen.key", "guard", "signed.toml"))
    state.mkdir()
    plan.write_text(as_toml(PLAN), encoding="utf-8")
    assert run("key", "new", "K. Larsen", "--out", key, words="short\n")[0] == 2
    assert run("key", "new", "K. Larsen", "--out", key, words=f"{PASSPHRASE}\n")[0] == 0
    assert key.stat().st_mode & 0o077 == 0
    assert run("key", "enrol", tmp_path / "larsen.pub", "--guard-state", state)[0] == 0
    device = Signer(state).device
    Store(state).write(Record(revision=2, prescription="e" * 64))
    sign = ("prescription", "sign", plan, "--key", key, "--device", device, "--out", out)
    assert "key_wrong" in run(*sign, words="not the words\n")[1]
    assert run(*sign, words=f"{PASSPHRASE}\n")[0] == 0
    check = ("prescription", "check", out, "--guard-state", state)
    assert "prescription_replaced" in run(*check)[1], "that number is in force with another content"
    Store(state).write(Record(revision=1))
    assert run(*check) == (0, "it could be put in force, and an enrolled key signed it\n")
    assert "20,5 mA" in run("prescription", "show", out, "--lang", "nb")[1]
    out.write_text(out.read_text(encoding="utf-8").replace("20.5", "21.5"), encoding="utf-8")
    code, said = run(*check)
    assert (code, "prescription_changed" in said) == (2, True)
    plan.write_text(as_toml(replace(PLAN, valid_until="2026-01-01")), encoding="utf-8")
    assert "prescription_expired" in run("prescription", "check", plan)[1]
    print_ = public_of(key.read_text(encoding="utf-8")).fingerprint
    assert print_ in run("key", "list", "--guard-state", state)[1]
    assert run("key", "revoke", print_, "--guard-state", state)[0] == 0
    assert "prescription_foreign" in run(*check)[1]
    monkeypatch.setattr("os.geteuid", lambda: 12_345)
    code, said = run("key", "enrol", tmp_path / "larsen.pub", "--guard-state", state)
    assert (code, "key_not_owner" in said) == (2, True)
    assert "app_absent" in run("prescription", "import", out)[1]
