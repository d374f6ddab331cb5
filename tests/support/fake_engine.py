"""An engine without a guard: it answers at once, from its fields, and writes down what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from api.stop import Stopped
from controller.port import Action, Channel, EngineRefused, Event, Lease, Playing, State
from controller.prescription import Prescription, contraindicated

STEP_UA = 2_000


class FakeEngine:
    """Follows the rules that the port's docstrings tell, as far as a test of the api needs them."""

    def __init__(self) -> None:
        channels = {name: Channel(0, 0, 20_000, STEP_UA) for name in ("A", "B")}
        self.now = State("idle", 0, 0, channels, simulated=True)
        self.asked: list[tuple[Any, ...]] = []
        self.prescribed: Prescription | None = None
        self.holding = True
        self.well = True
        self.listeners: list[Callable[[Event], None]] = []

    def state(self) -> State:
        return self.now

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def tell(self, event: Event) -> None:
        for listener in list(self.listeners):
            listener(event)

    def healthy(self) -> bool:
        return self.well

    def prescription(self) -> Prescription | None:
        return self.prescribed

    def prescribe(self, prescription: Prescription) -> Future[Prescription]:
        def do() -> Prescription:
            if prescription.revision != (self.prescribed.revision if self.prescribed else 0) + 1:
                raise EngineRefused("prescription_revision", "not the next revision")
            self.prescribed = prescription
            return prescription

        return self._do(do, "prescribe", prescription.revision)

    def open_session(self, revision: int, answers: Mapping[str, bool], day: str | None) -> Future[State]:
        def do() -> State:
            if self.prescribed is None:
                raise EngineRefused("no_prescription", "nothing is prescribed")
            if revision != self.prescribed.revision:
                raise EngineRefused("prescription_revision", f"revision {self.prescribed.revision} is in force")
            if against := contraindicated(answers, self.prescribed.released):
                raise EngineRefused("contraindicated", ", ".join(against))
            self._need("idle")
            channels = {
                name: Channel(0, 0, self.prescribed.caps_ua.get(name, 0), STEP_UA) for name in self.now.channels
            }
            playing = Playing("s1", self.prescribed.programme, revision)
            lease = Lease("5f3c", 0, self.prescribed.lease_us, True)
            return self._set(epoch=self.now.epoch + 1, session=playing, channels=channels, lease=lease)

        return self._do(do, "open_session", revision, day)

    def open_threshold(self, answers: Mapping[str, bool], day: str | None) -> Future[State]:
        def do() -> State:
            if self.prescribed is None:
                raise EngineRefused("no_prescription", "nothing is prescribed")
            if against := contraindicated(answers, self.prescribed.released):
                raise EngineRefused("contraindicated", ", ".join(against))
            self._need("idle")
            channels = {
                name: Channel(0, 0, self.prescribed.caps_ua.get(name, 50_000), STEP_UA) for name in self.now.channels
            }
            playing = Playing("t1", self.prescribed.programme, self.prescribed.revision, looking=True)
            lease = Lease("5f3c", 0, self.prescribed.lease_us, True)
            return self._set(epoch=self.now.epoch + 1, session=playing, channels=channels, lease=lease)

        return self._do(do, "open_threshold", day)

    def act(self, action: Action, epoch: int | None) -> Future[State]:
        def do() -> State:
            if epoch is not None and epoch != self.now.epoch:
                raise EngineRefused("old_epoch", f"session {self.now.epoch} is the present one")
            if self.now.session is None:
                raise EngineRefused("no_session", "no session is open")
            match action:
                case Action.CHECK_ELECTRODES:
                    self._need("idle", "armed")
                    return self._set(mode="armed")
                case Action.START:
                    self._need("armed")
                    return self._set(mode="running")
                case Action.PAUSE:
                    self._need("running")
                    return self._set(mode="paused")
                case Action.RESUME:
                    self._need("paused")
                    return self._set(mode="running")
                case Action.END:
                    return self._set(mode="idle", session=None)

        return self._do(do, "act", action.value, epoch)

    def set_intensity(self, channel: str, amplitude_ua: int, rev: int | None, *, controls: bool) -> Future[State]:
        def do() -> State:
            one = self.now.channels[channel]
            if amplitude_ua > one.set_point_ua:
                self._may_raise(one, amplitude_ua, rev, controls)
            channels = {**self.now.channels, channel: replace(one, set_point_ua=amplitude_ua)}
            return self._set(rev=self.now.rev + 1, channels=channels)

        return self._do(do, "set_intensity", channel, amplitude_ua, rev, controls)

    def _may_raise(self, one: Channel, amplitude_ua: int, rev: int | None, controls: bool) -> None:
        highest = min(one.ceiling_ua, one.set_point_ua + STEP_UA)
        if not controls:
            raise EngineRefused("not_controlling", "claim control first")
        if rev is None:
            raise EngineRefused("rev_missing", "name the set-point in If-Match")
        if rev != self.now.rev:
            raise EngineRefused("rev_changed", "the set-point is another one")
        if self.now.session is None:
            raise EngineRefused("no_session", "no session is open")
        if not self.now.lease.increase_allowed:
            raise EngineRefused("lease_stale", "no heartbeat", one.set_point_ua)
        if not self.holding:
            raise EngineRefused("wait_for_contraction", "in a rest", one.set_point_ua, 2_500_001)
        if amplitude_ua > one.ceiling_ua:
            raise EngineRefused("above_cap", "more than prescribed", highest)
        if amplitude_ua > highest:
            raise EngineRefused("step_too_large", "at most 2 mA a step", highest, 0)

    def acknowledge(self, role: str) -> Future[State]:
        def do() -> State:
            if self.now.cause is None:
                raise EngineRefused("nothing_latched", "there is no stop to clear")
            if self.now.clears == "clinician" and role != "clinician":
                raise EngineRefused("clinician_needed", "a clinician must clear this")
            return self._set(mode="idle", cause=None, clears=None, confirmed=None, session=None)

        return self._do(do, "acknowledge", role)

    def heartbeat(self, nonce: str) -> None:
        self.asked.append(("heartbeat", nonce))

    def _set(self, **changes: Any) -> State:
        self.now = replace(self.now, **changes)
        return self.now

    def _need(self, *modes: str) -> None:
        if self.now.mode not in modes:
            raise EngineRefused("not_now", f"not while {self.now.mode}")

    def _do(self, do: Callable[[], Any], *told: Any) -> Future[Any]:
        self.asked.append(told)
        done: Future[Any] = Future()
        try:
            done.set_result(do())
        except EngineRefused as refused:
            done.set_exception(refused)
        return done


class FakeStopper:
    """Stops a FakeEngine; ``answer`` is what it tells."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.answer = Stopped(True, True, 25.0)
        self.asked = 0

    async def stop(self) -> Stopped:
        self.asked += 1
        if self.answer.taken:
            self.engine._set(mode="stopped", cause="person", clears="acknowledge", confirmed=self.answer.confirmed)
        return self.answer
