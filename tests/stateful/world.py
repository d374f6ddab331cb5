"""A board, a guard and an app, what people and faults do to them, and everything the guard says of it.

Each act tells ``Rules`` what must follow. The app is the product's own (``controller.session``); a person's hand is
here. Nothing here waits for the wall's time, but for a guard that must end.
"""

from __future__ import annotations

import contextlib
import faulthandler
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from controller.outcome import View
from controller.programme import parse_programme
from controller.session import Session, SessionRefused
from controller.timeline import Timeline
from controller.waveform import Encoder
from hw.clock import VirtualClock
from hw.mock import current
from safety.errors import LinkError
from safety.limits import CHECKS_APART_US
from safety.link import STOP_SOCKET, Message
from tests.stateful.electrode import Broken, Rules, pulses
from tests.support.signed import signed
from tests.support.stack import AppLink, Stack, stack

OUTPUT: Final = ("running", "electrode_check")
FIRST_DAY: Final = date(2001, 1, 1)
"""Any day before this machine's own is believed, as long as it only goes on."""
SESSIONS_A_DAY: Final = 3
STEP_UA: Final = 2_000
ENDS_WITHIN_S: Final = 60
"""Of the wall's time: a guard that has lost its daemon."""

STOP_US, ESTOP_US, APP_LOST_US, APP_FROZEN_US, LOST_US, SCRIPT_US = 30_000, 30_000, 50_000, 300_000, 140_000, 20_000
"""From the event to the last current: ``docs/interlock.md``; daemon lost: KEEPALIVE's 130 ms and the rail's fall."""
ONE_SHOT_US: Final = 1_400
"""A phase line that is stuck high, whatever is written to it."""
CHECK_ENDS_US: Final = 1_000_000
"""An electrode check of both channels, whoever hears of it."""
HANGS_AFTER_S: Final = 180
"""Of the wall's time, from one look to the next: then time stands still, and where that is is told."""
CHECK_US: Final = 25_000
"""From one check to the next, and by how much it may come later for a quiet moment."""
SOON_US: Final = 100_000
RESTS: Final = 20
"""Times 2 s: the longest rest that may be due is 30 s."""
LEASE_US: Final = 2_000_000
HEARD_US: Final = 300_000
"""A nonce comes each 250 ms."""


def programme(*phases: str) -> bytes:
    head = 'schema = 1\nid = "world"\ntitle = { nb = "Prøve", en = "Trial" }\nsource = "a test"\n'
    return (head + 'electrode = { kind = "vaginal probe", area_cm2 = 10.0 }\n' + "".join(phases)).encode()


def contractions(channel: str, hz: float, hold_ms: int, rest_ms: int, repeats: int) -> str:
    return (
        f'[[phase]]\nname = {{ nb = "En", en = "One" }}\nchannel = "{channel}"\nfrequency_hz = {hz}\n'
        "phase_width_us = 250\ninterphase_us = 100\nramp_up_ms = 500\n"
        f"hold_ms = {hold_ms}\nramp_down_ms = 500\nrest_ms = {rest_ms}\nrepeats = {repeats}\nintensity_percent = 100\n"
    )


CONTINUOUS: Final = (
    '[[phase]]\nname = { nb = "To", en = "Two" }\nchannel = "A"\nfrequency_hz = 10.0\nphase_width_us = 300\n'
    "interphase_us = 100\nramp_up_ms = 500\nramp_down_ms = 500\ncontinuous_s = 30\nintensity_percent = 100\n"
)
PAUSE: Final = '[[phase]]\nname = { nb = "Pause", en = "Pause" }\npause_s = 35\n'
PROGRAMMES: Final = {
    "short": programme(contractions("A", 50.0, 1500, 3000, 3)),
    "strong": programme(contractions("A", 50.0, 5000, 6500, 40)),
    "both": programme(contractions("AB", 13.0, 4000, 5000, 30)),
    "other": programme(contractions("B", 35.0, 3000, 4500, 20)),
    "continuous": programme(CONTINUOUS, PAUSE, contractions("A", 20.0, 2000, 3500, 4)),
}
TIMELINES: Final = {name: Timeline(parse_programme(text, name)) for name, text in PROGRAMMES.items()}

CROOKED: Final = frozenset(
    ("dac-stuck", "dac-bit", "source-gain", "source-polarity", "phase-line", "client-add", "client-send", "client-mode")
)
"""Faults after which amplitudes or charges may be others than asked, until the guard has seen it."""


class Witness(AppLink):
    """An app's link whose every message is seen by somebody."""

    world: World | None = None

    def _arrived(self, until_us: int | None) -> list[Message]:
        arrived = super()._arrived(until_us)
        for message in arrived:
            if self.world is not None and "mode" in message:
                self.world.seen(message)
        return arrived


@dataclass(frozen=True)
class Chunk:
    """One that began to play: session time, when that was, and how many underruns there had been."""

    start_us: int
    end_us: int
    began_us: int
    underruns: int


class World:
    """Use ``world()``. ``session_us`` counts time with a session open, ``causes`` what latched."""

    def __init__(self, rig: Stack) -> None:
        self.rig, self.rules = rig, Rules()
        self.link: Witness | None = None
        self.session: Session | None = None
        self.loaded: str | None = None
        self.mode, self.cause = "boot", None
        self.check_again_us = 0
        self.broken: set[str] = set()
        self.excused = False
        """The guard may end: its daemon was lost."""
        self.day = FIRST_DAY
        self.today = 0
        self.acknowledging = False
        self.moments = 0
        self.set_point_ua = {"A": 0, "B": 0}
        self.session_us = 0
        self.open_since_us: int | None = None
        self.run_since_us: int | None = None
        self.run_us = self.most_us = 0
        self.causes: Counter[str] = Counter()
        self.modes: Counter[str] = Counter()
        self.sessions = self.ends = 0
        self.chunk: Chunk | None = None
        self.began_us = self.chunks = self.missed = self.drift_us = 0
        self._ask("current", record=True)
        self.connect()

    # --- what is seen ---------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.rig.clock.now()

    @property
    def guard_lives(self) -> bool:
        return self.rig.sim.processes[1].poll() is None

    def _ask(self, op: str, **fields: object) -> dict[str, Any]:
        return self.rig.sim.control.ask(op, **fields)

    def seen(self, message: Message) -> None:
        """Everything the guard says of its state."""
        mode, cause, now_us = message["mode"], message["cause"], message["now_us"]
        if self.cause is not None and cause is None and not self.acknowledging:
            raise Broken(f"{self.cause} was cleared by nobody: {message}")
        if (mode in OUTPUT) != (self.mode in OUTPUT) or (mode in OUTPUT and mode != self.mode):
            if mode in OUTPUT:
                continuous = mode == "running" and self.loaded == "continuous"
                self.rules.begins(mode, now_us, continuous=continuous)
            elif cause is None:
                self.rules.ends_by(now_us)
        if cause is not None:
            # Lines that were read low are low, but for one that is stuck behind the pin: the one-shot ends that. And
            # KEEPALIVE ends what was not read low.
            stuck_us = ONE_SHOT_US if "phase-line" in self.broken else 0
            self.rules.ends_by(now_us + (stuck_us if message["confirmed"] else LOST_US))
            self.rules.disturbed()
        self._time(mode, now_us)
        if mode != self.mode:
            self.modes[mode] += 1
        if cause is not None and cause != self.cause:
            self.causes[cause] += 1
        self.mode, self.cause = mode, cause
        self.began_us = message.get("began_us", self.began_us)

    def _time(self, mode: str, now_us: int) -> None:
        """Session time, and that no session runs for longer than its programme."""
        is_open = mode in ("running", "paused")
        if is_open and self.open_since_us is None:
            self.open_since_us = now_us
        if self.open_since_us is not None:
            self.session_us += now_us - self.open_since_us
            self.open_since_us = now_us if is_open else None
        if self.run_since_us is not None:
            self.run_us += now_us - self.run_since_us
        self.run_since_us = now_us if mode == "running" else None
        if self.run_us > self.most_us and mode == "running":
            raise Broken(f"a session of {self.loaded} has run for {self.run_us} us; at most {self.most_us}")

    def _plays(self, view: View) -> None:
        """A chunk began: right after the one before, or the guard has counted an underrun."""
        now = Chunk(view.playing.start_us, view.playing.end_us, self.began_us, view.underruns)
        before, self.chunk = self.chunk, now
        self.chunks += 1
        if before is None or now.start_us != before.end_us:
            return
        late_us = now.began_us - before.began_us - (before.end_us - before.start_us)
        self.missed += now.underruns - before.underruns
        self.drift_us = max(self.drift_us, abs(late_us) if now.underruns == before.underruns else 0)
        if late_us and now.underruns == before.underruns:
            raise Broken(f"{now} comes {late_us} us after the end of {before}, and nothing was counted")

    def look(self) -> None:
        """Holds what came out since the last look against the rules."""
        faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
        path = self.rig.folder / f"current{current.DOUBLES}"
        now = self.now
        self._ask("current", path=str(path))
        self._ask("current", record=True)
        self.rules.judge([one for name, points in current.read(path).items() for one in pulses(name, points)], now)
        if not self.guard_lives and not self.excused:
            raise Broken(f"the guard ended by itself: {self.rig.sim.processes[1].poll()}")

    # --- time -----------------------------------------------------------------------------------------------------

    def advance(self, us: int) -> None:
        """Lets time pass; the app does its work meanwhile.

        Where it stands at its end, and so what the app asks for next, is at another place within a millisecond each
        time: at the tick at which the guard wakes it would be chance who of the two came first.
        """
        until = self._until(self.now + us)
        while self.now < until:
            if self.link is None:
                self.rig.clock.wait(until)
                continue
            try:
                if self.session is not None:
                    self._step(self.session, until)
                else:
                    self.link.receive(until)
            except LinkError as error:
                self._link_lost(error)

    def _until(self, tick: int) -> int:
        self.moments += 1
        return tick + (137 * self.moments - tick) % 1000

    def advance_while(self, modes: tuple[str, ...], most_us: int) -> None:
        """The same for as long as the guard is in one of these modes, and then a moment more."""
        until = self.now + most_us
        while self.mode in modes and self.now < until and self.guard_lives:
            self.advance(SOON_US)

    def _step(self, session: Session, until: int) -> None:
        try:
            over = session.step(until)
        except SessionRefused as refused:
            session._refused(refused)  # as its own ``run`` does: what was refused stops it
            over = True
        if over:
            self.session = None

    def _link_lost(self, error: LinkError) -> None:
        if error.code not in ("guard_lost", "link_truncated"):
            raise error
        self.session = None
        self._drop()
        if not self.excused:
            raise Broken(f"the guard has gone: {error}")
        self.rig.sim.processes[1].wait(ENDS_WITHIN_S)

    def _drop(self) -> None:
        if self.link is not None:
            self.link.close()
            self.rig.links.remove(self.link)
            self.link = None

    # --- people: the app ------------------------------------------------------------------------------------------

    def connect(self) -> None:
        self.link = Witness(self.rig.folder, self.rig.clock)
        self.rig.links.append(self.link)
        self.link.world = self
        self.link.echoes = True
        self.seen(self.link.latest)

    def ask(self, type_: str, **fields: object) -> Message:
        """A request as it stands, whatever the moment."""
        assert self.link is not None
        try:
            answer = self.link.request(type_, **fields)
        except LinkError as error:
            self._link_lost(error)
            return {"ok": False, "code": "guard_lost"}
        return answer

    def load(self, name: str, cap_ua: int = 50_000) -> bool:
        told = signed(PROGRAMMES[name], self.link.latest, {"A": cap_ua, "B": cap_ua}) if self.link else {}
        answer = self.ask("load", programme=PROGRAMMES[name].decode(), **told)
        if answer["ok"]:
            self.loaded = name
        return bool(answer["ok"])

    def check(self) -> bool:
        answer = self.ask("check_electrodes")
        self.check_again_us = self.now + (CHECKS_APART_US if answer["ok"] else answer.get("wait_us", 0))
        return bool(answer["ok"])

    def start(self) -> bool:
        """By the app, if the guard is armed; the rest that is due is not waited for."""
        if self.link is None or self.loaded is None:
            return False
        timeline = TIMELINES[self.loaded]
        full = self.rig.board.full_scale_ua
        target = {"A": 20_000, "B": 20_000}
        session = Session(self.link, timeline, Encoder(self.rig.board), full, target, None, self._plays, rises=False)
        self.chunk = None
        self.run_us, self.most_us = 0, timeline.duration_us + 1_000_000
        try:
            started = session.start(self.day.isoformat(), waits=False)
        except SessionRefused:
            return False
        except LinkError as error:
            self._link_lost(error)
            return False
        if started:
            self.session = session
            self.sessions += 1
            self.today += 1
            if self.today > SESSIONS_A_DAY:
                raise Broken(f"session {self.today} of one day")
            self._zero()
        return started

    def _zero(self) -> None:
        """A start or resume: nothing may come before somebody raises."""
        assert self.link is not None
        if any(self.link.latest["set_point_ua"].values()):
            raise Broken(f"the set-point is not zero: {self.link.latest}")
        self.set_point_ua = {"A": 0, "B": 0}
        self.rules.set_point({"A": 0.0, "B": 0.0}, self.now)

    def act(self, wish: str) -> bool:
        """``pause``, ``resume`` or ``end`` by the app, if it has a session."""
        if self.session is None:
            return False
        if wish == "resume":
            self.most_us += 1_000_000
            self.chunk = None
        try:
            getattr(self.session, wish)()
        except SessionRefused:
            return False
        except LinkError as error:
            self._link_lost(error)
            return False
        if wish == "resume":
            self._zero()
        return True

    def raise_(self, channel: str, by_ua: int) -> bool:
        if self.session is None:
            return False
        to = {channel: self.set_point_ua[channel] + by_ua}
        try:
            self.session.raise_(to)
        except SessionRefused:
            return False
        except LinkError as error:
            self._link_lost(error)
            return False
        if by_ua > STEP_UA:
            raise Broken(f"a step of {by_ua} uA was granted")
        self.set_point_ua |= to
        self.rules.set_point({channel: to[channel] / 1000}, self.now)
        return True

    def lower(self, channel: str, percent: int) -> bool:
        """By the app, or past it (by another hand that has the same link)."""
        told = self.set_point_ua[channel] if self.link is None else self.link.latest["set_point_ua"][channel]
        to = {channel: told * percent // 100}
        if self.session is None or self.mode != "running":
            return False
        try:
            self.session.lower(to)
        except SessionRefused:
            return False
        except LinkError as error:
            self._link_lost(error)
            return False
        self.set_point_ua |= to
        # Until what was made for the old one has played; a granted step that lay ahead is forgotten by the guard.
        self.rules.set_point({one: value / 1000 for one, value in self.set_point_ua.items()}, self.now)
        return True

    def acknowledge(self, role: str) -> bool:
        self.acknowledging = True
        latched, held = self.cause, self.pressed
        answer = self.ask("acknowledge", role=role)
        if answer["ok"] and held and self.guard_lives:
            raise Broken(f"{latched} was cleared with the button pressed: {answer}")
        if answer.get("cause") is None:
            self.cause = None
        self.acknowledging = False
        if answer["ok"] and any(answer["set_point_ua"].values()):
            raise Broken(f"the set-point is not zero after {latched} was cleared: {answer}")
        return bool(answer["ok"])

    # --- people: from outside -------------------------------------------------------------------------------------

    @property
    def pressed(self) -> bool:
        return "estop-press" in self.broken

    def stop(self) -> None:
        """A stop by datagram; with or without an app."""
        if self.link is None or not self.guard_lives:
            return
        self.rules.ends_by(self.now + STOP_US)
        self.rules.disturbed()
        with contextlib.suppress(LinkError):
            self.link.stop()

    def press(self) -> None:
        self.rules.ends_by(self.now + ESTOP_US)
        self.rules.disturbed()
        self.rig.fault("estop-press")
        self.broken.add("estop-press")

    def release(self) -> None:
        self.rig.fault("estop-release")
        self.broken.discard("estop-press")

    def next_day(self) -> None:
        """Midnight passes. A session that is open belongs to the day it began on."""
        self.day += timedelta(days=1)
        self.today = 0

    # --- faults ---------------------------------------------------------------------------------------------------

    def lose_app(self) -> None:
        """The app is killed."""
        if self.rules.on:
            self.rules.ends_by(self.now + APP_LOST_US)
        self.rules.disturbed()
        self.session = None
        self._drop()

    def freeze_app(self, us: int) -> None:
        """The app is held for so long, while time goes on for everybody else.

        Before, the guard has taken all that was sent to it: for who is frozen the simulator takes no account of that.
        After it the session goes on where the guard has not stopped it (``safety/guard.py::STARVED_US``).
        """
        self.rules.disturbed()
        if not self.ask("status")["ok"]:
            return
        ends = self.rules.on and us > APP_FROZEN_US and self.mode == "running"
        if self.rules.on and us > APP_FROZEN_US:
            self.rules.ends_by(self.now + (APP_FROZEN_US if ends else CHECK_ENDS_US))
        person = VirtualClock(str(self.rig.folder / "sim.sock"), "person")  # first, or time would go on for nobody
        self._ask("frozen", name="app", value=True)
        try:
            until = self._until(person.now() + us)
            while person.now() < until:
                person.wait(until)
        finally:
            self._ask("frozen", name="app", value=False)
            person.close()
        self.rig.clock._look()  # what came for it before is of then
        self.rig.clock._stale = True  # time went on without it
        thawed = self.now
        if ends and self.ask("status")["mode"] == "running":
            self.rules.begins("running", thawed, continuous=self.rules.spans[-1].continuous)

    def forget_lease(self, us: int) -> None:
        """The phone is gone for so long: its page echoes nothing, and nothing may flow when the lease is long over."""
        if self.link is None:
            return
        self.link.echoes = False
        began = self.now
        over = began + LEASE_US + 500_000 + 250_000
        if self.rules.on and us > over - began:
            self.rules.ends_by(over)
        self.advance(us)
        if self.link is not None:
            self.link.echoes = True

    def break_(self, name: str, *args: object) -> None:
        """A fault of docs/faults.md that stays until it is mended, or happens once."""
        self.rules.disturbed()
        self.rules.crooked = self.rules.crooked or name in CROOKED
        self.rig.fault(name, *args)
        self.broken.add(name)

    def mend(self) -> None:
        """All that can be mended, and the button out."""
        self.rig.fault("clear")
        if self.pressed:
            self.release()
        self.broken.clear()
        self.rules.disturbed()

    def straight(self) -> None:
        """Nothing is broken any more, no output is on, and all that flowed was judged (``look``): from here on every
        amplitude counts as it stands."""
        if not self.broken and self.mode not in OUTPUT:
            self.rules.crooked = False

    def lose_daemon(self, how: str) -> None:
        """The daemon is killed (KILL, TERM), closes its connections or answers nonsense: the guard ends."""
        self.excused = True
        self.ends += 1
        self.rules.ends_by(self.now + LOST_US)
        self.rules.disturbed()
        if how in ("KILL", "TERM"):
            self.rig.fault("daemon-kill", how)
        else:
            self.rig.fault(f"daemon-{how}")
        self.broken.add("daemon")
        self.advance(200_000)
        self.rig.sim.processes[1].wait(ENDS_WITHIN_S)

    def slow_daemon(self, ms: int, us: int) -> None:
        """For a time each answer of the daemon comes so much later; what plays goes on meanwhile, and KEEPALIVE ends.

        Mended within the step: the simulator lets no time pass for an app that waits for the guard, while more than one
        of the guard's threads waits for the daemon.
        """
        if ms * 1000 > LOST_US and us > CHECK_US:  # a check at least falls into it
            self.rules.ends_by(self.now + CHECK_US + LOST_US)
        self.break_("daemon-slow", ms)
        self.advance(us)
        self.rig.fault("clear", "daemon-slow")
        self.broken.discard("daemon-slow")
        self.advance(500_000)

    def kill_guard(self) -> None:
        """SIGKILL: the dead-man's script and KEEPALIVE remain."""
        self.excused = True
        self.ends += 1
        self.rules.ends_by(self.now + SCRIPT_US)
        self.rules.disturbed()
        guard = self.rig.sim.processes[1]
        guard.send_signal(signal.SIGKILL)
        guard.wait(ENDS_WITHIN_S)

    def revive(self) -> None:
        """A new daemon where the old one died, and a new guard."""
        if self.guard_lives:
            return
        self._drop()
        self.session = None
        self.look()
        if "daemon" in self.broken:
            self.rig.fault("daemon-restart")
        self.mend()
        sim = self.rig.sim
        dead = sim.processes.pop()
        for pipe in (dead.stdin, dead.stdout):
            if pipe is not None:
                pipe.close()
        folder, where = self.rig.folder, f"127.0.0.1:{sim.port}"
        self.rig.clock.drop(f"dgram:{folder / STOP_SOCKET}")  # the new guard counts the stops that it gets from 0
        # Nobody waits for time while a guard starts: by then the old one's script must have come to its end by itself.
        self.rig.clock.wait(self.now + 150_000)
        options = ["--runtime", str(folder), "--state", str(self.rig.state), "--pigpio", where]
        sim._start("safety", *options, "--simulated", "--clock", str(folder / "sim.sock"))
        self.excused = False
        self.mode, self.cause, self.loaded = "boot", None, None
        self._time("boot", self.now)
        self.connect()

    # --- a person who knows the way -------------------------------------------------------------------------------

    def recover(self) -> None:
        """Mends all, and acknowledges what is latched, until the guard is idle."""
        self.mend()
        for _ in range(4):
            self.revive()
            if self.link is None:
                self.connect()
            if self.mode in ("idle", "armed", "running", "paused"):
                break
            self.advance(SOON_US)
            if self.cause is not None:
                self.acknowledge("clinician")
            self.advance_while(("boot", "self_test", "electrode_check"), 2_000_000)
        self.look()
        self.straight()

    def arm(self, name: str) -> bool:
        if self.mode not in ("idle", "armed") or not self.load(name):
            return False
        self.advance(max(HEARD_US, self.check_again_us - self.now))
        if not self.check():
            return False
        self.advance_while(("electrode_check",), 3_000_000)
        return self.mode == "armed"

    def begin(self, name: str) -> bool:
        """The whole way from wherever the guard stands to a session, waiting for a rest that is due."""
        self.recover()
        if self.today == SESSIONS_A_DAY:
            self.next_day()
        if not self.arm(name):
            return False
        for _ in range(RESTS):
            if self.start():
                return True
            if self.mode != "armed":
                break
            self.advance(2_000_000)
        return False

    def train(self, us: int, to_ua: int) -> None:
        """Lets a session play, and raises whenever that is granted."""
        until = self.now + us
        while self.now < until and self.session is not None and self.link is not None:
            self.advance(min(1_100_000, until - self.now))
            for channel in "AB":
                if self.session is not None and self.set_point_ua[channel] < to_ua:
                    self.raise_(channel, min(STEP_UA, to_ua - self.set_point_ua[channel]))


@contextlib.contextmanager
def world(state: Path | None = None) -> Iterator[World]:
    """Starts one; ends all of it."""
    with stack(state, new_state=state is None or not state.exists()) as rig:
        try:
            yield World(rig)
        finally:
            faulthandler.cancel_dump_traceback_later()
