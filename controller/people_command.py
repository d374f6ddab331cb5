"""``pelvistim pair`` and ``pelvistim people``: what only somebody at the device may do, asked of the running app."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path

from controller.local import LocalError, ask, running_app

REFUSED = 2


def add_pair_arguments(parser: argparse.ArgumentParser) -> None:
    """``pair ROLE``."""
    parser.add_argument("role", choices=("viewer", "patient", "clinician"), help="as what the phone is paired")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the QR code there too")
    _add_runtime(parser)


def add_people_arguments(parser: argparse.ArgumentParser) -> None:
    """``people``, with what is to be done."""
    parser.add_argument("--revoke", metavar="ID", help="end this phone's pairing")
    parser.add_argument("--allow-control", action="store_true", help="let the phone that asks take control")
    parser.add_argument("--passphrase", action="store_true", help="set the clinician's passphrase")
    _add_runtime(parser)


def _add_runtime(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runtime", type=Path, metavar="DIR", help="the app's runtime folder, if several run")


def pair(args: argparse.Namespace) -> int:
    """Opens a pairing and shows it. Exit 0, or 2 when the app said no, or FILE cannot be written."""
    try:
        told = ask(args.runtime or running_app(), op="pair", role=args.role)
    except LocalError as error:
        return _refused(error)
    print(told["qr"])
    print(*told["links"], sep="\n")
    print(f"or the code {told['code']}, within five minutes, as {args.role}")
    if told["fingerprint"]:
        print(f"certificate (SHA-256): {told['fingerprint']}")
    if args.svg is not None:
        try:
            args.svg.write_text(told["svg"], encoding="utf-8")
        except OSError as error:
            print(f"--svg {args.svg}: cannot be written: {error.strerror}", file=sys.stderr)
            return REFUSED
    return 0


def people(args: argparse.Namespace) -> int:
    """Lists the phones, or does what is asked. Exit 0, or 2 when the app said no."""
    try:
        folder = args.runtime or running_app()
        if args.passphrase:
            ask(folder, op="passphrase", words=_typed())
        if args.allow_control:
            ask(folder, op="allow_control")
        if args.revoke:
            ask(folder, op="revoke", id=args.revoke)
        for one in ask(folder, op="devices")["devices"]:
            until = datetime.fromtimestamp(one["expires_s"], UTC).date().isoformat()
            print(f"{one['id']}  {one['role']:9}  until {until}  {one['name']}")
    except LocalError as error:
        return _refused(error)
    return 0


def _typed() -> str:
    try:
        return getpass.getpass("the clinician's new passphrase: ")
    except EOFError:
        raise LocalError("no passphrase was typed", code="passphrase_short") from None


def _refused(error: LocalError) -> int:
    print(f"{error} [{error.code}]", file=sys.stderr)
    return REFUSED
