"""The bill of materials from hw/parts.toml: ``python -m tests.support.parts_table``."""

from __future__ import annotations

from hw.spice import load_parts
from tests.support.schematic import value


def document() -> str:
    rows = ["| part | count | value | tolerance | what |", "|---|---|---|---|---|"]
    for name, part in load_parts().items():
        figure = value(name) if "value" in part else ""
        tolerance = f"{part['tolerance_percent']} %" if "tolerance_percent" in part else ""
        rows.append(f"| {name} | {part['count']} | {figure} | {tolerance} | {part['what']} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(document(), end="")
