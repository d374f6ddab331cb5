"""The gate's decoder: what a pulse list amounts to, and each reason to refuse one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from safety import limits
from safety.decode import Chunk, Pulse, Refusal, decode
from tests.support.chunks import LINES, PINS, Script, pack


def good() -> Script:
    script = Script(20_000)
    script.opening(a=1000, b=500)
    script.pulse(100, "A")
    script.frame(2000, "A", 1001)
    script.pulse(8000, "A")
    script.pulse(10_000, "B", width=20, gap=10)
    script.closing()
    return script


def test_a_good_chunk_is_read_exactly() -> None:
    chunk = decode(good().data(), LINES)
    assert isinstance(chunk, Chunk)
    assert chunk.duration_us == 20_000
    assert chunk.pulses == (
        Pulse(100, "A", 250, 100, 250, 1000),
        Pulse(8000, "A", 250, 100, 250, 1001),
        Pulse(10_000, "B", 20, 10, 20, 500),
    )
    assert [pulse.net_code_us for pulse in chunk.pulses] == [0, 0, 0]


def test_a_silent_chunk_is_good() -> None:
    script = Script(100_000)
    script.opening()
    script.closing()
    assert isinstance(decode(script.data(), LINES), Chunk)


@pytest.mark.req("SR-001", "SR-003")
@pytest.mark.parametrize(
    ("width", "gap"),
    [
        (limits.PHASE_WIDTH_MIN_US, limits.INTERPHASE_MIN_US),
        (limits.PHASE_WIDTH_MAX_US, limits.INTERPHASE_MAX_US),
    ],
)
def test_the_bounds_themselves_are_allowed(width: int, gap: int) -> None:
    script = Script()
    script.opening(a=5)
    script.pulse(86, "A", width, gap)
    script.closing()
    assert isinstance(decode(script.data(), LINES), Chunk)


def two_pulses(change: Callable[[Script], None]) -> Script:
    script = Script(30_000)
    script.opening(a=1000, b=500)
    change(script)
    script.closing()
    return script


def gap_of(gap: int) -> Callable[[Script], None]:
    return lambda script: script.pulse(100, "A", gap=gap)


def width_of(width: int, second: int | None = None) -> Callable[[Script], None]:
    return lambda script: script.pulse(100, "A", width, second=second)


def lines(*changes: tuple[int, str, int]) -> Callable[[Script], None]:
    def change(script: Script) -> None:
        for one in changes:
            script.line(*one)

    return change


def frames(*calls: Callable[[Script], None]) -> Callable[[Script], None]:
    def change(script: Script) -> None:
        for one in calls:
            one(script)

    return change


def moved(script: Script, *gone: tuple[int, str, int], keep: tuple[int, str, int] | None = None) -> None:
    """A whole frame for channel A at 100 us (code 7), with some of its changes taken out and one put in."""
    script.frame(100, "A", 7)
    script.changes = [change for change in script.changes if change not in gone]
    if keep is not None:
        script.line(*keep)


REFUSED: dict[str, tuple[str, Callable[[Script], None]]] = {
    "gap 9": ("gap", gap_of(9)),
    "gap 1001": ("gap", gap_of(1001)),
    "width 19": ("width", width_of(19)),
    "width 801": ("width", width_of(801)),
    "second phase 1 us longer": ("unbalanced", width_of(250, 251)),
    "second phase 1 us shorter": ("unbalanced", width_of(250, 249)),
    "second phase over the ceiling": ("width", width_of(800, 801)),
    "negative first": ("order", lines((100, "a_neg", 1), (350, "a_neg", 0), (450, "a_pos", 1), (700, "a_pos", 0))),
    "negative twice": ("order", lines((100, "a_neg", 1), (350, "a_neg", 0), (450, "a_neg", 1), (700, "a_neg", 0))),
    "positive twice": ("order", lines((100, "a_pos", 1), (350, "a_pos", 0), (450, "a_pos", 1), (700, "a_pos", 0))),
    "no second phase": ("frame_in_pulse", lines((100, "a_pos", 1), (350, "a_pos", 0))),
    "both lines of one channel": (
        "two_lines",
        lines((100, "a_pos", 1), (200, "a_neg", 1), (350, "a_pos", 0), (450, "a_neg", 0)),
    ),
    "no dead time": (
        "two_lines",
        lines((100, "a_pos", 1), (350, "a_pos", 0), (350, "a_neg", 1), (600, "a_neg", 0)),
    ),
    "both channels at one instant": (
        "two_lines",
        lines((100, "a_pos", 1), (100, "b_pos", 1), (350, "a_pos", 0), (350, "b_pos", 0)),
    ),
    "B inside A's gap": (
        "two_channels",
        lines((100, "a_pos", 1), (350, "a_pos", 0), (400, "b_pos", 1), (420, "b_pos", 0)),
    ),
    "A's pulse finished by B": (
        "two_channels",
        lines((100, "a_pos", 1), (350, "a_pos", 0), (450, "b_neg", 1), (700, "b_neg", 0)),
    ),
    "settled 19 us": ("settle", lambda script: script.pulse(66 + 19, "A")),
    "frame in the gap": (
        "frame_in_pulse",
        frames(lambda s: s.pulse(200, "A", gap=200), lambda s: s.frame(460, "A", 7)),
    ),
    "frame begins with the phase": (
        "frame_in_pulse",
        frames(lambda s: s.pulse(200, "A"), lambda s: s.line(200, "cs_n", 0), lambda s: s.line(900, "cs_n", 1)),
    ),
    "frame begins with the end of the phase": (
        "frame_in_pulse",
        frames(lambda s: s.pulse(200, "A"), lambda s: s.frame(800, "A", 7)),
    ),
    "data moves inside a pulse": (
        "frame_in_pulse",
        frames(lambda s: s.pulse(200, "A"), lambda s: s.line(300, "sdi", 1), lambda s: s.line(310, "sdi", 0)),
    ),
    "starts 6665 us apart": ("too_fast", frames(lambda s: s.pulse(100, "A"), lambda s: s.pulse(6765, "A"))),
    "gain 2": ("control_bits", lambda s: s.frame(100, "A", 7, control=0b101)),
    "shut down": ("control_bits", lambda s: s.frame(100, "A", 7, control=0b110)),
    "unbuffered": ("control_bits", lambda s: s.frame(100, "A", 7, control=0b011)),
    "15 clocks": ("frame", lambda s: s.frame(100, "A", 7, clocks=15)),
    "17 clocks": ("frame", lambda s: s.frame(100, "A", 7, clocks=17)),
    "frame with the clock high": (
        "frame",
        lines((100, "sck", 1), (101, "cs_n", 0), (102, "sck", 0), (103, "cs_n", 1)),
    ),
    "a clock outside a frame": ("frame", lines((100, "sck", 1), (101, "sck", 0))),
    "frame ends as the clock rises": (
        "frame",
        lines((100, "cs_n", 0), (101, "sck", 1), (101, "cs_n", 1), (102, "sck", 0)),
    ),
    "a 17th clock as the frame ends": (
        "frame",
        lines(
            *[change for bit in range(16) for change in ((100 + 2 * bit, "sck", 0), (101 + 2 * bit, "sck", 1))],
            *[(100 + 2 * bit, "sdi", int(digit)) for bit, digit in enumerate(f"{0x7007:016b}")],
            (100, "cs_n", 0),
            (132, "sck", 0),
            (133, "sck", 1),
            (133, "cs_n", 1),
            (134, "sck", 0),
            (134, "sdi", 0),
        ),
    ),
    "a frame that begins as the clock falls": (
        "frame",
        frames(lambda s: moved(s, (132, "sck", 0)), lambda s: s.frame(140, "A", 9)),
    ),
    "data moves with a clock that counts": ("frame", lambda s: moved(s, (102, "sdi", 1), keep=(103, "sdi", 1))),
    "data moves with the clock": (
        "frame",
        lines((100, "cs_n", 0), (101, "sck", 1), (101, "sdi", 1), (102, "sck", 0), (103, "cs_n", 1)),
    ),
}


@pytest.mark.req("SR-001", "SR-002", "SR-003", "SR-004", "SR-011")
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    code, change = REFUSED[name]
    refusal = decode(two_pulses(change).data(), LINES)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code, refusal


@pytest.mark.req("SR-011")
def test_starts_6666_us_apart_are_allowed() -> None:
    script = two_pulses(frames(lambda s: s.pulse(100, "A"), lambda s: s.pulse(6766, "A")))
    assert isinstance(decode(script.data(), LINES), Chunk)


def refused(script: Script) -> str:
    refusal = decode(script.data(), LINES)
    assert isinstance(refusal, Refusal)
    return refusal.code


@pytest.mark.req("SR-004")
def test_both_channels_are_framed_before_a_pulse() -> None:
    script = Script()
    script.frame(1, "A", 1000)
    script.pulse(100, "A")
    script.closing()
    assert refused(script) == "not_framed"


@pytest.mark.req("SR-004")
def test_both_channels_are_zeroed_after_the_last_pulse() -> None:
    script = Script()
    script.opening(a=1000)
    script.pulse(100, "A")
    script.frame(2000, "A", 0)
    assert refused(script) == "not_zeroed"


@pytest.mark.req("SR-004")
def test_the_last_code_is_zero() -> None:
    script = Script()
    script.opening(a=1000)
    script.pulse(100, "A")
    script.frame(2000, "A", 0)
    script.frame(2100, "B", 1)
    assert refused(script) == "not_zeroed"


@pytest.mark.req("SR-004")
@pytest.mark.parametrize("last", ["", "A", "B"])
def test_a_silent_chunk_is_framed_at_both_ends(last: str) -> None:
    script = Script()
    script.opening()
    for channel in last:
        script.frame(2000, channel, 0)
    assert refused(script) == "not_framed"


@pytest.mark.req("SR-003")
def test_a_pulse_at_the_end_is_finished() -> None:
    script = Script(2000)
    script.opening()
    script.closing(100)
    script.line(1000, "a_pos", 1)
    script.line(1250, "a_pos", 0)
    assert refused(script) == "unfinished"


@pytest.mark.req("SR-005")
@pytest.mark.parametrize("name", PINS)
def test_all_lines_are_safe_at_the_end(name: str) -> None:
    script = Script(2000)
    script.opening()
    script.closing(100)
    if name.endswith("_neg"):
        script.line(1700, name.replace("neg", "pos"), 1)
        script.line(1800, name.replace("neg", "pos"), 0)
    script.line(1990, name, 0 if name == "cs_n" else 1)
    assert refused(script) == ("frame" if name == "sck" else "not_safe_at_end")


@pytest.mark.req("SR-005")
def test_the_first_entry_sets_all_seven() -> None:
    entries = good().entries()
    on, off, delay = entries[0]
    for gpio in PINS.values():
        without = [(on & ~(1 << gpio), off & ~(1 << gpio), delay), *entries[1:]]
        refusal = decode(pack(without), LINES)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "unknown_state"


@pytest.mark.req("SR-005")
@pytest.mark.parametrize("name", ["a_pos", "a_neg", "b_pos", "b_neg", "sck"])
def test_the_first_entry_is_safe(name: str) -> None:
    entries = good().entries()
    on, off, delay = entries[0]
    mask = 1 << PINS[name]
    refusal = decode(pack([(on | mask, off & ~mask, delay), *entries[1:]]), LINES)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "unsafe_start"


@pytest.mark.req("SR-004")
def test_a_frame_needs_to_be_seen_from_its_beginning() -> None:
    entries = good().entries()
    on, off, _ = entries[0]
    low = (on & ~(1 << 16), off | 1 << 16, 1)
    refusal = decode(pack([low, *entries[1:]]), LINES)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "frame"


@pytest.mark.req("SR-005")
@pytest.mark.parametrize("gpio", [0, 5, 14, 21, 23, 25, 31])
def test_no_other_line(gpio: int) -> None:
    entries = good().entries()
    on, off, delay = entries[5]
    for bad in ((on | 1 << gpio, off, delay), (on, off | 1 << gpio, delay)):
        refusal = decode(pack([*entries[:5], bad, *entries[6:]]), LINES)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "foreign_line"


@pytest.mark.req("SR-005")
def test_no_line_in_on_and_off() -> None:
    entries = good().entries()
    mask = 1 << PINS["sdi"]
    refusal = decode(pack([*entries[:5], (mask, mask, 1), *entries[6:]]), LINES)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "on_and_off"


def test_no_entry_without_time() -> None:
    entries = good().entries()
    on, off, _ = entries[5]
    refusal = decode(pack([*entries[:5], (on, off, 0), *entries[6:]]), LINES)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "no_delay"


@pytest.mark.req("SR-006")
@pytest.mark.parametrize(("length", "verdict"), [(100_000, None), (100_001, "too_long")])
def test_length(length: int, verdict: str | None) -> None:
    script = Script(length)
    script.opening()
    script.closing()
    refusal = decode(script.data(), LINES)
    assert (refusal.code if isinstance(refusal, Refusal) else None) == verdict


@pytest.mark.req("SR-006")
def test_a_delay_is_no_negative_number() -> None:
    refusal = decode(pack([*good().entries()[:-1], (0, 0, 0xFFFF_FFFF)]), LINES)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "too_long"


@pytest.mark.req("SR-006")
def test_as_many_entries_as_a_chunk_may_have_are_read() -> None:
    refusal = decode(pack([(0, 0, 1)] * limits.CHUNK_MAX_ENTRIES), LINES)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "unknown_state"


@pytest.mark.req("SR-006")
@pytest.mark.parametrize("data", [b"", b"x", good().data()[:-1], pack([(0, 0, 1)] * (limits.CHUNK_MAX_ENTRIES + 1))])
def test_malformed(data: bytes) -> None:
    refusal = decode(data, LINES)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "malformed"
