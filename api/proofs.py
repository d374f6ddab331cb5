"""A session's proof of delivery for who asks over the api: ``pelvistim verify`` in a process of its own.

To replay a session takes seconds of a small processor. In its own process, behind all others in line, that is taken
from neither loop nor stop; one is made at a time, and ended when it takes too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from api.problems import ApiRefused

PROOF_WITHIN_S: Final = 120.0
"""ours; the longest session, 45 minutes, was reckoned to take 3 s (0.05 s a minute measured, 0.5 s to begin)."""
WAITING_MAX: Final = 8
NICENESS: Final = 15


class Proofs:
    """Proves what is kept in ``state``, as ``--state`` of ``pelvistim verify`` names it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._turn = asyncio.Lock()
        self._asked = 0

    async def prove(self, session: str) -> dict[str, Any]:
        """One session, as ``verify --json`` tells it. Raises ApiRefused ``proof_not_made``."""
        if self._asked >= WAITING_MAX:
            raise ApiRefused(f"{self._asked} proofs are waited for", code="proof_not_made")
        self._asked += 1
        try:
            async with self._turn:
                told = await self._verify(session)
            (proof,) = json.loads(told)
        except (TimeoutError, ValueError, OSError) as error:
            raise ApiRefused(f"no proof of session {session}: {error!r}", code="proof_not_made") from None
        finally:
            self._asked -= 1
        return dict(proof)

    async def _verify(self, session: str) -> bytes:
        command = (sys.executable, "-m", "controller.cli", "verify", "--json", "--state", str(self._state), session)
        nothing, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=pipe, stderr=nothing)
        try:
            _goes_last(process.pid)
            told, _ = await asyncio.wait_for(process.communicate(), PROOF_WITHIN_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return told


def _goes_last(pid: int) -> None:
    """As a batch job, whatever this process was started as. Where the system refuses that, it is one like others."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
