"""The reading thread and the training room: who is told what, and that nothing is read while output may be on."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from controller.chain import Head, Kind, Row, canonical
from controller.emg.reader import MAY_READ, OUTPUT_ENABLED, Reader, Reading
from controller.emg.sensor import will_percent
from controller.training.course import plan
from controller.training.room import Message, Room
from controller.training.shapes import Exercise, Part, TrainingRefused
from hw.mock.board_ops import BadOp
from hw.mock.emg import RATE_HZ
from hw.mock.person import KEPT, PersonOps
from safety.interlock import Mode
from tests.support.emg import HandSource, follows, reader_of

WAIT_S = 20.0
OWN = plan("biofeedback", "own", [Exercise("hold", 1_000, 1_000, 1, 60)])


class Told:
    """What came, waited for."""

    def __init__(self) -> None:
        self.queue: queue.Queue[Any] = queue.Queue()

    def __call__(self, what: Any) -> None:
        self.queue.put(what)

    def until(self, wanted: Any) -> Any:
        """The next for which it holds."""
        while not wanted(found := self.queue.get(timeout=WAIT_S)):
            pass
        return found


class Guard:
    """Its mode, as a test likes."""

    def __init__(self, mode: str = "idle") -> None:
        self.now = mode

    def mode(self) -> str:
        return self.now


# --- the reader -------------------------------------------------------------------------------------------------------


def test_it_reads_for_the_first_listener_and_closes_after_the_last() -> None:
    source, one, two = HandSource(), Told(), Told()
    reader = reader_of(source, Guard().mode)
    ends = [reader.listen(one), reader.listen(two)]
    source.let(0.5)
    found = one.until(lambda reading: reading.steps)
    assert two.until(lambda reading: reading.steps) is found
    assert found.samples == round(0.5 * RATE_HZ)
    assert (source.opened, source.closed) == (1, 0)
    for end in ends:
        end()
        end()
    thread = reader._thread
    if thread is not None:
        thread.join(WAIT_S)
    assert source.closed == 1
    assert reader._thread is None


@pytest.mark.req("SR-173")
@pytest.mark.parametrize("mode", [str(mode) for mode in Mode if mode not in MAY_READ])
def test_in_every_mode_in_which_output_may_be_on_no_source_is_asked(mode: str) -> None:
    source, told = HandSource(), Told()
    reader = reader_of(source, Guard(mode).mode)
    assert reader.refusal() == OUTPUT_ENABLED
    end = reader.listen(told)
    for _ in range(3):
        assert told.until(lambda reading: True).refused == OUTPUT_ENABLED
    end()
    assert (source.opened, source.reads) == (0, 0)


def test_the_modes_in_which_it_reads_are_those_without_output() -> None:
    assert {Mode.RUNNING, Mode.ELECTRODE_CHECK, Mode.ARMED, Mode.SELF_TEST}.isdisjoint(MAY_READ)
    assert set(map(str, Mode)) >= MAY_READ


@pytest.mark.req("SR-173")
def test_a_block_that_was_read_while_output_came_on_is_thrown_away_and_the_source_closed() -> None:
    guard, told = Guard(), Told()

    class Slow(HandSource):
        def read(self) -> Any:
            block = super().read()
            if block.codes and self.opened == 1:
                guard.now = "running"
            return block

    source = Slow()
    end = reader_of(source, guard.mode).listen(told)
    source.let(0.5)
    assert told.until(lambda reading: reading.steps or reading.refused) == Reading(refused=OUTPUT_ENABLED)
    assert source.closed == 1
    reads = source.reads
    source.let(0.5)
    told.until(lambda reading: reading.refused)
    assert source.reads == reads
    guard.now = "paused"
    assert told.until(lambda reading: reading.steps).samples > 0  # opened anew
    end()


def test_a_sensor_that_is_not_there_is_told_and_looked_for_again() -> None:
    source, told = HandSource(), Told()
    source.broken = "emg_absent"
    reader = reader_of(source, Guard().mode)
    assert reader.refusal() == "emg_absent"
    end = reader.listen(told)
    assert told.until(lambda reading: True).refused == "emg_absent"
    assert reader.refusal() == "emg_absent"
    source.broken = None
    source.let(0.5)
    assert told.until(lambda reading: reading.steps)
    assert reader.refusal() is None
    end()


# --- the room ---------------------------------------------------------------------------------------------------------


class Notes:
    """A journal in a list."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def __call__(self, kind: Kind, **fields: object) -> Future[Row]:
        self.rows.append(Head(len(self.rows)).then("2027-01-01T00:00:00.000+00:00", kind, canonical(fields)))
        done: Future[Row] = Future()
        done.set_result(self.rows[-1])
        return done


def room_of(source: HandSource, guard: Guard, seen: Any = lambda part: None) -> tuple[Room, Notes, Told]:
    notes, told = Notes(), Told()
    room = Room(Reader(source.open, guard.mode), notes, seen)
    return room, notes, told


def event(name: str, what: str | None = None) -> Any:
    return lambda message: message[0] == name and (what is None or message[1]["event"] == what)


def test_where_rest_and_effort_cannot_be_told_apart_there_is_no_percent() -> None:
    source = HandSource()  # somebody who does nothing
    room, _, told = room_of(source, Guard())
    end = room.watch(told)
    room.open(OWN, "vaginal", None, who="p", simulated=True)
    source.let(OWN.check_ms / 1000 + 1)
    assert not told.until(event("training", "levels"))[1]["levels"]["usable"]
    block = told.until(lambda message: message[0] == "emg" and message[1]["training_ms"] > OWN.check_ms)[1]
    assert block["envelope_nv"]
    assert block["percent"] is None
    end()
    room.close()


def test_a_training_is_measured_told_and_journalled() -> None:
    parts: list[Part | None] = []
    source, guard = HandSource(follows(OWN.parts)), Guard()
    room, notes, told = room_of(source, guard, parts.append)
    end = room.watch(told)
    opened, _ = room.open(OWN, "vaginal", None, who="p", simulated=True)
    assert told.until(event("training", "opened"))[1]["id"] == opened.id
    source.let(OWN.check_ms / 1000 + 1)
    levels = told.until(event("training", "levels"))[1]["levels"]
    assert levels["usable"]
    emg: Message = told.until(lambda message: message[0] == "emg" and message[1]["percent"])
    assert len(emg[1]["percent"]) == len(emg[1]["envelope_nv"])
    with pytest.raises(TrainingRefused) as refused:
        room.open(OWN, "vaginal", None, who="p", simulated=True)
    assert refused.value.code == "training_open"
    source.let(2)
    assert told.until(event("training", "closed"))[1]["ended_by"] == "over"
    assert [row.fields["event"] for row in notes.rows] == ["opened", "closed"]
    assert notes.rows[1].fields["measures"]["strength_nv"] == levels["mvc_nv"] - levels["rest_nv"]
    assert room.now is None
    assert parts[-1] is None
    end()
    room.close()


def test_output_that_comes_on_ends_a_training() -> None:
    source, guard = HandSource(), Guard()
    room, notes, told = room_of(source, guard)
    end = room.watch(told)
    room.open(OWN, "anal", None, who="p", simulated=True)
    source.let(3)
    told.until(lambda message: message[0] == "emg" and message[1]["envelope_nv"])
    guard.now = "electrode_check"
    assert told.until(event("training", "closed"))[1]["ended_by"] == OUTPUT_ENABLED
    assert (notes.rows[-1].fields["whole"], notes.rows[-1].fields["measures"]) == (False, {})
    end()
    room.close()


@pytest.mark.parametrize(
    ("mode", "broken", "sensor", "code"),
    [
        ("running", None, "vaginal", OUTPUT_ENABLED),
        ("idle", "emg_absent", "vaginal", "emg_absent"),
        ("idle", None, None, "sensor_needed"),
    ],
)
def test_a_training_that_cannot_be_measured_is_refused(
    mode: str, broken: str | None, sensor: str | None, code: str
) -> None:
    source = HandSource()
    source.broken = broken
    room, notes, _ = room_of(source, Guard(mode))
    with pytest.raises(TrainingRefused) as refused:
        room.open(OWN, sensor, None, who="p", simulated=True)
    assert refused.value.code == code
    assert notes.rows == []
    with pytest.raises(TrainingRefused) as none:
        room.end(None)
    assert none.value.code == "no_training"


def test_a_guided_training_needs_no_sensor_and_is_possible_in_every_mode() -> None:
    source = HandSource()
    room, notes, _ = room_of(source, Guard("running"))
    guided = plan("guided", "sprint")
    with pytest.raises(TrainingRefused):
        room.open(guided, "vaginal", None, who="p", simulated=True)
    opened, _ = room.open(guided, None, None, who="p", simulated=True)
    assert room.now is opened
    room.end(28)
    assert notes.rows[1].fields == {"event": "closed", "training": opened.id, "ended_by": "person", "repeats_done": 28}
    room.open(guided, None, None, who="p", simulated=True)
    room.close()
    assert notes.rows[-1].fields["ended_by"] == "app_ended"
    assert source.opened == 0


# --- the simulated person ---------------------------------------------------------------------------------------------


def test_she_does_what_the_page_asks() -> None:
    assert [will_percent(part) for part in OWN.parts[:2]] == [0, 100]
    assert will_percent(None) == 0
    assert will_percent(Part("squeeze", "hold", 0, 1, 40, 80)) == 60
    assert will_percent(Part("squeeze", "flick", 0, 1, 60, None)) == 80


def test_the_simulated_board_gives_her_codes_as_time_goes_on_and_none_while_output_is_enabled() -> None:
    now_us = 0
    board = SimpleNamespace(bring=lambda now: None, switch=SimpleNamespace(enable=False))
    ops = PersonOps(lambda: board, lambda: now_us, 1)  # type: ignore[arg-type, return-value]
    assert ops.emg({"from": None}) == {"first": 0, "codes": [], "next": 0}
    ops.person({"will_percent": 100})
    now_us = 900_000
    whole = ops.emg({"from": 0})
    assert (whole["first"], len(whole["codes"]), whole["next"]) == (0, 774, 774)
    assert max(map(abs, whole["codes"][500:])) > 2 * max(map(abs, whole["codes"][:200]))
    assert ops.emg({"from": 700})["codes"] == whole["codes"][700:]
    now_us = 10_000_000
    late = ops.emg({"from": 774})
    assert (late["next"], len(late["codes"])) == (8_600, KEPT)
    board.switch.enable = True
    now_us = 11_000_000
    assert max(map(abs, ops.emg({"from": 8_600})["codes"])) <= 2
    ops.person({"sensor": {"lead_off": 1}, "rest_uv": 9})
    for wrong in ({"sensor": {"colour": 1}}, {"will_percent": "all"}, {"mvc_uv": -1}, {"sensor": 3}):
        with pytest.raises(BadOp):
            ops.person(wrong)
    with pytest.raises(BadOp):
        ops.emg({"from": "now"})
