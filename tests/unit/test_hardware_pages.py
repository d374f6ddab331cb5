"""The hardware pages against the board file, the parts and the script that draws."""

from __future__ import annotations

import re
from math import exp
from pathlib import Path

import pytest

from hw.board import load_board
from hw.spice import FOLDER as SPICE
from hw.spice import load_parts, values
from tests.support import parts_table, schematic, wiring_table
from tests.support.sections import section

PAGES = Path(__file__).parent.parent.parent / "docs" / "hardware"
BOARD = load_board()


@pytest.mark.parametrize("name", schematic.PICTURES)
def test_a_picture_is_what_the_script_draws(name: str) -> None:
    assert (PAGES / name).read_text(encoding="utf-8") == schematic.svg(name), "python -m tests.support.schematic"


def test_wiring_and_bill_of_materials_are_made_from_their_files() -> None:
    wiring = section((PAGES / "wiring.md").read_text(encoding="utf-8"), "tests.support.wiring_table")
    assert wiring == wiring_table.document(BOARD)
    parts = section((PAGES / "bill-of-materials.md").read_text(encoding="utf-8"), "tests.support.parts_table")
    assert parts == parts_table.document()
    assert {line.name for line in BOARD.lines.values()} == set(re.findall(r"\| ([A-Z][A-Z_]+) \| (?:in|out)", wiring))


def test_every_part_of_the_netlist_and_of_the_schematic_is_in_the_parts() -> None:
    netlist = (SPICE / "stage.cir").read_text(encoding="ascii")
    text = (PAGES / "schematic.md").read_text(encoding="utf-8")
    drawn = "".join(schematic.svg(name) for name in schematic.PICTURES)
    parts = load_parts()
    named = set(re.findall(r"\b[CRSQU]_[A-Z_]+", text)) | set(re.findall(r"\b[CRSQU]_[A-Z_]+", drawn))
    assert named <= set(parts)
    used = {name.upper() for name in re.findall(r"\{([crs]_\w+)\}", netlist)} - {"R_SHUNT_NOMINAL"}
    assert used <= set(parts)
    assert {name for name in parts if name[:2] in ("R_", "C_") and name != "C_RESERVOIR"} == {
        name for name in used if not name.startswith("S_")
    }, "a part of the output stage that is not simulated"
    assert parts["C_SERIES"]["value"] == pytest.approx(values(BOARD)["c_series"])


def test_the_readings_of_the_bring_up_follow_from_board_and_parts() -> None:
    text = " ".join((PAGES / "bring-up.md").read_text(encoding="utf-8").split())
    part = {name: one["value"] for name, one in load_parts().items() if "value" in one}
    adc, full_a = BOARD.adc, BOARD.full_scale_ua / 1e6
    half_a, charge = full_a / 2, 40e-6
    assert part["R_SET"] / (part["R_SET_TOP"] + part["R_SET"]) * adc.vref_mv / 1000 == pytest.approx(
        full_a * part["R_SHUNT"]
    )
    cut = charge / part["C_SERIES"]
    for words in (
        f"HV {part['HV']:.0f} V",
        f"{adc.vref_mv / 1000:.3f} V at the ADC's VREF, {adc.reference_mv / 1000:.3f} V at its channel {adc.reference}",
        f"{part['HV']:.0f} V, and {part['HV'] / adc.rail_divider:.3f} V at ADC {adc.rail}",
        f"{adc.vref_mv / 2000:.3f} V at the DAC, {half_a * part['R_SHUNT']:.3f} V at the shunt, {half_a * 1000:.1f} mA",
        f"capacity {BOARD.series_capacitor_uf:.0f} uF",
        f"two phases of {full_a * 500:.1f} V",
        f"{adc.peak_full_scale_mv / 1000:.3f} V at ADC {adc.peak_a}",
        f"{full_a * 500 / adc.electrode_divider:.3f} V at ADC {adc.electrode_a}",
        f"ADC {adc.average_a} stays at {adc.average_zero_mv / 1000:.3f} V",
        f"{cut:.1f} V across the capacitor, gone to {cut * exp(-1):.1f} V",
        f"after {part['R_BLEED'] * part['C_SERIES'] * 1000:.0f} ms",
        f"code 2304 | FAULT_N low within 30 us of the phase: {full_a * 2304 / 4096 * 2000:.0f} mA",
        f"is above {full_a * 1100:.1f} mA",
        f"{0.010 * 500:.1f} V across the load",
    ):
        assert words in text, words
    steps = re.findall(r"^\| (\d+) \|", (PAGES / "bring-up.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert steps == [str(number) for number in range(1, len(steps) + 1)]


@pytest.mark.req("SR-103")
def test_the_safety_notes_say_what_it_is_not() -> None:
    text = " ".join((PAGES / "safety.md").read_text(encoding="utf-8").split())
    assert "not a certified medical device" in text
    assert "claims no conformity to any standard" in text
    for words in ("Battery only", "Never on or beside mains-powered equipment", "Dummy load first", "isolation"):
        assert words in text
