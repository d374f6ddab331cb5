"""The 40 pins of the header in order, from hw/board.toml: ``python -m tests.support.wiring_table``."""

from __future__ import annotations

from typing import Final

from gpiozero.pins.pi import PiBoardInfo

from hw.board import Board, Line, load_board

RASPBERRY_PI_3B: Final = 0xA02082
BUSES: Final = {
    2: "SDA1 of the ADS1115",
    3: "SCL1 of the ADS1115",
    7: "CE1: leave free, the daemon takes it with SPI0",
    8: "CE0: select of the MCP3208",
    9: "MISO of the MCP3208",
    10: "MOSI of the MCP3208",
    11: "clock of the MCP3208",
}
RESISTORS: Final = {
    "DAC_CS_N": "10 kohm to 3.3 V",
    "PEAK_RESET": "10 kohm to ground",
    "FAULT_N": "10 kohm to 3.3 V",
    "ESTOP_A": "10 kohm to 3.3 V",
    "ESTOP_B": "10 kohm to ground",
    "POWER_OK": "10 kohm to ground",
}
"""On the Pi's side of the isolation (docs/hardware.md, Lines)."""
LEVELS: Final = {0: "low", 1: "high", None: "any"}


def row(pin: int, name: str, line: Line | None) -> str:
    """One pin of the header. ``name`` as gpiozero calls it: GPIO24, GND, 3V3."""
    if line is not None:
        way = "out" if line.output else "in"
        cells = [str(line.gpio), line.name, way, LEVELS[line.safe], RESISTORS.get(line.name, "")]
    elif name.startswith("GPIO"):
        gpio = int(name[4:])
        cells = [str(gpio), BUSES.get(gpio, "free"), "", "", ""]
    else:
        cells = ["", {"GND": "ground", "3V3": "3.3 V", "5V": "5 V"}.get(name, name), "", "", ""]
    return f"| {pin} | " + " | ".join(cells) + " |"


def document(board: Board) -> str:
    by_gpio = {line.gpio: line for line in board.lines.values()}
    (header,) = (one for one in PiBoardInfo.from_revision(RASPBERRY_PI_3B).headers.values() if one.name == "J8")
    rows = ["| pin | GPIO | goes to | direction | safe | resistor |", "|---|---|---|---|---|---|"]
    for number, pin in sorted(header.pins.items()):
        gpio = int(pin.name[4:]) if pin.name.startswith("GPIO") else None
        rows.append(row(number, pin.name, None if gpio is None else by_gpio.get(gpio)))
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(document(load_board()), end="")
