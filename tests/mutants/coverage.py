"""``make coverage``: lines and branches of the part of the guard that decides, by the fast tests alone.

Prints the table, and fails where it is not 100 %.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.mutants.pure import ROOT, every_file, modules

DATA = ROOT / "build" / "coverage"


def main() -> int:
    """The exit code."""
    DATA.parent.mkdir(exist_ok=True)
    include = "--include=" + ",".join(f"safety/{name}.py" for name in modules())
    coverage = [sys.executable, "-m", "coverage"]
    environment = {**os.environ, "COVERAGE_FILE": str(DATA)}
    run = [*coverage, "run", "--branch", include, "-m", "pytest", "-q", "-p", "no:cacheprovider", *every_file()]
    report = [*coverage, "report", "--show-missing", "--fail-under=100", include]
    tested = subprocess.run(run, cwd=ROOT, env=environment, check=False).returncode
    return subprocess.run(report, cwd=ROOT, env=environment, check=False).returncode or tested


if __name__ == "__main__":
    sys.exit(main())
