"""The hands and eyes at the bench: somebody who connects, presses and reads a meter, or the simulated board itself."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol

from controller.launch import Control
from controller.options import number
from safety.errors import InputRefused, Problem

SAYS: Final = {
    "nobody": {
        "nb": "Ingen må være koblet til kortet. Koble {ohm} ohm til begge utganger, A og B. Ferdig?",
        "en": "Nobody may be connected to the board. Connect {ohm} ohm to both outputs, A and B. Done?",
    },
    "load": {
        "nb": "Koble motstanden på utgang {channel} igjen. Ferdig?",
        "en": "Connect the load to {channel} again. Done?",
    },
    "open": {"nb": "Ta motstanden av utgang {channel}. Ferdig?", "en": "Take the load off output {channel}. Done?"},
    "press": {"nb": "Trykk nå på den røde knappen.", "en": "Press the red button now."},
    "release": {"nb": "Vri den røde knappen ut igjen. Ferdig?", "en": "Turn the red button out again. Done?"},
    "volt": {
        "nb": "Hvilken toppspenning viser skopet over motstanden på {channel} ved {percent} %? (i volt)",
        "en": "What peak voltage does the scope show across the load of {channel} at {percent} %? (in volts)",
    },
    "open_volt": {
        "nb": "Hvilken toppspenning viser skopet på den åpne utgangen {channel}? (i volt)",
        "en": "What peak voltage does the scope show at the open output {channel}? (in volts)",
    },
}
"""What a person is asked, in both languages."""


class Hand(Protocol):
    """Does what is asked at the bench, and reads."""

    def does(self, what: str, channel: str = "", ohm: int | None = None) -> None:
        """One of ``nobody``, ``load``, ``open``, ``press``, ``release``; only ``press`` is not waited for."""
        ...

    def sees(self) -> None:
        """The meter begins to look; what it read before is over."""
        ...

    def reads(self, what: str, channel: str, percent: int = 0) -> Decimal:
        """What the meter held since, V: ``volt`` or ``open_volt``."""
        ...


class Person:
    """Somebody at the terminal. Ctrl-C or the end of input ends everything, the output being off meanwhile."""

    def __init__(self, language: str) -> None:
        self._language = language

    def does(self, what: str, channel: str = "", ohm: int | None = None) -> None:
        print(self._words(what, channel=channel, ohm=ohm), flush=True)
        if what != "press":
            self._answer()

    def sees(self) -> None:
        """The scope is armed by the person."""

    def reads(self, what: str, channel: str, percent: int = 0) -> Decimal:
        while True:
            print(self._words(what, channel=channel, percent=percent), flush=True)
            value = number(self._answer().replace(",", "."))
            if value is not None and value >= 0:
                return value

    def _words(self, what: str, **fields: object) -> str:
        return SAYS[what][self._language].format(**fields)

    @staticmethod
    def _answer() -> str:
        line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt
        return line.strip()


class Simulated:
    """The simulated board's own bench: loads, button, and a meter that reads what truly came out."""

    def __init__(self, control: Control) -> None:
        self._control, self._ohm, self._since = control, 0, 0
        control.ask("current", record=True)

    def does(self, what: str, channel: str = "", ohm: int | None = None) -> None:
        match what:
            case "nobody":
                self._ohm = ohm or self._ohm
                for one in "AB":
                    self._control.ask("load", channel=one, ohm=self._ohm)
            case "load" | "open":
                self._control.ask("load", channel=channel, ohm=self._ohm if what == "load" else None)
            case _:
                self._control.ask("fault", name=f"estop-{what}", args=[])

    def sees(self) -> None:
        self._since = int(self._control.ask("levels")["now"])

    def reads(self, what: str, channel: str, percent: int = 0) -> Decimal:
        told = self._control.ask("current", path=None, since=self._since)
        return Decimal(str(told["figures"][channel]["peak_v"]))


class Written:
    """Readings from a file, TOML: ``[volt.A]`` with a figure for each per cent, ``[open_volt]`` with one a channel.

    What the file does not have, and what is to be done, is left to another hand.
    """

    def __init__(self, path: Path, other: Hand) -> None:
        self._other = other
        try:
            self._readings: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            problem = Problem("readings", "", "file", str(error), "a TOML file in UTF-8", "Check path and text.")
            raise InputRefused(str(path), (problem,)) from error

    def does(self, what: str, channel: str = "", ohm: int | None = None) -> None:
        self._other.does(what, channel, ohm)

    def sees(self) -> None:
        self._other.sees()

    def reads(self, what: str, channel: str, percent: int = 0) -> Decimal:
        found = self._readings.get(what, {}).get(channel)
        if what == "volt" and found is not None:
            found = found.get(str(percent))
        return self._other.reads(what, channel, percent) if found is None else Decimal(found)
