"""The one training that goes on, what it reads, and who watches: from the reading thread to the api. Thread-safe."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from controller.chain import Kind, Row
from controller.emg.levels import Levels
from controller.emg.reader import Reader, Reading
from controller.emg.stream import STEP_MS
from controller.training.course import WITH_SENSOR, Course, Plan, levels_told
from controller.training.shapes import Part, TrainingRefused

Message = tuple[str, dict[str, Any]]
"""``emg`` or ``training``, and what is told. A message is made once and not changed."""


class Note(Protocol):
    """Appends to the journal."""

    def __call__(self, kind: Kind, **fields: object) -> Future[Row]: ...


@dataclass(frozen=True)
class Open:
    """A training that goes on. ``sensor``: of what kind, None without one."""

    id: str
    plan: Plan
    sensor: str | None


class Room:
    """``cue`` is told each part when it begins, and None after the last: what a simulated person sees of the page."""

    def __init__(self, reader: Reader, note: Note, cue: Callable[[Part | None], None] = lambda part: None) -> None:
        self.reader, self._note, self._cue = reader, note, cue
        self._lock = threading.RLock()
        self._open: Open | None = None
        self._course: Course | None = None
        self._part: Part | None = None
        self._watchers: list[Callable[[Message], None]] = []
        self._unlisten: Callable[[], None] | None = None
        self.levels: Levels | None = None
        """What the last check of ``alternating`` found, if it can be aimed by; whoever opens a session forgets it."""

    @property
    def now(self) -> Open | None:
        """The training that goes on."""
        return self._open

    def open(
        self, plan: Plan, sensor: str | None, usual_rest_nv: int | None, *, who: str, simulated: bool
    ) -> tuple[Open, Future[Row]]:
        """Begins one; an ``alternating`` one without a check goes by ``levels``. Raises TrainingRefused:
        ``training_open``, ``sensor_needed``, ``levels_missing``, or why nothing can be read.
        """
        measured = plan.kind in WITH_SENSOR
        if measured != (sensor is not None):
            raise TrainingRefused("name the sensor of a training that has one, and of no other", code="sensor_needed")
        if measured and (refusal := self.reader.refusal()):
            raise TrainingRefused("muscle activity cannot be read now", code=refusal)
        goes_by = plan.kind == "alternating" and not plan.check_ms
        known = self.levels if goes_by else None
        if goes_by and known is None:
            raise TrainingRefused("begin with a turn of one's own, before the electrode check", code="levels_missing")
        with self._lock:
            if self._open is not None:
                raise TrainingRefused("another training goes on", code="training_open")
            self._open = Open(secrets.token_hex(8), plan, sensor)
            told = {"what": plan.kind, "name": plan.name, "sensor": sensor, "who": who, "simulated": simulated}
            row = self._note(Kind.TRAINING, event="opened", training=self._open.id, **told)
            course = Course(plan, usual_rest_nv, levels=known, checked=known is not None)
            self._course = course if measured else None
            self._listen()
            self._tell("training", {"id": self._open.id, "event": "opened", "ended_by": None, "levels": None})
            return self._open, row

    def end(self, repeats_done: int | None) -> tuple[str, Future[Row]]:
        """A person ends it. Raises TrainingRefused ``no_training``."""
        with self._lock:
            if self._open is None:
                raise TrainingRefused("no training goes on", code="no_training")
            return self._open.id, self._finish("person", repeats_done)

    def watch(self, watcher: Callable[[Message], None]) -> Callable[[], None]:
        """Calls ``watcher`` from the reading thread with each message; it must not wait. Gives what ends that."""
        with self._lock:
            self._watchers = [*self._watchers, watcher]
            self._listen()

        def end() -> None:
            with self._lock, contextlib.suppress(ValueError):
                left = list(self._watchers)
                left.remove(watcher)
                self._watchers = left
                self._listen()

        return end

    def close(self) -> None:
        """Ends reading; a training that goes on ends with the app."""
        with self._lock:
            if self._open is not None:
                self._finish("app_ended", None)
            self._watchers = []
            self._listen()

    def _listen(self) -> None:
        """Reads while somebody watches or a training with a sensor goes on."""
        wanted = bool(self._watchers) or self._course is not None
        if wanted and self._unlisten is None:
            self._unlisten = self.reader.listen(self._take)
        elif not wanted and self._unlisten is not None:
            self._unlisten()
            self._unlisten = None

    def _take(self, reading: Reading) -> None:
        with self._lock:
            course = self._course
            percent: list[int] = []
            if course is not None:
                if reading.refused is not None:
                    self._tell("emg", _told(reading, None, []))
                    self._finish(reading.refused, None)
                    return
                before = course.checked
                for step in reading.steps:
                    course.feed(step)
                if course.levels is not None and course.levels.usable:
                    percent = [course.percent(step.envelope_nv) for step in reading.steps]
                self._look(course)
                if course.checked and not before:
                    assert self._open is not None
                    if self._open.plan.kind == "alternating" and course.levels is not None and course.levels.usable:
                        self.levels = course.levels
                    self._tell(
                        "training",
                        {"id": self._open.id, "event": "levels", "ended_by": None, "levels": _levels(course)},
                    )
            self._tell("emg", _told(reading, None if course is None else round(course.at_ms), percent))
            if course is not None and course.over:
                self._finish("over", None)

    def _look(self, course: Course) -> None:
        part = next((one for one in course.plan.parts if one.start_ms <= course.at_ms < one.end_ms), None)
        if part is not self._part:
            self._part = part
            self._cue(part)

    def _finish(self, ended_by: str, repeats_done: int | None) -> Future[Row]:
        assert self._open is not None
        opened, course = self._open, self._course
        self._open = self._course = self._part = None
        self._cue(None)
        result = {"repeats_done": repeats_done} if course is None else course.result()
        row = self._note(Kind.TRAINING, event="closed", training=opened.id, ended_by=ended_by, **result)
        told = {"id": opened.id, "event": "closed", "ended_by": ended_by, "levels": None}
        row.add_done_callback(lambda _: self._tell("training", told))  # then its result can be read
        self._listen()
        return row

    def _tell(self, event: str, data: dict[str, Any]) -> None:
        for watcher in self._watchers:
            watcher((event, data))


def _levels(course: Course) -> dict[str, Any] | None:
    return None if course.levels is None else {**levels_told(course.levels), "usable": course.levels.usable}


def _told(reading: Reading, training_ms: int | None, percent: list[int]) -> dict[str, Any]:
    """One block for the page. ``training_ms`` is the time of the last step, each before it STEP_MS earlier."""
    return {
        "samples": reading.samples,
        "training_ms": training_ms,
        "step_ms": STEP_MS,
        "envelope_nv": [step.envelope_nv for step in reading.steps],
        "percent": percent or None,
        "signal": reading.steps[-1].signal if reading.steps else None,
        "hum_nv": reading.hum_nv,
        "refused": reading.refused,
    }
