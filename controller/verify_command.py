"""``pelvistim verify``: whether what was sent in a session is what was prescribed, and the guard vouches for it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any, Final

from controller import journal_check
from controller.journal import JournalError
from controller.kept import add_state_argument, kept
from controller.proof import Proof, about, prove, sessions

EXIT_OK: Final = 0
EXIT_FOUND: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``verify``."""
    parser.add_argument("session", metavar="SESSION", help='a session\'s id, or "all"')
    add_state_argument(parser)
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")


def main(args: argparse.Namespace) -> int:
    """Exit 0 when every session asked for is proved, else 2."""
    one = kept(args.state)
    try:
        names = sessions(one.app) if args.session == "all" else [args.session]
    except JournalError as error:
        print(f"refused: {error} [{error.code}]", file=sys.stderr)
        return EXIT_FOUND
    verdict = journal_check.verify(one.journal, one.guard)
    proofs = [prove(one.app, one.guard, name, verdict) for name in names]
    if args.json:
        print(json.dumps([as_json(proof) for proof in proofs], indent=2))
    else:
        print(*(in_words(proof) for proof in proofs) if proofs else ("no session was recorded",), sep="\n")
    return EXIT_OK if all(proof.good for proof in proofs) else EXIT_FOUND


def as_json(proof: Proof) -> dict[str, Any]:
    """What was found, each finding with the account it is ``about``."""
    findings = [{**asdict(one), "about": about(one)} for one in proof.findings]
    return {"proved": proof.good, **asdict(proof), "findings": findings}


def in_words(proof: Proof) -> str:
    """What was found, for the terminal."""
    lines = [f"session {proof.session}: {proof.chunks} chunks, {proof.pulses} pulses"]
    lines += [f"  {one.code}{'' if one.row is None else f' (row {one.row})'}: {one.detail}" for one in proof.findings]
    if proof.good:
        lines.append("  proved: what was sent is what was prescribed, to the pulse, and the guard's signature stands")
    else:
        lines.append("  NOT proved")
    return "\n".join(lines)
