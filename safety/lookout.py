"""The lookout: what a check reads, put beside what was asked, and judged (``watch``). Keeps what it has seen.

It decides nothing: it gives the bank of lines and the codes of the causes that hold now, and leaves to the interlock
what becomes of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hw.board import Board
from hw.clock import Clock
from safety import watch, window
from safety.instruments import Instruments
from safety.interlock import Mode, State
from safety.schedule import CHANNELS
from safety.steps import Wait
from safety.supply import Supply

TESTING: Final = frozenset(
    ("tripped", "phase_stuck", "not_what_was_approved", "dead_man_fired", "daemon_slow", "check_late")
)
"""What a check judges before and during the self-test; the rest is the self-test's own to find and to name."""
EMPTIED_US: Final = 1_000
"""So long a check may take, for the peak holds to be read empty at its end: p99 of the daemon is 0.25 ms. ours."""


class Lookout:
    """``dead_man_fired``: how often it did, and was started again, while no output was on. ``rail_mv``: as last read.
    ``measured_ua``: the peak of each channel in the chunk before the one that plays.
    """

    def __init__(self, board: Board, supply: Supply, clock: Clock) -> None:
        self._supply, self._clock = supply, clock
        self._facts = facts(board)
        self._memory = watch.Memory()
        self._peaks = dict.fromkeys(CHANNELS, 0)
        self._emptied = False
        self.measured_ua = dict.fromkeys(CHANNELS, 0)
        self.rail_mv = 0
        self.dead_man_fired = 0

    @property
    def load_ohm(self) -> dict[str, int | None]:
        """The load of each channel as last measured at enough current."""
        return dict(zip(CHANNELS, self._memory.load_ohm, strict=True))

    def forget(self) -> None:
        """After a self-test: what it did is no evidence of anything."""
        self._memory = watch.Memory()

    def begins(self, *, resumed: bool) -> None:
        """The output switch closes. Peaks of an electrode check are not the session's; loads of before a pause are."""
        if not resumed:
            self._memory = self._memory.begun()
        self._peaks = dict.fromkeys(CHANNELS, 0)

    def chunk_began(self) -> None:
        """Another chunk plays: what was measured so far came from those before it; empty holds are looked at anew."""
        self._emptied = False
        self.measured_ua, self._peaks = self._peaks, dict.fromkeys(CHANNELS, 0)

    def look(
        self,
        tools: Instruments,
        state: State,
        wait: Wait,
        now: int,
        due_us: int,
        *,
        good: bool,
        begins: bool,
        stopping: Callable[[], bool],
    ) -> tuple[int, tuple[str, ...]]:
        """One reading, judged: the bank, and the causes that hold now.

        ``wait``: what a job under way wishes; ``due_us``: when the check was to be; ``good``: all was well in the check
        before, so that KEEPALIVE is toggled; ``begins``: the job has not made its first step; ``stopping``: asked after
        the reading, whether a stop is under way. Raises BoardError.
        """
        played = self._supply.played
        testing = state.mode in (Mode.BOOT, Mode.SELF_TEST)
        checking = state.mode is Mode.ELECTRODE_CHECK
        since = tools.peaks_since_us
        seen = window.look(played, since, now)
        look_again = state.mode is Mode.RUNNING and not self._emptied and window.silent(played, now, now + EMPTIED_US)
        sample = tools.check(
            toggle=good and (wait.toggle or not testing),
            kick=wait.kick or not testing,
            reset_peaks=window.may_empty(seen, since, now) and not checking and not testing,
            look_again=look_again,
        )
        after = self._clock.now()
        if sample.emptied_ua is not None and not window.silent(played, now, after):  # a pulse may have come meanwhile
            sample = sample._replace(emptied_ua=None)
        self._emptied = self._emptied or sample.emptied_ua is not None
        allowed = window.allowed(played, now) | window.allowed(played, after)
        if stopping():  # the daemon may have read it after the halt
            tools.stopped()
            allowed |= {None}
        judged = watch.Check(
            sample,
            after,
            due_us,
            after - now,
            since,
            *window.between(played, seen, since, now, after),
            tools.enabled,
            tools.enabled_us,
            tools.toggled_us if tools.was_toggled else None,
            allowed,
            tools.kept_us,
        )
        if checking:  # the holds are emptied by the wave itself: how much must be there is the check's own to say
            a, b = judged.asked
            judged = judged._replace(asked=(a._replace(must=0), b._replace(must=0)))
        self._memory, found = watch.judge(self._facts, self._memory, judged)
        self.rail_mv = sample.rail_mv
        for channel, peak in zip(CHANNELS, sample.peak_ua, strict=True):
            self._peaks[channel] = max(self._peaks[channel], peak)
        if not sample.dead_man_running and not state.output and (begins or not testing):
            tools.start_dead_man()  # a slow disk, perhaps: nothing could come out
            self.dead_man_fired += 1
            found = tuple(code for code in found if code != "dead_man_fired")
        if testing:
            found = tuple(code for code in found if code in TESTING - _brought_about(wait))
        return sample.bank, found


def _brought_about(wait: Wait) -> frozenset[str]:
    """What a self-test does on purpose just now."""
    trips = ("tripped", "phase_stuck") if wait.trips else ()
    return frozenset((*trips, *(() if wait.kick else ("dead_man_fired",))))


def facts(board: Board) -> watch.Facts:
    """The board's figures as the watch needs them."""
    adc = board.adc
    return watch.Facts(
        board.full_scale_ua,
        int(board.compliance_v * 1000),
        adc.reference_mv,
        board.mask("FAULT_N"),
        board.mask("POWER_OK"),
        (board.mask("A_POS", "A_NEG"), board.mask("B_POS", "B_NEG")),
        (adc.average_a, adc.average_b),
        (adc.electrode_a, adc.electrode_b, adc.rail, adc.average_a, adc.average_b),
    )
