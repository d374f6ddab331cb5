"""Parts of a page that a module of the tests makes: between ``<!-- python -m MODULE -->`` and ``<!-- end -->``.

``python -m tests.support.sections PAGE MODULE...`` makes them anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def section(text: str, module: str) -> str:
    """What stands on a page in the part that ``module`` makes. Raises ValueError unless there is just one."""
    found = re.findall(rf"<!-- python -m {re.escape(module)} -->\n\n(.*?)\n<!-- end -->", text, re.DOTALL)
    if len(found) != 1:
        raise ValueError(f"{len(found)} parts are made by {module}")
    return str(found[0])


def put(page: Path, module: str, said: str) -> None:
    """Puts what ``module`` made in its place on a page."""
    text = page.read_text(encoding="utf-8")
    begin = f"<!-- python -m {module} -->\n\n"
    page.write_text(text.replace(begin + section(text, module), begin + said), encoding="utf-8")


def table(figures: dict[str, str]) -> str:
    """Figures as a table of two columns."""
    rows = "".join(f"| {what} | {value} |\n" for what, value in figures.items())
    return f"| figure | measured |\n|---|---|\n{rows}"


def main(page: Path, modules: list[str]) -> None:
    for module in modules:
        said = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, check=True).stdout
        put(page, module, said)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
