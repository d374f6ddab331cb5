"""A session in turns with the real guard on the simulated board: where it pauses, and what it goes on from."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.emg.reader import MAY_READ
from controller.port import Action
from controller.programme import parse_programme
from controller.training.alternating import Alternating, own_exercise
from tests.support.stack import short_programme
from tests.support.treatment import treatment

PROGRAMME = short_programme(ramp_up_ms=300, hold_ms=1200, ramp_down_ms=0, rest_ms=1500, repeats=20)
LOOK_US = 100_000


@pytest.mark.req("SR-173")
def test_it_pauses_in_a_rest_and_goes_on_from_zero_when_a_person_resumes(tmp_path: Path) -> None:
    with treatment(tmp_path) as person:
        person.prescribe(programme="short", programme_text=PROGRAMME.decode())
        own = own_exercise(parse_programme(PROGRAMME, "short"), 1)
        assert own is not None
        state = person.start()
        assert state.session is not None
        turns: Alternating | None = Alternating(state.session.id, "vaginal", 3, own)

        def turn(ua: int) -> int:
            """Raises at once, and pauses when it is due; gives how many contractions came."""
            nonlocal turns
            raised = False
            while True:
                state = person.state
                if not raised and state.channels["A"].allowed_ua >= ua:
                    person.set(ua)
                    raised = True
                assert turns is not None
                came = turns.came
                turns = turns.seen(state, person.now)
                assert turns is not None
                if turns.due(state, person.now):
                    person.act(Action.PAUSE)
                    return turns.came
                assert turns.came - came <= 1
                person.wait(LOOK_US)

        assert turn(2_000) == 4, "the one in which it was raised does not count"
        paused = person.until(lambda state: state.mode == "paused")
        assert paused.mode in MAY_READ
        turns = turns.seen(paused, person.now)
        person.wait(3_000_000)
        resumed = person.act(Action.RESUME)
        assert (resumed.mode, resumed.channels["A"].set_point_ua) == ("running", 0)
        assert turn(1_000) == 4
        person.until(lambda state: state.mode == "paused")
        person.act(Action.END)
        record = person.record()
        assert len(record.pauses) == 2
        assert [dose["pulses"] for dose in record.doses] == [dose["planned_pulses"] for dose in record.doses]
        assert [dose["set_point_ua"] for dose in record.doses] == [2_000] * 4 + [1_000] * 4
