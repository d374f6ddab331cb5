"""``pelvistim journal``: whether the journal is what was written, and its rows as a file."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from controller import journal
from controller.chain import Row
from controller.journal_check import Verdict, verify
from controller.kept import GUARD, Kept, kept

EXIT_OK: Final = 0
EXIT_FOUND: Final = 2
EXIT_USAGE: Final = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the subcommands ``verify`` and ``export``."""
    what = parser.add_subparsers(dest="what", required=True)
    check = what.add_parser("verify", help="whether the journal is what was written")
    check.add_argument(
        "--guard-state", type=Path, metavar="DIR", help="the guard's folder, for its seals; if not said, beside FOLDER"
    )
    check.add_argument("--json", action="store_true", help="print the verdict as JSON")
    export = what.add_parser("export", help="every row, as JSON or CSV")
    export.add_argument("--format", choices=("json", "csv"), default="json", help="JSON (the default) or CSV")
    export.add_argument("--out", type=Path, metavar="FILE", help="write there instead of printing")
    for command in (check, export):
        words = "the folder that holds the journal; if not said, that of serve"
        command.add_argument("folder", type=Path, nargs="?", metavar="FOLDER", help=words)


def main(args: argparse.Namespace) -> int:
    """Exit 0; 2 when the journal is not what was written, nothing vouches for it or it cannot be read; 64 when FILE
    cannot be written.
    """
    where = kept(None) if args.folder is None else Kept(args.folder, args.folder.resolve().parent / GUARD)
    path = where.journal
    if args.what == "verify":
        beside = where.guard if where.guard.is_dir() else None
        verdict = verify(path, args.guard_state or beside)
        print(json.dumps({"good": verdict.good, **asdict(verdict)}, indent=2) if args.json else in_words(verdict))
        return EXIT_OK if verdict.good else EXIT_FOUND
    try:
        text = (as_json if args.format == "json" else as_csv)(list(journal.read(path)))
    except journal.JournalError as error:
        print(f"refused: {error} [{error.code}]", file=sys.stderr)
        return EXIT_FOUND
    if args.out is None:
        print(text, end="")
        return EXIT_OK
    try:
        args.out.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"{args.out}: cannot be written: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_OK


def in_words(verdict: Verdict) -> str:
    """The verdict for the terminal."""
    lines = [f"{verdict.rows} rows, head {verdict.head[:16]}"]
    if verdict.seals is None:
        lines.append("no guard's seals were read (--guard-state): the chain alone vouches for nothing")
    else:
        after = verdict.rows - verdict.sealed_rows
        lines.append(
            f"{verdict.seals} seals, up to row {verdict.sealed_rows}; rows after it, not sealed yet: {max(0, after)}"
        )
    lines += [f"{one.code}{'' if one.row is None else f' (row {one.row})'}: {one.detail}" for one in verdict.findings]
    if not verdict.good:
        lines.append("NOT shown to be what was written")
    elif verdict.sealed_rows:
        lines.append(f"up to row {verdict.sealed_rows} this is what was written")
        lines.append("what came after is chained, but may have been cut off: the guard seals it with the next session")
    else:
        lines.append("nothing is wrong with the chain; the guard has sealed no session yet, so it vouches for nothing")
    return "\n".join(lines)


def as_json(rows: list[Row]) -> str:
    """Every row as JSON, its body as an object."""
    told = [{"number": r.number, "at": r.at, "kind": r.kind, "body": r.fields, "hash": r.hash} for r in rows]
    return json.dumps({"format": "pelvistim-journal", "version": 1, "rows": told}, indent=1) + "\n"


def as_csv(rows: list[Row]) -> str:
    """Every row as CSV, its body as canonical JSON."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("number", "at", "kind", "body", "hash"))
    writer.writerows((r.number, r.at, r.kind, r.body, r.hash) for r in rows)
    return out.getvalue()
