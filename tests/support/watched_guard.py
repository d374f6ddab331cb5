"""The guard process, which writes to the file named in MODULES what it imported after it was ready."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from safety import __main__ as program
from safety.guard import Guard


class Watched(Guard):
    def run(self) -> None:
        before = set(sys.modules)
        try:
            super().run()
        finally:
            Path(os.environ["MODULES"]).write_text("\n".join(sorted(set(sys.modules) - before)), encoding="utf-8")


if __name__ == "__main__":
    program.Guard = Watched  # type: ignore[misc]
    code = program.main()
    sys.stdout.flush()
    os._exit(code)
