"""The independent decoder: against a hand-written edge file, and on correct files and small deviations from them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.decoder import Pulse, decode, summary, verify
from tests.decoder.__main__ import main
from tests.decoder.making import LEAD_US, MadePulse, Pause, Train, programme, pulses_of, rows_of
from tests.decoder.session import FINAL_UA, PARTS, STEPS, kinds, made_pulses, violations_of

HERE = Path(__file__).parent
DECODER_FILES = {"__init__.py", "__main__.py", "edges.py", "findings.py", "plan.py", "rise.py", "verify.py"}
HAND_EDGES = HERE / "data" / "hand.csv"
HAND_PROGRAMME = HERE / "data" / "hand.toml"


# --- the hand-written file ------------------------------------------------------------------------------------


def test_hand_written_file_is_decoded_to_the_figures_written_beside_it() -> None:
    decoded = decode(HAND_EDGES)
    assert decoded.pulses == (
        Pulse("A", start_us=100, pos_us=200, gap_us=50, neg_us=200, code=0, code_neg=0),
        Pulse("A", start_us=909190, pos_us=200, gap_us=50, neg_us=200, code=81, code_neg=81),
        Pulse("A", start_us=1818281, pos_us=200, gap_us=50, neg_us=200, code=16, code_neg=16),
    )
    assert [(f.fall_us, f.rise_us, f.channel, f.code) for f in decoded.frames] == [
        (0, 33, "A", 0),
        (35, 68, "B", 0),
        (909000, 909033, "A", 81),
        (1818100, 1818133, "A", 16),
        (1818800, 1818833, "A", 0),
        (1818840, 1818873, "B", 0),
    ]
    assert decoded.rows == 240
    assert decoded.net_charge == {"A": 0, "B": 0}
    assert decoded.problems == ()


def test_hand_written_file_is_summed_up() -> None:
    told = summary(decode(HAND_EDGES))
    assert told["A"]["pulses"] == 3
    assert told["A"]["trains"] == 1
    assert told["A"]["peak_code"] == 81
    assert told["A"]["peak_ma"] == pytest.approx(0.98876953)  # 81 / 4096 x 50 mA
    assert told["A"]["charge_per_phase_code_us"] == 81 * 200
    assert told["A"]["charge_per_phase_uc"] == pytest.approx(0.197753906)  # 0.98876953 mA x 200 us
    assert told["A"]["net_charge_code_us"] == 0
    assert told["B"]["pulses"] == 0


def test_hand_written_file_keeps_its_programme_at_2_ma_and_at_no_other_set_point() -> None:
    decoded, toml = decode(HAND_EDGES), HAND_PROGRAMME.read_bytes()
    assert verify(decoded, toml, 2000) == []
    assert verify(decoded, toml, 2000, steps=[(700_000, 2000)]) == []
    assert kinds(verify(decoded, toml, 1900)) == {"over the set-point", "not reached"}
    assert kinds(verify(decoded, toml, 2100)) == {"not reached"}
    # 0.9 s is the end of the file's hold before pulse 1, 1.0 s is after pulse 1, and 0.4 s is in the ramp
    assert verify(decoded, toml, 2000, steps=[(900_000, 2000)]) == []
    assert kinds(verify(decoded, toml, 2000, steps=[(1_000_000, 2000)])) == {"code"}
    assert kinds(verify(decoded, toml, 2000, steps=[(400_000, 2000)])) == {"raised outside a hold"}


def test_the_command_line_prints_and_exits_by_what_it_found(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files = [str(HAND_EDGES), str(HAND_PROGRAMME)]
    assert main([*files, "--intensity-ma", "2"]) == 0
    assert "A: pulses 3, trains 1, peak_code 81" in capsys.readouterr().out
    assert main([*files, "--intensity-ma", "1.9"]) == 1
    assert "VIOLATION over the set-point: channel A at 909190 us: code 81" in capsys.readouterr().out
    assert main([*files, "--intensity-ma", "2", "--until-s", "1.5"]) == 0
    assert main([*files, "--intensity-ma", "2", "--until-s", "0.5"]) == 1
    assert "VIOLATION ramped end" in capsys.readouterr().out
    assert main([*files, "--intensity-ma", "3", "--unreached"]) == 0
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("time_us,gpio,level\n0,16\n", encoding="ascii")
    assert main([str(wrong), files[1], "--intensity-ma", "2"]) == 2
    assert "'0,16' is no row" in capsys.readouterr().err


# --- correct files --------------------------------------------------------------------------------------------


def test_a_correct_session_has_no_violation() -> None:
    rows = rows_of(made_pulses())
    assert violations_of(rows) == []
    assert violations_of(rows, steps=STEPS) == []
    told = summary(decode(rows))
    assert {channel: (told[channel]["pulses"], told[channel]["trains"]) for channel in "AB"} == {
        "A": (488, 3),  # 225 + 225 + 38
        "B": (78, 2),  # 38 + 40
    }


def test_cycles_and_other_lines_do_not_disturb() -> None:
    parts = [*PARTS[:1], Pause(1)]
    made = pulses_of(parts, STEPS, cycles=2)
    others = [(0, 25, 1), (0, 4, 1), (50_000, 23, 1), (60_000, 23, 0), (70_000_000, 25, 0)]
    rows = sorted(rows_of(made) + others, key=lambda row: row[0])
    assert verify(decode(rows), programme(parts, cycles=2), {"A": FINAL_UA, "B": 0}) == []
    assert kinds(verify(decode(rows), programme(parts, cycles=1), FINAL_UA)) == {"pulse count", "extra pulse"}


def test_shortest_gap_fastest_rate_and_a_continuous_stretch_before_a_short_pause_are_good() -> None:
    parts: list[Train | Pause] = [
        Train("A", "150", 20, 10, up=300, hold=700, down=0, rest=1000, repeats=1, percent=100),
        Train("A", "20", 800, 1000, up=300, hold=6000, down=0, rest=0, repeats=1, percent=100),
        Pause(2),
        Train("A", "1", 100, 100, up=1000, hold=4000, down=0, rest=5000, repeats=1, percent=100),
    ]
    steps = {"A": [(500_000, 2000)], "B": []}
    assert verify(decode(rows_of(pulses_of(parts, steps))), programme(parts), 2000) == []


def test_a_beginning_is_enough_only_if_that_is_asked() -> None:
    rows = rows_of(made_pulses()[:150])
    assert violations_of(rows, whole=False) == []
    assert kinds(violations_of(rows)) == {"pulse count", "missing pulse", "not reached"}
    assert kinds(violations_of(rows, whole=False, reached=True)) == {"not reached"}


def test_set_points_without_the_rules_of_the_rise() -> None:
    steps = {"A": [(0, FINAL_UA)], "B": [(0, FINAL_UA)]}
    rows = rows_of(pulses_of(PARTS, steps))
    assert violations_of(rows, steps=steps, rise=False) == []
    assert kinds(violations_of(rows, steps=steps)) == {"step over 2000 uA", "raised outside a hold"}
    assert kinds(violations_of(rows)) == {"rise against several rules"}
    with pytest.raises(ValueError, match="steps must be given"):
        violations_of(rows, rise=False)


def test_an_empty_file_misses_every_pulse() -> None:
    assert kinds(violations_of([])) == {"code at the end", "pulse count", "missing pulse", "not reached"}


# --- sessions ended early -------------------------------------------------------------------------------------


def ended_early(until_us: int, fall_us: int) -> list[MadePulse]:
    """The session cut at until_us after its first pulse, its codes then falling to 0 in fall_us."""
    ended = []
    for pulse in made_pulses():
        late = pulse.start - LEAD_US - until_us
        if late < fall_us:
            pulse.code = pulse.code if late < 0 else pulse.code * (fall_us - late) // fall_us
            ended.append(pulse)
    return ended


def test_a_ramped_end_is_good() -> None:
    for until_us in (3_900_000, 12_000_000, 19_000_000, 28_000_000):  # in a plateau, in another, in a rest, in B
        assert violations_of(rows_of(ended_early(until_us, 400_000)), until_us=until_us) == []
    early = rows_of(ended_early(3_000_000, 400_000))
    assert violations_of(early, until_us=3_000_000, reached=False) == []
    assert kinds(violations_of(early, until_us=3_000_000)) == {"not reached"}


def test_a_wrong_end_is_found() -> None:
    until_us = 11_500_000
    assert any(
        "later than 500000 us" in text
        for text in violations_of(rows_of(ended_early(until_us, 600_000)), until_us=until_us)
    )
    held = ended_early(until_us, 400_000)
    for pulse in held:
        pulse.code = max(pulse.code, 491) if pulse.start > until_us else pulse.code
    assert any("do not fall" in text for text in violations_of(rows_of(held), until_us=until_us))
    rising = ended_early(until_us, 400_000)
    rising[-3].code += 60
    assert any("rises from" in text for text in violations_of(rows_of(rising), until_us=until_us))
    assert any(
        "a contraction that begins after the end" in text
        for text in violations_of(rows_of(ended_early(8_800_000, 400_000)), until_us=8_800_000)
    )
    missing = ended_early(until_us, 400_000)
    del missing[-40]
    assert "missing pulse" in kinds(violations_of(rows_of(missing), until_us=until_us))


# --- the set-point --------------------------------------------------------------------------------------------

LONG_HOLD: list[Train | Pause] = [
    Train("A", "100", 200, 100, up=300, hold=9000, down=300, rest=9600, repeats=2, percent=100)
]


def rise_by(step_ua: int, apart_us: int, count: int, begin_us: int = 500_000) -> list[tuple[int, int]]:
    return [(begin_us + i * apart_us, (i + 1) * step_ua) for i in range(count)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (rise_by(2000, 1_000_000, 7), set()),
        (rise_by(2001, 1_000_000, 7), {"step over 2000 uA"}),
        (rise_by(3000, 1_000_000, 4), {"step over 2000 uA"}),
        (rise_by(2000, 990_000, 7), {"steps under 1 s apart"}),
        (rise_by(2000, 500_000, 7), {"steps under 1 s apart"}),
        ([(100_000, 2000), (1_200_000, 4000)], {"raised outside a hold"}),  # in the ramp up
        ([(1_000_000, 2000), (9_350_000, 4000)], {"raised outside a hold"}),  # in the ramp down
        ([(1_000_000, 2000), (12_000_000, 4000)], {"raised outside a hold"}),  # in the rest
        ([(1_000_000, 2000), (19_300_000, 4000)], {"raised outside a hold"}),  # in the next ramp up
        ([(1_000_000, 2000), (3_000_000, 4000), (5_000_000, 3000), (7_000_000, 4000)], {"set-point falls"}),
    ],
)
def test_rise_of_the_set_point(steps: list[tuple[int, int]], expected: set[str]) -> None:
    toml, final_ua = programme(LONG_HOLD), steps[-1][1]
    # the generator takes the largest set-point so far; a fall is drawn by hand
    made = pulses_of(LONG_HOLD, {"A": steps})
    for pulse in made:
        if "set-point falls" in expected and 5_000_000 <= pulse.start - LEAD_US < 7_000_000:
            pulse.code = 245  # floor(3000 x 4096 / 50000)
    decoded = decode(rows_of(made))
    assert expected <= kinds(verify(decoded, toml, final_ua)) <= expected | {"set-point falls"}
    if not expected:
        assert verify(decoded, toml, final_ua) == []
    explicit = kinds(verify(decoded, toml, final_ua, steps=steps))
    assert expected <= explicit <= expected | {"step over 2000 uA"}


def test_a_code_whose_set_points_end_on_a_whole_microampere() -> None:
    # 3125 x 4096 / 50000 is exactly 256, so code 255 shows at most 3124 uA
    made = pulses_of(LONG_HOLD, {"A": [(1_000_000, 2000), (2_500_000, 3125)]})
    assert verify(decode(rows_of(made)), programme(LONG_HOLD), 3125) == []
    assert made[500].code == 256
    made[500].code = 255
    told = "code 255 shows a set-point of 3113-3124 uA, 3125-3125 uA stood before"
    assert verify(decode(rows_of(made)), programme(LONG_HOLD), 3125) == [
        f"set-point falls: channel A at 5000200 us: {told}"
    ]


def test_the_final_set_point_must_be_reached_and_not_exceeded() -> None:
    decoded = decode(rows_of(pulses_of(LONG_HOLD, {"A": rise_by(2000, 1_000_000, 3)})))
    toml = programme(LONG_HOLD)
    assert verify(decoded, toml, 6000) == []
    assert verify(decoded, toml, 8000) == [
        "not reached: the last plateau of channel A shows code 491, 8000 uA give 655"
    ]
    assert verify(decoded, toml, 8000, reached=False) == []
    assert kinds(verify(decoded, toml, 5990)) == {"over the set-point", "not reached"}


# --- files that are none --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "0,16,0\n", "time,gpio,level\n0,16,0\n"]
    + [
        f"time_us,gpio,level\n{row}\n"
        for row in ("0,16", "0,16,0,0", "0.5,16,0", "0,16,2", "0,-1,0", "x,16,0", "0,99,0")
    ],
)
def test_a_file_that_is_no_edge_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text(text, encoding="ascii")
    with pytest.raises(ValueError, match=r"edges\.csv"):
        decode(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema = 1", "schema = 2"),
        ("cycles = 1", "cycles = 1.5"),
        ("frequency_hz = 50.0", "frequency_hz = -50.0"),
        ("frequency_hz = 50.0", "frequency_hz = nan"),
        ("frequency_hz = 50.0", "frequency_hz = true"),
        ("phase_width_us = 250", "phase_width_us = 250.5"),
        ("hold_ms = 3000", "hold_ms = -1"),
        ("rest_ms = 4500", ""),
        ('channel = "A"', 'channel = "C"'),
    ],
)
def test_a_programme_that_cannot_be_read_exactly_is_refused(old: str, new: str) -> None:
    toml = programme(PARTS).decode()
    assert old in toml
    decoded = decode(rows_of(made_pulses()[:3]))
    with pytest.raises(ValueError, match=r".+"):
        verify(decoded, toml.replace(old, new, 1).encode(), FINAL_UA)


# --- independence ---------------------------------------------------------------------------------------------


def test_the_decoder_imports_the_standard_library_alone() -> None:
    checked = []
    for path in sorted(HERE.rglob("*.py")):
        of_the_test = path.name.startswith("test_")
        allowed = set(sys.stdlib_module_names) - {"importlib", "runpy", "ctypes"} | (
            {"pytest"} if of_the_test else set()
        )
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path.name}: a relative import"
                modules = [str(node.module)]
            else:
                called = isinstance(node, ast.Name) and node.id in ("__import__", "exec", "eval")
                assert not called, f"{path.name}: a hidden import"
                continue
            for module in modules:
                own = module == "tests.decoder" or module.startswith("tests.decoder.")
                assert own or module.split(".")[0] in allowed, f"{path.name} imports {module}"
                if path.name == "making.py":
                    assert not own, f"{path.name} imports {module}"
                if path.name in DECODER_FILES:
                    aid = module in ("tests.decoder.making", "tests.decoder.session")
                    assert not aid, f"{path.name} imports {module}"
        checked.append(path.name)
    assert {*DECODER_FILES, "making.py"} <= set(checked)
