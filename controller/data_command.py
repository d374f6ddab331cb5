"""``pelvistim backup``, ``restore`` and ``data``: what is kept, taken along, put back, handed over, removed."""

from __future__ import annotations

import argparse
import shutil
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

from controller import journal, journal_command
from controller.backup import TIME, backup, recordings, restore
from controller.chain import Kind
from controller.kept import Kept, KeptError, add_state_argument, alone, kept, person_code
from safety.signer import KEY, PUBLIC, SEALS

EXIT_OK: Final = 0
EXIT_REFUSED: Final = 2
REMOVED_OF_THE_GUARD: Final = (KEY, PUBLIC, SEALS)
"""All that tells of a person or ties her data to the device. The day's budget stays: it guards whoever comes next."""


def add_backup_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``backup``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file")
    parser.add_argument(
        "--with-key", action="store_true", help="also the guard's private key: keep such a file locked up"
    )
    add_state_argument(parser)


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``restore``."""
    parser.add_argument("file", type=Path, metavar="FILE", help="what backup wrote")
    add_state_argument(parser)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of ``data``."""
    what = parser.add_subparsers(dest="what", required=True)
    code = what.add_parser("code", help="the code that stands for the person instead of a name")
    hand = what.add_parser("hand-over", help="everything in files that anybody can read, as a zip")
    hand.add_argument("file", type=Path, metavar="FILE", help="a new file")
    thin = what.add_parser("thin", help="remove recordings of pulses; what was delivered stays in the journal")
    thin.add_argument(
        "--before", required=True, type=date.fromisoformat, metavar="DAY", help="of sessions before this day"
    )
    remove = what.add_parser("delete", help="remove everything of the person from this device")
    remove.add_argument("code", metavar="CODE", help="the person's code, so that it is not done by mistake")
    for command in (code, hand, thin, remove):
        add_state_argument(command)


def main_backup(args: argparse.Namespace) -> int:
    """Exit 0, or 2 with the reason."""
    return _said(lambda: _backup(kept(args.state), args.file, args.with_key))


def main_restore(args: argparse.Namespace) -> int:
    """Exit 0, or 2 with the reason; then nothing was written."""
    return _said(lambda: _restore(args.file, kept(args.state)))


def main_data(args: argparse.Namespace) -> int:
    """Exit 0, or 2 with the reason."""
    one = kept(args.state)
    match args.what:
        case "code":
            return _said(lambda: code_of(one))
        case "hand-over":
            return _said(lambda: hand_over(one, args.file))
        case "thin":
            return _said(lambda: thin(one, args.before))
    return _said(lambda: delete(one, args.code))


def code_of(one: Kept) -> str:
    """The person's code. Raises JournalError when nothing is kept."""
    return person_code(next(iter(journal.read(one.journal))).hash)


def hand_over(one: Kept, out: Path) -> str:
    """Writes the journal as JSON and CSV and the recordings into a zip. Gives what was done."""
    if out.exists():
        raise KeptError(f"{out}: is there already", code="backup_over")
    rows = list(journal.read(one.journal))
    code = code_of(one)
    with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED) as packed:
        for name, text in (
            ("README.txt", _READ_ME.format(code=code)),
            ("journal.json", journal_command.as_json(rows)),
            ("journal.csv", journal_command.as_csv(rows)),
        ):
            packed.writestr(zipfile.ZipInfo(name, TIME), text)
        for path in recordings(one):
            packed.write(path, f"recordings/{path.name}")
    out.chmod(0o600)
    return f"{code}: {len(rows)} rows and {len(recordings(one))} recordings are in {out}"


def thin(one: Kept, before: date) -> str:
    """Removes the recordings of sessions that were opened before a day (UTC)."""
    opened = {row.fields["session"]: row.at for row in journal.read(one.journal, Kind.SESSION)}
    old = [path for path in recordings(one) if opened.get(path.stem, "9")[:10] < before.isoformat()]
    for path in old:
        path.unlink()
    return f"{len(old)} recordings removed; these sessions can no longer be proved, their doses stay"


def delete(one: Kept, code: str) -> str:
    """Removes everything of the person: journal, recordings, phones, passphrase, certificates, seals and their key."""
    with alone(one):
        if code_of(one) != code:
            raise KeptError("that is not this person's code (pelvistim data code)", code="code_other")
        shutil.rmtree(one.app)
        for name in REMOVED_OF_THE_GUARD:
            path = one.guard / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return f"{code}: removed. The day's budget of sessions stays; memory cards may keep traces until they are wiped"


def _backup(one: Kept, out: Path, with_key: bool) -> str:
    manifest = backup(one, out, with_key=with_key)
    key = "with the guard's key: keep it locked up" if with_key else "without the guard's key"
    return f"{manifest['rows']} rows, head {manifest['head'][:16]}, {len(manifest['files'])} files in {out}, {key}"


def _restore(packed: Path, one: Kept) -> str:
    manifest = restore(packed, one)
    words = f"{manifest['rows']} rows, head {manifest['head'][:16]}, are back"
    if (one.guard / KEY).exists():
        return words
    return f"{words}; without the guard's key the chain can be checked and not gone on with"


def _said(do: Callable[[], str]) -> int:
    try:
        print(do())
    except (KeptError, journal.JournalError, OSError) as error:
        code = getattr(error, "code", "not_written")
        print(f"refused: {error} [{code}]", file=sys.stderr)
        return EXIT_REFUSED
    return EXIT_OK


_READ_ME: Final = """\
Alt som er lagret om personen med kode {code}. Ingen navn.
journal.json og journal.csv: hver rad i journalen, i rekkefølge. Strøm i uA, tid i us, ladning i pC.
recordings: alle pulser i hver økt, for pelvistim verify.

Everything that is kept of the person with the code {code}. No names.
journal.json and journal.csv: every row of the journal, in order. Currents in uA, times in us, charge in pC.
recordings: every pulse of each session, for pelvistim verify.
"""
