"""``python -m tests.decoder EDGES.csv PROGRAMME.toml --intensity-ma 30 [--until-s N]``: summary and violations.

Exit codes: 0 no violation, 1 violations, 2 a file or figure that cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from tests.decoder import decode, summary, verify


def _whole(factor: int) -> Callable[[str], int]:
    """An argument type: a decimal number that times the factor is a whole number from 0 up."""

    def read(text: str) -> int:
        try:
            value = Fraction(text) * factor
        except ZeroDivisionError:
            raise ValueError(text) from None
        if value.denominator != 1 or value < 0:
            raise ValueError(text)
        return value.numerator

    read.__name__ = f"figure (a multiple of 1/{factor}, from 0 up)"
    return read


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.decoder", description="Holds edges against a programme.")
    parser.add_argument("edges", type=Path)
    parser.add_argument("programme", type=Path)
    parser.add_argument("--intensity-ma", required=True, type=_whole(1000), help="final set-point, to 0.001 mA")
    parser.add_argument("--until-s", type=_whole(1_000_000), help="session time at which a ramped end began")
    parser.add_argument("--beginning", action="store_true", help="a beginning of the programme is enough")
    parser.add_argument("--unreached", action="store_true", help="the set-point need not have been reached")
    given = parser.parse_args(arguments)
    try:
        decoded = decode(given.edges)
        violations = verify(
            decoded,
            given.programme.read_bytes(),
            given.intensity_ma,
            whole=not given.beginning,
            until_us=given.until_s,
            reached=False if given.unreached else None,
        )
    except (OSError, ValueError, KeyError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    print(f"{decoded.rows} rows, {len(decoded.frames)} frames, {len(decoded.pulses)} pulses")
    for channel, figures in summary(decoded).items():
        print(f"{channel}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))
    for violation in violations:
        print(f"VIOLATION {violation}")
    print("no violation" if not violations else f"{len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
