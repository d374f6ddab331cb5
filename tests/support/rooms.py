"""The drawing of the rooms and who imports whom, from the code: ``python -m tests.support.rooms`` makes the SVG anew.

Each room says which libraries from outside it uses. Numbers are left out on purpose: what changes with every module is
not looked at any more.
"""

from __future__ import annotations

import sys
import textwrap
import tomllib
from typing import Final

from tests.support.guard_lines import OURS, ROOT, imported

PICTURE: Final = ROOT / "docs" / "pictures" / "rooms.svg"
WIDTH, HEIGHT, BOX_W, BOX_H = 870, 400, 200, 84
PLACES: Final = {
    "api": (30, 50, "talks to people"),
    "controller": (335, 50, "plans; touches no pin"),
    "safety: acts": (640, 50, "the guard process"),
    "hw/mock": (30, 250, "the simulated board"),
    "hw": (335, 250, "touches pins, by pigpio"),
    "safety: decides": (640, 250, "no clock, no input or output"),
}
"""Left upper corner of each room, and what it does."""
Point = tuple[int, int]
ARROWS: Final[dict[tuple[str, str], tuple[Point, Point, Point]]] = {
    ("api", "controller"): ((230, 92), (277, 92), (335, 92)),
    ("api", "safety: acts"): ((125, 50), (430, -30), (735, 50)),
    ("api", "safety: decides"): ((190, 134), (400, 190), (640, 262)),
    ("controller", "safety: acts"): ((535, 92), (582, 92), (640, 92)),
    ("controller", "safety: decides"): ((500, 134), (590, 170), (690, 250)),
    ("controller", "hw"): ((400, 134), (400, 192), (400, 250)),
    ("safety: acts", "safety: decides"): ((760, 134), (760, 192), (760, 250)),
    ("safety: acts", "hw"): ((660, 134), (560, 210), (490, 250)),
    ("hw", "safety: decides"): ((535, 300), (582, 300), (640, 300)),
    ("hw/mock", "hw"): ((230, 292), (277, 292), (335, 292)),
    ("hw/mock", "safety: decides"): ((125, 334), (430, 420), (735, 334)),
}
"""Where the arrow of each pair runs: start, bend, end. A pair that is not here and occurs in the code is an error."""


def pure() -> set[str]:
    """The modules that decide: those of the import contract."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    return next(set(one["source_modules"]) for one in tools["importlinter"]["contracts"] if one["id"] == "pure-safety")


def modules() -> dict[str, str]:
    """The room of every module of the product, by the module's name. ``hw/spice`` is no part of it."""
    found = {}
    for folder in ("api", "controller", "hw", "safety"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if name.startswith("hw.spice") or name == folder:
                continue
            found[name] = folder
            if name.startswith("hw.mock"):
                found[name] = "hw/mock"
            elif folder == "safety":
                found[name] = "safety: decides" if name in pure() else "safety: acts"
    return found


def imports(rooms: dict[str, str]) -> set[tuple[str, str]]:
    """The pairs of rooms of which a module of the first imports something of the second."""
    return {
        (room, rooms[other])
        for name, room in rooms.items()
        for other in imported(name)
        if other in rooms and rooms[other] != room
    }


def libraries(rooms: dict[str, str], room: str) -> str:
    """What a room takes from outside, the standard library left out."""
    names = {other.partition(".")[0] for name in rooms if rooms[name] == room for other in imported(name)}
    return ", ".join(sorted(names - set(sys.stdlib_module_names) - {*OURS}))


def svg() -> str:
    rooms = modules()
    pairs = imports(rooms)
    if missing := pairs - set(ARROWS):
        raise ValueError(f"imports between rooms that the drawing has no arrow for: {missing}")
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"',
        ' font-family="sans-serif" role="img" aria-label="The rooms of PelviStim and who imports whom">',
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">',
        '<path d="M0 0 L10 5 L0 10 z"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for pair in sorted(pairs):
        (x, y), (bend_x, bend_y), (to_x, to_y) = ARROWS[pair]
        drawn.append(
            f'<path d="M{x} {y} Q{bend_x} {bend_y} {to_x} {to_y}" fill="none" stroke="black" stroke-width="1.5" '
            'marker-end="url(#tip)"/>'
        )
    for room, (x, y, does) in PLACES.items():
        middle = x + BOX_W // 2
        drawn.append(f'<rect x="{x}" y="{y}" width="{BOX_W}" height="{BOX_H}" rx="8" fill="#eef3f8" stroke="black"/>')
        outside = textwrap.wrap(libraries(rooms, room), 34)
        for down, size, text in (
            (25, 16, room),
            (45, 13, does),
            *((62 + 14 * n, 11, t) for n, t in enumerate(outside)),
        ):
            drawn.append(f'<text x="{middle}" y="{y + down}" text-anchor="middle" font-size="{size}">{text}</text>')
    return "\n".join([*drawn, "</svg>"]) + "\n"


def main() -> None:
    PICTURE.write_text(svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
