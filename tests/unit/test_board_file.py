"""The board file: every field is needed, every wrong one is named, all at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hw.board import REFERENCE_BOARD, load_board
from safety.errors import InputRefused

TEXT = REFERENCE_BOARD.read_text(encoding="utf-8")


def refused(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputRefused) as caught:
        load_board(path)
    return str(caught.value)


def test_the_reference_board() -> None:
    board = load_board()
    assert board.full_scale_ua == 50_000
    assert board["A_POS"].mask == 1 << 24
    assert board["KEEPALIVE"].safe is None
    assert board["DAC_CS_N"].safe == 1
    assert board.mask("A_POS", "A_NEG") == 1 << 24 | 1 << 27


@pytest.mark.req("SR-100")
@pytest.mark.parametrize("line", [line for line in TEXT.splitlines() if re.match(r"\w+\s*=", line)])
def test_every_field_is_needed(line: str, tmp_path: Path) -> None:
    field = line.split("=")[0].strip()
    assert field in refused(tmp_path / "b.toml", TEXT.replace(line + "\n", "", 1))


@pytest.mark.req("SR-100")
@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("full_scale_ua = 50000", "full_scale_ua = 60000", "25000 or 50000 or 100000"),
        ("full_scale_ua = 50000", "full_scale_ua = true", "full_scale_ua"),
        ("compliance_v = 60.0", "compliance_v = nan", "compliance_v"),
        ("gpio = 24", "gpio = 27", "a pin of its own"),
        ("gpio = 24", "gpio = 28", "lines.A_POS.gpio"),
        ('direction = "in",  safe = 0', 'direction = "out",  safe = 0', "lines.ESTOP_A.direction"),
        ("safe = 1 }\nFAULT_RESET", "safe = 2 }\nFAULT_RESET", "lines.DAC_CS_N.safe"),
        ("[pigpiod]", "[pigpiod]\nport = 8888", "pigpiod.port"),
        ("bits = 12", "bits = 10", "adc.bits"),
        ("schema = 1", "schema = 2", "schema"),
    ],
)
def test_a_wrong_field_is_named(old: str, new: str, named: str, tmp_path: Path) -> None:
    assert old in TEXT
    assert named in refused(tmp_path / "b.toml", TEXT.replace(old, new, 1))


@pytest.mark.req("SR-100")
def test_all_reasons_come_at_once(tmp_path: Path) -> None:
    said = refused(tmp_path / "b.toml", "schema = 3\n[adc]\nbits = 8\n")
    assert said.count("\n") > 20


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[[", b"lines = 5"])
def test_what_is_no_board_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.toml"
    path.write_bytes(content)
    with pytest.raises(InputRefused):
        load_board(path)
    with pytest.raises(InputRefused):
        load_board(tmp_path)
