"""The ledger's record on disk: written whole, synced, and put in place by a rename."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from safety import ledger
from safety.calibration import NAME as CALIBRATION
from safety.enrolled import KEYS
from safety.errors import PelviStimError
from safety.link import GUARD_LOCK

RECORD: Final = "ledger.json"


class LedgerInUse(PelviStimError):
    """A first record was asked for where there is one, or something else, already."""

    code = "ledger_in_use"


class Store:
    """Reads and writes the record in one folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORD

    def begin(self) -> None:
        """Makes the first record of a new installation. Raises LedgerInUse when anything is in the folder already."""
        found = sorted(
            entry.name for entry in self.path.parent.iterdir() if entry.name not in (GUARD_LOCK, KEYS, CALIBRATION)
        )
        if found:
            raise LedgerInUse(
                f"{self.path.parent}: not a new installation, it holds {found[0]}: leave --new-state out, or name an "
                "empty folder"
            )
        self.write(ledger.Record())

    def read(self) -> ledger.Record:
        """The record; ``ledger.UNKNOWN`` when there is none that can be read."""
        try:
            return ledger.load(self.path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return ledger.UNKNOWN

    def write(self, record: ledger.Record) -> None:
        """Raises OSError when the disk does not take it; the record before it is then still whole."""
        fresh = self.path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(ledger.dump(record))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
