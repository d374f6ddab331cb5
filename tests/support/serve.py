"""``pelvistim serve`` as a process of its own, on the simulated board in real time."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.support.cli import command, environment
from tests.support.proved import unproved

ROLES = ("viewer", "patient", "clinician")
END_WITHIN_S = 20.0


@dataclass
class Serving:
    """A server that says it is ready. ``tokens``: for each role one to pair with; ``said``: all it printed."""

    process: subprocess.Popen[str]
    base: str
    tokens: dict[str, str]
    said: str
    phones: list[httpx2.Client] = field(default_factory=list)

    def phone(self, role: str | None = None) -> httpx2.Client:
        """A client, paired in this role."""
        client = httpx2.Client(base_url=f"{self.base}/api/v1", timeout=END_WITHIN_S, trust_env=False)
        self.phones.append(client)
        if role is not None:
            client.post("pair", json={"token": self.tokens[role], "name": role}).raise_for_status()
        return client

    def end(self) -> int:
        """Ends it in order; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_WITHIN_S)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def serve(folder: Path, *options: object, within: Sequence[str] = ()) -> Iterator[Serving]:
    """Serves with its state in ``folder``; ends what is left, and proves every session. ``within``: what the command is
    handed to, to run it.
    """
    arguments = ("serve", "--port", 0, "--state", folder / "state", *options)
    process = subprocess.Popen(
        [*within, *command(*arguments)], stdout=subprocess.PIPE, text=True, env=environment(folder)
    )
    assert process.stdout is not None
    with process.stdout:
        said, links = "", {}
        while len(links) < len(ROLES):
            line = process.stdout.readline()
            assert line, f"it ended: {said}"
            said += line
            links = dict(zip(ROLES, re.findall(r"^(https?://127\S+)/#pair=(\S+)$", said, re.MULTILINE), strict=False))
        tokens = {role: token for role, (_, token) in links.items()}
        serving = Serving(process, links["viewer"][0], tokens, said)
        try:
            yield serving
        finally:
            for phone in serving.phones:
                phone.close()
            if process.poll() is None:
                process.terminate()
                process.wait(END_WITHIN_S)
        kept = folder / "state"
        assert unproved(kept / "app", kept / "guard") == []
