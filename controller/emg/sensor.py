"""Which sensor there is. The simulated person beside a simulated board sees what the page asks, and does it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from controller.launch import Control, LaunchError
from controller.training.shapes import Part
from hw.emg import EmgError, Recorded, Simulated, Source, open_ads1115, read_csv, read_edf


class SimulatedPerson:
    """``control``: the simulation's control socket."""

    def __init__(self, control: Path) -> None:
        self._path = control

    def open(self) -> Simulated:
        """Her sensor. Raises EmgError ``emg_absent``."""
        try:
            control = Control(self._path)
        except OSError as error:
            raise EmgError(f"no simulated board: {error}", code="emg_absent") from None
        return Simulated(lambda wanted: control.ask("emg", **{"from": wanted}), control.close)

    def sees(self, part: Part | None) -> None:
        """What is asked of her from now on; a simulation that has gone asks nothing of anybody."""
        with contextlib.suppress(OSError, LaunchError):
            control = Control(self._path)
            try:
                control.ask("person", will_percent=will_percent(part))
            finally:
                control.close()


def sensor(control: Path | None) -> tuple[Callable[[], Source], Callable[[Part | None], None]]:
    """What opens the sensor, and who is told each part: a simulation's by its control socket, else the board's own."""
    if control is None:
        return open_ads1115, lambda part: None
    person = SimulatedPerson(control)
    return person.open, person.sees


def replay(path: Path) -> Callable[[], Source]:
    """What opens a recording, each time from its beginning: CSV by the file's name, else EDF+. Raises EmgError."""
    found = read_csv(path) if path.suffix == ".csv" else read_edf(path)
    return lambda: Recorded(found)


def will_percent(part: Part | None) -> int:
    """How much she tries: all of it where there is no target, else the middle of the band."""
    if part is None or part.what == "rest":
        return 0
    return 100 if part.low_percent is None else (part.low_percent + (part.high_percent or 100)) // 2
