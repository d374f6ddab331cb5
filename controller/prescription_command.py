"""``pelvistim prescription``: read back, checked, signed, imported and listed; in the clinician's words and units."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from controller import journal
from controller.chain import Kind
from controller.key_command import passphrase
from controller.keys import KeyProblem, unwrap
from controller.local import LocalError, ask, running_app
from controller.port import EngineRefused
from controller.prescribed import prescription_of_row, programme_of, refuse_expired, refuse_unfit
from controller.prescription import Prescription, completed, signed_text
from controller.prescription_form import as_json, as_toml, load_form
from controller.prescription_words import in_words
from controller.programme import load_programme, programme_path
from controller.strict_toml import LANGUAGES
from hw.board import load_board
from safety.enrolled import verify
from safety.prescribed import Prescribed, read_prescribed, why_not
from safety.seal import SealError
from safety.signer import fingerprint, public_key
from safety.store import Store

REFUSED: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``show``, ``check``, ``sign``, ``import`` and ``list``."""
    what = parser.add_subparsers(dest="what", required=True)
    show = what.add_parser("show", help="how the device understands it")
    check = what.add_parser("check", help="whether it could be put in force, and who signed it")
    check.add_argument("--guard-state", type=Path, metavar="DIR", help="the guard's folder, with the enrolled keys")
    sign = what.add_parser("sign", help="complete it and sign it, off the device")
    sign.add_argument("--key", type=Path, metavar="FILE", required=True, help="of `pelvistim key new`")
    sign.add_argument("--device", metavar="FINGERPRINT", required=True, help="of `pelvistim key list`")
    sign.add_argument("--programme", type=Path, metavar="FILE", help="the programme, if it is not in the library")
    sign.add_argument("--out", type=Path, metavar="FILE", required=True, help="TOML, or JSON if it ends so")
    bring = what.add_parser("import", help="give a signed one to the running app")
    bring.add_argument("--runtime", type=Path, metavar="DIR", help="the app's runtime folder, if several run")
    for command in (show, check, sign, bring):
        command.add_argument("file", type=Path, metavar="FILE", help="TOML or JSON")
    listed = what.add_parser("list", help="every revision that was in force")
    listed.add_argument("folder", type=Path, metavar="FOLDER", help="the folder that holds the journal")
    for command in (show, listed):
        command.add_argument("--lang", choices=LANGUAGES, default="en", help="the language of the words")


def main(args: argparse.Namespace) -> int:
    """Exit 0, or 2 when it was refused. Raises InputRefused for a file that is none."""
    try:
        match args.what:
            case "show":
                _show(load_form(args.file), args.lang)
            case "check":
                _check(load_form(args.file), args.guard_state)
            case "sign":
                _sign(load_form(args.file), args)
            case "import":
                told = ask(args.runtime or running_app(), op="prescribe", form=as_json(load_form(args.file)))
                print(f"revision {told['revision']} is in force")
            case _:
                for row in journal.read(args.folder / journal.NAME):
                    if row.kind == Kind.PRESCRIPTION:
                        print(f"# {row.at}")
                        _show(prescription_of_row(row.fields), args.lang)
    except (EngineRefused, KeyProblem, LocalError, SealError) as error:
        print(f"refused: {error} [{error.code}]", file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    return 0


def _show(one: Prescription, language: str) -> None:
    rows = in_words(one, language)
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        print(f"{label:{width}}  {text}")


def _check(one: Prescription, state: Path | None) -> None:
    """Without the guard's folder: as far as the file alone tells. Raises EngineRefused, SealError."""
    board, today = load_board(), datetime.now(UTC).date()
    refuse_unfit(one, board)
    refuse_expired(one, today.isoformat())
    if state is None or one.signature is None:
        print("it could be put in force" + ("; it is not signed" if one.signature is None else ""))
        return
    unsigned = verify(state, signed_text(one), one.signature.key, one.signature.value)
    if unsigned is not None:
        raise EngineRefused(unsigned.code, unsigned.detail)
    asked = read_prescribed(signed_text(one), board.full_scale_ua)
    if not isinstance(asked, Prescribed):
        raise EngineRefused(asked.code, asked.detail)
    refusal = why_not(Store(state).read(), asked, fingerprint(public_key(state)), today)
    if refusal is not None:
        raise EngineRefused(refusal.code, refusal.detail)
    print("it could be put in force, and an enrolled key signed it")


def _sign(wanted: Prescription, args: argparse.Namespace) -> None:
    if args.programme is not None:
        wanted = replace(wanted, programme_text=load_programme(programme_path(str(args.programme))).text.decode())
    wanted = replace(wanted, programme_sha256="")
    text = programme_of(wanted).text
    made = completed(wanted, args.device, datetime.now(UTC).date().isoformat(), text)
    refuse_unfit(made, load_board())
    key = unwrap(args.key.read_text(encoding="utf-8"), passphrase(f"the passphrase of {args.key}: "))
    signed = key.sign(made)
    written = as_json(signed) if args.out.suffix == ".json" else as_toml(signed)
    args.out.write_text(written, encoding="utf-8")
    _show(signed, "en")
