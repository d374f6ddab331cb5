"""README and docs against the tree: figures, sources, names, commands and links must be those of the code."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import io
import itertools
import re
import shlex
import tomllib
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pigpio
import pytest
from gpiozero.pins.pi import PiBoardInfo

from controller.cli import main
from controller.programme import Stimulation, load_programme, parse_programme, programme_path, shipped_programmes
from controller.timeline import Timeline
from controller.waveform import Amplitude, Encoder
from hw.board import REFERENCE_BOARD, load_board
from tests.support.sim import Sim, disconnect
from tests.support.stack import short_programme

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LIMITS, HARDWARE = ROOT / "docs" / "limits.md", ROOT / "docs" / "hardware.md"
INTERLOCK = ROOT / "docs" / "interlock.md"
RASPBERRY_PI_3B = 0xA02082
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

Row = dict[str, str]


# --- reading a page ---------------------------------------------------------------------------------------------------


def blocks(text: str) -> list[str]:
    """The lines of code that stand by themselves: indented by four after an empty line, or between fences.

    What the site is told between fences (``{toctree}``) is no code, and is checked by its builder.
    """
    found, fenced, open_ = [], False, True
    for line in re.sub(r"^```\{.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE).splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or (open_ and line.startswith("    ") and line.strip()):
            found.append(line.strip())
        open_ = not line.strip() or (open_ and line.startswith("    "))
    return found


def spans(text: str) -> list[str]:
    """What stands between backticks in the running text; a line's end inside counts as a space."""
    running = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", running)]


def tables(page: Path) -> Iterator[list[Row]]:
    """Every table of a page: its rows, by column. What stands between fences is no table."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    lines = [*text.splitlines(), ""]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    start = None
    for number, line in enumerate(lines):
        if line.startswith("|") and start is None:
            start = number
        elif not line.startswith("|") and start is not None:
            head, ruler, *rows = cells[start:number]
            assert all(re.fullmatch(r":?-+:?", cell) for cell in ruler), f"{page.name}:{start + 2}: no table"
            assert all(len(row) == len(head) for row in rows), f"{page.name}: a row of the table at line {start + 1}"
            yield [dict(zip(head, row, strict=True)) for row in rows]
            start = None


def table(page: Path, *columns: str) -> list[Row]:
    """The rows of the only table of a page that has these columns."""
    found = [rows for rows in tables(page) if set(columns) <= set(rows[0])]
    assert len(found) == 1, f"{page.name}: {len(found)} tables with the columns {columns}"
    return found[0]


# --- the board --------------------------------------------------------------------------------------------------------


@cache
def board_file() -> dict[str, Any]:
    return tomllib.loads(REFERENCE_BOARD.read_text(encoding="utf-8"))


@pytest.mark.req("SR-101")
def test_the_lines_are_those_of_the_board_file() -> None:
    shown = {
        row["line"]: (int(row["GPIO"]), row["direction"], {"low": 0, "high": 1}.get(row["safe"], row["safe"]))
        for row in table(HARDWARE, "line", "GPIO", "direction", "safe")
    }
    lines = board_file()["lines"]
    assert shown == {name: (line["gpio"], line["direction"], line["safe"]) for name, line in lines.items()}


def test_the_header_pins_are_those_of_a_raspberry_pi() -> None:
    info = PiBoardInfo.from_revision(RASPBERRY_PI_3B)
    for row in table(HARDWARE, "line", "GPIO", "header"):
        assert [str(pin.number) for _, pin in info.find_pin(f"GPIO{row['GPIO']}")] == [row["header"]], row["line"]


def test_the_adc_channels_and_all_other_figures_are_those_of_the_board_file() -> None:
    raw = board_file()
    shown = {f"adc.{row['name in the board file']}": row["channel"] for row in table(HARDWARE, "channel", "transfer")}
    for row in table(HARDWARE, "key", "value"):
        assert row["key"] not in shown
        shown[row["key"]] = row["value"]
    sections = ("channel", "adc", "pigpiod")
    assert shown == {f"{part}.{key}": str(value) for part in sections for key, value in raw[part].items()}


@pytest.mark.req("SR-101")
def test_the_transfers_are_those_of_the_board_file() -> None:
    adc, channel = board_file()["adc"], board_file()["channel"]
    peak = f"full scale gives {adc['peak_full_scale_mv'] / 1000:.3f} V"
    volt, divider = channel["compliance_v"], adc["electrode_divider"]
    electrode = f"1:{divider}; {volt:.0f} V gives {volt / divider:.3f} V"
    rail = f"1:{adc['rail_divider']}; 63 V gives {63 / adc['rail_divider']:.3f} V"
    average = f"{adc['average_zero_mv'] / 1000:.3f} V at 0, {adc['average_mv_per_ma']} mV for each mA"
    shown = {row["name in the board file"]: row["transfer"] for row in table(HARDWARE, "channel", "transfer")}
    assert shown == {
        **dict.fromkeys(("peak_a", "peak_b"), peak),
        **dict.fromkeys(("electrode_a", "electrode_b"), electrode),
        "rail": rail,
        **dict.fromkeys(("average_a", "average_b"), average),
        "reference": f"{adc['reference_mv'] / 1000:.3f} V",
    }


def test_the_figures_of_the_parts_follow_from_the_board_file() -> None:
    board, text = load_board(), " ".join(HARDWARE.read_text(encoding="utf-8").split())
    full = board.full_scale_ua / 1000
    for words in (
        f"full scale {full:.0f} mA",
        f"up to {board.compliance_v:.0f} V across the electrode: up to 1 200 ohm at {full:.0f} mA",
        f"{board.series_capacitor_uf:.0f} uF; the bleeder",
        f"reference {board.adc.vref_mv / 1000:.3f} V",
        f"At {full:.0f} mA one step is {board.full_scale_ua / 4096:.1f} uA",
        f"the largest code gives {full * 4095 / 4096:.3f} mA",
        f"up to {board.adc.vref_mv / board.adc.peak_full_scale_mv:.2f} times the full scale",
        f"the {len(board.lines)} lines above",
    ):
        assert words in text, words
    assert board.compliance_v / full * 1000 == 1200


@pytest.mark.req("SR-101")
def test_the_daemon_is_started_with_the_boards_mask_and_sampling() -> None:
    board = load_board()
    (line,) = (line for line in blocks(HARDWARE.read_text(encoding="utf-8")) if line.startswith("pigpiod "))
    options = shlex.split(line)
    assert int(options[options.index("-x") + 1], 0) == board.mask(*board.lines)
    assert int(options[options.index("-s") + 1]) == board.sample_us


# --- figures beside the constants they come from ----------------------------------------------------------------------

UNITS = {
    "us": ("s", Fraction(1, 10**6)),
    "ms": ("s", Fraction(1, 10**3)),
    "s": ("s", Fraction(1)),
    "min": ("s", Fraction(60)),
    "uA": ("A", Fraction(1, 10**6)),
    "mA": ("A", Fraction(1, 10**3)),
    "pC": ("C", Fraction(1, 10**12)),
    "uC": ("C", Fraction(1, 10**6)),
    "nJ": ("J", Fraction(1, 10**9)),
    "mJ": ("J", Fraction(1, 10**3)),
    "Hz": ("Hz", Fraction(1)),
    "V": ("V", Fraction(1)),
    "mV": ("V", Fraction(1, 10**3)),
    "%": ("%", Fraction(1)),
    "ohm": ("ohm", Fraction(1)),
    "mm2": ("cm2", Fraction(1, 100)),
    "cm2": ("cm2", Fraction(1)),
    "uA/cm2": ("A/cm2", Fraction(1, 10**6)),
    "mA/cm2": ("A/cm2", Fraction(1, 10**3)),
    "mW/cm2": ("W/cm2", Fraction(1, 10**3)),
    "W/cm2": ("W/cm2", Fraction(1)),
    "": ("", Fraction(1)),
}
BY_NAME = {unit.upper().replace("/", "_PER_").replace("%", "PERCENT"): unit for unit in UNITS if unit}
SEEN = r"\b(?:read|quoted|ours)\b|Measured(?=:)"
Quantity = tuple[str, Fraction]


def quantities(figure: str) -> list[Quantity]:
    """The numbers of a figure such as "20 to 800 us", each in the base of its unit."""
    match = re.fullmatch(r"((?:[\d.]+(?:, | to | or | and )?)+) ?(\D*\d?)", figure)
    assert match, f"{figure!r} is no figure with a unit"
    base, scale = UNITS[match[2]]
    return [(base, Fraction(number) * scale) for number in re.findall(r"[\d.]+", match[1])]


def resolve(name: str) -> tuple[Path, str]:
    """``path::NAME``, or a bare NAME of ``safety/limits.py``."""
    path, _, constant = name.rpartition("::")
    return ROOT / (path or "safety/limits.py"), constant


def constant_quantities(name: str) -> list[Quantity]:
    """A constant's value in the base of the unit that its name ends in."""
    path, constant = resolve(name)
    value = getattr(importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)), constant)
    unit = max((one for one in BY_NAME if constant.endswith(f"_{one}")), key=len, default=None)
    base, scale = UNITS[BY_NAME[unit] if unit else ""]
    values = value if isinstance(value, tuple) else (value,)
    return [(base, Fraction(str(one)) * scale) for one in values]


def rows_with_constants() -> list[tuple[Path, Row]]:
    return [(page, row) for page in PAGES for rows in tables(page) if "constant" in rows[0] for row in rows]


def constants(row: Row) -> list[str]:
    return re.findall(r"`([^`]+)`", row["constant"])


def documentation(name: str) -> str:
    """The text that stands below a constant of the limits."""
    path, constant = resolve(name)
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for statement, after in itertools.pairwise(body):
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == constant:
            assert isinstance(after, ast.Expr), f"{constant} has no text"
            assert isinstance(after.value, ast.Constant), f"{constant} has no text"
            return str(after.value.value)
    raise AssertionError(f"{constant} is not in {path}")


def test_every_figure_is_that_of_its_constant() -> None:
    rows = rows_with_constants()
    assert len(rows) > 40
    for page, row in rows:
        # A column called "value" says that "figure" holds words.
        shown = quantities(row.get("value") or row["figure"])
        meant = [quantity for name in constants(row) for quantity in constant_quantities(name)]
        assert shown == meant, f"{page.name}: {row}"


def limit_rows() -> list[Row]:
    return [row for page, row in rows_with_constants() if page == LIMITS and "seen" in row]


def test_every_limit_stands_in_its_table_once() -> None:
    names = [name for row in limit_rows() for name in constants(row)]
    tree = ast.parse((ROOT / "safety" / "limits.py").read_text(encoding="utf-8"))
    assert sorted(names) == sorted(ast.unparse(one.target) for one in tree.body if isinstance(one, ast.AnnAssign))


def test_how_each_source_was_seen_is_told_alike() -> None:
    for row in limit_rows():
        words = {word.lower() for name in constants(row) for word in re.findall(SEEN, documentation(name))}
        if constants(row) != ["SHANNON_HARM_K"]:  # the one figure that is no limit; its text names no source
            assert set(row["seen"].split(", ")) == words, row
        assert set(row["seen"].split(", ")) <= {"read", "quoted", "ours", "measured"}


def test_who_holds_a_limit_is_true() -> None:
    modules = {row["word"]: row["module"].strip("`") for row in table(LIMITS, "word", "module")}
    product = [path for folder in ("controller", "safety", "hw", "api") for path in (ROOT / folder).rglob("*.py")]
    source = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in product}
    del source["safety/limits.py"]
    used = set()
    for row in (row for row in limit_rows() if "held by" in row):
        for name in constants(row):
            mentioned = {path for path, text in source.items() if re.search(rf"\b{name}\b", text)}
            if row["held by"] == "nobody yet":
                assert not mentioned, f"{name} is held by {mentioned}"
                continue
            words = row["held by"].split(", ")
            used.update(words)
            assert {modules[word] for word in words} <= mentioned, f"{name} is not held by all of {words}"
    assert used == set(modules)


def test_the_programmes_are_those_that_come_with_it() -> None:
    rows = {row["programme"]: row for row in table(LIMITS, "programme", "Hz", "width")}
    assert rows.keys() == shipped_programmes().keys()
    for name, row in rows.items():
        programme = load_programme(programme_path(name))
        phases = [phase for phase in programme.phases if isinstance(phase, Stimulation)]
        trains = [phase for phase in phases if not phase.continuous]
        seconds = {part: [f"{float(Fraction(us, 10**6)):g}" for us in of] for part, of in parts(trains).items()}
        assert row["Hz"] == ", ".join(unique(f"{float(phase.frequency_hz):g}" for phase in phases)), name
        assert row["width"] == f"{', '.join(unique(str(phase.phase_width_us) for phase in phases))} us", name
        assert row["hold"] == (f"{', '.join(unique(seconds['hold']))} s" if trains else "continuous"), name
        assert row["rest"] == (f"{', '.join(unique(seconds['rest']))} s" if trains else "-"), name
        assert row["minutes"] == f"{programme.duration_us / 60e6:.1f}", name


def parts(trains: list[Stimulation]) -> dict[str, list[int]]:
    return {"hold": [one.plateau_us for one in trains], "rest": [one.rest_us for one in trains]}


def unique(values: Any) -> list[str]:
    return list(dict.fromkeys(values))


def test_what_follows_from_the_limits() -> None:
    """The sentences below the tables that draw conclusions from several limits."""
    from safety import limits

    text = " ".join(LIMITS.read_text(encoding="utf-8").split())
    most_a = Fraction(max(limits.FULL_SCALES_UA), 10**6)
    charge_c = Fraction(limits.CHARGE_PER_PHASE_MAX_PC, 10**12)
    energy_mj = 2 * most_a * charge_c * limits.STANDARD_LOAD_OHM * 1000
    assert f"{most_a * 1000} mA and {charge_c * 10**6} uC come to {energy_mj} mJ" in text
    starts = -(-limits.RMS_WINDOW_US // limits.START_TO_START_MIN_US)
    rms_ma = float(2 * most_a * charge_c * starts) ** 0.5 * 1000
    assert 34 < rms_ma < 35
    assert f"{limits.FREQUENCY_MAX_HZ} Hz come to less than 35 mA" in text
    dense = Fraction(limits.RMS_DENSITY_MAX_UA_PER_CM2, 10**6)
    even_cm2 = Fraction(limits.POWER_DENSITY_MAX_MW_PER_CM2, 1000) / limits.STANDARD_LOAD_OHM / dense**2
    assert f"Up to {even_cm2} cm2 the 2 mA/cm2 bind" in text


def entries(programme: bytes, set_point_ua: int) -> list[int]:
    """Entries of each chunk of a programme's first 40 s."""
    board = load_board()
    encoder = Encoder(board)
    made = []
    for slice_ in itertools.islice(Timeline(parse_programme(programme, "test")).slices(), 400):
        codes = Amplitude({"A": set_point_ua, "B": set_point_ua}, board.full_scale_ua).codes(slice_.pulses, {})
        made.append(len(encoder.encode(slice_, codes)) // 12)
    return made


def test_the_sizes_of_chunks_and_slots_are_those_told() -> None:
    silent, hold = min(found := entries(short_programme(), 20_000)), found[10]
    fast = short_programme(
        channel='"AB"', frequency_hz="150.0", phase_width_us=300, ramp_up_ms=9000, hold_ms=10_000, ramp_down_ms=9000,
        rest_ms=30_000, repeats=1,
    )  # fmt: skip
    most = max(entries(fast, 20_000))
    text = " ".join((ROOT / "docs/decisions/0003-amplitude-inside-the-waveform.md").read_text(encoding="utf-8").split())
    assert f"{silent} entries for a silent chunk, {hold} in a hold at 50 Hz, and {most // 1000} {most % 1000}" in text
    slot_one, slot_both = 3574, 2393
    assert f"padded slot at least {slot_both // 1000} {slot_both % 1000} " in text
    assert f"takes {slot_one} that only set or only clear lines, {slot_both} that do both" in LIMITS.read_text()
    with Sim.start("--bare") as sim:
        pi = pigpio.pi("127.0.0.1", sim.port)
        try:
            for pulse, fits in (
                (pigpio.pulse(1 << 24, 0, 1), slot_one),
                (pigpio.pulse(1 << 24, 1 << 27, 1), slot_both),
            ):
                pi.wave_clear()
                pi.wave_add_generic([pulse] * fits)
                assert pi.wave_create_and_pad(30) == 0
                pi.wave_clear()
                pi.wave_add_generic([pulse] * (fits + 1))
                with pytest.raises(pigpio.error):
                    pi.wave_create_and_pad(30)
        finally:
            disconnect(pi)


# --- names ------------------------------------------------------------------------------------------------------------

SUFFIXES = "md|py|toml|sh|txt|lock|json|cfg|ini|yml|service"
PATH = re.compile(rf"(?:[\w.*-]+/)+[\w.*-]*|[\w*-]+\.(?:{SUFFIXES})|Makefile|LICENSE")


@cache
def defined(path: Path) -> set[str]:
    """Functions, classes, methods and constants of a module, methods as Class.method."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            if isinstance(target, ast.Name):
                found.add(target.id)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return found


def code(page: Path) -> list[str]:
    """Every piece of code of a page: spans of the text, and lines that stand by themselves."""
    text = page.read_text(encoding="utf-8")
    return [*spans(text), *blocks(text)]


def written_files(page: Path) -> set[str]:
    """Files that a command of the page writes, or its reader."""
    pieces = code(page)
    reader = re.findall(r"Write `(\S+)`:", page.read_text(encoding="utf-8"))
    copies = [found[1] for piece in pieces if (found := re.fullmatch(r"cp \S+ (\S+)", piece))]
    written = [name for piece in pieces for name in re.findall(r"--(?:edges|plot)[ =](\S+)", piece)]
    return {*reader, *copies, *written}


@pages
def test_every_file_that_is_named_exists(page: Path) -> None:
    outputs = written_files(page)
    for piece in code(page):
        for word in piece.split():
            name = word.partition("::")[0].strip(",;:()")
            if not PATH.fullmatch(name) or name in outputs or name.startswith((".venv/", "build/")):
                continue
            found = list(ROOT.glob(name.rstrip("/"))) or ("/" not in name and list((ROOT / "tests").rglob(name)))
            assert found, f"{page.name}: {name}"


@pages
def test_every_function_and_test_that_is_named_exists(page: Path) -> None:
    for span in spans(page.read_text(encoding="utf-8")):
        path, separator, name = span.partition("::")
        if separator:
            assert name in defined(ROOT / path), f"{page.name}: {span}"


TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pages
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    for piece in code(page):
        for target in re.findall(r"(?:^|&& )make ([a-z-]+)", piece):
            assert target in TARGETS, f"{page.name}: make {target}"


class Parsed(BaseException):
    """Ends the command after its arguments were taken, before anything is done."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        super().__init__()
        self.arguments = arguments


def parsed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """What the command ``pelvistim`` makes of its arguments; it runs nothing. Fails as the command does."""
    take = argparse.ArgumentParser.parse_args

    def parse_args(self: argparse.ArgumentParser, *args: Any) -> None:
        raise Parsed(take(self, *args))

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        with pytest.raises(Parsed) as caught:
            main(words)
    return caught.value.arguments


@pytest.fixture(name="offered", scope="module")
def _offered() -> dict[str, set[str]]:
    """The subcommands of ``pelvistim`` and the options of each, as its help lists them."""

    def said(*words: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit):
            main([*words, "--help"])
        return out.getvalue()

    listed = re.search(r"\{([a-z,-]+)\}", said())
    assert listed
    return {name: set(re.findall(r"--[a-z-]+", said(name))) for name in listed[1].split(",")}


def options_of(module: str) -> str:
    """The source that reads a module's arguments: its own, or that of ``-m`` on a package."""
    path = ROOT / Path(*module.split("."))
    return (path / "__main__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")


@pages
def test_every_command_that_stands_by_itself_can_be_given(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in blocks(page.read_text(encoding="utf-8")):
        if line.startswith(".venv/bin/pelvistim "):
            arguments = parsed(shlex.split(line)[1:], monkeypatch)
            if hasattr(arguments, "file"):
                assert arguments.file in written_files(page) or programme_path(arguments.file).is_file(), line
        elif line.startswith(".venv/bin/python -m ") and not line.startswith(".venv/bin/python -m pytest "):
            words = shlex.split(line)
            source = options_of(words[2])
            assert all(f'"{word}"' in source for word in words if word.startswith("--")), line


@pages
def test_every_command_and_option_in_the_text_exists(page: Path, offered: dict[str, set[str]]) -> None:
    helpers = "".join(options_of(module) for module in ("tests.decoder", "safety", "hw.mock"))
    for span in spans(page.read_text(encoding="utf-8")):
        words = span.split()
        options = set(re.findall(r"(?<!\S)--[a-z-]+", span))
        if words[0] == "pelvistim":
            assert words[1] in offered, f"{page.name}: {span}"
            words = words[1:]
        if words[0] in offered:
            assert options <= offered[words[0]], f"{page.name}: {span}"
        elif words[0].startswith("--"):
            missing = {one for one in options - set().union(*offered.values()) if f'"{one}"' not in helpers}
            assert not missing, f"{page.name}: {span}"


# --- links and places -------------------------------------------------------------------------------------------------


@pages
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link} leads out of the repository"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, link


@pages
def test_no_page_names_a_place_on_somebodys_machine(page: Path) -> None:
    places = r"(?<![\w.)*])(?:/(?:work|home|root|mnt|opt|srv|tmp|Users|workspace|private)\b|~/|[A-Z]:\\)\S*"
    assert re.findall(places, page.read_text(encoding="utf-8")) == []


@pytest.mark.req("SR-103")
@pytest.mark.parametrize("page", [ROOT / "README.md", LIMITS, HARDWARE, INTERLOCK], ids=lambda page: page.name)
def test_every_page_about_output_says_that_it_is_not_certified(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert "not a certified medical device" in text
    assert "claims no conformity to any standard" in text


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = []
    for page in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        number = int(page.name[:4])
        assert page.read_text("utf-8").startswith(f"# {number}. ")
        numbers.append(number)
    assert len(set(numbers)) == len(numbers)
