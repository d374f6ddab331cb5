"""Where everything that is kept of a person lies: the app's folder and the guard's, side by side."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from controller import journal
from safety.errors import PelviStimError
from safety.link import GUARD_LOCK

APP: Final = "app"
GUARD: Final = "guard"
LETTERS: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""None that is taken for another."""
CODE_LETTERS: Final = 8


class KeptError(PelviStimError, RuntimeError):
    """``code``: ``kept_in_use`` (an app or a guard runs there), ``backup_damaged``, ``restore_over`` and others."""


@dataclass(frozen=True)
class Kept:
    """The two folders of one device."""

    app: Path
    guard: Path

    @property
    def journal(self) -> Path:
        return self.app / journal.NAME


def add_state_argument(parser: argparse.ArgumentParser) -> None:
    """Adds ``--state``, as ``pelvistim serve`` has it."""
    parser.add_argument("--state", type=Path, metavar="DIR", help="where everything is kept (as for serve)")


def kept(state: Path | None) -> Kept:
    """The folders in ``state``, or where ``pelvistim serve`` keeps them."""
    folder = state or state_folder()
    return Kept(folder / APP, folder / GUARD)


def state_folder() -> Path:
    """Where ``pelvistim serve`` keeps things if it is not told."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "pelvistim" / "simulated"


@contextlib.contextmanager
def alone(one: Kept) -> Iterator[None]:
    """Keeps app and guard from starting there meanwhile. Raises KeptError when one of them runs."""
    with contextlib.ExitStack() as held:
        for path in (one.app / journal.LOCK, one.guard / GUARD_LOCK):
            if not path.parent.is_dir():
                continue
            lock = held.enter_context(path.open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise KeptError(f"{path.parent}: in use; end the app and the guard first", code="kept_in_use") from None
        yield


def person_code(first_hash: str) -> str:
    """What stands for the person instead of a name, from the hash of the journal's first row: eight letters.

    Another journal has another code, so that what was handed over says nothing of whoever comes after.
    """
    number = int.from_bytes(sha256(f"person {first_hash}".encode()).digest())
    letters = []
    for _ in range(CODE_LETTERS):
        number, index = divmod(number, len(LETTERS))
        letters.append(LETTERS[index])
    return "".join(letters[:4]) + "-" + "".join(letters[4:])
