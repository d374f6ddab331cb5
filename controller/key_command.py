"""``pelvistim key``: a clinician's key is made off the device, and enrolled at it by its owner."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path
from typing import Final

from controller.keys import KeyProblem, make_key, wrap
from safety.enrolled import KeyRefused, enrol, enrolled, read_key, revoke
from safety.seal import SealError
from safety.signer import fingerprint, public_key

REFUSED: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``new``, and at the device ``enrol``, ``list`` and ``revoke``."""
    what = parser.add_subparsers(dest="what", required=True)
    new = what.add_parser("new", help="make a key, off the device")
    new.add_argument("name", metavar="NAME", help="the clinician's")
    new.add_argument("--out", type=Path, metavar="FILE", required=True, help="FILE, and FILE with .pub for the device")
    put = what.add_parser("enrol", help="let the guard take what this key signs")
    put.add_argument("file", type=Path, metavar="FILE.pub")
    shown = what.add_parser("list", help="the device's fingerprint, and whose keys are enrolled")
    take = what.add_parser("revoke", help="let the guard take nothing more of a key")
    take.add_argument("fingerprint", metavar="FINGERPRINT")
    for command in (put, shown, take):
        command.add_argument("--guard-state", type=Path, metavar="DIR", required=True, help="the guard's state folder")


def main(args: argparse.Namespace) -> int:
    """Exit 0, or 2 when it was refused."""
    try:
        match args.what:
            case "new":
                _new(args.name, args.out)
            case "enrol":
                key = read_key(args.file.read_text(encoding="utf-8"))
                enrol(_owned(args.guard_state), key)
                print(f"enrolled: {key.fingerprint} {key.name}")
            case "revoke":
                revoke(_owned(args.guard_state), args.fingerprint)
                print(f"revoked: {args.fingerprint}")
            case _:
                for key in enrolled(args.guard_state):
                    print(f"{key.fingerprint} {key.name}")
                print(f"{fingerprint(public_key(args.guard_state))} this device")
    except (KeyProblem, KeyRefused, SealError) as error:
        print(f"refused: {error} [{error.code}]", file=sys.stderr)
        return REFUSED
    except (OSError, UnicodeDecodeError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    return 0


def _new(name: str, out: Path) -> None:
    key = make_key(name)
    text = wrap(key, passphrase(f"a passphrase for the key of {name}: "))
    for path, content, mode in ((out, text, 0o600), (out.with_suffix(".pub"), key.public.line(), 0o644)):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(content)
    print(f"{key.public.fingerprint} {name}")


def passphrase(prompt: str) -> str:
    """Asks at the terminal; else takes the first line of standard input."""
    return getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _owned(state: Path) -> Path:
    """The guard's folder, if it is the caller's. Raises KeyRefused, OSError."""
    if os.geteuid() not in (0, state.stat().st_uid):
        raise KeyRefused(f"{state}: only its owner enrols and revokes keys", code="key_not_owner")
    return state
