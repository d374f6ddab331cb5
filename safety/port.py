"""The board for self-test and electrode check (``steps.Port``): what they ask, done by the guard's own connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hw import daemon_facts
from hw.board import Board
from hw.deadman import SCRIPTS, DeadMan
from hw.panel import Panel
from hw.pulses import PulseOutput
from hw.senses import Sample, Senses
from hw.wire import Command, NotAsApproved, asked, exchange
from safety import electrode, selftest
from safety.decode import ENTRY_BYTES, Refusal
from safety.steps import Figures


def figures(board: Board) -> Figures:
    """A board's figures as the two jobs need them."""
    adc, codes = board.adc, 1 << board.adc.bits
    return Figures(
        lines=board.lines,
        full_scale_ua=board.full_scale_ua,
        compliance_mv=round(board.compliance_v * 1000),
        reference_mv=adc.reference_mv,
        peak_step_ua=-(-board.full_scale_ua * adc.vref_mv // (adc.peak_full_scale_mv * codes)),
        electrode_step_mv=-(-adc.electrode_divider * adc.vref_mv // codes),
    )


@dataclass(frozen=True)
class DaemonFacts:
    """See ``steps.Facts``."""

    version: int
    listeners: tuple[str, ...]
    permitted: int
    scripts: tuple[int, ...]


def daemon_is(client: Any, port: int, own_script: int) -> DaemonFacts:
    """Asks the daemon, and this machine about it. Raises DaemonLost, NotAsApproved."""
    try:
        listeners = daemon_facts.listeners(port)
    except (OSError, ValueError):
        listeners = ()  # not known: taken for the worst
    found, _ = asked(exchange, client, [(Command.SCRIPT_STATUS, number, 0, b"") for number in range(SCRIPTS)])
    scripts = tuple(number for number, status in enumerate(found) if status >= 0 and number != own_script)
    return DaemonFacts(daemon_facts.version(client), listeners, daemon_facts.permitted(client), scripts)


@dataclass
class BoardPort:
    """One job's board. The guard sets ``toggled_us`` and ``kicked_us`` whenever a check does either."""

    pulses: PulseOutput
    senses: Senses
    panel: Panel
    dead_man: DeadMan
    figures: Figures
    facts: Callable[[], DaemonFacts]
    now: Callable[[], int]
    toggled_us: int
    kicked_us: int

    def sense(self) -> Sample:
        return self.senses.check(None, None, reset_peaks=False)

    def reset_peaks(self) -> None:
        self.pulses.blip("PEAK_RESET")

    def second_opinion(self, channel: int) -> int:
        return self.panel.raw(channel)

    def write(self, line: str, level: int) -> None:
        self.pulses.write(line, level)

    def forget(self) -> None:
        self.pulses.halt()
        self.pulses.forget()

    def play(self, data: bytes, duration_us: int) -> tuple[int, int]:
        """Only what one of the two jobs may play. Raises NotAsApproved for anything else, DaemonLost."""
        if not selftest.admits(self.figures, data):
            chunk = electrode.admit(self.figures, data)
            if isinstance(chunk, Refusal):
                raise NotAsApproved(f"{chunk.code}: {chunk.detail}")
        wave, at = self.pulses.load(data, len(data) // ENTRY_BYTES, duration_us)
        if at is not None:
            raise NotAsApproved(f"the daemon plays wave {at}; nothing was sent")
        self.pulses.send(wave, join=False)
        return wave, self.now()

    def start_dead_man(self) -> None:
        self.dead_man.start()
        self.kicked_us = self.now()
