"""The command from the outside: run to its end, or acted upon while a session plays."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.preloaded import WAITS
from tests.support.sim import START_TIMEOUT_S


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "controller.cli", *map(str, arguments)]


def environment(folder: Path, **changes: str | None) -> dict[str, str]:
    """Runtime folders of this test alone; ``changes`` set or (None) take away variables."""
    values = {**os.environ, "XDG_RUNTIME_DIR": str(folder), **changes}
    return {name: value for name, value in values.items() if value is not None}


def pelvistim(folder: Path, *arguments: object, **changes: str | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        env=environment(folder, **changes),
        timeout=120,
    )


def children(pid: int) -> list[int]:
    """Process ids of board and guard, in this order, that a process started; not who only waits to become one."""
    tasks = sorted(Path(f"/proc/{pid}/task").glob("*/children"))
    found = [one for task in tasks for one in task.read_text(encoding="ascii").split()]
    return [int(one) for one in found if Path(f"/proc/{one}/comm").read_text(encoding="ascii").strip() != WAITS]


class Running:
    """``pelvistim run`` (of stress-50hz, if no options say otherwise) that has said the words of ``until``."""

    def __init__(
        self,
        folder: Path,
        *options: object,
        until: str = "00:10",
        speed: str = "max",
        edges: Path | None = None,
        **changes: str | None,
    ) -> None:
        self.edges = edges or folder / "edges.csv"
        given = options or ("stress-50hz", "--intensity", 20)
        common = ("--board", "sim", "--speed", speed, "--json", "--edges", self.edges)
        self.process = subprocess.Popen(
            command("run", *given, *common),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(folder, **changes),
        )
        self.said = ""
        self.wait_for(until)

    def wait_for(self, words: str) -> None:
        """Reads what is said until it holds the words."""
        assert self.process.stderr is not None
        while words not in self.said:
            assert select.select([self.process.stderr], [], [], START_TIMEOUT_S)[0], (
                f"the run says nothing: {self.said}"
            )
            line = self.process.stderr.readline()
            assert line, f"the run ended: {self.said}"
            self.said += line

    def children(self) -> list[int]:
        return children(self.process.pid)

    def end(self) -> tuple[int, dict[str, Any], str]:
        """Waits for the end; exit code, summary and what was said."""
        out, err = self.process.communicate(timeout=START_TIMEOUT_S)
        self.said += err
        return self.process.returncode, json.loads(out), self.said


def while_running(folder: Path, act: Callable[[subprocess.Popen[str]], None]) -> tuple[int, dict[str, Any], str]:
    """Runs stress-50hz, acts once it has said that it plays, and gives exit code, summary and what was said."""
    running = Running(folder)
    act(running.process)
    return running.end()


def left_behind(folder: Path) -> list[Path]:
    return list((folder / "pelvistim").iterdir()) if (folder / "pelvistim").exists() else []
