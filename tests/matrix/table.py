"""The fault matrix: what becomes of each fault of the simulated board in each state of a session.

What is expected stands here; ``docs/fault-matrix.md`` is made from it, with the times that were measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.matrix.bench import CONTRACTION, STATES, At, Break, Cell, Course

AT_ONCE, CHECK, SESSION, SELF_TEST = "at once", "electrode check", "session", "self-test"
AFTER, START, NEVER = "after the session", "start", "never"
SOON_US: Final = 300_000
"""What is named so soon is named at once, though a ramp have ended meanwhile."""
RAMP_MS: Final = 600
"""A ramp: 500 ms, and the chunk that plays already."""
USUAL: Final = Course()
BRIEF: Final = Course(end_ms=300)
"""For what shows nowhere in a session."""
LONG: Final = Course(hold_ms=2_500, rest_ms=3_400)
"""For what takes up to two seconds: a hold of more than that."""
DENSE: Final = Course(hold_ms=2_000, rest_ms=2_900, frequency_hz="100.0", width_us=800)
"""As much charge as 2 mA can be: a missing phase is 160 uA of direct current."""


@dataclass(frozen=True)
class Found:
    """What is named (any of ``causes``), and where. ``within_ms``: instead of the row's own."""

    causes: tuple[str, ...]
    at: str = AT_ONCE
    within_ms: int | None = None

    def __str__(self) -> str:
        words = " or ".join(f"`{cause}`" for cause in self.causes)
        if self.at == NEVER:
            return "nothing"
        return words if self.at == AT_ONCE else f"{self.at}: {words}"


Cells = dict[At, Found]


def once(*causes: str, within_ms: int | None = None) -> Found:
    """Named in the state in which it comes."""
    return Found(causes, AT_ONCE, within_ms)


def later(at: str, *causes: str, within_ms: int | None = None) -> Found:
    """Nothing happens there; named when the session goes on."""
    return Found(causes, at, within_ms)


NOTHING: Final = Found((), NEVER)


def everywhere(*causes: str) -> Cells:
    """Whatever the state."""
    return dict.fromkeys(STATES, once(*causes))


def switched(*causes: str) -> Cells:
    """Shows while the output switch should be closed."""
    return {
        **everywhere(*causes),
        At.IDLE: later(CHECK, *causes),
        At.ARMED: later(SESSION, *causes),
        At.PAUSED: later(SESSION, *causes),
    }


def pulsed(*causes: str, check: str) -> Cells:
    """Shows when a pulse comes that is strong enough; ``check``: what the electrode check says."""
    return {
        **switched(*causes),
        At.IDLE: later(CHECK, check),
        At.CHECK: once(check),
        At.REST: later(SESSION, *causes),
    }


def framed(*causes: str) -> Cells:
    """Shows when an amplitude is sent: an electrode check sends one, at its begin."""
    return {**pulsed(*causes, check=causes[0]), At.CHECK: later(SESSION, *causes)}


def latent(*causes: str) -> Cells:
    """A part that stands by has failed: the next self-test finds it, or (no causes) nothing does."""
    return dict.fromkeys(STATES, later(SELF_TEST, *causes) if causes else NOTHING)


FAULT, NEXT, FELT, WRONG = "the fault", "the next pulse", "the first pulse of 0.5 mA", "the first wrong pulse"


@dataclass(frozen=True)
class Row:
    """One fault, with others that make it matter.

    ``since``: what times count from; a fault that is found later, and not by a pulse, from when the output switch
    closed. ``broken``: what an acknowledgement leads to while it is not mended (``refused``, ``idle`` where only pulses
    show it, or what the self-test finds). ``wears``: mending needs a new guard.
    """

    breaks: tuple[Break, ...]
    cells: Cells
    since: str = FAULT
    within_ms: int = 40
    broken: tuple[str, ...] = ()
    course: Course = USUAL
    wears: bool = False
    why: str = ""

    @property
    def name(self) -> str:
        return " + ".join(map(str, self.breaks))


def _row(text: str, cells: Cells, since: str = FAULT, within_ms: int = 40, *broken: str, **more: object) -> Row:
    """``text``: faults and their arguments as on the command line, joined by " + "."""
    breaks = tuple(Break(name, tuple(args)) for name, *args in (one.split() for one in text.split(" + ")))
    return Row(breaks, cells, since, within_ms, broken, **more)  # type: ignore[arg-type]


_STUCK: Final = {  # a DAC that changes no more: at 0 before the first pulses, else at what was asked last
    At.IDLE: later(CHECK, "current_low"),
    At.CHECK: later(SESSION, "current_high"),
    At.ARMED: later(SESSION, "current_low"),
    At.UP: once("current_low"),
    At.HOLD: later(SESSION, "current_high"),
    At.DOWN: once("current_high"),
    At.REST: later(SESSION, "current_low"),
    At.PAUSED: later(SESSION, "current_low"),
}
_OTHER: Final = ("not_what_was_approved", "edges_differ")
_STRAYED: Final = {  # while pulses play their edges may tell first
    **everywhere("not_what_was_approved"),
    **dict.fromkeys((At.CHECK, *CONTRACTION), once(*_OTHER)),
}
_SENT: Final = {  # whichever of what it brings about is seen in the first check
    **everywhere("not_what_was_approved"),
    **dict.fromkeys((At.CHECK, *CONTRACTION), once(*_OTHER, "current_high")),
}
_LOST: Final = everywhere("daemon_lost")

ROWS: Final = (
    _row("estop-press", everywhere("emergency_stop"), FAULT, 30, "refused"),
    _row("estop-release", latent(), course=BRIEF, why="nothing is wrong"),
    _row("estop-bounce 30", everywhere("emergency_stop"), FAULT, 60, "refused"),
    _row("estop-stuck 2 + estop-press", everywhere("estop_contacts_disagree"), FAULT, 30, "refused"),
    _row("estop-stuck 3 + estop-press", everywhere("estop_contacts_disagree"), FAULT, 30, "refused"),
    _row("estop-welded", latent(), course=BRIEF, why="only a press with a look at the rail would show it"),
    _row("estop-welded + estop-press", everywhere("emergency_stop"), FAULT, 30, "refused"),
    _row("estop-cut 1", switched("rail_lost"), FAULT, 40, "self_test_rail_low"),
    _row("estop-cut 2", everywhere("estop_contacts_disagree"), FAULT, 30, "refused"),
    _row("estop-cut 3", everywhere("estop_contacts_disagree"), FAULT, 30, "refused"),
    _row("electrode-open A", pulsed("lead_off", check="electrode_open"), FELT, 100, "idle"),
    _row("electrode-short A", pulsed("short", check="electrode_short"), FELT, 100, "idle"),
    _row(
        "electrode-peeled A",
        {
            **pulsed("load_drift", check=""),
            At.IDLE: NOTHING,
            At.CHECK: NOTHING,
            At.ARMED: NOTHING,
        },
        FELT,
        100,
        "idle",
        why="before the first pulses of a session it is the load that the session begins with",
    ),
    _row(
        "electrode-drying A 10000",
        {
            **dict.fromkeys(STATES, later(SESSION, "load_drift", within_ms=7_000)),
            At.HOLD: once("load_drift", within_ms=7_000),
        },
        FELT,
        100,
        "idle",
        course=LONG,
        why="the load has to rise before it has drifted",
    ),
    _row("adc-dead", everywhere("adc_stuck"), FAULT, 40, "refused"),
    _row("adc-stuck 2000", everywhere("adc_stuck"), FAULT, 40, "refused"),
    _row(
        "adc-input 0 99",
        {
            **everywhere("adc_offset"),
            **dict.fromkeys((At.UP, At.DOWN, At.REST), once("current_high")),
            At.HOLD: once("adc_offset", "current_high"),
            At.CHECK: later(SESSION, "adc_offset"),
        },
        FAULT,
        130,
        "refused",
        why="it reads as 2 mA, which in a hold is right: once a chunk the holds must be empty",
    ),
    _row(
        "adc-noisy 100",
        everywhere("adc_reference", "adc_range", "adc_offset", "current_high"),
        FAULT,
        40,
        "refused",
        why="one reading in thirty is right at the reference by chance, and then something else is not",
    ),
    _row("adc-factor 1.2", everywhere("adc_reference"), FAULT, 40, "refused"),
    _row(
        "adc-slow 1500",
        {
            At.IDLE: later(CHECK, "rail_lost"),
            At.CHECK: once("rail_stuck", within_ms=100),
            At.ARMED: later(SESSION, "rail_lost"),
            At.UP: once("rail_stuck", within_ms=100),
            At.HOLD: once("rail_stuck", within_ms=100),
            At.DOWN: once("rail_stuck", within_ms=100),
            At.REST: once("adc_stuck", within_ms=1_100),
            At.PAUSED: later(SESSION, "rail_lost"),
        },
        FAULT,
        40,
        "refused",
        "self_test_rail_low",
        why="what is old is taken for what is, until it has not changed for a second",
    ),
    _row("adc-reference 1.3", everywhere("adc_reference"), FAULT, 40, "refused"),
    _row("dac-stuck A 4095", pulsed("current_high", check="current_high"), WRONG, 60, "idle"),
    _row("dac-stuck A", _STUCK, WRONG, 60, "idle"),
    _row("dac-bit 13 low", framed("current_high"), WRONG, 60, "idle"),
    _row("dac-bit 11 high", framed("current_high"), WRONG, 60, "idle"),
    _row("dac-bit 15 high", _STUCK, WRONG, 60, "idle"),
    _row("dac-line DAC_SDI high", _STUCK, WRONG, 60, "idle"),
    _row("dac-line DAC_SCK low", _STUCK, WRONG, 60, "idle"),
    _row("dac-line DAC_CS_N high", _STUCK, WRONG, 60, "idle"),
    _row("phase-line A_POS high", everywhere("tripped"), FAULT, 60, "tripped"),
    _row(
        "phase-line A_POS low",
        {
            **pulsed("direct_current", check="electrode_polarity"),
            At.CHECK: later(SESSION, "direct_current"),
            At.HOLD: once("direct_current"),
            At.UP: later(SESSION, "direct_current"),
            At.DOWN: later(SESSION, "direct_current", within_ms=5_000),
        },
        WRONG,
        1_500,
        "self_test_one_shot",
        course=DENSE,
        why="the average of 1 s has to leave 0; at 2 mA and 50 Hz it stays under its bound. In the check one of "
        "the two positive phases was whole",
    ),
    _row("source-gain A 1.3", pulsed("current_high", check="current_high"), WRONG, 60, "idle"),
    _row("source-gain A 0", pulsed("current_low", check="current_low"), WRONG, 60, "idle"),
    _row("source-polarity A positive 1.3", pulsed("current_high", check="current_high"), WRONG, 60, "idle"),
    _row("rail-sag 40", switched("rail_lost"), FAULT, 40, "self_test_rail_low"),
    _row(
        "rail-stuck",
        {
            **dict.fromkeys((*CONTRACTION, At.REST), later(AFTER, "rail_stuck")),
            **dict.fromkeys((At.IDLE, At.ARMED, At.PAUSED), once("rail_stuck")),
            At.CHECK: once("rail_stuck", within_ms=100),
        },
        FAULT,
        60,
        "refused",
        why="shows when the output switch should be open",
    ),
    _row("current-trip", everywhere("tripped"), FAULT, 40, "idle"),
    _row(
        "trip-defeated",
        latent(),
        course=BRIEF,
        why="nothing can try the comparator without the current that it is there for",
    ),
    _row("trip-defeated + dac-bit 13 low", framed("current_high"), WRONG, 60, "idle"),
    _row("one-shot-defeated", latent("self_test_one_shot"), FAULT, 0, "self_test_one_shot", course=BRIEF),
    _row(
        "keepalive-stuck high",
        {**switched("rail_lost"), At.CHECK: later(SESSION, "rail_lost")},
        FAULT,
        130,
        "self_test_rail_low",
    ),
    _row(
        "drop-out-defeated",
        latent("self_test_rail_without_keepalive"),
        FAULT,
        0,
        "self_test_rail_without_keepalive",
        course=BRIEF,
    ),
    _row(
        "battery-low",
        {
            **everywhere("battery_low"),
            **dict.fromkeys((At.IDLE, At.ARMED, At.PAUSED), once("charger")),
        },
        FAULT,
        40,
        "refused",
        why="with the output switch open nothing tells a battery from a charger",
    ),
    _row("charger", everywhere("charger"), FAULT, 40, "refused"),
    _row("daemon-kill KILL", _LOST),
    _row("daemon-kill TERM", _LOST),
    _row("daemon-restart", _LOST),
    _row("daemon-hang", _LOST),
    _row(
        "daemon-slow 5", everywhere("daemon_slow"), FAULT, 400, "refused", why="50 to 80 answers, one after the other"
    ),
    _row("daemon-late-reports 50", pulsed("edges_differ", check="edges_differ"), NEXT, 60, "idle"),
    _row("daemon-garbage", _LOST),
    _row("daemon-close", _LOST),
    _row("client-add 24 100", everywhere("not_what_was_approved"), FAULT, 40, "idle"),
    _row("client-clear", everywhere("not_what_was_approved"), FAULT, 40, "idle"),
    _row("client-delete 0", everywhere("not_what_was_approved"), FAULT, 40, "idle"),
    _row(
        "client-send 0 once",
        {**_SENT, At.IDLE: NOTHING},
        FAULT,
        40,
        "idle",
        why="in idle it is the self-test's own wave of two frames",
    ),
    _row("client-send 0 repeat", _SENT, FAULT, 40, "idle"),
    _row("client-mode 24 0", _STRAYED, FAULT, 60, "idle"),
    _row(
        "client-mode 20 0",
        {**_STRAYED, **dict.fromkeys(CONTRACTION, once(*_OTHER, "current_low"))},
        FAULT,
        60,
        "idle",
    ),
    _row("client-spi main 1", latent(), course=BRIEF, why="the guard's own bus, and a select line that nothing is on"),
    _row("client-spi auxiliary 0", _STRAYED, FAULT, 60, "idle", wears=True),
    _row("clock-step 200", pulsed("edges_differ", check="edges_differ"), NEXT, 40, "idle"),
    _row("clock-step -5", pulsed("edges_differ", check="edges_differ"), NEXT, 40, "idle"),
    _row(
        "late-scheduling guard 200",
        {
            **dict.fromkeys(STATES, later(SESSION, "dead_man_fired", *_OTHER, within_ms=2_000)),
            **dict.fromkeys((At.IDLE, At.ARMED, At.PAUSED), once("check_late")),
            **dict.fromkeys((At.CHECK, At.REST), once("dead_man_fired", *_OTHER)),
        },
        FAULT,
        250,
        "dead_man_fired",
        why="notifications wake it in time while pulses play; what the dead-man script does is seen as edges first",
    ),
    _row("late-scheduling app 500", latent(), course=BRIEF, why="the guard's messages wake it in time"),
    _row(
        "disk-full guard",
        {
            **dict.fromkeys(STATES, NOTHING),
            **dict.fromkeys((At.IDLE, At.CHECK, At.ARMED), later(START, "ledger_not_written")),
        },
        why="a session that runs goes on; its record stays unclean, which the next guard finds",
    ),
    _row("disk-full app", latent(), course=BRIEF, why="it writes no file while a session runs"),
)


def place(state: At, cell: Cell, course: Course) -> str:
    """Where it was named, seen from the state in which the fault came."""
    if cell.refused is not None:
        return START
    if cell.cause is None:
        return NEVER
    if cell.finding:
        return AT_ONCE if state is At.CHECK else CHECK
    if cell.at == At.SELF_TEST:
        return SELF_TEST
    if cell.entered_us < 0:  # the mode in which the fault came
        named_us = cell.named_us or 0
        soon = named_us <= SOON_US or (cell.at == state and named_us <= 600 * course.rest_ms)
        return AT_ONCE if soon else SESSION
    if cell.at == At.IDLE:
        return AFTER
    return CHECK if cell.at == At.CHECK else SESSION


def origin_us(row: Row, cell: Cell) -> int:
    """What times count from, after the fault."""
    if row.since != FAULT:
        if cell.at == At.CHECK:
            return cell.first_us or 0
        seen = {NEXT: cell.first_us, FELT: cell.felt_us, WRONG: cell.wrong_us}[row.since]
        return max(0, cell.entered_us) if seen is None else seen
    return max(0, cell.entered_us)


def times_ms(row: Row, cell: Cell) -> tuple[float, float | None]:
    """When it was named, and when the last current came."""
    origin = origin_us(row, cell)
    named = cell.last_us if cell.named_us is None else cell.named_us
    last = None if cell.last_us is None or cell.last_us < origin else (cell.last_us - origin) / 1000
    return ((named or 0) - origin) / 1000, last


def wrong(row: Row, state: At, cell: Cell) -> list[str]:
    """What is not as it was expected."""
    found = row.cells[state]
    said = list(cell.problems)
    at = place(state, cell, row.course)
    named = cell.refused or (cell.cause if cell.finding else cell.final)
    if at != found.at or (found.causes and named not in found.causes) or (not found.causes and named is not None):
        said.append(f"expected {found}; {at}: {cell.cause}, then {named}")
        return said
    within_ms = row.within_ms if found.within_ms is None else found.within_ms
    if cell.cause is not None and at not in (SELF_TEST, START):
        named_ms, last_ms = times_ms(row, cell)
        if named_ms > within_ms:
            said.append(f"named {named_ms} ms after {row.since}, allowed {within_ms}")
        most = RAMP_MS if cell.cause == "battery_low" and state != At.CHECK else within_ms
        if last_ms is not None and last_ms > most + (130 if cell.guard_ended else 0):
            said.append(f"last current {last_ms} ms after {row.since}, allowed {most}")
    if cell.final is not None:
        if cell.disk != cell.final:
            said.append(f"{cell.final} is latched, on disk is {cell.disk}")
        if not cell.guard_ended and cell.acknowledged not in row.broken:
            said.append(f"acknowledged while broken: {cell.acknowledged}, expected {row.broken}")
    return said
