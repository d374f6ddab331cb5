"""The command ``pelvistim``: arguments, exit codes, and what each subcommand is given.

Exit codes: 0 finished, 2 refused, 3 stopped by the interlock, 4 stopped by a person, 64 usage, 70 internal error.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final, NoReturn

from controller.interrupts import INTERRUPTS, PERSON, raise_it

USAGE: Final = 64
INTERNAL: Final = 70
NOT_CERTIFIED: Final = "Not a certified medical device."


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Runs one subcommand and gives the exit code. Ctrl-C and SIGTERM are obeyed before the rest is even loaded."""
    INTERRUPTS.begin()
    try:
        return _command(arguments)
    finally:
        INTERRUPTS.end()


def _command(arguments: list[str] | None) -> int:
    import traceback
    from importlib.metadata import version

    from controller import (
        check,
        data_command,
        fault,
        journal_command,
        key_command,
        people_command,
        prescription_command,
        run,
        serve,
        simulate,
        stop,
        verify_command,
        workshop,
    )
    from safety.errors import InputRefused, PelviStimError

    parser = _Parser(prog="pelvistim", description=f"Electrostimulation for pelvic-floor training. {NOT_CERTIFIED}")
    parser.add_argument("--version", action="version", version=f"pelvistim {version('pelvistim')}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    people, data = people_command, data_command
    for name, add_arguments, entry, words in (
        ("check", check.add_arguments, check.main, "the figures of a programme file, with the ceiling beside each"),
        ("run", run.add_arguments, run.main, "run a programme file"),
        ("serve", serve.add_arguments, serve.main, "serve page and api on the simulated board"),
        ("stop", stop.add_arguments, stop.main, "stop every session of this user at once"),
        ("pair", people.add_pair_arguments, people.pair, "let a phone be paired with the running app"),
        ("people", people.add_people_arguments, people.people, "the phones that are paired, and what they may"),
        ("journal", journal_command.add_arguments, journal_command.main, "check or export the journal"),
        (
            "prescription",
            prescription_command.add_arguments,
            prescription_command.main,
            "what a clinician prescribes: shown, checked, signed, imported, listed",
        ),
        ("key", key_command.add_arguments, key_command.main, "a clinician's key: made, enrolled, listed, revoked"),
        ("verify", verify_command.add_arguments, verify_command.main, "prove what was sent in a session"),
        ("backup", data.add_backup_arguments, data.main_backup, "write everything that is kept into one file"),
        ("restore", data.add_restore_arguments, data.main_restore, "put a backup back"),
        ("data", data.add_data_arguments, data.main_data, "the person's code, hand-over and removal of what is kept"),
        ("doctor", workshop.add_doctor_arguments, workshop.doctor, "what is wrong with machine, daemon and board"),
        ("selftest", workshop.add_selftest_arguments, workshop.selftest, "the board's self-test, with a dummy load"),
        ("calibrate", workshop.add_calibrate_arguments, workshop.calibrate, "measure a board and keep the record"),
        ("audit", workshop.add_audit_arguments, workshop.audit, "what came out at the pins against what was compiled"),
        ("sim", simulate.add_arguments, simulate.main, "the simulated board by itself, for any pigpio client"),
        ("fault", fault.add_arguments, fault.main, "break something in a running simulation, to see what happens"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        add_arguments(command)
        command.set_defaults(main=entry)
    args = parser.parse_args(arguments)
    INTERRUPTS.does(raise_it)
    try:
        code: int = args.main(args)
        sys.stdout.flush()  # where it fails it is told like any other print
        return code
    except InputRefused as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped by a person before anything played", file=sys.stderr)
        return PERSON
    except (BrokenPipeError, SystemExit):  # rich makes the one into the other
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter's last flush must not fail too
        print("ended: nobody reads what is printed any more", file=sys.stderr)
        return INTERNAL
    except PelviStimError as error:
        print(f"internal error: {error} [{error.code}]", file=sys.stderr)
        return INTERNAL
    except Exception:
        traceback.print_exc()
        return INTERNAL


if __name__ == "__main__":
    sys.exit(main())
