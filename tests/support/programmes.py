"""Programme files for tests: a plain one to change, and a strategy of arbitrary valid ones.

The strategy knows the rules of the format by itself and asks nothing of the reader it is used to test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction

from hypothesis import strategies as st

TOP = {
    "schema": "1",
    "id": '"test"',
    "title": '{ nb = "Prøve", en = "Test" }',
    "source": '"made for a test"',
    "electrode": '{ kind = "vaginal probe", area_cm2 = 10.0 }',
}
CONTRACTION = {
    "name": '{ nb = "Styrke", en = "Strength" }',
    "channel": '"A"',
    "frequency_hz": "50.0",
    "phase_width_us": "250",
    "interphase_us": "100",
    "ramp_up_ms": "1000",
    "hold_ms": "5000",
    "ramp_down_ms": "500",
    "rest_ms": "7000",
    "repeats": "3",
    "intensity_percent": "100",
}
CONTINUOUS = {
    "name": '{ nb = "Ro", en = "Calm" }',
    "channel": '"A"',
    "frequency_hz": "10.0",
    "phase_width_us": "300",
    "interphase_us": "100",
    "ramp_up_ms": "2000",
    "continuous_s": "600",
    "ramp_down_ms": "2000",
    "intensity_percent": "80",
}
PAUSE = {"name": '{ nb = "Pause", en = "Break" }', "pause_s": "60"}


def changed(table: Mapping[str, str], **values: str | None) -> dict[str, str]:
    """The table with some raw TOML values replaced or added; None takes a key away."""
    return {key: value for key, value in {**table, **values}.items() if value is not None}


def programme_toml(*phases: Mapping[str, str], **top: str | None) -> bytes:
    """A programme file of raw TOML values: the phases given (one CONTRACTION if none), TOP with changes over them."""
    lines = [f"{key} = {value}" for key, value in changed(TOP, **top).items()]
    for phase in phases or (CONTRACTION,):
        lines += ["", "[[phase]]", *(f"{key} = {value}" for key, value in phase.items())]
    return ("\n".join(lines) + "\n").encode()


def decimals(low: int, high: int, *, above: bool = False, places: int = 9) -> st.SearchStrategy[str]:
    """A number from ``low`` (or above it) to ``high`` as a file may write it: whole, or with up to ``places``."""

    def written(place: int) -> st.SearchStrategy[str]:
        unit = 10**place
        return st.integers(low * unit + above, high * unit).map(
            lambda n: f"{n // unit}.{n % unit:0{place}d}" if place else str(n)
        )

    return st.integers(0, places).flatmap(written)


_TEXTS = st.text(alphabet="abcæøåÆØÅ 0123456789'\"\\{}[]#=.,:[[phase]]", min_size=1, max_size=30).filter(str.strip)


@st.composite
def _languages(draw: st.DrawFn) -> str:
    return "{{ nb = {}, en = {} }}".format(*(json.dumps(draw(_TEXTS), ensure_ascii=False) for _ in range(2)))


@st.composite
def _pulse(draw: st.DrawFn, top_hz: int) -> dict[str, str]:
    # width 20-800 us, gap 10-1000 us and at most 150 Hz always fit the period, and its half
    return {
        "name": draw(_languages()),
        "channel": draw(st.sampled_from(('"A"', '"B"', '"AB"'))),
        "frequency_hz": draw(st.one_of(decimals(1, top_hz), st.sampled_from(("1", str(top_hz), f"{top_hz}.0")))),
        "phase_width_us": str(draw(st.integers(20, 800))),
        "interphase_us": str(draw(st.integers(10, 1000))),
        "intensity_percent": draw(decimals(0, 100, above=True)),
    }


@st.composite
def _contraction(draw: st.DrawFn, room_ms: int) -> dict[str, str]:
    """Contractions of at most ``room_ms`` (at least 1 301 ms) with their rests."""
    longest = min(30_000, room_ms // 2, room_ms - 1_000)
    up = draw(st.integers(300, longest - 1))
    hold = draw(st.integers(1, longest - up))
    down = draw(st.one_of(st.just(0), st.integers(0, longest - up - hold)))
    active = up + hold + down
    least = max(1_000, active)
    rest = draw(st.one_of(st.just(least), st.integers(least, room_ms - active)))
    return {
        **draw(_pulse(150)),
        "ramp_up_ms": str(up),
        "hold_ms": str(hold),
        "ramp_down_ms": str(down),
        "rest_ms": str(rest),
        "repeats": str(draw(st.integers(1, room_ms // (active + rest)))),
    }


@st.composite
def _continuous(draw: st.DrawFn, room_ms: int) -> dict[str, str]:
    """A continuous phase of at most ``room_ms`` (at least 1 301 ms)."""
    up = draw(st.integers(300, room_ms - 1_001))
    seconds = draw(decimals(0, (room_ms - up) // 1_000, above=True, places=6))
    left = room_ms - up - int(-(-Fraction(seconds) * 1_000 // 1))
    down = draw(st.one_of(st.just(0), st.integers(0, left)))
    return {**draw(_pulse(20)), "ramp_up_ms": str(up), "continuous_s": seconds, "ramp_down_ms": str(down)}


@st.composite
def _pause(draw: st.DrawFn, room_ms: int, *, least_s: int = 0) -> dict[str, str]:
    """A pause of at most ``room_ms`` (at least 3 000 ms), not below ``least_s``."""
    longest = room_ms // 1_000
    seconds = draw(st.one_of(decimals(least_s, longest, above=not least_s, places=6), st.just(str(least_s or 1))))
    return {"name": draw(_languages()), "pause_s": seconds}


def _duration_us(phase: Mapping[str, str]) -> int:
    if "pause_s" in phase:
        return int(Fraction(phase["pause_s"]) * 1_000_000)
    active = _active_us(phase)
    if "continuous_s" in phase:
        return active
    return int(phase["repeats"]) * (active + int(phase["rest_ms"]) * 1_000)


def _active_us(phase: Mapping[str, str]) -> int:
    plateau = Fraction(phase["continuous_s"]) * 1_000 if "continuous_s" in phase else int(phase["hold_ms"])
    return int((int(phase["ramp_up_ms"]) + plateau + int(phase["ramp_down_ms"])) * 1_000)


def _shift_us(phase: Mapping[str, str]) -> int:
    return int(500_000 / Fraction(phase["frequency_hz"])) if phase["channel"] == '"AB"' else 0


def _mend_gaps(phases: list[dict[str, str]], cycles: int) -> None:
    """Lengthens rests where B, half a period late, would come too near to the next phase on B (at most 500 ms)."""
    for position, phase in enumerate(phases):
        if "rest_ms" not in phase or phase["channel"] != '"AB"':
            continue
        period = 1_000_000 / Fraction(phase["frequency_hz"])
        active = _active_us(phase)
        last = int((-(-active // period) - 1) * period)
        gap = active - last + int(phase["rest_ms"]) * 1_000 - _shift_us(phase)
        for other in phases[position + 1 :] + (phases[: position + 1] if cycles > 1 else []):
            if "pause_s" not in other and "B" in other["channel"]:
                gap += _shift_us(other)
                lacking = max(1_000_001, last) - gap
                if lacking > 0:
                    room = _duration_us(phase)
                    phase["rest_ms"] = str(int(phase["rest_ms"]) - (-lacking // 1_000))
                    phase["repeats"] = str(max(1, room // (active + int(phase["rest_ms"]) * 1_000)))
                break
            gap += _duration_us(other)


@st.composite
def valid_programmes(draw: st.DrawFn, max_seconds: int = 60) -> bytes:
    """TOML bytes of arbitrary valid programmes of at most ``max_seconds`` (10 to 2 700), rests and cycles included.

    One to five phases in any order, on A, B or both, with frequencies, intensities and times of any allowed decimals,
    ramps down of 0, pauses, continuous phases and cycles. What a set-point may be is not the file's matter.
    """
    cycles = draw(st.integers(1, min(4, max_seconds // 10)))
    room_ms = max_seconds * 1_000 // cycles
    phases: list[dict[str, str]] = []
    count = draw(st.integers(1, 4))
    must_play = draw(st.integers(0, count - 1))
    for position in range(count):
        kept = 0 if position >= must_play else 2_000  # room for one phase with pulses
        free = room_ms - kept - 600  # and for a rest that must be mended, or a last pulse that ends late
        kinds = ["pause"] if position != must_play and free >= 3_000 else []
        kinds += ["contraction"] if free >= 1_301 else []
        kinds += ["continuous"] if free >= 4_301 else []
        if not kinds:
            continue
        kind = draw(st.sampled_from(kinds))
        if kind == "pause":
            added = [draw(_pause(free))]
        elif kind == "contraction":
            added = [draw(_contraction(free))]
        else:
            added = [draw(_continuous(free - 3_000))]
            is_end = cycles == 1 and position == count - 1
            if not (is_end and draw(st.booleans())):
                added.append(draw(_pause(3_000, least_s=2)))
        phases += added
        room_ms -= sum(-(-_duration_us(phase) // 1_000) for phase in added)
        room_ms -= 500 if added[0].get("channel") == '"AB"' else 0
    _mend_gaps(phases, cycles)
    top: dict[str, str | None] = {
        "id": json.dumps(draw(st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True))),
        "title": draw(_languages()),
        "source": json.dumps(draw(_TEXTS), ensure_ascii=False),
        "electrode": "{{ kind = {}, area_cm2 = {} }}".format(
            draw(st.sampled_from(('"vaginal probe"', '"anal probe"', '"surface"'))), draw(decimals(1, 500))
        ),
        "cycles": str(cycles) if cycles > 1 or draw(st.booleans()) else None,
    }
    return programme_toml(*phases, **top).replace(b"\n", draw(st.sampled_from((b"\n", b"\r\n"))))
