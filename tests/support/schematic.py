"""The schematic of the board, drawn by schemdraw: ``python -m tests.support.schematic`` makes the SVGs anew.

Values come from ``hw/parts.toml`` and pins from ``hw/board.toml``; a test holds the pictures to what this draws. The
text form of the same is docs/hardware/schematic.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import schemdraw
import schemdraw.elements as elm
from schemdraw import flow

from hw.board import Board, load_board
from hw.spice import load_parts

FOLDER: Final = Path(__file__).parent.parent.parent / "docs" / "hardware"
PREFIXES: Final = ((1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))


def value(name: str) -> str:
    """A part's value as it is written beside it: 37.4k, 100n."""
    figure = float(load_parts()[name]["value"])
    scale, prefix = next(one for one in PREFIXES if figure >= one[0] * 0.999)
    return f"{figure / scale:.4g}{prefix}"


def labelled(name: str) -> str:
    return f"{name}\n{value(name)}"


def channel(board: Board) -> schemdraw.Drawing:
    """One channel: output switch, bridge, series capacitor, bleeder, current source, shunt."""
    d = _drawing()
    with d:
        elm.Dot(open=True).label(f"HV\n{value('HV')} V", "left")
        elm.Line().right().length(1)
        top = elm.Dot()
        elm.Capacitor().down().label(labelled("C_RESERVOIR"), "bottom")
        elm.GroundSignal()
        switch = elm.Switch().right().at(top.center).label(f"S_OUTPUT, {value('S_OUTPUT')} ohm").length(3.5)
        elm.Label().at((top.center.x, top.center.y + 1.5)).label(
            "closed while all of: OUTPUT_ENABLE high, KEEPALIVE toggling (one-shot R_KEEP, C_KEEP),\n"
            "contact 1 of the red button closed, no charger in",
            "right",
        )
        elm.Dot().at(switch.end).label("rail", "top")
        elm.Line().right().length(0.8)
        first = elm.Dot()
        elm.Capacitor().down().label(labelled("C_RAIL"), "bottom")
        elm.GroundSignal()
        elm.Line().right().at(first.center).length(2.4)
        second = elm.Dot()
        elm.Resistor().down().label(labelled("R_RAIL"), "bottom")
        elm.GroundSignal()
        elm.Line().right().at(second.center).length(2.6)
        third = elm.Dot()
        elm.Resistor().down().label(labelled("R_RAIL_TOP"), "bottom").length(2.5)
        elm.Dot()
        elm.Line().right().length(0.4)
        elm.Dot(open=True).label(f"ADC {board.adc.rail}", "right")
        elm.Resistor().down().at((third.center.x, third.center.y - 2.5)).label(
            labelled("R_RAIL_BOTTOM"), "bottom"
        ).length(2.5)
        elm.GroundSignal()
        _bridge(third.center, board)
    return d


def _bridge(rail: Any, board: Board) -> None:
    """From the rail to ground: four switches, what is between them, and the source below."""
    left, right, down = rail.x + 4.5, rail.x + 13.5, rail.y
    elm.Line().at(rail).to((right, down))
    elm.Dot().at((left, down))
    pairs = (("A_POS", left, down), ("A_NEG", right, down), ("A_NEG", left, down - 6), ("A_POS", right, down - 6))
    for line, x, y in pairs:
        elm.Switch().down().at((x, y)).length(3).label(f"S_BRIDGE\n{line}", "bottom" if x == right else "top")
    for x in (left, right):
        elm.Line().at((x, down - 3)).to((x, down - 6))
        elm.Dot().at((x, down - 4))
        elm.Dot().at((x, down - 5.5))
    elm.Capacitor().at((left, down - 4)).right().length(2.5).label(labelled("C_SERIES"))
    elm.Dot(open=True).label("E+", "top")
    elm.ResistorIEC().right().length(4).label(f"electrode, 500 ohm and more\nvoltage: ADC {board.adc.electrode_a}")
    elm.Dot(open=True).label("E-", "top")
    elm.Line().to((right, down - 4))
    elm.Resistor().at((left, down - 5.5)).right().length(4.5).label(labelled("R_BLEED"), "bottom")
    elm.Switch().right().length(4.5).label("S_BLEED: closed\nwhile no phase is on", "bottom")
    elm.Line().at((left, down - 9)).to((right, down - 9))
    middle = (left + right) / 2
    elm.Dot().at((middle, down - 9))
    sink = elm.NFet().reverse().at((middle, down - 12)).anchor("drain")
    elm.Label().at((middle + 0.2, sink.gate.y - 0.15)).label("Q_SINK", "right")
    elm.Line().at((middle, down - 9)).to(sink.drain)
    elm.Line().at(sink.source).down().length(0.4)
    sense = elm.Dot()
    elm.Resistor().down().length(2.5).label(labelled("R_SHUNT"), "bottom")
    elm.GroundSignal()
    elm.Line().at(sense.center).right().length(1.5)
    elm.Dot(open=True).label(
        f"x 4: peak hold, ADC {board.adc.peak_a}\ntrip (R_TRIP, C_TRIP)\nsigned: ADC {board.adc.average_a}", "right"
    )
    amplifier = elm.Opamp().at((sink.gate.x - 1.4, sink.gate.y)).anchor("out").label("U_SOURCE", "center", fontsize=9)
    elm.Line().at(amplifier.out).to(sink.gate)
    elm.Dot().at((sink.gate.x - 0.5, sink.gate.y))
    clamp = elm.Switch().up().length(1.8)
    elm.GroundSignal().flip()
    elm.Label().at((clamp.end.x - 2.0, clamp.end.y + 0.2)).label("gate held low while\nno phase is on", "left")
    elm.Line().at(amplifier.in1).left().length(0.5)
    elm.Line().down().toy(sense.center.y - 0.8)
    elm.Line().to((sense.center.x - 0.9, sense.center.y - 0.8))
    elm.Line().to((sense.center.x - 0.9, sense.center.y))
    elm.Line().to(sense.center)
    elm.Line().at(amplifier.in2).left().length(1)
    setting = elm.Dot()
    elm.Line().at(setting.center).left().length(0.6)
    elm.Resistor().left().length(2.5).label(labelled("R_SET_TOP"))
    elm.Dot(open=True).label("DAC A", "left")
    elm.Resistor().down().at(setting.center).length(3).label(labelled("R_SET"), "top")
    elm.GroundSignal()


def overview(board: Board) -> schemdraw.Drawing:
    """The whole board as blocks: what is on which side of the isolation, and what opens what."""
    d = _drawing()
    lines = board.lines

    def block(x: float, y: float, text: str, w: float = 3.6, h: float = 1.5) -> Any:
        return flow.Box(w=w, h=h).at((x, y)).anchor("center").label(text, "center", fontsize=11)

    def arrow(start: Any, stop: Any, text: str = "", where: str = "top") -> None:
        made = elm.Arrow().at(start).to(stop)
        if text:
            made.label(text, where, fontsize=9)

    with d:
        phases = ", ".join(str(lines[name].gpio) for name in ("A_POS", "A_NEG", "B_POS", "B_NEG"))
        dac = ", ".join(str(lines[name].gpio) for name in ("DAC_SDI", "DAC_SCK", "DAC_CS_N"))
        battery = block(0, 6, "BATTERY\n7.2 V", 3)
        pi = block(0, 0, "Raspberry Pi\n40-pin header", 3.4, 9)
        block(7, 0, "U_ISOLATOR\n\nevery line\ncrosses here", 2.4, 9)
        hv = block(7, 6, f"isolated\nconverter, HV\n{value('HV')} V", 3.2, 1.9)
        switch = block(13.2, 6, "S_OUTPUT\noutput switch", 3.6)
        chain = block(13.2, 2.9, "all of: enable, one-shot,\ncontact 1, no charger", 5.2, 1.4)
        trip = block(13.2, 0.2, "phases, unless trip or one-shot\nhas latched (both channels)", 5.2, 1.4)
        dacs = block(13.2, -2, "U_DAC", 5.2, 1)
        adc = block(13.2, -3.9, f"U_ADC, reference {board.adc.reference_mv / 1000:.2f} V", 5.2, 1)
        one = block(20.2, 1.9, "channel A\nbridge, source,\nC_SERIES, bleeder", 4.4, 2)
        two = block(20.2, -1.9, "channel B\nthe same", 4.4, 2)
        arrow(battery.S, pi.N, "5 V")
        arrow(battery.E, hv.W)
        arrow(hv.E, switch.W)
        arrow(chain.N, switch.S, "closes", "bottom")
        elm.Wire("-|").at(switch.E).to(one.N)
        for y, text in (
            (3.2, f"OUTPUT_ENABLE {lines['OUTPUT_ENABLE'].gpio}"),
            (2.4, f"KEEPALIVE {lines['KEEPALIVE'].gpio}"),
            (0.7, f"phases {phases}"),
            (-0.3, f"FAULT_N {lines['FAULT_N'].gpio}"),
            (-2, f"DAC {dac}"),
            (-3.9, "SPI0 8-11"),
        ):
            elm.Line().at((1.7, y)).to((5.8, y)).label(text, "top", fontsize=8)
        for y, target in ((3.2, chain), (2.4, chain), (0.7, trip), (-0.3, trip), (-2, dacs), (-3.9, adc)):
            elm.Line().at((8.2, y)).to((target.W.x, y))
        arrow(trip.E, (one.W.x, one.W.y))
        arrow(trip.E, (two.W.x, two.W.y))
        arrow(dacs.E, (two.W.x, two.W.y - 0.4))
        arrow(dacs.E, (one.W.x, one.W.y - 0.5))
        elm.Wire("|-").at(two.S).to(adc.E).label("currents, voltages", "bottom", fontsize=9)
        for box, name in ((one, "A"), (two, "B")):
            elm.Line().at(box.E).right().length(1)
            elm.Dot(open=True).label(f"E{name}+ E{name}-", "right")
    return d


def _drawing() -> schemdraw.Drawing:
    schemdraw.use("svg")
    schemdraw.svgconfig.text = "text"
    return schemdraw.Drawing(show=False, canvas="svg", fontsize=10, unit=2.5)


PICTURES: Final[dict[str, Callable[[Board], schemdraw.Drawing]]] = {
    "schematic-board.svg": overview,
    "schematic-channel.svg": channel,
}


def svg(name: str) -> str:
    """A picture as it is stored: on white, so that it can be read on a dark page too."""
    drawing = PICTURES[name](load_board())
    drawing.config(bgcolor="white", margin=0.4)
    return str(drawing.get_imagedata("svg").decode("utf-8")).strip() + "\n"


def main() -> None:
    for name in PICTURES:
        (FOLDER / name).write_text(svg(name), encoding="utf-8")


if __name__ == "__main__":
    main()
