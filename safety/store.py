"""The ledger's record on disk: written whole, synced, and put in place by a rename."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from safety import ledger

RECORD: Final = "ledger.json"


class Store:
    """Reads and writes the record in one folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORD

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
