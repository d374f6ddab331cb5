"""Everything that the guard's loop has to do with the daemon: pulses, senses, dead-man, notifications, panel.

It knows what was asked of OUTPUT_ENABLE and KEEPALIVE and when, unwraps ticks, and is the board (``steps.Port``) for
the self-test and the electrode check. A stop breaks the loop's main connection; ``renew`` makes a new one. The others
have connections of their own, and script, SPI handle and waves live in the daemon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hw import daemon_facts
from hw.board import Board
from hw.clock import TICK_WRAP, Clock
from hw.deadman import DeadMan, clear_scripts
from hw.notices import Notices
from hw.panel import Panel
from hw.pulses import PulseOutput
from hw.senses import Sample, Senses, clear_handles
from hw.wire import DaemonLost, NotAsApproved, connect
from safety import electrode, selftest, watch
from safety.decode import ENTRY_BYTES, Chunk, Refusal
from safety.edges import Edges
from safety.steps import Figures
from safety.supply import Supply


@dataclass(frozen=True)
class DaemonFacts:
    """What the daemon is (``steps.Facts``)."""

    version: int
    listeners: tuple[str, ...]
    permitted: int
    scripts: tuple[int, ...]


class Instruments:
    """``sender`` is told of each new main connection (the stop thread must be able to break it).

    Raises DaemonLost, NotAsApproved, here and in every call.
    """

    def __init__(
        self,
        board: Board,
        where: tuple[str, int],
        timeout_s: float,
        clock: Clock,
        supply: Supply,
        edges: Edges,
        sender: Callable[[PulseOutput], None],
    ) -> None:
        self._board, self._where, self._timeout_s, self._clock = board, where, timeout_s, clock
        self._supply, self._sender, self.edges = supply, sender, edges
        self.figures = figures(board)
        self.pulses = self._connect()
        clear_scripts(self.client)
        clear_handles(self.client)
        self.dead_man = DeadMan(self.client, board, *where, timeout_s)
        self.senses = Senses(self.client, board, self.dead_man.script_id)
        watched = board.mask("A_POS", "A_NEG", "B_POS", "B_NEG", "OUTPUT_ENABLE")
        self.notices = Notices(*where, watched, timeout_s, clock)
        self.panel = Panel(*where, board, timeout_s)
        self.dead_man.start()
        self.pulses.blip("PEAK_RESET")  # what they hold is of a guard that was here before
        now = clock.now()
        self.kicked_us = self.toggled_us = self.kept_us = self.peaks_since_us = self.enabled_us = now
        self.enabled = self.was_toggled = False
        self._keepalive = 0

    def renew(self) -> None:
        """A new main connection after a stop broke the old one."""
        self.pulses.close()
        self.pulses = self._connect()
        self.dead_man.client = self.senses.client = self.client

    def _connect(self) -> PulseOutput:
        self.client = connect(*self._where, self._timeout_s)
        pulses = PulseOutput(self.client, self._board)
        self._sender(pulses)
        pulses.take_over()
        return pulses

    def close(self) -> None:
        """Lets go of everything; the dead-man fires, if it runs."""
        self.panel.close()
        self.dead_man.cut()
        self.notices.close()
        self.pulses.close()

    # --- one check ------------------------------------------------------------------------------------------------

    def check(self, *, toggle: bool, kick: bool, reset_peaks: bool, look_again: bool = False) -> Sample:
        """Reads everything, in one burst. A toggle, a kick and a reset count from before it."""
        now = self._clock.now()
        keepalive = None
        if toggle:
            if now - self.toggled_us > watch.KEPT_US:  # the switch may have opened meanwhile
                self.kept_us = now
            self._keepalive ^= 1
            keepalive, self.toggled_us, self.was_toggled = self._keepalive, now, True
        if kick:
            self.kicked_us = now
        kicked = self.dead_man.next_kick() if kick else None
        sample = self.senses.check(keepalive, kicked, reset_peaks, self.pulses.holds(), look_again=look_again)
        if reset_peaks:
            self.peaks_since_us = self._clock.now()
        return sample

    def seen(self) -> str | None:
        """Takes the notifications that have come. Gives what is wrong with them, in words for the log."""
        wrong = None
        reports = self.notices.read()
        if reports:
            now = self._clock.now()
            for tick, levels in reports:
                wrong = self.edges.seen(unwrapped(tick, now), levels) or wrong
        return wrong

    def enable(self, on: bool) -> None:
        """Writes OUTPUT_ENABLE."""
        now, changed = self._clock.now(), on is not self.enabled
        if changed:
            self.edges.asked(int(on), now)
            self.enabled, self.enabled_us = on, now
        self.pulses.write("OUTPUT_ENABLE", int(on))
        if changed:
            self.enabled_us = self._clock.now()  # by then it is: the rail's time counts from here

    def stopped(self) -> None:
        """Everything was made safe, by whom ever, or is about to be: now, which a slow daemon may have made later than
        the check that knows of it began.
        """
        now = self._clock.now()
        self.edges.stopped(now)
        if self.enabled:
            self.enabled, self.enabled_us = False, now

    def halt(self) -> bool:
        """Everything safe on the main connection. Gives whether the lines read low."""
        self.pulses.halt()
        self.pulses.restore_modes()
        self.pulses.forget()
        return self.pulses.safe()

    # --- the board for self-test and electrode check (steps.Port) -------------------------------------------------

    def sense(self) -> Sample:
        """One reading; nothing is changed by it, nor which modes the next check asks for."""
        return self.senses.check(None, None, False, modes=False)

    def reset_peaks(self) -> None:
        """Empties the peak holds."""
        self.pulses.blip("PEAK_RESET")
        self.peaks_since_us = self._clock.now()

    def second_opinion(self, channel: int) -> int:
        """A code of the converter by gpiozero."""
        return self.panel.raw(channel)

    def write(self, line: str, level: int) -> None:
        """OUTPUT_ENABLE is the only line that a job may write."""
        if line != "OUTPUT_ENABLE":
            raise NotAsApproved(f"a job writes {line}")
        self.enable(bool(level))

    def forget(self) -> None:
        """Halt, lines safe, no waves; what the edges were compared with is over."""
        self.stopped()
        self.pulses.halt()
        self.pulses.forget()

    def play(self, data: bytes, duration_us: int) -> tuple[int, int]:
        """Plays one of the waves that self-test and electrode check have, and no other; a held phase only with
        OUTPUT_ENABLE low."""
        if selftest.admits(self.figures, data):
            chunk: Chunk | Refusal = Chunk(duration_us, len(data) // ENTRY_BYTES, ())  # its phase is held: no pulse
            if self.enabled:
                raise NotAsApproved("a wave of the self-test with OUTPUT_ENABLE high")
            self.edges.stopped(self._clock.now())
        else:
            chunk = electrode.admit(self.figures, data)
        if isinstance(chunk, Refusal):
            raise NotAsApproved(f"a job's wave: {chunk}")
        wave, at = self.pulses.load(data, chunk.entries, duration_us)
        if at is not None:
            raise NotAsApproved(f"the daemon plays wave {at}; nothing was sent")
        now = self._clock.now()
        self.pulses.send(wave, join=False)
        self._supply.note(wave, now, chunk)
        return wave, now

    def start_dead_man(self) -> None:
        """Starts the script again after it fired, and so made the lines low."""
        self.stopped()
        self.dead_man.start()
        self.kicked_us = self._clock.now()

    def facts(self) -> DaemonFacts:
        """What the daemon is. Raises DaemonLost too when the kernel does not say who listens."""
        try:
            listeners = daemon_facts.listeners(self._where[1])
        except (OSError, ValueError) as error:
            raise DaemonLost(f"who listens at port {self._where[1]} is not known: {error}") from error
        return DaemonFacts(
            daemon_facts.version(self.client),
            listeners,
            daemon_facts.permitted(self.client),
            daemon_facts.scripts(self.client, self.dead_man.script_id),
        )


def unwrapped(tick: int, now_us: int) -> int:
    """A tick of 32 bits in the guard's microseconds: the one nearest to now."""
    return now_us + (tick - now_us + TICK_WRAP // 2) % TICK_WRAP - TICK_WRAP // 2


def figures(board: Board) -> Figures:
    """The board's figures as self-test and electrode check need them."""
    adc, levels = board.adc, 1 << board.adc.bits
    return Figures(
        board.lines,
        board.full_scale_ua,
        int(board.compliance_v * 1000),
        adc.reference_mv,
        -(-board.full_scale_ua * adc.vref_mv // (levels * adc.peak_full_scale_mv)),
        -(-adc.vref_mv * adc.electrode_divider // levels),
    )
