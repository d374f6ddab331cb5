"""The simulated person at the simulated board, over its socket: what the app reads of her, and that it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.emg.sensor import SimulatedPerson
from controller.training.shapes import Part
from hw.emg import EmgError
from tests.support.sim import Sim


def test_she_is_read_over_the_boards_socket_and_does_what_she_sees(tmp_path: Path) -> None:
    with Sim.start(realtime=True) as sim:
        person = SimulatedPerson(Path(sim.control_path))
        source = person.open()
        quiet = [code for _ in range(8) for code in source.read().codes if code is not None]
        person.sees(Part("squeeze", "most", 0, 3_000))
        codes: list[int] = []
        while len(codes) < 1_000:
            codes += [code for code in source.read().codes if code is not None]
        assert spread(codes[-200:]) > 3 * spread(quiet)
        source.close()
        person.sees(None)
    with pytest.raises(EmgError) as absent:
        person.open()
    assert absent.value.code == "emg_absent"
    person.sees(None)  # nobody is there to see it


def spread(codes: list[int]) -> float:
    middle = sum(codes) / len(codes)
    return (sum((code - middle) ** 2 for code in codes) / len(codes)) ** 0.5
