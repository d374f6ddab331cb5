"""Faults of the daemon, other clients that meddle, and the system they all run on."""

from __future__ import annotations

from typing import Final

from hw.mock.bench import Bench
from hw.mock.fault import Fault, number
from hw.mock.fault_args import Arg, Values
from hw.mock.protocol import Cmd

_PROCESS: Final = Arg("PROCESS", ("guard", "app", "test"))

# Daemon

_DAEMON: Final = (
    Fault(
        "daemon-kill",
        "daemon",
        (Arg("SIGNAL", ("KILL", "TERM")),),
        "pigpiod dies. After KILL the DMA plays on; after TERM it stops and the lines stay as they are.",
        "every connection closes, nobody answers the port; after KILL edges go on until the wave ends",
        lambda bench, values: bench.troubles.kill(stops=values["SIGNAL"] == "TERM"),
    ),
    Fault(
        "daemon-restart",
        "daemon",
        (),
        "pigpiod is killed, if it lives, and started again: no waves, no handles, but the DMA does what it did.",
        "connections close, the port answers again, wave ids begin at 0, a wave that plays goes on",
        lambda bench, _: bench.troubles.restart(),
    ),
    Fault(
        "daemon-hang",
        "daemon",
        (Arg("TIME", low=1, high=600_000, unit="ms", optional=True),),
        "pigpiod takes requests and does nothing, for so long or until it is mended; then it does them all.",
        "no answer and no notification, while a wave that plays goes on",
        lambda bench, values: bench.troubles.hang(
            None if values["TIME"] is None else bench.now + int(number(values, "TIME") * 1000)
        ),
        lambda bench: bench.troubles.thaw(),
    ),
    Fault(
        "daemon-slow",
        "daemon",
        (Arg("TIME", low=0.1, high=10_000, unit="ms"),),
        "pigpiod does what it is told at once, and answers so much later, by the simulation's clock.",
        "every answer comes late by that; what is sent in one piece is answered one by one, each late",
        lambda bench, values: bench.troubles.slow(int(number(values, "TIME") * 1000)),
        lambda bench: bench.troubles.mend_answers(),
    ),
    Fault(
        "daemon-late-reports",
        "daemon",
        (Arg("TIME", low=0.1, high=10_000, unit="ms"),),
        "pigpiod's thread that reports changes of lines gets no processor: they come so much later, in one piece.",
        "notifications come late, with the right ticks, many at once",
        lambda bench, values: bench.troubles.report_late(int(number(values, "TIME") * 1000)),
        lambda bench: bench.troubles.mend_answers(),
    ),
    Fault(
        "daemon-garbage",
        "daemon",
        (),
        "pigpiod does what it is told and answers nonsense of the right length.",
        "results that cannot be",
        lambda bench, _: bench.troubles.garble(),
        lambda bench: bench.troubles.mend_answers(),
    ),
    Fault(
        "daemon-close",
        "daemon",
        (),
        "pigpiod closes every connection that there is.",
        "the sockets end; a new connection is taken",
        lambda bench, _: bench.troubles.close_sockets(),
    ),
)

_CLIENT: Final = (
    Fault(
        "client-add",
        "another client",
        (Arg("GPIO", low=0, high=31, whole=True), Arg("TIME", low=1, high=100_000, unit="us", whole=True)),
        "Another client adds a pulse of a line to the list under construction.",
        "the next add counts more pulses, the next wave has the pulse",
        lambda bench, values: bench.troubles.add(int(number(values, "GPIO")), int(number(values, "TIME"))),
    ),
    Fault(
        "client-clear",
        "another client",
        (),
        "Another client clears all waves.",
        "wave ids are refused; what plays goes on",
        lambda bench, _: bench.troubles.interfere(Cmd.WVCLR),
    ),
    Fault(
        "client-delete",
        "another client",
        (Arg("ID", low=0, high=249, whole=True),),
        "Another client deletes a wave.",
        "that id is refused; what plays goes on",
        lambda bench, values: bench.troubles.interfere(Cmd.WVDEL, int(number(values, "ID"))),
    ),
    Fault(
        "client-send",
        "another client",
        (Arg("ID", low=0, high=249, whole=True), Arg("MODE", ("once", "repeat"))),
        "Another client sends a wave that exists, in the place of what plays.",
        "edges that nobody approved",
        lambda bench, values: bench.troubles.interfere(
            Cmd.WVTX if values["MODE"] == "once" else Cmd.WVTXR, int(number(values, "ID"))
        ),
    ),
    Fault(
        "client-mode",
        "another client",
        (Arg("GPIO", low=0, high=31, whole=True), Arg("MODE", low=0, high=7, whole=True)),
        "Another client changes the mode of a line (0 input, 1 output, 2-7 alternative functions).",
        "the mode reads back; an input goes to its pull or resistor",
        lambda bench, values: bench.troubles.interfere(
            Cmd.MODES, int(number(values, "GPIO")), int(number(values, "MODE"))
        ),
    ),
    Fault(
        "client-spi",
        "another client",
        (Arg("BUS", ("main", "auxiliary")), Arg("SELECT", low=0, high=2, whole=True)),
        "Another client opens an SPI channel, which the permission mask does not cover.",
        "the bus's lines change their mode; auxiliary: GPIO 16, 17 and 18 go high",
        lambda bench, values: bench.troubles.open_spi(
            int(number(values, "SELECT")), auxiliary=values["BUS"] == "auxiliary"
        ),
    ),
)

# Time and disk


def _late(bench: Bench, values: Values) -> None:
    for participant in bench.participants(values["PROCESS"]):
        participant.late_us = int(number(values, "TIME") * 1000)


def _mend_late(bench: Bench) -> None:
    for participant in bench.server.coordinator.participants:
        participant.late_us = 0


_SYSTEM: Final = (
    Fault(
        "clock-step",
        "system",
        (Arg("TIME", low=-4_000_000, high=4_000_000, unit="ms"),),
        "The daemon's tick jumps.",
        "the tick, and those of notifications, differ by that from the edges' time",
        lambda bench, values: bench.troubles.step_clock(int(number(values, "TIME") * 1000)),
        lambda bench: bench.troubles.mend_answers(),
    ),
    Fault(
        "late-scheduling",
        "system",
        (_PROCESS, Arg("TIME", low=0.001, high=60_000, unit="ms")),
        "The system wakes a process so much after the time it asked for (virtual clock only).",
        "checks, toggles and joins of that process come late by that",
        _late,
        _mend_late,
    ),
    Fault(
        "disk-full",
        "system",
        (_PROCESS,),
        "A process finds no room on the disk: no file of it may grow (virtual clock only).",
        "its writes fail with an OSError",
        lambda bench, values: bench.fill_disk(values["PROCESS"]),
        lambda bench: bench.empty_disks(),
    ),
)

DAEMON: Final = (*_DAEMON, *_CLIENT, *_SYSTEM)
